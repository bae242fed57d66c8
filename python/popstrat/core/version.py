"""Versions: of popstrat itself, and of whatever else is installed."""

from __future__ import annotations

VERSION = "0.1.0"
"""popstrat's own version, as `popstrat.__version__` has it."""


def version(package: str) -> str | None:
    """The installed version of a package, or None."""
    from importlib import metadata  # 10 ms that a run without a record does without

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
