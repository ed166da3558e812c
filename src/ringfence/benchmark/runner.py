"""Run many jobs, each in a process of its own, and append their records as they come."""

import json
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import connection, forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from ..data import built_in
from ..exceptions import InvalidData, InvalidParameter, unknown_name
from ..progress import steps_bar
from ..registry import method_named, methods
from .baselines import BASELINES
from .execute import Arrays, Record, Setting, blank, execute
from .job import Job
from .records import read_records

RECORDS, RUNS = "records.jsonl", "runs"


def plan(
    benchmark: str,
    methods_: Sequence[str] = (),
    *,
    cases: Sequence[str] = (),
    seeds: int = 1,
    preset: str | None = None,
    variant: str = "printed",
    changes: Mapping[str, Any] | None = None,
    quick: bool = False,
    train_rows: int | None = None,
    test_rows: int | None = None,
    baselines: bool = True,
) -> list[Job]:
    """Return the jobs of a benchmark: for every case and seed each method, its untrained self, and the baselines.

    Raises
    ------
    InvalidParameter
        For an unknown benchmark, case, method, preset or hyperparameter, or a number out of its range; before
        anything runs.
    """
    known = built_in(benchmark)
    for name, value, least in (
        ("seeds", seeds, 1),
        ("train_rows", train_rows, 2),
        ("test_rows", test_rows, 2),
    ):
        if value is not None and value < least:
            raise InvalidParameter(f"{name}={value}: allowed are whole numbers ≥ {least}")
    jobs: list[Job] = []
    for case in cases or known.cases:
        if case not in known.cases:
            raise InvalidParameter(unknown_name(f"case of {benchmark}", case, known.cases))
        for seed in range(seeds):
            for method in methods_ or methods():
                method_named(method)
                job = Job(
                    benchmark, case, seed, "trained", method, variant if preset else "default", preset,
                    dict(changes or {}), quick, train_rows, test_rows,
                )  # fmt: skip
                job.detector(n_train=1000)
                jobs += [job, job.untrained()]
            if baselines:
                jobs += [
                    Job(benchmark, case, seed, "baseline", b, train_rows=train_rows, test_rows=test_rows)
                    for b in BASELINES
                ]
    return jobs


def run(jobs: Sequence[Job], out: Path, setting: Setting, *, workers: int = 1, verbose: int = 0) -> list[Record]:
    """Run what `out` has no good record of yet, and return the records of all these jobs.

    Each record is appended to `out/records.jsonl` as it comes, its arrays go to `out/runs/<id>.npz`; a call that was
    stopped goes on where it stood.
    """
    if workers < 1:
        raise InvalidParameter(f"workers={workers}: allowed are whole numbers ≥ 1")
    try:
        (out / RUNS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidData(f"{out} can't be written: {error.strerror}") from error
    _mend(out / RECORDS)
    done = {r["id"] for r in read_records(out) if r["status"] == "ok"} if (out / RECORDS).exists() else set()
    missing = [job for job in jobs if job.id not in done]
    with steps_bar(len(missing), "benchmark", show=bool(verbose)) as bar:
        for record, arrays in _each(missing, setting, workers):
            _keep(out, record, arrays)
            bar.update()
    wanted = {job.id for job in jobs}
    latest = {r["id"]: r for r in read_records(out)}
    return [r for r in latest.values() if r["id"] in wanted]


def _each(jobs: Sequence[Job], setting: Setting, workers: int) -> Iterator[tuple[Record, Arrays]]:
    """Run each job in a process of its own, `workers` at a time; yields outcomes as they come.

    Whatever ends this generator ends the processes that still run.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forks else None)
    if forks:
        context.set_forkserver_preload(["ringfence.benchmark.execute", "torch._dynamo"])
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where there is no server to be forked from
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        there.send(execute(job, setting))
    except Exception as error:  # whatever it is, the parent raises it
        there.send(error)


def _end_with_parent() -> None:
    """Leave nothing running when the parent is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _outcome(ready: Connection, job: Job, setting: Setting) -> tuple[Record, Arrays]:
    try:
        outcome: tuple[Record, Arrays] | Exception = ready.recv()
    except EOFError:
        return blank(job, setting) | {"status": "failed: the process was killed (out of memory?)"}, {}
    finally:
        ready.close()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _mend(path: Path) -> None:
    """Drop a last line that a kill cut off: its run is done again."""
    if path.exists() and (content := path.read_bytes()) and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _keep(out: Path, record: Record, arrays: Arrays) -> None:
    if arrays:
        handle, name = tempfile.mkstemp(dir=out / RUNS, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
        Path(name).chmod(0o644)
        os.replace(name, out / RUNS / f"{record['id']}.npz")
    with (out / RECORDS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
