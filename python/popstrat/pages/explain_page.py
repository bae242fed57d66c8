"""Why patients got what they got, as one HTML file that prints: nothing in it comes from elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from popstrat.core.files import Outputs, writing
from popstrat.core.numbers import day, decimal
from popstrat.pages.design.parts import Shell, Table
from popstrat.pages.design.render import render as render_page
from popstrat.reasons.findings import Explanation, Finding
from popstrat.reasons.short import grouped, short

_TEMPLATE = "pages/explain.html.j2"
_CAUTION = (
    "For direct care. Illustrative or incomplete records give illustrative results. It supports a clinician's "
    "judgement and does not replace it."
)


def render(explanations: Sequence[Explanation], *, brief: bool = False, costs: bool = False) -> str:
    """The page as text: of each patient the five lines, and unless it is to be ``brief`` what is behind them."""
    first = explanations[0]
    many = len(explanations) > 1
    made = f"{first.title} ({first.pack} {first.version}), as of {day(first.as_of)}."
    shell = Shell(
        f"{len(explanations)} patients explained" if many else "A patient explained",
        under=(f"As of {day(first.as_of)}",),
        provenance=(made, *first.notices),
        private="Confidential: patient information",
        scripts=False,
        tab=f"{'Patients' if many else 'A patient'} explained, {day(first.as_of)}",
    )
    people = [(e, short(e), () if brief else grouped(e)) for e in explanations]
    ids = itertools.count(1)

    def terms(found: Finding, patient: int) -> Table:
        return _terms(found, next(ids), f" (patient {patient})" if patient else "")

    return render_page(_TEMPLATE, shell, people=people, costs=costs, caution=_CAUTION, terms=terms)


def _terms(found: Finding, number: int, whose: str) -> Table:
    """What each term of a model adds."""
    assert found.model is not None
    rows = [
        [term.title, decimal(term.adds, 4), "" if term.recorded else "no record: the default"]
        for term in found.model.contributions
    ]
    caption = f"What each term adds: {found.title}{whose}"
    return Table(f"terms-{number}", caption, ("term", "adds", "remark"), rows, frozenset({1}), sortable=False)


def write(explanations: Sequence[Explanation], path: Path, *, brief: bool = False, costs: bool = False) -> None:
    """Write the page, whole or not at all. Raises ``OSError`` if it cannot be written."""
    page = render(explanations, brief=brief, costs=costs)
    with writing(path), Outputs() as outputs:
        outputs.add(path).write_text(page, encoding="utf-8")
        outputs.commit()
