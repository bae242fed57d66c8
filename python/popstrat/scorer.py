"""Scoring: one `RecordBatch → RecordBatch` function, and the library calls around it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Literal, overload

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from popstrat import bind, quality
from popstrat.attribution import LISTED, Listing
from popstrat.core.soundness import (
    cleared,
    looks_astray,
    refuse_astray,
    refuse_misfits,
    refuse_nulls,
    refuse_unsound_dictionary,
)
from popstrat.dates import from_days, parse_as_of
from popstrat.engine import NEWEST_SHIFT, STREAM_ROWS, Frame, Labels, Memory, Work
from popstrat.errors import InputError
from popstrat.lazy import compute as pc
from popstrat.lower import Compiled, Lowering, Output, read_columns
from popstrat.pack import Definition, Pack, Resolved, load_pack
from popstrat.processors import cores

PROFILES = ("direct-care", "secondary-use")
KEY_COLUMNS = ("patient_id", "practice_code")
PLACE_COLUMNS = ("pcn_code", "neighbourhood", "place")
OPT_OUTS = {"type1_opt_out": "type 1 opt-out", "national_data_opt_out": "national data opt-out"}
_NAMED = 12  # names of columns in a warning
_LISTED_ROWS = 1 << 18  # rows of a batch whose contributions are held, all terms, until the largest are chosen
_TOGETHER = 8 << 20  # bytes of all outputs of a batch that are allocated as one

# how the engine writes an output, and the bytes a row of it takes
_STORED = {
    "bits": pa.bool_(), "codes": pa.uint8(), "short": pa.int16(), "number": pa.float64(), "flags": pa.uint64(),
}  # fmt: skip
_BYTES = {"codes": 1, "short": 2, "number": 8, "flags": 8}
_ARROW = {
    "bool": pa.bool_(), "uint8": pa.uint8(), "int16": pa.int16(), "int32": pa.int32(), "float64": pa.float64(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
}  # fmt: skip

Made = tuple[Memory, Memory | None]
"""Values and validity of an output, to be written."""


@dataclass
class Tally:
    """What was counted while scoring; tallies of parts add up with ``+``."""

    rows_in: int = 0
    rows_out: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    groups: dict[str, dict[str, int]] = field(default_factory=dict)
    sums: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    quality: dict[str, dict[str, int]] = field(default_factory=dict)
    newest_date: dt.date | None = None
    models: dict[str, dict[str, int]] = field(default_factory=dict)
    """`model.kind` (kind: missing, clipped, not_scored) → input or reason → patients."""

    def __add__(self, other: Tally) -> Tally:
        newest = [d for d in (self.newest_date, other.newest_date) if d is not None]
        return Tally(
            self.rows_in + other.rows_in,
            self.rows_out + other.rows_out,
            _added(self.excluded, other.excluded),
            _added_twice(self.groups, other.groups),
            _added(self.sums, other.sums),
            _added(self.counts, other.counts),
            _added_twice(self.quality, other.quality),
            max(newest, default=None),
            _added_twice(self.models, other.models),
        )


def _added(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {k: a.get(k, 0) + b.get(k, 0) for k in [*a, *(k for k in b if k not in a)]}


def _added_twice(a: Mapping[str, dict[str, int]], b: Mapping[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    return {k: _added(a.get(k, {}), b.get(k, {})) for k in [*a, *(k for k in b if k not in a)]}


class Scorer:
    """A pack at an as-of date, ready to score record batches. Immutable, picklable, safe to share between threads.

    Args:
        pack: the name of a built-in pack, the path of a TOML file, or a loaded `Pack`.
        as_of: ISO text or a date; today if None.
        profile: ``direct-care`` (everybody) or ``secondary-use`` (people who opted out are left out and counted; the
            table must hold both opt-out columns).
        contributions: how many of each patient's largest contributions to list, for each model, in a column
            ``<model>_contributions`` (a list of structs: term, amount); None for no such column.

    Raises:
        PackError: the pack is at fault. InputError: the date or the profile is.
    """

    def __init__(
        self,
        pack: str | Path | Pack = "london-2026",
        as_of: str | dt.date | None = None,
        *,
        profile: str = "direct-care",
        contributions: int | None = None,
    ) -> None:
        if profile not in PROFILES:
            raise InputError(f"there is no profile {profile!r}; it is one of {', '.join(PROFILES)}")
        self.pack = load_pack(pack)
        self.as_of = parse_as_of(as_of)
        self.profile = profile
        self.resolved: Resolved = self.pack.at(self.as_of)
        self.contributions = contributions
        self.listings: tuple[Listing, ...] = ()
        if contributions is not None:
            self.listings = tuple(Listing(self.resolved, m, contributions) for m in self.resolved.models.values())
            if not self.listings:
                raise InputError(f"the pack {self.pack.id} has no model whose contributions could be listed")
        self._bound: dict[tuple[pa.Schema, bool], BoundScorer] = {}
        self._last: dict[bool, tuple[pa.Schema, BoundScorer]] = {}
        self._lock = Lock()

    def __setattr__(self, name: str, value: Any) -> None:
        if "_lock" in self.__dict__:  # made, and perhaps shared
            raise AttributeError(f"a Scorer does not change: make another for a different {name}")
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_scorer, (self.pack, self.as_of, self.profile, self.contributions)

    @property
    def pack_record(self) -> dict[str, Any]:
        """Id, version and hashes of the pack, for the run record."""
        return self.pack.record

    @property
    def notices(self) -> tuple[str, ...]:
        """What a reader of the results should know of the definitions used, the models' disclaimers among them."""
        models = (d for d in self.resolved.outputs if d.raw.get("disclaimer"))
        return (*self.resolved.notices, *(f"{d.output}: {d.raw['disclaimer']}" for d in models))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The columns of the patient table that scoring reads, in schema order."""
        read = {*read_columns(self.resolved, self.pack.schema), *KEY_COLUMNS, *PLACE_COLUMNS}
        if self.profile == "secondary-use":
            read.update(OPT_OUTS)
        return tuple(c.name for c in self.pack.schema if c.name in read)

    @property
    def titles(self) -> dict[str, str]:
        """Output column → its title."""
        return {str(d.output): d.title for d in self.resolved.outputs}

    @property
    def models(self) -> dict[str, dict[str, Any]]:
        """What the makers of the pack's models say of them, by definition."""
        found = {}
        for ident, model in self.resolved.models.items():
            definition = self.resolved.definitions[ident]
            raw = definition.raw
            found[ident] = {
                "title": definition.title,
                "name": raw.get("name", ident),
                "version": definition.version,
                "output": definition.output,
                "horizon": raw.get("horizon", ""),
                "intended_use": raw.get("intended_use", ""),
                "disclaimer": raw.get("disclaimer", ""),
                "licence": raw.get("licence", ""),
                "draft": bool(raw.get("draft", False)),
                "terms": len(model.terms),
            }
        return found

    @property
    def quality_bits(self) -> dict[str, int]:
        """What each bit of ``quality_flags`` stands for."""
        return quality.bit_names(self.pack.schema)

    @property
    def input_schema(self) -> pa.Schema:
        """The canonical patient table (columns of other accepted types, and absent optional ones, work as well)."""
        return self.pack.schema.arrow(without=("age",))

    @property
    def output_schema(self) -> pa.Schema:
        """The scored table for the canonical input. Key and place columns keep the type they came in."""
        return self.bind(self.input_schema).output_schema

    def bind(self, schema: pa.Schema, *, counted: bool = True) -> BoundScorer:
        """This scorer for tables of one Arrow schema: compiled once, then kept. Without ``counted`` it only scores and
        counts nothing, which takes less time.

        Raises `InputError` for a missing required column, two columns of one name or a type that cannot be read.
        """
        last = self._last.get(counted)  # comparing schemas is a great deal quicker than hashing one
        if last is not None and last[0].equals(schema):
            return last[1]
        key = schema.remove_metadata(), counted
        with self._lock:
            found = self._bound.get(key)
        if found is None:
            found = BoundScorer(self, key[0], counted=counted)
            with self._lock:
                while len(self._bound) >= 16:
                    self._bound.pop(next(iter(self._bound)))
                self._bound[key] = found
        self._last[counted] = schema, found
        return found

    def checker(self, schema: pa.Schema) -> BoundScorer:
        """As `bind`, for checking every column of the patient table that is there and scoring nothing."""
        return BoundScorer(self, schema.remove_metadata(), check_only=True)

    def score_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Score one record batch: any rows, slices included. One thread, the GIL released. Ids are not checked for
        uniqueness. Raises `InputError`."""
        return self.bind(batch.schema, counted=False).score(batch)[0]

    def score_batches(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score record batches one by one, in order (as Spark's ``mapInArrow`` wants it)."""
        for batch in batches:
            yield self.score_batch(batch)


def _make_scorer(pack: Pack, as_of: dt.date, profile: str, contributions: int | None = None) -> Scorer:
    return Scorer(pack, as_of, profile=profile, contributions=contributions)


class BoundScorer:
    """A `Scorer` for one input schema: the compiled program, the output schema, and what to tell the user."""

    def __init__(
        self,
        scorer: Scorer,
        schema: pa.Schema,
        check_only: bool = False,
        instead: Sequence[Definition] | None = None,
        counted: bool = True,
    ) -> None:
        """``check_only``: every column is checked and nothing is scored. ``instead``: what is written, in place of what
        the pack writes. Not ``counted``: tallies hold nothing but the numbers of rows."""
        self.scorer, self.schema, self.counted = scorer, schema, counted
        patient = scorer.pack.schema
        wanted = [c.name for c in patient] if check_only else scorer.columns
        self.bindings = bind.plan(schema, patient, wanted)
        self.place = [c for c in PLACE_COLUMNS if c in schema.names and not check_only]
        if scorer.profile == "secondary-use":
            for name in OPT_OUTS:
                if name not in schema.names:
                    raise InputError("the profile secondary-use needs this column", column=name)
        kinds = {name: b.kind for name, b in self.bindings.items() if b.kind not in ("id", "text")}
        lowering = Lowering(scorer.resolved, kinds)
        outputs = [] if check_only else scorer.resolved.outputs if instead is None else list(instead)
        self.listings = () if check_only or instead is not None else scorer.listings
        checked = kinds if check_only else [c for c in read_columns(scorer.resolved, patient) if c in kinds]
        self.compiled: Compiled = lowering.compile(
            outputs,
            check=checked,
            flags=not check_only and instead is None,
            tallies={} if check_only or instead is not None else scorer.resolved.tallies,
            aside=[d for listing in self.listings for d in listing.definitions],
            counted=counted,
        )
        aside = sum(len(listing.definitions) for listing in self.listings)
        self._needed: list[int | None] = []  # bytes a row of every buffer of the outputs; None: a bit
        for output in self.compiled.outputs:
            self._needed += [_BYTES.get(output.kind), None] if output.nullable else [_BYTES.get(output.kind)]
        self.outputs = self.compiled.outputs[: len(self.compiled.outputs) - aside]
        self._read: list[tuple[bind.Binding, Labels | None]] = [
            (self.bindings[name], bind.label_codes(patient[name]) if kinds[name].startswith("str") else None)
            for name in self.compiled.columns
        ]
        self._in_place: list[Any] = [(b.position, None, labels) for b, labels in self._read]
        self._to_bind = [
            (i, b, labels)
            for i, (b, labels) in enumerate(self._read)
            if b.convert is not None or b.kind.startswith("dict")
        ]
        self._tables: dict[int, tuple[pa.Array, NDArray[np.uint8] | None, int]] = {}
        self.ignored: tuple[str, ...] = tuple(name for name in schema.names if name not in patient)
        self.notices: tuple[str, ...] = tuple(self._notices())
        self.absent: tuple[str, ...] = tuple(self._absent())
        keys = [] if check_only else [schema.field(c).with_nullable(False) for c in KEY_COLUMNS]
        fields = [*keys, *(schema.field(c) for c in self.place)]
        fields += [pa.field(o.name, self._type(o), nullable=o.nullable) for o in self.outputs]
        fields += [pa.field(listing.name, LISTED) for listing in self.listings]
        self.output_schema: pa.Schema = pa.schema(fields)
        self._dictionaries = {
            o.name: bind.text_array(o.definition.node.type.labels)
            for o in self.outputs
            if o.definition is not None and o.kind == "codes" and o.definition.dtype == "dictionary"
        }
        self._keys = [
            (self.bindings[c].position, c, looks_astray(schema.field(c).type), c in KEY_COLUMNS)
            for c in (*KEY_COLUMNS, *self.place)
        ]
        self._positions = [b.position for b in self.bindings.values()]
        self._check_only = check_only

    def __reduce__(self) -> tuple[Any, ...]:
        return _make_bound, (self.scorer, self.schema, self.counted, self._check_only)

    def _notices(self) -> Iterator[str]:
        patient = self.scorer.pack.schema
        for column in patient:
            if column.dates and column.name not in self.schema.names and column.name in self.scorer.columns:
                there = [c for c in column.dates if c in self.schema.names]
                if there:
                    yield f"there is no column {column.name}: {' and '.join(there)} count as current"

    def _absent(self) -> Iterator[str]:
        """The columns that the definitions read and the table lacks, or holds without a type, all null."""
        others = {*PLACE_COLUMNS, *OPT_OUTS}
        births = {
            b for c in self.scorer.pack.schema if c.completed_years_since for b in (c.name, c.completed_years_since)
        }
        for name in self.scorer.columns:
            binding = self.bindings.get(name)
            if (binding is None or binding.kind == "null") and name not in births | others:
                dated = self.scorer.pack.schema[name].dates
                if not any(c in self.bindings for c in dated):  # a notice says that those count as current
                    yield name

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What absent columns do to the results, for the run record."""
        if not self.absent:
            return ()
        found = [f"absent columns count as null for everybody: {_listed(self.absent)}"]
        resolved = self.scorer.resolved
        for model in (d for d in resolved.outputs if d.kind == "model" and d.parent is None):
            lacking = [c for c in read_columns(resolved, self.scorer.pack.schema, [model]) if c in self.absent]
            if lacking:
                found.append(
                    f"{model.output}: everybody takes the model's default for {_listed(lacking)}; such scores are too "
                    "alike, and often too low"
                )
        return tuple(found)

    def _type(self, output: Output) -> pa.DataType:
        return pa.uint64() if output.definition is None else _ARROW[output.definition.dtype]

    def score(self, batch: pa.RecordBatch, *, threads: int = 1) -> tuple[pa.RecordBatch, Tally]:
        """The scored batch and what was counted. Raises `InputError`, with rows counted within the batch; also for a
        batch whose schema is not the one that this was made for."""
        with _Together(threads) as together:
            together.add(self.start(batch))
        return together.finished()[0]

    def start(self, batch: pa.RecordBatch) -> Started:
        """The batch bound, ready to be run. Raises as `score` does, save for `check_keys`."""
        self._refuse_other_schema(batch.schema)
        refuse_misfits(batch, self._positions)
        given = batch
        tally = Tally(rows_in=batch.num_rows)
        kept = self._not_opted_out(batch, tally) if self.scorer.profile == "secondary-use" else None
        if kept is not None:
            batch = self._only(batch, kept)
        try:
            frame, made = self._frame(batch)
        except InputError as error:
            raise (error if kept is None else error.among(np.flatnonzero(kept).tolist())) from None
        tally.rows_out = batch.num_rows
        return Started(self, given, batch, tally, frame, made)

    def _refuse_other_schema(self, schema: pa.Schema) -> None:
        """Raises `InputError` naming the first difference between a batch's schema and the one that this was made for,
        metadata and whether nulls are allowed aside."""
        if schema is self.schema or schema.equals(self.schema):
            return
        wanted, names = self.schema.names, schema.names
        for i, (name, found) in enumerate(zip(wanted, names, strict=False)):
            if name != found:
                at_fault = found if found not in wanted else name
                raise InputError(
                    f"the scorer is bound to tables whose column {i + 1} is {name!r}, and here that is {found!r}",
                    column=at_fault,
                )
            kind, wanted_kind = schema.field(i).type, self.schema.field(i).type
            if kind != wanted_kind:
                raise InputError(f"is of type {kind}, and the scorer is bound to {wanted_kind}", column=name)
        if len(names) < len(wanted):
            raise InputError("is missing, and the scorer is bound to tables that have it", column=wanted[len(names)])
        if len(names) > len(wanted):
            raise InputError("the scorer is bound to tables without this column", column=names[len(wanted)])

    def check_keys(self, batch: pa.RecordBatch) -> None:
        """Raises `InputError` where a key is null, or where a key or place leads outside its column."""
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
        return pa.RecordBatch.from_arrays(columns, schema=self.output_schema)

    def tally(self, counters: Sequence[int], tally: Tally) -> None:
        """Add what a frame counted."""
        if not self.counted:
            return
        for output in self.outputs:
            self._count(output, counters, tally)
        for (column, reason), counter in self.compiled.quality.items():
            if counters[counter]:
                tally.quality.setdefault(column, {})[reason] = counters[counter]
        for (model, kind, name), place in self.compiled.tallies.items():
            found = tally.models.setdefault(f"{model}.{kind}", {})
            found[name] = 0 if place is None else counters[place]
        newest = max((counters[c] for c in self.compiled.newest.values()), default=0)
        tally.newest_date = from_days(newest - NEWEST_SHIFT) if newest else None

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
            out = pc.fill_null(array.cast(pa.bool_()), False)
            fresh = out if kept is None else pc.and_(out, kept)
            tally.excluded[reason] = pc.sum(fresh).as_py() or 0
            kept = pc.invert(out) if kept is None else pc.and_not(kept, out)
        return kept

    def _only(self, batch: pa.RecordBatch, kept: pa.Array) -> pa.RecordBatch:
        """Those rows, of the columns that are read; Arrow does not filter string views, nor do others matter."""
        read = {binding.position: binding for binding in self.bindings.values()}
        arrays = []
        for i, array in enumerate(batch.columns):
            if i not in read:
                array = pa.nulls(batch.num_rows)
            elif not pa.types.is_dictionary(array.type):  # of which indices are moved, and nothing followed
                refuse_astray(array, read[i].column.name)
            view = pa.types.is_string_view(array.type)
            found = (cleared(array).cast(pa.large_string()) if view else array).filter(kept)
            arrays.append(found.cast(array.type) if view else found)
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)

    def _frame(self, batch: pa.RecordBatch) -> tuple[Frame, list[Made]]:
        rows = batch.num_rows
        columns = self._in_place.copy()
        sizes: dict[int, int] = {}
        for i, binding, labels in self._to_bind:
            array = batch.column(binding.position)
            table, size = (None, 0) if binding.convert is not None else self._table(i, array.dictionary)
            if table is None:
                columns[i], of_table = bind.buffers(array, binding, labels)
                size = of_table or 0
            else:
                columns[i] = (binding.position, table, None)
            if binding.kind.startswith("dict"):
                sizes[i] = size
        bitmap = (rows + 63) // 64 * 8
        needed = [bitmap if size is None else rows * size for size in self._needed]
        rooms = iter(Memory.several(needed, _TOGETHER))
        made = [(next(rooms), next(rooms) if o.nullable else None) for o in self.compiled.outputs]
        return Frame(self.compiled.program, columns, made, rows, batch.__arrow_c_array__(), sizes), made

    def _table(self, i: int, dictionary: pa.Array) -> tuple[NDArray[np.uint8] | None, int]:
        """The engine's table for a column's dictionary, kept since most batches have the same; None if it has too many
        entries."""
        kept = self._tables.get(i)
        binding = self._read[i][0]
        refuse_unsound_dictionary(dictionary, binding.column.name)
        if kept is None or not kept[0].equals(dictionary):
            codes = bind.label_numbers(binding.spellings, dictionary)
            table = bind.label_table(codes) if len(codes) <= 256 else None
            self._tables[i] = kept = (dictionary, table, len(codes))
        return kept[1], kept[2]

    def _array(self, output: Output, rows: int, made: Made, counters: Sequence[int]) -> pa.Array:
        nulls = 0 if output.valid is None else rows - counters[output.valid]
        buffers = [None if made[1] is None else pa.py_buffer(made[1]), pa.py_buffer(made[0])]
        if output.name in self._dictionaries:
            codes = pa.Array.from_buffers(pa.int8(), rows, buffers, nulls)
            return pa.DictionaryArray.from_arrays(codes, self._dictionaries[output.name], safe=False)
        array = pa.Array.from_buffers(_STORED[output.kind], rows, buffers, nulls)
        kind = self._type(output)
        return array if array.type == kind else array.cast(kind)  # the program has seen to it that numbers fit

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


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _make_bound(scorer: Scorer, schema: pa.Schema, counted: bool, check_only: bool) -> BoundScorer:
    return scorer.checker(schema) if check_only else scorer.bind(schema, counted=counted)


@dataclass
class Started:
    """A batch that is being scored: its frame may be run in pieces, by any threads, together with other batches'."""

    bound: BoundScorer
    given: pa.RecordBatch
    batch: pa.RecordBatch  # those rows of it that are scored
    tally: Tally
    frame: Frame
    made: list[Made]

    def finish(self, pieces: NDArray[np.int64]) -> tuple[pa.RecordBatch, Tally]:
        """The scored batch and what was counted, from the counters of all pieces, once all have been run."""
        counters = _together(self.frame, pieces)
        self.bound.tally(counters, self.tally)
        return self.bound.wrap(self.batch, self.made, counters), self.tally


def _together(frame: Frame, pieces: NDArray[np.int64]) -> list[int]:
    """Counters of pieces add up, as whole numbers or doubles; and of the newest dates the newest counts."""
    counters = pieces.sum(axis=0)
    for counter in frame.program.newest:
        counters[counter] = pieces[:, counter].max(initial=0)
    for counter in frame.program.sums:
        counters[counter] = np.ascontiguousarray(pieces[:, counter]).view(np.float64).sum().view(np.int64)
    return counters.tolist()  # type: ignore[no-any-return]


class _Together:
    """Batches scored by several threads at once: they begin when a batch is added, and what is left when the ``with``
    block ends, this thread works on too."""

    def __init__(self, threads: int, stream: bool | None = None) -> None:
        self._work = Work(threads - 1, stream)
        self._started: list[Started] = []

    def __enter__(self) -> _Together:
        return self

    def add(self, started: Started) -> None:
        """Raises as `BoundScorer.score` does."""
        self._started.append(started)
        self._work.add(started.frame)
        started.bound.check_keys(started.given)  # from here on other threads are at work already

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._work.stop()
        self._work.run()

    def finished(self) -> list[tuple[pa.RecordBatch, Tally]]:
        """Each scored batch and what was counted, once the block has ended."""
        return [one.finish(self._work.counters(i)) for i, one in enumerate(self._started)]


_scorers: dict[tuple[str, dt.date, str, int | None], Scorer] = {}


def _scorer(pack: str | Path | Pack, as_of: dt.date, profile: str, contributions: int | None = None) -> Scorer:
    """A scorer, kept for the next call with the same definitions (a changed pack file counts as another)."""
    loaded = load_pack(pack)
    key = (loaded.sha256, as_of, profile, contributions)
    found = _scorers.get(key)
    if found is None:
        found = Scorer(loaded, as_of, profile=profile, contributions=contributions)
        while len(_scorers) >= 8:
            _scorers.pop(next(iter(_scorers)))
        _scorers[key] = found
    return found


def as_table(data: Any) -> pa.Table:
    """A pyarrow table from anything that exports the Arrow PyCapsule stream. Raises `InputError` naming the type."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    if isinstance(data, Mapping):
        return pa.table(data)
    raise InputError(f"a table is needed (anything with __arrow_c_stream__), not {type(data).__name__}")


@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, pack: str | Path | Pack = ..., profile: str = ...,
    threads: int | None = ..., contributions: int | None = ..., record: Literal[False] = ...,
) -> pa.Table: ...  # fmt: skip
@overload
def score(
    table: Any, as_of: str | dt.date | None = ..., *, pack: str | Path | Pack = ..., profile: str = ...,
    threads: int | None = ..., contributions: int | None = ..., record: Literal[True],
) -> tuple[pa.Table, dict[str, Any]]: ...  # fmt: skip


def score(
    table: Any,
    as_of: str | dt.date | None = None,
    *,
    pack: str | Path | Pack = "london-2026",
    profile: str = "direct-care",
    threads: int | None = None,
    contributions: int | None = None,
    record: bool = False,
) -> pa.Table | tuple[pa.Table, dict[str, Any]]:
    """Score a whole registered list in memory.

    Args:
        table: one row a patient, in the shape of the patient table; anything with ``__arrow_c_stream__`` (pyarrow,
            Polars, pandas, DuckDB relations).
        as_of: ISO text or a date; today if None.
        pack, profile: as for `Scorer`.
        threads: how many to use; None for all cores.
        contributions: as for `Scorer`: list so many of each patient's largest contributions.
        record: also return the run record, as a dict.

    Returns:
        The scored table, rows in the same order, less those the profile excludes; with ``record=True`` a pair.

    Raises:
        InputError: the table is at fault (names the column and the first rows). PackError: the pack is.
    """
    started = dt.datetime.now(dt.UTC) if record else None
    table = as_table(table)
    scorer = _scorer(pack, parse_as_of(as_of), profile, contributions)
    bound = scorer.bind(table.schema, counted=record)
    threads = threads or cores()
    first = 0
    most = _LISTED_ROWS if scorer.listings else None
    # many small chunks are as far larger than the caches as one
    with _Together(threads, stream=table.num_rows >= STREAM_ROWS) as together:
        for batch in table.to_batches(most) or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
            try:
                together.add(bound.start(batch))
            except InputError as error:
                raise error.located(None, first) from None
            first += batch.num_rows
        from popstrat import ids  # while the other threads are at work

        ids.check_unique(table.column("patient_id"))
    finished = together.finished()
    out = pa.Table.from_batches([scored for scored, _ in finished], schema=bound.output_schema)
    if started is None:
        return out
    total = sum((tally for _, tally in finished), Tally())
    from popstrat.record import memory_record

    first_ids = table.column("patient_id").slice(0, 1000)
    return out, memory_record(scorer, bound, total, first_ids, started=started, threads=threads)


def contributions(
    table: Any,
    as_of: str | dt.date | None = None,
    *,
    model: str | None = None,
    pack: str | Path | Pack = "london-2026",
    threads: int | None = None,
) -> pa.Table:
    """What every term of a model adds to each patient's linear predictor.

    Args:
        table, as_of, pack, threads: as for `score`.
        model: the model's definition, such as ``admission_risk``; may be left out where the pack has only one.

    Returns:
        One row a patient, in the same order: ``patient_id``, ``practice_code``, places; ``start``, a column for each
        term, 0 where it does not apply; and ``linear_predictor``, to which the others add up exactly. Null for whoever
        the model does not score. Eight bytes a term and patient: score large lists in parts.

    Raises:
        InputError: the table is at fault, or there is no such model. PackError: the pack is.
    """
    from popstrat import ids
    from popstrat.attribution import chosen, every_term

    table = as_table(table)
    scorer = _scorer(pack, parse_as_of(as_of), "direct-care")
    definitions = every_term(scorer.resolved, chosen(scorer.resolved, model))
    bound = BoundScorer(scorer, table.schema.remove_metadata(), instead=definitions)
    threads = threads or cores()
    ids.check_unique(table.column("patient_id"))
    batches, first = [], 0
    for batch in table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
        try:
            batches.append(bound.score(batch, threads=threads)[0])
        except InputError as error:
            raise error.located(None, first) from None
        first += batch.num_rows
    return pa.Table.from_batches(batches, schema=bound.output_schema)
