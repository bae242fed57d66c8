"""What a file, or a table in memory, lacks altogether: columns that are absent or hold nothing, flags that nobody has.

`Completeness` looks at the batches as they pass and stops looking at a column once it has found something in it, so
that a sound list costs next to nothing. `remarks` says by name what was not found, and in which files if not in all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import numbers, valid
from popstrat.packs.flags import anybody
from popstrat.packs.patient_table import Column, Schema
from popstrat.scoring.columns import Binding

LEAST_EMPTY = 100
"""A column that holds nothing is warned of in a list of at least so many people; in fewer it may well be so."""
LEAST_ROWS = 1000
LEAST_EXPECTED = 20
"""A flag that nobody has is doubted in a list of at least so many people, of whom at least so many would be expected to
have it (by ``per_1000`` of the patient table). In a practice with a fifth of the usual share four people would have it,
and nobody by chance in one such practice of fifty."""

_MANY_BITS, _FEW_VALUES = 16_384, 64  # rows of a column that are looked at before the whole of it
_FEW_BITS, _FIRST = 2048, 8  # rows that are looked at before those; the few one by one, when numpy has hardly begun
_PLAIN = frozenset(("bits", "i8", "u8", "i16", "i32", "i64"))
_NAMED = 12  # names in a warning


@dataclass(frozen=True)
class Facts:
    """What one file lacks: columns that are not there (``absent``) or hold nothing (``empty``), date columns that hold
    nothing though what they date does (``undated``), and flags that nobody has (``never_true``)."""

    name: str
    absent: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    undated: tuple[str, ...] = ()
    never_true: tuple[str, ...] = ()
    rows: int = 0

    @property
    def lacking(self) -> tuple[str, ...]:
        """The columns that are null for everybody, in so many rows that it is no chance where they are there."""
        return (*self.absent, *((*self.empty, *self.undated) if self.rows >= LEAST_EMPTY else ()))

    def without(self, columns: Collection[str]) -> Facts:
        """The same, silent on these columns."""

        def other(names: Sequence[str]) -> tuple[str, ...]:
            return tuple(n for n in names if n not in columns)

        return Facts(
            self.name, other(self.absent), other(self.empty), other(self.undated), other(self.never_true), self.rows
        )


class Completeness:
    """Finds out, batch by batch, which of a file's columns hold anything, and which flags are true for anybody."""

    def __init__(self, bindings: Mapping[str, Binding], schema: Schema, absent: Iterable[str]) -> None:
        """``bindings`` are of the columns that are read; keys and places among them are not looked at."""
        self._schema, self._absent, self.rows = schema, tuple(absent), 0
        self._looked_at = {n: b for n, b in bindings.items() if b.column.type not in ("id", "string")}
        self._empty = dict(self._looked_at)
        self._never_true = {n: b for n, b in self._looked_at.items() if b.column.type == "bool"}
        self._says_false = False

    def look(self, batch: pa.RecordBatch) -> None:
        """Take another batch into account: the first rows of its columns, and the rest only of those where nothing is
        found there."""
        self.rows += batch.num_rows
        for name, binding in [*self._never_true.items()]:
            column = batch.column(binding.position)
            if _soon_true(column) or _anywhere(_is_ever_true, column, _MANY_BITS):
                del self._never_true[name]
                self._empty.pop(name, None)
            elif not self._says_false:
                self._says_false = anybody(column, False)
        for name, binding in [*self._empty.items()]:
            column = batch.column(binding.position)
            plain = binding.convert is None and binding.kind in _PLAIN
            test, few = (_is_ever_valid, _MANY_BITS) if plain else (_holds_something, _FEW_VALUES)
            if _soon_holds(column, plain) or _anywhere(test, column, few):
                del self._empty[name]

    def facts(self, name: str) -> Facts:
        """What was found by now, of the file of that name."""
        if not self.rows:
            return Facts(name, self._absent)
        schema = self._schema
        empty = [n for n in self._empty if self._says_false or not _judged_by_share(schema[n])]
        for age in (c for c in schema if c.completed_years_since):
            if self._filled(age.name) or self._filled(str(age.completed_years_since)):  # either will do
                empty = [n for n in empty if n not in (age.name, age.completed_years_since)]
        undated = tuple(n for n in empty if any(self._filled(c) for c in schema[n].dates))
        never_true = tuple(n for n in self._never_true if n not in empty)
        return Facts(name, self._absent, tuple(n for n in empty if n not in undated), undated, never_true, self.rows)

    def _filled(self, name: str) -> bool:
        return name in self._looked_at and name not in self._empty


def _judged_by_share(column: Column) -> bool:
    """Whether a column that holds nothing, where no flag is ever recorded as false, is a flag that nobody has: not
    where a record is required, nor where nothing says how many people would be expected to have the flag."""
    return column.type == "bool" and column.per_1000 > 0 and not column.required


def _anywhere(test: Callable[[pa.Array], bool], column: pa.Array, few: int) -> bool:
    """Whether a test holds of a column, which is soon found out of a few rows of most."""
    return (len(column) > few and test(column.slice(0, few))) or test(column)


def _soon_true(flags: pa.Array) -> bool:
    """Whether a flag is true in one of the first rows, without a look at any other."""
    return isinstance(flags, pa.BooleanArray) and flags.slice(0, _FEW_BITS).true_count > 0


def _soon_holds(column: pa.Array, plain: bool) -> bool:
    """Whether one of the very first rows holds something, one by one: where `_is_ever_valid` of a plain column, and
    `_holds_something` of another, would find it, too."""
    first = range(min(_FIRST, len(column)))
    if plain:
        for i in first:
            if column[i].is_valid:
                return True
    elif isinstance(column, pa.DictionaryArray):
        indices, entries = column.indices, column.dictionary
        for i in first:
            k = indices[i].as_py()  # wherever it leads
            if k is not None and 0 <= k < len(entries) and entries[k].as_py() not in (None, ""):
                return True
    elif pt.is_floating(column.type):
        for i in first:
            value = column[i].as_py()
            if value is not None and value == value:  # a NaN is not itself
                return True
    return False


def _is_ever_valid(column: pa.Array) -> bool:
    return bool(column.null_count < len(column))


def _is_ever_true(column: pa.Array) -> bool:
    return anybody(column, True)


def _holds_something(column: pa.Array) -> bool:
    """Whether there is a value that is not null, NaN or empty text. Texts themselves are not looked at."""
    if column.null_count == len(column):
        return False
    kind = column.type
    if isinstance(column, pa.DictionaryArray):
        used = _held(column.indices)
        entries = column.dictionary.to_pylist()
        full = np.array([entry is not None and entry != "" for entry in entries], np.bool_)
        used = used[(used >= 0) & (used < len(entries))]
        return bool(full[used].any())
    if pt.is_floating(kind):
        values = _held(column)
        return bool((values == values).any())  # a NaN is not itself
    if pt.is_string(kind) or pt.is_large_string(kind):
        width = np.int64 if pt.is_large_string(kind) else np.int32
        ends = np.frombuffer(column.buffers()[1], width)[column.offset : column.offset + len(column) + 1]
        return bool((np.diff(ends)[valid(column)] != 0).any())
    return True


def _held(column: pa.Array) -> NDArray[Any]:
    """The values of a column that are not null."""
    values = numbers(column)
    return values if column.null_count == 0 else values[valid(column)]


Inputs = Callable[[Collection[str]], Sequence[str]]
"""The inputs of a model that nobody has where these columns hold nothing."""


def remarks(files: Sequence[Facts], schema: Schema, models: Mapping[str, tuple[Inputs, Inputs]]) -> list[str]:
    """Warnings of what the files lack. ``models`` says of each model's output for which inputs its defaults stand in
    then, and without which there is no result."""
    found = [
        f"absent columns count as null for everybody{where}: {_listed(names)}"
        for names, where, _ in _by_files(files, lambda f: f.absent)
    ]
    found += [
        f"empty columns count as null for everybody{where}: {_listed(names)}"
        for names, where, rows in _by_files(files, lambda f: f.empty)
        if rows >= LEAST_EMPTY
    ]
    for output, (defaulted, needed) in models.items():
        for names, where, _ in _by_files(files, partial(_lacked, needed)):
            found.append(f"{output}: nobody{where} gets a result, which needs {_listed(names)}")
        for names, where, _ in _by_files(files, partial(_stood_in_for, defaulted, needed)):
            found.append(
                f"{output}: everybody{where} takes the model's default for {_listed(names)}; such scores are too "
                "alike, and often too low"
            )
    for names, where, _ in _by_files(files, lambda f: f.undated):
        for name in names:
            dated = " or ".join(schema[name].dates)
            found.append(f"{name} is null for everybody{where}, though {dated} holds values: none counts as recent")
    for names, where, rows in _by_files(files, lambda f: f.never_true):
        if told := [n for n in names if _many(n, rows, schema)]:
            found.append(f"true for nobody of {rows:,} people{where}: {_listed(told)}; are these columns filled?")
    return found


def _lacked(inputs: Inputs, file: Facts) -> Sequence[str]:
    return inputs(file.lacking)


def _stood_in_for(defaulted: Inputs, needed: Inputs, file: Facts) -> Sequence[str]:
    return () if needed(file.lacking) else defaulted(file.lacking)


def _many(flag: str, rows: int, schema: Schema) -> bool:
    return rows >= LEAST_ROWS and rows * schema[flag].per_1000 >= 1000 * LEAST_EXPECTED


def _by_files(files: Sequence[Facts], names: Callable[[Facts], Sequence[str]]) -> Iterator[tuple[list[str], str, int]]:
    """The names that all files have in common, and those that only some have, with words for which and their rows."""
    common = [n for n in names(files[0]) if all(n in names(f) for f in files)] if files else []
    if common:
        yield common, "", sum(f.rows for f in files)
    others: dict[tuple[str, ...], list[Facts]] = {}
    for file in files:
        if rest := tuple(n for n in names(file) if n not in common):
            others.setdefault(rest, []).append(file)
    for rest, alike in others.items():
        yield list(rest), f" in {_listed([f.name for f in alike])}", sum(f.rows for f in alike)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
