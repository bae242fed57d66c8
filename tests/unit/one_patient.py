"""A made-up patient for tests that look at one at a time."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

BP = {"hypertension": True, "systolic_bp": 152, "diastolic_bp": 84, "bp_date": dt.date(2026, 3, 2)}


def patient(**values: Any) -> pa.Table:
    """One patient of 67, with what is given."""
    row = {"patient_id": "P-771923", "practice_code": "G85001", "age": 67, "sex": "female"} | values
    return pa.table({k: [v] for k, v in row.items()})
