"""Reference patients scored by the engine.

The engine and the readable evaluator are held against each other by popstrat's own tests; this holds the engine to the
pack at hand.
"""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from popstrat.packs.reference_patients import fault, outcomes, shown
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer


def check_engine(scorer: Scorer) -> int:
    """Raise `PackError` if the engine gives a reference patient another result than is stated; returns how many results
    were compared."""
    resolved, schema = scorer.resolved, scorer.pack.schema
    compared = 0
    for definition in [d for d in resolved.definitions.values() if d.parent is None]:
        for number, found in enumerate(outcomes(resolved, definition), 1):
            wanted = resolved.definitions[found.definition]
            row = {"patient_id": 1, "practice_code": "A", "age": None, "sex": None} | dict(found.patient)
            types = {n: pa.float64() if schema[n].type == "float" else schema[n].dtype for n in row}
            batch = pa.record_batch({n: pa.array([value], types[n]) for n, value in row.items()})
            one = replace(wanted, output="result")
            scored = BoundScorer(scorer, batch.schema, instead=[one]).score(batch)[0]
            value = scored.column(scored.schema.get_field_index("result"))[0].as_py()
            compared += 1
            if not replace(found, found=value).agrees:
                raise fault(
                    resolved, definition,
                    f"reference patient {number}: the engine gives {shown(value)} for {found.definition}, not "
                    f"{shown(found.expected)}",
                )  # fmt: skip
    return compared
