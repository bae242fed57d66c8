"""What a pipeline will not take: limits on what a check found, and which of them are broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.patient_table import Schema
from popstrat.runs.record import Record

FORMS = "warnings, implausible=PERCENT, implausible.COLUMN=PERCENT or missing.COLUMN=PERCENT"
_FORM = re.compile(r"(warnings)|(implausible|missing)(?:\.([A-Za-z_]\w*))?=([0-9]+(?:\.[0-9]+)?) ?%?")


@dataclass(frozen=True)
class Limit:
    """At most so many per cent: of the values recorded of a column (of each, where none is named), or of people."""

    kind: str
    column: str | None = None
    percent: float = 0.0


def parse_limit(text: str, schema: Schema) -> Limit:
    """A limit as the command line has it. Raises `InputError` for what is none, or has no such column."""
    found = _FORM.fullmatch(text.strip())
    if found is None or (found[2] == "missing" and not found[3]):
        raise InputError(f"--fail-on {text!r}: it is one of {FORMS}")
    if found[1]:
        return Limit("warnings")
    kind, column, percent = found[2], found[3], float(found[4])
    if column is not None and column not in schema.columns:
        raise InputError(f"--fail-on {text!r}: there is no column {column!r}{suggest(column, schema.columns)}")
    if kind == "missing" and column is not None and schema[column].type == "bool":
        raise InputError(f"--fail-on {text!r}: {column} is true or false, and most extracts have no record for false")
    if percent > 100:
        raise InputError(f"--fail-on {text!r}: at most 100 per cent")
    return Limit(kind, column, percent)


def broken(record: Record, limits: Iterable[Limit], schema: Schema) -> list[str]:
    """What breaks the limits, a sentence each: of a check's record."""
    return [told for limit in limits for told in _broken(record, limit, schema)]


def _broken(record: Record, limit: Limit, schema: Schema) -> Iterator[str]:
    people, recorded = record["rows"]["out"], record["recorded"]
    if limit.kind == "warnings":
        if count := len(record["warnings"]):
            yield f"{count:,} warning{'s' if count > 1 else ''}"
    elif limit.kind == "missing":
        held = recorded.get(limit.column, 0)
        if people and (share := 100 * (people - held) / people) > limit.percent:
            yield f"{limit.column}: no record of {share:.4g} % of people (at most {limit.percent:g} %)"
    else:
        for column, reasons in record["quality"].items():
            if limit.column in (None, column) and schema[column].type != "bool":
                aside, held = sum(reasons.values()), max(recorded.get(column, 0), sum(reasons.values()))
                if (share := 100 * aside / held) > limit.percent:
                    most = f"at most {limit.percent:g} %"
                    yield f"{column}: {share:.4g} % of the values recorded are implausible ({most})"
