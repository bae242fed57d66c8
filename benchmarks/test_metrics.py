"""Figures by area in memory, scoring included on both sides, against Polars; and what counting adds to scoring."""

from __future__ import annotations

import datetime as dt
from functools import partial

import peer_metrics
import pyarrow as pa
import pytest
from measuring import CORES, Versus

from popstrat.metrics.counting import Counted, Counter, besides, plan
from popstrat.metrics.figures import Figures
from popstrat.metrics.gather import figures, wanted
from popstrat.scoring.bound import BoundScorer, Together
from popstrat.scoring.scorer import Scorer

PACK = "neighbourhood-2026"


class Forty:
    """Forty metrics by the usual groups."""

    def __init__(self, table: pa.Table, as_of: dt.date) -> None:
        self.table, self.wanted = table, wanted(None, None)
        named = tuple(dict.fromkeys(name for some in self.wanted.values() for name in some))
        only = tuple(peer_metrics.metrics(as_of))
        self.scorer = Scorer(PACK, as_of, besides=partial(besides, groupings=named, only=only))
        self.plan = plan(self.scorer.resolved, named, only)
        self.bound = self.scorer.bind(table.schema, counted=False)
        self.alone = Scorer(PACK, as_of).bind(table.schema, counted=False)

    def scored(self, bound: BoundScorer) -> list[pa.RecordBatch]:
        with Together(CORES) as together:
            for batch in self.table.to_batches():
                together.add(bound.start(batch))
        return together.finished()[0]

    def counted(self, batches: list[pa.RecordBatch]) -> Counted:
        counter = Counter(self.plan, CORES)
        for batch in batches:
            counter.add(batch)
        return counter.finish()

    def figures(self) -> Figures:
        return figures(self.plan, self.counted(self.scored(self.bound)), self.wanted)


@pytest.fixture(scope="module")
def forty(table: pa.Table, as_of: dt.date) -> Forty:
    return Forty(table, as_of)


def test_against_polars(forty: Forty, table: pa.Table, as_of: dt.date, versus: Versus) -> None:
    """From the list to every cell of every level and group."""
    prepared = peer_metrics.prepare(table)
    versus(
        "figures by area, forty metrics",
        forty.figures,
        patients=len(table),
        threads=CORES,
        peer=("Polars", lambda: peer_metrics.figures(peer_metrics.cells(prepared, as_of))),
        faster="metrics-polars",
    )


def test_against_scoring(forty: Forty, table: pa.Table, versus: Versus) -> None:
    """What counting takes, beside the scoring that it follows."""
    batches = forty.scored(forty.bound)
    versus(
        "count forty metrics of a scored list",
        lambda: forty.counted(batches),
        patients=len(table),
        threads=CORES,
        peer=("scoring it", lambda: forty.scored(forty.alone)),
        faster="metrics-scoring",
    )
