"""A group of commands whose help has the whole description of each, over several lines where it is long."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

_WHOLE = 1000


class Described(TyperGroup):
    """As typer's own, which cuts descriptions to what one line holds."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        named = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        rows = [(name, command.get_short_help_str(_WHOLE)) for name, command in named if command and not command.hidden]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)
