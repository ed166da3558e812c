"""A process that is told to end, with SIGTERM as `kill` and job managers do, ends in order."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GRACE = 1.0
"""Seconds after a first SIGTERM in which another is the same one: managers send it to a process and to its group."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: whatever cleans up after an interrupt cleans up now."""


@contextmanager
def orderly() -> Iterator[None]:
    """Raise `Terminated` where SIGTERM would end the process at once; afterwards it would again, unless one came.

    After one the process is on its way out: what comes within `GRACE` seconds is heard no more, what comes later ends
    it at once. Only the main thread may say who hears signals, and a handler that is there already stays: in other
    threads, and beside such a handler, nothing changes.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _end:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    first = time.monotonic()

    def again(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - first > GRACE:  # who says it twice wants no order
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, again)
    raise Terminated
