"""
Live video on a CPU: a paced 720p film at 30 frames/s, `tracked`, recorded; moving, and still.

`python -m benchmarks.live`. The films are truth clips, encoded as a camera would; the moving one
runs for a minute, the still one for half of one.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from streamer import Pipeline
from streamer.config import parse_config
from streamer.cpu import ThreadTimes, thread_named
from streamer.evaluation import make_clip
from streamer.evaluation.film import encode

WIDTH, HEIGHT, FPS = 1280, 720, 30
BITRATE = 6_000_000
SETTLED_S = 3.0
LATENCY_MS = 100.0
STILL_CORES = 0.25
GROWTH_MB = 16.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did."""

    report: dict[str, Any]
    late_drops: int
    """Of frames after the first `SETTLED_S`."""
    growth_mb: float
    """Of the resident memory, from then to the end."""
    matting_cores: float
    """In use by matting and model together: beyond decoding and encoding."""


def film(name: str, seconds: float, out: Path) -> Path:
    """The truth clip *name* as H.264."""
    frames = round(seconds * FPS)
    clip = make_clip(name, width=WIDTH, height=HEIGHT, frames=frames)
    out.write_bytes(encode((clip.frame(n) for n in range(frames)), WIDTH, HEIGHT, FPS, BITRATE))
    return out


def run(path: Path, model: str, seconds: float, folder: Path) -> Run:
    """*path*, paced and over and over, for *seconds*."""
    config = parse_config(
        {
            "source": {"type": "file", "path": str(path), "realtime": True, "loop": True},
            "model": {"name": model},
            "matting": {"mode": "tracked"},
            "sinks": [{"type": "record", "path": str(folder / "out.mp4"), "overwrite": True}],
        }
    )
    with thread_named("model"):
        pipeline = Pipeline.from_config(config)
    times: ThreadTimes | None = None
    began = settled_mb = 0.0
    early_drops: int | None = None

    def should_stop() -> bool:
        nonlocal times, began, early_drops, settled_mb
        now = time.monotonic()
        if times is None:
            if pipeline.statistics().frames["captured"]:
                times, began = ThreadTimes(), now
            return False
        times.sample()
        if early_drops is None and now - began >= SETTLED_S:
            early_drops, settled_mb = _drops(pipeline.report()), _resident_mb()
        return now - began >= seconds

    report = pipeline.run(should_stop)
    spent = times.seconds() if times is not None else {}
    matting_s = sum(
        spent_s for name, spent_s in spent.items() if "matting" in name or "model" in name
    )
    return Run(
        report,
        _drops(report) - (early_drops or 0),
        _resident_mb() - settled_mb,
        matting_s / report["wall_s"],
    )


def _drops(report: dict[str, Any]) -> int:
    """But for those that the end of the run leaves over."""
    return sum(count for reason, count in report["drops"].items() if reason != "stale")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    failed = 0
    with TemporaryDirectory() as name:
        folder = Path(name)
        moving = run(
            film("moving", 12, folder / "moving.mp4"), options.model, options.seconds, folder
        )
        still = run(
            film("still", 10, folder / "still.mp4"), options.model, options.seconds / 2, folder
        )
    latency = moving.report["latency_ms"]["end_to_end"]["p95"]
    captured = moving.report["frames"]["captured"]
    for stage, values in moving.report["latency_ms"].items():
        print(f"{stage:<12}{values['p50']:>10.1f} ms{values['p95']:>10.1f} ms")
    print(moving.report["model"], moving.report["matting"], moving.report["frames"], sep="\n")
    print(still.report["matting"], still.report["frames"], sep="\n")
    rows = [
        (
            "moving: frames/s out",
            f"{moving.report['fps']:.2f}",
            ">= 29.9",
            moving.report["fps"] >= 29.9,
        ),
        (
            "moving: frames lost after 3 s",
            f"{moving.late_drops} of {captured}",
            "0",
            not moving.late_drops,
        ),
        (
            "moving: capture to sink, p95 ms",
            f"{latency:.1f}",
            f"<= {LATENCY_MS:g}",
            latency <= LATENCY_MS,
        ),
        (
            "moving: memory since 3 s, MB",
            f"{moving.growth_mb:+.1f}",
            f"<= {GROWTH_MB:g}",
            moving.growth_mb <= GROWTH_MB,
        ),
        (
            "still: cores beyond decode and encode",
            f"{still.matting_cores:.3f}",
            f"<= {STILL_CORES}",
            still.matting_cores <= STILL_CORES,
        ),
    ]
    print("| limit | measured | must be |\n|---|---|---|")
    for what, measured, wanted, kept in rows:
        print(f"| {what} | {measured} | {wanted} |{'' if kept else ' MISSED'}")
        failed |= not kept
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
