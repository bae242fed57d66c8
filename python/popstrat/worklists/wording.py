"""The sentences of those on the lists, by the room that makes them; of each file of LIST by itself, since of columns
that a file lacks nothing is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from popstrat.packs.patient_table import Column
from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.runs.input_files import InputFile
from popstrat.worklists.best import Chosen
from popstrat.worklists.collect import FILE, GIVEN
from popstrat.worklists.sheet import one, under


def words_of(chosen: Chosen, sentences: Sentences, files: Sequence[InputFile]) -> Mapping[str, pa.Array]:
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


def columns_needed(sentences: Sentences, known: Mapping[str, Column]) -> list[str]:
    """The columns of the patient table that sentences read."""
    return [name for name in sentences.columns_needed if name in known]
