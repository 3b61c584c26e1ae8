"""What a relay encodes goes to the viewers of the stream's page too."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from streamer.compositing import Composer
from streamer.config import LayoutConfig
from streamer.errors import SinkError
from streamer.packets import AudioTrack
from streamer.serving import fragments
from streamer.serving.fragments import Opening
from streamer.serving.views import Item, Piece, View, Viewer, layout_key
from streamer.sinks.relaying.outlets import PageOutlet, SeveralOutlets
from streamer.sinks.relaying.relay import RelaySink
from streamer.sinks.shared.encoder import EncoderSettings
from tests.unit.sinks.relaying.test_relay import FakeOutlet
from tests.unit.sinks.scene import shot, stream_info

CUTOUT = LayoutConfig(layout="cutout")
SETTINGS = EncoderSettings(encoder="software", preset="ultrafast")


class Hearing(FakeOutlet):
    """Takes any audio."""

    def takes(self, audio: AudioTrack) -> bool:
        return True


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.setattr("streamer.serving.views._KEY_PAUSE_S", 0.0)
    return View()


@pytest.fixture
def viewer(view: View) -> Viewer:
    return view.join(CUTOUT, "mp4", lambda: None)


def relay(view: View) -> RelaySink:
    sink = RelaySink(PageOutlet(view, CUTOUT), Composer("cutout"), SETTINGS)
    sink.open(replace(stream_info(), live=True))
    return sink


def kinds(items: tuple[Item, ...]) -> str:
    """An o for each opening, k for a key frame, n for another, - for no picture."""
    return "".join(
        "o" if isinstance(item, Opening) else "-" if item is None else "k" if item.key else "n"
        for item in items
    )


def test_viewers_get_its_packets_from_a_key_frame_on(view: View, viewer: Viewer) -> None:
    sink = relay(view)
    for index in range(4):
        sink.write(*shot(index))
    assert kinds(tuple(viewer.take())).startswith("ok")
    sink.close()
    assert kinds(tuple(viewer.take())) == "-"
    assert view.relayed_by(layout_key(CUTOUT)) is None


def test_of_two_relays_one_feeds_the_viewers_and_the_other_takes_over(
    view: View, viewer: Viewer
) -> None:
    first, second = relay(view), relay(view)
    for index in range(4):
        first.write(*shot(index))
        second.write(*shot(index))
    assert sum(isinstance(item, Piece) for item in viewer.take()) == 4
    first.close()
    for index in range(4, 8):
        second.write(*shot(index))
    got = kinds(tuple(viewer.take()))
    assert got.startswith("-ok"), got


def test_audio_that_browsers_do_not_play_is_relayed_all_the_same(
    view: View, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Hearing()
    outlets = SeveralOutlets([heard, PageOutlet(view, CUTOUT)])
    sink = RelaySink(outlets, Composer("cutout"), SETTINGS)
    sound = AudioTrack("pcm_alaw", 8000, 1, Fraction(1, 8000))
    sink.open(replace(stream_info(), live=True, audio=sound))
    for index in range(3):
        sink.write(*shot(index))
    assert len(heard.packets) == 3
    assert "page: relayed without its audio" in caplog.text


def test_what_browsers_cannot_be_shown_does_not_end_the_relay(
    view: View, viewer: Viewer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise SinkError("no parameter sets")

    monkeypatch.setattr(fragments, "Fragments", refuse)
    sink = relay(view)
    for index in range(3):
        sink.write(*shot(index))
    assert viewer.take() == ()
    assert view.relayed_by(layout_key(CUTOUT)) is None, "the page's own sink may show it"
    assert "cannot be shown in browsers: no parameter sets" in caplog.text
