"""Exact uniqueness of ``patient_id`` in bounded memory.

Ids in ascending order are checked in passing, and nothing is kept. Otherwise a 64-bit hash of each id is collected;
sorted runs of hashes are spilled to disk above a limit, and equal hashes are looked for one range of values at a
time. Equal hashes only *suggest* equal ids: a second pass over the ids alone settles it, so that a collision can
never stop a run, and gives the row numbers for the message. No id ever appears in a message.
"""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from popstrat.core.arrow import is_text, plain
from popstrat.core.lazy import compute as pc
from popstrat.core.plain_types import plain as plain_type
from popstrat.core.soundness import cleared, refuse_astray, refuse_unsound
from popstrat.engine import distinct, increasing
from popstrat.errors import InputError

U64 = npt.NDArray[np.uint64]

DEFAULT_LIMIT = 16 << 20
"""Hashes kept in memory before a sorted run goes to disk: 16 M, 128 MB."""
_ROWS_NAMED = 5
_SUSPECTS_AT_ONCE = 64
_MIX_A, _MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class IdBatch:
    """The ids of consecutive rows: which file they are from (its place in the list) and their first row, from 0."""

    ids: pa.Array
    file: int = 0
    first_row: int = 0


Reread = Callable[[], Iterable[IdBatch]]


class UniqueIds:
    """Checks that ids are unique and never null, over every file of a run.

    Feed batches in order with `add`, then call `finish`; `close` (or leaving the ``with`` block) removes the spilled
    runs. ``files`` are the names used in messages. ``spill_dir`` is the folder beside which a private folder for the
    runs is made, only if they are needed (default: the system's temporary folder); ``limit`` is the number of hashes
    kept in memory.
    """

    def __init__(
        self,
        *,
        column: str = "patient_id",
        files: Sequence[str] = (),
        spill_dir: Path | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> None:
        self.column = column
        self.files = tuple(files)
        self.rows = 0
        self._key = np.uint64(secrets.randbits(64))
        self._last: dict[str, Any] = {}  # per order still possible: the last id seen, as a one-element array
        self._ascending = True
        self._unhashed = 0  # leading rows that were ascending and so were never hashed
        self._spill_dir = spill_dir
        self._limit = max(int(limit), 1)
        self._runs: list[tuple[IO[bytes], int]] = []  # files without a name: nothing outlives the process
        self._pending: U64 | None = None
        self._filled = 0

    # -- first pass ---------------------------------------------------------------------------------------------

    def add(self, batch: IdBatch) -> None:
        """Take the next rows. Raises `InputError` for ids that are null or lead outside their column, naming the first
        rows."""
        try:
            _refuse_unsound(batch.ids, self.column)
        except InputError as error:
            raise error.located(self._name(batch.file), batch.first_row) from None
        ids = comparable(batch.ids)
        if ids.null_count:
            rows = np.flatnonzero(np.asarray(ids.is_null()))
            raise InputError(
                "is null; every patient needs an id",
                column=self.column,
                rows=[int(r) for r in rows[:_ROWS_NAMED]],
                more=max(0, len(rows) - _ROWS_NAMED),
            ).located(self._name(batch.file), batch.first_row)
        if len(ids) == 0:
            return
        if self._ascending and not self._still_ascending(ids):
            self._ascending = False
            self._unhashed = self.rows
        if not self._ascending:
            self._collect(hash_ids(ids, self._key))
        self.rows += len(ids)

    def _still_ascending(self, ids: pa.Array) -> bool:
        """Whether the ids go on strictly upwards, in an order that has held from the start (text has two)."""
        orders: tuple[str, ...] = ("plain",) if pa.types.is_integer(ids.type) else ("plain", "shortlex")
        if self.rows:
            orders = tuple(o for o in orders if o in self._last)
        held = {o: ids.slice(len(ids) - 1) for o in orders if self._ascends(ids, o)}
        self._last = held
        return bool(held)

    def _ascends(self, ids: pa.Array, order: str) -> bool:
        if self.rows:
            last = self._last[order]
            # Files may hold ids of different widths; comparing those is not worth the code.
            if last.type != ids.type or not _increasing(pa.concat_arrays([last, ids.slice(0, 1)]), order):
                return False
        return _increasing(ids, order)

    def _collect(self, hashes: U64) -> None:
        while len(hashes):
            if self._pending is None:
                self._pending = np.empty(self._limit, np.uint64)  # pages are touched only as they fill
            take = min(len(hashes), self._limit - self._filled)
            self._pending[self._filled : self._filled + take] = hashes[:take]
            self._filled += take
            hashes = hashes[take:]
            if self._filled == self._limit:
                self._spill()

    def _spill(self) -> None:
        if self._pending is None or not self._filled:
            return
        run = self._pending[: self._filled]
        run.sort()
        out = tempfile.TemporaryFile(prefix=".popstrat-ids-", dir=self._spill_dir)  # noqa: SIM115 - closed by `close`
        self._runs.append((out, len(run)))
        out.write(run.data)
        out.flush()
        self._filled = 0

    # -- the verdict --------------------------------------------------------------------------------------------

    @property
    def in_passing(self) -> bool:
        """Whether the ids seen so far were ascending, so that nothing had to be kept."""
        return self._ascending

    @property
    def spilled(self) -> int:
        """How many sorted runs went to disk."""
        return len(self._runs)

    def finish(self, reread: Reread) -> None:
        """Raise `InputError` if an id occurs twice. ``reread`` gives the same batches again, and may be called more
        than once; it is not called if the ids were ascending."""
        if self._ascending:
            return
        left = self._unhashed
        if left:
            for batch in reread():
                ids = comparable(batch.ids)
                self._collect(hash_ids(ids.slice(0, left), self._key))
                left -= min(left, len(ids))
                if not left:
                    break
        candidates = self._repeated_hashes()
        while len(candidates):
            suspects = self._first_repeats(reread, candidates)
            found = self._verify(reread, candidates[suspects])
            if found:
                self._refuse(found, len(candidates))
            candidates = np.delete(candidates, suspects)

    def _repeated_hashes(self) -> U64:
        """Hashes that occur more than once, ascending."""
        if not self._runs:
            if self._pending is None:
                return np.empty(0, np.uint64)
            values = self._pending[: self._filled]
            values.sort()
            return _adjacent_equal(values)
        self._spill()
        self._pending = None
        runs = [np.memmap(file, np.uint64, "r", shape=(rows,)) for file, rows in self._runs]
        # Hashes are spread evenly, so that equal ranges of values hold about equally many.
        ranges = max(1, -(-2 * sum(map(len, runs)) // self._limit))
        edges = [np.uint64((i << 64) // ranges) for i in range(1, ranges)]
        cuts = [[0, *np.searchsorted(run, np.array(edges, np.uint64)).tolist(), len(run)] for run in runs]
        found = []
        for i in range(ranges):
            values = np.concatenate([run[cut[i] : cut[i + 1]] for run, cut in zip(runs, cuts, strict=True)])
            values.sort()
            found.append(_adjacent_equal(values))
        return np.concatenate(found)

    def _first_repeats(self, reread: Reread, candidates: U64) -> list[int]:
        """Positions among ``candidates`` of the hashes that are repeated first, in row order; a few at a time."""
        seen = np.zeros(len(candidates), bool)
        suspects: dict[int, None] = {}
        for batch in reread():
            _, which = self._hits(batch, candidates)
            order = np.argsort(which, kind="stable")
            grouped = which[order]
            again = np.zeros(len(which), bool)
            again[order[1:]] = grouped[1:] == grouped[:-1]
            again |= seen[which]
            seen[which] = True
            suspects.update(dict.fromkeys(which[again].tolist()))
            if len(suspects) >= _SUSPECTS_AT_ONCE:
                break
        return list(suspects)[:_SUSPECTS_AT_ONCE]

    def _verify(self, reread: Reread, hashes: U64) -> list[_Repeat]:
        """Rows whose id is truly the same as an earlier row's, in order; at most a few, and one for each id."""
        hashes = np.sort(hashes)
        first: dict[object, tuple[int, int]] = {}
        named: set[object] = set()
        repeats: list[_Repeat] = []
        for batch in reread():
            rows, _ = self._hits(batch, hashes)
            if not len(rows):
                continue
            for row, value in zip(
                rows.tolist(), _raw(comparable(batch.ids).take(pa.array(rows))).to_pylist(), strict=True
            ):
                here = (batch.file, batch.first_row + row)
                if value not in first:
                    first[value] = here
                elif value not in named:
                    named.add(value)
                    repeats.append(_Repeat(here, first[value]))
                    if len(repeats) == _ROWS_NAMED:
                        return repeats
        return repeats

    def _hits(self, batch: IdBatch, hashes: U64) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Rows of the batch whose hash is one of ``hashes`` (sorted), and which one."""
        own = hash_ids(comparable(batch.ids), self._key)
        where = np.searchsorted(hashes, own)
        where[where == len(hashes)] = 0
        rows = np.flatnonzero(hashes[where] == own)
        return rows, where[rows]

    def _refuse(self, repeats: list[_Repeat], ids: int) -> None:
        file = repeats[0].here[0]
        (_, row), (other, earlier) = repeats[0].here, repeats[0].first
        where = f"row {row + 1:,} repeats row {earlier + 1:,}"
        if other != file:
            where += f" of {self._name(other)}"
        problem = f"{ids:,} ids occur more than once" if ids > 1 else "an id occurs more than once"
        raise InputError(
            f"{problem}: {where}",
            column=self.column,
            rows=[r.here[1] for r in repeats if r.here[0] == file],
            file=self._name(file),
        )

    def _name(self, file: int) -> str | None:
        return self.files[file] if file < len(self.files) else None

    # -- housekeeping -------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Remove what was spilled; safe to call twice."""
        self._pending = None
        for file, _ in self._runs:
            with contextlib.suppress(OSError):
                file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class _Repeat:
    here: tuple[int, int]
    first: tuple[int, int]


def check_unique(ids: pa.Array | pa.ChunkedArray, *, column: str = "patient_id", limit: int = DEFAULT_LIMIT) -> None:
    """Check a column in memory; raises `InputError` with 0-based rows for null or repeated ids, or unsound ones."""
    chunks = ids.chunks if isinstance(ids, pa.ChunkedArray) else [ids]
    if pa.types.is_integer(ids.type):
        for chunk in chunks:
            _refuse_unsound(chunk, column)
        if ids.null_count == 0 and _different(chunks):
            return

    def batches() -> Iterator[IdBatch]:
        row = 0
        for chunk in chunks:
            yield IdBatch(chunk, 0, row)
            row += len(chunk)

    with UniqueIds(column=column, limit=limit) as unique:
        for batch in batches():
            unique.add(batch)
        unique.finish(batches)


def _different(chunks: Sequence[pa.Array]) -> bool:
    """Whether whole numbers in memory are all different; the quick way, which cannot say where they are not."""
    whole = [_whole(chunk) for chunk in chunks if len(chunk)]
    last: int | None = None
    for chunk in whole:
        if not _increasing(chunk, "plain") or (last is not None and chunk[0].as_py() <= last):
            return distinct([(c.buffers()[1], c.offset, len(c)) for c in whole])
        last = chunk[-1].as_py()
    return True


def _whole(ids: pa.Array) -> pa.Array:
    """Integers of any width in 64 bits; large unsigned ids wrap, which keeps them apart."""
    return ids if ids.type == pa.int64() else ids.cast(pa.int64(), safe=False)


# -- ids as numbers ---------------------------------------------------------------------------------------------


def hash_ids(ids: pa.Array, key: np.uint64) -> U64:
    """64-bit hashes of integer or text ids without nulls; for integers a permutation, so without collisions.

    Equal ids have equal hashes under the same key; text is hashed eight bytes at a time, all rows at once.
    """
    if not pa.types.is_integer(ids.type):
        return _hash_text(ids, key)
    values: U64 = np.asarray(ids).astype(np.int64, copy=False).view(np.uint64)
    return _mix(values ^ key)


def _hash_text(ids: pa.Array, key: np.uint64) -> U64:
    wide = pa.types.is_large_string(ids.type) or pa.types.is_large_binary(ids.type)
    _, offset_buffer, data = ids.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64 if wide else np.int32)[ids.offset : ids.offset + len(ids) + 1]
    offsets = offsets.astype(np.int64)
    starts, lengths = offsets[:-1], np.diff(offsets)
    low, high = (int(offsets[0]), int(offsets[-1])) if len(ids) else (0, 0)
    # Eight bytes beyond the end, so that the last id too can be read in whole words.
    padded = np.zeros(high - low + 8, np.uint8)
    if data is not None and high > low:
        padded[:-8] = np.frombuffer(data, np.uint8)[low:high]
    words = np.ndarray((high - low + 1,), "<u8", buffer=padded.data, strides=(1,))
    hashes = _mix(lengths.view(np.uint64) ^ key)
    longest = int(lengths.max(initial=0))
    rows: slice | npt.NDArray[np.intp] = slice(None)
    for at in range(0, longest, 8):
        left = lengths - at
        if not isinstance(rows, slice) or int(left.min(initial=0)) <= 0:
            rows = np.flatnonzero(left > 0)
        left = left[rows]
        # Bytes past the end of the id belong to the next one: shift them out.
        spare = (np.uint64(8) * (8 - np.minimum(left, 8)).view(np.uint64)).astype(np.uint64)
        word = words[starts[rows] - low + at] << spare
        hashes[rows] = _mix(hashes[rows] ^ word) + key
    return hashes


def _mix(values: U64) -> U64:
    """A bijection of 64-bit words that spreads every bit (the finaliser of splitmix64)."""
    values = values ^ (values >> np.uint64(30))
    values *= _MIX_A
    values ^= values >> np.uint64(27)
    values *= _MIX_B
    values ^= values >> np.uint64(31)
    return values


def _refuse_unsound(ids: pa.Array, column: str) -> None:
    """Before anything reads them: the sizes of their buffers, and where text, views and indices lead."""
    try:
        ids.validate()
    except pa.ArrowException:
        refuse_unsound(ids, column)
    refuse_astray(ids, column)


def _adjacent_equal(values: U64) -> U64:
    """Values that stand next to an equal one in a sorted array, each once."""
    repeated = values[1:][values[1:] == values[:-1]]
    return np.unique(repeated)


def comparable(ids: pa.Array) -> pa.Array:
    """Integers, or text that is neither in a dictionary nor in views."""
    if (made := plain_type(ids.type, whole=True)) is not None:
        ids = made.convert(ids, "")
    ids = plain(cleared(ids))
    return ids if pa.types.is_integer(ids.type) or is_text(ids.type) else ids.cast(pa.large_string())


def _raw(ids: pa.Array) -> pa.Array:
    """Text as bytes: whether it is UTF-8 is not looked at in memory, and matters to no comparison."""
    if pa.types.is_integer(ids.type):
        return ids
    return ids.view(pa.large_binary() if pa.types.is_large_string(ids.type) else pa.binary())


def _increasing(ids: pa.Array, order: str) -> bool:
    """Whether ids go strictly upwards: as numbers or text, or (``shortlex``) shorter text before longer."""
    if len(ids) < 2:
        return True
    if pa.types.is_integer(ids.type):
        ids = _whole(ids)
        return bool(increasing(ids.buffers()[1], ids.offset, len(ids)))
    before, after = ids.slice(0, len(ids) - 1), ids.slice(1)
    less = pc.less(before, after)
    if order == "shortlex":
        length = pc.binary_length(ids)
        first, second = length.slice(0, len(ids) - 1), length.slice(1)
        less = pc.or_(pc.less(first, second), pc.and_(pc.equal(first, second), less))
    return bool(pc.all(less).as_py())
