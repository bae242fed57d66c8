"""Counts that add up, published together: which more must be withheld so that the withheld ones cannot be worked out.

A release is a set of counts with what is known of how they add up: a total and its parts (any number of such relations,
over areas that overlap and groups of several kinds), and a count with the whole that it is part of. Whoever reads it is
taken to know all relations, the rules, the rounding (a published count is within 2 of the truth), and of each small
count, and each small rest, that it is at most 7; of a count withheld to protect another nothing but that it is not
under nought. (The page says only that a count is withheld, so that this is more than can be known.)
`Release.publish` withholds further counts until each withheld count may, for all that person knows, take values at
least `WIDTH` apart. `protect` says how that is shown.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from popstrat.errors import ExposedError
from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.protect import protect
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST, few, rounded

Key = Hashable

_LARGE = 24
"""A rest this large cannot be a small one, whatever whole and part, both shown, are rounded from."""
_NOISE = 1e-9
SMALL, REST, PROTECTS = "small", "rest", "protects another"
"""Why a count is withheld."""


@dataclass(frozen=True)
class Published:
    """What may be published: each count to the nearest 5, or None; why each was withheld; and ``exposed``, withheld
    counts that no further withholding could protect, since an earlier release gives them away."""

    shown: Mapping[Key, int | None]
    why: Mapping[Key, str]
    exposed: tuple[Key, ...] = ()
    problem: Problem | None = field(default=None, repr=False)
    """The bounds and relations that the attacker is left with, for `popstrat.privacy.disclosure.audit`."""

    def __getitem__(self, key: Key) -> int | None:
        return self.shown[key]


@dataclass
class Release:
    """Counts, how they add up, and what was published of the same counts before."""

    _at: dict[Key, int] = field(default_factory=dict)
    _values: list[float] = field(default_factory=list)
    _costs: list[float | None] = field(default_factory=list)
    _fixed: set[int] = field(default_factory=set)
    _hidden: set[int] = field(default_factory=set)
    _relations: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    _fractions: list[tuple[int, int]] = field(default_factory=list)
    _small: set[int] = field(default_factory=set)
    _earlier: dict[int, int | None] = field(default_factory=dict)

    def __contains__(self, key: Key) -> bool:
        return key in self._at

    def add(self, key: Key, value: float, *, cost: float | None = None, few_seen: bool = False) -> None:
        """A count to publish. Where one of several must be withheld, that of the lowest ``cost`` is (default: the count
        itself, so that small ones go first). ``few_seen``: an estimate that rests on few people, withheld like a small
        count. Raises ``ValueError`` for a negative count or a key used before."""
        at = self._new(key, value, cost)
        if few_seen:
            self._small.add(at)

    def known(self, key: Key, value: float) -> None:
        """A count that others know exactly, such as a team's capacity; never shown by this release itself."""
        self._fixed.add(self._new(key, value, None))

    def hidden(self, key: Key, value: float) -> None:
        """A count that is not published and needs no protection, to say how others add up."""
        self._hidden.add(self._new(key, value, None))

    def adds_up(self, total: Key, parts: Iterable[Key]) -> None:
        """The total is the sum of the parts."""
        self._relations.append((self._at[total], tuple(self._at[p] for p in parts)))

    def part_of(self, part: Key, whole: Key) -> None:
        """A count of some of those whom another counts, as a numerator is: withheld too where the rest is 1 to 7."""
        self._fractions.append((self._at[part], self._at[whole]))

    def earlier(self, key: Key, shown: int | None) -> None:
        """What an earlier release published of the same people at the same date: a number, or None where withheld.

        A count withheld then stays withheld. One that is not in this release (another grouping) joins it as something
        that others know, or must not come to know; say how it adds up, and for that add the counts that it adds up to.
        """
        if key not in self._at:
            self._new(key, np.nan, None)
        self._earlier[self._at[key]] = shown

    def publish(self, *, although_exposed: bool = False) -> Published:
        """Which counts are shown, and how.

        Raises ``ValueError`` where parts do not make their total or exceed their whole; `ExposedError` where a withheld
        count cannot be protected since earlier releases, or what others know, give it away (unless
        ``although_exposed``, to be told of them in ``exposed``; nothing that could still protect them is shown then).
        """
        keys, why, problem, names = self.stated()
        exposed = protect(problem)
        if exposed and not although_exposed:
            raise ExposedError(
                f"{len(exposed):,} withheld counts would follow from what others know already, such as an earlier "
                "release; nothing of this can be published"
            )
        n, x = len(keys), problem.x
        why.update(dict.fromkeys(np.flatnonzero(problem.withheld).tolist(), PROTECTS))
        shown = {
            key: None if i in why or np.isnan(x[i]) else rounded(x[i])
            for i, key in enumerate(keys)
            if i not in self._fixed and i not in self._hidden
        }
        reasons = {keys[i]: reason for i, reason in why.items() if i < n}
        return Published(shown, reasons, tuple(names[i] for i in exposed), problem)

    def stated(self) -> tuple[list[Key], dict[int, str], Problem, list[Key]]:
        """The keys, why counts are withheld by the rules for one count, and what is known of all before any more are
        withheld; with names for all counts of the problem, small rests among them."""
        keys = list(self._at)
        n = len(keys)
        why: dict[int, str] = {}
        x = np.array(self._values, dtype=np.float64)
        low, high = np.zeros(n), np.full(n, np.inf)
        guarded, movable = np.zeros(n, bool), np.zeros(n, bool)
        relations = list(self._relations)
        self._check(keys, x)
        rest_few = {part for part, whole in self._fractions if few(x[whole] - x[part])}
        for i in range(n):
            if i in self._fixed:
                low[i] = high[i] = x[i]
            elif i in self._hidden:
                continue
            elif np.isnan(x[i]):  # of an earlier release only
                told = self._earlier[i]
                if told is None:
                    guarded[i] = True
                else:
                    low[i], high[i] = told - ROUND_TO // 2, told + ROUND_TO // 2
            elif x[i] < SMALLEST:
                why[i] = SMALL
            elif i in rest_few or i in self._small:
                why[i] = REST
            elif i in self._earlier and self._earlier[i] is None:
                why[i] = PROTECTS
            else:
                movable[i] = True
                near = rounded(x[i])
                assert near is not None
                low[i], high[i] = min(near - ROUND_TO // 2, x[i]), max(near + ROUND_TO // 2, x[i])
        for i, reason in why.items():
            guarded[i] = True
            low[i], high[i] = (0, max(SMALLEST - 1, x[i])) if reason == SMALL else (0, np.inf)
        for i, told in self._earlier.items():
            if told is not None and abs(x[i] - told) <= ROUND_TO / 2:  # else it is not the same count any more
                low[i] = max(low[i], min(told - ROUND_TO // 2, x[i]))
                high[i] = min(high[i], max(told + ROUND_TO // 2, x[i]))
                movable[i] = False
        # A small rest is a count to be protected like any other, though it is never shown. Of others it is known that
        # they are nought, or 8 and more, where whole and part are published; of large ones that follows from these.
        rests: list[tuple[int, int, float]] = []
        more: list[tuple[float, float, float, bool]] = []
        loosens: dict[int, list[int]] = {}
        for part, whole in self._fractions:
            rest = x[whole] - x[part]
            both = movable[part] and movable[whole]
            if not rest < _LARGE:
                rests.append((whole, part, float(rest)))
                continue
            at = n + len(more)
            relations.append((whole, (part, at)))
            if few(rest):
                # That a small part is withheld says nothing of its rest: it would have been withheld anyhow.
                more.append((0.0, np.inf if x[part] < SMALLEST else max(SMALLEST - 1, rest), rest, True))
            else:
                more.append((SMALLEST if both and rest else 0.0, 0.0 if both and not rest else np.inf, rest, False))
                for i in (part, whole):
                    loosens.setdefault(i, []).append(at)
        if more:
            a, b, c, d = zip(*more, strict=True)
            low, high, x = np.append(low, a), np.append(high, b), np.append(x, c)
            guarded = np.append(guarded, np.array(d, dtype=bool))
            movable = np.append(movable, np.zeros(len(more), bool))
        costs = np.array([v if c is None else c for v, c in zip(self._values, self._costs, strict=True)])
        costs = np.append(np.nan_to_num(costs), np.full(len(more), np.inf))
        problem = Problem(x, low, high, guarded, movable, costs, relations, rests, float(SMALLEST), loosens)
        first = len(self._relations)
        names = [*keys, *(("rest of", keys[parts[0]]) for _, parts in relations[first:])]
        return keys, why, problem, names

    def _check(self, keys: list[Key], x: npt.NDArray[np.float64]) -> None:
        """What is said to add up does: protection is worked out from it."""
        for total, parts in self._relations:
            apart = x[total] - sum(x[p] for p in parts)
            if abs(apart) > _NOISE * max(1.0, abs(x[total])):
                raise ValueError(f"the parts of {keys[total]!r} are {-apart:+g} off")
        for part, whole in self._fractions:
            if x[part] - x[whole] > _NOISE * max(1.0, abs(x[whole])):
                raise ValueError(f"{keys[part]!r} is more than {keys[whole]!r}, which it is part of")

    def _new(self, key: Key, value: float, cost: float | None) -> int:
        if key in self._at:
            raise ValueError(f"{key!r} is counted twice")
        if value < 0:
            raise ValueError(f"{key!r} is under 0")
        self._at[key] = len(self._values)
        self._values.append(float(value))
        self._costs.append(cost)
        return self._at[key]
