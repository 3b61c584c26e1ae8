"""Progress of long work on standard error: bars on a terminal, else at most a line for each."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

from streamer.cli.failures import say
from streamer.errors import redact

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Downloads:
    """
    A progress bar for each download: call it with (done bytes, total or None, label).

    Without a terminal it prints one line for each download. Thread-safe.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, done_bytes: int, total_bytes: int | None, label: str, /) -> None:
        """Show how much of *label* has been downloaded."""
        with self._lock:
            if label not in self._tasks:
                self._tasks[label] = self._begin(label, total_bytes)
            task = self._tasks[label]
            if self._progress is not None and task is not None:
                self._progress.update(task, completed=done_bytes, total=total_bytes)

    def _begin(self, label: str, total_bytes: int | None) -> Any:
        if not on_a_terminal():
            size = "" if total_bytes is None else f" ({total_bytes / 1e6:.0f} MB)"
            say(f"downloading {label}{size}")
            return None
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

            self._progress = Progress(
                "{task.description}",
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress.add_task(label, total=total_bytes)

    def close(self) -> None:
        """Remove the bars."""
        with self._lock:
            if self._progress is not None:
                with suppress(OSError):  # the terminal is gone
                    self._progress.stop()
                self._progress = None

    def __enter__(self) -> Downloads:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()


class FrameLine:
    """One line that counts frames while a pipeline runs; `tick` it as often as you like."""

    _PERIOD_S = 0.5

    def __init__(self, report: Callable[[], dict[str, Any]], downloads: Downloads) -> None:
        self._report = report
        self._downloads = downloads
        self._next = time.monotonic() + self._PERIOD_S
        self._wrote = False

    def tick(self) -> None:
        """Rewrite the line if it is due."""
        if time.monotonic() < self._next or not on_a_terminal():
            return
        self._next = time.monotonic() + self._PERIOD_S
        report = self._report()
        frames, drops = report["frames"], report["drops"]
        if not frames["emitted"]:
            return
        self._downloads.close()
        self._wrote = True
        line = (
            f"{frames['emitted']} frames, {sum(drops.values())} dropped, "
            f"{report.get('fps') or 0:.1f} fps"
        )
        self._write(f"\r{line}\x1b[K")

    def close(self) -> None:
        """Remove the line."""
        if self._wrote:
            self._write("\r\x1b[K")

    @staticmethod
    def _write(text: str) -> None:
        with suppress(OSError):  # the terminal is gone
            sys.stderr.write(text)
            sys.stderr.flush()


class Count:
    """A progress bar over items: call it after each one. Without a terminal there is no bar."""

    def __call__(self) -> None:
        """Count one more item as done."""

    def say(self, text: str) -> None:
        """Write *text* to standard error, above the bar, without credentials."""
        say(text)


class _CountOnTerminal(Count):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def __call__(self) -> None:
        self._progress.advance(self._task)

    def say(self, text: str) -> None:
        # Through the bar's own console, which keeps the text apart from the bar.
        with suppress(OSError):
            self._progress.console.out(redact(text), highlight=False)


@contextmanager
def counting(label: str, total: int) -> Iterator[Count]:
    """Show a bar over *total* items for the time of a `with` block."""
    if not on_a_terminal():
        yield Count()
        return
    from rich.console import Console
    from rich.progress import Progress

    progress = Progress(console=Console(stderr=True), transient=True)
    progress.start()
    try:
        yield _CountOnTerminal(progress, progress.add_task(label, total=total))
    finally:
        with suppress(OSError):  # the terminal is gone
            progress.stop()


def on_a_terminal() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


class Steps:
    """
    A progress bar for each step of long work: call it with (step, done, total).

    Without a terminal it prints one line when a step begins.
    """

    def __init__(self) -> None:
        self._progress: Any = None
        self._tasks: dict[str, Any] = {}

    def __call__(self, step: str, done: int, total: int, /) -> None:
        """Show how much of *step* is done."""
        if step not in self._tasks:
            self._tasks[step] = self._begin(step, total)
        if self._progress is not None:
            self._progress.update(self._tasks[step], completed=done, total=total)

    def _begin(self, step: str, total: int) -> Any:
        if not on_a_terminal():
            say(f"{step} ...")
            return None
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

            self._progress = Progress(
                "{task.description:<12}",
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        return self._progress.add_task(step, total=total)

    def close(self) -> None:
        """Remove the bars."""
        if self._progress is not None:
            with suppress(OSError):  # the terminal is gone
                self._progress.stop()
            self._progress = None

    def __enter__(self) -> Steps:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.close()
