"""Why a model gives no result: the documented order, worked out by hand for generated models and people."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from nightly import seeds

import popstrat
from popstrat.core.dates import parse_as_of
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Rule:
    """A condition as it is written, what it is for somebody (None: unknown), and the columns that it reads."""

    text: str
    truth: Callable[[Row], bool | None]
    reads: tuple[str, ...]


def compared(column: str, sign: str, limit: Any) -> Rule:
    tests: dict[str, Callable[[Any], bool]] = {
        "<": lambda x: x < limit, ">=": lambda x: x >= limit, "==": lambda x: x == limit, "!=": lambda x: x != limit,
    }  # fmt: skip
    written = f'"{limit}"' if isinstance(limit, str) else limit
    return Rule(
        f"{column} {sign} {written}", lambda p: None if p[column] is None else tests[sign](p[column]), (column,)
    )


ATOMS = [
    compared("age", ">=", 40), compared("egfr", "<", 60), compared("bmi", ">=", 27), compared("hba1c", "<", 48),
    compared("smoking", "==", "current"), compared("smoking", "!=", "never"),
    Rule("ckd", lambda p: bool(p["ckd"]), ()),
    Rule("egfr is null", lambda p: p["egfr"] is None, ()),
    Rule("coalesce(bmi, 30) >= 27", lambda p: p["bmi"] is None or p["bmi"] >= 27, ()),
]  # fmt: skip


def both(found: list[bool | None]) -> bool | None:
    return False if False in found else None if None in found else True


def either(found: list[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False


def opposite(rule: Rule) -> Rule:
    def truth(p: Row) -> bool | None:
        found = rule.truth(p)
        return None if found is None else not found

    return Rule(f"not ({rule.text})", truth, rule.reads)


def drawn(draw: random.Random, depth: int = 2) -> Rule:
    """A condition of a few others."""
    kind = draw.choice(("atom", "atom", "not", "and", "or")) if depth else "atom"
    if kind == "atom":
        return draw.choice(ATOMS)
    if kind == "not":
        return opposite(drawn(draw, depth - 1))
    parts = [drawn(draw, depth - 1) for _ in range(draw.choice((2, 3)))]
    joined = both if kind == "and" else either
    text = f" {kind} ".join(f"({part.text})" for part in parts)
    reads = tuple(dict.fromkeys(column for part in parts for column in part.reads))
    return Rule(text, lambda p: joined([part.truth(p) for part in parts]), reads)


def toml(rules: list[Rule], named: list[bool], required: list[str]) -> str:
    text = '[pack]\nid = "p"\nversion = "1"\n'
    for i, (rule, name) in enumerate(zip(rules, named, strict=True)):
        if name:
            text += (
                f'[definition.rule_{i}]\nkind = "expression"\ntitle = "Rule {i}"\nsource = "us"\nversion = "1"\n'
                f"value = '{rule.text}'\n"
            )
    whens = [f"rule_{i}" if name else rule.text for i, (rule, name) in enumerate(zip(rules, named, strict=True))]
    parts = ", ".join(f"{{ when = '{when}', reason = \"part {i}\" }}" for i, when in enumerate(whens))
    inputs = ", ".join(
        f"{name} = {{ {'required = true' if name in required else 'default = 30'} }}" for name in ("egfr", "bmi")
    )
    return f"""{text}
[definition.x]
kind = "model"
draft = true
title = "X"
source = "us"
evidence = "assumption"
version = "1"
link = "identity"
eligible = [{parts}]
strata = {{ women = 'sex == "female"', men = 'sex == "male"' }}
inputs = {{ {inputs} }}
terms = [{{ id = "e", value = "egfr + bmi", coefficient = 1 }}, {{ id = "l", value = "ln(age - 60)", coefficient = 1 }}]
output = true
reason_output = "reason"
"""


def expected(p: Row, rules: list[Rule], required: list[str]) -> str | None:
    """The reason by the order that the documentation gives."""
    truths = [rule.truth(p) for rule in rules]
    for i, truth in enumerate(truths):
        if truth is False:
            return f"part {i}"
    for name in required:
        if p[name] is None:
            return f"no record of {name}"
    for rule, truth in zip(rules, truths, strict=True):
        if truth is None:
            return f"no record of {next(c for c in rule.reads if p[c] is None)}"
    if p["sex"] not in ("female", "male"):
        return "in no stratum"
    return "a term has no value" if p["age"] is None or p["age"] <= 60 else None


def people(draw: random.Random, count: int) -> list[dict[str, Any]]:
    def one(i: int) -> dict[str, Any]:
        return {
            "patient_id": i,
            "practice_code": "A",
            "sex": draw.choice(("female", "male", None)),
            "age": draw.choice((None, 30, 50, 70, 80)),
            "egfr": draw.choice((None, None, 40.0, 90.0)),
            "bmi": draw.choice((None, 25.0, 31.0)),
            "hba1c": draw.choice((None, 40.0, 60.0)),
            "smoking": draw.choice((None, "never", "current")),
            "ckd": draw.choice((None, False, True)),
        }

    return [one(i) for i in range(count)]


@pytest.mark.parametrize("seed", seeds(15, 40))
def test_the_reason_is_the_first_in_the_documented_order(tmp_path: Path, seed: int) -> None:
    """By the engine, the evaluator and an explanation, with parts that are rules or names of them."""
    draw = random.Random(seed)
    rules = [drawn(draw) for _ in range(draw.choice((1, 2, 3)))]
    named = [draw.random() < 0.3 for _ in rules]
    required = [name for name in ("egfr", "bmi") if draw.random() < 0.6]
    file = tmp_path / "p.toml"
    file.write_text(toml(rules, named, required))
    pack = load_pack(file)
    rows = people(draw, 200)
    kinds = {"age": pa.int16(), "smoking": pa.string(), "ckd": pa.bool_(), "sex": pa.string()}
    numbers = {"egfr": pa.float64(), "bmi": pa.float64(), "hba1c": pa.float64()}
    table = pa.table({name: pa.array([row[name] for row in rows], {**kinds, **numbers}.get(name)) for name in rows[0]})
    scored, record = popstrat.score(table, AS_OF, pack=pack, record=True)
    wanted = [expected(row, rules, required) for row in rows]
    assert scored.column("reason").to_pylist() == wanted
    assert [x is None for x in scored.column("x").to_pylist()] == [w is not None for w in wanted]
    counts = record["models"]["x"]["not_scored"]
    assert {r: n for r, n in counts.items() if n} == {w: wanted.count(w) for w in wanted if w is not None}
    scorer = Scorer(pack, AS_OF)
    reference = Reference(pack.at(parse_as_of(AS_OF)), set(rows[0]))
    for i, (row, reason) in enumerate(zip(rows[:30], wanted, strict=False)):
        assert reference.score(row)["reason"] == reason
        told = next(f for f in trace(scorer, table.slice(i, 1)).findings if f.id == "x").result
        if reason is not None and reason.startswith("part"):
            assert told == "not eligible"
        elif reason is not None and reason.startswith("no record"):
            assert told == f"none ({reason})"
