// What is known of an item, as a card shows it.

import { el } from "./dom.js";
import { figure, isThumbs, number, within } from "./scale.js";
import { labelOf, many } from "./text.js";

const MOST = 6; // categories shown

/**
 * Attributes of an item, by the schema's order.
 * @returns {{numbers: string[], categories: string[], texts: string[]}}
 */
export function facts(item, schema) {
  const found = { numbers: [], categories: [], texts: [] };
  for (const field of schema.item) {
    const value = item.content[field.name];
    if (value === undefined || value === null || field.kind === "image") continue;
    if (field.kind === "number") found.numbers.push(`${field.label} ${number(value)}`);
    else if (field.kind === "text") found.texts.push(value);
    else found.categories.push(...[value].flat().map((one) => labelOf(field, one)));
  }
  return found;
}

/** The same as one line of text, without long texts. */
export function factLine(item, schema) {
  const { numbers, categories } = facts(item, schema);
  const rest = categories.length - MOST;
  const shown = rest > 0 ? [...categories.slice(0, MOST), `${rest} more`] : categories;
  return [...numbers, ...shown].join(" · ");
}

/**
 * The rating predicted, as a text and as a bar; or how many took it, or nothing.
 * @returns {Node[]} what fills the card's line for it
 */
export function predicted(item, schema) {
  const rating = schema.rating && item.stars;
  if (rating === undefined || rating === null) {
    const count = item.ratings;
    const text = schema.events ? `taken ${many(count, "time")}` : many(count, "rating");
    return count === undefined ? [] : [el("span", { class: "counted" }, text)];
  }
  const { low, high } = schema.rating;
  const clipped = Math.min(Math.max(rating, low), high);
  const percent = Math.round((100 * (clipped - low)) / (high - low));
  const bar = el("span", { class: "filled" });
  bar.style.inlineSize = `${percent}%`;
  const text = isThumbs(schema.rating)
    ? el("span", { class: "figure" }, el("b", {}, `${percent}%`), " like")
    : el("span", { class: "figure" }, el("b", {}, figure(clipped, schema.rating)), ` ${within(schema.rating)}`);
  text.title = "The rating predicted for you";
  return [text, el("span", { class: "bar", "aria-hidden": "true" }, bar)];
}
