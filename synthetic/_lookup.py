"""A lookup for a synthetic list: pseudonymous key → NHS number of the range that is never issued to anybody.

999 000 0000 to 999 999 9999 has 909,091 numbers with a check digit (in one of eleven the check would be 10), one of
which, ten nines, is a stand-in for "unknown"; so a list with a lookup has no more people than that.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.synthetic._places import stream

_LOOKUP = 3  # stream number
_FIRST, _NUMBERS = 999_000_000, 1_000_000
_STATUSES = ("registered", "deducted", "deceased")

# Faults of a dirty lookup, per 10,000 rows.
FAULTS = {
    "missing": 20,  # not in the lookup
    "repeated": 10,  # the row is there twice
    "no_number": 20,
    "wrong_digit": 10,
    "two_digits_swapped": 10,
    "shared": 10,  # the number of the person before
    "deceased": 20,
    "deducted": 30,
    "no_status": 10,
    "elsewhere": 20,  # the practice of somebody else
    "other_birth": 10,  # four years off
}

SCHEMA = pa.schema(
    [
        ("patient_id", pa.int64()),
        ("nhs_number", pa.string()),
        ("practice_code", pa.string()),
        ("date_of_birth", pa.date32()),
        ("registration_status", pa.string()),
    ]
)


def numbers() -> NDArray[np.int64]:
    """Every number of the range but ten nines, ascending."""
    nine = np.arange(_FIRST, _FIRST + _NUMBERS, dtype=np.int64)
    total = np.zeros(_NUMBERS, np.int64)
    for place in range(9):
        total += (10 - place) * (nine // 10 ** (8 - place) % 10)
    check = (11 - total % 11) % 11
    found = nine * 10 + check
    issued: NDArray[np.int64] = found[(check < 10) & (found != 9_999_999_999)]
    return issued


def lookup(rows: Iterator[pa.RecordBatch], patients: int, *, seed: int, dirty: bool) -> Iterator[pa.RecordBatch]:
    """The lookup of a list of ``patients`` people whose batches are ``rows``; with ``dirty``, with `FAULTS`.

    Raises `InputError` for more people than there are numbers.
    """
    free = numbers()
    if patients > len(free):
        raise InputError(
            f"a lookup has at most {len(free):,} people, not {patients:,}: no other NHS numbers are sure never to be "
            "anybody's"
        )
    order = stream(seed, _LOOKUP << 40).permutation(len(free))
    done = 0
    for block, batch in enumerate(rows):
        own = free[order[done : done + batch.num_rows]]
        done += batch.num_rows
        yield _batch(batch, own, seed, block, dirty)


def _batch(batch: pa.RecordBatch, own: NDArray[np.int64], seed: int, block: int, dirty: bool) -> pa.RecordBatch:
    rows = batch.num_rows
    names = batch.schema.names
    keys = np.asarray(batch.column(names.index("patient_id")))
    practices = batch.column(names.index("practice_code")).dictionary_decode()
    births = np.asarray(batch.column(names.index("date_of_birth")).cast(pa.int32()).fill_null(0)).copy()
    no_birth = np.asarray(batch.column(names.index("date_of_birth")).is_null())
    status = np.zeros(rows, np.int8)
    status_null = np.zeros(rows, bool)
    texts = own.copy()
    number_null = np.zeros(rows, bool)
    practice_of = np.arange(rows)
    kept = np.ones(rows, np.int64)
    if dirty:
        rng = stream(seed, _LOOKUP << 40 | block + 1)
        draw = rng.random(rows)
        edges = np.cumsum([0, *FAULTS.values()]) / 10_000
        hit = {name: (edges[i] <= draw) & (draw < edges[i + 1]) for i, name in enumerate(FAULTS)}
        kept[hit["missing"]], kept[hit["repeated"]] = 0, 2
        number_null = hit["no_number"]
        wrong = hit["wrong_digit"]
        texts[wrong] += np.where(texts[wrong] % 10 == 9, -9, 1)
        swapped = hit["two_digits_swapped"]
        tens, units = texts // 10 % 10, texts % 10
        texts = np.where(swapped, texts - texts % 100 + units * 10 + tens, texts)
        shared = np.flatnonzero(hit["shared"])
        texts[shared] = own[shared - 1]
        status[hit["deceased"]], status[hit["deducted"]] = 2, 1
        status_null = hit["no_status"]
        elsewhere = np.flatnonzero(hit["elsewhere"])
        practice_of[elsewhere] = (elsewhere + rows // 2) % rows
        births[hit["other_birth"]] -= 1461
    repeated = pa.array(np.repeat(np.arange(rows), kept))
    found = pa.record_batch(
        [
            pa.array(keys),
            pa.array(
                [None if gone else str(n) for n, gone in zip(texts.tolist(), number_null, strict=True)], pa.string()
            ),
            practices.take(pa.array(practice_of)).cast(pa.string()),
            pa.array(births, pa.int32(), mask=no_birth).view(pa.date32()),
            pa.array(np.array(_STATUSES, object)[status], pa.string(), mask=status_null),
        ],
        schema=SCHEMA,
    )
    return found.take(repeated)
