// Who is asked for: a user's id, a profile, items that they like, or any mixture.

import { begun, itemOf } from "./api.js";
import { NOTHING, visitor, write } from "./state.js";
import { chip, el } from "./dom.js";
import { factLine } from "./item_details.js";
import { Profile, line } from "./profile.js";
import { Suggest } from "./suggest.js";
import { kept, things } from "./text.js";

/** The panel. */
export class You {
  /**
   * @param {HTMLElement} node is filled
   * @param {object} schema as of GET /v1/schema
   * @param {object} act `change(part)` of what is asked, `forget()`, `failed(error)`
   */
  constructor(node, schema, act) {
    Object.assign(this, { schema, act, titles: new Map() });
    this.asked = NOTHING;
    this.user = line("A user's id", "as in the data", (user) => act.change({ user }));
    this.profile = new Profile(schema.user, (profile) => act.change({ profile }), act.failed);
    const label = `${things(schema)[0].toUpperCase()}${things(schema).slice(1)} you like`;
    const look = async (text, signal) => (await begun(text, signal)).items
      .map((item) => ({ title: item.title, about: factLine(item, schema), value: item }));
    this.suggest = new Suggest(label, { look, take: (item) => this.like(item), failed: act.failed });
    this.chips = el("ul", { class: "chips", "aria-label": label });
    this.kept = el("p", { class: "kept" });
    this.forget = el("button", { type: "button", class: "quiet" }, "Forget me");
    this.forget.addEventListener("click", () => act.forget());
    this.clear = el("button", { type: "button", class: "quiet" }, "Start over");
    this.clear.addEventListener("click", () => act.change(NOTHING));
    const buttons = el("div", { class: "buttons" }, this.clear, this.forget);
    const liked = el("div", { class: "field" }, this.suggest.node, this.chips);
    node.replaceChildren(...this.profile.nodes, liked, this.user.node, this.kept, buttons);
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
    this.profile.show(asked.profile);
    this.clear.disabled = write(asked) === write(NOTHING);
    this.forget.disabled = !visitor();
    this.#showChips();
  }

  /** Says what is kept of them; `about` as of GET /v1/users/{id}, null where nobody is kept. */
  tell(about) {
    const attributes = kept(about, this.schema);
    if (this.asked.user) {
      const known = about?.known ? "User ID is known here" : "Nobody is known here as ID";
      const since = attributes ? `; kept of them: ${attributes}` : "";
      this.kept.textContent = `${known.replace("ID", () => this.asked.user)}${since}.`;
    } else if (visitor()) {
      this.kept.textContent = `Kept of you: ${attributes || "nothing yet"}. Only this browser knows your id.`;
    } else {
      this.kept.textContent = "Nothing is kept of you until you say something of an item.";
    }
    this.forget.disabled = !visitor();
  }

  /** Says that the key in use does not open what is kept of people. */
  close() {
    this.kept.textContent = "The key in use does not open what is kept of people.";
  }

  #showChips() {
    this.chips.replaceChildren(...this.asked.liked.map((id) => this.#chip(id)));
  }

  #chip(id) {
    if (!this.titles.has(id)) this.#name(id);
    return chip(this.titles.get(id), () => {
      this.act.change({ liked: this.asked.liked.filter((one) => one !== id) });
      this.suggest.input.focus();
    });
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
