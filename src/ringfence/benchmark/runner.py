"""Run many jobs, each in a process of its own, and append their records as they come."""

import json
import multiprocessing
import os
import signal
import threading
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from ..configure import detector_for
from ..data import built_in
from ..exceptions import InvalidData, InvalidParameter, unknown_name
from ..presets import chosen
from ..progress import steps_bar
from ..registry import methods
from ..writing import whole
from .baselines import BASELINES
from .bench import Arrays, Bench, Record
from .execute import Setting, blank, execute, failed
from .job import Job
from .records import read_records

RECORDS, RUNS = "records.jsonl", "runs"


class ReusedRuns(UserWarning):
    """Some runs were done before, by this or by earlier code, and are not done again."""


def plan(
    benchmark: str,
    methods_: Sequence[str] = (),
    *,
    cases: Sequence[str] = (),
    seeds: int = 1,
    preset: str | None = None,
    variant: str | None = None,
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    train_rows: int | None = None,
    test_rows: int | None = None,
    baselines: bool = True,
    bench: Bench | None = None,
) -> list[Job]:
    """Return the jobs of a benchmark: for every case and seed each method, its untrained self, and the baselines.

    `bench` is the data of `benchmark` where that is no set known by name.

    Raises
    ------
    InvalidParameter
        For an unknown benchmark, case, method, preset or hyperparameter, or a value out of its range; before
        anything runs.
    """
    known = bench or built_in(benchmark)
    if "random_state" in (changes or {}):
        raise InvalidParameter("random_state: a benchmark takes it from its seeds; set seeds instead")
    for name, value, least in (
        ("seeds", seeds, 1),
        ("train_rows", train_rows, 2),
        ("test_rows", test_rows, 2),
    ):
        if value is not None and value < least:
            raise InvalidParameter(f"{name}={value}: allowed are whole numbers ≥ {least}")
    for method in methods_ or methods():
        # Everything that can be wrong whatever the rows are.
        detector_for(method, preset=preset, variant=variant, changes=changes).check()
    jobs: list[Job] = []
    for case in cases or known.cases:
        if case not in known.cases:
            raise InvalidParameter(unknown_name(f"case of {benchmark}", case, known.cases))
        for seed in range(seeds):
            for method in methods_ or methods():
                kind = chosen(method, preset, variant) if preset else "default"
                job = Job(
                    benchmark, case, seed, "trained", method, kind, preset, dict(changes or {}), quick, train_rows,
                    test_rows, bench,
                )  # fmt: skip
                jobs += [job, job.untrained()]
            if baselines:
                jobs += [
                    Job(benchmark, case, seed, "baseline", b, train_rows=train_rows, test_rows=test_rows, bench=bench)
                    for b in (bench.baselines if bench else BASELINES)
                ]
    return jobs


def run(jobs: Sequence[Job], out: Path, setting: Setting, *, workers: int = 1, verbose: int = 0) -> list[Record]:
    """Run what `out` has no good record of yet, and return the records of all these jobs.

    Each record is appended to `out/records.jsonl` as it comes, its arrays go to `out/runs/<id>.npz`; a call that was
    stopped goes on where it stood, and warns (`ReusedRuns`) of what it takes over.

    Raises
    ------
    InvalidParameter, InvalidData
        Before the first run: when `workers` is out of its range, data are missing or not the official ones, or `out`
        can't be written. A run that fails later is a record.
    """
    if workers < 1:
        raise InvalidParameter(f"workers={workers}: allowed are whole numbers ≥ 1")
    for name in dict.fromkeys(job.benchmark for job in jobs if job.bench is None):
        built_in(name).load(setting.data_dir)
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidData(f"{out} can't be written: {error.strerror}") from error
    _mend(out / RECORDS)
    done = _done(out, {job.id for job in jobs})
    missing = [job for job in jobs if job.id not in done]
    if done:
        commits = Counter(str(r["commit"] or "unknown")[:9] for r in done.values())
        told = ", ".join(f"{commit} ({count})" for commit, count in commits.items())
        warnings.warn(
            f"{len(done)} of {len(jobs)} runs in {out} are reused, of commit {told}", ReusedRuns, stacklevel=2
        )
    with steps_bar(len(missing), "benchmark", show=bool(verbose)) as bar:
        for record, arrays in _each(missing, setting, workers):
            _keep(out, record, arrays)
            bar.update()
    wanted = {job.id for job in jobs}
    latest = {r["id"]: r for r in read_records(out)}
    return [r for r in latest.values() if r["id"] in wanted]


def _done(out: Path, wanted: Collection[str]) -> dict[str, Record]:
    """Runs of these that need not be done again: good ones, with their arrays where a run leaves some."""
    if not (out / RECORDS).exists() or not (out / RECORDS).stat().st_size:
        return {}
    # Of several records of a run the last one counts.
    latest = {r["id"]: r for r in read_records(out) if r["id"] in wanted}
    return {
        key: r
        for key, r in latest.items()
        if r["status"] == "ok" and (r["role"] == "untrained" or (out / RUNS / f"{key}.npz").exists())
    }


def _each(jobs: Sequence[Job], setting: Setting, workers: int) -> Iterator[tuple[Record, Arrays]]:
    """Run each job in a process of its own, `workers` at a time; yields outcomes as they come.

    Whatever ends this generator ends the processes that still run.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else None)
    if forks:
        context.set_forkserver_preload(["ringfence.benchmark", "torch._dynamo"])
        _start_server()
    waiting = list(reversed(jobs))
    running: dict[Connection, tuple[BaseProcess, Job]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.pop()
                here, there = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_work, args=(there, job, setting), daemon=True)
                process.start()
                there.close()
                running[here] = (process, job)
            done = connection.wait(list(running))
            for here in [h for h in running if h in done]:
                process, job = running.pop(here)
                yield _outcome(here, job, setting)
                process.join()
    finally:
        for process, _ in running.values():
            process.kill()
            process.join()


def _start_server() -> None:
    """Start the process that the others are forked from, out of reach of a terminal's interrupt.

    An interrupt goes to the whole group of processes; the parent hears it, and ends the others itself.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread may say who hears signals
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)


def _work(there: Connection, job: Job, setting: Setting) -> None:
    # Where there is no server to be forked from, these are the parent's.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        there.send(execute(job, setting))
    except Exception as error:  # what was found can't be sent: the reason can
        there.send((blank(job, setting) | failed(error), {}))


def _end_with_parent() -> None:
    """Leave nothing running when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _outcome(ready: Connection, job: Job, setting: Setting) -> tuple[Record, Arrays]:
    try:
        outcome: tuple[Record, Arrays] = ready.recv()
    except EOFError:
        return blank(job, setting) | {"status": "failed: the process was killed (out of memory?)"}, {}
    finally:
        ready.close()
    return outcome


def _mend(path: Path) -> None:
    """Drop a last line that a kill cut off: its run is done again."""
    if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        os.truncate(path, content.rfind(b"\n") + 1)  # a kill in the middle of it leaves the whole lines too


def _keep(out: Path, record: Record, arrays: Arrays) -> None:
    if arrays:
        with whole(out / RUNS / f"{record['id']}.npz") as part, part.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
    with (out / RECORDS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
