"""``popstrat packs``: definitions packs listed, shown, checked, compared."""

from __future__ import annotations

from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.terminal import Described, open_console, print_json, warnings_as_notices

app = typer.Typer(
    cls=Described,
    help="Definitions packs: list, show, check, compare.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
)


@app.command("list")
def list_command(as_json: options.AsJson = False) -> None:
    """List the packs that come with popstrat."""
    from popstrat.packs.reading import list_packs  # not above: --help does not wait for Arrow

    packs = list_packs()
    if as_json:
        print_json([{key: str(value) for key, value in pack.items()} for pack in packs])
        return
    from popstrat.pages.pack_list import show

    show(packs, open_console())


@app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; the latest if not given.")
    ] = None,
) -> None:
    """Show every definition of a pack, or every feature of a specification, with its source."""
    date = None if as_of is None else options.parse_date(as_of)
    # not above: --help does not wait for Arrow
    from popstrat.deriving.spec import is_specification
    from popstrat.pages import catalogue, specification

    page = specification if is_specification(name) else catalogue
    page.show(name, open_console(), date)


@app.command("check")
def check_command(
    file: Annotated[str, typer.Argument(metavar="FILE")],
    as_of: options.AsOf = None,
    quiet: options.Quiet = False,
) -> None:
    """Check a pack or feature specification: its text, its types, every date of a change; warn of what is odd."""
    date = options.parse_date(as_of)
    # not above: --help does not wait for Arrow
    from popstrat.deriving.spec import is_specification

    if is_specification(file):
        from popstrat.deriving import spec_check
        from popstrat.pages import spec_check as spec_check_page

        spec_report = spec_check.examine(file, date)
        if not quiet:
            spec_check_page.show(spec_report, open_console())
        return
    from popstrat.scoring.pack_check import examine

    with warnings_as_notices():
        found = examine(file, date)
    if not quiet:
        from popstrat.pages.pack_check import show

        show(found, open_console())


@app.command("diff")
def diff_command(
    a: Annotated[str, typer.Argument(metavar="A")],
    b: Annotated[str, typer.Argument(metavar="B")],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="Count the patients who change group.")
    ] = None,
    as_of: options.AsOf = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what changed between two packs, and with --data for how many patients."""
    date = options.parse_date(as_of)
    # not above: --help does not wait for Arrow
    from popstrat.packs.load import load_pack
    from popstrat.scoring.pack_diff import diff

    packs = load_pack(a), load_pack(b)
    tables = None
    if data:
        from popstrat.runs.input_files import known_tables

        tables = known_tables(data, {**packs[0].schema.columns, **packs[1].schema.columns})
    with warnings_as_notices():
        found = diff(*packs, tables, date)
    if as_json:
        print_json(found.as_dict())
    else:
        from popstrat.pages.pack_diff import show

        show(found, open_console())
