"""The cells of an extract as canonical values: ids, dates, codes, values, labels. A column at a time.

A column that is as it should be is passed on as it is. Text is read once for each distinct one. What is not what it
should be becomes null and is counted by its reason; what cannot be read without guessing (a code in scientific
notation, dates in several forms) is refused, by an `InputError` with the column and its first rows.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, is_text, numbers, plain, true, valid, without_views
from popstrat.core.lazy import compute as pc
from popstrat.derive.canonical import KINDS
from popstrat.derive.layout import Taken, bare
from popstrat.errors import InputError
from popstrat.packs.keys import A_NUMBER, MadeNumber, as_read
from popstrat.packs.keys import code as code_text
from popstrat.packs.spellings import AMBIGUOUS, Spelling, Unreadable, days, folded, from_text, value
from popstrat.scoring.unique_ids import hash_ids

LABELS = pa.dictionary(pa.int32(), pa.string())
FIRST_DAY = dt.date(1900, 1, 1)
"""The earliest day that a date of a record can be."""

_ROWS_NAMED = 5
_SNOMED = re.compile(r"[1-9][0-9]{5,17}")
_GROUP_KEY = np.uint64(0)  # groups are compared across files, and runs


class Tally(Counter[str]):
    """How many rows there were of each reason."""

    def note(self, reason: str, rows: int) -> None:
        if rows:
            self[reason] += int(rows)


# -- ids ----------------------------------------------------------------------------------------------------------


def ids(column: pa.Array, name: str) -> pa.Array:
    """Ids as int64 or string, null for none."""
    column = _whole(column)
    if pt.is_integer(column.type):
        return column if column.type == pa.int64() else _cast(column, pa.int64(), name)
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
    return _without(column, ~_matches(column, r"^(?:0|-?[1-9][0-9]{0,17})$")).cast(pa.int64())


def groups(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """What rows of one reading share: whole numbers as they are, text as its hash."""
    column = _whole(column)
    if pt.is_integer(column.type):
        return column if column.type == pa.int64() else _cast(column, pa.int64(), name)
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
    column = _whole(column)
    if pt.is_integer(column.type) or pt.is_null(column.type):
        tally.note("no_code", column.null_count - lost)
        return _cast(column, pa.int64(), name)
    if not is_text(column.type):
        raise InputError(f"is {kind}; codes are whole numbers, or their digits as text", column=name)
    coded = _coded(column)
    entries, why = read_codes(coded.dictionary, how.spelling.nulls)
    if rows_made := [i for i, reason in why.items() if reason is None]:
        rows = _rows_with(coded, rows_made)
        if len(rows):
            raise _at(A_NUMBER.format(kind="code"), name, rows)
    found = Counter(no_code=coded.indices.null_count - lost)
    for reason in {w for w in why.values() if w is not None}:
        found[reason] += len(_rows_with(coded, [i for i, w in why.items() if w == reason]))
    for reason, many in found.items():
        tally.note(reason, many)
    return entries.take(coded.indices) if entries.null_count else pa.DictionaryArray.from_arrays(coded.indices, entries)


def read_codes(texts: pa.Array, nulls: frozenset[str] = frozenset()) -> tuple[pa.Array, dict[int, str | None]]:
    """Distinct texts as codes, and of those that are none the reason; None where a program made a number of it."""
    odd = np.flatnonzero(~_matches(texts, r"^[1-9][0-9]{5,17}$"))
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


# -- dates --------------------------------------------------------------------------------------------------------

_YEAR = re.compile(r"([12][0-9]{3})(?:-([01][0-9]))?")
_ELSE = ("dd/mm/yyyy", "mm/dd/yyyy", "dd-mmm-yyyy", "dd mmm yyyy", "yyyy/mm/dd", "dd.mm.yyyy", "dd-mm-yyyy", "yyyymmdd")
"""Forms in which others write dates: a date in one of them is a date, and not for guessing."""
_SERIAL = re.compile(r"[2-6][0-9]{4}(?:\.[0-9]+)?")
_SPREADSHEET = "a spreadsheet's number of days"
_ISO = "yyyy-mm-dd"


class Dates:
    """Reads the date columns of one file: all text of one of them has to be in one form."""

    def __init__(self, how: Spelling) -> None:
        self._how, self._form = how, ""

    def read(self, column: pa.Array, name: str, tally: Tally) -> pa.Array:
        """Days; null for what can be no date of a record, counted as ``impossible_…``. Raises `InputError`."""
        column = _whole(column)
        kind = column.type
        if kind == pa.date32():
            return self._bounded(column, name, tally)
        if pt.is_date(kind):
            return self._bounded(column.cast(pa.date32()), name, tally)
        if pt.is_timestamp(kind):
            return self._bounded(days(column, name, self._how.times), name, tally)
        if pt.is_null(kind):
            return pa.nulls(len(column), pa.date32())
        if pt.is_integer(kind) and "yyyymmdd" in self._how.dates:
            column = column.cast(pa.string())
        if not is_text(column.type):
            raise InputError(f"is {kind}, and should be dates", column=name)
        coded = _coded(column)
        texts = coded.dictionary.to_pylist()
        found: list[dt.date | None] = []
        notes: dict[str, list[int]] = {}
        for at, text in enumerate(texts):
            day, form = (None, "") if text is None else _day(text, self._how)
            found.append(day)
            if form:
                notes.setdefault(form, []).append(at)
        for form, entries in notes.items():
            rows = _rows_with(coded, entries)
            if not len(rows):
                continue
            if form in _PARTIAL:
                tally.note(_reason(form, name), len(rows))
            elif form == _IMPOSSIBLE:
                tally.note(_reason("impossible", name), len(rows))
            elif form == AMBIGUOUS:
                raise _at(form, name, rows)
            elif form not in (_ISO, *self._how.dates):
                forms = " or ".join(dict.fromkeys((*self._how.dates, _ISO)))
                raise _at(f"holds dates as {form}, and {forms} is what the layout says; it can say [text] dates",
                          name, rows)  # fmt: skip
            elif self._form and self._form != form:
                raise _at(f"holds dates as {form} and as {self._form}; a column has them in one form", name, rows)
            else:
                self._form = form
        days_of = pa.array(found, pa.date32())
        return self._bounded(days_of.take(coded.indices), name, tally)

    def _bounded(self, column: pa.Array, name: str, tally: Tally) -> pa.Array:
        if not len(column) or column.null_count == len(column):
            return column
        first = pc.min(column).as_py()
        if first >= FIRST_DAY:
            return column
        early = true(pc.less(column, pa.scalar(FIRST_DAY, pa.date32())))
        tally.note(_reason("impossible", name), int(early.sum()))
        return _without(column, early)


_PARTIAL = ("year_only", "month_only")
_IMPOSSIBLE = "impossible"


def _reason(word: str, column: str) -> str:
    """A reason for one date column: ``impossible_date``, ``year_only``; with the column's name where it is another."""
    if word == _IMPOSSIBLE:
        return f"impossible_{column}"
    return word if column == "date" else f"{word}_{column}"


@lru_cache(1 << 16)
def _day(text: str, how: Spelling) -> tuple[dt.date | None, str]:
    """The day that a text is, and its form or what is to be said of it; nothing for no record."""
    word = folded(text)
    if not word or word in how.nulls:
        return None, ""
    for form in ("", *how.dates):
        found = value(word, "date", Spelling(dates=(form,) if form else (), times=how.times))
        if isinstance(found, dt.date):
            return found, form or _ISO
        if isinstance(found, Unreadable) and found.why:
            return None, found.why
    if part := _YEAR.fullmatch(word):
        try:
            return dt.date(int(part[1]), int(part[2] or 1), 1), "month_only" if part[2] else "year_only"
        except ValueError:
            return None, _IMPOSSIBLE
    for form in _ELSE:
        if isinstance(value(word, "date", Spelling(dates=(form,), times="local")), dt.date):
            return None, form
    return None, _SPREADSHEET if _SERIAL.fullmatch(word) else _IMPOSSIBLE


def from_parts(columns: Sequence[pa.Array]) -> pa.Array:
    """Years, months and days as dates in text, as much of them as is there: ``1950-03``."""
    texts = [pc.utf8_trim_whitespace(plain(texts_of(c, ""))).cast(pa.string()) for c in columns]
    for i in range(1, len(texts)):
        known = pc.and_(pc.is_valid(texts[i]), pc.is_valid(texts[i - 1]))
        texts[i] = pc.if_else(known, pc.utf8_lpad(texts[i], 2, "0"), pa.scalar(None, pa.string()))
    joined = pc.binary_join_element_wise(*texts, "-", null_handling="skip")
    return pc.if_else(pc.is_valid(texts[0]), joined, pa.scalar(None, pa.string()))


def to_period(column: pa.Array, precision: pa.Array, name: str, how: Taken, tally: Tally) -> pa.Array:
    """Days as the first of the year or month that is all that is known of them, by a column that says so; counted."""
    coded = _coded(precision.cast(pa.string()) if not is_text(precision.type) else precision)
    said = [how.periods.get(bare(t or ""), "day") for t in coded.dictionary.to_pylist()]
    for period in ("year", "month", "none"):
        rows = _rows_with(coded, [i for i, p in enumerate(said) if p == period])
        mask = np.zeros(len(column), np.bool_)
        mask[rows] = True
        mask &= valid(column)
        if not mask.any():
            continue
        if period == "none":
            column = _without(column, mask)
            tally.note(_reason(_IMPOSSIBLE, name), int(mask.sum()))
            continue
        first = pc.floor_temporal(column, unit=period).cast(pa.date32())
        column = pc.if_else(from_numpy(mask), first, column)
        tally.note(_reason(f"{period}_only", name), int(mask.sum()))
    return column


# -- values -------------------------------------------------------------------------------------------------------

_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?$"
_NUMBER = r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_ONE = re.compile(rf"(>=|=>|≥|<=|=<|≤|>|<|=)?\s*({_NUMBER})")
_TWO = re.compile(rf"({_NUMBER})\s*/\s*({_NUMBER})")
_SIGNS = {"=>": ">=", "≥": ">=", "=<": "<=", "≤": "<="}
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+")


def values(
    column: pa.Array, name: str, how: Taken, comparator: pa.Array | None, tally: Tally
) -> tuple[pa.Array, pa.Array | None]:
    """Values as doubles, and the second ones of text (``128/76``), null where there are none.

    ``>90`` is the next double above 90 and ``<5`` the next below 5, so that a threshold at the number decides rightly.
    """
    if pt.is_dictionary(column.type) and not is_text(column.type):
        column = column.dictionary.take(column.indices)
    kind = column.type
    second = None
    if kind == pa.float64():
        found = column
    elif kind == pa.float32():
        found = _as_written(column)
    elif pt.is_integer(kind) or pt.is_decimal(kind) or pt.is_null(kind):
        found = column.cast(pa.float64(), safe=False)
    elif is_text(kind):
        found, second = _of_text(column, how.spelling, tally)
    else:
        raise InputError(f"is {kind}, and should be numbers", column=name)
    return (found if comparator is None else _beyond(found, comparator, how, tally)), second


def _of_text(column: pa.Array, how: Spelling, tally: Tally) -> tuple[pa.Array, pa.Array]:
    coded = _coded(column)
    texts = coded.dictionary
    odd = np.flatnonzero(~_matches(texts, _PLAIN))
    if not len(odd):
        return texts.cast(pa.float64()).take(coded.indices), pa.nulls(len(column), pa.float64())
    first, second = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    mask = np.ones(len(texts), np.bool_)
    mask[odd] = False
    if mask.any():
        first[mask] = numbers(texts.filter(from_numpy(mask)).cast(pa.float64()))
    why: dict[str, list[int]] = {}
    for at, text in zip(odd.tolist(), texts.take(from_numpy(odd)).to_pylist(), strict=True):
        one, two, reason = read_value(text, how)
        first[at] = math.nan if one is None else one
        second[at] = math.nan if two is None else two
        if reason:
            why.setdefault(reason, []).append(at)
    for reason, entries in why.items():
        tally.note(reason, len(_rows_with(coded, entries)))
    return (
        from_numpy(first, np.isnan(first)).take(coded.indices),
        from_numpy(second, np.isnan(second)).take(coded.indices),
    )


@lru_cache(1 << 16)
def read_value(text: str | None, how: Spelling) -> tuple[float | None, float | None, str]:
    """The value that a text is, its second one, and what is to be counted: ``comparator``, ``pair``,
    ``decimal_comma``, or ``text_value`` for what is no value."""
    word = "" if text is None else folded(text)
    if not word or word in how.nulls:
        return None, None, ""
    if two := _TWO.fullmatch(word):
        one, other = _number(two[1], how), _number(two[2], how)
        return (one, other, "pair") if one is not None and other is not None else (None, None, "text_value")
    found = _ONE.fullmatch(word)
    number = _number(found[2], how) if found else None
    if found is None or number is None:
        return None, None, "text_value"
    if sign := found[1]:
        return beyond(number, _SIGNS.get(sign, sign)), None, "comparator" if sign != "=" else ""
    return number, None, "decimal_comma" if "," in found[2] and not how.decimal_comma else ""


def _number(word: str, how: Spelling) -> float | None:
    """A number with a point or a comma. ``1,200`` is 1200 to one and 1.2 to another, and neither here, unless the
    layout says which."""
    if "," in word:
        if not how.decimal_comma and _THOUSANDS.fullmatch(word):
            return None
        word = word.replace(",", ".")
    found = float(word)
    return found if math.isfinite(found) else None


def beyond(number: float, sign: str) -> float:
    """What a number with a comparator before it is taken for."""
    if sign == ">":
        return math.nextafter(number, math.inf)
    return math.nextafter(number, -math.inf) if sign == "<" else number


def _beyond(column: pa.Array, comparator: pa.Array, how: Taken, tally: Tally) -> pa.Array:
    coded = _coded(comparator.cast(pa.string()) if not is_text(comparator.type) else comparator)
    signs = [how.comparators.get(bare(t or ""), _SIGNS.get(t or "", t or "")) for t in coded.dictionary.to_pylist()]
    for sign, to in ((">", np.inf), ("<", -np.inf)):
        mask = np.zeros(len(column), np.bool_)
        mask[_rows_with(coded, [i for i, s in enumerate(signs) if s.strip() == sign])] = True
        mask &= valid(column)
        if mask.any():
            given = numbers(column.fill_null(np.nan))
            moved = np.where(mask, np.nextafter(given, to), given)
            column = from_numpy(moved, ~valid(column))
            tally.note("comparator", int(mask.sum()))
    return column


def _as_written(column: pa.Array) -> pa.Array:
    """32-bit floats as the doubles that are written the same: 7.2, and not 7.199999809."""
    known = numbers(column.fill_null(np.nan))
    distinct, places = np.unique(known, return_inverse=True)
    wide = np.array([float(str(v)) for v in distinct], np.float64)
    found = wide[places]
    return from_numpy(found, np.isnan(found))


# -- labels, flags and the rest -----------------------------------------------------------------------------------


def labels(column: pa.Array, name: str, how: Taken) -> pa.Array:
    """Text as a dictionary, without blanks around it, as the layout says what it stands for; null for no record."""
    if pt.is_null(column.type):
        return pa.nulls(len(column), LABELS)
    if not is_text(column.type):
        column = texts_of(column, name)
    coded = _coded(column)
    texts = coded.dictionary.to_pylist()
    meant = [_label(text, how) for text in texts]
    if meant == texts:
        return coded if coded.type == LABELS else coded.cast(LABELS)
    if None not in meant:
        found = pa.DictionaryArray.from_arrays(coded.indices, pa.array(meant, pa.string()), safe=False)
        return found if found.type == LABELS else found.cast(LABELS)
    distinct = list(dict.fromkeys(m for m in meant if m is not None))
    place = {text: i for i, text in enumerate(distinct)}
    codes = pa.array([None if m is None else place[m] for m in meant], pa.int32()).take(coded.indices)
    return pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))


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
    limits = np.iinfo(kind.to_pandas_dtype())
    fits = (wide >= limits.min) & (wide <= limits.max) & (np.trunc(wide) == wide)
    return from_numpy(np.where(fits, wide, 0).astype(kind.to_pandas_dtype()), ~fits)


def texts_of(column: pa.Array, name: str) -> pa.Array:
    """Values of any plain type as text; whole numbers without a point."""
    if is_text(column.type):
        return without_views(column)
    if pt.is_floating(column.type):
        wide = numbers(column.cast(pa.float64()).fill_null(np.nan))
        known = wide[~np.isnan(wide)]
        if len(known) and (np.abs(known) < 2**53).all() and (np.trunc(known) == known).all():
            column = from_numpy(np.nan_to_num(wide).astype(np.int64), np.isnan(wide))
    try:
        return _whole(column).cast(pa.string())
    except pa.ArrowException:
        raise InputError(f"is {column.type}, which cannot be read as text", column=name) from None


# -- columns of Arrow ---------------------------------------------------------------------------------------------


def _whole(column: pa.Array) -> pa.Array:
    """Numbers out of a dictionary; decimals without a fraction, some databases' whole numbers, as whole numbers."""
    if pt.is_dictionary(column.type) and not is_text(column.type):
        column = column.dictionary.take(column.indices)
    if pt.is_decimal(column.type) and column.type.scale == 0:
        try:
            return column.cast(pa.int64())
        except pa.ArrowException:
            return column.cast(pa.string())
    return column


def _cast(column: pa.Array, kind: pa.DataType, name: str) -> pa.Array:
    try:
        return column.cast(kind)
    except pa.ArrowException:
        raise InputError(f"holds numbers that do not fit {kind}", column=name) from None


def _coded(column: pa.Array) -> pa.Array:
    column = without_views(column)
    return column if pt.is_dictionary(column.type) else column.dictionary_encode()


def _matches(texts: pa.Array, form: str) -> NDArray[np.bool_]:
    """Which texts have a form; null has none."""
    return true(pc.match_substring_regex(texts, form))


def _rows_with(coded: pa.Array, entries: Sequence[int]) -> NDArray[np.intp]:
    """The rows of a dictionary column that hold one of these entries."""
    if not entries:
        return np.zeros(0, np.intp)
    chosen = np.zeros(len(coded.dictionary) + 1, np.bool_)
    chosen[list(entries)] = True
    return np.flatnonzero(chosen[entry_of(coded)])


def entry_of(coded: pa.Array) -> NDArray[np.int64]:
    """Which entry each row of a dictionary column holds; one past the last for none."""
    codes = numbers(coded.indices).astype(np.int64)
    return codes if not coded.indices.null_count else np.where(valid(coded.indices), codes, len(coded.dictionary))


def _without(column: pa.Array, mask: NDArray[np.bool_]) -> pa.Array:
    """The column with nothing where the mask is set."""
    if not mask.any():
        return column
    return pc.if_else(from_numpy(mask), pa.scalar(None, column.type), column)


def _at(problem: str, name: str, rows: NDArray[np.intp]) -> InputError:
    more = max(0, len(rows) - _ROWS_NAMED)
    return InputError(problem, column=name, rows=rows[:_ROWS_NAMED].tolist(), more=more)
