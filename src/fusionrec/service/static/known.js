// Known users as people: some to look at, and of the one who is asked for profile and last ratings.

import { historyOf, someUsers } from "./api.js";
import { el } from "./dom.js";
import { NOTHING, visitor, write } from "./state.js";
import { isThumbs, number } from "./scale.js";
import { labelOf, many, quoted } from "./text.js";

const EXAMPLES = 6;
const EXAMPLES_TITLE = "Look as someone else";
const PAGE = 8; // ratings that are shown, and added
const WORDS = { like: "liked", dislike: "not for them", hide: "hidden", view: "viewed", taken: "taken", rating: "rated" };
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeZone: "UTC" });

/** The panel. */
export class Known {
  /**
   * @param {HTMLDetailsElement} node is filled, and hidden where there is nothing to show
   * @param {object} schema as of GET /v1/schema
   * @param {object} act `change(part)` of what is asked
   */
  constructor(node, schema, act) {
    Object.assign(this, { node, schema, act, turn: 0 });
    this.title = node.querySelector("summary");
    this.inside = node.querySelector(".inside");
  }

  /** Shows who is asked for; examples where nobody is. */
  async show(asked) {
    const turn = ++this.turn;
    const may = this.schema.people && this.schema.open.includes("feedback");
    const fresh = write(asked) === write(NOTHING) && !visitor();
    if (!may || !(asked.user || fresh)) {
      this.node.hidden = true;
      return;
    }
    // Its place is kept, so that nothing moves when it is filled.
    this.node.hidden = false;
    this.title.textContent = asked.user ? `User ${asked.user}` : EXAMPLES_TITLE;
    this.inside.replaceChildren();
    if (asked.user) this.node.parentElement.prepend(this.node);
    else if (!this.node.previousElementSibling) this.node.before(this.node.nextElementSibling);
    // What cannot be had here is told where the answer is asked for.
    const made = await (asked.user ? this.#person(asked.user) : this.#examples()).catch(() => null);
    if (turn !== this.turn) return;
    this.node.hidden = !made;
    if (!made) return;
    this.title.textContent = made.title;
    this.inside.replaceChildren(...made.nodes);
  }

  async #examples() {
    const { people } = await someUsers(EXAMPLES);
    if (!people.length) return null;
    const buttons = people.map((one) => el("li", {}, el("button", {
      type: "button", class: "row", on: { click: () => this.act.change({ ...NOTHING, user: one.id }) },
    }, `User ${one.id}`, el("small", {}, this.#taste(one)))));
    return { title: EXAMPLES_TITLE, nodes: [el("ul", { class: "people" }, ...buttons)] };
  }

  #taste({ count, likes, favourite }) {
    const counted = many(count, this.schema.events ? "thing taken" : "rating").replace("thing takens", "things taken");
    const most = likes.length ? likes.join(", ") : quoted(favourite);
    return `${counted} · ${most}`;
  }

  async #person(user) {
    const found = await historyOf(user, PAGE);
    if (!found.known && !found.history.length) return null;
    const list = el("ol", { class: "said", "aria-label": "What they said last" }, ...this.#rows(found.history));
    const button = el("button", { type: "button", class: "quiet", hidden: !found.more }, "Earlier ones");
    button.addEventListener("click", () => this.#earlier(user, list, button));
    const events = this.schema.events;
    const stored = found.trained
      ? many(found.trained, events ? "thing" : "rating") + (events ? " taken" : "") : "Not in the training data";
    const facts = this.#profile(found.profile);
    const nodes = [el("p", {}, stored), facts.length ? el("dl", { class: "facts" }, ...facts) : null, list, button];
    list.tabIndex = 0; // it may be scrolled to
    return { title: `User ${user}`, nodes: nodes.filter(Boolean) };
  }

  #profile(profile) {
    return Object.entries(profile).flatMap(([name, value]) => {
      const field = this.schema.user.find((one) => one.name === name);
      const label = (one) => (field ? labelOf(field, String(one)) : String(one));
      return [el("dt", {}, field?.label ?? name), el("dd", {}, [value].flat().map(label).join(", "))];
    });
  }

  #rows(history) {
    return history.map((one) => {
      const given = one.rating === undefined ? WORDS[one.kind] ?? one.kind : this.#rating(one.rating);
      const told = [given, one.time === undefined ? "" : DAY.format(new Date(1000 * one.time)), one.since && "told here"];
      return el("li", {}, el("span", {}, one.title), el("small", {}, told.filter(Boolean).join(" · ")));
    });
  }

  #rating(rating) {
    const scale = this.schema.rating;
    if (!scale) return number(rating);
    if (isThumbs(scale)) return rating === scale.high ? "liked" : "not for them";
    return `${number(rating)} of ${number(scale.high)}`;
  }

  async #earlier(user, list, button) {
    const shown = list.children.length;
    const found = await historyOf(user, PAGE, shown).catch(() => null);
    if (!found) return;
    list.append(...this.#rows(found.history));
    button.hidden = !found.more;
    const next = list.children[shown];
    next?.setAttribute("tabindex", "-1");
    next?.focus({ preventScroll: true });
  }
}
