"""What `inspect` finds and warns of; every warning has a table or folder that earns it, and clean ones earn none."""

import json
import shutil
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ringfence import cli
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.inspection import inspect_data, inspect_source, render
from ringfence.sources import Reading, source_of
from ringfence.views import Pad, Patches, Resize

N = 400
PLAIN = Reading()
LABELLED = Reading(label="y", normal="ok")
Columns = dict[str, Sequence[Any]]


def clean() -> Columns:
    """Columns that nobody would warn of."""
    rng = np.random.default_rng(0)
    days = rng.permutation(N)
    return {
        "temperature": rng.normal(20, 3, N).tolist(),
        "pressure": rng.normal(5, 1, N).tolist(),
        "site": rng.choice(["north", "south", "east"], N).tolist(),
        "open": rng.choice(["yes", "no"], N).tolist(),
        "day": [f"2024-{1 + d % 12:02}-{1 + d % 28:02}" for d in days.tolist()],
    }


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., str]:
    """Write the clean columns, with others in place of them or beside them, as a CSV file."""

    def write(only: Mapping[str, Sequence[Any]] | None = None, rows: int = N, **columns: Sequence[Any]) -> str:
        whole = {**(clean() if only is None else only), **columns}
        lines = [",".join(whole)]
        lines += [",".join(map(str, cells)) for cells in list(zip(*whole.values(), strict=True))[:rows]]
        path = tmp_path / "rows.csv"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write


def labels(anomalies: int) -> list[str]:
    return ["bad"] * anomalies + ["ok"] * (N - anomalies)


def warned(found: Mapping[str, Any]) -> dict[str, str]:
    """Texts of warnings by what they are about; each is one line."""
    assert all("\n" not in w["text"] for w in found["warnings"])
    assert all(len(line) <= 100 for line in render(found).splitlines())
    json.dumps(found, allow_nan=False)
    texts: dict[str, str] = {}
    for warning in found["warnings"]:
        texts[warning["about"]] = f"{texts.get(warning['about'], '')}{warning['text']}\n"
    return texts


def test_a_clean_table_earns_no_warning_and_its_columns_are_told(table: Callable[..., str]) -> None:
    found = inspect_data(table(), PLAIN)
    assert warned(found) == {}
    assert {c["name"]: c["kind"] for c in found["columns"]} == {
        "temperature": "number", "pressure": "number", "site": "category", "open": "boolean", "day": "date",
    }  # fmt: skip
    assert (found["rows"], found["kind"], found["matrix_columns"]) == (N, "table", 1 + 1 + 3 + 2 + 1)
    assert found["split"]["parts"] == {"train": N, "calibrate": 0, "test": 0, "skip": 0}
    assert "nothing to warn of" in render(found)


def test_a_clean_labelled_table_earns_no_warning(table: Callable[..., str]) -> None:
    found = inspect_data(table(y=labels(40)), LABELLED, calibration=0.25)
    assert warned(found) == {}
    assert (found["anomalies"], found["split"]["parts"]) == (40, {"train": 270, "calibrate": 90, "test": 0, "skip": 40})


def test_the_split_is_the_one_that_a_fit_would_use(table: Callable[..., str], tmp_path: Path) -> None:
    data, split = table({k: v for k, v in clean().items() if k in ("temperature", "pressure")}), tmp_path / "split.csv"
    words = ("--method", "gan", "--out", tmp_path / "m", "--seed", 3, "--epochs", 1, "--set", "calibration=0.2")
    assert cli.main([str(w) for w in ("fit", data, *words, "--quiet", "--split-out", split)]) == 0
    found = inspect_data(data, PLAIN, calibration=0.2, seed=3)
    again = inspect_data(data, replace(PLAIN, split=split))
    assert found["split"]["parts"] == again["split"]["parts"] == {"train": 320, "calibrate": 80, "test": 0, "skip": 0}
    assert [c["median"] for c in found["columns"]] == [c["median"] for c in again["columns"]]


def test_a_label_without_the_value_that_means_normal(table: Callable[..., str]) -> None:
    found = inspect_data(table(y=labels(40)), replace(LABELLED, normal=None))
    assert set(warned(found)) == {"label"}
    assert (found["anomalies"], len(found["columns"])) == (None, 5)


def test_few_rows(table: Callable[..., str]) -> None:
    assert "99 rows to train on" in warned(inspect_data(table(rows=99), PLAIN))["few rows"]
    assert "few rows" not in warned(inspect_data(table(rows=100), PLAIN))


def test_more_columns_than_rows(table: Callable[..., str]) -> None:
    rng = np.random.default_rng(1)
    wide = {f"c{j}": rng.normal(size=N).tolist() for j in range(121)}
    assert "121 columns" in warned(inspect_data(table(wide, rows=120), PLAIN))["more columns than rows"]
    assert "more columns than rows" not in warned(inspect_data(table(wide, rows=121), PLAIN))


def test_one_row_trains_nothing(table: Callable[..., str]) -> None:
    text = warned(inspect_data(table(rows=1), PLAIN))["nothing trains"]
    assert text == "1 row to train on, a fit needs at least 2: there are no more\n"


def test_near_constant_columns_are_named_in_one_line(table: Callable[..., str]) -> None:
    rare = [1.5] * 3 + [0.0] * (N - 3)
    text = warned(inspect_data(table(valve=rare, pump=rare[::-1]), PLAIN))["near-constant"]
    assert "columns 'valve', 'pump' hardly vary" in text
    assert "99.2 %" in text
    assert "near-constant" not in warned(inspect_data(table(valve=[1.5] * 5 + [0.0] * (N - 5)), PLAIN))


def test_a_constant_is_told_and_not_warned_of(table: Callable[..., str]) -> None:
    found = inspect_data(table(site=["north"] * N), PLAIN)
    assert [c["reason"] for c in found["columns"] if c["kind"] == "constant"] == ["always north"]
    assert warned(found) == {}


def test_a_column_nearly_all_missing(table: Callable[..., str]) -> None:
    values = np.random.default_rng(1).normal(size=N).tolist()
    found = inspect_data(table(gappy=["" if i < 201 else v for i, v in enumerate(values)]), PLAIN)
    assert "--kind gappy=skip" in warned(found)["missing"]
    assert next(c for c in found["columns"] if c["name"] == "gappy")["missing"] == 201
    assert "missing" not in warned(
        inspect_data(table(gappy=["" if i < 200 else v for i, v in enumerate(values)]), PLAIN)
    )


def test_a_column_all_missing_is_told_with_the_rest_instead_of_refused(table: Callable[..., str]) -> None:
    found = inspect_data(table(empty=[""] * N), PLAIN)
    assert "--kind empty=skip" in warned(found)["refused"]
    assert len(found["columns"]) == 6
    assert warned(inspect_data(table(empty=[""] * N), Reading(kinds={"empty": "skip"}))) == {}


def test_a_column_that_a_fit_would_refuse_is_told_with_its_row_in_the_file(table: Callable[..., str]) -> None:
    days = ["2024-05-31"] * (N - 1) + ["soon"]
    found = inspect_data(table(when=days, y=labels(40)), LABELLED)
    assert "row 400, column 'when' is 'soon'" in warned(found)["refused"]
    assert [c["kind"] for c in found["columns"]].count("faulty") == 1


def test_columns_by_their_types_in_a_parquet_file(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    hours = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(N), "h")
    flags = pd.array([True, False, None, True] * (N // 4), dtype="boolean")
    data = pd.DataFrame({"at": hours, "flag": flags, "size": rng.normal(size=N), "day": hours.date})
    data.loc[3, "at"] = pd.NaT
    data.to_parquet(tmp_path / "rows.parquet")
    found = inspect_data(str(tmp_path / "rows.parquet"), PLAIN)
    assert warned(found) == {}
    at, flag, _, day = found["columns"]
    assert (at["kind"], at["first"], at["last"]) == ("date", "2024-01-01", "2024-01-17 15:00")
    assert (flag["kind"], flag["missing"], flag["matrix_columns"]) == ("boolean", N // 4, 3)
    assert (day["kind"], day["last"]) == ("date", "2024-01-17")


def test_a_number_that_looks_like_a_code(table: Callable[..., str]) -> None:
    codes = [(1, 2, 5)[i % 3] for i in range(N)]
    data = table(machine=codes)
    assert "--kind machine=category" in warned(inspect_data(data, PLAIN))["code"]
    for kind in ("category", "number"):
        assert warned(inspect_data(data, Reading(kinds={"machine": kind}))) == {}


def test_dates_whose_day_and_month_nobody_knows(table: Callable[..., str]) -> None:
    few = warned(inspect_data(table(when=[f"{1 + i % 12:02}/04/2024" for i in range(N)]), PLAIN))
    assert "'when' holds dates such as 01/04/2024" in few["ambiguous date"]
    assert "taken for a category" in few["ambiguous date"]
    many = warned(inspect_data(table(when=[f"{1 + i % 12}/{1 + i % 28}/{1600 + i}" for i in range(N)]), PLAIN))
    assert "taken for an identifier" in many["ambiguous date"]


def test_an_identifier_left_out(table: Callable[..., str]) -> None:
    data = table(id=range(N))
    assert "'id' is left out" in warned(inspect_data(data, PLAIN))["identifier"]
    assert warned(inspect_data(data, Reading(kinds={"id": "skip"}))) == {}


def test_an_array_that_counts_its_rows(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(N, 3))
    x[:, 1] = np.arange(N)
    np.save(tmp_path / "x.npy", x)
    found = inspect_data(str(tmp_path / "x.npy"), PLAIN)
    assert "column '1' counts the rows" in warned(found)["identifier"]
    assert found["matrix_columns"] == 3
    assert "--kind" not in render(found)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([9.0] * 40 + [0.5, 0.25] * 180, "AUROC 1.000"),
        ([-9.0] * 40 + [0.5, 0.25] * 180, "AUROC 1.000"),
        (["broken"] * 30 + ["fine", "so-so"] * 185, "30 of 40 anomalies have 'broken' and no normal row"),
        ([""] * 30 + [0.5, 0.25] * 185, "30 of 40 anomalies have a gap and no normal row"),
    ],
)
def test_a_column_that_tells_the_label_by_itself(told: list[Any], said: str, table: Callable[..., str]) -> None:
    data = table(y=labels(40), status=told)
    text = warned(inspect_data(data, LABELLED))["leak"]
    assert said in text
    assert "--kind status=skip" in text
    # Labels only warn: nothing else that is found depends on them.
    silent = inspect_data(data, replace(LABELLED, kinds={"status": "skip"}))
    assert "leak" not in warned(silent)
    assert "leak" not in warned(inspect_data(data, replace(LABELLED, normal=None)))


def test_a_highly_skewed_number(table: Callable[..., str]) -> None:
    bytes_sent = np.exp(np.random.default_rng(1).normal(0, 1.5, N))
    assert "scale=quantile" in warned(inspect_data(table(sent=bytes_sent.tolist()), PLAIN))["skewed"]


def test_extreme_values_among_the_training_rows(table: Callable[..., str]) -> None:
    values = np.random.default_rng(1).normal(0, 1, N)
    values[:3] = 30, -40, 25
    found = warned(inspect_data(table(flow=values.tolist()), PLAIN))
    assert set(found) == {"extreme"}
    assert "'flow': 3, up to -40" in found["extreme"]
    # Anomalies that are known do not train, so they are no reason to warn.
    odd = inspect_data(table(flow=values.tolist(), y=["bad"] * 3 + ["ok"] * (N - 3)), LABELLED)
    assert "extreme" not in warned(odd)


def test_dates_that_grow_and_dates_to_test_beyond_training(table: Callable[..., str], tmp_path: Path) -> None:
    days = [str(np.datetime64("2024-01-01") + i) for i in range(N)]
    data = table(day=days)
    assert "grows from row to row, to 2025-02-03" in warned(inspect_data(data, PLAIN))["date"]
    split = tmp_path / "split.csv"
    split.write_text("row,part\n" + "".join(f"{i},{'train' if i < 300 else 'test'}\n" for i in range(N)))
    text = warned(inspect_data(data, Reading(split=split)))["date"]
    assert "100 test rows have dates outside" in text
    assert "(2024-01-01 to 2024-10-26)" in text


def test_copies_within_training(table: Callable[..., str]) -> None:
    columns = {name: [*values[: N - 8], *values[:8]] for name, values in clean().items()}
    found = inspect_data(table(columns), PLAIN)
    assert found["copies"]["within_training"] == 8
    assert "8 of 400 training rows (2 %)" in warned(found)["copies in training"]
    # What is no feature makes no row different.
    assert inspect_data(table(columns, id=range(N)), PLAIN)["copies"]["within_training"] == 8


def test_copies_between_the_parts_of_a_split(table: Callable[..., str], tmp_path: Path) -> None:
    columns = {name: [*values[: N - 2], *values[:2]] for name, values in clean().items()}
    split = tmp_path / "split.csv"
    split.write_text("row,part\n" + "".join(f"{i},{'train' if i < N - 2 else 'test'}\n" for i in range(N)))
    found = inspect_data(table(columns), Reading(split=split))
    assert "2 of 2 rows to test (100 %) are exact copies of rows that train" in warned(found)["copies across the split"]
    split.write_text(split.read_text().replace("test", "calibrate"))
    assert "the cut" in warned(inspect_data(table(columns), Reading(split=split)))["copies across the split"]


def test_an_anomaly_that_is_a_copy_of_a_normal_row(table: Callable[..., str]) -> None:
    columns = {name: [*values[: N - 1], values[50]] for name, values in clean().items()}
    data = table(columns, y=[*labels(39)[:-1], "bad"])
    assert (
        "1 of 40 labelled anomalies are exact copies"
        in warned(inspect_data(data, LABELLED))["copies with another label"]
    )


def test_groups_too_few_and_copies_across_them(table: Callable[..., str]) -> None:
    reading = Reading(group="patient")
    few = inspect_data(table(patient=[f"p{i % 2}" for i in range(N)]), reading)
    assert few["groups"] == 2
    assert set(warned(few)) == {"few groups"}
    columns = {name: [*values[: N - 1], values[0]] for name, values in clean().items()}
    found = inspect_data(table(columns, patient=[f"p{i % 4}" for i in range(N)]), reading)
    assert "2 rows have an exact copy in another group" in warned(found)["copies across groups"]


def test_many_categories(table: Callable[..., str]) -> None:
    assert (
        "51 different values"
        in warned(inspect_data(table(shop=[f"s{i % 51}" for i in range(N)]), PLAIN))["many categories"]
    )
    assert warned(inspect_data(table(shop=[f"s{i % 50}" for i in range(N)]), PLAIN)) == {}


def test_anomalies_that_would_train(table: Callable[..., str], tmp_path: Path) -> None:
    data, split = table(y=labels(40)), tmp_path / "split.csv"
    split.write_text("row,part\n" + "".join(f"{i},{'train' if i < 300 else 'test'}\n" for i in range(N)))
    reading = replace(LABELLED, split=split)
    assert "40 that it would train on are labelled anomalies" in warned(inspect_data(data, reading))["anomalies train"]
    source = source_of(data, LABELLED)
    careless = replace(source, parts=np.full(N, "train"))
    assert (
        "40 rows that train or calibrate"
        in warned({"data": data, **inspect_source(careless, PLAIN)})["anomalies train"]
    )


def test_a_test_part_of_one_class(table: Callable[..., str], tmp_path: Path) -> None:
    data, split = table(y=labels(40)), tmp_path / "split.csv"
    split.write_text("row,part\n" + "".join(f"{i},{'test' if i < 40 else 'train'}\n" for i in range(N)))
    reading = replace(LABELLED, split=split)
    assert "all 40 rows to test are anomalies" in warned(inspect_data(data, reading))["one class to test"]
    split.write_text("row,part\n" + "".join(f"{i},{'test' if i < 60 else 'train'}\n" for i in range(N)))
    assert warned(inspect_data(data, reading)) == {}


def test_a_wide_table_is_shown_in_part_and_told_in_full(table: Callable[..., str]) -> None:
    rng = np.random.default_rng(1)
    found = inspect_data(table({f"c{j}": rng.normal(size=N).tolist() for j in range(60)}), PLAIN)
    assert "… and 20 more" in render(found)
    assert len(found["columns"]) == 60


def test_what_can_not_be_is_refused_in_one_line(table: Callable[..., str]) -> None:
    data = table()
    for reading, view, calibration, said in (
        (PLAIN, Resize(8, 8), 0.0, "no folder of pictures"),
        (PLAIN, None, 1.0, "calibration=1.0"),
        (Reading(kinds={"site": "kategory"}), None, 0.0, "category"),
        (Reading(kinds={"sight": "skip"}), None, 0.0, "did you mean 'site'"),
    ):
        with pytest.raises(InvalidParameter, match=said):
            inspect_data(data, reading, view, calibration)


# Pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in MVTec layout that nobody would warn of: 50 pictures to train, 10 normal and 10 with masks to test."""
    rng, root = np.random.default_rng(0), tmp_path / "tiles"
    for name in (*(f"train/good/{i:02}" for i in range(50)), *(f"test/good/{i}" for i in range(10))):
        draw(root / f"{name}.png", rng)
    for i in range(10):
        draw(root / f"test/crack/{i}.png", rng)
        mask(root / f"ground_truth/crack/{i}_mask.png", 40)
    return root


def draw(path: Path, rng: np.random.Generator, height: int = 20, width: int = 24, mode: str = "L") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    grey = Image.fromarray(rng.integers(0, 256, (height, width), dtype=np.uint8))
    grey.convert(mode).save(path)


def mask(path: Path, pixels: int, height: int = 20, width: int = 24) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = np.zeros(height * width, dtype=np.uint8)
    flat[:pixels] = 255
    Image.fromarray(flat.reshape(height, width)).save(path)


def about(root: Path, *views: Any, **reading: Any) -> dict[str, str]:
    return warned(inspect_data(str(root), Reading(**reading), *views))


def test_a_clean_folder_earns_no_warning_and_is_told(folder: Path) -> None:
    found = inspect_data(str(folder), PLAIN, Patches(16, 16, 8))
    assert warned(found) == {}
    assert found["pictures"]["groups"] == {"train/good": 50, "test/good": 10, "test/crack": 10}
    assert found["pictures"]["sizes"] == {"different": 1, "height": [20, 20], "width": [24, 24]}
    assert (found["pictures"]["layout"], found["pictures"]["masks"], found["rows"]) == ("mvtec", 10, 70)
    assert (found["view"]["train_rows"], found["view"]["test_rows"]) == (50 * 4, 20 * 4)
    assert "patches 16x16, stride 8: 200 rows to train, 80 rows to test" in render(found)


def test_few_pictures(folder: Path) -> None:
    (folder / "train/good/00.png").unlink()
    assert "only 49 pictures" in about(folder)["few rows"]


def test_sizes_that_differ_and_aspect_ratios_far_apart(folder: Path) -> None:
    draw(folder / "train/good/00.png", np.random.default_rng(1), 20, 48)
    found = about(folder)
    assert "2 sizes, from 20x24 to 20x48" in found["sizes"]
    assert "--pad 20x48" in found["sizes"]
    assert "from 1.20 to 2.40" in found["aspect ratios"]
    assert set(about(folder, Resize(16, 16))) == {"aspect ratios"}
    assert about(folder, Pad(20, 48)) == {}
    assert "1 of 70 pictures are larger than the frame" in about(folder, Pad(20, 24))["frame"]


def test_large_pictures_of_one_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(50):
        draw(tmp_path / "big" / f"{i}.png", rng, 65, 65)
    assert "--resize 64x64" in about(tmp_path / "big")["sizes"]


def test_modes_mixed(folder: Path) -> None:
    draw(folder / "train/good/00.png", np.random.default_rng(1), mode="RGB")
    assert "(69 L, 1 RGB), all are read with 3 channels" in about(folder)["modes"]


def test_colour_of_16_bits(folder: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    pixels = np.random.default_rng(1).integers(0, 65536, (20, 24, 3), dtype=np.uint16).astype(">u2")
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 24, 20, 16, 2, 0, 0, 0))
    png = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    (folder / "train/good/00.png").write_bytes(png)
    assert "1 colour pictures have 16 bits" in about(folder)["16 bits"]


def test_identical_files_in_training_and_test(folder: Path) -> None:
    shutil.copy(folder / "train/good/00.png", folder / "test/good/0.png")
    shutil.copy(folder / "train/good/01.png", folder / "train/good/02.png")
    found = about(folder)
    assert "1 of 20 pictures to test" in found["copies across the split"]
    assert "1 of 50 training pictures" in found["copies in training"]


def test_masks_missing_empty_and_large(folder: Path) -> None:
    (folder / "ground_truth/crack/0_mask.png").unlink()
    mask(folder / "ground_truth/crack/1_mask.png", 0)
    mask(folder / "ground_truth/crack/2_mask.png", 300)
    found = about(folder)
    assert "1 of 10 anomalous pictures have no mask" in found["masks missing"]
    assert "1 of 9 masks looked at are all zero ('test/crack/1.png')" in found["masks empty"]
    assert "('test/crack/2.png')" in found["masks large"]
    shutil.rmtree(folder / "ground_truth")
    assert "none of the 10 anomalous pictures has a mask" in about(folder)["masks missing"]


def test_files_left_out(folder: Path) -> None:
    (folder / "train/good/notes.gif").write_bytes(b"GIF")
    whole = (folder / "test/good/1.png").read_bytes()
    (folder / "test/good/1.png").write_bytes(whole[: len(whole) // 2])
    found = inspect_data(str(folder), PLAIN)
    assert "and 1 more" in warned(found)["left out"]
    assert len(found["notes"]) == 2


def test_windows_larger_than_many_pictures(folder: Path) -> None:
    assert "larger than 70 of 70 pictures" in about(folder, Patches(32, 32, 16))["windows"]


def test_pictures_of_one_value(folder: Path) -> None:
    for i, value in enumerate((0, 0, 90)):
        Image.new("L", (24, 20), value).save(folder / f"train/good/{i:02}.png")
    assert "3 of 70 pictures looked at are of one value, 2 of them black" in about(folder)["blank"]


def test_images_in_an_array(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (120, 9, 7), dtype=np.uint8)
    images[3] = 0
    images[5:8] = images[4]
    np.savez(tmp_path / "x.npz", x=images)
    found = inspect_data(str(tmp_path / "x.npz"), PLAIN)
    assert set(warned(found)) == {"blank", "copies in training"}
    assert (found["kind"], found["copies"]["within_training"]) == ("images", 3)
    assert found["images"] == {"shape": [9, 7], "dtype": "uint8", "min": 0.0, "max": 255.0, "one_value": 1}
    np.save(tmp_path / "line.npy", np.arange(5.0))
    with pytest.raises(InvalidData, match="allowed are"):
        inspect_data(str(tmp_path / "line.npy"), PLAIN)


# The command, and real data


def test_the_command_prints_text_or_json(table: Callable[..., str], capsys: pytest.CaptureFixture[str]) -> None:
    data = table(id=range(N))
    assert cli.main(["inspect", data, "--kind", "site=skip"]) == 0
    text = capsys.readouterr().out
    assert "'id' is left out" in text
    assert cli.main(["inspect", data, "--kind", "site=skip", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert render(found) == text.rstrip("\n")
    assert found["data"] == data


def test_the_command_refuses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tmp_path / "none.csv")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_digits_are_clean() -> None:
    found = inspect_data("digits:3", PLAIN)
    assert warned(found) == {}
    assert (found["kind"], found["anomalies"]) == ("images", 183)
    assert "case says which" in warned(inspect_data("digits", PLAIN))["nothing trains"]


def test_magnetic_tiles(data_dir: Path) -> None:
    root = data_dir / "magnetic_tile"
    if not root.is_dir():
        pytest.skip(f"no magnetic_tile in {data_dir}")
    found = inspect_data(str(root), PLAIN, Patches(64, 64, 32))
    assert found["split"]["parts"] == {"train": 240, "calibrate": 0, "test": 180, "skip": 0}
    assert (found["pictures"]["sizes"]["different"], found["pictures"]["masks"]) == (407, 100)
    # One mask of the published set is empty indeed.
    assert set(warned(found)) == {"masks empty"}
    assert "exp4_num_124690" in warned(found)["masks empty"]


def test_an_adbench_table(data_dir: Path) -> None:
    path = data_dir / "adbench" / "38_thyroid.npz"
    if not path.is_file():
        pytest.skip(f"no thyroid table in {data_dir}")
    found = inspect_data(str(path), Reading(label="y", normal="0"))
    assert (found["rows"], found["anomalies"], len(found["columns"])) == (3772, 93, 6)
    assert found["copies"]["within_training"] == 116
    assert {"copies in training", "extreme", "skewed"} <= set(warned(found))
