"""Layers with a member axis: k networks of one shape side by side, k = 1 by default.

A batch is flat and member-major: rows 0…b−1 belong to member 0, b…2b−1 to member 1, and so on. Every weight has a
leading axis of length k; with k = 1 the layers cost what PyTorch's own cost. Each member draws its initial weights
and its dropout masks from its own generator, so that a member equals the single network of its seed.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import onednn
from .axis import Initialiser, drawn
from .normalisation import Normaliser


class Linear(nn.Module):
    """x ↦ xWᵀ + b for each member; weight (k, out, in), bias (k, out) or None.

    `lent` are weight and bias of a single member without their first axis, transposed as its product takes them,
    (in, out) and (out,), in the same memory. The training loop lends them and learns by their slopes: views would be
    further steps of the graph, a tenth of the time of networks as small as those for tables. Copies of the layer have
    none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
        norm: Normaliser | None = None,
    ) -> None:
        super().__init__()
        self.members = len(rngs)
        self.weight = drawn((outputs, inputs), (inputs, outputs), init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None
        self.norm = norm(self.weight) if norm else None
        self.lent: tuple[Tensor, Tensor | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "lent": None}

    def lend(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Make what is lent, if this is a single member's own weight; yield each parameter and what stands for it."""
        if self.members > 1 or self.norm is not None:
            return
        weight, bias = self.weight.detach()[0].t(), None if self.bias is None else self.bias.detach()[0]
        self.lent = weight, bias
        yield self.weight, weight
        if self.bias is not None and bias is not None:
            yield self.bias, bias

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in) to (k·b, out)."""
        if self.lent is not None:
            weight, bias = self.lent
            return torch.mm(x, weight) if bias is None else torch.addmm(bias, x, weight)
        weight = self.weight if self.norm is None else self.norm(self.weight)
        return affine(x, weight, self.bias)

    def parted(self, last: Tensor) -> Callable[[Tensor], Tensor]:
        """Take the last inputs, (b, m), for good: the rest of `forward` for several first ones, (b, in − m) each.

        What the last inputs give is computed once. For one member.
        """
        weight = (self.weight if self.norm is None else self.norm(self.weight))[0]
        first = weight.shape[1] - last.shape[1]
        given = steady(last, weight[:, first:], None if self.bias is None else self.bias[0])
        if len(given[0]) < WIDE:
            return lambda x: given + steady(x, weight[:, :first], None)
        return lambda x: torch.addmm(given, x, weight[:, :first].t())


MANY = 128
"""Rows of each member from which on products one by one pay; two members of 50 or 100 rows were slower by them."""


def _apart(rows: Tensor, weight: Tensor) -> bool:
    return rows.shape[1] >= MANY and onednn.worth(rows.shape[1], weight[0])


class Products(torch.autograd.Function):
    """X Wᵀ + b for each member: rows (k, b, in), weights (k, out, in) and biases (k, out) or None → (k, b, out).

    Where batches and layers are large enough, each member's own product makes what comes out and the slopes by rows,
    by oneDNN: on some processors MKL's batches of products take twice as long. Slopes by weights gain little by that.

    Its slopes by the weights lie in memory as the weights do. Those of PyTorch's product with a transposed matrix are
    transposed too, and an optimiser would copy them: a tenth of a layer's time.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The products."""
        ctx.save_for_backward(rows, weight)
        if not torch.is_autocast_enabled("cpu") and _apart(rows, weight):
            return onednn.each(rows, weight, bias)
        made = torch.bmm(rows, weight.transpose(1, 2))
        return made if bias is None else made.add_(bias[:, None])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Slopes by rows, weights and biases, which have slopes themselves."""
        rows, weight = (t.to(slope.dtype) for t in ctx.saved_tensors)
        by_rows, by_weight, by_bias = ctx.needs_input_grad
        below = None
        if by_rows:  # oneDNN's have no slopes themselves
            quick = not torch.is_grad_enabled() and _apart(slope, weight)
            below = onednn.each(slope, weight.transpose(1, 2), None) if quick else torch.bmm(slope, weight)
        return (
            below,
            torch.bmm(slope.transpose(1, 2), rows) if by_weight else None,
            slope.sum(1) if by_bias else None,
        )


WIDE = 12
"""Outputs from which on MKL's kernels for AVX-512 add for all rows in one way; with fewer, how they add hangs on where
a row lies in memory, unless rows are a multiple of 4 values long."""


def steady(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X Wᵀ + b by (out, in) and (out,), so that the bits of a row's values and slopes are its own at any place.

    What is too narrow for that is made wider by zeros.
    """
    outputs, inputs = weight.shape
    uneven = inputs % 4 != 0
    if uneven and inputs < WIDE and x.requires_grad:  # the slope by x is a product with so many outputs
        more = (0, WIDE - inputs)
        return F.linear(F.pad(x, more), F.pad(weight, more), bias)
    if uneven and 1 < outputs < WIDE:
        more = (0, WIDE - outputs)
        made = F.linear(x, F.pad(weight, (0, 0, *more)), None if bias is None else F.pad(bias, more))
        return made[..., :outputs]
    return F.linear(x, weight, bias)


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Map rows (k·b, …, in) by (k, out, in) and (k, out) to (k·b, …, out), those of each member by its own."""
    if len(weight) == 1:
        # A view, whose slope is one too; that of an index would be written into zeros.
        return steady(x, weight.squeeze(0), None if bias is None else bias.squeeze(0))
    rows = x.reshape(len(weight), -1, x.shape[-1])
    if rows.shape[1] == 1:
        # Copies of one network, each with a row of its own (`ringfence.tuning`). How MKL adds in a batch of products so
        # small hangs on where in memory each lies, and a row's bits would hang on the rows beside it.
        alone = (weight * rows).sum(2)
        return (alone if bias is None else alone + bias).view(*x.shape[:-1], -1)
    made: Tensor = Products.apply(rows, weight, bias)  # type: ignore[no-untyped-call]
    return made.view(*x.shape[:-1], -1)


class LeakyReLU(nn.Module):
    """max(x, slope · x); while training the identity where it is `left` to the dropout that follows."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope, self.left = slope, False

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every value, in place where no slope is asked for: the layer before made them for this one."""
        if self.left and self.training:
            return x
        return F.leaky_relu(x, self.slope, inplace=not torch.is_grad_enabled())


class ReLU(nn.Module):
    """max(x, 0), left to dropout as `LeakyReLU` is."""

    slope = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.left = False

    def forward(self, x: Tensor) -> Tensor:
        """Apply to every value, in place as `LeakyReLU` does."""
        if self.left and self.training:
            return x
        return F.relu(x, inplace=not torch.is_grad_enabled())


def leave(layer: nn.Module) -> float | None:
    """Let the dropout behind a layer do what it does while training; return the slope, None for other layers."""
    if not isinstance(layer, LeakyReLU | ReLU):
        return None
    layer.left = True
    return layer.slope


class Fresh(nn.Module):
    """A copy where an activation that follows would write over what others still need."""

    def forward(self, x: Tensor) -> Tensor:
        """Copy where no slope is asked for, which is when activations work in place."""
        return x if torch.is_grad_enabled() else x.clone()


class MaxPool(nn.Module):
    """The largest value of each window, side by side: (n, c, h, w) → (n, c, ⌊h / side⌋, ⌊w / side⌋)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """Look at every window."""
        return F.max_pool2d(x, self.side)


class Softmax(nn.Module):
    """Makes the logits of each category of a row probabilities; `heads` are their first columns and ends."""

    def __init__(self, heads: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.heads = tuple(heads)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, d) to (n, d): numbers, which come before the first head, stay as they are."""
        numbers = x[:, : self.heads[0][0]]
        return torch.cat([numbers, *(torch.softmax(x[:, start:end], 1) for start, end in self.heads)], 1)


class Offset(nn.Module):
    """x ↦ x − b for each member; bias (k, *shape), one for all rows of a member, 0 at first."""

    def __init__(self, shape: Sequence[int], members: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(members, *shape))

    def forward(self, x: Tensor) -> Tensor:
        """Shift (k·b, *shape)."""
        return (x.view(len(self.bias), -1, *x.shape[1:]) - self.bias[:, None]).view(x.shape)


class Reshape(nn.Module):
    """(n, …) → (n, *shape); `Reshape((-1,))` flattens."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Change the shape of every row."""
        return x.reshape(x.shape[0], *self.shape)
