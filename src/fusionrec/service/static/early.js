// The first answer, asked for while the schema is still on its way: of an address that names no
// user, and of a browser without a visitor, it depends on nothing that the schema says.

import * as api from "./api.js";
import { read, visitor, write } from "./state.js";

let first = null; // what was asked for, and its answer to come

/** Asks for what the address says. */
export function askEarly(k) {
  const asked = read();
  if (asked.user || visitor()) return;
  const found = api.answer(asked, { k, explain: true });
  first = { k, address: write(asked), found };
  found.catch(() => (first = null)); // asked for again, perhaps with a key
}

/** Gives that answer, once, where just this is asked; else null. */
export function takeEarly(asked, { k, offset = 0, signal }) {
  const one = first;
  first = null;
  const same = one && !asked.user && !offset && k === one.k && write(asked) === one.address;
  return same && !signal?.aborted ? one.found : null;
}
