"""Work that shares the cores of a machine, in virtual time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WEIGHT_OF_LESSER = 0.003
"""Weight of a thread that gives way; an ordinary one has 1. 3 / 1024, as Linux's SCHED_IDLE."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Load:
    """What a job needs."""

    seconds: float
    """CPU time of all its threads together; or how long it lasts, if it runs apart."""
    threads: int = 1
    """How many it can use at once."""
    gives_way: bool = False
    """Ordinary jobs have priority."""
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
    A virtual clock, and jobs that advance with it. Each job has a name, and ends once.

    Cores are shared as by a fair scheduler: by weight, and no job gets more than its threads use.

    Args:
        count: number of cores.
        crowding: how many times as long work takes while no core is idle.
    """

    def __init__(self, count: int, crowding: float = 1.0) -> None:
        self.now_s = 0.0
        self._count = count
        self._crowding = crowding
        self._jobs: dict[str, _Job] = {}

    def start(self, name: str, load: Load) -> None:
        """Begin a job now. Raises ValueError if one of that *name* runs."""
        if name in self._jobs:
            raise ValueError(f"{name} runs already")
        self._jobs[name] = _Job(load, load.seconds, self.now_s)
        self._share()

    def runs(self, name: str) -> bool:
        """Whether the job *name* runs."""
        return name in self._jobs

    def share(self, name: str) -> tuple[float, float] | None:
        """
        The share of a core that each thread of a job has had, and the job's seconds so far.

        None if the job does not run, has just begun, or takes no core.
        """
        job = self._jobs.get(name)
        if job is None or job.load.apart or self.now_s <= job.begun_s:
            return None
        lasted_s = self.now_s - job.begun_s
        return (job.load.seconds - job.left_s) / job.load.threads / lasted_s, lasted_s

    def next_end_s(self) -> float:
        """When the first job ends, if no other begins before; infinity if none runs."""
        return min((self._end_s(job) for job in self._jobs.values()), default=math.inf)

    def advance(self, to_s: float) -> list[str]:
        """Advance to *to_s*, at most to the next end; returns the names of jobs that end there."""
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
        """Set each job's rate, in cores: what some cannot use goes to the others."""
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
