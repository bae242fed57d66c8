"""Frailty: the Clinical Frailty Scale; if not recorded, the category; if not recorded, the electronic frailty index."""

from __future__ import annotations

import pyarrow as pa
import pytest
from spec_tables import check

pytestmark = pytest.mark.smoke


def test_clinical_frailty_scale() -> None:
    """1 to 3 fit, 4 and 5 mild, 6 moderate, 7 to 9 severe. 9 is also end of life. Other numbers are not used."""
    check("""
        age | cfs || frailty_category | frailty_int_priority | set_aside
        70  | 0   || -                | no                   | cfs
        70  | 1   || fit              | no                   | -
        70  | 2   || fit              | no                   | -
        70  | 3   || fit              | no                   | -
        70  | 4   || mild             | no                   | -
        70  | 5   || mild             | no                   | -
        70  | 6   || moderate         | yes                  | -
        70  | 7   || severe           | yes                  | -
        70  | 8   || severe           | yes                  | -
        70  | 9   || severe           | yes                  | -
        70  | 10  || -                | no                   | cfs
        70  | -   || -                | no                   | -
    """)


def test_scale_9_counts_as_end_of_life() -> None:
    """9 (terminally ill) counts as end of life in every rule. 8 does not."""
    check("""
        age | cfs | end_of_life || nwl_risk_group         | bridges_to_health_segment
        30  | 8   | -           || well                   | frailty_dementia
        30  | 9   | -           || specialist_end_of_life | frailty_dementia
        30  | 1   | yes         || specialist_end_of_life | end_of_life
        30  | 1   | -           || well                   | healthy
    """)


def test_precedence() -> None:
    """The scale comes before the category, the category before the index. Implausible values count as not recorded."""
    check(
        """
        cfs | frailty  | efi  || frailty_category | set_aside
        2   | severe   | 0.5  || fit              | -
        6   | fit      | 0.5  || moderate         | -
        -   | severe   | 0.05 || severe           | -
        -   | fit      | 0.5  || fit              | -
        -   | -        | 0.05 || fit              | -
        -   | -        | 0.5  || severe           | -
        -   | -        | -    || -                | -
        0   | moderate | 0.05 || moderate         | cfs
        10  | -        | 0.2  || mild             | cfs
        -   | feeble   | 0.2  || mild             | frailty
        -   | feeble   | 1.01 || -                | frailty, efi
    """,
        types={"frailty": pa.string()},
    )


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_electronic_frailty_index(kind: pa.DataType) -> None:
    """Up to 0.12 fit, to 0.24 mild, to 0.36 moderate, above that severe; a value at the cut is not over it, in 32 bits
    as in 64."""
    check(
        """
        efi      || frailty_category | set_aside
        0.0      || fit              | -
        0.12     || fit              | -
        0.120001 || mild             | -
        0.24     || mild             | -
        0.240001 || moderate         | -
        0.36     || moderate         | -
        0.360001 || severe           | -
        1.0      || severe           | -
        1.000001 || -                | efi
        -0.00001 || -                | efi
        nan      || -                | efi
        inf      || -                | efi
        -        || -                | -
    """,
        types={"efi": kind},
    )


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_index_is_a_32_bit_number_in_any_type(kind: pa.DataType) -> None:
    """The patient table declares it as a 32-bit number. Further digits in a 64-bit column make no difference."""
    check(
        """
        efi                 || frailty_category
        0.36000001430511475 || moderate
        0.3600000441074371  || severe
        0.11999999731779099 || fit
        0.12000000476837158 || mild
        0.12000000000000001 || fit
        0.36000000000000004 || moderate
    """,
        types={"efi": kind},
    )


def test_index_as_a_half_float() -> None:
    """A column of 16-bit floats is widened before it is compared."""
    check("efi || frailty_category\n0.25 || moderate\n0.125 || mild\n0.5 || severe", types={"efi": pa.float16()})
