"""The run record of a table in memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import pyarrow as pa

from popstrat.packs.keys import notes
from popstrat.runs.doubts import doubts, filled, leavers
from popstrat.runs.record import Record, assemble
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.completeness import Earlier, Facts
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally


def memory_record(
    scorer: Scorer,
    bound: BoundScorer,
    tally: Tally,
    facts: Facts,
    first_ids: pa.Array,
    earlier: Earlier | None,
    *,
    converted: Collection[str],
    started: dt.datetime,
    threads: int,
    command: str = "popstrat.score",
) -> Record:
    """The run record of `popstrat.score`; as that of a file run, without files."""
    total = (dt.datetime.now(dt.UTC) - started).total_seconds()
    return assemble(
        scorer,
        tally,
        command=command,
        notices=[*bound.notices, *notes(tally.respelt), *leavers(bound.ignored)],
        warnings=doubts(scorer, tally, [facts], first_ids, earlier, converted),
        ignored=bound.ignored,
        started=started,
        seconds={"total": total},
        threads=threads,
        **filled([facts]),
    )
