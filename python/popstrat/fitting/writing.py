"""The pack that a fit or a recalibration leaves behind: complete, checked and sealed, or not at all."""

from __future__ import annotations

import datetime as dt
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from popstrat.core.files import Outputs
from popstrat.core.hashing import HASH
from popstrat.errors import InputError
from popstrat.fitting.estimate import NotInstalledError
from popstrat.lang import nodes as n
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.read import builtin_packs
from popstrat.packs.seal import sealed

if TYPE_CHECKING:
    from popstrat.fitting.design import Typical

SMALL = 7
_ORDER = ("pack", "parameters", "sets", "windows", "input", "definition")


def tomlkit_module() -> Any:
    """The tomlkit module. Raises `NotInstalledError` with what to do about it."""
    try:
        import tomlkit
    except ImportError:
        raise NotInstalledError('fitting needs more libraries: pip install "popstrat[fit]"') from None
    return tomlkit


def rounded(count: float) -> int | str:
    """A count as it may be published: to the nearest 5, and nothing of 7 and fewer."""
    return "7 or fewer" if count <= SMALL else int(5 * round(count / 5))


class Made(Protocol):
    """What a fit and a recalibration have in common to tell."""

    @property
    def pack(self) -> Pack: ...
    @property
    def output(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def strata(self) -> Sequence[Any]: ...
    @property
    def counts(self) -> Mapping[str, int]: ...
    @property
    def period(self) -> str: ...
    @property
    def warnings(self) -> Sequence[str]: ...


def described(made: Made) -> dict[str, Any]:
    """For ``--json``: counts rounded as in the pack."""
    return {
        "pack": {
            "id": made.pack.id, "version": made.pack.version, "file": made.output.name, HASH: made.pack.sha256,
        },
        "model": made.model,
        "method": made.method,
        "strata": [
            {**vars(s), "survival": dict(s.survival), "people": rounded(s.people), "events": rounded(s.events)}
            for s in made.strata
        ],
        "counts": {name: rounded(count) if count else 0 for name, count in made.counts.items()},
        "period": made.period,
        "warnings": list(made.warnings),
    }  # fmt: skip


def neat(x: float) -> float:
    """A coefficient to seven significant figures: beyond them the order in which threads add numbers shows."""
    return float(f"{x:.7g}")


def check_free(output: Path, pack: Pack, ident: str, version: str) -> None:
    """Raise `InputError` if ``output`` is a source of the pack, something else, or the same version of it."""
    if output.suffix != ".toml":
        raise InputError("the pack should end in .toml", file=str(output))
    if not output.parent.is_dir():
        raise InputError("there is no such folder", file=str(output.parent))
    if not output.exists():
        return
    for source in pack.sources:
        if Path(source.location).exists() and output.samefile(source.location):
            raise InputError("is what the new pack is made from; a pack is never changed in place", file=str(output))
    try:
        head = tomllib.loads(output.read_text(encoding="utf-8")).get("pack", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise InputError("is there already, and is not a pack", file=str(output)) from None
    if not isinstance(head, dict) or head.get("id") != ident:
        raise InputError("is there already, and is another pack", file=str(output))
    if head.get("version") == version:
        raise InputError(
            f"holds version {version} already; give the new pack another version, or another name", file=str(output)
        )


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
) -> Pack:
    """Write ``raw`` as a sealed pack with reference patients of ``model`` made from what is typical; load it back.

    The file appears whole, after it was loaded and its reference patients were checked, or not at all.
    """
    definitions = {**raw["definition"]}
    body = {**definitions[model], "draft": True, "reference_patients": []}
    draft = {**raw, "definition": {**definitions, model: body}}
    with Outputs() as outputs:
        partial = outputs.add(output)
        partial.write_text(_text(draft), encoding="utf-8")
        body["reference_patients"] = _reference_patients(load_pack(partial), model, typical, as_of)
        del body["draft"]
        if definitions[model].get("draft"):
            body["draft"] = True
        partial.write_text(sealed(_text(draft)), encoding="utf-8")
        loaded = load_pack(partial)
        loaded.at(as_of)
        outputs.commit()
    return load_pack(output)


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


# -- reference patients -----------------------------------------------------------------------------------------------


def _reference_patients(pack: Pack, model: str, typical: Mapping[str, Typical], as_of: dt.date) -> list[dict[str, Any]]:
    """Made-up people: typical values, then low and high ones with the conditions that the model knows."""
    resolved = pack.at(as_of)
    entries: list[dict[str, Any]] = []
    for stratum, usual in typical.items():
        at = f", {stratum}" if stratum else ""
        flags = sorted(usual.shares, key=lambda name: (-usual.shares[name], name))
        tries = [
            (f"made up: typical values, nothing recorded{at}", 1, 0, []),
            (f"made up: low values, the two commonest conditions{at}", 0, 1, flags[:2]),
            (f"made up: high values, every other condition{at}", 2, 0, flags[::2]),
            (f"made up: high values, the remaining conditions{at}", 2, 2, flags[1::2]),
            (f"made up: typical values, every condition{at}", 1, 1, flags),
        ]
        for title, level, label, having in tries:
            patient = _patient(pack, usual, level, label, having)
            if not patient:
                continue
            reference = Reference(resolved, set(patient))
            known = reference.patient(patient)
            result = reference.output(resolved.definitions[model], known)
            predictor = reference.output(resolved.definitions[f"{model}.linear_predictor"], known)
            expected: dict[str, n.Value] = {model: "null" if result is None else result}
            if predictor is not None:
                expected[f"{model}.linear_predictor"] = round(float(predictor), 9)  # type: ignore[arg-type]
            for horizon in resolved.models[model].horizons[1:]:
                later = reference.output(resolved.definitions[horizon.definition], known)
                expected[horizon.definition] = "null" if later is None else later
            entries.append({"title": title, "patient": patient, "expected": expected, "tolerance": 1e-6})
    scored = [e for e in entries if e["expected"][model] != "null"]
    if len(scored) < 3:
        raise InputError("cannot make up three people for whom the model gives a result: look at its `eligible`")
    return entries


def _patient(pack: Pack, usual: Typical, level: int, label: int, having: list[str]) -> dict[str, Any]:
    patient: dict[str, Any] = {}
    for name, values in usual.quantiles.items():
        column = pack.schema[name]
        value = float(f"{values[level]:.2g}") if column.type == "float" else float(f"{round(values[level]):.3g}")
        value = min(max(value, column.minimum or value), column.maximum or value)
        patient[name] = round(value) if column.type == "int" else value
    for name, labels in usual.labels.items():
        if labels:
            patient[name] = labels[min(label, len(labels) - 1)]
    patient.update(dict.fromkeys(having, True))
    return patient
