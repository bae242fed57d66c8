"""Values as CSV text, rows as lines: many practices' rows at once, since formatting does not care whose they are.

`cell_texts` is what a reader of the file should find in the cells; `lines` is how the file says it, with its quotes and
separators. Text is never made from a float that stands for an identifier: keys are whole numbers or text, NHS numbers
64-bit integers, SNOMED CT codes text from beginning to end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.dates import from_days
from popstrat.core.spreadsheets import NEUTRAL, formulas
from popstrat.errors import InputError
from popstrat.privacy.nhs_numbers import to_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect, format_date

_LARGEST = 9e15  # beyond it doubles are not whole numbers one by one
_TRIMMED = 6  # decimals of a number without `decimals`, less trailing zeros
_CONTROL = r"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]"
_PLAIN_KEY = "^[A-Za-z0-9][A-Za-z0-9_.:/+=-]*$"

Data = Mapping[str, pa.Array]
"""Columns by source: labels as int16 indices, practices as text, NHS numbers as int64, dates as int32 days."""


def cell_texts(column: FileColumn, data: Data, rows: int, dialect: Dialect) -> pa.Array:
    """The cells of a column: text or a dictionary of texts, without nulls.

    Raises `InputError`, with rows of the data, for a text that a cell cannot hold.
    """
    found = _cell_texts(column, data, rows, dialect)
    if column.identifier and dialect.excel_text != "none":
        before, after = ("'", "") if dialect.excel_text == "apostrophe" else ('="', '"')
        if pa.types.is_dictionary(found.type):
            return _with_dictionary(found, _wrapped(found.dictionary, before, after))
        return _wrapped(found, before, after)
    return found


def _cell_texts(column: FileColumn, data: Data, rows: int, dialect: Dialect) -> pa.Array:
    if column.role == "constant":
        return _coded(np.zeros(rows, np.int32), [column.constant])
    values = data[column.source]
    match column.role:
        case "nhs_number":
            return to_text(values.to_numpy(zero_copy_only=False))
        case "date":
            return _dates(values, column)
        case "label" | "change":
            texts = ["" if text is None else text for text in column.texts]
            return _coded(_indices(values, len(texts)), [*texts, column.null])
        case "flag":
            return _coded(_indices(values.cast(pa.int8()), 2), [*(text or "" for text in column.texts), column.null])
        case "number":
            return _numbers(values, column)
        case "key":
            return _keys(values, column)
    return _texts(values, column, dialect)


def _coded(indices: Any, texts: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(texts, pa.string()))


def _with_dictionary(coded: pa.Array, texts: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(coded.indices, texts)


def _indices(values: pa.Array, null: int) -> Any:
    return np.asarray(pc.fill_null(values.cast(pa.int32()), null))


def _wrapped(texts: pa.Array, before: str, after: str) -> pa.Array:
    """Text in what makes a spreadsheet leave it alone; an empty cell stays empty."""
    found = pc.binary_join_element_wise(pa.scalar(before), texts, pa.scalar(after), "")
    return pc.if_else(pc.equal(texts, ""), texts, found)


def _dates(values: pa.Array, column: FileColumn) -> pa.Array:
    coded = values.cast(pa.int32()).dictionary_encode()
    texts = [format_date(from_days(day), column.date_format) for day in coded.dictionary.to_pylist()]
    return _coded(_indices(coded.indices, len(texts)), [*texts, column.null])


def _numbers(values: pa.Array, column: FileColumn) -> pa.Array:
    if pa.types.is_integer(values.type) and not column.decimals:
        return pc.fill_null(values.cast(pa.string()), column.null)
    decimals = _TRIMMED if column.decimals is None else column.decimals
    valid = np.asarray(values.is_valid())
    numbers = np.nan_to_num(np.asarray(pc.fill_null(values.cast(pa.float64()), 0.0)), nan=np.inf)
    # A tie is one of the decimal number meant, and goes to the even neighbour: 0.0505 to 0.050, 0.0515 to 0.052.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(np.round(numbers * 10.0**decimals, _TRIMMED))
    odd = np.flatnonzero(~(np.abs(scaled) < _LARGEST) & valid)
    if len(odd):
        raise InputError("is not a number that can be written", column=column.source, rows=odd.tolist())
    whole, rest = np.divmod(np.abs(np.where(valid, scaled, 0)).astype(np.int64), 10**decimals)
    text = pa.array(whole).cast(pa.string())
    if decimals:
        fraction = pc.utf8_lpad(pa.array(rest).cast(pa.string()), decimals, "0")
        text = pc.binary_join_element_wise(text, fraction, ".")
        if column.decimals is None:
            text = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
    negative = pa.array((scaled < 0) & valid)
    text = pc.if_else(negative, pc.binary_join_element_wise(pa.scalar("-"), text, ""), text)
    return pc.if_else(pa.array(valid), text, pa.scalar(column.null))


def _keys(values: pa.Array, column: FileColumn) -> pa.Array:
    if pa.types.is_integer(values.type):
        return values.cast(pa.string())
    odd = np.flatnonzero(~np.asarray(pc.match_substring_regex(values, _PLAIN_KEY)))
    if len(odd):
        raise InputError(
            "has an id of other characters than letters, digits and _ . : / + = - after a letter or digit",
            column=column.source,
            rows=odd[:5].tolist(),
            more=max(0, len(odd) - 5),
        )
    return values


def _texts(values: pa.Array, column: FileColumn, dialect: Dialect) -> pa.Array:
    """Text from the data: what a spreadsheet would take for a formula, and what the file cannot hold, is dealt with."""
    coded = values.dictionary_encode() if not pa.types.is_dictionary(values.type) else values
    texts = coded.dictionary.cast(pa.string())
    formula = formulas(texts)
    problems = [(pc.match_substring_regex(texts.cast(pa.binary()), _CONTROL), "has a line end or a control character")]
    if dialect.formulas == "refuse":
        problems.append((formula, "begins with a sign that makes it a formula in a spreadsheet"))
    if dialect.encoding == "cp1252":
        lacks = [not _holds(text, dialect.encoding) for text in texts.to_pylist()]
        problems.append((pa.array(lacks, pa.bool_()), f"has a character that is not in {dialect.encoding}"))
    for wrong, why in problems:
        if pc.any(wrong).as_py():
            rows = np.flatnonzero(np.asarray(pc.fill_null(wrong.take(coded.indices), False)))
            if len(rows):
                raise InputError(why, column=column.source, rows=rows[:5].tolist(), more=max(0, len(rows) - 5))
    texts = pc.if_else(formula, _wrapped(texts, NEUTRAL, ""), texts)
    indices = _indices(coded.indices, len(texts))
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.concat_arrays([texts, pa.array([column.null], pa.string())])
    )


def _holds(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def decoded(texts: pa.Array) -> pa.Array:
    """Cells without their dictionary."""
    return texts.dictionary_decode() if pa.types.is_dictionary(texts.type) else texts


def lines(texts: Sequence[pa.Array], columns: Sequence[FileColumn], dialect: Dialect) -> pa.Array:
    """Each row as a line, with its end; large text, so that the lines of any number of rows are one buffer."""
    quoted = []
    for cells, column in zip(texts, columns, strict=True):
        always = dialect.quoting == "all" or (dialect.quoting == "text" and column.role != "number")
        if pa.types.is_dictionary(cells.type):
            quoted.append(_with_dictionary(cells, _quoted(cells.dictionary, always, dialect)).dictionary_decode())
        else:
            quoted.append(_quoted(cells, always, dialect))
    return _joined(quoted, dialect.delimiter, dialect.line_end)


def _joined(columns: Sequence[pa.Array], delimiter: str, line_end: str) -> pa.Array:
    """Columns of text joined into lines, as large text."""
    large = [cells.cast(pa.large_string()) for cells in columns]

    def constant(value: str) -> pa.Scalar:
        return pa.scalar(value, pa.large_string())

    joined = large[0] if len(large) == 1 else pc.binary_join_element_wise(*large, constant(delimiter))
    return pc.binary_join_element_wise(joined, constant(line_end), constant(""))


def header(columns: Sequence[FileColumn], dialect: Dialect) -> bytes:
    """The first line of a file."""
    always = dialect.quoting != "minimal"
    names = _quoted(pa.array([c.name for c in columns], pa.string()), always, dialect).to_pylist()
    return (dialect.delimiter.join(names) + dialect.line_end).encode(dialect.encoding)


def _quoted(texts: pa.Array, always: bool, dialect: Dialect) -> pa.Array:
    if always:
        doubled = pc.replace_substring(texts, '"', '""') if _any(texts, '"') else texts
        return pc.binary_join_element_wise(pa.scalar('"'), doubled, pa.scalar('"'), "")
    marks = [mark for mark in ('"', dialect.delimiter) if _any(texts, mark)]
    if not marks:
        return texts
    needs = pc.match_substring(texts, marks[0])
    for mark in marks[1:]:
        needs = pc.or_(needs, pc.match_substring(texts, mark))
    return pc.if_else(needs, _quoted(texts, True, dialect), texts)


def _any(texts: pa.Array, mark: str) -> bool:
    return bool(pc.any(pc.match_substring(texts, mark)).as_py())


def slices(text: pa.Array, starts: Sequence[int]) -> list[memoryview]:
    """The bytes (UTF-8) of the lines between each two of ``starts``; no copy."""
    _, offsets, data = text.buffers()
    edges = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    view = memoryview(data) if data is not None else memoryview(b"")
    return [view[int(edges[a]) : int(edges[b])] for a, b in itertools.pairwise(starts)]


def encoded(text: memoryview, dialect: Dialect) -> bytes | memoryview:
    """UTF-8 in the file's encoding."""
    return text if dialect.encoding.startswith("utf-8") else str(text, "utf-8").encode(dialect.encoding)
