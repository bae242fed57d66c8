"""From metrics files to a folder of pages that appears whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from popstrat.core import stopping
from popstrat.core.files import refuse_input_as_output, writing
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.hidden_folder import HiddenFolder
from popstrat.core.progress import Progress
from popstrat.core.rerun import Making, pack_named, read_record, refuse_other
from popstrat.errors import InputError
from popstrat.pages.report.called import read_names
from popstrat.pages.report.html import area_html, definitions_html, run_html
from popstrat.pages.report.layout import layout
from popstrat.pages.report.model import Report
from popstrat.pages.report.names import page_names
from popstrat.pages.report.page import page_of
from popstrat.pages.report.quality import read_quality
from popstrat.pages.report.read import read_months
from popstrat.pages.report.teller import DEFINITIONS, RUN
from popstrat.runs.clock import Clock
from popstrat.runs.host import program
from popstrat.runs.record import Record, to_json

COMMAND = "report"
RECORD = "report.run.json"
_STEPS = ("open", "write")


def run_report(
    paths: Sequence[str | Path],
    target: str | Path,
    *,
    quality: Path | None = None,
    called: str | None = None,
    names: Path | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Record:
    """Write the pages of metrics files, a month each, into the folder ``target``, with ``report.run.json``; gives that
    record. ``quality`` is the quality file of the coded record, ``called`` what the whole list is called,
    ``names`` a file of what other areas are called (`read_names`).

    All pages appear or none; a folder that holds this command's pages of the same day and pack is replaced, any other
    that is not empty is refused unless ``force`` is given, and one that holds anything else always. Raises `InputError`
    for whatever is wrong with the files or the folder, ``OSError`` if it cannot be written.
    """
    target, clock = Path(target), Clock()
    with clock.timed("open"):
        months = read_months(paths)
        told = None if quality is None else read_quality(quality, months[-1].controlled)
        codes = set(months[-1].rows["area"].to_pylist())
        report = Report(months, called, told, None if names is None else read_names(names, codes))
        beside = {role: (path.name, hash_file(path)) for role, path in (("quality", quality), ("names", names)) if path}
    refuse_input_as_output(target, [month.path for month in months])
    making = Making(COMMAND, report.as_of.isoformat(), pack_named(report.record["pack"]))
    replaces = _refuse_folder(target, making, force)
    with writing(target), HiddenFolder(target, COMMAND, replaces=replaces) as folder:
        outputs = []
        with clock.timed("write"):
            for name, text in _pages(report, progress):
                raw = text.encode()
                folder.create(name, raw)
                outputs.append({"name": name, "bytes": len(raw), HASH: hashlib.new(HASH, raw).hexdigest()})
                stopping.heed()
        record = _record(report, outputs, clock, options, beside)
        folder.create(RECORD, to_json(record).encode())
        folder.drop_scratch()
        with stopping.naming():
            folder.release([*(str(one["name"]) for one in outputs), RECORD])
    return record


def _pages(report: Report, progress: Progress | None) -> Iterator[tuple[str, str]]:
    """Every page's name and text."""
    files, laid_out = page_names(report.areas), layout()
    for done, area in enumerate(report.areas.values(), 1):
        yield files[area.place], area_html(report, area, page_of(report, area, files, laid_out), files)
        if progress is not None:
            progress(done, len(report.areas))
    yield DEFINITIONS, definitions_html(report)
    yield RUN, run_html(report)


def _refuse_folder(target: Path, making: Making, force: bool) -> bool:
    """Whether there is a folder of pages to be replaced. Raises `InputError` for one that may not be, and, whatever is
    forced, for a folder that holds anything else."""
    if not target.is_dir() or not any(target.iterdir()):
        return False
    found = read_record(target / RECORD)
    listed = found.get("outputs") if found is not None and found.get("command") == COMMAND else None
    if not isinstance(listed, list):
        raise InputError("is not empty and has no report; choose a new folder", file=str(target))
    made = {one["name"]: one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)}
    if not {path.name for path in target.iterdir()} <= {*made, RECORD}:
        raise InputError("has other files than its report; choose a new folder", file=str(target))
    refuse_other([target / name for name in (*made, RECORD)], making, found, force, own=[target / RECORD])
    return True


def _record(
    report: Report,
    outputs: Sequence[Mapping[str, Any]],
    clock: Clock,
    options: Mapping[str, Any] | None,
    beside: Mapping[str, tuple[str, str]],
) -> Record:
    """What the record of the folder says."""
    clock.stop()
    sources = [
        {
            "role": "metrics",
            "name": month.path.name,
            "as_of": month.as_of.isoformat(),
            HASH: month.sha256,
            f"record_{HASH}": month.record_sha256,
        }
        for month in report.months
    ]
    sources += [{"role": role, "name": name, HASH: hashed} for role, (name, hashed) in beside.items()]
    return {
        "record_version": 1,
        "command": COMMAND,
        "program": program(),
        "pack": dict(report.record["pack"]),
        "as_of": report.as_of.isoformat(),
        "options": dict(options or {}),
        "inputs": sources,
        "outputs": list(outputs),
        "disclosure_control": report.now.controlled,
        "areas": {level.value: len(report.areas_of(level)) for level in report.levels},
        "areas_named": sum(place.name in report.names for place in report.areas),
        "bytes": sum(int(one["bytes"]) for one in outputs),
        "started": clock.started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "seconds": {name: round(clock.seconds[name], 4) for name in ("total", *_STEPS)},
    }
