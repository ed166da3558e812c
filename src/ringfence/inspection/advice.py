"""What a careful colleague would say before a fit: a line, and what it is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 5
_LONG: Final = 50


@dataclass(frozen=True)
class Advice:
    """One warning.

    Attributes
    ----------
    about
        A word for programs: "few rows", "leak", …; see the rules.
    text
        One line: what was found, with numbers, and what to do.
    columns
        Names of the columns it is about; empty where it is about rows or pictures.
    """

    about: str
    text: str
    columns: tuple[str, ...] = ()


def listed(names: Sequence[str]) -> str:
    """Name the first few.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{short(name)}'" for name in names[:_SHOWN]) + more


def short(text: str, most: int = _LONG) -> str:
    """Cut a text that is long."""
    plain = " ".join(text.split())
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def columns_are(names: Sequence[str], one: str, several: str) -> str:
    """Begin a line on one or several columns, with the verb of the one or of the others.

    >>> columns_are(["a"], "is", "are"), columns_are(["a", "b"], "is", "are")
    ("column 'a' is", "columns 'a', 'b' are")
    """
    return f"column{'s' * (len(names) > 1)} {listed(names)} {one if len(names) == 1 else several}"


def counted(count: int, noun: str) -> str:
    """Say how many.

    >>> counted(1, "rows"), counted(1200, "rows")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun.removesuffix('s') if count == 1 else noun}"


def share(part: int, whole: int) -> str:
    """Say a share in per cent, never 0 % of something or 100 % of less than all.

    >>> share(1, 3000), share(2999, 3000), share(1, 4)
    ('<0.1 %', '>99.9 %', '25 %')
    """
    per_cent = 100 * part / max(whole, 1)
    if part > 0 and per_cent < 0.1:
        return "<0.1 %"
    if part < whole and per_cent > 99.9:
        return ">99.9 %"
    return f"{per_cent:.3g} %"
