"""The compiler: what it makes of types, ranges and arithmetic, checked by values worked out here."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from spec_tables import local_pack, score_at

from popstrat.compiler import compile_definitions
from popstrat.compiler.emitter import FALSE, TRUE, Emitter, invert
from popstrat.compiler.years import years_multiplier
from popstrat.core.dates import completed_years
from popstrat.engine import levels
from popstrat.packs.evaluator import Reference
from popstrat.packs.load import load_pack
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

AS_OF = "2026-06-30"
INPUTS = "".join(f'[[input]]\nname = "{name}"\ntype = "float"\n' for name in ("x", "y"))


def definition(ident: str, value: str, more: str = "") -> str:
    return (
        f'[definition.{ident}]\nkind = "expression"\ntitle = "{ident}"\nversion = "1"\nsource = "test"\noutput = true\n'
        f"value = '''{value}'''\n{more}\n"
    )


def table(**columns: Any) -> pa.RecordBatch:
    arrays = {k: v if isinstance(v, pa.Array) else pa.array(v) for k, v in columns.items()}
    rows = len(next(iter(arrays.values())))
    base = {"patient_id": pa.array(range(rows)), "practice_code": pa.array(["Y00001"] * rows), "sex": pa.nulls(rows)}
    if "date_of_birth" not in arrays:
        base["age"] = pa.array([50] * rows)
    arrays = base | arrays
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def scored(pack: str, batch: pa.RecordBatch) -> tuple[BoundScorer, pa.RecordBatch, Tally]:
    """The answers, the same on every instruction set and from the reference."""
    scorer = Scorer(local_pack(INPUTS + pack, extends=""), AS_OF)
    bound = scorer.bind(batch.schema)
    out, tally = bound.score(batch)
    for level in levels():
        assert score_at(bound, batch, level).equals(out)
    singles = {f.name for f in batch.schema if f.type == pa.float32()}
    reference = Reference(scorer.resolved, set(batch.schema.names), singles)
    for row, want in zip(out.to_pylist(), map(reference.score, batch.to_pylist()), strict=True):
        for name, value in want.items():
            close = (
                isinstance(value, float)
                and isinstance(row[name], float)
                and math.isclose(row[name], value, rel_tol=1e-12)
            )
            assert close or row[name] == value, (name, row[name], value)
    return bound, out, tally


def value_of(expression: str, **columns: Any) -> list[Any]:
    return list(scored(definition("out", expression), table(**columns))[1].column("out").to_pylist())


@pytest.mark.parametrize(
    ("dtype", "least", "most"), [("uint8", 0, 255), ("int16", -32768, 32767), ("int32", -(2**31), 2**31 - 1)]
)
def test_whole_number_outputs(dtype: str, least: int, most: int) -> None:
    """A number goes into a column of whole numbers towards zero; one that does not fit is null."""
    x = [least, most, least - 0.5, most + 0.5, least - 1.0, most + 1.0, 2.9, -0.9, 1e300, -1e300, None, 3.0]
    want = [least, most, least, most, None, None, 2, 0, None, None, None, 3]
    _, out, tally = scored(definition("out", "x", f'type = "{dtype}"'), table(x=pa.array(x, pa.float64())))
    assert out.schema.field("out").type == pa.type_for_alias(dtype)
    assert out.column("out").to_pylist() == want
    kept = [v for v in want if v is not None]
    assert tally.counts["out"] == len(kept)
    assert tally.sums["out"] == sum(kept)


def test_whole_number_outputs_of_what_is_whole_already() -> None:
    """Integers, ages, counts and constants need no cutting."""
    pack = "".join(
        definition(f"d{i}", value, f'type = "{dtype}"')
        for i, (value, dtype) in enumerate(
            [("age", "uint8"), ("count(x > 1, y > 1)", "int32"), ("7 if x > 1 else -7", "int16"), ("cfs", "int32"),
             ("7 if x > 1 else -7", "uint8"), ("cfs - 5", "uint8"), ("0.99", "int32")]
        )
    )  # fmt: skip
    out = scored(pack, table(x=[2.0, 0.0], y=[2.0, 2.0], cfs=pa.array([9, 1], pa.int8())))[1]
    assert [out.column(f"d{i}").to_pylist() for i in range(7)] == [
        [50, 50], [2, 1], [7, -7], [9, 1], [7, None], [4, None], [0, 0],
    ]  # fmt: skip


@pytest.mark.parametrize("exponent", [1, 2, 3, 5, 8, 9, 16, 17, 63, 64, 65, 99, -1, -2, -8, -9, -64, -65])
def test_whole_powers(exponent: int) -> None:
    """A negative to a whole power has its sign; nothing to a power under 0 is null."""
    x = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, -3.0, None]
    for text, columns in ((f"x ** {exponent}", {}), ("x ** y", {"y": [float(exponent)] * len(x)})):
        got = value_of(text, x=x, **columns)
        for base, have in zip(x, got, strict=True):
            if base is None or (base == 0 and exponent < 0):
                assert have is None
            else:
                assert have == pytest.approx(float(Fraction(base) ** exponent), rel=1e-12)


def test_other_powers() -> None:
    """Fractions of a negative are null, as is 0 to a negative power; anything to the power 0 is 1."""
    x = [-4.0, 0.0, 4.0, 0.25, None]
    assert value_of("x ** 0.5", x=x) == [None, 0.0, 2.0, 0.5, None]
    assert value_of("x ** 0", x=x) == [1.0, 1.0, 1.0, 1.0, None]
    assert value_of("x ** y", x=x, y=[0.0] * 5) == [1.0, 1.0, 1.0, 1.0, None]
    assert value_of("x ** y", x=x, y=[0.5, -1.0, None, 2.0, 2.0]) == pytest.approx([None, None, None, 0.0625, None])
    assert value_of("x ** -0.5", x=x) == pytest.approx([None, None, 0.5, 2.0, None])


def test_arithmetic_that_has_no_finite_result_is_null() -> None:
    """Division by nothing, logarithms and roots of what has none, what overflows."""
    x = [0.0, -1.0, 1e308, 2.0, None]
    assert value_of("1 / x", x=x) == [None, -1.0, 1e-308, 0.5, None]
    assert value_of("x / 0", x=x) == [None] * 5
    assert value_of("ln(x)", x=x) == pytest.approx([None, None, math.log(1e308), math.log(2), None])
    assert value_of("sqrt(x)", x=x) == pytest.approx([0.0, None, 1e154, math.sqrt(2), None])
    assert value_of("x * 10", x=x) == [0.0, -10.0, None, 20.0, None]
    assert value_of("x * x", x=x) == [0.0, 1.0, None, 4.0, None]
    assert value_of("x + x", x=x) == [0.0, -2.0, None, 4.0, None]
    assert value_of("exp(x)", x=x) == pytest.approx([1.0, math.exp(-1), None, math.exp(2), None])
    assert value_of("round(x, 15)", x=x) == [0.0, -1.0, 1e308, 2.0, None]  # what has no decimals stays
    # and what is null is not a number to compare with
    assert value_of("(1 / x) < 3", x=x) == [False, True, True, True, False]
    assert value_of("not (1 / x < 3)", x=x) == [False, False, False, False, False]
    assert value_of("(1 / x) is null", x=x) == [True, False, False, False, True]


def test_rounding_is_to_even() -> None:
    """Halves go to the even neighbour, at every scale."""
    x = [0.5, 1.5, 2.5, -0.5, -1.5, 2.4999999, 1e300, 4503599627370497.0]
    assert value_of("round(x)", x=x) == [0.0, 2.0, 2.0, 0.0, -2.0, 2.0, 1e300, 4503599627370497.0]
    assert value_of("floor(x)", x=x) == [0.0, 1.0, 2.0, -1.0, -2.0, 2.0, 1e300, 4503599627370497.0]
    assert value_of("round(x, 1)", x=[0.25, 0.35, -0.25, 12.34]) == [0.2, 0.4, -0.2, 12.3]


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparisons_with_constants_at_the_edges(kind: str, sign: str) -> None:
    """Every type with constants inside, at and beyond its range, whole and not; null is unknown."""
    dtype = np.dtype(kind)
    info: Any = np.iinfo(dtype) if dtype.kind in "iu" else None
    values = [0, 1, 2, 3, 100, 127]
    if info is not None:
        values += [int(info.min), int(info.max)] if info.bits < 64 else [-(2**53), 2**53]
    array = pa.array([*values, None], pa.int64()).cast(kind)
    constants = [0, 1, 1.5, 2, 2.999999, -1, 126.5, 127, 128, 255, 256, 32767.5, 32768, 1e10, -1e10]
    pack = "".join(
        definition(f"d{i}", f"x {sign} {c}") + definition(f"n{i}", f"not (x {sign} {c})")
        for i, c in enumerate(constants)
    )
    out = scored(pack, table(x=array))[1]
    compare = {
        "<": float.__lt__,
        "<=": float.__le__,
        ">": float.__gt__,
        ">=": float.__ge__,
        "==": float.__eq__,
        "!=": float.__ne__,
    }
    for i, c in enumerate(constants):
        c = float(np.float32(c)) if kind == "float32" else float(c)
        want = [bool(compare[sign](float(v), c)) for v in array.to_pylist()[:-1]]
        assert out.column(f"d{i}").to_pylist() == [*want, False], (sign, c)
        assert out.column(f"n{i}").to_pylist() == [*(not w for w in want), False], (sign, c)


WHOLE = ("int8", "uint8", "int16", "int32", "int64")


@pytest.mark.parametrize("right", WHOLE)
@pytest.mark.parametrize("left", WHOLE)
def test_two_columns_of_whole_numbers(left: str, right: str) -> None:
    """Of every two types, at their edges, with nulls; two of 16 or of 32 bits are compared where they lie."""
    edges = [0, 1, -1, 100, 127, 128, 255, 32767, -32768, 32768, 2**31 - 1, -(2**31)]
    x, y = ([v for v in edges if np.iinfo(kind).min <= v <= np.iinfo(kind).max] + [None] for kind in (left, right))
    pairs = [(a, b) for a in x for b in y]
    signs: dict[str, Any] = {"<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__, "==": int.__eq__}
    pack = "".join(definition(f"d{i}", f"x {sign} y") for i, sign in enumerate(signs))
    both = table(x=pa.array([a for a, _ in pairs], left), y=pa.array([b for _, b in pairs], right))
    bound, out, _ = scored(pack, both)
    for i, compare in enumerate(signs.values()):
        want = [a is not None and b is not None and bool(compare(a, b)) for a, b in pairs]
        assert out.column(f"d{i}").to_pylist() == want
    listing = bound.compiled.program.listing()
    assert ("LESS_NUM" not in listing) == (left == right and left in ("int16", "int32"))


def test_a_float32_column_is_compared_in_32_bits() -> None:
    """With a constant, through a default, with another column, either way round."""
    x = pa.array([0.36, 0.12, None], pa.float32())
    y = pa.array([0.36, 0.12, 0.36], pa.float64())
    assert value_of("x <= 0.36 and not x < 0.36", x=x) == [True, False, False]
    assert value_of("x == y", x=x, y=y) == [True, True, False]
    assert value_of("y == x", x=x, y=y) == [True, True, False]
    assert value_of("y < x or x < y", x=x, y=y) == [False, False, False]
    assert value_of("coalesce(x, 0.36) == 0.36", x=x) == [True, False, True]
    assert value_of("x in {0.12, 0.5}", x=x) == [False, True, False]
    # by another name, for some only, through a choice, within bounds
    pack = (
        definition("named", "x")
        + definition("some", "x", 'eligible = "age > 1"')
        + definition("out", "named <= 0.36 and some <= 0.36 and not named < 0.36")
        + definition("chosen", "(x if age > 1 else null) <= 0.36 and (0.36 if age < 1 else x) == 0.36")
        + definition("bounded", "clip(x, 0.12, 0.36) == 0.36 and not max(x, 0.1) > 0.36")
        + definition("worked_out", "x * 1 <= 0.36")
    )
    out = scored(pack, table(x=x))[1]
    assert out.column("out").to_pylist() == [True, False, False]
    assert out.column("chosen").to_pylist() == [True, False, False]
    assert out.column("bounded").to_pylist() == [True, False, False]
    assert out.column("worked_out").to_pylist() == [False, True, False]  # arithmetic is in 64 bits
    # a 64-bit column is not
    assert value_of("x == 0.36", x=x.cast(pa.float64())) == [False, False, False]


@pytest.mark.parametrize(
    "as_of",
    ["2026-06-30", "2024-02-29", "2025-02-28", "2025-03-01", "2100-02-28", "2100-03-01", "2000-02-29", "2020-02-28",
     "1999-12-31", "2400-02-29", "2199-01-01", "1960-05-05", "1905-01-01"],
)  # fmt: skip
def test_age_for_every_date_of_birth(as_of: str) -> None:
    """Through the engine, each of the 44,000 days that a living person may have been born on, and those beside them."""
    date = dt.date.fromisoformat(as_of)
    first, last = max(dt.date(1895, 1, 1), date - dt.timedelta(days=125 * 366)), date + dt.timedelta(days=400)
    born = [first + dt.timedelta(days=k) for k in range((last - first).days)]
    scorer = Scorer("london-2026", date)
    batch = table(date_of_birth=pa.array(born, pa.date32()))
    bound = scorer.bind(batch.schema)
    want = []
    for day in born:
        years = date.year - day.year - ((date.month, date.day) < (day.month, day.day))
        assert years == completed_years(day, date)
        want.append(years if dt.date(1900, 1, 1) <= day <= date and years <= 120 else None)
    for level in levels():
        assert score_at(bound, batch, level).column("age").to_pylist() == want, level


def test_years_multiplier_is_exact_for_every_day() -> None:
    """Where there is such a multiplier, it gives the completed years of every day lived, for 121 years."""
    found = 0
    for as_of in [dt.date(2026, m, 28) for m in range(1, 13)] + [
        dt.date(y, 2, 29) for y in range(1904, 2200, 20) if y % 100
    ]:
        numbers = years_multiplier(as_of, 120)
        if numbers is None:
            continue
        found += 1
        by, add, shift = numbers
        lived = np.arange((as_of - dt.date(as_of.year - 121, 3, 1)).days - 40, dtype=np.uint32)
        years = (lived * np.uint32(by) + np.uint32(add)) >> np.uint32(shift)
        born = [as_of - dt.timedelta(days=int(k)) for k in range(len(lived))]
        want = [as_of.year - b.year - ((as_of.month, as_of.day) < (b.month, b.day)) for b in born]
        assert years.tolist() == want, as_of
    assert found >= 12


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize(
    ("low", "high"), [(200, 300), (-300, -200), (0.5, 0.9), (0.5, 2.5), (-0.5, 0.5), (1, 1), (127, 128)]
)
def test_plausible_ranges_of_any_type(kind: str, low: float, high: float) -> None:
    """Ranges that are not whole, or that the column's type cannot reach."""
    dtype = np.dtype(kind)
    values = [
        v
        for v in (-128, -1, 0, 1, 2, 127, 128, 200, 250, 255)
        if dtype.kind == "f" or np.iinfo(dtype).min <= v <= np.iinfo(dtype).max
    ]
    pack = f'[[input]]\nname = "z"\ntype = "float"\nmin = {low}\nmax = {high}\n' + definition("out", "z")
    _, out, tally = scored(pack, table(z=pa.array([*values, None], pa.int64()).cast(kind)))
    want = [v if low <= v <= high else None for v in values]
    assert out.column("out").to_pylist() == [*want, None]
    assert sum(tally.quality.get("z", {}).values()) == want.count(None)


def test_bit_sliced_count() -> None:
    """The adder counts any number of conditions, up to more than a byte holds."""
    for members in (1, 2, 3, 7, 8, 27, 63, 64, 100, 255, 256, 300):
        conditions = ", ".join(f"x > {k}.5" for k in range(members))
        x = [0.0, 1.0, 2.0, members - 1.0, float(members), 400.0, None]
        want = [sum(v > k + 0.5 for k in range(members)) if v is not None else 0 for v in x]
        pack = (
            definition("least", f"count({conditions}) >= {members}")
            + definition("some", f"1 < count({conditions}) <= 3")
            + definition("out", f"count({conditions})", 'type = "int16"')
        )
        out = scored(pack, table(x=x))[1]
        assert out.column("out").to_pylist() == want
        assert out.column("least").to_pylist() == [w >= members for w in want]
        assert out.column("some").to_pylist() == [1 < w <= 3 for w in want]


def test_equal_subexpressions_are_worked_out_once() -> None:
    """The same condition in two definitions adds no operation."""
    batch = table(x=[1.0], y=[2.0])

    def operations(pack: str) -> list[str]:
        listing = Scorer(local_pack(INPUTS + pack, extends=""), AS_OF).bind(batch.schema).compiled.program.listing()
        return [line.split()[0] for line in listing.splitlines() if not line.startswith(("OUT", "COUNT", "SUM"))]

    once = operations(definition("a", "x * y > 3 and x < 2"))
    assert operations(definition("a", "x * y > 3 and x < 2") + definition("b", "x * y > 3 and x < 2")) == once


def test_nothing_is_emitted_for_columns_that_are_not_there() -> None:
    """Absent columns cost nothing: the program is shorter without them."""
    scorer = Scorer("london-2026", AS_OF)
    full = scorer.bind(scorer.input_schema).compiled.program
    names = ["patient_id", "practice_code", "date_of_birth", "sex"]
    bare = scorer.bind(pa.schema([scorer.input_schema.field(c) for c in names])).compiled.program
    assert len(bare.code) < len(full.code) / 2
    assert bare.column_kinds == ("i32",) or len(bare.column_kinds) <= 2


def test_emitter_folds_planes() -> None:
    """Boolean identities need no operation."""
    e = Emitter()
    a, b = e.plane("ZERO"), e.plane("ONES")
    assert e.both(a, invert(a)) == FALSE
    assert e.either(a, invert(a)) == TRUE
    assert e.both(a, a) == a
    assert e.both(a, TRUE) == a
    assert e.both(a, FALSE) == FALSE
    assert e.either(a, FALSE) == a
    assert invert(invert(a)) == a
    assert e.both(a, b) == e.both(b, a)
    assert e.at_least([a, b], 0) == TRUE
    assert e.at_least([a, b], 4) == FALSE


def test_compiling_twice_gives_the_same_program() -> None:
    """The program depends on the pack, the date and the columns, and on nothing else."""
    resolved = load_pack("london-2026").at(dt.date(2026, 6, 30))
    kinds = {"date_of_birth": "i32", "hypertension": "bits", "hba1c": "f32", "hba1c_date": "i32", "sex": "dict8"}
    one, two = (compile_definitions(resolved, kinds, resolved.outputs).program for _ in range(2))
    assert one.listing() == two.listing()


def test_a_number_is_written_by_what_makes_it_unless_its_mask_rests_on_it() -> None:
    """A chain that is sure to be finite writes its own result; one whose result must be looked at first does not."""
    batch = table(x=pa.array([0.5, 2.0, None, 800.0], pa.float64()))
    for value, written in (("1 - exp(0 - exp(min(max(x, 0), 3)))", True), ("1 - exp(exp(x))", False)):
        bound, out, _ = scored(definition("d", value), batch)
        assert ("CHAIN_OUT" in bound.compiled.program.listing()) is written
        assert [v is None for v in out.column("d").to_pylist()] == [False, False, True, not written]


def test_numbers_whose_masks_rest_on_each_other() -> None:
    """At most one of them is written by what makes it: otherwise each would wait for the other."""
    batch = table(
        x=pa.array([10.0, 80.0, 80.0, None, 30.0], pa.float64()),
        y=pa.array([50.0, 50.0, 90.0, 90.0, None], pa.float64()),
    )
    a, b = "min(max(x, 0), 100) * 1.5 + 0.3", "min(max(y, 0), 100) * 0.7 + 0.1"
    pack = definition("p", f"({a}) if {b} > 40 else null") + definition("q", f"({b}) if {a} > 30 else null")
    bound, out, _ = scored(pack, batch)
    listing = bound.compiled.program.listing()
    assert listing.count("CHAIN_OUT") + listing.count("OUT_NUM") == 2
    assert [v is None for v in out.column("p").to_pylist()] == [True, True, False, True, True]
    assert [v is None for v in out.column("q").to_pylist()] == [True, False, False, True, True]
