"""What `matting.effort` means: how finely and how often the model looks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from streamer.config import MattingConfig

View = Literal["crops", "whole", "glance", "alone"]
"""
`crops`: around the known subjects. `whole`: first the whole frame, to find subjects, then crops.
`glance`: like `whole`, with a smaller input for the frame. `alone`: the whole frame only, as if no
other frame were known.
"""


@dataclass(frozen=True, slots=True)
class Effort:
    """One compromise between speed and detail."""

    detail: float
    """Network pixels wanted for each pixel of a crop."""
    strain: float
    """A key frame is due if flow leaves more grey levels than this unexplained around subjects."""
    search: View
    """How subjects are searched for; if `glance` finds none, now and then it is `whole`."""
    search_s: float
    """Least seconds from one search to the next, whatever moves."""
    doubtful: float
    """
    If an alpha differs from the known one by more than this share of the subject's area, the model
    is asked once more, with the whole frame.
    """
    finest_scale: int
    """How often the luma picture is halved where the search for flow ends."""
    stride: int
    """Pixels from one patch of the flow to the next: 6 costs four fifths of 5."""
    exact: bool = False
    """
    For files, at twice the cost of flow: edges move with their subjects alone, flow to key frames
    is checked by flow back, and crops with few pixels get the largest input.
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
