"""What differs between two packs, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from popstrat.core.numbers import day
from popstrat.packs.compared import Kind
from popstrat.pages.console import dim_table, unpadded
from popstrat.pages.terminal import styled
from popstrat.scoring.pack_diff import PackDiff

_HEADINGS: dict[Kind, str] = {
    "changed": "Changed",
    "added": "Added",
    "removed": "Removed",
    "wording": "Wording and sources only, no rule changed",
}


def show(found: PackDiff, console: Console) -> None:
    """Print the differences."""
    with unpadded(console):
        _show(found, console)


def _show(found: PackDiff, console: Console) -> None:
    console.print(Text(f"{found.a} → {found.b} · as of {day(found.as_of)}", "bold"))
    if not found.changes:
        console.print("no difference in what the packs say")
    for kind, heading in _HEADINGS.items():
        here = [c for c in found.changes if c.kind == kind]
        if not here:
            continue
        console.print()
        console.print(Text(heading, "bold"))
        for change in here:
            line = Text(f"{change.part} ")
            line.append(change.name, "bold")
            line.append("  ")
            line.append_text(styled(change.text))
            console.print(Padding(line, (0, 0, 0, 2)))
            if change.reaches:
                told = ", ".join(change.reaches)
                console.print(Padding(Text(f"reaches {told}", "dim"), (0, 0, 0, 4)))
    for names, told in (
        (found.only_a, f"Columns only in {found.a}"),
        (found.only_b, f"Columns only in {found.b}"),
        (found.retyped, "Columns of another type, not compared"),
    ):
        if names:
            console.print()
            console.print(Text(f"{told}: {', '.join(names)}"))
    if found.patients is not None:
        _show_moves(found, console)


def _show_moves(found: PackDiff, console: Console) -> None:
    console.print()
    console.print(Text(f"{found.patients:,} patients, {found.moved:,} with a change in any column", "bold"))
    flags = [c for c in found.columns if c.flag]
    for column in flags:
        heading = Text(column.title, "bold")
        heading.append(f"  {column.column}", "dim not bold")
        console.print(Padding(heading, (1, 0, 0, 2)))
        console.print(Padding(Text(f"{column.came:,} come in, {column.left:,} leave"), (0, 0, 0, 4)))
        if column.means_after:
            console.print(Padding(Text(f"was: {column.means_before}", "dim"), (0, 0, 0, 4)))
            console.print(Padding(Text(f"now: {column.means_after}", "dim"), (0, 0, 0, 4)))
    labels = [c for c in found.columns if c.moves and not c.flag]
    if flags and (labels or any(c.changed and not c.moves for c in found.columns)):
        console.print()
    numbers = [c for c in found.columns if c.changed and not c.moves]
    if labels:
        grid = dim_table("column", "from", "to", "patients", right={3})
        for column in labels:
            for i, move in enumerate(column.moves):
                grid.add_row(column.column if i == 0 else "", move.before, move.after, f"{move.patients:,}")
        console.print(Padding(grid, (0, 0, 0, 2)))
    if numbers:
        if labels:
            console.print()
        heads = ("column", "changed", "mean before", "mean after", "difference", "became null", "no longer null")
        grid = dim_table(*heads, right=set(range(1, 7)))
        for column in numbers:
            means = (column.mean_before, column.mean_after, column.mean_difference)
            grid.add_row(
                column.column, f"{column.changed:,}", *("" if m is None else f"{m:.6g}" for m in means),
                f"{column.became_null:,}", f"{column.no_longer_null:,}",
            )  # fmt: skip
        console.print(Padding(grid, (0, 0, 0, 2)))
    same = [c.column for c in found.columns if not c.changed]
    if same and len(same) < len(found.columns):
        console.print(Padding(Text(f"the same for everybody: {', '.join(same)}", "dim"), (0, 0, 0, 2)))
