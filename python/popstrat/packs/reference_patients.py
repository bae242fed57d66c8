"""Reference patients: made-up people whose result is stated in the pack, and is checked whenever the pack is used.

They are what tells a model that was typed in wrongly, or edited by hand afterwards, from the one that was meant. Here
the readable evaluator works out what they get; `scoring.reference_patients` holds the engine to the same.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.toml_places import Path
from popstrat.packs.definition import Definition
from popstrat.packs.evaluator import Patient, Reference
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.resolved import Resolved
from popstrat.packs.shapes import is_finite

_KEYS = {"title", "patient", "expected", "tolerance", "source"}
_PLACES = 9  # to which results agree that are not rounded
_SAME = 1e-9
_LARGE = 0.05  # of the largest result expected, a tolerance


@dataclass(frozen=True)
class Found:
    """What a reference patient should get of one definition, and what the readable evaluator gives."""

    definition: str
    number: int  # of the reference patient, from 1
    title: str
    patient: Mapping[str, Any]
    expected: n.Value
    found: n.Value
    tolerance: float
    stated: Any  # what stands under `expected`
    why: str = ""  # why there is no result, or in which stratum the patient is
    hidden: float = 0  # how much of the result was rounded away

    @property
    def agrees(self) -> bool:
        """Numbers within the tolerance; all else exactly."""
        numbers = [isinstance(x, int | float) and not isinstance(x, bool) for x in (self.expected, self.found)]
        if all(numbers):
            return abs(float(self.expected) - float(self.found)) <= self.tolerance  # type: ignore[arg-type]
        return type(self.expected) is type(self.found) and self.expected == self.found


def checked(resolved: Resolved) -> Resolved:
    """The same with what is to be told of its reference patients. Raises `PackError` if one gets another result than
    is stated, or a definition that needs some has too few of them."""
    notices: list[str] = []
    for definition in resolved.definitions.values():
        if definition.parent is not None:
            continue
        fewest = KINDS[definition.kind].reference_patients
        different: list[Mapping[str, Any]] = []
        for found in outcomes(resolved, definition):
            if not found.agrees:
                notices.append(_disagrees(resolved, definition, found))
            if len(different) < fewest and found.expected is not None and found.patient not in different:
                different.append(found.patient)
        if fewest and definition.raw.get("draft"):
            notices.append(f"{definition.title} is a draft: no reference patients check its coefficients")
        elif len(different) < fewest:
            raise fault(
                resolved, definition,
                f"a {definition.kind} has at least {fewest} `reference_patients`, each another `patient` and what is "
                f"`expected`, not null; this has {len(different)} (while you are still working on it, say "
                "`draft = true`)",
            )  # fmt: skip
    return replace(resolved, notices=(*dict.fromkeys(notices), *resolved.notices))


def _disagrees(resolved: Resolved, definition: Definition, found: Found) -> str:
    """Refuse the pack; but where a pack changes what a rule of another pack rests on, that pack's reference patients
    show the rule as it was, so that only a notice is due. What has to have some is never taken on trust."""
    sources = resolved.pack.sources
    own = tomllib.loads(sources[0].text).get("definition", {})
    restated = "reference_patients" in own.get(definition.id, {})
    if not KINDS[definition.kind].reference_patients and not restated and len(sources) > 1:
        return f"{definition.title}: the reference patients of the pack it comes from no longer hold"
    title = f" ({found.title})" if found.title else ""
    why = f"{':' if found.found is None else ','} {found.why}" if found.why else ""
    alone = restated or len(sources) == 1
    hint = "" if alone else f"; what changes a {definition.kind} states its `reference_patients` again"
    raise fault(
        resolved, definition,
        f"reference patient {found.number}{title}: {found.definition} should be {shown(found.expected)} and is "
        f"{shown(found.found)}{why}{hint}", *_expected(found.stated, found.definition), number=found.number, value=True,
    )  # fmt: skip


def outcomes(resolved: Resolved, definition: Definition) -> Iterator[Found]:
    """What each reference patient of a definition should get, and gets."""
    entries = definition.raw.get("reference_patients", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise fault(resolved, definition, "`reference_patients` is a list of tables", "reference_patients")
    if not entries:
        return
    for number, entry in enumerate(entries, 1):
        patient = _patient(resolved, definition, entry, number)
        reference = Reference(resolved, set(patient))
        known = reference.patient(patient)
        if known.set_aside:
            column, reason = known.set_aside[0]
            told = f"reference patient {number}: {column}: {reason}"
            raise fault(resolved, definition, told, "patient", column, number=number)
        expected = entry.get("expected")
        wanted = expected if isinstance(expected, dict) else {definition.id: expected}
        if not wanted:
            raise fault(resolved, definition, f"reference patient {number} needs `expected`", "expected", number=number)
        tolerance = entry.get("tolerance", _half_a_unit(definition))
        if not is_finite(tolerance) or tolerance < 0:
            raise fault(
                resolved, definition, f"reference patient {number}: `tolerance` is a number", "tolerance", number=number
            )
        for name, value in wanted.items():
            if name not in resolved.definitions:
                near = suggest(name, resolved.definitions)
                raise fault(
                    resolved,
                    definition,
                    f"reference patient {number}: no definition {name!r}{near}",
                    "expected",
                    name,
                    number=number,
                )
            if value is None:
                raise fault(resolved, definition, f"reference patient {number} needs `expected`", number=number)
            if not isinstance(value, bool | str) and not is_finite(value):
                raise fault(
                    resolved, definition,
                    f"reference patient {number}: `expected` is a number, a label, true or false",
                    *_expected(expected, name), number=number,
                )  # fmt: skip
            made = resolved.definitions[name]
            found = reference.output(made, known)
            meant = None if value == "null" else value
            why, hidden = _why(reference, known, made, found), _rounded_away(reference, known, made, found)
            title = str(entry.get("title", ""))
            yield Found(name, number, title, patient, meant, found, float(tolerance), expected, why, hidden)


def _why(reference: Reference, known: Patient, definition: Definition, found: n.Value) -> str:
    """What led to a result: why a model has none, or the stratum that the patient is in."""
    model = reference.resolved.models.get(definition.parent or definition.id)
    if model is None:
        out = found is None and any(reference.value(part, known) is not True for part in definition.eligible)
        return "not eligible" if out else ""
    if found is None:
        return str(reference.value(model.why, known) or "")
    held = (s.name for s in model.strata if s.when is not None and reference.value(s.when, known) is True)
    stratum = next(held, "")
    return f"in the stratum {stratum}" if stratum else ""


def _rounded_away(reference: Reference, known: Patient, definition: Definition, found: n.Value) -> float:
    """How far a result lies from what it was before it was rounded to the decimals of its definition."""
    if KINDS[definition.kind].places(definition.raw) is None:
        return 0.0
    node = definition.node
    while isinstance(node, n.Only | n.Whole):
        node = node.item
    if not (isinstance(node, n.Call) and node.function == "round" and isinstance(found, int | float)):
        return 0.0
    exact = reference.value(node.arguments[0], known)
    return abs(exact - found) if isinstance(exact, int | float) else 0.0


def coarse(resolved: Resolved, definition: Definition) -> Iterator[tuple[int, str]]:
    """Reference patients, by number, that agree so roughly that a wrong model passes too: to within more than a
    twentieth of the largest result expected, or as much as the results differ. Once for each result that they have.

    How roughly is the tolerance, and where rounding changes a result half a unit of the last decimal place. A result
    that rounding leaves as it is, such as a score of whole points, is exact however few its decimals are.
    """
    by_result: dict[str, list[Found]] = {}
    for found in outcomes(resolved, definition):
        if isinstance(found.expected, int | float) and not isinstance(found.expected, bool):
            by_result.setdefault(found.definition, []).append(found)
    half = _half_a_unit(definition)
    for name, of in by_result.items():
        numbers = [float(f.expected) for f in of]  # type: ignore[arg-type]
        least, most, largest = min(numbers), max(numbers), max(map(abs, numbers))
        within = {f.number: max(f.tolerance, half) if f.hidden > _SAME else f.tolerance for f in of}
        rough = [
            f.number
            for f in of
            if (f.hidden > _SAME or f.tolerance > half)
            and (within[f.number] > _LARGE * largest or 0 < most - least <= within[f.number])
        ]
        if rough:
            more = f" (and {len(rough) - 1} more)" if len(rough) > 1 else ""
            expected = f"{least:g} to {most:g}" if most > least else f"{most:g}"
            roughly = f"to within {within[rough[0]]:.2g} only, by its `tolerance` or by `decimals`"
            told = f"{name} is expected to be {expected}: a wrong model would pass, too"
            yield rough[0], f"reference patient {rough[0]}{more} agrees {roughly}, and {told}"


def _half_a_unit(definition: Definition) -> float:
    """The tolerance where none is stated: half a unit of the last decimal place of the definition."""
    places = KINDS[definition.kind].places(definition.raw)
    return 0.5 * 10.0 ** -(_PLACES if places is None else places) * (1 + 1e-9)


def _patient(resolved: Resolved, definition: Definition, entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    schema = resolved.pack.schema
    where = f"reference patient {number}"
    for key in entry:
        if key not in _KEYS:
            raise fault(resolved, definition, f"{where}: unknown key {key!r}{suggest(key, _KEYS)}", key, number=number)
    patient = entry.get("patient")
    if not isinstance(patient, dict) or not patient:
        raise fault(resolved, definition, f'{where} needs a `patient`: {{ age = 70, sex = "female" }}', number=number)
    for name, value in patient.items():
        if name not in schema or schema[name].type in ("id", "string"):
            near = suggest(name, [c.name for c in schema if c.type not in ("id", "string")])
            raise fault(
                resolved,
                definition,
                f"{where}: the patient table has no column {name!r} to score{near}",
                "patient",
                name,
                number=number,
            )
        if schema[name].type == "date":
            raise fault(
                resolved, definition,
                f"{where}: {name} is a date, which would mean something else on each as-of date: give the age, and "
                "leave dates out (values count as current then)", "patient", name, number=number,
            )  # fmt: skip
        types: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "category": str}
        kind = schema[name].type
        if not (isinstance(value, types[kind]) and (kind in ("bool", "category") or is_finite(value))):
            raise fault(resolved, definition, f"{where}: {name} cannot be {value!r}", "patient", name, number=number)
    return dict(patient)


def _expected(stated: Any, name: str) -> tuple[str, ...]:
    """The keys at which it stands what a definition should give."""
    return ("expected", name) if isinstance(stated, dict) else ("expected",)


def shown(value: n.Value) -> str:
    """As a message writes it."""
    return "null" if value is None else repr(value)


def fault(
    resolved: Resolved, definition: Definition, message: str, *at: str, number: int = 0, value: bool = False
) -> PackError:
    """An error at the keys below the reference patient of this number, or in the definition."""
    below: Path = ("reference_patients", number - 1, *at) if number else at
    return resolved.pack.error(f"definition.{definition.id}", message, at=below, value=value)
