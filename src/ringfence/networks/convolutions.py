"""Convolutions with a member axis (see `ringfence.networks.layers`): members lie side by side as channel groups."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .axis import Initialiser, beside, drawn, stacked
from .layers import WIDE, affine
from .normalisation import Normaliser


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
