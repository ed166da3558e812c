"""Hyperparameters by name and text, as the command line gives them."""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from .detector import Detector
from .exceptions import InvalidParameter, unknown_name
from .losses import adversary_named
from .registry import method_named


def detector_for(
    method: str,
    *,
    preset: str | None = None,
    variant: str = "printed",
    changes: Mapping[str, Any] | None = None,
) -> Detector:
    """Return an unfitted detector: a method's defaults or a preset, with some hyperparameters changed.

    Raises
    ------
    InvalidParameter
        For an unknown method, preset, variant or hyperparameter, with the nearest known name.
    """
    cls = method_named(method)
    detector = cls.preset(preset, variant) if preset else cls()
    for name, value in (changes or {}).items():
        known = detector.get_params(deep=True)
        owner = name.partition("__")[0]
        if owner == "adversary" != name:
            # A part of an option that is given by name: take the object that the name stands for.
            detector.set_params(adversary=adversary_named(known["adversary"]))
            known = detector.get_params(deep=True)
        if name not in known:
            raise InvalidParameter(unknown_name(f"hyperparameter of {method}", name, known))
        detector.set_params(**{name: value})
    return detector


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `name=value` texts; values are Python literals where they can be, text otherwise.

    >>> settings(["lr=1e-4", "scale=minmax", "search_until=[10, 20]"])
    {'lr': 0.0001, 'scale': 'minmax', 'search_until': [10, 20]}
    """
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise InvalidParameter(f"--set {pair}: write name=value")
        try:
            read[name.strip()] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            read[name.strip()] = text
    return read
