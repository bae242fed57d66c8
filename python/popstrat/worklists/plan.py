"""What a run is made from: files opened, options read, whatever can be refused refused, before a row is read."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.runs.input_files import InputFile, Reading, agreed_schema, known_columns, open_inputs
from popstrat.scoring.scorer import Scorer
from popstrat.upload.lookup import LookupFile, open_lookup
from popstrat.upload.patient_keys import Keyed, KeyRule, key_rule
from popstrat.upload.templates.settings import Settings, load_settings
from popstrat.worklists.areas import Asked, refuse_absent
from popstrat.worklists.earlier import EarlierList, open_earlier
from popstrat.worklists.files_of_people import PeopleFile, open_people
from popstrat.worklists.layout import columns_of_list
from popstrat.worklists.order import Order, needed

_LONGEST_BASIS = 300


@dataclass(frozen=True)
class Given:
    """The options of a run that name other files or say who may see what."""

    exclude: Path | None = None
    previous: Path | None = None
    caseload: Path | None = None
    lookup: Path | None = None
    audit: Path | None = None
    settings: Path | None = None
    sharing: str | None = None

    @property
    def paths(self) -> list[Path]:
        """The files that are read."""
        named = (self.exclude, self.previous, self.caseload, self.lookup, self.settings)
        return [path for path in named if path is not None]


@dataclass(frozen=True)
class _ListKeys:
    """The keys of a file of LIST, to be compared with those of other files."""

    name: str
    format: str
    text_keys: bool


@dataclass(frozen=True)
class Plan:
    """A run, opened and accepted."""

    scorer: Scorer
    order: Order
    asked: Asked
    files: Sequence[InputFile]
    reading: Reading
    schema: pa.Schema
    keys: KeyRule
    settings: Settings
    exclude: PeopleFile | None
    previous: EarlierList | None
    caseload: PeopleFile | None
    lookup: LookupFile | None
    sharing: str | None

    @property
    def as_of(self) -> dt.date:
        return self.scorer.as_of

    def described(self) -> dict[str, Any]:
        """What was asked for, for records."""
        rank, measure = self.order.rank, self.order.measure
        return {
            "cohort": self.order.cohort.asked,
            "order": {
                "rank": None if rank is None else str(rank.output),
                "measure": measure.name,
                "measure_is_ours": measure.ours,
            },
            "areas": {"level": self.asked.level, "names": list(self.asked.names), "split": self.asked.split},
            "capacity": str(self.asked.capacity),
            "identified": self.lookup is not None,
            "shared_care_basis": self.sharing,
            **{
                name: None if file is None else file.described()
                for name, file in (
                    ("exclude", self.exclude),
                    ("previous", self.previous),
                    ("caseload", self.caseload),
                    ("lookup", self.lookup),
                )
            },
            "settings_sha256": self.settings.sha256,
        }


def make_plan(
    inputs: Sequence[str | Path],
    scorer: Scorer,
    reading: Reading,
    *,
    order: Order,
    asked: Asked,
    given: Given,
    more_columns: Sequence[str] = (),
) -> Plan:
    """Open everything. ``more_columns``: of the patient table, that the sentences need. Raises `InputError`."""
    if scorer.profile != "direct-care":
        raise InputError("work lists are for direct care: there is none for secondary use")
    known = known_columns(scorer)
    _check_logged(given)
    sharing = _basis(given.sharing)
    if sharing is not None and given.lookup is None:
        raise InputError("--shared-care-basis is for lists with NHS numbers: give --lookup, or leave it out")
    settings = load_settings(given.settings)
    wanted = dict.fromkeys([*columns_of_list(), *needed(order), *asked.columns, *more_columns])
    files = open_inputs(inputs, scorer, reading, besides=[name for name in wanted if name in known])
    schema = agreed_schema(files)
    for file in files:
        refuse_absent(asked, file.columns, file.source.name)
        for name in needed(order):
            if name not in file.columns:
                raise InputError(
                    "is the column of --rank-by, and LIST does not have it", column=name, file=file.source.name
                )
    lookup = None if given.lookup is None else open_lookup(given.lookup, settings)
    exclude = None if given.exclude is None else open_people(given.exclude, "--exclude")
    caseload = None if given.caseload is None else open_people(given.caseload, "--caseload")
    earlier = None if given.previous is None else open_earlier(given.previous, lookup is not None)
    ours = [_ListKeys(f.source.name, f.source.format, _text_keys(schema)) for f in files]
    others: list[Keyed] = [file for file in (lookup, exclude, caseload) if file is not None]
    others += [] if earlier is None else earlier.keyed
    return Plan(
        scorer, order, asked, files, reading, schema, key_rule([*ours, *others]), settings, exclude, earlier, caseload,
        lookup, sharing,
    )  # fmt: skip


def _text_keys(schema: pa.Schema) -> bool:
    return not pa.types.is_integer(schema.field(ID).type)


def _basis(text: str | None) -> str | None:
    if text is None:
        return None
    found = " ".join(text.split())
    if not 3 <= len(found) <= _LONGEST_BASIS or not found.isprintable():
        raise InputError(f"--shared-care-basis names the local sharing agreement, in 3 to {_LONGEST_BASIS} characters")
    return found


def _check_logged(given: Given) -> None:
    if given.lookup is not None and given.audit is None:
        raise InputError("adding NHS numbers to keys has to be logged: give --audit FILE, or set POPSTRAT_AUDIT")
