"""How far a long job has come, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with the rows done and the rows in all, None where that is not known; from the thread that does the job."""


def enter(progress: Progress | None, phase: str) -> None:
    """Say that the next phase of a job begins, in a word such as "Fitting"; nothing where whoever shows it has no use
    for that."""
    told = getattr(progress, "phase", None)
    if told is not None:
        told(phase)
