"""The command line: each command calls one function of the library and prints what it returned."""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from . import __version__, workflow
from .benchmark import Setting, plan, run
from .benchmark.records import read_records
from .benchmark.tables import render_text
from .configure import settings
from .data import CATALOG
from .exceptions import RingfenceError
from .presets import names
from .registry import methods
from .report import write_report

USAGE_ERROR, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status, 0 where all went well."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(args.threads)  # small networks: a second thread gains little and can cost much
    command: Callable[[argparse.Namespace], None] = args.run
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("once")
            warnings.showwarning = _note
            command(args)
    except KeyboardInterrupt:
        kept = workflow.kept_of(args.out) if command is _fit else getattr(args, "kept", "nothing was written")
        return _fail(f"interrupted: {kept}", INTERRUPTED)
    except BrokenPipeError:
        return 0
    except (RingfenceError, ValueError) as error:
        return _fail(str(error), USAGE_ERROR)
    except OSError as error:
        return _fail(f"{error.filename or 'file'}: {error.strerror or error}", USAGE_ERROR)
    return 0


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as a line for people, without the place in the code."""
    print(f"ringfence: note: {' '.join(str(message).split())}", file=sys.stderr)


def _fail(message: str, status: int) -> int:
    line = " ".join(message.split())  # scikit-learn's messages may have several lines
    print(f"ringfence: error: {line}", file=sys.stderr)
    return status


def _list(args: argparse.Namespace) -> None:
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
    if args.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        presets = ", ".join(f"{k} ({'/'.join(v)})" for k, v in row["presets"].items()) or "none"
        print(f"{row['name']:<10} {row['title']}  [{row['year']}]")
        print(f"{'':<10} {row['reference']}; source: {row['source']}")
        print(f"{'':<10} data: {', '.join(row['kinds'])}; scoring: {row['cost']}; presets: {presets}")
    print(f"data sets: {'; '.join(f'{n}: {d.description}' for n, d in CATALOG.items())}")


def _changes(args: argparse.Namespace) -> dict[str, Any]:
    changes = settings(args.set)
    return changes if args.epochs is None else {**changes, "epochs": args.epochs}


def _fit(args: argparse.Namespace) -> None:
    changes = {"random_state": args.seed, **_changes(args)}
    detector, rows = workflow.fit(
        args.data, args.method, args.out, preset=args.preset, variant=args.variant, changes=changes,
        quick=args.quick, data_dir=args.data_dir, label=args.label, normal=args.normal, verbose=1,
    )  # fmt: skip
    last = {k: v for k, v in detector.history_[-1].items() if isinstance(v, float)}
    said = {
        "model": str(args.out), "method": args.method, "rows": len(rows.x), "shape": list(rows.x.shape[1:]),
        "source": rows.source, "epochs": detector.n_iter_, "losses": last, "threshold": detector.threshold_,
    }  # fmt: skip
    if args.json:
        print(json.dumps(said))
        return
    print(f"trained {args.method} on {len(rows.x):,} rows of shape {said['shape']} ({rows.source})")
    print(f"{detector.n_iter_} epochs; last losses: {', '.join(f'{k} {v:.3f}' for k, v in last.items())}")
    print(f"a row is an anomaly if its score is above {detector.threshold_:.6g}; the model lies in {args.out}")


def _score(args: argparse.Namespace) -> None:
    detector, scores = workflow.score(
        args.model, args.data, args.out, seed=args.seed, data_dir=args.data_dir, label=args.label, verbose=1
    )
    flagged = int((scores > detector.threshold_).sum())
    said = {"rows": len(scores), "anomalies": flagged, "threshold": detector.threshold_, "out": str(args.out)}
    if args.json:
        print(json.dumps(said))
        return
    print(f"{flagged:,} of {len(scores):,} rows score above {detector.threshold_:.6g}; all scores lie in {args.out}")


def _benchmark(args: argparse.Namespace) -> None:
    args.kept = f"finished runs are kept in {args.out}; the same command goes on from there"
    jobs = plan(
        args.name, args.method, cases=args.case, seeds=args.seeds, preset=args.preset, variant=args.variant,
        changes=_changes(args), quick=args.quick, train_rows=args.train_rows, test_rows=args.test_rows,
        baselines=not args.no_baselines,
    )  # fmt: skip
    command = f"ringfence {' '.join(sys.argv[1:])}"
    records = run(jobs, args.out, Setting(args.data_dir, command, args.threads), workers=args.workers, verbose=1)
    print(json.dumps(records) if args.json else render_text(records))


def _tables(args: argparse.Namespace) -> None:
    records = read_records(args.folder)
    print(json.dumps(records) if args.json else render_text(records))


def _report(args: argparse.Namespace) -> None:
    print(write_report(args.folder, args.out))


def _demo(args: argparse.Namespace) -> None:
    args.kept = f"finished runs are kept in {args.out}; the same command goes on from there"
    print("each of ten digits in turn is the anomaly; four methods and six baselines; a few minutes on 2 cores")
    records, report = workflow.demo(args.out, quick=args.quick, workers=args.workers, verbose=1)
    print(render_text(records))
    print(f"the report with pictures: {report}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ringfence", description="Anomaly detection with GANs that learn what normal looks like."
    )
    parser.add_argument("--version", action="version", version=f"ringfence {__version__}")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of torch [1]")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        return made

    listing = command("list", _list, "the methods, their presets and the data sets known by name")
    listing.add_argument("--json", action="store_true")

    fit = command("fit", _fit, "learn what normal looks like and save the model")
    fit.add_argument("data", metavar="DATA", help=".csv, .npy or .npz file; or digits, mnist, kdd99, digits:3 …")
    fit.add_argument("--method", required=True)
    fit.add_argument("--out", required=True, type=Path, metavar="MODEL", help="folder of the model")
    fit.add_argument("--seed", type=int, default=0, help="[0]")
    _labelled(fit)
    fit.add_argument("--normal", metavar="VALUE", help="the label that means normal; other rows are left out")
    _tuned(fit)

    score = command("score", _score, "score rows with a saved model")
    score.add_argument("model", type=Path, metavar="MODEL")
    score.add_argument("data", metavar="DATA")
    score.add_argument("--out", type=Path, default=Path("scores.csv"), help="[scores.csv]")
    score.add_argument("--seed", type=int, default=0, help="of the split, for digits:3 and the like [0]")
    _labelled(score)
    _shared(score)

    benchmark = command("benchmark", _benchmark, "run methods and baselines on a known data set; one record a run")
    benchmark.add_argument("name", metavar="|".join(CATALOG))
    benchmark.add_argument("--method", action="append", default=[], help="repeat for several [all]")
    benchmark.add_argument("--case", action="append", default=[], help="repeat for several [all]")
    benchmark.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 … N−1 [1]")
    benchmark.add_argument("--out", required=True, type=Path, metavar="DIR")
    benchmark.add_argument("--train-rows", type=int, metavar="N", help="a seeded choice of N training rows [all]")
    benchmark.add_argument("--test-rows", type=int, metavar="N", help="[all; 1,000 for methods that search]")
    benchmark.add_argument("--no-baselines", action="store_true")
    benchmark.add_argument("--workers", type=int, default=1, metavar="N", help="runs at a time [1]")
    _tuned(benchmark)

    tables = command("tables", _tables, "print the tables of a folder of records")
    tables.add_argument("folder", type=Path, metavar="DIR")
    tables.add_argument("--json", action="store_true")

    report = command("report", _report, "write one page with tables, curves and pictures")
    report.add_argument("folder", type=Path, metavar="DIR")
    report.add_argument("--out", type=Path, default=Path("report.html"), metavar="PAGE", help="[report.html]")

    demo = command("demo", _demo, "the digits of scikit-learn: table and report, no file needed")
    demo.add_argument("--out", type=Path, default=Path("ringfence-demo"), metavar="DIR", help="[ringfence-demo]")
    demo.add_argument("--workers", type=int, default=2, metavar="N", help="[2]")
    demo.add_argument("--quick", action="store_true", help="a budget of a few hundred steps")
    return parser


def _shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data-dir", metavar="DIR", help="folder of mnist and kdd99 [RINGFENCE_DATA]")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _labelled(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--label", metavar="NAME", help="column or array of labels, never a feature")


def _tuned(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", help="a paper's networks and hyperparameters, by data set: kdd99, mnist")
    parser.add_argument("--variant", default="printed", help="of the preset: printed or released [printed]")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any hyperparameter")
    parser.add_argument("--quick", action="store_true", help="a budget of a few hundred steps")
    _shared(parser)


if __name__ == "__main__":
    sys.exit(main())
