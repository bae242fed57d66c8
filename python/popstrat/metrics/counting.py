"""People counted by metric, practice and group, as their scored batches pass.

What is counted is worked out by the one program that scores them: a bitmap (or a number of events) for each numerator
and denominator, and a code for each group. Counts are whole numbers, so that neither the size of the batches nor the
number of threads changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.text import suggest
from popstrat.engine.arrays.cells import MOST_TABLES, Cells, numbered, within
from popstrat.errors import InputError, shown_name
from popstrat.lang import nodes as n
from popstrat.lang.parser import conjunction
from popstrat.metrics import groups as by
from popstrat.metrics.figures import Areas, Groups, Metric
from popstrat.metrics.rows import Measure
from popstrat.packs.ages import Ages
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.metric import cohort_of, measure_of
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.reach import About, fits
from popstrat.packs.resolved import Resolved

_MOST_TOGETHER = 64  # groups of one table: each set bit is counted once in each, and tables should stay small
_PLACES = ("pcn_code", "neighbourhood", "place")
_PRACTICE = "practice_code"
_WIDTHS = {"int16": 2, "float64": 8}
"""Bytes of a number of events, by what holds it."""


@dataclass(frozen=True)
class Plan:
    """What is counted, and by what.

    `definitions` are worked out besides the pack's outputs, for `Scorer`. For each metric `numerators` and
    `denominators` name the column among them that it counts: None as a denominator is everybody, as a numerator nobody
    (not computable). `tables` are groupings, each of several parts, whose cells every other grouping is added up from.
    """

    metrics: tuple[Metric, ...]
    numerators: tuple[str | None, ...]
    denominators: tuple[str | None, ...]
    definitions: tuple[Definition, ...]
    parts: Mapping[str, Definition]
    tables: tuple[tuple[str, ...], ...]
    given: tuple[str, ...] = ()
    """Conditions whose bitmaps come with each batch, and are no columns of it."""

    def with_given(self, metrics: Sequence[Metric]) -> Plan:
        """The same and further metrics, of which whoever counts gives the part and the whole of each batch."""
        parts = [f"part {i}" for i in range(len(metrics))]
        wholes = [f"whole {i}" for i in range(len(metrics))]
        return replace(
            self,
            metrics=(*self.metrics, *metrics),
            numerators=(*self.numerators, *parts),
            denominators=(*self.denominators, *wholes),
            given=(*self.given, *parts, *wholes),
        )


def plan(resolved: Resolved, groupings: Iterable[str], only: Sequence[str] | None = None) -> Plan:
    """The plan for the metrics of a pack (or ``only`` some of them). Raises `InputError` if it has none, or not all of
    those, or for a grouping that there is not."""
    chosen = [d for d in resolved.definitions.values() if KINDS[d.kind].counted]
    if not chosen:
        raise InputError(f"the pack {resolved.pack.id} has no metrics (definitions of the kind metric)")
    if only is not None:
        known = [d.id for d in chosen]
        for name in only:
            if name not in known:
                raise InputError(f"the pack {resolved.pack.id} has no metric {name!r}{suggest(name, known)}")
        chosen = [d for d in chosen if d.id in only]
    parts = by.definitions(resolved, groupings)
    made = _Made(About(resolved.pack.schema))
    pairs = [made.of(d) for d in chosen]
    ages = Ages(resolved)
    metrics = [replace(_metric(d), never=frozenset(by.never(parts, d.eligible, ages))) for d in chosen]
    return Plan(
        tuple(metrics),
        tuple(numerator for numerator, _ in pairs),
        tuple(denominator for _, denominator in pairs),
        (*made.definitions.values(), *parts.values()),
        parts,
        _tables(groupings, parts),
    )


def besides(
    resolved: Resolved, groupings: tuple[str, ...] = (), only: tuple[str, ...] | None = None
) -> tuple[Definition, ...]:
    """The definitions of a plan, for ``Scorer(besides=…)``."""
    return plan(resolved, groupings, only).definitions


def _metric(d: Definition) -> Metric:
    raw = d.raw
    measure = Measure(measure_of(raw))
    return Metric(
        d.id, d.title, d.version, measure, cohort_of(raw), raw["good"], raw.get("target"), d.source,
        raw.get("caveat", ""), raw.get("not_computable"), 1000 if measure is Measure.RATE else 1,
        d.node.type.kind != "number", means=d.means, assumption=raw.get("assumption", ""),
        counted=raw.get("numerator", ""), of=raw.get("denominator", ""),
    )  # fmt: skip


class _Made:
    """Columns to count, each expression once."""

    def __init__(self, about: About) -> None:
        self._about = about
        self.definitions: dict[n.Node, Definition] = {}

    def of(self, d: Definition) -> tuple[str | None, str | None]:
        """The numerator's and the denominator's column."""
        if "not_computable" in d.raw:
            return None, None
        denominator = conjunction(d.eligible, "") if d.eligible else n.Const(n.BOOL, "true", True)
        everybody = isinstance(denominator, n.Const) and denominator.value is True
        of_whom = None if everybody else self._column(denominator, f"denominator of {d.id}", "bool")
        return self._column(d.node, f"numerator of {d.id}", self._held(d.node)), of_whom

    def _held(self, node: n.Node) -> str:
        """As what a column of an expression comes: of events the narrower type, as there may be many."""
        if node.type.kind != "number":
            return "bool"
        return "int16" if fits(node, "int16", self._about) else "float64"

    def _column(self, node: n.Node, name: str, dtype: str) -> str:
        if node not in self.definitions:
            self.definitions[node] = Definition(name, "expression", node, name, "", "", "", name, dtype, {})
        return str(self.definitions[node].output)


def _tables(groupings: Iterable[str], parts: Mapping[str, Definition]) -> tuple[tuple[str, ...], ...]:
    """Few tables that hold every grouping: those of several parts first, the others together where they are small."""
    tables: list[tuple[str, ...]] = []
    for some in sorted({by.parts(g) for g in groupings} - {()}, key=lambda p: (-len(p), p)):
        if any(set(some) <= set(table) for table in tables):
            continue
        size = prod(len(by.labels(parts[part])) for part in some)
        room = (
            i
            for i, table in enumerate(tables)
            if not set(some) & set(table)
            and size * prod(len(by.labels(parts[part])) for part in table) <= _MOST_TOGETHER
        )
        at = next(room, None)
        if at is None:
            tables.append(some)
        else:
            tables[at] = (*tables[at], *some)
    if len(tables) > MOST_TABLES:
        raise InputError(f"--group-by: these groupings take {len(tables)} tables, and the most is {MOST_TABLES}")
    return tuple(tables) or ((),)


@dataclass
class Counted:
    """What was counted of all practices: arrays of a practice × cell, the cells of `tables` one after the other."""

    practices: tuple[str, ...]
    within: Mapping[str, tuple[str | None, ...]]
    """Place column → of each practice what it is in; a column that the list lacks is not there."""
    registered: NDArray[np.int64]
    people: Mapping[str, NDArray[np.int64]]
    """Column of a condition → people."""
    events: Mapping[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """Column of events → their sum, and the sum of squares."""

    order: NDArray[np.int64]
    """The place among `practices` of each practice as it was numbered while it was counted."""

    def areas(self) -> Areas:
        nothing = (None,) * len(self.practices)
        pcn, neighbourhood, place = (self.within.get(column, nothing) for column in _PLACES)
        return Areas(self.practices, pcn, neighbourhood, place)


def together(parts: Sequence[Counted]) -> Counted:
    """What was counted of parts of a list, as if it had been counted of the whole. Raises `InputError` for a practice
    that is in two PCNs, neighbourhoods or places."""
    codes = sorted({code for part in parts for code in part.practices})
    place = {code: i for i, code in enumerate(codes)}
    within: dict[str, tuple[str | None, ...]] = {}
    for column in dict.fromkeys(column for part in parts for column in part.within):
        areas: dict[str, str] = {}
        for part in parts:
            for code, area in zip(part.practices, part.within.get(column, ()), strict=False):
                if area is not None and areas.setdefault(code, area) != area:
                    raise _in_two(code, areas[code], area, column)
        within[column] = tuple(areas.get(code) for code in codes)

    def added(arrays: Iterable[NDArray[np.int64]]) -> NDArray[np.int64]:
        found = np.zeros((len(codes), parts[0].registered.shape[1]), np.int64)
        for part, array in zip(parts, arrays, strict=True):
            found[[place[code] for code in part.practices]] += array
        return found

    return Counted(
        tuple(codes),
        within,
        added(part.registered for part in parts),
        {name: added(part.people[name] for part in parts) for name in parts[0].people},
        {
            name: (added(part.events[name][0] for part in parts), added(part.events[name][1] for part in parts))
            for name in parts[0].events
        },
        np.arange(len(codes)),
    )


def _in_two(practice: str, one: str, other: str, column: str) -> InputError:
    told = " and in ".join(map(shown_name, sorted((one, other))))
    return InputError(f"the practice {shown_name(practice)} is in {told}: a practice is in one", column=column)


class Counter:
    """Counts scored batches, whose scorer has the plan's definitions besides its own."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        self.plan, self.threads = plan, max(1, threads)
        self._practices: dict[str, int] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._held: dict[str, NDArray[np.int32]] = {}
        self._room = 0
        sizes = [[len(by.labels(plan.parts[part])) for part in table] for table in plan.tables]
        self._width = sum(prod(some) for some in sizes)
        held = {str(d.output): d.dtype for d in plan.definitions}
        self._widths = {n: _WIDTHS[held[n]] for n in plan.numerators if n in held and held[n] in _WIDTHS}
        conditions = [*(name for name, dtype in held.items() if dtype == "bool"), *plan.given]
        self.whole: NDArray[np.int32] = np.empty(0, np.int32)
        """The practices of the latest batch, as they are numbered."""
        self._people: dict[str | None, NDArray[np.uint32]] = {c: np.zeros(0, np.uint32) for c in (None, *conditions)}
        self._events = {c: (np.zeros(0, np.int64), np.zeros(0, np.int64)) for c in self._widths}
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="popstrat-count") if threads > 1 else None

    def add(self, scored: pa.RecordBatch, given: Sequence[NDArray[np.bool_]] = ()) -> None:
        """Count a batch, and the conditions that are ``given`` for it, in the plan's order.

        Raises `InputError` for a practice that is in two PCNs, neighbourhoods or places.
        """
        rows = scored.num_rows
        if rows == 0:
            return
        self._each(self._practices_of(scored))
        cells = Cells(self.whole, len(self._practices), [self._groups(scored, table) for table in self.plan.tables])
        step = -(-rows // self.threads)
        starts = range(0, rows, step)
        self._each([partial(self._fill, cells, start, min(start + step, rows)) for start in starts])
        everybody = np.zeros(max(1, len(self._practices) * self._width), np.uint32)
        cells.count([None], [everybody])
        self._people[None][: len(everybody)] += everybody
        bits = {n: np.packbits(rows, bitorder="little") for n, rows in zip(self.plan.given, given, strict=True)}
        names = [name for name in self._people if name is not None]
        jobs: list[Callable[[], Any]] = []
        for start in range(min(self.threads, len(names))):  # each thread goes over the cells once
            some = names[start :: self.threads]
            planes = [bits[name] if name in bits else scored.column(name).buffers()[1] for name in some]
            jobs.append(partial(cells.count, planes, [self._people[name] for name in some], everybody))
        for name, (sums, squares) in self._events.items():
            valid, values = scored.column(name).buffers()
            jobs.append(partial(cells.sum, values, self._widths[name], valid, sums, squares))
        self._each(jobs)

    def finish(self) -> Counted:
        """What was counted; practices in the order of their codes."""
        if self._pool is not None:
            self._pool.shutdown()
        order = sorted(self._practices, key=self._practices.__getitem__)
        sort = np.array(sorted(range(len(order)), key=order.__getitem__), dtype=np.int64)

        def by_practice(counts: NDArray[Any]) -> NDArray[np.int64]:
            found = counts[: len(order) * self._width].reshape(len(order), self._width)
            return found[sort].astype(np.int64)

        return Counted(
            tuple(order[i] for i in sort),
            {column: self._within(column, sort) for column in self._held},
            by_practice(self._people[None]),
            {name: by_practice(counts) for name, counts in self._people.items() if name is not None},
            {name: (by_practice(sums), by_practice(squares)) for name, (sums, squares) in self._events.items()},
            np.argsort(sort),
        )

    # -- practices and what they are in --

    def _practices_of(self, scored: pa.RecordBatch) -> list[Callable[[], None]]:
        """Number the batch's practices and make room for new ones; what is then to be done to see what they are in."""
        coded = _Coded(scored.column(_PRACTICE), self._practices)
        self.whole = np.empty(scored.num_rows, np.int32)
        row = numbered(coded.values, coded.width, coded.valid, coded.offset, scored.num_rows, coded.table, self.whole)
        if row >= 0:
            raise InputError("leads outside its dictionary", column=_PRACTICE, rows=[row])
        if len(self._practices) > self._room:
            self._grow()
        columns = [column for column in _PLACES if column in scored.schema.names]
        for column in columns:
            self._names.setdefault(column, {})
            held = self._held.setdefault(column, np.full(self._room, -1, np.int32))
            if len(held) < self._room:
                self._held[column] = np.concatenate([held, np.full(self._room - len(held), -1, np.int32)])
        return [partial(self._look_within, scored.column(column), column) for column in columns]

    def _look_within(self, column: pa.Array, name: str) -> None:
        """See what each practice is in. Raises `InputError` for one that is in two."""
        names, held = self._names[name], self._held[name]
        coded = _Coded(column, names)
        row = within(self.whole, coded.values, coded.width, coded.valid, coded.offset, coded.table, held)
        if row < 0:
            return
        practice = next(code for code, number in self._practices.items() if number == self.whole[row])
        one = next(area for area, number in names.items() if number == held[self.whole[row]])
        other = str(column[row].as_py())
        raise _in_two(practice, one, other, name)

    def _grow(self) -> None:
        self._room = max(64, 2 * len(self._practices))
        cells = self._room * self._width
        self._people = {name: _longer(counts, cells) for name, counts in self._people.items()}
        self._events = {name: (_longer(a, cells), _longer(b, cells)) for name, (a, b) in self._events.items()}

    def _within(self, column: str, sort: NDArray[np.int64]) -> tuple[str | None, ...]:
        called: dict[int, str | None] = {number: name for name, number in self._names[column].items()}
        held = self._held[column]
        return tuple(called.get(int(held[i])) if i < len(held) else None for i in sort)

    # -- cells --

    def _groups(self, scored: pa.RecordBatch, table: tuple[str, ...]) -> list[tuple[Any, Any | None, int, int]]:
        found = []
        for part in table:
            definition = self.plan.parts[part]
            codes = scored.column(str(definition.output)).indices
            valid, values = codes.buffers()
            size = len(by.labels(definition))
            found.append((values, valid if codes.null_count else None, codes.offset, size))
        return found

    @staticmethod
    def _fill(cells: Cells, start: int, stop: int) -> None:
        if cells.fill(start, stop) >= 0:
            raise RuntimeError("internal error: somebody is in no practice")

    def _each(self, jobs: Sequence[Callable[[], Any]]) -> None:
        if self._pool is None:
            for job in jobs:
                job()
            return
        for done in [self._pool.submit(job) for job in jobs]:
            done.result()


class _Coded:
    """The indices of a column of text, and the number of each entry of its dictionary (-1: null or empty); ``known``,
    which has the numbers so far, gets new ones."""

    def __init__(self, column: pa.Array, known: dict[str, int]) -> None:
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        texts = coded.dictionary.to_pylist()
        numbers = (-1 if text is None or text == "" else known.setdefault(str(text), len(known)) for text in texts)
        self.table = np.fromiter(numbers, np.int32, len(texts))
        indices = coded.indices
        if not pa.types.is_signed_integer(indices.type):
            indices = indices.cast(pa.int64())
        valid, self.values = indices.buffers()
        self.valid = valid if indices.null_count else None
        self.offset, self.width = indices.offset, indices.type.bit_width // 8


def _longer(counts: NDArray[Any], cells: int) -> NDArray[Any]:
    return np.concatenate([counts, np.zeros(cells - len(counts), counts.dtype)])


def table_axes(plan: Plan) -> list[tuple[tuple[str, ...], slice, tuple[int, ...]]]:
    """Of each table its parts, where its cells stand, and how many groups each part has."""
    found, start = [], 0
    for table in plan.tables:
        sizes = tuple(len(by.labels(plan.parts[part])) for part in table)
        found.append((table, slice(start, start + prod(sizes)), sizes))
        start += prod(sizes)
    return found


def grouped(plan: Plan, counts: NDArray[np.int64], grouping: str) -> NDArray[np.int64]:
    """Counts whose last axis is the cells of all tables, with the groups of one grouping in its place."""
    parts = by.parts(grouping)
    table, where, sizes = next(found for found in table_axes(plan) if set(parts) <= set(found[0]))
    before = counts.ndim - 1
    cube = counts[..., where].reshape(*counts.shape[:-1], *sizes)
    found = cube.sum(axis=tuple(before + i for i, part in enumerate(table) if part not in parts))
    kept = [part for part in table if part in parts]
    order = (*range(before), *(before + kept.index(part) for part in parts))
    return np.transpose(found, order).reshape(*counts.shape[:-1], -1)


def all_groups(plan: Plan, groupings: Iterable[str]) -> tuple[Groups, ...]:
    """The groupings with their groups."""
    return tuple(by.groups(grouping, dict(plan.parts)) for grouping in groupings)
