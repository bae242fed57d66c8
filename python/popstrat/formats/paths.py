"""Input files from names and patterns."""

from __future__ import annotations

import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from popstrat.core.text import suggest
from popstrat.errors import InputError


def expand(paths: Sequence[str | Path], within: Callable[[Path], list[Path]]) -> list[Path]:
    """File names from names and globs, those of a glob sorted; ``within`` gives those of a folder; ``-`` is standard
    input. Raises `InputError`
    for what is not there."""
    if not paths:
        raise InputError("no input file is given")
    found: list[Path] = []
    for given in paths:
        if str(given) == "-":
            from popstrat.formats.standard_input import spooled  # start-up: it is seldom needed

            found.append(spooled())
            continue
        path = Path(given)
        if "://" in str(given):
            raise InputError("is an address, and popstrat reads files: copy it to a disk first", file=str(given))
        if path.is_dir():
            found.extend(within(path))
            continue
        if path.exists() or not glob.has_magic(str(given)):
            found.append(path)
            continue
        there = sorted(map(Path, glob.glob(str(given), recursive=True)))  # noqa: PTH207
        matches = [path for path in there if not path.is_dir()] or [file for path in there for file in within(path)]
        if not matches:
            raise InputError("no file matches this pattern", file=str(given))
        found.extend(matches)
    seen: set[Path] = set()
    for path in found:
        if not path.exists():
            near = suggest(path.name, _siblings(path))
            raise InputError(f"there is no such file{near}", file=str(path))
        if not path.is_file():
            raise InputError("is not a regular file", file=str(path))
        if path.resolve() in seen:
            raise InputError("is given twice", file=str(path))
        seen.add(path.resolve())
    return found


def _siblings(path: Path) -> list[str]:
    try:
        return [p.name for p in path.parent.iterdir()]
    except OSError:
        return []
