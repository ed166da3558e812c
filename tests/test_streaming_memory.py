"""Files larger than memory: what scoring and fitting hold at a time is bounded, however many rows there are."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import peak

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra tables)")
pq = pytest.importorskip("pyarrow.parquet")

MIB = 2**20


def taken(*words: Any) -> int:
    """Run a command in a process of its own; bytes that it took beyond the import."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from Linux's /proc")
    found = peak.taken(words)
    sys.stdout.write(f"{found}\n")  # shown with -rP: the measurement itself
    return found


def shards(folder: Path, first: Path, count: int) -> Path:
    """A folder of one file many times over, which takes the room of one."""
    folder.mkdir()
    for at in range(count):
        (folder / f"{at}{first.suffix}").hardlink_to(first)
    return folder


def test_a_fit_and_a_score_hold_a_part_of_files_of_several_times_that(tmp_path: Path) -> None:
    # 600,000 rows of 100 numbers take 458 MiB.
    rows = np.random.default_rng(0).normal(size=(100_000, 100))
    np.save(tmp_path / "x.npy", rows)
    folder = shards(tmp_path / "npy", tmp_path / "x.npy", 6)
    size, memory = 6 * rows.nbytes, ("--memory", "32MiB")
    fit = ("fit", folder, "--method", "autoencoder", "--out", tmp_path / "m", *memory, "--epochs", 1)
    assert taken(*fit, "--set", "batch_size=4096") < size / 2
    table = pa.table({str(j): rows[:50_000, j] for j in range(100)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=5_000, use_dictionary=False, compression="none")
    folder = shards(tmp_path / "parquet", tmp_path / "x.parquet", 6)
    assert taken("score", tmp_path / "m", folder, "--out", tmp_path / "s.npy", *memory) < size / 4
    scores = np.load(tmp_path / "s.npy", mmap_mode="r")
    assert scores.shape == (300_000,)
    np.testing.assert_array_equal(scores[:50_000], scores[-50_000:])


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_to_rank_rows_against_the_truth_takes_some_hundred_bytes_each(tmp_path: Path) -> None:
    rng, count = np.random.default_rng(0), 2_000_000
    table = pa.table({name: rng.normal(size=count) for name in "ab"})
    label = pa.array(np.where(np.arange(count) % 50, "ok", "bad"))
    pq.write_table(table, tmp_path / "plain.parquet", row_group_size=50_000)
    pq.write_table(table.append_column("label", label), tmp_path / "told.parquet", row_group_size=50_000)
    (tmp_path / "few.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in rng.normal(size=(600, 2))))
    taken("fit", tmp_path / "few.csv", "--method", "autoencoder", "--out", tmp_path / "m", "--epochs", 1)
    score = ("score", tmp_path / "m", "--out", tmp_path / "s.npy", "--memory", "1MiB")
    plain = taken(*score, tmp_path / "plain.parquet")
    told = taken(*score, tmp_path / "told.parquet", "--label", "label", "--normal", "ok")
    assert told - plain < 140 * count
    assert plain < 64 * MIB


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.filterwarnings("ignore::ringfence.preprocess.ConstantColumns")
def test_twenty_million_rows_are_scored_in_less_than_a_gibibyte(data_dir: Path, tmp_path: Path) -> None:
    # The test rows of KDD99, repeated: as numbers 18 GiB.
    from ringfence import EGBAD
    from ringfence.data import built_in

    kdd = built_in("kdd99").load(str(data_dir))
    split = kdd.split("all", 0)
    names = list(kdd.columns)
    model = EGBAD.preset("kdd99").set_params(epochs=1, batch_size=512, random_state=0)
    model.fit(kdd.x[split.train[:20_000]]).save(tmp_path / "m")
    test = kdd.x[split.test]
    table = pa.table({name: test[:, j] for j, name in enumerate(names)})
    with pq.ParquetWriter(tmp_path / "t.parquet", table.schema) as writer:
        for start in range(0, 20_000_000, len(test)):
            writer.write_table(table.slice(0, 20_000_000 - start))
    assert taken("score", tmp_path / "m", tmp_path / "t.parquet", "--out", tmp_path / "s.npy") < 1024 * MIB
    scores = np.load(tmp_path / "s.npy", mmap_mode="r")
    assert scores.shape == (20_000_000,)
    np.testing.assert_array_equal(scores[: len(test)], model.anomaly_score(test))
    np.testing.assert_array_equal(scores[len(test) : 2 * len(test)], scores[: len(test)])
