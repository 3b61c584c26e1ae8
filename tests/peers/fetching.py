"""
A process that fetches one model: the Hub's client reads its settings once, when it is imported.

Run with a JSON request as its argument; prints a JSON outcome as its last line.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from streamer.models.store.registry import Contract, HubSource, ModelEntry, ModelFile, NpmSource


@dataclass(frozen=True)
class Outcome:
    """What came of a fetch in a process of its own."""

    path: Path | None
    error: str | None
    """`Class: message`."""
    progress: list[tuple[int, int | None, str]]
    log: str
    """Lines of `streamer.models`."""
    printed: str
    """All that the process wrote besides; empty unless something prints that must not."""
    seconds: float
    """The call's own time, without the process's start."""


def entry(source: HubSource | NpmSource, path: str, size: int, sha256: str) -> ModelEntry:
    """A registered model of one fp32 file."""
    contract = Contract("input", "output", 1024, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), logits=False)
    file = ModelFile(path, size, sha256, source)
    return ModelEntry("testmodel", "a test", "MIT", "free for any use", contract, {"fp32": file})


class Fetch:
    """A fetch that has been started; `outcome` waits for it."""

    def __init__(self, model: ModelEntry, home: Path, max_file: int | None, **env: str) -> None:
        file = model.file("fp32")
        kind = "hub" if isinstance(file.source, HubSource) else "npm"
        request = {
            "kind": kind,
            "source": asdict(file.source),
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256,
            "max_file": max_file,
        }
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "HF_HOME": str(home / "hf"),
            "STREAMER_CACHE": str(home / "cache"),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
            "PYTHONDONTWRITEBYTECODE": "1",
            **env,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.fetching", json.dumps(request)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def kill(self) -> None:
        """End it at once, without an outcome."""
        self._process.kill()
        self._process.communicate()

    def outcome(self) -> Outcome:
        printed, _ = self._process.communicate(timeout=90)
        *others, last = printed.strip().split("\n")
        try:
            answer: dict[str, Any] = json.loads(last)
        except ValueError:
            raise AssertionError(f"the fetching process failed:\n{printed}") from None
        return Outcome(
            path=Path(answer["path"]) if answer["path"] else None,
            error=answer["error"],
            progress=[(done, total, label) for done, total, label in answer["progress"]],
            log="\n".join(answer["log"]),
            printed="\n".join(others),
            seconds=answer["seconds"],
        )


def fetch_alone(model: ModelEntry, home: Path, max_file: int | None = None, **env: str) -> Outcome:
    """Fetch in a process of its own with an environment of its own; *max_file* bytes at most."""
    return Fetch(model, home, max_file, **env).outcome()


def main() -> None:
    request = json.loads(sys.argv[1])
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    logging.getLogger("streamer.models").addHandler(Lines())
    logging.getLogger("streamer.models").setLevel(logging.INFO)
    if request["max_file"] is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (request["max_file"], request["max_file"]))

    from streamer.models.store.weights import fetch

    source: HubSource | NpmSource
    source = (HubSource if request["kind"] == "hub" else NpmSource)(**request["source"])
    model = entry(source, request["path"], request["size"], request["sha256"])
    progress: list[tuple[int, int | None, str]] = []
    path, error = None, None
    started = time.monotonic()
    try:
        path = str(fetch(model, "fp32", lambda *told: progress.append(told)))
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    seconds = time.monotonic() - started
    answer = {"path": path, "error": error, "progress": progress, "log": lines, "seconds": seconds}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
