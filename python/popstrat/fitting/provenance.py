"""How a pack came about: what a fit and a recalibration both tell, in the pack and in JSON; counts are rounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from popstrat.core.hashing import HASH
from popstrat.core.version import version
from popstrat.fitting.counts import rounded, told
from popstrat.fitting.prepare import Prepared
from popstrat.packs.pack import Pack
from popstrat.validation.period import compared, differs


class Made(Protocol):
    """What a fit and a recalibration have in common to tell."""

    @property
    def pack(self) -> Pack: ...
    @property
    def output(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def strata(self) -> Sequence[Any]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def period(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...


def described(made: Made) -> dict[str, Any]:
    """For ``--json``: counts rounded as in the pack."""
    return {
        "pack": {
            "id": made.pack.id, "version": made.pack.version, "file": made.output.name, HASH: made.pack.sha256,
        },
        "model": made.model,
        "method": made.method,
        "strata": [
            {**vars(s), "survival": dict(s.survival), "people": rounded(s.people), "events": rounded(s.events)}
            for s in made.strata
        ],
        "counts": {name: told(count) for name, count in made.counts.items()},
        "period": made.period,
        "warnings": list(made.warnings),
    }  # fmt: skip


def provenance(
    done: str,
    method: str,
    as_of: dt.date,
    days: int | Mapping[str, int],
    strata: Sequence[Any],
    prepared: Prepared,
    own: Mapping[str, Any],
) -> dict[str, Any]:
    """The provenance table of a model that was ``done`` ("fitted", "recalibrated") today; with what is its ``own``.

    ``days`` is the length of the horizon, or of each by its id.
    """
    outcomes, design = prepared.outcomes, prepared.design
    return {
        done: dt.datetime.now(dt.UTC).date(),
        "program": f"popstrat {version('popstrat') or 'of unknown version'}",
        "method": method,
        "as_of": as_of,
        "days": days if isinstance(days, int) else dict(days),
        "people": rounded(sum(s.people for s in strata)),
        "events": rounded(sum(s.events for s in strata)),
        "without_outcome": told(design.counts["without_outcome"]),
        "opted_out": told(design.counts["opted_out"]),
        **own,
        "list": [{"name": i["name"], "rows": rounded(i["rows"]), HASH: i[HASH]} for i in design.inputs],
        "outcomes": {
            "name": Path(outcomes.name).name,
            HASH: outcomes.hash,
            **{k: v for k, v in vars(outcomes.columns).items() if v is not None},
        },
    }


def periods(stated: Iterable[tuple[str, int, str]]) -> tuple[str, list[str]]:
    """The outcome's period beside that of the model, in a sentence; and notes where they differ.

    ``stated`` has, for each horizon, its id, its days and what the model says its period is.
    """
    sentences, notes = [], []
    for horizon, days, text in stated:
        sentences.append(compared(text, days, horizon))
        notes.append(differs(text, days))
    return "; ".join(s for s in sentences if s), [note for note in notes if note]
