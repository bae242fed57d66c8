"""Kills a command at every system call that changes a name, and says what a reader then sees.

Each attempt is a process of its own, forked from one that has imported everything: before its k-th change of a name it
kills itself with signal 9. Run it by itself for the table:

    python tests/integration/kill_points.py
"""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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
    """Hidden files that somebody else may read."""
    return [
        str(p.relative_to(folder))
        for p in folder.rglob(".*")
        if p.is_file() and not p.is_symlink() and p.name.endswith("partial") and p.stat().st_mode & 0o077
    ]


def left_over(folder: Path) -> list[str]:
    """Hidden names and links that are still there."""
    return [str(p.relative_to(folder)) for p in folder.rglob("*") if p.name.startswith(".") or p.is_symlink()]
