"""A user's CSV file as a frame: numbers and text, gaps understood; when a cell is at fault, say which."""

from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ..exceptions import InvalidData, InvalidParameter, unknown_name
from ..frame import Frame
from .cells import Cells
from .labels import claimed
from .lines import Layout, layout_of, rows_of

_BLOCK = 8192  # rows held as text at a time
_SHOWN = 40  # characters of a cell in an error
_FREE_OF_COMMAS = "\t;"  # delimiters of files in which a comma inside a cell may be a decimal one


class Parsed(NamedTuple):
    """Features, a frame of named columns or an array of numbers; the raw labels (None where none were named); notes."""

    x: Frame | NDArray[Any]
    labels: NDArray[Any] | None
    notes: tuple[str, ...] = ()


def read_csv(
    path: Path, label: str | None, kinds: Mapping[str, str] | None = None, text: Collection[str] = ()
) -> Parsed:
    """Read a CSV file of numbers and text.

    UTF-8, with or without a byte-order mark, gzipped or not; cells parted by tab, semicolon, | or comma. The first line
    is the header if none of its cells is a number, or if one is text over numbers or a name that the caller says;
    otherwise the columns are called "1", "2" and so on, and the frame is not ``named``. Where the line may be either, a
    note tells what was decided. Blank lines don't count; rows are counted from 1 after the header.

    A column is float64 if all its cells are numbers or missing (NaN), else object: text, None for missing. Dates and
    booleans stay text. What means missing is in :data:`~ringfence.data.cells.MISSING`: an empty cell, NA, nan, null,
    None and so on; "?" and "-" only where the others are numbers.

    In a file parted by tab or semicolon, 20,25 is a number if every cell of the column that is not missing is whole or
    has such a decimal comma. A column like 1,250 in which all commas stand where they part thousands is read so only
    if another column has decimal commas beyond doubt; else it is refused.

    Parameters
    ----------
    path : Path
        The file.
    label : str or None
        The column that holds labels (of any text), split off.
    kinds : mapping of str to str, or None
        Kinds by column. A column named here is read as text, numbers in it as they are written, unless its kind is
        "number": then every cell must be one. It is no label, whatever it is called; a kind of ``label`` is ignored.
    text : collection of str
        Columns that are read as text whatever they hold; names that the file has not are passed over.

    Raises
    ------
    InvalidData
        If the file is empty, not UTF-8, ragged or parted by something else, names of columns are missing or doubled,
        a number is infinite, a cell is no number in a column where at least half of the different ones are, or a
        column looks like a label and has no kind.
    InvalidParameter
        If there is no column ``label`` or one of ``kinds``.
    """
    kinds = dict(kinds or {})
    layout = layout_of(path, called={*kinds, *text} | ({label} if label is not None else set()))
    label = claimed(layout.names, label, path, settled={*kinds, *text})
    check_kinds(kinds, layout.names, path)
    if layout.names == (label,):
        raise InvalidData(f"'{path}' has no column but the label '{label}'")
    number = {name for name, kind in kinds.items() if kind == "number"} - {label, *text}
    words = ({*kinds, *text} | ({label} if label is not None else set())) - number
    columns = _filled(path, layout, words, number)
    free = layout.delimiter in _FREE_OF_COMMAS
    again = {name for name, cells in columns.items() if cells.split and _undecided(cells, free)}
    if again:
        columns = _filled(path, layout, words, number, again)
    if free:
        _take_commas(columns.values())
    _check_cells(columns, layout, path)
    truth = None if label is None else columns.pop(label).labels()
    # Let go of each column's blocks as soon as it is whole: half the memory.
    return Parsed(
        Frame({name: columns.pop(name).values() for name in tuple(columns)}, named=layout.has_header),
        truth,
        (layout.note,) if layout.note else (),
    )


def check_kinds(kinds: Mapping[str, str], names: tuple[str, ...], path: Path) -> None:
    """Refuse a kind for a column that is not in the file (InvalidParameter)."""
    stranger = next((name for name in kinds if name not in names), None)
    if stranger is not None:
        raise InvalidParameter(f"'{path}': {unknown_name('column', stranger, names)}")


def _filled(
    path: Path, layout: Layout, text: set[str], number: set[str], written: Collection[str] = ()
) -> dict[str, Cells]:
    """Read a file into its columns, the named ones as text, as numbers only, or as they are written."""
    columns = {name: Cells(name in text, name in number, name in written) for name in layout.names}
    for block in _blocks(rows_of(path, layout)):
        for cells, column in zip(zip(*block, strict=True), columns.values(), strict=True):
            column.add(cells)
    return columns


def _blocks(rows: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while block := list(islice(rows, _BLOCK)):
        yield block


def _undecided(cells: Cells, commas: bool) -> bool:
    """Whether a column must be seen as it is written: it has no fault for certain, or one that decimal commas mend."""
    fault = cells.fault()
    return fault is None or (commas and "," in fault.cell)


def _take_commas(columns: Collection[Cells]) -> None:
    """Read decimal commas; where a comma may part thousands, another column must say that it does not."""
    said = [(cells, cells.decimal_commas()) for cells in columns if not cells.split]
    if any(decimal for _, decimal in said):
        for cells, decimal in said:
            if decimal is not False:
                cells.take_commas()


def _check_cells(columns: Mapping[str, Cells], layout: Layout, path: Path) -> None:
    """Raise for the uppermost cell that is at fault, or if there are no rows at all."""
    if all(cells.rows == 0 for cells in columns.values()):
        raise InvalidData(f"'{path}' has a header but no rows")
    faults = [(fault, name) for name, cells in columns.items() if (fault := cells.fault()) is not None]
    if not faults:
        return
    fault, name = min(faults, key=lambda found: found[0].row)
    hint = "" if layout.has_header or fault.row > 1 else " (the first line counts as data: it holds a number)"
    remedy = "" if not fault.could_be_text else f"; mend it or say --kind {name}=category"
    cell = " ".join(fault.cell.split())[:_SHOWN]
    raise InvalidData(f"'{path}': row {fault.row}, {layout.column(name)} is '{cell}', {fault.problem}{hint}{remedy}")
