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

from .axis import Initialiser, beside, drawn, stacked
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


class Products(torch.autograd.Function):
    """X Wᵀ + b for each member: rows (k, b, in), weights (k, out, in) and biases (k, out) or None → (k, b, out).

    Its slopes by the weights lie in memory as the weights do. Those of PyTorch's product with a transposed matrix are
    transposed too, and an optimiser would copy them: a tenth of a layer's time.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The products."""
        ctx.save_for_backward(rows, weight)
        made = torch.bmm(rows, weight.transpose(1, 2))
        return made if bias is None else made.add_(bias[:, None])

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """Slopes by rows, weights and biases, which have slopes themselves."""
        rows, weight = (t.to(slope.dtype) for t in ctx.saved_tensors)
        by_rows, by_weight, by_bias = ctx.needs_input_grad
        return (
            torch.bmm(slope, weight) if by_rows else None,
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


class Conv2d(nn.Module):
    """Convolution; weight (k, out, in, h, w).

    `padding` is (left, right, top, bottom): TensorFlow's "same" may need more on one side.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        padding: tuple[int, int, int, int],
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
        norm: Normaliser | None = None,
    ) -> None:
        super().__init__()
        self.members, self.stride, self.padding = len(rngs), stride, padding
        fans = (inputs * kernel * kernel, outputs * kernel * kernel)
        self.weight = drawn((outputs, inputs, kernel, kernel), fans, init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None
        self.norm = norm(self.weight) if norm else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in, h, w) to (k·b, out, h', w')."""
        left, right, top, bottom = self.padding
        even = left == right and top == bottom
        weight = self.weight if self.norm is None else self.norm(self.weight)
        if x.shape[1] == 1:
            return self._columns(x if even else F.pad(x, self.padding), (top, left) if even else (0, 0), weight)
        if self.members > 1:
            x = beside(x, self.members)
        out = F.conv2d(
            laid(x if even else F.pad(x, self.padding)),
            weight.flatten(0, 1),
            None if self.bias is None else self.bias.flatten(),
            stride=self.stride,
            padding=(top, left) if even else 0,
            groups=self.members,
        )
        return stacked(out, self.members) if self.members > 1 else out

    def _columns(self, x: Tensor, padding: tuple[int, int], weight: Tensor) -> Tensor:
        """The same as one matrix product: twice as fast on CPUs where there is one input channel."""
        side, stride = weight.shape[-1], self.stride
        columns = F.unfold(x, side, padding=padding, stride=stride).transpose(1, 2)
        out = affine(columns, weight.flatten(2), self.bias)
        height, width = ((n + 2 * p - side) // stride + 1 for n, p in zip(x.shape[2:], padding, strict=True))
        return out.transpose(1, 2).view(len(out), -1, height, width)


class ConvTranspose2d(nn.Module):
    """Transposed convolution to a stated height and width; weight (k, in, out, h, w).

    The surplus border is cropped as TensorFlow's "same" does: the smaller half before, the larger after.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int,
        size_in: tuple[int, int],
        size_out: tuple[int, int],
        *,
        bias: bool,
        init: Initialiser,
        rngs: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        self.members, self.stride, self.size_out = len(rngs), stride, size_out
        surplus = [(n - 1) * stride + kernel - target for n, target in zip(size_in, size_out, strict=True)]
        self.padding = [max(s, 0) // 2 for s in surplus]
        self.output_padding = [max(2 * p - s, 0) for p, s in zip(self.padding, surplus, strict=True)]
        fans = (inputs * kernel * kernel, outputs * kernel * kernel)
        self.weight = drawn((inputs, outputs, kernel, kernel), fans, init, rngs)
        self.bias = nn.Parameter(torch.zeros(self.members, outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (k·b, in, h, w) to (k·b, out, *size_out)."""
        if self.weight.shape[2] == 1 and self.weight.shape[1] >= WIDE:
            return self._columns(x)
        if self.members > 1:
            x = beside(x, self.members)
        out = F.conv_transpose2d(
            laid(x),
            self.weight.flatten(0, 1),
            None if self.bias is None else self.bias.flatten(),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            groups=self.members,
        )[:, :, : self.size_out[0], : self.size_out[1]]
        return stacked(out, self.members) if self.members > 1 else out

    def _columns(self, x: Tensor) -> Tensor:
        """The same as one matrix product: twice as fast on CPUs where there is one output channel."""
        height, width = self.size_out
        # The canvas before cropping; what lies outside the image is folded into a border and left out. A kernel that
        # is shorter than the stride leaves empty lines at the end, which `output_padding` counts.
        extra = [0 if p else e for p, e in zip(self.padding, self.output_padding, strict=True)]
        side = self.weight.shape[-1]
        whole = (
            (x.shape[2] - 1) * self.stride + side + extra[0],
            (x.shape[3] - 1) * self.stride + side + extra[1],
        )
        weight = self.weight.flatten(2).transpose(1, 2)
        if self.members == 1:
            kernel = weight.shape[1]
            wide = weight.squeeze(0) if kernel >= WIDE else F.pad(weight.squeeze(0), (0, 0, 0, WIDE - kernel))
            columns = (wide @ x.flatten(2))[:, :kernel]
        else:
            columns = (weight[:, None] @ x.view(self.members, -1, *x.shape[1:]).flatten(3)).flatten(0, 1)
        canvas = F.fold(columns, whole, side, stride=self.stride)
        top, left = self.padding
        out = canvas[:, :, top : top + height, left : left + width]
        if self.bias is None:
            return out
        bias = self.bias if self.members == 1 else self.bias.repeat_interleave(len(x) // self.members, 0)
        return out + bias[:, :, None, None]


def laid(x: Tensor) -> Tensor:
    """Images as the kernels of convolutions want them: channels last where products are in bfloat16 just now."""
    return x.contiguous(memory_format=torch.channels_last) if torch.is_autocast_enabled(x.device.type) else x


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
