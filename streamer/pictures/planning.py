"""Find the pictures that inputs name, and plan where their results go."""

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
    A picture that was found.

    Attributes:
        path: its file; None is standard input.
        below: its folder, relative to the folder or glob that was given.
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
        """Whether its results (the mask too, if *mask*) exist and are no older than the source."""
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
    Return the pictures that *inputs* name, each once, and one line for each problem.

    In folders and globs a picture is told by its suffix. Hidden files and folders are skipped, and
    so is *out* if it is below a searched folder. A folder that cannot be read is reported, and the
    search goes on.

    Args:
        inputs: files, folders, globs (`**`: folders of any depth), or `-`, standard input.
        recursive: search subfolders too.
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
    """*text* as a path, with `~` expanded; unlike `Path.expanduser`, `~draft.png` stays."""
    return Path(os.path.expanduser(text))  # noqa: PTH111


def natural(path: Path) -> tuple[object, object]:
    """
    Sort key for paths: `2.png` comes before `10.png`, and a folder's files stay together.

    Decimal digits of any script form a number; `²` and its like are letters.
    """
    return [_by_numbers(part) for part in path.parent.parts], _by_numbers(path.name)


def plan(
    found: Sequence[Found], out: Path, suffix: str = ".png", *, keep_structure: bool = False
) -> list[Job]:
    """
    Give every picture its own results in *out*: `a.png` and `a-mask.png`, or `a-2.png` and so on.

    With *keep_structure* results keep the subfolders of their pictures. No result takes the name of
    a picture, a folder or another result; names that differ only in case count as the same.
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
    """The pictures that *text* names, and among how many files they were searched for."""
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
            # Not `Path.is_dir`: it raises if the folder around may not be read.
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
    """Why *text* names no picture; it names *among* files of other kinds."""
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
    """Yield the files in *folder*; *fail* is called for each folder that cannot be read."""
    for at, folders, files in os.walk(folder, onerror=fail):
        here = Path(at)
        inner = folders if recursive else []
        folders[:] = [f for f in inner if f[0] != "." and not _is_same(here / f, out)]
        yield from (here / file for file in files)


def _is_result(path: Path, root: Path, out: Path | None) -> bool:
    """Whether *path* is in *out*, and *out* is below *root*, where the glob begins."""
    below = path.parent.relative_to(root)
    return any(_is_same(root / inner, out) for inner in (below, *below.parents) if inner.parts)


def _is_same(folder: Path, out: Path | None) -> bool:
    try:
        return out is not None and folder.samefile(out)
    except OSError:
        return False


def _fixed_part(pattern: Path) -> Path:
    """The deepest folder of *pattern* above its first wildcard."""
    while glob.has_magic(str(pattern)):
        pattern = pattern.parent
    return pattern


def _fitting(stem: str, number: str, longest_end: str) -> str:
    while len(os.fsencode(stem + number + longest_end)) > _LONGEST_NAME:
        stem = stem[:-1]
    return stem + number


def _key(path: Path) -> str:
    """*path* as a file system that ignores case would compare it."""
    return os.path.realpath(path).casefold()
