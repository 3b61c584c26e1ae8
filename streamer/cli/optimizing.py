"""Makes a model's int8 file for a command: pictures, progress, and the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, Steps
from streamer.config import ModelConfig
from streamer.errors import StreamerError

if TYPE_CHECKING:
    from streamer.models.store.artefacts import Artefact


def optimise(
    model: ModelConfig,
    calibrate: str | None = None,
    *,
    limit: float | None = None,
    force: bool = False,
    keep: bool = False,
) -> Artefact:
    """
    The int8 file of *model*, made now or earlier, with progress bars.

    Args:
        model: its name, and its input size if the graph takes any.
        calibrate: what to calibrate on, see `pictures`; None for the default set.
        limit: the most that alpha may differ from fp32 on average; None for the usual limit.
        force: make it anew.
        keep: accept an existing file that was made with other pictures or settings.

    Raises:
        MissingDependency: the package onnx is not installed.
        StreamerError: the pictures or the model are not available, or the proof failed.
    """
    from streamer.cli.calibrating import pictures
    from streamer.models.optimizing.optimize import MAD_LIMIT, optimize, require_packages

    require_packages()
    shown = pictures(calibrate)
    with Downloads() as downloads, Steps() as steps:

        def tell(step: str, done: int, total: int, /) -> None:
            downloads.close()
            steps(step, done, total)

        return optimize(
            model,
            shown,
            limit=MAD_LIMIT if limit is None else limit,
            force=force,
            keep=keep,
            steps=tell,
            progress=downloads,
        )


def make_fast(model: ModelConfig) -> None:
    """
    Make an int8 file of *model* if a run would use one and there is none; warn if that fails.

    On a CPU the file as shipped takes several times as long: too long for a live stream.

    Raises:
        ModelError: the model is not available.
    """
    from streamer.models.optimizing.optimize import lacks_fast_file

    with Downloads() as downloads:
        if not lacks_fast_file(model, downloads):
            return
    say("making a faster file of the model, once: it takes about a minute")
    try:
        optimise(model, keep=True)
    except StreamerError as error:
        say(f"warning: the model runs as it was shipped, several times slower: {error}")


def tell_proof(made: Artefact) -> None:
    """Print the results of the proof on standard error."""
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
