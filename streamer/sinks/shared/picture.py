"""Writes one picture to one file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamer.core.writing import write_whole
from streamer.errors import SinkError
from streamer.sinks.shared.paths import refusal

_JPEG = (".jpg", ".jpeg")
_LOSSLESS = 101
"""The WebP quality that means lossless to OpenCV; its 100 is not lossless."""


def write_picture(
    path: Path, picture: NDArray[np.uint8], quality: int = 95, *, overwrite: bool = True
) -> int:
    """
    Write *picture* to *path* in the format of its suffix, by `write_whole`.

    Args:
        path: `.png`, `.jpg`, `.jpeg`, `.webp` or another that OpenCV writes; its folder exists.
        picture: (H, W) grey, (H, W, 3) BGR or (H, W, 4) BGRA with straight alpha, uint8; borrowed.
        quality: 1..100, of JPEG and WebP; a WebP of 100 is lossless.
        overwrite: replace a file of that name.

    Returns:
        The file's size in bytes.

    Raises:
        FileExistsError: it exists and *overwrite* is false; nothing was written.
        SinkError: it cannot be encoded or written; no part of it is left.
    """
    suffix = path.suffix.lower()
    if suffix in _JPEG and picture.ndim == 3 and picture.shape[2] == 4:
        raise SinkError(f"{path}: jpeg holds no alpha: write a .png")
    options = []
    if suffix in _JPEG:
        options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    elif suffix == ".webp":
        options = [cv2.IMWRITE_WEBP_QUALITY, quality if quality < 100 else _LOSSLESS]
    try:
        encoded, content = cv2.imencode(suffix, picture, options)
    except cv2.error as error:
        raise SinkError(f"{path}: {suffix or 'no suffix'}: cannot be encoded: use .png") from error
    if not encoded:
        raise SinkError(f"{path}: {suffix}: cannot be encoded: use .png")
    try:
        write_whole(path, content.data, overwrite=overwrite)
    except FileExistsError:
        raise
    except OSError as error:
        raise refusal(path, error) from error
    return int(content.size)
