"""Limits that options share: more is a slip, or beyond what a machine can do."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, Field

Side = Annotated[int, Field(ge=1, le=16384)]
"""Pixels of a frame's width or height."""
Rate = Annotated[float, Field(ge=0.0001, le=1000)]
"""Frames per second; the least is one in some three hours."""
Pause = Annotated[float, Field(ge=0.001, le=86_400)]
"""Seconds that something waits or lasts: a day at most."""
MOST_PIXELS = 1 << 26
"""Pixels of a generated frame at most: 8192x8192."""
DAY_S = 86_400
LONGEST_S = 100_000_000
"""Seconds of a stream's time: three years."""
COUNT = 1_000_000_000
"""At most so many of anything that is counted but takes no memory of its own."""


def limits_of(kind: type[BaseModel], name: str) -> tuple[float, float]:
    """The lower and upper bound, inclusive or not, of the number *name* of *kind*."""
    least, most = -math.inf, math.inf
    for limit in kind.model_fields[name].metadata:
        least = getattr(limit, "ge", getattr(limit, "gt", least))
        most = getattr(limit, "le", getattr(limit, "lt", most))
    return least, most


def in_digits(number: Any) -> str:
    """*number* as tables and messages show it; whole numbers in full."""
    return str(number) if isinstance(number, int) else f"{number:g}"
