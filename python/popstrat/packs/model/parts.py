"""What is known of a model besides its expressions: for contributions, explanations and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.lang import nodes as n

_NOTHING = n.Const(n.NULL, "null", None)


@dataclass(frozen=True)
class Term:
    """A term of a model as it is summed. `parts` holds, for each stratum, the expression and its weight (after
    recalibration), or None where the stratum does not have the term."""

    id: str
    title: str
    evidence: str
    source: str
    parts: tuple[tuple[n.Node, float] | None, ...]


@dataclass(frozen=True)
class Stratum:
    """People who share coefficients and baseline; ``when`` is None where a model has only one."""

    name: str
    when: n.Node | None
    start: float
    survival: tuple[float, ...]  # baseline survival at each horizon; empty for other links


@dataclass(frozen=True)
class Horizon:
    """A time at which a survival model is read."""

    id: str
    title: str
    definition: str


@dataclass(frozen=True)
class Input:
    """A number or category that may have no record: what the record gives, and what stands in for it; None where the
    model needs a record."""

    name: str
    given: n.Node
    default: n.Node | None
    spec: Mapping[str, Any]  # as written


@dataclass(frozen=True)
class Model:
    """A model as it stands at an as-of date."""

    id: str
    link: str
    eligible: n.Node | None
    strata: tuple[Stratum, ...]
    terms: tuple[Term, ...]
    horizons: tuple[Horizon, ...]
    inputs: tuple[Input, ...]
    why: n.Node = _NOTHING  # why there is no result: the first reason that holds, null where there is one
    stated: tuple[str, ...] = ()  # the reasons that the model itself gives, of those not eligible
    shadowed: tuple[tuple[str, str], ...] = ()  # term or derived value → which of two meanings a name has in it

    @property
    def predictor(self) -> str:
        """The definition that holds the linear predictor."""
        return f"{self.id}.linear_predictor"
