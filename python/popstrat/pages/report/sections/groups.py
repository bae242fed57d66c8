"""The figures that a page speaks of first by sex, age and whatever else the file divides people by; deprivation and
ethnic group stand with inequality."""

from __future__ import annotations

from popstrat.metrics.rows import AGE_BANDS, UNKNOWN
from popstrat.pages.report.by_group import by_group
from popstrat.pages.report.model import NONE
from popstrat.pages.report.teller import Teller, divided, grouped
from popstrat.pages.report.views import Block, Section

_AGES = dict(AGE_BANDS)
_ELSEWHERE = (NONE, "imd_quintile", "ethnicity", "month", "quarter")


def section(t: Teller) -> Section | None:
    """A table for each way in which people are divided."""
    metrics = t.known(list(dict.fromkeys([*t.layout.headline, *t.layout.inequality])))
    groups: dict[str, dict[str, None]] = {}
    for key in t.area.figures:
        if key.group is not None and key.group_by not in _ELSEWHERE and key.metric in t.layout.headline:
            groups.setdefault(key.group_by, {})[key.group] = None
    blocks: list[Block] = []
    for by, found in groups.items():
        every = sorted(found, key=lambda group: (UNKNOWN in group, _AGES.get(group, 0)))
        table = by_group(t, metrics, by, divided(by), {group: grouped(by, group) for group in every})
        blocks += [] if table is None else [table]
    return Section("groups", "By sex, age and other groups", blocks) if blocks else None
