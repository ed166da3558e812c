"""What each of torch's basic operations is in ONNX, and no more than scores need; here sums and look-ups."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from .elementwise import ELEMENTWISE
from .layers import LAYERS
from .shapes import SHAPES
from .tracing import Step
from .writer import Unwritable, Write, Writer, axes_of


def _reduce(op: str) -> Write:
    """Reductions: of what, along which axes, and whether to keep these."""

    def write(to: Writer, step: Step) -> str:
        defaults: tuple[Any, ...] = (None, False)
        x, axes, keep = (*step.args, *defaults[len(step.args) - 1 :])
        return _reduced(to, op, to.value(x, step.dtype), axes_of(axes, len(x.shape)), keep)

    return write


def _reduced(to: Writer, op: str, x: str, axes: Sequence[int], keep: bool) -> str:
    return to.graph.add(op, x, to.graph.ints(*axes), keepdims=int(keep))


NORMS: Final = {1: "ReduceL1", 2: "ReduceL2"}


def _vector_norm(to: Writer, step: Step) -> str:
    x, order, axes, keep = (*step.args, *(2, None, False)[len(step.args) - 1 :])[:4]
    if order not in NORMS:
        raise Unwritable(f"linalg_vector_norm of order {order}")
    return _reduced(to, NORMS[order], to.value(x, step.dtype), axes_of(axes, len(x.shape)), keep)


def _log_sum_exp(to: Writer, step: Step) -> str:
    x, axes = step.args[0], axes_of(step.args[1], len(step.args[0].shape))
    if len(step.args) > 2 and step.args[2]:
        raise Unwritable("logsumexp that keeps its axis")
    given = to.value(x, step.dtype)
    top = _reduced(to, "ReduceMax", given, axes, keep=True)
    rest = _reduced(to, "ReduceSum", to.graph.add("Exp", to.graph.add("Sub", given, top)), axes, keep=False)
    return to.graph.add("Add", to.graph.add("Log", rest), to.graph.add("Squeeze", top, to.graph.ints(*axes)))


def _softmax(to: Writer, step: Step) -> str:
    return to.graph.add("Softmax", to.value(step.args[0], step.dtype), axis=step.args[1])


def _index(to: Writer, step: Step) -> str:
    x, places = step.args
    if len(places) != 1:
        raise Unwritable("index by several tensors")
    return to.graph.add("Gather", to.value(x), to.value(places[0]), axis=0)


def _gather(to: Writer, step: Step) -> str:
    x, axis, places = step.args[:3]
    return to.graph.add("GatherElements", to.value(x), to.value(places), axis=axis)


def _search_sorted(to: Writer, step: Step) -> str:
    """How many of the sorted values are below (or not above) each value: found by halving, which takes no memory."""
    ordered, values = step.args
    if not isinstance(ordered, Tensor) or step.options.keys() - {"right"}:
        raise Unwritable("searchsorted among values that vary")
    length = ordered.shape[-1]
    steps = [2**k for k in reversed(range(length.bit_length()))]
    beyond = ordered.new_full((*ordered.shape[:-1], 2 * steps[0] - 1 - length), torch.inf)
    table = torch.cat([ordered, beyond], -1)
    # Each row of the table begins so far into all of them together.
    begins = torch.arange(ordered.shape[:-1].numel()).reshape(*ordered.shape[:-1], 1) * table.shape[-1]
    begins = begins if ordered.ndim > 1 else torch.zeros((), dtype=torch.int64)
    flat, base, given = to.value(table.flatten()), to.value(begins), to.value(values, ordered.dtype)
    found = to.graph.constant(np.int64(0))
    for size in steps:
        tried = to.graph.add("Add", found, to.graph.constant(np.int64(size)))
        place = to.graph.add("Add", to.graph.add("Sub", tried, to.graph.constant(np.int64(1))), base)
        below = "LessOrEqual" if step.options.get("right") else "Less"
        fits = to.graph.add(below, to.graph.add("Gather", flat, place, axis=0), given)
        found = to.graph.add("Where", fits, tried, found)
    return found


OPERATIONS: Final[dict[str, Write]] = {
    **ELEMENTWISE, **SHAPES, **LAYERS,
    "sum": _reduce("ReduceSum"), "mean": _reduce("ReduceMean"), "amax": _reduce("ReduceMax"),
    "linalg_vector_norm": _vector_norm, "logsumexp": _log_sum_exp, "_softmax": _softmax,
    "index": _index, "gather": _gather, "searchsorted": _search_sorted,
}  # fmt: skip
"""By torch's name of each operation."""


def write(to: Writer, step: Step) -> None:
    """Write one step; raises `Unwritable`."""
    if step.op not in OPERATIONS:
        raise Unwritable(step.op)
    to.names[step.name] = OPERATIONS[step.op](to, step)
