// The map as a table, for whoever cannot see it: what stands near what.

import { el } from "./dom.js";
import { things } from "./text.js";

const MOST = 40; // rows
const NEAREST = 3;

/**
 * The table: marked items first, then the best known.
 * @param {object} found as of /v1/map
 * @param {object} how `group` alone or null, `schema`, `mark(id)` in words, `open(point)`
 */
export function listOf(found, { group, schema, mark, open }) {
  const all = found.points.map((_, point) => point)
    .filter((point) => group === null || found.points[point][4] === group);
  const marked = all.filter((point) => mark(found.points[point][0]));
  const rows = [...marked, ...all.filter((point) => !mark(found.points[point][0]))].slice(0, MOST);
  const head = ["Title", "Group", "Near it", "Mark"].map((text) => el("th", { scope: "col" }, text));
  const body = rows.map((point) => {
    const [id, title, , , of, other] = found.points[point];
    const button = el("button", { type: "button", class: "quiet", on: { click: () => open(point) } }, title);
    const near = nearest(found.points, point).map((one) => found.points[one][1]).join("; ");
    return el("tr", {}, el("th", { scope: "row" }, button),
      ...[found.groups[of] ?? other ?? "", near, mark(id)].map((text) => el("td", {}, text)));
  });
  const caption = el("caption", {}, `${rows.length} of ${all.length} ${things(schema)}: your own, then the best known`);
  const table = el("table", {}, caption, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...body));
  return el("div", { class: "scrolled", tabindex: "0", role: "region", "aria-label": "The map as a table" }, table);
}

function nearest(points, from) {
  const [, , x, y] = points[from];
  return points.map(([, , toX, toY], point) => [Math.hypot(toX - x, toY - y), point])
    .filter(([, point]) => point !== from)
    .sort(([one], [other]) => one - other)
    .slice(0, NEAREST)
    .map(([, point]) => point);
}
