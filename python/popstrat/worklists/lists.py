"""What there is to say of each list: how many of the cohort it reaches, who is the last on it, who has left it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from popstrat.worklists.areas import Areas
from popstrat.worklists.best import Chosen
from popstrat.worklists.collect import MADE, ListCounts
from popstrat.worklists.identities import REASONS
from popstrat.worklists.order import Order
from popstrat.worklists.sheet import Sheet, one

GONE = (
    "no longer in the list of patients",
    "registered elsewhere now",
    "no longer in the cohort",
    "excluded",
    "left out by the lookup",
    "below the cut",
)
"""Why somebody of the last list is not on this one, by what became of them (`collect`)."""


@dataclass(frozen=True)
class Reach:
    """A list in numbers. ``last_rank`` and ``last_measure`` are those of the last on it; of the ``tied`` people who
    have both, ``tied_on_list`` are on it; both 0 where nobody had to be left out who has them."""

    name: str
    registered: int
    cohort: int
    excluded: int
    left_out: Mapping[str, int]
    capacity: int | None
    rows: int
    last_rank: str | None
    last_measure: float | None
    tied: int
    tied_on_list: int
    new: int | None = None
    gone: int | None = None

    def described(self) -> dict[str, Any]:
        """For records."""
        found = {
            "name": self.name,
            "registered": self.registered,
            "cohort": self.cohort,
            "excluded": self.excluded,
            "left_out": dict(self.left_out),
            "capacity": self.capacity,
            "rows": self.rows,
            "last": {"rank": self.last_rank, "measure": self.last_measure},
            "tied_at_cut": {"people": self.tied, "on_list": self.tied_on_list},
        }
        return found if self.new is None else {**found, "new": self.new, "gone": self.gone}


def reaches(
    areas: Areas,
    counts: Mapping[int, ListCounts],
    chosen: Chosen,
    order: Order,
    sheet: Sheet,
    still: NDArray[np.bool_] | None,
    gone: Sequence[int],
) -> list[Reach]:
    """Each list in numbers, by its number; ``still`` says who was on the last list, ``gone`` how many of each are no
    longer on it."""
    ranks = None if order.rank is None else one(chosen.rows, MADE + str(order.rank.output)) if sheet.rows else None
    measure = sheet.column(order.measure.name) or next(c for c in sheet.columns if c.of.role == "measure")
    limited = areas.asked.capacity.number is not None or areas.asked.capacity.share is not None
    found = []
    for number, name in enumerate(areas.names()):
        here = np.flatnonzero(chosen.at == number)
        met = counts.get(number, ListCounts())
        cut = chosen.cuts.get(number)
        last = int(here[-1]) if len(here) else None
        found.append(
            Reach(
                name=name,
                registered=met.registered,
                cohort=met.cohort,
                excluded=met.excluded,
                left_out={REASONS[reason - 1]: n for reason, n in sorted(met.left_out.items())},
                capacity=areas.asked.capacity.of(met.registered) if limited else None,
                rows=len(here),
                last_rank=None if ranks is None or last is None else ranks[last].as_py(),
                last_measure=None if last is None else measure.values[last].as_py(),
                tied=cut.people if cut is not None and cut.tied else 0,
                tied_on_list=cut.on_list if cut is not None and cut.tied else 0,
                new=None if still is None else int((~still[here]).sum()),
                gone=None if still is None else (gone[number] if number < len(gone) else 0),
            )
        )
    return found
