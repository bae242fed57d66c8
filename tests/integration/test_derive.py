"""The coded record derived from the command line and the library: what comes out, what is told, what is refused."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from read_page import read_page

import popstrat
from popstrat.cli.main import run
from popstrat.errors import DataWarning, InputError

AS_OF = "2026-06-30"
TABLES = ("patients", "registrations", "events", "medications", "activity")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coded") / "record"
    assert run(["synth", "-n", "1500", "--seed", "9", "--as-of", AS_OF, "--events", str(folder), "-q"]) == 0
    return folder


@pytest.fixture
def work(record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "record").symlink_to(record)
    return tmp_path


def options(**changed: Any) -> list[str]:
    given: dict[str, Any] = {name: f"record/{name}.parquet" for name in TABLES} | {"codelists": "record/codelists"}
    found = ["--as-of", AS_OF]
    for name, value in (given | changed).items():
        for one in value if isinstance(value, list) else [value] if value is not None else []:
            found += [f"--{name.replace('_', '-')}", str(one)]
    return found


def library(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {name: f"record/{name}.parquet" for name in TABLES} | {"codelists": "record/codelists"}
    return given | {"as_of": AS_OF} | changed


def change(table: str, column: str, made: Callable[[pa.ChunkedArray], pa.ChunkedArray], name: str) -> str:
    """A table of the record with another column, as a file of that name."""
    whole = pq.read_table(f"record/{table}.parquet")
    pq.write_table(whole.set_column(whole.schema.get_field_index(column), column, made(whole[column])), name)
    return name


# -- what comes out ---------------------------------------------------------------------------------------------------


def test_both_steps_at_once_give_the_same_bytes(work: Path) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    assert run(["score", "list.parquet", "--as-of", AS_OF, "-o", "two.parquet", "-q"]) == 0
    assert run(["score", *options(), "-o", "one.parquet", "-q"]) == 0
    assert Path("one.parquet").read_bytes() == Path("two.parquet").read_bytes()


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_the_library_gives_what_the_command_writes(work: Path) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    table, made = popstrat.derive(**library(), record=True)
    assert table.cast(pq.read_schema("list.parquet")).equals(pq.read_table("list.parquet"))
    assert made["command"] == "derive"
    assert made["rows"]["in"] == table.num_rows == 1500
    assert popstrat.score(table, AS_OF).num_rows == 1500


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_order_of_rows_and_the_number_of_files_change_nothing(work: Path, threads: int) -> None:
    usual = popstrat.derive(**library())
    events = pq.read_table("record/events.parquet")
    turned = pc.sort_indices(pa.array([hash((i * 7919) % 104729) for i in range(len(events))]))
    shuffled = events.take(turned)
    Path("many").mkdir()
    for i in range(3):
        pq.write_table(shuffled.slice(i * len(events) // 3, (i + 1) * len(events) // 3 - i * len(events) // 3),
                       f"many/{i}.parquet")  # fmt: skip
    assert popstrat.derive(**library(events="many", threads=threads)).equals(usual)
    for i in range(3):  # each file sorted, and each of all patients
        part = shuffled.slice(i * len(events) // 3, (i + 1) * len(events) // 3 - i * len(events) // 3)
        pq.write_table(part.sort_by("patient_id"), f"many/{i}.parquet")
    assert popstrat.derive(**library(events="many", threads=threads)).equals(usual)
    pa_csv.write_csv(events, "events.csv")
    assert popstrat.derive(**library(events="events.csv", threads=threads)).equals(usual)
    assert not [p for p in work.iterdir() if p.name.startswith(".")]


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_ids_as_text_are_the_same_people(work: Path) -> None:
    usual = popstrat.derive(**library())
    names = {t: change(t, "patient_id", lambda c: c.cast(pa.string()), f"{t}.parquet") for t in TABLES}
    found = popstrat.derive(**library(**names))
    assert found["patient_id"].cast(pa.int64()).equals(usual["patient_id"])
    assert found.drop_columns(["patient_id"]).equals(usual.drop_columns(["patient_id"]))
    mixed = popstrat.derive(**library(events=names["events"]))
    assert mixed.drop_columns(["patient_id"]).num_rows == usual.num_rows


def test_the_record_of_a_scored_list_leads_to_the_files(work: Path) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q", "--quality", "quality.json"]) == 0
    made = json.loads(Path("list.parquet.run.json").read_text())
    assert {i["table"] for i in made["inputs"]} == {"people", "events", "medications", "activity"}
    assert all(len(i["sha256"]) == 64 for i in made["inputs"])
    assert made["pack"]["id"] == "gp-record-2026"
    assert json.loads(Path("quality.json").read_text()) == made["data_quality"]
    assert run(["score", "list.parquet", "--as-of", AS_OF, "-o", "scored.parquet", "-q"]) == 0
    (given,) = json.loads(Path("scored.parquet.run.json").read_text())["inputs"]
    assert given["derived"]["specification"]["id"] == "gp-record-2026"
    assert given["derived"]["as_of"] == AS_OF
    text = Path("list.parquet.run.json").read_text() + Path("scored.parquet.run.json").read_text()
    ids = pq.read_table("list.parquet")["patient_id"].to_pylist()
    assert not any(str(one) in text for one in ids)


def test_the_page_of_how_complete_the_record_is(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every column and every number of the data quality; an extract without a code list is seen first; no id."""
    assert run(["derive", *options(), "-o", "list.parquet", "-q", "--html", "q.html"]) == 0
    made = json.loads(Path("list.parquet.run.json").read_text())
    page, quality = read_page(Path("q.html")), made["data_quality"]
    rows = {cells[0].text: [cell.text for cell in cells[1:]] for cells in page.tables["quality-t"].rows}
    assert rows.keys() == {one["title"] for one in quality["columns"]}
    for one in quality["columns"]:
        recorded, expected, *_, doubtful = rows[one["title"]]
        assert recorded == f"{1000 * one['people'] / quality['people']:,.1f}"
        assert expected == (f"{one['expected_per_1000']:,.1f}" if "expected_per_1000" in one else "–")
        assert (doubtful == "doubtful") == bool(one.get("doubtful"))
    aside = {cells[0].text: cells[1].text for cells in page.tables["rows-t"].rows}
    assert aside["events: undated"] == f"{made['derived']['rows']['events']['undated']:,}"
    assert "No column is in doubt" in page.sentences[1]
    for warning in made["warnings"]:
        assert " ".join(warning.split()) in page.text
    ids = pq.read_table("list.parquet")["patient_id"].to_pylist()
    assert not any(re.search(rf"\b{one}\b", page.text) for one in ids)
    assert run(["derive", *options(), "-o", "list.parquet", "-q", "--html", "q.html"]) == 0, "a run again"
    for option in ("--html", "--quality"):
        Path("other").write_text("mine")
        assert run(["derive", *options(), "-o", "list.parquet", "-q", option, "other"]) == 2
        assert Path("other").read_text() == "mine"
        assert "other: exists, and is not the file that its record describes" in capsys.readouterr().err

    shutil.copytree("record/codelists", "lists")
    clusters = Path("lists/clusters.txt")
    kept = [line for line in clusters.read_text().splitlines() if not line.startswith("HYP_COD")]
    clusters.write_text("\n".join(kept) + "\n")
    few = [*options(codelists="lists"), "--allow-missing-lists"]
    assert run(["derive", *few, "-o", "few.parquet", "-q", "--html", "few.html"]) == 0
    without = read_page(Path("few.html"))
    assert "“Hypertension”" in without.sentences[1]
    assert without.tables["furthest-t"].rows[0][4].text == "in doubt"


def test_a_list_of_another_day_is_told(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    assert run(["score", "list.parquet", "--as-of", "2026-07-30", "-o", "scored.parquet"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "list.parquet was derived as of 2026-06-30, and is read as of 2026-07-30" in shown


def test_a_run_again_replaces_and_another_does_not(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    before = Path("list.parquet").read_bytes()
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    assert Path("list.parquet").read_bytes() == before
    arguments = options()
    arguments[1] = "2026-05-31"
    assert run(["derive", *arguments, "-o", "list.parquet", "-q"]) == 2
    assert "was made by derive as of 2026-06-30" in capsys.readouterr().err
    assert run(["derive", *arguments, "-o", "list.parquet", "-q", "--force"]) == 0


def test_explain_goes_down_to_the_events(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["derive", *options(), "-o", "list.parquet", "-q"]) == 0
    table = pq.read_table("list.parquet")
    somebody = table.filter(table["hypertension"])["patient_id"][0].as_py()
    assert run(["explain", *options(), "--patient", str(somebody)]) == 0
    shown = capsys.readouterr().out
    record = shown[shown.index("From the coded record") :]
    codes = pq.read_table("record/events.parquet")
    own = codes.filter(pc.equal(codes["patient_id"], somebody))["code"].to_pylist()
    told = {int(word) for word in record.split() if word.isdecimal() and len(word) > 10}
    assert told
    assert told <= {*own, *pq.read_table("record/medications.parquet")["code"].to_pylist()}
    assert "HYP_COD" in record
    assert run(["explain", *options(), "--patient", "123"]) == 2
    message = capsys.readouterr().err
    assert "nobody registered and alive" in message
    assert "123" not in message


@pytest.mark.filterwarnings("ignore::popstrat.DataWarning")
def test_without_medications_they_are_not_known(work: Path) -> None:
    table = popstrat.derive(**library(medications=(), activity=()))
    assert table["statin"].null_count == table["emergency_admissions_12m"].null_count == table.num_rows
    assert table["hypertension"].null_count == 0


# -- what is told -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "column", "made", "told"),
    [
        ("events", "patient_id", lambda c: pc.add(c, 1), "are of patients who are not on the list"),
        ("events", "code", lambda c: pc.add(c, 1), "has a code of any code list"),
        ("events", "unit", lambda c: pa.chunked_array([pa.array(["furlongs"] * len(c))]), "furlongs"),
        ("events", "date", lambda c: pc.add(c, pa.scalar(9000 * 86400, pa.duration("s"))), "after the as-of date"),
        ("medications", "date", lambda c: pa.chunked_array([pa.nulls(len(c), pa.date32())]), "without a date"),
    ],
)
def test_what_makes_a_table_doubtful(work: Path, table: str, column: str, made: Any, told: str) -> None:
    def changed(cells: pa.ChunkedArray) -> pa.ChunkedArray:
        return made(cells).cast(cells.type if column != "unit" else pa.string())

    name = change(table, column, changed, "odd.parquet")
    with pytest.warns(DataWarning, match=told):
        popstrat.derive(**library(**{table: name}))


# -- what is refused --------------------------------------------------------------------------------------------------


def _csv(cells: dict[int, str], column: int) -> str:
    pa_csv.write_csv(pq.read_table("record/events.parquet").slice(0, 50), "events.csv")
    rows = [line.split(",") for line in Path("events.csv").read_text().splitlines()]
    for row, text in cells.items():
        rows[row][column] = text
    Path("events.csv").write_text("\n".join(",".join(row) for row in rows) + "\n")
    return "events.csv"


def _folder() -> str:
    Path("mixed").mkdir()
    shutil.copy("record/events.parquet", "mixed/a.parquet")
    shutil.copy("record/patients.parquet", "mixed/b.parquet")
    return "mixed"


def _cut() -> str:
    Path("cut.parquet").write_bytes(Path("record/events.parquet").read_bytes()[:-300])
    return "cut.parquet"


def _lists(name: str, text: str | None) -> str:
    shutil.copytree("record/codelists", "lists")
    if text is None:
        Path("lists", name).unlink()
    else:
        Path("lists", name).write_text(text)
    return "lists"


REFUSED: list[tuple[str, Callable[[], dict[str, Any]], str]] = [
    ("no events", lambda: {"events": "nothing.parquet"}, "nothing.parquet: there is no such file"),
    ("no lists", lambda: {"codelists": "nothing"}, "nothing: there is no such file or folder"),
    ("a list is missing", lambda: {"codelists": _lists("STAT_COD.csv", None)}, "STAT_COD, needed by statin"),
    ("a list of no known form", lambda: {"codelists": _lists("STAT_COD.csv", "a\nb\n")}, "has no column of codes"),
    ("a list after a spreadsheet", lambda: {"codelists": _lists("STAT_COD.csv", "code,term\n1.27E+14,x\n")}, "row 1"),
    ("a code after a spreadsheet", lambda: {"events": _csv({7: "5.1E+14"}, 2)}, "column 'code'"),
    ("a code with a fraction", lambda: {"events": _csv({7: "123456.0"}, 2)}, "column 'code'"),
    ("an id after a spreadsheet", lambda: {"events": _csv({7: "4E+12"}, 0)}, "column 'patient_id'"),
    ("dates of two kinds", lambda: {"events": _csv({7: "03/02/2019"}, 1)}, "column 'date'"),
    ("a file cut short", lambda: {"events": _cut()}, "cut.parquet: cannot be read as Parquet"),
    ("a foreign file", lambda: {"events": _folder()}, "mixed/b.parquet: column 'date': is absent"),
    ("files exchanged", lambda: {"patients": "record/registrations.parquet"}, "column 'date_of_birth': is absent"),
    ("a file given twice", lambda: {"events": ["record/events.parquet"] * 2}, "is given twice"),
    ("an unknown layout", lambda: {"layout": "emsi"}, "did you mean 'emis'?"),
    ("an unknown specification", lambda: {"spec": "gp-record"}, "did you mean 'gp-record-2026'?"),
    ("no patients", lambda: {"patients": None}, "--patients is needed"),
    ("codes as floats", lambda: {"events": change("events", "code", lambda c: c.cast(pa.float64()), "f.parquet")},
     "floating-point numbers lose digits"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_one_clear_message_and_nothing_written(
    work: Path, changed: Callable[[], dict[str, Any]], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = options(**changed())
    before = sorted(p.name for p in work.iterdir())
    assert run(["derive", *arguments, "-o", "list.parquet"]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.err.count("error:") == 1
    assert sorted(p.name for p in work.iterdir()) == before


def test_a_list_and_a_record_are_not_given_together(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "list.parquet", *options(), "-o", "scored.parquet"]) == 2
    assert "a list and --events were given" in capsys.readouterr().err
    assert run(["score", "--codelists", "record/codelists", "-o", "scored.parquet"]) == 2
    assert "--codelists is for a coded record" in capsys.readouterr().err
    assert run(["score", "-o", "scored.parquet"]) == 2
    assert "no list was given" in capsys.readouterr().err
    assert run(["score", *options(), "--map", "map.toml", "-o", "scored.parquet"]) == 2
    assert "--map is for a list" in capsys.readouterr().err


def test_nobody_is_told(work: Path) -> None:
    none = pq.read_table("record/registrations.parquet").slice(0, 0)
    pq.write_table(none, "none.parquet")
    with pytest.warns(DataWarning, match="nobody is registered and alive"):
        assert popstrat.derive(**library(registrations="none.parquet")).num_rows == 0


def test_two_rows_of_one_patient_that_differ(work: Path) -> None:
    patients = pq.read_table("record/patients.parquet")
    born = pc.subtract(patients["date_of_birth"].slice(0, 1), pa.scalar(86400, pa.duration("s"))).cast(pa.date32())
    again = patients.slice(0, 1).set_column(1, "date_of_birth", born)
    pq.write_table(pa.concat_tables([patients, again]), "twice.parquet")
    with pytest.raises(InputError, match=r"twice\.parquet: column 'patient_id'"):
        popstrat.derive(**library(patients="twice.parquet"))
