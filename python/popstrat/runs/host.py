"""What ran: the program, the machine, the libraries, and how much memory it took."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from popstrat.core.hashing import HASH
from popstrat.core.version import version

_HASHED_SUFFIXES = {".py", ".pyi", ".toml", ".j2", ".so", ".pyd"}


@cache
def program() -> dict[str, Any]:
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
