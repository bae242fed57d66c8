"""A month's upload: one file for each practice, from a scored table.

The rows are dealt out by key to be joined with the lookup and last month's table, then by practice to be written, each
time in parts that fit into memory, so that neither the order of a file nor its size matters. Everything is made in a
hidden folder. Before the folder gets its name, every file in it is read back, and every row of it is traced through
the lookup to a row of the scored table with the same key, the same practice and the same values (`verify`).

Every scored row is written, or left out for one reason that is counted; if the counts do not add up nothing appears.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from popstrat.core.files import writing
from popstrat.core.progress import Progress
from popstrat.core.text import suggest
from popstrat.errors import InputError
from popstrat.privacy import audit_log as audits
from popstrat.record import STALE_DAYS, RunError, program
from popstrat.upload import cells as text
from popstrat.upload import verify as check
from popstrat.upload.folder import HiddenFolder
from popstrat.upload.lookup import REASONS, LookupFile, identify, open_lookup, read_lookup
from popstrat.upload.scored import (
    Practices,
    ScoredFile,
    batches,
    keys_of,
    label_codes,
    open_scored,
    refuse_not_canonical,
    refuse_null,
)
from popstrat.upload.spill import Parts, column, parts_for, spread_keys
from popstrat.upload.template import (
    BIRTH,
    CHANGE,
    CHANGES,
    KEY,
    NHS_NUMBER,
    PRACTICE,
    PREVIOUS,
    Bound,
    Cell,
    Dialect,
    ScoredColumn,
    Settings,
    Template,
    bind,
    load_settings,
    load_template,
)
from popstrat.upload.where import holds

MANIFEST = "manifest.json"
MANIFEST_VERSION = 1
_NOT_ASKED = "practice not asked for"
_OUTSIDE, _UNCHANGED, _NO_GROUP, _OMITTED = (
    "outside the cohort of the template", "unchanged since last month", "in no group", "group not uploaded",
)  # fmt: skip
_UNSELECTED = (_NO_GROUP, _OMITTED, _OUTSIDE, _UNCHANGED)
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_NEW, _UP, _DOWN, _SAME = range(len(CHANGES))
_MANY = 20
"""Of a single practice, so many people left out may be chance."""


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
    practices: Collection[str] | None = None,
    as_of: dt.date | None = None,
    profile: str = "direct-care",
    audit: Path | None = None,
    settings: Path | None = None,
    across_versions: bool = False,
    part_rows: int | None = None,
    progress: Progress | None = None,
) -> Result:
    """Write one file for each practice, and ``manifest.json``, into the new folder ``target``.

    ``as_of`` is the month expected: refused if the table was scored as of another day. ``part_rows`` is how many rows
    are held at a time, which changes nothing in the files. If ``target`` holds this very upload already, it is made
    anew beside it and compared, byte by byte; the log must have released it; and it is left as it is.

    Raises `InputError` for whatever is wrong with the arguments, the files or the folder, `RunError` if the files are
    not what they should be, ``OSError`` if they cannot be written. Nothing is under ``target`` then.
    """
    chosen = load_template(template)
    local = load_settings(settings)
    table = open_scored(scored)
    _check_profile(profile, table, chosen, lookup)
    if as_of is not None and as_of != table.as_of:
        raise InputError(f"was scored as of {table.as_of}, and {as_of} is asked for", file=table.name)
    before = None if previous is None else _open_previous(previous, table, across_versions)
    for file in (table, before):
        if lookup is not None and file is not None and not file.hashed:
            raise InputError(
                "has a run record without a hash, so nothing says that these are the keys and values that were scored; "
                "score again",
                file=file.name,
            )
    who = None if lookup is None else open_lookup(lookup, local)
    bound = bind(
        chosen,
        local,
        table.columns,
        as_of=table.as_of,
        pack=table.pack,
        lookup=who is not None,
        previous=before is not None,
    )
    if who is not None and not who.has_births and chosen.wants(BIRTH):
        raise InputError(
            "is missing from the lookup, and the template writes it", column="date_of_birth", file=str(lookup)
        )
    if who is not None and audit is None:
        raise InputError("to put NHS numbers to keys is to be logged: give --audit FILE, or set POPSTRAT_AUDIT")
    if before is not None and bound.group is not None:
        _check_groups(before, table, bound.group)
    plan = _plan(table, before, who, bound, local, practices, profile)
    audits.check_fields("upload-started", _audited(plan))
    there = _is_there(target, plan)
    if audit is not None:
        _ready(audit, target, [scored, previous, lookup, settings, Path(template)])

    def log(event: str, **fields: Any) -> None:
        if audit is not None:
            audits.append(audit, event, **fields)

    log("upload-started", **_audited(plan), folder=target.name)
    try:
        with writing(target), HiddenFolder(target) as folder:
            run = _Upload(folder, table, before, who, bound, local, practices, part_rows, progress)
            made = run.make()
            warnings = [*_lasting_warnings(table, before, bound, run), *run.practice_warnings]
            manifest = {**plan, "warnings": warnings, **made}
            raw = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
            sha256 = hashlib.sha256(raw).hexdigest()
            folder.create(MANIFEST, raw)  # the last file
            _read_back(folder, run, manifest, str(target))
            folder.drop_spill()
            done = {"folder": target.name, "manifest_sha256": sha256, **_counted(made["totals"])}
            if there:
                _same_upload(target, raw)
                if audit is not None and not _was_released(audit, sha256, target):
                    log("upload-released", **done, made_by_an_interrupted_run=True)
                log("upload-repeated", **_audited(plan), folder=target.name, manifest_sha256=sha256)
                return Result(manifest, sha256, True, (*warnings, *_passing_warnings(table)))
            log("upload-made", **_audited(plan), **done)
            folder.release([*(f["name"] for p in made["practices"] for f in p["files"]), MANIFEST])
            try:
                log("upload-released", **done)
            except BaseException:
                folder.withdraw()
                raise
    except BaseException as error:
        with contextlib.suppress(Exception):
            log("upload-failed", folder=target.name, why=type(error).__name__)
        raise
    return Result(manifest, sha256, False, (*warnings, *_passing_warnings(table)))


def _ready(audit: Path, target: Path, inputs: Sequence[Path | None]) -> None:
    """Raise `InputError` now if the log would refuse a line later, or is one of the files of the work."""
    files = [f for given in inputs if given is not None for f in (given, given.with_name(given.name + ".run.json"))]
    if target.resolve() in Path(audit).resolve().parents:
        raise InputError("the audit log cannot be in the folder of the upload", file=str(audit))
    audits.ready(audit, files)


def _same_upload(target: Path, raw: bytes) -> None:
    """Raise `InputError` unless ``target`` holds the upload of this manifest, just made anew, and no other."""
    manifest = target / MANIFEST
    if manifest.is_symlink() or manifest.read_bytes() != raw:
        raise InputError(
            "is not the manifest of what these tables make: it was changed since; choose a new folder",
            file=str(manifest),
        )
    check.verify(target)


def _was_released(audit: Path, sha256: str, target: Path) -> bool:
    """Whether the log released this manifest; False if the run that made it died before it could.

    Raises `InputError` if the log does not know the manifest.
    """
    events = check.logged(audit, sha256)
    if not events & {"upload-made", "upload-released"}:
        raise InputError(
            f"this manifest was not made or released by any line of {audit.name}; choose a new folder",
            file=str(target / MANIFEST),
        )
    return "upload-released" in events


def _read_back(folder: HiddenFolder, run: _Upload, manifest: Mapping[str, Any], name: str) -> None:
    """Read every file again and trace every row; what is wrong now is not the user's fault."""
    numbers = any(c.role == "nhs_number" for c in run.bound.columns)
    seen = check.Written(folder.spill, run.parts, run.practices, text_ids=not numbers and run.text_keys)
    try:
        check.verify_folder(folder.path, manifest, seen, name=name, ignore={folder.spill.name})
        run.trace(seen)
    except InputError as error:
        raise RunError(f"internal error: {error}; nothing was written") from error


# -- what may be uploaded ------------------------------------------------------------------------------------------


def _check_profile(profile: str, table: ScoredFile, template: Template, lookup: Path | None) -> None:
    if profile == "secondary-use":
        if lookup is not None:
            raise InputError("secondary-use goes without identities: --lookup is not for it")
        if template.identifies:
            raise InputError(
                "writes NHS numbers or dates of birth, which secondary-use goes without", file=template.name
            )
    if table.run["profile"] != profile:
        raise InputError(
            f"was scored for {table.run['profile']}, and this is an upload for {profile}; score it for that",
            file=table.name,
        )


def _open_previous(path: Path, table: ScoredFile, across_versions: bool) -> ScoredFile:
    found = open_scored(path)
    if found.as_of >= table.as_of:
        raise InputError(
            f"is not of an earlier month: scored as of {found.as_of}, and {table.source.path.name} as of {table.as_of}",
            file=found.name,
        )
    if found.pack["id"] != table.pack["id"]:
        raise InputError(f"was scored with {found.pack['id']}, not with {table.pack['id']}", file=found.name)
    same = all(found.pack[key] == table.pack[key] for key in ("version", "sha256"))
    if not same and not across_versions:
        was, now = found.pack["version"], table.pack["version"]
        told = (
            f"version {was} of {table.pack['id']}, not {now}" if was != now else f"another text of {found.pack['id']}"
        )
        raise InputError(
            f"was scored with {told}: people would move because the definitions did; --across-versions allows it",
            file=found.name,
        )
    if found.run["profile"] != table.run["profile"]:
        raise InputError(f"was scored for {found.run['profile']}, not for {table.run['profile']}", file=found.name)
    if found.text_keys != table.text_keys and "csv" not in (found.source.format, table.source.format):
        raise InputError(
            "has other keys: text in one table and whole numbers in the other", column=KEY, file=found.name
        )
    return found


def _check_groups(before: ScoredFile, table: ScoredFile, group: ScoredColumn) -> None:
    theirs = before.columns.get(group.name)
    if theirs is None:
        raise InputError("is absent, so nobody can have moved", column=group.name, file=before.name)
    if theirs.labels != group.labels:
        raise InputError("has other labels, or in another order", column=group.name, file=before.name)


def _plan(
    table: ScoredFile,
    before: ScoredFile | None,
    lookup: LookupFile | None,
    bound: Bound,
    settings: Settings,
    practices: Collection[str] | None,
    profile: str,
) -> dict[str, Any]:
    """What makes this upload this one: the first part of its manifest. The same plan gives the same bytes."""
    head = bound.template.head
    return {
        "manifest_version": MANIFEST_VERSION,
        "command": "upload",
        "program": program(),
        "as_of": table.as_of.isoformat(),
        "profile": profile,
        "template": {
            "id": head["id"],
            "version": head["version"],
            "sha256": bound.template.sha256,
            "local_confirmation": bool(head.get("local_confirmation", False)),
        },
        "settings": settings.sha256,
        "scored": table.described(),
        "previous": None if before is None else before.described(),
        "lookup": None if lookup is None else lookup.described(),
        "practices_asked_for": None if practices is None else sorted(practices),
        "layout": {
            "encoding": bound.dialect.encoding,
            "line_end": bound.dialect.line_end,
            "delimiter": bound.dialect.delimiter,
            "excel_text": bound.dialect.excel_text,
            "columns": [[c.name, c.role, c.source] for c in bound.columns],
            "ended": [[c.name, c.role, c.source] for c in bound.ended],
        },
        "groups": None if bound.group is None else {"column": bound.group.name, "labels": list(bound.group.labels)},
    }


def _audited(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log says of a plan."""
    scored = plan["scored"]
    files = {name: plan[name] and plan[name]["sha256"] for name in ("previous", "lookup")}
    return {
        "profile": plan["profile"],
        "as_of": plan["as_of"],
        "template": plan["template"]["id"],
        "template_sha256": plan["template"]["sha256"],
        "settings_sha256": plan["settings"],
        "pack": f"{scored['run']['pack']['id']} {scored['run']['pack']['version']}",
        "pack_sha256": scored["run"]["pack"]["sha256"],
        "scored_sha256": scored["sha256"],
        "scored_rows": scored["rows"],
        "previous_sha256": files["previous"],
        "lookup_sha256": files["lookup"],
        "re_identified": plan["lookup"] is not None,
    }


def _counted(totals: Mapping[str, Any]) -> dict[str, Any]:
    return {name: totals[name] for name in ("files", "practices", "written", "excluded", "not_selected")}


def _is_there(target: Path, plan: Mapping[str, Any]) -> bool:
    """Whether the folder holds an upload by this plan; False if there is room for one. Raises for any other."""
    if not target.is_dir() or not any(target.iterdir()):
        return False
    try:
        found = check.read_manifest(target)
    except InputError:
        raise InputError("is not empty and holds no upload; choose a new folder", file=str(target)) from None
    for key, value in plan.items():
        there = found.get(key)
        if there != value:
            if key == "as_of":
                raise InputError(
                    f"holds the upload of {there}, and this is of {value}; choose a new folder", file=str(target)
                )
            what = {
                "program": "version of popstrat",
                "scored": "scored table",
                "practices_asked_for": "choice of practices",
            }
            raise InputError(
                f"holds an upload made with another {what.get(key, key.replace('_', ' '))}; choose a new folder",
                file=str(target),
            )
    return True


def _lasting_warnings(table: ScoredFile, before: ScoredFile | None, bound: Bound, run: _Upload) -> list[str]:
    """What whoever reads the manifest should know too: the same whenever the upload is made."""
    found = []
    if run.lookup is None:
        found.append(
            "no lookup: registration was not checked, so people who have died, were deducted or have moved since the "
            "list was made are in these files"
        )
    head = bound.template.head
    if head.get("local_confirmation"):
        found.append(f"template {head['id']}: confirm its columns, dates and codes with whoever imports the files")
    for file in (table, before):
        if file is not None and not file.hashed:
            found.append(
                f"the run record of {file.source.path.name} holds no hash, so a change to the file would not show"
            )
    if before is not None and (gap := (table.as_of - before.as_of).days) > STALE_DAYS:
        found.append(f"the table to compare with is {gap} days older: is it last month's?")
    if before is not None and bound.changed_only:
        found.append(
            "changed is by the scored tables, not by what was uploaded: whoever was left out last month, or whose "
            "practice was not uploaded then, and has the same group now, is in no file; upload all of them once"
        )
    if before is not None and bound.ended:
        found.append(
            "ended entries are by the scored tables: somebody who was left out last month, or whose practice was not "
            "uploaded then, may get one for an entry that was never made"
        )
    if run.test_numbers:
        found.append(f"{run.test_numbers:,} NHS numbers of the lookup begin with 999: they are never issued to anybody")
    return found


def _passing_warnings(table: ScoredFile) -> tuple[str, ...]:
    """What depends on the day, and so is not in the manifest."""
    age = (dt.datetime.now(dt.UTC).date() - table.as_of).days
    return (f"scored as of {table.as_of}, {age} days ago: is it this month's table?",) if age > STALE_DAYS else ()


# -- making it -----------------------------------------------------------------------------------------------------


@dataclass
class _Practice:
    """What was counted for one practice."""

    scored: int = 0
    written: int = 0
    ended: int = 0
    excluded: dict[str, int] = field(default_factory=dict)
    not_selected: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] | None = None
    files: list[dict[str, Any]] = field(default_factory=list)


class _Upload:
    """One run: reads, joins, writes, counts."""

    def __init__(
        self,
        folder: HiddenFolder,
        table: ScoredFile,
        before: ScoredFile | None,
        lookup: LookupFile | None,
        bound: Bound,
        settings: Settings,
        practices: Collection[str] | None,
        part_rows: int | None,
        progress: Progress | None,
    ) -> None:
        self.folder, self.table, self.before, self.lookup = folder, table, before, lookup
        self.bound, self.settings, self.asked, self.progress = bound, settings, practices, progress
        self.practices = Practices()
        rows = [table.rows, *([before.rows] if before else [])]
        if lookup is not None:
            rows.append(lookup.source.rows if lookup.source.rows is not None else table.rows)
        self.parts = parts_for(max(rows), part_rows) if part_rows else parts_for(max(rows))
        self.joined = lookup is not None or before is not None
        self.scored_practices = 0
        self.test_numbers = 0
        self.lookup_rows = 0
        labels = len(bound.group.labels) if bound.group else 0
        self._labels = labels
        self._left = np.zeros((0, labels + 1), np.int64)  # by practice of last month and group then
        self._matched = self._before_rows = 0
        self._outside: dict[int, int] = {}
        self._people = np.zeros(0, np.int64)  # scored, by practice
        self.practice_warnings: list[str] = []
        self._schema = self._scored_schema()

    # -- reading --

    def _wanted(self) -> list[ScoredColumn]:
        """The columns of the scored table that cells or the cohort need, but for key and practice."""
        cells = [*self.bound.columns, *self.bound.ended]
        names = [c.source for c in cells if c.scored and c.role not in ("key", "practice")]
        names += self.bound.where_columns
        return [self.table.columns[name] for name in dict.fromkeys(names)]

    def _scored_schema(self) -> pa.Schema:
        kinds = {"label": pa.int16(), "flag": pa.bool_(), "text": pa.string()}
        fields = [("row", pa.int64()), ("practice", pa.int32()), ("key", pa.string() if self.text_keys else pa.int64())]
        if self._compares_ages:
            fields.append(("age", pa.int16()))
        if self.bound.group is not None:
            fields.append(("group", pa.int16()))
        for c in self._wanted():
            fields.append((f"c:{c.name}", kinds.get(c.role, self.table.source.schema.field(c.name).type)))
        return pa.schema(fields)

    @property
    def text_keys(self) -> bool:
        """Whether keys are text in any of the files; then they are compared as text in all."""
        return any(self._key_kinds.values())

    @cached_property
    def _key_kinds(self) -> dict[str, bool]:
        """Whether keys are text, by file."""
        kinds = {file.name: file.text_keys for file in (self.table, self.before) if file is not None}
        if (lookup := self.lookup) is not None:
            kinds[lookup.source.name] = not pa.types.is_integer(lookup.source.schema.field(lookup.columns[KEY]).type)
        return kinds

    @cached_property
    def _mixed_keys(self) -> str | None:
        """What to say of a text key such as 007 where another file has whole numbers, None if no other file has."""
        text, whole = ([name for name, is_text in self._key_kinds.items() if is_text is kind] for kind in (True, False))
        if not text or not whole:
            return None
        sources = [file.source for file in (self.table, self.before, self.lookup) if file is not None]
        if not any(source.format == "csv" for source in sources):  # a CSV has no types: its ids are always text
            raise InputError(
                f"keys are text in {', '.join(text)} and whole numbers in {', '.join(whole)}, where 007 and 7 would be "
                "one: give the lookup, and every table, the keys as they are in the scored table",
                column=KEY,
                file=whole[0],
            )
        return (
            f"keys are text in {', '.join(text)} and whole numbers in {', '.join(whole)}, and this one is not a whole "
            "number's own text: give the lookup, and every table, the keys as they are in the scored table"
        )

    def _keys(self, batch: pa.RecordBatch, table: ScoredFile, first: int) -> pa.Array:
        keys = batch.column(batch.schema.get_field_index(KEY))
        if self._mixed_keys is not None:
            try:
                refuse_not_canonical(keys, self._mixed_keys, KEY)
            except InputError as error:
                raise error.located(table.name, first) from None
        return keys_of(keys, self.text_keys)

    @property
    def _compares_ages(self) -> bool:
        age = self.table.columns.get("age")
        return self.lookup is not None and self.lookup.has_births and age is not None and age.role == "number"

    def _read_scored(self) -> Parts:
        """The scored table dealt out: by key if there is something to join, by practice if not."""
        group = self.bound.group
        extra = [self.table.columns["age"]] if self._compares_ages else []
        columns = list({c.name: c for c in [*self._wanted(), *([group] if group else []), *extra]}.values())
        dealt = Parts(self.folder.spill, "scored", self._schema, self.parts)
        for first, batch, data in _scored_rows(self.table, columns):
            practice = self.practices.places(batch.column(batch.schema.get_field_index(PRACTICE)))
            keys = self._keys(batch, self.table, first)
            counts = np.bincount(practice, minlength=max(len(self._people), len(self.practices)))
            counts[: len(self._people)] += self._people
            self._people = counts
            arrays = [pa.array(np.arange(first, first + len(keys))), pa.array(practice), keys]
            if self._compares_ages:
                arrays.append(data["age"].cast(pa.int16()))
            if group is not None:
                arrays.append(data[group.name])
            arrays += [data[c.name] for c in self._wanted()]
            rows = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
            if self.asked is not None:
                kept = self._asked()[practice]
                for place, count in enumerate(np.bincount(practice[~kept], minlength=0).tolist()):
                    if count:
                        self._outside[place] = self._outside.get(place, 0) + count
                rows, practice = rows.filter(pa.array(kept)), practice[kept]
                keys = rows.column(2)
            part = spread_keys(keys, self.parts) if self.joined else self._practice_part(practice)
            dealt.add(rows, part)
            if self.progress is not None:
                self.progress(first + batch.num_rows, self.table.rows)
        dealt.finish()
        total = dealt.rows + sum(self._outside.values())
        if total != self.table.rows:
            raise InputError(f"has {total:,} rows, and {self.table.rows:,} by its run record", file=self.table.name)
        self.scored_practices = len(self.practices)
        self._check_codes()
        self._check_names()
        return dealt

    def _practice_part(self, practice: NDArray[np.int32]) -> NDArray[np.uint8]:
        return (practice % self.parts).astype(np.uint8)

    def _check_codes(self) -> None:
        """Practice codes go into file names, and must stay apart where small letters and capitals do not differ."""
        seen: dict[str, str] = {}
        for code in self.practices.codes[: self.scored_practices]:
            if not _CODE.fullmatch(code):
                raise InputError(
                    f"{code[:40]!r} cannot be part of a file name: letters, digits, _ and - can",
                    column=PRACTICE,
                    file=self.table.name,
                )
            other = seen.setdefault(code.casefold(), code)
            if other != code:
                raise InputError(
                    f"{other!r} and {code!r} differ in capitals only", column=PRACTICE, file=self.table.name
                )
        unknown = [code for code in self.asked or () if code not in self.practices.codes[: self.scored_practices]]
        if unknown:
            near = suggest(unknown[0], self.practices.codes)
            raise InputError(f"--practices: nobody is registered with {unknown[0]!r}{near}", file=self.table.name)

    def _check_names(self) -> None:
        """No two files may have a name that is the same but for capitals, however many parts a practice has."""
        seen: dict[str, str] = {MANIFEST: "the manifest"}
        limit = self.bound.max_rows
        for place, code in enumerate(self.practices.codes[: self.scored_practices]):
            if place in self._outside:
                continue
            parts = range(1, max(1, -(-int(self._people[place]) // limit) if limit else 1) + 1)
            ours: set[str] = set()
            names = [self.bound.file_name(code, part) for part in parts]
            if self.bound.ended:
                names += [self.bound.file_name(code, part, ended=True) for part in parts]
            if self.lookup is not None:
                names.append(self._exceptions_name(code))
            for name in names:
                other = seen.setdefault(name.casefold(), code)
                if other != code or name.casefold() in ours:
                    whose = f"{code} and {other}" if other != code else code
                    raise InputError(
                        f"[file] name: two files ({whose}) would be named {name}", file=self.bound.template.name
                    )
                ours.add(name.casefold())

    def _exceptions_name(self, code: str) -> str:
        return f"{code}_{self.bound.as_of.isoformat()}_exceptions.csv"

    def _read_previous(self) -> Parts:
        assert self.before is not None
        assert self.bound.group is not None
        key = self._schema.field("key").type
        schema = pa.schema([("key", key), ("practice", pa.int32()), ("before", pa.int16()), ("held", pa.bool_())])
        where = self._where_before()
        dealt = Parts(self.folder.spill, "previous", schema, self.parts)
        group = self.before.columns[self.bound.group.name]
        for first, batch, data in _scored_rows(self.before, list({c.name: c for c in (group, *where)}.values())):
            practice = self.practices.places(batch.column(batch.schema.get_field_index(PRACTICE)))
            keys = self._keys(batch, self.before, first)
            held = self._held(data, batch.num_rows)
            rows = pa.RecordBatch.from_arrays([keys, pa.array(practice), data[group.name], held], schema=schema)
            dealt.add(rows, spread_keys(keys, self.parts))
            self._before_rows += int(self._asked()[practice].sum())
        dealt.finish()
        return dealt

    def _where_before(self) -> list[ScoredColumn]:
        """The columns of last month's table that tell who was in the cohort then, if there are ended entries."""
        assert self.before is not None
        found = []
        for name in self.bound.where_columns if self.bound.ended else ():
            now, then = self.table.columns[name], self.before.columns.get(name)
            if then is None or (then.role, then.labels) != (now.role, now.labels):
                raise InputError(
                    "is absent or of another kind, so nobody knows for whom [patients] where held",
                    column=name,
                    file=self.before.name,
                )
            found.append(then)
        return found

    def _held(self, data: Mapping[str, pa.Array], rows: int) -> pa.Array:
        """For whom [patients] where held last month."""
        if self.bound.where is None or not self.bound.ended:
            return pa.array(np.ones(rows, bool))
        return holds(self.bound.where, data, rows)

    # -- joining --

    def _join(self, scored: Parts, lookup: Parts | None, shared: NDArray[np.int64], previous: Parts | None) -> Parts:
        """Each part of the keys with its identities and movements, dealt out again by practice."""
        fields = [f for f in self._schema if f.name != "age"]
        if lookup is not None:
            fields += [pa.field("number", pa.int64()), pa.field("birth", pa.int32()), pa.field("reason", pa.uint8())]
        if previous is not None:
            fields += [pa.field("before", pa.int16()), pa.field("change", pa.int8()), pa.field("held", pa.bool_())]
        dealt = Parts(self.folder.spill, "joined", pa.schema(fields), self.parts)
        needs_birth = self.bound.template.wants(BIRTH)
        self._left = np.zeros((len(self.practices), self._labels + 1), np.int64)
        for i in range(self.parts):
            rows = scored.take(i)
            keys = column(rows, "key")
            if pc.count_distinct(keys).as_py() != len(keys):
                raise InputError("a key is there more than once", column=KEY, file=self.table.name)
            practice = column(rows, "practice").to_numpy()
            if lookup is not None:
                ages = (
                    np.asarray(pc.fill_null(column(rows, "age"), -1)).astype(np.int64) if self._compares_ages else None
                )
                who = identify(
                    keys,
                    practice,
                    ages,
                    lookup.take(i),
                    shared,
                    self.table.as_of,
                    needs_birth=needs_birth,
                    births_known_to=self.settings.births,
                )
                for name, values in (
                    ("number", pa.array(who.numbers)),
                    ("birth", who.births),
                    ("reason", pa.array(who.reasons)),
                ):
                    rows = rows.append_column(name, values)
            if previous is not None:
                found = self._moved(keys, practice, column(rows, "group"), previous.take(i))
                for name, values in zip(("before", "change", "held"), found, strict=True):
                    rows = rows.append_column(name, values)
            for batch in rows.select([f.name for f in fields]).to_batches():
                dealt.add(batch, self._practice_part(batch.column(1).to_numpy()))
        dealt.finish()
        return dealt

    def _asked(self) -> NDArray[np.bool_]:
        """Which of the practices met so far were asked for."""
        return np.array([self.asked is None or code in self.asked for code in self.practices.codes], bool)

    def _rank(self, codes: NDArray[Any]) -> NDArray[Any]:
        """How severe a group is, 0 the most; no group (its place is the number of labels) comes last."""
        if self.bound.most_severe_first:
            return codes
        ranks: NDArray[Any] = np.where(codes == self._labels, codes, self._labels - 1 - codes)
        return ranks

    def _moved(
        self, keys: pa.Array, practice: NDArray[np.int32], group: pa.Array, previous: pa.Table
    ) -> tuple[pa.Array, pa.Array, pa.Array]:
        """The group of last month (null where there was none, or at another practice), the change of each row, and
        whether ``where`` held last month."""
        theirs = column(previous, "key")
        if pc.count_distinct(theirs).as_py() != len(theirs):
            assert self.before is not None
            raise InputError("a key is there more than once", column=KEY, file=self.before.name)
        at = pc.index_in(keys, value_set=theirs)
        place = np.asarray(pc.fill_null(at, 0))
        there = np.asarray(at.is_valid())
        their_practice = column(previous, "practice").to_numpy()
        then = np.asarray(pc.fill_null(column(previous, "before"), self._labels)).astype(np.int64)
        stayed = there & (their_practice[place] == practice) if len(theirs) else there
        self._matched += int(self._asked()[their_practice[place[there]]].sum()) if len(theirs) else 0
        # Who was on a practice's list and is not on it now has left that practice, wherever they are.
        left = np.ones(len(theirs), bool)
        left[place[stayed]] = False
        np.add.at(self._left, (their_practice[left], then[left]), 1)
        before = np.where(stayed, then[place] if len(theirs) else 0, self._labels)
        now = np.asarray(pc.fill_null(group, self._labels)).astype(np.int64)
        change = np.full(len(keys), _NEW, np.int8)
        was, is_ = self._rank(before), self._rank(now)
        change[stayed & (is_ < was)] = _UP
        change[stayed & (is_ > was)] = _DOWN
        change[stayed & (is_ == was)] = _SAME
        held = stayed & np.asarray(column(previous, "held"))[place] if len(theirs) else stayed
        groups = pa.array(before.astype(np.int16), mask=~stayed | (before == self._labels))
        return groups, pa.array(change), pa.array(held)

    # -- writing --

    def make(self) -> dict[str, Any]:
        """Write every practice's files; the rest of the manifest."""
        lookup = previous = None
        shared: NDArray[np.int64] = np.zeros(0, np.int64)
        scored = self._read_scored()
        if self.lookup is not None:
            lookup, shared, self.test_numbers = read_lookup(
                self.lookup,
                self.practices,
                text_keys=self.text_keys,
                mixed_keys=self._mixed_keys,
                folder=self.folder.spill,
                parts=self.parts,
            )
            self.lookup_rows = lookup.rows
        if self.before is not None:
            previous = self._read_previous()
        if self.joined:
            scored = self._join(scored, lookup, shared, previous)
        if self.before is not None:
            self._check_overlap()
        counted = {place: _Practice() for place in range(self.scored_practices) if place not in self._outside}
        moves = np.zeros((self.scored_practices, self._labels + 2, self._labels + 1), np.int64)
        for rows in scored:
            self._write_part(rows, counted, moves)
        return self._manifest(counted, moves)

    def _check_overlap(self) -> None:
        assert self.before is not None
        share = self._matched / self._before_rows if self._before_rows else 1.0
        if share < self.settings.overlap:
            raise InputError(
                f"is of other people: {share:.0%} of them are in {self.table.source.path.name} "
                f"(at least {self.settings.overlap:.0%} must be; [limits] overlap of --settings)",
                file=self.before.name,
            )

    def _write_part(self, rows: pa.Table, counted: Mapping[int, _Practice], moves: NDArray[np.int64]) -> None:
        if not rows.num_rows:
            return
        order = np.lexsort((column(rows, "row").to_numpy(), column(rows, "practice").to_numpy()))
        if not np.array_equal(order, np.arange(len(order))):
            rows = rows.take(pa.array(order)).combine_chunks()
        practice = column(rows, "practice").to_numpy()
        if self.before is None and self.lookup is None:
            self._check_unique(rows, practice)
        excluded = column(rows, "reason").to_numpy() if self.lookup is not None else np.zeros(len(practice), np.uint8)
        unselected = self._unselected(rows, excluded == 0)
        written = (excluded == 0) & (unselected == 0)
        ended = self._ended(rows, excluded == 0)
        if self.before is not None:
            group = np.asarray(pc.fill_null(column(rows, "group"), self._labels)).astype(np.int64)
            before = np.asarray(pc.fill_null(column(rows, "before"), self._labels)).astype(np.int64)
            before[column(rows, "change").to_numpy() == _NEW] = self._labels + 1
            np.add.at(moves, (practice, before, group), 1)
        starts = np.flatnonzero(np.r_[True, practice[1:] != practice[:-1]])
        stops = np.r_[starts[1:], len(practice)]
        for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
            here = counted[int(practice[start])]
            here.scored = stop - start
            here.excluded = _named(REASONS, excluded[start:stop])
            here.not_selected = _named(_UNSELECTED, unselected[start:stop])
        self._write_files(rows.filter(pa.array(written)), counted, "patients")
        if self.bound.ended:
            self._write_files(rows.filter(pa.array(ended)), counted, "ended")
        self._write_exceptions(rows, practice, excluded, counted)

    def _check_unique(self, rows: pa.Table, practice: NDArray[np.int32]) -> None:
        keys = column(rows, "key")
        if pc.count_distinct(keys).as_py() != len(keys):
            raise InputError("a key is there more than once", column=KEY, file=self.table.name)

    def _unselected(self, rows: pa.Table, known: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Why a row is not among the patients that the template is for (from 1, a place in `_UNSELECTED`), or 0."""
        found = np.zeros(rows.num_rows, np.uint8)

        def mark(reason: str, wrong: NDArray[np.bool_]) -> None:
            found[known & (found == 0) & wrong] = _UNSELECTED.index(reason) + 1

        for name, label in sorted(self.bound.omitted, key=str):
            codes = column(rows, f"c:{name}")
            if label is None:
                mark(_NO_GROUP, np.asarray(codes.is_null()))
            else:
                mark(_OMITTED, np.asarray(pc.fill_null(pc.equal(codes, label), False)))
        if self.bound.where is not None:
            data = {name: column(rows, f"c:{name}") for name in self.bound.where_columns}
            mark(_OUTSIDE, ~np.asarray(holds(self.bound.where, data, rows.num_rows)))
        if self.bound.changed_only:
            mark(_UNCHANGED, column(rows, "change").to_numpy() == _SAME)
        return found

    def _ended(self, rows: pa.Table, known: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Rows of people still with the practice, in the cohort last month, whose group of then no longer holds."""
        if not self.bound.ended:
            return np.zeros(rows.num_rows, bool)
        before, group = column(rows, "before"), column(rows, "group")
        other = np.asarray(pc.fill_null(pc.not_equal(before, group), True))
        found: NDArray[np.bool_] = known & np.asarray(before.is_valid()) & other & np.asarray(column(rows, "held"))
        for cell in self.bound.ended:
            if cell.source == PREVIOUS and cell.coded:
                uploaded = np.array([text is not None for text in cell.texts] + [False])
                found &= uploaded[np.asarray(pc.fill_null(before, len(cell.texts)))]
        return found

    def _data(self, rows: pa.Table) -> dict[str, pa.Array]:
        """The columns by the name that cells have for them."""
        data = {name.removeprefix("c:"): column(rows, name) for name in rows.column_names if name.startswith("c:")}
        data[KEY] = column(rows, "key")
        data[PRACTICE] = _coded_practices(column(rows, "practice"), self.practices)
        names = {NHS_NUMBER: "number", BIRTH: "birth", CHANGE: "change", PREVIOUS: "before"}
        data.update({name: column(rows, at) for name, at in names.items() if at in rows.column_names})
        return data

    def _write_files(self, rows: pa.Table, counted: Mapping[int, _Practice], kind: str) -> None:
        """The files of one kind of every practice that has rows here; none is in two parts."""
        ended = kind == "ended"
        cells, dialect = (self.bound.ended if ended else self.bound.columns), self.bound.dialect
        rows = rows.combine_chunks()
        practice = column(rows, "practice").to_numpy()
        data = self._data(rows)
        try:
            texts = [text.content(cell, data, rows.num_rows, dialect) for cell in cells]
        except InputError as error:
            places = column(rows, "row").to_numpy()
            raise error.among(places.tolist()).located(self.table.name) from None
        body = text.lines(texts, cells, dialect)
        head = text.header(cells, dialect)
        limit = self.bound.max_rows or max(rows.num_rows, 1)
        group = np.asarray(pc.fill_null(column(rows, "group"), self._labels)) if self.bound.group else None
        edges = np.searchsorted(practice, np.arange(self.scored_practices + 1)).tolist()
        for place in np.unique(practice).tolist():
            first, last = edges[place], edges[place + 1]
            cuts = [*range(first, last, limit), last]
            here = counted[place]
            for part, piece in enumerate(text.slices(body, cuts), 1):
                self._file(here, self.bound.file_name(self.practices.codes[place], part, ended=ended), kind,
                           cuts[part] - cuts[part - 1], head, text.encoded(piece, dialect))  # fmt: skip
            if ended:
                here.ended = last - first
            else:
                here.written = last - first
                if group is not None and self.bound.group is not None:
                    counts = np.bincount(group[first:last], minlength=self._labels + 1).tolist()
                    here.groups = {**dict(zip(self.bound.group.labels, counts, strict=False)), "": counts[-1]}

    def _file(self, practice: _Practice, name: str, kind: str, rows: int, *content: bytes | memoryview) -> None:
        try:
            self.folder.create(name, *content)
        except FileExistsError:
            raise RunError(f"internal error: two files would be named {name}; nothing was written") from None
        digest = hashlib.sha256()
        size = 0
        for part in content:
            digest.update(part)
            size += len(part)
        practice.files.append({"name": name, "kind": kind, "rows": rows, "bytes": size, "sha256": digest.hexdigest()})

    def _write_exceptions(
        self, rows: pa.Table, practice: NDArray[np.int32], excluded: NDArray[np.uint8], counted: Mapping[int, _Practice]
    ) -> None:
        """Who was left out and why, under the key alone, for the practice whose patient it is by the scored table."""
        if not excluded.any():
            return
        where = np.flatnonzero(excluded)
        keys = column(rows, "key").take(pa.array(where)).cast(pa.string())
        reasons = pa.array(REASONS).take(pa.array(excluded[where].astype(np.int32) - 1))
        cells = (Cell("patient_id", KEY), Cell("reason", "reason"))  # text: quoted, and no formula for a spreadsheet
        dialect = Dialect(quoting="all")
        try:
            texts = [text.content(c, {KEY: keys, "reason": reasons}, len(keys), dialect) for c in cells]
        except InputError as error:
            places = column(rows, "row").to_numpy()[where]
            raise error.among(places.tolist()).located(self.table.name) from None
        body = text.lines(texts, cells, dialect)
        whose = practice[where]
        for place in np.unique(whose).tolist():
            first, last = np.searchsorted(whose, [place, place + 1]).tolist()
            name = self._exceptions_name(self.practices.codes[place])
            piece = text.slices(body, [first, last])[0]
            self._file(counted[place], name, "exceptions", last - first, check.EXCEPTIONS_HEADER, piece)

    # -- counting --

    def _manifest(self, counted: Mapping[int, _Practice], moves: NDArray[np.int64]) -> dict[str, Any]:
        listed = []
        for place in sorted(counted, key=lambda p: self.practices.codes[p]):
            here = counted[place]
            if not any(f["kind"] == "patients" for f in here.files):  # nobody of it was chosen: an empty file says so
                head = text.header(self.bound.columns, self.bound.dialect)
                self._file(here, self.bound.file_name(self.practices.codes[place], 1), "patients", 0, head)
            short = here.scored - here.written - sum(here.excluded.values()) - sum(here.not_selected.values())
            if short:
                raise RunError(f"internal error: {short:,} rows of {self.practices.codes[place]} are unaccounted for")
            entry: dict[str, Any] = {
                "practice": self.practices.codes[place],
                "scored": here.scored,
                "written": here.written,
                "excluded": here.excluded,
                "not_selected": here.not_selected,
            }
            if self.bound.group is not None:
                entry["groups"] = here.groups or dict.fromkeys([*self.bound.group.labels, ""], 0)
            if self.before is not None:
                entry["ended"] = here.ended
                entry["movers"] = self._movers(moves[place], self._left[place])
            entry["files"] = sorted(here.files, key=lambda f: (_KINDS.index(f["kind"]), f["name"]))
            listed.append(entry)
            left_out = sum(here.excluded.values())
            if left_out > _MANY and left_out > self.settings.excluded * here.scored:
                most = max(here.excluded, key=lambda reason: here.excluded[reason])
                why = f", {here.excluded[most]:,} of them" if len(here.excluded) > 1 else ","
                self.practice_warnings.append(
                    f"{entry['practice']}: {left_out:,} of {here.scored:,} left out{why} {most}"
                )
        totals = _totals(listed, sum(self._outside.values()), len(self._outside))
        scored, excluded = totals["scored"], sum(totals["excluded"].values())
        if scored != self.table.rows:
            raise RunError(f"internal error: {self.table.rows:,} rows were scored, and {scored:,} are accounted for")
        if self.lookup is not None:
            among = scored - sum(self._outside.values())
            if among and excluded / among > self.settings.excluded:
                reasons = ", ".join(f"{reason}: {count:,}" for reason, count in totals["excluded"].items())
                raise InputError(
                    f"leaves out {excluded / among:.1%} of the people ({reasons}); is it the right lookup? At most "
                    f"{self.settings.excluded:.0%} may be left out ([limits] excluded of --settings)",
                    file=self.lookup.source.name,
                )
            totals["lookup_rows"] = self.lookup_rows
        if self.before is not None:
            asked = sorted(counted)
            gone = self._left if self.asked is None else self._left[asked]
            totals["movers"] = self._movers(moves[asked].sum(axis=0), gone.sum(axis=0))
        return {"totals": totals, "practices": listed}

    def _movers(self, moves: NDArray[np.int64], left: NDArray[np.int64]) -> dict[str, Any]:
        """Counts of each change, and the matrix: for each group of last month (or "new") how many are where now."""
        assert self.bound.group is not None
        names = [*self.bound.group.labels, "no group"]
        ranks = self._rank(np.arange(self._labels + 1))
        inner = moves[: self._labels + 1]
        up = int(inner[ranks[:, None] > ranks[None, :]].sum())
        down = int(inner[ranks[:, None] < ranks[None, :]].sum())
        matrix = {
            name: {
                **dict(zip(names, moves[i].tolist(), strict=True)),
                "left": int(left[i]) if i < len(left) else 0,
            }
            for i, name in enumerate([*names, "new"])
        }
        return {
            "new": int(moves[self._labels + 1].sum()),
            "up": up,
            "down": down,
            "unchanged": int(np.trace(inner)),
            "left": int(left.sum()),
            "from_to": matrix,
        }

    def trace(self, written: check.Written) -> None:
        """Follow every row of every file, as it was read back, to the tables it came from. Raises `InputError`."""
        numbers = any(c.role == "nhs_number" for c in self.bound.columns)
        lookup = self.lookup if numbers else None
        now = check.Origin("the scored table", self._origin(self.table, self.bound.columns, "patients"), True)
        check.trace(written, "patients", [now], lookup, text_keys=self.text_keys)
        if self.bound.ended and self.before is not None:
            now = check.Origin("the scored table", self._origin(self.table, (), "ended"), False)
            then = check.Origin("last month's table", self._origin(self.before, self.bound.ended, "ended"), True)
            check.trace(written, "ended", [now, then], lookup, text_keys=self.text_keys)

    def _origin(
        self, table: ScoredFile, cells: Sequence[Cell], kind: str
    ) -> Iterator[tuple[pa.Array, NDArray[np.int32], NDArray[np.int64]]]:
        """A scored table read anew: keys, practices and prints of what the cells would say."""
        cells = [c for c in cells if check.printed_for(kind, c.role, c.source)]
        names = [self.bound.group.name if c.source == PREVIOUS and self.bound.group else c.source for c in cells]
        columns = list({name: table.columns[name] for name in names}.values())
        for _, batch, data in _scored_rows(table, columns):
            data.update({c.source: data[name] for c, name in zip(cells, names, strict=True)})
            texts = [text.plain(text.content(c, data, batch.num_rows, self.bound.dialect)) for c in cells]
            yield (
                keys_of(batch.column(batch.schema.get_field_index(KEY)), self.text_keys),
                self.practices.places(batch.column(batch.schema.get_field_index(PRACTICE))),
                check.prints(texts, batch.num_rows),
            )


def _scored_rows(
    table: ScoredFile, columns: Sequence[ScoredColumn]
) -> Iterator[tuple[int, pa.RecordBatch, dict[str, pa.Array]]]:
    """Batches of a scored table with their first row; columns as the cells need them: labels as their places."""
    source = table.source
    for first, batch in batches(source, [KEY, PRACTICE, *(c.name for c in columns)]):
        data = {}
        try:
            for name in (KEY, PRACTICE):
                refuse_null(batch.column(batch.schema.get_field_index(name)), name)
            for c in columns:
                found = batch.column(batch.schema.get_field_index(c.name))
                if c.role == "label":
                    found = label_codes(found, c.labels, c.name)
                elif c.role == "text":
                    found = keys_of(found, True)
                data[c.name] = found
        except InputError as error:
            raise error.located(source.name, first) from None
        yield first, batch, data


_KINDS = ("patients", "ended", "exceptions")


def _named(names: Sequence[str], codes: NDArray[np.uint8]) -> dict[str, int]:
    """How many rows there are of each code from 1, by name; those with none left out."""
    counts = np.bincount(codes, minlength=len(names) + 1).tolist()[1:]
    return {name: count for name, count in zip(names, counts, strict=True) if count}


def _coded_practices(places: pa.Array, practices: Practices) -> pa.Array:
    return pa.DictionaryArray.from_arrays(places, pa.array(practices.codes, pa.string()))


def _totals(listed: Sequence[Mapping[str, Any]], outside: int, outside_practices: int) -> dict[str, Any]:
    """Sums over the practices."""

    def summed(name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for entry in listed:
            for reason, count in entry[name].items():
                found[reason] = found.get(reason, 0) + count
        return found

    not_selected = summed("not_selected")
    if outside_practices:
        not_selected[_NOT_ASKED] = outside
    totals: dict[str, Any] = {
        "practices": len(listed),
        "files": sum(len(entry["files"]) for entry in listed),
        "scored": sum(entry["scored"] for entry in listed) + outside,
        "written": sum(entry["written"] for entry in listed),
        "excluded": summed("excluded"),
        "not_selected": not_selected,
    }
    if listed and "groups" in listed[0]:
        totals["groups"] = summed("groups")
    if listed and "ended" in listed[0]:
        totals["ended"] = sum(entry["ended"] for entry in listed)
    return totals
