"""The page: its numbers are the records', it needs nothing beside itself, and it says what is missing."""

import base64
import io
import json
import re
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from painted import benched
from ringfence import EGBAD, GAN
from ringfence.benchmark.baselines import BASELINES
from ringfence.benchmark.records import Name, read_records
from ringfence.benchmark.text import render_text
from ringfence.data import load_digits
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.metrics import evaluate
from ringfence.protocol import Split, leave_one_out
from ringfence.report import write_report
from ringfence.report.style import lines_of

HOSTILE = '<script>alert("x")</script>'
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Cells of tables, addresses, ids and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[tuple[str, str | None]]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append(("", given.get("data-value")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words += data
        if self.open and self.open[-1] in ("td", "th"):
            text, value = self.tables[-1][-1][-1]
            self.tables[-1][-1][-1] = (text + data, value)

    def numbers(self, table: int) -> dict[tuple[str, str], float]:
        """(method, head) → data-value."""
        head, *rows = self.tables[table]
        return {
            (row[0][0], head[i][0]): float(value)
            for row in rows
            for i, (_, value) in enumerate(row)
            if value is not None
        }


def keep(folder: Path, split: Split, x: np.ndarray, model: Any, arrays: dict[str, Any], **facts: Any) -> None:
    """Write a run as the benchmark does."""
    scores = model.anomaly_score(x[split.test])
    threshold = getattr(model, "threshold_", None) or model.threshold
    top = np.argsort(-scores, kind="stable")[:10]
    if hasattr(model, "reconstruct"):
        arrays = arrays | {"top_remade": model.reconstruct(x[split.test][top])}
    if hasattr(model, "sample"):
        arrays = arrays | {"generated": model.anomaly_score(model.sample(30, 0))}
    if getattr(model, "history_", None):
        terms = [key for key in model.history_[0] if key not in ("stage", "epoch")]
        losses = np.array([[entry[key] for key in terms] for entry in model.history_])
        arrays = arrays | {"losses": losses, "terms": np.array(terms)}
    lines = folder / "records.jsonl"
    count = len(lines.read_text().splitlines()) if lines.exists() else 0
    record = {
        "id": f"{count:04x}",
        "benchmark": "digits",
        "protocol": split.name,
        "variant": "default",
        "preset": None,
        "params": {},
        "epochs": 2,
        "budget": "test",
        "n_train": len(split.train),
        "n_test": len(split.test),
        "data_sha256": "5" * 64,
        "versions": {"ringfence": "0.1.0"},
        "commit": "b8d264a",
        "command": "ringfence benchmark digits",
        "device": "cpu",
        "threads": 1,
        "wall_s": 1.5 + count,
        "cpu_s": 1.5,
        "peak_mb": 300.5,
        "status": "ok",
        "metrics": evaluate(scores, split.anomaly, threshold),
        "parts": {},
    }
    with lines.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record | facts) + "\n")
    (folder / "runs").mkdir(exist_ok=True)
    np.savez(
        folder / "runs" / f"{count:04x}.npz",
        scores=scores,
        anomaly=split.anomaly,
        threshold=threshold,
        top_index=split.test[top],
        top_rows=x[split.test][top],
        **arrays,
    )


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two methods and two baselines on pictures, and one on a table with names."""
    folder = tmp_path_factory.mktemp("real")
    images, labels = (part[:700] for part in load_digits())
    for case in ("8", "0"):
        for seed in (1, 0):
            split = leave_one_out(labels, int(case), seed)
            at = {"case": case, "seed": seed}
            for name in ("pca", "mean_distance"):
                model = BASELINES[name].fit(images[split.train], seed)
                facts = {"method": name, "role": "baseline", "variant": "-", "epochs": None}
                keep(folder, split, images, model, {}, **at, **facts)
            for cls in (GAN, EGBAD):
                detector = cls(epochs=2, random_state=seed)
                facts = {"method": cls.name}
                keep(
                    folder,
                    split,
                    images,
                    detector.fit(images[split.train]),
                    {},
                    **at,
                    **facts,
                    role="trained",
                )
                detector.fit_untrained(images[split.train])
                keep(folder, split, images, detector, {}, **at, **facts, role="untrained")
    table = images.reshape(len(images), -1)[:, 18:22]
    names = {"columns": np.array([HOSTILE, "b", "c", "d"])}
    fitted = EGBAD(epochs=2, random_state=0).fit(table[split.train])
    keep(folder, split, table, fitted, names, case="table", seed=0, method="egbad", role="trained")
    return folder


@pytest.fixture(scope="session")
def text(real: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "new" / "report.html"
    assert write_report(real, out) == out
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(text: str) -> Page:
    return Page(text)


@pytest.fixture
def copy(real: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(real, tmp_path / "copy"))


def records_of(folder: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, (folder / "records.jsonl").read_text().splitlines())


def test_aurocs_and_gains_equal_the_records(real: Path, page: Page) -> None:
    by: defaultdict[tuple[str, str], dict[tuple[str, int], float]] = defaultdict(dict)
    for r in records_of(real):
        if r["case"] != "table":
            by[r["method"], r["role"]][r["case"], r["seed"]] = r["metrics"]["auroc"]
    shown = page.numbers(0)
    for method, role in by:
        runs = by[method, role]
        if role == "untrained":
            continue
        for case in "08":
            assert shown[method, case] == pytest.approx(np.mean([runs[case, 0], runs[case, 1]]), abs=1e-12)
        assert shown[method, "mean"] == pytest.approx(np.mean(list(runs.values())), abs=1e-12)
        seeds = [(runs["0", seed] + runs["8", seed]) / 2 for seed in (0, 1)]
        assert shown[method, "sd"] == pytest.approx(abs(seeds[0] - seeds[1]) / 2**0.5, abs=1e-12)
        if role == "trained":
            foil = by[method, "untrained"]
            gain = np.mean([runs[pair] - foil[pair] for pair in runs])
            assert shown[method, "gain"] == pytest.approx(gain, abs=1e-12)
            assert shown[method, "95% low"] < gain < shown[method, "95% high"]


def test_figures_at_the_cut_equal_the_records(real: Path, page: Page) -> None:
    shown = page.numbers(1)
    heads = {"ap": "AP", "mcc": "MCC", "recall": "recall", "oracle_precision": "oracle precision"}
    for method in ("gan", "egbad"):
        runs = [r for r in records_of(real) if (r["method"], r["role"]) == (method, "trained") and r["case"] != "table"]
        assert len(runs) == 4
        for figure, head in heads.items():
            mean = np.mean([r["metrics"][figure] for r in runs])
            assert shown[method, head] == pytest.approx(mean, abs=1e-12)
        assert shown[method, "wall s"] == pytest.approx(np.mean([r["wall_s"] for r in runs]))
        assert shown[method, "seeds"] == 2
        assert shown[method, "epochs"] == 2


def test_the_text_table_shows_the_same_cells(real: Path, page: Page) -> None:
    lines = render_text(read_records(real)).splitlines()
    printed = [[c.strip() for c in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    for row in (row for table in page.tables[:2] for row in table):
        assert [cell for cell, _ in row] in printed


def test_the_page_needs_nothing_beside_itself(text: str, page: Page) -> None:
    for _, attrs in page.tags:
        for key in ("src", "href", "xlink:href", "srcset", "data", "action"):
            assert re.match(r"#|data:image/png;base64,", attrs.get(key) or "#")
    assert "://" not in text
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert ("meta", "viewport") in {(tag, attrs.get("name")) for tag, attrs in page.tags}


def test_ids_are_unique_and_every_reference_has_one(text: str, page: Page) -> None:
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    assert targets
    assert targets <= set(ids)


def test_elements_are_closed_in_order(page: Page) -> None:
    assert page.open == []


def test_first_case_is_open_and_the_others_folded(page: Page) -> None:
    folds = ["open" in attrs for tag, attrs in page.tags if tag == "details"]
    # The commands, two cases; the commands, one case.
    assert folds == [False, True, False, False, True]


def test_pictures_come_with_reconstructions_where_there_are(page: Page) -> None:
    pictures = [attrs["alt"] for tag, attrs in page.tags if tag == "img"]
    assert pictures.count("picture") == 2 * 2 * 10
    assert pictures.count("reconstruction") == pictures.count("difference") == 2 * 10


def test_top_rows_of_a_table_are_its_highest_scores(real: Path, page: Page) -> None:
    (last,) = [r for r in records_of(real) if r["case"] == "table"]
    run = np.load(real / "runs" / f"{last['id']}.npz")
    order = np.argsort(-run["scores"], kind="stable")[:10]
    rows = page.tables[-1][1:]
    assert [row[0][0] for row in rows] == [str(i) for i in run["top_index"]]
    assert [float(row[1][1] or "nan") for row in rows] == [run["scores"][i] for i in order]
    assert [row[2][0] for row in rows] == ["anomalous" if run["anomaly"][i] else "normal" for i in order]
    gaps = np.abs(run["top_rows"] - run["top_remade"])[0]
    named = [run["columns"][i] for i in np.argsort(-gaps)]
    assert [part.rsplit(":", 1)[0].strip() for part in rows[0][3][0].split(";")] == named


def test_a_hostile_column_name_is_text(text: str, page: Page) -> None:
    assert HOSTILE not in text
    assert HOSTILE in page.words


def test_without_runs_the_tables_stand_and_the_page_says_so(copy: Path, page: Page) -> None:
    shutil.rmtree(copy / "runs")
    bare = Page(write_report(copy, copy / "r.html").read_text(encoding="utf-8"))
    assert "The folder has no runs/: all figures are left out." in bare.words
    assert bare.tables[:2] == page.tables[:2]
    assert "figure" not in {tag for tag, _ in bare.tags}


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PK\x03\x04 not a file")])
def test_a_missing_or_damaged_run_is_named(copy: Path, damage: Any) -> None:
    (gone,) = [r for r in records_of(copy) if (r["method"], r["case"], r["seed"]) == ("pca", "8", 0)]
    damage(copy / "runs" / f"{gone['id']}.npz")
    words = Page(write_report(copy, copy / "r.html").read_text(encoding="utf-8")).words
    assert words.count("No figures of") == 1
    assert "No figures of pca: runs/ has no readable file of the run." in words


def test_failed_runs_and_weak_methods_are_stated(copy: Path) -> None:
    first = next(r for r in records_of(copy) if r["role"] == "trained")
    failed = first | {"id": "ff", "seed": 7, "status": "failed: loss <b>NaN</b>", "metrics": {}, "parts": {}}
    kept = [r | {"metrics": r["metrics"] | {"auroc": 0.5}} for r in records_of(copy)]
    (copy / "records.jsonl").write_text("\n".join(map(json.dumps, [*kept, failed])))
    words = Page(write_report(copy, copy / "r.html").read_text(encoding="utf-8")).words
    assert f"failed: {first['method']} (trained), case 8, seed 7: loss <b>NaN</b>" in words
    assert "did not clearly learn: gan: AUROC .500 trained, .500 untrained" in words


def test_same_records_same_page(real: Path, text: str, tmp_path: Path) -> None:
    assert write_report(real, tmp_path / "again.html").read_text(encoding="utf-8") == text


def test_global_settings_of_matplotlib_stay(real: Path, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    write_report(real, tmp_path / "r.html")
    assert dict(mpl.rcParams) == before


def test_an_older_page_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    out = tmp_path / "r.html"
    out.write_text("older")

    def full(self: Path, target: Path) -> Path:
        raise OSError("no space")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no space"):
        write_report(real, out)
    assert out.read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_bad_arguments_are_one_line_errors(tmp_path: Path, real: Path) -> None:
    with pytest.raises(InvalidData, match=r"records\.jsonl: can't be read"):
        write_report(tmp_path, tmp_path / "r.html")
    with pytest.raises(InvalidParameter, match="is a folder"):
        write_report(real, tmp_path)


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_package_is_named(package: str, real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InvalidParameter) as caught:
        write_report(real, tmp_path / "r.html")
    assert str(caught.value) == "the report needs: pip install 'ringfence[report]'"


# ---- a folder of pictures ----------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return benched(tmp_path_factory.mktemp("painted") / "records", tmp_path_factory.mktemp("drawn") / "tiles")


@pytest.fixture(scope="session")
def shown(painted: Path) -> Page:
    return Page(write_report(painted, painted / "report.html").read_text(encoding="utf-8"))


def trained(folder: Path) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
    """Records and arrays of the trained methods, in the order of the page."""
    found = [r for r in records_of(folder) if r["role"] == "trained"]
    order = sorted(found, key=lambda r: (-r["metrics"]["auroc"], r["method"]))
    return [(r, dict(np.load(folder / "runs" / f"{r['id']}.npz"))) for r in order]


def pixels_of(address: str | None) -> np.ndarray:
    content = base64.b64decode(str(address).removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_pictures_stand_side_by_side_with_what_they_show(painted: Path, shown: Page) -> None:
    wanted = []
    for record, arrays in trained(painted):
        maps = [f"{name} map" for name in record["map_scale"]]
        for at, name in enumerate(arrays["album_name"]):
            tiles = ["input", *(["reconstruction"] if record["method"] == "egbad" else []), *maps]
            wanted += [f"{tile} of {name}" for tile in (*tiles, *(["mask"] if f"album_{at}_mask" in arrays else []))]
    assert [attrs["alt"] for tag, attrs in shown.tags if tag == "img"] == wanted
    assert not any("mask of test/stain" in alt for alt in wanted)
    assert shown.words.count("no pixel is marked in a mask") == 2


def test_tiles_are_the_pixels_that_the_run_has_kept(painted: Path, shown: Page) -> None:
    tiles = [(attrs["alt"], pixels_of(attrs["src"])) for tag, attrs in shown.tags if tag == "img"]
    _, arrays = trained(painted)[0]
    for at, name in enumerate(arrays["album_name"]):
        mine = {str(alt).removesuffix(f" of {name}"): pixels for alt, pixels in tiles if str(alt).endswith(f" {name}")}
        assert (mine["input"] == arrays[f"album_{at}_picture"][0][:, :, None]).all()
        for key in (key for key in arrays if key.startswith(f"album_{at}_map_")):
            values = arrays[key][0]
            drawn = next(p for alt, p in tiles if alt == f"{key.removeprefix(f'album_{at}_map_')} map of {name}")
            assert drawn.shape[:2] == values.shape
            # Black is nothing, white the end of the scale, and in between it glows brighter and brighter.
            assert (drawn[values == 0] == 0).all()
            assert (drawn[values == 255] == 255).all()
            assert (np.diff(drawn.sum(-1)[np.unravel_index(np.argsort(values, axis=None), values.shape)]) >= 0).all()


def test_scores_and_ends_of_scales_equal_the_records(painted: Path, shown: Page) -> None:
    values = [float(str(attrs["data-value"])) for tag, attrs in shown.tags if tag == "span" and "data-value" in attrs]
    for record, arrays in trained(painted):
        wanted = [*record["map_scale"].values(), *arrays["album_score"].tolist()]
        start = values.index(wanted[0])
        assert values[start : start + len(wanted)] == wanted
        assert arrays["album_score"].max() == arrays["scores"].max()


def test_pixel_and_window_figures_equal_the_records(painted: Path, shown: Page) -> None:
    by = {(r["method"], r["role"]): r for r in records_of(painted)}
    for heads, key, inner in (
        ({"AUROC": "pixel_auroc", "PRO": "pro", "AP": "pixel_ap"}, "pixels", "map"),
        ({"AUROC": "auroc", "abnormal": "abnormal", "windows": "windows"}, "windows", "share of"),
    ):
        (table,) = [table for table in shown.tables if inner in [text for text, _ in table[0]]]
        names = [text for text, _ in table[0]]
        rows = [dict(zip(names, row, strict=True)) for row in table[1:]]
        assert len(rows) == sum(len(r[key]) for (_, role), r in by.items() if role != "untrained")
        for row in rows:
            record = by[row["method"][0], row["role"][0]]
            for head, figure in heads.items():
                assert float(row[head][1] or "nan") == record[key][row[inner][0]][figure]
            if record["role"] == "trained":
                foil = by[record["method"], "untrained"][key][row[inner][0]][next(iter(heads.values()))]
                (head,) = [name for name in names if name in ("untrained", "untrained AUROC")]
                assert float(row[head][1] or "nan") == foil


def test_the_page_says_what_the_folder_is(shown: Page) -> None:
    words = " ".join(shown.words.split())
    assert "pictures trained on4 pictures tested on7" in words
    assert "test picturesgood 3, spot 3, stain 1" in words
    assert "not in pixel figures1 without a mask (anomalous)" in words
    assert "4 of 7 test pictures are anomalous" in words


def test_a_run_with_half_an_album_is_named_as_unreadable(painted: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(painted, tmp_path / "copy"))
    record, arrays = trained(folder)[0]
    np.savez(folder / "runs" / f"{record['id']}.npz", **{k: v for k, v in arrays.items() if k != "album_3_map_score"})
    words = Page(write_report(folder, folder / "r.html").read_text(encoding="utf-8")).words
    assert f"No figures of {record['method']}: runs/ has no readable file of the run." in words


def test_lines_tell_sixteen_names_apart() -> None:
    trained = [Name(f"m{i}", "default", None, "full", "trained") for i in range(8)]
    variants = [Name("m0", variant, "kdd99", "full", "trained") for variant in ("printed", "released")]
    plain = [Name(f"b{i}", "-", None, "full", "baseline") for i in range(6)]
    lines = lines_of([*trained, *variants, *plain])
    assert len(set(lines.values())) == len(lines) == 16
    assert len({lines[name].colour for name in (trained[0], *variants)}) == 1
