"""What models may say, each against a formula of its own in plain Python, on a few hundred generated people.

Every table is scored by the engine on each instruction set and by the readable evaluator, with 32-bit and with 64-bit
numbers, and both must be within 1e-9 of the formula (`agree`). Nothing of `popstrat` is used in a formula.
"""

# ruff: noqa: E501 (packs are as wide as they need to be)

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mpmath
import pyarrow as pa
import pytest
import score2
import sex_specific
from spec_tables import local_pack, refer, score, scorer_for

import popstrat
from popstrat.core.dates import parse_as_of
from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
Row = dict[str, Any]
Formula = Callable[[Row], Any]

FLAGS = ("ckd", "diabetes", "hypertension", "atrial_fibrillation", "copd")
RANGES = {
    "age": (0, 120),
    "bmi": (10, 100),
    "non_hdl": (0.1, 20),
    "ldl": (0.1, 20),
    "systolic_bp": (50, 300),
    "efi": (0, 1),
}


def people(count: int, seed: int = 7) -> list[Row]:
    """People of every kind the models read, with nulls and now and then an implausible value. Numbers are whole
    multiples of 1/64, so that 32 bits hold them exactly."""
    r = random.Random(seed)

    def maybe(value: Any, null: float = 0.15) -> Any:
        return None if r.random() < null else value

    found = []
    for i in range(count):
        person: Row = {
            "age": maybe(r.randint(14, 104), 0.05),
            "sex": maybe(r.choice(["female", "male", "female", "male", "intersex", "unknown"]), 0.05),
            "bmi": maybe(r.randint(10 * 8, 62 * 8) / 8),
            "systolic_bp": maybe(r.randint(80, 220)),
            "non_hdl": maybe(r.randint(64, 9 * 64) / 64),
            "ldl": maybe(r.randint(32, 6 * 64) / 64),
            "efi": maybe(r.randint(0, 40) / 64, 0.3),
            "smoking": maybe(r.choice(["never", "ex", "current"])),
            "ethnicity": maybe(r.choice(["A", "B", "D", "H", "J", "K", "M", "N", "R", "S", "Z", "99"])),
            "imd_decile": maybe(r.randint(1, 10)),
            "alcohol_units_week": maybe(r.choice([0, 0, 3, 14, 60])),
            "emergency_admissions_12m": maybe(r.choice([0, 0, 0, 1, 2, 7])),
        }
        person |= {flag: maybe(r.random() < 0.35, 0.1) for flag in FLAGS}
        if i % 40 == 5:
            person["bmi"] = r.choice([5.0, 200.0])
        if i % 60 == 7:
            person["systolic_bp"] = 900
        found.append(person)
    return found


PEOPLE = people(400)


def plausible(person: Row) -> Row:
    """The person as a formula sees them: implausible numbers are null, a null flag is false, a null sex unknown."""
    seen = dict(person)
    for name, (low, high) in RANGES.items():
        value = seen.get(name)
        if value is not None and not low <= value <= high:
            seen[name] = None
    for flag in FLAGS:
        seen[flag] = bool(seen.get(flag))
    seen["sex"] = seen.get("sex") or "unknown"
    return seen


def same(found: Any, wanted: Any, tolerance: float) -> bool:
    numbers = [isinstance(x, int | float) and not isinstance(x, bool) for x in (found, wanted)]
    if all(numbers):
        return abs(found - wanted) <= tolerance
    return type(found) is type(wanted) and found == wanted


def agree(
    pack: Pack, formula: Formula, *, among: Sequence[Row] = tuple(PEOPLE), tolerance: float = 1e-9, fewest: int = 100
) -> None:
    """Engine, reference and formula give the same, for at least `fewest` people something other than null. A formula
    gives the value of the output `x`, or a table of outputs."""
    scorer = scorer_for(pack, parse_as_of(AS_OF))
    columns = ["patient_id", "practice_code", *among[0]]
    wanted = [formula(plausible(p)) for p in among]
    tables = [w if isinstance(w, Mapping) else {"x": w} for w in wanted]
    for name in tables[0]:
        assert sum(t[name] is not None for t in tables) >= fewest, f"the people are too alike for {name}"
    numbers = [c.name for c in pack.schema if c.type == "float"]
    for types in ({}, {name: pa.float64() for name in numbers if name in columns}):
        for how, run in (("engine", score), ("reference", refer)):
            for person, row, table in zip(among, run(scorer, among, columns, types), tables, strict=True):
                for name, value in table.items():
                    assert same(row[name], value, tolerance), f"{how}: {name} is {row[name]}, not {value}, for {person}"


def model(body: str, *, ident: str = "x", link: str = "identity", decimals: int | None = 12, head: str = "") -> str:
    """The text of a model that may still be a draft, so that a test need not state reference patients."""
    places = "" if decimals is None else f"decimals = {decimals}\n"
    return (
        f'[definition.{ident}]\nkind = "model"\ntitle = "{ident}"\nsource = "invented"\nevidence = "assumption"\n'
        f'version = "1"\nlink = "{link}"\ndraft = true\noutput = true\n{places}{head}\n{body}\n'
    ).replace("@", f"definition.{ident}")


def pack_of(*texts: str) -> Pack:
    return local_pack("\n".join(texts), extends="")


def by(value: Any, default: Any) -> Any:
    return default if value is None else value


# -- links -------------------------------------------------------------------------------------------------------------

TWO_TERMS = """
inputs = { bmi = { default = 27.5 } }
[[@.terms]]
id = "bmi"
value = "bmi"
center = 25.25
coefficient = 0.0371
[[@.terms]]
id = "ckd"
when = "ckd"
coefficient = 0.4129
"""


def two_terms(p: Row) -> float:
    return float(0.0371 * (by(p["bmi"], 27.5) - 25.25) + (0.4129 if p["ckd"] else 0.0))


def test_identity() -> None:
    agree(pack_of(model(TWO_TERMS, head="intercept = -1.5")), lambda p: two_terms(p) - 1.5)


def test_logistic() -> None:
    agree(
        pack_of(model(TWO_TERMS, link="logistic", head="intercept = -2.25")),
        lambda p: 1 / (1 + math.exp(-(two_terms(p) - 2.25))),
    )


def test_survival() -> None:
    agree(
        pack_of(model(TWO_TERMS, link="survival", head="baseline_survival = 0.91")),
        lambda p: 1 - 0.91 ** math.exp(two_terms(p)),
    )


@pytest.mark.parametrize("decimals", [0, 3, None, 10, 15])
def test_decimals(decimals: int | None) -> None:
    """Six if nothing is said. The formula is rounded by the decimal module's rule, ties to even."""
    places = 6 if decimals is None else decimals
    agree(
        pack_of(model(TWO_TERMS, link="logistic", decimals=decimals)),
        lambda p: round(1 / (1 + math.exp(-two_terms(p))), places),
        tolerance=1e-9 if places > 9 else 1e-14,
    )


# -- strata and horizons -----------------------------------------------------------------------------------------------

STRATA = """
intercept = { women = 0.1, men = -0.2 }
horizons = [
    { id = "m12", title = "12 months", baseline_survival = { women = 0.985, men = 0.97 } },
    { id = "m24", title = "24 months", baseline_survival = { women = 0.95, men = 0.93 }, output = true },
    { id = "m60", baseline_survival = 0.8, output = "in_five_years" },
]
reason_output = "why_not"
inputs = { bmi = { default = 27.0 }, smoking = { default = "never" } }
[@.strata]
women = 'sex == "female"'
men = 'sex == "male"'
[[@.terms]]
id = "bmi"
value = "bmi"
center = { women = 26.5, men = 28.25 }
coefficient = { women = 0.041, men = 0.029 }
[[@.terms]]
id = "ckd"
when = "ckd"
coefficient = { women = 0.72 }
[[@.terms]]
id = "af"
when = "atrial_fibrillation"
coefficient = { men = 0.91 }
[[@.terms]]
id = "diabetes"
when = "diabetes"
coefficient = 0.33
[[@.terms]]
id = "smoking"
of = "smoking"
reference = "never"
levels = { ex = { women = 0.11, men = 0.12 }, current = 0.43 }
"""


def stratified(p: Row) -> Row:
    bmi, smoking = by(p["bmi"], 27.0), by(p["smoking"], "never")
    if p["sex"] == "female":
        lp = 0.1 + 0.041 * (bmi - 26.5) + 0.72 * p["ckd"] + {"never": 0, "ex": 0.11, "current": 0.43}[smoking]
        base = (0.985, 0.95, 0.8)
    elif p["sex"] == "male":
        lp = -0.2 + 0.029 * (bmi - 28.25) + 0.91 * p["atrial_fibrillation"]
        lp += {"never": 0, "ex": 0.12, "current": 0.43}[smoking]
        base = (0.97, 0.93, 0.8)
    else:
        return {"x": None, "x_m24": None, "in_five_years": None, "why_not": "in no stratum"}
    risks = [1 - s0 ** math.exp(lp + 0.33 * p["diabetes"]) for s0 in base]
    return {"x": risks[0], "x_m24": risks[1], "in_five_years": risks[2], "why_not": None}


def test_strata_with_their_own_coefficients_centres_and_baselines_at_three_horizons() -> None:
    agree(pack_of(model(STRATA, link="survival")), stratified, fewest=30)


def test_the_first_stratum_that_holds_counts() -> None:
    body = """
    strata = { old = "age >= 65", diabetic = "diabetes", others = "true" }
    intercept = { old = 3.0, diabetic = 2.0, others = 1.0 }
    terms = [{ id = "ckd", when = "ckd", coefficient = { old = 0.5, diabetic = 0.25, others = 0.125 } }]
    """

    def formula(p: Row) -> float:
        start, weight = (
            (3.0, 0.5) if p["age"] is not None and p["age"] >= 65 else (2.0, 0.25) if p["diabetes"] else (1.0, 0.125)
        )
        return start + weight * p["ckd"]

    agree(pack_of(model(body)), formula)


# -- powers, levels, products --------------------------------------------------------------------------------------------


def polynomial(x: float, powers: Sequence[float]) -> list[Any]:
    """Royston and Altman 1994, for powers in rising order: H_j = x^p_j, ln x where p_j is 0, and H_(j-1) ln x where
    p_j repeats p_(j-1). With 40 digits."""
    with mpmath.workdps(40):
        found: list[Any] = []
        value = mpmath.mpf(x)
        for i, p in enumerate(powers):
            if i and p == powers[i - 1]:
                found.append(found[-1] * mpmath.log(value))
            else:
                found.append(mpmath.log(value) if p == 0 else value ** mpmath.mpf(p))
        return found


@pytest.mark.parametrize(
    ("powers", "shift", "scale"),
    [
        ([-2], 0, 10),
        ([-2, -2], 0, 10),
        ([-1, -0.5], 5, 100),
        ([0], 0, 1),
        ([0, 0], 0, 10),
        ([0, 0, 0], 1, 10),
        ([0.5], -10, 10),
        ([0.5, 0.5, 0.5], 0, 10),
        ([1, 1], 0, 10),
        ([1, 1, 1], 0.5, 7),
        ([-2, 0, 1, 3], 0, 10),
        ([3, 3], 0, 10),
        ([1.75, 2.25], 0, 9.5),
        ([-3.3], 0.125, 8),
    ],
)
def test_fractional_polynomials(powers: list[float], shift: float, scale: float) -> None:
    weights = [round(0.317 / (i + 1) * (-1) ** i, 4) for i in range(len(powers))]
    centers = [round(0.41 + 0.2 * i, 3) for i in range(len(powers))]
    body = f"""
    inputs = {{ bmi = {{ default = 26.0 }} }}
    terms = [{{ id = "bmi", of = "bmi", powers = {powers}, shift = {shift}, scale = {scale}, coefficients = {weights}, center = {centers} }}]
    """

    def formula(p: Row) -> float:
        values = polynomial((by(p["bmi"], 26.0) + shift) / scale, powers)
        return float(sum(w * (v - c) for w, v, c in zip(weights, values, centers, strict=True)))

    agree(pack_of(model(body)), formula)


def test_powers_by_stratum_without_centre_and_of_an_expression() -> None:
    body = """
    strata = { women = 'sex == "female"', others = 'sex != "female"' }
    [[@.terms]]
    id = "age"
    of = "max(age, 20)"
    powers = [-1, 2]
    scale = 10
    coefficients = [{ women = -1.5, others = -0.75 }, { women = 0.0125 }]
    center = [{ women = 0.21, others = 0.19 }, 25.5]
    """

    def formula(p: Row) -> float | None:
        if p["age"] is None:
            return None
        x = max(p["age"], 20) / 10
        if p["sex"] == "female":
            return float(-1.5 * (1 / x - 0.21) + 0.0125 * (x * x - 25.5))
        return float(-0.75 * (1 / x - 0.19))

    agree(pack_of(model(body)), formula)


def test_levels() -> None:
    """As a table of labels, and as a list of tables with several labels, an id and a source of their own."""
    body = """
    inputs = { smoking = { default = "ex" }, ethnicity = { default = "Z" } }
    [[@.terms]]
    id = "smoking"
    of = "smoking"
    reference = "never"
    levels = { ex = 0.125, current = 0.5 }
    [[@.terms]]
    id = "group"
    of = "ethnicity"
    reference = ["A", "B", "C", "Z", "99"]
    levels = [
        { labels = ["H", "J", "K"], id = "south_asian", title = "South Asian", coefficient = 0.75, evidence = "published", source = "nowhere" },
        { labels = ["M", "N", "P"], id = "black", coefficient = 0.0625 },
        { labels = ["R"], coefficient = -0.25 },
        { labels = ["D", "E", "F", "G", "L", "S"], id = "other", coefficient = 2.0 },
    ]
    """
    groups = dict.fromkeys("HJK", 0.75) | dict.fromkeys("MNP", 0.0625) | {"R": -0.25} | dict.fromkeys("DEFGLS", 2.0)
    pack = pack_of(model(body))
    agree(
        pack,
        lambda p: (
            {"never": 0.0, "ex": 0.125, "current": 0.5}[by(p["smoking"], "ex")]
            + groups.get(by(p["ethnicity"], "Z"), 0.0)
        ),
    )
    terms = {t.id: t for t in scorer_for(pack, parse_as_of(AS_OF)).resolved.models["x"].terms}
    assert list(terms) == [
        "smoking.ex",
        "smoking.current",
        "group.south_asian",
        "group.black",
        "group.R",
        "group.other",
    ]
    assert (terms["group.south_asian"].title, terms["group.south_asian"].evidence) == ("South Asian", "published")
    assert (terms["group.black"].title, terms["group.black"].source) == ("group: black", "invented")


def test_powers_and_levels_of_a_choice() -> None:
    """What `of` says is taken as a whole before it is shifted, scaled or compared."""
    body = """
    inputs = { bmi = { default = 26.0 }, ldl = { default = 2.5 }, smoking = { default = "never" } }
    [[@.terms]]
    id = "size"
    of = "bmi if ckd else ldl"
    powers = [2]
    shift = 5
    scale = 10
    coefficients = [0.25]
    [[@.terms]]
    id = "smoking"
    of = 'smoking if diabetes else "ex"'
    reference = "ex"
    levels = { never = 0.5, current = 2.0 }
    """

    def formula(p: Row) -> float:
        size = by(p["bmi"], 26.0) if p["ckd"] else by(p["ldl"], 2.5)
        smoking = by(p["smoking"], "never") if p["diabetes"] else "ex"
        return float(0.25 * ((size + 5) / 10) ** 2 + {"never": 0.5, "ex": 0.0, "current": 2.0}[smoking])

    agree(pack_of(model(body)), formula)


def test_levels_of_the_sex_column_need_no_input() -> None:
    """A sex that is not recorded reads as unknown, so it is never null."""
    body = 'terms = [{ id = "sex", of = "sex", reference = ["male", "unknown"], levels = { female = 0.5, intersex = 0.25 } }]'
    agree(pack_of(model(body)), lambda p: {"female": 0.5, "intersex": 0.25}.get(p["sex"], 0.0))


PRODUCTS = """
inputs = { bmi = { default = 26.0 }, ldl = { default = 2.5 } }
derived = { thin = "bmi < 20" }
[[@.terms]]
id = "bmi"
value = "bmi"
center = 25
coefficient = 0.01
[[@.terms]]
id = "ldl"
value = "ldl"
center = 2
coefficient = 0.02
[[@.terms]]
id = "old"
when = "age >= 75"
coefficient = 0.5
[[@.terms]]
id = "powers"
of = "ldl"
powers = [0, 0.5]
coefficients = [0.03, 0.04]
center = [1, 1]
[[@.terms]]
id = "bool_bool"
product = ["old", "ckd"]
coefficient = 1.0
[[@.terms]]
id = "bool_number"
product = ["ckd", "bmi"]
coefficient = 0.1
[[@.terms]]
id = "number_number"
product = ["bmi", "ldl"]
coefficient = 0.001
[[@.terms]]
id = "with_a_power"
product = ["powers.2", "diabetes"]
coefficient = 0.7
[[@.terms]]
id = "product_of_products"
product = ["bool_number", "number_number"]
coefficient = 0.0001
[[@.terms]]
id = "three"
product = ["old", "ckd", "diabetes"]
coefficient = 0.3
[[@.terms]]
id = "with_a_derived_condition"
product = ["thin", "powers.1"]
coefficient = 0.9
[[@.terms]]
id = "with_an_input"
product = ["old", "ldl"]
coefficient = 0.05
"""


def products(p: Row) -> float:
    raw_bmi, raw_ldl = by(p["bmi"], 26.0), by(p["ldl"], 2.5)
    bmi, ldl, old = raw_bmi - 25, raw_ldl - 2, p["age"] is not None and p["age"] >= 75
    log, root, ckd, diabetes = math.log(raw_ldl) - 1, math.sqrt(raw_ldl) - 1, p["ckd"], p["diabetes"]
    return float(
        0.01 * bmi + 0.02 * ldl + 0.5 * old + 0.03 * log + 0.04 * root
        + 1.0 * (old and ckd) + 0.1 * ckd * bmi + 0.001 * bmi * ldl + 0.7 * root * diabetes
        + 0.0001 * (ckd * bmi) * (bmi * ldl) + 0.3 * (old and ckd and diabetes) + 0.9 * (raw_bmi < 20) * log
        + 0.05 * old * ldl
    )  # fmt: skip


def test_products() -> None:
    """Of conditions, numbers, both, powers, products, derived values and inputs. A term of an input's name is meant
    before the input: it is centred."""
    agree(pack_of(model(PRODUCTS)), products)


def test_products_by_stratum_take_the_stratums_own_centre() -> None:
    body = """
    strata = { women = 'sex == "female"', men = 'sex == "male"' }
    inputs = { bmi = { default = 26.0 } }
    [[@.terms]]
    id = "bmi"
    value = "bmi"
    center = { women = 24, men = 27 }
    coefficient = { women = 0.01, men = 0.02 }
    [[@.terms]]
    id = "bmi_ckd"
    product = ["bmi", "ckd"]
    coefficient = { women = 0.5, men = 0.25 }
    [[@.terms]]
    id = "bmi_ckd_age"
    product = ["bmi_ckd", "age"]
    coefficient = { men = 0.125 }
    """

    def formula(p: Row) -> float | None:
        if p["sex"] not in ("female", "male"):
            return None
        bmi = by(p["bmi"], 26.0)
        if p["sex"] == "female":
            return float(0.01 * (bmi - 24) + 0.5 * (bmi - 24) * p["ckd"])
        if p["age"] is None:
            return None
        return float(0.02 * (bmi - 27) + (bmi - 27) * p["ckd"] * (0.25 + 0.125 * p["age"]))

    agree(pack_of(model(body)), formula)


# -- inputs ------------------------------------------------------------------------------------------------------------

INPUTS = """
missing_output = "missing"
[@.inputs]
bmi = { default = "27 if age < 50 else 28", clip = [20, 40] }
weight = { from = "systolic_bp", default = '''130 + (5 if sex == "female" else 0) + max(age - 40, 0) / 4''', clip = [90, 180] }
non_hdl = { default = 3.5 }
ldl = { default = 2.25 }
smoking = { default = "never" }
[@.derived]
ratio = "non_hdl / ldl"
high = { value = "ratio > 2", why = "invented" }
excess = { value = "max(ratio - 1, 0) ** 2", center = 0.5 }
[[@.terms]]
id = "bmi"
value = "bmi"
coefficient = 0.01
[[@.terms]]
id = "weight"
value = "weight"
coefficient = 0.001
[[@.terms]]
id = "ratio"
value = "ratio"
coefficient = 0.25
[[@.terms]]
id = "smoker_with_high_ratio"
when = '''high and smoking == "current"'''
coefficient = 1.5
[[@.terms]]
id = "excess_ckd"
product = ["excess", "ckd"]
coefficient = 0.75
"""


def with_inputs(p: Row) -> Row:
    age = p["age"]
    usual = 27.0 if age is not None and age < 50 else 28.0
    bmi = usual if p["bmi"] is None else min(max(p["bmi"], 20.0), 40.0)
    if p["systolic_bp"] is None:
        if age is None:
            return {"x": None, "missing": None}  # not compared
        weight = 130 + (5 if p["sex"] == "female" else 0) + max(age - 40, 0) / 4
    else:
        weight = min(max(p["systolic_bp"], 90), 180)
    ratio = by(p["non_hdl"], 3.5) / by(p["ldl"], 2.25)
    x = 0.01 * bmi + 0.001 * weight + 0.25 * ratio
    x += 1.5 * (ratio > 2 and p["smoking"] == "current") + 0.75 * (max(ratio - 1, 0) ** 2 - 0.5) * p["ckd"]
    gone = sum(p[name] is None for name in ("bmi", "systolic_bp", "non_hdl", "ldl", "smoking"))
    return {"x": x, "missing": gone}


def test_defaults_bounds_and_derived_values() -> None:
    """Defaults by age and sex, winsorised inputs, a ratio of two measurements with a centre and a condition on it."""
    known = [p for p in PEOPLE if not (plausible(p)["systolic_bp"] is None and p["age"] is None)]
    agree(pack_of(model(INPUTS)), with_inputs, among=known)


def test_what_was_missing_clipped_and_not_scored_is_counted() -> None:
    body = 'eligible = [{ when = "age >= 18", reason = "under 18" }, { when = "not ckd", reason = "has it already" }]\n'
    pack = pack_of(model(INPUTS, head=body))
    seen = [plausible(p) for p in PEOPLE]
    adults = [p for p in seen if p["age"] is not None and p["age"] >= 18 and not p["ckd"]]
    _, record = popstrat.score(arrow_table(PEOPLE, pack), AS_OF, pack=pack, record=True)
    counted = record["models"]["x"]
    inputs = {"bmi": "bmi", "weight": "systolic_bp", "non_hdl": "non_hdl", "ldl": "ldl", "smoking": "smoking"}
    assert counted["missing"] == {name: sum(p[c] is None for p in adults) for name, c in inputs.items()}
    assert counted["clipped"] == {
        "bmi": sum(p["bmi"] is not None and not 20 <= p["bmi"] <= 40 for p in adults),
        "weight": sum(p["systolic_bp"] is not None and not 90 <= p["systolic_bp"] <= 180 for p in adults),
    }
    assert min(counted["clipped"].values()) > 5
    young = sum(p["age"] is not None and p["age"] < 18 for p in seen)
    ageless = sum(p["age"] is None and not p["ckd"] for p in seen)
    assert young
    assert ageless
    assert counted["not_scored"] == {
        "under 18": young, "has it already": len(seen) - len(adults) - young - ageless, "no record of age": ageless,
        "a term has no value": 0,
    }  # fmt: skip


def arrow_table(among: Sequence[Row], pack: Pack) -> pa.Table:
    types = {c.name: c.dtype for c in pack.schema}
    columns = {name: pa.array([p[name] for p in among], types[name]) for name in among[0]}
    ids = pa.array(range(len(among)), pa.int64())
    return pa.table({"patient_id": ids, "practice_code": pa.array(["Y00001"] * len(among)), **columns})


# -- who gets a result -------------------------------------------------------------------------------------------------


def test_reasons() -> None:
    """The first part of `eligible` that does not hold, then no stratum, then a term without a value."""
    body = """
    eligible = [
        { when = "age is not null", reason = "age unknown" },
        { when = "25 <= age < 85", reason = "not 25 to 84" },
        { when = "not diabetes", reason = "has diabetes" },
    ]
    reason_output = "reason"
    missing_output = "gone"
    strata = { women = 'sex == "female"', men = 'sex == "male"' }
    inputs = { alcohol_units_week = { default = 1 } }
    terms = [{ id = "drink", value = "ln(alcohol_units_week)", coefficient = { women = 0.5, men = 0.25 } }]
    """

    def formula(p: Row) -> Row:
        age, units = p["age"], p["alcohol_units_week"]
        gone = int(units is None)
        if age is None:
            return {"x": None, "reason": "age unknown", "gone": None}
        if not 25 <= age < 85:
            return {"x": None, "reason": "not 25 to 84", "gone": None}
        if p["diabetes"]:
            return {"x": None, "reason": "has diabetes", "gone": None}
        if p["sex"] not in ("female", "male"):
            return {"x": None, "reason": "in no stratum", "gone": None}
        if units == 0:
            return {"x": None, "reason": "a term has no value", "gone": None}
        value = math.log(by(units, 1)) * (0.5 if p["sex"] == "female" else 0.25)
        return {"x": value, "reason": None, "gone": gone}

    agree(pack_of(model(body)), formula, fewest=30)
    assert {formula(plausible(p))["reason"] for p in PEOPLE} == {
        "age unknown", "not 25 to 84", "has diabetes", "in no stratum", "a term has no value", None,
    }  # fmt: skip


REQUIRED = """
eligible = [{ when = "age >= 18", reason = "under 18" }]
strata = { women = 'sex == "female"', men = 'sex == "male"' }
reason_output = "reason"
missing_output = "gone"
[@.inputs]
systolic_bp = { required = true, clip = [90, 180] }
ratio = { required = true, from = "non_hdl / ldl" }
smoking = { required = true }
bmi = { default = 27 }
[[@.terms]]
id = "pressure"
value = "systolic_bp / bmi"
coefficient = { women = 0.5, men = 0.25 }
[[@.terms]]
id = "ratio"
value = "ratio"
coefficient = 2
[[@.terms]]
id = "smoking"
of = "smoking"
reference = "never"
levels = { ex = 1, current = { men = 3 } }
"""


def with_required(p: Row) -> Row:
    gone, reason = None, None
    ratio = None if p["non_hdl"] is None or p["ldl"] is None else p["non_hdl"] / p["ldl"]
    if p["age"] is not None and p["age"] < 18:
        reason = "under 18"
    elif p["systolic_bp"] is None:
        reason = "no record of systolic bp"
    elif ratio is None:
        reason = "no record of ratio"
    elif p["smoking"] is None:
        reason = "no record of smoking"
    elif p["age"] is None:
        reason = "no record of age"
    elif p["sex"] not in ("female", "male"):
        reason = "in no stratum"
    else:
        gone = int(p["bmi"] is None)
    if reason is not None or ratio is None:
        return {"x": None, "reason": reason, "gone": gone}
    weight, current = (0.5, 0) if p["sex"] == "female" else (0.25, 3)
    x = weight * min(max(p["systolic_bp"], 90), 180) / by(p["bmi"], 27) + 2 * ratio
    return {"x": x + {"never": 0, "ex": 1, "current": current}[p["smoking"]], "reason": None, "gone": gone}


def test_required_inputs() -> None:
    """Where one has no record there is no result, for a reason that is counted, also where a term could do without it
    (a label that is not known adds nothing); an input from several columns is there when its rule gives a value."""
    pack = pack_of(model(REQUIRED))
    agree(pack, with_required)
    wanted = [with_required(plausible(p)) for p in PEOPLE]
    _, record = popstrat.score(arrow_table(PEOPLE, pack), AS_OF, pack=pack, record=True)
    counted = record["models"]["x"]
    reasons = ["under 18", *(f"no record of {x}" for x in ("systolic bp", "ratio", "smoking", "age")), "in no stratum"]
    assert counted["not_scored"] == {r: sum(w["reason"] == r for w in wanted) for r in reasons} | {
        "a term has no value": 0
    }
    assert min(list(counted["not_scored"].values())[:4]) > 5
    scored = [p for p, w in zip(map(plausible, PEOPLE), wanted, strict=True) if w["x"] is not None]
    assert counted["missing"] == {"bmi": sum(p["bmi"] is None for p in scored)}
    assert set(counted["clipped"]) == {"systolic_bp"}


def test_a_required_column_that_a_table_lacks_is_told() -> None:
    pack = pack_of(model(REQUIRED))
    table = arrow_table(PEOPLE, pack).drop_columns(["systolic_bp"])
    _, record = popstrat.score(table, AS_OF, pack=pack, record=True)
    assert "x: nobody gets a result, which needs systolic_bp" in record["warnings"]
    assert not any("default" in told for told in record["warnings"])
    assert record["models"]["x"]["not_scored"]["no record of systolic bp"] > 300


# -- lookups -----------------------------------------------------------------------------------------------------------

LOOKUPS = """
[lookups.weight]
title = "Weight of a smoking status"
source = "invented"
values = { never = 0, ex = 0.25, current = 0.5 }

[lookups.group]
title = "Weight of an ethnic group"
source = "invented"
values = { A = 1.5, B = 1.5, H = -2, J = -2, M = 0.125 }
otherwise = 7
null_is = 9

[definition.plain]
kind = "expression"
title = "p"
source = "s"
version = "1"
output = true
value = 'weight(smoking) + 1'

[definition.grouped]
kind = "expression"
title = "g"
source = "s"
version = "1"
output = true
value = 'group(ethnicity if sex == "female" else null) > 5 or group(ethnicity) < 0'

[definition.folded]
kind = "expression"
title = "f"
source = "s"
version = "1"
output = true
value = 'group("H") + weight("ex") + 0 * bmi'
"""


def test_lookups() -> None:
    """In rules and in terms: null for null unless `null_is` says otherwise, `otherwise` for what is not listed."""
    groups = {"A": 1.5, "B": 1.5, "H": -2, "J": -2, "M": 0.125}
    weights = {"never": 0, "ex": 0.25, "current": 0.5}

    def group(label: str | None) -> float:
        return 9 if label is None else groups.get(label, 7)

    def formula(p: Row) -> Row:
        shown = group(p["ethnicity"] if p["sex"] == "female" else None)
        return {
            "plain": None if p["smoking"] is None else weights[p["smoking"]] + 1,
            "grouped": shown > 5 or group(p["ethnicity"]) < 0,
            "folded": None if p["bmi"] is None else -1.75,
            "x": group(p["ethnicity"] or "Z") * 0.5 + p["ckd"] * weights[p["smoking"] or "never"],
        }

    body = """
    inputs = { ethnicity = { default = "Z" }, smoking = { default = "never" } }
    derived = { smoked = "weight(smoking)" }
    terms = [
        { id = "group", value = "group(ethnicity)", coefficient = 0.5 },
        { id = "both", product = ["smoked", "ckd"], coefficient = 1 },
    ]
    """
    agree(pack_of(LOOKUPS, model(body)), formula)


# -- recalibration -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recalibration", "women", "men"),
    [
        ("{ intercept = 0.3 }", (0.3, 1.0), (0.3, 1.0)),
        ("{ slope = 0.8 }", (0.0, 0.8), (0.0, 0.8)),
        (
            "{ intercept = { women = 0.25, men = -0.5 }, slope = { women = 0.75, men = 1.25 } }",
            (0.25, 0.75),
            (-0.5, 1.25),
        ),
    ],
)
def test_recalibration(recalibration: str, women: tuple[float, float], men: tuple[float, float]) -> None:
    """intercept + slope × (the linear predictor with its own intercept), before the link."""

    def formula(p: Row) -> float | None:
        before = stratified(p)["x"]
        if before is None:
            return None
        base = 0.985 if p["sex"] == "female" else 0.97
        lp = math.log(math.log(1 - before) / math.log(base))
        intercept, slope = women if p["sex"] == "female" else men
        return float(1 - base ** math.exp(intercept + slope * lp))

    agree(pack_of(model(STRATA, link="survival", head=f"recalibration = {recalibration}")), formula)


def test_recalibration_of_the_risk() -> None:
    """ln(−ln(1 − risk)) becomes intercept + slope × it at each horizon, as SCORE2's regions are recalibrated."""
    text = "recalibration = { of = 'risk', intercept = { women = -0.25, men = 0.5 }, slope = { women = 0.75, men = 1.25 } }"

    def formula(p: Row) -> Row:
        before, woman = stratified(p), p["sex"] == "female"
        a, b = (-0.25, 0.75) if woman else (0.5, 1.25)

        def again(risk: float | None) -> float | None:
            return None if risk is None else 1 - math.exp(-math.exp(a + b * math.log(-math.log(1 - risk))))

        return {name: again(before[name]) for name in ("x", "x_m24")}

    agree(pack_of(model(STRATA, link="survival", head=text)), formula)


# -- several models ----------------------------------------------------------------------------------------------------


def test_several_models_and_one_that_reads_another() -> None:
    first = model(TWO_TERMS, link="logistic", ident="first")
    second = model(
        STRATA.replace('"why_not"', '"second_why"').replace('"in_five_years"', '"second_later"'),
        link="survival",
        ident="second",
    )
    third = model(
        'inputs = { given = { from = "second", default = 0.5 }, bmi = { default = 30 } }\n'
        '[[@.terms]]\nid = "given"\nvalue = "given"\ncoefficient = 2\n'
        '[[@.terms]]\nid = "first"\nproduct = ["ckd", "bmi"]\ncoefficient = 0.01\n',
        ident="third",
    )

    def formula(p: Row) -> Row:
        second = stratified(p)["x"]
        return {
            "first": 1 / (1 + math.exp(-two_terms(p))),
            "second": second,
            "second_m24": stratified(p)["x_m24"],
            "third": 2 * by(second, 0.5) + 0.01 * by(p["bmi"], 30) * p["ckd"],
        }

    agree(pack_of(first, second, third), formula)
    agree(pack_of(third, second, first), formula)


# -- one way or another ------------------------------------------------------------------------------------------------


def test_rows_chunks_threads_and_slices() -> None:
    """No rows; one chunk or many; one thread or two; a slice from the middle: the same answers."""
    pack = pack_of(model(STRATA, link="survival"), model(PRODUCTS, ident="p"), model(INPUTS, ident="i"))
    table = arrow_table(PEOPLE * 30, pack)
    table = table.set_column(0, "patient_id", pa.array(range(len(table)), pa.int64()))
    whole = popstrat.score(table, AS_OF, pack=pack, threads=1)
    assert popstrat.score(table, AS_OF, pack=pack, threads=2).equals(whole)
    chunks = pa.concat_tables([table.slice(a, b - a) for a, b in ((0, 1), (1, 4097), (4097, 4097), (4097, len(table)))])
    assert popstrat.score(chunks, AS_OF, pack=pack, threads=2).combine_chunks().equals(whole.combine_chunks())
    assert (
        popstrat.score(table.slice(333, 777), AS_OF, pack=pack)
        .combine_chunks()
        .equals(whole.slice(333, 777).combine_chunks())
    )
    assert popstrat.score(table.slice(0, 0), AS_OF, pack=pack).num_rows == 0


# -- the model of the documentation, in the style of the published cardiovascular models ---------------------------------


EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "sex-specific-survival.toml"


def patients_of_the_example(count: int) -> list[Row]:
    """People with every input of the example, null now and then."""
    raw = load_pack(EXAMPLE).raw["definition"]["event_risk"]
    flags = [t["when"] for t in raw["terms"] if "when" in t] + ["chd", "stroke_tia"]
    r = random.Random(11)
    found = []
    for person in people(count, seed=3):
        kept = {
            k: person[k] for k in ("age", "sex", "bmi", "systolic_bp", "non_hdl", "smoking", "ethnicity", "imd_decile")
        }
        kept["hdl"] = None if r.random() < 0.2 else r.randint(20, 300) / 64
        found.append(kept | {flag: r.choice([None, False, False, False, False, True]) for flag in flags})
    return found


def test_the_sex_specific_survival_model_of_the_documentation() -> None:
    """Powers of age and body mass index, five ethnic groups, twelve conditions, fourteen interactions with age for each
    sex, two horizons, against the formula written out by hand in `sex_specific`: each risk to its six places, and
    unrounded within 1e-9."""
    pack = load_pack(EXAMPLE)
    among = patients_of_the_example(400)
    assert sum("product" in term for term in pack.raw["definition"]["event_risk"]["terms"]) == 28

    def clean(p: Row) -> Row:
        return p | {flag: bool(v) for flag, v in p.items() if v is None and pack.schema[flag].type == "bool"}

    def formula(p: Row, places: int = 6) -> Row:
        found = sex_specific.risks(clean(p))
        if found is None:
            return {"event_risk": None, "event_risk_y10": None}
        return {"event_risk": round(found[0], places), "event_risk_y10": round(found[1], places)}

    agree(pack, formula, among=among, tolerance=1e-12)
    text = EXAMPLE.read_text(encoding="utf-8").split("[[definition.event_risk.reference_patients]]")[0]
    finer = text.replace('horizon = "5', 'draft = true\ndecimals = 15\nhorizon = "5')
    head, _, rest = finer.partition("[[input]]")
    assert "[pack]" in head
    agree(local_pack("[[input]]" + rest, extends=""), lambda p: formula(p, 15), among=among)


def test_the_reference_patients_of_the_example_are_those_of_the_formula() -> None:
    """To the printed digit."""
    raw = load_pack(EXAMPLE).raw["definition"]["event_risk"]
    nothing = dict.fromkeys(patients_of_the_example(1)[0])
    checked = 0
    for entry in raw["reference_patients"]:
        found = sex_specific.risks(nothing | entry["patient"])
        if found is None:
            assert entry["expected"]["event_risk"] == "null"
            continue
        assert (entry["expected"]["event_risk"], entry["expected"]["event_risk.y10"]) == tuple(
            round(x, 6) for x in found
        )
        checked += 1
    assert checked == 6


# -- the published family of the documentation ---------------------------------------------------------------------------

FAMILY = EXAMPLE.parent / "score2.toml"


def patients_of_the_family(count: int) -> list[Row]:
    """People of every age and both sexes, measured as finely as nobody measures; now and then a record is missing."""
    r = random.Random(12)
    found: list[Row] = []
    for _ in range(count):
        measured = {
            "smoking": r.choice(["never", "ex", "current"]), "systolic_bp": r.randint(90 * 8, 200 * 8) / 8,
            "total_cholesterol": r.randint(3 * 64, 9 * 64) / 64, "hdl": r.randint(40, 190) / 64,
        }  # fmt: skip
        gone = [name for name in measured if r.random() < 0.04]
        ill = {flag: r.choice([None, False, False, False, r.random() < 0.3]) for flag in ("chd", "stroke_tia", "pad")}
        found.append({
            "age": r.choice([None, 39, 40, 69, 70, 89, 90, *range(40, 90), *range(40, 90)]),
            "sex": r.choice(["female", "male", "female", "male", "unknown"]),
            "diabetes": r.choice([None, False, False, True]), **ill, **measured, **dict.fromkeys(gone),
        })  # fmt: skip
    return found


def test_the_published_family_of_the_documentation() -> None:
    """SCORE2 and SCORE2-OP in four regions, against the formulas written out in `score2`: each risk to the places that
    are printed, and unrounded within 1e-9. One model is written out; seven are like it."""
    pack = load_pack(FAMILY)
    among = patients_of_the_family(600)
    models = pack.at(parse_as_of(AS_OF)).models
    assert list(models) == [f"{name}{'' if r == 'low' else f'_{r}'}" for name in score2.SCALES for r in score2.REGIONS]
    assert sum("like" in pack.raw["definition"][name] for name in models) == 7

    def rounded(p: Row) -> Row:
        return {name: None if risk is None else round(risk, 3) for name, risk in score2.risks(p).items()}

    agree(pack, rounded, among=among, tolerance=1e-12, fewest=100)
    text = FAMILY.read_text(encoding="utf-8").replace("decimals = 3", "decimals = 15")
    text = re.sub(r"reference_patients = \[\n.*?\n\]\n", "draft = true\n", text, flags=re.DOTALL)
    agree(local_pack("[[input]]" + text.partition("[[input]]")[2], extends=""), score2.risks, among=among)


def test_the_family_prints_what_the_paper_prints() -> None:
    """A smoker of 50 with 140 mmHg, total cholesterol 5.5 and HDL cholesterol 1.3 mmol/L: 5.9% for men in countries of
    low risk to 14.0% in those of very high risk; 4.2% to 13.7% for women."""
    smoker = dict.fromkeys(patients_of_the_family(1)[0]) | {
        "age": 50, "smoking": "current", "systolic_bp": 140, "total_cholesterol": 5.5, "hdl": 1.3,
    }  # fmt: skip
    table = arrow_table([smoker | {"sex": "male"}, smoker | {"sex": "female"}], load_pack(FAMILY))
    men, women = popstrat.score(table, AS_OF, pack=FAMILY).to_pylist()
    assert [men["score2"], men["score2_very_high"], men["cvd_risk"]] == [0.059, 0.14, 0.059]
    assert [women["score2"], women["score2_very_high"], women["cvd_risk"]] == [0.042, 0.137, 0.042]
