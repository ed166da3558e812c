"""The layers that one row of a layer table describes."""

import math
from collections.abc import Callable
from dataclasses import replace

from torch import nn

from ..exceptions import InvalidParameter
from .axis import INITIALISERS
from .convolutions import Conv2d, ConvTranspose2d
from .dropout import Dropout, Noise
from .layers import Fresh, Linear, MaxPool, Reshape, leave
from .residual import residual
from .rows import ACTIVATIONS, NORMS, WEIGHTLESS, Maker, Row, Shape


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same" padding (before, after) for one axis; the output has ceil(size / stride) values."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _dense(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    target = row.units if isinstance(row.units, tuple) else (row.units,)
    if row.init == "identity" and math.prod(target) != math.prod(shape):
        raise InvalidParameter(
            f"layer table: init='identity': {math.prod(shape)} values in and {math.prod(target)} out: no square weight "
            "(is this preset for another data set?)"
        )
    flat = [Reshape((-1,))] if len(shape) > 1 else []
    linear = Linear(
        math.prod(shape), math.prod(target),
        bias=row.bias, init=make.init, rngs=make.rngs, norm=row.normaliser,
    )  # fmt: skip
    # An image is opened before its normalisation, which then runs over channels: one mean for each of them.
    opened = [Reshape(target)] if len(target) > 1 else []
    return [*flat, linear, *opened], target


def _conv(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    channels, height, width = _image(row, shape)
    same = row.pad == "same"
    if not same and min(height, width) < row.kernel:
        raise InvalidParameter(
            f"layer table: kernel={row.kernel}: pad='valid' needs images as large, got {shape} "
            "(is this preset for another data set?)"
        )
    top, bottom = same_padding(height, row.kernel, row.stride) if same else (0, 0)
    left, right = same_padding(width, row.kernel, row.stride) if same else (0, 0)
    layer = Conv2d(
        channels, _units(row), row.kernel, row.stride, (left, right, top, bottom),
        bias=row.bias, init=make.init, rngs=make.rngs, norm=row.normaliser,
    )  # fmt: skip
    after = [(n + a + b - row.kernel) // row.stride + 1 for n, a, b in ((height, top, bottom), (width, left, right))]
    return [layer], (_units(row), *after)


def _conv_transpose(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    channels, height, width = _image(row, shape)
    whole = row.kernel - row.stride if row.pad == "valid" else 0
    size = row.size or (height * row.stride + whole, width * row.stride + whole)
    layer = ConvTranspose2d(
        channels, _units(row), row.kernel, row.stride, (height, width), size,
        bias=row.bias, init=make.init, rngs=make.rngs,
    )  # fmt: skip
    return [layer], (_units(row), *size)


def _residual(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    own = INITIALISERS[row.init] if row.init else make.init
    return residual(replace(row, units=_units(row)), _image(row, shape), make, own)


def _reshape(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    target = row.units if isinstance(row.units, tuple) else (row.units,)
    if math.prod(target) != math.prod(shape):
        raise InvalidParameter(
            f"layer table: units={list(target)}: a reshape row keeps all values, here {math.prod(shape)} as {shape} "
            "(is this preset for another data set?)"
        )
    return [Reshape(target)], target


def _nothing(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    return [], shape


OPERATIONS: dict[str, Callable[[Row, Shape, Maker], tuple[list[nn.Module], Shape]]] = {
    "dense": _dense,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "residual": _residual,
    "reshape": _reshape,
    "norm": _nothing,
}


def _units(row: Row) -> int:
    if isinstance(row.units, tuple):
        raise InvalidParameter(f"layer table: `units` of a {row.op} row is one number, got {list(row.units)}")
    return row.units


def _image(row: Row, shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise InvalidParameter(f"layer table: a {row.op} row needs an image (channels, height, width), got {shape}")
    channels, height, width = shape
    return channels, height, width


def block(row: Row, shape: Shape, make: Maker) -> tuple[list[nn.Module], Shape]:
    """One row as modules, for inputs of `shape` (without the row axis), and the shape that it gives."""
    # A residual row draws the weights of the way past as the network does.
    drawn = make if not row.init or row.op == "residual" else replace(make, init=INITIALISERS[row.init])
    layers, after = OPERATIONS[row.op](row, shape, drawn)
    layers = [*([Noise(row.noise)] if row.noise else []), *layers]
    if row.op != "residual":  # which has its own inside
        norm, activation = NORMS[row.norm], ACTIVATIONS[row.act]
        tail = [norm(after[0], len(make.rngs))] if norm else []
        tail += [activation(row.slope)] if activation else []
        # Without weights of its own a row may stand on what the network was given.
        layers += [Fresh()] if row.op in WEIGHTLESS and activation else []
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
