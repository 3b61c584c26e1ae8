"""`streamer bench`: what a configuration costs, and how two of them compare."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.failures import say
from streamer.cli.run import Overrides

if TYPE_CHECKING:
    from streamer.cli.measuring import Figures

_VERSION = 1
"""Version of the JSON file: raised when a field changes its meaning or is removed."""


def bench(
    context: typer.Context,
    configuration: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="A YAML file: `streamer config init`.")
    ],
    overrides: Overrides = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=86_400, help="Stop then, or when the source ends before.")
    ] = 30.0,
    compare: Annotated[
        Path | None, typer.Option(metavar="OTHER.yaml", help="Run it in turns with CONFIG.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="How many turns of --compare.")] = 3,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")
    ] = None,
) -> None:
    """
    Run a configuration with its sinks and print what it costs: rate, latency, CPU, memory.

    With --compare, each run has a process of its own, and the ratios compare medians.

    Example: streamer bench config/headless.yaml --seconds 20 --compare tracked.yaml
    """
    from streamer.cli.measuring import measure
    from streamer.cli.summary import prepare_folder, write_report
    from streamer.config import load_config

    paths = [configuration] if compare is None else [configuration, compare]
    configs = [load_config(path, overrides or ()) for path in paths]
    if json_file is not None:
        prepare_folder(json_file)
    if compare is None:
        runs = [[measure(configs[0], context.obj, seconds)]]
    else:
        runs = _in_turns(paths, overrides or (), seconds, rounds)
    if json_file is not None:
        write_report(json_file, _as_json(paths, runs))
    if compare is None:
        for line in lines(runs[0][0]):
            typer.echo(line)
    else:
        print_comparison([str(path) for path in paths], runs)
    if json_file is not None:
        typer.echo(f"{'figures':<10}  {json_file}")


def lines(figures: Figures) -> Iterator[str]:
    """The figures of one run, as lines of text."""
    from streamer.cli.summary import summary_lines

    yield from summary_lines(figures["report"])
    yield f"{'cpu':<10}  {figures['cpu_ms']:.2f} ms a frame; {figures['cores']:.2f} cores in use"
    by_thread = figures["cpu_by_thread_ms"]
    for name, cpu_ms in by_thread.items():
        if cpu_ms >= 0.01:
            yield f"{'':<10}  {name:{max(map(len, by_thread))}}  {cpu_ms:9.2f} ms"


def print_comparison(names: Sequence[str], runs: Sequence[Sequence[Figures]]) -> None:
    """A table of the medians of two configurations' runs, and their ratios."""
    from streamer.cli.tables import print_table

    first, second = map(median, runs)
    rows = [
        (
            label,
            *("-" if value is None else f"{value:,.2f}" for value in (ours, theirs)),
            "-" if not ours or theirs is None else f"{theirs / ours:.3f}",
        )
        for (label, ours), (_, theirs) in zip(_rows(first), _rows(second), strict=True)
    ]
    print_table(("median of runs", *names, "second / first"), rows)


def _rows(figures: Figures) -> Iterator[tuple[str, float | None]]:
    """Label and value of each figure that is compared; None if it is not known."""
    yield "frames/s", figures["frames_per_s"]
    yield "CPU ms a frame", figures["cpu_ms"]
    yield "cores in use", figures["cores"]
    for stage in ("infer", "end_to_end"):
        for share in ("p50", "p95", "p99"):
            yield f"{stage} {share}, ms", figures["latency_ms"].get(stage, {}).get(share)
    yield "memory at most, MB", figures["rss_peak_mb"]
    yield "frames dropped", sum(figures["report"]["drops"].values())


def median(runs: Sequence[Any]) -> Any:
    """The median of numbers; of objects, that of each field; else the first. Skips None."""
    known = [run for run in runs if run is not None]
    if not known:
        return None
    if isinstance(known[0], dict):
        fields = dict.fromkeys(field for run in known for field in run)
        return {field: median([run[field] for run in known if field in run]) for field in fields}
    if isinstance(known[0], int | float) and not isinstance(known[0], bool):
        return statistics.median(known)
    return known[0]


def _in_turns(
    paths: Sequence[Path], overrides: Sequence[str], seconds: float, rounds: int
) -> list[list[Figures]]:
    """The figures of each configuration's runs; they take turns, each in its own process."""
    runs: list[list[Figures]] = [[] for _ in paths]
    with TemporaryDirectory(prefix="streamer-bench-") as folder:
        out = Path(folder) / "figures.json"
        for number in range(1, rounds + 1):
            for path, figures in zip(paths, runs, strict=True):
                say(f"round {number} of {rounds}: {path}")
                command = [sys.executable, "-m", "streamer", "bench", str(path)]
                command += ["--seconds", str(seconds), "--json", str(out)]
                command += [part for override in overrides for part in ("--set", override)]
                # In a session of its own, the process gets no Ctrl-C; we pass it on, once.
                with subprocess.Popen(
                    command, stdout=subprocess.DEVNULL, start_new_session=True
                ) as process:
                    try:
                        code = process.wait()
                    except BaseException:
                        process.terminate()
                        raise
                if code:
                    raise typer.Exit(code if code > 0 else 1)
                figures.append(json.loads(out.read_text("utf-8"))["configs"][0]["runs"][0])
    return runs


def _as_json(paths: Sequence[Path], runs: Sequence[Sequence[Figures]]) -> dict[str, Any]:
    from streamer.core.cores import core_count

    medians = [median(of_one) for of_one in runs]
    ratios = None
    if len(runs) == 2:
        ratios = {
            label: theirs / ours
            for (label, ours), (_, theirs) in zip(*map(_rows, medians), strict=True)
            if ours and theirs is not None
        }
    return {
        "version": _VERSION,
        "machine": {"cores": core_count(), "platform": platform.platform()},
        "configs": [
            {"config": str(path), "runs": list(of_one), "median": _without_report(middle)}
            for path, of_one, middle in zip(paths, runs, medians, strict=True)
        ],
        "ratios": ratios,
    }


def _without_report(figures: Figures) -> Figures:
    return {name: value for name, value in figures.items() if name != "report"}
