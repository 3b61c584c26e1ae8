"""The sink of the page: pictures only for those who watch, and each encoded once."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from streamer.compositing import Composer, Pixels
from streamer.config import LayoutConfig
from streamer.errors import ConfigError, SinkError
from streamer.packets import AudioPacket, AudioTrack
from streamer.serving.fragments import Opening
from streamer.serving.views import Kind, Piece, View, Viewer, layout_key
from streamer.sinks.page import PageSink
from streamer.sinks.shared.encoder import EncoderSettings
from tests.unit.sinks.scene import RED, shot, stream_info

CUTOUT = LayoutConfig(layout="cutout")
LIVE = replace(stream_info(), live=True)
OPUS = AudioTrack("opus", 48000, 2, Fraction(1, 48000))

Compose = Callable[[LayoutConfig, Pixels], Composer]


def compose(layout: LayoutConfig, pixels: Pixels) -> Composer:
    return Composer(layout, pixels=pixels)


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture(autouse=True)
def _every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames come as fast as the test writes them."""
    monkeypatch.setattr("streamer.sinks.page._LEAST_S", 0.0)
    monkeypatch.setattr("streamer.serving.views._KEY_PAUSE_S", 0.0)


def made(view: View, how: Compose = compose) -> PageSink:
    return PageSink(view, how, EncoderSettings(encoder="software"), 90)


def join(view: View, kind: Kind = "mp4", layout: LayoutConfig = CUTOUT) -> Viewer:
    return view.join(layout, kind, lambda: None)


def film_of(viewer: Viewer) -> list[np.ndarray]:
    """The pictures that *viewer* got, as a browser would decode them."""
    data = b"".join(item.data for item in viewer.take() if item is not None)
    with av.open(io.BytesIO(data)) as film:
        return [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]


def test_nothing_is_encoded_while_nobody_watches(view: View) -> None:
    sink = made(view)
    sink.open(LIVE)
    sink.write(*shot(0))
    viewer = join(view)
    sink.write(*shot(1))
    assert sink.statistics() == {"type": "page", "frames": 2, "encoded": 1, "viewers": 1}
    viewer.leave()
    sink.write(*shot(2))
    assert sink.statistics() == {"type": "page", "frames": 3, "encoded": 1, "viewers": 0}


def test_a_viewer_sees_what_is_composed(view: View) -> None:
    sink, viewer = made(view), join(view)
    sink.open(LIVE)
    for index in range(5):
        sink.write(*shot(index))
    film = film_of(viewer)
    assert len(film) == 5
    assert np.abs(film[-1][24, 8].astype(int) - RED).max() < 12
    assert film[-1][24, 56].max() < 12, "the background is gone"


def test_who_wants_it_keyed_sees_the_fill_above_the_key(view: View) -> None:
    sink, viewer, other = made(view), join(view, "keyed"), join(view)
    sink.open(LIVE)
    for index in range(5):
        sink.write(*shot(index))
    keyed, plain = film_of(viewer)[-1], film_of(other)[-1]
    assert keyed.shape == (96, 64, 3)
    assert np.abs(keyed[:48].astype(int) - plain).max() < 12
    assert keyed[48 + 24, 8].min() > 243
    assert keyed[48 + 24, 56].max() < 12


def test_several_viewers_of_one_layout_share_one_encoding(view: View) -> None:
    sink, viewers = made(view), [join(view) for _ in range(3)]
    sink.open(LIVE)
    for index in range(4):
        sink.write(*shot(index))
    assert sink.statistics()["encoded"] == 4
    assert len({len(film_of(viewer)) for viewer in viewers}) == 1


def test_a_newcomer_gets_a_key_frame_at_once(view: View) -> None:
    sink, first = made(view), join(view)
    sink.open(LIVE)
    for index in range(3):
        sink.write(*shot(index))
    late = join(view)
    sink.write(*shot(3))
    assert len(film_of(late)) == 1
    assert len(film_of(first)) == 4


def test_jpeg_pictures_are_made_as_fast_as_they_are_taken(view: View) -> None:
    sink, viewer = made(view), join(view, "jpeg")
    sink.open(LIVE)
    for index in range(3):
        sink.write(*shot(index))
    assert sink.statistics()["encoded"] == 1, "the first one still waits"
    (piece,) = viewer.take()
    assert isinstance(piece, Piece)
    picture = cv2.imdecode(np.frombuffer(piece.data, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 64, 3)
    sink.write(*shot(3))
    assert len(viewer.take()) == 1


def test_another_size_begins_anew(view: View) -> None:
    sink, viewer = made(view), join(view)
    sink.open(LIVE)
    sink.write(*shot(0))
    sink.write(*shot(1, width=96))
    openings = [item for item in viewer.take() if isinstance(item, Opening)]
    assert [(one.width, one.height) for one in openings] == [(64, 48), (96, 48)]


def test_a_file_that_is_worked_on_fast_is_shown_when_its_frames_come(view: View) -> None:
    sink, viewer = made(view), join(view)
    sink.open(stream_info())
    for index in range(0, 3000, 300):  # ten seconds of film apart
        sink.write(*shot(index))
    data = b"".join(item.data for item in viewer.take() if item is not None)
    with av.open(io.BytesIO(data)) as film:
        times = [frame.time for frame in film.decode(video=0)]
    assert len(times) == 10
    assert times[-1] - times[0] < 30, "the tests' time, not the film's ninety seconds"


def test_audio_goes_along_with_live_pictures(view: View) -> None:
    sink, viewer = made(view), join(view)
    sink.open(replace(LIVE, audio=OPUS))
    sink.write_audio(AudioPacket(b"\xfc\xff\xfe", 0))  # too early: there is no picture
    sink.write(*shot(0))
    sink.write_audio(AudioPacket(b"\xfc\xff\xfe", 960))
    opening, picture, sound = viewer.take()
    assert isinstance(opening, Opening)
    assert "opus" in opening.mime
    assert isinstance(picture, Piece)
    assert isinstance(sound, Piece)
    assert (picture.key, sound.key) == (True, False)


def test_a_layout_that_cannot_be_drawn_costs_its_viewers_the_picture_and_nobody_else(
    view: View, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(layout: LayoutConfig, pixels: Pixels) -> Composer:
        if layout.layout == "mask":
            raise ConfigError("beach.jpg: is gone")
        return compose(layout, pixels)

    sink, unlucky, other = (
        made(view, broken),
        join(view, layout=LayoutConfig(layout="mask")),
        join(view),
    )
    sink.open(LIVE)
    for index in range(3):
        sink.write(*shot(index))
    assert unlucky.take() == (None,)
    assert len(film_of(other)) == 3
    assert caplog.text.count("beach.jpg: is gone") == 1


def test_sixty_frames_a_second_are_shown_although_they_come_unevenly(
    view: View, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streamer.sinks.page._LEAST_S", 1 / 61)
    rng = np.random.default_rng(0)
    clock = iter([index / 60 + 0.001 * rng.standard_normal() for index in range(120)])
    settings = EncoderSettings(encoder="software")
    sink, _ = PageSink(view, compose, settings, 90, lambda: next(clock)), join(view)
    sink.open(LIVE)
    for index in range(120):
        sink.write(*shot(index))
    assert sink.statistics()["encoded"] >= 117


def test_whatever_fails_for_viewers_does_not_end_the_stream(view: View) -> None:
    def broken(layout: LayoutConfig, pixels: Pixels) -> Composer:
        raise MemoryError("too large")

    sink, viewer = made(view, broken), join(view)
    sink.open(LIVE)
    still = view.still()
    sink.write(*shot(0))
    assert viewer.take() == (None,)
    with pytest.raises(MemoryError):
        still.result(0)


def test_what_a_relay_encodes_is_not_encoded_again(view: View) -> None:
    sink, viewer = made(view), join(view)
    sink.open(LIVE)
    view.relay(layout_key(CUTOUT), view)
    sink.write(*shot(0))
    assert sink.statistics()["encoded"] == 0
    view.relay_no_more(layout_key(CUTOUT), view)
    sink.write(*shot(1))
    assert len(film_of(viewer)) == 1


def test_a_still_is_the_cutout_of_the_next_frame_with_its_alpha(view: View) -> None:
    sink = made(view)
    sink.open(LIVE)
    still = view.still()
    sink.write(*shot(0))
    picture = cv2.imdecode(np.frombuffer(still.result(0), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (48, 64, 4)
    assert picture[24, 8].tolist() == [*RED, 255]
    assert picture[24, 56, 3] == 0


def test_viewers_learn_that_the_run_has_ended_and_go_on_with_the_next(view: View) -> None:
    viewer, still = join(view), None
    first = made(view)
    first.open(LIVE)
    first.write(*shot(0))
    still = view.still()
    first.close()
    first.close()
    assert viewer.take()[-1] is None
    with pytest.raises(SinkError, match="has ended"):
        still.result(0)
    second = made(view)
    second.open(LIVE)
    second.write(*shot(0))
    assert len(film_of(viewer)) == 1
