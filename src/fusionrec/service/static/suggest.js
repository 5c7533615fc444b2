// An input that suggests items while one types: arrow keys choose, Enter takes, Escape closes.

import { begun } from "./api.js";
import { el, newId } from "./dom.js";
import { factLine } from "./facts.js";

const PAUSE = 160; // milliseconds without a key before the service is asked

/** A combobox of items; `take(item)` is told which one was chosen, `failed(error)` what went wrong. */
export class Suggest {
  constructor(label, schema, take, failed) {
    Object.assign(this, { schema, take, failed, items: [], active: -1 });
    const list = newId("suggested");
    this.list = el("ul", { id: list, role: "listbox", class: "suggested", hidden: true });
    this.list.setAttribute("aria-label", label);
    this.input = el("input", {
      id: newId("suggest"), type: "text", role: "combobox", autocomplete: "off", maxlength: 200,
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": list,
      placeholder: "Type a few letters",
      on: {
        input: () => this.#later(),
        keydown: (event) => this.#key(event),
        blur: () => this.#close(),
      },
    });
    this.said = el("span", { class: "unseen", role: "status" });
    const about = el("label", { for: this.input.id }, label);
    this.node = el("div", { class: "field suggest" }, about, this.input, this.list, this.said);
    // A press must not take the focus from the input before its click is seen.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
  }

  #later() {
    clearTimeout(this.timer);
    this.asking?.abort();
    const text = this.input.value.trim();
    if (text) this.timer = setTimeout(() => this.#ask(text), PAUSE);
    else this.#close();
  }

  async #ask(text) {
    this.asking = new AbortController();
    try {
      const found = await begun(text, this.asking.signal);
      if (document.activeElement === this.input) this.#open(found.items);
    } catch (error) {
      // A word that nothing can be looked up by, such as "?", is no trouble.
      if (error.name !== "AbortError" && error.status !== 400) this.failed(error);
      this.#close();
    }
  }

  #open(items) {
    this.items = items;
    this.list.replaceChildren(...items.map((item, place) => this.#option(item, place)));
    this.list.hidden = !items.length;
    this.input.setAttribute("aria-expanded", String(items.length > 0));
    this.said.textContent = items.length ? `${items.length} suggestions` : "Nothing begins like this";
    this.#choose(items.length ? 0 : -1);
  }

  #option(item, place) {
    const about = el("small", {}, factLine(item, this.schema));
    return el("li", {
      id: `${this.list.id}-${place}`, role: "option", on: { click: () => this.#take(place) },
    }, item.title, about);
  }

  #choose(place) {
    this.active = place;
    [...this.list.children].forEach((option, n) => {
      option.setAttribute("aria-selected", String(n === place));
      if (n === place) option.scrollIntoView({ block: "nearest" });
    });
    if (place < 0) this.input.removeAttribute("aria-activedescendant");
    else this.input.setAttribute("aria-activedescendant", `${this.list.id}-${place}`);
  }

  #key(event) {
    const count = this.list.hidden ? 0 : this.items.length;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && count) this.#choose((this.active + step + count) % count);
    else if (event.key === "Enter") { if (count) this.#take(this.active); }
    else if (event.key === "Escape" && count) this.#close();
    else return;
    event.preventDefault();
  }

  #take(place) {
    const item = this.items[place];
    this.input.value = "";
    this.#close();
    this.take(item);
  }

  #close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.items = [];
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  }
}
