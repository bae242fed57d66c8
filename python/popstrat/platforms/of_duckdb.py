"""DuckDB: a relation in, a relation out."""

from __future__ import annotations

import datetime as dt
from typing import Literal, Unpack, overload

import duckdb

from popstrat.runs import in_memory
from popstrat.runs.in_memory import Options
from popstrat.runs.record import Record

Relation = duckdb.DuckDBPyRelation


@overload
def score(
    relation: Relation, as_of: str | dt.date | None = ..., *, connection: duckdb.DuckDBPyConnection | None = ...,
    record: Literal[False] = ..., **options: Unpack[Options],
) -> Relation: ...  # fmt: skip
@overload
def score(
    relation: Relation, as_of: str | dt.date | None = ..., *, connection: duckdb.DuckDBPyConnection | None = ...,
    record: Literal[True], **options: Unpack[Options],
) -> tuple[Relation, Record]: ...  # fmt: skip
@overload
def score(
    relation: Relation, as_of: str | dt.date | None = ..., *, connection: duckdb.DuckDBPyConnection | None = ...,
    record: bool, **options: Unpack[Options],
) -> Relation | tuple[Relation, Record]: ...  # fmt: skip


def score(
    relation: Relation,
    as_of: str | dt.date | None = None,
    *,
    connection: duckdb.DuckDBPyConnection | None = None,
    record: bool = False,
    **options: Unpack[Options],
) -> Relation | tuple[Relation, Record]:
    """Score a DuckDB relation. Arguments, errors and warnings are those of `popstrat.score`, including ``pack``,
    ``profile``, ``threads``, ``contributions``, ``mapping`` and ``previous``.

    Returns:
        A relation over the scored rows, in the same order, in ``connection``; with ``record=True`` a pair of it and
        the run record. If ``connection`` is None, it is DuckDB's default one. Give the relation's own connection if
        you want to join the result with its tables. Labels are enums.
    """
    over = connection or duckdb.default_connection()
    if not record:
        return over.from_arrow(in_memory.score(relation, as_of, **options))
    out, made = in_memory.score(relation, as_of, record=True, **options)
    return over.from_arrow(out), made
