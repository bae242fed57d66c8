"""What of a model differs by stratum: the strata themselves, numbers given for each, and baselines at each horizon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.names import name_fault
from popstrat.lang.source_map import Entry
from popstrat.lang.toml_places import Path
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.model.parts import Horizon
from popstrat.packs.model.terms import by_stratum_shape
from popstrat.packs.shapes import beyond, is_number

MOST = 120
"""How many strata, and how many horizons, a model may have."""
_RECALIBRATION = ("intercept", "slope", "of")
ByStratum = tuple[float | None, ...]
"""A number for each stratum, None where a stratum is not named."""


class Strata:
    """The strata of one model, in order, with the condition of each; a model without has one, without a name."""

    def __init__(self, builder: Builder, ident: str, raw: Raw) -> None:
        self.builder, self.ident, self.raw = builder, ident, raw
        self.conditions: Mapping[str, n.Node | None] = self._conditions()

    def fail(self, message: str, text: str = "", entry: Entry = "", at: Path = ()) -> PackError:
        """An error that points at `text` in the model's table, or in one of its terms or horizons; or ``at`` the keys
        below the table."""
        return self.builder.fault(self.ident, message, text, entry, at)

    def _conditions(self) -> dict[str, n.Node | None]:
        written = self.raw.get("strata")
        if written is None:
            return {"": None}
        if not isinstance(written, dict) or not written:
            raise self.fail("`strata` is a table of conditions: women = 'sex == \"female\"'", "strata")
        if len(written) > MOST:
            raise self.fail(f"has {len(written):,} strata, and the most is {MOST}", "strata")
        return {
            name: self.builder.parse(self.ident, f"stratum {name}", when, condition=True, at=("strata", name))
            for name, when in written.items()
        }

    def numbers(
        self, value: Any, what: str, pointer: str, *, all_of_them: bool = False, term: str = "", among: str = "",
        at: Path = (),
    ) -> ByStratum:  # fmt: skip
        """A number for each stratum. ``what`` and ``pointer`` are for messages: what it is, and what to point at, in a
        ``term`` or ``among`` the horizons, or ``at`` which keys below the model it stands. Raises `PackError`."""
        if is_number(value):
            return (float(value),) * len(self.conditions)
        if not by_stratum_shape(value):
            raise self.fail(f"{what} is a number, or a table with one for each stratum{beyond(value)}", pointer, term)
        for name in value:
            if name not in self.conditions or name == "":
                told = suggest(name, self.conditions) if "" not in self.conditions else " (this model has no strata)"
                raise self.fail(f"{what}: there is no stratum {name!r}{told}", name, term, (*at, name) if at else ())
        found = tuple(None if name not in value else float(value[name]) for name in self.conditions)
        if all_of_them and None in found:
            lost = list(self.conditions)[found.index(None)]
            raise self.fail(f"{what} has no number for the stratum {lost!r}", pointer, term or among)
        return found

    def recalibration(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Intercept and slope by stratum: the linear predictor becomes intercept + slope × linear predictor."""
        table = self.raw.get("recalibration", {})
        if not isinstance(table, dict) or not set(table) <= set(_RECALIBRATION):
            wrong = next((key for key in table if key not in _RECALIBRATION), "") if isinstance(table, dict) else ""
            told = f", and not {wrong!r}{suggest(wrong, _RECALIBRATION)}" if wrong else ""
            at: Path = ("recalibration", *([wrong] if wrong else []))
            raise self.fail(f"`recalibration` is a table with `intercept` and `slope`{told}", at=at)
        if "of" in table and (table["of"] != "risk" or self.raw.get("link") != "survival"):
            raise self.fail('`of` in `recalibration` is "risk", and goes with the survival link', "of")
        intercept = self.numbers(
            table.get("intercept", 0.0), "the intercept of `recalibration`", "recalibration", all_of_them=True
        )
        slope = self.numbers(table.get("slope", 1.0), "the slope of `recalibration`", "recalibration", all_of_them=True)
        if any(given(s) == 0 for s in slope):
            raise self.fail("a `recalibration` with slope 0 would give everybody the same risk", "recalibration")
        return tuple(map(given, intercept)), tuple(map(given, slope))

    def horizons(self, link: str) -> tuple[list[ByStratum], tuple[Horizon, ...]]:
        """Baseline survival at each horizon of a survival model, by stratum, and the horizons. Raises `PackError`."""
        raw = self.raw
        if link != "survival":
            for key in ("baseline_survival", "horizons"):
                if key in raw:
                    raise self.fail(f"`{key}` goes with the survival link only", key)
            return [], ()
        entries = raw.get("horizons")
        if entries is not None and "baseline_survival" in raw:
            raise self.fail("`baseline_survival` stands in each of the `horizons`, or by itself", "baseline_survival")
        if entries is None:
            entries = [{"id": "", "baseline_survival": raw.get("baseline_survival")}]
        if not isinstance(entries, list) or not entries or not all(isinstance(e, dict) for e in entries):
            raise self.fail("`horizons` is a list of tables with `id` and `baseline_survival`", "horizons")
        if len(entries) > MOST:
            raise self.fail(f"has {len(entries):,} horizons, and the most is {MOST}", "horizons")
        survivals: list[ByStratum] = []
        horizons: list[Horizon] = []
        for place, entry in enumerate(entries):
            ident = entry.get("id", "")
            for key in entry:
                if key not in ("id", "title", "baseline_survival", "output"):
                    raise self.fail(f"unknown key {key!r} in a horizon", key)
            if raw.get("horizons") is not None and (fault := name_fault(ident)):
                raise self.fail(f"each horizon needs an `id`, one word, and {ident!r} {fault}", "horizons")
            if ident in [h.id for h in horizons] or ident in ("linear_predictor", "inputs_missing", "reason"):
                raise self.fail(f"the horizon {ident!r} cannot have that name, or stands twice", ident)
            own = raw.get("output", False)
            if place == 0 and entry.get("output", own) not in (own, bool(own)):
                raise self.fail(
                    "the first horizon is the definition's own result: its `output` stands there", "horizons"
                )
            written = entry.get("baseline_survival")
            if written is None:
                at = "link" if raw.get("horizons") is None else "horizons"
                raise self.fail("a survival link needs `baseline_survival`, between 0 and 1", at)
            found = self.numbers(written, "`baseline_survival`", "baseline_survival", all_of_them=True, among=ident)
            if not all(0 < given(s) < 1 for s in found):
                raise self.fail(
                    "a survival link needs `baseline_survival`, between 0 and 1", "baseline_survival", ident
                )
            if survivals and any(given(s) > given(before) for s, before in zip(found, survivals[-1], strict=True)):
                raise self.fail(
                    "horizons stand from the shortest to the longest, and baseline survival does not rise from one to "
                    "the next", "baseline_survival", ident,
                )  # fmt: skip
            survivals.append(found)
            own_title = entry.get("title") or ident
            title = _title(str(raw["title"]), entries[0].get("title"), own_title) if place else str(raw["title"])
            horizons.append(Horizon(ident, title, self.ident if place == 0 else f"{self.ident}.{ident}"))
        return survivals, tuple(horizons)


def _title(whole: str, first: str | None, own: str) -> str:
    """The title of a further horizon: the model's, with its own in the place of the first one's if that is there."""
    if first and (found := re.search(rf"(?<!\w){re.escape(first)}(?!\w)", whole)) is not None:
        return f"{whole[: found.start()]}{own}{whole[found.end() :]}"
    return f"{whole}, {own}" if own else whole


def given(x: float | None) -> float:
    """A number that every stratum has."""
    assert x is not None
    return x
