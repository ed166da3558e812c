"""Averaged records → tables and notes, for the terminal and for the report alike. Pure functions."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from .. import presets, registry
from ..exceptions import InvalidParameter
from .records import CUT, FIGURES, Gain, Name, Place, Record, Row, Section, Spread, name_of, number, sections

LEAST_GAIN = 0.10
"""AUROC that training must add, or the method is named as one that did not clearly learn."""

LOW = 0.80
"""AUROC below which a method is named, so that nobody takes it for a working one unread."""

PIXEL_FIGURES = {"pixel_auroc": "AUROC", "pro": "PRO", "pixel_ap": "AP"}
"""Keys of `ringfence.pixels.evaluate_pixels` and their heads."""

QUALITY = {
    "mmd": "MMD²", "precision": "precision", "recall": "recall", "tstr": "oracle TSTR", "trtr": "oracle TRTR",
}  # fmt: skip
"""Keys of a generator's figures (`ringfence.quality`) and their heads."""


class Cell(NamedTuple):
    """What a table shows and the full number behind it: NaN if there is none, None in a column of words."""

    text: str
    value: float | None = None


class Table(NamedTuple):
    """A title, heads, and one cell for each head in every row."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


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


def _who(section: Section, row: Row) -> tuple[Cell, ...]:
    name = row.name
    return Cell(name.method), Cell(name.kind), Cell(section.budgets[name.budget]), Cell(name.role)


_WHO = ("method", "variant", "budget", "role")


def tables(section: Section) -> list[Table]:
    """Build a section's tables: AUROC, cuts, and as far as there are: pixels, windows, parts, published numbers."""
    more = (
        _pixels_table(section), _windows_table(section), _parts_table(section), _quality_table(section),
        _published_table(section),
    )  # fmt: skip
    return [_auroc_table(section), _cuts_table(section), *(table for table in more if table.rows)]


def _auroc_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        gain, mean = row.gain or Gain(*[math.nan] * 4), row.metric("auroc")
        rows.append(
            (
                *_who(section, row),
                *map(share, mean),
                share(gain.untrained),
                *(share(value, "+") for value in gain[:3]),
                *(share(row.metric("auroc", case).mean) for case in section.cases),
            )
        )
    heads = (*_WHO, "mean", "sd", "untrained", "gain", "95% low", "95% high", *section.cases)
    title = "AUROC: mean of the cases, sd over seeds; gain over the untrained self with its 95 % interval; each case"
    return Table(title, heads, tuple(rows))


def _cuts_table(section: Section) -> Table:
    rows = [
        (
            *_who(section, row),
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


def _pixels_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        for name in _found(row, "pixels"):
            ours = [_spread(row, "pixels", name, figure) for figure in PIXEL_FIGURES]
            foil = [_spread(row.untrained, "pixels", name, figure).mean for figure in PIXEL_FIGURES]
            shown = [share(value) for spread in ours for value in spread]
            rows.append((*_who(section, row), Cell(name), *shown, *map(share, foil)))
    shown_heads = [head for figure in PIXEL_FIGURES.values() for head in (figure, f"sd {figure}")]
    heads = (*_WHO, "map", *shown_heads, *(f"untrained {figure}" for figure in PIXEL_FIGURES.values()))
    return Table("Pixels: how well each map finds the masks' pixels; means and sd over seeds", heads, tuple(rows))


def _windows_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        for name in _found(row, "windows"):
            foil = _spread(row.untrained, "windows", name, "auroc").mean
            counts = (_amount(_spread(row, "windows", name, key).mean) for key in ("abnormal", "windows"))
            ours = map(share, _spread(row, "windows", name, "auroc"))
            rows.append((*_who(section, row), Cell(name), *ours, share(foil), *counts))
    heads = (*_WHO, "share of", "AUROC", "sd", "untrained", "abnormal", "windows")
    title = "Windows: abnormal where more than .3 of union, window or defect overlap, as the GANomaly paper cuts them"
    return Table(title, heads, tuple(rows))


def _found(row: Row, what: str) -> list[str]:
    """Maps or readings that the records of a row have figures of."""
    return list(dict.fromkeys(name for record in row.runs.values() for name in record.get(what) or {}))


def _spread(row: Row | None, what: str, name: str, figure: str) -> Spread:
    """Average one of those figures; NaN where it lacks."""

    def of(record: Record) -> Any:
        return ((record.get(what) or {}).get(name) or {}).get(figure)

    return row.spread(of) if row else Spread(math.nan, math.nan)


def _parts_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        for part in dict.fromkeys(part for record in row.runs.values() for part in record.get("parts", {})):
            kind, _, name = part.partition(":")
            ours = row.part(part)
            foil = row.untrained.part(part).mean if row.untrained else math.nan
            shown = (*map(share, ours), share(foil), share(ours.mean - foil, "+"))
            rows.append((*_who(section, row), Cell(kind), Cell(name), *shown))
    heads = (*_WHO, "what", "name", "AUROC", "sd", "untrained", "gain")
    title = "AUROC of every score kind, single part and kind of defect, from the same fits and searches"
    return Table(title, heads, tuple(rows))


def _figure(name: str, record: Record) -> Any:
    return (record.get("quality") or {}).get(name)


def _quality_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        found = [row.spread(partial(_figure, figure)).mean for figure in QUALITY]
        if not all(map(math.isnan, found)):
            rows.append((*_who(section, row), *map(share, found)))
    title = "Generated rows beside real ones that trained nothing; oracle TSTR, TRTR: test labels used; means"
    return Table(title, (*_WHO, *QUALITY.values()), tuple(rows))


def _published_table(section: Section) -> Table:
    rows = []
    for row in section.rows:
        kinds = {kind for record in row.runs.values() if (kind := score_kind(record))}
        for printed in published(row.name):
            theirs = (share(number(printed.get(name))) for name in CUT)
            ours = (share(row.metric(name).mean) for name in (*(f"oracle_{name}" for name in CUT), *CUT))
            scored = (Cell(str(printed.get("score", "-"))), *theirs, Cell(", ".join(sorted(kinds)) or "-"))
            rows.append((*_who(section, row)[:3], *scored, *ours))
    heads = (*_WHO[:3], "paper's score", *(f"paper {name}" for name in CUT), "our score")
    ours_heads = (*(f"our oracle {name}" for name in CUT), *(f"our {name}" for name in CUT))
    title = "Published numbers beside ours: compare where the scores are the same; papers cut as the oracle does"
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
    """Say what the tables can't: who searched, who did not learn, what failed, which means lack a case or seed."""
    budgets = [f"budget {letter}: {budget}" for budget, letter in section.budgets.items()]
    told = (_searching, _learning, _low, _failures, _gaps)
    return [*budgets, *(line for tell in told for line in tell(section))]


def _searching(section: Section) -> list[str]:
    """Other score kinds than a search's own are not what the search would find for them."""
    known = registry.methods()
    rows = [r for r in section.rows if r.name.method in known and known[r.name.method].info.cost == "search"]
    kinds = {kind for r in rows for record in r.runs.values() if (kind := score_kind(record))}
    labels = ", ".join(dict.fromkeys(r.name.label for r in rows))
    ended = f"where the search for its own score ended ({', '.join(sorted(kinds))})"
    return [f"{labels}: every other score kind and part is measured {ended}"] if rows else []


def _learning(section: Section) -> list[str]:
    trained = [(row, row.gain) for row in section.rows if row.name.role == "trained"]
    # A gain of one pair has no interval (NaN), which no comparison holds against it.
    weak = [(row, gain) for row, gain in trained if gain and (gain.mean < LEAST_GAIN or gain.low <= 0)]
    alone = [row.name.label for row, gain in trained if gain is None]
    lines = [
        f"did not clearly learn: {row.name.label}: AUROC {share(gain.untrained + gain.mean).text} trained,"
        f" {share(gain.untrained).text} untrained; the gain is {share(gain.mean, '+').text}"
        + (f", below {share(LEAST_GAIN, '+').text}" if gain.mean < LEAST_GAIN else "")
        + (f", and its interval reaches {share(gain.low, '+').text}" if gain.low <= 0 else "")
        for row, gain in weak
    ]
    return lines + ([f"no untrained run to compare with: {', '.join(alone)}"] if alone else [])


def _low(section: Section) -> list[str]:
    trained = [(row, row.metric("auroc").mean) for row in section.rows if row.name.role == "trained"]
    low = [f"{row.name.label} {share(mean).text}" for row, mean in trained if mean < LOW]
    return (
        [f"below {share(LOW).text}: {', '.join(low)}; pages of the methods say why, where it is known"] if low else []
    )


def _failures(section: Section) -> list[str]:
    return [
        f"failed: {name_of(record).label} ({record['role']}), case {record['case']}, seed {record['seed']}:"
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
    return ", ".join(part for part in (place.benchmark, place.case, place.protocol) if part)


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
