"""The exact bounds that an attacker can work out, by linear programming: what tests and benchmarks hold `protect` to.

Two programmes for each withheld count, so for tables of some hundred counts, and never in a run. Needs scipy.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from popstrat.privacy.disclosure.protect import Problem


def widths(problem: Problem, cells: Iterable[int] | None = None) -> dict[int, float]:
    """For each guarded count (or of these ``cells``) the highest less the lowest value that all that is known allows.

    Raises ``ValueError`` where what is known contradicts itself."""
    from scipy.optimize import linprog
    from scipy.sparse import lil_matrix

    n, k = len(problem.x), len(problem.rests)
    rest_low, rest_high = problem.rest_bounds()
    equal = lil_matrix((len(problem.relations) + k, n + k))
    for row, (total, parts) in enumerate(problem.relations):
        equal[row, total] += 1
        for part in parts:
            equal[row, part] -= 1
    for j, (whole, part, _) in enumerate(problem.rests):
        row = len(problem.relations) + j
        equal[row, whole], equal[row, part], equal[row, n + j] = 1, -1, -1
    low = np.concatenate([problem.low, rest_low])
    high = np.concatenate([problem.high, rest_high])
    bounds = np.column_stack([low, high])
    matrix = equal.tocsr()
    found = {}
    for i in np.flatnonzero(problem.guarded) if cells is None else cells:
        ends = []
        for sign in (1.0, -1.0):
            aim = np.zeros(n + k)
            aim[i] = sign
            done = linprog(aim, A_eq=matrix, b_eq=np.zeros(matrix.shape[0]), bounds=bounds, method="highs")
            if done.status == 3:
                ends.append(-np.inf)
            elif done.status == 0:
                ends.append(float(done.fun))
            else:
                raise ValueError(f"the bounds of count {i} cannot be found: {done.message}")
        found[int(i)] = -ends[1] - ends[0]
    return found
