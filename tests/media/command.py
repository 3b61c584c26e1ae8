"""The command `streamer` as a process of its own, and what its recordings hold."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 60
"""How long a test waits before it says that the command hangs."""

_UNSET = (
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CACHE_HOME",
    "STREAMER_CACHE",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    """From its start, or from the signal it was sent."""

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


class Running:
    """A command that runs; for `start`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._since = time.monotonic()

    def send(self, signum: int) -> None:
        self.process.send_signal(signum)
        self._since = time.monotonic()

    def wait(self, limit_s: float = PATIENCE_S) -> Ended:
        out, err = self.process.communicate(timeout=limit_s)
        return Ended(self.process.returncode, out, err, time.monotonic() - self._since)

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """The first true value of *what*, while the command runs."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := what():
                return found
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.005)
        raise AssertionError("it never happened")


class Command:
    """`python -m streamer` in an empty folder, with an empty HOME and without a screen."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir(exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
        self.environment = kept | {"HOME": str(home), "PYTHONPATH": str(REPOSITORY)}

    @property
    def report_file(self) -> Path:
        return self.folder / "report.json"

    def report(self) -> dict[str, Any]:
        """The report, whose frames must all be accounted for."""
        report = json.loads(self.report_file.read_text(encoding="utf-8"))
        lost = sum(report["drops"].values())
        assert report["frames"]["captured"] == report["frames"]["emitted"] + lost
        return report

    def configure(self, source: dict[str, Any], *sinks: dict[str, Any], **more: Any) -> list[str]:
        """The arguments that run this configuration."""
        file = self.folder / "config.yaml"  # YAML holds JSON
        file.write_text(json.dumps({"source": source, "sinks": sinks, **more}), encoding="utf-8")
        return ["run", str(file), "--report", str(self.report_file)]

    def run(self, *arguments: str, limit_s: float = PATIENCE_S, **environment: str) -> Ended:
        with self.start(*arguments, **environment) as running:
            return running.wait(limit_s)

    @contextmanager
    def start(self, *arguments: str, **environment: str) -> Iterator[Running]:
        with self.start_python("-m", "streamer", *arguments, **environment) as running:
            yield running

    @contextmanager
    def start_python(self, *arguments: str, **environment: str) -> Iterator[Running]:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield Running(process)
            finally:
                if process.poll() is None:
                    process.kill()


def times(video: Path) -> list[Fraction]:
    """When each frame of *video* is shown, in seconds; every frame is decoded."""
    with av.open(str(video)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def pictures(video: Path) -> Iterator[np.ndarray]:
    """Every frame of *video* as BGR."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24")
