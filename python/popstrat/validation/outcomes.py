"""What happened, from an outcome table's columns: a yes or no, or days and whether they ended in the event."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.errors import InputError
from popstrat.validation.measures import Floats
from popstrat.validation.spec import Spec
from popstrat.validation.tables import Table


def happened(ends: Table, spec: Spec) -> dict[str, Floats]:
    """What happened, one value for each row of the outcomes; NaN where it is not known."""
    found: dict[str, Floats] = {}
    if spec.column is not None:
        found["outcome"] = ends.flags(spec.column, counts=True)
    if spec.time_column is None or spec.event_column is None:
        return found
    time = ends.numbers(spec.time_column, "a number of days")
    bad = (time < 0) | np.isinf(time)
    if bad.any():
        raise ends.fault("a time may not be negative or infinite", spec.time_column, bad)
    event = ends.flags(spec.event_column, counts=False)
    if "outcome" in found:
        early = (event == 1) & (time <= spec.horizon)
        differ = ~np.isnan(event) & ~np.isnan(time) & ~np.isnan(found["outcome"]) & ((found["outcome"] == 1) != early)
        if differ.any():
            raise ends.fault(
                f"contradicts {spec.time_column!r} and {spec.event_column!r} by day {spec.horizon:g}",
                str(spec.column), differ,
            )  # fmt: skip
        del found["outcome"]
    found.update(time=time, event=event)
    if spec.competing is not None:
        column, values = spec.competing
        text = ends.column(column).cast(pa.large_string())
        for value in values:
            if not pc.any(pc.equal(text, value)).as_py():
                raise ends.fault(f"holds no {value!r} in any row", column)
        hit = pc.is_in(text, value_set=pa.array(values, text.type))
        found["competing"] = hit.to_numpy(zero_copy_only=False).astype(np.float64)
    return found


def refuse_constant(
    spec: Spec,
    outcome: npt.NDArray[np.bool_] | None,
    time: Floats | None,
    event: npt.NDArray[np.bool_] | None,
    competing: npt.NDArray[np.bool_] | None,
    file: str | None,
) -> None:
    """Raise `InputError` if everybody has the same outcome, or if nobody was followed to the horizon."""
    if time is None or event is None:
        assert outcome is not None
        if not outcome.any() or outcome.all():
            who = "nobody" if not outcome.any() else "everybody"
            raise InputError(f"is constant: {who} has the outcome", column=spec.column, file=file)
        return
    early = event & (time <= spec.horizon)
    if not early.any():
        raise InputError(
            f"is constant: nobody has the event by day {spec.horizon:g}", column=spec.event_column, file=file
        )
    if early.all():
        raise InputError(
            f"is constant: everybody has the event by day {spec.horizon:g}", column=spec.event_column, file=file
        )
    other = np.zeros(len(time), bool) if competing is None else competing
    if not np.any((time >= spec.horizon) & ~early) and not np.any(other & ~early):
        raise InputError(
            f"nobody is followed to day {spec.horizon:g}; give a shorter --horizon", column=spec.time_column, file=file
        )
