"""Limits that options share: what is beyond is a slip, or more than a machine has."""

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
"""Of a frame that is made here: 8192x8192."""
DAY_S = 86_400
LONGEST_S = 100_000_000
"""Seconds of a stream's time: three years."""
COUNT = 1_000_000_000
"""Of things that are counted, and take no memory of their own."""


def limits_of(kind: type[BaseModel], name: str) -> tuple[float, float]:
    """The least and the most that a number *name* of *kind* may be, or come near to."""
    least, most = -math.inf, math.inf
    for limit in kind.model_fields[name].metadata:
        least = getattr(limit, "ge", getattr(limit, "gt", least))
        most = getattr(limit, "le", getattr(limit, "lt", most))
    return least, most


def in_digits(number: Any) -> str:
    """*number* as tables and messages show it: whole ones in full."""
    return str(number) if isinstance(number, int) else f"{number:g}"
