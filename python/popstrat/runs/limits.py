"""What a pipeline will not take: limits on what a check found, and which of them are broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.packs.patient_table import Schema
from popstrat.runs.record import Record

FORMS = "warnings, implausible=PERCENT, implausible.COLUMN=PERCENT, missing.COLUMN=PERCENT or absent.COLUMN"
_COLUMN = r"\.([A-Za-z_]\w*)"
_FORM = re.compile(rf"(warnings)|absent{_COLUMN}|(implausible|missing)(?:{_COLUMN})?=([0-9]+(?:\.[0-9]+)?) ?%?")


@dataclass(frozen=True)
class Limit:
    """At most so many per cent: of the values recorded of a column (of each, where none is named), or of people. Or no
    warning, or a column that has to be there."""

    kind: str
    column: str | None = None
    percent: float = 0.0


def parse_limit(text: str, schema: Schema) -> Limit:
    """A limit as the command line has it. Raises `InputError` for what is none, or has no such column."""
    found = _FORM.fullmatch(text.strip())
    if found is None or (found[3] == "missing" and not found[4]):
        raise InputError(f"--fail-on {text!r}: it is one of {FORMS}")
    if found[1]:
        return Limit("warnings")
    column = found[2] or found[4]
    if column is not None and column not in schema.columns:
        raise InputError(f"--fail-on {text!r}: there is no column {column!r}{suggest(column, schema.columns)}")
    if found[2]:
        return Limit("absent", column)
    kind, percent = found[3], float(found[5])
    if kind == "missing" and schema[column].type == "bool":
        raise InputError(f"--fail-on {text!r}: {column} is true or false, and most extracts have no record for false")
    if kind == "missing" and schema[column].type in ("id", "string"):
        raise InputError(f"--fail-on {text!r}: values of keys and places are not counted; use absent.{column}")
    if percent > 100:
        raise InputError(f"--fail-on {text!r}: at most 100 per cent")
    return Limit(kind, column, percent)


def broken(record: Record, limits: Iterable[Limit], schema: Schema, which: bool = False) -> list[str]:
    """What breaks the limits, a sentence each: of a check's record. ``which``: of warnings each one, for
    whoever does not see them otherwise."""
    return [told for limit in limits for told in _broken(record, limit, schema, which)]


def _broken(record: Record, limit: Limit, schema: Schema, which: bool) -> Iterator[str]:
    people, recorded = record["rows"]["out"], record["recorded"]
    if limit.kind == "warnings":
        if count := len(record["warnings"]):
            told = [f"{count:,} warning{'s' if count > 1 else ''}", *(record["warnings"] if which else ())]
            yield "\n    ".join(told)
    elif limit.kind == "absent":
        if limit.column not in record["present_columns"]:
            yield f"{limit.column}: there is no such column in {_lacking(record, limit.column)}"
    elif limit.kind == "missing":
        held = max(recorded.get(c, 0) for c in _same_as(limit.column, schema))
        if people and (share := 100 * (people - held) / people) > limit.percent:
            yield f"{limit.column}: no record of {share:.4g}% of people (at most {limit.percent:g}%)"
    else:
        for column, reasons in record["quality"].items():
            if limit.column in (None, column) and schema[column].type != "bool":
                aside, held = sum(reasons.values()), max(recorded.get(column, 0), sum(reasons.values()))
                if (share := 100 * aside / held) > limit.percent:
                    most = f"at most {limit.percent:g}%"
                    yield f"{column}: {share:.4g}% of the values recorded are implausible ({most})"


def _lacking(record: Record, column: str | None) -> str:
    """The files without a column, of several."""
    if len(record["inputs"]) == 1:
        return "the list"
    return ", ".join(found["name"] for found in record["inputs"] if column not in found["present_columns"])


def _same_as(column: str | None, schema: Schema) -> Iterator[str]:
    """A column, and the one that says the same: an age is known from the date of birth, as the other way round."""
    yield str(column)
    for age, birth in ((c.name, c.completed_years_since) for c in schema if c.completed_years_since):
        if column in (age, birth):
            yield birth if column == age else age
