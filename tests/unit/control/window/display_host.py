"""Hosts a display sink as the pipeline's main thread does, and tells on stdout what happens."""
# ruff: noqa: T201 - what it prints is what the tests read

from __future__ import annotations

import logging
import sys
import time
from dataclasses import replace

from streamer.config import DisplaySinkConfig
from streamer.core.metrics import LatencyHistogram
from streamer.errors import SinkError, StopRequested
from streamer.sinks import Making, make_sink
from tests.unit.control.window.controls import FakeControls
from tests.unit.sinks.scene import shot, stream_info

LIMIT_S = 40


def main(snapshots: str, layout: str) -> None:
    logging.basicConfig(stream=sys.stdout, format="%(levelname)s %(message)s", level="INFO")
    latency = LatencyHistogram()
    config = DisplaySinkConfig(type="display", overlay=False, snapshots=snapshots, layout=layout)
    controls = FakeControls(lambda call: print(f"asked {call}", flush=True))
    sink = make_sink(config, Making(settings=controls.settings, stream="s", latency=latency))
    sink.control(controls)
    try:
        sink.open(stream_info(320, 240))
    except SinkError as error:
        print(f"SinkError {error}", flush=True)
        return
    paused = False
    deadline = time.monotonic() + LIMIT_S
    index = 0
    try:
        while time.monotonic() < deadline:
            if sink.paused:
                sink.pump()
            else:
                frame, matte = shot(index, width=320, height=240)
                sink.write(replace(frame, settings=controls.settings), matte)
                index += 1
                if index == 2:
                    print("ready", flush=True)
            if sink.paused != paused:
                paused = sink.paused
                print(f"paused {paused} at {sink.statistics()['frames']}", flush=True)
            time.sleep(0.02)
    except StopRequested as stop:
        print(f"StopRequested {stop}", flush=True)
    sink.close()
    print(f"closed {sink.statistics()}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
