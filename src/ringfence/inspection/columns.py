"""What is seen of each column of a table: of its training rows, and beside them of those to test."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..exceptions import InvalidData
from ..frame import Column, Frame, missing
from ..kinds import LEFT_OUT, as_dates, as_numbers, understand
from ..splits import SKIP, TEST, TRAIN, Parts

FAULTY: Final = "faulty"
"""The kind of a column that a fit would refuse; the reason says why."""

PROBED: Final = 50_000
"""Rows, evenly spread, on which a column is tried as a tell-tale of the label."""

LEAST_OF_A_CLASS: Final = 5
_AMBIGUOUS: Final = re.compile(r"\s*\d{1,2}([/.-])\d{1,2}\1(\d{4}|\d{2})\b.*")
_SIDE: Final = "\0"  # the name of a column beside the one that is asked about


@dataclass(frozen=True)
class Look:
    """A column.

    Attributes
    ----------
    kind, reason
        As a fit would take it (`ringfence.kinds`); `FAULTY` where it would refuse it.
    missing, distinct, rows
        Of the training rows.
    top
        How many rows have the most common value.
    width
        Columns of the matrix that the networks see.
    quantiles
        Of a number: 0, .01, .25, .5, .75, .99, 1.
    far
        Of a number: values farther than 20 robust standard deviations from the median; and the farthest of them.
    whole
        Of a number: whether all are whole.
    dates
        The first and the last.
    ascending
        Whether dates never go back from row to row, of at least 20 rows.
    beyond
        Dates of test rows outside of those of training.
    ambiguous
        Of text: values such as 03/04/2024, and one of them.
    tells
        The label, nearly or wholly: in words, or None.
    counts
        Whether it is an array's column that counts the rows.
    """

    name: str
    kind: str
    reason: str
    rows: int
    missing: int
    distinct: int
    top: int = 0
    width: int = 0
    quantiles: tuple[float, ...] = ()
    far: tuple[int, float] = (0, 0.0)
    whole: bool = False
    dates: tuple[str, ...] = ()
    ascending: bool = False
    beyond: int = 0
    ambiguous: tuple[int, str] = (0, "")
    tells: str | None = None
    counts: bool = False

    @property
    def used(self) -> bool:
        """Whether a fit learns from it."""
        return self.kind not in (*LEFT_OUT, FAULTY)

    def facts(self) -> dict[str, Any]:
        """What JSON gets."""
        found: dict[str, Any] = {
            "name": self.name, "kind": self.kind, "reason": self.reason, "missing": self.missing,
            "distinct": self.distinct, "matrix_columns": self.width,
        }  # fmt: skip
        if self.quantiles:
            found |= {"min": self.quantiles[0], "median": self.quantiles[3], "max": self.quantiles[6]}
        if self.dates:
            found |= {"first": self.dates[0], "last": self.dates[1]}
        return found


@dataclass(frozen=True, eq=False)
class Sides:
    """Which rows are looked at.

    Attributes
    ----------
    training, testing
        (n,) bool, the rows that train, and those to test.
    probed, truth
        Numbers of the rows on which columns are tried as tell-tales, and whether each is an anomaly; empty where that
        is not known.
    """

    training: NDArray[np.bool_]
    testing: NDArray[np.bool_]
    probed: NDArray[np.int64]
    truth: NDArray[np.bool_]

    @classmethod
    def of(cls, parts: Parts, anomaly: NDArray[np.bool_] | None) -> "Sides":
        """Find them; where nothing trains, all rows are looked at in place of those that do."""
        training = parts == TRAIN
        # Of rows that are left out only anomalies are known to be what they are called.
        used = np.array([], dtype=np.int64) if anomaly is None else np.flatnonzero((parts != SKIP) | anomaly)
        probed = used[np.unique(np.linspace(0, max(len(used) - 1, 0), min(len(used), PROBED)).astype(np.int64))]
        truth = np.array([], dtype=bool) if anomaly is None else anomaly[probed]
        return cls(training if training.any() else np.ones(len(parts), dtype=bool), parts == TEST, probed, truth)


def look(frame: Frame, name: str, given: Mapping[str, str], sides: Sides, array: bool = False) -> Look:
    """Look at one column.

    Parameters
    ----------
    given
        Kinds by name, as the user said.
    array
        Whether the columns are those of an array of numbers, of which a fit uses every one.
    """
    column = frame[name]
    values = column[sides.training]
    worded = name in frame.worded
    kind, reason, distinct, gaps = _understood(name, values, given.get(name), worded)
    if kind == FAULTY and (whole := _understood(name, column, given.get(name), worded)).kind == FAULTY:
        reason = whole.reason  # it names the row as the file counts it
    counts = array and kind == "identifier"
    if array and not gaps and kind in ("identifier", "number"):
        kind, reason = "number", "it counts the rows" if counts else "an array's columns are numbers"
    found: dict[str, Any] = {"tells": _tells(column[sides.probed], sides.truth), "counts": counts, "top": _top(values)}
    one_hot = kind in ("category", "boolean") or (kind == "constant" and values.dtype.kind in "Ob")
    if kind not in (*LEFT_OUT, FAULTY):
        found["width"] = (distinct if one_hot else 1) + (gaps > 0)
    if kind == "number":
        found |= _of_numbers(as_numbers(name, values))
    if kind == "date":
        found |= _of_dates(as_dates(name, values), column[sides.testing], name)
    if values.dtype == object and kind in ("category", "identifier") and reason != "as given":
        found["ambiguous"] = _of_texts(values)
    return Look(name, kind, reason, len(values), gaps, distinct, **found)


class _Kind(NamedTuple):
    kind: str
    reason: str
    distinct: int
    missing: int


def _understood(name: str, values: Column, given: str | None, worded: bool) -> _Kind:
    # With a column beside it, since a table of nothing but an identifier is refused.
    beside = Frame({name: values, _SIDE: np.zeros(len(values))}, worded=(name,) if worded else ())
    try:
        found = understand(beside, {} if given is None else {name: given})[0]
    except InvalidData as error:
        gaps = missing(values)
        return _Kind(FAULTY, str(error), len(set(values[~gaps].tolist())), int(gaps.sum()))
    return _Kind(found.kind, found.reason, found.distinct, found.missing)


def _top(values: Column) -> int:
    known = values[~missing(values)]
    if not len(known):
        return 0
    if known.dtype == object:
        tally: dict[Any, int] = {}
        for value in known:
            tally[value] = tally.get(value, 0) + 1
        return max(tally.values())
    return int(np.unique(known, return_counts=True)[1].max())


def _of_numbers(numbers: NDArray[np.float64]) -> dict[str, Any]:
    known = numbers[~np.isnan(numbers)]
    quantiles = np.quantile(known, [0, 0.01, 0.25, 0.5, 0.75, 0.99, 1])
    spread = (quantiles[4] - quantiles[2]) / 1.349
    widths = np.abs(known - quantiles[3]) / spread if spread > 0 else np.zeros(len(known))
    far = int((widths > 20).sum())
    return {
        "quantiles": tuple(quantiles.tolist()),
        "far": (far, float(known[int(widths.argmax())]) if far else 0.0),
        "whole": bool((known == np.floor(known)).all()),
    }


def _of_dates(dates: NDArray[np.datetime64], tested: Column, name: str) -> dict[str, Any]:
    known = dates[~np.isnat(dates)]
    first, last = known.min(), known.max()
    try:
        later = as_dates(name, tested)
    except InvalidData:  # a fit would not notice; scoring would say it
        later = np.array([], dtype="datetime64[us]")
    return {
        "dates": tuple(str(np.datetime_as_string(day, "auto")).replace("T", " ") for day in (first, last)),
        "ascending": len(known) >= 20 and bool((np.diff(known) >= np.timedelta64(0)).all()),
        "beyond": int(((later < first) | (later > last)).sum()),
    }


def _of_texts(values: Column) -> tuple[int, str]:
    found = [value for value in values if value is not None and _AMBIGUOUS.fullmatch(str(value))]
    return (len(found), str(found[0])) if 2 * len(found) > len(values) else (0, "")


def _tells(column: Column, anomaly: NDArray[np.bool_]) -> str | None:
    """Say how a column gives the label away, if it does."""
    if min(int(anomaly.sum()), int((~anomaly).sum())) < LEAST_OF_A_CLASS:
        return None
    gaps = missing(column)
    if column.dtype == object:
        return _told_by_values(column, gaps, anomaly)
    said = _told_by_gaps(gaps, anomaly)
    if said or column.dtype.kind == "M":
        return said
    known, truth = column[~gaps].astype(np.float64), anomaly[~gaps]
    positive = int(truth.sum())
    if min(positive, len(truth) - positive) < LEAST_OF_A_CLASS:
        return None
    ranks = rankdata(known)
    auroc = (ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * (len(truth) - positive))
    return f"AUROC {max(auroc, 1 - auroc):.3f}" if max(auroc, 1 - auroc) >= 0.99 else None


def _told_by_gaps(gaps: NDArray[np.bool_], anomaly: NDArray[np.bool_]) -> str | None:
    count = int(gaps[anomaly].sum())
    if gaps[~anomaly].any() or count < LEAST_OF_A_CLASS or 2 * count < anomaly.sum():
        return None
    return f"{_of_anomalies(count, anomaly)} have a gap and no normal row"


def _told_by_values(column: Column, gaps: NDArray[np.bool_], anomaly: NDArray[np.bool_]) -> str | None:
    normal = set(column[~anomaly].tolist())
    alone: dict[Any, int] = {}
    for value in column[anomaly]:
        if value not in normal:
            alone[value] = alone.get(value, 0) + 1
    alone = {value: count for value, count in alone.items() if count >= LEAST_OF_A_CLASS}
    if 2 * sum(alone.values()) < anomaly.sum():
        return None
    most = max(alone, key=lambda value: alone[value])
    what = "a gap" if most is None else f"'{str(most)[:30]}'"
    return f"{_of_anomalies(sum(alone.values()), anomaly)} have {what}{' or such' * (len(alone) > 1)} and no normal row"


def _of_anomalies(count: int, anomaly: NDArray[np.bool_]) -> str:
    """Say how many of the anomalies."""
    return f"{count:,} of {int(anomaly.sum()):,} anomalies"
