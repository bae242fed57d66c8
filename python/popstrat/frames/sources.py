"""What tables come as, and how each becomes Arrow: one registry, looked up by the library that made the object.

No library is imported that the caller has not: an object's own module is at hand. What is read only when it is asked
for (files, datasets, lazy frames, relations) is asked for the columns that are ``wanted``; the others come as columns
of their names that hold nothing, so that they are still known to be there. What lies in memory is not copied.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.arrow import is_text, plain, without_views
from popstrat.errors import InputError
from popstrat.packs.patient_table import Column

_TAKEN = (
    "Arrow tables, batches, readers and datasets, Polars, pandas, DuckDB and Ibis frames, iterables of those, paths of "
    "files, and whatever else has __arrow_c_stream__"
)


@dataclass(frozen=True)
class Wanted:
    """Which columns of a list are looked at, by what they are to us; of a list whose names a map changes, all."""

    columns: Mapping[str, Column]
    """Ours that are read, by name."""
    mapped: bool = False

    def reads(self, name: str) -> bool:
        """Whether a column of this name is looked at, as we take names: capitals and blanks around aside."""
        return self.mapped or name.strip().lower() in self.columns

    def labels(self, name: str) -> bool:
        """Whether it is looked at for nothing but the labels that it may hold."""
        found = self.columns.get(name.strip().lower())
        return not self.mapped and found is not None and found.type == "category"


EVERYTHING = Wanted({}, mapped=True)

Reader = Callable[[Any, Wanted], "pa.Table | pa.RecordBatch | pa.RecordBatchReader"]


def as_table(data: Any, wanted: Wanted = EVERYTHING) -> pa.Table:
    """A table from whatever gives one. Raises `InputError` naming the type of what does not, or the column that is not
    of one type."""
    if isinstance(data, pa.Table):
        return data
    found = _read(data, wanted)
    if isinstance(found, pa.Table):
        return found
    if isinstance(found, pa.RecordBatch):
        return pa.Table.from_batches([found])
    return found.read_all()


def as_batch(data: Any, wanted: Wanted = EVERYTHING) -> pa.RecordBatch:
    """One record batch, as `as_table`."""
    if isinstance(data, pa.RecordBatch):
        return data
    return _one(as_table(data, wanted))


def batches_of(data: Any, wanted: Wanted = EVERYTHING) -> Iterator[pa.RecordBatch]:
    """The batches of a list as they come, of an iterable those of each part, one after the other. Raises as
    `as_table`."""
    if isinstance(data, pa.RecordBatch):
        yield data
    elif _is_iterable_of_parts(data):
        for part in data:
            yield from batches_of(part, wanted)
    else:
        found = _read(data, wanted)
        yield from ([found] if isinstance(found, pa.RecordBatch) else _batches(found))


def _batches(found: pa.Table | pa.RecordBatchReader) -> Iterable[pa.RecordBatch]:
    batches: Iterable[pa.RecordBatch] = found
    return batches if isinstance(found, pa.RecordBatchReader) else found.to_batches() or [_one(found)]


def _one(table: pa.Table) -> pa.RecordBatch:
    if table.num_rows == 0:
        columns = [pa.nulls(0, kind) for kind in table.schema.types]
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema([f.with_nullable(True) for f in table.schema]))
    return table.combine_chunks().to_batches()[0]


def _read(data: Any, wanted: Wanted) -> pa.Table | pa.RecordBatch | pa.RecordBatchReader:
    for root in dict.fromkeys(cls.__module__.partition(".")[0] for cls in type(data).__mro__):
        reader = READERS.get(root)
        found = None if reader is None else reader(data, wanted)
        if found is not None:
            return found
    if hasattr(data, "__arrow_c_stream__"):
        try:
            return pa.RecordBatchReader.from_stream(data)
        except pa.ArrowInvalid:
            raise InputError(f"a table is needed, and the stream of {_article(type(data).__name__)} is none") from None
    if hasattr(data, "__arrow_c_array__"):
        return pa.record_batch(data)
    if isinstance(data, Mapping):
        return _of_columns(data)
    if isinstance(data, str | Path):
        return _of_paths([data], wanted)
    if _is_iterable_of_parts(data):
        return _of_parts(data, wanted)
    raise InputError(f"a table is needed, not {_article(type(data).__name__)}: {_TAKEN}")


def _article(kind: str) -> str:
    return f"{'an' if kind[:1].lower() in 'aeiou' else 'a'} {kind}"


# -- iterables, mappings, paths -----------------------------------------------------------------------------------


def _is_iterable_of_parts(data: Any) -> bool:
    """Whether it is no table itself, and gives parts: a list, a generator."""
    return (
        isinstance(data, Iterable)
        and not isinstance(data, str | bytes | Path | Mapping)
        and not hasattr(data, "__arrow_c_stream__")
        and not hasattr(data, "__arrow_c_array__")
        and type(data).__module__.partition(".")[0] not in READERS
    )


def _of_parts(data: Iterable[Any], wanted: Wanted) -> pa.Table:
    """The parts of an iterable as one table; paths are files of one list. Raises `InputError` for parts that do not go
    together."""
    parts = list(data)
    if not parts:
        raise InputError("a table is needed, and there is nothing in what was given")
    if all(isinstance(part, str | Path) for part in parts):
        return _of_paths(parts, wanted)
    if any(isinstance(part, Mapping) for part in parts):
        raise InputError("a table is needed, not rows: make a table of them, as with pyarrow.Table.from_pylist")
    return _together([as_table(part, wanted) for part in parts])


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    first = tables[0].schema
    if all(table.schema.equals(first) for table in tables[1:]):
        return pa.concat_tables(tables)
    for number, table in enumerate(tables[1:], 2):
        odd = sorted({*table.schema.names} ^ {*first.names})
        if odd:
            raise InputError(f"is in part {number} or in part 1 of the table, and not in both", column=odd[0])
    parts = _alike([t.select(first.names) for t in tables])
    try:
        return pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        for name in first.names:
            kinds = {str(t.schema.field(name).type) for t in parts} - {"null"}
            if len(kinds) > 1:
                raise InputError(
                    f"is of different types in the parts: {', '.join(sorted(kinds))}", column=name
                ) from None
        raise


def _alike(tables: Sequence[pa.Table]) -> list[pa.Table]:
    """The tables, with columns that are of text in all of them, and not of one type, brought nearer to one another:
    without views, and none in a dictionary unless all are. Arrow's own promotion knows neither."""
    made = list(tables)
    for i, name in enumerate(tables[0].column_names):
        there = {n: t.column(i) for n, t in enumerate(tables) if t.column(i).type != pa.null()}
        kinds = {c.type for c in there.values()}
        if len(kinds) < 2 or not all(is_text(kind) for kind in kinds):
            continue
        change = without_views if all(pa.types.is_dictionary(kind) for kind in kinds) else _large_text
        for n, held in there.items():
            column = pa.chunked_array([change(chunk) for chunk in held.chunks or [pa.nulls(0, held.type)]])
            made[n] = made[n].set_column(i, name, column)
    return made


def _large_text(column: pa.Array) -> pa.Array:
    return plain(column).cast(pa.large_string())


def _of_columns(data: Mapping[Any, Any]) -> pa.Table:
    """A mapping of names to values."""
    names = list(map(str, data))
    columns = [column(values, name) for name, values in zip(names, data.values(), strict=True)]
    lengths = {len(c) for c in columns}
    if len(lengths) > 1:
        short = min(zip(columns, names, strict=True), key=lambda pair: len(pair[0]))
        raise InputError(f"has {len(short[0]):,} rows, and another column {max(lengths):,}", column=short[1])
    return pa.table(columns, names=names)


def column(values: Any, name: str) -> pa.Array | pa.ChunkedArray:
    """A column of values of Python, NumPy or pandas. Raises `InputError` naming it and its first rows where they are
    not of one type."""
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        rows, kinds = _odd_rows(values)
    told = (
        f"values of different types ({', '.join(kinds)})"
        if len(kinds) > 1
        else "values of a type that Arrow does not know"
    )
    raise InputError(told, column=name, rows=rows[:5], more=max(0, len(rows) - 5))


def _odd_rows(values: Any) -> tuple[list[int], list[str]]:
    """The rows whose values are not of the type that most are of, and the names of the types."""
    kinds = [type(v).__name__ for v in values]
    there = [k for v, k in zip(values, kinds, strict=True) if v is not None and v == v]
    count = {k: there.count(k) for k in dict.fromkeys(there)}
    if len(count) < 2:
        return [], list(count)
    usual = max(count, key=lambda k: count[k])
    rows = [i for i, (v, k) in enumerate(zip(values, kinds, strict=True)) if k in count and k != usual and v == v]
    return rows, list(count)


def _of_paths(paths: Sequence[str | Path], wanted: Wanted) -> pa.Table:
    """The files of a list, as ``popstrat score`` reads them."""
    from popstrat.formats import open_source  # here, because most tables are in memory already

    known = wanted.columns
    source = open_source(paths, kinds=lambda name: known[name].cells if name in known else None)
    tables = []
    for file in source.files:
        names = [n for n in file.schema.names if wanted.reads(n)]
        batches = list(file.batches(names))
        schema = pa.schema([file.schema.field(n) for n in names])
        tables.append(
            beside(pa.Table.from_batches(batches, batches[0].schema if batches else schema), file.schema.names)
        )
    return _together(tables)


# -- projections ---------------------------------------------------------------------------------------------------


def beside(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The table with all of these columns in this order; those that it lacks hold nothing."""
    if table.column_names == list(names):
        return table
    at = {name: i for i, name in enumerate(table.column_names)}
    columns = [table.column(at[n]) if n in at else pa.nulls(table.num_rows) for n in names]
    return pa.table(columns, names=list(names))


def _projected(names: Sequence[str], wanted: Wanted, read: Callable[[list[str]], pa.Table]) -> pa.Table:
    some = [n for n in names if wanted.reads(n)]
    return beside(read(some), names) if 0 < len(some) < len(names) else read(list(names))


# -- libraries -----------------------------------------------------------------------------------------------------


def _pyarrow(data: Any, wanted: Wanted) -> Any:
    if isinstance(data, pa.Table | pa.RecordBatch | pa.RecordBatchReader):
        return data
    if hasattr(data, "to_table") and hasattr(data, "schema"):  # a dataset
        return _projected(data.schema.names, wanted, lambda names: data.to_table(columns=names))
    if hasattr(data, "to_reader"):  # a scanner
        return data.to_reader()
    return None


def _polars(data: Any, wanted: Wanted) -> Any:
    from popstrat.frames.of_polars import lazy_names, table  # here, because it is Polars' own affair

    names = lazy_names(data)
    if names is None:
        return table(data, wanted)
    return _projected(names, wanted, lambda some: table(data.select(some).collect(), wanted))


def _pandas(data: Any, wanted: Wanted) -> Any:
    from popstrat.frames.of_pandas import table  # as above

    return table(data, wanted)


def _duckdb(data: Any, wanted: Wanted) -> Any:
    if not hasattr(data, "columns"):  # a connection that has run a query
        fetch = getattr(data, "to_arrow_table", None) or data.fetch_arrow_table
        return fetch()

    def read(names: Collection[str]) -> pa.Table:
        quoted = ", ".join('"' + n.replace('"', '""') + '"' for n in names)
        some = data.project(quoted)
        return (getattr(some, "to_arrow_table", None) or some.fetch_arrow_table)()

    return _projected(data.columns, wanted, read)


def _ibis(data: Any, wanted: Wanted) -> Any:
    if not hasattr(data, "to_pyarrow") or not hasattr(data, "columns"):
        return None
    return _projected(list(data.columns), wanted, lambda names: data.select(*names).to_pyarrow())


def _narwhals(data: Any, wanted: Wanted) -> Any:
    return _read(data.to_native(), wanted) if hasattr(data, "to_native") else None


def _pyspark(data: Any, wanted: Wanted) -> Any:
    raise InputError("is a Spark DataFrame: popstrat.spark.score scores it where it is")


READERS: Mapping[str, Reader] = {
    "duckdb": _duckdb, "_duckdb": _duckdb, "ibis": _ibis, "narwhals": _narwhals, "pandas": _pandas, "polars": _polars,
    "pyarrow": _pyarrow, "pyspark": _pyspark,
}  # fmt: skip
"""By the top-level module of an object's class: what reads it, which gives None for what it does not know."""
