"""The time a run takes, by stage."""

from __future__ import annotations

import datetime as dt
import time

STAGES = ("total", "open", "read", "ids", "score", "write", "hash")


class Clock:
    """When a run began, and the seconds spent in each stage; stages may run side by side."""

    def __init__(self) -> None:
        self.started, self._start = dt.datetime.now(dt.UTC), time.perf_counter()
        self.seconds: dict[str, float] = dict.fromkeys(STAGES, 0.0)

    def timed(self, stage: str) -> _Timer:
        """Adds the time spent in a ``with`` block to a stage."""
        return _Timer(self.seconds, stage)

    def stop(self) -> None:
        """Set the total."""
        self.seconds["total"] = time.perf_counter() - self._start


class _Timer:
    def __init__(self, seconds: dict[str, float], stage: str) -> None:
        self._seconds, self._stage, self._start = seconds, stage, 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *exc: object) -> None:
        self._seconds[self._stage] += time.perf_counter() - self._start
