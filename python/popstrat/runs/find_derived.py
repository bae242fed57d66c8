"""One patient of a coded record, derived twice: by the engine, and plainly with the rows behind each result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from popstrat.deriving.canonical import KINDS
from popstrat.deriving.derivation import Derivation
from popstrat.deriving.folds import Table
from popstrat.deriving.reference import Derived, Row, derive_one
from popstrat.errors import InputError, TraceError
from popstrat.packs.patient_table import ID
from popstrat.runs.find import position, wanted_key


def find_derived(derivation: Derivation, patient: str) -> tuple[pa.Table, Derived]:
    """The patient table of one person, as a table of one row, and how each column came about.

    Raises `InputError` if nobody registered and alive has that id (the message does not repeat it), `TraceError` if the
    engine and the plain account differ.
    """
    at = position(derivation.people.keys, wanted_key(patient))
    if at is None:
        raise InputError("nobody registered and alive at the as-of date has the id asked for", column=ID)
    batch, theirs = derivation.alone(at)
    (person,) = derivation.people.table.slice(at, 1).to_pylist()
    derived = derive_one(derivation.features, person, list(_rows(theirs)), derivation.codelists)
    (row,) = batch.to_pylist()
    for name, value in derived.values.items():
        if name in row and row[name] != value:
            raise TraceError(f"internal error: the engine and the plain account of {name} differ")
    return pa.Table.from_batches([batch]), derived


def _rows(theirs: Mapping[Table, Sequence[pa.RecordBatch]]) -> list[Row]:
    found: list[Row] = []
    for table, batches in theirs.items():
        for batch in batches:
            for cells in batch.to_pylist():
                given: dict[str, Any] = {k: v for k, v in cells.items() if k != ID}
                found.append(Row(table=table, number=len(found), **given))
    return found


def code_in_words(derivation: Derivation, row: Row) -> str:
    """What a row's code means, as far as a code list says so; of activity its kind."""
    if row.code is None:
        return ""
    if row.table == "activity":
        return KINDS[row.code].replace("_", " ")
    return derivation.codelists.term(row.code) or ""
