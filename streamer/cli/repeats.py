"""Messages of the log that come again and again: withheld for a while, and counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from streamer.core import records
from streamer.core.clock import Clock

WINDOW_S = 60
_BURST = 5
"""How often the same message is written within `WINDOW_S`."""
_MOST_MESSAGES = 1000
"""How many different messages are watched for repeats."""


def _detached(record: logging.LogRecord, repeated: int) -> logging.LogRecord:
    """A copy of *record* that keeps no argument, exception or frame alive; the last of so many."""
    stream, stage = records.origin(record)
    kept = ("name", "levelno", "levelname", "created", "msecs", "threadName")
    return logging.makeLogRecord(
        {
            **{name: getattr(record, name) for name in kept},
            "msg": records.message(record),
            "stream": stream,
            "stage": stage,
            "repeated": repeated,
        }
    )


@dataclass
class _Window:
    """The time in which one message is written a few times only."""

    began_ns: int
    written: int = 1
    withheld: int = 0
    last: logging.LogRecord | None = None
    """The last one withheld, which has their count."""

    def over(self, now_ns: int) -> bool:
        return now_ns - self.began_ns >= WINDOW_S * 1_000_000_000


class Repeats:
    """
    Withholds the messages that come again and again, and counts them.

    The same message is one of the same logger, level, text and stream, with the same exception: its
    type and its text. Its count is due with the first record, of any message, after its window. Not
    thread-safe: the handler's lock guards it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[object, ...], _Window] = {}
        """By message, the window that began first in front."""

    def passed(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """What is to be written now: the counts that are due, and *record* unless withheld."""
        now_ns = self._clock.now_ns()
        text, (stream, _) = records.message(record), records.origin(record)
        key = (record.name, record.levelno, text, stream, records.raised(record))
        window = self._windows.get(key)
        if window is None or window.over(now_ns):
            if window is not None:
                record.repeated = window.withheld
                del self._windows[key]
            self._windows[key] = _Window(now_ns)
        elif window.written < _BURST:
            window.written += 1
        else:
            window.withheld += 1
            window.last = _detached(record, window.withheld)
            return self._due(now_ns)
        return [*self._due(now_ns), record]

    def rest(self) -> list[logging.LogRecord]:
        """The counts of all that is still withheld."""
        windows, self._windows = self._windows, {}
        return [window.last for window in windows.values() if window.last is not None]

    def _due(self, now_ns: int) -> list[logging.LogRecord]:
        """The counts of the windows that are over, and of the oldest of too many."""
        due: list[logging.LogRecord] = []
        while self._windows:
            oldest = next(iter(self._windows))
            window = self._windows[oldest]
            if not window.over(now_ns) and len(self._windows) <= _MOST_MESSAGES:
                break
            del self._windows[oldest]
            if window.last is not None:
                due.append(window.last)
        return due
