"""Folding by the engine against a plain reference, on generated rows, people and folds: whatever the layout of the
columns, the order of the rows, how they are cut into batches, pieces and chunks, and the number of threads."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa
import pytest
from fold_reference import Row, fold_all
from hypothesis import given
from hypothesis import strategies as st

from popstrat.deriving import folding
from popstrat.deriving.folding import Counts, fold_chunks
from popstrat.deriving.folds import (
    ANY_CODE,
    NO_DAY,
    SET_ASIDE,
    Conversion,
    Count,
    Extreme,
    FirstDay,
    Fold,
    LastDay,
    LastLabel,
    LastValue,
    Pair,
    Table,
    Values,
)
from popstrat.errors import OutOfOrderError

AS_OF = 40
TABLES: tuple[Table, ...] = ("events", "medications", "activity")
CODES = [7, 8, 9, -1, 0, 2**62, -(2**63), 2**63 - 1, 16311000000101, 999, 1000, 1001]
UNITS = [None, "", " ", "mmol/mol", "MMOL / mol", "%", "µmol/L", "umol/l", "mg", "²"]
VALUES = [None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, 1.5, 2.5, -2.0, 48.0, 1e308, 5e-324, 6.05, 0.125]
GROUPS = [None, None, 1, 2, 2**63 - 1, -(2**63)]
Batches = list[pa.RecordBatch]


def lists(rng: random.Random) -> dict[str, list[int]]:
    found = {f"L{i}": rng.sample(CODES, rng.randrange(0, 5)) for i in range(6)}
    free = rng.sample(CODES, len(CODES))  # lists with nothing in common, for labels and parts
    return found | {f"P{i}": free[3 * i : 3 * i + rng.choice([1, 2, 3])] for i in range(4)}


def values(rng: random.Random) -> Values:
    spellings = rng.sample(["mmol/mol", "%", "umol/l", "mg", "2"], rng.randrange(0, 4))

    def conversion() -> Conversion:
        factor, offset = rng.choice([(1.0, 0.0), (10.929, -23.5), (-1.0, 0.0), (0.1, 1.0)])
        return Conversion(factor, offset, rng.choice([None, 0, 1, 3]))

    low = rng.choice([-math.inf, -5.0, 0.0, 1.0])
    return Values(
        {s: conversion() for s in spellings},
        rng.choice([None, Conversion(), conversion()]),
        low,
        rng.choice([math.inf, 2.5, 50.0, low]),
    )


def some_folds(rng: random.Random, many: int) -> list[Fold]:
    return [a_fold(rng, f"f{i}") for i in range(many)]


def a_fold(rng: random.Random, name: str) -> Fold:
    own = tuple(rng.sample([f"L{i}" for i in range(6)], rng.randrange(1, 4)))
    if rng.random() < 0.2:
        own = (ANY_CODE,)
    common: dict[str, Any] = {
        "name": name,
        "table": rng.choice(TABLES),
        "codes": own,
        "until": rng.choice([AS_OF, AS_OF, AS_OF - 3, AS_OF + 5]),
        "since": rng.choice([None, 0, 20, AS_OF]),
        "without": tuple(rng.sample([f"L{i}" for i in range(6)], rng.choice([0, 0, 0, 1, 2]))),
    }
    tie = rng.choice(["highest", "lowest"])
    labels = (("a", ("P0",)), ("b", ("P1", "P2")), ("c", ("P3",)), ("none", ()))[: rng.randrange(1, 5)]
    kind = rng.randrange(9)
    if kind == 0:
        return LastDay(**common)
    if kind == 1:
        return FirstDay(**common)
    if kind < 4:
        return Count(**common, of=rng.choice(["rows", "days", "codes"]), repeats=rng.random() < 0.3)
    if kind == 4:
        return LastValue(**common, values=values(rng), tie=tie)
    if kind == 5:
        return LastValue(**common, values=values(rng), tie=tie, gap=rng.choice([0, 1, 5, 90]))
    if kind == 6:
        return Extreme(**common, values=values(rng), which=tie)
    if kind == 7:
        common["codes"] = tuple(n for _, names in labels for n in names)
        return LastLabel(**common, labels=labels)
    both = ("P2",) if rng.random() < 0.5 else ()
    common["codes"] = ("P0", "P1", *both)
    return Pair(
        **common, first=("P0",), second=("P1",), both=both, first_values=values(rng), second_values=values(rng),
        labels=labels if rng.random() < 0.5 else (),
    )  # fmt: skip


def some_rows(rng: random.Random, keys: Sequence[Any], texts: bool, many: int) -> list[Row]:
    strangers = [None, "9999999999", "", "zz"] if texts else [None, -5, 10**15, 2**63 - 1]
    span = rng.choice([3, 60])
    rows = []
    for _ in range(many):
        day = rng.choice([None, NO_DAY, 2**31 - 1]) if rng.random() < 0.08 else AS_OF - rng.randrange(-4, span)
        rows.append(
            Row(
                rng.choice(strangers) if rng.random() < 0.1 or not keys else rng.choice(keys),
                None if day is None else int(day),
                rng.choice([None, 123456789, 987654321]) if rng.random() < 0.15 else rng.choice(CODES),
                rng.choice(VALUES) if rng.random() < 0.5 else rng.choice([1.0, 2.0, 48.0]),
                rng.choice(VALUES),
                rng.choice(UNITS) if rng.random() < 0.5 else None,
                rng.choice(GROUPS),
            )
        )
        if rng.random() < 0.15:
            rows.append(rows[-1])
    return rows


def table_of(rng: random.Random, rows: Sequence[Row], key_type: pa.DataType) -> pa.Table:
    """The rows as Arrow columns, of any layout that may come."""
    columns = {
        "patient_id": pa.array([r.key for r in rows], key_type),
        "date": pa.array([r.day for r in rows], pa.int32()).cast(pa.date32()),
        "code": pa.array([r.code for r in rows], pa.int64()),
        "value": pa.array([r.value for r in rows], pa.float64()),
        "second_value": pa.array([r.second for r in rows], pa.float64()),
        "unit": pa.array([r.unit for r in rows], rng.choice([pa.string(), pa.large_string()])),
        "group_id": pa.array([r.group for r in rows], pa.int64()),
    }
    for name in ("patient_id", "code", "unit"):
        if rng.random() < 0.4 or (name == "unit" and rng.random() < 0.7):
            columns[name] = columns[name].dictionary_encode(rng.choice(["mask", "encode"]))
            if rng.random() < 0.3:
                index = rng.choice([pa.int8(), pa.int16(), pa.uint32(), pa.int64()])
                columns[name] = pa.DictionaryArray.from_arrays(
                    columns[name].indices.cast(index), columns[name].dictionary
                )
    return pa.table(columns)


def batches(rng: random.Random, table: pa.Table) -> Batches:
    """Cut anywhere, empty ones among them, some with a start of their own in memory."""
    found: Batches = []
    at = 0
    while at < table.num_rows:
        many = rng.choice([0, 1, 2, 7, 50, 1000])
        piece = table.slice(at, many)
        if rng.random() < 0.3:
            piece = pa.concat_tables([table.slice(0, 3), piece]).combine_chunks().slice(min(3, table.num_rows))
        found += piece.to_batches()
        at += many
    return found


class Apart:
    """Batches in parts of so many."""

    def __init__(self, batches: Batches, many: int) -> None:
        self._batches, self._many = batches, many

    def parts(self) -> Generator[folding.Part]:
        for start in range(0, len(self._batches), self._many):
            yield partial(iter, self._batches[start : start + self._many])


def in_order(rows: Sequence[Row], rng: random.Random) -> list[Row]:
    """By patient, the rows of one in any order; those of nobody anywhere."""
    shuffled = rng.sample(list(rows), len(rows))
    return sorted(shuffled, key=lambda r: (r.key is not None, r.key))


def collected(chunks: folding.Folding, folds: Sequence[Fold]) -> tuple[dict[str, dict[str, Any]], Counts]:
    parts: dict[str, dict[str, list[Any]]] = {fold.name: {} for fold in folds}
    at = 0
    for chunk in chunks:
        assert chunk.first == at
        at += chunk.rows
        for name, folded in chunk.folded.items():
            for cell, array in vars(folded).items():
                if array is not None:
                    assert len(array) == chunk.rows
                    parts[name].setdefault(cell, []).append(array)
    return {n: {c: np.concatenate(a) for c, a in cells.items()} for n, cells in parts.items()}, chunks.counts


def plain(cells: dict[str, Any], row: int) -> dict[str, Any]:
    def value(x: Any) -> Any:
        if isinstance(x, float):
            return None if math.isnan(x) else (x, math.copysign(1, x))
        return None if x == NO_DAY else x

    return {name: value(array[row].item()) for name, array in cells.items()}


def expected(one: dict[str, Any]) -> dict[str, Any]:
    return {n: (v, math.copysign(1, v)) if isinstance(v, float) else v for n, v in one.items() if n != "label"} | (
        {"label": -1 if one["label"] is None else one["label"]} if "label" in one else {}
    )


def some_people(rng: random.Random) -> tuple[list[Any], list[int], pa.DataType]:
    people = rng.choice([1, 2, 3, 9])
    texts = rng.random() < 0.4
    keys: list[Any] = sorted(rng.sample(range(-3, 40), people))
    if texts:
        keys = sorted({str(rng.choice([k, 9990000000 + k, "é" * (k % 5), "x" * (k % 40)])) for k in keys} - {""})
    births = [rng.choice([int(NO_DAY), 0, 30, AS_OF]) for _ in keys]
    return keys, births, pa.string() if texts else pa.int64()


SEEN: dict[str, int] = {}


@given(seed=st.integers(0, 2**32))
def test_the_engine_folds_as_the_definitions_say(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    keys, births, key_type = some_people(rng)
    codes = lists(rng)
    folds = some_folds(rng, rng.choice([1, 5, 20]))
    rows = {t: some_rows(rng, keys, key_type == pa.string(), rng.choice([0, 3, 40, 200])) for t in TABLES}
    want, told = fold_all(keys, births, rows, folds, codes, AS_OF)
    folder = tmp_path_factory.getbasetemp()
    given_keys = pa.array(keys, rng.choice([pa.string(), pa.large_string()]) if key_type == pa.string() else key_type)
    for way in ("sorted", "unsorted", "said to be unsorted"):
        tables = {
            t: batches(rng, table_of(rng, in_order(r, rng) if way == "sorted" else rng.sample(r, len(r)), key_type))
            for t, r in rows.items()
        }
        if rng.random() < 0.5:
            tables = {t: Apart(b, rng.choice([1, 2, 10])) for t, b in tables.items()}
        said = TABLES if way.startswith("said") else ()
        chunk_rows = rng.choice([1, 2, len(keys) or 1, 100])
        how: dict[str, Any] = {"as_of": AS_OF, "spill_dir": folder, "chunk_rows": chunk_rows}
        sizes = {
            "PIECE": rng.choice([1, 3, 64, 65536]),
            "_PART": rng.choice([1, 5, 65536]),
            "_PART_ROWS": rng.choice([1, 2, 8192]),
        }
        with mock.patch.multiple(folding, **sizes):
            arrays = (given_keys, np.array(births, np.int32), tables, folds, {n: np.array(c) for n, c in codes.items()})
            try:
                found, counts = collected(
                    fold_chunks(*arrays, **how, threads=rng.choice([1, 2, 3]), unsorted=said), folds
                )
            except OutOfOrderError:
                assert way == "unsorted"
                SEEN["again"] = SEEN.get("again", 0) + 1
                found, counts = collected(fold_chunks(*arrays, **how, threads=2, unsorted=TABLES), folds)
        for fold in folds:
            for i in range(len(keys)):
                assert plain(found[fold.name], i) == expected(want[fold.name][i]), (way, fold, i)
        if keys:
            check_counts(counts, told, folds)
    assert not list(folder.glob(".popstrat-*"))


def check_counts(counts: Counts, told: Any, folds: Sequence[Fold]) -> None:
    for table, counted in told.tables.items():
        assert vars(counts.tables[table]) == {n: counted[n] for n in vars(counts.tables[table])}, table
    for fold in folds:
        ours, theirs = counts.folds[fold.name], told.folds[fold.name]
        assert ours.used == theirs["used"], fold
        assert ours.set_aside == {reason: theirs[reason] for reason in SET_ASIDE}, fold
        assert ours.repeats == theirs["repeats"], fold
        assert ours.units == dict(told.units[fold.name]), fold
