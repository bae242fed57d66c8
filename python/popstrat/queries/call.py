"""The library call."""

from __future__ import annotations

import datetime as dt
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from popstrat.core.dates import as_of_date
from popstrat.errors import InputError
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack

if TYPE_CHECKING:
    import pyarrow as pa


def require_sqlglot() -> None:
    """Raises `InputError` where the library that writes SQL is not installed."""
    if find_spec("sqlglot") is None:
        raise InputError("packs as SQL need sqlglot: pip install 'popstrat[sql]'")


def sql(
    pack: str | Path | Pack = DEFAULT_PACK,
    as_of: str | dt.date | None = None,
    *,
    dialect: str = "duckdb",
    table: str = "patients",
    columns: pa.Schema | None = None,
    profile: str = "direct-care",
    counts_by: str | None = None,
) -> str:
    """A pack as one SELECT that gives the columns of the scored table, with categories as text.

    Args:
        pack: the name of a built-in pack, the path of a TOML file, or a pack.
        as_of: ISO text or a date; if None, today, with an `AsOfWarning`.
        dialect: duckdb, postgres, snowflake, databricks, spark, tsql or bigquery.
        table: the name of the patient table, as written in the dialect.
        columns: the schema of a table with the columns that exist; if None, all columns of the patient table.
        profile: secondary-use leaves out people who opted out.
        counts_by: practice_code, pcn_code, neighbourhood or place. The SELECT then gives no scored table. For each of
            these areas it gives how many people (or events) each metric of the pack counts, and out of how many
            people.

    Raises:
        InputError: a name, the date or the columns are wrong, or sqlglot is not installed.
        PackError: the pack is wrong.

    >>> import popstrat
    >>> popstrat.sql("cha2ds2-vasc", "2026-06-30", dialect="duckdb", table="people").splitlines()[0][:2]
    '--'
    """
    require_sqlglot()
    from popstrat.queries.dialects import dialect_named  # these need it
    from popstrat.queries.select import Query, TableColumns

    loaded = load_pack(pack)
    known = TableColumns.declared(loaded.schema) if columns is None else TableColumns.of(columns, loaded.schema)
    return Query(loaded, as_of_date(as_of), dialect_named(dialect), table, known, profile, counts_by).text()
