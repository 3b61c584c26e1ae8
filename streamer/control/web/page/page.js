// The page of streamer: it shows the streams and steers them. It talks to its own server only.
// Text from the server is set as text, never as HTML, and nothing here grows with time.

import { Backoff, Media, VideoFeed, now, pathOf } from "/player.js";
import { Refusal, call, read, renewSession, session, takeLogins } from "/session.js";

const SEND_EVERY_MS = 130; // a slider sends at most eight changes a second
const HISTORY = 180; // samples of a chart: one a second, three minutes
const LOG_LINES = 200;
const MOST_JPEGS = 3; // of a browser's six connections; events and changes need the others
const NO_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
const LONG_MS = 300_000; // for a model to be loaded, or a large picture to be sent
const TRY_VIDEO_AGAIN_MS = 600_000;

const LAYOUTS = {
  side_by_side: "Side by side", stack: "One above the other", grid: "Grid", cutout: "Cutout",
  composite: "Composite", mask: "Mask", alpha: "Alpha", overlay: "Overlay (shows the room)",
  source: "Source (shows the room)",
};
const FRAME_FIRST = new Set([
  "source", "overlay", "composite", "cutout", "mask", "alpha", "side_by_side", "stack",
]);
const WITHOUT_BACKGROUND = new Set(["cutout", "mask", "alpha", "overlay", "source"]);
const STAGES = ["capture", "queue", "wait", "infer", "held", "refine", "compose", "write"];

const $ = (id) => document.getElementById(id);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const clamp = (number, least, most) => Math.min(Math.max(number, least), most);

/** A new element with properties, or attributes where there is no such property. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

let ids = 0;
const freshId = () => `made-${++ids}`;

function inDigits(number, digits = 1) {
  return Number.isFinite(number) ? number.toFixed(digits) : "–";
}

/** What the browser keeps for the next visit; nothing where storage is switched off. */
const kept = {
  get(name) {
    try { return localStorage.getItem(name); } catch { return null; }
  },
  set(name, value) {
    try { localStorage.setItem(name, value); } catch { /* private windows refuse */ }
  },
};

// ---------------------------------------------------------------- the server

/** The events of the server, for months: connects again whenever it hears nothing. */
class Events {
  static KINDS = [
    "status", "log", "ChangeMade", "ChangeRefused", "SourceChanged", "ModelSwapped",
    "RecordingStarted", "RecordingEnded", "StreamFailed", "StreamEnded",
  ];
  #backoff = new Backoff();
  #source = null;
  #heardAt = 0;
  #retry = 0;

  constructor(hear) {
    this.hear = hear;
    setInterval(() => this.#source && now() - this.#heardAt > 12_000 && this.#lost(), 3000);
  }

  start() {
    this.stop();
    const source = new EventSource("/api/events");
    this.#source = source;
    this.#heardAt = now();
    source.onerror = () => this.#lost();
    source.onopen = () => {
      this.#heardAt = now();
      this.#backoff.reset();
      this.hear("open", {});
    };
    for (const kind of Events.KINDS) {
      source.addEventListener(kind, ({ data }) => {
        this.#heardAt = now();
        this.hear(kind, JSON.parse(data));
      });
    }
  }

  stop() {
    clearTimeout(this.#retry);
    this.#source?.close();
    this.#source = null;
  }

  #lost() {
    this.stop();
    this.hear("lost", {});
    this.#retry = setTimeout(() => this.#again(), this.#backoff.next());
  }

  async #again() {
    try {
      if (await renewSession()) this.start();
    } catch {
      this.#lost();
    }
  }
}

// ---------------------------------------------------------------- pictures

let leaving = false;
window.addEventListener("pagehide", () => (leaving = true)); // it is loaded anew if it comes back

/** JPEG pictures, one after the other, in an <img>. Its owner is told as that of `VideoFeed`. */
class JpegFeed {
  static running = new Set();
  #sample = document.createElement("canvas");
  #seen = "";
  #timer = 0;
  lastAt = now();
  behind_s = NaN;

  constructor(image, path, owner) {
    Object.assign(this, { image, owner });
    if (JpegFeed.running.size >= MOST_JPEGS) {
      owner.crowded();
      return;
    }
    JpegFeed.running.add(this);
    image.onload = () => this.#arrived();
    image.onerror = () => this.owner?.lost(0);
    image.src = `${path}${path.includes("?") ? "&" : "?"}n=${freshId()}`; // never one that failed
    this.#sample.width = this.#sample.height = 16;
    this.#timer = setInterval(() => this.#look(), 2000);
  }

  stop() {
    this.owner = null;
    clearInterval(this.#timer);
    this.image.onload = this.image.onerror = null;
    // Without a source the browser may go on fetching for seconds. A page that is left fetches
    // nothing more, and there Chromium would count this as a connection, which the CSP refuses.
    if (!leaving) this.image.src = NO_PICTURE;
    if (!JpegFeed.running.delete(this)) return;
    for (const picture of LivePicture.all) picture.roomForJpeg();
  }

  #arrived() {
    this.lastAt = now();
    this.owner?.arrived(this.image.naturalWidth, this.image.naturalHeight);
  }

  /** A connection that ends is not told of; so compare what shows. */
  #look() {
    if (!this.image.naturalWidth) return;
    const pen = this.#sample.getContext("2d", { willReadFrequently: true });
    pen.drawImage(this.image, 0, 0, 16, 16);
    const seen = pen.getImageData(0, 0, 16, 16).data.join();
    if (seen !== this.#seen) this.#arrived();
    this.#seen = seen;
  }
}

/** One live picture in a box; fetched only while it can be seen. */
class LivePicture {
  static all = new Set();
  #backoff = new Backoff();
  #feed = null;
  #retry = 0;
  #inView = false;
  #fallenAt = -Infinity;
  #emitted = 0;
  #ends = new AbortController();
  #crowded = false;
  #faults = 0; // in a row, each soon after its connection
  size = null;
  how = "";

  constructor(box) {
    this.box = box;
    this.video = el("video", {
      muted: true, autoplay: true, playsInline: true, disableRemotePlayback: true, tabIndex: -1,
    });
    this.image = el("img", { alt: "", hidden: true });
    this.note = el("p", { className: "note" }, "Connecting…");
    box.prepend(this.video, this.image, this.note);
    this.observer = new IntersectionObserver((entries) => {
      this.#inView = entries.at(-1).isIntersecting;
      this.#update();
    });
    this.observer.observe(box);
    const { signal } = this.#ends;
    document.addEventListener("visibilitychange", () => this.#update(), { signal });
    LivePicture.all.add(this);
  }

  onsize() {}

  /** Show a stream in a layout; its default where *layout* is undefined. */
  show(stream, layout, way) {
    this.wanted = { stream, layout, way };
    this.size = null;
    this.#fallenAt = -Infinity;
    this.#faults = 0;
    this.video.setAttribute("aria-label", `Live picture of ${stream}`);
    this.image.alt = `Live picture of ${stream}`;
    this.#inView = true; // until the observer says otherwise, so that the picture comes at once
    this.observer.unobserve(this.box);
    this.observer.observe(this.box);
    this.restart();
  }

  hide() {
    this.wanted = null;
    this.#end();
  }

  close() {
    this.hide();
    this.observer.disconnect();
    this.#ends.abort();
    LivePicture.all.delete(this);
  }

  restart() {
    this.#end();
    this.#update();
  }

  roomForJpeg() {
    if (this.#crowded) this.restart();
  }

  get behind_s() {
    return this.#feed?.behind_s ?? NaN;
  }

  /** Connect again if the stream goes on and its pictures do not come. */
  check(summary) {
    const emitted = summary.frames?.emitted ?? 0;
    const goesOn = emitted !== this.#emitted && !summary.paused && !summary.released;
    this.#emitted = emitted;
    if (this.#feed && goesOn && now() - this.#feed.lastAt > 15_000) this.lost(0);
  }

  /** The server is back: connect at once. */
  revive() {
    this.#backoff.reset();
    if (!this.#feed || now() - this.#feed.lastAt > 2000 || this.#feed instanceof JpegFeed) this.restart();
  }

  #update() {
    const runs = this.wanted && this.#inView && !document.hidden && session.open;
    if (runs && !this.#feed && !this.#retry) this.#begin();
    if (!runs) this.#end();
  }

  #begin() {
    const { stream, layout, way } = this.wanted;
    const query = layout ? `?layout=${encodeURIComponent(layout)}` : "";
    const fallen = now() - this.#fallenAt < TRY_VIDEO_AGAIN_MS;
    const byVideo = way === "video" || (way === "auto" && Media && !fallen);
    this.#crowded = false;
    this.video.hidden = !byVideo;
    this.image.hidden = byVideo;
    this.say("Connecting…");
    if (byVideo && !Media) {
      this.say("This browser plays no live video. JPEG pictures work everywhere.");
    } else if (byVideo) {
      this.how = "Video";
      this.#feed = new VideoFeed(this.video, pathOf(stream, `/live${query}`), this);
    } else {
      if (way === "jpeg") this.how = "JPEG pictures";
      else if (!Media) this.how = "JPEG pictures: this browser plays no live video";
      const feed = new JpegFeed(this.image, pathOf(stream, `/live.mjpeg${query}`), this);
      if (!this.#crowded) this.#feed = feed;
    }
  }

  #end() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    const feed = this.#feed;
    this.#feed = null;
    feed?.stop();
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  // What feeds tell.

  arrived(width, height) {
    this.box.classList.remove("over");
    this.#backoff.reset();
    this.say("");
    if (this.size?.[0] === width && this.size[1] === height) return;
    this.size = [width, height];
    this.onsize(width, height);
  }

  waits() {
    const since = now();
    this.say("No picture for now");
    // What has come is still played; then the last picture would look as if it were live.
    setTimeout(() => {
      if (this.#feed?.lastAt > since) return;
      this.say("No picture for now");
      this.box.classList.add("over");
    }, 1500);
  }

  crowded() {
    this.#crowded = true;
    this.say("Too many pictures at once. Open this stream to see it.");
  }

  unable(why) {
    this.#end();
    if (this.wanted?.way === "auto") {
      this.#fallenAt = now();
      this.#faults = 0;
      this.how = `JPEG pictures: ${why}`;
      this.#begin();
    } else {
      this.say(`No video: ${why}.`);
      this.#again(5000);
    }
  }

  /** The connection has ended; with 0, because what came is no good. */
  lost(code) {
    const feed = this.#feed;
    const refused = code === 1006 && online && feed?.lastAt === feed?.bornAt; // such as by a proxy
    if (feed instanceof VideoFeed && (code === 0 || refused)) {
      this.#faults = now() - feed.bornAt < 10_000 ? this.#faults + 1 : 1;
      if (this.#faults > 3) return this.unable("the video breaks off again and again");
    }
    this.#end();
    this.say({
      4404: "There is no such stream now", 4429: "Too many watch this stream. Trying again…",
    }[code] ?? "No picture. Trying again…");
    if (code === 4422 && this.wanted) this.wanted.layout = undefined;
    if (code === 4401) renewSession().catch(() => {});
    return this.#again(this.#backoff.next());
  }

  #again(ms) {
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      this.#retry = 0;
      this.#update();
    }, ms);
  }
}

// ---------------------------------------------------------------- regions

/** Outlines of regions over a picture, and the drawing of new ones. */
class Drawing {
  #from = null;
  #to = null;
  active = false;
  regions = []; // [left, top, width, height] in pixels of the frame
  marked = -1;

  constructor(canvas, picture, ondrawn) {
    Object.assign(this, { canvas, picture, ondrawn, frame: null, layout: "" });
    new ResizeObserver(() => this.paint()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0 || !this.#panel()) return;
      canvas.setPointerCapture(event.pointerId);
      this.#from = this.#to = this.#at(event);
      event.preventDefault();
      this.paint();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.#from) return;
      this.#to = this.#at(event);
      this.paint();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (!this.#from) return;
      this.#to = this.#at(event);
      const drawn = this.#drawn();
      this.#from = this.#to = null;
      this.paint();
      if (drawn[2] >= 8 && drawn[3] >= 8) this.ondrawn(drawn);
    });
    canvas.addEventListener("pointercancel", () => this.cancel());
  }

  cancel() {
    this.#from = this.#to = null;
    this.paint();
  }

  activate(on) {
    this.active = on;
    this.canvas.classList.toggle("drawing", on);
    this.cancel();
  }

  /** Where the frame lies on the canvas, in CSS pixels; null where no panel is the frame. */
  #panel() {
    const { canvas, frame, layout, picture } = this;
    const [width, height] = picture.size ?? [];
    if (!frame || !width || !FRAME_FIRST.has(layout)) return null;
    const across = layout === "side_by_side"
      ? Math.max(1, Math.round((width / height) / (frame[0] / frame[1]))) : 1;
    const down = layout === "stack"
      ? Math.max(1, Math.round((height / width) / (frame[1] / frame[0]))) : 1;
    const scale = Math.min(canvas.clientWidth / width, canvas.clientHeight / height);
    return {
      left: (canvas.clientWidth - width * scale) / 2,
      top: (canvas.clientHeight - height * scale) / 2,
      width: (width * scale) / across,
      height: (height * scale) / down,
    };
  }

  #at(event) {
    const panel = this.#panel();
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left - panel.left) / panel.width;
    const y = (event.clientY - box.top - panel.top) / panel.height;
    return [clamp(x, 0, 1) * this.frame[0], clamp(y, 0, 1) * this.frame[1]].map(Math.round);
  }

  #drawn() {
    const [a, b] = [this.#from, this.#to];
    return [
      Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.abs(a[0] - b[0]), Math.abs(a[1] - b[1]),
    ];
  }

  paint() {
    const { canvas, frame } = this;
    const dots = window.devicePixelRatio || 1;
    const size = [canvas.clientWidth * dots, canvas.clientHeight * dots].map(Math.round);
    if (canvas.width !== size[0]) canvas.width = size[0];
    if (canvas.height !== size[1]) canvas.height = size[1];
    const pen = canvas.getContext("2d");
    pen.setTransform(dots, 0, 0, dots, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const panel = this.#panel();
    if (!panel) return;
    const outline = ([left, top, width, height], colour, label) => {
      const x = panel.left + (left / frame[0]) * panel.width;
      const y = panel.top + (top / frame[1]) * panel.height;
      const shape = [x, y, (width / frame[0]) * panel.width, (height / frame[1]) * panel.height];
      pen.lineWidth = 4;
      pen.strokeStyle = "#000a";
      pen.strokeRect(...shape);
      pen.lineWidth = 2;
      pen.strokeStyle = colour;
      pen.strokeRect(...shape);
      if (!label) return;
      pen.fillStyle = colour;
      pen.fillRect(x - 1, y - 1, 22, 20);
      pen.fillStyle = "#000";
      pen.font = "600 13px system-ui, sans-serif";
      pen.fillText(label, x + 6, y + 14);
    };
    this.regions.forEach((region, index) => {
      outline(region, index === this.marked ? "#ffd54a" : "#8fd0ff", String(index + 1));
    });
    if (this.#from) outline(this.#drawn(), "#ffd54a");
  }
}

// ---------------------------------------------------------------- charts

/** One small chart of the last minutes, with its newest value in words. */
class Chart {
  constructor(title, lines, words, { wide = false, least = 1 } = {}) {
    Object.assign(this, { title, lines, words, least });
    this.now = el("span", { className: "now" });
    this.canvas = el("canvas", { role: "img" });
    this.element = el("figure", { className: `chart card${wide ? " wide" : ""}` },
      el("figcaption", {}, el("span", {}, title), this.now), this.canvas);
    if (lines.length > 1) {
      this.legend = el("ul", { className: "legend" });
      this.element.append(this.legend);
    }
  }

  draw(samples) {
    const newest = samples.at(-1);
    const words = newest ? this.words(newest, samples) : "–";
    if (this.now.textContent !== words) this.now.textContent = words;
    this.canvas.setAttribute("aria-label", `${this.title}: now ${words}`);
    if (!newest) return;
    const style = getComputedStyle(document.documentElement);
    const lines = this.lines.map(({ name, of }, index) => ({
      name, values: samples.map(of), colour: style.getPropertyValue(`--line-${index + 1}`),
    })).filter(({ values }) => values.some(Number.isFinite));
    if (this.legend) this.#explain(lines);
    const dots = window.devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width) return;
    this.canvas.width = Math.round(width * dots);
    this.canvas.height = Math.round(height * dots);
    const pen = this.canvas.getContext("2d");
    pen.scale(dots, dots);
    const top = roundUp(Math.max(this.least, ...lines.flatMap(({ values }) => values.filter(Number.isFinite))));
    const x = (sample) => width - 3 - ((newest.at - sample.at) / (HISTORY * 1000)) * (width - 3);
    const y = (value) => height - 2 - (value / top) * (height - 16);
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.beginPath();
    for (const value of [0, top / 2, top]) {
      pen.moveTo(0, Math.round(y(value)) + 0.5);
      pen.lineTo(width, Math.round(y(value)) + 0.5);
    }
    pen.stroke();
    pen.fillStyle = style.getPropertyValue("--quiet");
    pen.font = "11px system-ui, sans-serif";
    pen.fillText(top.toLocaleString("en"), 0, 10);
    pen.lineWidth = 1.75;
    pen.lineJoin = "round";
    for (const { values, colour } of lines) {
      pen.strokeStyle = pen.fillStyle = colour;
      pen.beginPath();
      samples.forEach((sample, index) => {
        if (!Number.isFinite(values[index])) return;
        const gap = index === 0 || sample.at - samples[index - 1].at > 4000 || !Number.isFinite(values[index - 1]);
        pen[gap ? "moveTo" : "lineTo"](x(sample), y(values[index]));
      });
      pen.stroke();
      if (Number.isFinite(values.at(-1))) {
        pen.beginPath();
        pen.arc(x(newest), y(values.at(-1)), 2.5, 0, 7);
        pen.fill();
      }
    }
  }

  #explain(lines) {
    while (this.legend.children.length > lines.length) this.legend.lastChild.remove();
    lines.forEach(({ name, values, colour }, index) => {
      const item = this.legend.children[index]
        ?? this.legend.appendChild(el("li", {}, el("i"), el("span")));
      item.firstChild.style.background = colour;
      item.lastChild.textContent = `${name} ${inDigits(values.at(-1))}`;
    });
  }
}

/** The next of 1, 1.5, 2, 3, 5, 7.5, 10, 15, … that is not below *number*. */
function roundUp(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [1, 1.5, 2, 3, 5, 7.5, 10].map((step) => step * power).find((step) => step >= number * 0.9999);
}

const p95 = (times) => (times && typeof times === "object" ? times.p95 : times) ?? NaN;

/** What the charts keep of a summary. */
function sampleOf(summary, previous) {
  const total = Object.values(summary.dropped ?? {}).reduce((sum, count) => sum + count, 0);
  const latency = summary.latency_ms ?? {};
  return {
    at: now(),
    fps: summary.fps ?? NaN,
    late: p95(latency.end_to_end),
    age: summary.matte_age?.mean ?? summary.matte_age ?? NaN,
    total,
    drops: previous ? Math.max(0, total - previous.total) : 0,
    stages: STAGES.map((stage) => p95(latency[stage])),
    dropped: summary.dropped ?? {},
  };
}

const charts = [
  new Chart("Frames a second", [{ of: (s) => s.fps }], (s) => inDigits(s.fps), { least: 5 }),
  new Chart("Latency end to end, p95", [{ of: (s) => s.late }], (s) => `${inDigits(s.late, 0)} ms`, { least: 20 }),
  new Chart("Age of mattes", [{ of: (s) => s.age }], (s) => `${inDigits(s.age)} frames`, { least: 2 }),
  new Chart("Latency by stage, p95",
    STAGES.map((name, index) => ({ name, of: (s) => s.stages[index] })),
    (s) => {
      const slowest = s.stages.reduce((best, ms, index) => (ms > (s.stages[best] || 0) ? index : best), 0);
      return Number.isFinite(s.stages[slowest]) ? `most: ${STAGES[slowest]}, ${inDigits(s.stages[slowest])} ms` : "–";
    }, { wide: true, least: 5 }),
  new Chart("Dropped frames", [{ of: (s) => s.drops }],
    (s, all) => `${all.slice(1).reduce((sum, { drops }) => sum + drops, 0)} in 3 min`, { least: 2 }),
];

// ---------------------------------------------------------------- what is known of the streams

const streams = new Map(); // name → summary
const history = new Map(); // name → samples
let options = {};
let online = false;
let current = null; // the stream that is shown large
let detail = null; // all of it, with its settings
const layouts = new Map(); // name → the layout that the user chose

/** Whether *key* may be changed. Of models and sources the stream itself says what can be chosen. */
const hasOption = (key) => key in options || /^(model|source)\./.test(key);

/** Say in the line at the foot of the page what happened. */
function say(text, tone = "") {
  $("status").textContent = text;
  $("status").dataset.tone = tone;
}

function stateOf(summary) {
  if (summary.state === "failed") return ["failed", "bad"];
  if (["ended", "stopped"].includes(summary.state)) return [summary.state, ""];
  if (summary.state === "waiting") return ["starts again soon", "warn"];
  if (summary.state !== "running") return [summary.state, "warn"];
  if (summary.released) return ["camera released", "warn"];
  if (summary.paused) return ["paused", "warn"];
  if (summary.source_state === "live") return ["live", "good"];
  return [summary.source_state ?? "running", summary.source_state ? "warn" : "good"];
}

function factsOf(summary) {
  const late = p95(summary.latency_ms?.end_to_end);
  return [
    summary.size ? summary.size.join("×") : null,
    `${inDigits(summary.fps)} fps`,
    Number.isFinite(late) ? `${inDigits(late, 0)} ms` : null,
    summary.recording ? "recording" : null,
  ].filter(Boolean).join(" · ");
}

function showState(element, summary) {
  const [word, tone] = online ? stateOf(summary) : ["no connection", "bad"];
  if (element.textContent !== word) element.textContent = word;
  element.dataset.tone = tone;
}

function takeSummaries(all) {
  const names = new Set(all.map(({ name }) => name));
  for (const name of streams.keys()) {
    if (names.has(name)) continue;
    for (const map of [streams, history, layouts]) map.delete(name);
  }
  for (const summary of all) streams.set(summary.name, summary);
}

function keepSamples(all) {
  for (const summary of all) {
    const samples = history.get(summary.name) ?? [];
    samples.push(sampleOf(summary, samples.at(-1)));
    if (samples.length > HISTORY) samples.shift();
    history.set(summary.name, samples);
  }
}

// ---------------------------------------------------------------- controls

const KEY_WORDS = {
  "refine.threshold": "Threshold", "refine.feather_px": "Soft edge", "refine.feather": "Softens",
  "compose.background": "Background", "compose.despill": "Despill", "matting.mode": "Matting",
  "matting.effort": "Effort", "model.name": "Model", "preprocess.roi": "Regions",
  "source.device": "Camera", "source.width": "Size", "source.height": "Size",
};
const inWords = (keys) => [...new Set(keys.map((key) => KEY_WORDS[key] ?? key))].join(", ");

/** The value at a dotted key of nested data. */
const at = (data, key) => key.split(".").reduce((part, name) => part?.[name], data);

function put(data, key, value) {
  const names = key.split(".");
  const last = names.pop();
  let part = data;
  for (const name of names) part = part[name] ??= {};
  part[last] = value;
}

let unanswered = 0;
const ownChanges = new Set(); // of this page, until their events come

function isOwn(stream, number) {
  ownChanges.add(`${stream} ${number}`);
  if (ownChanges.size > 64) ownChanges.delete(ownChanges.values().next().value);
}

/** The line beside a control that says what became of it. */
class Said {
  #timer = 0;

  constructor() {
    this.element = el("p", { className: "said", id: freshId(), dir: "auto" });
  }

  tell(text, tone = "") {
    clearTimeout(this.#timer);
    this.element.textContent = text;
    this.element.dataset.tone = tone;
    if (tone !== "bad" && tone !== "wait") this.#timer = setTimeout(() => this.tell("", "bad"), 6000);
  }

  /** Do *work*; say what became of it here and at the foot of the page. Returns whether it was done. */
  async watch(what, work) {
    unanswered += 1;
    const slow = setTimeout(() => this.tell("being applied…", "wait"), 700);
    try {
      const done = (await work()) ?? "applied";
      this.tell(done, "good");
      say(`${what}: ${done}.`, "good");
      return true;
    } catch (refusal) { // or an answer that broke off
      this.tell(`refused: ${refusal.message}`, "bad");
      say(`${what} refused: ${refusal.message}`, "bad");
      return false;
    } finally {
      clearTimeout(slow);
      unanswered -= 1;
    }
  }
}

/** One setting: its row on the page, and the changes that it sends, the last one always. */
class Setting {
  #next = null;
  #busy = false;
  #touchedAt = -Infinity;
  down = false;

  /**
   * key: without this option the row is hidden.
   * show(detail): set the control to the stream's value; called only while nobody holds it.
   * shown(detail): whether the stream has it.
   */
  constructor(row, { key, show, shown = () => true, inputs }) {
    Object.assign(this, { row, key, show, shown });
    this.said = new Said();
    row.append(this.said.element);
    for (const input of inputs) input.setAttribute("aria-describedby", this.said.element.id);
    const touched = () => (this.#touchedAt = now());
    for (const kind of ["keydown", "input", "pointerdown"]) row.addEventListener(kind, touched);
    row.addEventListener("pointerdown", (event) => {
      if (event.target.type === "range") this.down = true;
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      window.addEventListener(kind, () => this.down && this.letGo());
    }
    row.addEventListener("focusout", () => this.letGo());
  }

  letGo() {
    const held = this.held;
    this.down = false;
    this.#touchedAt = -Infinity;
    if (held) setTimeout(showControls);
  }

  get held() {
    const inUse = this.row.contains(document.activeElement) && now() - this.#touchedAt < 8000;
    return this.down || this.#busy || inUse;
  }

  async send(changes) {
    this.#next = { stream: current, changes };
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next) {
      const { stream, changes: sent } = this.#next;
      this.#next = null;
      const due = now() + SEND_EVERY_MS;
      await this.said.watch(inWords(Object.keys(sent)), async () => {
        const loads = Object.keys(sent).some((key) => /^(model|matting)\./.test(key));
        const answer = await call("PATCH", pathOf(stream), sent, loads ? LONG_MS : undefined);
        isOwn(stream, (await answer.json()).number);
        if (detail?.name !== stream) return;
        for (const [key, value] of Object.entries(sent)) put(detail.settings, key, value);
      });
      await pause(due - now());
    }
    this.#busy = false;
    if (!this.down) this.#touchedAt = -Infinity;
    showControls();
  }
}

const groups = [];
const settings = [];
const actions = [];

function group(title, ...rows) {
  const element = el("fieldset", { className: "group card" }, el("legend", {}, title), ...rows);
  groups.push({ element, rows });
  $("controls").append(element);
  return element;
}

function setting(row, ways) {
  const made = new Setting(row, ways);
  settings.push(made);
  return made;
}

/** The limits of a number as its schema has them. */
function limitsOf(key, step, [least, most]) {
  const schemas = [options[key] ?? {}, ...(options[key]?.anyOf ?? [])];
  const first = (name) => schemas.map((schema) => schema[name]).find(Number.isFinite);
  return [
    first("minimum") ?? (first("exclusiveMinimum") !== undefined ? first("exclusiveMinimum") + step : least),
    first("maximum") ?? (first("exclusiveMaximum") !== undefined ? first("exclusiveMaximum") - step : most),
  ];
}

/** A slider with its number. read(detail) gives the value; changes(value) what is sent. */
function slider(label, { key, step, limits, read: valueOf, changes, shown, unit = "" }) {
  const range = el("input", { type: "range", id: freshId(), step });
  const number = el("input", { type: "number", step: "any", "aria-label": `${label}, as a number` });
  const row = el("div", { className: "row slider" },
    el("label", { htmlFor: range.id }, label, unit && el("span", { className: "unit" }, ` ${unit}`)),
    range, number);
  const made = setting(row, {
    key,
    shown,
    inputs: [range, number],
    show(stream) {
      [range.min, range.max] = limitsOf(key, step, limits);
      [number.min, number.max] = [range.min, range.max];
      const value = valueOf(stream);
      range.value = value;
      number.value = Number(Number(value).toFixed(3));
    },
  });
  range.addEventListener("input", () => {
    number.value = range.value;
    made.send(changes(Number(range.value)));
  });
  number.addEventListener("change", () => {
    if (number.value === "") return showControls();
    range.value = number.value;
    return made.send(changes(Number(number.value)));
  });
  return row;
}

/** Fill a list of choices, only where it has changed: an open list stays open. */
function fill(select, choices) {
  const wanted = JSON.stringify(choices);
  if (select.dataset.choices === wanted) return;
  select.dataset.choices = wanted;
  select.replaceChildren(...choices.map(([value, words]) => new Option(words, value)));
}

/** A list to choose from. choices(detail) gives [value, words] each, read(detail) the value. */
function choice(label, { key, choices, read: valueOf, changes, shown }) {
  const select = el("select", { id: freshId() });
  const row = el("div", { className: "row choice" },
    el("label", { htmlFor: select.id }, label), select);
  const made = setting(row, {
    key,
    shown,
    inputs: [select],
    show(stream) {
      const value = String(valueOf(stream));
      const all = choices(stream).map(([name, words]) => [String(name), words]);
      if (!all.some(([name]) => name === value)) all.unshift([value, value]);
      fill(select, all);
      select.value = value;
    },
  });
  select.addEventListener("change", () => made.send(changes(select.value)));
  return row;
}

/** A button. does(stream, summary) returns what to say when it is done. */
function action(said, { words, shown = () => true, usable = () => true, does }) {
  const button = el("button", { type: "button", hidden: true });
  const made = { button, said, words, shown, usable, summary: null };
  button.setAttribute("aria-describedby", said.element.id);
  button.addEventListener("click", async () => {
    const stream = current;
    button.ariaBusy = "true";
    await said.watch(button.textContent, () => does(stream, made.summary));
    button.ariaBusy = null;
    showControls();
  });
  actions.push(made);
  return button;
}

/** Have a button say what it does to the stream that *summary* is of. */
function showAction(made, summary) {
  const { button, words, shown, usable } = made;
  made.summary = summary;
  button.hidden = !shown(summary);
  button.disabled = !usable(summary);
  const text = words(summary);
  if (button.textContent !== text) button.textContent = text;
  button.classList.toggle("recording", text === "Stop recording");
}

async function verb(stream, name) {
  const summary = await (await call("POST", pathOf(stream, `/${name}`))).json();
  if (summary?.name) streams.set(summary.name, summary);
  return summary;
}

async function download(path, name) {
  const url = URL.createObjectURL(await (await call("GET", path)).blob());
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
  return `saved as ${name}`;
}

const stamp = () => new Date().toISOString().slice(0, 19).replace(/[:T]/g, "-");

function buildSwitch() {
  const said = new Said();
  const isOff = ({ state }) => ["waiting", "failed", "ended", "stopped"].includes(state);
  $("switch").append(said.element, action(said, {
    words: (summary) => (isOff(summary) ? "Start" : "Stop"),
    usable: () => online,
    async does(stream, summary) {
      const off = isOff(summary);
      await verb(stream, off ? "start" : "stop");
      return off ? "being started" : "being stopped";
    },
  }));
  return actions.at(-1);
}

function buildStreamGroup() {
  const said = new Said();
  group("Stream", el("div", { className: "buttons" },
    action(said, {
      words: ({ paused }) => (paused ? "Resume" : "Pause"),
      usable: ({ state }) => state === "running",
      async does(stream, { paused }) {
        await verb(stream, paused ? "resume" : "pause");
        return paused ? "goes on" : "paused";
      },
    }),
    action(said, {
      words: ({ recording }) => (recording ? "Stop recording" : "Record"),
      shown: ({ recording }) => typeof recording === "boolean",
      usable: ({ state }) => state === "running",
      async does(stream, { recording }) {
        await verb(stream, recording ? "stop-recording" : "record");
        return recording ? "recording ended" : "recording";
      },
    }),
    action(said, {
      words: () => "Snapshot",
      usable: ({ size, state }) => Boolean(size) && state === "running",
      does: (stream) => download(pathOf(stream, "/snapshot.png"), `${stream}-${stamp()}.png`),
    }),
    action(said, {
      words: () => "Trigger",
      shown: ({ triggers }) => triggers > 0,
      usable: ({ state }) => state === "running",
      async does(stream, { triggers }) {
        await verb(stream, "trigger");
        return triggers === 1 ? "one picture is taken" : `${triggers} pictures are taken`;
      },
    }),
    action(said, {
      words: () => "Save as YAML",
      does: (stream) => download(pathOf(stream, "/config.yaml"), `${stream}.yaml`),
    })), said.element);
}

/** The background spelt out: a word stands for a colour, or for a type that needs no more. */
function backgroundOf(stream) {
  const background = stream.settings.compose?.background ?? { type: "colour", colour: "black" };
  if (typeof background !== "string") return background;
  return /^(black|white|green|#.*)$/.test(background) ? { type: "colour", colour: background } : { type: background };
}

function buildBackgroundGroup() {
  const KEY = "compose.background";
  const picker = el("input", { type: "color", value: "#2f5d8a", "aria-label": "Colour of the background" });
  const file = el("input", { type: "file", accept: "image/png,image/jpeg,image/webp", className: "away" });
  const upload = el("label", { className: "button" }, file, "Use a picture…");
  const hint = el("p", { className: "hint" });
  const chips = new Map();
  const row = el("div", { className: "chips", role: "radiogroup", "aria-label": "Background" });
  const usable = (type) => JSON.stringify(options[KEY] ?? {}).includes(`"${type}"`);

  const chip = (name, words, background, swatch) => {
    const radio = el("input", { type: "radio", name: "background", value: name, className: "away" });
    const label = el("label", { className: "chip" }, radio);
    if (swatch) {
      const sample = el("span", { className: "swatch" });
      sample.style.background = swatch;
      label.append(sample);
    }
    label.append(words);
    chips.set(name, { radio, label });
    radio.addEventListener("change", () => made.send({ [KEY]: background() }));
    row.append(label);
    return label;
  };
  const colour = (value) => ({ type: "colour", colour: value });
  chip("black", "Black", () => colour("black"), "#000");
  chip("white", "White", () => colour("white"), "#fff");
  chip("green", "Green", () => colour("green"), "#00b140");
  chip("colour", "Colour", () => colour(picker.value));
  row.append(picker);
  for (const type of ["blur", "pixelate", "dim"]) {
    chip(type, type[0].toUpperCase() + type.slice(1), () => ({ type }));
  }
  const other = chip("other", "", () => backgroundOf(detail));
  const otherWords = other.lastChild;

  row.append(upload);
  const whole = el("div", { className: "plain" }, row, hint);
  const made = setting(whole, {
    key: KEY,
    shown: (stream) => Boolean(stream.settings.compose),
    inputs: [picker, file],
    show(stream) {
      const { type, colour: value } = backgroundOf(stream);
      const named = type === "colour" && chips.has(value) ? value : type;
      const name = chips.has(named) ? named : "other";
      chips.get(name).radio.checked = true;
      otherWords.textContent = { image: "Picture", video: "Video", transparent: "Transparent" }[type] ?? type;
      other.hidden = name !== "other";
      if (type === "colour" && /^#[0-9a-f]{6}$/i.test(value)) picker.value = value;
      for (const kind of ["blur", "pixelate", "dim"]) {
        chips.get(kind).label.hidden = !usable(kind) && type !== kind;
      }
      const unseen = WITHOUT_BACKGROUND.has(layoutOf(stream)) && stream.layouts.includes("composite");
      hint.textContent = unseen ? "It shows in the layout “Composite”." : "";
    },
  });
  picker.addEventListener("input", () => {
    chips.get("colour").radio.checked = true;
    made.send({ [KEY]: colour(picker.value) });
  });
  file.addEventListener("change", async () => {
    const [picture] = file.files;
    file.value = "";
    if (!picture) return;
    const stream = current;
    await made.said.watch("Background", async () => {
      if (picture.size > 10_000_000) {
        throw new Refusal(413, KEY, `the picture has ${inDigits(picture.size / 1e6)} MB; 10 MB is the most`);
      }
      const answer = await call("POST", pathOf(stream, "/background"), picture, LONG_MS);
      isOwn(stream, (await answer.json()).number);
    });
    made.letGo();
    refresh();
  });

  const strength = (label, type, name, step, limits, usual, unit) => slider(label, {
    key: KEY,
    step,
    limits,
    unit,
    shown: (stream) => backgroundOf(stream).type === type,
    read: (stream) => backgroundOf(stream)[name] ?? usual,
    changes: (value) => ({ [KEY]: { ...backgroundOf(detail), type, [name]: value } }),
  });
  group("Background", whole,
    strength("Blur", "blur", "strength", 0.01, [0.01, 1], 0.5),
    strength("Blocks", "pixelate", "block_px", 1, [2, 128], 32, "px"),
    strength("Light left", "dim", "keep", 0.01, [0, 1], 0.3));
}

function buildMatteGroup() {
  const despill = (stream) => stream.settings.compose?.despill ?? null;
  const direct = (key) => ({
    key,
    read: (stream) => at(stream.settings, key),
    changes: (value) => ({ [key]: value }),
    shown: (stream) => at(stream.settings, key) !== undefined,
  });
  group("Matte",
    slider("Threshold", { ...direct("refine.threshold"), step: 0.01, limits: [0.01, 1] }),
    slider("Soft edge", { ...direct("refine.feather_px"), step: 0.5, limits: [0, 64], unit: "px" }),
    choice("Softens", {
      ...direct("refine.feather"),
      choices: () => [["inward", "inward"], ["outward", "outward"]],
    }),
    choice("Despill", {
      key: "compose.despill",
      shown: (stream) => Boolean(stream.settings.compose),
      choices: () => [["off", "off"], ["green", "green"], ["blue", "blue"]],
      read: (stream) => despill(stream)?.colour ?? (despill(stream) ? "green" : "off"),
      changes: (colour) => ({
        "compose.despill": colour === "off" ? null : { strength: 1, ...despill(detail), colour },
      }),
    }),
    slider("Despill strength", {
      key: "compose.despill",
      step: 0.01,
      limits: [0.01, 1],
      shown: (stream) => despill(stream) !== null,
      read: (stream) => despill(stream).strength ?? 1,
      changes: (strength) => ({ "compose.despill": { colour: "green", ...despill(detail), strength } }),
    }));
}

const runs = el("p", { className: "hint", dir: "auto" });

function buildModelGroup() {
  const direct = (key, words) => ({
    key,
    choices: () => Object.entries(words),
    read: (stream) => at(stream.settings, key),
    changes: (value) => ({ [key]: value }),
    shown: (stream) => at(stream.settings, key) !== undefined,
  });
  group("Model",
    choice("Model", {
      key: "model.name",
      choices: (stream) => stream.models.map((name) => [name, name]),
      read: (stream) => stream.model?.name ?? at(stream.settings, "model.name") ?? "",
      changes: (name) => ({ "model.name": name }),
      shown: (stream) => stream.models?.length > 1,
    }),
    choice("Matting", direct("matting.mode", {
      auto: "automatic", every_frame: "every frame", tracked: "tracked",
    })),
    choice("Effort", direct("matting.effort", {
      auto: "automatic", fast: "fast", balanced: "balanced", best: "best",
    })), runs);
}

function buildCameraGroup() {
  const source = (stream) => stream.settings.source ?? {};
  const isCamera = (stream) => ["usb", "rtsp"].includes(source(stream).type);
  const isUsb = (stream) => source(stream).type === "usb";
  const sizeOf = (stream) => (source(stream).width ? `${source(stream).width}x${source(stream).height}` : "any");
  const SIZES = ["640x480", "1280x720", "1920x1080"];
  const said = new Said();
  group("Camera", el("div", { className: "buttons" },
    action(said, {
      words: ({ released }) => (released ? "Acquire camera" : "Release camera"),
      shown: () => isCamera(detail),
      usable: ({ state }) => state === "running",
      async does(stream, { released }) {
        await verb(stream, released ? "acquire" : "release");
        return released ? "being opened" : "released";
      },
    }),
    action(said, {
      words: () => "Reopen",
      shown: () => isCamera(detail),
      usable: ({ state, released }) => state === "running" && !released,
      async does(stream) {
        await verb(stream, "reopen");
        return "being opened again";
      },
    })), said.element,
  choice("Camera", {
    key: "source.device",
    shown: (stream) => isUsb(stream) && stream.cameras?.length > 0,
    choices: (stream) => stream.cameras.map((index) => [index, `Camera ${index}`]),
    read: (stream) => source(stream).device ?? 0,
    changes: (device) => ({ "source.device": /^\d+$/.test(device) ? Number(device) : device }),
  }),
  choice("Size", {
    key: "source.width",
    shown: isUsb,
    choices: (stream) => [
      ["any", "as the driver likes"],
      ...[...new Set([sizeOf(stream), ...SIZES])].filter((size) => size !== "any")
        .map((size) => [size, size.replace("x", "×")]),
    ],
    read: sizeOf,
    changes: (size) => {
      const [width, height] = size === "any" ? [null, null] : size.split("x").map(Number);
      return { "source.width": width, "source.height": height };
    },
  }));
}

/** The regions of a stream as they are written: in fractions of its frame, or in pixels. */
function writtenRegions({ settings: { preprocess } }) {
  const roi = preprocess?.roi ?? [];
  return roi.length && !Array.isArray(roi[0]) ? [roi] : roi;
}

/** The regions of a stream in pixels of its frame. */
function regionsOf(stream) {
  const { size } = stream;
  return writtenRegions(stream).map((region) => {
    const relative = size && Math.max(...region) <= 1;
    return relative ? region.map((part, index) => Math.round(part * size[index % 2])) : region;
  });
}

/** Where a region is, in words: in pixels, or in percent while the frame's size is not known. */
function placeOf(region) {
  const [unit, numbers] = Math.max(...region) > 1 ? ["", region] : [" %", region.map((part) => 100 * part)];
  const [left, top, width, height] = numbers.map(Math.round);
  return `${width} × ${height}${unit} at ${left}, ${top}${unit}`;
}

/** A region of pixels in fractions of a frame of that size, so that it also fits other sizes. */
function inFractions(region, size) {
  return region.map((pixels, index) => Number((pixels / size[index % 2]).toFixed(5)));
}

function buildRegionGroup() {
  const KEY = "preprocess.roi";
  const list = el("ol", { className: "regions", "aria-label": "Regions" });
  const hint = el("p", { className: "hint" });
  const draw = el("button", { type: "button", ariaPressed: "false" }, "Draw a region");
  const whole = el("button", { type: "button" }, "Whole frame");
  const fields = ["Left", "Top", "Width", "Height"].map((name, index) => el("input", {
    type: "number", min: index < 2 ? 0 : 2, step: 1, required: true, "aria-label": `${name}, in pixels`,
  }));
  const add = el("button", { type: "submit" }, "Add this region");
  // A form within the fieldset: Enter adds the region, and the browser checks the numbers.
  const form = el("form", { className: "numbers" },
    ...fields.map((field, index) => el("label", {}, ["Left", "Top", "Width", "Height"][index], field)), add);
  const row = el("div", { className: "plain" },
    el("div", { className: "buttons" }, draw, whole), hint, list, form);
  const made = setting(row, {
    key: KEY,
    inputs: [draw, whole, ...fields],
    shown: (stream) => Boolean(stream.settings.preprocess),
    show(stream) {
      const regions = regionsOf(stream);
      const cropped = stream.settings.preprocess.output === "cropped";
      drawing.regions = regions;
      drawing.frame = stream.size;
      for (const button of [draw, add]) button.disabled = cropped || !stream.size || regions.length >= 64;
      whole.disabled = cropped || !regions.length;
      hint.textContent = cropped ? "Frames are cropped at the source, so regions are fixed."
        : drawing.active ? "Drag over the picture. Escape ends the drawing."
          : regions.length ? "" : "The model sees the whole frame.";
      fields.forEach((field, index) => (field.max = stream.size?.[index % 2] ?? ""));
      this.list(regions, cropped);
      drawing.paint();
    },
  });
  made.list = (regions, cropped) => {
    const wanted = JSON.stringify([regions, cropped]);
    if (list.dataset.regions === wanted) return;
    list.dataset.regions = wanted;
    list.replaceChildren(...regions.map((region, index) => {
      const remove = el("button", {
        type: "button", className: "quiet", disabled: cropped, "aria-label": `Remove region ${index + 1}`,
      }, "Remove");
      const item = el("li", {}, `${index + 1}: ${placeOf(region)}`, remove);
      const mark = (which) => () => {
        drawing.marked = which;
        drawing.paint();
      };
      for (const kind of ["pointerenter", "focusin"]) item.addEventListener(kind, mark(index));
      for (const kind of ["pointerleave", "focusout"]) item.addEventListener(kind, mark(-1));
      remove.addEventListener("click", () => {
        drawing.marked = -1;
        send(writtenRegions(detail).filter((_, other) => other !== index));
        draw.focus();
      });
      return item;
    }));
  };
  const send = (regions) => made.send({ [KEY]: regions.length ? regions : null });
  // The frame that they are drawn on: it may be newer than `detail`.
  const join = (region) => send([...writtenRegions(detail), inFractions(region, drawing.frame)]);
  drawing.ondrawn = join;

  const activate = (on) => {
    drawing.activate(on);
    draw.ariaPressed = String(on);
    if (on && !FRAME_FIRST.has(layoutOf(detail))) {
      const layout = detail.layouts.includes("cutout") ? "cutout"
        : detail.layouts.find((name) => FRAME_FIRST.has(name) && !/source|overlay/.test(name));
      if (layout) chooseLayout(layout);
      else say("No layout of this stream shows the frame without its room: choose one first.", "bad");
    }
    if (detail) made.show({ ...detail, ...streams.get(current) });
  };
  made.stopDrawing = () => activate(false);
  draw.addEventListener("click", () => activate(!drawing.active));
  whole.addEventListener("click", () => send([]));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && drawing.active) activate(false);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const [left, top, width, height] = fields.map((field) => Number(field.value));
    const [across, down] = drawing.frame;
    const region = [left, top, Math.min(width, across - left), Math.min(height, down - top)];
    if (region[2] < 2 || region[3] < 2) return made.said.tell("this region is outside of the frame", "bad");
    join(region);
    return form.reset();
  });
  group("Regions", row);
  return made;
}

/** Show the stream's settings in all controls that nobody holds. */
function showControls() {
  const summary = streams.get(current);
  if (summary) showAction(runSwitch, summary); // which needs no settings
  if (!detail || !summary || detail.name !== current) return;
  const stream = { ...detail, ...summary };
  $("controls").hidden = false;
  $("controls").disabled = !online || ["starting", "failed", "ended"].includes(summary.state);
  for (const each of settings) {
    each.row.hidden = !hasOption(each.key) || !each.shown(stream);
    if (!each.row.hidden && !each.held) each.show(stream);
  }
  for (const made of actions) showAction(made, summary);
  const { model, mode } = summary;
  runs.textContent = model
    ? `Runs ${model.name} in ${model.precision} by ${(model.providers ?? []).map((name) => name.replace("ExecutionProvider", "")).join(", ") || "?"}`
      + `${mode ? `, ${mode.replace("_", " ")}` : ""}.` : "";
  for (const { element, rows } of groups) {
    element.hidden = rows.every((row) => row.hidden || (row.className === "buttons" && [...row.children].every((button) => button.hidden)) || row.className === "said" || (row === runs && !runs.textContent));
  }
}

let reading = false;
let readAgain = false;

/** Read the stream's settings anew; many wishes at once are one reading. */
async function refresh() {
  readAgain = true;
  if (reading) return;
  reading = true;
  try {
    while (readAgain) {
      readAgain = false;
      const stream = current;
      if (!stream) break;
      const found = await read(pathOf(stream));
      if (stream === current) {
        detail = found;
        streams.set(found.name, { ...streams.get(found.name), ...found });
        showDetail();
      }
      await pause(200);
    }
  } catch (refusal) { // or an answer that broke off
    if (refusal.status !== 401) say(refusal.message, "bad");
  } finally {
    reading = false;
  }
}

// ---------------------------------------------------------------- the large view

const large = new LivePicture($("picture"));
const drawing = new Drawing($("drawing"), large, () => {});
const storedWay = kept.get("picture");
let way = ["video", "jpeg"].includes(storedWay) ? storedWay : "auto";

const layoutOf = (stream) => layouts.get(stream.name) ?? stream.layout;

large.onsize = (width, height) => {
  large.box.style.aspectRatio = `${width} / ${height}`;
  drawing.paint();
};

function chooseLayout(layout) {
  layouts.set(current, layout);
  $("layout").value = layout;
  drawing.layout = layout;
  large.show(current, layout, way);
  showControls();
}

function showDetail() {
  const layout = layoutOf(detail);
  $("layout").parentElement.hidden = !detail.layouts.length;
  fill($("layout"), detail.layouts.map((name) => [name, LAYOUTS[name] ?? name]));
  if (!detail.layouts.includes(layout)) layouts.delete(detail.name);
  if (document.activeElement !== $("layout")) $("layout").value = layoutOf(detail);
  drawing.layout = layoutOf(detail);
  showControls();
}

function showOne(name) {
  const summary = streams.get(name);
  if (current !== name) {
    current = name;
    detail = null;
    $("controls").hidden = true; // until its settings are known
    regionSetting.stopDrawing();
    large.show(name, layouts.get(name), way);
    for (const { said } of [...settings, ...actions]) said.tell("", "bad");
    showLog();
  }
  $("one-title").textContent = name;
  document.title = `${name} – streamer`;
  showSummary(summary);
  refresh();
}

function showSummary(summary) {
  if (detail && (detail.state !== summary.state || detail.restarts !== summary.restarts)) refresh();
  showState($("one-state"), summary);
  const facts = `${summary.source} · ${factsOf(summary)} · ${summary.viewers === 1 ? "1 viewer" : `${summary.viewers ?? 0} viewers`}`;
  if ($("one-facts").textContent !== facts) $("one-facts").textContent = facts;
  $("one-error").hidden = !summary.error;
  $("one-error").textContent = summary.error ?? "";
  const behind = large.behind_s;
  $("how").textContent = large.how + (Number.isFinite(behind) && large.note.hidden ? `, ${inDigits(Math.max(behind, 0), 2)} s behind` : "");
  for (const chart of charts) chart.draw(history.get(summary.name) ?? []);
  showControls();
}

// ---------------------------------------------------------------- all streams

const tiles = new Map(); // name → {element, picture, …}

function makeTile(name) {
  const box = el("div", { className: "picture" });
  const state = el("span", { className: "state" });
  const facts = el("p", { className: "facts", dir: "auto" });
  const element = el("li", { className: "tile" }, box, el("div", { className: "about" },
    el("h2", {}, el("a", { href: `#${encodeURIComponent(name)}`, dir: "auto" }, name)), state, facts));
  const picture = new LivePicture(box);
  return { element, picture, state, facts };
}

function showAll() {
  current = null;
  detail = null;
  large.hide();
  regionSetting.stopDrawing();
  document.title = "streamer";
  for (const [name, tile] of tiles) {
    if (streams.has(name)) continue;
    tile.picture.close();
    tile.element.remove();
    tiles.delete(name);
  }
  for (const [name, summary] of streams) {
    if (!tiles.has(name)) {
      const tile = makeTile(name);
      tiles.set(name, tile);
      $("tiles").append(tile.element);
    }
    const { picture, state, facts } = tiles.get(name);
    if (picture.wanted?.way !== way) picture.show(name, undefined, way);
    showState(state, summary);
    facts.textContent = summary.error ?? factsOf(summary);
  }
  $("no-streams").hidden = streams.size > 0;
}

function closeTiles() {
  for (const { picture } of tiles.values()) picture.wanted = null; // none takes another's place
  for (const { picture, element } of tiles.values()) {
    picture.close();
    element.remove();
  }
  tiles.clear();
}

// ---------------------------------------------------------------- log

const lines = []; // newest first

function timeOf(time) {
  const date = new Date(typeof time === "number" && time < 1e11 ? time * 1000 : time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toLocaleTimeString("en-GB");
}

function lineOf({ time, level, stream, message }) {
  return el("li", { "data-level": (level ?? "").toLowerCase() },
    el("time", {}, timeOf(time)), el("span", { className: "level" }, level ?? ""),
    el("span", { className: "of", dir: "auto" }, stream ?? ""),
    el("span", { className: "text", dir: "auto" }, message ?? ""));
}

const belongs = ({ stream }) => $("log-all").checked || !stream || stream === current;

function showLog() {
  $("log").replaceChildren(...lines.filter(belongs).map(lineOf));
}

function keepLine(line) {
  lines.unshift(line);
  lines.length = Math.min(lines.length, LOG_LINES);
  if (!current || !belongs(line)) return;
  $("log").prepend(lineOf(line));
  while ($("log").children.length > LOG_LINES) $("log").lastChild.remove();
}

// ---------------------------------------------------------------- which view, and what happens

function show(view) {
  for (const id of ["loading", "login", "all", "one"]) $(id).hidden = id !== view;
  $("streams").hidden = view === "login";
  $("log-out").hidden = view === "login" || !session.required;
}

function showLogin() {
  if (!$("login").hidden) return;
  events.stop();
  closeTiles();
  large.hide();
  show("login");
  current = detail = null;
  say("");
}

function showNames(chosen) {
  const links = streams.size > 1 ? [["", "All"], ...[...streams.keys()].map((name) => [name, name])] : [];
  const wanted = JSON.stringify([links, chosen]);
  if ($("streams").dataset.names === wanted) return;
  $("streams").dataset.names = wanted;
  $("streams").replaceChildren(...links.map(([name, words]) => {
    const link = el("a", { href: `#${encodeURIComponent(name)}`, dir: "auto" }, words);
    if (name === chosen) link.setAttribute("aria-current", "page");
    return link;
  }));
  $("streams").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Show what the address asks for: one stream, or all; one that is alone is shown at once. */
function render() {
  if (!session.open) return;
  let asked = location.hash.slice(1);
  try { asked = decodeURIComponent(asked); } catch { /* as it is */ }
  const chosen = streams.has(asked) ? asked : streams.size === 1 ? [...streams.keys()][0] : "";
  showNames(chosen);
  if (chosen) {
    show("one");
    closeTiles();
    if (current !== chosen) showOne(chosen);
    else showSummary(streams.get(chosen));
  } else {
    show("all");
    showAll();
  }
}

async function otherChange({ stream, number, keys }) {
  while (unanswered) await pause(50); // the answer may come after the event
  const own = ownChanges.delete(`${stream} ${number}`);
  if (stream !== current) return;
  refresh();
  if (own) return;
  say(`Another viewer changed: ${inWords(keys ?? [])}.`);
  for (const each of settings) {
    if ((keys ?? []).some((key) => key === each.key || key.startsWith(`${each.key}.`)) && !each.row.hidden) {
      each.said.tell("changed by another viewer");
    }
  }
}

async function otherRefusal({ stream, key, why }) {
  while (unanswered) await pause(50);
  if (stream !== current || $("status").textContent.endsWith(why)) return;
  say(`${KEY_WORDS[key] ?? key} refused: ${why}`, "bad");
}

const TOLD = {
  SourceChanged: ({ state, why, away_s }) => `source is ${state}${why ? `: ${why}` : ""}${away_s ? ` after ${inDigits(away_s)} s away` : ""}`,
  ModelSwapped: ({ model }) => `the model ${model} runs now`,
  RecordingStarted: ({ path }) => `records into ${path}`,
  RecordingEnded: ({ path }) => `the recording ${path ?? ""} is finished`,
  StreamFailed: ({ why, pause_s }) => `failed: ${why}${pause_s ? `; starts again in ${inDigits(pause_s, 0)} s` : ""}`,
  StreamEnded: ({ stopped }) => (stopped ? "is stopped" : "has ended"),
};

function hear(kind, data) {
  if (kind === "open") {
    if (!online) reconnected();
  } else if (kind === "lost") {
    if (online) say("No connection to streamer. Trying again…", "bad");
    online = false;
    if ($("login").hidden && streams.size) render();
  } else if (kind === "status") {
    takeSummaries(data.streams);
    keepSamples(data.streams);
    render();
    for (const picture of LivePicture.all) {
      const summary = streams.get(picture.wanted?.stream);
      if (summary) picture.check(summary);
    }
  } else if (kind === "log") {
    keepLine(data);
  } else if (kind === "ChangeMade") {
    otherChange(data);
  } else if (kind === "ChangeRefused") {
    otherRefusal(data);
  } else if (TOLD[kind]) {
    if (!current || data.stream === current) say(`${data.stream}: ${TOLD[kind](data)}.`, kind === "StreamFailed" ? "bad" : "");
    if (kind === "ModelSwapped" || kind === "SourceChanged") refresh();
  }
}

const events = new Events(hear);

/** The server is there, for the first time or again. */
async function reconnected() {
  online = true;
  if ($("status").dataset.tone === "bad") say("Connected.");
  for (const picture of LivePicture.all) picture.revive();
  try {
    options = await read("/api/options");
  } catch (refusal) {
    say(refusal.message, "bad");
  }
  refresh();
}

/** Begin: at the first visit, and after a log-in. */
async function start() {
  const backoff = new Backoff();
  for (;;) {
    try {
      if (!(await renewSession())) return;
      const { streams: all } = await read("/api/streams");
      takeSummaries(all);
      events.start();
      online = true;
      say("Connected.");
      render();
      options = await read("/api/options");
      showControls();
      return;
    } catch (refusal) { // or an answer that broke off
      if (refusal.status === 401) return;
      say(`${refusal.message}. Trying again…`, "bad");
      await pause(backoff.next());
    }
  }
}

takeLogins({
  asked: showLogin,
  opened() {
    show("loading");
    start();
  },
  failed: (why) => say(why, "bad"),
});

$("skip").addEventListener("click", (event) => {
  event.preventDefault(); // the address names a stream
  $("main").focus();
});

$("layout").addEventListener("change", () => chooseLayout($("layout").value));
$("way").value = way;
$("way").addEventListener("change", () => {
  way = $("way").value;
  kept.set("picture", way);
  if (current) large.show(current, layouts.get(current), way);
});

function setLarge(on) {
  $("one").classList.toggle("large", on);
  $("size").ariaPressed = String(on);
  kept.set("large", on ? "yes" : "no");
}
setLarge(kept.get("large") === "yes");
$("size").addEventListener("click", () => setLarge($("size").ariaPressed !== "true"));
$("log-all").addEventListener("change", showLog);

const runSwitch = buildSwitch();
buildStreamGroup();
buildBackgroundGroup();
buildMatteGroup();
const regionSetting = buildRegionGroup();
buildModelGroup();
buildCameraGroup();
$("charts").append(...charts.map(({ element }) => element));

window.addEventListener("hashchange", () => {
  render();
  if (!$("login").hidden) return;
  $(current ? "one-title" : "all-title").focus();
  $("main").scrollTo(0, 0);
});
window.addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
start();
