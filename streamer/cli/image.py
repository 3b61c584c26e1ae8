"""`streamer image`: pictures in, cutouts out."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, counting
from streamer.errors import SourceError, SourceNotFound, StreamerError


class Cutout(StrEnum):
    """What a cutout is."""

    rgba = "rgba"
    rgb_on_black = "rgb_on_black"


@dataclass(frozen=True, slots=True)
class Job:
    """One picture and where its results go."""

    source: Path
    cutout: Path
    mask: Path


def image(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN...", help="Pictures, folders of them, or globs.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")],
    cutout: Annotated[
        Cutout, typer.Option(help="The subject with transparency, or on black.")
    ] = Cutout.rgba,
    mask: Annotated[bool, typer.Option("--mask", help="Write the mask beside it.")] = False,
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "rmbg-1.4",
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Stretch each alpha to its own range.")
    ] = False,
) -> None:
    """
    Cut the subject out of pictures: <name>.png, and <name>-mask.png with --mask.

    A picture that cannot be read is reported and left out; the exit code is then 3.

    Example: streamer image portrait.jpg holiday/ --out out --mask
    """
    sources, missing = find(inputs)
    for text in missing:
        say(f"error: {text}: no such picture, nor a folder or glob that holds any")
    if not sources:
        raise SourceNotFound(f"no picture to work on among {len(inputs)} given")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StreamerError(
            f"--out {out}: cannot be made ({error.strerror}): choose another folder"
        ) from None
    failed = len(missing) + _cut(
        plan(sources, out), rgba=cutout is Cutout.rgba, mask=mask, model=model, normalize=normalize
    )
    done = len(sources) + len(missing) - failed
    typer.echo(f"{done} of {len(sources) + len(missing)} pictures cut out into {out}")
    if failed:
        raise typer.Exit(SourceError.exit_code)


def _cut(jobs: Sequence[Job], *, rgba: bool, mask: bool, model: str, normalize: bool) -> int:
    """Do the *jobs*; returns how many pictures could not be read."""
    from streamer.remover import BackgroundRemover
    from streamer.sinks.picture import write_picture
    from streamer.sources.images import read_picture

    failed = 0
    with (
        Downloads() as downloads,
        BackgroundRemover(model, rgba=rgba, normalize=normalize, progress=downloads) as remover,
    ):
        downloads.close()
        if remover.fallback:
            say(f"note: {remover.info.name}: not the first choice of model: {remover.fallback}")
        with counting("cutting out", len(jobs)) as advance:
            for job in jobs:
                try:
                    picture = read_picture(job.source)
                except SourceError as error:
                    say(f"error: {error}")
                    failed += 1
                else:
                    foreground, matte = remover(picture, order="bgr")
                    write_picture(job.cutout, foreground)
                    if mask:
                        write_picture(job.mask, matte)
                advance()
    return failed


def find(inputs: Iterable[str]) -> tuple[list[Path], list[str]]:
    """The pictures that *inputs* mean, each once, and the inputs that mean none."""
    sources: dict[Path, Path] = {}
    missing = []
    for text in inputs:
        found = list(_expand(text))
        if not found:
            missing.append(text)
        for path in found:
            sources.setdefault(path.resolve(), path)
    return list(sources.values()), missing


def _expand(text: str) -> Iterator[Path]:
    from streamer.config import PICTURE_SUFFIXES

    path = Path(text).expanduser()
    if path.is_dir():
        yield from sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
    elif path.is_file():
        yield path
    elif glob.has_magic(text):
        matches = sorted(map(Path, glob.glob(str(path), recursive=True)))  # noqa: PTH207 - **
        yield from (p for p in matches if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())


def plan(sources: Sequence[Path], out: Path) -> list[Job]:
    """
    Give every source its own results in *out*: `a.png` and `a-mask.png`, or `a-2.png` and so on.

    No result takes the place of a source or of another result; names are told apart as on a file
    system that ignores case.
    """
    folder = out.resolve()
    taken = {_key(source.resolve()) for source in sources}
    jobs = []
    for source in sources:
        number = 1
        while True:
            stem = source.stem if number == 1 else f"{source.stem}-{number}"
            names = (f"{stem}.png", f"{stem}-mask.png")
            keys = {_key(folder / name) for name in names}
            if not keys & taken:
                break
            number += 1
        taken |= keys
        jobs.append(Job(source, out / names[0], out / names[1]))
    return jobs


def _key(path: Path) -> str:
    return str(path).casefold()
