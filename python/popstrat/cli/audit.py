"""``popstrat audit``: look after the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli.options import AsJson, Quiet
from popstrat.cli.terminal import Described

app = typer.Typer(
    cls=Described, help="The audit log: check it.", no_args_is_help=True, rich_markup_mode=None, add_completion=False
)


@app.callback()
def _top() -> None:
    """The audit log: check it."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The audit log.")],
    expect_last: Annotated[
        str | None, typer.Option("--expect-last", metavar="HASH", help="The last hash that you noted earlier.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Check that no line of an audit log was changed, removed, added or moved.

    The key, if the log has one, is in the file that POPSTRAT_AUDIT_KEY_FILE names, or in POPSTRAT_AUDIT_KEY.
    """
    from popstrat.privacy import audit_log  # not above: --help does not wait for it

    found = audit_log.verify(file, expect_last=expect_last)
    if as_json:
        typer.echo(json.dumps({"file": str(file), **found.as_dict()}, indent=2))
        return
    if quiet:
        return
    typer.echo(f"{file}: {found.lines:,} lines, whole and in order")
    if found.lines:
        typer.echo(f"from {found.first} to {found.last}")
        typer.echo(", ".join(f"{event} {count:,}" for event, count in found.events.items()))
        typer.echo(f"last hash {found.last_hash}")
    if found.macs_checked and found.keyed:
        typer.echo(f"MACs checked on {found.keyed:,} lines")
    elif found.keyed:
        typer.echo("notice: the log has a key, which was not given, so its MACs were not checked")
    elif found.lines:
        typer.echo("notice: the log has no key: anybody who can write to it can replace it unseen (docs/privacy.md)")
    if found.head_behind:
        typer.echo("notice: the last append was interrupted after its line was complete")
