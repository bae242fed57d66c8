"""CSV by way of pyarrow alone: what the compiled reader and writer are held against."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.csv as pa_csv

TRUE, FALSE = (
    [digit, *("".join(w) for w in itertools.product(*zip(word, word.upper(), strict=True)))]
    for digit, word in (("1", "true"), ("0", "false"))
)
_CELL = rb'(?:"(?:[^"]|"")*"|[^",]*)'
_LINE = re.compile(rb"%s(?:,%s)*" % (_CELL, _CELL))


class MalformedError(Exception):
    """A line that is no row (column None), or a column with a cell that is not of its type."""

    def __init__(self, row: int | None, column: str | None = None) -> None:
        super().__init__(row, column)
        self.row, self.column = row, column


def read(body: bytes, names: Sequence[str], types: Mapping[str, pa.DataType], columns: Sequence[str]) -> pa.RecordBatch:
    """The lines under the header. Raises `MalformedError`; a line at fault comes before a cell at fault."""
    row = 0
    for line in re.split(rb"\r\n|\n|\r", body):
        if not line:
            continue
        if not _LINE.fullmatch(line) or re.sub(rb'"(?:[^"]|"")*"', b"", line).count(b",") + 1 != len(names):
            raise MalformedError(row)
        row += 1
    schema = pa.schema([(c, types[c]) for c in columns])
    if not row:
        return pa.RecordBatch.from_arrays([pa.array([], f.type) for f in schema], schema=schema)
    moment = pa.timestamp("us")
    convert = pa_csv.ConvertOptions(
        column_types={c: moment if types[c] == pa.date32() else types[c] for c in columns},
        include_columns=list(columns),
        null_values=[""],
        true_values=TRUE,
        false_values=FALSE,
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    options = pa_csv.ReadOptions(use_threads=False, block_size=len(body) + 1, column_names=list(names))
    try:
        table = pa_csv.read_csv(pa.py_buffer(body), options, pa_csv.ParseOptions(), convert)
    except pa.ArrowInvalid as error:
        place = re.search(r"In CSV column #(\d+)", str(error))
        raise MalformedError(None, names[int(place.group(1))] if place else None) from None
    assert table.num_rows == row
    arrays = [
        a.cast(f.type, safe=False) if a.type == moment else a
        for a, f in zip(table.combine_chunks().columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema).combine_chunks().to_batches()[0]


SIGNS = "=+-@\t\r"


def write(table: pa.Table) -> bytes:
    """The table as CSV, its dictionaries and ids as text; an apostrophe before what spreadsheets would run."""
    columns = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            field = field.with_type(pa.string_view())
            column = pa.chunked_array(
                [c.dictionary.cast(pa.string()).take(c.indices) for c in column.chunks], pa.string()
            )
        text = pa.types.is_dictionary(field.type) or pa.types.is_string_view(field.type) or field.name == "patient_id"
        column = column.cast(pa.string()) if text else column
        if field.name != "patient_id" and (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            column = pa.array([f"'{v}" if v and v[0] in SIGNS else v for v in column.to_pylist()], column.type)
        columns.append(column)
    out = io.BytesIO()
    pa_csv.write_csv(pa.table(columns, names=table.schema.names), out)
    return out.getvalue()
