"""What a report is made of: areas as a tree, figures by what they are of, definitions, and the months before."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from popstrat.metrics.rows import LEVELS, Grouping, Level
from popstrat.pages.report.quality import Quality
from popstrat.pages.report.read import Month, followed

NONE = Grouping.NONE.value
EVERYBODY = "all"
SHARE, RATE = "proportion", "rate_per_1000"
CALLED = {
    Level.ICB: "ICB",
    Level.PLACE: "place",
    Level.NEIGHBOURHOOD: "neighbourhood",
    Level.PCN: "PCN",
    Level.PRACTICE: "practice",
}
SEVERAL = {
    Level.ICB: "ICBs",
    Level.PLACE: "places",
    Level.NEIGHBOURHOOD: "neighbourhoods",
    Level.PCN: "PCNs",
    Level.PRACTICE: "practices",
}


@dataclass(frozen=True, slots=True)
class Key:
    """What a figure is of."""

    metric: str
    measure: str
    cohort: str
    group_by: str
    group: str | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of a metrics file, without what its `Key` and area say."""

    numerator: int | None
    denominator: int | None
    value: float | None
    low: float | None
    high: float | None
    interval: str | None
    limit_95_low: float | None
    limit_95_high: float | None
    limit_998_low: float | None
    limit_998_high: float | None
    previous: float | None
    year_ago: float | None
    baseline: float | None
    target: float | None
    trajectory: str | None
    signal: str | None
    suppressed: bool
    reason: str | None

    @property
    def limits(self) -> tuple[float, float, float, float] | None:
        """Funnel limits: 99.8% low, 95% low, 95% high, 99.8% high; None without a funnel."""
        found = (self.limit_998_low, self.limit_95_low, self.limit_95_high, self.limit_998_high)
        return None if None in found else found  # type: ignore[return-value]

    @property
    def position(self) -> int:
        """Where the value lies in its funnel: 0 within the 95% limits or without a funnel, 1 over those, 2 over the
        99.8% ones; negative for under."""
        limits, value = self.limits, self.value
        if limits is None or value is None:
            return 0
        lowest, low, high, highest = limits
        if value > high:
            return 2 if value > highest else 1
        if value < low:
            return -2 if value < lowest else -1
        return 0


_FIELDS = tuple(Figure.__slots__)


@dataclass(frozen=True, slots=True)
class Definition:
    """What the record says of a metric."""

    id: str
    title: str
    version: str
    measure: str
    cohort: str
    good: str
    target: float | None
    source: str
    caveat: str
    reason: str | None
    means: str = ""
    assumption: str = ""
    numerator: str = ""
    denominator: str = ""

    @property
    def key(self) -> Key:
        """Where its figure of everybody is."""
        return Key(self.id, self.measure, self.cohort, NONE, None)


@dataclass(frozen=True, slots=True)
class Place:
    """An area: its level and name."""

    level: Level
    name: str


@dataclass
class Area:
    """An area with what it lies in and what lies in it."""

    place: Place
    above: list[Place] = field(default_factory=list)
    """The areas it is in, the largest first, the whole list among them."""
    below: dict[Level, list[Place]] = field(default_factory=dict)
    """The areas in it, by level, in order of their names."""
    figures: dict[Key, Figure] = field(default_factory=dict)

    @property
    def level(self) -> Level:
        return self.place.level

    @property
    def name(self) -> str:
        return self.place.name


class Report:
    """All figures of the latest month by area, with what earlier months had."""

    def __init__(
        self,
        months: Sequence[Month],
        called: str | None = None,
        quality: Quality | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        """``months``: the earliest first. ``called`` is the name of the whole list, ``names`` has those of other areas
        by their codes."""
        self.months = tuple(months)
        self.now = months[-1]
        self.as_of: dt.date = self.now.as_of
        self.record: Mapping[str, Any] = self.now.record
        self.called = called or "Whole list"
        self.quality = quality
        self.definitions = _definitions(self.record)
        self.names: Mapping[str, str] = names or {}
        self.areas, self.levels = _areas(self.now, self.named)
        self._before = [_past(month, self.definitions) for month in self.months[:-1]]
        self.order = {metric: i for i, metric in enumerate(self.definitions)}
        self._tested: dict[tuple[str, ...], tuple[list[Definition], Mapping[str, str]]] = {}

    @property
    def top(self) -> Area:
        """The whole list; of a file without that level the first area of its largest one."""
        return next(iter(self.areas.values()))

    def title(self, place: Place) -> str:
        """An area as it is headed."""
        if place.level is Level.ICB:
            return self.called
        if place.name in self.names:
            return f"{self.names[place.name]}, {CALLED[place.level]} {place.name}"
        return f"{'PCN' if place.level is Level.PCN else CALLED[place.level].capitalize()} {place.name}"

    def named(self, place: Place) -> str:
        """An area as it is named in a table or a sentence: by its name, if that is known, and its code."""
        if place.level is Level.ICB:
            return self.called
        return f"{self.names[place.name]} ({place.name})" if place.name in self.names else place.name

    def get(
        self,
        area: Area,
        metric: str,
        group_by: str = NONE,
        group: str | None = None,
        *,
        measure: str | None = None,
        cohort: str | None = None,
    ) -> Figure | None:
        """A figure of an area; None if the file has none. Measure and cohort are the metric's own unless given."""
        definition = self.definitions.get(metric)
        if definition is not None:
            measure, cohort = measure or definition.measure, cohort or definition.cohort
        return area.figures.get(Key(metric, measure or SHARE, cohort or EVERYBODY, group_by, group))

    def measured(self, metric: str, measure: str) -> bool:
        """Whether a metric is known and computed."""
        definition = self.definitions.get(metric)
        return definition is not None and definition.reason is None and definition.measure == measure

    def tested(self, first: Sequence[str] = ()) -> list[Definition]:
        """The metrics whose practices lie in limits and of which one side is good. Of metrics that are the same count
        in every practice, or the other side of it (optimised, not optimised), the one named ``first``, or else the
        one that the record has first."""
        return self._told(tuple(first))[0]

    def twins(self, first: Sequence[str] = ()) -> Mapping[str, str]:
        """The metrics of which another says the same in every practice, with or without limits, each with that other:
        all but the ``first`` of them."""
        return self._told(tuple(first))[1]

    def _told(self, first: tuple[str, ...]) -> tuple[list[Definition], Mapping[str, str]]:
        if first not in self._tested:
            limited, _ = _told_apart(self, first, lambda one: one.limits is not None)
            _, twins = _told_apart(self, first, lambda one: True)
            self._tested[first] = limited, twins
        return self._tested[first]

    def areas_of(self, level: Level) -> list[Area]:
        """All areas of a level, in order of their names."""
        return [area for place, area in self.areas.items() if place.level is level]

    def within(self, area: Area, level: Level) -> list[Area]:
        """The areas of a level that lie in an area."""
        return [self.areas[place] for place in area.below.get(level, ())]

    def series(self, area: Area, key: Key) -> list[tuple[dt.date, float]]:
        """What a figure was in each month in which its metric had the same version, this month last."""
        found = []
        for month, past in zip(self.months, self._before, strict=False):
            at = past.get((area.level.value, area.name), {}).get(key)
            if at is not None and at[2] is not None:
                found.append((month.as_of, at[2]))
        now = area.figures.get(key)
        if now is not None and now.value is not None:
            found.append((self.as_of, now.value))
        return found

    def before(self, area: Area, key: Key) -> Past | None:
        """Numerator, denominator and value of the month before, from its own file; None without one."""
        if not self._before or not _follow(self.months[-2].as_of, self.as_of):
            return None
        return self._before[-1].get((area.level.value, area.name), {}).get(key)

    def previous(self, area: Area, key: Key) -> float | None:
        """A figure's value of the month before: from that month's own file where it was given, as the counts beside it
        are, so that no two figures have their last month from different places; else as this month's file has it."""
        if self._before and _follow(self.months[-2].as_of, self.as_of):
            before = self.before(area, key)
            return None if before is None else before[2]
        now = area.figures.get(key)
        return None if now is None else now.previous


def _follow(before: dt.date, after: dt.date) -> bool:
    return before.year * 12 + before.month + 1 == after.year * 12 + after.month


def _definitions(record: Mapping[str, Any]) -> dict[str, Definition]:
    """The metrics of a record, in its order; of several entries of one metric (a cohort each) the first."""
    found: dict[str, Definition] = {}
    for one in record["metrics"]:
        ident = one["id"].partition("@")[0]
        if ident not in found:
            found[ident] = Definition(
                ident,
                _text(one.get("title")) or ident,
                _text(one.get("version")),
                _text(one.get("measure")) or SHARE,
                _text(one.get("cohort")) or EVERYBODY,
                _text(one.get("good")) or "none",
                one.get("target"),
                _text(one.get("source")),
                _text(one.get("caveat")),
                one.get("reason"),
                _text(one.get("means")),
                _text(one.get("assumption")),
                _text(one.get("numerator")),
                _text(one.get("denominator")),
            )
    return found


_OFF = 5
"""By how much two parts of a whole that were rounded may miss it."""


def _told_apart(
    report: Report, first: tuple[str, ...], wanted: Callable[[Figure], bool]
) -> tuple[list[Definition], Mapping[str, str]]:
    """The metrics that have figures of practices as ``wanted``, each count once, and those that another stands for,
    with that other."""
    practices = report.areas_of(Level.PRACTICE)
    asked = [d for name in first if (d := report.definitions.get(name)) is not None]
    kept: list[tuple[Definition, dict[str, tuple[int, int]]]] = []
    twins: dict[str, str] = {}
    for d in dict.fromkeys([*asked, *report.definitions.values()]):
        if d.reason is not None or d.good == NONE or d.measure not in (SHARE, RATE, "coverage"):
            continue
        mine = {}
        for area in practices:
            one = area.figures.get(d.key)
            if one is not None and one.numerator is not None and one.denominator is not None and wanted(one):
                mine[area.name] = (one.numerator, one.denominator)
        twin = next((other.id for other, theirs in kept if mine and _one_count(d, mine, other, theirs)), None)
        if twin is not None:
            twins[d.id] = twin
        elif mine:
            kept.append((d, mine))
    return [d for d, _ in kept], twins


def _one_count(
    d: Definition, mine: Mapping[str, tuple[int, int]], other: Definition, theirs: Mapping[str, tuple[int, int]]
) -> bool:
    """Whether two metrics count the same people, or one those whom the other leaves, in every practice with both."""
    both = mine.keys() & theirs.keys()
    if len(both) < max(len(mine), len(theirs)) / 2 or any(mine[one][1] != theirs[one][1] for one in both):
        return False
    if d.good == other.good:
        return all(mine[one] == theirs[one] for one in both)
    return all(abs(mine[one][0] + theirs[one][0] - mine[one][1]) <= _OFF for one in both)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _areas(month: Month, named: Callable[[Place], str]) -> tuple[dict[Place, Area], tuple[Level, ...]]:
    """The areas of a month with their figures, the largest first, in the order of how they are ``named``."""
    rows = month.rows
    names = ("level", "area", "parent", "metric", "measure", "cohort", "group_by", "group")
    keys = [rows[name].to_pylist() for name in names]
    values = [rows[name].to_pylist() for name in _FIELDS]
    found: dict[tuple[str, str], Area] = {}
    parents: dict[Place, str | None] = {}
    known = {level.value: level for level in LEVELS}
    made: dict[tuple[Any, ...], Key] = {}
    for level, name, parent, *of, figure in zip(*keys, zip(*values, strict=True), strict=True):
        area = found.get((level, name))
        if area is None:
            if level not in known:
                continue
            area = found[level, name] = Area(Place(known[level], name))
        if parents.get(area.place) is None:
            parents[area.place] = parent
        what = tuple(of)
        key = made.get(what)
        if key is None:
            key = made[what] = Key(*what)
        area.figures[key] = Figure(*figure)
    order = sorted(found.values(), key=lambda area: (LEVELS.index(area.level), named(area.place), area.name))
    areas = {area.place: area for area in order}
    _link(areas, parents, month.record.get("practices"))
    return areas, tuple(dict.fromkeys(place.level for place in areas))


def _link(areas: Mapping[Place, Area], parents: Mapping[Place, str | None], within: Any) -> None:
    """What lies in what: by the record where it says it of each practice, else by `parent` alone."""
    above: dict[Place, set[Place]] = {place: set() for place in areas}
    top = [place for place in areas if place.level is Level.ICB]
    for place in areas:
        if place.level is not Level.ICB:
            above[place].update(top)
    names = {level: {place.name for place in areas if place.level is level} for level in LEVELS}
    for place, parent in parents.items():
        larger = LEVELS[: LEVELS.index(place.level)]
        # the nearest level first: the parent of a practice is its PCN, else its neighbourhood, else its place
        at = next((level for level in reversed(larger) if parent in names[level]), None)
        if at is not None and parent is not None and not (place.level is Level.PCN and at is Level.NEIGHBOURHOOD):
            above[place].add(Place(at, parent))
    if isinstance(within, Mapping):
        _by_practice(areas, within, above)
    for place in areas:  # what is above what is above
        for other in list(above[place]):
            above[place] |= above.get(other, set())
    for place, area in areas.items():
        area.above = sorted(above[place] & areas.keys(), key=lambda one: (LEVELS.index(one.level), one.name))
        for one in area.above:
            areas[one].below.setdefault(place.level, []).append(place)


def _by_practice(areas: Mapping[Place, Area], within: Mapping[str, Any], above: dict[Place, set[Place]]) -> None:
    """From which practice is where: also which places PCNs and neighbourhoods lie in, all of them."""
    levels = (Level.PLACE, Level.NEIGHBOURHOOD, Level.PCN)
    for code, told in within.items():
        if not isinstance(told, Mapping):
            continue
        at = [Place(level, told[level.value]) for level in levels if isinstance(told.get(level.value), str)]
        practice = Place(Level.PRACTICE, code)
        if practice in above:
            above[practice].update(at)
        for place in at:
            for other in at:
                if other.level is Level.PLACE and place.level is not Level.PLACE and place in above:
                    above[place].add(other)


Past = tuple[int | None, int | None, float | None, bool]
"""Numerator, denominator, value, and whether it was withheld."""


def _past(month: Month, definitions: Mapping[str, Definition]) -> dict[tuple[str, str], dict[Key, Past]]:
    """What is followed of an earlier month, by level and area: of metrics that had the version which they have now."""
    rows = followed(month.rows)
    columns = [rows[name].to_pylist() for name in ("level", "area", "version", *Key.__slots__)]
    values = [rows[name].to_pylist() for name in ("numerator", "denominator", "value", "suppressed")]
    found: dict[tuple[str, str], dict[Key, Past]] = {}
    keys: dict[tuple[Any, ...], Key] = {}
    for level, area, version, *of, past in zip(*columns, zip(*values, strict=True), strict=True):
        definition = definitions.get(of[0])
        if definition is None or definition.version == version:
            what = tuple(of)
            key = keys.get(what) or keys.setdefault(what, Key(*what))
            found.setdefault((level, area), {})[key] = past
    return found


def figures_of(area: Area, measure: str) -> Iterator[tuple[Key, Figure]]:
    """Figures of one measure, of everybody."""
    for key, figure in area.figures.items():
        if key.measure == measure and key.group_by == NONE:
            yield key, figure
