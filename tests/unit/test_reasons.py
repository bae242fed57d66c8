"""A trace says what decided, adds up, agrees with the engine, and names nobody."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pyarrow as pa
import pytest
from one_patient import BP, patient

from popstrat import synthetic
from popstrat.errors import TraceError
from popstrat.lang.values import on_grid
from popstrat.reasons.findings import Explanation, Finding
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke

AS_OF = dt.date(2026, 6, 30)
ROWS = 120


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(as_of=AS_OF)


def finding(explanation: Explanation, ident: str) -> Finding:
    def search(found: tuple[Finding, ...]) -> Finding | None:
        for item in found:
            inside = item if item.id == ident else search(item.parts)
            if inside is not None:
                return inside
        return None

    found = search(explanation.findings)
    assert found is not None
    return found


def rules(explanation: Explanation, ident: str) -> dict[str, tuple[str, str]]:
    return {line.label: (line.saw, line.answer) for line in finding(explanation, ident).lines}


def test_a_rule_is_shown_with_the_values_it_saw(scorer: Scorer) -> None:
    found = trace(scorer, patient(**BP))
    assert finding(found, "hypertension_status").result == "unoptimised"
    saw, answer = rules(found, "hypertension_status")["optimised"]
    assert answer == "no"
    assert "bp date 2026-03-02 in 2025-06-30 to 2026-06-30 (yes)" in saw
    assert "bp at target (no)" in saw
    (line,) = finding(found, "bp_at_target").lines
    assert line.saw == "systolic bp 152 ≤ systolic limit 140 (no) and diastolic bp 84 ≤ diastolic limit 90 (yes)"


def test_only_what_was_asked_is_shown(scorer: Scorer) -> None:
    found = trace(scorer, patient(**BP))
    assert list(rules(found, "hypertension_status")) == ["diagnosed", "optimised"]
    assert list(rules(found, "af_status")) == ["diagnosed", "undiagnosed"]
    assert list(rules(found, "cvrm_rag")) == ["red", "amber", "green"]


def test_unknown_says_what_has_no_record(scorer: Scorer) -> None:
    found = trace(scorer, patient(hba1c_date=dt.date(2026, 1, 1)))
    saw, answer = rules(found, "diabetes_status")["undiagnosed"]
    assert answer == "unknown"
    assert "hba1c (no record) ≥ hba1c diabetic 48 (unknown)" in saw
    assert finding(found, "frailty_category").result == "none (no record of cfs or frailty or efi)"


def test_a_value_set_aside_is_named_with_its_reason(scorer: Scorer) -> None:
    found = trace(scorer, patient(hba1c=900.0, hba1c_date=dt.date(2026, 1, 1)))
    assert [(s.column, s.value, s.reason) for s in found.set_aside] == [("hba1c", "900", "outside 15 to 200 mmol/mol")]
    assert "hba1c (set aside)" in rules(found, "diabetes_status")["undiagnosed"][0]


def test_not_eligible(scorer: Scorer) -> None:
    found = trace(scorer, patient(age=9))
    for ident in ("nwl_risk_group", "hypertension_status", "admission_risk"):
        item = finding(found, ident)
        assert item.value is None
        assert item.result == "not eligible"
        assert [(line.saw, line.answer) for line in item.lines] == [("age 9 ≥ 18", "no")]


def test_a_part_is_told_once_and_then_referred_to(scorer: Scorer) -> None:
    found = trace(scorer, patient(**BP, ckd=True, statin=True))
    inside, again = finding(found, "bp_at_target"), finding(found, "ckd_bp_at_target")
    told = [part.title for target in inside.parts for part in (target, *target.parts)]
    assert told.count("Allowance for a home reading") == 1
    assert again.parts
    assert any("Allowance for a home reading" in part.seen for part in again.parts)


def test_which_dated_version_of_a_rule_applied() -> None:
    table = patient(age=50, smi=True, hypertension=True, diabetes=True, ckd=True)
    before, after = (
        finding(trace(Scorer(as_of=day), table), "mltc_int_segment") for day in ("2026-06-30", "2026-07-01")
    )
    assert before.value is False
    assert "in force to 2026-06-30" in before.note
    assert after.value is True
    assert "in force from 2026-07-01" in after.note


def test_the_path_through_the_tree(scorer: Scorer) -> None:
    found = finding(trace(scorer, patient(hypertension=True, cancer=True)), "expected_cost_2014")
    assert [(line.label, line.saw, line.answer) for line in found.lines] == [
        ("node 1", "cost conditions 1 < 1.5", "yes"),
        ("node 2", "cost conditions 1 < 0.5", "no"),
        ("node 5", "age 67 < 77.5", "yes"),
        ("node 10", "cancer (yes)", "yes"),
        ("leaf 21", "5,804.239, the mean of 406 people", ""),
    ]
    assert found.result == "£5,804.24, 2014"
    lost = finding(trace(scorer, patient(age=None)), "expected_cost_2014")
    assert lost.value is None
    assert lost.result == "none (no record of age)"


def test_the_terms_of_the_model_add_up(scorer: Scorer) -> None:
    found = finding(trace(scorer, patient(copd=True, smoking="current", emergency_admissions_12m=1)), "admission_risk")
    model = found.model
    assert model is not None
    total = model.start
    for term in model.contributions:
        assert term.adds == on_grid(term.value * term.coefficient)
        assert term.source
        total += term.adds
        assert term.total == total
    assert total == model.linear_predictor
    assert model.silent + len(model.contributions) == len(scorer.resolved.definitions["admission_risk"].raw["terms"])
    assert "copd" in {term.id for term in model.contributions}
    stood_in = {item.input: (item.used, item.why) for item in model.stand_ins}
    assert stood_in["bmi"] == ("27", "near the adult mean")
    assert "smoking" not in stood_in
    assert model.missing == len(stood_in)
    assert "Illustrative" in model.disclaimer


def test_every_patient_of_a_list_can_be_explained(scorer: Scorer) -> None:
    # trace() itself refuses what does not agree with the engine or does not add up
    people = synthetic.table(ROWS, seed=11, as_of=AS_OF, dirty=True)
    scored = scorer.score_batch(people.combine_chunks().to_batches()[0]).to_pylist()
    for i in range(ROWS):
        found = trace(scorer, people.slice(i, 1))
        for item in found.findings:
            if item.output and not isinstance(item.value, float):
                assert item.value == scored[i][item.output]


def test_tables_of_other_types(scorer: Scorer) -> None:
    usual = trace(scorer, patient(**BP, hba1c=60.0, bp_setting="home", efi=0.25))
    table = patient(**BP, hba1c=60.0, bp_setting="home", efi=0.25)
    for name, kind in {
        "age": pa.decimal128(20, 1), "systolic_bp": pa.string(), "hypertension": pa.int8(), "bp_date": pa.date64(),
        "bp_setting": pa.dictionary(pa.int32(), pa.large_string()), "efi": pa.float32(), "sex": pa.large_string(),
    }.items():  # fmt: skip
        table = table.set_column(table.schema.get_field_index(name), name, table.column(name).cast(kind))
    assert trace(scorer, table).findings == usual.findings


def test_nobody_is_named(scorer: Scorer) -> None:
    table = patient(**BP)
    table = table.remove_column(table.schema.names.index("age"))
    table = table.append_column("date_of_birth", pa.array([dt.date(1958, 11, 23)]))
    found = trace(scorer, table)
    shown = json.dumps(found.as_dict())
    for secret in ("P-771923", "1958-11-23", "G85001"):
        assert secret not in shown
    assert found.age == 67


def test_one_row_is_needed(scorer: Scorer) -> None:
    with pytest.raises(ValueError, match="one row"):
        trace(scorer, pa.concat_tables([patient(), patient()]))


def test_a_difference_from_the_engine_is_refused(scorer: Scorer, monkeypatch: pytest.MonkeyPatch) -> None:
    from popstrat.packs.evaluator import Reference

    real = Reference.score
    monkeypatch.setattr(Reference, "score", lambda self, row: real(self, row) | {"ltc_count": 99})
    with pytest.raises(TraceError, match="ltc_count"):
        trace(scorer, patient())


MODEL = """
[pack]
id = "small"
version = "1"

[definition.score]
kind = "model"
draft = true
title = "A score"
source = "made up"
version = "1"
link = "{link}"
intercept = -1.5
{more}
output = true
missing_output = "score_missing"

[definition.score.inputs]
bmi = {{ default = "30 if sex == \\"female\\" else 25", clip = [20, 40], why = "by sex" }}

[[definition.score.terms]]
id = "bmi"
title = "Body mass"
value = "(bmi - 25) / 10"
coefficient = 0.5
evidence = "assumption"
why = "an example"
"""


@pytest.mark.parametrize(
    ("link", "more", "bmi", "predictor", "step"),
    [
        ("identity", "", 30.0, -1.25, "the sum itself"),
        ("logistic", "", None, -1.25, "1 / (1 + exp(1.250000)) = 0.2227"),
        ("survival", "baseline_survival = 0.9", 55.0, -0.75, "1 − 0.9 ^ exp(-0.750000) ="),
    ],
)
def test_links_defaults_and_bounds(
    tmp_path: Path, link: str, more: str, bmi: float | None, predictor: float, step: str
) -> None:
    file = tmp_path / "small.toml"
    file.write_text(MODEL.format(link=link, more=more))
    model = trace(Scorer(str(file), AS_OF), patient(bmi=bmi)).findings[0].model
    assert model is not None
    assert model.start == -1.5
    assert model.linear_predictor == predictor
    assert model.link.startswith(step)
    expected = {None: ("30", "by sex"), 55.0: ("40", "55 lies beyond 20 to 40")}.get(bmi)
    assert [(s.used, s.why) for s in model.stand_ins] == ([expected] if expected else [])
    assert model.missing == (bmi is None)
