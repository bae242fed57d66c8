"""A column map proposed for an extract: names, labels, dates, units and words for no record, from what it holds.

It is a draft for a person: everything that is not certain stands in it as a comment, with counts. A text that fewer
than `LEAST_SHOWN` rows hold is never written down, since it may be somebody's.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from popstrat.core.arrow import has_class
from popstrat.core.text import squeezed
from popstrat.errors import recorded_name
from popstrat.formats import open_source
from popstrat.packs.column_map import our_name
from popstrat.packs.map_file import parse_map
from popstrat.packs.patient_table import Column, Schema, fold_label
from popstrat.packs.spellings import TYPED, Spelling, Unreadable, folded, value
from popstrat.runs.map_contents import Held
from popstrat.runs.map_names import called, says_unit
from popstrat.runs.map_places import PRESSURES, Places, find_places, has_commas

LEAST_SHOWN = 8
MOST_ROWS = 200_000
_SHOWN = 12
_MIXED = 0.02  # of a column's numbers in each of two units; fewer are slips
_BEYOND = re.compile(r"\s*([<>≤≥]=?)\s*(\d+(?:\.\d+)?)\s*")


@dataclass
class Proposal:
    """A map as TOML, and what a person is told of it: the columns of ours that have a place, those of the extract that
    have none, and what the table still lacks."""

    text: str
    placed: dict[str, str]
    left: list[str]
    lacking: list[str]
    questions: int


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
    return _written(held, find_places(held, schema), schema, rows)


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


def _written(held: Mapping[str, Held], places: Places, schema: Schema, rows: int) -> Proposal:
    draft = _Draft()
    placed = places.placed
    for ours, theirs in placed.items():  # words for no record first: they are one thing in every column
        draft.nulls |= dict.fromkeys(_no_record(schema[ours], held[theirs]))
    draft.comma = any(
        has_commas(held[theirs]) for ours, theirs in placed.items() if schema[ours].type in ("int", "float")
    )
    for ours, theirs in placed.items():
        _look_at(schema[ours], held[theirs], draft)
    named = [ours for ours, theirs in placed.items() if our_name(theirs, schema.columns) != ours]
    draft.questions += len({doubt.theirs for doubt in places.doubtful})
    lines = [
        f"# A draft by `popstrat map init`, from {rows:,} rows. Read it, answer the questions in the comments, then:",
        "#   popstrat check EXTRACT --map THIS-FILE",
        "",
    ]
    asked = [f"# {d.ours} = {_quoted(d.theirs)}{d.asked}" for d in places.doubtful if not d.between]
    if named or asked:
        lines += ["[columns]  # our name = yours", *(f"{o} = {_quoted(placed[o])}" for o in named), *asked, ""]
    pairs = [(p.theirs, p.between, "") for p in (places.pair,) if p]
    pairs += [(d.theirs, d.between, d.asked) for d in places.doubtful if d.between]
    if pairs:
        lines.append("[split]")
    for theirs, between, question in pairs:
        for part, ours in enumerate(PRESSURES, 1):
            parts = f"{{ from = {_quoted(theirs)}, by = {_quoted(between)}, part = {part} }}"
            lines.append(f"{'# ' if question else ''}{ours} = {parts}{question}")
    lines += [""] if pairs else []
    lines += _text_table(draft)
    for ours, said in draft.values.items():
        lines += [f"[values.{ours}]", *said, ""]
    if draft.units:
        lines += ["[units]", *draft.units, ""]
    there = places.there
    lacking = [c.name for c in schema if c.required and c.name not in there]
    lacking += [
        f"{c.completed_years_since} or {c.name}"
        for c in schema
        if c.completed_years_since and not {c.name, c.completed_years_since} & {*there}
    ]
    used = {*there.values()}
    left = {n: recorded_name(n, column.place) for n, column in held.items() if n not in used}
    if lacking:
        lines += ["# The table needs these, and nothing here is surely one; a [const] table can say what is the same",
                  "# for everybody.", *(f"#   {name}" for name in lacking), ""]  # fmt: skip
    if left:
        like = {n: f"   # looks like {places.near[n]}?" if n in places.near else "" for n in left}
        lines += [
            "# Columns of the extract that are not used:",
            *(f"#   {said}{like[n]}" for n, said in left.items()),
            "",
        ]
    text = "\n".join(lines).rstrip() + "\n"
    parse_map(tomllib.loads(text), schema.columns)  # what is proposed can be read
    return Proposal(text, dict(there), [*left.values()], lacking, draft.questions)


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
    labels = {w for o, ws in called()["labels"].get(column.name, {}).items() for w in (o, *ws)}
    labels |= set(column.label_codes())
    nought = {"none", "nil"} if column.type in ("int", "float") else set()  # of what is counted: nought, or no record?
    return [w for t in held.texts if (w := folded(t)) in called()["words"]["nulls"] and w not in labels | nought]


def _strange(held: Held, kind: str, how: Spelling) -> dict[str, int]:
    return {t: n for t, n in held.texts.items() if isinstance(value(t, kind, how), Unreadable)}


def _flags(column: Column, held: Held, draft: _Draft) -> None:
    strange = _strange(held, "bool", draft.spelling)
    words = called()["words"]
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
    table = {squeezed(w): o for o, ws in called()["labels"].get(column.name, {}).items() for w in ws}
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
    for form in called()["words"]["dates"]:
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


def _numbers(column: Column, held: Held, draft: _Draft) -> None:
    unit = called()["units"].get(column.name)
    why = _in_unit(unit, held, column, draft) if unit else ""
    strange = _strange(held, "percent" if why else column.cells, draft.spelling)
    for text, count in sorted(strange.items(), key=lambda x: -x[1]):
        if (found := _BEYOND.fullmatch(text)) and count >= LEAST_SHOWN:
            sign, limit = found.group(1), float(found.group(2))
            ours = limit + (1 if sign == ">" else -1 if sign == "<" else 0)
            line = f"{_quoted(text)} = {max(ours, 0):g}   # {count:,} rows; a number beyond the limit"
            draft.values.setdefault(column.name, []).append(line)
            del strange[text]
    if strange:
        draft.ask(column.name, strange, "which number?")
    if unit and why:
        parts = [f"{key} = {unit[key]}" for key in ("multiply", "add", "round") if key in unit]
        factor = f"{{ {', '.join(parts)} }}" if len(parts) > 1 else f"{unit['multiply']}"
        draft.units.append(f"{column.name} = {factor}   # from {unit['called']}: {why}")
    if unit and (mixed := _mixed(unit, held, column, draft)):
        draft.questions += 1
        draft.units.append(f"# {column.name}: {mixed} Which rows are in which unit? A map converts all or none.")


def _mixed(unit: Mapping[str, Any], held: Held, column: Column, draft: _Draft) -> str:
    """That a column holds numbers in two units, where one limit tells them apart; nothing if it does not."""
    numbers = held.readable(draft.spelling)
    low, high = column.bounds
    if "under" not in unit or not len(numbers):
        return ""
    other, ours = (numbers < unit["under"]).mean(), ((numbers >= max(low, unit["under"])) & (numbers <= high)).mean()
    if min(other, ours) < _MIXED:
        return ""
    return f"{other:.0%} of the numbers look like {unit['called']}, {ours:.0%} like {column.unit}."


def _in_unit(unit: Mapping[str, Any], held: Held, column: Column, draft: _Draft) -> str:
    """Why the numbers of a column are in another unit than ours; nothing if they are not."""
    median = held.median(draft.spelling)
    if median is None:
        return ""
    if "under" in unit or "over" in unit:
        low = median < unit.get("under", -math.inf)
        if low or median > unit.get("over", math.inf):
            return f"half of them are {'under' if low else 'over'} {median:.4g}"
        return ""
    return "as its name says" if says_unit(column, held.name) else ""


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
