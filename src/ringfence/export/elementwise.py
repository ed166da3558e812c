"""Torch's operations on single values, in ONNX."""

from typing import Any, Final

import torch
from torch import Tensor

from .tracing import Ref, Step
from .writer import Unwritable, Write, Writer


def _same(to: Writer, step: Step) -> str:
    """What changes a tensor's place in memory and not its values, but perhaps their type."""
    return to.value(step.args[0], step.dtype)


def _unary(op: str) -> Write:
    return lambda to, step: to.graph.add(op, to.value(step.args[0], step.dtype))


def _binary(op: str) -> Write:
    """Both in the type of the result."""

    def write(to: Writer, step: Step) -> str:
        if len(step.args) > 2 or step.options:
            raise Unwritable(f"{step.op} with a weight")
        return to.graph.add(op, *(to.value(given, step.dtype) for given in step.args))

    return write


def _compare(op: str) -> Write:
    """Comparisons: both in the type that torch compares in."""

    def write(to: Writer, step: Step) -> str:
        a, b = step.args[:2]
        kind = _common(a, b)
        return to.graph.add(op, to.value(a, kind), to.value(b, kind))

    return write


def _common(a: Any, b: Any) -> torch.dtype:
    dtypes = [t.dtype for t in (a, b) if isinstance(t, Ref | Tensor)]
    return dtypes[0] if len(dtypes) == 1 else torch.promote_types(*dtypes)


def _rsub(to: Writer, step: Step) -> str:
    b, a = step.args
    return to.graph.add("Sub", to.value(a, step.dtype), to.value(b, step.dtype))


def _power(to: Writer, step: Step) -> str:
    base, exponent = to.value(step.args[0], step.dtype), step.args[1]
    if exponent == 2:
        return to.graph.add("Mul", base, base)
    return to.graph.add("Pow", base, to.value(exponent, step.dtype))


def _leaky(to: Writer, step: Step) -> str:
    slope = step.args[1] if len(step.args) > 1 else 0.01
    return to.graph.add("LeakyRelu", to.value(step.args[0]), alpha=float(slope))


def _softplus(to: Writer, step: Step) -> str:
    if tuple(step.args[1:2]) not in ((), (1,), (1.0,)):
        raise Unwritable("softplus with another beta")
    return to.graph.add("Softplus", to.value(step.args[0]))


def _expm1(to: Writer, step: Step) -> str:
    x = to.value(step.args[0], step.dtype)
    # e^x − 1 = 2 e^(x/2) sinh(x/2) keeps its digits near 0.
    half = to.graph.add("Mul", x, to.value(0.5, step.dtype))
    sinh = to.graph.add("Sinh", half)
    return to.graph.add("Mul", to.graph.add("Mul", to.graph.add("Exp", half), sinh), to.value(2.0, step.dtype))


def _sigmoid(to: Writer, step: Step) -> str:
    x = to.value(step.args[0], step.dtype)
    if step.dtype is not torch.float64:
        return to.graph.add("Sigmoid", x)
    # ONNX Runtime's own is 0 from −37 on, where a float64 still tells rows apart that a discriminator is sure of.
    above = to.graph.add("Exp", to.graph.add("Neg", x))
    return to.graph.add("Reciprocal", to.graph.add("Add", to.value(1.0, step.dtype), above))


def _log1p(to: Writer, step: Step) -> str:
    one_more = to.graph.add("Add", to.value(step.args[0], step.dtype), to.value(1.0, step.dtype))
    return to.graph.add("Log", one_more)


def _clamp(to: Writer, step: Step) -> str:
    low, high = (*step.args[1:], None, None)[:2]
    return _clipped(to, step, step.options.get("min", low), step.options.get("max", high))


def _clipped(to: Writer, step: Step, low: Any, high: Any) -> str:
    bounds = ["" if bound is None else to.value(bound, step.dtype) for bound in (low, high)]
    return to.graph.add("Clip", to.value(step.args[0], step.dtype), *bounds)


def _where(to: Writer, step: Step) -> str:
    chosen, a, b = step.args
    return to.graph.add("Where", to.value(chosen), to.value(a, step.dtype), to.value(b, step.dtype))


ELEMENTWISE: Final[dict[str, Write]] = {
    "clone": _same, "detach": _same, "alias": _same, "contiguous": _same, "_to_copy": _same,
    "abs": _unary("Abs"), "neg": _unary("Neg"), "exp": _unary("Exp"), "log": _unary("Log"), "sqrt": _unary("Sqrt"),
    "tanh": _unary("Tanh"), "sigmoid": _sigmoid, "relu": _unary("Relu"),
    "expm1": _expm1, "log1p": _log1p, "softplus": _softplus, "leaky_relu": _leaky,
    "add": _binary("Add"), "sub": _binary("Sub"), "mul": _binary("Mul"), "div": _binary("Div"), "rsub": _rsub,
    "pow": _power, "gt": _compare("Greater"), "lt": _compare("Less"), "ge": _compare("GreaterOrEqual"),
    "le": _compare("LessOrEqual"), "eq": _compare("Equal"), "where": _where, "clamp": _clamp,
    "clamp_min": lambda to, step: _clipped(to, step, step.args[1], None),
    "clamp_max": lambda to, step: _clipped(to, step, None, step.args[1]),
}  # fmt: skip
"""By torch's name of each operation."""
