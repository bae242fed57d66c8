"""South East London's cohorts for the neighbourhood teams."""

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

from popstrat.scoring.scorer import Scorer


def test_frailty_cohort() -> None:
    """65 and over; priority with moderate or severe frailty, end of life, a scale of 9, or palliative care."""
    check("""
        age | cfs | frailty  | end_of_life | palliative_care || frailty_int_segment | frailty_int_priority
        64  | -   | severe   | yes         | yes             || no                  | no
        65  | -   | -        | -           | -               || yes                 | no
        65  | -   | fit      | -           | -               || yes                 | no
        65  | -   | mild     | -           | -               || yes                 | no
        65  | -   | moderate | -           | -               || yes                 | yes
        65  | -   | severe   | -           | -               || yes                 | yes
        65  | -   | fit      | yes         | -               || yes                 | yes
        65  | -   | fit      | -           | yes             || yes                 | yes
        65  | 9   | -        | -           | -               || yes                 | yes
        65  | 5   | severe   | -           | -               || yes                 | no
        120 | -   | moderate | -           | -               || yes                 | yes
        -   | -   | severe   | yes         | yes             || no                  | no
    """)


MULTIPLE = """
    age | hypertension | asthma | copd | smi || ltc_count | mltc_int_segment | mltc_int_priority
    17  | yes          | yes    | yes  | -   || 3         | no               | no
    18  | yes          | yes    | yes  | -   || 3         | yes              | yes
    64  | yes          | yes    | yes  | no  || 3         | yes              | yes
    65  | yes          | yes    | yes  | -   || 3         | no               | no
    50  | yes          | yes    | -    | -   || 2         | no               | no
    50  | yes          | yes    | yes  | yes || 3         | {smi}               | {smi}
    50  | -            | -      | -    | yes || 0         | no               | no
    -   | yes          | yes    | yes  | -   || 3         | no               | no
"""


@pytest.mark.parametrize(
    ("as_of", "smi"),
    [
        ("2026-06-30", "no"),
        ("2026-07-01", "yes"),
        ("2026-01-01", "no"),
        ("2027-07-01", "yes"),
        ("1970-01-01", "no"),
        ("1990-02-28", "no"),
        ("2099-12-31", "yes"),
    ],
)
def test_multiple_conditions_cohort(as_of: str, smi: str) -> None:
    """18 to 64 with three conditions or more; until 30 June 2026 without severe mental illness, from 1 July with it."""
    check(MULTIPLE.format(smi=smi), as_of=as_of)


def test_priority_needs_a_colour() -> None:
    """In the cohort and red, amber or green."""
    check("""
        age | asthma | copd | lupus | ckd | statin || ltc_count | cvrm_rag | mltc_int_segment | mltc_int_priority
        50  | yes    | yes  | yes   | -   | -      || 3         | -        | yes              | no
        50  | yes    | yes  | -     | yes | -      || 3         | green    | yes              | yes
        50  | yes    | -    | -     | yes | -      || 2         | green    | no               | no
    """)


def test_children_and_young_people() -> None:
    """Under 18, and deciles 1 or 2 or complex needs."""
    check("""
        age | imd_decile | complex_needs || cyp_int_segment | set_aside
        0   | 1          | -             || yes             | -
        17  | 2          | -             || yes             | -
        17  | 3          | -             || no              | -
        17  | 3          | yes           || yes             | -
        17  | 3          | no            || no              | -
        17  | -          | -             || no              | -
        17  | -          | yes           || yes             | -
        17  | 0          | -             || no              | imd_decile
        17  | 11         | -             || no              | imd_decile
        18  | 1          | yes           || no              | -
        -   | 1          | yes           || no              | -
    """)


def test_the_nearest_version_is_used_and_said() -> None:
    """Where no version of a definition is in force at the as-of date, the nearest one applies and the run says so."""
    pack = local_pack("""
        [definition.local_rule]
        kind = "expression"
        title = "Local rule"
        version = "1"
        source = "here"
        output = true
        versions = [
            { effective_from = 2020-01-01, effective_to = 2020-12-31, value = "age >= 10" },
            { effective_from = 2022-01-01, effective_to = 2022-12-31, value = "age >= 20" },
        ]
    """)
    table = "age || local_rule\n9 || no\n15 || {}\n20 || yes"
    for as_of, child, nearest in (
        ("2020-01-01", "yes", False),
        ("2020-12-31", "yes", False),
        ("2021-01-01", "yes", True),
        ("2021-07-01", "yes", True),
        ("2021-07-04", "no", True),
        ("2021-12-31", "no", True),
        ("2022-01-01", "no", False),
        ("2023-06-01", "no", True),
        ("2000-01-01", "yes", True),
    ):
        check(table.format(child), as_of=as_of, pack=pack)
        assert any("local_rule" in notice for notice in Scorer(pack, as_of).notices) == nearest
