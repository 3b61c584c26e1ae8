"""A graph bound to the tensors of one size: from a picture to its alpha."""

from __future__ import annotations

import time

from streamer.core.copying import Uncopyable
from streamer.frame import Alpha, Image
from streamer.models.runtime.runtime import Runtime
from streamer.models.runtime.tensors import Tensors
from streamer.models.runtime.turns import User


class Bound(Uncopyable):
    """
    Runs *runtime* on *tensors*, which are allocated once.

    Args:
        runtime: the loaded graph.
        tensors: its input and output.

    Raises:
        ModelError: see `Runtime.bind`.

    Where the graph runs on the CPU, the tensors are used within the user's turn alone: filling and
    reading them takes the cores that the run takes, and so one set serves any number of threads
    (see `lending`). Elsewhere they are filled while others have the device, and it is not
    thread-safe.
    """

    def __init__(self, runtime: Runtime, tensors: Tensors) -> None:
        self._runtime = runtime
        self._tensors = tensors
        self._run = runtime.bind(tensors.input, tensors.estimate)
        self._is_warm = False

    def warm_up(self, user: User) -> None:
        """Run once on black, unless that was done. Raises SegmentError."""
        if self._is_warm:
            return
        with self._runtime.turn(user):
            if not self._is_warm:  # another may have had its turn since
                self._tensors.input.fill(0)
                self._run()
                self._is_warm = True

    def segment(self, image: Image, out: Alpha, user: User) -> float:
        """
        Write the alpha of *image* into *out*; see `OnnxSegmenter.segment`.

        Returns:
            Seconds that the graph ran.

        Raises:
            SegmentError: the run failed, or what it gave is no alpha.
        """
        if self._runtime.on_cpu:
            with self._runtime.turn(user):
                self._tensors.fill(image)
                took_s = self._timed()
                self._tensors.read(out)
            return took_s
        self._tensors.fill(image)
        with self._runtime.turn(user):
            took_s = self._timed()
        self._tensors.read(out)
        return took_s

    def _timed(self) -> float:
        began = time.perf_counter()
        self._run()
        return time.perf_counter() - began
