"""The local settings: SNOMED CT codes, the names that a lookup has for its columns, limits."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core.text import suggest
from popstrat.upload.templates.toml_file import Fault, read_toml

STATUSES = ("registered", "deducted", "deceased")
BIRTHS_KNOWN_TO = ("day", "month", "year")
_TABLES = {"snomed", "lookup", "limits"}
_LOOKUP_COLUMNS = ("patient_id", "nhs_number", "practice_code", "date_of_birth", "registration_status")


@dataclass(frozen=True)
class Settings:
    """The local settings: SNOMED CT codes by column and label, the lookup's own names, and limits."""

    codes: Mapping[str, Mapping[str, Any]]
    lookup_columns: Mapping[str, str]
    lookup_status: Mapping[str, str]
    excluded: float = 0.1
    overlap: float = 0.5
    births: str = "day"  # to what the dates of birth were known that the ages were scored from
    name: str = "settings"
    sha256: str | None = None


def load_settings(path: Path | None) -> Settings:
    """The settings file, or none. Raises `InputError` naming the key at fault."""
    if path is None:
        return Settings({}, {}, {})
    content, raw = read_toml(path, "settings file")
    fault = Fault(path.name)
    for table in content:
        if table not in _TABLES or not isinstance(content[table], dict):
            raise fault(f"[{table}]", f"unknown table{suggest(table, _TABLES)}")
    codes = content.get("snomed", {})
    for column, labels in codes.items():
        if not isinstance(labels, dict):
            raise fault(f"[snomed] {column}", f"is a table, written [snomed.{column}]")
    lookup, limits = content.get("lookup", {}), content.get("limits", {})
    for key in lookup:
        if key != "scored_births" and (key not in ("columns", "status") or not isinstance(lookup[key], dict)):
            raise fault(f"[lookup] {key}", "unknown; there are scored_births, [lookup.columns] and [lookup.status]")
    births = lookup.get("scored_births", Settings.births)
    if births not in BIRTHS_KNOWN_TO:
        raise fault("[lookup] scored_births", f"is one of {', '.join(BIRTHS_KNOWN_TO)}")
    columns = lookup.get("columns", {})
    for ours, theirs in columns.items():
        if ours not in _LOOKUP_COLUMNS:
            raise fault(f"[lookup.columns] {ours}", f"a lookup has no such column{suggest(ours, _LOOKUP_COLUMNS)}")
        if not isinstance(theirs, str):
            raise fault(f"[lookup.columns] {ours}", "needs the name of one column, in quotes")
    status = lookup.get("status", {})
    for theirs, ours in status.items():
        if ours not in STATUSES:
            raise fault(f"[lookup.status] {theirs}", f"is one of {', '.join(STATUSES)}")
    for key, value in limits.items():
        if key not in ("excluded", "overlap"):
            raise fault(f"[limits] {key}", "unknown; there are excluded and overlap")
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise fault(f"[limits] {key}", "is a share from 0 to 1")
    return Settings(
        codes,
        columns,
        {str(k): str(v) for k, v in status.items()},
        float(limits.get("excluded", Settings.excluded)),
        float(limits.get("overlap", Settings.overlap)),
        births,
        path.name,
        hashlib.sha256(raw).hexdigest(),
    )
