"""What a recording or a relay is encoded with where nobody says."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.sinks import RecordSink
from streamer.sinks.shared.encoder import EncoderSettings, LiveEncoder
from streamer.sinks.shared.presets import FEW_CORES, preset_of
from tests.unit.sinks.scene import shot, stream_info

COUNTED = "streamer.sinks.shared.presets.core_count"


def is_ultrafast(encoded: bytes) -> bool:
    """Whether what x264 wrote was made so: its notes of itself are in the stream."""
    assert (b"cabac=0" in encoded) != (b"cabac=1" in encoded)
    return b"cabac=0" in encoded


@pytest.mark.parametrize(
    ("live", "cores", "preset"),
    [
        (True, 1, "ultrafast"),
        (True, FEW_CORES, "ultrafast"),
        (True, FEW_CORES + 1, "veryfast"),
        (False, 1, "veryfast"),
    ],
)
def test_few_cores_encode_what_is_live_as_fast_as_they_can(
    live: bool, cores: int, preset: str
) -> None:
    assert preset_of("auto", live=live, cores=cores) == preset
    assert preset_of("medium", live=live, cores=cores) == "medium"


@pytest.mark.parametrize(
    ("live", "cores", "asked", "fast"),
    [
        (True, 2, "auto", True),
        (True, 8, "auto", False),
        (False, 2, "auto", False),
        (True, 2, "superfast", False),
    ],
)
def test_a_recording_is_encoded_so_and_says_it(
    live: bool, cores: int, asked: str, fast: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(COUNTED, lambda: cores)
    sink = RecordSink(tmp_path / "clip.mp4", Composer("source"), preset=asked)
    assert sink.statistics()["preset"] is None
    sink.open(replace(stream_info(), live=live))
    sink.write(*shot(0))
    sink.close()
    assert is_ultrafast((tmp_path / "clip.mp4").read_bytes()) is fast
    assert sink.statistics()["preset"] == preset_of(asked, live=live, cores=cores)


@pytest.mark.parametrize("cores", [2, 8])
def test_a_relay_is_encoded_so_and_says_it(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(COUNTED, lambda: cores)
    settings = EncoderSettings(encoder="software")
    encoder = LiveEncoder(64, 48, Fraction(1, 90000), Fraction(30), settings)
    packets = encoder.encode(np.zeros((48, 64, 3), np.uint8), shot(0)[0].stamp)
    encoder.close()
    assert is_ultrafast(packets[0].data) is (cores == 2)
    assert encoder.preset == preset_of("auto", live=True, cores=cores)


def test_a_codec_without_a_preset_says_none(tmp_path: Path) -> None:
    sink = RecordSink(tmp_path / "clip.mkv", Composer("source"))
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.close()
    assert sink.statistics()["preset"] is None
