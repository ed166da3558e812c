"""Residual blocks: two convolutions, and a way past them that changes the number of maps and the size as they do.

As in the released code of f-AnoGAN, which has them from that of Gulrajani et al. 2017: what comes in is normalised and
activated before each convolution, sizes are halved by means of 2×2 pixels and doubled by repeating each pixel.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..exceptions import InvalidParameter
from .axis import Initialiser
from .convolutions import Conv2d
from .layers import Fresh
from .rows import ACTIVATIONS, NORMS, Maker, Row, Shape


class MeanPool(nn.Module):
    """The mean of each window of 2×2: (n, c, h, w) → (n, c, ⌊h / 2⌋, ⌊w / 2⌋)."""

    def forward(self, x: Tensor) -> Tensor:
        """Look at every window."""
        return F.avg_pool2d(x, 2)


class Repeat(nn.Module):
    """Every pixel four times: (n, c, h, w) → (n, c, 2 h, 2 w)."""

    def forward(self, x: Tensor) -> Tensor:
        """Double height and width."""
        n, c, height, width = x.shape
        return x[:, :, :, None, :, None].expand(n, c, height, 2, width, 2).reshape(n, c, 2 * height, 2 * width)


class Residual(nn.Module):
    """The sum of what two ways give."""

    def __init__(self, main: Sequence[nn.Module], past: Sequence[nn.Module]) -> None:
        super().__init__()
        self.main, self.past = nn.ModuleList(main), nn.ModuleList(past)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c, h, w)."""
        made, beside = x, x
        for layer in self.main:
            made = layer(made)
        for layer in self.past:
            beside = layer(beside)
        return made + beside


def residual(row: Row, shape: tuple[int, int, int], make: Maker, own: Initialiser) -> tuple[list[nn.Module], Shape]:
    """The block of a row for images of `shape`; `own` draws its two convolutions, `make` the way past."""
    channels, height, width = shape
    if row.resample == "down" and min(height, width) < 2:
        raise InvalidParameter(f"layer table: resample='down': images of at least 2×2 can be halved, got {shape}")
    units = row.units
    assert isinstance(units, int)

    def conv(inputs: int, outputs: int, kernel: int, init: Initialiser, bias: bool) -> nn.Module:
        before, after = (kernel - 1) // 2, kernel // 2
        padding = (before, after, before, after)
        return Conv2d(inputs, outputs, kernel, 1, padding, bias=bias, init=init, rngs=make.rngs)

    def ready(maps: int) -> list[nn.Module]:
        norm, activation = NORMS[row.norm], ACTIVATIONS[row.act]
        found = [norm(maps, len(make.rngs)) if norm else Fresh()]  # both ways need what comes in
        return found + ([activation(row.slope)] if activation else [])

    middle = units if row.resample == "up" else channels
    up = [Repeat()] if row.resample == "up" else []
    down = [MeanPool()] if row.resample == "down" else []
    main = [
        *ready(channels), *up, conv(channels, middle, row.kernel, own, bias=False),
        *ready(middle), conv(middle, units, row.kernel, own, bias=True), *down,
    ]  # fmt: skip
    alike = units == channels and row.resample == "none"
    past = [] if alike else [*up, *down, conv(channels, units, 1, make.init, bias=True)]
    sides = {"none": (height, width), "down": (height // 2, width // 2), "up": (2 * height, 2 * width)}
    return [Residual(main, past)], (units, *sides[row.resample])
