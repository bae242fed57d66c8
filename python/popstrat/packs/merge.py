"""What a pack says together with all that it extends.

One rule: what a file writes stands until a file that extends it writes the same thing. So what a file only inherits
never undoes what another one changed, and the order of `extends` makes no difference. Where two files that know nothing
of each other write the same thing, neither stands above the other: they must write the same, or the pack that brings
them together says which holds, by writing it itself.

A thing is a key below the tables of a pack, at any depth (``parameters.x.value``, ``definition.y.inputs.bmi.default``),
or an input column; a list is one thing. Where one key stands in the place of another (`required` of `default`), so does
what a file writes of it. Keys stand in the order in which they are first written, bases first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from popstrat.errors import ConflictError
from popstrat.packs import shapes
from popstrat.packs.files import PackFile

Path = tuple[str, ...]  # keys, from the top of the file down
DATED = ("definition", "feature")
"""The sections whose entries may have versions."""
_OF_THE_FILE = ("pack", "fit")  # what these say is said of the one file: they are not handed on


_INSTEAD: Mapping[tuple[int, str], tuple[str, ...]] = {
    (3, "baseline_survival"): ("horizons",),
    (3, "horizons"): ("baseline_survival",),
    (3, "terms"): ("coefficients",),
    (5, "default"): ("required",),
    (5, "required"): ("default",),
}
"""Keys of a model and of its inputs, by their depth, that stand in the place of others."""


def instead_of(path: Path) -> tuple[str, ...]:
    """The keys beside one in a definition that do not outlive its being stated: whoever requires a record of an input
    takes no default from below."""
    if path[0] != "definition" or (len(path) == 5 and path[2] != "inputs"):
        return ()
    return _INSTEAD.get((len(path), path[-1]), ())


@dataclass(frozen=True)
class Written:
    """What one file writes at one path."""

    file: PackFile
    value: Any


def merged(given: PackFile) -> dict[str, Any]:
    """The tables of a pack with all that it extends. ``columns``: those of the pack itself come first, then those of
    what it extends, a file before its own bases. Raises `ConflictError`."""
    if not given.extends:
        return dict(given.raw)
    files = given.bases_first
    tables = [
        Written(f, {k: _by_name(v) if k == "input" else v for k, v in f.raw.items() if k not in _OF_THE_FILE})
        for f in files
    ]
    found: dict[str, Any] = _combined((), tables)
    if "input" in found:
        found["input"] = list(found["input"].values())
    for section in DATED:
        for ident, body in found.get(section, {}).items():
            if body.get("versions"):
                _keep_apart((section, ident), body, files)
    columns = dict.fromkeys(c for f in given.bases_last for c in f.raw["pack"].get("columns", ()))
    head = {**given.raw["pack"], "columns": list(columns)}
    return {"pack": head, **found, **({"fit": given.raw["fit"]} if "fit" in given.raw else {})}


def standing(found: Sequence[Written]) -> list[Written]:
    """What stands of all that is written at one path: whatever no file above it writes again. A table goes on with
    what the tables below it hold; anything else takes the place of everything below it."""
    left = []
    for one in found:
        over = [other for other in found if one.file in other.file.bases]
        table = isinstance(one.value, Mapping)
        if not any(not table or not isinstance(other.value, Mapping) for other in over):
            left.append(one)
    return left


def _combined(path: Path, found: Sequence[Written]) -> Any:
    if len(found) == 1:
        return found[0].value
    left = standing(found)
    column = len(path) == 2 and path[0] == "input"  # one thing, as it says what a value of the column means
    if not column and all(isinstance(one.value, Mapping) for one in left):
        keys = dict.fromkeys(key for one in left for key in one.value)
        by_key = {k: [Written(one.file, one.value[k]) for one in left if k in one.value] for k in keys}
        for key, above in list(by_key.items()):
            for gone in instead_of((*path, key)):
                if all(any(one.file in by.file.bases for by in above) for one in by_key.get(gone, ())):
                    by_key.pop(gone, None)
        return {k: _combined((*path, k), found) for k, found in by_key.items()}
    first = left[0]
    for other in left[1:]:
        if not same(first.value, other.value):
            raise ConflictError(path, first, other)
    return min((one.value for one in left), key=repr)  # 140 and 140.0 are the same, whichever comes first


def same(a: Any, b: Any) -> bool:
    """Whether two values of a TOML file are the same. A truth value is not a number."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b) and isinstance(a, bool) == isinstance(b, bool)


def _keep_apart(path: Path, body: Mapping[str, Any], files: Iterable[PackFile]) -> None:
    """Dated versions say again what the definition says: where a file that they do not know of writes the same key,
    they would undo it. (A title or a meaning that some of them leave alone still counts for those.)"""
    versions = list(shapes.tables(body["versions"]))
    dated = [one.file for one in standing(_written((*path, "versions"), files))]
    for key in dict.fromkeys(key for version in versions for key in version if key in body):
        if key in ("title", "means") and not all(key in version for version in versions):
            continue
        for one in standing(_written((*path, key), files)):
            if not any(one.file is file or one.file in file.bases for file in dated):
                raise ConflictError((*path, key), one, Written(dated[0], body["versions"]), (*path, "versions"))


def _written(path: Path, files: Iterable[PackFile]) -> list[Written]:
    """What each file writes at a path."""
    found = []
    for file in files:
        value: Any = file.raw
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        if value is not None:
            found.append(Written(file, value))
    return found


def _by_name(columns: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {column["name"]: column for column in columns}
