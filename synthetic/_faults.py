"""What goes wrong in real extracts, at a low rate: the faults of a dirty list (rates in ``london.toml``).

A dirty list is the clean list of the same arguments with these faults put in; no other value changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from popstrat.synthetic._people import BLOCK, Cells, Values, days
from popstrat.synthetic._places import stream

_FAULTS, _FAULTS_ADDED = 2, 128  # stream numbers

ODD_LABELS: Mapping[str, str] = {
    "sex": "X",
    "ethnicity": "XX",
    "smoking": "unknown",
    "frailty": "Mildly frail",
    "bp_setting": "ambulatory",
    "diabetes_type": "Type II",
}


def _spoil(cells: Cells, column: str, hit: NDArray[np.bool_], change: Callable[[Values], Values]) -> None:
    """Replace the values of ``column`` in the rows ``hit`` that have one."""
    values = cells.values[column].copy()
    rows = hit if column not in cells.nulls else hit & ~cells.nulls[column]
    values[rows] = change(values[rows]).astype(values.dtype)
    cells.values[column] = values


def _replace(cells: Cells, column: str, hit: NDArray[np.bool_], by: Values) -> None:
    """As `_spoil`, with a replacement for every row."""
    rows = hit if column not in cells.nulls else hit & ~cells.nulls[column]
    _spoil(cells, column, rows, lambda old: by[rows])


def _constant(value: float) -> Callable[[Values], Values]:
    return lambda old: np.full(len(old), value)


def _hits(rng: np.random.Generator, rates: Mapping[str, float]) -> dict[str, NDArray[np.bool_]]:
    """The rows with each fault. One number per fault and row, whether used or not: the faults of a row do not depend on
    the length of the list."""
    return {name: rng.random(BLOCK, dtype=np.float32) < rate / 10_000 for name, rate in rates.items()}


def _odd_labels(cells: Cells, odd_code: Mapping[str, int], hits: Mapping[str, NDArray[np.bool_]]) -> None:
    for column, code in odd_code.items():
        if (hit := hits.get(f"{column}_unknown_label")) is not None:
            _spoil(cells, column, hit, _constant(code))


def add_faults(
    rates: Mapping[str, float], odd_code: Mapping[str, int], seed: int, block: int, as_of: dt.date, cells: Cells
) -> None:
    """Put the faults into one block. ``rates`` are per 10,000 rows; ``odd_code`` gives each odd label's code."""
    rng = stream(seed, _FAULTS << 40 | block)
    today = days(as_of)
    first = days(dt.date(1900, 1, 1))
    hits = _hits(rng, rates)
    later = rng.integers(1, 400, BLOCK)
    birth = cells.values["date_of_birth"].copy()

    swapped = hits["bp_swapped"]
    systolic, diastolic = cells.values["systolic_bp"].copy(), cells.values["diastolic_bp"].copy()
    systolic[swapped], diastolic[swapped] = diastolic[swapped], systolic[swapped]
    cells.values["systolic_bp"], cells.values["diastolic_bp"] = systolic, diastolic

    _spoil(cells, "systolic_bp", hits["systolic_900"], _constant(900))
    _spoil(cells, "hba1c", hits["hba1c_percent"], lambda v: np.round(v / 10.929 + 2.15, 1))
    _spoil(cells, "haemoglobin", hits["haemoglobin_g_dl"], lambda v: v // 10)
    for column, fault in (
        ("date_of_birth", "birth_in_future"),
        ("bp_date", "bp_date_future"),
        ("hba1c_date", "hba1c_date_future"),
        ("phq9_date", "phq9_date_future"),
    ):
        _replace(cells, column, hits[fault], today + later)
    _spoil(cells, "date_of_birth", hits["birth_1900"], _constant(first))
    _replace(cells, "egfr_date", hits["egfr_date_before_birth"], birth - later)
    _spoil(cells, "lipids_date", hits["lipids_date_1900"], _constant(first))
    _odd_labels(cells, odd_code, hits)
    _spoil(cells, "imd_decile", hits["imd_out_of_range"], lambda v: np.array([0, 11, 99])[v % 3])
    _spoil(cells, "efi", hits["efi_as_count"], lambda v: np.maximum(np.round(v * 36), 2))
    _spoil(cells, "cfs", hits["cfs_zero"], _constant(0))
    _spoil(cells, "bmi", hits["bmi_is_height"], lambda v: 150 + np.round(v))
    _spoil(cells, "egfr", hits["egfr_zero"], _constant(0))
    _spoil(cells, "acr", hits["acr_negative"], _constant(-1))
    _spoil(cells, "ldl", hits["ldl_mg_dl"], lambda v: np.round(v * 38.67))
    _spoil(cells, "cvd_risk_10y", hits["cvd_risk_over_100"], lambda v: 100 + v)
    _spoil(cells, "platelets", hits["platelets_zero"], _constant(0))
    _spoil(cells, "alcohol_units_week", hits["alcohol_999"], _constant(999))
    for column, fault in (
        ("emergency_admissions_12m", "admissions_negative"),
        ("gp_appointments_12m", "appointments_negative"),
        ("medicines_count", "medicines_negative"),
    ):
        _spoil(cells, column, hits[fault], _constant(-1))


def add_faults_of_added_columns(
    rates: Mapping[str, float], odd_code: Mapping[str, int], seed: int, block: int, as_of: dt.date, cells: Cells
) -> None:
    """As `add_faults`, of the columns that release 0.1 lacked: those that it had keep their faults."""
    rng = stream(seed, _FAULTS_ADDED << 40 | block)
    hits, later = _hits(rng, rates), rng.integers(1, 400, BLOCK)
    for column in ("acr_date", "care_plan_date", "ndpp_referred_date", "last_admission_date"):
        _replace(cells, column, hits[f"{column}_future"], days(as_of) + later)
    _replace(cells, "bmi_date", hits["bmi_date_before_birth"], cells.values["date_of_birth"] - later)
    _spoil(cells, "smoking_date", hits["smoking_date_1900"], _constant(days(dt.date(1900, 1, 1))))
    _odd_labels(cells, odd_code, hits)
    _spoil(cells, "non_hdl_baseline", hits["non_hdl_baseline_mg_dl"], lambda v: np.round(v * 38.67))
    _spoil(cells, "diabetes_onset_age", hits["diabetes_onset_year"], lambda v: 1950 + v)
    _spoil(cells, "sq_score", hits["sq_score_over_100"], lambda v: 100 + v)
