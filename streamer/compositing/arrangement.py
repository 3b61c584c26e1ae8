"""Places panels in a picture: beside or under each other, or in a grid, all of one size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from streamer.config import LayoutConfig, Panel

Box = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Rows of equal cells, each with its panel's picture in the middle."""

    count: int
    """Number of panels; the cells after the last one are empty."""
    columns: int
    cell: tuple[int, int]
    """(width, height) in pixels."""
    inner: tuple[int, int]
    """(width, height) in pixels of a panel's picture: no larger than its cell."""

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.count // self.columns)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels of the whole picture."""
        return self.columns * self.cell[0], self.rows * self.cell[1]

    @property
    def has_gaps(self) -> bool:
        """Whether any part of the picture belongs to no panel."""
        return self.inner != self.cell or self.columns * self.rows > self.count

    def cell_box(self, number: int) -> Box:
        """The box of cell *number*, counted from 0, row by row."""
        row, column = divmod(number, self.columns)
        width, height = self.cell
        return (
            slice(row * height, (row + 1) * height),
            slice(column * width, (column + 1) * width),
        )

    def inner_box(self, number: int) -> Box:
        """The box of the picture of panel *number*."""
        rows, columns = self.cell_box(number)
        width, height = self.inner
        top = rows.start + (self.cell[1] - height) // 2
        left = columns.start + (self.cell[0] - width) // 2
        return slice(top, top + height), slice(left, left + width)


def panels_of(config: LayoutConfig) -> tuple[Panel, ...]:
    """The panels of that layout, in order."""
    name = config.layout
    if name == "side_by_side" or name == "stack" or name == "grid":
        return tuple(config.panels)
    return (name,)


def arrange(config: LayoutConfig, width: int, height: int) -> Arrangement:
    """The arrangement for frames of *width* and *height* pixels."""
    count = len(panels_of(config))
    columns = 1
    if config.layout == "side_by_side":
        columns = count
    elif config.layout == "grid":
        columns = min(config.columns or math.ceil(math.sqrt(count)), count)
    if config.tile is None:
        return Arrangement(count, columns, (width, height), (width, height))
    scale = min(config.tile[0] / width, config.tile[1] / height)
    inner = (
        min(config.tile[0], max(1, round(width * scale))),
        min(config.tile[1], max(1, round(height * scale))),
    )
    return Arrangement(count, columns, config.tile, inner)
