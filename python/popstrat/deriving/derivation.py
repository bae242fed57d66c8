"""The whole of the step from the coded record to the patient table: opened once, then streamed as record batches.

    patients + registrations → people; events, medications, activity → folds of these people; both → the patient table

A `Derivation` holds people and the readers of the rest; memory is bounded by the number of people, not of rows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.cpus import cores
from popstrat.core.dates import days
from popstrat.core.hashing import HASH
from popstrat.core.lazy import compute as pc
from popstrat.deriving.codelists import CodeLists
from popstrat.deriving.features import Features
from popstrat.deriving.folding import TABLES, Counts, Rows, fold_chunks
from popstrat.deriving.folds import Table
from popstrat.deriving.layout import Layout, load_layout
from popstrat.deriving.people import People, read_people
from popstrat.deriving.rows import RowFiles, open_rows
from popstrat.deriving.spec import DEFAULT_SPEC, load_spec

Paths = Sequence[str | Path]


@dataclass(frozen=True)
class CodedRecord:
    """What a user names: files, patterns and folders of each table, and how to read them.

    ``layout`` and ``spec`` are the names of those that popstrat has, or paths. Medications and activity may be left
    out: what is derived from them is then null (of flags: false; of counts: 0), and that is warned of.
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

    def files(self) -> Mapping[Table, Paths]:
        """The tables of rows that are there."""
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
    told: Sequence[str] = ()
    """Warnings of the code lists."""
    unsorted: set[Table] = field(default_factory=set)
    """Tables whose rows are known not to be sorted by person."""
    counts: Counts = field(default_factory=Counts)
    """What became of all rows, once the batches have been read."""

    @property
    def schema(self) -> pa.Schema:
        """Of every batch: the columns of the patient table that the specification derives."""
        return self.features.table_schema(self.people.table.schema)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The patient table, ascending by ``patient_id``.

        Raises `InputError` for whatever is wrong with a file, and `folding.OutOfOrderError` where a table turns out too
        late not to be sorted: what was given out is then incomplete; add it to ``unsorted`` and begin anew.
        """
        yield from self._derive(self.people, self.rows)

    def alone(self, at: int) -> tuple[pa.RecordBatch, Mapping[Table, Sequence[pa.RecordBatch]]]:
        """The patient table of the person in row ``at`` of the people, and all of that person's rows."""
        people = replace(self.people, table=self.people.table.slice(at, 1), births=self.people.births[at : at + 1])
        key = people.keys[0]
        theirs: dict[Table, list[pa.RecordBatch]] = {}
        for name, files in self.rows.items():
            own = (batch.filter(pc.equal(batch.column(0), key)) for batch in files.batches())
            theirs[name] = [batch for batch in own if batch.num_rows]
        (row,) = self._derive(people, theirs)
        return row, theirs

    def _derive(self, people: People, rows: Mapping[Table, Rows]) -> Iterator[pa.RecordBatch]:
        self.features.counts.clear()
        folding = fold_chunks(
            people.keys,
            people.births,
            rows,
            self.features.folds,
            self.codelists.codes_for(self.features),
            as_of=days(self.as_of),
            threads=self.threads,
            spill_dir=self.spill_dir,
            unsorted=self.unsorted,
        )
        try:
            for chunk in folding:
                (part,) = people.table.slice(chunk.first, chunk.rows).to_batches()
                yield self.features.finalise(part, chunk.folded)
        finally:
            folding.close()
        self.counts = folding.counts

    def warnings(self) -> list[str]:
        """What makes the table doubtful, as far as the record tells."""
        found = list(self.told)
        for name in TABLES:
            needing = [f.id for f in self.features.features if any(fold.table == name for fold in f.folds)]
            if needing and name not in self.rows:
                found.append(f"{name}: none given; null for everybody: {_listed(needing)}")
        if not self.people.table.num_rows:
            found.append("nobody is registered and alive at the as-of date")
        return [*found, *self._of_rows(), *self._of_folds()]

    def _of_rows(self) -> Iterator[str]:
        """Rows set aside in such numbers that the files, and not some records, are at fault."""
        for name, of in self.counts.tables.items():
            told = {
                of.unknown_patient: (
                    _MANY,
                    "of patients who are not on the list: are their ids those of the patients?",
                ),
                of.undated: (_SOME, "without a date that can be read: is the date column the right one?"),
                of.before_birth: (_SOME, "dated before birth: is the date column the right one?"),
                of.after_as_of: (_SOME, "dated after the as-of date: is that the date of the extract?"),
            }
            for count, (share, what) in told.items():
                if of.rows >= _LEAST and count > share * of.rows:
                    yield f"{name}: {count:,} of {of.rows:,} rows ({100 * count / of.rows:.0f}%) are {what}"
            known = of.rows - of.unknown_patient
            if known >= _LEAST and not any(c.used for f, c in self.counts.folds.items() if f in self._folds_of(name)):
                yield f"{name}: none of {known:,} rows has a code of any code list: are they of the same code system?"

    def _of_folds(self) -> Iterator[str]:
        """Values set aside in such numbers that a unit or a code list is at fault."""
        for name, of in self.counts.folds.items():
            for reason, what in _DOUBTS.items():
                count = of.set_aside.get(reason, 0)
                if count >= _LEAST_VALUES and count > _SOME * (of.used + count):
                    share = 100 * count / (of.used + count)
                    units = _listed([repr(u) if u else "none" for u in of.units]) if reason == "unknown_unit" else ""
                    also = f" (units in the file: {units})" if units else ""
                    yield f"{name}: {count:,} values ({share:.0f}%) are {what} and set aside{also}"

    def _folds_of(self, table: Table) -> frozenset[str]:
        return frozenset(fold.name for fold in self.features.folds if fold.table == table)

    def notices(self) -> list[str]:
        """What a reader should know that makes nothing doubtful."""
        return list(self.features.notices)


_FEW = 6
_LEAST = 100
"""Rows of a table that are judged."""
_LEAST_VALUES = 10
_MANY, _SOME = 0.5, 0.05
"""Shares of rows beyond which a file is doubted (an *assumption*): extracts hold the rows of people who have left."""
_DOUBTS = {"no_value": "without a number", "unknown_unit": "in a unit that is not known", "implausible": "implausible"}


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more} more" if more > 0 else "")


def open_record(
    given: CodedRecord, as_of: dt.date, *, threads: int | None = None, spill_dir: Path | None = None
) -> Derivation:
    """Read people, code lists and specification, and open the files of rows. Raises `InputError` or `PackError`."""
    threads = threads or cores()
    layout = load_layout(given.layout)
    lists = CodeLists.read(given.codelists)
    features = load_spec(given.spec).at(as_of).without_tables([t for t in TABLES if t not in given.files()])
    features, told = lists.check(features, given.allow_missing_lists)
    opened = {
        name: open_rows(name, paths, layout, encoding=given.encoding, threads=threads)
        for name, paths in given.files().items()
    }
    for of in opened.values():
        of.hashing()  # beside the reading of the people, which keeps one thread busy
    people = read_people(
        given.patients, given.registrations, layout, as_of=as_of, encoding=given.encoding, threads=threads
    )
    ids = people.keys.type
    rows = dict(opened)
    for name, of in opened.items():
        if of.ids != ids:
            again = open_rows(name, given.files()[name], layout, ids=ids, encoding=given.encoding, threads=threads)
            again.take_hashes(of)
            rows[name] = again
    return Derivation(given, as_of, features, lists, layout, people, rows, threads, spill_dir or Path.cwd(), told)


def described(derivation: Derivation) -> dict[str, Any]:
    """What a run record says of the step, once the batches have been read: files, lists, people, rows and folds."""
    tables, folds = derivation.counts.tables, derivation.counts.folds
    return {
        "specification": derivation.features.record,
        "layout": {"name": derivation.layout.name, HASH: derivation.layout.sha256},
        "codelists": derivation.codelists.record,
        "files": {
            "people": list(derivation.people.inputs),
            **{name: of.record() for name, of in derivation.rows.items()},
        },
        "people": {name: dict(of) for name, of in derivation.people.counts.items()},
        "rows": {
            name: {
                "rows": 0,
                **of.counts,
                **({k: v for k, v in dataclasses.asdict(tables[name]).items() if k != "rows"}),
            }
            for name, of in derivation.rows.items()
            if name in tables
        },
        "features": {name: dict(of) for name, of in derivation.features.counts.items()},
        "folds": {
            name: {k: v for k, v in dataclasses.asdict(of).items() if v or k == "used"} for name, of in folds.items()
        },
    }
