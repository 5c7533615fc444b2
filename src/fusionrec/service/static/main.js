// The page: what is asked, the answer to it, and what happens when something is said of an item.

import * as api from "./api.js";
import { NOTHING, keepVisitor, read, visitor, write } from "./state.js";
import { Cards } from "./cards.js";
import { Chosen } from "./chosen.js";
import { el } from "./dom.js";
import { askEarly, takeEarly } from "./early.js";
import { Filters } from "./filters.js";
import { openMap } from "./map.js";
import { Notice } from "./notice.js";
import { Rows, keptRows, viewSwitch } from "./rows.js";
import { openSimilar } from "./similar.js";
import * as words from "./text.js";
import { Tuning } from "./tuning.js";
import { You } from "./person.js";
import { didYouMean } from "./suggestion.js";

const FIRST = 12; // items of an answer
const MOST = 100; // that one question may ask for
const MOST_OFFSET = 1000;
const READING = 12_000; // milliseconds

const $ = (id) => document.getElementById(id);
const notice = new Notice($("notice"), rekeyed);
const failed = (error, again) => {
  if (error.name !== "AbortError") tellStatus("");
  notice.tell(error, again);
};
const similar = (item) => openSimilar(item, page.schema, { like: (one) => page.you.like(one), failed });
const page = {
  asked: NOTHING,
  schema: null,
  question: null, // the AbortController of the one under way
  cards: new Cards($("cards"), {
    similar,
    say: (item, said) => say(item, said),
  }),
};

page.rows = new Rows($("rows"), { similar, say: (item, said) => say(item, said), failed });

/** Shows the answer as a list, or in rows; what was found by words is a list. */
function lookAt(found) {
  page.found = found;
  const rows = keptRows() && found.kind !== "search";
  $("answer").dataset.view = rows ? "rows" : "list";
  $("view").hidden = found.kind === "search";
  if (rows) page.rows.show(whole(), found, page.schema, !whole().user || opensFeedback());
  else page.rows.clear();
}

/** Says what was done, until it has been read or something else is said. */
function tellStatus(text) {
  clearTimeout(page.statusTimer);
  $("status").textContent = text;
  if (text) page.statusTimer = setTimeout(() => tellStatus(""), READING);
}

/** What is asked, by whom it is: the user who was named, else this browser's visitor. */
function whole() {
  return { ...page.asked, user: page.asked.user || visitor() };
}

/** Whether what is kept of people is open to the key in use. */
const opensFeedback = () => page.schema.open.includes("feedback");

/** An answer, with reasons where the key in use opens them. */
function answer(how) {
  const asked = whole();
  return takeEarly(asked, how) ?? api.answer(asked, { ...how, explain: !asked.user || opensFeedback() });
}

/** Learns what another key opens; where that fails, so does what is tried again, and says why. */
async function rekeyed() {
  if (page.schema) page.schema.open = (await api.schema().catch(() => page.schema)).open;
}

async function start() {
  try {
    page.schema = await api.schema();
  } catch (error) {
    $("headline").textContent = "No answer yet";
    failed(error, start);
    return;
  }
  const { schema } = page;
  page.you = new You($("you").querySelector(".inside"), schema, { change, forget, failed });
  page.filters = new Filters($("filters").querySelector(".inside"), schema, (where) => change({ where }), failed);
  page.tuning = new Tuning($("filters").querySelector(".inside"), schema, (tuning) => change({ tuning }));
  page.chosen = new Chosen($("chosen"), $("filters").querySelector("summary"), schema, change);
  const open = matchMedia("(min-width: 56rem)").matches;
  for (const id of ["you", "filters"]) $(id).open = open;
  $("panels").classList.add("ready");
  turn(read());
}

/** Asks for something else in part, and says so in the address. */
function change(part) {
  const asked = { ...page.asked, ...part };
  if (write(asked) !== write(page.asked)) history.pushState(null, "", write(asked));
  turn(asked);
}

/** Shows what is asked, and its answer. */
function turn(asked) {
  page.asked = asked;
  page.you.show(asked);
  page.filters.show(asked.where);
  page.tuning.show(asked);
  page.chosen.show(asked);
  $("words").value = asked.q;
  ask();
  learn();
}

/** Asks anew; `done(before, after)` says what became different. */
async function ask(k = FIRST, done = null) {
  page.question?.abort();
  const question = (page.question = new AbortController());
  const before = page.cards.items;
  $("cards").ariaBusy = "true";
  try {
    const found = await answer({ k, signal: question.signal });
    notice.clear();
    show(found, found.items);
    if (done) tellStatus(done(before, found.items));
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!page.cards.items.length) unanswered();
    failed(error, () => ask(k, done));
  }
  if (question === page.question) $("cards").ariaBusy = "false";
}

/** Shows that there is no answer, and how to ask without filters, which may be why. */
function unanswered() {
  page.cards.wait(0);
  $("lead").textContent = "";
  $("headline").textContent = "No answer yet";
  tellNothing(page.asked.where.length ? "The filters may not fit what there is here." : "");
}

/** Says why no card is there; an empty text says nothing. */
function tellNothing(text) {
  const clear = el("button", { type: "button" }, "Clear filters");
  clear.addEventListener("click", () => change({ where: [] }));
  $("nothing").hidden = !text;
  $("nothing").replaceChildren(text, " ", page.asked.where.length ? clear : "");
}

function show(answer, items) {
  const { asked, schema } = page;
  const { kind, notes, more, version } = answer;
  const title = words.headline(kind, asked, schema, Boolean(whole().user));
  $("headline").textContent = title;
  document.title = `${title} · What next?`;
  $("lead").textContent = page.cards.show(items, schema);
  didYouMean($("meant"), answer.suggestions ?? [], asked, change);
  const none = `No ${words.things(schema)} fit. Take a filter away, or ask for something else.`;
  tellNothing(items.length ? "" : none);
  lookAt({ ...answer, items });
  $("end").hidden = false;
  $("more").hidden = !more || items.length > MOST_OFFSET;
  const about = [...notes, `Answered by ${version}.`];
  $("notes").replaceChildren(...about.map((text) => el("li", {}, text)));
}

/** Shows the next items below. */
async function more() {
  const shown = page.cards.items;
  const asked = page.asked;
  try {
    const found = await answer({ k: FIRST, offset: shown.length });
    if (asked !== page.asked || shown !== page.cards.items) return;
    const ids = new Set(shown.map((item) => item.id));
    const next = found.items.filter((item) => !ids.has(item.id));
    show(found, [...shown, ...next]);
    tellStatus(`${words.many(next.length, words.things(page.schema, 1))} more.`);
    $("cards").children[shown.length]?.querySelector("h3").focus({ preventScroll: true });
  } catch (error) {
    failed(error, more);
  }
}

/** Keeps what was said of an item, and asks anew. */
async function say(item, said) {
  const user = page.asked.user || visitor() || `visitor-${api.randomId()}`;
  const event = { id: api.randomId(), user, item: item.id, ...said };
  await tell(item, event);
}

async function tell(item, event) {
  const back = page.cards.leave(item.id);
  try {
    await api.feedback(event);
  } catch (error) {
    back();
    failed(error, () => tell(item, event));
    return;
  }
  if (!page.asked.user) keepVisitor(event.user);
  if (words.likes(event, page.schema)) page.rows.liked = item;
  const thanks = words.thanks(event, item.title, page.schema);
  tellStatus(thanks);
  const k = Math.min(Math.max(page.cards.items.length, FIRST), MOST);
  learn();
  await ask(k, (before, after) => {
    // By words an item is found again, rated or not.
    const stays = after.some((one) => one.id === item.id);
    const others = stays ? before : before.filter((one) => one.id !== item.id);
    return `${thanks} ${words.changes(others, after, page.schema)}`;
  });
}

/** Tells the panel what is kept of whoever is asked for. */
async function learn() {
  const { user } = whole();
  if (user && !opensFeedback()) {
    page.you.close();
    return;
  }
  try {
    const about = user ? await api.userOf(user) : null;
    if (user === whole().user) page.you.tell(about);
  } catch {
    // The answer, which is asked for at the same time, tells what is wrong.
  }
}

/** Has this browser's visitor forgotten, here and by the service. */
async function forget() {
  try {
    await api.forget(visitor());
  } catch (error) {
    failed(error, forget);
    return;
  }
  keepVisitor(null);
  change({ profile: {}, liked: [] });
  tellStatus("You are forgotten: what you said is deleted.");
}

$("search").addEventListener("submit", (event) => {
  event.preventDefault();
  change({ q: $("words").value.trim() });
});
$("words").addEventListener("search", () => $("words").value || !page.asked.q || change({ q: "" }));
$("more").addEventListener("click", more);
viewSwitch($("view"), () => page.found && lookAt(page.found));
$("open-map").addEventListener("click", () => {
  if (page.schema) openMap(whole(), page.schema, { open: similar, failed });
});
addEventListener("popstate", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  if (page.schema) turn(read());
});
addEventListener("online", () => notice.retry());
page.cards.wait(FIRST);
askEarly(FIRST);
start();
