// Which clicks count: once something else came under the pointer, none does until the pointer has
// moved, so that a second click, or the second tap of two, never says something of another item.
// The keyboard always counts.

const FEW = 4; // pixels that a resting hand may move
const FINGER = 24; // pixels between two taps that are meant for two places
const PAUSE = 800; // milliseconds after which a tap at the same place is a new one

const held = new Map(); // node -> where the pointer was when the node changed, and when
let last = null; // where the pointer was seen last
let refused = null; // the held node that the pointer was pressed in

const seen = ({ clientX: x, clientY: y, pointerType }) => ({ x, y, touch: pointerType === "touch" });
const far = (one, other, by) => Math.hypot(one.x - other.x, one.y - other.y) > by;

/** Says that what a node holds has changed, or moved, under the pointer. */
export function hold(node) {
  if (!last) return;
  held.set(node, { ...last, at: performance.now() });
  node.classList.toggle("held", !last.touch);
}

function release(may) {
  for (const [node, when] of held) {
    if (!may(when)) continue;
    held.delete(node);
    node.classList.remove("held");
  }
}

function moved(event) {
  last = seen(event);
  if (!last.touch) release((when) => far(last, when, FEW));
}

function pressed(event) {
  last = seen(event);
  const now = performance.now();
  release((when) => far(last, when, last.touch ? FINGER : FEW) || (last.touch && now - when.at > PAUSE));
  refused = [...held.keys()].find((node) => node.contains(event.target)) ?? null;
}

function clicked(event) {
  if (!event.detail || !refused?.contains(event.target)) return; // without a count: by keyboard
  event.preventDefault();
  event.stopImmediatePropagation();
}

addEventListener("pointermove", moved, { capture: true, passive: true });
addEventListener("pointerdown", pressed, { capture: true, passive: true });
for (const kind of ["mousedown", "click", "dblclick"]) addEventListener(kind, clicked, { capture: true });
