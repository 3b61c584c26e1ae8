"""
Where optimised graphs are kept, and which of them may be used.

`optimized/<model>-<key>-<when>/` in our cache holds `fp32.onnx`, `int8.onnx` and `proof.json`. The
key depends on the model's hash, its input and output, the recipe of optimising and onnxruntime's
version. It can be computed without the packages for optimising. A folder appears complete, under
its final name, or not at all; the newest counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime as ort
from filelock import FileLock, Timeout

from streamer.errors import ModelCorrupt, ModelFetchError
from streamer.models.store.cache import cache_folder, make_folder, sha256_of, write_error
from streamer.models.store.registry import Contract

RECIPE = 2
"""Raised when the same model would be optimised differently; older artefacts are then not used."""

Kind = Literal["fp32", "int8"]
KINDS: tuple[Kind, ...] = ("fp32", "int8")

_PROBE = bytes.fromhex(
    "080812003a5c0a180a01610a0162120163220d4d61744d756c496e74656765721201735a130a0161120e0a0c0802"
    "12080a0208020a0208405a130a0162120e0a0c080312080a0208400a02080262130a0163120e0a0c080612080a02"
    "08020a02080242040a00100d"
)
"""A model of one MatMulInteger node, opset 13: a, uint8 [2, 64], by b, int8 [64, 2]."""

_PROOF = "proof.json"
_UNFINISHED = ".unfinished-"
_REFUSED = ".refused"

logger = logging.getLogger("streamer.models")


@dataclass(frozen=True, slots=True)
class Artefact:
    """An optimised model on this disk, with a proof of how good it is."""

    folder: Path
    proof: Mapping[str, Any]
    """What `proof.json` holds."""

    @property
    def size_multiple(self) -> int | None:
        """The input's height and width may be any multiple of this; None: they are fixed."""
        multiple: int | None = self.proof["size_multiple"]
        return multiple

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input that the model was made for, or was optimised at."""
        height, width = self.proof["input_size"]
        return height, width

    def path(self, kind: Kind) -> Path:
        """Path of its graph of that kind."""
        return self.folder / f"{kind}.onnx"

    def sha256(self, kind: Kind) -> str:
        """Hash of that graph when it was proved."""
        digest: str = self.proof["files"][kind]["sha256"]
        return digest

    def described(self, kind: Kind) -> str:
        """One line for a log on the graph that is taken."""
        if kind == "fp32":
            return f"takes {self.path(kind)}"
        proved = self.proof["comparisons"][0]
        return (
            f"takes {self.path(kind)}, {proved['speed_up']:.1f} times as fast as fp32 when it was "
            f"proved, with a mean difference of {proved['mad']:.4f}"
        )

    def verified(self, kind: Kind, asked_as: str | None = None) -> Path:
        """
        `path`, once its hash is checked.

        Raises ModelCorrupt if the hash differs or the file is gone. The message names the command
        for the model *asked_as*, or by the name it had when this was made.
        """
        path = self.path(kind)
        if not path.is_file() or sha256_of(path) != self.sha256(kind):
            name = self.proof["model"]["name"]
            raise ModelCorrupt(
                f"{path}: is damaged: "
                f"`{command(asked_as or self.proof['model']['asked_as'])} --force` "
                f"makes {name} again"
            )
        return path


def command(name: str) -> str:
    """The command that optimises the model called *name*."""
    return f"streamer models optimize {shlex.quote(name)}"


@functools.cache
def saturates() -> bool:
    """
    Whether this CPU's sums of products of full-range unsigned and signed bytes overflow.

    x86 without VNNI adds pairs in 16 bits (Intel's `VPMADDUBSW`). Weights must then be limited to
    7 bits.
    """
    session = ort.InferenceSession(_PROBE, providers=["CPUExecutionProvider"])
    most = {"a": np.full((2, 64), 255, np.uint8), "b": np.full((64, 2), 127, np.int8)}
    return bool(session.run(None, most)[0][0, 0] != 64 * 255 * 127)


def key_of(sha256: str, contract: Contract) -> str:
    """The key of artefacts made here from a model with that hash, under that contract."""
    version = ".".join(ort.__version__.split(".")[:2])
    parts = (sha256, contract.input, contract.output, RECIPE, version)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def find(key: str) -> Artefact | None:
    """The newest artefact of that *key*, or None. Quick: does not read the graphs."""
    for folder in reversed(_folders(key)):
        try:
            proof = json.loads((folder / _PROOF).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        artefact = Artefact(folder, proof)
        if not proof["reduced_range"] and saturates():
            logger.info("%s: is for CPUs with VNNI, unlike this one", folder)
            continue
        if all(_has(artefact.path(kind), proof["files"][kind]["bytes"]) for kind in KINDS):
            return artefact
        logger.warning("%s: is incomplete and not used", folder)
    return None


@contextlib.contextmanager
def alone(key: str, name: str) -> Iterator[None]:
    """
    Be the only process that makes the artefact of *key*; others wait, which is logged.

    Raises ModelFetchError if the cache cannot be written.
    """
    folder = make_folder(cache_folder() / "locks")
    lock = FileLock(folder / f"optimized-{key}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.warning("%s: waiting for another process that is optimising it", name)
            lock.acquire()
    except OSError as error:
        raise write_error(error, folder) from error
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def workshop(key: str) -> Iterator[Path]:
    """
    A folder to make an artefact in, removed afterwards unless `publish` took it.

    Also removes what a killed process left for the same *key*. Hold `alone`.
    """
    root = make_folder(_root())
    for left in root.glob(f"{_UNFINISHED}{key}-*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{key}-", dir=root))
    except OSError as error:
        raise write_error(error, root) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, key: str, name: str, proof: Mapping[str, Any]) -> Artefact:
    """
    Move the finished *folder* to its final name, and remove its predecessors. Hold `alone`.

    Args:
        folder: from `workshop`, with both graphs.
        key: from `key_of`.
        name: the model's, for the folder's name.
        proof: written to it, together with the graphs' sizes and hashes.
    """
    files = {
        kind: {
            "sha256": sha256_of(folder / f"{kind}.onnx"),
            "bytes": (folder / f"{kind}.onnx").stat().st_size,
        }
        for kind in KINDS
    }
    text = json.dumps({**proof, "files": files}, indent=2) + "\n"
    before = _folders(key)
    when = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    place = folder.parent / f"{name}-{key}-{when}"
    try:
        (folder / _PROOF).write_text(text, encoding="utf-8")
        folder.rename(place)
    except OSError as error:
        raise write_error(error, folder.parent) from error
    for old in before:
        shutil.rmtree(old, ignore_errors=True)
    (folder.parent / f"{key}{_REFUSED}").unlink(missing_ok=True)
    return Artefact(place, json.loads(text))


def refusal(key: str) -> str | None:
    """Why no artefact of *key* could be made, or None."""
    try:
        return (_root() / f"{key}{_REFUSED}").read_text(encoding="utf-8").strip() or None
    except (ModelFetchError, OSError, ValueError):
        return None


def note_refusal(key: str, reason: str) -> None:
    """Keep *reason* for `refusal`, if the cache can be written."""
    with contextlib.suppress(ModelFetchError, OSError):
        (make_folder(_root()) / f"{key}{_REFUSED}").write_text(reason + "\n", encoding="utf-8")


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except OSError:
        return False


def _root() -> Path:
    return cache_folder() / "optimized"


def _folders(key: str) -> list[Path]:
    """The finished artefacts of *key*, oldest first."""
    try:
        found = [folder for folder in _root().glob(f"*-{key}-*") if folder.is_dir()]
    except (ModelFetchError, OSError):  # no home, or another user's
        return []
    return sorted(
        (folder for folder in found if not folder.name.startswith(_UNFINISHED)),
        key=lambda folder: folder.name.rpartition("-")[2],
    )
