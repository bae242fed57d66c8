"""What `popstrat bench` measured, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.bench.measure import described, shown
from popstrat.pages.console import count_table, unpadded


def show(found: Mapping[str, Any], console: Console) -> None:
    """Print what `popstrat.bench.measure.measure` found as a table, and the machine it was found on."""
    table = count_table("", "patients", "threads", "time", "patients/s", "of the floor", "memory")
    for line in found["measured"]:
        floor, memory = line.get("over_floor"), line.get("peak_memory_bytes")
        table.add_row(
            line["what"],
            f"{line['patients']:,}",
            str(line["threads"]),
            shown(line["seconds"]),
            f"{line['patients'] / line['seconds']:,.0f}",
            f"{floor:.2f} ×" if floor else "",
            f"{memory / 2**20:,.0f} MB" if memory else "",
        )
    with unpadded(console):
        console.print(table)
        console.print(f"\n{escape(described(found['machine']))}", style="dim", soft_wrap=True)
