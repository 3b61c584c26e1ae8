"""Tables on standard output: as wide as the terminal, or 200 columns without one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from streamer.errors import redact


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print *rows* under *columns*; cells are plain text, and long ones wrap."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(redact(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def megabytes(size: int) -> str:
    """*size* bytes as `176 MB`."""
    return f"{size / 1e6:.0f} MB"
