// An input that suggests while one types: arrow keys choose, Enter takes, Escape closes. Enter
// before there is a suggestion takes the first one as soon as it comes.

import { el, newId } from "./dom.js";

const PAUSE = 160; // milliseconds without a key before the service is asked

/** A combobox. */
export class Suggest {
  /**
   * @param {string} label
   * @param {object} act `look(text, signal)` gives suggestions, each with `title`, `about` and
   *   `value`; `take(value)` takes which one was chosen, `failed(error)` what went wrong; `eager`
   *   is whether an arrow key asks for suggestions before a letter is typed
   */
  constructor(label, { look, take, failed, eager = false }) {
    Object.assign(this, { look, take, failed, eager, items: [], active: -1, pending: "", wanted: false });
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
        blur: () => this.wanted || this.#close(),
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
    this.wanted = false;
    this.pending = this.input.value.trim(); // what was typed and not answered yet
    if (this.pending) this.timer = setTimeout(() => this.#ask(this.pending), PAUSE);
    else this.#close();
  }

  async #ask(text) {
    this.asking = new AbortController();
    try {
      const items = await this.look(text, this.asking.signal);
      const { wanted } = this;
      Object.assign(this, { items, pending: "", wanted: false });
      if (wanted && items.length) this.#take(0);
      else if (document.activeElement === this.input) this.#open(items);
    } catch (error) {
      // A word that nothing can be looked up by, such as "?", is no trouble.
      if (error.name === "AbortError") return;
      if (error.status !== 400) this.failed(error);
      this.#close();
    }
  }

  #open(items) {
    this.items = items;
    this.list.replaceChildren(...items.map((item, place) => this.#option(item, place)));
    this.list.hidden = !items.length;
    this.list.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-expanded", String(items.length > 0));
    this.said.textContent = items.length ? `${items.length} suggestions` : "Nothing is called so";
    this.#choose(items.length ? 0 : -1);
  }

  #option({ title, about }, place) {
    return el("li", {
      id: `${this.list.id}-${place}`, role: "option", on: { click: () => this.#take(place) },
    }, title, about && el("small", {}, about));
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
    else if (step > 0 && this.eager && !this.pending) this.#ask("");
    else if (event.key === "Enter") this.#enter(count);
    else if (event.key === "Escape" && count) this.#close();
    else return;
    event.preventDefault();
  }

  #enter(count) {
    if (!this.pending) {
      if (count) this.#take(this.active);
      return;
    }
    this.wanted = true;
    clearTimeout(this.timer);
    this.asking?.abort();
    this.#ask(this.pending);
  }

  #take(place) {
    const { value } = this.items[place];
    this.input.value = "";
    this.#close();
    this.take(value);
  }

  #close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    Object.assign(this, { items: [], pending: "", wanted: false });
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.#choose(-1);
  }
}
