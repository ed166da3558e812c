"""What the columns of a table in blocks are, learned in one pass that holds a bounded part of it.

Exact are the values of categories and booleans, whether a column has gaps, whether it is constant and whether it counts
the rows. The rest is judged by up to 65,536 rows, evenly drawn: the median that fills gaps, and what a text column is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .blocks import Blocks, joined
from .columns import Columns
from .frame import Column, Frame, missing
from .kinds import COUNTS, LEAST_ROWS, Understood, check_given, understand_column, with_some_left

SAMPLED: Final = 65_536
"""Rows that are looked at together; all where there are no more, fewer where they would take a quarter of `memory`."""

LEAST_SAMPLED: Final = 4096

MOST_TEXTS: Final = 100_000
"""Different texts of a column that are told apart; more are no category in any case."""


def surveyed(blocks: Blocks, given: Mapping[str, str] | None = None) -> Columns:
    """Learn the columns of a table; errors as in :func:`ringfence.kinds.understand`.

    Parameters
    ----------
    blocks
        The training rows. Columns without names are called by their numbers.
    given
        Kinds by column name that overrule what would be inferred.
    """
    names = blocks.names or tuple(str(at) for at in range(blocks.shape[1]))
    given = dict(given or {})
    check_given(given, names)
    kept = sampled(len(blocks), min(SAMPLED, max(LEAST_SAMPLED, blocks.memory // (4 * 8 * len(names)))))
    found = {name: _Column(name) for name in names}
    first = 0
    for block in blocks:
        frame = as_named(block, names)
        rows = np.arange(first, first + frame.rows) if frame.origin is None else frame.origin
        low, high = np.searchsorted(kept, [first, first + frame.rows])
        for column in found.values():
            column.add(frame[column.name], rows, kept[low:high] - first)
        first += frame.rows
    values = {name: column.values() for name, column in found.items()}
    understood = (column.understood(*values[name], given.get(name)) for name, column in found.items())
    return Columns.of(with_some_left(understood), {name: column for name, (column, _) in values.items()})


def as_named(block: Frame | NDArray[Any], names: Sequence[str]) -> Frame:
    """Return a block as a frame; columns of an array get these names."""
    if isinstance(block, Frame):
        return block
    return Frame(dict(zip(names, np.asarray(block, dtype=np.float64).T, strict=True)), named=False)


def sampled(count: int, most: int) -> NDArray[np.int64]:
    """Numbers of the rows that are looked at together, ascending: always the same ones of so many."""
    if count <= most:
        return np.arange(count)
    edges = np.linspace(0, count, most + 1).astype(np.int64)
    return np.asarray(np.random.default_rng(0).integers(edges[:-1], edges[1:]), dtype=np.int64)


class _Column:
    """One column on its way: some of its values, and what the whole is known for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._kept: list[Column] = []
        self._origin: list[NDArray[np.int64]] = []
        self._texts: dict[Any, int] = {}  # a row of each
        self._gap: int | None = None  # a row of one
        self._other: tuple[Any, int] | None = None  # a number that is not the first
        self._first: Any = None
        self._last: Any = None
        self._rows = self._gaps = 0
        self._counts = True

    def add(self, column: Column, rows: NDArray[np.int64], kept: NDArray[np.int64]) -> None:
        """Look at a block of the column; `kept` are numbers of rows within it."""
        self._kept.append(column[kept])
        self._origin.append(rows[kept])
        gaps = missing(column)
        self._rows, self._gaps = self._rows + len(gaps), self._gaps + int(gaps.sum())
        if gaps.any():
            self._gap, self._counts = int(rows[gaps.argmax()]), False
            column, rows = column[~gaps], rows[~gaps]
        if len(column) and column.dtype.kind in "Ob":
            self._counts = False
            if len(self._texts) < MOST_TEXTS:
                self._texts |= dict(zip(column.tolist(), rows.tolist(), strict=True))
        elif len(column):
            self._number(column, rows)

    def _number(self, column: Column, rows: NDArray[np.int64]) -> None:
        self._first = column[0] if self._first is None else self._first
        if self._other is None and (others := column != self._first).any():
            self._other = column[others.argmax()], int(rows[others.argmax()])
        if self._counts and column.dtype.kind != "M":
            whole = column.astype(np.float64)
            rises = (np.diff(whole) > 0).all() and (self._last is None or whole[0] > self._last)
            self._counts = bool(rises and (whole == np.floor(whole)).all())
            self._last = whole[-1]

    def values(self) -> tuple[Column, NDArray[np.int64]]:
        """Values to judge and learn from, and their rows: those that were kept, and one of each that is not there."""
        found, origin = joined([part for part in self._kept if len(part)]), np.concatenate(self._origin)
        self._kept, self._origin = [], []
        held, extra = set(found.tolist()), [(value, row) for value, row in self._texts.items()]
        extra = [(value, row) for value, row in extra if value not in held]
        if self._other is not None and not (found != found[0]).any():
            extra.append(self._other)
        if self._gap is not None and not missing(found).any():
            wider = {"b": object, "i": np.float64, "u": np.float64}
            found = found.astype(wider.get(found.dtype.kind, found.dtype))
            none = {"f": np.nan, "M": np.datetime64("NaT")}
            extra.append((none.get(found.dtype.kind), self._gap))
        found = found.copy()
        for place, (value, row) in zip(_spare(found, len(extra)), extra, strict=False):
            found[place], origin[place] = value, row
        return found, origin

    def understood(self, values: Column, origin: NDArray[np.int64], given: str | None) -> Understood:
        """What the column is."""
        counts = self._counts and self._rows >= LEAST_ROWS and self._last is not None
        if given is None and counts and self._last - float(self._first) < 3 * self._rows:
            said = understand_column(self.name, values, "identifier", origin)
            return replace(said, reason=COUNTS)
        return replace(understand_column(self.name, values, given, origin), missing=self._gaps)


def _spare(values: Column, count: int) -> list[int]:
    """So many places, from the end: those whose value stands elsewhere too, then others."""
    seen: set[Any] = set()
    again: list[int] = []
    once: list[int] = []
    for at, value in enumerate(values.tolist() if count else []):
        (again if value in seen else once).append(at)
        seen.add(value)
    return [*again[::-1], *once[::-1]][:count]
