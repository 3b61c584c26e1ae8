// One stream's picture and nothing else, for OBS and for pages: by default without its background.
// Where there is no picture, nothing is shown.

import { Backoff, Media, VideoFeed, now, pathOf } from "/player.js";

const SESSION = "/api/session";
const STALE_MS = 1800; // a picture that is not followed by another goes
const SILENT_MS = 15_000; // a connection that says nothing for so long is made anew
const LOG_IN_AGAIN_MS = 3000;

const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const layout = query.get("layout") ?? (query.get("transparent") === "0" ? "" : "transparent");
const isTransparent = layout === "transparent";

const VERTICES = `
attribute vec2 corner;
varying vec2 at;
void main() {
  at = vec2(0.5 + 0.5 * corner.x, 0.5 - 0.5 * corner.y);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

// The upper half is colour times alpha already. The key is grey: its luma (ITU-R BT.709) is not
// spoilt by the colours of neighbours, as its red, green and blue are where the halves meet.
// The least alphas are noise of the encoder, and a colour above its alpha would glow.
const PIXELS = `
#ifdef GL_FRAGMENT_PRECISION_HIGH
precision highp float;
#else
precision mediump float;
#endif
uniform sampler2D picture;
varying vec2 at;
void main() {
  vec3 fill = texture2D(picture, vec2(at.x, 0.5 * at.y)).rgb;
  vec3 key = texture2D(picture, vec2(at.x, 0.5 + 0.5 * at.y)).rgb;
  float alpha = dot(key, vec3(0.2126, 0.7152, 0.0722));
  alpha = clamp((alpha * 255.0 - 2.0) / 251.0, 0.0, 1.0);
  gl_FragColor = vec4(min(fill, alpha), alpha);
}`;

/** Joins fill and key on the GPU. */
class GlJoiner {
  /** One that draws on *canvas*; null where there is no WebGL. */
  static on(canvas) {
    const gl = canvas.getContext("webgl", {
      alpha: true, premultipliedAlpha: true, antialias: false, depth: false, stencil: false,
    });
    return gl && new GlJoiner(canvas, gl);
  }

  constructor(canvas, gl) {
    Object.assign(this, { canvas, gl });
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault()); // or it stays so
    canvas.addEventListener("webglcontextrestored", () => this.#prepare());
    this.#prepare();
  }

  /** Draw the picture that *video* shows; false if that cannot be done now. */
  draw(video) {
    const { canvas, gl } = this;
    if (gl.isContextLost()) return false;
    resize(canvas, video);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB, gl.RGB, gl.UNSIGNED_BYTE, video);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    return true;
  }

  #prepare() {
    const { gl } = this;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTICES], [gl.FRAGMENT_SHADER, PIXELS]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.bindAttribLocation(program, 0, "corner");
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array([-1, -1, 1, -1, -1, 1, 1, 1]), gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    // Nearest: the canvas has the picture's own pixels, and the halves must not mix.
    for (const [parameter, value] of [
      [gl.TEXTURE_MIN_FILTER, gl.NEAREST], [gl.TEXTURE_MAG_FILTER, gl.NEAREST],
      [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE], [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ]) gl.texParameteri(gl.TEXTURE_2D, parameter, value);
  }
}

/** Joins fill and key where there is no WebGL, which costs far more. */
class PlainJoiner {
  #whole = document.createElement("canvas");

  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
    this.reader = this.#whole.getContext("2d", { willReadFrequently: true });
  }

  /** See `GlJoiner`. */
  draw(video) {
    const { canvas, pen, reader } = this;
    resize(canvas, video);
    const { width, height } = canvas;
    if (!width || !height) return false;
    if (this.#whole.width !== width || this.#whole.height !== 2 * height) {
      this.#whole.width = width;
      this.#whole.height = 2 * height;
    }
    reader.drawImage(video, 0, 0);
    const fill = reader.getImageData(0, 0, width, height);
    const key = reader.getImageData(0, height, width, height).data;
    const { data } = fill; // a canvas wants colours that are not multiplied
    for (let at = 0; at < data.length; at += 4) {
      const luma = 0.2126 * key[at] + 0.7152 * key[at + 1] + 0.0722 * key[at + 2];
      const alpha = Math.min(Math.max((luma - 2) / 251, 0), 1);
      for (let channel = at; channel < at + 3; channel++) data[channel] /= alpha || 1;
      data[at + 3] = 255 * alpha;
    }
    pen.putImageData(fill, 0, 0);
    return true;
  }
}

/** Give *canvas* the size of one half of the video's picture. */
function resize(canvas, { videoWidth, videoHeight }) {
  const height = videoHeight >> 1;
  if (canvas.width === videoWidth && canvas.height === height) return;
  canvas.width = videoWidth;
  canvas.height = height;
}

/** What is shown: each new picture, until it is stale. */
class Stage {
  #joiner = null;
  #stale = 0;
  #time = NaN;
  #over = false; // what comes now is left over from before the stream paused
  wasShown = false;

  constructor(video, canvas) {
    Object.assign(this, { video, canvas });
    if (isTransparent) this.#joiner = GlJoiner.on(canvas) ?? new PlainJoiner(canvas);
    else video.classList.add("shown", "empty");
    video.addEventListener("emptied", () => (this.#over = false));
    this.#next();
  }

  /** Show nothing until the stream begins anew. */
  end() {
    this.#over = true;
    this.clear();
  }

  clear() {
    clearTimeout(this.#stale);
    if (this.#joiner) this.canvas.hidden = true;
    else this.video.classList.add("empty");
  }

  #next() {
    const { video } = this;
    if (video.requestVideoFrameCallback) {
      video.requestVideoFrameCallback(() => {
        this.#next();
        this.#show();
      });
    } else {
      requestAnimationFrame(() => {
        this.#next();
        if (video.currentTime !== this.#time) this.#show();
        this.#time = video.currentTime;
      });
    }
  }

  #show() {
    const { video } = this;
    if (this.#over || video.readyState < 2 || !video.videoWidth) return;
    if (this.#joiner?.draw(video) === false) return;
    clearTimeout(this.#stale);
    this.#stale = setTimeout(() => this.clear(), STALE_MS);
    if (this.#joiner) this.canvas.hidden = false;
    else video.classList.remove("empty");
    if (!this.wasShown) say("");
    this.wasShown = true;
  }
}

/** Keeps a stream's video coming, for months. The owner of a `VideoFeed`. */
class Connection {
  #backoff = new Backoff();
  #feed = null;
  #retry = 0;
  #opening = false;

  constructor(stream, stage) {
    Object.assign(this, { stream, stage });
    document.addEventListener("visibilitychange", () => this.#update());
    setInterval(() => this.#feed && now() - this.#feed.lastAt > SILENT_MS && this.lost(0), 5000);
    this.#update();
  }

  arrived() {
    this.#backoff.reset();
  }

  waits() {
    this.stage.end();
  }

  unable(why) {
    say(`No video: ${why}.`);
    this.#again(5000);
  }

  lost(code) {
    say({
      4404: `There is no stream ${this.stream}.`, 4422: `There is no layout ${layout}.`,
      4429: "Too many watch this stream.",
    }[code] ?? "");
    this.#again(this.#backoff.next());
  }

  #update() {
    if (document.hidden) this.#end();
    else if (!this.#feed && !this.#retry && !this.#opening) this.#begin();
  }

  async #begin() {
    this.#opening = true;
    const found = await openSession();
    this.#opening = false;
    if (document.hidden) return;
    if (!found) {
      this.#again(this.#backoff.next());
    } else if (!found.open) {
      say(`Log in at ${location.origin}/`);
      this.#again(LOG_IN_AGAIN_MS);
    } else if (!Media) {
      say("This browser plays no live video.");
    } else {
      const wanted = layout ? `?layout=${encodeURIComponent(layout)}` : "";
      this.#feed = new VideoFeed(this.stage.video, pathOf(this.stream, `/live${wanted}`), this);
    }
  }

  #again(ms) {
    this.#end();
    this.#retry = setTimeout(() => {
      this.#retry = 0;
      this.#update();
    }, ms);
  }

  #end() {
    clearTimeout(this.#retry);
    this.#retry = 0;
    this.stage.clear();
    const feed = this.#feed;
    this.#feed = null;
    feed?.stop();
  }
}

/** The session; one is opened where there is no password. Null: the server gave no answer. */
async function openSession() {
  try {
    const answer = await fetch(SESSION, { cache: "no-store", signal: AbortSignal.timeout(20_000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Tell who sets the page up; once there was a picture, who watches must not read it. */
function say(text) {
  const shown = stage.wasShown ? "" : text;
  $("note").textContent = shown;
  $("note").hidden = !shown;
  if (text && !shown) console.info(text);
}

function nameAsked() {
  const asked = location.pathname.slice("/embed/".length);
  try { return decodeURIComponent(asked); } catch { return asked; }
}

const stream = nameAsked();
document.title = stream;
document.body.style.backgroundColor = query.get("background") ?? "";
$("canvas").ariaLabel = `Live picture of ${stream}`;
const stage = new Stage($("video"), $("canvas"));
new Connection(stream, stage);
