"""What every term of a model adds to each patient: the library call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.arrow import no_rows
from popstrat.core.cpus import cores
from popstrat.core.dates import as_of_date
from popstrat.errors import InputError
from popstrat.frames.sources import as_table
from popstrat.packs import DEFAULT_PACK
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import ID
from popstrat.packs.plausibility import refuse_disorder
from popstrat.packs.spellings import with_remedy
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.mapped import map_given, mapped, needs_plan, plan_of
from popstrat.scoring.scorer import kept_scorer
from popstrat.scoring.tally import Tally


def contributions(
    table: Any,
    as_of: str | dt.date | None = None,
    *,
    model: str | None = None,
    pack: str | Path | Pack = DEFAULT_PACK,
    threads: int | None = None,
    mapping: str | Path | Mapping[str, Any] | None = None,
) -> pa.Table:
    """What every term of a model adds to each patient's linear predictor.

    Args:
        table, as_of, pack, threads, mapping: as for `score`.
        model: the model's definition, such as ``admission_risk``; may be left out if the pack has only one.

    Returns:
        One row for each patient, in the same order: ``patient_id``, ``practice_code``, geography; ``start``; a column
        for each term; ``defaults``; and ``linear_predictor``, to which the others add up exactly. A term is 0 if it
        does not apply. It is also 0 if it applies only because a declared default replaced an input that is not
        recorded; ``defaults`` is the sum of such terms. All are null for a patient whom the model does not score. A
        term takes eight bytes for each patient, so score large lists in parts.

    Raises:
        InputError: the table or the map is wrong, or there is no such model. PackError: the pack is wrong.

    >>> import datetime as dt
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> people = synthetic.table(100, seed=1, as_of=dt.date(2026, 6, 30))
    >>> added = popstrat.contributions(people, "2026-06-30", model="admission_risk")
    >>> added.num_rows, added.column_names[-2:]
    (100, ['defaults', 'linear_predictor'])
    """
    from popstrat.scoring import unique_ids
    from popstrat.scoring.attribution import chosen, every_term

    scorer = kept_scorer(pack, as_of_date(as_of), "direct-care")
    scorer.warn()
    table = as_table(table, scorer.wanted(mapping))
    schema = scorer.pack.schema
    column_map = map_given(mapping, schema.columns)
    if needs_plan(table.schema.names, column_map, schema.columns):
        table, _ = mapped(table, plan_of(table.schema.names, column_map, schema), schema, scorer.columns)
    definitions = every_term(scorer.resolved, chosen(scorer.resolved, model))
    bound = BoundScorer(scorer, table.schema.remove_metadata(), instead=definitions)
    threads, at = threads or cores(), table.schema.get_field_index(ID)
    batches, ids, first, total = [], [], 0, Tally()
    for batch in table.to_batches() or [no_rows(table.schema)]:
        try:
            started = bound.start(batch)
            ids.append(started.given.column(at))
            scored, tally = started.run(threads)
        except InputError as error:
            raise with_remedy(error).located(None, first) from None
        batches.append(scored)
        total += tally
        first += batch.num_rows
    unique_ids.check_unique(pa.chunked_array(ids, ids[0].type))
    refuse_disorder(total.disorder, scorer.pack.schema)
    return pa.Table.from_batches(batches, schema=bound.output_schema)
