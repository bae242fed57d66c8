"""The synthetic list: its shape, its determinism, its plausibility, its faults."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import popstrat
from popstrat import synthetic
from popstrat.core.dates import completed_years, months_before
from popstrat.errors import InputError
from popstrat.packs.patient_table import patient_schema
from popstrat.synthetic import _care

AS_OF = dt.date(2026, 6, 30)
LEAP = dt.date(2024, 2, 29)
LATE = dt.date(2026, 11, 21)
BLOCK = 65_536


@pytest.fixture(scope="module")
def two_blocks() -> pa.Table:
    return synthetic.table(BLOCK + 20_000, seed=3, as_of=AS_OF, threads=1)


@pytest.fixture(scope="module")
def dirty() -> pa.Table:
    return synthetic.table(BLOCK + 20_000, seed=3, as_of=AS_OF, threads=1, dirty=True)


def implausible(table: pa.Table, as_of: dt.date) -> dict[str, int]:
    """Rows that the patient table's own ranges would reject, by column and reason."""
    found: dict[str, int] = {}

    def note(name: str, bad: pa.ChunkedArray) -> None:
        n = pc.sum(pc.fill_null(bad, False)).as_py() or 0
        if n:
            found[name] = n

    birth = table["date_of_birth"]
    earliest = as_of.replace(year=as_of.year - 120, day=28)
    note("date_of_birth", pc.or_(pc.greater(birth, as_of), pc.less(birth, earliest)))
    for column in patient_schema():
        if column.name == "age":
            continue
        values = table[column.name]
        if column.minimum is not None:
            note(column.name, pc.or_(pc.less(values, column.minimum), pc.greater(values, column.maximum)))
        if column.labels:
            known = pc.is_in(values.cast(pa.string()), pa.array(column.labels))
            note(column.name, pc.and_(pc.is_valid(values), pc.invert(known)))
        if column.type == "date" and column.name != "date_of_birth":
            note(column.name, pc.or_(pc.greater(values, as_of), pc.less(values, birth)))
    return found


def plain(table: pa.Table) -> pa.Table:
    """Dictionary columns as strings: their labels differ between lists, what they say may not."""
    types = ((f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in table.schema)
    return table.cast(pa.schema(list(types)))


def test_schema_is_the_patient_table_without_age() -> None:
    schema = synthetic.schema()
    assert schema.names == [n for n in patient_schema().names() if n != "age"]
    for field in schema:
        wanted = patient_schema()[field.name].dtype
        if field.name in ("practice_code", "pcn_code", "neighbourhood", "place"):
            assert field.type == pa.dictionary(pa.int32(), pa.string())
        else:
            assert field.type == wanted, field.name


@pytest.mark.parametrize("patients", [0, 1, 7, BLOCK, BLOCK + 1])
def test_as_many_rows_as_asked_for(patients: int) -> None:
    batches = list(synthetic.generate(patients, seed=5, as_of=AS_OF, threads=2))
    assert [b.num_rows for b in batches] == [min(BLOCK, patients - i) for i in range(0, patients, BLOCK)]
    assert all(b.schema.equals(synthetic.schema(), check_metadata=True) for b in batches)
    for batch in batches:
        batch.validate(full=True)


def test_a_table_of_nobody_has_the_schema() -> None:
    empty = synthetic.table(0, as_of=AS_OF)
    assert (empty.num_rows, empty.schema) == (0, synthetic.schema())


def test_ids_ascend_and_are_no_nhs_numbers(two_blocks: pa.Table) -> None:
    ids = two_blocks["patient_id"].to_numpy()
    assert (np.diff(ids) > 0).all()
    assert ids.min() > 9_999_999_999
    assert ids.max() < 2**53


def test_threads_do_not_change_the_rows(two_blocks: pa.Table) -> None:
    for threads in (2, 3):
        assert synthetic.table(two_blocks.num_rows, seed=3, as_of=AS_OF, threads=threads).equals(two_blocks)


def test_seeds_do(two_blocks: pa.Table) -> None:
    other = synthetic.table(1_000, seed=4, as_of=AS_OF)
    assert not other["date_of_birth"].equals(two_blocks["date_of_birth"].slice(0, 1_000))


def test_a_longer_list_begins_with_a_shorter_one(two_blocks: pa.Table) -> None:
    short = plain(synthetic.table(40_000, seed=3, as_of=AS_OF))
    # The practice in which the shorter list ends may differ; it is the last of its rows.
    whole = pc.index(short["practice_code"], short["practice_code"][-1]).as_py()
    assert whole > 20_000
    assert plain(two_blocks).slice(0, whole).equals(short.slice(0, whole))


def test_an_early_stop_leaves_no_thread_behind() -> None:
    batches = synthetic.generate(20 * BLOCK, as_of=AS_OF, threads=2)
    assert [b.num_rows for b in itertools.islice(batches, 1)] == [BLOCK]
    batches.close()  # type: ignore[attr-defined]


def test_practices_are_nested_and_sorted(two_blocks: pa.Table) -> None:
    levels = ["practice_code", "pcn_code", "neighbourhood", "place"]
    frame = pl.DataFrame(plain(two_blocks.select(levels)))
    for low, high in itertools.pairwise(levels):
        assert frame.group_by(low).agg(pl.col(high).n_unique()).get_column(high).max() == 1
    runs = (frame["practice_code"] != frame["practice_code"].shift(1)).sum() + 1
    assert runs == frame["practice_code"].n_unique()
    sizes = frame["practice_code"].value_counts()["count"]
    assert sizes.to_numpy().min() >= 1_500
    assert frame["practice_code"].str.contains(r"^[A-Z]\d{5}$").all()
    assert frame["pcn_code"].str.contains(r"^U\d{5}$").all()


@pytest.mark.parametrize("practices", [1, 3, 50])
def test_the_number_of_practices_can_be_fixed(practices: int) -> None:
    table = synthetic.table(5_000, seed=1, as_of=AS_OF, practices=practices)
    counts = pc.value_counts(table["practice_code"].cast(pa.string()))
    assert len(counts) == practices
    assert table["practice_code"].null_count == 0


@pytest.mark.parametrize("as_of", [AS_OF, LEAP, LATE, dt.date(2023, 2, 28), dt.date(2008, 1, 1)])
@pytest.mark.parametrize("seed", [0, 2**64 - 1])
def test_nothing_is_implausible(as_of: dt.date, seed: int) -> None:
    for patients, practices in ((BLOCK, None), (7, 1), (1, None)):
        table = synthetic.table(patients, seed=seed, as_of=as_of, practices=practices)
        assert implausible(table, as_of) == {}


def test_what_is_never_null(two_blocks: pa.Table) -> None:
    groups = ("identity", "governance", "conditions", "medication", "use")
    for name in [n for n in patient_schema().names(*groups) if n != "age"]:
        assert two_blocks[name].null_count == 0, name


def test_values_and_their_dates_go_together(two_blocks: pa.Table) -> None:
    for column in patient_schema():
        for value in column.dates:
            dated, valued = pc.is_valid(two_blocks[column.name]), pc.is_valid(two_blocks[value])
            if value != "ldl":  # reported with fewer lipid results
                undated = pc.sum(pc.and_(valued, pc.invert(dated))).as_py() / pc.sum(valued).as_py()
                assert undated < 0.01, value
                assert not pc.any(pc.and_(dated, pc.invert(valued))).as_py(), value


def test_minimum_ages_and_sexes(two_blocks: pa.Table) -> None:
    frame = pl.DataFrame(plain(two_blocks))
    frame = frame.with_columns(age=(pl.lit(AS_OF) - pl.col("date_of_birth")).dt.total_days() / 365.2425)
    minimum = {
        "hypertension": 18, "ckd": 18, "depression": 18, "epilepsy": 18, "obesity": 18, "diabetes": 17,
        "rheumatoid_arthritis": 16, "osteoporosis": 50, "asthma": 6,
    }  # fmt: skip
    for name, least in minimum.items():
        assert frame.filter(pl.col(name))["age"].to_numpy().min() > least - 0.01, name
    assert "male" not in frame.filter("pregnant")["sex"]
    coded = pl.col("atrial_fibrillation") | pl.col("venous_thromboembolism")
    assert frame.filter(pl.col("af_suspected") & coded).is_empty()
    assert frame.filter(pl.col("obesity") & (pl.col("bmi") < 30)).is_empty()
    assert frame.filter(pl.col("obesity") & pl.col("bmi").is_null()).is_empty()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"patients": -1}, "patients"),
        ({"patients": 10**12}, "patients"),
        ({"practices": 0}, "practices"),
        ({"practices": 10**6}, "practices"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "thread"),
        ({"as_of": dt.date(1999, 1, 1)}, "as-of date"),
    ],
)
def test_arguments_out_of_range_are_refused_at_once(arguments: dict[str, object], word: str) -> None:
    given = {"patients": 10, "as_of": AS_OF} | arguments
    with pytest.raises(InputError, match=word):
        synthetic.generate(given.pop("patients"), **given)  # type: ignore[arg-type]


# -- columns added since release 0.1 ----------------------------------------------------------------------------------

OF_RELEASE_0_1 = {
    (1_000, 1, AS_OF, False, None): "5e0817d246a1e512659a0814604196059b211c3a60cbace66ab02684cd6d4ea9",
    (1_000, 3, dt.date(2024, 2, 29), True, 2): "64317beed1bfa8907f2c7e2c007e25b302019f18f914518e444a7345078d7996",
    (66_000, 7, AS_OF, False, None): "9986b3371116ab8c342ea6da1e2bcb6ea2e6684ece37dd9a8f636e5a6266b04a",
}
"""Digests of what release 0.1 wrote into its columns, in the last 1,000 rows, with NumPy 2.4."""


@pytest.mark.skipif(not np.__version__.startswith("2.4."), reason="another NumPy may draw other numbers")
@pytest.mark.parametrize("arguments", OF_RELEASE_0_1, ids=str)
def test_the_columns_of_release_0_1_hold_what_they_held(arguments: tuple[int, int, dt.date, bool, int | None]) -> None:
    patients, seed, as_of, spoilt, practices = arguments
    table = synthetic.table(patients, seed=seed, as_of=as_of, dirty=spoilt, practices=practices)
    old = table.drop_columns(list(patient_schema().added)).slice(patients - 1_000)
    assert hashlib.sha256(repr(old.to_pydict()).encode()).hexdigest() == OF_RELEASE_0_1[arguments]


def test_added_columns_draw_nothing_that_others_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """A column added later leaves all before it alone: each has a random stream of its own."""
    before = synthetic.table(3_000, seed=5, as_of=AS_OF)
    follows = {
        "ndpp_referred_date": {"ndpp_completed_date"}, "diabetes_type": {"diabetes_onset_age"},
        "high_intensity_statin": {"non_hdl_baseline"}, "ezetimibe": {"non_hdl_baseline"},
    }  # fmt: skip
    for name in patient_schema().added:
        with monkeypatch.context() as patch:
            patch.setitem(_care._STREAMS, name, 9_999)
            after = synthetic.table(3_000, seed=5, as_of=AS_OF)
        changed = {n for n in before.column_names if not after[n].equals(before[n])}
        assert name in changed
        assert changed - {name} <= follows.get(name, set()), name
    assert len(set(_care._STREAMS.values())) == len(patient_schema().added)


@pytest.mark.parametrize("as_of", [AS_OF, LEAP, dt.date(2023, 2, 28), dt.date(2012, 3, 1)])
def test_added_columns_agree_with_the_others(as_of: dt.date) -> None:
    """What cannot be of one person is in nobody's record."""
    table = synthetic.table(BLOCK, seed=11, as_of=as_of)
    f = pl.DataFrame(plain(table))
    births = f["date_of_birth"].to_list()
    f = f.with_columns(age=pl.Series([completed_years(born, as_of) for born in births]))
    col, year_ago = pl.col, months_before(as_of, 12)

    def nobody(condition: pl.Expr) -> bool:
        return f.filter(condition).is_empty()

    assert nobody(col("extra_care_housing") & (col("care_home") | (col("age") < 55)))
    assert nobody(~col("diabetes") & (col("diabetes_type").is_not_null() | col("diabetes_onset_age").is_not_null()))
    assert nobody((col("diabetes_onset_age") > col("age")) | (col("diabetes_onset_age") < 0))
    assert nobody((col("high_intensity_statin") & ~col("statin")) | (col("ezetimibe") & (col("age") < 16)))
    assert nobody(col("non_hdl_baseline").is_not_null() & ~col("statin"))
    assert nobody(col("non_hdl_baseline") <= col("non_hdl"))
    eligible = ~col("diabetes") & (col("hba1c") >= 42) & (col("hba1c") < 48) & (col("age") >= 18)
    assert nobody(col("ndpp_referred_date").is_not_null() & ~eligible)
    assert nobody(col("ndpp_referred_date") < dt.date(2016, 6, 1))
    assert nobody(col("ndpp_completed_date").is_not_null() & col("ndpp_referred_date").is_null())
    assert nobody(col("ndpp_completed_date") < col("ndpp_referred_date") + dt.timedelta(days=270))
    assert nobody(col("ld_check_date").is_not_null() & ~col("learning_disability"))
    assert nobody(col("smi_check_date").is_not_null() & ~col("smi"))
    lately = (col("last_admission_date") >= year_ago).fill_null(False)
    assert nobody(lately != (col("emergency_admissions_12m") > 0))
    assert nobody(col("sq_score").is_not_null() & (col("age") < 18))
    for name in (c.name for c in patient_schema() if c.type == "date" and c.name in patient_schema().added):
        assert nobody((col(name) < col("date_of_birth")) | (col(name) > as_of)), name
    for name, age in (("ld_check_date", 14), ("smi_check_date", 18), ("cga_date", 65), ("cvd_risk_date", 25)):
        told = zip(births, f[name].to_list(), strict=True)
        assert min(completed_years(born, day) for born, day in told if day is not None) >= age, name


def test_added_columns_have_the_shares_that_are_stated(two_blocks: pa.Table) -> None:
    frame = pl.DataFrame(plain(two_blocks))
    col, year_ago = pl.col, dt.date(2025, 6, 30)
    grown = frame.filter(col("date_of_birth") <= dt.date(2012, 6, 30))
    adult = frame.filter(col("date_of_birth") <= dt.date(2008, 6, 30))

    def share(people: pl.DataFrame, condition: pl.Expr) -> float:
        return float(people.select(condition.fill_null(False).mean()).item())

    assert share(grown.filter("learning_disability"), col("ld_check_date") >= year_ago) == pytest.approx(0.75, abs=0.05)
    assert share(adult.filter("smi"), col("smi_check_date") >= year_ago) == pytest.approx(0.60, abs=0.05)
    diabetic = frame.filter("diabetes")
    assert share(diabetic, col("diabetes_type") == "type1") == pytest.approx(0.08, abs=0.015)
    assert share(diabetic, col("diabetes_type").is_null()) == pytest.approx(0.04, abs=0.015)
    onset = {k: diabetic.filter(col("diabetes_type") == k)["diabetes_onset_age"] for k in ("type1", "type2")}
    assert onset["type1"].median() < 20 < 45 < onset["type2"].median()  # type: ignore[operator]
    assert 0.1 < (onset["type2"] < 40).mean() < 0.3
    ascvd = frame.filter(col("chd") | col("stroke_tia") | col("pad"))
    intense = col("high_intensity_statin")
    assert share(ascvd.filter("statin"), intense) > 1.1 * share(frame.filter("statin"), intense)
    assert share(frame.filter("ezetimibe"), col("statin")) > 0.8
    assert share(ascvd, col("ezetimibe")) > 1.3 * share(frame.filter("statin"), col("ezetimibe"))
    eligible = adult.filter(~col("diabetes") & (col("hba1c") >= 42) & (col("hba1c") < 48))
    assert share(eligible, col("ndpp_referred_date").is_not_null()) == pytest.approx(0.25, abs=0.04)
    risk = popstrat.score(two_blocks, as_of=AS_OF)["admission_risk"]
    both = adult.with_columns(risk=pl.Series(risk.to_numpy()).filter(frame["date_of_birth"] <= dt.date(2008, 6, 30)))
    assert both.filter(col("sq_score").is_not_null()).select(pl.corr("sq_score", "risk")).item() > 0.7
    assert float(adult["sq_score"].mean()) == pytest.approx(5.6, rel=0.15)  # type: ignore[arg-type]


# -- dirty ------------------------------------------------------------------------------------------------------------


def test_a_dirty_list_has_the_same_schema_ids_and_practices(two_blocks: pa.Table, dirty: pa.Table) -> None:
    assert dirty.schema.equals(two_blocks.schema, check_metadata=True)
    for name in ("patient_id", "practice_code", "pcn_code", "place", "hypertension"):
        assert dirty[name].equals(two_blocks[name])


def test_every_fault_is_there_and_rare(dirty: pa.Table) -> None:
    found = implausible(dirty, AS_OF)
    expected = {
        "date_of_birth", "sex", "imd_decile", "ethnicity", "cfs", "frailty", "efi", "systolic_bp", "bp_date",
        "bp_setting", "hba1c", "hba1c_date", "egfr", "egfr_date", "acr", "bmi", "ldl", "lipids_date", "cvd_risk_10y",
        "haemoglobin", "platelets", "smoking", "alcohol_units_week", "phq9_date", "medicines_count",
        "emergency_admissions_12m", "gp_appointments_12m", "acr_date", "bmi_date", "smoking_date", "non_hdl_baseline",
        "care_plan_date", "ndpp_referred_date", "last_admission_date", "diabetes_type", "diabetes_onset_age",
        "sq_score",
    }  # fmt: skip
    assert expected <= set(found)
    # A birth in the future makes every date of that row precede it; nothing else spreads.
    assert set(found) - expected <= {c.name for c in patient_schema() if c.type == "date"}
    assert max(found.values()) < dirty.num_rows / 250
    swapped = pc.sum(pc.less(dirty["systolic_bp"], dirty["diastolic_bp"])).as_py()
    assert 0 < swapped < dirty.num_rows / 500


def test_a_dirty_list_is_otherwise_the_clean_one(two_blocks: pa.Table, dirty: pa.Table) -> None:
    for name, clean in zip(two_blocks.column_names, plain(two_blocks).columns, strict=True):
        spoilt = plain(dirty)[name]
        assert clean.is_null().equals(spoilt.is_null()), name
        changed = pc.sum(pc.fill_null(pc.not_equal(clean, spoilt), False)).as_py() or 0
        assert changed < len(clean) / 250, name


def test_dirty_faults_do_not_depend_on_length_or_threads(dirty: pa.Table) -> None:
    again = synthetic.table(dirty.num_rows, seed=3, as_of=AS_OF, dirty=True, threads=2)
    assert again.equals(dirty)


@pytest.mark.parametrize("patients", [2, 50, 1_000])
def test_duplicate_ids_repeat_some(patients: int) -> None:
    ids = pa.Table.from_batches(synthetic.duplicate_ids(patients, seed=1, as_of=AS_OF))["patient_id"].to_numpy()
    repeated = len(ids) - len(np.unique(ids))
    assert len(ids) == patients
    assert repeated == max(1, (patients - 96) // 97 + 1) if patients > 97 else repeated == 1
