"""Validate a risk against outcomes: discrimination, calibration, usefulness, and the same by group.

`validate` takes Arrow tables, `assess` NumPy arrays; both give a `Validation`. `measures` has the single measures as
plain functions. `popstrat validate` (`popstrat.validation.files`) goes from files to a report. Needs the extra:
``pip install "popstrat[validate]"``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from popstrat.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

    from popstrat.validation.assessment import assess as assess
    from popstrat.validation.results import Grouping as Grouping
    from popstrat.validation.results import Validation as Validation
    from popstrat.validation.spec import Spec as Spec

__all__ = ["Grouping", "Spec", "Validation", "assess", "validate"]

_MODULE = {"Grouping": "results", "Validation": "results", "assess": "assessment", "Spec": "spec"}
_NEEDED = ("numba", "scipy", "statsmodels")


def validate(
    scored: Any,
    outcomes: Any,
    *,
    patients: Any = None,
    column: str | None = None,
    risk: str = "admission_risk",
    time_column: str | None = None,
    event_column: str | None = None,
    competing: tuple[str, tuple[str, ...]] | None = None,
    horizon: float = 365,
    by: tuple[str, ...] = (),
    capacity: int | None = None,
    allow_missing: bool = False,
    allow_unknown: bool = False,
    bootstrap: int = 200,
    seed: int = 0,
    threads: int | None = None,
) -> Validation:
    """Validate the ``risk`` column of a scored table against outcomes; tables are anything with ``__arrow_c_stream__``.

    ``outcomes`` has ``patient_id`` and either the ``column`` (true or false, 1 or 0, or a count, where more than 0 is
    an event) or a ``time_column`` (days) and an ``event_column``. ``competing`` names a column and those of its values
    that rule the event out. ``patients`` is the patient table, for groups that the scored table does not have (sex,
    ethnicity, deprivation). Rows without a risk are left out. A patient with a risk and no outcome is an error, unless
    ``allow_missing``. An outcome of somebody who was not scored is an error, unless ``allow_unknown``. Other arguments
    are as for `assess`. Raises `InputError` with column and rows. The figures are exact, so do not publish them as
    they are.
    """
    require()
    from popstrat.validation.assessment import assess
    from popstrat.validation.join import join
    from popstrat.validation.spec import Spec

    spec = Spec(
        risk=risk, column=column, time_column=time_column, event_column=event_column, horizon=horizon,
        competing=competing, by=by, allow_missing=allow_missing, allow_unknown=allow_unknown,
    )  # fmt: skip
    joined = join(_table(scored), _table(outcomes), None if patients is None else _table(patients), spec)
    if capacity is not None and capacity > len(joined.risk):
        raise InputError(f"a capacity of {capacity:,} is more than the people with a risk and an outcome")
    return assess(
        joined.risk, joined.outcome, time=joined.time, event=joined.event, competing=joined.competing,
        horizon=horizon, groups=joined.groups, practices=joined.practices, capacity=capacity, bootstrap=bootstrap,
        seed=seed, threads=threads,
    )  # fmt: skip


def _table(data: Any) -> pa.Table:
    import pyarrow as pa

    from popstrat.core.soundness import sound_table

    return sound_table(data if isinstance(data, pa.Table) else pa.table(data))


def require() -> None:
    """Raise `InputError` with the remedy if a library that validation needs is not installed."""
    from importlib.util import find_spec

    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f'validation needs {" and ".join(missing)}: pip install "popstrat[validate]"')


def __getattr__(name: str) -> Any:
    if name not in _MODULE:
        raise AttributeError(f"module 'popstrat.validation' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"popstrat.validation.{_MODULE[name]}"), name)
