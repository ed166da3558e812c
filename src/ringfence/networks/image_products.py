"""Products of convolutions that hold still, forward and back; see `products`."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .convolutions import ConvTranspose2d
from .layers import WIDE
from .products import Product
from .rows import Shape


def _laid(x: Tensor) -> Tensor:
    """Lay images or weights with channels innermost, by their strides too where there is one channel.

    Convolutions go by them, and what comes out is laid alike.
    """
    _, channels, height, width = x.shape
    strides = (height * width * channels, 1, width * channels, channels)
    return x.contiguous(memory_format=torch.channels_last).as_strided(x.shape, strides)


class Convolution(Product):
    """A convolution of images whose channels lie innermost; `padding` is (left, right, top, bottom)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, stride: int, padding: Sequence[int], shape: Shape) -> None:
        self.weight, self.bias, self.stride = weight, bias, stride
        left, right, top, bottom = self.padding = tuple(padding)
        self.even = left == right and top == bottom
        self.inside = (top, left) if self.even else (0, 0)
        size = shape[1:] if self.even else (shape[1] + top + bottom, shape[2] + left + right)
        kernel = weight.shape[2:]
        # Lines at the end that no window reaches have no slope.
        self.rest = [(s + 2 * p - k) % stride for s, p, k in zip(size, self.inside, kernel, strict=True)]

    def scale(self, factor: Tensor, shift: Tensor) -> None:
        """As in `Product`."""
        self.weight = self.weight * factor[:, None, None, None]
        self._shift(factor, shift)

    def product(self, x: Tensor) -> Tensor:
        """The convolution."""
        x = _laid(x if self.even else F.pad(x, self.padding))
        self.weight = _laid(self.weight)
        return F.conv2d(x, self.weight, self.bias, self.stride, self.inside)

    def product_back(self, slope: Tensor) -> Tensor:
        """The convolution transposed."""
        found = spread(slope, self.weight, None, self.stride, self.inside, self.rest)
        if self.even:
            return found
        left, right, top, bottom = self.padding
        return found[:, :, top : found.shape[2] - bottom, left : found.shape[3] - right]


class Transposed(Product):
    """A transposed convolution to images of a stated height and width."""

    def __init__(self, weight: Tensor, bias: Tensor | None, layer: ConvTranspose2d) -> None:
        self.weight, self.bias, self.stride, self.size = weight, bias, layer.stride, layer.size_out
        self.padding, self.rest = layer.padding, layer.output_padding

    def scale(self, factor: Tensor, shift: Tensor) -> None:
        """As in `Product`."""
        self.weight = self.weight * factor[:, None, None]
        self._shift(factor, shift)

    def product(self, x: Tensor) -> Tensor:
        """The convolution transposed, cropped."""
        self.weight = _laid(self.weight)
        made = spread(x, self.weight, self.bias, self.stride, self.padding, self.rest)
        self._whole = made.shape[2:]
        return made[:, :, : self.size[0], : self.size[1]]

    def product_back(self, slope: Tensor) -> Tensor:
        """The convolution, of slopes that are 0 where it was cropped."""
        height, width = self._whole
        cropped = (0, width - self.size[1], 0, height - self.size[0])
        slope = _laid(F.pad(slope, cropped) if any(cropped) else slope)
        return F.conv2d(slope, self.weight, None, self.stride, self.padding)


def spread(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: Sequence[int], rest: Sequence[int]
) -> Tensor:
    """Transposed convolution, (n, c, h, w) and (c, o, k, k) → (n, o, h', w'), with `rest` more lines at the end.

    To a single channel it is a matrix product whose results are added up where they fall: times faster on CPUs.
    """
    if weight.shape[1] > 1:
        return F.conv_transpose2d(_laid(x), weight, bias, stride, padding, rest)
    kernel = weight.shape[2:]
    height, width = (
        (s - 1) * stride + k - 2 * p + r for s, k, p, r in zip(x.shape[2:], kernel, padding, rest, strict=True)
    )
    flat = weight.flatten(1)
    values = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]) @ F.pad(flat, (0, max(WIDE - flat.shape[1], 0)))
    windows = values[:, : flat.shape[1]].view(len(x), -1, weight[0].numel()).transpose(1, 2)
    made = F.fold(windows, (height, width), (kernel[0], kernel[1]), padding=(padding[0], padding[1]), stride=stride)
    return made if bias is None else made.add_(bias)
