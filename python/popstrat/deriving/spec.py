"""Feature specifications: how each column of the patient table is derived from the coded record, as data.

A specification is a file like a pack, read by the same machinery: the same head, parameters, windows, sets, sources,
versions, effective dates and `extends`. What it has besides are features (``[feature.NAME]``), each of a kind of
`deriving.kinds`, and what it does not derive (``[not_derived.COLUMN]`` with a `why`). Its definitions
(``[definition.NAME]``) are a second step: expressions over what the features give and what is known of the person.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from popstrat.core.small_files import parse_toml, read_small
from popstrat.core.text import suggest
from popstrat.deriving.features import Features
from popstrat.deriving.kinds.kind import Feature, Told
from popstrat.deriving.kinds.reader import Reader
from popstrat.deriving.kinds.registry import KINDS
from popstrat.errors import PackError, PopstratError
from popstrat.lang import nodes as n
from popstrat.lang.names import name_fault
from popstrat.packs.definition import Definition
from popstrat.packs.in_force import in_force
from popstrat.packs.key_shapes import check_keys
from popstrat.packs.load import put_together
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import KEY_COLUMNS, Column, Schema, column_from_toml, patient_schema
from popstrat.packs.read import MOST_FILES, SPECS, builtin_name, builtin_packs, faults, read_file
from popstrat.packs.resolve import Resolver
from popstrat.packs.shapes import items, only, texts
from popstrat.packs.tables import PackTables
from popstrat.packs.unused import OFFERED

DEFAULT_SPEC = "gp-record-2026"
MOST_FEATURES = 1000

_TEXT_KEYS = {"title", "means", "source", "assumption", "caveat", "version", "licence"}
_COMMON_KEYS = _TEXT_KEYS | {"kind", OFFERED, "optional", "effective_from", "effective_to", "versions"}
_STEP_TWO = ("parameters", "windows", "sets", "lookups", "definition")
_WHOLE = ("uint8", "int16", "int32")
_FEW = 4  # names in a notice


def builtin_specs() -> list[str]:
    """Names of the feature specifications that ship with popstrat."""
    return builtin_packs(SPECS)


def load_spec(name_or_path: str | Path | Spec) -> Spec:
    """A feature specification by built-in name, such as ``gp-record-2026``, or by the path of a TOML file. Raises
    `PackError`."""
    if isinstance(name_or_path, Spec):
        return name_or_path
    known = builtin_name(str(name_or_path), shelf=SPECS)
    return _load(str(name_or_path)) if known is None else _builtin(known)


def is_specification(name_or_path: str) -> bool:
    """Whether a name or a file is that of a feature specification rather than of a scoring pack: by what it holds, or
    by what it extends. Raises nothing: what cannot be read is for whoever loads it to say."""
    try:
        return _is_specification(name_or_path, Path(), MOST_FILES)
    except (OSError, ValueError, PopstratError):  # tomllib's own error is a ValueError
        return False


def _is_specification(name: str, beside: Path, left: int) -> bool:
    if name.partition("@")[0] in builtin_specs():
        return True
    if name.partition("@")[0] in builtin_packs() or not left:
        return False
    path = beside / name
    raw = parse_toml(read_small(path).decode("utf-8-sig"))
    if "feature" in raw or "not_derived" in raw:
        return True
    extends = items(raw.get("pack")).get("extends")
    return any(_is_specification(other, path.parent, left - 1) for other in texts(extends))


@cache
def _builtin(name: str) -> Spec:
    return _load(name)


def _load(name: str) -> Spec:
    given = read_file(name, shelf=SPECS)
    if not any("feature" in file.raw for file in given.bases_first):
        told = (
            "is no feature specification, which says how the patient table is derived: it has no [feature.NAME] table"
        )
        raise PackError.at(given.name, None, f"{told}, as scoring packs have none")
    for file in given.bases_first:
        for section in ("input", "readings", "fit"):
            if section in file.raw:
                told = "is for scoring packs: a feature specification has none"
                raise faults(file.source, file.raw)(section, told, section, 0, len(section))
    return put_together(given, Spec)


class Spec(PackTables):
    """A feature specification as written, with what it extends merged in. Immutable."""

    def at(self, as_of: dt.date) -> Features:
        """The features and definitions in force at a date. Raises `PackError` pointing at file, line and word."""
        return _Builder(self, as_of).features()

    @property
    def not_derived(self) -> dict[str, str]:
        """The columns of the patient table that are not derived, each with the reason; of what is derived by a file
        that extends the one that says so, nothing."""
        return {name: str(body.get("why", "")) for name, body in self.raw.get("not_derived", {}).items()}


class _Builder:
    """A specification at an as-of date, built."""

    def __init__(self, spec: Spec, as_of: dt.date) -> None:
        self.spec, self.as_of = spec, as_of
        self._nearest: list[str] = []

    def features(self) -> Features:
        spec = self.spec
        check_keys(spec.raw, spec.error)
        self._check_not_derived()
        raw = spec.raw.get("feature", {})
        if len(raw) > MOST_FEATURES:
            raise PackError.at(spec.sources[0].name, None, f"has {len(raw):,} features; the most is {MOST_FEATURES:,}")
        words = Resolver(self._second(people_schema()), self.as_of)  # for its windows and parameters
        features = tuple(self._feature(ident, body, words.windows, words.parameters) for ident, body in raw.items())
        self._check_words(features)
        pack = self._second(_schema(features))
        resolved = pack.at(self.as_of)
        outputs = self._outputs(features, resolved.outputs)
        notices = (*resolved.notices, *self._not_in_force())
        own = {name: why for name, why in spec.not_derived.items() if name not in outputs}
        return Features(spec, self.as_of, features, resolved, pack, outputs, own, notices)

    def _second(self, schema: Schema) -> Pack:
        """The specification without its features, over what they give: a pack."""
        spec = self.spec
        raw = {"pack": spec.raw["pack"], **{key: spec.raw[key] for key in _STEP_TWO if key in spec.raw}}
        return Pack(spec.id, spec.version, spec.title, raw, spec.sources, schema, spec.unused, spec.taken)

    # -- features -------------------------------------------------------------------------------------------------

    def _fault(self, ident: str, message: str, text: str = "") -> PackError:
        return self.spec.error(f"feature.{ident}", message, text, 0, len(text))

    def _feature(
        self, ident: str, body: Mapping[str, Any], windows: Mapping[str, int], parameters: Mapping[str, n.Const]
    ) -> Feature:
        if fault := name_fault(ident):
            raise self._fault(ident, f"the name {ident!r} {fault}", ident)

        def check(table: Mapping[str, Any]) -> None:
            kind = table.get("kind")
            if isinstance(kind, str) and kind in KINDS:
                only(table, _COMMON_KEYS | KINDS[kind].keys, f"feature.{ident}", self.spec.error)

        raw, holds = in_force(body, self.as_of, lambda told, text: self._fault(ident, told, text), check)
        if not holds:
            self._nearest.append(ident)
        name = raw.get("kind")
        if not isinstance(name, str) or name not in KINDS:
            raise self._without_kind(ident, raw)
        for key in ("title", "version"):
            if key not in raw:
                raise self._fault(ident, f"needs a `{key}`")
        if "source" not in raw and "assumption" not in raw:
            raise self._fault(ident, "needs a `source`, or an `assumption` with its reason")
        for key in _TEXT_KEYS & set(raw):
            if not isinstance(raw[key], str):
                raise self._fault(ident, f"`{key}` is text", key)
        if not isinstance(raw.get(OFFERED, False), bool):
            raise self._fault(ident, f"`{OFFERED}` is true or false", OFFERED)
        source = raw.get("source", raw.get("assumption", ""))
        told = Told(ident, raw["title"], raw.get("means", ""), source, raw["version"], raw)
        return KINDS[name].read(Reader(told, self.spec, self.as_of, windows, parameters))

    def _without_kind(self, ident: str, raw: Mapping[str, Any]) -> PackError:
        known = ", ".join(KINDS)
        if "kind" not in raw and len(self.spec.sources) > 1:
            near = suggest(ident, [other for other in self.spec.raw["feature"] if other != ident])
            told = f"there is no feature {ident!r} to change{near}; a new one needs a `kind`: {known}"
            return self._fault(ident, told, ident)
        shown = str(raw.get("kind") or "")
        return self._fault(ident, f"needs a `kind`: one of {known}{suggest(shown, KINDS)}", shown)

    def _check_words(self, features: tuple[Feature, ...]) -> None:
        """Raise `PackError` if two things have one name in expressions, or two features write one column."""
        raw = self.spec.raw
        taken = {name: f"the {what} {name!r}" for what, section in
                 (("parameter", "parameters"), ("set", "sets"), ("lookup", "lookups"), ("definition", "definition"))
                 for name in raw.get(section, {})}  # fmt: skip
        taken |= dict.fromkeys((*KEY_COLUMNS, *_PERSON), "a column of the person")
        for feature in features:
            for part in feature.parts:
                if part.word in taken and not (feature.name == "person" and part.word in _PERSON):
                    shared = taken[part.word]
                    if part.output is not None and shared.startswith("the feature"):
                        told = f"writes the column {part.output!r}, as {shared.removesuffix(',')} does"
                    else:
                        told = f"gives {part.word!r}, which is the name of {shared}"
                    raise self._fault(feature.id, told, part.word)
                taken[part.word] = f"the feature {feature.id!r}"

    def _outputs(self, features: tuple[Feature, ...], definitions: list[Definition]) -> dict[str, str]:
        """The columns written, each with the section of what writes it: in the order of the patient table, then the
        others. Raises `PackError` for one written twice, or not of the table's type."""
        found = {part.output: f"feature.{f.id}" for f in features for part in f.parts if part.output is not None}
        for d in definitions:
            output = str(d.output)
            if output in found:
                told = f"writes the column {output!r}, as {found[output].replace('.', ' ')} does"
                raise self.spec.error(f"definition.{d.id}", told, output, 0, len(output))
            if output in patient_schema():
                self._check_type(d, patient_schema()[output])
            found[output] = f"definition.{d.id}"
        order = [*(c for c in patient_schema().columns if c in found), *(c for c in found if c not in patient_schema())]
        return {name: found[name] for name in order}

    def _check_type(self, d: Definition, column: Column) -> None:
        kind, told = d.node.type.kind, ""
        takes = {"bool": ("bool",), "number": ("int", "float"), "category": ("category",)}.get(kind, ())
        if column.type not in takes:
            told = f"is {d.node.type}, which {column.name} of the patient table does not hold"
        elif kind == "number" and column.type == "int" and d.dtype not in _WHOLE:
            told = f"{column.name} of the patient table holds whole numbers: say `type`, one of {', '.join(_WHOLE)}"
        elif kind == "category" and (odd := [x for x in d.node.type.labels if x not in column.labels]):
            told = f"{column.name} of the patient table has no label {odd[0]!r}{suggest(odd[0], column.labels)}"
        if told:
            raise self.spec.error(f"definition.{d.id}", told, str(d.output), 0, len(str(d.output)))

    # -- the rest -------------------------------------------------------------------------------------------------

    def _check_not_derived(self) -> None:
        schema = patient_schema()
        for name, body in self.spec.raw.get("not_derived", {}).items():
            section = f"not_derived.{name}"
            only(body, ("why",), section, self.spec.error)
            if name not in schema or name in KEY_COLUMNS:
                near = suggest(name, schema.columns)
                raise self.spec.error(section, f"{name!r} is no column that could be derived{near}", name, 0, len(name))
            if not isinstance(body.get("why"), str) or not body["why"].strip():
                raise self.spec.error(section, "says `why` it is not derived")

    def _not_in_force(self) -> Iterator[str]:
        if self._nearest:
            more = len(self._nearest) - _FEW
            shown = ", ".join(self._nearest[:_FEW]) + (f" and {more} more" if more > 0 else "")
            count = f"{len(self._nearest)} feature{'s have' if len(self._nearest) > 1 else ' has'}"
            yield f"{count} no version in force at {self.as_of}; the nearest was used: {shown}"


# -- what expressions speak of ----------------------------------------------------------------------------------------

_PERSON = ("date_of_birth", "age", "sex")


def people_schema() -> Schema:
    """What definitions know of a person without any feature."""
    standard = patient_schema()
    columns = {name: standard[name] for name in (*KEY_COLUMNS, *_PERSON)}
    return Schema(columns, standard.earliest_date, standard.version)


def _schema(features: tuple[Feature, ...]) -> Schema:
    """The person's columns and what the features give, as the columns that definitions are about."""
    base = people_schema()
    columns = dict(base.columns)
    for feature in features:
        for part in feature.parts:
            if part.type == "given":
                columns.setdefault(part.word, patient_schema()[part.word])
            elif part.word not in columns:
                kind = "float" if part.type == "number" else part.type
                made: dict[str, Any] = {"name": part.word, "type": kind, "title": part.title}
                columns[part.word] = column_from_toml(made | ({"labels": list(part.labels)} if part.labels else {}))
    return Schema(columns, base.earliest_date, base.version)
