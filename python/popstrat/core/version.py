"""Versions: of popstrat itself, and of whatever else is installed."""

from __future__ import annotations

import sys

VERSION = "0.1.0"
"""popstrat's own version, as `popstrat.__version__` has it."""
STAMP = b"popstrat"
"""The key of a scored table's schema metadata under which stands what it was scored with (`Scorer.stamp`)."""


def version(package: str) -> str | None:
    """The installed version of a package, or None. Of one that is loaded it is what that says itself."""
    told = VERSION if package == "popstrat" else getattr(sys.modules.get(package), "__version__", None)
    if isinstance(told, str):
        return told
    from importlib import metadata  # 10 ms of start-up

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
