"""What was found in DATA, in lines for people of at most `WIDTH` characters."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .advice import counted, share, short

WIDTH: Final = 100
COLUMNS_SHOWN: Final = 40
_TIED: Final = "\u00a0"  # a space at which no line ends

Found = Mapping[str, Any]


def render(found: Found) -> str:
    """Say in lines what :func:`ringfence.inspection.inspect_data` returned."""
    parts = (lines for section in SECTIONS if (lines := list(section(found))))
    return "\n\n".join("\n".join(lines) for lines in parts)


def _head(found: Found) -> Iterator[str]:
    what = [counted(found["rows"], "pictures" if found["kind"] == "pictures" else "rows")]
    if found["columns"] is not None:
        what.append(f"{len(found['columns']):,} columns, {found['matrix_columns']:,} as the networks see them")
    if found["images"]:
        shape, dtype = "×".join(map(str, found["images"]["shape"])), found["images"]["dtype"]
        what.append(f"images of {shape}, {dtype}, {found['images']['min']:g} to {found['images']['max']:g}")
    if found["anomalies"] is not None:
        what.append(f"{found['anomalies']:,} anomalies ({share(found['anomalies'], found['rows'])})")
    if found["groups"] is not None:
        what.append(f"{found['groups']:,} groups")
    yield from _wrapped(f"{found['name']}: {'; '.join(what)}", "", "  ")


def _split(found: Found) -> Iterator[str]:
    yield "a fit would take"
    width = max((len(line.split(" ", 1)[0]) for line in found["split"]["said"]), default=0)
    for line in found["split"]["said"]:
        count, rest = line.split(" ", 1)
        yield from _wrapped(f"{count:>{width}} {rest}", "  ", "  " + " " * (width + 1))


def _columns(found: Found) -> Iterator[str]:
    columns = found["columns"]
    if columns is None:
        return
    kinds = Counter(column["kind"] for column in columns)
    yield "columns: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.items())
    shown = [("name", "kind", "missing", "different", "what it holds (a number: least … median … most)")]
    shown += [
        (
            short(column["name"], 24), column["kind"], f"{column['missing']:,}" if column["missing"] else "-",
            f"{column['distinct']:,}", _holds(column),
        )
        for column in columns[:COLUMNS_SHOWN]
    ]  # fmt: skip
    a, b, c, d, _ = (max(map(len, cells)) for cells in zip(*shown, strict=True))
    for name, kind, gaps, distinct, why in shown:
        line = f"  {name:<{a}}  {kind:<{b}}  {gaps:>{c}}  {distinct:>{d}}  "
        yield line + short(why, max(WIDTH - len(line), 20))
    if len(columns) > COLUMNS_SHOWN:
        yield f"  … and {len(columns) - COLUMNS_SHOWN:,} more: --json has them all"


def _holds(column: Found) -> str:
    if "median" in column:
        return f"{column['min']:.4g} … {column['median']:.4g} … {column['max']:.4g}"
    if "first" in column:
        return f"{column['first']} to {column['last']}"
    return str(column["reason"])


def _pictures(found: Found) -> Iterator[str]:
    facts = found["pictures"]
    if facts is None:
        return
    (height, tall), (width, wide) = facts["sizes"]["height"], facts["sizes"]["width"]
    sizes = f"{facts['sizes']['different']:,} different, from {height}x{width} to {tall}x{wide} (height x width)"
    lines = {
        "layout": facts["layout"],
        "folders": _counts(facts["groups"]),
        "sizes": sizes if facts["sizes"]["different"] > 1 else f"all {tall}x{wide} (height x width)",
        "modes": f"{_counts(facts['modes'])}; read with {facts['channels']} channel{'s' * (facts['channels'] > 1)}",
        "masks": f"{facts['masks']:,}, for {facts['anomalous']:,} anomalous pictures",
        "pixels": f"of {facts['decoded']:,} pictures and {facts['masks_decoded']:,} masks looked at, evenly spread",
    }
    if not facts["masks"]:
        lines["masks"] = "none"
    yield "pictures"
    yield from _table(lines)


def _view(found: Found) -> Iterator[str]:
    view = found["view"]
    if view is None:
        return
    size = f"{view['height']}x{view['width']}" + (f", stride {view['stride']}" if "stride" in view else "")
    rows = [f"{counted(view[f'{part}_rows'], 'rows')} to {part}" for part in ("train", "test") if view[f"{part}_rows"]]
    yield f"as rows: {view['view']} {size}: {', '.join(rows) or 'can not be made'}"


def _copies(found: Found) -> Iterator[str]:
    copies = found["copies"]
    said = {
        "within_training": "within the training rows",
        "test_in_training": "of training rows among those to test",
        "calibrate_in_training": "of training rows among those that calibrate",
        "anomalies_in_training": "of training rows among the anomalies",
        "across_groups": "across groups",
    }
    some = [f"{copies[key]:,} {where}" for key, where in said.items() if copies.get(key)]
    yield from _wrapped(f"exact copies: {', '.join(some) or 'none'}", "", "  ")


def _notes(found: Found) -> Iterator[str]:
    if found["notes"]:
        yield "notes"
    for note in found["notes"][:COLUMNS_SHOWN]:
        yield from _wrapped(note, "  - ", "    ")
    if len(found["notes"]) > COLUMNS_SHOWN:
        yield f"  … and {len(found['notes']) - COLUMNS_SHOWN:,} more: --json has them all"


def _warnings(found: Found) -> Iterator[str]:
    count = len(found["warnings"])
    yield f"{count} warning{'s' * (count != 1)}" if count else "nothing to warn of"
    for warning in found["warnings"]:
        yield from _wrapped(warning["text"], "  ! ", "    ")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,}{_TIED}{name}" for name, count in counts.items())


def _table(lines: Mapping[str, str]) -> Iterator[str]:
    width = max(map(len, lines))
    for name, text in lines.items():
        yield from _wrapped(text, f"  {name:<{width}}  ", " " * (width + 4))


def _wrapped(text: str, first: str, later: str) -> list[str]:
    lines = textwrap.wrap(text, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False)
    return [line.replace(_TIED, " ") for line in lines]


SECTIONS: Final[tuple[Callable[[Found], Iterator[str]], ...]] = (
    _head, _split, _columns, _pictures, _view, _copies, _notes, _warnings,
)  # fmt: skip
