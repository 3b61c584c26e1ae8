"""`streamer config`: check a file, print schema and reference, write a template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.run import Overrides
from streamer.cli.shipped import template
from streamer.errors import ConfigError

app = typer.Typer(help="Check configurations, and start new ones.", no_args_is_help=True)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A YAML file.")],
    overrides: Overrides = None,
) -> None:
    """
    Check whether a configuration is valid; if it is not, say what is wrong and where.

    Example: streamer config check config/webcam.yaml --set source.fps=15
    """
    from streamer.config import load_box

    box = load_box(file, overrides or ())
    for name, stream in box.streams.items():
        place = f"{file}: valid" if box.alone else f"{file}: valid: {name}"
        sinks = ", ".join(sink.type for sink in stream.sinks)
        typer.echo(f"{place}: {stream.source.type} to {sinks}")


@app.command()
def schema() -> None:
    """
    Print the JSON schema of a configuration, for editors.

    Example: streamer config schema > streamer.schema.json
    """
    from streamer.config import find_kinds
    from streamer.config.describe.schema import config_schema

    find_kinds()
    typer.echo(json.dumps(config_schema(), indent=2))


@app.command()
def reference() -> None:
    """
    Print every option with its values and its default, in Markdown.

    Example: streamer config reference > configuration.md
    """
    from streamer.config.describe.reference import reference

    typer.echo(reference(), nl=False)


@app.command()
def init(
    name: Annotated[
        str, typer.Argument(help="webcam, headless, rtsp_relay, box or demo.")
    ] = "webcam",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where; <name>.yaml when not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """
    Write a commented configuration to start from; replaces a file only with --force.

    Example: streamer config init headless --out camera.yaml
    """
    source = template(name)
    path = out or Path(source.name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise ConfigError(
            f"{path}: is there already: name another with --out, or replace it with --force"
        ) from None
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}): name another place with --out"
        ) from None
    typer.echo(f"{path}: written: edit it, then `streamer run {path}`")
