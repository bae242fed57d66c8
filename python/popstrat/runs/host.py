"""What ran: the program, the machine, the libraries, and how much memory it took."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import platform
import sys
import threading
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from popstrat.core.hashing import HASH
from popstrat.core.version import version

_HASHED_SUFFIXES = {".py", ".pyi", ".toml", ".j2", ".so", ".pyd"}


_ahead: list[threading.Thread] = []


def hash_ahead() -> None:
    """Begin what `program` takes, in a thread of its own, beside what a run does before its record is made."""
    thread = threading.Thread(target=_quietly, name="popstrat-program", daemon=True)
    _ahead[:] = [thread]
    thread.start()


def _quietly() -> None:
    with contextlib.suppress(Exception):  # `program` meets it again, and says so
        _program()


def program() -> dict[str, Any]:
    """Name, version and content hash of popstrat itself: every source, data and compiled file of its packages."""
    for thread in _ahead:
        thread.join()  # of a thread that a fork has left behind: at once
    return _program()


@cache
def _program() -> dict[str, Any]:
    digest = hashlib.new(HASH)
    make = getattr(hashlib, HASH)  # `hashlib.new` looks it up anew for each of hundreds of files
    for label, root in _package_roots():
        # engine and synthetic have a turn of their own, wherever they are installed
        for inner in _files(str(root), passed_over=("engine", "synthetic") if label == "popstrat" else ()):
            digest.update(f"{label}/{'/'.join(inner)}\0".encode())
            digest.update(make(_content(os.path.join(root, *inner))).digest())  # noqa: PTH118
    return {"name": "popstrat", "version": version("popstrat"), HASH: digest.hexdigest()}


def _files(root: str, passed_over: Collection[str]) -> list[tuple[str, ...]]:
    """The files that are hashed, each as the names of its folders and its own, sorted. Every run does this for hundreds
    of files, and ``pathlib`` would take four times as long."""
    found: list[tuple[str, ...]] = []
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        folder = waiting.pop()
        with os.scandir(os.path.join(root, *folder)) as entries:  # noqa: PTH118
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if (folder or entry.name not in passed_over) and entry.name != "__pycache__":
                        waiting.append((*folder, entry.name))
                elif os.path.splitext(entry.name)[1] in _HASHED_SUFFIXES:  # noqa: PTH122
                    found.append((*folder, entry.name))
    return sorted(found)


def _content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        return file.read()


def _package_roots() -> Iterable[tuple[str, Path]]:
    for name in ("popstrat", "popstrat.engine", "popstrat.synthetic"):
        try:
            spec = importlib.util.find_spec(name)
        except ImportError:
            spec = None
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield name, Path(place)


def host() -> dict[str, Any]:
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
