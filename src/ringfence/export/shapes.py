"""Torch's operations on shapes, in ONNX: parts, places and order of values."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from .tracing import Rows, Size, Step
from .writer import Unwritable, Write, Writer, axes_of


def reshaped(to: Writer, name: str, shape: Sequence[Size]) -> str:
    """Reshape; the size that grows, of which there is one, is what is left over."""
    if sum(isinstance(size, Rows) for size in shape) > 1:
        raise Unwritable("view with two sizes that grow")
    return to.graph.add("Reshape", name, to.graph.ints(*(-1 if isinstance(size, Rows) else size for size in shape)))


def _view(to: Writer, step: Step) -> str:
    return reshaped(to, to.value(step.args[0]), step.shape)


def _expand(to: Writer, step: Step) -> str:
    if step.shape == getattr(step.args[0], "shape", None):
        return to.value(step.args[0])
    return to.graph.add("Expand", to.value(step.args[0]), to.sizes(step.shape))


def _repeat(to: Writer, step: Step) -> str:
    x, times = step.args
    name = to.value(x)
    if len(times) > len(x.shape):
        name = to.graph.add("Unsqueeze", name, to.graph.ints(*range(len(times) - len(x.shape))))
    return to.graph.add("Tile", name, to.graph.ints(*times))


def _transpose(to: Writer, step: Step) -> str:
    x, a, b = (*step.args, 0, 1)[:3]
    order = list(range(len(x.shape)))
    order[a], order[b] = order[b], order[a]
    return to.graph.add("Transpose", to.value(x), perm=order)


def _permute(to: Writer, step: Step) -> str:
    return to.graph.add("Transpose", to.value(step.args[0]), perm=axes_of(step.args[1], len(step.shape)))


def _unsqueeze(to: Writer, step: Step) -> str:
    return to.graph.add("Unsqueeze", to.value(step.args[0]), to.graph.ints(step.args[1] % len(step.shape)))


def _concatenated(to: Writer, step: Step) -> str:
    axis = step.args[1] if len(step.args) > 1 else 0
    return to.graph.add("Concat", *(to.value(part, step.dtype) for part in step.args[0]), axis=axis)


def _stacked(to: Writer, step: Step) -> str:
    axis = (step.args[1] if len(step.args) > 1 else 0) % len(step.shape)
    parts = [to.graph.add("Unsqueeze", to.value(part, step.dtype), to.graph.ints(axis)) for part in step.args[0]]
    return to.graph.add("Concat", *parts, axis=axis)


END: Final = 2**63 - 1


def _slice(to: Writer, step: Step) -> str:
    x = step.args[0]
    if step.shape == x.shape:
        return to.value(x)
    defaults: tuple[Any, ...] = (0, None, None, 1)
    axis, start, end, every = (*step.args[1:], *defaults[len(step.args) - 1 :])
    bounds = [to.graph.ints(0 if start is None else start), to.graph.ints(END if end is None else end)]
    return to.graph.add("Slice", to.value(x), *bounds, to.graph.ints(axis % len(x.shape)), to.graph.ints(every))


def _split(to: Writer, step: Step) -> str:
    x, size = step.args[:2]
    axis = step.args[2] if len(step.args) > 2 else 0
    bounds = [to.graph.ints(step.part * size), to.graph.ints((step.part + 1) * size)]
    return to.graph.add("Slice", to.value(x), *bounds, to.graph.ints(axis % len(x.shape)))


def _select(to: Writer, step: Step) -> str:
    x, axis, at = step.args
    return to.graph.add("Gather", to.value(x), to.graph.constant(np.int64(at)), axis=axis % len(x.shape))


def _unbind(to: Writer, step: Step) -> str:
    x, axis = (*step.args, 0)[:2]
    return to.graph.add("Gather", to.value(x), to.graph.constant(np.int64(step.part)), axis=axis % len(x.shape))


def _padded(to: Writer, step: Step) -> str:
    x, pads = step.args[:2]
    fill = step.args[2] if len(step.args) > 2 else 0.0
    rank = len(x.shape)
    before, after = [0] * rank, [0] * rank
    for back in range(len(pads) // 2):  # torch counts axes from the last
        before[rank - 1 - back], after[rank - 1 - back] = pads[2 * back : 2 * back + 2]
    return to.graph.add("Pad", to.value(x), to.graph.ints(*before, *after), to.value(fill, step.dtype))


SHAPES: Final[dict[str, Write]] = {
    "view": _view, "_unsafe_view": _view, "reshape": _view, "expand": _expand, "repeat": _repeat,
    "transpose": _transpose, "t": _transpose, "permute": _permute, "squeeze": _view, "unsqueeze": _unsqueeze,
    "cat": _concatenated, "stack": _stacked, "slice": _slice, "split": _split, "select": _select, "unbind": _unbind,
    "constant_pad_nd": _padded,
}  # fmt: skip
"""By torch's name of each operation."""
