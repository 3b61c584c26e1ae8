"""`streamer eval`: how good the mattes of a configuration are, compared with known truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamer.cli.failures import say
from streamer.cli.progress import Downloads, counting
from streamer.cli.run import Overrides
from streamer.cli.tables import print_table
from streamer.errors import ConfigError, SinkError

if TYPE_CHECKING:
    from streamer.config import Config
    from streamer.evaluation import Measured, Sample

_HEADINGS = {
    "mad": "MAD e3",
    "mse": "MSE e3",
    "grad": "Grad",
    "conn": "Conn",
    "dtssd": "dtSSD e2",
    "iou": "IoU",
    "boundary_f": "boundary F",
    "flicker": "flicker e3",
    "edge_lag_px": "edge lag px",
    "leak": "leak %",
    "loss": "loss %",
    "cpu_s": "CPU s/frame",
}
_AVERAGE = "average"


def evaluate(
    configurations: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[CONFIG...]", help="YAML files, to be compared."),
    ] = None,
    clips: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Clips by name; `normal` (usual), `safety`, `all` (both); `families`; `live` "
            "and `live_moving` (usual with --live).",
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, max=900, help="How many of each clip. [90, live: 240, families: 48]"),
    ] = None,
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the results.")] = Path(
        "out/eval"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of all that is random in the clips.")] = 0,
    size: Annotated[str, typer.Option(metavar="WxH", help="Of the clips.")] = "1280x720",
    prediction: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Compare these alphas instead: a folder or video."),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The true alphas of --prediction.")
    ] = None,
    live: Annotated[
        bool,
        typer.Option("--live", help="Play the clips at their pace; judge each frame when shown."),
    ] = False,
    machine: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Live: simulate `weak`, `laptop`, `desktop`, `gpu`, or one like `this`.",
        ),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="Show the clips.")] = False,
) -> None:
    """
    Measure a configuration's mattes on clips with known alpha, or alpha files against true ones.

    Examples: streamer eval config/webcam.yaml --clips moving,crossing --frames 30;
    streamer eval --prediction out/alpha --truth truth.mp4
    """
    if listing:
        _list()
    elif prediction is not None or truth is not None:
        if prediction is None or truth is None or configurations or live:
            raise ConfigError(
                "--prediction and --truth go together, and without configurations or --live"
            )
        _compare_files(prediction, truth, out)
    elif machine is not None and not live:
        raise ConfigError("--machine is for --live")
    elif not configurations:
        raise ConfigError("nothing to measure: name a configuration, or --prediction and --truth")
    else:
        _compare_configurations(
            configurations, overrides or (), clips, frames, size, seed, out, live=live,
            machine=machine,
        )  # fmt: skip


def _list() -> None:
    from streamer.evaluation import clip_catalogue

    print_table(("clip", "kind", "what it shows"), clip_catalogue())


def _compare_files(prediction: Path, truth: Path, out: Path) -> None:
    from streamer.evaluation import measure, pair

    found = measure(prediction.stem, pair(prediction, truth))
    _folder(out)
    _draw(out, "prediction", {"prediction": found})
    _write(
        out / "eval.json",
        {
            "version": 1,
            "prediction": str(prediction),
            "truth": str(truth),
            **found.as_json(),
        },
    )
    _table([(found.name, "", found.means())])
    typer.echo(f"\n{out / 'eval.json'}")


def _compare_configurations(
    paths: Sequence[Path],
    overrides: Sequence[str],
    clips: str | None,
    frames: int | None,
    size: str,
    seed: int,
    out: Path,
    *,
    live: bool,
    machine: str | None,
) -> None:
    from streamer.cli.live_evaluation import check_machine, watch_configurations
    from streamer.config import load_config
    from streamer.evaluation import (
        average,
        clip_catalogue,
        has_photographs,
        make_clip,
        rounded,
    )

    check_machine(machine)

    chosen = _chosen(clips or ("live,live_moving" if live else "normal"))
    width, height = _size(size)
    configurations = list(
        zip(_names(paths), [load_config(p, overrides) for p in paths], strict=True)
    )
    _folder(out)
    if not has_photographs():
        say("note: clips are drawn: with `pip install scikit-image` they are of photographs")
    results: dict[str, dict[str, Measured]] = {}
    report: dict[str, Any] = {
        "version": 1,
        "pictures": "photographs" if has_photographs() else "drawn",
        "width": width,
        "height": height,
        "seed": seed,
        "configurations": [],
    }
    if live:
        made = [
            make_clip(name, width=width, height=height, frames=frames, seed=seed) for name in chosen
        ]
        _write(out / "eval.json", report | watch_configurations(configurations, made, machine, out))
        typer.echo(f"\n{out / 'eval.json'}, and plots beside it")
        return
    for name, config in configurations:
        info = _measure(name, config, chosen, (width, height, seed), frames, results)
        found = {clip: by_name[name] for clip, by_name in results.items()}
        report["configurations"].append(
            {
                "name": name,
                **info,
                "average": rounded(average(found.values())),
                "clips": {clip: measured.as_json() for clip, measured in found.items()},
            }
        )
    for clip, by_name in results.items():
        _draw(out, clip, by_name)
    _write(out / "eval.json", report)
    kinds = {clip: kind for clip, kind, _ in clip_catalogue()}
    rows = [
        (clip, name, measured.means())
        for clip, by_name in results.items()
        for name, measured in by_name.items()
    ]
    for kind in dict.fromkeys(kinds.values()):
        several = [clip for clip in results if kinds[clip] == kind]
        if len(several) > 1:
            rows += [
                (f"{_AVERAGE}, {kind}", name, average(results[clip][name] for clip in several))
                for name, _ in configurations
            ]
    _table(rows)
    typer.echo(f"\n{out / 'eval.json'}, and plots beside it")


def _measure(
    name: str,
    config: Config,
    clips: Sequence[str],
    scene: tuple[int, int, int],
    frames: int | None,
    results: dict[str, dict[str, Measured]],
) -> dict[str, Any]:
    """Run one configuration over all clips; adds to *results*, by clip and then by *name*."""
    from dataclasses import asdict

    from streamer.evaluation import evaluate, make_clip
    from streamer.loading import load_matting

    width, height, seed = scene
    with Downloads() as downloads:
        matting, fallback = load_matting(config, downloads)
    if fallback:
        say(f"note: {name}: not the first choice of model: {fallback}")
    try:
        matting.warm_up()
        for epoch, clip_name in enumerate(clips):
            clip = make_clip(clip_name, width=width, height=height, frames=frames, seed=seed)
            with counting(f"{name}: {clip_name}", clip.frames) as advance:
                found = evaluate(clip, matting, epoch=epoch, advance=advance)
            results.setdefault(clip_name, {})[name] = found
        model = None if matting.info is None else asdict(matting.info)
        return {"model": model, "matting": matting.statistics()}
    finally:
        matting.close()


def _chosen(text: str) -> list[str]:
    from streamer.evaluation import clip_names

    chosen: dict[str, None] = {}
    for word in text.split(","):
        match word.strip():
            case "all":
                chosen.update(dict.fromkeys(clip_names("normal", "safety")))
            case "normal" | "safety" | "live" | "live_moving" | "families" as kind:
                chosen.update(dict.fromkeys(clip_names(kind)))
            case name if name in clip_names():
                chosen[name] = None
            case name:
                raise ConfigError(f"--clips: {name!r}: no such clip: see `streamer eval --list`")
    return list(chosen)


def _size(text: str) -> tuple[int, int]:
    from streamer.evaluation import check_size

    width, _, height = text.partition("x")
    if not (width.isascii() and width.isdigit() and height.isascii() and height.isdigit()):
        raise ConfigError(f"--size: {text!r} is not a size: write 1280x720")
    check_size(int(width), int(height))
    return int(width), int(height)


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for each configuration in tables: its file's stem, numbered if it occurs again."""
    names: list[str] = []
    for path in paths:
        number, name = 1, path.stem
        while name in names:
            number += 1
            name = f"{path.stem}-{number}"
        names.append(name)
    return names


def _table(rows: Sequence[tuple[str, str, dict[str, float | None]]]) -> None:
    columns = [key for key in _HEADINGS if any(figures[key] is not None for *_, figures in rows)]
    named = any(name for _, name, _ in rows)
    print_table(
        ["clip", *(["configuration"] if named else []), *(_HEADINGS[key] for key in columns)],
        (
            [clip, *([name] if named else []), *(_number(key, figures[key]) for key in columns)]
            for clip, name, figures in rows
        ),
    )


def _number(key: str, value: float | None) -> str:
    if value is not None and key in ("leak", "loss"):
        value *= 100
    return "-" if value is None else f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"


def _draw(out: Path, clip: str, by_name: dict[str, Measured]) -> None:
    from streamer.evaluation.plots import chart, worst_sheet
    from streamer.sinks.shared.picture import write_picture

    lines = {name: measured.frames["mad"] for name, measured in by_name.items()}
    write_picture(out / f"{clip}-error.png", chart(f"{clip}: MAD e3 by frame", lines))
    for name, measured in by_name.items():
        worst: list[Sample] = measured.worst
        write_picture(out / f"{clip}-worst-{name}.png", worst_sheet(worst))


def _folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"--out {out}: cannot be made ({error.strerror}): choose another") from None


def _write(path: Path, report: dict[str, Any]) -> None:
    try:
        path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from None
