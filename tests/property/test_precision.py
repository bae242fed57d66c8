"""One precision: a number is what its column is declared to hold, in every format and in every type that brings it."""

from __future__ import annotations

import datetime as dt
import itertools
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from spec_tables import local_pack

from popstrat.compiler.ranges import rounding_within, singles_within
from popstrat.formats import BACKENDS
from popstrat.packs.evaluator import Reference
from popstrat.reasons.trace import trace
from popstrat.runs.score import run_score
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
DECLARED = {"": "x", 'dtype = "float64"': "y", 'dtype = "float32"': "z"}
INPUTS = "".join(
    f'[[input]]\nname = "{letter}{i}"\ntype = "float"\n{dtype}\n' for dtype, letter in DECLARED.items() for i in (1, 2)
)
NUMBERS = ["6", "1.2", "48.1", "123456789.125", "0.36", "16777217", "0.1", "0.30000001", "3", "1e-50", "7.5", "-1.2",
           "0.360000001", "2147483647", "0"]  # fmt: skip
PHYSICAL = ("float32", "float64", "int16", "int32", "int64", "decimal", "string", "dictionary text")
FORMATS = ("memory", "csv", "parquet", "arrow")
Rule = Callable[[float, float], Any]


def _over(a: float, b: float) -> float | None:
    return a / b if b else None


RULES: dict[str, Rule] = {
    "{0}": lambda a, b: a,
    "{0} * 10": lambda a, b: a * 10,
    "{0} / {1}": _over,
    "{0} + {1} - 0.1": lambda a, b: a + b - 0.1,
    "max({0}, {1}) * 3": lambda a, b: max(a, b) * 3,
    "{0} / {1} >= 5": lambda a, b: b != 0 and a / b >= 5,
    "{0} * 10 >= 481": lambda a, b: a * 10 >= 481,
    "{0} * 2 > {1} * 2": lambda a, b: a * 2 > b * 2,
}
COMPARED = {"<": float.__lt__, "<=": float.__le__, ">": float.__gt__, ">=": float.__ge__, "==": float.__eq__}
CUTS = ("48.1", "0.36", "16777216", "0.1", "123456789.125", "2147483646", "0")


def pack_of(letter: str) -> tuple[str, dict[str, Callable[[float, float, bool], Any]]]:
    """Definitions over two columns of one declaration, and what Python makes of each; the last argument: in 32 bits."""
    found: dict[str, tuple[str, Callable[[float, float, bool], Any]]] = {}
    one, other = f"{letter}1", f"{letter}2"
    for i, (text, rule) in enumerate(RULES.items()):
        found[f"{letter}_{i}"] = text.format(one, other), lambda a, b, single, rule=rule: rule(a, b)
    for (i, cut), (sign, compare) in itertools.product(enumerate(CUTS), COMPARED.items()):
        name = f"{letter}_cut_{i}_{list(COMPARED).index(sign)}"
        found[name] = f"{one} {sign} {cut}", lambda a, b, single, cut=cut, compare=compare: compare(
            a, float(np.float32(cut)) if single else float(cut)
        )  # fmt: skip
    pack = "".join(
        f'[definition.{name}]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "t"\noutput = true\n'
        f'value = "{text}"\n'
        for name, (text, _) in found.items()
    )
    return pack, {name: meant for name, (_, meant) in found.items()}


def physical(kind: str, texts: list[str]) -> tuple[pa.Array, list[float]]:
    """A column that holds the numbers in a type, and the numbers as that type holds them."""
    if kind.startswith("int"):
        return pa.array([int(t) for t in texts], kind), [float(int(t)) for t in texts]
    if kind == "decimal":
        return pa.array([Decimal(t) for t in texts], pa.decimal128(38, 12)), [float(t) for t in texts]
    if kind == "string":
        return pa.array(texts), [float(t) for t in texts]
    if kind == "dictionary text":
        return pa.array(texts).dictionary_encode(), [float(t) for t in texts]
    held = np.array([float(t) for t in texts], kind)
    return pa.array(held), [float(h) for h in held]


def fits(kind: str, text: str) -> bool:
    if kind.startswith("int"):
        return float(text).is_integer() and abs(float(text)) <= np.iinfo(kind).max
    return kind != "decimal" or "e" not in text


def written(table: pa.Table, form: str, path: Path) -> Path:
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "arrow":
        feather.write_feather(table, str(path), compression="uncompressed")
    else:
        names = table.column_names
        lines = [",".join("" if v is None else str(v) for v in row.values()) for row in table.to_pylist()]
        path.write_text("\n".join([",".join(names), *lines]) + "\n")
    return path


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", FORMATS)
def test_declared_type_decides(form: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engine, evaluator and plain Python say the same, whatever format and type the numbers come in."""
    if form == "memory" and backend == "arrow":
        pytest.skip("no file is read")
    monkeypatch.setenv("POPSTRAT_FORMATS", backend)
    packs = {letter: pack_of(letter) for letter in DECLARED.values()}
    scorer = Scorer(local_pack(INPUTS + "".join(text for text, _ in packs.values()), extends=""), AS_OF)
    for kind in PHYSICAL if form != "csv" else ("string",):
        texts = [t for t in NUMBERS if fits(kind, t)]
        pairs = list(itertools.product(texts, texts))
        columns = {"patient_id": pa.array(range(1, len(pairs) + 1)), "practice_code": pa.array(["Y00001"] * len(pairs)),
                   "age": pa.array([50] * len(pairs)), "sex": pa.array(["female"] * len(pairs))}  # fmt: skip
        held: list[list[float]] = []
        for i in (0, 1):
            array, numbers = physical(kind, [pair[i] for pair in pairs])
            held.append(numbers)
            columns |= {f"{letter}{i + 1}": array for letter in packs}
        table = pa.table(columns)
        if form == "memory":
            (batch,) = table.to_batches()
            scored = pa.Table.from_batches([scorer.score_batch(batch)])
        else:
            source = written(table, form, tmp_path / f"list_{kind.replace(' ', '_')}.{form}")
            target = tmp_path / f"scored_{kind.replace(' ', '_')}.parquet"
            run_score([source], target, scorer, threads=1)
            scored = pq.read_table(target)
        for letter, (_, meanings) in packs.items():
            declared_32 = letter == "z"
            a, b = ([float(np.float32(v)) if declared_32 else v for v in column] for column in held)
            single = declared_32 or kind == "float32"
            for name, meant in meanings.items():
                want = [meant(x, y, single) for x, y in zip(a, b, strict=True)]
                want = [None if isinstance(w, float) and not math.isfinite(w) else w for w in want]
                assert scored.column(name).to_pylist() == want, (form, kind, name)
        if form == "memory":
            singles = {f.name for f in table.schema if f.type == pa.float32()}
            reference = Reference(scorer.resolved, set(table.column_names), singles)
            as_read = {f"{letter}{i + 1}": held[i] for letter in packs for i in (0, 1)}
            for row, have in enumerate(scored.to_pylist()):
                given = {"age": 50, "sex": "female"} | {name: values[row] for name, values in as_read.items()}
                want_row = reference.score(given)
                assert {name: have[name] for name in want_row} == want_row, (kind, pairs[row])
            for row in (0, 1, len(pairs) - 1):
                trace(scorer, table.slice(row, 1))  # which refuses to tell of anything but the engine's results


def test_reviewed_numbers(tmp_path: Path) -> None:
    """A ratio at its cut, a product at its cut, and more digits than 32 bits hold, from CSV as from Parquet."""
    rules = {"ratio": "x1 / x2 >= 5", "product": "y1 * 10 >= 481", "whole": "x1"}
    pack = INPUTS + "".join(
        f'[definition.{name}]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "t"\noutput = true\n'
        f'value = "{text}"\n'
        for name, text in rules.items()
    )
    scorer = Scorer(local_pack(pack, extends=""), AS_OF)
    table = pa.table({
        "patient_id": [1, 2], "practice_code": ["Y00001"] * 2, "age": [50, 50], "sex": ["female", "male"],
        "x1": [6.0, 123456789.125], "x2": [1.2, 1.0], "y1": [48.1, 48.0],
    })  # fmt: skip
    found = []
    for form in ("csv", "parquet", "arrow"):
        run_score([written(table, form, tmp_path / f"list.{form}")], tmp_path / f"{form}.parquet", scorer)
        found.append(pq.read_table(tmp_path / f"{form}.parquet").select(list(rules)).to_pydict())
    assert found == [{"ratio": [True, True], "product": [True, False], "whole": [6.0, 123456789.125]}] * 3


def test_limits_account_for_rounding() -> None:
    """A number lies within the limits exactly if what it rounds to lies between the bounds; whole ones, doubles, 32-bit
    floats, beside every kind of edge."""
    rng = np.random.default_rng(3)
    tiny, most = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
    bounds = [0.0, 1.0, 0.1, 0.36, -0.12, 2.0**24, 2.0**24 + 1, 2.0**53, -(2.0**53), 1e-50, tiny, most, -most, 1e39]
    bounds += [float(x) for x in rng.normal(0, 100, 20)]
    for low, high in itertools.product([-math.inf, *bounds], [math.inf, *bounds]):
        singles = singles_within(low, high)
        for x in {y for b in (low, high) if math.isfinite(b) for y in _beside(b)}:
            narrow = _single(x)
            assert (singles is not None and singles[0] <= narrow <= singles[1]) == (low <= narrow <= high)
            least, largest = rounding_within(low, high, np.float32, whole=False)
            assert (least <= x <= largest) == (low <= narrow <= high), (low, high, x)
            if math.isfinite(x) and abs(x) < 2**63:
                for whole in range(int(x) - 2, int(x) + 3):
                    for kind, held in ((np.float32, _single(whole)), (np.float64, float(whole))):
                        first, last = rounding_within(
                            max(low, -(2.0**64)), min(high, 2.0**64), kind, whole=True
                        )  # as 64-bit columns are asked
                        assert (first <= whole <= last) == (max(low, -(2.0**64)) <= held <= min(high, 2.0**64)), (
                            low,
                            high,
                            whole,
                        )


def _single(x: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.float32(x))


def _beside(x: float) -> list[float]:
    """A number, the doubles next to it, and those in the middle between 32-bit floats about it."""
    with np.errstate(over="ignore"):
        near = np.float32(x)
        around = [float(v) for v in (near, np.nextafter(near, np.float32(9e9)), np.nextafter(near, np.float32(-9e9)))]
    middles = [(around[0] + other) / 2 for other in around[1:] if math.isfinite(around[0] + other)]
    found = [x, *around, *middles]
    return [y for v in found for y in (v, math.nextafter(v, math.inf), math.nextafter(v, -math.inf))]
