"""A patient table that is derived as it is read: in place of a file of a list, for whatever reads one."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pyarrow as pa

from popstrat.core.hashing import HASH, hash_file
from popstrat.deriving.derivation import CodedRecord, Derivation, described, open_record
from popstrat.deriving.folding import TABLES
from popstrat.errors import OutOfOrderError
from popstrat.formats import BATCH_ROWS, FileSource, Source
from popstrat.formats.source import sliced
from popstrat.packs.patient_table import ID


class DerivedList(FileSource):
    """The list that a coded record means. It has no hash of its own: it is known by what it is made from."""

    format: ClassVar[str] = "derived"

    def __init__(self, derivation: Derivation, on_batch: Callable[[pa.RecordBatch], None] | None = None) -> None:
        """``on_batch`` is given each batch with all its columns, once, in the first reading."""
        first = derivation.rows["events"].paths[0]
        super().__init__(first)
        self.name = str(derivation.given.events[0])
        self.derivation, self._on_batch = derivation, on_batch
        self.schema = derivation.schema
        self.rows = derivation.people.table.num_rows
        self._whole = False  # whether it has been read from beginning to end

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        if list(columns) == [ID]:  # which are known without deriving anything
            ids = self.derivation.people.keys
            for start in range(0, len(ids), batch_rows):
                yield pa.RecordBatch.from_arrays([ids.slice(start, batch_rows)], [ID])
            return
        for batch in self.derivation.batches():
            if self._on_batch is not None and not self._whole:
                self._on_batch(batch)
            yield from sliced(batch.select(list(columns)), batch_rows)
        self._whole = True

    def check_unchanged(self) -> None:
        for rows in self.derivation.rows.values():
            rows.check_unchanged()

    def described(self) -> dict[str, Any]:
        return {"as_of": self.derivation.as_of.isoformat(), **described(self.derivation)}

    def content_hash(self, stopped: Callable[[], bool]) -> str:
        """Of the hashes of the files of people and rows, the layout, the specification and the code lists."""
        one = self.derivation
        hashes = [one.layout.sha256, str(one.features.record[HASH]), *(str(f[HASH]) for f in one.codelists.record)]
        hashes += [hash_file(path, stopped) for path in one.people.paths]
        hashes += [found for rows in one.rows.values() for found in rows.hashes(stopped)]
        return hashlib.new(HASH, "\n".join(hashes).encode()).hexdigest()


Made = TypeVar("Made")


def in_any_order(derivation: Derivation, attempt: Callable[[], Made]) -> Made:
    """What ``attempt`` makes of the derivation, begun anew where a table turns out too late not to be sorted."""
    while True:
        try:
            return attempt()
        except OutOfOrderError as error:
            table = next(name for name in TABLES if name == error.table)
            if table in derivation.unsorted:
                raise
            derivation.unsorted.add(table)


def with_derived(
    given: CodedRecord,
    as_of: dt.date,
    run: Callable[[Source], Made],
    *,
    threads: int | None = None,
    spill_dir: Path | None = None,
) -> Made:
    """What ``run`` makes of a coded record, given as the one file of a list. Raises `InputError` or `PackError`, and
    what ``run`` raises."""
    derivation = open_record(given, as_of, threads=threads, spill_dir=spill_dir)
    return in_any_order(derivation, lambda: run(Source([DerivedList(derivation)])))
