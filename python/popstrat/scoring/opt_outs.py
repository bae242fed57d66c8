"""Whether the opt-out columns of a table say anything: what secondary use rests on."""

from __future__ import annotations

from collections.abc import Collection

import pyarrow as pa

from popstrat.errors import InputError
from popstrat.packs.flags import anybody
from popstrat.packs.patient_table import OPT_OUTS


def opt_out_missing(name: str) -> InputError:
    """What is to be raised where an opt-out column is not there."""
    return InputError("the profile secondary-use needs this column", column=name)


class OptOutsSaid:
    """Watches the batches of one file, or of one table, until each opt-out column has been true or false for anybody.

    A column that is null in every row says as little as one that is absent: whether anybody opted out is not known.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._silent = list(OPT_OUTS)

    def look(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take some more rows into account, of a table that has the columns."""
        self._rows += batch.num_rows
        for name in tuple(self._silent):
            column = batch.column(name)
            chunks = column.chunks if hasattr(column, "chunks") else [column]
            if any(anybody(chunk, truth) for chunk in chunks for truth in (False, True)):
                self._silent.remove(name)

    @property
    def saying(self) -> frozenset[str]:
        """The columns in which somebody says something."""
        return frozenset(OPT_OUTS) - frozenset(self._silent)

    def hear(self, rows: int, saying: Collection[str]) -> None:
        """Take into account so many rows that were looked at elsewhere, and the columns that say something there."""
        self._rows += rows
        self._silent = [name for name in self._silent if name not in saying]

    def refuse_silent(self, file: str | None = None) -> None:
        """Raise `InputError` naming the file and its first opt-out column that says nothing, unless there are no
        rows."""
        if self._rows and self._silent:
            raise InputError(
                "is null in every row, so that whether anybody opted out is not known; the profile secondary-use needs "
                "this column filled",
                column=self._silent[0],
                file=file,
            )
