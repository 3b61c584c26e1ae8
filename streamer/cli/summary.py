"""The run report: as lines of text for people, and as a JSON file for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamer.core.writing import write_whole
from streamer.errors import StreamerError, redact


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The main figures of a report, of one stream or several, as lines of text."""
    if "streams" in report:
        for name, stream in report["streams"].items():
            yield _line(name, _stream(stream))
        if report.get("rss_peak_mb"):
            yield _line("memory", f"{report['rss_peak_mb']:.0f} MB at most")
        return
    frames = report.get("frames") or {}
    yield _line(
        "frames",
        f"{frames.get('emitted', 0)} of {frames.get('captured', 0)} captured; "
        f"{frames.get('inferred', 0)} inferred, {frames.get('propagated', 0)} propagated, "
        f"{frames.get('empty', 0)} empty",
    )
    matting = report.get("matting") or {}
    if chosen := matting.get("chosen"):
        yield _line("matting", f"{matting.get('mode')}: {chosen}")
    if key_frames := matting.get("key_frames"):
        yield _line("key frames", f"{key_frames}, which the model looked at")
    drops = {reason: n for reason, n in (report.get("drops") or {}).items() if n}
    yield _line("dropped", ", ".join(f"{n} {reason}" for reason, n in drops.items()) or "none")
    rate, wall = report.get("fps"), report.get("wall_s")
    yield _line("rate", f"{rate or 0:.2f} fps over {wall or 0:.1f} s")
    if report.get("reconnects"):
        yield _line("reconnects", str(report["reconnects"]))
    if frames.get("standby"):
        away_s = (report.get("source") or {}).get("away_s") or 0
        yield _line("stand-by", f"{frames['standby']} pictures; source away {away_s:.1f} s")
    yield from _latency(report.get("latency_ms") or {})
    yield from _model(report.get("model") or {})
    if report.get("rss_peak_mb"):
        yield _line("memory", f"{report['rss_peak_mb']:.0f} MB at most")
    for sink in report.get("sinks") or ():
        yield _line("sink", _sink(sink))


def _stream(stream: Mapping[str, Any]) -> str:
    """One of several streams in a line; missing fields are left out."""
    frames = stream.get("frames") or {}
    parts = [str(stream.get("state"))]
    if frames:
        dropped = sum((stream.get("drops") or {}).values())
        parts.append(f"{frames.get('emitted', 0)} of {frames.get('captured', 0)} frames")
        parts.append(f"{dropped} dropped, {stream.get('fps') or 0:.2f} fps")
    late = ((stream.get("latency_ms") or {}).get("end_to_end") or {}).get("p95")
    if late is not None:
        parts.append(f"p95 {late:.1f} ms")
    often = ("restarts", "reconnects")
    parts += [f"{stream[key]} {key}" for key in often if stream.get(key)]
    if stream.get("error"):
        parts.append(str(stream["error"]))
    return "; ".join(parts)


def _latency(stages: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    timed = {name: stage for name, stage in stages.items() if stage.get("p50") is not None}
    if not timed:
        return
    width = max(map(len, timed))
    yield _line("latency", f"{'':{width}}  {'p50':>9}  {'p95':>9}")
    for name, stage in timed.items():
        yield _line("", f"{name:{width}}  {_ms(stage.get('p50'))}  {_ms(stage.get('p95'))}")


def _ms(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:6.1f} ms"


def _model(model: Mapping[str, Any]) -> Iterator[str]:
    if not model:
        return
    details = [str(model.get("precision") or ""), ", ".join(model.get("providers") or ())]
    if model.get("threads"):
        details.append(f"{model['threads']} threads")
    yield _line("model", "; ".join([str(model.get("name")), *filter(None, details)]))
    if model.get("fallback"):
        yield _line("NOTE", f"not the first choice of model: {model['fallback']}")


def _sink(sink: Mapping[str, Any]) -> str:
    path = sink.get("path") or sink.get("folder") or sink.get("paths")
    if isinstance(path, list):
        path = ", ".join(map(str, path))
    details = [
        f"{key} {value}"
        for key, value in sink.items()
        if key not in ("type", "name", "path", "folder", "paths")
        and isinstance(value, int | float | str)
        and not isinstance(value, bool)
    ]
    return " ".join(filter(None, [str(sink.get("type", "")), str(path or ""), ", ".join(details)]))


def _line(label: str, text: str) -> str:
    return redact(f"{label:<10}  {text}")


def prepare_folder(path: Path) -> None:
    """Make the folder for the file *path*. Raises StreamerError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StreamerError(
            f"{path}: its folder cannot be made ({error.strerror}): choose another place"
        ) from None
    if path.is_dir():
        raise StreamerError(f"{path}: is a folder: name a file in it")


def write_report(path: Path, report: Mapping[str, Any]) -> None:
    """Write *report* as JSON to *path*, all or nothing. Raises StreamerError."""
    text = redact(json.dumps(report, indent=2, ensure_ascii=False, default=str)) + "\n"
    try:
        # A file's name may have bytes that are no valid text: they become JSON escapes.
        write_whole(path, text.encode(errors="backslashreplace"), sync=True)
    except OSError as error:
        raise StreamerError(
            f"{path}: the report cannot be written ({error.strerror}): choose another place"
        ) from None
