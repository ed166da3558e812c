"""Targets and what was measured: the table that the command prints, and whether a target is met.

A target counts on one thread and by CPU time: the machine may be busy with something else. Every ratio is in the record
by wall time and with two threads too.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .frame import CASES, Fact, Target

CLOCK, THREADS = "cpu", 1
HEAD = ("case", "threads", "ratio", "cpu", "quartiles", "wall", "target", "")


class Line(NamedTuple):
    """A line of the table; `met` is None where there is no target."""

    case: str
    threads: int
    what: str
    cpu: str
    quartiles: str
    wall: str
    target: str
    met: bool | None


def lines(records: Iterable[Mapping[str, Any]]) -> Iterator[Line]:
    """All ratios and facts of records, with the targets that their cases have today."""
    for record in records:
        known = CASES.get(record["case"])
        targets = list(known.targets) if known and record["threads"] == THREADS else []
        for ratio in record["ratios"]:
            of = [t for t in targets if isinstance(t, Target) and (t.of, t.against) == (ratio["of"], ratio["against"])]
            median, low, high = ratio["cpu"]
            yield Line(
                record["case"],
                record["threads"],
                f"{ratio['of']} / {ratio['against']}",
                shown(median),
                f"{shown(low)}–{shown(high)}",
                shown(ratio["wall"][0]),
                ", ".join(map(bounds, of)),
                all(t.at_least <= ratio[CLOCK][0] <= t.at_most for t in of) if of else None,
            )
        for name, value in record["facts"].items():
            bound = [t for t in targets if isinstance(t, Fact) and t.name == name]
            text = shown(value) if isinstance(value, int | float) else str(value)
            met = all(t.at_least <= value <= t.at_most for t in bound) if bound else None
            yield Line(record["case"], record["threads"], name, text, "", "", "".join(map(bounds, bound)), met)


def bounds(target: Target | Fact) -> str:
    """The bounds of a ratio or fact in words."""
    low = f"≥ {shown(target.at_least)}" if target.at_least > float("-inf") else ""
    high = f"≤ {shown(target.at_most)}" if target.at_most < float("inf") else ""
    return ", ".join(filter(None, (low, high)))


def shown(value: float) -> str:
    """Three figures."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(records: Iterable[Mapping[str, Any]]) -> str:
    """All lines, in columns."""
    verdict = {True: "met", False: "NOT MET", None: ""}
    rows = [HEAD, *((*map(str, line[:-1]), verdict[line.met]) for line in lines(records))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
