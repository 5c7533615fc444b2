// The service, as the page asks it.

import { natural, withNaturalTitles } from "./titles.js";

const KEY = "fusionrec.key";
const PAGE = 12; // items of one answer

/** Why a question was not answered. `status` is 0 where the service could not be reached. */
class Trouble extends Error {
  constructor(status, message, hint = "", wait = 0) {
    super(message);
    Object.assign(this, { status, hint, wait });
  }
}

/** Keeps a key for as long as the browser's tab is open. */
export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

/** A random id: 128 bits in hexadecimal digits. */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function call(method, path, { query = {}, body, signal } = {}) {
  const headers = {};
  const key = sessionStorage.getItem(KEY);
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body) headers["Content-Type"] = "application/json";
  const said = body && JSON.stringify(body);
  let response;
  try {
    response = await fetch(path + asQuery(query), { method, headers, body: said, signal });
    if (response.ok) return response.status === 204 ? null : withNaturalTitles(await response.json());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(0, "The service does not answer.");
  }
  throw await troubleOf(response);
}

async function troubleOf(response) {
  const problem = await response.json().catch(() => ({}));
  const wait = Number(response.headers.get("Retry-After")) || 0;
  const faults = (problem.errors ?? []).map((one) => one.message);
  const message = [problem.detail ?? response.statusText, ...faults].join("; ");
  return new Trouble(response.status, message, problem.hint, wait);
}

function asQuery(query) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one || one === 0) params.append(name, one);
  }
  const text = params.toString();
  return text && `?${text}`;
}

const item = (id) => `v1/items/${encodeURIComponent(id)}`;
const user = (id) => `v1/users/${encodeURIComponent(id)}`;
const get = (path, query, signal) => call("GET", path, { query, signal });

/** Who is asked for, as a body: what nothing was said of is left out. */
function personOf(asked) {
  const body = { profile: asked.profile, liked: asked.liked };
  if (asked.user) body.user = asked.user;
  return body;
}

export const schema = () => get("v1/schema");
export const itemOf = (id) => get(item(id));
export const similar = (id, k, where, signal) => get(`${item(id)}/similar`, { k, where }, signal);
export const userOf = (id) => get(user(id));
/** What someone said: `k` and `offset`, and `item`, ids of the only items about which it is wanted. */
export const said = (id, query) => get(`${user(id)}/feedback`, query);
export const retract = (id, event) => call("DELETE", `${user(id)}/feedback/${encodeURIComponent(event)}`);
export const forget = (id) => call("DELETE", user(id));

/** The address of a picture in the service's own folder. */
const imageAt = (name) => `v1/images/${encodeURIComponent(name)}`;

/** What an element loads to show such a picture, which must not name a key. */
export async function image(name) {
  const key = sessionStorage.getItem(KEY);
  if (!key) return imageAt(name);
  const response = await fetch(imageAt(name), { headers: { Authorization: `Bearer ${key}` } });
  if (!response.ok) throw await troubleOf(response);
  return URL.createObjectURL(await response.blob());
}

/** The map, laid out one way; `mark` are ids of items that are to be on it. */
export async function map(asked, way, mark) {
  const found = await call("POST", "v1/map", { body: { ...personOf(asked), way, mark } });
  for (const point of found.points) point[1] = natural(point[1]);
  return found;
}

/** What a user rated or took, the newest first. */
export const historyOf = (id, k, offset) => get(`${user(id)}/history`, { k, offset });

/** Some users to look at. */
export const someUsers = (k) => get("v1/users", { k });

/** Titles that begin like this. */
export const begun = (q, signal) => get("v1/search", { q, k: 8, prefix: true }, signal);

/** Values of a category that hold a text. */
export const choicesOf = (field, q, signal) => get("v1/choices", { field, q, k: 12 }, signal);

/**
 * Items for whoever is asked for, or by words where there are any.
 * @param {object} asked `user`, `profile`, `liked`, `where`, `tuning`, `q`, `only`: ids
 * @param {object} how `explain`: whether with reasons, which of a user need a key for feedback
 */
export function answer(asked, { offset = 0, k = PAGE, explain, signal } = {}) {
  const { q, where } = asked;
  if (q) return get("v1/search", { q, where, k, offset, user: asked.user }, signal);
  const { fresh, ...tuning } = asked.tuning;
  const body = { ...personOf(asked), ...tuning, where, k, offset, explain };
  if (asked.only?.length) body.only = asked.only;
  if (fresh && explain) body.fresh = true; // a key opens both
  return call("POST", "v1/recommendations", { body, signal });
}

/**
 * Tells what a user said of an item; telling the same `id` again changes nothing. When it was, the
 * service says: this machine's clock may be wrong.
 */
export const feedback = (event) => call("POST", "v1/feedback", { body: event });
