"""Instructions per patient of every kernel, counted with valgrind, against the committed baseline.

    python benchmarks/instructions.py              # count and print
    python benchmarks/instructions.py --check      # and compare with the baseline; exit status 1 if one is slower
    python benchmarks/instructions.py --update     # and write the baseline, to be committed with the reason
    python benchmarks/instructions.py --only EXP   # these kernels alone

A count says nothing about caches or the clock, and does not change with the machine's load: two runs give the same
figures. What is counted stands in counted.py, how to read and change the figures in docs/performance-gate.md.
"""

from __future__ import annotations

import argparse
import ctypes
import datetime as dt
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BASELINE = HERE / "baseline-instructions.json"
UPDATE = "python benchmarks/instructions.py --update"
TOLERANCE = 0.03  # of the baseline's figure
# Another compiler vectorises other loops (gcc 11 for 12: one kernel 48 % slower, the rest up to 11 %): only what that
# hardly explains is called slower.
OTHER_COMPILER = 0.6
# Instructions per patient that are let pass in any case (10 for a block of 4,096 rows): where an operation is a few
# dozen instructions a block, the compiler's choice of registers around it is already a few per cent.
SLACK = 10 / 4096
LEVELS = ("avx2", "baseline")  # valgrind runs no AVX-512

Counts = dict[str, dict[str, float]]  # instruction set → kernel → instructions per patient

# Valgrind reads these requests from instruction sequences that do nothing elsewhere.
_REQUESTS = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void begin(void) { CALLGRIND_ZERO_STATS; CALLGRIND_TOGGLE_COLLECT; }
void end(const char *name) { CALLGRIND_TOGGLE_COLLECT; CALLGRIND_DUMP_STATS_AT(name); }
"""


class CannotCountError(Exception):
    """Why nothing can be counted here, in a sentence for whoever runs the gate."""


# ---- counting --------------------------------------------------------------------------------------------------------


def count(only: Collection[str] = (), cases: str = "counted") -> tuple[Counts, dict[str, str]]:
    """Instructions per patient of the kernels (all of them if none is named), and what they hold for.

    ``cases`` is the module of this folder whose `cases` are counted.

    Raises `CannotCountError` where valgrind or a compiler is missing, or the run under valgrind fails.
    """
    if shutil.which("valgrind") is None:
        raise CannotCountError("valgrind is not installed (on Debian and Ubuntu: apt-get install valgrind)")
    with tempfile.TemporaryDirectory(prefix="popstrat-gate-") as name:
        folder = Path(name)
        command = [
            "valgrind", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--dump-line=no",
            f"--callgrind-out-file={folder / 'counts'}", f"--log-file={folder / 'log'}",
            sys.executable, str(Path(__file__)), "--inside", str(_requests(folder)), "--cases", cases, *only,
        ]  # fmt: skip
        steady = {
            "PYTHONHASHSEED": "0",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            # the C library would fill and copy large memory with one instruction, which counts once for every byte
            "GLIBC_TUNABLES": ":".join(f"glibc.cpu.x86_rep_{way}_threshold=1000000000" for way in ("stosb", "movsb")),
        }
        done = subprocess.run(command, env=os.environ | steady, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise CannotCountError(f"the run under valgrind ended with status {done.returncode}")
        inside: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        totals = _totals(folder)
    counts: Counts = {}
    for level, patients in inside["patients"].items():
        for kernel, n in patients.items():
            less, more = (totals[f"{level}|{kernel}|{which}"] for which in ("less", "more"))
            counts.setdefault(level, {})[kernel] = float(f"{(more - less) / n:.6g}")
    return counts, _holds_for(Path(inside["engine"]))


def _requests(folder: Path) -> Path:
    """The requests to valgrind as a shared library."""
    library = folder / "requests.so"
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, "-shared", "-fPIC", "-O1", "-x", "c", "-", "-o", str(library)]
    try:
        subprocess.run(command, input=_REQUESTS, text=True, check=True, capture_output=True)
    except FileNotFoundError:
        raise CannotCountError("a C compiler is missing (on Debian and Ubuntu: apt-get install gcc)") from None
    except subprocess.CalledProcessError as error:
        raise CannotCountError(f"valgrind's header does not compile: {error.stderr.strip()[:200]}") from None
    return library


def _inside(library: Path, only: Collection[str], cases: str) -> None:
    """Under valgrind: do every case's two pieces of work, each counted under its name. Prints what was counted."""
    import counted

    from popstrat.engine import _engine, levels

    requests = ctypes.CDLL(str(library))
    made: list[tuple[str, str, counted.Case]] = []
    there = [level for level in LEVELS if level in levels()]
    for level in there:
        for name, make in import_module(cases).cases(level, own_choice=level == levels()[-1]):
            if not only or name in only:
                case = make()
                case.less(), case.more()  # whatever happens only once
                made.append((level, name, case))
    unknown = set(only) - {name for _, name, _ in made}
    if unknown:
        sys.exit(f"no kernel is called {', '.join(sorted(unknown))}")
    gc.collect()
    gc.disable()
    requests.start()

    def measure(work: Callable[[], object], label: bytes) -> None:
        requests.begin()
        work()
        requests.end(label)

    patients: dict[str, dict[str, int]] = {level: {} for level in there}
    for level, name, case in made:
        for which, work in (("less", case.less), ("more", case.more)):
            for _ in range(2):  # and the smaller counts: what happens only the first time is no part of the kernel
                measure(work, f"{level}|{name}|{which}".encode())
        patients[level][name] = case.patients
    print(json.dumps({"engine": _engine.__file__, "patients": patients}))


def _totals(folder: Path) -> dict[str, int]:
    """Instructions by label, from valgrind's dumps: the smallest, where a label was counted more than once."""
    found: dict[str, int] = {}
    for path in folder.glob("counts.*"):
        text = path.read_text(encoding="utf-8", errors="replace")
        label = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if label and total:
            found[label[1]] = min(int(total[1]), found.get(label[1], int(total[1])))
    return found


def _holds_for(engine: Path) -> dict[str, str]:
    version = subprocess.run(["valgrind", "--version"], capture_output=True, text=True, check=True).stdout
    return {
        "machine": platform.machine(),
        "compiler": compiler_of(engine),
        "valgrind": version.strip().removeprefix("valgrind-"),
        "date": dt.date.today().isoformat(),
    }


def compiler_of(library: Path) -> str:
    """Which compilers made a library, as they note it there themselves: `gcc 12.2.0`."""
    found = re.findall(rb"(GCC): \([^\0]*?\) (\d[\w.]*)|(clang) version (\d[\w.]*)", library.read_bytes())
    names = {b" ".join(part for part in match if part).decode().lower() for match in found}
    return ", ".join(sorted(names)) or "unknown"


# ---- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A kernel whose figure is not the baseline's; None where one of the two has no figure."""

    level: str
    kernel: str
    old: float | None
    new: float | None

    @property
    def fails(self) -> bool:
        return self.old is None or self.new is None or self.new > self.old

    def __str__(self) -> str:
        name = f"{self.kernel} ({self.level})"
        if self.old is None:
            return f"not in the baseline: {name}, {self.new:.4g} instructions per patient"
        if self.new is None:
            return f"in the baseline only: {name}, {self.old:.4g} instructions per patient"
        word = "SLOWER" if self.fails else "faster"
        change = f"{(self.new / self.old - 1) * 100:+.1f}%" if self.old else ""
        return f"{word}: {name}, {self.old:.4g} → {self.new:.4g} instructions per patient, {change}"


def compare(
    old: Mapping[str, Mapping[str, float]],
    new: Mapping[str, Mapping[str, float]],
    tolerance: float = TOLERANCE,
    only: Collection[str] = (),
) -> list[Change]:
    """Kernels that differ by more than the tolerance, on the instruction sets that both have.

    What the engine runs on its own choice of instruction set is compared only where that was the choice both times.
    """
    changes = []
    known = {kernel for kernels in old.values() for kernel in kernels}
    for level in [level for level in old if level in new]:
        before = {kernel: n for kernel, n in old[level].items() if not only or kernel in only}
        for kernel in [*before, *(k for k in new[level] if k not in before)]:
            a, b = before.get(kernel), new[level].get(kernel)
            if a is None and kernel in known:
                continue
            if a is None or b is None or abs(b - a) > tolerance * a + SLACK:
                changes.append(Change(level, kernel, a, b))
    return changes


def check(baseline: Path, counts: Counts, holds_for: Mapping[str, str], only: Collection[str] = ()) -> int:
    """Say what has changed since the baseline; the exit status."""
    if not baseline.exists():
        raise CannotCountError(f"there is no {baseline}; write one with: {UPDATE}")
    kept = json.loads(baseline.read_text(encoding="utf-8"))
    if kept["machine"] != holds_for["machine"]:
        print(f"Not compared: the baseline was counted on {kept['machine']}, this is {holds_for['machine']}.")
        return 0
    tolerance = TOLERANCE
    if kept["compiler"] != holds_for["compiler"]:
        tolerance = OTHER_COMPILER
        print(
            f"The baseline is of {kept['compiler']}, this engine of {holds_for['compiler']}: only differences of "
            f"more than {tolerance * 100:.0f}% count. To see what a change did, count before and after it here."
        )
    for level in [level for level in kept["instructions"] if level not in counts]:
        print(f"Not compared: {level}, which this processor (or valgrind on it) does not run.")
    changes = compare(kept["instructions"], counts, tolerance, only)
    for change in sorted(changes, key=lambda change: not change.fails):
        print(change)
    failed = any(change.fails for change in changes)
    if changes:
        print(f"If that is meant, write the new figures with `{UPDATE}` and commit them with the reason.")
    within = sum(map(len, counts.values())) - sum(change.new is not None for change in changes)
    print(f"{within} of {sum(map(len, counts.values()))} counts are within {tolerance * 100:.0f}% of {baseline.name}.")
    return 1 if failed else 0


def write(baseline: Path, counts: Counts, holds_for: Mapping[str, str]) -> None:
    """Write the baseline: what it holds for, then a line for each kernel."""
    content = {"unit": "instructions per patient", **holds_for, "instructions": counts}
    baseline.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="compare with the baseline")
    what.add_argument("--update", action="store_true", help="write the baseline")
    what.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--cases", default="counted", help=argparse.SUPPRESS)
    parser.add_argument("--baseline", type=Path, default=BASELINE, metavar="JSON", help="another baseline")
    parser.add_argument("--only", action="append", default=[], metavar="KERNEL", help="this kernel alone")
    parser.add_argument("kernels", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        _inside(given.inside, given.kernels, given.cases)
        return 0
    if given.update and given.only and given.baseline == BASELINE:
        parser.error("the baseline is written whole: leave out --only")
    try:
        counts, holds_for = count(given.only)
        if given.check:
            return check(given.baseline, counts, holds_for, given.only)
    except CannotCountError as problem:
        print(f"Nothing was counted: {problem}", file=sys.stderr)
        return 2
    if given.update:
        write(given.baseline, counts, holds_for)
    for level, kernels in counts.items():
        for kernel, n in kernels.items():
            print(f"{level:9} {kernel:42} {n:12.5g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
