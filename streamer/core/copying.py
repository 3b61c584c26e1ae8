"""Objects that cannot be copied."""

from __future__ import annotations

from typing import NoReturn, SupportsIndex


class Uncopyable:
    """
    Refuses `copy.copy`, `copy.deepcopy` and `pickle`.

    For what holds a session, threads or memory that others write to: a copy would have its own
    arrays, which nobody fills, or share those of the original.
    """

    def __reduce_ex__(self, protocol: SupportsIndex, /) -> NoReturn:
        """Raise TypeError."""
        raise TypeError(f"{type(self).__name__}: cannot be copied or pickled: make another one")
