"""Medicines that are indicated by the record and not in it. Contraindications and refusals are not in the record."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import io

import pytest
from rich.console import Console
from spec_tables import AS_OF, check, local_pack

from popstrat.packs.load import load_pack
from popstrat.pages import catalogue
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke

MISSING = ("missing_anticoagulant", "missing_statin", "missing_ras_inhibitor", "missing_sglt2_inhibitor")
WORDS = "Indicated by the record; contraindications and refusals are not in it."


def test_anticoagulant() -> None:
    """Atrial fibrillation with a CHA2DS2-VASc of 2 or more."""
    check("""
        age | sex    | atrial_fibrillation | hypertension | stroke_tia | anticoagulant | af_suspected || missing_anticoagulant
        64  | male   | yes                 | -            | -          | -             | -            || no
        64  | male   | yes                 | yes          | -          | -             | -            || no
        65  | male   | yes                 | yes          | -          | -             | -            || yes
        65  | male   | yes                 | -            | -          | -             | -            || no
        65  | female | yes                 | -            | -          | -             | -            || yes
        74  | male   | yes                 | -            | -          | -             | -            || no
        75  | male   | yes                 | -            | -          | -             | -            || yes
        50  | male   | yes                 | -            | yes        | -             | -            || yes
        50  | male   | yes                 | -            | yes        | yes           | -            || no
        75  | male   | -                   | yes          | yes        | -             | yes          || no
        17  | male   | yes                 | -            | yes        | -             | -            || no
        18  | male   | yes                 | -            | yes        | -             | -            || yes
        -   | male   | yes                 | -            | yes        | -             | -            || no
    """)


def test_statin() -> None:
    """ASCVD or CKD, or diabetes at 40 and over without moderate or severe frailty."""
    check("""
        age | chd | stroke_tia | pad | ckd | diabetes | frailty  | statin || missing_statin
        50  | yes | -          | -   | -   | -        | -        | -      || yes
        50  | yes | -          | -   | -   | -        | -        | yes    || no
        50  | -   | yes        | -   | -   | -        | severe   | -      || yes
        50  | -   | -          | yes | -   | -        | -        | -      || yes
        50  | -   | -          | -   | yes | -        | moderate | -      || yes
        39  | -   | -          | -   | -   | yes      | -        | -      || no
        40  | -   | -          | -   | -   | yes      | -        | -      || yes
        40  | -   | -          | -   | -   | yes      | mild     | -      || yes
        40  | -   | -          | -   | -   | yes      | moderate | -      || no
        40  | -   | -          | -   | -   | yes      | severe   | -      || no
        40  | -   | -          | -   | -   | yes      | -        | yes    || no
        40  | -   | -          | -   | -   | -        | -        | -      || no
        17  | yes | -          | -   | yes | -        | -        | -      || no
        18  | yes | -          | -   | -   | -        | -        | -      || yes
    """)


RAS = """
    age | ckd | acr  | hypertension | diabetes | ras_inhibitor || missing_ras_inhibitor
    50  | yes | 70   | -            | -        | -             || yes
    50  | yes | 69.9 | -            | -        | -             || no
    50  | yes | 70   | -            | -        | yes           || no
    50  | yes | 30   | yes          | -        | -             || {at_30}
    50  | yes | 30.1 | yes          | -        | -             || yes
    50  | yes | 29.9 | yes          | -        | -             || no
    50  | yes | 30.1 | -            | -        | -             || no
    50  | yes | 3    | -            | yes      | -             || yes
    50  | yes | 2.9  | -            | yes      | -             || no
    50  | yes | 3    | yes          | -        | -             || no
    50  | yes | -    | yes          | yes      | -             || no
    50  | -   | 70   | yes          | yes      | -             || no
    17  | yes | 70   | -            | -        | -             || no
"""


def test_ras_inhibitor() -> None:
    """In kidney disease, by ACR. With hypertension, a parameter decides about exactly 30, because NICE says over 30."""
    check(RAS.format(at_30="yes"))
    pack = local_pack("[parameters.acr_with_hypertension_at_threshold]\nvalue = false\n")
    check(RAS.format(at_30="no"), pack=pack)


def test_the_same_indication_in_kidney_disease() -> None:
    """The status of kidney disease uses the same rule and the same parameter for a RAS inhibitor."""
    table = """
        age | ckd | acr | hypertension | statin | systolic_bp | diastolic_bp | bp_date || ckd_status
        50  | yes | 30  | yes          | yes    | 120         | 70           | as_of   || {}
    """
    check(table.format("unoptimised"))
    check(
        table.format("optimised"),
        pack=local_pack("[parameters.acr_with_hypertension_at_threshold]\nvalue = false\n"),
    )


def test_sglt2_inhibitor() -> None:
    """Kidney disease by eGFR, type of diabetes and ACR; heart failure; never type 1."""
    check("""
        age | ckd | egfr | acr  | diabetes | diabetes_type | heart_failure | sglt2_inhibitor || missing_sglt2_inhibitor
        50  | yes | 19.9 | -    | -        | -             | -             | -               || no
        50  | yes | 20   | -    | -        | -             | -             | -               || yes
        50  | yes | 44.9 | -    | -        | -             | -             | -               || yes
        50  | yes | 45   | -    | -        | -             | -             | -               || no
        50  | yes | 45   | -    | yes      | type2         | -             | -               || yes
        50  | yes | 45   | -    | yes      | -             | -             | -               || no
        50  | yes | 45   | -    | yes      | other         | -             | -               || no
        50  | yes | 90   | -    | yes      | type2         | -             | -               || yes
        50  | yes | 90.1 | -    | yes      | type2         | -             | -               || no
        50  | yes | 45   | 22.6 | -        | -             | -             | -               || yes
        50  | yes | 45   | 22.5 | -        | -             | -             | -               || no
        50  | yes | 90   | 22.6 | -        | -             | -             | -               || yes
        50  | yes | 90.1 | 300  | -        | -             | -             | -               || no
        50  | yes | 30   | -    | yes      | type1         | -             | -               || no
        50  | yes | 30   | -    | yes      | type2         | -             | yes             || no
        50  | -   | 30   | 300  | yes      | type2         | -             | -               || no
        50  | yes | -    | 300  | yes      | type2         | -             | -               || no
        50  | -   | -    | -    | -        | -             | yes           | -               || yes
        50  | -   | -    | -    | yes      | type1         | yes           | -               || no
        50  | -   | -    | -    | -        | -             | yes           | yes             || no
        17  | yes | 30   | -    | -        | -             | yes           | -               || no
    """)


def test_never_where_pregnant_or_at_the_end_of_life() -> None:
    """Somebody for whom all four are indicated, and the same person pregnant or at the end of life."""
    check(f"""
        age | sex    | atrial_fibrillation | stroke_tia | ckd | acr | egfr | pregnant | end_of_life | cfs | palliative_care || {" | ".join(MISSING)}
        45  | female | yes                 | yes        | yes | 80  | 30   | -        | -           | -   | -               || yes | yes | yes | yes
        45  | female | yes                 | yes        | yes | 80  | 30   | no       | no          | 8   | no              || yes | yes | yes | yes
        45  | female | yes                 | yes        | yes | 80  | 30   | yes      | -           | -   | -               || no | no | no | no
        45  | female | yes                 | yes        | yes | 80  | 30   | -        | yes         | -   | -               || no | no | no | no
        45  | female | yes                 | yes        | yes | 80  | 30   | -        | -           | 9   | -               || no | no | no | no
        45  | female | yes                 | yes        | yes | 80  | 30   | -        | -           | -   | yes             || no | no | no | no
    """)


def test_the_words_that_go_with_them() -> None:
    """Wherever people read about a missing medicine, they also read what the list cannot tell."""
    definitions = load_pack("london-2026").raw["definition"]
    for name in MISSING:
        assert "indicated by the record" in definitions[name]["title"]
        assert definitions[name]["caveat"] == WORDS
    told = f"{', '.join(MISSING)}: {WORDS}"
    assert told in Scorer("london-2026", AS_OF).notices
    page = io.StringIO()
    catalogue.show("london-2026", Console(width=100, file=page))
    assert page.getvalue().count(f"Caveat: {WORDS}") == len(MISSING)
