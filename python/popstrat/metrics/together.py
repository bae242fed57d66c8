"""What several metrics of a release say together of one area and group, and which of their counts are withheld for it.

`popstrat.privacy.disclosure.tables` protects each metric with its denominator, over all areas and groups. Metrics that
count labels of one column of the same people (``hypertension_status == "optimised"`` and ``… == "unoptimised"``, the
groups of a segmentation) tell more: each person has one label, so that the withheld ones together are what the others
leave of the denominator. Which metrics are such a family is found here, and handed on. And where two metrics are one
count (a caseload today, and at the end of the month that ends today) either both are shown or neither.

Before, intervals are worked out cell by cell from what is published of a family; where a withheld count would be known
too closely by that alone, the smallest of the others goes as well. Nothing that was withheld is shown again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from popstrat.metrics.figures import Figures
from popstrat.metrics.rows import Grouping, Measure
from popstrat.privacy.disclosure import ROUND_TO, SMALLEST, WIDTH
from popstrat.privacy.disclosure.tables import nearest_five

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_LABEL = re.compile(r"(\w+)\s*(?:==|>=|<=|>|<)\s*\S+")
_OFF = ROUND_TO // 2
_ANY = 1e12


@dataclass(frozen=True)
class Family:
    """Metrics of labels that nobody has two of, in the same denominator: an element of ``labels`` for each label, with
    all metrics that count it. ``whole``: everybody of the denominator has one of them, in every cell."""

    labels: tuple[tuple[int, ...], ...]
    whole: bool


def families(figures: Figures, at: Mapping[int, Numbers]) -> list[Family]:
    """The families of a release; ``at`` has the row of each cell of each metric, negative where it has none."""
    found: dict[tuple[str, bytes, bytes], dict[bytes, list[int]]] = {}
    for metric, rows in at.items():
        said = figures.metrics[metric]
        label = _LABEL.fullmatch(said.counted)
        if label is None or said.events or said.measure is Measure.MOVERS:
            continue
        some = np.where(rows >= 0, rows, 0)
        denominator = np.where(rows >= 0, figures.denominator[some], -1)
        numerator = np.where(rows >= 0, figures.numerator[some], -1)
        labels = found.setdefault((label[1], denominator.tobytes(), (rows >= 0).tobytes()), {})
        labels.setdefault(numerator.tobytes(), []).append(metric)
    made = []
    for labels in found.values():
        rows = np.stack([at[metrics[0]] for metrics in labels.values()])
        rows = rows[:, rows[0] >= 0]
        total, denominator = figures.numerator[rows].sum(0), figures.denominator[rows[0]]
        if len(rows) > 1 and (total <= denominator).all():
            made.append(Family(tuple(map(tuple, labels.values())), bool((total == denominator).all())))
    return made


def twins(figures: Figures, at: Mapping[int, Numbers], cells: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """Rows of two metrics that are one count of everybody in every area, whatever groups they have."""
    none = [i for i, one in enumerate(figures.groupings) if one.name == Grouping.NONE]
    everybody = np.isin(cells[:, 2], none)
    known: dict[bytes, tuple[int, Numbers]] = {}
    for metric, rows in at.items():
        if figures.metrics[metric].events or figures.metrics[metric].measure is Measure.MOVERS:
            continue
        there = np.flatnonzero(everybody & (rows >= 0))
        counts = figures.numerator[rows[there]]
        if not len(there) or not counts.any():
            continue
        key = there.tobytes() + counts.tobytes()
        if key in known:
            yield known[key][1], rows[there]
        else:
            known[key] = metric, rows[there]


def withhold(family: Family, figures: Figures, at: Mapping[int, Numbers], shown: Bools, whole: Bools) -> Bools:
    """Which rows more must go: ``shown`` and ``whole`` say of each row whether its numerator and its denominator are
    published."""
    rows = np.stack([at[metrics[0]] for metrics in family.labels])
    rows = rows[:, rows[0] >= 0]
    count, visible, denominator = figures.numerator[rows], shown[rows], figures.denominator[rows[0]]
    published, most = nearest_five(count).astype(np.float64), nearest_five(denominator).astype(np.float64)
    total = whole[rows[0]]
    more = np.zeros(count.shape, np.bool_)
    for _ in range(len(rows)):
        bad = (_widths(count, published, most, visible & ~more, total, family.whole) < WIDTH).any(0)
        left = np.where(visible & ~more, count, np.iinfo(np.int64).max)
        smallest = left.argmin(0)
        bad &= left[smallest, np.arange(len(smallest))] < np.iinfo(np.int64).max
        if not bad.any():
            break
        more[smallest[bad], np.flatnonzero(bad)] = True
    found = np.zeros(len(figures), np.bool_)
    for label, metrics in enumerate(family.labels):
        for metric in metrics:
            own = at[metric]
            found[own[own >= 0][more[label]]] = True
    return found


def _widths(count: Numbers, published: Floats, most: Floats, visible: Bools, total: Bools, complete: bool) -> Floats:
    """How far apart the values of each withheld count can be, for all that the labels of its cell say; of what is
    shown, anything."""
    highest = np.where(total, most + _OFF - np.where(visible, published - _OFF, 0).sum(0), _ANY)
    lowest = np.where(total & complete, most - _OFF - np.where(visible, published + _OFF, 0).sum(0), 0.0)
    cap = np.where(visible, 0.0, np.where(count < SMALLEST, SMALLEST - 1.0, _ANY))
    upper = np.minimum(cap, highest)
    lower = np.maximum(0.0, lowest - (cap.sum(0) - cap))
    widths: Floats = np.where(visible, _ANY, upper - lower)
    return widths


def also_withheld(
    figures: Figures, at: Mapping[int, Numbers], cells: Numbers, families_: Sequence[Family], shown: Bools, whole: Bools
) -> Bools:
    """Which more numerators must go for all that is said together, by families and twins."""
    more = np.zeros(len(figures), np.bool_)
    for family in families_:
        more |= withhold(family, figures, at, shown & ~more, whole)
    pairs = list(twins(figures, at, cells))
    for one, other in pairs * 2:  # of three the last may take the first with it, and that the second
        either = (shown[one] & ~more[one]) != (shown[other] & ~more[other])
        more[one] |= either & shown[one]
        more[other] |= either & shown[other]
    return more
