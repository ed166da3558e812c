"""The command line: what a stranger types, and one clear line for what can't be done."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import ringfence
from ringfence import cli, workflow
from ringfence.data import load_digits
from ringfence.exceptions import TrainingDiverged

QUICK = ("--epochs", "1")


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit status, standard output and standard error of a command."""
    try:
        status = cli.main([str(w) for w in words])
    except SystemExit as stop:  # argparse's own refusals
        status = int(stop.code or 0)
    out, err = capsys.readouterr()
    return status, out, err


def refused(*words: object, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that a refused command prints."""
    status, out, err = run(*words, capsys=capsys)
    lines = [line for line in err.strip().splitlines() if "ringfence: note: " not in line]
    assert status == 2, (status, err)
    assert len(lines) == 1, err
    assert lines[0].startswith("ringfence: error: ")
    assert not out
    return lines[0]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty digits as a CSV table with a header."""
    path = tmp_path_factory.mktemp("data") / "digits.csv"
    rows = load_digits()[0][:40].reshape(40, -1)
    names = [f"p{i}" for i in range(64)]
    path.write_text(",".join(names) + "\n" + "\n".join(",".join(f"{v:g}" for v in row) for row in rows) + "\n")
    return path


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("models") / "gan"
    assert cli.main(["fit", str(table), "--method", "gan", "--out", str(out), *QUICK]) == 0
    return out


def test_list_names_every_method_as_the_other_commands_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run("list", "--json", capsys=capsys)
    found = json.loads(out)
    assert status == 0
    assert {row["name"]: row["class"] for row in found} == {n: c.__name__ for n, c in ringfence.methods().items()}
    assert all(row["reference"] and row["year"] > 2000 and row["scores"] for row in found)


def test_fit_and_score_write_what_python_computes(
    table: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.csv"
    status, said, _ = run("score", model, table, "--out", out, "--json", capsys=capsys)
    rows = list(csv.reader(out.read_text().splitlines()))
    det = ringfence.load(model)
    scores = [float(r[1]) for r in rows[1:]]
    with pytest.warns(UserWarning, match="feature names"):
        expected = det.anomaly_score(load_digits()[0][:40].reshape(40, -1))
    assert status == 0
    assert rows[0] == ["row", "anomaly_score", "is_anomaly"]
    assert scores == expected.tolist()
    assert [int(r[2]) for r in rows[1:]] == [int(s > det.threshold_) for s in scores]
    assert json.loads(said)["anomalies"] == sum(int(r[2]) for r in rows[1:])


def test_fit_leaves_the_model_and_nothing_else(model: Path) -> None:
    assert sorted(p.name for p in model.parent.iterdir()) == [model.name]


def test_set_reaches_hyperparameters_and_parts_of_options(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--set", "adversary=wasserstein", "--set", "adversary__penalty=3", "--set", "latent_dim=5")
    status, _, err = run("fit", table, "--method", "egbad", "--out", tmp_path / "m", *words, *QUICK, capsys=capsys)
    assert status == 0, err
    det = ringfence.load(tmp_path / "m")
    assert (det.latent_dim, det.adversary.penalty) == (5, 3)


def test_the_same_seed_gives_the_same_model(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        assert (
            run("fit", table, "--method", "gan", "--out", tmp_path / name, *QUICK, "--seed", 3, capsys=capsys)[0] == 0
        )
    assert (tmp_path / "a/manifest.json").read_bytes() == (tmp_path / "b/manifest.json").read_bytes()


def test_labelled_anomalies_are_left_out_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = load_digits()
    np.savez(tmp_path / "d.npz", x=x[:60], y=y[:60])
    words = ("fit", tmp_path / "d.npz", "--method", "gan", "--out", tmp_path / "m", *QUICK)
    assert "--label" in refused(*words, capsys=capsys)
    status, out, _ = run(*words, "--label", "y", "--normal", 0, "--json", capsys=capsys)
    assert status == 0
    assert json.loads(out)["rows"] == int((y[:60] == 0).sum())


def test_benchmark_tables_and_report_tell_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="the report needs the extra 'report'")
    words = ("benchmark", "digits", "--method", "gan", "--case", 3, "--out", tmp_path / "r", *QUICK)
    status, first, err = run(*words, capsys=capsys)
    assert status == 0, err
    assert run("tables", tmp_path / "r", capsys=capsys)[1] == first
    records = [json.loads(line) for line in (tmp_path / "r/records.jsonl").read_text().splitlines()]
    assert {r["role"] for r in records} == {"trained", "untrained", "baseline"}
    assert all(r["status"] == "ok" for r in records)
    keys = (
        "id benchmark case protocol method variant preset params seed epochs budget n_train n_test data_sha256 versions"
        " commit command device threads wall_s cpu_s fit_cpu_s score_cpu_s peak_mb status metrics parts"
    )
    assert all(set(keys.split()) <= set(r) for r in records)
    # A second call finds every run done.
    assert run(*words, capsys=capsys)[1] == first
    assert len((tmp_path / "r/records.jsonl").read_text().splitlines()) == len(records)
    assert run("report", tmp_path / "r", "--out", tmp_path / "p.html", capsys=capsys)[0] == 0
    trained = next(r for r in records if r["role"] == "trained")
    assert str(trained["metrics"]["auroc"]) in (tmp_path / "p.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--method", "egbda"), "did you mean 'egbad'"),
        (("--method", "gan", "--epochs", "0"), "epochs=0"),
        (("--method", "gan", "--members", "0"), "members=0: allowed are whole numbers ≥ 1"),
        (("--method", "gan", "--set", "latent_dmi=3"), "did you mean 'latent_dim'"),
        (("--method", "gan", "--set", "latent_dim"), "name=value"),
        (("--method", "gan", "--set", "latent_dim=0"), "latent_dim=0"),
        (("--method", "gan", "--set", "adversary=hing"), "did you mean 'hinge'"),
        (("--method", "egbad", "--preset", "kdd98"), "did you mean 'kdd99'"),
        (("--method", "egbad", "--preset", "kdd99", "--variant", "print"), "did you mean 'printed'"),
        (("--method", "egbad", "--preset", "kdd99"), "121"),
        (("--method", "gan", "--variant", "released"), "variant='released' is one of a preset's"),
        (("--method", "fencegan", "--set", "adversary__penalty=1"), "adversary__penalty"),
        (("--method", "gan", "--set", "adversary=[1]", "--set", "adversary__penalty=1"), "unknown adversary"),
        (("--method", "egbad", "--epochs", "1", "--set", "lr=1e30"), "became"),
    ],
)
def test_unknown_names_and_values_are_one_line(
    words: tuple[str, ...], said: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refused("fit", table, "--out", tmp_path / "m", *words, capsys=capsys)
    assert not list(tmp_path.iterdir())


def test_a_fit_that_fails_leaves_no_folders_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused("fit", tmp_path / "none.csv", "--method", "gan", "--out", tmp_path / "a/b/m", capsys=capsys)
    assert not list(tmp_path.iterdir())


def test_a_diverged_run_does_not_stand_in_the_way_of_the_advised_retry(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("fit", table, "--method", "gan", "--out", tmp_path / "m", *QUICK)
    fits = ringfence.GAN.fit

    def diverges(self: ringfence.GAN, *args: object, **kwargs: object) -> ringfence.GAN:
        fits(self, *args, **kwargs)  # keeps its run, as a fit does whose last step spoils the weights
        raise TrainingDiverged("scores became NaN")

    with monkeypatch.context() as patch:
        patch.setattr(ringfence.GAN, "fit", diverges)
        assert "NaN" in refused(*words, capsys=capsys)
    assert not list(tmp_path.iterdir())
    assert run(*words, "--set", "lr=1e-4", capsys=capsys)[0] == 0


@pytest.mark.parametrize("name", ["folder", "file", "checkpoint"])
def test_a_place_taken_by_something_else_is_refused_before_data_are_read(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / name
    if name == "file":
        taken.write_text("mine")
    else:
        taken.mkdir()
        (taken / "manifest.json").write_text('{"kind": "checkpoint"}')
        (taken / "weights.safetensors").write_text("")
        (taken / ("notes.txt" if name == "folder" else "weights.safetensors")).write_text("mine")
    # The table is not there: who reads it first complains of it.
    line = refused("fit", tmp_path / "none.csv", "--method", "gan", "--out", taken, capsys=capsys)
    assert "no model folder" in line
    assert str(taken) in line


def test_scores_for_a_folder_are_refused_before_data_are_read(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = refused("score", model, tmp_path / "none.csv", "--out", tmp_path, capsys=capsys)
    assert f"out={tmp_path}: is a folder" in line
    out = tmp_path / "new" / "folder" / "s.csv"
    refused("score", model, tmp_path / "none.csv", "--out", out, capsys=capsys)
    assert not list(tmp_path.iterdir())


def test_a_known_set_is_learned_by_its_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Without a case the anomalies would be learned as normal. No data folder is named: the case comes first.
    for name, case in (("digits", "digits:3"), ("mnist", "mnist:9"), ("kdd99", "kdd99:dedup")):
        line = refused("fit", name, "--method", "gan", "--out", tmp_path / "m", capsys=capsys)
        assert case in line
    assert "'al'" in refused("fit", "kdd99:al", "--method", "gan", "--out", tmp_path / "m", capsys=capsys)
    assert not list(tmp_path.iterdir())
    words = ("--method", "gan", "--out", tmp_path / "m", *QUICK, "--json")
    said = json.loads(run("fit", "digits:3", *words, capsys=capsys)[1])
    assert said["rows"] < 1797
    said = json.loads(run("score", tmp_path / "m", "digits", "--out", tmp_path / "s.csv", "--json", capsys=capsys)[1])
    assert said["rows"] == 1797


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "bad.csv"),
        ("a,b\n", "bad.csv"),
        ("a,b\n1,2\n", "bad.csv: 1 row to train on; a fit needs at least 2"),
        ("a,b\n1,2\n3,inf\n", "row 2"),
        ("a,b\n1,2\n3,tcp\n", "'tcp'"),
        ("a,b\n1,2\n3\n", "row 2"),
    ],
    ids=["empty", "header only", "one row", "infinity", "text", "ragged"],
)
def test_bad_tables_are_one_line(content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text(content)
    assert said in refused("fit", tmp_path / "bad.csv", "--method", "gan", "--out", tmp_path / "m", capsys=capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["bad.csv"]


def test_other_columns_than_at_fit_are_named(
    table: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.csv").write_text(table.read_text().replace("p7,", "q7,", 1))
    line = refused("score", model, tmp_path / "other.csv", "--out", tmp_path / "s.csv", capsys=capsys)
    assert "'p7'" in line
    assert "'q7'" in line
    (tmp_path / "few.csv").write_text("1,2\n3,4\n")
    assert "missing 'p0'" in refused("score", model, tmp_path / "few.csv", "--out", tmp_path / "s.csv", capsys=capsys)
    assert not (tmp_path / "s.csv").exists()


def test_broken_models_are_one_line(
    table: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "s.csv"
    assert "nowhere" in refused("score", tmp_path / "nowhere", table, "--out", out, capsys=capsys)
    for name, spoil in (
        ("truncated", lambda f: (f / "weights.safetensors").write_bytes(b"\0" * 20)),
        (
            "tampered",
            lambda f: (f / "manifest.json").write_text((f / "manifest.json").read_text().replace("40", "41")),
        ),
        (
            "newer",
            lambda f: (f / "manifest.json").write_text('{"format": 99, "kind": "model", "sha256": ""}'),
        ),
    ):
        folder = tmp_path / name
        folder.mkdir()
        for file in model.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        spoil(folder)
        assert name in refused("score", folder, table, "--out", out, capsys=capsys)
    assert not out.exists()


def test_a_model_does_not_keep_how_loud_its_fit_was(model: Path) -> None:
    assert ringfence.load(model).verbose == 0
    assert "verbose" not in json.loads((model / "manifest.json").read_text())["parameters"]


def test_the_package_runs_as_a_module() -> None:
    words = [sys.executable, "-m", "ringfence", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"ringfence {ringfence.__version__}"


def test_official_files_with_a_wrong_checksum_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "kddcup.data_10_percent.gz").write_bytes(b"not it")
    words = ("fit", "kdd99:all", "--method", "gan", "--out", tmp_path / "m", "--data-dir", tmp_path)
    assert "kddcup.data_10_percent.gz" in refused(*words, capsys=capsys)


def test_a_place_without_permission_is_refused_before_training(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A file where a folder is needed: refused for root too, whom permissions do not stop.
    (tmp_path / "file").write_text("")
    line = refused("fit", table, "--method", "gan", "--out", tmp_path / "file" / "m", capsys=capsys)
    assert "can't write" in line


def test_benchmark_refuses_before_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("--out", tmp_path / "r")
    assert "did you mean 'digits'" in refused("benchmark", "digit", *out, capsys=capsys)
    assert "case" in refused("benchmark", "digits", "--case", "x", *out, capsys=capsys)
    assert "seeds=0" in refused("benchmark", "digits", "--seeds", 0, *out, capsys=capsys)
    assert "records.jsonl" in refused("tables", tmp_path, capsys=capsys)
    assert not (tmp_path / "r").exists()


def test_an_interrupted_fit_says_what_it_kept_and_goes_on(table: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "ringfence.cli", "fit", table, "--method", "gan", "--out", tmp_path / "m"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}

    def fit(epochs: int, stop: bool) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            [str(w) for w in [*words, "--epochs", epochs]],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
            # A suite that runs in the background may have been started with interrupts ignored, which is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            kept = tmp_path / "m.partial" / "manifest.json"
            while stop and process.poll() is None and not kept.exists():
                time.sleep(0.05)
            if stop:
                process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
        finally:
            process.kill()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    stopped = fit(200_000, stop=True)
    assert stopped.returncode == 130, stopped.stderr
    assert [line for line in stopped.stderr.splitlines() if "error" in line] == stopped.stderr.splitlines()[-1:]
    assert "m.partial" in stopped.stderr
    assert not (tmp_path / "m").exists()
    # What lies there may be another command's: only what a run kept itself is called its own.
    said = workflow.keeping(tmp_path / "m")
    assert "beyond what" in said()
    (tmp_path / "m.partial" / "manifest.json").touch()
    assert "goes on from there" in said()
    assert "too early to keep anything" in workflow.keeping(tmp_path / "other")()
    # Another budget is another run: it is refused rather than mixed with what was kept.
    other = fit(3, stop=False)
    assert other.returncode == 2
    assert "m.partial" in other.stderr


def test_an_interrupted_benchmark_ends_at_once_and_says_what_it_kept(tmp_path: Path) -> None:
    words = "benchmark digits --method gan --case 3 --case 4 --epochs 5000 --workers 2 --no-baselines --out"
    process = subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", *words.split(), str(tmp_path / "r")],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        # A terminal interrupts the whole group of processes.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        while process.poll() is None and not (tmp_path / "r" / "runs").exists():
            time.sleep(0.05)
        time.sleep(3)  # the workers are on their way; wherever they are, the answer is the same
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert [line for line in err.splitlines() if line] == err.splitlines()[-1:]
    assert str(tmp_path / "r") in err
