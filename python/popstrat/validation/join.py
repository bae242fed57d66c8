"""The scored table, the outcomes and the patient list, joined by patient: from Arrow tables to arrays.

Nobody is passed over in silence. A patient with a risk but without an outcome, or an outcome of a patient who was not
scored, stops the validation unless that is allowed by name, and is then counted; a missing outcome never
counts as no event.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.validation.groupings import GROUPS, labelled, usual
from popstrat.validation.measures import Floats
from popstrat.validation.outcomes import happened, refuse_constant
from popstrat.validation.results import Grouping
from popstrat.validation.spec import Spec
from popstrat.validation.tables import Names, Table, rows_among

_MOST_LABELS = 60


@dataclass(frozen=True)
class Joined:
    """Everybody with a risk and a known outcome, and how many others there were.

    ``counts``: scored (rows), without_risk, without_outcome (with a risk), unknown (outcomes of patients not scored),
    not_listed (not on the list), assessed.
    """

    risk: Floats
    outcome: npt.NDArray[np.bool_] | None
    time: Floats | None
    event: npt.NDArray[np.bool_] | None
    competing: npt.NDArray[np.bool_] | None
    groups: Mapping[str, Grouping]
    practices: Grouping | None
    counts: Mapping[str, int]
    notices: tuple[str, ...] = ()


def join(
    scored: pa.Table, outcomes: pa.Table, patients: pa.Table | None, spec: Spec, names: Names | None = None
) -> Joined:
    """Join the outcomes (and the list) to the scored table and clean what is needed.

    Raises `InputError` for what `Spec` does not allow: see there and the module.
    """
    names = names or Names()
    table, ends = Table(scored, names.scored), Table(outcomes, names.outcomes)
    risk = table.numbers(spec.risk, "a probability")
    bad = ~np.isnan(risk) & ~((risk >= 0) & (risk <= 1))
    if bad.any():
        raise table.fault("a probability between 0 and 1 is needed", spec.risk, bad)
    with_risk = ~np.isnan(risk)
    if not len(risk):
        raise InputError("has no rows", file=names.scored)
    if not with_risk.any():
        raise table.fault("is null in every row: nobody to validate", spec.risk)

    if not len(ends.ids):
        raise InputError("has no rows", file=names.outcomes)
    row = rows_among(table.ids, ends.ids)
    unknown = len(ends.ids) - int(np.sum(row >= 0))
    if unknown == len(ends.ids):
        raise InputError(f"no patient of it is in {names.scored or 'the scored table'}: is it the right file?",
                         column=ID, file=names.outcomes)  # fmt: skip
    if unknown and not spec.allow_unknown:
        raise InputError(
            f"{unknown:,} of {len(ends.ids):,} patients are not in {names.scored or 'the scored table'}; "
            "if that is as it should be (for example after opt-outs), say --allow-unknown",
            column=ID,
            file=names.outcomes,
        )
    found = happened(ends, spec)
    here = {name: _taken(values, row) for name, values in found.items()}
    known = row >= 0
    for values in here.values():
        known &= ~np.isnan(values)
    missing = with_risk & ~known
    if missing.any() and not spec.allow_missing:
        rows = np.flatnonzero(missing)
        raise InputError(
            f"{len(rows):,} of {int(with_risk.sum()):,} patients with a risk have no outcome in "
            f"{names.outcomes or 'the outcomes'}; they cannot count as free of it. If they were lost to follow-up, "
            "--time-column and --event-column make use of them; --allow-missing leaves them out",
            rows=rows[:5].tolist(),
            more=max(0, len(rows) - 5),
            file=names.scored,
        )
    chosen = with_risk & known
    if not chosen.any():
        raise InputError("no patient has both a risk and an outcome", file=names.scored)
    outcome = here["outcome"][chosen] == 1 if "outcome" in here else None
    time = event = competing = None
    if spec.time_column is not None:
        time, event = here["time"][chosen], here["event"][chosen] == 1
        competing = here["competing"][chosen] == 1 if "competing" in here else None
    refuse_constant(spec, outcome, time, event, competing, names.outcomes)

    rows = np.flatnonzero(chosen)
    other = Table(patients, names.patients) if patients is not None else None
    groups, not_listed = _groupings(table, other, rows, spec)
    practices = None
    if PRACTICE in table.data.column_names:
        practices = labelled(table.column(PRACTICE).take(pa.array(rows)), "Practice")
    parts = (("the scored table", table), ("the outcomes", ends), ("the list", other))
    notices = [  # without counts, since this is published
        f"Some rows of {part} write {' and '.join(one.respelt)} with other blanks, capitals or signs; all "
        "spellings of one are one."
        for part, one in parts
        if one is not None and one.respelt
    ]
    if not_listed:
        notices.append("Some patients with a score are not on the list given; their groups read 'not recorded'.")
    missing_groups = [title for name, (column, title) in GROUPS.items() if name not in groups]
    if missing_groups:
        notices.append(f"Not divided by {', '.join(missing_groups)}: no such column (a list of patients may have it).")
    return Joined(
        risk=risk[chosen],
        outcome=None if time is not None else outcome,
        time=time,
        event=event,
        competing=competing,
        groups=groups,
        practices=practices,
        counts={
            "scored": len(risk),
            "without_risk": int((~with_risk).sum()),
            "without_outcome": int(missing.sum()),
            "unknown": unknown,
            "not_listed": not_listed,
            "assessed": len(rows),
        },
        notices=tuple(notices),
    )


def _taken(values: Floats, row: npt.NDArray[np.int64]) -> Floats:
    return np.where(row >= 0, values[row], np.nan)


def _groupings(
    table: Table, other: Table | None, rows: npt.NDArray[np.int64], spec: Spec
) -> tuple[dict[str, Grouping], int]:
    """The groups that the columns at hand give, for the chosen rows; and how many of these are not on the list."""
    at = pa.array(rows)
    not_listed = 0
    for one in (table, other):
        if one is not None:
            one.refuse_odd_flags(spec.by)
    row: npt.NDArray[np.int64] | None = None
    if other is not None:
        row = rows_among(table.ids.take(at), other.ids)
        not_listed = int(np.sum(row < 0))
        if not_listed == len(rows):
            raise InputError("has none of the patients with a risk: is it the right list?", column=ID, file=other.name)

    def column(name: str) -> tuple[pa.Array, str | None] | None:
        if name in table.data.column_names:
            return table.column(name).take(at), table.name
        if other is not None and name in other.data.column_names:
            assert row is not None
            return other.column(name).take(pa.array(row, mask=row < 0)), other.name
        return None

    found: dict[str, Grouping] = {}
    for name, (source, _) in GROUPS.items():
        values = column(source)
        if values is not None:
            try:
                found[name] = usual(name, values[0])
            except InputError as error:
                raise error.located(values[1]) from None
    for name in spec.by:
        values = column(name)
        if values is None:
            raise InputError("is neither in the scored table nor on the list", column=name)
        if name not in found:
            grouping = labelled(values[0], name.replace("_", " ").capitalize())
            if len(grouping.labels) > _MOST_LABELS:
                raise InputError(
                    f"has {len(grouping.labels):,} different values, too many to divide by (at most {_MOST_LABELS})",
                    column=name,
                    file=values[1],
                )
            found[name] = grouping
    return found, not_listed
