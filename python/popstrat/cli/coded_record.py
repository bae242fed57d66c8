"""The options that name a coded record: of ``derive``, and of commands that take one in place of a list."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from popstrat.errors import InputError

if TYPE_CHECKING:
    from popstrat.deriving.derivation import CodedRecord

_FILES = "files, folders or patterns; may be given more than once."
Patients = Annotated[
    list[str] | None,
    typer.Option("--patients", metavar="FILE", help=f"The people, with date of birth and sex: {_FILES}"),
]
Registrations = Annotated[
    list[str] | None, typer.Option("--registrations", metavar="FILE", help=f"Who is registered where: {_FILES}")
]
Events = Annotated[
    list[str] | None, typer.Option("--events", metavar="FILE", help=f"Coded events, in place of a list: {_FILES}")
]
Medications = Annotated[
    list[str] | None, typer.Option("--medications", metavar="FILE", help=f"Issues of medicines: {_FILES}")
]
Activity = Annotated[
    list[str] | None,
    typer.Option("--activity", metavar="FILE", help=f"Admissions, attendances, appointments: {_FILES}"),
]
Codelists = Annotated[Path | None, typer.Option("--codelists", metavar="DIR", help="The folder of the code lists.")]
LayoutName = Annotated[
    str,
    typer.Option(
        "--layout", metavar="NAME|FILE", help="The layout of the files: canonical, emis, omop or tpp, or a file."
    ),
]
SpecName = Annotated[
    str, typer.Option("--spec", metavar="NAME|FILE", help="The feature specification: how the list is derived.")
]
AllowMissingLists = Annotated[
    bool, typer.Option("--allow-missing-lists", help="Leave features empty if their code list is missing.")
]
DEFAULT_LAYOUT, DEFAULT_SPEC = "canonical", "gp-record-2026"

_NEEDED = {
    "--patients": "who there is",
    "--registrations": "who is registered where",
    "--events": "the coded events",
    "--codelists": "the code lists",
}


def coded_record(
    patients: list[str] | None,
    registrations: list[str] | None,
    events: list[str] | None,
    medications: list[str] | None,
    activity: list[str] | None,
    codelists: Path | None,
    layout: str,
    spec: str,
    encoding: str | None,
    allow_missing_lists: bool,
) -> CodedRecord:
    """The coded record that options name. Raises `InputError` for one that is needed and not given."""
    given = {"--patients": patients, "--registrations": registrations, "--events": events, "--codelists": codelists}
    for option, what in _NEEDED.items():
        if not given[option]:
            raise InputError(f"{option} is needed: {what}")
    from popstrat.deriving.derivation import CodedRecord  # not above: --help does not wait for Arrow

    assert patients
    assert registrations
    assert events
    assert codelists
    return CodedRecord(
        patients, registrations, events, codelists, medications or (), activity or (), layout, spec, encoding,
        allow_missing_lists,
    )  # fmt: skip


def instead_of(
    inputs: list[str] | None, events: list[str] | None, map_file: Path | None, others: Mapping[str, object]
) -> bool:
    """Whether a coded record is given in place of a list. Raises `InputError` for both, for neither, for options of a
    coded record (``others``) without one, and for a column map with one."""
    if not events:
        stray = next((option for option, value in others.items() if value), None)
        if stray is not None:
            raise InputError(f"{stray} is for a coded record, which needs --events")
        if not inputs:
            raise InputError("no list was given, and no coded record (--events)")
        return False
    if inputs:
        raise InputError("both a list and --events were given: give one of them")
    if map_file is not None:
        raise InputError("--map is for a list; a layout describes the files of a coded record (--layout)")
    return True
