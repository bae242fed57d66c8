"""Work lists: the people of a cohort whom a team should look at next, in order. The order of the steps of a run.

LIST is read once; everything else is made from the few rows that are kept. Before a file gets its name it is read back,
and everybody in it is followed to where they came from.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from popstrat.core import stopping
from popstrat.core.dates import days
from popstrat.core.files import Outputs, refuse_input_as_output, writing
from popstrat.core.hidden_folder import HiddenFolder
from popstrat.core.progress import Progress, enter
from popstrat.core.rerun import Making, pack_named, read_record, record_path, refuse_other
from popstrat.core.text import suggest
from popstrat.core.version import version
from popstrat.errors import InputError, RunError
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.keys import as_read
from popstrat.packs.patient_table import PRACTICE
from popstrat.privacy import audit_log as audits
from popstrat.runs.clock import Clock
from popstrat.runs.file_record import file_record
from popstrat.runs.input_files import Reading, known_columns
from popstrat.runs.record import Record
from popstrat.runs.score_files import ListCounts as FilesRead
from popstrat.runs.score_files import score_files
from popstrat.runs.withheld import without_numbers
from popstrat.scoring.scorer import Scorer
from popstrat.upload import policy
from popstrat.upload.practices import Numbering
from popstrat.worklists.areas import PLACE, Areas, asked_areas, parse_capacity
from popstrat.worklists.best import Best, Chosen
from popstrat.worklists.collect import KEY, MADE, Collector, Files
from popstrat.worklists.file_names import stems
from popstrat.worklists.files import Part, Writer, joined, names_of, parts_of
from popstrat.worklists.files_of_people import read_people
from popstrat.worklists.gone import Before, Movers, movers
from popstrat.worklists.identities import REASONS, Identities
from popstrat.worklists.known import Known
from popstrat.worklists.lists import Reach, reaches
from popstrat.worklists.order import order_of
from popstrat.worklists.plan import Given, Plan, make_plan
from popstrat.worklists.read_ids import FORMATS, read_ids
from popstrat.worklists.read_me import About, as_data, as_text
from popstrat.worklists.record import (
    COMMAND,
    MANIFEST,
    READ_ME,
    FileMade,
    encoded,
    lasting,
    listed,
    made,
    read_record_of,
)
from popstrat.worklists.sheet import Beside, Sheet, make_sheet, one
from popstrat.worklists.trace import Written, trace
from popstrat.worklists.verify import verify
from popstrat.worklists.wording import Wording, wording_of, words_of

_BASIS_NEEDED = (
    "names people of several practices ({practices}), so it carries keys only: leave out --lookup, or name the local "
    "sharing agreement with --shared-care-basis"
)


@dataclass(frozen=True)
class Result:
    """What a run did: its record, the record's hash, every list in numbers, and what to be warned of."""

    record: Record
    sha256: str
    reach: tuple[Reach, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Made:
    """Everything of a run before any file is written."""

    plan: Plan
    sheet: Sheet
    chosen: Chosen
    areas: Areas
    reach: list[Reach]
    moved: Movers | None
    parts: list[Part]
    writer: Writer
    read: FilesRead
    warnings: list[str]

    def gone(self, part: Part) -> Sequence[tuple[str, str]]:
        return () if self.moved is None else self.moved.gone.get(part.number, ())


def run_worklist(
    inputs: Sequence[str | Path],
    target: str | Path,
    scorer: Scorer,
    *,
    cohort: str,
    capacity: str | int | None = None,
    rank_by: str | None = None,
    places: Sequence[str] = (),
    neighbourhoods: Sequence[str] = (),
    practices: Sequence[str] = (),
    split: str | None = None,
    formats: Sequence[str] = (),
    exclude: Path | None = None,
    previous: Path | None = None,
    caseload: Path | None = None,
    lookup: Path | None = None,
    audit: Path | None = None,
    settings: Path | None = None,
    shared_care_basis: str | None = None,
    mapping: ColumnMap = NO_MAP,
    threads: int | None = None,
    encoding: str = "utf-8",
    batch_rows: int | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Result:
    """Write the work list of a ``cohort`` (a column of flags, or ``COLUMN=LABEL``) into the file ``target``; with
    ``split`` (practice, neighbourhood, place) one for each area into the folder ``target``.

    ``capacity``: how many people, or a share such as ``"1.5%"`` of each place's registered people; everybody if None.
    The order is the cohort's rank, then ``rank_by`` (the pack's risk if None), then chance. ``formats`` of a folder's
    files: csv, xlsx, html; a single file's follows from its name. ``exclude``, ``previous``, ``caseload`` and
    ``lookup`` are files as docs/how-to/worklist.md describes them. All files appear, whole and read back, or none.

    Raises `InputError` for whatever is wrong with arguments or files, `RunError` if the files are not what they should
    be, ``OSError`` if they cannot be written; nothing has appeared then.
    """
    target, clock = Path(target), Clock()
    given = Given(exclude, previous, caseload, lookup, audit, settings, shared_care_basis)
    asked = asked_areas(
        {"practice": practices, "neighbourhood": neighbourhoods, PLACE: places}, split, parse_capacity(capacity)
    )
    forms = _formats(target, split, formats)
    reading = Reading.given(mapping, encoding, threads, batch_rows)
    order = order_of(cohort, rank_by, scorer.resolved, known_columns(scorer))
    wording = wording_of(scorer, order)
    with clock.timed("open"):
        plan = make_plan(
            inputs,
            scorer,
            reading,
            order=order,
            asked=asked,
            given=given,
            more_columns=wording.columns_needed,
        )
    sources = [*(f.source.path for f in plan.files), *given.paths]
    refuse_input_as_output(target, [path for path in sources if not path.is_dir()])
    making = Making(COMMAND, scorer.as_of.isoformat(), pack_named(scorer.pack_record))
    log = _Log(audit, plan, target)
    if audit is not None:
        policy.check_log_path(audit, target)
        audits.ready(audit, [*(path for path in sources if not path.is_dir()), target, record_path(target)])
    if split is None:
        return _into_file(plan, target, forms[0], making, log, wording, clock, options, force, progress)
    return _into_folder(plan, target, forms, making, log, wording, clock, options, force, progress)


# -- a single file -----------------------------------------------------------------------------------------------------


def _into_file(
    plan: Plan,
    target: Path,
    form: str,
    making: Making,
    log: _Log,
    wording: Wording,
    clock: Clock,
    options: Mapping[str, Any] | None,
    force: bool,
    progress: Progress | None,
) -> Result:
    record_file, gone_file = record_path(target), target.with_name(f"{target.stem}_gone.csv")
    with_gone = plan.previous is not None and form == "csv"
    targets = [target, record_file, *([gone_file] if with_gone else [])]
    with writing(target), Outputs() as outputs:
        partial = {path: outputs.add(path, secret=True) for path in targets}
        refuse_other(targets, making, read_record(record_file), force, own=[record_file])
        log.started()
        try:
            run = _make(plan, wording, target.parent, clock, progress)
            (part,) = run.parts
            files = []
            content = run.writer.content(part, form, run.gone(part))
            partial[target].write_bytes(joined(content))
            files.append(made(target.name, "list", form, part.area, part.rows, content))
            if with_gone:
                rows = run.writer.gone_file(run.gone(part))
                partial[gone_file].write_bytes(joined(rows))
                files.append(made(gone_file.name, "gone", "csv", part.area, len(run.gone(part)), rows))
            _read_back(run, [(part, form, partial[target])])
            record = _record(run, files, clock, options)
            raw = encoded(record)
            partial[record_file].write_bytes(raw)
            sha256 = made(record_file.name, "list", "json", "", 0, [raw]).sha256
            with stopping.naming():
                log.add("worklist-released", record_sha256=sha256, **_totals(run, files))
                outputs.commit()
        except BaseException as error:
            log.failed(error)
            raise
    return Result(record, sha256, tuple(run.reach), tuple(record["warnings"]))


# -- a folder ----------------------------------------------------------------------------------------------------------


def _into_folder(
    plan: Plan,
    target: Path,
    forms: Sequence[str],
    making: Making,
    log: _Log,
    wording: Wording,
    clock: Clock,
    options: Mapping[str, Any] | None,
    force: bool,
    progress: Progress | None,
) -> Result:
    replaces = _refuse_folder(target, making, force)
    log.started()
    try:
        with writing(target), HiddenFolder(target, "worklist", replaces=replaces) as folder:
            run = _make(plan, wording, folder.scratch, clock, progress)
            split = plan.asked.split
            assert split is not None
            names = stems([part.area for part in run.parts], split, plan.as_of, plan.files[0].source.name)
            files: list[FileMade] = []
            back: list[tuple[Part, str, Path]] = []
            for part in run.parts:
                for form, name in names_of(names[part.area], forms):
                    content = run.writer.content(part, form, run.gone(part))
                    folder.create(name, *content)
                    files.append(made(name, "list", form, part.area, part.rows, content))
                    back.append((part, form, folder.path / name))
                if run.moved is not None and "csv" in forms:
                    name, rows = f"{names[part.area]}_gone.csv", run.writer.gone_file(run.gone(part))
                    folder.create(name, *rows)
                    files.append(made(name, "gone", "csv", part.area, len(run.gone(part)), rows))
                stopping.heed()
            text = as_text(run.writer.read_me(_whole(run))).encode()
            folder.create(READ_ME, text)
            files.append(made(READ_ME, "read-me", "txt", "", 0, [text]))
            _read_back(run, back)
            record = lasting(_record(run, files, clock, options))
            raw = encoded(record)
            folder.create(MANIFEST, raw)
            sha256 = made(MANIFEST, "list", "json", "", 0, [raw]).sha256
            folder.drop_scratch()
            done = {"record_sha256": sha256, **_totals(run, files)}
            with stopping.naming():
                log.add("worklist-made", **done)
                folder.release([*(file.name for file in files), MANIFEST])
                try:
                    log.add("worklist-released", **done)
                except BaseException:
                    folder.withdraw()
                    raise
    except BaseException as error:
        log.failed(error)
        raise
    return Result(record, sha256, tuple(run.reach), tuple(record["warnings"]))


def _whole(run: _Made) -> Part:
    """All lists of a folder, for its read-me."""
    return Part(0, "", run.reach, 0, run.sheet.rows)


def _refuse_folder(target: Path, making: Making, force: bool) -> bool:
    """Whether there is a folder of work lists to be replaced. Raises `InputError` for one that may not be, and,
    whatever is forced, for a folder that holds anything else."""
    if not target.is_dir() or not any(target.iterdir()):
        return False
    try:
        found, _ = read_record_of(target)
    except InputError:
        raise InputError("is not empty and has no work lists; choose a new folder", file=str(target)) from None
    named = {MANIFEST, *(file["name"] for file in listed(found))}
    if not {path.name for path in target.iterdir()} <= named:
        raise InputError("has other files than its work lists; choose a new folder", file=str(target))
    refuse_other([target], making, found, force, own=[target])
    if not force:
        try:
            verify(target)
        except InputError as error:
            raise InputError(f"{error.problem}; give --force to replace it", file=error.file) from None
    return True


# -- what both have in common ------------------------------------------------------------------------------------------


def _formats(target: Path, split: str | None, formats: Sequence[str]) -> list[str]:
    """The formats of the files. Raises `InputError`."""
    if split is None:
        form = target.suffix.lower().removeprefix(".")
        if form not in FORMATS:
            raise InputError("a work list ends in .csv, .xlsx or .html; with --split it is a folder", file=str(target))
        if any(other != form for other in formats):
            raise InputError("--format is for --split: the format of one file follows from its name")
        return [form]
    found = list(dict.fromkeys(form.lower() for form in formats)) or ["csv"]
    for form in found:
        if form not in FORMATS:
            raise InputError(f"--format is one of {', '.join(FORMATS)}, not {form[:20]!r}{suggest(form, FORMATS)}")
    if target.suffix.lower().removeprefix(".") in FORMATS:
        raise InputError("with --split a folder is written, not a file: give its name, and --format", file=str(target))
    return found


def _make(plan: Plan, wording: Wording, scratch: Path, clock: Clock, progress: Progress | None) -> _Made:
    """The one pass over LIST, and everything that follows from it."""
    areas = Areas(plan.asked)
    people = _people_by_place(plan) if plan.asked.by_place else {}

    def capacity(number: int) -> int:
        return plan.asked.capacity.of(people.get(areas.names()[number], 0))

    identities = None
    if plan.lookup is not None:
        identities = Identities(plan.lookup, plan.keys, scratch, plan.as_of, plan.settings)
    before = None if plan.previous is None else Before(plan.previous.people(plan.keys, identities))
    excluded = None
    if plan.exclude is not None:
        excluded = Known(read_people(plan.exclude, plan.keys, plan.as_of).keys)
    files = Files(excluded, identities, None if before is None else before.known)
    known = known_columns(plan.scorer)
    collector = Collector(plan.order, areas, Best(capacity), plan.keys, known, days(plan.as_of), files)

    def look(number: int, batch: pa.RecordBatch) -> None:
        try:
            collector.look(number, batch)
        except InputError as error:
            raise plan.files[number].located(error) from None

    read = score_files(plan.files, collector.put, plan.reading, clock, progress=progress, look=look)
    enter(progress, "Choosing and writing")
    name = plan.files[0].source.name
    areas.check_met(name)
    _refuse_spanning(plan, areas, name)
    _check_left_out(plan, collector)
    chosen = collector.chosen(name).by(areas.names())
    moved = None
    if before is not None:
        moved = movers(before, chosen, collector, areas, identities, plan.sharing is not None)
    caseload = None if plan.caseload is None else _caseload(plan, chosen)
    beside = Beside(None if moved is None else moved.still, caseload)

    def words(given: pa.Table, scored: pa.Table) -> Mapping[str, pa.Array]:
        return words_of(chosen, wording, plan.files)

    sheet = make_sheet(chosen, plan.order, plan.scorer.pack.schema, plan.as_of, words, beside)
    counted = [] if moved is None else [moved.count(areas.file_of(i)) for i in range(len(areas.names()))]
    reach = reaches(areas, collector.counts, chosen, plan.order, sheet, beside.still, counted)
    about = About(
        plan.order,
        plan.asked,
        plan.as_of,
        f"{plan.scorer.pack.id} {plan.scorer.pack.version}",
        _program(),
        plan.sharing,
        plan.lookup is not None,
        sheet.absent,
        list(dict.fromkeys(plan.scorer.notices)),
        None if plan.previous is None else plan.previous.path.name,
    )
    told = _warnings(plan, areas, moved, identities, reach)
    return _Made(
        plan, sheet, chosen, areas, reach, moved, parts_of(areas, reach, sheet), Writer(sheet, about), read, told
    )


def _people_by_place(plan: Plan) -> Mapping[str, int]:
    """How many people are registered in each place of LIST: read beforehand, since a share of them is a capacity."""
    numbering, found = Numbering(), np.zeros(0, np.int64)
    for file in plan.files:
        for batch in file.source.batches(file.plan.wanted([PLACE])):
            column = as_read(file.plan.apply(batch, [PLACE]).column(0), "name", PLACE).column
            at = numbering.indices(column)
            more = np.bincount(at[at >= 0], minlength=len(numbering))
            more[: len(found)] += found
            found = more
    return dict(zip(numbering.practices().codes, found.tolist(), strict=True))


def _refuse_spanning(plan: Plan, areas: Areas, name: str) -> None:
    """NHS numbers of several practices are in no file without a basis."""
    if plan.lookup is None or plan.sharing is not None:
        return
    numbers = range(len(areas.names())) if plan.asked.split is not None else [0]
    for number in numbers:
        practices = areas.practices(number)
        if len(practices) > 1:
            few = ", ".join(practices[:3]) + (f" and {len(practices) - 3} more" if len(practices) > 3 else "")
            raise InputError(f"a list {_BASIS_NEEDED.format(practices=few)}", file=name)


def _check_left_out(plan: Plan, collector: Collector) -> None:
    """Most people left out by the lookup is the wrong lookup."""
    if plan.lookup is None:
        return
    among = sum(c.cohort - c.excluded for c in collector.counts.values())
    left: dict[str, int] = {}
    for counts in collector.counts.values():
        for reason, n in counts.left_out.items():
            left[REASONS[reason - 1]] = left.get(REASONS[reason - 1], 0) + n
    policy.check_left_out(left, among, plan.lookup, plan.settings)


def _caseload(plan: Plan, chosen: Chosen) -> pa.Array:
    """On whose caseload each of the chosen is: the coordinators of their open spells, or that there is one."""
    assert plan.caseload is not None
    rows = chosen.rows.num_rows
    if not rows:
        return pa.array([], pa.string())
    found = read_people(plan.caseload, plan.keys, plan.as_of, ("coordinator", "cohort"))
    keys = one(chosen.rows, KEY)
    mine = pc.index_in(found.keys, value_set=keys)
    names: list[dict[str, None]] = [{} for _ in range(rows)]
    said = [found.texts[name].to_pylist() for name in ("coordinator", "cohort") if name in found.texts]
    for at, *told in zip(mine.to_pylist(), *said, strict=True):
        if at is not None:
            names[at][next((text.strip() for text in told if text and text.strip()), "yes")] = None
    return pa.array([", ".join(there) for there in names], pa.string())


def _warnings(
    plan: Plan, areas: Areas, moved: Movers | None, identities: Identities | None, reach: Sequence[Reach]
) -> list[str]:
    found = []
    if areas.without:
        found.append(f"{areas.without:,} people have no {plan.asked.split or PLACE}, and are on no list")
    if not any(one.cohort for one in reach):
        found.append("nobody is in the cohort")
    if plan.lookup is None:
        found.append("no lookup: nobody checked whether people are still registered")
    if identities is not None and identities.test_numbers:
        many = f"{identities.test_numbers:,} NHS numbers of the lookup begin with 999"
        found.append(f"{many}: they are never issued to anybody")
    if moved is not None and moved.nowhere:
        found.append(
            f"{moved.nowhere:,} people of the last list are on none now, and no list says so: their area has none, or "
            "the lookup does not have their NHS number any more"
        )
    unnamed = 0 if moved is None else sum(moved.unnamed.values())
    if unnamed:
        many = f"{unnamed:,} people of the last list are gone"
        found.append(f"{many} and not named, since they may be registered elsewhere now")
    return found


def _program() -> str:
    return f"popstrat {version('popstrat') or 'of unknown version'}"


def _read_back(run: _Made, files: Sequence[tuple[Part, str, Path]]) -> None:
    """Read every list again, as it is on the disk, and follow everybody in it; what is wrong now is not the user's
    fault."""
    if not run.sheet.rows:
        return
    keys, practices = one(run.chosen.rows, KEY), one(run.chosen.rows, MADE + PRACTICE).cast(pa.string())
    try:
        written = [
            Written(
                path.name,
                read_ids(path.read_bytes(), form, path.name),
                keys.slice(part.start, part.rows),
                practices.slice(part.start, part.rows),
            )
            for part, form, path in files
            if part.rows
        ]
        trace(written, run.plan.lookup, run.plan.files, run.plan.keys)
    except InputError as error:
        raise RunError(f"internal error: {error}; nothing was written") from error


def _record(run: _Made, files: Sequence[FileMade], clock: Clock, options: Mapping[str, Any] | None) -> Record:
    plan = run.plan
    record = file_record(
        COMMAND,
        plan.scorer,
        plan.files,
        run.read,
        plan.reading,
        clock,
        options=options,
        outputs=[file.described() for file in files],
        worklist={
            **without_numbers(plan.described()),
            "id": run.sheet.ids.name,
            "columns": [column.name for column in run.sheet.columns],
            "lists": [one.described() for one in run.reach],
            "without_area": run.areas.without,
        },
        read_me=as_data(run.writer.read_me(run.parts[0] if len(run.parts) == 1 else _whole(run))),
    )
    record["warnings"] = [*run.warnings, *record["warnings"]]
    return record


def _totals(run: _Made, files: Sequence[FileMade]) -> dict[str, Any]:
    """What the log says of what was written."""
    return {
        "files": len(files),
        "lists": len(run.reach),
        "written": run.sheet.rows,
        "cohort_people": sum(one.cohort for one in run.reach),
    }


class _Log:
    """The lines of a run in the audit log, if there is one: hashes, counts and dates; no key and no NHS number."""

    def __init__(self, path: Path | None, plan: Plan, target: Path) -> None:
        self._path, self._target = path, target.name
        pack = plan.scorer.pack_record
        described = plan.described()
        self._planned = {
            "profile": plan.scorer.profile,
            "as_of": plan.as_of.isoformat(),
            "pack": f"{pack['id']} {pack['version']}",
            "pack_sha256": pack["sha256"],
            "cohort": described["cohort"],
            "capacity": described["capacity"],
            "areas": described["areas"],
            "re_identified": plan.lookup is not None,
            "shared_care_basis": plan.sharing,
            **{
                f"{name}_sha256": described[name]["sha256"]
                for name in ("lookup", "exclude", "previous", "caseload")
                if described[name] is not None
            },
        }
        if path is not None:
            audits.check_fields("worklist-started", {**self._planned, "output": self._target})

    def started(self) -> None:
        self.add("worklist-started", **self._planned)

    def add(self, event: str, **fields: Any) -> None:
        if self._path is not None:
            audits.append(self._path, event, output=self._target, **fields)

    def failed(self, error: BaseException) -> None:
        with contextlib.suppress(Exception):
            self.add("worklist-failed", why=type(error).__name__)
