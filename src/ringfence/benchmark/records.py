"""Run records as read, sorted into places and names, and averaged over seeds and cases.

Runs belong together in a *place*: a benchmark and protocol. A case that is a class (a digit) is averaged over; a named
one ("all", "dedup") is a data set of its own and so a place of its own. Methods have budgets of their own (searching
ones see fewer rows, baselines have no epochs), and a budget is part of a name. Pure functions but for `read_records`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..exceptions import InvalidData
from ..metrics import paired_interval

Record = dict[str, Any]

CUT = ("precision", "recall", "f1")
FIGURES = ("auroc", "ap", *CUT, "mcc", *(f"oracle_{name}" for name in CUT))
ROLES = ("trained", "untrained", "baseline")
_TEXTS = ("benchmark", "protocol", "budget", "case", "method", "variant", "role", "status")
_KEYS = ("id", *_TEXTS, "preset", "seed")


class Place(NamedTuple):
    """Where figures may be compared; `case` is empty where the cases are classes and averaged over."""

    benchmark: str
    protocol: str
    case: str


class Name(NamedTuple):
    """Who was run."""

    method: str
    variant: str
    preset: str | None
    budget: str
    role: str
    changes: str = ""

    @property
    def kind(self) -> str:
        """Variant, preset and what was set otherwise, "-" for a baseline."""
        named = self.variant if self.preset is None else f"{self.variant} {self.preset}"
        return f"{named}, {self.changes}" if self.changes else named

    @property
    def label(self) -> str:
        """Return the method's name, and which of its variants where there is a choice."""
        return self.method if self.kind in ("default", "-") else f"{self.method} ({self.kind})"


class Spread(NamedTuple):
    """Mean over cases of the means over seeds; standard deviation over seeds, NaN for fewer than 2."""

    mean: float
    sd: float


class Gain(NamedTuple):
    """Mean of trained − untrained over pairs of case and seed, its 95 % interval (NaN for one pair)."""

    mean: float
    low: float
    high: float
    untrained: float


@dataclass(frozen=True)
class Row:
    """All finished runs of one name in one place: at most one for each case and seed."""

    name: Name
    runs: Mapping[tuple[str, int], Record]
    untrained: "Row | None" = None

    def spread(self, figure: Callable[[Record], Any], case: str | None = None) -> Spread:
        """Average a figure of the records, over all cases or in one."""
        values: dict[str, dict[int, float]] = {}
        for (at, seed), record in self.runs.items():
            if case in (None, at):
                values.setdefault(at, {})[seed] = number(figure(record))
        if not values:
            return Spread(math.nan, math.nan)
        # A seed counts for the spread where it was run in every case; else its mean is one over other cases.
        whole = set.intersection(*(set(of_seed) for of_seed in values.values()))
        means = [np.mean([of_seed[seed] for of_seed in values.values()]) for seed in sorted(whole)]
        mean = float(np.mean([np.mean(list(of_seed.values())) for of_seed in values.values()]))
        return Spread(mean, float(np.std(means, ddof=1)) if len(means) > 1 else math.nan)

    def metric(self, name: str, case: str | None = None) -> Spread:
        """Average one of `FIGURES`."""
        return self.spread(lambda record: record["metrics"][name], case)

    def part(self, name: str) -> Spread:
        """Average the AUROC of a score kind or a part; NaN where a run lacks it."""
        return self.spread(lambda record: record.get("parts", {}).get(name))

    @property
    def gain(self) -> Gain | None:
        """What training added, over the cases and seeds that both were run with."""
        pairs = sorted(self.runs.keys() & self.untrained.runs.keys()) if self.untrained else []
        if self.untrained is None or not pairs:
            return None
        ours, theirs = (np.array([r.runs[pair]["metrics"]["auroc"] for pair in pairs]) for r in (self, self.untrained))
        base = float(theirs.mean())
        if len(pairs) == 1:
            return Gain(float(ours[0] - theirs[0]), math.nan, math.nan, base)
        return Gain(*paired_interval(ours, theirs, level=0.95), base)


@dataclass(frozen=True)
class Section:
    """A place with its rows, best mean AUROC first; `records` are all of its records, failed ones too."""

    place: Place
    cases: tuple[str, ...]
    rows: tuple[Row, ...]
    failed: tuple[Record, ...]
    records: tuple[Record, ...]

    @property
    def budgets(self) -> dict[str, str]:
        """The budgets in words, each with its letter."""
        found = dict.fromkeys(row.name.budget for row in self.rows)
        return {budget: chr(ord("a") + at) for at, budget in enumerate(found)}


def read_records(folder: str | Path) -> list[Record]:
    """Read `records.jsonl` of a folder, one record a line; empty lines are passed over.

    Raises
    ------
    InvalidData
        If the file is missing or has no record, or a line is damaged (named by its number).
    """
    path = Path(folder) / "records.jsonl"
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise InvalidData(f"{path}: can't be read ({error.strerror}); a benchmark run writes it") from error
    records = [_record(path, at, line) for at, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise InvalidData(f"{path}: has no run record")
    return records


def _record(path: Path, at: int, line: bytes) -> Record:
    """Decode and check one line."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InvalidData(f"{path}, line {at}: not a run record but damaged JSON") from error
    missing = [key for key in _KEYS if not isinstance(record, dict) or key not in record]
    if missing:
        raise InvalidData(f"{path}, line {at}: a run record without {', '.join(missing)}")
    if record["role"] not in ROLES:
        raise InvalidData(f"{path}, line {at}: role is {record['role']!r}, not one of {', '.join(ROLES)}")
    if not re.fullmatch("[0-9a-fA-F]+", str(record["id"])):
        raise InvalidData(f"{path}, line {at}: id is {record['id']!r}, not a hexadecimal number")
    if type(record["seed"]) is not int:
        raise InvalidData(f"{path}, line {at}: seed is {record['seed']!r}, not a whole number")
    metrics = record.get("metrics") or {}
    lacking = [name for name in FIGURES if not math.isfinite(number(metrics.get(name)))]
    if record["status"] == "ok" and lacking:
        raise InvalidData(f"{path}, line {at}: status is ok, but there is no number for {', '.join(lacking)}")
    return dict(record)


def number(value: Any) -> float:
    """Return a number as it is and anything else as NaN."""
    return float(value) if isinstance(value, int | float) else math.nan


def sections(records: Iterable[Record]) -> list[Section]:
    """Sort records into places and names; of several runs of the same case and seed the last one counts."""
    records = list(records)
    # A run that failed before its rows were split has no protocol of its own.
    protocols = {r["benchmark"]: r["protocol"] for r in records if r["protocol"]}
    latest = {(_place(r, protocols), name_of(r), str(r["case"]), int(r["seed"])): r for r in records}
    places = dict.fromkeys(place for place, *_ in latest)
    return [_section(place, {key[1:]: r for key, r in latest.items() if key[0] == place}) for place in places]


def _place(record: Record, protocols: Mapping[str, str]) -> Place:
    case = str(record["case"])
    named = "" if case.isdigit() else case
    protocol = record["protocol"] or protocols.get(record["benchmark"], "-")
    return Place(str(record["benchmark"]), str(protocol), named)


def name_of(record: Record) -> Name:
    """Say who was run."""
    changes = ", ".join(f"{name}={value}" for name, value in sorted((record.get("changes") or {}).items()))
    return Name(record["method"], record["variant"], record["preset"], record["budget"], record["role"], changes)


def _section(place: Place, runs: Mapping[tuple[Name, str, int], Record]) -> Section:
    found: dict[Name, dict[tuple[str, int], Record]] = {}
    for (name, case, seed), record in runs.items():
        if record["status"] == "ok":
            found.setdefault(name, {})[case, seed] = record
    rows = []
    for name, of_name in found.items():
        foil = name._replace(role="untrained")
        twin = Row(foil, found[foil]) if name.role == "trained" and foil in found else None
        # An untrained method is a column of its trained self, and a row only where it has none.
        if name.role != "untrained" or name._replace(role="trained") not in found:
            rows.append(Row(name, of_name, twin))
    rows.sort(key=lambda row: (-row.metric("auroc").mean, row.name.label))
    cases = sorted({case for _, case, _ in runs}, key=lambda case: (len(case), case))
    failed = tuple(record for record in runs.values() if record["status"] != "ok")
    return Section(place, tuple(cases), tuple(rows), failed, tuple(runs.values()))
