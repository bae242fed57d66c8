"""Evidence that lists were stratified: which practices' files were made in which month, for how many people.

From the manifests of monthly uploads, each verified again. One row a practice and month; then a row for each month,
for each practice over all months, and for all, which are the sums of the others. Counts are exact, because they must
add up: this is for whoever pays and whoever is paid, not for publication.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.files import Outputs, writing
from popstrat.core.hashing import hash_file
from popstrat.core.rerun import Making, read_record, record_path, refuse_other
from popstrat.errors import InputError, shown_name
from popstrat.formats import check_target, ending, open_sink
from popstrat.runs.host import program
from popstrat.upload.audit_lines import released_at
from popstrat.upload.manifest import MANIFEST, read_manifest
from popstrat.upload.verify import verify

ALL = "all"
KINDS = ("practice and month", "month", "practice", "all")
"""What a row is of, in the order of the rows."""
_COUNTS = ("list_size", "uploaded", "left_out")


@dataclass(frozen=True)
class Upload:
    """One upload's folder: its manifest, and whether it is what that says. ``problem`` is why not."""

    folder: str
    manifest: Mapping[str, Any]
    sha256: str
    released: str | None
    problem: str | None = None

    @property
    def month(self) -> str:
        return str(self.manifest["as_of"])[: len("2026-06")]

    @property
    def done(self) -> bool:
        """Whether it counts: verified, and released where a log can say so."""
        return self.problem is None


def read_uploads(folders: Sequence[Path], audit: Path | None) -> list[Upload]:
    """The uploads in these folders, verified, in order of their dates. With ``audit`` also whether and when that log
    released them.

    Raises `InputError` for a folder that holds no upload, one that is given twice, and an audit log that was changed.
    """
    released = {} if audit is None else released_at(audit)
    found: dict[str, Upload] = {}
    for folder in folders:
        manifest, sha256 = read_manifest(folder)
        if sha256 in found:
            raise InputError(f"holds the same upload as {found[sha256].folder}", file=str(folder))
        problem = None
        try:
            verify(folder)
        except InputError as error:
            problem = f"{Path(error.file).name}: {error.problem}" if error.file else error.problem
        if problem is None and audit is not None and sha256 not in released:
            problem = f"no line of {audit.name} released it"
        found[sha256] = Upload(str(folder), manifest, sha256, released.get(sha256), problem)
    return sorted(found.values(), key=lambda upload: str(upload.manifest["as_of"]))


# -- rows --------------------------------------------------------------------------------------------------------------


def rows_of(uploads: Sequence[Upload], practices: Collection[str] | None = None) -> list[dict[str, Any]]:
    """The rows of evidence, in the order of `KINDS`; ``practices`` are those wanted, if not all there are.

    Raises `InputError` for a practice that two uploads of a month have, one that none has, and counts of a manifest
    that do not add up.
    """
    months = _months(uploads)
    rows: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], str] = {}
    for upload in uploads:
        for entry in upload.manifest["practices"]:
            code = entry["practice"]
            if practices is not None and code not in practices:
                continue
            if (other := seen.get((code, upload.month))) is not None:
                raise InputError(f"has practice {code} in {upload.month}, and so has {other}", file=upload.folder)
            seen[code, upload.month] = upload.folder
            rows.append(_row(upload, entry))
    there = {row["practice"] for row in rows}
    missing = sorted(set(practices or ()) - there)
    if missing:
        raise InputError(f"no upload has practice {', '.join(missing[:5])}{' and more' if missing[5:] else ''}")
    rows.sort(key=lambda row: (row["month"], row["practice"]))
    wanted = sorted(there)
    of_month = [_sum(KINDS[1], [r for r in rows if r["month"] == month], len(wanted), month=month) for month in months]
    of_practice = [
        _sum(KINDS[2], [r for r in rows if r["practice"] == code], len(months), practice=code) for code in wanted
    ]
    whole = _sum(KINDS[3], rows, len(wanted) * len(months))
    whole |= {"months": len(months), "months_complete": sum(bool(one["complete"]) for one in of_month)}
    for one in of_practice:
        own = [row for row in rows if row["practice"] == one["practice"]]
        one |= {"months": len(months), "months_complete": sum(row["complete"] for row in own)}
    return [*rows, *of_month, *of_practice, whole]


def _months(uploads: Sequence[Upload]) -> list[str]:
    """Every month from the first upload's to the last one's, those without any among them."""
    days = [dt.date.fromisoformat(str(upload.manifest["as_of"])) for upload in uploads]
    numbers = [day.year * 12 + day.month - 1 for day in days]
    return (
        [f"{number // 12:04}-{number % 12 + 1:02}" for number in range(min(numbers), max(numbers) + 1)] if days else []
    )


def _row(upload: Upload, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What one upload says of one practice."""
    code = entry["practice"]
    try:
        reasons = _added(({**entry["excluded"]}, {**entry["not_selected"]}))
        size, uploaded, out = int(entry["scored"]), int(entry["written"]), sum(reasons.values())
        groups = {_group(upload, label): int(count) for label, count in (entry.get("groups") or {}).items()}
    except (KeyError, TypeError, ValueError):
        raise InputError(f"is damaged: it says nothing about {code}", file=f"{upload.folder}/{MANIFEST}") from None
    if size != uploaded + out or (groups and sum(groups.values()) != uploaded):
        raise InputError(f"the counts of {code} do not add up", file=f"{upload.folder}/{MANIFEST}")
    return {
        "kind": KINDS[0], "practice": code, "month": upload.month, "as_of": str(upload.manifest["as_of"]),
        "list_size": size, "uploaded": uploaded, "left_out": out,
        **{f"left out: {reason}": count for reason, count in reasons.items()}, **groups,
        "manifest_sha256": upload.sha256, "released": upload.released, "verified": upload.problem is None,
        "complete": upload.done, "note": upload.problem,
    }  # fmt: skip


def _group(upload: Upload, label: str) -> str:
    column = (upload.manifest.get("groups") or {}).get("column", "group")
    return f"{column}: {label or 'no group'}"


def _added(parts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        for name, count in part.items():
            found[name] = found.get(name, 0) + int(count)
    return found


def _sum(
    kind: str, rows: Sequence[Mapping[str, Any]], expected: int, *, practice: str = ALL, month: str = ALL
) -> dict[str, Any]:
    """A row for several: their counts added, complete if all that are expected are there and complete."""
    counts = _added([{name: count for name, count in row.items() if _is_count(name)} for row in rows])
    short = expected - len(rows)
    unsound = sum(not row["complete"] for row in rows)
    told = [f"{short} of {expected} not uploaded"] * bool(short) + [f"{unsound} not verified"] * bool(unsound)
    return {
        "kind": kind, "practice": practice, "month": month, **dict.fromkeys(_COUNTS, 0), **counts,
        "verified": bool(rows) and not unsound, "complete": not short and not unsound and bool(rows),
        "note": "; ".join(told) or None,
    }  # fmt: skip


def _is_count(name: str) -> bool:
    return name in _COUNTS or ": " in name


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The rows as a table: what is always there in its order, then reasons and groups in the order of the manifests."""
    some = list(dict.fromkeys(name for row in rows for name in row if ": " in name))
    some = [name for name in some if name.startswith("left out: ")] + [
        name for name in some if not name.startswith("left out: ")
    ]
    texts = ("kind", "practice", "month", "as_of", "manifest_sha256", "released", "note")
    schema = pa.schema(
        [
            *(pa.field(name, pa.string()) for name in texts[:4]),
            *(pa.field(name, pa.int64()) for name in (*_COUNTS, *some)),
            *(pa.field(name, pa.string()) for name in texts[4:6]),
            pa.field("verified", pa.bool_()), pa.field("complete", pa.bool_()),
            pa.field("months", pa.int64()), pa.field("months_complete", pa.int64()), pa.field("note", pa.string()),
        ]
    )  # fmt: skip
    nought = dict.fromkeys(some, 0)
    return pa.Table.from_pylist([nought | dict(row) for row in rows], schema)


# -- file --------------------------------------------------------------------------------------------------------------


def write_evidence(
    folders: Sequence[Path], output: Path, *, audit: Path | None = None, practices: Collection[str] | None = None,
    force: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    """Write the evidence of uploads as a table, mode 0600, and its record beside it; gives the rows.

    Raises `InputError` as `read_uploads` and `rows_of` do, and for an output that another command made.
    """
    check_target(output)
    uploads = read_uploads(folders, audit)
    rows = rows_of(uploads, practices)
    table = table_of(rows)
    bad = next((name for name in table.column_names if shown_name(name) != repr(name)), None)
    if bad is not None:
        raise InputError("a reason or a group looks like a number", file=str(output))
    record_file, latest = record_path(output), str(uploads[-1].manifest["as_of"])
    with writing(output), Outputs() as outputs:
        partial, record_partial = outputs.add(output, secret=True), outputs.add(record_file)
        refuse_other(
            [output, record_file], Making("evidence", latest), read_record(record_file), force, own=[record_file]
        )
        sink = open_sink(partial, table.schema, form=ending(output))
        try:
            for batch in table.to_batches():
                sink.write(batch)
            sink.close()
        except BaseException:
            sink.abort()
            raise
        record = {
            "record_version": 1,
            "command": "evidence",
            "program": program(),
            "as_of": latest,
            "inputs": [{"name": Path(one.folder).name, "as_of": one.manifest["as_of"], "manifest_sha256": one.sha256,
                        "released": one.released, "verified": one.done} for one in uploads],
            "practices_asked_for": None if practices is None else sorted(practices),
            "output": {"name": output.name, "rows": len(rows), "bytes": partial.stat().st_size,
                       "sha256": hash_file(partial)},
        }  # fmt: skip
        record_partial.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        outputs.commit()
    return rows
