"""What is written on pictures: stand-by cards, and the names of panels."""

from __future__ import annotations

import cv2
import numpy as np

from streamer.compositing.layers import Picture
from streamer.frame import Image

_FONT = cv2.FONT_HERSHEY_SIMPLEX

_CARD = 40
_CARD_TEXT = 190
"""Greys of a card and of its text."""

_LABEL_SHARE = 0.035
"""The height of a label's letters, as a share of the picture's…"""
_LEAST_LABEL_PX = 8
"""…but no fewer pixels than can be read, if they have room."""
_LABEL_WIDTH_SHARE = 0.9


def draw_card(out: Image, text: str) -> None:
    """
    Write *text*, light in the middle of dark grey, over the whole of *out*.

    Args:
        out: (H, W, 3) uint8, overwritten.
        text: one line of printable ASCII; drawn smaller where it is too long.
    """
    out.fill(_CARD)
    height, width = out.shape[:2]
    (wide, tall), _ = cv2.getTextSize(text, _FONT, 1.0, 1)
    if not wide:
        return
    scale = min(height / 12 / tall, width * 0.8 / wide)
    thickness = max(1, round(scale * 1.5))
    left, bottom = round((width - wide * scale) / 2), round((height + tall * scale) / 2)
    grey = (_CARD_TEXT, _CARD_TEXT, _CARD_TEXT)
    cv2.putText(out, text, (left, bottom), _FONT, scale, grey, thickness, cv2.LINE_AA)


def draw_label(out: Picture, text: str) -> None:
    """
    Write *text* into the upper left corner of *out*: white on a black box.

    Args:
        out: (H, W, 3), (H, W, 4) or (H, W) uint8; written on, opaque where it has an alpha.
        text: one line of printable ASCII; drawn smaller where it is too long.
    """
    height, width = out.shape[:2]
    (wide, tall), below = cv2.getTextSize(text, _FONT, 1.0, 1)
    scale = max(height * _LABEL_SHARE, _LEAST_LABEL_PX) / tall
    scale = min(scale, width * _LABEL_WIDTH_SHARE / wide)
    margin = max(1, round(tall * scale / 2))
    baseline = margin + round(tall * scale)
    right = min(width, round(wide * scale) + 2 * margin)
    bottom = min(height, baseline + max(margin, round(below * scale)))
    box = np.s_[:bottom, :right]
    out[box] = 0
    thickness = max(1, round(scale * 1.5))
    white = (255, 255, 255, 255)
    cv2.putText(out, text, (margin, baseline), _FONT, scale, white, thickness, cv2.LINE_AA)
    if out.ndim == 3 and out.shape[2] == 4:
        # Only now: smoothed letters are blended in the alpha too.
        out[box][..., 3] = 255
