"""What `matting.effort` means: how finely and how often is looked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from streamer.config import MattingConfig

View = Literal["crops", "whole", "glance", "alone"]
"""
`crops`: around the subjects as they were known; `whole`: the frame first, to find them; `glance`:
likewise, with a smaller input; `alone`: the frame and nothing else, as if no other were known.
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """One step between speed and detail."""

    detail: float
    """Network pixels wanted for each pixel of a crop."""
    strain: float
    """Grey levels that the flow leaves unexplained around the subjects: time for a key frame."""
    search: View
    """How subjects are looked for; `whole` now and then where `glance` finds none."""
    search_s: float
    """Seconds from one search to the next, at least, whatever moves."""
    doubtful: float
    """
    Share of a subject's area by which an alpha differs from what was known: the model is asked once
    more, with the whole frame.
    """
    finest_scale: int
    """Halvings of the luma picture at which the flow ends."""
    stride: int
    """Pixels from one patch to the next that the flow is made of: 6 costs four fifths of 5."""
    exact: bool = False
    """
    Edges move with their subjects alone, between two key frames it is checked where flow leads
    back, and crops with few pixels get the largest input: for files, at twice the flow.
    """


EFFORTS = {
    "fast": Effort(0.5, 14.0, "glance", search_s=0.4, doubtful=1.0, finest_scale=1, stride=5),
    "balanced": Effort(0.6, 10.0, "glance", search_s=0.4, doubtful=0.15, finest_scale=0, stride=6),
    "best": Effort(
        0.95, 7.0, "whole", search_s=0.1, doubtful=0.08, finest_scale=0, stride=5, exact=True
    ),
}


def effort_of(config: MattingConfig, *, live: bool) -> Effort:
    """The effort that *config* asks for."""
    if config.effort == "auto":
        return EFFORTS["balanced" if live else "best"]
    chosen = EFFORTS[config.effort]
    return replace(chosen, exact=False) if live else chosen
