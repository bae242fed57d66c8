"""``layout.toml`` as data: which metrics stand in which section, under which label, and what was published of them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Group:
    """A metric under a short label; ``published`` is the share that a source expects, ``priority`` and ``cohort`` are
    those of a cohort."""

    label: str
    metric: str
    published: float | None = None
    priority: str | None = None
    cohort: str | None = None


@dataclass(frozen=True)
class Segmentation:
    """The groups that people are divided into; ``column`` is the scored table's, ``of`` says of whom they are."""

    id: str
    title: str
    column: str
    of: str
    groups: tuple[Group, ...]
    source: str = ""


@dataclass(frozen=True)
class Kind:
    """A kind of figure: of which ``metrics``, or of all ``rates`` that no kind names; ``title`` heads them, ``gain``
    what would be gained in them."""

    id: str
    title: str
    gain: str
    metrics: tuple[str, ...] = ()
    rates: bool = False


@dataclass(frozen=True)
class Colours:
    """Three metrics that are red, amber and green."""

    id: str
    title: str
    of: str
    red: str
    amber: str
    green: str
    means: str = ""


@dataclass(frozen=True)
class Condition:
    """The metrics of one condition's care."""

    label: str
    unoptimised: str
    undiagnosed: str | None = None


@dataclass(frozen=True)
class Drivers:
    """What is undiagnosed, not optimised or missing in some people. ``whom`` are the people in words, ``of`` is the
    metric that counts them, where all figures are of the same people; ``unoptimised_of``, ``undiagnosed_of`` and
    ``treatments_of`` head the columns of shares. ``board``: a board gets it on paper."""

    id: str
    heading: str
    whom: str
    title: str
    unoptimised_of: str
    undiagnosed_of: str
    conditions: tuple[Condition, ...]
    treatments_title: str
    treatments_of: str
    treatments: tuple[Group, ...]
    of: str | None = None
    board: bool = False


@dataclass(frozen=True)
class Coverage:
    """The metrics of the floor and of who is on the caseload."""

    floor: str
    gap: str
    planned: str
    caseload: str
    on_caseload: str
    outside: str
    months: str
    eligible: str
    priority: str
    cohorts: tuple[Group, ...]
    care: tuple[Group, ...]


@dataclass(frozen=True)
class Derived:
    """A metric that is derived from another, ``of``, whose definition tells of it."""

    title: str
    of: str


@dataclass(frozen=True)
class Layout:
    """All sections."""

    headline: tuple[str, ...]
    funnels: tuple[str, ...]
    coverage: Coverage
    segmentations: tuple[Segmentation, ...]
    colours: tuple[Colours, ...]
    drivers: tuple[Drivers, ...]
    ltc_title: str
    ltc: tuple[Group, ...]
    inequality: tuple[str, ...]
    recorded: tuple[str, ...]
    kinds: tuple[Kind, ...]
    derived: Mapping[str, Derived] = field(default_factory=dict)

    def kind(self, metric: str, rate: bool) -> Kind:
        """The kind of a metric: the one that names it, or that of rates, or the first."""
        named = (one for one in self.kinds if metric in one.metrics)
        return next(named, next((one for one in self.kinds if one.rates and rate), self.kinds[0]))

    def title(self, metric: str) -> str:
        """What a metric without a definition is called."""
        found = self.derived.get(metric)
        return metric.replace("_", " ").capitalize() if found is None else found.title

    def of(self, metric: str) -> str:
        """The metric whose definition tells of one that has none."""
        found = self.derived.get(metric)
        return metric if found is None else found.of


@cache
def layout() -> Layout:
    """The built-in layout."""
    raw = tomllib.loads(files(__package__).joinpath("layout.toml").read_text(encoding="utf-8"))
    coverage = raw["coverage"]
    return Layout(
        tuple(raw["headline"]["metrics"]),
        tuple(raw["headline"]["funnels"]),
        Coverage(**{**coverage, "cohorts": _groups(coverage["cohorts"]), "care": _groups(coverage["care"])}),
        tuple(Segmentation(**{**one, "groups": _groups(one["groups"])}) for one in raw["segmentation"]),
        tuple(Colours(**one) for one in raw["colours"]),
        tuple(
            Drivers(
                **{
                    **one,
                    "conditions": tuple(Condition(**c) for c in one["conditions"]),
                    "treatments": _groups(one["treatments"]),
                }
            )
            for one in raw["drivers"]
        ),
        raw["conditions"]["title"],
        _groups(raw["conditions"]["groups"]),
        tuple(raw["inequality"]["metrics"]),
        tuple(raw["recorded"]["metrics"]),
        tuple(Kind(**{**one, "metrics": tuple(one.get("metrics", ()))}) for one in raw["kind"]),
        {name: Derived(**one) for name, one in raw["derived"].items()},
    )


def _groups(raw: list[dict[str, Any]]) -> tuple[Group, ...]:
    return tuple(Group(**one) for one in raw)
