"""What following a stream takes, in pieces of work that each cost about the same on one machine."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Work:
    """Counts from the beginning on. Written by one thread; others may read it."""

    shrunk: int = 0
    """Frames that were made small."""
    compared: int = 0
    """Pairs of small pictures."""
    flows: float = 0.0
    """Searches for the flow between two of them, in whole pictures: half of one is 0.5…"""
    patches: float = 0.0
    """…and the patches of these, at the finest scale."""
    chained: int = 0
    """Flows that were made of two others, without a search."""
    plates: int = 0
    """Frames of which it was looked what the flow and the room explain."""
    carried: float = 0.0
    """Alphas, in whole frames."""
    mixed: float = 0.0
    """Of pairs of alphas, likewise."""

    def since(self, before: Work) -> Work:
        """What has come since it was *before*."""
        return Work(
            **{
                piece.name: getattr(self, piece.name) - getattr(before, piece.name)
                for piece in fields(self)
            }
        )
