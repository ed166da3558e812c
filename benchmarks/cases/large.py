"""Scoring a Parquet file far larger than memory: what streaming costs, and what it holds at a time."""

import resource
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ringfence import EGBAD
from ringfence.data import built_in, open_shards
from ringfence.data.folder import data_folder

from .. import kdd99, peak
from ..frame import Contest, Fact, case

ROWS = 20_000_000
MIB = 2**20
PEAK = "MiB above the import that 20 million rows take"


@case(
    "parquet",
    "Scoring KDD99's test rows from Parquet, and 20 million rows of them by the command",
    Fact(PEAK, at_most=1024),
    rounds=3,
    threads=(1,),
)
def parquet() -> Contest:
    """The same rows from a file and from memory; then the file of 20 million once."""
    import pyarrow as pa  # of the extra `bench`
    import pyarrow.parquet as pq

    rows = built_in("kdd99").load(str(data_folder()))
    split = rows.split("all", 0)
    model = EGBAD.preset("kdd99").set_params(epochs=1, batch_size=512, random_state=0, device="cpu")
    model.fit(rows.x[split.train[: kdd99.ROWS]])
    test = rows.x[split.test]
    columns = rows.columns
    assert columns is not None
    table = pa.table({name: test[:, j] for j, name in enumerate(columns)})
    folder = tempfile.TemporaryDirectory()
    small = Path(folder.name) / "small.parquet"
    pq.write_table(table, small)

    def from_file() -> float:
        for _ in model.iter_scores(open_shards(small)):
            pass
        return len(test)

    def from_memory() -> float:
        model.anomaly_score(test)
        return len(test)

    def facts() -> dict[str, Any]:
        place = Path(folder.name)
        model.save(place / "model")
        with pq.ParquetWriter(place / "large.parquet", table.schema) as writer:
            for start in range(0, ROWS, len(test)):
                writer.write_table(table.slice(0, ROWS - start))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        most = peak.taken(["score", place / "model", place / "large.parquet", "--out", place / "scores.npy"])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        scores = np.load(place / "scores.npy", mmap_mode="r")
        alike = len(scores) == ROWS and np.array_equal(scores[: len(test)], scores[len(test) : 2 * len(test)])
        found = {
            PEAK: most / MIB,
            "CPU seconds of 20 million rows": spent,
            "the same rows have the same scores": alike,
        }
        folder.cleanup()
        return found

    return Contest({"from Parquet": from_file, "in memory": from_memory}, unit="row", facts=facts)
