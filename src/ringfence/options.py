"""Options that several commands share, and what they stand for: how DATA is read, pictures viewed, methods tuned."""

import argparse
import re
from dataclasses import fields
from pathlib import Path

from .blocks import HELD, LEAST_HELD
from .configure import settings
from .exceptions import InvalidParameter
from .kinds import KINDS
from .sources import Reading
from .views import Pad, Patches, Resize, View


def reading_of(args: argparse.Namespace) -> Reading:
    """How DATA is to be read, as far as the command has options for it."""
    given = {field.name: getattr(args, field.name, None) for field in fields(Reading)}
    given["kinds"] = {name: str(kind) for name, kind in settings(args.kind, "--kind").items()}
    return Reading(**{name: value for name, value in given.items() if value is not None})


def view_of(args: argparse.Namespace) -> View | None:
    """How pictures become rows; None where nothing was said."""
    said = [name for name in ("resize", "pad", "patch") if getattr(args, name) is not None]
    if len(said) > 1:
        raise InvalidParameter(f"--{said[0]} and --{said[1]} exclude each other: say one")
    if args.stride is not None and said != ["patch"]:
        raise InvalidParameter("--stride is of --patch: say --patch HxW too")
    if not said:
        return None
    size = getattr(args, said[0])
    if args.patch is not None:
        return Patches(size[0], size[1], max(min(size) // 2, 1) if args.stride is None else args.stride)
    return Pad(*size) if args.resize is None else Resize(*size)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d+)(?:[x×](\d+))?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r}: write HEIGHTxWIDTH, such as 64x64, or one number for both")
    return int(found[1]), int(found[2] or found[1])


def threads(text: str) -> int:
    """Read the number of threads."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: allowed are whole numbers ≥ 1")
    return int(text)


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """Where the known sets lie."""
    parser.add_argument("--data-dir", metavar="DIR", help="folder of mnist and kdd99 [RINGFENCE_DATA]")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """How DATA is to be read; `reading_of` reads it."""
    parser.add_argument("--label", metavar="NAME", help="column or array of labels, never a feature")
    parser.add_argument(
        "--normal", metavar="VALUE", help="the label (of class folders: the class) that means normal; no other trains"
    )
    parser.add_argument("--group", metavar="NAME", help="column whose rows stay on one side of a split; no feature")
    parser.add_argument(
        "--kind", action="append", default=[], metavar="NAME=KIND",
        help=f"what a column is, where it should not be inferred: {', '.join(KINDS)}",
    )  # fmt: skip
    parser.add_argument("--split", type=Path, metavar="CSV", help="what each row is for: row,part (train, calibrate …)")
    parser.add_argument("--strict", action="store_true", help="refuse damaged pictures and values training never had")
    parser.add_argument("--channels", type=int, choices=(1, 3, 4), help="of pictures [what holds all of them]")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that decode pictures [2]")


def add_memory(parser: argparse.ArgumentParser) -> None:
    """From what size on a file is left on disk."""
    parser.add_argument(
        "--memory", type=_bytes, default=HELD, metavar="SIZE",
        help="what rows held at a time may take, as 64MiB or 2GiB; larger Parquet and npy files stay on disk [256MiB]",
    )  # fmt: skip


def _bytes(text: str) -> int:
    found = re.fullmatch(r"(\d+) ?(KiB|MiB|GiB)?", text)
    size = int(found[1]) * {None: 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}[found[2]] if found else 0
    if size < LEAST_HELD:
        raise argparse.ArgumentTypeError(f"{text!r}: write a size such as 64MiB or 2GiB, at least 1MiB")
    return size


def add_view(parser: argparse.ArgumentParser) -> None:
    """How pictures become rows; `view_of` reads it."""
    parser.add_argument("--resize", type=_size, metavar="HxW", help="scale pictures to one size")
    parser.add_argument("--pad", type=_size, metavar="HxW", help="frame pictures to one size")
    parser.add_argument("--patch", type=_size, metavar="HxW", help="cut pictures into overlapping windows")
    parser.add_argument("--stride", type=int, metavar="N", help="from one window to the next [half its smaller side]")


def add_tuning(parser: argparse.ArgumentParser) -> None:
    """Preset, hyperparameters and budget of a method."""
    parser.add_argument(
        "--preset",
        help="a paper's networks and hyperparameters for a data set: kdd99, mnist …; the page of a method has all",
    )
    parser.add_argument("--variant", help="of the preset: printed or released [printed, or the only one]")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--members", type=int, metavar="K", help="train K seeds side by side and combine their scores")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="any hyperparameter")
    parser.add_argument("--quick", action="store_true", help="a budget of a few hundred steps")
    add_data_dir(parser)
