"""Rows block by block: the same scores to the bit, and fits on more rows than are held at a time."""

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ringfence import EGBAD, DeepSVDD, FenceGAN, cli
from ringfence.blocks import LEAST_HELD, ArrayBlocks, Blocks
from ringfence.checkpoint import Keeper
from ringfence.columns import UnseenValues
from ringfence.data import load_file, open_shards
from ringfence.detector import Detector
from ringfence.exceptions import InvalidData, InvalidParameter
from ringfence.game import stream
from ringfence.intake import encoded, received
from ringfence.lazy import Windows
from ringfence.sources import Reading, source_of
from ringfence.splits import PARTS

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra tables)")
pq = pytest.importorskip("pyarrow.parquet")

ROWS, WIDE = 12_000, 24
RNG = np.random.default_rng(0)
HIDDEN = RNG.normal(size=(ROWS, 3))
X = np.tanh(HIDDEN @ RNG.normal(size=(3, WIDE))) * 5 + 40 + RNG.normal(size=(ROWS, WIDE)) / 10
WORDS = np.array(["eco", "turbo", None, "off"], dtype=object)[(np.abs(HIDDEN[:, 0] * 2).astype(int)) % 4]


def quick(**more: Any) -> FenceGAN:
    return FenceGAN(epochs=1, batch_size=256, latent_dim=4, random_state=0, device="cpu", **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same rows as an array, as shards, and as tables with words and gaps."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "x.npy", X)
    (folder / "npy").mkdir()
    for at, part in enumerate(np.split(X, [5000, 5001])):
        np.save(folder / "npy" / f"{at}.npy", part)
    columns = {f"c{j}": X[:, j] for j in range(WIDE)}
    gaps = [None if at % 997 == 5 else at % 13 for at in range(ROWS)]
    words = pa.table({**columns, "mode": WORDS, "number": np.arange(ROWS), "gap": gaps, "on": HIDDEN[:, 1] > 0})
    pq.write_table(words, folder / "words.parquet", row_group_size=700)
    pq.write_table(pa.table(columns), folder / "x.parquet", row_group_size=5000)
    return folder


@pytest.fixture(scope="module")
def numbers() -> Detector:
    return quick().fit(X)


@pytest.fixture(scope="module")
def worded(folder: Path) -> Detector:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quick().fit(load_file(folder / "words.parquet").x)


def large(path: Path, memory: int = LEAST_HELD) -> Blocks:
    blocks = open_shards(path, memory=memory)
    assert not blocks.small
    return blocks


SOURCES: dict[str, Callable[[Path], Any]] = {
    "array": lambda folder: X,
    "float32": lambda folder: X.astype(np.float32),
    "mapped": lambda folder: np.load(folder / "x.npy", mmap_mode="r"),
    "npy": lambda folder: large(folder / "x.npy"),
    "shards": lambda folder: large(folder / "npy"),
    "parquet": lambda folder: large(folder / "x.parquet"),
    "frame": lambda folder: load_file(folder / "x.parquet").x,
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("rows", [777, 65_536])
def test_blocks_have_the_scores_of_the_whole_to_the_bit(
    source: str, rows: int, numbers: Detector, folder: Path
) -> None:
    expected = numbers.anomaly_score(X.astype(np.float32) if source == "float32" else X)
    found = list(numbers.iter_scores(SOURCES[source](folder), rows))
    assert [len(block) for block in found] == [min(rows, ROWS - at) for at in range(0, ROWS, rows)]
    np.testing.assert_array_equal(np.concatenate(found), expected)
    np.testing.assert_array_equal(numbers.anomaly_score(SOURCES[source](folder)), expected)


def test_words_and_gaps_in_blocks_are_scored_as_in_memory(worded: Detector, folder: Path) -> None:
    expected = worded.anomaly_score(load_file(folder / "words.parquet").x)
    np.testing.assert_array_equal(np.concatenate(list(worded.iter_scores(large(folder / "words.parquet")))), expected)


def test_what_training_never_had_is_told_once_for_all_blocks(worded: Detector, folder: Path, tmp_path: Path) -> None:
    table = pq.read_table(folder / "words.parquet")
    strange = WORDS.copy()
    strange[[10, 5000]], strange[11_000] = "warp", "impulse"
    table = table.set_column(table.column_names.index("mode"), "mode", pa.array(strange))
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    with pytest.warns(UnseenValues) as whole:
        worded.anomaly_score(load_file(tmp_path / "t.parquet").x)
    for score in (worded.anomaly_score, lambda x: list(worded.iter_scores(x, 1000))):
        with pytest.warns(UnseenValues) as blocks:
            score(large(tmp_path / "t.parquet"))
        assert [str(w.message) for w in blocks] == [str(w.message) for w in whole]
    assert "3 of 12,000 rows have values never seen in training: 'impulse', 'warp'" in str(whole[0].message)
    worded.strict = True
    try:
        with pytest.raises(InvalidData, match=r"t\.parquet': strict=True: column 'mode': 1 of 303 rows has values"):
            worded.anomaly_score(large(tmp_path / "t.parquet"))
    finally:
        worded.strict = False


def test_rows_of_another_kind_are_refused_in_one_line(numbers: Detector, worded: Detector, folder: Path) -> None:
    with pytest.raises(InvalidData, match=r"X has rows of shape \(23,\), but FenceGAN was fitted with \(24,\)"):
        next(numbers.iter_scores(X[:, 1:]))
    with pytest.raises(InvalidData, match=r"columns: missing 'mode', 'gap', 'on'$"):
        worded.anomaly_score(large(folder / "x.parquet"))
    bad = X.copy()
    bad[9_000, 3] = np.nan
    with pytest.raises(InvalidData, match=r"rows 5,461 to 10,921 of X: X has NaN in row 3539, column 3"):
        list(numbers.iter_scores(ArrayBlocks(bad, 16 * 2**20)))
    with pytest.raises(InvalidParameter, match="rows=0: allowed"):
        next(numbers.iter_scores(X, 0))


def test_a_file_that_fits_is_fitted_as_in_memory_to_the_bit(numbers: Detector, folder: Path) -> None:
    fitted = quick().fit(open_shards(folder / "npy"))
    np.testing.assert_array_equal(fitted.anomaly_score(X), numbers.anomaly_score(X))
    assert fitted.offset_ == numbers.offset_


@pytest.mark.filterwarnings("ignore::ringfence.intake.ColumnsLeftOut")
def test_columns_of_blocks_are_learned_as_those_of_the_whole(
    worded: Detector, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.survey.LEAST_SAMPLED", ROWS)
    fitted = quick().fit(large(folder / "words.parquet"))
    assert fitted.columns_ == worded.columns_
    np.testing.assert_allclose(fitted.preprocess_.shift, worded.preprocess_.shift, rtol=1e-12)
    np.testing.assert_allclose(fitted.preprocess_.width, worded.preprocess_.width, rtol=1e-12)
    assert fitted.feature_names_in_.tolist() == worded.feature_names_in_.tolist()


@pytest.mark.filterwarnings("ignore::ringfence.intake.ColumnsLeftOut", "ignore::ringfence.preprocess.ConstantColumns")
def test_a_word_and_a_gap_outside_of_the_sample_are_learned(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.survey.LEAST_SAMPLED", 100)
    monkeypatch.setattr("ringfence.survey.SAMPLED", 100)
    table = pq.read_table(folder / "words.parquet")
    mode, first = WORDS.copy(), X[:, 0].copy()
    mode[7777], first[7777] = "once", np.nan
    table = table.set_column(table.column_names.index("mode"), "mode", pa.array(mode)).set_column(
        0, "c0", pa.array(first)
    )
    flat = np.full(ROWS, 3.0)
    table = table.append_column("flat", pa.array(flat)).append_column(
        "nearly", pa.array(np.where(mode == "once", 4.0, 3.0))
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=700)
    fitted = quick().fit(large(tmp_path / "t.parquet"))
    assert fitted.columns_ is not None
    codes = {code.name: code for code in fitted.columns_.codes}
    kinds = {column.name: column.kind for column in fitted.columns_.understood}
    assert codes["mode"].values == ("eco", "off", "once", "turbo", None)  # type: ignore[attr-defined]
    assert codes["c0"].gaps  # type: ignore[attr-defined]
    assert not codes["c1"].gaps  # type: ignore[attr-defined]
    assert (kinds["flat"], kinds["nearly"], kinds["number"]) == ("constant", "number", "identifier")


@pytest.mark.parametrize("scale", ["standard", "minmax", "robust", "range", "quantile", "none"])
def test_scaling_is_that_of_all_rows(scale: str, folder: Path) -> None:
    whole, blocks = quick(scale=scale).fit_untrained(X), quick(scale=scale).fit_untrained(large(folder / "npy"))
    tolerance = 1e-12 if scale in ("standard", "minmax", "range", "none") else 1e-2
    np.testing.assert_allclose(blocks.preprocess_.shift, whole.preprocess_.shift, rtol=tolerance)
    np.testing.assert_allclose(blocks.preprocess_.width, whole.preprocess_.width, rtol=tolerance)


def test_an_epoch_is_every_row_once_and_goes_window_by_window(folder: Path) -> None:
    det = quick()
    blocks = received(det, large(folder / "x.parquet"), reset=True)
    det.columns_ = None
    rows = encoded(det, blocks, warn=False).take(np.flatnonzero(np.arange(ROWS) % 3))  # type: ignore[union-attr]
    windows = rows.windows()
    assert windows is not None
    one = rows.order(stream(0, 1), stream(0, 2)).numpy()
    assert np.array_equal(np.sort(one), np.arange(len(rows)))
    assert np.array_equal(one, rows.order(stream(0, 1), stream(0, 2)).numpy())
    assert not np.array_equal(one, rows.order(stream(0, 3), stream(0, 2)).numpy())
    assert not np.array_equal(one, rows.order(stream(0, 1), stream(0, 3)).numpy())
    owners = windows.owner[one]
    held = [set(owners[at : at + 64].tolist()) for at in range(0, len(one), 64)]
    assert max(map(len, held)) <= 2 * windows.room + 2
    changes = [at for at in range(1, len(held)) if not held[at] & held[at - 1]]
    assert len(held) > 4 * len(set(owners.tolist())) // windows.room > 4 * len(changes) or not changes
    assert np.abs(np.diff(one)).mean() > 100, "rows of a window are shuffled"


def test_a_window_that_holds_everything_is_a_plain_shuffle() -> None:
    windows = Windows(np.repeat(np.arange(4), 10), np.ones(4, dtype=np.int64), 4)
    plain = torch.randperm(40, generator=stream(0, 1))
    assert torch.equal(windows.order(plain, stream(0, 2)), plain)


def test_orders_side_by_side_hold_the_same_blocks() -> None:
    windows = Windows(np.repeat(np.arange(32), 25), np.ones(32, dtype=np.int64), 8)
    one, two = (windows.order(torch.randperm(800, generator=stream(s)), stream(9)).numpy() for s in (1, 2))
    for start in range(0, 800, 200):
        spans = [set(windows.owner[order[start : start + 200]].tolist()) for order in (one, two)]
        assert spans[0] == spans[1]
        assert len(spans[0]) == 8
    assert not np.array_equal(one, two)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("make", [quick, lambda: EGBAD(epochs=2, batch_size=512, random_state=0, own_rows=True)])
def test_a_killed_fit_on_shards_goes_on_to_the_same_bits(
    make: Callable[[], Detector], folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ringfence.checkpoint.LEAST_PAUSE", 0.0)
    monkeypatch.setattr("ringfence.checkpoint.SHARE", 0.0)
    expected = make().fit(large(folder / "npy"))
    save, saved = Keeper.save, [0]

    def killed(self: Keeper, run: Any, seed: int) -> None:
        save(self, run, seed)
        saved[0] += 1
        if saved[0] == 17:
            raise Killed

    with monkeypatch.context() as during:
        during.setattr(Keeper, "save", killed)
        with pytest.raises(Killed):
            make().fit(large(folder / "npy"), checkpoint=tmp_path / "run")
    resumed = make().fit(large(folder / "npy"), checkpoint=tmp_path / "run")
    for (name, one), two in zip(expected.nets_.state_dict().items(), resumed.nets_.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    np.testing.assert_array_equal(resumed.anomaly_score(X[:500]), expected.anomaly_score(X[:500]))


def test_a_fit_with_another_memory_is_another_run(folder: Path, tmp_path: Path) -> None:
    one, two = large(folder / "npy"), large(folder / "npy", 2 * LEAST_HELD)
    assert one.digest() != two.digest()
    assert one.digest() == large(folder / "npy").digest()


def test_rows_kept_out_and_statistics_over_all_rows_work_on_blocks(folder: Path) -> None:
    det = DeepSVDD(epochs=1, batch_size=256, random_state=0, calibration=0.25, device="cpu").fit(large(folder / "npy"))
    assert det.split_ == {"train": 9000, "calibrate": 3000}
    flagged = (det.anomaly_score(X[det.held_out_]) > det.threshold_).mean()
    assert flagged == pytest.approx(0.05, abs=0.001)


# ---- the command line -----------------------------------------------------------------------------------------------


def ringfence(*words: object) -> int:
    return cli.main([str(word) for word in (*words, "--quiet")])


@pytest.fixture(scope="module")
def model(worded: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return worded.save(tmp_path_factory.mktemp("models") / "m")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_scores_are_written_as_their_file_is_called(
    suffix: str, model: Path, worded: Detector, folder: Path, tmp_path: Path
) -> None:
    out, expected = tmp_path / f"scores{suffix}", worded.anomaly_score(load_file(folder / "words.parquet").x)
    assert ringfence("score", model, folder / "words.parquet", "--out", out, "--memory", "1MiB") == 0
    flags = (expected > worded.threshold_).astype(int).tolist()
    if suffix == ".npy":
        np.testing.assert_array_equal(np.load(out), expected)
        return
    if suffix == ".parquet":
        columns = pq.read_table(out).to_pydict()
        assert list(columns) == ["row", "anomaly_score", "is_anomaly"]
        rows = list(zip(*columns.values(), strict=True))
    else:
        lines = list(csv.reader(out.read_text().splitlines()))
        assert lines[0] == ["row", "anomaly_score", "is_anomaly"]
        rows = [(int(row), float(score), int(flag)) for row, score, flag in lines[1:]]
    assert rows == list(zip(range(ROWS), expected.tolist(), flags, strict=True))
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


def test_a_large_file_gives_the_same_lines_as_a_small_one(model: Path, folder: Path, tmp_path: Path) -> None:
    for name, memory in (("small", "1GiB"), ("large", "1MiB")):
        assert ringfence("score", model, folder / "words.parquet", "--out", tmp_path / name, "--memory", memory) == 0
    assert (tmp_path / "small").read_bytes() == (tmp_path / "large").read_bytes()


def test_labels_groups_and_splits_work_on_files_left_on_disk(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pq.read_table(folder / "x.parquet")
    label = np.where(np.arange(ROWS) % 50 == 0, "bad", "ok")
    table = table.append_column("label", pa.array(label)).append_column("who", pa.array(np.arange(ROWS) // 7))
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1000)
    known = ("--label", "label", "--normal", "ok", "--group", "who", "--memory", "1MiB")
    split = tmp_path / "split.csv"
    assert ringfence("split", tmp_path / "t.parquet", "--out", split, *known) == 0
    fit = ("fit", tmp_path / "t.parquet", "--method", "fencegan", "--out", tmp_path / "m", "--split", split, *known)
    assert ringfence(*fit, "--set", "epochs=1", "--set", "batch_size=512") == 0
    score = ("score", tmp_path / "m", tmp_path / "t.parquet", "--out", tmp_path / "s.csv", "--split", split, *known)
    assert cli.main([*map(str, score), "--json"]) == 0
    assert '"auroc"' in capsys.readouterr().out
    test = {row for row, part in csv.reader(split.read_text().splitlines()) if part == "test"}
    assert {row for row, *_ in csv.reader((tmp_path / "s.csv").read_text().splitlines())} - {"row"} == test


def damaged(folder: Path, path: Path) -> Path:
    """A file whose last row group is damaged behind an intact end."""
    content = bytearray((folder / "words.parquet").read_bytes())
    start = pq.ParquetFile(folder / "words.parquet").metadata.row_group(15).column(0).data_page_offset
    content[start : start + 3000] = b"\xff" * 3000
    path.write_bytes(content)
    return path


def test_nothing_is_half_written_where_a_shard_fails_in_the_middle(
    model: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = damaged(folder, tmp_path / "t.parquet")
    out = tmp_path / "out"
    for suffix in (".csv", ".parquet", ".npy"):
        place = out / f"s{suffix}"
        assert cli.main(["score", str(model), str(path), "--out", str(place), "--memory", "1MiB"]) == 2
    fit = ["fit", str(path), "--method", "fencegan", "--out", str(out / "m"), "--memory", "1MiB"]
    assert cli.main(fit) == 2
    said = capsys.readouterr().err.strip().splitlines()
    faults = [line for line in said if "error" in line]
    assert len(faults) == 4
    assert all("t.parquet' can't be read: it ends early, is damaged, or is no .parquet file" in x for x in faults)
    assert not any(out.iterdir())


def test_a_folder_of_shards_is_data_for_the_commands(folder: Path, tmp_path: Path) -> None:
    assert ringfence("fit", folder / "npy", "--method", "fencegan", "--out", tmp_path / "m", "--epochs", 1) == 0
    assert ringfence("score", tmp_path / "m", folder / "npy", "--out", tmp_path / "s.npy") == 0
    assert ringfence("inspect", folder / "npy") == 0
    assert len(np.load(tmp_path / "s.npy")) == ROWS


def test_what_is_scored_with_labels_costs_no_word_a_row(folder: Path, tmp_path: Path) -> None:
    label = pa.array(np.where(np.arange(ROWS) % 9, "ok", "no"))
    table = pq.read_table(folder / "x.parquet").append_column("label", label)
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=1000)
    reading = Reading(label="label", normal="ok", scoring=True, memory=LEAST_HELD)
    source = source_of(str(tmp_path / "t.parquet"), reading)
    assert isinstance(source.rows, Blocks)
    assert source.parts.strides == (0,), "one word for all rows"
    assert source.of(source.anomaly, *PARTS) is source.anomaly, "no number for each row"
    assert source.anomaly is not None
    assert source.anomaly.sum() == -(-ROWS // 9)


@pytest.mark.parametrize("out", ["day.npy", "../shards/day.npy", "new.NPY", "table.csv"])
def test_an_output_that_would_take_the_place_of_the_data_is_refused(
    out: str, numbers: Detector, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, model = tmp_path / "shards", numbers.save(tmp_path / "m")
    shards.mkdir()
    np.save(shards / "day.npy", np.zeros((20, 4)))
    (shards / "table.csv").write_text("a,b,c,d\n" + "0,1,2,3\n" * 20)
    before = {path.name: path.read_bytes() for path in shards.iterdir()}
    data = shards / "table.csv" if out.endswith("csv") else shards if out == "new.NPY" else shards / "day.npy"
    assert cli.main(["score", str(model), str(data), "--out", str(shards / out)]) == 2
    assert cli.main(["split", str(data), "--test", "0.5", "--out", str(shards / out)]) == 2
    assert cli.main(["export", str(model), "--rows", str(data), "--out", str(shards / out)]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 3
    assert all("allowed is another file" in line for line in said)
    assert {path.name: path.read_bytes() for path in shards.iterdir()} == before


@pytest.mark.parametrize("size", ["64", "1MB", "1.5GiB", "x"])
def test_a_size_that_is_none_is_refused(size: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["score", str(model), "x.npy", "--memory", size])
    assert "write a size such as 64MiB or 2GiB, at least 1MiB" in capsys.readouterr().err
