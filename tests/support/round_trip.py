"""Two patient tables compared cell by cell: how many differ in each column, and never whose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def differing(found: pa.Table, expected: pa.Table) -> dict[str, int]:
    """For each column of ``expected`` in which ``found`` differs, the number of cells; with no rows in common, or in
    another order, ``patient_id`` alone is told of.

    Null equals null. Numbers are compared in the type that ``expected`` has, labels as text. A column that ``found``
    lacks is one whose cells are all null; what it has beyond ``expected`` is passed over.
    """
    if found.num_rows != expected.num_rows:
        return {"patient_id": abs(found.num_rows - expected.num_rows)}
    ids = _differ(found.column("patient_id"), expected.column("patient_id"))
    if ids:
        return {"patient_id": ids}
    counts = {
        name: _differ(found.column(name) if name in found.column_names else None, expected.column(name))
        for name in expected.column_names
    }
    return {name: cells for name, cells in counts.items() if cells}


def _differ(found: pa.ChunkedArray | None, expected: pa.ChunkedArray) -> int:
    if found is None:
        return len(expected) - expected.null_count
    one, other = _plain(found), _plain(expected)
    if one.type != other.type:
        one = _exact(one, other.type)
    null, missing = np.asarray(one.is_null()), np.asarray(other.is_null())
    same = np.asarray(pc.fill_null(pc.equal(one, other), False))
    return int(np.sum(~np.where(null | missing, null & missing, same)))


def _exact(cells: pa.Array, kind: pa.DataType) -> pa.Array:
    """Cells in another type; those that have no exact counterpart there (text, 2.5 as a whole number) are none at all,
    but a float may lose the digits that a shorter one does not hold."""
    if pa.types.is_floating(kind) and not pa.types.is_string(cells.type):
        return cells.cast(kind, safe=False)
    return cells.cast(kind)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    cells: Any = column.combine_chunks()
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.chunk(0) if cells.num_chunks else pa.array([], cells.type)
    if pa.types.is_dictionary(cells.type):
        cells = cells.dictionary_decode()
    return cells.cast(pa.string()) if pa.types.is_large_string(cells.type) else cells
