"""The command line: each command calls one function of the library and prints what it returned."""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import torch

from . import __version__, workflow
from .benchmark import FolderBench, Setting, plan, run
from .benchmark.records import read_records
from .benchmark.text import render_text
from .configure import settings
from .data import CATALOG
from .ending import Terminated, orderly
from .exceptions import InvalidParameter, RingfenceError, unknown_name
from .inspection import inspect_data, render
from .options import add_data_dir, add_memory, add_reading, add_tuning, add_view, reading_of, threads, view_of
from .picture_detector import PictureDetector
from .presets import names
from .registry import methods
from .report import write_report

FAILED, USAGE_ERROR, INTERRUPTED, TERMINATED = 1, 2, 130, 143


Command = Callable[[argparse.Namespace], int]


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command in one line, as every other refusal."""

    def error(self, message: str) -> NoReturn:
        """Print the line and leave."""
        self.exit(_fail(f"{message}; {self.prog} --help says more", USAGE_ERROR))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status.

    0 where all went well, 1 where some run of a benchmark failed, 2 for what can't be done, 130 after an interrupt, 143
    after SIGTERM.
    """
    args = _parser().parse_args(argv)
    torch.set_num_threads(args.threads)  # small networks: a second thread gains little and can cost much
    command: Command = args.run
    args.kept = lambda: "nothing was written"
    try:
        with orderly(), warnings.catch_warnings():
            warnings.simplefilter("ignore" if args.quiet else "once")
            warnings.showwarning = _note
            return command(args)
    except Terminated:
        return _fail(f"terminated: {args.kept()}", TERMINATED)
    except KeyboardInterrupt:
        return _fail(f"interrupted: {args.kept()}", INTERRUPTED)
    except BrokenPipeError:
        return 0
    except RingfenceError as error:
        return _fail(str(error), USAGE_ERROR)
    except OSError as error:
        return _fail(f"{error.filename or 'file'}: {error.strerror or error}", USAGE_ERROR)


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as a line for people, without the place in the code."""
    print(f"ringfence: note: {' '.join(str(message).split())}", file=sys.stderr, flush=True)


def _fail(message: str, status: int) -> int:
    line = " ".join(message.split())  # scikit-learn's messages may have several lines
    print(f"ringfence: error: {line}", file=sys.stderr)
    return status


def _tell(args: argparse.Namespace, text: Callable[[], str], data: Any) -> int:
    """Print what a command returns: as JSON, for people, or not at all."""
    if args.json:
        print(json.dumps(data))
    elif not args.quiet:
        print(text())
    return 0


def _list(args: argparse.Namespace) -> int:
    rows = [
        {
            "name": name,
            "class": cls.__name__,
            **asdict(cls.info),
            "scores": list(cls.scores),
            "presets": names(name),
        }
        for name, cls in methods().items()
    ]
    return _tell(args, lambda: _catalogue(rows), rows)


def _catalogue(rows: Sequence[dict[str, Any]]) -> str:
    lines, width = [], max(len(row["name"]) for row in rows)
    for row in rows:
        presets = ", ".join(f"{k} ({'/'.join(v)})" for k, v in row["presets"].items()) or "none"
        lines += [
            f"{row['name']:<{width}} {row['title']}  [{row['year']}]",
            f"{'':<{width}} {row['reference']}; source: {row['source']}",
            f"{'':<{width}} data: {', '.join(row['kinds'])}; needs: {', '.join(row['needs']) or 'nothing more'};"
            f" scoring: {row['cost']}; presets: {presets}",
        ]
    alike: dict[str, list[str]] = {}
    for name, data in CATALOG.items():
        cases = dict.fromkeys((f"{name}:{data.cases[0]}", f"{name}:{data.cases[-1]}"))
        alike.setdefault(data.description, []).append(" … ".join(cases))
    return "\n".join([*lines, "data sets:", *(f"  {', '.join(names)}: {what}" for what, names in alike.items())])


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    own = {name: getattr(args, name) for name in ("epochs", "members")}
    return {**settings(args.set), **{name: value for name, value in own.items() if value is not None}}


def _fit(args: argparse.Namespace) -> int:
    args.kept = workflow.keeping(args.out)
    changes = {"random_state": args.seed, **_changes(args)}
    fitted, source = workflow.fit(
        args.data, args.method, args.out, preset=args.preset, variant=args.variant, changes=changes,
        quick=args.quick, reading=reading_of(args), view=view_of(args), split_out=args.split_out,
        say=(lambda text: None) if args.quiet or args.json else _note, verbose=_loud(args),
    )  # fmt: skip
    detector = fitted.detector_ if isinstance(fitted, PictureDetector) else fitted
    last = {k: v for k, v in fitted.history_[-1].items() if isinstance(v, float)}
    said = {
        "model": str(args.out), "method": args.method, "rows": fitted.split_["train"],
        "calibrate": fitted.split_["calibrate"], "parts": source.counts(),
        "shape": list(detector.preprocess_.given), "source": source.name, "why": source.why, "notes": source.notes,
        "columns": [asdict(c) for c in detector.columns_.understood] if detector.columns_ else None,
        "epochs": detector.n_iter_, "losses": last, "threshold": fitted.threshold_,
    }  # fmt: skip
    losses = ", ".join(f"{k} {v:.3f}" for k, v in last.items())
    text = (
        f"trained {args.method} on {said['rows']:,} rows of {source.name}, {said['shape']} as the networks see one\n"
        f"{detector.n_iter_} epochs; last losses: {losses}\n"
        f"a row is an anomaly if its score is above {fitted.threshold_:.6g}; the model lies in {args.out}"
    )
    return _tell(args, lambda: text, said)


def _split(args: argparse.Namespace) -> int:
    source = workflow.draw_split(
        args.data, args.out, reading=reading_of(args), test=args.test, calibrate=args.calibrate, seed=args.seed
    )
    said = {"out": str(args.out), "parts": source.counts(), "why": source.why}
    return _tell(args, lambda: "\n".join([*source.said(), f"which row is which lies in {args.out}"]), said)


def _score(args: argparse.Namespace) -> int:
    found = workflow.score(
        args.model, args.data, args.out, reading=reading_of(args), maps=args.maps, verbose=_loud(args)
    )
    for note in found.source.notes:
        warnings.warn(note, UserWarning, stacklevel=1)
    cut = found.fitted.threshold_
    said = {
        "rows": found.rows,
        "anomalies": found.flagged,
        "threshold": cut,
        "out": str(args.out),
        "metrics": found.metrics,
        "unseen": found.unseen,
        "notes": found.source.notes,
    }
    text = f"{found.flagged:,} of {found.rows:,} rows score above {cut:.6g}; all scores lie in {args.out}"
    if found.metrics:
        text += f"\nagainst the truth: {', '.join(f'{k} {v:.3f}' for k, v in found.metrics.items())}"
    return _tell(args, lambda: text, said)


def _export(args: argparse.Namespace) -> int:
    made = workflow.export(args.model, args.out, args.rows, reading=reading_of(args))
    parity = made.parity
    said = {"out": str(made.path), "inputs": made.inputs, "outputs": ["score", "anomaly"], "parity": asdict(parity)}
    drawn = parity.rows - parity.given
    own = f"{parity.given:,} of {args.rows}" if args.rows else "none of yours: --rows FILE has some"
    inputs = "\n".join(f"  {i['name']}: {i['type']}, {', '.join(map(str, i['shape']))}" for i in made.inputs)
    text = (
        f"wrote {made.path}; it takes, for any number n of rows,\n{inputs}\n"
        f"and gives score and anomaly; checked on {parity.rows:,} rows ({own}; {drawn:,} drawn): largest relative"
        f" difference {parity.difference:.1e}"
    )
    return _tell(args, lambda: text, said)


def _inspect(args: argparse.Namespace) -> int:
    found = inspect_data(args.data, reading_of(args), view_of(args), args.calibration, args.seed)
    return _tell(args, lambda: render(found), found)


def _benchmark(args: argparse.Namespace) -> int:
    args.kept = lambda: f"finished runs are kept in {args.out}; the same command goes on from there"
    jobs = plan(
        args.name, args.method, cases=args.case, seeds=args.seeds, preset=args.preset, variant=args.variant,
        changes=_changes(args), quick=args.quick, train_rows=args.train_rows, test_rows=args.test_rows,
        baselines=not args.no_baselines, bench=_bench(args),
    )  # fmt: skip
    setting = Setting(args.data_dir, f"ringfence {' '.join(sys.argv[1:])}", args.threads)
    records = run(jobs, args.out, setting, workers=args.workers, verbose=_loud(args))
    _tell(args, lambda: render_text(records), records)
    return _status(records)


def _bench(args: argparse.Namespace) -> FolderBench | None:
    """A folder as the benchmark's data; None for a set known by name."""
    view, known = view_of(args), (*CATALOG, FolderBench.name)
    if args.name not in known:
        raise InvalidParameter(unknown_name("benchmark", args.name, known))
    if args.name != FolderBench.name:
        if view is not None:
            raise InvalidParameter(f"--resize, --pad and --patch are for '{FolderBench.name}', not for '{args.name}'")
        return None
    if args.data_dir is None:
        raise InvalidParameter(f"'{FolderBench.name}' needs the folder: --data-dir FOLDER")
    if view is None:
        raise InvalidParameter(f"'{FolderBench.name}' needs a view: --resize HxW, --pad HxW or --patch HxW --stride N")
    return FolderBench.of(args.data_dir, view)


def _tables(args: argparse.Namespace) -> int:
    records = read_records(args.folder)
    return _tell(args, lambda: render_text(records), records)


def _report(args: argparse.Namespace) -> int:
    page = write_report(args.folder, args.out)
    return _tell(args, lambda: str(page), {"report": str(page)})


def _demo(args: argparse.Namespace) -> int:
    args.kept = lambda: f"finished runs are kept in {args.out}; the same command goes on from there"
    if not (args.quiet or args.json):
        print("each of ten digits in turn is the anomaly; four methods and six baselines; a few minutes on 2 cores")
    records, report = workflow.demo(args.out, quick=args.quick, workers=args.workers, verbose=_loud(args))
    _tell(
        args,
        lambda: f"{render_text(records)}\nthe report with pictures: {report}",
        {"records": records, "report": str(report)},
    )
    return _status(records)


def _loud(args: argparse.Namespace) -> int:
    return 0 if args.quiet else 1


def _status(records: Sequence[dict[str, Any]]) -> int:
    """Non-zero where a run failed: the tables name it."""
    failed = sum(record["status"] != "ok" for record in records)
    if not failed:
        return 0
    return _fail(f"{failed} of {len(records)} runs failed; the same command tries them again", FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="ringfence", description="Anomaly detection with GANs that learn what normal looks like.")
    parser.add_argument("--version", action="version", version=f"ringfence {__version__}")
    parser.add_argument("--threads", type=threads, default=1, metavar="N", help="CPU threads of torch [1]")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Command, text: str, more: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=f"{text}{more and '. '}{more}")
        made.add_argument("--json", action="store_true", help="print JSON")
        made.add_argument("--quiet", action="store_true", help="no progress bar, no notes, nothing printed but --json")
        made.set_defaults(run=run)
        return made

    command("list", _list, "the methods, their presets and the data sets known by name")

    inspect = command("inspect", _inspect, "what DATA holds, how a fit would take it, and what to beware of")
    inspect.add_argument("data", metavar="DATA", help="as for fit")
    inspect.add_argument("--calibration", type=float, default=0.0, metavar="SHARE", help="as of a fit's --set [0]")
    inspect.add_argument("--seed", type=int, default=0, help="of that fit [0]")
    add_reading(inspect)
    add_view(inspect)
    add_data_dir(inspect)

    fit = command(
        "fit", _fit, "learn what normal looks like and save the model",
        "Messages about a CSV file count its rows from 1, the first after the header",
    )  # fmt: skip
    fit.add_argument(
        "data", metavar="DATA",
        help="table (.csv, .tsv, .parquet, .arrow, .npy, .npz), folder of .parquet or .npy files, folder of pictures, "
        "or the normal training rows of a known set's case: digits:3 (the 3 is the anomaly), kdd99:all, "
        "vowels:outliers (`ringfence list` has all)",
    )  # fmt: skip
    fit.add_argument("--method", required=True)
    fit.add_argument("--out", required=True, type=Path, metavar="MODEL", help="folder of the model")
    fit.add_argument("--seed", type=int, default=0, help="[0]")
    add_reading(fit)
    add_memory(fit)
    fit.add_argument("--split-out", type=Path, metavar="CSV", help="write what each row was for, to be used by --split")
    add_view(fit)
    add_tuning(fit)

    split = command("split", _split, "draw which rows train, calibrate and test, for --split")
    split.add_argument("data", metavar="DATA", help="as for fit")
    split.add_argument("--out", required=True, type=Path, metavar="CSV", help="row (or picture), part")
    split.add_argument("--test", type=float, default=0.2, metavar="SHARE", help="beside every labelled anomaly [0.2]")
    split.add_argument("--calibrate", type=float, default=0.2, metavar="SHARE", help="of the rest, for the cut [0.2]")
    split.add_argument("--seed", type=int, default=0, help="[0]")
    add_reading(split)
    add_memory(split)
    add_data_dir(split)

    score = command("score", _score, "score rows with a saved model")
    score.add_argument("model", type=Path, metavar="MODEL")
    score.add_argument("data", metavar="DATA", help="as for fit, or one picture; of digits:3 its test rows")
    score.add_argument(
        "--out", type=Path, default=Path("scores.csv"), metavar="FILE",
        help="row (its own number, from 0), anomaly_score, is_anomaly; .parquet is Parquet, .npy the scores alone, "
        "anything else CSV [scores.csv]",
    )  # fmt: skip
    score.add_argument("--seed", type=int, default=0, help="of the split, for digits:3 and the like [0]")
    score.add_argument("--maps", type=Path, metavar="DIR", help="write a picture of each picture's maps")
    add_reading(score)
    add_memory(score)
    add_data_dir(score)

    export = command(
        "export", _export, "write a saved model as an ONNX graph that takes raw rows",
        "The graph holds scaling, networks, score and cut; before it is written, 1,000 rows are scored by both",
    )  # fmt: skip
    export.add_argument("model", type=Path, metavar="MODEL")
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="such as model.onnx")
    export.add_argument("--rows", metavar="DATA", help="rows to check with, as for score [drawn around the scaling]")
    add_reading(export)
    add_data_dir(export)

    benchmark = command(
        "benchmark", _benchmark, "run methods and baselines on a known data set or a folder; one record a run",
        "A folder has the MVTec layout and is named by --data-dir; rows to train and to test on are pictures there",
    )  # fmt: skip
    benchmark.add_argument(
        "name", metavar="DATA", help=f"a known set (`ringfence list` names them), or '{FolderBench.name}'"
    )
    benchmark.add_argument("--method", action="append", default=[], help="repeat for several [all]")
    benchmark.add_argument("--case", action="append", default=[], help="repeat for several [all]")
    benchmark.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 … N−1 [1]")
    benchmark.add_argument("--out", required=True, type=Path, metavar="DIR")
    benchmark.add_argument("--train-rows", type=int, metavar="N", help="a seeded choice of N training rows [all]")
    benchmark.add_argument("--test-rows", type=int, metavar="N", help="[all; 1,000 or fewer for methods that search]")
    benchmark.add_argument("--no-baselines", action="store_true")
    benchmark.add_argument("--workers", type=int, default=1, metavar="N", help="runs at a time [1]")
    add_view(benchmark)
    add_tuning(benchmark)

    tables = command("tables", _tables, "print the tables of a folder of records")
    tables.add_argument("folder", type=Path, metavar="DIR")

    report = command("report", _report, "write one page with tables, curves and pictures")
    report.add_argument("folder", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, default=Path("report.html"), metavar="PAGE", help="[report.html]")

    demo = command("demo", _demo, "the digits of scikit-learn: table and report, no file needed")
    demo.add_argument("--out", type=Path, default=Path("ringfence-demo"), metavar="DIR", help="[ringfence-demo]")
    demo.add_argument("--workers", type=int, default=2, metavar="N", help="[2]")
    demo.add_argument("--quick", action="store_true", help="a budget of a few hundred steps")
    return parser


if __name__ == "__main__":
    sys.exit(main())
