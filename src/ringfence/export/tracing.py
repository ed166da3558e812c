"""A score as a list of torch's basic operations, in which the number of rows is known from all other numbers.

The function runs on two rows and on three; what differs between the two lists is the number of rows. Whatever does not
depend on the rows (weights, statistics, a spectral norm, a Cholesky factor) is a constant, and what does not lead to
the results (other parts of the score) is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from ..exceptions import ExportFailed

FEW, MORE = 2, 3
"""Rows of the two runs."""


@dataclass(frozen=True)
class Rows:
    """A size that is `each` times the number of rows."""

    each: int


Size = int | Rows


@dataclass(frozen=True)
class Ref:
    """What an earlier step gave, the `item`-th of several values or all of it."""

    name: str
    dtype: torch.dtype
    shape: tuple[Size, ...]


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes
    ----------
    op
        As torch calls it, without overload: "mul", "convolution".
    args, options
        Tensors that depend on the rows are a `Ref`, others are tensors.
    shape, dtype
        Of the result, or of its first tensor if it is several.
    part
        Which of several results is asked for, if the operation has several.
    """

    name: str
    op: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[Size, ...]
    dtype: torch.dtype
    part: int = 0


@dataclass(frozen=True)
class Trace:
    """Steps in order, the name of the rows, and the results by name: a `Ref` each."""

    steps: tuple[Step, ...]
    rows: str
    results: dict[str, Ref]


class _Recorder(fx.Interpreter):
    """Runs a graph and keeps the value of every node."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.values: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Keep what the node gives."""
        found = super().run_node(n)
        self.values[n.name] = found
        return found


def trace(fn: Callable[[Tensor], dict[str, Tensor]], rows: Tensor) -> Trace:
    """List what a function of rows does.

    Parameters
    ----------
    fn
        (n, …) → values by name, (n,) each; a function of each row alone.
    rows
        At least three.

    Raises
    ------
    ExportFailed
        When what it does depends on the number of rows in another way than a size does.
    """
    from torch.fx.experimental.proxy_tensor import make_fx  # as slow to import as the rest of the package

    runs = []
    with torch.no_grad():
        for count in (FEW, MORE):
            graph = make_fx(fn)(rows[:count])
            recorder = _Recorder(graph)
            recorder.run(rows[:count])
            runs.append((list(graph.graph.nodes), recorder.values))
    (few, values), (more, others) = runs
    if [(n.op, n.target) for n in few] != [(n.op, n.target) for n in more]:
        raise ExportFailed("the score of a row is computed in another way for another number of rows")
    return _Reader(few, more, values, others).read()


class _Reader:
    """Reads two graphs side by side."""

    def __init__(
        self, few: Sequence[fx.Node], more: Sequence[fx.Node], values: dict[str, Any], others: dict[str, Any]
    ) -> None:
        self.few, self.values, self.others = few, values, others
        self.twin = {n.name: m for n, m in zip(few, more, strict=True)}
        self.known: dict[str, Any] = {}

    def read(self) -> Trace:
        wanted = self._wanted()
        steps: list[Step] = []
        moving: set[str] = set()
        for node in self.few:
            if node.name not in wanted or node.op == "output":
                continue
            if node.op == "placeholder":
                moving.add(node.name)
                self.known[node.name] = self._ref(node.name)
            elif any(n.name in moving for n in node.all_input_nodes) or self._sized(node.name):
                moving.add(node.name)
                if node.op == "call_function" and getattr(node.target, "__name__", "") == "getitem":
                    steps.append(self._part(node))
                elif isinstance(self.values[node.name], Tensor):
                    steps.append(self._step(node))
                self.known[node.name] = self._ref(node.name)
                if _in_place(node):
                    # What was changed is the result from here on.
                    self.known[node.all_input_nodes[0].name] = self.known[node.name]
            else:
                self.known[node.name] = self.values[node.name]
        names = self.few[-1].args[0]
        assert isinstance(names, dict)
        return Trace(tuple(steps), self.few[0].name, {str(k): self.known[n.name] for k, n in names.items()})

    def _wanted(self) -> set[str]:
        """Names of the nodes that lead to the results."""
        found, waiting = set(), [self.few[-1]]
        while waiting:
            node = waiting.pop()
            if node.name not in found:
                found.add(node.name)
                waiting += node.all_input_nodes
        return found

    def _sized(self, name: str) -> bool:
        """Whether a value has the number of rows in its shape."""
        value, other = self.values[name], self.others[self.twin[name].name]
        return isinstance(value, Tensor) and value.shape != other.shape

    def _shape(self, name: str) -> tuple[Size, ...]:
        value, other = self.values[name], self.others[self.twin[name].name]
        return tuple(_size(a, b) for a, b in zip(value.shape, other.shape, strict=True))

    def _ref(self, name: str) -> Any:
        value = self.values[name]
        return Ref(name, value.dtype, self._shape(name)) if isinstance(value, Tensor) else None

    def _step(self, node: fx.Node, name: str | None = None, part: int = 0) -> Step:
        op = _operation(node).removesuffix("_")
        own = name or node.name
        args = tuple(self._given(a, b) for a, b in zip(node.args, self.twin[node.name].args, strict=True))
        options = {k: self._given(v, self.twin[node.name].kwargs[k]) for k, v in node.kwargs.items()}
        return Step(own, op, args, options, self._shape(own), self.values[own].dtype, part)

    def _part(self, node: fx.Node) -> Step:
        source, part = node.args
        assert isinstance(source, fx.Node)
        assert isinstance(part, int)
        return self._step(source, node.name, part)

    def _given(self, value: Any, other: Any) -> Any:
        """An argument as a step holds it; sizes that grow with the rows are read from the results' shapes instead."""
        if isinstance(value, fx.Node):
            return self.known[value.name]
        if isinstance(value, list | tuple):
            return tuple(self._given(a, b) for a, b in zip(value, other, strict=True))
        return value if value == other or not isinstance(value, int) else _size(value, other)


def _operation(node: fx.Node) -> str:
    """Torch's name of what a node does: "mul" of "aten.mul.Tensor"."""
    words = str(node.target).split(".")
    return words[1] if len(words) > 1 else words[0]


def _in_place(node: fx.Node) -> bool:
    return node.op == "call_function" and _operation(node).endswith("_")


def _size(few: int, more: int) -> Size:
    if few == more:
        return few
    each, rest = divmod(few, FEW)
    if rest or more != each * MORE:
        raise ExportFailed(f"a size of {few} for {FEW} rows and {more} for {MORE} is no multiple of their number")
    return Rows(each)
