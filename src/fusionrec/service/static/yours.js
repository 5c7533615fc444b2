// Everything that someone said and hid, the newest first: each can be changed and taken back.

import { said } from "./api.js";
import { dialog, el, newId } from "./dom.js";
import { inBrief, isOpinion } from "./given.js";
import { hold } from "./pointer.js";
import { opinion } from "./rating.js";
import { things } from "./text.js";

const PAGE = 20;
const DAY = new Intl.DateTimeFormat("en", { dateStyle: "medium" });

/** The dialog, until it is closed. */
class Yours {
  /** @param {object} how `user`, `schema`, and `act`; see `openYours` */
  constructor(how) {
    Object.assign(this, how, { events: [], more: false });
    this.list = el("ol", { class: "told", "aria-busy": "true" });
    this.status = el("p", { class: "kept", role: "status" });
    this.next = el("button", { type: "button", class: "quiet", hidden: true }, "More");
    this.next.addEventListener("click", () => this.load());
    const { node, title } = dialog("Yours", "sheet", this.status, this.list, this.next);
    Object.assign(this, { node, title });
    this.load();
  }

  /** Shows the next ones below. */
  async load() {
    const begin = this.events.length;
    try {
      const found = this.user ? await said(this.user, { k: PAGE, offset: begin }) : { events: [] };
      const here = new Set(this.events.map(({ id }) => id));
      this.events.push(...found.events.filter(({ id }) => !here.has(id)));
      this.more = Boolean(found.more);
    } catch (error) {
      this.node.close();
      this.act.failed(error, () => openYours(this));
      return;
    }
    this.show();
    if (begin) this.focus(this.events[begin]?.id);
  }

  show() {
    const newest = new Set();
    const rows = this.events.map((event) => {
      const old = isOpinion(event) && newest.has(event.item) && !this.schema.repeats;
      if (isOpinion(event)) newest.add(event.item);
      return this.row(event, old);
    });
    hold(this.list);
    this.list.replaceChildren(...rows);
    this.list.ariaBusy = "false";
    this.next.hidden = !this.more;
    if (!rows.length) {
      const text = `Nothing yet. What you say of ${things(this.schema)}, and what you hide, stands here.`;
      this.list.append(el("li", {}, text));
    }
  }

  /** One event; `old` where another opinion of the item came after it. */
  row(event, old) {
    const { schema } = this;
    const id = newId("told");
    const brief = inBrief(event, schema);
    const about = [`${brief[0].toUpperCase()}${brief.slice(1)}`, DAY.format(event.time * 1000)];
    if (old) about.push("changed since");
    const verb = event.kind === "hide" ? "Unhide" : "Undo";
    const undo = el("button", { type: "button", class: "quiet", "aria-describedby": id }, verb);
    undo.setAttribute("aria-label", `${verb}: ${brief}, ${event.title}`);
    undo.addEventListener("click", () => this.takeBack(event));
    const name = el("div", {}, el("b", {}, event.title), el("small", { id }, about.join(" · ")));
    const change = isOpinion(event) && !old
      && opinion(schema, event.title, (what) => this.change(event, what), event);
    return el("li", { data: { event: event.id } }, name, change, undo);
  }

  async takeBack(event) {
    const place = this.events.indexOf(event);
    const told = await this.act.takeBack({ id: event.item, title: event.title }, event);
    if (!told) return;
    this.events = this.events.filter((one) => one !== event);
    this.tell(told, (this.events[place] ?? this.events.at(-1))?.id);
  }

  async change(before, what) {
    const { item, title } = before;
    const event = await this.act.say({ id: item, title }, what);
    if (!event) return;
    const time = Date.now() / 1000;
    this.events = [{ ...event, title, time }, ...this.events];
    this.tell(`Changed: ${inBrief(event, this.schema)}, ${title}.`, event.id);
  }

  tell(text, id) {
    this.status.textContent = text;
    this.show();
    this.focus(id);
  }

  focus(id) {
    const row = [...this.list.children].find((one) => one.dataset.event === id);
    (row?.querySelector("button:last-of-type") ?? this.title).focus();
  }
}

/**
 * Opens the dialog.
 * @param {object} how `user`, an id or empty; `schema` as of GET /v1/schema; `act`: `say(item, what)`
 *   gives the event, `takeBack(item, event)` what became of it, in words, either null if it failed;
 *   `failed(error, again)`
 */
export function openYours({ user, schema, act }) {
  return new Yours({ user, schema, act });
}
