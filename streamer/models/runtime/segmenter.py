"""
One model behind the `Segmenter` contract, at several sizes of its input.

Everything is allocated when the model is loaded, or when a frame's size is new, and then reused.
Each size has its own input and output, bound once; on a CPU, segmenters of one model share them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from streamer.config import ModelConfig
from streamer.core.copying import Uncopyable
from streamer.core.cores import core_count
from streamer.errors import MissingDependency, ModelError, SegmentError
from streamer.frame import Alpha, Image
from streamer.models.runtime import openvino
from streamer.models.runtime.bound import Bound
from streamer.models.runtime.lending import bound_to, lent
from streamer.models.runtime.onnxruntime import lent_session
from streamer.models.runtime.ports import Size, input_size
from streamer.models.runtime.recurrent import RecurrentSegmenter
from streamer.models.runtime.runtime import Runtime
from streamer.models.runtime.session import automatic_providers
from streamer.models.runtime.turns import ANYBODY, User
from streamer.models.store.advice import Advice
from streamer.models.store.registry import Contract, models
from streamer.models.store.weights import Progress, resolve
from streamer.protocols import ModelInfo

logger = logging.getLogger("streamer.models")


def load_segmenter(
    model: ModelConfig,
    progress: Progress | None = None,
    *,
    ladder: Sequence[int] = (),
    user: User = ANYBODY,
) -> tuple[OnnxSegmenter | RecurrentSegmenter, str | None]:
    """
    Load the model that *model* asks for, fetching it if needed.

    Args:
        model: what is asked for.
        progress: told of a download.
        ladder: smaller sides of a square input to be ready for too. Those that the graph cannot
            do are left out; a graph of one size has none. A recurrent model is refused with a
            ladder: it needs each frame whole, and tracking shows it only parts of some.
        user: whose turns its runs take.

    Returns:
        The segmenter, and why `name: auto` had to take another model; None if it did not.

    Raises:
        ModelError: it cannot be fetched, loaded or run as asked.
        MissingDependency: `backend: openvino` is asked for and not installed.
    """
    if ladder and is_recurrent(model.name):
        raise ModelError(
            f"matting.mode: tracked is not for {model.name}, which has to see every frame: "
            "write every_frame, or take another model"
        )
    if model.backend == "openvino":
        openvino.load_openvino()
        on_gpu = False
    else:
        wanted = automatic_providers() if model.providers == "auto" else model.providers
        on_gpu = wanted[0] != "cpu"
    resolved = resolve(model, on_gpu=on_gpu, progress=progress, resizable=bool(ladder))
    if resolved.contract.recurrence is not None:
        return (
            RecurrentSegmenter(
                resolved.path,
                resolved.contract,
                model,
                name=resolved.name,
                sha256=resolved.sha256,
                precision=resolved.precision,
                user=user,
            ),
            resolved.fallback_reason,
        )
    advice = None
    is_usual = model.precision == "auto" and model.contract is None
    if resolved.artefact is None and is_usual and not on_gpu:
        asked_as = model.name if model.name.endswith(".onnx") else resolved.name
        advice = Advice(resolved.name, asked_as, on_each_frame=not ladder)
    segmenter = OnnxSegmenter(
        resolved.path,
        resolved.contract,
        model,
        name=resolved.name,
        sha256=resolved.sha256,
        precision=resolved.precision,
        made_for=resolved.made_for,
        ladder=ladder,
        advice=advice,
        user=user,
    )
    return segmenter, resolved.fallback_reason


def is_recurrent(name: str) -> bool:
    """Whether the registered model *name* has to see every frame, and the whole of it."""
    return name in models() and models()[name].contract.recurrence is not None


class OnnxSegmenter(Uncopyable):
    """
    An ONNX matting model, on onnxruntime or OpenVINO.

    Args:
        path: the model's file.
        contract: how it expects its input and what its output means.
        model: size, backend, providers, threads and normalisation that were asked for.
        name: how the model is called in the report.
        sha256: the file's hash, for the report.
        precision: of the file's weights; None if unknown: then taken from the graph's input.
        made_for: (height, width) to take if neither the graph, nor *model*, nor *contract* gives
            one.
        ladder: smaller sides of a square input to be ready for too, as far as the graph can.
        advice: told how long inferences take.
        user: whose turns the runs take.

    Raises:
        ModelError: the graph does not fit its contract or the size that was asked for.
        ModelCorrupt, ProviderError, MissingDependency: see `OnnxRuntime` and `OpenVinoRuntime`.

    Not thread-safe. The session, and on a CPU the bound arrays, are shared with other segmenters of
    the same file and settings, which may be used in other threads.
    """

    def __init__(
        self,
        path: Path,
        contract: Contract,
        model: ModelConfig,
        *,
        name: str,
        sha256: str,
        precision: str | None,
        made_for: Size | None = None,
        ladder: Sequence[int] = (),
        advice: Advice | None = None,
        user: User = ANYBODY,
    ) -> None:
        threads = core_count() if model.threads == "auto" else model.threads
        runtime: Runtime
        terms = path, contract, model
        if _takes_openvino(model, precision, several=bool(ladder)):
            load = partial(openvino.OpenVinoRuntime, *terms, threads=threads)
            runtime = lent(load, "openvino", *terms, threads=threads, sha256=sha256)
        else:
            runtime = lent_session(*terms, threads=threads, sha256=sha256)
        signature = runtime.signature
        side = contract.input_size
        usual = made_for if side is None else (side, side)
        own, any_size = input_size(signature.shape, usual, model.input_size, path, name)
        smaller = {(side, side) for side in ladder if side < min(own)} if any_size else set()
        self._name = name
        self._own = own
        self._advice = advice
        self._user = user
        self._sized: dict[Size, Bound] = {}
        for size in [own, *sorted(smaller)]:
            try:
                self._sized[size] = bound_to(
                    runtime, size, contract, normalize=model.normalize, smooth=size != own
                )
            except ModelError as error:
                if size == own:
                    raise ModelError(f"{path}: {_unfit(own, any_size)}: {error}") from error
                self._leave_out(size, error)
        self._any_size = any_size
        self._info = ModelInfo(
            name=name,
            sha256=sha256,
            precision=precision or ("fp16" if signature.dtype == "float16" else "fp32"),
            input_size=own,
            providers=runtime.providers,
            threads=threads,
        )

    @property
    def info(self) -> ModelInfo:
        """The model that really runs."""
        return self._info

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The sizes that it is ready for, smallest first; after `warm_up` each has been run."""
        return tuple(sorted(self._sized, key=lambda size: size[0] * size[1]))

    def warm_up(self) -> None:
        """
        Run each size that has not run yet; one of the ladder that the graph cannot do is left out.

        Raises:
            SegmentError: the model does not run at its own size.
        """
        # The largest, then the smallest: TensorRT builds its engine for all sizes in between.
        for size in sorted(self._sized, key=lambda size: (size != self._own, size)):
            try:
                self._sized[size].warm_up(self._user)
            except SegmentError as error:
                if size == self._own:
                    raise SegmentError(
                        f"{self._name}: {_unfit(size, self._any_size)}: {error}"
                    ) from error
                del self._sized[size]
                self._leave_out(size, error)

    def segment(self, image: Image, out: Alpha, size: Size | None = None) -> None:
        """
        Estimate the foreground alpha of one image into *out*.

        The image is stretched to the network's size bilinearly, in RGB as `(x/255 - mean) / std`;
        the estimate is stretched back bilinearly (BRIA's reference code for RMBG-1.4). At a size
        of the ladder, a picture more than twice as large is shrunk by averaging.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed. May be a view into a larger picture: the pixels
                of a row packed, the rows apart.
            out: (H, W) uint8, 0 background to 255 foreground; overwritten. May be a view too.
            size: one of `sizes`; the model's own when None.

        Raises:
            SegmentError: inference failed; *out* is undefined.

        Not thread-safe. Allocates nothing of a frame's size, unless `normalize` is on.
        """
        if image.shape[:2] != out.shape:
            raise ValueError(f"an image of {image.shape} and an alpha of {out.shape}")
        if not self._sized:
            raise SegmentError(f"{self._name}: the model is closed")
        if size is not None and size not in self._sized:
            raise ValueError(f"not ready for {size}, only for {self.sizes}")
        try:
            took_s = self._sized[size or self._own].segment(image, out, self._user)
        except SegmentError as error:
            raise SegmentError(f"{self._name}: inference failed: {error}") from error
        if self._advice is not None and size in (None, self._own):
            self._advice.ran(took_s)

    def reset(self) -> None:
        """Do nothing: each picture is looked at alone."""

    def close(self) -> None:
        """Release the model's memory. A second call does nothing."""
        self._sized.clear()

    def _leave_out(self, size: Size, error: ModelError) -> None:
        height, width = size
        logger.info("%s: %dx%d is left out: %s", self._name, width, height, error)


def _takes_openvino(model: ModelConfig, precision: str | None, *, several: bool) -> bool:
    """
    Whether OpenVINO is to run the file: if asked for, or for an int8 file on a CPU, as faster.

    For *several* sizes only if asked for: its memory grows as they take turns.
    """
    if model.backend != "auto":
        return model.backend == "openvino"
    if several:
        return False
    wanted = automatic_providers() if model.providers == "auto" else model.providers
    if precision != "int8" or wanted[0] != "cpu" or not openvino.is_installed():
        return False
    try:
        openvino.load_openvino()
    except MissingDependency as error:
        logger.warning("%s: onnxruntime runs the model", error)
        return False
    return True


def _unfit(size: Size, any_size: bool) -> str:
    """The message for a graph that does not run at its own size."""
    height, width = size
    way_out = "; another model.input_size may do, such as a multiple of 64" if any_size else ""
    return f"does not run at {width}x{height}{way_out}"
