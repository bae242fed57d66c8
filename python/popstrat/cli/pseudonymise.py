"""``popstrat pseudonymise``: keyed pseudonyms in the place of identifiers."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from popstrat.cli import options
from popstrat.cli.log import log
from popstrat.cli.terminal import progress_bar
from popstrat.core.cpus import cores
from popstrat.errors import InputError

app = typer.Typer(rich_markup_mode=None, add_completion=False)

KEY_VARIABLE = "POPSTRAT_KEY"


class Form(StrEnum):
    """What a pseudonym looks like."""

    TEXT = "text"
    INT64 = "int64"


class Birth(StrEnum):
    """What is left of a date of birth."""

    YEAR_MONTH = "year-month"
    YEAR = "year"


def _names(given: list[str] | None) -> list[str]:
    return [name.strip() for text in given or () for name in text.split(",") if name.strip()]


@app.command()
def pseudonymise(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT...", help="Parquet, Arrow or CSV files; patterns such as 'lists/*.parquet'."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Ends in .parquet, .arrow, .csv or .csv.gz.")
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column", "-c", metavar="NAME[=PURPOSE]", help="A column to pseudonymise; may be given more than once."
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="The file of the key; or put the key into POPSTRAT_KEY."),
    ] = None,
    new_key: Annotated[
        Path | None, typer.Option("--new-key", metavar="FILE", help="Write a new random key, and do nothing else.")
    ] = None,
    form: Annotated[Form, typer.Option("--as", help="int64 stops if two values collide.")] = Form.TEXT,
    drop: Annotated[list[str] | None, typer.Option("--drop", metavar="COLS", help="Leave these columns out.")] = None,
    keep: Annotated[
        list[str] | None, typer.Option("--keep", metavar="COLS", help="Columns that look like identifiers but are not.")
    ] = None,
    birth: Annotated[Birth | None, typer.Option("--birth", help="How much of the date of birth to keep.")] = None,
    birth_column: Annotated[
        str, typer.Option("--birth-column", metavar="NAME", help="The column with the date of birth.")
    ] = "date_of_birth",
    lookup: Annotated[
        Path | None, typer.Option("--lookup", metavar="FILE", help="Pseudonyms and originals: IDENTIFIABLE, mode 0600.")
    ] = None,
    lookup_with: Annotated[
        list[str] | None, typer.Option("--lookup-with", metavar="COLS", help="Columns to copy into the lookup.")
    ] = None,
    audit_file: options.AuditFile = None,
    threads: options.Threads = None,
    encoding: options.Encoding = "utf-8",
    as_json: options.AsJson = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Replace identifiers with keyed pseudonyms; the same key gives the same pseudonyms every month."""
    from popstrat.privacy import secret_keys  # not above: --help does not wait for it

    if new_key is not None:
        if inputs or output or column:
            raise InputError("--new-key writes a key and does nothing else")
        secret_keys.new_key(new_key)
        log.record({}, new_key)
        if not (quiet or log.is_json):
            typer.echo(
                f"{new_key}: a new key; without it no pseudonym can be made again, so keep a copy in a safe place"
            )
        return
    if not inputs or output is None:
        raise InputError("name the input files, and the output with -o FILE")
    key = secret_keys.read_key(key_file, KEY_VARIABLE)
    if key is None:
        raise InputError(f"a key is needed: --key-file FILE or the environment variable {KEY_VARIABLE} (see --new-key)")
    # not above: --help and --new-key do not wait for Arrow
    from popstrat.privacy.pseudonymise import parse_columns, run_pseudonymise

    with progress_bar("Pseudonymising", quiet or as_json) as progress:
        found = run_pseudonymise(
            inputs,
            output,
            parse_columns(column or []),
            key,
            form=form.value,
            lookup=lookup,
            lookup_with=_names(lookup_with),
            drop=_names(drop),
            keep=_names(keep),
            birth=birth.value if birth else None,
            birth_column=birth_column,
            audit_log=options.audit_log(audit_file),
            encoding=encoding,
            threads=threads or cores(),
            progress=progress,
            force=force,
        )
    log.record({}, output)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if quiet or log.is_json:
        return
    typer.echo(f"{found['rows']:,} rows in {output}; key {found['key_fingerprint']}")
    for done in found["columns"]:
        nulls = f", {done['nulls']:,} null" if done["nulls"] else ""
        respelt = f", {done['respelt']:,} read from another spelling" if "respelt" in done else ""
        typer.echo(f"{done['column']}: pseudonyms for the purpose {done['purpose']!r}{nulls}{respelt}")
    if lookup is not None:
        typer.echo(f"{lookup}: {found['lookup']['rows']:,} originals; IDENTIFIABLE, for its owner alone")
    if found["full_birth_dates"]:
        typer.echo(f"notice: full dates of birth stay; --birth year-month or --drop {birth_column} would identify less")
