"""The packs that there are, on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.pages.console import count_table, unpadded


def show(packs: Iterable[Mapping[str, Any]], console: Console) -> None:
    """Print a table of packs: id, version, title; and, where there are any, the earlier versions that are kept."""
    packs = list(packs)
    table = count_table("pack", "version", "title")
    for column in table.columns[1:]:
        column.justify = "left"
    table.columns[2].no_wrap = False
    for pack in packs:
        table.add_row(*(escape(str(pack.get(key, ""))) for key in ("id", "version", "title")))
    earlier = [str(pack["earlier"]) for pack in packs if pack.get("earlier")]
    with unpadded(console):
        console.print(table)
        if earlier:
            console.print()
            console.print(f"Earlier versions, kept as they were: {', '.join(earlier)}", markup=False)
