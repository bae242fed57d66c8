"""Whether an extract is filled, and with what: counts far below what is to be expected, values that contradict another
column of the same row, columns in another unit or on another scale."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.packs.evaluator import Reference
from popstrat.packs.expected import BANDS, expected
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.questions import Question, conditions, questions
from popstrat.runs.check import run_check
from popstrat.scoring.completeness import far_below
from popstrat.scoring.scorer import Scorer
from popstrat.synthetic import expected as making

AS_OF, DAY = "2026-06-30", dt.date(2026, 6, 30)
ROWS = 20_000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=11, as_of=DAY).combine_chunks()


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def replaced(data: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    for name, values in columns.items():
        data = data.set_column(data.column_names.index(name), name, values)
    return data


def thinned(data: pa.Table, column: str, share: float) -> pa.Table:
    """Of the column's values, or of the people who have the flag, only so many."""
    there, rng = data.column(column), np.random.default_rng(3)
    kept = pa.array(rng.random(len(data)) < share)
    if pa.types.is_boolean(there.type):
        return replaced(data, {column: pc.and_(there, kept)})
    return replaced(data, {column: pc.if_else(kept, there, pa.scalar(None, there.type))})


def told(data: pa.Table, *options: str) -> list[str]:
    """What the library warns of, which is what `score` warns of too."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        popstrat.score(data, AS_OF)
    library = [str(w.message) for w in found if w.category is popstrat.DataWarning]
    pq.write_table(data, "list.parquet")
    for name in ("out.parquet", "out.parquet.run.json"):
        Path(name).unlink(missing_ok=True)
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q", *options]) == 0
    assert recorded()["warnings"] == library
    return library


def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out.parquet.run.json").read_text())
    return found


def checked(capsys: pytest.CaptureFixture[str], *names: str) -> list[str]:
    assert run(["check", *names, "--as-of", AS_OF, "--json"]) == 0
    return list(json.loads(capsys.readouterr().out)["warnings"])


# -- lists that are as they should be ---------------------------------------------------------------------------------


def sound_lists() -> list[pa.Table]:
    """Lists of many sizes and kinds: of one practice and of several, of the old, the young, a care home, one sex."""
    found = [
        synthetic.table(rows, seed=seed, as_of=DAY, practices=practices)
        for rows, seeds in ((200, 6), (2_000, 3), (10_000, 1))
        for seed in range(50, 50 + seeds)
        for practices in (None, 1)
    ]
    large = synthetic.table(65_536, seed=70, as_of=DAY)
    old = large.filter(pc.less(large["date_of_birth"], dt.date(1946, 1, 1)))
    return [
        *found,
        large,
        old,
        old.filter(old["care_home"]),
        large.filter(pc.greater(large["date_of_birth"], dt.date(2008, 1, 1))),
        large.filter(pc.equal(large["sex"].cast(pa.string()), "female")),
        large.filter(pc.less_equal(large["imd_decile"], 2)),
        large.filter(pc.greater_equal(large["imd_decile"], 9)),
    ]


def test_a_sound_list_of_any_size_and_kind_raises_no_doubt() -> None:
    for number, table in enumerate(sound_lists()):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            popstrat.score(table, AS_OF)
        assert [str(w.message) for w in found] == [], number
        if number % 3 and len(table) < 65_536:  # checking more columns takes its time
            continue
        pq.write_table(table, "list.parquet")
        record = run_check(["list.parquet"], Scorer(as_of=DAY))
        assert record["warnings"] == [], number


# -- what is to be expected -------------------------------------------------------------------------------------------


def test_the_table_of_expected_counts_is_of_the_generators_figures() -> None:
    """Otherwise: python -m popstrat.synthetic.expected --write"""
    table = expected()
    assert table.parameters_sha256 == making.parameters_sha256()
    assert list(table.columns) == [c.name for c in making.counted_columns()]
    assert [c.basis for c in table.columns.values()] == [making.basis(name) for name in table.columns]
    again = making.shares(range(1, 3))  # two of the blocks that it was made of
    for name, share in again.items():
        assert share.shape == (2, BANDS)
        assert share.sum() == pytest.approx(table.columns[name].share.sum(), rel=0.35, abs=0.02), name


def test_people_of_other_ages_are_not_expected_to_be_as_ill(people: pa.Table) -> None:
    old = people.filter(pc.less(people["date_of_birth"], dt.date(1961, 1, 1)))
    of = {}
    for name, data in (("all", people), ("old", old)):
        bound = Scorer(as_of=DAY).bind(data.schema)
        found = bound.people()
        for batch in data.to_batches(1000):
            found.look(batch)
        assert found.by_sex_and_age.sum() == pytest.approx(len(data))
        of[name] = expected().columns["dementia"].count(found.by_sex_and_age)
    assert of["old"] == pytest.approx(of["all"], rel=0.06)
    assert of["old"] == pytest.approx(pc.sum(old["dementia"]).as_py(), rel=0.4)


@pytest.mark.parametrize("rows", [1, 700, 5_001])
@pytest.mark.parametrize("kind", [pa.date32(), pa.string()], ids=str)
def test_of_many_batches_no_more_rows_are_looked_at_than_of_one(people: pa.Table, rows: int, kind: pa.DataType) -> None:
    people = replaced(people, {"date_of_birth": people["date_of_birth"].cast(kind)}).slice(0, min(ROWS, 300 * rows))
    whole, parts = (Scorer(as_of=DAY).bind(people.schema).people() for _ in range(2))
    whole.look(people.combine_chunks().to_batches()[0])
    for batch in people.to_batches(rows):
        parts.look(batch, len(people))
    assert parts.by_sex_and_age.sum() == pytest.approx(len(people))
    assert np.abs(parts.by_sex_and_age - whole.by_sex_and_age).sum() < 0.25 * len(people)


@pytest.mark.parametrize("kind", ["date", "timestamp", "text", "age", "float age", "strings", "numbers", "views"])
def test_ages_and_sexes_of_any_type(people: pa.Table, kind: str) -> None:
    sex, born = people["sex"].cast(pa.string()), people["date_of_birth"]
    data = {
        "date": people,
        "timestamp": replaced(people, {"date_of_birth": born.cast(pa.timestamp("us"))}),
        "text": replaced(people, {"date_of_birth": born.cast(pa.string())}),
        "strings": replaced(people, {"sex": sex}),
        "numbers": replaced(people, {"sex": pc.if_else(pc.equal(sex, "female"), 2, 1)}),
        "views": replaced(people, {"sex": sex.cast(pa.string_view())}),
    }
    age = popstrat.score(people, AS_OF)["age"]
    data["age"] = people.drop_columns(["date_of_birth"]).append_column("age", age)
    data["float age"] = people.drop_columns(["date_of_birth"]).append_column("age", age.cast(pa.float32()))

    def count(table: pa.Table) -> Any:
        found = Scorer(as_of=DAY).bind(table.schema).people()
        for batch in table.to_batches():
            found.look(batch)
        return found.by_sex_and_age

    assert count(data[kind]).sum() == pytest.approx(ROWS)
    assert np.abs(count(data[kind]) - count(people)).sum() < 0.25 * ROWS


def test_far_below_is_neither_chance_nor_an_ordinary_difference() -> None:
    rng = np.random.default_rng(1)
    for expectation in (5.0, 19.0, 20.0, 25.0, 40.0, 100.0, 1000.0):
        for share in (1 / 3, 1 / 5):
            half_as_much_again = rng.poisson(1.5 * share * expectation, 20_000)
            assert sum(far_below(int(n), expectation, share) for n in half_as_much_again) <= 6
    assert far_below(0, 20, 1 / 3)
    assert not far_below(0, 19.9, 1 / 3)
    assert far_below(60, 1000, 1 / 5)
    assert not far_below(250, 1000, 1 / 5)
    assert not far_below(0, 10_000, 0)


FLAGS = [n for n, c in expected().columns.items() if c.counts == "true" and c.basis != "local"]
VALUES = [n for n, c in expected().columns.items() if c.counts == "recorded" and c.basis != "local"]


@pytest.mark.parametrize("column", ["diabetes", "hypertension", "depression", "statin", "hba1c", "bmi", "egfr"])
def test_a_column_that_holds_a_fraction_of_what_is_expected_is_named(people: pa.Table, column: str) -> None:
    left = 0.06 if column in VALUES else 0.12
    (warning,) = [w for w in told(thinned(people, column, left)) if w.startswith(f"{column} ")]
    kept = recorded()["recorded"][column]
    assert f" {kept:,} " in warning
    assert warning.endswith("expected in 20,000 people of these ages: is it filled?")


def test_so_is_every_other(people: pa.Table) -> None:
    """Where so many are expected that a tenth is no chance; and never where two thirds are there."""
    cells = Scorer(as_of=DAY).bind(people.schema).people()
    cells.look(people.to_batches()[0])
    for name in (*FLAGS, *VALUES):
        share = {"published": 1 / 3, "assumed": 1 / 5}[expected().columns[name].basis]
        many = expected().columns[name].count(cells.by_sex_and_age)
        if name not in Scorer(as_of=DAY).columns:
            continue
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            popstrat.score(thinned(people, name, share / 8), AS_OF)
        if share * many > 40:
            assert any(str(w.message).startswith(f"{name} ") for w in found), name
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            popstrat.score(thinned(people, name, 0.7), AS_OF)


def test_dates_that_most_values_lack(people: pa.Table) -> None:
    found = told(thinned(people, "egfr_date", 0.25))
    assert len(found) == 1
    assert found[0].startswith("egfr_date holds ")
    assert " dates, and egfr " in found[0]


def test_of_several_files_the_one_is_named(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    half = ROWS // 2
    pq.write_table(people.slice(0, half), "a.parquet")
    pq.write_table(thinned(people.slice(half), "diabetes", 0.1), "b.parquet")
    (warning,) = checked(capsys, "a.parquet", "b.parquet")
    assert warning.startswith("diabetes is true for ")
    assert " people in b.parquet, of about " in warning
    assert run(["score", "a.parquet", "b.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 0
    of_each = [f["recorded"]["diabetes"] for f in recorded()["recorded_by_file"]]
    assert [f["name"] for f in recorded()["recorded_by_file"]] == ["a.parquet", "b.parquet"]
    assert sum(of_each) == recorded()["recorded"]["diabetes"]
    assert of_each[0] > 5 * of_each[1]
    parts = 40  # each too small to tell
    thin = thinned(people, "diabetes", 0.1)
    names = [f"{i}.parquet" for i in range(parts)]
    for i, name in enumerate(names):
        pq.write_table(thin.slice(i * ROWS // parts, ROWS // parts), name)
    (warning,) = checked(capsys, *names)
    assert warning.startswith("diabetes is true for ")
    assert ".parquet" not in warning


def test_the_record_counts_what_is_recorded(people: pa.Table) -> None:
    """True flags, and values; never an identifier."""
    nan = pa.array(np.where(np.arange(ROWS) < 5000, np.nan, 50.0).astype(np.float32), from_pandas=False)
    data = replaced(people, {"hba1c": nan, "bmi": pc.add(people["bmi"], pa.scalar(140, pa.float32()))})
    told(data)
    found = recorded()["recorded"]
    assert found["diabetes"] == pc.sum(people["diabetes"]).as_py()
    assert found["hba1c"] == 15_000
    assert found["bmi"] == ROWS - people["bmi"].null_count  # implausible, and recorded
    assert found["smoking"] == ROWS - people["smoking"].null_count
    assert not {"patient_id", "practice_code"} & set(found)
    assert popstrat.score(data, AS_OF, record=True)[1]["recorded"] == found


# -- an earlier run ---------------------------------------------------------------------------------------------------


def test_a_column_that_holds_a_fraction_of_last_month(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    before = synthetic.table(ROWS - 1500, seed=12, as_of=dt.date(2026, 5, 31))
    pq.write_table(before, "may.parquet")
    assert run(["score", "may.parquet", "-o", "may-scored.parquet", "--as-of", "2026-05-31", "-q"]) == 0
    previous = ["--previous", "may-scored.parquet.run.json"]
    pq.write_table(people, "june.parquet")
    thin = thinned(thinned(people, "statin", 0.4), "hba1c", 0.4)
    pq.write_table(thin, "thin.parquet")
    assert checked(capsys, "june.parquet", *previous) == []
    assert checked(capsys, "thin.parquet") == []
    found = checked(capsys, "thin.parquet", *previous)
    assert [w.split(" ")[0] for w in found] == ["hba1c", "statin"]
    assert all(w.endswith("in the earlier run: is it filled?") for w in found)
    assert run(["score", "thin.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q", *previous]) == 0
    assert recorded()["warnings"] == found
    record = json.loads(Path("may-scored.parquet.run.json").read_text())
    for given in (record, "may-scored.parquet.run.json", Path("may-scored.parquet.run.json")):
        with pytest.warns(popstrat.DataWarning, match="statin holds .* in the earlier run"):
            _, memory = popstrat.score(thin, AS_OF, previous=given, record=True)
        assert memory["warnings"] == found


def test_the_output_that_is_replaced_is_an_earlier_run(people: pa.Table) -> None:
    told(people)
    pq.write_table(thinned(people, "statin", 0.4), "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 0
    (warning,) = recorded()["warnings"]
    assert warning.startswith("statin holds ")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "{}",
        "[1]",
        '{"record_version": 1}',
        '{"record_version": 1, "rows": {"out": -1}, "recorded": {}}',
        '{"record_version": 1, "rows": {"out": 5}, "recorded": {"statin": "many"}}',
    ],
)
def test_what_is_no_record_is_refused(people: pa.Table, text: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    if text is not None:
        Path("record.json").write_text(text)
    pq.write_table(people.slice(0, 10), "list.parquet")
    for command in (["check", "list.parquet"], ["score", "list.parquet", "-o", "out.parquet"]):
        assert run([*command, "--as-of", AS_OF, "-q", "--previous", "record.json"]) == 2
        assert "record.json: " in capsys.readouterr().err
    assert not Path("out.parquet").exists()


# -- what another column of the row rules out -----------------------------------------------------------------------


def test_an_age_that_is_not_that_of_the_date_of_birth(people: pa.Table) -> None:
    age = popstrat.score(people, AS_OF)["age"].cast(pa.int32())
    year = replaced_age(people, pc.add(age, pa.array(np.arange(ROWS) % 3 - 1)))  # as of another day
    before = popstrat.score(people, AS_OF)
    assert not [w for w in told(year) if w.startswith("age")]
    assert popstrat.score(year, AS_OF).equals(before)
    wrong = pa.array(np.where(np.arange(ROWS) % 4 == 0, 2, 0))
    other = replaced_age(people, pc.add(age, wrong))
    (warning,) = [w for w in told(other) if w.startswith("age")]
    assert warning == (
        "age: 5,000 values (25.0% of those recorded) are more than a year from what the date of birth gives and set "
        "aside: is the as-of date that of the extract?"
    )
    assert popstrat.score(other, AS_OF).equals(before)  # the date of birth wins


def replaced_age(data: pa.Table, age: Any) -> pa.Table:
    age = pc.max_element_wise(age, 0).cast(pa.int16())
    return data.append_column("age", age)


def test_a_latest_egfr_before_the_one_before(people: pa.Table) -> None:
    latest, previous = people["egfr_date"], people["egfr_previous_date"]
    both = pc.and_(latest.is_valid(), previous.is_valid())
    here = pc.and_(both, pa.array(np.arange(ROWS) % 10 == 0))
    swapped = {
        "egfr_date": pc.if_else(here, previous, latest),
        "egfr_previous_date": pc.if_else(here, latest, previous),
    }
    (warning,) = told(replaced(people, swapped))
    count = pc.sum(here).as_py()
    assert warning.startswith(f"egfr_previous_date: {count:,} values (")
    assert warning.endswith("are after egfr_date and set aside: is it exchanged with egfr_date?")
    assert recorded()["quality"]["egfr_previous_date"] == {"after egfr_date": count}
    same = replaced(people, {"egfr_previous_date": latest})  # two of one day
    assert told(same) == []


def test_engine_and_reference_agree_on_what_a_row_rules_out(people: pa.Table) -> None:
    rng = np.random.default_rng(5)
    some = people.slice(0, 400)
    days = pa.array(rng.integers(18_000, 20_700, 400).astype(np.int32)).view(pa.date32())
    age = pa.array(rng.integers(-2, 125, 400) + rng.choice([0.0, 0.5], 400), pa.float64())
    for born in (some["date_of_birth"], pc.if_else(pa.array(rng.random(400) < 0.5), some["date_of_birth"], None)):
        table = replaced(some, {"egfr_previous_date": days, "date_of_birth": born}).append_column("age", age)
        scorer = Scorer(as_of=DAY)
        reference = Reference(scorer.resolved, set(table.column_names))
        scored = popstrat.score(table, AS_OF).select(["quality_flags", "age", "ckd_status"]).to_pylist()
        for row, found in zip(table.to_pylist(), scored, strict=True):
            wanted = reference.score(row)
            assert found == {name: wanted[name] for name in found}


def test_a_packs_own_dates_may_follow_each_other() -> None:
    head = '[pack]\nid = "l"\nversion = "1"\ntitle = "t"\nextends = "london-2026"\n'
    one = '[[input]]\nname = "{}"\ntype = "date"\n{}'
    rule = '[definition.d]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "s"\noutput = true\nvalue = '
    text = head + one.format("second", "") + one.format("first", 'not_after = "second"\n') + rule + '"second - first"\n'
    Path("local.toml").write_text(text)
    days = [dt.date(2026, 1, 5), dt.date(2026, 1, 1)]
    table = pa.table({"patient_id": [1, 2], "practice_code": ["Y1"] * 2, "age": [50] * 2, "sex": ["F"] * 2,
                      "first": days, "second": days[::-1]})  # fmt: skip
    assert popstrat.score(table, AS_OF, pack="local.toml")["d"].to_pylist() == [None, 4.0]
    Path("local.toml").write_text(head + one.format("first", 'not_after = "third"\n') + rule + '"first"\n')
    with pytest.raises(popstrat.PackError, match="'first' is `not_after` 'third', which is no column of dates"):
        popstrat.score(table, AS_OF, pack="local.toml")


# -- what no range tells --------------------------------------------------------------------------------------------

Change = Callable[[pa.Table], pa.Table]


def changed(column: str, change: Callable[[Any], Any]) -> Change:
    def of(data: pa.Table) -> pa.Table:
        return replaced(data, {column: change(data[column]).cast(data[column].type, safe=False)})

    return of


def exchanged(a: str, b: str) -> Change:
    return lambda data: replaced(data, {a: data[b], b: data[a]})


def other_sex(data: pa.Table) -> pa.Table:
    sex = data["sex"].cast(pa.string())
    female, male = pc.equal(sex, "female"), pc.equal(sex, "male")
    return replaced(data, {"sex": pc.if_else(female, "male", pc.if_else(male, "female", sex))})


KINDS: dict[str, tuple[Change, str]] = {
    "ACR in mg/g": (changed("acr", lambda v: pc.multiply(v, 8.84)), "is it in mg/g (a mg/mmol is 8.84 mg/g)?"),
    "IMD as a quintile": (changed("imd_decile", lambda v: pc.divide(pc.add(v, 1), 2)), "is it a quintile?"),
    "IMD reversed": (changed("imd_decile", lambda v: pc.subtract(11, v)), "is it reversed"),
    "eFI as deficits": (
        changed("efi", lambda v: pc.round(pc.multiply(v, 36))),
        "is it a count of deficits, or a flag",
    ),
    "sexes exchanged": (other_sex, "are its codes exchanged?"),
    "lipids exchanged": (exchanged("ldl", "non_hdl"), "are the two columns exchanged, or is it HDL?"),
    "risk as a share": (changed("cvd_risk_10y", lambda v: pc.divide(v, 100)), "is it a share rather than %?"),
    "score as a share": (changed("sq_score", lambda v: pc.divide(v, 100)), "is it a share rather than %?"),
    "year of onset": (changed("diabetes_onset_age", lambda v: pc.add(v, 60)), "is it an age?"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_columns_on_another_scale(people: pa.Table, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, question = KINDS[kind]
    pq.write_table(change(people), "list.parquet")
    found = checked(capsys, "list.parquet")
    assert [w for w in found if question in w], found


@pytest.mark.parametrize("kind", [*KINDS][:5])
def test_the_library_and_score_ask_too(people: pa.Table, kind: str) -> None:
    change, question = KINDS[kind]
    assert [w for w in told(change(people)) if question in w]


def test_imd_as_a_rank(people: pa.Table) -> None:
    rank = pc.multiply(people["imd_decile"].cast(pa.int32()), 3100)
    (warning,) = told(replaced(people, {"imd_decile": rank}))
    assert warning.startswith("imd_decile: ")
    assert warning.endswith("are outside 1 to 10 and set aside: is it a rank or a score?")


def test_many_is_measured_against_recorded_values(people: pa.Table) -> None:
    """Of a column that few have, few values are many."""
    acr = np.asarray(people["acr"])
    held = np.flatnonzero(~np.isnan(acr))[:25]
    acr[held] = -1
    (warning,) = told(replaced(people, {"acr": pa.array(acr, from_pandas=True)}))
    assert warning.startswith("acr: 25 values (1.")


def test_one_file_of_several_is_asked_about(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    half = ROWS // 2
    pq.write_table(people.slice(0, half), "a.parquet")
    pq.write_table(KINDS["ACR in mg/g"][0](people.slice(half)), "b.parquet")
    (warning,) = checked(capsys, "a.parquet", "b.parquet")
    assert " rows that hold it in b.parquet: is it in mg/g" in warning


def test_every_question_reads_columns_that_there_are() -> None:
    schema = patient_schema()
    found = questions(schema)
    assert len({q.name for q in found}) == len(found)
    for question in found:
        assert question.about in schema
        assert conditions(question, schema, DAY)
        assert question.sentence((1, 2, 3, 4)).startswith(question.about)


def test_a_question_is_not_asked_by_chance() -> None:
    rng = np.random.default_rng(2)
    share = Question("acr", "a", "b", "t", "?", at_least=0.6)
    times = Question("imd_decile", "a", "b", "t", "?", than="c", times=1.25)
    for rows in (20, 100, 1000, 30_000):
        assert sum(share.is_asked((rows, int(n))) for n in rng.binomial(rows, 0.6, 20_000)) <= 6
        pairs = zip(rng.binomial(rows, 0.12, 20_000), rng.binomial(rows, 0.12, 20_000), strict=True)
        assert sum(times.is_asked((rows, int(a), rows, int(b))) for a, b in pairs) <= 6
    assert share.is_asked((40, 39))
    assert not share.is_asked((19, 19))
    assert not share.is_asked(None)
    assert times.is_asked((1000, 200, 1000, 100))
    assert not times.is_asked((1000, 100, 1000, 200))
