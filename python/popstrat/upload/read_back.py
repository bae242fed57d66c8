"""The files of an upload as they are on the disk, read again and held against the manifest, row counts and all."""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from popstrat.errors import InputError
from popstrat.privacy import nhs_numbers
from popstrat.scoring.unique_ids import hash_ids
from popstrat.upload import left_out
from popstrat.upload.csv_text import header
from popstrat.upload.manifest import KINDS, MANIFEST
from popstrat.upload.partition import Partitions, column, partition_of_keys
from popstrat.upload.practices import Practices
from popstrat.upload.templates.sources import PREVIOUS

_AT_ONCE = 2
_TRACED = ("patients", "ended")


class ReadBack:
    """The rows of an upload as they were read back: whose they are by the file, and a fingerprint of what they say.

    ``rows`` holds those of each kind of file: ``id``, ``practice`` (its index among ``practices``), ``fingerprint``.
    """

    def __init__(self, folder: Path, partitions: int, practices: Practices, *, text_ids: bool) -> None:
        self.folder, self.partitions, self.practices = folder, partitions, practices
        id_type = pa.string() if text_ids else pa.int64()
        self.schema = pa.schema([("id", id_type), ("practice", pa.int32()), ("fingerprint", pa.int64())])
        self.rows = {kind: Partitions(folder, f"written-{kind}", self.schema, partitions) for kind in _TRACED}

    def add(self, kind: str, practice: str, read: _FileRead) -> None:
        index = np.full(len(read.ids), self.practices.index(practice), np.int32)
        ids = read.ids.cast(self.schema.field("id").type)
        batch = pa.RecordBatch.from_arrays([ids, pa.array(index), pa.array(read.fingerprints)], schema=self.schema)
        self.rows[kind].add(batch, partition_of_keys(ids, self.partitions))

    def finish(self) -> None:
        """No more rows."""
        for rows in self.rows.values():
            rows.finish()

    def close(self) -> None:
        for rows in self.rows.values():
            rows.close()


def read_back(
    folder: Path,
    manifest: Mapping[str, Any],
    seen: ReadBack,
    *,
    name: str,
    ignore: Collection[str] = (),
    values_too: bool = True,
) -> None:
    """Hold a folder against a manifest; ``seen`` is given every row (with ``values_too``, what it says as well).

    Raises `InputError` as `verify` does. That nobody is in two files of a kind is for the caller to see, from ``seen``.
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
        jobs: deque[tuple[str, str, Future[_FileRead]]] = deque()

        def settle() -> None:
            code, kind, job = jobs.popleft()
            read = job.result()
            if kind in _TRACED:
                seen.add(kind, code, read)

        for practice, file in files:
            code, kind = practice["practice"], file["kind"]
            jobs.append((code, kind, pool.submit(_read, folder, code, file, manifest, name, values_too)))
            if len(jobs) > 2 * _AT_ONCE:
                settle()
        while jobs:
            settle()
    seen.finish()
    _check_counts(manifest, name)


def refuse_twice(ids: pa.Array, name: str) -> None:
    """Nobody may be in two files, nor twice in one."""
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InputError("an id occurs more than once", file=name)


def _check_counts(manifest: Mapping[str, Any], name: str) -> None:
    """Rows scored are rows written and rows left out, of each practice and in all."""
    file = f"{name}/{MANIFEST}"
    totals = manifest["totals"]
    sums = {"scored": 0, "written": 0, "excluded": 0, "not_selected": 0}
    for practice in manifest["practices"]:
        code = practice["practice"]
        rows = {kind: sum(f["rows"] for f in practice["files"] if f["kind"] == kind) for kind in KINDS}
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
class _FileRead:
    ids: pa.Array
    fingerprints: NDArray[np.int64]


def _read(
    folder: Path, practice: str, file: Mapping[str, Any], manifest: Mapping[str, Any], name: str, values_too: bool
) -> _FileRead:
    """A file as it is on the disk, checked against its entry. Raises `InputError` naming it and what differs."""
    shown = f"{name}/{file['name']}"
    path = folder / file["name"]
    if Path(file["name"]).name != file["name"] or path.is_symlink() or not path.is_file():
        raise InputError("is not a file of this folder", file=shown)
    if path.stat().st_size != file["bytes"]:
        raise InputError(f"has {path.stat().st_size:,} bytes, and the manifest says {file['bytes']:,}", file=shown)
    raw = path.read_bytes()
    if len(raw) != file["bytes"]:
        raise InputError(f"has {len(raw):,} bytes, and the manifest says {file['bytes']:,}", file=shown)
    if hashlib.sha256(raw).hexdigest() != file["sha256"]:
        raise InputError("is not what was written: its content differs from the manifest", file=shown)
    layout = manifest["layout"]
    kind = file["kind"]
    if kind == "read_me":
        return _FileRead(pa.array([], pa.string()), np.zeros(0, np.int64))
    if kind == "exceptions":
        dialect = left_out.DIALECT
        columns = left_out.COLUMNS if raw.startswith(left_out.HEADER) else left_out.EARLIER
        if not raw.startswith(header(columns, dialect)):
            raise InputError("has another header", file=shown)
        table = _parsed(raw, dialect.encoding, dialect.delimiter, [c.name for c in columns], shown)
        _check_rows(table, raw, dialect.line_end.encode(), file, shown)
        return _FileRead(column(table, "0"), np.zeros(0, np.int64))
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
        numbers, states = nhs_numbers.check(ids)
        lengths = pc.binary_length(ids)
        if (states != nhs_numbers.PASSED).any() or (len(ids) and pc.min_max(lengths).as_py() != {"min": 10, "max": 10}):
            raise InputError("has something that is not an NHS number where one should be", file=shown)
        ids = pa.array(numbers)
    elif pc.any(pc.equal(ids, "")).as_py():
        raise InputError("has a row without an id", file=shown)
    if pc.count_distinct(ids).as_py() != len(ids):
        raise InputError("has an id more than once", file=shown)
    if not values_too:
        return _FileRead(ids, np.zeros(len(ids), np.int64))
    said = [i for i, (_, role, source) in enumerate(columns) if fingerprinted(kind, role, source)]
    return _FileRead(ids, fingerprints([column(table, str(i)) for i in said], len(ids)))


def _parsed(raw: bytes, encoding: str, delimiter: str, names: Sequence[str], shown: str) -> pa.Table:
    """A CSV file as text, columns named by their position. Raises `InputError` if it has another header."""
    bom = b"\xef\xbb\xbf"
    if encoding == "utf-8-sig":
        if not raw.startswith(bom):
            raise InputError("has lost its byte order mark", file=shown)
        raw = raw[len(bom) :]
    positions = [str(i) for i in range(len(names))]
    try:
        if encoding == "cp1252":
            raw = raw.decode("cp1252").encode()
        table = pa_csv.read_csv(
            io.BytesIO(raw),
            read_options=pa_csv.ReadOptions(
                use_threads=False, column_names=positions, block_size=max(1 << 20, len(raw) + 1)
            ),
            parse_options=pa_csv.ParseOptions(delimiter=delimiter, ignore_empty_lines=False),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(positions, pa.string()), strings_can_be_null=False, check_utf8=True
            ),
        ).combine_chunks()
    except (pa.ArrowException, UnicodeError):
        raise InputError("cannot be read as the manifest says it is written", file=shown) from None
    header = [column(table, position)[0].as_py() for position in positions]
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


def fingerprinted(kind: str, role: str, source: str) -> bool:
    """Whether a column's cells go into the fingerprint: those of the scored table, of last month's for what ended."""
    if kind == "ended":
        return source == PREVIOUS
    return role in ("label", "flag", "number", "text") and source != PREVIOUS


def fingerprints(texts: Sequence[pa.Array], rows: int) -> NDArray[np.int64]:
    """A 64-bit fingerprint of what each row says."""
    if not texts:
        return np.zeros(rows, np.int64)
    joined = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, "\x1f")
    return hash_ids(joined, np.uint64(0)).view(np.int64)
