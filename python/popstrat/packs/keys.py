"""How keys and codes are spelt: one reading of them for every format, file and command.

A key tells patients apart, a code practices and networks. Programs write one and the same with blanks around it, with
characters that nobody sees, or as text that a spreadsheet is not to touch (``="…"``, ``'…``); people write an NHS
number in groups, and a code in small letters. `key` and `code` say what such a text is; `as_read` does it for a column.
What is as it should be is not copied: one look at all bytes of a column tells.

Nothing here repeats a value: keys are patients'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, is_text
from popstrat.core.lazy import compute as pc
from popstrat.core.soundness import cleared, exportable, refuse_astray, refuse_unsound, refuse_unsound_dictionary
from popstrat.engine.arrays.check_digits import PASSED, weighted_mod11
from popstrat.engine.arrays.letters import CAPITAL, DIGIT, JOINING, OTHER, SMALL, changes, made_of
from popstrat.errors import InputError
from popstrat.packs.patient_table import CODE_COLUMNS, ID, PLACE_COLUMNS
from popstrat.packs.spellings import folded

Kind = Literal["key", "code", "name"]

A_NUMBER = (
    "has been through a spreadsheet or a floating-point number, which turned a {kind} into a number (as 4E+09 or "
    "120.0), so that digits may be lost; export the column as text"
)

_ROWS_NAMED = 5
_DIGITS = 10  # of an NHS number
_UNSEEN = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_KEPT_AS_TEXT = re.compile(r"""=\s*"(.*)"|'(.*?)'?|"(.*)"|“(.*)”|‘(.*)’""", re.DOTALL)
_NO_RECORD = frozenset(
    {"null", "(null)", "<null>", "\\n", "n/a", "#n/a", "nan", "none", "nat", "<na>", "#null!", "#ref!", "#value!"}
    | {"#name?", "#num!", "#div/0!"}
)
_NUMBER = (
    r"[0-9]+(?:[.,][0-9]+)?[eE]\+[0-9]{1,3}|[0-9]+[.,][0-9]+[eE]-?[0-9]{1,3}|[0-9]+[.,]0+"
    r"|[0-9]{1,3}(?:,[0-9]{3})+(?:\.0+)?|#+"
)
_MADE_NUMBER: Mapping[Kind, re.Pattern[str]] = {
    # 5E1 is a code, and what a short key of digits would be; of a key no digest is as short
    "key": re.compile(rf"{_NUMBER}|[0-9][eE][0-9]{{1,2}}"),
    "code": re.compile(_NUMBER),
    "name": re.compile(r"(?!)"),  # a place may be called by a number
}
_APART = re.compile(r"(?:\s|[-\u2010-\u2015\u2212])+")
_GROUPED = re.compile(rf"[0-9]{{3}}(?:{_APART.pattern})?[0-9]{{3}}(?:{_APART.pattern})?[0-9]{{4}}")
_PARTED = re.compile(rf"[0-9]+(?:{_APART.pattern}[0-9]+)+")
_ODS = re.compile(r"(?=(?:[A-Za-z]*[0-9]){3})[A-Za-z][A-Za-z0-9]{4,8}")

_LONGEST_WORD = 4  # of those in _NO_RECORD that are letters alone, and of the shortest keys that were made numbers
_LONGEST_GROUPED = 24
_FEW_CHANGES = 1024  # rows whose names or codes are looked at in place of all


class MadeNumber:
    """What stands for a text that a program made a number of."""


MADE_NUMBER = MadeNumber()


def key(text: str) -> str | MadeNumber | None:
    """The key that a text is; None for no record.

    Characters that are not seen go, blanks around it, and a spreadsheet's signs of a text. Ten digits in groups of
    three, three and four lose what stands between those (blanks, hyphens); in other groups, where the last is the check
    digit of an NHS number. All else stays: capitals, leading zeros, what stands within.
    """
    found = _bare(text, "key")
    if not isinstance(found, str) or len(found) > _LONGEST_GROUPED or not _PARTED.fullmatch(found):
        return found
    digits = _APART.sub("", found)
    return digits if len(digits) == _DIGITS and (_GROUPED.fullmatch(found) or _checks(digits)) else found


def code(text: str) -> str | MadeNumber | None:
    """The code of a practice or a network that a text is; None for no record. As `key`, but that the letters of what
    has the form of an ODS code (a letter, then four to eight letters and digits, three digits at least) are capitals.
    """
    found = _bare(text, "code")
    return found.upper() if isinstance(found, str) and _ODS.fullmatch(found) else found


def name(text: str) -> str | MadeNumber | None:
    """The name of a place that a text is; None for no record. As `key`, but that digits in groups stay."""
    found = _bare(text, "name")
    return None if isinstance(found, str) and folded(found) == "na" else found


READERS: Mapping[Kind, Callable[[str], str | MadeNumber | None]] = {"key": key, "code": code, "name": name}


def _bare(text: str, kind: Kind) -> str | MadeNumber | None:
    text = _UNSEEN.sub("", text).strip()
    while text and (kept := _KEPT_AS_TEXT.fullmatch(text)):
        text = next(part for part in kept.groups() if part is not None).strip()
    if not text or folded(text) in _NO_RECORD:
        return None
    return MADE_NUMBER if _MADE_NUMBER[kind].fullmatch(text) else text


def _checks(digits: str) -> bool:
    number, state = np.empty(1, np.int64), np.empty(1, np.uint8)
    ends = np.array([0, _DIGITS], np.int32)
    weighted_mod11(ends, digits.encode(), None, 0, 1, 4, _DIGITS, number, state)
    return bool(state[0] == PASSED)


def kind_of(column: str) -> Kind | None:
    """What a column of the patient table holds, if keys or codes."""
    if column == ID:
        return "key"
    return "code" if column in CODE_COLUMNS else "name" if column in PLACE_COLUMNS else None


# -- columns ------------------------------------------------------------------------------------------------------


class AsRead(NamedTuple):
    """A column of keys or codes as it is read, of the type that it had; and how many rows were written otherwise."""

    column: pa.Array
    respelt: int


def as_read(column: pa.Array, kind: Kind, name: str) -> AsRead:
    """A column of any type with its keys or codes as they are compared; other than text it stays as it is.

    Text that is not UTF-8 stays as it is. Raises `InputError` naming the column and its first rows for what a program
    made a number of, or if text lies outside the column.
    """
    if not is_text(column.type):
        return AsRead(column, 0)
    try:
        column.validate()
    except pa.ArrowException:
        refuse_unsound(column, name)
    if kind == "name":
        return _of_names(column, name)
    if pt.is_dictionary(column.type):
        return _of_entries(column, kind, name)
    view = pt.is_string_view(column.type)
    if view:
        refuse_astray(column, name)
    texts = cleared(column).cast(pa.large_string()) if view else column
    try:
        if kind == "code":  # few in a list that is sorted by practice
            changed = _where_it_changes(texts, _FEW_CHANGES)
            if len(changed) <= _FEW_CHANGES and _are_plain(texts, changed, kind):
                return AsRead(column, 0)
        found = _read(texts, kind)
    except ValueError:  # offsets that lead outside, which it looks at itself; this names their rows
        refuse_astray(column, name)
        raise
    if found is None:
        return AsRead(column, 0)
    _refuse(found.bad, kind, name)
    values = _with(texts, found)
    return AsRead(exportable(values.cast(column.type)) if view else values, len(found.rows))


def as_read_table(table: pa.Table) -> tuple[pa.Table, dict[str, int]]:
    """A table with its columns of keys and codes `as_read`, and how many rows of each were written otherwise."""
    counts: dict[str, int] = {}
    for i, name in enumerate(table.schema.names):
        if (kind := kind_of(name)) and is_text(table.schema.field(i).type):
            chunks, row = [], 0
            for chunk in table.column(i).chunks:
                try:
                    found = as_read(chunk, kind, name)
                except InputError as error:
                    raise error.located(None, row) from None
                row += len(chunk)
                chunks.append(found.column)
                counts[name] = counts.get(name, 0) + found.respelt
            if counts.get(name):
                table = table.set_column(i, table.schema.field(i), pa.chunked_array(chunks, table.schema.field(i).type))
    return table, {name: count for name, count in counts.items() if count}


def notes(respelt: Mapping[str, int]) -> list[str]:
    """What is to be said of columns whose keys or codes were written otherwise, with how many rows of each."""
    return [_note(name, rows) for name, rows in respelt.items() if rows]


def _note(name: str, rows: int) -> str:
    many = "1 row is" if rows == 1 else f"{rows:,} rows are"
    if kind_of(name) == "name":
        return (
            f"{name}: {many} written in another form (blanks, invisible characters, a "
            "spreadsheet's signs, words for no record): all forms of one place count as one"
        )
    if name in CODE_COLUMNS:
        return (
            f"{name}: {many} written in another form (blanks, capitals, invisible "
            "characters, a spreadsheet's signs): all forms of one code count as one"
        )
    return (
        f"{name}: {many} written in another form (blanks, hyphens in NHS numbers, "
        "invisible characters, a spreadsheet's signs): all forms of one key count as one"
    )


class _Respelt(NamedTuple):
    rows: NDArray[np.intp]
    texts: pa.Array  # of those rows
    bad: NDArray[np.intp]  # rows that were made numbers


def _of_names(column: pa.Array, column_name: str) -> AsRead:
    """A column of names, of which there are few: blanks stand in many that are as they should be."""
    coded = column
    if not pt.is_dictionary(column.type):
        view = pt.is_string_view(column.type)
        if view:
            refuse_astray(column, column_name)
        plain = cleared(column).cast(pa.large_string()) if view else column
        try:
            changed = _where_it_changes(plain)
        except ValueError:  # as in `as_read`
            refuse_astray(column, column_name)
            raise
        if len(changed) <= _FEW_CHANGES and _are_plain(plain, changed, "name"):
            return AsRead(column, 0)
        if _are_names(plain.take(from_numpy(changed)).dictionary_encode().dictionary):
            return AsRead(column, 0)
        coded = plain.dictionary_encode()
    refuse_unsound_dictionary(coded.dictionary, column_name)
    entries = coded.dictionary
    if _are_names(entries):
        return AsRead(column, 0)
    found = _of_entries(coded, "name", column_name)
    if pt.is_dictionary(column.type):
        return found
    return AsRead(exportable(found.column.dictionary_decode().cast(column.type)), found.respelt)


def _are_names(entries: pa.Array) -> bool:
    """Whether all of few texts are as they should be; also where they cannot be read, which others tell."""
    try:
        texts = [entries[i].as_py() for i in range(len(entries))]  # `to_pylist` would import pandas
    except UnicodeDecodeError:
        return True
    return all(text is None or name(text) == text for text in texts)


def _are_plain(texts: pa.Array, rows: NDArray[np.int64], kind: Kind) -> bool:
    """Whether all codes or names of those few rows are as they should be, also those that lie under a null. Where not,
    others tell; this takes a fourth of their time, and a table may come in many chunks."""
    _, ends, data = texts.buffers()
    if ends is None:
        return True
    width = np.int64 if pt.is_large_string(texts.type) else np.int32
    at = np.frombuffer(ends, width, texts.offset + len(texts) + 1)[texts.offset :]
    letters = memoryview(data or b"")
    found = {bytes(letters[i:j]) for i, j in zip(at[rows].tolist(), at[rows + 1].tolist(), strict=True)}
    try:
        return all(READERS[kind](text) == text for text in (one.decode() for one in found))
    except UnicodeDecodeError:
        return False


def _where_it_changes(texts: pa.Array, most: int | None = None) -> NDArray[np.int64]:
    """The rows of a plain column whose texts are not those of the row before: few in a list that is sorted by place. No
    more are looked for than one over ``most``. Raises ValueError for offsets that lead outside."""
    _, ends, data = texts.buffers()
    if not len(texts) or ends is None:
        return np.arange(len(texts))
    at = np.empty(len(texts) if most is None else min(len(texts), most + 1), np.int64)
    found = changes(ends, data, texts.offset, len(texts), 8 if pt.is_large_string(texts.type) else 4, at, most)
    return at[:found]


def _of_entries(column: pa.Array, kind: Kind, name: str) -> AsRead:
    entries = column.dictionary
    refuse_unsound_dictionary(entries, name)
    texts = cleared(entries).cast(pa.large_string()) if pt.is_string_view(entries.type) else entries
    found = _read(texts, kind)
    if found is None:
        return AsRead(column, 0)
    refuse_astray(column, name)
    indices = np.asarray(column.indices.cast(pa.int64()).fill_null(-1))
    _refuse(np.flatnonzero(np.isin(indices, found.bad)), kind, name)
    distinct = _with(texts, found).dictionary_encode()
    codes = distinct.indices.take(column.indices).cast(column.type.index_type)
    values = exportable(distinct.dictionary.cast(entries.type))
    made = pa.DictionaryArray.from_arrays(codes, values, ordered=column.type.ordered)
    return AsRead(made, int(np.isin(indices, found.rows).sum()))


def _read(texts: pa.Array, kind: Kind) -> _Respelt | None:
    """Which texts of a plain column are not as they should be, and what they are; None where all are."""
    odd = _odd(texts, kind)
    if odd is None or not len(odd):
        return None
    given = texts.take(pa.array(odd))
    found = _usual(given, kind)
    left = _odd(found, kind)
    bad = np.zeros(0, np.intp)
    if left is not None and len(left):
        meant, bad = _one_by_one(found.take(pa.array(left)), kind)
        mask = np.zeros(len(found), np.bool_)
        mask[left] = True
        found, bad = _put(found, mask, meant), left[bad]
    before, after = _bytes(given), _bytes(found)
    changed = pc.and_kleene(pc.is_valid(before), pc.fill_null(pc.not_equal(before, after), True))
    rows = np.flatnonzero(np.asarray(changed))
    if not len(rows) and not len(bad):
        return None
    return _Respelt(odd[rows], found.take(pa.array(rows)), odd[bad])


def _usual(texts: pa.Array, kind: Kind) -> pa.Array:
    """What is written otherwise most often, all rows at once: padding, texts of a spreadsheet, numbers in groups."""
    texts = pc.ascii_trim_whitespace(texts)
    if kind != "key":
        return texts
    texts = pc.replace_substring_regex(texts, r"""^(?:="([0-9A-Za-z]+)"|'([0-9A-Za-z]+))$""", r"\1\2")
    return pc.replace_substring_regex(texts, r"^([0-9]{3})[ -]{0,5}([0-9]{3})[ -]{0,5}([0-9]{4})$", r"\1\2\3")


def _one_by_one(texts: pa.Array, kind: Kind) -> tuple[pa.Array, NDArray[np.intp]]:
    """What each text is, and which of them were made numbers, and so stay."""
    read, bad = READERS[kind], []
    found: list[bytes | None] = []
    known: dict[bytes, bytes | None] = {}  # codes come again and again
    raw = _bytes(texts)
    for row, one in enumerate(raw.to_pylist()):
        if one in known:
            found.append(known[one])
            continue
        try:
            meant = None if one is None else read(one.decode())
        except UnicodeDecodeError:
            found.append(one)
            continue
        if isinstance(meant, MadeNumber):
            bad.append(row)
            found.append(one)
            continue
        found.append(None if meant is None else meant.encode())
        if kind != "key":
            known[one] = found[-1]
    return pa.array(found, raw.type).view(texts.type), np.array(bad, np.intp)


def _odd(texts: pa.Array, kind: Kind) -> NDArray[np.intp] | None:
    """The rows that may not be as they should be; None where a look at all bytes at once shows that all are."""
    wide = pt.is_large_string(texts.type)
    _, ends, data = texts.buffers()
    if not len(texts) or ends is None:
        return None
    width = 8 if wide else 4
    kinds, shortest = made_of(ends, data, texts.offset, len(texts), width)
    letters = CAPITAL | (0 if kind == "code" else SMALL)
    plain = not kinds & ~(DIGIT | letters)
    if shortest > 0 and plain and (shortest > _LONGEST_WORD or not kinds & letters):
        return None
    if kind == "key" and not kinds & OTHER and shortest > _LONGEST_GROUPED:
        return None
    each = np.empty(len(texts), np.uint8)
    made_of(ends, data, texts.offset, len(texts), width, each)
    odd = _LOOKED_AT[kind][each]
    if shortest <= _LONGEST_WORD:
        offsets = np.frombuffer(ends, np.int64 if wide else np.int32)[texts.offset : texts.offset + len(texts) + 1]
        lengths = np.diff(offsets)
        odd |= (lengths <= _LONGEST_WORD) & ((each & (CAPITAL | SMALL)) != 0) | (lengths == 0)
    found: NDArray[np.intp] = np.flatnonzero(odd)
    return found


def _looked_at(kind: Kind) -> NDArray[np.bool_]:
    """By the kinds of bytes that a text has, whether it has to be looked at, however long it is."""
    made = np.arange(2 * OTHER)
    odd: NDArray[np.bool_] = (made & OTHER) != 0
    if kind == "code":
        odd |= (made & SMALL) != 0
    elif kind == "key":
        odd |= ((made & JOINING) != 0) & ((made & (CAPITAL | SMALL)) == 0)
    return odd


_LOOKED_AT: Mapping[Kind, NDArray[np.bool_]] = {kind: _looked_at(kind) for kind in ("key", "code", "name")}


def _bytes(texts: pa.Array) -> pa.Array:
    return texts.view(pa.large_binary() if pt.is_large_string(texts.type) else pa.binary())


def _put(texts: pa.Array, mask: NDArray[np.bool_], new: pa.Array) -> pa.Array:
    """The column with other texts where the mask is set."""
    return pc.replace_with_mask(_bytes(texts), pa.array(mask), _bytes(new)).view(texts.type)


def _with(texts: pa.Array, found: _Respelt) -> pa.Array:
    mask = np.zeros(len(texts), np.bool_)
    mask[found.rows] = True
    return _put(texts, mask, found.texts)


def _refuse(bad: NDArray[Any], kind: Kind, name: str) -> None:
    if len(bad):
        problem = A_NUMBER.format(kind=kind)
        more = max(0, len(bad) - _ROWS_NAMED)
        raise InputError(problem, column=name, rows=bad[:_ROWS_NAMED].tolist(), more=more)


def each_code(texts: Iterable[str]) -> list[str]:
    """Codes as somebody gave them on a command line or in a list, as they are read; those of no record are left out.

    Raises `InputError` for one that a program made a number of.
    """
    found = [code(text) for text in texts]
    if any(isinstance(c, MadeNumber) for c in found):
        raise InputError(A_NUMBER.format(kind="code"))
    return [c for c in found if isinstance(c, str)]
