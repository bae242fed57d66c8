"""Disclosure control of figures that add up: no withheld count can be bounded closely, by linear programming."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import product
from typing import Any

import numpy as np
import pytest
from nightly import seeds

pytest.importorskip("scipy")

from popstrat.privacy.disclosure import SMALLEST, WIDTH, ExposedError, rounded, step
from popstrat.privacy.disclosure.audit import widths
from popstrat.privacy.disclosure.block import around
from popstrat.privacy.disclosure.release import Published, Release

Cells = dict[tuple[Any, ...], int]


def tables(rng: np.random.Generator) -> tuple[Cells, Cells, list[tuple[Any, list[Any]]]]:
    """Denominators and numerators of practices by group, and of two kinds of area over them that overlap."""
    practices, groups = int(rng.integers(2, 7)), int(rng.integers(2, 4))
    people = rng.poisson(rng.choice([3, 12, 40, 150]), (practices, groups))
    having = rng.binomial(people, rng.choice([0.04, 0.5, 0.96, 1.0]))
    areas: dict[Any, list[int]] = {("practice", p): [p] for p in range(practices)}
    parents: dict[Any, list[Any]] = {("all",): []}
    for kind in ("network", "neighbourhood"):
        area = rng.integers(0, rng.integers(1, 4), practices)
        for a in np.unique(area):
            areas[kind, int(a)] = np.flatnonzero(area == a).tolist()
            parents[kind, int(a)] = [("practice", p) for p in areas[kind, int(a)]]
    areas["all",] = list(range(practices))
    cells: list[Cells] = []
    for counts in (people, having):
        of: Cells = {(a, g): int(counts[rows, g].sum()) for (a, rows), g in product(areas.items(), range(groups))}
        of |= {(a, "any"): int(counts[rows].sum()) for a, rows in areas.items()}
        cells.append(of)
    sums: list[tuple[Any, list[Any]]] = [((a, "any"), [(a, g) for g in range(groups)]) for a in areas]
    for g in (*range(groups), "any"):
        sums += [((a, g), [(part, g) for part in parts]) for a, parts in parents.items() if parts]
        for kind in ("network", "neighbourhood"):
            sums.append(((("all",), g), [(a, g) for a in areas if a[0] == kind]))
    return cells[0], cells[1], sums


def released(people: Cells, having: Cells, sums: list[tuple[Any, list[Any]]]) -> Release:
    release = Release()
    for name, cells in (("d", people), ("n", having)):
        for key, count in cells.items():
            release.add((name, key), count)
        for total, parts in sums:
            release.adds_up((name, total), [(name, p) for p in parts])
    for key in having:
        release.part_of(("n", key), ("d", key))
    return release


def least(published: Published) -> float:
    assert published.problem is not None
    return min(widths(published.problem).values(), default=np.inf)


def small(count: int, rest: int) -> bool:
    return count < SMALLEST or 0 < rest < SMALLEST


@pytest.mark.parametrize("seed", seeds(12, 24))
def test_no_withheld_count_can_be_bounded_closely(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people, having, sums = tables(rng)
    published = released(people, having, sums).publish()
    assert published.exposed == ()
    assert least(published) >= WIDTH - 1e-6
    for (name, key), shown in published.shown.items():
        count = people[key] if name == "d" else having[key]
        if small(count, people[key] - having[key] if name == "n" else 0):
            assert shown is None
        else:
            assert shown in (None, rounded(count))
            assert shown is None or (shown % 5 == 0 and shown >= 10)


def test_thousands_of_small_tables() -> None:
    """Two practices by two groups: the sums leave every count one way out only, and the programme is a short one."""
    rng = np.random.default_rng(1)
    checked = 0
    for _ in range(400):
        counts = rng.poisson(rng.choice([4, 9, 30, 200], size=(2, 2)))
        release = Release()
        names = ("f", "m", "all")
        table = np.vstack([np.column_stack([counts, counts.sum(1)]), np.append(counts.sum(0), counts.sum())])
        for (i, j), count in np.ndenumerate(table):
            release.add((i, names[j]), int(count))
        for i in range(3):
            release.adds_up((i, "all"), [(i, "f"), (i, "m")])
        for name in names:
            release.adds_up((2, name), [(0, name), (1, name)])
        published = release.publish()
        assert published.exposed == ()
        if published.why and checked < 120:  # the exact programme is what takes the time
            assert least(published) >= WIDTH - 1e-6
            checked += 1
    assert checked == 120


def test_without_secondary_suppression_the_attack_would_work() -> None:
    """The programme sees what is wrong: a total of two parts gives the withheld one away."""
    release = Release()
    for key, count in (("all", 100), ("f", 97), ("m", 3)):
        release.add(key, count)
    release.adds_up("all", ["f", "m"])
    published = release.publish()
    assert published.why == {"m": "small", "f": "protects another"} or least(published) >= WIDTH - 1e-6
    problem = published.problem
    assert problem is not None
    for i, shown in ((0, 100), (1, 95)):
        problem.low[i], problem.high[i] = shown - 2, shown + 2
    problem.low[2], problem.high[2] = 0, 7
    assert widths(problem, [2])[2] <= 7


def test_what_an_earlier_release_withheld_is_not_given_away_by_the_next() -> None:
    """The same month by another grouping: the men that were withheld to protect others stay withheld."""
    first = Release()
    for key, count in (("all", 40), ("f", 34), ("m", 6)):
        first.add(key, count)
    first.adds_up("all", ["f", "m"])
    one = first.publish()
    assert one["m"] is None
    second = Release()
    for key, count in (("all", 40), ("f", 34), ("m", 6), ("young", 20), ("old", 20)):
        second.add(key, count)
    second.adds_up("all", ["f", "m"])
    second.adds_up("all", ["young", "old"])
    for key in ("all", "f", "m"):
        second.earlier(key, one[key])
    two = second.publish()
    assert all(two[key] is None for key in ("all", "f", "m") if one[key] is None)
    assert least(two) >= WIDTH - 1e-6


def test_counts_of_an_earlier_release_alone_are_protected_too() -> None:
    """The first gave one sex and withheld the other; the second has the total, which must not bring it out."""
    release = Release()
    release.add("all", 40)
    release.earlier("f", 30)
    release.earlier("m", None)
    release.adds_up("all", ["f", "m"])
    published = release.publish()
    assert published.exposed == ()
    assert least(published) >= WIDTH - 1e-6
    assert "f" not in published.shown or published["f"] is None  # what is only known from before is not shown again


def test_what_is_known_exactly_is_no_room_for_others() -> None:
    release = Release()
    release.known("capacity", 60)
    for key, count in (("a", 54), ("b", 6)):
        release.add(key, count)
    release.adds_up("capacity", ["a", "b"])
    published = release.publish()
    assert (published["a"], published["b"]) == (None, None)
    assert least(published) >= WIDTH - 1e-6


def test_what_cannot_be_protected_is_not_published() -> None:
    """Others know the one and the whole exactly: the rest follows, whatever is withheld."""
    release = Release()
    release.known("all", 20)
    release.known("f", 15)
    release.add("m", 5)
    release.adds_up("all", ["f", "m"])
    with pytest.raises(ExposedError, match="1 withheld counts"):
        release.publish()
    assert release.publish(although_exposed=True).exposed == ("m",)


def test_what_does_not_add_up_is_refused() -> None:
    release = Release()
    for key, count in (("all", 100), ("f", 60), ("m", 30)):
        release.add(key, count)
    release.adds_up("all", ["f", "m"])
    with pytest.raises(ValueError, match="off"):
        release.publish()
    other = Release()
    other.add("part", 30)
    other.add("whole", 20)
    other.part_of("part", "whole")
    with pytest.raises(ValueError, match="more than"):
        other.publish()


@pytest.mark.parametrize("size", [1, 7, 20, 300, 601, 12_345, 2_500_000])
def test_steps_are_round_and_wide_enough(size: int) -> None:
    for people in (1, 5):
        by = step(size, people=people)
        assert by >= people / size * (1 - 1e-6)
        assert by <= 2.6 * people / size
        assert f"{by:e}"[0] in "125"


def plainly(counts_of: list[list[int]], rows_of: list[list[int]], i: int, size: int) -> tuple[list[int], list[int]]:
    """What `around` is to find: the sums about a count that bring the fewest new ones, and the counts in no others."""
    chosen: set[int] = set()
    queue, met = [(0, 0, i)], [i]
    while queue:
        brings, at, j = heappop(queue)
        new = [r for r in rows_of[j] if r not in chosen]
        if len(new) < brings:
            heappush(queue, (len(new), at, j))
            continue
        if chosen and len(chosen) + len(new) > size:
            break
        chosen.update(new)
        for k in (k for r in new for k in counts_of[r]):
            if k not in met:
                heappush(queue, (len(set(rows_of[k]) - chosen), len(met), k))
                met.append(k)
    return sorted(chosen), sorted(j for j in met if chosen.issuperset(rows_of[j]) or j == i)


@pytest.mark.parametrize("seed", seeds(30, 60))
def test_the_block_about_a_count_is_what_a_plain_search_finds(seed: int) -> None:
    """From one sum to all; what it marks on the way is as it was."""
    rng = np.random.default_rng(seed)
    many, sums = int(rng.integers(2, 60)), int(rng.integers(1, 40))
    counts_of = [rng.permutation(many)[: rng.integers(1, min(many, 7) + 1)].tolist() for _ in range(sums)]
    rows_of = [[r for r, counts in enumerate(counts_of) if i in counts] for i in range(many)]
    starts, row_starts = (np.cumsum([0, *map(len, of)]).astype(np.int64) for of in (counts_of, rows_of))
    counts, rows = (np.array([x for xs in of for x in xs], np.int64) for of in (counts_of, rows_of))
    chosen, waiting = np.zeros(sums, bool), np.zeros(many, bool)
    for i in range(many):
        for size in (1, 3, 10, sums):
            found = around(starts, counts, row_starts, rows, chosen, waiting, i, size)
            assert tuple(f.tolist() for f in found) == plainly(counts_of, rows_of, i, size)
            assert not chosen.any()
            assert not waiting.any()
