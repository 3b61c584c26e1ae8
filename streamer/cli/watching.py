"""How several streams fare while they run: a live table on a terminal, else now and then a line."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamer.cli import failures
from streamer.cli.progress import Downloads, on_a_terminal
from streamer.core.clock import Clock, SystemClock
from streamer.core.cpu import ThreadTimes
from streamer.core.records import stream_of
from streamer.errors import redact

if TYPE_CHECKING:
    from streamer.host import HostStatus, StreamStatus

COLUMNS = ("stream", "state", "fps", "dropped", "p95", "age", "viewers", "cpu", "model", "")


@dataclass(frozen=True, slots=True)
class _Sample:
    """What has been counted of one stream up to a moment."""

    at_s: float
    emitted: int = 0
    cpu_s: float = 0.0
    busy_s: float = 0.0


class StreamTable:
    """
    The streams of a host, one a row. `tick` it as often as you like, from one thread.

    Args:
        status: how they are.
        downloads: closed before the table is shown: both want the terminal's last lines.
        clock: the clock; tests pass their own.
    """

    _PERIOD_S = 1.0
    _LINES_S = 60.0
    """Between two blocks of lines, without a terminal."""

    def __init__(
        self,
        status: Callable[[], HostStatus],
        downloads: Downloads,
        clock: Clock | None = None,
    ) -> None:
        self._status = status
        self._downloads = downloads
        self._clock = clock or SystemClock()
        self._terminal = on_a_terminal()
        self._next_s = self._now_s() + self._period_s
        self._samples: dict[str, _Sample] = {}
        self._times: ThreadTimes | None = None
        self._live: Any = None

    def tick(self) -> None:
        """Show the table again if it is due."""
        if self._now_s() < self._next_s:
            return
        self._next_s = self._now_s() + self._period_s
        rows = list(self._rows())
        if not self._terminal:
            for row in rows:
                failures.say(_line(row), level=logging.INFO, stream=row[0])
            return
        self._downloads.close()
        self._show(rows)

    def close(self) -> None:
        """Remove the table."""
        if self._live is not None:
            with suppress(OSError):  # the terminal is gone
                self._live.stop()
            self._live = None

    @property
    def _period_s(self) -> float:
        return self._PERIOD_S if self._terminal else self._LINES_S

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9

    def _rows(self) -> Iterator[tuple[str, ...]]:
        if self._times is None:
            self._times = ThreadTimes()
        self._times.sample()
        spent_s = defaultdict[str | None, float](float)
        for thread, seconds in self._times.seconds().items():
            spent_s[stream_of(thread)] += seconds
        for stream in self._status().streams:
            yield self._row(stream, spent_s[stream.name])

    def _row(self, stream: StreamStatus, cpu_s: float) -> tuple[str, ...]:
        status, now_s = stream.status, self._now_s()
        if status is None:
            return (stream.name, stream.state, *("",) * 7, stream.why or "")
        frames = status.counts.frames
        busy_s = status.use.busy_s if status.use is not None else 0.0
        sample = _Sample(now_s, frames["emitted"], cpu_s, busy_s)
        before = self._samples.get(stream.name, _Sample(now_s - status.wall_s))
        self._samples[stream.name] = sample
        passed_s = max(sample.at_s - before.at_s, 1e-9)
        viewers = [sink.statistics.get("viewers") for sink in status.sinks]
        watched = [number for number in viewers if number is not None]
        late = status.latency_ms.get("end_to_end", {}).get("p95")
        running = stream.state == "running"
        return (
            stream.name,
            status.counts.source.state if running else stream.state,
            f"{(sample.emitted - before.emitted) / passed_s:.1f}",
            str(sum(status.counts.drops.values())),
            f"{late:.0f} ms" if late is not None else "",
            f"{status.matte_age.mean:.1f}",
            str(sum(watched)) if watched else "",
            f"{(sample.cpu_s - before.cpu_s) / passed_s:.0%}",
            f"{(sample.busy_s - before.busy_s) / passed_s:.0%}",
            stream.why or "",
        )

    def _show(self, rows: list[tuple[str, ...]]) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in COLUMNS:
            figures = column not in ("stream", "state", "")
            # Only the last column, the reason, gives way where the terminal is narrow.
            table.add_column(column, justify="right" if figures else "left", no_wrap=bool(column))
        for row in rows:
            table.add_row(*(Text(redact(cell)) for cell in row))
        with suppress(OSError):  # the terminal is gone
            if self._live is None:
                self._live = Live(console=Console(stderr=True), auto_refresh=False, transient=True)
                self._live.start()
            self._live.update(table, refresh=True)


def _line(row: tuple[str, ...]) -> str:
    """One row as text, without its stream and its empty cells."""
    _, state, *figures, why = row
    labels = zip(COLUMNS[2:-1], figures, strict=True)
    told = ", ".join(f"{label} {figure}" for label, figure in labels if figure)
    return ": ".join(filter(None, (", ".join(filter(None, (state, told))), why)))
