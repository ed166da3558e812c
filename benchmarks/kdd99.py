"""The KDD99 networks of EGBAD's paper (preset `kdd99`), as widths: the shapes that most cases compare on."""

import torch
from torch import nn

from .textbook import PairDiscriminator

COLUMNS, LATENT = 121, 32
ENCODER = (COLUMNS, 64, LATENT)
GENERATOR = (LATENT, 64, 128, COLUMNS)
JOINT = (256, 128, 1)
ROWS = 20_000
"""Rows that a training case goes through."""


def networks() -> tuple[nn.Module, nn.Module, nn.Module]:
    """G, E and D as a textbook writes them."""
    torch.manual_seed(0)
    a, b, c, d = GENERATOR
    generator = nn.Sequential(nn.Linear(a, b), nn.ReLU(), nn.Linear(b, c), nn.ReLU(), nn.Linear(c, d))
    a, b, c = ENCODER
    encoder = nn.Sequential(nn.Linear(a, b), nn.LeakyReLU(0.1), nn.Linear(b, c))
    return generator, encoder, PairDiscriminator(COLUMNS, LATENT, JOINT[0] // 2, JOINT[1])
