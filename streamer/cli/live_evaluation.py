"""`streamer eval --live`: what a viewer of a live stream sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, counting
from streamer.cli.tables import print_table
from streamer.errors import ConfigError

if TYPE_CHECKING:
    from streamer.config import Config
    from streamer.evaluation import Clip
    from streamer.evaluation.live import Machine, Watched
    from streamer.evaluation.measuring import Figures

THIS = "this"
"""Name of the simulated machine whose costs are measured on this one."""

_HEADINGS = {
    "shown": "in time",
    "late": "late",
    "lost": "lost",
    "empty": "empty",
    "mad": "MAD e3",
    "dtssd": "dtSSD e2",
    "leak": "leak %",
    "leak_worst": "worst",
    "loss": "loss %",
    "loss_worst": "worst",
    "latency_p95_ms": "p95 ms",
    "begun_s": "begun s",
}
_SHARES = frozenset({"leak", "leak_worst", "loss", "loss_worst"})

Watch = Callable[["Clip", Callable[[], None]], "Watched"]


def check_machine(name: str | None) -> None:
    """Raises ConfigError if there is no machine of that name."""
    from streamer.evaluation.live import MACHINES

    if name is not None and name not in (*MACHINES, THIS):
        known = ", ".join((*MACHINES, THIS))
        raise ConfigError(f"--machine: {name!r}: no such machine: choose from {known}")


def watch_configurations(
    configurations: Sequence[tuple[str, Config]],
    clips: Sequence[Clip],
    machine: str | None,
    out: Path,
) -> dict[str, Any]:
    """
    Play *clips* live to each configuration, print what was seen, and draw it into *out*.

    Args:
        configurations: names and configurations; nothing is read from sources or sent to sinks.
        clips: what is played.
        machine: the machine to simulate; None: the real pipeline on this machine.
        out: a folder.

    Returns:
        What goes into `eval.json`.
    """
    from streamer.evaluation import rounded
    from streamer.evaluation.live import average

    rows: list[tuple[str, str, Figures]] = []
    seen: dict[str, dict[str, Watched]] = {}
    report = []
    for name, config in configurations:
        with _watching(name, config, machine) as (watch, facts):
            for clip in clips:
                with counting(f"{name}: {clip.name}", clip.frames) as advance:
                    seen.setdefault(clip.name, {})[name] = watch(clip, advance)
            found = {clip.name: seen[clip.name][name] for clip in clips}
            report.append(
                {
                    "name": name,
                    **facts(),
                    "average": {
                        kind: rounded(average(found[clip] for clip in names))
                        for kind, names in _kinds(clips).items()
                    },
                    "clips": {clip: watched.as_json() for clip, watched in found.items()},
                }
            )
        rows += [(clip, name, watched.figures()) for clip, watched in found.items()]
        rows += [
            (f"average, {kind}", name, average(found[clip] for clip in names))
            for kind, names in _kinds(clips).items()
        ]
    for clip_name, by_name in seen.items():
        _draw(out, clip_name, by_name)
    _table(rows)
    return {"live": machine or "real", "configurations": report}


def _kinds(clips: Sequence[Clip]) -> dict[str, list[str]]:
    """Names of *clips* by their kind."""
    kinds: dict[str, list[str]] = {}
    for clip in clips:
        kinds.setdefault(clip.kind, []).append(clip.name)
    return kinds


def _as_on(machine: Machine, config: Config) -> Config:
    """*config* with the mode that `auto` would choose on *machine*."""
    from streamer.evaluation.live.machines import FULL_SIDE
    from streamer.loading import rate_of
    from streamer.matting import keeps_up
    from streamer.models import is_recurrent

    if is_recurrent(config.model.name):
        return config
    load = machine.inference([config.model.input_size or FULL_SIDE])
    fast = keeps_up(load.seconds / load.threads, 1 / rate_of(config.source))
    mode = "every_frame" if fast else "tracked"
    return config.model_copy(update={"matting": config.matting.model_copy(update={"mode": mode})})


@contextmanager
def _watching(
    name: str, config: Config, machine: str | None
) -> Iterator[tuple[Watch, Callable[[], dict[str, Any]]]]:
    """A function that plays a clip to *config*, and one that returns facts about it afterwards."""
    from dataclasses import asdict

    from streamer.evaluation.live import MACHINES, Judge, Queues, Simulation, VirtualAsking
    from streamer.evaluation.live.calibrating import calibrate
    from streamer.evaluation.live.watching import watch
    from streamer.loading import load_matting

    if machine is None:
        with Downloads() as downloads:
            yield lambda clip, advance: watch(clip, config, downloads, advance), dict
        return
    asking = VirtualAsking()
    if config.matting.mode == "auto" and machine in MACHINES:
        config = _as_on(MACHINES[machine], config)
    with Downloads() as downloads:
        matting, fallback = load_matting(
            config, downloads, live=True, through=asking.through, asking=asking
        )
    if fallback:
        say(f"note: {name}: not the first choice of model: {fallback}")
    try:
        matting.warm_up()
        chosen = MACHINES.get(machine) or calibrate(asking.segmenter)
        queues = Queues(config.pipeline.ring_capacity, config.pipeline.sink_queue)
        epochs = count()
        simulation = Simulation(matting, asking, chosen, queues)

        def play(clip: Clip, advance: Callable[[], None]) -> Watched:
            judge = Judge(clip, advance)
            simulation.play(judge, next(epochs))
            return judge.close()

        yield (
            play,
            lambda: {
                "machine": asdict(chosen),
                "model": None if matting.info is None else asdict(matting.info),
                "matting": matting.statistics(),
            },
        )
    finally:
        matting.close()


def _table(rows: Sequence[tuple[str, str, Figures]]) -> None:
    print_table(
        ["clip", "configuration", *_HEADINGS.values()],
        (
            [clip, name, *(_number(key, figures[key]) for key in _HEADINGS)]
            for clip, name, figures in rows
        ),
    )


def _number(key: str, value: float | None) -> str:
    from streamer.evaluation.live import COUNTS

    if value is None:
        return "-"
    if key in COUNTS:
        return f"{value:.0f}"
    if key in _SHARES:
        return f"{100 * value:.2f}"
    return f"{value:.1f}"


def _draw(out: Path, clip: str, by_name: dict[str, Watched]) -> None:
    from streamer.evaluation.plots import chart, worst_sheet
    from streamer.sinks.shared.picture import write_picture

    lines = {name: watched.by_frame(watched.mad) for name, watched in by_name.items()}
    write_picture(out / f"{clip}-error.png", chart(f"{clip}: MAD e3 by frame, live", lines))
    for name, watched in by_name.items():
        if watched.worst:
            write_picture(out / f"{clip}-worst-{name}.png", worst_sheet(watched.worst))
