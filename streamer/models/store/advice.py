"""Advice to optimise a model: given once in a process, and only if the model is slow."""

from __future__ import annotations

import logging
import threading

from streamer.models.store.artefacts import command

_WORTH_S = 0.03
"""From this on, an inference takes longer than everything else done to a 720p frame."""
_FEW = 4
"""Factor on that limit if the model does not see every frame."""
_SURELY_S = 0.3
"""A first run this long cannot be explained by its allocations."""

logger = logging.getLogger("streamer.models")

_lock = threading.Lock()
_given: set[str] = set()
"""Commands that were advised in this process."""


class Advice:
    """
    Watches how long a model's inferences take and, if that is long, advises the command once.

    Args:
        name: the model's, for the message.
        asked_as: what `streamer models optimize` calls it.
        on_each_frame: the model sees every frame.

    Not thread-safe, but several may be used in different threads.
    """

    def __init__(self, name: str, asked_as: str, *, on_each_frame: bool = True) -> None:
        self._name = name
        self._command = command(asked_as)
        self._worth_s = _WORTH_S if on_each_frame else _FEW * _WORTH_S
        self._first_s: float | None = None
        self._settled = False

    def ran(self, seconds: float) -> None:
        """Note that an inference at the model's own size took *seconds*."""
        if self._settled:
            return
        if self._first_s is None and seconds < _SURELY_S:
            self._first_s = seconds
            return
        self._settled = True
        if min(seconds, self._first_s or seconds) < self._worth_s:
            return
        with _lock:
            if self._command in _given:
                return
            _given.add(self._command)
        logger.warning(
            "%s: `%s` would make it several times as fast on this CPU", self._name, self._command
        )
