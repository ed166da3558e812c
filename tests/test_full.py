"""The long matrix, `scripts/test --full`: every method on every easy set at its defaults, all ten digits, the demo."""

from pathlib import Path

import numpy as np
import pytest

from ringfence import cli, methods
from ringfence.benchmark import Setting, plan, run
from ringfence.benchmark.notes import LEAST_GAIN
from ringfence.metrics import paired_interval
from ringfence.presets import names
from ringfence.workflow import DEMO
from test_records import EASY, SEEDS, SMALL_GAIN

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]

METHODS = sorted(methods())


@pytest.mark.parametrize("name", EASY)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_every_easy_set(method: str, name: str, data_dir: Path, tmp_path: Path) -> None:
    cases = ["3", "5"] if name == "digits" else []
    seeds = SEEDS.get((method, name), 3)
    jobs = plan(name, [method], cases=cases, seeds=seeds, baselines=False)
    records = run(jobs, tmp_path, Setting(str(data_dir), "scripts/test --full"), workers=2)
    auroc = {(r["role"], r["case"], r["seed"]): r["metrics"]["auroc"] for r in records}
    pairs = sorted({pair for _, *pair in auroc})
    gains = [auroc["trained", *pair] - auroc["untrained", *pair] for pair in pairs]
    assert len(gains) == seeds * max(1, len(cases))
    assert (np.mean(gains) >= LEAST_GAIN) != ((method, name) in SMALL_GAIN)


@pytest.mark.parametrize("method", DEMO)
def test_the_methods_of_the_demo_learn_all_ten_digits(method: str, tmp_path: Path) -> None:
    jobs = plan("digits", [method], seeds=1, baselines=False)
    records = run(jobs, tmp_path, Setting(None, "scripts/test --full"), workers=2)
    auroc = {(r["role"], r["case"]): r["metrics"]["auroc"] for r in records}
    cases = sorted({case for _, case in auroc})
    trained, untrained = (np.array([auroc[role, c] for c in cases]) for role in ("trained", "untrained"))
    assert len(cases) == 10
    assert trained.mean() >= 0.75
    assert trained.mean() >= untrained.mean() + LEAST_GAIN
    assert paired_interval(trained, untrained).low > 0


def test_the_demo_prints_ten_digits_and_writes_its_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the report needs the extra 'report'")
    assert cli.main(["demo", "--quick", "--out", str(tmp_path / "demo")]) == 0
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if line.startswith("| method"))
    assert [h.strip() for h in header.split("|") if h.strip().isdigit()] == list("0123456789")
    for method in DEMO:
        assert f"| {method}" in out
    assert (tmp_path / "demo" / "report.html").stat().st_size > 100_000


@pytest.mark.parametrize("method", METHODS)
def test_mnist_runs_with_the_presets_of_its_papers(method: str, data_dir: Path, tmp_path: Path) -> None:
    # The networks of the papers' tables at a quick budget: that they run on real images, not how well.
    preset = "mnist" if "mnist" in names(method) else None
    jobs = plan(
        "mnist",
        [method],
        cases=["0"],
        preset=preset,
        changes={"epochs": 1},
        train_rows=1_000,
        test_rows=200,
        baselines=False,
    )
    records = run(jobs, tmp_path, Setting(str(data_dir), "scripts/test --full"))
    assert [r["status"] for r in records] == ["ok", "ok"]
    assert all(r["n_train"] == 1_000 and r["n_test"] == 200 for r in records)
