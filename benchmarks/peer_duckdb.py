"""The built-in pack `london-2026` a third time, by hand, as one SQL statement for DuckDB.

What somebody at home in SQL would write instead of using popstrat. Like peer_polars it shares no code with the package
and takes only the numbers of the risk model from the pack's file. With ``checks`` (the default) it gives every column
that popstrat gives; without, it trusts its input and does less. Neither counts anything, looks at the ids or writes a
record.
"""

from __future__ import annotations

import datetime as dt
import math
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from textwrap import dedent

import duckdb
import pyarrow as pa

KEYS = ("patient_id", "practice_code", "pcn_code", "neighbourhood", "place")
LTC = (
    "hypertension", "chronic_pain", "osteoarthritis", "diabetes", "depression", "ckd", "asthma", "chd", "obesity",
    "atrial_fibrillation", "stroke_tia", "copd", "heart_failure", "dementia", "ibd", "rheumatoid_arthritis", "pad",
    "epilepsy", "bronchiectasis", "osteoporosis", "sarcoidosis", "liver_cirrhosis", "parkinsons", "lupus",
    "multiple_sclerosis", "sickle_cell", "cystic_fibrosis",
)  # fmt: skip
FLAGS = (
    *LTC, "cancer", "smi", "learning_disability", "anxiety", "palliative_care", "alcohol_dependence", "drug_dependence",
    "homeless", "falls", "venous_thromboembolism", "af_suspected", "end_of_life", "housebound", "complex_needs",
    "pregnant", "anticoagulant", "statin", "ras_inhibitor", "antidepressant", "antipsychotic", "corticosteroid",
    "nsaid", "sglt2_inhibitor", "high_intensity_statin", "ezetimibe",
)  # fmt: skip
REVIEWED = (
    "diabetes", "ckd", "chd", "atrial_fibrillation", "stroke_tia", "copd", "asthma", "heart_failure", "dementia", "ibd",
    "rheumatoid_arthritis", "pad", "epilepsy", "bronchiectasis", "sarcoidosis", "liver_cirrhosis", "parkinsons",
    "lupus", "multiple_sclerosis", "sickle_cell", "cystic_fibrosis", "cancer", "smi", "learning_disability",
    "alcohol_dependence", "drug_dependence",
)  # fmt: skip
VALUES = (
    "date_of_birth", "imd_decile", "cfs", "efi", "systolic_bp", "diastolic_bp", "bp_date", "hba1c", "hba1c_date",
    "egfr", "egfr_date", "egfr_previous", "egfr_previous_date", "acr", "bmi", "haemoglobin", "platelets",
    "alcohol_units_week", "emergency_admissions_12m", "ldl", "non_hdl", "lipids_date", "cvd_risk_10y",
    "non_hdl_baseline",
)  # fmt: skip
# The labels of what comes in and of what goes out, as ENUM types: a code of one byte and not a string for each row.
ENUMS = {
    "sex": ("female", "male", "intersex", "unknown"),
    "ethnicity": (*"ABCDEFGHJKLMNPRSZ", "99"),
    "frailty": ("fit", "mild", "moderate", "severe"),
    "bp_setting": ("clinic", "home"),
    "smoking": ("never", "ex", "current"),
    "diabetes_type": ("type1", "type2", "other"),
    "status": ("none", "optimised", "unoptimised", "undiagnosed"),
    "rag": ("red", "amber", "green"),
    "band": ("very_high", "high", "medium", "low", "very_low"),
    "nwl": ("specialist_end_of_life", "high", "rising", "stable", "well"),
    "whole_systems": (
        "socially_excluded", "advanced_organic_disorder", "learning_disability", "smi", "cancer", "elderly_with_ltc",
        "adults_with_ltc", "mostly_healthy_elderly", "mostly_healthy_adults",
    ),
    "bridges": (
        "healthy", "children_and_maternal", "acutely_ill", "ltc", "serious_disability", "end_of_life", "organ_failure",
        "frailty_dementia",
    ),
}  # fmt: skip
CATEGORIES = ("sex", "ethnicity", "frailty", "bp_setting", "smoking", "diabetes_type")
# What is plausible, and the bit of `quality_flags` that says otherwise.
PLAUSIBLE = {
    "imd_decile": (1, 10, 5), "cfs": (1, 9, 7), "efi": (0, 1, 9), "systolic_bp": (50, 300, 10),
    "diastolic_bp": (20, 200, 11), "hba1c": (15, 200, 16), "egfr": (1, 200, 20), "egfr_previous": (1, 200, 24),
    "acr": (0, 3_000, 28), "bmi": (10, 100, 29), "haemoglobin": (30, 250, 36), "platelets": (1, 2_000, 37),
    "alcohol_units_week": (0, 500, 39), "emergency_admissions_12m": (0, 10_000, 47), "ldl": ("0.1::float", 20, 30),
    "non_hdl": ("0.1::float", 20, 31), "cvd_risk_10y": (0, 100, 35), "non_hdl_baseline": ("0.1::float", 20, 55),
}  # fmt: skip
UNLISTED = {"sex": 4, "ethnicity": 6, "frailty": 8, "bp_setting": 15, "smoking": 38, "diabetes_type": 63}
TURNED = 63
MEASURED = {"bp_date": 12, "hba1c_date": 17, "egfr_date": 21, "egfr_previous_date": 25, "lipids_date": 32}
POINT = 10_000  # the risk model is added up in ten-thousandths, as whole numbers


def prepare(table: pa.Table, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """A database in memory that holds the list as a table `patients`, labels as ENUM. Not part of what is timed.

    A label that is not listed becomes null here, and if there are any, a column `unlisted` keeps their bits.
    """
    con = duckdb.connect()
    if threads:
        con.execute(f"set threads = {threads}")
    types = {name: list(labels) for name, labels in ENUMS.items()}
    keys = [k for k in KEYS if k in table.column_names]
    coded = [k for k in keys if pa.types.is_dictionary(table.schema.field(k).type)]
    types |= {k: table[k].unify_dictionaries().chunk(0).dictionary.to_pylist() for k in coded if len(table)}
    for name, labels in types.items():
        con.execute(f"create type {name}_t as enum ({', '.join(map(_quoted, labels))})")
    columns = [f"{k}::{k}_t as {k}" if k in types else k for k in keys]
    columns += [*VALUES, *(f"try_cast({c} as {c}_t) as {c}" for c in CATEGORIES), *FLAGS]
    con.register("extract", table)
    odd = {bit: f"{c} is not null and try_cast({c} as {c}_t) is null" for c, bit in UNLISTED.items()}
    found = con.execute(f"select count(*) from extract where {' or '.join(odd.values())}").fetchone()
    if found and found[0]:
        columns.append(f"{_bits(odd)} as unlisted")
    con.execute(f"create table patients as select {', '.join(columns)} from extract")
    con.unregister("extract")
    return con


def score(con: duckdb.DuckDBPyConnection, as_of: dt.date, *, checks: bool = True) -> pa.Table:
    """The scored table of what `prepare` loaded, its rows in no order: DuckDB 2.0 keeps none here, and putting them in
    order is left out of what is timed."""
    have = con.table("patients").columns
    keys = [k for k in KEYS if k in have]
    return con.sql(statement(as_of, keys, checks=checks, unlisted="unlisted" in have)).to_arrow_table()


def _quoted(label: str) -> str:
    return "'" + label.replace("'", "''") + "'"


def _first(kind: str, *rules: tuple[str, str | None], otherwise: str | None = None) -> str:
    """The label of the first rule that is true."""

    def constant(label: str | None) -> str:
        return "null" if label is None else f"{_quoted(label)}::{kind}_t"

    lines = [f"when {condition} then {constant(label)}" for condition, label in rules]
    return " ".join(["(case", *lines, f"else {constant(otherwise)} end)"])


def _count(conditions: Iterable[str]) -> str:
    return "(" + " + ".join(f"({c})::utinyint" for c in conditions) + ")"


def _any(*names: str) -> str:
    return "(" + " or ".join(names) + ")"


def _within(column: str, months: int, as_of: dt.date) -> str:
    # DuckDB's month arithmetic clips to the month's end
    return f"({column} between (date '{as_of}' - interval {months} month)::date and date '{as_of}')"


def _age(as_of: dt.date) -> str:
    """Completed years with one look at the calendar: the date of birth is moved by a fixed number of days, so that the
    first birthday still to come this year falls on 1 January and the year alone tells the age (see peer_polars)."""
    if (as_of.month, as_of.day) >= (2, 29):
        tomorrow = dt.date(2000, as_of.month, as_of.day) + dt.timedelta(days=1)
        return f"({as_of.year} - year(date_of_birth + {(dt.date(2001, 1, 1) - tomorrow).days}))::smallint"
    return f"({as_of.year - 1} - year(date_of_birth - {as_of.timetuple().tm_yday}))::smallint"


def _status(diagnosed: str, optimised: str, undiagnosed: str) -> str:
    return _first(
        "status",
        ("not adult", None),
        (f"{diagnosed} and ({optimised})", "optimised"),
        (diagnosed, "unoptimised"),
        (undiagnosed, "undiagnosed"),
        otherwise="none",
    )


def _bits(bits: Mapping[int, str]) -> str:
    """The flags as a sum; a condition that is unknown sets none."""
    return "(" + " + ".join(f"(case when {bad} then {1 << bit} else 0 end)::ubigint" for bit, bad in bits.items()) + ")"


def _checked(as_of: dt.date, unlisted: bool) -> list[str]:
    """The values without what is implausible, and the flags that say where it was."""
    oldest = f"greatest((date '{as_of}' - interval 1452 month)::date + 1, date '1900-01-01')"  # 121 years
    alive = f"date_of_birth between {oldest} and date '{as_of}'"
    bits = {1: f"date_of_birth > date '{as_of}'", 2: f"date_of_birth < {oldest}"}
    kept = [f"case when {alive} then date_of_birth end as date_of_birth"]
    sound = {}
    for name, bit in MEASURED.items():
        inside = f"{name} between date '1900-01-01' and date '{as_of}'"
        unborn = f"coalesce({name} < date_of_birth and {alive}, false)"
        bits |= {bit: f"{name} > date '{as_of}'", bit + 1: f"{name} < date '1900-01-01'"}
        bits[bit + 2] = f"{unborn} and {inside}"
        sound[name] = f"(case when {inside} and not {unborn} then {name} end)"
    turned = (
        f"coalesce({sound['egfr_previous_date']} > {sound['egfr_date']}, false)"  # the earlier result after the latest
    )
    sound["egfr_previous_date"] = f"case when not {turned} then {sound['egfr_previous_date']} end"
    kept += [f"{date} as {name}" for name, date in sound.items()]
    for name, (low, high, bit) in PLAUSIBLE.items():
        bits[bit] = f"{name} not between {low} and {high}"
        kept.append(f"case when {name} between {low} and {high} then {name} end as {name}")
    flags = f"({_bits(bits)}{' + unlisted' if unlisted else ''})"
    return [*kept, f"{flags} | (case when {turned} then {1 << TURNED} else 0 end)::ubigint as quality_flags"]


def statement(
    as_of: dt.date,
    keys: Iterable[str] = KEYS,
    source: str = "patients",
    *,
    checks: bool = True,
    unlisted: bool = False,
) -> str:
    """The whole of it, in stages: plausible values and flags without nulls, then what several rules share, then the
    rules."""
    values = _checked(as_of, unlisted) if checks else VALUES
    flags = ", ".join(f"coalesce({f}, false) as {f}" for f in FLAGS)
    before_july = "and not smi" if as_of < dt.date(2026, 7, 1) else ""
    recent_bp, back_bp = _within("bp_date", 12, as_of), _within("bp_date", 24, as_of)
    chads = _count(
        [
            "heart_failure", "hypertension", "diabetes", "stroke_tia", "stroke_tia", "age >= 65", "age >= 75",
            "chd or pad", "sex is not distinct from 'female'",
        ]
    )  # fmt: skip
    hypertension = _status(
        "hypertension",
        f"{recent_bp} and systolic <= (case when age >= 80 then 150 else 140 end) and diastolic <= 90",
        f"{back_bp} and (systolic >= 140 or diastolic >= 90)",
    )
    diabetes = _status(
        "diabetes",
        f"{_within('hba1c_date', 12, as_of)} and (hba1c <= 58 or (frail and hba1c <= 75))",
        f"{_within('hba1c_date', 24, as_of)} and hba1c >= 48 and not pregnant",
    )
    af = _status("atrial_fibrillation", "anticoagulant or stroke_score < 2", "af_suspected")
    ckd = _status(
        "ckd",
        f"""statin and {recent_bp} and (ras_inhibitor or not ras_indicated)
            and systolic <= (case when acr >= 70 then 130 else 140 end)
            and diastolic <= (case when acr >= 70 then 80 else 90 end)""",
        f"""{_within("egfr_date", 24, as_of)} and egfr < 60 and egfr_previous < 60
            and abs(egfr_date - egfr_previous_date) >= 90 and not pregnant""",
    )
    statuses = ("hypertension_status", "diabetes_status", "af_status", "ckd_status")
    unoptimised = _count(f"{s} in ('unoptimised', 'undiagnosed')" for s in statuses)
    undiagnosed = _count(f"coalesce({s} = 'undiagnosed', false)" for s in statuses)
    present = _count(f"coalesce({s} <> 'none', false)" for s in statuses)
    heart_failure = _status("heart_failure", "ras_inhibitor and sglt2_inhibitor", "false")
    names = ", ".join(keys)
    return dedent(f"""\
        with clean as (
            select {names}, {", ".join(values)}, {", ".join(CATEGORIES)}, {flags} from {source}
        ), aged as (
            select *,
                {_age(as_of)} as age,
                {_count(LTC)} as ltc_count,
                {_count(REVIEWED)} as reviewed,
                {_frailty()} as frailty_category,
                systolic_bp + (case when bp_setting = 'home' then 5 else 0 end)::smallint as systolic,
                diastolic_bp + (case when bp_setting = 'home' then 5 else 0 end)::smallint as diastolic,
                end_of_life or coalesce(cfs = 9, false) as dying,
                chd or stroke_tia or pad as ascvd,
                coalesce(imd_decile <= 2, false) as core20,
                coalesce(acr >= 70 or (acr >= 30 and hypertension) or (acr >= 3 and diabetes), false) as ras_indicated
            from clean
        ), graded as (
            select *,
                coalesce(age >= 18, false) as adult,
                coalesce(frailty_category in ('moderate', 'severe'), false) as frail,
                {chads} as stroke_score
            from aged
        ), judged as (
            select *,
                {hypertension} as hypertension_status,
                {diabetes} as diabetes_status,
                {af} as af_status,
                {ckd} as ckd_status,
                {_lipids(as_of)} as lipid_status,
                {heart_failure} as heart_failure_status,
                adult and not pregnant and not dying and not palliative_care as can_be,
                case when adult then {_risk()} end as admission_risk
            from graded
        ), counted as (
            select *,
                case when adult then {unoptimised} end as cvrm_unoptimised_count,
                coalesce(age between 18 and 64 and ltc_count + {undiagnosed} >= 3 {before_july}, false)
                    as mltc_int_segment
            from judged
        ), coloured as (
            select *, {_rag()} as cvrm_rag from counted
        )
        select {names}, age, ltc_count, frailty_category,
            {_nwl()} as nwl_risk_group,
            {_whole_systems()} as whole_systems_segment,
            {_bridges()} as bridges_to_health_segment,
            hypertension_status, diabetes_status, af_status, ckd_status, cvrm_unoptimised_count, cvrm_rag,
            coalesce(age >= 65, false) as frailty_int_segment,
            coalesce(age >= 65 and (frail or dying or palliative_care), false) as frailty_int_priority,
            mltc_int_segment,
            mltc_int_segment and {present} >= 3 and coalesce(cvrm_unoptimised_count >= 1, false) as mltc_int_priority,
            coalesce(age < 18 and (core20 or complex_needs), false) as cyp_int_segment,
            admission_risk,
            {_band()} as admission_risk_band,
            {_cost()} as expected_cost_2014,
            case when adult then {_missing()} end as inputs_missing,
            core20, ascvd, lipid_status, heart_failure_status,
            {_need()} as need_rag,
            can_be and atrial_fibrillation and coalesce(stroke_score >= 2, false) and not anticoagulant
                as missing_anticoagulant,
            can_be and (ascvd or ckd or (diabetes and coalesce(age >= 40, false) and not frail)) and not statin
                as missing_statin,
            can_be and ckd and ras_indicated and not ras_inhibitor as missing_ras_inhibitor,
            can_be and not sglt2_inhibitor and diabetes_type is distinct from 'type1'
                and (heart_failure or (ckd and coalesce((egfr >= 20 and egfr < 45) or (egfr >= 45 and egfr <= 90
                and (diabetes_type = 'type2' or acr >= 22.6::float)), false))) as missing_sglt2_inhibitor
            {", quality_flags" if checks else ""}
        from coloured""")


def _frailty() -> str:
    from_cfs = _first(
        "frailty", ("cfs <= 3", "fit"), ("cfs <= 5", "mild"), ("cfs = 6", "moderate"), ("cfs >= 7", "severe")
    )
    cuts = {"fit": "efi <= 0.12", "mild": "efi <= 0.24", "moderate": "efi <= 0.36", "severe": "efi > 0.36"}
    # the index is a float32 and is compared as one: 0.36 is at the cut, not over it
    from_efi = _first("frailty", *((f"{cut}::float", label) for label, cut in cuts.items()))
    return f"coalesce({from_cfs}, frailty, {from_efi})"


def _rag() -> str:
    n = "cvrm_unoptimised_count"
    return _first("rag", (f"{n} >= 3", "red"), (f"{n} = 2", "amber"), (f"{n} = 1", "green"))


def _band() -> str:
    cuts = {"very_high": 0.28, "high": 0.18, "medium": 0.12, "low": 0.07}
    rules = [(f"admission_risk > {cut}::double", label) for label, cut in cuts.items()]
    return _first("band", *rules, ("admission_risk is not null", "very_low"))


def _nwl() -> str:
    advanced = """(frailty_category = 'severe' and
        ((dementia and housebound) or ((heart_failure or copd) and emergency_admissions_12m >= 2)))"""
    return _first(
        "nwl",
        ("not adult", None),
        (f"dying or palliative_care or {advanced}", "specialist_end_of_life"),
        ("admission_risk >= 0.20::double", "high"),
        ("admission_risk >= 0.09::double and cvrm_unoptimised_count >= 2", "rising"),
        ("reviewed >= 1", "stable"),
        otherwise="well",
    )


def _whole_systems() -> str:
    return _first(
        "whole_systems",
        ("not coalesce(age >= 16, false)", None),
        (_any("homeless", "alcohol_dependence", "drug_dependence"), "socially_excluded"),
        ("dementia", "advanced_organic_disorder"),
        ("learning_disability", "learning_disability"),
        ("smi", "smi"),
        ("cancer", "cancer"),
        ("age >= 75 and ltc_count >= 1", "elderly_with_ltc"),
        ("ltc_count >= 1", "adults_with_ltc"),
        ("age >= 75", "mostly_healthy_elderly"),
        otherwise="mostly_healthy_adults",
    )


def _bridges() -> str:
    organ = "heart_failure or liver_cirrhosis or cystic_fibrosis or egfr < 30"
    return _first(
        "bridges",
        ("dementia or frailty_category = 'severe'", "frailty_dementia"),
        (f"{organ} or (copd and emergency_admissions_12m >= 1)", "organ_failure"),
        ("dying or palliative_care", "end_of_life"),
        (_any("learning_disability", "smi", "multiple_sclerosis", "parkinsons", "housebound"), "serious_disability"),
        ("ltc_count >= 1 or cancer", "ltc"),
        ("emergency_admissions_12m >= 1", "acutely_ill"),
        ("age < 18 or pregnant", "children_and_maternal"),
        otherwise="healthy",
    )


def _cost() -> str:
    """The regression tree of 2014, leaf by leaf; where the age is unknown and a split needs it, so is the cost."""
    return """(case
        when reviewed < 2 and age is null then null
        when reviewed = 0 and age >= 85 then 5631.572::double
        when reviewed = 0 and age >= 75 then 3286.481::double
        when reviewed = 0 and learning_disability then 8575.203::double
        when reviewed = 0 and cancer then 3488.164::double
        when reviewed = 0 then 429.0872::double
        when reviewed = 1 and age >= 87 then 9261.335::double
        when reviewed = 1 and age >= 78 then 4937.704::double
        when reviewed = 1 and cancer then 5804.239::double
        when reviewed = 1 then 2530.153::double
        when reviewed < 4 and dementia then 17062.27::double
        when reviewed = 2 and cancer then 7931.51::double
        when reviewed = 2 then 4767.833::double
        when reviewed = 3 and cancer then 10519.78::double
        when reviewed = 3 then 7226.45::double
        when reviewed >= 6 then 18818.71::double
        when age is null then null
        when age >= 79 then 14018.81::double
        when reviewed = 4 then 10105.6::double
        else 13077.32::double end)"""


def _lipids(as_of: dt.date) -> str:
    low = f"({_within('lipids_date', 12, as_of)} and (ldl <= 2.0::float or (ldl is null and non_hdl <= 2.6::float)))"
    before, now = "non_hdl_baseline::double", "non_hdl::double"
    reduced = f"(non_hdl_baseline is null or round(100 * ({before} - {now}) / {before}, 2) > 40)"
    return _first(
        "status",
        ("not adult", None),
        (f"ascvd and ({low} or (high_intensity_statin and ezetimibe))", "optimised"),
        ("ascvd", "unoptimised"),
        (f"cvd_risk_10y > 10 and statin and {reduced}", "optimised"),
        ("cvd_risk_10y > 10", "unoptimised"),
        otherwise="none",
    )


def _need() -> str:
    risk, n, frailty = "admission_risk > {}::double", "cvrm_unoptimised_count >= {}", "frailty_category = '{}'"
    red = ["dying", "palliative_care", risk.format(0.18), n.format(3), frailty.format("severe")]
    amber = [risk.format(0.12), n.format(2), frailty.format("moderate"), "ltc_count >= 4"]
    green = [risk.format(0.07), n.format(1), frailty.format("mild"), "ltc_count >= 2"]
    return _first(
        "rag",
        (f"adult and {_any(*red)}", "red"),
        (f"adult and {_any(*amber)}", "amber"),
        (f"adult and {_any(*green)}", "green"),
        ("age < 18 and (dying or palliative_care or (complex_needs and (core20 or ltc_count >= 1)))", "red"),
        ("age < 18 and complex_needs", "amber"),
        ("age < 18 and core20 and ltc_count >= 1", "green"),
    )


def _missing() -> str:
    inputs = (
        "imd_decile", "ethnicity", "frailty_category", "emergency_admissions_12m", "smoking", "alcohol_units_week",
        "bmi", "haemoglobin", "platelets",
    )  # fmt: skip
    return _count(f"{name} is null" for name in inputs)


# ---- the risk model --------------------------------------------------------------------------------------------------

SLOPES = {
    "age_from_40": "greatest(least(age, 100) - 40, 0)",
    "age_from_70": "greatest(least(age, 100) - 70, 0)",
    "deprivation": "(10 - coalesce(imd_decile, 5))",
}
CONDITIONS = {
    "ethnicity_indian": "ethnicity = 'H'",
    "ethnicity_pakistani": "ethnicity = 'J'",
    "ethnicity_bangladeshi": "ethnicity = 'K'",
    "ethnicity_other_asian": "ethnicity = 'L'",
    "ethnicity_caribbean": "ethnicity = 'M'",
    "ethnicity_black_african": "ethnicity = 'N'",
    "ethnicity_chinese": "ethnicity = 'R'",
    "ethnicity_other": "ethnicity in ('D', 'E', 'F', 'G', 'P', 'S')",
    "smoking_ex": "smoking = 'ex'",
    "smoking_current": "smoking = 'current'",
    "alcohol_some": "alcohol_units_week is null or (alcohol_units_week > 0 and alcohol_units_week < 49)",
    "alcohol_heavy": "alcohol_units_week >= 49",
    "admissions_1": "emergency_admissions_12m = 1",
    "admissions_2": "emergency_admissions_12m = 2",
    "admissions_3": "emergency_admissions_12m >= 3",
    "frailty_mild": "age >= 65 and frailty_category = 'mild'",
    "frailty_moderate": "age >= 65 and frailty_category = 'moderate'",
    "frailty_severe": "age >= 65 and frailty_category = 'severe'",
    "anaemia": "haemoglobin < 110",
    "platelets_high": "platelets > 480",
    "underweight": "bmi < 18.5::float",
    "bmi_40": "bmi >= 40",
}
FLAG_TERMS = {
    "anxiety_or_depression": "(anxiety or depression)",
    "connective_tissue_disease": "(rheumatoid_arthritis or lupus)",
} | {
    name: name
    for name in (
        "hypertension", "chronic_pain", "asthma", "diabetes", "chd", "ckd", "atrial_fibrillation", "stroke_tia", "copd",
        "cancer", "alcohol_dependence", "heart_failure", "dementia", "smi", "epilepsy", "liver_cirrhosis", "parkinsons",
        "multiple_sclerosis", "sickle_cell", "cystic_fibrosis", "bronchiectasis", "pad", "ibd", "learning_disability",
        "drug_dependence", "venous_thromboembolism", "falls", "osteoarthritis", "osteoporosis", "obesity",
        "sarcoidosis", "anticoagulant", "antidepressant", "antipsychotic", "corticosteroid", "nsaid",
    )
}  # fmt: skip


@cache
def _model() -> tuple[float, dict[str, int]]:
    """Baseline survival and the points of each term. Raises if the model has other terms than this peer."""
    text = resources.files("popstrat.packs").joinpath("builtin/admission-12m.toml").read_text(encoding="utf-8")
    model = tomllib.loads(text)["definition"]["admission_risk"]
    points = {}
    for term in model["terms"]:
        points[term["id"]] = round(term["coefficient"] * POINT)
        if abs(points[term["id"]] / POINT - term["coefficient"]) > 1e-12:
            raise ValueError(f"the coefficient of {term['id']} is no whole number of ten-thousandths")
    unlike = points.keys() ^ (SLOPES.keys() | CONDITIONS.keys() | FLAG_TERMS.keys())
    if unlike:
        raise ValueError(f"the pack and this peer do not have the same terms: {', '.join(sorted(unlike))}")
    return model["baseline_survival"], points


def _risk() -> str:
    survival, points = _model()
    terms = [f"{value}::int * {points[name]}" for name, value in SLOPES.items()]
    terms += [f"(case when {c} then {points[name]} else 0 end)" for name, c in CONDITIONS.items()]
    terms += [f"{flag}::int * {points[name]}" for name, flag in FLAG_TERMS.items()]
    return f"round(1 - exp({math.log(survival)!r}::double * exp(({' + '.join(terms)}) / {POINT}::double)), 6)"
