"""The alternating measurement: ours, then the peer's, then ours again, and the ratio of neighbours."""

from __future__ import annotations

import datetime as dt
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

PRACTICE = 10_000
BUDGET = 4.0  # seconds for all turns of one comparison
FEWEST, MOST = 5, 25  # turns


@dataclass(frozen=True)
class Outcome:
    """One comparison. Seconds are medians; a ratio is how many of ours fit into one of the peer's.

    ``cpu_ratio`` is the same of processor time, all threads and child processes added up.
    """

    what: str
    patients: int
    threads: int
    seconds: float
    peer: str = ""
    peer_threads: int = 0
    peer_seconds: float = 0.0
    ratio: float = 0.0
    cpu_ratio: float = 0.0
    turns: int = 0


OUTCOMES = pytest.StashKey[list[Outcome]]()


class Versus:
    """Times ours, alone or turn by turn with a peer's, and keeps what came out."""

    def __init__(self, benchmark: Any, config: pytest.Config) -> None:
        self._benchmark, self._config = benchmark, config

    @property
    def peer_threads(self) -> int:
        return int(self._config.getoption("--peer-threads") or os.cpu_count() or 1)

    def __call__(
        self,
        what: str,
        ours: Callable[[], object],
        *,
        patients: int,
        threads: int,
        peer: tuple[str, Callable[[], object]] | None = None,
        peer_threads: int | None = None,
    ) -> None:
        """Time ``ours`` and, if given, the peer (its name and its call), in turns."""
        own, theirs = _Times(ours), _Times(peer[1] if peer else _nothing)

        def turn() -> None:
            if peer:
                theirs.add()
            gc.collect()

        if self._benchmark.disabled:
            self._benchmark.pedantic(ours, setup=turn)
            return
        own.add()  # the first of each is left out of the figures
        turn()
        turns = min(max(round(BUDGET / sum(own.seconds + theirs.seconds)), FEWEST), MOST)
        own.clear()
        theirs.clear()
        self._benchmark.pedantic(own.add, setup=turn, rounds=turns)
        outcome = Outcome(what, patients, threads, statistics.median(own.seconds), turns=turns)
        if peer:
            outcome = replace(
                outcome,
                peer=peer[0],
                peer_threads=peer_threads or self.peer_threads,
                peer_seconds=statistics.median(theirs.seconds),
                ratio=_median_ratio(theirs.seconds, own.seconds),
                cpu_ratio=_median_ratio(theirs.cpu, own.cpu),
            )
        self._benchmark.extra_info.update(asdict(outcome), machine=machine())
        self._config.stash[OUTCOMES].append(outcome)


class _Times:
    """Calls something and notes how long it took, on the clock and in processor time."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.seconds: list[float] = []
        self.cpu: list[float] = []

    def add(self) -> None:
        gc.disable()
        start, used = time.perf_counter(), _cpu()
        result = self._call()
        self.cpu.append(_cpu() - used)
        self.seconds.append(time.perf_counter() - start)
        gc.enable()
        del result

    def clear(self) -> None:
        self.seconds.clear()
        self.cpu.clear()


def _cpu() -> float:
    """Processor time of this process, all its threads, and of the child processes that have ended."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _nothing() -> None:
    pass


def _median_ratio(over: list[float], under: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


@cache
def machine() -> dict[str, Any]:
    """The machine and the versions that a figure holds for."""
    from popstrat import engine

    packages = ("popstrat", "pyarrow", "numpy", "polars", "duckdb")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "instruction_sets": engine.levels(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
        "date": dt.date.today().isoformat(),
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
