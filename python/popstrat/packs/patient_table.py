"""The patient table: which columns popstrat knows, their types and their plausible ranges.

They are read from ``patient_table.toml``; a pack may add columns of its own (``[[input]]``).
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import numpy_type
from popstrat.core.text import suggest
from popstrat.errors import ColumnError, InputError
from popstrat.lang.names import name_fault, normal
from popstrat.packs.shapes import MEANT, is_number

ID, PRACTICE = KEY_COLUMNS = ("patient_id", "practice_code")
PLACE_COLUMNS = ("pcn_code", "neighbourhood", "place")
"""The columns that pass through to the scored table: keys, never null, and places, where given."""
CODE_COLUMNS = (PRACTICE, PLACE_COLUMNS[0])
"""Those that hold ODS codes. How they and the ids are read is a matter of `popstrat.packs.keys`."""
OPT_OUTS = {"type1_opt_out": "type 1 opt-out", "national_data_opt_out": "national data opt-out"}
"""The columns whose people secondary use leaves out, and how the reason reads in the run record."""

ColumnType = Literal["id", "string", "bool", "int", "float", "category", "date"]
COLUMN_TYPES: tuple[str, ...] = ("id", "string", "bool", "int", "float", "category", "date")

_ARROW: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "date32": pa.date32(),
    "string": pa.string(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "dictionary32": pa.dictionary(pa.int32(), pa.string()),
}
_DEFAULT_DTYPE: dict[str, str] = {
    "id": "int64",
    "string": "string",
    "bool": "bool",
    "int": "int32",
    "float": "float64",
    "category": "dictionary",
    "date": "date32",
}


_SMALL = {capital: capital + 32 for capital in range(ord("A"), ord("Z") + 1)}
_LABEL_BYTES = 32  # as long as the engine compares


def fold_label(text: str) -> str:
    """A label's spelling as it is compared: A to Z made small, every other letter as it stands."""
    return text.translate(_SMALL)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the patient table.

    ``minimum`` and ``maximum`` bound what is plausible, inclusive; ``aliases`` maps accepted spellings (in any
    case) to a label; ``dates`` names the values that a date column dates; ``null_is`` is the label a null reads as;
    ``mistaken_for`` is what is often given in its place and lies outside the range; ``below`` is the column that it
    lies below in the same row, ``not_after`` the date that it does not lie after; ``per_1000`` is about how many of
    1,000 registered people have a flag of a pack's own.
    """

    name: str
    group: str
    type: ColumnType
    title: str
    dtype: pa.DataType
    required: bool = False
    unit: str = ""
    mistaken_for: str = ""
    minimum: float | None = None
    maximum: float | None = None
    labels: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)
    null_is: str | None = None
    dates: tuple[str, ...] = ()
    completed_years_since: str | None = None
    below: str | None = None
    not_after: str | None = None
    per_1000: float = 0

    @property
    def single(self) -> bool:
        """Whether it is declared to hold 32-bit floats. A number that is not is a double, whatever holds it."""
        return self.type == "float" and self.dtype == pa.float32()

    @property
    def cells(self) -> str:
        """What text stands for in it: its type, `float32` for a number declared so, `percent` for one in per cent."""
        if self.unit == "%" and self.type in ("int", "float"):
            return "percent32" if self.single else "percent"
        return "float32" if self.single else self.type

    @property
    def strict(self) -> bool:
        """Whether a fraction in it is implausible. Of years completed since a date, the fraction is the year begun."""
        return self.type == "int" and self.completed_years_since is None

    @property
    def bounds(self) -> tuple[float, float]:
        """What is plausible of a number, both included: as declared, and of whole numbers no more than its type holds,
        nor than a double holds without a gap."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        if self.type != "int":
            return low, high
        held = np.iinfo(numpy_type(self.dtype)) if pa.types.is_integer(self.dtype) else np.iinfo(np.int64)
        return max(low, int(held.min), 1 - 2**53), min(high, int(held.max), 2**53 - 1)

    def held(self, value: float) -> float:
        """A number as the column's declared type holds it, in whatever type it comes."""
        if self.single:
            with np.errstate(over="ignore"):
                return float(np.float32(value))
        return float(value) if self.type == "float" else value

    def label_codes(self) -> dict[str, int]:
        """Every accepted spelling, folded, with the index of its label."""
        codes = {fold_label(label): i for i, label in enumerate(self.labels)}
        for spelling, label in self.aliases.items():
            codes[fold_label(spelling)] = self.labels.index(label)
        return codes


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(_is_text, value))


_TEXTS = (
    "name", "group", "type", "title", "dtype", "unit", "mistaken_for", "null_is", "completed_years_since", "below",
    "not_after",
)  # fmt: skip
_SHAPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(_TEXTS, (_is_text, "text")),
    **dict.fromkeys(("labels", "dates"), (_are_texts, "a list of texts")),
    "aliases": (lambda v: isinstance(v, Mapping) and _are_texts([*v, *v.values()]), "a table of texts"),
    "required": (lambda v: isinstance(v, bool), "true or false"),
}


def column_from_toml(raw: Mapping[str, Any]) -> Column:
    """Build a `Column` from one ``[[column]]`` or ``[[input]]`` table; raises `ColumnError` naming what is wrong."""
    known = {
        "name", "group", "type", "title", "dtype", "required", "unit", "mistaken_for", "min", "max", "labels",
        "aliases", "null_is", "dates", "completed_years_since", "below", "not_after", "per_1000",
    }  # fmt: skip
    extra = set(raw) - known
    if extra:
        key = sorted(extra)[0]
        raise ColumnError(f"unknown key {key!r} for an input column{suggest(key, known)}", key)
    for key, (shape, told) in _SHAPES.items():
        if key in raw and not shape(raw[key]):
            raise ColumnError(f"`{key}` of an input column is {told}", key)
    name, kind = raw.get("name"), raw.get("type")
    if fault := name_fault(name):
        raise ColumnError(
            f"an input column needs a name, and {name!r} {fault}", name if isinstance(name, str) else "name"
        )
    assert isinstance(name, str)
    if kind not in COLUMN_TYPES:
        raise ColumnError(f"column {name!r} has type {kind!r}; it must be one of {', '.join(COLUMN_TYPES)}", "type")
    dtype = raw.get("dtype", _DEFAULT_DTYPE[kind])
    if dtype not in _ARROW:
        raise ColumnError(f"column {name!r} has dtype {dtype!r}; it must be one of {', '.join(_ARROW)}", "dtype")
    labels = tuple(raw.get("labels", ()))
    if (kind == "category") != bool(labels):
        at = "labels" if labels else "type"
        raise ColumnError(f"column {name!r}: a category, and only a category, lists its labels", at)
    if len(labels) > 250:
        raise ColumnError(f"column {name!r} has {len(labels)} labels; the most is 250", "labels")
    aliases = dict(raw.get("aliases", {}))
    for target in [*aliases.values(), *([raw["null_is"]] if "null_is" in raw else [])]:
        if target not in labels:
            raise ColumnError(f"column {name!r}: {target!r} is not one of its labels", target)
    spellings: dict[str, str] = {}
    for spelling, label in [*((x, x) for x in labels), *aliases.items()]:
        if not spelling.strip(" ") or spelling != spelling.strip(" ") or len(spelling.encode()) > _LABEL_BYTES:
            raise ColumnError(
                f"column {name!r}: {spelling!r} cannot be a label: 1 to {_LABEL_BYTES} bytes, no space at either end",
                spelling or "labels",
            )
        if spellings.setdefault(fold_label(spelling), label) != label or labels.count(spelling) > 1:
            told = f"column {name!r}: {spelling!r} stands for two labels, since case makes no difference"
            raise ColumnError(told, spelling)
    if len(spellings) > 256:
        raise ColumnError(f"column {name!r} has {len(spellings)} spellings of its labels; the most is 256", "aliases")
    for key in ("min", "max", "per_1000"):
        if key in raw and not is_number(raw[key]):
            raise ColumnError(f"column {name!r}: `{key}` is {MEANT}; for no bound, leave it out", key)
    if raw.get("min", 0) > raw.get("max", raw.get("min", 0)):
        raise ColumnError(f"column {name!r}: `min` is over `max`", "min")
    if "per_1000" in raw and kind != "bool":
        raise ColumnError(f"column {name!r}: `per_1000` is of true or false", "per_1000")
    if "not_after" in raw and kind != "date":
        raise ColumnError(f"column {name!r}: `not_after` is of dates", "not_after")
    if "below" in raw and kind not in ("int", "float"):
        raise ColumnError(f"column {name!r}: `below` is of numbers", "below")
    return Column(
        name=name,
        group=raw.get("group", "local"),
        type=kind,
        title=raw.get("title", name.replace("_", " ")),
        dtype=_ARROW[dtype],
        required=bool(raw.get("required", False)),
        unit=raw.get("unit", ""),
        mistaken_for=raw.get("mistaken_for", ""),
        minimum=raw.get("min"),
        maximum=raw.get("max"),
        labels=labels,
        aliases=aliases,
        null_is=raw.get("null_is"),
        dates=tuple(raw.get("dates", ())),
        completed_years_since=raw.get("completed_years_since"),
        below=raw.get("below"),
        not_after=raw.get("not_after"),
        per_1000=raw.get("per_1000", 0),
    )


def refuse_spellings(names: Iterable[str], known: Container[str]) -> None:
    """Raise `InputError` for a column whose name is that of one of the patient table in another spelling of the same
    letters (U+00B5 for U+03BC, say): it would be passed over, and the one that it is taken for missed."""
    have = set(names)
    for name in sorted(have):
        if name not in known and normal(name) in known and normal(name) not in have:
            raise InputError(f"is {normal(name)!r} in other characters: it {name_fault(name)}", column=name)


@dataclass(frozen=True)
class Schema:
    """The columns of the patient table, in order, by name.

    ``added`` names those that release 0.1 did not have, in the order in which they were added, a pack's own last.
    ``questions`` are tables of what is asked about its columns (`packs.questions`).
    """

    columns: Mapping[str, Column]
    earliest_date: dt.date
    version: str
    added: tuple[str, ...] = ()
    questions: tuple[Mapping[str, Any], ...] = ()

    def __getitem__(self, name: str) -> Column:
        return self.columns[name]

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Any:
        return iter(self.columns.values())

    @property
    def either(self) -> list[tuple[str, str]]:
        """Pairs of columns of which a table needs one: a date, and the completed years since it."""
        return [(c.completed_years_since, c.name) for c in self if c.completed_years_since]

    def kept(self, names: Collection[str], wanted: Collection[str]) -> tuple[str, ...]:
        """Those of a table's columns that are read where only some are wanted, in schema order: these, and what makes
        it a patient table. What is left of a table that lacks nothing lacks nothing."""
        kept = {c.name for c in self if c.name in names and (c.required or c.name in wanted)}
        for pair in self.either:
            if not kept & set(pair):
                kept |= set(pair) & set(names)
        return tuple(c.name for c in self if c.name in kept)

    def names(self, *groups: str) -> list[str]:
        """Column names, all or those of the given groups, in schema order."""
        return [c.name for c in self if not groups or c.group in groups]

    def extended(self, extra: Iterable[Column]) -> Schema:
        """This schema with a pack's own input columns after the standard ones."""
        extra = list(extra)
        if not extra:
            return self
        own = {c.name: c for c in extra}
        added = (*self.added, *own)
        return Schema({**self.columns, **own}, self.earliest_date, self.version, added, self.questions)

    def arrow(self, without: Iterable[str] = ()) -> pa.Schema:
        """The canonical Arrow schema, as `popstrat synth` writes it."""
        skip = set(without)
        return pa.schema([(c.name, c.dtype) for c in self if c.name not in skip])


@cache
def patient_schema() -> Schema:
    """The standard patient table."""
    raw = tomllib.loads(resources.files("popstrat.packs").joinpath("patient_table.toml").read_text(encoding="utf-8"))
    columns = [column_from_toml(c) for c in raw["column"]]
    head = raw["schema"]
    added, questions = tuple(head["added"]), tuple(raw["question"])
    return Schema({c.name: c for c in columns}, head["earliest_date"], head["version"], added, questions)
