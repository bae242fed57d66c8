"""What a column's name says: which column of ours it surely is, and which it only looks like.

A name is taken apart into words. It is surely ours if it is one of the names that people use, or one with words beside
it that say nothing else (``Latest eGFR``, ``HbA1c result``). Any other word beside it may say something else
(``BP target``, ``Emergency admissions 24m``, ``Family history of diabetes``), and then a person has to look.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from popstrat.core.text import closest, squeezed
from popstrat.packs.patient_table import Column, Schema

_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])")
_WORD = re.compile(r"[^\W_]+")
_PERIOD = re.compile(r"(\d+)[\s_-]*(m|mths?|mnths?|months?|y|yrs?|years?)(?![^\W_])", re.IGNORECASE)
_LAST_YEAR = re.compile(r"(?:last|past|previous)[\s_-]+year(?![^\W_])", re.IGNORECASE)
_EITHER = re.compile(r"(?<![^\W_])(?:y|yes|t|true|1)\s*/\s*(?:n|no|f|false|0)(?![^\W_])", re.IGNORECASE)
_HOW_MANY = re.compile(r"(?<![^\W_])no(?:\.|s\.?)?[\s_]+of(?![^\W_])|(?<![^\W_])nos?\.", re.IGNORECASE)
_SHORT = 3  # a name of so few letters, if it is not one of `telling`, is looked for beside words that say nothing only
_MONTHS = 12


@cache
def called() -> Mapping[str, Any]:
    """What other people call columns and labels, from ``called.toml``."""
    return tomllib.loads(resources.files("popstrat.runs").joinpath("called.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Likeness:
    """A column of ours that a name is like. ``level``: 0 its name, 1 that and words that say nothing else, 2 that and
    others, 3 nearly its name. ``doubt`` is why a person has to look, nothing where it is sure."""

    ours: str
    level: int
    doubt: str = ""
    more: bool = False  # other words stand beside the name


def words(name: str) -> list[str]:
    """The words of a name, small: ``BPTarget (mmHg), last 24 months`` is bp, target, mmhg, last, 24m; ``(Y/N)`` is
    yn, and ``No. of`` is number."""
    text = _LAST_YEAR.sub("12m", unicodedata.normalize("NFKC", name))
    text = _HOW_MANY.sub(" number ", _EITHER.sub(" yn ", text))

    def months(found: re.Match[str]) -> str:
        count = int(found.group(1)[:4])
        return f" {count * (_MONTHS if found.group(2)[0] in 'yY' else 1)}m "

    found = (w.casefold() for w in _WORD.findall(_BOUNDARY.sub(" ", _PERIOD.sub(months, text))))
    return [w for w in found if w != "of"]


class Names:
    """The names of a schema's columns, and those that others use."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        found = called()
        self._said = {w: frozenset(found["words"][w]) for w in ("plain", "dated")}
        self._telling = frozenset(found["words"]["telling"])
        lists, self._unsure = found["columns"], found["maybe"]
        self.names = {c.name: [c.name, *lists.get(c.name, ())] for c in schema.columns.values()}
        self._exact: dict[str, set[str]] = {}
        for ours, names in self.names.items():
            for name in (*names, schema[ours].title):
                self._exact.setdefault(squeezed(name), set()).add(ours)
        self._sure = {ours: {"".join(words(n)) for n in names} for ours, names in self.names.items()}
        self._maybe = {o: {"".join(words(n)) for n in names} for o, names in self._unsure.items() if o in schema}
        self._without_date = {c.name: self._undated(self.names[c.name]) for c in schema if c.type == "date"}

    def _undated(self, names: Iterable[str]) -> set[str]:
        """What stands beside the words that say that something is a date, in those names that have some."""
        dated = self._said["dated"]
        return {"".join(w for w in words(n) if w not in dated) for n in names if dated & {*words(n)}} - {""}

    def of(self, name: str) -> list[Likeness]:
        """The columns of ours that a name is like, the likest first."""
        exact = [Likeness(ours, 0) for ours in self._exact.get(squeezed(name), ())]
        if exact:
            return exact
        there = words(name)
        dated = self._said["dated"] & {*there}
        found: list[tuple[int, Likeness]] = []
        for column in self.schema.columns.values():
            lists = [(self._sure[column.name], True), (self._maybe.get(column.name, set()), False)]
            if column.type == "date" and dated:
                rest = [w for w in there if w not in dated]
                found += self._within(column, rest, ((self._without_date[column.name], True),), True)
            elif not dated or column.type == "date":
                found += self._within(column, there, lists)
        near = closest(name, [ours for ours in self.schema.columns if len(ours) > _SHORT + 1])
        least = min((like.level for _, like in found), default=3)
        longest = max((size for size, like in found if like.level == least), default=0)
        ones = [like for size, like in found if like.level == least and size == longest]
        if near and least > 1 and near not in {like.ours for like in ones}:
            return [Likeness(near, 3, "it is nearly the name")]
        return ones

    def of_pair(self, name: str) -> Likeness | None:
        """Whether a name is one of those of a column that holds both blood pressures; None if it is like none."""
        upper = self.schema["systolic_bp"]
        sought = {"".join(words(n)) for n in called()["pair"]["names"]}
        return next((like for _, like in self._within(upper, words(name), ((sought, True),))), None)

    def _within(
        self, column: Column, there: Sequence[str], lists: Iterable[tuple[set[str], bool]], dated: bool = False
    ) -> Iterator[tuple[int, Likeness]]:
        """The likeness of words to a column, with the length of the name that was found among them: ``lists`` are the
        names to look for, and whether they are surely its."""
        plain = self._said["plain"] | self.units(column)
        short = 1 if dated else _SHORT  # beside a word that says that it is a date, few letters say enough
        best: dict[int, tuple[int, Likeness]] = {}
        for sought, sure in lists:
            for start, end in ((i, j) for i in range(len(there)) for j in range(i + 1, len(there) + 1)):
                run = "".join(there[start:end])
                odd = [w for w in (*there[:start], *there[end:]) if w not in plain]
                if run not in sought or (odd and len(run) <= short and run not in self._telling):
                    continue
                doubt = (
                    f"its name says {' '.join(odd)!r} too" if odd else "" if sure else "other things are called that"
                )
                level = 2 if doubt else 1 if there[start:end] != there else 0
                if level not in best or len(run) > best[level][0]:
                    best[level] = len(run), Likeness(column.name, level, doubt, bool(odd))
        if best:
            yield best[min(best)]

    def units(self, column: Column) -> frozenset[str]:
        """Words that say no more than a column's unit, or the one that a proposal converts from; and its period."""
        other = called()["units"].get(column.name, {}).get("called", "")
        periods = {w for w in words(column.name) if w[0].isdigit()}
        return frozenset((*words(column.unit), *words(other), *periods))


def says_unit(column: Column, name: str) -> bool:
    """Whether a name says the unit that a proposal converts from, and not ours."""
    other = {*words(called()["units"].get(column.name, {}).get("called", ""))}
    return bool(other) and other <= {*words(name)} and not {*words(column.unit)} <= {*words(name)}


def parts_of(ours: str, names: Iterable[str]) -> dict[str, int]:
    """Which of these names are called like a part of what a column of ours means, and which part."""
    found = {}
    for name in names:
        for number, part in enumerate(called()["parts"].get(ours, ())):
            if squeezed(name) in {squeezed(p) for p in part} or _without_plain(name) in {squeezed(p) for p in part}:
                found[name] = number
    return found


def _without_plain(name: str) -> str:
    return "".join(w for w in words(name) if w not in called()["words"]["plain"])
