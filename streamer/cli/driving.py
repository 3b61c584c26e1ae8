"""Runs one pipeline for a command: signals, progress, the report, the summary, the exit code."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import typer

from streamer.cli import failures
from streamer.cli.interruption import Interruption
from streamer.cli.lasting import Lasting
from streamer.cli.optimizing import make_fast
from streamer.cli.progress import Downloads, FrameLine
from streamer.cli.summary import prepare_folder, summary_lines, write_report
from streamer.config import Config, DisplaySinkConfig, is_among
from streamer.errors import ConfigError, SinkError


def drive(
    config: Config,
    interruption: Interruption,
    report_file: Path | None,
    for_s: float | None = None,
    *,
    fast: bool = False,
) -> dict[str, Any]:
    """
    Run *config* to its end or to the first signal, print the summary, return the report.

    Args:
        config: what to run.
        interruption: says whether to stop; while this runs, its first signal stops the pipeline.
        report_file: where the report goes, also after a failure.
        for_s: ends this long after the first frame, or after this long without any; None: never.
        fast: on a CPU, first make a faster file of the model if there is none.

    Raises:
        StreamerError: the run could not begin: no model of that name, no place for the report.
        typer.Exit: the run failed, or its report could not be written; the error is printed.
    """
    from streamer import Pipeline

    if report_file is not None:
        if is_among(report_file, config.files_read):
            raise ConfigError(
                f"--report: {report_file} is what the stream reads: name another file"
            )
        prepare_folder(report_file)
    if fast or config.source.RECONNECTS:
        _ask_for_a_screen(config)
    if fast:
        make_fast(config.model)
    failure: BaseException | None = None
    with ExitStack() as finishing:
        with Downloads() as downloads:
            pipeline = Pipeline.from_config(config, progress=downloads)
            line = FrameLine(pipeline.report, downloads)
            lasting = Lasting(
                for_s, lambda: pipeline.ready, lambda: pipeline.statistics().frames["captured"]
            )

            def should_stop() -> bool:
                line.tick()
                return interruption.requested or lasting.over()

            # Kept until the report is written, so that the first signal does not cost that either.
            finishing.enter_context(interruption.stopping(pipeline.request_stop))
            try:
                pipeline.run(should_stop=should_stop)
            except BaseException as error:  # explained after the summary
                failure = error
            line.close()
        report = pipeline.report()
        code = _conclude(report, report_file, failure, aside=config.owns_stdout)
    if pipeline.abandoned:
        failures.say(f"warning: left behind, still busy: {', '.join(pipeline.abandoned)}")
        failures.leave(code)
    if code:
        raise typer.Exit(code)
    return report


def _ask_for_a_screen(config: Config) -> None:
    """Raise SinkError now if a window cannot be shown: it would fail only after a long wait."""
    if any(isinstance(sink, DisplaySinkConfig) for sink in config.sinks):
        from streamer.control.window import window_problem

        if (problem := window_problem()) is not None:
            raise SinkError(f"display: {problem}")


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
    if failure is None or report["frames"]["captured"]:
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
