"""Counts of the work that tracking does, each in pieces of about equal cost on one machine."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Work:
    """Counts since the beginning. Written by one thread; others may read it."""

    shrunk: int = 0
    """Frames that were made small."""
    compared: int = 0
    """Pairs of small pictures that were compared."""
    flows: float = 0.0
    """Searches for the flow between two of them; a search of half the picture counts 0.5…"""
    patches: float = 0.0
    """…and the patches of these searches, at the finest scale."""
    chained: int = 0
    """Flows that were made of two others, without a search."""
    plates: int = 0
    """Comparisons of a frame with the room."""
    carried: float = 0.0
    """Alphas that were carried, in whole frames."""
    mixed: float = 0.0
    """Pairs of alphas that were mixed, in whole frames."""

    def since(self, before: Work) -> Work:
        """The counts that were added since *before*."""
        return Work(
            **{
                piece.name: getattr(self, piece.name) - getattr(before, piece.name)
                for piece in fields(self)
            }
        )
