// What plays a stream's live video, in the page and where it is embedded.

const FALL_BACK_MS = 5000;

export const now = () => performance.now();
export const pathOf = (stream, rest = "") => `/api/streams/${encodeURIComponent(stream)}${rest}`;

/** Waits that grow from half a second to five, so that a server that is down is not pressed. */
export class Backoff {
  #ms = 500;

  next() {
    const wait = this.#ms;
    this.#ms = Math.min(this.#ms * 1.7, 5000);
    return wait * (0.85 + 0.3 * Math.random());
  }

  reset() {
    this.#ms = 500;
  }
}

/** The boxes of fragmented MP4 in *view* between two offsets (ISO/IEC 14496-12, 4.2). */
function* boxesOf(view, from, to) {
  while (from + 8 <= to) {
    let size = view.getUint32(from);
    let head = 8;
    if (size === 1 && from + 16 <= to) {
      size = Number(view.getBigUint64(from + 8));
      head = 16;
    }
    if (size === 0) size = to - from;
    if (size < head) return;
    const letters = [4, 5, 6, 7].map((at) => view.getUint8(from + at));
    yield { type: String.fromCharCode(...letters), from: from + head, to: Math.min(from + size, to) };
    from += size;
  }
}

/** The first box at *path*, such as `moof/traf/tfdt`; undefined where there is none. */
function boxAt(view, path, within = { from: 0, to: view.byteLength }) {
  let found = within;
  for (const type of path.split("/")) {
    found = found && [...boxesOf(view, found.from, found.to)].find((box) => box.type === type);
  }
  return found;
}

/** Ticks a second, and the flags of samples that say nothing of their own. */
function readHead(view) {
  const clock = boxAt(view, "moov/trak/mdia/mdhd");
  const usual = boxAt(view, "moov/mvex/trex");
  return {
    scale: clock ? view.getUint32(clock.from + (view.getUint8(clock.from) === 1 ? 20 : 12)) : 0,
    flags: usual ? view.getUint32(usual.from + 20) : 0x10000,
  };
}

/** When a fragment begins, in seconds, and whether decoding can begin with it. */
function readFragment(view, head) {
  const track = boxAt(view, "moof/traf");
  const time = track && boxAt(view, "tfdt", track);
  if (!time || !head.scale) return { start: NaN, key: false };
  const ticks = view.getUint8(time.from) === 1
    ? Number(view.getBigUint64(time.from + 4)) : view.getUint32(time.from + 4);
  let { flags } = head;
  const usual = boxAt(view, "tfhd", track);
  if (usual) {
    const has = view.getUint32(usual.from);
    const before = (has & 1 ? 8 : 0) + (has & 2 ? 4 : 0) + (has & 8 ? 4 : 0) + (has & 16 ? 4 : 0);
    if (has & 0x20) flags = view.getUint32(usual.from + 8 + before);
  }
  const run = boxAt(view, "trun", track);
  if (run) {
    const has = view.getUint32(run.from);
    const first = run.from + 8 + (has & 1 ? 4 : 0);
    if (has & 4) flags = view.getUint32(first);
    else if (has & 0x400) {
      flags = view.getUint32(first + (has & 0x100 ? 4 : 0) + (has & 0x200 ? 4 : 0));
    }
  }
  return { start: ticks / head.scale, key: !(flags & 0x10000) };
}

export const Media = window.ManagedMediaSource ?? window.MediaSource;

/**
 * Video over a WebSocket into a <video>, close to the live edge.
 *
 * Tells its owner: arrived(width, height), waits(), unable(why), lost(code).
 */
export class VideoFeed {
  #queue = [];
  #keys = []; // seconds at which decoding can begin, of what is buffered
  #head = { scale: 0, flags: 0 };
  #media = null;
  #buffer = null;
  #lastStart = NaN;
  #interval_s = 0.04;
  #cushion_s = 0.1; // grows when the network stumbles, and shrinks again
  #placed = false;
  #movedAt = 0; // of the last jump: stumbling just after it means nothing
  #firstAt = 0;
  #flowsAt = 0; // since when fragments come without a long break
  #frames = 0;
  #framesAt = 0;
  bornAt = now();
  lastAt = this.bornAt;

  constructor(video, path, owner) {
    Object.assign(this, { video, owner });
    this.socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${path}`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => {
      if (now() - this.lastAt > 3000) this.#flowsAt = now();
      this.lastAt = now();
      if (typeof data === "string") this.#announced(JSON.parse(data));
      else this.#came(new Uint8Array(data));
    };
    this.socket.onclose = ({ code }) => this.owner?.lost(code);
    this.onstumble = () => {
      if (this.#placed && now() - this.#movedAt > 1500) this.#cushion_s = Math.min(this.#cushion_s * 1.25, 0.4);
    };
    this.onfault = () => this.#media && this.owner?.lost(0);
    this.onpicture = () => this.owner?.arrived(video.videoWidth, video.videoHeight);
    video.addEventListener("waiting", this.onstumble);
    video.addEventListener("error", this.onfault);
    video.addEventListener("loadeddata", this.onpicture);
    this.timer = setInterval(() => this.#look(), 250);
  }

  stop() {
    this.owner = null;
    clearInterval(this.timer);
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.video.removeEventListener("waiting", this.onstumble);
    this.video.removeEventListener("error", this.onfault);
    this.video.removeEventListener("loadeddata", this.onpicture);
    this.#forget();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** How far the picture is behind the newest frame that came, in seconds. */
  get behind_s() {
    const { buffered, currentTime } = this.video;
    return buffered.length ? buffered.end(buffered.length - 1) - currentTime : NaN;
  }

  #forget() {
    this.#media = this.#buffer = null;
    this.#queue = [];
    this.#keys = [];
    this.#lastStart = NaN;
    this.#placed = false;
    this.#firstAt = 0;
  }

  #announced({ mime, state }) {
    if (state === "waiting") this.owner?.waits();
    if (!mime) return;
    this.#forget();
    if (!Media.isTypeSupported(mime)) {
      this.owner?.unable(`this browser does not play ${mime}`);
      return;
    }
    const media = new Media();
    const url = URL.createObjectURL(media);
    this.#media = media;
    media.addEventListener("sourceopen", () => {
      URL.revokeObjectURL(url);
      if (this.#media !== media) return;
      this.#buffer = media.addSourceBuffer(mime);
      this.#buffer.mode = "segments";
      this.#buffer.addEventListener("updateend", () => {
        this.#follow();
        this.#append();
      });
      this.#append();
    }, { once: true });
    this.video.src = url;
  }

  #came(bytes) {
    if (!this.#media) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (boxAt(view, "moov")) this.#head = readHead(view);
    const { start, key } = readFragment(view, this.#head);
    if (Number.isFinite(start)) {
      this.#firstAt ||= now();
      if (key) this.#keys.push(start);
      const passed = start - this.#lastStart;
      if (passed > 0 && passed < 5) this.#interval_s += (passed - this.#interval_s) * 0.2;
      this.#lastStart = start;
    }
    this.#queue.push(bytes);
    if (this.#queue.length > 500) this.owner?.lost(0); // the browser takes nothing
    else this.#append();
  }

  #append() {
    const buffer = this.#buffer;
    if (!buffer || buffer.updating || this.#media.readyState !== "open") return;
    try {
      if (this.#trim() || !this.#queue.length) return;
      buffer.appendBuffer(this.#queue[0]);
      this.#queue.shift();
    } catch {
      this.owner?.lost(0); // full or broken: a new connection begins with an empty buffer
    }
  }

  /**
   * Remove what is over a second behind the picture; returns whether a removal has begun.
   *
   * A removal takes everything up to the next key frame with it, so it must end at one that the
   * picture has passed.
   */
  #trim() {
    const { buffered, currentTime } = this.video;
    if (!buffered.length || currentTime - buffered.start(0) < 2) return false;
    const passed = this.#keys.filter((key) => key <= currentTime - 1);
    const end = passed.at(-1);
    if (end === undefined || end - 0.001 <= buffered.start(0)) return false;
    this.#keys = this.#keys.slice(passed.length - 1);
    this.#buffer.remove(0, end - 0.001);
    return true;
  }

  /** Stay close to the newest frame: a little too late is made up by speed, more by a jump. */
  #follow() {
    const { video } = this;
    const { buffered } = video;
    if (!buffered.length) return;
    const from = buffered.start(buffered.length - 1);
    const end = buffered.end(buffered.length - 1);
    if (!this.#placed) {
      this.#placed = true;
      this.#movedAt = now();
      this.#frames = 0;
      video.currentTime = buffered.start(0);
      this.#play();
    }
    if (video.seeking) return;
    const target = Math.max(0.1, this.#cushion_s, 1.5 * this.#interval_s);
    const late = end - video.currentTime - target;
    const inHole = video.currentTime < from - 0.02;
    if (inHole || late > 1.5 || late < -target - 0.5) {
      video.currentTime = Math.max(from, end - target);
      video.playbackRate = 1;
      this.#movedAt = now();
    } else if (late > 0.04 || (video.playbackRate > 1 && late > 0)) {
      video.playbackRate = late > 0.8 ? 1.5 : late > 0.4 ? 1.25 : late > 0.15 ? 1.1 : 1.05;
    } else {
      video.playbackRate = late < -target / 2 ? 0.95 : 1;
    }
  }

  #play() {
    this.video.play().catch((error) => {
      if (error.name === "NotAllowedError") this.owner?.unable("this browser starts no video by itself");
    });
  }

  /** A few times a second: what shows, and whether it has stopped. */
  #look() {
    this.#cushion_s = Math.max(0.1, this.#cushion_s * 0.99);
    if (!this.#firstAt || !this.owner) return;
    const { video } = this;
    const frames = video.getVideoPlaybackQuality().totalVideoFrames;
    if (frames > this.#frames && video.readyState >= 2) {
      this.#frames = frames;
      this.#framesAt = now();
      this.owner.arrived(video.videoWidth, video.videoHeight);
    } else if (video.paused && this.#placed) {
      this.#play();
    }
    const stopped = now() - Math.max(this.#framesAt, this.#firstAt, this.#flowsAt) > FALL_BACK_MS;
    if (!stopped || now() - this.lastAt > 1000) return;
    if (!this.#frames) this.owner.unable("no picture could be decoded within 5 s");
    else this.owner.lost(0);
  }
}
