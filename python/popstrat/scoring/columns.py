"""Arrow columns → what the engine reads in place.

`plan` looks at a table's schema once: which columns are there, how each is read, what must be converted first.
Numbers, flags, dates, dictionary indices and strings are read where they lie; only types the engine does not know
(decimals, unsigned 32-bit, timestamps, text that stands for numbers) are cast, with a check.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import is_text
from popstrat.core.plain_types import Plain, plain
from popstrat.core.soundness import cleared, refuse_unsound
from popstrat.core.text import suggest
from popstrat.engine import CODE_NULL, CODE_UNKNOWN, Labels
from popstrat.errors import InputError, looks_like_number
from popstrat.packs.patient_table import Column, Schema, fold_label, refuse_spellings
from popstrat.packs.spellings import days, from_text

_IN_PLACE: dict[pa.DataType, str] = {
    pa.int8(): "i8", pa.uint8(): "u8", pa.int16(): "i16", pa.int32(): "i32", pa.int64(): "i64",
    pa.float32(): "f32", pa.float64(): "f64",
}  # fmt: skip
WHOLE_TYPES = ("id", "string", "category")
"""Types of columns whose values are no quantities: a decimal there is a whole number."""
_REMEDY = "; if the list has it under another name, rename it or map it ([columns] of --map)"
_HEADLESS = "; does the first line of the file name the columns? Some of its names are numbers"
_WIDER: dict[pa.DataType, pa.DataType] = {pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.float16(): pa.float32()}


@dataclass(frozen=True)
class Binding:
    """How one column is read: the engine's kind, the conversion before it (if any), and labels of a category."""

    column: Column
    position: int  # in the batch
    kind: str
    convert: Callable[[pa.Array], pa.Array] | None = None

    @cached_property
    def spellings(self) -> dict[str, int]:
        """Every accepted spelling of the category's labels, with the label's code."""
        return self.column.label_codes()


def plan(table: pa.Schema, schema: Schema, wanted: Sequence[str], *, whole: bool = True) -> dict[str, Binding]:
    """A binding for each wanted column that the table has. Not ``whole``: it need not be a patient table.

    Raises `InputError` for a required column that is missing, two columns of one name, or a type that cannot be read.
    """
    names = table.names
    for name in dict.fromkeys(names):
        if names.count(name) > 1 and name in schema:
            raise InputError("two columns have this name", column=name)
    refuse_spellings(names, schema.columns)
    for missing in missing_columns(names, schema) if whole else ():
        raise missing
    return {
        name: bind_column(schema[name], names.index(name), table.field(name).type) for name in wanted if name in names
    }


def made_plain(table: pa.Schema, schema: Schema, looked_at: Collection[str]) -> dict[int, Plain]:
    """Of a table's columns that are looked at, those of unusual types: what each is read as, by position."""
    found = {}
    for i, field in enumerate(table):
        column = schema.columns.get(field.name) if field.name in looked_at else None
        if column is not None and (one := _plain(column, field.type)) is not None:
            found[i] = one
    return found


def _plain(column: Column, kind: pa.DataType) -> Plain | None:
    return plain(kind, whole=column.type in WHOLE_TYPES, labels=column.type == "category")


def plain_schema(table: pa.Schema, made: Mapping[int, Plain]) -> pa.Schema:
    """The schema of a table with those columns as they are read."""
    if not made:
        return table
    return pa.schema([f.with_type(made[i].type) if i in made else f for i, f in enumerate(table)])


def plainly(batch: pa.RecordBatch, made: Mapping[int, Plain], schema: pa.Schema) -> pa.RecordBatch:
    """A batch with those columns as they are read. Raises `InputError` for one that is unsound, or not what it says."""
    columns = [
        made[i].convert(batch.column(i), name) if i in made else batch.column(i) for i, name in enumerate(schema.names)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def missing_columns(names: Sequence[str], schema: Schema) -> Iterator[InputError]:
    """An error for each required column that a table with these columns lacks; one of two will do for an age."""
    unknown = set(names) - set(schema.columns)
    headless = _HEADLESS if any(map(looks_like_number, unknown)) else ""
    for column in schema:
        if column.required and column.name not in names:
            near = suggest(column.name, unknown)
            yield InputError(f"this required column is missing{near}{_REMEDY}{headless}", column=column.name)
    for birth, age in schema.either:
        if not {birth, age} & set(names):
            near = suggest(birth, unknown) or suggest(age, unknown)
            yield InputError(f"needs the column {birth!r} or {age!r}{near}{_REMEDY}{headless}")


def bind_column(column: Column, position: int, kind: pa.DataType) -> Binding:
    """How a column of the patient table is read from an Arrow type; raises `InputError` if it cannot be."""
    plainer = _plain(column, kind)
    if plainer is not None:
        try:
            return _then(plainer, bind_column(column, position, plainer.type), column.name)
        except InputError as error:
            raise error.saying(error.problem.replace(str(plainer.type), str(kind))) from None
    if pt.is_null(kind):
        return Binding(column, position, "null")
    match column.type:
        case "id":
            if pt.is_integer(kind) or is_text(kind):
                return Binding(column, position, "id")
        case "string":
            if is_text(kind):
                return Binding(column, position, "text")
            if pt.is_integer(kind):  # codes that were read as numbers
                return Binding(column, position, "text", lambda a: a.cast(pa.string()))
        case "bool":
            if pt.is_boolean(kind):
                return Binding(column, position, "bits")
            if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
                return _number(column, position, kind)
            if is_text(kind):
                return Binding(column, position, "bits", lambda a: from_text(a, "bool", column.name))
        case "category":
            if pt.is_dictionary(kind) and is_text(kind.value_type):
                index = {8: "dict8", 16: "dict16", 32: "dict32"}.get(kind.index_type.bit_width)
                if index is not None:
                    return Binding(column, position, index)
                return Binding(
                    column, position, "dict32", lambda a: a.cast(pa.dictionary(pa.int32(), a.type.value_type))
                )
            if pt.is_string(kind):
                return Binding(column, position, "str32")
            if pt.is_large_string(kind):
                return Binding(column, position, "str64")
            if pt.is_integer(kind):  # coded labels, such as sex 1 and 2
                return Binding(column, position, "str32", lambda a: a.cast(pa.string()))
            if pt.is_floating(kind):  # the same, where a null made them floating
                return Binding(column, position, "str32", _labels_of_numbers)
        case "date":
            if pt.is_date32(kind):
                return Binding(column, position, "i32")
            if pt.is_timestamp(kind):
                return Binding(column, position, "i32", lambda a: days(a, column.name))
            if pt.is_date64(kind):
                return Binding(column, position, "i32", lambda a: a.cast(pa.date32(), safe=False))
            if is_text(kind):
                return Binding(column, position, "i32", lambda a: from_text(a, "date", column.name))
        case _:
            if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
                return _number(column, position, kind)
            if pt.is_boolean(kind):
                return Binding(column, position, "u8", lambda a: a.cast(pa.uint8()))
            if is_text(kind):
                return Binding(
                    column,
                    position,
                    "f32" if column.single else "f64",
                    lambda a: from_text(a, column.cells, column.name),
                )
    told = f"{_article(column.type)} is needed, and the column is of type {kind}"
    if column.type == "date" and (pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)):
        told += f'; if it holds days as yyyymmdd, a map can say so: [text.{column.name}] date_format = "yyyymmdd"'
    raise InputError(told, column=column.name)


def _then(plainer: Plain, binding: Binding, name: str) -> Binding:
    """The binding of a column that is made plain before it is read."""

    def convert(array: pa.Array) -> pa.Array:
        made = plainer.convert(array, name)
        return made if binding.convert is None else binding.convert(made)

    return replace(binding, convert=convert)


def _labels_of_numbers(column: pa.Array) -> pa.Array:
    """Coded labels that a null made floating; NaN is no record."""
    values = column.to_numpy(zero_copy_only=False)
    known = pa.array(np.where(values == values, values, 0.0), column.type, mask=values != values)
    return known.cast(pa.int64()).cast(pa.string())


def _article(kind: str) -> str:
    return {"id": "a whole number or text", "string": "text", "bool": "true or false", "category": "a label",
            "date": "a date", "int": "a number", "float": "a number"}[kind]  # fmt: skip


def _number(column: Column, position: int, kind: pa.DataType) -> Binding:
    if kind in _IN_PLACE:
        return Binding(column, position, _IN_PLACE[kind])
    if pt.is_decimal(kind):  # through text: Arrow's own cast is a unit out in the last place, 58.00000 not being 58
        number = pa.float32() if column.single else pa.float64()
        return Binding(column, position, _IN_PLACE[number], lambda a: a.cast(pa.string()).cast(number))
    target = _WIDER.get(kind, pa.float64())
    return Binding(column, position, _IN_PLACE[target], lambda a: a.cast(target, safe=False))


def label_codes(column: Column) -> Labels:
    """The engine's table of a category's accepted spellings."""
    return Labels(column.label_codes())


def label_numbers(known: dict[str, int], dictionary: pa.Array) -> np.ndarray[Any, Any]:
    """For each entry of a sound dictionary the code of its label (uint8), from the codes by spelling."""
    codes = np.full(len(dictionary), CODE_NULL, dtype=np.uint8)
    for i, entry in enumerate(dictionary.to_pylist()):
        text = "" if entry is None else entry.strip(" ")
        codes[i] = known.get(fold_label(text), CODE_UNKNOWN) if text else CODE_NULL
    return codes


def label_table(codes: np.ndarray[Any, Any], kind: str) -> tuple[np.ndarray[Any, Any], int]:
    """The codes of a dictionary's entries as the engine's table for a kind of column, and how many there are; an index
    beyond them is an unknown label. Eight bits reach no more than 256."""
    size = min(len(codes), 256) if kind == "dict8" else len(codes)
    table = np.full(max(256, size), CODE_UNKNOWN, dtype=np.uint8)
    table[:size] = codes[:size]
    return table, size


def converted(array: pa.Array, binding: Binding) -> pa.Array:
    """The array, cast if the engine does not read its type. Raises `InputError` if it is unsound or will not cast."""
    column = binding.column
    if binding.convert is None:
        return array
    refuse_unsound(array, column.name)
    try:
        return binding.convert(cleared(array))
    except InputError:
        raise
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise InputError(f"{_article(column.type)} is needed", column=column.name) from None


def buffers(array: pa.Array, binding: Binding, labels: Labels | None) -> tuple[tuple[Any, ...], int | None]:
    """(values, valid, offset, characters, table, labels) of a column for `engine.Frame`, and its dictionary's size."""
    array = converted(array, binding)
    if binding.kind.startswith("dict"):
        codes = label_numbers(binding.spellings, array.dictionary)
        valid, values = array.indices.buffers()
        table, size = label_table(codes, binding.kind)
        return (values, valid, array.offset, None, table, None), size
    found = array.buffers()
    valid = found[0]
    if binding.kind.startswith("str"):
        return (found[1], valid, array.offset, found[2], None, labels), None
    return (found[1], valid, array.offset, None, None, None), None
