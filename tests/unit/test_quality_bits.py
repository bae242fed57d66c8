"""The bits of `quality_flags`: what a bit once stood for it stands for in every later release."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

import popstrat
from popstrat.packs.evaluator import Reference
from popstrat.packs.patient_table import Column, Schema, column_from_toml, patient_schema
from popstrat.packs.plausibility import BIRTH_REASON, FUTURE_REASON, LABEL_REASON, WHOLE_REASON, bit_names, reasons
from popstrat.packs.read import builtin_packs
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"
DAY = dt.date(2026, 6, 30)

RELEASE_0_1 = """
 1 date_of_birth: after the as-of date
 2 date_of_birth: over 120 years ago or before 1900
 3 age: outside 0 to 120 years
 4 sex: unknown label
 5 imd_decile: outside 1 to 10
 6 ethnicity: unknown label
 7 cfs: outside 1 to 9
 8 frailty: unknown label
 9 efi: outside 0 to 1
10 systolic_bp: outside 50 to 300 mmHg
11 diastolic_bp: outside 20 to 200 mmHg
12 bp_date: after the as-of date
13 bp_date: before 1900
14 bp_date: before the date of birth
15 bp_setting: unknown label
16 hba1c: outside 15 to 200 mmol/mol
17 hba1c_date: after the as-of date
18 hba1c_date: before 1900
19 hba1c_date: before the date of birth
20 egfr: outside 1 to 200 mL/min/1.73 m²
21 egfr_date: after the as-of date
22 egfr_date: before 1900
23 egfr_date: before the date of birth
24 egfr_previous: outside 1 to 200 mL/min/1.73 m²
25 egfr_previous_date: after the as-of date
26 egfr_previous_date: before 1900
27 egfr_previous_date: before the date of birth
28 acr: outside 0 to 3,000 mg/mmol
29 bmi: outside 10 to 100 kg/m²
30 ldl: outside 0.1 to 20 mmol/L
31 non_hdl: outside 0.1 to 20 mmol/L
32 lipids_date: after the as-of date
33 lipids_date: before 1900
34 lipids_date: before the date of birth
35 cvd_risk_10y: outside 0 to 100 %
36 haemoglobin: outside 30 to 250 g/L
37 platelets: outside 1 to 2,000 10⁹/L
38 smoking: unknown label
39 alcohol_units_week: outside 0 to 500 units/week
40 phq9_date: after the as-of date
41 phq9_date: before 1900
42 phq9_date: before the date of birth
43 gad7_date: after the as-of date
44 gad7_date: before 1900
45 gad7_date: before the date of birth
46 medicines_count: outside 0 to 10,000
47 emergency_admissions_12m: outside 0 to 10,000
48 ae_attendances_12m: outside 0 to 10,000
49 gp_appointments_12m: outside 0 to 10,000
50 outpatient_attendances_12m: outside 0 to 10,000
"""
ADDED = {
    "acr_date": 51, "bmi_date": 52, "smoking_date": 53, "cvd_risk_date": 54, "non_hdl_baseline": 55,
    "care_plan_date": 56, "cga_date": 57, "ld_check_date": 58, "smi_check_date": 59, "ndpp_referred_date": 60,
    "ndpp_completed_date": 61, "last_admission_date": 62, "diabetes_type": 63, "diabetes_onset_age": 63,
    "sq_score": 63,
}  # fmt: skip
"""Columns added since, each with the one bit of all its reasons. To be appended to; nothing in it changes."""
LATER = {"egfr_previous_date: after egfr_date": 63}
"""Reasons added since to columns of release 0.1. To be appended to."""


def frozen() -> dict[str, int]:
    lines = RELEASE_0_1.strip().splitlines()
    return {
        "any flag: neither true nor false": 0,
        **{text: int(bit) for bit, text in (x.split(None, 1) for x in lines)},
    }


def column(name: str, kind: str, **more: object) -> Column:
    return column_from_toml({"name": name, "type": kind, **more})


def test_bits_of_release_0_1_stay() -> None:
    names = bit_names(patient_schema())
    assert {name: names[name] for name in frozen()} == frozen()
    assert {name: names[name] for name in LATER} == LATER
    more = {name: bit for name, bit in names.items() if name not in {**frozen(), **LATER}}
    columns = {name.split(":")[0]: bit for name, bit in frozen().items()}
    fractions = {name: bit for name, bit in more.items() if name.split(":")[0] in columns}
    assert fractions == {name: columns[name.removesuffix(f": {WHOLE_REASON}")] for name in fractions}
    assert {name.split(":")[0] for name in set(more) - set(fractions)} == set(ADDED)


def test_a_column_added_since_has_one_bit_for_all_its_reasons() -> None:
    found = {}
    for (name, _), reason in reasons(patient_schema()).items():
        if name in ADDED:
            found.setdefault(name, set()).add(reason.bit)
    assert found == {name: {bit} for name, bit in ADDED.items()}


def test_every_column_that_0_1_lacked_is_listed_as_added() -> None:
    """Or a bit would move. Flags have none of their own and are listed all the same."""
    known = {name.split(":")[0] for name in frozen()}
    schema = patient_schema()
    assert len(set(schema.added)) == len(schema.added)
    assert set(schema.added) <= set(schema.names())
    assert {c.name for c in schema if c.type not in ("id", "string", "bool") and c.name not in known} == set(ADDED)
    assert [name for name in schema.added if name in ADDED] == list(ADDED)
    assert {c.name for c in schema if c.name in schema.added and c.type == "bool"} == {
        "extra_care_housing", "high_intensity_statin", "ezetimibe",
    }  # fmt: skip


@pytest.mark.parametrize("at", ["first", "in between", "last"])
def test_where_an_entry_stands_makes_no_difference(at: str) -> None:
    """Only the order in which columns were added does."""
    schema, new = patient_schema(), column("new_date", "date")
    columns = list(schema)
    columns.insert({"first": 0, "in between": 30, "last": len(columns)}[at], new)
    longer = Schema({c.name: c for c in columns}, schema.earliest_date, schema.version, (*schema.added, new.name))
    bits = bit_names(longer)
    assert {name: bit for name, bit in bits.items() if not name.startswith("new_date")} == bit_names(schema)
    assert {bit for name, bit in bits.items() if name.startswith("new_date")} == {63}


def test_what_no_longer_fits_shares_bit_63() -> None:
    """However many columns are still to come, and of whatever kind; each earlier bit stays."""
    schema = patient_schema()
    short = replace(schema, columns={c.name: c for c in schema if c.name not in schema.added}, added=())
    kinds = [("int", {"min": 0, "max": 9}), ("date", {}), ("category", {"labels": ["a"]}), ("bool", {}), ("float", {})]
    for start, first in ((short, 51), (schema, 63)):
        extra = [column(f"new_{i}", *kinds[i % 5][:1], **kinds[i % 5][1]) for i in range(40)]
        found = reasons(start.extended(extra))
        assert {k: r.bit for k, r in found.items() if k[0] in start.columns} == {
            k: r.bit for k, r in reasons(start).items()
        }
        with_bits = [c.name for c in extra if c.type != "bool"]
        wanted = {name: min(first + i, 63) for i, name in enumerate(with_bits)}
        assert {k[0]: r.bit for k, r in found.items() if k[0] in wanted} == wanted
        assert {r.bit for k, r in found.items() if k[0].startswith("new_") and k[0] not in wanted} == {0}


PACK = """
[pack]
id = "many"
title = "many columns"
version = "1"
source = "a test"
{inputs}
[definition.any_low]
kind = "expression"
title = "Any low"
version = "1"
source = "a test"
value = "{rule}"
output = "any_low"
"""


def test_engine_and_evaluator_set_the_same_bits(tmp_path: object) -> None:
    """Of every column that was added, of a pack's own, and where one row sets a shared bit for several reasons."""
    own = [f"own_{i}" for i in range(5)]
    inputs = "".join(f'[[input]]\nname = "{n}"\ntype = "int"\nmin = 0\nmax = 9\n' for n in own)
    schema = patient_schema()
    dates = [name for name in ADDED if schema[name].type == "date"]
    numbers = [name for name in ADDED if schema[name].type in ("int", "float")] + own
    rule = " or ".join([*(f"{n} < 3" for n in numbers), *(f"{d} is null" for d in dates), "diabetes_type == 'other'"])
    file = tmp_path / "many.toml"  # type: ignore[operator]
    file.write_text(PACK.format(inputs=inputs, rule=rule), encoding="utf-8")
    scorer = Scorer(str(file), AS_OF)
    odd: dict[str, list[object]] = {n: [500] for n in numbers}
    odd |= {d: [dt.date(2027, 1, 1), dt.date(1899, 12, 31), dt.date(1980, 1, 1)] for d in dates}
    odd["diabetes_type"] = ["type 7"]
    rows = [{name: value} for name, values in odd.items() for value in values]
    rows += [{}, {name: values[0] for name, values in odd.items()}, {"sq_score": 500, "diabetes_onset_age": 121}]
    rows = [{"patient_id": i, "practice_code": "Y00001", "sex": "female", "date_of_birth": dt.date(1990, 1, 1), **row}
            for i, row in enumerate(rows)]  # fmt: skip
    table = pa.Table.from_pylist(
        rows,
        pa.schema([("patient_id", pa.int64()), ("practice_code", pa.string()), ("sex", pa.string()),
                   ("date_of_birth", pa.date32()), *((n, pa.int32()) for n in numbers),
                   *((d, pa.date32()) for d in dates), ("diabetes_type", pa.string())]),
    )  # fmt: skip
    scored, record = popstrat.score(table, pack=str(file), as_of=AS_OF, record=True)
    bits = record["quality_bits"]
    assert bits == scorer.quality_bits
    reference = Reference(scorer.resolved, set(table.column_names))
    flags = scored["quality_flags"].to_pylist()
    assert flags == [reference.score(row)["quality_flags"] for row in rows]
    for row, found in zip(rows[:-3], flags[:-3], strict=True):
        (name,) = set(row) & set(odd)
        assert found == 1 << ADDED.get(name, 63)
    assert flags[-3:] == [0, sum(1 << bit for bit in {*ADDED.values(), 63}), 1 << 63]
    assert record["quality"]["acr_date"] == {FUTURE_REASON: 2, "before 1900": 1, BIRTH_REASON: 1}
    assert record["quality"]["diabetes_type"] == {LABEL_REASON: 2}
    for name, counts in record["quality"].items():
        assert all(f"{name}: {reason}" in bits for reason in counts)


@pytest.mark.parametrize("pack", builtin_packs())
@pytest.mark.filterwarnings("ignore")
def test_bits_mean_the_same_in_every_pack(pack: str) -> None:
    standard = bit_names(patient_schema())
    found = Scorer(pack, AS_OF).quality_bits
    assert {name: found[name] for name in standard} == standard
    assert all(0 <= bit < 64 for bit in found.values())
