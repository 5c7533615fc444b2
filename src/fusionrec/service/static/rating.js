// What someone says of an item: a rating on the schema's scale, or what they think of it where
// nothing is rated. One click says it; by keyboard arrow keys choose, and Enter or the button says it.

import { el, newId } from "./dom.js";
import { inWords, isStars, isThumbs, steps } from "./scale.js";

/**
 * The group of controls.
 * @param {object} schema as of GET /v1/schema
 * @param {string} title of the item
 * @param {(what: object) => void} say takes `{kind, rating}`
 * @param {object} given what was said before, with a `rating` if it has one
 */
export function opinion(schema, title, say, given = {}) {
  const { rating: scale } = schema;
  const rate = (rating) => say({ kind: "rating", rating });
  const legend = `Your ${scale ? "rating" : "opinion"} of ${title}`;
  const group = el("fieldset", { class: "opinion" }, el("legend", { class: "unseen" }, legend));
  if (scale && !isThumbs(scale)) {
    const values = steps(scale);
    (values ? listed : slid)(group, scale, rate, values);
    showGiven(group, given);
    return group;
  }
  const button = (text, name, click) =>
    el("button", { type: "button", class: "quiet", "aria-label": name, on: { click } }, text);
  group.append(
    button("Like", `I like ${title}`, () => (scale ? rate(scale.high) : say({ kind: "like" }))),
    button("Not for me", `${title} is not for me`, () => (scale ? rate(scale.low) : say({ kind: "dislike" }))),
  );
  return group;
}

/** Shows the rating that was given before, if any, in a group of controls. */
export function showGiven(group, { rating } = {}) {
  for (const input of group.querySelectorAll("input")) {
    if (input.type === "radio") input.checked = Number(input.value) === rating;
    else if (rating !== undefined) input.value = String(rating);
  }
}

/** The button that says what was chosen, and Enter as the same; `chosen()` gives the rating. */
function saying(group, scale, rate, chosen) {
  const save = el("button", { type: "button", class: "save", hidden: true }, "Rate");
  save.addEventListener("click", () => rate(chosen()));
  group.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target !== save && !save.hidden) rate(chosen());
  });
  group.append(save);
  return (shown) => {
    save.textContent = `Rate ${inWords(chosen(), scale).split(" ")[0]}`;
    if (shown) save.hidden = false;
  };
}

function listed(group, scale, rate, values) {
  const name = newId("rating");
  const look = isStars(scale) ? (scale.step === 1 ? "stars" : "stars halves") : "figures";
  group.className = `opinion rating ${look}`;
  for (const value of values) group.append(radio(name, value, scale));
  const chosen = () => Number(group.querySelector("input:checked")?.value);
  const show = saying(group, scale, rate, chosen);
  let pointed = false;
  group.addEventListener("pointerdown", () => (pointed = true));
  group.addEventListener("keydown", () => (pointed = false));
  group.addEventListener("change", () => {
    show(!pointed);
    if (pointed) rate(chosen());
  });
}

function radio(name, value, scale) {
  const text = inWords(value, scale);
  const input = el("input", { type: "radio", name, value: String(value), "aria-label": text });
  return el("label", { title: text }, input, el("span", { "aria-hidden": "true" }, text.split(" ")[0]));
}

/** A slider, for a scale of many ratings: a pointer seldom meets the one that is meant at once. */
function slid(group, scale, rate) {
  const { low, high, step } = scale;
  const middle = String(low + step * Math.round((high - low) / step / 2));
  const input = el("input", { type: "range", min: low, max: high, step, value: middle });
  input.setAttribute("aria-label", group.querySelector("legend").textContent);
  group.className = "opinion slider";
  group.append(input);
  const show = saying(group, scale, rate, () => input.valueAsNumber);
  input.addEventListener("input", () => {
    input.setAttribute("aria-valuetext", inWords(input.valueAsNumber, scale));
    show(true);
  });
}
