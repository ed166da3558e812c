"""A process that is told to end, with SIGTERM as `kill` and job managers do, ends in order."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever cleans up after an interrupt cleans up now."""


@contextmanager
def orderly() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM would end the process at once; afterwards it would again.

    Only the main thread may say who hears signals, and a handler that is there already stays: in other threads, and
    beside such a handler, nothing changes.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # who says it twice wants no order
    raise Terminated
