"""Hyperparameters by name and text, as the command line gives them."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from .detector import Detector
from .exceptions import InvalidParameter, unknown_name
from .limits import check_limits
from .losses import adversary_named
from .registry import method_named

BOOLEANS = {"true": True, "false": False}
"""As people write them; Python's own literals are read too."""


def detector_for(
    method: str,
    *,
    preset: str | None = None,
    variant: str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Detector:
    """Return an unfitted detector: a method's defaults or a preset, with some hyperparameters changed.

    `variant` is one of the preset's, None for "printed" or the only one; without a preset there is none to choose.

    Raises
    ------
    InvalidParameter
        For an unknown method, preset, variant or hyperparameter, with the nearest known name; for a variant without
        a preset.
    """
    cls = method_named(method)
    if variant is not None and preset is None:
        raise InvalidParameter(f"variant={variant!r} is one of a preset's: name the preset too, as --preset kdd99")
    detector = cls() if preset is None else cls.preset(preset, variant)
    for name, value in (changes or {}).items():
        known = detector.get_params(deep=True)
        owner = name.partition("__")[0]
        if owner == "adversary" != name and owner in known:
            # A part of an option that is given by name: take the object that the name stands for.
            check_limits({owner: known[owner]}, {owner: cls.limits[owner]})
            detector.set_params(adversary=adversary_named(known["adversary"]))
            known = detector.get_params(deep=True)
        if name not in known:
            raise InvalidParameter(unknown_name(f"hyperparameter of {method}", name, known))
        if name in cls.unused:
            raise InvalidParameter(f"{name}={value!r}: {method} has no use for `{name}`")
        detector.set_params(**{name: value})
    return detector


def settings(pairs: Sequence[str], option: str = "--set") -> dict[str, Any]:
    """Read `name=value` texts; values are Python literals where they can be, true and false, text otherwise.

    >>> settings(["lr=1e-4", "scale=minmax", "search_until=[10, 20]", "own_rows=false"])
    {'lr': 0.0001, 'scale': 'minmax', 'search_until': [10, 20], 'own_rows': False}
    """
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidParameter(f"{option} {pair}: write name=value")
        try:
            read[name.strip()] = ast.literal_eval(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            read[name.strip()] = BOOLEANS.get(text.strip().lower(), text)
    return read
