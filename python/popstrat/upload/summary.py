"""The closing summary of an upload, for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.core.numbers import day
from popstrat.pages.console import count_table, unpadded
from popstrat.upload.run import Result


def render(result: Result, folder: Path, console: Console) -> None:
    """Print what was written, who was left out and why, and who moved."""
    with unpadded(console):
        _render(result, folder, console)


def _render(result: Result, folder: Path, console: Console) -> None:
    manifest = result.manifest
    totals, template, pack = manifest["totals"], manifest["template"], manifest["scored"]["run"]["pack"]
    made = f"{template['id']} {template['version']} · {pack['id']} {pack['version']}"
    console.print(f"[bold]{escape(made)} · as of {day(manifest['as_of'])} · {manifest['profile']}[/]")
    line = f"{totals['scored']:,} scored, {totals['written']:,} written"
    left_out = [*totals["excluded"].items(), *totals["not_selected"].items()]
    files = f"{totals['files']:,} files, {totals['practices']:,} practices"
    console.print(f"{line}, {sum(n for _, n in left_out):,} left out; {files}")
    if left_out:
        table = count_table("left out", "patients")
        for reason, count in left_out:
            table.add_row(escape(reason), f"{count:,}")
        console.print()
        console.print(table)
    if "movers" in totals:
        console.print()
        console.print(_moved(totals, manifest["groups"]["labels"]))
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    done = "already there, and verified again" if result.repeated else "every row verified"
    console.print(f"\n{escape(str(folder))}: {done}", soft_wrap=True)
    console.print(f"manifest {result.sha256}", style="dim", soft_wrap=True)


def _moved(totals: Mapping[str, Any], labels: list[str]) -> Any:
    """The matrix: from last month's groups (rows) to this month's (columns)."""
    movers = totals["movers"]
    counts = ", ".join(f"{movers[name]:,} {name}" for name in ("new", "up", "down", "unchanged", "left"))
    names = [*labels, "no group"]
    table = count_table("from, to", *(escape(_short(n)) for n in names), "left")
    table.title, table.title_justify, table.title_style = counts, "left", ""
    for source in [*names, "new"]:
        row = movers["from_to"][source]
        cells = ["" if source == "new" and n == "left" else f"{row[n]:,}" for n in [*names, "left"]]
        table.add_row(escape(_short(source)), *cells)
    return table


def _short(label: str) -> str:
    text = label.replace("_", " ")
    return text if len(text) <= 14 else f"{text[:13]}…"
