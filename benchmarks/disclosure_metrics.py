"""The attack on figures by area: the exact bounds of withheld counts, over all tables of a release together.

    python benchmarks/disclosure_metrics.py LIST [--metrics NAME…] [--sample N] [--as-of DATE] [--labels]

LIST is a patient table (``popstrat synth``). Printed: how long control took, what protecting others costs by level and
group, and of a sample of the withheld counts how many can be bounded closer than they should. ``--labels``: of counts
of labels of one column (`popstrat.metrics.together`), with all that these say together, which control looks at cell by
cell alone.
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
from popstrat.metrics.together import Family
from popstrat.privacy.disclosure import WIDTH, tables
from popstrat.privacy.disclosure.audit import widths as bounds
from popstrat.privacy.disclosure.audit import widths_of_tables
from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.tables import Why
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


def with_labels(
    problem: Problem, figures: Figures, families: list[Family], rows: dict[int, Any], layout: Any, counts: Any, why: Any
) -> tuple[Problem, Any]:
    """What is known with the sums of labels as well, and which withheld counts are of labels. ``rows`` has the figure
    of each cell of a metric. What the labels of a family leave of its denominator is a count that nobody is told."""
    table = {one.tobytes(): number for number, one in enumerate(counts)}
    by_metric = {}
    for number, of in rows.items():
        both = (np.where(of < 0, 0, values[of]) for values in (figures.numerator, figures.denominator))
        by_metric[number] = [table[values.tobytes()] for values in both]
    relations, left, of_labels = list(problem.relations), list[float](), set[int]()
    size, cells = len(problem.x), len(layout)
    for family in families:
        pairs = [by_metric[metrics[0]] for metrics in family.labels if metrics[0] in by_metric]
        if len(pairs) < len(family.labels):
            continue
        labels, whole = [label for label, _ in pairs], pairs[0][1]
        for cell in range(cells):
            rest = [] if family.whole else [size + len(left)]
            left += [] if family.whole else [float(counts[whole][cell] - counts[labels, cell].sum())]
            relations.append((whole * cells + cell, (*(label * cells + cell for label in labels), *rest)))
        of_labels |= {int(label * cells + cell) for label in labels for cell in np.flatnonzero(why[label] != Why.SHOWN)}
    none, nothing = np.zeros(len(left), np.bool_), np.zeros(len(left))
    known = Problem(
        np.append(problem.x, left), np.append(problem.low, nothing), np.append(problem.high, nothing + np.inf),
        np.append(problem.guarded, none), np.append(problem.movable, none), np.append(problem.costs, nothing),
        relations, problem.rests, problem.smallest,
    )  # fmt: skip
    return known, np.array(sorted(of_labels), np.int64)


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("list")
    ask.add_argument("--metrics", nargs="+")
    ask.add_argument("--sample", type=int, default=200, help="withheld counts bounded exactly")
    ask.add_argument("--as-of", default="2026-06-30")
    ask.add_argument("--labels", action="store_true", help="what labels of one column say together as well")
    given = ask.parse_args()
    figures = figures_of(given.list, given.as_of, given.metrics)
    kept: list[tuple[Any, ...]] = []
    families: list[Family] = []
    rows_of: list[dict[int, Any]] = []
    real, real_families, of_metrics = tables.withheld, control.families, control._control_metrics

    def families_of(*of: Any) -> list[Family]:
        families.extend(real_families(*of))
        return families

    def metrics_of(figures: Figures, numbers: Any, cells: Any, rows: Any, *rest: Any) -> None:
        rows_of.append(dict(zip(numbers, rows, strict=True)))
        of_metrics(figures, numbers, cells, rows, *rest)

    control.families, control._control_metrics = families_of, metrics_of  # type: ignore[assignment]

    def withheld(layout: Any, counts: Any, parts: Any, **rest: Any) -> Any:
        found = real(layout, counts, parts, **rest)
        kept.append((layout, counts, parts, found, rest["nobody"]))
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
    for (layout, counts, parts, why, nobody), rows in zip(kept, rows_of, strict=True):
        problem = tables.published(layout, counts, parts, why, nobody)
        of = np.full(len(problem.x), -1, np.int64)
        of[: counts.size] = np.arange(counts.size) // len(layout)
        if given.labels:
            problem, guarded = with_labels(problem, figures, families, rows, layout, counts, why)
            of = np.append(of, np.full(len(problem.x) - len(of), -1))
        else:
            guarded = np.flatnonzero(problem.guarded)
        some = np.random.default_rng(0).choice(guarded, min(given.sample, len(guarded)), replace=False)
        widths = (
            {cell: (width, 4) for cell, width in bounds(problem, some).items()}
            if given.labels
            else widths_of_tables(problem, of, parts, some)
        )
        short = sum(width < WIDTH - 1e-6 for width, _ in widths.values())
        least = min((width for width, _ in widths.values()), default=np.inf)
        stages = dict(sorted(Counter(stage for _, stage in widths.values()).items()))
        print(
            f"{len(counts)} tables of {len(layout):,} counts, {len(parts)} parts: {len(guarded):,} counts and small "
            f"rests withheld, {len(widths):,} bounded: {short} under {WIDTH}, least {least:.2f} (by stage {stages})"
        )


if __name__ == "__main__":
    main()
