"""Walking tables: how far counts go, against linear programming and dense linear algebra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from nightly import seeds

pytest.importorskip("scipy")

from scipy import optimize

from popstrat.engine.tables import Cells, Kin, Limits, Tables
from popstrat.engine.tables.walk import Walk, solved

Numbers = np.ndarray[Any, Any]
LIMITS = Limits(8, 5, 5)


def grid(rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Counts of a grid with its margins, cell by cell, and their sums as a matrix."""
    rows, columns = (int(n) for n in rng.integers(2, 6, 2))
    at = np.arange((rows + 1) * (columns + 1)).reshape(rows + 1, columns + 1)
    lines = [*at, *at.T]
    matrix = np.zeros((len(lines), at.size))
    for i, line in enumerate(lines):
        matrix[i, line[:-1]], matrix[i, line[-1]] = -1.0, 1.0
    x = np.zeros(at.shape)
    x[:-1, :-1] = rng.poisson(rng.choice([2, 9, 60], (rows, columns)))
    x[-1, :-1], x[:-1, -1], x[-1, -1] = x[:-1, :-1].sum(0), x[:-1, :-1].sum(1), x[:-1, :-1].sum()
    return x.ravel(), matrix


def given(x: Numbers, off: Numbers, matrix: Numbers) -> tuple[Cells, Tables, Kin]:
    """One table, which is part of none."""
    n = len(x)
    solution, basis = solved(matrix, np.arange(n))
    rows, cells = np.nonzero(matrix)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
    none, no_bond = np.zeros(0, np.int64), np.zeros((0, n))
    tables = Tables(
        x[np.newaxis], (x < 8)[np.newaxis], np.zeros((1, n), bool), off[np.newaxis].copy(), np.zeros((1, n), bool),
        np.maximum(x, 1.0)[np.newaxis], np.zeros((1, n), bool), np.zeros((1, n)), np.zeros((1, n)),
    )  # fmt: skip
    two = np.zeros(2, np.int64)
    kin = Kin(
        none, two[:1], none, two, none, two, none, two[:1], two, none, none, no_bond > 0, no_bond, no_bond.copy()
    )  # fmt: skip
    ranks = np.zeros(n, np.int64)
    return Cells(solution, basis, starts, cells, matrix[rows, cells], np.ones(n, bool), ranks), tables, kin


def widths(x: Numbers, off: Numbers, matrix: Numbers) -> dict[int, float]:
    """How far the values of each withheld count that fit are apart, by linear programming."""
    near = (x + 2) // 5 * 5
    bounds = [
        (0.0, 7.0 if v < 8 else None) if hidden else (r - 2, r + 2) for v, r, hidden in zip(x, near, off, strict=True)
    ]
    found = {}
    for i in np.flatnonzero(off):
        c = np.zeros(len(x))
        c[i] = 1.0
        ends = [
            optimize.linprog(s * c, A_eq=matrix, b_eq=np.zeros(len(matrix)), bounds=bounds, method="highs")
            for s in (1, -1)
        ]
        found[int(i)] = np.inf if ends[1].status == 3 else float(ends[1].x[i] - ends[0].x[i])
    return found


@pytest.mark.parametrize("seed", seeds(15, 60))
def test_a_table_alone_shows_exactly_what_a_linear_programme_shows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, matrix = grid(rng)
    off = (x < 8) | (rng.random(len(x)) < 0.3)
    cells, tables, kin = given(x, off, matrix)
    Walk(cells, tables, kin, LIMITS).show()
    exact = widths(x, off, matrix)
    assert {i for i, width in exact.items() if width >= 5 - 1e-6} == set(np.flatnonzero(tables.shown[0] & off).tolist())
    assert np.array_equal(tables.off[0], off)


@pytest.mark.parametrize("seed", seeds(15, 60))
def test_what_it_takes_is_withheld(seed: int) -> None:
    """Until nothing can be worked out closely; and what is withheld for it helps: something would be known without."""
    x, matrix = grid(np.random.default_rng(seed))
    small = x < 8
    cells, tables, kin = given(x, small, matrix)
    Walk(cells, tables, kin, LIMITS).withhold()
    off = tables.off[0]
    assert (off >= small).all()
    exact = widths(x, off, matrix)
    assert all(exact[i] >= 5 - 1e-6 for i in np.flatnonzero(tables.shown[0] & off))
    if not (off & ~small).any():
        assert min(widths(x, small, matrix).values(), default=5.0) >= 5 - 1e-6


@pytest.mark.parametrize("seed", range(20))
def test_sums_are_solved_for_as_many_cells_as_there_are_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-1, 2, (int(rng.integers(1, 9)), int(rng.integers(2, 14)))).astype(float)
    matrix = np.vstack([matrix, matrix[0] * 2])  # which follows from another
    solution, basis = solved(matrix, rng.permutation(matrix.shape[1]))
    assert len(basis) == np.linalg.matrix_rank(matrix)
    assert np.allclose(solution[:, basis], np.eye(len(basis)))
    assert np.linalg.matrix_rank(np.vstack([matrix, solution])) == len(basis)


def test_the_cells_that_come_first_are_solved_for() -> None:
    assert solved([[1.0, -1.0, -1.0]], [2, 0, 1])[1].tolist() == [2]
    with pytest.raises(ValueError, match="one place in the order"):
        solved([[1.0, -1.0]], [0, 0])


def test_whole_and_part_that_hold_each_other_move_together() -> None:
    """Everybody has it: of a count of 7, which is withheld, nothing can be shown by one of the two alone."""
    x = np.array([[47.0, 40.0, 7.0]] * 2)
    matrix = np.array([[1.0, -1.0, -1.0]])
    cells, tables, _ = given(x[0], x[0] < 8, matrix)
    both = Tables(*(np.repeat(one, 2, axis=0) for one in tables))
    both.off[:, 1] = True
    Walk(cells, both, bonds([(0, (1,))], x), LIMITS).show()
    assert both.shown[both.off].all()


def bonds(given: list[tuple[int, tuple[int, ...]]], x: Numbers) -> Kin:
    """Wholes and their parts, pairs first. What is small of a pair is asked too."""
    count, n = x.shape
    of = [[p for p, (whole, parts) in enumerate(given) if t in (whole, *parts)] for t in range(count)]
    above = [[whole for whole, parts in given if t in parts and len(parts) == 1] for t in range(count)]
    few = [
        (p, c, t) for p, (whole, parts) in enumerate(given) if len(parts) == 1 for c in range(n)
        for t in (whole, *parts) if 0 < x[whole, c] - x[parts[0], c] < 8
    ]  # fmt: skip
    of_few = [[one[:2] for one in few if one[2] == t] for t in range(count)]

    def flat(lists: list[Any]) -> tuple[Numbers, list[Any]]:
        return np.cumsum([0, *map(len, lists)]).astype(np.int64), [one for some in lists for one in some]

    part_starts, parts = flat([parts for _, parts in given])
    bond_starts, own = flat(of)
    above_starts, wholes = flat(above)
    few_starts, rests = flat(of_few)
    shown = np.ones((len(given), n), bool)
    for p, c in rests:
        shown[p, c] = False
    order = sorted(range(count), key=lambda t: len(above[t]))
    entries = np.array(rests, np.int64).reshape(-1, 2).T.copy()
    return Kin(
        np.array([whole for whole, _ in given], np.int64), part_starts, np.array(parts, np.int64), bond_starts,
        np.array(own, np.int64), above_starts, np.array(wholes, np.int64), np.array(order, np.int64), few_starts,
        entries[0], entries[1], shown, np.zeros((len(given), n)), np.zeros((len(given), n)),
    )  # fmt: skip


def split(rng: np.random.Generator) -> tuple[Numbers, Numbers, list[tuple[int, tuple[int, ...]]]]:
    """A whole of which everybody has one of several labels (parts 1 to k), another part, and some of a second column's
    labels, which not everybody has; counts of tables by cells, and the sums of cells."""
    one, matrix = grid(rng)
    size = len(one)
    solution, basis = solved(matrix, np.arange(size)[::-1])
    free = np.setdiff1d(np.arange(size), basis)
    labels = int(rng.integers(2, 5))
    shares = rng.dirichlet(np.full(labels, rng.choice([0.4, 3.0])))

    def whole_of(inner: Numbers) -> Numbers:
        x = np.zeros(size)
        x[free] = inner
        x[basis] = -solution[:, free] @ inner
        return x

    inner = one[free].astype(np.int64)
    by_label = np.array([rng.multinomial(n, shares) for n in inner]).T
    other = rng.binomial(inner, rng.choice([0.2, 0.9]))
    first = rng.binomial(inner, 0.3)
    second = rng.binomial(inner - first, rng.choice([0.1, 0.6]))
    x = np.array([whole_of(some) for some in (inner, *by_label, other, first, second)])
    parts = tuple(range(1, labels + 1))
    rest = [labels + 1, labels + 2, labels + 3]
    return x, matrix, [*((0, (p,)) for p in (*parts, *rest)), (0, parts), (0, (labels + 2, labels + 3))]


def widths_of_all(x: Numbers, off: Numbers, matrix: Numbers, given: list[tuple[int, tuple[int, ...]]]) -> Numbers:
    """How far the values of each withheld count that fit are apart, by linear programming over all tables together."""
    count, n = x.shape
    near = (x + 2) // 5 * 5
    low = np.where(off, 0.0, near - 2).ravel()
    high = np.where(off, np.where(x < 8, 7.0, np.inf), near + 2).ravel()
    equal, inside, least, sums = [], [], [], []
    for t in range(count):
        for row in matrix:
            full = np.zeros(count * n)
            full[t * n : (t + 1) * n] = row
            equal.append(full)
            sums.append(0.0)
    for whole, parts in given:
        rest = x[whole] - x[list(parts)].sum(axis=0)
        for c in range(n):
            full = np.zeros(count * n)
            full[whole * n + c] = 1.0
            for part in parts:
                full[part * n + c] = -1.0
            bounds = [0.0, np.inf]
            if len(parts) > 1:
                bounds[1] = 0.0 if (rest == 0).all() else np.inf
            else:
                out = not off[whole, c] and not off[parts[0], c]
                if rest[c] == 0:
                    bounds[1] = 0.0 if out else np.inf
                elif rest[c] < 8:
                    bounds[1] = np.inf if x[parts[0], c] < 8 else 7.0
                elif out:
                    bounds[0] = 8.0
            inside.append(-full)
            least.append(-bounds[0])
            if np.isfinite(bounds[1]):
                inside.append(full)
                least.append(bounds[1])
    found = np.full((count, n), np.nan)
    for t, c in np.argwhere(off):
        aim = np.zeros(count * n)
        aim[t * n + c] = 1.0
        ends = [
            optimize.linprog(
                s * aim, A_ub=np.array(inside), b_ub=least, A_eq=np.array(equal), b_eq=sums,
                bounds=np.column_stack([low, high]), method="highs",
            )
            for s in (1, -1)
        ]  # fmt: skip
        found[t, c] = np.inf if ends[1].status == 3 else ends[1].x[t * n + c] - ends[0].x[t * n + c]
    return found


@pytest.mark.parametrize("seed", seeds(12, 60))
def test_what_parts_that_are_all_of_a_whole_show_is_so(seed: int) -> None:
    """Nothing is shown of them that a linear programme over all tables does not show; and most of what it does."""
    rng = np.random.default_rng(seed)
    x, matrix, given_bonds = split(rng)
    off = (x < 8) | (rng.random(x.shape) < 0.3)
    cells, alone, _ = given(x[0], off[0], matrix)
    many = np.zeros(x.shape)
    tables = Tables(
        x, x < 8, many > 0, off.copy(), many > 0, np.maximum(x, 1.0), many > 0, many.copy(), many.copy()
    )  # fmt: skip
    assert alone.x.shape == (1, x.shape[1])
    Walk(cells, tables, bonds(given_bonds, x), LIMITS).show()
    assert np.array_equal(tables.off, off)
    exact = widths_of_all(x, off, matrix, given_bonds)
    wide = off & (exact >= 5 - 1e-6)
    assert not (tables.shown & off & ~wide).any()
    assert (tables.shown & wide).sum() >= 0.6 * wide.sum()


@pytest.mark.parametrize("seed", seeds(12, 60))
def test_what_is_withheld_for_parts_that_are_all_of_a_whole_is_enough(seed: int) -> None:
    rng = np.random.default_rng(300 + seed)
    x, matrix, given_bonds = split(rng)
    small = x < 8
    rests = np.zeros(x.shape, bool)
    for whole, parts in given_bonds:
        if len(parts) == 1:
            left = x[whole] - x[parts[0]]
            rests[parts[0]] |= (left > 0) & (left < 8)
    cells, _, _ = given(x[0], small[0], matrix)
    many = np.zeros(x.shape)
    tables = Tables(
        x, small, many > 0, small | rests, many > 0, np.maximum(x, 1.0), many > 0, many.copy(), many.copy()
    )  # fmt: skip
    Walk(cells, tables, bonds(given_bonds, x), LIMITS).withhold()
    exact = widths_of_all(x, tables.off, matrix, given_bonds)
    assert not (tables.shown & tables.off & (exact < 5 - 1e-6)).any()


def test_sizes_that_do_not_fit_are_refused() -> None:
    x, matrix = grid(np.random.default_rng(0))
    cells, tables, kin = given(x, x < 8, matrix)
    for wrong in (
        (cells._replace(counts=cells.counts + len(x)), tables, kin),
        (cells._replace(starts=cells.starts[:-1]), tables, kin),
        (cells._replace(solution=cells.solution[:, 1:]), tables, kin),
        (cells, tables._replace(off=tables.off[:, 1:]), kin),
        (cells, tables, kin._replace(order=np.array([3]))),
        (cells, tables, kin._replace(above_starts=np.array([0, 5]))),
        (cells, tables, kin._replace(part_starts=np.array([0, 1]))),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            Walk(*wrong, LIMITS)
    both = Tables(*(np.repeat(one, 2, axis=0) for one in tables))
    good = bonds([(0, (1,))], np.stack([x, x]))
    with pytest.raises(ValueError, match="in a bond twice"):
        Walk(cells, both, good._replace(whole=np.array([1])), LIMITS)
    with pytest.raises(ValueError, match="has no part"):
        Walk(cells, both, good._replace(part_starts=np.array([0, 0]), parts=good.parts[:0]), LIMITS)
