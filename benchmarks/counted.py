"""What the instruction gate counts: every operation of the engine, its other compiled loops, and whole packs.

A case is two pieces of work which differ by the kernel's work on a known number of patients and by nothing else, so
that whatever surrounds the kernel (the interpreter, allocation, loading the operands) falls out of the difference.

To add a kernel, write a function that prepares its input and returns a `Case`, and put ``@case("its name")`` above it:

    @case("increasing ids")
    def _increasing() -> Case:
        ids = np.arange(2 * ROWS, dtype=np.int64)
        return by_rows(lambda rows: engine.increasing(ids, 0, rows))

A new operation of the engine needs nothing here: its case is made from its signature in engine/ops.h. Inputs are
drawn from generators whose numbers never change, since a count depends on the data.
"""

from __future__ import annotations

import atexit
import datetime as dt
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import popstrat
from popstrat import engine

AS_OF = dt.date(2026, 6, 30)
ROWS = 4 * engine.BLOCK  # whole blocks, so that a count divides by the rows without a remainder
COPIES, PLANE_COPIES = 8, 64  # by which an operation's longer program exceeds the shorter one


@dataclass(frozen=True)
class Case:
    """``more`` does what ``less`` does, and the kernel's work on ``patients`` more rows."""

    less: Callable[[], object]
    more: Callable[[], object]
    patients: int


Make = Callable[[], Case]
CASES: dict[str, Make] = {}  # the engine's own choice of instruction set


def case(name: str) -> Callable[[Make], Make]:
    """Have what the function makes counted under this name."""

    def add(make: Make) -> Make:
        if name in CASES:
            raise ValueError(f"two cases are called {name!r}")
        CASES[name] = make
        return make

    return add


def by_rows(run: Callable[[int], object], rows: int = ROWS) -> Case:
    """The case of a loop over rows: ``run(n)`` works on the first n rows, and must be good for twice ``rows``."""
    return Case(lambda: run(rows), lambda: run(2 * rows), rows)


def cases(level: str, own_choice: bool) -> Iterator[tuple[str, Make]]:
    """Every operation on an instruction set; and, where that is the engine's ``own_choice``, all that cannot be told
    which to take."""
    for operation in engine.OPERATIONS:
        yield operation, partial(_operation, operation, level)
    if own_choice:
        yield from CASES.items()


# ---- loops of their own, and whole packs -----------------------------------------------------------------------------


@case("increasing ids")
def _increasing() -> Case:
    ids = np.arange(2 * ROWS, dtype=np.int64)
    return by_rows(lambda rows: engine.increasing(ids, 0, rows))


@case("ids all different, close together")
def _near() -> Case:
    ids = np.random.default_rng(1).permutation(2 * ROWS).astype(np.int64)
    return by_rows(lambda rows: engine.distinct([(ids, 0, rows)]))


@case("ids all different, far apart")
def _far() -> Case:
    ids = np.random.default_rng(1).permutation(2 * ROWS).astype(np.int64) * 998_244_353
    return by_rows(lambda rows: engine.distinct([(ids, 0, rows)]))


@case("indices that have entries")
def _entries() -> Case:
    indices = np.random.default_rng(1).integers(0, 500, 2 * ROWS).astype(np.int32)
    return by_rows(lambda rows: engine.astray("indices", 4, indices, None, 0, rows, 500))


@case("offsets that lie within the text")
def _within() -> Case:
    offsets = np.arange(2 * ROWS + 1, dtype=np.int32) * 6
    return by_rows(lambda rows: engine.astray("offsets", 4, offsets, None, 0, rows, 12 * ROWS))


def _cells(in_order: bool) -> Case:
    from popstrat.engine.arrays.cells import BLOCK, Cells, Coded, Tally

    rng, rows, wholes = np.random.default_rng(1), 2 * ROWS, 16
    whole = rng.integers(0, wholes, rows).astype(np.int32)
    numbers = np.arange(wholes, dtype=np.int32)
    of = Coded(np.sort(whole) if in_order else whole, 4, None, 0, rows, numbers)
    groups = [
        [(rng.integers(0, size, rows).astype(np.uint8), None, 0, size) for size in some] for some in ((8, 6), (6, 4))
    ]
    planes = [np.packbits(rng.random(rows) < 0.1, bitorder="little") for _ in range(56)]
    events = np.where(rng.random(rows) < 0.2, rng.integers(1, 9, rows), 0).astype(np.int16)
    cells = Cells(of, wholes, groups, planes, [(events, 2, None)], [of])

    def count(some: int) -> None:
        tally = Tally(cells.width, len(planes), 1)
        tally.grow(wholes)
        assert some % BLOCK == 0
        tally.add(cells, 0, some, held=[np.full(wholes, -1, np.int32)])

    return by_rows(count)


@case("56 bitmaps and a number counted by cell")
def _counted() -> Case:
    return _cells(in_order=True)


@case("56 bitmaps and a number counted by cell, wholes in no order")
def _counted_apart() -> Case:
    return _cells(in_order=False)


@case("coded events packed and folded, an event")
def _events() -> Case:
    import derive_events as d

    from popstrat.deriving.fold_rules import compile_rules
    from popstrat.deriving.row_columns import RowColumns, Units, make_keys
    from popstrat.engine.events import Columns, Hits, Worker

    record = d.record(2 * ROWS)
    rules, keys = compile_rules(d.folds(), record.lists, d.AS_OF), make_keys(record.keys, record.births)
    (batch,) = record.events.combine_chunks().to_batches()
    rows = RowColumns("events", rules, keys, Units(rules.units)).of(batch)

    def fold(events: int) -> None:
        worker, hits = Worker(rules.rules, keys), Hits()
        columns = Columns(rules.rules, 0, len(record.keys))
        columns.clear(0, len(record.keys))
        worker.pack(rows, 0, events, d.AS_OF, hits)
        worker.fold(hits, 0, hits.count, columns)

    return by_rows(fold)


@cache
def _list() -> pa.RecordBatch:
    from popstrat import synthetic

    return synthetic.table(2 * ROWS + 1, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]


def _pack(batch: pa.RecordBatch) -> Case:
    scorer = popstrat.Scorer(as_of=AS_OF)
    return by_rows(lambda rows: scorer.score_batch(batch.slice(0, rows)))


@case("london-2026")
def _whole() -> Case:
    return _pack(_list())


@case("london-2026, columns that start within a byte")
def _slice() -> Case:
    return _pack(_list().slice(1))


@case("london-2026, labels as text")
def _text() -> Case:
    batch = _list()
    plain = [a.dictionary_decode() if pa.types.is_dictionary(a.type) else a for a in batch.columns]
    return _pack(pa.RecordBatch.from_arrays(plain, names=batch.schema.names))


@cache
def _file(ending: str, rows: int) -> Path:
    """The first rows of the list as an uncompressed file."""
    from popstrat.formats import open_sink

    path = Path(tempfile.mkdtemp()) / f"list{ending}"
    atexit.register(shutil.rmtree, path.parent)
    batch = _list().slice(0, rows)
    if ending == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_batches([batch]), path, compression="none")
    else:
        sink = open_sink(path, batch.schema, form=ending)
        sink.write(batch)
        sink.close()
    return path


def _read(ending: str, rows: int) -> None:
    from popstrat.formats import open_source
    from popstrat.packs.patient_table import patient_schema

    schema = patient_schema()
    source = open_source([_file(ending, rows)], kinds=lambda name: schema[name].cells if name in schema else None)
    there = source.files[0].schema.names
    for _ in source.files[0].batches([name for name in popstrat.Scorer(as_of=AS_OF).columns if name in there]):
        pass


@case("reading Parquet, uncompressed")
def _parquet() -> Case:
    return by_rows(partial(_read, ".parquet"))


@case("reading CSV")
def _csv() -> Case:
    return by_rows(partial(_read, ".csv"))


@case("writing CSV")
def _csv_out() -> Case:
    from popstrat.formats import open_sink

    scored = popstrat.Scorer(as_of=AS_OF).score_batch(_list())
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)

    def write(rows: int) -> None:
        sink = open_sink(folder / "scored.csv", scored.schema, form=".csv")
        sink.write(scored.slice(0, rows))
        sink.close()

    return by_rows(write)


# ---- operations of the engine ----------------------------------------------------------------------------------------

_TODAY = 20_634  # days since 1970
_BIRTHDAYS = tuple(_TODAY - (1461 * k + 3) // 4 for k in range(122))
_SMALL, _DATES = (0, 100), (_TODAY - 40_000, _TODAY)  # what values lie between: of columns of int32, and of all others
_FULL = (0.3, 0.3, 0.3, 0.3, 0.01, 0.01, 0.0, 0.0)  # how much of each plane is set
_RARE = len(_FULL) // 2  # the first plane of those that are nearly or quite empty
_COLUMNS = tuple(engine.COLUMN_BITS)
_OUTPUTS = {kind: bits / 8 for kind, bits in engine.OUTPUT_BITS.items()}  # bytes a row
_CONSTANTS: dict[str, tuple[float, ...]] = {
    "CHECK_DATE": _DATES,
    "YEARS": (_TODAY, 91_867, 0, 25),
    "YEARS_TABLE": (_TODAY,),
    "RANGE_CODE": (1, 2),
    "POWK": (2.5,),
    "ROUND": (1e6,),
}
_STEPS = ("NEG", "ADDK", "EXP", "MINK", "ROUND")  # what a chain does
_LABELS = {"never": 0, "ex": 1, "current": 2}
_READ, _WRITTEN = {"b": 0, "u": 0, "h": 0, "f": 0}, {"B": len(_FULL), "U": 1, "H": 2, "F": 2}  # the first of each kind


def _kind(name: str) -> str:
    """The kind of column that an operation reads, where it reads one."""
    return engine.OPERATIONS[name].reads or "bits"


def _constants(name: str, count: int) -> tuple[float, ...]:
    """What an operation's constants are: bounds that all values keep in a check, and most values elsewhere."""
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    low, high = _DATES if _kind(name) == "i32" else _SMALL
    if not name.startswith("CHECK"):
        low, high = low + (high - low) // 10, high - (high - low) // 10
    return (low, high)[:count]


class _Writer:
    """A program that loads every kind of operand, then does one operation several times over."""

    def __init__(self) -> None:
        self.code: list[list[int]] = []
        self.arguments: list[int] = []
        self.integers: list[int] = []
        self.doubles: list[float] = [float(k) for k in range(8)]
        for plane in range(len(_FULL)):
            self._add("FLAG", plane, len(_COLUMNS) + plane)
        self._add("CODES_I8", 0, _COLUMNS.index("dict8"))
        self._add("F64_F64", 0, _COLUMNS.index("f64"))
        self._add("F64_F32", 1, _COLUMNS.index("f32"))
        self._add("SHORT_NUM", 0, 0)
        self._add("SHORT_NUM", 1, 1)

    def _add(self, name: str, *operands: int) -> None:
        row = [engine.OPERATIONS[name][0], *operands]
        self.code.append(row + [0] * (engine.INSTRUCTION_WIDTH - len(row)))

    def _list(self, values: Sequence[int], width: int = 1) -> list[int]:
        self.arguments += values
        return [len(self.arguments) - len(values), len(values) // width]

    def operation(self, name: str, copies: int) -> engine.Program:
        """The finished program."""
        signature = engine.OPERATIONS[name][1]
        constants = iter(_constants(name, signature.count("i") + signature.count("k")))
        planes = len(_FULL) if name in ("ANY", "MASKED_ADD", "WEIGH") else 3
        registers = _READ | _WRITTEN
        if name == "OUT_FLAGS":
            registers["b"] = _RARE
        operands: list[int] = []
        for letter in signature:
            match letter:
                case "c":
                    operands.append(_COLUMNS.index(_kind(name)))
                case "o":
                    operands.append(list(_OUTPUTS).index(engine.OPERATIONS[name].writes or "bits"))
                case "n":
                    operands.append(0)
                case "i":
                    self.integers.append(int(next(constants)))
                    operands.append(len(self.integers) - 1)
                case "k":
                    self.doubles.append(float(next(constants)))
                    operands.append(len(self.doubles) - 1)
                case "l":
                    operands += self._list(range(planes))
                case "m":
                    operands += self._list([x for k in range(planes) for x in (k, k)], 2)
                case "p":
                    operands += self._list([x for k in range(_RARE, len(_FULL)) for x in (k, k)], 2)
                case "d":
                    operands += self._list([0, 2, 1, 3], 2)
                case "t":
                    operands += self._list(_BIRTHDAYS)
                case "q":
                    operands += self._list(range(8))
                case "s":
                    operands += self._list([x for step in _STEPS for x in (engine.OPERATIONS[step][0], 3)], 2)
                case "v":
                    operands += self._list(
                        [x for k, step in enumerate(engine.FOLDS) for x in (engine.OPERATIONS[step][0], k)], 2
                    )
                case _ if letter in registers:
                    operands.append(registers[letter])
                    registers[letter] += 1
                case _:
                    raise ValueError(f"{name}: benchmarks/counted.py does not know the operand {letter!r}")
        for _ in range(copies):
            self._add(name, *operands)
        return engine.Program(
            self.code, self.arguments, self.integers, self.doubles, (*_COLUMNS, *("bits" for _ in _FULL)), _OUTPUTS,
            planes=len(_FULL) + 3, bytes=2, shorts=3, numbers=3, counters=2,
        )  # fmt: skip


def _random(low: int, high: int, kind: Any) -> NDArray[Any]:
    """ROWS numbers from low to high; RandomState's stream is the same in every version of NumPy."""
    numbers: NDArray[Any] = np.random.RandomState(1).randint(low, high + 1, ROWS).astype(kind)
    return numbers


def _bits(share: float) -> NDArray[np.uint8]:
    return np.packbits(np.random.RandomState(2).random_sample(ROWS) < share, bitorder="little")


def _placed(values: NDArray[Any]) -> NDArray[np.uint8]:
    """The same bytes from the start of a page: the C library's loops differ with the place in memory."""
    room: NDArray[np.uint8] = np.zeros(values.nbytes + 4096, np.uint8)
    start = -int(room.ctypes.data) % 4096
    room[start : start + values.nbytes] = values.view(np.uint8)
    return room[start : start + values.nbytes]


@cache
def _columns() -> list[tuple[Any, ...]]:
    """A column of every kind, one row in ten null, and one without nulls for each plane."""
    valid = _placed(_bits(0.9))
    table = np.full(256, engine.CODE_NULL, np.uint8)
    table[:4] = range(4)
    words = [list(_LABELS)[k] for k in _random(0, 2, np.int64)]
    offsets = np.cumsum([0, *map(len, words)])
    text = np.frombuffer("".join(words).encode(), np.uint8)
    whole = {"i8": np.int8, "u8": np.uint8, "i16": np.int16, "i64": np.int64, "f32": np.float32, "f64": np.float64}
    values = {kind: _random(*_SMALL, dtype) for kind, dtype in whole.items()}
    values |= {f"dict{8 * size}": _random(0, 3, f"i{size}") for size in (1, 2, 4)}
    values |= {"bits": _bits(0.5), "i32": _random(*_DATES, np.int32)}
    values |= {"str32": offsets.astype(np.int32), "str64": offsets.astype(np.int64)}
    made: list[tuple[Any, ...]] = []
    for kind in _COLUMNS:
        characters, labels = (_placed(text), engine.Labels(_LABELS)) if kind.startswith("str") else (None, None)
        made.append((_placed(values[kind]), valid, 0, characters, table if kind.startswith("dict") else None, labels))
    return made + [(_placed(_bits(share)), None, 0, None, None, None) for share in _FULL]


def _operation(name: str, level: str) -> Case:
    def work(copies: int) -> Callable[[], object]:
        memory = [(np.zeros(int(size * ROWS), np.uint8), np.zeros(ROWS // 8, np.uint8)) for size in _OUTPUTS.values()]
        outputs = [(_placed(values), _placed(valid)) for values, valid in memory]
        sizes = {i: 4 for i, kind in enumerate(_COLUMNS) if kind.startswith("dict")}
        frame = engine.Frame(_Writer().operation(name, copies), _columns(), outputs, ROWS, sizes=sizes)
        return lambda: frame.run(0, ROWS, level)

    copies = PLANE_COPIES if set(engine.OPERATIONS[name][1]) <= set("Bbv") else COPIES
    return Case(work(1), work(1 + copies), copies * ROWS)
