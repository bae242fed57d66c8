"""The compiled core by itself: what it refuses, how exact its functions are, that every instruction set agrees."""

# ruff: noqa: E501 (lists of numbers)

from __future__ import annotations

import decimal
import fractions
import gc
import itertools
import math
import pickle
import random
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from popstrat import engine
from popstrat.engine import (
    BLOCK,
    CODE_NULL,
    CODE_UNKNOWN,
    INSTRUCTION_WIDTH,
    LEVELS,
    LISTS,
    OPERATIONS,
    Frame,
    Labels,
    Program,
    levels,
)
from popstrat.lang.values import GRID, on_grid

Floats = NDArray[np.float64]
BINARY = ("ADD", "SUB", "MUL", "DIV", "MIN", "MAX", "POW")
WITH_CONSTANT = ("ADDK", "MULK", "DIVK", "MINK", "MAXK", "RSUBK", "RDIVK", "POWK", "ROUND")
UNARY = ("SINGLE", "NEG", "ABS", "SQRT", "FLOOR", "EXP", "LN")


def row(name: str, *operands: int) -> list[int]:
    code = [OPERATIONS[name][0], *operands]
    return code + [0] * (INSTRUCTION_WIDTH - len(code))


def program(
    code: list[list[int]], columns: tuple[str, ...] = (), outputs: tuple[str, ...] = (), **more: Any
) -> Program:
    sizes = {"planes": 4, "bytes": 2, "shorts": 2, "numbers": 4, "counters": 2} | {
        k: v for k, v in more.items() if k in ("planes", "bytes", "shorts", "numbers", "counters")
    }
    return Program(
        code,
        more.get("arguments", []),
        more.get("integers", []),
        more.get("doubles", []),
        columns,
        outputs,
        *sizes.values(),
    )


def column(values: Any = None, valid: Any = None, offset: int = 0, characters: Any = None, table: Any = None,
           labels: Labels | None = None) -> tuple[Any, ...]:  # fmt: skip
    return (values, valid, offset, characters, table, labels)


def apply(name: str, x: Floats, y: Floats | None = None, k: float = 0.0, level: str | None = None) -> Floats:
    """One operation on doubles, through a whole program."""
    rows = len(x)
    code = [row("F64_F64", 0, 0), row("ONES", 0)]
    columns = ["f64"]
    frames = [column(np.ascontiguousarray(x))]
    if name in BINARY:
        assert y is not None
        columns.append("f64")
        frames.append(column(np.ascontiguousarray(y)))
        code += [row("F64_F64", 1, 1), row(name, 2, 0, 1)]
    elif name in WITH_CONSTANT:
        code += [row(name, 2, 0, 0)]
    else:
        code += [row(name, 2, 0)]
    code.append(row("OUT_NUM", 0, 2, 0))
    made = program(code, tuple(columns), ("number",), doubles=[k])
    out = np.full(rows, np.nan)
    Frame(made, frames, [(out, None)], rows).run(0, rows, level)
    return out


# -- exactness ---------------------------------------------------------------------------------------------------------


def ulps(got: Floats, exact: list[decimal.Decimal]) -> float:
    """The largest error, in units of the last place of the true value."""
    worst = 0.0
    for have, true in zip(got, exact, strict=True):
        unit = decimal.Decimal(math.ulp(float(true)))
        worst = max(worst, float(abs(decimal.Decimal(float(have)) - true) / unit))
    return worst


def test_exp_is_within_one_unit_in_the_last_place() -> None:
    """Against exact values over the whole range from -708 to 709.78."""
    rng = np.random.default_rng(1)
    x = np.concatenate([
        rng.uniform(-708, 709.78, 3000), rng.uniform(-1, 1, 3000), rng.uniform(-40, 5, 2000), 10.0 ** rng.uniform(-18, 0, 500),
        -(10.0 ** rng.uniform(-18, 0, 500)), np.arange(-708, 710.0) , (np.arange(-1000, 1000) + 0.5) * math.log(2) * 0.7,
    ])  # fmt: skip
    with decimal.localcontext(decimal.Context(prec=40, Emin=-10000, Emax=10000)):
        exact = [decimal.Decimal(v).exp() for v in x.tolist()]
        assert ulps(apply("EXP", x), exact) < 1.0


def test_ln_is_within_one_unit_in_the_last_place() -> None:
    """Against exact values, denormal to largest, and close to 1 where the result is small."""
    rng = np.random.default_rng(2)
    x = np.concatenate([
        rng.uniform(0, 1e3, 3000), 1 + rng.uniform(-0.3, 0.45, 3000), 1 + 10.0 ** rng.uniform(-15, -1, 1000),
        1 - 10.0 ** rng.uniform(-15, -1, 1000), 2.0 ** rng.uniform(-1074, 1023.9, 2000), 2.0 ** np.arange(-1074, 1024.0),
        [5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, math.sqrt(2), math.sqrt(0.5), 1.0, math.e],
    ])  # fmt: skip
    x = x[x > 0]
    got = apply("LN", x)
    with decimal.localcontext(decimal.Context(prec=40, Emin=-10000, Emax=10000)):
        exact = [decimal.Decimal(v).ln() for v in x.tolist()]
        at_one = x == 1.0
        assert (got[at_one] == 0).all()
        assert ulps(got[~at_one], [e for e, one in zip(exact, at_one, strict=True) if not one]) < 2.0


def test_exp_and_ln_outside_their_range() -> None:
    """Nothing below -708, infinite above 709.78, NaN for what has no logarithm."""
    x = np.array(
        [
            -708.0,
            -708.1,
            -1e9,
            -math.inf,
            709.782712893384,
            709.7827128933841,
            710.0,
            1e300,
            math.inf,
            math.nan,
            0.0,
            -0.0,
        ]
    )
    got = apply("EXP", x)
    assert got[0] > 0
    assert (got[1:4] == 0).all()
    assert math.isfinite(got[4])
    assert got[4] == pytest.approx(math.exp(709.782712893384), rel=1e-15)
    assert np.isinf(got[6:9]).all()
    assert math.isnan(got[9])
    assert (got[10:] == 1).all()
    got = apply("LN", np.array([0.0, -0.0, -1.0, -math.inf, math.nan, math.inf, 1.0]))
    assert np.isnan(got[:5]).all()
    assert got[5:].tolist() == [math.inf, 0.0]


def test_powers() -> None:
    """Within a few units for moderate powers; signs and zeros as in arithmetic."""
    rng = np.random.default_rng(3)
    x, p = rng.uniform(0.01, 100, 2000), rng.uniform(-8, 8, 2000)
    assert np.allclose(apply("POW", x, p), x**p, rtol=1e-14, atol=0)
    x = np.array([0.0, 0.0, 0.0, 1.0, 5.0, -2.0, -2.0, -2.0, -2.0, -0.0, math.nan])
    p = np.array([2.0, 0.0, -1.0, 7.5, 0.0, 3.0, 2.0, 0.5, -1.0, 3.0, 1.0])
    got = apply("POW", x, p)
    assert got[[0, 1, 3, 4]].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert got[[5, 6, 8]].tolist() == pytest.approx([-8.0, 4.0, -0.5])
    assert np.isnan(got[[2, 7, 10]]).all()
    assert got[9] == 0


SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 5e-324, -5e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
           -1.7976931348623157e308, 4503599627370495.5, 2251799813685247.5, -2251799813685248.5, 9007199254740993.0, 1e22,
           math.inf, -math.inf, math.nan, 708.0, -708.0, 709.782712893384, 709.79, 0.1, 1 / 3, 140.0]  # fmt: skip


@pytest.mark.parametrize("name", [*BINARY, *WITH_CONSTANT, *UNARY])
def test_same_bits_on_every_instruction_set(name: str) -> None:
    """Random bit patterns, plain numbers and special values, to the last bit."""
    rng = np.random.default_rng(4)
    x = np.concatenate([
        np.repeat(SPECIAL, len(SPECIAL)), rng.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64),
        rng.normal(0, 100, 3000), rng.uniform(-750, 750, 2000),
    ])  # fmt: skip
    y = np.concatenate([
        np.tile(SPECIAL, len(SPECIAL)), rng.integers(0, 2**64, 3000, dtype=np.uint64).view(np.float64),
        rng.normal(0, 100, 3000), rng.uniform(-4, 4, 2000),
    ])  # fmt: skip
    for k in (1.0, 0.5, -2.0, 1e6, 0.0) if name in WITH_CONSTANT else (0.0,):
        results = [apply(name, x, y, k, level) for level in levels()]
        for result in results[1:]:
            same = (result.view(np.uint64) == results[0].view(np.uint64)) | (np.isnan(result) & np.isnan(results[0]))
            assert same.all(), (name, k, x[~same][:3], y[~same][:3])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ADD", np.add), ("SUB", np.subtract), ("MUL", np.multiply), ("DIV", np.divide), ("NEG", np.negative),
        ("ABS", np.abs), ("SQRT", np.sqrt), ("FLOOR", np.floor), ("SINGLE", lambda x: x.astype(np.float32).astype(float)),
    ],
)  # fmt: skip
def test_arithmetic_is_ieee(name: str, expected: Any) -> None:
    """Correctly rounded, as the processor does it."""
    rng = np.random.default_rng(5)
    x = np.concatenate([SPECIAL, rng.normal(0, 1e6, 2000)])
    y = np.concatenate([SPECIAL[::-1], rng.normal(0, 10, 2000)])
    with np.errstate(all="ignore"):
        want = expected(x, y) if name in BINARY else expected(x)
    got = apply(name, x, y)
    if name == "FLOOR":  # beyond 2^51 there is nothing worth rounding
        keep = np.abs(x) < 2.0**51
        got, want = got[keep], want[keep]
    assert ((got == want) | (np.isnan(got) & np.isnan(want))).all()


# -- several at once ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [
    ["EXP", "MULK", "EXP", "RSUBK", "ROUND"], ["NEG", "EXP_NEAR", "ADDK", "RDIVK"], ["ABS", "SQRT", "LN", "POWK", "FLOOR"],
    ["SINGLE", "MINK", "MAXK", "DIVK"], ["ROUND", "ROUND"], [],
])  # fmt: skip
@pytest.mark.parametrize("rows", [1, 63, 64, 1000, BLOCK + 700])
def test_a_chain_is_its_operations_one_by_one(steps: list[str], rows: int) -> None:
    """To the last bit, on every instruction set; also where the register read is the one written."""
    rng = np.random.default_rng(rows)
    x = np.concatenate([SPECIAL, rng.normal(0, 3, rows)])[-rows:]
    k = 100.0
    expected = x
    for step in steps:
        expected = apply(step, expected, k=k, level="baseline")
    listed = [v for step in steps for v in (OPERATIONS[step][0], 0)]
    for to in (0, 1):
        code = [row("F64_F64", 0, 0), row("ONES", 0), row("CHAIN", to, 0, 0, len(steps)), row("OUT_NUM", 0, to, 0)]
        made = program(code, ("f64",), ("number",), doubles=[k], arguments=listed)
        for level in levels():
            out = np.full(rows, np.nan)
            Frame(made, [column(x)], [(out, None)], rows).run(0, rows, level)
            same = (out.view(np.uint64) == expected.view(np.uint64)) | (np.isnan(out) & np.isnan(expected))
            assert same.all(), (level, steps, x[~same][:3], out[~same][:3], expected[~same][:3])


@pytest.mark.parametrize("rows", [1, 7, 8, 63, 64, 1000, BLOCK + 700])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_written_at_once(rows: int, stream: bool) -> None:
    """CHAIN_OUT and LOOKUP_OUT write what CHAIN, LOOKUP and OUT_NUM do, to the last bit, and nothing beyond the rows."""
    rng = np.random.default_rng(rows)
    x = rng.normal(0, 3, rows)
    planes = [np.packbits(rng.random(rows) < 0.5, bitorder="little") for _ in range(4)]
    columns = [column(x), *map(column, planes)]
    steps = [v for step in ("EXP", "MULK", "RSUBK") for v in (OPERATIONS[step][0], 0)]
    arguments = [*steps, 0, 1, 2, *range(8)]  # a chain; planes; a table
    loads = [row("F64_F64", 0, 0), *(row("BITS", i, i + 1) for i in range(4))]
    apart = [row("CHAIN", 1, 0, 0, 3), row("OUT_NUM", 0, 1, 3), row("LOOKUP", 2, 6, 3, 9, 8), row("OUT_NUM", 1, 2, 3)]
    at_once = [row("CHAIN_OUT", 1, 0, 0, 3, 0, 3), row("LOOKUP_OUT", 6, 3, 9, 8, 1, 3), row("OUT_NUM", 2, 1, 3)]
    found = []
    for code, outputs in ((apart, 2), (at_once, 3)):
        made = program(
            loads + code, ("f64", *["bits"] * 4), ("number",) * outputs, arguments=arguments,
            doubles=[100.0, 1.5, -2.5, 3.25, 7.0, 11.0, -13.0, 17.0],
        )  # fmt: skip
        for level in levels():
            out = [np.full(rows + 8, np.pi) for _ in range(outputs)]
            Frame(made, columns, [(o[:rows], None) for o in out], rows).run(0, rows, level, stream)
            assert all((o[rows:] == np.pi).all() for o in out)
            found += [out[:2], [out[-1], out[1]] if outputs == 3 else out[:2]]  # the register holds it too
    for one in found:
        for have, want in zip(one, found[0], strict=True):
            assert (have.view(np.uint64) == want.view(np.uint64)).all()


@pytest.mark.parametrize("rows", [1, 64, 1000, BLOCK + 700])
def test_sums_of_16_bit_integers(rows: int) -> None:
    """Each product is put on the grid, and added in the order of the list, to a constant or to a register."""
    rng = np.random.default_rng(rows)
    shorts = [rng.integers(-(2**15), 2**15, rows).astype(np.int16) for _ in range(2)]
    weights, start = (0.035, -1e-3), 0.25
    want = np.full(rows, start)
    for _ in range(2):
        for x, k in zip(shorts, weights, strict=True):
            want += np.round(x * k * 2.0**44) / 2.0**44
    code = [
        row("SHORT_I16", 0, 0), row("SHORT_I16", 1, 1), row("ONES", 0), row("SCALED_SHORTS", 0, 2, 0, 2),
        row("ADD_SCALED_SHORTS", 1, 0, 0, 2), row("OUT_NUM", 0, 1, 0),
    ]  # fmt: skip
    made = program(code, ("i16", "i16"), ("number",), arguments=[0, 0, 1, 1], doubles=[*weights, start])
    for level in levels():
        out = np.full(rows, np.nan)
        Frame(made, [column(x) for x in shorts], [(out, None)], rows).run(0, rows, level)
        near = np.abs(want) < 100  # where what is added keeps to the grid
        assert (out[near] == want[near]).all()
        assert np.allclose(out, want, rtol=1e-12)


def test_exp_of_what_is_near_is_exp() -> None:
    """The one that looks for neither end gives the same bits."""
    x = np.concatenate([np.linspace(-708, 709, 20_001), [0.0, -0.0, 1e-300, -1e-300]])
    for level in levels():
        assert (apply("EXP_NEAR", x, level=level).view(np.uint64) == apply("EXP", x, level=level).view(np.uint64)).all()


@pytest.mark.parametrize("k", [1.0, 10.0, 1e3, 1e6, 1e9, 7.0, 2.0**30, 2.0**30 + 1, 0.5, 2.5])
def test_rounding_is_one_division(k: float) -> None:
    """nearest(x k) / k as a division rounds it, though AVX-512 multiplies by the inverse and corrects: every whole
    numerator there can be for a probability, large ones, halves, and what overflows."""
    rng = np.random.default_rng(int(k))
    whole = np.concatenate([
        np.arange(1_000_001) if k == 1e6 else rng.integers(0, 2**31, 100_000), rng.integers(2**50, 2**53, 100_000),
        rng.integers(0, 2**20, 1000) + 0.5, -rng.integers(0, 2**40, 1000),
    ])  # fmt: skip
    x = np.concatenate([whole / k, SPECIAL, rng.normal(0, 1e250, 100), [1e308, -1e308, 2.0**51 / k, 2.0**52 / k]])
    with np.errstate(all="ignore"):
        scaled = x * k
        nearest = np.where(np.abs(scaled) < 2.0**51, np.rint(scaled), scaled)
        want = nearest / k
    for level in levels():
        got = apply("ROUND", x, k=k, level=level)
        assert ((got == want) | (np.isnan(got) & np.isnan(want))).all(), level


@given(
    st.lists(
        st.tuples(st.sampled_from(("AND", "OR", "XOR", "ANDNOT", "NOT")), st.integers(0, 5)), min_size=1, max_size=9
    ),
    st.integers(1, 2 * BLOCK),
)
def test_a_fold_is_its_operations_one_by_one(steps: list[tuple[str, int]], rows: int) -> None:
    """On every instruction set."""
    rng = np.random.default_rng(rows)
    planes = rng.random((6, rows)) < 0.5
    want = planes[steps[0][1]]
    for name, plane in steps[1:]:
        x = planes[plane]
        want = {"AND": want & x, "OR": want | x, "XOR": want ^ x, "ANDNOT": want & ~x, "NOT": x & ~want}[name]
    listed = [v for name, plane in steps for v in (OPERATIONS[name][0], plane)]
    code = [*(row("BITS", i, i) for i in range(6)), row("FOLD", 6, 0, len(steps)), row("OUT_BITS", 0, 6)]
    made = program(code, ("bits",) * 6, ("bits",), arguments=listed, planes=7)
    for level in levels():
        out = np.zeros((rows + 63) // 64 * 8, np.uint8)
        Frame(made, [column(np.packbits(p, bitorder="little")) for p in planes], [(out, None)], rows).run(
            0, rows, level
        )
        assert (np.unpackbits(out, bitorder="little")[:rows].astype(bool) == want).all(), level


def _adding(rows: int) -> tuple[Frame, Floats, Floats]:
    x = np.arange(rows, dtype=np.float64)
    code = [
        row("F64_F64", 0, 0),
        row("ONES", 0),
        row("ADDK", 1, 0, 0),
        row("OUT_NUM", 0, 1, 0),
        row("COUNT", 0, 0),
        row("SUM", 1, 1, 0),
    ]
    out = np.full(rows, np.nan)
    return Frame(program(code, ("f64",), ("number",), doubles=[0.1]), [column(x)], [(out, None)], rows), x, out


@pytest.mark.parametrize("helpers", [-1, 0, 1, 3])
@pytest.mark.parametrize("sizes", [[0], [1], [100_000], [10, 0, 70_000, 16_384, 16_385], [50_000] * 12, []])
def test_work_is_shared_and_nothing_is_done_twice(helpers: int, sizes: list[int]) -> None:
    """Every frame is run once, whoever runs it, and sums do not depend on who did; frames may be added as others run."""
    for turn in range(5):
        work = engine.Work(helpers)
        frames = []
        for size in sizes:
            frames.append(_adding(size))
            work.add(frames[-1][0])
        for i, (_, x, out) in enumerate(frames[: turn % 4 * 3]):
            if work.run_until(i):
                assert (out == x + 0.1).all()
                assert work.counters(i)[:, 0].sum() == len(x)
        work.run()
        assert all(work.run_until(i) for i in range(len(sizes)))
        for i, (_, x, out) in enumerate(frames):
            assert (out == x + 0.1).all()
            counters = work.counters(i)
            assert counters[:, 0].sum() == len(x)
            alone = engine.Work()
            alone.add(_adding(len(x))[0])
            alone.run()
            assert (alone.counters(0) == counters).all()


def test_work_may_be_added_after_a_run_and_left_undone() -> None:
    """Helpers end when there is nothing to do and begin again; what is stopped is not begun, and nothing hangs."""
    work = engine.Work(1)
    for _ in range(20):
        frame, x, out = _adding(40_000)
        work.add(frame)
        work.run()
        assert (out == x + 0.1).all()
    for _ in range(20):
        work = engine.Work(2)
        for _ in range(4):
            work.add(_adding(100_000)[0])
        work.stop()
        assert not work.run_until(3)
        work.run()
        for none in (-1, 4):
            with pytest.raises(ValueError, match="no such frame"):
                work.run_until(none)
    engine.Work(2).add(_adding(1_000_000)[0])  # dropped while helpers are at work
    with pytest.raises(ValueError, match="this processor has no"):
        engine.Work(level="sse9").add(_adding(10)[0])
    with pytest.raises(TypeError):
        engine.Work().add(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="made once"):
        work.__init__(1)  # type: ignore[misc]
    work.stop()
    frame, x, out = _adding(70_000)  # nothing is left over of what was stopped
    work.add(frame)
    work.run()
    assert (out == x + 0.1).all()


def test_garbage_in_cycles_frees_nothing_twice() -> None:
    """Parts of memory and work in progress that the collector finds, not their last holder."""
    for _ in range(300):
        part = engine.Memory.several([64, 64], 1 << 20)[0]
        held: list[Any] = [part]
        held.append(held)
    for _ in range(10):
        work = engine.Work(1)
        work.add(_adding(300_000)[0])
        held = [work]
        held.append(held)
        del work, held
        gc.collect()


def test_columns_of_a_batch() -> None:
    """By the Arrow C data interface: slices, nulls, text, and what does not fit."""
    import pyarrow as pa

    batch = pa.record_batch({"x": pa.array([0.5, None, 2.5, 3.5] * 100), "t": pa.array(["a", "b", None, "a"] * 100)})
    code = [row("F64_F64", 0, 0), row("VALID", 0, 0), row("OUT_NUM", 0, 0, 0), row("CODES_STR32", 0, 1), row("RANGE_CODE", 1, 0, 0, 0),
            row("OUT_BITS", 1, 1)]  # fmt: skip
    made = program(code, ("f64", "str32"), ("number", "bits"), integers=[0])
    labels = Labels({"a": 0, "b": 1})
    columns = [(0, None, None), (1, None, labels)]
    for start, rows in ((0, 400), (3, 201), (399, 1), (10, 0)):
        part = batch.slice(start, rows)
        number, bits = np.zeros(rows), np.zeros(rows // 8 + 8, np.uint8)
        frame = Frame(made, columns, [(number, None), (bits, None)], rows, part.__arrow_c_array__())
        del part
        frame.run(0, rows)
        wanted = batch.slice(start, rows)
        assert number.tolist() == [x or 0.0 for x in wanted["x"].to_pylist()]
        assert np.unpackbits(bits, bitorder="little")[:rows].tolist() == [x == "a" for x in wanted["t"].to_pylist()]
    capsule = batch.__arrow_c_array__()
    outputs = [(np.zeros(400), None), (np.zeros(56, np.uint8), None)]
    for wrong, rows, capsule_given in (([(2, None, None), columns[1]], 400, capsule), ([(-1, None, None), columns[1]], 400, capsule),
                               (columns, 399, capsule), (columns, 400, None)):  # fmt: skip
        with pytest.raises(ValueError, match=r"no column|not a batch"):
            Frame(made, wrong, outputs, rows, capsule_given)
    with pytest.raises((ValueError, TypeError)):
        Frame(made, columns, outputs, 400, object())


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_every_operand_is_checked() -> None:
    """For each operation, one operand after another out of range; none is let through."""
    kinds = {"i8", "u8", "i16", "i32", "i64", "f32", "f64", "bits", "dict8", "dict16", "dict32", "str32", "str64"}
    outputs = ("bits", "codes", "short", "number", "flags")
    tried = 0
    for name, operation in OPERATIONS.items():
        code, signature = operation.code, operation.operands
        for column_kind in sorted(kinds):
            for output_kind in outputs:
                at, operands = 1, [code] + [0] * (INSTRUCTION_WIDTH - 1)
                for letter in signature:
                    if letter in LISTS:
                        operands[at], operands[at + 1] = 0, 1
                        at += 2
                    else:
                        at += 1
                made = {
                    "columns": (column_kind,),
                    "outputs": (output_kind,),
                    "arguments": [
                        {
                            "CHAIN": OPERATIONS["NEG"][0],
                            "CHAIN_OUT": OPERATIONS["NEG"][0],
                            "FOLD": OPERATIONS["OR"][0],
                        }.get(name, 0),
                        0,
                        0,
                        0,
                        0,
                        0,
                    ],
                    "integers": [0],
                    "doubles": [0.0],
                }
                try:
                    program([operands], **made)  # type: ignore[arg-type]
                except ValueError as error:
                    assert "kind" in str(error), (name, error)  # noqa: PT017
                    continue
                at = 1
                for letter in signature:
                    for bad in (-1, 10_000, 2**31 - 1, -(2**31)):
                        wrong = [*operands]
                        wrong[at] = bad
                        with pytest.raises(ValueError, match=name):
                            program([wrong], **made)  # type: ignore[arg-type]
                        tried += 1
                        if letter in LISTS:
                            wrong = [*operands]
                            wrong[at + 1] = bad
                            with pytest.raises(ValueError, match=name):
                                program([wrong], **made)  # type: ignore[arg-type]
                    at += 2 if letter in LISTS else 1
    assert tried > 1000


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ANY", [99], "bit plane out of range"),
        ("ANY", [-1], "bit plane out of range"),
        ("OUT_CODES", [4], "bit plane out of range"),
        ("NUM_PLANES", [-1], "bit plane out of range"),
        ("MASKED_ADD", [0, 9], "constant out of range"),
        ("MASKED_ADD", [9, 0], "bit plane out of range"),
        ("CHAIN", [OPERATIONS["NEG"][0], 9], "constant out of range"),
        ("CHAIN", [OPERATIONS["ADD"][0], 0], "not an operation on one register"),
        ("CHAIN", [OPERATIONS["CHAIN"][0], 0], "not an operation on one register"),
        ("FOLD", [OPERATIONS["OR"][0], 99], "bit plane out of range"),
        ("FOLD", [OPERATIONS["OR"][0], 0, OPERATIONS["ANY"][0], 0], "not an operation on planes"),
        ("FOLD", [], "a list of 0 items"),
        ("SCALED_SHORTS", [9, 0], "register out of range"),
        ("ADD_SCALED_SHORTS", [0, 9], "constant out of range"),
    ],
)
def test_argument_lists_are_checked(name: str, arguments: list[int], message: str) -> None:
    """What stands in a list is checked like an operand."""
    signature = OPERATIONS[name][1]
    code, at = row(name), 1
    for letter in signature:
        if letter in "lmpsvd":
            code[at], code[at + 1] = 0, len(arguments) // (1 if letter == "l" else 2)
            at += 2
        else:
            at += 1
    with pytest.raises(ValueError, match=message):
        program([code], outputs=("codes",), arguments=arguments, doubles=[1.0])


def test_programs_that_make_no_sense() -> None:
    """Unknown operations and kinds; sizes under nothing; more planes than a byte holds."""
    with pytest.raises(ValueError, match="unknown operation"):
        program([[10_000] + [0] * (INSTRUCTION_WIDTH - 1)])
    with pytest.raises(ValueError, match="unknown operation"):
        program([[-1] + [0] * (INSTRUCTION_WIDTH - 1)])
    with pytest.raises(ValueError, match="more operands than it takes"):
        program([row("EXP", 1, 0, 5)])
    with pytest.raises(ValueError, match="unknown column kind"):
        program([], columns=("i128",))
    with pytest.raises(ValueError, match="unknown output kind"):
        program([], outputs=("text",))
    with pytest.raises(ValueError, match="more than 8 bit planes"):
        program([row("OUT_CODES", 0, 0, 9)], outputs=("codes",), arguments=[0] * 9)
    with pytest.raises(ValueError, match="out of range"):
        program([row("ZERO", 0)], planes=0)
    for name in ("planes", "bytes", "shorts", "numbers", "counters"):
        with pytest.raises(ValueError, match=r"negative|out of range"):
            program([], **{name: -1})
    with pytest.raises(ValueError):
        Program([[0] * (INSTRUCTION_WIDTH - 1)], [], [], [], [], [], 1, 0, 0, 0, 0)


NUMBER = ("f64",), ("number",)
COPY = [row("F64_F64", 0, 0), row("ONES", 0), row("OUT_NUM", 0, 0, 0)]


def test_buffers_that_are_too_short() -> None:
    """Input and output buffers are measured before anything runs."""
    copy = program(COPY, *NUMBER)
    x, out = np.zeros(100), np.zeros(100)
    Frame(copy, [column(x)], [(out, None)], 100).run(0, 100)
    for values, valid, offset, rows in (
        (x[:99], None, 0, 100), (x, None, 1, 100), (x, np.zeros(12, np.uint8), 0, 100), (x, np.zeros(13, np.uint8), 5, 100),
        (None, None, 0, 100), (x, None, -1, 100), (x, None, 2**62, 100), (x, None, 2**63 - 50, 100), (x, None, 0, 2**62),
    ):  # fmt: skip
        with pytest.raises((ValueError, OverflowError)):
            Frame(
                copy, [column(values, valid, offset)], [(np.zeros(max(rows, 100) if rows < 1000 else 100), None)], rows
            )
    for made in ([(out[:99], None)], [(None, None)], [(out, np.zeros(12, np.uint8))], []):
        with pytest.raises((ValueError, TypeError)):
            Frame(copy, [column(x)], made, 100)
    with pytest.raises(ValueError, match="do not fit"):
        Frame(copy, [], [(out, None)], 100)
    with pytest.raises((ValueError, BufferError, TypeError)):  # bytes cannot be written
        Frame(copy, [column(x)], [(bytes(800), None)], 100)
    with pytest.raises(ValueError):
        Frame(copy, [column(x)], [(out, None)], -1)


def test_dictionaries_and_text_need_their_tables() -> None:
    """A code table of 256 entries, and labels."""
    codes = program(
        [row("CODES_I8", 0, 0), row("RANGE_CODE", 0, 0, 0, 0), row("OUT_BITS", 0, 0)],
        ("dict8",),
        ("bits",),
        integers=[0],
    )
    x, out = np.zeros(10, np.int8), np.zeros(8, np.uint8)
    Frame(codes, [column(x, table=np.zeros(256, np.uint8))], [(out, None)], 10)
    for table in (np.zeros(255, np.uint8), None):
        with pytest.raises((ValueError, TypeError)):
            Frame(codes, [column(x, table=table)], [(out, None)], 10)
    text = program(
        [row("CODES_STR32", 0, 0), row("RANGE_CODE", 0, 0, 0, 0), row("OUT_BITS", 0, 0)],
        ("str32",),
        ("bits",),
        integers=[0],
    )
    offsets = np.zeros(11, np.int32)
    Frame(text, [column(offsets, characters=b"", labels=Labels({"a": 0}))], [(out, None)], 10).run(0, 10)
    with pytest.raises((ValueError, TypeError)):
        Frame(text, [column(offsets, characters=b"")], [(out, None)], 10)
    with pytest.raises(ValueError):
        Frame(text, [column(offsets[:10], characters=b"", labels=Labels({"a": 0}))], [(out, None)], 10)


def test_table_sizes_are_checked() -> None:
    """The number of entries in use is of a column that there is, and at most 256."""
    codes = program([row("CODES_I8", 0, 0)], ("dict8",), ())
    columns = [column(np.zeros(10, np.int8), table=np.zeros(256, np.uint8))]
    Frame(codes, columns, [], 10, sizes={0: 256})
    for sizes in ({1: 5}, {-1: 5}, {10**9: 5}, {0: 257}, {0: -1}):
        with pytest.raises((ValueError, OverflowError, IndexError)):
            Frame(codes, columns, [], 10, sizes=sizes)


def test_labels_are_checked() -> None:
    """At most 32 bytes and 256 spellings, codes that fit a byte."""
    Labels({"x" * 32: 0})
    with pytest.raises(ValueError, match="longer than 32 bytes"):
        Labels({"x" * 33: 0})
    with pytest.raises(ValueError, match="256"):
        Labels({str(i): 0 for i in range(257)})
    with pytest.raises((ValueError, OverflowError)):
        Labels({"x": 256})


def test_rows_out_of_range() -> None:
    """Runs start at whole words and stop within the batch; levels that there are."""
    copy = program(COPY, *NUMBER)
    frame = Frame(copy, [column(np.zeros(100))], [(np.zeros(100), None)], 100)
    for start, stop in ((1, 64), (-64, 64), (0, 101), (64, 10**9)):
        with pytest.raises(ValueError, match="rows out of range"):
            frame.run(start, stop)
    assert frame.run(64, 64).tolist() == [0, 0]
    assert frame.run(64, 0).tolist() == [0, 0]
    with pytest.raises((ValueError, KeyError)):
        frame.run(0, 64, "sse9")
    for name in set(LEVELS) - set(levels()):
        with pytest.raises(ValueError, match=name):
            frame.run(0, 64, name)


def test_a_checked_program_cannot_be_changed() -> None:
    """Neither through its arrays nor through those it was made from."""
    code = np.array(COPY, dtype=np.int32)
    doubles, integers, arguments = np.zeros(1), np.zeros(1, np.int64), np.zeros(1, np.int32)
    made = Program(code, arguments, integers, doubles, ("f64",), ("number",), 1, 0, 0, 1, 0)  # type: ignore[arg-type]
    listing = made.listing()
    code[0, 1] = 10**6
    arguments[0] = 10**6
    assert made.listing() == listing
    for array in (made.code, made.arguments, made.integers, made.doubles):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1
    with pytest.raises(AttributeError):
        made.planes = 99  # type: ignore[misc]


# -- running -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 63, 64, 65, 127, 4095, BLOCK, BLOCK + 1, 2 * BLOCK + 77])
@pytest.mark.parametrize("offset", [0, 1, 5, 8, 63, 64, 67])
def test_bitmaps_at_any_offset(rows: int, offset: int) -> None:
    """Bits are read from any offset, no byte beyond the last one, and bits past the last row stay clear."""
    rng = np.random.default_rng(rows + offset)
    flags = rng.random(offset + rows) < 0.4
    valid = rng.random(offset + rows) < 0.7
    made = program(
        [row("BITS", 0, 0), row("VALID", 1, 0), row("AND", 2, 0, 1), row("OUT_BITS", 0, 2), row("OUT_VALID", 0, 1), row("COUNT", 0, 2)],
        ("bits",), ("bits",), counters=1,
    )  # fmt: skip
    bitmap, mask = np.packbits(flags, bitorder="little"), np.packbits(valid, bitorder="little")
    for level in levels():
        out, known = (np.full((rows + 63) // 64 * 8 + 8, 0xAA, np.uint8) for _ in range(2))
        frame = Frame(made, [column(bitmap.copy(), mask.copy(), offset)], [(out, known)], rows)
        counters = frame.run(0, rows, level)
        want = (flags & valid)[offset:]
        assert np.unpackbits(out, bitorder="little")[:rows].astype(bool).tolist() == want.tolist()
        assert np.unpackbits(known, bitorder="little")[:rows].astype(bool).tolist() == valid[offset:].tolist()
        assert counters.tolist() == [want.sum()]
        if rows % 8 and rows:
            assert out[rows // 8] >> (rows % 8) == 0
        assert (out[(rows + 7) // 8 :] == 0xAA).all()


def test_labels_of_text() -> None:
    """A to Z in any case, spaces around, empty is null, anything else unknown; offsets that do not start at nothing."""
    words = ["female", "FEMALE", " Female  ", "", "   ", "fem", "females", "x" * 40, "y" * 32, "male", "é", "female"]
    text = "skipped" + "".join(words)
    offsets = np.cumsum([len(b"skipped"), *(len(w.encode()) for w in words)])
    want = [0, 0, 0, CODE_NULL, CODE_NULL, CODE_UNKNOWN, CODE_UNKNOWN, CODE_UNKNOWN, 7, 1, 9, 0]
    labels = Labels({"female": 0, "male": 1, "y" * 32: 7, "é": 9})
    for kind, dtype in (("str32", np.int32), ("str64", np.int64)):
        operation = "CODES_STR32" if kind == "str32" else "CODES_STR64"
        made = program([row(operation, 0, 0), *(row("RANGE_CODE", i, 0, i, i) for i in range(6)), *(row("OUT_BITS", i, i) for i in range(6))],
                       (kind,), ("bits",) * 6, integers=[0, 1, 7, 9, CODE_NULL, CODE_UNKNOWN], planes=6)  # fmt: skip
        for level in levels():
            outs = [(np.zeros(8, np.uint8), None) for _ in range(6)]
            frame = Frame(
                made, [column(offsets.astype(dtype), characters=text.encode(), labels=labels)], outs, len(words)
            )
            frame.run(0, len(words), level)
            found = [np.unpackbits(out, bitorder="little")[: len(words)] for out, _ in outs]
            codes = [[0, 1, 7, 9, CODE_NULL, CODE_UNKNOWN][[f[i] for f in found].index(1)] for i in range(len(words))]
            assert codes == want, level


def matched(codes: dict[str, int], word: str) -> int:
    """The code of a label, as it would be written down."""
    text = "".join(c.lower() if "A" <= c <= "Z" else c for c in word.strip(" "))
    return codes.get(text, CODE_UNKNOWN) if text else CODE_NULL


SEVERAL = {
    "few": {"female": 0, "male": 1, "eight ch": 2, "of nine ch": 3},
    "sixteen with no text": {f"l{i}": i for i in range(15)},
    "none of more than eight bytes": {f"{i:x}": i for i in range(20)} | {"a\0": 20, "é": 21},
    "more than there are slots for": {f"k{i}": i for i in range(60)},
    "with spaces": {"a": 0, " a": 1, "a ": 2},
}


@pytest.mark.parametrize("codes", SEVERAL.values(), ids=SEVERAL.keys())
@pytest.mark.parametrize("odd", [0.0, 0.02, 0.6])
@pytest.mark.parametrize("empty", [0.0, 0.95])
@pytest.mark.parametrize("rows", [1, 16, 17, 63, 1000, BLOCK + 77])
def test_many_labels_of_text(rows: int, empty: float, odd: float, codes: dict[str, int]) -> None:
    """However many labels are looked up at once, each comes out as by itself: few or many of them unusual, from any row."""
    rng = random.Random(rows)
    unusual = [
        "",
        " ",
        "x",
        " a",
        "FEMALE ",
        "Eight Ch",
        "female\0",
        "a\0",
        "A",
        "not any of them",
        "\0",
        "É",
        "K59",
        "5",
        "@[`{~",
        "\u07ff" * 4,
    ]
    words = [rng.choice(unusual) if rng.random() < odd else rng.choice([*codes, ""]) for _ in range(rows + 3)]
    words = ["" if rng.random() < empty else word for word in words]
    text = "".join(words).encode()
    offsets = np.cumsum([0, *(len(w.encode()) for w in words)])
    want = [matched(codes, w) for w in words[3:]]
    for kind, dtype in (("str32", np.int32), ("str64", np.int64)):
        values = sorted({*codes.values(), CODE_NULL, CODE_UNKNOWN})
        code = [row(f"CODES_{kind.upper()}", 0, 0)]
        for i in range(len(values)):
            code += [row("RANGE_CODE", 0, 0, i, i), row("OUT_BITS", i, 0)]
        made = program(code, (kind,), ("bits",) * len(values), integers=values)
        read = [column(offsets.astype(dtype), characters=text, labels=Labels(codes), offset=3)]
        for level in levels():
            outs = [(np.zeros((rows + 7) // 8, np.uint8), None) for _ in values]
            Frame(made, read, outs, rows).run(0, rows, level)
            bits = np.array([np.unpackbits(out, bitorder="little")[:rows] for out, _ in outs])
            assert (bits.sum(axis=0) == 1).all(), level
            assert np.array(values)[bits.argmax(axis=0)].tolist() == want, level


@pytest.mark.parametrize(("kind", "dtype"), [("str32", np.int32), ("str64", np.int64)])
def test_offsets_whose_differences_are_too_large_for_their_type(kind: str, dtype: Any) -> None:
    """They look like those of short texts, and lead far outside."""
    info, rows = np.iinfo(dtype), 130
    ends = [[info.max, *[info.min] * rows], [0] * 20 + [info.max - 3, info.max] + [info.min + 1] * (rows - 21)]
    ends.append([*[5] * 64, info.max, *[info.min] * 3, *[6] * (rows - 67)])
    code = [row(f"CODES_{kind.upper()}", 0, 0), row("RANGE_CODE", 0, 0, 0, 0), row("OUT_BITS", 0, 0)]
    made = program(code, (kind,), ("bits",), integers=[CODE_UNKNOWN])
    text, labels = b"abc" * 100, Labels({"abc": 0, "a": 1})
    for offsets in ends:
        inside = [0 <= a <= b <= len(text) for a, b in itertools.pairwise(offsets)]
        for level in levels():
            out = np.zeros((rows + 7) // 8, np.uint8)
            read = column(np.array(offsets, dtype), characters=text, labels=labels)
            Frame(made, [read], [(out, None)], rows).run(0, rows, level)
            found = np.unpackbits(out, bitorder="little")[:rows].astype(bool)
            assert (found == ~np.array(inside)).all(), level


KNOWN = {
    "close together": {5: 0, 6: 1, 9: CODE_NULL},
    "in some places": {3: 0, 130: 1, 200: 2, 240: 3},
    "in too many places": {20 * i: i for i in range(10)},
    "far apart": {0: 0, 300: 1},
    "none": {},
    "the last": {366: 4},
}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN.keys())
@pytest.mark.parametrize("entries", [367, 5_000])
@pytest.mark.parametrize("rows", [1, 64, 1000, BLOCK + 77])
def test_labels_among_others_of_a_large_dictionary(rows: int, entries: int, known: dict[int, int]) -> None:
    """Wherever they stand in it, and whatever the indices."""
    rng = np.random.default_rng(rows)
    table = np.full(entries, CODE_UNKNOWN, np.uint8)
    for entry, code in known.items():
        table[entry] = code
    likely = np.array([*known, 0, 1, 255, 256, entries - 1, entries, 2**31, 2**32 - 1, 2**32 - 3], np.uint32)
    indices = np.where(rng.random(rows + 3) < 0.7, rng.choice(likely, rows + 3), rng.integers(0, 400, rows + 3))
    indices = indices.astype(np.uint32)
    values = sorted({*known.values(), CODE_NULL, CODE_UNKNOWN})
    code = [row("CODES_I32", 0, 0)]
    for i in range(len(values)):
        code += [row("RANGE_CODE", 0, 0, i, i), row("OUT_BITS", i, 0)]
    made = program(code, ("dict32",), ("bits",) * len(values), integers=values)
    want = [int(table[i]) if i < entries else CODE_UNKNOWN for i in indices[3:].tolist()]
    for level in levels():
        outs = [(np.zeros((rows + 7) // 8, np.uint8), None) for _ in values]
        Frame(made, [column(indices, table=table, offset=3)], outs, rows, sizes={0: entries}).run(0, rows, level)
        bits = np.array([np.unpackbits(out, bitorder="little")[:rows] for out, _ in outs])
        assert (bits.sum(axis=0) == 1).all(), level
        assert np.array(values)[bits.argmax(axis=0)].tolist() == want, level


@pytest.mark.parametrize("kind", ["f32", "f64"])
@pytest.mark.parametrize(
    ("low", "high"),
    [(1.5, 200.0), (0.0, 3000.0), (-2.0, 2.0), (-math.inf, 2.0), (1.5, math.inf), (5e-324, 1.0), (3, 2)],
)
def test_ranges_of_floats(kind: str, low: float, high: float) -> None:
    """Both ends included; NaN is in no range, whatever its sign, and the sign of a zero does not matter."""
    dtype = np.dtype(kind[0] + str(int(kind[1:]) // 8))
    low, high = float(dtype.type(low)), float(dtype.type(high))
    ends = [
        k for x in (low, high) for k in (x, np.nextafter(dtype.type(x), np.inf), np.nextafter(dtype.type(x), -np.inf))
    ]
    special = [0.0, -0.0, math.inf, -math.inf, math.nan, -math.nan, -1.0, 1.0, -200.0, 5e-324, -1e-40, 1e30, -1e30]
    rng = np.random.default_rng(5)
    for rows in (1, 7, 63, 200, BLOCK + 13):
        x = rng.choice(np.array([*ends, *special], dtype), rows)
        made = program(
            [row(f"RANGE_{kind.upper()}", 0, 0, 0, 1), row("OUT_BITS", 0, 0)], (kind,), ("bits",), doubles=[low, high]
        )
        for level in levels():
            out = np.zeros((rows + 7) // 8, np.uint8)
            Frame(made, [column(x)], [(out, None)], rows).run(0, rows, level)
            found = np.unpackbits(out, bitorder="little")[:rows].astype(bool)
            assert (found == ((x >= low) & (x <= high))).all(), level


def test_pickling() -> None:
    """A program pickles to one that gives the same."""
    made = program([*COPY, row("COUNT", 0, 0)], *NUMBER)
    again = pickle.loads(pickle.dumps(made))
    assert again.listing() == made.listing()
    x, out = np.arange(10.0), np.zeros(10)
    assert Frame(again, [column(x)], [(out, None)], 10).run(0, 10).tolist() == [10, 0]
    assert out.tolist() == x.tolist()
    spoilt = made.__reduce__()
    arguments = [np.array(a) if isinstance(a, np.ndarray) else a for a in spoilt[1]]
    arguments[0][0, 2] = 77
    with pytest.raises(ValueError, match="out of range"):
        spoilt[0](*arguments)


def test_buffers_are_kept_alive() -> None:
    """A frame holds what it points at, whatever happens to the caller's names."""
    copy = program(COPY, *NUMBER)
    out = np.zeros(100_000)
    frame = Frame(copy, [column(np.arange(100_000.0))], [(out, None)], 100_000)
    rubbish = [np.random.default_rng(0).random(100_000) for _ in range(20)]
    del rubbish
    frame.run(0, 100_000)
    assert (out == np.arange(100_000.0)).all()


def test_threads_on_disjoint_rows() -> None:
    """One frame, many threads, each its own rows: the same outputs and counters that add up."""
    rows = 64 * 5000
    x = np.random.default_rng(0).normal(size=rows)
    made = program([row("F64_F64", 0, 0), row("EXP", 1, 0), row("RANGE_NUM", 0, 1, 0, 1), row("OUT_NUM", 0, 1, 0), row("COUNT", 0, 0)],
                   *NUMBER, doubles=[0.5, 2.0], counters=1)  # fmt: skip
    out, alone = np.zeros(rows), np.zeros(rows)
    total = Frame(made, [column(x)], [(alone, None)], rows).run(0, rows)[0]
    frame = Frame(made, [column(x)], [(out, None)], rows)
    found: list[int] = []

    def work(part: int) -> None:
        for start in range(part * 64 * 50, rows, 64 * 50 * 8):
            found.append(int(frame.run(start, min(start + 64 * 50, rows))[0]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (out == alone).all()
    assert sum(found) == total


def test_the_grid_is_the_one_that_the_reference_adds_up_on() -> None:
    assert GRID == engine.GRID_STEP
    assert on_grid(0.1) == round(0.1 / engine.GRID_STEP) * engine.GRID_STEP
    assert on_grid(-3.7e-14) == -engine.GRID_STEP


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=60), st.integers(0, 2**32 - 1))
def test_sums_on_the_grid_are_exact_in_any_order(weights: list[float], seed: int) -> None:
    terms = [on_grid(w) for w in weights]
    exact = sum(map(fractions.Fraction, terms))
    assert fractions.Fraction(sum(random.Random(seed).sample(terms, len(terms)))) == exact


@pytest.mark.parametrize("terms", [1, 2, 4, 5, 6, 8, 9, 16, 55, 74, 75, 76, 151])
def test_weights_add_up_exactly(terms: int) -> None:
    """Looked up in tables of sums or added one by one, in any order: the same double."""
    rng = np.random.default_rng(terms)
    rows = BLOCK + 200
    flags = rng.random((terms, rows)) < 0.5
    weights = [on_grid(w) for w in rng.uniform(-1.6, 1.6, terms)]
    start = on_grid(0.7)
    code = [row("FILL", 0, terms), *(row("BITS", t, t) for t in range(terms)), row("WEIGH", 1, 0, 0, terms)]
    code += [row("ONES", terms), row("OUT_NUM", 0, 1, terms)]
    made = program(
        code, ("bits",) * terms, ("number",), planes=terms + 1, doubles=[*weights, start],
        arguments=[x for t in range(terms) for x in (t, t)],
    )  # fmt: skip
    columns = [column(np.packbits(f, bitorder="little")) for f in flags]
    want = np.array([start + math.fsum(w for w, on in zip(weights, r, strict=True) if on) for r in flags.T])
    for level in levels():
        out = np.full(rows, np.nan)
        Frame(made, columns, [(out, None)], rows).run(0, rows, level)
        assert (out == want).all(), level


def test_weights_that_do_not_add_up_exactly_are_refused() -> None:
    for weights in ([0.1], [on_grid(0.1), 256.0], [math.nan], [math.inf]):
        with pytest.raises(ValueError, match="do not add up exactly"):
            program(
                [row("FILL", 0, 0), row("WEIGH", 1, 0, 0, len(weights))], doubles=weights,
                arguments=[x for i in range(len(weights)) for x in (0, i)],
            )  # fmt: skip


@pytest.mark.parametrize("rows", [1, 31, 64, 100, BLOCK, BLOCK + 333])
def test_writing_past_the_caches_writes_the_same(rows: int) -> None:
    rng = np.random.default_rng(rows)
    x, age = rng.normal(size=rows), rng.integers(0, 100, rows).astype(np.int16)
    flags = np.packbits(rng.random(rows) < 0.4, bitorder="little")
    made = program(
        [
            row("F64_F64", 0, 0), row("BITS", 0, 1), row("F64_I16", 1, 2), row("SHORT_NUM", 0, 1), row("OUT_NUM", 0, 0, 0),
            row("OUT_SHORT", 1, 0, 0), row("OUT_CODES", 2, 0, 1), row("OUT_FLAGS", 3, 1, 1),
        ],
        ("f64", "bits", "i16"), ("number", "short", "codes", "flags"), arguments=[0, 0, 5],
    )  # fmt: skip
    found = []
    for level in levels():
        for stream in (False, True):
            outputs = [aligned(rows * size) for size in (8, 2, 1, 8)]
            frame = Frame(made, [column(x), column(flags), column(age)], [(o, None) for o in outputs], rows)
            frame.run(0, rows, level, stream=stream)
            found.append([o.tobytes() for o in outputs])
    on = np.unpackbits(flags, bitorder="little")[:rows].astype(bool)
    assert np.frombuffer(found[0][0]).tolist() == np.where(on, x, 0).tolist()
    assert np.frombuffer(found[0][3], np.uint64).tolist() == np.where(on, 32, 0).tolist()
    assert all(f == found[0] for f in found)


def aligned(size: int) -> NDArray[np.uint8]:
    """Bytes at an address that is a multiple of 64, as Arrow gives them."""
    memory = np.zeros(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size]


def test_memory_is_used_again_only_when_nobody_holds_it() -> None:
    """Whoever keeps a view of a buffer, or of a part of it, keeps what it holds; once all are gone it is given out."""
    size = 3 * engine.LARGE
    first = np.frombuffer(engine.Memory(size), np.uint8)
    first[:] = 1
    part = first[100:200]
    address = first.ctypes.data
    del first
    others = [np.frombuffer(engine.Memory(size), np.uint8) for _ in range(4)]
    for other in others:
        other[:] = 2
    assert (part == 1).all()
    assert len({address, *(o.ctypes.data for o in others)}) == 5
    del part
    assert np.frombuffer(engine.Memory(size), np.uint8).ctypes.data == address
    for wrong in (-1, 2**62):
        with pytest.raises(ValueError, match="out of range"):
            engine.Memory(wrong)
