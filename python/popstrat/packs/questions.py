"""What is asked about a column that its range cannot tell: another unit, another scale, two columns exchanged.

A question is data (``[[question]]`` of `patient_table.toml`): conditions in the language of rules, which a run counts,
and a bound, beyond which it asks. No single value is at fault, so nothing is set aside.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from popstrat.errors import ExpressionError
from popstrat.lang import nodes as n
from popstrat.lang.lookup import Lookup
from popstrat.lang.parser import conjunction, parse_condition
from popstrat.packs.patient_table import Schema
from popstrat.packs.typed import column_node

LEAST_ROWS = 10
"""Of the rows that make one ask."""
CHANCE = 1e-4
"""How seldom a list whose share is at the bound may be asked about by chance, at most."""
_BEYOND = 4.0  # standard deviations between two shares, for the same


@dataclass(frozen=True)
class Question:
    """A question about the column ``about``.

    It is asked if the condition ``holds`` in more than the share ``at_least`` of the rows ``among``, of which there are
    ``rows``; or in so many ``times`` the share in which it holds in other rows, ``than``. ``told`` says so, with the
    counts ``{holds}``, ``{among}``, ``{than_holds}`` and ``{than}``. ``check``: it is asked where a list is checked,
    and not where it is scored, which would count for it.
    """

    about: str
    among: str
    holds: str
    told: str
    asks: str
    than: str = ""
    at_least: float | None = None
    times: float | None = None
    rows: int = 20
    check: bool = False

    @property
    def name(self) -> str:
        """As the run record calls it."""
        return f"{self.about}: {self.asks}"

    def is_asked(self, counts: Sequence[int] | None) -> bool:
        """By the counts of its conditions, as `conditions` has them; not where there are none. Chance alone does not
        make it ask."""
        if counts is None:
            return False
        among, holds = counts[:2]
        if among < self.rows or holds < LEAST_ROWS:
            return False
        here = holds / among
        if self.at_least is not None:
            return here > self.at_least and among * _surprise(here, self.at_least) > -math.log(CHANCE)
        assert self.times is not None
        than, than_holds = counts[2:]
        if than < self.rows:
            return False
        there, both = than_holds / than, (holds + than_holds) / (among + than)
        spread = math.sqrt(both * (1 - both) * (1 / among + 1 / than))
        return here >= self.times * there and here - there > _BEYOND * spread

    def sentence(self, counts: Sequence[int], where: str = "") -> str:
        """The question, and why it is asked."""
        numbers = dict(zip(("among", "holds", "than", "than_holds"), (f"{x:,}" for x in counts), strict=False))
        return f"{self.about} {self.told.format(**numbers)}{where}: {self.asks}"


def questions(schema: Schema) -> tuple[Question, ...]:
    """The questions of a patient table, each with one bound."""
    found = tuple(Question(**item) for item in schema.questions)
    for q in found:
        if (q.at_least is None) == (q.times is None) or bool(q.than) != bool(q.times):
            raise ValueError(f"the question about {q.about} needs at_least, or times with than")
    return found


def _surprise(share: float, bound: float) -> float:
    """Of one row: the chance of such a share where the bound is the truth is at most e to the minus so many times the
    rows (Chernoff)."""
    inside = share * math.log(share / bound)
    return inside if share == 1 else inside + (1 - share) * math.log((1 - share) / (1 - bound))


class _Columns:
    """The scope of a question: the columns of the patient table, and nothing of a pack."""

    windows: Mapping[str, int] = {}
    lookups: Mapping[str, Lookup] = {}

    def __init__(self, schema: Schema, as_of: dt.date) -> None:
        self._schema, self.as_of = schema, as_of
        self.dated: frozenset[str] = frozenset()

    def lookup(self, name: str) -> n.Node | None:
        return column_node(self._schema[name]) if name in self._schema else None

    def members(self, set_name: str) -> Sequence[str] | None:
        return None

    def words(self) -> Iterable[str]:
        return self._schema.names()


def conditions(question: Question, schema: Schema, as_of: dt.date) -> list[n.Node]:
    """What is counted for a question: the rows among which it looks, those of them where it holds, and the same of the
    other rows that it compares with. Raises ``ValueError`` for an expression at fault."""
    scope = _Columns(schema, as_of)
    try:
        holds = parse_condition(question.holds, scope)
        rows = [parse_condition(text, scope) for text in (question.among, question.than) if text]
    except ExpressionError as error:
        raise ValueError(f"the question about {question.about}: {error.message}") from None
    return [node for among in rows for node in (among, conjunction([among, holds], question.holds))]


def columns_of(nodes: Iterable[n.Node]) -> set[str]:
    """The columns that conditions read."""
    return {part.name for node in nodes for part in node.walk() if isinstance(part, n.Column)}
