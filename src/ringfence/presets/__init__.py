"""Presets: a paper's networks and hyperparameters for a data set, as TOML beside this file.

`<method>.toml` has a table for each data set and variant: `parameters`, `layers` (layer tables by network),
`published` (the numbers that the paper prints) and `source`. A variant may name another in `base` and change some keys:
"printed", or "wdbc.released" for one of another data set.
"""

import copy
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from ..exceptions import InvalidParameter, unknown_name

PRINTED = "printed"
"""The variant of a preset where none is named and it has several."""


@cache
def _read(method: str) -> dict[str, Any]:
    path = files(__name__).joinpath(f"{method}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def names(method: str) -> dict[str, tuple[str, ...]]:
    """Data sets that a method has presets for, each with its variants."""
    return {name: tuple(variants) for name, variants in _read(method).items()}


def chosen(method: str, name: str, variant: str | None) -> str:
    """The variant that is meant: "printed" where none is named, or the only one that a preset has."""
    known = list(_read(method).get(name, ()))
    return variant or (known[0] if len(known) == 1 else PRINTED)


def entry(method: str, name: str, variant: str) -> dict[str, Any]:
    """Return a preset as it stands in the file, with what it takes from its base."""
    known = _read(method)
    if not known:
        raise InvalidParameter(f"preset={name!r}: {method} has no presets; leave it out for the library's defaults")
    if name not in known:
        raise InvalidParameter(unknown_name(f"preset of {method}", name, known))
    if variant not in known[name]:
        raise InvalidParameter(unknown_name(f"variant of {method}'s preset {name}", variant, known[name]))
    own: dict[str, Any] = known[name][variant]
    if "base" not in own:
        return own
    of, _, found = own["base"].rpartition(".")
    base = entry(method, of or name, found)
    return {**base, **own} | {k: {**base.get(k, {}), **own.get(k, {})} for k in ("parameters", "layers")}


def parameters(method: str, name: str, variant: str) -> dict[str, Any]:
    """Hyperparameters of a preset, its layer tables among them."""
    found = copy.deepcopy(entry(method, name, variant))  # the file is read once, and tables can be changed
    return {**found.get("parameters", {}), "layers": found.get("layers")}
