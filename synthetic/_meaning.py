"""What the built-in feature specification says of codes, units and windows, and the made-up code lists that go with it.

All of it is read from the specification, so that a record and its derivation cannot part.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache
from typing import Any

from popstrat.deriving.features import Features
from popstrat.deriving.kinds.kind import Feature
from popstrat.deriving.spec import DEFAULT_SPEC, load_spec
from popstrat.synthetic._codes import Lists

UNKNOWN_UNIT = "furlong"

PARTS: Mapping[str, str] = {"CLINICSYSBP_COD": "SYSBP_COD", "HOMESYSBP_COD": "SYSBP_COD", "STATHI_COD": "STAT_COD"}
"""Code lists that are part of another, as such lists are: what is in the one is in the other."""


@cache
def features(as_of: dt.date) -> Features:
    """The built-in specification at a date."""
    return load_spec(DEFAULT_SPEC).at(as_of)


def _any_time() -> Features:
    return features(dt.date(2026, 1, 1))


@cache
def lists() -> Lists:
    """A made-up code list for every name in the specification."""
    return Lists(_any_time().lists, inside=PARTS)


@cache
def medicine_lists() -> tuple[str, ...]:
    """The names of the lists of medicines."""
    return tuple(sorted({name for f in _any_time().folds if f.table == "medications" for name in f.codes} - {"*"}))


def spellings(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The units of a feature's table, or of a part of it, as they are spelt there; its own first."""
    return (raw["unit"], *raw.get("units", {})) if "unit" in raw else ()


@cache
def units() -> tuple[str, ...]:
    """Every spelling of a unit in the specification, and one that stands nowhere."""
    found: set[str] = {UNKNOWN_UNIT}
    for feature in _any_time().features:
        for raw in tables(feature):
            found |= set(spellings(raw))
    return tuple(sorted(found))


def tables(feature: Feature) -> tuple[Mapping[str, Any], ...]:
    """The tables of a feature that say how values are read: a table for each value, where it has several."""
    raw = feature.told.raw
    return tuple(raw["values"].values()) if "values" in raw else (raw,)
