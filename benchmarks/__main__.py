"""Run cases, print their ratios beside their targets, and keep a record; `scripts/bench` is the way to call it.

usage: scripts/bench [CASE …] [--list] [--rounds N] [--threads N …] [--out FILE] [--show FILE]

A CASE is a name of `--list` or how some begin ("egbad-step" is all of egbad-step-…); by default all are run. `--out`
keeps one JSON line for each case and number of threads, in place of the last one of the same case and threads.
"""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ringfence.benchmark.execute import checkout, versions
from ringfence.exceptions import RingfenceError

from . import cases  # noqa: F401  (registers them)
from .frame import CASES, Case, measure
from .judging import table

BESIDE = ("pyod", "onnxruntime", "pyarrow")
"""Packages whose versions a record tells, where they are installed."""


def chosen(names: list[str]) -> list[Case]:
    """Cases by name or by how their names begin; all for none."""
    for name in names:
        if not any(known.startswith(name) for known in CASES):
            raise SystemExit(f"no case begins with {name!r}; there are {', '.join(CASES)}")
    return [c for known, c in CASES.items() if not names or any(known.startswith(name) for name in names)]


def processor() -> str:
    """Model of the CPU, as the system names it."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    known = found.get("model name", platform.processor())
    return f"{known}, family {found.get('cpu family')}, model {found.get('model')}"


def installed() -> dict[str, str]:
    """Versions of what a result depends on."""
    found = dict(versions())
    for name in BESIDE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read(path: Path) -> list[dict[str, Any]]:
    """Records of a file, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(path: Path, record: dict[str, Any]) -> None:
    """Put a record into a file in place of the last one of its case and threads; the file is whole at any time."""
    key = (record["case"], record["threads"])
    records = [r for r in read(path) if (r["case"], r["threads"]) != key]
    records.append(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records))
    part.replace(path)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("case", nargs="*")
    parser.add_argument("--list", action="store_true", help="name the cases and what they compare")
    parser.add_argument("--rounds", type=int, default=15, help="turns that every contestant has [15]")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of torch and BLAS, one after another")
    parser.add_argument("--out", type=Path, help="file of records, one JSON line for each case and number of threads")
    parser.add_argument("--show", type=Path, metavar="FILE", help="print the table of a file of records; run nothing")
    options = parser.parse_args()
    if options.show:
        print(table(read(options.show)))
        return
    if options.list:
        print("\n".join(f"{c.name:24} {c.title}" for c in CASES.values()))
        return
    if options.rounds < 1 or min(options.threads) < 1:
        parser.error("--rounds and --threads are at least 1")
    made, failed = [], []
    for case in chosen(options.case):
        for threads in (t for t in options.threads if t in case.threads):
            print(f"{case.name}, {threads} thread(s) …", file=sys.stderr, flush=True)
            before, at = os.getloadavg(), datetime.now(UTC).isoformat(timespec="seconds")
            try:
                figures = measure(case, options.rounds, threads)
            except RingfenceError as error:  # a data folder that nobody named: others need none
                failed.append(f"{case.name}: {error}")
                continue
            record = {
                "case": case.name, "title": case.title, "threads": threads, **figures,
                "command": "scripts/bench " + " ".join(sys.argv[1:]), "commit": checkout(), "versions": installed(),
                "cpu": processor(), "cores": os.cpu_count(), "load": [before, os.getloadavg()], "at": at,
            }  # fmt: skip
            made.append(record)
            if options.out:
                keep(options.out, record)
    print(table(made))
    if failed:
        raise SystemExit("\n".join(failed))


if __name__ == "__main__":
    main()
