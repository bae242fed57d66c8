"""The pack that a fit or a recalibration leaves behind: complete, checked and sealed, or not at all."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from popstrat.core.files import Outputs
from popstrat.core.rerun import Making, refuse_other
from popstrat.core.small_files import parse_toml, read_small
from popstrat.errors import InputError
from popstrat.fitting.estimate import NotInstalledError
from popstrat.fitting.typical import Typical, made_up
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.read import builtin_packs
from popstrat.packs.seal import sealed

_ORDER = ("pack", "parameters", "sets", "windows", "input", "definition")


def tomlkit_module() -> Any:
    """The tomlkit module. Raises `NotInstalledError` with what to do about it."""
    try:
        import tomlkit
    except ImportError:
        raise NotInstalledError('fitting needs more libraries: pip install "popstrat[fit]"') from None
    return tomlkit


def neat(x: float) -> float:
    """A coefficient to seven significant figures: beyond them the order in which threads add numbers shows."""
    return float(f"{x:.7g}")


_DONE = {"fitted": "fit", "recalibrated": "recalibrate"}


def check_free(output: Path, pack: Pack, making: Making, force: bool) -> None:
    """Raise `InputError` if ``output`` is a source of the pack, or there already and made by anything but ``making``.

    The provenance in a pack that was fitted is its record; ``force`` goes without.
    """
    if output.suffix != ".toml":
        raise InputError("the pack should end in .toml", file=str(output))
    if not output.parent.is_dir():
        raise InputError("there is no such folder", file=str(output.parent))
    if not output.exists():
        return
    for source in pack.sources:
        if Path(source.location).exists() and output.samefile(source.location):
            raise InputError("is what the new pack is made from; a pack is never changed in place", file=str(output))
    refuse_other([output], making, _record(output), force, own=[output])


@contextlib.contextmanager
def claimed(output: Path, pack: Pack, making: Making, force: bool) -> Iterator[tuple[Outputs, Path]]:
    """The place of a new pack, for one run alone, for as long as it takes; raises as `check_free` does."""
    check_free(output, pack, making, force)
    with Outputs() as outputs:
        partial = outputs.add(output)
        check_free(output, pack, making, force)  # another run may have ended meanwhile
        yield outputs, partial


def _record(output: Path) -> Mapping[str, Any] | None:
    """What a pack that was fitted or recalibrated says of how; None if it is no such pack."""
    try:
        found = parse_toml(read_small(output).decode("utf-8-sig"))
        for definition in found["definition"].values():
            told = definition.get("provenance", {})
            for done, command in _DONE.items():
                if done in told:
                    return {"command": command, "as_of": told["as_of"], "pack": found["pack"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return None


def extends_from(pack_name: str, found_in: Path, output: Path) -> str:
    """How a pack file beside ``output`` names another: a built-in by its name, a file by its path from there."""
    if pack_name in builtin_packs():
        return pack_name
    path = Path(pack_name)
    if not path.is_absolute() and not path.exists():
        path = found_in / path
    return os.path.relpath(path.resolve(), output.resolve().parent).replace(os.sep, "/")


def write_pack(
    output: Path,
    raw: Mapping[str, Any],
    model: str,
    typical: Mapping[str, Typical],
    as_of: dt.date,
    outputs: Outputs,
    partial: Path,
) -> Pack:
    """Write ``raw`` into ``partial`` of ``outputs`` as a sealed pack; load it back.

    It gets reference patients of ``model`` made from what is typical.

    The file appears whole, after it was loaded and its reference patients were checked, or not at all.
    """
    definitions = {**raw["definition"]}
    body = {**definitions[model], "draft": True, "reference_patients": []}
    draft = {**raw, "definition": {**definitions, model: body}}
    partial.write_text(_text(draft), encoding="utf-8")
    body["reference_patients"] = made_up(load_pack(partial), model, typical, as_of)
    del body["draft"]
    if definitions[model].get("draft"):
        body["draft"] = True
    partial.write_text(sealed(_text(draft)), encoding="utf-8")
    loaded = load_pack(partial)
    loaded.at(as_of)
    outputs.commit()
    return load_pack(output)


def by_stratum(names: Sequence[str], values: Sequence[float]) -> Any:
    """Values as a pack states them: the one of a model without strata, else a table by the names of its strata."""
    return values[0] if list(names) == [""] else dict(zip(names, values, strict=True))


def baseline(body: Mapping[str, Any], names: Sequence[str], survival: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """A model's baseline survival, of each stratum by horizon, as the keys of its table."""
    if "horizons" not in body:
        return {"baseline_survival": by_stratum(names, [s[""] for s in survival])}
    return {
        "horizons": [
            {**h, "baseline_survival": by_stratum(names, [s[h["id"]] for s in survival])} for h in body["horizons"]
        ]
    }


def _text(raw: Mapping[str, Any]) -> str:
    tomlkit = tomlkit_module()
    document = tomlkit.document()
    for key in sorted(raw, key=lambda k: _ORDER.index(k) if k in _ORDER else len(_ORDER)):
        document.add(key, _item(raw[key], 0))
    return str(tomlkit.dumps(document))


def _item(value: Any, depth: int, inline: bool = False) -> Any:
    """A TOML item: tables as tables, small tables and lists of short ones on one line each."""
    tomlkit = tomlkit_module()
    if isinstance(value, Mapping):
        if inline:
            table = tomlkit.inline_table()
            for key, item in value.items():
                table.add(key, _item(item, depth + 1, inline=True))
            return table
        table = tomlkit.table()
        for key, item in sorted(value.items(), key=lambda kv: _nested(kv[0], kv[1])):
            table.add(key, _item(item, depth + 1, inline=_short(item)))
        return table
    if isinstance(value, list) and value and all(isinstance(v, Mapping) for v in value):
        if inline or depth > 3:
            array = tomlkit.array()
            for item in value:
                array.append(_item(item, depth + 1, inline=True))
            return array.multiline(True) if not inline else array
        tables = tomlkit.aot()
        for item in value:
            tables.append(_row(item))
        return tables
    if isinstance(value, list):
        array = tomlkit.array()
        for item in value:
            array.append(_item(item, depth + 1, inline=True))
        return array
    return tomlkit.item(value)


def _row(value: Mapping[str, Any]) -> Any:
    """One table of a list of tables, its own tables inline."""
    tomlkit = tomlkit_module()
    table = tomlkit.table()
    for key, item in value.items():
        table.add(key, _item(item, 4, inline=True))
    return table


def _nested(key: str, value: Any) -> bool:
    """Whether a value is written under a heading of its own, so after the plain ones."""
    tables = isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
    return tables or (isinstance(value, Mapping) and not _short(value))


def _short(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and len(value) <= 6
        and all(isinstance(v, bool | int | float) for v in value.values())
    )
