// Values of a category to choose from: as pills where they are few, else by typing some letters.

import { choicesOf } from "./api.js";
import { chip, el } from "./dom.js";
import { number } from "./scale.js";
import { Suggest } from "./suggest.js";
import { labelOf } from "./text.js";

const FEW = { category: 60, categories: 24 }; // a list that drops down holds more than pills do

/** Whether all values of a field can be shown at once, as those of a kind are. */
export const areFew = (field, kind = field.kind) => field.count <= FEW[kind];

/** Any of a few values, or none. */
export class Pills {
  /**
   * @param {object} field as of GET /v1/schema
   * @param {(values: string[]) => void} change takes the chosen values
   */
  constructor(field, change) {
    this.values = [];
    this.boxes = new Map();
    const pills = field.choices.map(({ value, label }) => {
      const box = el("input", { type: "checkbox", on: { change: () => change(this.#toggled(value)) } });
      this.boxes.set(value, box);
      return el("label", { class: "pill" }, box, el("span", {}, label));
    });
    this.node = el("fieldset", { class: "field" }, el("legend", {}, field.label),
      el("div", { class: "pills" }, ...pills));
  }

  show(values) {
    this.values = values;
    for (const [value, box] of this.boxes) box.checked = values.includes(value);
  }

  #toggled(value) {
    const others = this.values.filter((one) => one !== value);
    return this.boxes.get(value).checked ? [...others, value] : others;
  }
}

/** Values of a field that has too many to show; one alone where `single`. */
export class Picker {
  constructor(field, change, failed, single = false) {
    Object.assign(this, { field, change, values: [] });
    const look = async (text, signal) => (await choicesOf(field.name, text, signal)).choices
      .map((choice) => ({ title: choice.label, about: number(choice.count), value: choice.value }));
    const take = (value) => {
      const kept = single ? [] : this.values.filter((one) => one !== value);
      change([...kept, value]);
    };
    this.suggest = new Suggest(field.label, { look, take, failed, eager: true });
    this.chips = el("ul", { class: "chips", "aria-label": `${field.label}: chosen` });
    this.node = el("div", { class: "field" }, this.suggest.node, this.chips);
  }

  show(values) {
    this.values = values;
    this.chips.replaceChildren(...values.map((value) => chip(labelOf(this.field, value), () => {
      this.change(this.values.filter((one) => one !== value));
      this.suggest.input.focus();
    })));
  }
}
