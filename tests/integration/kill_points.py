"""Kills a command at every system call that changes a name, and says what a reader then sees.

Each attempt is a process of its own, forked from one that has imported everything: before its k-th change of a name it
kills itself with signal 9. Run it by itself for the table:

    python tests/integration/kill_points.py [--every N] [COMMAND...]
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

NEEDED = (
    "score", "derive", "synth", "metrics", "pseudonymise", "validate", "recalibrate", "fit", "upload", "evidence",
    "worklist", "report",
)  # fmt: skip
MODULES = (
    "runs.score", "synthetic._files", "privacy.pseudonymise", "validation.files", "pages.validation_page", "fitting",
    "fitting.recalibrator", "fitting.fitter", "upload.run", "upload.evidence", "metrics.run", "worklists.run",
    "pages.report.run",
)  # fmt: skip
NAMES = ("rename", "replace", "unlink", "remove", "rmdir", "mkdir", "link", "symlink")

Seen = Mapping[str, str]


def count_or_kill(at: int) -> Callable[[], int]:
    """From now on this process dies before its ``at``-th change of a name (1 for the first; 0 for never); how many."""
    done = 0

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            done += 1
            if done == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in NAMES:
        setattr(os, name, wrapped(getattr(os, name)))
    opened = os.open

    def open_(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        nonlocal done
        if flags & os.O_CREAT:
            done += 1
            if done == at:
                os.kill(os.getpid(), signal.SIGKILL)
        return opened(path, flags, *args, **kwargs)

    os.open = open_  # type: ignore[assignment]
    return lambda: done


def in_a_child(work: Callable[[], int], at: int) -> tuple[int, int]:
    """Run ``work`` in a child that dies at its ``at``-th change: (exit status or minus the signal, changes made)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 70
        try:
            os.close(reading)
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            if "KILL_POINTS_SHOWN" not in os.environ:
                os.dup2(quiet, 2)
            changes = count_or_kill(at)
            status = work()
            os.write(writing, str(changes()).encode())
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, int(told or 0)


def seen(folder: Path) -> Seen:
    """What a reader sees under names that are not hidden: each file's hash."""
    found = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if not any(part.startswith(".") for part in inside.parts) and path.is_file():  # through links
            found[str(inside)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def hidden_and_open(folder: Path) -> list[str]:
    """Hidden files that somebody else may read, but for those that a name that is not hidden leads to."""
    named = {p.resolve() for p in folder.rglob("*") if not p.name.startswith(".") and p.is_symlink()}
    partial = [p for p in folder.rglob(".*partial") if p.is_file() and p.resolve() not in named]
    return [str(p.relative_to(folder)) for p in partial if p.stat().st_mode & 0o077]


def left_over(folder: Path) -> list[str]:
    """Hidden names and links that are still there."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.startswith(".") or p.is_symlink()]


def every_point(
    work: Callable[[], int], folder: Path, restore: Callable[[], None], every: int = 1
) -> tuple[int, list[str]]:
    """Kill ``work`` at each of its changes, or at ``every`` so-manieth: (how many points, what was wrong).

    ``restore`` puts the folder into the state before. Right is: all that a reader sees is as before the run, or all as
    after one that was left alone; no hidden file may be read by others; the same command then ends well, and leaves
    nothing hidden. Records tell the time, so that of them only what they say of other files is compared.
    """
    restore()
    in_a_child(work, 0)  # an audit log and caches are made once
    restore()
    before = seen(folder)
    status, points = in_a_child(work, 0)
    assert status == 0, f"left alone, it ends with {status}"
    after = _told(folder, seen(folder))
    wrong = []
    for at in range(1, points + 1, every):
        restore()
        status, _ = in_a_child(work, at)
        if status != -signal.SIGKILL:
            wrong.append(f"{at}: not killed, but {status}")
        now = seen(folder)
        if now != before and _told(folder, now) != after:
            wrong.append(f"{at}: a mix: {sorted(n for n in {*now, *before} if now.get(n) != before.get(n))}")
        if others := hidden_and_open(folder):
            wrong.append(f"{at}: readable by others: {others}")
        status, _ = in_a_child(work, 0)
        if status != 0:
            wrong.append(f"{at}: the same command again: {status}")
        if _told(folder, seen(folder)) != after:
            wrong.append(f"{at}: the same command again gave something else")
        if left := left_over(folder):
            wrong.append(f"{at}: left over: {left}")
    return points, wrong


def _told(folder: Path, files: Seen) -> Seen:
    """The files, with each record as the hashes that it has of the others."""
    told = dict(files)
    for name in files:
        if name.endswith(".run.json"):
            record = json.loads((folder / name).read_text())
            about = [record.get("output"), record.get("lookup"), *record.get("outputs", [])]
            told[name] = str([(o["name"], o["sha256"]) for o in about if o])
    return told


def command(*arguments: str) -> Callable[[], int]:
    """A command of popstrat, in the process at hand."""

    def work() -> int:
        from popstrat.cli.main import run

        return run(list(arguments))

    return work


ENDS = ("--time-column", "days", "--event-column", "event")
SPECIFICATION = """
[pack]
id = "small"
version = "1"
title = "A small model"

[definition.risk]
kind = "model"
title = "Risk of an admission, 12 months"
version = "1"
source = "a specification"
intended_use = "A test."
disclaimer = "Synthetic."
eligible = "age >= 18"
link = "survival"
output = true

[[definition.risk.terms]]
id = "age"
title = "Age"
of = "age"
scale = 10
powers = [1]
center = [4.5]

[fit]
model = "risk"
time_column = "days"
event_column = "event"
"""
DAY = ("--as-of", "2026-06-30")


def prepare(folder: Path) -> None:
    """Two lists with their outcomes, scored: what the commands start from."""
    for number in (1, 2):
        synth = command(
            "synth", "-n", "5000", "--seed", str(number), *DAY, "-o", f"{folder}/list{number}.parquet",
            "--outcomes", f"{folder}/outcomes{number}.parquet", "--lookup", f"{folder}/lookup{number}.parquet", "-q",
        )  # fmt: skip
        assert synth() == 0
        score = command("score", f"{folder}/list{number}.parquet", *DAY, "-o", f"{folder}/scored{number}.parquet", "-q")
        assert score() == 0
        figures = ["metrics", f"{folder}/list{number}.parquet", *DAY, "-o", f"{folder}/figures{number}.parquet", "-q"]
        assert command(*figures, "--metric", "smoking_current", "--level", "icb", "--level", "practice")() == 0
        record = f"{folder}/record{number}"
        upload = ["upload", f"{folder}/scored{number}.parquet", "-o", f"{folder}/uploads{number}", "-q"]
        assert command(*upload, "--lookup", f"{folder}/lookup{number}.parquet", "--audit", f"{folder}/released")() == 0
        assert command("synth", "-n", "300", "--seed", str(number), *DAY, "--events", record, "-q")() == 0
    (folder / "small.toml").write_text(SPECIFICATION)
    (folder / "key").write_bytes(os.urandom(32).hex().encode())
    (folder / "key").chmod(0o600)


def _record(folder: Path) -> list[str]:
    """The options that name a coded record."""
    tables = ("patients", "registrations", "events", "medications", "activity")
    named = [word for table in tables for word in (f"--{table}", f"{folder}/{table}.parquet")]
    return [*named, "--codelists", f"{folder}/codelists"]


def commands(given: Path, to: Path) -> dict[str, Callable[[int], list[str]]]:
    """The arguments of each command that writes, from the first list or from the second."""

    def of(name: str) -> Callable[[int], list[str]]:
        def arguments(n: int) -> list[str]:
            lists, ends = f"{given}/list{n}.parquet", f"{given}/outcomes{n}.parquet"
            model = ["--model", "admission_risk", *ENDS, *DAY]
            return {
                "score": ["score", lists, *DAY, "-o", f"{to}/out.parquet", "-q", "--threads", "1"],
                "derive": ["derive", *_record(given / f"record{n}"), *DAY, "-o", f"{to}/out.parquet", "--quality",
                           f"{to}/quality.json", "--html", f"{to}/quality.html", "-q", "--threads", "1"],
                "synth": ["synth", "-n", "200", "--seed", str(n), *DAY, "-o", f"{to}/list.parquet", "--outcomes",
                          f"{to}/outcomes.csv", "--lookup", f"{to}/lookup.csv", "-q", "--threads", "1"],
                "metrics": ["metrics", lists, *DAY, "-o", f"{to}/figures.parquet", "--metric", "smoking_current",
                            "--level", "icb", "-q", "--threads", "1"],
                "evidence": ["evidence", f"{given}/uploads{n}", "-o", f"{to}/evidence.csv", "--audit",
                             f"{given}/released", "-q"],
                "pseudonymise": ["pseudonymise", lists, "-o", f"{to}/out.parquet", "-c", "patient_id", "--key-file",
                                 f"{given}/key", "--lookup", f"{to}/lookup.csv", "--audit", f"{given}/audit",
                                 "--force", "-q", "--threads", "1"],
                "validate": ["validate", f"{given}/scored{n}.parquet",
                             "--outcome", ends, *ENDS, "-o", f"{to}/report", "--bootstrap", "0", "-q",
                             "--threads", "1"],
                "recalibrate": ["recalibrate", lists, "--outcome", ends, *model, "--method", "intercept", "-o",
                                f"{to}/ours.toml", "-q", "--threads", "1"],
                "upload": ["upload", f"{given}/scored{n}.parquet", "-o", f"{to}/upload", "--lookup",
                           f"{given}/lookup{n}.parquet", "--audit", f"{given}/audit", "-q"],
                "worklist": ["worklist", lists, *DAY, "--cohort", "frailty_int_segment", "--capacity", "40", "-o",
                             f"{to}/list.csv", "--previous", f"{given}/list{3 - n}.parquet", "--audit",
                             f"{given}/audit", "-q", "--threads", "1"],
                "report": ["report", f"{given}/figures{n}.parquet", "-o", f"{to}/pages", "-q"],
                "fit": ["fit", f"{given}/small.toml", lists, "--outcome", ends, *DAY, "-o", f"{to}/fitted.toml", "-q",
                        "--threads", "1"],
            }[name]  # fmt: skip

        return arguments

    return {n: of(n) for n in NEEDED}


def copied(old: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(old, to)


def table(names: Sequence[str] = (), every: int = 1) -> int:
    """Print, for each command, how many points there are and what was wrong at any; how many were wrong."""
    for module in ("cli.main", *(f"cli.{name}" for name in NEEDED), *MODULES):  # what needs a second in each child
        importlib.import_module(f"popstrat.{module}")
    bad = 0
    with tempfile.TemporaryDirectory() as temporary:
        given, to, old = (Path(temporary, name) for name in ("given", "to", "old"))
        given.mkdir()
        child = os.fork()  # so that this process, from which all others are forked, has no threads
        if child == 0:
            prepare(given)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        for name, arguments in commands(given, to).items():
            if names and name not in names:
                continue
            for first in (True, False):
                shutil.rmtree(old, ignore_errors=True)
                shutil.rmtree(to, ignore_errors=True)
                to.mkdir()
                assert first or in_a_child(command(*arguments(1)), 0)[0] == 0
                to.rename(old)
                points, wrong = every_point(command(*arguments(2)), to, functools.partial(copied, old, to), every)
                state = "nothing there" if first else "over another run's"
                told = wrong or "old or new at each"
                print(f"{name:13} {state:20} {points:4} points  {told}", flush=True)
                bad += len(wrong)
    return bad


if __name__ == "__main__":
    given = sys.argv[1:]
    every = int(given[1]) if given[:1] == ["--every"] else 1
    sys.exit(table(given[2:] if every > 1 else given, every) > 0)
