"""The count of long-term conditions: the 27 of the South East London list, and no others."""

from __future__ import annotations

import pytest
from spec_tables import check, local_pack

pytestmark = pytest.mark.smoke

THE_27 = [
    "hypertension",
    "chronic_pain",
    "osteoarthritis",
    "diabetes",
    "depression",
    "ckd",
    "asthma",
    "chd",
    "obesity",
    "atrial_fibrillation",
    "stroke_tia",
    "copd",
    "heart_failure",
    "dementia",
    "ibd",
    "rheumatoid_arthritis",
    "pad",
    "epilepsy",
    "bronchiectasis",
    "osteoporosis",
    "sarcoidosis",
    "liver_cirrhosis",
    "parkinsons",
    "lupus",
    "multiple_sclerosis",
    "sickle_cell",
    "cystic_fibrosis",
]
OTHERS = [
    "cancer",
    "smi",
    "learning_disability",
    "anxiety",
    "palliative_care",
    "alcohol_dependence",
    "drug_dependence",
    "homeless",
    "falls",
    "venous_thromboembolism",
    "af_suspected",
]


def test_each_of_the_27_counts_once() -> None:
    """Every condition of the list alone gives 1; not recorded (`no`) and no record (`-`) give 0."""
    assert len(THE_27) == 27
    for name in THE_27:
        check(f"""
            {name} || ltc_count
            yes    || 1
            no     || 0
            -      || 0
        """)


def test_other_conditions_do_not_count() -> None:
    """Conditions outside the list are not counted, however serious they are."""
    row = " | ".join(["yes"] * len(OTHERS))
    check(f"{' | '.join(OTHERS)} || ltc_count\n{row} || 0")


def test_any_number_of_them() -> None:
    """The count is the number of true flags, up to all 27. Children have a count too."""
    rows = []
    for k in range(28):
        rows.append(" | ".join(["5", *["yes"] * k, *["-"] * (27 - k)]) + f" || {k}")
        rows.append(" | ".join(["50", *["no"] * (27 - k), *["yes"] * k]) + f" || {k}")
    check(f"age | {' | '.join(THE_27)} || ltc_count\n" + "\n".join(rows))


def test_other_sets_are_selectable() -> None:
    """A local pack may count another built-in set, such as the QOF registers."""
    pack = local_pack("""
        [definition.ltc_count]
        of = "qof_registers"
    """)
    check(
        """
        hypertension | cancer | smi | chronic_pain || ltc_count
        yes          | -      | -   | -            || 1
        yes          | yes    | yes | -            || 3
        -            | -      | -   | yes          || 0
        """,
        pack=pack,
    )
