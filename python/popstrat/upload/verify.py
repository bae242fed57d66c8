"""An upload read back from the disk: is every file what the manifest says, and every row the right patient's?

`verify` needs nothing but the folder. `trace` goes further, and is part of every upload before it gets its name: each
row of each file, as it was read back, is followed through the lookup to the scored table, both of which are read anew.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import tempfile
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from popstrat import nhsnumber
from popstrat.errors import InputError
from popstrat.ids import hash_ids
from popstrat.upload.lookup import KEY, NUMBER, PRACTICE, LookupFile
from popstrat.upload.scored import Practices, batches, keys_of
from popstrat.upload.spill import Parts, column, parts_for, spread, spread_keys
from popstrat.upload.template import DELIMITERS, ENCODINGS, EXCEL, LINE_ENDS, PREVIOUS

MANIFEST = "manifest.json"
EXCEPTIONS_HEADER = b'"patient_id","reason"\r\n'
_AT_ONCE = 2
_TRACED = ("patients", "ended")
_KINDS = (*_TRACED, "exceptions")
_DAMAGED = "is damaged: something in it is missing, or not what the manifest of an upload has there"


@dataclass(frozen=True)
class Verified:
    """A folder that is what its manifest says. ``sha256`` is of the manifest."""

    manifest: Mapping[str, Any]
    sha256: str


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an upload. Raises `InputError` if there is none."""
    return _manifest(folder)[0]


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise InputError("there is no such folder", file=str(folder))
    try:
        raw = path.read_bytes()
        found = json.loads(raw)
        good = (
            found["command"] == "upload"
            and found["layout"]["encoding"] in ENCODINGS.values()
            and found["layout"]["line_end"] in LINE_ENDS.values()
            and found["layout"]["delimiter"] in DELIMITERS
            and found["layout"]["excel_text"] in EXCEL
            and dt.date.fromisoformat(found["as_of"]) is not None
            and isinstance(found["totals"], dict)
            and all(isinstance(found["totals"][name], int) for name in ("scored", "written", "files", "practices"))
            and all(isinstance(p["practice"], str) for p in found["practices"])
            and all(isinstance(f["name"], str) and f["kind"] in _KINDS for p in found["practices"] for f in p["files"])
        )
        if not good:
            raise ValueError
    except FileNotFoundError:
        raise InputError("holds no manifest.json: it is no upload, or not a whole one", file=str(folder)) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(path)) from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InputError("is not the manifest of an upload, or is damaged", file=str(path)) from None
    return found, hashlib.sha256(raw).hexdigest()


def verify(folder: Path, *, audit: Path | None = None) -> Verified:
    """Read everything in the folder of an upload again. With ``audit``, the log must have released this manifest.

    Raises `InputError` naming the file and what differs: a file that is missing, changed or was not there; a row too
    many or too few; two practices in a file; an id that is there twice or is none; counts that do not add up.
    """
    manifest, sha256 = _manifest(folder)
    try:
        _verify(folder, manifest)
    except InputError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError):  # LookupError: also an unknown encoding
        raise InputError(_DAMAGED, file=str(folder / MANIFEST)) from None
    if audit is not None:
        _check_released(audit, sha256, folder)
    return Verified(manifest, sha256)


def _verify(folder: Path, manifest: Mapping[str, Any]) -> None:
    numbers = any(role == "nhs_number" for _, role, _ in manifest["layout"]["columns"])
    with tempfile.TemporaryDirectory(prefix=".popstrat-verify-") as spill:
        parts = parts_for(int(manifest["totals"]["written"]))
        seen = Written(Path(spill), parts, Practices(), text_ids=not numbers)
        try:
            verify_folder(folder, manifest, seen, name=str(folder), prints_too=False)
            for kind, rows in seen.rows.items():
                for table in rows:
                    _once(column(table, "id"), f"{folder}: {kind} files")
        finally:
            seen.close()


def _check_released(audit: Path, sha256: str, folder: Path) -> None:
    if "upload-released" not in logged(audit, sha256):
        raise InputError(f"this manifest was not released by any line of {audit.name}", file=str(folder / MANIFEST))


def logged(audit: Path, sha256: str) -> set[str]:
    """What an audit log says of a manifest: its events. The log is checked first, and `InputError` raised as there."""
    from popstrat.privacy import audit_log as audits

    audits.verify(audit)
    with audit.open(encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines if sha256 in line]
    return {line["event"] for line in found if line.get("manifest_sha256") == sha256}


class Written:
    """The rows of an upload as they were read back: whose they are by the file, and a print of what they say.

    ``rows`` holds those of each kind of file: ``id``, ``practice`` (its place among ``practices``), ``print``.
    """

    def __init__(self, folder: Path, parts: int, practices: Practices, *, text_ids: bool) -> None:
        self.folder, self.parts, self.practices = folder, parts, practices
        kind = pa.string() if text_ids else pa.int64()
        self.schema = pa.schema([("id", kind), ("practice", pa.int32()), ("print", pa.int64())])
        self.rows = {kind: Parts(folder, f"written-{kind}", self.schema, parts) for kind in _TRACED}

    def add(self, kind: str, practice: str, read: _Read) -> None:
        place = np.full(len(read.ids), self.practices.place(practice), np.int32)
        ids = read.ids.cast(self.schema.field("id").type)
        batch = pa.RecordBatch.from_arrays([ids, pa.array(place), pa.array(read.prints)], schema=self.schema)
        self.rows[kind].add(batch, spread_keys(ids, self.parts))

    def finish(self) -> None:
        """No more rows."""
        for parts in self.rows.values():
            parts.finish()

    def close(self) -> None:
        for parts in self.rows.values():
            parts.close()


def verify_folder(
    folder: Path,
    manifest: Mapping[str, Any],
    seen: Written,
    *,
    name: str,
    ignore: Collection[str] = (),
    prints_too: bool = True,
) -> None:
    """Check a folder against a manifest; ``seen`` is given every row. Raises `InputError` as `verify` does.

    That nobody is in two files of a kind is for the caller to see, from ``seen``.
    """
    named = [f["name"] for p in manifest["practices"] for f in p["files"]]
    there = {path.name for path in folder.iterdir()} - {MANIFEST, *ignore}
    missing = next((n for n in named if n not in there), None)
    if missing is not None:
        raise InputError("is missing", file=f"{name}/{missing}")
    extra = sorted(there - set(named))
    if extra:
        raise InputError("is not in the manifest", file=f"{name}/{extra[0]}")
    if len({n.casefold() for n in named}) != len(named):
        raise InputError("names a file twice", file=f"{name}/{MANIFEST}")
    files = [(practice, file) for practice in manifest["practices"] for file in practice["files"]]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="popstrat-verify") as pool:
        jobs: deque[tuple[str, str, Future[_Read]]] = deque()

        def settle() -> None:
            code, kind, job = jobs.popleft()
            read = job.result()
            if kind in _TRACED:
                seen.add(kind, code, read)

        for practice, file in files:
            code, kind = practice["practice"], file["kind"]
            jobs.append((code, kind, pool.submit(_read, folder, code, file, manifest, name, prints_too)))
            if len(jobs) > 2 * _AT_ONCE:
                settle()
        while jobs:
            settle()
    seen.finish()
    _check_counts(manifest, name)


def _once(ids: pa.Array, name: str) -> None:
    """Nobody may be in two files, nor twice in one."""
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InputError("an id is there more than once", file=name)


def _check_counts(manifest: Mapping[str, Any], name: str) -> None:
    """Rows scored are rows written and rows left out, of each practice and in all."""
    file = f"{name}/{MANIFEST}"
    totals = manifest["totals"]
    sums = {"scored": 0, "written": 0, "excluded": 0, "not_selected": 0}
    for practice in manifest["practices"]:
        code = practice["practice"]
        rows = {kind: sum(f["rows"] for f in practice["files"] if f["kind"] == kind) for kind in _KINDS}
        excluded, not_selected = sum(practice["excluded"].values()), sum(practice["not_selected"].values())
        agree = (
            rows["patients"] == practice["written"]
            and rows["exceptions"] == excluded
            and rows["ended"] == practice.get("ended", 0)
            and practice["scored"] == practice["written"] + excluded + not_selected
        )
        if not agree:
            raise InputError(f"the counts of {code} do not add up", file=file)
        for key, count in zip(sums, (practice["scored"], practice["written"], excluded, not_selected), strict=True):
            sums[key] += count
    elsewhere = sum(totals["not_selected"].values()) - sums["not_selected"]
    agree = (
        totals["written"] == sums["written"]
        and sum(totals["excluded"].values()) == sums["excluded"]
        and elsewhere >= 0
        and totals["scored"] == sums["scored"] + elsewhere
        and totals["scored"] == manifest["scored"]["rows"]
        and totals["files"] == sum(len(p["files"]) for p in manifest["practices"])
        and totals["practices"] == len(manifest["practices"])
    )
    if not agree:
        raise InputError("its totals do not add up", file=file)


# -- one file ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Read:
    ids: pa.Array
    prints: NDArray[np.int64]


def _read(
    folder: Path, practice: str, file: Mapping[str, Any], manifest: Mapping[str, Any], name: str, prints_too: bool
) -> _Read:
    """A file as it is on the disk, checked against its entry. Raises `InputError` naming it and what differs."""
    shown = f"{name}/{file['name']}"
    path = folder / file["name"]
    if Path(file["name"]).name != file["name"] or path.is_symlink() or not path.is_file():
        raise InputError("is not a file of this folder", file=shown)
    raw = path.read_bytes()
    if len(raw) != file["bytes"]:
        raise InputError(f"has {len(raw):,} bytes, and the manifest says {file['bytes']:,}", file=shown)
    if hashlib.sha256(raw).hexdigest() != file["sha256"]:
        raise InputError("is not what was written: its content differs from the manifest", file=shown)
    layout = manifest["layout"]
    kind = file["kind"]
    if kind == "exceptions":
        if not raw.startswith(EXCEPTIONS_HEADER):
            raise InputError("has another header", file=shown)
        table = _parsed(raw, "utf-8", ",", ["patient_id", "reason"], shown)
        _check_rows(table, raw, b"\r\n", file, shown)
        return _Read(column(table, "0"), np.zeros(0, np.int64))
    columns = layout["columns"] if kind == "patients" else layout["ended"]
    table = _parsed(raw, layout["encoding"], layout["delimiter"], [entry[0] for entry in columns], shown)
    _check_rows(table, raw, layout["line_end"].encode(), file, shown)
    roles = [entry[1] for entry in columns]
    if "practice" in roles:
        codes = column(table, str(roles.index("practice")))
        if len(codes) and not pc.all(pc.equal(codes, practice)).as_py():
            raise InputError(f"has rows of another practice than {practice}", file=shown)
    at = roles.index("nhs_number") if "nhs_number" in roles else roles.index("key")
    ids = _unwrapped(column(table, str(at)), layout["excel_text"])
    if roles[at] == "nhs_number":
        numbers, states = nhsnumber.check(ids)
        lengths = pc.binary_length(ids)
        if (states != nhsnumber.PASSED).any() or (len(ids) and pc.min_max(lengths).as_py() != {"min": 10, "max": 10}):
            raise InputError("has something that is not an NHS number where one should be", file=shown)
        ids = pa.array(numbers)
    elif pc.any(pc.equal(ids, "")).as_py():
        raise InputError("has a row without an id", file=shown)
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InputError("has an id more than once", file=shown)
    if not prints_too:
        return _Read(ids, np.zeros(len(ids), np.int64))
    printed = [i for i, (_, role, source) in enumerate(columns) if printed_for(kind, role, source)]
    return _Read(ids, prints([column(table, str(i)) for i in printed], len(ids)))


def _parsed(raw: bytes, encoding: str, delimiter: str, names: Sequence[str], shown: str) -> pa.Table:
    """A CSV file as text, columns named by their place. Raises `InputError` unless its header is that of the layout."""
    bom = b"\xef\xbb\xbf"
    if encoding == "utf-8-sig":
        if not raw.startswith(bom):
            raise InputError("has lost its byte order mark", file=shown)
        raw = raw[len(bom) :]
    places = [str(i) for i in range(len(names))]
    try:
        if encoding == "cp1252":
            raw = raw.decode("cp1252").encode()
        table = pa_csv.read_csv(
            io.BytesIO(raw),
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=places, block_size=max(1 << 20, len(raw) + 1)
            ),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False, check_utf8=True
            ),
        ).combine_chunks()
    except (pa.ArrowException, UnicodeError):
        raise InputError("cannot be read as the manifest says it is written", file=shown) from None
    header = [column(table, place)[0].as_py() for place in places]
    if header != list(names):
        raise InputError("has another header", file=shown)
    return table.slice(1).combine_chunks()


def _check_rows(table: pa.Table, raw: bytes, line_end: bytes, file: Mapping[str, Any], shown: str) -> None:
    if table.num_rows != file["rows"] or raw.count(line_end) != file["rows"] + 1 or not raw.endswith(line_end):
        raise InputError(f"has {table.num_rows:,} rows, and the manifest says {file['rows']:,}", file=shown)


def _unwrapped(ids: pa.Array, excel: str) -> pa.Array:
    """Ids without what makes a spreadsheet leave them alone."""
    if excel == "apostrophe":
        return pc.utf8_slice_codeunits(ids, 1)
    return pc.replace_substring_regex(ids, '^="(.*)"$', "\\1") if excel == "formula" else ids


def printed_for(kind: str, role: str, source: str) -> bool:
    """Whether the cells of a column go into the print: those of the scored table, or of last month's for what ended."""
    if kind == "ended":
        return source == PREVIOUS
    return role in ("label", "flag", "number", "text") and source != PREVIOUS


def prints(texts: Sequence[pa.Array], rows: int) -> NDArray[np.int64]:
    """A 64-bit print of what each row says."""
    if not texts:
        return np.zeros(rows, np.int64)
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")
    return hash_ids(joined, np.uint64(0)).view(np.int64)


# -- every row back to where it came from ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """Where rows of a file should come from, read anew: keys, practices and prints of the rows of a scored table."""

    name: str
    rows: Iterable[tuple[pa.Array, NDArray[np.int32], NDArray[np.int64]]]
    printed: bool  # whether the rows of the file must say what these say


def trace(
    written: Written, kind: str, origins: Sequence[Origin], lookup: LookupFile | None, *, text_keys: bool
) -> None:
    """Follow each row of the files of a kind back to every one of ``origins``; ``lookup`` if their ids are NHS numbers.

    Raises `InputError` unless every id in a file belongs, by the lookup, to one key, and that key, by each origin, to
    the practice of the file, with the values of the file; and the lookup names that practice too.
    """
    rows = written.rows[kind] if lookup is None else _through(written, kind, lookup, text_keys)
    key = pa.string() if text_keys else pa.int64()
    schema = pa.schema([("key", key), ("practice", pa.int32()), ("print", pa.int64())])
    sources = []
    for i, origin in enumerate(origins):
        source = Parts(written.folder, f"traced-{kind}-{i}", schema, written.parts)
        for keys, practice, found in origin.rows:
            batch = pa.RecordBatch.from_arrays([keys, pa.array(practice), pa.array(found)], schema=schema)
            source.add(batch, spread_keys(keys, written.parts))
        source.finish()
        sources.append(source)
    for i in range(written.parts):
        ours = rows.take(i)
        keys = column(ours, ours.column_names[0])
        _once(keys, f"{kind} files")
        for origin, source in zip(origins, sources, strict=True):
            theirs = source.take(i)
            at = pc.index_in(keys, value_set=column(theirs, "key"))
            if at.null_count:
                raise InputError(f"{kind} files: somebody is not in {origin.name}")
            place = np.asarray(at)
            _same(ours, theirs, place, "practice", f"{kind} files: somebody is of another practice in {origin.name}")
            if origin.printed:
                _same(ours, theirs, place, "print", f"{kind} files: somebody has other values in {origin.name}")


def _same(ours: pa.Table, theirs: pa.Table, place: NDArray[Any], name: str, problem: str) -> None:
    """Raise `InputError` unless our rows have in a column what the rows of theirs at ``place`` have."""
    if len(place) and not np.array_equal(column(theirs, name).to_numpy()[place], column(ours, name).to_numpy()):
        raise InputError(problem)


def _through(written: Written, kind: str, lookup: LookupFile, text_keys: bool) -> Parts:
    """The rows of the files under the keys that the lookup has for their NHS numbers."""
    key_type = pa.string() if text_keys else pa.int64()
    schema = pa.schema([("number", pa.int64()), ("key", key_type), ("practice", pa.int32())])
    dealt = Parts(written.folder, f"traced-{kind}-lookup", schema, written.parts)
    names = [lookup.columns[c] for c in (NUMBER, KEY, PRACTICE)]
    for _, batch in batches(lookup.source, names):
        number, key, practice = (batch.column(batch.schema.get_field_index(n)) for n in names)
        numbers, states = nhsnumber.check(number)
        good = pa.array(states == nhsnumber.PASSED)
        rows = pa.RecordBatch.from_arrays(
            [pa.array(numbers), keys_of(key, text_keys), pa.array(written.practices.places(practice))], schema=schema
        ).filter(good)
        dealt.add(rows, spread(rows.column(0).to_numpy(), written.parts))
    dealt.finish()
    schema = pa.schema([("key", key_type), ("practice", pa.int32()), ("print", pa.int64())])
    found = Parts(written.folder, f"traced-{kind}", schema, written.parts)
    for i in range(written.parts):
        ours, theirs = written.rows[kind].take(i), dealt.take(i)
        numbers = column(theirs, "number")
        ids = column(ours, "id")
        _once(ids, f"{kind} files")
        at = pc.index_in(ids, value_set=numbers)
        if at.null_count:
            raise InputError(f"{kind} files: an NHS number is not in the lookup")
        if len(ids) and int(np.asarray(pc.is_in(numbers, value_set=ids)).sum()) != len(ids):
            raise InputError(f"{kind} files: an NHS number is in the lookup more than once")
        place = np.asarray(at)
        _same(ours, theirs, place, "practice", f"{kind} files: somebody is of another practice in the lookup")
        keys = column(theirs, "key").take(pa.array(place))
        batch = pa.RecordBatch.from_arrays([keys, column(ours, "practice"), column(ours, "print")], schema=schema)
        found.add(batch, spread_keys(keys, written.parts))
    found.finish()
    return found
