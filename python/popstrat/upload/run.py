"""A month's upload: one file for each practice, from a scored table. The order of the steps, and the lines of the log.

Everything is made in a hidden folder. Before the folder gets its name, every file in it is read back, and every row of
it is traced through the lookup to a row of the scored table with the same key, the same practice and the same values.
Every scored row is written, or left out for one reason that is counted; if the counts do not add up nothing appears.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core import stopping
from popstrat.core.files import writing
from popstrat.core.hidden_folder import HiddenFolder
from popstrat.core.progress import Progress, enter
from popstrat.errors import InputError, RunError
from popstrat.privacy import audit_log as audits
from popstrat.upload import audit_lines, policy, warnings
from popstrat.upload.file_names import check_codes, check_names
from popstrat.upload.join import join
from popstrat.upload.lookup import read_lookup
from popstrat.upload.manifest import MANIFEST, add_up, encode, list_practices, total_movers
from popstrat.upload.partition import PARTITION_ROWS
from popstrat.upload.patient_keys import KeyRule, key_rule
from popstrat.upload.plan import Plan, describe, make_plan
from popstrat.upload.practices import Practices
from popstrat.upload.previous import read_previous
from popstrat.upload.read import read_scored
from popstrat.upload.read_back import ReadBack, read_back
from popstrat.upload.repeat import There, check_same, find_there, was_released
from popstrat.upload.trace import trace
from popstrat.upload.write import write_practices


@dataclass(frozen=True)
class Result:
    """What an upload did: its manifest, the manifest's hash, and whether the folder was there already."""

    manifest: Mapping[str, Any]
    sha256: str
    repeated: bool
    warnings: tuple[str, ...]


def run_upload(
    scored: Path,
    target: Path,
    *,
    template: str | Path,
    previous: Path | None = None,
    lookup: Path | None = None,
    previous_lookup: Path | None = None,
    practices: Collection[str] | None = None,
    as_of: dt.date | None = None,
    profile: str = "direct-care",
    audit: Path | None = None,
    settings: Path | None = None,
    across_versions: bool = False,
    force: bool = False,
    partition_rows: int = PARTITION_ROWS,
    progress: Progress | None = None,
) -> Result:
    """Write one file for each practice, and ``manifest.json``, into the folder ``target``.

    ``as_of`` is the month expected: refused if the table was scored as of another day. ``partition_rows`` is how many
    rows are held at a time, which changes nothing in the files. If ``target`` holds this very upload already, it is
    made anew beside it and compared, byte by byte; the log must have released it; and it is left as it is. Another
    upload as of the same date and of the same pack is replaced, in one step, and so is any with ``force``; what is no
    upload never is. With ``previous_lookup``, last month's, whoever's key has another NHS number now is left out.

    Raises `InputError` for whatever is wrong with the arguments, the files or the folder, `RunError` if the files are
    not what they should be, ``OSError`` if they cannot be written. Nothing is under ``target`` then.
    """
    plan = make_plan(
        scored,
        template=template,
        settings=settings,
        previous=previous,
        lookup=lookup,
        previous_lookup=previous_lookup,
        practices=practices,
        as_of=as_of,
        profile=profile,
        across_versions=across_versions,
        logged=audit is not None,
        partition_rows=partition_rows,
    )
    described = describe(plan)
    planned = audit_lines.of_plan(described)
    audits.check_fields("upload-started", planned)
    there = find_there(target, described, force)
    if audit is not None:
        given = [
            file for file in (scored, previous, lookup, previous_lookup, settings, Path(template)) if file is not None
        ]
        policy.check_log_path(audit, target)
        audits.ready(audit, [f for file in given for f in (file, file.with_name(file.name + ".run.json"))])

    def log(event: str, **fields: Any) -> None:
        if audit is not None:
            audits.append(audit, event, **fields)

    log("upload-started", **planned, folder=target.name)
    try:
        with writing(target), HiddenFolder(target, "upload", replaces=there is There.ANOTHER) as folder:
            made = make(plan, described, folder, str(target), progress)
            done = {
                "folder": target.name,
                "manifest_sha256": made.sha256,
                **audit_lines.of_totals(made.manifest["totals"]),
            }
            if there is There.THIS:
                check_same(target, made.raw)
                if audit is not None and not was_released(audit, made.sha256, target):
                    log("upload-released", **done, made_by_an_interrupted_run=True)
                log("upload-repeated", **planned, folder=target.name, manifest_sha256=made.sha256)
            else:
                if there is not None:
                    done["replaced"] = True
                with stopping.naming():
                    log("upload-made", **planned, **done)
                    _release(folder, made.manifest, lambda: log("upload-released", **done))
    except BaseException as error:
        with contextlib.suppress(Exception):
            log("upload-failed", folder=target.name, why=type(error).__name__)
        raise
    told = (*made.manifest["warnings"], *warnings.of_today(plan.table))
    return Result(made.manifest, made.sha256, there is There.THIS, told)


@dataclass(frozen=True)
class Made:
    """An upload, made and traced, that has not got its name yet; ``raw`` is the manifest as it was written."""

    manifest: Mapping[str, Any]
    raw: bytes
    sha256: str


def make(plan: Plan, described: Mapping[str, Any], folder: HiddenFolder, name: str, progress: Progress | None) -> Made:
    """Make every file in the hidden folder: the way of a row, from the scored table to a line that was read back.

    ``name`` is what messages call the folder.
    """
    layout, scratch = plan.layout, folder.scratch
    keys = key_rule([file for file in (*plan.tables, plan.lookup, plan.previous_lookup) if file is not None])
    scored = read_scored(plan, keys, scratch, progress)
    enter(progress, "Joining and writing")
    check_codes(plan, scored)
    check_names(plan, scored)
    who = None if plan.lookup is None else read_lookup(plan.lookup, scored.practices, keys, scratch, plan.partitions)
    known, old = scored.practices, plan.previous_lookup
    earlier = None if old is None else read_lookup(old, known, keys, scratch, plan.partitions, called="earlier")
    before = None if plan.previous is None else read_previous(plan, plan.previous, scored, keys, scratch)
    joined = join(plan, keys, scored, who, before, scratch, earlier)
    if plan.previous is not None and before is not None:
        policy.check_overlap(joined.matched, before.people, plan.table, plan.previous, plan.settings)

    entries = write_practices(joined.partitions, scored, plan, folder)
    left = None if plan.previous is None else joined.left
    listed = list_practices(entries, left, layout)
    outside = scored.people[scored.outside]
    totals = add_up(listed, plan.table.rows, outside)
    if plan.lookup is not None and who is not None:
        among = totals["scored"] - int(outside.sum())
        policy.check_left_out(totals["excluded"], among, plan.lookup, plan.settings)
        totals = {**totals, "lookup_rows": who.partitions.rows}
    if left is not None:
        totals = {**totals, "movers": total_movers(entries, left, layout, everywhere=plan.asked is None)}

    read = [
        (plan.table, scored.respelt),
        (plan.lookup, {} if who is None else who.respelt),
        (plan.previous_lookup, {} if earlier is None else earlier.respelt),
        (plan.previous, {} if before is None else before.respelt),
    ]
    told = [
        *warnings.of_plan(plan, 0 if who is None else who.test_numbers),
        *warnings.of_practices(listed, plan.settings),
        *(warnings.of_mergers(before, joined, scored.practices) if before is not None else ()),
        *(note for file, rows in read if file is not None for note in warnings.of_keys(file.source.path.name, rows)),
    ]
    manifest = {**described, "warnings": told, "totals": totals, "practices": listed}
    raw = encode(manifest)
    folder.create(MANIFEST, raw)  # the last file
    _read_back(plan, keys, scored.practices, folder, manifest, name)
    folder.drop_scratch()
    return Made(manifest, raw, hashlib.sha256(raw).hexdigest())


def _read_back(
    plan: Plan,
    keys: KeyRule,
    practices: Practices,
    folder: HiddenFolder,
    manifest: Mapping[str, Any],
    name: str,
) -> None:
    """Read every file again and trace every row; what is wrong now is not the user's fault."""
    text_ids = keys.text and not plan.layout.has_numbers
    seen = ReadBack(folder.scratch, plan.partitions, practices, text_ids=text_ids)
    try:
        read_back(folder.path, manifest, seen, name=name, ignore={folder.scratch.name})
        trace(plan, keys, seen)
    except InputError as error:
        raise RunError(f"internal error: {error}; nothing was written") from error


def _release(folder: HiddenFolder, manifest: Mapping[str, Any], log: Callable[[], None]) -> None:
    """Give the folder its name, and take it away again if that cannot be logged."""
    folder.release([*(f["name"] for p in manifest["practices"] for f in p["files"]), MANIFEST])
    try:
        log()
    except BaseException:
        folder.withdraw()
        raise
