"""What a hyperparameter may be: checked when `fit` starts, said in one line."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .exceptions import InvalidParameter, unknown_name


@dataclass(frozen=True)
class Limit:
    """A range of numbers, and words that are allowed beside it.

    Attributes
    ----------
    low, high
        Bounds; `open_low` and `open_high` leave them out.
    whole
        Whether only whole numbers are allowed.
    words
        Allowed instead of a number ("auto").
    none
        Whether None is allowed too.
    """

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    words: tuple[str, ...] = ()
    none: bool = False

    def allows(self, value: Any) -> bool:
        """Whether the value is within."""
        if isinstance(value, str):
            return value in self.words
        if value is None:
            return self.none
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        number = float(value)
        if not math.isfinite(number):
            return False
        above = number > self.low if self.open_low else number >= self.low
        return above and (number < self.high if self.open_high else number <= self.high)

    def __str__(self) -> str:
        kind = "whole numbers" if self.whole else "numbers"
        low = "" if self.low == float("-inf") else f" {'>' if self.open_low else '≥'} {self.low:g}"
        high = "" if self.high == float("inf") else f" {'<' if self.open_high else '≤'} {self.high:g}"
        words = "".join(f", or '{w}'" for w in self.words) + (", or None" if self.none else "")
        return f"{kind}{low}{' and' if low and high else ''}{high}{words}"


@dataclass(frozen=True)
class OneOf:
    """A name in a table of options."""

    names: tuple[str, ...]

    def allows(self, value: Any) -> bool:
        """Whether the value is a known name."""
        return value in self.names


def check_limits(values: Mapping[str, Any], limits: Mapping[str, Limit | OneOf]) -> None:
    """Raise `InvalidParameter` for the first value outside its limits."""
    for name, limit in limits.items():
        value = values[name]
        if limit.allows(value):
            continue
        if isinstance(limit, OneOf):
            raise InvalidParameter(unknown_name(name, value, limit.names))
        raise InvalidParameter(f"{name}={value!r}: allowed are {limit}")
