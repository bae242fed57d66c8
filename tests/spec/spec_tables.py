"""Tables that a clinician can read, run against the engine and the reference evaluator alike.

    check('''
        age | hypertension | systolic_bp | diastolic_bp | bp_date || hypertension_status
        79  | yes          | 140         | 90           | as_of   || optimised
    ''')

Left of ``||`` stand input columns, right of it expected outputs. ``-`` or nothing is null; a column that is not named
is null for everybody; ``yes``/``no`` are flags; dates are ISO or relative to the as-of date (``as_of-12m-1d``; months
clip to the month's last day). The output ``set_aside`` lists the columns whose value was implausible.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import tempfile
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from popstrat.engine import levels
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack
from popstrat.packs.patient_table import Schema
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
ROWS = 200  # a table is repeated to about so many rows, over several machine words
Row = dict[str, Any]


def local_pack(text: str, extends: str = "london-2026") -> Pack:
    """A pack of the given definitions that extends a built-in one."""
    head = (
        f'[pack]\nid = "local"\nversion = "1"\nextends = "{extends}"\n'
        if extends
        else '[pack]\nid = "local"\nversion = "1"\n'
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "local.toml"
        file.write_text(head + text, encoding="utf-8")
        return load_pack(file)


@cache
def _scorer(pack: str, as_of: dt.date) -> Scorer:
    return Scorer(pack, as_of)


def scorer_for(pack: str | Pack, as_of: dt.date) -> Scorer:
    """A scorer, kept for a built-in pack."""
    return Scorer(pack, as_of) if isinstance(pack, Pack) else _scorer(pack, as_of)


def moment(text: str, as_of: dt.date) -> dt.date:
    """An ISO date, or ``as_of`` with steps of years, months and days."""
    if not text.startswith("as_of"):
        return dt.date.fromisoformat(text)
    steps = re.findall(r"([+-]\d+)([ymd])", text)
    assert "as_of" + "".join(a + b for a, b in steps) == text, f"not a date: {text}"
    date = as_of
    for count, unit in steps:
        if unit == "d":
            date += dt.timedelta(days=int(count))
            continue
        index = date.year * 12 + date.month - 1 + int(count) * (12 if unit == "y" else 1)
        year, month = index // 12, index % 12 + 1
        if unit == "y":
            date = date.replace(year=year)
        else:
            date = dt.date(year, month, min(date.day, calendar.monthrange(year, month)[1]))
    return date


def read(table: str) -> tuple[list[str], list[str], list[tuple[list[str], list[str]]]]:
    """Input names, output names, and the cells of each row."""
    lines = [line.strip() for line in table.strip().splitlines() if line.strip() and not line.strip().startswith("#")]

    def cells(part: str) -> list[str]:
        return [c.strip() for c in part.split("|")]

    left, right = lines[0].split("||")
    inputs, outputs = cells(left), cells(right)
    rows = []
    for line in lines[1:]:
        a, b = line.split("||")
        row = cells(a), cells(b)
        assert len(row[0]) == len(inputs), f"not as many cells as columns: {line}"
        assert len(row[1]) == len(outputs), f"not as many cells as columns: {line}"
        rows.append(row)
    assert rows, "no rows"
    return inputs, outputs, rows


def given(schema: Schema, name: str, cell: str, as_of: dt.date) -> Any:
    """The input value that a cell says."""
    if cell in ("", "-"):
        return None
    match schema[name].type:
        case "bool":
            return {"yes": True, "no": False}[cell]
        case "date":
            return moment(cell, as_of)
        case "category" | "string":
            return cell
        case _:
            return float(cell) if re.search(r"[.en]", cell) else int(cell)


def expected(cell: str) -> Any:
    """The output value that a cell says: yes/no, a number, a label, None."""
    if cell in ("", "-"):
        return None
    if cell in ("yes", "no"):
        return cell == "yes"
    try:
        return float(cell)
    except ValueError:
        return cell


def check(
    table: str,
    *,
    as_of: str = AS_OF,
    pack: str | Pack = "london-2026",
    absent: Collection[str] = (),
    types: Mapping[str, pa.DataType] | None = None,
) -> None:
    """Demand the outputs of a table from the engine, on every instruction set, and from the reference.

    Two tables are made of it, which must agree: one that has every column of the patient table, and one that has only
    the columns named and the dates that belong to them. Columns in ``absent`` are in neither.
    """
    date = dt.date.fromisoformat(as_of)
    scorer = scorer_for(pack, date)
    schema = scorer.pack.schema
    inputs, outputs, rows = read(table)
    for name in inputs:
        assert name in schema, f"no such input: {name}"
    patients = [{n: given(schema, n, c, date) for n, c in zip(inputs, left, strict=True)} for left, _ in rows]
    named = {"patient_id", "practice_code", "sex", "age", *inputs}
    dates = {c.name for c in schema if set(c.dates) & named}
    for columns in ([c.name for c in schema], [c.name for c in schema if c.name in named | dates]):
        columns = [c for c in columns if c not in absent]
        found = {
            "engine": score(scorer, patients, columns, types or {}),
            "reference": refer(scorer, patients, columns, types or {}),
        }
        for how, results in found.items():
            for (left, right), result in zip(rows, results, strict=True):
                for name, cell in zip(outputs, right, strict=True):
                    want, got = expected(cell), result[name]
                    if isinstance(want, float) and isinstance(got, int | float) and not isinstance(got, bool):
                        same = abs(got - want) <= 1e-9 * max(1.0, abs(want))
                    else:
                        same = type(want) is type(got) and want == got
                    assert same, (
                        f"{how}: {name} is {got!r}, not {want!r}, for {' | '.join(left)} ({' | '.join(inputs)})"
                    )


def arrow(
    schema: Schema, patients: Sequence[Row], columns: Sequence[str], types: Mapping[str, pa.DataType]
) -> pa.RecordBatch:
    """The patients as a record batch in the canonical types, or those given."""
    arrays, fields = [], []
    for name in columns:
        column = schema[name]
        kind = types.get(name, column.dtype)
        if name == "patient_id":
            values: list[Any] = list(range(len(patients)))
        elif name == "practice_code":
            values = [p.get(name) or "Y00001" for p in patients]
        else:
            values = [p.get(name) for p in patients]
        if pa.types.is_dictionary(kind):
            array = pa.array(values, kind.value_type).dictionary_encode().cast(kind)
        elif pa.types.is_integer(kind) and any(isinstance(v, float) for v in values):
            array, kind = pa.array(values, pa.float64()), pa.float64()
        elif pa.types.is_integer(kind):
            wide = any(v is not None and not -(2**15) <= v < 2**15 for v in values)
            array, kind = (
                (pa.array(values, pa.int64()), pa.int64()) if wide else (pa.array(values, pa.int16()), pa.int16())
            )
        elif pa.types.is_float16(kind):  # which pyarrow 18 makes of NumPy's alone
            array = pa.array(values, pa.float32()).cast(kind)
        else:
            array = pa.array(values, kind)
        arrays.append(array)
        fields.append(pa.field(name, array.type))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def score(
    scorer: Scorer, patients: Sequence[Row], columns: Sequence[str], types: Mapping[str, pa.DataType]
) -> list[Row]:
    """What the engine says, the same wherever a row stands and on every instruction set."""
    repeats = max(3, ROWS // len(patients) + 1)
    many = list(patients) * repeats
    batch = arrow(scorer.pack.schema, many, columns, types)
    bound = scorer.bind(batch.schema)
    scored, _ = bound.score(batch)
    for level in levels():
        again = score_at(bound, batch, level)
        assert again.equals(scored), f"{level} gives another answer"
    size, answers = len(patients), scored.drop_columns(["patient_id"])
    for i in range(1, repeats):
        assert answers.slice(i * size, size).equals(answers.slice(0, size)), "a row's answer depends on its place"
    results = answers.slice(0, size).to_pylist()
    for row in results:
        row["set_aside"] = named_bits(scorer, row["quality_flags"])
    return results


def score_at(bound: BoundScorer, batch: pa.RecordBatch, level: str) -> pa.RecordBatch:
    """As `BoundScorer.score`, on one instruction set."""
    frame, made = bound._frame(batch)
    counters = frame.run(0, batch.num_rows, level)
    return bound.wrap(batch, made, counters.tolist())


def refer(
    scorer: Scorer, patients: Sequence[Row], columns: Sequence[str], types: Mapping[str, pa.DataType]
) -> list[Row]:
    """What the reference says."""
    batch = arrow(scorer.pack.schema, patients, columns, types)
    singles = {f.name for f in batch.schema if f.type in (pa.float16(), pa.float32())}
    reference = Reference(scorer.resolved, set(columns), singles)
    results = [reference.score(row) for row in batch.to_pylist()]
    for row in results:
        row["set_aside"] = named_bits(scorer, row["quality_flags"])
    return results


def named_bits(scorer: Scorer, flags: int) -> str | None:
    """The columns that the set bits of ``quality_flags`` name."""
    names = [name.split(":")[0] for name, bit in scorer.quality_bits.items() if flags >> bit & 1]
    return ", ".join(dict.fromkeys(names)) or None
