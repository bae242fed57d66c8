"""Cells as text, rows as lines: many practices' rows at once, since formatting does not care whose they are.

`content` is what a reader of the file should find in a cell; `lines` is how the file says it (quotes, separators).
Text is never made from a float that stands for an identifier: keys are whole numbers or text, NHS numbers 64-bit
integers, SNOMED CT codes text from beginning to end.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.dates import from_days
from popstrat.errors import InputError
from popstrat.nhsnumber import to_text
from popstrat.upload.template import FORMULA_SIGNS, Cell, Dialect, format_date

_LARGEST = 9e15  # beyond it doubles are not whole numbers one by one
_TRIMMED = 6  # places of a number without `decimals`, less trailing zeros
_CONTROL = r"[\x00-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]"
_PLAIN_KEY = "^[A-Za-z0-9][A-Za-z0-9_.:/+=-]*$"

Data = Mapping[str, pa.Array]
"""Columns by name: labels as int16 places, practices as text, NHS numbers as int64, dates as int32 days."""


def content(cell: Cell, data: Data, rows: int, dialect: Dialect) -> pa.Array:
    """The cells of a column: text or a dictionary of texts, without nulls.

    Raises `InputError`, with rows of the data, for a text that a cell cannot hold.
    """
    found = _content(cell, data, rows, dialect)
    if cell.identifier and dialect.excel_text != "none":
        before, after = ("'", "") if dialect.excel_text == "apostrophe" else ('="', '"')
        if pa.types.is_dictionary(found.type):
            return _with_dictionary(found, _wrapped(found.dictionary, before, after))
        return _wrapped(found, before, after)
    return found


def _content(cell: Cell, data: Data, rows: int, dialect: Dialect) -> pa.Array:
    if cell.role == "constant":
        return _coded(np.zeros(rows, np.int32), [cell.constant])
    column = data[cell.source]
    match cell.role:
        case "nhs_number":
            return to_text(column.to_numpy(zero_copy_only=False))
        case "date":
            return _dates(column, cell)
        case "label" | "change":
            texts = ["" if text is None else text for text in cell.texts]
            return _coded(_places(column, len(texts)), [*texts, cell.null])
        case "flag":
            return _coded(_places(column.cast(pa.int8()), 2), [*(text or "" for text in cell.texts), cell.null])
        case "number":
            return _numbers(column, cell)
        case "key":
            return _keys(column, cell)
    return _texts(column, cell, dialect)


def _coded(places: Any, texts: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(texts, pa.string()))


def _with_dictionary(column: pa.Array, texts: pa.Array) -> pa.Array:
    return pa.DictionaryArray.from_arrays(column.indices, texts)


def _places(column: pa.Array, null: int) -> Any:
    return np.asarray(pc.fill_null(column.cast(pa.int32()), null))


def _wrapped(texts: pa.Array, before: str, after: str) -> pa.Array:
    """Text in what makes a spreadsheet leave it alone; an empty cell stays empty."""
    found = pc.binary_join_element_wise(pa.scalar(before), texts, pa.scalar(after), "")
    return pc.if_else(pc.equal(texts, ""), texts, found)


def _dates(column: pa.Array, cell: Cell) -> pa.Array:
    coded = column.cast(pa.int32()).dictionary_encode()
    texts = [format_date(from_days(day), cell.date_format) for day in coded.dictionary.to_pylist()]
    return _coded(_places(coded.indices, len(texts)), [*texts, cell.null])


def _numbers(column: pa.Array, cell: Cell) -> pa.Array:
    if pa.types.is_integer(column.type) and not cell.decimals:
        return pc.fill_null(column.cast(pa.string()), cell.null)
    decimals = _TRIMMED if cell.decimals is None else cell.decimals
    valid = np.asarray(column.is_valid())
    values = np.nan_to_num(np.asarray(pc.fill_null(column.cast(pa.float64()), 0.0)), nan=np.inf)
    # A tie is one of the decimal number meant, and goes to the even neighbour: 0.0505 to 0.050, 0.0515 to 0.052.
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.rint(np.round(values * 10.0**decimals, _TRIMMED))
    odd = np.flatnonzero(~(np.abs(scaled) < _LARGEST) & valid)
    if len(odd):
        raise InputError("is not a number that can be written", column=cell.source, rows=odd.tolist())
    whole, rest = np.divmod(np.abs(np.where(valid, scaled, 0)).astype(np.int64), 10**decimals)
    text = pa.array(whole).cast(pa.string())
    if decimals:
        fraction = pc.utf8_lpad(pa.array(rest).cast(pa.string()), decimals, "0")
        text = pc.binary_join_element_wise(text, fraction, ".")
        if cell.decimals is None:
            text = pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), ".")
    negative = pa.array((scaled < 0) & valid)
    text = pc.if_else(negative, pc.binary_join_element_wise(pa.scalar("-"), text, ""), text)
    return pc.if_else(pa.array(valid), text, pa.scalar(cell.null))


def _keys(column: pa.Array, cell: Cell) -> pa.Array:
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    odd = np.flatnonzero(~np.asarray(pc.match_substring_regex(column, _PLAIN_KEY)))
    if len(odd):
        raise InputError(
            "has an id of other characters than letters, digits and _ . : / + = - after a letter or digit",
            column=cell.source,
            rows=odd[:5].tolist(),
            more=max(0, len(odd) - 5),
        )
    return column


def _texts(column: pa.Array, cell: Cell, dialect: Dialect) -> pa.Array:
    """Text from the data: what a spreadsheet would take for a formula, and what the file cannot hold, is dealt with."""
    coded = column.dictionary_encode() if not pa.types.is_dictionary(column.type) else column
    texts = coded.dictionary.cast(pa.string())
    formula = pc.is_in(pc.utf8_slice_codeunits(texts, 0, 1), value_set=pa.array(list(FORMULA_SIGNS)))
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
                raise InputError(why, column=cell.source, rows=rows[:5].tolist(), more=max(0, len(rows) - 5))
    texts = pc.if_else(formula, _wrapped(texts, "'", ""), texts)
    places = _places(coded.indices, len(texts))
    return pa.DictionaryArray.from_arrays(
        pa.array(places, pa.int32()), pa.concat_arrays([texts, pa.array([cell.null], pa.string())])
    )


def _holds(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def plain(cells: pa.Array) -> pa.Array:
    """Cells without their dictionary."""
    return cells.dictionary_decode() if pa.types.is_dictionary(cells.type) else cells


def lines(columns: Sequence[pa.Array], cells: Sequence[Cell], dialect: Dialect) -> pa.Array:
    """Each row as a line, with its end; large text, so that the lines of any number of rows are one buffer."""
    quoted = []
    for column, cell in zip(columns, cells, strict=True):
        always = dialect.quoting == "all" or (dialect.quoting == "text" and cell.role != "number")
        if pa.types.is_dictionary(column.type):
            quoted.append(_with_dictionary(column, _quoted(column.dictionary, always, dialect)).dictionary_decode())
        else:
            quoted.append(_quoted(column, always, dialect))
    return rows_of(quoted, dialect.delimiter, dialect.line_end)


def rows_of(columns: Sequence[pa.Array], delimiter: str, line_end: str) -> pa.Array:
    """Columns of text joined into lines, as large text."""
    large = [column.cast(pa.large_string()) for column in columns]

    def constant(value: str) -> pa.Scalar:
        return pa.scalar(value, pa.large_string())

    joined = large[0] if len(large) == 1 else pc.binary_join_element_wise(*large, constant(delimiter))
    return pc.binary_join_element_wise(joined, constant(line_end), constant(""))


def header(cells: Sequence[Cell], dialect: Dialect) -> bytes:
    """The first line of a file."""
    always = dialect.quoting != "minimal"
    names = _quoted(pa.array([c.name for c in cells], pa.string()), always, dialect).to_pylist()
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
    places = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    view = memoryview(data) if data is not None else memoryview(b"")
    return [view[int(places[a]) : int(places[b])] for a, b in itertools.pairwise(starts)]


def encoded(text: memoryview, dialect: Dialect) -> bytes | memoryview:
    """UTF-8 in the file's encoding."""
    return text if dialect.encoding.startswith("utf-8") else str(text, "utf-8").encode(dialect.encoding)
