"""What whoever uploads a month, and whoever reads its manifest, should know besides the counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from popstrat.packs.keys import notes
from popstrat.runs.doubts import STALE_DAYS
from popstrat.upload.join import JoinedRows
from popstrat.upload.movers import merged
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Practices
from popstrat.upload.previous import PreviousRows
from popstrat.upload.scored import ScoredFile
from popstrat.upload.templates.settings import Settings

_MANY = 20
"""Of a single practice, so many people left out may be chance."""


def of_plan(plan: Plan, test_numbers: int) -> list[str]:
    """For the manifest: the same whenever the upload is made."""
    found = []
    if plan.lookup is None:
        found.append(
            "no lookup: registration was not checked, so people who have died, were deducted or have moved since the "
            "list was made are in these files"
        )
    head = plan.layout.template.head
    if head.get("local_confirmation"):
        found.append(f"template {head['id']}: confirm its columns, dates and codes with whoever imports the files")
    for file in plan.tables:
        if not file.hashed:
            found.append(
                f"the run record of {file.source.path.name} holds no hash, so a change to the file would not show"
            )
    previous = plan.previous
    if previous is not None and (gap := (plan.table.as_of - previous.as_of).days) > STALE_DAYS:
        found.append(f"the table to compare with is {gap} days older: is it last month's?")
    if previous is not None and plan.layout.changed_only:
        found.append(
            "`changed` compares the scored tables, not the uploads: a person who was left out last month, or whose "
            "practice was not uploaded then, and who has the same group now, is in no file; upload everybody once"
        )
    if previous is not None and plan.layout.ended:
        found.append(
            "ended entries compare the scored tables, not the uploads: a person who was left out last month, or whose "
            "practice was not uploaded then, may get one for an entry that was never made"
        )
    if test_numbers:
        found.append(f"{test_numbers:,} NHS numbers of the lookup begin with 999: they are never issued to anybody")
    return found


def of_practices(listed: Sequence[Mapping[str, Any]], settings: Settings) -> list[str]:
    """For the manifest: practices, by their entries, of which more than a fault of single people is left out."""
    found = []
    for entry in listed:
        excluded, scored = entry["excluded"], entry["scored"]
        left_out = sum(excluded.values())
        if left_out > _MANY and left_out > settings.excluded * scored:
            most = max(excluded, key=lambda reason: excluded[reason])
            why = f", {excluded[most]:,} of them" if len(excluded) > 1 else ","
            found.append(f"{entry['practice']}: {left_out:,} of {scored:,} left out{why} {most}")
    return found


def of_keys(file: str, respelt: Mapping[str, int]) -> list[str]:
    """For the manifest: keys and practices of a file that are written otherwise than they are read."""
    return [f"{file}: {note}" for note in notes(respelt)]


def of_mergers(previous: PreviousRows, joined: JoinedRows, practices: Practices) -> list[str]:
    """For the manifest: practices most of whose people are with one other practice now."""
    return [
        f"{people:,} of {previous.practices.codes[was]}'s {int(previous.on_list[was]):,} are with "
        f"{practices.codes[now]} now, where they count as new: have the two merged?"
        for was, now, people in merged(joined.elsewhere, previous.on_list)
    ]


def of_today(table: ScoredFile) -> list[str]:
    """What depends on the day, and so is not in the manifest."""
    age = (dt.datetime.now(dt.UTC).date() - table.as_of).days
    return [f"scored as of {table.as_of}, {age} days ago: is it this month's table?"] if age > STALE_DAYS else []
