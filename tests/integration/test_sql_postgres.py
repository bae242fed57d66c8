"""Packs as SQL in a PostgreSQL that runs: its cells are the engine's."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from postgres import server

import popstrat.synthetic as synthetic
from popstrat.packs.reading import list_packs
from popstrat.queries.call import sql
from popstrat.queries.check import compared
from popstrat.scoring.scorer import Scorer

psycopg = pytest.importorskip("psycopg")
AS_OF = dt.date(2026, 6, 30)
_TYPES = {"bool": "boolean", "int": "bigint", "float": "double precision", "date": "date"}


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with server() as where, psycopg.connect(where, autocommit=True) as connected:
        connected.execute("SET jit = off")  # which takes seconds for expressions of this size
        yield connected


def put(connection: Any, scorer: Scorer, table: pa.Table) -> None:
    """The table as `patients`."""
    known = scorer.pack.schema
    kinds = {n: "real" if pa.types.is_float32(table.schema.field(n).type) else
             "bigint" if pa.types.is_integer(table.schema.field(n).type) else
             _TYPES.get(known[n].type if n in known else "", "text") for n in table.column_names}  # fmt: skip
    connection.execute("DROP TABLE IF EXISTS patients")
    connection.execute(f"CREATE TABLE patients ({', '.join(f'{n} {kind}' for n, kind in kinds.items())})")
    plain = pa.table({
        n: c.combine_chunks().dictionary_decode() if pa.types.is_dictionary(c.type) else c
        for n, c in zip(table.column_names, table.columns, strict=True)
    })  # fmt: skip
    buffer = io.BytesIO()
    pacsv.write_csv(plain, buffer, pacsv.WriteOptions(include_header=False, quoting_style="needed"))
    with connection.cursor().copy("COPY patients FROM STDIN (FORMAT csv)") as copy:
        copy.write(buffer.getvalue())


def run(connection: Any, text: str, like: pa.Schema) -> pa.Table:
    """The rows of a query, in the order of their ids."""
    cursor = connection.execute(text)
    names = [column.name for column in cursor.description]
    assert names == like.names
    columns = list(zip(*cursor.fetchall(), strict=True))
    plain = [f.type.value_type if pa.types.is_dictionary(f.type) else f.type for f in like]
    return pa.table([pa.array([int(v) if pa.types.is_integer(t) and v is not None else v for v in c], t)
                     for c, t in zip(columns, plain, strict=True)], names=names)  # fmt: skip


@pytest.mark.parametrize("dirty", [False, True])
@pytest.mark.parametrize("pack", [str(p["id"]) for p in list_packs()])
def test_postgres_gives_the_cells_of_the_engine(connection: Any, pack: str, dirty: bool) -> None:
    scorer = Scorer(pack, AS_OF)
    table = synthetic.table(1_000, seed=5, as_of=AS_OF, dirty=dirty)
    ours = pa.Table.from_batches(list(scorer.score_batches(table.to_batches())))
    put(connection, scorer, table)
    text = sql(scorer.pack, AS_OF, dialect="postgres", columns=table.schema)
    theirs = run(connection, text, ours.schema).sort_by("patient_id")
    order = np.argsort(ours["patient_id"].to_numpy())
    found = compared(scorer, ours.take(pa.array(order)), theirs)
    assert found.rows == 1_000
    assert not found.differing
