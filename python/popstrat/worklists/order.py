"""Who is asked for, and in which order: cohort, rank and measure, found among what the pack writes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.arrow import numbers, true, valid
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.definition import NUMBER_TYPES, Definition
from popstrat.packs.patient_table import Column
from popstrat.packs.rank import rank_of
from popstrat.packs.resolved import Resolved
from popstrat.worklists.best import U64, measures
from popstrat.worklists.given import converted

_TRUTH = {"true": True, "false": False}


@dataclass(frozen=True)
class Cohort:
    """The people with a ``label`` in an output column: of a flag, true or false."""

    definition: Definition
    label: str

    @property
    def column(self) -> str:
        return str(self.definition.output)

    @property
    def flag(self) -> bool:
        return self.definition.dtype == "bool"

    @property
    def asked(self) -> str:
        """As it is asked for."""
        return self.column if (self.flag and self.label == "true") else f"{self.column}={self.label}"

    @property
    def title(self) -> str:
        """For people."""
        if self.flag:
            return self.definition.title if self.label == "true" else f"Not: {self.definition.title}"
        return f"{self.definition.title}: {self.label.replace('_', ' ')}"

    def members(self, scored: pa.RecordBatch) -> NDArray[np.bool_]:
        """Who is in it."""
        column = scored.column(self.column)
        if self.flag:
            found = true(column)
            return found if self.label == "true" else valid(column) & ~found
        code = column.dictionary.to_pylist().index(self.label)
        named: NDArray[np.bool_] = valid(column) & (numbers(column.indices) == code)
        return named


@dataclass(frozen=True)
class Measure:
    """A number that puts people of one rank in order, the largest first: an output, or a column of the list itself."""

    name: str
    title: str
    unit: str
    of: Literal["output", "list"]
    definition: Definition | None = None
    column: Column | None = None

    @property
    def ours(self) -> bool:
        """Whether popstrat worked it out."""
        return self.of == "output"

    def values(self, column: pa.Array) -> U64:
        """Of a column of that name as `best.measures`; what is not plausible counts as no record."""
        if self.ours:
            return measures(column)
        assert self.column is not None
        return measures(converted(column, self.column))


@dataclass(frozen=True)
class Order:
    """``rank``: the definition whose labels come first, in their order; None if the pack has none for this cohort."""

    cohort: Cohort
    rank: Definition | None
    measure: Measure

    @property
    def labels(self) -> tuple[str, ...]:
        return () if self.rank is None else tuple(self.rank.node.type.labels)

    def ranks(self, scored: pa.RecordBatch) -> NDArray[np.uint8]:
        """The place of each row's label, those without one last."""
        if self.rank is None:
            return np.zeros(scored.num_rows, np.uint8)
        column = scored.column(str(self.rank.output))
        place = {label: i for i, label in enumerate(self.labels)}
        table = np.array([place[label] for label in column.dictionary.to_pylist()], np.uint8)
        found = np.full(len(column), len(self.labels), np.uint8)
        there = valid(column)
        found[there] = table[numbers(column.indices)[there]]
        return found


def order_of(asked: str, rank_by: str | None, resolved: Resolved, known: Mapping[str, Column]) -> Order:
    """What ``--cohort`` and ``--rank-by`` ask for. Raises `InputError` naming what is near where there is no such."""
    cohort = _cohort(asked, resolved.outputs)
    measure = _usual(resolved) if rank_by is None else _measure(rank_by, resolved, known)
    return Order(cohort, rank_of(resolved, cohort.definition.id), measure)


def _cohort(asked: str, outputs: Iterable[Definition]) -> Cohort:
    name, given, label = asked.partition("=")
    name, label = name.strip(), label.strip()
    groups = {str(d.output): d for d in outputs if d.dtype in ("bool", "dictionary")}
    definition = groups.get(name)
    if definition is None:
        told = "is no group that the pack writes"
        raise InputError(f"--cohort: {name[:60]!r} {told}{suggest(name, groups)}")
    if definition.dtype == "bool":
        if given and label not in _TRUTH:
            raise InputError(f"--cohort: {name} is true or false, not {label[:60]!r}")
        return Cohort(definition, label or "true")
    labels = definition.node.type.labels
    if label not in labels:
        problem = (
            f"there is no {label[:60]!r} in {name}{suggest(label, labels)}" if given else f"{name} has several groups"
        )
        raise InputError(f"--cohort: {problem}: say {name}=LABEL, one of {', '.join(labels)}")
    return Cohort(definition, label)


def _usual(resolved: Resolved) -> Measure:
    """The risk of the pack's model."""
    found = [resolved.definitions[ident] for ident in resolved.models]
    found = [d for d in found if d.output is not None]
    if len(found) != 1:
        known = ", ".join(str(d.output) for d in found) or "no model"
        raise InputError(f"--rank-by COLUMN is needed: the pack has {known}")
    return _of_output(found[0])


def _of_output(definition: Definition) -> Measure:
    name = str(definition.output)
    return Measure(name, definition.title, str(definition.raw.get("unit", "")), "output", definition=definition)


def _measure(name: str, resolved: Resolved, known: Mapping[str, Column]) -> Measure:
    outputs = {str(d.output): d for d in resolved.outputs if d.dtype in NUMBER_TYPES}
    columns = {c.name: c for c in known.values() if c.type in ("int", "float")}
    if name in outputs:
        return _of_output(outputs[name])
    if name in columns:
        column = columns[name]
        return Measure(name, column.title, column.unit, "list", column=column)
    raise InputError(f"--rank-by: {name[:60]!r} is no column of numbers{suggest(name, [*outputs, *columns])}")


def needed(order: Order) -> list[str]:
    """The columns of the list that the order itself reads."""
    return [order.measure.name] if order.measure.of == "list" else []
