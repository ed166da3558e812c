"""What the columns of a table are: numbers, categories, dates … with the reason, and never by a guess in the dark.

=========== ==================================================================================================
number      all values are numbers
category    text of at most 1,000 different values
boolean     true/false, yes/no, t/f, y/n
date        datetimes, or text in one of the forms of `DATE_FORMS`
constant    one value in all rows; kept, as it says nothing until another value comes
identifier  text of which nearly every value is different, or whole numbers that count the rows: left out
skip        left out because the user says so; never inferred
=========== ==================================================================================================
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from .exceptions import InvalidData, InvalidParameter, unknown_name
from .frame import Column, Frame, missing, objects

MOST_CATEGORIES: Final = 1000
"""More different values than this are no category: each would be a column of its own."""

LEAST_ROWS: Final = 20
"""Fewer rows say too little to call a column an identifier."""

COUNTS: Final = "it counts the rows"

TRUE: Final = frozenset(("true", "yes", "t", "y"))
FALSE: Final = frozenset(("false", "no", "f", "n"))

DATE_FORMS: Final[Mapping[str, Callable[[str], datetime]]] = {
    r"\d{4}-\d{2}-\d{2}([T ].*)?": datetime.fromisoformat,
    r"\d{4}/\d{2}/\d{2}( .*)?": lambda text: datetime.fromisoformat(text.replace("/", "-")),
    r"\d{1,2}\.\d{1,2}\.\d{4}( \d{1,2}:.*)?": lambda text: _day_first(text),
}
"""How dates may be written; 03/04/2024 is not among them: nobody knows which is the month."""


def _day_first(text: str) -> datetime:
    """31.05.2024, also with a time behind."""
    day, _, time = text.partition(" ")
    found = datetime.strptime(day, "%d.%m.%Y")
    return datetime.fromisoformat(f"{found:%Y-%m-%d} {time.zfill(5) if len(time) < 5 else time}") if time else found


_IDENTIFIER_NAME = re.compile(r"(?i)(.*[_ ])?(id|uuid|guid|index|row)")
_SHOWN = 40
_LEADING_ZERO = re.compile(r"-?0\d+")
_WHOLE = re.compile(r"(-?\d+)\.0+")

Origin = NDArray[np.int64] | None
"""Numbers of rows in the table that they were taken from, for messages; None where they are the whole table."""


def _cell(at: int, name: str, value: object, origin: Origin) -> str:
    """Say what stands where: rows are called by their number in the whole table, counted from 1."""
    row = at if origin is None else int(origin[at])
    return f"row {row + 1}, column {name!r} is {str(value).strip()[:_SHOWN]!r}"


@dataclass(frozen=True)
class Understood:
    """What a column is taken for.

    Attributes
    ----------
    kind
        One of `KINDS`.
    reason
        Why, in a few words.
    missing, distinct
        Missing values; different values among the others.
    """

    name: str
    kind: str
    reason: str
    missing: int
    distinct: int


def understand(frame: Frame, given: Mapping[str, str] | None = None) -> tuple[Understood, ...]:
    """Say what each column is.

    Parameters
    ----------
    frame
        The training rows.
    given
        Kinds by column name that overrule what would be inferred.

    Raises
    ------
    InvalidParameter
        For a kind or a column that there isn't.
    InvalidData
        If a column has no value at all, mixes numbers with text, has a date that is none among dates, or text of too
        many different values; or if nothing is left to learn from.
    """
    check_given(given or {}, frame)
    given = {**dict.fromkeys(frame.worded, "category"), **(given or {})}
    return with_some_left(understand_column(name, frame[name], given.get(name), frame.origin) for name in frame)


def check_given(given: Mapping[str, str], names: Iterable[str]) -> None:
    """Refuse a kind or a column that there isn't."""
    known = tuple(names)
    for name, kind in given.items():
        if name not in known:
            raise InvalidParameter(unknown_name("column", name, known))
        if kind not in KINDS:
            raise InvalidParameter(f"column {name!r}: {unknown_name('kind', kind, KINDS)}")


def with_some_left(found: Iterable[Understood]) -> tuple[Understood, ...]:
    """Return the columns if one of them is learned from."""
    found = tuple(found)
    if all(column.kind in LEFT_OUT for column in found):
        raise InvalidData(f"no column is left to learn from: {', '.join(f'{c.name!r} is {c.kind}' for c in found)}")
    return found


def understand_column(name: str, column: Column, given: str | None, origin: Origin = None) -> Understood:
    """Say what one column is, or check that it is what is `given`; errors as in :func:`understand`."""
    gaps = missing(column)
    values = column[~gaps]
    # Different values as they read: a column of text may hold booleans too, as pandas keeps them.
    distinct = len(set(values.tolist()))
    counts = (int(gaps.sum()), distinct)
    if given is not None:
        if given not in LEFT_OUT and not distinct:
            raise InvalidData(_no_value(name, column))
        CHECKS.get(given, _nothing)(name, column, origin)
        return Understood(name, given, "as given", *counts)
    if not distinct:
        raise InvalidData(_no_value(name, column))
    if distinct == 1 and not gaps.any():
        return Understood(name, "constant", f"always {str(values[0])[:_SHOWN]}", *counts)
    worded = column.dtype == object
    kind, reason = _text(name, column, values, distinct, origin) if worded else _typed(name, values, distinct)
    return Understood(name, kind, reason, *counts)


def _no_value(name: str, column: Column) -> str:
    return f"column {name!r} has no value in any of the {len(column):,} rows; leave it out: --kind {name}=skip"


def few_categories(name: str, column: Column, origin: Origin = None) -> None:
    """Refuse a column of more different values than a category may have."""
    distinct = len(set(column[~missing(column)].tolist()))
    if distinct > MOST_CATEGORIES:
        raise InvalidData(
            f"column {name!r} has {distinct:,} different values, more than the {MOST_CATEGORIES:,} that a category"
            f" may have; leave it out: --kind {name}=skip"
        )


def _nothing(name: str, column: Column, origin: Origin = None) -> None:
    """Kinds that any column may be."""


def _typed(name: str, values: Column, distinct: int) -> tuple[str, str]:
    if values.dtype.kind == "b":
        return "boolean", "true and false"
    if values.dtype.kind == "M":
        return "date", "dates"
    values = values.astype(np.float64)  # differences of unsigned numbers wrap around
    if len(values) >= LEAST_ROWS and distinct == len(values) and (values == np.floor(values)).all():
        # Some rows may have been left out of a count.
        if (np.diff(values) > 0).all() and values[-1] - values[0] < 3 * len(values):
            return "identifier", COUNTS
        if _IDENTIFIER_NAME.fullmatch(name):
            return "identifier", "whole numbers, each once, and so called"
    return "number", "numbers"


def _text(name: str, column: Column, values: Column, distinct: int, origin: Origin) -> tuple[str, str]:
    texts = {str(value).strip() for value in set(values.tolist())}
    words = {text.lower() for text in texts}
    numbers = sum(number(text) is not None for text in texts)
    coded = any(_LEADING_ZERO.fullmatch(text) for text in texts)
    if numbers == len(texts) and coded:
        few_categories(name, column)
        return "category", "codes: whole numbers with leading zeros"
    if numbers == len(texts):
        return _typed(name, as_numbers(name, column, origin)[~missing(column)], distinct)
    if 2 * numbers >= len(texts):
        as_numbers(name, column, origin)  # names the first value that is none
    if len(words) <= 2 and (words <= TRUE | FALSE) and len(words & TRUE) <= 1 and len(words & FALSE) <= 1:
        return "boolean", " and ".join(sorted(texts))
    dates = sum(_date(text) is not None for text in texts)
    if 2 * dates >= len(texts):
        as_dates(name, column, origin)
        return "date", "dates"
    if len(values) >= LEAST_ROWS and distinct > 0.9 * len(values):
        return "identifier", f"{distinct:,} different texts in {len(values):,} rows"
    few_categories(name, column)
    return "category", f"{distinct} different texts"


def as_numbers(name: str, column: Column, origin: Origin = None) -> NDArray[np.float64]:
    """Return a column as float64, NaN where it is missing; `InvalidData` names the first value that is no number."""
    if column.dtype.kind in "biuf":
        numbers = column.astype(np.float64)
    elif column.dtype.kind == "M":
        raise InvalidData(f"column {name!r} holds dates, numbers are expected")
    else:
        known = {value: number(str(value)) for value in set(column.tolist()) if value is not None}
        strange = next((at for at, value in enumerate(column) if value is not None and known[value] is None), None)
        if strange is not None:
            raise InvalidData(
                f"{_cell(strange, name, column[strange], origin)}, not a number; mend it, or say --kind {name}=category"
            )
        numbers = np.array([np.nan if value is None else known[value] for value in column], dtype=np.float64)
    if np.isinf(numbers).any():
        at = int(np.argmax(np.isinf(numbers)))
        raise InvalidData(f"{_cell(at, name, numbers[at], origin)}, not a finite number")
    return numbers


def as_dates(name: str, column: Column, origin: Origin = None) -> NDArray[np.datetime64]:
    """Return a column as datetime64[us], NaT where it is missing; `InvalidData` names the first that is no date."""
    if column.dtype.kind == "M":
        return column
    known = {value: _date(str(value)) for value in set(column.tolist()) if value is not None}
    strange = next((at for at, value in enumerate(column) if value is not None and known[value] is None), None)
    if strange is not None:
        raise InvalidData(
            f"{_cell(strange, name, column[strange], origin)}, not a date like 2024-05-31 or 2024-05-31 08:30; mend it,"
            f" or say --kind {name}=category"
        )
    return np.array(
        [np.datetime64("NaT") if value is None else known[value] for value in column], dtype="datetime64[us]"
    )


def as_categories(name: str, column: Column, origin: Origin = None) -> NDArray[Any]:
    """Return a column as text, None where it is missing; whole numbers read as such: "3" for 3.0."""
    gaps = missing(column)
    known = {value: _category(value) for value in set(column[~gaps].tolist())}
    values = [None if gap else known[value] for gap, value in zip(gaps, column.tolist(), strict=True)]
    return objects(values)


def _category(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    whole = _WHOLE.fullmatch(text)  # 3.0 is how whole numbers are written where some are missing
    return whole[1] if whole else text


def as_booleans(name: str, column: Column, origin: Origin = None) -> NDArray[Any]:
    """Return a column as "false" and "true", None where it is missing; errors name the first that is neither."""
    words = {"0": "false", "1": "true", **dict.fromkeys(TRUE, "true"), **dict.fromkeys(FALSE, "false")}
    texts = as_categories(name, column)
    strange = next((at for at, text in enumerate(texts) if text is not None and text.lower() not in words), None)
    if strange is not None:
        raise InvalidData(
            f"{_cell(strange, name, texts[strange], origin)}, neither true nor false; mend it, or say"
            f" --kind {name}=category"
        )
    return objects([None if text is None else words[text.lower()] for text in texts])


def number(text: str) -> float | None:
    """Return what a text says, infinite or not, or None if that is no number or NaN; float() alone takes "1_000"."""
    try:
        value = None if "_" in text else float(text)
    except ValueError:
        return None
    return None if value is None or np.isnan(value) else value


def _date(text: str) -> datetime | None:
    """What a text says as a date, in UTC where it names a zone, or None."""
    text = text.strip()
    for form, read in DATE_FORMS.items():
        if re.fullmatch(form, text):
            try:
                found = read(text)
            except ValueError:
                return None
            offset = found.utcoffset()
            return found if offset is None else (found - offset).replace(tzinfo=None)
    return None


CHECKS: Final[Mapping[str, Callable[[str, Column, Origin], Any]]] = {
    "number": as_numbers,
    "date": as_dates,
    "boolean": as_booleans,
    "category": few_categories,
}
LEFT_OUT: Final = ("identifier", "skip")
KINDS: Final = (*CHECKS, "constant", *LEFT_OUT)
