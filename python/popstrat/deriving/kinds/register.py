"""``register``: on a register while the latest diagnosis is later than the latest code that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.core.blocks import Block
from popstrat.core.dates import completed_years
from popstrat.deriving.folds import NO_DAY, Count, Fold, Folded, LastDay
from popstrat.deriving.kinds.kind import Ages, Feature, Line, Made, One, Person, flags, made, some, with_nulls
from popstrat.deriving.kinds.phrases import lists, months, unless
from popstrat.deriving.kinds.reader import Reader
from popstrat.lang.nodes import Value
from popstrat.packs.shapes import items


@dataclass(frozen=True)
class Register(Feature):
    name = "register"
    called = "register"
    rank = 2
    keys = frozenset({"codes", "without", "resolved", "minimum_age", "within", "medication", "output", "date_output"})
    explained = (
        ("`codes`; `resolved`, `minimum_age`, `within`, `medication` (a table of `codes`, `within`, `at_least`)"),
        (
            "true if the latest diagnosis is strictly later than the latest resolved code, and the rest holds; as "
            "`NAME_date`, the latest diagnosis"
        ),
    )
    example = """
title = "Asthma"
means = "A diagnosis of asthma that is not resolved, treated in the last 12 months, from the age of 6."
source = "NHS England, Quality and Outcomes Framework: asthma register"
version = "1.0"
codes = ["AST_COD"]
resolved = ["ASTRES_COD"]
minimum_age = 6
medication = { codes = ["ASTTRT_COD"], within = 12, at_least = 1 }
output = true
"""

    minimum_age: int | None
    at_least: int

    @classmethod
    def read(cls, reader: Reader) -> Self:
        ident, until = reader.told.id, reader.until
        codes, without = reader.codes("codes"), reader.codes("without", needed=False)
        folds: list[Fold] = [LastDay(ident, "events", codes, until, reader.since("within"), without)]
        if resolved := reader.codes("resolved", needed=False):
            folds.append(LastDay(f"{ident}.resolved", "events", resolved, until))
        age = reader.whole("minimum_age", otherwise=None, most=120)
        medication, at_least = reader.raw.get("medication"), 0
        if medication is not None:
            known = {"codes", "within", "at_least"}
            if not isinstance(medication, dict) or not set(medication) <= known:
                raise reader.fault("`medication` is a table of `codes`, `within` and `at_least`", "medication")
            issued = reader.codes("medication", "codes", of="medications", raw=medication)
            since = reader.since("medication", "within", needed=True, raw=medication)
            at_least = reader.whole("medication", "at_least", otherwise=1, least=1, most=1000, raw=medication) or 1
            folds.append(Count(f"{ident}.medication", "medications", issued, until, since, of="days"))
        parts = (reader.part("", "bool"), reader.part("date", "date"))
        return cls(reader.told, tuple(folds), parts, reader.lists, reader.optional, age, at_least)

    def finalise(self, folded: Mapping[str, Folded], people: pa.RecordBatch, ages: Ages) -> Made:
        latest = some(folded[self.id].day)
        has = latest != NO_DAY
        ended = folded.get(f"{self.id}.resolved")
        same, on = 0, has
        if ended is not None:
            resolved = some(ended.day)
            same = _many(has & (resolved == latest))
            on = has & (resolved < latest)  # NO_DAY is before every day
        old = on if self.minimum_age is None else on & ages.reached(self.minimum_age)
        treated = old
        if self.at_least:
            treated = old & (some(folded[f"{self.id}.medication"].count) >= self.at_least)
        return made(
            lambda: flags(treated),
            lambda: with_nulls(latest, treated, pa.date32()),
            same_day_resolved=same,
            below_minimum_age=_many(on) - _many(old),
            without_medication=_many(old) - _many(treated),
        )

    def plain(self, found: Mapping[str, One], person: Person) -> tuple[Value, ...]:
        on = all(line.fired for line in self.trace(found, person))
        return on, found[self.id].day if on else None

    def trace(self, found: Mapping[str, One], person: Person) -> list[Line]:
        latest = found[self.id].day
        if latest is None:
            return [Line(f"no diagnosis ({lists(self.folds[0].codes)})")]
        told = [Line(f"latest diagnosis {latest}", True)]
        if f"{self.id}.resolved" in found:
            resolved = found[f"{self.id}.resolved"].day
            if resolved is None:
                told.append(Line("never resolved", True))
            elif resolved == latest:
                told.append(Line(f"resolved on the same day, {resolved}: not on the register"))
            else:
                told.append(Line(f"latest resolved code {resolved}", resolved < latest))
        if self.minimum_age is not None:
            age = None if person.birth is None else completed_years(person.birth, person.as_of)
            reached = age is not None and age >= self.minimum_age
            told.append(Line(f"age {'unknown' if age is None else age}, from {self.minimum_age}", reached))
        if self.at_least:
            times = found[f"{self.id}.medication"].count or 0
            told.append(Line(f"issues on {times} days in the window, of {self.at_least}", times >= self.at_least))
        return told

    @classmethod
    def page(cls, raw: Mapping[str, Any]) -> list[Block]:
        text = f"On the register: a code of {lists(raw['codes'])}{unless(raw)}{months(raw)}"
        if raw.get("resolved"):
            text += f"; the latest one is strictly later than the latest code of {lists(raw['resolved'])}"
        if "minimum_age" in raw:
            text += f"; from the age of {raw['minimum_age']}"
        medication = items(raw.get("medication"))
        if medication:
            text += f"; with issues of {lists(medication['codes'])} on at least {medication.get('at_least', 1)} "
            text += f"day{'s' if medication.get('at_least', 1) != 1 else ''}{months(medication)}"
        return [f"{text}."]


def _many(people: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(people))
