"""The contract of what loads and runs a graph; see `onnxruntime` and `openvino`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamer.models.runtime.turns import ANYBODY, User

_WHERE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "
    r"|/\S+\.(?:cc|h):\d+ \S.*?\) (?=\S)"
)
"""An error code, or a place in onnxruntime's source with the function's signature."""
_MOST_SAID = 400

Array = np.ndarray[Any, Any]

Run = Callable[[], None]
"""Runs the graph once, from the bound input to the bound output. Raises SegmentError."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A graph's input and output."""

    shape: tuple[int | None, ...]
    """Of the input; None where any length is allowed."""
    dtype: np.dtype[Any]
    """Of the input, float16 or float32."""
    output_dtype: np.dtype[Any]
    """Of the output, float16 or float32."""
    output_rank: int
    """Dimensions of the output."""


class Runtime(Protocol):
    """
    A loaded graph.

    Any thread may bind. A run is for one thread at a time; runs on one device take turns.
    """

    @property
    def signature(self) -> Signature:
        """The graph's input and output."""
        ...

    @property
    def providers(self) -> tuple[str, ...]:
        """What runs it, best first, for `ModelInfo`."""
        ...

    def bind(self, source: Array, target: Array, user: User = ANYBODY) -> Run:
        """
        Prepare a run on these arrays, which are kept.

        Args:
            source: the input, of the signature's dtype and of a shape that it allows.
            target: the output, of its dtype; holds the estimate after each run.
            user: whose turns the runs take.

        Raises:
            ModelError: the graph cannot give such an output for such an input; `onnxruntime` may
                notice only when it runs.
        """
        ...


def in_one_line(error: BaseException) -> str:
    """The message of *error* in one line, shortened, without the place in C++ it came from."""
    text = _WHERE.sub("", " ".join(str(error).split()))
    return text[:_MOST_SAID] or type(error).__name__
