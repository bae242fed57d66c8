"""What the small packs give, patient by patient."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from popstrat.packs.load import load_pack
from popstrat.packs.read import builtin_packs
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"


def scored(pack: str, **values: Any) -> dict[str, Any]:
    """One patient of 50 with what is given, scored."""
    row = {"patient_id": 1, "practice_code": "G85001", "age": 50, "sex": "male"} | values
    table = pa.table({k: [v] for k, v in row.items()})
    trace(Scorer(pack, AS_OF), table)  # raises unless engine and reference agree
    return dict(Scorer(pack, AS_OF).score_batch(table.to_batches()[0]).to_pylist()[0])


AF = {"atrial_fibrillation": True}


@pytest.mark.parametrize(
    ("values", "points", "anticoagulation"),
    [
        ({}, 0, None),
        (AF, 0, "not_indicated"),
        (AF | {"age": 64}, 0, "not_indicated"),
        (AF | {"age": 65}, 1, "consider"),
        (AF | {"age": 74}, 1, "consider"),
        (AF | {"age": 75}, 2, "offer"),
        (AF | {"sex": "female"}, 1, "not_indicated"),
        (AF | {"sex": None}, 0, "not_indicated"),
        (AF | {"sex": "female", "hypertension": True}, 2, "offer"),
        (AF | {"stroke_tia": True}, 2, "offer"),
        (AF | {"chd": True, "pad": True}, 1, "consider"),
        (AF | {"diabetes": True, "heart_failure": True}, 2, "offer"),
        (AF | {"diabetes": True, "heart_failure": True, "anticoagulant": True}, 2, "on_anticoagulant"),
        ({"age": 80, "sex": "female", "heart_failure": True, "hypertension": True, "diabetes": True, "stroke_tia": True,
          "chd": True}, 9, None),
        (AF | {"age": 17}, None, None),
    ],
)  # fmt: skip
def test_cha2ds2_vasc(values: dict[str, Any], points: int | None, anticoagulation: str | None) -> None:
    found = scored("cha2ds2-vasc", **values)
    assert (found["cha2ds2_vasc"], found["anticoagulation"]) == (points, anticoagulation)


@pytest.mark.parametrize(
    ("values", "conditions", "score"),
    [
        ({}, 0, 0.0),
        ({"hypertension": True}, 1, 0.08),
        ({"anxiety": True, "depression": True}, 1, 0.50),
        ({"depression": True}, 1, 0.50),
        ({"rheumatoid_arthritis": True, "lupus": True}, 1, 0.43),
        ({"dementia": True, "heart_failure": True, "copd": True}, 3, 5.14),
        ({"obesity": True, "falls": True}, 0, 0.0),
        ({"dementia": True, "age": 17}, None, None),
    ],
)
def test_cambridge_score(values: dict[str, Any], conditions: int | None, score: float | None) -> None:
    found = scored("cambridge-multimorbidity", **values)
    assert (found["cambridge_conditions"], found["cambridge_score"]) == (conditions, score)


def test_cambridge_with_every_condition() -> None:
    schema = load_pack("cambridge-multimorbidity").schema
    everything = dict.fromkeys(schema.names("conditions"), True)
    everything |= {"hearing_loss": True, "irritable_bowel": True, "constipation": True}
    found = scored("cambridge-multimorbidity", **everything)
    assert found["cambridge_conditions"] == 20
    assert found["cambridge_score"] == 16.33


@pytest.mark.parametrize(
    ("values", "segment"),
    [
        ({}, "healthy_adult"),
        ({"age": 18}, "healthy_adult"),
        ({"age": 17}, "healthy_child"),
        ({"asthma": True}, "adult_one_ltc"),
        ({"asthma": True, "ckd": True}, "adult_two_or_more_ltc"),
        ({"asthma": True, "ckd": True, "housebound": True}, "adult_with_complexity"),
        ({"cfs": 7}, "adult_with_complexity"),
        ({"cfs": 5, "efi": 0.5}, "healthy_adult"),
        ({"frailty": "mild", "efi": 0.5}, "healthy_adult"),
        ({"efi": 0.37}, "adult_with_complexity"),
        ({"cfs": 9}, "end_of_life"),
        ({"palliative_care": True, "age": 3}, "end_of_life"),
        ({"end_of_life": True, "age": None}, "end_of_life"),
        ({"age": 5, "asthma": True}, "child_with_ltc"),
        ({"age": 5, "asthma": True, "complex_needs": True}, "child_with_complexity"),
        ({"age": 5, "housebound": True}, "healthy_child"),
        ({"age": None, "dementia": True}, None),
    ],
)
def test_ncl_segments(values: dict[str, Any], segment: str | None) -> None:
    assert scored("ncl-segments", **values)["ncl_segment"] == segment


@pytest.mark.parametrize(
    ("values", "index", "category"),
    [
        ({"age": 65, "efi_deficits": 0}, 0.0, "fit"),
        ({"age": 65, "efi_deficits": 4}, 4 / 36, "fit"),
        ({"age": 65, "efi_deficits": 5}, 5 / 36, "mild"),
        ({"age": 65, "efi_deficits": 8}, 8 / 36, "mild"),
        ({"age": 65, "efi_deficits": 9}, 0.25, "moderate"),
        ({"age": 65, "efi_deficits": 12}, 12 / 36, "moderate"),
        ({"age": 65, "efi_deficits": 13}, 13 / 36, "severe"),
        ({"age": 65, "efi_deficits": 36}, 1.0, "severe"),
        ({"age": 65, "efi_deficits": 37}, None, None),  # implausible
        ({"age": 65, "efi_deficits": 37, "efi": 0.2}, 0.2, "mild"),
        ({"age": 65, "efi_deficits": -1}, None, None),
        ({"age": 65, "efi_deficits": 2, "efi": 0.9}, 2 / 36, "fit"),
        ({"age": 65, "efi": 0.12}, 0.12, "fit"),
        ({"age": 65, "efi": 0.24}, 0.24, "mild"),
        ({"age": 65, "efi": 0.36}, 0.36, "moderate"),
        ({"age": 65, "efi": 0.37}, 0.37, "severe"),
        ({"age": 65}, None, None),
        ({"age": 64, "efi_deficits": 20}, None, None),
        ({"age": None, "efi_deficits": 20}, None, None),
    ],
)
def test_efi(values: dict[str, Any], index: float | None, category: str | None) -> None:
    found = scored("efi", **values)
    if "efi" in values and index == values["efi"]:
        index = float(np.float32(index))  # as the patient table declares it
    assert (found["efi_index"], found["efi_category"]) == (index, category)


@pytest.mark.parametrize("deficits", range(37))
def test_efi_by_deficits_and_by_the_index_agree(deficits: int) -> None:
    """The published limits on counts and those on the index draw the same lines."""
    by_count = scored("efi", age=80, efi_deficits=deficits)["efi_category"]
    assert by_count == scored("efi", age=80, efi=deficits / 36)["efi_category"]


@pytest.mark.parametrize(
    ("values", "domain"),
    [
        ({}, "live_well"),
        ({"age": None}, "live_well"),
        ({"age": 5}, "live_well"),
        ({"end_of_life": True, "age": 5}, "die_well"),
        ({"palliative_care": True, "age": 90, "dementia": True}, "die_well"),
        ({"cfs": 9, "age": None}, "die_well"),
        ({"cfs": 8, "age": 65}, "age_well"),
        ({"cfs": 6, "age": 65}, "age_well"),
        ({"cfs": 5, "age": 65, "frailty": "severe"}, "live_well"),
        ({"frailty": "moderate", "age": 65}, "age_well"),
        ({"frailty": "mild", "age": 65, "efi": 0.5}, "live_well"),
        ({"efi": 0.25, "age": 65}, "age_well"),
        ({"efi": 0.24, "age": 65}, "live_well"),
        ({"cfs": 8, "age": 64}, "live_well"),
        ({"dementia": True, "age": 65}, "age_well"),
        ({"dementia": True, "age": 64}, "stay_well"),
        ({"falls": True, "age": 65, "smi": True}, "age_well"),
        ({"falls": True, "age": 64}, "live_well"),
        ({"care_home": True, "age": 80}, "age_well"),
        ({"housebound": True, "age": 80}, "age_well"),
        ({"asthma": True, "age": 6}, "stay_well"),
        ({"learning_disability": True, "smi": True}, "stay_well"),
        ({"cancer": True, "smoking": "current"}, "stay_well"),
        ({"depression": True, "bmi": 45.0}, "feel_well"),
        ({"anxiety": True}, "feel_well"),
        ({"smi": True, "alcohol_dependence": True}, "feel_well"),
        ({"smoking": "current"}, "be_well"),
        ({"smoking": "ex"}, "live_well"),
        ({"obesity": True}, "be_well"),
        ({"bmi": 30.0}, "be_well"),
        ({"bmi": 29.9}, "live_well"),
        ({"bmi": 101.0}, "live_well"),  # implausible
        ({"alcohol_units_week": 15}, "be_well"),
        ({"alcohol_units_week": 14}, "live_well"),
        ({"alcohol_dependence": True}, "be_well"),
        ({"drug_dependence": True}, "be_well"),
    ],
)
def test_snee_live_well(values: dict[str, Any], domain: str) -> None:
    assert scored("snee-live-well", **values)["live_well_domain"] == domain


CAMBRIDGE = {
    "hypertension": 0.08, "anxiety": 0.50, "depression": 0.50, "chronic_pain": 0.92, "hearing_loss": 0.09,
    "irritable_bowel": 0.21, "asthma": 0.19, "diabetes": 0.75, "chd": 0.49, "ckd": 0.53, "atrial_fibrillation": 1.34,
    "constipation": 1.12, "stroke_tia": 0.80, "copd": 1.46, "rheumatoid_arthritis": 0.43, "lupus": 0.43, "cancer": 1.53,
    "alcohol_dependence": 0.65, "heart_failure": 1.18, "dementia": 2.50, "smi": 0.64, "epilepsy": 0.92,
}  # fmt: skip


@pytest.mark.parametrize(("condition", "weight"), CAMBRIDGE.items())
def test_each_condition_of_the_cambridge_score_has_its_published_weight(condition: str, weight: float) -> None:
    found = scored("cambridge-multimorbidity", **{condition: True})
    assert (found["cambridge_conditions"], found["cambridge_score"]) == (1, weight)
    assert len(load_pack("cambridge-multimorbidity").raw["definition"]["cambridge_score"]["terms"]) == 20


@pytest.mark.parametrize("name", sorted(set(builtin_packs()) - {"london-2026"}))
def test_what_a_small_pack_writes_has_reference_patients(name: str) -> None:
    """What it writes that is more than a count or band of something that has them."""
    pack = load_pack(name)
    extends = pack.raw["pack"].get("extends", [])
    bases = [extends] if isinstance(extends, str) else extends
    inherited = {k for base in bases for k in load_pack(base).raw["definition"]}
    raw = {k: d for k, d in pack.raw["definition"].items() if k not in inherited}
    without = {k for k, d in raw.items() if d.get("output") and "reference_patients" not in d}
    assert without <= {"cambridge_conditions", "frailty_category", "admission_risk_band"}


@pytest.mark.parametrize("name", builtin_packs())
def test_every_pack_says_where_its_rules_come_from(name: str) -> None:
    pack = load_pack(name)
    assert pack.id == name
    for definition in pack.raw["definition"].values():
        assert definition.get("source") or definition.get("assumption")
        assert definition["title"]
    text = resources.files("popstrat.packs").joinpath(f"builtin/{name}.toml").read_text(encoding="utf-8")
    assert "description" in tomllib.loads(text)["pack"]
