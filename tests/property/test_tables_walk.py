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
    none, no_pair = np.zeros(0, np.int64), np.zeros((0, n))
    tables = Tables(
        x[np.newaxis], (x < 8)[np.newaxis], np.zeros((1, n), bool), off[np.newaxis].copy(), np.zeros((1, n), bool),
        np.maximum(x, 1.0)[np.newaxis], np.zeros((1, n), bool), np.zeros((1, n)), np.zeros((1, n)),
    )  # fmt: skip
    two = np.zeros(2, np.int64)
    kin = Kin(none, none, two, none, two, none, np.zeros(1, np.int64), two, none, none, no_pair > 0, no_pair, no_pair)
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
    one, two = np.zeros(1, np.int64), np.ones(1, np.int64)
    each = np.array([0, 1, 2])
    nothing = np.zeros((1, 3))
    pair = Kin(
        two, one, each, np.zeros(2, np.int64), np.array([0, 0, 1]), one, np.arange(2), np.zeros(3, np.int64), one[:0],
        one[:0], nothing == 0, nothing, nothing.copy(),
    )  # fmt: skip
    Walk(cells, both, pair, LIMITS).show()
    assert both.shown[both.off].all()


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
    ):
        with pytest.raises(ValueError, match="do not fit"):
            Walk(*wrong, LIMITS)
