// The reasons of an answer, so that no two words are said a dozen times: what most cards have in
// common is said once above them, and an item that was named often is not named again.

const SAME = 2; // cards on which a reason may stand in the same words
const NAMED = 3; // cards on which an item may be named
const COMMON = 4; // cards, and half of all, that share what is said once
const BEGINNING = { liked: "because of", near: "like" };

/**
 * What stands above the cards, and on each.
 * @param {Array<{reason?: {kind, text, items}}>} items of an answer
 * @returns {{lead: string, texts: string[]}} a text for each item; empty where there is none
 */
export function reasonsOf(items) {
  const lead = common(items);
  const used = new Map();
  const named = new Map();
  const texts = items.map(({ reason }) => {
    if (!reason || reason.text === lead) return "";
    const text = worded(reason, used, named);
    if (text) count(used, text);
    if (text) for (const { id, title } of reason.items) if (text.includes(title)) count(named, id);
    return text;
  });
  if (!lead) return { lead, texts };
  const all = items.every(({ reason }) => reason?.text === lead);
  return { lead: all ? `${lead[0].toUpperCase()}${lead.slice(1)}.` : `Most of these: ${lead}.`, texts };
}

function common(items) {
  const counts = new Map();
  for (const { reason } of items) if (reason) count(counts, reason.text);
  const [text, most] = [...counts].sort((one, other) => other[1] - one[1])[0] ?? ["", 0];
  return most >= COMMON && most >= items.length / 2 ? text : "";
}

/** The reason as it is; in fewer words where some of what it names was named often enough. */
function worded({ kind, text, items }, used, named) {
  const fresh = items.filter(({ id }) => (named.get(id) ?? 0) < NAMED);
  const whole = fresh.length === items.length;
  if (whole && (used.get(text) ?? 0) < SAME) return text;
  if (!BEGINNING[kind]) return "";
  // The second nearest first: the nearest one has been named already.
  const shorter = fresh.map(({ title }) => `${BEGINNING[kind]} ${title}`).reverse();
  return shorter.find((one) => (used.get(one) ?? 0) < SAME) ?? "";
}

function count(counts, key) {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
