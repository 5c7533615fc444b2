// The other way to look at an answer: rows, each of them an answer of its own, asked for when it
// comes into view.

import * as api from "./api.js";
import { Cards } from "./cards.js";
import { el, newId } from "./dom.js";

const COUNT = 12; // items of a row
const AHEAD = "300px"; // below the window, where a row is asked for
const VIEW = "fusionrec.view";
const NOBODY = { user: "", profile: {}, liked: [] };

/** Whether this browser was last looked at in rows. */
export const keptRows = () => localStorage.getItem(VIEW) === "rows";

/** The buttons that change between the list and the rows; the choice is kept. */
export function viewSwitch(node, changed) {
  const button = (view, text) => el("button", {
    type: "button", class: "quiet", "aria-pressed": String(keptRows() === (view === "rows")),
    on: { click: () => choose(view) }, data: { view },
  }, text);
  const buttons = [button("list", "List"), button("rows", "Rows")];
  function choose(view) {
    if (view === "rows") localStorage.setItem(VIEW, view);
    else localStorage.removeItem(VIEW);
    for (const one of buttons) one.setAttribute("aria-pressed", String(one.dataset.view === view));
    changed();
  }
  node.replaceChildren(...buttons);
}

/**
 * What rows there are for an answer: each with a heading, and what gives its items.
 * @param {object} asked whole, with the visitor as its user
 * @param {object} found the answer to it
 * @param {{id, title} | null} liked what the person said last that they like
 */
function rowsOf(asked, found, schema, liked, explain) {
  const { where, tuning } = asked;
  const ask = (part) => (signal) =>
    api.answer({ ...asked, ...part }, { k: COUNT, explain, signal });
  const named = liked ?? found.items.flatMap(({ reason }) => reason?.items ?? [])[0];
  const { newest } = schema;
  const fresh = newest && { where: [...where, ...newest.where], only: newest.only };
  const popular = found.kind === "popular";
  const told = Object.keys(asked.profile).length > 0;
  const everyone = { ...NOBODY, where, tuning };
  return [
    { heading: popular ? "Popular with everyone" : "For you", items: async () => found.items.slice(0, COUNT) },
    named && {
      heading: `Because you liked ${named.title}`,
      items: async (signal) => (await api.similar(named.id, COUNT, where, signal)).items,
    },
    fresh && (explain || !fresh.only.length) && { heading: "New here", ask: ask(fresh) },
    told && { heading: "Popular with people like you", ask: ask({ ...everyone, profile: asked.profile }) },
    !popular && !told && { heading: "Popular with everyone", ask: ask(everyone) },
  ].filter(Boolean);
}

/** The rows. */
export class Rows {
  /**
   * @param {HTMLElement} node is filled
   * @param {object} act what cards do (see `Cards`), and `failed(error)`
   */
  constructor(node, act) {
    Object.assign(this, { node, act, made: new Map(), liked: null });
  }

  /** Takes them away. */
  clear() {
    this.#stop();
    this.made.clear();
    this.node.replaceChildren();
  }

  /** Shows the rows for an answer; those that were here keep their cards until theirs come. */
  show(asked, found, schema, explain) {
    this.#stop();
    const going = (this.going = new AbortController());
    const seen = (entries) => entries.filter((one) => one.isIntersecting).forEach(({ target }) => {
      this.watch.unobserve(target);
      this.#fill(target.row, schema, going.signal);
    });
    this.watch = new IntersectionObserver(seen, { rootMargin: `0px 0px ${AHEAD} 0px` });
    const wanted = rowsOf(asked, found, schema, this.liked, explain);
    const made = new Map(wanted.map((one) => [one.heading, this.#row(one)]));
    for (const [heading, { node }] of this.made) if (!made.has(heading)) node.remove();
    this.made = made;
    [...made.values()].forEach(({ node }, n) => {
      if (this.node.children[n] !== node) this.node.insertBefore(node, this.node.children[n] ?? null);
      this.watch.observe(node);
    });
  }

  #row(wanted) {
    const kept = this.made.get(wanted.heading);
    if (kept) return Object.assign(kept, wanted);
    const id = newId("row");
    const list = el("ol", { class: "cards", tabindex: "0", "aria-labelledby": id });
    const node = el("section", { class: "strip", "aria-labelledby": id }, el("h2", { id }, wanted.heading), list);
    const row = { ...wanted, node, list, cards: new Cards(list, this.act) };
    row.cards.wait(4);
    node.row = row;
    return row;
  }

  async #fill(row, schema, signal) {
    const { cards, list, node } = row;
    list.ariaBusy = "true";
    try {
      const items = row.ask ? (await row.ask(signal)).items : await row.items(signal);
      if (signal.aborted) return;
      node.hidden = !items.length;
      cards.show(items, schema);
    } catch (error) {
      if (error.name !== "AbortError") this.act.failed(error, () => this.#fill(row, schema, signal));
    }
    list.ariaBusy = "false";
  }

  #stop() {
    this.going?.abort();
    this.watch?.disconnect();
  }
}
