"""``first_match``: rules in order, each with a label; the first that is true gives its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from popstrat.core.blocks import Block, code, table
from popstrat.packs import compared, shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness, agree
from popstrat.packs.phrases import answer, rule_code, words
from popstrat.packs.trace_parts import Line, Traced
from popstrat.packs.typed import label_cases

_RULE_KEYS = {"label", "when", "means", "source", "assumption"}


class FirstMatch(Kind):
    name = "first_match"
    called = "first match"
    rank = 3
    keys = frozenset({"rules", "otherwise", "labels"})
    told = (
        "`rules` of `label` and `when`, `otherwise`, `labels` (their order in the column)",
        "the first label whose rule is true; null if none is and there is no `otherwise`",
    )
    rules = ("eligible",)
    values = ("otherwise",)
    example = """
title = "Weight"
means = "By body mass index."
assumption = "Invented, to show the form"
version = "1.0"
rules = [
    { label = "obese", when = "bmi >= 30" },
    { label = "overweight", when = "bmi >= 25" },
]
otherwise = "neither"
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        rules = raw.get("rules")
        if not isinstance(rules, list) or not rules:
            raise builder.fault(ident, "needs `rules`, a list of { label, when }")
        items, found = [], []
        for number, rule in enumerate(rules, 1):
            if not isinstance(rule, dict):
                raise builder.fault(ident, f"rule {number} is not a table")
            builder.only(ident, rule, _RULE_KEYS)
            label = rule.get("label")
            if not isinstance(label, str) or not label:
                raise builder.fault(ident, f"rule {number} needs a `label`")
            found.append(label)
            at = ("rules", number - 1, "when")
            when = builder.parse(ident, f"rule {number}, {label}", rule.get("when"), condition=True, at=at)
            items.append((when, label))
        last = raw.get("otherwise")
        if last is not None and not isinstance(last, str):
            raise builder.fault(ident, "`otherwise` is a label", "otherwise")
        used = list(dict.fromkeys([*found, *([last] if last else [])]))
        labels = raw.get("labels", used)
        if not isinstance(labels, list) or sorted(map(repr, labels)) != sorted(map(repr, used)):
            raise builder.fault(ident, "`labels`, where given, lists each label of the rules once", "labels")
        return Built(
            label_cases(items, last, tuple(labels)), {f"rule {i}": node for i, (node, _) in enumerate(items, 1)}
        )

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from shapes.texts(raw.get("rules"), "when")

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        for rule in raw.get("rules", ()):
            if rule.get("assumption"):
                yield code(rule["label"]), rule["assumption"]

    def page(self, raw: Raw, names: Names) -> list[Block]:
        rows = [
            (
                str(i),
                code(r["label"]),
                rule_code(r["when"]),
                r.get("means", ""),
                r.get("source", r.get("assumption", "")),
            )
            for i, r in enumerate(raw["rules"], 1)
        ]
        if raw.get("otherwise"):
            rows.append((str(len(rows) + 1), code(raw["otherwise"]), "otherwise", "none of the above", ""))
        else:
            rows.append(("", "null", "otherwise", "none of the above", ""))
        return [table(("order", "label", "first rule that holds", "in words", "source or assumption"), rows, (0,))]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        lines = []
        for number, rule in enumerate(definition.raw["rules"], 1):
            node = definition.rules[f"rule {number}"]
            truth = witness.value(node)
            lines.append(Line(words(rule["label"]), witness.condition(node), answer(truth), truth is True))
            if truth is True:
                agree(definition, witness, rule["label"])
                return Traced(tuple(lines))
        last = definition.raw.get("otherwise")
        agree(definition, witness, last)
        if last is None and all(line.answer == "unknown" for line in lines):
            return Traced(())  # the result says what is missing; a list of unknowns says nothing more
        lines.append(Line(words(last) if last else "otherwise", "none of the above", "yes" if last else "none", True))
        return Traced(tuple(lines))

    def differences(self, before: Raw, after: Raw) -> Said:
        if "rules" in before or "rules" in after:
            yield from _ordered(before.get("rules", ()), after.get("rules", ()))
        if before.get("labels") != after.get("labels"):
            told = f"{_listing(before.get('labels'))} → {_listing(after.get('labels'))}"
            yield "changed", f"order of labels {told}"


def _ordered(x: Sequence[Mapping[str, Any]], y: Sequence[Mapping[str, Any]]) -> Said:
    old, new = _numbered(x), _numbered(y)
    for key, rule in old.items():
        if key not in new:
            yield "removed", f"rule for {code(key[0])}: {rule_code(rule['when'])}"
    for number, (key, rule) in enumerate(new.items(), 1):
        if key not in old:
            yield "added", f"rule {number}, for {code(key[0])}: {rule_code(rule['when'])}"
            continue
        yield from compared.rule(f"rule for {code(key[0])}", old[key]["when"], rule["when"])
        yield from compared.wording(old[key], rule, f" of the rule for {code(key[0])}")
    before, after = [k for k in old if k in new], [k for k in new if k in old]
    if before != after:
        yield "changed", f"order of rules {_listing([k[0] for k in before])} → {_listing([k[0] for k in after])}"


def _numbered(rules: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Rules by label, and where a label has several, by which of them."""
    found: dict[tuple[str, int], Mapping[str, Any]] = {}
    for rule in rules:
        number = sum(label == rule["label"] for label, _ in found)
        found[rule["label"], number] = rule
    return found


def _listing(labels: Sequence[str] | None) -> str:
    return "as in the rules" if labels is None else ", ".join(map(code, labels))
