"""The sections of a page, a file each: from a `Teller` to a `Section`, or to nothing where the file has no figures
for it. `SECTIONS` has them in the order of the page."""

from __future__ import annotations

from collections.abc import Callable

from popstrat.pages.report.sections import (
    care,
    changes,
    conditions,
    coverage,
    groups,
    inequality,
    needs,
    prize,
    recorded,
    segments,
    variation,
    whole,
)
from popstrat.pages.report.teller import Teller
from popstrat.pages.report.views import Section

SECTIONS: tuple[Callable[[Teller], Section | None], ...] = (
    coverage.section,
    needs.section,
    care.section,
    care.red,
    prize.section,  # up to here what a board gets on paper
    care.adults,
    changes.series,
    inequality.section,
    variation.section,
    groups.section,
    coverage.caseload,
    segments.section,
    changes.movers,
    conditions.section,
    recorded.section,
    whole.figures,
    whole.withheld,
)
