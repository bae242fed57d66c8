"""Whether a feature specification holds at every date at which it changes, and what is odd about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from popstrat.core.small_files import parse_toml
from popstrat.deriving.features import Features
from popstrat.deriving.spec import Spec, load_spec
from popstrat.packs.assumptions import assumptions
from popstrat.packs.possible import remarks
from popstrat.packs.reading import boundaries

_FEW = 6


@dataclass(frozen=True)
class Report:
    """What `examine` found: the specification at the last of the dates at which it was tried, and what is odd."""

    spec: Spec
    features: Features
    dates: tuple[dt.date, ...]
    warnings: tuple[str, ...]
    assumptions: int


def examine(name_or_path: str | Path | Spec, as_of: dt.date | None = None) -> Report:
    """Load a specification and build it at `as_of` (today if None) and at every date on which something begins or ends
    to hold. Raises `PackError`."""
    spec = load_spec(name_or_path)
    date = as_of or dt.date.today()
    features = spec.at(date)
    dates = tuple(sorted({date, *boundaries(spec)}))
    for date in dates:
        features = spec.at(date)
    return Report(spec, features, dates, tuple(_oddities(features)), len(assumptions(spec)))


def _oddities(features: Features) -> Iterator[str]:
    """What is odd about the specification's own file; what it extends has a check of its own."""
    spec = features.spec
    own = parse_toml(spec.sources[0].text)
    for f in features.features:
        if f.id in own.get("feature", {}) and not f.told.means:
            yield f"feature {f.id} does not say what it `means`"
    for d in features.resolved.definitions.values():
        if d.id in own.get("definition", {}) and not d.means:
            yield f"definition {d.id} does not say what it `means`"
    for found in spec.unused:
        if found.file == spec.sources[0].name:
            yield found.told
    for remark in remarks(features.resolved):
        place = spec.error(
            f"definition.{remark.definition}", remark.told, remark.text, 0, len(remark.text), at=remark.at
        )
        yield str(place).split("\n")[0]
    left = list(features.undecided)
    if left:
        shown = ", ".join(left[:_FEW]) + (f" and {len(left) - _FEW} more" if len(left) > _FEW else "")
        yield f"neither derived nor in [not_derived]: {shown}"
