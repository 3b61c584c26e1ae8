"""
Damaged files through the whole command, one process each: `python -m tests.fuzz --runs 2000`.

Every run must end in time, with an exit code that the README names, without a traceback and
within bounded memory. Runs are forks of processes that have everything imported and no thread of
their own, so that one costs a fraction of a second; as many go on at once as there are cores. Linux
only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import av
import pytest

from streamer.cli import main as command
from streamer.core.cores import core_count
from tests.fuzz.mutations import damage
from tests.fuzz.seeds import make_seeds

_AHEAD = ("cv2", "onnxruntime", "streamer.stream", "streamer.cli.driving", "streamer.sources.file")
"""Imported before the forks: what every run needs, and imports only then."""
LIMIT_S = 10.0
MEMORY_MB = 2000
_SOURCE_CODES = frozenset({0, 3, 5})
"""Done, the source, the sink (pictures of a size that its codec does not take)."""
_BACKGROUND_CODES = frozenset({0, 2})
"""Done, and a background that cannot be read is a mistake in the configuration."""
_OUTPUTS = ("mkv", "mp4", "mov")
_TICK_S = 0.005
MODEL = "model.onnx"


@dataclass(frozen=True)
class Case:
    """One run to be: its arguments, what it writes, and how it may end."""

    arguments: list[str]
    recording: Path
    report: Path
    codes: frozenset[int]

    def lacks(self) -> str | None:
        """What a run that ended with 0 left wrong, or None."""
        report = json.loads(self.report.read_text(encoding="utf-8"))
        frames, drops = report["frames"], report["drops"]
        if frames["captured"] != frames["emitted"] + sum(drops.values()):
            return f"frames unaccounted for: {frames}, {drops}"
        with av.open(str(self.recording)) as film:
            packets = sum(1 for packet in film.demux(video=0) if packet.size)
        if packets != frames["emitted"]:
            return f"{packets} pictures in the recording of {frames['emitted']}"
        return None


@dataclass(frozen=True)
class Ended:
    """How one run ended."""

    code: int
    seconds: float
    memory_mb: float
    printed: str

    def fault(self, case: Case, limit_s: float) -> str | None:
        """What is wrong with it, or None."""
        if self.seconds >= limit_s:
            return f"still running after {limit_s:g} s"
        if "Traceback" in self.printed or "--debug to see where" in self.printed:
            return "a traceback, or an error that nobody explains"
        if self.code not in case.codes:
            return f"exit code {self.code}"
        if self.code and "error: " not in self.printed:
            return f"exit code {self.code} without a word"
        if self.memory_mb > MEMORY_MB:
            return f"{self.memory_mb:.0f} MB"
        return case.lacks() if self.code == 0 else None


def run(arguments: list[str], output: Path, limit_s: float) -> Ended:
    """Run the command with *arguments* in a fork; what it prints goes to the file *output*."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _become(arguments, output)
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - started > limit_s:
            os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        time.sleep(_TICK_S)
    return Ended(
        os.waitstatus_to_exitcode(status),
        time.monotonic() - started,
        usage.ru_maxrss / 1000,
        output.read_text(errors="replace"),
    )


def _become(arguments: list[str], output: Path) -> None:
    """Be the command; never returns."""
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.argv = ["streamer", *arguments]
        try:
            command()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _configure(folder: Path, model: Path, file: Path, chance: Random) -> Case:
    """A run that records *file*, or has it as a background."""
    source: dict[str, object] = {"type": "file", "path": str(file)}
    recording, report = folder / f"out.{chance.choice(_OUTPUTS)}", folder / "report.json"
    sink = {
        "type": "record",
        "path": str(recording),
        "codec": "h264",
        "layout": "source",
        "overwrite": True,
    }
    config: dict[str, object] = {
        "source": source,
        "model": {"name": str(model)},
        "sinks": [sink],
    }
    codes = _SOURCE_CODES
    if chance.random() < 0.1:
        codes = _BACKGROUND_CODES
        config["source"] = {"type": "synthetic", "width": 96, "height": 64, "frames": 12}
        config["compose"] = {"background": {"type": "video", "path": str(file)}}
        sink["layout"] = "composite"
    path = folder / "config.yaml"  # YAML holds JSON
    path.write_text(json.dumps(config), encoding="utf-8")
    return Case(["run", str(path), "--report", str(report)], recording, report, codes)


@dataclass(frozen=True)
class Fuzzer:
    """What runs are made of: *seeds*, a model in *folder*, and a *seed* of all chance."""

    folder: Path
    seeds: list[Path]
    seed: int
    limit_s: float
    keep: Path | None

    def attempt(self, number: int) -> tuple[Ended, str | None]:
        """How the run of that number ended, and what is wrong with it."""
        path = self.seeds[number % len(self.seeds)]
        chance = Random(f"{self.seed}/{number}")
        with TemporaryDirectory(dir=self.folder) as own:
            file = Path(own, path.name)
            file.write_bytes(damage(path.read_bytes(), chance))
            case = _configure(Path(own), self.folder / MODEL, file, chance)
            ended = run(case.arguments, Path(own, "printed"), self.limit_s)
            fault = ended.fault(case, self.limit_s)
            if fault is None:
                return ended, None
            if self.keep is not None:
                self.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, self.keep / f"{self.seed}-{number}-{path.name}")
        last = ended.printed.strip().splitlines()[-1:] or [""]
        return ended, f"{path.name}, seed {self.seed}, run {number}: {fault}: {last[0]}"


def fuzz(runs: int, seed: int, limit_s: float, keep: Path | None) -> int:
    """Print every fault and a summary; how many faults there were."""
    for module in _AHEAD:
        import_module(module)
    faults, codes, slowest = 0, Counter[int](), 0.0
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seeds").mkdir()
        seeds = make_seeds(folder / "seeds")
        _write_model(folder / MODEL)
        fuzzer = Fuzzer(folder, seeds, seed, limit_s, keep)
        # Its processes are forks without threads, which can be forked once more.
        with ProcessPoolExecutor(core_count(), get_context("fork")) as pool:
            for ended, fault in pool.map(fuzzer.attempt, range(runs)):
                codes[ended.code] += 1
                slowest = max(slowest, ended.seconds)
                if fault is not None:
                    faults += 1
                    print(fault, flush=True)
    shown = ", ".join(f"{count} with {code}" for code, count in sorted(codes.items()))
    print(f"{runs} runs over {len(seeds)} seeds ended: {shown}; the slowest took {slowest:.1f} s")
    return faults


def _write_model(path: Path) -> None:
    """A graph of one node that hands the red plane on: 64x64, RMBG-1.4's contract."""
    from benchmarks.models import write_trivial_model

    write_trivial_model(path, side=64)


def main() -> int:
    """Read the command line; 1 where a run was at fault."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="other seeds, other damage")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S, help="of one run")
    parser.add_argument("--keep", type=Path, help="a folder for the files that are at fault")
    asked = parser.parse_args()
    try:
        return 1 if fuzz(asked.runs, asked.seed, asked.limit_s, asked.keep) else 0
    except pytest.skip.Exception as missing:
        print(missing, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
