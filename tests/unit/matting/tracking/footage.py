"""Clips with truth, a model that tells it, and one way of asking: what tests of tracking need."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from streamer.errors import SegmentError
from streamer.evaluation import Clip, make_clip
from streamer.frame import Alpha, Frame, Image, Matte, Stamp
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.looking import Looker, View
from streamer.protocols import Matting, ModelInfo

SIZE = (144, 256)
"""(H, W) of footage, where not said otherwise: as small as all that happens is still seen."""
SIDES = (64, 96, 128, 192, 256)
"""Of the model's inputs."""


@dataclass(eq=False)
class Footage:
    """Frames and their true alphas."""

    images: Sequence[Image]
    alphas: Sequence[Alpha]
    fps: int = 30
    _places: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        self._places = {_digest(image): index for index, image in enumerate(self.images)}

    def __len__(self) -> int:
        return len(self.images)

    def frame(self, index: int, *, epoch: int = 0) -> Frame:
        return Frame(self.images[index], Stamp(index, index, Fraction(1, self.fps), 0, epoch))

    def find(self, crop: Image) -> tuple[int, tuple[slice, slice]]:
        """Which frame *crop* is a part of, or of a copy of which, and which part."""
        whole = crop
        while whole.base is not None:
            whole = whole.base
        start = crop.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        top, left = start // whole.strides[0], start % whole.strides[0] // whole.strides[1]
        height, width = crop.shape[:2]
        return self._places[_digest(whole)], (slice(top, top + height), slice(left, left + width))

    def __add__(self, other: Footage) -> Footage:
        return Footage([*self.images, *other.images], [*self.alphas, *other.alphas], self.fps)


def _digest(image: Image) -> int:
    return zlib.crc32(np.ascontiguousarray(image))


@cache
def _shot(name: str, width: int) -> tuple[Clip, list[Image], list[Alpha]]:
    """The clip, and as many of its frames as were made."""
    return make_clip(name, width=width, height=width * 9 // 16), [], []


def footage(name: str, frames: int = 60, *, width: int = SIZE[1]) -> Footage:
    """The first *frames* of the clip of that name; nobody may write to its arrays."""
    clip, images, alphas = _shot(name, width)
    for index in range(len(images), frames):
        images.append(clip.frame(index))
        alphas.append(clip.alpha(index))
        images[-1].setflags(write=False)
        alphas[-1].setflags(write=False)
    return Footage(images[:frames], alphas[:frames], clip.fps)


def dimmed(film: Footage, gain: float) -> Footage:
    """The same in less light."""
    return Footage(
        [np.rint(image * gain).astype(np.uint8) for image in film.images], film.alphas, film.fps
    )


class TruthSegmenter:
    """
    A model that tells the truth of whatever part of the footage it is shown.

    Args:
        film: what it will be shown.
        spoil: called with the frame's number and the answer, to change it in place, or to raise.
        on_segment: called first with the frame's number, to wait.
        sides: of its square sizes.
    """

    def __init__(
        self,
        film: Footage,
        *,
        spoil: Callable[[int, Alpha], Any] = lambda index, out: None,
        on_segment: Callable[[int], Any] = lambda index: None,
        sides: tuple[int, ...] = SIDES,
    ) -> None:
        self.sizes = tuple((side, side) for side in sides)
        self.info = ModelInfo("truth", "0" * 64, "fp32", self.sizes[-1], ("Truth",), 1)
        self.closed = False
        self.seen: list[tuple[int, int]] = []
        """(frame, side) of each call."""
        self._film = film
        self._spoil = spoil
        self._on_segment = on_segment

    @property
    def frames_seen(self) -> list[int]:
        """Numbers of the frames that it was asked about, each once."""
        return sorted({index for index, _ in self.seen})

    def warm_up(self) -> None:
        pass

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        if size is not None and size not in self.sizes:
            raise ValueError(f"not ready for {size}, only for {self.sizes}")
        if self.closed:
            raise SegmentError("truth: the model is closed")
        index, place = self._film.find(image)
        self._on_segment(index)
        self.seen.append((index, (size or self.sizes[-1])[0]))
        np.copyto(out, self._film.alphas[index][place])
        self._spoil(index, out)

    def close(self) -> None:
        self.closed = True


class Later:
    """
    Asking that has its answer some frames later, whatever the time.

    Args:
        frames: the answer to what one frame asks is there when the one so many later comes.
    """

    share = 1.0

    def __init__(self, frames: int) -> None:
        self.frames = frames
        self._left = 0
        self._question: tuple[Key, Image, Looker, View] | None = None
        self.closed = False

    @property
    def busy(self) -> bool:
        return self._question is not None

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        assert not self.busy, "one question at a time"
        self._question = key, image.copy(), looker, view
        self._left = self.frames

    def answer(self) -> Key | None:
        if self._question is None:
            return None
        if self._left > 0:  # it is asked for once right after the question, then once a frame
            self._left -= 1
            return None
        key, image, looker, view = self._question
        looker.look(key, image, view)
        self._question = None
        return key

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True, slots=True)
class Told:
    """One matte as it was when it was returned."""

    index: int
    alpha: Alpha
    origin: str
    age: int
    after: int
    """Frames that had been given after its own."""


def run(
    matting: Matting, film: Footage, *, frames: Iterable[int] | None = None, epoch: int = 0
) -> list[Told]:
    """
    The mattes of *film*, checked to be in order, of the right arrays and not held for too long.

    What was given back is overwritten at once, as the next frame in the ring would.
    """
    told: list[Told] = []
    held: deque[tuple[Frame, Alpha]] = deque()

    def keep(mattes: Sequence[Matte], now: int) -> None:
        for matte in mattes:
            frame, alpha = held.popleft()
            assert matte.stamp == frame.stamp, "in order"
            assert matte.alpha is alpha, "in its own array"
            index = matte.stamp.index
            told.append(Told(index, alpha.copy(), matte.origin, matte.age, now - index))
            alpha.fill(77)
            frame.image.fill(77)

    for index in frames if frames is not None else range(len(film)):
        stamp = film.frame(index, epoch=epoch).stamp
        frame = Frame(film.images[index].copy(), stamp)
        held.append((frame, np.full(frame.image.shape[:2], 99, np.uint8)))
        keep(matting.matte(*held[-1]), index)
        assert len(held) <= matting.delay
    keep(matting.flush(), index)
    assert not held, "nothing is kept"
    return told


def mad(alpha: Alpha, truth: Alpha) -> float:
    """Mean absolute difference, 0 to 1."""
    return float(np.abs(alpha.astype(np.int16) - truth).mean()) / 255


def errors(told: Sequence[Told], film: Footage) -> np.ndarray:
    """Of each matte, its mean absolute difference to the truth."""
    return np.array([mad(one.alpha, film.alphas[one.index]) for one in told])


def leaks(told: Sequence[Told], film: Footage) -> np.ndarray:
    """Of each matte, the share of the frame that it shows and that is background."""
    return np.array(
        [
            np.count_nonzero((one.alpha > 128) & (film.alphas[one.index] < 16)) / one.alpha.size
            for one in told
        ]
    )
