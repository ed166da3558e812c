"""The methods by name: the catalogue that drives the command line, the docs, the tests and the loading of models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from .exceptions import InvalidParameter, unknown_name

if TYPE_CHECKING:
    from .detector import Detector

    D = TypeVar("D", bound=type[Detector])


@dataclass(frozen=True)
class Info:
    """What a catalogue says of a method.

    Attributes
    ----------
    title
        One line.
    reference, year
        The paper.
    needs
        What it needs beside a generator and a discriminator: "search", "encoder", "stages".
    cost
        Class of the cost of scoring a row: "one pass", "jacobian" (a pass for each latent value) or "search".
    source
        "paper and code", "paper", or "unverified" where no text was at hand.
    kinds
        Kinds of data it takes: "table", "image".
    """

    title: str
    reference: str
    year: int
    needs: tuple[str, ...] = ()
    cost: str = "one pass"
    source: str = "paper and code"
    kinds: tuple[str, ...] = ("table", "image")


_METHODS: "dict[str, type[Detector]]" = {}


def register(name: str) -> "Callable[[D], D]":
    """Class decorator: make a method known under `name`, lower case, as the command line takes it."""

    def enter(cls: "D") -> "D":
        if _METHODS.get(name, cls) is not cls:
            raise InvalidParameter(f"method name '{name}' is taken by {_METHODS[name].__name__}")
        cls.name = name
        _METHODS[name] = cls
        return cls

    return enter


def methods() -> "dict[str, type[Detector]]":
    """All registered methods by name, sorted."""
    return dict(sorted(_METHODS.items()))


def method_named(name: str) -> "type[Detector]":
    """Return the method of that name; raises `InvalidParameter` with the nearest known name."""
    if name not in _METHODS:
        raise InvalidParameter(unknown_name("method", name, _METHODS))
    return _METHODS[name]
