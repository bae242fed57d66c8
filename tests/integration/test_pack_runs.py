"""What a run of somebody's own pack tells of the list and of the pack."""

from __future__ import annotations

import json
import math
import random
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat.cli import run
from popstrat.errors import PackError
from popstrat.scoring.pack_check import examine

AS_OF = "2026-06-30"
DOCS = Path(__file__).parents[2] / "docs"
ROWS = 200

PACK = """
[pack]
id = "own"
version = "1"

[[input]]
name = "treated"
%s

[definition.x]
kind = "expression"
title = "X"
means = "X"
source = "us"
version = "1"
value = '%s and ckd'
output = true
"""

MODEL = """
[pack]
id = "model"
version = "1"

[definition.m]
kind = "model"
title = "M"
means = "M"
source = "us"
version = "1"
evidence = "assumption"
intended_use = "none"
disclaimer = "none"
link = "logistic"
eligible = [{ when = "age >= 18", reason = "under 18" }, { when = "not chd", reason = "has it" }]
strata = { young = "age < 50", old = "age >= 50" }
inputs = { bmi = { required = true }, egfr = { default = 90 } }
terms = [
    { id = "bmi", value = "bmi - 25", coefficient = { young = 0.1, old = 0.05 } },
    { id = "egfr", value = "egfr - 90", coefficient = -0.02 },
]
reference_patients = [
    { patient = { age = 40, bmi = 30 }, expected = 0.622459 },
    { patient = { age = 60, bmi = 30, egfr = 50 }, expected = 0.740775 },
    { patient = { age = 60, bmi = 20 }, expected = 0.437823 },
    { patient = { age = 60 }, expected = "null" },
]
output = true
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listed(columns: Mapping[str, Any], rows: int = ROWS) -> pa.Table:
    people = {
        "patient_id": list(range(1, rows + 1)),
        "practice_code": ["A"] * rows,
        "sex": ["female", "male"] * (rows // 2),
        "age": [50 + i % 40 for i in range(rows)],
    }
    return pa.table({**people, **columns})


def told(data: pa.Table, pack: str, command: str) -> list[str]:
    """The warnings of `score`, or of the library."""
    Path("own.toml").write_text(pack, encoding="utf-8")
    if command == "library":
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            popstrat.score(data, AS_OF, pack="own.toml")
        return [str(w.message) for w in caught]
    pq.write_table(data, "list.parquet")
    output = ["-o", "out.parquet", "--force", "-q"]
    assert run(["score", "list.parquet", "--pack", "own.toml", "--as-of", AS_OF, *output]) == 0
    return list(json.loads(Path("out.parquet.run.json").read_text())["warnings"])


# -- a column of the pack's own that holds nothing -------------------------------------------------------------------

NOTHING = {
    "null": lambda kind: pa.nulls(ROWS, kind),
    "typeless": lambda kind: pa.nulls(ROWS),
    "text": lambda kind: pa.array([""] * ROWS),
    "dictionary": lambda kind: pa.array([""] * ROWS).dictionary_encode(),
    "NaN": lambda kind: pa.array(np.full(ROWS, np.nan), from_pandas=False),
}
TYPES = {
    "bool": ('type = "bool"', "treated", pa.bool_()),
    "int": ('type = "int"', "treated > 1", pa.int32()),
    "float": ('type = "float"', "treated > 1", pa.float64()),
    "category": ('type = "category"\nlabels = ["a", "b"]', 'treated == "a"', pa.string()),
    "date": ('type = "date"', "treated < as_of", pa.date32()),
}


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("required", ["", "required = true", "required = false"])
@pytest.mark.parametrize("kind", list(TYPES))
def test_an_own_column_that_holds_nothing_is_told(kind: str, required: str, sparse: bool) -> None:
    """Whether or not any flag is ever recorded as false, in every type, by the command and by the library."""
    declared, rule, arrow = TYPES[kind]
    pack = PACK % (f"{declared}\n{required}", rule)
    ckd = pa.array([True if i % 3 else None if sparse else False for i in range(ROWS)])
    forms = {"bool": ("null", "typeless", "text", "NaN"), "category": ("null", "typeless", "text", "dictionary")}
    for form in forms.get(kind, ("null", "typeless")):
        data = listed({"ckd": ckd, "treated": NOTHING[form](arrow)})
        for command in ("score", "library"):
            assert told(data, pack, command) == ["empty columns count as null for everybody: treated"], (form, command)
        assert json.loads(Path("out.parquet.run.json").read_text())["empty_columns"] == ["treated"]


def test_an_own_flag_is_judged_by_its_share_where_the_pack_says_it() -> None:
    """Where no flag is ever recorded as false, one that nobody is expected to have may well hold nothing; unless the
    pack requires a record of it."""
    data = listed({"ckd": pa.array([True] * ROWS), "treated": pa.nulls(ROWS, pa.bool_())})
    rare = 'type = "bool"\nper_1000 = 0.1\n'
    assert told(data, PACK % (rare, "treated"), "score") == []
    assert told(data, PACK % (f"{rare}required = true", "treated"), "score") != []
    known = listed({"ckd": pa.array([True] * ROWS), "treated": pa.array([False, *[None] * (ROWS - 1)])})
    assert told(known, PACK % ('type = "bool"\nrequired = true', "treated"), "score") == []


# -- a column of the pack's own that is not there --------------------------------------------------------------------

NAMES = {  # what a pack calls a column → what a list may
    "hdl_mg": ("hdl_mgdl", "hdl mg", "hdlmg", "hdl_mg_"),
    "bp_treated": ("bp_treatment", "bptreated", "BP treated", "bp_treated_"),
    "loneliness": ("lonelines", "loneliness_v2", "lonelyness"),
}


@pytest.mark.parametrize("name", list(NAMES))
def test_what_a_list_calls_otherwise_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the remedy where the run stops, and in a warning where it goes on."""
    for other in NAMES[name]:
        data = listed({"ckd": [True] * ROWS, other: [4.0] * ROWS})
        pack = (PACK % ('type = "float"%s', "treated > 1")).replace("treated", name)
        near = f"column {other!r} is not used, and {name} is absent: if they are the same, rename it or map it; x would"
        for command in ("score", "library"):
            assert any(w.startswith(near) for w in told(data, pack % "", command)), (other, command)
        Path("own.toml").write_text(pack % "\nrequired = true")
        assert run(["score", "list.parquet", "-o", "out.parquet", "--force", "--pack", "own.toml"]) == 2
        assert (
            f"list.parquet: column '{name}': this required column is missing (did you mean '{other}'?); if the list "
            "has it under another name, rename it or map it ([columns] of --map)"
        ) in capsys.readouterr().err
    pq.write_table(listed({"ckd": [True] * ROWS, "zzz": [1] * ROWS}), "list.parquet")
    assert run(["check", "list.parquet", "--pack", "own.toml"]) == 2
    assert "this required column is missing; if the list has it under another name" in capsys.readouterr().err


# -- reference patients and required columns ------------------------------------------------------------------

OWN = """
[pack]
id = "own"
version = "1"
extends = "%s"

[[input]]
name = "needed"
type = "%s"
%s
required = true

[definition.own]
kind = "expression"
title = "Own"
means = "Own"
source = "us"
version = "1"
value = '%s'
output = true
reference_patients = [{ patient = { %s }, expected = %s }, { patient = { ckd = true }, expected = false }]
"""


@pytest.mark.parametrize("base", ["london-2026", "efi", "base.toml"])
@pytest.mark.parametrize(
    ("kind", "more", "rule", "patient"),
    [
        ("bool", "", "needed and ckd", "needed = true, ckd = true"),
        ("int", "", "needed > 3 and ckd", "needed = 4, ckd = true"),
        ("float", "", "needed > 3", "needed = 4.5"),
        ("category", 'labels = ["a", "b"]', 'needed == "a"', 'needed = "a"'),
        ("date", 'dates = ["bmi"]', "within(needed, 12) and bmi > 30 and not ckd", "bmi = 31"),
    ],
)
def test_a_reference_patient_need_not_have_a_required_column(
    base: str, kind: str, more: str, rule: str, patient: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those of the pack that is extended cannot; a list must all the same."""
    Path("base.toml").write_text(MODEL)
    Path("own.toml").write_text(OWN % (base, kind, more, rule, patient, "true"))
    assert run(["packs", "check", "own.toml"]) == 0, capsys.readouterr().err
    pq.write_table(listed({}), "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--pack", "own.toml"]) == 2
    assert "column 'needed': this required column is missing" in capsys.readouterr().err


# -- reference patients that prove little ------------------------------------------------------------------------------


def small_model(draw: random.Random, decimals: int | None, tolerance: float | None, risk: float) -> str:
    """A logistic model whose reference patients expect what it gives."""
    draft = MODEL.replace('link = "logistic"', f'link = "logistic"\nintercept = {math.log(risk / (1 - risk))}')
    if decimals is not None:
        draft = draft.replace('title = "M"', f'title = "M"\ndecimals = {decimals}')
    start = draft.index("reference_patients")
    people = [(age, round(draw.uniform(20, 35), 1)) for age in (30, 45, 55, 70)]
    lines = []
    for age, bmi in people:
        predictor = math.log(risk / (1 - risk)) + (bmi - 25) * (0.1 if age < 50 else 0.05)
        expected = round(1 / (1 + math.exp(-predictor)), 6 if decimals is None else decimals)
        more = "" if tolerance is None else f", tolerance = {tolerance}"
        lines.append(f"{{ patient = {{ age = {age}, bmi = {bmi} }}, expected = {expected}{more} }},")
    return draft[:start] + "reference_patients = [\n" + "\n".join(lines) + "\n]\noutput = true\n"


@pytest.mark.parametrize("decimals", [0, 1, 2, 3, 6, None])
@pytest.mark.parametrize("tolerance", [None, 1.0, 0.02, 0.0005])
def test_a_tolerance_that_lets_a_wrong_model_pass_is_warned_of(decimals: int | None, tolerance: float | None) -> None:
    """Where nothing is warned of, results a fifth too large are refused; a tolerance that lets them pass is told of,
    with its line, and so are results that rounding has made all alike."""
    draw = random.Random(f"{decimals} {tolerance}")
    for risk in (0.0004, 0.01, 0.1, 0.4):
        text = small_model(draw, decimals, tolerance, risk)
        Path("own.toml").write_text(text)
        found = examine("own.toml").warnings
        told = [w for w in found if "tolerance" in w]
        Path("own.toml").write_text(re.sub(r"expected = ([\d.e-]+)", lambda m: f"expected = {1.2 * float(m[1])}", text))
        passes = True
        try:
            examine("own.toml")
        except PackError as error:
            passes = "should be" not in str(error)
        assert told or not passes, (risk, text)
        if told:
            number = int(re.findall(r"reference patient (\d)", told[0])[0])
            line = text[: text.index("reference_patients")].count("\n") + 1 + number
            assert told[0].startswith(f"own.toml:{line}: definition.m: reference patient {number}"), told
        if tolerance is None and (decimals is None or decimals > 2) and risk > 0.05:
            assert not told


def test_whole_results_are_exact_with_no_decimals() -> None:
    """A score of whole points is proven by its reference patients though half a point is a tenth of what it can be."""
    points = MODEL.replace('link = "logistic"', 'link = "identity"\ndecimals = 0').replace(
        "inputs = { bmi = { required = true }, egfr = { default = 90 } }", ""
    )
    start = points.index("strata")
    Path("own.toml").write_text(
        points[:start]
        + """terms = [{ id = "a", when = "ckd", coefficient = 1 }, { id = "b", when = "copd", coefficient = 2 }]
reference_patients = [
    { patient = { age = 40 }, expected = 0 },
    { patient = { age = 40, ckd = true }, expected = 1 },
    { patient = { age = 40, copd = true }, expected = 2 },
]
output = true
"""
    )
    assert examine("own.toml").warnings == ()
    loose = Path("own.toml").read_text().replace("expected = 2", "expected = 2, tolerance = 1")
    Path("own.toml").write_text(loose)
    assert len(examine("own.toml").warnings) == 1


# -- why a reference patient fails -----------------------------------------------------------------------------------

CAUSES = [
    # what of the model is changed; what the error says; what is warned of below it
    (('"age >= 18"', '"age >= 180"'), "m should be 0.622459 and is null: under 18", "`eligible` never holds"),
    (('"age >= 18"', '"age < 18"'), "and is null: under 18", "nobody reaches the stratum old"),
    (("bmi = 30 }, expected = 0.6", "chd = true, bmi = 30 }, expected = 0.6"), "is null: has it", ""),
    (("age = 40, bmi = 30", "age = 40"), "is null: no record of bmi", ""),
    (("age = 40, bmi = 30", "bmi = 30"), "is null: no record of age", ""),
    (("young = 0.1", "young = 0.2"), "and is 0.731059, in the stratum young", ""),
    (('young = "age < 50"', 'young = "age >= 50"'), "is null: in no stratum", "nobody reaches the stratum old"),
    (('young = "age < 50"', 'young = "age < 0"'), "is null: in no stratum", "reaches the stratum young: it never"),
    (('link = "logistic"', 'link = "logistic"\nrecalibration = { slope = -1 }'), "in the stratum", "slope under 0"),
    (('value = "bmi - 25"', 'value = "bmi - 25 + ln(age - 40)"'), "is null: a term has no value", ""),
]  # fmt: skip


@pytest.mark.parametrize(("change", "told", "warned"), CAUSES)
def test_the_cause_stands_with_the_error(change: tuple[str, str], told: str, warned: str) -> None:
    """The reason that the program knows, the stratum that the patient is in, and below it what is odd anyway."""
    assert change[0] in MODEL
    Path("own.toml").write_text(MODEL.replace(*change))
    with pytest.raises(PackError) as caught:
        examine("own.toml")
    first, *below = str(caught.value).split("\n")
    assert first.startswith("own.toml:"), first
    assert "definition.m: reference patient" in first
    assert told in first, first
    odd = [line for line in below if line.startswith("warning: own.toml:")]
    assert any(warned in line for line in odd) if warned else not odd, odd


# -- strata ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_people_are_counted_by_stratum(seed: int) -> None:
    """Those with a result, each in the first stratum that holds; a stratum of nobody among many is told of, with the
    column that it is for."""
    draw = random.Random(seed)
    rows = draw.choice((400, 3000))
    strata = {
        "black_women": "sex == \"female\" and ethnicity in {\"M\", \"N\", \"P\"}", "women": 'sex == "female"',
        "smokers": 'smoking == "current" and not ckd', "others": "true" if draw.random() < 0.5 else "bmi < 90",
    }  # fmt: skip
    written = ", ".join(f"{name} = '{when}'" for name, when in strata.items())
    text = MODEL[: MODEL.index("strata")] + f"strata = {{ {written} }}\ndraft = true\n" + MODEL[MODEL.index("inputs") :]
    text = text[: text.index("reference_patients")] + "output = true\n"
    text = text.replace("coefficient = { young = 0.1, old = 0.05 }", "coefficient = 0.1")
    Path("own.toml").write_text(text)
    left_out = draw.choice(("", "ethnicity", "smoking", "sex"))
    columns = {
        "sex": [draw.choice(("female", "male")) if left_out != "sex" else "unknown" for _ in range(rows)],
        "ethnicity": [draw.choice("ABMNP") if left_out != "ethnicity" else None for _ in range(rows)],
        "smoking": [draw.choice(("current", "never")) if left_out != "smoking" else "never" for _ in range(rows)],
        "bmi": [draw.choice((None, 20.0, 25.0, 30.0)) for _ in range(rows)],
        "ckd": [draw.random() < 0.1 for _ in range(rows)],
    }
    people = listed({}, rows).drop_columns(["sex"])
    for name, values in columns.items():
        people = people.append_column(name, pa.array(values, pa.string() if isinstance(values[0], str) else None))

    def stratum(i: int) -> str:
        if columns["sex"][i] == "female":
            return "black_women" if columns["ethnicity"][i] in ("M", "N", "P") else "women"
        return "smokers" if columns["smoking"][i] == "current" and not columns["ckd"][i] else "others"

    wanted = [stratum(i) for i in range(rows) if columns["bmi"][i] is not None]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        _, record = popstrat.score(people, AS_OF, pack="own.toml", record=True)
    assert record["models"]["m"]["strata"] == {name: wanted.count(name) for name in strata}
    nobody = [name for name in strata if name not in wanted]
    found = [w for w in record["warnings"] if "with a result" in w]
    assert found == [str(w.message) for w in caught if "with a result" in str(w.message)]
    if len(wanted) < 1000 or not nobody:
        assert not found
    else:
        what = "stratum" if len(nobody) == 1 else "strata"
        start = f"m: nobody of {len(wanted):,} people with a result is in the {what} {', '.join(nobody)}: "
        assert found[0].startswith(start)
        assert left_out in found[0][len(start) :]
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--pack", "own.toml", "--as-of", AS_OF, "-q"]) == 0
    assert json.loads(Path("out.parquet.run.json").read_text())["models"] == record["models"]


# -- the pack itself ---------------------------------------------------------------------------------------------------


def test_a_run_says_that_the_check_of_its_pack_would_warn(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line, with how many there are; not of a pack that is sound or comes with popstrat, nor where nothing is
    to be printed."""
    pq.write_table(listed({"bmi": [30.0] * ROWS, "ckd": [True] * ROWS}), "list.parquet")
    score = ["score", "list.parquet", "-o", "out.parquet", "--force", "--as-of", AS_OF, "--pack"]
    odd = MODEL.replace('when = "age >= 18"', 'when = "age >= 0"').replace(
        "expected = 0.622459", "expected = 0.62, tolerance = 1"
    )
    for text in (MODEL, odd, MODEL.replace('means = "M"\n', ""), odd.replace('means = "M"\n', "")):
        Path("own.toml").write_text(text)
        count = len(examine("own.toml").warnings)
        assert run([*score, "own.toml"]) == 0
        line = f"{count} warning{'s' if count > 1 else ''} of the pack: popstrat packs check own.toml"
        assert (line in capsys.readouterr().out) == (count > 0), count
        assert run([*score, "own.toml", "-q"]) == 0
        assert run([*score, "own.toml", "--json"]) == 0
        assert "packs check" not in capsys.readouterr().out
    assert count == 3
    assert run([*score, "london-2026"]) == 0
    assert "packs check" not in capsys.readouterr().out


def test_the_column_that_the_documentation_adds_to_a_synthetic_list(capsys: pytest.CaptureFixture[str]) -> None:
    text = (DOCS / "packs.md").read_text(encoding="utf-8")
    code = next(b for b in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "with-loneliness.parquet" in b)
    assert run(["synth", "-n", "5000", "--seed", "1", "-o", "list.parquet", "--as-of", AS_OF, "-q"]) == 0
    exec(code, {})
    pack = str(DOCS / "examples" / "local-column.toml")
    assert run(["score", "with-loneliness.parquet", "-o", "out.parquet", "--pack", pack, "--as-of", AS_OF]) == 0
    assert "packs check" not in capsys.readouterr().out
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert not any("loneliness" in told for told in (*record["warnings"], *record["ignored_columns"]))
    assert any("loneliness counts as current" in told for told in record["notices"])
    assert record["groups"]["veteran_lonely"]["true"] > 0


@pytest.mark.parametrize("inline", [True, False])
def test_every_failing_reference_patient_is_shown_at_its_own_line(inline: bool) -> None:
    """Whether they are tables of their own or stand in braces, over several lines, with brackets in texts and comments;
    whatever is wrong with one."""
    wrong = [
        ("expected = 0.5", "expected = 0.25", "should be 0.25 and is 0.5"), ("age = 60", "ago = 60", "no column 'ago'"),
        ("bmi = 25", "bmi = 2500", "bmi: "), ("bmi = 25", "bmi = true", "bmi cannot be True"),
        ("bmi = 25", "bmi = 24", "should be 0.5 and is 0.4875"),
        ("expected = 0.5", 'expected = "none"', "should be 'none'"),
        ("expected = 0.5", "tolerance = -1, expected = 0.5", "`tolerance` is a number"),
        ("expected = 0.5", "expected = { m = 0.5, q = 0 }", "no definition 'q'"),
    ]  # fmt: skip
    start = MODEL[: MODEL.index("reference_patients")]
    for number in (1, 2, 3, 5):
        for old, new, told in wrong:
            patients = ["title = 'one {of] many # x', patient = { age = 60, bmi = 25 }, expected = 0.5"] * 6
            patients[number - 1] = patients[number - 1].replace(old, new)
            for i, one in enumerate(patients):  # different ones
                patients[i] = one.replace("age = 60", f"age = {60 + i}").replace("ago = 60", f"ago = {60 + i}")
            if inline:
                text = start + "output = true\nreference_patients = [  # ] }\n"
                text += "".join(f"  {{ {one} }},  # {{ [\n\n" for one in patients) + "]\n"
                line = text[: text.index("reference_patients")].count("\n") + 2 * number
                last = line
            else:
                text = start + "output = true\n"
                blocks = [one.replace(", patient", "\npatient").replace(", expected", "\nexpected") for one in patients]
                blocks = [
                    block.replace("tolerance = -1\n", "tolerance = -1\n").replace("}, tol", "}\ntol")
                    for block in blocks
                ]
                text += "".join(f"[[definition.m.reference_patients]]\n{block}\n" for block in blocks)
                before = text.index("[[definition.m.reference_patients]]")
                for _ in range(number - 1):
                    before = text.index("[[definition.m.reference_patients]]", before + 1)
                line = text[:before].count("\n") + 1
                last = line + 4
            Path("own.toml").write_text(text)
            with pytest.raises(PackError) as caught:
                examine("own.toml")
            message = str(caught.value)
            assert f"reference patient {number}" in message, message
            assert told in message, message
            assert line <= int(re.match(r"own.toml:(\d+):", message)[1]) <= last, (number, new, message)
