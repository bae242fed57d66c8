"""The run record: what was run, on what, with what result. A dict that goes to JSON; it holds no patient identifier."""

from __future__ import annotations

import datetime as dt
import hashlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from popstrat.core.hashing import HASH as HASH
from popstrat.core.hashing import hash_file as hash_file
from popstrat.core.version import version as version
from popstrat.errors import RunError as RunError

if TYPE_CHECKING:
    import pyarrow as pa

    from popstrat.scoring.bound import BoundScorer
    from popstrat.scoring.completeness import Facts
    from popstrat.scoring.scorer import Scorer
    from popstrat.scoring.tally import Tally

RECORD_VERSION = 1
STALE_DAYS = 45
_MANY_ROWS = 1000  # among as many people somebody has opted out (about one in twenty has)
_HASHED_SUFFIXES = {".py", ".pyi", ".toml", ".j2", ".so", ".pyd"}

Record = dict[str, Any]


def _utc(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@cache
def program() -> Record:
    """Name, version and content hash of popstrat itself: every source, data and compiled file of its packages."""
    digest = hashlib.new(HASH)
    for label, root in _package_roots():
        for path in sorted(p for p in root.rglob("*") if p.suffix in _HASHED_SUFFIXES):
            if label == "popstrat" and path.relative_to(root).parts[0] in ("engine", "synthetic"):
                continue  # these have a turn of their own, wherever they are installed
            digest.update(f"{label}/{path.relative_to(root).as_posix()}\0".encode())
            digest.update(hashlib.new(HASH, path.read_bytes()).digest())
    return {"name": "popstrat", "version": version("popstrat"), HASH: digest.hexdigest()}


def _package_roots() -> Iterable[tuple[str, Path]]:
    for name in ("popstrat", "popstrat.engine", "popstrat.synthetic"):
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            spec = None
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield name, Path(place)


def host() -> Record:
    """The machine and the libraries of this process."""
    return {
        "hostname": platform.node(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("numpy", "pyarrow")},
    }


def peak_memory() -> int | None:
    """The most memory this process has held, in bytes; None where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reconcile(tally: Tally, read: int, written: int) -> None:
    """Raise `RunError` unless each row read was scored, and written or excluded for a reason."""
    excluded = sum(tally.excluded.values())
    if not (tally.rows_in == read and tally.rows_out == written and read == written + excluded):
        raise RunError(
            f"internal error: {read:,} rows read ({tally.rows_in:,} scored), {written:,} written, {excluded:,} excluded"
        )


def counts(tally: Tally) -> Record:
    """A tally as the record has it: rows, groups, means, quality."""
    return {
        "rows": {
            "in": tally.rows_in,
            "out": tally.rows_out,
            "excluded": sum(tally.excluded.values()),
            "excluded_by_reason": dict(tally.excluded),
        },
        "groups": {column: dict(labels) for column, labels in tally.groups.items()},
        "means": {
            name: {"mean": total / n if (n := tally.counts.get(name, 0)) else None, "rows": n}
            for name, total in tally.sums.items()
        },
        "quality": {column: dict(reasons) for column, reasons in tally.quality.items()},
        "disorder": {column: dict(counts) for column, counts in tally.disorder.items()},
        "newest_record_date": tally.newest_date.isoformat() if tally.newest_date else None,
    }


def models(scorer: Scorer, tally: Tally) -> Record:
    """What a reader of a risk should know of each model: what it is for, what stood in for missing inputs, and why
    some people have no result."""
    kinds = ("missing", "clipped", "not_scored")
    return {
        ident: {**about, **{kind: tally.models.get(f"{ident}.{kind}", {}) for kind in kinds}}
        for ident, about in scorer.models.items()
    }


def assemble(
    scorer: Scorer,
    tally: Tally,
    *,
    command: str,
    notices: Iterable[str],
    ignored: Iterable[str],
    started: dt.datetime,
    seconds: Mapping[str, float],
    threads: int,
    warnings: Iterable[str] = (),
    **more: Any,
) -> Record:
    """The run record of a file run or a library call: all that comes from the scorer and the counts, and ``more``.

    ``warnings`` come after that of a stale extract. ``seconds`` holds the time by stage and ``total``. Keys come in the
    order of the documentation.
    """
    total = seconds["total"]
    found = {
        "record_version": RECORD_VERSION,
        "command": command,
        "program": program(),
        "pack": dict(scorer.pack_record),
        "as_of": scorer.as_of.isoformat(),
        "profile": scorer.profile,
        **counts(tally),
        "models": models(scorer, tally),
        "quality_bits": dict(scorer.quality_bits),
        "notices": list(dict.fromkeys([*scorer.notices, *notices])),
        "warnings": [*staleness(scorer.as_of, tally.newest_date), *dict.fromkeys(warnings)],
        "ignored_columns": list(dict.fromkeys(ignored)),
        "started": _utc(started),
        "finished": _utc(dt.datetime.now(dt.UTC)),
        "seconds": {stage: round(spent, 4) for stage, spent in seconds.items()},
        "rows_per_second": round(tally.rows_in / total) if total > 0 else None,
        "threads": threads,
        "peak_memory_bytes": peak_memory(),
        "host": host(),
        **more,
    }
    place = {name: i for i, name in enumerate(_ORDER)}
    return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(place))))


def memory_record(
    scorer: Scorer,
    bound: BoundScorer,
    tally: Tally,
    facts: Facts,
    first_ids: pa.ChunkedArray,
    *,
    started: dt.datetime,
    threads: int,
) -> Record:
    """The run record of `popstrat.score`; as that of a file run, without files."""
    from popstrat.quality import disorder_remarks

    total = (dt.datetime.now(dt.UTC) - started).total_seconds()
    return assemble(
        scorer,
        tally,
        command="popstrat.score",
        notices=bound.notices,
        warnings=doubts(scorer, tally, [facts], disorder_remarks(tally.disorder, scorer.pack.schema), first_ids),
        ignored=bound.ignored,
        started=started,
        seconds={"total": total},
        threads=threads,
        **lacking([facts]),
    )


def lacking(files: Sequence[Facts]) -> Record:
    """The columns that every file lacks, and those that hold nothing in any."""
    first = files[0]
    return {
        "absent_columns": [c for c in first.absent if all(c in f.absent for f in files)],
        "empty_columns": [c for c in (*first.empty, *first.undated) if all(c in (*f.empty, *f.undated) for f in files)],
    }


def doubts(
    scorer: Scorer,
    tally: Tally,
    files: Sequence[Facts],
    disorder: Iterable[str],
    first_ids: pa.Array | pa.ChunkedArray | None,
) -> list[str]:
    """What makes the results of a run doubtful though nothing stopped it: columns that are absent or hold nothing,
    flags that nobody has, values set aside in numbers that point to a wrong unit, columns that look swapped, opt-outs
    that nobody has, NHS numbers where pseudonyms should be."""
    from popstrat.quality import suspicions
    from popstrat.scoring.kept_columns import OPT_OUTS

    secondary = scorer.profile == "secondary-use"
    unfilled = []
    if secondary and tally.rows_in >= _MANY_ROWS:
        unfilled = [column for column, reason in OPT_OUTS.items() if not tally.excluded.get(reason)]
    found = [
        *scorer.remarks([f.without(unfilled) for f in files]),
        *suspicions(tally.quality, tally.rows_out, scorer.pack.schema),
        *disorder,
        *(f"nobody is left out for {column}: is that column filled?" for column in unfilled),
    ]
    if secondary:
        from popstrat.identifiers import looks_like_nhs_numbers

        if first_ids is not None and looks_like_nhs_numbers(first_ids):
            found.append("patient_id looks like NHS numbers, and secondary use needs pseudonyms: popstrat pseudonymise")
    return found


def staleness(as_of: dt.date, newest: dt.date | None) -> list[str]:
    """A warning if the newest record date is long before the as-of date."""
    if newest is None or (days := (as_of - newest).days) <= STALE_DAYS:
        return []
    return [
        f"the newest record date is {newest.isoformat()}, {days} days before the as-of date: is this extract stale?"
    ]


_SUMMARY = (
    "command", "program", "pack", "as_of", "profile", "rows", "groups", "means", "models", "quality",
    "disorder", "newest_record_date", "notices", "warnings", "ignored_columns", "absent_columns", "empty_columns",
    "seconds", "rows_per_second", "threads", "peak_memory_bytes",
)  # fmt: skip
_ORDER = (
    "record_version", "command", "program", "pack", "as_of", "profile", "imd_release", "options", "inputs", "mapping",
    "output", "rows", "groups", "means", "models", "quality", "quality_bits", "disorder", "newest_record_date", "ids",
    "notices", "warnings", "ignored_columns", "absent_columns", "empty_columns", "started", "finished", "seconds",
    "rows_per_second", "threads", "peak_memory_bytes", "host",
)  # fmt: skip


def summary(record: Mapping[str, Any], output: Path | None) -> Record:
    """What ``--json`` prints: the parts of a record that a reader wants at once, and where the files are."""
    found = {name: record[name] for name in _SUMMARY if name in record}
    if output is not None:
        found["output"], found["record"] = str(output), f"{output}.run.json"
    return found


def to_json(record: Mapping[str, Any]) -> str:
    """The record as JSON text, keys in the order in which they are documented."""
    return json.dumps(record, indent=2, ensure_ascii=False, default=str) + "\n"
