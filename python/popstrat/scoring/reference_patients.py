"""Reference patients scored by the engine.

The engine and the readable evaluator are held against each other by popstrat's own tests; this holds the engine to the
pack at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.definition import Definition
from popstrat.packs.reference_patients import fault, outcomes, shown
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer


def check_engine(scorer: Scorer) -> int:
    """Raise `PackError` if the engine gives a reference patient another result than is stated; returns how many results
    were compared."""
    resolved = scorer.resolved
    compared = 0
    for definition in [d for d in resolved.definitions.values() if d.parent is None]:
        for found in outcomes(resolved, definition):
            wanted = resolved.definitions[found.definition]
            try:
                value = _by_the_engine(scorer, wanted, found.patient)
            except InputError as error:
                told = f"reference patient {found.number}: {error}"
                raise fault(
                    resolved,
                    definition,
                    told,
                    *(["patient", error.column] if error.column else []),
                    number=found.number,
                ) from None
            compared += 1
            if not replace(found, found=value).agrees:
                raise fault(
                    resolved, definition,
                    f"reference patient {found.number}: the engine gives {shown(value)} for {found.definition}, not "
                    f"{shown(found.expected)}", number=found.number,
                )  # fmt: skip
    return compared


def _by_the_engine(scorer: Scorer, wanted: Definition, patient: Mapping[str, Any]) -> Any:
    """What the engine gives a patient of one definition. Whatever else a list has to have, the patient need not."""
    schema = scorer.pack.schema
    row = {"patient_id": 1, "practice_code": "A", "age": None, "sex": None} | dict(patient)
    types = {n: pa.float64() if schema[n].type == "float" else schema[n].dtype for n in row}
    batch = pa.record_batch({n: pa.array([value], types[n]) for n, value in row.items()})
    one = replace(wanted, output="result")
    scored = BoundScorer(scorer, batch.schema, instead=[one], whole=False).score(batch)[0]
    return scored.column(scored.schema.get_field_index("result"))[0].as_py()
