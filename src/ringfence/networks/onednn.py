"""Dense layers of oneDNN with bias and activation in one kernel, where this build of PyTorch has it.

PyTorch's own dense layer takes its products from MKL and goes over what comes out once for the bias and once for the
activation. The kernels here are no public part of PyTorch: they are taken where they do what is expected of them.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Activated = tuple[str, tuple[float, ...]]
"""An activation by the kernels' name for it, and its numbers."""

NOTHING: Activated = ("none", ())
"""The activation of a kernel that applies none."""

ENOUGH = 2**20
"""Products of two numbers that a layer must have: a call costs as much as half of them take."""


@cache
def kernels() -> tuple[Callable[..., Tensor], Callable[..., Tensor]] | None:
    """Dense layers, with an activation and with something to add; None where this PyTorch has none."""
    try:
        found = torch.ops.mkldnn._linear_pointwise
        with torch.no_grad():
            one = torch.ones(1, 1, dtype=torch.float32, device="cpu")  # whatever is the default just now
            made = found.default(-one, one, None, "leaky_relu", [0.5], ""), found.binary(one, one, one, None, "add")
    except (AttributeError, RuntimeError):
        return None
    return (found.default, found.binary) if [float(m) for m in made] == [-0.5, 2.0] else None


def worth(rows: int, weight: Tensor) -> bool:
    """Whether a layer of (out, in) weights on so many rows is there and worth its call."""
    plain = weight.dtype is torch.float32 and weight.device.type == "cpu"
    return plain and rows * weight.numel() >= ENOUGH and kernels() is not None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, activated: Activated = NOTHING) -> Tensor:
    """The activation of x Wᵀ + b, for weights (out, in), in memory of its own; where it is `worth` it."""
    found = kernels()
    assert found is not None
    return found[0](x, weight, bias, *activated, "")


def added(x: Tensor, given: Tensor, weight: Tensor) -> Tensor:
    """X Wᵀ + what is given, (n, out); where it is `worth` it."""
    found = kernels()
    assert found is not None
    return found[1](x, given, weight, None, "add")


def each(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """X Wᵀ + b for each member: (k, b, in) by (k, out, in) and (k, out) → (k, b, out); where each is `worth` it."""
    made = x.new_empty(*x.shape[:2], weight.shape[1])
    for at, member in enumerate(made):
        # One after the other: what the kernel gives is still near the processor, and its memory serves the next.
        member.copy_(linear(x[at], weight[at], None if bias is None else bias[at]))
    return made
