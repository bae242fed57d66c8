"""DuckDB: a relation for a relation."""

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
    """Score a DuckDB relation. Arguments, errors and warnings are those of `popstrat.score`: ``pack``, ``profile``,
    ``threads``, ``contributions``, ``mapping`` and ``previous`` too.

    Returns:
        A relation over the scored rows, in the same order, of ``connection`` (DuckDB's default one if None: name the
        one that the relation is of, to join it with tables there); with ``record=True`` a pair. Labels are enums.
    """
    over = connection or duckdb.default_connection()
    if not record:
        return over.from_arrow(in_memory.score(relation, as_of, **options))
    out, made = in_memory.score(relation, as_of, record=True, **options)
    return over.from_arrow(out), made
