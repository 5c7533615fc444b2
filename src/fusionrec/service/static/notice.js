// Errors, shown at the foot of the window, where they move nothing.

import { useKey } from "./api.js";
import { el } from "./dom.js";
import { trouble } from "./text.js";

/** The place where errors are shown. */
export class Notice {
  /**
   * @param {HTMLElement} node is filled
   * @param {() => Promise<void>} rekeyed is called when another key was given
   */
  constructor(node, rekeyed) {
    Object.assign(this, { node, rekeyed });
    node.addEventListener("keydown", (event) => event.key === "Escape" && this.clear());
  }

  /**
   * Tells a trouble.
   * @param {Error} error of `api.js`, or any other
   * @param {() => void} again does what failed once more
   */
  tell(error, again) {
    if (error.name === "AbortError") return;
    this.again = again;
    const { text, todo, key } = trouble(error);
    const message = el("p", {}, el("b", {}, text), " ", todo);
    const retry = el("button", { type: "button" }, "Try again");
    retry.addEventListener("click", () => this.retry());
    const close = el("button", { type: "button", class: "quiet" }, "Dismiss");
    close.addEventListener("click", () => this.clear());
    const form = key ? this.#keyForm(close) : el("div", { class: "buttons" }, again && retry, close);
    this.node.replaceChildren(message, form);
    this.node.hidden = false;
    this.#above();
  }

  /** Takes it away. */
  clear() {
    this.again = null;
    this.node.hidden = true;
    this.node.replaceChildren();
  }

  /** Does once more what failed last, if the error is still shown. */
  retry() {
    const { again } = this;
    this.clear();
    again?.();
  }

  /** A modal dialog makes all else inert, so the trouble must stand in it. */
  #above() {
    const open = [...document.querySelectorAll("dialog[open]")].at(-1);
    (open ?? document.body).append(this.node);
  }

  #keyForm(close) {
    const input = el("input", {
      id: "key", type: "password", required: true, autocomplete: "off", placeholder: "frk_…",
    });
    const save = el("button", { type: "submit" }, "Use it");
    const form = el("form", { class: "key" }, el("label", { for: "key" }, "Key"), input, save, close);
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      useKey(input.value.trim());
      await this.rekeyed();
      this.retry();
    });
    return form;
  }
}
