"""The closing summary of ``popstrat report``."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from popstrat.core.numbers import day, duration
from popstrat.core.rerun import pack_named
from popstrat.metrics.rows import Level
from popstrat.pages.report.model import CALLED, SEVERAL
from popstrat.runs.record import Record


def show(record: Record, output: Path, console: Console) -> None:
    """Print which pages there are, how large they are, and where to begin."""
    areas = ", ".join(
        f"{number:,} {CALLED[Level(level)] if number == 1 else SEVERAL[Level(level)]}"
        for level, number in record["areas"].items()
    )
    months = sum(one["role"] == "metrics" for one in record["inputs"])
    console.print(f"[bold]{len(record['outputs'])} pages of {areas}[/]")
    console.print(
        f"as of {day(record['as_of'])} · {escape(str(pack_named(record['pack'])))} · "
        f"{months} {'month' if months == 1 else 'months'}"
    )
    control = "disclosure controlled" if record["disclosure_control"] else "exact counts: for direct care alone"
    console.print(control)
    spent = f"{duration(record['seconds']['total'])} · {record['bytes'] / 1e6:,.1f} MB"
    console.print(f"\n{spent}", style="dim")
    console.print(f"open {escape(str(output / 'index.html'))}", soft_wrap=True)
