"""Averaged records → tables, for the terminal and for the report alike. Pure functions."""

import math
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from .. import presets, registry
from ..exceptions import InvalidParameter
from .records import CUT, FIGURES, Gain, Name, Record, Row, Section, Spread, number

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


def is_number_column(table: Table, column: int) -> bool:
    """Whether a column holds numbers, and so stands on the right."""
    return any(row[column].value is not None for row in table.rows)
