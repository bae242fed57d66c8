"""Two packs compared: what differs in words; and, with data, which patients that moves."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core.cpus import cores
from popstrat.frames.sources import batches_of
from popstrat.packs.differences import Change, changes
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import KEY_COLUMNS, PLACE_COLUMNS
from popstrat.scoring.scorer import Scorer, make_scorer

_NO, _YES = "no", "yes"  # how a condition reads in a count of who moves
_NONE = "no value"  # how a null reads in a count of who moves


@dataclass(frozen=True)
class Move:
    """So many patients who go from one label to another."""

    before: str
    after: str
    patients: int


@dataclass(frozen=True)
class ColumnDiff:
    """How one output column differs over the data: labels as moves, numbers as how many and by how much."""

    column: str
    title: str
    changed: int
    moves: tuple[Move, ...] = ()
    mean_before: float | None = None
    mean_after: float | None = None
    mean_difference: float | None = None  # over the patients who have a number in both
    became_null: int = 0
    no_longer_null: int = 0

    means_before: str = ""  # what the definition of the column means in pack `a`, and in pack `b` where that differs
    means_after: str = ""

    @property
    def came(self) -> int:
        """Patients of whom a condition holds now and did not."""
        return sum(m.patients for m in self.moves if (m.before, m.after) == (_NO, _YES))

    @property
    def left(self) -> int:
        """Patients of whom a condition held and does not now."""
        return sum(m.patients for m in self.moves if (m.before, m.after) == (_YES, _NO))

    @property
    def flag(self) -> bool:
        """Whether it is a condition, of which people are in or out."""
        return bool(self.moves) and {m.before for m in self.moves} | {m.after for m in self.moves} <= {_YES, _NO}


@dataclass
class PackDiff:
    """What differs between pack `a` and pack `b`."""

    a: str
    b: str
    as_of: dt.date
    changes: list[Change] = field(default_factory=list)
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)
    retyped: list[str] = field(default_factory=list)
    patients: int | None = None  # None: no data was given
    moved: int = 0  # patients with a change in any column that both have
    columns: list[ColumnDiff] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON-able values."""
        found = dataclasses.asdict(self)
        found["as_of"] = self.as_of.isoformat()
        return found


def diff(a: Pack, b: Pack, data: Any = None, as_of: dt.date | None = None) -> PackDiff:
    """Compare two packs; with `data` (a table, or an iterable of tables or record batches) count who moves.

    Both packs are resolved at `as_of` (today if None). Raises `PackError` for a pack at fault, `InputError` for data.
    """
    date = as_of or dt.date.today()
    before, after = make_scorer(a, date), make_scorer(b, date)
    types = [{str(d.output): d.dtype for d in s.resolved.outputs} for s in (before, after)]
    found = PackDiff(
        a=f"{a.id} {a.version}",
        b=f"{b.id} {b.version}",
        as_of=date,
        changes=changes(a, b),
        only_a=[c for c in types[0] if c not in types[1]],
        only_b=[c for c in types[1] if c not in types[0]],
        retyped=[c for c in types[0] if c in types[1] and _family(types[0][c]) != _family(types[1][c])],
    )
    if data is not None:
        _count(found, before, after, batches_of(data))
    return found


# -- who moves ---------------------------------------------------------------------------------------------------------


def _family(dtype: str) -> str:
    return dtype if dtype in ("bool", "dictionary") else "number"


@dataclass
class _Numbers:
    """Sums over one numeric column."""

    changed: int = 0
    became_null: int = 0
    no_longer_null: int = 0
    both: int = 0
    difference: float = 0.0
    before: float = 0.0
    after: float = 0.0


def _count(found: PackDiff, before: Scorer, after: Scorer, data: Iterable[pa.RecordBatch]) -> None:
    """Score every batch with both packs, and count the differences into `found`."""
    threads = cores()
    skip = {*KEY_COLUMNS, *PLACE_COLUMNS, "quality_flags", *found.only_a, *found.retyped}
    moves: dict[str, Counter[tuple[str, str]]] = {}
    numbers: dict[str, _Numbers] = {}
    found.patients = 0
    common = [str(d.output) for d in before.resolved.outputs if d.output not in skip]
    for batch in data:
        old = before.bind(batch.schema).score(batch, threads=threads)[0]
        new = after.bind(batch.schema).score(batch, threads=threads)[0]
        found.patients += batch.num_rows
        moved = np.zeros(batch.num_rows, bool)
        for name in common:
            x, y = old.column(name), new.column(name)
            if pa.types.is_boolean(x.type) or pa.types.is_dictionary(x.type):
                moved |= _count_labels(_labels(x), _labels(y), moves.setdefault(name, Counter()))
            else:
                moved |= _count_numbers(x, y, numbers.setdefault(name, _Numbers()))
        found.moved += int(moved.sum())
    titles = {**after.titles, **before.titles}
    for name in common:
        if name in moves:
            by_size = sorted(moves[name].items(), key=lambda item: (-item[1], item[0]))
            told = tuple(Move(x, y, n) for (x, y), n in by_size)
            found.columns.append(ColumnDiff(name, titles[name], sum(m.patients for m in told), told))
        elif name in numbers:
            s = numbers[name]
            made = ColumnDiff(name, titles[name], s.changed, became_null=s.became_null, no_longer_null=s.no_longer_null)
            if s.both:
                made = dataclasses.replace(
                    made,
                    mean_before=s.before / s.both,
                    mean_after=s.after / s.both,
                    mean_difference=s.difference / s.both,
                )
            found.columns.append(made)
    old, new = ({str(d.output): d.means for d in s.resolved.outputs} for s in (before, after))
    found.columns = [
        dataclasses.replace(
            c, means_before=old[c.column], means_after=new[c.column] if new[c.column] != old[c.column] else ""
        )
        for c in found.columns
    ]


def _labels(array: pa.Array) -> tuple[np.ndarray[Any, Any], list[str]]:
    """Codes and what they stand for, the last for null."""
    if pa.types.is_boolean(array.type):
        names = [_NO, _YES]
        codes = pc.fill_null(array.cast(pa.int8()), 2)
    else:
        names = array.dictionary.to_pylist()
        codes = pc.fill_null(array.indices.cast(pa.int16()), len(names))
    return codes.to_numpy(zero_copy_only=False), [*names, _NONE]


def _count_labels(
    old: tuple[np.ndarray[Any, Any], list[str]], new: tuple[np.ndarray[Any, Any], list[str]],
    moves: Counter[tuple[str, str]],
) -> np.ndarray[Any, Any]:  # fmt: skip
    x, before = old
    y, after = new
    width = len(after)
    pairs = np.bincount(x.astype(np.int64) * width + y, minlength=len(before) * width)
    same = np.zeros(len(pairs), bool)
    for key in np.flatnonzero(pairs):
        here, there = divmod(int(key), width)
        same[key] = (here == len(before) - 1) == (there == width - 1) and before[here] == after[there]
        if not same[key]:
            moves[before[here], after[there]] += int(pairs[key])
    changed: np.ndarray[Any, Any] = ~same[x.astype(np.int64) * width + y]
    return changed


def _count_numbers(x: pa.Array, y: pa.Array, sums: _Numbers) -> np.ndarray[Any, Any]:
    there, here = x.is_valid().to_numpy(zero_copy_only=False), y.is_valid().to_numpy(zero_copy_only=False)
    a = pc.fill_null(x.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    b = pc.fill_null(y.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    both = there & here
    changed: np.ndarray[Any, Any] = (both & (a != b)) | (there != here)
    sums.changed += int(changed.sum())
    sums.became_null += int((there & ~here).sum())
    sums.no_longer_null += int((here & ~there).sum())
    sums.both += int(both.sum())
    sums.before += float(a[both].sum())
    sums.after += float(b[both].sum())
    sums.difference += float((b[both] - a[both]).sum())
    return changed
