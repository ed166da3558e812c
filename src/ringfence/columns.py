"""Columns of a table → one matrix of numbers and back: codes learned on training rows, saved with the model.

Numbers and dates come first in the matrix, each followed by a 0/1 column for its gaps where training rows had some;
then one column for each value of each category ("one-hot"), gaps being a value of their own. A value that no training
row had is all zeros: a code of its own, at which no generated row can arrive.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData
from .frame import Column, Frame, missing, objects
from .kinds import LEFT_OUT, Origin, Understood, as_booleans, as_categories, as_dates, as_numbers, understand

Matrix = NDArray[np.float64]
_DAY: Final = np.timedelta64(1, "D")
_SHOWN = 5


class UnseenValues(UserWarning):
    """Rows to be scored hold categories or gaps that no training row had."""


class Code(ABC):
    """How one column becomes numbers; frozen when it is made."""

    name: str

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of its columns in the matrix."""

    @abstractmethod
    def encode(self, column: Column, origin: Origin = None) -> tuple[Matrix, NDArray[np.bool_]]:
        """(n,) → (n, k), and for each row whether its value is one that no training row had."""

    @abstractmethod
    def decode(self, block: Matrix) -> Column:
        """(n, k) → (n,) in the user's units and words."""


@dataclass(frozen=True)
class NumberCode(Code):
    """A number as it is; gaps are filled with `fill`, the median of the training rows."""

    name: str
    fill: float
    gaps: bool

    @classmethod
    def learn(cls, name: str, column: Column) -> "NumberCode":
        """Learn from the training rows."""
        return cls(name, *_filling(as_numbers(name, column)))

    @property
    def names(self) -> tuple[str, ...]:  # noqa: D102
        return (self.name, f"{self.name} is missing")[: 1 + self.gaps]

    def encode(self, column: Column, origin: Origin = None) -> tuple[Matrix, NDArray[np.bool_]]:  # noqa: D102
        return _filled(as_numbers(self.name, column, origin), self.fill, self.gaps)

    def decode(self, block: Matrix) -> Column:  # noqa: D102
        return np.where(block[:, -1] > 0.5, np.nan, block[:, 0]) if self.gaps else block[:, 0].copy()


@dataclass(frozen=True)
class DateCode(Code):
    """Days since 1970 as a number; gaps as in `NumberCode`."""

    name: str
    fill: float
    gaps: bool

    @classmethod
    def learn(cls, name: str, column: Column) -> "DateCode":
        """Learn from the training rows."""
        return cls(name, *_filling(_days(name, column)))

    @property
    def names(self) -> tuple[str, ...]:  # noqa: D102
        return (self.name, f"{self.name} is missing")[: 1 + self.gaps]

    def encode(self, column: Column, origin: Origin = None) -> tuple[Matrix, NDArray[np.bool_]]:  # noqa: D102
        return _filled(_days(self.name, column, origin), self.fill, self.gaps)

    def decode(self, block: Matrix) -> Column:  # noqa: D102
        # Beyond some 290,000 years there is no such date; what a network makes of one stays within.
        days = np.clip(block[:, 0], -1e8, 1e8)
        dates = np.datetime64(0, "us") + (days * 86_400e6).round().astype("timedelta64[us]")
        return np.where(block[:, -1] > 0.5, np.datetime64("NaT"), dates) if self.gaps else dates


@dataclass(frozen=True)
class CategoryCode(Code):
    """One column for each of `values`; None among them stands for gaps.

    Attributes
    ----------
    reads
        "category", or "boolean" where true and false may be written in many ways.
    words
        How the training rows wrote false and true, if in words; (), where the column had true and false themselves.
    """

    name: str
    values: tuple[str | None, ...]
    reads: str = "category"
    words: tuple[str, ...] = ()

    @classmethod
    def learn(cls, name: str, column: Column, reads: str = "category") -> "CategoryCode":
        """Learn from the training rows: values in the order of the alphabet, gaps last."""
        texts = READ[reads](name, column)
        found = set(texts.tolist())
        values = (*sorted(found - {None}), *((None,) if None in found else ()))
        return cls(name, values, reads, _words(column, texts) if reads == "boolean" else ())

    @property
    def names(self) -> tuple[str, ...]:  # noqa: D102
        return tuple(f"{self.name} is missing" if v is None else f"{self.name}={v}" for v in self.values)

    def encode(self, column: Column, origin: Origin = None) -> tuple[Matrix, NDArray[np.bool_]]:  # noqa: D102
        place = {value: at for at, value in enumerate(self.values)}
        texts = READ[self.reads](self.name, column, origin)
        codes = np.array([place.get(text, -1) for text in texts], dtype=np.int64)
        block = np.zeros((len(codes), len(self.values)))
        known = np.flatnonzero(codes >= 0)
        block[known, codes[known]] = 1.0
        return block, codes < 0

    def decode(self, block: Matrix) -> Column:  # noqa: D102
        texts: Column = objects(self.values)[block.argmax(1)]
        if self.reads != "boolean":
            return texts
        if self.words:
            said = dict(zip(("false", "true"), self.words, strict=True))
            return objects([text and said[text] for text in texts])
        flags = [None if text is None else text == "true" for text in texts]
        return np.array(flags, dtype=object if None in flags else bool)


def _words(column: Column, texts: Column) -> tuple[str, ...]:
    """The most usual text for false and for true; () where they are no text."""
    if not any(isinstance(value, str) for value in column):
        return ()
    found = []
    for meaning in ("false", "true"):
        written = Counter(str(v).strip() for v, text in zip(column.tolist(), texts, strict=True) if text == meaning)
        found.append(written.most_common(1)[0][0] if written else meaning)
    return tuple(found)


READ: Final = {"category": as_categories, "boolean": as_booleans}
CODES: Final[Mapping[str, type[Code]]] = {"number": NumberCode, "date": DateCode, "category": CategoryCode}


def _learn(column: Understood, values: Column) -> Code:
    if column.kind == "date":
        return DateCode.learn(column.name, values)
    if column.kind == "number":  # which text may hold too
        return NumberCode.learn(column.name, values)
    if column.kind in READ:
        return CategoryCode.learn(column.name, values, column.kind)
    # A constant is read by what it holds.
    if values.dtype.kind == "b":
        return CategoryCode.learn(column.name, values, "boolean")
    if values.dtype == object:
        return CategoryCode.learn(column.name, values)
    return (DateCode if values.dtype.kind == "M" else NumberCode).learn(column.name, values)


@dataclass(frozen=True)
class Columns:
    """The codes of a table's columns.

    Attributes
    ----------
    understood
        What each column of the training table was taken for, left out ones too.
    codes
        Of the others: numbers and dates first, then categories.
    library
        The library whose data frames the training rows came in: "pandas", "polars" …, or "" for none.
    """

    understood: tuple[Understood, ...]
    codes: tuple[Code, ...]
    library: str = ""

    @classmethod
    def learn(cls, frame: Frame, given: Mapping[str, str] | None = None, library: str = "") -> "Columns":
        """Learn from the training rows; errors as in :func:`ringfence.kinds.understand`."""
        return cls.of(understand(frame, given), frame, library)

    @classmethod
    def of(cls, understood: tuple[Understood, ...], values: Mapping[str, Column], library: str = "") -> "Columns":
        """Learn the codes of understood columns."""
        codes = [_learn(column, values[column.name]) for column in understood if column.kind not in LEFT_OUT]
        ordered = sorted(codes, key=lambda code: isinstance(code, CategoryCode))  # a stable sort
        return cls(understood, tuple(ordered), library)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the matrix's columns."""
        return tuple(name for code in self.codes for name in code.names)

    @property
    def heads(self) -> tuple[tuple[int, int], ...]:
        """First column and end of each category in the matrix."""
        found, at = [], 0
        for code in self.codes:
            if isinstance(code, CategoryCode):
                found.append((at, at + len(code.names)))
            at += len(code.names)
        return tuple(found)

    def encode(self, frame: Frame) -> tuple[Matrix, dict[str, NDArray[np.bool_]]]:
        """Return the matrix, (n, columns) float64, and by column the rows with a value that training had not.

        Raises
        ------
        InvalidData
            If a number, date or boolean can't be read as such.
        """
        matrix = np.empty((frame.rows, len(self.names)))
        unseen, at = {}, 0
        for code in self.codes:
            block, strange = code.encode(frame[code.name], frame.origin)
            matrix[:, at : at + block.shape[1]] = block
            at += block.shape[1]
            if strange.any():
                unseen[code.name] = strange
        return matrix, unseen

    def decode(self, matrix: Matrix) -> Frame:
        """Return the columns that were not left out, in the order of the training table."""
        found, at = {}, 0
        for code in self.codes:
            end = at + len(code.names)
            found[code.name] = code.decode(matrix[:, at:end])
            at = end
        return Frame({c.name: found[c.name] for c in self.understood if c.name in found})

    def facts(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        kinds = {cls: name for name, cls in CODES.items()}
        return {
            "understood": [asdict(column) for column in self.understood],
            "codes": [{"code": kinds[type(code)], **asdict(code)} for code in self.codes],  # type: ignore[call-overload]
            "library": self.library,
        }

    @classmethod
    def read(cls, facts: Mapping[str, Any]) -> "Columns":
        """Make again what `facts` described."""
        codes = []
        for fact in facts["codes"]:
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in fact.items() if k != "code"}
            codes.append(CODES[fact["code"]](**values))
        return cls(tuple(Understood(**column) for column in facts["understood"]), tuple(codes), facts["library"])


class Unseen:
    """What rows to be scored hold that no training row had: counted block by block, in bounded memory."""

    def __init__(self) -> None:
        self._rows = 0
        self._found: dict[str, tuple[int, int, list[str]]] = {}  # rows, gaps, the first few values of the alphabet

    def add(self, frame: Frame, unseen: Mapping[str, NDArray[np.bool_]]) -> None:
        """Count what `Columns.encode` found in a block."""
        self._rows += frame.rows
        for name, rows in unseen.items():
            column = frame[name]
            count, gaps, texts = self._found.get(name, (0, 0, []))
            strange = {text for text in as_categories(name, column[rows]) if text is not None}
            texts = sorted({*texts, *strange})[: _SHOWN + 1]
            self._found[name] = (count + int(rows.sum()), gaps + int(missing(column)[rows].sum()), texts)

    def said(self) -> list[str]:
        """Say for each column how many rows have a value that training had not, and which."""
        return [self._line(name, *found) for name, found in self._found.items()]

    def _line(self, name: str, count: int, gaps: int, texts: list[str]) -> str:
        shown = ", ".join(repr(text[:40]) for text in texts[:_SHOWN]) + (", …" if len(texts) > _SHOWN else "")
        what = [f"values never seen in training: {shown}"] if texts else []
        what += [f"{gaps} gap{'s' * (gaps > 1)}, and training had none"] if gaps else []
        found_in = f"{count:,} of {self._rows:,} rows {'have' if count > 1 else 'has'}"
        return f"column {name!r}: {found_in} {'; '.join(what)}"


def _filling(values: Matrix) -> tuple[float, bool]:
    gaps = np.isnan(values)
    return float(np.median(values[~gaps])), bool(gaps.any())


def _filled(values: Matrix, fill: float, gaps: bool) -> tuple[Matrix, NDArray[np.bool_]]:
    empty = np.isnan(values)
    full = np.where(empty, fill, values)
    if gaps:
        return np.stack([full, empty], axis=1).astype(np.float64), np.zeros(len(values), dtype=bool)
    return full[:, None], empty


def _days(name: str, column: Column, origin: Origin = None) -> Matrix:
    dates = as_dates(name, column, origin)
    days = (dates - np.datetime64(0, "us")) / _DAY
    return np.asarray(np.where(np.isnat(dates), np.nan, days), dtype=np.float64)


def chosen(names: Sequence[str], columns: Columns, *, ordered: bool = True) -> list[str]:
    """Return the names that `columns` reads, if the table has these and no others.

    Columns that the fit left out may lack. With `ordered` the order must be that of the fit.

    Raises
    ------
    InvalidData
        Naming what is missing, unknown, or out of order.
    """
    known = [column.name for column in columns.understood]
    needed = [code.name for code in columns.codes]
    lacking = [name for name in known if name in needed and name not in names]
    strange = [name for name in names if name not in known]
    faults = [
        f"missing {', '.join(map(repr, lacking[:_SHOWN]))}" if lacking else "",
        f"not known from fit {', '.join(map(repr, strange[:_SHOWN]))} (leave out: --kind {strange[0]}=skip)"
        if strange
        else "",
    ]
    if ordered and not any(faults) and [name for name in known if name in names] != list(names):
        faults = ["in another order than at fit"]
    if any(faults):
        raise InvalidData(f"columns: {'; '.join(fault for fault in faults if fault)}")
    return needed
