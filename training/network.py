"""The network: a small U-Net of plain 3x3 convolutions, milliseconds for one thread of a CPU."""

from __future__ import annotations

import warnings
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from training.cues import CUES, CUES_SIZE

WIDTHS = (16, 32, 48, 64)
"""Channels at a half, a quarter, an eighth and a sixteenth of the input's size."""
_CARRIED = 3
"""Channel of the cues."""
_SURE = 0.01
"""By so much the logit of a carried alpha may be off, that it is finite."""


class Corrector(nn.Module):
    """
    Corrects a carried alpha by what the current picture shows.

    Args:
        widths: channels at each halving.
    """

    def __init__(self, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        first = widths[0]
        self.stem = nn.Sequential(_conv(CUES, first, 2), _conv(first, first))
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(
            nn.Sequential(_conv(one, two, 2), _conv(two, two)) for one, two in pairs
        )
        self.up = nn.ModuleList(_conv(two, one) for one, two in reversed(pairs))
        self.join = nn.ModuleList(_conv(one, one) for one, _ in reversed(pairs))
        # Four pixels of two numbers each: what is added to the alpha, and how far off that may be.
        self.head = nn.Conv2d(first, 8, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)
        self.apply(_begin)
        with torch.no_grad():
            # At first the carried alpha stays nearly as it is.
            self.head.weight.mul_(0.1)
            self.head.bias.copy_(torch.tensor([0.0] * 4 + [-4.0] * 4))

    def forward(self, cues: Tensor) -> Tensor:
        """
        Correct carried alphas.

        Args:
            cues: (N, CUES, 144, 256) float32; see `Cues.gather`.

        Returns:
            (N, 2, 144, 256) in 0..1: the alpha, and by how much it may be wrong.
        """
        x = self.stem(cues)
        skips = []
        for down in self.down:
            skips.append(x)
            x = down(x)
        for up, join, skip in zip(self.up, self.join, reversed(skips), strict=True):
            x = nn.functional.interpolate(up(x), scale_factor=2.0, mode="nearest")
            # Their sum costs half of what both beside each other would.
            x = join(x + skip)
        added, doubt = self.shuffle(self.head(x)).split(1, dim=1)
        carried = cues[:, _CARRIED : _CARRIED + 1]
        logit = torch.log((carried + _SURE) / (1 + _SURE - carried))
        # Where nothing is added, that is the carried alpha again.
        alpha = torch.sigmoid(logit + added) * (1 + 2 * _SURE) - _SURE
        return torch.cat([alpha.clamp(0, 1), torch.sigmoid(doubt)], dim=1)


def parameters_of(network: nn.Module) -> int:
    """How many numbers are learnt."""
    return sum(weight.numel() for weight in network.parameters())


def export(network: Corrector, path: Path) -> None:
    """Write *network* as ONNX, its input `cues` and its output `said`, for one frame."""
    network.eval()
    example = torch.zeros(1, CUES, *CUES_SIZE)
    with warnings.catch_warnings():
        # The newer exporter needs two packages more; torch is pinned.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            network,
            (example,),
            str(path),
            input_names=["cues"],
            output_names=["said"],
            opset_version=17,
            dynamo=False,
        )


def _conv(ins: int, outs: int, stride: int = 1) -> nn.Sequential:
    """With a normalisation that the export folds into its weights."""
    return nn.Sequential(
        nn.Conv2d(ins, outs, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(outs),
        nn.ReLU(inplace=True),
    )


def _begin(layer: nn.Module) -> None:
    """Weights by which signals keep their size through all layers (He et al. 2015)."""
    if isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
