"""
Pictures from files: what they are from their headers, then their pixels.

Pillow reads them, and only those formats that it reads by itself (no PostScript). OpenCV decodes
colour of 16 bits a channel, which Pillow makes 8. A picture that is too large is refused by its
header; decoders may raise anything, and whatever they raise becomes one line.
"""

from __future__ import annotations

import io
import stat
import struct
from pathlib import Path
from typing import IO, Any, Self

import cv2
import numpy as np
from PIL import Image as Pillow

from streamer.errors import SourceError, SourceNotFound, SourceUnsupported
from streamer.pictures import colour
from streamer.pictures.exif import kept, orientation
from streamer.pictures.photo import Deep, Photo

MAX_PIXELS = 100_000_000
"""Of a picture, unless more are allowed: 0.3 GB of 8-bit colours."""

_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"),
    *("AVIF", "ICO", "JPEG2000", "PPM"),
)


class OpenPicture:
    """
    A picture whose header has been read; see `open_picture`.

    Attributes:
        pixels: how many it has, width by height.

    For one thread at a time. A context manager.
    """

    def __init__(self, name: str, file: IO[bytes], picture: Pillow.Image) -> None:
        self._name = name
        self._file = file
        self._picture = picture
        self.pixels = picture.width * picture.height

    def read(self) -> Photo:
        """
        Decode it; once.

        Raises:
            SourceUnsupported: it is damaged, or of a kind that cannot be shown.
        """
        try:
            return _photo(self._picture, self._file)
        except Exception as error:
            if lacks_memory(error):
                raise SourceUnsupported(
                    f"{self._name}: {self.pixels} pixels: not enough memory"
                ) from error
            raise SourceUnsupported(f"{self._name}: a damaged picture: {_told(error)}") from error

    def close(self) -> None:
        """Close its file. Twice is once."""
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
        name: how it is called in messages; the path itself when absent.
        max_pixels: one with more is refused.

    Raises:
        SourceNotFound: no such file, or not ours to read.
        SourceUnsupported: not a picture, a damaged one, or one that is too large.
    """
    name = name or ("picture" if isinstance(source, bytes) else shown(source))
    file = io.BytesIO(source) if isinstance(source, bytes) else _opened(Path(source), name)
    try:
        picture = _identified(file, name, max_pixels)
        if picture.width * picture.height > max_pixels:
            size = f"{picture.width}x{picture.height}"
            raise SourceUnsupported(
                f"{name}: too large: {size} pixels, and {max_pixels} are allowed"
            )
    except BaseException:
        file.close()
        raise
    return OpenPicture(name, file, picture)


def largest_file(max_pixels: int) -> int:
    """
    Bytes of the largest file that is read.

    That is 8 a pixel, 16 bits of four channels, and 64 MiB for what is beside them: profiles,
    thumbnails, further frames.
    """
    return max_pixels * 8 + 64 * 2**20


def lacks_memory(error: BaseException) -> bool:
    """Whether *error* says that there is not enough memory; OpenCV has its own way to say it."""
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    return isinstance(error, MemoryError)


def shown(path: str | Path) -> str:
    """*path* for a message: in one line, with nothing in it that a terminal would obey."""
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


def _identified(file: IO[bytes], name: str, max_pixels: int) -> Pillow.Image:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    if size > largest_file(max_pixels):
        raise SourceUnsupported(f"{name}: too large: a file of {size / 1e6:.0f} MB")
    prefix = file.read(16)
    Pillow.init()
    # Not Pillow's `open`: its limit on pixels is the whole process's, and warns besides.
    for kind in _FORMATS:
        try:
            factory, accepts = Pillow.OPEN[kind]
            if accepts is not None and accepts(prefix) is True:
                file.seek(0)
                return factory(file, "")
        except Exception:  # noqa: S112 - any may be raised by damage
            continue
    raise SourceUnsupported(f"{name}: not a picture that can be read, or a damaged one")


def _photo(picture: Pillow.Image, file: IO[bytes]) -> Photo:
    profile = picture.info.get("icc_profile") or b""
    space = colour.space(profile)
    deep = _is_deep(picture, file)
    # Also where OpenCV decodes: it would take what is cut off, and knows nothing of what is beside.
    picture.load()
    if deep:
        colours, alpha = _decoded_deep(picture, file)
    else:
        colours, alpha = _decoded(picture, profile if space not in (None, "RGB") else b"")
    turn = orientation(picture)  # of a TIFF 1: its decoders turn it themselves
    colours = _turned(colours, turn)
    return Photo(
        colours,
        None if alpha is None else _turned(alpha, turn),
        profile if space == "RGB" else b"",
        kept(picture, (colours.shape[1], colours.shape[0])),
    )


def _is_deep(picture: Pillow.Image, file: IO[bytes]) -> bool:
    """Whether it has 16 bits a channel of more than one, which Pillow would halve."""
    tiles: Any = getattr(picture, "tile", [])
    if picture.mode not in ("LA", "RGB", "RGBA") or not tiles:
        return False
    arguments = tiles[0].args
    raw = arguments[0] if isinstance(arguments, tuple) else arguments
    if not isinstance(raw, str) or ";16" not in raw:
        return False
    return picture.format == "PNG" or (picture.format == "TIFF" and _is_one_picture_to_all(file))


def _is_one_picture_to_all(file: IO[bytes]) -> bool:
    """
    Whether no entry of a TIFF is there twice, of which another decoder might take the other.

    It could be a larger picture then than the one whose size was looked at. BigTIFF is not.
    """
    file.seek(0)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(file.read(4))
    if order is None:
        return False
    (directory,) = struct.unpack(order + "I", file.read(4))
    file.seek(directory)
    (count,) = struct.unpack(order + "H", file.read(2))
    tags = [file.read(12)[:2] for _ in range(count)]
    return len(set(tags)) == len(tags)


def _decoded_deep(picture: Pillow.Image, file: IO[bytes]) -> tuple[Deep, Deep | None]:
    key = picture.info.get("transparency")
    file.seek(0)
    data = _bare_png(file.read()) if picture.format == "PNG" else file.read()
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None:
        raise ValueError("cannot be decoded")
    if stored.ndim == 3 and stored.shape[2] == 4:
        return np.ascontiguousarray(stored[..., :3]), np.ascontiguousarray(stored[..., 3])
    return stored, _keyed(stored, key[::-1] if isinstance(key, tuple) else None)


def _bare_png(data: bytes) -> bytes:
    """
    *data*, a PNG, without all but its first frame's pixels.

    OpenCV makes room for as much as a chunk says to hold, and there is no end to what one can say.
    """
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end > len(data):
            raise ValueError("cut off")
        if data[at + 4 : at + 8] in (b"IHDR", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _decoded(picture: Pillow.Image, profile: bytes) -> tuple[Deep, Deep | None]:
    """The colours and transparency of a *picture* as it was stored, in RGB or by *profile*."""
    if picture.mode.startswith("I"):
        return _deep_grey(picture)
    if picture.mode == "F":
        values = np.nan_to_num(np.asarray(picture))
        grey = cv2.convertScaleAbs(np.clip(values, 0, 1), alpha=255)
        return cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), None
    alpha = None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        alpha = np.array(picture.getchannel("A"))
    if profile and picture.mode in ("CMYK", "L", "LAB", "1"):
        base = picture.convert("L") if picture.mode == "1" else picture
        picture = colour.as_srgb(base, profile)
    elif picture.mode == "LAB":
        picture = colour.from_lab(picture)
    elif picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGB")
    code = cv2.COLOR_RGBA2BGR if picture.mode == "RGBA" else cv2.COLOR_RGB2BGR
    return cv2.cvtColor(np.asarray(picture), code), alpha


def _deep_grey(picture: Pillow.Image) -> tuple[Deep, Deep | None]:
    values = np.asarray(picture)
    if values.dtype != np.uint16:  # mode I: 16 bits in 32, with a sign
        values = np.clip(values, 0, 65535).astype(np.uint16)
    key = picture.info.get("transparency")
    colours = cv2.cvtColor(values, cv2.COLOR_GRAY2BGR)
    return colours, _keyed(colours, (key,) * 3 if isinstance(key, int) else None)


def _keyed(colours: Deep, key: tuple[int, ...] | None) -> Deep | None:
    """The alpha of 16-bit *colours* (H, W, 3) of which *key*, in their order, is transparent."""
    if key is None:
        return None
    return np.where((colours == key).all(axis=2), np.uint16(0), np.uint16(65535))


def _turned(values: Deep, orientation: int) -> Deep:
    """*values* as EXIF's *orientation* says they are to be seen (TIFF 6.0, Orientation)."""
    if orientation in {5, 6, 7, 8}:
        values = values.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        values = values[::-1]
    if orientation in {2, 3, 6, 7}:
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, SourceError | OSError | ValueError) else type(error).__name__
