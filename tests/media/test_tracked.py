"""Tracked matting with the real model, against clips whose alpha is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.config import parse_config
from streamer.evaluation import Measured, evaluate, make_clip
from streamer.loading import load_matting


def tracked(isnet: Path, name: str, frames: int) -> tuple[Measured, dict]:
    """The figures of a clip's first frames, and what tracking them took."""
    config = parse_config(
        {
            "source": {"type": "synthetic"},
            "model": {"name": str(isnet)},
            "matting": {"mode": "tracked"},
            "sinks": [{"type": "discard"}],
        }
    )
    matting, _ = load_matting(config)
    try:
        measured = evaluate(make_clip(name, width=640, height=360, frames=frames), matting)
        return measured, matting.statistics()
    finally:
        matting.close()


def test_a_moving_subject_is_cut_out_on_every_frame_by_a_model_that_sees_few(isnet):
    measured, told = tracked(isnet, "moving", 16)
    assert told["key_frames"] <= 3
    assert measured.means()["mad"] < 5
    assert min(measured.frames["iou"]) > 0.97


@pytest.mark.parametrize("name", ["nobody", "covered", "lights"])
def test_where_nobody_can_be_seen_nothing_is_shown(isnet, name):
    measured, _ = tracked(isnet, name, 40)
    assert max(measured.frames["mad"]) < 10
