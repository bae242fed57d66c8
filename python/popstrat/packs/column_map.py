"""The column map applied: a file's columns under our names, with our values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import is_text, without_views
from popstrat.core.lazy import compute as pc
from popstrat.core.text import suggest
from popstrat.errors import InputError, shown_name
from popstrat.packs.patient_table import Column, fold_label, refuse_spellings
from popstrat.packs.spellings import EXPECTED, TYPED, USUAL, Spelling, Unreadable, chosen, folded, readable, value

OTHERS = "*"
"""The key of a column's values that stands for every text that no other key does."""

_LABELS = pa.dictionary(pa.int32(), pa.string())
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0*")
_MAPPED: tuple[str, ...] = ("string", "category", "text", *TYPED)


@dataclass(frozen=True)
class Split:
    """A column of ours that is a part of the text of one of the file's: ``part`` counts from 1, between ``by``, of so
    many ``parts``."""

    source: str
    by: str
    part: int
    parts: int = 2

    def of(self, text: str | None) -> str | Unreadable | None:
        """That part; None if there is no text, an `Unreadable` if it has fewer parts, or more."""
        if text is None or not text.strip():
            return None
        parts = text.split(self.by)
        return parts[self.part - 1].strip() if len(parts) == max(self.parts, self.part, 2) else _NO_PART


_NO_PART = Unreadable("a cell cannot be taken apart as the map says")


@dataclass(frozen=True)
class Unit:
    """From the file's unit to ours: ``multiply`` first, then ``add``, then to so many decimals, if that is said."""

    multiply: float = 1.0
    add: float = 0.0
    round: int | None = None

    def of(self, number: float) -> float:
        found = number * self.multiply + self.add
        return found if self.round is None or not math.isfinite(found) else round(found, self.round) + 0.0

    def of_column(self, numbers: pa.Array) -> pa.Array:
        """The same of a column of doubles."""
        found = pc.add(pc.multiply(numbers, self.multiply), self.add)
        return found if self.round is None else pc.round(found, self.round, "half_to_even")


@dataclass(frozen=True)
class Recoding:
    """What becomes of one column's values.

    A text that a key of ``table`` stands for becomes what the key says: exactly that text, or, where no key is, the
    same without blanks around and capitals, and ``1.0`` the same as ``1``. Others are taken apart (``split``), read by
    ``spelling`` and brought to our unit. `OTHERS` stands for what cannot be read, or is none of the ``labels``.
    """

    name: str
    kind: str
    table: Mapping[str, str | None]
    spelling: Spelling
    split: Split | None
    unit: Unit | None
    labels: frozenset[str] = frozenset()

    @cached_property
    def _loose(self) -> dict[str, str]:
        """The keys by what they are without blanks and capitals, where that is said of one value only."""
        found: dict[str, str] = {}
        for key, ours in self.table.items():
            if key != OTHERS and self.table[found.setdefault(_loosely(key), key)] != ours:
                found[_loosely(key)] = ""
        return {loose: key for loose, key in found.items() if key or not loose}

    def key(self, text: str | None) -> str | None:
        """The key of the table that stands for a text; None for none."""
        if not self.table:
            return None
        if text is None:
            return self._loose.get("")
        if text in self.table and text != OTHERS:
            return text
        return self._loose.get(_loosely(text))

    def _is_other(self, text: str | None, found: Any) -> bool:
        """Whether a text that has no key says nothing by itself, so that `OTHERS` stands for it."""
        if OTHERS not in self.table or text is None or not text.strip():
            return False
        return isinstance(found, Unreadable) if self.kind in TYPED else fold_label(text.strip(" ")) not in self.labels

    def entry(self, text: str | None) -> tuple[Any, str | None]:
        """What a text becomes, and the key that stood for it."""
        whole = text is not None and folded(text) in self.spelling.nulls
        part = self.split.of(text) if self.split and not whole else text
        if isinstance(part, Unreadable):
            return part, None
        key = self.key(part)
        if key is not None:
            return value(self.table[key], self.kind), key
        found = value(part, self.kind if self.unit is None else "percent", self.spelling)
        if not whole and self._is_other(part, found):
            return value(self.table[OTHERS], self.kind), OTHERS
        return (self.unit.of(found) if self.unit and isinstance(found, float) else found), None

    @property
    def needs_text(self) -> bool:
        """Whether CSV cells must come as text."""
        return bool(self.table or self.split or self.spelling.touches(self.kind))

    def changes(self, kind: pa.DataType) -> bool:
        """Whether a column of this Arrow type does not stay as it is."""
        if self.table or self.split:
            return True
        if is_text(kind) or self._days_as_numbers(kind):
            return self.spelling.touches(self.kind) or self.unit is not None
        return self.unit is not None

    def _days_as_numbers(self, kind: pa.DataType) -> bool:
        """Whether numbers are to be read as days by a form of dates, such as yyyymmdd."""
        number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        return number and self.kind == "date" and bool(self.spelling.dates)

    def type(self, kind: pa.DataType) -> pa.DataType:
        """What a column of this Arrow type becomes."""
        return TYPED.get(self.kind, _LABELS) if self.changes(kind) else kind

    def apply(self, column: pa.Array, met: set[str]) -> pa.Array:
        """The column with our values; keys that stood for something are added to ``met``.

        Raises `InputError` with the column and its first rows for a value that cannot be what it is read as.
        """
        if not self.changes(column.type):
            return column
        if not (self.table or self.split or is_text(column.type) or self._days_as_numbers(column.type)):
            assert self.unit is not None
            numbers = column.cast(pa.float64(), safe=False)
            return self.unit.of_column(numbers).cast(TYPED[self.kind], safe=False)
        column = without_views(column)
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        entries = [self.entry(text) for text in _texts(coded.dictionary)]
        met.update(key for _, key in entries if key is not None)
        blank, key = self.entry(None)
        if key is not None and coded.null_count:
            met.add(key)
            coded = _with_entry(coded)
            entries.append((blank, key))
        values = [found for found, _ in entries]
        problem = ""
        if self.kind == "date" and self.spelling.dates:
            forms = " or ".join((*self.spelling.dates, "YYYY-MM-DD"))
            problem = f"a cell is not a date as {forms} (empty means no record)"
        if self.table and self.kind in TYPED:
            problem = f"holds a value that [values.{self.name}] does not map and that is not {EXPECTED[self.kind]}"
        if self.kind in TYPED:
            return chosen(values, coded, self.kind, self.name, TYPED[self.kind], problem)
        return _with_values(coded, pa.array(readable(values, coded, self.name), pa.string()))


@dataclass(frozen=True)
class ColumnMap:
    """A mapping, checked against the columns that popstrat knows.

    ``columns`` is our name → the file's; ``values`` our name → {the file's value as text: ours, as text, or None for no
    record}; ``const`` our name → value as text; ``spelling`` how text is spelt in every column, ``spellings`` in one of
    ours; ``split`` and ``units`` by our name.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)
    const: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    sha256: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
    spelling: Spelling = USUAL
    spellings: Mapping[str, Spelling] = field(default_factory=dict)
    split: Mapping[str, Split] = field(default_factory=dict)
    units: Mapping[str, Unit] = field(default_factory=dict)

    @property
    def sources(self) -> Mapping[str, str]:
        """Our name → the column of the file that it is read from, of those that the map names."""
        return {**self.columns, **{ours: split.source for ours, split in self.split.items()}}

    def recoding(self, ours: str, known: Mapping[str, Column]) -> Recoding | None:
        """What becomes of the values of a column of ours; None if it stays as it is, whatever its type."""
        kind = known[ours].cells if ours in known else "text"
        if kind not in _MAPPED or (ours not in known and ours not in self.values):
            return None
        spelling = self.spellings.get(ours, USUAL).over(self.spelling)
        labels = frozenset(known[ours].label_codes()) if ours in known and known[ours].labels else frozenset()
        found = Recoding(
            ours, kind, self.values.get(ours, {}), spelling, self.split.get(ours), self.units.get(ours), labels
        )
        return found if found.needs_text or found.unit else None

    def kind(self, theirs: str, known: Mapping[str, Column]) -> str | None:
        """What a column of the file holds, for reading CSV: cells whose values are changed are read as text."""
        readers = [o for o, t in self.sources.items() if t == theirs] or [our_name(theirs, known)]
        recodings = [self.recoding(ours, known) for ours in readers]
        if len(readers) > 1 or any(r is not None and r.needs_text for r in recodings):
            return "text"
        if readers[0] not in known:
            return None
        kind = known[readers[0]].cells
        if readers[0] in self.units:  # the map says what the unit is, and so what a % behind a number means
            return "percent32" if known[readers[0]].single else "percent"
        return kind

    def plan(self, names: Sequence[str], known: Mapping[str, Column], of: str = "the input") -> MapPlan:
        """How to read a file with these column names. Raises `InputError` if it lacks a column that is mapped; ``of``
        is what messages call the file."""
        mapped = self.sources
        for ours, theirs in mapped.items():
            if theirs not in names:
                where = "split" if ours in self.split else "columns"
                raise InputError(
                    f"[{where}] {ours} = {shown_name(theirs)}: {of} has no such column{suggest(theirs, names)}",
                    file=self.name,
                )
        for ours in self.const:
            if ours in names and ours not in mapped.values():
                raise InputError(f"[const] {ours}: {of} has that column already", file=self.name)
        taken = set(mapped.values())
        refuse_spellings((name for name in names if name not in taken), known)
        sources = dict(mapped)
        hidden: list[str] = []
        recased: list[str] = []
        doubled: list[str] = []
        for name in sorted(names, key=lambda name: name not in known):  # a name as it should be comes first
            ours = our_name(name, known)
            if name in taken:
                continue
            if name in sources:
                hidden.append(name)
            elif ours in sources or ours in self.const:  # another column has that name already
                sources[name] = name
                if ours != name:
                    doubled.append(name)
            else:
                sources[ours] = name
                if ours != name:
                    recased.append(name)
        for table, about in (("values", self.values), ("text", self.spellings), ("units", self.units)):
            for ours in about:
                if ours not in sources:
                    raise InputError(f"[{table}.{ours}]: {of} has no column {ours!r}", file=self.name)
        ordered = {ours: sources[ours] for ours in _in_file_order(sources, names)}
        return MapPlan(self, ordered, tuple(hidden), known, tuple(recased), tuple(doubled), of)


@dataclass(frozen=True)
class MapPlan:
    """A mapping applied to one file: ``sources`` is our name → the file's column, in the file's order; ``hidden`` the
    columns of the file that a mapped one takes the name of; ``recased`` those that are read though their names differ
    from ours in capitals or blanks around, ``doubled`` those that are not, since ours has another column; ``of`` what
    messages call the file; ``met`` the keys of each column's values that stood for something so far."""

    map: ColumnMap
    sources: Mapping[str, str]
    hidden: tuple[str, ...]
    known: Mapping[str, Column]
    recased: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    of: str = "the input"
    met: Mapping[str, set[str]] = field(init=False, compare=False)
    _recodings: Mapping[str, Recoding] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        found = {ours: self.map.recoding(ours, self.known) for ours in self.sources}
        object.__setattr__(self, "_recodings", {ours: r for ours, r in found.items() if r is not None})
        object.__setattr__(self, "met", {ours: set() for ours in self._recodings})

    def notices(self) -> list[str]:
        """What is to be said of the names of the file's columns."""
        found = [f"column {name!r} of {self.of} is not used: another is mapped to that name" for name in self.hidden]
        if self.recased:
            found.append(
                f"columns matched despite other capitals, blanks or signs in their names: {', '.join(self.recased)}"
            )
        for name in self.doubled:
            found.append(f"column {name!r} is not read: {our_name(name, self.known)} is another column of {self.of}")
        return found

    def schema(self, schema: pa.Schema) -> pa.Schema:
        """The file's schema after renaming, mapping values and adding constants."""
        fields = []
        for ours, theirs in self.sources.items():
            kind = schema.field(theirs).type
            fields.append(pa.field(ours, self._recodings[ours].type(kind) if ours in self._recodings else kind))
        constant = [pa.field(ours, _repeated(self._const(ours), 0).type) for ours in self.map.const]
        return pa.schema(fields + constant)

    def wanted(self, ours: Sequence[str]) -> list[str]:
        """The file's names of those of our columns that it has, each once."""
        return list(dict.fromkeys(self.sources[o] for o in ours if o in self.sources))

    def apply(self, batch: pa.RecordBatch, ours: Sequence[str]) -> pa.RecordBatch:
        """A batch of the columns `wanted`, under our names and with our values; constants are added if asked for.

        Raises `InputError` with the column and rows of the batch for a value that cannot be what it is mapped to be.
        """
        names, columns = [], []
        for name in ours:
            if name in self.sources:
                column = batch.column(batch.schema.get_field_index(self.sources[name]))
                recoding = self._recodings.get(name)
                names.append(name)
                columns.append(column if recoding is None else recoding.apply(column, self.met[name]))
            elif name in self.map.const:
                names.append(name)
                columns.append(_repeated(self._const(name), batch.num_rows))
        return pa.RecordBatch.from_arrays(columns, names=names)

    def _const(self, ours: str) -> pa.Scalar:
        kind = self.known[ours].cells if ours in self.known else "text"
        return pa.scalar(value(self.map.const[ours], kind), TYPED.get(kind, pa.string()))


def our_name(theirs: str, known: Mapping[str, Column]) -> str:
    """The column of ours that a name differs from only in capitals or blanks around it; if there is none, the name."""
    return theirs if theirs in known or (folded := theirs.strip().lower()) not in known else folded


def keys_without_rows(plans: Sequence[MapPlan], columns: Iterable[str]) -> list[str]:
    """Which keys of [values] stood for nothing in any file, of the columns that were read; in sentences."""
    found = []
    for ours in columns:
        table = plans[0].map.values.get(ours, {}) if plans else {}
        met = set().union(*(plan.met.get(ours, set()) for plan in plans))
        silent = [key for key in table if key not in met]
        if silent:
            shown = ", ".join(repr(key) for key in silent[:5]) + (f" and {len(silent) - 5} more" if silent[5:] else "")
            found.append(f"[values.{ours}] of the map: no row holds {shown}")
    return found


def _loosely(text: str) -> str:
    word = folded(text)
    whole = _WHOLE.fullmatch(word)
    return whole.group(1) if whole else word


def _texts(values: pa.Array) -> list[str | None]:
    """Distinct values as the text that a mapping file would use for them; a NaN is no record."""
    if pa.types.is_floating(values.type) or pa.types.is_decimal(values.type):
        found = (None if v is None or v != v else v for v in values.to_pylist())
        return [None if v is None else str(int(v)) if math.isfinite(v) and v == int(v) else str(v) for v in found]
    if pa.types.is_boolean(values.type):
        return [None if v is None else str(v).lower() for v in values.to_pylist()]
    return [None if v is None else str(v) for v in values.to_pylist()]


def _with_entry(coded: pa.Array) -> pa.DictionaryArray:
    """A dictionary column whose nulls have an entry of their own, the last."""
    codes = pc.fill_null(coded.indices.cast(pa.int32()), len(coded.dictionary))
    entries = pa.concat_arrays([coded.dictionary, pa.nulls(1, coded.dictionary.type)])
    return pa.DictionaryArray.from_arrays(codes, entries)


def _with_values(coded: pa.Array, values: pa.Array) -> pa.Array:
    """A dictionary column with other values; where two became one, or none, the codes follow."""
    distinct = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(distinct.indices.take(coded.indices), distinct.dictionary)


def _repeated(value: pa.Scalar, rows: int) -> pa.Array:
    if pa.types.is_string(value.type):
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value.as_py()]))
    return pa.repeat(value, rows)


def _in_file_order(sources: Mapping[str, str], names: Sequence[str]) -> list[str]:
    place = {name: i for i, name in enumerate(names)}
    return sorted(sources, key=lambda ours: place[sources[ours]])


NO_MAP = ColumnMap()
