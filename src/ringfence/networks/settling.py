"""Where weight normalisation starts: scales and shifts that real rows ask for (Salimans and Kingma 2016, §3)."""

from typing import Any

import torch
from torch import Tensor, nn

from .normalisation import WeightNorm
from .tables import Discriminator, Network

ROWS = 500
"""Rows that a network is settled on, as in the released code of the bad GAN."""


def settle(judge: Discriminator, rows: Any) -> None:
    """Give every weight-normalised layer outputs of mean 0 and deviation 1 on `ROWS` rows, evenly chosen among all.

    Parameters
    ----------
    judge
        A discriminator of single rows, of one member; layers without weight normalisation are left alone.
    rows
        (n, …) scaled training rows.
    """
    if not any(isinstance(module, WeightNorm) for module in judge.modules()):
        return
    chosen = torch.linspace(0, len(rows) - 1, min(ROWS, len(rows))).round().long()
    training = judge.training
    judge.eval()  # as they are judged: without noise between layers
    with torch.no_grad():
        x: Tensor = rows.index_select(0, chosen.to(next(judge.parameters()).device))
        for network in (*judge.branches, judge.trunk, judge.head):
            assert isinstance(network, Network)
            for layer in network.layers:
                _settle(layer, x)
                x = layer(x)
    judge.train(training)


def _settle(layer: nn.Module, x: Tensor) -> None:
    norm = getattr(layer, "norm", None)
    if not isinstance(norm, WeightNorm):
        return
    made = layer(x).transpose(0, 1).flatten(1)  # (out, values)
    mean, deviation = made.mean(1), (made.var(1, correction=0) + 1e-6).sqrt()
    norm.scale.div_(deviation)
    bias = layer.bias
    if isinstance(bias, Tensor):
        bias.sub_(mean).div_(deviation)
