"""A coded record to measure with: made-up codes, lists and events, and the eighty folds that are asked of it.

The vocabulary has 60,000 codes, 12,000 of which are in 56 lists; of the events, a bit less than half have one of those,
as in a general-practice record, in which most rows are of no interest to any one definition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.deriving.folds import (
    NO_DAY,
    Conversion,
    Count,
    Extreme,
    FirstDay,
    Fold,
    LastDay,
    LastLabel,
    LastValue,
    Pair,
    Values,
)

AS_OF = 20634  # 2026-06-30
EACH = 160  # events of a patient
_CODES, _LISTED, _LISTS = 60_000, 12_000, 56
_MEASURED, _SYSTOLIC, _DIASTOLIC = 12, 12, 13  # lists 0 to 11 have values, 12 and 13 are the parts of a pair
_LABELLED = (14, 15, 16, 17)
_SHARE = 0.45  # of the events that have a listed code
UNITS = ("mmol/mol", "%")


@dataclass(frozen=True)
class Record:
    """Events by patient and day, the ids and births of the patients, the code lists by name."""

    events: pa.Table
    keys: pa.Array
    births: NDArray[np.int32]
    lists: dict[str, NDArray[np.int64]]


def record(events: int, seed: int = 1) -> Record:
    """So many events, 160 a patient on the average."""
    rng = np.random.default_rng(seed)
    patients = max(1, events // EACH)
    codes = rng.choice(np.arange(10**8, 10**8 + 40 * _CODES), _CODES, replace=False) * 1000 + 106
    parts = np.sort(rng.choice(np.arange(1, _LISTED), _LISTS - 1, replace=False))
    lists = {f"L{i}": np.sort(part).astype(np.int64) for i, part in enumerate(np.split(codes[:_LISTED], parts))}
    keys = np.sort(rng.choice(np.arange(10**9, 10**9 + 4 * patients), patients, replace=False)).astype(np.int64)
    births = rng.integers(AS_OF - 90 * 365, AS_OF - 365, patients).astype(np.int32)
    births[::50] = NO_DAY
    each = rng.multinomial(events, rng.dirichlet(np.full(patients, 2.0)))
    row = np.repeat(np.arange(patients), each)
    # The days of a patient ascend: of a sorted column of uniform numbers within each patient.
    day = (AS_OF + 30 - rng.exponential(1800, events)).astype(np.int32)
    day = day[np.lexsort((day, row))]
    # Every list is as common as any other, which makes what is measured recur as it does.
    which = rng.integers(0, _LISTS, events)
    starts = np.concatenate([[0], parts])
    sizes = np.diff(np.concatenate([starts, [_LISTED]]))
    place = starts[which] + (rng.random(events) ** 3 * sizes[which]).astype(np.int64)
    other = rng.random(events) >= _SHARE
    place[other] = _LISTED + (rng.random(int(other.sum())) ** 3 * (_CODES - _LISTED)).astype(np.int64)
    value = np.round(rng.gamma(8, 6, events), 1)
    has = ~other & (which <= _DIASTOLIC) & (rng.random(events) < 0.97)
    unit = rng.integers(0, 20, events)
    unit = np.where(unit < 2, unit, 0).astype(np.int32)
    table = pa.table(
        {
            "patient_id": pa.array(keys[row]),
            "date": pa.array(day).cast(pa.date32()),
            "code": pa.array(codes[place].astype(np.int64)),
            "value": pa.array(value, mask=~has),
            "unit": pa.DictionaryArray.from_arrays(pa.array(unit, mask=~has), pa.array(UNITS)),
        }
    )
    return Record(table, pa.array(keys), births, lists)


def folds() -> list[Fold]:
    """Eighty, as the columns of a patient table ask for them: when, whether, how much, how often."""
    year = AS_OF - 365
    found: list[Fold] = []
    hba1c = Values({"mmol/mol": Conversion(), "%": Conversion(10.929, -23.5, 0)}, Conversion(), 5.0, 200.0)
    for i in range(_MEASURED):  # 12 latest values, four of which with the one a while earlier, 4 extremes
        tie = "lowest" if i % 3 == 0 else "highest"
        gap = 90 if i < 4 else None
        found.append(LastValue(f"value{i}", "events", (f"L{i}",), AS_OF, values=hba1c, tie=tie, gap=gap))
    for i in range(4):
        which = "lowest" if i % 2 else "highest"
        found.append(Extreme(f"extreme{i}", "events", (f"L{i}",), AS_OF, AS_OF - 730, values=hba1c, which=which))
    found.append(
        Pair(
            "pair",
            "events",
            (f"L{_SYSTOLIC}", f"L{_DIASTOLIC}"),
            AS_OF,
            first=(f"L{_SYSTOLIC}",),
            second=(f"L{_DIASTOLIC}",),
            first_values=hba1c,
            second_values=hba1c,
        )
    )
    labels = tuple((f"label{i}", (f"L{i}",)) for i in _LABELLED)
    found.append(LastLabel("label", "events", tuple(n for _, (n,) in labels), AS_OF, labels=labels))
    for i in range(18, 46):  # 28 registers: the latest diagnosis and, of half of them, the latest resolved code
        found.append(LastDay(f"last{i}", "events", (f"L{i}",), AS_OF))
    for i in range(18, 32):
        found.append(LastDay(f"resolved{i}", "events", (f"L{i + 24}",), AS_OF))
    for i in range(46, 52):
        found.append(FirstDay(f"first{i}", "events", (f"L{i}",), AS_OF))
    for i in range(48, 56):
        found.append(LastDay(f"year{i}", "events", (f"L{i}",), AS_OF, year))
    found.append(Count("rows", "events", ("L50", "L51"), AS_OF, year, of="rows"))
    found.append(Count("all rows", "events", ("L52",), AS_OF, year, of="rows", repeats=True))
    found.append(Count("days", "events", ("L53", "L54"), AS_OF, year, of="days"))
    found.append(Count("codes", "events", ("L55", "L54", "L53"), AS_OF, year, of="codes"))
    found.append(Count("more days", "events", ("L46", "L47"), AS_OF, of="days"))
    found.append(Count("more codes", "events", ("L48",), AS_OF, of="codes"))
    return found
