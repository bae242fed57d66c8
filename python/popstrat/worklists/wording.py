"""The sentences of those on the lists, by the room that makes them; of each file of LIST by itself, since of columns
that a file lacks nothing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.runs.input_files import InputFile
from popstrat.scoring.scorer import Scorer
from popstrat.worklists.best import Chosen
from popstrat.worklists.collect import FILE, GIVEN
from popstrat.worklists.order import Order
from popstrat.worklists.sheet import one, under

WHY = "why"


@dataclass(frozen=True)
class Wording:
    """The sentences of a run. ``own`` are those of the cohort and its rank alone: why somebody is on this list, and not
    all else that there is to say of them; where they say nothing, all do."""

    every: Sentences
    own: Sentences

    @property
    def columns_needed(self) -> list[str]:
        """The columns of the patient table that sentences read."""
        return list(dict.fromkeys((*self.every.columns_needed, *self.own.columns_needed)))

    def of_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """As `Sentences.of_batch`."""
        said = self.every.of_batch(batch)
        at = said.schema.get_field_index(WHY)
        own = self.own.of_batch(batch).column(at)
        return said.set_column(at, said.schema.field(at), pc.if_else(own.is_valid(), own, said.column(at)))


def wording_of(scorer: Scorer, order: Order) -> Wording:
    """The sentences of a run of this order. Raises `InputError` as `Sentences` does."""
    asked = [order.cohort.definition.id, *([] if order.rank is None else [order.rank.id])]
    return Wording(Sentences(scorer), Sentences(scorer, asked))


def words_of(chosen: Chosen, sentences: Wording, files: Sequence[InputFile]) -> Mapping[str, pa.Array]:
    """A column of text for each kind of sentence, in the order of the chosen."""
    rows = chosen.rows.num_rows
    if not rows:
        return {name: pa.array([], pa.string()) for name in COLUMNS}
    given, file = under(chosen.rows, GIVEN), one(chosen.rows, FILE).to_numpy()
    places, parts = [], []
    for number in np.unique(file).tolist():
        here = np.flatnonzero(file == number)
        there = [name for name in given.column_names if name in files[number].columns]
        batch = given.select(there).take(pa.array(here)).combine_chunks().to_batches()[0]
        places.append(here)
        parts.append(sentences.of_batch(batch))
    said = pa.Table.from_batches(parts)
    order = np.argsort(np.concatenate(places), kind="stable")
    return {name: one(said.select([name]).take(pa.array(order)), name) for name in said.column_names}
