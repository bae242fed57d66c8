"""Everything that is wrong with the files of a list, all at once: what stops `score` and `check` at the first of it.

Each file is read once, and as text where it is CSV, so that one cell that cannot be read does not keep the others from
being looked at. Every column is converted by itself, batch by batch, and what is at fault in it is counted.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa

from popstrat.core.arrow import is_text
from popstrat.core.lazy import compute as pc
from popstrat.core.soundness import refuse_astray, refuse_misfits, refuse_nulls
from popstrat.errors import FaultsError, InputError
from popstrat.formats import FileSource, expand, open_source
from popstrat.packs.column_map import MapPlan
from popstrat.packs.flags import refuse_other_numbers
from popstrat.packs.keys import as_read, kind_of
from popstrat.packs.patient_table import ID, KEY_COLUMNS, OPT_OUTS
from popstrat.packs.plausibility import refuse_disorder
from popstrat.runs.input_files import Reading, called, known_columns, located
from popstrat.scoring.columns import Binding, bind_column, converted, missing_columns
from popstrat.scoring.opt_outs import opt_out_missing
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.unique_ids import IdBatch, UniqueIds

_ROWS = 5  # of a fault that are named


class _Found:
    """Faults, each once: of one file, column and sentence the first rows are kept and all are counted."""

    def __init__(self) -> None:
        self._errors: dict[tuple[str | None, str | None, str], InputError] = {}

    def add(self, error: InputError) -> None:
        key = error.file, error.column, error.problem
        before = self._errors.get(key)
        if before is not None:
            rows = (*before.rows, *error.rows)[:_ROWS]
            more = before.count + error.count - len(rows)
            error = error.counted(rows, more)
        self._errors[key] = error

    def errors(self) -> list[InputError]:
        return list(self._errors.values())


@dataclass(frozen=True)
class _File:
    """A file under our names, with those of its columns whose type can be read."""

    source: FileSource
    plan: MapPlan
    bindings: dict[str, Binding]

    def located(self, error: InputError, first_row: int = 0) -> InputError:
        return located(error, self.plan, self.source.name, first_row)


def every_fault(inputs: Sequence[str | Path], scorer: Scorer, reading: Reading, first: InputError) -> InputError:
    """What is to be raised in the place of the ``first`` fault that was met: that, with all the rows it holds of, or a
    `FaultsError` if there are others."""
    found = _Found()
    files = []
    paths = expand(inputs)
    for path in paths:
        with _kept(found):
            files.append(_opened(path, scorer, reading, found, len(paths) > 1))
    with UniqueIds(files=[file.source.name for file in files]) as ids:
        sound = [_look(file, i, scorer, reading, found, ids) for i, file in enumerate(files)]
        if all(sound):
            with _kept(found):
                ids.finish(partial(_ids, files, reading))
    errors = found.errors()
    return FaultsError(errors) if len(errors) > 1 else errors[0] if errors else first


@contextlib.contextmanager
def _kept(found: _Found, where: Callable[[InputError], InputError] = lambda error: error) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        found.add(where(error))


def _opened(path: Path, scorer: Scorer, reading: Reading, found: _Found, several: bool) -> _File:
    """Raises `InputError` for a file that cannot be opened, or is not what the map says."""
    schema, known = scorer.pack.schema, known_columns(scorer)
    (source,) = open_source([path], kinds=lambda name: "text", encoding=reading.encoding, threads=reading.threads).files
    plan = reading.mapping.plan(source.schema.names, known, called(source, several))
    whole = plan.schema(source.schema)
    file = _File(source, plan, {})
    for missing in missing_columns(whole.names, schema):
        found.add(file.located(missing))
    for name in OPT_OUTS if scorer.profile == "secondary-use" else ():
        if name not in whole.names:
            found.add(file.located(opt_out_missing(name)))
    for name in schema.kept(whole.names, known):
        with _kept(found, file.located):
            if whole.names.count(name) > 1:
                raise InputError("two columns have this name", column=name)
            # by its name alone: each column is looked at by itself
            file.bindings[name] = bind_column(schema[name], 0, whole.field(name).type)
    return file


def _look(file: _File, number: int, scorer: Scorer, reading: Reading, found: _Found, ids: UniqueIds) -> bool:
    """Look at every row of a file; whether its ids can be compared."""
    schema = scorer.pack.schema
    pairs: dict[str, dict[str, int]] = defaultdict(lambda: {"both": 0, "not_below": 0})
    comparable = ID in file.bindings
    row = 0
    with _kept(found, file.located):
        for batch in file.source.batches(file.plan.wanted([*file.bindings]), batch_rows=reading.batch_rows):
            held: dict[str, pa.Array] = {}
            for name, binding in file.bindings.items():
                with _kept(found, lambda error, row=row: file.located(error, row)):  # type: ignore[misc]
                    held[name] = _converted(file.plan.apply(batch, [name]), binding)
            comparable = comparable and ID in held
            if ID in held:
                try:
                    ids.add(IdBatch(held[ID], number, row))
                except InputError as error:
                    found.add(file.located(error))
                    comparable = False
            for name in held:
                other = schema[name].below
                if other is not None and other in held:
                    _count(pairs[name], held[name], held[other])
            row += batch.num_rows
    for name, counts in pairs.items():
        with _kept(found, file.located):
            refuse_disorder({name: counts}, schema)
    return comparable


def _converted(batch: pa.RecordBatch, binding: Binding) -> pa.Array:
    """A column as it is read. Raises `InputError` with the rows of the batch that cannot be."""
    refuse_misfits(batch, [0])
    name, column = binding.column.name, batch.column(0)
    if binding.kind != "null":
        refuse_astray(column, name)
        if (kind := kind_of(name)) and is_text(column.type):
            column = as_read(column, kind, name).column
    if name in KEY_COLUMNS and name != ID:  # where ids are compared, nulls among them are refused
        refuse_nulls(column, name)
    if binding.kind != "null":
        column = converted(column, binding)
        if binding.column.type == "bool" and binding.kind != "bits":
            refuse_other_numbers(column, name)
    return column


def _count(counts: dict[str, int], lower: pa.Array, upper: pa.Array) -> None:
    """Add the rows that hold both, and those of them where the lower one is not below the upper."""
    below = pc.less(lower.cast(pa.float64()), upper.cast(pa.float64()))
    counts["both"] += len(below) - below.null_count
    counts["not_below"] += len(below) - below.null_count - below.true_count


def _ids(files: Sequence[_File], reading: Reading) -> Iterator[IdBatch]:
    for number, file in enumerate(files):
        row = 0
        for batch in file.source.batches([file.plan.sources[ID]], batch_rows=reading.batch_rows):
            yield IdBatch(as_read(batch.column(0), "key", ID).column, number, row)
            row += batch.num_rows
