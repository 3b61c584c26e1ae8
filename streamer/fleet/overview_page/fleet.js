// The page of a fleet: which stream is on which node, and why. It asks its own server once a second.
// Text from the server is set as text, never as HTML, and nothing here grows with time.

import { call, renewSession, session, takeLogins } from "/session.js";

const EVERY_MS = 1000;
const PATIENCE_MS = 6000; // for an answer, before the connection counts as lost
const MOST_ROWS = 500; // of streams: more make browsers slow; the filter finds the others
const MOST_TOLD = 3;

const TONES = { running: "good", loading: "warn", prepared: "warn", waiting: "warn", down: "bad" };
const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
const inWords = (number, thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

let fleet = null; // as the server said last

// ---------------------------------------------------------------- elements

/** A new element of a class. */
function el(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A cell of a row; with its heading before it where rows are cards. */
function cell(tag, className, label, ...children) {
  const made = el(tag, className, ...children);
  made.setAttribute("role", tag === "th" ? "rowheader" : "cell");
  if (tag === "th") made.scope = "row";
  if (label) made.dataset.label = label;
  return made;
}

/** Set a text, unless it is there: screen readers and selections are left alone. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function setState(element, words, tone) {
  set(element, words);
  if (element.dataset.tone !== tone) element.dataset.tone = tone;
}

/** A table's rows by key, in the order of what they show; only what differs is touched. */
class Rows {
  #rows = new Map();

  constructor(body, make) {
    Object.assign(this, { body, make });
  }

  show(items, keyOf) {
    const keys = new Set(items.map(keyOf));
    for (const [key, row] of this.#rows) {
      if (keys.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    let next = this.body.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      if (!this.#rows.has(key)) this.#rows.set(key, this.make(item));
      const { element, show } = this.#rows.get(key);
      if (element === next) next = next.nextElementSibling;
      else this.body.insertBefore(element, next);
      show(item);
    }
  }
}

// ---------------------------------------------------------------- where workers serve

const isLoopback = (host) => host === "localhost" || host === "[::1]" || host.startsWith("127.");

/** Where a worker serves, for this browser; null where only its own machine reaches that. */
function urlOf(address, path) {
  let url;
  try { url = new URL(path, address.includes("://") ? address : `http://${address}`); } catch { return null; }
  const isHere = fleet.nodes.length === 1 && isLoopback(location.hostname);
  return url.protocol.startsWith("http") && (isHere || !isLoopback(url.hostname)) ? url.href : null;
}

/** Show what a worker serves: as links, or in words where they would lead elsewhere. */
function showServed(into, { name, addresses }) {
  const served = [["web", "page", "/"], ["metrics", "metrics", "/metrics"]]
    .filter(([kind]) => addresses[kind])
    .map(([kind, words, path]) => [words, urlOf(addresses[kind], path), addresses[kind]]);
  const wanted = JSON.stringify(served);
  if (into.dataset.served === wanted) return;
  into.dataset.served = wanted;
  into.replaceChildren(...served.map(([words, url, address]) => {
    if (!url) return el("span", "beside", `${words} at its own ${address.replace(/^.*:\/\//, "")}`);
    const link = el("a", "", words);
    link.href = url;
    link.ariaLabel = `${words} of ${name}`;
    return link;
  }));
}

// ---------------------------------------------------------------- nodes

function stateOfNode({ draining, streams, trouble }) {
  if (draining) return streams ? ["draining", "warn"] : ["drained", ""];
  return trouble ? ["in trouble", "bad"] : ["ready", "good"];
}

const nodes = new Rows($("nodes"), ({ name }) => {
  let node;
  const state = el("span", "state");
  const trouble = el("span", "trouble");
  const [streams, late, heard] = ["Streams", "Late", "Last word"].map((label) => cell("td", "number", label));
  const busy = el("span", "share");
  const served = cell("td", "served", "");
  const button = el("button");
  button.type = "button";
  button.addEventListener("click", () => (node.draining ? setDraining(name, false) : confirmDrain(node)));
  const title = cell("th", "", "", name);
  title.dir = "auto";
  const element = el("tr", "", title, cell("td", "stated", "", state, trouble), streams,
    cell("td", "number", "Busy", busy), late, heard, served, cell("td", "act", "", button));
  element.setAttribute("role", "row");
  return {
    element,
    show(now) {
      node = now;
      setState(state, ...stateOfNode(now));
      set(trouble, now.trouble);
      set(streams, String(now.streams));
      set(busy, percent(now.busy));
      busy.style.setProperty("--share", Math.min(now.busy, 1).toFixed(2));
      busy.dataset.tone = now.busy > 0.85 ? "warn" : "";
      set(late, percent(now.late, 1));
      set(heard, `${now.silent_s.toFixed(1)} s ago`);
      showServed(served, now);
      set(button, now.draining ? "Undrain" : "Drain");
      button.ariaLabel = `${button.textContent} ${name}`;
    },
  };
});

function confirmDrain({ name, streams }) {
  $("sure-title").textContent = `Drain ${name}?`;
  $("sure-words").textContent = `${streams ? `${inWords(streams, "stream")} will move to other nodes that fit, and` : "From now on"} it gets no streams until it is undrained.`;
  $("sure-yes").onclick = () => {
    $("sure").close();
    setDraining(name, true);
  };
  $("sure").showModal();
}

async function setDraining(name, draining) {
  try {
    await call("POST", `/api/fleet/nodes/${encodeURIComponent(name)}/${draining ? "drain" : "undrain"}`);
    say(draining ? `${name} gives its streams away.` : `${name} may have streams again.`, "good");
    await look();
  } catch (refusal) { // or an answer that broke off
    if (refusal.status !== 401) say(`${name}: ${refusal.message}`, "bad");
  }
}

// ---------------------------------------------------------------- streams

const rows = new Rows($("streams"), ({ stream }) => {
  const state = el("span", "state");
  const old = el("span", "beside");
  const node = el("a");
  const bound = el("span", "beside");
  const why = cell("td", "why", "");
  const title = cell("th", "", "", stream);
  title.dir = node.dir = why.dir = "auto";
  const where = cell("td", "where", "", node, bound);
  const element = el("tr", "", title, where, cell("td", "stated", "", state, old), why);
  element.setAttribute("role", "row");
  return {
    element,
    show(now) {
      element.classList.toggle("bad", now.state === "down" || now.state === "waiting");
      setState(state, now.state, TONES[now.state] ?? "");
      set(old, now.outdated ? "before the change" : "");
      where.classList.toggle("nowhere", !now.node);
      set(node, now.node ?? "");
      set(bound, now.bound_for ? `moves to ${now.bound_for}` : "");
      set(why, now.why);
      const page = pages.get(now.node);
      if (page) node.href = `${page}#${encodeURIComponent(stream)}`;
      else node.removeAttribute("href");
    },
  };
});

const pages = new Map(); // of workers that this browser reaches, by node

function matches(stream, words) {
  const text = [stream.stream, stream.node, stream.bound_for, stream.state, stream.why,
    stream.outdated ? "before the change" : ""].join(" ").toLowerCase();
  return words.every((word) => text.includes(word));
}

function showStreams() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length ? fleet.streams.filter((stream) => matches(stream, words)) : fleet.streams;
  rows.show(found.slice(0, MOST_ROWS), ({ stream }) => stream);
  const shown = found.length > MOST_ROWS ? `the first ${MOST_ROWS} of ${found.length}` : found.length;
  set($("found"), words.length || found.length > MOST_ROWS ? `${shown} of ${inWords(fleet.streams.length, "stream")}` : "");
  $("no-streams").hidden = found.length > 0;
  set($("no-streams"), fleet.streams.length ? "No stream has these words." : "There are no streams.");
}

// ---------------------------------------------------------------- the whole

function say(text, tone = "") {
  set($("status"), text);
  $("status").dataset.tone = tone;
}

/** Tell what has become of streams since the last look, in one line. */
function tellNews(before, now) {
  const known = new Map(before.streams.map((stream) => [stream.stream, stream]));
  const news = [];
  for (const { stream, node, state } of now.streams) {
    const then = known.get(stream);
    if (!then) continue;
    if (node && node !== then.node) news.push(`${stream} is on ${node} now`);
    else if (state !== then.state && (state === "down" || state === "waiting")) news.push(`${stream} is ${state}`);
  }
  if (now.halted && now.halted !== before.halted) news.unshift("a change goes no further");
  if (news.length > MOST_TOLD) say(`${news.length} streams have changed.`);
  else if (news.length) say(`${news.join("; ")}.`);
}

function showFleet() {
  const running = fleet.streams.filter(({ state }) => state === "running").length;
  set($("facts"), `${running} of ${inWords(fleet.streams.length, "stream")} run on ${inWords(fleet.nodes.length, "node")}`);
  set($("halted"), `A change goes no further: ${fleet.halted}`);
  $("halted").hidden = !fleet.halted;
  $("settling").hidden = !fleet.settling;
  $("no-nodes").hidden = fleet.nodes.length > 0;
  pages.clear();
  // Of two workers of one node the one that reported last: the other is about to be given up.
  for (const { name, addresses } of fleet.nodes.toSorted((one, other) => other.silent_s - one.silent_s)) {
    const page = addresses.web && urlOf(addresses.web, "/");
    if (page) pages.set(name, page);
  }
  nodes.show(fleet.nodes, ({ worker }) => worker);
  showStreams();
}

function show(view) {
  for (const id of ["loading", "login", "fleet"]) $(id).hidden = id !== view;
  $("facts").hidden = view !== "fleet";
  $("log-out").hidden = view === "login" || !session.required;
  if (view !== "fleet") $("sure").close();
}

function setLost(why) {
  const wasLost = !$("lost").hidden;
  if (Boolean(why) !== wasLost) say(why ? "The connection is lost." : fleet ? "Connected again." : "", why ? "bad" : "good");
  $("lost").hidden = !why;
  if (why && !wasLost) {
    set($("lost"), `No connection to the fleet since ${new Date().toLocaleTimeString("en-GB")}: ${why}. Trying again…`);
    set($("loading"), "The fleet cannot be reached. Trying again…");
  }
  $("fleet").classList.toggle("lost", Boolean(why));
  for (const button of $("nodes").querySelectorAll("button")) button.disabled = Boolean(why);
}

let looking = null;

/** Ask how the fleet is, and show it; who asks meanwhile is answered by the same. */
function look() {
  looking ??= (async () => {
    try {
      if (!session.open && !(await renewSession())) return;
      const found = await (await call("GET", "/api/fleet", undefined, PATIENCE_MS)).json();
      const before = fleet;
      fleet = found;
      showFleet();
      show("fleet");
      setLost("");
      if (before) tellNews(before, found);
      else say("Connected.");
    } catch (refusal) { // or an answer that broke off
      if (refusal.status !== 401) setLost(refusal.message);
    } finally {
      looking = null;
    }
  })();
  return looking;
}

takeLogins({
  asked() {
    fleet = null;
    show("login");
    say("");
  },
  opened() {
    show("loading");
    look();
  },
  failed: (why) => say(why, "bad"),
});
$("filter").addEventListener("input", () => fleet && showStreams());
$("sure-no").addEventListener("click", () => $("sure").close());
document.addEventListener("visibilitychange", () => session.open && !document.hidden && look());

async function watch() {
  for (;;) {
    if (!document.hidden && $("login").hidden) await look();
    await pause(EVERY_MS);
  }
}

watch();
