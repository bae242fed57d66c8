"""Many tables of counts over the same areas and groups, published together: which counts of each are withheld.

A table has a count for each cell of one `Layout`, which says how cells add up. Tables may be parts of others, cell by
cell, as a numerator is of its denominator. The rules and what the attacker is taken to know are those of `release`;
each part is protected together with its whole, and what one part makes withheld of a whole is so for all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from popstrat.privacy.disclosure.problem import Problem
from popstrat.privacy.disclosure.rules import ROUND_TO, SMALLEST
from popstrat.privacy.disclosure.witnesses import Around, Bools, Floats, Ints, find, regions_of

_LARGE = 24
"""A rest this large cannot be a small one, whatever whole and part, both shown, are rounded from."""
_BLUR = ROUND_TO // 2
_DEARER = 3.0
"""How much dearer a count is than one of as many people that is of the rank below."""


class Why(IntEnum):
    """Why a count is withheld."""

    SHOWN = 0
    SMALL = 1
    REST = 2
    PROTECTS = 3


@dataclass(frozen=True)
class Layout:
    """Cells and how they add up: sums as the terms of each (from ``starts``) with their signs, which are nought.

    ``ranks`` say which cells are rather shown: those of rank 0, such as groups of practices, are withheld first, those
    of the highest, such as the whole list, last. ``regions`` are cells among which witnesses are looked for, one
    after the other; without any, all cells are looked at together at once."""

    starts: Ints
    counts: Ints
    signs: Floats
    ranks: Ints
    regions: tuple[Around, ...] = ()

    def __len__(self) -> int:
        return len(self.ranks)

    def same(self) -> Ints:
        """A number for each cell, the same for cells whose counts are always the same: a total of one part is that."""
        found = np.arange(len(self))
        two = np.flatnonzero(np.diff(self.starts) == 2)
        a, b = self.counts[self.starts[two]], self.counts[self.starts[two] + 1]
        while (found[a] != found[b]).any():
            least = np.minimum(found[a], found[b])
            np.minimum.at(found, a, least)
            np.minimum.at(found, b, least)
        return found


def nearest_five(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts to the nearest 5."""
    return (counts + _BLUR) // ROUND_TO * ROUND_TO


def withheld(
    layout: Layout,
    counts: npt.NDArray[np.int64],
    parts: Sequence[tuple[int, int]],
    *,
    apart: Sequence[tuple[int, tuple[int, ...]]] = (),
    few_seen: Bools | None = None,
    earlier: Bools | None = None,
    told: Bools | None = None,
    nobody: Bools | None = None,
    threads: int = 1,
) -> npt.NDArray[np.uint8]:
    """Why each count (table, cell) is withheld (`Why`).

    ``parts`` are pairs of tables, a part and its whole. ``apart`` are tables with several of their parts, of which
    nobody is in two: where these are all of it in every cell, that is known as well. ``few_seen`` marks counts that
    rest on few people, withheld like small ones, ``earlier`` those that an earlier release of the same people withheld,
    ``told`` those that it showed, which it would help nobody to withhold now, ``nobody`` those that everybody knows to
    be nought, of which nothing is published. Raises ``ValueError`` where cells do not add up, a part exceeds its whole,
    or parts of which nobody is in two exceed it together; `ExposedError` where a count cannot be protected.
    """
    _check(layout, counts, parts, apart)
    nobody = np.zeros(counts.shape, np.bool_) if nobody is None else nobody
    small = (counts < SMALLEST) & ~nobody
    rest = np.zeros_like(small) if few_seen is None else few_seen & ~small
    for part, whole in parts:
        left = counts[whole] - counts[part]
        rest[part] |= (left > 0) & (left < SMALLEST) & ~small[part]
    off = small | rest if earlier is None else small | rest | earlier
    something: Bools = np.asarray((~small & ~nobody).any(axis=1))
    for whole, some in apart:  # what the others leave of the whole says something of one that is not shown at all
        something[list(some)] |= something[whole]
    kept = nobody if told is None else nobody | told
    every = np.arange(len(layout))
    regions = layout.regions or (Around(every, every, every),)
    off = find(
        regions_of(layout.starts, layout.counts, layout.signs, regions, layout.ranks),
        layout.ranks, layout.same(), counts, parts, small, off, nobody, kept, apart=apart, asked=something,
        dearer=_DEARER, threads=threads,
    )  # fmt: skip
    why = np.where(off, np.uint8(Why.PROTECTS), np.uint8(Why.SHOWN))
    why[rest] = Why.REST
    why[small] = Why.SMALL
    return why


def published(
    layout: Layout,
    counts: npt.NDArray[np.int64],
    parts: Sequence[tuple[int, int]],
    why: npt.NDArray[np.uint8],
    nobody: Bools | None = None,
    apart: Sequence[tuple[int, tuple[int, ...]]] = (),
) -> Problem:
    """What is known of all tables together once they are published, for `popstrat.privacy.disclosure.audit`: the
    counts of one table after those of the other, then small rests, then what several parts leave of their whole."""
    tables, n = counts.shape
    small, off = why == Why.SMALL, why != Why.SHOWN
    near = nearest_five(counts)
    low = np.where(off, 0.0, near - float(_BLUR)).ravel()
    high = np.where(off, np.where(small, SMALLEST - 1.0, np.inf), near + float(_BLUR)).ravel()
    if nobody is not None:
        low[nobody.ravel()] = high[nobody.ravel()] = 0.0
    totals = [
        (int(layout.counts[a]), layout.counts[a + 1 : b].tolist())
        for a, b in zip(layout.starts[:-1], layout.starts[1:], strict=True)
    ]
    relations = [(t * n + total, tuple(t * n + p for p in of)) for t in range(tables) for total, of in totals]
    rests, x, lows, highs, guarded = [], [counts.ravel().astype(np.float64)], [low], [high], [off.ravel()]
    first = counts.size
    for part, whole in parts:
        left = counts[whole] - counts[part]
        few = (left > 0) & (left < SMALLEST)
        both = ~off[part] & ~off[whole]
        for cell in range(n):
            if left[cell] >= _LARGE:
                rests.append((whole * n + cell, part * n + cell, float(left[cell])))
                continue
            relations.append((whole * n + cell, (part * n + cell, first)))
            first += 1
        some = np.flatnonzero(left < _LARGE)
        x.append(left[some].astype(np.float64))
        lows.append(np.where(~few & both & (left > 0), float(SMALLEST), 0.0)[some])
        nought = np.where(both & (left == 0), 0.0, np.inf)
        highs.append(np.where(few, np.where(small[part], np.inf, SMALLEST - 1.0), nought)[some])
        guarded.append(few[some])
    for whole, of in apart:
        over = counts[whole] - counts[list(of)].sum(axis=0)
        for cell in range(n):
            one = (*(part * n + cell for part in of), *((first + cell,) if over.any() else ()))
            relations.append((whole * n + cell, one))
        if over.any():  # of which nobody is told anything
            first += n
            x.append(over.astype(np.float64))
            lows.append(np.zeros(n))
            highs.append(np.full(n, np.inf))
            guarded.append(np.zeros(n, np.bool_))
    size = first
    return Problem(
        np.concatenate(x), np.concatenate(lows), np.concatenate(highs), np.concatenate(guarded), np.zeros(size, bool),
        np.zeros(size), relations, rests, float(SMALLEST),
    )  # fmt: skip


def _check(
    layout: Layout, counts: npt.NDArray[np.int64], parts: Sequence[tuple[int, int]],
    apart: Sequence[tuple[int, tuple[int, ...]]],
) -> None:  # fmt: skip
    if (counts < 0).any():
        raise ValueError("a count is under 0")
    if len(layout.counts):
        sums = np.add.reduceat(layout.signs * counts[:, layout.counts], layout.starts[:-1], axis=1)
        if np.abs(sums).max(initial=0) > 0:
            raise ValueError("cells do not add up")
    if any((counts[part] > counts[whole]).any() for part, whole in parts):
        raise ValueError("a part is more than its whole")
    for whole, some in apart:
        if not {(part, whole) for part in some} <= set(parts):
            raise ValueError("one of several parts is not a part")
        if (counts[list(some)].sum(axis=0) > counts[whole]).any():
            raise ValueError("parts of which nobody is in two are more than their whole")
