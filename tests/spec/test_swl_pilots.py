"""South West London's six pilot cohorts: "over" is strict, and what the wording leaves open has readings."""

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

from popstrat.packs.pack import Pack

pytestmark = pytest.mark.smoke
PACK = "swl-pilots"


SUTTON = """
    age | imd_decile | osteoarthritis | hypertension | obesity | bmi  | depression || swl_sutton
    20  | 1          | yes            | yes          | yes     | -    | yes        || no
    21  | 1          | yes            | yes          | yes     | -    | -          || yes
    21  | 2          | yes            | yes          | -       | -    | yes        || yes
    21  | 3          | yes            | yes          | -       | -    | yes        || no
    21  | -          | yes            | yes          | -       | -    | yes        || no
    21  | 1          | yes            | yes          | -       | 30   | -          || {any}
    21  | 1          | yes            | yes          | -       | 30.1 | -          || yes
    21  | 1          | yes            | -            | yes     | -    | yes        || {any}
    21  | 1          | -              | yes          | yes     | -    | yes        || {any}
    21  | 1          | -              | -            | -       | -    | yes        || {any}
    21  | 1          | -              | -            | -       | -    | -          || no
    -   | 1          | yes            | yes          | yes     | -    | yes        || no
"""


def other(name: str, value: str) -> Pack:
    return local_pack(f'[parameters.{name}]\nvalue = "{value}"\n', extends=PACK)


def test_sutton() -> None:
    """Over 20. The last two conditions are joined by or; in the other reading all four are."""
    check(SUTTON.replace("{any}", "no"), pack=PACK)
    check(SUTTON.replace("{any}", "yes"), pack=other("sutton_or", "any_of_four"))


def test_battersea() -> None:
    """An adverse health indicator, and at most two recorded consultations."""
    check(
        """
        age | smoking | obesity | bmi  | systolic_bp | diastolic_bp | gp_appointments_12m || swl_battersea
        18  | current | -       | -    | -           | -            | 2                   || yes
        17  | current | -       | -    | -           | -            | 2                   || no
        18  | current | -       | -    | -           | -            | 3                   || no
        18  | current | -       | -    | -           | -            | 0                   || yes
        18  | current | -       | -    | -           | -            | -                   || no
        18  | ex      | -       | 30   | 139         | 89           | 0                   || no
        18  | ex      | -       | 30.1 | 139         | 89           | 0                   || yes
        18  | ex      | yes     | -    | -           | -            | 0                   || yes
        18  | ex      | -       | 25   | 140         | 89           | 0                   || yes
        18  | ex      | -       | 25   | 139         | 90           | 0                   || yes
    """,
        pack=PACK,
    )


MERTON = """
    age | smi | alcohol_dependence | drug_dependence || swl_east_merton
    18  | yes | yes                | yes             || no
    19  | yes | yes                | yes             || yes
    19  | yes | yes                | -               || {any}
    19  | yes | -                  | yes             || {any}
    19  | yes | -                  | -               || no
    19  | -   | yes                | yes             || no
"""


def test_east_merton() -> None:
    """Over 18. Both dependences; in the other reading either."""
    check(MERTON.replace("{any}", "no"), pack=PACK)
    check(MERTON.replace("{any}", "yes"), pack=other("merton_dual", "either"))


KINGSTON = """
    age | hba1c | diabetes | imd_decile | depression | anxiety || swl_kingston
    50  | 41    | -        | 1          | yes        | -       || no
    50  | 42    | -        | 1          | yes        | -       || yes
    50  | 47    | -        | 2          | -          | yes     || yes
    50  | 48    | -        | 1          | yes        | -       || no
    50  | 45    | yes      | 1          | yes        | -       || no
    50  | 45    | -        | 3          | yes        | -       || {any}
    50  | 45    | -        | 1          | -          | -       || {any}
    50  | 45    | -        | 3          | -          | -       || {none}
    50  | -     | -        | 1          | yes        | yes     || no
"""


def test_kingston() -> None:
    """The three readings: all, any, or none of the others."""
    check(KINGSTON.replace("{any}", "no").replace("{none}", "no"), pack=PACK)
    check(KINGSTON.replace("{any}", "yes").replace("{none}", "no"), pack=other("kingston_plus_minus", "any"))
    check(KINGSTON.replace("{any}", "yes").replace("{none}", "yes"), pack=other("kingston_plus_minus", "none"))


def test_north_croydon() -> None:
    """18 to 64, a minority ethnic group, mental illness, obesity, few conditions, no diabetes."""
    check(
        """
        age | ethnicity | smi | obesity | bmi  | diabetes | ckd | asthma | chd | copd || swl_north_croydon
        17  | N         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        18  | N         | yes | yes     | -    | -        | -   | -      | -   | -    || yes
        64  | N         | yes | yes     | -    | -        | -   | -      | -   | -    || yes
        65  | N         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | D         | yes | yes     | -    | -        | -   | -      | -   | -    || yes
        40  | S         | yes | -       | 30.1 | -        | -   | -      | -   | -    || yes
        40  | S         | yes | -       | 30   | -        | -   | -      | -   | -    || no
        40  | A         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | C         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | Z         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | 99        | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | -         | yes | yes     | -    | -        | -   | -      | -   | -    || no
        40  | N         | -   | yes     | -    | -        | -   | -      | -   | -    || no
        40  | N         | yes | yes     | -    | yes      | -   | -      | -   | -    || no
        40  | N         | yes | yes     | -    | -        | yes | yes    | yes | -    || yes
        40  | N         | yes | yes     | -    | -        | yes | yes    | yes | yes  || no
    """,
        pack=PACK,
    )


def test_wallington() -> None:
    """Both."""
    check(
        """
        age | obesity | bmi  | depression || swl_wallington
        40  | yes     | -    | yes        || yes
        40  | -       | 30.1 | yes        || yes
        40  | -       | 30   | yes        || no
        40  | yes     | -    | -          || no
        40  | -       | -    | yes        || no
        5   | yes     | -    | yes        || yes
    """,
        pack=PACK,
    )
