"""Products of layers that hold still, forward and back, each with its bias and activation in place; see `still`.

Images have their channels innermost, as CPUs multiply them fastest; dense layers before and after have their weights in
that order, so that nothing is laid out anew between them. A product keeps its memory from pass to pass, also what it
gives: the next pass writes over it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import onednn
from .layers import WIDE, LeakyReLU, ReLU
from .rows import Shape

_aten = torch.ops.aten
# Called hundreds of times a second: the overload is looked up once.
_relu_slope, _leaky_slope = _aten.threshold_backward.grad_input, _aten.leaky_relu_backward.grad_input
_tanh_slope, _sigmoid_slope = _aten.tanh_backward.grad_input, _aten.sigmoid_backward.grad_input


class Still(ABC):
    """A map of rows, (n, …) → (n, …), and its slopes."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map rows."""

    @abstractmethod
    def back(self, slope: Tensor) -> Tensor:
        """From slopes of a loss at what came out, (n, …), make those at what went in."""


@dataclass(frozen=True)
class Activation:
    """A function of each value, in place, and its slope by what came out.

    `fused` is its name and numbers where oneDNN can apply it on a product's way to memory. It can ReLU too, but makes
    0 of NaN, which a diverged network is known by.
    """

    apply: Callable[[Tensor], object]
    back: Callable[[Tensor, Tensor], object]
    fused: tuple[str, tuple[float, ...]] | None = None


def _leaky(layer: nn.Module) -> Activation | None:
    assert isinstance(layer, LeakyReLU)
    steep = layer.slope
    if steep < 0:
        return None  # what came out does not tell the side that it came from
    return Activation(
        lambda x: F.leaky_relu(x, steep, inplace=True),
        lambda g, y: _leaky_slope(g, y, steep, True, grad_input=g),
        ("leaky_relu", (steep,)) if steep else None,
    )


_ACTIVATIONS: dict[type[nn.Module], Callable[[nn.Module], Activation | None]] = {
    ReLU: lambda layer: Activation(torch.relu_, lambda g, y: _relu_slope(g, y, 0.0, grad_input=g)),
    LeakyReLU: _leaky,
    nn.Tanh: lambda layer: Activation(torch.tanh_, lambda g, y: _tanh_slope(g, y, grad_input=g), ("tanh", ())),
    nn.Sigmoid: lambda layer: Activation(
        torch.sigmoid_, lambda g, y: _sigmoid_slope(g, y, grad_input=g), ("sigmoid", ())
    ),
}


def in_place(layer: nn.Module) -> Activation | None:
    """A layer as an activation, None for one that is none or whose slope takes more than what came out."""
    known = _ACTIVATIONS.get(type(layer))
    return known(layer) if known else None


class Product(Still, ABC):
    """A layer's product and bias, then an activation."""

    bias: Tensor | None
    activation: Activation | None = None
    activated = False
    """Whether `product` applies the activation too."""

    @abstractmethod
    def scale(self, factor: Tensor, shift: Tensor) -> None:
        """Multiply and shift what comes out, by channel."""

    @abstractmethod
    def product(self, x: Tensor) -> Tensor:
        """What comes out before the activation."""

    @abstractmethod
    def product_back(self, slope: Tensor) -> Tensor:
        """Slopes at what went in, from those there."""

    def forward(self, x: Tensor) -> Tensor:
        """Product, then activation."""
        self._out = self.product(x)
        if self.activation and not self.activated:
            self.activation.apply(self._out)
        return self._out

    def back(self, slope: Tensor) -> Tensor:
        """Activation, then product."""
        if self.activation:
            self.activation.back(slope, self._out)
        return self.product_back(slope)

    def _shift(self, factor: Tensor, shift: Tensor) -> None:
        self.bias = shift if self.bias is None else self.bias * factor + shift


def as_rows(x: Tensor) -> Tensor:
    """Images as rows, channels innermost, as the products of images leave them; no copy where they do."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1) if x.ndim == 4 else x


def _inner(weight: Tensor, shape: Shape) -> Tensor:
    """Order a weight's rows, (c·h·w, …), as images' values lie with channels innermost."""
    return weight.view(*shape, -1).permute(1, 2, 0, 3).reshape(weight.shape)


class Scratch:
    """Memory that several layers use in turn; small enough to stay near the processor."""

    def __init__(self, width: int) -> None:
        self.width, self._kept = width, torch.empty(0)

    def rows(self, count: int, width: int, like: Tensor) -> Tensor:
        """Lend (count, width) of it, with whatever it holds."""
        if len(self._kept) < count * self.width:
            self._kept = like.new_empty(count * self.width)
        return self._kept[: count * width].view(count, width)


class Dense(Product):
    """A dense layer; rows or images may go in, and come out.

    What comes out is kept for the way back; slopes are not, and lie in scratch memory if there is some. Where oneDNN's
    kernels are worth it they do the work, and memory is theirs.
    """

    scratch: Scratch | None = None

    def __init__(self, weight: Tensor, bias: Tensor | None, shape: Shape, opened: Shape) -> None:
        self.weight, self.bias = weight.t().clone(), bias
        self.shape, self.opened = shape, opened
        self._made: Tensor | None = None

    def scale(self, factor: Tensor, shift: Tensor) -> None:
        """As in `Product`; images have one factor for a channel."""
        values = self.weight.shape[1] // len(factor)
        factor, shift = factor.repeat_interleave(values), shift.repeat_interleave(values)
        self.weight = self.weight * factor
        self._shift(factor, shift)

    def laid(self) -> tuple[Tensor, Tensor | None]:
        """Weight, (in, out), and bias in the order that values of images lie in."""
        weight, bias = self.weight, self.bias
        if len(self.shape) == 3:
            weight = _inner(weight, self.shape)
        if len(self.opened) == 3:
            weight = _inner(weight.t(), self.opened).t()
            bias = None if bias is None else _inner(bias[:, None], self.opened)[:, 0]
        return weight, bias

    def settle(self, rows: int) -> None:
        """Lay out weights and memory, once it is known how many rows come at a time."""
        weight, bias = self.laid()
        self._quick = onednn.worth(rows, weight)
        fused = self.activation.fused if self.activation and self._quick else None
        self.activated, self._fused = fused is not None, fused or onednn.NOTHING
        if self._quick:
            self._forth, self._back, self._bias = weight.t().contiguous(), weight.contiguous(), bias
            self._made = weight.new_empty(rows, 0)
            return
        # With few outputs a row's bits hang on its place unless they are a multiple of 4 (`layers.WIDE`).
        self._more = -weight.shape[1] % 4 if min(weight.shape) < WIDE else 0
        self._forth = F.pad(weight, (0, self._more)).contiguous()
        self._back = self._forth.t()
        self._bias = bias
        self._made = weight.new_empty(rows, self._forth.shape[1])
        scratch = self.scratch or Scratch(len(weight))
        self._slope = scratch.rows(rows, len(weight), weight)

    def product(self, x: Tensor) -> Tensor:
        """One product."""
        if self._made is None or len(self._made) != len(x):
            self.settle(len(x))
        if self._quick:
            return as_images(onednn.linear(as_rows(x), self._forth, self._bias, self._fused), self.opened)
        made = torch.mm(as_rows(x), self._forth, out=self._made)
        made = made[:, : made.shape[1] - self._more] if self._more else made
        return as_images(made if self._bias is None else made.add_(self._bias), self.opened)

    def product_back(self, slope: Tensor) -> Tensor:
        """One product."""
        given = as_rows(slope)
        if self._quick:
            return as_images(onednn.linear(given, self._back, None), self.shape)
        given = F.pad(given, (0, self._more)) if self._more else given
        return as_images(torch.mm(given, self._back, out=self._slope), self.shape)


def as_images(rows: Tensor, shape: Shape) -> Tensor:
    """Rows as images where they are some, channels innermost."""
    if len(shape) == 1:
        return rows
    channels, height, width = shape
    return rows.view(-1, height, width, channels).permute(0, 3, 1, 2)
