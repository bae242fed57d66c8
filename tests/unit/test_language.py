"""The rule language: what binds tighter, null logic as in SQL, constants folded as they would be evaluated."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import datetime as dt
import itertools
import math
import random
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from spec_tables import local_pack, score_at

from popstrat.engine import levels
from popstrat.errors import PackError
from popstrat.lang import nodes as n
from popstrat.lang.lookup import Lookup
from popstrat.lang.parser import ExpressionError, parse, parse_condition
from popstrat.packs.evaluator import Reference
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
INPUTS = """
[windows.recent]
months = 12
[windows.month]
months = 1
[parameters.cut]
value = 58
[parameters.share]
value = 0.36
[parameters.choice]
value = true
[parameters.day]
value = 2020-02-29
[sets.some]
members = ["p", "q"]
[[input]]
name = "x"
type = "float"
[[input]]
name = "y"
type = "float"
[[input]]
name = "p"
type = "bool"
[[input]]
name = "q"
type = "bool"
[[input]]
name = "word"
type = "category"
labels = ["low", "high", "odd one"]
[[input]]
name = "day_x"
type = "date"
dates = ["x"]
[[input]]
name = "day_y"
type = "date"
"""


def evaluate(expressions: list[str], rows: list[dict[str, Any]], absent: tuple[str, ...] = ()) -> list[list[Any]]:
    """Each expression's value for each row: from the engine on every instruction set, and from the reference."""
    pack = INPUTS + "".join(
        f'[definition.e{i}]\nkind = "expression"\ntitle = "e"\nversion = "1"\nsource = "s"\noutput = true\n'
        f"value = '''{text}'''\n"
        for i, text in enumerate(expressions)
    )
    # windows and parameters that no rule uses are an error: one more definition uses them all
    pack += """
[definition.uses]
kind = "expression"
title = "u"
version = "1"
source = "s"
value = "recent(day_x) or month(day_x) or x > cut or x > share or choice or day_x > day or any(some)"
"""
    scorer = Scorer(local_pack(pack, extends=""), AS_OF)
    types = {"x": pa.float64(), "y": pa.float64(), "p": pa.bool_(), "q": pa.bool_(), "word": pa.string(),
             "day_x": pa.date32(), "day_y": pa.date32()}  # fmt: skip
    columns = {"patient_id": pa.array(range(len(rows))), "practice_code": pa.array(["Y"] * len(rows)),
               "sex": pa.nulls(len(rows)), "age": pa.array([50] * len(rows))}  # fmt: skip
    columns |= {k: pa.array([row.get(k) for row in rows], kind) for k, kind in types.items() if k not in absent}
    batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
    bound = scorer.bind(batch.schema)
    scored = bound.score(batch)[0]
    for level in levels():
        assert score_at(bound, batch, level).equals(scored)
    reference = Reference(scorer.resolved, set(columns))
    wanted = [reference.score(row) for row in batch.to_pylist()]
    found = [scored.column(f"e{i}").to_pylist() for i in range(len(expressions))]
    for i, text in enumerate(expressions):
        for have, want in zip(found[i], (w[f"e{i}"] for w in wanted), strict=True):
            assert have == want or (isinstance(have, float) and math.isclose(have, want, rel_tol=1e-14)), text
    return found


def one(expression: str, **row: Any) -> Any:
    return evaluate([expression], [row])[0][0]


# A condition that is true, false or unknown.
TRUTH = {True: "x > 0", False: "x < 0", None: "y > 0"}
ROW = {"x": 1.0, "y": None}


@pytest.mark.parametrize(("a", "b"), list(itertools.product(TRUTH, TRUTH)))
def test_and_or(a: bool | None, b: bool | None) -> None:
    """As in SQL: false and unknown is false, true or unknown is true, else unknown."""
    both = False if False in (a, b) else None if None in (a, b) else True
    either = True if True in (a, b) else None if None in (a, b) else False
    for word, want in (("and", both), ("or", either)):
        text = f"({TRUTH[a]}) {word} ({TRUTH[b]})"
        found = evaluate([text, f"not ({text})", f"({text}) is null", f"1 if {text} else 2"], [ROW])
        assert [f[0] for f in found] == [want is True, want is False, want is None, 1.0 if want else 2.0]


@pytest.mark.parametrize("a", TRUTH)
def test_not(a: bool | None) -> None:
    """Not unknown is unknown; twice not is the same again."""
    want = None if a is None else not a
    text = f"not ({TRUTH[a]})"
    found = evaluate([text, f"not ({text})", f"({text}) is null"], [ROW])
    assert [f[0] for f in found] == [want is True, a is True, want is None]


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_comparing_with_null_is_unknown(sign: str) -> None:
    """Of numbers, dates and categories, on either side."""
    texts = [f"x {sign} y", f"y {sign} x", f"y {sign} 3", f"3 {sign} y", f"day_x {sign} day_y"]
    if sign in ("==", "!="):
        texts += [f'word {sign} "low"', f'"low" {sign} word']
    row = {"x": 1.0, "day_x": AS_OF}
    found = evaluate([t for text in texts for t in (text, f"not ({text})", f"({text}) is null")], [row])
    assert [f[0] for f in found] == [False, False, True] * len(texts)


def test_membership_in_null() -> None:
    """Null is neither in a list nor out of it; a list without a match says no."""
    texts = ['word in {"low", "high"}', 'word not in {"low", "high"}', "x in {1, 2}", "x not in {1, 2}",
             "day_x in {as_of, day}", "day_x not in {as_of, day}"]  # fmt: skip
    rows = [{}, {"word": "low", "x": 1.0, "day_x": AS_OF}, {"word": "odd one", "x": 3.0, "day_x": dt.date(2020, 1, 1)}]
    assert evaluate(texts, rows) == [[False, True, False], [False, False, True]] * 3


def test_is_null() -> None:
    """True or false, never unknown."""
    rows = [{}, {"x": 1.0, "word": "low", "day_x": AS_OF}]
    texts = ["x is null", "word is null", "day_x is null", "x + y is null", "(x > 0) is null"]
    for text, got in zip(texts, evaluate(texts, rows), strict=True):
        assert got == [True, text == "x + y is null"]
    for text, got in zip(texts, evaluate([t.replace("is null", "is not null") for t in texts], rows), strict=True):
        assert got == [False, text != "x + y is null"]


def test_a_null_flag_is_false() -> None:
    """Flags know two values; so does a rule used by its name."""
    assert evaluate(["p", "not p", "p or q", "p and q"], [{}, {"p": False, "q": True}, {"p": True, "q": True}]) == [
        [False, False, True], [True, True, False], [False, True, True], [False, False, True],
    ]  # fmt: skip
    pack = (
        INPUTS
        + """
[definition.unsure]
kind = "expression"
title = "u"
version = "1"
source = "s"
value = "x > 0 and not recent(day_x) and not month(day_x) and x > cut and x > share and choice and day_x > day and any(some)"
[definition.out]
kind = "expression"
title = "u"
version = "1"
source = "s"
output = true
value = "not unsure"
"""
    )
    batch = pa.table({"patient_id": [1], "practice_code": ["Y"], "sex": ["F"], "age": [1]}).to_batches()[0]
    assert Scorer(local_pack(pack, extends=""), AS_OF).score_batch(batch).column("out").to_pylist() == [True]


def test_coalesce() -> None:
    """The first that is not null; of numbers, dates and categories."""
    rows = [{}, {"x": 1.0}, {"y": 2.0}, {"x": 1.0, "y": 2.0}]
    assert evaluate(["coalesce(x, y)", "coalesce(x, y, 7)", "coalesce(null, y)"], rows) == [
        [None, 1.0, 2.0, 1.0], [7.0, 1.0, 2.0, 1.0], [None, None, 2.0, 2.0],
    ]  # fmt: skip
    assert evaluate(['coalesce(word, "low")'], [{}, {"word": "high"}]) == [["low", "high"]]
    assert evaluate(["coalesce(day_x, day_y, day) == day"], [{}, {"day_y": AS_OF}]) == [[True, False]]


def test_choice_takes_the_other_branch_when_unknown() -> None:
    """`a if c else b` gives b where c is unknown or false."""
    rows = [{}, {"x": 1.0}, {"x": -1.0}]
    texts = [
        '"low" if x > 0 else "high"',
        "1 if x > 0 else 2",
        "1 if x > 0 else null",
        "1 if x > 0 else 2 if x < 0 else 3",
    ]
    assert evaluate(texts, rows) == [["high", "low", "high"], [2.0, 1.0, 2.0], [None, 1.0, None], [3.0, 1.0, 2.0]]


# -- what binds tighter --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("p or q and x > 1", "p or (q and (x > 1))"),
        ("not p and q", "(not p) and q"),
        ("not p or q", "(not p) or q"),
        ("not x > 1", "not (x > 1)"),
        ("not x > 1 and p", "(not (x > 1)) and p"),
        ("x + y * 2 > 3", "(x + (y * 2)) > 3"),
        ("x - y - 1 > 0", "((x - y) - 1) > 0"),
        ("x / y / 2 > 0", "((x / y) / 2) > 0"),
        ("-x ** 2 < 0", "(-(x ** 2)) < 0"),
        ("2 ** y ** 2 > 100", "(2 ** (y ** 2)) > 100"),
        ("1 < x < 3", "(1 < x) and (x < 3)"),
        ("1 < x < y < 9", "(1 < x) and (x < y) and (y < 9)"),
        ("x < 3 > y", "(x < 3) and (3 > y)"),
        ("x > 1 or y > 1 and not p", "(x > 1) or ((y > 1) and (not p))"),
        ("p or q if x > 1 else p and q", "(p or q) if (x > 1) else (p and q)"),
        ("x is null or p", "(x is null) or p"),
        ("not x is null", "not (x is null)"),
        ('word in {"low"} or p', '(word in {"low"}) or p'),
        ('not word in {"low"}', 'word not in {"low"}'),
        ("x + 1 in {2, 3}", "(x + 1) in {2, 3}"),
        ("p and q or p and x > 1", "(p and q) or (p and (x > 1))"),
    ],
)
def test_precedence(text: str, brackets: str) -> None:
    """As in Python, which is as in SQL."""
    values = [None, -1.0, 0.5, 1.0, 1.5, 2.0, 4.0]
    rows = [
        {"x": x, "y": y, "p": p, "q": q, "word": w}
        for (x, y), p, q, w in itertools.product(
            itertools.product(values, values), (True, False, None), (True, None), ("low", None)
        )
    ]
    found = evaluate([text, brackets], rows)
    assert found[0] == found[1]


def test_chained_comparisons_with_nulls() -> None:
    """One false link makes the chain false, whatever the others are."""
    rows = [{"x": None, "y": 5.0}, {"x": 2.0, "y": None}, {"x": 2.0, "y": 0.5}, {"x": 2.0, "y": 3.0}]
    assert evaluate(["1 < x < y", "not (1 < x < y)", "not (1 < y < x)"], rows) == [
        [False, False, False, True], [False, False, True, False], [False, False, True, True],
    ]  # fmt: skip


# -- against SQL ---------------------------------------------------------------------------------------------------------


@dataclass
class Both:
    """A random condition in the rule language and the same in SQL."""

    rng: random.Random
    depth: int = field(default=4)

    def condition(self, depth: int) -> tuple[str, str]:
        r = self.rng
        if depth == 0 or r.random() < 0.15:
            flag = r.choice("pq")
            return flag, f"coalesce({flag}, false)"
        match r.randrange(8):
            case 0:
                a, b = self.condition(depth - 1)
                return f"not ({a})", f"not ({b})"
            case 1 | 2:
                word, parts = r.choice(["and", "or"]), [self.condition(depth - 1) for _ in range(r.randint(2, 3))]
                return f" {word} ".join(f"({a})" for a, _ in parts), f" {word} ".join(f"({b})" for _, b in parts)
            case 3:
                sign, (a, b), (c, d) = r.choice(["<", "<=", ">", ">=", "==", "!="]), self.number(2), self.number(2)
                return f"{a} {sign} {c}", f"({b}) {sign.replace('!=', '<>').replace('==', '=')} ({d})"
            case 4:
                some = r.sample(["low", "high", "odd one"], r.randint(1, 3))
                way = r.choice(["in", "not in"])
                quoted = (", ".join(f'"{s}"' for s in some), ", ".join(f"'{s}'" for s in some))
                return f"word {way} {{{quoted[0]}}}", f"word {way} ({quoted[1]})"
            case 5:
                way = r.choice(["is null", "is not null"])
                a, b = self.number(2)
                return f"({a}) {way}", f"({b}) {way}"
            case 6:
                (a, b), (c, d), (e, f) = (self.condition(depth - 1) for _ in range(3))
                return f"(({a}) if ({c}) else ({e}))", f"(case when {d} then {b} else {f} end)"
            case _:
                low, high = r.choice([-1, 0, 1]), r.choice([1, 2])
                return f"{low} <= x < {high}", f"({low} <= x and x < {high})"

    def number(self, depth: int) -> tuple[str, str]:
        r = self.rng
        if depth == 0 or r.random() < 0.3:
            text = r.choice(["x", "y", "x", "y", "1", "2", "0.5"])
            return text, f"cast({text} as double)"
        (a, b), (c, d) = self.number(depth - 1), self.number(depth - 1)
        match r.randrange(5):
            case 0 | 1:
                sign = r.choice("+-*")
                return f"({a} {sign} {c})", f"(({b}) {sign} ({d}))"
            case 2:
                return f"coalesce({a}, {c})", f"coalesce({b}, {d})"
            case 3:
                word = r.choice(["min", "max"])  # of SQL's, `least` passes nulls over
                sql = "least" if word == "min" else "greatest"
                return (
                    f"{word}({a}, {c})",
                    f"case when ({b}) is null or ({d}) is null then null else {sql}({b}, {d}) end",
                )
            case _:
                e, f = self.condition(0)
                return f"({a} if {e} else {c})", f"(case when {f} then {b} else {d} end)"


def test_null_logic_is_that_of_sql() -> None:
    """Random conditions over all combinations of values and nulls, as DuckDB answers them."""
    rng = random.Random(7)
    pairs = [Both(rng).condition(4) for _ in range(150)]
    numbers, flags = [None, -1.0, 0.0, 1.0, 2.0], [None, True, False]
    rows = [
        {"x": x, "y": y, "p": p, "q": q, "word": w}
        for x, y, p, q, w in itertools.product(numbers, numbers, flags, flags, [None, "low", "high"])
    ]
    table = pa.table({
        "x": pa.array([r["x"] for r in rows], pa.float64()), "y": pa.array([r["y"] for r in rows], pa.float64()),
        "p": pa.array([r["p"] for r in rows]), "q": pa.array([r["q"] for r in rows]), "word": pa.array([r["word"] for r in rows]),
    })  # fmt: skip
    connection = duckdb.connect()
    connection.register("patients", table)
    kept, wanted = [], []
    for ours, sql in pairs:
        answers = [row[0] for row in connection.sql(f"select ({sql}) from patients").fetchall()]
        kept += [ours, f"not ({ours})"]
        wanted += [[a is True for a in answers], [a is False for a in answers]]
    for text, got, want in zip(kept, evaluate(kept, rows), wanted, strict=True):
        assert got == want, text


# -- constants -----------------------------------------------------------------------------------------------------------


class Nothing:
    """A scope with two columns and no more."""

    as_of = AS_OF
    windows: dict[str, int] = {"recent": 12}  # noqa: RUF012
    dated = frozenset({"day_x"})
    lookups: dict[str, Lookup] = {"weight": Lookup({"low": 1, "high": 2})}  # noqa: RUF012

    def lookup(self, name: str) -> n.Node | None:
        kinds = {
            "x": n.NUMBER,
            "p": n.BOOL,
            "day_x": n.DATE,
            "day_y": n.DATE,
            "word": n.Type("category", ("low", "high")),
        }
        return n.Column(kinds[name], name, name) if name in kinds else None

    def members(self, set_name: str) -> None:
        return None

    def words(self) -> list[str]:
        return ["x", "p", "word"]


CONSTANTS = [
    ("1 + 2 * 2 - 1", 4), ("1 - 2 - 1", -2), ("2 ** 3 ** 2", 512.0), ("-2 ** 2", -4), ("7 / 2", 3.5), ("1 / 0", None), ("0 / 0", None),
    ("(-8) ** 0.5", None), ("0 ** -1", None), ("ln(0)", None), ("sqrt(-1)", None), ("exp(1000)", None), ("exp(-1000)", 0.0),
    ("sqrt(16)", 4.0), ("ln(exp(2))", 2.0), ("abs(-3)", 3), ("floor(-1.5)", -2), ("round(2.5)", 2.0), ("round(0.125, 2)", 0.12),
    ("min(3, 1, 2)", 1), ("max(3, 1, 2)", 3), ("clip(9, 0, 5)", 5), ("clip(-9, 0, 5)", 0), ("null + 1", None),
    ("coalesce(null, 3)", 3), ("1 if true else 2", 1), ("1 if null else 2", 2), ("count(true, false, 1 < 2, null)", 2),
    ('date("2020-03-01") - date("2020-02-28")', 2), ("as_of - months_before(12)", 365), ("1e15 * 10", 1e16),
]  # fmt: skip
TRUTHS = [
    ("1 < 2", True), ("1 < 2 < 2", False), ("null > 1", None), ("not null", None), ("null and false", False), ("null or true", True),
    ("null and true", None), ("1 in {1, 2}", True), ("3 not in {1, 2}", True), ('"low" == "low"', True), ("null is null", True),
    ("1 is not null", True), ("as_of == date('2026-06-30')", True), ("months_before(12) == date('2025-06-30')", True),
    ("as_of > months_before(0)", False), ("not (1 < 2 and null)", None), ("1 != 1", False), ("true if null else false", False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), CONSTANTS)
def test_constants_are_folded(text: str, value: float | None) -> None:
    """To what they would give for every row: the same expression with its numbers in columns gives the same."""
    node = parse(text, Nothing())
    if not isinstance(node, n.CountTrue):
        assert isinstance(node, n.Const)
        assert node.value == pytest.approx(value) if value is not None else node.value is None
    if not set(text) <= set("12 +-*") or "**" in text:
        return
    hidden = text.replace("1", "x").replace("2", "y")
    assert one(hidden, x=1.0, y=2.0) == value


@pytest.mark.parametrize(("text", "value"), TRUTHS)
def test_conditions_are_folded(text: str, value: bool | None) -> None:
    """True, false or unknown."""
    node = parse_condition(text, Nothing())
    assert isinstance(node, n.Const)
    assert node.value is value


def test_folding_keeps_what_columns_decide() -> None:
    """A constant side that does not decide is dropped, one that does decides."""
    scope = Nothing()
    assert isinstance(parse("p and true", scope), n.Column)
    assert isinstance(parse("p or false", scope), n.Column)
    assert parse("p and false", scope) == n.Const(n.BOOL, "", False)
    assert parse("p or true", scope) == n.Const(n.BOOL, "", True)
    assert isinstance(parse("p or null", scope), n.Or)
    assert isinstance(parse("coalesce(x, 1)", scope), n.Coalesce)
    assert parse("1 < x", scope) == parse("x > 1", scope)


# -- dates and windows ---------------------------------------------------------------------------------------------------


def test_windows() -> None:
    """Both ends count; a null date is unknown; future dates are no record."""
    days = [
        AS_OF,
        dt.date(2026, 5, 30),
        dt.date(2026, 5, 29),
        dt.date(2025, 6, 30),
        dt.date(2025, 6, 29),
        None,
        dt.date(2026, 7, 1),
    ]
    rows = [{"day_x": d} for d in days]
    texts = [
        "month(day_x)",
        "recent(day_x)",
        "within(day_x, 0)",
        "within(day_x, 12)",
        "not recent(day_x)",
        "recent(day_x) is null",
    ]
    assert evaluate(texts, rows) == [
        [True, True, False, False, False, False, False],
        [True, True, True, True, False, False, False],
        [True, False, False, False, False, False, False],
        [True, True, True, True, False, False, False],
        [False, False, False, False, True, False, False],
        [False, False, False, False, False, True, True],
    ]


def test_windows_of_a_column_that_is_not_there() -> None:
    """A date that dates a value counts as current; any other date does not; nothing else is known of it."""
    texts = [
        "recent(day_x)",
        "not recent(day_x)",
        "recent(day_y)",
        "not recent(day_y)",
        "day_x is null",
        "as_of - day_x < 400",
    ]
    assert [f[0] for f in evaluate(texts, [{"x": 1.0}], absent=("day_x", "day_y"))] == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_days_between_dates() -> None:
    """Negative where the first is earlier."""
    row = {"day_x": dt.date(2024, 3, 1), "day_y": dt.date(2024, 2, 28)}
    assert one("day_x - day_y", **row) == 2
    assert one("day_y - day_x", **row) == -2
    assert one("abs(day_y - day_x) >= 2", **row) is True
    assert one("day_x - day", **row) == 1462
    assert one("as_of - day_x", **row) == (AS_OF - dt.date(2024, 3, 1)).days


def test_counting() -> None:
    """Unknown counts for nothing; a set stands for its members."""
    rows = [{}, {"p": True, "x": 1.0}, {"p": True, "q": True, "x": -1.0}]
    assert evaluate(["count(some)", "count(some, x > 0)", "any(some)", "all(some)", "any(x > 0, p)", "count(p, p)"], rows) == [
        [0, 1, 2], [0, 2, 2], [False, True, True], [False, False, True], [False, True, True], [0, 2, 2],
    ]  # fmt: skip


# -- what is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x >", "x = 1", "x > 1;", "y", "x and p", "p > 1", "p == true", "not x", "word > 'low'", "word == 'medium'",
        "word in {}", "x in {'low'}", "x > 'low'", "day_x > 3", "day_x + 1", "p + 1", "x % 2", "x // 2", "x & p", "~x",
        "x if 1 else 2", "1 if p else 'low'", "coalesce(x, 'low')", "coalesce(p, p)", "recent(x)", "within(x, 3)",
        "within(day_x, x)", "within(day_x, 1.5)", "within(day_x, -1)", "months_before(5000)", "round(x, x)", "round(x, 16)",
        "min(x)", "clip(x, 1)", "foo(x)", "x.y", "x[0]", "lambda: x", "[x]", "{x}", "(x, 1)", "f'{x}'", "x := 1", "x is p",
        "p is null", "date('30/06/2026')", "date(x)", "exp(word)", "'low' + 'x'", "1e400", "10 ** 400 > x and 1e16 > x",
        "__import__('os')", "count(1)", "any()", "x < 1 <", "date('2026-06-30') in {3}", "x in 3", "*x", "print",
    ],
)  # fmt: skip
def test_what_is_not_in_the_language(text: str) -> None:
    """An error that says where, never anything else."""
    with pytest.raises(ExpressionError) as caught:
        parse_condition(text, Nothing())
    assert 0 <= caught.value.start <= max(len(text), 1)
    assert caught.value.message


def test_deep_nesting_is_an_error_and_not_a_crash() -> None:
    """Thousands of brackets."""
    for text in ("(" * 5000 + "x > 1" + ")" * 5000, "not " * 5000 + "p", "x" + " + x" * 20_000 + " > 1"):
        try:
            parse_condition(text, Nothing())
        except ExpressionError:
            continue


def test_a_pack_without_headers_is_an_error_that_can_be_read(tmp_path: Any) -> None:
    """Also where the error has no place in the file to point at."""
    file = tmp_path / "odd.toml"
    file.write_text(
        'pack = { id = "odd", version = "1" }\ndefinition = { a = { kind = "expression", title = "a", version = "1", '
        'source = "s", value = "nonsense", output = true } }\n',
        encoding="utf-8",
    )
    with pytest.raises(PackError, match="nonsense"):
        Scorer(str(file), AS_OF)
