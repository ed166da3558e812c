"""Which row is for what, in a file that fixes it: columns `row` (a number from 0, or a picture's name) and `part`."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData, unknown_name

TRAIN, CALIBRATE, TEST, SKIP = PARTS = ("train", "calibrate", "test", "skip")
"""Learned from; kept out for the cut; scored and evaluated; left out."""

Parts = NDArray[np.str_]
_SHOWN: Final = 5


def read_split(path: str | Path, names: Sequence[str]) -> Parts:
    """Read what each row is for.

    Parameters
    ----------
    path
        A CSV file with the header `row,part`, one line for every row.
    names
        What the rows are called: "0", "1", … for a table, paths relative to the folder for pictures.

    Returns
    -------
    (n,) of `PARTS`, in the order of `names`.

    Raises
    ------
    InvalidData
        If the file can't be read, a row is unknown, named twice or not at all, or a part is none.
    """
    path = Path(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidData(f"'{path}' can't be read as a split: {getattr(error, 'strerror', None) or error}") from error
    if not lines or [cell.strip() for cell in lines[0]] != ["row", "part"]:
        raise InvalidData(f"'{path}' is no split: its first line must be row,part")
    place = {name: at for at, name in enumerate(names)}
    found: dict[int, str] = {}
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        if len(line) != 2:
            raise InvalidData(f"'{path}', line {number} has {len(line)} cells, 2 are expected: row,part")
        row, part = (cell.strip() for cell in line)
        if row not in place:
            raise InvalidData(f"'{path}', line {number}: there is no row '{row}'; rows are {_few(names)}")
        if part not in PARTS:
            raise InvalidData(f"'{path}', line {number}: {unknown_name('part', part, PARTS)}")
        if place[row] in found:
            raise InvalidData(f"'{path}', line {number}: row '{row}' was named before")
        found[place[row]] = part
    lacking = [name for name, at in place.items() if at not in found]
    if lacking:
        raise InvalidData(f"'{path}' says nothing of {len(lacking):,} rows: {_few(lacking)}; name every row")
    return np.array([found[at] for at in range(len(names))])


def split_rows(parts: Parts, names: Sequence[str]) -> list[tuple[str, str]]:
    """Lines of a split file, the header first."""
    return [("row", "part"), *zip(names, parts.tolist(), strict=True)]


def check_groups(parts: Parts, groups: NDArray[Any] | None) -> None:
    """Refuse a split that has one group in two parts (those left out do not count)."""
    if groups is None:
        return
    sides: dict[str, str] = {}
    for group, part in zip(groups.astype(str).tolist(), parts.tolist(), strict=True):
        if part != SKIP and sides.setdefault(group, part) != part:
            raise InvalidData(f"group '{group}' is in both '{sides[group]}' and '{part}': a group belongs to one side")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
