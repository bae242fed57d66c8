"""A definition's rules on its page, by kind of definition: each version of it as paragraphs, tables and outlines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from popstrat.core.blocks import Block, Outline, Table, code, table
from popstrat.model import TermText, term_texts
from popstrat.packs.names import Names

KINDS = {
    "expression": "rule",
    "count": "count",
    "first_match": "first match",
    "status": "status",
    "tree": "decision tree",
    "model": "model",
}
"""What each kind of definition is called on a page."""


def rules(kind: str, version: Mapping[str, Any], names: Names) -> list[Block]:
    """What a version of a definition says, who is eligible and the reference patients aside."""
    match kind:
        case "expression":
            return _expression(version)
        case "count":
            return _count(version, names)
        case "first_match":
            return _first_match(version)
        case "status":
            return _status(version)
        case "tree":
            return _tree(version)
        case _:
            return _model(version)


# -- expressions, counts, first matches, statuses, trees ---------------------------------------------------------------


def _expression(version: Mapping[str, Any]) -> list[Block]:
    return [f"Rule: {code(version['value'])}"]


def _count(version: Mapping[str, Any], names: Names) -> list[Block]:
    of: str | list[str] = version["of"]
    if isinstance(of, str) and names.is_set(of):
        return [f"Counts the conditions of {names.link(of)} that are recorded."]
    items = [of] if isinstance(of, str) else of
    return [table(("counts one for each of these that is true",), [(code(i),) for i in items])]


def _first_match(version: Mapping[str, Any]) -> list[Block]:
    rows = [
        (str(i), code(r["label"]), code(r["when"]), r.get("means", ""), r.get("source", r.get("assumption", "")))
        for i, r in enumerate(version["rules"], 1)
    ]
    if version.get("otherwise"):
        rows.append((str(len(rows) + 1), code(version["otherwise"]), "otherwise", "none of the above", ""))
    else:
        rows.append(("", "null", "otherwise", "none of the above", ""))
    return [table(("order", "label", "first rule that holds", "in words", "source or assumption"), rows, (0,))]


def _status(version: Mapping[str, Any]) -> list[Block]:
    diagnosed = code(version["diagnosed"])
    rows = [
        (code("optimised"), "diagnosed, and at target", f"{diagnosed} and {code(version['optimised'])}"),
        (code("unoptimised"), "diagnosed, and not known to be at target", f"{diagnosed}, otherwise"),
        (code("undiagnosed"), "not diagnosed, and the record suggests it", code(version["undiagnosed"])),
        (code("none"), "none of these", "otherwise"),
    ]
    return [table(("label", "in words", "rule"), rows)]


def _tree(version: Mapping[str, Any]) -> list[Block]:
    nodes = {node["id"]: node for node in version["nodes"]}
    lines: list[tuple[int, str]] = []

    def people(node: Mapping[str, Any]) -> str:
        return f" (n = {node['n']:,})" if isinstance(node.get("n"), int) else ""

    def descend(key: Any, depth: int, reason: str) -> None:
        node = nodes[key]
        if "value" in node:
            lines.append((depth, f"{reason}**{node['value']:,}**{people(node)}"))
            return
        lines.append((depth, f"{reason}{code(node['split'])}{people(node)}"))
        descend(node["yes"], depth + 1, "yes: ")
        descend(node["no"], depth + 1, "no: ")

    descend(version["nodes"][0]["id"], 0, "")
    told = "Each line asks its question; the answer leads one step in, and a bold number is the result."
    return [told, Outline(tuple(lines))]


# -- models ------------------------------------------------------------------------------------------------------------


def _model(version: Mapping[str, Any]) -> list[Block]:
    blocks: list[Block] = [_formula(version)]
    strata = version.get("strata", {})
    if strata:
        blocks.append(
            table(("stratum", "first that holds"), [(code(name), code(when)) for name, when in strata.items()])
        )
    again = version.get("recalibration")
    if again:
        blocks.append(
            f"Recalibrated: LP is replaced by {_by_stratum(again.get('intercept', 0))} + "
            f"{_by_stratum(again.get('slope', 1))} × LP."
        )
    blocks.append(_terms(version))
    if version.get("derived"):
        blocks.append(_derived(version["derived"]))
    if version.get("inputs"):
        blocks.append("What stands in where an input has no record:")
        blocks.append(_inputs(version["inputs"]))
    if "missing_output" in version:
        blocks.append(f"How many of them had no record is in the column {code(version['missing_output'])}.")
    return blocks


def _formula(version: Mapping[str, Any]) -> str:
    """From the sum of the terms to the result."""
    baselines = version.get("horizons") or [{"baseline_survival": version.get("baseline_survival")}]
    told = "; ".join(
        (f"{h.get('title', h['id'])}: " if "id" in h else "") + _by_stratum(h["baseline_survival"])
        for h in baselines
        if h["baseline_survival"] is not None
    )
    steps = {
        "survival": f"risk = 1 − S₀ ^ exp(LP), where the baseline survival S₀ is {told}",
        "logistic": "risk = 1 / (1 + exp(−LP))",
        "identity": "result = LP",
    }
    total = f"LP, the linear predictor, is {_by_stratum(version.get('intercept', 0.0))} plus the sum of the terms below"
    return f"{total}; {steps[version['link']]}, rounded to {version.get('decimals', 6)} places."


def _terms(version: Mapping[str, Any]) -> Table:
    rows = [_term(term, version["link"] != "identity") for term in term_texts(version)]
    headings = ("term", "where true, or times", "coefficient", "exp(coefficient)", "evidence", "source or reason")
    return table(headings, rows, (2, 3))


def _term(term: TermText, ratio: bool) -> tuple[str, ...]:
    by = isinstance(term.coefficient, dict)
    weights = term.coefficient if by else {"": term.coefficient}
    shown = "; ".join(f"{f'{name}: ' if by else ''}{_coefficient(w)}" for name, w in weights.items())
    curved = "**" in term.text or "ln(" in term.text or "×" in term.text  # a ratio for each unit means nothing there
    ratios = "; ".join(f"{math.exp(w):.3f}" for w in weights.values()) if ratio and not curved else ""
    rule = term.text if term.form == "product" else code(term.text)
    if term.center is not None:
        rule = f"{rule} − {_by_stratum(term.center)}"
    return term.title, rule, shown, ratios, term.evidence, term.source


def _derived(derived: Mapping[str, Any]) -> Table:
    rows = []
    for name, made in derived.items():
        body = made if isinstance(made, dict) else {"value": made}
        centred = f" − {body['center']}" if "center" in body else ""
        rows.append((code(name), f"{code(body['value'])}{centred}", str(body.get("why", body.get("source", "")))))
    return table(("derived value", "is", "why"), rows)


def _inputs(inputs: Mapping[str, Any]) -> Table:
    rows = [
        (code(name), code(spec["from"]) if "from" in spec else "", code(spec["default"]),
         "{} to {}".format(*spec["clip"]) if "clip" in spec else "", spec.get("why", spec.get("source", "")))
        for name, spec in inputs.items()
    ]  # fmt: skip
    return table(("input", "from", "stands in", "kept within", "why"), rows)


def _coefficient(x: float) -> str:
    """Every digit that the pack has, and at least four places, so that it can be held against what was published."""
    return max(f"{x:.4f}", repr(float(x)), key=len)


def _by_stratum(value: Any) -> str:
    """A number, or one for each stratum."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:.15g}" for name, number in value.items())
    return f"{value:.15g}"
