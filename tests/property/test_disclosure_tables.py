"""Disclosure control of many tables at once: no withheld count can be bounded closely, by linear programming."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from nightly import seeds

pytest.importorskip("scipy")

from popstrat.engine.tables import walk
from popstrat.errors import ExposedError
from popstrat.privacy.disclosure import SMALLEST, WIDTH, witnesses
from popstrat.privacy.disclosure.audit import widths
from popstrat.privacy.disclosure.tables import Layout, Why, nearest_five, published, withheld
from popstrat.privacy.disclosure.witnesses import Around

Counts = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Placed(Layout):
    """A layout that knows the place of each cell, -1 for cells that are of several."""

    blocks: Counts = field(kw_only=True)


def made(rng: np.random.Generator, many: bool = False) -> tuple[Placed, Counts, list[tuple[int, int]]]:
    """Practices by group within two kinds of area that overlap, in one or two places (or many); a whole, parts of it,
    and a part of the first part."""
    practices, groups = int(rng.integers(2, 8)), int(rng.integers(2, 4))
    places = rng.integers(0, rng.integers(1, 3), practices)
    if many:
        practices = int(rng.integers(16, 25))
        places = np.sort(rng.integers(0, 4, practices))
    areas: list[tuple[int, list[int]]] = [(int(places[p]), [p]) for p in range(practices)]
    within: list[tuple[list[int], list[list[int]]]] = []
    for _ in range(2):
        kind = places * 10 + rng.integers(0, 2, practices)
        own = []
        for a in np.unique(kind):
            rows = np.flatnonzero(kind == a).tolist()
            areas.append((int(a) // 10, rows))
            within.append((rows, [[p] for p in rows]))
            own.append(rows)
        for place in np.unique(places):
            rows = np.flatnonzero(places == place).tolist()
            within.append((rows, [one for one in own if one[0] in rows]))
    for place in np.unique(places):
        areas.append((int(place), np.flatnonzero(places == place).tolist()))
    areas.append((-1, list(range(practices))))
    within.append((list(range(practices)), [np.flatnonzero(places == p).tolist() for p in np.unique(places)]))
    names = list(dict.fromkeys(tuple(rows) for _, rows in areas))
    block = {tuple(rows): b for b, rows in reversed(areas)}
    at = {key: i for i, key in enumerate(product(names, range(groups + 1)))}
    sums = [(at[a, groups], [at[a, g] for g in range(groups)]) for a in names]
    for rows, parts in within:
        if [rows] != parts:
            sums += [(at[tuple(rows), g], [at[tuple(p), g] for p in parts]) for g in range(groups + 1)]
    starts = np.cumsum([0, *(1 + len(p) for _, p in sums)])
    counts = np.concatenate([[t, *p] for t, p in sums])
    signs = np.concatenate([[1.0, *[-1.0] * len(p)] for _, p in sums])
    ranks = np.array([2 * (min(len(a) - 1, 1) + (len(a) == practices)) + (g == groups) for a, g in at], np.int64)
    layout = Placed(starts, counts, signs, ranks, blocks=np.array([block[a] for a, _ in at], np.int64))
    whole = rng.poisson(rng.choice([3, 12, 40, 150], groups), (practices, groups))
    one = rng.binomial(whole, rng.choice([0.04, 0.5, 0.96, 1.0]))
    other = rng.binomial(whole, rng.choice([0.1, 0.7]))
    of_all = [whole, one, other, rng.binomial(one, rng.choice([0.1, 0.6, 0.95]))]
    found = np.array([
        [int(table[list(a)].sum() if g == groups else table[list(a), g].sum()) for a, g in at] for table in of_all
    ])  # fmt: skip
    return layout, found, [(1, 0), (2, 0), (3, 1)]


def with_labels(
    rng: np.random.Generator, layout: Placed, counts: Counts
) -> tuple[Counts, list[tuple[int, int]], list[tuple[int, tuple[int, ...]]]]:
    """The tables of `made` with two columns more: of the one everybody of the whole has a label, of the other only some
    of the first part."""
    starts = zip(layout.starts[:-1], layout.starts[1:], strict=True)
    sums = [(int(layout.counts[a]), layout.counts[a + 1 : b]) for a, b in starts]
    totals = {total for total, _ in sums}
    parts = [(1, 0), (2, 0), (3, 1)]
    labels, apart = list[Counts](), list[tuple[int, tuple[int, ...]]]()
    for whole, shares in ((0, rng.dirichlet(np.full(int(rng.integers(2, 6)), 0.7))), (1, np.array([0.05, 0.3, 0.65]))):
        new = np.zeros((len(shares), len(layout)), np.int64)
        for cell in range(len(layout)):
            if cell not in totals:
                new[:, cell] = rng.multinomial(counts[whole, cell], shares)
        known = {cell for cell in range(len(layout)) if cell not in totals}
        while len(known) < len(layout):
            for total, of in sums:
                if total not in known and known.issuperset(of.tolist()):
                    new[:, total] = new[:, of].sum(axis=1)
                    known.add(total)
        new = new if whole == 0 else new[:2]
        first = len(counts) + sum(map(len, labels))
        numbers = tuple(range(first, first + len(new)))
        labels.append(new)
        parts += [(number, whole) for number in numbers]
        apart.append((whole, numbers))
    return np.concatenate([counts, *labels]), parts, apart


def with_regions(layout: Placed, kind: str) -> Placed:
    """The same layout, with witnesses looked for among all cells first, or place by place with all that is larger."""
    every = np.arange(len(layout))
    if kind == "all":
        return replace(layout, regions=(Around(every, every, every),))
    above, found = np.flatnonzero(layout.blocks == -1), []
    for again in (False, True):
        for block in np.unique(layout.blocks[layout.blocks >= 0]):
            here = np.flatnonzero(layout.blocks == block)
            both = np.sort(np.concatenate([here, above]))
            found.append(Around(both, here, both if again else here))
    return replace(layout, regions=tuple(found))


@pytest.mark.parametrize("kind", ["none", "all", "places"])
@pytest.mark.parametrize("seed", seeds(6, 16))
def test_no_withheld_count_can_be_bounded_closely(seed: int, kind: str) -> None:
    layout, counts, parts = made(np.random.default_rng(seed), many=kind == "places" and seed % 2 == 1)
    if kind != "none":
        layout = with_regions(layout, kind)
    why = withheld(layout, counts, parts)
    rest = np.zeros(counts.shape, bool)
    for part, whole in parts:
        left = counts[whole] - counts[part]
        rest[part] |= (left > 0) & (left < SMALLEST)
    assert np.array_equal(why == Why.SMALL, counts < SMALLEST)
    assert np.array_equal(why == Why.REST, rest & (counts >= SMALLEST))
    problem = published(layout, counts, parts, why)
    some = np.flatnonzero(problem.guarded)
    chosen = np.random.default_rng(seed).choice(some, min(len(some), 25), replace=False)
    assert min(widths(problem, chosen).values(), default=np.inf) >= WIDTH - 1e-5


@pytest.mark.parametrize("kind", ["none", "all", "places"])
@pytest.mark.parametrize("seed", seeds(6, 16))
def test_nor_with_what_labels_of_a_column_say_together(seed: int, kind: str) -> None:
    rng = np.random.default_rng(700 + seed)
    layout, counts, _ = made(rng, many=kind == "places" and seed % 2 == 1)
    if kind != "none":
        layout = with_regions(layout, kind)
    counts, parts, apart = with_labels(rng, layout, counts)
    assert (counts[list(apart[0][1])].sum(axis=0) == counts[0]).all()
    why = withheld(layout, counts, parts, apart=apart)
    problem = published(layout, counts, parts, why, apart=apart)
    of_labels = np.zeros(len(problem.x), bool)
    of_labels[4 * len(layout) : counts.size] = True
    for some in (problem.guarded & of_labels, problem.guarded):
        chosen = rng.choice(np.flatnonzero(some), min(int(some.sum()), 20), replace=False)
        assert min(widths(problem, chosen).values(), default=np.inf) >= WIDTH - 1e-5


@pytest.mark.parametrize("seed", seeds(3, 8))
def test_more_threads_withhold_the_same(seed: int) -> None:
    """What regions write down side by side, no other of them reads; and blocks are tried in the same order."""
    rng = np.random.default_rng(900 + seed)
    layout, counts, _ = made(rng, many=True)
    layout = with_regions(layout, "places")
    counts, parts, apart = with_labels(rng, layout, counts)
    one, three = (withheld(layout, counts, parts, apart=apart, threads=threads) for threads in (1, 3))
    assert np.array_equal(one, three)
    of = witnesses.regions_of(layout.starts, layout.counts, layout.signs, layout.regions, layout.ranks)
    runs = witnesses._runs(of, len(layout))
    assert [one for run in runs for one in run] == of
    assert max(map(len, runs)) > 1
    for run in runs:
        for a, b in itertools.permutations(run, 2):
            assert not set(a.cells[a.own].tolist()) & set(b.cells.tolist())


def test_labels_that_do_not_fit_are_refused() -> None:
    layout, counts, parts = made(np.random.default_rng(0))
    with pytest.raises(ValueError, match="is not a part"):
        withheld(layout, counts, parts, apart=[(0, (1, 3))])
    with pytest.raises(ValueError, match="more than their whole"):
        withheld(layout, np.concatenate([counts, counts[:1]]), [*parts, (4, 0)], apart=[(0, (1, 2, 4))])


@pytest.mark.parametrize("seed", range(4))
def test_of_many_places_the_whole_is_shown(seed: int) -> None:
    """Few people of a group in each practice are protected by counts of practices and areas, exactly as elsewhere."""
    rng = np.random.default_rng(50 + seed)
    layout, counts, parts = made(rng, many=True)
    why = withheld(layout, counts, parts)
    highest = layout.ranks == layout.ranks.max()
    whole = highest & (layout.blocks == -1)
    assert (counts[:, whole] >= SMALLEST).all()
    assert not (why[:, whole] == Why.PROTECTS).any()
    problem = published(layout, counts, parts, why)
    chosen = rng.choice(np.flatnonzero(problem.guarded), 12, replace=False)
    assert min(widths(problem, chosen).values()) >= WIDTH - 1e-5


@pytest.mark.parametrize("rank", [0, 2])
def test_what_cannot_be_protected_goes_from_the_finest_upwards(rank: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it cannot be shown before all up to a rank are withheld, those are, and nothing else of the table."""
    layout, counts, _ = made(np.random.default_rng(50), many=True)
    enough = layout.ranks <= rank

    class Walk:
        def __init__(self, cells: Any, tables: Any, kin: Any, limits: Any) -> None:
            self.tables, self.enough = tables, (cells.ranks <= rank) & ~tables.never[0]

        def show(self) -> None:
            pass

        def withhold(self, rings: int) -> None:
            if self.tables.off[0, self.enough].all():
                self.tables.shown[:] = True

    monkeypatch.setattr(witnesses, "Walk", Walk)
    monkeypatch.setattr(witnesses, "_AT_ONCE", 0)
    why = withheld(layout, counts[:1], [])[0]
    assert (why[enough] != Why.SHOWN).all()
    assert not (why[~enough] == Why.PROTECTS).any()


@pytest.mark.parametrize("table", range(4))
@pytest.mark.parametrize("seed", seeds(3, 16))
def test_of_a_table_that_cannot_be_protected_nothing_follows(
    seed: int, table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is published, nor of its parts, from which something could be worked out of it."""
    layout, counts, parts = made(np.random.default_rng(seed + 31))

    class Walk(walk.Walk):
        def __init__(self, cells: Any, tables: Any, kin: Any, limits: Any) -> None:
            super().__init__(cells, tables, kin, limits)
            self.shown = tables.shown

        def show(self) -> None:
            super().show()
            self.shown[table] = False

        def withhold(self, rings: int = 0) -> None:
            super().withhold(rings)
            self.shown[table] = False

    monkeypatch.setattr(witnesses, "Walk", Walk)
    monkeypatch.setattr(witnesses, "_AT_ONCE", 0)
    why = withheld(layout, counts, parts)
    within = {0: [0, 1, 2, 3], 1: [1, 3], 2: [2], 3: [3]}[table]
    if (why[table] == Why.SHOWN).all():
        return  # nothing of it needs to be protected
    assert (why[within] != Why.SHOWN).all()
    problem = published(layout, counts, parts, why)
    some = np.flatnonzero(problem.guarded)
    chosen = np.random.default_rng(seed).choice(some, min(len(some), 40), replace=False)
    assert min(widths(problem, chosen).values()) >= WIDTH - 1e-5
    with pytest.raises(ExposedError, match="earlier release"):
        withheld(layout, counts, parts, told=np.ones(counts.shape, bool))


@pytest.mark.parametrize("seed", range(3))
def test_threads_change_nothing(seed: int) -> None:
    layout, counts, parts = made(np.random.default_rng(100 + seed))
    layout = with_regions(layout, "places") if seed else layout
    assert np.array_equal(withheld(layout, counts, parts), withheld(layout, counts, parts, threads=3))


def test_what_was_withheld_before_stays_withheld() -> None:
    layout, counts, parts = made(np.random.default_rng(5))
    free = np.argwhere(withheld(layout, counts, parts) == Why.SHOWN)
    table, cell = free[len(free) // 2]
    before = np.zeros(counts.shape, bool)
    before[table, cell] = True
    why = withheld(layout, counts, parts, earlier=before)
    assert why[table, cell] == Why.PROTECTS
    problem = published(layout, counts, parts, why)
    at = table * len(layout) + cell
    assert widths(problem, [at])[at] >= WIDTH - 1e-5


def test_counts_that_rest_on_few_people_are_withheld() -> None:
    layout, counts, parts = made(np.random.default_rng(7))
    seen = np.zeros(counts.shape, bool)
    seen[0, np.flatnonzero(counts[0] >= 20)[0]] = True
    assert (withheld(layout, counts, parts, few_seen=seen)[seen] == Why.REST).all()


def test_nothing_that_contradicts_itself_is_published() -> None:
    layout, counts, parts = made(np.random.default_rng(1))
    wrong = counts.copy()
    wrong[0, 0] += 1
    with pytest.raises(ValueError, match="add up"):
        withheld(layout, wrong, parts)
    with pytest.raises(ValueError, match="more than its whole"):
        withheld(layout, counts, [(0, 3)])


def test_a_lone_count_of_few_people_needs_nobody_else() -> None:
    nothing = np.empty(0, np.int64)
    layout = Layout(np.zeros(1, np.int64), nothing, np.empty(0), np.zeros(2, np.int64))
    assert withheld(layout, np.array([[3, 40]]), []).tolist() == [[Why.SMALL, Why.SHOWN]]


def test_rounding_is_to_the_nearest_five() -> None:
    assert nearest_five(np.array([8, 12, 13, 17, 18, 100])).tolist() == [10, 10, 15, 15, 20, 100]


def test_what_cannot_be_protected_is_not_published() -> None:
    """Two counts that make up each other, of which an earlier release withheld what is now known."""
    layout = Layout(np.array([0, 2]), np.array([0, 1]), np.array([1.0, -1.0]), np.arange(2))
    try:
        why = withheld(layout, np.array([[40, 40]]), [], earlier=np.array([[True, False]]))
    except ExposedError:
        return
    assert (why == Why.PROTECTS).all()
