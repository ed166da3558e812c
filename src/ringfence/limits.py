"""What a hyperparameter may be: checked when `fit` starts, said in one line."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from .exceptions import InvalidParameter, unknown_name


class Rule(ABC):
    """What a hyperparameter may be; `str` says it in words."""

    @abstractmethod
    def allows(self, value: Any) -> bool:
        """Whether the value is allowed; any object may be asked about."""

    @abstractmethod
    def __str__(self) -> str: ...

    def refusal(self, name: str, value: Any) -> str:
        """One line for a value that is not allowed."""
        return f"{name}={value!r}: allowed are {self}"


@dataclass(frozen=True)
class Limit(Rule):
    """A range of numbers, and words that are allowed beside it.

    Attributes
    ----------
    low, high
        Bounds; `open_low` and `open_high` leave them out.
    whole
        Whether only whole numbers are allowed.
    words
        Allowed instead of a number ("auto").
    none, flag
        Whether None, and whether True and False, are allowed too.
    """

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False
    whole: bool = False
    words: tuple[str, ...] = ()
    none: bool = False
    flag: bool = False

    def allows(self, value: Any) -> bool:
        """Whether the value is within."""
        if isinstance(value, str):
            return value in self.words
        if value is None:
            return self.none
        if isinstance(value, bool):
            return self.flag
        if not isinstance(value, Integral if self.whole else Real):
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
        words += ", or True and False" if self.flag else ""
        return f"{kind}{low}{' and' if low and high else ''}{high}{words}"


@dataclass(frozen=True)
class OneOf(Rule):
    """A name in a table of options.

    Attributes
    ----------
    names
        What is allowed.
    objects
        A class whose objects are allowed beside the names.
    none
        Whether None is allowed too.
    images
        Those of the names that only images have a use for; a fit refuses them for other rows.
    """

    names: tuple[str, ...]
    objects: type | None = None
    none: bool = False
    images: tuple[str, ...] = ()

    def allows(self, value: Any) -> bool:
        """Whether the value is a known name."""
        if value is None:
            return self.none
        if self.objects is not None and isinstance(value, self.objects):
            return True
        return isinstance(value, str) and value in self.names

    def __str__(self) -> str:
        return ", ".join(map(repr, self.names)) + (", or None" if self.none else "")

    def refusal(self, name: str, value: Any) -> str:
        """Name the nearest."""
        return unknown_name(name, value, self.names)

    def names_for(self, shape: Sequence[int]) -> tuple[str, ...]:
        """Names that rows of a shape, (d,) or (channels, height, width), have a use for."""
        return self.names if len(shape) == 3 else tuple(n for n in self.names if n not in self.images)


@dataclass(frozen=True)
class Flag(Rule):
    """True or False, and nothing that merely counts as one of them: the text "false" is true in Python."""

    def allows(self, value: Any) -> bool:
        """Whether the value is a boolean."""
        return isinstance(value, bool | np.bool_)

    def __str__(self) -> str:
        return "True and False"


@dataclass(frozen=True)
class Several(Rule):
    """A list of values, each within a limit of its own.

    Attributes
    ----------
    each
        What every value may be.
    least
        Fewest values.
    """

    each: Limit
    least: int = 0

    def allows(self, value: Any) -> bool:
        """Whether the value is such a list, tuple or array."""
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            return False
        return np.ndim(value) == 1 and len(value) >= self.least and all(self.each.allows(v) for v in value)

    def __str__(self) -> str:
        return f"lists of {f'{self.least} or more' if self.least else 'any number of'} {self.each}"


@dataclass(frozen=True)
class Seed(Rule):
    """What scikit-learn takes as `random_state`."""

    def allows(self, value: Any) -> bool:
        """Whether a generator can be seeded with it."""
        if value is None or isinstance(value, np.random.RandomState):
            return True
        return isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**32

    def __str__(self) -> str:
        return "whole numbers from 0 to 2³² − 1, a numpy.random.RandomState, or None"


@dataclass(frozen=True)
class Text(Rule):
    """A word; which words there are is for its reader to say, with the nearest."""

    def allows(self, value: Any) -> bool:
        """Whether the value is text."""
        return isinstance(value, str)

    def __str__(self) -> str:
        return "words"


@dataclass(frozen=True)
class Either(Rule):
    """What one of two rules allows."""

    one: Rule
    other: Rule

    def allows(self, value: Any) -> bool:
        """Whether either does."""
        return self.one.allows(value) or self.other.allows(value)

    def __str__(self) -> str:
        return f"{self.one}, or {self.other}"


_COUNT = Limit(1, whole=True)
LAYER: Mapping[str, Rule] = {
    **dict.fromkeys(("op", "norm", "act", "order", "pad", "resample", "init", "weight_norm"), Text()),
    **dict.fromkeys(("kernel", "stride"), _COUNT),
    **dict.fromkeys(("bias", "feature"), Flag()),
    "noise": Limit(0),
    "units": Either(_COUNT, Several(_COUNT, least=1)),
    "size": Several(_COUNT, least=2),
    "slope": Limit(0),
    "dropout": Limit(0, 1, open_high=True),
}
"""What the values of a layer table's row may be; `ringfence.networks.rows` says what they mean."""


@dataclass(frozen=True)
class LayerTables(Rule):
    """Layer tables by the name of their network: lists of rows, or for a discriminator such lists by argument."""

    def allows(self, value: Any) -> bool:
        """Whether it has the shape of layer tables, with values that a layer can be made of."""
        return self._shaped(value) and not any(self._faults(value))

    def refusal(self, name: str, value: Any) -> str:
        """Name the network and the row."""
        return next(self._faults(value)) if self._shaped(value) else super().refusal(name, value)

    def _shaped(self, value: Any) -> bool:
        if value is None:
            return True
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return False
        return all(
            isinstance(rows, list | tuple) and all(isinstance(row, Mapping) for row in rows)
            for table in value.values()
            for rows in _lists(table)
        )

    def _faults(self, value: Any) -> Iterator[str]:
        for name, table in (value or {}).items():
            for rows in _lists(table):
                for at, row in enumerate(rows, 1):
                    for key, given in row.items():
                        if key in LAYER and not LAYER[key].allows(given):
                            yield f"layers: {name}, row {at}: {LAYER[key].refusal(str(key), given)}"

    def __str__(self) -> str:
        return "None, or a mapping from a network's name to its layers, a list of mappings"


def _lists(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, Mapping) else [table]


@dataclass(frozen=True)
class Words(Rule):
    """Words by name; which names and words there are is for the reader of the rows to say."""

    def allows(self, value: Any) -> bool:
        """Whether the value is None or maps texts to texts."""
        if value is None:
            return True
        return isinstance(value, Mapping) and all(isinstance(w, str) for pair in value.items() for w in pair)

    def __str__(self) -> str:
        return "None, or a mapping from a name to a word"


def check_limits(values: Mapping[str, Any], limits: Mapping[str, Rule]) -> None:
    """Raise `InvalidParameter` for the first value outside its limits."""
    for name, limit in limits.items():
        if not limit.allows(values[name]):
            raise InvalidParameter(limit.refusal(name, values[name]))


def check_shape(values: Mapping[str, Any], limits: Mapping[str, Rule], shape: Sequence[int]) -> None:
    """Raise `InvalidParameter` for the first name that rows of this shape have no use for."""
    for name, limit in limits.items():
        if isinstance(limit, OneOf) and values[name] in limit.images and values[name] not in limit.names_for(shape):
            allowed = ", ".join(map(repr, limit.names_for(shape)))
            raise InvalidParameter(f"{name}={values[name]!r} is for images alone; for tables allowed are {allowed}")
