"""Progress bars: shown only where asked for, only in a terminal, and only on what takes longer than a second."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tqdm import tqdm

if TYPE_CHECKING:
    from .training import Run


class Bar(Protocol):
    """What the library asks of a progress bar."""

    n: float

    def update(self, n: float = 1) -> bool | None:
        """Move on by `n` steps."""

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Say something behind the bar."""


class Silent:
    """A bar that nobody sees."""

    n: float = 0

    def update(self, n: float = 1) -> None:
        """Count."""
        self.n += n

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Say nothing."""


@contextmanager
def steps_bar(total: int, title: str, *, show: bool) -> Iterator[Bar]:
    """Open a bar of `total` steps that appears after a second, with the time left."""
    if not show:
        yield Silent()
        return
    # disable=None: a terminal gets a bar, a file or a pipe does not.
    with tqdm(total=total, desc=title, disable=None, delay=1.0, leave=False, mininterval=0.2) as bar:
        yield bar


def watcher(bar: Bar, keep: "Callable[[Run], None] | None") -> "Callable[[Run], None]":
    """Move the bar after every step, show the losses after every epoch, and let the run be kept."""

    def watch(run: "Run") -> None:
        bar.update(run.steps_before + run.steps - bar.n)
        if run.position == 0:
            bar.set_postfix_str(", ".join(f"{k} {v:.3g}" for k, v in run.losses.items()), refresh=False)
        if keep:
            keep(run)

    return watch
