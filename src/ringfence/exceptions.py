"""Everything that ringfence raises on purpose.

::

    RingfenceError
    ├── InvalidParameter   a hyperparameter or argument is out of its range (also a ValueError)
    ├── InvalidData        rows, files or folders that can't be used as they are (also a ValueError)
    ├── InvalidModel       a model folder that is missing, damaged or from a newer version (also a ValueError)
    ├── TrainingDiverged   a loss became NaN or infinite (also a RuntimeError)
    ├── ExportFailed       a model can't be written in another form, or gives other scores there (also a RuntimeError)
    └── MissingExtra       an optional package is needed and not installed (also an ImportError)

Each message is one line that names the argument or file, its value, what is allowed and, for names, the nearest one.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class RingfenceError(Exception):
    """Base of every error that ringfence raises on purpose."""


class InvalidParameter(RingfenceError, ValueError):
    """A hyperparameter or argument has a value that is not allowed."""


class InvalidData(RingfenceError, ValueError):
    """Rows, a file or a folder can't be used as they are."""


class InvalidModel(RingfenceError, ValueError):
    """A model folder is missing, truncated, tampered with or written by a newer version."""


class TrainingDiverged(RingfenceError, RuntimeError):
    """A loss became NaN or infinite while training."""


class ExportFailed(RingfenceError, RuntimeError):
    """A model can't be written in another form, or would give other scores there."""


class MissingExtra(RingfenceError, ImportError):
    """An optional package is needed and not installed."""


@contextmanager
def unusable_rows() -> Iterator[None]:
    """Raise what another library's check of rows says (a ValueError) as `InvalidData`, in its words."""
    try:
        yield
    except RingfenceError:
        raise
    except ValueError as error:
        raise InvalidData(str(error)) from error


def unknown_name(what: str, name: object, allowed: Iterable[str]) -> str:
    """One line for a name that is not known, with the nearest that is.

    >>> unknown_name("method", "egbda", ["anogan", "egbad"])
    "unknown method 'egbda': did you mean 'egbad'? Known: anogan, egbad"
    """
    known = sorted(allowed)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f": did you mean '{near[0]}'? Known" if near else "; known"
    return f"unknown {what} '{name}'{hint}: {', '.join(known)}"
