"""What may be uploaded: every rule that refuses a month as a whole, each as a function that raises or returns nothing.

Rules about a single person are in `identify` (left out, and counted); what a template may ask for is in `templates`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.upload.lookup import LookupFile
from popstrat.upload.scored import ScoredFile
from popstrat.upload.templates.settings import Settings
from popstrat.upload.templates.sources import BIRTH, ScoredColumn
from popstrat.upload.templates.template import Template


def check_profile(profile: str, table: ScoredFile, template: Template, lookup: Path | None) -> None:
    """Secondary use gets no identities; a table is uploaded for what it was scored for."""
    if profile == "secondary-use":
        if lookup is not None:
            raise InputError("secondary-use must have no identities: --lookup is not for it")
        if template.identifies:
            raise InputError(
                "writes NHS numbers or dates of birth, which secondary-use must not have", file=template.name
            )
    if table.run["profile"] != profile:
        raise InputError(
            f"was scored for {table.run['profile']}, and this is an upload for {profile}; score it with that profile",
            file=table.name,
        )


def check_month(table: ScoredFile, as_of: dt.date | None) -> None:
    """The table is of the month expected, if one is."""
    if as_of is not None and as_of != table.as_of:
        raise InputError(f"was scored as of {table.as_of}, and {as_of} is asked for", file=table.name)


def check_previous(found: ScoredFile, table: ScoredFile, across_versions: bool) -> None:
    """The month to compare with is an earlier one, scored alike: people move because they do, not the definitions."""
    if found.as_of >= table.as_of:
        raise InputError(
            f"is not of an earlier month: scored as of {found.as_of}, and {table.source.path.name} as of {table.as_of}",
            file=found.name,
        )
    if found.pack["id"] != table.pack["id"]:
        raise InputError(f"was scored with {found.pack['id']}, not with {table.pack['id']}", file=found.name)
    same = all(found.pack[key] == table.pack[key] for key in ("version", "sha256"))
    if not same and not across_versions:
        was, now = found.pack["version"], table.pack["version"]
        told = (
            f"version {was} of {table.pack['id']}, not {now}" if was != now else f"another text of {found.pack['id']}"
        )
        raise InputError(
            f"was scored with {told}: people would move because the definitions did; --across-versions allows it",
            file=found.name,
        )
    if found.run["profile"] != table.run["profile"]:
        raise InputError(f"was scored for {found.run['profile']}, not for {table.run['profile']}", file=found.name)
    if found.text_keys != table.text_keys and "csv" not in (found.format, table.format):
        raise InputError("has other keys: text in one table and whole numbers in the other", column=ID, file=found.name)


def check_hashed(tables: Iterable[ScoredFile]) -> None:
    """Before NHS numbers are put to rows, the rows are known to be those that were scored."""
    for table in tables:
        if not table.hashed:
            raise InputError(
                "has a run record without a hash, so nothing says that these are the keys and values that were scored; "
                "score again",
                file=table.name,
            )


def check_births(lookup: LookupFile, template: Template, given: Path) -> None:
    """A lookup has dates of birth if the template writes them."""
    if not lookup.has_births and template.wants(BIRTH):
        raise InputError(
            "is missing from the lookup, and the template writes it", column="date_of_birth", file=str(given)
        )


def check_logged(lookup: LookupFile | None, logged: bool) -> None:
    """Nobody is named without a line in the audit log."""
    if lookup is not None and not logged:
        raise InputError("adding NHS numbers to keys has to be logged: give --audit FILE, or set POPSTRAT_AUDIT")


def check_groups(previous: ScoredFile, group: ScoredColumn) -> None:
    """The groups between which people move are the same in both months."""
    theirs = previous.columns.get(group.name)
    if theirs is None:
        raise InputError("is absent, so movers cannot be found", column=group.name, file=previous.name)
    if theirs.labels != group.labels:
        raise InputError("has other labels, or in another order", column=group.name, file=previous.name)


def check_overlap(matched: int, people: int, table: ScoredFile, previous: ScoredFile, settings: Settings) -> None:
    """``matched`` of last month's ``people`` are in this month's table: enough for it to be the month before."""
    share = matched / people if people else 1.0
    if share < settings.overlap:
        raise InputError(
            f"has other people: {share:.0%} of them are in {table.source.path.name} "
            f"(at least {settings.overlap:.0%} must be; [limits] overlap of --settings)",
            file=previous.name,
        )


def check_left_out(excluded: Mapping[str, int], among: int, lookup: LookupFile, settings: Settings) -> None:
    """Of ``among`` people so few are left out, by reason, that they can be faults of single people."""
    count = sum(excluded.values())
    if among and count / among > settings.excluded:
        reasons = ", ".join(f"{reason}: {n:,}" for reason, n in excluded.items())
        raise InputError(
            f"leaves out {count / among:.1%} of the people ({reasons}); is it the right lookup? At most "
            f"{settings.excluded:.0%} may be left out ([limits] excluded of --settings)",
            file=lookup.name,
        )


def check_log_path(audit: Path, target: Path) -> None:
    """The audit log outlives the folder, and is no file of it."""
    if target.resolve() in Path(audit).resolve().parents:
        raise InputError("the audit log cannot be in the folder of the upload", file=str(audit))
