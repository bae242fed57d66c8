"""What somebody knows of counts that are published or withheld: bounds, and how they add up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass
class Problem:
    """Counts as the attacker knows them: bounds, sums, and rests ``(whole, part, rest)`` that are nought, or at least
    ``smallest``, where both are published. ``guarded`` are to be protected, ``movable`` may be withheld, at a cost."""

    x: Floats
    low: Floats
    high: Floats
    guarded: Bools
    movable: Bools
    costs: Floats
    relations: Sequence[tuple[int, tuple[int, ...]]]
    rests: Sequence[tuple[int, int, float]]
    smallest: float
    loosens: dict[int, list[int]] = field(default_factory=dict)
    """Small rests of which less is known once this count is withheld."""
    before: dict[int, list[tuple[int, float, float]]] = field(default_factory=dict)
    withheld: Bools = field(init=False)
    """Those withheld to protect others, once `protect` has run."""

    def __post_init__(self) -> None:
        self.withheld = np.zeros(len(self.x), bool)

    def rest_bounds(self) -> tuple[Floats, Floats]:
        """What is known of each of the ``rests``."""
        hidden = self.guarded
        both = np.array([not (hidden[w] or hidden[p]) for w, p, _ in self.rests], dtype=bool)
        rest = np.array([r for _, _, r in self.rests], dtype=np.float64)
        low = np.where(both & (rest >= self.smallest), self.smallest, 0.0)
        return np.minimum(low, np.where(np.isnan(rest), 0.0, rest)), np.where(both & (rest == 0), 0.0, np.inf)

    def withhold(self, i: int) -> None:
        """Withhold a count to protect others: nothing is known of it but that it is not under nought."""
        self.withheld[i] = self.guarded[i] = True
        self.movable[i] = False
        touched = (i, *self.loosens.get(i, ()))
        self.before[i] = [(j, float(self.low[j]), float(self.high[j])) for j in touched]
        for j in touched:
            self.low[j], self.high[j] = 0.0, np.inf

    def give_back(self, i: int) -> None:
        """Undo `withhold`. A small rest stays unknown while its other count is withheld."""
        self.withheld[i] = self.guarded[i] = False
        self.movable[i] = True
        kept = {j for k in np.flatnonzero(self.withheld).tolist() for j in self.loosens.get(k, ())}
        for j, low, high in self.before.pop(i):
            if j in kept:  # whoever is given back last restores it
                other = next(k for k in self.before if j in self.loosens.get(k, ()))
                self.before[other] = [b for b in self.before[other] if b[0] != j] + [(j, low, high)]
            else:
                self.low[j], self.high[j] = low, high
