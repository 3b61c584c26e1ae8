"""
From a model to its proven int8 graph: fold, calibrate, quantise, prove, keep.

An int8 graph that is not close enough to the float model, or no faster, is not kept.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import importlib.util
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import onnxruntime as ort

from streamer.config import ModelConfig
from streamer.core.cores import core_count
from streamer.errors import MissingDependency, ModelCorrupt, ModelError, ModelFetchError
from streamer.frame import Image
from streamer.models.optimizing.calibration import (
    CROPS,
    FULL_PROOFS,
    SHARE,
    Eye,
    Pictures,
    spread,
    subject,
)
from streamer.models.runtime.segmenter import is_recurrent
from streamer.models.runtime.session import automatic_providers
from streamer.models.store import artefacts
from streamer.models.store.artefacts import Artefact
from streamer.models.store.cache import Progress, require_room, write_error
from streamer.models.store.external import size_of
from streamer.models.store.registry import Contract, models
from streamer.models.store.weights import DEFAULT_MODEL, Resolved, artefact_of, resolve

if TYPE_CHECKING:
    from streamer.models.optimizing.graph import Graph
    from streamer.models.optimizing.proof import Comparison

logger = logging.getLogger("streamer.models")

INSTALL = "pip install onnx"
_SMALL_BYTES = 8_000_000
"""A smaller model is fast enough as it is."""

MAD_LIMIT = 0.02
"""Mean difference of alpha that int8 may have from float, unless the user sets another."""
LEAST_SPEED_UP = 1.0
"""Int8 must be faster than float by more than this."""


class Steps(Protocol):
    """A callback for progress."""

    def __call__(self, step: str, done: int, total: int, /) -> None:
        """*done* of *total* parts of *step*; the first call of a step has 0."""
        ...


def require_packages() -> None:
    """Raise MissingDependency unless the quantiser's graph library is installed."""
    if importlib.util.find_spec("onnx") is None:
        raise MissingDependency(f"optimising a model needs the package onnx: {INSTALL}")


def lacks_fast_file(model: ModelConfig, progress: Progress | None = None) -> bool:
    """
    Whether to make an artefact of *model*: it is large, a CPU runs it, and there is none.

    Not if that has failed before with the same versions; a warning says so.

    Args:
        model: as in `optimize`.
        progress: told how far a download is.

    Raises:
        ModelError: it cannot be fetched or read.
    """
    wanted = automatic_providers() if model.providers == "auto" else model.providers
    on_cpu = wanted[0] == "cpu" or model.backend == "openvino"
    if not on_cpu or model.precision != "auto" or is_recurrent(model.name):
        return False
    first = DEFAULT_MODEL if model.name == "auto" else model.name
    if first in models() and artefact_of(models()[first]) is not None:
        return False  # also where the file that it was made of is no longer here
    original = resolve(model, on_gpu=False, progress=progress, shipped=True)
    key = artefacts.key_of(original.sha256, original.contract)
    if artefacts.find(key) is not None or size_of(original.path) < _SMALL_BYTES:
        return False
    if (reason := artefacts.refusal(key)) is not None:
        asked_as = model.name if model.name.endswith(".onnx") else original.name
        logger.warning("%s; `%s` tries again", reason, artefacts.command(asked_as))
    return reason is None


def optimize(
    model: ModelConfig,
    pictures: Pictures,
    *,
    limit: float = MAD_LIMIT,
    force: bool = False,
    keep: bool = False,
    steps: Steps,
    progress: Progress | None = None,
) -> Artefact:
    """
    Return the artefact of *model*: made now, or before with the same pictures and versions.

    Args:
        model: its name, contract and, where the graph takes any size, `input_size`.
        pictures: what to calibrate and to prove on.
        limit: mean absolute difference of alpha in 0..1, between float and int8, to accept at most.
        force: make it anew.
        keep: also accept one that was made with other pictures or settings.
        steps: told how far the work is.
        progress: told how far a download is.

    Raises:
        MissingDependency: the package onnx is not installed.
        ModelError: it cannot be fetched or optimised, or did not pass; nothing is kept.

    Safe between processes: one works, the others wait and take what it made. A killed process
    leaves nothing that would be used.
    """
    require_packages()
    if is_recurrent(model.name):
        raise ModelError(f"{model.name}: is recurrent, and runs as it was shipped only")
    original = resolve(model, on_gpu=False, progress=progress, shipped=True)
    key = artefacts.key_of(original.sha256, original.contract)
    settings = _settings(model, pictures)
    with artefacts.alone(key, original.name):
        made = artefacts.find(key)
        if made is not None and not force and (keep or _serves(made, settings, limit)):
            return made
        try:
            return _make(model, original, key, pictures, settings, limit, steps)
        except (ModelFetchError, ModelCorrupt):
            raise  # a fault of the disk, not of the model
        except ModelError as error:
            if limit >= MAD_LIMIT:
                artefacts.note_refusal(key, str(error))
            raise


def _settings(model: ModelConfig, pictures: Pictures) -> dict[str, Any]:
    """Everything that an artefact depends on besides its key."""
    return {
        "pictures": pictures.described,
        "pictures_sha256": pictures.digest(),
        "input_size": model.input_size,
        "versions": {
            "onnx": importlib.metadata.version("onnx"),
            "onnxruntime": ort.__version__,
            "opencv": cv2.__version__,
            "numpy": np.__version__,
        },
    }


def _serves(made: Artefact, settings: dict[str, Any], limit: float) -> bool:
    """Whether *made* is intact, was made with *settings* and is within *limit*."""
    if made.proof["settings"] != settings:
        return False
    if any(entry["mad"] > limit for entry in made.proof["comparisons"]):
        return False
    try:
        for kind in artefacts.KINDS:
            made.verified(kind)
    except ModelError:
        return False
    return True


def _make(
    model: ModelConfig,
    original: Resolved,
    key: str,
    pictures: Pictures,
    settings: dict[str, Any],
    limit: float,
    steps: Steps,
) -> Artefact:
    """`optimize` for the one process that holds the lock."""
    import onnx

    from streamer.models.optimizing.graph import prepare
    from streamer.models.optimizing.proof import compare
    from streamer.models.optimizing.quantize import quantize
    from streamer.models.optimizing.trial import require_alpha, require_same

    threads = core_count() if model.threads == "auto" else model.threads
    contract = original.contract
    if model.input_size is not None:
        contract = dataclasses.replace(contract, input_size=model.input_size)
    work = _Work(steps)
    with artefacts.workshop(key) as folder:
        require_room(folder, 3 * size_of(original.path))
        float_path, int8_path = folder / "fp32.onnx", folder / "int8.onnx"
        with work.step("folding", 1):
            require_alpha(original, model, pictures.proof[0])
            graph = prepare(original.path, contract)
            _save(graph.model, float_path)
            # Read back: a protobuf message never frees what was changed in it.
            graph = dataclasses.replace(graph, model=onnx.load(str(float_path)))
            require_same(original, float_path, pictures.proof[0], graph.size, threads)
        with work.step("calibrating", len(pictures.calibration) + CROPS) as done:
            ranges = _calibrate(graph, contract, pictures.calibration, threads, done)
        with work.step("quantising", 1):
            reduced = artefacts.saturates()
            try:
                _save(quantize(graph, ranges, reduce_range=reduced), int8_path)
            except (ValueError, KeyError, TypeError, RuntimeError) as error:
                raise ModelError(
                    f"{original.name}: onnxruntime's quantiser cannot do this graph: {error}"
                ) from error
        proofs = _proofs(graph, pictures.proof)
        with work.step("proving", sum(map(len, proofs.values()))) as done:
            comparisons = compare(
                float_path, int8_path, original.path, contract, proofs, threads, done
            )
        _judge(original.name, comparisons, limit)
        proof = {
            "model": {
                "name": original.name,
                "sha256": original.sha256,
                "asked_as": model.name if model.name.endswith(".onnx") else original.name,
            },
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "recipe": artefacts.RECIPE,
            "settings": settings,
            "input_size": list(graph.size),
            "size_multiple": graph.multiple,
            "size_kept_because": graph.kept,
            "reduced_range": reduced,
            "limit": limit,
            "comparisons": [
                {
                    **dataclasses.asdict(entry),
                    "speed_up": entry.speed_up,
                    "shipped_speed_up": entry.shipped_speed_up,
                }
                for entry in comparisons
            ],
            "threads": threads,
            "seconds": work.seconds,
        }
        return artefacts.publish(folder, key, Path(original.name).stem[:60], proof)


class _Work:
    """Reports progress, and keeps how long each step took."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str, total: int) -> Iterator[Callable[[], None]]:
        """A step of *total* parts; call the function that it yields after each."""
        done = 0

        def advance() -> None:
            nonlocal done
            done += 1
            self._steps(name, done, total)

        self._steps(name, 0, total)
        begin = time.monotonic()
        yield advance
        self._steps(name, total, total)
        self.seconds[name] = round(time.monotonic() - begin, 1)


def _save(model: Any, path: Path) -> None:
    import onnx

    try:
        onnx.save(model, str(path))
    except OSError as error:
        raise write_error(error, path.parent) from error
    except ValueError as error:  # protobuf's own limit
        raise ModelError(f"{path.name}: more than 2 GB cannot be optimised: {error}") from error


def _calibrate(
    graph: Graph,
    contract: Contract,
    pictures: Sequence[Image],
    threads: int,
    done: Callable[[], None],
) -> dict[str, tuple[np.float32, np.float32]]:
    """The ranges of all tensors on *pictures*, and on crops of the subjects found in them."""
    from streamer.models.optimizing.quantize import Ranges

    ranges = Ranges(graph, threads)
    eye = Eye(contract, _part_of(graph, SHARE))
    crops = []
    for picture in pictures:
        coverage = eye.coverage(ranges.see(eye.tensor(picture)))
        done()
        crop = subject(picture, coverage)
        if crop is not None:
            crops.append(crop)
    for crop in spread(crops, CROPS):
        ranges.see(eye.tensor(crop))
        done()
    return ranges.settled()


def _part_of(graph: Graph, share: Fraction) -> tuple[int, int]:
    """(height, width) of about *share* of the graph's own; its own if it takes no other."""
    if graph.multiple is None:
        return graph.size
    height, width = (
        max(graph.multiple, int(side * share) // graph.multiple * graph.multiple)
        for side in graph.size
    )
    return height, width


def _proofs(graph: Graph, pictures: Sequence[Image]) -> dict[tuple[int, int], Sequence[Image]]:
    """Pictures to prove on by size: the graph's own and, if possible, about half of it."""
    half = _part_of(graph, Fraction(1, 2))
    few = pictures if half == graph.size else spread(pictures, FULL_PROOFS)
    return {graph.size: few} | ({} if half == graph.size else {half: pictures})


def _judge(name: str, comparisons: Sequence[Comparison], limit: float) -> None:
    """Raise ModelError unless int8 is close enough at every size, and faster at the first."""
    for entry in comparisons:
        if not entry.mad <= limit:
            raise ModelError(
                f"{name}: int8 differs from float by {entry.mad:.4f} at "
                f"{entry.size[1]}x{entry.size[0]}, more than --limit {limit:g}: not kept; "
                "--calibrate it on pictures like those it is for"
            )
    if not comparisons[0].speed_up > LEAST_SPEED_UP:
        raise ModelError(
            f"{name}: int8 is no faster than float on this machine "
            f"({comparisons[0].speed_up:.2f} times as fast): not kept"
        )
