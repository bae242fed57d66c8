"""The other cells of an extract as canonical values: ids, codes, kinds of activity, labels, flags. A column at a time.

A column that is as it should be is passed on as it is. Text is read once for each distinct one. What is not what it
should be becomes null and is counted by its reason; what cannot be read without guessing (a code in scientific
notation) is refused, by an `InputError` with the column and its first rows.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import from_numpy, is_text, numbers, numpy_type, plain, true, valid
from popstrat.core.lazy import compute as pc
from popstrat.deriving.canonical import KINDS
from popstrat.deriving.columns import Tally, at_rows, cast, coded_texts, having, rows_with, texts_of, whole, without
from popstrat.deriving.layout import Taken, bare
from popstrat.errors import InputError
from popstrat.packs.keys import A_NUMBER, MadeNumber, as_read
from popstrat.packs.keys import code as code_text
from popstrat.packs.spellings import folded, from_text
from popstrat.scoring.unique_ids import hash_ids

LABELS = pa.dictionary(pa.int32(), pa.string())

_SNOMED = re.compile(r"[1-9][0-9]{5,17}")
_GROUP_KEY = np.uint64(0)  # groups are compared across files, and runs


# -- ids ----------------------------------------------------------------------------------------------------------


def ids(column: pa.Array, name: str) -> pa.Array:
    """Ids as int64 or string, null for none."""
    column = whole(column)
    if pt.is_integer(column.type):
        return column if column.type == pa.int64() else cast(column, pa.int64(), name)
    if pt.is_null(column.type):
        return pa.nulls(len(column), pa.string())
    if not is_text(column.type):
        raise InputError(f"is {column.type}; ids are text or whole numbers", column=name)
    found = plain(as_read(column, "key", name).column)
    return found if found.type == pa.string() else found.cast(pa.string())


def of_type(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Ids as the other type: digits as the number that they are written for, and back; null for what is no number."""
    if not pt.is_integer(wanted):
        return column.cast(wanted)
    return without(column, ~having(column, r"^(?:0|-?[1-9][0-9]{0,17})$")).cast(pa.int64())


def groups(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """What rows of one reading share: whole numbers as they are, text as its hash."""
    column = whole(column)
    if pt.is_integer(column.type):
        return column if column.type == pa.int64() else cast(column, pa.int64(), name)
    if pt.is_null(column.type):
        return pa.nulls(len(column), pa.int64())
    if not is_text(column.type):
        raise InputError(f"is {column.type}; what rows of one reading share is text or a whole number", column=name)
    texts = pc.utf8_trim_whitespace(plain(column))
    none = pa.array(["", *how.spelling.nulls], texts.type)
    known = valid(texts) & ~true(pc.is_in(pc.utf8_lower(texts), value_set=none))
    hashes = hash_ids(texts.fill_null(""), _GROUP_KEY).view(np.int64)
    return from_numpy(hashes, ~known)


# -- codes --------------------------------------------------------------------------------------------------------


def codes(column: pa.Array, name: str, how: Taken, tally: Tally, lost: int = 0) -> pa.Array:
    """SNOMED CT codes as int64, or a dictionary of these; null where there is none that can be, counted. So many of
    the nulls are ``lost`` and counted already.

    Raises `InputError` for numbers that were floating-point ones, or are written so.
    """
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    if kind == pa.int64():
        tally.note("no_code", column.null_count - lost)
        return column
    if pt.is_floating(kind):
        raise InputError(f"is {kind}: floating-point numbers lose digits of codes; export it as text", column=name)
    column = whole(column)
    if pt.is_integer(column.type) or pt.is_null(column.type):
        tally.note("no_code", column.null_count - lost)
        return cast(column, pa.int64(), name)
    if not is_text(column.type):
        raise InputError(f"is {kind}; codes are whole numbers, or their digits as text", column=name)
    coded = coded_texts(column)
    entries, why = read_codes(coded.dictionary, how.spelling.nulls)
    if rows_made := [i for i, reason in why.items() if reason is None]:
        rows = rows_with(coded, rows_made)
        if len(rows):
            raise at_rows(A_NUMBER.format(kind="code"), name, rows)
    found = Counter(no_code=coded.indices.null_count - lost)
    for reason in {w for w in why.values() if w is not None}:
        found[reason] += len(rows_with(coded, [i for i, w in why.items() if w == reason]))
    for reason, many in found.items():
        tally.note(reason, many)
    return entries.take(coded.indices) if entries.null_count else pa.DictionaryArray.from_arrays(coded.indices, entries)


def read_codes(texts: pa.Array, nulls: frozenset[str] = frozenset()) -> tuple[pa.Array, dict[int, str | None]]:
    """Distinct texts as codes, and of those that are none the reason; None where a program made a number of it."""
    odd = np.flatnonzero(~having(texts, r"^[1-9][0-9]{5,17}$"))
    why: dict[int, str | None] = {}
    if not len(odd):
        return texts.cast(pa.int64()), why
    found: dict[int, int] = {}
    for at, text in zip(odd.tolist(), texts.take(from_numpy(odd)).to_pylist(), strict=True):
        read = None if text is None or folded(text) in nulls else code_text(text)
        if isinstance(read, MadeNumber):
            why[at] = None
        elif read is None:
            why[at] = "no_code"
        elif _SNOMED.fullmatch(read):
            found[at] = int(read)
        else:
            why[at] = "not_a_code"
    mask = np.zeros(len(texts), np.bool_)
    mask[odd] = True
    whole = np.zeros(len(texts), np.int64)
    if not mask.all():
        whole[~mask] = numbers(texts.filter(from_numpy(~mask)).cast(pa.int64()))
    for at, number in found.items():
        whole[at], mask[at] = number, False
    return from_numpy(whole, mask), why


def kinds(column: pa.Array, name: str, how: Taken, tally: Tally) -> pa.Array:
    """The kinds of activity as their indices in `KINDS`; null for another, counted as ``another_kind``."""
    coded = labels(column, name, how)
    places: list[int | None] = []
    for text in coded.dictionary.to_pylist():
        word = None if text is None else folded(text)
        places.append(KINDS.index(word) if word in KINDS else None)
    found = pa.array(places, pa.int64()).take(coded.indices)
    tally.note("another_kind", found.null_count)
    return found


# -- labels, flags and the rest -----------------------------------------------------------------------------------


def labels(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """Text as a dictionary, without blanks around it, as the layout says what it stands for; null for no record."""
    if pt.is_null(column.type):
        return pa.nulls(len(column), LABELS)
    if not is_text(column.type):
        column = texts_of(column, name)
    coded = coded_texts(column)
    texts = tuple(coded.dictionary.to_pylist())
    meant = _labels(texts, how)
    if meant == texts:
        return coded if coded.type == LABELS else coded.cast(LABELS)
    if None not in meant:
        found = pa.DictionaryArray.from_arrays(coded.indices, pa.array(meant, pa.string()), safe=False)
        return found if found.type == LABELS else found.cast(LABELS)
    distinct = list(dict.fromkeys(m for m in meant if m is not None))
    place = {text: i for i, text in enumerate(distinct)}
    codes = pa.array([None if m is None else place[m] for m in meant], pa.int32()).take(coded.indices)
    return pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))


@lru_cache(maxsize=64)  # batch after batch has the same dictionary
def _labels(texts: tuple[str | None, ...], how: Taken) -> tuple[str | None, ...]:
    return tuple(_label(text, how) for text in texts)


def _label(text: str | None, how: Taken) -> str | None:
    if text is None:
        return None
    word = folded(text)
    if (key := word if word in how.values else bare(text)) in how.values:
        return how.values[key]
    return None if not word or word in how.spelling.nulls else text.strip()


def practice_codes(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """ODS codes as they are compared, as a dictionary."""
    coded = labels(column, name, how)
    found = as_read(coded, "code", name).column
    return found if not found.dictionary.null_count else labels(plain(found), name, how)


def flags(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """True and false. Raises `InputError` for what is neither."""
    if pt.is_boolean(column.type):
        return column
    if pt.is_null(column.type):
        return pa.nulls(len(column), pa.bool_())
    return from_text(texts_of(column, name), "bool", name, how.spelling)


def whole_numbers(column: pa.Array, name: str, how: Taken, kind: pa.DataType) -> pa.Array:
    """Whole numbers of a small type; null for what is none or does not fit it."""
    if column.type == kind:
        return column
    if pt.is_null(column.type):
        return pa.nulls(len(column), kind)
    if is_text(column.type):
        column = from_text(column, "float", name, how.spelling)
    wide = numbers(column.cast(pa.float64(), safe=False).fill_null(np.nan))
    limits = np.iinfo(numpy_type(kind))
    fits = (wide >= limits.min) & (wide <= limits.max) & (np.trunc(wide) == wide)
    return from_numpy(np.where(fits, wide, 0).astype(numpy_type(kind)), ~fits)
