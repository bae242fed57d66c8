"""What an upload should be, in plain Python: one patient at a time, one cell at a time, dictionaries and csv only.

`Month` is a scored table as rows; `write_scored` makes the file and its run record; `expected` says which files there
should be and what is in them, and how many rows were left out for what.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from popstrat.core.dates import completed_years
from popstrat.privacy.nhs_numbers import passes

Row = dict[str, Any]
GROUPS = ("severe", "middle", "well")
BANDS = ("high", "low")
AS_OF, BEFORE = dt.date(2026, 6, 30), dt.date(2026, 5, 31)
PACK = {"id": "mini", "version": "1", "sha256": "ab" * 32}
SCHEMA = pa.schema(
    [
        ("patient_id", pa.int64()),
        ("practice_code", pa.dictionary(pa.int32(), pa.string())),
        ("neighbourhood", pa.string()),
        ("age", pa.int16()),
        ("risk_group", pa.dictionary(pa.int8(), pa.string())),
        ("band", pa.dictionary(pa.int8(), pa.string())),
        ("priority", pa.bool_()),
        ("risk", pa.float64()),
    ]
)
LOOKUP_SCHEMA = pa.schema(
    [
        ("patient_id", pa.int64()),
        ("nhs_number", pa.string()),
        ("practice_code", pa.string()),
        ("date_of_birth", pa.date32()),
        ("registration_status", pa.string()),
    ]
)
TEMPLATE = """
[template]
id = "mini"
version = "1"
title = "For tests"
[file]
name = "{practice}_{as_of}.csv"
ended_name = "{practice}_{as_of}_ended.csv"
quoting = "text"
date_format = "dd/mm/yyyy"
[movers]
column = "risk_group"
[[column]]
name = "NHS number"
from = "lookup.nhs_number"
[[column]]
name = "Born"
from = "lookup.date_of_birth"
[[column]]
name = "Practice"
from = "practice_code"
[[column]]
name = "Group"
from = "risk_group"
[[column]]
name = "Before"
from = "movers.previous"
optional = true
[[column]]
name = "Change"
from = "movers.change"
optional = true
[[column]]
name = "Priority"
from = "priority"
values = { true = "Y", false = "N" }
[[column]]
name = "Risk"
from = "risk"
decimals = 2
[[column]]
name = "Where"
from = "neighbourhood"
[[ended]]
name = "NHS number"
from = "lookup.nhs_number"
[[ended]]
name = "Group"
from = "movers.previous"
[[ended]]
name = "Ended"
from = "run.as_of"
"""


def patient(key: int, practice: str = "E85001", **more: Any) -> Row:
    """A scored row."""
    found = {
        "patient_id": key, "practice_code": practice, "neighbourhood": "Ashmarsh", "age": 40, "risk_group": "well",
        "band": "low", "priority": False, "risk": 0.25,
    }  # fmt: skip
    return {**found, **more}


def identity(key: int, number: str | None, practice: str = "E85001", **more: Any) -> Row:
    """A row of a lookup."""
    found = {
        "patient_id": key, "nhs_number": number, "practice_code": practice, "date_of_birth": dt.date(1986, 1, 1),
        "registration_status": "registered",
    }  # fmt: skip
    return {**found, **more}


def number_of(i: int) -> str:
    """The i-th NHS number of the range that is never issued."""
    return next(n for n in (f"{999000000 + 7 * i + step}{d}" for step in range(7) for d in range(10)) if passes(n))


def write_scored(
    path: Path, rows: Sequence[Row], *, as_of: dt.date = AS_OF, schema: pa.Schema = SCHEMA, **more: Any
) -> Path:
    """The rows as a scored Parquet file with its run record; ``more`` goes into the record."""
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, row_group_size=7)
    record = {
        "record_version": 1,
        "command": "score",
        "pack": PACK,
        "as_of": as_of.isoformat(),
        "profile": "direct-care",
        "output": {
            "name": path.name,
            "rows": len(rows),
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
        "groups": {
            "risk_group": dict.fromkeys(GROUPS, 0),
            "band": dict.fromkeys(BANDS, 0),
            "priority": {"true": 0},
        },
        "means": {"age": {}, "risk": {}},
    }
    record.update(more)
    path.with_name(path.name + ".run.json").write_text(json.dumps(record))
    return path


def write_lookup(path: Path, rows: Sequence[Row]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows), schema=LOOKUP_SCHEMA), path, row_group_size=5)
    return path


@dataclass
class Expected:
    """By practice: the rows of each file, what was left out and why, and who moved how."""

    patients: dict[str, list[list[str]]] = field(default_factory=dict)
    ended: dict[str, list[list[str]]] = field(default_factory=dict)
    exceptions: dict[str, list[list[str]]] = field(default_factory=dict)
    excluded: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)


def reason(row: Row, found: Sequence[Row], owners: Mapping[str, int]) -> str | None:
    """Why somebody is left out, or None."""
    if not found:
        return "not in the lookup"
    if len(found) > 1:
        return "more than once in the lookup"
    (who,) = found
    number = who["nhs_number"]
    if number is None:
        return "no NHS number"
    number = number.replace(" ", "")
    if not passes(number):
        return "NHS number not valid"
    if owners[number] > 1:
        return "NHS number shared with another key"
    if who["registration_status"] in ("deceased", "deducted"):
        return str(who["registration_status"])
    if who["registration_status"] != "registered":
        return "registration status not known"
    if who["practice_code"] != row["practice_code"]:
        return "registered at another practice"
    born = who["date_of_birth"]
    if born is not None and row["age"] is not None and completed_years(born, AS_OF) != row["age"]:
        return "date of birth does not fit the age scored"
    return "no date of birth" if born is None else None


def expected(rows: Sequence[Row], lookup: Sequence[Row], before: Sequence[Row] | None) -> Expected:
    """The upload of the template above."""
    out = Expected()
    owners = Counter(r["nhs_number"].replace(" ", "") for r in lookup if r["nhs_number"] is not None)
    then = {r["patient_id"]: r for r in before or ()}
    now = {r["patient_id"]: r for r in rows}
    rank = {g: i for i, g in enumerate((*GROUPS, None))}
    for row in rows:
        practice = row["practice_code"]
        out.patients.setdefault(practice, [])
        was = then.get(row["patient_id"])
        if was is not None and was["practice_code"] != practice:
            was = None
        change = "new"
        if was is not None:
            a, b = rank[was["risk_group"]], rank[row["risk_group"]]
            change = "up" if b < a else "down" if b > a else "unchanged"
        if before is not None:
            out.moved[change] += 1
        found = [r for r in lookup if r["patient_id"] == row["patient_id"]]
        why = reason(row, found, owners)
        if why is not None:
            out.excluded[why] += 1
            out.exceptions.setdefault(practice, []).append([str(row["patient_id"]), why])
            continue
        number = found[0]["nhs_number"].replace(" ", "")
        place = row["neighbourhood"] or ""
        cells = [
            number,
            f"{found[0]['date_of_birth']:%d/%m/%Y}",
            practice,
            row["risk_group"] or "",
            *([(was or {}).get("risk_group") or "", change] if before is not None else []),
            "" if row["priority"] is None else "Y" if row["priority"] else "N",
            "" if row["risk"] is None else f"{row['risk']:.2f}",
            "'" + place if place[:1] in ("=", "+", "-", "@") else place,
        ]
        out.patients[practice].append(cells)
        if was is not None and was["risk_group"] is not None and was["risk_group"] != row["risk_group"]:
            out.ended.setdefault(practice, []).append([number, was["risk_group"], "30/06/2026"])
    for key, was in then.items():
        if key not in now or now[key]["practice_code"] != was["practice_code"]:
            out.moved["left"] += 1
    return out


def read_csv(path: Path, encoding: str = "utf-8") -> tuple[list[str], list[list[str]]]:
    """Header and rows of a file, by Python's own reader."""
    text = path.read_bytes().decode(encoding)
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return header, rows
