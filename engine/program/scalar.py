"""What each operation does to one row, in plain Python: what every kernel on every instruction set must give.

Nothing runs on it; tests compare every kernel with it (tests/unit/test_operations.py), and an operation of the table
that is missing here fails the import. `Cell` is what a column holds in a row. A function takes what is read, in the
order of its letters (of a list, its items; of a column, a `Cell`), and gives what it writes: registers, then what the
output gets, then what the counters get. EXP, EXP_NEAR, LN, POW and POWK are exact here, and within a unit or two in the
last place in the kernels; all else agrees to the last bit.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from popstrat.engine._table import CODE_NULL, CODE_UNKNOWN, NEWEST_SHIFT
from popstrat.engine.operations import OPERATIONS

_ROUNDER = 6755399441055744.0  # 1.5 * 2^52: adding it rounds to the nearest integer, ties to even
_WHOLE = 2251799813685248.0  # 2^51: from here on a double has no fraction worth rounding
_GRID = 384.0  # 1.5 * 2^8: adding it rounds to the grid
_LOG_MOST, _LOG_LEAST = 709.782712893384, -708.0


class Cell(NamedTuple):
    """A column's value in a row, whatever the bitmap says of it; of text its bytes, or None where it lies outside."""

    value: Any
    valid: bool
    codes: Sequence[int] | Mapping[bytes, int] = ()  # of a dictionary's entries, or by spelling


# -- single steps ------------------------------------------------------------------------------------------------------


def nearest(x: float) -> float:
    return (x + _ROUNDER) - _ROUNDER if abs(x) < _WHOLE else x


def on_grid(x: float) -> float:
    return (x + _GRID) - _GRID


def divided(x: float, y: float) -> float:
    if y != 0.0 or math.isnan(x):
        return x / y if y != 0.0 else math.nan
    return math.nan if x == 0.0 else math.copysign(math.inf, x) * math.copysign(1.0, y)


def exp(x: float) -> float:
    if math.isnan(x):
        return x
    return 0.0 if x < _LOG_LEAST else math.inf if x > _LOG_MOST else math.exp(x)


def ln(x: float) -> float:
    return math.log(x) if x > 0.0 else math.nan


def power(x: float, p: float) -> float:
    """1 for whatever to the power 0; NaN for 0 to a power under 0, and for a negative number to one not whole."""
    if p == 0.0 or x == 1.0:
        return 1.0
    if math.isnan(x) or math.isnan(p):
        return math.nan
    if x == 0.0:
        return 0.0 if p > 0.0 else math.nan
    size = exp(p * ln(abs(x)))
    if x > 0.0:
        return size
    if math.isinf(p) or p != math.floor(p):
        return math.nan if not math.isinf(p) else size
    return size if p % 2.0 == 0.0 else -size


def single(x: float) -> float:
    if math.isnan(x) or math.isinf(x):
        return x
    try:
        return float(struct.unpack("f", struct.pack("f", x))[0])
    except OverflowError:
        return math.copysign(math.inf, x)


def floor(x: float) -> float:
    return x if math.isnan(x) or math.isinf(x) else nearest(x) - (nearest(x) > x)


def wrapped(x: int, bits: int) -> int:
    """As a signed number of so many bits."""
    return (x + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))


def shortened(x: float) -> int:
    return -32768 if math.isnan(x) else int(min(max(x, -32768.0), 32767.0))


def spelt(planes: Sequence[bool]) -> int:
    """The number that planes spell, the lowest bit first."""
    return sum(bit << place for place, bit in enumerate(planes))


def less(x: Any, y: Any) -> Any:
    return x if x < y else y


def more(x: Any, y: Any) -> Any:
    return x if x > y else y


# -- columns -----------------------------------------------------------------------------------------------------------


def inside(cell: Cell, low: Any, high: Any) -> bool:
    return bool(low <= cell.value <= high)


def check(cell: Cell, low: Any, high: Any) -> tuple[bool, bool, int]:
    good = cell.valid and inside(cell, low, high)
    bad = cell.valid and not good
    return good, bad, int(bad)


def check_date(cell: Cell, first: int, last: int) -> tuple[bool, bool, bool, int, int]:
    low, high = cell.valid and cell.value < first, cell.valid and cell.value > last
    return cell.valid and not low and not high, low and not high, high, int(low and not high), int(high)


def code_of_entry(cell: Cell) -> int:
    assert not isinstance(cell.codes, Mapping)
    return cell.codes[cell.value] if 0 <= cell.value < len(cell.codes) else CODE_UNKNOWN


def code_of_text(cell: Cell) -> int:
    assert isinstance(cell.codes, Mapping)
    if cell.value is None:
        return CODE_UNKNOWN
    text = bytes(cell.value).strip(b" ")
    folded = bytes(c + 32 if 65 <= c <= 90 else c for c in text)
    return cell.codes.get(folded, CODE_UNKNOWN) if text else CODE_NULL


def years(cell: Cell, today: int, by: int, add: int, shift: int) -> int:
    lived: int = (today - cell.value) % (1 << 32)
    return wrapped((lived * by + add) % (1 << 32) >> shift, 16)


def years_by_table(cell: Cell, today: int, birthdays: Sequence[tuple[int]]) -> int:
    """How many birthdays, newest first, are not before the date of birth, less one."""
    passed = sum(1 for (day,) in birthdays if cell.value <= day)
    return max(0, passed - 1)


# -- lists -------------------------------------------------------------------------------------------------------------


def folded(steps: Sequence[tuple[str, bool]]) -> bool:
    value = steps[0][1]
    for name, bit in steps[1:]:
        value = not value and bit if name == "NOT" else SCALAR[name](value, bit)
    return value


def chained(x: float, steps: Sequence[tuple[str, float]]) -> float:
    for name, constant in steps:
        x = SCALAR[name](x, constant) if "k" in OPERATIONS[name].operands else SCALAR[name](x)
    return x


def added(x: float, terms: Sequence[tuple[bool, float]]) -> float:
    for bit, constant in terms:
        x += constant if bit else 0.0
    return x


def scaled(x: float, terms: Sequence[tuple[float, float]]) -> float:
    for number, constant in terms:
        x += on_grid(number * constant)
    return x


def looked_up(planes: Sequence[tuple[bool]], table: Sequence[tuple[float]]) -> float:
    at = spelt([bit for (bit,) in planes])
    return table[at][0] if at < len(table) else 0.0


def kept(x: Any, bit: bool) -> Any:
    return x if bit else 0


def _by_kind(name: str, scalar: Callable[..., Any], *kinds: str) -> dict[str, Callable[..., Any]]:
    return {f"{name}_{kind}": scalar for kind in kinds}


_NUMBERS = ("I8", "U8", "I16", "I32", "I64", "F32", "F64")

SCALAR: dict[str, Callable[..., Any]] = {
    "ZERO": lambda: False,
    "ONES": lambda: True,
    "NOT": lambda x: not x,
    "AND": lambda x, y: x and y,
    "OR": lambda x, y: x or y,
    "ANDNOT": lambda x, y: x and not y,
    "XOR": lambda x, y: x != y,
    "FULLADD": lambda x, y, z: (bool((x + y + z) & 1), x + y + z > 1),
    "HALFADD": lambda x, y: (x != y, x and y),
    "ANY": lambda planes: any(bit for (bit,) in planes),
    "FOLD": folded,
    "VALID": lambda cell: cell.valid,
    "BITS": lambda cell: cell.value,
    "FLAG": lambda cell: cell.value and cell.valid,
    **_by_kind("RANGE", inside, *_NUMBERS),
    **_by_kind("CHECK", check, *_NUMBERS),
    **_by_kind("LESS", lambda x, y: x.value < y.value, "I16", "I32"),
    "APART_I32": lambda x, y, low, high: low <= wrapped(x.value - y.value, 32) <= high,
    "CHECK_DATE": check_date,
    **_by_kind("F64", lambda cell: float(cell.value), *_NUMBERS),
    **_by_kind("CODES", code_of_entry, "I8", "I16", "I32"),
    **_by_kind("CODES", code_of_text, "STR32", "STR64"),
    "YEARS": years,
    "YEARS_TABLE": years_by_table,
    "RANGE_CODE": lambda x, low, high: low <= x <= high,
    "RANGE_SHORT": lambda x, low, high: low <= x <= high,
    "RANGE_NUM": lambda x, low, high: low <= x <= high,
    "LESS_NUM": lambda x, y: x < y,
    "EQUAL_NUM": lambda x, y: x == y,
    "FINITE": lambda x: math.isfinite(x),
    "SHORT_NUM": shortened,
    "SELECT_SHORT": lambda bit, x, y: x if bit else y,
    **_by_kind("SHORT", lambda cell: cell.value, "I8", "U8", "I16"),
    "FILL_SHORT": lambda k: k,
    "ADD_SHORTK": lambda x, k: wrapped(x + k, 16),
    "RSUB_SHORTK": lambda x, k: wrapped(k - x, 16),
    "MIN_SHORTK": less,
    "MAX_SHORTK": more,
    "NUM_SHORT": float,
    "NUM_PLANES": lambda planes: float(spelt([bit for (bit,) in planes])),
    "FILL": lambda k: k,
    "SELECT": lambda bit, x, y: x if bit else y,
    "MASKED_ADD": added,
    "WEIGH": added,
    "LOOKUP": looked_up,
    "ADD": lambda x, y: x + y,
    "SUB": lambda x, y: x - y,
    "MUL": lambda x, y: x * y,
    "DIV": divided,
    "MIN": less,
    "MAX": more,
    "POW": power,
    "ADDK": lambda x, k: x + k,
    "MULK": lambda x, k: x * k,
    "DIVK": divided,
    "MINK": less,
    "MAXK": more,
    "RSUBK": lambda x, k: k - x,
    "RDIVK": lambda x, k: divided(k, x),
    "ADD_SCALED": lambda x, y, k: x + on_grid(y * k),
    "ADD_SCALED_SHORTS": scaled,
    "SCALED": lambda x, start, k: start + on_grid(x * k),
    "SCALED_SHORTS": scaled,
    "POWK": power,
    "ROUND": lambda x, k: divided(nearest(x * k), k),
    "SINGLE": single,
    "NEG": lambda x: -x,
    "ABS": abs,
    "SQRT": lambda x: math.sqrt(x) if x >= 0.0 else math.nan,
    "FLOOR": floor,
    "EXP": exp,
    "EXP_NEAR": exp,
    "LN": ln,
    "CHAIN": chained,
    "CHAIN_OUT": lambda x, steps, bit: (chained(x, steps), kept(chained(x, steps), bit)),
    "LOOKUP_OUT": lambda planes, table, bit: kept(looked_up(planes, table), bit),
    "OUT_BITS": lambda bit: bit,
    "OUT_VALID": lambda bit: bit,
    "OUT_CODES": lambda planes: spelt([bit for (bit,) in planes]),
    "OUT_NUM": kept,
    "OUT_SHORT": kept,
    "OUT_FLAGS": lambda flags: sum(1 << place for place in {place for bit, place in flags if bit}),
    "COUNT": int,
    "NEWEST": lambda cell, bit: cell.value + NEWEST_SHIFT if bit else 0,
    "SUM": kept,
}

if lost := OPERATIONS.keys() - SCALAR.keys():
    raise ImportError(f"no meaning for one row in SCALAR (engine/program/scalar.py): {', '.join(sorted(lost))}")
if lost := SCALAR.keys() - OPERATIONS.keys():
    raise ImportError(
        f"in SCALAR, not in the compiled table: {', '.join(sorted(lost))}. Is it in engine/ops.h, and "
        "was the engine built since (python setup.py build_ext --inplace)?"
    )
