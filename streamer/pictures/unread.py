"""Photographs that cannot be read, and what to do: HEIC without its reader, raw, JPEG XL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO

from PIL import Image as Pillow

from streamer.config import PICTURE_SUFFIXES, UNREAD_SUFFIXES
from streamer.errors import SourceUnsupported

Open = Callable[[IO[bytes], str], Pillow.Image]

_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
"""Brands of HEIC, after the size of its first box and `ftyp` (ISO/IEC 23008-12, brands)."""
_HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_HEIF_WAY_OUT = (
    "HEIC is not read: convert it to JPEG or PNG, or add its reader: "
    "`pip install streamer[pictures]`"
)


def is_heif(prefix: bytes) -> bool:
    """Whether *prefix*, at least the first 12 bytes of a file, is that of a HEIC or HEIF."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF


def open_heif(file: IO[bytes], name: str) -> Pillow.Image:
    """
    Read the header of a HEIC with `pillow-heif`.

    Raises:
        SourceUnsupported: `pillow-heif` is not installed, or the picture *name* is damaged.
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
    """Why files with the suffix of *path* are never read, and what to do; None if some are."""
    suffix = path.suffix.lower()
    if suffix not in UNREAD_SUFFIXES:
        return None
    kind = "JPEG XL" if suffix == ".jxl" else f"raw ({suffix})"
    return f"{kind} is not read: convert it to JPEG, PNG or TIFF"


def left_out(path: Path) -> str | None:
    """Why the photograph at *path* cannot be read, by its suffix; None if it may be readable."""
    if path.suffix.lower() in _HEIF_SUFFIXES and _heif_opener() is None:
        return _HEIF_WAY_OUT
    return why_unread(path)


def photographs(files: Collection[Path]) -> list[Path]:
    """
    The photographs among *files*, by their suffix, whether they can be read or not.

    One that cannot be read is left out if a picture has the same name: cameras write both.
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
    # Not its `register_heif_opener`: that is global to the process.
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        return None
    opener: Open = HeifImageFile
    return opener
