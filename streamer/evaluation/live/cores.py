"""Work that shares the cores of a machine, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT_OF_LESSER = 0.003
"""Of a thread that gives way, beside an ordinary one: 3 of 1024, as Linux weighs SCHED_IDLE."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """What a job takes."""

    seconds: float
    """Of CPU time, of all its threads; or how long it lasts, where it works apart."""
    threads: int = 1
    """That it can use at once."""
    gives_way: bool = False
    """Ordinary jobs go first."""
    apart: bool = False
    """It takes no core, as on a GPU."""


@dataclass(slots=True)
class _Job:
    load: Load
    left_s: float
    begun_s: float
    rate: float = 0.0


class Cores:
    """
    A clock, and jobs that go on as it does. Each job has a name, and ends once.

    Shares are those of a fair scheduler: by weight, no job more than its threads can use.

    Args:
        count: of cores.
        crowding: how many times as long all takes while no core is idle.
    """

    def __init__(self, count: int, crowding: float = 1.0) -> None:
        self.now_s = 0.0
        self._count = count
        self._crowding = crowding
        self._jobs: dict[str, _Job] = {}

    def start(self, name: str, load: Load) -> None:
        """Begin a job now; ValueError where one of that *name* runs."""
        if name in self._jobs:
            raise ValueError(f"{name} runs already")
        self._jobs[name] = _Job(load, load.seconds, self.now_s)
        self._share()

    def runs(self, name: str) -> bool:
        """Whether that job has not ended."""
        return name in self._jobs

    def share(self, name: str) -> tuple[float, float] | None:
        """
        Of a core, how much each thread of that job has had, and for how many seconds it runs.

        None where it does not run, has just begun, or takes no core.
        """
        job = self._jobs.get(name)
        if job is None or job.load.apart or self.now_s <= job.begun_s:
            return None
        lasted_s = self.now_s - job.begun_s
        return (job.load.seconds - job.left_s) / job.load.threads / lasted_s, lasted_s

    def next_end_s(self) -> float:
        """When the first of the jobs ends, if none begins before; infinity without any."""
        return min((self._end_s(job) for job in self._jobs.values()), default=math.inf)

    def advance(self, to_s: float) -> list[str]:
        """Let time go on to *to_s*, not beyond the next end; the jobs that end there, by name."""
        ended = [name for name, job in self._jobs.items() if self._end_s(job) <= to_s]
        for job in self._jobs.values():
            job.left_s = max(0.0, job.left_s - job.rate * (to_s - self.now_s))
        self.now_s = to_s
        for name in ended:
            del self._jobs[name]
        if ended:
            self._share()
        return sorted(ended)

    def _end_s(self, job: _Job) -> float:
        return self.now_s + (job.left_s / job.rate if job.left_s else 0.0)

    def _share(self) -> None:
        """Give each job its rate, in cores: what some cannot use goes to the others."""
        for job in self._jobs.values():
            job.rate = 1.0 if job.load.apart else 0.0
        jobs = [job for job in self._jobs.values() if not job.load.apart]
        self._fill(jobs)
        if sum(job.rate for job in jobs) > self._count - _ROUNDING:
            for job in jobs:
                job.rate /= self._crowding

    def _fill(self, jobs: Sequence[_Job]) -> None:
        open_jobs = list(jobs)
        free = float(self._count)
        while open_jobs:
            weights = [
                job.load.threads * (_WEIGHT_OF_LESSER if job.load.gives_way else 1.0)
                for job in open_jobs
            ]
            unit = free / sum(weights)
            full = [
                job
                for job, weight in zip(open_jobs, weights, strict=True)
                if weight * unit >= job.load.threads
            ]
            if not full:
                for job, weight in zip(open_jobs, weights, strict=True):
                    job.rate = weight * unit
                return
            for job in full:
                job.rate = float(job.load.threads)
                free -= job.load.threads
                open_jobs.remove(job)
