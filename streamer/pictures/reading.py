"""
Read pictures from files: first the header, then the pixels.

Pillow reads them, limited to formats that it decodes by itself (no PostScript). OpenCV decodes
colour of 16 bits a channel, which Pillow would reduce to 8. A picture that is too large is refused
by its header. Decoders may raise anything; whatever they raise becomes a message of one line.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

import cv2
import numpy as np
from PIL import Image as Pillow

from streamer.errors import SourceError, SourceNotFound, SourceUnsupported
from streamer.pictures import colour, deep
from streamer.pictures.beside import readable_png
from streamer.pictures.colour import Deep
from streamer.pictures.exif import kept, orientation
from streamer.pictures.photo import ANIMATION, PAGES, Photo
from streamer.pictures.unread import is_heif, open_heif, why_unread

MAX_PIXELS = 100_000_000
"""Most pixels of a picture, by default: 0.3 GB of 8-bit colours."""

_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"),
    *("AVIF", "ICO", "JPEG2000", "PPM"),
)
_PAGED = ("HEIF", "TIFF")
_ANIMATED = ("AVIF", "GIF", "PNG", "WEBP")
_SHORTEST_MS = 10
_USUAL_MS = 100
"""An animation's frame that asks for 10 ms or less is shown for 100 ms."""


class OpenPicture:
    """
    A picture whose header has been read; see `open_picture`.

    Attributes:
        pixels: its width times its height.

    For one thread at a time. A context manager.
    """

    def __init__(self, name: str, file: IO[bytes], picture: Pillow.Image) -> None:
        self._name = name
        self._file = file
        self._picture = picture
        self.pixels = picture.width * picture.height

    def read(self) -> Photo:
        """
        Decode the picture. Call it only once.

        Raises:
            SourceUnsupported: it is damaged, or of a kind that cannot be shown.
        """
        try:
            more = ANIMATION if self.moves else PAGES if self._has_pages() else ""
            return replace(_photo(self._picture, self._file), more=more)
        except Exception as error:
            raise self._refusal(error) from error

    def play(self) -> Iterator[tuple[Photo, int, int]]:
        """
        Decode the pictures of an animation in order.

        Returns:
            Each with its start time and its duration, in ms.

        Raises:
            SourceUnsupported: it is damaged from here on.
        """
        at_ms = 0
        for number in range(self.frames):
            try:
                self._picture.seek(number)
                photo = _photo(self._picture, self._file)
            except Exception as error:
                raise self._refusal(error) from error
            lasts_ms = self._picture.info.get("duration", 0)
            # As browsers do: nobody means such a short time.
            lasts_ms = lasts_ms if lasts_ms > _SHORTEST_MS else _USUAL_MS
            yield photo, at_ms, lasts_ms
            at_ms += lasts_ms

    @property
    def frames(self) -> int:
        """How many pictures the file holds."""
        return getattr(self._picture, "n_frames", 1)

    @property
    def moves(self) -> bool:
        """Whether it is an animation; `read` gives its first picture."""
        return self._picture.format in _ANIMATED and getattr(self._picture, "is_animated", False)

    def _has_pages(self) -> bool:
        return self._picture.format in _PAGED and self.frames > 1

    def _refusal(self, error: Exception) -> SourceUnsupported:
        if lacks_memory(error):
            return SourceUnsupported(f"{self._name}: {self.pixels} pixels: not enough memory")
        return SourceUnsupported(f"{self._name}: a damaged picture: {_told(error)}")

    def close(self) -> None:
        """Close its file. Safe to call twice."""
        self._picture.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def open_picture(
    source: str | Path | bytes, *, name: str | None = None, max_pixels: int = MAX_PIXELS
) -> OpenPicture:
    """
    Read the header of a picture.

    Args:
        source: a file's path, or a file's content.
        name: its name in messages; the path itself when absent.
        max_pixels: a picture with more is refused.

    Raises:
        SourceNotFound: no such file, or no permission to read it.
        SourceUnsupported: not a picture, a damaged one, or one that is too large.
    """
    name = name or ("picture" if isinstance(source, bytes) else shown(source))
    file = io.BytesIO(source) if isinstance(source, bytes) else _opened(Path(source), name)
    try:
        raw = None if isinstance(source, bytes) else why_unread(Path(source))
        picture, file = _identified(file, name, max_pixels, raw)
        if picture.width * picture.height > max_pixels:
            size = f"{picture.width}x{picture.height}"
            raise SourceUnsupported(
                f"{name}: too large: {size} pixels, and {max_pixels} are allowed"
            )
    except BaseException:
        file.close()
        raise
    return OpenPicture(name, file, picture)


def is_animation(path: str | Path) -> bool:
    """Whether *path* is an animation; False if it cannot be read."""
    try:
        with open_picture(path) as picture:
            return picture.moves
    except SourceError:
        return False


def largest_file(max_pixels: int) -> int:
    """
    Bytes of the largest file that is read.

    That is 8 a pixel (four channels of 16 bits), plus 64 MiB for everything else: profiles,
    thumbnails, further frames.
    """
    return max_pixels * 8 + 64 * 2**20


def lacks_memory(error: BaseException) -> bool:
    """Whether *error* means that memory ran out; OpenCV has its own error for that."""
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    return isinstance(error, MemoryError)


def shown(path: str | Path) -> str:
    """*path* for a message: on one line, with control characters and the like escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(path))


def _opened(path: Path, name: str) -> IO[bytes]:
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise SourceUnsupported(f"{name}: is a folder, not a picture")
        if not stat.S_ISREG(kind):
            raise SourceUnsupported(f"{name}: is a device or a pipe, not a file")
        return path.open("rb")
    except PermissionError:
        raise SourceNotFound(f"{name}: may not be read: check its permissions") from None
    except (OSError, ValueError):
        raise SourceNotFound(f"{name}: no such file") from None


def _identified(
    file: IO[bytes], name: str, max_pixels: int, raw: str | None
) -> tuple[Pillow.Image, IO[bytes]]:
    """
    The picture in *file*, and the file that it is read from, which may be another.

    *raw* is set if its name is that of a raw photograph: read as TIFF, it would be a thumbnail.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    largest = largest_file(max_pixels)
    if size > largest:
        raise SourceUnsupported(
            f"{name}: too large: a file of {size / 1e6:.0f} MB, and {largest / 1e6:.0f} MB are "
            f"allowed where {max_pixels} pixels are"
        )
    prefix = file.read(16)
    Pillow.init()
    # Not Pillow's `open`: its limit on pixels is global to the process, and it warns besides.
    for kind in _FORMATS:
        try:
            factory, accepts = Pillow.OPEN[kind]
            if accepts is not None and accepts(prefix) is True and not (raw and kind == "TIFF"):
                profile = b""
                if kind == "PNG":
                    file, profile = readable_png(file)
                file.seek(0)
                picture = factory(file, "")
                if profile:
                    picture.info["icc_profile"] = profile
                return picture, file
        except Exception:  # noqa: S112 - any may be raised by damage
            continue
    if is_heif(prefix):
        return open_heif(file, name), file
    raise SourceUnsupported(f"{name}: {raw or 'not a picture that can be read, or a damaged one'}")


def _photo(picture: Pillow.Image, file: IO[bytes]) -> Photo:
    profile = picture.info.get("icc_profile") or b""
    space = colour.space(profile)
    raw = deep.stored_as(picture)
    is_deep = deep.is_deep(picture, raw, file)
    # Even if OpenCV decodes: it accepts truncated files, and does not read the metadata.
    picture.load()
    if is_deep:
        colours, alpha = deep.decoded(picture, file)
    else:
        colours, alpha = _decoded(picture, profile if space not in (None, "RGB") else b"")
    if space == "GRAY" and (picture.mode.startswith("I") or raw.startswith("LA;16")):
        colours = colour.deep_grey_as_srgb(colours, profile)
    turn = orientation(picture)  # 1 for a TIFF: its decoders turn it themselves
    colours = _turned(colours, turn)
    return Photo(
        colours,
        None if alpha is None else _turned(alpha, turn),
        profile if space == "RGB" else b"",
        kept(picture, (colours.shape[1], colours.shape[0])),
    )


def _decoded(picture: Pillow.Image, profile: bytes) -> tuple[Deep, Deep | None]:
    """The colours and alpha of a *picture*, not turned yet; converted by *profile* if any."""
    if picture.mode.startswith("I"):
        return deep.grey(picture)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture))
        grey = cv2.convertScaleAbs(np.clip(values, 0, 1), alpha=255)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), None
    alpha = None
    if picture.mode == "La":  # multiplied by its alpha; Pillow converts it to LA only
        picture = picture.convert("LA")
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        alpha = np.array(clear.getchannel("A"))
        picture = picture.convert("L") if profile and picture.mode in ("L", "LA") else clear
    if profile and picture.mode in ("CMYK", "L", "LAB", "1"):
        base = picture.convert("L") if picture.mode == "1" else picture
        picture = colour.as_srgb(base, profile)
    elif picture.mode == "LAB":
        picture = colour.from_lab(picture)
    elif picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGB")
    code = cv2.COLOR_RGBA2BGR if picture.mode == "RGBA" else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(np.asarray(picture), code), alpha


def _turned(values: Deep, orientation: int) -> Deep:
    """Turn *values* upright by EXIF's *orientation* (TIFF 6.0, Orientation)."""
    if orientation in {5, 6, 7, 8}:
        values = values.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        values = values[::-1]
    if orientation in {2, 3, 6, 7}:
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()) if isinstance(error, OSError | ValueError) else ""
    return text or "cannot be decoded"
