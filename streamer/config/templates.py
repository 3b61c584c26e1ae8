"""Paths of outputs, with fields that are filled in."""

from __future__ import annotations

import string
from datetime import datetime
from pathlib import Path


def fill_path(template: str, *, stream: str, start: datetime) -> Path:
    """
    *template* with `{stream}` and `{start}` or `{start:%Y%m%d-%H%M%S}` filled in, `~` expanded.

    Raises:
        ValueError: it has another field, or is no template.
    """
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
        filled = "" if names - {"stream", "start"} else template.format(stream=stream, start=start)
        path = Path(filled).expanduser()
    except (ValueError, IndexError, RuntimeError) as error:
        raise ValueError(f"{template}: {error}: write {{{{ for a brace") from error
    if unknown := names - {"stream", "start"}:
        raise ValueError(
            f"{template}: {{{min(unknown)}}} is not known: "
            "use {stream} or {start:%Y%m%d-%H%M%S}"
        )
    return path
