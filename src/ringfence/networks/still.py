"""Networks that hold still: what they make, and slopes of what goes in, without autograd and without slopes of weights.

A search through a network passes there and back hundreds of times with nothing but its input changing. What can be
done once is done once: running statistics of normalisation go into the weights before them, a spectral norm is divided
out, memory is kept from pass to pass. What is left of a layer is its product and, in place, its activation. Layers and
networks of other kinds keep their own code and get their slopes by autograd, one by one.

A network held still serves one search at a time: `back` belongs to the last `forward`, whose result the next pass
writes over, and `back` may write over the slope that it is given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .convolutions import Conv2d, ConvTranspose2d
from .dropout import DRAWING
from .image_products import Convolution, Transposed
from .layers import LeakyReLU, Linear, ReLU, Reshape
from .normalisation import BatchNorm
from .products import Dense, Product, Scratch, Still, in_place
from .rows import Shape
from .tables import Discriminator, Network


class Traced(Still):
    """Anything that maps rows, with slopes by autograd."""

    def __init__(self, layer: Callable[[Tensor], Tensor]) -> None:
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Map rows and remember how."""
        with torch.enable_grad():
            self._in = x.detach().requires_grad_()
            self._out = self.layer(self._in)
        return self._out.detach()

    def back(self, slope: Tensor) -> Tensor:
        """Go back by what is remembered."""
        return torch.autograd.grad(self._out, self._in, slope)[0]


def _weight(layer: Linear | Conv2d) -> tuple[Tensor, Tensor | None]:
    weight = layer.weight if layer.norm is None else layer.norm(layer.weight)
    return weight[0].detach(), None if layer.bias is None else layer.bias[0].detach()


class Chain(Still):
    """Links one after another."""

    def __init__(self, links: Sequence[Still]) -> None:
        self.links = list(links)

    def forward(self, x: Tensor) -> Tensor:
        """From the first to the last."""
        for link in self.links:
            x = link.forward(x)
        return x

    def back(self, slope: Tensor) -> Tensor:
        """From the last to the first."""
        for link in reversed(self.links):
            slope = link.back(slope)
        return slope


def chain(network: Network) -> Chain:
    """Links of a network of one member in evaluation mode."""
    links: list[Still] = []
    known = next(network.parameters(), torch.empty(0))
    layers = [layer for layer in network.layers if not isinstance(layer, DRAWING)]
    inputs = after = network.shape
    for layer, following in zip(layers, [*layers, None][1:], strict=True):
        before, after = after, _shape(layer, after, known)
        last = links[-1] if links else None
        open_end = last if isinstance(last, Product) and last.activation is None else None
        if isinstance(layer, Reshape) and isinstance(following, Linear) and len(inputs) in (1, 3):
            continue  # which takes images as they are
        if isinstance(layer, Linear):
            links.append(Dense(*_weight(layer), shape=inputs, opened=after))
        elif isinstance(layer, Conv2d):
            links.append(Convolution(*_weight(layer), layer.stride, layer.padding, before))
        elif isinstance(layer, ConvTranspose2d):
            bias = None if layer.bias is None else layer.bias[0].detach()
            links.append(Transposed(layer.weight[0].detach(), bias, layer))
        elif isinstance(layer, Reshape) and isinstance(open_end, Dense) and len(after) == 3:
            open_end.opened = after
        elif isinstance(layer, BatchNorm) and open_end:
            open_end.scale(*_affine(layer))
        elif open_end and (activation := in_place(layer)):
            open_end.activation = activation
        else:
            links.append(Traced(layer))
        inputs = after
    dense = [link for link in links if isinstance(link, Dense)]
    # A layer reads its slopes from one and writes those before it to the other.
    scratch = [Scratch(max((len(link.weight) for link in dense), default=0)) for _ in range(2)]
    for number, link in enumerate(dense):
        link.scratch = scratch[number % 2]
    return Chain(links)


def _shape(layer: nn.Module, shape: Shape, known: Tensor) -> Shape:
    """What a layer makes of rows of a shape; of layers that are not known here a row shows it, of `known`'s numbers."""
    if isinstance(layer, BatchNorm | LeakyReLU | ReLU | nn.Tanh | nn.Sigmoid):
        return shape
    if isinstance(layer, Linear):
        return (layer.weight.shape[1],)
    if isinstance(layer, ConvTranspose2d):
        return (layer.weight.shape[2], *layer.size_out)
    if isinstance(layer, Conv2d):
        left, right, top, bottom = layer.padding
        sides = (shape[1] + top + bottom, shape[2] + left + right)
        places = ((s - k) // layer.stride + 1 for s, k in zip(sides, layer.weight.shape[3:], strict=True))
        return (layer.weight.shape[1], *places)
    return tuple(layer(torch.zeros(1, *shape, dtype=known.dtype, device=known.device)).shape[1:])


def _affine(norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """What normalisation by running statistics multiplies and adds, (channels,) both."""
    mean, variance = norm.get_buffer("running_mean")[0], norm.get_buffer("running_var")[0]
    factor = (variance + norm.eps).rsqrt()
    factor = factor if norm.weight is None else factor * norm.weight[0].detach()
    return factor, -mean * factor if norm.bias is None else norm.bias[0].detach() - mean * factor


def single(module: Any) -> bool:
    """Whether a network is in evaluation mode and of one member."""
    return not module.training and all(getattr(m, "members", 1) == 1 for m in module.modules())


def still(network: Any) -> Still:
    """Hold a network still, (n, …) → (n, …)."""
    if isinstance(network, Network) and single(network):
        return chain(network)
    return Traced(network)


class StillJudge(ABC):
    """A discriminator of rows, held still: (n, …) → logit (n,) and features (n, f)."""

    @abstractmethod
    def forward(self, x: Tensor, logit: bool) -> tuple[Tensor | None, Tensor]:
        """Judge rows; the logit only where it is wanted."""

    @abstractmethod
    def back(self, logit: Tensor | None, features: Tensor) -> Tensor:
        """Slopes at the rows from those at the logit, where it was wanted, and at the features."""


class TracedJudge(StillJudge):
    """Any discriminator, with slopes by autograd."""

    def __init__(self, judge: Callable[[Tensor], tuple[Tensor, Tensor]]) -> None:
        self.judge = judge

    def forward(self, x: Tensor, logit: bool) -> tuple[Tensor | None, Tensor]:  # noqa: D102
        with torch.enable_grad():
            self._in = x.detach().requires_grad_()
            self._out = self.judge(self._in)
        return self._out[0].detach() if logit else None, self._out[1].detach()

    def back(self, logit: Tensor | None, features: Tensor) -> Tensor:  # noqa: D102
        given = [(self._out[1], features)] + ([] if logit is None else [(self._out[0], logit)])
        return torch.autograd.grad([out for out, _ in given], self._in, [slope for _, slope in given])[0]


class ChainJudge(StillJudge):
    """A chain to the features, and one from there to the logit."""

    def __init__(self, judge: Discriminator) -> None:
        (branch,) = judge.branches
        assert isinstance(branch, Network)
        self.body = Chain([*chain(branch).links, *chain(judge.trunk).links])
        self.head = chain(judge.head)

    def forward(self, x: Tensor, logit: bool) -> tuple[Tensor | None, Tensor]:  # noqa: D102
        features = self.body.forward(x)
        self._shape = features.shape
        return self.head.forward(features).squeeze(1) if logit else None, features.flatten(1)

    def back(self, logit: Tensor | None, features: Tensor) -> Tensor:  # noqa: D102
        slope = features.view(self._shape)
        return self.body.back(slope if logit is None else slope + self.head.back(logit[:, None]))


def still_judge(judge: Any) -> StillJudge:
    """Hold a discriminator still."""
    plain = isinstance(judge, Discriminator) and len(judge.branches) == 1 and judge.minibatch is None
    return ChainJudge(judge) if plain and single(judge) else TracedJudge(judge)
