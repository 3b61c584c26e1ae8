"""A recurrent model behind the `Segmenter` contract: it takes whole frames, in their order."""

from __future__ import annotations

from pathlib import Path

from streamer.config import ModelConfig
from streamer.core.copying import Uncopyable
from streamer.core.cores import core_count
from streamer.errors import ModelError, SegmentError
from streamer.frame import Alpha, Image
from streamer.models.runtime.onnxruntime import OnnxRuntime, lent_session
from streamer.models.runtime.recurrence import RecurrentRun
from streamer.models.runtime.tensors import Tensors
from streamer.models.runtime.turns import ANYBODY, User
from streamer.models.store.registry import Contract
from streamer.protocols import ModelInfo

Size = tuple[int, int]
"""(height, width) in pixels."""

_FIRST: Size = (288, 512)
"""The size it is ready for until the first picture comes."""


class RecurrentSegmenter(Uncopyable):
    """
    A model that carries states from one picture to the next, such as RobustVideoMatting, on
    onnxruntime.

    A picture goes in at its own size, neither stretched nor cropped. The graph shrinks it
    internally, so that its longer side is as the contract says (Lin et al. 2021, "Robust
    High-Resolution Video Matting with Temporal Guidance": `downsample_ratio`). A picture of a new
    size makes it begin anew, with memory for that size alone; this takes an extra inference.

    Args:
        path: the model's file.
        contract: how it expects its input and what its output means; with a recurrence.
        model: providers, threads and normalisation that were asked for.
        name: how the model is called in the report.
        sha256: the file's hash, for the report.
        precision: of the file's weights; None if unknown: then taken from the graph's input.
        user: whose turns the runs take.

    Raises:
        ModelError: the graph does not fit its contract, or cannot do what was asked for.
        ModelCorrupt, ProviderError: see `OnnxRuntime`.

    Not thread-safe.
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
        user: User = ANYBODY,
    ) -> None:
        _refuse(model, name)
        self._threads = core_count() if model.threads == "auto" else model.threads
        runtime = lent_session(path, contract, model, threads=self._threads, sha256=sha256)
        shape = runtime.signature.shape
        if len(shape) != 4 or shape[2:] != (None, None):
            raise ModelError(f"{path}: its input is {list(shape)}, not of any height and width")
        self._runtime: OnnxRuntime | None = runtime
        self._user = user
        self._contract = contract
        self._normalize = model.normalize
        self._name = name
        self._sha256 = sha256
        self._precision = precision or ("fp16" if runtime.signature.dtype == "float16" else "fp32")
        self._providers = runtime.providers
        self._size = _FIRST
        self._tensors, self._run = self._made(runtime, _FIRST)

    @property
    def info(self) -> ModelInfo:
        """The model that really runs; its input size is that of the latest picture."""
        return ModelInfo(
            name=self._name,
            sha256=self._sha256,
            precision=self._precision,
            input_size=self._size,
            providers=self._providers,
            threads=self._threads,
            recurrent=True,
        )

    @property
    def sizes(self) -> tuple[Size, ...]:
        """The one size it is ready for: that of the latest picture."""
        return (self._size,)

    def warm_up(self) -> None:
        """Run once. Raises SegmentError."""
        self._tensors.input.fill(0)
        self._infer()
        self._run.forget()

    def segment(self, image: Image, out: Alpha, size: Size | None = None) -> None:
        """
        Estimate the foreground alpha of the next picture into *out*.

        Args:
            image: (H, W, 3) uint8 BGR; borrowed. Its rows need not be contiguous.
            out: (H, W) uint8, 0 background to 255 foreground; overwritten. Its rows need not be
                contiguous.
            size: the one in `sizes`, to which the image is then stretched; the image's own when
                None.

        Raises:
            SegmentError: inference failed, and the states stay; or its output is no alpha, and they
                are forgotten. *out* is undefined.

        Not thread-safe. Allocates nothing of a frame's size, unless the size is new or `normalize`
        is on.
        """
        if image.shape[:2] != out.shape:
            raise ValueError(f"an image of {image.shape} and an alpha of {out.shape}")
        if self._runtime is None:
            raise SegmentError(f"{self._name}: the model is closed")
        if size is not None and size != self._size:
            raise ValueError(f"not ready for {size}, only for {self.sizes}")
        height, width = size or out.shape
        if (height, width) != self._size:
            try:
                self._tensors, self._run = self._made(self._runtime, (height, width))
            except ModelError as error:
                raise SegmentError(f"{self._name}: at {width}x{height}: {error}") from error
            self._size = height, width
        self._tensors.fill(image)
        self._infer()
        try:
            self._tensors.read(out)
        except SegmentError as error:
            self._run.forget()
            raise SegmentError(f"{self._name}: inference failed: {error}") from error

    def reset(self) -> None:
        """Forget the earlier pictures. Allocates nothing of a frame's size."""
        if self._runtime is not None:
            self._run.forget()

    def close(self) -> None:
        """Release the model's memory. A second call does nothing."""
        if self._runtime is not None:
            self._runtime = None
            del self._tensors, self._run

    def _infer(self) -> None:
        try:
            self._run()
        except SegmentError as error:
            raise SegmentError(f"{self._name}: inference failed: {error}") from error

    def _made(self, runtime: OnnxRuntime, size: Size) -> tuple[Tensors, RecurrentRun]:
        """The arrays and the run for pictures of *size*. Raises ModelError."""
        recurrence = self._contract.recurrence
        if recurrence is None:
            raise ModelError(f"{self._name}: its contract has no recurrence")
        signature = runtime.signature
        tensors = Tensors(
            size,
            self._contract,
            dtype=signature.dtype,
            output_dtype=signature.output_dtype,
            output_rank=signature.output_rank,
            normalize=self._normalize,
        )
        ratio = min(1.0, recurrence.inner_side / max(size))
        run = runtime.bind_recurrent(tensors.input, tensors.estimate, recurrence, ratio, self._user)
        return tensors, run


def _refuse(model: ModelConfig, name: str) -> None:
    """Raise ModelError if *model* asks for something that a recurrent model cannot do."""
    if model.input_size is not None:
        raise ModelError(f"model.input_size: {name} takes each frame at its own size: leave it out")
    if model.backend == "openvino":
        raise ModelError(f"model.backend: {name} runs on onnxruntime only: write that, or auto")
    if model.options.cuda.cuda_graphs or model.options.tensorrt.cuda_graphs:
        raise ModelError(f"model.options: {name} cannot be recorded: write cuda_graphs: false")
