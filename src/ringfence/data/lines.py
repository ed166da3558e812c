"""A user's text file as rows of cells: encoding, compression, delimiter and header found out, faults named by row."""

import csv
import gzip
import io
import zlib
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from ..exceptions import InvalidData
from ..kinds import number
from .first_line import header_of

DELIMITERS: Final = "\t;|,"
"""Tried in this order: a decimal comma is more common than a semicolon inside a cell."""

_HEAD = 50  # lines that decide on the delimiter
_LONGEST = 2**24  # characters of a line; a file without line ends must not fill the memory
_GZIP = b"\x1f\x8b"


class Layout(NamedTuple):
    """How the lines of a file are read."""

    delimiter: str
    names: tuple[str, ...]
    has_header: bool
    note: str = ""  # what was decided about a first line that may be either, in one line

    def column(self, name: str) -> str:
        """Return how an error calls a column."""
        return f"column '{name}'" if self.has_header else f"column {name}"


def layout_of(path: Path, called: Collection[str] = ()) -> Layout:
    """Find delimiter and header of a file from its first lines.

    The delimiter is the first of :data:`DELIMITERS` that occurs in the first line and cuts the first 50 lines into
    equally many cells (else the first that occurs). The first line is the header if it says something and none of its
    cells is a number, so a table of text alone needs a header. It is also the header, numbers as names included, if
    its cells differ and one of them is a name that the user says or stands as a text over numbers alone (in the first
    50 lines). Otherwise it is a row and columns are called "1", "2" and so on.

    Parameters
    ----------
    path : Path
        The file.
    called : collection of str
        Names by which the user speaks of columns.

    Raises
    ------
    InvalidData
        If the file is empty, not UTF-8 or damaged, cells are evidently parted by something else, or a column of the
        header has no name or that of another.
    """
    with closing(_lines(path)) as lines:
        head = list(islice((line for line in lines if line != "\n"), _HEAD))
    if not head:
        raise InvalidData(f"'{path}' is empty")
    delimiter = _delimiter(head)
    rows = _trial(head, delimiter)
    if len(rows[0]) == 1:
        _refuse_other_delimiter(head, path)
    header = header_of(rows, delimiter, called, path)
    return Layout(delimiter, header.names, header.found, header.note)


def rows_of(path: Path, layout: Layout) -> Iterator[list[str]]:
    """Yield the rows of data as cells, unstripped.

    Raises
    ------
    InvalidData
        If a row is longer or shorter than the first line, a quotation mark is left open, or the file is damaged.
    """
    width = len(layout.names)
    row = 0 if layout.has_header else 1
    with closing(_lines(path)) as lines:  # also after an error: its traceback would keep the file open
        reader = csv.reader(lines, delimiter=layout.delimiter, skipinitialspace=True, strict=True)
        begun = 1
        try:
            for cells in reader:
                begun = reader.line_num + 1
                if not cells:
                    continue
                if len(cells) != width:
                    raise InvalidData(
                        f"'{path}': row {row} (line {reader.line_num}) has {len(cells)} cells, expected {width} as in"
                        f" the {'header' if layout.has_header else 'first row'}"
                    )
                if row or not layout.has_header:
                    yield cells
                row += 1
        except csv.Error as error:
            raise InvalidData(
                f"'{path}': row {row} (line {begun}) can't be read as CSV: {error}; is a quotation mark left open?"
            ) from error


def _lines(path: Path) -> Generator[str, None, None]:
    """Yield the lines of a text file, gzipped or not as its first bytes say; blank ones as a line end alone."""
    with path.open("rb") as raw:
        packed = raw.read(len(_GZIP)) == _GZIP
        raw.seek(0)
        stream = gzip.GzipFile(fileobj=raw) if packed else raw
        text = io.TextIOWrapper(stream, "utf-8-sig")
        try:
            for at, line in enumerate(iter(lambda: text.readline(_LONGEST), ""), 1):
                if len(line) == _LONGEST:
                    raise InvalidData(f"'{path}': line {at} is longer than {_LONGEST:,} characters: it is no table")
                if "\0" in line:
                    raise InvalidData(f"'{path}' is not UTF-8: line {at} holds a zero byte; save it as UTF-8")
                yield line if line.strip(" \n") else "\n"
        except UnicodeDecodeError as error:
            raw.seek(0)
            raise _not_utf8(gzip.GzipFile(fileobj=raw) if packed else raw, path) from error
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InvalidData(f"'{path}' can't be unpacked: it is truncated or damaged ({error})") from error


def _not_utf8(stream: io.BufferedIOBase, path: Path) -> InvalidData:
    """Find the byte that is at fault: decoders work in blocks and know no lines."""
    for at, line in enumerate(stream, 1):
        try:
            line.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            return InvalidData(
                f"'{path}' is not UTF-8: line {at} holds byte 0x{line[error.start]:02x}; save it as UTF-8"
            )
    return InvalidData(f"'{path}' is not UTF-8; save it as UTF-8")


def _delimiter(head: list[str]) -> str:
    """Return what parts the cells of some lines; a comma if nothing does."""
    present = [mark for mark in DELIMITERS if len(_trial(head[:1], mark)[0]) > 1]
    even = (mark for mark in present if len({len(cells) for cells in _trial(head, mark)}) == 1)
    return next(even, next(iter(present), ","))


def _trial(head: list[str], delimiter: str) -> list[list[str]]:
    """Cut lines for a guess: faults are for `rows_of` to name. A record that the last line may cut off is left out."""
    found: list[list[str]] = []
    try:
        for cells in csv.reader(head, delimiter=delimiter, skipinitialspace=True):
            found.append(cells)
    except csv.Error:
        found = found or [[head[0]]]
    return found[:-1] if len(found) > 1 and len(head) == _HEAD else found


def _refuse_other_delimiter(head: list[str], path: Path) -> None:
    """Refuse one column whose lines all fall into equally many pieces, mostly numbers, at spaces or colons."""
    for mark, what in ((None, "spaces"), (":", "colons")):
        pieces = [line.strip().split(mark) for line in head]
        width = len(pieces[0])
        below = [piece for line in pieces[1:] for piece in line]
        numbers = sum(number(piece) is not None for piece in below)
        titled = not any(number(piece) is not None for piece in pieces[0])
        if width < 2 or any(len(line) != width for line in pieces) or 2 * numbers <= len(below):
            continue
        if mark is None or titled or width > 3:  # 12:30:05 is a time of day
            raise InvalidData(
                f"'{path}' has one column, but each line has {width} pieces parted by {what}: part them by comma,"
                " semicolon, tab or |"
            )
