"""The plan of an upload: the files it is made from, opened and accepted, and the template resolved against them.

Made before a row is read; every later step takes it and none changes it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.errors import InputError
from popstrat.packs.keys import each_code
from popstrat.runs.host import program
from popstrat.upload import policy
from popstrat.upload.lookup import LookupFile, open_lookup
from popstrat.upload.partition import PARTITION_ROWS, partitions_for
from popstrat.upload.scored import ScoredFile, open_scored
from popstrat.upload.templates.layout import Layout, resolve_layout
from popstrat.upload.templates.settings import Settings, load_settings
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.template import load_template

MANIFEST_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What an upload is made from, and how. ``asked`` are the practices asked for, None for all of them;
    ``partitions`` is how many times over memory is needed, which changes nothing in the files."""

    table: ScoredFile
    previous: ScoredFile | None
    lookup: LookupFile | None
    layout: Layout
    settings: Settings
    asked: tuple[str, ...] | None
    profile: str
    partitions: int
    previous_lookup: LookupFile | None = None

    @property
    def tables(self) -> tuple[ScoredFile, ...]:
        """This month's table, and last month's if there is one."""
        return (self.table,) if self.previous is None else (self.table, self.previous)

    @property
    def joined(self) -> bool:
        """Whether rows are joined with anything by key."""
        return self.lookup is not None or self.previous is not None

    @property
    def compares_ages(self) -> bool:
        """Whether the ages scored are compared with the dates of birth of the lookup."""
        age = self.table.columns.get("age")
        return self.lookup is not None and self.lookup.has_births and age is not None and age.role == "number"

    @property
    def columns(self) -> tuple[ScoredColumn, ...]:
        """The columns of the scored table that files, the cohort filter or the order need, but for key and practice."""
        both = [*self.layout.columns, *self.layout.ended]
        names = [c.source for c in both if c.scored and c.role not in ("key", "practice")]
        names += self.layout.cohort.columns if self.layout.cohort is not None else ()
        names += [name for name, _ in self.layout.order]
        return tuple(self.table.columns[name] for name in dict.fromkeys(names))


def make_plan(
    scored: Path,
    *,
    template: str | Path,
    settings: Path | None,
    previous: Path | None,
    lookup: Path | None,
    practices: Collection[str] | None,
    as_of: dt.date | None,
    profile: str,
    across_versions: bool,
    logged: bool,
    partition_rows: int = PARTITION_ROWS,
    previous_lookup: Path | None = None,
) -> Plan:
    """Open everything and hold it against every rule that can be checked before a row is read.

    Raises `InputError` for the first file, argument or key of a template that is at fault.
    """
    chosen = load_template(template)
    local = load_settings(settings)
    table = open_scored(scored)
    policy.check_profile(profile, table, chosen, lookup)
    policy.check_month(table, as_of)
    before = None if previous is None else open_scored(previous)
    if before is not None:
        policy.check_previous(before, table, across_versions)
    who = None
    if lookup is not None:
        policy.check_hashed(file for file in (table, before) if file is not None)
        who = open_lookup(lookup, local)
    if previous_lookup is not None and lookup is None:
        raise InputError("--previous-lookup is compared with --lookup, and none is given", file=str(previous_lookup))
    before_who = None if previous_lookup is None else open_lookup(previous_lookup, local)
    layout = resolve_layout(
        chosen,
        local,
        table.columns,
        as_of=table.as_of,
        pack=table.pack,
        lookup=who is not None,
        previous=before is not None,
    )
    if who is not None and lookup is not None:
        policy.check_births(who, chosen, lookup)
    policy.check_logged(who, logged)
    if before is not None and layout.group is not None:
        policy.check_groups(before, layout.group)
    rows = [table.rows, *([before.rows] if before is not None else [])]
    for found in (who, before_who):
        if found is not None:
            rows.append(found.source.rows if found.source.rows is not None else table.rows)
    asked = None if practices is None else tuple(dict.fromkeys(each_code(practices)))
    partitions = partitions_for(max(rows), partition_rows)
    return Plan(table, before, who, layout, local, asked, profile, partitions, before_who)


def describe(plan: Plan) -> dict[str, Any]:
    """What makes this upload this one: the first part of its manifest. The same description, the same bytes."""
    layout, head = plan.layout, plan.layout.template.head
    return {
        "manifest_version": MANIFEST_VERSION,
        "command": "upload",
        "program": program(),
        "as_of": plan.table.as_of.isoformat(),
        "profile": plan.profile,
        "template": {
            "id": head["id"],
            "version": head["version"],
            "sha256": layout.template.sha256,
            "local_confirmation": bool(head.get("local_confirmation", False)),
        },
        "settings": plan.settings.sha256,
        "scored": plan.table.described(),
        "previous": None if plan.previous is None else plan.previous.described(),
        "lookup": None if plan.lookup is None else plan.lookup.described(),
        **({} if plan.previous_lookup is None else {"previous_lookup": plan.previous_lookup.described()}),
        "practices_asked_for": None if plan.asked is None else sorted(plan.asked),
        "layout": {
            "encoding": layout.dialect.encoding,
            "line_end": layout.dialect.line_end,
            "delimiter": layout.dialect.delimiter,
            "excel_text": layout.dialect.excel_text,
            "columns": [[c.name, c.role, c.source] for c in layout.columns],
            "ended": [[c.name, c.role, c.source] for c in layout.ended],
        },
        "groups": None if layout.group is None else {"column": layout.group.name, "labels": list(layout.group.labels)},
    }
