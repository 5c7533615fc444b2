// Which part of the map is seen: zoomed and moved by wheel, fingers, drag and keys.

const MOST = 24; // times
const DRAG = 5; // pixels from which a press is a drag and no click

/** What is seen of a canvas. */
export class View {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {object} on `changed()`; `pointed(event)`, null while it is dragged; `clicked(event)`
   */
  constructor(canvas, on) {
    Object.assign(this, { canvas, on, times: 1, x: 0, y: 0, held: new Map(), dragged: false });
    const listen = (event, listener) => canvas.addEventListener(event, listener);
    listen("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 30 : 1;
      this.zoom(Math.exp(-Math.max(-240, Math.min(240, lines * event.deltaY)) / 400), event.offsetX, event.offsetY);
    });
    listen("pointerdown", (event) => this.#down(event));
    listen("pointermove", (event) => this.#moved(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      listen(end, (event) => this.held.delete(event.pointerId));
    }
    // A finger points at nothing before its click.
    listen("click", (event) => this.dragged || on.clicked(event));
  }

  /** Places of the whole map, in pixels, as they are seen. */
  place({ points, you }) {
    this.#within();
    const seen = ([x, y]) => [x * this.times + this.x, y * this.times + this.y];
    return { points: points.map(seen), you: you && seen(you) };
  }

  /** Zooms around a place; by default the middle. */
  zoom(by, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2) {
    const times = Math.min(Math.max(this.times * by, 1), MOST);
    this.x = x - ((x - this.x) * times) / this.times;
    this.y = y - ((y - this.y) * times) / this.times;
    this.times = times;
    this.on.changed();
  }

  pan(right, down) {
    this.x += right;
    this.y += down;
    this.on.changed();
  }

  reset() {
    Object.assign(this, { times: 1, x: 0, y: 0 });
    this.on.changed();
  }

  /** Moves so that a place is seen; whether it was not. */
  reveal([x, y]) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (x >= 0 && y >= 0 && x <= width && y <= height) return false;
    this.pan(width / 2 - x, height / 2 - y);
    return true;
  }

  /** Nothing but the map is seen. */
  #within() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.x = Math.min(0, Math.max(this.x, width * (1 - this.times)));
    this.y = Math.min(0, Math.max(this.y, height * (1 - this.times)));
  }

  #down(event) {
    if (!this.held.size) this.dragged = false;
    this.held.set(event.pointerId, [event.offsetX, event.offsetY]);
    this.began = [event.offsetX, event.offsetY];
  }

  #moved(event) {
    const before = this.held.get(event.pointerId);
    const now = [event.offsetX, event.offsetY];
    if (!before) {
      this.on.pointed(event);
      return;
    }
    const far = Math.hypot(now[0] - this.began[0], now[1] - this.began[1]);
    if (!this.dragged && this.held.size < 2 && far < DRAG) return;
    this.dragged = true;
    this.canvas.setPointerCapture(event.pointerId);
    this.on.pointed(null);
    const other = [...this.held].find(([id]) => id !== event.pointerId)?.[1];
    this.held.set(event.pointerId, now);
    if (!other) {
      this.pan(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const apart = (place) => Math.max(1, Math.hypot(place[0] - other[0], place[1] - other[1]));
    this.x += (now[0] - before[0]) / 2;
    this.y += (now[1] - before[1]) / 2;
    this.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }
}
