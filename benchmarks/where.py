"""Where the time of scoring goes: the cycles of each operation, from an engine that reads the clock around each one.

    python benchmarks/where.py [--patients 2500000] [--level avx2] [--pack FILE] [--write docs/performance.md]

x86-64 only: cycles are those of the time-stamp counter, which ticks at the processor's nominal speed. One thread.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rebuilt import package
from report import write

KEEP = """    {
        FILE *kept = fopen(getenv("POPSTRAT_TICKS"), "wb");
        fwrite(popstrat_ticks, sizeof popstrat_ticks[0], sizeof popstrat_ticks / sizeof popstrat_ticks[0], kept);
        fclose(kept);
        memset(popstrat_ticks, 0, sizeof popstrat_ticks);
    }
"""
AS_OF = dt.date(2026, 6, 30)
MOST_INSTRUCTIONS, MOST_BLOCKS = 2048, 4096
LOGIC = ("AND", "ANDNOT", "OR", "NOT", "XOR", "ANY", "FOLD", "FULLADD", "HALFADD", "ZERO", "ONES", "COUNT")
KINDS = {
    "reading columns: plausible or not": ("CHECK_", "VALID", "LESS_I32", "NEWEST"),
    "reading columns: flags, labels, ages": ("FLAG", "BITS", "CODES_", "YEARS", "SHORT_", "F64_"),
    "comparing with limits": ("RANGE_", "APART_", "LESS_NUM", "EQUAL_NUM", "FINITE"),
    "logic and counting on bit planes": LOGIC,
    "linear predictor": ("WEIGH", "MASKED_ADD", "ADD_SCALED", "SCALED"),
    "exponentials, and what is chained to them": ("CHAIN", "EXP", "LN", "POW"),
    "writing": ("OUT_",),
}


def with_clocks(engine: Path) -> None:
    """Add up, for each block and operation, the ticks it took; kept in a file when a run ends."""
    edits = {
        "kernels.h": [
            ("        switch ((enum popstrat_op)at[0]) {", "        const uint64_t ticks = __rdtsc();\n", True),
            (
                "        case OP_END: break;\n        }\n",
                f"        popstrat_ticks[start / BLOCK * {MOST_INSTRUCTIONS} + i] += (uint32_t)(__rdtsc() - ticks);\n",
                False,
            ),
        ],
        "interpreter.h": [
            (
                '#include "ops.h"\n',
                f"#include <stdio.h>\nstatic uint32_t popstrat_ticks[{MOST_INSTRUCTIONS} * {MOST_BLOCKS}];\n",
                False,
            ),
            (
                "row += BLOCK) block(run, row, stop - row < BLOCK ? stop - row : BLOCK);\n",
                KEEP,
                False,
            ),
        ],
    }
    for name, changes in edits.items():
        text = (engine / name).read_text(encoding="utf-8")
        for mark, code, before in changes:
            assert text.count(mark) == 1, f"{name} no longer holds {mark!r} once"
            text = text.replace(mark, code + mark if before else mark + code)
        (engine / name).write_text(text, encoding="utf-8")


def measure(patients: int, level: str | None, pack: str) -> dict[str, Any]:
    """In the process that has the engine with clocks: name of each operation, and its cycles a patient."""
    import numpy as np

    import popstrat
    from popstrat import synthetic
    from popstrat.engine import BLOCK, levels

    batch = synthetic.table(patients, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]
    bound = popstrat.Scorer(pack, AS_OF).bind(batch.schema, counted=False)  # as `popstrat.score` does
    names = [line.split()[0] for line in bound.compiled.program.listing().split("\n")]
    started = bound.start(batch)
    runs = []
    for _ in range(7):
        started.frame.run(0, patients, level)
        ticks = np.fromfile(os.environ["POPSTRAT_TICKS"], np.uint32).reshape(-1, MOST_INSTRUCTIONS)
        whole = ticks[: patients // BLOCK, : len(names)]
        middle = np.sort(whole, axis=0)[len(whole) // 50 : -max(1, len(whole) // 50)]  # without what interrupted it
        runs.append(middle.mean(axis=0) / BLOCK)
    return {"names": names, "cycles": np.min(runs, axis=0).tolist(), "level": level or levels()[-1]}


def table(found: dict[str, Any], patients: int, pack: str) -> str:
    """Cycles a patient, by kind of work and then by operation."""
    each: dict[str, list[float]] = defaultdict(list)
    for name, cycles in zip(found["names"], found["cycles"], strict=True):
        each[name].append(cycles)
    total = sum(map(sum, each.values()))
    kinds: dict[str, float] = defaultdict(float)
    for name, cycles in each.items():
        kinds[_kind(name)] += sum(cycles)
    lines = ["| | cycles a patient | share |", "|---|--:|--:|"]
    lines += [f"| {kind} | {c:.2f} | {c / total:.0%} |" for kind, c in sorted(kinds.items(), key=lambda i: -i[1])]
    lines += [f"| all {len(found['names'])} operations | {total:.1f} | |", ""]
    lines += ["| operation | how many | cycles a patient |", "|---|--:|--:|"]
    dearest = sorted(each.items(), key=lambda item: -sum(item[1]))[:15]
    lines += [f"| `{name}` | {len(cycles)} | {sum(cycles):.2f} |" for name, cycles in dearest]
    note = (
        f"`{Path(pack).stem}`, {patients:,} patients, {found['level']}, one thread; cycles of the time-stamp counter "
        "between the clock's readings before and after each operation (what fetches the next block is not among them)."
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
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.measure:
        print(json.dumps(measure(given.patients, given.level, given.pack)))
        return
    with tempfile.TemporaryDirectory() as folder:
        built = package(Path(folder), edit=with_clocks)
        again = [sys.executable, __file__, "--measure", "--patients", str(given.patients), "--pack", given.pack]
        environment = dict(os.environ) | {"PYTHONPATH": str(built), "POPSTRAT_TICKS": str(Path(folder) / "ticks")}
        done = subprocess.run(
            [*again, *(["--level", given.level] if given.level else [])],
            env=environment, check=False, capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        text = table(json.loads(done.stdout), given.patients, given.pack)
    if given.write:
        write(given.write, {"where": text})
    else:
        print(text)


if __name__ == "__main__":
    main()
