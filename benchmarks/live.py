"""
Live video on a CPU: a paced 720p film at 30 frames/s, `tracked`, recorded; moving, and still.

`python -m benchmarks.live`. The films are truth clips, encoded as a camera would; the moving one
runs for a minute, the still one for half of one. Before them the moving one runs with next to no
model (`direct`): what that loses, and its latency, are the machine's own.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits
from streamer import Pipeline
from streamer.config import parse_config
from streamer.core.cpu import ThreadTimes, thread_named
from streamer.evaluation import make_clip
from streamer.evaluation.film import encode

WIDTH, HEIGHT, FPS = 1280, 720, 30
BITRATE = 6_000_000
SETTLED_S = 3.0
RATE = 0.997
"""Of the film's own, unless the direct run has less."""
LATENCY_FRAMES = 2.0
"""Frame intervals by which p95 may be above the direct run's."""
STILL_SHARE = 0.6
"""Of what decoding, composing and encoding take in the same run."""
GROWTH_MB = 16.0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did."""

    report: dict[str, Any]
    late_drops: int
    """Of frames after the first `SETTLED_S`."""
    growth_mb: float
    """Of the resident memory, from then to the end."""
    matting_s: float
    """CPU time of matting and model together: beyond decoding and encoding."""
    other_s: float
    """CPU time of all else."""

    @property
    def p95_ms(self) -> float:
        """From capture to sink."""
        latency = self.report["latency_ms"]["end_to_end"]["p95"]
        if latency is None:
            raise SystemExit("no frame came through in time: the machine is too busy")
        return float(latency)

    @property
    def lost(self) -> float:
        """The share of late drops in the frames that were captured."""
        captured: int = self.report["frames"]["captured"]
        return self.late_drops / max(captured, 1)


def film(name: str, seconds: float, out: Path) -> Path:
    """The truth clip *name* as H.264."""
    frames = round(seconds * FPS)
    clip = make_clip(name, width=WIDTH, height=HEIGHT, frames=frames)
    out.write_bytes(encode((clip.frame(n) for n in range(frames)), WIDTH, HEIGHT, FPS, BITRATE))
    return out


def run(path: Path, model: str, seconds: float, folder: Path, mode: str = "tracked") -> Run:
    """*path*, paced and over and over, for *seconds*."""
    config = parse_config(
        {
            "source": {"type": "file", "path": str(path), "realtime": True, "loop": True},
            "model": {"name": model},
            "matting": {"mode": mode},
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
        matting_s,
        sum(spent.values()) - matting_s,
    )


def _drops(report: dict[str, Any]) -> int:
    """But for those that the end of the run leaves over."""
    return sum(count for reason, count in report["drops"].items() if reason != "stale")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def print_latencies(report: dict[str, Any]) -> None:
    """A line for each stage; one that no frame went through has none."""
    for stage, values in report["latency_ms"].items():
        if values["p95"] is not None:
            print(f"{stage:<12}{values['p50']:>10.1f} ms{values['p95']:>10.1f} ms")


def main() -> int:
    """Print what was seen; 1 where a limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="isnet")
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with TemporaryDirectory() as name:
        folder = Path(name)
        trivial = str(write_trivial_model(folder / "trivial.onnx", 64))
        clips = [film(name, 10, folder / f"{name}.mp4") for name in ("moving", "still")]
        direct = run(clips[0], trivial, options.seconds / 2, folder, "every_frame")
        moving = run(clips[0], options.model, options.seconds, folder)
        still = run(clips[1], options.model, options.seconds / 2, folder)
    print_latencies(moving.report)
    print(moving.report["model"], moving.report["matting"], moving.report["frames"], sep="\n")
    print(still.report["matting"], still.report["frames"], sep="\n")
    later = (moving.p95_ms - direct.p95_ms) * FPS / 1000  # first: it ends where there is none
    rate = moving.report["fps"] / min(FPS, direct.report["fps"])
    print(
        f"direct: {direct.report['fps']:.2f} frames/s, {direct.late_drops} lost, "
        f"p95 {direct.p95_ms:.0f} ms; moving: {moving.report['fps']:.2f} frames/s, "
        f"{moving.late_drops} lost, p95 {moving.p95_ms:.0f} ms; "
        f"still: {still.matting_s / still.report['wall_s']:.3f} cores beyond decode and encode"
    )
    return print_limits(
        [
            Limit("moving: frames/s, to the film's or direct", rate, ">=", RATE),
            Limit("moving: % lost after 3 s, beyond direct", lost(moving, direct), "<=", 0),
            Limit("moving: p95 beyond direct, frame intervals", later, "<=", LATENCY_FRAMES),
            Limit("moving: memory since 3 s, MB", moving.growth_mb, "<=", GROWTH_MB),
            Limit(
                "still: CPU of matting, to all else",
                still.matting_s / still.other_s,
                "<=",
                STILL_SHARE,
            ),
        ]
    )


def lost(run: Run, direct: Run) -> float:
    """Per cent of frames that *run* lost and *direct* did not."""
    return 100 * max(0.0, run.lost - direct.lost)


if __name__ == "__main__":
    raise SystemExit(main())
