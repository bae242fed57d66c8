"""What may stand under a key of a pack, wherever the key stands, in every dated version: seen to before it is built.

The kinds say which keys they know and what they make of them; here is only what no later step could make anything of,
so that whoever reads a pack (at a date, or without building it) finds text where text is meant, and tables in lists.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from popstrat.lang.toml_places import Path
from popstrat.packs.shapes import Fail, is_number

_Shape = tuple[str, Callable[[Any], bool]]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and is_number(value)


_TEXT: _Shape = "text", lambda value: isinstance(value, str)
_TRUTH: _Shape = "true or false", lambda value: isinstance(value, bool)
_DATE: _Shape = "a date without a time, like 2026-06-30", lambda value: type(value) is dt.date
_IDENT: _Shape = "text or a whole number", lambda value: isinstance(value, str) or _whole(value)
_TABLES: _Shape = "a list of tables", lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v)
_OUTPUT: _Shape = "true, false or the name of a column", lambda value: isinstance(value, bool | str)
_KEYS: Mapping[str, _Shape] = {
    **dict.fromkeys((
        "title", "means", "source", "assumption", "caveat", "version", "licence", "unit", "why", "reason", "evidence",
        "intended_use", "disclaimer", "horizon", "name", "note", "label", "split", "link", "type",
        "missing_output", "reason_output", "rank", "like", "diagnosed", "optimised", "undiagnosed", "say", "under",
    ), _TEXT),
    **dict.fromkeys(("draft", "offered", "required", "default_rank"), _TRUTH),
    **dict.fromkeys(("effective_from", "effective_to"), _DATE),
    **dict.fromkeys(("id", "yes", "no"), _IDENT),
    **dict.fromkeys(("versions", "nodes", "reference_patients", "sentences"), _TABLES),
    "output": _OUTPUT,
}  # fmt: skip
_NAMED = ("inputs", "derived")  # tables whose keys are names


def check_keys(raw: Mapping[str, Any], fail: Fail) -> None:
    """Refuse what cannot stand under its key, in any version of a pack's definitions too. Raises `PackError`."""
    for section in ("parameters", "sets", "windows", "lookups", "definition", "readings", "feature", "not_derived"):
        for name, body in raw.get(section, {}).items():
            for path, value, told in _wrong(body, ()):
                raise fail(f"{section}.{name}", f"`{path[-1]}` is {told}, not {_shown(value)}", at=path)


def _wrong(table: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any, str]]:
    """The keys of a table, and of the tables in it, with what cannot stand there and what can."""
    for key, value in table.items():
        told, fits = _KEYS.get(key, ("", None))
        if fits is not None and not fits(value):
            yield (*path, key), value, told
            continue
        named = key in _NAMED and isinstance(value, dict)
        below = value.items() if named else enumerate(value) if isinstance(value, list) else ()
        for name, item in below:
            if isinstance(item, dict):
                yield from _wrong(item, (*path, key, name))


def _shown(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "a table"
        case list():
            return "a list"
        case str():
            return "text"
        case dt.datetime() | dt.time():
            return f"{value.isoformat()}, which has a time"
        case _:
            return str(value)[:40]
