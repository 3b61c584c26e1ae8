"""What a viewer of a live stream sees, on simulated machines and on this one."""

from streamer.evaluation.live.judging import COUNTS, FIGURES, Judge, Watched, average
from streamer.evaluation.live.machines import MACHINES, Costs, Machine, late
from streamer.evaluation.live.simulation import Queues, Simulation, VirtualAsking

__all__ = [
    "COUNTS",
    "FIGURES",
    "MACHINES",
    "Costs",
    "Judge",
    "Machine",
    "Queues",
    "Simulation",
    "VirtualAsking",
    "Watched",
    "average",
    "late",
]
