"""Records → aligned Markdown, for the terminal."""

import re
from collections.abc import Callable, Iterable, Sequence

from .notes import notes
from .records import Place, Record, sections
from .tables import Table, is_number_column, tables


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
