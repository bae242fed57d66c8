"""A feature specification at an as-of date: the folds that it needs, the patient table that it makes of them."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import is_text, numbers, numpy_type
from popstrat.core.lazy import compute as pc
from popstrat.deriving.folds import NO_DAY, Fold, Folded, Table
from popstrat.deriving.kinds.kind import Ages, Feature, Made, Part, labelled
from popstrat.packs.columns_read import read_columns
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID, KEY_COLUMNS, PRACTICE, Column, fold_label, patient_schema
from popstrat.packs.resolved import Resolved
from popstrat.packs.tables import PackTables
from popstrat.scoring.scorer import Scorer

UNKNOWN_LABEL = "unknown_label"
_TYPES = {"bool": pa.bool_(), "int": pa.int32(), "number": pa.float64(), "date": pa.date32()}


class Features:
    """What a specification says at an as-of date. Made by `Spec.at`.

    Attributes: ``features`` and ``resolved`` (the definitions over them), ``outputs`` (column → the section of the
    specification that writes it, in the order of the table), ``not_derived`` (column → why), ``notices``, and
    ``counts``: feature → reason → people, of all that `finalise` has seen. `finalise` is for one thread at a time.
    """

    def __init__(
        self, spec: PackTables, as_of: dt.date, features: tuple[Feature, ...], resolved: Resolved, pack: Pack,
        outputs: Mapping[str, str], not_derived: Mapping[str, str], notices: tuple[str, ...],
    ) -> None:  # fmt: skip
        self.spec, self.as_of, self.features, self.resolved = spec, as_of, features, resolved
        self.outputs, self.not_derived, self.notices = outputs, not_derived, notices
        self.pack = pack
        self.lacking: frozenset[str] = frozenset()
        self.counts: dict[str, dict[str, int]] = {}

    @property
    def record(self) -> dict[str, Any]:
        """What a run record says of the specification."""
        return {**self.spec.record, "features": len(self.features), "columns": list(self.outputs)}

    # -- what it needs --------------------------------------------------------------------------------------------

    @cached_property
    def by_id(self) -> dict[str, Feature]:
        return {f.id: f for f in self.features}

    @property
    def folds(self) -> tuple[Fold, ...]:
        """What is to be folded, each under a name of its own; nothing for features whose lists are missing."""
        return tuple(fold for f in self.features if f.id not in self.lacking for fold in f.folds)

    @property
    def lists(self) -> dict[str, tuple[str, ...]]:
        """Every code list that is needed, with the features that cannot do without it (none: it may be missing);
        nothing for features that are null already."""
        found: dict[str, list[str]] = {}
        for f in self.features:
            if f.id in self.lacking:
                continue
            for name in f.lists:
                found.setdefault(name, []).append(f.id)
            for name in f.optional:
                found.setdefault(name, [])
        return {name: tuple(found[name]) for name in sorted(found)}

    def without(self, missing: Collection[str]) -> Features:
        """The same where these code lists are missing: what needs one of them is null, whoever the patient."""
        made = copy.copy(self)
        made.lacking = self.lacking.union(f.id for f in self.features if not set(f.lists).isdisjoint(missing))
        made.counts = {}
        return made

    def without_tables(self, absent: Collection[Table]) -> Features:
        """The same where nothing is known of these tables: what needs one of them is null, whoever the patient."""
        made = copy.copy(self)
        needing = (f.id for f in self.features if any(fold.table in absent for fold in f.folds))
        made.lacking = self.lacking.union(needing)
        made.counts = {}
        return made

    @cached_property
    def _lacking_words(self) -> dict[str, frozenset[str]]:
        """The words that each feature gives."""
        return {f.id: frozenset(part.word for part in f.parts) for f in self.features}

    def is_null(self, output: str) -> bool:
        """Whether a column is null for want of a code list."""
        section, _, name = self.outputs[output].partition(".")
        if section == "feature":
            return name in self.lacking
        gone = frozenset().union(*(self._lacking_words[ident] for ident in self.lacking)) if self.lacking else ()
        definition = self.resolved.definitions.get(name)
        if not gone or definition is None:
            return False
        return not gone.isdisjoint(read_columns(self.resolved, self.pack.schema, [definition]))

    # -- what it makes --------------------------------------------------------------------------------------------

    @cached_property
    def _parts(self) -> dict[str, Part]:
        return {part.output: part for f in self.features for part in f.parts if part.output is not None}

    def columns(self, people: pa.Schema) -> tuple[str, ...]:
        """The columns of the table for people of this schema, in order: the keys, then what is derived; what the files
        of people do not hold is not there."""
        return tuple(self.table_schema(people).names)

    def table_schema(self, people: pa.Schema) -> pa.Schema:
        """The schema of the table for people of this schema: the patient table's own types, others as they come."""
        fields = [people.field(name).with_nullable(False) for name in KEY_COLUMNS]
        for name, section in self.outputs.items():
            part = self._parts.get(name)
            if part is not None and self._column_of(section) not in (None, *people.names):
                continue
            fields.append(pa.field(name, self._type(name)))
        return pa.schema(fields)

    def _column_of(self, section: str) -> str | None:
        """The column of the files of people that a feature hands on."""
        found: str | None = getattr(self.by_id[section.partition(".")[2]], "column", None)
        return found

    def _type(self, name: str) -> pa.DataType:
        if name in patient_schema():
            return patient_schema()[name].dtype
        part = self._parts.get(name)
        if part is not None:
            return _TYPES.get(part.type, pa.dictionary(pa.int8(), pa.string()))
        dtype = next(d.dtype for d in self.resolved.outputs if d.output == name)
        return pa.dictionary(pa.int8(), pa.string()) if dtype == "dictionary" else pa.type_for_alias(dtype)

    def finalise(self, people: pa.RecordBatch, folded: Mapping[str, Folded]) -> pa.RecordBatch:
        """The patient table of some people. ``people``: the columns of patients and registrations, a row each;
        ``folded``: the results of `folds`, a value for each of these rows, by the fold's name."""
        given = people.column(people.schema.get_field_index("date_of_birth"))
        births = np.asarray(given.cast(pa.int32()).fill_null(int(NO_DAY)))
        ages = Ages(births, self.as_of)
        wanted = {*self.outputs, *(self._scorer.columns if self._scorer is not None else ())}
        words: dict[str, pa.Array] = {}
        for f in self.features:
            if f.id in self.lacking or getattr(f, "column", None) not in (None, *people.schema.names):
                continue
            made: Made = f.finalise(folded, people, ages)
            for part, column in zip(f.parts, made.columns, strict=True):
                if part.word in wanted:
                    words[part.word] = column()
            for reason, count in made.counts.items():
                seen = self.counts.setdefault(f.id, {})
                seen[reason] = seen.get(reason, 0) + count
        scored = self._second(people, words)
        schema = self.table_schema(people.schema)
        columns = [people.column(people.schema.get_field_index(name)) for name in KEY_COLUMNS]
        for field in list(schema)[len(KEY_COLUMNS) :]:
            if self.is_null(field.name):
                columns.append(pa.nulls(people.num_rows, field.type))
            else:
                found = words[field.name] if field.name in self._parts else scored[field.name]
                columns.append(self._as_held(field.name, found, field.type))
        return pa.RecordBatch.from_arrays(columns, schema=schema)

    @cached_property
    def _scorer(self) -> Scorer | None:
        return Scorer(self.pack, self.as_of) if self.resolved.outputs else None

    def _second(self, people: pa.RecordBatch, words: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        """What the definitions give, by column."""
        if self._scorer is None:
            return {}
        rows = people.num_rows
        batch: dict[str, pa.Array] = {
            ID: pa.array(np.arange(rows)),  # whose these are makes no difference
            PRACTICE: pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["-"])),
        }
        for name in ("date_of_birth", "sex"):
            batch[name] = people.column(people.schema.get_field_index(name))
        read = set(self._scorer.columns)
        batch |= {word: column for word, column in words.items() if word in read and word not in batch}
        scored = self._scorer.score_batch(pa.record_batch(batch))
        return {str(d.output): scored.column(str(d.output)) for d in self.resolved.outputs}

    def _as_held(self, name: str, array: pa.Array, wanted: pa.DataType) -> pa.Array:
        """A column in the type that the table has for it."""
        column = patient_schema().columns.get(name)
        if column is not None and column.type == "category":
            return self._labelled(column, array)
        if array.type == wanted:
            return array
        if pa.types.is_dictionary(wanted):  # codes of places, and labels of a definition
            values = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
            return values.cast(pa.string()).dictionary_encode().cast(wanted)
        if pa.types.is_integer(wanted):
            # what does not fit is as implausible at the end of the type's range, and whoever scores the table counts it
            held = np.iinfo(numpy_type(wanted))
            given = numbers(array) if pa.types.is_integer(array.type) or pa.types.is_float64(array.type) else None
            if given is not None and len(given) and held.min <= given.min() and given.max() <= held.max:
                return array.cast(wanted, safe=False)
            array = pc.min_element_wise(
                pc.max_element_wise(array, int(held.min), skip_nulls=False), int(held.max), skip_nulls=False
            )
        return array.cast(wanted, safe=False)

    def _labelled(self, column: Column, array: pa.Array) -> pa.Array:
        """Labels of the patient table, whatever spelling or dictionary they come in; unknown ones are null and
        counted."""
        if not is_text(array.type):
            array = array.cast(pa.string())
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        known = column.label_codes()
        entries = ["" if text is None else text.strip(" ") for text in array.dictionary.to_pylist()]
        # -1 for no record, -2 for a label that the table does not know; the last stands for a null
        codes = np.array([known.get(fold_label(text), -2 if text else -1) for text in entries] + [-1], np.int16)
        found = codes[np.asarray(array.indices.cast(pa.int64()).fill_null(len(entries)))]
        missing = int((found == -2).sum())
        if missing:
            seen = self.counts.setdefault(column.name, {})
            seen[UNKNOWN_LABEL] = seen.get(UNKNOWN_LABEL, 0) + missing
        return labelled(found, column.labels)

    # -- for pages and checks -------------------------------------------------------------------------------------

    @property
    def undecided(self) -> Iterator[str]:
        """Columns of the patient table that are neither derived nor said not to be."""
        for column in patient_schema():
            if column.name not in (*KEY_COLUMNS, *self.outputs, *self.not_derived):
                yield column.name
