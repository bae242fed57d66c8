"""What a validation found, on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from popstrat.core.numbers import day
from popstrat.validation.files import JSON_NAME, PAGE_NAME
from popstrat.validation.sentences import titled, verdict


def show(result: Mapping[str, Any], output: Path, console: Console) -> None:
    """The findings in words, and where the rest is."""
    pack = result["pack"]
    model = f" · {pack['id']} {pack['version']} · as of {day(result['as_of'])}" if pack else ""
    console.print(f"[bold]{escape(titled(result))}[/bold]{escape(model)}\n", soft_wrap=True)
    told = textwrap.fill(verdict(result), console.width, break_on_hyphens=False)
    console.print(f"{escape(told)}\n", style="bold", soft_wrap=True)
    for line in result["headlines"]:
        text = textwrap.fill(line, console.width, subsequent_indent="  ", initial_indent="• ", break_on_hyphens=False)
        console.print(escape(text), soft_wrap=True)
    if result["period"]:
        console.print(f"\n{escape(result['period'][0].upper() + result['period'][1:])}", soft_wrap=True)
    for notice in result["notices"]:
        console.print(f"notice: {escape(notice)}", style="dim", soft_wrap=True)
    console.print(f"\n{escape(str(output / PAGE_NAME))}\n{escape(str(output / JSON_NAME))}, and a CSV of each table",
                  soft_wrap=True)  # fmt: skip
