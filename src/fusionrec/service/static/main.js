// The page: what is asked, the answer to it, and what happens when something is said of an item.

import * as api from "./api.js";
import { NOTHING, VISITOR, keepVisitor, read, visitor, write } from "./state.js";
import { Cards } from "./cards.js";
import { Chosen } from "./chosen.js";
import { el } from "./dom.js";
import { askEarly, takeEarly } from "./early.js";
import { Filters } from "./filters.js";
import { givenOf } from "./given.js";
import { Known } from "./known.js";
import { openMap } from "./map.js";
import { Notice } from "./notice.js";
import { Rows, keptRows, viewSwitch } from "./rows.js";
import { openSimilar } from "./similar.js";
import * as words from "./text.js";
import { Tuning } from "./tuning.js";
import { You } from "./person.js";
import { didYouMean } from "./suggestion.js";
import { openYours } from "./yours.js";

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
    takeBack: (item, event) => takeBack(item, event),
  }),
};

page.rows = new Rows($("rows"), {
  similar,
  say: (item, said) => say(item, said),
  takeBack: (item, event) => takeBack(item, event),
  failed,
});

/** Shows the answer as a list, or in rows; what was found by words is a list. */
function lookAt(found) {
  page.found = found;
  const rows = keptRows() && found.kind !== "search";
  $("answer").dataset.view = rows ? "rows" : "list";
  $("view").hidden = found.kind === "search";
  if (rows) page.rows.show(whole(), found, page.schema, !whole().user || opensFeedback());
  else page.rows.clear();
}

/** Says what was done, and how to undo it, until it has been read or something else is said. */
function tellStatus(text, undo = null) {
  clearTimeout(page.statusTimer);
  $("status").textContent = text;
  $("undo").hidden = !undo;
  page.undo = undo;
  const read = () => {
    if ($("message").matches(":hover, :focus-within")) page.statusTimer = setTimeout(read, READING);
    else tellStatus("");
  };
  if (text) page.statusTimer = setTimeout(read, READING);
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
  if (!page.schema) return;
  const { open, people } = await api.schema().catch(() => page.schema);
  Object.assign(page.schema, { open, people });
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
  page.known = new Known($("known"), schema, { change });
  const open = matchMedia("(min-width: 56rem)").matches;
  for (const id of ["you", "known", "filters"]) $(id).open = open;
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
  page.known.show(asked);
  $("words").value = asked.q;
  ask();
  learn();
}

/** Asks anew; `done(before, after)` says what became different, `undo()` takes back what made it so. */
async function ask(k = FIRST, done = null, undo = null) {
  page.question?.abort();
  const question = (page.question = new AbortController());
  const before = page.cards.items;
  $("cards").ariaBusy = "true";
  try {
    const found = await answer({ k, signal: question.signal });
    notice.clear();
    show(found, found.items);
    give(found);
    if (done) tellStatus(done(before, found.items), undo);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!page.cards.items.length) unanswered();
    failed(error, () => ask(k, done, undo));
  }
  if (question === page.question) $("cards").ariaBusy = "false";
}

/** Shows on the cards what was said before, where the answer may hold what something was said of. */
async function give({ kind, items }) {
  const { user } = whole();
  const { events, repeats } = page.schema;
  if (!user || !opensFeedback() || !(kind === "search" || events || repeats)) return;
  const given = await givenOf(user, items.map(({ id }) => id)).catch(() => null);
  if (given && page.cards.items === items && user === whole().user) page.cards.give(given);
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

function listIn(node, texts) {
  node.replaceChildren(...texts.filter(Boolean).map((text) => el("li", {}, text)));
}

function show(answer, items) {
  const { asked, schema } = page;
  const { kind, notes, more, version, place } = answer;
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
  // How words were read, and why nothing is found, helps whoever asked; the rest is for the curious.
  const helpful = kind === "search" || !items.length;
  listIn($("notes"), helpful ? notes : []);
  const searched = place && `The ${words.things(schema)} were searched in: ${place}.`;
  listIn($("made"), [`Answered by the model's version ${version}.`, searched, ...(helpful ? [] : notes)]);
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

/** Keeps what was said of an item, and asks anew; gives the event, or null if it failed. */
function say(item, said) {
  const user = page.asked.user || visitor() || `visitor-${api.randomId()}`;
  const event = { id: api.randomId(), user, item: item.id, ...said };
  return tell(item, event);
}

async function tell(item, event) {
  const back = page.cards.leave(item.id);
  try {
    await api.feedback(event);
  } catch (error) {
    back();
    failed(error, () => tell(item, event));
    return null;
  }
  if (!page.asked.user) keepVisitor(event.user);
  if (words.likes(event, page.schema)) page.rows.liked = item;
  const thanks = words.thanks(event, item.title, page.schema);
  const undo = () => takeBack(item, event);
  tellStatus(thanks, undo);
  learn();
  await ask(count(), (before, after) => {
    // By words an item is found again, rated or not.
    const stays = after.some((one) => one.id === item.id);
    const others = stays ? before : before.filter((one) => one.id !== item.id);
    return `${thanks} ${words.changes(others, after, page.schema)}`;
  }, undo);
  return event;
}

/** How many items to ask for anew: as many as are shown. */
const count = () => Math.min(Math.max(page.cards.items.length, FIRST), MOST);

/** Takes back what was said of an item, and asks anew; says what became of it, or null if it failed. */
async function takeBack(item, event) {
  tellStatus("");
  let told = words.takenBack(event, item.title);
  try {
    await api.retract(event.user ?? whole().user, event.id);
  } catch (error) {
    if (error.status !== 404) {
      failed(error, () => takeBack(item, event));
      return null;
    }
    told = words.gone(item.title);
  }
  tellStatus(told);
  learn();
  await ask(count(), () => told);
  if (!document.querySelector("dialog[open]")) page.cards.focus(item.id);
  return told;
}

/** Opens all that was said by whoever is asked for. */
function yours() {
  const { user } = whole();
  openYours({ user, schema: page.schema, act: { say, takeBack, failed } });
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
$("undo").addEventListener("click", () => page.undo?.());
$("open-yours").addEventListener("click", () => page.schema && yours());
$("open-map").addEventListener("click", () => {
  if (page.schema) {
    const shown = (page.found?.items ?? page.cards.items).map((item) => item.id).slice(0, MOST);
    openMap(whole(), page.schema, { open: similar, failed }, shown);
  }
});
addEventListener("popstate", () => {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  if (page.schema) turn(read());
});
addEventListener("online", () => notice.retry());
addEventListener("storage", ({ key }) => key === VISITOR && page.schema && turn(page.asked)); // another tab
page.cards.wait(FIRST);
askEarly(FIRST);
start();
