"""Keeping an unfinished run on disk, so that a killed fit goes on and ends with the same bits."""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from . import __version__
from .blocks import Blocks
from .exceptions import InvalidModel
from .frame import Frame
from .lazy import LazyRows
from .persist import is_kept, plain, read_folder, write_folder

if TYPE_CHECKING:
    from .detector import Detector
    from .training import Run

# A run is kept at most so often in seconds, and never so often that keeping takes more than a twentieth of the time.
LEAST_PAUSE = 0.5
SHARE = 20.0

# What does not change the result of a fit, and may differ between its parts.
FREE = ("verbose",)


STREAMS = 2
"""Counted up whenever the same random numbers come to mean something else in training (2: dropout draws 8 bits)."""


@dataclass(frozen=True)
class Kept:
    """A run as found on disk."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]


@dataclass(frozen=True)
class Keeper:
    """Writes one run to one folder.

    Attributes
    ----------
    folder
        Replaced as a whole each time, by renaming.
    digest
        Of method, hyperparameters, version, `STREAMS`, rows and number of torch's threads (another number rounds
        otherwise, and the resumed run would end with other bits): a run of anything else is refused.
    """

    folder: Path
    digest: str

    @classmethod
    def of(cls, folder: str | Path, detector: "Detector", rows: Any, sides: Sequence[Any] = ()) -> "Keeper":
        """Keep the fit of this detector on these rows, split as `sides` say."""
        params = {k: v for k, v in plain(detector).items() if k not in FREE}
        place = [__version__, STREAMS, torch.get_num_threads(), str(detector._device)]
        text = json.dumps([type(detector).name, params, *place], sort_keys=True)
        digest = hashlib.sha256(text.encode())
        for part in (rows, *sides):
            digest.update(fingerprint(part))
        return cls(Path(folder), digest.hexdigest())

    def load(self) -> Kept | None:
        """Return the run that lies in the folder, if any.

        Raises
        ------
        InvalidModel
            When it is damaged, or a run of other data, hyperparameters or another version.
        """
        if not is_kept(self.folder):
            return None
        facts, tensors = read_folder(self.folder, "checkpoint")
        if facts["digest"] != self.digest:
            raise InvalidModel(
                f"{self.folder} keeps a run of other rows, hyperparameters, device, number of threads or version of "
                "ringfence: remove it or name another folder"
            )
        return Kept(tensors, facts)

    def save(self, run: "Run", seed: int) -> None:
        """Keep the run as it stands."""
        tensors, facts = run.state()
        write_folder(self.folder, "checkpoint", {"digest": self.digest, "seed": seed, "run": facts}, tensors)

    def watch(self, seed: int) -> "Callable[[Run], None]":
        """Return a function that keeps the run now and then."""
        due = [time.monotonic() + LEAST_PAUSE]

        def keep(run: "Run") -> None:
            begun = time.monotonic()
            if begun >= due[0]:
                self.save(run, seed)
                ended = time.monotonic()
                due[0] = ended + max(LEAST_PAUSE, SHARE * (ended - begun))

        return keep


def fingerprint(rows: Any) -> bytes:
    """Tell rows of any kind from others."""
    if isinstance(rows, LazyRows | Blocks):
        return rows.digest().encode()
    if isinstance(rows, Frame):
        return b"".join(name.encode() + fingerprint(values) for name, values in rows.items())
    array = np.asarray(rows)
    content = repr(array.tolist()).encode() if array.dtype == object else np.ascontiguousarray(array).tobytes()
    return f"{array.dtype} {array.shape}".encode() + content
