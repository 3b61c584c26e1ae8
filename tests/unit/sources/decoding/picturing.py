"""Videos of given pictures, tagged as cameras and programs do, and what a source makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamer.config import FileSourceConfig
from streamer.errors import CorruptFrame, EndOfStream, FormatChanged
from streamer.sources.decoding.upright import Upright
from streamer.sources.file import FileSource


def plain(size: tuple[int, int], codes: tuple[int, ...], layout: str = "yuv420p") -> av.VideoFrame:
    """A frame whose planes are each filled with one code, of 8 bits or, after the layout, more."""
    frame = av.VideoFrame(*size, layout)
    kind = np.uint16 if "10" in layout else np.uint8
    for plane, code in zip(frame.planes, codes, strict=True):
        plane.update(np.full(plane.buffer_size // kind().itemsize, code, kind).tobytes())
    return frame


def film(
    path: Path,
    frames: Iterable[av.VideoFrame],
    codec: str = "libx264",
    *,
    layout: str | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
    prepare: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """Encode *frames* at 25 a second; *prepare* may tag the stream."""
    frames = iter(frames)
    first = next(frames)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = first.width, first.height
        stream.pix_fmt = layout or first.format.name
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        prepare(stream)
        for number, frame in enumerate((first, *frames)):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def shown(frame: av.VideoFrame, name: str = "clip") -> np.ndarray:
    """*frame* as it is shown, of square pixels already."""
    upright = Upright(name)
    width, height = upright.size(frame, None)
    out = np.zeros((height, width, 3), np.uint8)
    upright.write(frame, out)
    return out


def pictures(path: Path, **fields: object) -> Iterator[np.ndarray]:
    """Each picture of a file as its source gives it; a corrupt one is a failure."""
    config = {"type": "file", "path": str(path), **fields}
    source = FileSource(FileSourceConfig.model_validate(config))
    try:
        info = source.open()
        out = np.zeros((info.height, info.width, 3), np.uint8)
        while True:
            try:
                source.read(out)
            except FormatChanged as change:
                out = np.zeros((change.info.height, change.info.width, 3), np.uint8)
            except CorruptFrame as error:
                raise AssertionError(str(error)) from error
            except EndOfStream:
                return
            else:
                yield out.copy()
    finally:
        source.close()
