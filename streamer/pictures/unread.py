"""Photographs that are not read here, and the way out: HEIC without its reader, raw, JPEG XL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from PIL import Image as Pillow

from streamer.config import PICTURE_SUFFIXES, UNREAD_SUFFIXES
from streamer.errors import SourceUnsupported

Open = Callable[[IO[bytes], str], Pillow.Image]

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
"""How HEIC begins, behind the size of its first box and `ftyp` (ISO/IEC 23008-12, brands)."""
_HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_HEIF_WAY_OUT = (
    "HEIC is not read: convert it to JPEG or PNG, or add its reader: "
    "`pip install streamer[pictures]`"
)


def is_heif(prefix: bytes) -> bool:
    """Whether *prefix*, the first 12 bytes of a file, is of a HEIC or HEIF."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF


def open_heif(file: IO[bytes], name: str) -> Pillow.Image:
    """
    Read the header of a HEIC by `pillow-heif`.

    Raises:
        SourceUnsupported: that is not installed, or the picture *name* is damaged.
    """
    opener = _heif_opener()
    if opener is None:
        raise SourceUnsupported(f"{name}: {_HEIF_WAY_OUT}")
    file.seek(0)
    try:
        return opener(file, "")
    except Exception as error:
        raise SourceUnsupported(f"{name}: a damaged picture: cannot be decoded") from error


def why_unread(path: Path) -> str | None:
    """Why no file of the suffix of *path* is read, with the way out; None where some are."""
    suffix = path.suffix.lower()
    if suffix not in UNREAD_SUFFIXES:
        return None
    kind = "JPEG XL" if suffix == ".jxl" else f"raw ({suffix})"
    return f"{kind} is not read: convert it to JPEG, PNG or TIFF"


def left_out(path: Path) -> str | None:
    """Why a photograph at *path* in a folder cannot be read here, going by its suffix."""
    if path.suffix.lower() in _HEIF_SUFFIXES and _heif_opener() is None:
        return _HEIF_WAY_OUT
    return why_unread(path)


def photographs(files: Collection[Path]) -> list[Path]:
    """
    Those of *files* that are photographs by their suffix, whether they are read or not.

    What is not read and has a picture of its name beside it, as cameras write both, is none.
    """
    pictures = {file for file in files if file.suffix.lower() in PICTURE_SUFFIXES}
    taken = {file.with_suffix("") for file in pictures}
    return [
        file
        for file in files
        if file in pictures
        or (file.suffix.lower() in UNREAD_SUFFIXES and file.with_suffix("") not in taken)
    ]


def _heif_opener() -> Open | None:
    # Not its `register_heif_opener`: that is the whole process's.
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None
    opener: Open = HeifImageFile
    return opener
