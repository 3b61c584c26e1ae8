"""`streamer models`: lists, fetches and optimises models, and says where they lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.failures import say
from streamer.cli.progress import Downloads
from streamer.cli.tables import megabytes, print_table
from streamer.errors import ModelCorrupt, ModelError, ModelFetchError, ModelNotFound

if TYPE_CHECKING:
    from streamer.models.store.registry import ModelEntry, Precision

app = typer.Typer(help="The models that can be named, and their files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `streamer models list`, or auto.")]


class PrecisionChoice(StrEnum):
    """Values of `--precision`: which of a model's files."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    int8 = "int8"


PrecisionOption = Annotated[
    PrecisionChoice, typer.Option("--precision", help="Which file; auto: as a run here would.")
]


@app.command("list")
def list_models() -> None:
    """
    List the models with their sizes and licences, and which are on this disk.

    Example: streamer models list
    """
    from streamer.models.store.registry import models

    print_table(
        ("name", "precision", "size", "licence", "cached", "what it is"),
        (row for entry in models().values() for row in _rows(entry)),
    )


def _rows(entry: ModelEntry) -> Iterator[tuple[str, ...]]:
    """A row for each of the model's files, and one for the int8 file that can be made of it."""
    from streamer.models.store.artefacts import command
    from streamer.models.store.weights import artefact_of, cached_path

    for precision, file in entry.files.items():
        cached = "yes" if cached_path(entry, precision) is not None else "no"
        size = megabytes(file.size)
        yield (entry.name, precision, size, entry.licence, cached, entry.summary)
    if entry.contract.recurrence is not None:
        return
    made = artefact_of(entry)
    if made is None:
        yield (entry.name, "int8", "-", entry.licence, "no", command(entry.name))
    else:
        size = megabytes(made.path("int8").stat().st_size)
        yield (entry.name, "int8", size, entry.licence, "yes", "made and proved here")


@app.command()
def pull(name: Name, precision: PrecisionOption = PrecisionChoice.auto) -> None:
    """
    Fetch a model's weights into the cache and verify them.

    Example: streamer models pull isnet
    """
    first, *others = _named(name)
    try:
        path = _pull(first, precision)
    except (ModelFetchError, ModelCorrupt) as error:
        if not others:
            raise
        say(f"warning: {error}; auto is {others[0].name} then")
        path = _pull(others[0], precision)
    typer.echo(path)


def _named(name: str) -> Sequence[ModelEntry]:
    """The model of that name; for `auto` those that it may stand for, the first choice first."""
    from streamer.models.store.registry import lookup
    from streamer.models.store.weights import DEFAULT_MODEL, FALLBACK_MODEL

    names = (DEFAULT_MODEL, FALLBACK_MODEL) if name == "auto" else (name,)
    return [lookup(one) for one in names]


def _pull(entry: ModelEntry, precision: PrecisionChoice) -> Path:
    from streamer.models.store.weights import fetch

    wanted = _precision(entry, precision)
    say(f"{entry.name}: licence {entry.licence}: {entry.terms}")
    with Downloads() as downloads:
        path = fetch(entry, wanted, downloads)
    say(f"{entry.name} {wanted}: verified, {megabytes(path.stat().st_size)}")
    return path


@app.command("path")
def path_of(name: Name, precision: PrecisionOption = PrecisionChoice.auto) -> None:
    """
    Print the path of a model's file, and nothing else; it must have been pulled or made before.

    Example: cp "$(streamer models path isnet)" isnet.onnx
    """
    missing: list[ModelNotFound] = []
    for entry in _named(name):
        try:
            typer.echo(_path(entry, precision))
            return
        except ModelNotFound as error:
            missing.append(error)
    raise missing[0]


def _path(entry: ModelEntry, precision: PrecisionChoice) -> Path:
    """Where the file is. Raises ModelNotFound."""
    from streamer.models.store.artefacts import command
    from streamer.models.store.weights import artefact_of, cached_path

    made = artefact_of(entry)
    if made is not None and _runs_int8(precision):
        return made.path("int8")
    if precision is PrecisionChoice.int8:
        raise ModelNotFound(
            f"{entry.name} int8: is not on this disk: `{command(entry.name)}` makes it"
        )
    wanted = _precision(entry, precision)
    path: Path | None = cached_path(entry, wanted)
    if path is None:
        raise ModelNotFound(
            f"{entry.name} {wanted}: is not on this disk: "
            f"`streamer models pull {entry.name} --precision {wanted}`"
        )
    return path


@app.command()
def optimize(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="A name of `streamer models list`, auto, or an .onnx file.")
    ],
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|SOURCE",
            help="Pictures like those it is for: a picture, folder, clip, camera or rtsp:// URL.",
        ),
    ] = None,
    limit: Annotated[
        float,
        typer.Option(min=0, max=1, help="Mean difference of alpha to fp32 that is too much."),
    ] = 0.02,
    size: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Side of the input, for a file that takes any."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make it anew.")] = False,
) -> None:
    """
    Make a model's int8 file, several times as fast on a CPU, and prove how close it comes to fp32.

    Example: streamer models optimize isnet --calibrate holiday.mp4
    """
    from streamer.cli.optimizing import optimise, tell_proof
    from streamer.config import ModelConfig

    made = optimise(ModelConfig(name=name, input_size=size), calibrate, limit=limit, force=force)
    tell_proof(made)
    typer.echo(made.path("int8"))


def _runs_int8(choice: PrecisionChoice) -> bool:
    """Whether *choice* means, on this machine, an int8 file if there is one."""
    from streamer.models.runtime.session import loadable_providers

    on_cpu = loadable_providers()[:1] == ("cpu",)
    return choice is PrecisionChoice.int8 or (choice is PrecisionChoice.auto and on_cpu)


def _precision(entry: ModelEntry, choice: PrecisionChoice) -> Precision:
    """The precision of the shipped file that *choice* means on this machine."""
    from streamer.models.runtime.session import loadable_providers
    from streamer.models.store.artefacts import command
    from streamer.models.store.weights import precision_of

    on_gpu = loadable_providers()[:1] != ("cpu",)
    match choice:
        case PrecisionChoice.fp32:
            return precision_of(entry, "fp32", on_gpu=on_gpu)
        case PrecisionChoice.fp16:
            return precision_of(entry, "fp16", on_gpu=on_gpu)
        case PrecisionChoice.int8:
            raise ModelError(f"{entry.name}: int8 is not fetched: `{command(entry.name)}` makes it")
        case PrecisionChoice.auto:
            return precision_of(entry, "auto", on_gpu=on_gpu)
