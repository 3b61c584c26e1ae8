"""
Logging to standard error: warnings, more if asked for, and never a credential.

Lines of text, or JSON objects of one line each for programs that collect logs. A message that comes
again and again is withheld for a while and counted. What ends a thread unexpectedly is logged too.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum

from streamer.cli.repeats import WINDOW_S, Repeats
from streamer.core import records
from streamer.core.clock import Clock, SystemClock
from streamer.errors import redact

_ANSWERS = "streamer.control.window.display"
"""A logger whose messages answer key presses, so they are always shown."""
_OURS = "streamer.cli"
"""The logger of the command itself."""

_ThreadHook = Callable[[threading.ExceptHookArgs], object]


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
        stream, _ = records.origin(record)
        prefix = f"{stream}: " if stream and self.names_streams else ""
        if not record.message.startswith(prefix):
            record.message = prefix + record.message
        if repeated := getattr(record, "repeated", 0):
            record.message += f" ({repeated} more like this in {WINDOW_S} s)"
        return super().formatMessage(record)


class JsonFormatter(logging.Formatter):
    """One JSON object a record, on one line of ASCII, free of credentials; see docs/logs.md."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's object, without the fields that it has no value for."""
        stream, stage = records.origin(record)
        raised = record.exc_info
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        texts = {
            "time": time.removesuffix("+00:00") + "Z",
            "level": record.levelname.lower(),
            "stream": stream,
            "stage": stage,
            "logger": record.name,
            "message": records.message(record),
            "exception": self.formatException(raised) if raised and raised[1] else None,
        }
        fields = {key: _clean(text) for key, text in texts.items() if text is not None}
        repeated = getattr(record, "repeated", 0)
        return json.dumps({**fields, "repeated": repeated} if repeated else fields)


def _clean(text: str) -> str:
    r"""*text* without credentials, and bytes of a file's name that are no text as `\udcff`."""
    return redact(text).encode("utf-8", "backslashreplace").decode()


class _StandardError(logging.Handler):
    """
    Writes to the current `sys.stderr`, which a progress bar replaces while it is shown.

    Args:
        repeats: withholds some; None: everything is written.
    """

    def __init__(self, formatter: logging.Formatter, repeats: Repeats | None) -> None:
        super().__init__()
        self.formatter = formatter
        self._repeats = repeats

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # Other handlers have the same record: what is noted on it is for our copy.
            ours = logging.makeLogRecord(
                {**vars(record), "msg": records.message(record), "args": None}
            )
            if self._repeats is None or record.name == _ANSWERS:
                self._write([ours])
            else:
                self._write(self._repeats.passed(ours))
        except Exception:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that *record* is lost; its arguments, which logging would print, may be secret."""
        text = f"a message of {record.name} is lost: {type(sys.exception()).__name__}"
        with suppress(Exception):  # most likely standard error itself is what failed
            self._write([logging.LogRecord(_OURS, logging.ERROR, "", 0, text, None, None)])

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


class _Uncaught:
    """
    Logs what ends a thread unexpectedly, instead of Python, which would print its secrets.

    Args:
        before: the hook of `threading` until now; called as well if it is not Python's own.
    """

    def __init__(self, before: _ThreadHook) -> None:
        self.before = before

    def __call__(self, args: threading.ExceptHookArgs) -> None:
        if issubclass(args.exc_type, SystemExit):  # the thread ended itself
            return
        thread = args.thread.name if args.thread is not None else "a thread"
        kind, error = args.exc_type.__name__, args.exc_value
        logging.getLogger(_OURS).error("%s was ended by %s", thread, kind, exc_info=error)
        if self.before is not threading.__excepthook__:
            self.before(args)


def set_up(
    *,
    verbose: bool,
    debug: bool,
    log_format: LogFormat = LogFormat.text,
    clock: Clock | None = None,
) -> logging.Handler:
    """
    Log our messages from `WARNING` up, or more, and others' warnings; see `tear_down`.

    What ends a thread is logged as well. What ends the command is not: `failures.explain` prints
    it, and nothing is left for `sys.excepthook`.

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
        None if debug else Repeats(clock or SystemClock()),
    )
    logging.getLogger().addHandler(handler)
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.getLogger("streamer").setLevel(level)
    logging.getLogger(_ANSWERS).setLevel(min(level, logging.INFO))
    logging.captureWarnings(True)
    threading.excepthook = _Uncaught(threading.excepthook)
    return handler


def tear_down(handler: logging.Handler) -> None:
    """Undo `set_up`, which returned *handler*; writes the counts of what was withheld."""
    if isinstance(hook := threading.excepthook, _Uncaught):
        threading.excepthook = hook.before
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


def json_line(
    level: int, message: str, error: BaseException | None = None, *, stream: str | None = None
) -> str:
    """One line of the log in JSON, for what is printed without being logged."""
    raised = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord(_OURS, level, "", 0, message, None, raised)
    record.stream = stream
    return JsonFormatter().format(record)
