"""
A box of streams for a long time, disturbed all the while: is it at the end as it was at the start?

`python -m benchmarks.soak [--for 600] [--page]`; needs ffmpeg. `streamer run --watch` has four
streams: a camera that is lost every 20 s, one that relays it, is published to a server that dies,
and has viewers who come and go, one whose settings change, and one that nobody touches. Between
valid files come broken ones. Memory, threads and descriptors are read from outside.

With `--page`, which needs Debian's Chromium, a browser has the page open all the while, on the
stream that changes and in turns on all of them. At the end the program is started again, and the
page must come back by itself.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from benchmarks.models import write_trivial_model
from benchmarks.open_page import ALL, OpenPage, PageSample, open_page
from benchmarks.reference import Limit, print_limits

SETTLED_S = 60.0
SAMPLE_S = 2.0
LOSS_S, RELOAD_S, VIEWER_S, SERVER_S = 20.0, 3.0, 7.0, 45.0
PAGE_S, TURN_S = 15.0, 120.0
FPS = 15
WATCHED = "changed"
GROWTH_MB = 24.0
HEAP_GROWTH_MB, HELD_GROWTH = 3.0, 100
LOST_BESIDE_BROWSER, SHOWN = 0.02, 0.8
"""Of the untouched stream's frames, and of those of the stream that is watched; the browser takes
its part of the machine's cores."""
BACK_S = 30.0
P99 = 1.5

MEANT = (
    r"connection|refused|reconnecting|stalled|live again|next attempt|has ended|ended|lost|"
    r"404|not found|no stream|everything stays as it was|stays as it was|publish|server|"
    r"gave no frame|restarts|viewer|timed? ?out|broken pipe|reset"
)
"""What may be warned of while cameras and servers are taken away."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The process from outside."""

    at_s: float
    rss_mb: float
    threads: int
    descriptors: int


@dataclass(slots=True)
class Found:
    """What a soak has found."""

    samples: list[Sample] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    logged: list[dict[str, Any]] = field(default_factory=list)
    page: list[PageSample] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    """What the page's console said, before the program was started again."""
    back_s: float = 0.0
    """From the program's second start until the page's picture moved."""


class Box:
    """The configuration file, as it is changed again and again."""

    def __init__(self, folder: Path, model: Path, with_page: bool) -> None:
        self.path = folder / "box.yaml"
        self.url = f"http://127.0.0.1:{free_port()}"
        self._web = f"web: {{listen: {self.url.removeprefix('http://')}}}" if with_page else ""
        self.camera, self.out, self.server = free_port(), free_port(), free_port()
        self._model = model
        self._lost = 0
        self._threshold = 0.5
        self.write()

    def write(self) -> None:
        """Write it as it is now."""
        self._replace(f"""
{self._web}
defaults:
  model: {{name: {self._model}, providers: [cpu], threads: 1}}
  source: {{type: synthetic, width: 320, height: 180, fps: {FPS}, realtime: true}}
  sinks: [{{type: discard}}]
streams:
  camera:
    pipeline: {{ring_capacity: {4 + self._lost % 2}}}
    sinks: [{{type: rtsp, layout: source, serve: "rtsp://127.0.0.1:{self.camera}/camera"}}]
  relay:
    source: {{type: rtsp, url: "rtsp://127.0.0.1:{self.camera}/camera", reconnect: {{max_s: 2}}}}
    sinks:
      - type: rtsp
        serve: "rtsp://127.0.0.1:{self.out}/relay"
        publish: "rtsp://127.0.0.1:{self.server}/published"
  changed: {{refine: {{threshold: {self._threshold:.3f}}}}}
  still: {{}}
""")

    def lose_camera(self) -> None:
        """Change what needs another run: viewers of the camera, such as the relay, are cut off."""
        self._lost += 1
        self.write()

    def change(self) -> None:
        """Change what the next frame has."""
        self._threshold = 0.3 + (self._threshold + 0.1) % 0.4
        self.write()

    def break_it(self) -> None:
        """Write what cannot be read."""
        self._replace("streams: {still: {source: {type: nothing}}}\n")

    def _replace(self, text: str) -> None:
        beside = self.path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.path)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port


def viewer(url: str) -> subprocess.Popen[bytes]:
    """Somebody who watches and throws the pictures away."""
    quiet = ["ffmpeg", "-loglevel", "quiet", "-rtsp_transport", "tcp"]
    return subprocess.Popen([*quiet, "-i", url, "-f", "null", "-"], stdin=subprocess.DEVNULL)


def server(port: int) -> subprocess.Popen[bytes]:
    """A server that one stream may be published to."""
    url = f"rtsp://127.0.0.1:{port}/published"
    listen = ["ffmpeg", "-loglevel", "quiet", "-rtsp_flags", "listen", "-i", url]
    return subprocess.Popen([*listen, "-c", "copy", "-f", "null", "-"], stdin=subprocess.DEVNULL)


def sample(pid: int, at_s: float) -> Sample:
    status = Path(f"/proc/{pid}/status").read_text()
    found = {name: int(re.findall(rf"{name}:\s+(\d+)", status)[0]) for name in ("VmRSS", "Threads")}
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return Sample(at_s, found["VmRSS"] / 1024, found["Threads"], descriptors)


def disturb(box: Box, seconds: float, pid: int, page: OpenPage | None) -> Iterator[Sample]:
    """Disturb the streams for *seconds*; gives samples."""
    began = time.monotonic()
    due = dict.fromkeys(("loss", "reload", "viewer", "server", "page", "sample"), 0.0)
    page_s = min(PAGE_S, turn_s(seconds) / 4)
    every = dict(zip(due, (LOSS_S, RELOAD_S, VIEWER_S, SERVER_S, page_s, SAMPLE_S), strict=True))
    turns = itertools.cycle((box.change, box.break_it, box.change))
    watching: subprocess.Popen[bytes] | None = None
    taking: subprocess.Popen[bytes] | None = None
    try:
        while (at_s := time.monotonic() - began) < seconds:
            for name in [name for name in due if at_s >= due[name]]:
                due[name] = at_s + every[name]
                if name == "loss":
                    box.lose_camera()
                elif name == "reload":
                    next(turns)()
                elif name == "viewer":
                    watching = replaced(watching, viewer(f"rtsp://127.0.0.1:{box.out}/relay"))
                elif name == "server":
                    taking = replaced(taking, server(box.server))
                elif name == "page":
                    if page is not None:
                        page.look(at_s)
                else:
                    yield sample(pid, at_s)
            time.sleep(0.1)
    finally:
        replaced(watching, None)
        replaced(taking, None)


def replaced(
    old: subprocess.Popen[bytes] | None, new: subprocess.Popen[bytes] | None
) -> subprocess.Popen[bytes] | None:
    """*new*, after *old* was killed."""
    if old is not None:
        old.kill()
        old.wait()
    return new


def turn_s(seconds: float) -> float:
    """How long the page has one view, so that each is there in all thirds of the time."""
    return min(TURN_S, seconds / 12)


def start(box: Box, log: TextIO, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "streamer", "--log-format", "json", "run", str(box.path)]
    return subprocess.Popen([*command, "--watch", *options], stdout=subprocess.DEVNULL, stderr=log)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def soak(seconds: float, folder: Path, browser: str | None) -> Found:
    """Run it, with the page open in *browser* if there is one."""
    box = Box(folder, write_trivial_model(folder / "one.onnx", 256), browser is not None)
    found, said = Found(), list[str]()
    with ExitStack() as stack:
        log = stack.enter_context((folder / "log").open("w"))
        process = start(box, log, "--report", str(folder / "report.json"))
        page = None
        try:
            if browser is not None:
                page = stack.enter_context(
                    open_page(browser, box.url, WATCHED, turn_s(seconds), said)
                )
            found.samples += disturb(box, seconds, process.pid, page)
        finally:
            stop(process)
        found.logged += [json.loads(line) for line in (folder / "log").read_text().splitlines()]
        found.report |= json.loads((folder / "report.json").read_text())
        if page is not None:
            found.page, found.wrong = page.samples, said.copy()
            found.back_s = start_again(box, log, page)
    return found


def start_again(box: Box, log: TextIO, page: OpenPage) -> float:
    """Seconds from the program's second start until the page shows pictures."""
    assert page.is_away(), "the page has not seen that the program ended"
    box.write()
    process = start(box, log)
    try:
        return page.comes_back()
    finally:
        stop(process)


def growth(values: list[float]) -> float:
    """Of the median, from the first third to the last."""
    third = max(len(values) // 3, 1)
    return statistics.median(values[-third:]) - statistics.median(values[:third])


def main() -> int:
    """Print what was found, and whether it is as it must be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--for", dest="seconds", type=float, default=600.0)
    parser.add_argument("--page", action="store_true", help="with the page open in Chromium")
    asked = parser.parse_args()
    browser = shutil.which("chromium") if asked.page else None
    if shutil.which("ffmpeg") is None or (asked.page and browser is None):
        print("soak: NOT MEASURED: apt-get install ffmpeg chromium")
        return 0
    with TemporaryDirectory(prefix="streamer-") as name:
        found = soak(asked.seconds, Path(name), browser)
    return print_found(found, asked.seconds, watched=asked.page)


def print_found(found: Found, seconds: float, *, watched: bool) -> int:
    """Print the tables; 1 if something is not as it must be."""
    samples, report, logged = found.samples, found.report, found.logged
    since_s = min(SETTLED_S, seconds / 3)
    settled = [one for one in samples if one.at_s >= since_s]
    found.page = [one for one in found.page if one.at_s >= since_s]
    print("| stream | frames | lost | restarts | reconnects | p99 ms |\n|---|---|---|---|---|---|")
    for stream, one in report["streams"].items():
        late = one["latency_ms"]["end_to_end"]["p99"] or 0
        print(
            f"| {stream} | {one['frames']['captured']} | {_lost(one)} | {one['restarts']} "
            f"| {one['reconnects']} | {late:.1f} |"
        )
    warned = [one for one in logged if one["level"] != "info"]
    odd = [one for one in warned if not re.search(MEANT, one["message"], re.IGNORECASE)]
    for one in odd:
        print("odd:", json.dumps(one))
    still = report["streams"]["still"]
    may_lose = int(LOST_BESIDE_BROWSER * still["frames"]["captured"]) if watched else 0
    print(f"\n{len(logged)} lines in the log; memory at the end {settled[-1].rss_mb:.0f} MB\n")
    return print_limits(
        [
            Limit("memory's growth, MB", growth([s.rss_mb for s in settled]), "<=", GROWTH_MB),
            Limit("threads' growth", growth([s.threads for s in settled]), "<=", 0),
            Limit("descriptors' growth", growth([s.descriptors for s in settled]), "<=", 0),
            Limit("lines that are not meant", len(odd), "<=", 0),
            Limit("frames that the untouched stream lost", _lost(still), "<=", may_lose),
            Limit("its rate to what it should be", still["fps"] / FPS, ">=", 0.98),
            Limit("reconnects of the relay", report["streams"]["relay"]["reconnects"], ">=", 1),
            *(page_limits(found) if watched else []),
        ]
    )


def page_limits(found: Found) -> list[Limit]:
    """Print what the browser took and showed; returns what must hold of it."""
    for text in found.wrong:
        print("the page's console:", text)
    views = {one.view for one in found.page if one.calm}
    if views != {WATCHED, ALL}:
        return [Limit("views of the page that were measured", len(views), ">=", 2)]
    print("| view | heap MB | its growth | browser MB | its growth | nodes held | their growth |")
    print("|---|---|---|---|---|---|---|")
    most = dict.fromkeys(("heap_mb", "memory_mb", "held"), float("-inf"))
    for view in (WATCHED, ALL):
        row = []
        for name in most:
            values = [float(getattr(s, name)) for s in found.page if s.view == view and s.calm]
            grown = growth(values)
            most[name] = max(most[name], grown)
            row += [f"{statistics.median(values):.1f}", f"{grown:+.1f}"]
        print(f"| {view} | {' | '.join(row)} |")
    rates = {view: shown_fps(found.page, view) for view in (WATCHED, ALL)}
    for view, each in rates.items():
        low, middle = min(each), statistics.median(each)
        print(f"\nframes a second that {view} showed: {middle:.1f}, at least {low:.1f}", end="")
    by_jpeg = max(one.by_jpeg for one in found.page)
    print(f"\npictures that fell back to JPEG: at most {by_jpeg} at a time")
    print(f"the page came back {found.back_s:.1f} s after the program's start\n")
    return [
        Limit("the page's heap's growth, MB", most["heap_mb"], "<=", HEAP_GROWTH_MB),
        Limit("the browser's memory's growth, MB", most["memory_mb"], "<=", GROWTH_MB),
        Limit("growth of the page's nodes outside of it", most["held"], "<=", HELD_GROWTH),
        Limit("lines in the page's console", len(found.wrong), "<=", 0),
        Limit(
            "the page's rate to the stream's", statistics.median(rates[WATCHED]) / FPS, ">=", SHOWN
        ),
        Limit("seconds until the page came back", found.back_s, "<=", BACK_S),
    ]


def shown_fps(samples: list[PageSample], view: str) -> list[float]:
    """Frames a second that were shown, from one sample of a view to the next."""
    return [
        (after.shown - before.shown) / (after.at_s - before.at_s)
        for before, after in itertools.pairwise(samples)
        if before.view == after.view == view and before.calm
    ]


def _lost(stream: dict[str, Any]) -> int:
    drops: dict[str, int] = stream["drops"]
    return sum(count for reason, count in drops.items() if reason != "stale")


if __name__ == "__main__":
    raise SystemExit(main())
