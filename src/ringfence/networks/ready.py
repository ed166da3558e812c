"""Networks made ready to score: a copy that shares their weights and goes through rows faster.

What a pass does beside its products is done once beforehand, or on the way: running statistics of normalisation go into
the weights before them, a spectral norm is divided out, images lie channels innermost, and a dense layer with its bias
and activation is one kernel of oneDNN where this build of PyTorch has it, so that no value goes to memory and back
between them. Layers of other kinds run as they are, as do networks of several members, in training, of other numbers
than float32 or not on a CPU, and every pass that gradients are asked of.
"""

import copy
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from . import onednn
from .layers import WIDE, steady
from .products import Dense, Product, Still, as_images, as_rows
from .still import Traced, chain, single
from .tables import Discriminator, Network

Link = Callable[[Tensor], Tensor]


class Fused:
    """A dense layer with its activation, one kernel where there are enough products; (n, …) → (n, …)."""

    def __init__(self, link: Dense) -> None:
        weight, self.bias = link.laid()
        self.weight, self.activation, self.opened = weight.t().contiguous(), link.activation, link.opened
        self._fused = (self.activation.fused if self.activation else None) or onednn.NOTHING
        self._halves: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Product, bias and activation."""
        x = as_rows(x)
        if not onednn.worth(len(x), self.weight):
            return self._ended(steady(x, self.weight, self.bias))
        made = onednn.linear(x, self.weight, self.bias, self._fused)
        return self._ended(made) if self._fused is onednn.NOTHING else as_images(made, self.opened)

    def _ended(self, made: Tensor) -> Tensor:
        if self.activation:
            self.activation.apply(made)
        return as_images(made, self.opened)

    def parted(self, last: Tensor) -> Link:
        """Take the last inputs, (b, m), for good: the rest of the layer for several first ones, (b, in − m) each."""
        first = self.weight.shape[1] - last.shape[1]
        if self._halves is None or self._halves[0].shape[1] != first:
            self._halves = self.weight[:, :first].contiguous(), self.weight[:, first:].contiguous()
        weight, others = self._halves
        quick = onednn.worth(len(last), others)
        given = onednn.linear(last, others, self.bias) if quick else steady(last, others, self.bias)
        if onednn.worth(len(last), weight):
            return lambda x: self._ended(onednn.added(x, given, weight))
        if len(weight) < WIDE:
            return lambda x: self._ended(given + steady(x, weight, None))
        return lambda x: self._ended(torch.addmm(given, x, weight.t()))


class Plain:
    """A convolution with its activation."""

    def __init__(self, link: Product) -> None:
        self.link = link

    def __call__(self, x: Tensor) -> Tensor:
        """Product, then activation; unlike the link itself it keeps nothing for a way back."""
        made = self.link.product(x)
        if self.link.activation:
            self.link.activation.apply(made)
        return made


def _link(link: Still) -> Link:
    if isinstance(link, Traced):
        return link.layer
    assert isinstance(link, Product)
    return Fused(link) if isinstance(link, Dense) else Plain(link)


class ReadyNetwork(Network):
    """A network and its links, made when they are first needed: a score may leave networks out."""

    @cached_property
    def links(self) -> Sequence[Link]:
        """What a pass goes through."""
        return [_link(link) for link in chain(self).links]

    def forward(self, x: Tensor) -> Tensor:
        """Run the links, or the network itself where gradients are asked for."""
        if torch.is_grad_enabled():
            return super().forward(x)
        return self.following(0, x)

    def following(self, count: int, x: Tensor) -> Tensor:
        """Run what follows the first `count` links on what these gave."""
        for link in self.links[count:]:
            x = link(x)
        return x

    def __deepcopy__(self, memo: dict[int, Any]) -> Network:
        """A copy is to have weights of its own: it is a plain network again."""
        made = Network.__new__(Network)
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy({k: v for k, v in self.__dict__.items() if k != "links"}, memo))
        return made


class ReadyDiscriminator(Discriminator):
    """A discriminator whose networks are ready."""

    def several(self, firsts: Sequence[Tensor], *others: Tensor) -> list[tuple[Tensor, Tensor]]:
        """As a discriminator does, with a ready trunk."""
        trunk: Any = self.trunk
        links = trunk.links if isinstance(trunk, ReadyNetwork) and not torch.is_grad_enabled() else ()
        if self.join != "flat" or not others or not links or not isinstance(link := links[0], Fused):
            return super().several(firsts, *others)
        outs = [branch(a).flatten(1) for branch, a in zip(self.branches[1:], others, strict=True)]
        begun = link.parted(outs[0] if len(outs) == 1 else torch.cat(outs, 1))
        parts = [begun(self.branches[0](first).flatten(1)) for first in firsts]
        return [self._logit(trunk.following(1, part)) for part in parts]


def ready(nets: Any) -> Any:
    """Copy networks for scoring, so that all of them that can be made ready are; weights are shared.

    The copy holds for the weights as they are: it is made anew for every call, and nothing of it is kept.
    """
    if any(p.dtype is not torch.float32 or p.device.type != "cpu" for p in nets.parameters()):
        return nets
    return _ready(nets)


def _ready(module: nn.Module) -> nn.Module:
    if type(module) is Network:
        return _like(module, ReadyNetwork) if single(module) else module
    made = _like(module, ReadyDiscriminator if type(module) is Discriminator else type(module))
    made._modules = {name: child if child is None else _ready(child) for name, child in module._modules.items()}
    return made


def _like(module: nn.Module, kind: type[nn.Module]) -> nn.Module:
    """A module of a kind that has the same parts, in the same memory."""
    made = kind.__new__(kind)
    made.__dict__.update(module.__dict__)
    return made
