"""A column map proposed for an extract: names, labels, dates, units and words for no record, from what it holds.

It is a draft for a person: everything that is not certain stands in it as a comment, with counts. A text that fewer
than `LEAST_SHOWN` rows hold is never written down, since it may be somebody's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from popstrat.core.arrow import has_class, is_text, without_views
from popstrat.core.lazy import compute as pc
from popstrat.core.text import closest, squeezed
from popstrat.errors import looks_like_number, recorded_name
from popstrat.formats import open_source
from popstrat.packs.patient_table import Column, Schema, fold_label
from popstrat.packs.spellings import TYPED, Spelling, Unreadable, folded, value
from popstrat.runs.column_map import our_name
from popstrat.runs.map_file import parse_map

LEAST_SHOWN = 8
MOST_ROWS = 200_000
_MOST_TEXTS = 5000
_SHOWN = 12
_PRESSURES = re.compile(r"\s*\d{2,3}\s*([/\\|-])\s*\d{2,3}\s*")
_BEYOND = re.compile(r"\s*([<>≤≥]=?)\s*(\d+(?:\.\d+)?)\s*")
_COMMA = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


@dataclass
class Held:
    """What one column of an extract holds: how often each text, or the numbers of a column of numbers."""

    name: str
    place: int
    kind: pa.DataType
    texts: Counter[str] = field(default_factory=Counter)
    numbers: list[np.ndarray[Any, Any]] = field(default_factory=list)
    rows: int = 0
    cut: bool = False

    def look(self, column: pa.Array) -> None:
        """Take a batch into account."""
        self.rows += len(column)
        if pa.types.is_floating(column.type) or pa.types.is_integer(column.type):
            self.numbers.append(column.drop_null().to_numpy(zero_copy_only=False))
        elif is_text(column.type):
            column = without_views(column)
            column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            counts = pc.value_counts(column.drop_null())
            for text, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
                if text in self.texts or len(self.texts) < _MOST_TEXTS:
                    self.texts[text] += count
                else:
                    self.cut = True

    def median(self, how: Spelling) -> float | None:
        """The median of its numbers, of those that can be read; None if there are none."""
        if self.numbers:
            numbers = np.concatenate(self.numbers).astype(np.float64)
            return float(np.nanmedian(numbers)) if len(numbers) else None
        found = [(v, n) for t, n in self.texts.items() if isinstance(v := value(t, "float", how), float) and v == v]
        return float(np.median(np.repeat(*map(np.array, zip(*found, strict=True))))) if found else None


@dataclass
class Proposal:
    """A map as TOML, and what a person is told of it: the columns of ours that have a place, those of the extract that
    have none, and what the table still lacks."""

    text: str
    placed: dict[str, str]
    left: list[str]
    lacking: list[str]
    questions: int


@cache
def _called() -> Mapping[str, Any]:
    return tomllib.loads(resources.files("popstrat.runs").joinpath("called.toml").read_text(encoding="utf-8"))


def propose(inputs: Sequence[str | Path], schema: Schema, *, encoding: str = "utf-8") -> Proposal:
    """A column map for the files of an extract, of which so many rows are looked at.

    Raises `InputError` for files that cannot be read.
    """
    source = open_source(inputs, kinds=lambda name: "text", encoding=encoding)
    held: dict[str, Held] = {}
    rows = 0
    for file in source.files:
        for place, name in enumerate(file.schema.names, 1):
            held.setdefault(name, Held(name, place, file.schema.field(name).type))
        for batch in file.batches([f.name for f in file.schema if has_class(f.type)]):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                held[name].look(column)
            rows += batch.num_rows
            if rows >= MOST_ROWS:
                break
    pressures = _pressures(held, schema)
    placed = _placed(held, schema, {p[0] for p in pressures})
    return _written(held, placed, pressures, schema, rows)


def _pressures(held: Mapping[str, Held], schema: Schema) -> list[tuple[str, str]]:
    """The column that holds both blood pressures, if one does, and what stands between them."""
    if not {"systolic_bp", "diastolic_bp"} <= set(schema.columns):
        return []
    for column in held.values():
        filled = {t: n for t, n in column.texts.items() if t.strip()}
        both = Counter[str]()
        for text, count in filled.items():
            if found := _PRESSURES.fullmatch(text):
                both[found.group(1)] += count
        if (
            both
            and (most := both.most_common(1)[0])[1] > sum(filled.values()) / 2
            and "date" not in folded(column.name)
        ):
            return [(column.name, most[0])]
    return []


def _placed(held: Mapping[str, Held], schema: Schema, taken: set[str]) -> dict[str, str]:
    """Our name → the extract's, the surest first: our own name, a name that others use, a near miss."""
    names = [n for n in held if n not in taken and not looks_like_number(n)]
    found: dict[str, str] = {}

    def free() -> Iterator[str]:
        return (n for n in names if n not in found.values())

    for name in names:
        ours = our_name(name, schema.columns)
        if ours in schema and (ours not in found or name == ours):
            found[ours] = name
    others = _called()["columns"]
    for ours in schema.columns:
        if ours not in found:
            wanted = {squeezed(w) for w in (ours, schema[ours].title, *others.get(ours, ()))}
            if near := next((n for n in free() if squeezed(n) in wanted), None):
                found[ours] = near
    for ours in schema.columns:
        if ours not in found and len(ours) > 4 and (near := closest(ours, free())):
            found[ours] = near
    births = [(c.name, c.completed_years_since) for c in schema if c.completed_years_since]
    for age, birth in births:
        if age in found and birth in found:  # the date wins, and says more
            del found[age]
    return {ours: found[ours] for ours in schema.columns if ours in found}


class _Draft:
    """The tables of a map as they come together."""

    def __init__(self) -> None:
        self.nulls: dict[str, None] = {}
        self.true: dict[str, None] = {}
        self.false: dict[str, None] = {}
        self.dates: dict[str, list[str]] = {}
        self.comma = False
        self.values: dict[str, list[str]] = {}
        self.units: list[str] = []
        self.questions = 0

    @property
    def spelling(self) -> Spelling:
        return Spelling(frozenset(self.nulls), frozenset(self.true), frozenset(self.false), (), self.comma)

    def ask(self, ours: str, texts: Mapping[str, int], question: str) -> None:
        """Lines of [values] that a person has to fill in."""
        shown = [(t, n) for t, n in sorted(texts.items(), key=lambda x: -x[1]) if n >= LEAST_SHOWN]
        lines = self.values.setdefault(ours, [])
        self.questions += 1
        for text, count in shown[:_SHOWN]:
            lines.append(f'# {_quoted(text)} = ""   # {count:,} rows: {question}')
        if rest := len(texts) - len(shown[:_SHOWN]):
            rows = sum(texts.values()) - sum(n for _, n in shown[:_SHOWN])
            lines.append(f"# and {rest:,} other texts in {rows:,} rows, not shown: {question}")


def _written(
    held: Mapping[str, Held], placed: Mapping[str, str], pressures: list[tuple[str, str]], schema: Schema, rows: int
) -> Proposal:
    draft = _Draft()
    for ours, theirs in placed.items():  # words for no record first: they are one thing in every column
        draft.nulls |= dict.fromkeys(_no_record(schema[ours], held[theirs]))
    draft.comma = any(
        _has_commas(held[theirs], draft) for ours, theirs in placed.items() if schema[ours].type in ("int", "float")
    )
    for ours, theirs in placed.items():
        _look_at(schema[ours], held[theirs], draft)
    named = [ours for ours, theirs in placed.items() if our_name(theirs, schema.columns) != ours]
    lines = [
        f"# A draft by `popstrat map init`, from {rows:,} rows. Read it, answer what is asked in comments, then:",
        "#   popstrat check EXTRACT --map THIS-FILE",
        "",
    ]
    if named:
        lines += ["[columns]  # our name = yours", *(f"{o} = {_quoted(placed[o])}" for o in named), ""]
    if pressures:
        (theirs, between) = pressures[0]
        lines.append("[split]")
        for part, ours in enumerate(("systolic_bp", "diastolic_bp"), 1):
            lines.append(f"{ours} = {{ from = {_quoted(theirs)}, by = {_quoted(between)}, part = {part} }}")
        lines.append("")
    lines += _text_table(draft)
    for ours, said in draft.values.items():
        lines += [f"[values.{ours}]", *said, ""]
    if draft.units:
        lines += ["[units]", *draft.units, ""]
    split = {"systolic_bp", "diastolic_bp"} if pressures else set()
    there = {*placed, *split}
    lacking = [c.name for c in schema if c.required and c.name not in there]
    lacking += [
        f"{c.completed_years_since} or {c.name}"
        for c in schema
        if c.completed_years_since and not {c.name, c.completed_years_since} & there
    ]
    used = {*placed.values(), *(theirs for theirs, _ in pressures)}
    left = [recorded_name(n, column.place) for n, column in held.items() if n not in used]
    if lacking:
        lines += ["# The table needs these, and nothing here looks like them; a [const] table can say what is the same",
                  "# for everybody.", *(f"#   {name}" for name in lacking), ""]  # fmt: skip
    if left:
        lines += ["# Columns of the extract without a place:", *(f"#   {name}" for name in left), ""]
    text = "\n".join(lines).rstrip() + "\n"
    parse_map(tomllib.loads(text), schema.columns)  # what is proposed can be read
    return Proposal(
        text, {**placed, **{ours: theirs for theirs, _ in pressures for ours in split}}, left, lacking, draft.questions
    )


def _text_table(draft: _Draft) -> list[str]:
    lines: list[str] = []
    proven = [f[0] for f in draft.dates.values() if len(f) == 1]
    for found in draft.dates.values():  # where no date tells day and month apart, another column's do
        found.sort(key=lambda form: form not in proven)
    forms = Counter(forms[0] for forms in draft.dates.values())
    common = forms.most_common(1)[0][0] if forms else None
    for key, words in (("nulls", draft.nulls), ("true", draft.true), ("false", draft.false)):
        if words:
            lines.append(f"{key} = [{', '.join(map(_quoted, words))}]")
    if common is not None:
        doubt = "   # or mm/dd/yyyy? no date here tells" if any(
            f[0] == common and "mm/dd/yyyy" in f and common == "dd/mm/yyyy" for f in draft.dates.values()
        ) and all("mm/dd/yyyy" in f for f in draft.dates.values()) else ""  # fmt: skip
        draft.questions += bool(doubt)
        lines.append(f"dates = {_quoted(common)}{doubt}")
    if draft.comma:
        lines.append("decimal_comma = true")
    lines = ["[text]", *lines, ""] if lines else []
    for ours, found in draft.dates.items():
        if found[0] != common:
            lines += [f"[text.{ours}]", f"dates = {_quoted(found[0])}", ""]
    return lines


def _look_at(column: Column, held: Held, draft: _Draft) -> None:
    """What a column of ours needs to be read from what the extract holds."""
    if column.type == "category":
        _labels(column, held, draft)
    elif column.type == "date" and held.texts:
        _dates(column, held, draft)
    elif column.type == "bool" and held.texts:
        _flags(column, held, draft)
    elif column.type in ("int", "float"):
        _numbers(column, held, draft)


def _no_record(column: Column, held: Held) -> list[str]:
    """The words for no record in a column, as `folded`, of those that people use; a label of the column is none."""
    if column.type not in TYPED and column.type != "category":
        return []
    labels = {w for o, ws in _called()["labels"].get(column.name, {}).items() for w in (o, *ws)}
    labels |= set(column.label_codes())
    nought = {"none", "nil"} if column.type in ("int", "float") else set()  # of what is counted: nought, or no record?
    return [w for t in held.texts if (w := folded(t)) in _called()["words"]["nulls"] and w not in labels | nought]


def _strange(held: Held, kind: str, how: Spelling) -> dict[str, int]:
    return {t: n for t, n in held.texts.items() if isinstance(value(t, kind, how), Unreadable)}


def _flags(column: Column, held: Held, draft: _Draft) -> None:
    strange = _strange(held, "bool", draft.spelling)
    words = _called()["words"]
    for text in list(strange):
        for key, said in (("true", draft.true), ("false", draft.false)):
            if folded(text) in words[key]:
                said[folded(text)] = None
                strange.pop(text, None)
    if strange:
        draft.ask(column.name, strange, 'true, false, or "" for no record?')


def _labels(column: Column, held: Held, draft: _Draft) -> None:
    known = column.label_codes()
    strange = {
        t: n
        for t, n in held.texts.items()
        if t.strip() and fold_label(t.strip(" ")) not in known and folded(t) not in draft.nulls
    }
    table = {squeezed(w): o for o, ws in _called()["labels"].get(column.name, {}).items() for w in ws}
    for text, count in sorted(strange.items(), key=lambda x: -x[1]):
        if ours := table.get(squeezed(text)):
            rows = f"{count:,} rows" if count >= LEAST_SHOWN else f"fewer than {LEAST_SHOWN} rows"
            draft.values.setdefault(column.name, []).append(f"{_quoted(text)} = {_quoted(ours)}   # {rows}")
            del strange[text]
    if strange:
        draft.ask(column.name, strange, f"which of {', '.join(column.labels)}?")


def _dates(column: Column, held: Held, draft: _Draft) -> None:
    if not _strange(held, "date", draft.spelling):
        return
    forms = []
    for form in _called()["words"]["dates"]:
        how = Spelling(frozenset(draft.nulls), dates=(form,))
        left = _strange(held, "date", how)
        if sum(left.values()) <= 0.01 * sum(held.texts.values()):
            forms.append((len(left), form, left))
    if not forms:
        draft.ask(column.name, _strange(held, "date", draft.spelling), "which form of dates? see [text] dates")
        return
    fewest = min(n for n, _, _ in forms)
    best = [(form, left) for n, form, left in forms if n == fewest]
    draft.dates[column.name] = [form for form, _ in best]
    if best[0][1]:
        draft.ask(column.name, best[0][1], "which date?")


def _has_commas(held: Held, draft: _Draft) -> bool:
    """Whether a column's numbers have a decimal comma. What parts thousands is followed by three digits each time."""
    strange = [t.strip() for t in _strange(held, "float", draft.spelling) if not _BEYOND.fullmatch(t)]
    commas = bool(strange) and all(_COMMA.fullmatch(t) for t in strange)
    return commas and not all(_THOUSANDS.fullmatch(t) for t in strange)


def _numbers(column: Column, held: Held, draft: _Draft) -> None:
    strange = _strange(held, "float", draft.spelling)
    for text, count in sorted(strange.items(), key=lambda x: -x[1]):
        if (found := _BEYOND.fullmatch(text)) and count >= LEAST_SHOWN:
            sign, limit = found.group(1), float(found.group(2))
            ours = limit + (1 if sign == ">" else -1 if sign == "<" else 0)
            line = f"{_quoted(text)} = {max(ours, 0):g}   # {count:,} rows; a number beyond the limit"
            draft.values.setdefault(column.name, []).append(line)
            del strange[text]
    if strange:
        draft.ask(column.name, strange, "which number?")
    unit = _called()["units"].get(column.name)
    median = held.median(draft.spelling) if unit else None
    if unit and median is not None and median < unit["under"]:
        parts = [f"{key} = {unit[key]}" for key in ("multiply", "add", "round") if key in unit]
        factor = f"{{ {', '.join(parts)} }}" if len(parts) > 1 else f"{unit['multiply']}"
        draft.units.append(f"{column.name} = {factor}   # from {unit['called']}: half of them are under {median:.4g}")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
