"""What a record of the log says, and which stream and stage it is about."""

from __future__ import annotations

import logging
import re

# A stream's name may have hyphens, and be the name of a stage: the last stage of the name counts.
_THREAD = re.compile(
    r"streamer-(?:(?P<stream>[A-Za-z0-9._-]+)-)?"
    r"(?P<stage>capture(?:-\d+)?|matting|model|loading|switching|starting|changing|publisher"
    r"|pictures_\d+|sinks\[\d+\].*)"
)


def place_of(thread: str) -> tuple[str | None, str | None]:
    """Stream and stage that the thread of this name works for, as far as the name tells them."""
    found = _THREAD.fullmatch(thread)
    return (found["stream"], found["stage"]) if found else (None, None)


def stream_of(thread: str) -> str | None:
    """The stream that the thread of this name works for; None: no one stream."""
    return place_of(thread)[0]


def origin(record: logging.LogRecord) -> tuple[str | None, str | None]:
    """Stream and stage that *record* is about, by its `extra` or else by its thread's name."""
    stream, stage = place_of(record.threadName or "")
    told = getattr(record, "stream", None)
    if told and told != stream:
        stream, stage = str(told), None  # the thread works for another stream, or for all
    told = getattr(record, "stage", None)
    return stream, str(told) if told else stage


def message(record: logging.LogRecord) -> str:
    """The message with its arguments; a mistake in them must not lose it."""
    try:
        return record.getMessage()
    except Exception as error:
        template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
        return f"{template} (not filled in: {type(error).__name__})"


def raised(record: logging.LogRecord) -> tuple[type[BaseException], str] | None:
    """The type and the text of the exception that *record* has, if it has one."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return None
    try:
        return type(error), str(error)
    except Exception:  # it cannot tell
        return type(error), ""
