// How the map is drawn.

const MARGIN = 28; // pixels
const FEW = 300; // points: fewer are drawn larger

const GOLDEN = 137.508; // degrees: after any number of such steps the hues are spread evenly

/** A colour for each group; groups beside each other in the legend are far apart in hue. */
export function colours(count, dark) {
  return Array.from({ length: count }, (_, group) => {
    const hue = Math.round(GOLDEN * group + 20) % 360;
    const light = (dark ? 62 : 42) + (group % 2 ? 10 : -2);
    return `hsl(${hue} ${dark ? 48 : 46}% ${light}%)`;
  });
}

/**
 * Where everything stands, in pixels from the canvas's upper left corner.
 * @returns {{points: number[][], you: number[] | null}}
 */
export function placed({ points, you }, width, height) {
  const all = points.map(([, , x, y]) => [x, y]).concat(you ? [you] : []);
  const across = scale(all.map(([x]) => x), MARGIN, width - MARGIN);
  const down = scale(all.map(([, y]) => y), height - MARGIN, MARGIN);
  const place = ([x, y]) => [across(x), down(y)];
  return { points: points.map(([, , x, y]) => place([x, y])), you: you ? place(you) : null };
}

function scale(values, start, end) {
  const low = values.reduce((a, b) => Math.min(a, b), Infinity);
  const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
  return (value) => start + ((end - start) * (value - low)) / (high - low || 1);
}

/**
 * Draws the map.
 * @param {HTMLCanvasElement} canvas is sized to its place, in the screen's own pixels
 * @param {object} found as of /v1/map
 * @param {object} places as of `placed`
 * @param {object} look `group` and `at`: what is emphasised, null and -1 for nothing; `shades`,
 *   `accent`, `paper`: colours
 */
export function paint(canvas, found, places, look) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  const size = (canvas.clientWidth < 500 ? 2.6 : 3.6) * (found.points.length < FEW ? 1.6 : 1);
  found.points.forEach(([, , , , group], point) => {
    const faint = look.group !== null && group !== look.group;
    draw.globalAlpha = faint ? 0.08 : 0.72;
    draw.fillStyle = look.shades[group] ?? look.accent;
    dot(draw, places.points[point], size);
  });
  draw.globalAlpha = 1;
  if (look.at >= 0) {
    draw.fillStyle = look.shades[found.points[look.at][4]] ?? look.accent;
    dot(draw, places.points[look.at], size * 2);
  }
  if (places.you) ring(draw, places.you, look);
}

function dot(draw, [x, y], radius) {
  draw.beginPath();
  draw.arc(x, y, radius, 0, 2 * Math.PI);
  draw.fill();
}

function ring(draw, [x, y], { accent, paper }) {
  for (const [colour, width] of [[paper, 8], [accent, 3.5]]) {
    draw.strokeStyle = colour;
    draw.lineWidth = width;
    draw.beginPath();
    draw.arc(x, y, 11, 0, 2 * Math.PI);
    draw.stroke();
  }
}
