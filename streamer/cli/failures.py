"""
The error message and the exit code of every failure: decided here and nowhere else.

One line on standard error, without credentials; the traceback only with `--debug`. Where the log is
JSON, the line is too.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import traceback
from contextlib import suppress
from itertools import islice
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from streamer.cli import logs
from streamer.cli.interruption import Interrupted
from streamer.errors import StreamerError, redact

_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "note": logging.INFO}
"""By the word that a line which is printed begins with."""


def explain(error: BaseException) -> int | None:
    """
    Print what failed on standard error and return the exit code.

    Returns None and prints nothing for what the command line's framework handles itself: exits,
    usage errors (unless the log is JSON), and a reader of our output that has gone.
    """
    if isinstance(error, Interrupted):
        say("interrupted")
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return 130
    if isinstance(error, SystemExit | GeneratorExit | typer.Exit | typer.Abort):
        return None
    if callable(usage := getattr(error, "format_message", None)):
        if not logs.in_json():
            return None
        say(f"error: {_one_line(usage())}")
        return int(getattr(error, "exit_code", 2))
    if isinstance(error, OSError) and error.errno == errno.EPIPE:
        return None
    debugging = logging.getLogger("streamer").isEnabledFor(logging.DEBUG)
    raised = error if debugging else None
    if isinstance(error, StreamerError):
        say(f"error: {_one_line(str(error))}", raised=raised)
        return error.exit_code
    way_out = "" if debugging else ": run again with --debug to see where"
    text = _one_line(str(error))
    say(f"error: {type(error).__name__}{': ' if text else ''}{text}{way_out}", raised=raised)
    return 1


def say(
    text: str,
    *,
    err: bool = True,
    raised: BaseException | None = None,
    level: int | None = None,
    stream: str | None = None,
) -> None:
    """
    Write *text* without credentials to standard error, or to standard output if not *err*.

    Standard error gets a line of JSON where the log is JSON. The traceback of *raised* goes with
    it. A failure to write is ignored, because the message is not the command's result. A command
    whose result is printed uses `typer.echo`.

    Args:
        text: what is said.
        err: whether to standard error.
        raised: its traceback is shown.
        level: one of logging; None: by the word that *text* begins with, else `INFO`.
        stream: whom it is about: a field of JSON, and what a line of text begins with.
    """
    if err and logs.in_json():
        if level is None:
            level, text = _levelled(text)
        line = logs.json_line(level, text, raised, stream=stream)
    else:
        trace = "".join(traceback.format_exception(raised)) if raised is not None else ""
        line = redact(trace + (f"{stream}: " if stream else "") + text)
    with suppress(OSError, ValueError):  # disk full, reader or terminal gone, closed
        typer.echo(line, err=err)


def _levelled(text: str) -> tuple[int, str]:
    """The level that the first word of *text* stands for, and the rest; else `INFO` and *text*."""
    kind, _, rest = text.partition(": ")
    return (_LEVELS[kind], rest) if kind in _LEVELS else (logging.INFO, text)


def leave(code: int) -> NoReturn:
    """End the process at once, even if threads hang; what was printed is flushed."""
    logging.shutdown()
    settle()
    os._exit(code)


def hold_standard_streams() -> None:
    """Open those of 0, 1 and 2 that are closed; else our output could end up in a file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def settle() -> None:
    """
    Flush what was printed, and drop what cannot be written, or Python would exit with 120.

    If the loss matters, the code that printed has reported it already.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _one_line(text: str) -> str:
    return " ".join(text.split())


class GuardedGroup(TyperGroup):
    """The top-level command: reports failures of its subcommands, and takes its flags anywhere."""

    _FLAGS = ("--debug", "-v", "--verbose")
    _OPTION = "--log-format"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Let `streamer run x.yaml --debug` mean `streamer --debug run x.yaml`."""
        end = args.index("--") if "--" in args else len(args)
        ours: list[str] = []
        rest: list[str] = []
        given = iter(args[:end])
        for arg in given:
            if arg in self._FLAGS or arg.startswith(f"{self._OPTION}="):
                ours.append(arg)
            elif arg == self._OPTION:
                ours += [arg, *islice(given, 1)]
            else:
                rest.append(arg)
        return super().parse_args(ctx, [*ours, *rest, *args[end:]])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; every failure becomes one line and an exit code."""
        try:
            return super().invoke(ctx)
        except BaseException as error:
            code = explain(error)
            if code is None:
                raise
            raise typer.Exit(code) from None
