"""The colour of need, for use with all segments; both sides of every threshold."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

pytestmark = pytest.mark.smoke


def test_adults() -> None:
    """Red, amber and green by end of life, frailty and long-term conditions."""
    check("""
        age | end_of_life | cfs | palliative_care | frailty  | osteoarthritis | asthma | obesity | chronic_pain || ltc_count | need_rag
        50  | -           | -   | -               | -        | -              | -      | -       | -            || 0         | -
        50  | yes         | -   | -               | -        | -              | -      | -       | -            || 0         | red
        50  | -           | 9   | -               | -        | -              | -      | -       | -            || 0         | red
        50  | -           | -   | yes             | -        | -              | -      | -       | -            || 0         | red
        50  | -           | 7   | -               | -        | -              | -      | -       | -            || 0         | red
        50  | -           | -   | -               | severe   | -              | -      | -       | -            || 0         | red
        50  | -           | 6   | -               | severe   | -              | -      | -       | -            || 0         | amber
        50  | -           | -   | -               | moderate | -              | -      | -       | -            || 0         | amber
        50  | -           | -   | -               | mild     | -              | -      | -       | -            || 0         | green
        50  | -           | -   | -               | fit      | -              | -      | -       | -            || 0         | -
        50  | -           | -   | -               | -        | yes            | -      | -       | -            || 1         | -
        50  | -           | -   | -               | -        | yes            | yes    | -       | -            || 2         | green
        50  | -           | -   | -               | -        | yes            | yes    | yes     | -            || 3         | green
        50  | -           | -   | -               | -        | yes            | yes    | yes     | yes          || 4         | amber
        18  | -           | -   | -               | -        | yes            | yes    | -       | -            || 2         | green
        120 | yes         | -   | -               | -        | -              | -      | -       | -            || 0         | red
        -   | yes         | -   | -               | severe   | yes            | yes    | yes     | yes          || 4         | -
    """)


def test_adults_by_unoptimised_conditions() -> None:
    """Need has at least the colour of the four conditions."""
    check("""
        age | systolic_bp | bp_date | hba1c | hba1c_date | af_suspected | egfr | egfr_date | egfr_previous | egfr_previous_date || cvrm_rag | need_rag
        40  | 139         | as_of   | 47    | as_of      | -            | 60   | as_of     | 50            | as_of-1y           || -        | -
        40  | 140         | as_of   | 47    | as_of      | -            | 60   | as_of     | 50            | as_of-1y           || green    | green
        40  | 140         | as_of   | 48    | as_of      | -            | 60   | as_of     | 50            | as_of-1y           || amber    | amber
        40  | 140         | as_of   | 48    | as_of      | yes          | 60   | as_of     | 50            | as_of-1y           || red      | red
        40  | 140         | as_of   | 48    | as_of      | yes          | 59   | as_of     | 50            | as_of-1y           || red      | red
    """)


@pytest.mark.parametrize(
    ("risk", "band", "colour"),
    [
        (0.07, "very_low", None), (0.070001, "low", "green"), (0.12, "low", "green"), (0.120001, "medium", "amber"),
        (0.18, "medium", "amber"), (0.180001, "high", "red"), (0.28, "high", "red"), (0.280001, "very_high", "red"),
    ],
)  # fmt: skip
def test_adults_by_risk(risk: float, band: str, colour: str | None) -> None:
    """The bands of the admission risk: over 18% red, over 12% amber, over 7% green."""
    pack = local_pack(f"""
        [definition.admission_risk_band]
        rules = [
            {{ label = "very_high", when = "{risk} > 0.28" }}, {{ label = "high", when = "{risk} > 0.18" }},
            {{ label = "medium", when = "{risk} > 0.12" }}, {{ label = "low", when = "{risk} > 0.07" }},
            {{ label = "very_low", when = "true" }},
        ]
        [definition.need_red]
        value = "{risk} > need_red_risk"
        [definition.need_amber]
        value = "{risk} > need_amber_risk"
        [definition.need_green]
        value = "{risk} > need_green_risk"
    """)
    check(f"age || admission_risk_band | need_rag\n40 || {band} | {colour or '-'}", pack=pack)


def test_under_18() -> None:
    """End of life, complex needs, deprivation and long-term conditions."""
    check("""
        age | end_of_life | palliative_care | complex_needs | imd_decile | asthma | smi || core20 | need_rag
        10  | -           | -               | -             | -          | -      | -   || no     | -
        10  | yes         | -               | -             | -          | -      | -   || no     | red
        10  | -           | yes             | -             | -          | -      | -   || no     | red
        10  | -           | -               | yes           | 2          | -      | -   || yes    | red
        10  | -           | -               | yes           | 3          | -      | -   || no     | amber
        10  | -           | -               | yes           | 3          | yes    | -   || no     | red
        10  | -           | -               | yes           | -          | -      | yes || no     | amber
        10  | -           | -               | -             | 2          | yes    | -   || yes    | green
        10  | -           | -               | -             | 2          | -      | -   || yes    | -
        10  | -           | -               | -             | 3          | yes    | -   || no     | -
        0   | -           | -               | yes           | 1          | -      | -   || yes    | red
        17  | -           | -               | yes           | 3          | -      | -   || no     | amber
        18  | -           | -               | yes           | 3          | -      | -   || no     | -
        18  | -           | -               | yes           | 1          | yes    | -   || yes    | -
    """)


def test_every_cut_is_a_parameter() -> None:
    """If one of them changes, somebody's colour changes."""
    people = {
        "need_red_frailty = 2": ("50 | moderate | - | - | -", "red"),
        "need_amber_frailty = 1": ("50 | mild | - | - | -", "amber"),
        "need_green_frailty = 2": ("50 | mild | - | - | -", "-"),
        "need_amber_conditions = 2": ("50 | - | yes | yes | -", "amber"),
        "need_green_conditions = 1": ("50 | - | yes | - | -", "green"),
        "need_red_unoptimised = 1": ("50 | - | - | - | 150", "red"),
        "need_amber_unoptimised = 1": ("50 | - | - | - | 150", "amber"),
        "need_green_unoptimised = 2": ("50 | - | - | - | 150", "-"),
        "need_red_risk = 0": ("50 | - | - | - | -", "red"),
        "need_amber_risk = 0": ("50 | - | - | - | -", "amber"),
        "need_green_risk = 0": ("50 | - | - | - | -", "green"),
    }
    for change, (person, colour) in people.items():
        name, _, value = change.partition(" = ")
        pack = local_pack(f"[parameters.{name}]\nvalue = {value}\n")
        check(
            f"age | frailty | asthma | obesity | systolic_bp | bp_date || need_rag\n{person} | as_of || {colour}",
            pack=pack,
        )
