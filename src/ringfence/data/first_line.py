"""Whether the first line of a text file is a header: by evidence, and with a note where it may be either."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ..exceptions import InvalidData
from ..kinds import number
from .cells import MISSING_NUMBER, is_missing

_SHOWN: Final = 40  # characters of a line in a note


class Header(NamedTuple):
    """What the columns are called, whether the first line says so, and what to tell the user (one line, or empty)."""

    names: tuple[str, ...]
    found: bool
    note: str = ""


def header_of(rows: Sequence[Sequence[str]], delimiter: str, called: Collection[str], path: Path) -> Header:
    """Decide on the first line.

    Parameters
    ----------
    rows : sequence of sequence of str
        Cells of the first lines, unstripped; ragged ones too.
    delimiter : str
        What parts them, for the note.
    called : collection of str
        Names by which the user speaks of columns.
    path : Path
        For the error.

    Raises
    ------
    InvalidData
        If the first line is a header and a column has no name or that of another.
    """
    first = [cell.strip() for cell in rows[0]]
    if not any(map(_numeric, first)) and not all(map(is_missing, first)):
        return Header(_checked(first, path), True)
    names = tuple(first)
    counted = tuple(str(j + 1) for j in range(len(first)))
    if "" not in first and len(set(first)) == len(first):
        if set(called) & (set(first) - set(counted)):
            return Header(names, True)
        title = next((cell for j, cell in enumerate(first) if _is_title(cell, j, rows[1:])), None)
        if title is not None:
            return Header(names, True, f"the first line is the header, numbers too: '{title}' stands over numbers only")
    if all(map(_numeric, first)) and not _counts(first):
        return Header(counted, False)
    shown = " ".join(delimiter.join(first).split())[:_SHOWN]
    note = f"no header: columns are called 1 to {len(first)}; the first line '{shown}' counts as data"
    return Header(counted, False, note)


def _is_title(cell: str, column: int, below: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of the first line is text in a column of numbers."""
    if _numeric(cell) or is_missing(cell):
        return False
    cells = (row[column].strip() for row in below if column < len(row))
    others = [other for other in cells if not is_missing(other)]
    return any(map(_numeric, others)) and all(_numeric(other) or other in MISSING_NUMBER for other in others)


def _numeric(cell: str) -> bool:
    """Whether a cell is a number, be it with commas."""
    return number(cell.replace(",", "")) is not None


def _counts(cells: Sequence[str]) -> bool:
    """Whether cells count from 0 or 1, as the columns of an array do that pandas wrote to a file."""
    return len(cells) > 2 and any(list(cells) == [str(j + begin) for j in range(len(cells))] for begin in (0, 1))


def _checked(names: list[str], path: Path) -> tuple[str, ...]:
    """Return a header's names if each column has one of its own."""
    if "" in names:
        raise InvalidData(
            f"'{path}': column {names.index('') + 1} has no name in the header;"
            " name it, or leave it out if it is a row number (pandas: to_csv(index=False))"
        )
    twice = next((name for j, name in enumerate(names) if name in names[:j]), None)
    if twice is not None:
        raise InvalidData(
            f"'{path}': the header has two columns '{twice}' (the first line is the header: none of its cells is a"
            " number)"
        )
    return tuple(names)
