"""The tables of how complete a coded record is: on the pages of a report, and on the page of a derivation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from popstrat.core.numbers import NOTHING
from popstrat.pages.design.parts import Cell, Table, Text, number_cell
from popstrat.pages.report.quality import Quality, Standing


def columns_table(quality: Quality) -> Table:
    """Each column of the patient table."""
    rows: list[list[Text | Cell]] = [
        [
            one.title,
            number_cell(one.recorded, one.order),
            one.expected,
            one.age,
            one.set_aside,
            "doubtful" if one.doubtful else NOTHING,
        ]
        for one in quality.columns
    ]
    return Table(
        "quality-t",
        "The coded record, column by column",
        ("Column", "Recorded", "Expected", "Age of values", "Set aside", "In doubt"),
        rows,
        frozenset({1, 2, 3, 4}),
        "Per 1,000 people; age in days: the middle value, and the one that nine in ten are newer than",
        notes=[quality.said],
    )


def practices_table(found: Sequence[Standing], links: Mapping[str, Text | Cell] | None = None) -> Table:
    """Practices that stand out; ``links`` has the page of each, if it has one."""
    rows: list[list[Text | Cell]] = [
        [(links or {}).get(one.practice, one.practice), one.column, one.people, one.expected] for one in found
    ]
    return Table(
        "quality-practices-t",
        "Practices whose record differs from the list by a factor of three",
        ("Practice", "Column", "People", "Expected"),
        rows,
        frozenset({2, 3}),
    )
