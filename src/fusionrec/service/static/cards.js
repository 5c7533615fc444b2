// The answer as cards, which move to their new places when the answer changes.

import { el, still } from "./dom.js";
import { inBrief } from "./given.js";
import { facts, predicted } from "./item_details.js";
import { hold } from "./pointer.js";
import { opinion, showGiven } from "./rating.js";
import { picture } from "./picture.js";
import { reasonsOf } from "./explanation.js";

const MOVE = { duration: 420, easing: "cubic-bezier(.2, .7, .2, 1)" };
const MOST = 5; // categories on a card

/**
 * A card, and what fills it anew.
 * @param {object} act `say(item, said)` with the kind of an event, and its rating; `similar(item)`;
 *   `takeBack(item, event)`
 */
function cardOf(item, schema, act) {
  const { numbers, categories, texts } = facts(item, schema);
  const rest = categories.length - MOST;
  const shown = rest > 0 ? [...categories.slice(0, MOST), `+${rest}`] : categories;
  const line = el("p", { class: "predicted" });
  const given = el("p", { class: "given" });
  const controls = opinion(schema, item.title, (said) => act.say(item, said));
  const reason = el("p", { class: "reason" });
  const similar = el("button", { type: "button", class: "quiet" }, "More like this");
  // Where nothing is rated, "not for me" hides as well.
  const [kind, verb] = schema.events ? ["view", "Viewed"] : ["hide", "Hide"];
  const other = el("button", { type: "button", class: "quiet" }, verb);
  similar.setAttribute("aria-label", `More like ${item.title}`);
  similar.addEventListener("click", () => act.similar(item));
  other.setAttribute("aria-label", `${verb} ${item.title}`);
  other.addEventListener("click", () => act.say(item, { kind }));
  const node = el(
    "li",
    { class: "card", data: { id: item.id } },
    picture(item, schema),
    el("h3", { tabindex: "-1" }, item.title),
    el("p", { class: "numbers" }, numbers.join(" · ")),
    el("ul", { class: "categories", "aria-label": "Categories" },
      ...shown.map((text) => el("li", {}, text))),
    el("p", { class: "text" }, texts[0]),
    reason,
    line,
    given,
    controls,
    el("div", { class: "buttons" }, similar, other),
  );
  if (!shown.length) node.querySelector(".categories").remove();
  return {
    node,
    fill(now, why) {
      line.replaceChildren(...predicted(now, schema));
      reason.textContent = why;
    },
    /** Shows what was said of it before; undefined: nothing. */
    give(event) {
      showGiven(controls, event);
      if (!event) return given.replaceChildren();
      const text = `You: ${inBrief(event, schema)}`;
      const undo = el("button", { type: "button", class: "quiet" }, "Undo");
      undo.setAttribute("aria-label", `Undo: ${inBrief(event, schema)}, ${item.title}`);
      undo.addEventListener("click", () => act.takeBack(item, event));
      return given.replaceChildren(text, undo);
    },
  };
}

/** The cards of one answer. */
export class Cards {
  /**
   * @param {HTMLOListElement} node holds them
   * @param {object} act what the buttons of a card do; see `cardOf`
   */
  constructor(node, act) {
    this.node = node;
    this.act = act;
    this.cards = new Map();
    this.items = [];
  }

  /** Shows items; cards that stay move to their new place. Gives the reason that most share. */
  show(items, schema) {
    const before = this.#places();
    const active = document.activeElement;
    const place = [...this.node.children].indexOf(active.closest(".card"));
    const { lead, texts } = reasonsOf(items);
    const cards = new Map();
    items.forEach((item, n) => {
      const card = this.cards.get(item.id) ?? cardOf(item, schema, this.act);
      this.#settle(card.node);
      card.fill(item, texts[n]);
      cards.set(item.id, card);
    });
    if (this.items.length && String([...cards.keys()]) !== String(this.items.map(({ id }) => id))) hold(this.node);
    this.cards = cards;
    this.items = items;
    this.node.replaceChildren(...[...cards.values()].map((card) => card.node));
    if (place >= 0) this.#focus(active, Math.min(place, items.length - 1));
    this.#move(before);
    return lead;
  }

  /** Shows what was said before: item -> event. */
  give(given) {
    for (const [id, card] of this.cards) card.give(given.get(id));
  }

  /** Gives the focus to an item's card, if it is there. */
  focus(id) {
    this.cards.get(id)?.node.querySelector("h3").focus({ preventScroll: true });
  }

  /** Lets a card fade; gives what brings it back. */
  leave(id) {
    const { node } = this.cards.get(id) ?? {};
    if (!node) return () => {};
    const next = node.nextElementSibling ?? node.previousElementSibling;
    const focused = node.contains(document.activeElement);
    node.inert = true;
    node.classList.add("leaving");
    if (focused) (next ?? this.node.closest("main")).querySelector("h3")?.focus({ preventScroll: true });
    return () => this.#settle(node);
  }

  /** Empty cards, in whose place the first answer comes. */
  wait(count) {
    const empty = () => el("li", { class: "card empty", "aria-hidden": "true" });
    this.node.replaceChildren(...Array.from({ length: count }, empty));
  }

  /** Gives the focus back to what had it; where that is gone, to the card in its place. */
  #focus(active, place) {
    const here = this.node.contains(active) ? active : this.node.children[place]?.querySelector("h3");
    here?.focus({ preventScroll: true });
  }

  #settle(node) {
    node.inert = false;
    node.classList.remove("leaving");
  }

  #places() {
    const rectangles = new Map();
    for (const [id, { node }] of this.cards) {
      if (node.isConnected && !node.inert) rectangles.set(id, node.getBoundingClientRect());
    }
    return rectangles;
  }

  #move(before) {
    if (still()) return;
    for (const [id, { node }] of this.cards) {
      const was = before.get(id);
      const now = node.getBoundingClientRect();
      if (!was) {
        node.animate([{ opacity: 0, transform: "translateY(12px)" }, {}], MOVE);
      } else if (was.x !== now.x || was.y !== now.y) {
        const from = `translate(${was.x - now.x}px, ${was.y - now.y}px)`;
        node.animate([{ transform: from }, { transform: "none" }], MOVE);
      }
    }
  }
}
