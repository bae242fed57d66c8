"""The attack on figures by area: the exact bounds of withheld counts, over all tables of a release together.

    python benchmarks/disclosure_metrics.py LIST [--metrics NAME…] [--sample N] [--as-of DATE] [--labels]

LIST is a patient table (``popstrat synth``). Printed: how long control took, what protecting others costs by level and
group, and of a sample of the withheld counts how many can be bounded closer than they should, by what all tables say
together, labels of one column among them (`popstrat.metrics.together`). ``--labels``: of counts of such labels alone.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from popstrat.metrics import control
from popstrat.metrics.figures import Figures
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.request import DEFAULT_PACK, Request
from popstrat.privacy.disclosure import WIDTH, tables
from popstrat.privacy.disclosure.audit import widths_of_tables
from popstrat.runs.in_memory import score_table


def figures_of(path: str, as_of: str, only: list[str] | None) -> Figures:
    """The exact figures of a list."""
    request = Request(only=tuple(only) if only else None)
    scorer = request.scorer(DEFAULT_PACK, as_of, "direct-care")
    people = PeopleCount(request, scorer, 2)
    scored = score_table(pq.read_table(path), scorer, threads=2, counted=False, mapping=None)
    while scored.batches:
        people.add(scored.batches.pop(0))
    return control.merged(people.figures()[0])


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("list")
    ask.add_argument("--metrics", nargs="+")
    ask.add_argument("--sample", type=int, default=200, help="withheld counts bounded exactly")
    ask.add_argument("--as-of", default="2026-06-30")
    ask.add_argument("--labels", action="store_true", help="of labels of one column alone")
    given = ask.parse_args()
    figures = figures_of(given.list, given.as_of, given.metrics)
    kept: list[tuple[Any, ...]] = []
    real = tables.withheld

    def withheld(layout: Any, counts: Any, parts: Any, **rest: Any) -> Any:
        found = real(layout, counts, parts, **rest)
        kept.append((layout, counts, parts, found, rest["nobody"], rest["apart"]))
        return found

    control.withheld = withheld  # type: ignore[assignment]
    start, used = time.perf_counter(), time.process_time()
    found = control.control(figures, threads=2)
    count = sum(metric.reason is None for metric in figures.metrics)
    print(
        f"{count} metrics, {len(figures):,} figures: {time.perf_counter() - start:.1f} s by the clock, "
        f"{time.process_time() - used:.1f} s of a processor"
    )
    for row in control.cost(figures, found):
        share = "" if row["share"] is None else f"{100 * row['share']:.1f}%"
        print(f"{row['level']:14} {row['group_by']:14} {row['over_7']:8,} {row['withheld']:8,} {share:>8}")
    for layout, counts, parts, why, nobody, apart in kept:
        problem = tables.published(layout, counts, parts, why, nobody, apart)
        of = np.full(len(problem.x), -1, np.int64)
        of[: counts.size] = np.arange(counts.size) // len(layout)
        labels = sorted({label for _, some in apart for label in some})
        guarded = np.flatnonzero(problem.guarded & np.isin(of, labels) if given.labels else problem.guarded)
        some = np.random.default_rng(0).choice(guarded, min(given.sample, len(guarded)), replace=False)
        beside = [(one, other) for _, own in apart for one in own for other in own]
        widths = widths_of_tables(problem, of, [*parts, *beside], some)
        short = sum(width < WIDTH - 1e-6 for width, _ in widths.values())
        least = min((width for width, _ in widths.values()), default=np.inf)
        stages = dict(sorted(Counter(stage for _, stage in widths.values()).items()))
        print(
            f"{len(counts)} tables of {len(layout):,} counts, {len(parts)} parts, {len(apart)} columns of labels: "
            f"{len(guarded):,} counts {'of labels' if given.labels else 'and small rests'} withheld, "
            f"{len(widths):,} bounded: {short} under {WIDTH}, least {least:.2f} (by stage {stages})"
        )


if __name__ == "__main__":
    main()
