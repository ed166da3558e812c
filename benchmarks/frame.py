"""The frame of every case: contestants do the same work in turns, and what counts is the ratio within a turn.

A case is a function that sets everything up and returns a :class:`Contest`; `@case` gives it a name, a title and the
targets that it should meet. To add one, put such a function into a module of `benchmarks/cases`::

    @case("sum-million", "Sum of a million numbers", Target("numpy", "python", at_most=1 / 20))
    def sum_million() -> Contest:
        rows = np.random.default_rng(0).random(1_000_000)
        numbers = rows.tolist()

        def numpy() -> float:
            rows.sum()
            return len(rows)          # units done: what time is divided by

        def python() -> float:
            sum(numbers[:100_000])    # a slow one may do less of it
            return 100_000

        return Contest({"numpy": numpy, "python": python}, unit="row")

A call of a contestant should take .1 to 1 second, ours comes first, and whatever it needs is made before. Contestants
are called once to warm up, then in turns, so that a busy minute of the machine falls on all of them.
"""

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

Contestant = Callable[[], float]
"""Does its work and returns how many units of it were done."""

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Target:
    """Time for each unit of one contestant, as a share of another's; for speed, `at_most=1 / 12`."""

    of: str
    against: str
    at_most: float
    at_least: float = -np.inf


@dataclass(frozen=True)
class Fact:
    """A figure of `Contest.facts` that has bounds of its own: peak memory, an exponent, a largest difference."""

    name: str
    at_least: float = -np.inf
    at_most: float = np.inf


def nothing() -> dict[str, Any]:
    """No facts."""
    return {}


@dataclass(frozen=True)
class Contest:
    """Who competes.

    Attributes
    ----------
    contestants
        By name, ours first.
    unit
        What they do: "step", "row".
    facts
        Called once after the last round: figures that stand beside the times, fit for JSON.
    """

    contestants: Mapping[str, Contestant]
    unit: str = "step"
    facts: Callable[[], Mapping[str, Any]] = nothing


@dataclass(frozen=True)
class Case:
    """A named comparison."""

    name: str
    title: str
    targets: Sequence[Target | Fact]
    make: Callable[[], Contest]
    rounds: int | None
    threads: Sequence[int] = field(default=(1, 2))


CASES: dict[str, Case] = {}


def case(
    name: str, title: str, *targets: Target | Fact, rounds: int | None = None, threads: Sequence[int] = (1, 2)
) -> Callable[[Callable[[], Contest]], Callable[[], Contest]]:
    """Register a case; `rounds` overrides the command's for one that takes long, `threads` where two say nothing."""

    def register(make: Callable[[], Contest]) -> Callable[[], Contest]:
        CASES[name] = Case(name, title, targets, make, rounds, threads)
        return make

    return register


def quartiles(values: Sequence[float]) -> list[float]:
    """Median, first and third quartile."""
    return [float(v) for v in np.percentile(values, (50, 25, 75))]


def measure(chosen: Case, rounds: int, threads: int) -> dict[str, Any]:
    """Run a case and return what goes into its record: times for each unit in seconds, and ratios."""
    kept = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            return _measured(chosen, chosen.rounds or rounds)
    finally:
        torch.set_num_threads(kept)


def _measured(chosen: Case, rounds: int) -> dict[str, Any]:
    contest = chosen.make()
    names = list(contest.contestants)
    times: dict[str, dict[str, list[float]]] = {name: {clock: [] for clock in CLOCKS} for name in names}
    for name in names:
        contest.contestants[name]()
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            gc.collect()
            before = {clock: read() for clock, read in CLOCKS.items()}
            units = contest.contestants[name]()
            for clock, read in CLOCKS.items():
                times[name][clock].append((read() - before[clock]) / units)
    pairs = dict.fromkeys((t.of, t.against) for t in chosen.targets if isinstance(t, Target))
    pairs |= dict.fromkeys((names[0], other) for other in names[1:])
    facts = dict(contest.facts())
    return {
        "unit": contest.unit,
        "rounds": rounds,
        "seconds": {name: {clock: quartiles(values) for clock, values in of.items()} for name, of in times.items()},
        "ratios": [
            {"of": of, "against": against}
            | {clock: quartiles(np.divide(times[of][clock], times[against][clock]).tolist()) for clock in CLOCKS}
            for of, against in pairs
        ],
        "facts": facts,
    }
