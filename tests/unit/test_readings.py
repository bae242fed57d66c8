"""Parameters with a choice of values, and the readings of a condition that a run counts under each of them."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from nightly import seeds

import popstrat
from popstrat import synthetic
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.readings import with_readings
from popstrat.scoring.pack_check import examine
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-07-01"
HEAD = '[pack]\nid = "ours"\nversion = "1"\n'
CHOICE = """
[parameters.how]
value = {value}
one_of = {one_of}
title = "How it is read"
assumption = "Invented"

[definition.x]
kind = "expression"
title = "X"
means = "X."
source = "Invented"
version = "1"
value = '{rule}'
output = true
"""
TWO = '[{ value = "all", means = "every one" }, { value = "any", means = "one or more" }]'


def ours(folder: Path, text: str, head: str = HEAD) -> Pack:
    file = folder / "ours.toml"
    file.write_text(head + text, encoding="utf-8")
    return load_pack(file)


@pytest.mark.parametrize(
    ("value", "one_of", "rule", "told"),
    [
        ('"al"', TWO, 'how == "all"', "'al' is not one of all, any (did you mean 'all'?)"),
        ('"none"', TWO, 'how == "all"', "'none' is not one of all, any"),
        ('"all"', TWO, 'how == "alll"', "'alll' is not a label of how (did you mean 'all'?): it has all, any"),
        ('"all"', TWO, 'how in {"every", "all"}', "'every' is not a label of how"),
        ('"all"', '["all", "any"]', 'how == "all"', "`one_of` is a list of at least two tables"),
        ('"all"', '[{ value = "all", means = "x" }]', 'how == "all"', "`one_of` is a list of at least two tables"),
        ('"all"', '[{ value = "all", means = "x" }, { value = 2, means = "y" }]', 'how == "all"', "each `value` of"),
        ('"all"', '[{ value = "all" }, { value = "any", means = "y" }]', 'how == "all"', "says what it `means`"),
        ('"all"', '[{ value = "all", means = "x" }, { value = "all", means = "y" }]', 'how == "all"', "twice"),
        ('"all"', '[{ value = "all", mean = "x" }, { value = "any", means = "y" }]', 'how == "all"', "unknown key"),
        ("3", '[{ value = 1, means = "x" }, { value = 2, means = "y" }]', "bmi > how", "3 is not one of 1, 2"),
        ("true", '[{ value = true, means = "x" }, { value = false, means = "y" }]', "how", "each `value` of"),
    ],
)  # fmt: skip
def test_a_choice_at_fault(tmp_path: Path, value: str, one_of: str, rule: str, told: str) -> None:
    with pytest.raises(PackError) as raised:
        ours(tmp_path, CHOICE.format(value=value, one_of=one_of, rule=rule)).at(dt.date(2026, 7, 1))
    assert told in str(raised.value)
    assert str(raised.value).startswith("ours.toml:")


def test_an_unknown_reading_of_the_cohort(tmp_path: Path) -> None:
    head = HEAD + 'extends = "london-2026"\n'
    with pytest.raises(PackError) as raised:
        Scorer(ours(tmp_path, '[parameters.mltc_priority_reading]\nvalue = "any_unoptimized"\n', head), AS_OF)
    assert (
        "parameters.mltc_priority_reading: 'any_unoptimized' is not one of three_of_four, any_unoptimised, "
        "three_unoptimised (did you mean 'any_unoptimised'?)" in str(raised.value)
    )


def test_a_choice_works(tmp_path: Path) -> None:
    rule = 'how == "all" and ckd and copd or how == "any" and (ckd or copd)'
    for value in ("all", "any"):
        pack = ours(tmp_path, CHOICE.format(value=f'"{value}"', one_of=TWO, rule=rule))
        evaluator = Reference(pack.at(dt.date(2026, 7, 1)), {"ckd", "copd", "age"})
        for ckd, copd in itertools.product((True, False), repeat=2):
            found = evaluator.score({"age": 50, "ckd": ckd, "copd": copd})
            assert found["x"] == (ckd and copd if value == "all" else ckd or copd)


READING = """
[readings.r]
title = "R"
of = ["x"]
parameters = ["how"]
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (READING.replace('["x"]', '["y"]'), "there is no definition 'y'"),
        (READING.replace('["how"]', '["hows"]'), "there is no parameter 'hows' (did you mean 'how'?)"),
        (READING.replace('of = ["x"]', ""), "needs `of`, a list of names"),
        (READING.replace('["how"]', '"how"'), "needs `parameters`, a list of names"),
        (READING + "output = true\n", "unknown key 'output'"),
        (READING.replace('["how"]', '["cut"]'), "the parameter cut does not say what it is `one_of`"),
        (READING.replace('["how"]', '["idle"]'), "none of these parameters changes x"),
        (READING.replace('["x"]', '["number"]'), "number is a number, not a condition"),
    ],
)
def test_a_reading_at_fault(tmp_path: Path, text: str, told: str) -> None:
    base = (
        CHOICE.format(value='"all"', one_of=TWO, rule='how == "all" and ckd or bmi > cut')
        + """
        [parameters.cut]
        value = 30
        [parameters.idle]
        value = true
        offered = true
        [definition.number]
        kind = "count"
        title = "N"
        means = "N."
        source = "Invented"
        version = "1"
        of = ["ckd"]
        output = true
    """
    )
    pack = ours(tmp_path, base + text)
    with pytest.raises(PackError) as raised:
        examine(pack, dt.date(2026, 7, 1))
    assert told in str(raised.value)


def listed(rows: int = 3000) -> Any:
    return synthetic.table(rows, seed=5, as_of=dt.date(2026, 7, 1))


def test_every_reading_is_what_the_pack_gives_with_those_values(tmp_path: Path) -> None:
    """The count of each reading against a run of a pack that sets the parameters so, and against the evaluator."""
    table = listed()
    record = popstrat.score(table, AS_OF, record=True)[1]
    readings = record["readings"]
    assert [len(found) for found in readings.values()] == [2, 6]
    head = HEAD + 'extends = "london-2026"\n'
    for column, found in readings.items():
        assert [r["used"] for r in found].count(True) == 1
        for reading in found:
            text = "".join(
                f"[parameters.{name}]\nvalue = {str(value).lower() if isinstance(value, bool) else repr(value)}\n"
                for name, value in reading["parameters"].items()
            )
            scored = popstrat.score(table, AS_OF, pack=ours(tmp_path, text, head))
            assert reading["patients"] == sum(scored[column].to_pylist())
            if reading["used"]:
                assert reading["patients"] == record["groups"][column]["true"]
    counts = [r["patients"] for r in readings["mltc_int_priority"]]
    assert len(set(counts)) > 3

    counting = with_readings(load_pack("london-2026").at(dt.date(2026, 7, 1)))
    evaluator = Reference(counting, set(table.column_names))
    people = [evaluator.score(row) for row in table.slice(0, 300).to_pylist()]
    few = popstrat.score(table.slice(0, 300), AS_OF, record=True)[1]["readings"]
    assert few["mltc_int_segment"][0]["patients"] == sum(p["mltc_int_segment"] for p in people)


RULES = ["ckd", "copd and not asthma", "bmi > cut", 'frailty == "mild"', "base", "not base", 'how == "all"', "flag"]


@pytest.mark.parametrize("seed", seeds(5, 12))
def test_generated_packs(tmp_path: Path, seed: int) -> None:
    """Packs of rules that use one another: each reading counts as its own pack does, and a run without a record has no
    trace of them."""
    draw = random.Random(seed)

    def rule() -> str:
        a, b, c = draw.sample(RULES, 3)
        return f"{a} and ({b} or {c})" if draw.random() < 0.5 else f"{a} or ({b}) and not ({c})"

    def text(how: str, flag: bool, readings: bool) -> str:
        base = f"""
            [parameters.cut]
            value = 27
            [parameters.flag]
            value = {str(flag).lower()}
            [definition.base]
            kind = "expression"
            title = "B"
            means = "B."
            source = "Invented"
            version = "1"
            value = 'ckd or how == "any" and bmi > cut or flag and copd'
        """
        made = CHOICE.format(value=f'"{how}"', one_of=TWO, rule=chosen) + base
        return made + (READING.replace('["how"]', '["how", "flag"]') if readings else "")

    chosen = f'({rule()}) and (how == "all" or flag or base)'
    table = listed(500)
    record = popstrat.score(table, AS_OF, pack=ours(tmp_path, text("all", True, True)), record=True)[1]
    assert len(record["readings"]["x"]) == 4
    for reading in record["readings"]["x"]:
        values = reading["parameters"]
        scored = popstrat.score(table, AS_OF, pack=ours(tmp_path, text(values["how"], values["flag"], False)))
        assert reading["patients"] == sum(scored["x"].to_pylist()), (chosen, values)


def test_nothing_of_it_without_a_record() -> None:
    """The program of a run that counts nothing is the one of a pack without readings."""
    scorer = Scorer("london-2026", AS_OF)
    table = listed(10)
    scorer.bind(table.schema, counted=False).score(table.combine_chunks().to_batches()[0])
    assert "counting" not in scorer.__dict__
    assert not any("[" in ident for ident in scorer.resolved.definitions)
    named = {r.ident for r in scorer.counting.readings if not r.used}
    assert named
    assert all(isinstance(scorer.counting.definitions[i].node, n.Node) for i in named)
    assert "readings" not in scorer.output_schema.names
