"""Where the time of scoring goes: what each operation of a program takes, by doing it several times more.

    python benchmarks/where.py [--patients 2000000] [--level avx2] [--pack FILE] [--write docs/performance.md]

An operation reads and writes registers of its own, so doing it again changes nothing: a program that ends with many
copies of it, less one with half as many, is its time on operands that are in the cache. What memory adds shows in the
time of the whole program on a list that no cache holds. One thread.
"""

from __future__ import annotations

import argparse
import copy
import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from report import write

import popstrat
from popstrat import synthetic
from popstrat.engine import BLOCK, OPERATIONS, Program, levels
from popstrat.scoring.bound import BoundScorer

AS_OF = dt.date(2026, 6, 30)
ROWS = 4 * BLOCK  # of what is timed operation by operation: with all columns and outputs, in the caches
COPIES, PLANE_COPIES = 16, 256  # of an operation; on bit planes alone it takes a few dozen instructions a block
TURNS = 60
LOGIC = ("AND", "ANDNOT", "OR", "NOT", "XOR", "ANY", "FOLD", "FULLADD", "HALFADD", "ZERO", "ONES", "COUNT")
KINDS = {
    "reading columns: plausible or not": ("CHECK_", "VALID", "LESS_I16", "LESS_I32", "NEWEST"),
    "reading columns: flags, labels, ages": ("FLAG", "BITS", "CODES_", "YEARS", "SHORT_", "F64_"),
    "comparing with limits": ("RANGE_", "APART_", "LESS_NUM", "EQUAL_NUM", "FINITE"),
    "logic and counting on bit planes": LOGIC,
    "linear predictor": ("WEIGH", "MASKED_ADD", "ADD_SCALED", "SCALED"),
    "exponentials and the chains around them": ("CHAIN", "EXP", "LN", "POW"),
    "writing": ("OUT_",),
}


@dataclass
class Found:
    """Nanoseconds a patient: of each operation, and of the whole program in the cache and from memory."""

    names: list[str]
    each: list[float]
    cached: float
    whole: float


def measure(patients: int, level: str | None, pack: str) -> Found:
    """What every operation of a pack's program takes."""
    batch = synthetic.table(patients, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]
    bound = popstrat.Scorer(pack, AS_OF).bind(batch.schema, counted=False)  # as `popstrat.score` does
    program, few = bound.compiled.program, batch.slice(0, ROWS)
    names = {operation.code: name for name, operation in OPERATIONS.items()}
    found = Found([names[code] for code in program.code[:, 0].tolist()], [], 0.0, 0.0)
    for i, name in enumerate(found.names):
        copies = PLANE_COPIES if set(OPERATIONS[name][1]) <= set("Bblv") else COPIES
        less, more = (_runner(bound, few, level, _ending(program, i, n)) for n in (copies, 2 * copies))
        taken = _fastest([less, more], TURNS)
        found.each.append(max(0.0, taken[1] - taken[0]) / copies / ROWS)
    found.cached = _fastest([_runner(bound, few, level, program)], TURNS)[0] / ROWS
    found.whole = _fastest([_runner(bound, batch, level, program)], 15)[0] / patients
    return found


def _ending(program: Program, i: int, copies: int) -> Program:
    """The program up to an operation, and that several times."""
    code = np.concatenate([program.code[:i], np.repeat(program.code[i : i + 1], copies, axis=0)])
    return Program(
        code,
        program.arguments,
        program.integers,
        program.doubles,
        program.column_kinds,
        program.output_kinds,
        program.planes,
        program.bytes,
        program.shorts,
        program.numbers,
        program.counters,
    )


def _runner(bound: BoundScorer, batch: pa.RecordBatch, level: str | None, program: Program) -> Callable[[], object]:
    """What runs a program in place of the scorer's own."""
    bound = copy.copy(bound)
    bound.compiled = replace(bound.compiled, program=program)
    frame = bound.start(batch).frame
    return lambda: frame.run(0, batch.num_rows, level)


def _fastest(runs: Sequence[Callable[[], object]], turns: int) -> list[float]:
    """The least nanoseconds of the processor that each takes, in turn."""
    taken: list[list[int]] = [[] for _ in runs]
    for _ in range(turns):
        for run, kept in zip(runs, taken, strict=True):
            begin = time.thread_time_ns()
            run()
            kept.append(time.thread_time_ns() - begin)
    return [float(min(kept)) for kept in taken]


def table(found: Found, patients: int, level: str | None, pack: str) -> str:
    """Nanoseconds a patient, by kind of work and then by operation."""
    each: dict[str, list[float]] = defaultdict(list)
    for name, taken in zip(found.names, found.each, strict=True):
        each[name].append(taken)
    total = sum(found.each)
    kinds: dict[str, float] = defaultdict(float)
    for name, taken in each.items():
        kinds[_kind(name)] += sum(taken)
    lines = ["| | ns a patient | share |", "|---|--:|--:|"]
    lines += [f"| {kind} | {t:.2f} | {t / total:.0%} |" for kind, t in sorted(kinds.items(), key=lambda i: -i[1])]
    lines += [
        f"| all {len(found.names)} operations, one by one | {total:.1f} | |",
        f"| the whole program, {ROWS:,} patients in the caches | {found.cached:.1f} | |",
        f"| the whole program, {patients:,} patients from memory | {found.whole:.1f} | |",
        "",
    ]
    lines += ["| operation | how many | ns a patient |", "|---|--:|--:|"]
    dearest = sorted(each.items(), key=lambda item: -sum(item[1]))[:15]
    lines += [f"| `{name}` | {len(taken)} | {sum(taken):.2f} |" for name, taken in dearest]
    note = (
        f"`{Path(pack).stem}`, {level or levels()[-1]}, one thread. An operation is timed by adding copies of it to "
        "the end of the program; its operands are in the caches."
    )
    return "\n".join([*lines, "", note])


def _kind(name: str) -> str:
    for kind, starts in KINDS.items():
        if any(name == s or (s.endswith("_") and name.startswith(s)) or name.startswith(f"{s}_") for s in starts):
            return kind
    return "other arithmetic"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--patients", type=int, default=2_000_000)
    parser.add_argument("--level", help="an instruction set, such as avx2; the best by default")
    parser.add_argument("--pack", default="london-2026", help="another pack, by name or file")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page with the markers `where`")
    given = parser.parse_args(arguments)
    text = table(measure(given.patients, given.level, given.pack), given.patients, given.level, given.pack)
    if given.write:
        write(given.write, {"where": text})
    else:
        print(text)


if __name__ == "__main__":
    main()
