"""What viewers of a page get: bounded for each, and nobody held up by another."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

import pytest

from streamer.config import LayoutConfig
from streamer.serving.fragments import Opening
from streamer.serving.views import (
    MOST_VIEWERS,
    Audience,
    Item,
    Kind,
    Piece,
    TooManyViewers,
    View,
    Viewer,
    Views,
    layout_key,
)

MASK = LayoutConfig(layout="mask")
MASK_KEY = layout_key(MASK)
OPENING, LARGER = (Opening("video/mp4", width, 36, b"ftyp") for width in (64, 128))
KEY, NEXT = Piece(b"key"), Piece(b"next", key=False)


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    monkeypatch.setattr("streamer.serving.views._KEY_PAUSE_S", 0.0)
    return View()


def join(view: View, kind: Kind = "mp4", layout: LayoutConfig = MASK) -> Viewer:
    return view.join(layout, kind, lambda: None)


def only_audience(view: View) -> Audience:
    (audience,) = view.watched
    return audience


def begun(view: View, *pieces: Piece) -> Audience:
    audience = only_audience(view)
    audience.begin(OPENING)
    for piece in pieces:
        audience.put(piece)
    return audience


def test_a_viewer_begins_with_an_opening_and_a_key_frame(view: View) -> None:
    viewer = join(view)
    audience = begun(view, NEXT, KEY, NEXT)
    assert viewer.take() == (OPENING, KEY, NEXT)
    audience.put(KEY)
    assert viewer.take() == (KEY,), "the opening comes once"


def test_who_joins_later_asks_for_a_key_frame(view: View) -> None:
    join(view)
    audience = begun(view, KEY)
    assert audience.take_key_request()
    assert not audience.take_key_request()
    late = join(view)
    assert audience.take_key_request()
    audience.put(NEXT)
    audience.put(KEY)
    assert late.take() == (OPENING, KEY)


def test_key_frames_that_viewers_ask_for_have_a_pause_between_them() -> None:
    now_s = [0.0]
    audience = Audience(MASK, "mp4", lambda: None, lambda: now_s[0])
    audience.join(lambda: None)
    assert audience.take_key_request()
    audience.join(lambda: None)
    now_s[0] = 0.2
    assert not audience.take_key_request()
    now_s[0] = 0.3
    assert audience.take_key_request(), "it was not forgotten"


def test_another_opening_comes_before_the_pieces_that_need_it(view: View) -> None:
    viewer = join(view)
    audience = begun(view, KEY, NEXT)
    audience.begin(LARGER)
    audience.put(KEY)
    assert viewer.take() == (OPENING, KEY, NEXT, LARGER, KEY)


def test_who_is_too_slow_loses_what_waits_and_goes_on_with_a_key_frame(view: View) -> None:
    slow, quick = join(view), join(view)
    audience = begun(view, KEY)
    audience.take_key_request()
    got: list[Item] = []
    for _ in range(1000):
        audience.put(NEXT)
        got += quick.take()
    assert got.count(NEXT) == 1000, "the other is not held up"
    assert slow.take() == ()
    assert slow.lost == 150, "as many as may wait"
    assert audience.take_key_request()
    audience.put(KEY)
    assert slow.take() == (OPENING, KEY)
    assert quick.take() == (KEY,)


def test_what_waits_is_bounded_in_bytes_too(view: View) -> None:
    viewer = join(view)
    audience = begun(view, KEY)
    large = Piece(bytes(4 << 20), key=False)
    for _ in range(20):
        audience.put(large)
    assert sum(len(item.data) for item in viewer.take() if item) <= 20 << 20


def test_of_jpeg_pictures_only_the_newest_waits(view: View) -> None:
    viewer = join(view, "jpeg")
    audience = only_audience(view)
    assert audience.eager
    audience.put(KEY)
    assert not audience.eager, "he has not taken it"
    audience.put(Piece(b"newer"))
    assert viewer.take() == (Piece(b"newer"),)
    assert audience.eager


def test_viewers_are_woken_by_whatever_waits(view: View) -> None:
    woken: list[int] = []
    viewer = view.join(MASK, "mp4", lambda: woken.append(1))
    audience = begun(view, NEXT)
    assert not woken, "he cannot use it"
    audience.put(KEY)
    viewer.take()
    view.pause()
    view.pause()
    assert len(woken) == 2
    assert viewer.take() == (None,)


def test_layouts_and_kinds_have_audiences_of_their_own(view: View) -> None:
    cutout = LayoutConfig(layout="cutout")
    viewers = [join(view), join(view, layout=cutout), join(view, "jpeg"), join(view)]
    assert [(one.layout.layout, one.kind, one.viewers) for one in view.watched] == [
        ("mask", "mp4", 2),
        ("cutout", "mp4", 1),
        ("mask", "jpeg", 1),
    ]
    assert view.viewers == 4
    for viewer in viewers:
        viewer.leave()
        viewer.leave()
    assert view.watched == ()


def test_there_is_a_limit(view: View) -> None:
    viewers: Sequence[Viewer] = [join(view) for _ in range(MOST_VIEWERS)]
    with pytest.raises(TooManyViewers, match="64 viewers already"):
        join(view)
    viewers[0].leave()
    join(view)


def test_of_several_relays_of_one_layout_the_first_one_feeds_the_viewers(view: View) -> None:
    view.relay(MASK_KEY, "one")
    view.relay(MASK_KEY, "other")
    assert view.relayed_by(MASK_KEY) == "one"
    assert view.relayed_by(layout_key(LayoutConfig(layout="mask", labels=True))) is None
    view.relay_no_more(MASK_KEY, "one")
    view.relay_no_more(MASK_KEY, "one")
    assert view.relayed_by(MASK_KEY) == "other"
    view.relay_no_more(MASK_KEY, "other")
    assert view.relayed_by(MASK_KEY) is None


def test_after_another_beginning_viewers_wait_for_its_key_frame(view: View) -> None:
    viewer = join(view)
    audience = begun(view, KEY, NEXT)
    viewer.take()
    audience.take_key_request()
    audience.begin(LARGER)
    assert audience.take_key_request()
    audience.put(NEXT)
    assert viewer.take() == ()
    audience.put(KEY)
    assert viewer.take() == (LARGER, KEY)


def test_who_takes_stills_fulfils_them_unless_they_were_given_up(view: View) -> None:
    wanted, given_up = view.still(), view.still()
    given_up.cancel()
    taken: list[Future[bytes]] = view.take_stills()
    assert taken == [wanted]
    assert view.take_stills() == []


def test_a_view_stays_the_same_while_runs_come_and_go() -> None:
    views = Views()
    assert views.of("door") is views.of("door") is not views.of("hall")
