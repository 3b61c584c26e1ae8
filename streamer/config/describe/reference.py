"""The reference: one Markdown page of all options, made from the models and their docstrings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import get_args

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from streamer.config.box import BoxConfig
from streamer.config.changing import WAYS, Way
from streamer.config.data import Data, models_in
from streamer.config.describe.examples import EXAMPLES
from streamer.config.describe.wording import described_values
from streamer.config.fleet import Fleet
from streamer.config.models import Config

_BEGINNING = """\
# Configuration

All options, as `streamer config reference` prints them.

A configuration is a YAML file. `streamer config init` writes one to start from, `streamer config
check FILE` says what is wrong in it, and `--set key=value` replaces a value for once, as in
`--set source.fps=15` or `--set sinks.0.path=out.mp4`. `${NAME}` in a value is filled in from the
environment, `${NAME:-default}` with a default, which may be another variable with its own, as in
`${A:-${B:-x}}`, and `$${` is a plain `${`. Relative paths are relative to the folder that the
command is run in.

Keys of the whole file that begin with `x-` are ignored: they are a place for YAML's anchors, which
`*name` and `<<: *name` repeat. A file has 256 KiB, 10000 values (each alias counts as all that it
stands for) and 50 levels at most.

Editors complete the keys and show what they mean, with the schema that `streamer config schema`
prints: write it to `streamer.schema.json`, and begin the YAML file with
`# yaml-language-server: $schema=streamer.schema.json`.
"""


_SEVERAL = """\
A file may have several streams, by name, below `streams`, and below `defaults` the sections that
they have unless they say otherwise ([streams.md](streams.md)). These keys are of the whole process;
a file of one stream may have them too.
"""


_CHANGING = """\
## What can change while a stream runs

By the keys of the window, or by `Pipeline.apply` from Python ([preview.md](preview.md)). A key that
is not listed has the way of the longest listed one that it is below.
"""
_MEANINGS: dict[Way, str] = {
    "next frame": "The next frame has it. With `preprocess.output: cropped` the region is fixed.",
    "source": "A camera or RTSP stream is reopened; a file takes `loop` and a folder `order`, "
    "`seed` and `loop` as they go on; other sources, and their other options, need a restart.",
    "matting": "Model and matting are loaded again while the present ones go on.",
    "sinks": "Those that differ are ended and made anew; the others go on, as do their viewers. A "
    "window is fixed, and sinks do not change together with model or matting.",
    "restart": "Fixed while the stream runs.",
}


def reference() -> str:
    """The page, in Markdown, with a newline at its end."""
    parts = [_BEGINNING, *_changing(), *_section("A whole file", Config, ())]
    for name, field in Config.model_fields.items():
        parts += _value(name, field, level=2)
    parts += _several()
    return "\n".join(parts)


def _several() -> Iterator[str]:
    """What a file of several streams has besides."""
    yield _heading("Several streams", 2)
    yield _SEVERAL
    fields = {**Fleet.model_fields, **BoxConfig.model_fields}
    del fields["streams"]
    yield _options("", fields)
    for name, field in fields.items():
        yield from _value(name, field, level=2)


def _changing() -> Iterator[str]:
    """How each option can be changed while a stream runs."""
    yield _CHANGING
    rows = []
    for way, meaning in _MEANINGS.items():
        keys = ", ".join(f"`{key}`" for key, its_way in WAYS.items() if its_way == way)
        rows.append((keys, meaning))
    yield _table(("keys", "how"), rows)


def _value(path: str, field: FieldInfo, level: int) -> Iterator[str]:
    """The sections for the value of the option at *path*, if it has options itself."""
    models = models_in(field.annotation)
    if len(models) == 1:
        yield from _section(path, models[0], (), level)
    elif models:
        yield from _kinds(path, field, models, level)


def _kinds(
    path: str, field: FieldInfo, models: Sequence[type[BaseModel]], level: int
) -> Iterator[str]:
    """An overview of the models to choose from by their `type`, then a section for each."""
    yield _heading(path, level)
    yield _one_line(field.description or "") + "\n"
    yield _table(
        ("type", ""),
        [(_link(f"{path}: {_kind(model)}", _kind(model)), _about(model)) for model in models],
    )
    parent = models[0].__base__
    shared: dict[str, FieldInfo] = {}
    if parent is not None and issubclass(parent, Data) and parent is not Data:
        shared = {name: field for name, field in parent.model_fields.items() if name != "type"}
    if shared:
        yield "Every one of them takes these, and what stands under its own heading:\n"
        yield _options(path, shared)
    told: set[type[BaseModel]] = set()
    for model in models:
        same = [name for name, field in shared.items() if _same(field, model, name)]
        yield from _section(f"{path}: {_kind(model)}", model, same, level + 1, told)


def _section(
    heading: str,
    model: type[BaseModel],
    left_out: Sequence[str],
    level: int = 2,
    told: set[type[BaseModel]] | None = None,
) -> Iterator[str]:
    """
    Describe *model*, its options except *left_out*, an example; then a section for each part.

    *told* collects the models that have had a section, so that none gets a second.
    """
    yield _heading(heading, level)
    yield _about(model) + "\n"
    path = heading.partition(":")[0]
    fields = {name: f for name, f in model.model_fields.items() if name not in (*left_out, "type")}
    if fields:
        yield _options("" if model is Config else path, fields)
    if heading in EXAMPLES:
        yield f"```yaml\n{EXAMPLES[heading]}```\n"
    if model is Config:
        return
    for name, field in fields.items():
        if told is not None:
            if told.issuperset(models_in(field.annotation)):
                continue
            told.update(models_in(field.annotation))
        yield from _value(f"{path}.{name}", field, 3)


def _options(path: str, fields: dict[str, FieldInfo]) -> str:
    """A table of *fields*, the options of the part at *path*."""
    rows = []
    for name, field in fields.items():
        models = models_in(field.annotation)
        at = f"{path}.{name}" if path else name
        about = field.description or _about(models[0])
        values = described_values(field)
        shown = _link(at, name) if models else f"`{name}`"
        rows.append((shown, values, _default(field), _one_line(about)))
    return _table(("option", "values", "default", "what it is"), rows)


def _default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    if default is PydanticUndefined:
        return "required"
    if default is None:
        return "absent"
    if isinstance(default, BaseModel):
        if default == type(default).model_construct() and not _kind(type(default)):
            return "as below"
        default = default.model_dump()
    if isinstance(default, tuple):
        default = list(default)
    text = yaml.safe_dump(default, default_flow_style=True, sort_keys=False, allow_unicode=True)
    return f"`{text.partition(chr(10))[0]}`"


def _same(one: FieldInfo, model: type[BaseModel], name: str) -> bool:
    """Whether *model* has the option *name* as *one* is."""
    other = model.model_fields[name]
    return (one.default, one.annotation) == (other.default, other.annotation)


def _kind(model: type[BaseModel]) -> str:
    """The `type` that means *model*; empty where it needs none."""
    field = model.model_fields.get("type")
    return "" if field is None else str(get_args(field.annotation)[0])


def _about(model: type[BaseModel]) -> str:
    return _one_line(model.__doc__ or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _heading(text: str, level: int) -> str:
    return f"{'#' * level} {text}\n"


def _link(heading: str, shown: str) -> str:
    """A link to *heading*, whose anchor is as GitHub makes it."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    return f"[`{shown}`](#{anchor})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    escaped = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in escaped)
