"""One patient's row, found in the files of a list by id."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa

from popstrat.core.arrow import text_array
from popstrat.core.lazy import compute as pc
from popstrat.errors import InputError
from popstrat.formats import Source
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.keys import A_NUMBER, MadeNumber, key
from popstrat.packs.patient_table import ID
from popstrat.runs.input_files import InputFile, Reading, open_inputs, read_ids
from popstrat.scoring.scorer import Scorer


def find_patient(
    inputs: Sequence[str | Path] | Source,
    patient: str,
    scorer: Scorer,
    *,
    mapping: ColumnMap = NO_MAP,
    encoding: str = "utf-8",
) -> pa.Table:
    """The row of one patient: `find_patients` of one."""
    return find_patients(inputs, [patient], scorer, mapping=mapping, encoding=encoding)[0]


def find_patients(
    inputs: Sequence[str | Path] | Source,
    patients: Sequence[str],
    scorer: Scorer,
    *,
    mapping: ColumnMap = NO_MAP,
    encoding: str = "utf-8",
    besides: Collection[str] = (),
) -> list[pa.Table]:
    """The rows of patients, each as a table of one row, in the order asked for: the columns that the scorer reads and
    those ``besides``, under our names.

    Raises `InputError` if nobody has one of the ids (the message does not repeat it), or if a flag of those rows is
    neither true nor false.
    """
    wanted = [wanted_key(patient) for patient in patients]
    reading = Reading.given(mapping, encoding, threads=1)
    files = open_inputs(inputs, scorer, reading, besides=besides)
    places: dict[int, tuple[int, int]] = {}
    for batch in read_ids(files, reading.batch_rows):
        for number, patient in enumerate(wanted):
            if number not in places and (row := position(batch.ids, patient)) is not None:
                places[number] = batch.file, batch.first_row + row
        if len(places) == len(wanted):
            break
    lost = next((number for number in range(len(wanted)) if number not in places), None)
    if lost is not None:
        which = "" if len(wanted) == 1 else f" (number {lost + 1} of {len(wanted)})"
        name = files[0].source.name if len(files) == 1 else None
        raise InputError(f"no row has the id asked for{which}", column=ID, file=name)
    return [_row(files[file], row, reading.batch_rows) for file, row in (places[i] for i in range(len(wanted)))]


def _row(file: InputFile, row: int, batch_rows: int) -> pa.Table:
    """A row of a file, by its number."""
    first = 0
    for data in file.source.batches(file.plan.wanted(file.columns), batch_rows=batch_rows):
        if row < first + data.num_rows:
            try:
                found = file.plan.apply(data.slice(row - first, 1), file.columns)
                file.bound.refuse_flags(found)
            except InputError as error:
                raise file.located(error, row) from None
            return pa.Table.from_batches([found])
        first += data.num_rows
    raise InputError("was changed while it was read", file=file.source.name)


def wanted_key(patient: str) -> str:
    """An id as it is compared. Raises `InputError` for a number that a spreadsheet made."""
    wanted = key(patient)
    if isinstance(wanted, MadeNumber):
        raise InputError(A_NUMBER.format(kind="key"), column=ID)
    return wanted or patient


def position(ids: pa.Array, patient: str) -> int | None:
    """Where an id is in a column of ids of any type."""
    if pa.types.is_integer(ids.type):
        try:
            wanted = text_array([str(int(patient))])[0].cast(pa.int64())
        except (ValueError, pa.ArrowInvalid):
            return None
        at = pc.index(ids.cast(pa.int64(), safe=False), wanted).as_py()
    else:
        at = pc.index(ids.cast(pa.large_string()), text_array([patient])[0].cast(pa.large_string())).as_py()
    return None if at < 0 else int(at)
