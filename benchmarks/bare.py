"""The limit: the matrix products of a method's layers and nothing else, into memory that is there already.

No activation, no bias, no loss, no optimiser, no autograd; every product that the algorithm can't do without, once.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


class Dense:
    """Dense layers one after another, on so many rows: their products forward and backward."""

    def __init__(self, widths: Sequence[int], rows: int) -> None:
        pairs = list(itertools.pairwise(widths))
        self.weights = [torch.randn(i, o) * i**-0.5 for i, o in pairs]
        self.values = [torch.randn(rows, width) for width in widths]
        self.slopes = [torch.randn(rows, width) for width in widths]
        self.steps = [torch.empty(i, o) for i, o in pairs]

    def forward(self) -> None:
        """Outputs of every layer."""
        for i, weight in enumerate(self.weights):
            torch.mm(self.values[i], weight, out=self.values[i + 1])

    def to_weights(self) -> None:
        """Gradients of every weight."""
        for i, step in enumerate(self.steps):
            torch.mm(self.values[i].t(), self.slopes[i + 1], out=step)

    def to_inputs(self, rows: int | None = None, first: int = 0) -> None:
        """Gradients of what goes into each layer, from the last down to layer `first`; of the first `rows` alone."""
        for i in range(len(self.weights) - 1, first - 1, -1):
            torch.mm(self.slopes[i + 1][:rows], self.weights[i].t(), out=cut(self.slopes[i], rows))


def cut(values: Tensor, rows: int | None) -> Tensor:
    """The first rows."""
    return values if rows is None else values[:rows]


class Thither:
    """Products there, and back to what went in, of layers by the shapes of their products: (rows, inputs, outputs).

    A convolution is one of as many rows as there are places that its kernel is laid on, whose inputs stand ready; one
    that is transposed is such a product the other way round.
    """

    def __init__(self, shapes: Sequence[tuple[int, int, int]]) -> None:
        self.layers = [
            (torch.randn(n, i), torch.randn(i, o) * i**-0.5, torch.randn(n, o), torch.empty(n, o), torch.empty(n, i))
            for n, i, o in shapes
        ]

    def __call__(self) -> None:
        """One pass there and back."""
        for values, weight, _, made, _ in self.layers:
            torch.mm(values, weight, out=made)
        for _, weight, slopes, _, found in reversed(self.layers):
            torch.mm(slopes, weight.t(), out=found)


class EgbadStep:
    """EGBAD on dense layers: D, then G and E, each on fresh noise."""

    def __init__(self, encoder: Sequence[int], generator: Sequence[int], branches: Sequence[int], joint: Sequence[int],
                 batch: int) -> None:  # fmt: skip
        self.batch = batch
        self.encoder, self.generator = Dense(encoder, batch), Dense(generator, batch)
        # D judges real and generated pairs.
        self.x, self.z = (Dense((inputs, joint[0] // 2), 2 * batch) for inputs in branches)
        self.joint = Dense(joint, 2 * batch)

    def __call__(self) -> None:
        """All products of one step."""
        discriminator = (self.x, self.z, self.joint)
        for made in (self.encoder, self.generator, *discriminator):
            made.forward()
        self.joint.to_inputs()
        for judge in discriminator:
            judge.to_weights()
        for made in (self.encoder, self.generator, *discriminator):
            made.forward()
        self.joint.to_inputs()
        # Only G(z) among the rows, and E(x) among the latent vectors, has someone behind it.
        self.x.to_inputs(self.batch)
        self.z.to_inputs(self.batch)
        for moved in (self.encoder, self.generator):
            moved.to_inputs(first=1)
            moved.to_weights()
