"""The rows of a coded record behind a patient's row of the patient table, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Collection

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from popstrat.deriving.features import Features
from popstrat.deriving.folds import written
from popstrat.deriving.kinds.kind import Feature
from popstrat.deriving.reference import Derived, Row, Why
from popstrat.packs.columns_read import read_columns
from popstrat.packs.phrases import shown
from popstrat.pages.console import text_grid, unpadded

_WHY = {
    "undated": "without a date",
    "after_as_of": "after the as-of date",
    "before_birth": "before birth",
    "no_value": "without a number",
    "unknown_unit": "in a unit that is not known",
    "implausible": "implausible",
    "before_the_window": "too long ago",
    "others_decide": "others decide",
}
_MOST = 6
"""Rows shown of one feature that decide, and of those set aside."""


def show_record(
    derived: Derived, features: Features, columns: Collection[str], in_words: Callable[[Row], str], console: Console
) -> None:
    """Print how the columns that are read came about: of each feature with rows, the rows that decide and those set
    aside. ``columns`` are those that a pack reads; ``in_words`` is what a row's code means."""
    read = {
        word
        for d in features.resolved.outputs
        if d.output in columns
        for word in read_columns(features.resolved, features.pack.schema, [d])
    }
    with unpadded(console):
        console.print()
        console.print(Text("From the coded record", "bold"))
        for feature in features.features:
            why = derived.features.get(feature.id)
            if why is None or not (why.used or why.aside):
                continue
            if not any(part.output in columns or part.word in read for part in feature.parts):
                continue
            console.print()
            _show(feature, why, derived, in_words, console)


def _show(feature: Feature, why: Why, derived: Derived, in_words: Callable[[Row], str], console: Console) -> None:
    heading = Table.grid(expand=True, padding=(0, 1, 0, 0))
    heading.add_column(ratio=1)
    heading.add_column(justify="right")
    title = Text(feature.told.title, "bold")
    written = [part.output for part in feature.parts if part.output is not None]
    if written:
        title.append(f"  {', '.join(written)}", "dim not bold")
    values = [shown(derived.words.get(part.word)) for part in feature.parts if part.output is not None]
    heading.add_row(title, Text(", ".join(values[:3]), "bold"))
    console.print(heading)
    for line in why.lines:
        console.print(
            Padding(Text(f"{'→' if line.fired else '·'} {line.text}", "" if line.fired else "dim"), (0, 0, 0, 2))
        )
    grid = text_grid(5)
    for row in why.used[:_MOST]:
        grid.add_row(*_cells(row, in_words), "")
    for aside in why.aside[:_MOST]:
        grid.add_row(*(Text(cell, "dim") for cell in (*_cells(aside.row, in_words), _WHY[aside.reason])))
    if grid.row_count:
        console.print(Padding(grid, (0, 0, 0, 4)))
    more = len(why.used[_MOST:]) + len(why.aside[_MOST:])
    if more:
        console.print(Padding(Text(f"and {more} more rows", "dim"), (0, 0, 0, 4)))


def _cells(row: Row, in_words: Callable[[Row], str]) -> tuple[str, str, str, str]:
    """Date, code, what the code means, value."""
    value = "" if row.value is None else _as_written(row.value)
    if row.second_value is not None:
        value += f"/{row.second_value:.6g}"
    day = "no date" if row.date is None else row.date.isoformat()
    code = "" if row.code is None or row.table == "activity" else str(row.code)
    return day, code, in_words(row), f"{value} {row.unit or ''}".strip()


def _as_written(value: float) -> str:
    """A number as the record has it: with the comparator that a layout read."""
    plain, side = written(value)
    return f"{'<' if side < 0 else '>' if side else ''}{plain:.6g}"
