"""The network that a layer table describes, and discriminators made of several."""

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameter
from .convolutions import Conv2d
from .layers import Linear
from .minibatch import Minibatch
from .normalisation import BatchNorm
from .operations import block
from .rows import Maker, Shape, Table


class Network(nn.Module):
    """A chain of rows: (n, *shape) → (n, *out_shape)."""

    def __init__(self, table: Table, shape: Shape, make: Maker) -> None:
        super().__init__()
        self.table, self.shape = tuple(table), shape
        layers: list[nn.Module] = []
        shapes = [shape]
        for row in self.table:
            try:
                made, shape = block(row, shape, make)
            except InvalidParameter as error:
                raise InvalidParameter(f"{error} [row {len(shapes)} of a network for {self.shape}]") from None
            layers += made
            shapes.append(shape)
        self.shapes = tuple(shapes)
        """Of what comes in, and of what each row gives."""
        self.layers, self.out_shape = nn.ModuleList(layers), shape

    def forward(self, x: Tensor) -> Tensor:
        """Run the chain; a hook on one of its layers is not called, as that would cost more than some layers do."""
        return self.after(0, x)

    def after(self, count: int, x: Tensor) -> Tensor:
        """Run what follows the first `count` layers on what these gave."""
        for layer in islice(self.layers, count, None):
            x = layer.forward(x)
        if x.dtype is torch.bfloat16:
            x = x.float()  # losses are in float32 whatever the products were in
        return x


JOINS: dict[str, tuple[Callable[[Sequence[Shape]], Shape], Callable[[Sequence[Tensor]], Tensor]]] = {
    "flat": (
        lambda shapes: (sum(math.prod(s) for s in shapes),),
        lambda outs: torch.cat([o.flatten(1) for o in outs], 1),
    ),
    "channels": (
        lambda shapes: (sum(s[0] for s in shapes), *shapes[0][1:]),
        lambda outs: torch.cat(list(outs), 1),
    ),
    "height": (
        lambda shapes: (shapes[0][0], sum(s[1] for s in shapes), shapes[0][2]),
        lambda outs: torch.cat(list(outs), 2),
    ),
}
"""How a discriminator joins what its branches give: the shape that comes out, and how it is made."""


class Discriminator(nn.Module):
    """One branch for each argument, joined and judged: (x[, z, …]) → (logit (n,), features (n, f)).

    The features are the outputs of the row marked `feature`, by default of the row before the logit ("the layer
    preceding the logits", EGBAD §3). `join` is one of `JOINS`: several arguments are flattened and put end to end, or
    images laid over each other as channels, or one below the other.

    With `minibatch` units the rows after the features see how near the features are to those of a batch too
    (:class:`~ringfence.networks.minibatch.Minibatch`); call `remember` once training has ended. The features themselves
    stay a function of the row.
    """

    def __init__(
        self,
        branches: Sequence[Table],
        joint: Table,
        shapes: Sequence[Shape],
        make: Maker,
        join: str = "flat",
        minibatch: int = 0,
    ) -> None:
        super().__init__()
        made = [Network(t, s, make) for t, s in zip(branches, shapes, strict=True)]
        self.branches = nn.ModuleList(made)
        widths = [network.out_shape for network in made]
        self.join = join if len(widths) > 1 else "flat"
        joined = widths[0] if len(widths) == 1 else JOINS[self.join][0](widths)
        marked = [i for i, row in enumerate(joint) if row.feature]
        cut = marked[0] + 1 if marked else len(joint) - 1
        self.trunk = Network(joint[:cut], joined, make)
        self.minibatch, shown = None, self.trunk.out_shape
        if minibatch:
            after = [row.op for row in joint[cut:]]
            if after[:1] != ["dense"]:
                raise InvalidParameter(
                    f"minibatch={minibatch}: a dense row must follow the discriminator's features, got {after[:1]}"
                )
            width = math.prod(shown)
            self.minibatch = Minibatch(width, minibatch, init=make.init, rngs=make.rngs)
            shown = (width + minibatch,)
        self.head = Network(joint[cut:], shown, make)
        if self.head.out_shape != (1,):
            raise InvalidParameter(f"layer table: a discriminator ends with one unit, got {self.head.out_shape}")

        # Rows that share no batch statistics may share a pass.
        self.rowwise = not any(isinstance(module, BatchNorm | Minibatch) for module in self.modules())
        self.members = len(make.rngs)

    def both(self, real: Sequence[Tensor], fake: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits of real and of fake arguments, each judged as a batch of its own.

        One pass serves both where no layer mixes rows; with batch normalisation each gets its own statistics, and with
        minibatch discrimination each is compared with its own kind.
        """
        if not self.rowwise:
            return self(*real)[0], self(*fake)[0]
        logit = self(*zip(real, fake, strict=True))[0]
        if self.members == 1:
            one, two = logit.chunk(2)
            return one, two
        logits = logit.view(self.members, 2, -1)
        return logits[:, 0].flatten(), logits[:, 1].flatten()

    def _through(self, branch: Any, real: Tensor, fake: Tensor) -> Tensor:
        """A branch's outputs for real and fake arguments, laid together for each member.

        Where only one of the two learns they pass the first layer apart: the other needs no slope there.
        """
        first = branch.layers[0] if real.requires_grad != fake.requires_grad and len(branch.layers) else None
        if isinstance(first, Linear | Conv2d) and first.norm is None:
            out: Tensor = branch.after(1, self._together(first.forward(real), first.forward(fake)))
        else:
            out = branch(self._together(real, fake))
        return out

    def _together(self, real: Tensor, fake: Tensor) -> Tensor:
        """Rows of both, (k·b, …) each, for each member: (k·2b, …)."""
        if self.members == 1:
            return torch.cat((real, fake))
        return torch.cat([a.view(self.members, -1, *a.shape[1:]) for a in (real, fake)], 1).flatten(0, 1)

    def forward(self, *arguments: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Judge one pair, triple … of arguments a row; `both` gives real and fake ones in the place of each."""
        outs = [
            branch(a) if isinstance(a, Tensor) else self._through(branch, *a)
            for branch, a in zip(self.branches, arguments, strict=True)
        ]
        joined = outs[0] if len(outs) == 1 else JOINS[self.join][1](outs)
        return self._logit(self.trunk(joined))

    def _logit(self, features: Tensor) -> tuple[Tensor, Tensor]:
        shown = features
        if self.minibatch is not None:
            flat = features.flatten(1)
            shown = torch.cat([flat, self.minibatch(flat)], 1)
        return self.head(shown).squeeze(1), features.flatten(1)

    def several(self, firsts: Sequence[Tensor], *others: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Judge several first arguments beside the same others, each as `forward` does but for rounding.

        What the others give alone is computed once.
        """
        layer = self.trunk.layers[0] if len(self.trunk.layers) else None
        if self.join != "flat" or self.members > 1 or not isinstance(layer, Linear) or not others:
            return [self(first, *others) for first in firsts]
        outs = [branch(a).flatten(1) for branch, a in zip(self.branches[1:], others, strict=True)]
        begun = layer.parted(outs[0] if len(outs) == 1 else torch.cat(outs, 1))
        parts = [begun(self.branches[0](first).flatten(1)) for first in firsts]
        return [self._logit(self.trunk.after(1, part)) for part in parts]

    def remember(self, *arguments: Tensor, others: float) -> None:
        """Keep real rows, (k·r, …), as the batch that rows are put among when they are scored.

        `others` is how many others a row had in a batch of training. Nothing is kept where no layer compares rows.
        """
        if self.minibatch is not None:
            self.minibatch.remember(self(*arguments)[1], others)
