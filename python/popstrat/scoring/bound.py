"""A scorer for tables of one Arrow schema: batches bound to a compiled program, run by threads, made Arrow again."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat.compiler import OPTIMISED, Compiled, Options, Output, compile_definitions
from popstrat.core.arrow import is_text, text_array, valid
from popstrat.core.dates import from_days
from popstrat.core.lazy import compute as pc
from popstrat.core.soundness import (
    cleared,
    exportable,
    has_views_within,
    looks_astray,
    refuse_astray,
    refuse_misfits,
    refuse_nulls,
    refuse_unsound_dictionary,
)
from popstrat.engine import NEWEST_SHIFT, Frame, Labels, Memory, Program, Work
from popstrat.errors import InputError, recorded_name, shown_name
from popstrat.lang.nodes import Node
from popstrat.packs import plausibility, questions
from popstrat.packs.columns_read import read_columns
from popstrat.packs.definition import Definition
from popstrat.packs.flags import anybody, refuse_other_numbers, true_rows
from popstrat.packs.keys import as_read, kind_of
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import KEY_COLUMNS, OPT_OUTS, PLACE_COLUMNS
from popstrat.packs.resolved import Resolved
from popstrat.scoring import columns as bind
from popstrat.scoring.attribution import LISTED, Listing
from popstrat.scoring.opt_outs import opt_out_missing
from popstrat.scoring.people import People
from popstrat.scoring.tally import Tally

_IN_ONE = 8 << 20  # bytes of all outputs of a batch that are allocated as one

# how the engine writes an output, and the bytes a row of it takes
_STORED = {
    "bits": pa.bool_(), "codes": pa.uint8(), "short": pa.int16(), "number": pa.float64(), "flags": pa.uint64(),
}  # fmt: skip
_CODES = pa.int8()
_BYTES = {"codes": 1, "short": 2, "number": 8, "flags": 8}
_ARROW = {
    "bool": pa.bool_(), "uint8": pa.uint8(), "int16": pa.int16(), "int32": pa.int32(), "float64": pa.float64(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
}  # fmt: skip

Made = tuple[Memory, Memory | None]
"""Values and validity of an output, to be written."""


class Setting(Protocol):
    """What a bound scorer has to know: `popstrat.scoring.scorer.Scorer` is one."""

    pack: Pack
    as_of: dt.date
    profile: str
    resolved: Resolved
    listings: tuple[Listing, ...]
    besides: tuple[Definition, ...]

    @property
    def stamp(self) -> dict[bytes, bytes] | None: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def columns_counted(self) -> tuple[str, ...]: ...
    @property
    def counting(self) -> Resolved: ...
    def bind(self, schema: pa.Schema, *, counted: bool = True) -> BoundScorer: ...
    def checker(self, schema: pa.Schema) -> BoundScorer: ...


class BoundScorer:
    """A `Scorer` for one input schema: the compiled program, the output schema, and what to tell the user."""

    def __init__(
        self,
        scorer: Setting,
        schema: pa.Schema,
        check_only: bool = False,
        instead: Sequence[Definition] | None = None,
        counted: bool = True,
        options: Options = OPTIMISED,
        whole: bool = True,
    ) -> None:
        """``check_only``: every column is checked and nothing is scored. ``instead``: what is written, in place of what
        the pack writes. Not ``counted``: tallies hold the numbers of rows and what is warned of. ``options``: what
        the compiler may leave undone. Not ``whole``: the table need not have what a patient table must."""
        self.scorer, self.given_schema, self.counted = scorer, schema, counted
        patient = scorer.pack.schema
        readings = counted and not check_only and instead is None
        resolved = scorer.counting if readings else scorer.resolved
        if check_only:
            wanted: Sequence[str] = [c.name for c in patient]
        else:
            wanted = scorer.columns_counted if readings else scorer.columns
        looked_at = {*wanted, *KEY_COLUMNS, *PLACE_COLUMNS, *OPT_OUTS}
        self._made_plain = bind.made_plain(schema, patient, looked_at)
        self.schema = schema = bind.plain_schema(schema, self._made_plain)
        self.bindings = bind.plan(schema, patient, wanted, whole=whole)
        self.place = [c for c in PLACE_COLUMNS if c in schema.names and not check_only]
        if scorer.profile == "secondary-use":
            for name in OPT_OUTS:
                if name not in schema.names:
                    raise opt_out_missing(name)
                if pa.types.is_null(schema.field(name).type):
                    raise InputError(
                        "holds nothing and has no type; the profile secondary-use needs this column filled", column=name
                    )
        kinds = {name: b.kind for name, b in self.bindings.items() if b.kind not in ("id", "text")}
        outputs = [] if check_only else scorer.resolved.outputs if instead is None else list(instead)
        self.listings = () if check_only or instead is not None else scorer.listings
        besides = () if check_only or instead is not None else scorer.besides
        checked = kinds if check_only else [c for c in read_columns(scorer.resolved, patient) if c in kinds]
        of_people = check_only or instead is None
        self._questions = self._answerable(checked, check_only) if of_people else {}
        left_out = OPT_OUTS if scorer.profile == "secondary-use" else ()  # those who have opted out are not looked at
        self.compiled: Compiled = compile_definitions(
            resolved,
            kinds,
            outputs,
            check=checked,
            flags=not check_only and instead is None,
            tallies={} if check_only or instead is not None else resolved.tallies,
            aside=[*(d for listing in self.listings for d in listing.definitions), *besides],
            filled=[c for c in checked if c not in left_out] if of_people else (),
            questions=self._questions,
            counted=counted,
            options=options,
        )
        aside = sum(len(listing.definitions) for listing in self.listings)
        self._needed: list[int | None] = []  # bytes a row of every buffer of the outputs; None: a bit
        for i, output in enumerate(self.compiled.outputs):
            self._needed += [_BYTES.get(output.kind), None] if output.nulls_of == i else [_BYTES.get(output.kind)]
        end = len(self.compiled.outputs) - len(besides)
        self.outputs, self.besides = self.compiled.outputs[: end - aside], self.compiled.outputs[end:]
        self._read: list[tuple[bind.Binding, Labels | None]] = [
            (self.bindings[name], bind.label_codes(patient[name]) if kinds[name].startswith("str") else None)
            for name in self.compiled.columns
        ]
        read = {b.position for b in self.bindings.values()}
        self._with_views = {i: i in read for i, field in enumerate(schema) if has_views_within(field.type)}
        self._in_place: list[Any] = [(b.position, None, labels) for b, labels in self._read]
        self._to_bind = [
            (i, b, labels)
            for i, (b, labels) in enumerate(self._read)
            if b.convert is not None or b.kind.startswith("dict")
        ]
        self._flags = {
            c: counter for (c, why), counter in self.compiled.quality.items() if why == plausibility.FLAG_REASON
        }
        self._of_yes_and_no = {name for name, b in self.bindings.items() if b.column.type == "bool"}
        self._tables: dict[int, tuple[pa.Array, NDArray[np.uint8], int]] = {}
        self.ignored: tuple[str, ...] = tuple(
            recorded_name(name, i) for i, name in enumerate(schema.names, 1) if name not in patient
        )
        self.notices: tuple[str, ...] = tuple(self._notices())
        self.absent: tuple[str, ...] = tuple(self._absent())
        keys = [] if check_only else [schema.field(c).with_nullable(False) for c in KEY_COLUMNS]
        fields = [*keys, *(schema.field(c) for c in self.place)]
        fields += [pa.field(o.name, self._type(o), nullable=o.nullable) for o in self.outputs]
        fields += [pa.field(listing.name, LISTED) for listing in self.listings]
        fields += [pa.field(o.name, self._type(o), nullable=o.nullable) for o in self.besides]
        stamp = None if check_only or instead is not None else scorer.stamp
        self.output_schema: pa.Schema = pa.schema(fields, metadata=stamp)
        self._dictionaries = {
            o.name: text_array(o.definition.node.type.labels)
            for o in (*self.outputs, *self.besides)
            if o.definition is not None and o.kind == "codes" and o.definition.dtype == "dictionary"
        }
        self._keys = [
            (self.bindings[c].position, c, None if _is_plain_text(kind) else looks_astray(kind), c in KEY_COLUMNS)
            for c, kind in ((c, schema.field(c).type) for c in (*KEY_COLUMNS, *self.place))
        ]
        self._positions = [b.position for b in self.bindings.values()]
        self._spelt = [
            (b.position, name, kind)
            for name, b in self.bindings.items()
            if (kind := kind_of(name)) and is_text(schema.field(b.position).type)
        ]
        self._check_only = check_only

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_bound, (self.scorer, self.given_schema, self.counted, self._check_only)

    def _notices(self) -> Iterator[str]:
        patient = self.scorer.pack.schema
        for column in patient:
            if column.dates and column.name not in self.schema.names and column.name in self.scorer.columns:
                there = [c for c in column.dates if c in self.schema.names]
                if there:
                    told, counts = " and ".join(there), "counts" if len(there) == 1 else "count"
                    yield f"no dates of {told}: the list has no column {column.name}, so {told} {counts} as current"

    def _answerable(self, checked: Collection[str], check_only: bool) -> dict[str, Sequence[Node]]:
        """The conditions of each question all of whose columns are looked at and hold something."""
        patient = self.scorer.pack.schema
        found: dict[str, Sequence[Node]] = {}
        there = {c for c in checked if self.bindings[c].kind != "null"}
        for question in (q for q in questions.questions(patient) if check_only or not q.check):
            nodes = questions.conditions(question, patient, self.scorer.as_of)
            births = {c: patient[c].completed_years_since for c in questions.columns_of(nodes)}
            if all(c in there or birth in there for c, birth in births.items()):
                found[question.name] = nodes
        return found

    def _absent(self) -> Iterator[str]:
        """The columns that the definitions read and the table lacks."""
        others = {*PLACE_COLUMNS, *OPT_OUTS}
        births = {name for pair in self.scorer.pack.schema.either for name in pair}
        for name in self.scorer.columns:
            if name not in self.bindings and name not in births | others:
                dated = self.scorer.pack.schema[name].dates
                if not any(c in self.bindings for c in dated):  # a notice says that those count as current
                    yield name

    def _type(self, output: Output) -> pa.DataType:
        return pa.uint64() if output.definition is None else _ARROW[output.definition.dtype]

    def score(self, batch: pa.RecordBatch, *, threads: int = 1) -> tuple[pa.RecordBatch, Tally]:
        """The scored batch and what was counted. Raises `InputError`, with rows counted within the batch; also for a
        batch whose schema is not the one that this was made for."""
        return self.start(batch).run(threads)

    def start(self, batch: pa.RecordBatch) -> Started:
        """The batch bound, ready to be run. Raises as `score` does, save for `check_keys`."""
        self._refuse_other_schema(batch.schema)
        refuse_misfits(batch, self._positions)
        if self._made_plain:
            batch = bind.plainly(batch, self._made_plain, self.schema)
        tally = Tally(rows_in=batch.num_rows)
        given = batch = self._with_keys(batch, tally)
        kept = self._not_opted_out(batch, tally) if self.scorer.profile == "secondary-use" else None
        if kept is not None:
            batch = self._only(batch, kept)
        try:
            frame, made = self._frame(batch)
        except InputError as error:
            raise (error if kept is None else error.among(np.flatnonzero(kept).tolist())) from None
        tally.rows_out = batch.num_rows
        return Started(self, given, batch, kept, tally, frame, made)

    def _refuse_other_schema(self, schema: pa.Schema) -> None:
        """Raises `InputError` naming the first difference between a batch's schema and the one that this was made for,
        metadata and whether nulls are allowed aside."""
        if schema is self.given_schema or schema.equals(self.given_schema):
            return
        wanted, names = self.given_schema.names, schema.names
        for i, (name, found) in enumerate(zip(wanted, names, strict=False)):
            if name != found:
                at_fault = found if found not in wanted else name
                raise InputError(
                    f"the scorer is bound to tables whose column {i + 1} is {shown_name(name)}, and here that is "
                    f"{shown_name(found)}",
                    column=at_fault,
                )
            kind, wanted_kind = schema.field(i).type, self.given_schema.field(i).type
            if kind != wanted_kind:
                raise InputError(f"is of type {kind}, and the scorer is bound to {wanted_kind}", column=name)
        if len(names) < len(wanted):
            raise InputError("is missing, and the scorer is bound to tables that have it", column=wanted[len(names)])
        if len(names) > len(wanted):
            raise InputError("the scorer is bound to tables without this column", column=names[len(wanted)])

    def check_keys(self, batch: pa.RecordBatch) -> None:
        """Raises `InputError` where a key is null, or where a key or place leads outside its column. Plain text was
        looked at when it was read (`_with_keys`)."""
        for position, name, look, key in self._keys:
            array = batch.column(position)
            if look is not None:
                look(array, name)
            if key:
                refuse_nulls(array, name)

    def wrap(self, batch: pa.RecordBatch, made: list[Made], counters: Sequence[int]) -> pa.RecordBatch:
        """The scored batch around the memory that its frame has written to, and from what it counted."""
        columns: list[pa.Array] = []
        if self.compiled.outputs:
            columns = [batch.column(self.bindings[c].position) for c in (*KEY_COLUMNS, *self.place)]
        columns += [self._array(o, batch.num_rows, room, counters) for o, room in zip(self.outputs, made, strict=False)]
        start = len(self.outputs)
        for listing in self.listings:
            end = start + len(listing.definitions)
            columns.append(listing.column(made[start:end], batch.num_rows))
            start = end
        besides = zip(self.besides, made[start:], strict=True)
        columns += [self._array(o, batch.num_rows, room, counters) for o, room in besides]
        return pa.RecordBatch.from_arrays(columns, schema=self.output_schema)

    def people(self) -> People:
        """To find out of what age and sex the people of a table are, as its batches pass."""
        return People(
            self.bindings, self.scorer.pack.schema, self.scorer.as_of, self._plainly if self._made_plain else None
        )

    def _plainly(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """A batch of unusual types as it is read; one that was made plain already as it is."""
        return batch if batch.schema.equals(self.schema) else bind.plainly(batch, self._made_plain, self.schema)

    def refuse_flags(self, batch: pa.RecordBatch) -> None:
        """Raises `InputError` naming the first rows where a flag is a number other than 0 and 1."""
        for name in self._flags:
            binding = self.bindings[name]
            column = batch.column(binding.position)
            refuse_other_numbers(bind.converted(column, binding), name)

    def refuse_flags_counted(self, counters: Sequence[int], batch: pa.RecordBatch) -> None:
        """Raises as `refuse_flags`, by what a frame counted in a batch."""
        if any(counters[counter] for counter in self._flags.values()):
            self.refuse_flags(batch)
            raise RuntimeError("internal error: flags were counted as neither true nor false, and are not found")

    def tally(self, counters: Sequence[int], tally: Tally, batches: Sequence[pa.RecordBatch]) -> None:
        """Add what frames counted in these batches, all together."""
        for name, (both, wrong) in self.compiled.out_of_order.items():
            tally.disorder[name] = {"both": counters[both], "not_below": counters[wrong]}
        for name, places in self.compiled.recorded.items():
            count = 0
            for at in places:  # there are many columns, and `sum` takes several times as long for one or two
                count += counters[at]
            if name not in self._of_yes_and_no:
                implausible = count and count != counters[places[0]]
                no_record = sum(self._not_numbers(name, batch) for batch in batches) if implausible else 0
                tally.recorded[name] = count - no_record
                continue
            tally.true[name] = count
            if places and not count:
                tally.false[name] = int(self._anybody_without(name, batches))
        if not all(tally.false.values()) and not any(tally.false.values()):  # is any flag ever said to be false?
            said = (f for f in tally.true if self._anybody_without(f, batches))
            tally.false.update(dict.fromkeys(itertools.islice(said, 1), 1))
        for name, conditions in self.compiled.asked.items():
            tally.asked[name] = [0 if place is None else counters[place] for place in conditions]
        for (column, reason), counter in self.compiled.quality.items():
            if counters[counter]:
                tally.quality.setdefault(column, {})[reason] = counters[counter]
        for (model, kind, name), place in self.compiled.tallies.items():
            found = tally.models.setdefault(f"{model}.{kind}", {})
            found[name] = 0 if place is None else counters[place]
        if not self.counted:
            return
        for output in self.outputs:
            self._count(output, counters, tally)
        newest = max((counters[c] for c in self.compiled.newest.values()), default=0)
        tally.newest_date = from_days(newest - NEWEST_SHIFT) if newest else None

    def _anybody_without(self, flag: str, batches: Sequence[pa.RecordBatch]) -> bool:
        """Whether anybody is recorded as not having it."""
        return any(anybody(batch.column(self.bindings[flag].position), False) for batch in batches)

    def _not_numbers(self, name: str, batch: pa.RecordBatch) -> int:
        """How many values of a column are NaN, which is no record."""
        binding = self.bindings[name]
        dtype = {"f32": np.float32, "f64": np.float64}.get(binding.kind)
        if dtype is None:
            return 0
        numbers = bind.converted(batch.column(binding.position), binding)
        nan = np.isnan(np.frombuffer(numbers.buffers()[1], dtype, numbers.offset + len(numbers))[numbers.offset :])
        return int((nan & valid(numbers)).sum()) if nan.any() else 0

    def _with_keys(self, batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
        """The batch with its keys and codes as they are compared."""
        for position, name, kind in self._spelt:
            column, respelt = as_read(batch.column(position), kind, name)
            if respelt:
                tally.respelt[name] = respelt
                batch = batch.set_column(position, batch.schema.field(position), column)
        return batch

    def _not_opted_out(self, batch: pa.RecordBatch, tally: Tally) -> pa.Array | None:
        """Which rows are of people who have not opted out, None for all; each other row is counted under the first
        reason that applies."""
        kept: pa.Array | None = None
        for name, reason in OPT_OUTS.items():
            binding = self.bindings.get(name) or bind.bind_column(
                self.scorer.pack.schema[name], self.schema.names.index(name), self.schema.field(name).type
            )
            if binding.kind == "null":
                tally.excluded[reason] = 0
                continue
            array = bind.converted(batch.column(binding.position), binding)
            out = true_rows(array, name)
            fresh = out if kept is None else pc.and_(out, kept)
            tally.excluded[reason] = pc.sum(fresh).as_py() or 0
            kept = pc.invert(out) if kept is None else pc.and_not(kept, out)
        return kept

    def _only(self, batch: pa.RecordBatch, kept: pa.Array) -> pa.RecordBatch:
        """Those rows, of the columns that are read; Arrow does not filter string views, nor do others matter."""
        read = {binding.position: binding for binding in self.bindings.values()}
        arrays = []
        for i in range(batch.num_columns):
            array = batch.column(i) if i in read else pa.nulls(batch.num_rows)  # another may be of any type there is
            if i in read and not pa.types.is_dictionary(array.type):  # of which indices are moved, and nothing followed
                refuse_astray(array, read[i].column.name)
            view = pa.types.is_string_view(array.type)
            found = (cleared(array).cast(pa.large_string()) if view else array).filter(kept)
            arrays.append(exportable(found.cast(array.type)) if view else found)
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _frame(self, batch: pa.RecordBatch) -> tuple[Frame, list[Made]]:
        rows = batch.num_rows
        columns = self._in_place.copy()
        sizes: dict[int, int] = {}
        for i, binding, labels in self._to_bind:
            array = batch.column(binding.position)
            if binding.convert is None:
                table, sizes[i] = self._table(i, array.dictionary)
                columns[i] = (binding.position, table, None)
                continue
            columns[i], size = bind.buffers(array, binding, labels)
            if size is not None:
                sizes[i] = size
        bitmap = (rows + 63) // 64 * 8
        needed = [bitmap if size is None else rows * size for size in self._needed]
        memory = iter(Memory.several(needed, _IN_ONE))
        made: list[Made] = []
        for i, output in enumerate(self.compiled.outputs):
            values = next(memory)
            valid = next(memory) if output.nulls_of == i else made[output.nulls_of][1] if output.nullable else None
            made.append((values, valid))
        return Frame(self.compiled.program, columns, made, rows, self._exported(batch), sizes), made

    def _exported(self, batch: pa.RecordBatch) -> Any:
        """The batch as Arrow's C data, without columns that hold views and are not read: these may be of any type."""
        if self._with_views:
            columns = batch.columns
            for i, read in self._with_views.items():
                columns[i] = exportable(columns[i]) if read else pa.nulls(batch.num_rows)
            batch = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
        return batch.__arrow_c_array__()

    def _table(self, i: int, dictionary: pa.Array) -> tuple[NDArray[np.uint8], int]:
        """The engine's table for a column's dictionary, kept since most batches have the same."""
        kept = self._tables.get(i)
        binding = self._read[i][0]
        refuse_unsound_dictionary(dictionary, binding.column.name)
        if kept is None or not kept[0].equals(dictionary):
            codes = bind.label_numbers(binding.spellings, dictionary)
            self._tables[i] = kept = (dictionary, *bind.label_table(codes, binding.kind))
        return kept[1], kept[2]

    def _array(self, output: Output, rows: int, made: Made, counters: Sequence[int]) -> pa.Array:
        nulls = 0 if output.valid is None else rows - counters[output.valid]
        buffers = [None if made[1] is None else pa.py_buffer(made[1]), pa.py_buffer(made[0])]
        dictionary = self._dictionaries.get(output.name)
        if dictionary is not None:
            codes = pa.Array.from_buffers(_CODES, rows, buffers, nulls)
            return pa.DictionaryArray.from_arrays(codes, dictionary, safe=False)
        stored = _STORED[output.kind]
        array = pa.Array.from_buffers(stored, rows, buffers, nulls)
        kind = self._type(output)
        return array if stored == kind else array.cast(kind)  # the program has seen to it that numbers fit

    def _count(self, output: Output, counters: Sequence[int], tally: Tally) -> None:
        definition = output.definition
        if definition is None:
            return
        if definition.dtype in ("bool", "dictionary"):
            labels = ("true",) if definition.dtype == "bool" else definition.node.type.labels
            tally.groups[output.name] = {
                label: counters[output.counters[label]] if label in output.counters else 0 for label in labels
            }
        else:
            tally.counts[output.name] = counters[output.counters[""]] if "" in output.counters else 0
            if output.total is not None:
                tally.sums[output.name] = float(np.int64(counters[output.total]).view(np.float64))
            else:
                tally.sums[output.name] = float(sum(counters[c] << bit for bit, c in enumerate(output.total_planes)))


def _is_plain_text(kind: pa.DataType) -> bool:
    """Whether it is text by offsets, in no dictionary."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _make_bound(scorer: Setting, schema: pa.Schema, counted: bool, check_only: bool) -> BoundScorer:
    return scorer.checker(schema) if check_only else scorer.bind(schema, counted=counted)


@dataclass
class Started:
    """A batch that is being scored: its frame may be run in pieces, by any threads, together with other batches'."""

    bound: BoundScorer
    given: pa.RecordBatch  # with its keys and codes as they are compared
    batch: pa.RecordBatch  # those rows of it that are scored
    kept: pa.Array | None  # which rows those are, if not all
    tally: Tally
    frame: Frame
    made: list[Made]

    def run(self, threads: int) -> tuple[pa.RecordBatch, Tally]:
        """The scored batch and what was counted. Raises as `BoundScorer.score`."""
        with Together(threads) as together:
            together.add(self)
        (scored,), tally = together.finished()
        return scored, tally

    def finish(self, pieces: NDArray[np.int64]) -> pa.RecordBatch:
        """The scored batch, from the counters of all pieces, once all have been run. Raises as
        `BoundScorer.refuse_flags`."""
        counters = _added(self.frame.program, pieces)
        try:
            self.bound.refuse_flags_counted(counters, self.batch)
        except InputError as error:
            raise self.in_given(error) from None
        return self.bound.wrap(self.batch, self.made, counters)

    def in_given(self, error: InputError) -> InputError:
        """An error about rows of the scored batch as one about rows of the given one."""
        return error if self.kept is None else error.among(np.flatnonzero(self.kept).tolist())


def _added(program: Program, pieces: NDArray[np.int64]) -> list[int]:
    """Counters of pieces add up, as whole numbers or doubles; and of the newest dates the newest counts."""
    counters = pieces.sum(axis=0)
    for counter in program.newest:
        counters[counter] = pieces[:, counter].max(initial=0)
    for counter in program.sums:
        counters[counter] = np.ascontiguousarray(pieces[:, counter]).view(np.float64).sum().view(np.int64)
    return counters.tolist()  # type: ignore[no-any-return]


class Together:
    """Batches of one bound scorer, scored by several threads at once: they begin when a batch is added, and what is
    left when the ``with`` block ends, this thread works on too; what is complete by then it makes Arrow while the
    others go on. What was counted is added up once, for all of them: a table may come in many batches."""

    def __init__(self, threads: int, stream: bool | None = None) -> None:
        self._work = Work(threads - 1, stream)
        self._started: list[Started] = []
        self._found: list[pa.RecordBatch] = []

    def __enter__(self) -> Together:
        return self

    def add(self, started: Started) -> None:
        """Raises as `BoundScorer.score` does, and ValueError for a batch of another bound scorer."""
        if self._started and started.bound is not self._started[0].bound:
            raise ValueError("a batch of another bound scorer")
        self._started.append(started)
        self._work.add(started.frame)
        started.bound.check_keys(started.given)  # from here on other threads are at work already

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._work.stop()
        try:
            # what this thread makes Arrow it makes of many batches in a row: running what is left in between would put
            # all that this takes out of the caches, which of small batches is most of the time
            if kind is None and self._started:
                self._work.run_until(len(self._started) * 7 // 8)
            while kind is None and len(self._found) < len(self._started) and self._work.run_until(len(self._found)):
                self._finish_next()
        except InputError:  # which comes again, and is for `finished` to raise
            pass
        self._work.run()

    def _finish_next(self) -> None:
        i = len(self._found)
        self._found.append(self._started[i].finish(self._work.counters(i)))

    def finished(self) -> tuple[list[pa.RecordBatch], Tally]:
        """The scored batches and what was counted in all of them, once the block has ended. Raises `InputError` with
        rows counted from the first of all batches."""
        while len(self._found) < len(self._started):
            try:
                self._finish_next()
            except InputError as error:
                first = sum(one.given.num_rows for one in self._started[: len(self._found)])
                raise error.located(None, first) from None
        tally = Tally.of(started.tally for started in self._started)
        if self._started:
            bound = self._started[0].bound
            pieces = np.concatenate([self._work.counters(i) for i in range(len(self._started))])
            bound.tally(_added(bound.compiled.program, pieces), tally, [started.batch for started in self._started])
        return self._found, tally
