"""Whole numbers: what an input of them takes, what an output of them holds, and that other rules see what it shows."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import math
import warnings
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from spec_tables import local_pack

import popstrat
from popstrat.cli.main import run
from popstrat.compiler import PLAIN
from popstrat.packs.evaluator import Reference
from popstrat.packs.pack import Pack
from popstrat.packs.plausibility import WHOLE_REASON, range_reason
from popstrat.reasons.trace import trace
from popstrat.runs.score import run_score
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
INPUTS = {  # name → keys, what is plausible
    "plain": ("", -(2**31), 2**31 - 1),
    "small": ('dtype = "int8"', -128, 127),
    "bounded": ('dtype = "int8"\nmin = 3\nmax = 9', 3, 9),
    "from_3": ('dtype = "int16"\nmin = 3', 3, 2**15 - 1),
    "large": ('dtype = "int64"', 1 - 2**53, 2**53 - 1),
}
NUMBERS = ["3", "3.0", "3.7", "-0.5", "9", "9.0000001", "127", "128", "300", "-129", "32768", "2147483647", "0", "-0.0",
           "2147483648", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740993",
           "1e300", "2.5"]  # fmt: skip
PHYSICAL = ("float32", "float64", "int16", "int64", "uint64", "decimal", "string")


def definitions(**rules: str) -> str:
    return "".join(
        f'[definition.{name}]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "t"\noutput = true\n{text}\n'
        for name, text in rules.items()
    )


def held(kind: str, text: str) -> float | int | None:
    """A number as a physical type holds it; None where it does not hold it."""
    if kind in ("int16", "int64", "uint64"):
        whole = Decimal(text) == Decimal(text).to_integral_value()
        info = np.iinfo(kind)
        return int(Decimal(text)) if whole and info.min <= int(Decimal(text)) <= info.max else None
    if kind == "decimal":
        return None if "e" in text else Decimal(text)  # type: ignore[return-value]
    with np.errstate(over="ignore"):
        return float(np.float32(text)) if kind == "float32" else float(text)


def column(kind: str, values: list[Any], texts: list[str]) -> pa.Array:
    if kind == "decimal":
        return pa.array(values, pa.decimal128(38, 8))
    return pa.array(texts) if kind == "string" else pa.array(values, kind)


@pytest.mark.parametrize("form", ["memory", "csv", "parquet", "arrow"])
def test_what_is_no_whole_number_of_its_type_is_counted(form: str, tmp_path: Path) -> None:
    """Fractions, numbers out of range and those beyond what doubles hold without a gap are set aside, each for its
    reason, with its bit, in every format and type; all others are taken as they are."""
    pack = "".join(f'[[input]]\nname = "{name}"\ntype = "int"\n{keys}\n' for name, (keys, _, _) in INPUTS.items())
    scorer = Scorer(local_pack(pack + definitions(**{f"out_{n}": f'value = "{n}"' for n in INPUTS}), extends=""), AS_OF)
    schema = scorer.pack.schema
    for kind in PHYSICAL if form != "csv" else ("string",):
        texts = [t for t in NUMBERS if held(kind, t) is not None]
        values = [held(kind, t) for t in texts]
        array = column(kind, values, texts)
        size = len(texts)
        table = pa.table({"patient_id": range(size), "practice_code": ["Y1"] * size, "age": [50] * size,
                          "sex": ["male"] * size, **dict.fromkeys(INPUTS, array)})  # fmt: skip
        if form == "memory":
            (batch,) = table.to_batches()
            found, tally = scorer.bind(batch.schema).score(batch)
            scored, quality = found.to_pylist(), tally.quality
        else:
            path, target = tmp_path / f"{kind}.{form}", tmp_path / f"{kind}.out.parquet"
            if form == "csv":
                rows = zip(*(c.to_pylist() for c in table.columns), strict=True)
                path.write_text(
                    "\n".join([",".join(table.column_names), *(",".join(map(str, r)) for r in rows)]) + "\n"
                )
            elif form == "parquet":
                pq.write_table(table, path)
            else:
                feather.write_feather(table, str(path), compression="uncompressed")
            quality = run_score([path], target, scorer, threads=1)["quality"]
            scored = pq.read_table(target).to_pylist()
        reference = Reference(scorer.resolved, set(table.column_names))
        for i, row in enumerate(scored):
            given = {"age": 50, "sex": "male"} | dict.fromkeys(INPUTS, float(values[i]))  # type: ignore[arg-type]
            want = reference.score(given)
            assert {k: row[k] for k in want} == want, (kind, texts[i])
        flagged = [False] * len(texts)
        for name, (_, least, most) in INPUTS.items():
            number = [float(v) for v in values]  # type: ignore[arg-type]
            beyond = [not least <= v <= most for v in number]
            broken = [not b and v != math.floor(v) for v, b in zip(number, beyond, strict=True)]
            counts = {range_reason(schema[name]): sum(beyond), WHOLE_REASON: sum(broken)}
            assert quality.get(name, {}) == {reason: count for reason, count in counts.items() if count}, (kind, name)
            aside = [b or f for b, f in zip(beyond, broken, strict=True)]
            for row, v, gone in zip(scored, number, aside, strict=True):
                assert row[f"out_{name}"] == (None if gone else v)
            bit = scorer.quality_bits[f"{name}: {WHOLE_REASON}"]
            assert bit == scorer.quality_bits[f"{name}: {range_reason(schema[name])}"] == 63  # which all of these share
            flagged = [flag or gone for flag, gone in zip(flagged, aside, strict=True)]
        assert [bool(row["quality_flags"] >> 63) for row in scored] == flagged


def test_measurements_take_fractions_and_ages_the_years_completed() -> None:
    scorer = Scorer("london-2026", AS_OF)
    batch = pa.record_batch({
        "patient_id": [1, 2], "practice_code": ["Y1"] * 2, "age": [45.5, 46.0], "sex": ["male"] * 2,
        "hypertension": [True] * 2, "systolic_bp": [139.5, 140.5], "diastolic_bp": [79.5] * 2,
        "medicines_count": [3.5, 3.0],
    })  # fmt: skip
    bound = scorer.bind(batch.schema)
    scored, tally = bound.score(batch)
    assert scored.column("age").to_pylist() == [45, 46]
    assert scored.column("hypertension_status").to_pylist() == ["optimised", "unoptimised"]
    checked = scorer.checker(batch.schema).score(batch)[1].quality
    assert checked == {"medicines_count": {WHOLE_REASON: 1}}
    assert set(tally.quality) <= {"medicines_count"}


# -- outputs -----------------------------------------------------------------------------------------------------------

TYPES = {"uint8": (0, 255), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1)}
VALUES = [0.0, -0.0, 0.5, -0.5, -0.9, 1.5, 2.5, 3.99, -1.0, 254.9, 255.0, 255.9, 256.0, 300.0, -32768.9, -32769.0,
          32767.9, 32768.0, 1e12, None]  # fmt: skip


def shown(value: float | None, dtype: str) -> int | None:
    least, most = TYPES[dtype]
    return None if value is None or not least <= int(value) <= most else int(value)


@pytest.mark.parametrize("dtype", TYPES)
def test_other_rules_see_what_a_column_holds(dtype: str) -> None:
    """Towards zero, and null beyond the type: in the column, in other rules, in an explanation; with every pass of the
    compiler and without; and what is beyond is counted."""
    rules = definitions(
        a=f'value = "x"\ntype = "{dtype}"', again='value = "a"', doubled='value = "a * 2"', over='value = "a > 255"',
        gone='value = "a is null"', other='value = "coalesce(a, -7)"', half=f'value = "a / 2"\ntype = "{dtype}"',
        some=f'value = "x"\ntype = "{dtype}"\neligible = "age > 40"', seen='value = "some is null"',
    )  # fmt: skip
    scorer = Scorer(local_pack('[[input]]\nname = "x"\ntype = "float"\n' + rules, extends=""), AS_OF)
    rows = [(age, v) for age in (30, 50) for v in VALUES]
    batch = pa.record_batch({
        "patient_id": range(len(rows)), "practice_code": ["Y1"] * len(rows), "sex": ["male"] * len(rows),
        "age": pa.array([r[0] for r in rows], pa.int16()), "x": pa.array([r[1] for r in rows], pa.float64()),
    })  # fmt: skip
    bound = scorer.bind(batch.schema)
    scored, tally = bound.score(batch)
    assert BoundScorer(scorer, batch.schema, options=PLAIN).score(batch)[0].equals(scored)
    reference = Reference(scorer.resolved, set(batch.schema.names))
    for (age, x), have, given in zip(rows, scored.to_pylist(), batch.to_pylist(), strict=True):
        a = shown(x, dtype)
        want = {"a": a, "again": a, "doubled": None if a is None else 2 * a, "over": a is not None and a > 255,
                "gone": a is None, "other": -7 if a is None else a, "half": None if a is None else shown(a / 2, dtype),
                "some": a if age > 40 else None, "seen": age <= 40 or a is None}  # fmt: skip
        assert {name: have[name] for name in want} == want, (x, age)
        assert {name: reference.score(given)[name] for name in want} == want
    beyond = sum(v is not None and shown(v, dtype) is None for v in VALUES)
    assert tally.models["a.not_held"] == {dtype: 2 * beyond}
    assert tally.models["some.not_held"] == {dtype: beyond}
    for row in (0, 4, len(rows) - 2):
        trace(scorer, pa.Table.from_batches([batch.slice(row, 1)]))


def test_other_rules_see_a_model_rounded() -> None:
    """To its decimals: one rule for what is rounded and what is cut off."""
    model = (
        '[[input]]\nname = "x"\ntype = "float"\n[definition.risk]\nkind = "model"\ntitle = "t"\nversion = "1"\n'
        'source = "t"\nintended_use = "t"\ndisclaimer = "t"\nevidence = "assumption"\nlink = "logistic"\ndraft = true\n'
        'inputs = { x = { default = 0 } }\nterms = [{ id = "x", value = "x", coefficient = 1 }]\noutput = true\n'
    )
    for decimals in (0, 1, 3, 6, 15):
        rules = definitions(again='value = "risk"', percent='value = "round(100 * risk, 1)"')
        scorer = Scorer(local_pack(f"{model}decimals = {decimals}\n{rules}", extends=""), AS_OF)
        x = np.random.default_rng(1).normal(0, 2, 500)
        batch = pa.record_batch({"patient_id": range(500), "practice_code": ["Y1"] * 500, "sex": ["male"] * 500,
                                 "age": [50] * 500, "x": x})  # fmt: skip
        found = scorer.score_batch(batch).to_pydict()
        assert found["again"] == found["risk"]
        assert found["risk"] == pytest.approx([round(1 / (1 + math.exp(-v)), decimals) for v in x], abs=1e-13)
        assert found["percent"] == pytest.approx([round(100 * r, 1) for r in found["risk"]], abs=1e-9)


def test_a_model_beyond_its_type_has_a_reason() -> None:
    pack = local_pack(
        '[[input]]\nname = "x"\ntype = "float"\n[definition.points]\nkind = "model"\ntitle = "t"\nversion = "1"\n'
        'source = "t"\nintended_use = "t"\nevidence = "assumption"\nlink = "identity"\ndraft = true\ntype = "uint8"\n'
        'inputs = { x = { default = 7 } }\nterms = [{ id = "x", value = "x", coefficient = 1 }]\noutput = true\n'
        'reason_output = "why"\nmissing_output = "gone"\n',
        extends="",
    )
    batch = pa.record_batch({"patient_id": range(5), "practice_code": ["Y1"] * 5, "sex": ["male"] * 5, "age": [50] * 5,
                             "x": pa.array([1.0, 255.9, 256.0, -3.0, None])})  # fmt: skip
    scorer = Scorer(pack, AS_OF)
    scored, tally = scorer.bind(batch.schema).score(batch)
    beyond = "beyond what its column holds"
    assert scored.column("points").to_pylist() == [1, 255, None, None, 7]
    assert scored.column("why").to_pylist() == [None, None, beyond, beyond, None]
    assert scored.column("gone").to_pylist() == [0, 0, None, None, 1]
    assert tally.models["points.not_scored"][beyond] == 2


def test_a_count_of_many_conditions_is_held() -> None:
    """Of more than a byte holds, too."""
    many = ", ".join(f'"x > {i}.5"' for i in range(300))
    pack = local_pack(
        '[[input]]\nname = "x"\ntype = "float"\n[definition.c]\nkind = "count"\ntitle = "t"\nversion = "1"\n'
        'source = "t"\n'
        f"of = [{many}]\noutput = true\n",
        extends="",
    )
    batch = pa.record_batch({"patient_id": range(3), "practice_code": ["Y1"] * 3, "sex": ["male"] * 3, "age": [50] * 3,
                             "x": [0.0, 256.0, 1000.0]})  # fmt: skip
    scored = Scorer(pack, AS_OF).score_batch(batch)
    assert (scored.column("c").type, scored.column("c").to_pylist()) == (pa.int16(), [0, 256, 300])


def test_numbers_beyond_a_type_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pack = local_pack(
        '[[input]]\nname = "x"\ntype = "float"\n' + definitions(a='value = "x"\ntype = "uint8"'), extends=""
    )
    Path("p.toml").write_text(pack.sources[0].text)
    pq.write_table(pa.table({"patient_id": [1, 2, 3], "practice_code": ["Y1"] * 3, "sex": ["male"] * 3, "age": [50] * 3,
                             "x": [256.0, 1.5, None]}), "list.parquet")  # fmt: skip
    assert run(["score", "list.parquet", "-o", "out.csv", "--pack", "p.toml", "--as-of", "2026-06-30", "-q"]) == 0
    told = json.loads(Path("out.csv.run.json").read_text())["warnings"]
    assert "a: null for 1 value beyond what uint8 holds (0 to 255)" in told


@pytest.mark.parametrize("record", [False, True])
def test_the_library_tells_of_numbers_beyond_a_type(record: bool) -> None:
    pack = local_pack(
        '[[input]]\nname = "x"\ntype = "float"\n' + definitions(a='value = "x"\ntype = "uint8"'), extends=""
    )
    people = {"patient_id": [1, 2, 3], "practice_code": ["Y1"] * 3, "sex": ["male"] * 3, "age": [50] * 3}
    with pytest.warns(popstrat.DataWarning, match=r"a: null for 2 values beyond what uint8 holds \(0 to 255\)"):
        popstrat.score(pa.table({**people, "x": [256.0, 1.5, -1.0]}), AS_OF, pack=pack, record=record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        popstrat.score(pa.table({**people, "x": [255.0, 1.5, None]}), AS_OF, pack=pack, record=record)


# -- zero --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["native", "arrow"])
def test_there_is_one_zero(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However it came about, zero is written without a sign, in every format, and shown so."""
    monkeypatch.setenv("POPSTRAT_FORMATS", backend)
    rules = {"itself": "x", "product": "x * -1", "rounded": "round(x)", "floored": "0 - floor(x)",
             "tree": "-0.0 if ckd else x", "chained": "round((x + 1 - 1) * -0.5, 2)"}  # fmt: skip
    written = definitions(**{name: f'value = "{rule}"' for name, rule in rules.items()})
    pack: Pack = local_pack('[[input]]\nname = "x"\ntype = "float"\n' + written, extends="")
    scorer = Scorer(pack, AS_OF)
    x = [0.0, -0.0, -0.3, 0.3, 5.0, -1e-12, 1e-320] * 100
    table = pa.table({"patient_id": range(len(x)), "practice_code": ["Y1"] * len(x), "sex": ["male"] * len(x),
                      "age": [50] * len(x), "x": x, "ckd": [True, False] * (len(x) // 2)})  # fmt: skip
    pq.write_table(table, tmp_path / "list.parquet")
    for form in ("parquet", "arrow", "csv"):
        run_score([tmp_path / "list.parquet"], tmp_path / f"out.{form}", scorer, threads=1)
    texts = (tmp_path / "out.csv").read_text().splitlines()
    assert not [line for line in texts if any(cell in ("-0", "-0.0") for cell in line.split(","))]
    tables = [pq.read_table(tmp_path / "out.parquet"), feather.read_table(str(tmp_path / "out.arrow"))]
    for found in tables:
        zeros = [(name, v) for name in rules for v in found.column(name).to_pylist() if v == 0]
        assert len(zeros) > 100
        assert not [name for name, v in zeros if math.copysign(1, v) < 0]
    reference = Reference(scorer.resolved, set(table.column_names))
    for row, name in itertools.product(table.slice(0, 14).to_pylist(), rules):
        value = reference.score(row)[name]
        assert not (value == 0 and math.copysign(1, float(value)) < 0)  # type: ignore[arg-type]
    told = trace(scorer, table.slice(1, 1))
    assert "-0" not in {finding.result for finding in told.findings}
