// What narrows and orders the list, as chips above it, and as a count on the panel's heading.

import { chip, el } from "./dom.js";
import { number } from "./scale.js";
import { labelOf } from "./text.js";
import { share, tunings } from "./tuning.js";

/** A condition in words; one in a form that the panel does not write stays as it is. */
function worded(condition, schema) {
  const at = condition.indexOf("=");
  const field = schema.filters.find(({ flag }) => flag === condition.slice(0, at));
  const value = condition.slice(at + 1);
  if (!field || !value) return condition;
  if (field.kind !== "number") return labelOf(field, value);
  const [low, high = low] = value.split("..");
  if (low === high) return `${field.label} ${low}`;
  if (!low) return `${field.label} up to ${high}`;
  return high ? `${field.label} ${low} to ${high}` : `${field.label} from ${low}`;
}

/** The chips. */
export class Chosen {
  /**
   * @param {HTMLElement} node stands above the list
   * @param {HTMLElement} heading of the panel
   * @param {object} schema as of GET /v1/schema
   * @param {(part: object) => void} change of what is asked
   */
  constructor(node, heading, schema, change) {
    Object.assign(this, { heading, schema, change, name: heading.textContent });
    this.list = el("ul", { class: "chips", "aria-label": "Filters in use" });
    this.clear = el("button", { type: "button", class: "quiet" }, "Clear all");
    this.clear.addEventListener("click", () => this.#removed({ where: [], tuning: {} }));
    this.node = node;
    node.replaceChildren(this.list, this.clear);
  }

  /** Shows what is asked now. */
  show({ where, tuning, q }) {
    const conditions = where.map((condition) => chip(worded(condition, this.schema), () =>
      this.#removed({ where: where.filter((one) => one !== condition) })));
    const tuned = tunings(this.schema).filter(({ name }) => tuning[name] && !q)
      .map(({ name, label, whole }) => chip(whole ? label : `${label}: ${share(tuning[name])}`, () =>
        this.#removed({ tuning: { ...tuning, [name]: 0 } })));
    const all = [...conditions, ...tuned];
    this.list.replaceChildren(...all);
    this.node.hidden = !all.length;
    this.heading.textContent = all.length ? `${this.name} (${number(all.length)})` : this.name;
  }

  /** Changes what is asked; the focus stays with the chips, or goes where they were. */
  #removed(part) {
    this.change(part);
    const next = this.list.querySelector("button");
    (next ?? document.getElementById("headline")).focus();
  }
}
