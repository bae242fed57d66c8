"""Every operation of the table against what it means for one row (`popstrat.engine.program.scalar`), on every
instruction set, for rows that end within a word, a part and a block. A new operation is tried as soon as it stands in
the table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from popstrat.engine import (
    BLOCK,
    COLUMN_BITS,
    FOLDS,
    GRID_STEP,
    INSTRUCTION_WIDTH,
    OPERANDS,
    OPERATIONS,
    OUTPUT_BITS,
    STEPS,
    Frame,
    Labels,
    Program,
    levels,
)
from popstrat.engine.program.scalar import SCALAR, Cell

ROWS = 2 * BLOCK + 77
LENGTHS = (1, 7, 63, 64, 65, 511, 513, BLOCK - 1, BLOCK, BLOCK + 1, ROWS)
NEAR = {"EXP": 1e-15, "EXP_NEAR": 1e-15, "LN": 1e-15, "POW": 1e-12, "POWK": 1e-12}  # relative; all else to the last bit
SAME_EVERYWHERE = {"ZERO", "ONES", "FILL", "FILL_SHORT"}
UNSEEN = {"EXP", "EXP_NEAR", "LN", "POWK"}  # chains are tried without: what they give is tried by itself
TODAY = 20_634
BIRTHDAYS = [TODAY - round(365.2425 * k) for k in range(121)]
WORDS = {b"never": 0, b"ex": 1, b"current": 2, b"a label that is long": 3, b"thirty-two bytes, which is most.": 4}
DTYPES: dict[str, Any] = {"i8": np.int8, "u8": np.uint8, "i16": np.int16, "i32": np.int32, "i64": np.int64,
                          "f32": np.float32, "f64": np.float64, "dict8": np.uint8, "dict16": np.uint16,
                          "dict32": np.uint32}  # fmt: skip
ENTRIES = 12


class Column:
    """A column of a kind with its cells; a tenth of the rows null, what lies there as odd as elsewhere."""

    def __init__(self, kind: str, rng: np.random.Generator, valid: bool = True) -> None:
        self.kind = kind
        self.valid = rng.random(ROWS) < 0.9 if valid else np.ones(ROWS, bool)
        self.bitmap = np.packbits(self.valid, bitorder="little") if valid else None
        self.table: Any = None
        self.labels: Labels | None = None
        self.text: Any = None
        codes: Any = ()
        if kind == "bits":
            held: list[Any] = (rng.random(ROWS) < 0.4).tolist()
            self.values: Any = np.packbits(held, bitorder="little")
        elif kind.startswith("str"):
            codes = WORDS
            held, self.values, self.text = _text(rng, np.int32 if kind == "str32" else np.int64)
            self.labels = Labels({word.decode(): code for word, code in WORDS.items()})
        else:
            self.values = _numbers(kind, rng)
            held = self.values.tolist()
            if kind.startswith("dict"):
                codes = [254, *(k % 7 for k in range(ENTRIES - 1))]
                self.table = np.full(256, 9, np.uint8)
                self.table[:ENTRIES] = codes
        self.cells = [Cell(value, bool(there), codes) for value, there in zip(held, self.valid, strict=True)]

    @property
    def given(self) -> tuple[Any, ...]:
        return (self.values, self.bitmap, 0, self.text, self.table, self.labels)


def _numbers(kind: str, rng: np.random.Generator) -> Any:
    dtype = np.dtype(DTYPES[kind])
    if dtype.kind == "f":
        odd = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 1e300, -1e300, math.inf, -math.inf, math.nan, 0.1, 1e-320]
        values = rng.normal(0, 20, ROWS)
        at = rng.random(ROWS) < 0.3
        with np.errstate(over="ignore"):
            return np.where(at, rng.choice(odd, ROWS), values).astype(dtype)
    info = np.iinfo(dtype)
    if kind == "i32":  # dates, most of them
        usual = rng.integers(TODAY - 45_000, TODAY + 2_000, ROWS)
    else:
        usual = rng.integers(0, ENTRIES if kind.startswith("dict") else 100, ROWS)
    odd = rng.choice([info.min, info.max, 0, min(info.max, 127), ENTRIES, 16, 17, 31, 32], ROWS)
    return np.where(rng.random(ROWS) < 0.1, odd, usual).astype(dtype)


def _text(rng: np.random.Generator, dtype: Any) -> tuple[list[Any], Any, Any]:
    words = [*WORDS, b"EX", b" Never  ", b"", b"   ", b"nobody", b"x" * 40, b"\xff\xfe", b"currenT"]
    chosen = [words[k] for k in rng.integers(0, len(words), ROWS)]
    offsets = np.cumsum([0, *map(len, chosen)]).astype(dtype)
    text = b"".join(chosen)
    offsets[rng.choice(np.arange(1, ROWS), 40, replace=False)] = rng.choice([-1, -9, len(text) + 1, 2**31 - 1], 40)
    held = []
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        held.append(text[start:stop] if 0 <= start <= stop <= len(text) else None)
    return held, offsets, np.frombuffer(text, np.uint8)


class Trial:
    """A program that loads what an operation reads, does it, and writes what it gives; and the same row by row."""

    def __init__(self, name: str) -> None:
        self.rng = np.random.default_rng(sum(name.encode()))
        self.operation = OPERATIONS[name]
        self.columns: list[Column] = []
        self.code: list[list[int]] = []
        self.arguments: list[int] = []
        self.integers: list[int] = []
        self.doubles: list[float] = []
        self.used = dict.fromkeys("buhf", 0)
        self.outputs: list[str] = []
        self.reading: list[Any] = []  # of each operand that is read: a list of ROWS values, or a constant
        self.written: list[tuple[str, int]] = []  # registers that are written: class and number
        self.row = [self.operation.code]
        self.counters = 0
        self.bounds = iter(self._constants())
        for letter in self.operation.operands:
            self._operand(letter)
        self.code.append(self.row + [0] * (INSTRUCTION_WIDTH - len(self.row)))

    # -- operands ------------------------------------------------------------------------------------------------------

    def _operand(self, letter: str) -> None:
        operand = OPERANDS[letter.lower()]
        if operand.kind == "register" and letter.isupper():
            self.written.append((operand.letter, self._register(operand.letter)))
            self.row.append(self.written[-1][1])
        elif operand.kind == "list":
            self._list(operand.items)
        elif operand.kind == "register":
            number, values = self._loaded(letter)
            self.row.append(number)
            self.reading.append(values)
        elif operand.kind == "column":
            kind = self.operation.reads or "i8"
            self.columns.append(Column(kind, self.rng))
            self.row.append(len(self.columns) - 1)
            self.reading.append(self.columns[-1].cells)
        elif operand.kind == "output":
            self.outputs.append(self.operation.writes or "bits")
            self.row.append(0)
        elif operand.kind == "counter":
            self.row.append(self.counters)
            self.counters += 1
        else:
            value = next(self.bounds)
            self.reading.append(value)
            self.row.append(self._constant(letter, value))

    def _register(self, letter: str) -> int:
        self.used[letter] += 1
        return self.used[letter] - 1

    def _loaded(self, letter: str) -> tuple[int, list[Any]]:
        """A register with the values of a column of its own."""
        kind = {"b": "bits", "u": "dict8", "h": "i16", "f": "f64"}[letter]
        column = Column(kind, self.rng, valid=False)
        if self.operation.name == "EXP_NEAR":
            column.values = np.clip(np.nan_to_num(column.values), -700.0, 700.0)
            column.cells = [Cell(x, True) for x in column.values.tolist()]
        elif letter == "f" and self.operation.name in ("SUM", "WEIGH"):
            column.values = np.round(np.clip(np.nan_to_num(column.values), -9, 9))  # sums of these are exact
            column.cells = [Cell(x, True) for x in column.values.tolist()]
        self.columns.append(column)
        register = self._register(letter)
        load = {"b": "BITS", "u": "CODES_I8", "h": "SHORT_I16", "f": "F64_F64"}[letter]
        self._emit(load, register, len(self.columns) - 1)
        return register, [SCALAR[load](cell) for cell in column.cells]

    def _list(self, items: str) -> None:
        count = {"@": len(BIRTHDAYS), "k": 6, "b": 3, "bk": 9, "b#": 5, "hk": 3, "+k": 6, "&b": 6}[items]
        columns: list[list[Any]] = []  # of each letter of an item, count operands
        steps = sorted(STEPS - UNSEEN)
        start = len(self.arguments)
        self.arguments += [0] * (count * len(items))
        for place, item in enumerate(items):
            read: list[Any] = []
            for k in range(count):
                at = start + k * len(items) + place
                if item in "bh":
                    self.arguments[at], values = self._loaded(item)
                    read.append(values)
                elif item == "k":
                    exact = GRID_STEP * float(self.rng.integers(-(2**40), 2**40))
                    read.append(exact)
                    self.arguments[at] = self._constant("k", exact)
                elif item in "+&":
                    names = steps if item == "+" else FOLDS
                    read.append(names[int(self.rng.integers(len(names)))])
                    self.arguments[at] = OPERATIONS[read[-1]].code
                else:
                    read.append(BIRTHDAYS[k] if item == "@" else (7 * k) % 64)
                    self.arguments[at] = read[-1]
            columns.append(read)
        self.row += [start, count]
        self.reading.append([list(item) for item in zip(*columns, strict=True)])

    def _constant(self, letter: str, value: Any) -> int:
        held: list[Any] = self.integers if letter == "i" else self.doubles
        held.append(value)
        return len(held) - 1

    def _constants(self) -> Iterator[Any]:
        """Bounds that some values keep and others do not."""
        name = self.operation.name
        own: dict[str, tuple[Any, ...]] = {
            "CHECK_DATE": (TODAY - 40_000, TODAY), "YEARS": (TODAY, 91_867, 0, 25), "YEARS_TABLE": (TODAY,),
            "RANGE_CODE": (1, 4), "APART_I32": (-3_000, 20_000), "ROUND": (1e3,), "POWK": (2.5,),
        }  # fmt: skip
        if name in own:
            yield from own[name]
        elif self.operation.reads == "i32":
            yield from (TODAY - 20_000, TODAY)
        while True:
            yield from (3, 60) if "i" in self.operation.operands else (0.5, 30.25)

    def _emit(self, name: str, *operands: int) -> None:
        row = [OPERATIONS[name].code, *operands]
        self.code.append(row + [0] * (INSTRUCTION_WIDTH - len(row)))

    # -- running -------------------------------------------------------------------------------------------------------

    def run(self, rows: int, level: str, shown: Sequence[int]) -> tuple[list[Any], Any]:
        """What the operation gives (registers, then its output), and the counters."""
        code, outputs = list(self.code), list(self.outputs)
        used = dict(self.used)
        every = used["b"]
        used["b"] += 1
        code.append([OPERATIONS["ONES"].code, every] + [0] * (INSTRUCTION_WIDTH - 2))

        def add(name: str, *operands: int) -> None:
            code.append([OPERATIONS[name].code, *operands] + [0] * (INSTRUCTION_WIDTH - 1 - len(operands)))

        integers = list(self.integers)
        for letter, register in self.written:
            if letter == "b":
                add("OUT_BITS", len(outputs), register)
                outputs.append("bits")
            elif letter == "u":  # a plane for each code that occurs
                for value in shown:
                    integers.append(value)
                    plane = used["b"]
                    used["b"] += 1
                    add("RANGE_CODE", plane, register, len(integers) - 1, len(integers) - 1)
                    add("OUT_BITS", len(outputs), plane)
                    outputs.append("bits")
            else:
                add("OUT_SHORT" if letter == "h" else "OUT_NUM", len(outputs), register, every)
                outputs.append("short" if letter == "h" else "number")
        program = Program(
            code, self.arguments, integers, self.doubles, [c.kind for c in self.columns], outputs,
            used["b"], used["u"], used["h"], used["f"], self.counters,
        )  # fmt: skip
        made = [(np.full((rows * OUTPUT_BITS[kind] + 7) // 8 + 64, 0xAA, np.uint8), None) for kind in outputs]
        valid = np.full(rows // 8 + 8, 0xAA, np.uint8)
        given = [
            (values, valid if i == 0 and self.operation.name == "OUT_VALID" else None)
            for i, (values, _) in enumerate(made)
        ]
        sizes = {i: ENTRIES for i, c in enumerate(self.columns) if c.kind.startswith("dict")}
        columns = [c.given for c in self.columns]
        counters = Frame(program, columns, given, rows, sizes=sizes).run(0, rows, level)
        found = [_read(values, kind, rows) for (values, _), kind in zip(made, outputs, strict=True)]
        if self.operation.name == "OUT_VALID":
            found[0] = _read(valid, "bits", rows)
        return found, counters

    def meant(self, row: int) -> tuple[Any, ...]:
        """What the scalar gives for a row: registers, output, counters."""
        found = SCALAR[self.operation.name](*(self._at(value, row) for value in self.reading))
        return found if isinstance(found, tuple) else (found,)

    def _at(self, value: Any, row: int) -> Any:
        if isinstance(value, list) and len(value) == ROWS:
            return value[row]
        if isinstance(value, list):  # items of a list
            return [tuple(self._at(part, row) for part in item) for item in value]
        return value


def _read(values: Any, kind: str, rows: int) -> Any:
    if kind == "bits":
        return np.unpackbits(values, bitorder="little")[:rows].astype(bool)
    dtype = {"codes": np.uint8, "short": np.int16, "number": np.float64, "flags": np.uint64}[kind]
    return values.view(np.uint8)[: rows * np.dtype(dtype).itemsize].view(dtype)


def same(have: Any, want: Any, near: float) -> bool:
    if isinstance(want, float) and math.isnan(want):
        return math.isnan(have)
    return bool(have == want) or (near > 0.0 and math.isclose(have, want, rel_tol=near))


def _one_nan(column: Any) -> Any:
    """NaN with one sign: a processor's is as good as another's."""
    return np.where(np.isnan(column), np.nan, column) if column.dtype == np.float64 else column


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_kernels_give_what_the_operation_means(name: str) -> None:
    """Values, outputs and counters; the same bits on every instruction set, and however many rows there are."""
    trial = Trial(name)
    meant = [trial.meant(row) for row in range(ROWS)]
    alike = [place for place, given in enumerate(zip(*meant, strict=True)) if len(set(given)) == 1]
    assert not alike or name in SAME_EVERYWHERE, (
        "the same for every row, which tries nothing: bounds in Trial._constants"
    )
    registers = len(trial.written)
    shown = sorted({m[0] for m in meant}) if trial.written and trial.written[0][0] == "u" else []
    exact: list[Any] | None = None
    for level in levels():
        for rows in LENGTHS:
            found, counters = trial.run(rows, level, shown)
            output = [found.pop(0)] if trial.outputs else []
            if shown:
                for value, plane in zip(shown, found, strict=True):
                    assert plane.tolist() == [m[0] == value for m in meant[:rows]], (level, rows, value)
                found = []
            for place, column in enumerate([*found, *output]):
                want = [m[place] for m in meant[:rows]]
                bad = [i for i in range(rows) if not same(column[i].item(), want[i], NEAR.get(name, 0.0))]
                told = [f"row {i}: kernel {column[i].item()!r}, scalar {want[i]!r}" for i in bad[:3]]
                assert not bad, f"{level}, {len(bad)} of {rows} rows: {'; '.join(told)}"
            counted = [[m[registers + len(output) + i] for m in meant[:rows]] for i in range(trial.counters)]
            for i, each in enumerate(counted):
                if name == "NEWEST":
                    assert counters[i] == max(0, *each)
                elif name == "SUM":
                    assert counters[i : i + 1].view(np.float64)[0] == math.fsum(each)
                else:
                    assert counters[i] == sum(each), (level, rows)
            if rows == ROWS:
                bits = [_one_nan(c).tobytes() for c in [*found, *output]]
                exact = exact or bits
                assert bits == exact, f"{level} gives other bits"


def test_the_tables_hold_together() -> None:
    """Every letter is explained, every kind known, and only lists have a limit."""
    for operation in OPERATIONS.values():
        letters = [OPERANDS[letter.lower()] for letter in operation.operands]
        assert operation.reads in ("", *COLUMN_BITS)
        assert operation.writes in ("", *OUTPUT_BITS)
        assert bool(operation.reads) <= ("c" in operation.operands)
        assert bool(operation.writes) <= ("o" in operation.operands)
        assert bool(operation.most) <= any(o.kind == "list" for o in letters)
        width = sum(2 if o.kind == "list" else 1 for o in letters)
        assert width < INSTRUCTION_WIDTH
    assert set(FOLDS) <= set(OPERATIONS)
    for operand in OPERANDS.values():
        assert operand.meaning
        assert (operand.kind == "list") == bool(operand.items)
