from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.config import ComposeConfig, RefineConfig, Settings
from streamer.errors import SinkError
from streamer.sinks import ImagesSink
from streamer.sinks.folder.moments import Spaced, Triggered
from streamer.sinks.folder.retention import Retention
from tests.unit.sinks.scene import GREEN, RED, shot, stream_info

NOON = datetime(2026, 1, 31, 12, 0, 0, 40_000, UTC)


def sink_for(
    folder: Path, layout: str = "cutout", pixels: str = "bgr", **options: object
) -> ImagesSink:
    settings = Settings(RefineConfig(threshold=0.5), ComposeConfig(cutout="rgba"))
    return ImagesSink(folder, Composer(layout, settings, pixels=pixels), **options)


def write_noise(sink: ImagesSink) -> None:
    noise = np.random.default_rng(0)
    opaque = np.full((200, 200), 255, np.uint8)
    for index in range(100):
        image = noise.integers(0, 256, (200, 200, 3), np.uint8)
        sink.write(*shot(index, image=image, alpha=opaque))


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


def read(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def test_each_frame_is_a_file_named_by_its_index(tmp_path: Path):
    sink = sink_for(tmp_path / "a" / "b")
    sink.open(stream_info())
    for index in (0, 1, 7):
        sink.write(*shot(index))
    sink.close()
    assert names(tmp_path / "a" / "b") == ["00000000.png", "00000001.png", "00000007.png"]
    assert sink.statistics()["frames"] == 3


def test_the_cutout_is_on_black(tmp_path: Path):
    sink = sink_for(tmp_path)
    sink.open(stream_info())
    sink.write(*shot())
    picture = read(tmp_path / "00000000.png")
    assert picture.shape == (48, 64, 3)
    assert (picture[:, :32] == RED).all()
    assert not picture[:, 32:].any()


@pytest.mark.parametrize(("suffix", "quality"), [(".png", 95), (".webp", 100)])
def test_the_cutout_with_alpha_is_straight(tmp_path: Path, suffix: str, quality: int):
    frame, matte = shot()
    matte.alpha[:, 32:48] = 100
    sink = sink_for(tmp_path, pixels="bgra", suffix=suffix, quality=quality)
    sink.open(stream_info())
    sink.write(frame, matte)
    picture = read(tmp_path / f"00000000{suffix}")
    assert np.array_equal(picture[:, :, 3], matte.alpha)
    assert (picture[:, 32:48, :3] == GREEN).all()
    assert not picture[:, 48:].any()


def test_the_mask_is_one_channel_of_0_and_255(tmp_path: Path):
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    sink = sink_for(tmp_path, "mask", "gray")
    sink.open(stream_info())
    sink.write(*shot(alpha=alpha))
    assert np.array_equal(read(tmp_path / "00000000.png"), np.where(alpha >= 128, 255, 0))


def test_the_alpha_is_one_channel_as_it_came(tmp_path: Path):
    alpha = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    sink = sink_for(tmp_path, "alpha", "gray")
    sink.open(stream_info())
    sink.write(*shot(alpha=alpha))
    assert np.array_equal(read(tmp_path / "00000000.png"), alpha)


def test_jpeg_has_its_suffix(tmp_path: Path):
    sink = sink_for(tmp_path, suffix=".jpg")
    sink.open(stream_info())
    sink.write(*shot())
    assert names(tmp_path) == ["00000000.jpg"]
    assert (tmp_path / "00000000.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


def test_a_webp_is_near_and_has_its_suffix(tmp_path: Path):
    sink = sink_for(tmp_path, suffix=".webp", quality=90)
    sink.open(stream_info())
    sink.write(*shot())
    (path,) = tmp_path.iterdir()
    assert path.name == "00000000.webp"
    assert path.read_bytes()[8:12] == b"WEBP"
    assert np.abs(read(path)[8:-8, 8:24].astype(int) - RED).max() < 12


def test_a_trigger_takes_the_next_frame_and_no_other(tmp_path: Path):
    sink = sink_for(tmp_path, moments=Triggered())
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.trigger()
    sink.trigger()
    for index in (1, 2, 3):
        sink.write(*shot(index))
    assert names(tmp_path) == ["00000001.png"]
    assert sink.statistics()["frames"] == 1


def test_a_trigger_is_nothing_to_a_sink_that_waits_for_none(tmp_path: Path):
    sink = sink_for(tmp_path, moments=Spaced(10))
    sink.open(stream_info())
    sink.write(*shot(0))
    sink.trigger()
    sink.write(*shot(1))
    assert names(tmp_path) == ["00000000.png"]


def test_a_trigger_waits_while_the_source_is_away(tmp_path: Path):
    sink = sink_for(tmp_path, moments=Triggered())
    sink.open(stream_info())
    sink.trigger()
    frame, matte = shot(0)
    away = replace(frame.stamp, standby=True)
    sink.write(replace(frame, stamp=away), replace(matte, stamp=away))
    assert names(tmp_path) == []
    sink.write(*shot(1))
    assert names(tmp_path) == ["00000001.png"]


def test_timestamp_names_are_utc_and_a_collision_sorts_after(tmp_path: Path):
    times = iter([NOON, NOON, NOON + timedelta(seconds=1)])
    sink = sink_for(tmp_path, names="timestamp", clock=lambda: next(times))
    sink.open(stream_info())
    for index in range(3):
        sink.write(*shot(index))
    assert names(tmp_path) == [
        "20260131-120000-040000.png",
        "20260131-120000-040000_1.png",
        "20260131-120001-040000.png",
    ]


def test_timestamp_names_leave_the_files_of_another_run(tmp_path: Path):
    taken = tmp_path / "20260131-120000-040000.png"
    taken.write_bytes(b"mine")
    sink = sink_for(tmp_path, names="timestamp", clock=lambda: NOON)
    sink.open(stream_info())
    sink.write(*shot())
    assert taken.read_bytes() == b"mine"
    assert len(names(tmp_path)) == 2


def test_a_folder_with_numbered_pictures_is_refused_with_a_way_out(tmp_path: Path):
    (tmp_path / "00000003.png").write_bytes(b"mine")
    with pytest.raises(SinkError, match=r"00000003\.png: exists already: choose an empty folder"):
        sink_for(tmp_path).open(stream_info())


def test_other_files_in_the_folder_are_no_matter(tmp_path: Path):
    (tmp_path / "holiday.png").write_bytes(b"mine")
    (tmp_path / "00000000.jpg").write_bytes(b"mine")
    sink = sink_for(tmp_path)
    sink.open(stream_info())
    sink.write(*shot())
    assert len(names(tmp_path)) == 3


def test_a_name_taken_during_the_run_is_not_overwritten(tmp_path: Path):
    sink = sink_for(tmp_path)
    sink.open(stream_info())
    (tmp_path / "00000000.png").write_bytes(b"mine")
    with pytest.raises(SinkError, match="exists already"):
        sink.write(*shot())
    assert (tmp_path / "00000000.png").read_bytes() == b"mine"


def test_the_limit_deletes_the_oldest_of_this_run_and_no_other(tmp_path: Path):
    (tmp_path / "aaa.png").write_bytes(b"mine")
    sink = sink_for(tmp_path, retention=Retention(2))
    sink.open(stream_info())
    for index in range(5):
        sink.write(*shot(index))
    assert names(tmp_path) == ["00000003.png", "00000004.png", "aaa.png"]
    assert sink.statistics()["deleted"] == 3


def test_a_file_that_someone_deleted_does_not_stop_the_limit(tmp_path: Path):
    sink = sink_for(tmp_path, retention=Retention(1))
    sink.open(stream_info())
    sink.write(*shot(0))
    (tmp_path / "00000000.png").unlink()
    sink.write(*shot(1))
    assert names(tmp_path) == ["00000001.png"]


def test_a_full_disk_is_named_and_leaves_no_half_file(small_disk: Path):
    sink = sink_for(small_disk / "out")
    sink.open(stream_info())
    with pytest.raises(SinkError, match=r"\.png: the disk is full") as refused:
        write_noise(sink)
    sink.close()
    assert "\n" not in str(refused.value)
    written = names(small_disk / "out")
    assert len(written) == sink.statistics()["frames"] > 2
    for name in written:
        assert read(small_disk / "out" / name).shape == (200, 200, 3)


def test_a_folder_without_permission_is_named(locked_folder: Path):
    with pytest.raises(SinkError, match="out: no permission to write"):
        sink_for(locked_folder / "out").open(stream_info())
    sink = sink_for(locked_folder)
    sink.open(stream_info())
    with pytest.raises(SinkError, match=r"00000000\.png: no permission to write"):
        sink.write(*shot())
