"""What becomes of a model's answers that contradict each other."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.frame import Alpha, Image
from streamer.matting.tracking.effort import EFFORTS, View
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.looking import Looker

SIZE, SMALL = (360, 640), (180, 320)
PERSON = (slice(80, 360), slice(220, 400))
CHAIR = (slice(200, 360), slice(480, 600))
NOBODY = (slice(0, 0), slice(0, 0))


class Saying:
    """A model that says what it is told to: of glances, of the whole frame, and of crops."""

    sizes = ((512, 512), (1024, 1024))

    def __init__(self) -> None:
        self.glance = self.whole = self.crop = (NOBODY,)

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        answer = np.zeros(SIZE, np.uint8)
        is_all = image.shape[:2] == SIZE
        for place in (self.glance if size == (512, 512) else self.whole) if is_all else self.crop:
            answer[place] = 255
        rows, columns = (int(at) for at in image[0, 0, :2].astype(int) * 4)
        height, width = out.shape
        out[:] = answer[rows : rows + height, columns : columns + width]


class Stream:
    """Asks, as a live stream does, for frames of one still picture that says where it is cut."""

    def __init__(self) -> None:
        self.model = Saying()
        self.looker = Looker(self.model, Key(SIZE, SMALL), EFFORTS["balanced"], hasty=True)  # type: ignore[arg-type]
        rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] // 4
        self.image = np.dstack([rows, columns, rows]).astype(np.uint8)
        self.last: Key | None = None
        self.at_s = 0.0

    def ask(self, view: View) -> Key:
        key = Key(SIZE, SMALL)
        key.pts_s, key.scene = self.at_s, 1
        key.luma.fill(90)
        key.colours.fill(90)
        if self.last is not None and not self.last.is_empty:
            key.has_known, key.knows_closely = True, not self.last.is_rough
            key.known[:] = self.last.alpha
        self.looker.look(key, self.image, view)
        self.last, self.at_s = key, self.at_s + 0.3
        return key


@pytest.fixture
def stream() -> Stream:
    return Stream()


def shows(key: Key, place: tuple[slice, slice]) -> bool:
    return bool(np.median(key.alpha[place]) > 127)


def test_furniture_of_a_glance_is_gone_after_the_look_at_the_whole_frame(stream: Stream) -> None:
    stream.model.glance = stream.model.crop = (PERSON, CHAIR)
    stream.model.whole = (PERSON,)
    rough = stream.ask("glance")
    assert rough.is_rough
    assert shows(rough, CHAIR)
    for view in ("whole", "crops", "glance", "crops"):
        key = stream.ask(view)
        assert shows(key, PERSON)
        assert not shows(key, CHAIR)


def test_where_the_whole_frame_shows_nobody_nobody_is_shown(stream: Stream) -> None:
    stream.model.glance = stream.model.crop = (CHAIR,)
    assert stream.ask("glance").is_rough
    assert stream.ask("whole").is_empty
    assert stream.ask("glance").is_empty, "what was denied is not found again"


def test_who_comes_beside_the_denied_chair_is_found_by_a_glance(stream: Stream) -> None:
    stream.model.glance = stream.model.crop = (CHAIR,)
    stream.ask("glance"), stream.ask("whole")
    stream.model.glance = stream.model.crop = stream.model.whole = (PERSON, CHAIR)
    assert shows(stream.ask("glance"), PERSON)
    assert shows(stream.ask("crops"), PERSON)
