"""Makes the pictures of one sink: its panels, each in its place."""

from __future__ import annotations

import time
from typing import Literal

import cv2
import numpy as np

from streamer.compositing.arrangement import Arrangement, arrange, panels_of
from streamer.compositing.backdrops import OpenVideo
from streamer.compositing.layers import Picture, alpha_level
from streamer.compositing.lettering import draw_label
from streamer.compositing.panels import Panels, Shot
from streamer.config import DEFAULT_SETTINGS, ComposeConfig, Layout, LayoutConfig, Settings
from streamer.core.metrics import LatencyHistogram
from streamer.frame import Alpha, Frame, Image, Matte

Pixels = Literal["bgr", "bgra", "gray"]
"""(H, W, 3) BGR; (H, W, 4) BGRA with straight alpha; (H, W)."""

_LAYOUTS: dict[Pixels, tuple[Layout, ...]] = {
    "bgra": ("cutout", "composite"),
    "gray": ("mask", "alpha"),
}
_CHANNELS: dict[Pixels, tuple[int, ...]] = {"bgr": (3,), "bgra": (4,), "gray": ()}


def pixels_of(layout: Layout, compose: ComposeConfig) -> Pixels:
    """The richest `Pixels` of a picture of *layout*, for a sink that takes any."""
    if layout in ("mask", "alpha"):
        return "gray"
    if layout == "cutout" and compose.cutout == "rgba":
        return "bgra"
    if layout == "composite" and compose.background.type == "transparent":
        return "bgra"
    return "bgr"


class Composer:
    """
    Turns frames and their alphas into pictures of one layout.

    Args:
        layout: what is shown where, or the name of a layout with its defaults.
        settings: those to begin with: the mask's threshold, and how pictures are composed.
        pixels: what `compose` returns: `bgra` only of the layouts `cutout` and `composite`, `gray`
            only of `mask` and `alpha`.
        latency: records how long each composition takes.
        open_video: for backgrounds that are videos; each is closed when another background takes
            its place, or by `close`.

    Raises:
        ConfigError: the background of composites cannot be loaded.
        ValueError: *pixels* are not for *layout*.

    If the background of later settings cannot be loaded, that is logged and the old one stays.
    Not thread-safe. Allocates only when a frame's size or a setting is new.
    """

    def __init__(
        self,
        layout: LayoutConfig | Layout = "side_by_side",
        settings: Settings = DEFAULT_SETTINGS,
        *,
        pixels: Pixels = "bgr",
        latency: LatencyHistogram | None = None,
        open_video: OpenVideo | None = None,
    ) -> None:
        self._layout = layout if isinstance(layout, LayoutConfig) else LayoutConfig(layout=layout)
        name = self._layout.layout
        if pixels != "bgr" and name not in _LAYOUTS[pixels]:
            raise ValueError(f"a picture of {name} is never {pixels}")
        self.panels = panels_of(self._layout)
        self._settings = settings
        self._pixels: Pixels = pixels
        self._latency = latency
        self._drawn = Panels(
            settings.compose,
            with_composite="composite" in self.panels,
            open_video=open_video,
        )
        self._frame_size = (0, 0)
        self._picture: Picture = np.empty((0, 0, 3), np.uint8)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels of the picture for a frame of that size."""
        return arrange(self._layout, width, height).size

    def picture_of(self, frame: Frame, matte: Matte) -> Picture:
        """The picture of *frame* by its settings; see `compose`. Both are borrowed."""
        return self.compose(
            frame.image,
            matte.alpha,
            frame.settings,
            card=matte.is_card,
            pts_s=frame.stamp.pts_s,
        )

    def compose(
        self,
        image: Image,
        alpha: Alpha,
        settings: Settings | None = None,
        *,
        card: bool = False,
        pts_s: float = 0.0,
    ) -> Picture:
        """
        Draw one picture.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed.
            alpha: (H, W) uint8 of that image; borrowed.
            settings: how to draw it; as before when None.
            card: the image is a stand-by card (`Matte.is_card`): panels in colour show it as it is.
            pts_s: the frame's time in seconds, for backgrounds that move.

        Returns:
            A picture as `pixels` says, valid until the next call; it may be written on.
        """
        started_ns = time.monotonic_ns()
        if settings is not None:
            self._settings = settings
            self._drawn.follow(settings.compose)
        arrangement = self._arranged(alpha.shape[1], alpha.shape[0])
        image, alpha = self._scaled(image, alpha, arrangement)
        shot = Shot(image, alpha, alpha_level(self._settings.refine.threshold), card, pts_s)
        if arrangement.has_gaps:
            self._picture.fill(0)
        for number, panel in enumerate(self.panels):
            out = self._picture[arrangement.inner_box(number)]
            if self._pixels == "bgr":
                self._drawn.draw(panel, shot, out)
            elif self._pixels == "bgra":
                self._drawn.draw_bgra(panel, shot, out)
            else:
                self._drawn.draw_grey(panel, shot, out)
            if self._layout.labels:
                draw_label(self._picture[arrangement.cell_box(number)], panel)
        if self._latency is not None:
            self._latency.record(time.monotonic_ns() - started_ns)
        return self._picture

    def close(self) -> None:
        """Release the file of a background that moves. Safe to call twice."""
        self._drawn.close()

    def _arranged(self, width: int, height: int) -> Arrangement:
        """The arrangement for frames of that size, and memory for its pictures."""
        if self._frame_size != (width, height):
            self._frame_size = (width, height)
            self._arrangement = arrange(self._layout, width, height)
            columns, rows = self._arrangement.size
            self._picture = np.empty((rows, columns, *_CHANNELS[self._pixels]), np.uint8)
            columns, rows = self._arrangement.inner
            self._image: Image = np.empty((rows, columns, 3), np.uint8)
            self._alpha: Alpha = np.empty((rows, columns), np.uint8)
        return self._arrangement

    def _scaled(self, image: Image, alpha: Alpha, arrangement: Arrangement) -> tuple[Image, Alpha]:
        """Image and alpha in the size of the panels: masks, made later, stay binary."""
        if arrangement.inner == self._frame_size:
            return image, alpha
        shrinks = arrangement.inner[0] < self._frame_size[0]
        method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        cv2.resize(image, arrangement.inner, dst=self._image, interpolation=method)
        cv2.resize(alpha, arrangement.inner, dst=self._alpha, interpolation=method)
        return self._image, self._alpha
