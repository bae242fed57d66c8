"""What a run warns of though nothing stops it: wrong units, columns that are absent, empty or swapped, empty opt-outs,
NHS numbers for keys."""

from __future__ import annotations

import datetime as dt
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.packs.patient_table import patient_schema
from popstrat.packs.plausibility import suspicions

AS_OF = "2026-06-30"
ROWS = 4000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=5, as_of=dt.date(2026, 6, 30))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def warnings_of(data: pa.Table, *options: str, as_of: str = AS_OF, command: str = "score") -> list[str]:
    """The warnings of a run, which are those of the library as well."""
    pq.write_table(data, "list.parquet")
    Path("out.parquet.run.json").unlink(missing_ok=True)  # which the next would be held against
    output = ["-o", "out.parquet", "--force"] if command == "score" else []
    assert run([command, "list.parquet", *output, "--as-of", as_of, "-q", *options]) == 0
    if command == "check":
        return []
    record: dict[str, Any] = json.loads(Path("out.parquet.run.json").read_text())
    profile = options[options.index("--profile") + 1] if "--profile" in options else "direct-care"
    _, memory = popstrat.score(data, as_of, profile=profile, record=True)
    assert memory["warnings"] == record["warnings"]
    assert memory["absent_columns"] == record["absent_columns"]
    return list(record["warnings"])


def replaced(data: pa.Table, columns: Mapping[str, Any]) -> pa.Table:
    for name, values in columns.items():
        data = data.set_column(data.column_names.index(name), name, values)
    return data


def test_a_sound_list_raises_no_doubt(people: pa.Table) -> None:
    assert warnings_of(people) == []
    assert warnings_of(people, "--profile", "secondary-use") == []


def test_a_list_with_the_faults_of_real_extracts_raises_no_doubt() -> None:
    """A few tenths of a per cent are implausible in any list; warnings about those would not be read for long."""
    dirty = pa.Table.from_batches(list(synthetic.generate(ROWS, seed=5, as_of=dt.date(2026, 6, 30), dirty=True)))
    found = warnings_of(dirty)
    assert not [w for w in found if "hba1c:" in w or "haemoglobin:" in w]


# -- units --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "change", "question"),
    [
        (
            "hba1c",
            lambda v: pc.add(pc.divide(v, 10.929), 2.15),
            "is it % (DCCT; 4 to 14, where mmol/mol is 20 to 130)?",
        ),
        ("haemoglobin", lambda v: pc.divide(v, 10), "is it g/dL?"),
        ("efi", lambda v: pc.round(pc.multiply(v, 36)), "is it a count of deficits, or another index?"),
        ("bmi", lambda v: pc.add(v, 140), "is it a height or a weight?"),
        ("systolic_bp", lambda v: pc.divide(v, 10), "is it in mmHg?"),
        ("cfs", lambda v: pc.add(v, 9), "is it the right column?"),
    ],
)
def test_a_column_in_another_unit_is_named_with_its_likely_unit(
    people: pa.Table, column: str, change: Any, question: str
) -> None:
    wrong = replaced(people, {column: change(people.column(column))})
    found = [w for w in warnings_of(wrong) if w.startswith(f"{column}: ")]
    assert len(found) == 1
    assert found[0].endswith(f"set aside: {question}")


def test_check_looks_at_columns_that_no_rule_reads(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(replaced(people, {"ldl": pc.multiply(people.column("ldl"), 38.67)}), "list.parquet")
    assert run(["check", "list.parquet", "--as-of", AS_OF, "--json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert warning.startswith("ldl: ")
    assert warning.endswith("is it mg/dL?")


def test_hba1c_in_per_cent_never_reaches_a_rule(people: pa.Table) -> None:
    percent = pc.add(pc.divide(people.column("hba1c"), 10.929), 2.15)
    scored = popstrat.score(replaced(people, {"hba1c": percent}), AS_OF)
    without = popstrat.score(replaced(people, {"hba1c": pa.nulls(ROWS, pa.float32())}), AS_OF)
    for column in ("diabetes_status", "cvrm_rag", "admission_risk"):
        assert scored.column(column).equals(without.column(column))


def test_unmapped_labels_and_a_wrong_as_of_date(people: pa.Table) -> None:
    shouted = replaced(people, {"smoking": pa.array(["Ex smoker"] * ROWS)})
    assert any(
        w.startswith("smoking: 4,000 values (100.0% of those recorded) are unknown label") for w in warnings_of(shouted)
    )
    early = warnings_of(people, as_of="2026-03-01")
    (late,) = [w for w in early if "after the as-of date" in w]  # one cause, one warning
    assert late.startswith(
        "values of 5 columns are after the as-of date and set aside: is the as-of date that of the ext"
    )
    assert "(bp_date " in late
    two = {name: {"after the as-of date": 40} for name in ("bp_date", "hba1c_date")}
    assert [w.split(":")[0] for w in suspicions(two, dict.fromkeys(two, 900), patient_schema())] == [*two]


@pytest.mark.parametrize(
    ("count", "rows", "warned"),
    [(9, 20, False), (10, 1000, True), (10, 1001, False), (99, 10_000, False), (100, 10_000, True)],
)
def test_where_many_begins(count: int, rows: int, warned: bool) -> None:
    found = suspicions({"hba1c": {"outside 15 to 200 mmol/mol": count}}, {"hba1c": rows}, patient_schema())
    assert bool(found) is warned


def test_the_summary_shows_the_warning(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(replaced(people, {"haemoglobin": pc.divide(people.column("haemoglobin"), 10)}), "list.parquet")
    for command in (["check", "list.parquet"], ["score", "list.parquet", "-o", "out.parquet"]):
        assert run([*command, "--as-of", AS_OF]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "warning: haemoglobin: " in text
        assert "is it g/dL?" in text


# -- absent columns -----------------------------------------------------------------------------------------------


def test_absent_columns_are_named_and_so_is_the_model_that_reads_them(people: pa.Table) -> None:
    found = warnings_of(people.drop_columns(["bmi", "haemoglobin", "dementia"]))
    assert found[0] == "absent columns count as null for everybody: dementia, bmi, haemoglobin"
    assert found[1].startswith("admission_risk: everybody takes the model's default for ")
    assert {"bmi", "haemoglobin"} <= set(found[1].split(" for ")[1].split(";")[0].replace(",", "").split())


def test_a_column_of_no_type_is_absent_too(people: pa.Table) -> None:
    assert warnings_of(replaced(people, {"bmi": pa.nulls(ROWS)}))[0].endswith("null for everybody: bmi")


def test_what_no_definition_reads_may_be_absent(people: pa.Table) -> None:
    assert warnings_of(people.drop_columns(["phq9_date", "neighbourhood", "type1_opt_out"])) == []


def test_an_absent_date_column_is_a_notice_of_its_own(people: pa.Table) -> None:
    assert warnings_of(people.drop_columns(["hba1c_date"])) == []
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert "no dates of hba1c: the list has no column hba1c_date, so hba1c counts as current" in record["notices"]


def test_a_narrow_table_lists_all_absent_columns_in_the_record() -> None:
    narrow = pa.table({"patient_id": [1, 2], "practice_code": ["Y1", "Y1"], "age": [50, 70], "sex": ["F", "M"]})
    found = warnings_of(narrow)
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert " and " in found[0]
    assert {"hypertension", "efi", "hba1c", "emergency_admissions_12m"} <= set(record["absent_columns"])
    assert not {"date_of_birth", "age", "place"} & set(record["absent_columns"])


# -- columns that hold nothing ------------------------------------------------------------------------------------


def nothing(people: pa.Table, column: str, how: str) -> pa.Array:
    """A column of a list that holds nothing."""
    kind = people.schema.field(column).type
    match how:
        case "null":
            return pa.nulls(len(people), kind)
        case "typeless":
            return pa.nulls(len(people))
        case "NaN":
            return pa.array(np.full(len(people), np.nan), from_pandas=False)
        case "text":
            return pa.array([""] * len(people))
        case _:
            return pa.array([""] * len(people)).dictionary_encode()


@pytest.mark.parametrize(
    ("column", "how"),
    [("diabetes", "null"), ("diabetes", "typeless"), ("diabetes", "NaN"), ("diabetes", "text"), ("hba1c", "null"),
     ("hba1c", "NaN"), ("hba1c", "typeless"), ("smoking", "null"), ("smoking", "text"), ("smoking", "dictionary")],
)  # fmt: skip
def test_a_column_that_holds_nothing_is_named(people: pa.Table, column: str, how: str) -> None:
    found = warnings_of(replaced(people, {column: nothing(people, column, how)}))
    assert f"empty columns count as null for everybody: {column}" in found
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert record["empty_columns"] == [column]
    assert record["absent_columns"] == []


def test_a_model_that_reads_an_empty_column_is_named(people: pa.Table) -> None:
    found = warnings_of(replaced(people, {"bmi": nothing(people, "bmi", "null")}))
    assert found[1].startswith("admission_risk: everybody takes the model's default for bmi;")


@pytest.mark.parametrize("form", ["arrow", "arrows", "csv", "parquet"])
def test_in_every_format_and_in_the_summary(people: pa.Table, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    table = replaced(people, {c: nothing(people, c, "null") for c in ("diabetes", "bp_date", "frailty")})
    name = f"list.{form}"
    if form == "csv":
        flat = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
        pyarrow.csv.write_csv(pa.table(dict(zip(table.column_names, flat, strict=True))), name)
    elif form == "arrows":
        with pa.ipc.new_stream(name, table.schema) as stream:
            stream.write_table(table)
    elif form == "arrow":
        pyarrow.feather.write_feather(table, name, compression="uncompressed")
    else:
        pq.write_table(table, name)
    for command in (["check", name], ["score", name, "-o", "out.parquet"]):
        assert run([*command, "--as-of", AS_OF]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert "warning: empty columns count as null for everybody: diabetes, frailty" in told
        assert "warning: bp_date is null for everybody, though systolic_bp or diastolic_bp holds values: none" in told
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert sorted(record["empty_columns"]) == ["bp_date", "diabetes", "frailty"]


def test_the_library_warns_too(people: pa.Table) -> None:
    empty = replaced(people, {"diabetes": nothing(people, "diabetes", "null")})
    for given in ({}, {"record": True}, {"threads": 1}):
        with pytest.warns(popstrat.DataWarning, match="empty columns count as null for everybody: diabetes"):
            popstrat.score(empty, AS_OF, **given)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        popstrat.score(people, AS_OF)
        popstrat.score(empty.slice(0, 50), AS_OF)  # so few that it may well be so


def test_a_date_column_without_dates_is_told_of_however_few_there_are(people: pa.Table) -> None:
    few = replaced(people, {"bp_date": nothing(people, "bp_date", "null")}).slice(0, 30)
    with pytest.warns(popstrat.DataWarning, match="bp_date is null for everybody, though systolic_bp or"):
        popstrat.score(few, AS_OF)
    none = replaced(few, {c: pa.nulls(30, pa.int16()) for c in ("systolic_bp", "diastolic_bp")})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        popstrat.score(none, AS_OF)


def test_age_and_date_of_birth_stand_in_for_each_other(people: pa.Table) -> None:
    age = popstrat.score(people, AS_OF).column("age")
    unborn = replaced(people, {"date_of_birth": nothing(people, "date_of_birth", "null")})
    given = unborn.append_column("age", age)
    assert not [w for w in warnings_of(given) if "empty" in w]
    neither = replaced(given, {"age": pa.nulls(ROWS, pa.int16())})
    assert "empty columns count as null for everybody: date_of_birth, age" in warnings_of(neither)


def several(people: pa.Table, *changes: Mapping[str, Any]) -> list[str]:
    """The warnings of a list in several files of 2,000 people, each with columns replaced, or left out (None)."""
    size = len(people) // len(changes)
    names = []
    for i, change in enumerate(changes):
        part = people.slice(i * size, size)
        part = part.drop_columns([c for c, v in change.items() if v is None])
        part = replaced(part, {c: v for c, v in change.items() if v is not None})
        names.append(f"{chr(97 + i)}.parquet")
        pq.write_table(part, names[-1])
    for name in ("out.parquet", "out.parquet.run.json"):
        Path(name).unlink(missing_ok=True)
    assert run(["score", *names, "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 0
    return list(json.loads(Path("out.parquet.run.json").read_text())["warnings"])


def test_what_one_file_lacks_is_not_told_of_all(people: pa.Table) -> None:
    half = ROWS // 2
    for empty in (pa.nulls(half), pa.nulls(half, pa.int8())):
        found = several(people, {}, {"cfs": empty})
        assert found[0] == "empty columns count as null for everybody in b.parquet: cfs"
        assert len(found) == 1  # the frailty category has other columns to come from, so that no default stands in
        assert json.loads(Path("out.parquet.run.json").read_text())["empty_columns"] == []
        assert several(people, {"cfs": empty}, {"cfs": empty})[0] == "empty columns count as null for everybody: cfs"
    assert several(people, {"cfs": None}, {})[0] == "absent columns count as null for everybody in a.parquet: cfs"
    assert json.loads(Path("out.parquet.run.json").read_text())["absent_columns"] == []
    found = several(people, {"bmi": None}, {"bp_date": pa.nulls(half, pa.date32())})
    assert found[1].startswith("admission_risk: everybody in a.parquet takes the model's default for bmi;")
    assert found[2].startswith("bp_date is null for everybody in b.parquet, though systolic_bp or diastolic_bp")


# -- flags that nobody has ------------------------------------------------------------------------------------------


def nobody(rows: int) -> pa.Array:
    return pa.array([False] * rows)


def test_a_common_flag_that_nobody_has(people: pa.Table) -> None:
    found = warnings_of(replaced(people, {c: nobody(ROWS) for c in ("statin", "diabetes", "dementia")}))
    assert found == ["true for nobody of 4,000 people: diabetes, dementia, statin; are these columns filled?"]
    numbers = replaced(people, {"diabetes": pa.array([0] * ROWS, pa.int8())})
    assert warnings_of(numbers) == ["true for nobody of 4,000 people: diabetes; are these columns filled?"]
    words = replaced(people, {"diabetes": pa.array(["No"] * ROWS)})
    assert warnings_of(words) == ["true for nobody of 4,000 people: diabetes; are these columns filled?"]


def test_a_rare_flag_or_a_small_list_raises_no_alarm(people: pa.Table) -> None:
    rare = ["cystic_fibrosis", "sickle_cell", "lupus", "sarcoidosis", "multiple_sclerosis", "parkinsons"]
    assert warnings_of(replaced(people, {c: nobody(ROWS) for c in rare})) == []
    small = replaced(people.slice(0, 900), {"hypertension": nobody(900), "dementia": nobody(900)})
    assert warnings_of(small) == []
    assert warnings_of(replaced(people.slice(0, 1000), {"hypertension": nobody(1000)})) != []


def test_flags_that_are_never_recorded_as_false(people: pa.Table) -> None:
    """Where true or nothing is recorded, a flag that holds nothing is one that nobody has."""
    flags = [f.name for f in people.schema if pa.types.is_boolean(f.type)]
    sparse = {c: pc.if_else(people.column(c), True, pa.scalar(None, pa.bool_())) for c in flags}
    sparse["cystic_fibrosis"] = pa.nulls(ROWS, pa.bool_())
    assert warnings_of(replaced(people, sparse)) == []
    sparse["diabetes"] = pa.nulls(ROWS, pa.bool_())
    found = warnings_of(replaced(people, sparse))
    assert found == ["true for nobody of 4,000 people: diabetes; are these columns filled?"]


def test_a_flag_that_nobody_of_one_file_has(people: pa.Table) -> None:
    half = ROWS // 2
    found = several(people, {}, {"hypertension": nobody(half)})
    assert found == ["true for nobody of 2,000 people in b.parquet: hypertension; are these columns filled?"]
    quarter = ROWS // 4
    assert several(people, *[{"copd": nobody(quarter)}] * 4) == [
        "true for nobody of 4,000 people: copd; are these columns filled?"
    ]


# -- swapped columns ------------------------------------------------------------------------------------------------


def swapped(people: pa.Table, rows: int) -> pa.Table:
    """The list with the two pressures exchanged in its first rows that have both."""
    systolic, diastolic = (np.asarray(people.column(c).fill_null(0)) for c in ("systolic_bp", "diastolic_bp"))
    here = np.zeros(len(people), bool)
    here[np.flatnonzero((systolic > 0) & (diastolic > 0))[:rows]] = True
    new = np.where(here, diastolic, systolic), np.where(here, systolic, diastolic)
    masks = [people.column(c).is_null().combine_chunks() for c in ("systolic_bp", "diastolic_bp")]
    columns = [pa.array(v, pa.int16(), mask=m.to_numpy(zero_copy_only=False)) for v, m in zip(new, masks, strict=True)]
    return replaced(people, dict(zip(("systolic_bp", "diastolic_bp"), columns, strict=True)))


def both(people: pa.Table) -> int:
    there = pc.and_(people.column("systolic_bp").is_valid(), people.column("diastolic_bp").is_valid())
    return int(pc.sum(there).as_py())


def test_swapped_columns_are_refused(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = both(people)
    wrong = swapped(people, ROWS)
    said = f"diastolic_bp': is at or above systolic_bp in {pairs:,} of {pairs:,} rows that hold both"
    pq.write_table(wrong, "list.parquet")
    for command in (["score", "list.parquet", "-o", "out.parquet"], ["check", "list.parquet"]):
        assert run([*command, "--as-of", AS_OF, "-q"]) == 2
        assert f"list.parquet: column '{said}" in " ".join(capsys.readouterr().err.split())
    assert [p.name for p in Path().iterdir()] == ["list.parquet"]
    scorer = popstrat.Scorer(as_of=AS_OF)
    for call in (
        lambda: popstrat.score(wrong, AS_OF),
        lambda: popstrat.score(wrong, AS_OF, record=True),
        lambda: popstrat.contributions(wrong, AS_OF),
        lambda: scorer.score_batch(wrong.combine_chunks().to_batches()[0]),
    ):
        with pytest.raises(popstrat.InputError, match="are the two columns swapped"):
            call()


@pytest.mark.parametrize("kind", [pa.int32(), pa.float32(), pa.float64(), pa.int64(), pa.uint16(), pa.decimal128(9, 1)])
def test_in_any_types(people: pa.Table, kind: pa.DataType) -> None:
    wrong = swapped(people, ROWS)
    mixed = replaced(wrong, {"diastolic_bp": wrong.column("diastolic_bp").cast(kind)})
    with pytest.raises(popstrat.InputError, match="are the two columns swapped"):
        popstrat.score(mixed, AS_OF)


def test_one_file_of_several(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """A tenth of the whole list, and all of one file: that file is refused."""
    first, last = people.slice(0, 3600), swapped(people.slice(3600), ROWS)
    pq.write_table(first, "a.parquet")
    pq.write_table(last, "b.parquet")
    assert run(["score", "a.parquet", "b.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 2
    assert "b.parquet: column 'diastolic_bp'" in " ".join(capsys.readouterr().err.split())


def test_some_swapped_rows_are_counted_and_told_of(people: pa.Table) -> None:
    pairs = both(people)
    few, many = 10 * pairs // 2000 + 5, 60
    assert many < pairs / 2
    assert few >= 10
    found = warnings_of(swapped(people, many))
    assert len(found) == 1
    assert found[0].startswith(f"diastolic_bp is at or above systolic_bp in {many} rows (")
    record = json.loads(Path("out.parquet.run.json").read_text())
    assert record["disorder"] == {"diastolic_bp": {"both": pairs, "not_below": many}}
    with pytest.warns(popstrat.DataWarning, match=f"diastolic_bp is at or above systolic_bp in {many} rows"):
        popstrat.score(swapped(people, many), AS_OF)
    assert warnings_of(swapped(people, 9)) == []
    assert json.loads(Path("out.parquet.run.json").read_text())["disorder"]["diastolic_bp"]["not_below"] == 9


def test_where_most_begins(people: pa.Table) -> None:
    held = people.filter(pc.and_(people.column("systolic_bp").is_valid(), people.column("diastolic_bp").is_valid()))
    assert popstrat.score(swapped(held.slice(0, 19), 19), AS_OF).num_rows == 19
    with pytest.raises(popstrat.InputError, match="20 of 20"):
        popstrat.score(swapped(held.slice(0, 20), 20), AS_OF)
    with pytest.warns(popstrat.DataWarning, match="in 50 rows"):
        popstrat.score(swapped(held.slice(0, 100), 50), AS_OF)
    with pytest.raises(popstrat.InputError, match="51 of 100"):
        popstrat.score(swapped(held.slice(0, 100), 51), AS_OF)


def test_a_packs_own_columns_may_lie_below_each_other() -> None:
    head = '[pack]\nid = "l"\nversion = "1"\ntitle = "t"\nextends = "london-2026"\n'
    one = '[[input]]\nname = "{}"\ntype = "float"\n{}'
    rule = '[definition.d]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "s"\noutput = true\nvalue = '
    text = head + one.format("low", 'below = "high"\n') + one.format("high", "") + rule + '"high - low"\n'
    Path("local.toml").write_text(text)
    table = pa.table({"patient_id": range(40), "practice_code": ["Y1"] * 40, "age": [50] * 40, "sex": ["F"] * 40,
                      "low": [2.0] * 40, "high": [1.0] * 40})  # fmt: skip
    with pytest.raises(popstrat.InputError, match="column 'low': is at or above high in 40 of 40"):
        popstrat.score(table, AS_OF, pack="local.toml")
    Path("local.toml").write_text(text.replace('below = "high"', 'below = "hihg"'))
    with pytest.raises(popstrat.PackError, match="'low' is `below` 'hihg', which is no column of numbers"):
        popstrat.score(table, AS_OF, pack="local.toml")


# -- secondary use ------------------------------------------------------------------------------------------------


def test_an_opt_out_that_nobody_has_is_doubted(people: pa.Table) -> None:
    empty = pa.array([False] * ROWS)
    found = warnings_of(replaced(people, {"national_data_opt_out": empty}), "--profile", "secondary-use")
    assert found == ["nobody is left out for national_data_opt_out: is that column filled?"]
    assert warnings_of(replaced(people, {"national_data_opt_out": empty})) == []


def test_nhs_numbers_as_keys_are_doubted_in_secondary_use_only() -> None:
    valid = [n for n in range(9_990_000_000, 9_990_000_200) if popstrat_is_nhs(n)]
    small = synthetic.table(len(valid), seed=1, as_of=dt.date(2026, 6, 30))
    for ids in (pa.array(valid), pa.array([str(v) for v in valid])):
        data = replaced(small, {"patient_id": ids})
        (warning,) = warnings_of(data, "--profile", "secondary-use")
        assert warning.startswith("patient_id looks like NHS numbers, and secondary use needs pseudonyms")
        assert warnings_of(data) == []


def popstrat_is_nhs(number: int) -> bool:
    """The check digit, written out."""
    digits = [int(d) for d in str(number)]
    check = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check != 10 and digits[9] == check % 11


# -- models ---------------------------------------------------------------------------------------------------------


def test_the_disclaimer_of_a_model_goes_with_its_scores(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    expected = "admission_risk: Illustrative: built from published figures, not fitted to outcomes."
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF]) == 0
    assert f"notice: {expected}" in " ".join(capsys.readouterr().out.split())
    assert expected in json.loads(Path("out.parquet.run.json").read_text())["notices"]
    assert expected in popstrat.score(people, AS_OF, record=True)[1]["notices"]
