"""Columns that scoring knows by name: keys, geography, opt-outs; and the profiles that an output may be for."""

from __future__ import annotations

PROFILES = ("direct-care", "secondary-use")
KEY_COLUMNS = ("patient_id", "practice_code")
PLACE_COLUMNS = ("pcn_code", "neighbourhood", "place")
OPT_OUTS = {"type1_opt_out": "type 1 opt-out", "national_data_opt_out": "national data opt-out"}
