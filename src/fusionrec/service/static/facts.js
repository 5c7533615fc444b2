// What is known of an item, as a card shows it.

import { el } from "./dom.js";
import { labelOf, number } from "./words.js";

const OWN = new Set(["rank", "id", "title", "score", "stars", "ratings", "reason"]);
const MOST = 6; // categories shown

/** Whether a number reads as a year, which needs no word beside it. */
function isYear(field) {
  return field.low >= 1000 && field.high <= 2200 && Number.isInteger(field.low);
}

function category(field, value) {
  return [value].flat().map((one) => labelOf(field, one));
}

/**
 * Numbers and categories of an item.
 * @returns {{numbers: string[], categories: string[]}} texts, in the schema's order; lists and
 *   numbers that the schema does not filter by come last, other texts are left out
 */
export function facts(item, schema) {
  const numbers = [];
  const categories = [];
  const fields = new Map(schema.filters.map((field) => [field.name, field]));
  const others = Object.keys(item).filter((name) => !OWN.has(name) && !fields.has(name));
  for (const name of [...fields.keys(), ...others]) {
    const field = fields.get(name) ?? { label: name, choices: [] };
    const value = item[name];
    if (typeof value === "number") {
      numbers.push(isYear(field) ? number(value) : `${field.label} ${number(value)}`);
    } else if (Array.isArray(value) || (value && fields.has(name))) {
      categories.push(...category(field, value));
    }
  }
  return { numbers, categories };
}

/** The same as one line of text. */
export function factLine(item, schema) {
  const { numbers, categories } = facts(item, schema);
  const rest = categories.length - MOST;
  const shown = rest > 0 ? [...categories.slice(0, MOST), `${rest} more`] : categories;
  return [...numbers, ...shown].join(" · ");
}

/**
 * The rating predicted, as a text and as a bar; or how many rated it, or nothing.
 * @returns {Node[]} what fills the card's line for it
 */
export function predicted(item, schema) {
  if (item.stars === undefined) {
    const text = item.ratings === undefined ? "" : `${item.ratings} ratings`;
    return [el("span", { class: "counted" }, text)];
  }
  const { low, high } = schema.rating;
  const stars = Math.min(Math.max(item.stars, low), high);
  const bar = el("span", { class: "filled" });
  bar.style.inlineSize = `${(100 * (stars - low)) / (high - low)}%`;
  const text = el("span", { class: "stars" }, el("b", {}, stars.toFixed(1)), ` of ${number(high)}`);
  text.title = "The rating predicted for you";
  return [text, el("span", { class: "bar", "aria-hidden": "true" }, bar)];
}
