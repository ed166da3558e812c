"""One run of a benchmark, as data: what is fitted on which rows, and the identity of that."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from .. import __version__
from ..configure import detector_for
from ..detector import Detector
from ..persist import plain
from ..presets import parameters
from ..registry import method_named
from .baselines import BASELINES
from .bench import Bench

# A quick run takes so many steps at most, at a rate that learns in so few; its record says so.
QUICK_STEPS = 300
QUICK_LR = 1e-3


@dataclass(frozen=True)
class Job:
    """What one run does.

    Attributes
    ----------
    role
        "trained", "untrained" (the same networks as they were drawn) or "baseline".
    variant
        "default", or the preset's "printed" or "released"; "-" for a baseline.
    changes
        Hyperparameters that differ from the defaults or the preset.
    quick
        A budget of a few hundred steps.
    train_rows, test_rows
        Seeded choices of so many rows (of pictures in a folder); None takes all (of test rows the method's
        `searched_rows`, if its scores are costly).
    bench
        The data, where they are no set known by name.
    """

    benchmark: str
    case: str
    seed: int
    role: str
    method: str
    variant: str = "-"
    preset: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    quick: bool = False
    train_rows: int | None = None
    test_rows: int | None = None
    bench: Bench | None = None

    @cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits of everything above, of what it stands for, and of ringfence's version.

        A default, a preset or a quick budget that was changed makes another run of the same words, so that no folder
        passes old runs off as its own. Records of earlier versions keep the identities they were written with.
        """
        words = asdict(replace(self, bench=None))
        del words["bench"]  # sets known by name keep the identities that they had before there were others
        what = [words, self._resolved(), __version__, *([self.bench.identity()] if self.bench else [])]
        return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:16]

    def _resolved(self) -> Mapping[str, Any]:
        """Every parameter as it will be, but for what depends on the number of rows."""
        if self.role == "baseline":
            return asdict(BASELINES[self.method])
        quick = {"quick_steps": QUICK_STEPS, "quick_lr": QUICK_LR} if self.quick else {}
        return {**plain(self._detector(self.changes)), **quick, "searched_rows": self.judged_rows}

    @property
    def judged_rows(self) -> int | None:
        """Most test rows, None for all; a method whose scores are costly takes few, unless a number is named."""
        if self.test_rows is not None or self.role == "baseline":
            return self.test_rows
        method = method_named(self.method)
        return None if method.info.cost == "one pass" else method.searched_rows

    def budget(self, train: int | None = None, test: int | None = None) -> str:
        """Return the budget in words, as the record states it, for so many training and test rows to choose from.

        Their numbers are no part of it: cases differ in them, and a budget is part of a name.
        """
        printed = parameters(self.method, self.preset, self.variant).get("epochs") if self.preset else None
        epochs = self.changes.get("epochs", printed)
        preset = f" of the preset's {printed}" if printed else ""
        said = [
            f"{epochs} epochs{preset}" if epochs != printed else "",
            f"quick: at most {QUICK_STEPS} steps at lr {QUICK_LR:g}" if self.quick else "",
            _chosen(self.train_rows, train, "training"),
            _chosen(self.judged_rows, test, "test"),
        ]
        return "; ".join(s for s in said if s) or "full"

    def untrained(self) -> "Job":
        """Return the foil of this job."""
        return replace(self, role="untrained")

    def detector(self, n_train: int) -> Detector:
        """Return the unfitted detector, seeded, for so many training rows."""
        # The rates of papers are made for far more steps than a quick run takes.
        steps = math.ceil(n_train / self._detector({}).batch_size)
        quick = {"epochs": max(1, QUICK_STEPS // steps), "lr": QUICK_LR} if self.quick else {}
        return self._detector({"random_state": self.seed, **quick, **self.changes})

    def _detector(self, changes: Mapping[str, Any]) -> Detector:
        variant = self.variant if self.preset else None
        return detector_for(self.method, preset=self.preset, variant=variant, changes=changes)


def _chosen(rows: int | None, available: int | None, what: str) -> str:
    return f"{rows:,} {what} rows" if rows and available and rows < available else ""
