"""The alternating measurement: ours, then the peer's, then ours again, and the ratio of neighbours.

Also processes of their own with what they used, and the line through times that should grow with the number of rows.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

PRACTICE = 10_000
BUDGET = 3.0  # seconds for all turns of one comparison
FEWEST, MOST = 3, 25  # turns
CORES = os.cpu_count() or 1
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Outcome:
    """One comparison. Seconds are medians; a ratio is how many of ours fit into one of the peer's.

    ``low`` and ``high`` are the quartiles of the ratio; ``cpu_ratio`` is the same of processor time, all threads and
    child processes added up; ``memory`` the most that our process held, in bytes, where it was one of its own.
    """

    what: str
    patients: int
    threads: int
    seconds: float
    peer: str = ""
    peer_threads: int = 0
    peer_seconds: float = 0.0
    ratio: float = 0.0
    low: float = 0.0
    high: float = 0.0
    cpu_ratio: float = 0.0
    memory: int = 0
    peer_memory: int = 0
    turns: int = 0


@dataclass(frozen=True)
class Spent:
    """What a process took: seconds, seconds of processor time, bytes of memory at most; and what it printed."""

    seconds: float
    cpu: float
    memory: int
    printed: str = ""

    def without(self, seconds: float, cpu: float) -> Spent:
        """The same less what it did before or beside the work in question."""
        return replace(self, seconds=self.seconds - seconds, cpu=self.cpu - cpu)


OUTCOMES = pytest.StashKey[list[Outcome]]()
FIGURES = pytest.StashKey[list[dict[str, Any]]]()


class Versus:
    """Times ours, alone or turn by turn with a peer's, and keeps what came out."""

    def __init__(self, benchmark: Any, config: pytest.Config) -> None:
        self._benchmark, self._config = benchmark, config
        self._figures: list[dict[str, Any]] = []

    @property
    def smoke(self) -> bool:
        """Whether nothing is to be timed, only run once."""
        return bool(self._benchmark.disabled)

    @property
    def peer_threads(self) -> int:
        return int(self._config.getoption("--peer-threads") or CORES)

    def __call__(
        self,
        what: str,
        ours: Callable[[], object],
        *,
        patients: int,
        threads: int,
        peer: tuple[str, Callable[[], object]] | None = None,
        peer_threads: int | None = None,
        faster: str = "",
        cost: str = "",
    ) -> Outcome | None:
        """Time ``ours`` and, if given, the peer (its name and its call), in turns. None in a smoke test.

        A call that returns what was `Spent` is taken at its word. ``faster`` and ``cost`` name the figure that a bar is
        about: how many times faster than the peer, or how many times as long.
        """
        own, theirs = _Times(ours), _Times(peer[1] if peer else _nothing)

        def turn() -> None:
            if peer:
                theirs.add()
            gc.collect()

        if self.smoke:
            self._benchmark.pedantic(ours, setup=turn)
            return None
        own.add()  # the first of each is left out of the figures
        turn()
        turns = min(max(round(BUDGET / sum(own.seconds + theirs.seconds)), FEWEST), MOST)
        own.clear()
        theirs.clear()
        self._benchmark.pedantic(own.add, setup=turn, rounds=turns)
        outcome = Outcome(
            what, patients, threads, statistics.median(own.seconds), memory=max(own.memory, default=0), turns=turns
        )
        if peer:
            low, middle, high = _quartiles(theirs.seconds, own.seconds)
            outcome = replace(
                outcome,
                peer=peer[0],
                peer_threads=peer_threads or self.peer_threads,
                peer_seconds=statistics.median(theirs.seconds),
                ratio=middle,
                low=low,
                high=high,
                cpu_ratio=_quartiles(theirs.cpu, own.cpu)[1],
                peer_memory=max(theirs.memory, default=0),
            )
            if faster:
                self.note(faster, middle, patients)
            if cost:
                self.note(cost, _quartiles(own.seconds, theirs.seconds)[1], patients)
        self._benchmark.extra_info.update(asdict(outcome), machine=machine())
        self._config.stash[OUTCOMES].append(outcome)
        return outcome

    def once(self, call: Callable[[], object]) -> None:
        """Run something that takes its own measurements, which `note` is told of."""
        self._benchmark.pedantic(call, rounds=1)

    def note(self, figure: str, value: float, patients: int) -> None:
        """Keep a figure that a bar is about (bars.toml)."""
        if self.smoke:
            return
        found = {"figure": figure, "value": value, "patients": patients, "machine": machine()}
        self._figures.append(found)
        self._benchmark.extra_info["figures"] = self._figures
        self._config.stash[FIGURES].append(found)


class _Times:
    """Calls something and notes how long it took, on the clock and in processor time."""

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self.seconds: list[float] = []
        self.cpu: list[float] = []
        self.memory: list[int] = []

    def add(self) -> None:
        gc.disable()
        start, used = time.perf_counter(), _cpu()
        result = self._call()
        spent = Spent(time.perf_counter() - start, _cpu() - used, 0)
        gc.enable()
        if isinstance(result, Spent):
            spent = result
            self.memory.append(spent.memory)
        self.seconds.append(spent.seconds)
        self.cpu.append(spent.cpu)
        del result

    def clear(self) -> None:
        self.seconds.clear()
        self.cpu.clear()
        self.memory.clear()


def _cpu() -> float:
    """Processor time of this process, all its threads, and of the child processes that have ended."""
    children = os.times()
    return time.process_time() + children.children_user + children.children_system


def _nothing() -> None:
    pass


def _quartiles(over: list[float], under: list[float]) -> tuple[float, float, float]:
    """Of the ratios of neighbours; processor time may be too short to be seen at all."""
    ratios = sorted(a / b if b else 1.0 for a, b in zip(over, under, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return low, middle, high


# ---- processes -------------------------------------------------------------------------------------------------------


def popstrat() -> list[str]:
    """The installed command, as a user types it."""
    command = Path(sys.executable).with_name("popstrat")
    return [str(command)] if command.exists() else [sys.executable, "-m", "popstrat"]


# What is installed keeps its bytecode, as pip leaves it; without, a run would compile every module anew.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def process(command: Sequence[str | Path]) -> Spent:
    """Run a command from start to exit, interpreter and imports included. Raises ``CalledProcessError`` if it fails.

    launch.py starts and watches it: a child that this process started would be told to have held at least what this
    process holds.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".json") as told:
        launch = [sys.executable, "-I", "-S", str(HERE / "launch.py"), told.name, *map(str, command)]
        done = subprocess.run(launch, check=True, capture_output=True, text=True, env=_ENVIRONMENT)
        found: Mapping[str, Any] = json.load(told)
    return Spent(found["seconds"], found["cpu"], found["memory"], done.stdout)


# ---- growth ----------------------------------------------------------------------------------------------------------


def line(rows: Sequence[int], seconds: Sequence[float]) -> tuple[float, float, float]:
    """The line seconds = a + b · rows that fits best, each time weighed as a share of itself; and by what share the
    time that lies farthest off differs from it. Needs two numbers of rows at least."""
    weights = [1 / s**2 for s in seconds]
    total = sum(weights)
    x = sum(w * n for w, n in zip(weights, rows, strict=True)) / total
    y = sum(w * s for w, s in zip(weights, seconds, strict=True)) / total
    spread = sum(w * (n - x) ** 2 for w, n in zip(weights, rows, strict=True))
    b = sum(w * (n - x) * (s - y) for w, n, s in zip(weights, rows, seconds, strict=True)) / spread
    a = y - b * x
    return a, b, max(abs(s / (a + b * n) - 1) for n, s in zip(rows, seconds, strict=True))


@cache
def machine() -> dict[str, Any]:
    """The machine and the versions that a figure holds for."""
    from popstrat.bench import measure as bench

    found: dict[str, Any] = bench.machine(("popstrat", "pyarrow", "numpy", "polars", "duckdb"))
    return found
