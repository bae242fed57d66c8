"""From people who were counted to the table of figures, with the files that it is held against."""

from __future__ import annotations

from popstrat.core.rerun import pack_named
from popstrat.metrics.control import merged
from popstrat.metrics.figures import Figures
from popstrat.metrics.overlap import overlapping, unfitted
from popstrat.metrics.people import PeopleCount
from popstrat.metrics.plan import NO_PLAN, read_plan
from popstrat.metrics.release import Release, release
from popstrat.metrics.request import Request
from popstrat.metrics.series import NO_HISTORY, read_history
from popstrat.metrics.shown import shown
from popstrat.privacy.disclosure import ROUND_TO, SMALLEST, WIDTH
from popstrat.scoring.scorer import Scorer


def released(
    people: PeopleCount, scorer: Scorer, request: Request, encoding: str = "utf-8", threads: int = 1
) -> tuple[Release, Figures]:
    """The table, and the figures that it is of. Raises `InputError` for a file that is at fault."""
    figures, moved = people.figures()
    if request.controlled:
        figures = merged(figures)
    of_pack = pack_named(scorer.pack_record)
    history = NO_HISTORY
    if request.history is not None:
        history = read_history(request.history, scorer.as_of, pack=of_pack, controlled=request.controlled)
    plan = NO_PLAN
    if request.plan is not None:
        plan = read_plan(request.plan, figures.areas, {m.id: m.measure for m in figures.metrics}, encoding)
    earlier = [month.rows for month in history.same_day]
    names = [metric.id for metric in figures.metrics]
    seen, cost = shown(figures, request.controlled, earlier, threads=threads)
    made = release(
        figures,
        seen,
        scorer.as_of,
        moved=None if moved is None else (moved, shown(moved, request.controlled, earlier)[0]),
        history=history,
        plan=plan,
        rounded=request.controlled,
        overlapping=overlapping(scorer.resolved, names),
        unfitted=unfitted(scorer.resolved, names),
    )
    if request.controlled:
        made.disclosure = {
            "smallest": SMALLEST, "round_to": ROUND_TO, "least_width": WIDTH,
            "earlier_releases": {"same_day": len(earlier), "months": len(history.months)},
            "withheld_to_protect_others": cost,
        }  # fmt: skip
    return made, figures
