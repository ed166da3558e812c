"""What holds for every command and for every hyperparameter alike."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ringfence import cli, methods, workflow

Run = Callable[..., tuple[int, str, str]]

JUNK = ("junk", "", "[1]", "[None]", "None", "-1", "0", "2.5", "1e999", "{'a': 1}", "{'generator': 5}", "True", "false")
SMALL = {
    "adgan": ("--set", "starts=2"),
    "anogan": ("--set", "steps=2", "--set", "search_rates=[0.1]", "--set", "search_until=[]"),
}

BENCHMARK = (
    "benchmark", "digits", "--method", "gan", "--case", "3", "--no-baselines", "--epochs", "1", "--train-rows", "100",
)  # fmt: skip


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output and standard error of a command."""

    def called(*words: object) -> tuple[int, str, str]:
        try:
            status = cli.main([str(w) for w in words])
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, *capsys.readouterr()

    return called


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty rows, with a constant column that is worth a note."""
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    x = np.random.default_rng(0).normal(size=(40, 4))
    x[:, 2] = 7
    np.save(path, x)
    return path


@pytest.mark.parametrize("name", sorted(methods()))
def test_junk_for_any_hyperparameter_is_one_line_that_names_it(name: str, rows: Path, tmp_path: Path, run: Run) -> None:
    for parameter in methods()[name]().get_params(deep=False):
        for value in JUNK:
            given = ["--set", "epochs=1", *SMALL.get(name, ()), "--set", f"{parameter}={value}"]
            status, out, err = run("fit", rows, "--method", name, "--out", tmp_path / "m", "--json", *given)
            said = [line for line in err.splitlines() if not line.startswith("ringfence: note: ")]
            if status == 0:
                assert json.loads(out)["method"] == name, f"{parameter}={value}"
                continue
            assert (status, len(said), out) == (2, 1, ""), f"{parameter}={value}: {err}"
            assert said[0].startswith("ringfence: error: ")
            assert parameter in said[0], f"{parameter}={value}: {said[0]}"


@pytest.mark.parametrize(("text", "value"), [("false", False), ("False", False), ("true", True), ("True", True)])
def test_booleans_are_read_as_people_write_them(text: str, value: bool, rows: Path, tmp_path: Path, run: Run) -> None:
    import ringfence

    words = ("--method", "egbad", "--epochs", 1, "--set", f"own_rows={text}")
    assert run("fit", rows, "--out", tmp_path / "m", *words)[0] == 0
    assert ringfence.load(tmp_path / "m").own_rows is value


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--threads", "0", "list"), "--threads"),
        (("--threads", "x", "list"), "--threads"),
        (("--threads", "-3", "list"), "--threads"),
        (("fit", "x.csv", "--method", "gan", "--out", "m", "--seed", "x"), "--seed"),
        (("fit", "x.csv", "--method", "gan", "--out", "m", "--seed", "-1"), "random_state=-1"),
        (("fit", "x.csv", "--method", "gan", "--out", "m", "--epochs", "x"), "--epochs"),
        (("fit", "x.csv", "--out", "m"), "--method"),
        (("benchmark", "digits", "--out", "r", "--seeds", "x"), "--seeds"),
        (("benchmark", "digits", "--out", "r", "--set", "random_state=1"), "random_state"),
        (("lits",), "lits"),
        ((), "COMMAND"),
    ],
)
def test_a_command_that_is_none_is_one_line(words: tuple[str, ...], said: str, run: Run) -> None:
    status, out, err = run(*words)
    assert (status, out, len(err.strip().splitlines())) == (2, "", 1), err
    assert err.startswith("ringfence: error: ")
    assert said in err


# ---- --quiet and --json on every command --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and the records of a benchmark."""
    folder = tmp_path_factory.mktemp("made")
    assert cli.main(["fit", str(rows), "--method", "gan", "--out", str(folder / "m"), "--epochs", "1", "--quiet"]) == 0
    assert cli.main([*BENCHMARK, "--quiet", "--out", str(folder / "r")]) == 0
    return folder


COMMANDS: dict[str, Callable[[Path, Path, Path], list[object]]] = {
    "list": lambda rows, made, new: ["list"],
    "fit": lambda rows, made, new: ["fit", rows, "--method", "gan", "--out", new / "m", "--epochs", 1],
    "score": lambda rows, made, new: ["score", made / "m", rows, "--out", new / "s.csv"],
    # Its runs are there: what would be noted is their reuse.
    "benchmark": lambda rows, made, new: [*BENCHMARK, "--out", made / "r"],
    "tables": lambda rows, made, new: ["tables", made / "r"],
    "report": lambda rows, made, new: ["report", made / "r", "--out", new / "p.html"],
    "demo": lambda rows, made, new: ["demo", "--out", new / "d"],
}


@pytest.fixture
def no_demo(monkeypatch: pytest.MonkeyPatch, made: Path) -> list[Any]:
    """The demo without its minutes; what it was called with."""
    from ringfence.benchmark.records import read_records

    calls: list[Any] = []

    def demo(out: Path, **given: Any) -> tuple[list[dict[str, Any]], Path]:
        calls.append(given)
        return read_records(made / "r"), out / "report.html"

    monkeypatch.setattr(workflow, "demo", demo)
    return calls


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_quiet_and_can_speak_json(
    name: str, rows: Path, made: Path, tmp_path: Path, run: Run, no_demo: list[Any]
) -> None:
    if name == "report":
        pytest.importorskip("matplotlib", reason="the report needs the extra 'report'")
    words = COMMANDS[name](rows, made, tmp_path)
    status, out, err = run(*words)
    assert status == 0, err
    assert out.strip()
    assert run(*words, "--quiet") == (0, "", "")
    status, out, err = run(*words, "--quiet", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)
    status, out, _ = run(*words, "--json")
    assert json.loads(out)
    if name == "demo":
        assert [given["verbose"] for given in no_demo] == [1, 0, 0, 1]


def test_what_is_worth_a_note_is_told_where_nobody_asked_for_quiet(rows: Path, tmp_path: Path, run: Run) -> None:
    # The quiet command above would prove little if there were nothing to be quiet about.
    err = run("fit", rows, "--method", "gan", "--out", tmp_path / "m", "--epochs", 1)[2]
    assert "ringfence: note: " in err


def test_a_refusal_is_heard_though_it_is_quiet(run: Run) -> None:
    status, out, err = run("tables", "nowhere", "--quiet", "--json")
    assert (status, out) == (2, "")
    assert err.startswith("ringfence: error: ")
