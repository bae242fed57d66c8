"""CSV by way of pyarrow and of the standard library: what the compiled reader and writer are held against."""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv as pa_csv

KINDS = {
    "id": "id",
    "label": "category",
    "flag": "bool",
    "whole": "int",
    "number": "float32",
    "day": "date",
    "note": "text",
}
"""A column of each kind, by name, and one that is not read in most examples."""
NAMES = list(KINDS)

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
    convert = pa_csv.ConvertOptions(
        column_types={c: pa.string() if types[c] in _SPELT else types[c] for c in columns},
        include_columns=list(columns),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    options = pa_csv.ReadOptions(use_threads=False, block_size=len(body) + 1, column_names=list(names))
    table = pa_csv.read_csv(pa.py_buffer(body), options, pa_csv.ParseOptions(), convert)
    assert table.num_rows == row
    arrays = []
    for array, field in zip(table.combine_chunks().columns, schema, strict=True):
        if field.type in _SPELT:
            cells = []
            for i, cell in enumerate(array.to_pylist()):
                try:
                    cells.append(None if cell is None or not cell.strip() else _SPELT[field.type](cell.strip()))
                except ValueError:
                    raise MalformedError(i, field.name) from None
            array = pa.array(cells, pa.string()).cast(field.type)
        arrays.append(array)
    return pa.Table.from_arrays(arrays, schema=schema).combine_chunks().to_batches()[0]


def _number(cell: str) -> str:
    if "_" in cell or not cell.isascii():
        raise ValueError(cell)
    if re.fullmatch(r"[+-]?nan\(\w*\)", cell, re.IGNORECASE):
        return "nan"
    float(cell)
    return cell.removeprefix("+").lower().replace("infinity", "inf").replace("-nan", "nan")


def _flag(cell: str) -> str | None:
    word = cell.lower()
    if word in ("true", "t", "yes", "y"):
        return "true"
    if word in ("false", "f", "no", "n"):
        return "false"
    number = float(_number(cell))
    if number != number:
        return None
    return {0.0: "false", 1.0: "true"}.get(number) or _refused(cell)


def _date(cell: str) -> str:
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)(?:(?:[Tt]|\s+)([0-9:.,]+)\s*(Z|z|UTC|utc|[+-][\d:]+)?)?", cell, re.ASCII)
    if not found:
        raise ValueError(cell)
    day, clock, zone = found.groups()
    if clock is None:
        dt.date.fromisoformat(day)
        return day
    if not re.fullmatch(r"\d\d(:?\d\d(:?\d\d([.,]\d{1,9})?)?)?", clock):
        raise ValueError(cell)
    digits = re.sub(r"[.,].*|:", "", clock).ljust(6, "0")
    moment = dt.datetime.fromisoformat(f"{day}T{digits[:2]}:{digits[2:4]}:{digits[4:]}")
    if not zone:
        late = digits == "230000" and not re.search(r"[.,].*[1-9]", clock)
        if late and moment.replace(tzinfo=LONDON).utcoffset():
            raise ValueError(cell)
        return day
    if zone[0] in "+-":
        offset = zone.replace(":", "")[1:].ljust(4, "0")
        if len(zone) not in (3, 5, 6) or not offset.isdigit():
            raise ValueError(cell)
        ahead = dt.timedelta(hours=int(offset[:2]), minutes=int(offset[2:]))
        moment -= -ahead if zone[0] == "-" else ahead
    return moment.replace(tzinfo=dt.UTC).astimezone(LONDON).date().isoformat()


def _refused(cell: str) -> str:
    raise ValueError(cell)


LONDON = ZoneInfo("Europe/London")
_SPELT = {pa.bool_(): _flag, pa.float64(): _number, pa.float32(): _number, pa.date32(): _date}


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
