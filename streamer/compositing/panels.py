"""Draws each panel of a frame by the present settings: colours, background, edges."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import cv2
import numpy as np

from streamer.compositing.backdrops import Backdrop, OpenVideo, make_backdrop
from streamer.compositing.blending import Blend
from streamer.compositing.clean import Despill, Foreground, LightWrap
from streamer.compositing.colours import Plain, colour
from streamer.compositing.layers import Picture, cutout_rgba, mask
from streamer.config import ComposeConfig, Panel
from streamer.errors import ConfigError
from streamer.frame import Alpha, Image

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Shot:
    """What the panels of one picture are drawn from; the arrays are borrowed."""

    image: Image
    alpha: Alpha
    level: int
    """The smallest alpha inside the mask."""
    is_card: bool
    pts_s: float
    colours: Image | None = None
    """The colours of cutouts and composites, once the first of them is drawn."""


class Panels:
    """
    Draws panels.

    Args:
        compose: the settings to begin with.
        with_composite: whether a composite will be drawn; without one no background is opened.
        open_video: for backgrounds that are videos.

    Raises:
        ConfigError: the background cannot be loaded.

    `source` and `overlay` show the room, `mask` and `alpha` none of it. Not thread-safe. Allocates
    only when a frame's size or a setting is new.
    """

    def __init__(
        self, compose: ComposeConfig, *, with_composite: bool, open_video: OpenVideo | None
    ) -> None:
        self._compose = compose
        self._open_video = open_video
        self._background = compose.background
        self._backdrop: Backdrop | None = None
        if with_composite:
            self._backdrop = make_backdrop(compose.background, open_video)
        self._blend = Blend()
        self._foreground = Foreground()
        self._despill = Despill()
        self._light_wrap = LightWrap()
        self._tint = Plain()
        self._grey: Alpha = np.empty((0, 0), np.uint8)
        self._own: Image = np.empty((0, 0, 3), np.uint8)
        self._opaque: Image = np.empty((0, 0, 3), np.uint8)

    def follow(self, compose: ComposeConfig) -> None:
        """
        Draw by *compose* from now on.

        If its background cannot be loaded, that is logged once and the one before stays.
        """
        if compose is self._compose:
            return
        wanted, before = compose.background, self._compose.background
        self._compose = compose
        if wanted == before:
            return
        if self._backdrop is None:
            self._background = wanted
            return
        try:
            backdrop = make_backdrop(wanted, self._open_video)
        except ConfigError as error:
            _log.warning("the background stays as it was: %s", error)
            return
        self._backdrop.close()
        self._backdrop, self._background = backdrop, wanted

    def draw(self, panel: Panel, shot: Shot, out: Image) -> None:
        """Draw *panel* into *out*, (H, W, 3) BGR of the shot's size."""
        match panel:
            case "alpha":
                cv2.cvtColor(shot.alpha, cv2.COLOR_GRAY2BGR, dst=out)
            case "mask":
                mask(shot.alpha, shot.level, self._grey_of(shot))
                cv2.cvtColor(self._grey, cv2.COLOR_GRAY2BGR, dst=out)
            case "overlay":
                self._draw_overlay(shot, out)
            case "cutout" if not shot.is_card:
                grey = self._grey_of(shot)
                cv2.threshold(shot.alpha, shot.level - 1, 0, cv2.THRESH_TOZERO, dst=grey)
                self._blend.over(self._colours(shot), grey, None, out)
            case "composite" if not shot.is_card:
                self._draw_composite(shot, out)
            case _:
                np.copyto(out, shot.image)

    def draw_bgra(self, panel: Panel, shot: Shot, out: Picture) -> None:
        """
        Draw *panel*, a cutout or a composite, into *out*, (H, W, 4) with straight alpha.

        Cards, and composites with a background, are opaque.
        """
        is_transparent = panel == "cutout" or self._background.type == "transparent"
        if is_transparent and not shot.is_card:
            cutout_rgba(self._colours(shot), shot.alpha, out)
            return
        self._opaque = _like(shot.image, self._opaque)
        self.draw(panel, shot, self._opaque)
        cv2.cvtColor(self._opaque, cv2.COLOR_BGR2BGRA, dst=out)

    def draw_grey(self, panel: Panel, shot: Shot, out: Alpha) -> None:
        """Draw *panel*, an alpha or a mask, into *out*, (H, W)."""
        if panel == "alpha":
            np.copyto(out, shot.alpha)
        else:
            mask(shot.alpha, shot.level, out)

    def close(self) -> None:
        """Release the background's file. Safe to call twice."""
        if self._backdrop is not None:
            self._backdrop.close()

    def _draw_composite(self, shot: Shot, out: Image) -> None:
        assert self._backdrop is not None  # noqa: S101 - there is one where composites are drawn
        behind = self._backdrop.at(shot.image, shot.alpha, shot.pts_s)
        self._blend.over(self._colours(shot), shot.alpha, behind, out)
        wrap = self._compose.light_wrap
        if wrap is not None and self._background.type != "transparent":
            self._light_wrap.add(out, behind, shot.alpha, wrap.strength, wrap.radius_px)

    def _draw_overlay(self, shot: Shot, out: Image) -> None:
        """Blend the tint over the frame, with a mask whose value is the tint's opacity."""
        overlay = self._compose.overlay
        strength = round(overlay.opacity * 255)
        grey = self._grey_of(shot)
        cv2.threshold(shot.alpha, shot.level - 1, strength, cv2.THRESH_BINARY, dst=grey)
        tint = self._tint.of(shot.image.shape, colour(overlay.colour))
        self._blend.over(tint, grey, shot.image, out)

    def _colours(self, shot: Shot) -> Image:
        """The colours that cutouts and composites are made of."""
        compose = self._compose
        if shot.colours is None:
            shot.colours = shot.image
            if compose.colours == "clean" or compose.despill is not None:
                self._own = _like(shot.image, self._own)
            if compose.colours == "clean":
                self._foreground.estimate(shot.image, shot.alpha, self._own)
                shot.colours = self._own
            if (despill := compose.despill) is not None:
                self._despill.remove(shot.colours, despill.colour, despill.strength, self._own)
                shot.colours = self._own
        return shot.colours

    def _grey_of(self, shot: Shot) -> Alpha:
        """Scratch of the shot's size."""
        self._grey = _like(shot.alpha, self._grey)
        return self._grey


def _like(wanted: Image, kept: Image) -> Image:
    """*kept*, or a new array if its shape is not that of *wanted*."""
    return kept if kept.shape == wanted.shape else np.empty(wanted.shape, np.uint8)
