"""A stop that was asked for (Ctrl-C, SIGTERM) is neither lost nor told wrongly.

Python raises what a handler raises wherever the main thread happens to be. In a clean-up that Python runs by itself it
is printed and dropped, and between two steps of a library it may surface as some other error. So a stop is also noted:
`heed` raises it again wherever a job comes by, at the latest before outputs get their names, and whatever error ends
the job after a stop counts as the stop. While outputs get their names a stop waits, and then it is too late.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class Stopped(BaseException):
    """Ctrl-C or SIGTERM. Not KeyboardInterrupt, which typer would turn into an exit status of its own."""


class _State:
    asked = False
    waits = False
    """Whether outputs get their names just now."""
    written = False


def _handle(number: int, frame: FrameType | None) -> None:
    # Cleaning up must not be interrupted by a second Ctrl-C.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if not _State.waits:
        _State.asked = True
        raise Stopped


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within the block, Ctrl-C and SIGTERM are a stop. In another thread than the main one they stay what they are."""
    _State.asked = _State.waits = _State.written = False
    before = {}
    with contextlib.suppress(ValueError):  # not in the main thread
        before = {number: signal.signal(number, _handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def heed() -> None:
    """Raise `Stopped` if a stop was asked for."""
    if _State.asked:
        raise Stopped


@contextlib.contextmanager
def naming() -> Iterator[None]:
    """Raise `Stopped` if a stop was asked for; else one that comes within the block is too late and does nothing."""
    _State.waits = True
    try:
        heed()
        yield
        _State.written = True
    finally:
        _State.waits = False


def was_asked() -> bool:
    """Whether a stop was asked for since `stoppable` began."""
    return _State.asked


def was_written() -> bool:
    """Whether outputs have got their names since `stoppable` began."""
    return _State.written
