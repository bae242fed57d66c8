"""A patient table that is derived as it is read: in place of a file of a list, for whatever reads one."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from popstrat.core.hashing import HASH
from popstrat.derive.derivation import CodedRecord, Derivation, described, open_record
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
        self._ids = derivation.people.keys

    def batches(self, columns: Sequence[str], *, batch_rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
        if list(columns) == [ID]:  # which are known without deriving anything
            for start in range(0, len(self._ids), batch_rows):
                yield pa.RecordBatch.from_arrays([self._ids.slice(start, batch_rows)], [ID])
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
        """A hash over those of the files that it is derived from, the specification and the code lists."""
        return hashlib.new(HASH, json.dumps(self.made_from(), sort_keys=True, default=str).encode()).hexdigest()

    def made_from(self) -> dict[str, Any]:
        """Every file that it is made from, with its hash."""
        said = described(self.derivation)
        return {name: said[name] for name in ("specification", "layout", "codelists", "files")}


def open_derived(
    given: CodedRecord, as_of: dt.date, *, threads: int | None = None, spill_dir: Path | None = None
) -> Source:
    """A coded record, opened as the one file of a list. Raises `InputError` or `PackError`."""
    return Source([DerivedList(open_record(given, as_of, threads=threads, spill_dir=spill_dir))])
