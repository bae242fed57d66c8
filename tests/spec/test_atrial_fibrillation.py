"""Atrial fibrillation: anticoagulated, or a CHA2DS2-VASc under 2; undiagnosed if suspected."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_anticoagulant_or_a_low_score() -> None:
    """One point each; optimised at 0 and 1 without an anticoagulant, unoptimised from 2."""
    check("""
        age | sex    | atrial_fibrillation | anticoagulant | heart_failure | hypertension | diabetes | stroke_tia | chd | pad || af_status
        64  | male   | yes                 | -             | -             | -            | -        | -          | -   | -   || optimised
        64  | female | yes                 | -             | -             | -            | -        | -          | -   | -   || optimised
        64  | -      | yes                 | -             | -             | -            | -        | -          | -   | -   || optimised
        64  | male   | yes                 | -             | yes           | -            | -        | -          | -   | -   || optimised
        64  | male   | yes                 | -             | -             | yes          | -        | -          | -   | -   || optimised
        64  | male   | yes                 | -             | -             | -            | yes      | -          | -   | -   || optimised
        64  | male   | yes                 | -             | -             | -            | -        | -          | yes | -   || optimised
        64  | male   | yes                 | -             | -             | -            | -        | -          | -   | yes || optimised
        # CHD and PAD together are one point
        64  | male   | yes                 | -             | -             | -            | -        | -          | yes | yes || optimised
        64  | male   | yes                 | -             | -             | yes          | -        | -          | yes | yes || unoptimised
        # stroke counts two
        64  | male   | yes                 | -             | -             | -            | -        | yes        | -   | -   || unoptimised
        64  | male   | yes                 | yes           | -             | -            | -        | yes        | -   | -   || optimised
        # two single points
        64  | male   | yes                 | -             | yes           | yes          | -        | -          | -   | -   || unoptimised
        64  | female | yes                 | -             | -             | -            | yes      | -          | -   | -   || unoptimised
        64  | female | yes                 | yes           | yes           | yes          | yes      | yes        | yes | yes || optimised
        64  | female | yes                 | no            | yes           | yes          | yes      | yes        | yes | yes || unoptimised
    """)


def test_age_points() -> None:
    """65 to 74 gives one point, 75 and over two, and female sex one. Intersex, unknown and not recorded give none."""
    check("""
        age | sex      | atrial_fibrillation || af_status
        64  | male     | yes                 || optimised
        65  | male     | yes                 || optimised
        74  | male     | yes                 || optimised
        75  | male     | yes                 || unoptimised
        64  | female   | yes                 || optimised
        65  | female   | yes                 || unoptimised
        74  | female   | yes                 || unoptimised
        65  | intersex | yes                 || optimised
        65  | unknown  | yes                 || optimised
        65  | -        | yes                 || optimised
        75  | unknown  | yes                 || unoptimised
        18  | female   | yes                 || optimised
        17  | female   | yes                 || -
    """)


def test_undiagnosed() -> None:
    """Suspected and not diagnosed."""
    check("""
        age | atrial_fibrillation | af_suspected || af_status
        50  | no                  | yes          || undiagnosed
        50  | -                   | yes          || undiagnosed
        50  | yes                 | yes          || optimised
        80  | yes                 | yes          || unoptimised
        50  | no                  | no           || none
        50  | -                   | -            || none
        17  | -                   | yes          || -
    """)
