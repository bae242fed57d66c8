"""Sentences say what rules and record say: by the engine for many as by the evaluator for one, in every pack."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from popstrat import synthetic
from popstrat.packs.evaluator import Reference
from popstrat.packs.reading import list_packs
from popstrat.reasons.one import BETWEEN
from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
ROWS = 300
PACKS = [p["id"] for p in list_packs()]


def people(seed: int) -> pa.RecordBatch:
    """Synthetic people, of whom columns were shuffled so that what seldom goes together does."""
    table = synthetic.table(ROWS, seed=seed, as_of=AS_OF, dirty=True).combine_chunks()
    chance = np.random.default_rng(seed)
    keep = {"patient_id", "practice_code", "date_of_birth", "sex"}
    for i, name in enumerate(table.schema.names):
        if name not in keep and chance.random() < 0.6:
            column = table.column(i).combine_chunks()
            some = np.arange(ROWS)
            mixed = chance.random(ROWS) < 0.5
            some[mixed] = chance.permutation(some[mixed])
            table = table.set_column(i, table.schema.field(i), column.take(pa.array(some)))
    return table.combine_chunks().to_batches()[0]


def by_the_evaluator(sentences: Sentences, scorer: Scorer, batch: pa.RecordBatch) -> list[dict[str, str | None]]:
    there = [name for name in batch.schema.names if name in scorer.pack.schema]
    singles = {f.name for f in batch.schema if pa.types.is_float32(f.type)}
    reference = Reference(scorer.resolved, set(there), singles)
    found = []
    for row in batch.select(there).to_pylist():
        told = sentences.of_patient(reference, reference.patient(row))
        groups = {g: [t.text for t in told if t.under == g] for g in COLUMNS}
        found.append({g: BETWEEN.join(texts) if texts else None for g, texts in groups.items()})
    return found


@pytest.mark.parametrize("pack", PACKS)
def test_many_are_told_of_as_one_is(pack: str) -> None:
    scorer = Scorer(pack, AS_OF)
    sentences = Sentences(scorer)
    batch = people(len(pack))
    assert sentences.of_batch(batch).to_pylist() == by_the_evaluator(sentences, scorer, batch)
