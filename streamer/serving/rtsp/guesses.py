"""Wrong passwords by address: those who guess have to wait, and are logged."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger("streamer.serving.rtsp")

HOLD_S = 1.0
"""How long a suspect waits for each answer."""
_PATIENCE = 5
"""Wrong passwords that make a suspect; fewer may be typing errors, or a player's retries."""
_MEMORY_S = 600.0
_TELL_S = 60.0
_ADDRESSES = 1024


@dataclass(slots=True)
class _Record:
    refusals: int
    """Wrong passwords since the address was last forgotten."""
    last_s: float
    untold: int
    """Refusals that are not logged yet."""
    told_s: float


class Guesses:
    """
    A bounded table of refusals. Used from the server's thread.

    An address is forgotten ten minutes after its last wrong password, or to make room for another.

    Args:
        now: seconds, monotonic; for tests.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._records: dict[str, _Record] = {}
        """The address that was quiet for longest comes first."""

    def __len__(self) -> int:
        return len(self._records)

    def add(self, address: str) -> None:
        """Count wrong credentials from *address*."""
        now_s = self._now()
        record = self._records.pop(address, None) or _Record(0, now_s, 0, now_s - _TELL_S)
        if len(self._records) >= _ADDRESSES:
            self._forget(next(iter(self._records)))
        self._records[address] = record
        record.refusals += 1
        record.untold += 1
        record.last_s = now_s
        self._tell_if_due(address, record)

    def suspects(self, address: str) -> bool:
        """Whether *address* has been wrong too often."""
        record = self._records.get(address)
        return record is not None and record.refusals >= _PATIENCE

    def tidy(self) -> None:
        """Log what is due, and forget quiet addresses; called several times a second."""
        now_s = self._now()
        for address, record in list(self._records.items()):
            self._tell_if_due(address, record)
            if now_s - record.last_s >= _MEMORY_S:
                self._forget(address)

    def clear(self) -> None:
        """Log what is left, and forget everybody."""
        for address in list(self._records):
            self._forget(address)

    def _forget(self, address: str) -> None:
        _tell(address, self._records.pop(address))

    def _tell_if_due(self, address: str, record: _Record) -> None:
        now_s = self._now()
        if record.untold and now_s - record.told_s >= _TELL_S:
            _tell(address, record)
            record.untold = 0
            record.told_s = now_s


def _tell(address: str, record: _Record) -> None:
    if record.untold:
        often = "once" if record.untold == 1 else f"{record.untold} times"
        log.warning("%s: wrong user or password, %s", address, often)
