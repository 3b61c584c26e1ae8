"""The whole command line: its commands, the flags that all of them take, and `main`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from streamer import __version__
from streamer.cli import (
    bench,
    cameras,
    config,
    demo,
    doctor,
    evaluation,
    failures,
    fleet,
    image,
    logs,
    models,
    relay,
    run,
)
from streamer.cli.interruption import Interruption
from streamer.core.cores import library_threads
from streamer.core.heap import keep_few_arenas
from streamer.core.home import lend_our_cache

app = typer.Typer(
    name="streamer",
    cls=failures.GuardedGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamer {__version__}")
        raise typer.Exit


@app.callback()
def everything(
    context: typer.Context,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say what happens, not only what is wrong.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Log everything, and show tracebacks.")
    ] = False,
    log_format: Annotated[
        logs.LogFormat,
        typer.Option(
            "--log-format",
            envvar="STREAMER_LOG_FORMAT",
            help="What standard error has; json: an object a line, for programs.",
        ),
    ] = logs.LogFormat.text,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """
    Removes the background from live video: cutout and mask, side by side.

    Start with `streamer demo`, or with `streamer preview` where there is a camera.

    Exit codes: 0 done, 2 configuration, 3 source, 4 model, 5 sink, 1 anything else.
    """
    handler = logs.set_up(verbose=verbose, debug=debug, log_format=log_format)
    context.call_on_close(lambda: logs.tear_down(handler))
    context.obj = context.with_resource(Interruption())


app.command("run")(run.run)
app.command("preview")(run.preview)
app.command("relay")(relay.relay)
app.command("image")(image.image)
app.command("eval")(evaluation.evaluate)
app.command("demo")(demo.demo)
app.command("cameras")(cameras.cameras)
app.add_typer(models.app, name="models")
app.command("bench")(bench.bench)
app.command("doctor")(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(fleet.app, name="fleet")


def main() -> None:
    """Run the command line; entry point of the console script."""
    # OpenCV's own warnings would repeat our errors, which also say what to do.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    lend_our_cache()
    keep_few_arenas()
    # OpenCV and numba count cores, but ignore a CPU quota.
    if threads := library_threads():
        os.environ.setdefault("OPENCV_FOR_THREADS_NUM", str(threads))
        os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))
    # By default a silent camera blocks a read for 10 s.
    os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", "3")
    failures.hold_standard_streams()
    try:
        app(prog_name="streamer")
    except KeyboardInterrupt:
        failures.say("interrupted")
        sys.exit(130)
    finally:
        failures.settle()
