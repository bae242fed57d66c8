"""Reference patients: made-up people whose result is stated in the pack, and is checked whenever the pack is used.

They are what tells a model that was typed in wrongly, or edited by hand afterwards, from the one that was meant.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from popstrat.core.text import suggest
from popstrat.errors import PackError
from popstrat.lang import nodes as n

if TYPE_CHECKING:
    from popstrat.pack import Definition, Resolved
    from popstrat.scorer import Scorer

FEWEST = 3  # for a model
_KEYS = {"title", "patient", "expected", "tolerance", "source"}


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
        different: list[Mapping[str, Any]] = []
        for found in outcomes(resolved, definition):
            if not found.agrees:
                _disagrees(resolved, definition, found)
            if found.expected is not None and found.patient not in different:
                different.append(found.patient)
        if definition.kind == "model" and not definition.raw.get("draft"):
            if len(different) < FEWEST:
                raise _fail(
                    resolved, definition,
                    f"a model has at least {FEWEST} `reference_patients`, each another `patient` and what is "
                    f"`expected`, not null; this has {len(different)} (while you are still working on it, say "
                    "`draft = true`)",
                )  # fmt: skip
        elif definition.kind == "model":
            resolved.notices.append(f"{definition.title} is a draft: nothing vouches for its coefficients")


def _disagrees(resolved: Resolved, definition: Definition, found: Found) -> None:
    """Refuse the pack; but where a pack changes what a rule of another pack rests on, that pack's reference patients
    show the rule as it was, so that only a notice is due. A model is never taken on trust."""
    own = tomllib.loads(resolved.pack.sources[0].text).get("definition", {})
    restated = "reference_patients" in own.get(definition.id, {})
    if definition.kind != "model" and not restated and len(resolved.pack.sources) > 1:
        notice = f"{definition.title}: the reference patients of the pack it comes from no longer hold"
        if notice not in resolved.notices:
            resolved.notices.append(notice)
        return
    title = f" ({found.title})" if found.title else ""
    alone = restated or len(resolved.pack.sources) == 1
    hint = "" if alone else "; what changes a model states its `reference_patients` again"
    raise _fail(
        resolved, definition,
        f"reference patient {found.number}{title}: {found.definition} should be {_shown(found.expected)} and is "
        f"{_shown(found.found)}{hint}", _written(found.expected), found.number,
    )  # fmt: skip


def outcomes(resolved: Resolved, definition: Definition) -> Iterator[Found]:
    """What each reference patient of a definition should get, and gets."""
    entries = definition.raw.get("reference_patients", [])
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise _fail(resolved, definition, "`reference_patients` is a list of tables", "reference_patients")
    if not entries:
        return
    from popstrat.packs.evaluator import Reference

    places = definition.raw.get("decimals", 6) if definition.kind == "model" else 9
    for number, entry in enumerate(entries, 1):
        patient = _patient(resolved, definition, entry, number)
        reference = Reference(resolved, set(patient))
        known = reference.patient(patient)
        if known.set_aside:
            column, reason = known.set_aside[0]
            raise _fail(resolved, definition, f"reference patient {number}: {column}: {reason}", column, number)
        expected = entry.get("expected")
        wanted = expected if isinstance(expected, dict) else {definition.id: expected}
        if not wanted:
            raise _fail(resolved, definition, f"reference patient {number} needs `expected`", "expected", number)
        tolerance = entry.get("tolerance", 0.5 * 10.0**-places * (1 + 1e-9))
        if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
            raise _fail(
                resolved, definition, f"reference patient {number}: `tolerance` is a number", "tolerance", number
            )
        for name, value in wanted.items():
            if name not in resolved.definitions:
                near = suggest(name, resolved.definitions)
                raise _fail(
                    resolved, definition, f"reference patient {number}: no definition {name!r}{near}", name, number
                )
            if value is None:
                raise _fail(resolved, definition, f"reference patient {number} needs `expected`", "", number)
            found = reference.output(resolved.definitions[name], known)
            meant = None if value == "null" else value
            yield Found(name, number, str(entry.get("title", "")), patient, meant, found, float(tolerance))


def _patient(resolved: Resolved, definition: Definition, entry: Mapping[str, Any], number: int) -> dict[str, Any]:
    schema = resolved.pack.schema
    where = f"reference patient {number}"
    for key in entry:
        if key not in _KEYS:
            raise _fail(resolved, definition, f"{where}: unknown key {key!r}{suggest(key, _KEYS)}", key, number)
    patient = entry.get("patient")
    if not isinstance(patient, dict) or not patient:
        raise _fail(resolved, definition, f'{where} needs a `patient`: {{ age = 70, sex = "female" }}', "", number)
    for name, value in patient.items():
        if name not in schema or schema[name].type in ("id", "string"):
            near = suggest(name, [c.name for c in schema if c.type not in ("id", "string")])
            raise _fail(
                resolved, definition, f"{where}: the patient table has no column {name!r} to score{near}", name, number
            )
        if schema[name].type == "date":
            raise _fail(
                resolved, definition,
                f"{where}: {name} is a date, which would mean something else on each as-of date: give the age, and "
                "leave dates out (values count as current then)", name, number,
            )  # fmt: skip
        types: dict[str, Any] = {"bool": bool, "int": int, "float": (int, float), "category": str}
        kind = schema[name].type
        fits = isinstance(value, types[kind]) and (kind == "bool" or not isinstance(value, bool))
        if not fits:
            raise _fail(resolved, definition, f"{where}: {name} cannot be {value!r}", name, number)
    return dict(patient)


def _written(value: n.Value) -> str:
    """As a pack writes it."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: n.Value) -> str:
    return "null" if value is None else repr(value)


def _fail(resolved: Resolved, definition: Definition, message: str, text: str = "", number: int = 0) -> PackError:
    """An error that points at `text` in the reference patient of this number, or in the definition."""
    entry = ("reference_patients", number) if number else ""
    return resolved.error(definition.id, message, text=text, end=len(text), entry=entry)


def check_engine(scorer: Scorer) -> int:
    """As `check`, with the compiled engine in place of the readable evaluator; returns how many results were compared.

    The two are held against each other by popstrat's own tests; this holds the engine to the pack at hand.
    """
    import pyarrow as pa

    from popstrat.scorer import BoundScorer

    resolved, schema = scorer.resolved, scorer.pack.schema
    compared = 0
    for definition in [d for d in resolved.definitions.values() if d.parent is None]:
        for number, found in enumerate(outcomes(resolved, definition), 1):
            wanted = resolved.definitions[found.definition]
            row = {"patient_id": 1, "practice_code": "A", "age": None, "sex": None} | dict(found.patient)
            types = {n: pa.float64() if schema[n].type == "float" else schema[n].dtype for n in row}
            batch = pa.record_batch({n: pa.array([value], types[n]) for n, value in row.items()})
            one = replace(wanted, output="result")
            scored = BoundScorer(scorer, batch.schema, instead=[one]).score(batch)[0]
            value = scored.column(scored.schema.get_field_index("result"))[0].as_py()
            compared += 1
            if not replace(found, found=value).agrees:
                raise _fail(
                    resolved, definition,
                    f"reference patient {number}: the engine gives {_shown(value)} for {found.definition}, not "
                    f"{_shown(found.expected)}",
                )  # fmt: skip
    return compared
