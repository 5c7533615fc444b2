// A map of the taste space in a dialog: items as points by their group's colour, the person as a ring.

import { map as askMap } from "./api.js";
import { dialog, el } from "./dom.js";
import { colours, paint, placed } from "./plot.js";
import { things } from "./text.js";

const NEAR = 14; // pixels from a point at which the pointer finds it
const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Opens the map.
 * @param {object} asked who is to be on it
 * @param {object} schema as of GET /v1/schema
 * @param {object} act `open({id, title})` an item, `failed(error, again)`
 */
export async function openMap(asked, schema, act) {
  const said = el("p", { class: "map-note", role: "status" }, "Loading…");
  const canvas = el("canvas", { tabindex: "0", role: "application" });
  canvas.setAttribute("aria-label",
    "Map: arrow keys go from point to point, Home goes to you, Enter opens what is like it");
  const tip = el("span", { class: "tip", hidden: true, "aria-hidden": "true" });
  const legend = el("div", { class: "legend", role: "group", "aria-label": "Show one group" });
  const plot = el("div", { class: "plot" }, canvas, tip);
  const { node } = dialog("A map of taste", "wide", said, plot, legend);
  try {
    const found = await askMap(asked);
    if (node.open) new TasteMap({ canvas, tip, legend, said }, found, schema, act);
  } catch (error) {
    node.close();
    act.failed(error, () => openMap(asked, schema, act));
  }
}

class TasteMap {
  constructor(parts, found, schema, act) {
    Object.assign(this, parts, { found, schema, act, group: null, at: -1 });
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", () => this.#draw());
    this.#legend();
    this.said.textContent = this.#about();
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    const on = (event, listener) => this.canvas.addEventListener(event, listener);
    on("pointermove", (event) => this.#go(this.#under(event), false));
    on("pointerleave", () => this.#go(-1, false));
    // A finger points at nothing before its click.
    on("click", (event) => this.#open(this.at < 0 ? this.#under(event) : this.at));
    on("keydown", (event) => this.#key(event));
    on("blur", () => this.#go(-1, false));
  }

  #about() {
    const { points, axes, you } = this.found;
    const share = Math.round(100 * (axes[0] + axes[1]));
    const here = you ? " The ring is where you are." : " Nothing is known of you yet, so you are not on it.";
    return `The ${points.length} best known ${things(this.schema)}, those of one taste near each other; ` +
      `two directions that tell ${share}% of how they differ.${here}`;
  }

  #legend() {
    const shades = colours(this.found.groups.length, this.dark.matches);
    const buttons = this.found.groups.map((name, group) => {
      const dot = el("span", { class: "dot" });
      dot.style.background = shades[group];
      const button = el("button", { type: "button", "aria-pressed": "false" }, dot, name);
      button.addEventListener("click", () => {
        this.group = this.group === group ? null : group;
        buttons.forEach((one, n) => one.setAttribute("aria-pressed", String(n === this.group)));
        this.#draw();
      });
      return button;
    });
    this.legend.replaceChildren(...buttons);
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.places = placed(this.found, width, height);
    const style = getComputedStyle(this.canvas);
    const tones = { accent: style.getPropertyValue("--accent"), paper: style.getPropertyValue("--card") };
    const shades = colours(this.found.groups.length, this.dark.matches);
    [...this.legend.querySelectorAll(".dot")].forEach((dot, n) => (dot.style.background = shades[n]));
    paint(this.canvas, this.found, this.places, { group: this.group, at: this.at, shades, ...tones });
    this.canvas.dataset.drawn = String(this.found.points.length);
  }

  #seen(point) {
    return this.group === null || this.found.points[point][4] === this.group;
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
    if (step) this.#go(this.#beside(step), true);
    else if (event.key === "Home") this.#go(this.#middle(), true);
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
    this.#draw();
  }

  #tell(point, aloud) {
    const [, title, , , group] = this.found.points[point];
    const name = this.found.groups[group];
    this.tip.textContent = name ? `${title} · ${name}` : title;
    if (aloud) this.said.textContent = this.tip.textContent;
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
