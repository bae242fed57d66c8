"""What a fit found: coefficients, strata, and the whole of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.fitting.counts import rounded, told
from popstrat.fitting.performance import told as figures_told
from popstrat.fitting.provenance import described
from popstrat.packs.pack import Pack


@dataclass(frozen=True)
class TermFit:
    """A fitted coefficient. ``error`` and the 95% interval are None where a penalty leaves none.

    ``events``: people with the event who are not at the term's commonest value.
    """

    id: str
    title: str
    stratum: str
    coefficient: float
    error: float | None
    low: float | None
    high: float | None
    events: int
    note: str = ""


@dataclass(frozen=True)
class StratumFit:
    """One stratum: its start or its baseline survival by horizon, and who it was fitted to."""

    name: str
    people: int
    events: int
    intercept: float
    survival: Mapping[str, float]
    strength: float | None


@dataclass(frozen=True)
class Fitted:
    """What `fit` found and wrote. ``figures`` are those of the people kept aside (``held_out`` of them), or, where none
    were, of those it was fitted to, which flatter it."""

    pack: Pack
    output: Path
    model: str
    method: str
    terms: tuple[TermFit, ...]
    strata: tuple[StratumFit, ...]
    figures: dict[str, float] | None
    held_out: int
    counts: Mapping[str, int]
    warnings: tuple[str, ...]
    notices: tuple[str, ...] = ()
    period: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: counts rounded as in the pack."""
        return {
            **described(self),
            "terms": [
                {**{k: v for k, v in vars(t).items() if v not in (None, "")}, "events": rounded(t.events)}
                for t in self.terms
            ],
            "figures": figures_told(self.figures),
            "held_out": told(self.held_out),
        }
