"""Single pictures from Python: an array in, its cutout and mask out."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

import cv2
import numpy as np
from pydantic import Field, ValidationError

from streamer.compositing import Composer, Picture, alpha_level, cutout_rgba, mask
from streamer.compositing.stills import foreground_of
from streamer.config import ModelConfig, Provider, RefineConfig, Settings
from streamer.config.complaints import complaints
from streamer.config.data import Data
from streamer.core.copying import Uncopyable
from streamer.errors import ConfigError
from streamer.frame import Alpha, Image
from streamer.models import Progress, load_segmenter
from streamer.protocols import ModelInfo
from streamer.refining import Refiner

Order = Literal["bgr", "rgb"]


class BackgroundRemover(Uncopyable):
    """
    Removes the background from pictures.

    Args:
        model: a registered name, a path to an `.onnx` file (a text or a `pathlib.Path`), or `auto`.
        precision: `auto`, `fp32`, `fp16` or `int8`.
        rgba: cutouts are (H, W, 4) with straight soft alpha instead of (H, W, 3) on black.
        threshold: the mask is where alpha is at least this, in (0, 1]. None: that of *refine*, or
            else 0.5.
        providers: `auto` or execution providers in order of preference.
        threads: threads within an operator, or `auto`.
        normalize: stretch each alpha to its own minimum and maximum.
        refine: refinement of each alpha, which cutouts and masks are made of; a mapping has the
            names of a configuration. `fragment_frames` is ignored: pictures have no neighbours.
        colours: of cutouts at soft edges: `plain`, the picture's own, or `clean`, an estimate of
            the foreground's alone, which is best with the extra `pictures`.
        progress: told of a model's download.

    Raises:
        ConfigError: an argument is out of range.
        ModelError: the model cannot be had or loaded.

    Returned arrays are new and belong to the caller. Any thread may call it: pictures are processed
    one after the other, each with all cores. Cannot be copied or pickled. A context manager.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] = "rmbg-1.4",
        *,
        precision: Literal["auto", "fp32", "fp16", "int8"] = "auto",
        rgba: bool = False,
        threshold: float | None = None,
        providers: Literal["auto"] | Sequence[Provider] = "auto",
        threads: Literal["auto"] | int = "auto",
        normalize: bool = False,
        refine: RefineConfig | Mapping[str, Any] | None = None,
        colours: Literal["plain", "clean"] = "plain",
        progress: Progress | None = None,
    ) -> None:
        several = isinstance(providers, Sequence) and not isinstance(providers, str)
        model_config = {
            "name": os.fspath(model) if isinstance(model, os.PathLike) else model,
            "precision": precision,
            "providers": list(providers) if several else providers,
            "threads": threads,
            "normalize": normalize,
        }
        arguments = _validated(model_config, refine, threshold)
        if colours not in ("plain", "clean"):
            raise ConfigError(f"colours: 'plain' or 'clean', not {colours!r}")
        self._settings = Settings(refine=_alone(arguments))
        self._lock = threading.Lock()
        """Held for a whole picture: model, refinement and composer have one set of arrays each."""
        self._rgba = rgba
        self._clean = colours == "clean"
        self._level = alpha_level(self._settings.refine.threshold)
        self._refiner = Refiner()
        self._composer = Composer("cutout", self._settings)
        self._segmenter, self.fallback = load_segmenter(arguments.model, progress)

    @property
    def info(self) -> ModelInfo:
        """Which model really runs."""
        return self._segmenter.info

    def __call__(self, image: Image, order: Order = "bgr") -> tuple[Picture, Alpha]:
        """
        Cut one picture out.

        Args:
            image: (H, W, 3) uint8 in [0, 255].
            order: its channels' order; the cutout keeps it.

        Returns:
            The cutout, (H, W, 3) uint8 on black, or (H, W, 4) uint8 with straight alpha; and the
            mask, (H, W) uint8, 0 or 255.

        Raises:
            ValueError: *image* is not such an array.
            SegmentError: the inference failed, or the model is closed.
        """
        with self._lock:
            return self._cut_out(image, order)

    def alpha(self, image: Image, order: Order = "bgr") -> Alpha:
        """The soft matte, refined, (H, W) uint8, 0 background to 255 foreground; see `__call__`."""
        with self._lock:
            return self._matte(image, order)

    def close(self) -> None:
        """Release the model, after the present picture. A second call does nothing."""
        with self._lock:
            self._segmenter.close()

    def _cut_out(self, image: Image, order: Order) -> tuple[Picture, Alpha]:
        alpha = self._matte(image, order)
        binary = np.empty_like(alpha)
        mask(alpha, self._level, binary)
        if self._clean:
            image = foreground_of(image, alpha)
        if self._rgba:
            cutout: Picture = np.empty((*alpha.shape, 4), np.uint8)
            cutout_rgba(image, alpha, cutout)
        else:
            cutout = self._composer.compose(image, alpha).copy()
        return cutout, binary

    def _matte(self, image: Image, order: Order) -> Alpha:
        _check_image(image)
        if order not in ("bgr", "rgb"):
            raise ValueError(f"order is 'bgr' or 'rgb', not {order!r}")
        bgr = image if order == "bgr" else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        out = np.empty(image.shape[:2], np.uint8)
        self._segmenter.reset()
        self._segmenter.segment(np.ascontiguousarray(bgr), out)
        self._refiner.refine(out, self._settings.refine)
        return out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _check_image(image: object) -> None:
    """Raise ValueError if *image* is no picture; OpenCV returns None for a missing file."""
    if not isinstance(image, np.ndarray):
        name = "None" if image is None else f"of type {type(image).__name__}"
        raise ValueError(f"an image is an array, (H, W, 3) uint8, not {name}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ValueError(f"an image is (H, W, 3) uint8, not {image.shape} {image.dtype}")


class _Arguments(Data):
    model: ModelConfig
    refine: RefineConfig
    threshold: float | None = Field(gt=0, le=1)


def _validated(model: Mapping[str, Any], refine: object, threshold: object) -> _Arguments:
    """The arguments, checked as a configuration is. Raises ConfigError."""
    given = dict(refine) if isinstance(refine, Mapping) else refine
    data = {"model": model, "refine": {} if given is None else given, "threshold": threshold}
    try:
        return _Arguments.model_validate(data)
    except ValidationError as error:
        phrases = [
            phrase.replace("model.name:", "model:").removeprefix("model.")
            for phrase in complaints(error, data)
        ]
        raise ConfigError(f"BackgroundRemover: {'; '.join(phrases)}") from None


def _alone(arguments: _Arguments) -> RefineConfig:
    """The refinement for pictures, each on its own."""
    alone: dict[str, Any] = {"fragment_frames": 0}
    if arguments.threshold is not None:
        alone["threshold"] = arguments.threshold
    return arguments.refine.model_copy(update=alone)
