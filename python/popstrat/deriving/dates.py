"""Dates of a record as days: typed, or as text in the forms that the layout says; a column has them in one form.

What can be no date of a record becomes null and is counted; a date in another form is refused, never guessed.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from popstrat.core.arrow import from_numpy, is_text, numbers, plain, true, valid
from popstrat.core.lazy import compute as pc
from popstrat.deriving.columns import Tally, at_rows, coded_texts, having, rows_with, texts_of, whole, without
from popstrat.deriving.layout import Taken, bare
from popstrat.errors import InputError
from popstrat.packs.spellings import AMBIGUOUS, Spelling, Unreadable, days, folded, value

FIRST_DAY = dt.date(1900, 1, 1)
"""The earliest day that a date of a record can be."""

_YEAR = re.compile(r"([12][0-9]{3})(?:-([01][0-9]))?")
_ELSE = ("dd/mm/yyyy", "mm/dd/yyyy", "dd-mmm-yyyy", "dd mmm yyyy", "yyyy/mm/dd", "dd.mm.yyyy", "dd-mm-yyyy", "yyyymmdd")
"""Forms in which others write dates: a date in one of them is a date, and not for guessing."""
_SERIAL = re.compile(r"[2-6][0-9]{4}(?:\.[0-9]+)?")
_SHORT = re.compile(r"[0-9]{1,2}([/.-])(?:[0-9]{1,2}|[a-z]{3})\1[0-9]{2}")
_TWO_DIGITS = "a year of two digits"
_LATE = AMBIGUOUS.replace("a map", "a layout")
_SPREADSHEET = "a spreadsheet's number of days"
_ISO = "yyyy-mm-dd"


class Dates:
    """Reads the date columns of one file: all text of one of them has to be in one form."""

    def __init__(self, how: Spelling) -> None:
        self._how, self._form = how, ""
        self._known: dict[str, tuple[dt.date | None, str]] = {}  # the same few days come in every batch

    def read(self, column: pa.Array, name: str, tally: Tally) -> pa.Array:
        """Days; null for what can be no date of a record, counted as ``impossible_…``. Raises `InputError`."""
        column = whole(column)
        kind = column.type
        if kind == pa.date32():
            return self._bounded(column, name, tally)
        if pt.is_date(kind):
            return self._bounded(column.cast(pa.date32()), name, tally)
        if pt.is_timestamp(kind):
            try:
                found = days(column, name, self._how.times)
            except InputError as error:
                raise InputError(_LATE, column=name, rows=error.rows, more=error.more) from None
            return self._bounded(found, name, tally)
        if pt.is_null(kind):
            return pa.nulls(len(column), pa.date32())
        if pt.is_integer(kind) and "yyyymmdd" in self._how.dates:
            column = column.cast(pa.string())
        if not is_text(column.type):
            raise InputError(f"is {kind}, and should be dates", column=name)
        coded = self._without_times(coded_texts(column))
        read, notes = self._entries(coded.dictionary)
        for form, entries in notes.items():
            rows = rows_with(coded, entries)
            if not len(rows):
                continue
            if form in _PARTIAL:
                tally.note(_reason(form, name), len(rows))
            elif form == _IMPOSSIBLE:
                tally.note(_reason("impossible", name), len(rows))
            elif form == AMBIGUOUS:
                raise at_rows(_LATE, name, rows)
            elif form not in (_ISO, *self._how.dates):
                forms = " or ".join(dict.fromkeys((*self._how.dates, _ISO)))
                raise at_rows(f"holds dates as {form}, and the layout says {forms} ([text] dates)",
                          name, rows)  # fmt: skip
            elif self._form and self._form != form:
                raise at_rows(f"holds dates as {form} and as {self._form}; a column has them in one form", name, rows)
            else:
                self._form = form
        return self._bounded(read.take(coded.indices), name, tally)

    def _entries(self, texts: pa.Array) -> tuple[pa.Array, dict[str, Sequence[int]]]:
        """Distinct texts as days, and which of them are of what form, or what else is to be said of them."""
        sure = having(texts, _SURE)
        days_of, missing = np.zeros(len(texts), np.int32), ~sure
        notes: dict[str, Any] = {}
        if sure.any():
            days_of[sure] = numbers(texts.filter(from_numpy(sure)).cast(pa.date32()).view(pa.int32()))
            notes[_ISO] = np.flatnonzero(sure).tolist()
        odd = np.flatnonzero(~sure)
        for at, text in zip(odd.tolist(), texts.take(from_numpy(odd)).to_pylist(), strict=True):
            day, form = (None, "") if text is None else self._day(text)
            if day is not None:
                days_of[at], missing[at] = (day - _EPOCH).days, False
            if form:
                notes.setdefault(form, []).append(at)
        return from_numpy(days_of, missing, pa.date32()), notes

    def _day(self, text: str) -> tuple[dt.date | None, str]:
        if (found := self._known.get(text)) is None:
            if len(self._known) > _MOST_KNOWN:
                self._known.clear()
            found = self._known[text] = _day(text, self._how)
        return found

    def _without_times(self, coded: pa.Array) -> pa.Array:
        """The column without times of day, of which nearly every row has another one, where they make no difference."""
        entries = coded.dictionary
        longest = pc.max(pc.binary_length(entries)).as_py() or 0
        if longest <= _LONGEST_DAY or self._how.times == "utc":
            return coded
        form = _ANY_TIME if self._how.times == "local" else _NO_LATE_TIME
        bare = pc.replace_substring_regex(entries, form, r"\1").dictionary_encode()
        return pa.DictionaryArray.from_arrays(bare.indices.take(coded.indices), bare.dictionary)

    def _bounded(self, column: pa.Array, name: str, tally: Tally) -> pa.Array:
        if not len(column) or column.null_count == len(column):
            return column
        if numbers(column.view(pa.int32())).min() >= _FIRST_DAY:  # under nulls, too: mostly it takes no other look
            return column
        if pc.min(column).as_py() >= FIRST_DAY:
            return column
        early = true(pc.less(column, pa.scalar(FIRST_DAY, pa.date32())))
        tally.note(_reason("impossible", name), int(early.sum()))
        return without(column, early)


_MOST_KNOWN = 1 << 17
_EPOCH = dt.date(1970, 1, 1)
_FIRST_DAY = (FIRST_DAY - _EPOCH).days
_SURE = (  # that there is such a day in every year
    r"^(?:19|20)[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)"
    r"|(?:0[13578]|1[02])-31)$"
)
_LONGEST_DAY = 11  # 01 May 2026
_MINUTES = r":[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?\s*$"
_NO_LATE_TIME = r"^(.*[0-9])(?:T|\s+)(?:[01][0-9]|2[0-2])" + _MINUTES
_ANY_TIME = r"^(.*[0-9])(?:T|\s+)(?:[01][0-9]|2[0-3])" + _MINUTES
_PARTIAL = ("year_only", "month_only")
_IMPOSSIBLE = "impossible"


def _reason(word: str, column: str) -> str:
    """A reason for one date column: ``impossible_date``, ``year_only``; with the column's name where it is another."""
    if word == _IMPOSSIBLE:
        return f"impossible_{column}"
    return word if column == "date" else f"{word}_{column}"


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
    if _SHORT.fullmatch(word):
        return None, _TWO_DIGITS
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
    coded = coded_texts(precision.cast(pa.string()) if not is_text(precision.type) else precision)
    said = [how.periods.get(bare(t or ""), "day") for t in coded.dictionary.to_pylist()]
    for period in ("year", "month", "none"):
        rows = rows_with(coded, [i for i, p in enumerate(said) if p == period])
        mask = np.zeros(len(column), np.bool_)
        mask[rows] = True
        mask &= valid(column)
        if not mask.any():
            continue
        if period == "none":
            column = without(column, mask)
            tally.note(_reason(_IMPOSSIBLE, name), int(mask.sum()))
            continue
        first = pc.floor_temporal(column, unit=period).cast(pa.date32())
        column = pc.if_else(from_numpy(mask), first, column)
        tally.note(_reason(f"{period}_only", name), int(mask.sum()))
    return column
