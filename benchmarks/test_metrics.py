"""Figures by area in memory, scoring included on both sides, against Polars; what counting adds to scoring; and the
whole command with disclosure control, which no other program does."""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import peer_metrics
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measuring import CORES, Versus, popstrat, process

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


def test_command(
    make_list: Callable[[int, str], Path], patients: int, smoke: bool, as_of: dt.date, versus: Versus, tmp_path: Path
) -> None:
    """From a Parquet file to figures under disclosure control, with the same metrics: seconds, and the most memory."""
    source, target = make_list(patients, ".parquet"), tmp_path / "figures.parquet"
    names = list(peer_metrics.metrics(as_of))
    only = [part for name in names for part in ("--metric", name)]
    command = [*popstrat(), "metrics", str(source), "-o", str(target), "--as-of", str(as_of), "--pack", PACK, "--quiet"]

    def measure() -> None:
        spent = [process([*command, *only]) for _ in range(1 if smoke else 3)]
        record = json.loads(target.with_name(f"{target.name}.run.json").read_text(encoding="utf-8"))
        assert record["disclosure_control"] is True
        found = pq.read_table(target, columns=["metric", "suppressed"])
        assert set(names) <= set(found["metric"].to_pylist())
        assert any(found["suppressed"].to_pylist())
        versus.note("metrics-command", statistics.median(one.seconds for one in spent), patients)
        versus.note("metrics-memory", max(one.memory for one in spent) / 1e6, patients)

    versus.once(measure)
