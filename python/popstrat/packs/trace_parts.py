"""What a trace is made of: rules as applied to one patient, and the steps from a model's terms to its result."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One rule as applied: what it is called, what it saw, how it came out. `fired` marks the one that decided."""

    label: str
    saw: str
    answer: str = ""
    fired: bool = False


@dataclass(frozen=True)
class StandIn:
    """A model input that had no record (or lay beyond its bounds), and what was used in its place."""

    input: str
    used: str
    why: str


@dataclass(frozen=True)
class Contribution:
    """One term of a model that added something. `value` is 1 for a condition that holds. Not `recorded`: a default made
    it so, in the place of a record."""

    id: str
    title: str
    value: float
    coefficient: float
    adds: float
    total: float  # the sum up to here
    evidence: str
    source: str
    recorded: bool = True


@dataclass(frozen=True)
class ModelTrace:
    """How a model came to its result: terms in the order in which they are summed, then the link."""

    start: float
    contributions: tuple[Contribution, ...]
    silent: int  # terms that added nothing
    linear_predictor: float
    link: str  # the last step, with its numbers
    stand_ins: tuple[StandIn, ...]
    missing: int | None  # inputs without a record, where the pack counts them
    missing_output: str | None
    disclaimer: str
    intended_use: str


@dataclass(frozen=True)
class Traced:
    """How one definition came to its result: its rules as applied, and for a model the sum and what followed."""

    lines: tuple[Line, ...]
    model: ModelTrace | None = None
