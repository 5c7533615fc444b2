// What someone says of themselves: a control for each of the schema's user attributes.

import { Picker, Pills, areFew } from "./picker.js";
import { el, newId } from "./dom.js";

const HINT = { categories: "several, with commas", category: "one word or more", number: "a number", text: "words" };

/** A labelled input of one line. */
export function line(label, placeholder, changed) {
  const id = newId("line");
  const input = el("input", {
    id, type: "text", placeholder, maxlength: 500, autocomplete: "off",
    on: { change: () => changed(input.value.trim()) },
  });
  return { input, node: el("div", { class: "field" }, el("label", { for: id }, label), input) };
}

/** The controls. */
export class Profile {
  /**
   * @param {object[]} fields the schema's `user`
   * @param {(profile: object) => void} change takes the whole profile
   * @param {(error: Error) => void} failed
   */
  constructor(fields, change, failed) {
    this.profile = {};
    this.shown = new Map();
    this.nodes = fields.map((field) => {
      const said = (value) => {
        const all = { ...this.profile, [field.name]: value };
        change(Object.fromEntries(Object.entries(all).filter(([, one]) => one)));
      };
      const { node, show } = control(field, said, failed);
      this.shown.set(field.name, show);
      return node;
    });
  }

  /** Shows what is said now. */
  show(profile) {
    this.profile = profile;
    for (const [name, show] of this.shown) show(profile[name] ?? "");
  }
}

/** The control of a field: its node, and what shows a value in it. */
function control(field, said, failed) {
  const single = field.kind === "category";
  if (!field.count) {
    const { input, node } = line(field.label, HINT[field.kind], said);
    if (field.kind === "number") input.inputMode = "decimal";
    return { node, show: (value) => (input.value = value) };
  }
  if (single && areFew(field)) return selected(field, said);
  // Several values stand with commas between them.
  const change = (values) => said(values.join(","));
  const made = areFew(field) ? new Pills(field, change) : new Picker(field, change, failed, single);
  const several = (text) => text.split(",").map((one) => one.trim()).filter(Boolean);
  return { node: made.node, show: (text) => made.show(single ? [text].filter(Boolean) : several(text)) };
}

function selected(field, said) {
  const id = newId("line");
  const options = field.choices.map(({ value, label }) => el("option", { value }, label));
  const select = el("select", { id, on: { change: () => said(select.value) } },
    el("option", { value: "" }, "not said"), ...options);
  const node = el("div", { class: "field" }, el("label", { for: id }, field.label), select);
  return { node, show: (value) => (select.value = value) };
}
