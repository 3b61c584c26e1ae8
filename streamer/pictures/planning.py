"""Which pictures are meant, and under which names their results go where."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.pictures.reading import shown
from streamer.pictures.unread import photographs

STDIN = "-"
_LONGEST_NAME = 255
"""Bytes of a file's name on all common file systems."""


@dataclass(frozen=True, slots=True)
class Found:
    """
    A picture that was meant.

    Attributes:
        path: its file; None is standard input.
        below: the folder it is in, as seen from the folder or glob that was given.
    """

    path: Path | None
    below: Path = Path()


@dataclass(frozen=True, slots=True)
class Job:
    """One picture and where its results go; *source* None is standard input."""

    source: Path | None
    cutout: Path
    mask: Path

    def is_done(self, *, mask: bool) -> bool:
        """Whether its results (the mask too, where *mask*) are there and no older than it is."""
        if self.source is None:
            return False
        try:
            changed_ns = self.source.stat().st_mtime_ns
            results = (self.cutout, self.mask) if mask else (self.cutout,)
            return all(path.stat().st_mtime_ns >= changed_ns for path in results)
        except OSError:
            return False


def find(
    inputs: Iterable[str], *, recursive: bool = False, out: Path | None = None
) -> tuple[list[Found], list[str]]:
    """
    The pictures that *inputs* mean, each once, and in a line each what is not to be had of them.

    In folders and globs a picture is told by its suffix. What is hidden, and the folder *out* below
    one that is looked through, is passed over. A folder that may not be read costs itself alone.

    Args:
        inputs: files, folders, globs (`**`: folders of any depth), or `-`, standard input.
        recursive: look through the folders in folders too.
        out: where results go.
    """
    found: dict[str, Found] = {}
    problems: list[str] = []

    def fail(error: OSError) -> None:
        problems.append(f"{shown(error.filename)}: cannot be looked through: {error.strerror}")

    for text in inputs:
        before = len(problems)
        try:
            pictures, among = _expand(text, recursive=recursive, out=out, fail=fail)
        except OSError as error:
            fail(error)
            continue
        for picture in pictures:
            found.setdefault(os.path.realpath(picture.path) if picture.path else STDIN, picture)
        if not pictures and len(problems) == before:
            problems.append(_nothing(text, among))
    return list(found.values()), problems


def expanded(text: str) -> Path:
    """*text* as a path, `~` as the home; unlike Path's own it leaves `~draft.png` alone."""
    return Path(os.path.expanduser(text))  # noqa: PTH111


def natural(path: Path) -> tuple[object, object]:
    """
    What paths are sorted by, so that `2.png` comes before `10.png` and a folder stays together.

    Decimal digits of any script make a number; `²` and its like are letters.
    """
    return [_by_numbers(part) for part in path.parent.parts], _by_numbers(path.name)


def plan(
    found: Sequence[Found], out: Path, suffix: str = ".png", *, keep_structure: bool = False
) -> list[Job]:
    """
    Give every picture its own results in *out*: `a.png` and `a-mask.png`, or `a-2.png` and so on.

    With *keep_structure* they are in the same folders there as the pictures are here. No result
    takes the place of a picture, a folder or another result; names are told apart as on a file
    system that ignores case.
    """
    folders = [out / picture.below if keep_structure else out for picture in found]
    taken = {_key(picture.path) for picture in found if picture.path}
    taken |= {_key(inner) for folder in set(folders) for inner in (folder, *folder.parents)}
    jobs = []
    for picture, folder in zip(found, folders, strict=True):
        stem = "stdin" if picture.path is None else picture.path.stem
        place = _key(folder)
        number = 1
        while True:
            numbered = _fitting(stem, "" if number == 1 else f"-{number}", f"-mask{suffix}")
            names = (f"{numbered}{suffix}", f"{numbered}-mask.png")
            keys = {os.path.join(place, name.casefold()) for name in names}  # noqa: PTH118 - text
            if not keys & taken:
                break
            number += 1
        taken |= keys
        jobs.append(Job(picture.path, folder / names[0], folder / names[1]))
    return jobs


def _expand(
    text: str, *, recursive: bool, out: Path | None, fail: Callable[[OSError], None]
) -> tuple[list[Found], int]:
    """What *text* means, and among how many files it was looked for."""
    if text == STDIN:
        return [Found(None)], 1
    path = expanded(text)
    if text and path.is_dir():
        root, files = path, list(_walk(path, recursive=recursive, out=out, fail=fail))
    elif text and path.exists():
        return [Found(path)], 1
    elif glob.has_magic(text):
        root, files = _fixed_part(path), []
        for place in map(Path, glob.glob(str(path), recursive=True)):  # noqa: PTH207 - **
            # Not Path's `is_dir`, which raises where the folder around may not be looked into.
            if not os.path.isdir(place) and not _is_result(place, root, out):  # noqa: PTH112
                files.append(place)
    else:
        return [], 0
    files = sorted((f for f in files if not f.name.startswith(".")), key=natural)
    pictures = photographs(files)
    return [Found(file, file.parent.relative_to(root)) for file in pictures], len(files)


def _by_numbers(name: str) -> tuple[list[str | int], str]:
    parts = re.split(r"(\d+)", name.lower())  # every second one is a number
    return [int(part) if at % 2 else part for at, part in enumerate(parts)], name


def _nothing(text: str, among: int) -> str:
    """Why *text* means no picture, of *among* files that it means."""
    if not text:
        return "an empty name: write . for this folder"
    if among:
        return (
            f"{shown(text)}: none of its files ({among}) has the suffix of a picture: "
            "name those that are to be read"
        )
    return f"{shown(text)}: no such picture, nor a folder or glob that holds any"


def _walk(
    folder: Path, *, recursive: bool, out: Path | None, fail: Callable[[OSError], None]
) -> Iterator[Path]:
    """The files in *folder*; what cannot be looked through is left to *fail*."""
    for at, folders, files in os.walk(folder, onerror=fail):
        here = Path(at)
        inner = folders if recursive else []
        folders[:] = [f for f in inner if f[0] != "." and not _is_same(here / f, out)]
        yield from (here / file for file in files)


def _is_result(path: Path, root: Path, out: Path | None) -> bool:
    """Whether *path* is in *out*, and that below *root*, where the glob begins."""
    below = path.parent.relative_to(root)
    return any(_is_same(root / inner, out) for inner in (below, *below.parents) if inner.parts)


def _is_same(folder: Path, out: Path | None) -> bool:
    try:
        return out is not None and folder.samefile(out)
    except OSError:
        return False


def _fixed_part(pattern: Path) -> Path:
    """The folder that everything which *pattern* finds is in."""
    while glob.has_magic(str(pattern)):
        pattern = pattern.parent
    return pattern


def _fitting(stem: str, number: str, longest_end: str) -> str:
    while len(os.fsencode(stem + number + longest_end)) > _LONGEST_NAME:
        stem = stem[:-1]
    return stem + number


def _key(path: Path) -> str:
    """What a result at *path* would be on a file system that ignores case."""
    return os.path.realpath(path).casefold()
