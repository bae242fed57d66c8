"""The files of a list: opened, mapped onto our column names and bound to a scorer; their rows as batches."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from popstrat.core.arrow import is_text
from popstrat.core.cpus import cores
from popstrat.core.lazy import compute as pc
from popstrat.errors import InputError, recorded_name, shown_name
from popstrat.formats import BATCH_ROWS, FileSource, Source, open_source
from popstrat.formats.folders import named_columns
from popstrat.packs.column_map import NO_MAP, ColumnMap, MapPlan
from popstrat.packs.keys import as_read, code
from popstrat.packs.patient_table import CODE_COLUMNS, ID, Column, refuse_spellings
from popstrat.packs.spellings import with_remedy
from popstrat.runs.withheld import without_numbers
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.columns import plan as bind_columns
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.unique_ids import IdBatch


def _batch_rows() -> int:
    return int(os.environ.get("POPSTRAT_BATCH_ROWS", BATCH_ROWS))


@dataclass(frozen=True)
class Reading:
    """How the files of a list are read. Neither threads nor the size of a batch change any result."""

    mapping: ColumnMap = NO_MAP
    encoding: str = "utf-8"
    threads: int = field(default_factory=cores)
    batch_rows: int = field(default_factory=_batch_rows)

    @classmethod
    def given(
        cls, mapping: ColumnMap, encoding: str, threads: int | None = None, batch_rows: int | None = None
    ) -> Reading:
        """The same from options of which some may not be given."""
        return cls(mapping, encoding, threads or cores(), batch_rows or _batch_rows())


@dataclass(frozen=True)
class InputFile:
    """An input file, how to read it and the scorer bound to it. ``columns`` are those of ours that are read,
    ``ignored`` those of the file that popstrat does not know, as a record names them; ``folders`` is what the folders
    of the file say of codes that it holds itself, and ``contradicted`` in how many rows it says something else."""

    source: FileSource
    plan: MapPlan
    columns: tuple[str, ...]
    bound: BoundScorer
    ignored: tuple[str, ...]
    folders: Mapping[str, str | None] = field(default_factory=dict)
    contradicted: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        """As the run record and warnings name it: without its folder."""
        return self.source.path.name

    def batches(self, batch_rows: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Each batch of the columns that are read, under our names, with the number of its first row."""
        row = 0
        batches = self.source.batches(self.plan.wanted(self.columns), batch_rows=batch_rows)
        while True:
            try:
                batch = next(batches, None)
            except InputError as error:
                raise self.located(error) from None
            if batch is None:
                break
            try:
                data = self.plan.apply(batch, self.columns)
            except InputError as error:
                raise self.located(error, row) from None
            for name, said in self.folders.items():
                self.contradicted[name] += _differing(data.column(name), said, name) if name in self.columns else 0
            yield row, data
            row += batch.num_rows
        if self.source.rows not in (None, row):
            raise InputError("does not have as many rows as it says", file=self.source.name)

    def contradictions(self) -> list[str]:
        """What the file's folders say otherwise than it does itself, in sentences."""
        where = without_numbers(str(Path(self.source.path.parent.name, self.name)))
        found = {name: f"{n:,} row{'s' if n > 1 else ''}" for name, n in self.contradicted.items() if n}
        told = "differs from the name of its folder in {}: the file's own value is used"
        return [f"{where}: {name} {told.format(rows)}" for name, rows in found.items()]

    def located(self, error: InputError, first_row: int = 0) -> InputError:
        """The error with its rows in the file, and the file's own name for a column that is mapped."""
        return located(error, self.plan, self.source.name, first_row)


def _differing(column: pa.Array, said: str | None, name: str) -> int:
    """How many rows of a column of codes hold another than a folder's name."""
    if not is_text(column.type):
        column = column.cast(pa.string())
    found = as_read(column, "code", name).column
    entries = found if pa.types.is_dictionary(found.type) else found.dictionary_encode()
    wanted = None if said is None else code(said)
    other = [n for n, text in enumerate(entries.dictionary.to_pylist()) if text != wanted]
    return sum(int(pc.sum(pc.equal(entries.indices, n)).as_py() or 0) for n in other)


def located(error: InputError, plan: MapPlan, file: str, first_row: int = 0) -> InputError:
    """The error of a batch with its rows in the file, and the file's own name for a column that is mapped."""
    if error.column is not None and error.column not in plan.sources:  # as the file names it
        ours = next((o for o, t in plan.sources.items() if t == error.column), None)
        error = with_remedy(error.about(ours)).about(error.column) if ours else error
    else:
        error = with_remedy(error)
    theirs = plan.sources.get(error.column or "")
    if theirs is not None and theirs != error.column:
        error = error.saying(f"{error.problem} (mapped from {shown_name(theirs)})")
    return error.located(file, first_row)


def known_columns(scorer: Scorer) -> Mapping[str, Column]:
    """The columns of the patient table, those of the scorer's pack among them."""
    return scorer.pack.schema.columns


def open_inputs(
    inputs: Sequence[str | Path] | Source,
    scorer: Scorer,
    reading: Reading,
    *,
    check_only: bool = False,
    besides: Collection[str] = (),
) -> list[InputFile]:
    """Open every file, unless they are given open, and bind the scorer to it: for scoring, or for checking every column
    that popstrat knows. ``besides`` are columns of ours that are read although scoring does not need them.

    Raises `InputError` naming the file for one that cannot be read, lacks what it needs or is not what the map says.
    """
    known = known_columns(scorer)
    source = (
        inputs
        if isinstance(inputs, Source)
        else open_source(
            inputs,
            kinds=lambda theirs: reading.mapping.kind(theirs, known),
            encoding=reading.encoding,
            threads=reading.threads,
        )
    )
    several = len(source.files) > 1
    return [_bound(file, scorer, reading.mapping, check_only, several, besides) for file in source.files]


def called(file: FileSource, several: bool) -> str:
    """What messages about a map call a file: by its name, if there are others."""
    return without_numbers(file.path.name) if several else "the input"


def _bound(
    file: FileSource,
    scorer: Scorer,
    mapping: ColumnMap,
    check_only: bool,
    several: bool,
    besides: Collection[str],
) -> InputFile:
    known = known_columns(scorer)
    plan = mapping.plan(file.schema.names, known, called(file, several))
    whole = plan.schema(file.schema)
    schema = scorer.pack.schema
    columns = schema.kept(whole.names, known if check_only else {*scorer.columns_counted, *besides})
    try:
        # Look at every column for what is missing or repeated, then bind those that are read.
        bind_columns(whole, schema, ())
        bind = scorer.checker if check_only else scorer.bind
        bound = bind(pa.schema([whole.field(c) for c in columns]))
    except InputError as error:
        raise located(error, plan, file.name) from None
    places = {name: i for i, name in enumerate(file.schema.names, 1)}
    ignored = (recorded_name(n, places[plan.sources[n]]) for n in whole.names if n not in known)
    said = {n: v for n, v in named_columns(file.path).items() if n in file.schema.names}
    codes = {ours: said[plan.sources[ours]] for ours in CODE_COLUMNS if plan.sources.get(ours) in said}
    return InputFile(file, plan, columns, bound, tuple(ignored), codes)


def read_ids(files: Sequence[InputFile], batch_rows: int) -> Iterator[IdBatch]:
    """The column of ids of every file, as they are compared, and nothing else."""
    for i, file in enumerate(files):
        row = 0
        for batch in file.source.batches([file.plan.sources[ID]], batch_rows=batch_rows):
            try:
                ids = as_read(batch.column(0), "key", ID).column
            except InputError as error:
                raise file.located(error, row) from None
            yield IdBatch(ids, i, row)
            row += batch.num_rows


def agreed_schema(files: Sequence[InputFile]) -> pa.Schema:
    """The output schema, which every file must lead to. Raises `InputError` naming the file and the column."""
    first = files[0].bound.output_schema
    for file in files[1:]:
        other = file.bound.output_schema
        for here, there, lacks in ((first, other, file), (other, first, files[0])):
            missing = next((n for n in here.names if n not in there.names), None)
            if missing:
                has = files[0] if lacks is file else file
                raise InputError(f"is absent, but {has.source.name} has it", column=missing, file=lacks.source.name)
        for column in other:
            expected = first.field(column.name).type
            if _family(column.type) != _family(expected):
                raise InputError(
                    f"is {column.type}, but {expected} in {files[0].source.name}",
                    column=column.name,
                    file=file.source.name,
                )
    return first


def _family(kind: pa.DataType) -> str:
    if is_text(kind):
        return "text"
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return "integer" if pa.types.is_integer(kind) else str(kind)


def known_tables(
    inputs: Sequence[str | Path], known: Mapping[str, Column], *, encoding: str = "utf-8"
) -> Iterator[pa.Table]:
    """The files' batches as tables of those of their columns that are ``known``. Raises `InputError`."""
    source = open_source(inputs, kinds=lambda n: known[n].cells if n in known else None, encoding=encoding)
    for file in source.files:
        refuse_spellings(file.schema.names, known)
        for batch in file.batches([n for n in file.schema.names if n in known]):
            yield pa.Table.from_batches([batch])
