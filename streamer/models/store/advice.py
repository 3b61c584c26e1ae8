"""Advice to optimise a model: once in a process, and only for one that takes its time."""

from __future__ import annotations

import logging
import threading

from streamer.models.store.artefacts import command

_WORTH_S = 0.03
"""From here on an inference takes longer than all else that is done to a 720p frame together."""
_FEW = 4
"""So many times that, where not every frame is shown to the model."""
_SURELY_S = 0.3
"""So long a first run is no longer owed to what is allocated in it."""

logger = logging.getLogger("streamer.models")

_lock = threading.Lock()
_given: set[str] = set()
"""Commands that were named in this process."""


class Advice:
    """
    Looks at how long a model's inferences take, and names the command once where that is long.

    Args:
        name: the model's, for the message.
        asked_as: what `streamer models optimize` calls it.
        on_each_frame: the model sees every frame.

    Not thread-safe; several of them may be used in several threads.
    """

    def __init__(self, name: str, asked_as: str, *, on_each_frame: bool = True) -> None:
        self._name = name
        self._command = command(asked_as)
        self._worth_s = _WORTH_S if on_each_frame else _FEW * _WORTH_S
        self._first_s: float | None = None
        self._settled = False

    def ran(self, seconds: float) -> None:
        """An inference at the model's own size took so long."""
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
