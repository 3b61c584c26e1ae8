"""Runs the streams of a command: signals, progress, the report, the summary, the exit code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from streamer.cli import failures, logs
from streamer.cli.interruption import Interruption
from streamer.cli.lasting import Lasting
from streamer.cli.optimizing import make_fast
from streamer.cli.progress import Downloads, FrameLine
from streamer.cli.summary import prepare_folder, summary_lines, write_report
from streamer.cli.watching import StreamTable
from streamer.config import BoxConfig, Config, DisplaySinkConfig, is_among
from streamer.control.reloading import Reloading, digest
from streamer.control.service import Service
from streamer.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from streamer.host import Host


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """Where a configuration came from, so that it can be read again."""

    path: Path
    overrides: Sequence[str]
    watch: bool
    """Read it again when it changes."""
    known: bytes | None
    """A digest of what was in it when it was read."""

    @classmethod
    def read(cls, path: Path, overrides: Sequence[str], *, watch: bool) -> ConfigFile:
        """The file *path*, which is to be read right after this."""
        return cls(path, tuple(overrides), watch, digest(path))


def drive(
    config: Config | BoxConfig,
    interruption: Interruption,
    report_file: Path | None,
    for_s: float | None = None,
    *,
    fast: bool = False,
    file: ConfigFile | None = None,
) -> dict[str, Any]:
    """
    Run *config* to its end or to the first signal, print the summary, return the report.

    Args:
        config: what to run: one stream, or several.
        interruption: says whether to stop; while this runs, its first signal stops the streams.
        report_file: where the report goes, also after a failure.
        for_s: ends this long after the first frame, or after this long without any; None: never.
        fast: on a CPU, first make a faster file of the model if there is none.
        file: read again while it runs, if it is watched, or the process is a systemd service.

    Raises:
        StreamerError: the run could not begin: no model of that name, no place for the report.
        typer.Exit: the run failed, or its report could not be written; the error is printed.
    """
    from streamer.control.metrics import serving_metrics
    from streamer.control.web.endpoint import serving_web
    from streamer.host import Host

    box = config if isinstance(config, BoxConfig) else BoxConfig.of(config)
    if report_file is not None:
        if is_among(report_file, box.files_read):
            raise ConfigError(
                f"--report: {report_file} is what the stream reads: name another file"
            )
        prepare_folder(report_file)
    for stream in box.streams.values():
        if fast or stream.source.RECONNECTS:
            _ask_for_a_screen(stream)
        if fast:
            make_fast(stream.model)
    if not box.alone:
        logs.name_streams()
    failure: BaseException | None = None
    service = Service()
    left: list[str] = []
    with ExitStack() as finishing:
        with ExitStack() as running:
            downloads = running.enter_context(Downloads())
            host = Host(box, progress=downloads)
            running.enter_context(serving_metrics(host, box.metrics))
            if (url := running.enter_context(serving_web(host, box.web))) is not None:
                failures.say(f"page: {url}", err=box.owns_stdout)
            if file is not None and (file.watch or service.there):
                running.enter_context(_reloading(host, file, interruption, service, left))
            host.prepare()
            line = _progress(host, downloads, alone=box.alone)
            lasting = Lasting(for_s, lambda: host.ready, lambda: host.captured)

            def should_stop() -> bool:
                line.tick()
                service.tick(host)
                over = interruption.requested or lasting.over()
                if over:
                    service.stopping()
                return over

            # Kept until the report is written, so that the first signal does not cost that either.
            finishing.enter_context(interruption.stopping(host.request_stop))
            try:
                host.run(should_stop=should_stop)
            except BaseException as error:  # explained after the summary
                failure = error
            line.close()
        report = host.report()
        code = _conclude(report, report_file, failure, aside=host.owns_stdout)
        if failure is None and not box.alone:
            code = _tell_of_those_down(host.failures) or code
    if left := [*host.abandoned, *left]:
        failures.say(f"warning: left behind, still busy: {', '.join(left)}")
        failures.leave(code)
    if code:
        raise typer.Exit(code)
    return report


def _tell_of_those_down(down: Mapping[str, BaseException]) -> int:
    """Say which streams were down at the end, and why; returns the exit code of the first."""
    for name, error in down.items():
        failures.say(f"error: {name}: {error}")
    return next((int(getattr(error, "exit_code", 1)) for error in down.values()), 0)


def _progress(host: Host, downloads: Downloads, *, alone: bool) -> FrameLine | StreamTable:
    return FrameLine(host.report, downloads) if alone else StreamTable(host.status, downloads)


@contextmanager
def _reloading(
    host: Host,
    file: ConfigFile,
    interruption: Interruption,
    service: Service,
    left: list[str],
) -> Iterator[None]:
    """
    Read *file* again within this, at SIGHUP and, if it is watched, when it changes.

    *left* gets the name of its thread if that does not end.
    """
    reloading = Reloading(
        file.path,
        file.overrides,
        host.reload,
        watch=file.watch,
        known=file.known,
        told=service.reloading,
    )
    with reloading, interruption.reloading(reloading.request):
        yield
    if reloading.stuck:
        left.append("reloading")


def _ask_for_a_screen(config: Config) -> None:
    """Raise SinkError now if a window cannot be shown: it would fail only after a long wait."""
    if any(isinstance(sink, DisplaySinkConfig) for sink in config.sinks):
        from streamer.control.window import window_problem

        if (problem := window_problem()) is not None:
            raise SinkError(f"display: {problem}; `streamer preview --web` shows a page instead")


def _conclude(
    report: dict[str, Any],
    report_file: Path | None,
    failure: BaseException | None,
    *,
    aside: bool,
) -> int:
    """Write the report; print its summary (on stderr if *aside*) and failures; return the code."""
    unwritten: Exception | None = None
    if report_file is not None:
        try:
            write_report(report_file, report)
        except Exception as error:  # explained after the summary
            unwritten = error
    if failure is None or "streams" in report or report["frames"]["captured"]:
        for text in summary_lines(report):
            failures.say(text, err=aside)
    code = 0
    if unwritten is not None:
        code = failures.explain(unwritten) or 1
    elif report_file is not None:
        failures.say(f"{'report':<10}  {report_file}", err=aside)
    if failure is not None:
        explained = failures.explain(failure)
        if explained is None:
            raise failure
        code = explained
    return code
