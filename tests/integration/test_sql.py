"""``popstrat packs sql``: the SELECT, its comparison with the engine, dbt's files; and each dialect's own grammar."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import popstrat
import popstrat.synthetic as synthetic
from popstrat.cli import app
from popstrat.errors import InputError, PopstratError
from popstrat.packs.reading import list_packs
from popstrat.queries.check import check, compared
from popstrat.queries.dialects import DIALECTS
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to"
PACKS = [str(pack["id"]) for pack in list_packs()]


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(4_000, seed=7, as_of=AS_OF, dirty=True)


@pytest.fixture(scope="module")
def file(people: pa.Table, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sql") / "list.parquet"
    pq.write_table(people, path)
    return path


@pytest.mark.parametrize("profile", ["direct-care", "secondary-use"])
@pytest.mark.parametrize("pack", PACKS)
def test_duckdb_gives_the_cells_of_the_engine(pack: str, profile: str, people: pa.Table) -> None:
    found = check(people, pack, AS_OF, profile=profile)
    assert not found.differing
    assert found.cells >= 2 * found.rows > 2_000


@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_read_again_in_its_own_grammar(dialect: str, pack: str) -> None:
    text = popstrat.sql(pack, AS_OF, dialect=dialect)
    assert len(text) < 100_000
    parsed = DIALECTS[dialect].parse(text)
    scorer = Scorer(pack, AS_OF)
    wanted = ["patient_id", "practice_code", "pcn_code", "neighbourhood", "place"]
    wanted += [str(d.output) for d in scorer.resolved.outputs]
    assert [item.alias_or_name for item in parsed.selects] == [*wanted, "quality_flags"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_head_says_what_it_is(dialect: str) -> None:
    head = popstrat.sql("cha2ds2-vasc", AS_OF, dialect=dialect).partition("WITH")[0]
    record = Scorer("cha2ds2-vasc", AS_OF).pack_record
    assert record["sha256"] in head
    assert record["version"] in head
    assert "2026-06-30" in head
    assert ("not run" in head) == (not DIALECTS[dialect].run)


def test_titles_and_parameters_stand_beside_what_they_are_of() -> None:
    text = popstrat.sql("cha2ds2-vasc", AS_OF)
    assert "/* offer_from */" in text
    assert "/* Anticoagulation in atrial fibrillation */" in text


def test_a_title_cannot_leave_its_comment(tmp_path: Path) -> None:
    pack = tmp_path / "hostile.toml"
    pack.write_text(
        '[pack]\nid = "hostile"\nversion = "1.0.0"\ntitle = "a\\nDROP TABLE patients; --"\n'
        '[definition.old]\nkind = "expression"\ntitle = "*/ DROP TABLE patients; /*"\nsource = "x"\nversion = "1"\n'
        'output = true\nvalue = "age >= 65"\n'
    )
    for dialect in DIALECTS:
        text = popstrat.sql(pack, AS_OF, dialect=dialect)
        bare = re.sub(r"/\*.*?\*/", "", re.sub(r"^--.*$", "", text, flags=re.MULTILINE), flags=re.DOTALL)
        assert "DROP" not in bare
        DIALECTS[dialect].parse(text)


def test_columns_that_are_not_there(people: pa.Table) -> None:
    few = people.select(["patient_id", "practice_code", "date_of_birth", "sex", "systolic_bp", "hypertension"])
    assert not check(few, "london-2026", AS_OF).differing
    assert "bp_date" not in popstrat.sql("london-2026", AS_OF, columns=few.schema)


def test_flags_and_labels_as_numbers(people: pa.Table) -> None:
    changed = people
    for name in ("hypertension", "diabetes"):
        at = changed.schema.get_field_index(name)
        changed = changed.set_column(at, name, people[name].cast(pa.int8()))
    sexes = people["sex"].cast(pa.string()).to_pylist()
    codes = {"female": 2, "male": 1, "intersex": 9, "unknown": 0}
    numbers = [codes.get(str(s).strip().lower()) for s in sexes]
    changed = changed.set_column(changed.schema.get_field_index("sex"), "sex", pa.array(numbers, pa.int32()))
    assert not check(changed, "london-2026", AS_OF).differing


@pytest.mark.parametrize("value", ["min(age, null)", "max(null, age)", "min(age, systolic_bp, null)"])
def test_what_is_null_makes_a_number_null(value: str, people: pa.Table, tmp_path: Path) -> None:
    pack = tmp_path / "nulls.toml"
    pack.write_text(
        '[pack]\nid = "nulls"\nversion = "1.0.0"\ntitle = "t"\n[definition.one]\nkind = "expression"\ntitle = "t"\n'
        'source = "x"\nversion = "1"\noutput = true\n'
        f"value = '{value.replace('null', 'systolic_bp if (null) else null')}'\n"
    )
    assert not check(people, pack, AS_OF).differing


def test_a_cell_that_differs_is_shown_with_its_definition(people: pa.Table) -> None:
    scorer = Scorer("cha2ds2-vasc", AS_OF)
    ours = pa.Table.from_batches(list(scorer.score_batches(people.to_batches())))
    points = ours["cha2ds2_vasc"].to_pylist()
    points[10], points[12] = 99, None
    at = ours.schema.get_field_index("cha2ds2_vasc")
    (found,) = compared(scorer, ours, ours.set_column(at, "cha2ds2_vasc", pa.array(points, pa.uint8()))).differing
    assert (found.column, found.cells, found.rows) == ("cha2ds2_vasc", 2, (11, 13))
    assert found.title == "CHA2DS2-VASc"


def test_metrics_are_counted_as_they_are_by_the_engine(people: pa.Table) -> None:
    import duckdb

    from popstrat.metrics import table as figures

    exact = figures(people, AS_OF, pack="neighbourhood-2026", levels=["practice"], group_by=["none"],
                    disclosure_control=False).to_pylist()  # fmt: skip
    text = popstrat.sql("neighbourhood-2026", AS_OF, columns=people.schema, counts_by="practice_code")
    with duckdb.connect() as connection:
        connection.register("patients", people)
        counted = {row["practice_code"]: row for row in connection.sql(text).to_arrow_table().to_pylist()}
    compared = 0
    for row in exact:
        if row["level"] == "practice" and row["numerator"] is not None and row["metric"] in counted[row["area"]]:
            found = counted[row["area"]]
            assert (found[row["metric"]], found[f"{row['metric']}_of"]) == (row["numerator"], row["denominator"]), row
            compared += 1
    assert compared > 90


# -- the command -------------------------------------------------------------------------------------------------------


def run(*arguments: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, ["packs", "sql", *arguments, "--as-of", "2026-06-30"])
    if isinstance(done.exception, PopstratError):  # which the console script shows, and ends with 2
        assert status == 2, done.exception
        return str(done.exception)
    assert done.exit_code == status, done.output
    return done.output


def test_the_command_prints_what_the_call_gives(file: Path, people: pa.Table) -> None:
    printed = run("london-2026", "--dialect", "tsql", "--table", "dbo.patients", "--columns", str(file))
    called = popstrat.sql("london-2026", AS_OF, dialect="tsql", table="dbo.patients", columns=people.schema)
    assert printed == called
    assert "FROM dbo.patients" in printed


def test_check(file: Path) -> None:
    assert "none differs" in run("london-2026", "--check", str(file))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("london-2026", "--dialect", "mysql"), "there is no dialect 'mysql'"),
        (("london-2027",), "london-2027"),
        (("london-2026", "--table", "a'; DROP TABLE b; --"), "is not the name of a table"),
        (("london-2026", "--columns", "nowhere.parquet"), "nowhere.parquet"),
        (("london-2026", "--dbt", "nowhere"), "nowhere is not a folder"),
        (("london-2026", "--counts-by", "practice_code"), "has no metrics"),
        (("neighbourhood-2026", "--counts-by", "place", "--check", "x.csv"), "takes no --counts-by"),
        (("neighbourhood-2026", "--counts-by", "place", "--dbt", "."), "takes no --counts-by"),
        (("london-2026", "--check", "x.csv", "--dialect", "tsql"), "takes no --dialect"),
        (("neighbourhood-2026", "--counts-by", "sex"), "are not counted by 'sex'"),
    ],
)
def test_one_clear_message(arguments: tuple[str, ...], said: str) -> None:
    assert said in run(*arguments, status=2)


def test_tables_that_are_no_patient_table() -> None:
    with pytest.raises(InputError, match="required column is missing"):
        popstrat.sql("london-2026", AS_OF, columns=pa.schema([("id", pa.int64())]))
    with pytest.raises(InputError, match="needs the column"):
        popstrat.sql(
            "london-2026", AS_OF, columns=pa.schema([("patient_id", pa.int64()), ("practice_code", pa.string())])
        )
    only_age = pa.schema([("patient_id", pa.int64()), ("practice_code", pa.string()), ("age", pa.int8())])
    with pytest.raises(InputError, match="secondary-use"):
        popstrat.sql("london-2026", AS_OF, columns=only_age, profile="secondary-use")


def test_dbt_gets_a_model_and_its_texts(tmp_path: Path) -> None:
    run("london-2026", "--dbt", str(tmp_path))
    run("london-2026", "--dbt", str(tmp_path))  # again: it replaces its own
    assert (tmp_path / "london_2026.sql").read_text() == popstrat.sql("london-2026", AS_OF)
    (model,) = json.loads((tmp_path / "london_2026.yml").read_text())["models"]
    described = {column["name"]: column for column in model["columns"]}
    for definition in Scorer("london-2026", AS_OF).resolved.outputs:
        found = described[str(definition.output)]
        assert found["description"].startswith(definition.title)
        if definition.dtype == "dictionary":
            labels = found["tests"][0]["accepted_values"]["values"]
            assert labels == list(definition.node.type.labels)
    (tmp_path / "cha2ds2_vasc.sql").write_text("select 1")
    assert "is not a model of" in run("cha2ds2-vasc", "--dbt", str(tmp_path), status=2)
    assert (tmp_path / "cha2ds2_vasc.sql").read_text() == "select 1"
    assert not (tmp_path / "cha2ds2_vasc.yml").exists()


def test_the_page_shows_the_program_that_runs() -> None:
    from popstrat.engine.program.listing import listing

    scorer = Scorer(HOW_TO / "review.toml", AS_OF)
    program = scorer.bind(synthetic.schema()).compiled.program
    page = (HOW_TO / "sql.md").read_text(encoding="utf-8")
    block = page.partition("```text program\n")[2].partition("```")[0]
    assert block.strip() == listing(program).strip()
