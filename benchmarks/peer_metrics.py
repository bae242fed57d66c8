"""Forty metrics of `neighbourhood-2026` once more, by hand, as Polars expressions over what `peer_polars` scores.

One `group_by` over practice, sex, age band, ethnicity and deprivation at once, as one number, whose few cells are then
added up to every level and group. It shares no code with the package, so that each can be held against the other
(tests/integration/test_metrics_peer.py), and it is what counting is timed against.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import peer_polars
import polars as pl

col, when = pl.col, pl.when
EXTRA = (
    "cga_date", "diabetes_onset_age", "care_plan_date", "smi_check_date", "ld_check_date", "acr_date", "phq9_date",
    "ae_attendances_12m",
)  # fmt: skip
RAW = (
    *EXTRA, "emergency_admissions_12m", "cfs", "bmi", "smoking", "ethnicity", "sex", "imd_decile", "hypertension",
    "diabetes", "ckd", "atrial_fibrillation", "heart_failure", "obesity", "smi", "complex_needs", "learning_disability",
    "diabetes_type", "cvd_risk_10y",
)  # fmt: skip
COHORTS = ("frailty_int_segment", "frailty_int_priority", "mltc_int_segment", "mltc_int_priority", "cyp_int_segment")
AGES = (("0-4", 4), ("5-17", 17), ("18-39", 39), ("40-64", 64), ("65-74", 74), ("75-84", 84))
ETHNICITY = {"white": "ABC", "mixed": "DEFG", "asian": "HJKL", "black": "MNP", "other": "RS"}
SEXES, CODES = ("female", "male", "intersex", "unknown"), [*"ABCDEFGHJKLMNPRSZ", "99"]
LABELS = {
    "sex": SEXES,
    "age_band": [*(label for label, _ in AGES), "85+", "unknown"],
    "ethnicity": [*ETHNICITY, "unknown"],
    "imd_quintile": ["1", "2", "3", "4", "5", "unknown"],
}
LEVELS = {"place": "place", "neighbourhood": "neighbourhood", "pcn": "pcn_code", "practice": "practice_code"}
GROUPS = ("sex", "age_band", "ethnicity", "imd_quintile")
USUAL = {"icb": GROUPS, "place": GROUPS, "neighbourhood": GROUPS, "pcn": GROUPS[:2], "practice": GROUPS[:1]}


def prepare(table: Any) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """What is read: the columns that scoring needs, those that only metrics do, with their labels and the practice as
    numbers, and what each practice is in. Not part of what is timed."""
    frame = pl.from_arrow(table.select([c for c in RAW if c in table.column_names]))
    assert isinstance(frame, pl.DataFrame)
    scored = peer_polars.prepare(table)
    places = scored.select(LEVELS.values()).unique().sort("practice_code").cast(pl.String)
    practice = scored.select(
        col("practice_code").cast(pl.Enum(places["practice_code"])).to_physical().alias("raw_practice")
    )
    coded = frame.rename({c: f"raw_{c}" for c in frame.columns}).with_columns(
        col("raw_sex").cast(pl.Enum(SEXES), strict=False), col("raw_ethnicity").cast(pl.Enum(CODES), strict=False)
    )
    return scored, pl.concat([coded, practice], how="horizontal").rechunk(), places


def metrics(as_of: dt.date) -> dict[str, tuple[pl.Expr, pl.Expr | None]]:
    """Numerator and denominator (None: everybody) of each."""
    year = peer_polars.months_before(as_of, 12)
    adult, true = (col("age") >= 18).fill_null(False), pl.lit(True)

    def flag(name: str) -> pl.Expr:
        return col(f"raw_{name}").fill_null(False)

    def recent(name: str) -> pl.Expr:
        return col(f"raw_{name}").is_between(year, as_of).fill_null(False)

    def status(name: str, label: str) -> pl.Expr:
        return (col(f"{name}_status") == label).fill_null(False)

    found: dict[str, tuple[pl.Expr, pl.Expr | None]] = {}
    for name, diagnosed in (("hypertension", "hypertension"), ("diabetes", "diabetes"), ("ckd", "ckd"),
                            ("af", "atrial_fibrillation"), ("heart_failure", "heart_failure")):  # fmt: skip
        for label in ("optimised", "unoptimised"):
            found[f"{name}_{label}"] = status(name, label), adult & flag(diagnosed)
        if name != "heart_failure":
            found[f"{name}_undiagnosed"] = status(name, "undiagnosed"), adult
    found["blood_pressure_at_target"] = found["hypertension_optimised"]
    for cohort in COHORTS[:1] + COHORTS[2:3]:
        short = cohort.partition("_")[0]
        found[f"blood_pressure_at_target_{short}"] = (
            status("hypertension", "optimised"), adult & flag("hypertension") & col(cohort),
        )  # fmt: skip
    found["lipids_secondary_optimised"] = status("lipid", "optimised"), adult & col("ascvd")
    over = (col("raw_cvd_risk_10y") > 10).fill_null(False)
    found["lipids_primary_optimised"] = status("lipid", "optimised"), adult & over & ~col("ascvd")
    found["bmi_over_30"] = (col("raw_bmi") > 30).fill_null(False), adult
    found["obesity_recorded"] = flag("obesity"), adult
    smoking = col("raw_smoking").is_not_null()
    found["smoking_current"] = (col("raw_smoking") == "current").fill_null(False), adult & smoking
    found["frailty_coded"] = col("raw_cfs").is_not_null(), (col("age") >= 65).fill_null(False)
    onset = (col("raw_diabetes_onset_age") < 40).fill_null(False) & (col("raw_diabetes_type") == "type2").fill_null(
        False
    )
    found["early_onset_type_2_at_target"] = status("diabetes", "optimised"), adult & flag("diabetes") & onset
    found["care_plan"] = col("raw_care_plan_date").is_not_null(), flag("complex_needs")
    found["smi_check"] = recent("smi_check_date"), flag("smi")
    found["phq9_mltc"] = recent("phq9_date"), col("mltc_int_segment")
    for cohort in COHORTS:
        found[f"in_{cohort}"] = col(cohort), None
    for label in ("red", "amber", "green"):
        found[f"need_rag_{label}"] = (col("need_rag") == label).fill_null(False), None
    for count in range(4):
        found[f"ltc_{count}"] = col("ltc_count") == count, None
    used = col("raw_ae_attendances_12m")
    found["ae_attendances"] = used.fill_null(0).cast(pl.Int64), used.is_not_null()
    admitted = col("raw_emergency_admissions_12m")
    found["emergency_admissions"] = admitted.fill_null(0).cast(pl.Int64), admitted.is_not_null()
    found["bmi_recorded"] = col("raw_bmi").is_not_null(), adult
    assert true is not None
    return {name: (n if d is None or name.endswith(("attendances", "admissions")) else n & d, d)
            for name, (n, d) in found.items()}  # fmt: skip


def group_codes() -> list[pl.Expr]:
    """The number of everybody's group, of each grouping: one number for all is a third quicker than their texts."""
    number = pl.UInt32
    age = pl.lit(len(AGES), number)
    for i, (_, last) in reversed([*enumerate(AGES)]):
        age = when(col("age") <= last).then(pl.lit(i, number)).otherwise(age)
    of = {CODES.index(code): i for i, codes in enumerate(ETHNICITY.values()) for code in codes}
    ethnic = col("raw_ethnicity").to_physical().replace_strict(of, default=len(ETHNICITY), return_dtype=number)
    return [
        col("raw_sex").to_physical().cast(number).fill_null(3),
        when(col("age").is_null()).then(pl.lit(len(AGES) + 1, number)).otherwise(age),
        ethnic,
        ((col("raw_imd_decile") - 1) // 2).cast(number).fill_null(5),
    ]


def cells(
    frames: tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame], as_of: dt.date, engine: Any = "streaming"
) -> pl.DataFrame:
    """Everything counted in each cell of practice and groups.

    Scored with the plausibility checks, as popstrat does; what only metrics read is trusted, which is less.
    """
    scored = peer_polars.lazy(frames[0].lazy(), as_of)
    both = pl.concat([scored, frames[1].lazy()], how="horizontal")
    sums = [pl.len().alias("registered")]
    for name, (numerator, denominator) in metrics(as_of).items():
        sums.append(numerator.sum().cast(pl.Int64).alias(name))
        if name.endswith(("attendances", "admissions")):
            sums.append((numerator * numerator).sum().alias(f"{name} squared"))
        if denominator is not None:
            sums.append(denominator.sum().cast(pl.Int64).alias(f"of {name}"))
    sizes = [len(labels) for labels in LABELS.values()]
    key = col("raw_practice").cast(pl.UInt32)
    for size, code in zip(sizes, group_codes(), strict=True):
        key = key * size + code
    counted = both.group_by(key.alias("key")).agg(sums).collect(engine=engine)
    parts, left = [], col("key")
    for (name, labels), size in reversed([*zip(LABELS.items(), sizes, strict=True)]):
        parts.append((left % size).replace_strict(dict(enumerate(labels)), return_dtype=pl.String).alias(name))
        left = left // size
    where = [
        left.replace_strict(dict(enumerate(frames[2][c])), return_dtype=pl.String).alias(c) for c in frames[2].columns
    ]
    return counted.with_columns(*parts, *where).drop("key")


def figures(counted: pl.DataFrame) -> dict[tuple[str, str, str | None], pl.DataFrame]:
    """The cells added up to every level and group: (level, grouping) → a row an area and group."""
    values = [c for c in counted.columns if c not in (*LEVELS.values(), *GROUPS)]
    found = {}
    for level, by in USUAL.items():
        area = [] if level == "icb" else [LEVELS[level]]
        for grouping in (None, *by):
            keys = [*area, *([grouping] if grouping else [])]
            summed = counted.group_by(keys).agg(pl.col(values).sum()) if keys else counted.select(pl.col(values).sum())
            found[level, grouping or "none", area[0] if area else None] = summed
    return found
