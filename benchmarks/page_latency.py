"""
How late a browser shows what a camera sees, by video and by JPEG, and what more viewers cost.

`python -m benchmarks.page_latency`; needs Debian's Chromium and Playwright. A source like a camera
writes the time into its pictures, 640x360 at 25 frames/s; the page's canvas reads it back.
"""

from __future__ import annotations

import shutil
import threading
import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from websockets.sync.client import connect

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits
from streamer.config import SourceBase, parse_box, register
from streamer.config.web import WebConfig
from streamer.control.web.endpoint import serving_web
from streamer.errors import EndOfStream
from streamer.frame import Grab, Image, StreamInfo
from streamer.host import Host

WIDTH, HEIGHT, FPS = 640, 360, 25
BITS = 20
SETTLED_S, MEASURED_S = 5, 20
VIEWERS = 10
MOST_MS, MOST_CORE = 400, 10.0

READ_BACK = """([bits, seconds]) => new Promise((done) => {
  const late = [], canvas = document.createElement("canvas");
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const until = performance.now() + 1000 * seconds;
  let latest = -1;
  const look = () => {
    const shown = document.querySelector("#picture :is(video, img):not([hidden])");
    const width = shown.videoWidth || shown.naturalWidth;
    if (width > 200) {
      canvas.width = width; canvas.height = 8;
      pen.drawImage(shown, 0, 16, width, 8, 0, 0, width, 8);
      const row = pen.getImageData(0, 4, width, 1).data;
      let code = 0;
      for (let bit = 0; bit < bits; bit++)
        code = code * 2 + (row[4 * Math.floor((bit + 0.5) * width / bits)] > 127);
      const now = performance.timeOrigin + performance.now();
      if (code !== latest) late.push(((now - code) % 2 ** bits + 2 ** bits) % 2 ** bits);
      latest = code;
    }
    if (performance.now() < until) requestAnimationFrame(look);
    else done(late);
  };
  look();
})"""


class TimeSourceConfig(SourceBase):
    """Writes the time into its pictures, as black and white bars."""

    MADE_BY = "benchmarks.page_latency:TimeSource"
    RECONNECTS = True

    type: Literal["time"]


class TimeSource:
    """Comes as a camera does: a picture when it is due."""

    name = "time"

    def __init__(self, config: TimeSourceConfig) -> None:
        self._index = 0

    def open(self) -> StreamInfo:
        self._began_s = time.monotonic()
        return StreamInfo(self.name, WIDTH, HEIGHT, Fraction(FPS), Fraction(1, FPS), live=True)

    def read(self, out: Image) -> Grab:
        self._index += 1
        time.sleep(max(0.0, self._began_s + self._index / FPS - time.monotonic()))
        code = int(time.time() * 1000) % 2**BITS
        bits = np.array([code >> bit & 1 for bit in reversed(range(BITS))], np.uint8)
        out[:] = np.repeat(bits * 255, WIDTH // BITS)[None, :, None]
        return Grab(self._index, Fraction(1, FPS), time.monotonic_ns())

    def close(self) -> None:
        if self._index < 0:
            raise EndOfStream


def lateness(url: str, way: str) -> list[float]:
    """Milliseconds from capture to canvas, of each picture that was seen."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(url)
        page.get_by_label("Picture by").select_option(way)
        page.get_by_label("Layout").select_option("source")
        page.wait_for_timeout(1000 * SETTLED_S)
        found: list[float] = page.evaluate(READ_BACK, [BITS, MEASURED_S])
        browser.close()
    return found


def core_share(url: str, viewers: int) -> float:
    """Per cent of a core that the process takes with so many viewers of one layout."""
    import httpx2

    with ExitStack() as stack:
        client = stack.enter_context(httpx2.Client(base_url=url))
        client.get("/api/session")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        for _ in range(viewers):
            viewer = stack.enter_context(
                connect(
                    f"ws{url.removeprefix('http')}/api/streams/door/live",
                    additional_headers={"Cookie": cookie, "Origin": url},
                    compression=None,
                    max_size=None,
                )
            )
            reader = threading.Thread(target=lambda socket: [*socket], args=(viewer,), daemon=True)
            reader.start()
        time.sleep(2)
        threads = own_threads()
        began = time.monotonic(), threads_s(threads)
        time.sleep(MEASURED_S / 2)
        took = time.monotonic() - began[0]
        return 100 * (threads_s(threads) - began[1]) / took


def own_threads() -> list[int]:
    """The program's threads, without those that read here."""
    return [
        thread.native_id
        for thread in threading.enumerate()
        if thread.name.startswith("streamer-") and thread.native_id is not None
    ]


def threads_s(threads: list[int]) -> float:
    """Seconds of CPU that *threads* took."""
    fields = [Path(f"/proc/self/task/{one}/stat").read_text().rsplit(")", 1)[1] for one in threads]
    return sum(sum(map(int, text.split()[11:13])) for text in fields) / 100


def main() -> int:
    """Print the figures and what must hold."""
    if shutil.which("chromium") is None:
        print("the page: NOT MEASURED: apt-get install chromium")
        return 0
    register(TimeSourceConfig)
    with TemporaryDirectory(prefix="streamer-") as folder:
        model = write_trivial_model(Path(folder) / "one.onnx", 64)
        data = {
            "source": {"type": "time"},
            "model": {"name": str(model), "providers": ["cpu"], "threads": 1},
            "matting": {"mode": "every_frame"},
            "sinks": [{"type": "page", "layout": "source"}],
            "web": {},
            "name": "door",
        }
        host = Host(parse_box(data))
        running = threading.Thread(target=host.run)
        running.start()
        try:
            with serving_web(host, WebConfig(listen="127.0.0.1:0")) as url:
                assert url is not None
                ways = {way: lateness(url, way) for way in ("video", "jpeg")}
                shares = {count: core_share(url, count) for count in (1, VIEWERS)}
        finally:
            host.request_stop()
            running.join()
    print("| pictures | seen a second | p50 ms | p95 ms |\n|---|---|---|---|")
    for way, late in ways.items():
        p50, p95 = np.percentile(late, [50, 95])
        print(f"| {way} | {len(late) / MEASURED_S:.1f} | {p50:.0f} | {p95:.0f} |")
    print()
    more = shares[VIEWERS] - shares[1]
    return print_limits(
        [
            Limit("p95 of video, ms", float(np.percentile(ways["video"], 95)), "<=", MOST_MS),
            Limit(f"{VIEWERS} viewers more than one, % of a core", more, "<=", MOST_CORE),
        ]
    )


if __name__ == "__main__":
    raise SystemExit(main())
