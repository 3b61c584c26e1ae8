"""
Clips whose alpha and motion are known exactly, because they are made by them.

A frame is `round(alpha * subject + (1 - alpha) * backdrop)`, then what a camera does to it: gain,
noise, compression. Everything follows from the clip's name, size and seed. Frames are made when
they are asked for; no picture is kept but the latest few.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.drawing import Sprite
from streamer.frame import Alpha, Image

Affine = NDArray[np.float64]
"""(2, 3): (x, y) goes to `A @ (x, y, 1)`; pixel centres lie at whole numbers."""

_KEPT = 3


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a subject is at a moment."""

    x: float
    """Of its anchor, in widths of the frame."""
    y: float
    """Of its anchor, in heights of the frame."""
    height: float
    """Of the whole subject, in heights of the frame."""
    degrees: float = 0.0
    """Counter-clockwise."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A subject and its way; `pose` takes the time in frames, which need not be whole."""

    sprite: Sprite
    pose: Callable[[float], Pose]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is before the camera, from one cut to the next. Later actors stand before earlier."""

    backdrop: Image
    """Larger than the frame; its middle is where the camera looks."""
    actors: tuple[Actor, ...] = ()
    drift: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    """How far the backdrop has moved behind the actors, in pixels."""
    shake: Callable[[float], tuple[float, float]] = lambda _: (0.0, 0.0)
    """How far all that is seen has moved, in pixels."""


@dataclass(frozen=True, slots=True)
class Camera:
    """What becomes of the light."""

    noise: float = 2.0
    """Standard deviation of the sensor's noise, in levels of 255."""
    gain: Callable[[int], float] = lambda _: 1.0
    """By frame: 0 is darkness."""
    covered: Callable[[int], bool] = lambda _: False
    """By frame: something lies on the lens; no subject is to be seen."""
    shutter: float = 0.0
    """How long it is open, in frames: what moves meanwhile is blurred."""
    exposures: int = 1
    """Moments that are averaged while the shutter is open."""
    bitrate: int | None = None
    """Bits a second of H.264 that the frames have been through; None: none."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How the pixels of a frame came from the frame before."""

    flow: NDArray[np.float32]
    """(H, W, 2) x and y in pixels: what is at p now was at `p - flow[p]`."""
    seen: NDArray[np.bool_]
    """(H, W): it was to be seen there, neither uncovered since nor out of the frame."""
    subject: NDArray[np.bool_]
    """(H, W): on a subject or within some 32 px of one."""


@dataclass(frozen=True, slots=True)
class _Cover:
    """One frame before the camera's part: colours weighted by alpha, and each actor's alpha."""

    lit: NDArray[np.float32]
    alpha: NDArray[np.float32]
    labels: NDArray[np.uint8]
    poses: tuple[Affine, ...]


@dataclass(eq=False)
class Clip:
    """
    A clip with its truth. Frames and alphas that are returned are new arrays.

    Not thread-safe. Any frame may be asked for at any time; compressed clips are quick only in
    order.
    """

    name: str
    description: str
    """One line."""
    kind: Literal["normal", "safety"]
    """`normal`: a subject that a model should find; `safety`: the right matte or an empty one."""
    width: int
    height: int
    frames: int
    """How many; the first is 0."""
    seed: int
    scenes: Sequence[tuple[int, Scene]]
    """Each with its first frame; the first has 0."""
    camera: Camera = field(default_factory=Camera)
    empty_will_do: Callable[[int], bool] = lambda _: False
    """By frame: an empty matte is as right as the truth, for hardly anything can be seen."""
    fps: int = 30

    def __post_init__(self) -> None:
        self._covers: OrderedDict[int, _Cover] = OrderedDict()
        self._decoded: Iterator[Image] | None = None
        self._next = 0
        self._film: bytes | None = None

    def frame(self, index: int) -> Image:
        """The picture, (height, width, 3) uint8 BGR. Raises IndexError."""
        self._check(index)
        if self.camera.bitrate is None:
            return self._picture(index)
        return self._compressed(index)

    def alpha(self, index: int) -> Alpha:
        """The true alpha of frame *index*, (height, width) uint8. Raises IndexError."""
        self._check(index)
        if self.camera.covered(index):
            return np.zeros((self.height, self.width), np.uint8)
        return np.rint(self._cover(index).alpha).astype(np.uint8)

    def cut(self, index: int) -> bool:
        """Whether frame *index* begins a scene; the first does."""
        return any(first == index for first, _ in self.scenes)

    def motion(self, index: int) -> Motion | None:
        """
        How frame *index* came from the one before; None at a cut, and where the lens is or was
        covered. Raises IndexError.
        """
        self._check(index)
        if self.cut(index) or self.camera.covered(index) or self.camera.covered(index - 1):
            return None
        now, before = self._cover(index), self._cover(index - 1)
        flow = np.empty((self.height, self.width, 2), np.float32)
        grid_x, grid_y = np.meshgrid(
            np.arange(self.width, dtype=np.float32), np.arange(self.height, dtype=np.float32)
        )
        for label, (pose, earlier) in enumerate(zip(now.poses, before.poses, strict=True)):
            back = _chain(earlier, _inverse(pose)) - np.eye(2, 3)
            here = now.labels == label
            x, y = grid_x[here], grid_y[here]
            flow[here, 0] = -(back[0, 0] * x + back[0, 1] * y + back[0, 2])
            flow[here, 1] = -(back[1, 0] * x + back[1, 1] * y + back[1, 2])
        came_from = cv2.remap(
            before.labels,
            grid_x - flow[..., 0],
            grid_y - flow[..., 1],
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(255,),
        )
        return Motion(flow, came_from == now.labels, now.labels > 0)

    def _check(self, index: int) -> None:
        if not 0 <= index < self.frames:
            raise IndexError(f"{self.name}: has no frame {index}, only {self.frames}")

    def _scene(self, index: int) -> Scene:
        return [scene for first, scene in self.scenes if first <= index][-1]

    def _cover(self, index: int) -> _Cover:
        if index not in self._covers:
            self._covers[index] = self._expose(self._scene(index), index)
            while len(self._covers) > _KEPT:
                self._covers.popitem(last=False)
        self._covers.move_to_end(index)
        return self._covers[index]

    def _expose(self, scene: Scene, index: int) -> _Cover:
        """Average what is seen while the shutter is open."""
        size = (self.width, self.height)
        count = self.camera.exposures
        moments = [index + self.camera.shutter * ((n + 0.5) / count - 0.5) for n in range(count)]
        alpha = np.zeros(size[::-1], np.float32)
        lit = np.zeros((*size[::-1], 3), np.float32)
        labels = np.zeros(size[::-1], np.uint8)
        poses = [_shift(*_plus(scene.drift(index), scene.shake(index)))]
        reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
        for number, actor in enumerate(scene.actors, 1):
            own = np.zeros((*size[::-1], 4), np.float32)
            for moment in moments:
                _warp(actor.sprite, self._place(scene, actor, moment), own, 1 / count)
            rest = 1 - own[..., 3] / 255
            lit *= rest[..., None]
            lit += own[..., :3]
            alpha *= rest
            alpha += own[..., 3]
            near = (own[::4, ::4, 3] > 4).astype(np.uint8)
            wide = cv2.resize(cv2.dilate(near, reach), size, interpolation=cv2.INTER_NEAREST)
            labels[wide > 0] = number
            poses.append(self._place(scene, actor, index))
        return _Cover(lit, alpha, labels, tuple(poses))

    def _place(self, scene: Scene, actor: Actor, moment: float) -> Affine:
        """From the sprite's pixels to the frame's."""
        pose = actor.pose(moment)
        scale = pose.height * self.height / actor.sprite.lit.shape[0]
        dx, dy = scene.shake(moment)
        turn = cv2.getRotationMatrix2D(actor.sprite.anchor, pose.degrees, scale)
        turn[0, 2] += pose.x * self.width + dx - actor.sprite.anchor[0]
        turn[1, 2] += pose.y * self.height + dy - actor.sprite.anchor[1]
        return np.asarray(turn, np.float64)

    def _picture(self, index: int) -> Image:
        random = np.random.default_rng((self.seed, index))
        size = (self.width, self.height)
        if self.camera.covered(index):
            picture = np.full((self.height, self.width, 3), (10.0, 9.0, 14.0), np.float32)
        else:
            scene, cover = self._scene(index), self._cover(index)
            middle = (
                (scene.backdrop.shape[1] - self.width) / 2,
                (scene.backdrop.shape[0] - self.height) / 2,
            )
            place = _chain(cover.poses[0], _shift(-middle[0], -middle[1]))
            behind = cv2.warpAffine(
                scene.backdrop, place, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
            picture = behind.astype(np.float32)
            picture *= (1 - cover.alpha / 255)[..., None]
            picture += cover.lit
            picture *= self.camera.gain(index)
        if self.camera.noise:
            grain = random.standard_normal(picture.shape, np.float32)
            picture += self.camera.noise * grain
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

    def _compressed(self, index: int) -> Image:
        from streamer.evaluation.film import decode, encode

        if self._film is None:
            pictures = (self._picture(n) for n in range(self.frames))
            self._film = encode(
                pictures, self.width, self.height, self.fps, self.camera.bitrate or 0
            )
        if self._decoded is None or index < self._next:
            self._decoded, self._next = decode(self._film), 0
        for picture in self._decoded:
            self._next += 1
            if self._next == index + 1:
                return picture
        raise IndexError(f"{self.name}: frame {index} was lost in compression")


def _warp(sprite: Sprite, place: Affine, out: NDArray[np.float32], weight: float) -> None:
    """Add *weight* times the sprite to *out*, (H, W, 4), sampled at twice the frame's density."""
    tall, wide = sprite.lit.shape[:2]
    corners = np.array([(0, 0, 1), (wide, 0, 1), (0, tall, 1), (wide, tall, 1)]) @ place.T
    x0, y0 = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
    x1 = min(int(np.ceil(corners[:, 0].max())) + 3, out.shape[1])
    y1 = min(int(np.ceil(corners[:, 1].max())) + 3, out.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    # Pixel p of the frame is the mean of pixels 2p and 2p + 1 of the dense picture.
    dense = np.array([[2, 0, 0.5 - 2 * x0], [0, 2, 0.5 - 2 * y0]])
    large = cv2.warpAffine(
        sprite.lit, _chain(dense, place), (2 * (x1 - x0), 2 * (y1 - y0)), flags=cv2.INTER_LINEAR
    )
    small = cv2.resize(
        large.astype(np.float32), (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA
    )
    out[y0:y1, x0:x1] += weight * small


def _chain(then: Affine, first: Affine) -> Affine:
    """The one affine map that does *first* and *then*."""
    both = np.vstack([then, (0, 0, 1)]) @ np.vstack([first, (0, 0, 1)])
    return np.asarray(both[:2], np.float64)


def _inverse(affine: Affine) -> Affine:
    return np.asarray(cv2.invertAffineTransform(affine), np.float64)


def _shift(x: float, y: float) -> Affine:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def _plus(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]
