"""A pack as one SELECT over the patient table: a common table expression for each step, each a level of dependencies.

given → values that may be used → level 1 … n → the columns of the scored table
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from popstrat.core.text import suggest
from popstrat.core.version import VERSION
from popstrat.errors import InputError
from popstrat.lang import nodes as n
from popstrat.packs.columns_read import read_columns
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import KEY_COLUMNS, OPT_OUTS, PLACE_COLUMNS, PRACTICE, Schema
from popstrat.packs.resolved import Resolved
from popstrat.queries import expressions as q
from popstrat.queries.checks import Checks
from popstrat.queries.dialects import Dialect
from popstrat.queries.expressions import Writer

if TYPE_CHECKING:
    import pyarrow as pa

QUALITY = "quality_flags"
_AREAS = (PRACTICE, *PLACE_COLUMNS)
_EXACT = "counts are exact: not to be published without disclosure control"
PROFILES = ("direct-care", "secondary-use")
_TYPES = {
    "bool": "boolean",
    "dictionary": "text",
    "uint8": "smallint",
    "int16": "smallint",
    "int32": "int",
    "float64": "double",
}


@dataclass(frozen=True)
class TableColumns:
    """What is known of the table's columns: their names, which hold 32-bit floats, which flags and categories are
    numbers."""

    names: frozenset[str]
    singles: frozenset[str]
    numbers: frozenset[str]

    @classmethod
    def declared(cls, schema: Schema) -> TableColumns:
        """All of the patient table, of the types that it declares."""
        names = frozenset(c.name for c in schema)
        return cls(names, frozenset(c.name for c in schema if c.single), frozenset())

    @classmethod
    def of(cls, table: pa.Schema, schema: Schema) -> TableColumns:
        """Those of a file."""
        import pyarrow.types as pt

        there = {name: table.field(name).type for name in table.names if name in schema}

        def holds(name: str) -> Any:
            kind = there[name]
            return kind.value_type if pt.is_dictionary(kind) else kind

        singles = {n for n in there if schema[n].single or (schema[n].type == "float" and pt.is_float32(holds(n)))}
        numbers = {
            n for n in there
            if schema[n].type in ("bool", "category") and (pt.is_integer(holds(n)) or pt.is_floating(holds(n)))
        }  # fmt: skip
        return cls(frozenset(there), frozenset(singles), frozenset(numbers))


class Query:
    """One pack as of a date, over one table, in one dialect."""

    def __init__(
        self, pack: Pack, as_of: dt.date, dialect: Dialect, table: str, known: TableColumns, profile: str,
        counts_by: str | None = None,
    ) -> None:  # fmt: skip
        if profile not in PROFILES:
            raise InputError(f"there is no profile {profile!r}; it is one of {', '.join(PROFILES)}")
        self.resolved: Resolved = pack.at(as_of)
        self.dialect, self.profile, self._known = dialect, profile, known
        self._table = _table(table, dialect)
        self.schema = pack.schema
        self._refuse_missing()
        self.counts_by = counts_by
        self.outputs = self.resolved.outputs if counts_by is None else []
        self.metrics = [] if counts_by is None else self._metrics(counts_by)
        wanted = [*self.outputs, *(dataclasses.replace(m, node=n) for m in self.metrics for n in (m.node, *m.eligible))]
        self._wanted = [definition.node for definition in wanted]
        self._asked = read_columns(self.resolved, self.schema, wanted)
        self.read = [c for c in self._asked if c in known.names]
        self._writer = Writer(self.resolved, dialect, self.read, known.singles)
        self._checks = Checks(self.resolved, dialect, self.read, known.singles, known.numbers)

    def _refuse_missing(self) -> None:
        names = self._known.names
        for name in KEY_COLUMNS:
            if name not in names:
                raise InputError("this required column is missing", column=name)
        for birth, age in self.schema.either:
            if not {birth, age} & names:
                raise InputError(f"needs the column {birth!r} or {age!r}")
        if self.profile == "secondary-use":
            for name in OPT_OUTS:
                if name not in names:
                    raise InputError("the profile secondary-use needs this column", column=name)

    def _metrics(self, by: str) -> list[Definition]:
        """What a pack counts. Raises `InputError` if it counts nothing, or not by that column."""
        if by not in _AREAS or by not in self._known.names:
            there = [name for name in _AREAS if name in self._known.names]
            raise InputError(f"people are not counted by {by!r}{suggest(by, there)}; it is one of {', '.join(there)}")
        found = [d for d in self.resolved.definitions.values() if KINDS[d.kind].counted and d.rules]
        if not found:
            raise InputError(f"the pack {self.resolved.pack.id} has no metrics (definitions of the kind metric)")
        return found

    @property
    def keys(self) -> list[str]:
        """The columns that pass through."""
        return [name for name in (*KEY_COLUMNS, *PLACE_COLUMNS) if name in self._known.names]

    # -- the query --

    def expression(self) -> exp.Select:
        """The SELECT."""
        given = [(name, q.column(name)) for name in self._passed()]
        steps: list[tuple[str, Sequence[exp.Expression]]] = []
        first = [*(exp.column(name) for name, _ in given), *(_as(name, item) for name, item in self._checks.given())]
        steps.append(("given", first))
        missing = [_as(name, item) for name, item in self._checks.missing_age() if name in self._age_read()]
        for i, step in enumerate(self._checks.steps(), 1):
            steps.append((f"usable_{i}", [_as(name, item) for name, item in step.columns]))
        if missing:
            steps.append(("aged", missing))
        for i, level in enumerate(self._levels(), 1):
            made = [self._defined(d) for d in level if not self._writer.renames(d.id, d.node)]
            if made:
                steps.append((f"level_{i}", made))
        query, before = exp.Select(), ""
        for name, items in steps:
            part = exp.Select()
            part = part.select(*items) if not before else part.select(exp.Star(), *items)
            part = part.from_(self._table.copy() if not before else exp.to_table(before))
            held = True if self.dialect.materialized else None
            query = query.with_(name, as_=part, materialized=held, copy=False)
            before = name
        final = self._final() if self.counts_by is None else self._counts()
        query = query.select(*final, copy=False).from_(exp.to_table(before), copy=False)
        if self.counts_by is not None:
            query = query.group_by(exp.column(self.counts_by), copy=False)
        if self.profile == "secondary-use":
            query = query.where(q.all_of([self._not(name) for name in OPT_OUTS]), copy=False)
        return query

    def _passed(self) -> list[str]:
        out = list(self.keys)
        if self.profile == "secondary-use":
            out += [name for name in OPT_OUTS if name not in self.read]
        return out

    def _not(self, name: str) -> exp.Expression:
        """Of a flag: where it is not true."""
        item = q.column(name)
        if not self.dialect.booleans:
            return q.binary(exp.EQ, exp.Coalesce(this=item, expressions=[q.integer(0)]), q.integer(0))
        return exp.Not(this=exp.Coalesce(this=item, expressions=[exp.false()]))

    def _age_read(self) -> set[str]:
        return set(self._asked)

    def _levels(self) -> list[list[Definition]]:
        """The definitions that outputs depend on, each after those that it uses."""
        depth: dict[str, int] = {}
        needed = set(self._needed())
        for ident, definition in self.resolved.definitions.items():
            used = [part.id for part in definition.node.walk() if isinstance(part, n.Named)]
            depth[ident] = 1 + max((depth[u] for u in used), default=0)
        levels: dict[int, list[Definition]] = {}
        for ident, definition in self.resolved.definitions.items():
            if ident in needed:
                levels.setdefault(depth[ident], []).append(definition)
        return [levels[d] for d in sorted(levels)]

    def _needed(self) -> Iterable[str]:
        left = [d.id for d in self.outputs]
        left += [p.id for node in self._wanted for p in node.walk() if isinstance(p, n.Named)]
        done: set[str] = set()
        while left:
            ident = left.pop()
            if ident in done:
                continue
            done.add(ident)
            left += [p.id for p in self.resolved.definitions[ident].node.walk() if isinstance(p, n.Named)]
        return done

    def _defined(self, definition: Definition) -> exp.Expression:
        node = definition.node
        item = self._writer.two(node) if node.type.kind == "bool" else self._writer.value(node)
        return q.said(_as(self._writer.name(definition.id), item), definition.title)

    def _final(self) -> list[exp.Expression]:
        found: list[exp.Expression] = [exp.column(name) for name in self.keys]
        for definition in self.outputs:
            item = q.column(self._writer.name(definition.id))
            if definition.dtype not in ("bool", "dictionary", "float64"):
                tiny = definition.dtype == "uint8" and self.dialect.unsigned
                item = exp.cast(item, exp.DataType.Type.UTINYINT if tiny else _TYPES[definition.dtype])
            same = isinstance(item, exp.Column) and definition.output == item.name
            found.append(item if same else _as(str(definition.output), item))
        found.append(_as(QUALITY, self._checks.quality_flags()))
        return found

    def _counts(self) -> list[exp.Expression]:
        """Of each metric the people, or events, and of how many people they are."""
        found = [exp.column(str(self.counts_by)), _as("registered", exp.Count(this=exp.Star()))]
        for metric in self.metrics:
            name = self._writer.name(metric.id)
            if metric.node.type.kind == "number":
                events: exp.Expression = exp.Coalesce(this=self._writer.number(metric.node), expressions=[q.integer(0)])
            else:
                events = q.case([(self._writer.truth(metric.node), q.integer(1))], q.integer(0))
            whole: exp.Expression = q.integer(1)
            if metric.eligible:
                within = q.all_of([self._writer.truth(condition) for condition in metric.eligible])
                whole = q.case([(within, q.integer(1))], q.integer(0))
            found.append(q.said(_as(name, exp.Sum(this=events)), metric.title))
            found.append(_as(f"{name}_of", exp.Sum(this=whole)))
        return found

    # -- its text --

    def text(self) -> str:
        """The SELECT, with what it is in its head."""
        return f"{self.head()}\n{self.dialect.write(self.expression())}\n"

    def head(self) -> str:
        """Comments that say which pack this is, and what the dialect does otherwise."""
        pack = self.resolved.pack
        lines = [
            f"{pack.id} {pack.version}, {pack.title}",
            f"as of {self.resolved.as_of.isoformat()}; SHA-256 of the pack {pack.sha256}",
            f"{self.dialect.name}, profile {self.profile}, written by popstrat {VERSION}",
            *self.dialect.notes,
            *([] if self.counts_by is None else [_EXACT]),
            "not checked here: ids that occur twice, flags that are neither true nor false (they count as false)",
        ]
        return "\n".join(f"-- {' '.join(str(line).split())}" for line in lines)


def _as(name: str, item: exp.Expression) -> exp.Expression:
    return exp.alias_(item, name, copy=False)


def _table(name: str, dialect: Dialect) -> exp.Table:
    try:
        return exp.to_table(name, dialect=dialect.grammar)
    except SqlglotError:
        raise InputError(f"{name!r} is not the name of a table in {dialect.name}") from None
