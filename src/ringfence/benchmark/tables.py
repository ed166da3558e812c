"""Run records → means over seeds and cases → tables, for the terminal and for the report alike.

Runs belong together in a *place*: a benchmark, protocol and budget. A case that is a class (a digit) is
averaged over; a named one ("all", "dedup") is a data set of its own and so a place of its own. Pure functions
but for `read_records`.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import presets, registry
from ..exceptions import InvalidData, InvalidParameter
from ..metrics import paired_interval

Record = dict[str, Any]

LEAST_GAIN = 0.10
"""AUROC that training must add, or the method is named as one that did not clearly learn."""

CUT = ("precision", "recall", "f1")
FIGURES = ("auroc", "ap", *CUT, "mcc", *(f"oracle_{name}" for name in CUT))
ROLES = ("trained", "untrained", "baseline")
_TEXTS = ("benchmark", "protocol", "budget", "case", "method", "variant", "role", "status")
_KEYS = ("id", *_TEXTS, "preset", "seed")


class Place(NamedTuple):
    """Where figures may be compared; `case` is empty where the cases are classes and averaged over."""

    benchmark: str
    protocol: str
    budget: str
    case: str


class Name(NamedTuple):
    """Who was run."""

    method: str
    variant: str
    preset: str | None
    role: str

    @property
    def kind(self) -> str:
        """Variant and preset in one word or two, "-" for a baseline."""
        return self.variant if self.preset is None else f"{self.variant} {self.preset}"

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
        ours, theirs = (
            np.array([r.runs[pair]["metrics"]["auroc"] for pair in pairs]) for r in (self, self.untrained)
        )
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


class Cell(NamedTuple):
    """What a table shows and the full number behind it: NaN if there is none, None in a column of words."""

    text: str
    value: float | None = None


class Table(NamedTuple):
    """A title, heads, and one cell for each head in every row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


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
    latest = {(_place(r), _name(r), str(r["case"]), int(r["seed"])): r for r in records}
    places = dict.fromkeys(place for place, *_ in latest)
    return [_section(place, {key[1:]: r for key, r in latest.items() if key[0] == place}) for place in places]


def _place(record: Record) -> Place:
    case = str(record["case"])
    named = "" if case.isdigit() else case
    return Place(str(record["benchmark"]), str(record["protocol"]), str(record["budget"]), named)


def _name(record: Record) -> Name:
    return Name(record["method"], record["variant"], record["preset"], record["role"])


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


# ---- tables ----------------------------------------------------------------------------------------------


def share(value: float, sign: str = "") -> Cell:
    """Show a figure between 0 and 1, or a difference of two with its sign, to three decimals."""
    if math.isnan(value):
        return Cell("-", value)
    return Cell(re.sub(r"^([+-]?)0\.", r"\1.", f"{value:{sign}.3f}"), value)


def _amount(value: float, decimals: int = 0) -> Cell:
    return Cell("-" if math.isnan(value) else f"{value:,.{decimals}f}", value)


def _all(values: Iterable[Any]) -> Cell:
    """Show a number that all runs share, or its range."""
    found = sorted({int(value) for value in values if value is not None})
    if len(found) < 2:
        return _amount(found[0] if found else math.nan)
    return Cell(f"{found[0]}-{found[-1]}", math.nan)


def _who(row: Row) -> tuple[Cell, ...]:
    return Cell(row.name.method), Cell(row.name.kind), Cell(row.name.role)


_WHO = ("method", "variant", "role")


def tables(section: Section) -> list[Table]:
    """Build a section's tables: AUROC, cuts, score kinds and parts, and published numbers if there are."""
    made = [_auroc_table(section), _cuts_table(section), _parts_table(section), _published_table(section)]
    return [made[0], made[1], *(table for table in made[2:] if table.rows)]


def _auroc_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        gain, mean = row.gain or Gain(*[math.nan] * 4), row.metric("auroc")
        rows.append(
            (
                *_who(row),
                *(share(row.metric("auroc", case).mean) for case in section.cases),
                *map(share, mean),
                share(gain.untrained),
                *(share(value, "+") for value in gain[:3]),
            )
        )
    heads = (*_WHO, *section.cases, "mean", "sd", "untrained", "gain", "95% low", "95% high")
    title = "AUROC by case, their mean, sd over seeds; gain over the untrained self with its 95 % interval"
    return Table(title, heads, tuple(rows))


def _cuts_table(section: Section) -> Table:
    rows = [
        (
            *_who(row),
            *(share(row.metric(name).mean) for name in FIGURES[1:]),
            _amount(len({seed for _, seed in row.runs})),
            _all(record.get("epochs") for record in row.runs.values()),
            _amount(row.spread(lambda record: record.get("wall_s")).mean, 1),
            _amount(row.spread(lambda record: record.get("peak_mb")).mean),
        )
        for row in section.rows
    ]
    oracle = tuple(f"oracle {name}" for name in CUT)
    heads = (*_WHO, "AP", *CUT, "MCC", *oracle, "seeds", "epochs", "wall s", "peak MB")
    title = "At the cut found in training; oracle = cut with the test labels used; means of cases and seeds"
    return Table(title, heads, tuple(rows))


def _parts_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        for part in dict.fromkeys(part for record in row.runs.values() for part in record.get("parts", {})):
            kind, _, name = part.partition(":")
            ours = row.part(part)
            foil = row.untrained.part(part).mean if row.untrained else math.nan
            shown = (*map(share, ours), share(foil), share(ours.mean - foil, "+"))
            rows.append((*_who(row), Cell(kind), Cell(name), *shown))
    heads = (*_WHO, "what", "name", "AUROC", "sd", "untrained", "gain")
    return Table("AUROC of every score kind and every single part, from the same fits", heads, tuple(rows))


def _published_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        kinds = {kind for record in row.runs.values() if (kind := score_kind(record))}
        for printed in published(row.name):
            theirs = (share(number(printed.get(name))) for name in CUT)
            ours = (share(row.metric(name).mean) for name in (*(f"oracle_{name}" for name in CUT), *CUT))
            scored = (Cell(str(printed.get("score", "-"))), *theirs, Cell(", ".join(sorted(kinds)) or "-"))
            rows.append((*_who(row)[:2], *scored, *ours))
    heads = (*_WHO[:2], "paper's score", *(f"paper {name}" for name in CUT), "our score")
    ours_heads = (*(f"our oracle {name}" for name in CUT), *(f"our {name}" for name in CUT))
    title = (
        "Published numbers beside ours: compare where the scores are the same; papers cut as the oracle does"
    )
    return Table(title, (*heads, *ours_heads), tuple(rows))


def published(name: Name) -> list[Mapping[str, Any]]:
    """Numbers that a paper prints for a trained preset, one mapping for each of its scores."""
    if name.role != "trained" or name.preset is None:
        return []
    try:
        found = presets.entry(name.method, name.preset, name.variant)
    except InvalidParameter:  # records of another version, with a preset that this one lacks
        return []
    return [value for key, value in found.items() if key.startswith("published")]


def score_kind(record: Record) -> str | None:
    """Which of the method's scores a record's metrics are of."""
    given = (record.get("params") or {}).get("score_kind")
    known = registry.methods().get(record["method"])
    return given or (next(iter(known.scores)) if known else None)


# ---- in words ----------------------------------------------------------------------------------------------


def notes(section: Section) -> list[str]:
    """Say what the tables can't: who did not learn, which runs failed, which means lack a case or seed."""
    return [*_learning(section), *_failures(section), *_gaps(section)]


def _learning(section: Section) -> list[str]:
    trained = [(row, row.gain) for row in section.rows if row.name.role == "trained"]
    weak = [(row, gain) for row, gain in trained if gain and gain.mean < LEAST_GAIN]
    alone = [row.name.label for row, gain in trained if gain is None]
    lines = [
        f"did not clearly learn: {row.name.label}: AUROC {share(gain.untrained + gain.mean).text} trained,"
        f" {share(gain.untrained).text} untrained; the gain of {share(gain.mean, '+').text} is below"
        f" {share(LEAST_GAIN, '+').text}"
        for row, gain in weak
    ]
    return lines + ([f"no untrained run to compare with: {', '.join(alone)}"] if alone else [])


def _failures(section: Section) -> list[str]:
    return [
        f"failed: {_name(record).label} ({record['role']}), case {record['case']}, seed {record['seed']}:"
        f" {' '.join(str(record['status']).removeprefix('failed:').split())}"
        for record in section.failed
    ]


def _gaps(section: Section) -> list[str]:
    lines = []
    for row in section.rows:
        seeds = {seed for _, seed in row.runs}
        lacking = [f"{c} (seed {s})" for c in section.cases for s in sorted(seeds) if (c, s) not in row.runs]
        if lacking:
            lines.append(f"means with gaps: {row.name.label} lacks case {', '.join(lacking)}")
    return lines


def title(place: Place) -> str:
    """Name a place in one line."""
    return ", ".join(part for part in (place.benchmark, place.case, place.protocol, place.budget) if part)


def render_text(records: Iterable[Record]) -> str:
    """Write the tables as aligned Markdown, each section with its notes."""
    lines: list[str] = []
    for section in sections(records):
        lines += [f"## {title(section.place)}", ""]
        for table in tables(section):
            lines += [table.title, "", *_aligned(table), ""]
        lines += [*(f"- {note}" for note in notes(section)), ""]
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def is_number_column(table: Table, column: int) -> bool:
    """Whether a column holds numbers, and so stands on the right."""
    return any(row[column].value is not None for row in table.rows)


def _aligned(table: Table) -> list[str]:
    columns = [[head, *(row[i].text for row in table.rows)] for i, head in enumerate(table.heads)]
    widths = [max(3, *map(len, column)) for column in columns]
    right = [is_number_column(table, i) for i in range(len(columns))]
    rule = [("-" * (width - 1) + ":") if r else "-" * width for width, r in zip(widths, right, strict=True)]
    sides: Sequence[Callable[[str, int], str]] = [str.rjust if r else str.ljust for r in right]
    body = [
        [side(text, width) for side, text, width in zip(sides, line, widths, strict=True)]
        for line in zip(*columns, strict=True)
    ]
    return [f"| {' | '.join(cells)} |" for cells in (body[0], rule, *body[1:])]
