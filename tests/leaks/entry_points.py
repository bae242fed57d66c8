"""Every way into the compiled code, as calls to be made again and again: with what is sound, and with what is refused.

A call makes its own inputs, so that a reference to one that is kept shows as memory, and does the same each time. Those
in `CALLS` are told apart by name; `test_leaks.py` sees that nothing in the engine's stubs is left out.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import popstrat
import popstrat.synthetic
from popstrat.engine import (
    INSTRUCTION_WIDTH,
    LARGE,
    OPERATIONS,
    Frame,
    Labels,
    Memory,
    Program,
    Work,
    astray,
    count_at,
    distinct,
    increasing,
    levels,
    text_of_views,
    used,
    views_coded,
)
from popstrat.engine import _table as table
from popstrat.engine.arrays import cells as counted
from popstrat.engine.arrays.check_digits import weighted_mod11
from popstrat.engine.arrays.letters import changes, made_of
from popstrat.engine.arrays.top_k import top_k
from popstrat.engine.events import FOLD, HAS_CODES, KINDS, VALUES, Columns, Hits, Keys, Rows, Rules, Spill, Worker
from popstrat.engine.formats import csv_read, csv_write, parquet_read, parquet_write
from popstrat.engine.tables import Cells, Kin, Limits, Tables
from popstrat.engine.tables.walk import Walk, solved
from popstrat.errors import InputError
from popstrat.formats.registry import open_sink, open_source

AS_OF = dt.date(2026, 6, 30)
CALLS: dict[str, Callable[[], None]] = {}
MAPPED = 3 << 20  # bytes that the engine maps by themselves
FOLDER = tempfile.TemporaryDirectory()
PLACE = Path(FOLDER.name)


def call(made: Callable[[], None]) -> Callable[[], None]:
    CALLS[made.__name__] = made
    return made


def refused(doing: Callable[[], object]) -> None:
    """Have something refused, and say if it is not. That there is no memory is for whoever calls."""
    try:
        doing()
    except (ValueError, TypeError, KeyError, EOFError, BufferError, parquet_read.ChunkError):
        return
    raise AssertionError("not refused")


def doubles(rows: int, start: float = 0.25) -> Any:
    return np.arange(rows, dtype=np.float64) + start


def all_valid(rows: int, but: int = 3) -> bytes:
    bits = np.arange(rows) % but != 0
    return np.packbits(bits, bitorder="little").tobytes()


# -- programs ----------------------------------------------------------------------------------------------------------


def _row(name: str, *operands: int) -> list[int]:
    code = [OPERATIONS[name][0], *operands]
    return code + [0] * (INSTRUCTION_WIDTH - len(code))


def _program(planes: int = 4) -> Program:
    code = [
        _row("F64_F64", 0, 0),
        _row("ONES", 0),
        _row("ADDK", 1, 0, 0),
        _row("OUT_NUM", 0, 1, 0),
        _row("COUNT", 0, 0),
    ]
    return Program(code, [], [], [0.1], ("f64",), ("number",), planes, 2, 2, 4, 2)


def _frame(rows: int, *, short: bool = False, planes: int = 4) -> Frame:
    out = np.empty(rows)
    column = (doubles(rows - short), all_valid(rows), 0, None, None, None)
    return Frame(_program(planes), [column], [(out, None)], rows)


@call
def programs() -> None:
    _program().listing()
    refused(lambda: Program([[9999] * INSTRUCTION_WIDTH], [], [], [], (), (), 1, 1, 1, 1, 1))
    refused(lambda: Program([_row("F64_F64", 7, 0)], [], [], [], ("f64",), (), 1, 1, 1, 1, 1))
    refused(lambda: Program([_row("F64_F64", 0, 0)], [], [], [], ("no such",), (), 1, 1, 1, 1, 1))
    Labels({"a label": 1, "another": 2})
    refused(lambda: Labels({"x" * 400: 1000}))
    table.levels(), table.operations(), table.operands(), table.column_kinds(), table.output_kinds()


@call
def frames() -> None:
    frame = _frame(700)
    for level in levels():
        frame.run(0, 700, level)
    refused(lambda: frame.run(0, 700, "no such"))
    refused(lambda: frame.run(1, 700))
    refused(lambda: _frame(700, short=True))
    refused(lambda: frame.__init__(_program(), [], [], 0))  # type: ignore[misc]


@call
def work() -> None:
    for helpers in (0, 2):
        done = Work(helpers)
        for rows in (100, 40_000, 0):
            done.add(_frame(rows))
        done.run_until(1)
        done.run()
        done.counters(1)
        done.add(_frame(100))
        done.add(_frame(100, planes=400))  # which takes more room to work in
        done.run()
        left = Work(helpers)
        for _ in range(3):
            left.add(_frame(33_000))
        left.run_until(0)
        left.stop()
    refused(lambda: Work().run_until(0))
    refused(lambda: Work(level="no such").add(_frame(10)))
    refused(lambda: Work().add(None))  # type: ignore[arg-type]


@call
def memory() -> None:
    for size in (1, LARGE, MAPPED, 257 << 20):  # the last is more than is ever kept
        memoryview(Memory(size)).release()
    many = [Memory(MAPPED // 4) for _ in range(400)]
    del many
    Memory.several([10, 200, 3000], 1 << 20)
    Memory.several([10, LARGE], 1)
    refused(lambda: Memory(-1))
    with contextlib.suppress(MemoryError):
        Memory(1 << 49)
    refused(lambda: Memory(64, Memory(10), 0))


# -- whole columns -----------------------------------------------------------------------------------------------------


@call
def whole_columns() -> None:
    far = np.arange(3000, dtype=np.int64) * (1 << 40)
    near = np.arange(3000, dtype=np.int64)
    for values in (far, near):
        mine = values.tobytes()
        increasing(mine, 0, 3000)
        distinct([(mine, 0, 1500), (mine, 1500, 1500)])
        distinct([(np.arange(70_000) * 10**6, 0, 70_000)])
        distinct([(mine, 0, 1500), (mine, 0, 1500)])
        refused(lambda mine=mine: increasing(mine, 0, 3001))
        refused(lambda mine=mine: distinct([(mine, 0, 10), (mine, 10, 4000)]))
        refused(lambda mine=mine: distinct([(mine, 0, 10), (mine, -1, 4000)]))
        refused(lambda mine=mine: distinct([(mine, 0, 10), (object(), 0, 1)]))
    counts = np.zeros(3000, np.int64)
    ones, places = np.ones(3000, np.uint8), np.arange(3000, dtype=np.int32)
    count_at(ones, places, counts)
    count_at(ones, places, counts, 10)
    assert counts[:12].tolist() == [2] * 11 + [1]
    refused(lambda: count_at(ones, places, counts[:2999]))
    refused(lambda: count_at(ones[1:], places, counts))
    valid = all_valid(3000)
    astray("indices", 8, near.tobytes(), valid, 0, 3000, 1000)
    astray("offsets", 8, near.tobytes(), None, 0, 2999, 1000)
    astray("views", 16, near.tobytes(), valid, 0, 1500, [10, 20])
    astray("valid", 0, None, valid, 0, 3000)
    refused(lambda: astray("indices", 8, near.tobytes(), valid, 0, 3001, 1000))
    refused(lambda: astray("indices", 8, near.tobytes(), valid[:10], 0, 3000, 1000))
    refused(lambda: astray("indices", 8, near.tobytes(), object(), 0, 3000, 1000))
    refused(lambda: astray("views", 16, near.tobytes(), valid, 0, 1500, ["x"]))
    views, out = (b"\2\0\0\0ab".ljust(16, b"\0")) * 1500, np.zeros(1500, np.int32)
    text_of_views(views, valid, 0, 1500, [b"text"], 3, bytearray)
    text_of_views(b"\xff" * 16, None, 0, 1, [b"text"], 0, bytearray)
    refused(lambda: text_of_views(views, valid, 0, 1500, [b"text"], 3, lambda _: object()))
    refused(lambda: text_of_views(views, valid, 0, 1500, [object()], 3, bytearray))
    views_coded(views, valid, 0, 1500, out)
    views_coded(b"\xff" * 16, None, 0, 1, out)
    refused(lambda: views_coded(views, valid, 0, 1501, out))
    used(bytes(6000), valid, 0, 1500, 5, out)
    used(b"\xff" * 6000, None, 0, 1500, 5, out)
    refused(lambda: used(bytes(6000), valid, 0, 1501, 5, out))


@call
def check_digits() -> None:
    whole, text = np.full(500, 9990000018, np.int64).tobytes(), b"9990000018" * 500
    ends, valid = (np.arange(501, dtype=np.int32) * 10).tobytes(), all_valid(500)
    numbers, states = np.zeros(500, np.int64), np.zeros(500, np.uint8)
    weighted_mod11(whole, None, valid, 0, 500, 8, 10, numbers, states)
    weighted_mod11(ends, text, None, 0, 500, 4, 10, numbers, states)
    for values, letters, bits, found, judged in (
        (whole[:80], None, None, numbers, states), (ends, text[:90], None, numbers, states),
        (whole, None, valid[:2], numbers, states), (whole, None, valid, numbers[:3], states),
        (object(), None, None, numbers, states), (whole, None, object(), numbers, states),
        (ends, object(), None, numbers, states), (whole, None, None, b"", states), (whole, None, None, numbers, b""),
    ):  # fmt: skip
        refused(lambda v=values, t=letters, b=bits, n=found, s=judged: weighted_mod11(v, t, b, 0, 500,
                4 if t is not None else 8, 10, n, s))  # fmt: skip


@call
def letters() -> None:
    text, ends = b"9990000018" * 500, np.arange(501, dtype=np.int32) * 10
    each = np.zeros(500, np.uint8)
    made_of(ends, text, 0, 500, 4, each)
    made_of(ends.astype(np.int64), text, 3, 400, 8)
    made_of(ends, None, 0, 0, 4)
    for offsets, data, room in (
        (ends[:9], text, None), (ends, text[:90], each), (ends[::-1].copy(), text, each), (ends, text, each[:9]),
        (object(), text, None), (ends, object(), None), (ends, text, object()), (ends, text, b"x" * 500),
    ):  # fmt: skip
        refused(lambda o=offsets, d=data, r=room: made_of(o, d, 0, 500, 4, r))
    at = np.zeros(500, np.int64)
    changes(ends, text, 0, 500, 4, at)
    changes(ends.astype(np.int64), text, 3, 400, 8, at)
    changes(ends, None, 0, 0, 4, at)
    changes(ends, text, 0, 500, 4, at[:4], 3)
    refused(lambda: changes(ends, text, 0, 500, 4, at[:3], 3))
    for offsets, data, room in (
        (ends[:9], text, at), (ends, text[:90], at), (ends[::-1].copy(), text, at), (ends, text, at[:9]),
        (object(), text, at), (ends, object(), at), (ends, text, object()), (ends, text, b"x" * 4000),
    ):  # fmt: skip
        refused(lambda o=offsets, d=data, r=room: changes(o, d, 0, 500, 4, r))


@call
def largest() -> None:
    bits, values, valid = all_valid(640), doubles(640).tobytes(), all_valid(640, 5)
    columns = [(1, 0.5, bits, None), (2, None, values, valid), (3, -0.7, all_valid(640, 2), None), (4, 0.0, bits, None)]
    top_k(columns, valid, 640, 0, 640, 2)
    top_k(columns, None, 0, 0, 0, 2)
    refused(lambda: top_k([*columns, (5, None, values[:9], None)], None, 640, 0, 640, 2))
    refused(lambda: top_k([*columns, (5, None, object(), None)], None, 640, 0, 640, 2))
    refused(lambda: top_k([*columns, ("x", None, values, None)], None, 640, 0, 640, 2))
    refused(lambda: top_k(columns, b"", 640, 0, 640, 2))


# -- events ------------------------------------------------------------------------------------------------------------


def _rules(kind: str, fields: int = 0) -> Rules:
    folds = np.zeros(1, FOLD)
    folds["kind"], folds["since"], folds["until"] = KINDS[kind], -(2**31) + 1, 10**6
    folds["values"] = folds["second_values"] = 0 if kind in ("last_gap", "pair") else -1
    bounds = [[0, 1e6]] if kind in ("last_gap", "pair") else []
    return Rules([7, 8], [0, 1, 2], [[0, 1], [0, 2]], folds, bounds, np.ones((len(bounds), 1), VALUES), fields)


def _rows(many: int) -> Rows:
    plain = [np.arange(many) // 5, np.zeros(many, np.int32), np.full(many, 7), doubles(many)]
    return Rows(many, *((None, column, 0) for column in plain))


@call
def events() -> None:
    keys = Keys(np.arange(80), np.zeros(80))
    for kind, fields in (("rows", 5), ("days", 0), ("last_gap", 1), ("pair", 7)):
        rules, hits, joined = _rules(kind, fields), Hits(), Hits()
        worker = Worker(rules, keys)
        worker.pack(_rows(350), 0, 350, 10, hits)
        columns = Columns(rules, 0, 80)
        columns.clear(0, 80)
        worker.fold(hits, 0, hits.count, columns)
        joined.append(hits, hits.tail, hits.count)
        assert (joined.first, hits.row(hits.head), hits.before(hits.last)) == (hits.last, 1, hits.tail)
        assert hits.ascending
        joined.clear()
        assert len(columns.arrays) == 1
        assert (columns.first, columns.rows, worker.counts()[0], worker.mix(0, 1)[0]) != (0, 0, 0, 0)


@call
def events_put_by() -> None:
    with tempfile.TemporaryFile(dir=FOLDER.name, buffering=0) as file:
        keys, rules, hits = Keys(np.arange(80), np.zeros(80)), _rules("rows", 5), Hits()
        keys.hash()
        Worker(rules, keys).pack(_rows(350), 0, 350, 10, hits)
        spill = Spill(rules, file.fileno(), 80, 20, 7, 1, 4)
        spill.add(0, hits)
        assert spill.parts_of_chunk == 3
        for part in range(12):
            spill.read(part, Hits(), Hits())


@call
def events_texts() -> None:
    keys = Keys(([0, 1, 2], b"ab"), [0, 0])
    for _ in range(2):
        assert keys.rows((None, np.array([0, 1, 3, 3]), 0, b"bxx", 8), 3).tolist() == [1, -1, -1]
        keys.hash()
    assert keys.texts
    assert _rules("days").slots([8, 9], [True, False]).tolist() == [1, -1]
    looked_up = Rows(1, (None, np.zeros(1, np.int32), 0, [0]), *[(None, np.zeros(1), 0)] * 2)
    assert (looked_up.looked_up, looked_up.texts) == (True, False)


@call
def events_refused() -> None:
    refused(lambda: Keys([2, 1], [0, 0]))
    refused(lambda: Keys(([0, 3], b"ab"), [0]))
    refused(lambda: _rules("days", HAS_CODES))
    refused(lambda: _rules("pair"))
    refused(lambda: Rows(3, *[(None, np.zeros(2), 0)] * 3))
    rules, hits = _rules("rows", 5), Hits()
    worker = Worker(rules, Keys(np.arange(80), np.zeros(80)))
    astray = (None, np.full(350, 9, np.int32), 0, [0])
    rows = Rows(350, astray, (None, np.zeros(350, np.int32), 0), (None, np.full(350, 7), 0))
    refused(lambda: worker.pack(rows, 0, 350, 10, hits))
    refused(lambda: worker.fold(hits, 0, 1, Columns(rules, 0, 80)))
    refused(lambda: Columns(rules, 0, 0))
    refused(lambda: Spill(rules, 0, 80, 7, 20, 1, 4))
    refused(lambda: Spill(rules, 0, 80, 20, 7, 1, 4).read(12, hits, hits))


@call
def cells() -> None:
    whole, codes, bits, shorts = np.zeros(640, np.int32), np.zeros(640, np.uint8), all_valid(640, 3), bytes(2 * 640)
    coded = counted.Coded(codes, 1, None, 0, 640, np.zeros(1, np.int32))
    null = counted.Coded(codes, 1, bits, 0, 640, np.zeros(1, np.int32))
    tables, numbers = [[(codes, bits, 0, 3)], []], [(doubles(640).tobytes(), 8, bits), (shorts, 2, None)]
    made = counted.Cells(coded, 1, tables, [bits, bits], numbers, [null])
    assert (made.rows, made.width, coded.rows) == (640, 4, 640)
    held = np.full(1, -1, np.int32)
    null.numbers(whole)
    coded.within(np.zeros(640, np.int32), held)
    tally = counted.Tally(4, 2, 2, 2)
    tally.grow(1)
    tally.grow(3)
    assert (tally.width, tally.planes, tally.numbers, tally.threads, tally.most) == (4, 2, 2, 2, 3)
    assert tally.add(made, 0, 512, 0, [held]) == tally.add(made, 512, 640, 1, [held], 0) == counted.FINE
    tally.finish()
    assert tally.add(counted.Cells(null, 1, tables, [bits, bits], numbers), 0, 640) == counted.NOWHERE
    other = counted.Coded(codes, 1, None, 0, 640, np.ones(1, np.int32))
    assert (
        tally.add(counted.Cells(coded, 1, tables, [bits, bits], numbers, [other]), 0, 640, 0, [held]) == counted.IN_TWO
    )
    refused(lambda: counted.Coded(codes[:9], 1, bits, 0, 640, whole))
    refused(lambda: counted.Coded(codes, 1, object(), 0, 640, whole))
    refused(lambda: counted.Coded(codes, 3, None, 0, 640, whole))
    refused(lambda: null.numbers(whole[:9]))
    refused(lambda: null.within(whole[:9], held))
    refused(lambda: counted.Coded(codes, 1, None, 0, 640, whole[:0]).within(whole, held))
    refused(lambda: counted.Cells(coded, 1, [[(codes[:9], None, 0, 3)]]))
    refused(lambda: counted.Cells(coded, 1, [[(codes, bits[:9], 0, 3)]]))
    refused(lambda: counted.Cells(object(), 1, [[]]))  # type: ignore[arg-type]
    refused(lambda: counted.Cells(coded, 1, tables, [bits, object()]))
    refused(lambda: counted.Cells(coded, 1, tables, [bits], [(b"", 2, None)]))
    refused(lambda: counted.Cells(coded, 1, tables, [bits], [(shorts, 2, object())]))
    refused(lambda: counted.Cells(coded, 1, tables, within=[coded, object()]))  # type: ignore[list-item]
    refused(lambda: counted.Tally(0, 0, 0))
    refused(lambda: tally.grow(1))
    refused(lambda: tally.add(made, 0, 641, 0, [held]))
    refused(lambda: tally.add(made, 0, 640, 0, [object()]))
    refused(lambda: tally.add(made, 0, 640, 0, [held], 1))


# -- files -------------------------------------------------------------------------------------------------------------


@cache  # Arrow itself keeps a block or so of every list that it makes an array of, for a good while
def _columns(rows: int) -> pa.Table:
    """Columns of every layout that is read and written, with nulls."""
    numbers = [None if i % 6 == 1 else i % 50 for i in range(rows)]
    words = [None if n is None else "x" * (n % 5) + str(n) for n in numbers]
    return pa.table({
        "flag": pa.array([None if n is None else n % 3 == 0 for n in numbers]),
        "sure": pa.array([i % 7 == 0 for i in range(rows)]),
        "tiny": pa.array(numbers, pa.int8()), "small": pa.array(numbers, pa.int16()),
        "large": pa.array(numbers, pa.int64()), "all_new": pa.array(np.arange(rows) * 1_000_003, pa.int64()),
        "share": pa.array(numbers, pa.float32()), "amount": pa.array([i / 8 for i in range(rows)]),
        "exact": pa.array([1 / (i + 3) for i in range(rows)]),
        "day": pa.array(numbers, pa.int32()).cast(pa.date32()), "text": pa.array(words),
        "label": pa.array(words).dictionary_encode(), "long": pa.array(words, pa.large_string()),
        "quoted": pa.array([f'"{i}",' for i in range(rows)]),
    })  # fmt: skip


_DELTA = {"small": "DELTA_BINARY_PACKED", "large": "DELTA_BINARY_PACKED", "share": "BYTE_STREAM_SPLIT"}
_WRITTEN: tuple[dict[str, Any], ...] = (
    {"use_dictionary": True, "compression": "zstd", "data_page_version": "2.0"},
    {"use_dictionary": True, "dictionary_pagesize_limit": 20, "write_batch_size": 40, "compression": "snappy"},
    {"use_dictionary": False, "compression": "gzip"},
    {"use_dictionary": False, "compression": "lz4", "column_encoding": _DELTA, "data_page_version": "2.0"},
)


@cache
def _parquet_files() -> tuple[Path, ...]:
    """Files of every encoding, and after them damaged ones."""
    found, rng = [], random.Random(5)
    for i, options in enumerate(_WRITTEN):
        path = PLACE / f"sound{i}.parquet"
        pq.write_table(_columns(900), path, data_page_size=400, row_group_size=500, **options)
        found.append(path)
    for i in range(24):
        raw = bytearray(found[i % len(_WRITTEN)].read_bytes())
        for _ in range(1 + i % 3):
            raw[rng.randrange(4, len(raw) - 2000)] ^= 1 << rng.randrange(8)
        path = PLACE / f"damaged{i}.parquet"
        path.write_bytes(raw)
        found.append(path)
    return tuple(found)


def _read(path: Path, threads: int = 1, rows: int = 350) -> None:
    (file,) = open_source([path], kinds={"large": "coded"}.get, backend="native", threads=threads).files
    for _ in file.batches(file.schema.names, batch_rows=rows):
        pass
    for part in file.parts(file.schema.names, batch_rows=rows) or ():
        for _ in part.batches():
            pass


@call
def parquet_read_sound() -> None:
    for path in _parquet_files()[: len(_WRITTEN)]:
        _read(path)
    _read(_parquet_files()[0], threads=3)
    (file,) = open_source([_parquet_files()[0]], backend="native").files
    begun = file.batches(file.schema.names, batch_rows=100)
    next(begun)
    begun.close()  # left in the middle of a row group


@call
def parquet_read_damaged() -> None:
    for path in _parquet_files()[len(_WRITTEN) :]:
        with contextlib.suppress(InputError):
            _read(path)


@call
def parquet_read_refused() -> None:
    raw = _parquet_files()[0].read_bytes()
    footer = raw[-8 - int.from_bytes(raw[-8:-4], "little") : -8]
    place = parquet_read.chunks(footer, 2, 14)[0].tolist()
    assert parquet_read.footer_parts(footer) == 15 + 2 + 28
    assert parquet_read.footer_parts(footer[:200]) is None
    refused(lambda: parquet_read.chunks(footer[:200], 2, 14))
    refused(lambda: parquet_read.chunks(footer, 3, 14))

    def into(buffer: memoryview, offset: int) -> None:
        buffer[:] = raw[offset : offset + len(buffer)]

    def ends(buffer: memoryview, offset: int) -> None:
        raise EOFError

    text, at = place[10], int(place[10][4])
    parquet_read.largest_page(into, at, int(text[3]))
    refused(lambda: parquet_read.largest_page(ends, at, int(text[3])))
    parquet_read.largest_page(into, at, int(text[3]) - 1)  # no page ends there: as far as there are headers
    refused(lambda: parquet_read.Column(into, pa.int64(), "BYTE_ARRAY", True))
    for kind, most in ((pa.string(), 900), (pa.string(), 20_000), (pa.dictionary(pa.int8(), pa.string()), 2_000)):
        column = parquet_read.Column(into, kind, "BYTE_ARRAY", True, parquet_read.Memory(most))
        refused(lambda c=column: [c.open(500, text), c.read(500), c.read(1 << 20)])
    column = parquet_read.Column(ends, pa.string(), "BYTE_ARRAY", True)
    refused(lambda: column.read(-1))
    refused(lambda: column.open(501, text))
    refused(lambda: [column.open(500, text), column.read(10)])
    parquet_read.reads(pa.string(), "BYTE_ARRAY")
    assert not parquet_read.Memory(9).take(10)


@call
def written_and_read() -> None:
    data = _columns(1500)
    batch = data.combine_chunks().to_batches()[0]
    for suffix, threads in (("parquet", 1), ("parquet", 3), ("csv", 1), ("csv", 3)):
        path = PLACE / f"out.{suffix}"
        sink = open_sink(path, data.schema, form=f".{suffix}", keys=("all_new",), threads=threads, backend="native")
        sink.write(batch.slice(0, 701))
        sink.write(batch.slice(701))
        sink.close()
        _read(path, threads)
    sink = open_sink(path, data.schema, form=".csv", keys=(), backend="native")
    sink.write(batch)
    sink.abort()


@call
def parquet_write_pages() -> None:
    codes, valid = (np.arange(900) % 40).astype(np.int8).tobytes(), all_valid(900)
    numbers = np.arange(900, dtype=np.int64).tobytes()
    ends, text = (np.arange(901, dtype=np.int32) * 2).tobytes(), b"ab" * 900
    parquet_write.bits_page(valid, valid, 0, 900, True)
    parquet_write.text_page(ends, text, valid, 0, 900, True, False)
    parquet_write.code_page(codes, valid, 0, 900, True, 40)
    made = parquet_write.Codes(codes, 1, valid, 0, 900, True, 40)
    made.body(list(reversed(range(len(made.used or ())))), 40)
    refused(lambda: made.body([1], 40))
    refused(lambda: made.body([99] * len(made.used or ()), 40))
    parquet_write.Codes(numbers, 8, None, 0, 900, False, 900)
    refused(lambda: parquet_write.Codes(numbers, 8, None, 0, 900, False, 30))
    refused(lambda: parquet_write.Codes(numbers, 8, None, 0, 901, False, 900))
    refused(lambda: parquet_write.Codes(numbers, 8, object(), 0, 900, False, 900))
    column = parquet_write.Numbers("i64", True, True)
    for _ in range(2):
        column.page(numbers, valid, 0, 900)
        column.page(numbers, None, 0, 900)
        column.finish()
    some = np.tile(doubles(3000), 4).tobytes()  # more than there is room for at first
    parquet_write.Numbers("f64", True, False).page(some, None, 0, 12_000)
    refused(lambda: column.page(numbers, valid, 0, 901))
    refused(lambda: column.page(None, valid, 0, 900))
    refused(lambda: parquet_write.Numbers("f64", True, True))
    refused(lambda: parquet_write.Numbers("no such", True, True))
    refused(lambda: parquet_write.code_page(codes, valid, 0, 900, True, 30))
    refused(lambda: parquet_write.text_page(ends, text[:90], valid, 0, 900, True, False))
    refused(lambda: parquet_write.text_page(ends, object(), valid, 0, 900, True, False))
    refused(lambda: parquet_write.bits_page(valid, valid, 0, 900, False))


_ODD = "1e-330,0.1234567890123456789,-.5e7,1,x\n"
_LINES = "".join(f'{i},{i / 7!r},"a ""{i % 9}""",2026-01-{1 + i % 28:02},{i % 2}\n' for i in range(700))
_KINDS: tuple[csv_read.Kind, ...] = ("f64", "f32", "text", "date", "bool")


def _csv(text: str, kinds: tuple[csv_read.Kind, ...] = _KINDS, *, rows: int | None = None, **more: Any) -> object:
    raw = text.encode()
    most = csv_read.most_rows(len(raw), 5) if rows is None else rows
    _, size = csv_read.layout(kinds, most)
    wanted = list(enumerate(kinds))
    return csv_read.read(bytearray(raw) + bytes(csv_read.PAD), len(raw), 5, wanted, bytearray(size), most, **more)


@call
def csv_cells() -> None:
    labels: tuple[csv_read.Kind, ...] = ("label", "label", "label", "label", "label")
    for plain in (False, True):
        _csv(_LINES, plain=plain)
        _csv(_LINES, labels, plain=plain)
        _csv(_LINES + _ODD * 200, plain=plain)  # numbers that are worked out elsewhere, and cells of another kind
        assert _csv(_LINES + "1,2\n", plain=plain) is None
        assert _csv(_LINES + '1,2,"open', labels, plain=plain) is None
        assert _csv(_LINES, labels, rows=300, plain=plain) is None
    short = bytearray(10)
    refused(lambda: csv_read.read(short, 10, 5, [(0, "f64")], bytearray(9), 1))
    refused(lambda: csv_read.read(bytes(200), 10, 5, [(0, "f64")], bytearray(900), 1))
    refused(lambda: csv_read.read(bytearray(200), 10, 5, [(0, "f64")], bytes(900), 1))
    refused(lambda: _csv(_LINES, between=b";;"))
    refused(lambda: csv_read.read(bytearray(_LINES.encode()) + bytes(csv_read.PAD), len(_LINES), 5,
                                  [(0, "label"), (9, "text")], bytearray(99999), 700))  # fmt: skip


@call
def csv_lines() -> None:
    codes, valid = (np.arange(900) % 3).astype(np.int8).tobytes(), all_valid(900)
    names, ends = b'one,two"three', np.array([0, 4, 8, 13], np.int32).tobytes()
    text, at = b"ab" * 900, (np.arange(901, dtype=np.int32) * 2).tobytes()
    label = ("label8", codes, valid, 0, names, ends, True)
    columns = csv_write.Columns([label, ("text32", at, valid, 0, text, None, True),
                                 ("decimal", doubles(900), valid, 0, None, None, False)], 900)  # fmt: skip
    lines = csv_write.Lines()
    lines.fill(columns, 0, 450)
    lines.fill(columns, 0, 900)
    look = memoryview(lines)
    refused(lambda: lines.fill(columns, 0, 900))
    look.release()
    len(lines)
    csv_write.decimals(doubles(900), valid, 0, 900)
    refused(lambda: csv_write.decimals(doubles(900), valid, 0, 901))
    refused(lambda: csv_write.decimals(doubles(900), valid[:9], 0, 900))
    refused(lambda: csv_write.decimals(doubles(900), object(), 0, 900))
    refused(lambda: columns.__init__([label], 900))  # type: ignore[misc]
    for bad in (
        ("label8", codes, valid, 0, names, np.array([0, 9, 8, 13], np.int32).tobytes(), True),
        ("text32", at, valid, 0, object(), None, True), ("text32", at[:90], valid, 0, text, None, True),
        ("no such", codes, None, 0, None, None, True), ("i8", codes, valid[:3], 0, None, None, True),
    ):  # fmt: skip
        refused(lambda bad=bad: csv_write.Columns([label, bad], 900))
    outside = csv_write.Columns([label, ("label8", b"\x09" * 900, None, 0, names, ends, True)], 900)
    refused(lambda: lines.fill(outside, 0, 900))


# -- all of it together ------------------------------------------------------------------------------------------------


@cache
def _people() -> pa.Table:
    return popstrat.synthetic.table(1500, as_of=AS_OF, threads=1)


@call
def walks() -> None:
    """Three tables of two counts and their sum: a whole, and two parts that are all of it."""
    sums = np.array([[1.0, -1.0, -1.0]])
    solution, basis = solved(sums, np.arange(3))
    refused(lambda: solved(sums, np.zeros(3, np.int64)))
    cells = Cells(
        solution, basis, np.array([0, 3]), np.arange(3), sums[0], np.ones(3, bool), np.array([1, 0, 0])
    )  # fmt: skip
    x = np.array([[43.0, 3.0, 40.0], [21.0, 1.0, 20.0], [22.0, 2.0, 20.0]])
    nothing, nowhere, no_way = np.zeros((3, 3), bool), np.zeros((3, 3)), np.zeros(4, np.int64)
    tables = Tables(x, x < 8, nothing, x < 8, nothing, x, nothing.copy(), nowhere, nowhere.copy())
    none, whole, parts = no_way[:0], no_way[:3], np.array([1, 2, 1, 2])
    kin = Kin(
        whole, np.array([0, 1, 2, 4]), parts, np.array([0, 3, 5, 7]), np.array([0, 1, 2, 0, 2, 1, 2]),
        np.array([0, 0, 1, 2]), whole[:2], np.arange(3), no_way, none, none, ~nothing, nowhere.copy(), nowhere.copy(),
    )  # fmt: skip
    walk = Walk(cells, tables, kin, Limits(8, 5, 5))
    walk.show()
    walk.withhold(1)
    refused(lambda: Walk(cells, tables, kin._replace(order=whole[:1]), Limits(8, 5, 5)))
    refused(lambda: Walk(cells, tables, kin._replace(whole=np.array([0, 0, 1])), Limits(8, 5, 5)))


@cache
def _as_text() -> pa.Table:
    people = _people()
    kinds = [c.type.value_type if pa.types.is_dictionary(c.type) else c.type for c in people.columns]
    return pa.table({n: c.cast(k) for n, c, k in zip(people.column_names, people.columns, kinds, strict=True)})


@call
def scores() -> None:
    for given in (_people(), _as_text(), _people().slice(3, 900)):
        popstrat.score(given, AS_OF, threads=1)
    popstrat.score(_people(), AS_OF, threads=3)


@call
def scores_refused() -> None:
    people = _people()
    refused(lambda: popstrat.score(pa.concat_tables([people.slice(0, 10)] * 2), AS_OF))
    ends = np.arange(65, dtype=np.int32)
    ends[32] = 1 << 30
    lies = pa.Array.from_buffers(pa.string(), 64, [None, pa.py_buffer(ends), pa.py_buffer(b"F" * 64)])
    with contextlib.suppress(InputError):
        popstrat.score(people.slice(0, 64).set_column(people.column_names.index("sex"), "sex", lies), AS_OF)
    refused(lambda: popstrat.score(people.slice(0, 9).rename_columns(["x" + n for n in people.column_names]), AS_OF))


def main(times: int) -> None:
    """Make each call so many times; and what keeps so much for a while that blocks cannot be counted."""
    for _ in range(times):
        for made in CALLS.values():
            made()
        popstrat.contributions(_people().slice(0, 300), AS_OF)


if __name__ == "__main__":
    main(int(sys.argv[1]))
