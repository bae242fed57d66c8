"""What a page shows of a rule, read again by the language, means what the rule means.

Rules are generated without brackets, of every operator, over several lines and with remarks, and put beside one another
as `eligible` lists, the two sides of a status, centres, powers and levels do.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any

from complaints import HEAD
from generated import Draw
from hypothesis import assume, given, note
from hypothesis import strategies as st

from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.compose import less, together
from popstrat.lang.parser import arithmetic, conjunction, disjunction, parse
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.resolve import Resolver
from popstrat.pages import catalogue

AS_OF = dt.date(2026, 6, 30)
FLAGS, NUMBERS = ("ckd", "chd", "diabetes", "housebound"), ("age", "bmi", "hba1c", "egfr")
ROWS = st.fixed_dictionaries({
    **{flag: st.sampled_from([True, False, None]) for flag in FLAGS},
    "age": st.integers(0, 110),
    **{name: st.none() | st.floats(15, 60).map(float) for name in NUMBERS[1:]},
    "sex": st.sampled_from(["female", "male", "unknown"]),
})  # fmt: skip
CONSTANT = ("the same for every patient", "is always null", "has no value for any", "true for no patient")


def rule(draw: Draw, kind: str, depth: int = 3) -> str:
    """A rule without a bracket that is not needed, now and then over several lines."""
    sub = lambda k: rule(draw, k, depth - 1)  # noqa: E731
    gap = draw(st.sampled_from([" ", " ", " ", "\n    ", '   # that (is "it\n  ']))
    if kind == "bool":
        atom = draw(st.sampled_from([*FLAGS, 'sex == "female"', 'sex in {"male"}', "bmi is null", "hba1c is not null"]))
        forms = ["{b} or {c}", "{b} and {c}", "not {a}", "{b} if {c} else {b}", "{x} >= {y}", "({b})",
                 "10 < {x} <= {y}", "any({b}, {c})"]  # fmt: skip
    else:
        atom = draw(st.sampled_from([*NUMBERS, "2", "0.5"]))
        forms = ["{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / {y}", "{p} ** 2", "-{p}", "{x} if {b} else {y}", "({x})",
                 "min({x}, {y})", "coalesce({p}, 3)"]  # fmt: skip
    if depth <= 0:
        return atom
    form = draw(st.sampled_from(forms))
    side = lambda k: sub(k) if draw(st.booleans()) else _atom(draw, k)  # noqa: E731
    return form.replace(" ", gap, 1).format(
        a=_atom(draw, "bool"), p=_atom(draw, "number"),
        b=side("bool"), c=side("bool"), x=side("number"), y=side("number"),
    )  # fmt: skip


def _atom(draw: Draw, kind: str) -> str:
    return draw(st.sampled_from(FLAGS if kind == "bool" else NUMBERS))


PACK = load_pack("swl-pilots")
RESOLVED, SCOPE = PACK.at(AS_OF), Resolver(PACK, AS_OF)
COLUMNS = {"age", "sex", *FLAGS, *NUMBERS}


def read(text: str) -> n.Node | None:
    """The rule, or none where what was put together at random does not fit together."""
    try:
        return parse(text, SCOPE)
    except ValueError:
        return None


def values(node: n.Node, rows: list[dict[str, Any]]) -> list[n.Value]:
    reference = Reference(RESOLVED, COLUMNS)
    return [reference.value(node, reference.patient(row)) for row in rows]


@given(st.data())
def test_texts_put_together(data: Any) -> None:
    kind, sign = data.draw(st.sampled_from([("bool", "and"), ("bool", "or"), *(("number", s) for s in "+-*/")]))
    texts = [rule(data.draw, kind) for _ in range(data.draw(st.integers(2, 4)))]
    nodes = [node for text in texts if (node := read(text)) is not None and node.type.kind in (kind, "null")]
    texts = [text for text in texts if (node := read(text)) is not None and node.type.kind in (kind, "null")]
    if not nodes:
        return
    shown = f" {sign} ".join(together(texts, sign))
    note(f"{texts}\n{shown}")
    assert "\n" not in shown
    whole = nodes[0]
    for node in nodes[1:]:
        match sign:
            case "and":
                whole = conjunction([whole, node], "")
            case "or":
                whole = disjunction([whole, node], "")
            case _:
                whole = arithmetic(sign, whole, node, "")  # type: ignore[arg-type]
    rows = data.draw(st.lists(ROWS, min_size=1, max_size=12))
    again = parse(shown, SCOPE)
    assert values(again, rows) == values(whole, rows)


def quoted(text: str) -> str:
    return f"'''{text}'''" if "\n" in text or "'" in text else f"'{text}'"


@given(st.data())
def test_pages(tmp_path_factory: Any, data: Any) -> None:
    """`For whom` of a list, both sides of a status, centres of terms and of derived values."""
    draw = data.draw
    parts = [t for t in (rule(draw, "bool") for _ in range(3)) if is_a(t, "bool")] or ["ckd"]
    sides = [t for t in (rule(draw, "bool") for _ in range(2)) if is_a(t, "bool")]
    sides = sides if len(sides) == 2 else ["ckd", "chd"]
    value = next((t for t in (rule(draw, "number") for _ in range(4)) if varies(t)), "age")
    center = draw(st.sampled_from([0.5642, -3.0, 7.0]))
    pack = f"""{HEAD}
[definition.m]
kind = "model"
title = "M"
source = "s"
version = "1"
evidence = "assumption"
draft = true
link = "identity"
output = true
eligible = [{", ".join(f'{{ when = {quoted(t)}, reason = "r{i}" }}' for i, t in enumerate(parts))}]
inputs = {{ bmi = {{ default = 27 }}, hba1c = {{ default = 40 }}, egfr = {{ default = 60 }} }}
derived = {{ d = {{ value = "bmi + hba1c + egfr", center = 3 }} }}
terms = [
    {{ id = "v", value = {quoted(value)}, coefficient = 1, center = {center} }},
    {{ id = "d", value = "d", coefficient = 1 }},
]
[definition.s]
kind = "status"
title = "S"
source = "s"
version = "1"
diagnosed = {quoted(sides[0])}
optimised = {quoted(sides[1])}
undiagnosed = "diabetes"
output = true
"""
    file: Path = tmp_path_factory.mktemp("shown") / "p.toml"
    file.write_text(pack, encoding="utf-8")
    try:
        made = catalogue.markdown(load_pack(file), AS_OF)
    except PackError as error:
        assume(not any(told in str(error) for told in CONSTANT))
        raise
    rows = draw(st.lists(ROWS, min_size=1, max_size=8))
    for text, meant in (
        (re.search(r"For whom: (.*); null for anybody", made), conjunction([parse(t, SCOPE) for t in parts], "")),
        (re.search(r"\| `optimised` \| diagnosed, and at target \| (.*) \|", made),
         conjunction([parse(t, SCOPE) for t in sides], "")),
        (re.search(r"\| v \| (`.*?`) \| 1\.0000", made),
         arithmetic("-", parse(value, SCOPE), n.Const(n.NUMBER, "", center), "")),
    ):  # fmt: skip
        assert text is not None, made
        note(text.group(1))
        shown = parse(text.group(1).replace("`", "").replace("\\|", "|"), SCOPE)
        assert values(shown, rows) == values(meant, rows)
    assert "`bmi + hba1c + egfr - 3`" in made


def is_a(text: str, kind: str) -> bool:
    node = read(text)
    return node is not None and node.type.kind == kind and not isinstance(node, n.Const)


def varies(text: str) -> bool:
    node = read(text)
    return node is not None and node.type.kind == "number" and not isinstance(node, n.Const)


def test_only_the_brackets_that_are_needed() -> None:
    assert together(["a or b", "c and d", "not e", "(f or g)", "h == 1", "i if j else k"], "and") == [
        "(a or b)", "c and d", "not e", "(f or g)", "h == 1", "(i if j else k)",
    ]  # fmt: skip
    assert together(["a or b"], "and") == ["a or b"]
    assert less('1 if sex == "male" else 0', 0.5642) == '(1 if sex == "male" else 0) - 0.5642'
    assert less("age / 10", -2) == "age / 10 + 2"
    assert together(["a or b # or c and", "c"], "and") == ["(a or b)", "c"]
