"""The metrics of neighbourhood-2026: who is counted (yes), who is only in the denominator (no), who is in neither (-).

For events, the cell has their number. The tables cover the limits: the day 12 months ago, over 30, over 10, and the
ages from which people count.
"""

from __future__ import annotations

import datetime as dt
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from spec_tables import AS_OF, arrow, given, read

from popstrat.metrics.counting import Counter, besides, plan
from popstrat.packs.evaluator import Reference
from popstrat.packs.kinds.registry import KINDS
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke
PACK = "neighbourhood-2026"


@cache
def scorer(as_of: str) -> Scorer:
    return Scorer(PACK, as_of, besides=partial(besides, groupings=()))


def check(table: str, as_of: str = AS_OF) -> None:
    """Demand the cells of a table from the engine, which counts each person in a practice of their own, and from the
    readable evaluator."""
    of = scorer(as_of)
    inputs, metrics, rows = read(table)
    date = dt.date.fromisoformat(as_of)
    patients = [
        {n: given(of.pack.schema, n, c, date) for n, c in zip(inputs, left, strict=True)}
        | {"practice_code": f"Y{90001 + i}"}
        for i, (left, _) in enumerate(rows)
    ]
    columns = [c.name for c in of.pack.schema if c.name not in ("date_of_birth", "pcn_code", "neighbourhood", "place")]
    batch = arrow(of.pack.schema, patients, columns, {})
    planned = plan(of.resolved, ())
    counter = Counter(planned)
    counter.add(of.bind(batch.schema).score(batch)[0])
    counted = counter.finish()
    reference = Reference(of.resolved, set(columns), {c.name for c in of.pack.schema if c.single})
    for name in metrics:
        number = [m.id for m in planned.metrics].index(name)
        numerator, denominator = planned.numerators[number], planned.denominators[number]
        assert numerator is not None
        values = counted.events[numerator][0] if numerator in counted.events else counted.people[numerator]
        of_whom = counted.registered if denominator is None else counted.people[denominator]
        engine = [cell(planned.metrics[number].events, v, d) for v, d in zip(values[:, 0], of_whom[:, 0], strict=True)]
        definition = of.resolved.definitions[name]
        plain = []
        for row in batch.to_pylist():
            patient = reference.patient(row)
            there = all(reference.value(part, patient) is True for part in definition.eligible)
            plain.append(cell(planned.metrics[number].events, reference.named(name, patient) or 0, there))
        wanted = [right[metrics.index(name)] for _, right in rows]
        assert engine == wanted, name
        assert plain == wanted, name


def cell(events: bool, value: Any, of_whom: Any) -> str:
    if not of_whom:
        assert not value
        return "-"
    return str(int(value)) if events else "yes" if value else "no"


def test_blood_pressure_at_target() -> None:
    """As in QOF, a reading at the target counts. One of exactly 12 months ago counts, an older one does not."""
    check("""
        age | hypertension | systolic_bp | diastolic_bp | bp_date       || blood_pressure_at_target | bp_recorded | blood_pressure_at_target_under_80 | blood_pressure_at_target_80_and_over | hypertension_undiagnosed
        50  | yes          | 140         | 90           | as_of         || yes | yes | yes | -   | no
        50  | yes          | 141         | 90           | as_of         || no  | yes | no  | -   | no
        50  | yes          | 140         | 90           | as_of-12m     || yes | yes | yes | -   | no
        50  | yes          | 140         | 90           | as_of-12m-1d  || no  | no  | no  | -   | no
        50  | yes          | 140         | -            | as_of         || no  | no  | no  | -   | no
        50  | yes          | -           | -            | -             || no  | no  | no  | -   | no
        80  | yes          | 150         | 90           | as_of         || yes | yes | -   | yes | no
        79  | yes          | 150         | 90           | as_of         || no  | yes | no  | -   | no
        17  | yes          | 120         | 70           | as_of         || -   | -   | -   | -   | -
        -   | yes          | 120         | 70           | as_of         || -   | -   | -   | -   | -
        50  | -            | 160         | 70           | as_of-24m     || -   | -   | -   | -   | yes
        50  | -            | 160         | 70           | as_of-24m-1d  || -   | -   | -   | -   | no
    """)  # noqa: E501


def test_blood_pressure_in_cohorts() -> None:
    check("""
        age | hypertension | asthma | copd | systolic_bp | diastolic_bp | bp_date || blood_pressure_at_target_frailty | blood_pressure_at_target_mltc
        64  | yes          | yes    | yes  | 130         | 80           | as_of   || -   | yes
        65  | yes          | yes    | yes  | 130         | 80           | as_of   || yes | -
        64  | yes          | yes    | -    | 130         | 80           | as_of   || -   | -
        65  | -            | yes    | yes  | 130         | 80           | as_of   || -   | -
    """)  # noqa: E501


def test_weight_is_over_thirty() -> None:
    check("""
        age | bmi  | obesity || bmi_over_30 | bmi_recorded | obesity_recorded | bmi_over_30_frailty
        50  | 30   | -       || no  | yes | no  | -
        50  | 30.1 | -       || yes | yes | no  | -
        50  | -    | yes     || no  | no  | yes | -
        17  | 35   | yes     || -   | -   | -   | -
        65  | 30.1 | -       || yes | yes | no  | yes
    """)


def test_lipids() -> None:
    """Primary prevention starts at a score over 10, not at 10."""
    check("""
        age | chd | cvd_risk_10y | statin | ldl | lipids_date  || lipids_primary_optimised | lipids_primary_unoptimised | lipids_secondary_optimised | lipids_secondary_unoptimised | cvd_risk_recorded
        50  | -   | 10           | yes    | -   | -            || -   | -   | -   | -   | yes
        50  | -   | 10.1         | yes    | -   | -            || yes | no  | -   | -   | yes
        50  | -   | 10.1         | -      | -   | -            || no  | yes | -   | -   | yes
        50  | yes | 30           | yes    | 2   | as_of-12m    || -   | -   | yes | no  | -
        50  | yes | 30           | yes    | 2   | as_of-12m-1d || -   | -   | no  | yes | -
        50  | yes | -            | -      | 2.1 | as_of        || -   | -   | no  | yes | -
        17  | yes | 30           | yes    | 2   | as_of        || -   | -   | -   | -   | -
    """)  # noqa: E501


def test_frailty_coded_is_a_scale() -> None:
    check("""
        age | cfs | frailty | cga_date || frailty_coded | cga_recorded | in_frailty_int_priority
        64  | 5   | -       | -        || -   | -   | no
        65  | 5   | -       | -        || yes | -   | no
        65  | -   | severe  | as_of    || no  | yes | yes
        65  | 6   | -       | -        || yes | no  | yes
        65  | 0   | -       | -        || no  | -   | no
    """)


def test_diabetes() -> None:
    check("""
        age | diabetes | diabetes_type | diabetes_onset_age | hba1c | hba1c_date   | cfs || hba1c_at_target | early_onset_type_2_at_target | hba1c_recorded
        50  | yes      | type2         | 39                 | 58    | as_of-12m    | -   || yes | yes | yes
        50  | yes      | type2         | 40                 | 58    | as_of        | -   || yes | -   | yes
        50  | yes      | type1         | 20                 | 58    | as_of        | -   || yes | -   | yes
        50  | yes      | type2         | 20                 | 58.1  | as_of        | -   || no  | no  | yes
        50  | yes      | type2         | 20                 | 75    | as_of        | 6   || yes | yes | yes
        50  | yes      | type2         | 20                 | 58    | as_of-12m-1d | -   || no  | no  | no
        50  | -        | type2         | 20                 | 50    | as_of        | -   || -   | -   | -
        17  | yes      | type2         | 10                 | 50    | as_of        | -   || -   | -   | -
    """)  # noqa: E501


def test_prevention_of_diabetes() -> None:
    check("""
        age | diabetes | hba1c | hba1c_date   | ndpp_referred_date | ndpp_completed_date || ndpp_referred | ndpp_completed
        50  | -        | 42    | as_of        | -                  | -                   || no  | -
        50  | -        | 41.9  | as_of        | as_of              | -                   || -   | no
        50  | -        | 47.9  | as_of        | as_of-12m          | as_of               || yes | yes
        50  | -        | 48    | as_of        | as_of              | -                   || -   | no
        50  | -        | 45    | as_of-24m    | as_of-12m-1d       | -                   || no  | no
        50  | -        | 45    | as_of-24m-1d | as_of              | as_of               || -   | yes
        50  | yes      | 45    | as_of        | as_of              | -                   || -   | no
        17  | -        | 45    | as_of        | -                  | -                   || -   | -
    """)  # noqa: E501


def test_reviews_and_plans() -> None:
    check("""
        age | complex_needs | care_plan_date | learning_disability | ld_check_date | smi | smi_check_date || care_plan | learning_disability_check | smi_check
        9   | yes           | as_of-9y       | -                   | -             | -   | -              || yes | -   | -
        9   | yes           | -              | -                   | -             | -   | -              || no  | -   | -
        14  | -             | as_of          | yes                 | as_of-12m     | -   | -              || -   | yes | -
        13  | -             | -              | yes                 | as_of         | -   | -              || -   | -   | -
        14  | -             | -              | yes                 | as_of-12m-1d  | yes | as_of          || -   | no  | yes
        40  | -             | -              | -                   | as_of         | yes | -              || -   | -   | no
    """)  # noqa: E501


def test_questionnaires_in_the_cohorts() -> None:
    check("""
        age | phq9_date    | gad7_date | asthma | copd | obesity || phq9_frailty | gad7_frailty | phq9_mltc | gad7_mltc
        65  | as_of-12m    | -         | -      | -    | -       || yes | no  | -   | -
        65  | as_of-12m-1d | as_of     | yes    | yes  | yes     || no  | yes | -   | -
        64  | as_of        | -         | yes    | yes  | yes     || -   | -   | yes | no
        64  | as_of        | -         | yes    | yes  | -       || -   | -   | -   | -
    """)


def test_events_are_of_people_whose_use_is_recorded() -> None:
    check("""
        age | ae_attendances_12m | emergency_admissions_12m || ae_attendances | ae_attendances_frailty | emergency_admissions
        50  | 0                  | -                        || 0 | - | -
        65  | 3                  | 2                        || 3 | 3 | 2
        -   | 10000              | 1                        || 10000 | - | 1
        65  | 10001              | 0                        || - | - | 0
        65  | -                  | -                        || - | - | -
    """)  # noqa: E501


def test_conditions_counted_up_to_four() -> None:
    check("""
        age | asthma | copd | ckd | chd | obesity || ltc_0 | ltc_1 | ltc_3 | ltc_4_or_more
        3   | -      | -    | -   | -   | -       || yes | no  | no  | no
        3   | yes    | -    | -   | -   | -       || no  | yes | no  | no
        70  | yes    | yes  | yes | -   | -       || no  | no  | yes | no
        70  | yes    | yes  | yes | yes | -       || no  | no  | no  | yes
        70  | yes    | yes  | yes | yes | yes     || no  | no  | no  | yes
    """)


def test_one_person_in_two_cohorts_is_one_of_any() -> None:
    check("""
        age | cfs | imd_decile | complex_needs || in_frailty_int_segment | in_cyp_int_segment | int_eligible | int_priority | in_core20
        65  | 6   | 1          | yes           || yes | no  | yes | yes | yes
        65  | 1   | 1          | yes           || yes | no  | yes | no  | yes
        17  | -   | 3          | yes           || no  | yes | yes | yes | no
        17  | -   | 3          | -             || no  | no  | no  | no  | no
        17  | -   | -          | -             || no  | no  | no  | no  | -
    """)  # noqa: E501


def test_medicines_are_of_those_in_whom_they_are_indicated() -> None:
    check("""
        age | ckd | diabetes | statin | pregnant | egfr | sglt2_inhibitor | diabetes_type || statin_missing | sglt2_inhibitor_missing
        50  | yes | -        | -      | -        | 30   | -               | -             || yes | yes
        50  | yes | -        | yes    | -        | 30   | yes             | -             || no  | no
        50  | yes | -        | -      | yes      | 30   | -               | -             || -   | -
        39  | -   | yes      | -      | -        | -    | -               | -             || -   | -
        40  | -   | yes      | -      | -        | -    | -               | -             || yes | -
        50  | yes | -        | -      | -        | 30   | -               | type1         || yes | -
        17  | yes | -        | -      | -        | 30   | -               | -             || -   | -
    """)  # noqa: E501


def test_what_drives_red_is_of_red_people() -> None:
    """Red is three of the four undiagnosed or not optimised; adults with two of them, and children, are not in it."""
    check("""
        age | hypertension | systolic_bp | diastolic_bp | bp_date | diabetes | ckd | hba1c | hba1c_date || cvrm_rag_red | cvrm_red_hypertension_unoptimised | cvrm_red_hypertension_undiagnosed | cvrm_red_diabetes_unoptimised | cvrm_red_diabetes_undiagnosed | cvrm_red_ckd_unoptimised | cvrm_red_af_unoptimised
        50  | yes          | 150         | 90           | as_of   | yes      | yes | 60    | as_of      || yes | yes | no  | yes | no  | yes | no
        50  | -            | 150         | 90           | as_of   | -        | yes | 60    | as_of      || yes | no  | yes | no  | yes | yes | no
        50  | yes          | 130         | 80           | as_of   | yes      | yes | 60    | as_of      || no  | -   | -   | -   | -   | -   | -
        17  | yes          | 150         | 90           | as_of   | yes      | yes | 60    | as_of      || -   | -   | -   | -   | -   | -   | -
    """)  # noqa: E501


def test_medicines_missing_in_red_people() -> None:
    """Only medicines that the record indicates; of somebody pregnant none is missing, who counts all the same."""
    check("""
        age | hypertension | diabetes | ckd | egfr | statin | ras_inhibitor | acr | pregnant || cvrm_rag_red | cvrm_red_statin_missing | cvrm_red_ras_inhibitor_missing | cvrm_red_sglt2_inhibitor_missing | cvrm_red_anticoagulant_missing
        50  | yes          | yes      | yes | 30   | -      | -             | 70  | -        || yes | yes | yes | yes | no
        50  | yes          | yes      | yes | 30   | yes    | yes           | 70  | -        || yes | no  | no  | yes | no
        50  | yes          | yes      | yes | 30   | -      | -             | -   | -        || yes | yes | no  | yes | no
        40  | yes          | yes      | yes | 30   | -      | -             | 70  | yes      || yes | no  | no  | no  | no
        50  | yes          | yes      | -   | -    | -      | -             | -   | -        || no  | -   | -   | -   | -
    """)  # noqa: E501


def test_what_is_recorded() -> None:
    check("""
        age | ethnicity | smoking | diabetes | egfr | egfr_date    | acr | acr_date || ethnicity_recorded | smoking_recorded | smoking_current | egfr_recorded | acr_recorded
        50  | A         | current | yes      | 90   | as_of-12m    | 1   | as_of    || yes | yes | yes | yes | yes
        50  | Z         | never   | yes      | 90   | as_of-12m-1d | -   | as_of    || no  | yes | no  | no  | no
        50  | 99        | -       | -        | 90   | as_of        | 1   | as_of    || no  | no  | -   | -   | -
        17  | -         | current | yes      | 90   | as_of        | 1   | as_of    || no  | -   | -   | -   | -
    """)  # noqa: E501


def test_statuses_are_of_the_diagnosed_and_add_up() -> None:
    """For every status, optimised and unoptimised have the same denominator."""
    of = scorer(AS_OF)
    planned = plan(of.resolved, ())
    known = {m.id: i for i, m in enumerate(planned.metrics)}
    for name in ("hypertension", "diabetes", "af", "ckd", "heart_failure", "lipids_secondary", "lipids_primary"):
        one, other = known[f"{name}_optimised"], known[f"{name}_unoptimised"]
        assert planned.denominators[one] == planned.denominators[other] is not None


def test_what_no_table_can_say_has_its_reason() -> None:
    found = {d.id: d for d in scorer(AS_OF).resolved.definitions.values() if KINDS[d.kind].counted}
    without = {name for name, d in found.items() if "not_computable" in d.raw}
    assert {"length_of_stay", "acsc_admissions", "place_of_death", "gp_patient_survey", "eq_5d", "patient_activation",
            "gp_appointments_offered", "hypertension_detection_gap",
            "national_hospital_activity"} <= without  # fmt: skip
    assert all(d.output is None for d in found.values())
    floors = {name for name, d in found.items() if d.raw.get("target") == 0.015 or "1.5%" in d.raw["source"]}
    assert floors == {"in_frailty_int_priority", "int_floor", "top_non_elective_activity"}


def test_all_that_drives_red_is_of_the_people_of_that_colour() -> None:
    of = scorer(AS_OF)
    planned = plan(of.resolved, ())
    drivers = {m.id: d for m, d in zip(planned.metrics, planned.denominators, strict=True) if "_red_" in m.id}
    assert len(drivers) == 4 * 2 + 4
    assert len(set(drivers.values())) == 1


@pytest.mark.parametrize("segment", ["nwl_", "whole_systems_", "bridges_", "cvrm_rag_", "need_rag_"])
def test_every_label_is_a_metric(segment: str) -> None:
    outputs = {str(d.output): d for d in scorer(AS_OF).resolved.outputs}
    column = {"nwl_": "nwl_risk_group", "whole_systems_": "whole_systems_segment",
              "bridges_": "bridges_to_health_segment"}.get(segment, segment.rstrip("_"))  # fmt: skip
    metrics = {name.removeprefix(segment) for name in scorer(AS_OF).resolved.definitions if name.startswith(segment)}
    labels = set(outputs[column].node.type.labels)
    assert labels <= metrics
    assert np.all([f"{segment}{label}" in scorer(AS_OF).resolved.definitions for label in labels])
