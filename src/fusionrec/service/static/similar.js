// Items that are like one, in a dialog; each of them leads on to those like itself.

import { similar } from "./api.js";
import { dialog, el } from "./dom.js";
import { factLine } from "./item_details.js";
import { picture } from "./picture.js";
import { hold } from "./pointer.js";
import { things } from "./text.js";

const COUNT = 10;

/**
 * Opens the dialog.
 * @param {{id, title}} item the first one
 * @param {object} schema as of GET /v1/schema
 * @param {object} act `like(item)`, `failed(error)`
 */
export function openSimilar(item, schema, act) {
  const list = el("ol", { class: "rows", "aria-live": "polite" });
  const like = el("button", { type: "button" }, "I like this");
  const { node, title } = dialog("", "sheet", el("div", { class: "buttons" }, like), list);
  let now = item;
  like.addEventListener("click", () => {
    node.close();
    act.like(now);
  });
  const go = async (next) => {
    now = next;
    title.textContent = `More like ${next.title}`;
    list.ariaBusy = "true";
    try {
      const found = await similar(next.id, COUNT);
      if (now !== next) return;
      hold(list);
      list.replaceChildren(...found.items.map((one) => row(one, schema, go)));
      if (!found.items.length) list.append(el("li", {}, `There are no ${things(schema)} like it.`));
      title.focus();
    } catch (error) {
      node.close();
      act.failed(error, () => openSimilar(next, schema, act));
    }
    list.ariaBusy = "false";
  };
  go(item);
}

function row(item, schema, go) {
  const about = el("small", {}, factLine(item, schema));
  const button = el("button", { type: "button", class: "row" },
    picture(item, schema), el("span", {}, item.title), about.textContent && about);
  button.addEventListener("click", () => go(item));
  return el("li", {}, button);
}
