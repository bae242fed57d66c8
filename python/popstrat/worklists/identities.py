"""Who somebody is by the lookup, held in memory: NHS number, and the reasons for which a month's upload leaves out."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.privacy import nhs_numbers
from popstrat.upload import identify as uploads
from popstrat.upload.lookup import LookupFile, read_lookup
from popstrat.upload.partition import column
from popstrat.upload.patient_keys import KeyRule
from popstrat.upload.practices import Numbering
from popstrat.upload.templates.settings import Settings
from popstrat.worklists.known import Known

REASONS = uploads.REASONS


class Identities:
    """A lookup, read."""

    def __init__(self, lookup: LookupFile, keys: KeyRule, scratch: Path, as_of: dt.date, settings: Settings) -> None:
        """Raises `InputError` as `upload.lookup.read_lookup` does."""
        self._practices = Numbering()
        rows = read_lookup(lookup, self._practices, keys, scratch, 1)
        self._rows = rows.partitions.pop(0)
        self._shared, self.test_numbers, self.respelt = rows.shared, rows.test_numbers, rows.respelt
        self.people = self._rows.num_rows
        self._known = Known(column(self._rows, "key"))
        self._as_of, self._births, self._ages = as_of, settings.births, lookup.has_births

    def of(self, keys: pa.Array, practices: pa.Array, ages: pa.Array | None) -> uploads.Identities:
        """Who people are, and for what reason somebody is left out, by their keys, practices and ages as scored."""
        compared = None
        if self._ages and ages is not None:
            compared = np.asarray(pc.fill_null(ages.cast(pa.int64()), -1))
        rows = np.sort(self._known.all_rows(keys))
        return uploads.identify(
            keys,
            self._practices.indices(practices),
            compared,
            self._rows.take(pa.array(rows)).combine_chunks(),
            self._shared,
            self._as_of,
            needs_birth=False,
            births_known_to=self._births,
        )

    def keys_of(self, numbers: pa.Array) -> pa.Array:
        """The key of each NHS number, null where the lookup has none or several."""
        theirs = column(self._rows, "number")
        good = pc.equal(column(self._rows, "state"), pa.scalar(nhs_numbers.PASSED, pa.uint8()))
        once = pc.and_(good, pc.invert(pc.is_in(theirs, value_set=pa.array(self._shared, pa.int64()))))
        at = pc.index_in(numbers, value_set=theirs.filter(once))
        return column(self._rows, "key").filter(once).take(at)

    def numbers_of(self, keys: pa.Array) -> pa.Array:
        """The NHS number of each key as text, null where the lookup has none that is sure."""
        good = pc.equal(column(self._rows, "state"), pa.scalar(nhs_numbers.PASSED, pa.uint8()))
        numbers = column(self._rows, "number")
        sure = pc.and_(good, pc.invert(pc.is_in(numbers, value_set=pa.array(self._shared, pa.int64()))))
        at = self._known.rows(keys)
        found = nhs_numbers.to_text(numbers.to_numpy(zero_copy_only=False))
        known = pc.if_else(sure, found, pa.scalar(None, pa.string()))
        return known.take(pa.array(np.where(at >= 0, at, 0), mask=at < 0))
