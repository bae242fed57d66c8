"""The command line as a scheduler calls it: folders in and out, lines for a log, the environment, exit statuses."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli import environment, run
from popstrat.cli.main import COMMANDS
from popstrat.core.dates import parse_as_of
from popstrat.formats import partitions

AS_OF = "2026-06-30"
HERE = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("POPSTRAT_") and name in environment.VARIABLES]:
        if name != "POPSTRAT_FORMATS":
            monkeypatch.delenv(name)
    return tmp_path


@pytest.fixture(scope="module")
def people() -> pa.Table:
    table = synthetic.table(900, seed=3, as_of=parse_as_of(AS_OF), practices=5)
    names = ["Y00001", "Y00002", "a b/c", "Ü=1%", "Y00005"]  # what is escaped in the name of a folder
    codes = pa.array([names[i * 7 % 5] for i in range(900)])
    return table.set_column(table.column_names.index("practice_code"), "practice_code", codes)


def folder_of(table: pa.Table, path: str, by: str) -> None:
    ds.write_dataset(table, path, format="parquet", partitioning=[by], partitioning_flavor="hive")


def by_id(table: pa.Table, columns: list[str]) -> pa.Table:
    table = table.select(columns).sort_by("patient_id")
    return pa.table({
        name: column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for name, column in zip(columns, table.columns, strict=True)
    })  # fmt: skip


# -- folders in --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["practice_code", "sex", "place"])
@pytest.mark.parametrize("given", ["hive", "hive/*", "hive/*/*.parquet", "hive/**/*.parquet"])
def test_the_column_of_a_partition_is_never_lost(people: pa.Table, by: str, given: str) -> None:
    """However the files are named, and whatever the column: the same people with the same results."""
    folder_of(people, "hive", by)
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "wanted.parquet", "--as-of", AS_OF, "-q"]) == 0
    assert run(["score", given, "-o", "out.parquet", "--as-of", AS_OF, "-q"]) == 0
    wanted, found = pq.read_table("wanted.parquet"), pq.read_table("out.parquet")
    assert by_id(found, wanted.column_names).equals(by_id(wanted, wanted.column_names))
    assert run(["check", given, "--as-of", AS_OF, "-q", "--fail-on", f"absent.{by}"]) == 0


# -- folders out -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["practice_code", "place", "nwl_risk_group", "core20"])
def test_a_partitioned_output_is_the_table(people: pa.Table, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As pyarrow, Polars and DuckDB read it, and popstrat; with few files open at a time as well."""
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "one.parquet", "--as-of", AS_OF, "-q"]) == 0
    one = pq.read_table("one.parquet")
    columns = [name for name in one.column_names if name != by]
    made: list[dict[str, bytes]] = []
    for most, rows in ((partitions.MOST_OPEN, 1 << 17), (partitions.MOST_OPEN, 100), (2, 100)):
        monkeypatch.setattr(partitions, "MOST_OPEN", most)
        monkeypatch.setenv("POPSTRAT_BATCH_ROWS", str(rows))
        again = ["--force"] if most == 2 else []  # another day's folder would need it; the same run replaces its own
        assert run(["score", "list.parquet", "-o", "out/", "--partition-by", by, "--as-of", AS_OF, "-q", *again]) == 0
        files = sorted(Path("out").rglob("*.parquet"))
        made.append({str(path): path.read_bytes() for path in files})
        read = ds.dataset("out", format="parquet", partitioning="hive").to_table()
        assert by_id(read, columns).equals(by_id(one, columns))
        values = one[by].cast(pa.string()) if not pa.types.is_dictionary(one[by].type) else one[by]
        wanted = sorted(map(str, zip(one["patient_id"].to_pylist(), values.to_pylist(), strict=True)))
        framed = pl.scan_parquet("out/**/*.parquet", hive_partitioning=True, hive_schema={by: pl.String}).collect()
        assert sorted(map(str, framed.select("patient_id", by).rows())) == wanted
        files_of = "read_parquet('out/*/*.parquet', hive_partitioning=true, hive_types_autocast=false)"
        rows_of = duckdb.sql(f'select patient_id, "{by}"::varchar from {files_of}').fetchall()
        assert sorted(map(str, rows_of)) == wanted
        record = json.loads(Path("out/_run.json").read_text(encoding="utf-8"))
        assert record["partition_by"] == by
        assert [o["name"] for o in record["outputs"]] == [str(path.relative_to("out")) for path in files]
        assert sum(o["rows"] for o in record["outputs"]) == 900
    assert made[0] == made[1]  # the bytes depend neither on batches nor on the earlier folder


def test_a_folder_that_may_not_be_replaced(people: pa.Table) -> None:
    """It stays as it is: another date's without --force, and one that holds anything else whatever is given."""
    pq.write_table(people, "list.parquet")
    score = ["score", "list.parquet", "-o", "out", "--partition-by", "practice_code", "-q", "--as-of"]
    assert run([*score, AS_OF]) == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    assert run([*score, "2026-05-31"]) == 2
    Path("out/mine.txt").write_text("mine", encoding="utf-8")
    assert run([*score, AS_OF]) == 2
    assert run([*score, AS_OF, "--force"]) == 2
    Path("out/mine.txt").unlink()
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
    assert run([*score, "2026-05-31", "--force"]) == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["-o", "out", "--partition-by", "patient_id"], "no scored table is parted by 'patient_id'"),
        (["-o", "out", "--partition-by", "practice"], "did you mean 'practice_code'"),
        (["-o", "s3://bucket/x.parquet"], "s3://bucket/x.parquet: is an address"),
        (["-o", "-"], "on standard output it could be incomplete"),
        (["-o", "x.parquet.gz"], "the output should end in .parquet, .arrow, .csv or .csv.gz"),
    ],
)
def test_outputs_that_there_are_not(
    people: pa.Table, options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", *options, "--as-of", AS_OF, "-q"]) == 2
    assert told in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["list.parquet"]


def test_a_number_of_somebody_is_no_folder(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    at = people.column_names.index("practice_code")
    pq.write_table(people.set_column(at, "practice_code", pa.array(["999 000 0018"] * 900)), "list.parquet")
    assert run(["score", "list.parquet", "-o", "out", "--partition-by", "practice_code", "--as-of", AS_OF, "-q"]) == 2
    told = capsys.readouterr().err
    assert "column 'practice_code': holds a value that looks like somebody's number" in told
    assert "999" not in told
    assert [path.name for path in Path().iterdir()] == ["list.parquet"]


@pytest.mark.parametrize("url", ["s3://bucket/list.parquet", "abfss://c@a.dfs.core.windows.net/x", "https://h/x.csv"])
def test_addresses_are_refused_in_one_way(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", url, "--as-of", AS_OF]) == 2
    assert (
        capsys.readouterr().err == f"error: {url}: is an address, and popstrat reads files: copy it to a disk first\n"
    )


# -- standard input, packed output -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["parquet", "arrow", "csv", "csv.gz"])
def test_standard_input(people: pa.Table, form: str) -> None:
    """A table of any format, told by its first bytes; the file that holds it meanwhile is gone afterwards."""
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "wanted.parquet", "--as-of", AS_OF, "-q"]) == 0
    if form == "parquet":
        Path("given").write_bytes(Path("list.parquet").read_bytes())
    elif form == "arrow":
        with pa.ipc.new_file("given", people.schema) as out:
            out.write_table(people)
    else:
        frame = pl.from_arrow(people)
        assert isinstance(frame, pl.DataFrame)
        frame.write_csv("given.csv")
        content = Path("given.csv").read_bytes()
        Path("given").write_bytes(gzip.compress(content) if form == "csv.gz" else content)
    program = "import sys; from popstrat.cli import run; sys.exit(run(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "score", "-", "-o", "out.parquet", "--as-of", AS_OF, "-q"]
    spool = Path("spool")
    spool.mkdir()
    with Path("given").open("rb") as given:
        subprocess.run(command, stdin=given, check=True, env={**os.environ, "TMPDIR": str(spool.resolve())})
    assert not any(spool.iterdir())
    columns = ["patient_id", "nwl_risk_group", "admission_risk"]
    wanted, found = (pq.read_table(f"{name}.parquet") for name in ("wanted", "out"))
    assert by_id(found, columns)["admission_risk"].equals(by_id(wanted, columns)["admission_risk"])


def test_packed_csv_depends_on_the_rows_alone(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is what the plain one is; it can be read again."""
    pq.write_table(people, "list.parquet")
    assert run(["score", "list.parquet", "-o", "plain.csv", "--as-of", AS_OF, "-q"]) == 0
    made = set()
    for number, rows in enumerate((7, 100, 1 << 17)):
        monkeypatch.setenv("POPSTRAT_BATCH_ROWS", str(rows))
        assert run(["score", "list.parquet", "-o", f"{number}.csv.gz", "--as-of", AS_OF, "-q"]) == 0
        made.add(Path(f"{number}.csv.gz").read_bytes())
    assert len(made) == 1
    assert gzip.decompress(made.pop()) == Path("plain.csv").read_bytes()


# -- the environment ---------------------------------------------------------------------------------------------------


def test_options_from_the_environment(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option wins over its variable; an empty one is as none."""
    pq.write_table(people, "list.parquet")
    monkeypatch.setenv("POPSTRAT_AS_OF", "2026-05-31")
    monkeypatch.setenv("POPSTRAT_PACK", "neighbourhood-2026")
    monkeypatch.setenv("POPSTRAT_THREADS", "1")
    monkeypatch.setenv("POPSTRAT_MAP", "")
    assert run(["score", "list.parquet", "-o", "a.parquet", "-q"]) == 0
    assert run(["score", "list.parquet", "-o", "b.parquet", "-q", "--as-of", AS_OF, "--pack", "london-2026"]) == 0
    said = [json.loads(pq.read_schema(f"{name}.parquet").metadata[b"popstrat"]) for name in "ab"]
    assert [(s["as_of"], s["pack"]["id"]) for s in said] == [
        ("2026-05-31", "neighbourhood-2026"), (AS_OF, "london-2026")
    ]  # fmt: skip
    assert json.loads(Path("a.parquet.run.json").read_text(encoding="utf-8"))["threads"] == 1


@pytest.mark.parametrize("name", ["POPSTRAT_ASOF", "POPSTRAT_AS_OFF", "POPSTRAT_PACKS", "POPSTRAT_LOGFORMAT"])
def test_variables_that_are_nearly_one_of_ours(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A date that was meant to be set would otherwise be today's, without a word; others' variables are theirs."""
    monkeypatch.setenv("POPSTRAT_SITE_COLOUR", "blue")
    assert run(["packs", "list"]) == 0
    monkeypatch.setenv(name, "x")
    assert run(["packs", "list"]) == 2
    assert name in capsys.readouterr().err


def test_the_documentation_lists_every_variable() -> None:
    text = (HERE / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in environment.VARIABLES)
    assert all(f"`{name}`" in text for name in COMMANDS)


# -- lines for a log ---------------------------------------------------------------------------------------------------


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert all({"time", "level", "event", "command"} <= set(line) for line in found)
    return found


OUTCOMES = ["--outcome", "outcomes.parquet", "--time-column", "days", "--event-column", "event"]
TELLING: dict[str, tuple[list[str], str]] = {
    "synth": (["synth", "--patients", "50", "--as-of", AS_OF, "-o", "out.parquet"], ""),
    "check": (["check", "list.parquet", "--as-of", AS_OF], "systolic_bp"),
    "score": (["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF], "systolic_bp"),
    "metrics": (["metrics", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF], "systolic_bp"),
    "worklist": (["worklist", "list.parquet", "--cohort", "frailty_int_priority", "--capacity", "20", "--as-of", AS_OF,
                  "-o", "out.csv"], "systolic_bp"),
    "report": (["report", "metrics.parquet", "-o", "out"], ""),
    "validate": (["validate", "scored.parquet", *OUTCOMES, "-o", "out"], ""),
    "recalibrate": (["recalibrate", "list.parquet", *OUTCOMES, "--model", "admission_risk", "--method", "intercept",
                     "--as-of", AS_OF, "-o", "out.toml"], "systolic_bp"),
    "pseudonymise": (["pseudonymise", "list.parquet", "-o", "out.parquet", "--key-file", "key", "--column",
                      "patient_id=key"], ""),
    "map": (["map", "init", "list.parquet", "-o", "out.toml"], ""),
    "packs": (["packs", "check", "mine.toml"], "idle"),
}  # fmt: skip
"""A command line of each command that writes or checks, and what a warning of it must speak of."""


@pytest.mark.parametrize("command", TELLING)
def test_every_command_tells_a_log(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines and nothing but lines: what it warns of, what it wrote, the end; standard output stays empty."""
    first = [
        "synth",
        "--patients",
        "4000",
        "--as-of",
        AS_OF,
        "--outcomes",
        "outcomes.parquet",
        "-o",
        "all.parquet",
        "-q",
    ]
    assert run(first) == 0
    pq.write_table(pq.read_table("all.parquet").drop_columns(["systolic_bp"]), "list.parquet")
    Path("mine.toml").write_text(
        '[pack]\nid = "mine"\nversion = "1"\n\n[parameters.idle]\nvalue = 1\n', encoding="utf-8"
    )
    if command == "report":
        assert run(["metrics", "list.parquet", "-o", "metrics.parquet", "--as-of", AS_OF, "-q"]) == 0
    if command == "validate":
        assert run(["score", "list.parquet", "-o", "scored.parquet", "--as-of", AS_OF, "-q"]) == 0
    if command == "pseudonymise":
        assert run(["pseudonymise", "--new-key", "key", "-q"]) == 0
    capsys.readouterr()
    line, about = TELLING[command]
    status = run(["--log-format", "json", *line])
    captured = capsys.readouterr()
    found = [json.loads(one) for one in captured.err.splitlines()]
    assert (status, captured.out) == (0, ""), found
    assert {one["command"] for one in found} == {command}
    assert found[-1]["event"] == "finished"
    assert {"written", "done"} & {one["event"] for one in found}
    said = [one["message"] for one in found if one["level"] == "warning"]
    assert not about or any(about in one for one in said), found


def test_a_log_in_lines(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings, what was written and the end; standard output stays empty, and no id is anywhere."""
    pq.write_table(people.drop_columns(["systolic_bp"]), "list.parquet")
    assert run(["--log-format", "json", "score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    found = [json.loads(line) for line in captured.err.splitlines()]
    assert [line["event"] for line in found][-2:] == ["written", "finished"]
    assert found[-1]["status"] == 0
    assert {line["command"] for line in found} == {"score"}
    assert any(line["level"] == "warning" and "systolic_bp" in line["message"] for line in found)
    assert not any(str(key) in captured.err for key in people["patient_id"].to_pylist()[:50])
    assert run(["--log-format", "json", "score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]["out"] == 900


@pytest.mark.parametrize("how", ["option", "variable"])
def test_errors_in_a_log(
    how: str, people: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is wrong, as data: the file, the column, the rows; also a mistake in the arguments and in a pack."""
    ids = people["patient_id"].to_pylist()
    doubled = people.set_column(0, "patient_id", pa.array([ids[0], *ids[:-1]]))
    pq.write_table(doubled, "list.parquet")
    Path("pack.toml").write_text('[pack]\nid = "p"\nversion = 1\n', encoding="utf-8")
    first = ["--log-format", "json"] if how == "option" else []
    if how == "variable":
        monkeypatch.setenv("POPSTRAT_LOG_FORMAT", "json")
    for arguments, expected in (
        (["check", "list.parquet", "--as-of", AS_OF], {"kind": "FaultsError"}),
        (["score", "list.parquet", "-o", "x.parquet", "--as-of", AS_OF], {"kind": "InputError"}),
        (
            ["score", "list.parquet", "-o", "x.parquet", "--as-of", AS_OF, "--pack", "pack.toml"],
            {"kind": "PackError", "file": "pack.toml"},
        ),
        (["score", "list.parquet", "--threads", "many"], {"kind": None}),
    ):
        assert run([*first, *arguments]) == 2
        last = lines(capsys)[-1]
        assert (last["level"], last["event"], last["status"]) == ("error", "failed", 2)
        wanted = dict(expected)
        if wanted["kind"] == "FaultsError":
            wanted["kind"] = last["kind"]  # one fault is no list of faults
            assert last["faults"][0]["column"] == "patient_id"
        assert {key: last[key] for key in wanted} == wanted
        assert str(ids[0]) not in json.dumps(last)


def test_exit_statuses(people: pa.Table) -> None:
    """0 done, 2 the input or the arguments, 1 anything else; as the documentation's one table says."""
    pq.write_table(people, "list.parquet")
    assert run(["check", "list.parquet", "--as-of", AS_OF, "-q"]) == 0
    assert run(["check", "list.parquet", "--as-of", AS_OF, "-q", "--fail-on", "missing.systolic_bp=0"]) == 2
    assert run(["check", "nothing.parquet"]) == 2
    assert run(["chek"]) == 2
    assert run(["score", "list.parquet", "-o", "/dev/full/x.parquet"]) == 2
    text = (HERE / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    table = text.partition("## Exit statuses")[2].partition("##")[0]
    assert [line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| `")] == [
        "`0`",
        "`1`",
        "`2`",
    ]


# -- completion, the converter -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "at", "wanted"),
    [
        ("popstrat wor", 1, "worklist"),
        ("popstrat score --part", 2, "--partition-by"),
        ("popstrat score --pack swl", 3, "swl-pilots"),
    ],
)
def test_completion(typed: str, at: int, wanted: str) -> None:
    asked = {"COMP_WORDS": typed, "COMP_CWORD": str(at), "_POPSTRAT_COMPLETE": "complete_bash"}
    command = [sys.executable, "-m", "popstrat"]
    found = subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False)
    assert wanted in found.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_scripts_for_completion(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    assert "popstrat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--threads", "0"], "Invalid value for '--threads': "),
        (["--threads", "two"], "Invalid value for '--threads': not a whole number"),
        (
            ["--profile", "secondary"],
            "'secondary' is not one of 'direct-care', 'secondary-use' (did you mean 'secondary-use'?)",
        ),
        (["--contributions", "65"], "Invalid value for '--contributions': "),
        (["--threads"], "requires an argument"),
        (["--nothing"], "No such option: --nothing"),
    ],
)
def test_values_that_are_wrong_read_as_typer_tells_them(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["score", "list.parquet", "-o", "x.parquet", *options]) == 2
    assert told in capsys.readouterr().err


# -- a month as a scheduler runs it ------------------------------------------------------------------------------------


def test_a_month_as_a_scheduler_runs_it(people: pa.Table) -> None:
    """The example of the documentation, as it stands: tasks of command lines, each after those it needs."""
    for name, count in (("Y90001", 400), ("Y90002", 500)):
        folder = Path("landing", f"practice_code={name}")
        folder.mkdir(parents=True)
        first = 0 if name == "Y90001" else 400
        pq.write_table(people.slice(first, count).drop_columns(["practice_code"]), folder / "list.parquet")
    example = HERE / "docs" / "examples" / "scheduled_month.py"
    done = subprocess.run(
        [sys.executable, str(example), "landing", "out", AS_OF], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["task"] for line in done.stdout.splitlines()] == ["check", "score", "metrics"]
    scored = ds.dataset("out/scored", format="parquet", partitioning="hive").to_table()
    assert scored.num_rows == 900
    assert set(scored["practice_code"].to_pylist()) == {"Y90001", "Y90002"}
    again = subprocess.run(
        [sys.executable, str(example), "landing", "out", AS_OF], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr  # a task that is run once more replaces what it made
    Path("landing/practice_code=Y90001/list.parquet").write_bytes(b"PAR1")
    broken = subprocess.run(
        [sys.executable, str(example), "landing", "out", AS_OF], capture_output=True, text=True, check=False
    )
    assert broken.returncode == 2
    assert [json.loads(line)["task"] for line in broken.stdout.splitlines()] == ["check"]
    assert ds.dataset("out/scored", format="parquet", partitioning="hive").to_table().num_rows == 900
