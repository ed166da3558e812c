"""Data that jobs run on, where they are no set known by name."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeVar

from numpy.typing import NDArray

if TYPE_CHECKING:
    from .job import Job

Arrays = dict[str, NDArray[Any]]
Record = dict[str, Any]
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    """Return what `work` gives, and the CPU seconds that this process took for it."""
    began = time.process_time()
    found = work()
    return found, round(time.process_time() - began, 6)


class Prepared(NamedTuple):
    """A job's data, loaded: what the record says of them, and how they are judged."""

    facts: Record
    judge: Callable[["Job"], tuple[Record, Arrays]]


class Bench(ABC):
    """A user's own data as a benchmark.

    Attributes
    ----------
    name
        Of the benchmark.
    cases
        As in :class:`ringfence.data.BuiltIn`.
    baselines
        Those of `BASELINES` that make sense there.
    """

    name: ClassVar[str]
    cases: ClassVar[Sequence[str]]
    baselines: ClassVar[Sequence[str]]

    @abstractmethod
    def identity(self) -> Mapping[str, Any]:
        """What makes a run on these data another run than on others, fit for JSON; no path of this machine."""

    @abstractmethod
    def prepare(self, job: "Job") -> Prepared:
        """Load what a job needs; in the process that runs it."""
