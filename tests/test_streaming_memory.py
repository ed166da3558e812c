"""Files larger than memory: what scoring and fitting hold at a time is bounded, however many rows there are."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow (extra tables)")
pq = pytest.importorskip("pyarrow.parquet")

MIB = 2**20

# What the work takes of memory beyond the import; the peak is the kernel's "high water mark" of this process.
CHILD = """
import json, sys
from pathlib import Path
import pyarrow.parquet
import ringfence, ringfence.cli

def peak():
    return 1024 * int(next(l for l in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in l).split()[1])

before = peak()
status = ringfence.cli.main(sys.argv[1:])
print(json.dumps({"status": status, "taken": peak() - before}))
"""


def taken(*words: Any) -> int:
    """Run a command in a process of its own; bytes that it took beyond the import."""
    if not Path("/proc/self/status").exists():
        pytest.skip("the peak of a process's memory is read from Linux's /proc")
    command = [sys.executable, "-c", CHILD, *map(str, words), "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    sys.stdout.write(f"{found}\n")  # shown with -rP: the measurement itself
    assert found["status"] == 0, done.stderr
    return int(found["taken"])


def repeated(rows: np.ndarray, columns: list[str], count: int, path: Path) -> None:
    """Write the same rows again and again, a row group each time."""
    table = pa.table({name: rows[:, j] for j, name in enumerate(columns)})
    with pq.ParquetWriter(path, table.schema) as writer:
        for _ in range(count // len(rows)):
            writer.write_table(table)
        if count % len(rows):
            writer.write_table(table.slice(0, count % len(rows)))


def test_fit_and_score_hold_less_than_half_of_the_file(tmp_path: Path) -> None:
    # 600,000 rows of 100 numbers take 458 MiB. Measured: 190 MiB for the fit, of which 32 are the rows held.
    rows = np.random.default_rng(0).normal(size=(12_500, 100))
    repeated(rows, [f"c{j}" for j in range(100)], 600_000, tmp_path / "t.parquet")
    size = 600_000 * 100 * 8
    memory = ("--memory", "32MiB")
    fit = ("fit", tmp_path / "t.parquet", "--method", "autoencoder", "--out", tmp_path / "m", *memory)
    assert taken(*fit, "--epochs", 1, "--set", "batch_size=1024") < size / 2
    assert taken("score", tmp_path / "m", tmp_path / "t.parquet", "--out", tmp_path / "s.npy", *memory) < size / 4
    assert len(np.load(tmp_path / "s.npy", mmap_mode="r")) == 600_000


@pytest.mark.full
@pytest.mark.timeout(3600)
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
    repeated(test, names, 20_000_000, tmp_path / "t.parquet")
    assert taken("score", tmp_path / "m", tmp_path / "t.parquet", "--out", tmp_path / "s.npy") < 1024 * MIB
    scores = np.load(tmp_path / "s.npy", mmap_mode="r")
    assert scores.shape == (20_000_000,)
    np.testing.assert_array_equal(scores[: len(test)], model.anomaly_score(test))
    np.testing.assert_array_equal(scores[len(test) : 2 * len(test)], scores[: len(test)])
