// A rating as a radio group: one click rates; arrow keys choose, and Enter or the button rates.

import { el, newId } from "./dom.js";
import { number } from "./words.js";

const MOST = 11; // ratings that can be given

/** The ratings that the scale offers: its whole numbers, or as many even steps as there is room for. */
export function steps({ low, high }) {
  const first = Math.ceil(low);
  const whole = Math.floor(high) - first + 1;
  if (whole >= 2 && whole <= MOST) return Array.from({ length: whole }, (_, n) => first + n);
  const count = whole < 2 ? 5 : MOST;
  return Array.from({ length: count }, (_, n) => low + ((high - low) * n) / (count - 1));
}

/**
 * The radio group.
 * @param {object} scale the schema's `rating`
 * @param {string} title of the item
 * @param {(rating: number) => void} rate told once a rating was given
 */
export function ratingGroup(scale, title, rate) {
  const name = newId("rating");
  const values = steps(scale);
  const save = el("button", { type: "button", class: "save", hidden: true }, "Rate");
  const group = el("fieldset", { class: values.length > 7 ? "rating numbers" : "rating" });
  group.append(el("legend", { class: "unseen" }, `Your rating of ${title}`));
  let pointed = false;
  const chosen = () => Number(group.querySelector("input:checked")?.value);
  for (const value of values) group.append(radio(name, value, scale));
  group.append(save);
  group.addEventListener("pointerdown", () => (pointed = true));
  group.addEventListener("keydown", (event) => {
    pointed = false;
    if (event.key === "Enter" && event.target !== save && !save.hidden) rate(chosen());
  });
  group.addEventListener("change", () => {
    if (pointed) rate(chosen());
    else save.hidden = false;
    save.textContent = `Rate ${number(chosen())}`;
  });
  save.addEventListener("click", () => rate(chosen()));
  return group;
}

function radio(name, value, scale) {
  const text = number(value);
  const said = `${text} of ${number(scale.high)}`;
  const input = el("input", { type: "radio", name, value: String(value), "aria-label": said });
  return el("label", { title: said }, input, el("span", { "aria-hidden": "true" }, text));
}
