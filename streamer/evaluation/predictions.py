"""Reads alphas from files: a picture, a folder of pictures, or a video, in grey."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from streamer.config import PICTURE_SUFFIXES
from streamer.errors import SourceError, SourceNotFound, SourceUnsupported
from streamer.evaluation.measuring import Sample
from streamer.evaluation.steadiness import still
from streamer.frame import Alpha
from streamer.pictures import natural


def read_alphas(path: Path) -> Iterator[Alpha]:
    """
    The alphas of *path*, one after the other, (H, W) uint8; each the receiver's own.

    A folder's pictures are sorted by name, 2 before 10. A picture with transparency gives its
    alpha channel.

    Raises:
        SourceNotFound: no such file, or a folder with no pictures.
        SourceUnsupported: not a picture or video, or a damaged one.
    """
    if path.is_dir():
        found = (p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
        pictures = sorted(found, key=natural)
        if not pictures:
            raise SourceNotFound(f"{path}: holds no pictures")
        yield from map(_read_picture, pictures)
    elif not path.exists():
        raise SourceNotFound(f"{path}: no such file or folder")
    elif path.suffix.lower() in PICTURE_SUFFIXES:
        yield _read_picture(path)
    else:
        yield from _read_video(path)


def pair(prediction: Path, truth: Path) -> Iterator[Sample]:
    """
    Predictions with their truths, in order. Motion is not known: pixels count as still.

    Raises:
        SourceError: one of them cannot be read, or they differ in size or length.
    """
    ours, theirs = read_alphas(prediction), read_alphas(truth)
    index = 0
    while True:
        alpha, true_alpha = next(ours, None), next(theirs, None)
        if alpha is None and true_alpha is None:
            break
        if alpha is None or true_alpha is None:
            short, other = (prediction, truth) if alpha is None else (truth, prediction)
            raise SourceUnsupported(f"{short}: ends after {index} frames, but {other} goes on")
        if alpha.shape != true_alpha.shape:
            raise SourceUnsupported(
                f"{prediction}: frame {index} is {_size(alpha)}, but {_size(true_alpha)} in {truth}"
            )
        yield Sample(index, None, true_alpha, alpha, still(*alpha.shape))
        index += 1
    if not index:
        raise SourceUnsupported(f"{prediction}: has no frames")


def _read_picture(path: Path) -> Alpha:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceNotFound(f"{path}: cannot be read: {error.strerror}") from None
    try:
        stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    except cv2.error:
        stored = None
    if stored is None or stored.dtype not in (np.uint8, np.uint16):
        raise SourceUnsupported(f"{path}: not a picture that can be read, or a damaged one")
    plane = stored
    if stored.ndim == 3:
        deep = stored.shape[2] == 4
        plane = stored[..., 3] if deep else cv2.cvtColor(stored, cv2.COLOR_BGR2GRAY)
    if plane.dtype == np.uint16:
        plane = np.rint(plane / 257)
    return np.ascontiguousarray(plane, np.uint8)


def _read_video(path: Path) -> Iterator[Alpha]:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise SourceUnsupported(f"{path}: holds no video")
            for frame in container.decode(video=0):
                # Through BGR, so that a video of limited range comes out in 0..255.
                picture = frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
                yield np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)
    except SourceError:
        raise
    except (OSError, ValueError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceUnsupported(
            f"{path}: not a picture or video that can be read: {text}"
        ) from None


def _size(alpha: Alpha) -> str:
    return f"{alpha.shape[1]}x{alpha.shape[0]}"
