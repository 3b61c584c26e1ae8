"""Making a model's int8 file for a command: pictures, progress, and what was proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, Steps
from streamer.config import ModelConfig
from streamer.errors import MissingDependency, ModelError

if TYPE_CHECKING:
    from streamer.segmentation import optimize
    from streamer.segmentation.artefacts import Artefact


def optimise(
    model: ModelConfig,
    calibrate: str | None = None,
    *,
    limit: float | None = None,
    force: bool = False,
    keep: bool = False,
) -> Artefact:
    """
    The int8 file of *model*, made now or before, with progress bars.

    Args:
        model: its name, and its size where the graph takes any.
        calibrate: what to calibrate on, see `pictures`; None for the default set.
        limit: mean difference of alpha to fp32 that is too much; None for the usual one.
        force: make it anew.
        keep: take one that was made with other pictures or settings too.

    Raises:
        MissingDependency: the package onnx is not installed.
        StreamerError: the pictures or the model cannot be had, or it did not pass.
    """
    from streamer.cli.calibrating import pictures
    from streamer.segmentation.optimize import MAD_LIMIT, optimize, require_packages

    require_packages()
    shown = pictures(calibrate)
    with Downloads() as downloads, Steps() as steps:
        return optimize(
            model,
            shown,
            limit=MAD_LIMIT if limit is None else limit,
            force=force,
            keep=keep,
            steps=_after(downloads, steps),
            progress=downloads,
        )


def make_fast(model: ModelConfig) -> None:
    """
    See that there is an int8 file of *model* where a run would take one; without it, warn.

    On a CPU the file as it is shipped takes several times as long: of a live stream too long.
    """
    from streamer.cli.calibrating import pictures
    from streamer.segmentation import optimize

    try:
        with Downloads() as downloads, Steps() as steps:
            optimize.make_fast(
                model,
                lambda: pictures(None),
                begin=_say_that_it_begins,
                steps=_after(downloads, steps),
                progress=downloads,
            )
    except (MissingDependency, ModelError) as error:
        say(f"warning: the model runs as it was shipped, several times slower: {error}")


def _say_that_it_begins() -> None:
    say("making a faster file of the model, once: it takes about a minute")


def _after(downloads: Downloads, steps: Steps) -> optimize.Steps:
    """*steps*, whose bar begins where that of the *downloads* ends."""

    def tell(step: str, done: int, total: int, /) -> None:
        downloads.close()
        steps(step, done, total)

    return tell


def tell_proof(made: Artefact) -> None:
    """What was proved, on standard error."""
    proof = made.proof
    for entry in proof["comparisons"]:
        height, width = entry["size"]
        shipped = entry["shipped_speed_up"]
        than = "" if shipped is None else f" and {shipped:.1f} times as its file as shipped"
        say(
            f"{width}x{height}: mean difference {entry['mad']:.4f} (of a picture at most "
            f"{entry['worst_mad']:.4f}), IoU {entry['iou']:.3f}, {entry['speed_up']:.1f} times as "
            f"fast as folded fp32{than}, on {entry['pictures']} pictures"
        )
    if proof["size_multiple"] is None:
        height, width = proof["input_size"]
        say(f"its input stays {width}x{height}: {proof['size_kept_because']}")
    else:
        say(f"its input may be any multiple of {proof['size_multiple']} wide and high")
