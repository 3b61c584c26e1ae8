"""
Clips whose alpha and motion are known exactly, because the frames are made from them.

A frame is `round(alpha * subject + (1 - alpha) * backdrop)`, then what a camera does to it: gain,
noise, compression. Everything follows from the clip's name, size and seed. Frames are made when
they are asked for, and only the layers of the latest few are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.evaluation.placing import Affine, Layer, chain, inverse, layer, shift
from streamer.evaluation.scenery import Actor, Camera, Drift, Scene
from streamer.frame import Alpha, Image

Kind = Literal["normal", "safety", "live", "live_moving", "families"]
"""
`normal`: a subject that a model should find; `safety`: the matte must be right or empty; `live`:
people before a webcam in a still room; `live_moving`: the same with movement behind; `families`:
like the many kinds of files that users bring.
"""

_KEPT = 3


def _stays(_: float) -> tuple[float, float]:
    return 0.0, 0.0


@dataclass(frozen=True, slots=True)
class Motion:
    """How the pixels of a frame came from the frame before."""

    flow: NDArray[np.float32]
    """(H, W, 2) x and y in pixels: what is at p now was at `p - flow[p]`."""
    seen: NDArray[np.bool_]
    """(H, W): it was visible there: not uncovered since, and not outside the frame."""
    subject: NDArray[np.bool_]
    """(H, W): on a subject or within some 32 px of one."""


@dataclass(frozen=True, slots=True)
class _Cover:
    """What one frame shows, before gain, noise and compression."""

    extras: tuple[Layer, ...]
    actors: tuple[Layer, ...]
    alpha: NDArray[np.float32]
    """(H, W) in [0, 255]: of all actors together."""
    labels: NDArray[np.uint8]
    """(H, W): 0 the backdrop, then the extras in their order, then the actors and overlays."""
    poses: tuple[Affine, ...]
    """By label."""
    subjects: slice
    """The labels of actors."""
    overlays: tuple[Layer, ...]


@dataclass(eq=False)
class Clip:
    """
    A clip with its truth. Frames and alphas that are returned are new arrays.

    Not thread-safe. Any frame may be asked for at any time; compressed clips are fast only if
    frames are asked for in order.
    """

    name: str
    description: str
    """One line."""
    kind: Kind
    width: int
    height: int
    frames: int
    """How many; the first is 0."""
    seed: int
    scenes: Sequence[tuple[int, Scene]]
    """Each with the index of its first frame, 0 for the first scene."""
    camera: Camera = field(default_factory=Camera)
    empty_will_do: Callable[[int], bool] = lambda _: False
    """By frame: an empty matte is as right as the truth, as hardly anything can be seen."""
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
            back = chain(earlier, inverse(pose)) - np.eye(2, 3)
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
        on_subject = (now.labels >= now.subjects.start) & (now.labels < now.subjects.stop)
        return Motion(flow, came_from == now.labels, on_subject)

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
        """Compose the frame: actors are averaged while the shutter is open."""
        size = (self.width, self.height)
        alpha = np.zeros(size[::-1], np.float32)
        labels = np.zeros(size[::-1], np.uint8)
        poses = [self._seen(scene, index, shift(*_plus(scene.drift(index), scene.shake(index))))]
        extras, actors, overlays = [], [], []
        for number, extra in enumerate(scene.extras, 1):
            place = self._place(scene, extra, index, scene.drift)
            own = layer([(extra.look(index), place)], size, density=1)
            labels[own.box][own.alpha > 127] = number
            poses.append(place)
            extras.append(own)
        for number, actor in enumerate(scene.actors, len(poses)):
            own = self._layer(scene, actor, index)
            near = _surroundings(own, size)
            if actor.part:
                near &= alpha < 4
                near[own.box] |= own.alpha > 127
            labels[near] = number
            alpha[own.box] *= 1 - own.alpha / 255
            alpha[own.box] += own.alpha
            poses.append(self._place(scene, actor, index))
            actors.append(own)
        for number, overlay in enumerate(scene.overlays, len(poses)):
            place = self._posed(overlay, index)
            own = layer([(overlay.look(index), place)], size, density=1)
            labels[own.box][own.alpha > 127] = number
            alpha[own.box] *= 1 - own.alpha / 255
            poses.append(place)
            overlays.append(own)
        first = 1 + len(extras)
        return _Cover(
            tuple(extras),
            tuple(actors),
            alpha,
            labels,
            tuple(poses),
            slice(first, first + len(actors)),
            tuple(overlays),
        )

    def _layer(self, scene: Scene, actor: Actor, index: int) -> Layer:
        count = self.camera.exposures
        moments = [index + self.camera.shutter * ((n + 0.5) / count - 0.5) for n in range(count)]
        placed = [(actor.look(at), self._place(scene, actor, at)) for at in moments]
        return layer(placed, (self.width, self.height))

    def _place(self, scene: Scene, actor: Actor, moment: float, drift: Drift = _stays) -> Affine:
        """From the sprite's pixels to the frame's."""
        moved = shift(*_plus(scene.shake(moment), drift(moment)))
        return self._seen(scene, moment, chain(moved, self._posed(actor, moment)))

    def _posed(self, actor: Actor, moment: float) -> Affine:
        """From the sprite's pixels to the frame's, without drift, shake or zoom."""
        pose = actor.pose(moment)
        scale = pose.height * self.height / actor.sprite.lit.shape[0]
        turn = cv2.getRotationMatrix2D(actor.sprite.anchor, pose.degrees, scale)
        turn[0, 2] += pose.x * self.width - actor.sprite.anchor[0]
        turn[1, 2] += pose.y * self.height - actor.sprite.anchor[1]
        return np.asarray(turn, np.float64)

    def _seen(self, scene: Scene, moment: float, place: Affine) -> Affine:
        """*place*, with the scene's zoom applied."""
        zoom = scene.zoom(moment)
        if zoom == 1:
            return place
        larger = cv2.getRotationMatrix2D((self.width / 2, self.height / 2), 0, zoom)
        return chain(np.asarray(larger, np.float64), place)

    def _picture(self, index: int) -> Image:
        random = np.random.default_rng((self.seed, index))
        if self.camera.covered(index):
            picture = np.full((self.height, self.width, 3), (10.0, 9.0, 14.0), np.float32)
        else:
            picture = self._view(index)
            gain = np.asarray(self.camera.gain(index), np.float32)
            if np.any(gain != 1):
                picture *= gain
        if self.camera.noise:
            grain = random.standard_normal(picture.shape, np.float32)
            grain *= self.camera.noise
            # Rounds to even and clips in one pass, with the same result as below.
            shown = np.asarray(cv2.add(picture, grain, dtype=cv2.CV_8U), np.uint8)
        else:
            shown = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
        if self.camera.grey:
            grey = cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY)
            shown = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
        return shown

    def _view(self, index: int) -> NDArray[np.float32]:
        """What is before the camera, (H, W, 3) in [0, 255]."""
        scene, cover = self._scene(index), self._cover(index)
        middle = (
            (scene.backdrop.shape[1] - self.width) / 2,
            (scene.backdrop.shape[0] - self.height) / 2,
        )
        behind = cv2.warpAffine(
            scene.backdrop,
            chain(cover.poses[0], shift(-middle[0], -middle[1])),
            (self.width, self.height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        picture = np.asarray(behind.astype(np.float32), np.float32)
        for extra in cover.extras:
            extra.over(picture)
        for actor in cover.actors:
            actor.over(picture)
        for overlay in cover.overlays:
            overlay.over(picture)
        return picture

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


def _surroundings(own: Layer, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W): where a layer is, and some 32 px around it."""
    rows, columns = (slice(-(-part.start // 4), -(-part.stop // 4)) for part in own.box)
    near = np.zeros((-(-size[1] // 4), -(-size[0] // 4)), np.uint8)
    top, left = (-part.start % 4 for part in own.box)
    near[rows, columns] = own.alpha[top::4, left::4] > 4
    reach = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    wide = cv2.resize(cv2.dilate(near, reach), size, interpolation=cv2.INTER_NEAREST)
    return np.asarray(wide > 0, np.bool_)


def _plus(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]
