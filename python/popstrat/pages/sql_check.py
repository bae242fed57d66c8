"""A pack's SELECT beside the engine, on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from popstrat.queries.check import Checked


def show(found: Checked, step: int, console: Console) -> None:
    """Print every column that differs, the verdict last. Of the list's rows one in ``step`` was compared."""
    for one in found.differing:
        line = Text(one.column, "bold")
        line.append(f": {one.cells:,} cells differ", "default")
        console.print(line)
        rows = ", ".join(f"{(row - 1) * step + 1:,}" for row in one.rows)
        console.print(f"  first rows {rows}" + (f"; {one.definition}: {one.title}" if one.title else ""), markup=False)
    sample = f" (one row in {step:,})" if step > 1 else ""
    told = f"{found.rows:,} people{sample}, {found.columns} columns, {found.cells:,} cells compared: "
    differing = sum(one.cells for one in found.differing)
    console.print(Text(told + (f"{differing:,} differ" if differing else "none differs"), "bold"))
