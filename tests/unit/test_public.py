"""What programs may import: it is there, alone in a fresh process, and says what it is."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

NAMES = {
    "streamer": {
        *("BackgroundRemover", "Frame", "Host", "Matte", "Pipeline", "Stamp", "StreamerError"),
    },
    "streamer.protocols": {
        *("AdjustableSource", "AudioSink", "ControlledSink", "EarlySink", "Matting", "ModelInfo"),
        *("PacedMatting", "ProgressingSink", "Segmenter", "Sink", "Source", "SwitchedSink"),
        *("TriggeredSink", "WindowSink"),
    },
    "streamer.frame": {"Alpha", "Frame", "Grab", "Image", "Matte", "Stamp", "StreamInfo"},
    "streamer.packets": {"AudioPacket", "AudioTrack", "VideoPacket", "VideoTrack"},
    "streamer.events": {
        *("ChangeMade", "ChangeRefused", "Events", "FramesDropped", "ModelSwapped"),
        *("RecordingEnded", "RecordingStarted", "SourceChanged", "StageFailure"),
        *("StreamEnded", "StreamFailed", "ViewerJoined", "ViewerLeft"),
    },
    "streamer.errors": {"ConfigError", "ModelError", "SinkError", "SourceError", "StreamerError"},
    "streamer.controls": {"Applied", "Controls", "Refused"},
    "streamer.config": {
        *("BoxConfig", "Config", "SinkBase", "SourceBase", "load_box", "load_config"),
        *("parse_box", "parse_config", "register", "revise"),
    },
    "streamer.sources": {"make_source"},
    "streamer.sinks": {"DiscardSink", "ImagesSink", "Making", "RecordSink", "make_sink"},
    "streamer.compositing": {"Composer", "composite", "cutout_rgba", "mask"},
    "streamer.matting": {"EveryFrame", "make_matting"},
}


@pytest.mark.parametrize("module", NAMES)
def test_a_public_module_has_its_names(module: str) -> None:
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    assert NAMES[module] <= set(dir(loaded))


@pytest.mark.parametrize("module", NAMES)
def test_it_is_imported_alone(module: str) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import {module}"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_the_architecture_lists_them() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    (listed,) = re.findall(r"Programs may import (.*?), and of each", page, re.DOTALL)
    names = set(re.findall(r"`([a-z.]+)`", listed))
    assert {f"streamer{name}" if name.startswith(".") else name for name in names} == set(NAMES)
