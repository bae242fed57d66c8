"""Disclosure control of figures: which counts of a release are withheld, and the rest to the nearest 5.

What adds up is said once for all metrics: groups to everybody, areas to the areas that they are in, and numerators are
part of their denominators; `popstrat.privacy.disclosure.tables` says which counts must go. Counts that are the same
wherever there are any (a register, as a numerator here and a denominator there) are one count, withheld in both places
or in neither. Movers of an area add up to everybody in it. `together` has what several metrics say of one cell.

Groups with few people everywhere would have most of their counts withheld, and take those of others with them: those
under 1% of everybody are published as one group (`merged`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from popstrat.errors import ExposedError, InputError
from popstrat.metrics.figures import NOWHERE, Figures, Groups
from popstrat.metrics.rows import LEVELS, SEPARATOR, Grouping, Level, Measure
from popstrat.metrics.together import Family, also_withheld, families
from popstrat.privacy.disclosure import ROUND_TO, SMALLEST
from popstrat.privacy.disclosure.tables import Layout, Why, nearest_five, withheld
from popstrat.privacy.disclosure.witnesses import Around

Numbers = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

RARE = 0.01
"""Groups of fewer than this share of everybody are published together."""
OR = " or "
_ALL_AT_ONCE, _DIVISION_AT_ONCE = 1000, 4000
"""As many cells as one region may have: of all divisions, of one. Larger ones take too long."""
_LARGE_PLACE, _SOME_PRACTICES = 60, 32
_NOBODY, _NOT_HERE = -1, -2
"""In place of the row of a cell: by the metric's rules nobody is in it; the metric has none."""

_WITHIN = {
    Level.ICB: (Level.PLACE, Level.NEIGHBOURHOOD, Level.PCN, Level.PRACTICE),
    Level.PLACE: (Level.NEIGHBOURHOOD, Level.PCN, Level.PRACTICE),
    Level.NEIGHBOURHOOD: (Level.PRACTICE,),
    Level.PCN: (Level.PRACTICE,),
}


@dataclass(frozen=True)
class Controlled:
    """Counts as they may be published, an element for each of `Figures`: NaN where withheld; and why (`Why`)."""

    numerator: Floats
    denominator: Floats
    why_numerator: npt.NDArray[np.uint8]
    why_denominator: npt.NDArray[np.uint8]


def merged(figures: Figures) -> Figures:
    """The figures with the rare groups of each division as one, such as ``intersex or unknown``.

    Rare is under `RARE` of everybody registered, at the largest level; a group that is rare alone stays. Events keep
    their squares: nobody is in two groups.
    """
    rare = {}
    for part in dict.fromkeys(part for one in figures.groupings for part in _parts(one.name)):
        shares = _shares(figures, part)
        few = [label for label, share in shares.items() if share < RARE]
        if len(few) > 1:
            rare[part] = dict.fromkeys(few, OR.join(few))
    if not rare:
        return figures
    groupings, number = [], []
    for one in figures.groupings:
        named = [_renamed(label, _parts(one.name), rare) for label in one.groups]
        labels = list(dict.fromkeys(named))
        groupings.append(Groups(one.name, tuple(labels)))
        number.append(np.array([labels.index(label) for label in named], dtype=np.int64))
    starts = np.cumsum([0, *map(len, number)])
    group = np.concatenate(number)[starts[figures.grouping] + figures.group]
    keys = (group, figures.grouping, figures.area, figures.level, figures.metric)
    order = np.lexsort(keys)
    if not len(order):
        return dataclasses.replace(figures, groupings=tuple(groupings), group=group)
    new = np.zeros(len(order), dtype=np.bool_)
    new[0] = True
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    first = np.flatnonzero(new)
    row = order[first]

    def total(values: Numbers) -> Numbers:
        return np.add.reduceat(values[order], first) if len(values) else values

    return Figures(
        figures.areas, figures.metrics, tuple(groupings), figures.metric[row], figures.level[row], figures.area[row],
        figures.grouping[row], group[row], total(figures.numerator), total(figures.denominator), total(figures.squares),
        total(figures.registered),
    )  # fmt: skip


def control(figures: Figures, earlier: Iterable[pa.Table] = (), *, threads: int = 1) -> Controlled:
    """Which counts of a release are shown, and how.

    ``earlier`` are tables of metrics of the same people as of the same day: what they withheld stays withheld. Sums of
    events are withheld like counts, and where few people had them. Raises `InputError` where a count cannot be
    protected.
    """
    n = len(figures)
    why = {"numerator": np.zeros(n, np.uint8), "denominator": np.zeros(n, np.uint8)}
    before = _before(figures, earlier)
    movers = np.array([m.measure is Measure.MOVERS for m in figures.metrics], dtype=np.bool_)
    computed = np.array([m.reason is None for m in figures.metrics], dtype=np.bool_)
    jobs: dict[bytes, list[int]] = {}
    cell, cells = _cells(figures)
    rows_of = [np.flatnonzero(figures.metric == number) for number in range(len(figures.metrics))]
    at: dict[int, Numbers] = {}
    for number, rows in enumerate(rows_of):
        if len(rows) and computed[number]:
            kind = b"movers" if movers[number] else b""
            at[number] = np.full(len(cells), _NOT_HERE)
            at[number][_of_nobody(figures, number, rows, cells)] = _NOBODY
            at[number][cell[rows]] = rows
            jobs.setdefault(kind + (at[number] != _NOT_HERE).tobytes(), []).append(number)
    kin = families(figures, at)
    large = {name: getattr(figures, name) >= SMALLEST for name in why}
    before.withheld["numerator"] |= also_withheld(figures, at, cells, kin, large["numerator"], large["denominator"])
    try:
        for kind, numbers in jobs.items():
            there = at[numbers[0]] != _NOT_HERE
            found = [at[number][there] for number in numbers]
            if kind.startswith(b"movers"):
                _control_movers(figures, cells[there], found, before, why)
            else:
                _control_metrics(figures, numbers, cells[there], found, kin, before, why, threads)
    except ExposedError as error:
        raise InputError(f"disclosure control: {error}") from None
    shown = {name: found == Why.SHOWN for name, found in why.items()}
    more = also_withheld(figures, at, cells, kin, shown["numerator"], shown["denominator"])
    why["numerator"][more] = Why.PROTECTS
    numerator, denominator = (
        np.where(why[name] == Why.SHOWN, nearest_five(getattr(figures, name)).astype(np.float64), np.nan)
        for name in ("numerator", "denominator")
    )
    return Controlled(numerator, denominator, why["numerator"], why["denominator"])


def cost(figures: Figures, found: Controlled) -> list[dict[str, Any]]:
    """What protecting others costs: for each level and grouping how many counts are over 7 (and do not leave a few of
    their whole), how many of these are withheld, and which share."""
    whys = found.why_numerator, found.why_denominator
    computed = np.array([m.reason is None for m in figures.metrics], dtype=np.bool_)[figures.metric]
    told = []
    for level, name in enumerate(LEVELS):
        for grouping, one in enumerate(figures.groupings):
            rows = computed & (figures.level == level) & (figures.grouping == grouping)
            if rows.any():
                shown, withheld_too = (
                    sum(int(np.count_nonzero(why[rows] == wanted)) for why in whys)
                    for wanted in (Why.SHOWN, Why.PROTECTS)
                )
                counts = shown + withheld_too
                share = round(withheld_too / counts, 4) if counts else None
                told.append({"level": str(name), "group_by": one.name, "over_7": counts, "withheld": withheld_too,
                             "share": share})  # fmt: skip
    return told


# -- what there is, and how it adds up ---------------------------------------------------------------------------------


def _cells(figures: Figures) -> tuple[Numbers, Numbers]:
    """For each figure the number of its cell; and of each cell level, area, grouping and group."""
    keys = np.stack([figures.level, figures.area, figures.grouping, figures.group], axis=1)
    cells, number = np.unique(keys, axis=0, return_inverse=True)
    return number.reshape(-1), cells


def _of_nobody(figures: Figures, metric: int, rows: Numbers, cells: Numbers) -> Bools:
    """Which cells a metric has no figure of, since by its rules nobody is in them, of divisions that it has."""
    starts = np.cumsum([0, *(len(one.groups) for one in figures.groupings)])
    never = np.concatenate([np.empty(0, np.bool_), *figures.of_nobody(metric)])
    divided = np.zeros((len(LEVELS), len(figures.groupings)), np.bool_)
    divided[figures.level[rows], figures.grouping[rows]] = True
    found: Bools = never[starts[cells[:, 2]] + cells[:, 3]] & divided[cells[:, 0], cells[:, 2]]
    return found


def layout_of(figures: Figures, cells: Numbers) -> Layout:
    """How cells (level, area, grouping, group) add up: groups to those of fewer divisions, areas to larger ones."""
    sums = _Sums()
    at = {tuple(key): i for i, key in enumerate(cells.tolist())}
    _groups_add_up(figures, at, sums)
    _areas_add_up(figures, at, sums)
    return sums.layout(_ranks(figures, cells), _regions(figures, cells))


class _Sums:
    """Sums, as they are found."""

    def __init__(self) -> None:
        self.starts, self.counts, self.signs = [0], list[int](), list[float]()

    def add(self, total: int, parts: Sequence[int]) -> None:
        self.counts += [total, *parts]
        self.signs += [1.0, *[-1.0] * len(parts)]
        self.starts.append(len(self.counts))

    def layout(self, ranks: Numbers, regions: tuple[Around, ...]) -> Layout:
        starts, counts = np.array(self.starts, np.int64), np.array(self.counts, np.int64)
        return Layout(starts, counts, np.array(self.signs), ranks, regions)


_Key = tuple[int, ...]


def _groups_add_up(figures: Figures, at: Mapping[_Key, int], sums: _Sums) -> None:
    """Groups of a grouping add up to those of every grouping with a division less, where there is one."""
    names = [one.name for one in figures.groupings]
    for number, one in enumerate(figures.groupings):
        parts = _parts(one.name)
        for other, larger in enumerate(figures.groupings):
            fewer = _parts(larger.name)
            if len(fewer) >= len(parts) or not set(fewer) <= set(parts):
                continue
            if fewer == () and len(parts) > 1 and any(_parts(n) and set(_parts(n)) < set(parts) for n in names):
                continue  # follows from the others
            keep = [parts.index(part) for part in fewer]
            to = {}
            for group, label in enumerate(one.groups):
                labels = _labels(label, len(parts))
                wanted = SEPARATOR.join(labels[i] for i in keep) if keep else None
                if wanted in larger.groups:
                    to[group] = larger.groups.index(wanted)
            members: dict[_Key, list[int]] = {}
            for (level, area, grouping, group), i in at.items():
                if grouping == number and group in to:
                    members.setdefault((level, area, other, to[group]), []).append(i)
            for key, found in members.items():
                if key in at:
                    sums.add(at[key], found)


def _areas_add_up(figures: Figures, at: Mapping[_Key, int], sums: _Sums) -> None:
    """Each area's counts are the sums of those of the areas within it and, of practices in none of these, of theirs."""
    areas = figures.areas
    by_area: dict[tuple[int, int], dict[tuple[int, int], int]] = {}
    for (level, area, grouping, group), i in at.items():
        by_area.setdefault((level, area), {})[grouping, group] = i
    present = {level for level, _ in by_area}
    practice = LEVELS.index(Level.PRACTICE)
    own = areas.of_practice(Level.PRACTICE)
    for level, area in by_area:
        of = areas.of_practice(LEVELS[level])
        inside = set(np.flatnonzero(of == area).tolist())
        covered: set[Level] = set()
        for lower in _WITHIN.get(LEVELS[level], ()):
            number = LEVELS.index(lower)
            if number not in present or any(lower in _WITHIN.get(one, ()) for one in covered):
                continue
            covered.add(lower)
            members = areas.of_practice(lower)
            there = sorted({int(members[p]) for p in inside} - {NOWHERE})
            whole = [a for a in there if set(np.flatnonzero(members == a).tolist()) <= inside]
            left = inside - {p for a in whole for p in np.flatnonzero(members == a).tolist()}
            parts = [(number, a) for a in whole] + [(practice, int(own[p])) for p in sorted(left)]
            if not parts or parts == [(level, area)]:
                continue
            for key, total in by_area[level, area].items():
                terms = [by_area.get(part, {}).get(key) for part in parts]
                known = [term for term in terms if term is not None]
                if len(known) == len(terms):
                    sums.add(total, known)


def _within(figures: Figures, cells: Numbers, of_practice: Numbers) -> Numbers:
    """Of each cell the one number that all practices of its area have, -1 where they have several (or `NOWHERE`)."""
    found = np.full(len(cells), -1, np.int64)
    for number, level in enumerate(LEVELS):
        if level is Level.ICB:
            continue
        of, count = figures.areas.of_practice(level), len(figures.areas.names(level))
        lowest, highest = np.full(count, len(of_practice) + 1), np.full(count, -2)
        some = of != NOWHERE
        np.minimum.at(lowest, of[some], of_practice[some])
        np.maximum.at(highest, of[some], of_practice[some])
        only = np.where(lowest == highest, lowest, -1)
        here = cells[:, 0] == number
        found[here] = only[cells[here, 1]]
    return found


def _regions(figures: Figures, cells: Numbers) -> tuple[Around, ...]:
    """Cells among which counts move: all of them, where they are few. Else those of a division, in all areas; where
    these are too many as well, of the areas of some neighbouring practices and of all that they are in: first for what
    is larger, then for what is among them alone, and then for that once more, where what is larger may be withheld for
    it. In a division everybody's counts stand still where other divisions hold them: so last, for what is left, those
    of all divisions, first of neighbouring practices and then, unless these are too many, of all: those of one place
    hardly move if other places stand still."""
    everything = np.arange(len(cells))
    if len(cells) <= _ALL_AT_ONCE:
        return (Around(everything, everything, everything),)
    parts = [frozenset(_parts(one.name)) for one in figures.groupings]
    chunk = _within(figures, cells, _neighbours(figures))

    def among(of_it: Bools) -> list[tuple[Numbers, Numbers, Numbers]]:
        """For neighbouring practices: the cells that are theirs, those above all, and both."""
        above = np.flatnonzero(of_it & (chunk == -1))
        found = [np.flatnonzero(of_it & (chunk == one)) for one in np.unique(chunk[of_it & (chunk >= 0)])]
        return [(here, above, np.sort(np.concatenate([here, above]))) for here in found]

    whole, large, near, again = (list[Around]() for _ in range(4))
    for own in sorted({one for one in parts if one} or {frozenset()}, key=lambda one: (len(one), sorted(one))):
        of_it = np.isin(cells[:, 2], [i for i, one in enumerate(parts) if one <= own])
        neighbours = among(of_it)
        if np.count_nonzero(of_it) <= _DIVISION_AT_ONCE or len(neighbours) < 2:
            division = np.flatnonzero(of_it)
            whole.append(Around(division, division, division))
            continue
        for here, above, both in neighbours:
            large.append(Around(both, above, both))
            near.append(Around(both, here, here))
            again.append(Around(both, here, both))
    everywhere = among(np.ones(len(cells), np.bool_))
    rest = [Around(both, here, here) for here, _, both in everywhere if len(both) <= _DIVISION_AT_ONCE]
    if len(cells) <= _DIVISION_AT_ONCE:
        rest.append(Around(everything, everything, everything, late=True))
    return (*whole, *large, *near, *again, *rest)


def _neighbours(figures: Figures) -> Numbers:
    """A number for each practice, the same for practices of one place; of a large place for some that are close."""
    areas = figures.areas
    levels = [areas.of_practice(level) for level in (Level.PLACE, Level.NEIGHBOURHOOD, Level.PCN)]
    count = len(areas.of_practice(Level.PRACTICE))
    found, number, size = np.zeros(count, np.int64), -1, 0
    order = np.lexsort((np.arange(count), *reversed(levels)))
    of_place = np.bincount(levels[0][order] + 1, minlength=1)
    place, unit = None, None
    for at, practice in enumerate(order.tolist()):
        here = int(levels[0][practice])
        close = int(levels[1][practice]) if levels[1][practice] != NOWHERE else int(levels[2][practice])
        if here != place:
            number, size = number + 1, 0
        elif of_place[here + 1] > _LARGE_PLACE and close != unit:
            rest = order[at:]
            own = levels[1] if levels[1][practice] != NOWHERE else levels[2]
            coming = int(np.count_nonzero((own[rest] == close) & (levels[0][rest] == here)))
            if size and size + coming > _SOME_PRACTICES:
                number, size = number + 1, 0
        if size >= 2 * _SOME_PRACTICES and of_place[here + 1] > _LARGE_PLACE:
            number, size = number + 1, 0
        place, unit = here, close
        found[practice] = number
        size += 1
    return found


def _ranks(figures: Figures, cells: Numbers) -> Numbers:
    """Which cells are rather shown: of larger areas before smaller, and everybody before groups of them."""
    within = np.array([len(_WITHIN.get(level, ())) for level in LEVELS])
    divisions = np.array([len(_parts(one.name)) for one in figures.groupings])
    order = np.column_stack([within[cells[:, 0]], -divisions[cells[:, 2]]])
    ranks: Numbers = np.unique(order, axis=0, return_inverse=True)[1].reshape(-1)
    return ranks


# -- one kind of counts after the other --------------------------------------------------------------------------------


def _control_metrics(
    figures: Figures, numbers: Sequence[int], cells: Numbers, rows: Sequence[Numbers], families_: Sequence[Family],
    before: _Before, why: Mapping[str, npt.NDArray[np.uint8]], threads: int,
) -> None:  # fmt: skip
    """Metrics that have the same cells, all together."""
    tables: dict[bytes, int] = {}
    counts: list[Numbers] = []
    few: list[Bools] = []
    hidden: list[Bools] = []
    told: list[Bools] = []
    nobody: list[Bools] = []

    def table(values: Numbers, name: str, of: Numbers, seen: Bools | None = None) -> int:
        key = values.tobytes()
        if key not in tables:
            tables[key] = len(counts)
            counts.append(values)
            few.append(np.zeros(len(values), np.bool_))
            hidden.append(np.zeros(len(values), np.bool_))
            told.append(np.zeros(len(values), np.bool_))
            nobody.append(np.ones(len(values), np.bool_))
        at, there = tables[key], of != _NOBODY
        hidden[at] |= before.withheld[name][of] & there
        told[at] |= before.told[name][of] & there
        nobody[at] &= ~there
        if seen is not None:
            few[at] |= seen
        return at

    places: list[tuple[int, int]] = []
    parts: dict[tuple[int, int], None] = {}
    for number, of in zip(numbers, rows, strict=True):
        metric, never = figures.metrics[number], of == _NOBODY
        numerator, squares, denominator = (
            np.where(never, 0, values[of]) for values in (figures.numerator, figures.squares, figures.denominator)
        )
        # Of people with events there are at least as many as this, of people counted once exactly so many.
        seen = numerator.astype(np.float64) ** 2 < SMALLEST * squares.astype(np.float64) if metric.events else None
        one = table(numerator, "numerator", of, seen)
        other = table(denominator, "denominator", of)
        places.append((one, other))
        if one != other and not metric.events and (numerator <= denominator).all():
            parts[one, other] = None
    layout = layout_of(figures, cells)
    place = dict(zip(numbers, places, strict=True))
    apart = dict.fromkeys(
        (place[family.labels[0][0]][1], tuple(sorted(place[label[0]][0] for label in family.labels)))
        for family in families_
        if all(label[0] in place for label in family.labels)
    )
    found = withheld(
        layout, np.stack(counts), list(parts), apart=[(whole, some) for whole, some in apart if whole not in some],
        few_seen=np.stack(few), earlier=np.stack(hidden), told=np.stack(told), nobody=np.stack(nobody),
        threads=threads,
    )  # fmt: skip
    for of, (one, other) in zip(rows, places, strict=True):
        there = of != _NOBODY
        why["numerator"][of[there]], why["denominator"][of[there]] = found[one][there], found[other][there]


def _control_movers(
    figures: Figures, cells: Numbers, rows: Sequence[Numbers], before: _Before,
    why: Mapping[str, npt.NDArray[np.uint8]],
) -> None:  # fmt: skip
    """Who moved from where to where: those of an area add up to everybody in it, the denominator of each."""
    for of in rows:
        area, whole = np.unique(cells[:, :2], axis=0, return_inverse=True)
        whole = whole.reshape(-1)
        n, k = len(of), len(area)
        everybody = np.zeros(k, np.int64)
        everybody[whole] = figures.denominator[of]
        some = dataclasses.replace(figures, groupings=(*figures.groupings, Groups(Grouping.NONE, (None,))))
        none = np.column_stack([area, np.full(k, len(figures.groupings)), np.zeros(k, np.int64)])
        layout = layout_of(some, np.concatenate([cells, none]))
        counts = np.concatenate([figures.numerator[of], everybody])
        rest = everybody[whole] - figures.numerator[of]
        few = np.concatenate([(rest > 0) & (rest < SMALLEST), np.zeros(k, np.bool_)])
        hidden = np.concatenate([before.withheld["numerator"][of], np.zeros(k, np.bool_)])
        hidden[n + whole] |= before.withheld["denominator"][of]
        found = withheld(layout, counts[np.newaxis], [], few_seen=few[np.newaxis], earlier=hidden[np.newaxis])[0]
        why["numerator"][of], why["denominator"][of] = found[:n], found[n:][whole]


@dataclass(frozen=True)
class _Before:
    """Which numerators and denominators an earlier release of the same day withheld, and which it showed."""

    withheld: dict[str, Bools]
    told: dict[str, Bools]


def _before(figures: Figures, earlier: Iterable[pa.Table]) -> _Before:
    names = ("numerator", "denominator")
    found = _Before(*({name: np.zeros(len(figures), np.bool_) for name in names} for _ in range(2)))
    keys = ("metric", "cohort", "level", "area", "group_by", "group")
    tables = list(earlier)
    if not tables:
        return found
    cohorts = [metric.cohort for metric in figures.metrics]
    of = zip(
        figures.metric_ids(), [cohorts[i] for i in figures.metric.tolist()], map(str, figures.levels()),
        figures.area_names(), figures.group_bys(), figures.groups(), strict=True,
    )  # fmt: skip
    at = {key: i for i, key in enumerate(of)}
    measures = [str(metric.measure) for metric in figures.metrics]
    for one in tables:
        columns = [one[name].to_pylist() for name in (*keys, "measure", "suppressed", *names)]
        for *key, measure, suppressed, numerator, denominator in zip(*columns, strict=True):
            i = at.get(tuple(key))
            if i is None or measure != measures[figures.metric[i]]:
                continue
            for name, value in zip(names, (numerator, denominator), strict=True):
                found.withheld[name][i] |= value is None and suppressed
                found.told[name][i] |= value is not None and abs(value - getattr(figures, name)[i]) <= ROUND_TO / 2
    return found


# -- groups ------------------------------------------------------------------------------------------------------------


def _parts(grouping: str) -> tuple[str, ...]:
    return () if grouping == Grouping.NONE else tuple(grouping.split(SEPARATOR))


def _labels(label: str | None, parts: int) -> list[str]:
    return [] if label is None else [label] if parts == 1 else label.split(SEPARATOR)


def _renamed(label: str | None, parts: Sequence[str], rare: Mapping[str, Mapping[str, str]]) -> str | None:
    if label is None:
        return None
    labels = _labels(label, len(parts))
    return SEPARATOR.join(rare.get(part, {}).get(one, one) for part, one in zip(parts, labels, strict=True))


def _shares(figures: Figures, part: str) -> dict[str, float]:
    """The share of everybody registered that each group of a division has, at the largest level with it; in the order
    of the groups."""
    having = [i for i, one in enumerate(figures.groupings) if part in _parts(one.name)]
    at = min(having, key=lambda i: len(_parts(figures.groupings[i].name)))
    everybody = figures.registered if len(figures.registered) == len(figures) else figures.denominator
    there = figures.grouping == at
    movers = np.array([m.measure is Measure.MOVERS for m in figures.metrics], dtype=np.bool_)
    there &= ~movers[figures.metric]
    if not there.any():
        return {}
    there &= figures.level == figures.level[there].min()
    one = figures.metric[np.flatnonzero(there)[0]]
    rows = np.flatnonzero(there & (figures.metric == one))
    parts = _parts(figures.groupings[at].name)
    where = parts.index(part)
    found: dict[str, float] = {}
    for row in rows.tolist():
        label = _labels(figures.groupings[at].groups[figures.group[row]], len(parts))[where]
        found[label] = found.get(label, 0.0) + float(everybody[row])
    total = sum(found.values()) or 1.0
    return {label: count / total for label, count in found.items()}
