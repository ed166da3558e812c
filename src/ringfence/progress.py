"""Progress bars: shown only where asked for, and only on what takes longer than a second."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from .training import Run


@contextmanager
def steps_bar(total: int, title: str, *, show: bool) -> "Iterator[Any]":
    """Open a bar of `total` steps that appears after a second, with the time left; only a terminal gets one."""
    with tqdm(total=total, desc=title, disable=None if show else True, delay=1.0, leave=False, mininterval=0.2) as bar:
        yield bar


def watcher(bar: Any, keep: "Callable[[Run], None] | None") -> "Callable[[Run], None]":
    """Move the bar after every step, show the losses after every epoch, and let the run be kept."""

    def watch(run: "Run") -> None:
        done = run.steps_before + run.steps
        bar.update(done - bar.n)
        if run.position == 0 and run.history:
            losses = {k: f"{v:.3g}" for k, v in run.history[-1].items() if k not in ("stage", "epoch")}
            bar.set_postfix(losses, refresh=False)
        if keep:
            keep(run)

    return watch
