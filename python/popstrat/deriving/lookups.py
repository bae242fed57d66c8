"""Values looked up in other files of an extract: local ids of codes, organisations, old ids of patients.

Each file is read once. A key may stand in it again with the same value; with another one it is refused.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from popstrat.core.arrow import from_numpy, plain, true, valid
from popstrat.core.lazy import compute as pc
from popstrat.deriving.columns import entry_of, texts_of
from popstrat.deriving.layout import Layout, Lookup, is_called, matches, squeeze
from popstrat.errors import InputError
from popstrat.formats import FileSource, open_source
from popstrat.scoring.unique_ids import hash_ids

_KEY = np.uint64(0x9E3779B97F4A7C15)
_LONGEST = 32


class Table:
    """Keys with what stands for them, both as text; keys are found by their hashes and then compared."""

    def __init__(
        self, spec: Lookup, files: Sequence[FileSource], rows: Sequence[int], keys: pa.Array, values: pa.Array
    ) -> None:
        self.spec, self.files, self.rows = spec, tuple(files), tuple(rows)
        hashes = hash_ids(keys, _KEY)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._keys, self.values = keys.take(from_numpy(order)), values.take(from_numpy(order))
        if len(self._hashes) > 1 and (self._hashes[1:] == self._hashes[:-1]).any():
            self._once()

    def _once(self) -> None:
        """Keep the first of equal keys. Raises `InputError` where they have different values."""
        same = pc.equal(self._keys.slice(1), self._keys.slice(0, len(self._keys) - 1))
        again = np.concatenate([[False], true(same)])
        alike = pc.fill_null(pc.equal(self.values.slice(1), self.values.slice(0, len(self.values) - 1)), False)
        nulls = pc.and_(pc.is_null(self.values.slice(1)), pc.is_null(self.values.slice(0, len(self.values) - 1)))
        if bad := int((again[1:] & ~true(pc.or_(alike, nulls))).sum()):
            raise InputError(
                f"{bad:,} of its keys occur again with another {self.spec.value}",
                column=self.spec.key, file=self.files[0].name,
            )  # fmt: skip
        keep = np.flatnonzero(~again)
        self._hashes = self._hashes[keep]
        self._keys, self.values = self._keys.take(from_numpy(keep)), self.values.take(from_numpy(keep))

    def places(self, keys: pa.Array) -> pa.Array:
        """Where each of distinct texts stands among the keys; null for those that do not."""
        if not len(self._hashes) or not len(keys):
            return pa.nulls(len(keys), pa.int64())
        own = hash_ids(keys.fill_null(""), _KEY)
        where = np.searchsorted(self._hashes, own)
        where[where == len(self._hashes)] = 0
        found = (self._hashes[where] == own) & valid(keys)
        places = from_numpy(where, ~found)
        equal = pc.fill_null(pc.equal(self._keys.take(places), keys), False)
        return pc.if_else(equal, places, pa.scalar(None, pa.int64()))

    def look_up(self, keys: pa.Array, keep: bool) -> pa.Array:
        """What stands for each of distinct texts; those that are not found stay if they are to be kept."""
        places = self.places(keys)
        found = self.values.take(places)
        return pc.if_else(pc.is_valid(places), found, keys) if keep else found

    def follow(self, ids: pa.Array) -> pa.Array:
        """Ids by the ones that took their places, which may have been replaced themselves."""
        for _ in range(_LONGEST):
            found = self.look_up(ids, keep=True)
            if found.equals(ids):
                return found
            ids = found
        raise InputError(
            f"[lookup.{self.spec.name}] leads in a circle, or through more than {_LONGEST} ids",
            column=self.spec.key, file=self.files[0].name,
        )  # fmt: skip


class Lookups:
    """The lookups of a layout, each read when it is first needed, from ``folders`` and those in them, and from
    ``beside``, the folders of single files."""

    def __init__(self, layout: Layout, folders: Sequence[Path], beside: Iterable[Path], encoding: str) -> None:
        self._layout, self._folders, self._beside, self._encoding = layout, folders, tuple(beside), encoding
        self.read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self.read:
            self.read[name] = load(self._layout.lookups[name], self.files(name), self._encoding)
        return self.read[name]

    def files(self, name: str) -> list[Path]:
        """The files of a lookup. Raises `InputError` if there are none."""
        spec = self._layout.lookups[name]
        found: dict[Path, None] = {}
        for within in (*(f.rglob("*") for f in self._folders), *(f.iterdir() for f in self._beside)):
            found.update((p, None) for p in sorted(within) if is_called(p.name, spec.files) and p.is_file())
        if not found:
            forms = " or ".join(spec.files)
            beside = (*self._folders, *self._beside)[0]
            raise InputError(
                f"the layout {self._layout.name} looks up {name} in {forms}, and no such file is there; a layout of "
                "your own that extends it can do without", file=str(beside),
            )  # fmt: skip
        return list(found)


def load(spec: Lookup, files: Iterable[Path], encoding: str) -> Table:
    """Read a lookup. Raises `InputError` naming the file and the column that it lacks."""
    sources = [open_source([f], kinds=lambda name: "string", encoding=encoding).files[0] for f in files]
    keys, values, rows = [], [], [0] * len(sources)
    for i, source in enumerate(sources):
        known = {squeeze(n): n for n in source.schema.names}
        wanted = (spec.key, spec.value, *spec.where)
        for column in wanted:
            if squeeze(column) not in known:
                raise InputError(f"is absent, and [lookup.{spec.name}] reads it", column=column, file=source.name)
        names = [known[squeeze(c)] for c in wanted]
        for batch in _batches(spec, source, names, encoding):
            columns = [_texts(batch.column(n), n) for n in names]
            rows[i] += batch.num_rows
            keep = valid(columns[0]).copy()
            for texts, column in zip(columns[2:], spec.where, strict=True):
                keep &= _among(texts, spec.where[column])
            keys.append(columns[0].filter(from_numpy(keep)))
            values.append(columns[1].filter(from_numpy(keep)))
    none = pa.array([], pa.large_string())
    return Table(spec, sources, rows, pa.concat_arrays([none, *keys]), pa.concat_arrays([none, *values]))


def _batches(spec: Lookup, source: FileSource, names: Sequence[str], encoding: str) -> Iterator[pa.RecordBatch]:
    distinct = list(dict.fromkeys(names))
    if spec.quoted or source.format != "csv" or not _tabs(source.path):
        yield from source.batches(distinct)
        return
    try:
        with pa_csv.open_csv(
            source.path,
            pa_csv.ReadOptions(encoding=encoding),
            pa_csv.ParseOptions(delimiter="\t", quote_char=False),
            pa_csv.ConvertOptions(include_columns=distinct, column_types=dict.fromkeys(distinct, pa.string())),
        ) as reader:
            yield from reader
    except (pa.ArrowException, OSError):  # whose message may quote a row
        raise InputError("cannot be read as tab-separated text", file=source.name) from None


def _tabs(path: Path) -> bool:
    with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
        return b"\t" in file.readline(1 << 16)


def as_keys(texts: pa.Array) -> pa.Array:
    """Distinct texts as they are looked up: without blanks around, whole numbers without a point; null for none."""
    found = pc.utf8_trim_whitespace(texts.cast(pa.large_string()))
    found = pc.replace_substring_regex(found, r"^([0-9]{1,15})\.0$", r"\1")
    return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.large_string()), found)


def _texts(column: pa.Array, name: str) -> pa.Array:
    return as_keys(plain(texts_of(column, name)))


def _among(texts: pa.Array, wanted: frozenset[str]) -> NDArray[np.bool_]:
    coded = texts.dictionary_encode()
    fits = np.array([matches(t, wanted) for t in coded.dictionary.to_pylist()] + [matches("", wanted)], np.bool_)
    found: NDArray[np.bool_] = fits[entry_of(coded)]
    return found
