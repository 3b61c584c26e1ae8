"""
Weights in files beside an ONNX graph: finding them, and one hash of them all.

Parsed here, as the package `onnx` is installed only where models are optimised. A graph names such
files relative to its own folder (https://onnx.ai/onnx/repo-docs/ExternalData.html).
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from streamer.errors import ModelError, ModelNotFound
from streamer.models.store.cache import sha256_of

# Which fields of a message hold which messages (onnx/onnx.proto).
_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14
_KEY, _VALUE = 1, 2
_IS_EXTERNAL = 1

Span = tuple[int, int]
"""Offsets where bytes begin and end."""


def weight_files(path: Path) -> list[Path]:
    """
    The files beside the graph at *path* that hold its weights, each once, sorted.

    Empty for a file that is no model: loading it reports that.

    Raises:
        ModelError: one is outside of the graph's folder and those below it, or *path* cannot be
            read.
        ModelNotFound: one is missing.
    """
    files = []
    for location in sorted(_locations(path)):
        pure, windows = PurePosixPath(location), PureWindowsPath(location)
        if pure.is_absolute() or windows.anchor or ".." in (*pure.parts, *windows.parts):
            raise ModelError(
                f"{path}: its weights are to lie at {location}, outside of its folder: "
                "save the model anew with its weights beside it"
            )
        file = path.parent / location
        if not file.is_file():
            raise ModelNotFound(
                f"{path}: its weights, {location}, are not in its folder: put that file there too"
            )
        files.append(file)
    return files


def digest_of(path: Path) -> str:
    """
    The SHA-256 of the graph at *path*; if it has files of weights, one hash of all of them.

    Raises as `weight_files`. Each file is read once, in pieces.
    """
    files = weight_files(path)
    digests = [sha256_of(file) for file in (path, *files)]
    if not files:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def size_of(path: Path) -> int:
    """Bytes of the graph at *path* and of its files of weights. Raises as `weight_files`."""
    return sum(file.stat().st_size for file in (path, *weight_files(path)))


def _locations(path: Path) -> set[str]:
    """The files that tensors of the model at *path* name; empty for what is no model."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                return set()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                # The key before each such name: most models lack it, and need not be parsed.
                return _found(data) if data.find(b"location") >= 0 else set()
    except OSError as error:
        raise ModelError(
            f"{path}: cannot be read ({error.strerror}): check its permissions"
        ) from error


def _found(data: mmap.mmap) -> set[str]:
    locations = set()
    left = [("model", (0, len(data)))]
    try:
        while left:
            kind, span = left.pop()
            if kind == "tensor":
                if (location := _location(data, span)) is not None:
                    locations.add(location)
                continue
            for number, value in _fields(data, span):
                within = _WITHIN[kind].get(number)
                if within is not None and isinstance(value, tuple):
                    left.append((within, value))
    except ValueError:  # it is no model
        return set()
    return locations


def _location(data: mmap.mmap, tensor: Span) -> str | None:
    """The file that the values of *tensor* are in; None if it holds them itself."""
    location, is_external = None, False
    for number, value in _fields(data, tensor):
        if number == _DATA_LOCATION:
            is_external = value == _IS_EXTERNAL
        elif number == _EXTERNAL_DATA and isinstance(value, tuple):
            entry = {
                field: data[text[0] : text[1]].decode(errors="surrogateescape")
                for field, text in _fields(data, value)
                if isinstance(text, tuple)
            }
            if entry.get(_KEY) == "location":
                location = entry.get(_VALUE)
    return location if is_external else None


def _fields(data: mmap.mmap, span: Span) -> Iterator[tuple[int, int | Span]]:
    """
    The fields of a protobuf message: each one's number, and its value or the span of that.

    Raises ValueError if it is no message (https://protobuf.dev/programming-guides/encoding/).
    """
    at, end = span
    while at < end:
        tag, at = _varint(data, at, end)
        number, wire = tag >> 3, tag & 7
        value: int | Span
        if wire == 0:
            value, at = _varint(data, at, end)
        elif wire in (1, 5):
            value, at = (at, at + (8 if wire == 1 else 4)), at + (8 if wire == 1 else 4)
        elif wire == 2:
            length, at = _varint(data, at, end)
            value, at = (at, at + length), at + length
        else:
            raise ValueError(f"a field of type {wire}")
        if at > end:
            raise ValueError("a field that is cut off")
        yield number, value


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and the offset after it. Raises ValueError."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number that does not end")
