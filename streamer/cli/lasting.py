"""How long a run lasts: `--for`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from streamer.core.clock import Clock, SystemClock

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
# What follows hours without a unit could be minutes: it is refused.
_SPAN = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s|(?<!h){_NUMBER})?", re.ASCII)
_LONGEST_S = 100_000_000


def seconds(text: str) -> float:
    """*text* such as `60`, `1.5`, `90s`, `5m` or `1h30m` in seconds. Raises typer.BadParameter."""
    match = _SPAN.fullmatch(text.strip())
    hours, minutes, *rest = (float(part or 0) for part in match.groups()) if match else (0, 0)
    span_s = 3600 * hours + 60 * minutes + sum(rest)
    if not 0.001 <= span_s <= _LONGEST_S:
        raise typer.BadParameter(f"{text[:40]!r} is not a time such as 60, 1.5, 90s, 5m or 1h30m")
    return span_s


For = Annotated[
    float | None,
    typer.Option(
        "--for",
        metavar="TIME",
        parser=seconds,
        help="End so long after the first frame, or so long without any: 60, 90s, 5m, 1h30m.",
    ),
]


class Lasting:
    """
    Whether a run has lasted *span_s*; for ever where that is None.

    That is counted from its first frame; until there is one, from when mattes could be made, so
    that a camera that is never there keeps no run for ever.

    Args:
        span_s: seconds by the clock, those in which the source is away too.
        ready: whether mattes can be made; asked until they can.
        captured: how many frames there were; asked until there is one.
        clock: time, for tests to pass in.
    """

    def __init__(
        self,
        span_s: float | None,
        ready: Callable[[], bool],
        captured: Callable[[], int],
        clock: Clock | None = None,
    ) -> None:
        self._span_ns = None if span_s is None else round(span_s * 1e9)
        self._ready = ready
        self._captured = captured
        self._clock = clock or SystemClock()
        self._began_ns: int | None = None
        self._seen = False

    def over(self) -> bool:
        """Ask this often: the first frame counts from when it is seen here."""
        if self._span_ns is None:
            return False
        if self._began_ns is None and self._ready():
            self._began_ns = self._clock.now_ns()
        if self._began_ns is not None and not self._seen and self._captured():
            self._seen, self._began_ns = True, self._clock.now_ns()
        return self._began_ns is not None and (
            self._clock.now_ns() - self._began_ns >= self._span_ns
        )
