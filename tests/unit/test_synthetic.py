"""The synthetic list: its shape, its determinism, its plausibility, its faults."""

from __future__ import annotations

import datetime as dt
import itertools

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from popstrat import synthetic
from popstrat.errors import InputError
from popstrat.packs.patient_table import patient_schema

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
            if two_blocks[column.name].null_count == two_blocks.num_rows:
                continue
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
        "emergency_admissions_12m", "gp_appointments_12m",
    }  # fmt: skip
    assert expected <= set(found)
    # A birth in the future makes every date of that row precede it; nothing else spreads.
    assert set(found) - expected <= {"gad7_date", "egfr_previous_date"}
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
