"""The closing summary of ``popstrat metrics``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.core.numbers import day, percent
from popstrat.pages.console import WARNING, unpadded
from popstrat.runs.record import Record

_CALLED = {"icb": "ICB", "place": "place", "neighbourhood": "neighbourhood", "pcn": "PCN", "practice": "practice"}


def show(record: Record, output: Path, console: Console) -> None:
    """Print what was counted, and what is to be known of it."""
    with unpadded(console):
        _show(record, output, console)


def _show_cost(cost: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Of each level the share of counts over 7 that is withheld so that others cannot be worked out."""
    told = []
    for level, called in _CALLED.items():
        rows = [row for row in cost if row["level"] == level and row["share"] is not None]
        if rows:
            by = ", ".join(f"{row['group_by'].replace('_', ' ')} {percent(row['share'], 1)}" for row in rows)
            told.append(f"  {called}: {by}")
    if told:
        console.print("withheld to protect others, of counts over 7, by level and group:", style="dim")
        for line in told:
            console.print(escape(line), style="dim", soft_wrap=True)


def _show(record: Record, output: Path, console: Console) -> None:
    pack, rows, figures = record["pack"], record["rows"], record["figures"]
    head = f"{escape(pack['id'])} {escape(str(pack['version']))} · as of {day(record['as_of'])} · {record['profile']}"
    console.print(f"[bold]{head}[/]")
    line = f"{rows['in']:,} patients in, {rows['out']:,} counted, {rows['excluded']:,} excluded"
    reasons = [f"{escape(reason)}: {count:,}" for reason, count in rows["excluded_by_reason"].items() if count]
    console.print(line + (f" ({'; '.join(reasons)})" if reasons else ""))
    areas = [
        f"{count:,} {_CALLED[level]}{'s' if count != 1 else ''}" for level, count in record["areas"].items() if count
    ]
    left_out = sum(metric["reason"] is not None for metric in record["metrics"])
    told = f"{len(record['metrics']) - left_out} metrics of {', '.join(areas)}"
    console.print(told + (f"; {left_out} that a patient table cannot say" if left_out else ""))
    control = "disclosure controlled" if record["disclosure_control"] else "exact counts: disclosure is not controlled"
    console.print(f"{figures['rows']:,} figures, {figures['withheld']:,} withheld · {control}")
    for word in ("warnings", "notices"):
        for text in record[word]:
            console.print(f"{word.removesuffix('s')}: {escape(text)}", style=WARNING if word == "warnings" else "dim")
    if record["disclosure"]:
        _show_cost(record["disclosure"]["withheld_to_protect_others"], console)
    seconds, memory = record["seconds"], record["peak_memory_bytes"]
    spent = f"{seconds['total']:,.2f} s ({seconds['count']:,.2f} s counting) · {record['threads']} threads"
    console.print(f"\n{spent}{f' · {memory / 2**20:,.0f} MB at most' if memory else ''}", style="dim")
    console.print(f"{escape(str(output))}\n{escape(str(output))}.run.json", soft_wrap=True)
