"""What a sink's format can hold: refused before anything is written, with the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamer.config import Config, parse_config
from streamer.errors import ConfigError

RGBA = {"compose": {"cutout": "rgba"}}
TRANSPARENT = {"compose": {"background": "transparent"}}


def parse(*sinks: dict[str, Any], **more: Any):
    return parse_config({"source": {"type": "usb"}, "sinks": list(sinks), **more}, name="c.yaml")


def complaint(*sinks: dict[str, Any], **more: Any) -> str:
    with pytest.raises(ConfigError) as refused:
        parse(*sinks, **more)
    return str(refused.value)


@pytest.mark.parametrize(
    ("sink", "expected"),
    [
        (
            {"type": "record", "path": "a.mp4"},
            "sinks.0.codec: h264 holds no alpha: name the file .mov or .webm or .mkv or "
            ".webp or .gif, or ",
        ),
        (
            {"type": "record", "path": "a.mp4", "codec": "av1"},
            "sinks.0.codec: av1 holds no alpha: leave it out and name the file .mov or .webm or ",
        ),
        (
            {"type": "record", "path": "a.mp4", "codec": "h264"},
            "sinks.0.codec: h264 holds no alpha: leave it out and name the file .mov or ",
        ),
        (
            {"type": "images", "path": "a", "format": "jpeg"},
            "sinks.0.format: jpeg holds no alpha: write png or webp, or ",
        ),
        ({"type": "pipe"}, "sinks.0.format: bgr holds no alpha: write rgba, or "),
        ({"type": "pipe", "format": "y4m"}, "sinks.0.format: y4m holds no alpha"),
    ],
)
def test_an_alpha_that_is_asked_for_is_never_dropped(sink: dict[str, Any], expected: str):
    of_cutout = complaint(sink | {"layout": "cutout"}, **RGBA)
    assert of_cutout.startswith(f"c.yaml: {expected}")
    assert "set compose.cutout: rgb_on_black" in of_cutout
    of_composite = complaint(sink | {"layout": "composite"}, **TRANSPARENT)
    assert of_composite.startswith(f"c.yaml: {expected}")
    assert "set another compose.background" in of_composite


@pytest.mark.parametrize(
    "sink",
    [
        {"type": "record", "path": "a.mov"},
        {"type": "record", "path": "a.mov", "codec": "png"},
        {"type": "record", "path": "a.webm"},
        {"type": "record", "path": "A.MKV"},
        {"type": "record", "path": "{start:%H.%M}.gif"},
        {"type": "record", "path": "a.webp"},
        {"type": "images", "path": "a"},
        {"type": "images", "path": "a", "format": "webp"},
        {"type": "pipe", "format": "rgba"},
        {"type": "display"},
        {"type": "virtual_camera"},
        {"type": "rtsp", "serve": "rtsp://127.0.0.1:8554/a"},
        {"type": "discard"},
    ],
)
def test_what_holds_an_alpha_takes_it_and_what_shows_it_shows_it_on_black(sink: dict[str, Any]):
    parse(sink | {"layout": "cutout"}, **RGBA)
    parse(sink | {"layout": "composite"}, **TRANSPARENT)


@pytest.mark.parametrize(
    ("path", "codec", "way_out"),
    [
        ("a.mkv", "h264", "h264 holds no alpha: take ffv1 or prores4444 or vp9, or set"),
        ("a.webm", "av1", "av1 holds no alpha: take vp9, or set"),
        ("a.MOV", "h264", "h264 holds no alpha: take prores4444 or png, or set"),
    ],
)
def test_a_file_that_holds_an_alpha_by_another_codec_is_told_which(
    path: str, codec: str, way_out: str
):
    assert way_out in complaint(
        {"type": "record", "path": path, "codec": codec, "layout": "cutout"}, **RGBA
    )


def test_other_layouts_have_no_alpha_to_drop():
    parse({"type": "record", "path": "a.mp4", "layout": "side_by_side"}, **RGBA)
    parse({"type": "record", "path": "a.mp4", "layout": "composite"}, **RGBA)
    parse({"type": "record", "path": "a.mp4", "layout": "cutout"}, **TRANSPARENT)


@pytest.mark.parametrize(
    ("path", "codec", "expected"),
    [
        ("a.mp4", "prores4444", "does not go into .mp4, which holds h264 or av1: name the file"),
        ("a.webm", "ffv1", "does not go into .webm, which holds vp9 or av1: name the file .mkv"),
        ("a.avi", "auto", ".avi is no video file: use one of .mp4 .mov .webm .mkv .webp .gif"),
        ("a", "auto", "no suffix is no video file"),
    ],
)
def test_a_codec_that_does_not_go_into_the_file_is_refused(path: str, codec: str, expected: str):
    said = complaint({"type": "record", "path": path, "codec": codec})
    assert said.startswith("c.yaml: sinks.0: ")
    assert expected in said
    assert "\n" not in said


def test_the_quality_of_h264_ends_at_51():
    said = complaint({"type": "record", "path": "a.mp4", "crf": 60})
    assert "sinks.0: crf: that of h264 goes up to 51" in said
    parse({"type": "record", "path": "a.webm", "crf": 60})


@pytest.mark.parametrize(
    ("path", "setting", "expected"),
    [
        ("a.mov", {"crf": 18}, "crf: prores4444 has none: leave it out"),
        ("a.mkv", {"crf": 18}, "crf: ffv1 has none: leave it out"),
        ("a.webm", {"preset": "slow"}, "preset: is h264's, and a.webm is vp9: leave it out"),
    ],
)
def test_a_setting_that_its_codec_has_not_is_refused(path: str, setting: Any, expected: str):
    assert expected in complaint({"type": "record", "path": path} | setting)


def test_rgba_is_piped_only_of_what_has_an_alpha():
    said = complaint({"type": "pipe", "format": "rgba", "layout": "cutout"})
    assert "sinks.0.format: rgba is for layout: cutout with compose.cutout: rgba" in said


def test_gray_is_piped_only_of_mask_and_alpha():
    parse({"type": "pipe", "format": "gray", "layout": "alpha"})
    said = complaint({"type": "pipe", "format": "gray", "layout": "cutout"})
    assert "sinks.0: format: gray is for layout: mask or alpha" in said


def test_one_pipe_has_stdout_for_itself():
    assert parse({"type": "pipe"}).owns_stdout
    assert not parse({"type": "pipe", "path": "out.pipe"}).owns_stdout
    assert "one pipe to stdout at most" in complaint({"type": "pipe"}, {"type": "pipe"})


@pytest.mark.parametrize("sink", [{"when": "interval"}, {"every_s": 2}])
def test_an_interval_goes_with_its_length(sink: dict[str, Any]):
    said = complaint({"type": "images", "path": "a", **sink})
    assert "when: interval goes with every_s" in said


def test_a_path_with_another_field_is_refused_before_the_run():
    said = complaint({"type": "record", "path": "out/{camera}.mp4"})
    assert said.startswith("c.yaml: sinks.0.path: ")
    assert "{camera} is not known: use {stream} or {start" in said


@pytest.mark.parametrize("written", ["clips/a.mp4", "clips/../clips/{stream}.mp4", "link.mp4"])
def test_nothing_is_written_over_what_the_stream_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.mp4").write_bytes(b"a")
    (tmp_path / "link.mp4").symlink_to("clips/a.mp4")
    sink = {"type": "record", "path": written, "overwrite": True}
    read = {"source": {"type": "file", "path": "clips/a.mp4"}, "name": "a"}
    assert "is what the stream reads: name another" in complaint(sink, **read)
    background = {"type": "video", "path": "clips/a.mp4"}
    said = complaint(sink, compose={"background": background}, name="a")
    assert said.startswith(f"c.yaml: sinks.0.path: {written} is what the stream reads")
    parse({"type": "images", "path": "clips"}, **read)


def test_two_sinks_do_not_write_one_file():
    films = [{"type": "record", "path": path, "overwrite": True} for path in ("a.mp4", "./a.mp4")]
    assert "sinks.1.path: is that of sinks.0 too" in complaint(*films)
    folder = {"type": "images", "path": "{start:%Y}"}
    assert "sinks.1.path: is that of sinks.0 too, and so are" in complaint(folder, folder)
    parse(folder, folder | {"format": "jpeg"})
    parse(folder, folder | {"names": "timestamp"})


def test_a_configuration_survives_its_own_dump():
    config = parse({"type": "record", "path": "a.webm"})
    assert Config.model_validate(config.model_dump()) == config
