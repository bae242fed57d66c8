"""Reference patients: made-up people whose result is stated in the pack, and is checked whenever the pack is used.

They are what tells a model that was typed in wrongly, or edited by hand afterwards, from the one that was meant.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import suggest

if TYPE_CHECKING:
    from popstrat.pack import Definition, Resolved

FEWEST = 3  # for a model
_KEYS = {"title", "patient", "expected", "tolerance", "source"}


@dataclass(frozen=True)
class Found:
    """What a reference patient should get of one definition, and what the readable evaluator gives."""

    definition: str
    title: str
    patient: Mapping[str, Any]
    expected: n.Value
    found: n.Value
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Numbers within the tolerance; all else exactly."""
        numbers = [isinstance(x, int | float) and not isinstance(x, bool) for x in (self.expected, self.found)]
        if all(numbers):
            return abs(float(self.expected) - float(self.found)) <= self.tolerance  # type: ignore[arg-type]
        return type(self.expected) is type(self.found) and self.expected == self.found


def check(resolved: Resolved) -> None:
    """Raise `PackError` if a reference patient gets another result than is stated, or a model has too few of them."""
    for definition in list(resolved.definitions.values()):
        if definition.parent is not None:
            continue
        for number, found in enumerate(outcomes(resolved, definition), 1):
            if not found.agrees:
                title = f" ({found.title})" if found.title else ""
                raise _fail(
                    resolved, definition,
                    f"reference patient {number}{title}: {found.definition} should be {_shown(found.expected)} and is "
                    f"{_shown(found.found)}", repr(found.expected),
                )  # fmt: skip
        if definition.kind == "model" and not definition.raw.get("draft"):
            given = len(definition.raw.get("reference_patients", ()))
            if given < FEWEST:
                raise _fail(
                    resolved, definition,
                    f"a model has at least {FEWEST} `reference_patients`, each a `patient` and what is `expected`; "
                    f"this has {given} (while you are still working on it, say `draft = true`)",
                )  # fmt: skip
        elif definition.kind == "model":
            resolved.notices.append(f"{definition.title} is a draft: nothing vouches for its coefficients")


def outcomes(resolved: Resolved, definition: Definition) -> Iterator[Found]:
    """What each reference patient of a definition should get, and gets."""
    entries = definition.raw.get("reference_patients", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise _fail(resolved, definition, "`reference_patients` is a list of tables", "reference_patients")
    if not entries:
        return
    from popstrat.reference import Reference

    places = definition.raw.get("decimals", 6) if definition.kind == "model" else 9
    for number, entry in enumerate(entries, 1):
        patient = _patient(resolved, definition, entry, number)
        reference = Reference(resolved, set(patient))
        known = reference.patient(patient)
        if known.set_aside:
            column, reason = known.set_aside[0]
            raise _fail(resolved, definition, f"reference patient {number}: {column}: {reason}", column)
        expected = entry.get("expected")
        wanted = expected if isinstance(expected, dict) else {definition.id: expected}
        tolerance = entry.get("tolerance", 0.5 * 10.0**-places * (1 + 1e-9))
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
            raise _fail(resolved, definition, f"reference patient {number}: `tolerance` is a number", "tolerance")
        for name, value in wanted.items():
            if name not in resolved.definitions:
                near = suggest(name, resolved.definitions)
                raise _fail(resolved, definition, f"reference patient {number}: no definition {name!r}{near}", name)
            if value is None:
                raise _fail(resolved, definition, f"reference patient {number} needs `expected`")
            found = reference.output(resolved.definitions[name], known)
            meant = None if value == "null" else value
            yield Found(name, str(entry.get("title", "")), patient, meant, found, float(tolerance))


def _patient(resolved: Resolved, definition: Definition, entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    schema = resolved.pack.schema
    where = f"reference patient {number}"
    for key in entry:
        if key not in _KEYS:
            raise _fail(resolved, definition, f"{where}: unknown key {key!r}{suggest(key, _KEYS)}", key)
    patient = entry.get("patient")
    if not isinstance(patient, dict) or not patient:
        raise _fail(resolved, definition, f'{where} needs a `patient`: {{ age = 70, sex = "female" }}')
    for name, value in patient.items():
        if name not in schema or schema[name].type in ("id", "string"):
            near = suggest(name, [c.name for c in schema if c.type not in ("id", "string")])
            raise _fail(resolved, definition, f"{where}: the patient table has no column {name!r} to score{near}", name)
        types: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "date": dt.date, "category": str}
        kind = schema[name].type
        fits = isinstance(value, types[kind]) and (kind == "bool" or not isinstance(value, bool))
        if not fits or isinstance(value, dt.datetime):
            raise _fail(resolved, definition, f"{where}: {name} cannot be {value!r}", name)
    return dict(patient)


def _shown(value: n.Value) -> str:
    return "null" if value is None else repr(value)


def _fail(resolved: Resolved, definition: Definition, message: str, text: str = "") -> PackError:
    return resolved.error(definition.id, message, text=text, end=len(text))
