"""The frame of `scripts/bench`: what is divided by what, what is kept, and when a target is met."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from benchmarks import __main__ as command
from benchmarks import frame, judging
from benchmarks.frame import Case, Contest, Fact, Target

from ringfence import InvalidData


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(frame, "CLOCKS", {name: lambda name=name: now[name] for name in now})
    return now


def contest(now: dict[str, float]) -> Contest:
    turns = {"fast": 0, "slow": 0}

    def fast() -> float:
        # A stall of the machine in one turn of seven, 100 s of wall time; 2 s of CPU time for 4 units.
        turns["fast"] += 1
        now["wall"] += 100.0 if turns["fast"] == 3 else 2.0
        now["cpu"] += 2.0
        return 4

    def slow() -> float:
        turns["slow"] += 1
        now["wall"] += 3.0
        now["cpu"] += 3.0
        return 1

    return Contest({"fast": fast, "slow": slow}, unit="row", facts=lambda: {"turns": turns["fast"]})


def a_case(make: Any, *targets: Target | Fact) -> Case:
    return Case("a", "title", targets, make, None)


def test_times_are_for_each_unit_and_ratios_are_medians_of_turns(clock: dict[str, float]) -> None:
    found = frame.measure(a_case(lambda: contest(clock), Target("slow", "fast", 6.0)), 7, 1)
    assert found["seconds"]["fast"]["cpu"] == [0.5, 0.5, 0.5]
    assert found["seconds"]["slow"]["wall"] == [3.0, 3.0, 3.0]
    assert {(r["of"], r["against"]): r["cpu"][0] for r in found["ratios"]} == {
        ("slow", "fast"): 6.0,
        ("fast", "slow"): pytest.approx(1 / 6),
    }
    # One stalled turn moves no median.
    assert {r["of"]: r["wall"][0] for r in found["ratios"]} == {"slow": 6.0, "fast": pytest.approx(1 / 6)}
    assert found["facts"] == {"turns": 8}  # one to warm up


def test_targets_count_on_one_thread_alone(clock: dict[str, float], monkeypatch: pytest.MonkeyPatch) -> None:
    made = a_case(lambda: contest(clock), Target("slow", "fast", 5.9), Fact("turns", at_least=8, at_most=8))
    monkeypatch.setitem(judging.CASES, "a", made)
    record = {"case": "a", "threads": 1, **frame.measure(made, 7, 1)}
    assert [(line.what, line.met) for line in judging.lines([record])] == [
        ("slow / fast", False),
        ("fast / slow", None),
        ("turns", True),
    ]
    assert {line.met for line in judging.lines([record | {"threads": 2}])} == {None}
    assert "NOT MET" in judging.table([record])


@pytest.mark.parametrize(("bound", "met"), [((5.9, 6.1), True), ((6.1, 7.0), False), ((5.0, 5.9), False)])
def test_a_ratio_may_be_held_from_both_sides(
    bound: tuple[float, float], met: bool, clock: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = a_case(lambda: contest(clock), Target("slow", "fast", at_least=bound[0], at_most=bound[1]))
    monkeypatch.setitem(judging.CASES, "a", made)
    record = {"case": "a", "threads": 1, **frame.measure(made, 3, 1)}
    assert next(line for line in judging.lines([record]) if line.target).met is met


def test_a_record_replaces_the_last_of_its_case_and_threads(tmp_path: Path) -> None:
    out = tmp_path / "new" / "results.jsonl"
    for value, threads in ((1, 1), (2, 2), (3, 1)):
        command.keep(out, {"case": "a", "threads": threads, "value": value})
    assert [json.loads(line)["value"] for line in out.read_text().splitlines()] == [2, 3]
    assert [p.name for p in out.parent.iterdir()] == ["results.jsonl"]


def test_cases_are_chosen_by_how_they_begin() -> None:
    assert {c.name for c in command.chosen(["egbad-step"])} >= {"egbad-step-50", "egbad-step-256"}
    assert len(command.chosen([])) == len(frame.CASES)
    with pytest.raises(SystemExit, match=r"no case begins with 'egbat'; there are .*egbad-step-50"):
        command.chosen(["egbat"])


def test_a_case_without_its_data_leaves_the_others_their_records(
    clock: dict[str, float], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Contest:
        raise InvalidData("no data folder is named")

    cases = {"b": a_case(missing), "a": a_case(lambda: contest(clock))}
    monkeypatch.setattr(command, "chosen", lambda names: [replace(c, name=name) for name, c in cases.items()])
    monkeypatch.setattr(sys, "argv", ["bench", "--threads", "1", "--rounds", "1", "--out", str(tmp_path / "r.jsonl")])
    with pytest.raises(SystemExit, match="b: no data folder is named"):
        command.main()
    assert [json.loads(line)["case"] for line in (tmp_path / "r.jsonl").read_text().splitlines()] == ["a"]
