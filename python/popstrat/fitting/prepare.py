"""What a fit and a recalibration both begin with: a list and its outcomes, read and put beside each other."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from popstrat.core.progress import Progress
from popstrat.fitting.design import Design, gather
from popstrat.fitting.outcomes import Columns, Outcomes, read_outcomes
from popstrat.packs.column_map import ColumnMap
from popstrat.packs.pack import Pack


@dataclass(frozen=True)
class Source:
    """A list as it stood at ``as_of`` and what happened to its people since; how both are read."""

    inputs: Sequence[str | Path]
    outcome_file: str | Path
    columns: Columns
    as_of: dt.date
    mapping: ColumnMap
    threads: int | None
    encoding: str
    allow_unknown: bool
    allow_missing: bool
    profile: str
    progress: Progress | None


@dataclass(frozen=True)
class Prepared:
    """The outcomes, and the terms of a model for everybody who has one."""

    outcomes: Outcomes
    design: Design


def prepare(source: Source, pack: Pack, model: str, *, horizon: int, terms: bool) -> Prepared:
    """Read outcomes and list, and work out the model's terms (``terms=False``: its linear predictor only).

    Raises `InputError` for what is wrong with the list or the outcomes, `PackError` for the pack.
    """
    outcomes = read_outcomes(source.outcome_file, source.columns, horizon=horizon, encoding=source.encoding)
    design = gather(
        source.inputs, pack, model, outcomes, as_of=source.as_of, mapping=source.mapping, threads=source.threads,
        encoding=source.encoding, terms=terms, allow_unknown=source.allow_unknown, allow_missing=source.allow_missing,
        profile=source.profile, progress=source.progress,
    )  # fmt: skip
    return Prepared(outcomes, design)
