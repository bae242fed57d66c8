"""Generated tables and packs, and what engine and reference must agree on.

A generated table is kept twice: as the values it means (what the reference is given) and as Arrow columns in any of the
accepted physical types (what the engine is given), so that the reading of types is tested along with the rules.
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from popstrat.compiler import OPTIMISED, PLAIN, Options
from popstrat.compiler.options import NAMES
from popstrat.engine import levels
from popstrat.lang import nodes as n
from popstrat.packs.alike import alike
from popstrat.packs.evaluator import Reference
from popstrat.packs.files import Source
from popstrat.packs.kinds.registry import KINDS
from popstrat.packs.model.terms import term_texts
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import Column, Schema, column_from_toml, patient_schema
from popstrat.packs.resolved import Resolved
from popstrat.packs.tables import PackTables
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.columns import plainly
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

SEEN = {"examples": 0, "rows": 0, "values": 0, "like another": 0, "lookups": 0, "required inputs": 0}
Draw = Callable[[st.SearchStrategy[Any]], Any]

AS_OF = st.one_of(
    st.sampled_from(
        ["2026-06-30", "2026-07-01", "2028-02-29", "2025-02-28", "2024-02-29", "2025-03-31", "2100-02-28", "2100-03-01",
         "2021-01-01", "2000-02-29", "1972-02-29", "1950-12-31", "1901-03-01", "1899-12-31", "2199-12-31"]
    ).map(dt.date.fromisoformat),
    st.dates(dt.date(1850, 1, 1), dt.date(2200, 12, 31)),
)  # fmt: skip


# -- tables ----------------------------------------------------------------------------------------------------------


@dataclass
class Table:
    """Columns as Arrow arrays, the rows they mean, and which columns are 32-bit floats."""

    batch: pa.RecordBatch
    rows: list[dict[str, Any]]
    singles: set[str]
    types: dict[str, str] = field(default_factory=dict)


NUMBER_TYPES = (
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64",
    "decimal", "decimal5", "string", "large_string", "string_view", "dictionary text", "bool", "null",
)  # fmt: skip
FLAG_TYPES = ("bool", "bool", "bool", "int8", "uint8", "int64", "float32", "float64", "decimal", "string",
              "large_string", "string_view", "dictionary text", "null")  # fmt: skip
TEXT_TYPES = ("string", "large_string", "string_view")
INDEX_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
CATEGORY_TYPES = (*TEXT_TYPES, *(f"dictionary {i}" for i in INDEX_TYPES), "dictionary large", "null")
DATE_TYPES = ("date32", "date32", "date64", "timestamp s", "timestamp ms", "timestamp us", "timestamp ns",
              "timestamp tz", *TEXT_TYPES, "dictionary text", "null")  # fmt: skip


def thresholds(resolved: Resolved) -> list[float]:
    """The numbers that a pack's rules compare with."""
    found = {
        float(node.value)
        for definition in resolved.definitions.values()
        for node in definition.node.walk()
        if isinstance(node, n.Const) and isinstance(node.value, int | float) and not isinstance(node.value, bool)
    }
    return sorted(x for x in found if abs(x) < 1e9) or [0.0]


def tables(
    draw: Draw, resolved: Resolved, columns: Sequence[str] = (), least: int = 0, most: int = 90, canonical: bool = False
) -> Table:
    """A table for a pack: any subset of the optional columns (of `columns`, if given), in any physical types."""
    size = max(least, draw(st.sampled_from([0, 1, 2, 7, 8, 63, 64, 65, most]) | st.integers(0, most)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    share = draw(st.sampled_from([0.3, 0.7, 1.0]))
    nulls = draw(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    wild = draw(st.sampled_from([0.0, 0.1, 0.4]))
    return table_of(rng, resolved, size, share, nulls, wild, columns, canonical)


def table_of(
    rng: np.random.Generator,
    resolved: Resolved,
    size: int,
    share: float,
    nulls: float,
    wild: float,
    columns: Sequence[str] = (),
    canonical: bool = False,
) -> Table:
    """As `tables`: so many rows, this share of the columns, of the values null, of the others odd."""
    schema = resolved.pack.schema
    pool = [c for c in schema if not columns or c.name in columns]
    names = {c.name for c in pool if c.required or rng.random() < share} | {"patient_id", "practice_code", "sex"}
    if not names & {"date_of_birth", "age"}:
        names.add(str(rng.choice(["date_of_birth", "age"])))
    special = thresholds(resolved)
    arrays: dict[str, pa.Array] = {}
    meant: dict[str, list[Any]] = {}
    types: dict[str, str] = {}
    order = [c for c in schema if c.name in names]
    for column in order:
        if column.type in ("id", "string"):
            arrays[column.name] = keys(column.name, size, rng)
            meant[column.name] = arrays[column.name].to_pylist()
            continue
        null = rng.random(size) < nulls
        if column.type == "bool":
            kind = str(rng.choice(FLAG_TYPES))
            values = flags(kind, size, null, wild, rng)
        elif column.type == "category":
            kind = str(rng.choice(CATEGORY_TYPES))
            values = labels(column, kind, size, null, wild, rng)
        elif column.type == "date":
            kind = str(rng.choice(DATE_TYPES))
            values = dates(column, kind, size, null, wild, resolved.as_of, meant.get("date_of_birth"), rng)
        else:
            kind = str(rng.choice(NUMBER_TYPES))
            values = numbers(column, kind, size, null, wild, special, rng)
        if canonical:
            kind = {"bool": "bool", "date": "date32", "category": "dictionary int8"}.get(column.type, str(column.dtype))
            kind = {"float": "float32", "double": "float64"}.get(kind, kind)
        types[column.name] = kind
        arrays[column.name], meant[column.name] = physical(column, kind, values, rng)
    shuffled = list(arrays)
    rng.shuffle(shuffled)
    batch = pa.RecordBatch.from_arrays([arrays[c] for c in shuffled], names=shuffled)
    batch = padded(batch, rng)
    rows = [{name: meant[name][i] for name in arrays} for i in range(size)]
    singles = {c for c, kind in types.items() if kind in ("float32", "float16")}
    return Table(batch, rows, singles, types)


def take(batch: pa.RecordBatch, places: Any) -> pa.RecordBatch:
    """The rows at these places; Arrow itself cannot for string views."""
    arrays = []
    for array in batch.columns:
        view = pa.types.is_string_view(array.type)
        taken = (array.cast(pa.large_string()) if view else array).take(pa.array(places))
        arrays.append(taken.cast(array.type) if view else taken)
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def padded(batch: pa.RecordBatch, rng: np.random.Generator) -> pa.RecordBatch:
    """The same rows as a slice of a longer batch, at an odd offset."""
    before, after = (int(rng.choice([0, 0, 1, 3, 8, 63, 65])) for _ in range(2))
    if not batch.num_rows or not before + after:
        return batch
    wide = take(batch, np.arange(-before, batch.num_rows + after) % batch.num_rows)
    return wide.slice(before, batch.num_rows)


def keys(name: str, size: int, rng: np.random.Generator) -> pa.Array:
    if name == "patient_id":
        ids = rng.permutation(size) + 1000
        return pa.array(ids) if rng.random() < 0.5 else pa.array([f"p{i}" for i in ids], pa.string())
    codes = pa.array([f"Y{i % 5:05}" for i in range(size)], pa.string())
    return codes if rng.random() < 0.5 else codes.dictionary_encode()


def numbers(
    column: Column, kind: str, size: int, null: Any, wild: float, special: Sequence[float], rng: np.random.Generator
) -> list[float | None]:
    """Values in and out of range, at the bounds, at the thresholds of the rules and one step beside them."""
    low = -50.0 if column.minimum is None else float(column.minimum)
    high = 200.0 if column.maximum is None else float(column.maximum)
    if high - low > 3000:
        high = low + float(rng.choice([4, 100, high - low]))
    inside = [x for x in special if low <= x <= high] or [low]
    step = 1.0 if kind.startswith(("int", "uint")) else float(rng.choice([1.0, 0.5, 0.01, 1e-7]))
    out: list[float | None] = []
    for i in range(size):
        if null[i]:
            out.append(None)
        elif rng.random() < wild:
            out.append(float(rng.choice(
                [low - step, high + step, -1.0, 0.0, 1e6, -1e6, 130.0, 255.0, 70000.0, math.nan, math.inf, -math.inf]
            )))  # fmt: skip
        elif rng.random() < 0.5:
            out.append(float(rng.choice([*inside, low, high])) + step * float(rng.choice([-1, 0, 0, 1])))
        else:
            out.append(float(rng.uniform(low, high)))
    return out


def flags(kind: str, size: int, null: Any, wild: float, rng: np.random.Generator) -> list[Any]:
    real = kind.startswith("float")
    return [
        None if null[i] else math.nan if real and rng.random() < wild else bool(rng.random() < 0.4) for i in range(size)
    ]


def odd_flag(kind: str, rng: np.random.Generator) -> float:
    """A number that a flag of this type may hold and that says neither true nor false."""
    choices = [2.0, 3.0, 100.0]
    choices += [] if kind.startswith("uint") else [-1.0]
    choices += [0.5, -0.5] if not kind.startswith(("int", "uint")) else []
    choices += [math.inf, -math.inf, 1e-7] if kind in ("float32", "float64") else []
    return float(rng.choice(choices))


def labels(column: Column, kind: str, size: int, null: Any, wild: float, rng: np.random.Generator) -> list[str | None]:
    """Labels and their aliases in any case, with spaces around, and words that are no label."""
    known = [*column.labels, *column.aliases]
    out: list[str | None] = []
    for i in range(size):
        if null[i]:
            out.append(None)
            continue
        word = str(rng.choice(known))
        if rng.random() < wild:
            word = str(rng.choice(["weird", "", " ", "fit severe", word + "x", word[:-1], "x" * 40, "é", "?"]))
        elif rng.random() < 0.3:
            word = str(rng.choice([word.upper(), word.lower(), word.capitalize(), f" {word} ", word.swapcase()]))
        out.append(word)
    return out


def dates(
    column: Column, kind: str, size: int, null: Any, wild: float, as_of: dt.date, births: Any, rng: np.random.Generator
) -> list[dt.date | None]:
    """Dates at the edges of windows, birthdays, births and the calendar; anywhere else now and then."""
    out: list[dt.date | None] = []
    ages = [0, 1, 16, 17, 18, 64, 65, 74, 75, 78, 80, 85, 87, 119, 120, 121]
    for i in range(size):
        if null[i]:
            out.append(None)
            continue
        if rng.random() < wild:
            edge = rng.choice([0, 1, 2, 3])
            date = [as_of + dt.timedelta(days=int(rng.integers(1, 400))), dt.date(1899, 12, 31), dt.date(1900, 1, 1),
                    dt.date(2150, 5, 5)][edge]  # fmt: skip
        elif column.name == "date_of_birth":
            if rng.random() < 0.5:
                year = max(1, as_of.year - int(rng.choice(ages)))
                date = dt.date(year, as_of.month, min(as_of.day, 28)) + dt.timedelta(
                    days=int(rng.choice([-1, 0, 1, 2]))
                )
            else:
                date = as_of - dt.timedelta(days=int(rng.integers(0, 45000)))
        elif rng.random() < 0.6:
            months = int(rng.choice([0, 1, 3, 6, 12, 12, 24, 24, 120]))
            index = as_of.year * 12 + as_of.month - 1 - months
            date = dt.date(max(1, index // 12), index % 12 + 1, min(as_of.day, 28))
            date += dt.timedelta(days=int(rng.choice([-91, -90, -89, -1, 0, 0, 1, 2, 3])))
        elif births is not None and births[i] is not None and rng.random() < 0.5:
            date = births[i] + dt.timedelta(days=int(rng.choice([-1, 0, 1])))
        else:
            date = as_of - dt.timedelta(days=int(rng.integers(-5, 1500)))
        if kind in ("timestamp ns",):  # hold no more than 1678 to 2261
            date = min(max(date, dt.date(1700, 1, 1)), dt.date(2250, 1, 1))
        out.append(date)
    return out


def physical(column: Column, kind: str, values: Sequence[Any], rng: np.random.Generator) -> tuple[pa.Array, list[Any]]:
    """(the values as an array of the physical type, the values as that type holds them)."""
    if kind == "null":
        return pa.nulls(len(values)), [None] * len(values)
    if column.type == "category":
        return category_array(kind, list(values), rng)
    if column.type == "date":
        return date_array(kind, list(values), rng)
    if kind in TEXT_TYPES or kind == "dictionary text":
        return text_array(kind, list(values), rng)
    if kind == "bool":
        held = [None if v is None else bool(math.isfinite(v) and v > 0) for v in values]
        return pa.array(held, pa.bool_()), held if column.type == "bool" else [
            None if h is None else int(h) for h in held
        ]
    if kind.startswith("decimal"):
        scale = 5 if kind == "decimal5" else 3
        quantum = Decimal(1).scaleb(-scale)
        held_d = [
            None if v is None or not math.isfinite(v) else Decimal(repr(float(v))).quantize(quantum) for v in values
        ]
        return pa.array(held_d, pa.decimal128(30, scale)), [None if h is None else float(h) for h in held_d]
    if kind.startswith(("int", "uint")):
        info = np.iinfo(kind)
        whole = [
            None
            if v is None or (isinstance(v, float) and math.isnan(v))
            else int(min(max(v, info.min), min(info.max, 2**53)))
            for v in (values if column.type == "bool" else [None if v is None else round_finite(v) for v in values])
        ]
        return pa.array(whole, getattr(pa, kind)()), whole
    dtype = {"float16": np.float16, "float32": np.float32, "float64": np.float64}[kind]
    with np.errstate(over="ignore"):
        floats = [None if v is None else dtype(v) for v in values]
    array = pa.array(
        np.array([0 if f is None else f for f in floats], dtype), mask=np.array([f is None for f in floats], bool)
    )
    return array, [None if f is None else float(f) for f in floats]


def round_finite(v: float) -> float:
    return v if math.isnan(v) or math.isinf(v) else float(round(v))


def text_array(kind: str, values: list[Any], rng: np.random.Generator) -> tuple[pa.Array, list[Any]]:
    """Numbers or flags as text: with spaces around, in any case, empty for null."""
    words: list[str | None] = []
    held: list[Any] = []
    for v in values:
        if v is None or (isinstance(v, float) and not math.isfinite(v)):
            words.append([None, "", "  "][int(rng.integers(3))])
            held.append(None)
        elif isinstance(v, bool):
            spelt = {
                True: ["true", "TRUE", "True", "1", "yes", " true"],
                False: ["false", "False", "0", "no", "FALSE "],
            }
            words.append(str(rng.choice(spelt[v])))
            held.append(v)
        else:
            text = repr(float(v)) if rng.random() < 0.7 or v != int(v) else str(int(v))
            words.append(f" {text}" if rng.random() < 0.1 else text)
            held.append(float(v))
    return as_text(kind, words), held


def as_text(kind: str, words: Sequence[str | None]) -> pa.Array:
    if kind == "dictionary text":
        return pa.array(words, pa.string()).dictionary_encode()
    return pa.array(
        words, {"string": pa.string(), "large_string": pa.large_string(), "string_view": pa.string_view()}[kind]
    )


def category_array(kind: str, values: list[str | None], rng: np.random.Generator) -> tuple[pa.Array, list[str | None]]:
    """Labels as text, or as a dictionary: shuffled, with repeated, unused and null entries."""
    if kind in TEXT_TYPES:
        return as_text(kind, values), values
    index = "int32" if kind == "dictionary large" else kind.split()[1]
    entries: list[str | None] = [*dict.fromkeys(v for v in values if v is not None), "unused", None]
    repeated = [*entries, *entries[: int(rng.integers(0, 3))]]
    rng.shuffle(repeated)
    places: dict[str | None, list[int]] = {}
    for i, entry in enumerate(repeated):
        places.setdefault(entry, []).append(i)
    codes = [None if v is None and rng.random() < 0.5 else int(rng.choice(places[v])) for v in values]
    text = pa.large_string() if kind == "dictionary large" else pa.string()
    array = pa.DictionaryArray.from_arrays(pa.array(codes, getattr(pa, index)()), pa.array(repeated, text))
    return array, values


def date_array(kind: str, values: list[dt.date | None], rng: np.random.Generator) -> tuple[pa.Array, list[Any]]:
    if kind == "date32":
        return pa.array(values, pa.date32()), values
    if kind == "date64":
        return pa.array(values, pa.date64()), values
    if kind.startswith("timestamp"):
        hour = [0, 12, 23][int(rng.integers(3))] if kind != "timestamp tz" else 0
        moments = [None if v is None else dt.datetime(v.year, v.month, v.day, hour, 59 * (hour > 0)) for v in values]
        if kind == "timestamp tz":
            return pa.array(moments, pa.timestamp("us", tz="UTC")), values
        return pa.array(moments, pa.timestamp(kind.split()[1])), values
    words = [("" if rng.random() < 0.3 else None) if v is None else v.isoformat() for v in values]
    return as_text(kind, words), values


# -- comparing -------------------------------------------------------------------------------------------------------


def bits(array: pa.Array) -> Any:
    """An array's answers to the last bit, nulls as None."""
    if pa.types.is_floating(array.type):
        return [None if v is None else float(v).hex() for v in array.to_pylist()]
    return array.to_pylist()


def score_at(bound: BoundScorer, batch: pa.RecordBatch, level: str) -> pa.RecordBatch:
    """As `BoundScorer.score`, on one instruction set."""
    batch = plainly(batch, bound._made_plain, bound.schema)
    frame, made = bound._frame(batch)
    counters = frame.run(0, batch.num_rows, level)
    return bound.wrap(batch, made, counters.tolist())


def compare(scorer: Scorer, table: Table, passed_on: Sequence[str] = ()) -> tuple[pa.RecordBatch, Tally]:
    """Demand that engine and reference agree on every output of every row, and on what was counted. Columns that are
    only `passed_on` need not be sound."""
    bound = scorer.bind(table.batch.schema)
    scored, tally = bound.score(table.batch)
    scored.drop_columns([c for c in passed_on if c in scored.schema.names]).validate(full=True)
    assert scored.schema.equals(bound.output_schema)
    assert scored.num_rows == len(table.rows)
    reference = Reference(scorer.resolved, set(table.batch.schema.names), table.singles)
    outputs = scorer.resolved.outputs
    rounded = {str(d.output): KINDS[d.kind].places(d.raw) for d in outputs if d.parent is None}
    places = {name: found for name, found in rounded.items() if found is not None}
    wanted = []
    quality: dict[str, dict[str, int]] = {}
    newest: dt.date | None = None
    disorder: dict[str, dict[str, int]] = {}
    ordered = {c.name: c.below for c in scorer.pack.schema if c.below and {c.name, c.below} <= reference.used}
    for row in table.rows:
        wanted.append(reference.score(row))
        patient = reference.patient(row)
        for column, reason in patient.set_aside:
            if column in reference.used:
                quality.setdefault(column, {}).setdefault(reason, 0)
                quality[column][reason] += 1
        for name, above in ordered.items():
            low, high = patient.values.get(name), patient.values.get(above)
            if isinstance(low, int | float) and isinstance(high, int | float):
                counts = disorder.setdefault(name, {"both": 0, "not_below": 0})
                counts["both"] += 1
                counts["not_below"] += low >= high
        for column in scorer.pack.schema:
            value = patient.values.get(column.name)
            if column.type == "date" and column.name != "date_of_birth" and column.name in reference.used and value:
                newest = value if newest is None or value > newest else newest
    got = scored.drop_columns([c for c in passed_on if c in scored.schema.names]).to_pylist()
    for row, have, want in zip(table.rows, got, wanted, strict=True):
        # a risk that rounds the other way may put its band the other side of a cut-off
        rounded_apart = any(have[name] != want[name] and same(have[name], want[name], places[name]) for name in places)
        for name, value in want.items():
            assert same(have[name], value, places.get(name)) or (rounded_apart and not isinstance(value, float)), (
                f"{name}: engine {have[name]!r}, reference {value!r}, of {relevant(row)}"
            )
    assert tally.quality == quality
    assert {name: counts for name, counts in tally.disorder.items() if counts["both"]} == disorder
    assert tally.newest_date == newest
    assert (tally.rows_in, tally.rows_out) == (len(table.rows),) * 2
    for definition in outputs:
        name = str(definition.output)
        column = scored.column(name).to_pylist()
        if name in tally.groups:
            found = {label: column.count(True if label == "true" else label) for label in tally.groups[name]}
            assert found == tally.groups[name], name
        else:
            assert tally.counts[name] == len(column) - column.count(None), name
            total = math.fsum(v for v in column if v is not None)
            assert math.isclose(tally.sums[name], total, rel_tol=1e-9, abs_tol=1e-9), name
    SEEN["examples"] += 1
    SEEN["rows"] += len(table.rows)
    SEEN["values"] += len(table.rows) * (len(outputs) + 1)
    return scored, tally


def plain(scorer: Scorer, table: Table, scored: pa.RecordBatch, tally: Tally) -> None:
    """The same bits and counts with every optional pass of the compiler left out, on every instruction set."""
    bound = _same_with(PLAIN, scorer, table, scored, tally)
    exact = [bits(c) for c in scored.columns]
    for level in levels():
        assert [bits(c) for c in score_at(bound, table.batch, level).columns] == exact, level
    checked = [BoundScorer(scorer, table.batch.schema, check_only=True, options=o) for o in (OPTIMISED, PLAIN)]
    one, other = (bound.score(table.batch)[1] for bound in checked)
    assert one == other


def fewer_passes(scorer: Scorer, table: Table, some: Collection[str]) -> None:
    """The same bits and counts with each optional pass of the compiler left out in turn, and with `some` of them."""
    scored, tally = scorer.bind(table.batch.schema).score(table.batch)
    for left_out in [*([name] for name in NAMES), some]:
        _same_with(OPTIMISED.without(*left_out), scorer, table, scored, tally)


def _same_with(options: Options, scorer: Scorer, table: Table, scored: pa.RecordBatch, tally: Tally) -> BoundScorer:
    bound = BoundScorer(scorer, table.batch.schema, options=options)
    again, counted = bound.score(table.batch)
    assert again.schema.names == scored.schema.names
    assert [bits(c) for c in again.columns] == [bits(c) for c in scored.columns], options
    assert counted == tally, options
    return bound


def same(have: Any, want: Any, places: int | None) -> bool:
    if isinstance(want, float) and isinstance(have, float):
        if places is not None and abs(have - want) <= 1.01 * 10.0**-places:
            return True
        return have == want or math.isclose(have, want, rel_tol=1e-9)
    return type(have) is type(want) and have == want


def relevant(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if v is not None}


def invariances(scorer: Scorer, table: Table, scored: pa.RecordBatch, rng: np.random.Generator) -> None:
    """The same bits on every instruction set, in any slice, in any order, and wherever in a block a row stands."""
    bound = scorer.bind(table.batch.schema)
    batch, rows = table.batch, table.batch.num_rows
    exact = [bits(c) for c in scored.columns]
    for level in levels():
        assert [bits(c) for c in score_at(bound, batch, level).columns] == exact, level
    if not rows:
        return
    start = int(rng.integers(0, rows))
    length = int(rng.integers(0, rows - start + 1))
    part = bound.score(batch.slice(start, length))[0]
    assert [bits(c) for c in part.columns] == [column[start : start + length] for column in exact]
    order = rng.permutation(rows)
    mixed = bound.score(take(batch, order))[0]
    assert [bits(c) for c in mixed.columns] == [[column[i] for i in order] for column in exact]


# -- packs -----------------------------------------------------------------------------------------------------------

COLUMNS = {
    "bool": ["hypertension", "diabetes", "ckd", "smi", "statin", "pregnant", "local_flag"],
    "number": ["age", "systolic_bp", "hba1c", "efi", "cfs", "imd_decile", "emergency_admissions_12m", "local_number",
               "local_count", "local_bounded"],
    "date": ["date_of_birth", "bp_date", "hba1c_date", "phq9_date", "local_date"],
    "category": ["sex", "frailty", "bp_setting", "smoking", "ethnicity", "local_label"],
}  # fmt: skip
LOCAL = [
    {"name": "local_flag", "type": "bool"},
    {"name": "local_number", "type": "float"},
    {"name": "local_count", "type": "int", "min": 0},
    {"name": "local_bounded", "type": "float", "min": 0.5, "max": 2.25},
    {"name": "local_date", "type": "date", "dates": ["local_number"]},
    {"name": "local_label", "type": "category", "labels": ["Low", "MIDDLE", "high up"], "aliases": {"L": "Low"}},
]
WINDOWS = {"recent": {"months": 12}, "lately": {"months": 1}}
PARAMETERS: dict[str, Any] = {
    "cut": {"value": 58}, "share": {"value": 0.36}, "choice": {"value": True}, "day": {"value": dt.date(2020, 2, 29)},
}  # fmt: skip
SETS = {"some": {"members": ["hypertension", "diabetes", "ckd"]}, "all_flags": {"members": COLUMNS["bool"]}}
LOOKUPS: dict[str, dict[str, Any]] = {
    "of_frailty": {"values": {"fit": 0, "mild": 0.12, "moderate": 0.36, "severe": 65}},
    "of_smoking": {"values": {"current": 140, "never": -1.5}, "otherwise": 2},
    "of_setting": {"values": {"home": 58, "clinic": 2.5}, "null_is": 10},
    "of_sex": {"values": {"female": 0.0}, "otherwise": 1, "null_is": 7},
    "of_label": {"values": {"Low": 1e-9, "MIDDLE": 1e9, "high up": -3}, "null_is": 0},
}
NUMBER_LOOKUPS: dict[str, dict[str, Any]] = {
    "of_points": {"values": {"0": 0.2, "1": 0.6, "2": 2.2, "3": 2.2, "18": -7}, "otherwise": 12},
    "of_count": {"values": {"0": 5, "1": 1, "-1": 2.5, "58": 3}},
    "of_either": {"values": {"1": 1, "2": 1, "65": 0}, "otherwise": -1, "null_is": 4},
}
LOOKED_UP = {"of_frailty": "frailty", "of_smoking": "smoking", "of_setting": "bp_setting", "of_sex": "sex",
             "of_label": "local_label"}  # fmt: skip
HEAD = {"title": "t", "version": "1", "source": "s"}


def local_schema() -> Schema:
    return patient_schema().extended(column_from_toml(c) for c in LOCAL)


@dataclass
class Words:
    """The words that an expression may use, by kind; `inexact` numbers go through exp, ln or powers."""

    known: dict[str, list[str]]
    inexact: set[str] = field(default_factory=set)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)


CONSTANTS = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "3",
        "0.36",
        "0.12",
        "0.5",
        "10",
        "18",
        "58",
        "65",
        "80",
        "140",
        "-1",
        "2.5",
        "1e-9",
        "100000",
        "1e9",
    ]
)


def expression(draw: Draw, kind: str, words: Words, depth: int) -> str:
    """Text of a random well-typed expression."""
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    sub = lambda k, d=1: expression(draw, k, words, depth - d)  # noqa: E731
    names = words.known[kind]
    if kind == "bool":
        if depth <= 0:
            return pick(*names, "true", "false") if draw(st.integers(0, 9)) else "null"
        match draw(st.integers(0, 19)):
            case 0 | 1:
                return pick(*names)
            case 2 | 3:
                return f"not ({sub('bool')})" if draw(st.booleans()) else f"not {pick(*names)}"
            case 4 | 5:
                return " and ".join(f"({sub('bool')})" for _ in range(draw(st.integers(2, 4))))
            case 6 | 7:
                return " or ".join(f"({sub('bool')})" for _ in range(draw(st.integers(2, 4))))
            case 8 | 9 | 10:
                return f"{sub('number')} {pick('<', '<=', '>', '>=', '==', '!=')} {sub('number')}"
            case 11:
                low, high, item = draw(CONSTANTS), draw(CONSTANTS), pick(*words.known["number"])
                return f"{low} {pick('<', '<=')} {item} {pick('<', '<=')} {high}"
            case 12:
                return f"{sub('date')} {pick('<', '<=', '>', '>=', '==', '!=')} {sub('date')}"
            case 13:
                window = pick("recent({})", "lately({})", "within({}, 24)", "within({}, 0)")
                return str(window).format(pick(*COLUMNS["date"]))
            case 14 | 15:
                item = pick(*words.known["category"])
                some = draw(st.lists(st.sampled_from(words.labels[item]), min_size=1, max_size=3, unique=True))
                if len(some) == 1:
                    return f'{item} {pick("==", "!=")} "{some[0]}"'
                return f"{item} {pick('in', 'not in')} {{{', '.join(chr(34) + s + chr(34) for s in some)}}}"
            case 16:
                which = pick("number", "date", "category")
                return f"({sub(which)}) {pick('is null', 'is not null')}"
            case 17:
                some = draw(st.lists(CONSTANTS, min_size=1, max_size=3))
                return f"{pick(*words.known['number'])} {pick('in', 'not in')} {{{', '.join(some)}}}"
            case 18:
                return f"{pick('any', 'all')}({pick('some', 'all_flags', 'some, ' + pick(*names))})"
            case _:
                return f"(({sub('bool')}) if ({sub('bool')}) else ({sub('bool')}))"
    if kind == "number":
        if depth <= 0:
            return pick(*names) if draw(st.integers(0, 2)) else draw(CONSTANTS)
        match draw(st.integers(0, 17)):
            case 0 | 2:
                return pick(*names)
            case 1 | 15 | 16:
                return looked_up(draw, words, depth)
            case 3:
                return f"({sub('number')}) {pick('+', '-', '*', '/')} ({sub('number')})"
            case 4:
                return f"({pick(*names)} {pick('+', '-', '*', '/')} {draw(CONSTANTS)})"
            case 5:
                return f"({draw(CONSTANTS)} {pick('+', '-', '*', '/')} {pick(*names)})"
            case 6:
                return f"-({sub('number')})"
            case 7:
                return f"{pick('abs', 'sqrt', 'floor')}({sub('number')})"
            case 8:
                return f"{pick('min', 'max')}({', '.join(sub('number') for _ in range(draw(st.integers(2, 3))))})"
            case 9:
                return f"coalesce({sub('number')}, {sub('number')})"
            case 10:
                return f"clip({sub('number')}, {pick('0', '-1', '18')}, {pick('1', '60', '140.5')})"
            case 11:
                return f"({sub('date')} - {sub('date')})"
            case 12:
                return f"count({pick('some', 'all_flags', '(' + sub('bool') + '), ' + pick(*words.known['bool']))})"
            case 13:
                return f"(({sub('number')}) if ({sub('bool')}) else ({pick(sub('number'), 'null')}))"
            case 14:
                return f"round({sub('number')}, {pick('0', '1', '3')})"
            case _:
                return f"({sub('number')}) ** {pick('2', '3', '1', '0', '-1', '-2', '0.5')}"
    if kind == "date":
        if depth <= 0 or draw(st.booleans()):
            return pick(*names, "as_of", 'date("2019-02-28")', "months_before(12)", "day")
        if draw(st.booleans()):
            return f"coalesce({sub('date')}, {sub('date')})"
        return f"({sub('date')} if ({sub('bool')}) else {pick(sub('date'), 'null')})"
    if depth <= 0 or draw(st.booleans()):
        return pick(*names)
    if draw(st.booleans()):
        first = pick(*names)
        return f"coalesce({first}, {pick(*names, chr(34) + pick(*words.labels[first]) + chr(34))})"
    return f"({sub('category')} if ({sub('bool')}) else {pick(sub('category'), 'null')})"


def looked_up(draw: Draw, words: Words, depth: int) -> str:
    """The number that a lookup has for a label, for one of two labels, for a constant or for null."""
    name = draw(st.sampled_from([*LOOKUPS, *NUMBER_LOOKUPS]))
    if name in NUMBER_LOOKUPS:
        return f"{name}({expression(draw, 'number', words, min(depth, 2) - 1)})"
    column = LOOKED_UP[name]
    label = draw(st.sampled_from(words.labels[column]))
    condition = expression(draw, "bool", words, min(depth, 1) - 1)
    shape = draw(st.sampled_from(
        ["{name}({column})", "{name}({column})", "{name}({column} if ({condition}) else null)",
         '{name}(coalesce({column}, "{label}"))', '{name}({column} if ({condition}) else "{label}")',
         '{name}("{label}")', "{name}(null)"]
    ))  # fmt: skip
    return str(shape).format(name=name, column=column, label=label, condition=condition)


def inexact(draw: Draw, words: Words, depth: int) -> str:
    """A number through exp, ln or a power: compared only within a tolerance."""
    inner = expression(draw, "number", words, depth)
    return str(draw(st.sampled_from(
        ["exp(({}) / 50)", "ln(abs({}) + 0.5)", "(abs({}) + 0.25) ** 1.5", "(abs({}) + 0.25) ** -0.7", "ln({})",
         "exp({})", "(abs({}) / 100 + 0.1) ** (hba1c / 50)", "1 / (1 + exp(-({}) / 40))", "({}) ** 9", "({}) ** cfs"]
    ))).format(inner)  # fmt: skip


ANY = ("expression", "expression", "expression", "count", "first_match", "first_match", "status", "tree", "model",
       "inexact", "example", "like", "like")  # fmt: skip


def packs(draw: Draw, kinds: Sequence[str] = ANY) -> Pack:
    """A pack of random well-typed definitions that use one another: of the kinds drawn here, and the example that each
    kind gives of itself, so that a new kind is among them. ``like`` stands for one like a definition before it."""
    schema = local_schema()
    words = Words(
        {k: [*v] for k, v in COLUMNS.items()},
        labels={c.name: c.labels for c in schema if c.type == "category"},
    )
    words.known["number"] += ["cut", "share"]
    words.known["bool"].append("choice")
    definitions: dict[str, Any] = {}
    sorts: dict[str, str] = {}
    for i in range(draw(st.integers(1, 7))):
        ident = f"d{i}"
        kind = draw(st.sampled_from([kind for kind in kinds if definitions or kind != "like"]))
        depth = draw(st.integers(0, 3))
        body: dict[str, Any] = {**HEAD, "kind": kind, "output": True}
        if draw(st.integers(0, 3)) == 0:
            body["eligible"] = expression(draw, "bool", words, 1)
        sort = "number"
        match kind:
            case "like":
                other = draw(st.sampled_from(sorted(definitions)))
                body = like(draw, other, definitions, words, f"missing_{i}")
                sort = sorts[other]
                if sort == "date":
                    body["output"] = False
                if other in words.labels:
                    words.labels[ident] = words.labels[other]
                if other in words.inexact:
                    words.inexact.add(ident)
                if other in words.known.get(sort, ()):
                    words.known[sort].append(ident)
            case "expression":
                sort = draw(st.sampled_from(["bool", "bool", "number", "number", "category", "date"]))
                body["value"] = expression(draw, sort, words, depth)
                if sort == "number" and draw(st.integers(0, 3)) == 0:
                    body["type"] = draw(st.sampled_from(["int16", "uint8", "int32"]))
                if sort == "date":
                    body["output"] = False
            case "inexact":
                body["kind"] = "expression"
                body["value"] = inexact(draw, words, depth)
                words.inexact.add(ident)
            case "count":
                body["of"] = draw(st.sampled_from(["some", "all_flags"])) if draw(st.booleans()) else [
                    expression(draw, "bool", words, 1) for _ in range(draw(st.integers(1, 5)))
                ]  # fmt: skip
            case "first_match":
                sort = "category"
                found = ["a", "b", "c", "d", "e"][: draw(st.integers(1, 5))]
                body["rules"] = [
                    {"label": draw(st.sampled_from(found)), "when": expression(draw, "bool", words, depth - 1)}
                    for _ in range(draw(st.integers(1, 6)))
                ]
                if draw(st.booleans()):
                    body["otherwise"] = draw(st.sampled_from([*found, "rest"]))
                used = list(
                    dict.fromkeys([*(r["label"] for r in body["rules"]), *filter(None, [body.get("otherwise")])])
                )
                if draw(st.booleans()):
                    body["labels"] = draw(st.permutations(used))
                words.labels[ident] = tuple(body.get("labels", used))
            case "status":
                sort = "category"
                for part in ("diagnosed", "optimised", "undiagnosed"):
                    body[part] = expression(draw, "bool", words, depth - 1)
                words.labels[ident] = ("none", "optimised", "unoptimised", "undiagnosed")
            case "tree":
                body["nodes"] = tree_nodes(draw, words)
            case "example":
                chosen = draw(st.sampled_from([name for name, kind in KINDS.items() if not kind.counted]))
                body |= {**tomllib.loads(KINDS[chosen].example), "kind": chosen, "reference_patients": []}
                if KINDS[chosen].reference_patients:
                    body["draft"] = True
            case _:
                body |= model(draw, words, f"missing_{i}")
                words.inexact.add(ident)
        definitions[ident] = body
        sorts[ident] = sort
        if kind not in ("inexact", "model", "example", "like") and not (kind == "expression" and sort == "category"):
            words.known[sort].append(ident)
        if kind == "expression" and sort == "category":
            words.labels[ident] = ()
    SEEN["like another"] += sum("like" in body for body in definitions.values())
    SEEN["lookups"] += str(definitions).count("of_")
    SEEN["required inputs"] += str(definitions).count("'required': True")
    whole, taken = alike(definitions, PackTables("random", "1", "random", {}, (), schema).error)
    raw = {
        "pack": {"id": "random", "version": "1"}, "parameters": PARAMETERS, "sets": SETS, "windows": WINDOWS,
        "lookups": LOOKUPS | NUMBER_LOOKUPS, "definition": whole, "input": LOCAL,
    }  # fmt: skip
    source = Source("random.toml", "[pack]\n", "random.toml")
    return Pack("random", "1", "random", raw, (source,), schema, taken=taken)


def like(
    draw: Draw, other: str, definitions: Mapping[str, Mapping[str, Any]], words: Words, missing: str
) -> dict[str, Any]:
    """A definition like another one, with some of its parts its own."""
    whole = alike(definitions, PackTables("random", "1", "random", {}, (), local_schema()).error)[0][other]
    body: dict[str, Any] = {"like": other, "title": "l", "version": "2", "output": True}
    if draw(st.integers(0, 2)) == 0 and whole["kind"] != "model":
        body["eligible"] = expression(draw, "bool", words, 1)
    if whole["kind"] != "model":
        return body
    body |= {"draft": True, "missing_output": missing}
    weights = st.sampled_from([0.25, -0.5, 1.125])
    stated = {t.id: t.coefficient for t in term_texts(whole)}
    for ident in draw(st.lists(st.sampled_from(sorted(stated)), max_size=3, unique=True)):
        strata = stated[ident] if isinstance(stated[ident], dict) else None  # which have the term: a product needs them
        body.setdefault("coefficients", {})[ident] = (
            draw(weights) if strata is None else {name: draw(weights) for name in strata}
        )
    for name in draw(st.lists(st.sampled_from(sorted(whole["inputs"])), max_size=2, unique=True) if whole["inputs"]
                     else st.just([])):  # fmt: skip
        number = name in COLUMNS["number"]
        replaced = [{"required": True}, {"default": 3 if number else words.labels.get(name, ("",))[0]}]
        if number or name in words.labels:
            body.setdefault("inputs", {})[name] = draw(st.sampled_from(replaced))
    if draw(st.booleans()):
        body["intercept"] = draw(weights)
    if whole["link"] == "survival":
        later = {"id": "later", "baseline_survival": 0.25, "output": True}
        body |= draw(st.sampled_from([{}, {"baseline_survival": 0.75}, {"horizons": [
            {"id": "now", "baseline_survival": 0.875}, later]}]))  # fmt: skip
    return body


def tree_nodes(draw: Draw, words: Words) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = []

    def grow(depth: int) -> int:
        key = len(nodes) + 1
        node: dict[str, Any] = {"id": key}
        nodes.append(node)
        if depth == 0 or draw(st.integers(0, 3)) == 0:
            node["value"] = draw(st.sampled_from([0, 1, 2.5, 429.0872, -3, 1e6, 17062.27]))
        else:
            node["split"] = expression(draw, "bool", words, 1)
            node["yes"], node["no"] = grow(depth - 1), grow(depth - 1)
        return key

    grow(3)
    return nodes


def model(draw: Draw, words: Words, missing: str) -> dict[str, Any]:
    inputs: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from([c for c in COLUMNS["number"] if c != "age"]), max_size=3, unique=True)):
        inputs[name] = {"default": draw(st.sampled_from([0, 2.5, 40, "60 if local_flag else 20"]))}
        if draw(st.booleans()):
            inputs[name]["clip"] = [0, 150]
    for name in draw(st.lists(st.sampled_from(["frailty", "smoking", "local_label"]), max_size=1)):
        inputs[name] = {"default": words.labels[name][0]}
    for name in inputs:
        if draw(st.integers(0, 2)) == 0:
            del inputs[name]["default"]
            inputs[name]["required"] = True
    flagged = Words(
        {"bool": COLUMNS["bool"], "number": [*(i for i in inputs if i in COLUMNS["number"]), "age"], "date": ["day"],
         "category": [i for i in inputs if i in words.labels] or ["none"]}
    )  # fmt: skip
    terms: list[dict[str, Any]] = []
    weights = st.sampled_from([0.16, -0.7, 0.0417, 1.25, -0.001, 0.0])
    for name in inputs:
        if name in words.labels:
            terms.append({"when": f'{name} == "{words.labels[name][-1]}"'})
            lookup = next(lookup for lookup, column in LOOKED_UP.items() if column == name)
            if draw(st.booleans()):
                terms.append({"value": f"{lookup}({name}) / 100"})
        else:
            shape = draw(st.sampled_from(
                ["{0}", "{0} / 10", "ln(abs({0}) + 1)", "(abs({0}) / 10 + 0.5) ** 0.5", "max({0} - 40, 0) / 10",
                 "{0} * {1}"]
            ))  # fmt: skip
            terms.append({"value": shape.format(name, draw(st.sampled_from(flagged.known["number"])))})
    for _ in range(draw(st.integers(1, 6))):
        flag = draw(st.sampled_from(COLUMNS["bool"]))
        if draw(st.booleans()):
            terms.append({"when": draw(st.sampled_from([flag, f"not {flag}", f"age >= 65 and {flag}", "age < 40"]))})
        else:
            terms.append({"when": f"count(some) >= {draw(st.integers(1, 3))} or {flag}"})
    numbers = [name for name in inputs if name in COLUMNS["number"]]
    strata = draw(st.sampled_from([{}, {}, {"women": 'sex == "female"', "others": 'sex != "female"'},
                                   {"old": "age >= 65", "young": "age < 40 and not ckd"}]))  # fmt: skip

    def number(values: Any = weights) -> Any:
        """A number, or one for each stratum (for coefficients: for some of them)."""
        if strata and draw(st.booleans()):
            return {name: draw(values) for name in strata}
        return draw(values)

    def weight() -> Any:
        found = number()
        if isinstance(found, dict) and draw(st.booleans()):
            found.pop(draw(st.sampled_from(sorted(found))))
        return found

    for k, term in enumerate(terms):
        term |= {"id": f"t{k}", "coefficient": weight() if k else draw(weights)}
        if "value" in term and draw(st.booleans()):
            term["center"] = number(st.sampled_from([0.0, 1.5, -40]))
    body: dict[str, Any] = {}
    if numbers and draw(st.booleans()):
        body["derived"] = {"made": {"value": f"{numbers[0]} / 7 + 1", "center": 0.25}}
        terms.append({"id": "twice", "value": "made * 2", "coefficient": weight()})
    if len(terms) > 1 and draw(st.booleans()):
        factors = draw(st.lists(st.sampled_from([t["id"] for t in terms]), min_size=2, max_size=3))
        named = [t["coefficient"] for t in terms if t["id"] in factors and isinstance(t["coefficient"], dict)]
        both = [name for name in strata if all(name in one for one in named)]  # the strata that have every factor
        if not named:
            terms.append({"id": "product", "product": factors, "coefficient": weight()})
        elif both:
            of_both = {name: draw(weights) for name in both}
            terms.append({"id": "product", "product": factors, "coefficient": of_both})
    if draw(st.booleans()):
        powers = draw(st.lists(st.sampled_from([-2, -1, -0.5, 0, 0.5, 1, 2, 3]), min_size=1, max_size=3))
        terms.append({"id": "powers", "of": "age", "shift": draw(st.sampled_from([0, 1])), "scale": 10,
                      "powers": powers,
                      "coefficients": [weight() for _ in powers], "center": [number() for _ in powers]})  # fmt: skip
    for name in inputs:
        if name in words.labels and draw(st.booleans()):
            first, *rest = words.labels[name]
            levels = {label: weight() for label in rest}
            terms.append({"id": "levels", "of": name, "reference": first, "levels": levels})
    link = draw(st.sampled_from(["logistic", "survival", "identity"]))
    body |= {
        "link": link, "inputs": inputs, "terms": terms, "missing_output": missing, "intercept": number(),
        "decimals": draw(st.sampled_from([6, 3])), "draft": True, "evidence": "assumption", "source": "w",
    }  # fmt: skip
    if strata:
        body["strata"] = strata
    if draw(st.booleans()):
        body["reason_output"] = f"{missing}_why"
    if draw(st.integers(0, 3)) == 0:
        body["recalibration"] = {"intercept": number(), "slope": number(st.sampled_from([0.5, 1.25, 2]))}
    survival = st.sampled_from([0.9795, 0.5, 0.01])
    if link == "survival" and draw(st.booleans()):
        later = {"id": "two", "baseline_survival": number(st.sampled_from([0.5, 0.01])), "output": True}
        body["horizons"] = [{"id": "one", "baseline_survival": number(st.sampled_from([0.9795, 0.5]))}, later]
    elif link == "survival":
        body["baseline_survival"] = number(survival)
    return body
