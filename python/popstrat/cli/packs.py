"""``popstrat packs``: definitions packs listed, shown, checked, compared."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import Described, open_console, print_json, warnings_as_notices
from popstrat.errors import InputError

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
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A built-in pack or specification, or a TOML file.")],
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="YYYY-MM-DD; the latest by default.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page, in place of the terminal.")
    ] = None,
    force: options.Force = False,
) -> None:
    """Show every definition of a pack, or every feature of a specification, with its source."""
    date = None if as_of is None else options.parse_date(as_of)
    options.refuse_replacing(html, force)
    # not above: --help does not wait for Arrow
    from popstrat.deriving.spec import is_specification
    from popstrat.pages import catalogue, specification

    page = specification if is_specification(name) else catalogue
    if html is None:
        page.show(name, open_console(), date)
        return
    from popstrat.pages.catalogue_page import write

    write(page.shown(name, date), html)


@app.command("check")
def check_command(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A TOML file, or the name of a built-in pack.")],
    as_of: options.AsOf = None,
    quiet: options.Quiet = False,
) -> None:
    """Check a pack or feature specification: its text, its types and every date on which it changes; warn of likely
    mistakes."""
    date = options.parse_date(as_of)
    # not above: --help does not wait for Arrow
    from popstrat.deriving.spec import is_specification

    if is_specification(file):
        from popstrat.deriving import spec_check
        from popstrat.pages import spec_check as spec_check_page

        spec_report = spec_check.examine(file, date)
        log.record({"warnings": spec_report.warnings}, None)
        if not (quiet or log.is_json):
            spec_check_page.show(spec_report, open_console())
        return
    from popstrat.scoring.pack_check import examine

    with warnings_as_notices():
        found = examine(file, date)
    log.record({"warnings": found.warnings}, None)
    if not (quiet or log.is_json):
        from popstrat.pages.pack_check import show

        show(found, open_console())


@app.command("diff")
def diff_command(
    a: Annotated[
        str, typer.Argument(metavar="A", help="The earlier pack: a name such as london-2026@1.0.0, or a file.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="The pack to compare with it.")],
    data: Annotated[
        list[str] | None, typer.Option("--data", metavar="FILE", help="A list: count its patients who change group.")
    ] = None,
    as_of: options.AsOf = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what differs between two packs, and with --data for how many patients."""
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


@app.command("sql")
def sql_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="A built-in pack, or a TOML file.")
    ] = options.DEFAULT_PACK,
    as_of: options.AsOf = None,
    dialect: Annotated[
        str,
        typer.Option(
            "--dialect", metavar="NAME", help="duckdb, postgres, snowflake, databricks, spark, tsql or bigquery."
        ),
    ] = "duckdb",
    table: Annotated[str, typer.Option("--table", metavar="NAME", help="The name of the patient table.")] = "patients",
    columns: Annotated[
        str | None, typer.Option("--columns", metavar="FILE", help="A list with the same columns as the table.")
    ] = None,
    profile: options.FitProfile = options.Profile.DIRECT_CARE,
    check: Annotated[
        str | None,
        typer.Option(
            "--check", metavar="FILE", help="A list: run the query on it in DuckDB, and show every cell that differs."
        ),
    ] = None,
    counts_by: Annotated[
        str | None,
        typer.Option("--counts-by", metavar="COLUMN", help="Count the pack's metrics by practice_code or a place."),
    ] = None,
    dbt: Annotated[
        Path | None, typer.Option("--dbt", metavar="DIR", help="A folder for a dbt model, with its texts and tests.")
    ] = None,
) -> None:
    """Print a pack as one SELECT over the patient table, in a dialect of SQL."""
    date = options.parse_date(as_of)
    if check is not None:  # in DuckDB, on a list that has its own columns, the scored table and nothing else
        others = {"--counts-by": counts_by, "--dbt": dbt, "--columns": columns}
        others |= {
            "--dialect": dialect if dialect != "duckdb" else None,
            "--table": table if table != "patients" else None,
        }
        if given := [name for name, value in others.items() if value is not None]:
            raise InputError(f"--check compares the scored table in DuckDB, and takes no {given[0]}")
    if dbt is not None and counts_by is not None:
        raise InputError("--dbt writes the scored table as a model, and takes no --counts-by")
    # not above: --help does not wait for Arrow
    from popstrat.packs.load import load_pack
    from popstrat.queries.call import require_sqlglot

    require_sqlglot()
    pack = load_pack(name)
    if check is not None:
        from popstrat.pages.sql_check import show
        from popstrat.queries.check import check as run
        from popstrat.queries.check import sampled
        from popstrat.runs.input_files import known_tables

        found, step = sampled(known_tables([check], pack.schema.columns))
        with warnings_as_notices():
            compared = run(found, pack, date, profile=profile.value)
        show(compared, step, open_console())
        if compared.differing:
            raise typer.Exit(1)
        return
    from popstrat.queries.call import sql

    schema = None
    if columns is not None:
        from popstrat.formats import open_source

        (source,) = open_source([columns], kinds=lambda n: pack.schema[n].cells if n in pack.schema else None).files
        schema = source.schema
    text = sql(pack, date, dialect=dialect, table=table, columns=schema, profile=profile.value, counts_by=counts_by)
    if dbt is not None:
        from popstrat.queries.dbt import write_model

        write_model(dbt, pack, date, text)
        return
    sys.stdout.write(text)
