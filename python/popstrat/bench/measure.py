"""`popstrat bench`: how fast is this machine? A synthetic list, scored in memory and from file to file.

Beside the times in memory stands the streaming floor: how long it takes to read the bytes that scoring reads and to
write those that it writes, once, and to compute nothing. No program that looks at every patient can be faster.
"""

from __future__ import annotations

import datetime as dt
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat import engine, synthetic
from popstrat.core.cpus import cores
from popstrat.core.version import version
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.runs.in_memory import score
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
PRACTICE = 10_000
_BUDGET = 1.0  # seconds for all turns of one thing that is timed
_FEWEST, _MOST, _RUNS = 3, 50, 3
_PIECES = (1 << 20, 1 << 22, 1 << 24)  # bytes that a thread takes at a time to read and write


def measure(patients: int, threads: int) -> dict[str, Any]:
    """Score a synthetic list of that many patients in every way that is timed.

    Returns:
        ``machine`` (see `machine`), ``patients``, ``as_of`` and ``measured``: one dict for each thing timed, with
        ``what``, ``patients``, ``threads``, ``seconds`` (the median) and ``best_seconds``; for scoring in memory also
        ``over_floor``, for a command ``peak_memory_bytes`` (None where the system does not tell).

    Raises `InputError` if there can be no such list, ``OSError`` if the temporary folder cannot take it (about 60 bytes
    a patient), ``RuntimeError`` if a command fails.
    """
    measured: list[dict[str, Any]] = []
    table = synthetic.table(patients, seed=1, as_of=AS_OF, threads=threads).combine_chunks()
    scored = score(table, as_of=AS_OF, threads=threads)
    read, written = traffic(table, scored)
    for count in sorted({1, threads}):
        ours = _timed(partial(score, table, AS_OF, threads=count))
        floor = _timed(streaming_floor(read, written, count))
        measured.append(_line("score a table in memory", patients, count, ours))
        measured[-1]["over_floor"] = statistics.median(ours) / statistics.median(floor)
        measured.append(_line("the floor: read and written once", patients, count, floor))
    del table, scored
    with tempfile.TemporaryDirectory(prefix="popstrat-bench-") as folder:
        for size in dict.fromkeys((patients, PRACTICE)):
            source, target = Path(folder) / f"{size}.parquet", Path(folder) / "scored.parquet"
            asked = ["--as-of", AS_OF.isoformat(), "--threads", str(threads), "--quiet"]
            _command(["synth", "--patients", str(size), "--seed", "1", *asked, "-o", str(source)])
            seconds = [_command(["score", str(source), *asked, "-o", str(target)]) for _ in range(_RUNS)]
            found = json.loads(Path(f"{target}.run.json").read_text(encoding="utf-8"))
            measured.append(_line("popstrat score, Parquet to Parquet", size, threads, seconds))
            measured[-1]["peak_memory_bytes"] = found["peak_memory_bytes"]
    return {"machine": machine(), "patients": patients, "as_of": AS_OF.isoformat(), "measured": measured}


def machine(packages: Iterable[str] = ("popstrat", "pyarrow", "numpy")) -> dict[str, Any]:
    """What a figure holds for: processor, cores, bytes of memory, instruction sets, versions, the date."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_bytes": _memory(),
        "instruction_sets": engine.levels(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "date": dt.date.today().isoformat(),
    }


def traffic(table: pa.Table, scored: pa.Table) -> tuple[int, int]:
    """The bytes that scoring must read of a table and those it writes: the columns that the pack uses and the ids (to
    see that they are unique); every column of the scored table that is not handed through."""
    passed = {*KEY_COLUMNS, *PLACE_COLUMNS}
    used = {c for c in Scorer(as_of=AS_OF).columns if c in table.column_names} - passed | {"patient_id"}
    return sum(table[c].nbytes for c in used), sum(scored[c].nbytes for c in scored.column_names if c not in passed)


def streaming_floor(read: int, written: int, threads: int) -> Callable[[], None]:
    """A call that reads so many bytes and writes so many, once, as fast as NumPy does it on that many threads.

    What is both read and written is copied, what is only read is added up. Both blocks are contiguous and already in
    use, and of a few sizes of the pieces that threads take the quickest is chosen: each of these favours the floor.
    """
    source = np.ones(-(-max(read, written) // 8), np.uint64)
    target = np.ones(-(-written // 8), np.uint64)
    pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def piece(size: int, start: int) -> None:
        end = min(start + size, len(source))
        copied = min(max(len(target), start), end)
        target[start:copied] = source[start:copied]
        if copied < end:
            np.add.reduce(source[copied:end])

    def once(size: int) -> None:
        starts = range(0, len(source), size)
        if pool is None:
            for start in starts:
                piece(size, start)
        else:
            list(pool.map(partial(piece, size), starts))

    calls = [partial(once, size // 8) for size in _PIECES]
    return min(calls, key=lambda call: min(_seconds(call) for _ in range(_FEWEST)))


def described(machine: Mapping[str, Any]) -> str:
    """A machine in one line."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    memory = f", {machine['memory_bytes'] / 2**30:.0f} GB" if machine["memory_bytes"] else ""
    sets = ", ".join(machine["instruction_sets"])
    return (
        f"{machine['date']}: {machine['cpu']}, {machine['cores']} cores{memory}, kernels for {sets}; "
        f"{machine['system']}, Python {machine['python']}, {versions}"
    )


def shown(seconds: float) -> str:
    """A time as people read it."""
    return f"{seconds * 1e3:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"


def _line(what: str, patients: int, threads: int, seconds: list[float]) -> dict[str, Any]:
    return {
        "what": what,
        "patients": patients,
        "threads": threads,
        "seconds": statistics.median(seconds),
        "best_seconds": min(seconds),
    }


def _timed(call: Callable[[], object]) -> list[float]:
    """Seconds of each turn; the first, which meets cold memory, is left out."""
    first = _seconds(call)
    turns = min(max(round(_BUDGET / max(first, 1e-6)), _FEWEST), _MOST)
    return [_seconds(call) for _ in range(turns)]


def _seconds(call: Callable[[], object]) -> float:
    gc.collect()
    gc.disable()
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    gc.enable()
    del result
    return seconds


def _command(arguments: list[str]) -> float:
    """Run a command of this program as a process of its own; how long it took."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "popstrat", *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"popstrat {arguments[0]} failed: {done.stderr.strip()}")
    return seconds


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
