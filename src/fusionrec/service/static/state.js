// Who and what is asked for. It stands in the page's address, so that a page can be shared; the
// visitor's own id does not.

export const VISITOR = "fusionrec.visitor";
const PROFILE = "profile.";
const TUNING = ["diversity", "calibration", "fresh"]; // 0 to 1

/** Nobody and nothing in particular. */
export const NOTHING = { user: "", profile: {}, liked: [], where: [], tuning: {}, q: "" };

/** What an address asks for. */
export function read(search = location.search) {
  const params = new URLSearchParams(search);
  const tuned = TUNING.map((name) => [name, Number(params.get(name))]);
  const profile = [...params].filter(([name, value]) => name.startsWith(PROFILE) && value);
  return {
    user: params.get("user") ?? "",
    profile: Object.fromEntries(profile.map(([name, value]) => [name.slice(PROFILE.length), value])),
    liked: [...new Set(params.getAll("liked"))],
    where: params.getAll("where"),
    tuning: Object.fromEntries(tuned.filter(([, value]) => value > 0 && value <= 1)),
    q: params.get("q") ?? "",
  };
}

/** The address that asks for this. */
export function write(asked) {
  const params = new URLSearchParams();
  if (asked.user) params.set("user", asked.user);
  for (const [name, value] of Object.entries(asked.profile)) params.set(PROFILE + name, value);
  for (const id of asked.liked) params.append("liked", id);
  for (const condition of asked.where) params.append("where", condition);
  for (const name of TUNING) if (asked.tuning[name]) params.set(name, asked.tuning[name]);
  if (asked.q) params.set("q", asked.q);
  const text = params.toString();
  return location.pathname + (text && `?${text}`);
}

/** The id under which this browser's visitor is kept; empty before they said anything. */
export const visitor = () => localStorage.getItem(VISITOR) ?? "";

/** Keeps an id of this browser's visitor; null forgets it. */
export function keepVisitor(id) {
  if (id === null) localStorage.removeItem(VISITOR);
  else localStorage.setItem(VISITOR, id);
}
