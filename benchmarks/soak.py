"""
A box of streams for a long time, disturbed all the while: is it at the end as it was at the start?

`python -m benchmarks.soak [--for 600]`; needs ffmpeg. `streamer run --watch` has four streams: a
camera that is lost every 20 s, one that relays it, is published to a server that dies, and has
viewers who come and go, one whose settings change, and one that nobody touches. Between valid files
come broken ones. Memory, threads and descriptors are read from outside.
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
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits

SETTLED_S = 60.0
SAMPLE_S = 2.0
LOSS_S, RELOAD_S, VIEWER_S, SERVER_S = 20.0, 3.0, 7.0, 45.0
GROWTH_MB = 24.0
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


class Box:
    """The configuration file, as it is changed again and again."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.path = folder / "box.yaml"
        self.camera, self.out, self.server = free_port(), free_port(), free_port()
        self._model = model
        self._lost = 0
        self._threshold = 0.5
        self.write()

    def write(self) -> None:
        """Write it as it is now."""
        self._replace(f"""
defaults:
  model: {{name: {self._model}, providers: [cpu], threads: 1}}
  source: {{type: synthetic, width: 320, height: 180, fps: 15, realtime: true}}
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


def disturb(box: Box, seconds: float, pid: int) -> Iterator[Sample]:
    """Disturb the streams for *seconds*; gives samples."""
    began = time.monotonic()
    due = dict.fromkeys(("loss", "reload", "viewer", "server", "sample"), 0.0)
    every = dict(zip(due, (LOSS_S, RELOAD_S, VIEWER_S, SERVER_S, SAMPLE_S), strict=True))
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


def soak(seconds: float, folder: Path) -> tuple[list[Sample], dict[str, Any], list[dict[str, Any]]]:
    """Run it; returns samples, the report and what was logged."""
    box = Box(folder, write_trivial_model(folder / "one.onnx", 256))
    log = (folder / "log").open("w")
    command = [sys.executable, "-m", "streamer", "--log-format", "json", "run", str(box.path)]
    process = subprocess.Popen(
        [*command, "--watch", "--report", str(folder / "report.json")],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        samples = list(disturb(box, seconds, process.pid))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    logged = [json.loads(line) for line in (folder / "log").read_text().splitlines()]
    return samples, json.loads((folder / "report.json").read_text()), logged


def growth(values: list[float]) -> float:
    """Of the median, from the first third to the last."""
    third = max(len(values) // 3, 1)
    return statistics.median(values[-third:]) - statistics.median(values[:third])


def main() -> int:
    """Print what was found, and whether it is as it must be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--for", dest="seconds", type=float, default=600.0)
    asked = parser.parse_args()
    if shutil.which("ffmpeg") is None:
        print("soak: skipped: there is no ffmpeg")
        return 0
    with TemporaryDirectory(prefix="streamer-") as name:
        samples, report, logged = soak(asked.seconds, Path(name))
    settled = [one for one in samples if one.at_s >= min(SETTLED_S, asked.seconds / 3)]
    print("| stream | frames | lost | restarts | reconnects | p99 ms |\n|---|---|---|---|---|---|")
    for stream, found in report["streams"].items():
        lost = sum(found["drops"].values()) - found["drops"]["stale"]
        late = found["latency_ms"]["end_to_end"]["p99"] or 0
        print(
            f"| {stream} | {found['frames']['captured']} | {lost} | {found['restarts']} "
            f"| {found['reconnects']} | {late:.1f} |"
        )
    warned = [one for one in logged if one["level"] != "info"]
    odd = [one for one in warned if not re.search(MEANT, one["message"], re.IGNORECASE)]
    for one in odd:
        print("odd:", json.dumps(one))
    still = report["streams"]["still"]
    print(f"\n{len(logged)} lines in the log; memory at the end {settled[-1].rss_mb:.0f} MB\n")
    return print_limits(
        [
            Limit("memory's growth, MB", growth([s.rss_mb for s in settled]), "<=", GROWTH_MB),
            Limit("threads' growth", growth([s.threads for s in settled]), "<=", 0),
            Limit("descriptors' growth", growth([s.descriptors for s in settled]), "<=", 0),
            Limit("lines that are not meant", len(odd), "<=", 0),
            Limit("frames that the untouched stream lost", _lost(still), "<=", 0),
            Limit("its rate to what it should be", still["fps"] / 15, ">=", 0.98),
            Limit("reconnects of the relay", report["streams"]["relay"]["reconnects"], ">=", 1),
        ]
    )


def _lost(stream: dict[str, Any]) -> int:
    drops: dict[str, int] = stream["drops"]
    return sum(count for reason, count in drops.items() if reason != "stale")


if __name__ == "__main__":
    raise SystemExit(main())
