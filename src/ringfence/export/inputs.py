"""What a graph takes: rows as one array, or a value of each column; the codes of columns are nodes in front of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..columns import READ, CategoryCode, Code, Columns, DateCode, NumberCode
from ..exceptions import ExportFailed
from ..frame import Frame
from ..kinds import FALSE, TRUE, as_dates, as_numbers
from ..lazy import LazyRows
from ..preprocess import Preprocess
from .graph import Graph

Feeds = dict[str, NDArray[Any]]

ROWS: Final = "rows"
RESULTS: Final = ("score", "anomaly")
NO_DATE: Final = int(np.datetime64("NaT", "us").astype(np.int64))
DAY: Final = 86_400_000_000
"""Microseconds."""


class Inputs(ABC):
    """Inputs of a graph; `dtype` is that of the rows which it makes of them."""

    @property
    def dtype(self) -> Any:
        """float64, as counts of millions do not fit float32."""
        return np.float64

    @abstractmethod
    def write(self, graph: Graph) -> str:
        """Add the inputs, and the nodes that make of them the rows that are scaled; return the name of those."""

    @abstractmethod
    def feeds(self, rows: Any) -> Feeds:
        """Return what to hand ONNX Runtime for rows as the detector received them."""

    @abstractmethod
    def facts(self) -> list[dict[str, Any]]:
        """Say what each input is, as JSON can hold it."""


@dataclass(frozen=True)
class Array(Inputs):
    """Rows as one array."""

    fitted: Preprocess

    @property
    def dtype(self) -> Any:
        """Float32 for pictures, float64 for tables."""
        return np.float64 if len(self.fitted.given) == 1 else np.float32

    def write(self, graph: Graph) -> str:  # noqa: D102
        return graph.input(ROWS, self.dtype, ("n", *self.fitted.given))

    def feeds(self, rows: Any) -> Feeds:  # noqa: D102
        held = rows.read(np.arange(len(rows))) if isinstance(rows, LazyRows) else rows
        return {ROWS: np.ascontiguousarray(held, self.dtype)}

    def facts(self) -> list[dict[str, Any]]:  # noqa: D102
        shape = ["n", *self.fitted.given]
        return [{"name": ROWS, "type": np.dtype(self.dtype).name, "shape": shape}]


@dataclass(frozen=True)
class Numbers(Inputs):
    """Rows of numbers with gaps (NaN) as one array."""

    codes: tuple[NumberCode, ...]

    def write(self, graph: Graph) -> str:  # noqa: D102
        return _filled(graph, graph.input(ROWS, np.float64, ("n", len(self.codes))), self.codes)

    def feeds(self, rows: Any) -> Feeds:  # noqa: D102
        return {ROWS: np.column_stack([as_numbers(c.name, rows[c.name], rows.origin) for c in self.codes])}

    def facts(self) -> list[dict[str, Any]]:  # noqa: D102
        columns = [code.name for code in self.codes]
        return [{"name": ROWS, "type": "float64", "shape": ["n", len(columns)], "columns": columns, "gap": "NaN"}]


@dataclass(frozen=True)
class Mixed(Inputs):
    """One input a column: float64 for numbers, int64 microseconds since 1970 (UTC) for dates, text for all else."""

    columns: Columns

    @property
    def _numbers(self) -> list[NumberCode | DateCode]:
        return [code for code in self.columns.codes if isinstance(code, NumberCode | DateCode)]

    @property
    def _categories(self) -> list[CategoryCode]:
        return [code for code in self.columns.codes if isinstance(code, CategoryCode)]

    def write(self, graph: Graph) -> str:  # noqa: D102
        parts, numbers = [], []
        for code in self._numbers:
            if isinstance(code, DateCode):
                numbers.append(_days(graph, graph.input(_called(code), np.int64, ("n",))))
            else:
                numbers.append(graph.input(_called(code), np.float64, ("n",)))
        if numbers:
            stacked = [graph.add("Unsqueeze", name, graph.ints(1)) for name in numbers]
            parts.append(_filled(graph, graph.add("Concat", *stacked, axis=1), self._numbers))
        for category in self._categories:
            parts.append(_one_hot(graph, graph.input(_called(category), object, ("n",)), category))
        return graph.add("Concat", *parts, axis=1)

    def feeds(self, rows: Any) -> Feeds:  # noqa: D102
        return {_called(code): _fed(code, rows) for code in self.columns.codes}

    def facts(self) -> list[dict[str, Any]]:  # noqa: D102
        return [
            {"name": _called(code), "type": kind, "shape": ["n"], "columns": [code.name], "gap": gap}
            for code in self.columns.codes
            for kind, gap in [_KINDS[type(code)]]
        ]


_KINDS: Final[dict[type[Code], tuple[str, Any]]] = {
    NumberCode: ("float64", "NaN"),
    DateCode: ("int64, microseconds since 1970 (UTC)", NO_DATE),
    CategoryCode: ("string", ""),
}


def inputs_for(fitted: Preprocess, columns: Columns | None) -> Inputs:
    """Choose: one array where all is numbers, an input for each column where it is not."""
    if columns is None:
        return Array(fitted)
    numbers = [code for code in columns.codes if isinstance(code, NumberCode)]
    return Numbers(tuple(numbers)) if len(numbers) == len(columns.codes) else Mixed(columns)


def _called(code: Code) -> str:
    """Name of a column's input; the names of the results are taken."""
    return f"{code.name} (column)" if code.name in RESULTS else code.name


def _fed(code: Code, rows: Frame) -> NDArray[Any]:
    """One column as its input takes it."""
    column = rows[code.name]
    if isinstance(code, CategoryCode):
        gap = _gap(code)
        return np.array([gap if text is None else text for text in READ[code.reads](code.name, column, rows.origin)])
    if isinstance(code, DateCode):
        return as_dates(code.name, column, rows.origin).astype("datetime64[us]").astype(np.int64)
    return as_numbers(code.name, column, rows.origin)


def _gap(code: CategoryCode) -> str:
    """What stands for a gap; where the empty text is a word of its own and no gap was learned, any unknown word."""
    if "" not in code.values:
        return ""
    if None in code.values:
        raise ExportFailed(f"column {code.name!r} has both gaps and empty text, which are one to ONNX: fill the gaps")
    return "\x00"


def _filled(graph: Graph, numbers: str, codes: Sequence[NumberCode | DateCode]) -> str:
    """Fill gaps, (n, k), and put a column of 0 and 1 behind each that had gaps in training."""
    gaps = graph.add("IsNaN", numbers)
    fills = graph.constant(np.array([[code.fill for code in codes]], dtype=np.float64))
    full = graph.add("Where", gaps, fills, numbers)
    if not any(code.gaps for code in codes):
        return full
    both = graph.add("Concat", full, graph.add("Cast", gaps, to=11), axis=1)
    order = [at for j, code in enumerate(codes) for at in ((j, len(codes) + j) if code.gaps else (j,))]
    return graph.add("Gather", both, graph.ints(*order), axis=1)


def _days(graph: Graph, microseconds: str) -> str:
    none = graph.add("Equal", microseconds, graph.constant(np.int64(NO_DATE)))
    days = graph.add("Div", graph.add("Cast", microseconds, to=11), graph.constant(np.float64(DAY)))
    return graph.add("Where", none, graph.constant(np.float64(np.nan)), days)


def _one_hot(graph: Graph, texts: str, code: CategoryCode) -> str:
    """A column of 0 and 1 for each value; all zeros for a word that training had not."""
    count = len(code.values)
    words = {_gap(code) if value is None else value: at for at, value in enumerate(code.values)}
    if code.reads == "boolean":
        words |= {form: words[said] for said in ("false", "true") if said in words for form in _forms(said)}
    at = graph.add(
        "LabelEncoder", texts, domain="ai.onnx.ml",
        keys_strings=list(words), values_int64s=list(words.values()), default_int64=count,
    )  # fmt: skip
    return graph.add("Gather", graph.constant(np.eye(count + 1, count)), at, axis=0)


def _forms(said: str) -> list[str]:
    """How "false" or "true" may be written."""
    words = [*sorted(TRUE if said == "true" else FALSE)]
    return [*words, *(w.capitalize() for w in words), *(w.upper() for w in words), str(int(said == "true"))]
