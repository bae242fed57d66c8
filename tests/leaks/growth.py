"""Whether what a process holds grows with the calls it makes.

    python tests/leaks/growth.py CALLS [NAME...] [--plant KIND]

Makes each of the `entry_points` (or those named) a few times to warm up, and then in rounds of CALLS calls. Printed is
a line of JSON for each: by how much the blocks of memory, maps, open files and threads grew in a round, at least.
Caches fill and free lists settle, and then no more; what leaks grows in every round. Status 1 if something leaks.
``--plant`` makes a call instead that leaks in a way that is known. `started` runs it in a process of its own, in which
all memory comes from malloc, Python's and Arrow's too, and is counted (`counting.c`).
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROUNDS = 4
WARM_UP, LONG_WARM_UP = 3, 1000
LONGEST_WARM_UP = 10.0  # seconds
_PROCESS = ctypes.CDLL(None)
KINDS = ("blocks", "maps", "files", "threads")


def started(
    arguments: list[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run this file in a process that counts; the counter is compiled in ``folder``."""
    counter = folder / "counting.so"
    if not counter.exists():
        compiler = os.environ.get("CC", "cc").split()
        subprocess.run([*compiler, "-O1", "-shared", "-fPIC", "-o", counter, HERE / "counting.c", "-ldl"], check=True)
    ours = {"LD_PRELOAD": str(counter), "PYTHONMALLOC": "malloc", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    command = [sys.executable, __file__, *arguments]
    given = os.environ if environment is None else environment
    return subprocess.run(command, env={**given, **ours}, capture_output=True, text=True, check=False)


def told(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """What was printed, by the names of the calls. Raises ``RuntimeError`` if the process went wrong."""
    if done.returncode not in (0, 1) or (done.returncode and "Traceback" in done.stderr):
        raise RuntimeError(f"status {done.returncode}: {done.stderr[-4000:]}")
    return {line["call"]: line for line in map(json.loads, done.stdout.splitlines())}


def held() -> dict[str, int]:
    """What this process has in use now."""
    gc.collect()
    found = _PROCESS.counted_blocks(), _PROCESS.counted_maps()
    there = (sum(1 for _ in Path(f"/proc/self/{of}").iterdir()) for of in ("fd", "task"))
    return dict(zip(KINDS, (*found, *there), strict=True))


def growth(doing: Callable[[], object], calls: int) -> dict[str, int]:
    """The least that each figure grew by in a round. Free lists of objects that come and go by the thousand take long
    to fill: what seems to leak is looked at again after many more calls."""
    found = _growth(doing, WARM_UP, calls)
    if max(found.values()) < calls:
        return found
    return _growth(doing, LONG_WARM_UP, calls)


def _growth(doing: Callable[[], object], warm_up: int, calls: int) -> dict[str, int]:
    until = time.monotonic() + LONGEST_WARM_UP
    for _ in range(warm_up):
        doing()
        if time.monotonic() > until:
            break
    least = dict.fromkeys(KINDS, sys.maxsize)
    before = held()
    for _ in range(ROUNDS):
        for _ in range(calls):
            doing()
        after = held()
        least = {kind: min(least[kind], after[kind] - before[kind]) for kind in KINDS}
        before = after
    return least


class Full:
    """A call that may find no memory; ``seen`` says how often it has."""

    def __init__(self, doing: Callable[[], object]) -> None:
        self._doing, self.seen = doing, 0

    def __call__(self) -> None:
        try:
            self._doing()
        except MemoryError:
            self.seen += 1


PLANTS: dict[str, Callable[[], object]] = {
    "blocks": lambda: _PROCESS.malloc(24),
    "maps": lambda: ctypes.pythonapi.Py_IncRef(ctypes.py_object(mmap.mmap(-1, 1 << 20))),
    "files": lambda: os.open(os.devnull, os.O_RDONLY),
    "references": lambda: ctypes.pythonapi.Py_IncRef(ctypes.py_object(bytes(100))),
}


def main() -> int:
    ask = argparse.ArgumentParser()
    ask.add_argument("calls", type=int)
    ask.add_argument("names", nargs="*")
    ask.add_argument("--plant", choices=PLANTS)
    ask.add_argument("--no-memory", action="store_true", help="calls may end as if there were none (plants.py)")
    given = ask.parse_args()
    if not hasattr(_PROCESS, "counted_blocks"):
        raise SystemExit("nothing is counted: the process has to be `started`, as tests/leaks/run.py does")
    if given.plant:
        calls = {given.plant: PLANTS[given.plant]}
    else:
        from entry_points import CALLS  # with the engine, which a planted leak can do without

        calls = {name: CALLS[name] for name in given.names or CALLS}
    found = False
    for name, doing in calls.items():
        full = Full(doing)
        least = growth(full if given.no_memory else doing, given.calls)
        leaks = [kind for kind in KINDS if least[kind] >= given.calls]
        found |= bool(leaks)
        print(json.dumps({"call": name, "leaks": leaks, **least, "full": full.seen}), flush=True)
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
