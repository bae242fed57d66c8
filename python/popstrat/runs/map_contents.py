"""What a column of an extract holds, and whether that can be what its name says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import is_text, without_views
from popstrat.core.lazy import compute as pc
from popstrat.core.text import squeezed
from popstrat.packs.patient_table import Column, fold_label
from popstrat.packs.spellings import Spelling, Unreadable, folded, value
from popstrat.runs.map_names import called

_MOST_TEXTS = 5000
_MOSTLY = 0.5


@dataclass
class Held:
    """What one column of an extract holds: how often each text, or the numbers of a column of numbers."""

    name: str
    place: int
    kind: pa.DataType
    texts: Counter[str] = field(default_factory=Counter)
    numbers: list[np.ndarray[Any, Any]] = field(default_factory=list)
    rows: int = 0
    cut: bool = False

    def look(self, column: pa.Array) -> None:
        """Take a batch into account."""
        self.rows += len(column)
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            self.numbers.append(column.drop_null().to_numpy(zero_copy_only=False))
        elif is_text(column.type):
            column = without_views(column)
            column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            counts = pc.value_counts(column.drop_null())
            for text, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
                if text in self.texts or len(self.texts) < _MOST_TEXTS:
                    self.texts[text] += count
                else:
                    self.cut = True

    @property
    def filled(self) -> Mapping[str, int]:
        """Its texts, without those that stand for no record."""
        nulls = called()["words"]["nulls"]
        return {t: n for t, n in self.texts.items() if folded(t) and folded(t) not in nulls}

    def all_numbers(self) -> np.ndarray[Any, Any]:
        """The numbers of a column of numbers, as doubles, without those that are none."""
        found = np.concatenate(self.numbers).astype(np.float64) if self.numbers else np.empty(0)
        return found[~np.isnan(found)]

    def median(self, how: Spelling) -> float | None:
        """The median of its numbers, of those that can be read; None if there are none."""
        numbers = self.readable(how)
        return float(np.median(numbers)) if len(numbers) else None

    def readable(self, how: Spelling) -> np.ndarray[Any, Any]:
        """Its numbers, of those that can be read."""
        if self.numbers:
            return self.all_numbers()
        found = [(v, n) for t, n in self.texts.items() if isinstance(v := value(t, "percent", how), float) and v == v]
        return np.repeat(*map(np.array, zip(*found, strict=True))) if found else np.empty(0)

    def share(self, kind: str, how: Spelling) -> float:
        """How much of its text is read as a kind of value."""
        filled = self.filled
        read = sum(n for t, n in filled.items() if not isinstance(value(t, kind, how), Unreadable))
        return read / max(1, sum(filled.values()))


def contradiction(column: Column, held: Held, commas: bool) -> str:
    """What a column holds that one of ours cannot; nothing if it may be what its name says."""
    how = Spelling(decimal_comma=commas)
    dates = pa.types.is_date(held.kind) or pa.types.is_timestamp(held.kind) or _of_dates(held)
    numbers = held.all_numbers()
    flags = _of_flags(held) or (len(numbers) > 0 and column.type == "category" and bool(np.isin(numbers, (0, 1)).all()))
    match column.type:
        case "bool":
            if dates:
                return "it holds dates"
            odd = len(numbers) and not np.isin(numbers, (0, 1)).all()
            if odd or (held.filled and held.share("float", how) > _MOSTLY and held.share("bool", how) < _MOSTLY):
                return "it holds numbers other than 0 and 1"
        case "category":
            if dates:
                return "it holds dates"
            if flags and not _all_labels(column, held, numbers):
                return "it holds only true and false"
        case "int" | "float":
            if dates:
                return "it holds dates"
            if flags and held.share("float", how) < _MOSTLY:
                return "it holds only true and false"
            if held.filled and _numbers(held, how) < _MOSTLY:
                return "few of its cells are numbers"
            low, high = column.bounds
            middle = held.median(how)
            converted = column.name in called()["units"]
            if middle is not None and not low <= middle <= high and not converted:
                return f"half of its numbers are {'under' if middle < low else 'over'} {middle:.4g}"
            if column.type == "float" and high > 1 and len(numbers) and np.isin(numbers, (0, 1)).all():
                return "it holds only 0 and 1"
        case "date":
            whole = pa.types.is_integer(held.kind) or pa.types.is_floating(held.kind)
            if (held.filled and not dates) or (whole and len(numbers) and not _days(numbers)):
                return "few of its cells are dates"
    return ""


def _numbers(held: Held, how: Spelling) -> float:
    """How much of its text is a number, or one beyond a limit."""
    filled = held.filled
    read = sum(n for t, n in filled.items() if not isinstance(value(t.strip(" <>≤≥="), "percent", how), Unreadable))
    return read / max(1, sum(filled.values()))


def _of_flags(held: Held) -> bool:
    """Whether it holds nothing but words for true and false."""
    said = {*called()["words"]["true"], *called()["words"]["false"]}
    if pa.types.is_boolean(held.kind):
        return True
    filled = held.filled
    return bool(filled) and all(
        folded(t) in said or not isinstance(value(t, "bool", Spelling()), Unreadable) for t in filled
    )


def _of_dates(held: Held) -> bool:
    """Whether most of what it holds is read as dates of one form or another; numbers of eight digits are not enough."""
    forms = called()["words"]["dates"]
    return bool(held.filled) and any(
        held.share("date", Spelling(dates=(form,))) > _MOSTLY for form in (*forms, "yyyy-mm-dd")
    )


def _days(numbers: np.ndarray[Any, Any]) -> bool:
    """Whether most numbers are days written yyyymmdd."""
    month, day = numbers // 100 % 100, numbers % 100
    days = (numbers > 1900_00_00) & (numbers < 2200_00_00) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    return bool(days.mean() > _MOSTLY)


def _all_labels(column: Column, held: Held, numbers: np.ndarray[Any, Any]) -> bool:
    """Whether all that it holds are labels of the column, in one of the spellings that are known."""
    known = {*column.label_codes()}
    synonyms = {squeezed(w) for ws in called()["labels"].get(column.name, {}).values() for w in ws}
    there = [*held.filled, *(str(int(x)) for x in np.unique(numbers)[:100] if x == x)]
    return bool(there) and all(fold_label(t.strip(" ")) in known or squeezed(t) in synonyms for t in there)
