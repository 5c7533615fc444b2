// A map of the taste space in a dialog: items as points by their group's colour, the person as a ring.

import { historyOf, map as askMap } from "./api.js";
import { dialog, el } from "./dom.js";
import { listOf } from "./map_list.js";
import { View } from "./map_view.js";
import { colours, paint, placed } from "./plot.js";
import { visitor } from "./state.js";
import { things } from "./text.js";

const NEAR = 14; // pixels from a point at which the pointer finds it
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const PAN = 80; // pixels that a key moves the map by
const AGAIN = 2500; // milliseconds until it is asked again whether neighbourhoods are there
const WAYS = { neighbourhoods: "Neighbourhoods", directions: "Main directions" };
const HELP = "Map: arrow keys go from point to point, Home goes to you, Enter opens what is like it; " +
  "plus and minus zoom, Shift with an arrow key moves the map, 0 shows all";

/**
 * Opens the map.
 * @param {object} asked who is to be on it
 * @param {object} schema as of GET /v1/schema
 * @param {object} act `open({id, title})` an item, `failed(error, again)`
 * @param {string[]} shown ids of the items of the list beside it
 */
export async function openMap(asked, schema, act, shown = []) {
  const said = el("p", { class: "map-note", role: "status" }, "Loading…");
  const canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": HELP });
  const tip = el("span", { class: "tip", hidden: true, "aria-hidden": "true" });
  const zoom = el("div", { class: "zoom", role: "group", "aria-label": "Zoom" });
  const ways = el("div", { class: "legend ways", role: "group", "aria-label": "Lay out by" });
  const legend = el("div", { class: "legend", role: "group", "aria-label": "Show one group" });
  const marks = el("p", { class: "map-marks" });
  const list = el("details", { class: "map-list" }, el("summary", {}, "As a table"));
  const plot = el("div", { class: "plot" }, canvas, zoom, tip);
  const { node } = dialog("A map of taste", "wide", said, ways, plot, legend, marks, list);
  try {
    const yours = [...new Set([...asked.liked, ...(await rated(asked, schema))])];
    const ask = (way) => askMap(asked, way, [...new Set([...shown, ...yours])]);
    const found = await ask("neighbourhoods");
    const parts = { node, canvas, tip, zoom, ways, legend, marks, list, said };
    if (node.open) new TasteMap(parts, found, schema, { ...act, ask }, { shown, yours });
  } catch (error) {
    node.close();
    act.failed(error, () => openMap(asked, schema, act, shown));
  }
}

/** Ids of what whoever is asked for said something of, as far as that may be read. */
async function rated({ user }, schema) {
  const may = user && schema.open.includes("feedback") && (schema.people || user === visitor());
  if (!may) return [];
  const { history } = await historyOf(user, 100).catch(() => ({ history: [] }));
  return history.filter((one) => one.kind !== "hide").map((one) => one.item);
}

class TasteMap {
  constructor(parts, found, schema, act, marked) {
    Object.assign(this, parts, { schema, act, group: null, at: -1, way: found.way });
    this.shown = new Set(marked.shown);
    this.yours = new Set(marked.yours);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.#draw());
    this.view = new View(this.canvas, { changed: () => this.#draw(), pointed: (event) => this.#point(event),
      clicked: (event) => this.#open(this.at < 0 ? this.#under(event) : this.at) });
    this.#take(found);
    this.#zoom();
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    const on = (event, listener) => this.canvas.addEventListener(event, listener);
    on("pointerleave", () => this.#go(-1, false));
    on("keydown", (event) => this.#key(event));
    on("blur", () => this.#go(-1, false));
    this.list.addEventListener("toggle", () => this.#list());
  }

  /** Shows another answer. */
  #take(found) {
    this.found = found;
    this.at = -1;
    this.tip.hidden = true;
    this.#legend();
    this.#ways();
    this.#marks();
    this.said.textContent = this.#about();
    this.#draw();
    this.#list();
    if (found.making) setTimeout(() => this.#askAgain(), AGAIN);
  }

  /** Learns whether neighbourhoods are there; what is looked at stays as it is until they are chosen. */
  async #askAgain() {
    if (!this.node.open) return;
    const found = await this.act.ask("neighbourhoods").catch(() => null);
    if (!found || !this.node.open) return;
    Object.assign(this.found, { ready: found.ready, making: found.making });
    this.#ways();
    if (found.making) setTimeout(() => this.#askAgain(), AGAIN);
    else if (found.ready) this.said.textContent = "The neighbourhoods are ready: choose them above the map.";
  }

  #about() {
    const { points, axes, you, way, making } = this.found;
    const share = Math.round(100 * (axes[0] + axes[1]));
    const here = you ? " The ring is where you are." : " Nothing is known of you yet, so you are not on it.";
    const how = way === "neighbourhoods"
      ? "What goes together is near each other; how far apart groups are tells nothing."
      : `Seen along the two directions in which they differ most, which tell ${share}% of it.`;
    const wait = making ? " The neighbourhoods are being made." : "";
    return `The ${points.length} best known ${things(this.schema)}. ${how}${here}${wait}`;
  }

  #ways() {
    const { ready, making, way: current } = this.found;
    this.ways.hidden = !ready && !making;
    this.ways.replaceChildren(...Object.entries(WAYS).map(([way, name]) => {
      const waits = way === "neighbourhoods" && !ready;
      const button = el("button", { type: "button", disabled: waits, "aria-pressed": String(way === current) },
        waits ? `${name} (being made)` : name);
      button.addEventListener("click", () => this.#lay(way));
      return button;
    }));
  }

  async #lay(way) {
    try {
      const found = await this.act.ask(way);
      const { ready, making } = this.found;
      this.view.reset();
      this.#take({ ready, making, ...found });
      this.ways.querySelector("[aria-pressed=true]")?.focus();
    } catch (error) {
      this.act.failed(error, () => this.#lay(way));
    }
  }

  #zoom() {
    const buttons = [["+", "Zoom in", () => this.view.zoom(1.6)], ["−", "Zoom out", () => this.view.zoom(1 / 1.6)],
      ["All", "Show all", () => this.view.reset()]];
    this.zoom.replaceChildren(...buttons.map(([text, label, click]) =>
      el("button", { type: "button", class: "quiet", "aria-label": label, on: { click } }, text)));
  }

  #marks() {
    const here = new Set(this.found.points.map(([id]) => id));
    const some = (ids) => [...ids].some((id) => here.has(id));
    const told = [some(this.shown) && "circled: in your list", some(this.yours) && "diamonds: what you told or like"];
    this.marks.textContent = told.filter(Boolean).join("; ");
  }

  #legend() {
    const { groups } = this.found;
    const shades = colours(groups.length, this.dark.matches);
    const buttons = groups.map((name, group) => {
      const dot = el("span", { class: "dot" });
      dot.style.background = shades[group];
      const button = el("button", { type: "button", "aria-pressed": String(group === this.group) }, dot, name);
      button.addEventListener("click", () => {
        this.group = this.group === group ? null : group;
        buttons.forEach((one, n) => one.setAttribute("aria-pressed", String(n === this.group)));
        this.#draw();
        this.#list();
      });
      return button;
    });
    this.legend.replaceChildren(...buttons);
  }

  #list() {
    if (!this.list.open) return;
    const { found, group, schema } = this;
    const table = listOf(found, { group, schema, mark: (id) => this.#mark(id), open: (point) => this.#open(point) });
    this.list.replaceChildren(this.list.firstElementChild, table);
  }

  #mark(id) {
    return [this.shown.has(id) && "in your list", this.yours.has(id) && "yours"].filter(Boolean).join(", ");
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height || !this.found) return;
    this.places = this.view.place(placed(this.found, width, height));
    const style = getComputedStyle(this.canvas);
    const tone = (name) => style.getPropertyValue(`--${name}`);
    const tones = { accent: tone("accent"), paper: tone("paper"), ink: tone("ink"), rest: tone("soft") };
    const shades = colours(this.found.groups.length, this.dark.matches);
    [...this.legend.querySelectorAll(".dot")].forEach((dot, n) => (dot.style.background = shades[n]));
    const { group, at, shown, yours } = this;
    paint(this.canvas, this.found, this.places, { group, at, shades, shown, yours, ...tones });
    this.canvas.dataset.drawn = String(this.found.points.length);
    if (at >= 0) this.#tipAt(at);
  }

  #seen(point) {
    return this.group === null || this.found.points[point][4] === this.group;
  }

  #point(event) {
    this.#go(event ? this.#under(event) : -1, false);
  }

  /** The point under the pointer; -1 where none is near. */
  #under({ offsetX, offsetY }) {
    return this.#nearest((x, y) => {
      const far = Math.hypot(x - offsetX, y - offsetY);
      return far <= NEAR ? far : Infinity;
    });
  }

  #nearest(cost) {
    let best = -1;
    let least = Infinity;
    this.places.points.forEach(([x, y], point) => {
      const far = this.#seen(point) ? cost(x, y) : Infinity;
      if (far < least) [best, least] = [point, far];
    });
    return best;
  }

  #key(event) {
    const step = STEPS[event.key];
    if (step && event.shiftKey) this.view.pan(-PAN * step[0], -PAN * step[1]);
    else if (step) this.#go(this.#beside(step), true);
    else if (event.key === "Home") this.#go(this.#middle(), true);
    else if (event.key === "+" || event.key === "=") this.view.zoom(1.6);
    else if (event.key === "-") this.view.zoom(1 / 1.6);
    else if (event.key === "0") this.view.reset();
    else if (event.key === "Enter" || event.key === " ") this.#open(this.at);
    else return;
    event.preventDefault();
  }

  /** The nearest point in a direction; one that is off to the side counts as farther. */
  #beside([right, down]) {
    if (this.at < 0) return this.#middle();
    const [fromX, fromY] = this.places.points[this.at];
    const next = this.#nearest((x, y) => {
      const ahead = (x - fromX) * right + (y - fromY) * down;
      const aside = Math.abs((x - fromX) * down) + Math.abs((y - fromY) * right);
      return ahead > 0.5 ? ahead + 2 * aside : Infinity;
    });
    return next < 0 ? this.at : next;
  }

  /** The point nearest to the person, else to the middle. */
  #middle() {
    const { clientWidth, clientHeight } = this.canvas;
    const [fromX, fromY] = this.places.you ?? [clientWidth / 2, clientHeight / 2];
    return this.#nearest((x, y) => Math.hypot(x - fromX, y - fromY));
  }

  #go(point, tell) {
    if (point === this.at) return;
    this.at = point;
    this.tip.hidden = point < 0;
    this.canvas.classList.toggle("found", point >= 0);
    if (point >= 0) this.#tell(point, tell);
    if (!(tell && point >= 0 && this.view.reveal(this.places.points[point]))) this.#draw();
  }

  #tell(point, aloud) {
    const [id, title, , , group, other] = this.found.points[point];
    this.tip.textContent = [title, this.found.groups[group] ?? other, this.#mark(id)].filter(Boolean).join(" · ");
    if (aloud) this.said.textContent = this.tip.textContent;
  }

  #tipAt(point) {
    const [x, y] = this.places.points[point];
    const room = this.canvas.clientWidth - this.tip.offsetWidth - 8;
    this.tip.style.left = `${Math.max(8, Math.min(x + 12, room))}px`;
    this.tip.dataset.at = `${x},${y}`;
    // Above its point, or below where there is no room: never on it.
    const above = y - this.tip.offsetHeight - 12;
    this.tip.style.top = `${above < 4 ? y + 14 : above}px`;
  }

  #open(point) {
    if (point < 0) return;
    const [id, title] = this.found.points[point];
    this.act.open({ id, title });
  }
}
