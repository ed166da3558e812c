"""Colours and dashes: told apart by the colour-blind, and the same for a method on the whole page."""

from collections.abc import Iterable
from typing import NamedTuple

from ..benchmark.records import Name

# Okabe and Ito's palette without its yellow, which is faint on white; baselines are greys.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a3e9d")
GREYS = ("#222222", "#6e6e6e", "#9c9c9c")
DASHES = ((), (5.0, 2.0), (1.5, 1.5), (7.0, 2.0, 1.5, 2.0))

NORMAL, ANOMALOUS, GENERATED = COLOURS[0], COLOURS[1], COLOURS[2]


class Line(NamedTuple):
    """How a line is drawn; `dash` is lengths of ink and gap in points, empty for a full line."""

    colour: str
    dash: tuple[float, ...]
    width: float = 1.6


def lines_of(names: Iterable[Name]) -> dict[Name, Line]:
    """Give each method a colour, its variants dashes of their own, and baselines greys."""
    found: dict[Name, Line] = {}
    colours: dict[tuple[str, bool], str] = {}
    # Names of one label differ in budget or role; with the label alone they'd come in the chance order of a set.
    for name in sorted(set(names), key=lambda name: (name.label, name.role, name.budget)):
        plain = name.role == "baseline"
        palette, width = (GREYS, 1.2) if plain else (COLOURS, 1.8)
        place = sum(of_plain == plain for _, of_plain in colours)
        colour = colours.setdefault((name.method, plain), palette[place % len(palette)])
        lines = [Line(colour, dash, width) for dash in DASHES]
        found[name] = min(lines, key=list(found.values()).count)  # the first that is free
    return found


def term_line(index: int) -> Line:
    """Return the line of the nth loss term."""
    return Line(COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)])
