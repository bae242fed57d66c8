"""`Scorer`: immutable, picklable, shared by threads; profiles; what it counts."""

# ruff: noqa: E501 (tables are as wide as they need to be)

from __future__ import annotations

import datetime as dt
import multiprocessing
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from spec_tables import local_pack

import popstrat
from popstrat import synthetic
from popstrat.errors import InputError, PackError
from popstrat.packs.load import load_pack
from popstrat.packs.patient_table import patient_schema
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.tally import Tally

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"


def patients(rows: int = 500, seed: int = 0) -> pa.RecordBatch:
    """Some rows of the canonical table."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for column in patient_schema():
        if column.name == "age":
            continue
        null = rng.random(rows) < 0.2
        if column.name == "patient_id":
            array = pa.array(np.arange(rows) + 1)
        elif column.type == "string":
            array = pa.array([f"Y{i % 7:05}" for i in range(rows)]).dictionary_encode().cast(column.dtype)
        elif column.type == "bool":
            array = pa.array(rng.random(rows) < 0.3, mask=null)
        elif column.type == "category":
            codes = pa.array(rng.integers(0, len(column.labels), rows).astype("i1"), mask=null)
            array = pa.DictionaryArray.from_arrays(codes, pa.array(column.labels))
        elif column.type == "date":
            low = -20_000 if column.name == "date_of_birth" else 19_500
            array = pa.array(rng.integers(low, 20_634, rows).astype("i4"), pa.int32(), mask=null).cast(pa.date32())
        else:
            low, high = column.minimum or 0, min(column.maximum or 100, 300)
            array = pa.array(rng.uniform(low, high, rows).astype(column.dtype.to_pandas_dtype()), mask=null)
        arrays[column.name] = array
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))


def test_schemas_are_known_before_any_data() -> None:
    """And are those of what comes out."""
    scorer = Scorer(as_of=AS_OF)
    assert "age" not in scorer.input_schema.names
    batch = patients()
    assert batch.schema.equals(scorer.input_schema)
    assert scorer.score_batch(batch).schema.equals(scorer.output_schema)


def test_output_schema_is_the_contract() -> None:
    """Names, order and types."""
    label, flag = pa.dictionary(pa.int8(), pa.string()), pa.bool_()
    given = Scorer(as_of=AS_OF).input_schema
    keys = ("patient_id", "practice_code", "pcn_code", "neighbourhood", "place")
    wanted = {
        **{name: given.field(name).type for name in keys}, "age": pa.int16(), "ltc_count": pa.uint8(), "frailty_category": label,
        "nwl_risk_group": label, "whole_systems_segment": label, "bridges_to_health_segment": label,
        "hypertension_status": label, "diabetes_status": label, "af_status": label, "ckd_status": label,
        "cvrm_unoptimised_count": pa.uint8(), "cvrm_rag": label, "frailty_int_segment": flag,
        "frailty_int_priority": flag, "mltc_int_segment": flag, "mltc_int_priority": flag, "cyp_int_segment": flag,
        "admission_risk": pa.float64(), "admission_risk_band": label, "expected_cost_2014": pa.float64(),
        "inputs_missing": pa.uint8(), "core20": flag, "ascvd": flag, "lipid_status": label, "heart_failure_status": label,
        "need_rag": label, "missing_anticoagulant": flag, "missing_statin": flag, "missing_ras_inhibitor": flag,
        "missing_sglt2_inhibitor": flag, "quality_flags": pa.uint64(),
    }  # fmt: skip
    schema = Scorer(as_of=AS_OF).output_schema
    assert {field.name: field.type for field in schema} == wanted
    assert schema.names == list(wanted)
    for name in ("ltc_count", "bridges_to_health_segment", "frailty_int_segment", "quality_flags"):
        assert not schema.field(name).nullable, f"{name} is never null"


def test_labels_of_the_contract() -> None:
    """Each category holds the labels that the documentation lists."""
    scorer = Scorer(as_of=AS_OF)
    labels = {str(d.output): set(d.node.type.labels) for d in scorer.resolved.outputs if d.dtype == "dictionary"}
    status = {"none", "optimised", "unoptimised", "undiagnosed"}
    assert labels == {
        "frailty_category": {"fit", "mild", "moderate", "severe"},
        "nwl_risk_group": {"specialist_end_of_life", "high", "rising", "stable", "well"},
        "whole_systems_segment": {
            "socially_excluded", "advanced_organic_disorder", "learning_disability", "smi", "cancer", "elderly_with_ltc",
            "adults_with_ltc", "mostly_healthy_elderly", "mostly_healthy_adults",
        },
        "bridges_to_health_segment": {
            "healthy", "children_and_maternal", "acutely_ill", "ltc", "serious_disability", "end_of_life", "organ_failure",
            "frailty_dementia",
        },
        "hypertension_status": status, "diabetes_status": status, "af_status": status, "ckd_status": status,
        "lipid_status": status, "heart_failure_status": status,
        "cvrm_rag": {"red", "amber", "green"}, "need_rag": {"red", "amber", "green"},
        "admission_risk_band": {"very_high", "high", "medium", "low", "very_low"},
    }  # fmt: skip


def test_it_does_not_change() -> None:
    """No attribute can be set once it is made."""
    scorer = Scorer(as_of=AS_OF)
    for name, value in (("as_of", dt.date(2020, 1, 1)), ("profile", "secondary-use"), ("pack", None), ("new", 1)):
        with pytest.raises(AttributeError):
            setattr(scorer, name, value)
    assert scorer.columns == scorer.columns


def test_pickling() -> None:
    """Scorers, packs and bound scorers travel; a local pack with its text, though its file be gone."""
    batch = patients()
    for scorer in (
        Scorer(as_of=AS_OF),
        Scorer(local_pack("[parameters.target_met_at_threshold]\nvalue = false"), AS_OF),
    ):
        again = pickle.loads(pickle.dumps(scorer))
        assert again.pack_record == scorer.pack_record
        assert (again.as_of, again.profile) == (scorer.as_of, scorer.profile)
        assert again.score_batch(batch).equals(scorer.score_batch(batch))
        bound = pickle.loads(pickle.dumps(scorer.bind(batch.schema)))
        assert bound.score(batch)[0].equals(scorer.score_batch(batch))


def in_another_process(scorer: Scorer, batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return list(scorer.score_batch(batch).to_pylist())


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_other_processes(method: str) -> None:
    """A pickled scorer gives the same in another process, started afresh or forked after threads have run."""
    scorer, batch = Scorer(as_of=AS_OF), patients(200)
    wanted = scorer.score_batch(batch).to_pylist()
    scorer.bind(batch.schema).score(batch, threads=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context(method).Pool(1) as pool:
            assert pool.apply(in_another_process, (scorer, batch)) == wanted


def test_threads_share_one_scorer() -> None:
    """Many threads, several schemas, bound at the same moment for the first time."""
    batch = patients(3000)
    schemas = [batch, batch.drop_columns(["bp_date"]), batch.drop_columns(["frailty", "cfs"]), batch.slice(5, 1000)]
    wanted = [Scorer(as_of=AS_OF).score_batch(b) for b in schemas]
    scorer = Scorer(as_of=AS_OF)
    start = threading.Barrier(8)

    def work(k: int) -> bool:
        start.wait()
        return all(scorer.score_batch(schemas[(k + i) % 4]).equals(wanted[(k + i) % 4]) for i in range(12))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_many_schemas() -> None:
    """Programs are kept for some schemas and made again for others; the answers stay."""
    scorer, batch = Scorer(as_of=AS_OF), patients(50)
    optional = [c for c in batch.schema.names if c not in ("patient_id", "practice_code", "date_of_birth", "sex")]
    for name in [*optional[:20], *optional[:3]]:
        assert scorer.score_batch(batch.drop_columns([name])).num_rows == 50
    assert len(scorer._bound) <= 16


@pytest.mark.parametrize("as_of", [dt.date.min, dt.date(1, 3, 1), dt.date(1800, 2, 28), dt.date(1899, 12, 31), dt.date(1900, 1, 1),
                                   dt.date(2400, 2, 29), dt.date(9999, 12, 31), dt.date.max])  # fmt: skip
def test_any_as_of_date(as_of: dt.date) -> None:
    """Far off in either direction nobody has an age, and nothing fails."""
    scored = Scorer(as_of=as_of).score_batch(patients(100))
    assert scored.num_rows == 100
    if as_of < dt.date(1900, 1, 1) or as_of > dt.date(2200, 1, 1):
        assert scored.column("age").null_count == 100


# -- profiles ------------------------------------------------------------------------------------------------------------


def opted(type1: list[bool | None], national: list[bool | None]) -> pa.RecordBatch:
    batch = patients(len(type1))
    for name, values in (("type1_opt_out", type1), ("national_data_opt_out", national)):
        batch = batch.set_column(batch.schema.names.index(name), name, pa.array(values, pa.bool_()))
    return batch


def test_secondary_use_leaves_people_out() -> None:
    """Whoever has opted out, counted under the first reason that applies; a null is no opt-out."""
    batch = opted([True, True, False, None, False, None], [False, True, True, True, False, None])
    scorer = Scorer(as_of=AS_OF, profile="secondary-use")
    scored, tally = scorer.bind(batch.schema).score(batch)
    assert scored.column("patient_id").to_pylist() == [5, 6]
    assert (tally.rows_in, tally.rows_out) == (6, 2)
    assert tally.excluded == {"type 1 opt-out": 2, "national data opt-out": 2}
    everybody = Scorer(as_of=AS_OF).score_batch(batch)
    assert scored.equals(everybody.take(pa.array([4, 5])))


def test_direct_care_keeps_everybody() -> None:
    """With or without the columns."""
    batch = opted([True, None], [True, None])
    assert Scorer(as_of=AS_OF).score_batch(batch).num_rows == 2
    assert Scorer(as_of=AS_OF).score_batch(batch.drop_columns(["type1_opt_out"])).num_rows == 2


@pytest.mark.parametrize("name", ["type1_opt_out", "national_data_opt_out"])
def test_secondary_use_needs_both_columns(name: str) -> None:
    """It never guesses that nobody opted out."""
    batch = patients(3).drop_columns([name])
    with pytest.raises(InputError, match=f"column '{name}': the profile secondary-use needs this column"):
        Scorer(as_of=AS_OF, profile="secondary-use").score_batch(batch)


@pytest.mark.parametrize(
    "array",
    [pa.array([1, 0, None], pa.int8()), pa.array(["true", "no", None]), pa.array(["1", "0", ""], pa.string_view()),
     pa.array([1.0, 0.0, None]), pa.array(["TRUE", "false", None]).dictionary_encode()],
)  # fmt: skip
def test_opt_outs_of_any_type(array: pa.Array) -> None:
    """As any other flag."""
    batch = patients(3)
    batch = batch.set_column(batch.schema.names.index("type1_opt_out"), "type1_opt_out", array)
    batch = batch.set_column(
        batch.schema.names.index("national_data_opt_out"), "national_data_opt_out", pa.nulls(3, pa.bool_())
    )
    scored = Scorer(as_of=AS_OF, profile="secondary-use").score_batch(batch)
    assert scored.column("patient_id").to_pylist() == [2, 3]


def test_secondary_use_with_columns_that_arrow_cannot_filter() -> None:
    """String views, as Polars exports them, which come out as text, and columns that are passed over."""
    batch = opted([True, False, False], [False, False, False])
    names = ["practice_code", "place", "sex"]
    for name in names:
        at = batch.schema.names.index(name)
        values = batch.column(at)
        text = values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
        batch = batch.set_column(at, name, text.cast(pa.string_view()))
    batch = batch.append_column("odd", pa.nulls(3, pa.list_(pa.string_view())))
    scored = Scorer(as_of=AS_OF, profile="secondary-use").score_batch(batch)
    assert scored.column("patient_id").to_pylist() == [2, 3]
    assert scored.schema.field("place").type == pa.large_string()
    assert scored.column("practice_code").to_pylist() == ["Y00001", "Y00002"]


def test_rows_of_an_error_count_the_opted_out() -> None:
    """Row numbers are of the table as it was given."""
    batch = opted([True, False, False, True, False], [False] * 5)
    dates = pa.array(["x", "2026-01-01", "bad", "bad", "worse"])
    batch = batch.set_column(batch.schema.names.index("bp_date"), "bp_date", dates)
    with pytest.raises(InputError, match=r"column 'bp_date': a cell is not a date as YYYY-MM-DD .*\(rows 3, 5\)"):
        Scorer(as_of=AS_OF, profile="secondary-use").score_batch(batch)


def test_profiles_that_there_are_not() -> None:
    """Named in the message."""
    with pytest.raises(InputError, match="direct-care, secondary-use"):
        Scorer(as_of=AS_OF, profile="research")


# -- what is counted -----------------------------------------------------------------------------------------------------


def test_tallies_add_up() -> None:
    """Parts give the whole, in any order of adding."""
    batch = patients(1000)
    bound = Scorer(as_of=AS_OF, profile="secondary-use").bind(batch.schema)
    whole = bound.score(batch)[1]
    parts = [bound.score(batch.slice(a, 250))[1] for a in (0, 250, 500, 750)]
    total = parts[0] + parts[1] + (parts[2] + parts[3])
    assert total.groups == whole.groups
    assert total.quality == whole.quality
    assert total.excluded == whole.excluded
    assert (total.rows_in, total.rows_out, total.newest_date) == (whole.rows_in, whole.rows_out, whole.newest_date)
    assert total.counts == whole.counts
    assert total.sums == pytest.approx(whole.sums)
    assert Tally() + whole == whole


def test_groups_are_the_counts_of_the_output() -> None:
    """Every label, those that nobody has as well."""
    scored, tally = Scorer(as_of=AS_OF).bind(patients().schema).score(patients())
    for name, groups in tally.groups.items():
        column = scored.column(name).to_pylist()
        assert groups == {k: column.count(True if k == "true" else k) for k in groups}, name
    assert tally.groups["mltc_int_segment"].keys() == {"true"}
    assert set(tally.groups["nwl_risk_group"]) == {"specialist_end_of_life", "high", "rising", "stable", "well"}


def test_quality_is_counted_by_column_and_reason_and_set_in_the_row() -> None:
    """Each implausible value: null for the rules, a bit of its row, one more under its reason."""
    batch = patients(4).select(["patient_id", "practice_code", "sex", "date_of_birth"])
    for name, array in {
        "sex": pa.array(["F", "weird", "M", "x"]),
        "date_of_birth": pa.array([dt.date(2026, 7, 1), dt.date(1890, 1, 1), dt.date(1980, 1, 1), dt.date(1950, 1, 1)]),
    }.items():
        batch = batch.set_column(batch.schema.names.index(name), name, array)
    batch = batch.append_column("systolic_bp", pa.array([900, 49, 300, 50]))
    batch = batch.append_column(
        "bp_date", pa.array([dt.date(2027, 1, 1), dt.date(1899, 1, 1), dt.date(1979, 1, 1), None])
    )
    batch = batch.append_column("hypertension", pa.array([float("nan"), 1, 0, None]))
    batch = batch.append_column("not_ours", pa.array([1, 2, 3, 4]))
    scorer = Scorer(as_of=AS_OF)
    bound = scorer.bind(batch.schema)
    scored, tally = bound.score(batch)
    assert tally.quality == {
        "sex": {"unknown label": 2},
        "date_of_birth": {"after the as-of date": 1, "over 120 years ago or before 1900": 1},
        "systolic_bp": {"outside 50 to 300 mmHg": 2},
        "bp_date": {"after the as-of date": 1, "before 1900": 1, "before the date of birth": 1},
    }
    bits = scorer.quality_bits
    named = [
        {name for name, bit in bits.items() if flags >> bit & 1} for flags in scored.column("quality_flags").to_pylist()
    ]
    assert named == [
        {"date_of_birth: after the as-of date", "systolic_bp: outside 50 to 300 mmHg", "bp_date: after the as-of date"},
        {"sex: unknown label", "date_of_birth: over 120 years ago or before 1900", "systolic_bp: outside 50 to 300 mmHg",
         "bp_date: before 1900"},
        {"bp_date: before the date of birth"},
        {"sex: unknown label"},
    ]  # fmt: skip
    assert bound.ignored == ("not_ours",)
    assert tally.newest_date is None


def test_newest_record_date() -> None:
    """The newest plausible date of any record that is read, births aside; future dates do not count."""
    batch = patients(3).select(["patient_id", "practice_code", "sex", "date_of_birth"])
    births = pa.array([dt.date(2026, 6, 1)] * 3)
    batch = batch.set_column(3, "date_of_birth", births)
    bound = Scorer(as_of=AS_OF).bind(batch.schema)
    assert bound.score(batch)[1].newest_date is None
    for dates, newest in (
        ([dt.date(2026, 6, 2), dt.date(2026, 6, 3), dt.date(2026, 7, 1)], dt.date(2026, 6, 3)),
        ([None, None, dt.date(2026, 6, 30)], dt.date(2026, 6, 30)),
        ([None, None, None], None),
        ([dt.date(2026, 5, 31), None, None], None),  # before birth
    ):
        dated = batch.append_column("bp_date", pa.array(dates, pa.date32()))
        assert Scorer(as_of=AS_OF).bind(dated.schema).score(dated)[1].newest_date == newest


def test_notices_of_absent_dates() -> None:
    """The run says which values count as current."""
    batch = patients(3)
    assert Scorer(as_of=AS_OF).bind(batch.schema).notices == ()
    bound = Scorer(as_of=AS_OF).bind(batch.drop_columns(["bp_date", "hba1c_date"]).schema)
    assert any("bp_date" in notice and "systolic_bp" in notice for notice in bound.notices)
    assert any("hba1c_date" in notice for notice in bound.notices)
    bare = batch.drop_columns(["bp_date", "systolic_bp", "diastolic_bp"])
    assert not any("bp_date" in notice for notice in Scorer(as_of=AS_OF).bind(bare.schema).notices)


# -- the table itself ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_nulls_are_those_of_this_batch(threads: int) -> None:
    """Results are wrapped while they are being written, to memory that held others before: what is null is counted
    afterwards, whatever pyarrow counts when."""
    full = synthetic.table(70_000, seed=3, as_of=dt.date.fromisoformat(AS_OF)).combine_chunks()
    empty = full.set_column(
        full.schema.get_field_index("date_of_birth"), "date_of_birth", pa.nulls(len(full), pa.date32())
    )
    seen = set()
    for table in (full, empty, full, empty, empty.slice(1), full.slice(1)):
        for column in popstrat.score(table, as_of=AS_OF, threads=threads).itercolumns():
            nulls = 0
            for chunk in column.chunks:
                valid = chunk.buffers()[0]  # its bits, since pyarrow believes its own count
                if valid is not None:
                    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
                    nulls += int((bits[chunk.offset :][: len(chunk)] == 0).sum())
            assert column.null_count == nulls
            seen.add(nulls)
    assert len(seen) > 5


def test_required_columns() -> None:
    """Named, with the near miss."""
    batch = patients(3)
    for name in ("patient_id", "practice_code", "sex"):
        with pytest.raises(InputError, match=f"column '{name}': this required column is missing"):
            Scorer(as_of=AS_OF).score_batch(batch.drop_columns([name]))
    with pytest.raises(InputError, match="'date_of_birth' or 'age'"):
        Scorer(as_of=AS_OF).score_batch(batch.drop_columns(["date_of_birth"]))
    with pytest.raises(InputError, match="practise_code"):
        Scorer(as_of=AS_OF).score_batch(
            batch.rename_columns(["practise_code" if c == "practice_code" else c for c in batch.schema.names])
        )


def test_errors_are_value_errors() -> None:
    """Of both kinds, and they pickle."""
    assert issubclass(InputError, ValueError)
    assert issubclass(PackError, ValueError)
    error = InputError("problem", column="x", rows=[1, 2, 3, 4, 5, 6, 7], file="f.csv")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert (again.column, again.rows, again.more, again.file) == ("x", (1, 2, 3, 4, 5), 2, "f.csv")
    assert "rows 2, 3, 4, 5, 6 and 2 more" in str(error)


def test_a_pack_can_be_a_file_a_name_or_a_pack(tmp_path: Any) -> None:
    """And says what it is."""
    file = tmp_path / "mine.toml"
    file.write_text('[pack]\nid = "mine"\nversion = "2"\nextends = "london-2026"\n', encoding="utf-8")
    batch = patients(20)
    wanted = Scorer("london-2026", AS_OF).score_batch(batch)
    for pack in (str(file), file, load_pack(file)):
        scorer = Scorer(pack, AS_OF)
        assert scorer.pack_record["id"] == "mine"
        assert [f["name"] for f in scorer.pack_record["files"]] == [
            "mine.toml",
            "london-2026.toml",
            "admission-12m.toml",
        ]
        assert scorer.score_batch(batch).equals(wanted)
    with pytest.raises(PackError, match="did you mean 'london-2026'"):
        Scorer("london-2025", AS_OF)
