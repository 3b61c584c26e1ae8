from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import FileSourceConfig, RtspSourceConfig, parse_config
from streamer.sources.decoding.fields import Deinterlacer
from tests.unit.sources.decoding.interlacing import HEIGHT, WIDTH, flagged, moment, verdicts, woven
from tests.unit.sources.decoding.picturing import film, pictures

INTERLACED = {"flags": "+ilme+ildct"}
KINDS = [
    ("mpg", "mpeg2video", INTERLACED),
    ("ts", "mpeg2video", {**INTERLACED, "bf": "2"}),
    ("mp4", "libx264", INTERLACED),
    ("mkv", "libx264", {**INTERLACED, "bf": "3"}),
]


def interlaced(path: Path, codec: str, options: dict[str, str], order: str = "tff") -> Path:
    frames = flagged(woven(20, top_first=order == "tff"), order)
    return film(path, frames, codec, options={**options, "crf": "12", "b": "4M"})


@pytest.mark.parametrize(("suffix", "codec", "options"), KINDS)
@pytest.mark.parametrize("order", ["tff", "bff"])
def test_interlaced_video_comes_out_progressive(tmp_path, suffix, codec, options, order):
    path = interlaced(tmp_path / f"i.{suffix}", codec, options, order)
    combed = verdicts(pictures(path, deinterlace="off"))
    assert combed.count(order) >= 16
    whole = verdicts(pictures(path))
    assert len(whole) == 20
    assert whole.count("progressive") >= 18


@pytest.mark.parametrize(("suffix", "codec", "options"), KINDS)
def test_each_frame_keeps_its_time(tmp_path, play, suffix, codec, options):
    path = interlaced(tmp_path / f"i.{suffix}", codec, options)
    assert play(path).times_s == play(path, deinterlace="off").times_s
    assert len(play(path, start_s=0.4, duration_s=0.2).times_s) == 5
    again = play(path, loop=True, limit=50).times_s
    assert np.allclose(np.diff([float(at) for at in again]), 0.04)


@pytest.mark.parametrize("count", [1, 2])
def test_a_film_of_a_frame_or_two_is_whole(tmp_path, count):
    path = film(tmp_path / "short.mp4", flagged(woven(count)), options=INTERLACED)
    assert len(list(pictures(path))) == count


def test_frames_without_the_flag_are_filtered_where_that_is_asked_for(tmp_path):
    path = film(tmp_path / "unflagged.mp4", flagged(woven(20), "prog"), options={"crf": "12"})
    assert verdicts(pictures(path)).count("tff") >= 16
    assert verdicts(pictures(path, deinterlace="on")).count("progressive") >= 18


def test_progressive_frames_pass_untouched_and_at_once():
    fields = Deinterlacer("auto")
    for frame in flagged((moment(n) for n in range(5)), "prog"):
        assert fields.put(frame) == [frame]
    assert fields.finish() == []


def test_progressive_frames_among_interlaced_ones_are_not_changed():
    fields = Deinterlacer("auto")
    mixed = [*flagged(woven(3)), *flagged((moment(2 * n) for n in range(3, 6)), "prog")]
    for number, frame in enumerate(mixed):
        frame.pts = number
    out = [each for frame in mixed for each in fields.put(frame)] + fields.finish()
    assert [frame.pts for frame in out] == list(range(6))
    for number in (3, 4, 5):
        luma = out[number].to_ndarray()[:HEIGHT]
        np.testing.assert_array_equal(luma, mixed[number].to_ndarray()[:HEIGHT])


def test_what_is_held_back_is_one_frame():
    fields = Deinterlacer("auto")
    assert [len(fields.put(frame)) for frame in flagged(woven(4))] == [0, 1, 1, 1]
    assert len(fields.finish()) == 1


def test_a_new_size_loses_no_frame():
    fields = Deinterlacer("on")
    small = av.VideoFrame(64, 48, "yuv420p")
    out = []
    for number, frame in enumerate([*flagged(woven(3)), small, *flagged(woven(2))]):
        frame.pts, frame.time_base = number, Fraction(1, 25)
        out += fields.put(frame)
    out += fields.finish()
    assert [(frame.pts, frame.width) for frame in out] == [
        *((number, WIDTH) for number in range(3)),
        (3, 64),
        *((number, WIDTH) for number in (4, 5)),
    ]


def test_still_pictures_that_are_flagged_wrongly_are_not_harmed():
    still = np.random.default_rng(0).integers(60, 200, (HEIGHT, WIDTH), dtype=np.uint8)
    fields = Deinterlacer("auto")
    frames = list(flagged([still] * 6))
    out = [each for frame in frames for each in fields.put(frame)] + fields.finish()
    for frame in out[1:-1]:
        luma = frame.to_ndarray()[:HEIGHT].astype(int)
        assert np.abs(luma - frames[0].to_ndarray()[:HEIGHT]).mean() < 0.5


@pytest.mark.parametrize(
    ("size", "layout"), [((2, 2), "yuv420p"), ((64, 48), "bayer_rggb8"), ((64, 48), "pal8")]
)
def test_what_has_no_fields_passes(size, layout):
    fields = Deinterlacer("on")
    frame = av.VideoFrame(*size, layout)
    frame.pts, frame.time_base = 7, Fraction(1, 25)
    assert [each.pts for each in (*fields.put(frame), *fields.finish())] == [7]


@pytest.mark.parametrize(("said", "meant"), [(True, "on"), (False, "off"), ("auto", "auto")])
def test_on_and_off_may_be_written_as_yaml_reads_them(said, meant):
    for source in (
        {"type": "file", "path": "a.mp4"},
        {"type": "rtsp", "url": "rtsp://camera/1"},
    ):
        config = parse_config(
            {"source": {**source, "deinterlace": said}, "sinks": [{"type": "discard"}]}
        ).source
        assert isinstance(config, FileSourceConfig | RtspSourceConfig)
        assert config.deinterlace == meant
