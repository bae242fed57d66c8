"""How a definition came to its result, by kind of definition: its rules as applied to one patient.

The rules as told must lead to the reference evaluator's result, else the trace is refused.
"""

from __future__ import annotations

from typing import Any

from popstrat.errors import TraceError
from popstrat.lang import nodes as n
from popstrat.pack import Definition
from popstrat.reasons.findings import Line
from popstrat.reasons.narrator import Narrator
from popstrat.reasons.phrases import answer, words


def lines(definition: Definition, narrator: Narrator) -> list[Line]:
    """The rules of a definition that is not a model, each with what it saw."""
    match definition.kind:
        case "first_match":
            return _first_match(definition, narrator)
        case "status":
            return _status(definition, narrator)
        case "tree":
            return _tree(definition, narrator)
        case "count":
            return [_count(definition, narrator)]
        case _:
            return [_expression(definition, narrator)]


def _agree(definition: Definition, narrator: Narrator, told: n.Value) -> None:
    """The rules as told must lead to the result."""
    value = narrator.named(definition.id)
    if told != value:
        raise TraceError(f"internal error: the rules of {definition.id} as told give {told!r}, not {value!r}")


def _expression(definition: Definition, narrator: Narrator) -> Line:
    node = definition.node
    if isinstance(node, n.Only):
        node = node.item
    schema = narrator.resolved.pack.schema
    if isinstance(node, n.Column) and schema[node.name].completed_years_since:
        birth = schema[node.name].completed_years_since
        born = birth is not None and narrator.patient.values.get(birth) is not None
        return Line("", "completed years since the date of birth" if born else "as given in the table", fired=True)
    return Line("", narrator.said(node, True), fired=True)


def _count(definition: Definition, narrator: Narrator) -> Line:
    node = definition.node
    while isinstance(node, n.Only):
        node = node.item
    if not isinstance(node, n.CountTrue):  # folded, or an expression after all
        return Line("", narrator.said(node, True), fired=True)
    return Line("", narrator.counted(node), fired=True)


def _first_match(definition: Definition, narrator: Narrator) -> list[Line]:
    lines = []
    for rule in definition.raw["rules"]:
        node = _parsed(definition, narrator, rule["when"])
        truth = narrator.value(node)
        lines.append(Line(words(rule["label"]), narrator.condition(node), answer(truth), truth is True))
        if truth is True:
            _agree(definition, narrator, rule["label"])
            return lines
    last = definition.raw.get("otherwise")
    _agree(definition, narrator, last)
    if last is None and all(line.answer == "unknown" for line in lines):
        return []  # the result says what is missing; a list of unknowns says nothing more
    lines.append(Line(words(last) if last else "otherwise", "none of the above", "yes" if last else "none", True))
    return lines


def _status(definition: Definition, narrator: Narrator) -> list[Line]:
    raw = definition.raw
    diagnosed = _parsed(definition, narrator, raw["diagnosed"])
    truth = narrator.value(diagnosed)
    lines = [Line("diagnosed", narrator.condition(diagnosed), answer(truth))]
    asked = "optimised" if truth is True else "undiagnosed"
    node = _parsed(definition, narrator, raw[asked])
    found = narrator.value(node)
    lines.append(Line(asked, narrator.condition(node), answer(found), True))
    if truth is True:
        _agree(definition, narrator, "optimised" if found is True else "unoptimised")
    else:
        _agree(definition, narrator, "undiagnosed" if found is True else "none")
    return lines


def _tree(definition: Definition, narrator: Narrator) -> list[Line]:
    nodes = {node["id"]: node for node in definition.raw["nodes"]}
    key = definition.raw["nodes"][0]["id"]
    lines = []
    while "value" not in nodes[key]:
        split = _parsed(definition, narrator, nodes[key]["split"])
        truth = narrator.value(split)
        lines.append(Line(f"node {key}", narrator.condition(split), answer(truth)))
        if truth is None:
            _agree(definition, narrator, None)
            return lines
        key = nodes[key]["yes" if truth else "no"]
    leaf = nodes[key]
    _agree(definition, narrator, leaf["value"])
    people = f", the mean of {leaf['n']:,} people" if isinstance(leaf.get("n"), int) else ""
    lines.append(Line(f"leaf {key}", f"{leaf['value']:,}{people}", "", True))
    return lines


def _parsed(definition: Definition, narrator: Narrator, text: Any) -> n.Node:
    return narrator.resolved.parse(definition.id, "rule", text, condition=True)
