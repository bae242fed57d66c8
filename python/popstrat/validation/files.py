"""From files to a folder: read, join, assess, apply disclosure control, write JSON, tables and the page together."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.core.cpus import cores
from popstrat.core.files import Outputs
from popstrat.core.hashing import HASH, hash_file
from popstrat.core.progress import Progress, enter
from popstrat.core.rerun import Making, pack_named, read_record, refuse_other
from popstrat.core.small_files import MOST_RECORD_BYTES, parse_json, read_small
from popstrat.core.spreadsheets import neutral
from popstrat.core.text import suggest
from popstrat.errors import InputError, shown_name
from popstrat.formats import FileSource, open_source
from popstrat.packs.column_map import NO_MAP, ColumnMap
from popstrat.packs.patient_table import ID, patient_schema
from popstrat.privacy.disclosure import rounded
from popstrat.runs.host import program
from popstrat.runs.record import to_json
from popstrat.validation.assessment import assess
from popstrat.validation.groupings import LIST_COLUMNS
from popstrat.validation.join import join
from popstrat.validation.period import compared, differs
from popstrat.validation.publish import Row, publish
from popstrat.validation.spec import Spec
from popstrat.validation.tables import Names, Table

_OF_TIME = re.compile(r"(?:^|[^a-z])(?:days?|times?|duration|follow(?:ed)?|survival|tte)(?:[^a-z]|$)", re.IGNORECASE)
"""Names of columns that may say for how long somebody was followed."""
JSON_NAME = "validation.json"
PAGE_NAME = "validation.html"


def run_validate(
    scored: str | Path,
    outcome: str | Path,
    folder: str | Path,
    spec: Spec,
    *,
    patients: str | Path | None = None,
    mapping: ColumnMap = NO_MAP,
    called: str | None = None,
    capacity: int | None = None,
    bootstrap: int = 200,
    seed: int = 0,
    threads: int | None = None,
    encoding: str = "utf-8",
    progress: Progress | None = None,
    force: bool = False,
    page: Callable[[Row], str],
) -> Row:
    """Validate files and write ``validation.json``, ``validation.html`` and a CSV of every table into ``folder``.

    All of them appear or none; the folder is made if it is not there. What is in it is replaced by a validation as of
    the same date and of the same pack, or with ``force``. ``called`` says in words what the outcome is; ``page`` makes
    the page of the published figures. Returns what was written to the JSON. Raises `InputError` for whatever is wrong
    with the input or the arguments.
    """
    folder = Path(folder)
    _check_folder(folder)
    with _written_to(folder) as outputs:
        partials = {name: outputs.add(folder / name) for name in _NAMES}
        result, texts = _validated(
            scored, outcome, folder, spec, patients, mapping, called, capacity, bootstrap, seed, threads, encoding,
            progress, force, page,
        )  # fmt: skip
        for name, partial in partials.items():
            partial.write_text(texts[name], encoding="utf-8", newline="\n")
        outputs.commit()
    return result


def _validated(
    scored: str | Path,
    outcome: str | Path,
    folder: Path,
    spec: Spec,
    patients: str | Path | None,
    mapping: ColumnMap,
    called: str | None,
    capacity: int | None,
    bootstrap: int,
    seed: int,
    threads: int | None,
    encoding: str,
    progress: Progress | None,
    force: bool,
    page: Callable[[Row], str],
) -> tuple[Row, dict[str, str]]:
    """What goes into the JSON, and the text of each file. Raises `InputError` if it may not go into the folder."""
    from popstrat.validation.sentences import headlines

    threads = threads or cores()
    known = {c.name: c.type for c in patient_schema()}
    kinds = {**known, **dict.fromkeys((spec.risk, "age", "ltc_count"), "int"), "frailty_category": "category"}
    opened = open_one(scored, lambda n: kinds.get(n, "text"), encoding, threads)
    ends = open_one(outcome, lambda n: "id" if n == spec.outcome_id else "text", encoding, threads)
    table = read_columns(opened, spec.scored_columns, (ID, spec.risk))
    outcomes = read_outcomes(ends, spec)
    early = lost_early(ends, spec)
    files = [("scored table", opened, table.num_rows), ("outcomes", ends, outcomes.num_rows)]
    listed = None
    if patients is not None:
        columns = patient_schema().columns
        there = open_one(patients, lambda n: mapping.kind(n, columns), encoding, threads)
        listed = _read_list(there, mapping, (*LIST_COLUMNS, *spec.by))
        files.append(("patient list", there, listed.num_rows))
    names = Names(opened.name, ends.name, None if patients is None else str(patients))
    joined = join(table, outcomes, listed, spec, names)
    del table, outcomes, listed
    if capacity is not None and capacity > len(joined.risk):
        raise InputError(f"--capacity {capacity:,} is more than the people with a risk and an outcome")
    enter(progress, "Comparing")
    found = assess(
        joined.risk, joined.outcome, time=joined.time, event=joined.event, competing=joined.competing,
        horizon=spec.horizon, groups=joined.groups, practices=joined.practices, capacity=capacity,
        bootstrap=bootstrap, seed=seed, threads=threads, progress=progress,
    )  # fmt: skip
    run, notices = _run_record(opened, joined.counts["scored"], spec.risk)
    days = None if spec.time_column is None else spec.horizon
    targets = [folder / name for name in _NAMES]
    making = Making("validate", run.get("as_of"), pack_named(run.get("pack")))
    refuse_other(targets, making, read_record(targets[0]), force, own=targets)
    note = differs(run.get("horizon", ""), days)
    sources = [
        {"role": role, "name": file.path.name, "rows": rounded(rows), HASH: hash_file(file.path)}
        for role, file, rows in files
    ]
    for _, file, _ in files:
        file.check_unchanged()
    enter(progress, "Disclosure control")
    result = publish(
        found,
        joined.counts,
        {
            "command": "validate",
            "program": program(),
            "pack": run.get("pack"),
            "as_of": run.get("as_of"),
            "profile": run.get("profile"),
            "risk": spec.risk,
            "risk_title": run.get("title", ""),
            "outcome": {
                "called": called or "the outcome",
                "column": spec.column,
                "time_column": spec.time_column,
                "event_column": spec.event_column,
                "competing": None if spec.competing is None else [spec.competing[0], list(spec.competing[1])],
            },
            "sources": sources,
            "period": compared(run.get("horizon", ""), days),
            "notices": [*joined.notices, *notices, *([note] if note else []), *early],
            "made": dt.datetime.now(dt.UTC).date().isoformat(),
        },
    )
    enter(progress, "Writing")
    result["headlines"] = headlines(result)
    texts = {f"{name}.csv": _csv(rows, _COLUMNS[name]) for name, rows in tables(result).items()}
    texts[JSON_NAME] = to_json(result)
    texts[PAGE_NAME] = page(result)
    return result, texts


def tables(result: Row) -> dict[str, list[Mapping[str, Any]]]:
    """Every table of the result as flat rows, by name; the same tables for every result, some perhaps empty."""
    overall = result["overall"]
    measures = [{"measure": name, **estimate} for name, estimate in (overall["measures"] or {}).items()]
    measures += [{"measure": name, **estimate} for name, estimate in result["concordance"].items()]
    curve = result["curve"]["points"] if result["curve"] else []
    practice_rows = result["practices"]["rows"] if result["practices"] else []
    return {
        "measures": measures,
        "calibration": [*result["calibration"], *result["calibration_top"]],
        "calibration-curve": curve,
        "capacity": [_flat(row) for row in result["capacity"]],
        "decision-curve": [_flat(row) for row in result["decision"]],
        "found-curve": result["found"],
        "groups": [{"group": g["name"], **_flat(row)} for g in result["groups"] for row in g["rows"]],
        "practices": practice_rows,
    }


_PARTS = ("auroc", "average_precision", "oe", "in_the_large", "intercept", "slope", "brier", "scaled_brier")
_COLUMNS: Mapping[str, Sequence[str]] = {
    "measures": ("measure", "value", "low", "high"),
    "calibration": ("label", "people", "events", "mean_risk", "observed_rate", "low", "high"),
    "calibration-curve": ("risk", "observed", "low", "high"),
    "capacity": (
        "label", "capacity", "people", "found",
        *(f"{m}{end}" for m in ("sensitivity", "predictive_value") for end in ("", "_low", "_high")),
    ),
    "decision-curve": ("threshold", "chosen", "right", "model", "model_low", "model_high", "everybody", "nobody"),
    "found-curve": ("share", "found"),
    "groups": (
        "group", "label", "people", "events", "lost", "expected", "observed_rate", "mean_risk", "chosen", "found",
        "chosen_rate", "sensitivity", "predictive_value", "reference", "reason",
        *(f"{m}{end}" for m in _PARTS for end in ("", "_low", "_high")),
        *(f"against_{m}{end}" for m in ("auroc", "oe") for end in ("", "_low", "_high")),
    ),
    "practices": ("label", "people", "events", "lost", "expected", "mean_risk", "oe", "position"),
}  # fmt: skip
_NAMES = (JSON_NAME, *(f"{name}.csv" for name in _COLUMNS), PAGE_NAME)


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its estimates as three columns each."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if name in ("measures", "against"):
            prefix = "against_" if name == "against" else ""
            for measure, estimate in (value or {}).items():
                flat.update(_ends(prefix + measure, estimate))
        elif isinstance(value, dict):
            flat.update(_ends(name, value))
        else:
            flat[name] = value
    return flat


def _ends(name: str, estimate: Mapping[str, Any]) -> dict[str, Any]:
    return {name: estimate["value"], f"{name}_low": estimate["low"], f"{name}_high": estimate["high"]}


def _csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:
        writer.writerow({n: _cell(v) for n, v in row.items()})
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return neutral(value) if isinstance(value, str) else value


def open_one(
    path: str | Path, kinds: Callable[[str], str | None], encoding: str, threads: int | None = None
) -> FileSource:
    """The one file of that name. Raises `InputError` if a pattern matches several."""
    files = open_source([path], kinds=kinds, encoding=encoding, threads=threads or cores()).files
    if len(files) > 1:
        raise InputError(f"matches {len(files)} files; one is needed", file=str(path))
    return files[0]


def read_outcomes(file: FileSource, spec: Spec) -> pa.Table:
    """The columns of an outcome file that are wanted, its ids under our name."""
    if spec.outcome_id not in file.schema.names:
        told = f"is missing{suggest(spec.outcome_id, file.schema.names)}; --outcome-id says which column holds the ids"
        raise InputError(told, column=spec.outcome_id, file=file.name)
    found = read_columns(file, spec.outcome_columns, spec.outcome_columns)
    return found.rename_columns([ID if n == spec.outcome_id else n for n in found.column_names])


def lost_early(file: FileSource, spec: Spec) -> list[str]:
    """That an outcome file seems to say for how long people were followed, where only a yes or no is read of it: who
    was lost early would count as free of it. In sentences, without counts."""
    if spec.time_column is not None or spec.column is None:
        return []
    found = []
    named = [n for n in file.schema.names if n not in (spec.outcome_id, spec.column) and _OF_TIME.search(n)]
    for name in named:
        table = read_columns(file, (spec.outcome_id, spec.column, name), ())
        table = table.rename_columns([ID if n == spec.outcome_id else n for n in table.column_names])
        try:
            ends = Table(table, file.name)
            times, happened = ends.numbers(name, "a number of days"), ends.flags(spec.column, counts=True)
        except InputError:  # no times
            continue
        if ((happened == 0) & (times < spec.horizon)).any():
            given = f"--time-column {name} --event-column {spec.column}"
            found.append(
                f"{file.path.name}: if {shown_name(name)} says for how long people were followed, some without the "
                f"outcome were lost before day {spec.horizon:g}, and count as free of it: give {given} instead"
            )
    return found


def read_columns(file: FileSource, wanted: Sequence[str], needed: Sequence[str]) -> pa.Table:
    """Those of the wanted columns that the file has, in one piece."""
    for name in needed:
        if name not in file.schema.names:
            raise InputError(f"is missing{suggest(name, file.schema.names)}", column=name, file=file.name)
    columns = [n for n in wanted if n in file.schema.names]
    schema = pa.schema([file.schema.field(n) for n in columns])
    return _table(list(file.batches(columns)), schema)


def _table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches, batches[0].schema if batches else schema)


def _read_list(file: FileSource, mapping: ColumnMap, wanted: Sequence[str]) -> pa.Table:
    """The patient list's columns under our names, with our values."""
    columns = patient_schema().columns
    plan = mapping.plan(file.schema.names, columns)
    if ID not in plan.sources:
        raise InputError(f"is missing{suggest(ID, file.schema.names)}", column=ID, file=file.name)
    there = plan.schema(file.schema).names
    ours = [n for n in dict.fromkeys((ID, *wanted)) if n in there]
    batches = [plan.apply(batch, ours) for batch in file.batches(plan.wanted(ours))]
    whole = plan.schema(file.schema)
    return _table(batches, pa.schema([whole.field(n) for n in ours]))


def _run_record(scored: FileSource, rows: int, risk: str) -> tuple[Mapping[str, Any], list[str]]:
    """What the run record beside the scored table says, and what to say of it."""
    path = scored.path.with_name(scored.path.name + ".run.json")
    try:
        found = parse_json(read_small(path, MOST_RECORD_BYTES))
        told = found["output"]["rows"]
        pack, as_of = found["pack"], found["as_of"]
    except FileNotFoundError:
        return {}, [f"There is no run record {path.name} beside the scored table: model and date are not known."]
    except (OSError, ValueError, KeyError, TypeError):  # also what is no file, or too large
        return {}, [f"The run record {path.name} cannot be read: model and date are not known."]
    if told != rows:
        raise InputError(
            f"says that the scored table has {told:,} rows, and it has {rows:,}: the two do not belong together",
            file=str(path),
        )
    models = found.get("models")
    about = models.values() if isinstance(models, dict) else ()
    model = next((m for m in about if isinstance(m, dict) and m.get("output") == risk), {})
    told_of = {name: str(model.get(name) or "") for name in ("horizon", "title")}
    return {"pack": pack, "as_of": as_of, "profile": found.get("profile"), **told_of}, []


def _check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError("is not a folder; -o names the folder for the report", file=str(folder))
    if not folder.exists() and not folder.absolute().parent.is_dir():
        raise InputError("cannot be made: there is no such folder to put it in", file=str(folder))


@contextlib.contextmanager
def _written_to(folder: Path) -> Iterator[Outputs]:
    """Outputs for a folder, which is made if it is not there, and is gone again if nothing comes of it."""
    made = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", file=str(folder)) from None
    try:
        with Outputs() as outputs:
            yield outputs
    except BaseException:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
