// The picture of an item: a file of the service, or an address at a host that it lists. Until it is
// there, and where it is missing or cannot be shown, a cover is drawn.

import { image } from "./api.js";
import { cover } from "./cover.js";
import { el } from "./dom.js";
import { facts } from "./item_details.js";

const AHEAD = "300px"; // around the window, where a picture is asked for
const wanted = new WeakMap(); // cover -> what puts its picture there

const watch = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    watch.unobserve(target);
    wanted.get(target)();
  }
}, { rootMargin: AHEAD });

/** The first image that an item names and the page may show: `file` or `url`; else nothing. */
function named(item, { item: fields, images }) {
  for (const field of fields) {
    const text = field.kind === "image" && item.content?.[field.name];
    if (!text) continue;
    if (!/^([a-z][a-z0-9+.-]*:)?\/\//i.test(text)) {
      if (images.files) return { file: text };
    } else if (URL.canParse(text)) {
      const { protocol, host, href, username } = new URL(text);
      if (protocol === "https:" && !username && images.hosts.includes(host)) return { url: href };
    }
  }
  return null;
}

/** The picture of an item, without a text of its own: its title stands beside it. */
export function picture(item, schema) {
  const drawn = cover(item.title, facts(item, schema).categories[0]);
  // Where items have pictures, covers are as large, so that nothing moves when one comes.
  if (schema.item.some(({ kind }) => kind === "image")) drawn.classList.add("pictured");
  const source = named(item, schema);
  if (!source) return drawn;
  wanted.set(drawn, async () => {
    const node = el("img", { class: "cover pictured", alt: "", decoding: "async" });
    const free = () => node.src.startsWith("blob:") && URL.revokeObjectURL(node.src);
    try {
      node.src = source.url ?? (await image(source.file));
      await node.decode();
      drawn.replaceWith(node);
    } catch {
      // The drawn cover stays.
    }
    free();
  });
  watch.observe(drawn);
  return drawn;
}
