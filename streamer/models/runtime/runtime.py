"""The contract of what loads and runs a graph; see `onnxruntime` and `openvino`."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from streamer.models.runtime.turns import User

_WHERE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : "
    r"|/\S+\.(?:cc|h):\d+ \S.*?\) (?=\S)"
)
"""An error code, or a place in onnxruntime's source with the function's signature."""
_MOST_SAID = 400

Array = np.ndarray[Any, Any]

Run = Callable[[], None]
"""
Runs the graph once, from the bound input to the bound output, in a turn of its user.

Raises SegmentError.
"""


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

    Any thread may bind. Runs on one device take turns: who runs has one (`turn`).
    """

    @property
    def signature(self) -> Signature:
        """The graph's input and output."""
        ...

    @property
    def providers(self) -> tuple[str, ...]:
        """What runs it, best first, for `ModelInfo`."""
        ...

    @property
    def on_cpu(self) -> bool:
        """Whether it runs on the CPU, and reads and writes the bound arrays themselves."""
        ...

    def turn(self, user: User) -> AbstractContextManager[None]:
        """What *user* holds while it runs the graph; see `Turns.turn`."""
        ...

    def bind(self, source: Array, target: Array) -> Run:
        """
        Prepare a run on these arrays, which are kept.

        Args:
            source: the input, of the signature's dtype and of a shape that it allows.
            target: the output, of its dtype; holds the estimate after each run.

        Raises:
            ModelError: the graph cannot give such an output for such an input; `onnxruntime` may
                notice only when it runs.
        """
        ...


def in_one_line(error: BaseException) -> str:
    """The message of *error* in one line, shortened, without the place in C++ it came from."""
    text = _WHERE.sub("", " ".join(str(error).split()))
    return text[:_MOST_SAID] or type(error).__name__
