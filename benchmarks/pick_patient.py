"""Prints the id of a patient worth explaining, one with three conditions to act on (for `make demo`)."""

from __future__ import annotations

import sys

import pyarrow.compute as pc
import pyarrow.parquet as pq

scored = pq.read_table(sys.argv[1], columns=["patient_id", "cvrm_rag", "admission_risk"])
worst = scored.filter(pc.equal(scored["cvrm_rag"].cast("string"), "red")).sort_by([("admission_risk", "descending")])
print(worst["patient_id"][len(worst) // 2].as_py())
