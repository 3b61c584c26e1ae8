"""Which pictures are meant, and under which names their results go where."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.config import PICTURE_SUFFIXES
from streamer.pictures.reading import shown

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
    The pictures that *inputs* mean, each once, and for each input that means none why, in one line.

    In folders and globs a picture is told by its suffix. What is hidden, and the folder *out* below
    one that is looked through, is passed over.

    Args:
        inputs: files, folders, globs (`**`: folders of any depth), or `-`, standard input.
        recursive: look through the folders in folders too.
        out: where results go.
    """
    found: dict[str, Found] = {}
    problems = []
    for text in inputs:
        some = False
        try:
            for picture in _expand(text, recursive=recursive, out=out):
                some = True
                found.setdefault(_key(picture.path) if picture.path else STDIN, picture)
        except OSError as error:
            problems.append(f"{shown(text)}: cannot be looked through: {error.strerror}")
            continue
        if not some:
            problems.append(f"{shown(text)}: no such picture, nor a folder or glob that holds any")
    return list(found.values()), problems


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


def _expand(text: str, *, recursive: bool, out: Path | None) -> Iterator[Found]:
    if text == STDIN:
        yield Found(None)
        return
    # Unlike Path's, it leaves a name such as `~draft.png` alone.
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    if path.is_dir():
        places = _walk(path, out) if recursive else path.iterdir()
        for place in sorted(places):
            if _is_picture(place):
                yield Found(place, place.parent.relative_to(path))
    elif path.is_file():
        yield Found(path)
    elif glob.has_magic(text):
        root = _fixed_part(path)
        for place in sorted(map(Path, glob.glob(str(path), recursive=True))):  # noqa: PTH207 - **
            if _is_picture(place) and not _is_result(place, root, out):
                yield Found(place, place.parent.relative_to(root))


def _walk(folder: Path, out: Path | None) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    results = None if out is None else _key(out)
    for at, folders, files in os.walk(folder, onerror=fail):
        here = Path(at)
        folders[:] = [f for f in folders if f[0] != "." and _key(here / f) != results]
        yield from (here / file for file in files)


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != "." and not path.is_dir()


def _is_result(path: Path, root: Path, out: Path | None) -> bool:
    """Whether *path* is in *out*, and that below *root*, where the glob begins."""
    if out is None:
        return False
    results, begin = Path(_key(out)), Path(_key(root))
    return begin in results.parents and results in Path(_key(path)).parents


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
    return os.path.realpath(path).casefold()
