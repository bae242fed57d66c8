"""What to validate against what: the columns of the scored table and of the outcomes, and who may be left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID, PRACTICE
from popstrat.validation.groupings import GROUPS


@dataclass(frozen=True)
class Spec:
    """What to validate against what: column names, the horizon (days), and who may be left out.

    ``competing`` is a column of the outcomes and the values of it that rule the event out, such as ("censoring",
    ("died",)). ``by`` names further columns of the scored table or the list to divide people by. ``outcome_id`` is the
    column of the outcomes that holds the ids.
    """

    risk: str = "admission_risk"
    column: str | None = None
    time_column: str | None = None
    event_column: str | None = None
    horizon: float = 365
    competing: tuple[str, tuple[str, ...]] | None = None
    by: tuple[str, ...] = ()
    allow_missing: bool = False
    allow_unknown: bool = False
    outcome_id: str = ID

    def __post_init__(self) -> None:
        if (self.time_column is None) != (self.event_column is None):
            raise InputError("--time-column and --event-column go together: give both or neither")
        if self.time_column is None and self.column is None:
            raise InputError("needs --column, or --time-column and --event-column: what is the outcome?")
        if self.competing is not None and self.time_column is None:
            raise InputError("--competing needs --time-column and --event-column")
        if not (self.horizon > 0 and np.isfinite(self.horizon)):
            raise InputError("--horizon must be more than 0 days")

    @property
    def outcome_columns(self) -> tuple[str, ...]:
        """Columns read from the outcome file."""
        named = (self.column, self.time_column, self.event_column, self.competing[0] if self.competing else None)
        return tuple(dict.fromkeys((self.outcome_id, *(n for n in named if n is not None))))

    @property
    def scored_columns(self) -> tuple[str, ...]:
        """Columns read from the scored table, those that it has."""
        return tuple(dict.fromkeys((ID, PRACTICE, self.risk, *(c for c, _ in GROUPS.values()), *self.by)))
