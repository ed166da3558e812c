"""Torch's operations of layers, in ONNX: products, convolutions, norms, pools."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from .shapes import reshaped
from .tracing import Step
from .writer import Unwritable, Write, Writer


def _addmm(to: Writer, step: Step) -> str:
    if step.options:
        raise Unwritable("addmm with weights")
    bias, x, weight = (to.value(given) for given in step.args)
    return to.graph.add("Gemm", x, weight, bias)


def _product(to: Writer, step: Step) -> str:
    return to.graph.add("MatMul", *(to.value(given) for given in step.args))


def _baddbmm(to: Writer, step: Step) -> str:
    if step.options:
        raise Unwritable("baddbmm with weights")
    bias, x, weight = (to.value(given) for given in step.args)
    return to.graph.add("Add", to.graph.add("MatMul", x, weight), bias)


def _convolution(to: Writer, step: Step) -> str:
    x, weight, bias, stride, padding, dilation, transposed, surplus, groups = step.args
    inputs = [to.value(x), to.value(weight), *([] if bias is None else [to.value(bias)])]
    options = {"strides": stride, "pads": (*padding, *padding), "dilations": dilation, "group": groups}
    if transposed:
        return to.graph.add("ConvTranspose", *inputs, output_padding=surplus, **options)
    return to.graph.add("Conv", *inputs, **options)


def _windows(channels: int, height: int, width: int) -> NDArray[np.float32]:
    """Kernels that pick each pixel of a window of each channel, (channels · height · width, 1, height, width)."""
    one = np.eye(height * width, dtype=np.float32).reshape(-1, 1, height, width)
    return np.tile(one, (channels, 1, 1, 1))


def _im2col(to: Writer, step: Step) -> str:
    x, kernel, dilation, padding, stride = step.args
    channels = x.shape[1]
    picked = to.graph.add(
        "Conv", to.value(x), to.graph.constant(_windows(channels, *kernel)),
        strides=stride, pads=(*padding, *padding), dilations=dilation, group=channels,
    )  # fmt: skip
    return reshaped(to, picked, step.shape)


def _col2im(to: Writer, step: Step) -> str:
    x, size, kernel, dilation, padding, stride = step.args
    return to.graph.add(
        "Col2Im", to.value(x), to.graph.ints(*size), to.graph.ints(*kernel),
        dilations=dilation, pads=(*padding, *padding), strides=stride,
    )  # fmt: skip


def _batch_norm(to: Writer, step: Step) -> str:
    x, weight, bias, mean, variance, training, _, eps = step.args
    if training or step.part:
        raise Unwritable("native_batch_norm of a batch")
    ones, zeros = torch.ones_like(mean), torch.zeros_like(mean)
    scale, shift = (ones if weight is None else weight), (zeros if bias is None else bias)
    return to.graph.add("BatchNormalization", *(to.value(v) for v in (x, scale, shift, mean, variance)), epsilon=eps)


def _pooled(to: Writer, step: Step) -> str:
    x, kernel = step.args[:2]
    stride = step.args[2] if len(step.args) > 2 and step.args[2] else kernel
    if len(step.args) > 3:
        raise Unwritable("avg_pool2d with padding")
    return to.graph.add("AveragePool", to.value(x), kernel_shape=_pair(kernel), strides=_pair(stride))


def _largest(to: Writer, step: Step) -> str:
    x, kernel = step.args[:2]
    stride = step.args[2] if len(step.args) > 2 and step.args[2] else kernel
    if len(step.args) > 3 or step.part:
        raise Unwritable("max_pool2d with padding or places")
    return to.graph.add("MaxPool", to.value(x), kernel_shape=_pair(kernel), strides=_pair(stride))


def _pair(given: Sequence[int]) -> list[int]:
    return [given[0], given[-1]]


LAYERS: Final[dict[str, Write]] = {
    "addmm": _addmm, "mm": _product, "bmm": _product, "baddbmm": _baddbmm, "convolution": _convolution,
    "im2col": _im2col, "col2im": _col2im, "native_batch_norm": _batch_norm, "avg_pool2d": _pooled,
    "max_pool2d_with_indices": _largest,
}  # fmt: skip
"""By torch's name of each operation."""
