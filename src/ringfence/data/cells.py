"""A column of cells: numbers if all of them are, else text; gathered in blocks, so that no list holds every cell."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from ..kinds import number

MISSING: Final = frozenset(("", "NA", "N/A", "#N/A", "<NA>", "NaT", "null", "NULL", "None"))
"""Cells that mean missing in any column, and so does "nan" in capitals or not, with a sign or without."""

MISSING_NUMBER: Final = frozenset(("?", "-"))
"""Cells that mean missing only where all others are numbers or missing; in a column of text they are text."""


_LEADING_ZERO: Final = re.compile(r"^\s*-?0\d", re.M)
_COMMA_NUMBER: Final = re.compile(r"[-+]?[0-9]+(,[0-9]+)?")
_THOUSANDS: Final = re.compile(r"[-+]?([1-9][0-9]{0,2},[0-9]{3}|[0-9]+)")


class Fault(NamedTuple):
    """A cell that can't stay: its row from 1, its text, what is wrong, and whether reading it as text would help."""

    row: int
    cell: str
    problem: str
    could_be_text: bool


class _Codes(dict[str, int]):
    """Numbers the texts that it is asked for, 0, 1, 2 … in order of their first time."""

    def __missing__(self, text: str) -> int:
        self[text] = code = len(self)
        return code


@final
class Cells:
    """One column, filled block by block.

    Whole numbers with leading zeros (007) are codes and no amounts: a column that has one is kept as text.

    Blocks of numbers are kept as float64. From the first block on that holds text, cells are kept as codes of
    distinct texts: repeated texts are one object, and whatever has to be decided is decided once a text.

    Parameters
    ----------
    as_text
        Keep every cell as text, also numbers: "0" stays "0" and "007" stays "007".
    as_number
        Every cell must be a number or missing.
    as_written
        Keep every cell as it is written until it is known what the column is.
    """

    def __init__(self, as_text: bool = False, as_number: bool = False, as_written: bool = False) -> None:
        self._as_text, self._as_number, self._as_written = as_text, as_number, as_written
        self._commas = False
        self._numbers: list[NDArray[np.float64]] = []
        self._codes: list[NDArray[np.int32]] = []
        self._texts = _Codes()
        self.rows = 0
        self._infinite: Fault | None = None

    def add(self, cells: Sequence[str]) -> None:
        """Take the cells of the next rows."""
        values = None if self._as_text or self._as_written or self._codes else _floats(cells, codes=not self._as_number)
        if values is None:
            self._codes.append(np.fromiter(map(self._texts.__getitem__, cells), np.int32, len(cells)))
        else:
            self._numbers.append(values)
            infinite = np.isinf(values)
            if self._infinite is None and infinite.any():
                at = int(np.argmax(infinite))
                self._infinite = Fault(self.rows + at + 1, cells[at].strip(), "not a finite number", False)
        self.rows += len(cells)

    def decimal_commas(self) -> bool | None:
        """Whether all cells are whole or have one comma before their last digits, and one of them has it.

        None where that comma may be a decimal one or part thousands: 1,250.
        """
        if self._as_text or not self._codes:
            return False
        texts = [text for text in self._coded()[1] if not is_missing(text) and text not in MISSING_NUMBER]
        if not any("," in text for text in texts) or not all(_COMMA_NUMBER.fullmatch(text) for text in texts):
            return False
        return None if all(_THOUSANDS.fullmatch(text) for text in texts) else True

    def take_commas(self) -> None:
        """Read commas as decimal ones from now on; asked for only where :meth:`decimal_commas` is not False."""
        self._commas = True

    def fault(self) -> Fault | None:
        """Return the first cell that is infinite in a column of numbers, or no number where numbers are expected.

        They are where at least half of the different texts are numbers, as for any other table
        (:func:`ringfence.kinds.understand`). Numbers with a comma (1,5 or 1,234) count as such, but where commas are
        not taken for decimal ones they are neither read nor taken as text. A column that is `split` has a fault only
        if that is certain before it is read again.
        """
        if self._as_text or self._commas:
            return None
        if not self._codes:
            return self._infinite
        codes, texts = self._coded()
        values = [_value(text) for text in texts]
        other = np.array([value is None for value in values])
        commas = other & np.array([number(text.replace(",", "")) is not None for text in texts])
        words = {text for text, word in zip(texts, other & ~commas, strict=True) if word}
        if not self._as_number and not self._many_numbers(words):
            return None
        if self._infinite is not None:
            return self._infinite  # in a block above all codes
        infinite = np.array([value is not None and bool(np.isinf(value)) for value in values])
        wrong = infinite | (other & np.array([text not in MISSING_NUMBER for text in texts]))
        if not wrong.any():
            return None  # codes such as 007
        at = int(np.argmax(wrong[codes]))
        which, row = codes[at], self.rows - len(codes) + at + 1
        text = texts[which]
        if infinite[which]:
            return Fault(row, text, "not a finite number", False)
        if not commas[which]:
            return Fault(row, text, "not a number", not self._as_number)
        unclear = f" ({text.replace(',', '.')} or {text.replace(',', '')}?)" if self.decimal_commas() is None else ""
        return Fault(row, text, f"not a number{unclear}: write it with a decimal point only", False)

    def _many_numbers(self, words: set[str]) -> bool:
        """Whether at least as many different texts are numbers as are not; if `split`, whether that is certain."""
        numbers = {text for text in self._coded()[1] if not is_missing(text)} - words
        if not self._numbers:
            return len(numbers) >= len(words)
        # How the numbers above were written is lost, and whether "?" or "-" was among them: at least this many.
        known = np.unique(np.concatenate(self._numbers))
        return len(known[~np.isnan(known)]) >= len(words | MISSING_NUMBER)

    @property
    def split(self) -> bool:
        """Whether text came after blocks kept as numbers: the file must be read again with ``as_written``."""
        return bool(self._codes and self._numbers)

    def values(self) -> NDArray[Any]:
        """Return the column, (n,): float64 with NaN for missing, or object with None. None of it may be `split`."""
        if not self._codes:
            return np.concatenate(self._numbers)
        codes, texts = self._coded()
        if self._commas:
            return np.array([_comma_value(text) for text in texts])[codes]
        found = np.empty(len(texts), dtype=object)
        found[:] = [None if is_missing(text) else text for text in texts]
        return found[codes]

    def labels(self) -> NDArray[Any]:
        """Return the cells of a column read ``as_text`` as an array of str, missing ones too, (n,)."""
        codes, texts = self._coded()
        return np.array(texts)[codes]

    def _coded(self) -> tuple[NDArray[np.int32], list[str]]:
        return np.concatenate(self._codes), [text.strip() for text in self._texts]


def is_missing(text: str) -> bool:
    """Whether a stripped cell means missing in any column."""
    return text in MISSING or text.lstrip("+-").lower() == "nan"


def _value(text: str) -> float | None:
    """Return a number, NaN for missing, or None for text."""
    return float("nan") if is_missing(text.strip()) else number(text)


def _comma_value(text: str) -> float:
    """Return a number with a decimal comma, or NaN for missing."""
    return float("nan") if is_missing(text) or text in MISSING_NUMBER else float(text.replace(",", "."))


def _floats(cells: Sequence[str], codes: bool) -> NDArray[np.float64] | None:
    """Return cells as numbers with NaN for missing, or None if one is text, or, with `codes`, one like 007."""
    joined = "\n".join(cells)
    if codes and _LEADING_ZERO.search(joined):
        return None
    try:
        if "_" not in joined:
            return np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        pass  # one is missing, or text: looked at once for each distinct cell below
    known: dict[str, float] = {}
    for cell in set(cells):
        value = float("nan") if cell.strip() in MISSING_NUMBER else _value(cell)
        if value is None:
            return None
        known[cell] = value
    return np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))
