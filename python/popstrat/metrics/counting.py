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
from popstrat.engine.arrays.cells import BLOCK, FINE, IN_TWO, MOST_TABLES, NOWHERE, Cells, Coded, Tally
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
_FEWEST = 8192  # people that a thread is worth


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
    registered: NDArray[Any]
    conditions: tuple[str, ...]
    """Columns of conditions, in the order of the last axis of `counts`."""
    counts: NDArray[Any]
    """People: practice × cell × condition."""
    numbers: tuple[str, ...]
    """Columns of events, in the order of the third axis of `sums`."""
    sums: NDArray[np.int64]
    """Practice × cell × column × (sum of events, sum of squares)."""

    order: NDArray[np.int64]
    """The place among `practices` of each practice as it was numbered while it was counted."""

    @property
    def people(self) -> dict[str, NDArray[Any]]:
        """Column of a condition → people."""
        return {name: self.counts[..., i] for i, name in enumerate(self.conditions)}

    @property
    def events(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Column of events → their sum, and the sum of squares."""
        return {name: (self.sums[..., i, 0], self.sums[..., i, 1]) for i, name in enumerate(self.numbers)}

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

    def added(arrays: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
        found = np.zeros((len(codes), *arrays[0].shape[1:]), np.int64)
        for part, array in zip(parts, arrays, strict=True):
            found[[place[code] for code in part.practices]] += array
        return found

    return Counted(
        tuple(codes),
        within,
        added([part.registered for part in parts]),
        parts[0].conditions,
        added([part.counts for part in parts]),
        parts[0].numbers,
        added([part.sums for part in parts]),
        np.arange(len(codes)),
    )


def _in_two(practice: str, one: str, other: str, column: str, rows: Sequence[int] = ()) -> InputError:
    told = " and in ".join(map(shown_name, sorted((one, other))))
    problem = f"the practice {shown_name(practice)} is in {told}: a practice is in one"
    return InputError(problem, column=column, rows=rows)


class Counter:
    """Counts scored batches, whose scorer has the plan's definitions besides its own."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        self.plan, self.threads = plan, max(1, threads)
        self._practices: dict[str, int] = {}
        self._names: dict[str, dict[str, int]] = {}
        self._held: dict[str, NDArray[np.int32]] = {}
        self._tables: dict[str, tuple[pa.Array, NDArray[np.int32]]] = {}
        sizes = [[len(by.labels(plan.parts[part])) for part in table] for table in plan.tables]
        self._width = sum(prod(some) for some in sizes)
        held = {str(d.output): d.dtype for d in plan.definitions}
        self._widths = {n: _WIDTHS[held[n]] for n in plan.numerators if n in held and held[n] in _WIDTHS}
        self._conditions = (*(name for name, dtype in held.items() if dtype == "bool"), *plan.given)
        self._whole: Coded | None = None
        self._tally = Tally(self._width, len(self._conditions), len(self._widths), self.threads)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="popstrat-count") if threads > 1 else None

    @property
    def whole(self) -> NDArray[np.int32]:
        """The practices of the latest batch, as they are numbered."""
        found = np.empty(0 if self._whole is None else self._whole.rows, np.int32)
        if self._whole is not None:
            self._whole.numbers(found)
        return found

    def add(self, scored: pa.RecordBatch, given: Sequence[NDArray[np.bool_]] = ()) -> None:
        """Count a batch, and the conditions that are ``given`` for it, in the plan's order.

        Raises `InputError` for a practice that is in two PCNs, neighbourhoods or places. What was counted before it
        does not hold then.
        """
        rows = scored.num_rows
        if rows == 0:
            return
        self._whole = self._coded(scored, _PRACTICE, self._practices)
        there = scored.schema.names
        inside = {c: self._coded(scored, c, self._names.setdefault(c, {})) for c in _PLACES if c in there}
        self._make_room(inside)
        bits = {n: np.packbits(some, bitorder="little") for n, some in zip(self.plan.given, given, strict=True)}
        cells = Cells(
            self._whole,
            len(self._practices),
            [self._groups(scored, table) for table in self.plan.tables],
            [bits[name] if name in bits else scored.column(name).buffers()[1] for name in self._conditions],
            [self._number(scored.column(name), width) for name, width in self._widths.items()],
            list(inside.values()),
        )
        step = -(-max(-(-rows // self.threads), _FEWEST) // BLOCK) * BLOCK
        starts = range(0, rows, step)
        held = [[self._held[column].copy() for column in inside] for _ in starts]
        found = self._each(
            [
                partial(self._tally.add, cells, start, min(start + step, rows), thread, held[thread])
                for thread, start in enumerate(starts)
            ]
        )
        for row in found:
            if row >= 0:
                raise InputError("leads outside its dictionary", column=_PRACTICE, rows=[row])
            if row == NOWHERE:
                raise RuntimeError("internal error: somebody is in no practice")
        agreed = [self._agreed(of_threads) for of_threads in zip(*held, strict=True)]
        if any(row == IN_TWO for row in found) or any(one is None for one in agreed):
            whole = self.whole
            for column, coded in inside.items():
                self._look_within(whole, scored.column(column), coded, column)
        assert all(row == FINE for row in found)
        self._held.update((column, one) for column, one in zip(inside, agreed, strict=True) if one is not None)

    def finish(self) -> Counted:
        """What was counted; practices in the order of their codes."""
        if self._pool is not None:
            self._pool.shutdown()
        order = list(self._practices)  # as they were numbered
        sort = np.array(sorted(range(len(order)), key=order.__getitem__), dtype=np.int64)
        in_order = bool((sort[1:] > sort[:-1]).all())

        def by_practice(counts: NDArray[Any]) -> NDArray[Any]:
            return counts[: len(order)] if in_order else counts[sort]

        registered, counts, sums = self._tally.finish()
        return Counted(
            tuple(order[i] for i in sort),
            {column: self._within(column, sort) for column in self._held},
            by_practice(registered),
            self._conditions,
            by_practice(counts),
            tuple(self._widths),
            by_practice(sums),
            np.argsort(sort),
        )

    # -- practices and what they are in --

    def _coded(self, scored: pa.RecordBatch, column: str, known: dict[str, int]) -> Coded:
        """A column of text, and the number of each entry of its dictionary (-1: null or empty); ``known``, which has
        the numbers so far, gets new ones."""
        array = scored.column(column)
        coded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        last, table = self._tables.get(column, (None, np.empty(0, np.int32)))
        if last is None or not last.equals(coded.dictionary):  # batches mostly come with the same one
            texts = coded.dictionary.to_pylist()
            numbers = (-1 if text is None or text == "" else known.setdefault(str(text), len(known)) for text in texts)
            table = np.fromiter(numbers, np.int32, len(texts))
            self._tables[column] = coded.dictionary, table
        indices = coded.indices
        if not pa.types.is_signed_integer(indices.type):
            indices = indices.cast(pa.int64())
        valid, values = indices.buffers()
        width = indices.type.bit_width // 8
        return Coded(values, width, valid if indices.null_count else None, indices.offset, len(indices), table)

    def _make_room(self, inside: Iterable[str]) -> None:
        if len(self._practices) > self._tally.most:
            # the first batch mostly has all, and what is left over is seldom touched
            self._tally.grow(max(64, len(self._practices) + len(self._practices) // 2))
        room = self._tally.most
        for column in inside:
            held = self._held.get(column, np.empty(0, np.int32))
            if len(held) < room:
                self._held[column] = np.concatenate([held, np.full(room - len(held), -1, np.int32)])

    @staticmethod
    def _agreed(held: Sequence[NDArray[np.int32]]) -> NDArray[np.int32] | None:
        """What each practice is in by all threads; None if two of them say different things."""
        found = np.maximum.reduce(held)
        return found if all(((one < 0) | (one == found)).all() for one in held) else None

    def _look_within(self, whole: NDArray[np.int32], column: pa.Array, coded: Coded, name: str) -> None:
        """See what each practice is in, a row after the other. Raises `InputError` with the first row that says
        something else of its practice than those before."""
        names, held = self._names[name], self._held[name]
        row = coded.within(whole, held)
        if row < 0:
            return
        practice = next(code for code, number in self._practices.items() if number == whole[row])
        one = next(area for area, number in names.items() if number == held[whole[row]])
        other = str(column[row].as_py())
        raise _in_two(practice, one, other, name, [row])

    def _within(self, column: str, sort: NDArray[np.int64]) -> tuple[str | None, ...]:
        called: dict[int, str | None] = {number: name for name, number in self._names[column].items()}
        return tuple(called.get(int(self._held[column][i])) for i in sort)

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
    def _number(column: pa.Array, width: int) -> tuple[Any, int, Any | None]:
        valid, values = column.buffers()
        return values, width, valid

    def _each(self, jobs: Sequence[Callable[[], int]]) -> list[int]:
        if self._pool is None or len(jobs) == 1:
            return [job() for job in jobs]
        return [done.result() for done in [self._pool.submit(job) for job in jobs]]


def table_axes(plan: Plan) -> list[tuple[tuple[str, ...], slice, tuple[int, ...]]]:
    """Of each table its parts, where its cells stand, and how many groups each part has."""
    found, start = [], 0
    for table in plan.tables:
        sizes = tuple(len(by.labels(plan.parts[part])) for part in table)
        found.append((table, slice(start, start + prod(sizes)), sizes))
        start += prod(sizes)
    return found


def grouped(plan: Plan, counts: NDArray[Any], grouping: str) -> NDArray[Any]:
    """Counts of practice × cell × anything, with the groups of one grouping in place of the cells."""
    parts = by.parts(grouping)
    table, where, sizes = next(found for found in table_axes(plan) if set(parts) <= set(found[0]))
    cube = counts[:, where].reshape(counts.shape[0], *sizes, *counts.shape[2:])
    found = cube.sum(axis=tuple(1 + i for i, part in enumerate(table) if part not in parts), dtype=counts.dtype)
    kept = [part for part in table if part in parts]
    order = (0, *(1 + kept.index(part) for part in parts), *range(1 + len(kept), found.ndim))
    groups = prod(found.shape[1 : 1 + len(kept)])
    return np.transpose(found, order).reshape(counts.shape[0], groups, *counts.shape[2:])


def all_groups(plan: Plan, groupings: Iterable[str]) -> tuple[Groups, ...]:
    """The groupings with their groups."""
    return tuple(by.groups(grouping, dict(plan.parts)) for grouping in groupings)
