"""A folder of pictures as a benchmark: image, window and pixel figures, checked before the first run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from ringfence import cli
from ringfence.benchmark import FolderBench, Setting, plan, runner
from ringfence.benchmark.album import SIDE, chosen
from ringfence.benchmark.execute import execute
from ringfence.benchmark.pictures import Task, defects, pixels, window_figures
from ringfence.benchmark.records import Record
from ringfence.benchmark.text import render_text
from ringfence.exceptions import InvalidData
from ringfence.overlap import OVERLAPS
from ringfence.pictures import Arrays
from ringfence.views import Pad, Patches, Resize, View

SETTING = Setting(None, "a test", 1, "c0ffee")
EMPTY = "exp4_num_124690"
VIEW = Patches(32, 32, 32)

Found = dict[tuple[str, str], tuple[Record, dict[str, np.ndarray]]]


@pytest.fixture(scope="session")
def tiles(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few small real pictures, every one of another size; one anomaly has an empty mask, one has none."""
    source = data_dir / "magnetic_tile"
    if not source.is_dir():
        pytest.skip(f"no pictures: {source} is not there")
    folder = tmp_path_factory.mktemp("few") / "tiles"

    def copy(group: Path, count: int, *more: str) -> None:
        files = sorted(group.iterdir(), key=lambda path: (path.stat().st_size, path.name))
        for path in [*files[:count], *(p for p in files if p.stem in more)]:
            mask = source / "ground_truth" / group.name / f"{path.stem}_mask.png"
            for each in (path, *([mask] if mask.exists() else [])):
                to = folder / each.relative_to(source)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(each, to)

    copy(source / "train" / "good", 4)
    copy(source / "test" / "good", 2)
    copy(source / "test" / "crack", 3)
    copy(source / "test" / "uneven", 1, EMPTY)
    min((folder / "ground_truth" / "crack").iterdir()).unlink()
    return folder


@pytest.fixture(scope="session")
def bench(tiles: Path) -> FolderBench:
    return FolderBench.of(tiles, VIEW)


@pytest.fixture(scope="session")
def found(bench: FolderBench) -> Found:
    """Record and arrays of each method and role."""
    jobs = plan("folder", ["egbad", "fencegan"], changes={"epochs": 1}, bench=bench)
    return {(job.method, job.role): execute(job, SETTING) for job in jobs}


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """Write grey pictures of noise by their names."""

    def write(*names: str, size: tuple[int, int] = (40, 36)) -> Path:
        root = tmp_path / "root"
        rng = np.random.default_rng(0)
        for name in names:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, size[::-1], dtype=np.uint8)).save(path)
        return root

    return write


GOOD = ("train/good/0.png", "train/good/1.png", "train/good/2.png", "test/good/0.png")
WHOLE = (*GOOD, "test/crack/0.png", "ground_truth/crack/0_mask.png")


def test_every_run_is_ok_and_fits_json(found: Found) -> None:
    assert {record["status"] for record, _ in found.values()} == {"ok"}
    assert {role for _, role in found} == {"trained", "untrained", "baseline"}
    assert {method for method, role in found if role == "baseline"} == set(FolderBench.baselines)
    for record, _ in found.values():
        assert json.loads(json.dumps(record)) == record
        assert 0 < record["fit_cpu_s"] + record["score_cpu_s"] <= record["cpu_s"] + 0.01
        assert record["score_cpu_s"] > 0


def test_a_record_says_what_was_looked_at_and_no_path_of_this_machine(found: Found, tiles: Path) -> None:
    record, _ = found["egbad", "trained"]
    assert record["folder"] == "tiles"
    assert record["view"] == {"view": "patches", "height": 32, "width": 32, "stride": 32}
    assert record["protocol"] == "tiles, windows of 32x32 every 32 px"
    assert (record["n_train"], record["n_test"]) == (4, 7)
    assert record["counts"]["groups"] == {"crack": 3, "good": 2, "uneven": 2}
    assert record["counts"]["anomalous_without_mask"] == record["counts"]["anomalous_with_empty_mask"] == 1
    assert str(tiles.parent) not in json.dumps([record for record, _ in found.values()])


def test_scores_of_pictures_give_the_figures(found: Found, tiles: Path) -> None:
    groups = [path.parent.name for path in sorted((tiles / "test").glob("*/*"))]
    for method, role in found:
        record, arrays = found[method, role]
        if role == "untrained":
            assert not arrays
            continue
        scores, anomaly = arrays["scores"], arrays["anomaly"]
        assert anomaly.tolist() == [group != "good" for group in groups]
        assert record["metrics"]["auroc"] == roc_auc_score(anomaly, scores)
        flagged = scores > arrays["threshold"]
        assert record["metrics"]["recall"] == pytest.approx(flagged[anomaly].mean())
        for defect in ("crack", "uneven"):
            kept = [group in (defect, "good") for group in groups]
            assert record["parts"][f"defect:{defect}"] == roc_auc_score(anomaly[kept], scores[kept])


def test_maps_and_windows_have_figures(found: Found) -> None:
    maps = {"egbad": {"residual", "feature", "score"}, "fencegan": {"gradient", "score"}}
    for (method, _), (record, _) in found.items():
        assert set(record["pixels"]) == maps.get(method, {"score"})
        for figures in record["pixels"].values():
            assert set(figures) == {"pixel_auroc", "pro", "pixel_ap"}
            assert all(0 <= value <= 1 for value in figures.values())
        # Cracks are so thin that no window overlaps with one by .3 of the union.
        assert record["windows"]
        for figures in record["windows"].values():
            assert 0 < figures["abnormal"] < figures["windows"] < record["counts"]["test_rows"]


def test_text_tables_show_pixels_and_windows(found: Found) -> None:
    records = [record for record, _ in found.values()]
    text = render_text(records)
    pixels = next(block for block in text.split("\n\n") if "sd PRO" in block)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in pixels.splitlines()]
    (shown,) = [dict(zip(rows[0], row, strict=True)) for row in rows[2:] if row[0] == "egbad" and row[4] == "residual"]
    for head, key in (("AUROC", "pixel_auroc"), ("PRO", "pro"), ("AP", "pixel_ap")):
        for prefix, role in (("", "trained"), ("untrained ", "untrained")):
            value = found["egbad", role][0]["pixels"]["residual"][key]
            assert shown[prefix + head] == f"{value:.3f}".removeprefix("0")
    assert "Windows: " in text


def test_an_album_has_the_highest_the_middle_and_normal_ones_and_is_small(found: Found, tiles: Path) -> None:
    marked = {path.stem.removesuffix("_mask") for path in (tiles / "ground_truth").glob("*/*")} - {EMPTY}
    record, arrays = found["egbad", "trained"]
    assert len(set(arrays["album_name"].tolist())) == len(arrays["album_name"])
    assert arrays["album_score"][0] == arrays["scores"].max()
    assert dict(zip(arrays["album_maps"].tolist(), arrays["album_ends"].tolist(), strict=True)) == record["map_scale"]
    for at, name in enumerate(arrays["album_name"]):
        shape = arrays[f"album_{at}_picture"].shape
        assert max(shape) == SIDE
        assert (f"album_{at}_mask" in arrays) == ("good" in name or Path(name).stem in marked)
        for what in ("remade", "map_residual", "map_score"):
            made = arrays[f"album_{at}_{what}"]
            assert made.dtype == np.uint8
            assert made.shape == shape
    assert "album_0_remade" not in found["fencegan", "trained"][1]


def test_pictures_are_chosen_once_each_with_the_reason() -> None:
    scores, odd = np.arange(20.0), np.arange(20) % 2 == 1
    groups = ["good" if not o else ("dent" if at < 10 else "crack") for at, o in enumerate(odd)]
    picked = chosen(scores, odd, groups)
    assert [at for at, why in picked.items() if why == "highest"] == list(range(19, 11, -1))
    assert set(picked.values()) == {"highest", "middle of dent", "normal"}
    assert [at for at, why in picked.items() if why == "normal"] == [4, 8]
    assert [at for at, why in picked.items() if why == "middle of dent"] == [5]


def test_rows_of_pictures_can_be_limited(bench: FolderBench) -> None:
    (job, *_) = plan("folder", ["fencegan"], changes={"epochs": 1}, train_rows=3, test_rows=4, bench=bench)
    record, arrays = execute(replace(job, role="baseline", method="mean_distance", variant="-", changes={}), SETTING)
    assert (record["n_train"], record["n_test"], len(arrays["scores"])) == (3, 4, 4)
    assert record["budget"] == "3 training rows; 4 test rows"


@pytest.mark.parametrize("view", [Resize(16, 16), Pad(48, 48)], ids=["resize", "pad"])
def test_whole_pictures_have_no_map_of_window_scores(view: View, make: Callable[..., Path]) -> None:
    bench = FolderBench.of(make(*WHOLE), view)
    jobs = {job.role: job for job in plan("folder", ["egbad"], changes={"epochs": 1}, bench=bench)}
    record, _ = execute(jobs["trained"], SETTING)
    assert record["status"] == "ok"
    assert set(record["pixels"]) == {"residual", "feature"}
    record, _ = execute(jobs["baseline"], SETTING)
    assert record["status"] == "ok"
    assert record["pixels"] == {}


def test_an_anomaly_that_no_mask_marks_has_no_part_in_pixels_and_windows() -> None:
    view, mask = Patches(8, 8, 8), np.zeros((16, 16), dtype=bool)
    mask[:8, 8:] = True
    pictures = Arrays([np.zeros((16, 16))] * 3)
    task = Task(view, pictures, pictures, np.array([True, True, False]), ("a", "b", "good"), (None, mask, mask & False))
    right, wrong = mask.astype(np.float32), np.ones((16, 16), np.float32)
    assert pixels(task, [{"m": wrong}, {"m": right}, {"m": mask * 0.0}])["m"] == {
        "pixel_auroc": 1.0,
        "pro": 1.0,
        "pixel_ap": 1.0,
    }
    figures = window_figures(task, [np.full(4, 9.0), np.array([0.0, 1.0, 0.0, 0.0]), np.zeros(4)])
    assert figures == {key: {"auroc": 1.0, "windows": 8, "abnormal": 1} for key in OVERLAPS}
    assert defects(task, np.array([0.0, 2.0, 1.0])) == {"defect:a": 0.0, "defect:b": 1.0}
    # Where no mask marks a pixel at all there is nothing to measure.
    bare = replace(task, masks=(None, None, mask & False))
    assert pixels(bare, [{"m": wrong}] * 3) == window_figures(bare, [np.zeros(4)] * 3) == {}


# ---- which run is which ------------------------------------------------------------------------------------------


def test_another_view_or_content_is_another_run_and_another_place_is_not(
    make: Callable[..., Path], tmp_path: Path
) -> None:
    root = make(*WHOLE)

    def ids(folder: Path, view: View = VIEW) -> list[str]:
        return [job.id for job in plan("folder", ["gan"], bench=FolderBench.of(folder, view))]

    before = ids(root)
    elsewhere = Path(shutil.copytree(root, tmp_path / "elsewhere" / "root"))
    assert ids(elsewhere) == before
    assert not set(ids(root, Patches(32, 32, 16))) & set(before)
    (elsewhere / "ground_truth/crack/0_mask.png").write_bytes((root / "test/crack/0.png").read_bytes())
    assert not set(ids(elsewhere)) & set(before)


def test_a_budget_names_no_number_that_differs_from_case_to_case() -> None:
    job = plan("digits", ["gan"], cases=["3"], train_rows=300)[0]
    assert job.budget(1295, 500) == job.budget(1291, 510) == "300 training rows"
    assert job.budget(200, 500) == "full"


def test_a_folder_that_changed_since_it_was_planned_is_a_failed_run(make: Callable[..., Path]) -> None:
    root = make(*WHOLE)
    (job,) = [j for j in plan("folder", ["gan"], bench=FolderBench.of(root, VIEW)) if j.method == "pca"]
    (root / "test/crack/0.png").write_bytes((root / "test/good/0.png").read_bytes())
    assert execute(job, SETTING)[0]["status"].endswith(
        "has changed since the benchmark was planned: give the command again"
    )


# ---- what is refused ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (GOOD, "has no picture in test/<defect>"),
        ([name for name in WHOLE if name != GOOD[-1]], "has no picture in test/good"),
        (WHOLE[1:], "has 2 pictures in train/good: at least 3 are needed"),
        (("a.png", "b.png"), "is a flat folder: a benchmark needs the MVTec layout"),
        (("cat/a.png", "dog/b.png"), "is a folder of classes: a benchmark needs the MVTec layout"),
    ],
)
def test_a_folder_that_can_not_be_judged_is_refused(names: Any, said: str, make: Callable[..., Path]) -> None:
    with pytest.raises(InvalidData, match=said):
        FolderBench.of(make(*names), VIEW)


def test_a_view_that_does_not_fit_names_the_picture(make: Callable[..., Path]) -> None:
    root = make(*WHOLE)
    make("test/good/large.png", size=(90, 30))
    with pytest.raises(InvalidData, match=r"test/good/large\.png.* 90×30 .* larger than the frame of 48×48"):
        FolderBench.of(root, Pad(48, 48))


def test_a_picture_that_is_damaged_within_is_refused_before_the_first_run(make: Callable[..., Path]) -> None:
    root = make(*WHOLE)
    path = root / "test/crack/0.png"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(InvalidData, match=r"test/crack/0\.png"):
        FolderBench.of(root, VIEW)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["folder"], "'folder' needs the folder: --data-dir FOLDER"),
        (["folder", "--data-dir", "{root}"], "'folder' needs a view: --resize HxW, --pad HxW or --patch HxW"),
        (["folder", "--data-dir", "{root}/no", "--resize", "16"], "does not exist"),
        (["folder", "--data-dir", "{root}", "--resize", "16", "--pad", "16"], "exclude each other"),
        (["folder", "--data-dir", "{root}", "--resize", "16", "--case", "3"], "unknown case of folder '3'"),
        (["digits", "--resize", "16"], "--resize, --pad and --patch are for 'folder', not for 'digits'"),
        (["foldr"], "did you mean 'folder'"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_leaves_nothing(
    words: list[str],
    said: str,
    make: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def started(*args: Any) -> Any:
        raise AssertionError("a run had started")

    monkeypatch.setattr(runner, "_each", started)
    root = make(*WHOLE)
    out = tmp_path / "out"
    asked = [word.format(root=root) for word in words]
    assert cli.main(["benchmark", *asked, "--out", str(out)]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert not out.exists()


def test_the_command_runs_and_prints(
    make: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--patch",
        "16x16",
        "--stride",
        "12",
        "--method",
        "fencegan",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "r"),
    ]
    assert cli.main(["benchmark", "folder", "--data-dir", str(make(*WHOLE)), *words]) == 0
    out = capsys.readouterr().out
    assert "folder, all, root, windows of 16x16 every 12 px" in out
    assert "gradient" in out
