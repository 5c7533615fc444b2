// What misspelt words of a search may mean, as links.

import { el } from "./dom.js";
import { write } from "./state.js";

/**
 * Shows the question whether something else was meant; nothing where there are no suggestions.
 * @param {HTMLElement} node is filled
 * @param {Array<{text}>} suggestions of an answer
 * @param {object} asked see `state.js`
 * @param {(part: object) => void} change asks for something else in part
 */
export function didYouMean(node, suggestions, asked, change) {
  const links = suggestions.map(({ text }) => {
    const link = el("a", { href: write({ ...asked, q: text }) }, text);
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      change({ q: text });
    });
    return link;
  });
  const question = links.flatMap((link, place) => [place ? " or " : "Did you mean ", link]);
  node.hidden = !links.length;
  node.replaceChildren(...question, links.length ? "?" : "");
}
