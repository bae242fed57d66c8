"""The closing summary of a run, for people and as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.core.numbers import day
from popstrat.pages.console import count_table, unpadded
from popstrat.worklists.record import listed
from popstrat.worklists.run import Result

_MOST = 20  # lists that are shown one by one


def as_data(result: Result, output: Path) -> dict[str, Any]:
    """What ``--json`` prints."""
    record = result.record
    return {
        "output": str(output),
        "record_sha256": result.sha256,
        **{key: record[key] for key in ("command", "as_of", "pack", "profile", "worklist", "outputs")},
        "warnings": list(result.warnings),
    }


def render(result: Result, output: Path, console: Console) -> None:
    """Print what each list reaches, and what to be warned of."""
    with unpadded(console):
        _render(result, output, console)


def _render(result: Result, output: Path, console: Console) -> None:
    record, asked = result.record, result.record["worklist"]
    pack = record["pack"]
    console.print(
        f"[bold]{escape(pack['id'])} {escape(pack['version'])} · as of {day(record['as_of'])} · direct-care[/]"
    )
    order = asked["order"]
    by = " and ".join(name for name in (order["rank"], order["measure"]) if name)
    console.print(f"{escape(asked['cohort'])}, by {escape(by)}; capacity {escape(asked['capacity'])}")
    named = any(one.name for one in result.reach)
    compared = any(one.new is not None for one in result.reach)
    heads = ["list", "registered", "in the cohort", "on it", "tied at the cut", *(["new", "gone"] if compared else [])]
    table = count_table(*heads)
    for one in result.reach[:_MOST]:
        tied = f"{one.tied_on_list:,} of {one.tied:,}" if one.tied else ""
        moved = [f"{one.new:,}", f"{one.gone:,}"] if one.new is not None else []
        name = one.name if named else "all"
        table.add_row(escape(name), f"{one.registered:,}", f"{one.cohort:,}", f"{one.rows:,}", tied, *moved)
    console.print()
    console.print(table)
    if len(result.reach) > _MOST:
        console.print(f"and {len(result.reach) - _MOST:,} more")
    left_out: dict[str, int] = {}
    for one in result.reach:
        counted = {**({"excluded by the file given": one.excluded} if one.excluded else {}), **one.left_out}
        for reason, people in counted.items():
            left_out[reason] = left_out.get(reason, 0) + people
    if left_out:
        table = count_table("of the cohort, left out", "patients")
        for reason, people in left_out.items():
            table.add_row(escape(reason), f"{people:,}")
        console.print()
        console.print(table)
    console.print()
    for warning in result.warnings:
        console.print(f"[yellow]warning:[/] {escape(warning)}")
    people = sum(one.rows for one in result.reach)
    files = len(listed(record))
    console.print(
        f"\n{escape(str(output))}: {people:,} people in {files:,} file{'s' if files > 1 else ''}, everybody verified",
        soft_wrap=True,
    )
