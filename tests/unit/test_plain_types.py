"""Columns of unusual types give what the same values give in usual ones, wherever they are read."""

from __future__ import annotations

import datetime as dt
import io
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.plain_types import plain
from popstrat.errors import InputError

AS_OF = dt.date(2026, 6, 30)
ROWS = 400


def run_ends(column: pa.Array) -> pa.Array:
    """Of any type; Arrow's own encoder knows no dictionaries and no views."""
    ends = np.arange(1, len(column) + 1, dtype=np.int32)
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends), column)


def text(column: pa.Array) -> pa.Array:
    return column.cast(pa.string())


LAYOUTS: dict[str, Callable[[pa.Array], pa.Array]] = {
    "view": lambda c: text(c).cast(pa.string_view()),
    "dictionary": lambda c: c.dictionary_encode(),
    "dictionary of views": lambda c: with_entries(text(c).dictionary_encode(), lambda e: e.cast(pa.string_view())),
    "dictionary of bytes": lambda c: with_entries(text(c).dictionary_encode(), lambda e: e.cast(pa.binary())),
    "run ends": run_ends,
    "run ends of a dictionary": lambda c: run_ends(c.dictionary_encode()),
    "run ends of views": lambda c: run_ends(text(c).cast(pa.string_view())),
    "bytes": lambda c: text(c).cast(pa.binary()),
    "large bytes": lambda c: text(c).cast(pa.large_binary()),
    "views of bytes": lambda c: text(c).cast(pa.binary()).cast(pa.binary_view()),
}


def with_entries(column: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(column.indices, change(column.dictionary))


@pytest.fixture(scope="module")
def people() -> pa.Table:
    table = synthetic.table(ROWS, seed=4, as_of=AS_OF)
    columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    return pa.table(columns, names=table.column_names).combine_chunks()


@pytest.fixture(scope="module")
def expected(people: pa.Table) -> dict[str, Any]:
    return popstrat.score(people, AS_OF).to_pydict()


def writable(scored: pa.Table) -> None:
    """pyarrow takes it for whatever it does with tables."""
    pq.write_table(scored, io.BytesIO())
    pa_csv.write_csv(scored, io.BytesIO())
    if not pa.types.is_dictionary(scored.schema.field("patient_id").type):  # which pyarrow cannot sort by, of any type
        scored.sort_by("patient_id")
    scored.filter(pc.greater(scored["age"], 40)).group_by("practice_code").aggregate([])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_column_in_every_layout(people: pa.Table, expected: dict[str, Any], layout: str) -> None:
    """All at once, sliced, and each row still its own; the ids as text where the layout is of text."""
    columns = {}
    for name in people.column_names:
        column = people[name].combine_chunks()
        padded = pa.concat_arrays([column.slice(0, 3), column])
        try:
            columns[name] = LAYOUTS[layout](padded).slice(3)
        except pa.ArrowNotImplementedError:  # no such layout of this type
            columns[name] = column
    made = pa.table(columns)
    scored = popstrat.score(made, AS_OF)
    writable(scored)
    found = scored.to_pydict()
    found["patient_id"] = [int(v) for v in found["patient_id"]]
    assert found == expected
    batches = popstrat.Scorer(as_of=AS_OF).score_batches(made.to_batches(97))
    again = pa.Table.from_batches(batches).to_pydict()
    again["patient_id"] = [int(v) for v in again["patient_id"]]
    assert again == expected


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_decimals_of_no_scale(people: pa.Table, expected: dict[str, Any], bits: int) -> None:
    """As databases give whole numbers: ids, coded labels, flags and counts."""
    kinds = {8: pa.decimal128(38, 0), 16: pa.decimal128(19, 0), 32: pa.decimal256(50, 0), 64: pa.decimal128(20, 0)}
    made = people
    for i, field in enumerate(people.schema):
        if pa.types.is_integer(field.type) or pa.types.is_boolean(field.type):
            whole = people.column(i).cast(pa.int64()).cast(kinds[bits])
            made = made.set_column(i, field.name, whole)
    sexes = {"female": 2, "male": 1, "intersex": 9, "unknown": 0}
    coded = pa.array([Decimal(sexes[v]) if v else None for v in people["sex"].to_pylist()], kinds[bits])
    made = made.set_column(made.column_names.index("sex"), "sex", coded)
    assert popstrat.score(made, AS_OF).to_pydict() == expected


def test_ids_beyond_64_bits_are_refused(people: pa.Table) -> None:
    ids = [Decimal(i) for i in range(ROWS)]
    ids[7] = Decimal(2**63)
    ids[9] = Decimal(-(2**63) - 1)
    made = people.set_column(0, "patient_id", pa.array(ids, pa.decimal128(38, 0)))
    with pytest.raises(InputError, match=r"column 'patient_id': is a number beyond 64 bits \(rows 8, 10\)"):
        popstrat.score(made, AS_OF)


def test_uuids_and_bytes(people: pa.Table, expected: dict[str, Any]) -> None:
    given = [uuid.UUID(int=3 * i + (1 << 90)) for i in range(ROWS)]
    stored = pa.array([u.bytes for u in given], pa.binary(16))
    kinds = [pa.array([str(u).encode() for u in given], pa.binary(36))]
    if hasattr(pa, "uuid"):  # since pyarrow 18
        kinds.append(pa.ExtensionArray.from_storage(pa.uuid(), stored))
    for ids in kinds:
        scored = popstrat.score(people.set_column(0, "patient_id", ids), AS_OF)
        assert scored["patient_id"].to_pylist() == [str(u) for u in given]
        assert {**scored.to_pydict(), "patient_id": expected["patient_id"]} == expected
        writable(scored)
        with pytest.raises(InputError, match=r"row 401 repeats row 1"):
            popstrat.score(pa.concat_tables([people.set_column(0, "patient_id", ids)] * 2), AS_OF)
    odd = stored.to_pylist()
    odd[5] = b"\xff" * 16
    with pytest.raises(InputError, match=r"column 'patient_id': text that is not UTF-8 \(row"):
        popstrat.score(people.set_column(0, "patient_id", pa.array(odd, pa.binary())), AS_OF)


@pytest.mark.skipif(not hasattr(pa, "bool8"), reason="pyarrow has this type since 18")
def test_flags_of_one_byte(people: pa.Table, expected: dict[str, Any]) -> None:
    made = people
    for i, field in enumerate(people.schema):
        if pa.types.is_boolean(field.type):
            stored = people.column(i).combine_chunks().cast(pa.int8())
            made = made.set_column(i, field.name, pa.ExtensionArray.from_storage(pa.bool8(), stored))
    assert popstrat.score(made, AS_OF).to_pydict() == expected


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_files_of_them(people: pa.Table, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = people.set_column(0, "patient_id", people["patient_id"].cast(pa.decimal128(38, 0)))
    made = made.set_column(1, "practice_code", people["practice_code"].cast(pa.binary()))
    for name, table in (("plain", people), ("odd", made)):
        if form == "parquet":
            pq.write_table(table, f"{name}.parquet")
        else:
            with pa.ipc.new_file(f"{name}.arrow", table.schema) as file:
                file.write_table(table)
        assert run(["score", f"{name}.{form}", "-o", f"{name}.out.parquet", "--as-of", "2026-06-30", "-q"]) == 0
        assert run(["check", f"{name}.{form}", "--as-of", "2026-06-30", "-q"]) == 0
    assert pq.read_table("odd.out.parquet").to_pydict() == pq.read_table("plain.out.parquet").to_pydict()


def test_what_is_usual_stays_where_it_lies() -> None:
    usual = [pa.string(), pa.large_string(), pa.int64(), pa.bool_(), pa.date32(), pa.dictionary(pa.int8(), pa.string())]
    assert [plain(kind) for kind in usual] == [None] * len(usual)
    assert plain(pa.decimal128(20, 2), whole=True) is None
    assert plain(pa.list_(pa.string_view())) is None


def test_more_labels_than_a_byte_counts(people: pa.Table, expected: dict[str, Any]) -> None:
    """As Polars has them, whose categorical columns may share one list of labels."""
    others = pa.array([f"label {i}" for i in range(3_000)])
    for index in (pa.int16(), pa.int32(), pa.uint32(), pa.int64()):
        made = people
        for name in ("sex", "ethnicity", "smoking", "practice_code", "place"):
            column = people[name].combine_chunks().dictionary_encode()
            entries = pa.concat_arrays([others, column.dictionary])
            codes = pc.add(column.indices.cast(pa.int64()), len(others)).cast(index)
            at = made.column_names.index(name)
            made = made.set_column(at, name, pa.DictionaryArray.from_arrays(codes, entries))
        assert popstrat.score(made, AS_OF).to_pydict() == expected
