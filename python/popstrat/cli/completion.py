"""``popstrat completion``: what a shell needs to complete command lines."""

from __future__ import annotations

from enum import StrEnum
from importlib import import_module
from typing import Annotated, Any

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False)


COMPLETE = "_POPSTRAT_COMPLETE"
"""The variable with which a shell asks."""


class Shell(StrEnum):
    """The shells whose completion there is."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


@app.command()
def completion(shell: Annotated[Shell, typer.Argument(help="bash, zsh, fish or powershell.")]) -> None:
    """Print what makes a shell complete popstrat's command lines; for bash: eval "$(popstrat completion bash)"."""
    given: Any = import_module("typer.completion")  # which does not say what of it is typed
    made = given.get_completion_script(prog_name="popstrat", complete_var=COMPLETE, shell=shell.value)
    typer.echo(made.strip())


def begin_completion() -> None:
    """For a call in which a shell asks what could follow: have typer know the shells."""
    given: Any = import_module("typer.completion")
    given.completion_init()
