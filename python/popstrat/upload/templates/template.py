"""A template as written: TOML that says what the files look like, read and checked for its form alone."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.upload.templates.toml_file import Fault, read_toml

_TABLES = {
    "template": {"id", "version", "title", "notes", "local_confirmation"},
    "file": {
        "name", "ended_name", "encoding", "line_end", "delimiter", "quoting", "date_format", "excel_text", "formulas",
        "max_rows", "labels",
    },
    "patients": {"which", "where", "order_by"},
    "movers": {"column", "most_severe"},
}  # fmt: skip
_COLUMN_KEYS = {
    "name", "from", "constant", "snomed", "values", "decimals", "date_format", "null", "text", "optional",
}  # fmt: skip
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")


@dataclass(frozen=True)
class Template:
    """A template as written."""

    raw: Mapping[str, Any]
    name: str
    sha256: str

    @property
    def head(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.raw["template"]
        return found

    def wants(self, source: str) -> bool:
        """Whether a column that is not optional comes from there."""
        columns = [*self.raw["column"], *self.raw.get("ended", ())]
        return any(c.get("from") == source and not c.get("optional") for c in columns)

    @property
    def identifies(self) -> bool:
        """Whether its files say who a patient is."""
        columns = [*self.raw["column"], *self.raw.get("ended", ())]
        return any(str(c.get("from", "")).startswith("lookup.") for c in columns)


@cache
def builtin_templates() -> tuple[str, ...]:
    """Names of the templates that ship with popstrat."""
    folder = resources.files("popstrat.upload.templates")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")))


def load_template(name: str | Path) -> Template:
    """A template by built-in name or by the path of a TOML file. Raises `InputError` naming the key at fault."""
    text = str(name)
    if text in builtin_templates():
        raw = resources.files("popstrat.upload.templates").joinpath(f"{text}.toml").read_bytes()
        return _template(tomllib.loads(raw.decode()), raw, f"{text}.toml")
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        known = builtin_templates()
        raise InputError(
            f"there is no template {text!r}{suggest(text, known)}; built in: {', '.join(known)}; or give a .toml file"
        )
    content, raw = read_toml(path, "template")
    return _template(content, raw, path.name)


def _template(content: dict[str, Any], raw: bytes, name: str) -> Template:
    fault = Fault(name)
    for table in content:
        if table not in (*_TABLES, "column", "ended"):
            raise fault(f"[{table}]", f"unknown table{suggest(table, [*_TABLES, 'column', 'ended'])}")
    for table, keys in _TABLES.items():
        found = content.get(table, {})
        if not isinstance(found, dict):
            raise fault(table, f"is a table, written [{table}]")
        for key in found:
            if key not in keys:
                raise fault(f"[{table}] {key}", f"unknown key{suggest(key, keys)}")
    head = content.get("template", {})
    for key in ("id", "version", "title"):
        if not isinstance(head.get(key), str):
            raise fault("[template]", f"needs {key}, as text")
    if not _ID.fullmatch(head["id"]):
        raise fault("[template] id", "is small letters, digits and hyphens")
    if "name" not in content.get("file", {}):
        raise fault("[file]", "needs name, a pattern such as '{practice}_{as_of}.csv'")
    for table in ("column", "ended"):
        _refuse_odd_columns(content.get(table, []), table, fault)
    if not content.get("column"):
        raise fault("[[column]]", "there is no column")
    if content.get("ended") and "column" not in content.get("movers", {}):
        raise fault("[[ended]]", "needs [movers] column: which column's changes end an entry")
    return Template(content, name, hashlib.sha256(raw).hexdigest())


def _refuse_odd_columns(columns: Any, table: str, fault: Fault) -> None:
    if not isinstance(columns, list) or not all(isinstance(c, dict) for c in columns):
        raise fault(table, f"columns are tables headed [[{table}]], in double brackets")
    names: list[str] = []
    for i, column in enumerate(columns, 1):
        entry = f"[[{table}]] {column.get('name', i)}"
        for key in column:
            if key not in _COLUMN_KEYS:
                raise fault(entry, f"unknown key {key!r}{suggest(key, _COLUMN_KEYS)}")
        if not isinstance(column.get("name"), str) or not column["name"]:
            raise fault(entry, "needs a name")
        if ("from" in column) == ("constant" in column):
            raise fault(entry, "needs either from or constant")
        for key in ("from", "constant", "null", "date_format"):
            if not isinstance(column.get(key, ""), str):
                raise fault(entry, f"{key} is text, in quotes")
        for key in ("text", "optional"):
            if not isinstance(column.get(key, False), bool):
                raise fault(entry, f"{key} is true or false")
        names.append(column["name"])
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise fault(f"[[{table}]] {twice}", "is there twice")
