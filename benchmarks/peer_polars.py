"""The built-in pack `london-2026` once more, by hand, as Polars expressions.

What an analyst who knows Polars well would write instead of using popstrat, and then polish for speed. It shares no
code with the package, so that each can be held against the other (tests/integration/test_peers.py), and it is what
popstrat is timed against. With ``checks`` (the default) it gives every column that popstrat gives, `quality_flags`
included; without, it trusts its input and does less. Neither counts anything, looks at the ids or writes a record.

Every rule is written out; only the numbers of the risk model come from the pack's file, by the id of the term, so that
a term without an expression here is an error and not a silent zero.

The checks are one query that holds for any list. Somebody might first ask each column for its extremes and check only
what is outside; on a list without a fault that costs no less than ``checks=False``, which is measured as well.
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
import operator
import tomllib
from collections.abc import Iterable
from functools import cache, reduce
from importlib import resources
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("patient_id", "practice_code", "pcn_code", "neighbourhood", "place")
OUTPUTS = (
    "age", "ltc_count", "frailty_category", "nwl_risk_group", "whole_systems_segment", "bridges_to_health_segment",
    "hypertension_status", "diabetes_status", "af_status", "ckd_status", "cvrm_unoptimised_count", "cvrm_rag",
    "frailty_int_segment", "frailty_int_priority", "mltc_int_segment", "mltc_int_priority", "cyp_int_segment",
    "admission_risk", "admission_risk_band", "expected_cost_2014", "inputs_missing", "core20", "ascvd", "lipid_status",
    "heart_failure_status", "need_rag", "missing_anticoagulant", "missing_statin", "missing_ras_inhibitor",
    "missing_sglt2_inhibitor",
)  # fmt: skip
SINCE_2 = OUTPUTS[OUTPUTS.index("core20") :]  # what version 1.0.0 of the pack did not give
LTC = (
    "hypertension", "chronic_pain", "osteoarthritis", "diabetes", "depression", "ckd", "asthma", "chd", "obesity",
    "atrial_fibrillation", "stroke_tia", "copd", "heart_failure", "dementia", "ibd", "rheumatoid_arthritis", "pad",
    "epilepsy", "bronchiectasis", "osteoporosis", "sarcoidosis", "liver_cirrhosis", "parkinsons", "lupus",
    "multiple_sclerosis", "sickle_cell", "cystic_fibrosis",
)  # fmt: skip
REVIEWED = (
    "diabetes", "ckd", "chd", "atrial_fibrillation", "stroke_tia", "copd", "asthma", "heart_failure", "dementia", "ibd",
    "rheumatoid_arthritis", "pad", "epilepsy", "bronchiectasis", "sarcoidosis", "liver_cirrhosis", "parkinsons",
    "lupus", "multiple_sclerosis", "sickle_cell", "cystic_fibrosis", "cancer", "smi", "learning_disability",
    "alcohol_dependence", "drug_dependence",
)  # fmt: skip
FLAGS = (
    *LTC, "cancer", "smi", "learning_disability", "anxiety", "palliative_care", "alcohol_dependence", "drug_dependence",
    "homeless", "falls", "venous_thromboembolism", "af_suspected", "end_of_life", "housebound", "complex_needs",
    "pregnant", "anticoagulant", "statin", "ras_inhibitor", "antidepressant", "antipsychotic", "corticosteroid",
    "nsaid", "sglt2_inhibitor", "high_intensity_statin", "ezetimibe",
)  # fmt: skip
NUMBERS = {
    "cfs": pl.Int8, "efi": pl.Float32, "imd_decile": pl.Int8, "systolic_bp": pl.Int16, "diastolic_bp": pl.Int16,
    "hba1c": pl.Float32, "egfr": pl.Float32, "egfr_previous": pl.Float32, "acr": pl.Float32, "bmi": pl.Float32,
    "haemoglobin": pl.Int16, "platelets": pl.Int16, "alcohol_units_week": pl.Int16,
    "emergency_admissions_12m": pl.Int16, "ldl": pl.Float32, "non_hdl": pl.Float32, "cvd_risk_10y": pl.Float32,
    "non_hdl_baseline": pl.Float32,
}  # fmt: skip
DATES = ("date_of_birth", "bp_date", "hba1c_date", "egfr_date", "egfr_previous_date", "lipids_date")
CATEGORIES = {
    "sex": pl.Enum(["female", "male", "intersex", "unknown"]),
    "ethnicity": pl.Enum([*"ABCDEFGHJKLMNPRSZ", "99"]),
    "frailty": pl.Enum(["fit", "mild", "moderate", "severe"]),
    "bp_setting": pl.Enum(["clinic", "home"]),
    "smoking": pl.Enum(["never", "ex", "current"]),
    "diabetes_type": pl.Enum(["type1", "type2", "other"]),
}

# What only the columns since version 2.0.0 of the pack read.
SINCE_2_INPUTS: dict[str, Any] = {
    "lipids_date": pl.Date, "diabetes_type": CATEGORIES["diabetes_type"],
    **{c: NUMBERS[c] for c in ("ldl", "non_hdl", "cvd_risk_10y", "non_hdl_baseline")},
}  # fmt: skip

FRAILTY = CATEGORIES["frailty"]
STATUS = pl.Enum(["none", "optimised", "unoptimised", "undiagnosed"])
RAG = pl.Enum(["red", "amber", "green"])
BAND = pl.Enum(["very_high", "high", "medium", "low", "very_low"])
NWL = pl.Enum(["specialist_end_of_life", "high", "rising", "stable", "well"])
WHOLE_SYSTEMS = pl.Enum(
    [
        "socially_excluded", "advanced_organic_disorder", "learning_disability", "smi", "cancer", "elderly_with_ltc",
        "adults_with_ltc", "mostly_healthy_elderly", "mostly_healthy_adults",
    ]
)  # fmt: skip
BRIDGES = pl.Enum(
    [
        "healthy", "children_and_maternal", "acutely_ill", "ltc", "serious_disability", "end_of_life", "organ_failure",
        "frailty_dementia",
    ]
)  # fmt: skip

# What is plausible, and the bit of `quality_flags` that says otherwise.
PLAUSIBLE = {
    "imd_decile": (1, 10, 5), "cfs": (1, 9, 7), "efi": (0, 1, 9), "systolic_bp": (50, 300, 10),
    "diastolic_bp": (20, 200, 11), "hba1c": (15, 200, 16), "egfr": (1, 200, 20), "egfr_previous": (1, 200, 24),
    "acr": (0, 3_000, 28), "bmi": (10, 100, 29), "haemoglobin": (30, 250, 36), "platelets": (1, 2_000, 37),
    "alcohol_units_week": (0, 500, 39), "emergency_admissions_12m": (0, 10_000, 47), "ldl": (0.1, 20, 30),
    "non_hdl": (0.1, 20, 31), "cvd_risk_10y": (0, 100, 35), "non_hdl_baseline": (0.1, 20, 55),
}  # fmt: skip
UNLISTED = {"sex": 4, "ethnicity": 6, "frailty": 8, "bp_setting": 15, "smoking": 38, "diabetes_type": 63}
BORN_LATER, BORN_EARLY, TURNED = 1, 2, 63
MEASURED = {
    "bp_date": 12,
    "hba1c_date": 17,
    "egfr_date": 21,
    "egfr_previous_date": 25,
    "lipids_date": 32,
}  # then early, before birth
FIRST_DATE, OLDEST = dt.date(1900, 1, 1), 120

RECENT_MONTHS, LOOKED_BACK_MONTHS = 12, 24
SMI_COUNTS_FROM = dt.date(2026, 7, 1)
POINT = 10_000  # the risk model is added up in ten-thousandths, as whole numbers: exact, and half the time of doubles


def prepare(table: pa.Table) -> pl.DataFrame:
    """The columns that scoring needs, labels as Enum, in one chunk. Not part of what is timed.

    An Enum cannot hold a label that is not listed: it becomes null here, and if there are any, a column `_unlisted`
    keeps their bits. So the unknown labels cost the timed query one sum at most.
    """
    wanted = [c for c in (*KEYS, *DATES, *CATEGORIES, *NUMBERS, *FLAGS) if c in table.column_names]
    frame = pl.from_arrow(table.select(wanted))
    assert isinstance(frame, pl.DataFrame)
    casts = [col(c).cast(kind, strict=False) for c, kind in CATEGORIES.items()]
    frame = frame.with_columns(*casts, _bits(_unlisted(frame.lazy())).alias("_unlisted"))
    return (frame if frame["_unlisted"].max() else frame.drop("_unlisted")).rechunk()


def score_frame(
    df: pl.DataFrame, as_of: dt.date, *, checks: bool = True, engine: Any = "streaming", since_2: bool = True
) -> pl.DataFrame:
    """The scored table of a frame that `prepare` made. The streaming engine is the faster of the two."""
    return lazy(df.lazy(), as_of, checks=checks, since_2=since_2).collect(engine=engine)


def lazy(lf: pl.LazyFrame, as_of: dt.date, *, checks: bool = True, since_2: bool = True) -> pl.LazyFrame:
    """The scored table as a query, for frames and for files: the checks, then three stages, each on what the one before
    it has made.

    A null flag needs no care in ``when``, where null takes the other branch; it does wherever it is negated, and in
    whatever is a boolean in the output. Not ``since_2``: the columns that version 1.0.0 gave, and only what they need.
    """
    if not since_2:
        lf = lf.drop(SINCE_2_INPUTS)
        lf = lf.with_columns(*(_lit(None, kind).alias(name) for name, kind in SINCE_2_INPUTS.items()))
    keys = [c for c in KEYS if c in lf.collect_schema().names()]
    values = _checked(lf, as_of) if checks else [*DATES, *_labels(lf, checks=False), *NUMBERS]
    return (
        lf.select(*keys, *values, *FLAGS)
        .with_columns(_age(as_of), _ltc_count(), _reviewed(), _frailty_category(), *_shared(), *_pressure())
        .with_columns(_adult(), _expected_cost(), _whole_systems(), _bridges(), *_statuses(as_of), *_points())
        .with_columns(_admission_risk(), _inputs_missing(), _unoptimised(), *_cohorts(as_of), *_missing_medicines())
        .with_columns(_rag(), _band(), _nwl(), _several_priority(), _need())
        .select(*keys, *(c for c in OUTPUTS if since_2 or c not in SINCE_2), *(["quality_flags"] if checks else []))
    )


col, when = pl.col, pl.when
_adult_now = col("_adult")


def _lit(value: Any, dtype: Any) -> pl.Expr:
    return pl.lit(value, dtype=dtype)


def _total(parts: Iterable[pl.Expr]) -> pl.Expr:
    return reduce(operator.add, parts)


def _any(names: Iterable[str]) -> pl.Expr:
    return reduce(operator.or_, [col(n) for n in names])


def _one_of(name: str, *labels: str) -> pl.Expr:
    """Equality is fast on an Enum; ``>=`` and the like are not."""
    return reduce(operator.or_, [col(name) == label for label in labels])


def _sure(condition: pl.Expr) -> pl.Expr:
    """Unknown is false."""
    return condition.fill_null(False)


def _count(conditions: Iterable[pl.Expr]) -> pl.Expr:
    """How many are true. A choice of two constants is several times faster than a cast from bool."""
    return _total(when(c).then(_lit(1, pl.UInt8)).otherwise(_lit(0, pl.UInt8)) for c in conditions)


def _first(labels: pl.Enum, *rules: tuple[pl.Expr, str | None], otherwise: str | None = None) -> pl.Expr:
    """The label of the first rule that is true."""
    value = _lit(otherwise, labels)
    for condition, label in reversed(rules):
        value = when(condition).then(_lit(label, labels)).otherwise(value)
    return value


def months_before(date: dt.date, months: int) -> dt.date:
    """The same day some calendar months earlier, clipped to the month's end."""
    year, month = divmod(date.year * 12 + date.month - 1 - months, 12)
    return dt.date(year, month + 1, min(date.day, calendar.monthrange(year, month + 1)[1]))


def _within(name: str, months: int, as_of: dt.date) -> pl.Expr:
    return col(name).is_between(months_before(as_of, months), as_of)


def _age(as_of: dt.date) -> pl.Expr:
    """Completed years, with one look at the calendar instead of three.

    Everybody's date of birth is moved by a fixed number of days, so that the day on which this year's birthday is
    still to come falls on 1 January: then the year alone tells the age. From March on that means forward to the next
    1 January, before it back to this one, so that no 29 February lies between.
    """
    if (as_of.month, as_of.day) >= (2, 29):
        tomorrow = dt.date(2000, as_of.month, as_of.day) + dt.timedelta(days=1)  # 2000, to have a 29 February
        shift, year = (dt.date(2001, 1, 1) - tomorrow).days, as_of.year
    else:
        shift, year = -as_of.timetuple().tm_yday, as_of.year - 1
    moved = (col("date_of_birth").to_physical() + shift).cast(pl.Date)
    return (year - moved.dt.year()).cast(pl.Int16, wrap_numerical=True).alias("age")


def _ltc_count() -> pl.Expr:
    return _count(col(c) for c in LTC).alias("ltc_count")


def _reviewed() -> pl.Expr:
    """The conditions with regular review or shared care, which the cost tree counts."""
    return _count(col(c) for c in REVIEWED).alias("_reviewed")


def _shared() -> list[pl.Expr]:
    """What several later rules ask for."""
    acr = col("acr")
    indicated = (acr >= 70) | ((acr >= 30) & col("hypertension")) | ((acr >= 3) & col("diabetes"))
    return [
        _sure(_any(["chd", "stroke_tia", "pad"])).alias("ascvd"),
        _sure(col("imd_decile") <= 2).alias("core20"),
        _sure(indicated).alias("_ras_indicated"),
        _sure(_dying() | col("palliative_care")).alias("_end_of_life"),
    ]


def _frailty_category() -> pl.Expr:
    cfs, efi = col("cfs"), col("efi")
    from_cfs = _first(FRAILTY, (cfs <= 3, "fit"), (cfs <= 5, "mild"), (cfs == 6, "moderate"), (cfs >= 7, "severe"))
    # a literal takes the type of the column: 0.36 is at the cut in float32, not over it
    cuts = ((efi <= 0.12, "fit"), (efi <= 0.24, "mild"), (efi <= 0.36, "moderate"), (efi > 0.36, "severe"))
    return pl.coalesce(from_cfs, "frailty", _first(FRAILTY, *cuts)).alias("frailty_category")


def _pressure() -> list[pl.Expr]:
    """The blood pressure as a clinic would have read it: home readings count 5 higher."""
    more = when(col("bp_setting") == "home").then(_lit(5, pl.Int16)).otherwise(_lit(0, pl.Int16))
    return [(col("systolic_bp") + more).alias("_systolic"), (col("diastolic_bp") + more).alias("_diastolic")]


def _adult() -> pl.Expr:
    return _sure(col("age") >= 18).alias("_adult")


def _statuses(as_of: dt.date) -> list[pl.Expr]:
    systolic, diastolic, acr, age = col("_systolic"), col("_diastolic"), col("acr"), col("age")
    recent_bp = _within("bp_date", RECENT_MONTHS, as_of)
    not_pregnant = ~_sure(col("pregnant"))
    frail = _one_of("frailty_category", "moderate", "severe")

    limit = when(age >= 80).then(_lit(150, pl.Int16)).otherwise(_lit(140, pl.Int16))
    at_target = (systolic <= limit) & (diastolic <= 90)
    high = (systolic >= 140) | (diastolic >= 90)
    hba1c = col("hba1c")
    severe = _sure(acr >= 70)
    kidney_target = ((systolic <= 140) & (diastolic <= 90) & ~severe) | ((systolic <= 130) & (diastolic <= 80))
    apart = (col("egfr_date").to_physical() - col("egfr_previous_date").to_physical()).abs() >= 90

    def status(name: str, diagnosed: str, optimised: pl.Expr, undiagnosed: pl.Expr) -> pl.Expr:
        return _first(
            STATUS,
            (~_sure(age >= 18), None),
            (col(diagnosed) & optimised, "optimised"),
            (col(diagnosed), "unoptimised"),
            (undiagnosed, "undiagnosed"),
            otherwise="none",
        ).alias(name)

    return [
        status(
            "hypertension_status",
            "hypertension",
            recent_bp & at_target,
            _within("bp_date", LOOKED_BACK_MONTHS, as_of) & high,
        ),
        status(
            "diabetes_status",
            "diabetes",
            _within("hba1c_date", RECENT_MONTHS, as_of) & ((hba1c <= 58) | (frail & (hba1c <= 75))),
            _within("hba1c_date", LOOKED_BACK_MONTHS, as_of) & (hba1c >= 48) & not_pregnant,
        ),
        status("af_status", "atrial_fibrillation", col("anticoagulant") | (_stroke_score() < 2), col("af_suspected")),
        status(
            "ckd_status",
            "ckd",
            col("statin") & recent_bp & kidney_target & (col("ras_inhibitor") | ~col("_ras_indicated")),
            _within("egfr_date", LOOKED_BACK_MONTHS, as_of)
            & (col("egfr") < 60)
            & (col("egfr_previous") < 60)
            & apart
            & not_pregnant,
        ),
        _lipids(as_of),
        _first(
            STATUS,
            (~_sure(age >= 18), None),
            (col("heart_failure") & col("ras_inhibitor") & col("sglt2_inhibitor"), "optimised"),
            (col("heart_failure"), "unoptimised"),
            otherwise="none",
        ).alias("heart_failure_status"),
    ]


def _stroke_score() -> pl.Expr:
    """CHA2DS2-VASc."""
    age = col("age")
    return _count(
        [
            *(col(c) for c in ("heart_failure", "hypertension", "diabetes", "stroke_tia", "stroke_tia")),
            age >= 65, age >= 75, col("chd") | col("pad"), col("sex") == "female",
        ]
    )  # fmt: skip


def _lipids(as_of: dt.date) -> pl.Expr:
    """Secondary prevention by the last values or the strongest treatment, primary by a statin and what it has done."""
    ldl, now, before = col("ldl"), col("non_hdl").cast(pl.Float64), col("non_hdl_baseline").cast(pl.Float64)
    low = (ldl <= 2.0) | (ldl.is_null() & (col("non_hdl") <= 2.6))
    at_target = (_within("lipids_date", RECENT_MONTHS, as_of) & low) | (col("high_intensity_statin") & col("ezetimibe"))
    reduced = before.is_null() | ((100 * (before - now) / before).round(2) > 40)
    due = col("cvd_risk_10y") > 10
    return _first(
        STATUS,
        (~_sure(col("age") >= 18), None),
        (col("ascvd") & at_target, "optimised"),
        (col("ascvd"), "unoptimised"),
        (due & col("statin") & reduced, "optimised"),
        (due, "unoptimised"),
        otherwise="none",
    ).alias("lipid_status")


def _missing_medicines() -> list[pl.Expr]:
    """Indicated by the record and not there."""
    age, egfr, acr = col("age"), col("egfr"), col("acr")
    can_be = _sure((age >= 18) & ~_sure(col("pregnant"))) & ~col("_end_of_life")
    statin_in_diabetes = col("diabetes") & (age >= 40) & ~_sure(_one_of("frailty_category", "moderate", "severe"))
    kidney = ((egfr >= 20) & (egfr < 45)) | (
        (egfr >= 45) & (egfr <= 90) & ((col("diabetes_type") == "type2") | (acr >= 22.6))
    )
    sglt2 = (col("heart_failure") | (col("ckd") & kidney)) & ~_sure(col("diabetes_type") == "type1")

    def missing(name: str, indicated: pl.Expr) -> pl.Expr:
        return (can_be & _sure(indicated) & ~_sure(col(name))).alias(f"missing_{name}")

    return [
        missing("anticoagulant", col("atrial_fibrillation") & (_stroke_score() >= 2)),
        missing("statin", col("ascvd") | col("ckd") | statin_in_diabetes),
        missing("ras_inhibitor", col("ckd") & col("_ras_indicated")),
        missing("sglt2_inhibitor", sglt2),
    ]


FOUR = ("hypertension_status", "diabetes_status", "af_status", "ckd_status")


def _unoptimised() -> pl.Expr:
    counted = _count(_one_of(status, "unoptimised", "undiagnosed") for status in FOUR)
    return when("_adult").then(counted).alias("cvrm_unoptimised_count")


def _rag() -> pl.Expr:
    n = col("cvrm_unoptimised_count")
    return _first(RAG, (n >= 3, "red"), (n == 2, "amber"), (n == 1, "green")).alias("cvrm_rag")


def _dying() -> pl.Expr:
    return col("end_of_life") | (col("cfs") == 9)


def _cohorts(as_of: dt.date) -> list[pl.Expr]:
    age = col("age")
    frail = _one_of("frailty_category", "moderate", "severe")
    living_with = col("ltc_count") + _count(col(status) == "undiagnosed" for status in FOUR)
    several = (age >= 18) & (age <= 64) & (living_with >= 3)
    if as_of < SMI_COUNTS_FROM:
        several &= ~_sure(col("smi"))
    return [
        _sure(age >= 65).alias("frailty_int_segment"),
        _sure((age >= 65) & (frail | col("_end_of_life"))).alias("frailty_int_priority"),
        _sure(several).alias("mltc_int_segment"),
        _sure((age < 18) & (col("core20") | col("complex_needs"))).alias("cyp_int_segment"),
    ]


def _several_priority() -> pl.Expr:
    """At least three of the four conditions, one of them undiagnosed or unoptimised."""
    present = _count(col(status) != "none" for status in FOUR)
    return (col("mltc_int_segment") & (present >= 3) & _sure(col("cvrm_unoptimised_count") >= 1)).alias(
        "mltc_int_priority"
    )


def _need() -> pl.Expr:
    adult, risk, n = _adult_now, col("admission_risk"), col("cvrm_unoptimised_count")
    frailty, conditions, dying = col("frailty_category"), col("ltc_count"), col("_end_of_life")
    child = col("age") < 18
    deprived_and_ill = col("core20") & (conditions >= 1)
    red = dying | (risk > 0.18) | (n >= 3) | (frailty == "severe")
    amber = (risk > 0.12) | (n >= 2) | (frailty == "moderate") | (conditions >= 4)
    green = (risk > 0.07) | (n >= 1) | (frailty == "mild") | (conditions >= 2)
    return _first(
        RAG,
        (adult & red, "red"),
        (adult & amber, "amber"),
        (adult & green, "green"),
        (child & (dying | (col("complex_needs") & (col("core20") | (conditions >= 1)))), "red"),
        (child & col("complex_needs"), "amber"),
        (child & deprived_and_ill, "green"),
    ).alias("need_rag")


def _whole_systems() -> pl.Expr:
    age, ill = col("age"), col("ltc_count") >= 1
    return _first(
        WHOLE_SYSTEMS,
        (~_sure(age >= 16), None),
        (_any(["homeless", "alcohol_dependence", "drug_dependence"]), "socially_excluded"),
        (col("dementia"), "advanced_organic_disorder"),
        (col("learning_disability"), "learning_disability"),
        (col("smi"), "smi"),
        (col("cancer"), "cancer"),
        ((age >= 75) & ill, "elderly_with_ltc"),
        (ill, "adults_with_ltc"),
        (age >= 75, "mostly_healthy_elderly"),
        otherwise="mostly_healthy_adults",
    ).alias("whole_systems_segment")


def _bridges() -> pl.Expr:
    admitted = col("emergency_admissions_12m") >= 1
    organ = _any(["heart_failure", "liver_cirrhosis", "cystic_fibrosis"])
    return _first(
        BRIDGES,
        (col("dementia") | (col("frailty_category") == "severe"), "frailty_dementia"),
        (organ | (col("egfr") < 30) | (col("copd") & admitted), "organ_failure"),
        (_dying() | col("palliative_care"), "end_of_life"),
        (_any(["learning_disability", "smi", "multiple_sclerosis", "parkinsons", "housebound"]), "serious_disability"),
        ((col("ltc_count") >= 1) | col("cancer"), "ltc"),
        (admitted, "acutely_ill"),
        ((col("age") < 18) | col("pregnant"), "children_and_maternal"),
        otherwise="healthy",
    ).alias("bridges_to_health_segment")


def _nwl() -> pl.Expr:
    risk, again = col("admission_risk"), col("emergency_admissions_12m") >= 2
    advanced = (col("frailty_category") == "severe") & (
        (col("dementia") & col("housebound")) | (_any(["heart_failure", "copd"]) & again)
    )
    return _first(
        NWL,
        (~_adult_now, None),
        (_dying() | col("palliative_care") | advanced, "specialist_end_of_life"),
        (risk >= 0.20, "high"),
        ((risk >= 0.09) & (col("cvrm_unoptimised_count") >= 2), "rising"),
        (col("_reviewed") >= 1, "stable"),
        otherwise="well",
    ).alias("nwl_risk_group")


def _expected_cost() -> pl.Expr:
    """The regression tree of 2014, split by split."""
    age, n, cancer = col("age"), col("_reviewed"), col("cancer")

    def split(condition: pl.Expr, yes: pl.Expr | float, no: pl.Expr | float) -> pl.Expr:
        return when(condition).then(yes).otherwise(no)

    def by_age(limit: int, yes: pl.Expr | float, no: pl.Expr | float) -> pl.Expr:
        return when(age < limit).then(yes).when(age.is_not_null()).then(no)  # where age is unknown, so is the cost

    without = by_age(
        75,
        split(col("learning_disability"), 8575.203, split(cancer, 3488.164, 429.0872)),
        by_age(85, 3286.481, 5631.572),
    )
    one = by_age(78, split(cancer, 5804.239, 2530.153), by_age(87, 4937.704, 9261.335))
    two_or_three = split(
        col("dementia"),
        17062.27,
        split(n < 3, split(cancer, 7931.51, 4767.833), split(cancer, 10519.78, 7226.45)),
    )
    more = split(n < 6, by_age(79, split(n < 5, 10105.6, 13077.32), 14018.81), 18818.71)
    return split(n < 2, split(n < 1, without, one), split(n < 4, two_or_three, more)).alias("expected_cost_2014")


def _inputs_missing() -> pl.Expr:
    inputs = (
        "imd_decile", "ethnicity", "frailty_category", "emergency_admissions_12m", "smoking", "alcohol_units_week",
        "bmi", "haemoglobin", "platelets",
    )  # fmt: skip
    return when("_adult").then(_count(col(c).is_null() for c in inputs)).alias("inputs_missing")


# ---- what is plausible -----------------------------------------------------------------------------------------------


def _labels(lf: pl.LazyFrame, *, checks: bool = True) -> list[pl.Expr]:
    """The categories; a label that is not listed is null. An Enum is as it should be. A Categorical, as a file gives
    it, is looked up, which is ten times as fast as casting it; but `frailty` meets labels of its own kind and is cast.
    """
    present = lf.collect_schema()
    found = []
    for name, kind in CATEGORIES.items():
        if present[name] == pl.Categorical and kind != FRAILTY:
            listed = when(col(name).is_in(kind.categories.to_list())).then(name).alias(name)
            found.append(listed if checks else col(name))
        else:
            found.append(col(name) if present[name] == kind else col(name).cast(kind, strict=False))
    return found


def _unlisted(lf: pl.LazyFrame) -> dict[int, pl.Expr]:
    """Bit → where the label is not one of the list. None in a column that is an Enum already."""
    present = lf.collect_schema()
    return {
        bit: ~col(c).is_in(CATEGORIES[c].categories.to_list())
        if present[c] == pl.Categorical
        else col(c).is_not_null() & col(c).cast(CATEGORIES[c], strict=False).is_null()
        for c, bit in UNLISTED.items()
        if present[c] != CATEGORIES[c]
    }


def _checked(lf: pl.LazyFrame, as_of: dt.date) -> list[pl.Expr]:
    """The columns without what is implausible, and the flags that say where it was."""
    born = col("date_of_birth")
    oldest = max(months_before(as_of, 12 * (OLDEST + 1)) + dt.timedelta(days=1), FIRST_DATE)
    bits = {BORN_LATER: born > as_of, BORN_EARLY: born < oldest, **_unlisted(lf)}
    alive = born.is_between(oldest, as_of)
    kept = [when(alive).then(born).alias("date_of_birth")]
    sound: dict[str, pl.Expr] = {}
    for name, bit in MEASURED.items():
        date = col(name)
        unborn = (date < born) & alive
        bits |= {bit: date > as_of, bit + 1: date < FIRST_DATE, bit + 2: unborn & date.is_between(FIRST_DATE, as_of)}
        sound[name] = when(date.is_between(FIRST_DATE, as_of) & ~_sure(unborn)).then(date)
    turned = _sure(sound["egfr_previous_date"] > sound["egfr_date"])  # the earlier result after the latest
    sound["egfr_previous_date"] = when(~turned).then(sound["egfr_previous_date"])
    kept += [date.alias(name) for name, date in sound.items()]
    for name, (low, high, bit) in PLAUSIBLE.items():
        inside = col(name).is_between(low, high)
        bits[bit] = ~inside
        kept.append(when(inside).then(name).alias(name))
    flags = _bits(bits)
    if "_unlisted" in lf.collect_schema():
        flags += col("_unlisted")
    flags = flags | when(turned).then(_lit(1 << TURNED, pl.UInt64)).otherwise(
        _lit(0, pl.UInt64)
    )  # a bit of two reasons
    return [*kept, *_labels(lf), flags.alias("quality_flags")]


def _bits(bits: dict[int, pl.Expr]) -> pl.Expr:
    """The flags as a sum; adding them up in narrower pieces first was no faster."""
    zero = _lit(0, pl.UInt64)
    parts = [when(bad).then(_lit(1 << bit, pl.UInt64)).otherwise(zero) for bit, bad in bits.items()]
    return _total(parts) if parts else zero


# ---- the risk model --------------------------------------------------------------------------------------------------


@cache
def _model() -> tuple[float, dict[str, int]]:
    """Baseline survival and the points of each term, from the pack's file."""
    text = resources.files("popstrat.packs").joinpath("builtin/admission-12m.toml").read_text(encoding="utf-8")
    model = tomllib.loads(text)["definition"]["admission_risk"]
    points = {t["id"]: round(t["coefficient"] * POINT) for t in model["terms"]}
    coarse = [t["id"] for t in model["terms"] if abs(points[t["id"]] / POINT - t["coefficient"]) > 1e-12]
    if coarse:
        raise ValueError(f"these coefficients are no whole ten-thousandths: {', '.join(coarse)}")
    return model["baseline_survival"], points


def _years_over(start: int) -> pl.Expr:
    return pl.max_horizontal(pl.min_horizontal("age", _lit(100, pl.Int16)) - start, _lit(0, pl.Int16)).cast(pl.Int32)


def _terms(points: dict[str, int]) -> list[pl.Expr]:
    """Every term of the model in points. Raises if the model holds a term that is not written here, or lacks one."""
    older, frailty = col("age") >= 65, col("frailty_category")
    ethnicity, smoking = col("ethnicity"), col("smoking")
    units, admissions = col("alcohol_units_week"), col("emergency_admissions_12m")
    slopes = {
        "age_from_40": _years_over(40),
        "age_from_70": _years_over(70),
        "deprivation": (10 - col("imd_decile").fill_null(5)).cast(pl.Int32),
    }
    conditions = {
        "ethnicity_indian": ethnicity == "H",
        "ethnicity_pakistani": ethnicity == "J",
        "ethnicity_bangladeshi": ethnicity == "K",
        "ethnicity_other_asian": ethnicity == "L",
        "ethnicity_caribbean": ethnicity == "M",
        "ethnicity_black_african": ethnicity == "N",
        "ethnicity_chinese": ethnicity == "R",
        "ethnicity_other": ethnicity.is_in(["D", "E", "F", "G", "P", "S"]),
        "smoking_ex": smoking == "ex",
        "smoking_current": smoking == "current",
        "alcohol_some": units.is_null() | ((units > 0) & (units < 49)),  # unknown counts as 7 a week
        "alcohol_heavy": units >= 49,
        "admissions_1": admissions == 1,
        "admissions_2": admissions == 2,
        "admissions_3": admissions >= 3,
        "frailty_mild": older & (frailty == "mild"),
        "frailty_moderate": older & (frailty == "moderate"),
        "frailty_severe": older & (frailty == "severe"),
        "anxiety_or_depression": col("anxiety") | col("depression"),
        "connective_tissue_disease": col("rheumatoid_arthritis") | col("lupus"),
        "anaemia": col("haemoglobin") < 110,
        "platelets_high": col("platelets") > 480,
        "underweight": col("bmi") < 18.5,
        "bmi_40": col("bmi") >= 40,
    }
    flags = (
        "hypertension", "chronic_pain", "asthma", "diabetes", "chd", "ckd", "atrial_fibrillation", "stroke_tia", "copd",
        "cancer", "alcohol_dependence", "heart_failure", "dementia", "smi", "epilepsy", "liver_cirrhosis", "parkinsons",
        "multiple_sclerosis", "sickle_cell", "cystic_fibrosis", "bronchiectasis", "pad", "ibd", "learning_disability",
        "drug_dependence", "venous_thromboembolism", "falls", "osteoarthritis", "osteoporosis", "obesity",
        "sarcoidosis", "anticoagulant", "antidepressant", "antipsychotic", "corticosteroid", "nsaid",
    )  # fmt: skip
    conditions |= {name: col(name) for name in flags}
    unlike = points.keys() ^ (slopes.keys() | conditions.keys())
    if unlike:
        raise ValueError(f"the pack and this peer do not have the same terms: {', '.join(sorted(unlike))}")
    sloped = [value * points[name] for name, value in slopes.items()]
    alike: dict[int, list[pl.Expr]] = {}  # terms of one weight are counted in bytes first
    for name, condition in conditions.items():
        alike.setdefault(points[name], []).append(condition)
    weighed = [
        _count(same).cast(pl.Int32) * weight
        if len(same) > 3
        else _total(when(c).then(_lit(weight, pl.Int32)).otherwise(_lit(0, pl.Int32)) for c in same)
        for weight, same in alike.items()
    ]
    return sloped + weighed


_PARTS = ("_points_1", "_points_2", "_points_3")


def _points() -> list[pl.Expr]:
    """The terms in a few columns instead of one, so that all cores have something to add up."""
    terms = _terms(_model()[1])
    return [_total(terms[i :: len(_PARTS)]).alias(part) for i, part in enumerate(_PARTS)]


def _risk() -> pl.Expr:
    predictor = _total(col(part) for part in _PARTS) / POINT
    return 1 - (math.log(_model()[0]) * predictor.exp()).exp()


def _admission_risk() -> pl.Expr:
    return when("_adult").then(_risk().round(6)).alias("admission_risk")


def unrounded_risk(df: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """The risks before they are rounded, to tell where the last bit decides which way."""
    lf = df.lazy().select("patient_id", *_checked(df.lazy(), as_of), *FLAGS)
    staged = lf.with_columns(_age(as_of), _frailty_category()).with_columns(_adult(), *_points())
    return staged.select("patient_id", when("_adult").then(_risk()).alias("admission_risk")).collect()


def _band() -> pl.Expr:
    risk = col("admission_risk")
    return _first(
        BAND,
        (risk > 0.28, "very_high"),
        (risk > 0.18, "high"),
        (risk > 0.12, "medium"),
        (risk > 0.07, "low"),
        (risk.is_not_null(), "very_low"),
    ).alias("admission_risk_band")
