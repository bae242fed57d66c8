"""The library in one script, typed: it runs, and mypy --strict and pyright find nothing in it."""

from __future__ import annotations

import datetime as dt
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

import popstrat
from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
people: pa.Table = synthetic.table(2_000, seed=1, as_of=AS_OF)

# A whole list, with the record of the run or without.
scored: pa.Table = popstrat.score(people, AS_OF)
both: tuple[pa.Table, dict[str, Any]] = popstrat.score(people, "2026-06-30", record=True)
record: dict[str, Any] = both[1]


def score_with(asked: bool) -> pa.Table | tuple[pa.Table, dict[str, Any]]:
    """Where only running tells whether the record is wanted."""
    return popstrat.score(people, AS_OF, record=asked)


# Batch by batch, in threads and processes of another system.
scorer: popstrat.Scorer = pickle.loads(pickle.dumps(popstrat.Scorer("london-2026", AS_OF, contributions=2)))
batches: Iterator[pa.RecordBatch] = scorer.score_batches(people.to_batches())
rows: int = sum(batch.num_rows for batch in batches)
names: list[str] = scorer.output_schema.names

# A map, as `--map` takes it.
renamed = people.rename_columns({"patient_id": "person"})
mapped: pa.Table = popstrat.score(renamed, AS_OF, mapping={"columns": {"patient_id": "person"}})

# What is wrong, and what is doubtful.
fault: str | None = None
try:
    popstrat.score(people.drop_columns(["sex"]), AS_OF)
except popstrat.InputError as error:
    fault = error.column
place: tuple[str | None, int | None] = (None, None)
try:
    popstrat.load_pack("nowhere.toml")
except popstrat.PackError as error:
    place = (error.file, error.line)
with warnings.catch_warnings():
    warnings.simplefilter("error", popstrat.PopstratWarning)
    terms: pa.Table = popstrat.contributions(people, AS_OF, model="admission_risk")

assert scored.num_rows == record["rows"]["out"] == rows == mapped.num_rows == terms.num_rows == 2_000
assert fault == "sex"
assert place == ("nowhere.toml", None)
assert isinstance(score_with(False), pa.Table)
