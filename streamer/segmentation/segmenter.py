"""
One model behind the `Segmenter` contract: preprocessing, a bound session, postprocessing.

Everything is allocated when the model is loaded, or when a frame's size is new, and then reused;
the session's input and output are bound once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from streamer.config import ModelConfig
from streamer.errors import ModelError, SegmentError
from streamer.frame import Alpha, Image
from streamer.protocols import ModelInfo
from streamer.segmentation.registry import Contract
from streamer.segmentation.session import (
    automatic_providers,
    core_count,
    device_of,
    open_session,
    pick,
)
from streamer.segmentation.weights import Progress, resolve

_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}


def load_segmenter(
    model: ModelConfig, progress: Progress | None = None
) -> tuple[OnnxSegmenter, str | None]:
    """
    The model that *model* asks for, fetched if need be and loaded; and why it is a fall-back.

    Returns:
        The segmenter, and for `name: auto` that had to take another model the reason, else None.

    Raises:
        ModelError: it cannot be had, loaded or run as asked.
    """
    wanted = automatic_providers() if model.providers == "auto" else model.providers
    on_gpu = wanted[0] != "cpu"
    resolved = resolve(model, on_gpu=on_gpu, progress=progress)
    segmenter = OnnxSegmenter(
        resolved.path,
        resolved.contract,
        model,
        name=resolved.name,
        sha256=resolved.sha256,
        precision=resolved.precision,
    )
    return segmenter, resolved.fallback_reason


class OnnxSegmenter:
    """
    An ONNX matting model on onnxruntime.

    Args:
        path: the model's file.
        contract: how it wants its input and means its output.
        model: size, providers, threads and normalisation that were asked for.
        name: how the model is called in the report.
        sha256: the file's hash, for the report.
        precision: of the file's weights; None where unknown: read off the graph's input.

    Raises:
        ModelError: the graph does not fit its contract or the size that was asked for.
        ModelCorrupt, ProviderError: see `open_session`.

    Not thread-safe: a binding belongs to one thread at a time.
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
    ) -> None:
        threads = core_count() if model.threads == "auto" else model.threads
        session = open_session(path, model.providers, threads)
        source = pick(session.get_inputs(), contract.input, "input", path)
        target = pick(session.get_outputs(), contract.output, "output", path)
        height, width = _input_size(source.shape, contract.input_size, model.input_size, path)
        if source.type not in _DTYPES or target.type not in _DTYPES:
            raise ModelError(f"{path}: wants {source.type}, gives {target.type}: not float tensors")

        self._session: ort.InferenceSession | None = session
        self._logits = contract.logits
        self._normalize = model.normalize
        self._small: Image = np.empty((height, width, 3), np.uint8)
        self._planes = [np.empty((height, width), np.uint8) for _ in range(3)]
        self._tensor = np.zeros((1, 3, height, width), _DTYPES[source.type])
        rank = max(len(target.shape), 2)
        self._estimate = np.zeros((1,) * (rank - 2) + (height, width), _DTYPES[target.type])
        self._alpha: Alpha = np.empty((height, width), np.uint8)
        self._probability = np.empty((height, width), np.float32)
        levels = np.arange(256, dtype=np.float64) / 255
        self._tables = [
            ((levels - mean) / std).astype(np.float32)
            for mean, std in zip(contract.mean, contract.std, strict=True)
        ]
        self._device = device_of(session)
        self._bind(session, source.name, target.name)
        self._info = ModelInfo(
            name=name,
            sha256=sha256,
            precision=precision or ("fp16" if self._tensor.dtype == np.float16 else "fp32"),
            input_size=(height, width),
            providers=tuple(session.get_providers()),
            threads=threads,
        )

    def _bind(self, session: ort.InferenceSession, source: str, target: str) -> None:
        """
        Bind the input where the model runs and the output where we read it.

        On a GPU the input tensor lives there and is updated in place; the output is bound to our
        host array, so that onnxruntime copies it there without an allocation. On a CPU both are
        our arrays, without a copy.
        """
        self._binding: Any = session.io_binding()
        if self._device[0] == "cpu":
            self._input = ort.OrtValue.ortvalue_from_numpy(self._tensor)
        else:
            self._input = ort.OrtValue.ortvalue_from_numpy(self._tensor, *self._device)
        self._output = ort.OrtValue.ortvalue_from_numpy(self._estimate)
        self._binding.bind_ortvalue_input(source, self._input)
        self._binding.bind_ortvalue_output(target, self._output)

    @property
    def info(self) -> ModelInfo:
        """Which model really runs."""
        return self._info

    def warm_up(self) -> None:
        """Run once on black. Raises SegmentError."""
        self._tensor.fill(0)
        self._run()

    def segment(self, image: Image, out: Alpha) -> None:
        """
        Estimate the foreground alpha of one image into *out*.

        The image is stretched to the network's size bilinearly, in RGB as `(x/255 - mean) / std`;
        the estimate is stretched back bilinearly (BRIA's reference code for RMBG-1.4).

        Args:
            image: (H, W, 3) uint8 BGR, C-contiguous; borrowed.
            out: (H, W) uint8, 0 background to 255 foreground; overwritten.

        Raises:
            SegmentError: inference failed; *out* is undefined.

        Not thread-safe. Allocates nothing of a frame's size, unless `normalize` is on.
        """
        if image.shape[:2] != out.shape:
            raise ValueError(f"an image of {image.shape} and an alpha of {out.shape}")
        self._preprocess(image)
        self._run()
        self._postprocess(out)

    def _preprocess(self, image: Image) -> None:
        height, width = self._alpha.shape
        cv2.resize(image, (width, height), dst=self._small, interpolation=cv2.INTER_LINEAR)
        cv2.split(self._small, self._planes)
        for channel, (plane, table) in enumerate(
            zip(reversed(self._planes), self._tables, strict=True)
        ):
            if self._tensor.dtype == np.float32:
                cv2.LUT(plane, table, dst=self._tensor[0, channel])
            else:
                cv2.LUT(plane, table, dst=self._probability)
                np.copyto(self._tensor[0, channel], self._probability, casting="same_kind")

    def _run(self) -> None:
        if self._session is None:
            raise SegmentError("the model is closed")
        try:
            if self._device[0] != "cpu":
                self._input.update_inplace(self._tensor)
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # onnxruntime's errors have no common base
            text = str(error).strip().splitlines() or [type(error).__name__]
            raise SegmentError(f"{self._info.name}: inference failed: {text[0]}") from error

    def _postprocess(self, out: Alpha) -> None:
        estimate: Any = self._estimate.reshape(self._alpha.shape)
        if self._logits or self._normalize or estimate.dtype != np.float32:
            np.copyto(self._probability, estimate)
            estimate = self._probability
        if self._logits:
            _sigmoid(estimate)
        height, width = out.shape
        if self._normalize:
            _stretch(cv2.resize(estimate, (width, height)), out)
            return
        _to_bytes(estimate, self._alpha)
        cv2.resize(self._alpha, (width, height), dst=out, interpolation=cv2.INTER_LINEAR)

    def close(self) -> None:
        """Release the model's memory. Twice is once."""
        self._binding = None
        self._session = None


def _input_size(
    shape: list[Any], contract: int | None, wanted: int | None, path: Path
) -> tuple[int, int]:
    """(height, width) from what the graph fixes, what was asked for and what the contract says."""
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
        raise ModelError(f"{path}: its input is {shape}, not [1, 3, height, width]")
    fixed = [side if isinstance(side, int) and side > 0 else None for side in shape[2:]]
    size = [side or wanted or contract for side in fixed]
    if None in size:
        raise ModelError(f"{path}: takes any size: say which with model.input_size, such as 1024")
    height, width = size[0] or 0, size[1] or 0
    if wanted is not None and (height, width) != (wanted, wanted):
        raise ModelError(
            f"model.input_size: {wanted} is not possible: {path.name} is made for {width}x{height}"
        )
    return height, width


def _sigmoid(values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    """`1 / (1 + exp(-x))` in place; cannot overflow: `exp` is of at most 80."""
    np.clip(values, -80, 80, out=values)
    np.negative(values, out=values)
    np.exp(values, out=values)
    np.add(values, 1, out=values)
    np.reciprocal(values, out=values)


def _to_bytes(estimate: np.ndarray[Any, np.dtype[np.float32]], out: Alpha) -> None:
    """Write `round(255 * clip(estimate, 0, 1))` into *out*; what is not a number becomes 0."""
    np.maximum(estimate, 0, out=estimate)
    cv2.convertScaleAbs(estimate, dst=out, alpha=255)


def _stretch(estimate: Any, out: Alpha) -> None:
    """Min-max normalise into *out*; a flat estimate, which has no foreground to find, becomes 0."""
    low, high = float(estimate.min()), float(estimate.max())
    if not high - low > 1e-6:
        out.fill(0)
        return
    np.copyto(out, np.rint((estimate - low) * (255 / (high - low))), casting="unsafe")
