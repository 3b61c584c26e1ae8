"""Records noise at 30 fps of film for ever, or until a write fails; a line for each frame."""
# ruff: noqa: T201 - what it prints is what the tests read

from __future__ import annotations

import resource
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.sinks import RecordSink
from tests.unit.sinks.scene import shot, stream_info


def main(path: str, largest: str, codec: str = "auto") -> None:
    if int(largest):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    noise = np.random.default_rng(1)
    sink = RecordSink(Path(path), Composer("source"), codec=codec, preset="ultrafast")
    sink.open(stream_info(160, 120, Fraction(30)))
    index = 0
    try:
        while index < 3000:
            image = noise.integers(0, 256, (120, 160, 3), np.uint8)
            sink.write(*shot(index, image=image))
            index += 1
            print(index, flush=True)
    except SinkError as error:
        print(f"SinkError {error}", flush=True)
    sink.close()
    print("closed", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
