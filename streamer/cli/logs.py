"""Logging to standard error: warnings, or more where asked for, and never a credential."""

from __future__ import annotations

import logging
import sys

from streamer.errors import redact


class RedactingFormatter(logging.Formatter):
    """Formats the whole record, its traceback too, before it takes the credentials out."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line or lines, free of credentials."""
        return redact(super().format(record))


class _StandardError(logging.Handler):
    """Writes to what `sys.stderr` is at that moment, as a progress bar replaces it meanwhile."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except Exception:
            self.handleError(record)


_ANSWERS = "streamer.control.window.display"
"""What it says answers a key that was pressed, so it is always said."""


def set_up(*, verbose: bool, debug: bool) -> logging.Handler:
    """Log our messages from `WARNING` up, or more, and others' warnings. For `tear_down`."""
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
    """Undo `set_up`."""
    logging.getLogger().removeHandler(handler)
    for name in ("streamer", _ANSWERS):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.captureWarnings(False)
