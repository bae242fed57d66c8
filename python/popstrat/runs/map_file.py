"""``--map FILE``: another extract's column names and values, so that it needs no rewriting.

A TOML file of up to three tables, always with popstrat's own column on the left and the file's on the right::

    [columns]                      # our name = "the file's name"
    patient_id = "PatientKey"
    systolic_bp = "BP Systolic"

    [values.sex]                   # the file's value = ours; one table for each column, under our name
    "Woman" = "female"
    "Not recorded" = ""            # "" is no record

    [values.hypertension]
    "Y" = true
    "N" = false

    [const]                        # a column that the file lacks and that is the same in every row
    practice_code = "E85001"

Values are compared as text, exactly. A value that no line mentions stays as it is. A column of the file that already
has our name gives way to one that is mapped onto that name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from popstrat.core.small_files import parse_toml, read_small
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.patient_table import Column, fold_label
from popstrat.runs.column_map import ARROW_TYPES, IN_WORDS, UNREADABLE, ColumnMap, parse_value

_TABLES = ("columns", "values", "const")


def load_map(path: str | Path, known: Mapping[str, Column]) -> ColumnMap:
    """Read a mapping file. Raises `InputError` that names the file and the key at fault."""
    path = Path(path)
    name = str(path)
    try:
        raw = read_small(path)
        content = parse_toml(raw.decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError("there is no such mapping file", file=name) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=name) from None
    except UnicodeDecodeError:
        raise InputError("is not in UTF-8", file=name) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"is not valid TOML: {error}", file=name) from None
    return parse_map(content, known, name=name, sha256=hashlib.sha256(raw).hexdigest())


def parse_map(
    content: Mapping[str, Any], known: Mapping[str, Column], *, name: str = "map", sha256: str = ""
) -> ColumnMap:
    """A mapping from TOML's tables; raises `InputError` for an unknown table, column or label."""
    for table in content:
        if table not in _TABLES:
            raise InputError(f"[{table}]: unknown table{suggest(table, _TABLES)}", file=name)
        if not isinstance(content[table], Mapping):
            raise InputError(f"{table}: must be a table, written [{table}]", file=name)
    columns = content.get("columns", {})
    for ours, theirs in columns.items():
        _check_column("columns", ours, known, name, swapped=isinstance(theirs, str) and theirs in known)
        if not isinstance(theirs, str):
            raise InputError(f"[columns] {ours}: needs the name of one column, in quotes", file=name)
    twice = sorted({t for t in columns.values() if list(columns.values()).count(t) > 1})
    if twice:
        both = " and ".join(o for o, t in columns.items() if t == twice[0])
        raise InputError(f"[columns] {both}: both are mapped onto the one column {twice[0]!r}", file=name)
    values: dict[str, dict[str, str | None]] = {}
    for ours, table in content.get("values", {}).items():
        _check_column("values", ours, known, name)
        if not isinstance(table, Mapping):
            raise InputError(f"[values.{ours}]: must be a table of the file's values", file=name)
        if known[ours].type == "id":
            raise InputError(f"[values.{ours}]: ids cannot be mapped", file=name)
        values[ours] = {
            str(theirs): _our_value(f"[values.{ours}] {theirs!r}", value, known[ours], name)
            for theirs, value in table.items()
        }
    const: dict[str, str] = {}
    for ours, value in content.get("const", {}).items():
        _check_column("const", ours, known, name)
        if ours in columns:
            raise InputError(f"[const] {ours}: is mapped in [columns] too", file=name)
        text = _our_value(f"[const] {ours}", value, known[ours], name)
        if text is None or known[ours].type == "id":
            raise InputError(f"[const] {ours}: cannot be the same in every row", file=name)
        const[ours] = text
    return ColumnMap(dict(columns), values, const, name, sha256, dict(content))


def _check_column(table: str, ours: str, known: Mapping[str, Column], name: str, *, swapped: bool = False) -> None:
    if ours not in known:
        written = '; it is written our_name = "their name"' if swapped else ""
        advice = suggest(ours, known) or written
        raise InputError(f"[{table}] {ours}: popstrat has no such column{advice}", file=name)


def _our_value(where: str, value: object, column: Column, name: str) -> str | None:
    """A value of ours as text, checked against the column; None for ""."""
    if isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, dt.datetime) or not isinstance(value, str | int | float | dt.date):
        raise InputError(f"{where}: needs text, a number, true, false or a date", file=name)
    else:
        text = str(value)
    if text == "":
        return None
    if column.type == "category" and fold_label(text) not in column.label_codes():
        labels = ", ".join(column.labels)
        raise InputError(
            f"{where}: {text!r} is not a label of {column.name}{suggest(text, column.labels)}: it has {labels}",
            file=name,
        )
    if column.type in ARROW_TYPES and parse_value(text, column.type) is UNREADABLE:
        raise InputError(f"{where}: {text!r} is not a {IN_WORDS[column.type]}", file=name)
    return text
