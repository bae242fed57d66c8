"""What the kinds read a feature's table with: lists of codes, windows, numbers, units, and the columns it gives.

Whatever is wrong is a `PackError` that points at its place in the file.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from popstrat.core.dates import days, months_before
from popstrat.core.text import suggest
from popstrat.deriving.canonical import KINDS as ACTIVITY
from popstrat.deriving.folds import ANY_CODE, Conversion, Table, Values, unit_key
from popstrat.deriving.kinds.kind import Part, PartType, Told
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.names import name_fault
from popstrat.packs.patient_table import KEY_COLUMNS, Column, patient_schema
from popstrat.packs.shapes import MEANT, is_number
from popstrat.packs.tables import PackTables

TABLES: tuple[Table, ...] = ("events", "medications", "activity")
LONGEST_WINDOW = 1800  # months
_TAKES: Mapping[PartType, tuple[str, ...]] = {
    "bool": ("bool",), "int": ("int", "float"), "number": ("int", "float"), "date": ("date",),
    "category": ("category",), "given": ("bool", "int", "float", "category", "date", "string"),
}  # fmt: skip
_HOLDS: Mapping[PartType, str] = {
    "bool": "true or false", "int": "whole numbers", "number": "numbers", "date": "dates", "category": "labels",
}  # fmt: skip
_MOST_LISTS = 200  # under one key
_MOST_LABELS = 100
QUALITY = "quality_flags"  # a column of the scored table
_LONGEST_LABEL = 32  # bytes


class Reader:
    """One feature's table at an as-of date. ``windows``: name → months; ``parameters``: those of the specification."""

    def __init__(
        self,
        told: Told,
        tables: PackTables,
        as_of: dt.date,
        windows: Mapping[str, int],
        parameters: Mapping[str, n.Const],
    ) -> None:
        self.told, self.raw, self._tables = told, told.raw, tables
        self._as_of, self._windows, self._parameters = as_of, windows, parameters
        self._lists: dict[str, None] = {}

    def fault(self, message: str, *at: str | int, text: str = "") -> PackError:
        """An error at the keys of a path below the feature, and at a text there if one is given."""
        section = f"feature.{self.told.id}"
        return self._tables.error(section, message, text, 0, len(text), at=at, value=True)

    @property
    def until(self) -> int:
        return days(self._as_of)

    # -- rows -----------------------------------------------------------------------------------------------------

    def table(self, raw: Mapping[str, Any] | None = None, otherwise: Table = "events") -> Table:
        """Which table the rows are of."""
        given = (self.raw if raw is None else raw).get("table", otherwise)
        for known in TABLES:
            if known == given:
                return known
        near = suggest(given, TABLES) if isinstance(given, str) else ""
        raise self.fault(f"`table` is one of {', '.join(TABLES)}{near}", "table")

    def codes(
        self, *at: str, of: Table = "events", needed: bool = True, anything: bool = False, raw: Any = None
    ) -> tuple[str, ...]:
        """The names of code lists under a key, or of kinds of activity; with ``anything``, `ANY_CODE` as well."""
        value = self.raw.get(at[-1]) if raw is None else raw.get(at[-1])
        if value is None and not needed:
            return ()
        names = [value] if isinstance(value, str) else value
        what = "kind of activity" if of == "activity" else "code list"
        if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
            raise self.fault(f"needs `{at[-1]}`: the name of a {what}, or a list of names", *at)
        if len(names) > _MOST_LISTS:
            raise self.fault(f"`{at[-1]}` has {len(names)} names; the most is {_MOST_LISTS}", *at)
        for name in names:
            if names.count(name) > 1:
                raise self.fault(f"{name!r} stands in `{at[-1]}` twice", *at, text=name)
            if name == ANY_CODE and (not anything or len(names) > 1):
                why = "stands alone" if anything else "cannot stand here: name the code lists"
                raise self.fault(f"{ANY_CODE!r} is for every row, and {why}", *at, text=name)
            if of == "activity" and name != ANY_CODE and name not in ACTIVITY:
                told = (
                    f"there is no kind of activity {name!r}{suggest(name, ACTIVITY)}; there are {', '.join(ACTIVITY)}"
                )
                raise self.fault(told, *at, text=name)
            if name != name.strip() or not name.isprintable() or not name:
                raise self.fault(f"{name!r} cannot be the name of a {what}", *at, text=name)
        if of != "activity":
            self._lists.update(dict.fromkeys(name for name in names if name != ANY_CODE))
        return tuple(names)

    def labels(self, of: Table = "events", needed: bool = True) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The labels of ``labels`` with their code lists, in the order in which they stand."""
        table = self.raw.get("labels")
        if table is None and not needed:
            return ()
        if not isinstance(table, dict) or not table:
            raise self.fault(
                "needs `labels`, a table: each label with the name of a code list, or a list of names", "labels"
            )
        if len(table) > _MOST_LABELS:
            raise self.fault(f"has {len(table)} labels; the most is {_MOST_LABELS}", "labels")
        for label in table:
            if label != label.strip() or not label or len(label.encode()) > _LONGEST_LABEL:
                told = f"{label!r} cannot be a label: 1 to {_LONGEST_LABEL} bytes, no blanks at either end"
                raise self.fault(told, "labels", label)
        found = tuple((label, self.codes("labels", label, of=of, raw=table)) for label in table)
        under: dict[str, str] = {}
        for label, names in found:
            for name in names:
                if under.setdefault(name, label) != label:
                    told = f"the code list {name!r} stands under two labels, {under[name]!r} and {label!r}"
                    raise self.fault(told, "labels", label, text=name)
        return found

    @property
    def lists(self) -> tuple[str, ...]:
        """The code lists read so far that the feature cannot do without."""
        return tuple(name for name in self._lists if name not in self.optional)

    @property
    def optional(self) -> tuple[str, ...]:
        """Those that may be missing, seen to once all have been read."""
        value = self.raw.get("optional", [])
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise self.fault("`optional` is a list of names of code lists", "optional")
        for name in value:
            if name not in self._lists:
                told = f"`optional` names {name!r}, which the feature does not use{suggest(name, self._lists)}"
                raise self.fault(told, "optional", text=name)
        return tuple(dict.fromkeys(value))

    # -- windows and numbers --------------------------------------------------------------------------------------

    def since(self, *at: str, needed: bool = False, raw: Any = None) -> int | None:
        """The first day of a window, given by its name or as a number of months before the as-of date."""
        value = (self.raw if raw is None else raw).get(at[-1])
        if value is None and not needed:
            return None
        months = self._windows.get(value) if isinstance(value, str) else value
        if isinstance(value, str) and months is None:
            near = suggest(value, self._windows)
            known = f"; there are {', '.join(self._windows)}" if self._windows else ""
            raise self.fault(f"there is no window {value!r}{near}{known}", *at, text=value)
        if isinstance(months, bool) or not isinstance(months, int) or not 0 <= months <= LONGEST_WINDOW:
            told = f"needs `{at[-1]}`: the name of a window, or a number of months from 0 to {LONGEST_WINDOW:,}"
            raise self.fault(told, *at)
        return days(months_before(self._as_of, months))

    def whole(self, *at: str, otherwise: int | None, most: int, least: int = 0, raw: Any = None) -> int | None:
        """A whole number, as such or as a parameter's name."""
        value = (self.raw if raw is None else raw).get(at[-1], otherwise)
        if value is None:
            return None
        found = self._number(value, *at)
        if isinstance(found, bool) or not isinstance(found, int | float) or found != found // 1:
            raise self.fault(f"`{at[-1]}` is a whole number, or the name of a parameter that is one", *at)
        if not least <= found <= most:
            raise self.fault(f"`{at[-1]}` is from {least:,} to {most:,}, and here it is {found:g}", *at)
        return int(found)

    def _number(self, value: Any, *at: str) -> Any:
        if not isinstance(value, str):
            return value if is_number(value) else None
        if value not in self._parameters:
            near = suggest(value, self._parameters)
            raise self.fault(f"there is no parameter {value!r}{near}", *at, text=value)
        found = self._parameters[value].value
        return found if is_number(found) else None

    def choice(self, key: str, known: tuple[str, ...], otherwise: str) -> str:
        value = self.raw.get(key, otherwise)
        if not isinstance(value, str) or value not in known:
            near = suggest(value, known) if isinstance(value, str) else ""
            raise self.fault(f"`{key}` is one of {', '.join(known)}{near}", key)
        return value

    def truth(self, key: str) -> bool:
        value = self.raw.get(key, False)
        if not isinstance(value, bool):
            raise self.fault(f"`{key}` is true or false", key)
        return value

    # -- values ---------------------------------------------------------------------------------------------------

    def values(self, part: Part, prefix: str = "", raw: Any = None, at: tuple[str, ...] = ()) -> Values:
        """How values are read that end in a part: units, and bounds (those of the column of the patient table that it
        is written to, where the feature does not say)."""
        own = self.raw if raw is None else raw
        column = patient_schema().columns.get(part.output or "")
        low, high = column.bounds if column is not None and column.minimum is not None else (None, None)
        minimum = self._bound(f"{prefix}minimum", low, own, at)
        maximum = self._bound(f"{prefix}maximum", high, own, at)
        if minimum > maximum:
            raise self.fault(f"`{prefix}minimum` is over `{prefix}maximum`", *at, f"{prefix}minimum")
        whole = column is not None and (column.type == "int" or pa.types.is_integer(column.dtype))
        decimals = self._decimals("decimals", 0 if whole else None, own, at)
        if whole and decimals != 0:
            told = f"the patient table holds whole numbers of {part.output}: leave out `decimals`, or say 0"
            raise self.fault(told, *at, "decimals")
        units, plain = self._units(own, at, decimals)
        return Values(units, plain, minimum, maximum)

    def _bound(self, key: str, otherwise: float | None, own: Mapping[str, Any], at: tuple[str, ...]) -> float:
        value = own.get(key, otherwise)
        if value is None:
            told = f"needs `{key}`: what is plausible is known only of the columns of the patient table"
            raise self.fault(told, *at, key)
        found = self._number(value, *at, key)
        if found is None or isinstance(found, bool):
            raise self.fault(f"`{key}` is {MEANT}, or the name of a parameter that is one", *at, key)
        return float(found)

    def _decimals(self, key: str, otherwise: int | None, own: Mapping[str, Any], at: tuple[str, ...]) -> int | None:
        value = own.get(key, otherwise)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 9):
            raise self.fault(f"`{key}` is a number of decimal places from 0 to 9", *at, key)
        return value

    def _units(
        self, own: Mapping[str, Any], at: tuple[str, ...], decimals: int | None
    ) -> tuple[dict[str, Conversion], Conversion | None]:
        main = own.get("unit")
        if main is None:
            for key in ("units", "without_unit"):
                if key in own:
                    raise self.fault(f"`{key}` is there and `unit` is not: in which unit is the result?", *at, key)
            return {}, Conversion(decimals=decimals)
        if not isinstance(main, str):
            raise self.fault("`unit` is text", *at, "unit")
        spelt: dict[str, tuple[str, Conversion]] = {}
        others = own.get("units", {})
        if not isinstance(others, dict):
            raise self.fault("`units` is a table: each unit with what its values are multiplied by", *at, "units")
        for unit, value in {main: 1, **others}.items():
            if not unit_key(unit):
                raise self.fault("a unit has a name", *at, "units" if unit in others else "unit")
            conversion = self._conversion(unit, value, (*at, "units", unit), decimals)
            before = spelt.setdefault(unit_key(unit), (unit, conversion))
            if before[1] != conversion:
                told = f"the units {before[0]!r} and {unit!r} are one in another spelling, and convert otherwise"
                raise self.fault(told, *at, "units", unit)
        plain = own.get("without_unit")
        if plain is not None and (not isinstance(plain, str) or unit_key(plain) not in spelt):
            known = ", ".join(unit for unit, _ in spelt.values())
            raise self.fault(f"`without_unit` is one of the units: {known}", *at, "without_unit")
        units = {key: conversion for key, (_, conversion) in spelt.items()}
        return units, None if plain is None else units[unit_key(plain)]

    def _conversion(self, unit: str, value: Any, at: tuple[str, ...], decimals: int | None) -> Conversion:
        if is_number(value):
            found = Conversion(float(value), decimals=decimals)
        elif isinstance(value, dict) and set(value) <= {"multiply", "add", "round"}:
            factor, offset = value.get("multiply", 1), value.get("add", 0)
            if not is_number(factor) or not is_number(offset):
                raise self.fault(f"`multiply` and `add` of the unit {unit!r} are numbers", *at)
            found = Conversion(float(factor), float(offset), self._decimals("round", decimals, value, at))
        else:
            told = (
                f"the unit {unit!r} has a number that its values are multiplied by, or a table of multiply, add, round"
            )
            raise self.fault(told, *at)
        if found.factor == 0:
            raise self.fault(f"the unit {unit!r} is multiplied by 0", *at)
        return found

    # -- columns --------------------------------------------------------------------------------------------------

    def part(self, role: str, type: PartType, title: str = "", labels: tuple[str, ...] = ()) -> Part:
        """A column that the feature gives, the main one (no role) or another: where ``output``, or ``ROLE_output``,
        does not name it, expressions know it by the feature's name, or by ``NAME_ROLE``."""
        key = f"{role}_output" if role else "output"
        output = self.raw.get(key, False)
        word = f"{self.told.id}_{role}" if role else self.told.id
        if output is True and not role:
            output = self.told.id
        return self.part_of(word, output, type, title or self.told.title, (key,), labels, bool(role))

    def part_of(
        self, word: str, output: Any, type: PartType, title: str, at: tuple[str, ...], labels: tuple[str, ...] = (),
        named: bool = True,
    ) -> Part:  # fmt: skip
        """A column of this name in expressions; of the name ``output`` if it is written. ``named``: which it has to
        say, `true` for the feature's own name will not do."""
        at = at if at[-1].endswith("output") else (*at, "output")
        part = Part(word, None, type, title, labels)
        if output is False:
            return part
        told = f"`{at[-1]}` is {'' if named else 'true, false or '}the name of a column"
        if not isinstance(output, str):
            raise self.fault(told, *at)
        if fault := name_fault(output):
            raise self.fault(f"{told}, and {output!r} {fault}", *at)
        if output in (*KEY_COLUMNS, QUALITY):
            raise self.fault(f"{output} is the table's own", *at, text=output)
        column = patient_schema().columns.get(output)
        if column is not None:
            self._fits(part, column, at)
        return replace(part, word=output, output=output, title=column.title if column is not None else part.title)

    def _fits(self, part: Part, column: Column, at: tuple[str, ...]) -> None:
        if column.type not in _TAKES[part.type]:
            told = f"{column.name} of the patient table does not hold {_HOLDS.get(part.type, 'such values')}"
            raise self.fault(told, *at)
        for label in part.labels:
            if column.type == "category" and label not in column.labels:
                told = f"{column.name} of the patient table has no label {label!r}{suggest(label, column.labels)}"
                raise self.fault(f"{told}; it has {', '.join(column.labels)}", "labels", label)
