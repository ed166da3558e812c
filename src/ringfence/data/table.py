"""A user's CSV file: read fast when it is clean; when it isn't, say which cell is at fault."""

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..exceptions import InvalidData
from .labels import claimed

_SHOWN = 40  # characters of a cell in an error


class Parsed(NamedTuple):
    """Features, their names (None without a header) and the raw labels (None where none were named)."""

    x: np.ndarray
    columns: tuple[str, ...] | None
    labels: np.ndarray | None


class _Lines(NamedTuple):
    """The non-blank lines of data, and how to read them."""

    path: Path
    rows: list[str]
    delimiter: str
    names: list[str]
    has_header: bool

    def cells(self) -> Iterator[list[str]]:
        """Yield the rows as cells; refuse one that is longer or shorter than the first line."""
        for number, cells in enumerate(_split(self.rows, self.delimiter, self.path), 1):
            if len(cells) != len(self.names):
                raise InvalidData(
                    f"'{self.path}': row {number} has {len(cells)} cells, expected {len(self.names)} as in"
                    f" the {'header' if self.has_header else 'first row'}"
                )
            yield cells


def read_csv(path: Path, label: str | None) -> Parsed:
    """Read a numeric CSV file.

    UTF-8, with or without a byte-order mark; comma, semicolon or tab, as the first line has it. The first
    line is a header if none of its cells is a number; otherwise the columns are called "1", "2" and so on.
    Blank lines don't count; rows are counted from 1 after the header.

    Parameters
    ----------
    path : Path
        The file.
    label : str or None
        The column that holds labels (of any text), split off.

    Raises
    ------
    InvalidData
        If the file is empty, not UTF-8 or ragged, or a cell is no finite number.
    InvalidParameter
        If there is no column ``label``.
    """
    lines = _lines(path)
    label = claimed(lines.names, label, path)
    if not lines.rows:
        raise InvalidData(f"'{path}' has a header but no rows")
    taken = [j for j, name in enumerate(lines.names) if name != label]
    if not taken:
        raise InvalidData(f"'{path}' has no column but the label '{label}'")
    truth = None
    if label is not None:
        j = lines.names.index(label)
        truth = np.array([cells[j].strip() for cells in lines.cells()])
    columns = tuple(lines.names[j] for j in taken) if lines.has_header else None
    return Parsed(_numbers(lines, taken), columns, truth)


def _lines(path: Path) -> _Lines:
    """Return the lines of a file, with delimiter and column names."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InvalidData(
            f"'{path}' is not UTF-8: line {line} holds byte 0x{content[error.start]:02x}; save it as UTF-8"
        ) from error
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip(" ")]
    if not lines:
        raise InvalidData(f"'{path}' is empty")
    unquoted = re.sub(r'"[^"]*"', "", lines[0])
    delimiter = next((mark for mark in "\t;," if mark in unquoted), ",")
    first = [cell.strip() for cell in next(_split(lines[:1], delimiter, path))]
    if any(first) and not any(_number(cell) is not None for cell in first):
        return _Lines(path, lines[1:], delimiter, _checked_names(first, path), True)
    return _Lines(path, lines, delimiter, [str(j + 1) for j in range(len(first))], False)


def _split(lines: list[str], delimiter: str, path: Path) -> Iterator[list[str]]:
    """Yield lines as cells."""
    try:
        yield from csv.reader(lines, delimiter=delimiter)
    except csv.Error as error:
        raise InvalidData(f"'{path}' can't be read as CSV: {error}; is a quotation mark left open?") from error


def _checked_names(names: list[str], path: Path) -> list[str]:
    """Return a header's names if each column has one of its own."""
    if "" in names:
        raise InvalidData(
            f"'{path}': column {names.index('') + 1} has no name in the header;"
            " name it, or leave it out if it is a row number (pandas: to_csv(index=False))"
        )
    twice = next((name for j, name in enumerate(names) if name in names[:j]), None)
    if twice is not None:
        raise InvalidData(f"'{path}': the header has two columns '{twice}'")
    return names


def _numbers(lines: _Lines, taken: list[int]) -> np.ndarray:
    """Return the named columns as float64; look for the culprit cell only if that fails."""
    # Without usecols loadtxt refuses ragged rows; with it, the labels were split off by cells(), which does.
    columns = None if len(taken) == len(lines.names) else taken
    try:
        x = np.loadtxt(
            lines.rows,
            np.float64,
            comments=None,
            delimiter=lines.delimiter,
            quotechar='"',
            usecols=columns,
            ndmin=2,
        )
    except ValueError as error:
        _find_fault(lines, taken)
        raise InvalidData(f"'{lines.path}' can't be read as a table of numbers: {error}") from error
    if x.shape != (len(lines.rows), len(taken)) or not np.isfinite(x).all():
        _find_fault(lines, taken)
        raise InvalidData(f"'{lines.path}' can't be read as a table: quoted cells hold line ends")
    return x


def _find_fault(lines: _Lines, taken: list[int]) -> None:
    """Raise for the first cell that is no finite number, or the first ragged row, if there is one."""
    for number, cells in enumerate(lines.cells(), 1):
        for j in taken:
            value = _number(cells[j])
            if value is not None and math.isfinite(value):
                continue
            cell = cells[j].strip()
            state = ("is empty" if not cell else f"is '{cell[:_SHOWN]}'") + ", not a finite number"
            hint = "" if lines.has_header or number > 1 else " (the first line counts as data: it holds a number)"
            column = f"column '{lines.names[j]}'" if lines.has_header else f"column {lines.names[j]}"
            raise InvalidData(f"'{lines.path}': row {number}, {column} {state}{hint}")


def _number(text: str) -> float | None:
    """Return what a cell says, or None if that is no number; float() alone would take "1_000"."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
