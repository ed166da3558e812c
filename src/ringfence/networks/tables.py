"""Layer tables: a network as data, row by row as the papers print it, and the network that a table describes.

A row is a mapping with these keys (defaults in brackets):

=========  ==================================================================================================
op         "dense", "conv" or "conv_transpose"
units      feature maps or units; for a dense layer that opens an image, [channels, height, width]
kernel     side of the kernel [4], conv and conv_transpose only
stride     [2], conv and conv_transpose only; sizes follow TensorFlow's "same": ceil(n / stride), n · stride
size       [height, width] that a conv_transpose ends with [n · stride]
norm       "none", "batch" (PyTorch's constants), "batch_tf" (TensorFlow's: momentum .01, eps .001) or "batch_plain"
           (no scale and no shift, eps .0001: Deep SVDD's) ["none"]
act        "linear", "relu", "leaky_relu", "tanh", "sigmoid" or "softplus" ["linear"]
slope      of the leaky ReLU [0.2]
pool       side of the windows, side by side, of which the largest value stays: after the activation, images only;
           what is left over at the end is dropped [1]
dropout    share of values set to zero while training [0]
order      "norm_act", or "act_norm" where a released code normalises after the activation ["norm_act"]
bias       [true]
spectral   spectral normalisation of the weight, dense and conv only [false]
feature    true on the row whose outputs are the discriminator's features [the row before the last]
=========  ==================================================================================================

The last row of a discriminator is its logit: the papers' final sigmoid is part of the loss, not of the table.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..exceptions import InvalidParameter, unknown_name
from .axis import Initialiser
from .dropout import Dropout
from .layers import Conv2d, ConvTranspose2d, LeakyReLU, Linear, MaxPool, ReLU, Reshape, leave
from .minibatch import Minibatch
from .normalisation import BatchNorm

Shape = tuple[int, ...]

NORMS: dict[str, Callable[[int, int], nn.Module] | None] = {
    "none": None,
    "batch": lambda channels, members: BatchNorm(channels, momentum=0.1, eps=1e-5, members=members),
    "batch_tf": lambda channels, members: BatchNorm(channels, momentum=0.01, eps=1e-3, members=members),
    "batch_plain": lambda channels, members: BatchNorm(channels, momentum=0.1, eps=1e-4, members=members, affine=False),
}
ACTIVATIONS: dict[str, Callable[[float], nn.Module] | None] = {
    "linear": None,
    "relu": lambda slope: ReLU(),
    "leaky_relu": LeakyReLU,
    "tanh": lambda slope: nn.Tanh(),
    "sigmoid": lambda slope: nn.Sigmoid(),
    "softplus": lambda slope: nn.Softplus(),
}
ORDERS = ("norm_act", "act_norm")


@dataclass(frozen=True)
class Row:
    """One row of a layer table; the keys are explained in the module's docstring."""

    op: str
    units: int | tuple[int, ...]
    kernel: int = 4
    stride: int = 2
    size: tuple[int, int] | None = None
    norm: str = "none"
    act: str = "linear"
    slope: float = 0.2
    pool: int = 1
    dropout: float = 0.0
    order: str = "norm_act"
    bias: bool = True
    spectral: bool = False
    feature: bool = False

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Self:
        """Check a mapping and make it a row; raises `InvalidParameter` naming the key."""
        known = [f.name for f in fields(cls)]
        for key in row:
            if key not in known:
                raise InvalidParameter(f"layer table: {unknown_name('key', key, known)}")
        for key, allowed in (("op", OPERATIONS), ("norm", NORMS), ("act", ACTIVATIONS), ("order", ORDERS)):
            value = row.get(key, getattr(cls, key, None))
            if value not in allowed:
                raise InvalidParameter(f"layer table: {unknown_name(key, value, allowed)}")
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
        if "units" not in values:
            raise InvalidParameter(f"layer table: a row needs `units`, got {dict(row)}")
        return cls(**values)


Table = Sequence[Row]


@dataclass(frozen=True)
class Maker:
    """What every layer of one network is made with."""

    init: Initialiser
    rngs: Sequence[torch.Generator]
    noise: Callable[[int], Tensor]
    """Latent vectors from the prior, (count, latent_dim): for buffers that a score starts from."""


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same" padding (before, after) for one axis; the output has ceil(size / stride) values."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _dense(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    target = row.units if isinstance(row.units, tuple) else (row.units,)
    flat = [Reshape((-1,))] if len(shape) > 1 else []
    linear = Linear(
        math.prod(shape), math.prod(target),
        bias=row.bias, init=make.init, rngs=make.rngs, spectral=row.spectral,
    )  # fmt: skip
    # An image is opened before its normalisation, which then runs over channels: one mean for each of them.
    opened = [Reshape(target)] if len(target) > 1 else []
    return [*flat, linear, *opened], target


def _conv(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    channels, height, width = _image(row, shape)
    top, bottom = same_padding(height, row.kernel, row.stride)
    left, right = same_padding(width, row.kernel, row.stride)
    layer = Conv2d(
        channels, _units(row), row.kernel, row.stride, (left, right, top, bottom),
        bias=row.bias, init=make.init, rngs=make.rngs, spectral=row.spectral,
    )  # fmt: skip
    return [layer], (_units(row), math.ceil(height / row.stride), math.ceil(width / row.stride))


def _conv_transpose(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    channels, height, width = _image(row, shape)
    size = row.size or (height * row.stride, width * row.stride)
    layer = ConvTranspose2d(
        channels, _units(row), row.kernel, row.stride, (height, width), size,
        bias=row.bias, init=make.init, rngs=make.rngs,
    )  # fmt: skip
    return [layer], (_units(row), *size)


OPERATIONS: dict[str, Callable[[Row, Shape, Maker], tuple[list[nn.Module], Shape]]] = {
    "dense": _dense,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
}


def _units(row: Row) -> int:
    if isinstance(row.units, tuple):
        raise InvalidParameter(f"layer table: `units` of a {row.op} row is one number, got {list(row.units)}")
    return row.units


def _image(row: Row, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise InvalidParameter(f"layer table: a {row.op} row needs an image (channels, height, width), got {shape}")
    return shape


def block(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    """One row as modules, for inputs of `shape` (without the row axis), and the shape that it gives."""
    layers, after = OPERATIONS[row.op](row, shape, make)
    norm, activation = NORMS[row.norm], ACTIVATIONS[row.act]
    tail = [norm(after[0], len(make.rngs))] if norm else []
    tail += [activation(row.slope)] if activation else []
    layers += tail if row.order == "norm_act" else tail[::-1]
    if row.pool != 1:
        channels, height, width = _image(row, after)
        if not 1 < row.pool <= min(height, width):
            raise InvalidParameter(
                f"layer table: pool={row.pool}: allowed are 1 to {min(height, width)} here, the sides"
            )
        layers, after = [*layers, MaxPool(row.pool)], (channels, height // row.pool, width // row.pool)
    if row.dropout:
        layers.append(Dropout(row.dropout, leave(layers[-1])))
    return layers, after


class Network(nn.Module):
    """A chain of rows: (n, *shape) → (n, *out_shape)."""

    def __init__(self, table: Table, shape: Shape, make: Maker) -> None:
        super().__init__()
        self.table, self.shape = tuple(table), shape
        layers: list[nn.Module] = []
        for row in self.table:
            made, shape = block(row, shape, make)
            layers += made
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
