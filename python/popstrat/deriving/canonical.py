"""The coded record as it reaches the folds, whatever layout it came in: the tables, their columns and types.

A layout turns the files of a table into record batches of these columns, in this order, optional ones left out where
the files have none. It drops rows that are no part of the record (deleted, confidential), counted by reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

KEY = "patient_id"
KINDS = ("emergency_admission", "ae_attendance", "gp_appointment", "outpatient_attendance")
"""What the ``code`` of a row of activity is: an index into these."""


@dataclass(frozen=True)
class Cell:
    """A column: its type (None: int64 or string, as the files have it) and whether it must be there."""

    type: pa.DataType | None
    required: bool = True


_DATE, _TEXT = pa.date32(), pa.dictionary(pa.int32(), pa.string())
PATIENTS: Mapping[str, Cell] = {
    KEY: Cell(None),
    "date_of_birth": Cell(_DATE),
    "sex": Cell(_TEXT),
    "date_of_death": Cell(_DATE, False),
    "ethnicity": Cell(_TEXT, False),
    "imd_decile": Cell(pa.int8(), False),
    "type1_opt_out": Cell(pa.bool_(), False),
    "national_data_opt_out": Cell(pa.bool_(), False),
}
REGISTRATIONS: Mapping[str, Cell] = {
    KEY: Cell(None),
    "practice_code": Cell(_TEXT),
    "start_date": Cell(_DATE),
    "end_date": Cell(_DATE, False),
    "pcn_code": Cell(_TEXT, False),
    "neighbourhood": Cell(_TEXT, False),
    "place": Cell(_TEXT, False),
}
ROWS: Mapping[str, Cell] = {
    KEY: Cell(None),
    "date": Cell(_DATE),  # null where there is none that can be
    "code": Cell(pa.int64()),  # or a dictionary of int64; null where there is none that can be
    "value": Cell(pa.float64(), False),
    "second_value": Cell(pa.float64(), False),  # of a reading that holds two, such as 128/76
    "unit": Cell(_TEXT, False),
    "group_id": Cell(pa.int64(), False),  # rows of one reading share it; a hash where the files have text
}
"""Of events, medications and activity alike."""
