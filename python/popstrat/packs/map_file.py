"""``--map FILE`` and ``mapping=``: another extract's column names and values, so that it needs no rewriting.

A TOML file, always with popstrat's own column on the left and the file's on the right::

    [columns]                      # our name = "the file's name"
    patient_id = "PatientKey"
    systolic_bp = "BP Systolic"

    [values.sex]                   # the file's value = ours; one table for each column, under our name
    "Woman" = "female"
    "Not recorded" = ""            # on the right, "" is no record
    "*" = "unknown"                # any other text; and "" on the left: no record, or blanks alone

    [const]                        # a column that the file lacks and that is the same in every row
    practice_code = "E85001"

    [text]                         # how cells are written, in every column
    nulls = ["NULL", "N/A"]
    true = ["Present"]
    false = ["Absent"]
    dates = "dd/mm/yyyy"           # or a list of forms; dd-mmm-yyyy for names of months
    decimal_comma = true
    times = "utc"                  # what a time of day without an offset is: "utc", or "local" for England's clocks

    [text.bp_date]                 # the same for one column
    dates = "yyyymmdd"

    [split]                        # a column of ours that is a part of one of the file's
    systolic_bp = { from = "BP", by = "/", part = 1 }

    [units]                        # from the file's unit to ours: a factor, or a factor and what is then added
    acr = 0.113
    hba1c = { multiply = 10.929, add = -23.5 }

A value is looked up as it stands, then without blanks around and capitals. One that no key stands for stays as it is. A
column of the file that already has our name gives way to one that is mapped onto that name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from popstrat.core.small_files import parse_toml, read_small
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.column_map import ColumnMap, Split, Unit
from popstrat.packs.patient_table import Column, fold_label
from popstrat.packs.spellings import EXPECTED, TYPED, Spelling, Unreadable, folded, pattern
from popstrat.packs.spellings import value as spelt

_TABLES = ("columns", "values", "const", "text", "split", "units")
_WORDS = ("nulls", "true", "false", "dates", "decimal_comma", "times")


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
    split = {ours: _split(ours, table, columns, known, name) for ours, table in content.get("split", {}).items()}
    most = {(s.source, s.by): 0 for s in split.values()}
    for one in split.values():
        most[one.source, one.by] = max(most[one.source, one.by], one.part)
    split = {ours: replace(s, parts=max(2, most[s.source, s.by])) for ours, s in split.items()}
    units = {ours: _unit(ours, table, known, name) for ours, table in content.get("units", {}).items()}
    general = {k: v for k, v in content.get("text", {}).items() if not isinstance(v, Mapping)}
    spellings = {}
    for ours, table in content.get("text", {}).items():
        if isinstance(table, Mapping):
            _check_column("text", ours, known, name)
            spellings[ours] = _spelling(f"[text.{ours}]", table, name)
    return ColumnMap(
        dict(columns), values, const, name, sha256, dict(content), _spelling("[text]", general, name), spellings, split,
        units,
    )  # fmt: skip


def _split(ours: str, table: object, columns: Mapping[str, Any], known: Mapping[str, Column], name: str) -> Split:
    where = f"[split] {ours}"
    _check_column("split", ours, known, name)
    if known[ours].type == "id":
        raise InputError(f"{where}: ids cannot be taken apart", file=name)
    if ours in columns:
        raise InputError(f"{where}: is mapped in [columns] too", file=name)
    written = 'it is written { from = "BP", by = "/", part = 1 }'
    if not isinstance(table, Mapping) or set(table) != {"from", "by", "part"}:
        raise InputError(f"{where}: {written}", file=name)
    source, by, part = table["from"], table["by"], table["part"]
    if not (isinstance(source, str) and isinstance(by, str) and by and type(part) is int and 1 <= part <= 100):
        raise InputError(f"{where}: `from` and `by` are text, `part` counts from 1; {written}", file=name)
    return Split(source, by, part)


def _unit(ours: str, table: object, known: Mapping[str, Column], name: str) -> Unit:
    where = f"[units] {ours}"
    _check_column("units", ours, known, name)
    if known[ours].type not in ("int", "float"):
        raise InputError(f"{where}: only numbers have a unit", file=name)
    parts = table if isinstance(table, Mapping) else {"multiply": table}
    if not parts or not set(parts) <= {"multiply", "add", "round"} or not all(map(_is_number, parts.values())):
        asked = "needs a number to multiply by, or { multiply = …, add = …, round = … }"
        raise InputError(f"{where}: {asked}", file=name)
    numbers: dict[str, Any] = dict(parts)
    decimals = numbers.pop("round", None)
    if decimals is not None and not (type(decimals) is int and 0 <= decimals <= 9):
        raise InputError(f"{where}: `round` is to how many decimals, 0 to 9", file=name)
    unit = Unit(**{k: float(v) for k, v in numbers.items()}, round=decimals)
    if unit.multiply == 0:
        raise InputError(f"{where}: everything times 0 is 0", file=name)
    return unit


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spelling(where: str, table: Mapping[str, Any], name: str) -> Spelling:
    """What a table says of how text is spelt."""
    if "date_format" in table and "dates" not in table:  # what many call it
        table = {"dates" if key == "date_format" else key: given for key, given in table.items()}
    for key in table:
        if key not in _WORDS:
            raise InputError(f"{where}: unknown key {key!r}{suggest(key, _WORDS)}", file=name)
    words = {}
    for key in ("nulls", "true", "false", "dates"):
        given = table.get(key, [])
        given = [given] if isinstance(given, str) else given
        if not isinstance(given, list) or not all(isinstance(word, str) and word.strip() for word in given):
            raise InputError(f"{where} {key}: needs a text, or a list of texts", file=name)
        words[key] = tuple(given)
    for form in words["dates"]:
        try:
            pattern(form)
        except ValueError as error:
            raise InputError(f"{where} dates: {error}", file=name) from None
    comma, times = table.get("decimal_comma", False), table.get("times", "")
    if not isinstance(comma, bool):
        raise InputError(f"{where} decimal_comma: needs true or false", file=name)
    if times not in ("", "utc", "local"):
        raise InputError(f'{where} times: needs "utc" or "local"', file=name)
    nulls, true, false = (frozenset(map(folded, words[key])) for key in ("nulls", "true", "false"))
    if twice := sorted((nulls & true) | (nulls & false) | (true & false)):
        raise InputError(f"{where}: {twice[0]!r} stands for two things", file=name)
    return Spelling(nulls, true, false, words["dates"], comma, times)


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
    if column.type in TYPED and isinstance(spelt(text, column.type), Unreadable):
        raise InputError(f"{where}: {text!r} is not {EXPECTED[column.type]}", file=name)
    return text
