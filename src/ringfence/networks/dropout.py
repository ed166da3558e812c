"""Layers that draw while they train, from generators of the members' own: dropout at few random bits, and noise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from .axis import parts

WIDTHS = {8: torch.int8, 16: torch.int16}
"""Bits that may decide whether one value is dropped."""


def share_in_bits(share: float) -> tuple[int, int]:
    """How a share of values, in [0, 1), is drawn: (bits for each value, how many of their 2^bits numbers drop it).

    8 bits where they come within a fiftieth of both the share and what is left of it (.2 becomes 51 of 256, .5 is
    exact), otherwise 16. Something is always left.
    """
    for bits in WIDTHS:
        dropped = min(round(share * 2**bits), 2**bits - 1)
        if abs(dropped / 2**bits - share) <= min(share, 1.0 - share) / 50:
            break
    return bits, dropped


@dataclass(frozen=True)
class Lanes:
    """Room for whole numbers of so many bits, uniform on −2^(bits − 1) … 2^(bits − 1) − 1.

    They are drawn 64 bits at a time: with 8 bits a value, a sixth of the cost of as many fractions.

    Attributes
    ----------
    each
        What each member's generator fills.
    values
        The numbers in the same memory, (k·b, …), or (k, b, …) where a member's don't end with 64 bits.
    place
        Shape of the values that they decide over, (k·b, …), their device, and k.
    """

    each: Sequence[Tensor]
    values: Tensor
    place: tuple[torch.Size, torch.device, int]

    @classmethod
    def over(cls, bits: int, shape: torch.Size, device: torch.device, members: int) -> Self:
        """Make room for one number a value of (k·b, …)."""
        count = shape.numel() // members
        room = torch.empty(members, -(-count * bits // 64), dtype=torch.int64, device=device)
        numbers = room.view(WIDTHS[bits])[:, :count]
        flat = members == 1 or numbers.is_contiguous()
        values = numbers.view(shape if flat else (members, -1, *shape[1:]))
        return cls(list(parts(room)), values, (shape, device, members))

    def draw(self, rngs: Sequence[torch.Generator]) -> Tensor:
        """Fill the room anew."""
        for part, rng in zip(self.each, rngs, strict=True):
            part.random_(-(2**63), None, generator=rng)
        return self.values


class Dropout(nn.Module):
    """Sets a share of the inputs to zero while training and scales the rest by 1 / (1 − share).

    The share is what `share_in_bits` makes of it, and the scale is of that share, so that means stay what they are.
    Masks come from `rngs`, one generator a member, lent by the training loop; without them the layer refuses to train.

    With a `slope` it does while training what the leaky ReLU before it leaves to it (`LeakyReLU.left`): what is kept
    and the activation's slope are one factor of each value, which forward and backward multiply by once.
    """

    def __init__(self, share: float, slope: float | None = None) -> None:
        super().__init__()
        self.share, self.slope = share, slope
        self._bits, dropped = share_in_bits(share)
        self._least = dropped - 2 ** (self._bits - 1)
        self._scale = 1.0 / (1.0 - dropped / 2**self._bits)
        self.rngs: Sequence[torch.Generator] | None = None
        self._lanes: Lanes | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lanes": None}  # a copy must not write into what this one reads

    def forward(self, x: Tensor) -> Tensor:
        """Drop from (k·b, …) in training mode, the identity otherwise."""
        if not self.training:
            return x
        if self.rngs is None:
            raise RuntimeError("dropout draws only inside the training loop, which lends it its generators")
        lanes, place = self._lanes, (x.shape, x.device, len(self.rngs))
        if lanes is None or lanes.place != place:
            lanes = self._lanes = Lanes.over(self._bits, *place)
        values, factor = lanes.draw(self.rngs), torch.empty_like(x, requires_grad=False)
        torch.ge(values, self._least, out=factor if values.shape == x.shape else factor.view(values.shape))
        factor.mul_(self._scale)
        if self.slope is not None:
            torch.ops.aten.leaky_relu_backward.grad_input(factor, x.detach(), self.slope, False, grad_input=factor)
        return x * factor


class Noise(nn.Module):
    """Adds N(0, deviation²) while training; drawn from `rngs` as :class:`Dropout` does."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation
        self.rngs: Sequence[torch.Generator] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Disturb (k·b, …) in training mode, the identity otherwise."""
        if not self.training:
            return x
        if self.rngs is None:
            raise RuntimeError("noise draws only inside the training loop, which lends it its generators")
        made = torch.empty(len(self.rngs), len(x) // len(self.rngs), *x.shape[1:], device=x.device)
        for part, rng in zip(parts(made), self.rngs, strict=True):
            part.normal_(0.0, self.deviation, generator=rng)
        return x + made.flatten(0, 1)


DRAWING = (Dropout, Noise)
"""Layers that draw while they train, and are nothing otherwise."""
