"""The input columns: which are at hand, of which kind, and where their values lie within a range."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane
from popstrat.compiler.held import InColumn
from popstrat.compiler.ranges import INTEGER_RANGE, rounding_within, singles_within
from popstrat.packs.patient_table import Column, Schema

_CODES = {"dict8": "CODES_I8", "dict16": "CODES_I16", "dict32": "CODES_I32", "str32": "CODES_STR32",
          "str64": "CODES_STR64"}  # fmt: skip

_NARROW = frozenset(("i8", "u8", "i16", "f32"))  # each number of these is a 32-bit float
_WHOLE_IN = {True: 2**24, False: 2**53}  # up to here whole numbers are exact in 32 bits, or else in 64
_BEYOND = 2.0**64  # any 64-bit integer


def bounds(column: Column) -> tuple[float, float]:
    """The plausible range of a numeric column."""
    return column.bounds


class Columns:
    """The columns of one table. `kinds` maps those at hand to the engine's kind of each ("null": all null)."""

    def __init__(self, e: Emitter, kinds: Mapping[str, str], schema: Schema) -> None:
        self.e, self.kinds, self.schema = e, dict(kinds), schema
        self.used: list[str] = []
        """Those that the program reads, in the order of the engine's numbers for them."""

    def __contains__(self, name: str) -> bool:
        """Whether the column is at hand, if only with nulls."""
        return name in self.kinds

    def present(self, name: str) -> bool:
        """Whether the column is at hand and holds values."""
        return self.kinds.get(name, "null") != "null"

    def index(self, name: str) -> int:
        """The engine's number of a column, given at first use."""
        if name not in self.used:
            self.used.append(name)
        return self.used.index(name)

    def held(self, name: str) -> InColumn:
        """The engine's number of a column, and its kind."""
        return self.index(name), self.kinds[name]

    def single(self, name: str) -> bool:
        """Whether the column holds 32-bit floats, because it is declared so or because it comes so."""
        column = self.schema[name]
        return column.single or (column.type == "float" and self.kinds.get(name) == "f32")

    def as_declared(self, name: str, low: float, high: float) -> bool:
        """Whether each number between the bounds is the same in the type that holds it as in the declared one."""
        column, kind = self.schema[name], self.kinds[name]
        if column.type != "float" or kind in _NARROW:
            return True
        if kind == "f64":
            return not column.single
        return -low <= _WHOLE_IN[column.single] and high <= _WHOLE_IN[column.single]

    def doubles(self, name: str) -> int:
        """The register of a column of numbers, as its declared type holds them."""
        out = self.e.value(f"F64_{self.kinds[name].upper()}", self.index(name))
        return self.e.value("SINGLE", out) if self.schema[name].single and self.kinds[name] not in _NARROW else out

    def codes(self, name: str) -> int:
        """The register of a category's codes."""
        return self.e.value(_CODES[self.kinds[name]], self.index(name))

    def in_range(self, name: str, low: float, high: float, single: bool = False) -> Plane:
        """low <= column <= high, both included, whatever the column's type; of its numbers as they are declared, or
        rounded to 32 bits if ``single``. Undefined where it is null."""
        kind, limits = self.kinds[name], self.limits(name, low, high, single)
        if limits is None:
            return FALSE
        if limits == INTEGER_RANGE.get(kind):
            return TRUE
        return self.e.plane(f"RANGE_{kind.upper()}", self.index(name), *limits)

    def limits(self, name: str, low: float, high: float, single: bool = False) -> tuple[float, float] | None:
        """What `in_range` asks for in the numbers of the type that holds the column; None where that has none."""
        kind, column = self.kinds[name], self.schema[name]
        whole = kind in INTEGER_RANGE
        if kind not in _NARROW and (single or column.single):
            low, high = rounding_within(low, high, np.float32, whole)
        elif kind == "i64" and column.type == "float":
            low, high = rounding_within(max(low, -_BEYOND), min(high, _BEYOND), np.float64, whole)
        if whole:
            least, most = INTEGER_RANGE[kind]
            low = least if low == -math.inf else max(least, math.ceil(low))
            high = most if high == math.inf else min(most, math.floor(high))
        elif kind == "f32":
            return singles_within(low, high)
        else:
            low, high = float(low), float(high)
        return (low, high) if low <= high else None
