"""Checks that a file can be optimised: it gives alphas, and the same ones when folded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from streamer.config import ModelConfig
from streamer.errors import ModelError
from streamer.frame import Image
from streamer.models.optimizing.calibration import Eye
from streamer.models.optimizing.graph import cpu_session
from streamer.models.optimizing.proof import run_shipped
from streamer.models.runtime.segmenter import OnnxSegmenter
from streamer.models.store.weights import Resolved

_FOLD_LIMIT = 1e-3
"""Mean difference of alpha that folding may make; half-precision outputs round by less."""


def require_alpha(original: Resolved, model: ModelConfig, picture: Image) -> None:
    """
    Raise ModelError unless *original*, run as *model* asks, gives an alpha of *picture*.

    Any finite values pass: of a local file, only its user may know that they need a sigmoid.
    """
    plain = model.model_copy(
        update={"providers": ["cpu"], "backend": "onnxruntime", "normalize": False}
    )
    segmenter = OnnxSegmenter(
        original.path,
        dataclasses.replace(original.contract, logits=True),
        plain,
        name=original.name,
        sha256=original.sha256,
        precision=None,
    )
    segmenter.segment(picture, np.empty(picture.shape[:2], np.uint8))
    segmenter.close()


def require_same(
    original: Resolved, folded: Path, picture: Image, size: tuple[int, int], threads: int
) -> None:
    """Raise ModelError unless the folded graph estimates what the original file does."""
    eye = Eye(original.contract, size)
    tensor = eye.tensor(picture)
    alphas = [
        eye.coverage(run_shipped(cpu_session(path, threads), original.contract, tensor))
        for path in (original.path, folded)
    ]
    difference = float(np.abs(alphas[0] - alphas[1]).mean())
    if not difference <= _FOLD_LIMIT:
        raise ModelError(
            f"{original.name}: folded, it differs from its file by {difference:.4f}: "
            "it cannot be optimised"
        )
