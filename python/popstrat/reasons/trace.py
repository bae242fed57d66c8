"""Why a patient got what they got: every output definition of a pack followed for one patient.

What is told is checked on the way: the rules as told must lead to the reference evaluator's result, and that must be
the engine's, or the trace is refused as an internal error.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from popstrat.errors import TraceError
from popstrat.lang import nodes as n
from popstrat.packs.alike import LIKE
from popstrat.packs.definition import Definition
from popstrat.packs.evaluator import Reference
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.packs.phrases import answer, no_record, shown, words
from popstrat.packs.resolved import Resolved
from popstrat.packs.sentences import MONEY
from popstrat.packs.trace_parts import Line, Traced
from popstrat.reasons.findings import Explanation, Finding, SetAside
from popstrat.reasons.narrator import Narrator
from popstrat.reasons.sentences import Sentences
from popstrat.reasons.short import in_order
from popstrat.scoring import columns as bind
from popstrat.scoring.scorer import Scorer


def trace(scorer: Scorer, table: pa.Table, sentences: Sentences | None = None) -> Explanation:
    """Follow every output definition for the one row of `table`; what there is to say of the patient is told if the
    pack's ``sentences`` are given.

    Raises `InputError` for a table that cannot be scored, `ValueError` unless it has one row, `TraceError` if the
    reference and the engine differ.
    """
    if table.num_rows != 1:
        raise ValueError(f"a table of one row is needed, not of {table.num_rows}")
    batch = table.combine_chunks().to_batches()[0]
    bound = scorer.bind(batch.schema)
    besides = {str(d.output): d for d in scorer.besides}
    passed = {*KEY_COLUMNS, *PLACE_COLUMNS, *besides}
    found = bound.score(batch)[0].to_pylist() if scorer.profile == "direct-care" else [{}]
    scored = {k: v for k, v in found[0].items() if k not in passed}
    row, singles = _row(scorer, batch, () if sentences is None else sentences.columns_needed)
    reference = Reference(scorer.resolved, set(row), singles)
    if scored:
        _compare(scorer.resolved, reference.score(row), scored)
        _compare_counted(besides, reference, row, found[0])
    narrator = Narrator(reference, row)
    told = () if sentences is None else sentences.of_patient(reference, narrator.patient)
    follower = _Follower(narrator)
    outputs = in_order([d for d in scorer.resolved.outputs if d.parent is None], told)
    outputs += [
        d
        for d in counted(scorer.resolved)
        if scorer.besides and all(narrator.value(condition) is True for condition in d.eligible)
    ]
    findings = tuple(follower.finding(replace(d, output=None) if KINDS[d.kind].counted else d) for d in outputs)
    schema, patient = scorer.pack.schema, narrator.patient
    years = reference.column(schema.either[0][1], patient) if schema.either else None
    sex = patient.values.get("sex")
    return Explanation(
        pack=scorer.pack.id,
        version=scorer.pack.version,
        title=scorer.pack.title,
        as_of=scorer.as_of,
        age=years if isinstance(years, int) else None,
        sex=sex if isinstance(sex, str) else "",
        set_aside=tuple(
            SetAside(c, schema[c].title, "" if c == "date_of_birth" else shown(row.get(c)), reason)
            for c, reason in patient.set_aside
            if c in reference.used
        ),
        notices=tuple(dict.fromkeys([*scorer.notices, *bound.notices])),
        findings=findings,
        scored=scored,
        told=told,
    )


def counted(resolved: Resolved) -> list[Definition]:
    """What a pack counts of people and does not write, as what a `Scorer` works out besides: an explanation tells of
    those whose denominator the patient is in."""
    found = (d for d in resolved.definitions.values() if KINDS[d.kind].counted and d.rules)
    return [replace(d, output=f"counted {d.id}") for d in found]


def _row(scorer: Scorer, batch: pa.RecordBatch, besides: Collection[str]) -> tuple[dict[str, Any], set[str]]:
    """The values of the one row after conversion of types, and which columns are held in 32-bit floats: what the
    definitions read, what is read ``besides``, and who it is, read or not."""
    schema = scorer.pack.schema
    who = [name for pair in schema.either for name in pair] + [c.name for c in schema if c.required]
    bindings = bind.plan(batch.schema, schema, [c.name for c in schema if c.name in {*scorer.columns, *besides, *who}])
    row: dict[str, Any] = {}
    singles = set()
    for name, binding in bindings.items():
        if binding.kind == "id":
            continue
        array = batch.column(binding.position)
        if binding.convert is not None:
            array = binding.convert(array)
        if pa.types.is_float32(array.type):
            singles.add(name)
        try:
            row[name] = array[0].as_py()
        except (OverflowError, ValueError):  # a date that Python's calendar does not reach
            row[name] = dt.date.max if array.cast(pa.int32())[0].as_py() > 0 else dt.date.min
    return row, singles


def _compare(resolved: Resolved, ours: Mapping[str, n.Value], engine: Mapping[str, Any]) -> None:
    """Refuse a trace of something that the engine did not give."""
    places = {str(d.output): p for d in resolved.outputs if (p := KINDS[d.kind].places(d.raw)) is not None}
    for name, value in ours.items():
        other = engine[name]
        same = value == other
        if isinstance(value, float) and isinstance(other, float):
            # the two may sum in a different width, so the last rounded digit may differ
            same = math.isclose(value, other, rel_tol=1e-9, abs_tol=1.01 * 10.0 ** -places.get(name, 12))
        if not same:
            raise TraceError(f"internal error: {name} is {other!r} from the engine and {value!r} from the reference")


def _compare_counted(
    besides: Mapping[str, Definition], reference: Reference, row: Mapping[str, Any], engine: Mapping[str, Any]
) -> None:
    """Refuse a trace of something that the engine did not count."""
    patient = reference.patient(row)
    for name, definition in besides.items():
        ours = reference.output(definition, patient)
        if ours != engine[name]:
            raise TraceError(f"internal error: {name} is {engine[name]!r} from the engine and {ours!r} otherwise")


# -- following the rules -----------------------------------------------------------------------------------------------


class _Follower:
    """Follows definitions for one patient; those without a column of their own once, where they are first used."""

    def __init__(self, narrator: Narrator) -> None:
        self.narrator, self.resolved = narrator, narrator.resolved
        self._shown: set[str] = set()

    def finding(self, definition: Definition) -> Finding:
        """What the definition found, with the parts that it used."""
        value = self.narrator.reference.output(definition, self.narrator.patient)
        with self.narrator.listening() as mentioned:
            lines, unmet = self._eligible(definition)
            traced = Traced(()) if unmet else KINDS[definition.kind].trace(definition, self.narrator)
            result = self._without(definition, unmet) if unmet and value is None else self._result(definition, value)
        parts, seen = self._parts(mentioned)
        return Finding(
            definition.id, definition.title, definition.output, value, result, (*lines, *traced.lines), parts, seen,
            self._note(definition), traced.model, str(definition.raw.get("caveat", "")),
            str(definition.raw.get("unit", ""))[:1] in MONEY,
        )  # fmt: skip

    def _eligible(self, definition: Definition) -> tuple[list[Line], n.Node | None]:
        """For whom the definition is, told where it says something, and the condition that keeps this patient out: the
        first that is not met, or else the first that cannot be told."""
        truths = [self.narrator.value(condition) for condition in definition.eligible]
        decisive = truths.index(False) if False in truths else truths.index(None) if None in truths else len(truths)
        lines: list[Line] = []
        for condition, truth in [*zip(definition.eligible, truths, strict=True)][: decisive + 1]:
            if truth is not True or KINDS[definition.kind].tells_eligible:
                told = self.narrator.condition(condition)
                lines.append(Line("for whom", told, answer(truth), truth is not True))
        return lines, definition.eligible[decisive] if decisive < len(truths) else None

    def _without(self, definition: Definition, unmet: n.Node) -> str:
        """Why there is no result: what a record is needed of is not there, or it is for other people."""
        model = self.resolved.models.get(definition.id)
        if model is not None:
            reason = self.narrator.value(model.why)
            return "not eligible" if reason in model.stated else f"none ({reason})"
        missing = self.narrator.missing(unmet) if self.narrator.value(unmet) is None else ()
        return f"none ({no_record(missing)})" if missing else "not eligible"

    def _parts(self, mentioned: Iterable[str]) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """Definitions without a place of their own: those not shown yet, and the titles of those that were."""
        parts, seen = [], []
        for ident in dict.fromkeys(mentioned):
            part = self.resolved.definitions[ident]
            if part.output is not None or part.parent is not None or KINDS[part.kind].counted:
                continue  # it has a place of its own
            if ident in self._shown:
                seen.append(part.title)
            else:
                self._shown.add(ident)
                parts.append(self.finding(part))
        return tuple(parts), tuple(seen)

    def _note(self, definition: Definition) -> str:
        """What there is to say of the rule: its version, and which it is like."""
        like = definition.raw.get(LIKE)
        told = [self._version(definition), f"like {self.resolved.definitions[like].title}" if like else ""]
        return ", ".join(part for part in told if part)

    def _version(self, definition: Definition) -> str:
        """Which of several dated versions of the rule this is."""
        if not self.resolved.pack.raw["definition"].get(definition.id, {}).get("versions"):
            return ""
        raw = definition.raw
        start, end = raw.get("effective_from"), raw.get("effective_to")
        dates = " ".join(f"{word} {date}" for word, date in (("from", start), ("to", end)) if date is not None)
        return f"rule {raw['version']}{f', in force {dates}' if dates else ''}"

    def _result(self, definition: Definition, value: n.Value) -> str:
        if value is None:
            missing = self.narrator.missing(definition.node)
            return f"none ({no_record(missing)})" if missing else "none"
        unit = definition.raw.get("unit", "")
        told = KINDS[definition.kind].result(definition.raw, value)
        if told is not None:
            return told
        if isinstance(value, float) and unit[:1] in MONEY:
            return f"{unit[0]}{value:,.2f}{unit[1:]}"
        return f"{shown(value)}{f' {unit}' if unit else ''}" if not isinstance(value, str) else words(value)
