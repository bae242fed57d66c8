"""South East London's cohorts for the neighbourhood teams."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import re

import pytest
from spec_tables import check, local_pack

from popstrat.packs.pack import Pack
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke


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
    18  | yes          | yes    | yes  | -   || 3         | yes              | no
    64  | yes          | yes    | yes  | no  || 3         | yes              | no
    65  | yes          | yes    | yes  | -   || 3         | no               | no
    50  | yes          | yes    | -    | -   || 2         | no               | no
    50  | yes          | yes    | -    | yes || 2         | no               | no
    50  | yes          | yes    | yes  | yes || 3         | {smi}               | no
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


def reading(name: str, undiagnosed: bool = True, smi: bool = False) -> Pack:
    """London with other values of the parameters that say how the cohort is read."""
    return local_pack(f"""
        [parameters.mltc_priority_reading]
        value = "{name}"
        [parameters.mltc_counts_undiagnosed]
        value = {str(undiagnosed).lower()}
        [parameters.smi_counts_as_ltc]
        value = {str(smi).lower()}
    """)


# high pressure, HbA1c and two low eGFRs in people who have no such diagnosis
NOT_CODED = """
    age | asthma | lupus | systolic_bp | bp_date | hba1c | hba1c_date | egfr | egfr_date | egfr_previous | egfr_previous_date || ltc_count | cvrm_rag | mltc_int_segment | mltc_int_priority
    50  | -      | -     | 150         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | red      | {all}            | {all}
    50  | -      | -     | 139         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | amber    | no               | no
    50  | yes    | -     | 139         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 1         | amber    | {all}            | {any}
    50  | yes    | yes   | 139         | as_of   | 47    | as_of      | 50   | as_of     | 50            | as_of-1y           || 2         | green    | {all}            | {any}
    50  | yes    | yes   | 139         | as_of   | 47    | as_of      | 60   | as_of     | 50            | as_of-1y           || 2         | -        | no               | no
    18  | -      | -     | 150         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | red      | {all}            | {all}
    17  | -      | -     | 150         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | -        | no               | no
    64  | -      | -     | 150         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | red      | {all}            | {all}
    65  | -      | -     | 150         | as_of   | 60    | as_of      | 50   | as_of     | 50            | as_of-1y           || 0         | red      | no               | no
"""


def test_living_with_takes_in_what_is_not_diagnosed() -> None:
    """A person with three undiagnosed conditions and nothing coded is in the cohort, unless only recorded diagnoses count."""
    check(NOT_CODED.replace("{all}", "yes").replace("{any}", "no"))
    check(NOT_CODED.replace("{all}", "yes").replace("{any}", "yes"), pack=reading("any_unoptimised"))
    check(NOT_CODED.replace("{all}", "yes").replace("{any}", "no"), pack=reading("three_unoptimised"))
    none = NOT_CODED.replace("{all}", "no").replace("{any}", "no")
    for name in ("three_of_four", "any_unoptimised", "three_unoptimised"):
        check(none, pack=reading(name, undiagnosed=False))


# the same people under each of the three readings; AF with a score of 2 or more and no anticoagulant is unoptimised
CODED = """
    age | asthma | copd | lupus | diabetes | hba1c | hba1c_date | hypertension | systolic_bp | diastolic_bp | bp_date | atrial_fibrillation | anticoagulant || cvrm_unoptimised_count | cvrm_rag | mltc_int_segment | mltc_int_priority
    # three of the four: all optimised; one, two and three not
    50  | -      | -    | -     | yes      | 58    | as_of      | yes          | 140         | 90           | as_of   | yes                 | yes           || 0                      | -        | yes              | {no,no,no}
    50  | -      | -    | -     | yes      | 59    | as_of      | yes          | 140         | 90           | as_of   | yes                 | yes           || 1                      | green    | yes              | {yes,yes,no}
    50  | -      | -    | -     | yes      | 59    | as_of      | yes          | 141         | 90           | as_of   | yes                 | yes           || 2                      | amber    | yes              | {yes,yes,no}
    50  | -      | -    | -     | yes      | 59    | as_of      | yes          | 141         | 90           | as_of   | yes                 | no            || 3                      | red      | yes              | {yes,yes,yes}
    # two of the four, and an other condition
    50  | yes    | -    | -     | yes      | 59    | as_of      | yes          | 141         | 90           | as_of   | -                   | -             || 2                      | amber    | yes              | {no,yes,no}
    # one of the four, or a raised pressure alone
    50  | yes    | yes  | yes   | -        | -     | -          | -            | 150         | 80           | as_of   | -                   | -             || 1                      | green    | yes              | {no,yes,no}
    50  | yes    | yes  | yes   | -        | -     | -          | -            | 130         | 80           | as_of   | -                   | -             || 0                      | -        | yes              | {no,no,no}
    # not in the cohort
    50  | -      | -    | -     | yes      | 59    | as_of      | yes          | 141         | 90           | as_of   | -                   | -             || 2                      | amber    | no               | {no,no,no}
    65  | -      | -    | -     | yes      | 59    | as_of      | yes          | 141         | 90           | as_of   | yes                 | no            || 3                      | red      | no               | {no,no,no}
"""


@pytest.mark.parametrize("which", [0, 1, 2])
def test_the_three_readings_of_the_priority(which: int) -> None:
    """The three readings: three of the four present and one not optimised; any colour; red."""
    name = ("three_of_four", "any_unoptimised", "three_unoptimised")[which]
    table = re.sub(r"\{(.*)\}", lambda found: found[1].split(",")[which], CODED)
    check(table, pack=reading(name))
    if which == 0:
        check(table)


def test_severe_mental_illness_as_a_condition() -> None:
    """From 1 July 2026 it excludes nobody. It is one of the three conditions only if `smi_counts_as_ltc` is true."""
    table = """
        age | hypertension | systolic_bp | diastolic_bp | bp_date | asthma | smi || ltc_count | mltc_int_segment
        50  | yes          | 120         | 70           | as_of   | yes    | yes || 2         | {}
        50  | yes          | 120         | 70           | as_of   | -      | yes || 1         | no
        50  | yes          | 120         | 70           | as_of   | yes    | no  || 2         | no
    """
    check(table.format("no"), as_of="2026-07-01")
    check(table.format("yes"), as_of="2026-07-01", pack=reading("three_of_four", smi=True))
    check(table.format("no"), as_of="2026-06-30", pack=reading("three_of_four", smi=True))


def test_the_age_of_children_and_young_people_is_a_parameter() -> None:
    """Under 18 by default, or up to another age."""
    table = "age | imd_decile || cyp_int_segment\n17 | 1 || yes\n18 | 1 || {}\n24 | 2 || {}\n25 | 1 || no\n24 | 3 || no"
    check(table.format("no", "no"))
    check(table.format("yes", "yes"), pack=local_pack("[parameters.cyp_age]\nvalue = 25\n"))


def test_core20() -> None:
    """Deciles 1 and 2, at every age. An unknown or implausible decile does not count."""
    check("""
        age | imd_decile || core20 | set_aside
        5   | 1          || yes    | -
        50  | 2          || yes    | -
        50  | 3          || no     | -
        50  | 10         || no     | -
        50  | -          || no     | -
        50  | 0          || no     | imd_decile
        -   | 1          || yes    | -
    """)


def test_children_and_young_people() -> None:
    """Under 18, and either decile 1 or 2 or complex needs."""
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


@pytest.mark.filterwarnings("default::popstrat.DefinitionWarning")  # which a scorer gives as well
def test_the_nearest_version_is_used_and_said() -> None:
    """If no version of a definition is in force at the as-of date, the nearest one applies and the run says so."""
    pack = local_pack("""
        [definition.local_rule]
        kind = "expression"
        title = "Local rule"
        source = "here"
        output = true
        versions = [
            { version = "1", effective_from = 2020-01-01, effective_to = 2020-12-31, value = "age >= 10" },
            { version = "2", effective_from = 2022-01-01, effective_to = 2022-12-31, value = "age >= 20" },
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
