"""The page of the commands, made of the program itself: every command, argument and option, with its help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer.main

from popstrat.cli import app

_HEAD = """# Commands

This page is made from the program's own help. [Statuses, variables, schedulers](command-line.md) has exit statuses and
environment variables.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, those of groups after the group."""
    top = typer.main.get_command(app)
    yield from _within(top.make_context("popstrat", [], resilient_parsing=True))


def _within(context: Any) -> Iterator[tuple[str, Any]]:
    command = context.command
    yield context.command_path, command
    for name in command.list_commands(context) if hasattr(command, "list_commands") else ():
        sub = command.get_command(context, name)
        if not sub.hidden:
            yield from _within(sub.make_context(name, [], parent=context, resilient_parsing=True))


def page() -> str:
    """The whole page, as Markdown."""
    parts = [_HEAD]
    for name, command in commands():
        parts.append(f"## `{name}`\n\n{(command.help or '').strip()}\n")
        arguments = [p for p in command.params if p.param_type_name == "argument" and not p.hidden]
        options = [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]
        if arguments:
            rows = (f"| `{(p.metavar or p.name or '').upper()}` | {_cell(p.help)} |\n" for p in arguments)
            parts.append("| argument | what |\n|---|---|\n" + "".join(rows))
        if options:
            parts.append("| option | what |\n|---|---|\n" + "".join(
                f"| {' '.join(f'`{o}`' for o in (*p.opts, *p.secondary_opts))} | {_cell(p.help)}{_default(p)} |\n"
                for p in options))  # fmt: skip
    return "\n".join(parts)


def _cell(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _default(parameter: Any) -> str:
    value = parameter.default
    if parameter.required:
        return " Required."
    if value in (None, False, (), [], "") or callable(value):
        return ""
    shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else getattr(value, "value", value)
    return f" Default: `{shown}`."
