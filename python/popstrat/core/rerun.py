"""Whether an output that is there may be replaced: by the same command as of the same date with the same pack."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from popstrat.errors import InputError

_LONGEST = 64 << 20


@dataclass(frozen=True)
class Making:
    """What makes an output: ``pack`` is its id and version; ``also`` is what else its record has to say, by key."""

    command: str
    as_of: str | None = None
    pack: str | None = None
    also: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        day = "" if self.as_of is None else f" as of {self.as_of}"
        return f"{self.command}{day}{'' if self.pack is None else f' with pack {self.pack}'}"


def record_path(output: Path) -> Path:
    """Where the record of an output is."""
    return output.with_name(output.name + ".run.json")


def read_record(path: Path) -> Mapping[str, Any] | None:
    """A record of ours; None if there is none that can be read."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or path.stat().st_size > _LONGEST:  # noqa: PTH116
            return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def pack_named(pack: Any) -> str | None:
    """A pack's id and version, from the way in which records tell of it."""
    return f"{pack.get('id')} {pack.get('version')}" if isinstance(pack, Mapping) else None


def refuse_other(
    targets: Sequence[Path], making: Making, record: Mapping[str, Any] | None, force: bool, *, own: Iterable[Path] = ()
) -> None:
    """Raise `InputError` if a target is there, unless the ``record`` shows a run like this one, or ``force`` is given.

    The record has to list each target with the size that it has, except those that are a record themselves (``own``).
    """
    there = [target for target in targets if os.path.lexists(target)]
    if force or not there:
        return
    way_out = "give --force to replace it"
    if record is None:
        raise InputError(f"exists, and no record says what made it; {way_out}", file=str(there[0]))
    made = Making(str(record.get("command")), _text(record.get("as_of")), pack_named(record.get("pack")))
    if (made.command, made.as_of, made.pack) != (making.command, making.as_of, making.pack):
        raise InputError(f"exists and was made by {made}; {way_out}", file=str(there[0]))
    for key, value in making.also.items():
        if record.get(key) != value:
            raise InputError(f"exists and was made by {made} with other {key.replace('_', ' ')}; {way_out}",
                             file=str(there[0]))  # fmt: skip
    sizes = dict(_listed(record))
    for target in there:
        if target not in own and sizes.get(target.name) != target.stat().st_size:
            raise InputError(f"exists, and is not the file that its record describes; {way_out}", file=str(target))


def _listed(record: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    outputs = record.get("outputs")
    for one in (record.get("output"), record.get("lookup"), *(outputs if isinstance(outputs, list) else ())):
        if isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("bytes"), int):
            yield one["name"], one["bytes"]


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
