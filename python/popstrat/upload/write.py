"""The files of every practice, written from its joined rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.core.hidden_folder import HiddenFolder
from popstrat.errors import InputError, RunError
from popstrat.packs.patient_table import ID
from popstrat.upload import csv_text, left_out
from popstrat.upload.identify import REASONS
from popstrat.upload.manifest import FileEntry, PracticeEntry
from popstrat.upload.movers import moves_of
from popstrat.upload.partition import Partitions, column
from popstrat.upload.patient_keys import refuse_repeated
from popstrat.upload.plan import Plan
from popstrat.upload.practices import Practices
from popstrat.upload.read import ScoredRows
from popstrat.upload.rows import data_by_source, scored_field
from popstrat.upload.selection import UNSELECTED, select
from popstrat.upload.templates.columns import FileColumn
from popstrat.upload.templates.dialect import Dialect
from popstrat.upload.templates.layout import Layout


def write_practices(
    partitions: Partitions, scored: ScoredRows, plan: Plan, folder: HiddenFolder
) -> list[PracticeEntry]:
    """Write the files of every practice that was asked for, and say what became of its people.

    ``partitions`` are rows by practice (`rows.joined_schema`), and gone then. Raises `InputError`, naming rows of the
    scored table, for a text that a file cannot hold; `RunError` if two files would have one name.
    """
    entries: list[PracticeEntry] = []
    for rows in partitions:
        if rows.num_rows:
            entries += _write_partition(rows, scored.practices, plan, folder)
    seen = {entry.index for entry in entries}
    nobody = [i for i in np.flatnonzero(~scored.outside).tolist() if i not in seen]
    entries += [_nobody(i, scored.practices.codes[i], plan, folder) for i in nobody]
    return entries


def _write_partition(rows: pa.Table, practices: Practices, plan: Plan, folder: HiddenFolder) -> Iterator[PracticeEntry]:
    """Write the files of the practices of a partition, which are in no other."""
    order = np.lexsort((column(rows, "row").to_numpy(), column(rows, "practice").to_numpy()))
    if not np.array_equal(order, np.arange(len(order))):
        rows = rows.take(pa.array(order)).combine_chunks()
    if not plan.joined:
        refuse_repeated(column(rows, "key"), plan.table.name)
    layout = plan.layout
    chosen = select(rows, layout)
    listed = _in_order(rows.filter(pa.array(chosen.written)), layout)
    patients = write_files(listed, "patients", practices, plan, folder)
    ended = write_files(rows.filter(pa.array(chosen.ended)), "ended", practices, plan, folder) if layout.ended else {}
    exceptions = _write_exceptions(rows, chosen.excluded, practices, plan, folder)
    no_group = len(layout.labels)
    group = np.asarray(pc.fill_null(column(rows, "group"), no_group)) if layout.group is not None else None
    for index, start, stop in _runs(column(rows, "practice").to_numpy()):
        code, here = practices.codes[index], slice(start, stop)
        files = [*patients.get(index, ()), *ended.get(index, ()), *exceptions.get(index, ())]
        if index not in patients:  # nobody of it was chosen: an empty file says so
            files.append(_empty_file(code, plan, folder))
        groups = () if group is None else np.bincount(group[here][chosen.written[here]], minlength=no_group + 1)
        yield PracticeEntry(
            index=index,
            code=code,
            scored=stop - start,
            excluded=_counted(REASONS, chosen.excluded[here]),
            not_selected=_counted(UNSELECTED, chosen.unselected[here]),
            groups=np.asarray(groups).tolist(),
            moves=None if plan.previous is None else moves_of(rows.slice(start, stop - start), layout),
            files=tuple(files),
        )


def _in_order(rows: pa.Table, layout: Layout) -> pa.Table:
    """Rows sorted by practice in the order that the template asks for within each; no value comes last."""
    if not layout.order or not rows.num_rows:
        return rows
    keys: list[NDArray[np.float64]] = []
    for name, largest_first in layout.order:
        values = column(rows.combine_chunks(), scored_field(name))
        number = pc.fill_null(values.cast(pa.float64() if values.type != pa.bool_() else pa.int8()), 0)
        key = np.asarray(number).astype(np.float64)
        keys += [np.where(values.is_valid(), -key if largest_first else key, np.inf)]
    order = np.lexsort((column(rows, "row").to_numpy(), *reversed(keys), column(rows, "practice").to_numpy()))
    return rows.take(pa.array(order)).combine_chunks()


def _nobody(index: int, code: str, plan: Plan, folder: HiddenFolder) -> PracticeEntry:
    """A practice whose code the table knows, and of which it holds nobody."""
    groups = [0] * (len(plan.layout.labels) + 1) if plan.layout.group is not None else []
    shape = (len(plan.layout.labels) + 2, len(plan.layout.labels) + 1)
    moves = None if plan.previous is None else np.zeros(shape, np.int64)
    return PracticeEntry(index, code, 0, {}, {}, groups, moves, (_empty_file(code, plan, folder),))


def write_files(
    rows: pa.Table, kind: str, practices: Practices, plan: Plan, folder: HiddenFolder
) -> dict[int, list[FileEntry]]:
    """The files of one kind, "patients" or "ended", of every practice that has rows here, by practice."""
    layout, ended = plan.layout, kind == "ended"
    columns, dialect = (layout.ended if ended else layout.columns), layout.dialect
    rows = rows.combine_chunks()
    body = _lines(columns, data_by_source(rows, practices), rows, dialect, plan)
    head = csv_text.header(columns, dialect)
    limit = layout.max_rows or max(rows.num_rows, 1)
    found: dict[int, list[FileEntry]] = {}
    for index, start, stop in _runs(column(rows, "practice").to_numpy()):
        cuts = [*range(start, stop, limit), stop]
        found[index] = [
            _write_file(
                folder,
                layout.file_name(practices.codes[index], part, ended=ended),
                kind,
                cuts[part] - cuts[part - 1],
                head,
                csv_text.encoded(piece, dialect),
            )
            for part, piece in enumerate(csv_text.slices(body, cuts), 1)
        ]
    return found


def _write_exceptions(
    rows: pa.Table, excluded: NDArray[np.uint8], practices: Practices, plan: Plan, folder: HiddenFolder
) -> dict[int, list[FileEntry]]:
    """Who was left out, why, and what can be done, under the key alone, for the practice whose patient it is by the
    scored table; and a read-me."""
    if not excluded.any():
        return {}
    rows = rows.select(["row", "practice", "key"]).filter(pa.array(excluded > 0)).combine_chunks()
    codes = excluded[excluded > 0]
    which = pa.array(codes.astype(np.int32) - 1)
    data = {
        ID: column(rows, "key").cast(pa.string()),
        left_out.REASON: pa.array(REASONS).take(which),
        left_out.REMEDY: pa.array([left_out.REMEDIES[reason] for reason in REASONS]).take(which),
    }
    body = _lines(left_out.COLUMNS, data, rows, left_out.DIALECT, plan)
    found: dict[int, list[FileEntry]] = {}
    for index, start, stop in _runs(column(rows, "practice").to_numpy()):
        code, counts = practices.codes[index], _counted(REASONS, codes[start:stop])
        name, explained = left_out.exceptions_name(plan.layout, code), left_out.read_me_name(plan.layout, code)
        piece = csv_text.slices(body, [start, stop])[0]
        found[index] = [
            _write_file(folder, name, "exceptions", stop - start, left_out.HEADER, piece),
            _write_file(folder, explained, "read_me", 0, left_out.read_me(plan.layout, code, counts)),
        ]
    return found


def _lines(
    columns: Sequence[FileColumn], data: Mapping[str, pa.Array], rows: pa.Table, dialect: Dialect, plan: Plan
) -> pa.Array:
    """The rows as lines. What cannot be written is told by its rows in the scored table."""
    try:
        texts = [csv_text.cell_texts(c, data, rows.num_rows, dialect) for c in columns]
    except InputError as error:
        raise error.among(column(rows, "row").to_pylist()).located(plan.table.name) from None
    return csv_text.lines(texts, columns, dialect)


def _empty_file(code: str, plan: Plan, folder: HiddenFolder) -> FileEntry:
    head = csv_text.header(plan.layout.columns, plan.layout.dialect)
    return _write_file(folder, plan.layout.file_name(code, 1), "patients", 0, head)


def _write_file(folder: HiddenFolder, name: str, kind: str, rows: int, *content: bytes | memoryview) -> FileEntry:
    try:
        folder.create(name, *content)
    except FileExistsError:
        raise RunError(f"internal error: two files would be named {name}; nothing was written") from None
    digest = hashlib.sha256()
    size = 0
    for piece in content:
        digest.update(piece)
        size += len(piece)
    return FileEntry(name, kind, rows, size, digest.hexdigest())


def _runs(practice: NDArray[np.int32]) -> Iterator[tuple[int, int, int]]:
    """Where each practice begins and ends among rows that are sorted by practice."""
    if len(practice):
        starts = np.flatnonzero(np.r_[True, practice[1:] != practice[:-1]])
        for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(practice)], strict=True):
            yield int(practice[start]), start, stop


def _counted(names: Sequence[str], codes: NDArray[np.uint8]) -> dict[str, int]:
    """How many rows there are of each code from 1, by name; those with none left out."""
    counts = np.bincount(codes, minlength=len(names) + 1).tolist()[1:]
    return {name: count for name, count in zip(names, counts, strict=True) if count}
