"""A template for one upload: everything settled that it leaves open until there is a scored table.

Whatever could go wrong in a file because of its template is refused here, before anything is read or written: an
unknown column, a label without its code, a code that is not one, a character that the file's encoding lacks, a name
that would collide.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.upload.templates.cohort import Cohort, read_cohort
from popstrat.upload.templates.columns import FileColumn, Offer, resolve_columns, run_values, unknown_column
from popstrat.upload.templates.dialect import Dialect, read_dialect
from popstrat.upload.templates.settings import Settings
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.template import Template
from popstrat.upload.templates.toml_file import Fault

_PLACEHOLDERS = ("practice", "template", "as_of", "part")
_FILE_NAME = re.compile(r"[A-Za-z0-9_{][A-Za-z0-9_.{}-]{0,120}\.(csv|txt)")


@dataclass(frozen=True)
class Layout:
    """A template for one upload: every column, name and filter settled.

    ``cohort`` filters the patients by their scored values, None for all of them. ``group`` is the column whose labels
    say who moved, None if the template has none.
    """

    template: Template
    dialect: Dialect
    columns: tuple[FileColumn, ...]
    ended: tuple[FileColumn, ...]
    pattern: str
    ended_pattern: str
    max_rows: int  # to a file; 0 for no limit
    changed_only: bool
    cohort: Cohort | None
    group: ScoredColumn | None
    most_severe_first: bool
    as_of: dt.date
    order: tuple[tuple[str, bool], ...] = ()
    """The columns by which a practice's patients are ordered, and whether the largest, or the last label, is first."""

    @property
    def omitted(self) -> frozenset[tuple[str, int | None]]:
        """(column, label's index; None for no label): patients whose coded group is not uploaded."""
        found: set[tuple[str, int | None]] = set()
        for column in self.columns:
            if column.coded and column.scored:
                found.add((column.source, None))
                found |= {(column.source, i) for i, text in enumerate(column.texts) if text is None}
        return frozenset(found)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the group; none if there is no group."""
        return self.group.labels if self.group is not None else ()

    @property
    def has_numbers(self) -> bool:
        """Whether the files' ids are NHS numbers."""
        return any(c.role == "nhs_number" for c in self.columns)

    def file_name(self, practice: str, part: int, *, ended: bool = False) -> str:
        pattern = self.ended_pattern if ended else self.pattern
        return pattern.format(
            practice=practice, template=self.template.head["id"], as_of=self.as_of.isoformat(), part=part
        )


def resolve_layout(
    template: Template,
    settings: Settings,
    scored: Mapping[str, ScoredColumn],
    *,
    as_of: dt.date,
    pack: Mapping[str, Any],
    lookup: bool,
    previous: bool,
) -> Layout:
    """The template for one upload of a table with these columns; ``lookup`` and ``previous``: whether there is one.

    Raises `InputError` for whatever would not come out right.
    """
    raw, fault = template.raw, Fault(template.name)
    file: Mapping[str, Any] = raw["file"]
    movers: Mapping[str, Any] = raw.get("movers", {})
    values = run_values(template, pack, as_of)
    group = _group(movers, scored, values, fault)
    dialect = read_dialect(file, fault)
    labels = file.get("labels", "codes")
    if labels not in ("codes", "words"):
        raise fault("[file] labels", "is 'codes', as the pack has them, or 'words'")
    offer = Offer(template, settings, dialect, scored, group, values, lookup, previous, labels == "words")
    columns = resolve_columns(raw["column"], "column", offer)
    ended = resolve_columns(raw.get("ended", []), "ended", offer) if previous else ()
    ids = [{c.role for c in some if c.role in ("key", "nhs_number")} for some in (columns, ended) if some]
    if len(ids) == 2 and ids[0] != ids[1]:
        raise fault("[[ended]]", "has another id than [[column]]: the files would give away the lookup")
    max_rows = file.get("max_rows", 0)
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 0:
        raise fault("[file] max_rows", "is a whole number; 0 for no limit")
    pattern = _pattern(file, "name", max_rows, fault)
    ended_pattern = _pattern(file, "ended_name", max_rows, fault) if raw.get("ended") else ""
    if ended_pattern == pattern:
        raise fault("[file] ended_name", "is the same as name")
    which = raw.get("patients", {}).get("which", "all")
    if which not in ("all", "changed"):
        raise fault("[patients] which", "is 'all' or 'changed'")
    if which == "changed" and not previous:
        raise fault("[patients] which", "is 'changed', which needs --previous")
    if previous and group is None:
        raise fault("[movers]", "needs column, the groups whose changes --previous is for")
    cohort = read_cohort(raw.get("patients", {}).get("where"), scored, as_of, fault)
    severity = movers.get("most_severe", "last" if group is not None and group.role == "flag" else "first")
    if severity not in ("first", "last"):
        raise fault("[movers] most_severe", "is 'first' or 'last': which end of the pack's labels")
    return Layout(
        template=template,
        dialect=dialect,
        columns=columns,
        ended=ended,
        pattern=pattern,
        ended_pattern=ended_pattern,
        max_rows=max_rows,
        changed_only=which == "changed",
        cohort=cohort,
        group=group,
        most_severe_first=severity == "first",
        as_of=as_of,
        order=_order(raw.get("patients", {}).get("order_by", []), scored, values, fault),
    )


def _order(
    given: Any, scored: Mapping[str, ScoredColumn], values: Mapping[str, Any], fault: Fault
) -> tuple[tuple[str, bool], ...]:
    """What ``[patients] order_by`` asks for."""
    entry = "[patients] order_by"
    if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
        raise fault(entry, "is a list of columns, with a - before those of which the largest is first")
    found = []
    for text in given:
        name = text.removeprefix("-").strip()
        column = scored.get(name)
        if column is None:
            raise fault(entry, unknown_column(name, scored, values))
        if column.role not in ("label", "flag", "number"):
            raise fault(entry, f"{name} holds neither labels nor numbers nor what is true or false")
        found.append((name, text.startswith("-")))
    return tuple(found)


def _group(
    movers: Mapping[str, Any], scored: Mapping[str, ScoredColumn], values: Mapping[str, Any], fault: Fault
) -> ScoredColumn | None:
    name = movers.get("column")
    if name is None:
        return None
    if not isinstance(name, str):
        raise fault("[movers] column", "is the name of a column, in quotes")
    found = scored.get(name)
    if found is None:
        raise fault("[movers] column", unknown_column(name, scored, values))
    if not found.groups:
        raise fault("[movers] column", f"{name} has no labels")
    return found


def _pattern(file: Mapping[str, Any], key: str, max_rows: int, fault: Fault) -> str:
    pattern = file.get(key)
    entry = f"[file] {key}"
    if not isinstance(pattern, str) or not _FILE_NAME.fullmatch(pattern):
        raise fault(entry, "is a file name of letters, digits, _ - and . that ends in .csv or .txt")
    found = re.findall(r"\{([^{}]*)\}", pattern)
    odd = next((p for p in found if p not in _PLACEHOLDERS), None)
    if odd is not None or pattern.count("{") != len(found) or pattern.count("}") != len(found):
        raise fault(entry, f"takes {', '.join('{' + p + '}' for p in _PLACEHOLDERS)}")
    if "practice" not in found:
        raise fault(entry, "needs {practice}: one file holds one practice")
    if max_rows and "part" not in found:
        raise fault(entry, "needs {part}, since max_rows may make several files")
    return pattern
