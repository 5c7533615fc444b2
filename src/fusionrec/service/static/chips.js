// Chosen things as chips, each with a button that takes it away.

import { el } from "./dom.js";

/** A chip; `remove()` is called by its button. */
export function chip(text, remove) {
  const button = el("button", { type: "button", "aria-label": `Remove ${text}`, on: { click: remove } }, "×");
  return el("li", {}, el("span", {}, text), button);
}
