"""Machines to simulate: how many cores they have, and what each piece of work costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from streamer.evaluation.live.cores import Load
from streamer.matting.tracking.work import Work

COSTED = (720, 1280)
"""(H, W) of the frames that costs are given for."""
FULL_SIDE = 1024
"""Side of the input that the model's cost is given for."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Milliseconds of CPU time, for frames of 1280x720; work that is not listed is free."""

    decode: float = 0.0
    shrink: float = 0.0
    """Shrink a frame."""
    compare: float = 0.0
    """Compare two small pictures."""
    flow: float = 0.0
    """Search the flow between two small pictures, without its patches."""
    patches: float = 0.0
    """A thousand patches of such a search."""
    chain: float = 0.0
    """Make a flow from two others."""
    plate: float = 0.0
    """Find what the flow and the room explain of a frame."""
    carry: float = 0.0
    """Carry a whole alpha along a flow."""
    mix: float = 0.0
    """Make a whole alpha from two."""
    show: float = 0.0
    """Compose a frame side by side and encode it as H.264."""
    model: float = 0.0
    """The part of an inference that grows with the input's area, at 1024x1024."""
    model_least: float = 0.0
    """The part of an inference that any input costs."""

    def times(self, factor: float) -> Costs:
        """All costs, multiplied by *factor*."""
        return Costs(**{cost: value * factor for cost, value in asdict(self).items()})


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine to simulate."""

    name: str
    cores: int
    costs: Costs
    crowding: float = 1.0
    """How many times as long work takes while no core is idle: they share caches and memory."""
    answer_s: float | None = None
    """Seconds until the model answers, if it runs apart from the cores; None: it does not."""

    def matting_s(self, work: Work, size: tuple[int, int]) -> float:
        """CPU seconds of *work* on frames of *size*, (H, W)."""
        costs = self.costs
        small = costs.compare * work.compared + costs.flow * work.flows
        small += costs.patches * work.patches / 1000 + costs.plate * work.plates
        small += costs.chain * work.chained
        large = costs.shrink * work.shrunk + costs.carry * work.carried + costs.mix * work.mixed
        return (small + large * _share(size)) / 1000

    def inference(self, sides: Sequence[int]) -> Load:
        """The load of inferences at square inputs of *sides*, one after the other."""
        if self.answer_s is not None:
            return Load(self.answer_s if sides else 0.0, apart=True)
        costs = self.costs
        cpu_ms = sum(costs.model_least + costs.model * (side / FULL_SIDE) ** 2 for side in sides)
        return Load(cpu_ms / 1000, threads=self.cores)

    def decode_s(self, size: tuple[int, int]) -> float:
        """CPU seconds to decode a frame of *size*, (H, W)."""
        return self.costs.decode * _share(size) / 1000

    def show_s(self, size: tuple[int, int]) -> float:
        """CPU seconds to compose and encode a frame of *size*, (H, W), with its matte."""
        return self.costs.show * _share(size) / 1000


def late(frames: int, fps: int = 30) -> Machine:
    """A machine on which all work is free, but whose model answers *frames* late."""
    return Machine(f"late-{frames}", cores=64, costs=Costs(), answer_s=frames / fps)


def _share(size: tuple[int, int]) -> float:
    """Pixels of *size*, relative to those of the frames that costs are given for."""
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
"""Costs on a 2.1 GHz vCPU of a server; the model as int8."""

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
