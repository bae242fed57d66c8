"""How values are spelt in text: one table for CSV, for text in Parquet and Arrow, for maps and for outcome files.

| kind | what is read (blanks around a value do not matter, nor do capitals) |
|---|---|
| any | nothing, or blanks alone: no record |
| true or false | `true`, `t`, `yes`, `y`, `1`; `false`, `f`, `no`, `n`, `0`; also as a number, `1.0` and `0.0` |
| number | digits with a point, a sign and a power of ten where wanted: `7`, `-0.5`, `4e3`, `inf`; `nan` is no record |
| number of a column in % | the same, and with a `%` behind it: `18 %` |
| date | `2026-06-30`, where wanted with a time of day: `2026-06-30T09:15:00`, `2026-06-30 00:00:00.000Z` |

A `Spelling` adds to that what a map says of one extract: its words for no record, true and false, its forms of dates,
a decimal comma, and what its times of day mean.

A date of the patient table is a day in England. A time of day with an offset (`Z`, `+01:00`) says which instant is
meant, and the day is that instant's in London. One without an offset is dropped, but for 23:00 exactly in summer time:
that may be a midnight that was put into UTC, and so stand for the next day. It is refused unless the map says what its
times mean.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import numbers, plain, valid, without_views
from popstrat.errors import InputError, looks_like_number
from popstrat.packs.flags import FALSE, TRUE

TYPED: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int": pa.float64(),
    "float": pa.float64(),
    "float32": pa.float32(),
    "percent": pa.float64(),
    "percent32": pa.float32(),
    "date": pa.date32(),
}
"""The kinds of column whose text is read as something else, and what their values become."""

EXPECTED = {
    "bool": "true, false, 1 or 0",
    "int": "a number",
    "float": "a number",
    "float32": "a number",
    "percent": "a number",
    "percent32": "a number",
    "date": "a date as YYYY-MM-DD",
}
AMBIGUOUS = (
    "a date at 23:00 in summer time, which is the next day's midnight if the times are in UTC; a map can say "
    '([text] times = "utc" or "local")'
)

_ROWS_NAMED = 5
_CACHED = 1 << 15
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf|infinity|nan(?:\([0-9a-z_]*\))?)")
_TIME = r"(?:(?:T|\s+)(\d\d)(?::?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?)?\s*(z|utc|[+-]\d\d(?::?\d\d)?)?)?"
_ISO = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
_BEYOND = 2.0**128  # what infinity stands for when 32-bit floats are rounded
_PARTS = {"yyyy": r"(?P<year>\d{4})", "mmm": r"(?P<name>[a-z]{3,9})", "mm": r"(?P<month>\d{1,2})",
          "dd": r"(?P<day>\d{1,2})"}  # fmt: skip
_FIXED = {**_PARTS, "mm": r"(?P<month>\d\d)", "dd": r"(?P<day>\d\d)"}
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_LONDON = "Europe/London"
_HOUR = dt.timedelta(hours=1)

Times = Literal["local", "utc", ""]


class Unreadable:
    """What stands for a value that is not of its kind, with what is to be said of it where that is not the usual."""

    def __init__(self, why: str = "") -> None:
        self.why = why


UNREADABLE = Unreadable()
_LATE = Unreadable(AMBIGUOUS)


@dataclass(frozen=True)
class Spelling:
    """What an extract writes beside what is always read.

    ``nulls``, ``true`` and ``false`` are words as `folded`; ``dates`` are forms like ``dd/mm/yyyy``, tried in order
    before the ISO form; ``times`` says what a time of day without an offset is: London's (``local``), or UTC.
    """

    nulls: frozenset[str] = frozenset()
    true: frozenset[str] = frozenset()
    false: frozenset[str] = frozenset()
    dates: tuple[str, ...] = ()
    decimal_comma: bool = False
    times: Times = ""

    def over(self, other: Spelling) -> Spelling:
        """This, and where it says nothing, the other."""
        return Spelling(
            self.nulls | other.nulls,
            (self.true | other.true) - self.false,
            (self.false | other.false) - self.true,
            self.dates or other.dates,
            self.decimal_comma or other.decimal_comma,
            self.times or other.times,
        )

    def touches(self, kind: str) -> bool:
        """Whether columns of this kind are read otherwise than by the usual spellings."""
        asked: dict[str, object] = {
            "bool": self.true or self.false,
            "int": self.decimal_comma,
            "float": self.decimal_comma,
            "float32": self.decimal_comma,
            "percent": self.decimal_comma,
            "percent32": self.decimal_comma,
            "date": self.dates or self.times,
        }
        return bool(self.nulls or asked.get(kind))


USUAL = Spelling()


def folded(text: str) -> str:
    """Text as spellings are compared: without blanks around it, without capitals."""
    return text.strip().casefold()


def value(text: str | None, kind: str, how: Spelling = USUAL) -> Any:
    """What a cell says: a bool, a float, a date, or the text as it stands where ``kind`` is not one of `TYPED`.

    None is no record; an `Unreadable` is a text that no spelling of the kind.
    """
    if text is None:
        return None
    read = _READERS.get(kind)
    if read is None:
        return None if how.nulls and folded(text) in how.nulls else text
    return read(text, how)


def from_text(column: pa.Array, kind: str, name: str, how: Spelling = USUAL, *, problem: str = "") -> pa.Array:
    """A column of text, of any layout, as its kind's values. Each distinct text is read once.

    Raises `InputError` naming the column and its first rows where a text is none of the spellings; ``problem`` is what
    it says there if not the usual.
    """
    column = without_views(column)
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    texts = coded.dictionary.to_pylist()
    return chosen([value(t, kind, how) for t in texts], coded, kind, name, TYPED[kind], problem)


def chosen(
    values: Sequence[Any], coded: pa.Array, kind: str, name: str, target: pa.DataType, problem: str = ""
) -> pa.Array:
    """A dictionary column's rows, given what each of its entries is. Raises as `from_text`."""
    usual = problem or f"a cell is not {EXPECTED[kind]} (empty means no record)"
    return pa.array(readable(values, coded, name, usual, kind), target).take(coded.indices)


def readable(values: Sequence[Any], coded: pa.Array, name: str, problem: str = "", kind: str = "text") -> list[Any]:
    """What the entries of a dictionary column are, with nothing for one that cannot be read and that no row holds.

    Raises `InputError` naming the column and its first rows where a row holds one.
    """
    bad = [i for i, v in enumerate(values) if isinstance(v, Unreadable)]
    if not bad:
        return list(values)
    codes = plain(coded.indices.fill_null(0)).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(np.isin(codes, bad) & valid(coded.indices))
    if len(rows):
        told = values[codes[rows[0]]].why or problem
        more = max(0, len(rows) - _ROWS_NAMED)
        raise InputError(told, column=name, rows=rows[:_ROWS_NAMED].tolist(), more=more, cells=kind)
    return [None if isinstance(v, Unreadable) else v for v in values]


def with_remedy(error: InputError) -> InputError:
    """The error with what a map can say, where cells of a column of ours are not what they are read as."""
    if not error.cells or error.hint or error.column is None:
        return error
    key = f"[values.{error.column}]" if not looks_like_number(error.column) else "[values.NAME]"
    if error.cells == "date":
        key = '[text] dates = "dd/mm/yyyy", or whatever it is'
    return error.hinted(f"a map can say what is meant ({key})")


# -- kinds ------------------------------------------------------------------------------------------------------


def _no_record(word: str, how: Spelling) -> bool:
    return not word or word in how.nulls


@lru_cache(_CACHED)
def _flag(text: str, how: Spelling) -> bool | Unreadable | None:
    word = folded(text)
    if _no_record(word, how):
        return None
    if word in how.true or word in how.false:
        return word in how.true
    if word in TRUE or word in FALSE:
        return word in TRUE
    number = _number(text, how)
    if isinstance(number, float) and math.isnan(number):
        return None
    return bool(number) if number in (0.0, 1.0) else UNREADABLE


@lru_cache(_CACHED)
def _number(text: str, how: Spelling) -> float | Unreadable | None:
    word = folded(text)
    if _no_record(word, how):
        return None
    if how.decimal_comma and _THOUSANDS.fullmatch(word):  # 1.200 is 1200 to one, and 1.2 to another
        return UNREADABLE
    word = _plain(word, how)
    if not word.isascii() or not _NUMBER.fullmatch(word):
        return UNREADABLE
    return _double(word)


def _double(word: str) -> float:
    return math.nan if "nan" in word else float(word)


@lru_cache(_CACHED)
def _single(text: str, how: Spelling) -> float | Unreadable | None:
    found = _number(text, how)
    return found if found is None or isinstance(found, Unreadable) else _nearest_single(_plain(folded(text), how))


def _percent(read: Callable[[str, Spelling], Any]) -> Callable[[str, Spelling], Any]:
    """A reader of numbers that takes one with a ``%`` behind it for the number."""
    return lambda text, how: read(text.rstrip().removesuffix("%") if text.strip() != "%" else text, how)


def _plain(word: str, how: Spelling) -> str:
    """A number with a decimal comma as one with a point."""
    return word.replace(".", "").replace(",", ".") if how.decimal_comma and "," in word else word


def _nearest_single(word: str) -> float:
    """The 32-bit float nearest to a number in text.

    Rounded twice, to a double and then to a single, a number that ends in the middle between two singles the first
    time would hide which side it came from.
    """
    double = _double(word)
    with np.errstate(over="ignore", under="ignore"):
        below, above = np.nextafter(double, -np.inf), np.nextafter(double, np.inf)
        low, high = max(float(np.float32(below)), -_BEYOND), min(float(np.float32(above)), _BEYOND)
        if double == (low + high) / 2 and 1e-46 < abs(double) < 1e39:
            exact, reached = Decimal(word), Decimal(double)
            double = float(below if exact < reached else above if exact > reached else double)
        return float(np.float32(double))


@lru_cache(_CACHED)
def _date(text: str, how: Spelling) -> dt.date | Unreadable | None:
    word = folded(text)
    if _no_record(word, how):
        return None
    for form in _forms(how.dates):
        if (found := form.fullmatch(word)) and (day := _day(found, how.times)) is not None:
            return day
    return UNREADABLE


@cache
def _forms(dates: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    forms = [re.compile(form + _TIME, re.IGNORECASE | re.ASCII) for form in (*map(pattern, dates), _ISO)]
    return tuple(forms)


def pattern(form: str) -> str:
    """A form like ``dd/mm/yyyy`` or ``dd-mmm-yyyy`` as a regular expression.

    Raises ``ValueError`` where it does not have a day, a month and a year of four digits, each once.
    """
    pieces = re.split(r"(yyyy|mmm|mm|dd)", form.strip().casefold())
    parts = sorted(p for p in pieces[1::2])
    if parts not in (["dd", "mm", "yyyy"], ["dd", "mmm", "yyyy"]) or any(
        re.search(r"[a-z0-9]", p) for p in pieces[::2]
    ):
        raise ValueError(f"{form!r} is not a form of dates: it has dd, mm (or mmm for its name) and yyyy, each once")
    table = _PARTS if all(pieces[2:-1:2]) else _FIXED  # without anything between them their lengths are fixed
    return "".join(table[p] if i % 2 else re.escape(p) for i, p in enumerate(pieces))


def _day(found: re.Match[str], times: Times) -> dt.date | Unreadable | None:
    """The day in London that a date, perhaps with a time of day, says; None where there is no such day or time."""
    groups = found.groupdict()
    if "name" in groups:
        near = [i for i, m in enumerate(_MONTHS, 1) if m.startswith(groups["name"])]
        if len(near) != 1:
            return None
        month = near[0]
    else:
        month = int(groups["month"])
    hour, minute, second, fraction, offset = found.groups()[-5:]
    try:
        day = dt.date(int(groups["year"]), month, int(groups["day"]))
        clock = dt.time(int(hour or 0), int(minute or 0), int(second or 0))
    except ValueError:
        return None
    if hour is None or (times == "local" and not offset):
        return day
    exact = clock.minute == clock.second == 0 and not int(fraction or 0)
    moment = dt.datetime.combine(day, clock)
    if offset or times == "utc":
        return london_day(moment - _behind(offset))
    if clock.hour == 23 and exact and london_day(moment) != day:
        return _LATE
    return day


def _behind(offset: str | None) -> dt.timedelta:
    if not offset or offset.casefold() in ("z", "utc"):
        return dt.timedelta()
    digits = offset[1:].replace(":", "").ljust(4, "0")
    ahead = dt.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -ahead if offset[0] == "-" else ahead


_READERS: dict[str, Callable[[str, Spelling], Any]] = {
    "bool": _flag,
    "int": _number,
    "float": _number,
    "float32": _single,
    "percent": _percent(_number),
    "percent32": _percent(_single),
    "date": _date,
}


# -- instants ---------------------------------------------------------------------------------------------------


def london_day(moment: dt.datetime) -> dt.date:
    """The day in London at an instant of UTC (given without a zone)."""
    return (moment + ahead_of_utc(moment)).date()


@lru_cache(_CACHED)
def _ahead(hour: dt.datetime) -> dt.timedelta:
    from zoneinfo import ZoneInfo  # costs start-up time, and few need it

    return hour.replace(tzinfo=dt.UTC).astimezone(ZoneInfo(_LONDON)).utcoffset() or dt.timedelta()


def ahead_of_utc(moment: dt.datetime) -> dt.timedelta:
    """By how much London's clocks are ahead at an instant of UTC. They change on the hour."""
    return _ahead(moment.replace(minute=0, second=0, microsecond=0))


def days(column: pa.Array, name: str, times: Times = "") -> pa.Array:
    """A column of Arrow timestamps as days in London, by the same rules as dates in text.

    A timestamp with a zone is an instant. Raises `InputError` naming the column and its first rows for one without a
    zone that may be a midnight put into UTC, unless ``times`` says what it is.
    """
    seconds, whole = _seconds(column)
    known = valid(column)
    found = seconds // _DAY
    if column.type.tz is not None or times == "utc":
        found = (seconds + _offsets(seconds, known)) // _DAY
    elif times != "local":
        late = known & whole & (seconds % _DAY == 23 * 3600)
        late[late] = _offsets(seconds[late], np.ones(int(late.sum()), np.bool_)) > 0
        if (rows := np.flatnonzero(late)).size:
            raise InputError(
                AMBIGUOUS, column=name, rows=rows[:_ROWS_NAMED].tolist(),
                more=max(0, len(rows) - _ROWS_NAMED),
            )  # fmt: skip
    limits = np.iinfo(np.int32)
    kept = np.where(known, np.clip(found, limits.min, limits.max), 0).astype(np.int32)
    bits = pa.py_buffer(np.packbits(known, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.date32(), len(kept), [bits, pa.py_buffer(kept.tobytes())])


_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_YEARS = (dt.datetime(2, 1, 1), dt.datetime(9998, 1, 1))
_EPOCH = dt.datetime(1970, 1, 1)


def _seconds(column: pa.Array) -> tuple[np.ndarray[Any, np.dtype[np.int64]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Whole seconds since 1970 (0 for no record), and where nothing smaller was left out."""
    ticks = np.where(valid(column), numbers(column.cast(pa.int64())), 0)
    per = _PER_SECOND[column.type.unit]
    return ticks // per, ticks % per == 0


def _offsets(
    seconds: np.ndarray[Any, np.dtype[np.int64]], known: np.ndarray[Any, np.dtype[np.bool_]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """By how many seconds London's clocks are ahead at each instant."""
    first, last = (int((y - _EPOCH).total_seconds()) // 3600 for y in _YEARS)
    hours, place = np.unique(np.clip(np.where(known, seconds // 3600, 0), first, last), return_inverse=True)
    ahead = [int(_ahead(_EPOCH + h * _HOUR).total_seconds()) for h in hours.tolist()]
    return np.array(ahead, np.int64)[place] if len(ahead) else np.zeros(0, np.int64)
