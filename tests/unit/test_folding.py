"""What folding refuses, what it counts, and what it leaves behind: nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from popstrat.deriving import folding
from popstrat.deriving.folding import Folding, OutOfOrderError, fold_chunks
from popstrat.deriving.folds import NO_DAY, Conversion, Count, Fold, LastDay, LastLabel, LastValue, Pair, Values, beyond
from popstrat.engine.events import FOLD, HAS_CODES, HAS_VALUES, VALUES, Columns, Hits, Keys, Rows, Rules, Spill, Worker

ANY_VALUE = Values({"mg": Conversion()}, Conversion(), -1e9, 1e9)
LISTS = {"A": np.array([1, 2]), "B": np.array([3]), "BOTH": np.array([2, 3])}
DAY = LastDay("day", "events", ("A",), 100)


def rows(keys: list[Any], **more: Any) -> pa.RecordBatch:
    many = len(keys)
    columns = {"patient_id": keys, "date": pa.array(range(many), pa.int32()).cast(pa.date32()), "code": [1] * many}
    return pa.record_batch({n: c if isinstance(c, pa.Array) else pa.array(c) for n, c in (columns | more).items()})


def fold(
    folder: Path, *batches: pa.RecordBatch, folds: tuple[Fold, ...] = (DAY,), keys: Any = (1, 2, 3), **more: Any
) -> Folding:
    people = keys if isinstance(keys, pa.Array) else pa.array(keys)
    how: dict[str, Any] = {"as_of": 100, "threads": 2, "spill_dir": folder} | more
    births = np.full(len(people), NO_DAY)
    return fold_chunks(people, births, {"events": list(batches)}, folds, LISTS, **how)


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ((LastDay("x", "events", ("C",), 100),), "there is no code list 'C'"),
        ((DAY, DAY), "the same name"),
        ((LastValue("x", "events", ("A",), 100, values=ANY_VALUE, gap=-1),), "gap"),
        ((LastLabel("x", "events", (), 100, labels=(("a", ("A",)), ("b", ("BOTH",)))),), "under two labels"),
        (
            (Pair("x", "events", (), 100, first=("A",), second=("BOTH",), first_values=ANY_VALUE,
                  second_values=ANY_VALUE),),
            "two parts",
        ),
        ((LastValue("x", "events", ("A",), 100, values=Values({}, None, float("nan"), 1)),), "bounds"),
        ((LastValue("x", "events", ("A",), 100, values=Values({}, Conversion(decimals=-1), 0, 1)),), "decimals"),
    ],
)  # fmt: skip
def test_folds_that_cannot_be(folds: tuple[Fold, ...], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        fold(tmp_path, rows([1]), folds=folds)


@pytest.mark.parametrize("keys", [[2, 1], [1, 1], ["b", "a"], [1, None], pa.array(["a", "a"])])
def test_ids_that_are_no_keys(keys: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ascend|null"):
        fold(tmp_path, rows([1]), keys=keys)


LIE = pa.DictionaryArray.from_arrays(pa.array([0, 7], pa.int32()), pa.array([1]), safe=False)
BELOW = pa.DictionaryArray.from_arrays(pa.array([0, -1], pa.int32()), pa.array(["mg"]), safe=False)
ENDS = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(np.array([0, 999, 2], np.int32)), pa.py_buffer(b"ab")])


@pytest.mark.parametrize("said", [(), ("events",)])
@pytest.mark.parametrize(
    ("keys", "batch"),
    [
        (pa.array([1, 2]), rows([1, 2], code=LIE)),
        (pa.array([1, 2]), rows([1, 2], patient_id=LIE)),
        (pa.array([1, 2]), rows([1, 2], unit=BELOW)),
        (pa.array(["a", "b"]), rows(["a", "b"], patient_id=ENDS)),
        (pa.array([1, 2]), rows(["a", "b"])),
        (pa.array(["a", "b"]), rows([1, 2])),
        (pa.array([1, 2]), rows([1, 2], code=["1", "2"])),
        (pa.array([1, 2]), rows([1, 2], code=[1.0, 2.0])),
        (pa.array([1, 2]), rows([1, 2], date=["2020-01-01", "2020-01-01"])),
        (pa.array([1, 2]), rows([1, 2], value=["1", "2"])),
        (pa.array([1, 2]), rows([1, 2], unit=[1, 2])),
        (pa.array([1, 2]), rows([1, 2]).drop_columns(["code"])),
    ],
)
def test_columns_that_lie(keys: Any, batch: pa.RecordBatch, said: Any, tmp_path: Path) -> None:
    """An index or an offset that leads nowhere, and types that no layout gives, are refused; never read."""
    folds = (DAY, LastValue("value", "events", ("A",), 100, values=ANY_VALUE))
    with pytest.raises(ValueError, match=r".+"):
        list(fold(tmp_path, batch, folds=folds, keys=keys, unsorted=said))
    assert not list(tmp_path.iterdir())


def test_an_index_under_a_null_is_not_looked_at(tmp_path: Path) -> None:
    for column in ("patient_id", "code", "unit"):
        values = ["mg"] if column == "unit" else [1]
        index = pa.Array.from_buffers(
            pa.int32(), 2, [pa.py_buffer(b"\x01"), pa.py_buffer(np.array([0, 10**6], np.int32))]
        )
        lie = pa.DictionaryArray.from_arrays(index, pa.array(values), safe=False)
        (chunk,) = fold(tmp_path, rows([1, 1], **{column: lie}))
        assert chunk.folded["day"].day is not None
        assert chunk.folded["day"].day[0] == (1 if column == "unit" else 0)


def test_what_was_given_out_is_taken_back(tmp_path: Path) -> None:
    """Rows of somebody whose results are out: said, and right at the second attempt."""
    batches = [rows([1, 2, 3]), rows([1])]
    chunks = fold(tmp_path, *batches, chunk_rows=1, threads=1)
    with pytest.raises(OutOfOrderError) as raised:
        list(chunks)
    assert raised.value.table == "events"
    found = list(fold(tmp_path, *batches, chunk_rows=1, unsorted=("events",)))
    assert [c.folded["day"].day.tolist() for c in found if c.folded["day"].day is not None] == [[0], [1], [2]]


def test_rows_that_come_once_cannot_be_read_again(tmp_path: Path) -> None:
    once: Iterator[pa.RecordBatch] = iter([rows([3, 1])])
    with pytest.raises(OutOfOrderError):
        list(
            fold_chunks(
                pa.array([1, 3]), np.zeros(2, np.int32), {"events": once}, (DAY,), LISTS, as_of=9, threads=1,
                spill_dir=tmp_path,
            )
        )  # fmt: skip


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """Where reading fails, where the consumer stops early: no file, no thread, no open file. And what is put by is for
    this user alone, and has no name."""

    def failing() -> Iterator[pa.RecordBatch]:
        yield rows([3, 1] * 1000)
        seen.append([str(p.readlink()) for p in Path("/proc/self/fd").iterdir() if p.is_symlink()])
        raise OSError("the disk is gone")

    class Again:
        def __iter__(self) -> Iterator[pa.RecordBatch]:
            return failing()

    seen: list[list[str]] = []
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (a folder that changes while it is read)
    with pytest.raises(OSError, match="the disk is gone"):
        list(
            fold_chunks(
                pa.array([1, 3]), np.zeros(2, np.int32), {"events": Again()}, (DAY,), LISTS, as_of=9, threads=2,
                spill_dir=tmp_path, unsorted=("events",),
            )
        )  # fmt: skip
    own = [name for name in seen[0] if name.startswith(str(tmp_path))]
    assert own
    assert all(name.endswith("(deleted)") for name in own)
    chunks = fold(tmp_path, rows([1, 2, 3]), chunk_rows=1, unsorted=("events",))
    next(chunks)
    chunks.close()
    assert not list(tmp_path.iterdir())
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_nameless", lambda folder: Path("/dev/full").open("wb"))  # noqa: SIM115
    days = pa.array([1] * 20_000, pa.int32()).cast(pa.date32())
    with pytest.raises(OSError, match="No space left"):
        list(fold(Path(), rows([3, 1] * 10_000, date=days), unsorted=("events",)))


def test_too_many_units(tmp_path: Path) -> None:
    unit = pa.array([f"u{i}" for i in range(70_000)])
    value = LastValue("value", "events", ("A",), 10**6, values=ANY_VALUE)
    with pytest.raises(ValueError, match="it holds no units"):
        list(fold(tmp_path, rows([1] * 70_000, unit=unit), folds=(value,)))


def test_counting_beside(tmp_path: Path) -> None:
    batch = rows(
        [1, 1, 1, 2, 9, None, 3],
        code=[1, 1, 7, 2, 1, 1, 2],
        date=pa.array([5, 5, 5, None, 5, 5, 101], pa.int32()).cast(pa.date32()),
    )
    chunks = fold(tmp_path, batch, folds=(Count("rows", "events", ("A",), 100),))
    (chunk,) = chunks
    assert chunk.folded["rows"].count is not None
    assert chunk.folded["rows"].count.tolist() == [1, 0, 0]
    assert vars(chunks.counts.tables["events"]) == {
        "rows": 7, "unknown_patient": 2, "not_in_any_list": 1, "undated": 1, "after_as_of": 1, "before_birth": 0,
    }  # fmt: skip
    assert chunks.counts.folds["rows"].used == 2
    assert chunks.counts.folds["rows"].repeats == 1


def test_the_engine_refuses_what_does_not_fit() -> None:
    keys = Keys([1, 2], [0, 0])
    no_values = np.zeros((0, 1), VALUES)
    folds = np.zeros(1, FOLD)
    folds["values"] = folds["second_values"] = -1
    rules = Rules([5], [0, 1], [[0, 0]], folds, [], no_values, 0)
    for given in (
        ([5, 5], [0, 1, 1], [[0, 0]], folds, [], no_values, 0),
        ([5], [0, 2], [[0, 0]], folds, [], no_values, 0),
        ([5], [0, 1], [[1, 0]], folds, [], no_values, 0),
        ([5], [0, 1], [[0, 0]], folds, [[0, 1]], no_values, 0),
        ([5], [0, 1], [[0, 0]], folds, [], no_values, HAS_CODES),
        ([5], [0, 1], [[0, 0]], folds, [], no_values, 99),
    ):
        with pytest.raises(ValueError, match=r".+"):
            Rules(*given)
    odd = folds.copy()
    odd["kind"] = 99
    with pytest.raises(ValueError, match="not complete"):
        Rules([5], [0, 1], [[0, 0]], odd, [], no_values, HAS_VALUES)
    column = (None, np.array([1, 2]), 0)
    days = (None, np.array([1, 2], np.int32), 0)
    for refused in (
        {"rows": 3},
        {"rows": -1},
        {"key": (None, np.array([1]), 0)},
        {"key": (b"", np.array([1, 2]), 0)},
        {"key": (None, np.array([1, 2]), 1)},
        {"key": (None, np.array([1, 2]), -1)},
        {"key": (None, np.array([0, 1, 2]), 0, b"ab", 3)},
        {"day": (None, np.array([1]), 0, [1])},
        {"code": (None, np.array([0, 1, 2]), 0, b"ab", 8)},
        {"code": (None, np.array([0, 0], np.int32), 0, [0, 0]), "code_values": [1]},
    ):
        with pytest.raises(ValueError, match=r".+"):
            Rows(**({"rows": 2, "key": column, "day": days, "code": column} | refused))
    worker, hits = Worker(rules, keys), Hits()
    sound = Rows(2, (None, np.array([1, 2]), 0), days, (None, np.array([5, 5]), 0))
    with pytest.raises(ValueError, match="out of range"):
        worker.pack(sound, 0, 3, 100, hits)
    worker.pack(sound, 0, 2, 100, hits)
    assert (hits.count, hits.first, hits.last) == (2, 0, 1)
    other = Rules([5], [0, 1], [[0, 0]], folds, [], no_values, HAS_VALUES)
    for columns in (Columns(rules, 1, 1), Columns(other, 0, 2)):
        with pytest.raises(ValueError, match=r"out of range|other rules"):
            worker.fold(hits, 0, 2, columns)
    with pytest.raises(ValueError, match="out of range"):
        worker.fold(hits, 0, 3, Columns(rules, 0, 2))
    with pytest.raises(ValueError, match="out of range"):
        Columns(rules, 0, 0)
    with pytest.raises(ValueError, match="out of range"):
        Spill(rules, 0, 10, 5, 6, 1, 1)
    spill = Spill(rules, 0, 1, 1, 1, 1, 10)
    with pytest.raises(ValueError, match="leads out"):
        spill.add(0, hits)
    with pytest.raises(ValueError, match="out of range"):
        spill.read(1, Hits(), Hits())


@pytest.mark.parametrize(
    ("value", "unit", "whole", "plain"),
    [
        (beyond(48, "<"), "mmol/mol", 47, 48 - 2**-18),
        (beyond(48, ">"), "mmol/mol", 49, 48 + 2**-18),
        (48.0, "mmol/mol", 48, 48.0),
        (47.6, "mmol/mol", 48, 47.6),
        (beyond(6.5, "<"), "%", 47, None),  # 6.5% is 48
        (beyond(6.5, ">"), "%", 49, None),
        (6.5, "%", 48, None),
        (beyond(3, "<"), "mmol/mol", 2, float(np.nextafter(np.float32(3), np.float32(0)))),
        (beyond(22.6, "<"), "mmol/mol", 22, float(np.nextafter(np.float32(22.6), np.float32(0)))),
    ],
)
def test_a_number_that_a_comparator_moved(
    value: float, unit: str, whole: int, plain: float | None, tmp_path: Path
) -> None:
    """It lies on the right side of the number that was written: of a whole number, by one, in any unit."""
    units = {"mmol/mol": Conversion(decimals=0), "%": Conversion(10.929, -23.49735, 0)}
    rounded = Values(units, None, 0.0, 1000.0)
    bare = Values({"mmol/mol": Conversion(), "%": Conversion()}, None, 0.0, 1000.0)
    folds = [
        LastValue("whole", "events", ("L",), 100, values=rounded),
        LastValue("plain", "events", ("L",), 100, values=bare),
    ]
    table = pa.record_batch({"patient_id": pa.array([1]), "date": pa.array([50], pa.int32()).cast(pa.date32()),
                             "code": pa.array([7]), "value": pa.array([value]), "unit": pa.array([unit])})  # fmt: skip
    chunks = fold_chunks(
        pa.array([1]), np.array([0], np.int32), {"events": [table]}, folds, {"L": np.array([7])}, as_of=100, threads=1,
        spill_dir=tmp_path,
    )  # fmt: skip
    (chunk,) = chunks
    assert chunk.folded["whole"].value is not None
    assert chunk.folded["whole"].value[0] == whole
    if plain is not None:
        assert chunk.folded["plain"].value is not None
        assert chunk.folded["plain"].value[0] == plain
