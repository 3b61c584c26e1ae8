"""The main job: a clip becomes a recording of cutout beside mask, and the demo shows it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import FileSourceConfig, parse_config
from streamer.matting import EveryFrame
from streamer.sinks import RecordSink
from streamer.sources.file import FileSource
from tests.fakes import FakeSegmenter, FakeSink
from tests.media.command import Command, pictures, times

SHORT_S = 0.8
FRAMES = 20


@pytest.fixture
def recorded(
    clip: Path, make_model: Callable[..., Path], tmp_path: Path
) -> tuple[Path, dict[str, Any]]:
    """A recording of the clip's first frames, and its report."""
    video = tmp_path / "out.mp4"
    config = parse_config(
        {
            "source": {"type": "file", "path": str(clip), "duration_s": SHORT_S},
            "model": {"name": str(make_model(gain=4.0)), "providers": ["cpu"]},
            "sinks": [{"type": "record", "path": str(video)}],
        },
        name="main",
    )
    return video, Pipeline.from_config(config).run()


def test_a_recording_gets_every_frame_of_a_file_beside_a_slow_sink(clip: Path, tmp_path: Path):
    source = FileSource(FileSourceConfig(type="file", path=str(clip), duration_s=SHORT_S))
    record = RecordSink(tmp_path / "out.mp4", Composer(), preset="ultrafast")
    slow = FakeSink("slow", on_write=lambda frame: time.sleep(0.08))
    report = Pipeline(source, EveryFrame(FakeSegmenter()), [record, slow]).run()
    assert len(times(tmp_path / "out.mp4")) == FRAMES
    assert slow.indices == list(range(FRAMES))
    assert report["frames"]["captured"] == report["frames"]["emitted"] == FRAMES
    assert not any(report["drops"].values())


def test_the_recording_has_the_frames_and_the_timestamps_of_its_source(
    clip: Path, recorded: tuple[Path, dict[str, Any]]
):
    video, report = recorded
    got, wanted = times(video), times(clip)[:FRAMES]
    assert len(got) == report["frames"]["emitted"] == FRAMES
    assert got == wanted


def test_the_cutout_is_black_wherever_the_mask_is(recorded: tuple[Path, dict[str, Any]]):
    shares = []
    for picture in pictures(recorded[0]):
        height, width = picture.shape[:2]
        assert (height, width) == (720, 2560)
        cutout, mask = picture[:, : width // 2], picture[:, width // 2 :, 0]
        outside = cv2.erode((mask < 128).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        inside = cv2.erode((mask >= 128).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        shares.append(outside.mean())
        assert cutout[outside].mean() < 4
        assert np.percentile(cutout[outside], 99) < 24
        assert cutout[inside].mean() > 40
    assert 0.05 < np.mean(shares) < 0.95


@pytest.mark.timeout(400)  # it makes an int8 file of the model first
def test_the_demo_makes_a_video_a_sheet_and_a_report_that_agree(
    command: Command, isnet: Path, tmp_path: Path
):
    out, models = tmp_path / "out", tmp_path / "cache" / "models"
    models.mkdir(parents=True)
    (models / isnet.name).symlink_to(isnet)
    ended = command.run(
        "demo",
        "--frames",
        "3",
        "--out",
        str(out),
        STREAMER_CACHE=str(models.parent),
        HF_ENDPOINT="http://127.0.0.1:9",  # so that no other model is fetched
        limit_s=380,
    )
    assert ended.code == 0, ended.err
    assert ended.errors == []
    report = json.loads((out / "demo.json").read_text(encoding="utf-8"))
    assert report["frames"]["captured"] == report["frames"]["emitted"] == 3
    assert report["model"]["name"] == "isnet"
    assert report["model"]["fallback"]
    assert report["model"]["precision"] == "int8"
    assert report["matting"]["mode"] == "tracked"
    frames = list(pictures(out / "demo.mp4"))
    assert [frame.shape for frame in frames] == [(720, 2560, 3)] * 3
    sheet = cv2.imread(str(out / "demo.png"))
    assert sheet.shape == (2 * 180, 2 * 640, 3)
    for number, frame in enumerate(frames):
        row, column = divmod(number, 2)
        tile = sheet[row * 180 : (row + 1) * 180, column * 640 : (column + 1) * 640]
        small = cv2.resize(frame, (640, 180), interpolation=cv2.INTER_AREA)
        assert np.abs(tile.astype(int) - small).max() <= 1
        mask = frame[:, 1280:, 0]
        assert 0.01 < (mask > 128).mean() < 0.99


def test_the_doctor_finds_that_the_main_job_can_run(command: Command):
    ended = command.run("doctor")
    assert ended.code == 0, ended.out
    assert "ready" in ended.out


def test_the_help_names_the_commands(command: Command):
    ended = command.run("--help")
    assert ended.code == 0
    assert ended.err == ""
    assert all(name in ended.out for name in ("run", "demo", "doctor", "preview"))
