"""What each optional pass of the compiler saves: instructions and time of london-2026 without it.

    python benchmarks/passes.py [--write docs/design.md]

Instructions are counted as the performance gate counts them (instructions.py, with valgrind), on the instruction set
that the engine chooses there. The time is one thread's on the engine's own choice, all programs in turn in one process,
as the median of what each takes over what the whole program takes in the same turn: 2 % either way are noise.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
from counted import AS_OF, ROWS, Case, Make, by_rows
from instructions import CannotCountError, count
from report import write

import popstrat
from popstrat import synthetic
from popstrat.compiler import OPTIMISED, PLAIN, Options
from popstrat.compiler.options import NAMES
from popstrat.engine import levels
from popstrat.scoring.bound import BoundScorer

PATIENTS, TURNS = 1_000_000, 25
CHOICES: dict[str, Options] = {
    "all passes": OPTIMISED,
    **{f"without `{name}`": OPTIMISED.without(name) for name in NAMES},
    "none of them": PLAIN,
}


def cases(level: str, own_choice: bool) -> Iterator[tuple[str, Make]]:
    """The London pack, compiled with each choice of passes."""
    if own_choice:
        for name, options in CHOICES.items():
            yield name, partial(_pack, options)


@cache
def _list() -> pa.RecordBatch:
    return synthetic.table(2 * ROWS, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]


@cache
def _bound(options: Options) -> BoundScorer:
    return BoundScorer(popstrat.Scorer(as_of=AS_OF), _list().schema, counted=False, options=options)


def _pack(options: Options) -> Case:
    bound, batch = _bound(options), _list()
    return by_rows(lambda rows: bound.score(batch.slice(0, rows)))


def _times() -> dict[str, float]:
    """How long each program takes, as a multiple of what the one with all passes takes."""
    batch = synthetic.table(PATIENTS, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]
    started = {name: _bound(options).start(batch) for name, options in CHOICES.items()}
    taken: dict[str, list[float]] = {name: [] for name in CHOICES}
    for _ in range(TURNS):
        for name, one in started.items():
            begin = time.thread_time()
            one.frame.run(0, PATIENTS)
            taken[name].append(time.thread_time() - begin)
    whole = taken["all passes"]
    return {name: statistics.median(a / b for a, b in zip(taken[name], whole, strict=True)) for name in CHOICES}


def table() -> str:
    """One line for each choice. Raises `CannotCountError`."""
    counts, holds_for = count(cases="passes")
    level, found = next(iter(counts.items()))
    times, whole = _times(), found["all passes"]
    lines = ["| | operations | instructions a patient | | time |", "|---|--:|--:|--:|--:|"]
    for name, options in CHOICES.items():
        more = ["", ""] if options is OPTIMISED else [f"{found[name] / whole - 1:+.1%}", f"{times[name] - 1:+.0%}"]
        size = len(_bound(options).compiled.program.code)
        lines.append(f"| {name} | {size} | {found[name]:.0f} | {' | '.join(more)} |")
    note = (
        f"`london-2026` in memory, without counts, {holds_for['date']}. Instructions: {level}, "
        f"{holds_for['compiler']}; time: {levels()[-1]}, {PATIENTS:,} patients, one thread, median of {TURNS} turns."
    )
    return "\n".join([*lines, "", note])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="PAGE", help="a page with the markers `passes`")
    given = parser.parse_args(arguments)
    try:
        text = table()
    except CannotCountError as problem:
        print(f"Nothing was counted: {problem}", file=sys.stderr)
        return 2
    if given.write:
        write(given.write, {"passes": text})
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
