"""U-shaped networks: a way down, a way up, and skips between their levels."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameter
from .rows import Maker, Row, Shape
from .tables import Network


@final
class UNet(nn.Module):
    """(n, *shape) → (n, *shape).

    What each level of the way down gives is joined to what its mirror on the way up is given: the channels of images,
    the values of rows.
    """

    def __init__(self, down: Sequence[Row], up: Sequence[Row], shape: Shape, make: Maker) -> None:
        super().__init__()
        if len(down) != len(up):
            raise InvalidParameter(f"layer table: a U-shape needs as many rows up as down: {len(up)} and {len(down)}")
        self.shape = shape
        shapes = [shape]
        self.down = nn.ModuleList()
        for row in down:
            network = Network([row], shapes[-1], make)
            self.down.append(network)
            shapes.append(network.out_shape)
        self.up = nn.ModuleList()
        after = shapes.pop()
        for row in up:
            network = Network([row], after, make)
            self.up.append(network)
            beside = shapes.pop()
            if shapes and network.out_shape[1:] != beside[1:]:
                raise InvalidParameter(
                    f"layer table: {network.out_shape} on the way up meets {beside} on the way down "
                    "(is this preset for another data set?)"
                )
            self.out_shape = network.out_shape
            after = (network.out_shape[0] + beside[0], *beside[1:])

    @property
    def last(self) -> Network:
        """The network of the last row; no attribute, or its weights would stand in a saved model twice."""
        network = self.up[-1]
        assert isinstance(network, Network)
        return network

    def forward(self, x: Tensor) -> Tensor:
        """Run down and up."""
        kept = []
        for network in self.down:
            kept.append(x)
            x = network(x)
        kept = kept[1:]
        for network in self.up:
            x = network(x)
            if kept:
                x = torch.cat([x, kept.pop()], 1)
        return x
