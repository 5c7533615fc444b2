// Elements without markup: texts enter the page as text nodes and attributes, and in no other way.

/**
 * Makes an element.
 * @param {string} tag its name
 * @param {object} props `class`, `on` ({event: listener}), `data` ({name: text}); a boolean sets or
 *   leaves out an attribute, anything else is an attribute's text
 * @param {...(Node|string|null|undefined|false)} children nodes, and texts; what is empty is left out
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(node.dataset, value);
    } else if (typeof value === "boolean") {
      node.toggleAttribute(name, value);
    } else if (value !== undefined && value !== null) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.filter((child) => child || child === 0));
  return node;
}

/** Something chosen, as a list item; `remove()` is called by its button. */
export function chip(text, remove) {
  const button = el("button", { type: "button", "aria-label": `Remove ${text}`, on: { click: remove } }, "×");
  return el("li", {}, el("span", {}, text), button);
}

let made = 0;

/** An id that no other element has. */
export function newId(name) {
  made += 1;
  return `${name}-${made}`;
}

/** Whether the person asked for less motion. */
export function still() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A dialog with a heading and a button that closes it; it is gone from the page once it is closed. */
export function dialog(heading, className, ...children) {
  const id = newId("dialog");
  const title = el("h2", { id, tabindex: "-1" }, heading);
  const close = el("button", { type: "button", class: "quiet close" }, "Close");
  const head = el("div", { class: "head" }, title, close);
  const node = el("dialog", { class: className, "aria-labelledby": id }, head, ...children);
  close.addEventListener("click", () => node.close());
  node.addEventListener("click", (event) => event.target === node && node.close());
  node.addEventListener("close", () => node.remove());
  document.body.append(node);
  node.showModal();
  title.focus();
  return { node, title };
}
