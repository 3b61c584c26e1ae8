"""
The foreground's colours of single pictures, by the best method that works here.

That is `pymatting` where it is installed (the extra `pictures`) and works, else
`clean.Foreground`, as for a stream's frames.
"""

from __future__ import annotations

import logging
import threading

import numpy as np

from streamer.compositing.clean import Foreground
from streamer.frame import Alpha, Image

_log = logging.getLogger(__name__)

_turn = threading.Lock()
"""Only one thread at a time may start numba's threads."""
_unusable = threading.Event()
"""Set when pymatting has failed once in this process: it is not tried again."""


def foreground_of(image: Image, alpha: Alpha) -> Image:
    """
    The foreground's colours of a single picture.

    pymatting (T. Germer and others, "Fast Multi-Level Foreground Estimation", ICPR 2020) compiles
    itself at its first use, for half a minute. Each estimate takes some 75 bytes a pixel.
    If it is installed but fails, as where numba finds no folder for what it compiles, that is
    logged once.

    Args:
        image: (H, W, 3) uint8, in any order of channels; borrowed.
        alpha: (H, W) uint8 of that image; borrowed.

    Returns:
        (H, W, 3) uint8, new: see `Foreground.estimate`.

    Thread-safe.
    """
    # For a single pixel pymatting divides by 0.
    found = _pymattings(image, alpha) if alpha.size > 1 else None
    if found is None:
        found = np.empty_like(image)
        Foreground().estimate(image, alpha, found)
    return found


def _pymattings(image: Image, alpha: Alpha) -> Image | None:
    """The colours that pymatting finds; None where it is missing, or does not work here."""
    if _unusable.is_set():
        return None
    with _turn:
        try:
            from pymatting import estimate_foreground_ml

            found = estimate_foreground_ml(
                image.astype(np.float32) / 255, alpha.astype(np.float32) / 255
            )
        except Exception as error:  # it and numba raise whatever they like
            if not (isinstance(error, ModuleNotFoundError) and error.name == "pymatting"):
                _give_up(error)
            return None
    out: Image = np.empty_like(image)
    np.copyto(out, np.clip(np.rint(found * 255), 0, 255), casting="unsafe")
    np.copyto(out, image, where=(alpha == 255)[:, :, None])
    return out


def _give_up(error: Exception) -> None:
    """Log once why pymatting is not used from now on."""
    if _unusable.is_set():
        return
    _unusable.set()
    reason = " ".join(str(error).split())[:200] or "no reason given"
    way_out = (
        "set NUMBA_CACHE_DIR to a folder that can be written"
        if "cache" in reason or "locator" in reason
        else 'pip install --upgrade "streamer[pictures]" may mend it'
    )
    _log.warning(
        "pymatting does not work here (%s: %s): clean colours are found as those of video; %s",
        type(error).__name__,
        reason,
        way_out,
    )
