"""Keyed pseudonyms in the place of identifiers, file to file.

A pseudonym is the beginning of ``HMAC-SHA-256(HMAC-SHA-256(key, "popstrat pseudonym 1\\0" + purpose), value)``. The
same value has the same pseudonym for as long as key and purpose are the same, in whatever file, type or spelling it
comes; without the key nobody can tell which, or try out all NHS numbers. Another purpose gives pseudonyms that have
nothing to do with these. What a value is, however it is spelt, is in `popstrat.packs.keys`, the
format of a pseudonym in `as_text` and `as_int64`.

The *lookup* (pseudonym and original) undoes all this: a file of its own, for its owner's eyes only, and never without a
line in the audit log.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt
from numpy.typing import NDArray

from popstrat.core.arrow import is_text, no_rows, plain
from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.rerun import Making, read_record, record_path, refuse_other
from popstrat.core.text import suggest
from popstrat.errors import InputError, looks_like_number
from popstrat.formats import Source, check_target, ending, open_sink, open_source
from popstrat.formats.pipeline import ReadAhead, WriteBehind
from popstrat.packs.keys import Kind, as_read, kind_of
from popstrat.packs.patient_table import patient_schema
from popstrat.privacy import audit_log as audit
from popstrat.privacy.identifiers import is_identifying
from popstrat.privacy.keyed_hashes import SIZE, Digester
from popstrat.privacy.number_columns import TenDigits

Form = Literal["text", "int64"]
Birth = Literal["year-month", "year"]

BIRTH = "date_of_birth"
ORIGINAL = "_original"
"""What the lookup's column of originals adds to the name of the pseudonyms' column."""

TEXT_BYTES = 16
_AHEAD, _BEHIND = 2, 2
_MANY = 1 << 21

_HEX = np.frombuffer(b"".join(b"%02x" % i for i in range(256)), np.uint16)


@dataclass(frozen=True)
class Column:
    """A column to pseudonymise, and what for: columns of one purpose have the same pseudonyms for the same values."""

    name: str
    purpose: str

    @property
    def kind(self) -> Kind:
        """Whether it holds keys or codes: by its name, or by its purpose, which may be the name of a column."""
        return kind_of(self.name) or kind_of(self.purpose) or "key"


def parse_columns(texts: Sequence[str]) -> list[Column]:
    """Columns from ``NAME`` (whose purpose is its name) or ``NAME=PURPOSE``. Raises `InputError`."""
    found: list[Column] = []
    for text in texts:
        name, equals, purpose = text.rpartition("=")
        name, purpose = (name.strip(), purpose.strip()) if equals else (text.strip(), text.strip())
        if not name or not purpose:
            raise InputError(f"--column needs NAME or NAME=PURPOSE, not {text!r}")
        if name in [c.name for c in found]:
            raise InputError(f"--column names {name!r} twice")
        found.append(Column(name, purpose))
    if not found:
        raise InputError("name at least one column to pseudonymise: --column patient_id")
    return found


def purpose_key(key: bytes, purpose: str) -> bytes:
    """The key of one purpose; none of them tells anything of another or of ``key``."""
    return hmac.digest(key, b"popstrat pseudonym 1\0" + purpose.encode(), "sha256")


def fingerprint(key: bytes) -> str:
    """Eight hexadecimal digits by which two people can see that they hold the same key; they do not tell the key."""
    return hmac.digest(key, b"popstrat key fingerprint 1", "sha256")[:4].hex()


# -- values -------------------------------------------------------------------------------------------------------


def hashed_text(values: pa.Array) -> pa.Array:
    """Whole numbers (in decimal digits), or keys and codes as they are compared, as the text that is hashed: string or
    large_string, null stays null."""
    if pt.is_string(values.type) or pt.is_large_string(values.type):
        return values
    return values.cast(pa.string() if pt.is_integer(values.type) else pa.large_string())


def as_text(digests: bytes, valid: NDArray[np.bool_]) -> pa.Array:
    """Digests of the rows that are ``valid`` as text: their first 128 bits in 32 hexadecimal digits, small letters."""
    first = np.frombuffer(bytearray(digests), np.uint8).reshape(-1, SIZE)[:, :TEXT_BYTES]
    ends = np.zeros(len(valid) + 1, np.int32)
    np.cumsum(np.where(valid, 2 * TEXT_BYTES, 0), out=ends[1:])
    return pa.StringArray.from_buffers(
        len(valid), pa.py_buffer(ends), pa.py_buffer(_HEX[first].tobytes()), _bitmap(valid)
    )


def as_int64(digests: bytes, valid: NDArray[np.bool_]) -> pa.Array:
    """Digests of the rows that are ``valid`` as numbers of 63 bits: the first eight bytes without the last bit."""
    values = np.zeros(len(valid), np.int64)
    values[valid] = _words(digests)[:, 0] >> np.uint64(1)
    return pa.Array.from_buffers(pa.int64(), len(valid), [_bitmap(valid), pa.py_buffer(values)])


def _words(digests: bytes) -> NDArray[np.uint64]:
    return np.frombuffer(bytearray(digests), ">u8").reshape(-1, SIZE // 8).astype(np.uint64)


def _bitmap(valid: NDArray[np.bool_]) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))


class Collisions:
    """Finds two values with one 63-bit pseudonym: next to each pseudonym the next 64 bits of its digest are kept.

    16 bytes for each different value. With n values the odds of a collision are about n² / 2⁶⁴: 3 in 10 million for
    2.5 million, 2 in 10,000 for 63 million.
    """

    def __init__(self, column: str) -> None:
        self._column = column
        self._pieces: list[NDArray[np.uint64]] = []
        self._rows = self._settled = 0

    def add(self, digests: bytes) -> None:
        """Take the digests of some more values. Raises `InputError` for a collision, now or later."""
        self._pieces.append(_words(digests)[:, :2])
        self._rows += len(self._pieces[-1])
        if self._rows > 2 * self._settled + _MANY:
            self.settle()

    def settle(self) -> None:
        """Compare what was taken so far. Raises `InputError` for a collision."""
        if not self._pieces:
            return
        words = np.concatenate(self._pieces)
        words[:, 0] >>= np.uint64(1)
        words = words[np.argsort(words[:, 0], kind="stable")]
        same = words[1:, 0] == words[:-1, 0]
        if (same & (words[1:, 1] != words[:-1, 1])).any():
            raise InputError("two different values would get one int64 pseudonym; use --as text", column=self._column)
        words = words[np.append(True, ~same)]
        words[:, 0] <<= np.uint64(1)
        self._pieces, self._rows, self._settled = [words], len(words), len(words)


class _Lookup:
    """The different rows of the lookup, in memory: up to 160 bytes for each. The first column holds pseudonyms."""

    def __init__(self) -> None:
        self._pieces: list[pa.Table] = []
        self._rows = self._settled = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take more rows; events of one patient, one after another, are one row at once."""
        table = _without_repeats(pa.Table.from_batches([batch]))
        self._pieces.append(table)
        self._rows += table.num_rows
        if self._rows > 2 * self._settled + _MANY:
            self.settled()

    def settled(self) -> pa.Table:
        """All rows so far, each once, sorted by pseudonym."""
        table = pa.concat_tables(self._pieces).combine_chunks()
        table = table.take(_order(table.column(0)))
        place = _places(table.column(0))
        first = np.append(True, (place[1:] != place[:-1]).any(axis=1)) if len(place) else np.zeros(0, bool)
        alone = first & np.append(first[1:], True) if len(place) else first
        if not alone.all():  # comparing whole rows is slow, so only of those whose pseudonym comes again
            several = table.filter(pa.array(~alone))
            names = table.column_names
            different = several.group_by(names, use_threads=False).aggregate([]).select(names)
            table = pa.concat_tables([table.filter(pa.array(alone)), different]).combine_chunks()
            table = table.take(_order(table.column(0)))
        self._pieces, self._rows, self._settled = [table], table.num_rows, table.num_rows
        return table


def _places(pseudonyms: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Two words for each pseudonym that sort as it does: its first 64 bits (nulls first)."""
    if pt.is_integer(pseudonyms.type):
        words = np.asarray(pc.fill_null(pseudonyms, 0)).view(np.uint64)
        return np.column_stack([words, words])
    if not len(pseudonyms):
        return np.zeros((0, 2), np.uint64)
    filled = pc.fill_null(pseudonyms, "0" * (2 * TEXT_BYTES))
    _, ends, characters = pa.concat_arrays(filled.cast(pa.large_string()).chunks).buffers()
    start = int(np.frombuffer(ends, np.int64)[0])
    words = np.frombuffer(characters, ">u8", 4 * len(pseudonyms), start).reshape(-1, 4)
    return words[:, :2].astype(np.uint64)


def _order(pseudonyms: pa.ChunkedArray) -> pa.Array:
    place = _places(pseudonyms)
    return pa.array(np.lexsort((place[:, 1], place[:, 0])))


def _without_repeats(table: pa.Table) -> pa.Table:
    """The rows that differ from the one before."""
    if table.num_rows < 2:
        return table
    same = np.ones(table.num_rows - 1, bool)
    for column in table.columns:
        before, after = column.slice(0, len(column) - 1), column.slice(1)
        equal = pc.or_(pc.fill_null(pc.equal(before, after), False), pc.and_(pc.is_null(before), pc.is_null(after)))
        same &= equal.to_numpy(zero_copy_only=False)
    return table.filter(pa.array(np.append(True, ~same))) if same.any() else table


# -- files --------------------------------------------------------------------------------------------------------


def run_pseudonymise(
    inputs: Sequence[str | Path],
    output: str | Path,
    columns: Sequence[Column],
    key: bytes,
    *,
    form: Form = "text",
    lookup: str | Path | None = None,
    lookup_with: Sequence[str] = (),
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    birth: Birth | None = None,
    birth_column: str = BIRTH,
    audit_log: str | Path | None = None,
    encoding: str = "utf-8",
    threads: int = 1,
    progress: Callable[[int, int | None], None] | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Write the input files' rows to ``output`` with ``columns`` pseudonymised; return what was done, without ids.

    Args:
        form: text of 32 hexadecimal digits, or int64 (63 bits; a collision stops the run).
        lookup: a file for the different (pseudonym, original) pairs, mode 0600; needs an audit log. It has for each
            column NAME and NAME_original, and those of ``lookup_with`` as they were; sorted by the first column.
        drop: columns left out. keep: columns left as they are although they look like identifiers.
        birth: what is left of the date of birth, which ``birth_column`` holds: the first day of its month or year.
        audit_log: gets a line before the outputs get their names; if it cannot be written, nothing is.
        force: replace files that are there; otherwise only those of a run on the same files with the same key, columns
            and form, as the record beside the output (``<output>.run.json``) shows.
        threads: of reading and writing, and processes of hashing. More than one needs an importable main module.

    Raises:
        InputError: a column is missing or of a type that has no pseudonym; a column that looks like an identifier, by
            its name or by what it holds, would stay; files differ in their columns; an output is there that another
            run made; the lookup has no audit log. Nothing is written.
    """
    output, lookup = Path(output), None if lookup is None else Path(lookup)
    audit_log = None if audit_log is None else Path(audit_log)
    plan = _Plan(tuple(columns), form, tuple(drop), birth, tuple(lookup_with) if lookup else (), birth_column)
    source = open_source(inputs, kinds=_kinds(plan, output), encoding=encoding, threads=threads)
    names = _check(source, plan, keep)
    check_target(output, [f.path for f in source.files])
    if lookup is not None:
        _check_lookup(lookup, output, source, audit_log)
    if audit_log is not None:
        files = [*(f.path for f in source.files), output, *([lookup] if lookup else [])]
        audit.check_fields("pseudonymise", {"files": [f.name for f in files], "columns": [c.name for c in columns]})
        audit.ready(audit_log, files)
    schema = plan.schema(source.files[0].schema, names)
    done, record_file = _Done(plan), record_path(output)
    staying = _Staying(source, [n for n in names if n not in (*(c.name for c in columns), *keep)])
    with (
        writing(output),
        Outputs() as outputs,
        Digester([purpose_key(key, c.purpose) for c in plan.columns], threads) as digester,
    ):
        partial = outputs.add(output)
        record_partial = outputs.add(record_file)
        lookup_partial = None if lookup is None else outputs.add(lookup, secret=True)
        targets = [*([] if lookup is None else [lookup]), output, record_file]
        if not force and any(target.exists() for target in targets):  # reading all inputs for it
            refuse_other(
                targets, _making(plan, key, _hashed_files(source)), read_record(record_file), force, own=[record_file]
            )
        kept_lookup = _Lookup() if lookup is not None else None
        texts = [f.name for f in schema if is_text(f.type)]
        sink = open_sink(partial, schema, form=ending(output), keys=texts, encoding=encoding, threads=threads)
        try:
            with (
                ReadAhead(_batches(source, names, plan), _AHEAD) as batches,
                WriteBehind(sink.write, _BEHIND) as writer,
            ):
                for file, first_row, batch in batches:
                    staying.look(file, batch)
                    try:
                        made, pairs = plan.apply(batch, names, digester, done, lookup is not None)
                    except InputError as error:
                        raise error.located(source.files[file].name, first_row) from None
                    if kept_lookup is not None:
                        kept_lookup.add(pairs)
                    writer.put(made)
                    if progress is not None:
                        progress(done.rows, source.rows)
                staying.refuse_nhs_numbers()
                writer.finish()
                sink.close()
        except BaseException:
            sink.abort()
            raise
        for collisions in done.collisions.values():
            collisions.settle()
        for opened in source.files:
            opened.check_unchanged()
        found: dict[str, Any] = {
            "inputs": _hashed_files(source),
            "rows": done.rows,
            "form": form,
            "columns": [done.of(c) for c in plan.columns],
            "dropped": list(plan.drop),
            "birth": birth,
            **({"birth_column": birth_column} if birth and birth_column != BIRTH else {}),
            "full_birth_dates": birth_column in names and birth is None,
            "key_fingerprint": fingerprint(key),
            "output": _written(output, partial, sink.rows),
        }
        if kept_lookup is not None and lookup is not None and lookup_partial is not None:
            rows = _write_lookup(kept_lookup, lookup_partial, ending(lookup), plan, encoding)
            found["lookup"] = _written(lookup, lookup_partial, rows)
        record = {"record_version": 1, "command": "pseudonymise", **_making(plan, key, found["inputs"]).also, **found}
        record_partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if audit_log is not None:
            audit.append(audit_log, "pseudonymise", **found)
        try:
            outputs.commit()
        except BaseException:
            if audit_log is not None:
                audit.append(audit_log, "pseudonymise-failed", output={"name": output.name})
            raise
    return found


def _hashed_files(source: Source) -> list[dict[str, Any]]:
    return [{"name": f.path.name, HASH: hash_file(f.path)} for f in source.files]


def _written(output: Path, partial: Path, rows: int) -> dict[str, Any]:
    return {"name": output.name, "rows": rows, "bytes": partial.stat().st_size, HASH: hash_file(partial)}


def _making(plan: _Plan, key: bytes, inputs: Sequence[Mapping[str, Any]]) -> Making:
    """There is neither date nor pack: the same run is one on the same files with the same key for the same purposes."""
    purposes = {c.name: c.purpose for c in plan.columns}
    also = {"inputs": inputs, "purposes": purposes, "form": plan.form, "key_fingerprint": fingerprint(key)}
    return Making("pseudonymise", also=also)


@dataclass(frozen=True)
class _Plan:
    """What is done to a batch."""

    columns: tuple[Column, ...]
    form: Form
    drop: tuple[str, ...]
    birth: Birth | None
    lookup_with: tuple[str, ...]
    birth_column: str = BIRTH

    def wanted(self, names: Sequence[str]) -> list[str]:
        """The columns to read: those of the output, and those that only the lookup has."""
        return [*names, *(c for c in self.lookup_with if c not in names)]

    def schema(self, theirs: pa.Schema, names: Sequence[str]) -> pa.Schema:
        kind = pa.string() if self.form == "text" else pa.int64()
        changed = {c.name: kind for c in self.columns} | ({self.birth_column: pa.date32()} if self.birth else {})
        fields = [theirs.field(n) for n in names]
        return pa.schema(
            [pa.field(f.name, changed[f.name]) if f.name in changed else f.remove_metadata() for f in fields]
        )

    def apply(
        self, batch: pa.RecordBatch, names: Sequence[str], digester: Digester, done: _Done, with_pairs: bool
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """The batch for the output, and the rows for the lookup (none of them where all originals are null)."""
        new: dict[str, pa.Array] = {}
        originals: dict[str, pa.Array] = {}
        pairs: dict[str, pa.Array] = {}
        for which, column in enumerate(self.columns):
            original = batch.column(column.name)
            read = as_read(original, column.kind, column.name)
            done.respelt[column.name] += read.respelt
            new[column.name], originals[column.name] = self._pseudonyms(read.column, which, digester, done)
            done.nulls[column.name] += new[column.name].null_count
        if with_pairs:
            there = pa.array(np.logical_or.reduce([np.asarray(new[c.name].is_valid()) for c in self.columns]))
            for column in self.columns:
                pairs[column.name], pairs[column.name + ORIGINAL] = new[column.name], originals[column.name]
            pairs |= {n: plain(batch.column(n)) for n in self.lookup_with}
            rows = pa.RecordBatch.from_pydict(pairs).filter(there)
        else:
            rows = batch.slice(0, 0)
        if self.birth:
            new[self.birth_column] = _coarse(batch.column(self.birth_column), self.birth, self.birth_column)
        arrays = [new.get(n, batch.column(n)) for n in names]
        done.rows += batch.num_rows
        return pa.RecordBatch.from_arrays(arrays, names=list(names)), rows

    def _pseudonyms(self, values: pa.Array, which: int, digester: Digester, done: _Done) -> tuple[pa.Array, pa.Array]:
        """(Pseudonyms, originals) of a column as it is read; a value that comes again and again is hashed once."""
        if pt.is_dictionary(values.type) and (
            len(values.dictionary) > len(values) or pt.is_string_view(values.dictionary.type)
        ):
            values = plain(values)
        elif not pt.is_dictionary(values.type) and _repeats(values):
            values = plain(values).dictionary_encode()
        if pt.is_dictionary(values.type):
            made, text = self._hashed(values.dictionary, which, digester, done)
            return made.take(values.indices), text.take(values.indices)
        return self._hashed(values, which, digester, done)

    def _hashed(self, values: pa.Array, which: int, digester: Digester, done: _Done) -> tuple[pa.Array, pa.Array]:
        text = hashed_text(values)
        valid = np.asarray(text.is_valid())
        raw = text.drop_null() if text.null_count else text
        digests = digester.digests(which, raw.cast(pa.large_binary()).to_pylist())
        if self.form == "int64":
            done.collisions[self.columns[which].purpose].add(digests)
        return (as_text if self.form == "text" else as_int64)(digests, valid), text.cast(pa.large_string())


class _Done:
    """What was counted."""

    def __init__(self, plan: _Plan) -> None:
        self.rows = 0
        self.nulls = {c.name: 0 for c in plan.columns}
        self.respelt = {c.name: 0 for c in plan.columns}
        self.collisions = {c.purpose: Collisions(c.name) for c in plan.columns} if plan.form == "int64" else {}

    def of(self, column: Column) -> dict[str, Any]:
        """What was counted of a column."""
        found = {"column": column.name, "purpose": column.purpose, "nulls": self.nulls[column.name]}
        respelt = self.respelt[column.name]
        return {**found, "respelt": respelt} if respelt else found


def _repeats(values: pa.Array) -> bool:
    first = values.slice(0, 8192)
    if pt.is_string_view(first.type):
        first = first.cast(pa.large_string())
    return bool(len(first) > 100 and pc.count_distinct(first).as_py() <= len(first) // 2)


def _coarse(values: pa.Array, birth: Birth, name: str) -> pa.Array:
    values = plain(values)
    try:
        if is_text(values.type):
            values = pc.utf8_trim_whitespace(values.cast(pa.large_string()))
            values = pc.if_else(pc.equal(values, ""), pa.scalar(None, values.type), values)
        days = values.cast(pa.date32(), safe=not pt.is_timestamp(values.type))
    except pa.ArrowException:  # its message quotes the value
        raise InputError("holds what is not a date like 2026-06-30", column=name) from None
    return pc.floor_temporal(days, unit="month" if birth == "year-month" else "year").cast(pa.date32())


def _kinds(plan: _Plan, output: Path) -> Callable[[str], str | None]:
    """How cells are read. CSV that becomes CSV keeps its text; for other files the known columns get their types."""
    ours = {c.name for c in plan.columns}
    known = {} if ending(output).startswith(".csv") else patient_schema().columns

    def kind(name: str) -> str | None:
        if name in ours:
            return "id"
        if name == plan.birth_column and plan.birth:
            return "date"
        return known[name].cells if name in known else None

    return kind


def _batches(source: Source, names: Sequence[str], plan: _Plan) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    for i, file in enumerate(source.files):
        row = 0
        for batch in file.batches(plan.wanted(names)):
            yield i, row, batch
            row += batch.num_rows
    last = source.files[-1].schema  # a table without rows has a schema nevertheless
    yield (
        len(source.files) - 1,
        0,
        no_rows(pa.schema([last.field(n) for n in plan.wanted(names)])),
    )


def _check(source: Source, plan: _Plan, keep: Sequence[str]) -> list[str]:
    """The output's columns. Raises `InputError` for what is wrong with the files' columns."""
    first = source.files[0]
    theirs = first.schema.names
    for file in source.files[1:]:
        other = set(file.schema.names) ^ set(theirs)
        if other:
            lacks, has = (file, first) if min(other) in theirs else (first, file)
            raise InputError(f"is absent, but {has.name} has it", column=min(other), file=lacks.name)
    wanted = [(c.name, "--column") for c in plan.columns] + [(n, "--drop") for n in plan.drop]
    wanted += [(n, "--keep") for n in keep] + [(n, "--lookup-with") for n in plan.lookup_with]
    wanted += [(plan.birth_column, "--birth")] if plan.birth else []

    for name, option in wanted:
        if name not in theirs:
            another = "; --birth-column names another" if option == "--birth" else ""
            told = f"{option}: there is no such column{suggest(name, theirs)}{another}"
            raise InputError(told, column=name, file=first.name)
    ours = [c.name for c in plan.columns]
    for name in ours:
        if name in plan.drop:
            raise InputError("is both to be pseudonymised and left out", column=name)
        for file in source.files:
            kind = file.schema.field(name).type
            value = kind.value_type if pt.is_dictionary(kind) else kind
            if not (pt.is_integer(value) or is_text(value)):
                raise InputError(f"is {kind}; only whole numbers and text have pseudonyms", column=name, file=file.name)
    names = [n for n in theirs if n not in plan.drop]
    for name in names:
        if name not in ours and name not in keep:
            if looks_like_number(name):
                raise InputError(
                    "is named like a number, which may be a patient's: leave it out (--drop), --keep it if it is none; "
                    "or has the file no header?", column=name, file=first.name,
                )  # fmt: skip
            if is_identifying(name) and name not in (BIRTH, plan.birth_column):
                raise InputError(f"is named like an identifier: {_way_out(name)}", column=name, file=first.name)
    return names


def _way_out(name: str) -> str:
    return f"pseudonymise it (--column {name}), leave it out (--drop {name}) or, if it is none, --keep {name}"


class _Staying:
    """Looks at all of the columns that stay as they are, in each file, for NHS numbers."""

    def __init__(self, source: Source, names: Sequence[str]) -> None:
        self._found = [(file.name, {name: TenDigits() for name in names}) for file in source.files]

    def look(self, file: int, batch: pa.RecordBatch) -> None:
        """Take another batch of a file into account."""
        for name, found in self._found[file][1].items():
            found.look(batch.column(name))

    def refuse_nhs_numbers(self) -> None:
        """Raise `InputError` naming the first file and column that holds NHS numbers."""
        for file, columns in self._found:
            for name, found in columns.items():
                if found.are_nhs_numbers:
                    raise InputError(
                        f"looks like NHS numbers, for the check digit of {found.right:,} of its {found.different:,} "
                        f"different ten-digit numbers is right: {_way_out(name)}", column=name, file=file,
                    )  # fmt: skip


def _check_lookup(lookup: Path, output: Path, source: Source, audit_log: Path | None) -> None:
    if audit_log is None:
        raise InputError(
            "the lookup can undo the pseudonyms, so it needs an audit log: give --audit FILE", file=str(lookup)
        )
    check_target(lookup, [f.path for f in source.files])
    if lookup.resolve() == output.resolve():
        raise InputError("the lookup and the output must be two different files", file=str(lookup))


def _write_lookup(kept: _Lookup, partial: Path, suffix: str, plan: _Plan, encoding: str) -> int:
    table = kept.settled()
    schema = table.schema
    texts = [f.name for f in schema if is_text(f.type)]
    ids = [column.name + ORIGINAL for column in plan.columns]
    sink = open_sink(partial, schema, form=suffix, keys=texts, ids=ids, encoding=encoding)
    try:
        for batch in table.to_batches(max_chunksize=1 << 17):
            sink.write(batch)
        sink.close()
    except BaseException:
        sink.abort()
        raise
    return sink.rows
