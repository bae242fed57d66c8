"""What a derivation found, on a terminal: people, rows, what was set aside, how well the columns are filled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from popstrat.core.numbers import day
from popstrat.pages.console import count_table, unpadded
from popstrat.pages.filling import filling
from popstrat.pages.run_summary import remarks, to_mind
from popstrat.runs.record import Record


def show(record: Record, output: Path | None, console: Console) -> None:
    """Print the summary of a derivation."""
    with unpadded(console):
        _show(record, output, console)


def _show(record: Record, output: Path | None, console: Console) -> None:
    pack, rows, derived = record["pack"], record["rows"], record["derived"]
    console.print(f"[bold]{escape(pack['id'])} {escape(str(pack['version']))} · as of {day(record['as_of'])}[/]")
    console.print(f"{rows['in']:,} people registered and alive, from {_words(derived)}")
    console.print(" · ".join(to_mind(record)))
    for block in (_people(derived["people"]), _set_aside(derived["rows"])):
        if block.row_count:
            console.print()
            console.print(block)
    if record["data_quality"]["people"]:
        console.print()
        console.print(filling(record["data_quality"]))
    remarks(record, console)
    seconds, memory = record["seconds"]["total"], record["peak_memory_bytes"]
    read = sum(t["rows"] for t in derived["rows"].values())
    speed = f"{seconds:,.2f} s · {round(read / seconds) if seconds else 0:,} rows/s · {record['threads']} threads"
    console.print(f"\n{speed}{f' · {memory / 2**20:,.0f} MB at most' if memory else ''}", style="dim")
    if output is not None:
        console.print(f"{escape(str(output))}\n{escape(str(output))}.run.json", soft_wrap=True)


def _words(derived: Mapping[str, Any]) -> str:
    return ", ".join(f"{of['rows']:,} rows of {name}" for name, of in derived["rows"].items())


def _people(counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Who is not on the list, and what was odd."""
    table = count_table("patients and registrations", "rows")
    for name, of in counts.items():
        for reason, count in of.items():
            if count and reason != "rows":
                table.add_row(f"{escape(name)}: {escape(reason.replace('_', ' '))}", f"{count:,}")
    return table


def _set_aside(rows: Mapping[str, Mapping[str, int]]) -> Table:
    """The rows that were no use or read otherwise than they stand, by table and reason."""
    table = count_table("rows", "of these", "%")
    for name, of in rows.items():
        for reason, count in of.items():
            if count and reason != "rows":
                share = f"{100 * count / of['rows']:.1f}" if of["rows"] else ""
                table.add_row(f"{escape(name)}: {escape(reason.replace('_', ' '))}", f"{count:,}", share)
    return table
