"""Why a patient got what they got: rule by rule, term by term.

`trace` follows every output definition of a pack with the reference evaluator and writes down what each rule saw;
`render` prints that for a clinician. What is shown is checked on the way: the rules as told must lead to the
reference's result, and the reference's result must be the engine's, or the trace is refused as an internal error.
No patient identifier is read or shown, nor the date of birth.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from popstrat import bind
from popstrat.errors import TraceError as TraceError
from popstrat.lang import nodes as n
from popstrat.lang.values import on_grid
from popstrat.model import Model, Stratum
from popstrat.pack import Definition, Resolved
from popstrat.packs.evaluator import Patient, Reference
from popstrat.scorer import KEY_COLUMNS, PLACE_COLUMNS, Scorer

_SIGNS = {"<": "<", "<=": "≤", ">": ">", ">=": "≥", "==": "=", "!=": "≠"}
_ARITHMETIC = {"+": "+", "-": "−", "*": "×", "/": "/", "**": "^"}
_FEW = 4  # conditions that any() or count() may name one by one; beyond that only those that hold are named


@dataclass(frozen=True)
class Line:
    """One rule as applied: what it is called, what it saw, how it came out. `fired` marks the one that decided."""

    label: str
    saw: str
    answer: str = ""
    fired: bool = False


@dataclass(frozen=True)
class StandIn:
    """A model input that had no record (or lay beyond its bounds), and what was used in its place."""

    input: str
    used: str
    why: str


@dataclass(frozen=True)
class Contribution:
    """One term of a model that added something. `value` is 1 for a condition that holds."""

    id: str
    title: str
    value: float
    coefficient: float
    adds: float
    total: float  # the sum up to here
    evidence: str
    source: str


@dataclass(frozen=True)
class ModelTrace:
    """How a model came to its result: terms in the order in which they are summed, then the link."""

    start: float
    contributions: tuple[Contribution, ...]
    silent: int  # terms that added nothing
    linear_predictor: float
    link: str  # the last step, with its numbers
    stand_ins: tuple[StandIn, ...]
    missing: int | None  # inputs without a record, where the pack counts them
    missing_output: str | None
    disclaimer: str
    intended_use: str


@dataclass(frozen=True)
class Finding:
    """One definition for this patient. `parts` are definitions without a column of their own that it used and that
    were not shown before; `seen` are those that were."""

    id: str
    title: str
    output: str | None
    value: n.Value
    result: str
    lines: tuple[Line, ...]
    parts: tuple[Finding, ...] = ()
    seen: tuple[str, ...] = ()
    note: str = ""
    model: ModelTrace | None = None


@dataclass(frozen=True)
class SetAside:
    """A value that was not plausible, and read as no record."""

    column: str
    title: str
    value: str
    reason: str


@dataclass(frozen=True)
class Explanation:
    """Everything that `render` shows."""

    pack: str
    version: str
    title: str
    as_of: dt.date
    age: int | None
    sex: str
    set_aside: tuple[SetAside, ...]
    notices: tuple[str, ...]
    findings: tuple[Finding, ...]
    scored: Mapping[str, Any] = field(default_factory=dict)  # the engine's row, without keys

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        found = _plain(dataclasses.asdict(self))
        assert isinstance(found, dict)
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date) else value


# -- the row, as the engine reads it -----------------------------------------------------------------------------------


def _row(scorer: Scorer, batch: pa.RecordBatch) -> tuple[dict[str, Any], set[str]]:
    """The values of the one row after conversion of types, and which columns are held in 32-bit floats."""
    bindings = bind.plan(batch.schema, scorer.pack.schema, scorer.columns)
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


def trace(scorer: Scorer, table: pa.Table) -> Explanation:
    """Follow every output definition for the one row of `table`.

    Raises `InputError` for a table that cannot be scored, `ValueError` unless it has one row, `TraceError` if the
    reference and the engine differ.
    """
    if table.num_rows != 1:
        raise ValueError(f"a table of one row is needed, not of {table.num_rows}")
    batch = table.combine_chunks().to_batches()[0]
    bound = scorer.bind(batch.schema)
    scored = {
        k: v for k, v in bound.score(batch)[0].to_pylist()[0].items() if k not in (*KEY_COLUMNS, *PLACE_COLUMNS)
    } if scorer.profile == "direct-care" else {}  # fmt: skip
    row, singles = _row(scorer, batch)
    reference = Reference(scorer.resolved, set(row), singles)
    if scored:
        _compare(scorer.resolved, reference.score(row), scored)
    tracer = _Tracer(reference, row)
    findings = tuple(tracer.finding(d) for d in scorer.resolved.outputs if d.parent is None)
    schema, patient = scorer.pack.schema, tracer.patient
    age = next((c.name for c in schema if c.completed_years_since), None)
    years = reference.column(age, patient) if age else None
    sex = patient.values.get("sex")
    return Explanation(
        pack=scorer.pack.id,
        version=scorer.pack.version,
        title=scorer.pack.title,
        as_of=scorer.as_of,
        age=years if isinstance(years, int) else None,
        sex=sex if isinstance(sex, str) else "",
        set_aside=tuple(
            SetAside(c, schema[c].title, "" if c == "date_of_birth" else _value(row.get(c)), reason)
            for c, reason in patient.set_aside
        ),
        notices=tuple(dict.fromkeys([*scorer.notices, *bound.notices])),
        findings=findings,
        scored=scored,
    )


def _compare(resolved: Resolved, ours: Mapping[str, n.Value], engine: Mapping[str, Any]) -> None:
    """Refuse a trace of something that the engine did not give."""
    places = {str(d.output): d.raw.get("decimals", 6) for d in resolved.outputs if d.kind == "model"}
    for name, value in ours.items():
        other = engine[name]
        same = value == other
        if isinstance(value, float) and isinstance(other, float):
            # the two may sum in a different width, so the last rounded digit may differ
            same = math.isclose(value, other, rel_tol=1e-9, abs_tol=1.01 * 10.0 ** -places.get(name, 12))
        if not same:
            raise TraceError(f"internal error: {name} is {other!r} from the engine and {value!r} from the reference")


# -- following the rules -----------------------------------------------------------------------------------------------


def words(name: str) -> str:
    """A name as plain words."""
    return name.replace("_", " ")


def _value(value: Any) -> str:
    if value is None:
        return "no record"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e5 else f"{value:,.2f}"
    return value.isoformat() if isinstance(value, dt.date) else str(value)


def _answer(value: n.Value) -> str:
    return "unknown" if value is None else _value(value)


class _Tracer:
    """Says what a definition saw in one patient, each named part once."""

    def __init__(self, reference: Reference, row: Mapping[str, Any]) -> None:
        self.reference, self.resolved = reference, reference.resolved
        self.patient: Patient = reference.patient(row)
        self.aside = {column for column, _ in self.patient.set_aside}
        self.shown: set[str] = set()
        self.mentioned: list[str] = []

    def value(self, node: n.Node) -> n.Value:
        return self.reference.value(node, self.patient)

    # -- a definition --

    def finding(self, definition: Definition) -> Finding:
        """What the definition found, with the parts that it used."""
        outer, self.mentioned = self.mentioned, []
        value = self.reference.output(definition, self.patient)
        raw = definition.raw
        lines: list[Line] = []
        eligible = True
        model = None
        if "eligible" in raw:
            written = raw["eligible"]
            for text in [written] if isinstance(written, str) else [part["when"] for part in written]:
                condition = self.parse(definition, text)
                truth = self.value(condition)
                eligible = truth is True
                if not eligible or definition.kind == "model":
                    lines.append(Line("for whom", self.condition(condition), _answer(truth), not eligible))
                if not eligible:
                    break
        if eligible:
            match definition.kind:
                case "first_match":
                    lines += self.first_match(definition)
                case "status":
                    lines += self.status(definition)
                case "tree":
                    lines += self.tree(definition)
                case "model":
                    model = self.model(definition)
                case "count":
                    lines.append(self.count(definition))
                case _:
                    lines.append(self.expression(definition))
        result = self.result(definition, value)
        if not eligible:
            result = "not eligible" if value is None else result
        used = list(dict.fromkeys(self.mentioned))
        self.mentioned = outer
        parts, seen = [], []
        for ident in used:
            part = self.resolved.definitions[ident]
            if part.output is not None or part.parent is not None:
                continue  # it has a place of its own
            if ident in self.shown:
                seen.append(part.title)
            else:
                self.shown.add(ident)
                parts.append(self.finding(part))
        return Finding(
            definition.id, definition.title, definition.output, value, result, tuple(lines), tuple(parts), tuple(seen),
            self.version(definition), model,
        )  # fmt: skip

    def version(self, definition: Definition) -> str:
        """Which of several dated versions of the rule this is."""
        if not self.resolved.pack.raw["definition"].get(definition.id, {}).get("versions"):
            return ""
        raw = definition.raw
        start, end = raw.get("effective_from"), raw.get("effective_to")
        dates = " ".join(f"{word} {date}" for word, date in (("from", start), ("to", end)) if date is not None)
        return f"rule {raw['version']}{f', in force {dates}' if dates else ''}"

    def parse(self, definition: Definition, text: Any) -> n.Node:
        return self.resolved.parse(definition.id, "rule", text, condition=True)

    def result(self, definition: Definition, value: n.Value) -> str:
        if value is None:
            missing = self.missing(definition.node)
            return f"none ({_no_record(missing)})" if missing else "none"
        unit = definition.raw.get("unit", "")
        if isinstance(value, float):
            if definition.kind == "model" and definition.raw.get("link") != "identity":
                return f"{value:.6g} ({100 * value:.1f} %)"
            if unit[:1] in tuple("£€$"):
                return f"{unit[0]}{value:,.2f}{unit[1:]}"
        return f"{_value(value)}{f' {unit}' if unit else ''}" if not isinstance(value, str) else words(value)

    def agree(self, definition: Definition, told: n.Value) -> None:
        """The rules as told must lead to the result."""
        value = self.reference.named(definition.id, self.patient)
        if told != value:
            raise TraceError(f"internal error: the rules of {definition.id} as told give {told!r}, not {value!r}")

    def first_match(self, definition: Definition) -> list[Line]:
        lines = []
        for rule in definition.raw["rules"]:
            node = self.parse(definition, rule["when"])
            truth = self.value(node)
            lines.append(Line(words(rule["label"]), self.condition(node), _answer(truth), truth is True))
            if truth is True:
                self.agree(definition, rule["label"])
                return lines
        last = definition.raw.get("otherwise")
        self.agree(definition, last)
        if last is None and all(line.answer == "unknown" for line in lines):
            return []  # the result says what is missing; a list of unknowns says nothing more
        lines.append(Line(words(last) if last else "otherwise", "none of the above", "yes" if last else "none", True))
        return lines

    def status(self, definition: Definition) -> list[Line]:
        raw = definition.raw
        diagnosed = self.parse(definition, raw["diagnosed"])
        truth = self.value(diagnosed)
        lines = [Line("diagnosed", self.condition(diagnosed), _answer(truth))]
        asked = "optimised" if truth is True else "undiagnosed"
        node = self.parse(definition, raw[asked])
        found = self.value(node)
        lines.append(Line(asked, self.condition(node), _answer(found), True))
        if truth is True:
            self.agree(definition, "optimised" if found is True else "unoptimised")
        else:
            self.agree(definition, "undiagnosed" if found is True else "none")
        return lines

    def tree(self, definition: Definition) -> list[Line]:
        nodes = {node["id"]: node for node in definition.raw["nodes"]}
        key = definition.raw["nodes"][0]["id"]
        lines = []
        while "value" not in nodes[key]:
            split = self.parse(definition, nodes[key]["split"])
            truth = self.value(split)
            lines.append(Line(f"node {key}", self.condition(split), _answer(truth)))
            if truth is None:
                self.agree(definition, None)
                return lines
            key = nodes[key]["yes" if truth else "no"]
        leaf = nodes[key]
        self.agree(definition, leaf["value"])
        people = f", the mean of {leaf['n']:,} people" if isinstance(leaf.get("n"), int) else ""
        lines.append(Line(f"leaf {key}", f"{leaf['value']:,}{people}", "", True))
        return lines

    def count(self, definition: Definition) -> Line:
        node = definition.node
        while isinstance(node, n.Only):
            node = node.item
        if not isinstance(node, n.CountTrue):  # folded, or an expression after all
            return Line("", self.said(node, True), fired=True)
        return Line("", self.counted(node), fired=True)

    def expression(self, definition: Definition) -> Line:
        node = definition.node
        if isinstance(node, n.Only):
            node = node.item
        if isinstance(node, n.Column) and self.resolved.pack.schema[node.name].completed_years_since:
            birth = self.resolved.pack.schema[node.name].completed_years_since
            born = birth is not None and self.patient.values.get(birth) is not None
            return Line("", "completed years since the date of birth" if born else "as given in the table", fired=True)
        return Line("", self.said(node, True), fired=True)

    # -- a model --

    def model(self, definition: Definition) -> ModelTrace | None:
        raw, model = definition.raw, self.resolved.models[definition.id]
        place = next(
            (i for i, s in enumerate(model.strata) if s.when is None or self.value(s.when) is True), len(model.strata)
        )
        predictor = self.reference.named(model.predictor, self.patient)
        if place == len(model.strata) or predictor is None:
            return None
        stratum = model.strata[place]
        total, added, silent = on_grid(stratum.start), [], 0
        for term in model.terms:
            part = term.parts[place]
            value = None if part is None else self.value(part[0])
            if part is None or value is None:
                silent += 1
                continue
            node, weight = part
            number = float(value) if isinstance(value, bool | int | float) else math.nan
            adds = on_grid(number * weight)
            total += adds
            if adds == 0:
                silent += 1
                continue
            for inner in node.walk():
                if isinstance(inner, n.Named):
                    self.mentioned.append(inner.id)
            added.append(Contribution(term.id, term.title, number, weight, adds, total, term.evidence, term.source))
        if total != predictor:
            raise TraceError(f"internal error: the terms of {definition.id} add up to {total!r}, not {predictor!r}")
        missing = self.resolved.definitions.get(f"{definition.id}.inputs_missing")
        counted = self.reference.named(missing.id, self.patient) if missing else None
        stand_ins = self.stand_ins(definition)
        return ModelTrace(
            start=on_grid(stratum.start),
            contributions=tuple(added),
            silent=silent,
            linear_predictor=total,
            link=self.link(model, stratum, total),
            stand_ins=stand_ins,
            missing=int(counted) if isinstance(counted, int | float) else None,
            missing_output=missing.output if missing else None,
            disclaimer=raw.get("disclaimer", ""),
            intended_use=raw.get("intended_use", ""),
        )

    def link(self, model: Model, stratum: Stratum, total: float) -> str:
        """The last step, with its numbers; of a survival model one for each horizon."""
        whose = f", for {words(stratum.name)}" if stratum.name else ""

        def result(ident: str) -> str:
            value = self.reference.named(ident, self.patient)
            return f"{value:.6g}" if isinstance(value, int | float) else "none"

        match model.link:
            case "survival":
                told = [
                    f"{f'{words(horizon.id)}: ' if horizon.id else ''}1 − {survival} ^ exp({total:.6f}) = "
                    f"{result(horizon.definition)}"
                    for horizon, survival in zip(model.horizons, stratum.survival, strict=True)
                ]
                which = f"{stratum.survival[0]} being" if len(told) == 1 else "each with"
                return f"{'; '.join(told)}, {which} the baseline survival{whose}"
            case "logistic":
                return f"1 / (1 + exp({-total:.6f})) = {result(model.id)}"
            case _:
                return f"the sum itself, rounded: {result(model.id)}"

    def stand_ins(self, definition: Definition) -> tuple[StandIn, ...]:
        """Inputs without a record, and those beyond their bounds."""
        found = []
        for name, spec in definition.raw.get("inputs", {}).items():
            source = self.resolved.parse(definition.id, f"input {name}", spec.get("from", name))
            if isinstance(source, n.Coalesce) and source.text == source.item.text:
                source = source.item  # a null that reads as a label is still no record
            value = self.value(source)
            if value is None:
                default = spec["default"]
                if isinstance(default, str) and source.type.kind == "number":
                    default = self.value(self.resolved.parse(definition.id, f"input {name}, default", default))
                why = spec.get("why") or spec.get("source") or ""
                found.append(StandIn(words(name), _value(default), why))
                value = default
            if "clip" in spec and isinstance(value, int | float):
                low, high = spec["clip"]
                if not low <= value <= high:
                    used = min(max(value, low), high)
                    found.append(StandIn(words(name), _value(used), f"{_value(value)} lies beyond {low} to {high}"))
        return tuple(found)

    # -- conditions and values in words --

    def condition(self, node: n.Node, inside: bool = False) -> str:
        """A condition with the values it saw; inside others, each with its answer."""
        answer = f" ({_answer(self.value(node))})" if inside else ""
        match node:
            case n.And() | n.Or():
                named = self.listed(node)
                if named is not None:
                    return named
                joint = " and " if isinstance(node, n.And) else " or "
                text = joint.join(self.condition(i, True) for i in _flat(node))
                return f"[{text}]" if inside else text
            case n.Not(item=n.IsNull(item=item)):
                return f"{self.said(item)} has a value{answer}"
            case n.Not(item=n.And() | n.Or() as item):
                return f"not {self.condition(item, True)}"
            case n.Not(item=n.Column(name=name)):
                return f"not {words(name)}{answer}"
            case n.Not(item=n.Named(id=ident)):
                self.mentioned.append(ident)
                return f"not {words(ident)}{answer}"
            case n.Not():
                return f"not {self.condition(node.item)}{answer}"
            case n.IsNull():
                return f"{self.said(node.item)} has no value{answer}"
            case n.Compare():
                return f"{self.said(node.left)} {_SIGNS[node.op]} {self.said(node.right)}{answer}"
            case n.IsIn():
                return f"{self.said(node.item)} = {' or '.join(words(str(v)) for v in node.values)}{answer}"
            case n.Within():
                if node.item.name not in self.reference.columns:
                    how = ": its values count as current" if node.absent_is else ""
                    return f"{words(node.item.name)} is not in the table{how}{answer}"
                return f"{self.said(node.item)} in {node.start} to {node.end}{answer}"
            case n.Column():
                return f"{words(node.name)} ({_answer(self.value(node))})"
            case n.Named():
                self.mentioned.append(node.id)
                return f"{words(node.id)} ({_answer(self.value(node))})"
            case _:
                return f"{self.said(node)}{answer if not isinstance(node, n.Const) else ''}"

    def listed(self, node: n.And | n.Or) -> str | None:
        """any() or all() of a long list: only what decides is named."""
        if len(node.items) <= _FEW or not node.text.startswith(("any(", "all(")):
            return None
        decides = isinstance(node, n.Or)
        found = [i for i in node.items if self.value(i) is decides]
        what = words(node.text)
        if not found:
            return f"{what}: {'none' if decides else 'every one'} of {len(node.items)}"
        return f"{what}: {'' if decides else 'not '}{', '.join(self.short(i) for i in found)}"

    def short(self, node: n.Node) -> str:
        if isinstance(node, n.Named):
            self.mentioned.append(node.id)
        if isinstance(node, n.Column | n.Named):
            return words(node.name if isinstance(node, n.Column) else node.id)
        return self.said(node.item) if isinstance(node, n.IsIn) else self.condition(node)

    def counted(self, node: n.CountTrue) -> str:
        found = [self.short(i) for i in node.items if self.value(i) is True]
        unknown = [c for i in node.items if self.value(i) is None for c in self.missing(i)]
        text = f"{len(found)} of {len(node.items)}"
        if found:
            text += f": {', '.join(found)}"
        return text + (f" ({_no_record(list(dict.fromkeys(unknown)))})" if unknown else "")

    def said(self, node: n.Node, alone: bool = False) -> str:
        """A value in words: its name and what it is for this patient; `alone` where the result stands beside it."""
        value = self.value(node)
        match node:
            case n.Const():
                shown = _value(value) if not isinstance(value, str) else words(value)
                return f"{words(node.name)} {shown}" if node.name else shown
            case n.Column():
                if value is None:
                    return f"{words(node.name)} ({'set aside' if node.name in self.aside else 'no record'})"
                return f"{words(node.name)} {_value(value)}"
            case n.Named():
                self.mentioned.append(node.id)
                if value is None:
                    missing = self.missing(node)
                    return f"{words(node.id)} (none{f': {_no_record(missing)}' if missing else ''})"
                return f"{words(node.id)} {words(_value(value))}"
            case n.Coalesce():
                if isinstance(node.otherwise, n.Const) and node.text == node.item.text:
                    read = self.value(node.item)
                    shown = _value(value)
                    return f"{words(node.text)} {shown}" + (f" (no record reads as {shown})" if read is None else "")
                first = self.said(node.item)
                return first if self.value(node.item) is not None else f"{first}, else {self.said(node.otherwise)}"
            case n.Cases():
                return self.chosen(node)
            case n.Arithmetic():
                text = f"{self.said(node.left)} {_ARITHMETIC[node.op]} {self.said(node.right)}"
                if isinstance(node.left, n.Const) and node.left.value == 0 and not node.left.name and node.op == "-":
                    text = f"−{self.said(node.right)}"
                return text if alone else f"({text} = {_answer(value)})"
            case n.Call():
                text = f"{node.function}({', '.join(self.said(a, True) for a in node.arguments)})"
                return text if alone else f"{text} = {_answer(value)}"
            case n.CountTrue():
                return f"{words(node.text)} ({self.counted(node)})"
            case n.Only():
                return self.said(node.item) if value is not None else f"{self.condition(node.condition)} (no)"
            case _ if node.type.kind == "bool":
                return self.condition(node)
            case _:
                return f"{node.text} = {_answer(value)}"

    def chosen(self, node: n.Cases) -> str:
        """The branch that was taken, and what decided."""
        asked = []
        for condition, value in node.items:
            asked.append(f"{self.condition(condition)}: {_answer(self.value(condition))}")
            if self.value(condition) is True:
                return f"{self.said(value)} ({'; '.join(asked)})"
        return f"{self.said(node.otherwise)} ({'; '.join(asked)})"

    def missing(self, node: n.Node) -> list[str]:
        """The columns without a record that left a value unknown."""
        found: list[str] = []
        for part in self.undecided(node):
            found += [name for name in part if name not in found]
        return found

    def undecided(self, node: n.Node) -> Iterable[list[str]]:
        if node.type.kind == "bool" and self.value(node) is not None:
            return
        match node:
            case n.Column():
                if self.value(node) is None:
                    yield [node.name]
            case n.Named():
                yield self.missing(self.resolved.definitions[node.id].node)
            case n.Only():
                if self.value(node.condition) is not False:
                    yield self.missing(node.condition)
                    yield self.missing(node.item)
            case n.Cases():
                for condition, value in node.items:
                    yield self.missing(condition)
                    if self.value(condition) is True:
                        yield self.missing(value)
                        return
                yield self.missing(node.otherwise)
            case n.Coalesce():
                if self.value(node) is None:
                    yield self.missing(node.item)
                    yield self.missing(node.otherwise)
            case _:
                for child in node.children():
                    yield self.missing(child)


def _flat(node: n.And | n.Or) -> Iterable[n.Node]:
    """The parts of a chain of `and`, or of `or`."""
    for item in node.items:
        if type(item) is type(node) and isinstance(item, n.And | n.Or) and not item.text.startswith(("any(", "all(")):
            yield from _flat(item)
        else:
            yield item


def _no_record(columns: Sequence[str]) -> str:
    names = [words(c) for c in columns]
    if len(names) > 3:
        return f"no record of {', '.join(names[:3])} and {len(names) - 3} more"
    return f"no record of {' or '.join(names)}"


# -- on a terminal -----------------------------------------------------------------------------------------------------


def render(scorer: Scorer, table: pa.Table, console: Console) -> None:
    """Print why the one patient in `table` got what they got."""
    show(trace(scorer, table), console)


def show(explanation: Explanation, console: Console) -> None:
    """Print an explanation."""
    if console.is_terminal:
        _show(explanation, console)
        return
    with console.capture() as captured:
        _show(explanation, console)
    # grids are padded to their width, which a file can do without
    console.file.write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))


def _show(explanation: Explanation, console: Console) -> None:
    age = "age not known" if explanation.age is None else f"{explanation.age} years"
    sex = f", {explanation.sex}" if explanation.sex else ""
    console.print(Text(f"{explanation.pack} {explanation.version} · as of {explanation.as_of} · {age}{sex}", "bold"))
    for notice in explanation.notices:
        console.print(Padding(Text(f"note: {notice}", "dim"), (0, 0, 0, 2)))
    if explanation.set_aside:
        console.print()
        console.print(Text("Set aside as implausible, and read as no record", "bold yellow"))
        grid = _grid(2)
        for item in explanation.set_aside:
            grid.add_row(item.title, f"{item.value}: {item.reason}" if item.value else item.reason)
        console.print(Padding(grid, (0, 0, 0, 2)))
    for finding in explanation.findings:
        console.print()
        _show_finding(finding, console, 0)


def _grid(columns: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        grid.add_column(overflow="fold")
    return grid


def _show_finding(finding: Finding, console: Console, depth: int) -> None:
    heading = Table.grid(expand=True, padding=(0, 1, 0, 0))
    heading.add_column(ratio=1)
    heading.add_column(justify="right", no_wrap=False)
    title = Text(finding.title, "bold" if depth == 0 else "")
    about = [part for part in (finding.output, finding.note) if part]
    if about:
        title.append(f"  {', '.join(about)}", "dim not bold")
    heading.add_row(title, Text(finding.result, "bold" if depth == 0 else ""))
    # one answer column down the right edge, parts indented below what uses them
    console.print(Padding(heading, (0, 0, 0, 2 * depth)))
    if finding.model and finding.model.disclaimer:
        console.print(Padding(Text(finding.model.disclaimer, "yellow"), (0, 0, 0, 2 * depth + 2)))
    if finding.lines:
        _show_lines(finding.lines, console, depth)
    if finding.model:
        _show_model(finding.model, console, 2 * depth + 2)
    for part in finding.parts:
        _show_finding(part, console, depth + 1)
    if finding.seen:
        console.print(Padding(Text(f"as above: {'; '.join(finding.seen)}", "dim"), (0, 0, 0, 2 * depth + 2)))


def _show_lines(lines: Sequence[Line], console: Console, depth: int) -> None:
    grid = Table.grid(expand=True, padding=(0, 2, 0, 0))
    labels = any(line.label for line in lines)
    if labels:
        grid.add_column(width=max(len(line.label) for line in lines), no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    answers = any(line.answer for line in lines)
    if answers:
        grid.add_column(justify="right", width=max(len(line.answer) for line in lines), no_wrap=True)
    for line in lines:
        style = "bold" if line.fired and labels and len(lines) > 1 else ""
        cells = [Text(line.saw)]
        if labels:
            cells.insert(0, Text(line.label, style))
        if answers:
            cells.append(Text(line.answer, style or ("dim" if line.answer == "no" else "")))
        grid.add_row(*cells)
    console.print(Padding(grid, (0, 0, 0, 2 * depth + 2)))


def _show_model(model: ModelTrace, console: Console, indent: int) -> None:
    where = (0, 0, 0, indent)
    if model.stand_ins:
        console.print(Padding(Text("What stood in where there was no record, or a value beyond bounds"), where))
        grid = _grid(3)
        for item in model.stand_ins:
            grid.add_row(item.input, item.used, Text(item.why, "dim"))
        console.print(Padding(grid, (0, 0, 0, indent + 2)))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", expand=True)
    grid.add_column("term", max_width=35)
    grid.add_column("value × weight", justify="right", no_wrap=True)
    grid.add_column("adds", justify="right", no_wrap=True)
    grid.add_column("evidence and source", ratio=1, no_wrap=True, overflow="ellipsis")
    if model.start:
        grid.add_row("start", "", f"{model.start:.4f}", "")
    for term in model.contributions:
        product = "" if term.value == 1 else f"{term.value:.6g} × {term.coefficient:.4f}"
        source = Text(f"{term.evidence}: {term.source}", "dim")
        grid.add_row(Text(term.title), product, f"{term.adds:.4f}", source)
    if model.start or model.contributions:
        console.print(Padding(grid, where))
    many = f"{model.silent} other terms add" if model.silent != 1 else "1 other term adds"
    told = f"Sum {model.linear_predictor!r}, exactly the linear predictor; {many} nothing."
    console.print(Padding(Text(told), where))
    console.print(Padding(Text(model.link), where))
    if model.missing is not None:
        line = Text(f"Inputs without a record: {model.missing}")
        line.append(f"  {model.missing_output}", "dim")
        console.print(Padding(line, where))
    if model.intended_use:
        console.print(Padding(Text(model.intended_use, "dim"), where))
