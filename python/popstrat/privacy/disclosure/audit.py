"""The exact bounds that an attacker can work out, by linear programming: what tests and benchmarks hold a release to.

Two programmes for each withheld count, and never in a run. Needs scipy.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.rules import WIDTH

_SOLVED, _UNBOUNDED = 0, 3


def widths(problem: Problem, cells: Iterable[int] | None = None) -> dict[int, float]:
    """For each guarded count (or of these ``cells``) the highest less the lowest value that all that is known allows.

    Raises ``ValueError`` where what is known contradicts itself."""
    everything = _System(problem).part(np.ones(len(problem.x), dtype=np.bool_))
    return {int(i): everything.width(int(i)) for i in (np.flatnonzero(problem.guarded) if cells is None else cells)}


def widths_of_tables(
    problem: Problem, table: npt.NDArray[np.int64], together: Sequence[tuple[int, int]], cells: Iterable[int]
) -> dict[int, tuple[float, int]]:
    """The same where counts are of many tables, some of which hang ``together``; with the stage that settled it.

    ``table`` has a number for each count, -1 for a small rest, the last term of its sum. First only the count's own
    table moves, all others staying as they truly are (stage 1); then those that it hangs together with too (2), those
    that these do (3), and at last all (4), until the count has the `WIDTH`. What a stage finds is possible in every
    later one, so that a width that is enough is never too large; one under it is the exact one."""
    system = _System(problem)
    rests = {parts[-1]: (total, parts[0]) for total, parts in problem.relations if table[parts[-1]] < 0}
    of_rest = np.array(list(rests), dtype=np.int64), np.array(list(rests.values()), dtype=np.int64).reshape(-1, 2)
    near: dict[int, set[int]] = {int(t): {int(t)} for t in np.unique(table)}
    for one, other in together:
        near[one].add(other)
        near[other].add(one)
    parts: dict[tuple[frozenset[int], int], _Part] = {}
    found = {}
    for cell in map(int, cells):
        tables = frozenset(int(table[i]) for i in rests.get(cell, (cell,)))
        width = 0.0
        for stage in (1, 2, 3, 4):
            key = tables, stage == 4
            if key not in parts:
                move = np.isin(table, list(tables)) if stage < 4 else np.ones(len(table), dtype=np.bool_)
                move[of_rest[0]] |= move[of_rest[1]].any(axis=1)
                parts[key] = system.part(move)
            width = parts[key].width(cell)
            if width >= WIDTH - 1e-6:
                break
            tables = frozenset().union(*(near[t] for t in tables))
        found[cell] = width, stage
    return found


class _System:
    """All counts and rests, as columns of one matrix of sums."""

    def __init__(self, problem: Problem) -> None:
        from scipy.sparse import csc_array

        n, self.truth = len(problem.x), np.append(problem.x, [rest for _, _, rest in problem.rests])
        rest_low, rest_high = problem.rest_bounds()
        self.low, self.high = np.append(problem.low, rest_low), np.append(problem.high, rest_high)
        entries = [*self._entries(problem, n)]
        rows, columns, signs = (np.array(part) for part in zip(*entries, strict=True)) if entries else ([], [], [])
        shape = len(problem.relations) + len(problem.rests), len(self.truth)
        self.matrix = csc_array((signs, (rows, columns)), shape=shape)
        self.terms = np.bincount(self.matrix.indices, minlength=shape[0])
        """How many terms each sum has."""
        # Of a large rest nothing but its bounds is asked; it follows those that it is the rest of.
        self.rests = np.array([(whole, part) for whole, part, _ in problem.rests], dtype=np.int64).reshape(-1, 2)

    @staticmethod
    def _entries(problem: Problem, n: int) -> Iterator[tuple[int, int, float]]:
        row = 0
        for row, (total, parts) in enumerate(problem.relations, start=1):
            yield row - 1, total, 1.0
            for part in parts:
                yield row - 1, part, -1.0
        for j, (whole, part, _) in enumerate(problem.rests):
            yield row + j, whole, 1.0
            yield row + j, part, -1.0
            yield row + j, n + j, -1.0

    def part(self, moves: npt.NDArray[np.bool_]) -> _Part:
        """Some counts alone, all others staying as they truly are."""
        free = np.append(moves, moves[self.rests].any(axis=1)) if len(self.rests) else moves
        columns = np.flatnonzero(free)
        own = self.matrix[:, columns]
        used = np.unique(own.indices)
        own = own.tocsr()[used]
        sums = own @ self.truth[columns]
        sums[np.diff(own.indptr) == self.terms[used]] = 0.0  # all of a sum moves, also what nobody knows the truth of
        return _Part(columns, own, sums, self.low[columns], self.high[columns])


class _Part:
    def __init__(self, columns: npt.NDArray[np.int64], matrix: Any, sums: Any, low: Any, high: Any) -> None:
        self.at = {int(c): i for i, c in enumerate(columns)}
        self.matrix, self.sums, self.bounds = matrix, sums, np.column_stack([low, high])

    def width(self, cell: int) -> float:
        from scipy.optimize import linprog

        ends = []
        for sign in (1.0, -1.0):
            aim = np.zeros(len(self.bounds))
            aim[self.at[cell]] = sign
            done = linprog(aim, A_eq=self.matrix, b_eq=self.sums, bounds=self.bounds, method="highs")
            if done.status == _UNBOUNDED:
                ends.append(-np.inf)
            elif done.status == _SOLVED:
                ends.append(float(done.fun))
            else:
                raise ValueError(f"the bounds of count {cell} cannot be found: {done.message}")
        return -ends[1] - ends[0]
