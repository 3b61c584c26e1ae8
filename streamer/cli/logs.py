"""Logging to standard error: warnings, more if asked for, and never a credential."""

from __future__ import annotations

import logging
import sys

from streamer.errors import redact


class RedactingFormatter(logging.Formatter):
    """Removes credentials from the whole formatted record, including its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line or lines, free of credentials."""
        return redact(super().format(record))


class _StandardError(logging.Handler):
    """Writes to the current `sys.stderr`, which a progress bar replaces while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


_ANSWERS = "streamer.control.window.display"
"""A logger whose messages answer key presses, so they are always shown."""


def set_up(*, verbose: bool, debug: bool) -> logging.Handler:
    """Log our messages from `WARNING` up, or more, and others' warnings; see `tear_down`."""
    pattern = (
        "%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s" if debug else "%(message)s"
    )
    handler = _StandardError()
    handler.setFormatter(RedactingFormatter(pattern))
    logging.getLogger().addHandler(handler)
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.getLogger("streamer").setLevel(level)
    logging.getLogger(_ANSWERS).setLevel(min(level, logging.INFO))
    logging.captureWarnings(True)
    return handler


def tear_down(handler: logging.Handler) -> None:
    """Undo `set_up`, which returned *handler*."""
    logging.getLogger().removeHandler(handler)
    for name in ("streamer", _ANSWERS):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)
