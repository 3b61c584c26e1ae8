"""Machines to be simulated: how many cores, and what each piece of work costs on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from streamer.evaluation.live.cores import Load
from streamer.matting.tracking.work import Work

COSTED = (720, 1280)
"""(H, W) of the frames that costs are given for."""
FULL_SIDE = 1024
"""Of the input that the model's cost is given for."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of CPU time, of frames of 1280x720; what is not listed is free."""

    decode: float = 0.0
    shrink: float = 0.0
    """A frame made small."""
    compare: float = 0.0
    """Two small pictures compared."""
    flow: float = 0.0
    """A flow searched between them, without…"""
    patches: float = 0.0
    """…each thousand of its patches."""
    chain: float = 0.0
    """A flow made of two others."""
    plate: float = 0.0
    """A frame of which it is looked what the flow and the room explain."""
    carry: float = 0.0
    """A whole alpha carried along a flow."""
    mix: float = 0.0
    """A whole alpha made of two."""
    show: float = 0.0
    """A frame composed side by side and encoded as H.264."""
    model: float = 0.0
    """One inference at 1024x1024; smaller ones by their area…"""
    model_least: float = 0.0
    """…and this."""

    def times(self, factor: float) -> Costs:
        """All of them, so many times as high."""
        return Costs(**{cost: value * factor for cost, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Machine:
    """What a simulation reckons with."""

    name: str
    cores: int
    costs: Costs
    crowding: float = 1.0
    """How many times as long all takes while no core is idle: they share caches and memory."""
    answer_s: float | None = None
    """The model works apart from the cores and answers so many seconds after it was asked."""

    def matting_s(self, work: Work, size: tuple[int, int]) -> float:
        """CPU seconds of *work* on frames of *size*, (H, W)."""
        costs = self.costs
        small = costs.compare * work.compared + costs.flow * work.flows
        small += costs.patches * work.patches / 1000 + costs.plate * work.plates
        small += costs.chain * work.chained
        large = costs.shrink * work.shrunk + costs.carry * work.carried + costs.mix * work.mixed
        return (small + large * _share(size)) / 1000

    def inference(self, sides: Sequence[int]) -> Load:
        """What inferences at square inputs of *sides* take, one after the other."""
        if self.answer_s is not None:
            return Load(self.answer_s if sides else 0.0, apart=True)
        costs = self.costs
        cpu_ms = sum(costs.model_least + costs.model * (side / FULL_SIDE) ** 2 for side in sides)
        return Load(cpu_ms / 1000, threads=self.cores)

    def decode_s(self, size: tuple[int, int]) -> float:
        """CPU seconds until a frame of *size* is there."""
        return self.costs.decode * _share(size) / 1000

    def show_s(self, size: tuple[int, int]) -> float:
        """CPU seconds from a frame and its matte to what a viewer sees."""
        return self.costs.show * _share(size) / 1000


def late(frames: int, fps: int = 30) -> Machine:
    """One with all the time in the world, whose model answers *frames* late."""
    return Machine(f"late-{frames}", cores=64, costs=Costs(), answer_s=frames / fps)


def _share(size: tuple[int, int]) -> float:
    """Of the pixels that costs are given for."""
    return size[0] * size[1] / (COSTED[0] * COSTED[1])


_WEAK = Costs(
    decode=2.95,
    shrink=0.5,
    compare=0.05,
    flow=2.6,
    patches=2.8,
    chain=0.35,
    plate=1.4,
    carry=4.3,
    mix=3.0,
    show=8.5,
    model=850.0,
    model_least=15.0,
)
"""Of a 2.1 GHz vCPU of a server; the model as int8."""

MACHINES = {
    machine.name: machine
    for machine in (
        Machine("weak", 2, _WEAK, crowding=1.15),
        Machine("laptop", 4, _WEAK.times(0.5), crowding=1.3),
        Machine("desktop", 8, _WEAK.times(0.35), crowding=1.3),
        Machine("gpu", 8, _WEAK.times(0.35), crowding=1.3, answer_s=0.025),
    )
}
"""By name, the slowest first."""
