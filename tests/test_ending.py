"""A command that is told to end, by `kill` as job managers do, ends in order: nothing half written stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from ringfence import GAN, cli
from ringfence.ending import orderly


@contextmanager
def started(*words: object, apart: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ringfence.cli", *map(str, words)],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"}, start_new_session=apart,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def waited(process: subprocess.Popen[str], come: Callable[[], object]) -> None:
    """Wait until something has come while a command runs."""
    end = time.monotonic() + 120
    while not come():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_score_that_is_ended_leaves_nothing_half_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    model = GAN(epochs=1, random_state=0).fit(rng.normal(size=(64, 4))).save(tmp_path / "model")
    # Hours of rows, all the same, which take no place on the disk.
    rows = np.lib.format.open_memmap(tmp_path / "rows.npy", "w+", np.float64, (500_000_000, 4))
    del rows
    out = tmp_path / "out"
    out.mkdir()
    with started("score", model, tmp_path / "rows.npy", "--out", out / "scores.csv") as process:
        waited(process, lambda: [path for path in out.iterdir() if path.stat().st_size])
        process.terminate()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert names(out) == []
    assert err.splitlines()[-1] == "ringfence: error: terminated: nothing was written"


@pytest.mark.skipif(not Path("/proc").exists(), reason="counts the processes of Linux")
@pytest.mark.parametrize("how", ["alone", "group", "twice"])
def test_a_benchmark_that_is_ended_ends_its_workers_and_says_what_it_kept(tmp_path: Path, how: str) -> None:
    words = "benchmark digits --method gan --case 3 --case 4 --epochs 50000 --workers 2 --no-baselines --out"
    with started(*words.split(), tmp_path / "r", apart=True) as process:
        waited(process, lambda: len(children(process.pid)) >= 4)  # the server, its tracker and two workers
        family = children(process.pid)
        if how != "group":
            process.terminate()
        if how == "twice":  # as `timeout` does: the process, and at once its group
            time.sleep(0.001)
        if how != "alone":
            os.killpg(process.pid, signal.SIGTERM)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 143, err
        assert err.splitlines()[-1] == (
            f"ringfence: error: terminated: finished runs are kept in {tmp_path / 'r'};"
            " the same command goes on from there"
        )
        end = time.monotonic() + 60
        while any(alive(pid) for pid in family):
            assert time.monotonic() < end, "a worker lives on"
            time.sleep(0.05)
    assert names(tmp_path / "r") == ["runs"]
    assert names(tmp_path / "r" / "runs") == []


def children(pid: int) -> set[int]:
    """All processes that come from one."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it ended meanwhile
            continue
        if parent == pid:
            found |= {int(path.parent.name)} | children(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_who_hears_signals_is_as_before_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["list", "--quiet"]) == 0
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_somebody_else_stays() -> None:
    heard = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with orderly():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


def test_a_second_signal_some_time_after_the_first_ends_at_once() -> None:
    child = """
import signal, time
from ringfence import ending
ending.GRACE = 0.2
try:
    with ending.orderly():
        signal.raise_signal(signal.SIGTERM)
except ending.Terminated:
    signal.raise_signal(signal.SIGTERM)  # the same one again
    print("in order", flush=True)
    time.sleep(0.3)
    signal.raise_signal(signal.SIGTERM)
    print("never said")
"""
    done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("in order\n", -signal.SIGTERM), done.stderr
