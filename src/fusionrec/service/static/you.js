// Who is asked for: a user's id, a profile, items that they like, or any mixture.

import { itemOf } from "./api.js";
import { NOTHING, visitor, write } from "./asked.js";
import { el, newId } from "./dom.js";
import { Suggest } from "./suggest.js";
import { kept, things } from "./words.js";

/** The panel. */
export class You {
  /**
   * @param {HTMLElement} node is filled
   * @param {object} schema as of GET /v1/schema
   * @param {object} act `change(part)` of what is asked, `forget()`, `failed(error)`
   */
  constructor(node, schema, act) {
    Object.assign(this, { schema, act, titles: new Map(), fields: new Map() });
    this.asked = NOTHING;
    this.user = this.#input("A user's id", "e.g. 42", 500, () => act.change({ user: this.#said() }));
    const profile = schema.user.map((field) => this.#profileField(field));
    const label = `${things(schema)[0].toUpperCase()}${things(schema).slice(1)} you like`;
    this.suggest = new Suggest(label, schema, (item) => this.like(item), act.failed);
    this.chips = el("ul", { class: "chips", "aria-label": label });
    this.kept = el("p", { class: "kept" });
    this.forget = el("button", { type: "button", class: "quiet" }, "Forget me");
    this.forget.addEventListener("click", () => act.forget());
    this.clear = el("button", { type: "button", class: "quiet" }, "Start over");
    this.clear.addEventListener("click", () => act.change(NOTHING));
    const buttons = el("div", { class: "buttons" }, this.clear, this.forget);
    node.replaceChildren(...profile, this.suggest.node, this.chips, this.user.node, this.kept, buttons);
  }

  /** Adds an item to those that the person likes. */
  like(item) {
    this.titles.set(item.id, item.title);
    if (!this.asked.liked.includes(item.id)) this.act.change({ liked: [...this.asked.liked, item.id] });
  }

  /** Shows what is asked now. */
  show(asked) {
    this.asked = asked;
    this.user.input.value = asked.user;
    for (const [name, input] of this.fields) input.value = asked.profile[name] ?? "";
    this.clear.disabled = write(asked) === write(NOTHING);
    this.forget.disabled = !visitor();
    this.#showChips();
  }

  /** Says what is kept of them; `about` as of GET /v1/users/{id}, null where nobody is kept. */
  tell(about) {
    const held = kept(about, this.schema);
    if (this.asked.user) {
      const known = about?.known ? "User ID is known here" : "Nobody is known here as ID";
      const since = held ? `; kept of them: ${held}` : "";
      this.kept.textContent = `${known.replace("ID", () => this.asked.user)}${since}.`;
    } else if (visitor()) {
      this.kept.textContent = `Kept of you: ${held || "nothing yet"}. Only this browser knows your id.`;
    } else {
      this.kept.textContent = "Nothing is kept of you until you rate or hide something.";
    }
    this.forget.disabled = !visitor();
  }

  #said() {
    return this.user.input.value.trim();
  }

  #input(label, placeholder, maxlength, changed) {
    const id = newId("you");
    const input = el("input", {
      id, type: "text", placeholder, maxlength, autocomplete: "off", on: { change: changed },
    });
    return { input, node: el("div", { class: "field" }, el("label", { for: id }, label), input) };
  }

  #profileField(field) {
    const changed = () => {
      const profile = { ...this.asked.profile, [field.name]: this.fields.get(field.name).value.trim() };
      const told = Object.entries(profile).filter(([, value]) => value);
      this.act.change({ profile: Object.fromEntries(told) });
    };
    if (field.choices.length && field.kind === "category") {
      const id = newId("you");
      const options = field.choices.map(({ value, label }) => el("option", { value }, label));
      const select = el("select", { id, on: { change: changed } },
        el("option", { value: "" }, "not said"), ...options);
      this.fields.set(field.name, select);
      return el("div", { class: "field" }, el("label", { for: id }, field.label), select);
    }
    const hint = { categories: "several with commas", number: "a number" }[field.kind] ?? "words";
    const { input, node } = this.#input(field.label, hint, 500, changed);
    if (field.kind === "number") input.inputMode = "decimal";
    this.fields.set(field.name, input);
    return node;
  }

  #showChips() {
    this.chips.replaceChildren(...this.asked.liked.map((id) => this.#chip(id)));
  }

  #chip(id) {
    const title = el("span", {}, this.titles.get(id) ?? id);
    const remove = el("button", { type: "button" }, "×");
    remove.setAttribute("aria-label", `Remove ${title.textContent}`);
    remove.addEventListener("click", () => {
      this.act.change({ liked: this.asked.liked.filter((one) => one !== id) });
      this.suggest.input.focus();
    });
    if (!this.titles.has(id)) this.#name(id);
    return el("li", {}, title, remove);
  }

  /** Learns the title of an item that only the address names. */
  async #name(id) {
    this.titles.set(id, id);
    const item = await itemOf(id).catch(() => null); // an item that is not there keeps its id
    if (!item) return;
    this.titles.set(id, item.title);
    this.#showChips();
  }
}
