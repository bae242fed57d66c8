"""A flag is true or false, or the run stops: numbers other than 0 and 1, by every format, type and way in."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import InputError, synthetic
from popstrat.cli import run

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
ROWS = 300
ODD = (4, 251)  # rows, counted from 1, whose flag is a number that says neither true nor false


@pytest.fixture(scope="module")
def people() -> pa.Table:
    table = synthetic.table(ROWS, seed=3, as_of=dt.date(2026, 6, 30))
    sound = np.asarray(table.column("dementia").to_numpy()).copy()
    sound[[i - 1 for i in ODD]] = True  # two people whose diagnosis a guess might drop
    return table.set_column(table.column_names.index("dementia"), "dementia", pa.array(sound))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POPSTRAT_BATCH_ROWS", "100")


def with_numbers(
    table: pa.Table,
    value: Any,
    kind: pa.DataType = pa.int64(),  # noqa: B008
    column: str = "dementia",
    rows: Sequence[int] = ODD,
) -> pa.Table:
    """The list with a flag as numbers, of which those of some rows are another value."""
    numbers: list[Any] = [None if v is None else int(v) for v in table.column(column).to_pylist()]
    for row in rows:
        numbers[row - 1] = value
    if pa.types.is_decimal(kind):
        array = pa.array([None if v is None else Decimal(str(v)) for v in numbers], kind)
    elif pa.types.is_floating(kind):
        array = pa.array(numbers, pa.float64()).cast(kind)
    else:
        array = pa.array(numbers, kind)
    return table.set_column(table.column_names.index(column), column, array)


def write(table: pa.Table, form: str) -> str:
    """The list as a file, and its name."""
    name = f"list.{form}"
    match form:
        case "parquet":
            pq.write_table(table, name, row_group_size=170)
        case "arrow":
            pyarrow.feather.write_feather(table, name, compression="uncompressed", chunksize=130)
        case "arrows":
            with pa.ipc.new_stream(name, table.schema) as stream:
                stream.write_table(table, max_chunksize=130)
        case _:
            flat = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
            pyarrow.csv.write_csv(pa.table(dict(zip(table.column_names, flat, strict=True))), name)
    return name


def refused(table: pa.Table, column: str = "dementia") -> InputError:
    with pytest.raises(InputError) as caught:
        popstrat.score(table.combine_chunks(), AS_OF)
    assert (caught.value.column, caught.value.rows) == (column, tuple(row - 1 for row in ODD))
    return caught.value


INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
REALS = [pa.float16(), pa.float32(), pa.float64()]
DECIMALS = [pa.decimal128(5, 1), pa.decimal256(50, 3)]


@pytest.mark.parametrize("kind", [*INTEGERS, *REALS, *DECIMALS], ids=str)
def test_every_type_of_number(people: pa.Table, kind: pa.DataType) -> None:
    values: list[Any] = [2, 9, 100]
    values += [] if pa.types.is_unsigned_integer(kind) else [-1]
    values += [] if pa.types.is_integer(kind) else [0.5]
    values += [float("inf"), float("-inf")] if pa.types.is_floating(kind) else []
    for value in values:
        refused(with_numbers(people, value, kind))
    assert popstrat.score(with_numbers(people, 1, kind), AS_OF).equals(popstrat.score(people, AS_OF))


@pytest.mark.parametrize("kind", REALS, ids=str)
def test_nan_is_no_record(people: pa.Table, kind: pa.DataType) -> None:
    """It is neither refused nor counted as implausible, and nobody has what it says."""
    scored, record = popstrat.score(with_numbers(people, float("nan"), kind), AS_OF, record=True)
    assert "dementia" not in record["quality"]
    assert scored.equals(popstrat.score(with_numbers(people, None, kind), AS_OF))
    assert not scored.equals(popstrat.score(people, AS_OF))


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows"])
@pytest.mark.parametrize("kind", [pa.int8(), pa.float64(), pa.decimal128(5, 1)], ids=str)
def test_every_format(people: pa.Table, form: str, kind: pa.DataType, capsys: pytest.CaptureFixture[str]) -> None:
    """One message that names file, column and the first rows, of the file and not of a batch; exit status 2; nothing is
    written."""
    for rows, said in ((ODD, "(row 4)"), ((4, 7), "(rows 4, 7)"), ((251, 260), "(rows 251, 260)")):
        name = write(with_numbers(people, 2, kind, rows=rows), form)
        for command in (["score", name, "-o", "out.parquet"], ["check", name]):
            assert run([*command, "--as-of", AS_OF, "-q"]) == 2
            told = " ".join(capsys.readouterr().err.split())
            assert f"{name}: column 'dementia': a number other than 0 and 1" in told
            all_of_them = ", ".join(map(str, rows))  # which check goes on to find
            assert told.endswith(said if command[0] == "score" else f"(rows {all_of_them})")
    assert [p.name for p in Path().iterdir()] == [name]


def test_csv(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(with_numbers(people, 2), "csv")
    for command in (["score", name, "-o", "out.parquet"], ["check", name]):
        assert run([*command, "--as-of", AS_OF, "-q"]) == 2
        assert f"{name}: column 'dementia': a cell is not true, false, 1 or 0" in capsys.readouterr().err
    assert [p.name for p in Path().iterdir()] == [name]


def test_the_second_file(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows are those of the file at fault, and the file is the one at fault."""
    pq.write_table(people, "first.parquet")
    ids = pa.array(np.arange(ROWS) + 10**9)
    pq.write_table(with_numbers(people, -1, rows=[251]).set_column(0, "patient_id", ids), "second.parquet")
    assert run(["score", "first.parquet", "second.parquet", "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "second.parquet: column 'dementia'" in told
    assert "(row 251)" in told
    assert not Path("out.parquet").exists()


# -- the library ----------------------------------------------------------------------------------------------------


def test_rows_are_those_of_the_callers_table(people: pa.Table) -> None:
    odd = with_numbers(people, 2)
    later = with_numbers(people, 2, rows=[251, 252])
    with pytest.raises(InputError) as caught:
        popstrat.score(pa.concat_tables([later.slice(0, 7), later.slice(7, 200), later.slice(207)]), AS_OF)
    assert caught.value.rows == (250, 251)
    with pytest.raises(InputError) as caught:
        popstrat.score(odd.combine_chunks().slice(3), AS_OF, threads=2, record=True)
    assert caught.value.rows == (0, 247)
    with pytest.raises(InputError) as caught:
        popstrat.contributions(pa.concat_tables([later.slice(0, 7), later.slice(7)]), AS_OF)
    assert (caught.value.column, caught.value.rows) == ("dementia", (250, 251))


@pytest.mark.parametrize("kind", [pa.int8(), pa.float64(), pa.uint64()], ids=str)
def test_batches(people: pa.Table, kind: pa.DataType) -> None:
    """`score_batch` counts nothing, and still sees them; rows are those of the batch."""
    scorer = popstrat.Scorer(as_of=AS_OF)
    batch = with_numbers(people, 2, kind).combine_chunks().to_batches()[0]
    for start, rows in ((0, (3, 250)), (3, (0, 247)), (4, (246,))):
        with pytest.raises(InputError) as caught:
            scorer.score_batch(batch.slice(start))
        assert (caught.value.column, caught.value.rows) == ("dementia", rows)
    scored = scorer.score_batches([batch.slice(4, 100), batch.slice(200)])
    assert next(scored).num_rows == 100
    with pytest.raises(InputError, match="dementia"):
        next(scored)


def test_rows_of_a_list_that_loses_those_who_opted_out(people: pa.Table) -> None:
    """The rows before the first odd one are left out, and the rows that are named are still the caller's."""
    out = np.zeros(ROWS, bool)
    out[[0, 1, 2, 100]] = True
    odd = with_numbers(people, 2)
    odd = odd.set_column(odd.column_names.index("type1_opt_out"), "type1_opt_out", pa.array(out)).combine_chunks()
    with pytest.raises(InputError) as caught:
        popstrat.score(odd, AS_OF, profile="secondary-use")
    assert caught.value.rows == (3, 250)


def test_a_flag_of_a_packs_own(people: pa.Table) -> None:
    Path("local.toml").write_text(
        '[pack]\nid = "local"\nversion = "1"\ntitle = "t"\nextends = "london-2026"\n'
        '[[input]]\nname = "carer"\ntype = "bool"\ntitle = "Carer"\n'
        '[definition.is_carer]\nkind = "expression"\ntitle = "t"\nversion = "1"\nsource = "s"\noutput = true\n'
        'value = "carer"\n'
    )
    carer = people.append_column("carer", pa.array([0, 1, 5] * 100))
    with pytest.raises(InputError, match=r"column 'carer'.*rows 3, 6, 9, 12, 15 and 95 more"):
        popstrat.score(carer, AS_OF, pack="local.toml")


# -- opt-outs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["type1_opt_out", "national_data_opt_out"])
@pytest.mark.parametrize(
    ("value", "kind"),
    [(-1, pa.int8()), (2, pa.int64()), (2, pa.uint8()), (0.5, pa.float32()), (Decimal("2"), pa.decimal128(5, 1))],
)
def test_an_odd_opt_out_leaves_nobody_in(
    people: pa.Table, column: str, value: Any, kind: pa.DataType, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = with_numbers(people, value, kind, column).combine_chunks()
    with pytest.raises(InputError) as caught:
        popstrat.score(odd, AS_OF, profile="secondary-use")
    assert (caught.value.column, caught.value.rows) == (column, (3, 250))
    with pytest.raises(InputError, match=column):
        popstrat.Scorer(as_of=AS_OF, profile="secondary-use").score_batch(odd.combine_chunks().to_batches()[0])
    name = write(odd, "parquet")
    given = ["score", name, "-o", "out.parquet", "--as-of", AS_OF, "-q", "--profile", "secondary-use"]
    assert run(given) == 2
    assert "(row 4)" in " ".join(capsys.readouterr().err.split())
    assert run(["check", name, "--as-of", AS_OF, "-q"]) == 2
    assert not Path("out.parquet").exists()


def test_an_opt_out_that_is_not_recorded_is_none(people: pa.Table) -> None:
    """NaN is no record, and leaves nobody out, as null does."""
    numbers = [0.0, 1.0, float("nan")] * 100
    for values in (numbers, [None if v != v else v for v in numbers]):
        table = people.set_column(people.column_names.index("type1_opt_out"), "type1_opt_out", pa.array(values))
        _, record = popstrat.score(table, AS_OF, profile="secondary-use", record=True)
        assert record["rows"]["excluded_by_reason"]["type 1 opt-out"] == 100


# -- other ways in ----------------------------------------------------------------------------------------------------


def test_explain(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """The patient's own row is named; somebody else's is not looked at."""
    ids = people.column("patient_id").to_pylist()
    for form in ("parquet", "arrow"):
        name = write(with_numbers(people, 2), form)
        assert run(["explain", name, "--as-of", AS_OF, "--patient", str(ids[250])]) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert f"{name}: column 'dementia': a number other than 0 and 1" in told
        assert "(row 251)" in told
        assert str(ids[250]) not in told
        assert run(["explain", name, "--as-of", AS_OF, "--patient", str(ids[0])]) == 0
        capsys.readouterr()


def test_what_fit_reads(people: pa.Table) -> None:
    from popstrat.runs.through import run_through

    name = write(with_numbers(people, 2), "parquet")
    with pytest.raises(InputError, match=r"list.parquet: column 'dementia'.*row 4"):
        run_through([name], popstrat.Scorer(as_of=AS_OF), lambda batch: None)


def test_what_validate_reads(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """A list's flag that people are divided by; and an outcome that is no number of events."""
    name = write(with_numbers(people, 2), "parquet")
    pq.write_table(popstrat.score(people, AS_OF), "scored.parquet")
    happened = np.arange(ROWS) % 3 == 0
    pq.write_table(pa.table({"patient_id": people.column("patient_id"), "y": happened}), "outcomes.parquet")
    given = ["validate", "scored.parquet", "--column", "y", "-o", "report", "-q", "--bootstrap", "0"]
    assert run([*given, "--outcome", "outcomes.parquet", "--list", name, "--by", "dementia"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"{name}: column 'dementia': a number other than 0 and 1" in told
    assert "(rows 4, 251)" in told
    counts = happened.astype(float)
    counts[10] = np.inf
    pq.write_table(pa.table({"patient_id": people.column("patient_id"), "y": counts}), "endless.parquet")
    assert run([*given, "--outcome", "endless.parquet"]) == 2
    assert "(row 11)" in capsys.readouterr().err
    assert not Path("report").exists()


def test_what_exports_arrow(people: pa.Table) -> None:
    polars = pytest.importorskip("polars")
    with pytest.raises(InputError) as caught:
        popstrat.score(polars.from_arrow(with_numbers(people, 2, rows=[251])), AS_OF)
    assert (caught.value.column, caught.value.rows) == ("dementia", (250,))


# -- what a map says --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "arrow", "arrows", "csv"])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(5, 1)], ids=str)
def test_a_map_says_what_they_mean(people: pa.Table, form: str, kind: pa.DataType) -> None:
    if form == "csv" and not pa.types.is_integer(kind):
        pytest.skip("text of a CSV is compared as it stands")
    name = write(with_numbers(people, 2, kind), form)
    Path("map.toml").write_text("[values.dementia]\n2 = true\n")
    given = ["score", name, "-o", "out.parquet", "--as-of", AS_OF, "-q", "--map", "map.toml"]
    assert run(given) == 0
    assert json.loads(Path("out.parquet.run.json").read_text())["quality"].get("dementia") is None
    wanted = popstrat.score(people, AS_OF)
    found = pq.read_table("out.parquet")
    for column in ("bridges_to_health_segment", "ltc_count", "admission_risk"):
        assert found.column(column).to_pylist() == wanted.column(column).to_pylist()


def test_what_the_map_does_not_say_stops_the_run(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(with_numbers(people, 3), "parquet")
    Path("map.toml").write_text("[values.dementia]\n2 = true\n")
    assert run(["score", name, "-o", "out.parquet", "--as-of", AS_OF, "-q", "--map", "map.toml"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "column 'dementia': holds a value that [values.dementia] does not map" in told
    assert "(row 4)" in told


def test_a_renamed_column_is_named_as_the_file_has_it(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    odd = with_numbers(people, 2)
    name = write(odd.rename_columns(["DEM" if c == "dementia" else c for c in odd.column_names]), "parquet")
    Path("map.toml").write_text('[columns]\ndementia = "DEM"\n')
    assert run(["score", name, "-o", "out.parquet", "--as-of", AS_OF, "-q", "--map", "map.toml"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "(mapped from 'DEM')" in told
    assert "(row 4)" in told


def test_words_in_a_mapped_column_are_those_of_any_other(people: pa.Table) -> None:
    """One list of spellings: what is read without a map is read with one that says something else of the column."""
    words = ["Yes" if v else " n " for v in people.column("dementia").to_pylist()]
    words[0] = "?"
    table = people.set_column(people.column_names.index("dementia"), "dementia", pa.array(words))
    name = write(table, "parquet")
    Path("map.toml").write_text('[values.dementia]\n"?" = ""\n')
    assert run(["score", name, "-o", "out.parquet", "--as-of", AS_OF, "-q", "--map", "map.toml"]) == 0
    ltc = pq.read_table("out.parquet").column("ltc_count").to_pylist()
    assert ltc[1:] == popstrat.score(people, AS_OF).column("ltc_count").to_pylist()[1:]
