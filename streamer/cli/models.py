"""`streamer models`: what there is, fetching it, and where it lies."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.failures import say
from streamer.cli.progress import Downloads
from streamer.cli.tables import megabytes, print_table
from streamer.errors import ModelNotFound

if TYPE_CHECKING:
    from streamer.segmentation.registry import ModelEntry, Precision

app = typer.Typer(help="The models that can be named, and their files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `streamer models list`.")]


class PrecisionChoice(StrEnum):
    """Which of a model's files."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"


PrecisionOption = Annotated[
    PrecisionChoice, typer.Option("--precision", help="Which file; auto: as a run here would.")
]


@app.command("list")
def list_models() -> None:
    """
    List the models with their sizes and licences, and which are on this disk.

    Example: streamer models list
    """
    from streamer.segmentation.registry import models
    from streamer.segmentation.weights import cached_path

    print_table(
        ("name", "precision", "size", "licence", "cached", "what it is"),
        (
            (
                entry.name,
                precision,
                megabytes(file.size),
                entry.licence,
                "yes" if cached_path(entry, precision) is not None else "no",
                entry.summary,
            )
            for entry in models().values()
            for precision, file in entry.files.items()
        ),
    )


@app.command()
def pull(name: Name, precision: PrecisionOption = PrecisionChoice.auto) -> None:
    """
    Fetch a model's weights into the cache and verify them.

    Example: streamer models pull isnet
    """
    from streamer.segmentation.registry import lookup
    from streamer.segmentation.weights import fetch

    entry = lookup(name)
    wanted = _precision(entry, precision)
    say(f"{entry.name}: licence {entry.licence}: {entry.terms}")
    with Downloads() as downloads:
        path = fetch(entry, wanted, downloads)
    say(f"{entry.name} {wanted}: verified, {megabytes(path.stat().st_size)}")
    typer.echo(path)


@app.command("path")
def path_of(name: Name, precision: PrecisionOption = PrecisionChoice.auto) -> None:
    """
    Print the path of a model's file, and nothing else; it must have been pulled.

    Example: cp "$(streamer models path isnet)" isnet.onnx
    """
    from streamer.segmentation.registry import lookup
    from streamer.segmentation.weights import cached_path

    entry = lookup(name)
    wanted = _precision(entry, precision)
    path: Path | None = cached_path(entry, wanted)
    if path is None:
        raise ModelNotFound(
            f"{entry.name} {wanted}: is not on this disk: "
            f"`streamer models pull {entry.name} --precision {wanted}`"
        )
    typer.echo(path)


def _precision(entry: ModelEntry, choice: PrecisionChoice) -> Precision:
    """The precision that *choice* means on this machine."""
    from streamer.segmentation.session import loadable_providers
    from streamer.segmentation.weights import precision_of

    on_gpu = loadable_providers()[:1] != ("cpu",)
    match choice:
        case PrecisionChoice.fp32:
            return precision_of(entry, "fp32", on_gpu=on_gpu)
        case PrecisionChoice.fp16:
            return precision_of(entry, "fp16", on_gpu=on_gpu)
        case PrecisionChoice.auto:
            return precision_of(entry, "auto", on_gpu=on_gpu)
