// How a list is put together beside what scores say: more variety, a mix like the person's own, and
// fewer of what was shown before.

import { el, newId } from "./dom.js";

const STEP = 0.25;

/** What the controls are called, and chips above the list; none for what the data do not allow. */
export function tunings(schema) {
  const mixes = schema.item.some(({ kind }) => kind === "categories");
  return [
    { name: "diversity", label: "More variety" },
    mixes && { name: "calibration", label: "In the mix that I like" },
    { name: "fresh", label: "Less of what I have been shown", whole: true },
  ].filter(Boolean);
}

/** The controls, at the end of the panel of filters. */
export class Tuning {
  /**
   * @param {HTMLElement} node takes them in
   * @param {object} schema as of GET /v1/schema
   * @param {(tuning: object) => void} change takes all that is set
   */
  constructor(node, schema, change) {
    this.inputs = new Map(tunings(schema).map((one) => [one.name, this.#input(one)]));
    this.group = el("fieldset", { class: "field tuning" }, el("legend", {}, "The list"), ...this.rows);
    node.append(this.group);
    this.change = change;
  }

  /** Shows what is asked now; answers by words are not put together like that. */
  show({ tuning, q }) {
    this.group.hidden = Boolean(q);
    for (const [name, input] of this.inputs) {
      if (input.type === "checkbox") input.checked = Boolean(tuning[name]);
      else input.value = tuning[name] ?? 0;
      this.#say(input);
    }
  }

  #input({ name, label, whole }) {
    const id = newId(name);
    const input = whole
      ? el("input", { id, type: "checkbox" })
      : el("input", { id, type: "range", min: 0, max: 1, step: STEP, value: 0 });
    input.addEventListener("change", () => this.#changed());
    input.addEventListener("input", () => this.#say(input));
    const row = el("div", { class: whole ? "tick" : "slide" }, el("label", { for: id }, label), input);
    (this.rows ??= []).push(row);
    return input;
  }

  #say(input) {
    if (input.type === "range") input.setAttribute("aria-valuetext", share(input.value));
  }

  #changed() {
    const set = [...this.inputs].map(([name, input]) =>
      [name, input.type === "checkbox" ? Number(input.checked) : Number(input.value)]);
    this.change(Object.fromEntries(set.filter(([, value]) => value)));
  }
}

/** A share in words. */
export const share = (value) => (Number(value) ? `${Math.round(100 * value)}%` : "off");
