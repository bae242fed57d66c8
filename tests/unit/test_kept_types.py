"""Keys and places keep the type they came in, but of layouts that pyarrow cannot write, sort or filter."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest

import popstrat
from popstrat import synthetic

AS_OF = dt.date(2026, 6, 30)
KEPT = [
    pa.string(),
    pa.large_string(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
]
PLAIN = {
    pa.string_view(): pa.large_string(),
    pa.dictionary(pa.int32(), pa.string_view()): pa.dictionary(pa.int32(), pa.string()),
    pa.run_end_encoded(pa.int32(), pa.string()): pa.string(),
    pa.binary(): pa.string(),
    pa.large_binary(): pa.large_string(),
}
IDS = {**{kind: kind for kind in (pa.int32(), pa.int64(), pa.uint64(), pa.string(), pa.large_string())},
       pa.decimal128(38, 0): pa.int64(), pa.string_view(): pa.large_string()}  # fmt: skip


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(60, seed=4, as_of=AS_OF)


def of_type(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        coded = pa.array(values).dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            coded.indices.cast(kind.index_type), pa.array(coded.dictionary.to_pylist(), kind.value_type)
        )
    if pa.types.is_run_end_encoded(kind):
        return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values))
    return pa.array([v.encode() for v in values], kind) if "binary" in str(kind) else pa.array(values, kind)


@pytest.mark.parametrize(("kind", "expected"), [*((kind, kind) for kind in KEPT), *PLAIN.items()], ids=str)
def test_places(people: pa.Table, kind: pa.DataType, expected: pa.DataType) -> None:
    given = people
    for name in ("practice_code", "pcn_code", "neighbourhood", "place"):
        column = of_type(people[name].to_pylist(), kind)
        given = given.set_column(given.column_names.index(name), name, column)
    scored = popstrat.score(given, AS_OF)
    for name in ("practice_code", "pcn_code", "neighbourhood", "place"):
        assert scored.schema.field(name).type == expected
        assert scored[name].to_pylist() == people[name].to_pylist()


@pytest.mark.parametrize(("kind", "expected"), IDS.items(), ids=str)
def test_ids(people: pa.Table, kind: pa.DataType, expected: pa.DataType) -> None:
    ids = [str(i) if "string" in str(kind) else i for i in range(1, 61)]
    scored = popstrat.score(people.set_column(0, "patient_id", of_type(ids, kind)), AS_OF)
    assert scored.schema.field("patient_id").type == expected
    assert scored["patient_id"].to_pylist() == ids
