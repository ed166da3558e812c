"""DATA as a user names it: which rows train, which calibrate, which are left out, and why."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ringfence import PictureDetector, cli, load, workflow
from ringfence.columns import Columns
from ringfence.data import Kdd99, load_file
from ringfence.data.kdd99 import CATEGORICAL
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.frame import Frame
from ringfence.sources import Reading, source_of

RNG = np.random.default_rng(0)
N = 120
Run = tuple[int, str, str]


def table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "machine": np.arange(N) // 12,
            "heat": RNG.normal(60, 5, N).round(3),
            "mode": np.where(np.arange(N) % 3, "eco", "turbo"),
            "seen": pd.Timestamp("2024-05-01") + pd.to_timedelta(np.arange(N) * 7 % 97, unit="h"),
            "on": np.arange(N) % 4 != 0,
            "state": np.where(np.arange(N) % 10 == 9, "broken", "good"),
        }
    )
    frame.loc[::17, "heat"] = np.nan
    return frame


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "sensors.csv"
    table().to_csv(path, index=False)
    return path


def run(*words: object, capsys: pytest.CaptureFixture[str]) -> Run:
    status = cli.main([str(w) for w in words])
    return (status, *capsys.readouterr())


def test_labels_leave_anomalies_out_and_are_no_feature(csv_file: Path) -> None:
    source = source_of(str(csv_file), Reading(label="state", normal="good"))
    assert isinstance(source.rows, Frame)
    assert "state" not in source.rows
    assert (source.parts == "skip").tolist() == [i % 10 == 9 for i in range(N)]
    assert source.anomaly is not None
    assert source.anomaly.sum() == 12
    assert source.said() == [
        "108 rows train: 'state' is 'good', which means normal",
        "12 rows are left out: 'state' is not 'good', so they are anomalies",
    ]


def test_a_group_is_never_on_both_sides(csv_file: Path) -> None:
    import torch

    source = source_of(str(csv_file), Reading(label="state", normal="good", group="machine"))
    assert isinstance(source.rows, Frame)
    assert "machine" not in source.rows
    source = source.calibrated(0.2, torch.Generator().manual_seed(0))
    assert source.groups is not None
    sides = {part: set(source.groups[source.parts == part].tolist()) for part in ("train", "calibrate")}
    assert sides["train"]
    assert sides["calibrate"]
    assert not sides["train"] & sides["calibrate"]
    assert "a drawn share of 0.2, whole groups" in source.said()[1]


def test_a_split_file_rules_and_labelled_anomalies_still_do_not_train(csv_file: Path, tmp_path: Path) -> None:
    parts = ["train"] * 80 + ["calibrate"] * 20 + ["test"] * 20
    (tmp_path / "s.csv").write_text("row,part\n" + "".join(f"{i},{p}\n" for i, p in enumerate(parts)))
    source = source_of(str(csv_file), Reading(label="state", normal="good", split=tmp_path / "s.csv"))
    assert [(source.parts == p).sum() for p in ("train", "calibrate", "test", "skip")] == [72, 18, 20, 10]
    assert source.said()[-1].endswith("as s.csv says; 10 that it would train on are labelled anomalies")
    with pytest.raises(InvalidData, match="group '6' is in both 'train' and 'calibrate'"):
        source_of(str(csv_file), Reading(label="state", normal="good", group="machine", split=tmp_path / "s.csv"))


def test_python_and_the_command_line_give_the_same_numbers(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ringfence import EGBAD

    words = ("--label", "state", "--normal", "good", "--epochs", "3", "--seed", "5")
    status, _, err = run("fit", csv_file, "--method", "egbad", "--out", tmp_path / "m", *words, capsys=capsys)
    assert status == 0, err
    assert "108 rows train: 'state' is 'good'" in err
    assert "1 of kind category: mode" in err
    assert "1 of kind boolean: on" in err
    assert "1 of kind date: seen" in err
    assert "2 of kind number: machine, heat (7 missing)" in err
    assert (
        run("score", tmp_path / "m", csv_file, "--label", "state", "--out", tmp_path / "s.csv", capsys=capsys)[0] == 0
    )
    frame = pd.read_csv(csv_file)
    normal = frame[frame["state"] == "good"].drop(columns="state")
    det = EGBAD(epochs=3, random_state=5).fit(normal)
    ours = det.anomaly_score(frame.drop(columns="state"))
    theirs = pd.read_csv(tmp_path / "s.csv")["anomaly_score"].to_numpy()
    np.testing.assert_array_equal(theirs, ours)


def test_an_unseen_category_is_told_and_refused_if_strict(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drop = ("--label", "state")
    run(
        "fit",
        csv_file,
        "--method",
        "gan",
        "--out",
        tmp_path / "m",
        *drop,
        "--normal",
        "good",
        "--epochs",
        1,
        capsys=capsys,
    )
    other = tmp_path / "other.csv"
    other.write_text(csv_file.read_text().replace("turbo", "warp", 1))
    status, _, err = run("score", tmp_path / "m", other, *drop, "--out", tmp_path / "s.csv", capsys=capsys)
    assert status == 0
    assert "note: column 'mode': 1 of 120 rows has values never seen in training: 'warp'" in err
    _, out, _ = run("score", tmp_path / "m", other, *drop, "--out", tmp_path / "s.csv", "--json", capsys=capsys)
    assert json.loads(out)["unseen"] == ["column 'mode': 1 of 120 rows has values never seen in training: 'warp'"]
    (tmp_path / "s.csv").unlink()
    status, _, err = run("score", tmp_path / "m", other, *drop, "--strict", "--out", tmp_path / "s.csv", capsys=capsys)
    assert status == 2
    assert "'warp'" in err.splitlines()[-1]
    assert not (tmp_path / "s.csv").exists()


def test_scores_with_labels_are_held_against_them(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ("--label", "state", "--normal", "good")
    run("fit", csv_file, "--method", "gan", "--out", tmp_path / "m", *labels, "--epochs", 1, capsys=capsys)
    _, out, _ = run("score", tmp_path / "m", csv_file, *labels, "--json", "--out", tmp_path / "s.csv", capsys=capsys)
    metrics = json.loads(out)["metrics"]
    scores = pd.read_csv(tmp_path / "s.csv")["anomaly_score"].to_numpy()
    from sklearn.metrics import roc_auc_score

    assert metrics["auroc"] == pytest.approx(roc_auc_score(np.arange(N) % 10 == 9, scores))
    assert not any(name.startswith("oracle") for name in metrics)


def test_the_split_that_was_used_can_be_used_again(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--method", "gan", "--label", "state", "--normal", "good", "--epochs", "1")
    fitted, split = tmp_path / "m", tmp_path / "split.csv"
    run("fit", csv_file, *words, "--out", fitted, "--set", "calibration=.2", "--split-out", split, capsys=capsys)
    run("fit", csv_file, *words, "--out", tmp_path / "again", "--split", split, capsys=capsys)
    one, two = load(fitted), load(tmp_path / "again")
    assert one.split_ == two.split_ == {"train": 86, "calibrate": 22}
    rows = source_of(str(csv_file), Reading(label="state", normal="good")).rows
    assert np.array_equal(one.anomaly_score(rows), two.anomaly_score(rows))
    assert one.threshold_ == two.threshold_


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--label", "state"), "needs the value that means normal"),
        (("--label", "stat", "--normal", "good"), "did you mean 'state'"),
        (("--label", "state", "--normal", "fine"), "never is 'fine'"),
        (("--label", "state", "--normal", "good", "--group", "machin"), "did you mean 'machine'"),
        (("--label", "state", "--normal", "good", "--kind", "mode=categry"), "did you mean 'category'"),
        (("--label", "state", "--normal", "good", "--kind", "mod=category"), "did you mean 'mode'"),
        (("--label", "state", "--normal", "good", "--kind", "mode"), "--kind mode: write name=value"),
        (("--label", "state", "--normal", "good", "--kind", "mode=number"), "'mode' is 'turbo', not a"),
        (("--label", "state", "--normal", "good", "--resize", "8"), "is no folder of pictures"),
        (("--label", "state", "--normal", "good", "--split", "none.csv"), "none.csv"),
        (("--patch", "16", "--resize", "8"), "exclude each other"),
        (("--stride", "8"), "--patch"),
        (("--resize", "8by8"), "HEIGHTxWIDTH"),
    ],
)
def test_bad_options_are_one_line_before_anything_is_written(
    words: tuple[str, ...], said: str, csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.iterdir())
    try:
        status = cli.main(["fit", str(csv_file), "--method", "gan", "--out", str(tmp_path / "m"), *words])
    except SystemExit as stop:
        status = int(stop.code or 0)
    _out, err = capsys.readouterr()
    assert status == 2
    assert said in err
    assert len([line for line in err.splitlines() if "error" in line]) == 1
    assert "Traceback" not in err
    assert sorted(tmp_path.iterdir()) == before


def test_kdd99_as_a_raw_file_has_the_columns_of_the_benchmark(data_dir: Path, kdd99: Kdd99) -> None:
    from ringfence.data.kdd99 import ATTRIBUTES

    path = next(data_dir.rglob("kddcup.data_10_percent*"))
    # Without a header columns are called by their numbers, and the label is the last.
    kinds = {str(at): "category" if name in CATEGORICAL else "number" for at, name in enumerate(ATTRIBUTES, 1)}
    loaded = load_file(path, "42", "normal.", kinds=kinds)
    assert isinstance(loaded.x, Frame)
    columns = Columns.learn(loaded.x, kinds)
    called = {str(at): name for at, name in enumerate(ATTRIBUTES, 1)}
    names = [
        "=".join([called[name.partition("=")[0]], *name.partition("=")[2:]][: 1 + ("=" in name)])
        for name in columns.names
    ]
    assert tuple(names) == kdd99.columns
    assert len(names) == 121
    matrix, unseen = columns.encode(loaded.x)
    assert np.array_equal(matrix, kdd99.x)
    assert not unseen
    assert loaded.labels is not None
    assert np.array_equal(~loaded.labels, kdd99.normal_connection)


def test_a_folder_of_tiles_fits_and_scores_its_test_part(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiles = data_dir / "magnetic_tile"
    if not tiles.is_dir():
        pytest.skip(f"no magnetic_tile in {data_dir}")
    few = tmp_path / "tiles"
    for kind, count in (("train/good", 12), ("test/good", 4), ("test/crack", 4)):
        (few / kind).mkdir(parents=True)
        for picture in sorted((tiles / kind).iterdir())[:count]:
            (few / kind / picture.name).write_bytes(picture.read_bytes())
    (few / "train/good/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    words = ("fit", few, "--method", "egbad", "--out", tmp_path / "m", "--epochs", 1)
    status, _, err = run(*words, capsys=capsys)
    assert status == 2
    assert "--resize 64x64" in err
    assert not (tmp_path / "m").exists()
    status, _, err = run(*words, "--patch", 32, "--stride", 32, "--set", "calibration=.25", capsys=capsys)
    assert status == 0, err
    assert "9 rows train: train/good" in err
    assert "3 rows calibrate the cut" in err
    assert "'train/good/broken.png' is left out" in err
    assert isinstance(load(tmp_path / "m"), PictureDetector)
    maps = tmp_path / "maps"
    status, out, err = run("score", tmp_path / "m", few, "--out", tmp_path / "s.csv", "--maps", maps, capsys=capsys)
    assert status == 0, err
    assert "against the truth: auroc" in out
    scores = pd.read_csv(tmp_path / "s.csv")
    assert list(scores.columns) == ["row", "anomaly_score", "is_anomaly", "file"]
    assert len(scores) == 8
    assert all((maps / name).with_suffix(".png").exists() for name in scores["file"])
    status, _, err = run(*words, "--patch", 32, "--strict", capsys=capsys)
    assert status == 2
    assert "broken.png" in err
    with pytest.raises(InvalidData, match="holds rows, but the model"):
        workflow.score(tmp_path / "m", "digits:3", tmp_path / "t.csv")


def test_pictures_and_options_for_tables_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    with pytest.raises(InvalidParameter, match="--label, --group and --kind are for tables"):
        source_of(str(tmp_path / "p"), Reading(label="y"))


def test_models_of_python_and_of_the_command_line_score_each_others_files_alike(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ringfence import EGBAD

    frame = pd.DataFrame(
        {
            "grade": np.where(np.arange(80) % 7 == 0, np.nan, np.arange(80) % 3),  # pandas writes 1.0
            "sort": np.arange(80) % 2 == 0,
            "fixed": True,
            "level": RNG.normal(size=80),
        }
    )
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    det = EGBAD(epochs=2, random_state=0, kinds={"grade": "category"}).fit(frame)
    det.save(tmp_path / "python")
    words = ("--method", "egbad", "--epochs", 2, "--kind", "grade=category")
    run("fit", path, *words, "--out", tmp_path / "commands", capsys=capsys)
    for model in ("python", "commands"):
        _, out, _ = run("score", tmp_path / model, path, "--out", tmp_path / "s.csv", "--json", capsys=capsys)
        assert json.loads(out)["unseen"] == []
        theirs = pd.read_csv(tmp_path / "s.csv")["anomaly_score"].to_numpy()
        np.testing.assert_array_equal(theirs, det.anomaly_score(frame))
    np.testing.assert_array_equal(load(tmp_path / "commands").anomaly_score(frame), det.anomaly_score(frame))


def test_scores_and_messages_name_the_rows_of_the_file(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = ("--label", "state", "--normal", "good")
    split = tmp_path / "split.csv"
    assert run("split", csv_file, *labels, "--out", split, capsys=capsys)[0] == 0
    words = ("--method", "gan", "--epochs", "1", "--split", split)
    assert run("fit", csv_file, *labels, *words, "--out", tmp_path / "m", capsys=capsys)[0] == 0
    scored = ("score", tmp_path / "m", csv_file, *labels, "--split", split, "--out", tmp_path / "s.csv")
    assert run(*scored, capsys=capsys)[0] == 0
    parts = pd.read_csv(split)
    assert pd.read_csv(tmp_path / "s.csv")["row"].tolist() == parts["row"][parts["part"] == "test"].tolist()
    at = int(parts["row"][parts["part"] == "test"].iloc[-1])
    lines = csv_file.read_text().splitlines()
    lines[at + 1] = lines[at + 1].replace(lines[at + 1].split(",")[3], "soon")
    csv_file.write_text("\n".join(lines) + "\n")
    _, _, err = run(*scored, capsys=capsys)
    assert f"row {at + 1}, column 'seen' is 'soon'" in err


def test_columns_that_did_not_train_may_lack_and_others_are_taken_by_name(
    csv_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = table().drop(columns="state").assign(id=range(N))
    frame.to_csv(csv_file, index=False)
    assert run("fit", csv_file, "--method", "gan", "--epochs", 1, "--out", tmp_path / "m", capsys=capsys)[0] == 0
    run("score", tmp_path / "m", csv_file, "--out", tmp_path / "a.csv", capsys=capsys)
    frame.drop(columns="id")[["on", "heat", "mode", "machine", "seen"]].to_csv(csv_file, index=False)
    status, _, err = run("score", tmp_path / "m", csv_file, "--out", tmp_path / "b.csv", capsys=capsys)
    assert status == 0, err
    assert (tmp_path / "a.csv").read_text() == (tmp_path / "b.csv").read_text()
    frame.assign(extra=1.5).to_csv(csv_file, index=False)
    status, _, err = run("score", tmp_path / "m", csv_file, "--out", tmp_path / "c.csv", capsys=capsys)
    assert "not known from fit 'extra' (leave out: --kind extra=skip)" in err
    words = ("score", tmp_path / "m", csv_file, "--kind", "extra=skip", "--out", tmp_path / "c.csv")
    assert run(*words, capsys=capsys)[0] == 0


def test_pictures_that_train_say_how_many_channels_and_one_picture_can_be_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for at in range(6):
        for part, mode in (("train/good", "L"), ("test/bad", "RGB"), ("test/good", "L")):
            (tmp_path / "p" / part).mkdir(parents=True, exist_ok=True)
            pixels = RNG.integers(0, 255, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(tmp_path / "p" / part / f"{at}.png")
    words = ("fit", tmp_path / "p", "--method", "gan", "--epochs", 1, "--out", tmp_path / "m")
    assert run(*words, capsys=capsys)[0] == 0
    assert load(tmp_path / "m").detector_.preprocess_.shape == (1, 16, 16)
    for data in (tmp_path / "p", tmp_path / "p" / "train" / "good", tmp_path / "p" / "test" / "bad" / "0.png"):
        status, _, err = run("score", tmp_path / "m", data, "--out", tmp_path / "s.csv", capsys=capsys)
        assert status == 0, err
    assert len(pd.read_csv(tmp_path / "s.csv")) == 1


def test_a_batch_of_anomalies_a_suspect_column_and_groups_of_mixed_text_are_no_obstacle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, odd = tmp_path / "t.csv", tmp_path / "odd.csv"
    frame = pd.DataFrame({"y": RNG.normal(size=40), "z": RNG.normal(size=40), "kind": ["good"] * 36 + ["bad"] * 4})
    frame["machine"] = ["1", "2", "6b", "7"] * 10
    frame.to_csv(path, index=False)
    frame[frame["kind"] == "bad"].to_csv(odd, index=False)
    asked = ("--label", "kind", "--normal", "good", "--group", "machine")
    words = ("fit", path, "--method", "gan", "--epochs", 1, "--kind", "y=number", "--set", "calibration=.25", *asked)
    status, _, err = run(*words, "--out", tmp_path / "m", capsys=capsys)
    assert status == 0, err
    status, out, err = run("score", tmp_path / "m", odd, *asked, "--out", tmp_path / "s.csv", "--json", capsys=capsys)
    assert status == 0, err
    assert json.loads(out)["metrics"] == {}


def test_a_file_without_a_header_says_how_its_columns_are_called(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "t.csv"
    path.write_text("".join(f"m{i % 3},{i % 5}.5\n" for i in range(30)))
    _, _, err = run("fit", path, "--method", "gan", "--epochs", 1, "--out", tmp_path / "m", capsys=capsys)
    assert "columns are called 1 to 2" in err
