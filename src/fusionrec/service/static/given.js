// What the person said of items before, as the service keeps it: one may ask for it anew at any time,
// in any tab.

import { said } from "./api.js";
import { inWords, isThumbs } from "./scale.js";

const MOST = 100; // items, and events, of one request

/** Whether an event is an opinion, of which the last one of an item counts. */
export const isOpinion = ({ kind }) => kind === "rating" || kind === "like" || kind === "dislike";

/** An event in words, for someone: "rated 4 of 5". */
export function inBrief({ kind, rating }, schema) {
  if (kind === "hide") return "hidden";
  if (kind === "view") return "viewed";
  if (kind === "like") return "liked";
  if (kind === "dislike") return "not for you";
  if (!schema.rating) return "rated";
  const text = inWords(rating, schema.rating);
  return isThumbs(schema.rating) ? (rating === schema.rating.high ? "liked" : text) : `rated ${text}`;
}

/**
 * The last thing that someone said of each item, where they said something.
 * @returns {Promise<Map<string, object>>} item -> event, as of GET /v1/users/{id}/feedback
 */
export async function givenOf(user, items) {
  const given = new Map();
  if (!items.length) return given;
  const { events } = await said(user, { item: items.slice(0, MOST), k: MOST });
  for (const event of events) {
    const before = given.get(event.item);
    if (!before || (isOpinion(event) && !isOpinion(before))) given.set(event.item, event);
  }
  return given;
}
