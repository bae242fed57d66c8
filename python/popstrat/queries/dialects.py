"""The dialects of SQL that a pack is written in, and what each does otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import expressions as exp

from popstrat.core.text import suggest
from popstrat.errors import InputError

ROUNDER = 1.5 * 2.0**52
"""Added and taken away again, it leaves of a double under 2^51 the nearest whole number, of two the even one."""

_HALF_EVEN_BY_HAND = "half-even rounding has no function here: it is done by adding and taking away 1.5 x 2^52"
_ONE_KIND_OF_FLOAT = (
    "there are no 32-bit floats here: columns that hold them are compared as doubles, so give them with the decimals "
    "that were written (0.36, not 0.36000001430511475)"
)
_LAST_BITS = (
    "exp, ln, sqrt and powers are this engine's own, which may differ in the last bit before a result is rounded"
)
_UNRUN = "written, and parsed again in this dialect, but not run: compare a sample with the engine before use"


@dataclass(frozen=True)
class Dialect:
    """``name`` is what a user says, ``grammar`` what sqlglot calls it. ``run`` says whether our tests run it against
    the engine; ``notes`` are what its output says of itself."""

    name: str
    grammar: str
    run: bool
    booleans: bool = True
    """Whether a condition is a value; else it is written as 1 or 0."""
    singles: bool = True
    """Whether there are 32-bit floats."""
    exponents: bool = True
    """Whether `0.3e0` is a double, and not a decimal number."""
    unsigned: bool = False
    """Whether there are whole numbers of 64 bits without a sign."""
    half_even: Callable[[exp.Expression], exp.Expression] | None = None
    """The nearest whole number of a double, of two as near the even one; None where there is no such function."""
    materialized: bool = False
    """Whether a step has to be told to be worked out once: else its expressions are put in wherever they are used."""
    refuses_range: bool = False
    """Whether a result that no double holds is an error, and not infinite."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What it cannot do as the engine does, or does with help."""
        found = [_LAST_BITS]
        if self.half_even is None:
            found.append(_HALF_EVEN_BY_HAND)
        if not self.singles:
            found.append(_ONE_KIND_OF_FLOAT)
        if not self.run:
            found.append(_UNRUN)
        return tuple(found)

    def write(self, query: exp.Expression) -> str:
        """The text of a query, to be read by people."""
        return str(query.sql(dialect=self.grammar, pretty=True, max_text_width=100))

    def parse(self, text: str) -> exp.Expression:
        """The text read again, as this dialect has it."""
        return sqlglot.parse_one(text, dialect=self.grammar)


def _function(name: str, *more: str) -> Callable[[exp.Expression], exp.Expression]:
    def made(x: exp.Expression) -> exp.Expression:
        return exp.Anonymous(this=name, expressions=[x, *(exp.Literal.number(m) for m in more)])

    return made


_ALL = (
    Dialect("duckdb", "duckdb", run=True, unsigned=True, half_even=_function("ROUND_EVEN", "0")),
    Dialect(
        "postgres",
        "postgres",
        run=True,
        exponents=False,
        half_even=_function("ROUND"),
        materialized=True,
        refuses_range=True,
    ),
    Dialect("spark", "spark", run=True, half_even=_function("RINT")),
    Dialect("databricks", "databricks", run=False, half_even=_function("RINT")),
    Dialect("snowflake", "snowflake", run=False, singles=False, exponents=False),
    Dialect("tsql", "tsql", run=False, booleans=False),
    Dialect("bigquery", "bigquery", run=False, singles=False),
)
DIALECTS: Mapping[str, Dialect] = {dialect.name: dialect for dialect in _ALL}


def dialect_named(name: str) -> Dialect:
    """Raises `InputError` for one that there is not."""
    if name not in DIALECTS:
        raise InputError(f"there is no dialect {name!r}{suggest(name, DIALECTS)}; it is one of {', '.join(DIALECTS)}")
    return DIALECTS[name]
