"""Sentences of people: what a pack's sentences say of one patient, and of many.

`Sentences` is made once, of a scorer. `of_batch` gives a column of text for each group, for rows of a list as it is
read; `of_patient` the same of one patient, sentence by sentence. Which sentences are told, and their values, are
expressions like any other: the engine works them out for all rows at once (`many`), the evaluator for one (`one`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.columns_read import read_columns
from popstrat.packs.definition import Definition
from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.packs.sentences import DRIVERS, GROUPS, Sentence, sentences_of
from popstrat.reasons import one
from popstrat.reasons.many import Bound, Setting, outputs_of
from popstrat.reasons.one import Drivers, Told
from popstrat.scoring.scorer import Scorer

COLUMNS: Mapping[str, str] = {**GROUPS, DRIVERS: "What raises the risk most"}
"""The columns of text that `Sentences.of_batch` gives, with their headings."""

_KEPT = 4  # schemas for which a program is kept


class Sentences:
    """A pack's sentences at an as-of date. Safe to use for any number of lists, by one thread.

    Args:
        scorer: the pack and the as-of date; its profile must be ``direct-care``, since sentences tell what is in the
            record of a person.
        definitions: only the sentences of these definitions, and what raises the risk of those of them that are models;
            all if None.

    Raises:
        InputError: the profile is another. PackError: a sentence of the pack is at fault.
    """

    def __init__(self, scorer: Scorer, definitions: Collection[str] | None = None) -> None:
        if scorer.profile != "direct-care":
            raise InputError(f"sentences tell what is in a person's record: they are not for {scorer.profile}")
        resolved, self._schema = scorer.resolved, scorer.pack.schema
        self.sentences = tuple(s for s in sentences_of(resolved) if definitions is None or s.definition in definitions)
        models = [m for m in resolved.models.values() if definitions is None or m.id in definitions]
        titles = {m.id: f"{resolved.definitions[m.id].title}: " if len(models) > 1 else "" for m in models}
        self.drivers = tuple(Drivers(resolved, m, titles[m.id]) for m in models)
        read = {*read_columns(resolved, self._schema, self._outputs()), *KEY_COLUMNS}
        read |= {name for pair in self._schema.either for name in pair} | {c.name for c in self._schema if c.required}
        self.columns_needed = tuple(c.name for c in self._schema if c.name in read)
        """The columns of the patient table that sentences read, in schema order, and what a table must have. Of others
        that a table lacks altogether nothing is said."""
        self._setting = Setting(scorer.pack, scorer.as_of, resolved, (*self.columns_needed, *PLACE_COLUMNS))
        self._bound: dict[pa.Schema, Bound] = {}

    @property
    def schema(self) -> pa.Schema:
        """What `of_batch` gives: the columns of `COLUMNS`, text, null where there is nothing to say."""
        return pa.schema([pa.field(name, pa.string()) for name in COLUMNS])

    def of_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The sentences of each row of a list, as the list is read (under our names; other columns do no harm): of each
        group one text, in the order of the pack. Raises `InputError` as scoring does."""
        key = batch.schema.remove_metadata()
        bound = self._bound.get(key)
        if bound is None:
            told = [s for s in self.sentences if self._can_tell(s, key.names)]
            bound = Bound(self._setting, told, self.drivers, key)
            for oldest in list(self._bound)[: 1 - _KEPT]:
                self._bound.pop(oldest, None)
            self._bound[key] = bound
        columns = bound.columns(batch)
        return pa.RecordBatch.from_arrays([columns[name] for name in COLUMNS], schema=self.schema)

    def of_patient(self, reference: Reference, patient: Patient) -> tuple[Told, ...]:
        """The sentences of one patient by the evaluator, in the order of `COLUMNS`: joined with full stops those of a
        group are what `of_batch` gives."""
        told = [s for s in self.sentences if self._can_tell(s, reference.columns)]
        return one.told_of(told, self.drivers, reference, patient)

    def _can_tell(self, sentence: Sentence, there: Collection[str]) -> bool:
        """Whether a table with these columns has what a sentence needs; of two that stand in for each other, one will
        do."""
        return all(name in there or self._schema[name].completed_years_since in there for name in sentence.needs)

    def _outputs(self) -> list[Definition]:
        return outputs_of(self.sentences, self.drivers)
