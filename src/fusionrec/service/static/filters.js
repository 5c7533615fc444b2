// Filters by categories (any of those chosen) and by ranges of numbers, in the language of `where`.

import { Picker, Pills, areFew } from "./picker.js";
import { el, newId } from "./dom.js";

/** A condition in two parts, as `=` and ranges have it; others, from an address, are kept as they are. */
function parts(condition) {
  const at = condition.indexOf("=");
  return [condition.slice(0, at), condition.slice(at + 1)];
}

/** The panel. */
export class Filters {
  /**
   * @param {HTMLElement} node is filled
   * @param {object} schema as of GET /v1/schema
   * @param {(where: string[]) => void} change takes the current conditions
   * @param {(error: Error) => void} failed
   */
  constructor(node, schema, change, failed) {
    Object.assign(this, { change, failed, where: [], chosen: new Map(), ranges: new Map() });
    this.clear = el("button", { type: "button", class: "quiet" }, "Clear filters");
    this.clear.addEventListener("click", () => this.#cleared());
    const fields = schema.filters.map((field) =>
      field.kind === "number" ? this.#range(field) : this.#choices(field));
    const shown = fields.filter(Boolean);
    node.replaceChildren(...shown, shown.length ? el("div", { class: "buttons" }, this.clear) : "");
  }

  /** Shows what is asked now. */
  show(where) {
    this.where = where;
    for (const [flag, choices] of this.chosen) {
      choices.show(where.map(parts).filter(([name]) => name === flag).map(([, value]) => value));
    }
    for (const [flag, range] of this.ranges) {
      const value = where.map(parts).find(([name]) => name === flag)?.[1] ?? "";
      const crossed = Boolean(range.said.textContent);
      // What was written and is not asked stays until it is put right.
      if (value === range.asked && (crossed || range.box.contains(document.activeElement))) continue;
      range.asked = value;
      const [low, high = low] = value.split("..");
      range.low.value = low;
      range.high.value = high;
      this.#check(range);
    }
    this.#clearable();
  }

  #clearable() {
    const crossed = [...this.ranges.values()].some(({ said }) => said.textContent);
    this.clear.disabled = !this.where.length && !crossed;
  }

  #cleared() {
    for (const range of this.ranges.values()) {
      range.low.value = range.high.value = "";
      this.#check(range);
    }
    this.change([]);
  }

  #choices(field) {
    if (!field.choices.length) return null;
    const change = (values) => {
      const others = this.where.filter((one) => parts(one)[0] !== field.flag);
      this.change([...others, ...values.map((value) => `${field.flag}=${value}`)]);
    };
    // Any of several values may be asked for, also where an item holds one.
    const made = areFew(field, "categories") ? new Pills(field, change) : new Picker(field, change, this.failed);
    this.chosen.set(field.flag, made);
    return made.node;
  }

  #range(field) {
    if (field.low === null) return null;
    const range = { flag: field.flag, asked: "", said: el("p", { class: "fault", role: "alert" }) };
    const end = (name, label, bound) => {
      const id = newId("range");
      range[name] = el("input", {
        id, type: "number", step: field.step, placeholder: String(bound),
        on: { keydown: (event) => event.key === "Enter" && this.#ranged(range) },
      });
      return el("div", {}, el("label", { for: id }, label), range[name]);
    };
    this.ranges.set(field.flag, range);
    range.box = el("div", { class: "range" }, end("low", "from", field.low), end("high", "to", field.high));
    // Asked once both ends are written: one alone would ask for half of what is meant.
    range.box.addEventListener("focusout", (event) =>
      range.box.contains(event.relatedTarget) || this.#ranged(range));
    return el("fieldset", { class: "field" }, el("legend", {}, field.label), range.box, range.said);
  }

  #ranged(range) {
    const right = this.#check(range);
    this.#clearable();
    if (!right) return;
    const others = this.where.filter((one) => parts(one)[0] !== range.flag);
    const { low, high } = range;
    const value = low.value || high.value ? `${low.value}..${high.value}` : "";
    const before = range.asked.includes("..") || !range.asked ? range.asked : `${range.asked}..${range.asked}`;
    if (value === before) return;
    range.asked = value;
    this.change(value ? [...others, `${range.flag}=${value}`] : others);
  }

  #check({ low, high, said }) {
    const crossed = low.value && high.value && Number(low.value) > Number(high.value);
    said.textContent = crossed
      ? "The first number must not be above the second: the list is as it was." : "";
    return !crossed;
  }
}
