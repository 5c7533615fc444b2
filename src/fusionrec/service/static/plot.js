// How the map is drawn.

const MARGIN = 28; // pixels
const FEW = 300; // points: fewer are drawn larger
const HUES = [20, 215, 140, 285, 48, 345]; // degrees, as far apart as six can be told
const ROOM = 15_000; // square pixels for each name
const TRIED = 500; // points whose names are tried
const LONGEST = 30; // letters of a name

/** A colour for each group. */
export function colours(count, dark) {
  return Array.from({ length: count }, (_, group) => {
    const light = (dark ? 62 : 42) + (group % 2 ? 8 : -2);
    return `hsl(${HUES[group % HUES.length]} ${dark ? 52 : 52}% ${light}%)`;
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
 * @param {object} look `group` and `at`: what is emphasised, null and -1 for nothing; `shown` and
 *   `yours`: ids that are marked; `shades`, `rest`, `accent`, `paper`, `ink`: colours
 */
export function paint(canvas, found, places, look) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  const draw = canvas.getContext("2d");
  draw.scale(ratio, ratio);
  const size = (canvas.clientWidth < 500 ? 2.6 : 3.6) * (found.points.length < FEW ? 1.6 : 1);
  found.points.forEach(([, , , , group], point) => {
    draw.globalAlpha = isFaint(look, group) ? 0.08 : look.shades[group] ? 0.72 : 0.4;
    draw.fillStyle = look.shades[group] ?? look.rest;
    dot(draw, places.points[point], size);
  });
  draw.globalAlpha = 1;
  found.points.forEach(([id, , , , group], point) => {
    if (isFaint(look, group)) return;
    if (look.yours.has(id)) diamond(draw, places.points[point], size + 2.5, look);
    else if (look.shown.has(id)) circle(draw, places.points[point], size + 3, look.ink, 1.6);
  });
  if (look.at >= 0) {
    draw.fillStyle = look.shades[found.points[look.at][4]] ?? look.rest;
    dot(draw, places.points[look.at], size * 2);
  }
  canvas.dataset.names = String(names(draw, canvas, found, places, look, size));
  if (places.you) ring(draw, places.you, look);
}

const isFaint = ({ group }, of) => group !== null && of !== group;

/** Writes the names of marked and well known items where there is room; gives how many. */
function names(draw, canvas, found, places, look, size) {
  const { clientWidth: width, clientHeight: height } = canvas;
  draw.font = `12px ${getComputedStyle(canvas).fontFamily}`;
  draw.textBaseline = "middle";
  draw.lineJoin = "round";
  const taken = places.you ? [[places.you[0] - 16, places.you[1] - 16, 32, 32]] : [];
  const most = Math.max(4, Math.round((width * height) / ROOM));
  let written = 0;
  for (const point of candidates(found, places, look, width, height)) {
    const title = found.points[point][1];
    const text = title.length > LONGEST ? `${title.slice(0, LONGEST - 1)}…` : title;
    const [x, y] = places.points[point];
    const wide = draw.measureText(text).width;
    const left = x + size + 4 + wide > width - 4 ? x - size - 4 - wide : x + size + 4;
    const box = [left - 2, y - 8, wide + 4, 16];
    if (left < 4 || y < 10 || y > height - 10 || taken.some((one) => overlap(one, box))) continue;
    taken.push(box);
    draw.strokeStyle = look.paper;
    draw.lineWidth = 3;
    draw.strokeText(text, left, y);
    draw.fillStyle = look.ink;
    draw.fillText(text, left, y);
    written += 1;
    if (written === most) break;
  }
  return written;
}

/** Points that are seen, those that are marked first, then the best known. */
function candidates(found, places, look, width, height) {
  const seen = found.points.map((_, point) => point).filter((point) => {
    const [x, y] = places.points[point];
    return x > 0 && y > 0 && x < width && y < height && !isFaint(look, found.points[point][4]);
  });
  const marked = (point) => look.shown.has(found.points[point][0]) || look.yours.has(found.points[point][0]);
  return [...seen.filter(marked), ...seen.filter((point) => !marked(point))].slice(0, TRIED);
}

const overlap = ([x, y, wide, high], [otherX, otherY, otherWide, otherHigh]) =>
  x < otherX + otherWide && otherX < x + wide && y < otherY + otherHigh && otherY < y + high;

function dot(draw, [x, y], radius) {
  draw.beginPath();
  draw.arc(x, y, radius, 0, 2 * Math.PI);
  draw.fill();
}

function circle(draw, [x, y], radius, colour, width) {
  draw.strokeStyle = colour;
  draw.lineWidth = width;
  draw.beginPath();
  draw.arc(x, y, radius, 0, 2 * Math.PI);
  draw.stroke();
}

function diamond(draw, [x, y], far, { ink, paper }) {
  draw.beginPath();
  draw.moveTo(x, y - far);
  draw.lineTo(x + far, y);
  draw.lineTo(x, y + far);
  draw.lineTo(x - far, y);
  draw.closePath();
  draw.fillStyle = ink;
  draw.fill();
  draw.strokeStyle = paper;
  draw.lineWidth = 1.2;
  draw.stroke();
}

function ring(draw, place, { accent, paper }) {
  circle(draw, place, 11, paper, 8);
  circle(draw, place, 11, accent, 3.5);
}
