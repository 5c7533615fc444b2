// A cover that is drawn where an item has no picture: its initials on a calm colour, which its first
// category, or else its title, always leads to.

const SVG = "http://www.w3.org/2000/svg";
const HUES = 12; // each a class of the stylesheet

/** The first letters of up to two words of a title; whole characters, emoji and accents included. */
export function initials(title) {
  const letters = new Intl.Segmenter(undefined, { granularity: "grapheme" });
  const words = title.trim().split(/\s+/).map((word) => word.replace(/^[^\p{L}\p{N}\p{Extended_Pictographic}]+/u, ""));
  const first = words.filter(Boolean).slice(0, 2).map((word) => [...letters.segment(word)][0].segment);
  return first.join("").toLocaleUpperCase();
}

/** The number of a text's colour: the same each time. */
function hue(text) {
  let sum = 0;
  for (const letter of text) sum = (31 * sum + letter.codePointAt(0)) % 65_521;
  return sum % HUES;
}

/** The cover. It says nothing that does not stand beside it, so readers pass over it. */
export function cover(title, category) {
  const node = document.createElementNS(SVG, "svg");
  node.setAttribute("class", `cover hue-${hue(category || title)}`);
  node.setAttribute("viewBox", "0 0 40 40");
  node.setAttribute("aria-hidden", "true");
  const plate = document.createElementNS(SVG, "rect");
  for (const [name, value] of Object.entries({ width: 40, height: 40, rx: 6 })) plate.setAttribute(name, value);
  const text = document.createElementNS(SVG, "text");
  for (const [name, value] of Object.entries({ x: 20, y: 26, "text-anchor": "middle" })) text.setAttribute(name, value);
  text.textContent = initials(title);
  node.append(plate, text);
  return node;
}
