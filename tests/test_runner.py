"""Benchmark runs: planned in full before the first, done once each, and told of when they fail."""

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ringfence import GAN, cli
from ringfence.benchmark import Setting, plan, run, runner
from ringfence.benchmark import execute as execution
from ringfence.benchmark import job as jobs_of
from ringfence.benchmark.baselines import BASELINES, FittedBaseline
from ringfence.benchmark.execute import execute
from ringfence.benchmark.job import Job
from ringfence.exceptions import InvalidData, InvalidParameter

SETTING = Setting(None, "a test", 1, "c0ffee")
BASELINE = Job("digits", "3", 0, "baseline", "mean_distance", train_rows=100)
TRAINED = Job("digits", "3", 0, "trained", "gan", "default", changes={"epochs": 1}, train_rows=100)


@pytest.fixture
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process may start."""

    def started(*args: Any) -> Any:
        raise AssertionError("a run had started")

    monkeypatch.setattr(runner, "_each", started)


@pytest.mark.parametrize(
    ("methods", "changes", "said"),
    [
        (["gan"], {"epochs": 0}, "epochs=0"),
        (["gan"], {"contamination": 2}, "contamination=2"),
        (["egbad"], {"score_kind": "fmm"}, "did you mean 'fm'"),
        (["anogan"], {"search_until": [5]}, "search_until"),
        (["gan"], {"adversary": "hing"}, "did you mean 'hinge'"),
        (["gan", "anogan"], {"steps": 5}, "steps"),
        (["gan"], {"random_state": 3}, "random_state"),
    ],
)
def test_a_bad_value_is_refused_when_a_benchmark_is_planned(methods: list[str], changes: Any, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        plan("digits", methods, cases=["3"], changes=changes)


def test_a_variant_needs_its_preset() -> None:
    with pytest.raises(InvalidParameter, match="variant='released' is one of a preset's"):
        plan("mnist", ["egbad"], variant="released")
    with pytest.raises(InvalidParameter, match="did you mean 'released'"):
        plan("mnist", ["egbad"], preset="mnist", variant="releasd")
    assert {j.variant for j in plan("mnist", ["egbad"], preset="mnist", baselines=False)} == {"printed"}


@pytest.mark.usefixtures("untouched")
def test_data_are_found_and_verified_before_the_first_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "r"
    (tmp_path / "data").mkdir()
    words = ["benchmark", "kdd99", "--method", "gan", "--out", str(out), "--data-dir"]
    for folder, content in (("none", None), ("data", None), ("data", b"not it")):
        if content is not None:
            (tmp_path / "data" / "kddcup.data_10_percent.gz").write_bytes(content)
        assert cli.main([*words, str(tmp_path / folder)]) == 2
        said = capsys.readouterr()
        assert len(said.err.strip().splitlines()) == 1
        assert not said.out
        assert not out.exists()


def test_a_failed_run_makes_the_command_fail_and_prints_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two rows are too few for a calibration that only shows in fit.
    words = ["benchmark", "digits", "--method", "gan", "--case", "3", "--no-baselines", "--epochs", "1"]
    status = cli.main([*words, "--train-rows", "9", "--set", "calibration=0.95", "--out", str(tmp_path / "r")])
    out, err = capsys.readouterr()
    assert status == 1
    assert "failed: gan" in out
    assert "calibration=0.95" in out
    assert err.splitlines()[-1].startswith("ringfence: error: 2 of 2 runs failed")


@pytest.mark.parametrize("error", [ZeroDivisionError("by\nnought"), MemoryError(), KeyError("x")])
def test_a_fault_is_a_failed_record_with_its_kind_and_words(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(execution, "_judge_baseline", fails)
    record, arrays = execute(BASELINE, SETTING)
    assert record["status"].startswith(f"failed: {type(error).__name__}{': ' * bool(error.args)}")
    assert record["n_train"] == 100
    assert not arrays
    assert "\n" not in record["status"]
    json.dumps(record)


@pytest.mark.parametrize("job", [BASELINE, TRAINED, TRAINED.untrained()], ids=["baseline", "trained", "untrained"])
def test_a_record_tells_fitting_and_scoring_apart(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process clock that only fitting and scoring move.
    clock = [0.0]

    def slow(work: Any, seconds: float) -> Any:
        def later(*args: Any, **words: Any) -> Any:
            clock[0] += seconds
            return work(*args, **words)

        return later

    monkeypatch.setattr("time.process_time", lambda: clock[0])
    for owner, name, seconds in (
        (GAN, "fit", 3.0), (GAN, "fit_untrained", 3.0), (GAN, "every_score", 0.25),
        (type(BASELINES["mean_distance"]), "fit", 3.0), (FittedBaseline, "anomaly_score", 0.25),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, slow(getattr(owner, name), seconds))
    record, _ = execute(job, SETTING)
    assert record["status"] == "ok"
    assert (record["fit_cpu_s"], record["score_cpu_s"]) == (3.0, 0.25)
    assert record["cpu_s"] >= 3.25  # what else a run does: measuring, and rows for the report


def test_losses_of_a_player_that_stopped_end_where_it_did() -> None:
    job = replace(TRAINED, method="sogaal", changes={"epochs": 4, "stop": 0.5})
    record, arrays = execute(job, SETTING)
    assert record["status"] == "ok"
    fallen = arrays["losses"][:, list(arrays["terms"]).index("generator.adversarial")]
    assert np.isnan(fallen).tolist() == [False, False, True, True]


def test_a_record_says_what_was_set_and_how_good_the_generator_is() -> None:
    changed, _ = execute(replace(TRAINED, changes={"epochs": 1, "prior": "uniform"}), SETTING)
    assert changed["changes"] == {"prior": "uniform"}  # the budget tells of epochs
    assert set(changed["quality"]) == {"mmd", "precision", "recall", "tstr", "trtr"}
    # After one epoch little that is generated looks real, and real rows teach what generated ones can't.
    assert 0.0 <= changed["quality"]["precision"] <= 0.5
    assert changed["quality"]["trtr"] > changed["quality"]["tstr"]
    without, _ = execute(replace(TRAINED, method="autoencoder"), SETTING)
    assert "quality" not in without


def test_an_outcome_that_can_not_be_sent_is_a_failed_record(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Pipe:
        def send(self, outcome: Any) -> None:
            if callable(outcome[1]):
                raise TypeError("cannot pickle")
            sent.append(outcome)

    monkeypatch.setattr(runner, "execute", lambda job, setting: ({}, lambda: None))
    monkeypatch.setattr(runner.signal, "signal", lambda *a: None)
    runner._work(Pipe(), BASELINE, SETTING)  # type: ignore[arg-type]
    ((record, arrays),) = sent
    assert record["status"] == "failed: TypeError: cannot pickle"
    assert record["id"] == BASELINE.id
    assert arrays == {}


# ---- which run is which -------------------------------------------------------------------------------------------


def fresh(job: Job) -> str:
    return replace(job).id


@pytest.mark.parametrize("job", [BASELINE, TRAINED, TRAINED.untrained()], ids=["baseline", "trained", "untrained"])
def test_another_version_is_another_run(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fresh(job) == job.id
    before = job.id
    monkeypatch.setattr(jobs_of, "__version__", "99")
    assert fresh(job) != before


def test_a_default_that_was_changed_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    before, quick = fresh(TRAINED), fresh(replace(TRAINED, quick=True))
    monkeypatch.setattr(jobs_of, "QUICK_STEPS", 7)
    assert fresh(TRAINED) == before
    assert fresh(replace(TRAINED, quick=True)) != quick
    monkeypatch.setitem(GAN.__init__.__kwdefaults__, "lr", 0.5)
    assert fresh(TRAINED) != before


def test_a_baseline_with_other_parameters_is_another_run(monkeypatch: pytest.MonkeyPatch) -> None:
    job = replace(BASELINE, method="pca")
    before = job.id
    monkeypatch.setitem(jobs_of.BASELINES, "pca", replace(BASELINES["pca"], components=3))  # type: ignore[call-arg]
    assert fresh(job) != before


def test_runs_are_reused_with_a_word_where_records_and_arrays_are_there(tmp_path: Path) -> None:
    jobs = [BASELINE, TRAINED.untrained()]
    first = run(jobs, tmp_path, SETTING)
    assert [r["status"] for r in first] == ["ok", "ok"]
    assert {r["commit"] for r in first} == {"c0ffee"}
    with pytest.warns(runner.ReusedRuns, match=r"^2 of 2 runs in .* are reused, of commit c0ffee \(2\)$"):
        again = run(jobs, tmp_path, replace(SETTING, commit="deed"))
    assert again == first
    # The arrays of the baseline are gone: it is done again; untrained runs leave none.
    (tmp_path / "runs" / f"{BASELINE.id}.npz").unlink()
    with pytest.warns(runner.ReusedRuns, match="1 of 2"):
        run(jobs, tmp_path, replace(SETTING, commit="deed"))
    assert (tmp_path / "runs" / f"{BASELINE.id}.npz").exists()
    lines = [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]
    assert [(r["id"], r["commit"]) for r in lines[2:]] == [(BASELINE.id, "deed")]


def test_a_line_that_a_kill_cut_off_is_dropped_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    for whole in (b"", b'{"a": 1}\n{"b": 2}\n'):
        path.write_bytes(whole + b'{"id": "cut')
        inode = path.stat().st_ino
        runner._mend(path)
        assert path.read_bytes() == whole
        assert path.stat().st_ino == inode
    path.write_bytes(b'{"id": "cut')
    run([BASELINE], tmp_path, SETTING)
    assert len(path.read_text().splitlines()) == 1


def test_mending_never_writes_what_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Rewriting the file would lose every record to a kill in the middle of it.
    path = tmp_path / "records.jsonl"
    path.write_bytes(b'{"a": 1}\n{"cut')
    monkeypatch.setattr(Path, "write_bytes", None)
    runner._mend(path)
    assert path.read_bytes() == b'{"a": 1}\n'


def test_linear_algebra_of_baselines_keeps_to_the_threads_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def note(*args: Any) -> Any:
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        raise InvalidData("enough")

    monkeypatch.setattr(execution, "_judge_baseline", note)
    execute(BASELINE, replace(SETTING, threads=2))
    execute(BASELINE, SETTING)
    half = len(seen) // 2
    assert half
    assert set(seen[:half]) == {2}
    assert set(seen[half:]) == {1}


def test_a_benchmark_looks_its_commit_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = iter(["one", "two"])
    monkeypatch.setattr(execution, "checkout", lambda: next(commits))
    setting = Setting(None, "a test")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        records = run([BASELINE, replace(BASELINE, seed=1)], tmp_path, setting)
    assert {r["commit"] for r in records} == {"one"}
