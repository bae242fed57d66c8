"""The input columns: which are at hand, of which kind, and where their values lie within a range."""

from __future__ import annotations

import math
from collections.abc import Mapping

from popstrat.compiler.emitter import FALSE, TRUE, Emitter, Plane
from popstrat.compiler.held import InColumn
from popstrat.compiler.intervals import INTEGER_RANGE
from popstrat.packs.patient_table import Column

_CODES = {"dict8": "CODES_I8", "dict16": "CODES_I16", "dict32": "CODES_I32", "str32": "CODES_STR32",
          "str64": "CODES_STR64"}  # fmt: skip


def bounds(column: Column) -> tuple[float, float]:
    """The plausible range of a numeric column."""
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    return low, high


class Columns:
    """The columns of one table. `kinds` maps those at hand to the engine's kind of each ("null": all null)."""

    def __init__(self, e: Emitter, kinds: Mapping[str, str]) -> None:
        self.e, self.kinds = e, dict(kinds)
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

    def codes(self, name: str) -> int:
        """The register of a category's codes."""
        return self.e.value(_CODES[self.kinds[name]], self.index(name))

    def in_range(self, name: str, low: float, high: float) -> Plane:
        """low <= column <= high, both included, whatever the column's type; undefined where it is null."""
        kind, index = self.kinds[name], self.index(name)
        if kind in INTEGER_RANGE:
            least, most = INTEGER_RANGE[kind]
            lo = least if low == -math.inf else max(least, math.ceil(low))
            hi = most if high == math.inf else min(most, math.floor(high))
            if lo > hi:
                return FALSE
            if (lo, hi) == (least, most):
                return TRUE
            return self.e.plane(f"RANGE_{kind.upper()}", index, lo, hi)
        return self.e.plane(f"RANGE_{kind.upper()}", index, float(low), float(high))
