"""
Logging to standard error: warnings, more if asked for, and never a credential.

Lines of text, or JSON objects of one line each for programs that collect logs. A message that comes
again and again is withheld for a while and counted.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from streamer.core.clock import Clock, SystemClock
from streamer.errors import redact

_ANSWERS = "streamer.control.window.display"
"""A logger whose messages answer key presses, so they are always shown."""

_WINDOW_S = 60
_BURST = 5
"""How often the same message is written within `_WINDOW_S`."""
_MOST_MESSAGES = 1000
"""How many different messages are watched for repeats."""

# A stream's name may have hyphens, and be the name of a stage: the last stage of the name counts.
_THREAD = re.compile(
    r"streamer-(?:(?P<stream>[A-Za-z0-9._-]+)-)?"
    r"(?P<stage>capture(?:-\d+)?|matting|model|loading|switching|starting|publisher|pictures_\d+"
    r"|sinks\[\d+\].*)"
)


class LogFormat(StrEnum):
    """How the log is written."""

    text = "text"
    json = "json"


class RedactingFormatter(logging.Formatter):
    """
    Lines of text. Removes credentials from the whole formatted record, including its traceback.

    Attributes:
        names_streams: begin messages with the name of the stream that they are about, if known.
    """

    names_streams = False

    def format(self, record: logging.LogRecord) -> str:
        """The record's line or lines, free of credentials."""
        return _clean(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line with the message, which names the stream and counts the repeats."""
        stream, _ = _origin(record)
        prefix = f"{stream}: " if stream and self.names_streams else ""
        if not record.message.startswith(prefix):
            record.message = prefix + record.message
        if repeated := getattr(record, "repeated", 0):
            record.message += f" ({repeated} more like this in {_WINDOW_S} s)"
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a record, on one line of ASCII, free of credentials; see docs/logs.md."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's object, without the fields that it has no value for."""
        stream, stage = _origin(record)
        raised = record.exc_info
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        texts = {
            "time": time.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "stream": stream,
            "stage": stage,
            "logger": record.name,
            "message": _message(record),
            "exception": self.formatException(raised) if raised and raised[1] else None,
        }
        fields = {key: _clean(text) for key, text in texts.items() if text is not None}
        repeated = getattr(record, "repeated", 0)
        return json.dumps({**fields, "repeated": repeated} if repeated else fields)


def _clean(text: str) -> str:
    r"""*text* without credentials, and bytes of a file's name that are no text as `\udcff`."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


def _message(record: logging.LogRecord) -> str:
    """The message with its arguments; a mistake in them must not lose it."""
    try:
        return record.getMessage()
    except Exception as error:
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{template} (not filled in: {type(error).__name__})"


def _origin(record: logging.LogRecord) -> tuple[str | None, str | None]:
    """Stream and stage that *record* is about, by its `extra` or else by its thread's name."""
    found = _THREAD.fullmatch(record.threadName or "")
    stream, stage = (found["stream"], found["stage"]) if found else (None, None)
    told = getattr(record, "stream", None)
    if told and told != stream:
        stream, stage = str(told), None  # the thread works for another stream, or for all
    told = getattr(record, "stage", None)
    return stream, str(told) if told else stage


def _detached(record: logging.LogRecord, repeated: int) -> logging.LogRecord:
    """A copy of *record* that keeps no argument, exception or frame alive; the last of so many."""
    stream, stage = _origin(record)
    kept = ("name", "levelno", "levelname", "created", "msecs", "threadName")
    return logging.makeLogRecord(
        {
            **{name: getattr(record, name) for name in kept},
            "msg": _message(record),
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
        return now_ns - self.began_ns >= _WINDOW_S * 1_000_000_000


class _Repeats:
    """
    Withholds the messages that come again and again, and counts them.

    The same message is one of the same logger, level, text and stream. Its count is due with the
    first record, of any message, after its window. Not thread-safe: the handler's lock guards it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[object, ...], _Window] = {}
        """By message, the window that began first in front."""

    def passed(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """What is to be written now: the counts that are due, and *record* unless withheld."""
        now_ns = self._clock.now_ns()
        key = (record.name, record.levelno, _message(record), _origin(record)[0])
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


class _StandardError(logging.Handler):
    """
    Writes to the current `sys.stderr`, which a progress bar replaces while it is shown.

    Args:
        repeats: withholds some; None: everything is written.
    """

    def __init__(self, formatter: logging.Formatter, repeats: _Repeats | None) -> None:
        super().__init__()
        self.formatter = formatter
        self._repeats = repeats

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # Other handlers have the same record: what is noted on it is for our copy.
            ours = logging.makeLogRecord({**vars(record), "msg": _message(record), "args": None})
            if self._repeats is None or record.name == _ANSWERS:
                self._write([ours])
            else:
                self._write(self._repeats.passed(ours))
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Write the counts of what was withheld."""
        self.acquire()
        try:
            if self._repeats is not None:
                self._write(self._repeats.rest())
        except (AttributeError, OSError, ValueError):  # there is no standard error any more
            pass
        finally:
            self.release()
        super().close()

    def _write(self, records: Iterable[logging.LogRecord]) -> None:
        for record in records:
            sys.stderr.write(self.format(record) + "\n")


def set_up(
    *,
    verbose: bool,
    debug: bool,
    log_format: LogFormat = LogFormat.text,
    clock: Clock | None = None,
) -> logging.Handler:
    """
    Log our messages from `WARNING` up, or more, and others' warnings; see `tear_down`.

    Args:
        verbose: from `INFO` up.
        debug: everything, repeats too.
        log_format: what is written.
        clock: times the repeats.
    """
    pattern = (
        "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s" if debug else "%(message)s"
    )
    in_text = log_format is LogFormat.text
    handler = _StandardError(
        RedactingFormatter(pattern) if in_text else JsonFormatter(),
        None if debug else _Repeats(clock or SystemClock()),
    )
    logging.getLogger().addHandler(handler)
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.getLogger("streamer").setLevel(level)
    logging.getLogger(_ANSWERS).setLevel(min(level, logging.INFO))
    logging.captureWarnings(True)
    return handler


def tear_down(handler: logging.Handler) -> None:
    """Undo `set_up`, which returned *handler*; writes the counts of what was withheld."""
    logging.getLogger().removeHandler(handler)
    handler.close()
    for name in ("streamer", _ANSWERS):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)


def name_streams() -> None:
    """Begin lines of text with their stream's name from now on: there are several streams."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.names_streams = True


def in_json() -> bool:
    """Whether the log is set up to be JSON: then all of standard error is to be."""
    return any(
        isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers
    )


def json_line(level: int, message: str, error: BaseException | None = None) -> str:
    """One line of the log in JSON, for what is printed without being logged."""
    raised = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("streamer.cli", level, "", 0, message, None, raised)
    return JsonFormatter().format(record)
