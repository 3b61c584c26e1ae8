"""How long a run lasts: `--for`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import typer

from streamer.core.clock import Clock, SystemClock

_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
# A number without a unit after hours is refused: it could mean minutes.
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
    Tells when a run has lasted *span_s*; never if that is None.

    Time counts from the first frame. Until there is one, it counts from when mattes can be made,
    so that a run ends even if its camera never appears.

    Args:
        span_s: seconds by the clock, including those in which the source is away.
        ready: whether mattes can be made; asked until they can.
        captured: how many frames were captured; asked until there is one.
        clock: the clock; tests pass their own.
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
        """Whether the time is up. Ask often: the first frame counts from when it is seen here."""
        if self._span_ns is None:
            return False
        if self._began_ns is None and self._ready():
            self._began_ns = self._clock.now_ns()
        if self._began_ns is not None and not self._seen and self._captured():
            self._seen, self._began_ns = True, self._clock.now_ns()
        return self._began_ns is not None and (
            self._clock.now_ns() - self._began_ns >= self._span_ns
        )
