"""Averaged records → what the tables can't say: who searched, who did not learn, what failed. Pure functions."""

from .. import registry
from .records import Section, name_of
from .tables import score_kind, share

LEAST_GAIN = 0.10
"""AUROC that training must add, or the method is named as one that did not clearly learn."""

LOW = 0.80
"""AUROC below which a method is named, so that nobody takes it for a working one unread."""


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
