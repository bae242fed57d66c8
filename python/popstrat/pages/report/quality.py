"""The quality file of a coded record (``popstrat derive --quality``), as a page may show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core.numbers import NOTHING, WITHHELD, count, day, decimal, percent
from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.errors import InputError
from popstrat.privacy.disclosure import SMALLEST, rounded

FEW = f"0–{SMALLEST - 1} people"
"""In the place of a count that is too small to tell."""


@dataclass(frozen=True)
class ColumnQuality:
    """A column as it is written: people with a value per 1,000, how many are expected, how old the middle value is
    and that of nine in ten, in days, which share was set aside."""

    title: str
    recorded: str
    order: float
    expected: str
    age: str
    set_aside: str
    doubtful: bool


@dataclass(frozen=True)
class Standing:
    """A practice that stands out in a column."""

    practice: str
    column: str
    people: str
    expected: str


@dataclass(frozen=True)
class Quality:
    """What a page shows of it; ``said`` names the file and its date."""

    columns: tuple[ColumnQuality, ...]
    practices: tuple[Standing, ...]
    said: str


def read_quality(path: Path, controlled: bool) -> Quality:
    """The quality file; where disclosure is ``controlled`` small counts are withheld and others rounded.

    Raises `InputError` for what is no such file.
    """
    try:
        found = parse_json(read_small(path, MOST_RECORD_BYTES))
        return quality_of(found, path.name, controlled)
    except FileNotFoundError:
        raise InputError("there is no such file", file=str(path)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError("is not the quality file of popstrat derive --quality", file=str(path)) from None


def quality_of(found: Mapping[str, Any], name: str, controlled: bool) -> Quality:
    """The quality of a record, as `scoring.data_quality` gives it and the file has it; ``name`` says whence."""
    people = int(found["people"])
    columns = tuple(_column(one, people, controlled) for one in found["columns"])
    titles = {one["column"]: one.get("title") or one["column"] for one in found["columns"]}
    practices = tuple(
        Standing(
            practice["practice_code"],
            titles.get(one["column"], one["column"]),
            _people(one["people"], controlled),
            _people(round(float(one["expected"])), controlled),
        )
        for practice in found["practices"]
        for one in practice["columns"]
    )
    return Quality(columns, practices, f"From {name}, of the record as of {day(found['as_of'])}.")


def _column(one: Mapping[str, Any], people: int, controlled: bool) -> ColumnQuality:
    there = int(one["people"])
    shown = _shown(there, controlled)
    whole = _shown(people, controlled)
    per = None if shown is None or not whole else 1000 * shown / whole
    old = one.get("days_old") or {}
    median, ninth = old.get("median"), old.get("nine_in_ten")
    age = NOTHING if median is None or ninth is None else f"{count(median)}; {count(ninth)}"
    aside = sum(int(n) for n in (one.get("set_aside") or {}).values())
    kept = _shown(aside, controlled)
    share = FEW if kept is None else percent(min(kept / shown, 1.0)) if shown else NOTHING
    expected = one.get("expected_per_1000")
    return ColumnQuality(
        str(one.get("title") or one["column"]),
        decimal(per, 1, WITHHELD),
        -1.0 if per is None else per,
        NOTHING if expected is None else decimal(float(expected), 1),
        age,
        share,
        bool(one.get("doubtful")),
    )


def _shown(number: int, controlled: bool) -> int | None:
    """A count as it may be shown."""
    if not controlled:
        return number
    return rounded(number)


def _people(number: int, controlled: bool) -> str:
    return count(_shown(number, controlled))
