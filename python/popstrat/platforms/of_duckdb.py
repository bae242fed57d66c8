"""DuckDB: a relation for a relation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, overload

import duckdb

from popstrat.packs import DEFAULT_PACK
from popstrat.packs.pack import Pack
from popstrat.runs import in_memory
from popstrat.runs.record import Record

Relation = duckdb.DuckDBPyRelation


@overload
def score(
    relation: Relation, as_of: str | dt.date | None = ..., *, connection: duckdb.DuckDBPyConnection | None = ...,
    pack: str | Path | Pack = ..., profile: str = ..., threads: int | None = ..., contributions: int | None = ...,
    record: Literal[False] = ..., mapping: str | Path | Mapping[str, Any] | None = ...,
    previous: str | Path | Mapping[str, Any] | None = ...,
) -> Relation: ...  # fmt: skip
@overload
def score(
    relation: Relation, as_of: str | dt.date | None = ..., *, connection: duckdb.DuckDBPyConnection | None = ...,
    pack: str | Path | Pack = ..., profile: str = ..., threads: int | None = ..., contributions: int | None = ...,
    record: Literal[True], mapping: str | Path | Mapping[str, Any] | None = ...,
    previous: str | Path | Mapping[str, Any] | None = ...,
) -> tuple[Relation, Record]: ...  # fmt: skip


def score(
    relation: Relation,
    as_of: str | dt.date | None = None,
    *,
    connection: duckdb.DuckDBPyConnection | None = None,
    pack: str | Path | Pack = DEFAULT_PACK,
    profile: str = "direct-care",
    threads: int | None = None,
    contributions: int | None = None,
    record: bool = False,
    mapping: str | Path | Mapping[str, Any] | None = None,
    previous: str | Path | Mapping[str, Any] | None = None,
) -> Relation | tuple[Relation, Record]:
    """Score a DuckDB relation. Arguments, errors and warnings are those of `popstrat.score`.

    Returns:
        A relation over the scored rows, in the same order, of ``connection`` (DuckDB's default one if None: name the
        one that the relation is of, to join it with tables there); with ``record=True`` a pair. Labels are enums.
    """
    given: dict[str, Any] = {
        "pack": pack, "profile": profile, "threads": threads, "contributions": contributions, "mapping": mapping,
        "previous": previous,
    }  # fmt: skip
    over = connection or duckdb.default_connection()
    if not record:
        return over.from_arrow(in_memory.score(relation, as_of, **given))
    out, made = in_memory.score(relation, as_of, record=True, **given)
    return over.from_arrow(out), made
