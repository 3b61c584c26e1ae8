"""Paths of outputs: how their fields are filled in, and whether two mean the same file."""

from __future__ import annotations

import os
import string
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path


def fill_path(template: str, *, stream: str, start: datetime) -> Path:
    """
    *template* with `{stream}` and `{start}` or `{start:%Y%m%d-%H%M%S}` filled in, `~` expanded.

    Raises:
        ValueError: it has another field, is not a valid template, or `~` has no home folder.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        filled = "" if names - {"stream", "start"} else template.format(stream=stream, start=start)
        path = Path(filled).expanduser()
        if "\0" in template:
            raise ValueError("no name has a byte 0")
    except RuntimeError as error:
        raise ValueError(
            f"{template}: there is no such home folder here: write the whole path, or set HOME"
        ) from error
    except (ValueError, LookupError) as error:
        raise ValueError(f"{template}: {error}: write {{{{ for a brace") from error
    if unknown := names - {"stream", "start"}:
        raise ValueError(
            f"{template}: {{{min(unknown)}}} is not known: "
            "use {stream} or {start:%Y%m%d-%H%M%S}"
        )
    return path


def is_among(path: str | Path, files: Iterable[str | Path]) -> bool:
    """Whether *path* is one of *files*, even by another name; none of them needs to exist."""
    return any(_is_same(Path(path), Path(file)) for file in files)


def _is_same(one: Path, other: Path) -> bool:
    with suppress(RuntimeError):  # no home
        one, other = one.expanduser(), other.expanduser()
    with suppress(OSError):
        return one.samefile(other)
    return os.path.normcase(one.resolve()) == os.path.normcase(other.resolve())
