"""`streamer image`: pictures in, cutouts out."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, counting
from streamer.core.cores import core_count
from streamer.errors import ConfigError, SinkError, SourceError, SourceNotFound, SourceUnsupported

if TYPE_CHECKING:
    from streamer.frame import Alpha, Image
    from streamer.pictures import Job, Look, OpenPicture, Photo
    from streamer.remover import BackgroundRemover

_STREAM = "-"
"""Means standard input as a picture, and standard output as the folder."""
_AHEAD = 4
"""Pictures decoded ahead, at most; together they have no more pixels than one picture may."""
_FAULTS_OF_A_NAME = (errno.EINVAL, errno.EILSEQ, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOTDIR)
"""Errors of one result only: the file system refuses its name, or it is a folder's."""


class Cutout(StrEnum):
    """Values of `--cutout`."""

    rgba = "rgba"
    rgb_on_black = "rgb_on_black"


class Form(StrEnum):
    """Values of `--format`: the file format of cutouts."""

    png = "png"
    webp = "webp"
    jpeg = "jpeg"


class Colours(StrEnum):
    """Values of `--colours`: where the colours of soft edges come from."""

    plain = "plain"
    clean = "clean"


def image(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="IN...", help="Pictures, folders of them, globs, or - for standard input."
        ),
    ],
    out: Annotated[
        str,
        typer.Option(metavar="DIR", help="Folder for the results, or - for standard output."),
    ],
    recursive: Annotated[
        bool, typer.Option("--recursive", "-r", help="Look through folders in folders too.")
    ] = False,
    keep_structure: Annotated[
        bool, typer.Option("--keep-structure", help="The same folders in DIR as the pictures' own.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Leave out what has results that are not older.")
    ] = False,
    cutout: Annotated[
        Cutout | None,
        typer.Option(help="The subject with transparency, or on black.", show_default="rgba"),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="COLOUR|PATH", help="Put the subject on black, white, green, #rrggbb or a file."
        ),
    ] = None,
    mask: Annotated[bool, typer.Option("--mask", help="Write the mask beside it.")] = False,
    form: Annotated[
        Form, typer.Option("--format", help="PNG keeps 16 bits; JPEG holds no transparency.")
    ] = Form.png,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="JPEG's and WebP's; WebP at 100 is lossless.")
    ] = 95,
    colours: Annotated[
        Colours,
        typer.Option(help="Of soft edges: the picture's own, or the subject's alone, estimated."),
    ] = Colours.plain,
    model: Annotated[
        str, typer.Option(help="A name of `streamer models list`, or an .onnx file.")
    ] = "rmbg-1.4",
    normalize: Annotated[
        bool, typer.Option("--normalize", help="Stretch each alpha to its own range.")
    ] = False,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Leave out pictures that have more.")
    ] = 100_000_000,
) -> None:
    """
    Cut the subject out of pictures. Writes <name>.png, and with --mask also <name>-mask.png.

    A picture that cannot be read is reported and skipped; the exit code is then 3.

    Example: streamer image portrait.jpg holiday/ --out out --mask
    """
    from streamer.pictures import expanded, find, plan
    from streamer.sinks.shared.paths import make_folder

    if not out:
        raise ConfigError("--out: an empty name: write . for this folder")
    to_stdout = out == _STREAM
    folder = expanded(out)
    look = _look(form, quality, cutout, background, colours, max_pixels)
    found, problems = find(inputs, recursive=recursive, out=None if to_stdout else folder)
    for problem in problems:
        say(f"error: {problem}")
    if not found:
        raise SourceNotFound(f"no picture to work on among {len(inputs)} given")
    if to_stdout:
        _check_stdout(len(found), mask=mask, resume=resume)
    suffix = ".jpg" if form is Form.jpeg else f".{form}"
    jobs = plan(found, folder, suffix, keep_structure=keep_structure)
    if not to_stdout:
        if resume:
            _check_resumable(jobs)
        make_folder(folder)
    left = [job for job in jobs if not (resume and job.is_done(mask=mask))]
    failed = len(problems)
    if left:
        work = _Work(look, mask=mask, to_stdout=to_stdout, max_pixels=max_pixels)
        failed += work.do(left, model=model, normalize=normalize)
    if not to_stdout:
        _sum_up(folder, len(jobs) + len(problems), failed=failed, there=len(jobs) - len(left))
    if failed:
        raise typer.Exit(SourceError.exit_code)


def _sum_up(out: Path, pictures: int, *, failed: int, there: int) -> None:
    from streamer.pictures import shown

    before = f", {there} of them before" if there else ""
    done = f"{pictures - failed} of {pictures} pictures"
    say(f"{done} cut out into {shown(out)}{before}", err=False)


def _check_stdout(pictures: int, *, mask: bool, resume: bool) -> None:
    if pictures > 1 or mask or resume:
        raise ConfigError("--out -: takes one picture, no --mask and no --resume: name a folder")
    if sys.stdout is None:
        raise SinkError("--out -: standard output is closed")
    if sys.stdout.isatty():
        raise ConfigError("--out -: would fill the terminal: write > FILE behind it")


def _check_resumable(jobs: Sequence[Job]) -> None:
    from streamer.pictures import shown

    sources = {job.source.parent.resolve() for job in jobs if job.source}
    for job in jobs:
        if job.cutout.parent.resolve() in sources:
            raise ConfigError(
                f"--resume: {shown(job.cutout.parent)} holds pictures to work on, from which "
                "results cannot be told: choose another --out"
            )


def _look(
    form: Form,
    quality: int,
    cutout: Cutout | None,
    background: str | None,
    colours: Colours,
    max_pixels: int,
) -> Look:
    """The look that the options ask for. Raises ConfigError if they contradict each other."""
    from streamer.pictures import Look

    if background is not None and cutout is not None:
        raise ConfigError("--cutout and --background are two ways: give one of them")
    alpha = background is None and cutout is not Cutout.rgb_on_black
    if alpha and form is Form.jpeg:
        raise ConfigError(
            "--format jpeg: holds no transparency: add --background COLOUR or "
            "--cutout rgb_on_black, or write webp"
        )
    foreground: Callable[[Image, Alpha], Image] | None = None
    if colours is Colours.clean:
        from streamer.compositing.stills import foreground_of

        foreground = foreground_of
    return Look(
        alpha=alpha,
        backdrop=None if background is None else _backdrop(background, max_pixels),
        form=form.value,
        quality=quality,
        foreground=foreground,
    )


def _backdrop(text: str, max_pixels: int) -> Image:
    import numpy as np
    from pydantic import TypeAdapter, ValidationError

    from streamer.compositing import colour
    from streamer.config.picture import Colour
    from streamer.pictures import expanded, open_picture

    try:
        known = TypeAdapter(Colour).validate_python(text)
        return np.full((1, 1, 3), colour(known), np.uint8)
    except ValidationError:
        pass
    try:
        with open_picture(expanded(text), max_pixels=max_pixels) as picture:
            return picture.read().seen()
    except SourceError as error:
        raise ConfigError(
            f"--background: neither black, white, green, #rrggbb nor a picture: {error}"
        ) from None


class _Work:
    """Does jobs one after the other, and reports those that fail."""

    def __init__(self, look: Look, *, mask: bool, to_stdout: bool, max_pixels: int) -> None:
        self._look = look
        self._mask = mask
        self._to_stdout = to_stdout
        self._max_pixels = max_pixels

    def do(self, jobs: Sequence[Job], *, model: str, normalize: bool) -> int:
        """Do the *jobs*; returns how many pictures could not be read."""
        from streamer.pictures import Photo, ahead
        from streamer.remover import BackgroundRemover

        failed = 0
        threads = min(_AHEAD, core_count())
        with (
            Downloads() as downloads,
            BackgroundRemover(model, normalize=normalize, progress=downloads) as remover,
        ):
            downloads.close()
            if remover.fallback:
                say(f"note: {remover.info.name}: not the first choice of model: {remover.fallback}")
            pictures = ahead(jobs, self._open, threads=threads, max_pixels=self._max_pixels)
            with (
                _without_pillows_warnings(),
                closing(pictures),
                counting("cutting out", len(jobs)) as count,
            ):
                for job, photo in pictures:
                    problem = self._one(job, photo, remover)
                    if isinstance(photo, Photo) and photo.more:
                        count.say(f"note: {_named(job)}: {photo.more}: the first picture is taken")
                    if problem:
                        count.say(f"error: {problem}")
                        failed += 1
                    count()
        return failed

    def _open(self, job: Job) -> OpenPicture:
        from streamer.pictures import largest_file, open_picture

        if job.source is not None:
            return open_picture(job.source, max_pixels=self._max_pixels)
        if sys.stdin is None:
            raise SourceNotFound("standard input is closed")
        content = sys.stdin.buffer.read(largest_file(self._max_pixels) + 1)
        return open_picture(content, name="standard input", max_pixels=self._max_pixels)

    def _one(self, job: Job, photo: Photo | SourceError, remover: BackgroundRemover) -> str | None:
        """Cut out one *photo* and write the results. Returns the problem, or None on success."""
        import cv2

        from streamer.pictures import lacks_memory

        if isinstance(photo, SourceError):
            return str(photo)
        name = _named(job)
        try:
            matte = remover.alpha(photo.seen())
            cutout = self._look.cutout(photo, matte)
            mask = self._look.mask(photo, matte) if self._mask else None
        except SourceUnsupported as error:
            return f"{name}: {error}"
        except (MemoryError, cv2.error) as error:
            if not lacks_memory(error):
                raise
            height, width = photo.colours.shape[:2]
            return f"{name}: {width}x{height} pixels: not enough memory"
        if self._to_stdout:
            _to_stdout(cutout)
            return None
        problem = _written(job.cutout, cutout)
        if problem is None and mask is not None:
            problem = _written(job.mask, mask)
        return problem


def _named(job: Job) -> str:
    """The name of *job*'s picture in messages."""
    from streamer.pictures import shown

    return "standard input" if job.source is None else shown(job.source)


def _written(path: Path, content: bytes) -> str | None:
    """Write a file; returns the problem if its name is at fault. Raises SinkError for others."""
    from streamer.core.writing import write_whole
    from streamer.pictures import shown
    from streamer.sinks.shared.paths import refusal

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        refused = refusal(Path(shown(path)), error)
        if error.errno in _FAULTS_OF_A_NAME:
            return str(refused)
        raise refused from error
    return None


def _to_stdout(content: bytes) -> None:
    """Write to standard output. Raises SinkError, and BrokenPipeError if its reader has gone."""
    from streamer.sinks.shared.paths import refusal

    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise refusal(Path("standard output"), error) from error


@contextmanager
def _without_pillows_warnings() -> Iterator[None]:
    """Silence Pillow's warnings about odd pictures: our errors say whether one can be read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield
