"""Records and runs → the page: what stands where, for `page.html` to write."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ..benchmark import tables
from ..benchmark.notes import LEAST_GAIN, notes
from ..benchmark.records import Name, Record, Section, sections
from ..benchmark.tables import Cell
from ..benchmark.text import title
from ..metrics import pr_points, roc_points
from . import figures, style
from .album import Scale, Strip, scales, strips
from .rows import TopRow, top_rows
from .runs import Run, Shown, picture_range, shown_in


class Key(NamedTuple):
    """An entry of a legend: a line and what it stands for."""

    line: style.Line
    text: str
    cell: Cell | None = None
    more: str = ""


class Method(NamedTuple):
    """Figures of one trained method in one case."""

    label: str
    key: Key
    histogram: str
    sides: tuple[Key, ...]
    losses: str | None
    terms: tuple[Key, ...]
    top: tuple[TopRow, ...]
    strips: tuple[Strip, ...]
    scales: tuple[Scale, ...]


class Case(NamedTuple):
    """All figures of one case."""

    name: str
    note: str
    missing: str
    legend: tuple[Key, ...]
    roc: str
    pr: str
    methods: tuple[Method, ...]


class View(NamedTuple):
    """A section of the page."""

    title: str
    facts: Mapping[str, str]
    commands: tuple[str, ...]
    digests: tuple[str, ...]
    tables: tuple[tables.Table, ...]
    notes: tuple[str, ...]
    cases: tuple[Case, ...]
    scale: tuple[float, float]


def render_page(folder: Path, records: Sequence[Record]) -> str:
    """Return the whole page about a folder and its records."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    found = sections(records)
    lines = style.lines_of(row.name for section in found for row in section.rows)
    views = [_view(section, folder, lines) for section in found]
    # Every text is escaped; only the figures, which matplotlib has written, go in as they are.
    house = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    house.filters["drawing"] = Markup
    house.globals |= {"is_number": tables.is_number_column, "is_plain": _is_plain}
    template = house.from_string(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.render(
        views=views,
        folder=folder.name,
        has_runs=(folder / "runs").is_dir(),
        least_gain=tables.share(LEAST_GAIN).text,
    )


def _is_plain(table: tables.Table, column: int) -> bool:
    """Whether a column of words says nothing that would be missed; a narrow screen leaves it out."""
    words = {row[column].text for row in table.rows}
    return column > 0 and (words <= _PLAIN or (table.heads[column] == "budget" and len(words) == 1))


_PLAIN = {"-", "default", "trained"}

_CUT = Key(style.Line("#000000", (5.0, 2.0), 1.4), "the cut found in training")
PICTURES = "pictures"
_GENERATED = Key(style.Line(style.GENERATED, (1.5, 1.5)), "rows that the generator made")


def _view(section: Section, folder: Path, lines: Mapping[Name, style.Line]) -> View:
    shown = {case: shown_in(section, case, folder) for case in section.cases}
    scale = picture_range([one.run for found in shown.values() for one in found if one.run])
    return View(
        title(section.place),
        _facts(section),
        _each(section, lambda record: record.get("command")),
        _each(
            section,
            lambda record: f"case {record['case']}, seed {record['seed']}: {record.get('data_sha256')}",
        ),
        tuple(tables.tables(section)),
        tuple(notes(section)),
        tuple(_case(section, case, found, lines, scale) for case, found in shown.items()),
        scale,
    )


def _each(section: Section, text: Callable[[Record], str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found for record in section.records if (found := text(record))))


def _facts(section: Section) -> dict[str, str]:
    """Say what was run, every value once."""

    def values(key: str) -> str:
        return ", ".join(dict.fromkeys(str(r[key]) for r in section.records if r.get(key) is not None)) or "-"

    what = _rows_of(section.records)
    versions: dict[str, None] = dict.fromkeys(
        f"{name} {version}" for r in section.records for name, version in (r.get("versions") or {}).items()
    )
    return {
        "benchmark": section.place.benchmark,
        "protocol": section.place.protocol,
        "cases": ", ".join(section.cases),
        "seeds": ", ".join(str(seed) for seed in sorted({r["seed"] for r in section.records})),
        f"{what} trained on": _range(section.records, "n_train"),
        f"{what} tested on": _range(section.records, "n_test"),
        **(_counted(section) if what == PICTURES else {}),
        "device": values("device"),
        "threads": values("threads"),
        "versions": ", ".join(versions) or "-",
        "commit": values("commit"),
    }


def _rows_of(records: Iterable[Record]) -> str:
    """What one score is of."""
    return PICTURES if any(record.get("folder") for record in records) else "rows"


def _counted(section: Section) -> dict[str, str]:
    """Say what a folder's pictures are, and how many rows the view makes of them."""
    counts: Mapping[str, Any] = next((r["counts"] for r in section.records if r.get("counts")), {})
    if not counts:
        return {}
    lacking = {
        "without a mask": counts["anomalous_without_mask"],
        "with an empty mask": counts["anomalous_with_empty_mask"],
    }
    told = ", ".join(f"{number} {how}" for how, number in lacking.items() if number)
    return {
        "windows": f"{counts['train_rows']:,} to train with, {counts['test_rows']:,} to test on",
        "test pictures": ", ".join(f"{group} {number}" for group, number in counts["groups"].items()),
        **({"not in pixel figures": f"{told} (anomalous)"} if told else {}),
    }


def _range(records: Iterable[Record], key: str) -> str:
    found = sorted({int(r[key]) for r in records if r.get(key) is not None})
    return " to ".join(f"{n:,}" for n in dict.fromkeys((found[0], found[-1]))) if found else "-"


def _case(
    section: Section,
    case: str,
    shown: list[Shown],
    lines: Mapping[Name, style.Line],
    scale: tuple[float, float],
) -> Case:
    place = f"{title(section.place)}/{case}"
    drawn = [(one, one.run) for one in shown if one.run]
    keys = {one.row.name: _key(section, one, case, lines) for one, _ in drawn}
    # The best is drawn last and so on top.
    order = [(run, lines[one.row.name]) for one, run in reversed(drawn)]
    roc = [(*roc_points(run.scores, run.anomaly, limit=200), line) for run, line in order]
    pr = [(*pr_points(run.scores, run.anomaly, limit=200), line) for run, line in order]
    lost = [one.row.name.label for one in shown if one.run is None]
    first = drawn[0][1] if drawn else None
    what = _rows_of(section.records)
    return Case(
        case,
        f"{first.anomaly.sum():,} of {len(first.anomaly):,} test {what} are anomalous" if first else "",
        ", ".join(lost),
        tuple(keys.values()),
        figures.curves(f"{place}/roc", roc, "false positive rate", "true positive rate") if drawn else "",
        figures.curves(f"{place}/pr", pr, "recall", "precision") if drawn else "",
        tuple(
            _method(place, keys[one.row.name], one, run, scale) for one, run in drawn if one.row.name.role == "trained"
        ),
    )


def _key(section: Section, one: Shown, case: str, lines: Mapping[Name, style.Line]) -> Key:
    name, spread = one.row.name, one.row.metric("auroc", case)
    seeds = sum(at == case for at, _ in one.row.runs)
    all_seeds = f"{seeds} seeds: {tables.share(spread.mean).text} ± {tables.share(spread.sd).text}"
    auroc = tables.share(one.record["metrics"]["auroc"])
    budget = f"budget {section.budgets[name.budget]}" if len(section.budgets) > 1 else ""
    more = "; ".join(part for part in (budget, all_seeds if seeds > 1 else "") if part)
    return Key(lines[name], name.label, auroc, more)


def _method(place: str, key: Key, one: Shown, run: Run, scale: tuple[float, float]) -> Method:
    label, own = one.row.name.label, f"{place}/{one.record['id']}"
    what = _rows_of([one.record])
    sides = (
        Key(style.Line(style.NORMAL, (), 4.0), f"test {what}, normal"),
        Key(style.Line(style.ANOMALOUS, (), 1.8), f"test {what}, anomalous"),
        _CUT,
    )
    drawn = run.losses if run.losses is not None and run.losses.ndim == 2 and run.losses.size else None
    terms = [str(term) for term in run.terms] if run.terms is not None and drawn is not None else []
    return Method(
        label,
        key,
        figures.histogram(f"{own}/scores", run, what),
        sides if run.generated is None else (*sides, _GENERATED),
        None if drawn is None else figures.losses(f"{own}/losses", drawn),
        tuple(Key(style.term_line(i), term) for i, term in enumerate(terms)),
        tuple(top_rows(run, scale)),
        strips(run),
        scales(run),
    )
