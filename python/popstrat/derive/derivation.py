"""The whole of the step from the coded record to the patient table: opened once, then streamed as record batches.

    patients + registrations → people; events, medications, activity → folds of these people; both → the patient table

A `Derivation` holds people and the readers of the rest; memory is bounded by the number of people, not of events.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.cpus import cores
from popstrat.core.dates import days
from popstrat.core.hashing import HASH
from popstrat.derive.codelists import CodeLists
from popstrat.derive.features import Features
from popstrat.derive.folding import Counts, fold_chunks
from popstrat.derive.folds import Table
from popstrat.derive.layout import Layout, load_layout
from popstrat.derive.people import People, read_people
from popstrat.derive.rows import RowFiles, open_rows
from popstrat.derive.spec import DEFAULT_SPEC, load_spec

Paths = Sequence[str | Path]
TABLES: tuple[Table, ...] = ("events", "medications", "activity")


@dataclass(frozen=True)
class CodedRecord:
    """What a user names: files, patterns and folders of each table, and how to read them.

    ``layout`` and ``spec`` are the names of those that popstrat has, or paths. Activity and medications may be left
    out: what is derived from them is then null (of flags: false), and that is warned of.
    """

    patients: Paths
    registrations: Paths
    events: Paths
    codelists: str | Path
    medications: Paths = ()
    activity: Paths = ()
    layout: str | Path = "canonical"
    spec: str | Path = DEFAULT_SPEC
    encoding: str | None = None
    allow_missing_lists: bool = False

    def files(self) -> Mapping[str, Paths]:
        """The rows' tables that are there."""
        return {name: paths for name in TABLES if (paths := getattr(self, name))}


@dataclass
class Derivation:
    """A coded record as of a date, ready to be derived. `open_record` makes one."""

    given: CodedRecord
    as_of: dt.date
    features: Features
    codelists: CodeLists
    layout: Layout
    people: People
    rows: Mapping[Table, RowFiles]
    threads: int
    spill_dir: Path
    counts: Counts = field(default_factory=Counts)

    @property
    def schema(self) -> pa.Schema:
        """Of every batch: the columns of the patient table that the specification derives."""
        return self.features.schema(self.people.table.schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The patient table, ascending by ``patient_id``. Raises `InputError` for whatever is wrong with a file."""
        self.counts = Counts()
        people = self.people.table.combine_chunks()
        tables: dict[Table, Iterable[pa.RecordBatch]] = {name: of.batches() for name, of in self.rows.items()}
        chunks = fold_chunks(
            self.people.keys,
            self.people.births,
            tables,
            self.features.folds,
            self.codelists.codes,
            as_of=days(self.as_of),
            threads=self.threads,
            spill_dir=self.spill_dir,
            counts=self.counts,
        )
        for chunk in chunks:
            part = people.slice(chunk.first, chunk.rows).to_batches()
            yield self.features.finalise(part[0] if part else people.schema.empty_table().to_batches()[0], chunk.folded)


def open_record(
    given: CodedRecord, as_of: dt.date, *, threads: int | None = None, spill_dir: Path | None = None
) -> Derivation:
    """Read people, code lists and specification, and open the files of events. Raises `InputError` or `PackError`."""
    threads = threads or cores()
    features = load_spec(given.spec).at(as_of)
    layout = load_layout(given.layout)
    lists = CodeLists.read(given.codelists)
    opened = {
        name: open_rows(name, paths, layout, encoding=given.encoding, threads=threads)
        for name, paths in given.files().items()
    }
    people = read_people(
        given.patients, given.registrations, layout, as_of=as_of, encoding=given.encoding, threads=threads
    )
    rows = {
        name: of
        if of.ids == people.keys.type
        else open_rows(
            name, given.files()[name], layout, ids=people.keys.type, encoding=given.encoding, threads=threads
        )
        for name, of in opened.items()
    }
    return Derivation(given, as_of, features, lists, layout, people, rows, threads, spill_dir or Path.cwd())


def described(derivation: Derivation) -> dict[str, Any]:
    """What a run record says of the step, once the batches have been read: files, lists, people, rows and folds."""
    return {
        "specification": derivation.features.record,
        "layout": {"name": derivation.layout.name, HASH: derivation.layout.sha256},
        "codelists": derivation.codelists.record,
        "files": {
            "people": list(derivation.people.inputs),
            **{name: of.record() for name, of in derivation.rows.items()},
        },
        "people": {name: dict(of) for name, of in derivation.people.counts.items()},
        "rows": {name: dict(of.counts) for name, of in derivation.rows.items()},
        **derivation.counts.record(),
    }
