"""``tree``: questions that lead to a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from popstrat.core.blocks import Block, Outline
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.parser import DEEPEST, cases, conjunction, negation
from popstrat.packs import compared, shapes
from popstrat.packs.builder import Builder, Raw
from popstrat.packs.compared import Said
from popstrat.packs.definition import Definition
from popstrat.packs.kinds.kind import Built, Kind, Names, Witness, agree
from popstrat.packs.phrases import answer, rule_code
from popstrat.packs.trace_parts import Line, Traced

_NODE_KEYS = {"id", "split", "yes", "no", "value", "n", "mean", "note"}


class Tree(Kind):
    name = "tree"
    called = "decision tree"
    rank = 5
    keys = frozenset({"nodes"})
    told = (
        "`nodes`: `id` with `split`, `yes` and `no`, or with `value`",
        "the number of the leaf; null if a split is unknown",
    )
    rules = ("eligible",)
    values = ()
    example = """
title = "Minutes of an appointment"
means = "Longer for people of 75 and over, and with many medicines."
assumption = "Invented, to show the form"
version = "1.0"
nodes = [
    { id = 1, split = "age >= 75", yes = 2, no = 3 },
    { id = 2, value = 20 },
    { id = 3, split = "medicines_count >= 10", yes = 4, no = 5 },
    { id = 4, value = 15 },
    { id = 5, value = 10 },
]
output = true
"""

    def build(self, builder: Builder, ident: str, raw: Raw) -> Built:
        table = raw.get("nodes")
        if not isinstance(table, list) or not table:
            raise builder.fault(ident, "needs `nodes`, a list of splits and leaves")
        by_id: dict[Any, dict[str, Any]] = {}

        def fail(message: str, at: str) -> PackError:
            return builder.fault(ident, message, at)

        for node in table:
            if not isinstance(node, dict) or "id" not in node:
                raise builder.fault(ident, "every node has an `id`")
            builder.only(ident, node, _NODE_KEYS)
            if node["id"] in by_id:
                raise fail(f"node {node['id']} stands twice", f"id = {node['id']}")
            by_id[node["id"]] = node
        used: set[Any] = set()
        items: list[tuple[n.Node, n.Node]] = []
        splits: dict[str, n.Node] = {}

        def descend(key: Any, path: list[n.Node], at: str) -> None:
            if key in used:
                raise fail(f"node {key} is reached twice", at)
            if len(path) >= DEEPEST:
                raise fail(f"node {key} comes after {DEEPEST} questions, which is the most", at)
            if key not in by_id:
                raise fail(f"there is no node {key}", at)
            used.add(key)
            node, here = by_id[key], f"id = {key}"
            if "value" in node:
                if "split" in node or not shapes.is_number(node["value"]):
                    raise fail(f"node {key}: a leaf has a number as its `value` and no split", here)
                items.append((conjunction(path, f"leaf {key}"), n.Const(n.NUMBER, str(node["value"]), node["value"])))
                return
            if not {"split", "yes", "no"} <= set(node):
                raise fail(f"node {key}: needs a `value`, or a `split` with `yes` and `no`", here)
            split = builder.parse(ident, f"node {key}", node["split"], condition=True)
            splits[f"node {key}"] = split
            descend(node["yes"], [*path, split], f"yes = {node['yes']}")
            descend(node["no"], [*path, negation(split, f"not ({split.text})")], f"no = {node['no']}")

        descend(table[0]["id"], [], "")
        if len(used) < len(by_id):
            lost = next(k for k in by_id if k not in used)
            raise fail(f"node {lost} is never reached", f"id = {lost}")
        return Built(cases(items, n.Const(n.NULL, "null", None), n.NUMBER, ident), splits)

    def texts(self, raw: Raw) -> Iterator[str]:
        yield from shapes.texts(raw.get("nodes"), "split")

    def columns(self, ident: str, raw: Raw) -> Iterator[str]:
        yield from ()

    def assumptions(self, raw: Raw) -> Iterator[tuple[str, str]]:
        yield from ()

    def page(self, raw: Raw, names: Names) -> list[Block]:
        nodes = {node["id"]: node for node in raw["nodes"]}
        lines: list[tuple[int, str]] = []

        def people(node: Mapping[str, Any]) -> str:
            return f" (n = {node['n']:,})" if isinstance(node.get("n"), int) else ""

        def descend(key: Any, depth: int, reason: str) -> None:
            node = nodes[key]
            if "value" in node:
                lines.append((depth, f"{reason}**{node['value']:,}**{people(node)}"))
                return
            lines.append((depth, f"{reason}{rule_code(node['split'])}{people(node)}"))
            descend(node["yes"], depth + 1, "yes: ")
            descend(node["no"], depth + 1, "no: ")

        descend(raw["nodes"][0]["id"], 0, "")
        told = "Each line asks its question; the answer leads one step in, and a bold number is the result."
        return [told, Outline(tuple(lines))]

    def trace(self, definition: Definition, witness: Witness) -> Traced:
        nodes = {node["id"]: node for node in definition.raw["nodes"]}
        key = definition.raw["nodes"][0]["id"]
        lines = []
        while "value" not in nodes[key]:
            split = definition.rules[f"node {key}"]
            truth = witness.value(split)
            lines.append(Line(f"node {key}", witness.condition(split), answer(truth)))
            if truth is None:
                agree(definition, witness, None)
                return Traced(tuple(lines))
            key = nodes[key]["yes" if truth else "no"]
        leaf = nodes[key]
        agree(definition, witness, leaf["value"])
        people = f", the mean of {leaf['n']:,} people" if isinstance(leaf.get("n"), int) else ""
        lines.append(Line(f"leaf {key}", f"{leaf['value']:,}{people}", "", True))
        return Traced(tuple(lines))

    def differences(self, before: Raw, after: Raw) -> Said:
        yield from compared.keyed("node", before.get("nodes", ()), after.get("nodes", ()))
