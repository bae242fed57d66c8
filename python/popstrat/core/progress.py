"""How far a long job has come, told to whoever shows it."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int, int | None], None]
"""Called with the rows done and the rows in all, None where that is not known; from the thread that does the job."""
