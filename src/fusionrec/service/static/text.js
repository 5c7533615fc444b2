// What the page says, in sentences.

import { inWords, isThumbs, number } from "./scale.js";

/** A count with its noun, which takes an s where they are several. */
export const many = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Items as the schema calls them: one, or several. */
export function things(schema, count = 2) {
  const nouns = schema.items ?? "items";
  return count === 1 ? nouns.replace(/s$/, "") : nouns;
}

export const quoted = (title) => `“${title}”`;

function listed(texts) {
  return texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}`;
}

/** A profile in people's words, such as "25-34, artist". */
function profileOf(asked, schema) {
  const said = schema.user.flatMap((field) => {
    const text = asked.profile[field.name];
    if (!text) return [];
    const values = field.kind === "categories" ? text.split(",") : [text];
    return values.map((value) => labelOf(field, value.trim()));
  });
  return said.join(", ");
}

/** The label of a choice, or the value where it is none. */
export function labelOf(field, value) {
  return field.choices.find((choice) => choice.value === value)?.label ?? value;
}

/**
 * For whom an answer is, by its kind, in one sentence.
 * @param {boolean} kept whether they may have said something here
 */
export function headline(kind, asked, schema, kept) {
  const profile = profileOf(asked, schema);
  const name = things(schema);
  if (kind === "search") return `${name[0].toUpperCase()}${name.slice(1)} for ${quoted(asked.q)}`;
  if (kind === "popular") {
    const of = asked.user ? `user ${asked.user}` : "you";
    return `Popular with everyone, since nothing is known of ${of} yet`;
  }
  if (kind === "user") return `For user ${asked.user}`;
  if (kind === "profile") return profile ? `For someone like you: ${profile}` : "For your profile";
  const did = schema.events ? "took" : "rated";
  const verbs = [kept && did, asked.liked.length && "like"].filter(Boolean);
  const source = `by what ${asked.user ? "they" : "you"} ${verbs.join(" and ") || did}`;
  const whom = asked.user ? `For user ${asked.user}` : "For you";
  return profile ? `${whom} (${profile}), ${source}` : `${whom}, ${source}`;
}

/**
 * What became different from one answer to the next.
 * @param {Array<{id, title}>} before the items that stood there
 * @param {Array<{id, title}>} after those that stand there now
 */
export function changes(before, after, schema) {
  const positions = new Map(before.map((item, place) => [item.id, place]));
  const fresh = after.filter((item) => !positions.has(item.id));
  const risen = after
    .map((item, place) => ({ item, place, by: (positions.get(item.id) ?? place) - place }))
    .sort((one, other) => other.by - one.by)[0];
  const said = [];
  if (fresh.length) {
    const names = fresh.slice(0, 2).map((item) => quoted(item.title));
    const rest = fresh.length - names.length;
    said.push(`New here: ${listed(rest ? [...names, `${rest} more`] : names)}.`);
  }
  if (risen && risen.by > 1) said.push(`${quoted(risen.item.title)} rose to place ${risen.place + 1}.`);
  return said.join(" ") || `The ${things(schema)} and their order are the same.`;
}

/** Whether an event says that someone likes an item. */
export const likes = ({ kind, rating }, schema) =>
  kind === "like" || (kind === "rating" && rating >= schema.rating.like);

/** What was said of an item, once it is kept. */
export function thanks(event, title, schema) {
  const name = quoted(title);
  if (event.kind === "hide") return `${name} is hidden.`;
  if (event.kind === "view") return `Noted: you viewed ${name}.`;
  if (event.kind === "rating" && !isThumbs(schema.rating)) {
    return `You rated ${name} ${inWords(event.rating, schema.rating)}.`;
  }
  const likes = event.kind === "like" || (event.kind === "rating" && event.rating === schema.rating.high);
  return likes ? `You like ${name}.` : `${name} is not for you.`;
}

/** That something was taken back. */
export function takenBack({ kind }, title) {
  const name = quoted(title);
  if (kind === "hide") return `${name} is not hidden any more.`;
  if (kind === "view") return `Taken back: you viewed ${name}.`;
  return `Your ${kind === "rating" ? "rating" : "opinion"} of ${name} is taken back.`;
}

/** That there was nothing left to take back: another tab, or another machine, was first. */
export const gone = (title) =>
  `Nothing is kept of you about ${quoted(title)} any more: it was forgotten, perhaps in another tab.`;

/** What is kept of someone; `about` as of GET /v1/users/{id}. */
export function kept(about, schema) {
  const { rating = 0, like = 0, dislike = 0, hide = 0, view = 0 } = about?.events ?? {};
  const refused = schema.events ? dislike + hide : hide;
  const parts = [
    schema.events ? like && many(like, "like") : many(rating + like + dislike, "rating"),
    refused && `${refused} hidden ${things(schema, refused)}`,
    view && many(view, "view"),
  ];
  return listed(parts.filter((text) => text && !text.startsWith("0 ")));
}

/**
 * A trouble in plain words.
 * @returns {{text: string, todo: string, key: boolean}} what is wrong, what to do, and whether a key
 *   is what is needed
 */
export function trouble({ status = -1, hint = "", message, wait }) {
  const text = message.replace(/[^.…!?]$/, "$&.");
  const told = (said, todo, key = false) => ({ text: said, todo, key });
  if (status === 0) {
    return told(text, "What you see is its last answer. Check that it runs and that you are online.");
  }
  if (status === 401) return told(`The service asks for a key: ${text}`, "Whoever runs it makes them.", true);
  if (status === 429) {
    const after = wait ? `in ${many(wait, "second")}` : "in a moment";
    return told("That was too much at once.", `Try again ${after}.`);
  }
  if (status === 403) return told(`The service refuses: ${text}`, hint, true);
  if (status >= 500) return told(`The service cannot answer now: ${text}`, "Try again in a moment.");
  if (status > 0) return told(`This could not be asked: ${text}`, hint);
  return told(`The page failed: ${text}`, "Reload it.");
}
