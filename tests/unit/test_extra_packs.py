"""What the small packs give, patient by patient."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import pyarrow as pa
import pytest

from popstrat.explain import trace
from popstrat.pack import builtin_packs, load_pack
from popstrat.scorer import Scorer

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


@pytest.mark.parametrize("name", builtin_packs())
def test_every_pack_says_where_its_rules_come_from(name: str) -> None:
    pack = load_pack(name)
    assert pack.id == name
    for definition in pack.raw["definition"].values():
        assert definition.get("source") or definition.get("assumption")
        assert definition["title"]
    text = resources.files("popstrat.packs").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    assert "description" in tomllib.loads(text)["pack"]
