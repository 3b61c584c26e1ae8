"""Training by a fixed plan: generated scenes, each seen a few times, and then never again."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from training.network import Corrector
from training.samples import AGES, FLOWS, Sample, samples_of

_SCENES, _STEPS, _JUDGED = range(3)
"""What random numbers are for: none are used twice."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides a training, beside the libraries' versions and the number of threads."""

    steps: int = 3000
    seed: int = 0
    scenes: int = 1
    """New ones in each step, of 8 frames each…"""
    again: int = 6
    """…and frames of earlier ones."""
    kept: int = 1500
    """Frames that are remembered for that, of 0.85 MB each."""
    rate: float = 4e-3
    """Of learning at its highest; it falls to a hundredth by half a cosine."""


class Scenes(IterableDataset[list[Sample]]):
    """The samples of one scene after the other, without end, from scene *first* on."""

    def __init__(self, seed: int, first: int) -> None:
        self._seed, self._first = seed, first

    def __iter__(self) -> Iterator[list[Sample]]:
        """Each process makes its share of the scenes; they come out in order."""
        worker = torch.utils.data.get_worker_info()
        own, all_ = (0, 1) if worker is None else (worker.id, worker.num_workers)
        if worker is not None:
            cv2.setNumThreads(1)
        number = self._first + own
        while True:
            yield samples_of(np.random.default_rng((self._seed, _SCENES, number)))
            number += all_


class Training:
    """
    Learns step by step.

    One that goes on from a checkpoint remembers no frames of before: what it learns differs a
    little from what it would have learnt without a break.

    Args:
        network: learns.
        plan: how.
        folder: keeps `checkpoint.pt` and `curve.jsonl`; goes on from there, if it has them.
        processes: that draw scenes; what is learnt does not depend on their number.
    """

    def __init__(self, network: Corrector, plan: Plan, folder: Path, processes: int = 1) -> None:
        self.network, self.plan, self._folder = network, plan, folder
        self._processes = processes
        self._optimizer = torch.optim.AdamW(network.parameters(), plan.rate, weight_decay=1e-4)
        self._average = torch.optim.swa_utils.AveragedModel(
            network, avg_fn=_averaged, use_buffers=True
        )
        self.step = 0
        self._restore()

    @property
    def result(self) -> Corrector:
        """The mean of the network's latest weights."""
        return cast("Corrector", self._average.module)

    def run(self, tell: Callable[[str], None] = print, every: int = 200) -> None:
        """Go on to the plan's end."""
        plan, kept = self.plan, list[Sample]()
        scenes = Scenes(plan.seed, self.step * plan.scenes)
        # Not forked: the threads that OpenCV has here would be missing there, and waited for.
        apart = (
            {"prefetch_factor": 8, "multiprocessing_context": "spawn"} if self._processes else {}
        )
        source = iter(DataLoader(scenes, batch_size=None, num_workers=self._processes, **apart))
        begun, first, losses = time.monotonic(), self.step, list[float]()
        self.network.train()
        while self.step < plan.steps:
            random = np.random.default_rng((plan.seed, _STEPS, self.step))
            new = [sample for _ in range(plan.scenes) for sample in next(source)]
            again = [kept[n] for n in random.integers(0, len(kept), plan.again)] if kept else []
            for sample in new:
                if len(kept) < plan.kept:
                    kept.append(sample)
                else:
                    kept[int(random.integers(plan.kept))] = sample
            losses.append(self.learn(*batch_of([*new, *again], random)))
            self.step += 1
            if self.step % every == 0 or self.step in (first + 10, plan.steps):
                took = time.monotonic() - begun
                left = took / (self.step - first) * (plan.steps - self.step) / 60
                loss = f"loss {np.mean(losses):.4f}"
                self._save(float(np.mean(losses)))
                tell(f"step {self.step} of {plan.steps}: {loss}; {left:.0f} minutes are left")
                losses.clear()

    def learn(self, cues: Tensor, truth: Tensor) -> float:
        """One step, from (N, CUES, 144, 256) and (N, 1, 144, 256); returns the loss."""
        plan = self.plan
        share = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.step / plan.steps))
        warm = min(1.0, (self.step + 1) / max(1, min(100, plan.steps // 10)))
        for group in self._optimizer.param_groups:
            group["lr"] = plan.rate * share * warm
        loss = loss_of(cues, self.network(cues), truth, self.step / plan.steps)
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self._optimizer.step()
        self._average.update_parameters(self.network)
        return float(loss.detach())

    def _save(self, loss: float) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        state = {
            "plan": asdict(self.plan), "step": self.step, "network": self.network.state_dict(),
            "average": self._average.state_dict(), "optimizer": self._optimizer.state_dict(),
        }  # fmt: skip
        fresh = self._folder / "checkpoint.new"
        torch.save(state, fresh)
        fresh.replace(self._folder / "checkpoint.pt")
        with (self._folder / "curve.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "loss": loss}) + "\n")

    def _restore(self) -> None:
        path = self._folder / "checkpoint.pt"
        if not path.exists():
            return
        state = torch.load(path, weights_only=True)
        if state["plan"] != asdict(self.plan):
            raise SystemExit(f"{path}: of another plan, {state['plan']}: choose another --out")
        self.network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def _averaged(average: Tensor, latest: Tensor, count: Tensor | int) -> Tensor:
    """A mean over the latest ninth of the steps so far, and never more than five hundred."""
    keep = min(0.998, (1 + float(count)) / (10 + float(count)))
    return average + (1 - keep) * (latest - average)


def batch_of(samples: list[Sample], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """
    Cues and truths as (N, …) float32, mirrored and with other colours by chance.

    Mirrored are all or none of them; the colours are exchanged for each.
    """
    cues = np.stack([sample.cues for sample in samples]).astype(np.float32)
    truth = np.stack([sample.truth for sample in samples])[:, None].astype(np.float32) / 255
    for one in cues:
        order = random.permutation(3)
        sign = -1.0 if random.random() < 0.2 else 1.0
        one[0:3] = one[0:3][order] * sign
        one[5:8] = one[5:8][order] * sign
    if random.random() < 0.5:
        cues, truth = cues[..., ::-1].copy(), truth[..., ::-1].copy()
    return torch.from_numpy(cues), torch.from_numpy(truth)


def loss_of(cues: Tensor, said: Tensor, truth: Tensor, done: float) -> Tensor:
    """
    How far corrected alphas are from the truth, in value and at edges.

    At first cross entropy leads, and a twentieth of it stays: it looks at what is wrong and at
    little else. Most pixels of a carried alpha are right, and absolute errors alone teach to leave
    all as it is. Later what is worse than the carried alpha counts twice: where the flow explains
    the picture, it is to be left alone.

    Args:
        cues: what the network saw, (N, CUES, 144, 256).
        said: its answer, (N, 2, 144, 256).
        truth: (N, 1, 144, 256).
        done: share of the training that is over.
    """
    alpha, doubt = said.split(1, dim=1)
    error = (alpha - truth).abs()
    worse = (error - (cues[:, 3:4] - truth).abs()).clamp_min(0)
    edges = sum((alpha.diff(dim=axis) - truth.diff(dim=axis)).abs().mean() for axis in (2, 3))
    entropy = nn.functional.binary_cross_entropy(alpha.clamp(1e-4, 1 - 1e-4), truth)
    own = (doubt - error.detach()).abs().mean()
    lead = max(0.05, 1 - 1.5 * done)
    return error.mean() + done * worse.mean() + 0.5 * edges + lead * entropy + 0.2 * own


@torch.no_grad()
def errors_of(
    network: Corrector, scenes: int = 40, seed: int = 0, flow: tuple[int, int] = FLOWS[0]
) -> dict[int, tuple[float, float]]:
    """
    Mean absolute errors of alphas in thousandths, by a key's age: carried, and corrected.

    The keys' alphas are true, and every frame is followed.

    Args:
        network: judged.
        scenes: that are made for it.
        seed: of them.
        flow: one of `FLOWS`.
    """
    network.eval()
    found: dict[int, list[tuple[float, float]]] = {age: [] for age in AGES}
    for number in range(scenes):
        made = samples_of(np.random.default_rng((seed, _JUDGED, number)), AGES, flow)
        cues = torch.from_numpy(np.stack([sample.cues for sample in made]).astype(np.float32))
        alphas = network(cues)[:, :1]
        for n, sample in enumerate(made):
            truth = torch.from_numpy(sample.truth.astype(np.float32) / 255)
            before, after = (
                float((one - truth).abs().mean()) for one in (cues[n, 3], alphas[n, 0])
            )
            found[sample.age].append((1000 * before, 1000 * after))
    return {age: (float(np.mean([pair[0] for pair in pairs])),
                  float(np.mean([pair[1] for pair in pairs])))
            for age, pairs in found.items()}  # fmt: skip
