"""Several generators as one network: they lie side by side on the layers' member axis and share the rows."""

import itertools
from dataclasses import replace

import torch
from torch import Tensor, nn

from .rows import Maker, Shape, Table
from .tables import Network

# Batch normalisation needs two rows of each generator, also where the batch has fewer for it.
LEAST = 2


def turns(rows: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """Whose turn each row of a batch is, (rows,): 0 … count − 1, then 0 … count − 2, and so on down to 0, and again.

    In a whole cycle generator i has count − i of count · (count + 1) / 2 rows.
    """
    cycle = torch.cat([torch.arange(count - short, device=device) for short in range(count)])
    return cycle.repeat(-(-rows // len(cycle)))[:rows]


def most_turns(rows: int, count: int) -> int:
    """How many of so many rows generator 0 makes, who has the most turns."""
    whole, rest = divmod(rows, count * (count + 1) // 2)
    # Its turns begin the runs 0 … count − 1, 0 … count − 2, and so on.
    starts = itertools.accumulate(range(count, 1, -1), initial=0)
    return whole * count + sum(start < rest for start in starts)


class Generators(nn.Module):
    """`count` generators of one table, each with weights of its own: (n, inputs) → (n, *out_shape), row by row in turn.

    All of them run at once on as many rows as the one with most turns has; whoever has fewer is given others' rows too,
    and what it makes of them is left out.
    """

    def __init__(self, table: Table, inputs: int, make: Maker, count: int) -> None:
        super().__init__()
        self.count, self.members = count, len(make.rngs)
        copies = replace(make, rngs=[rng for rng in make.rngs for _ in range(count)])
        self.each = Network(table, (inputs,), copies)
        self.out_shape: Shape = self.each.out_shape

    def alone(self, z: Tensor, which: int = 0) -> Tensor:
        """Let one generator make all rows; for a network of one member."""
        made: Tensor = self.each(z.repeat(self.count, 1)).view(self.count, len(z), *self.out_shape)
        return made[which]

    def forward(self, z: Tensor) -> Tensor:
        """Let each row be made by the generator whose turn it is."""
        rows = len(z) // self.members
        at = torch.arange(rows, device=z.device)
        turn = turns(rows, self.count, z.device)
        # The how-manieth row of its generator each row is.
        place = (turn[:, None] == torch.arange(self.count, device=z.device)).cumsum(0)[at, turn] - 1
        most = max(most_turns(rows, self.count), LEAST)  # in Python: nobody waits for a GPU to say it
        given = torch.arange(most, device=z.device).remainder(rows).repeat(self.count, 1)
        given[turn, place] = at
        noise = z.view(self.members, rows, -1)[:, given.flatten()].flatten(0, 1)
        made: Tensor = self.each(noise).view(self.members, self.count, most, *self.out_shape)
        return made[:, turn, place].flatten(0, 1)
