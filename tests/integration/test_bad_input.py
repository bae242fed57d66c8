"""Whatever is wrong stops the run with one message, the right exit status, nothing written and no id in sight."""

from __future__ import annotations

import datetime as dt
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli import run
from popstrat.formats import source

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
ROWS = 2000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """A list whose ids would be recognised anywhere in a message."""
    data = synthetic.table(ROWS, seed=11, as_of=dt.date(2026, 6, 30))
    columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in data.columns]
    plain = pa.table(columns, names=data.column_names)
    return plain.set_column(0, "patient_id", pa.array([f"SECRET{i:06}" for i in range(ROWS)]))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


Refusal = Callable[..., str]


@pytest.fixture
def refused(work: Path, capsys: pytest.CaptureFixture[str]) -> Refusal:
    """Run a command that must fail; returns its one message."""

    def refuse(*arguments: str, status: int = 2) -> str:
        before = {p: p.stat().st_mtime_ns for p in work.rglob("*")}
        capsys.readouterr()
        assert run(list(arguments)) == status
        shown, message = capsys.readouterr()
        assert shown == ""
        assert [line.startswith("error: ") for line in message.splitlines()].count(True) == 1
        assert "Traceback" not in message
        assert "SECRET" not in message
        assert {p: p.stat().st_mtime_ns for p in work.rglob("*")} == before
        return message.strip()

    return refuse


def changed(people: pa.Table, column: str, values: pa.Array | list[object]) -> pa.Table:
    return people.set_column(people.column_names.index(column), column, values)


def write(data: pa.Table, name: str) -> str:
    if name.endswith(".csv"):
        pa_csv.write_csv(data, name)
    elif name.endswith(".arrow"):
        with pa.ipc.new_file(name, data.schema) as out:
            out.write_table(data, 500)
    else:
        pq.write_table(data, name, row_group_size=500)
    return name


SCORE = ("score", "in.parquet", "-o", "out.parquet", "--as-of", AS_OF)


# -- the table --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("column", ["patient_id", "practice_code", "sex"])
def test_a_required_column_is_missing(refused: Refusal, people: pa.Table, column: str, suffix: str) -> None:
    near = f"{column[:-1]}x" if column != "sex" else "sexx"
    name = write(people.rename_columns([near if n == column else n for n in people.column_names]), f"in{suffix}")
    message = refused("score", name, "-o", "out.parquet", "--as-of", AS_OF)
    assert f"in{suffix}: column '{column}'" in message
    assert f"did you mean '{near}'" in message


def test_neither_age_nor_date_of_birth(refused: Refusal, people: pa.Table) -> None:
    write(people.drop_columns("date_of_birth"), "in.parquet")
    assert "'date_of_birth' or 'age'" in refused(*SCORE)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_two_columns_of_one_name(refused: Refusal, people: pa.Table, suffix: str) -> None:
    doubled = people.append_column("bmi", pa.array([25.0] * ROWS))
    message = refused("score", write(doubled, f"in{suffix}"), "-o", "out.parquet", "--as-of", AS_OF)
    assert f"in{suffix}: column 'bmi' appears 2 times" in message


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("hba1c", pa.array([[1.0]] * ROWS), "a number is needed"),
        ("date_of_birth", pa.array([1.5] * ROWS), "a date is needed"),
        ("diabetes", pa.array([dt.date(2020, 1, 1)] * ROWS), "true or false is needed"),
        ("patient_id", pa.array([1.5] * ROWS), "a whole number or text is needed"),
        (
            "hba1c",
            pa.array(["41.5"] * 700 + ["high"] + ["50"] * (ROWS - 701)),
            "a cell is not a number (empty means no record) (row 701)",
        ),
    ],
)
def test_a_type_that_cannot_be_cast(
    refused: Refusal, people: pa.Table, column: str, values: pa.Array, problem: str
) -> None:
    write(changed(people, column, values), "in.parquet")
    assert f"in.parquet: column '{column}': {problem}" in refused(*SCORE)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("column", ["patient_id", "practice_code"])
def test_null_keys(refused: Refusal, people: pa.Table, column: str, suffix: str) -> None:
    values = people.column(column).to_pylist()
    for row in (700, 701, 1500):
        values[row] = None
    message = refused("score", write(changed(people, column, pa.array(values)), f"in{suffix}"), "-o", "out.csv")
    assert f"in{suffix}: column '{column}'" in message
    assert "null" in message
    assert "701, 702" in message


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("kind", ["text", "number"])
@pytest.mark.parametrize("shuffled", [False, True])
def test_repeated_ids(refused: Refusal, people: pa.Table, suffix: str, kind: str, shuffled: bool) -> None:
    order = np.random.default_rng(1).permutation(ROWS) if shuffled else np.arange(ROWS)
    values = [int(i) + 77_000_000 for i in order]
    values[1234] = values[99]
    ids = pa.array(values if kind == "number" else [f"SECRET{v}" for v in values])
    message = refused("score", write(changed(people, "patient_id", ids), f"in{suffix}"), "-o", "out.csv")
    assert f"in{suffix}: column 'patient_id': an id occurs more than once: row 1,235 repeats row 100" in message
    assert "7700" not in message
    assert "repeats" in refused("check", f"in{suffix}")


def test_an_id_repeated_in_another_file(refused: Refusal, people: pa.Table) -> None:
    write(people.slice(0, 1000), "a.parquet")
    write(people.slice(990), "b.parquet")
    message = refused("score", "?.parquet", "-o", "out.csv", "--as-of", AS_OF)
    assert "b.parquet: column 'patient_id': 10 ids occur more than once: row 1 repeats row 991 of a.parquet" in message


def test_secondary_use_without_opt_outs(refused: Refusal, people: pa.Table) -> None:
    write(people.drop_columns("national_data_opt_out"), "in.parquet")
    assert "column 'national_data_opt_out'" in refused(*SCORE, "--profile", "secondary-use")


def test_files_that_do_not_agree(refused: Refusal, people: pa.Table) -> None:
    write(people.slice(0, 1000), "a.parquet")
    write(people.slice(1000).drop_columns("place"), "b.parquet")
    message = refused("score", "a.parquet", "b.parquet", "-o", "out.csv", "--as-of", AS_OF)
    assert "b.parquet: column 'place': is absent, but a.parquet has it" in message
    write(changed(people, "patient_id", pa.array(range(ROWS))).slice(1000), "b.parquet")
    message = refused("score", "a.parquet", "b.parquet", "-o", "out.csv", "--as-of", AS_OF)
    assert "b.parquet: column 'patient_id': is int64, but string in a.parquet" in message


# -- the files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_files(refused: Refusal, people: pa.Table, suffix: str, share: float) -> None:
    path = Path(write(people, f"in{suffix}"))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    message = refused("score", str(path), "-o", "out.parquet")
    assert f"in{suffix}: " in message
    assert "is empty" in message or "cut short" in message


def test_damage_in_the_middle(refused: Refusal, people: pa.Table) -> None:
    path = Path(write(people, "in.parquet"))
    data = bytearray(path.read_bytes())
    data[1000:9000] = bytes(8000)
    path.write_bytes(bytes(data))
    message = refused(*SCORE)
    assert "in.parquet: column " in message
    assert "damaged" in message


def test_names_that_lead_nowhere(refused: Refusal, work: Path, people: pa.Table) -> None:
    write(people, "in.parquet")
    assert "inn.parquet: there is no such file (did you mean 'in.parquet'?)" in refused(
        "score", "inn.parquet", "-o", "o.csv"
    )
    assert "*.arrow: no file matches this pattern" in refused("score", "*.arrow", "-o", "o.csv")
    (work / "empty").mkdir()
    assert "empty: is a folder without a file to read" in refused("score", "empty", "-o", "o.csv")
    (work / "empty").rmdir()
    assert "is given twice" in refused("score", "in.parquet", "*.parquet", "-o", "o.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(refused: Refusal, people: pa.Table) -> None:
    Path(write(people, "in.parquet")).chmod(0)
    assert "permission denied" in refused(*SCORE)


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda row: row.replace('"SECRET', "SECRET", 1), "a stray quote"),
        (lambda row: row.replace('SECRET001500"', "SECRET001500", 1), "a stray quote"),
        (lambda row: row.replace('"SECRET001500"', '"SECRET"001500"', 1), "a stray quote"),
        (lambda row: row + ",1", "cells where the first line names"),
        (lambda row: row.rsplit(",", 1)[0], "cells where the first line names"),
    ],
)
@pytest.mark.parametrize("threads", ["1", "2"])
def test_csv_rows_that_are_not_rows(
    refused: Refusal, people: pa.Table, spoil: Callable[[str], str], problem: str, threads: str
) -> None:
    path = Path(write(people, "in.csv"))
    lines = path.read_text().splitlines()
    lines[1501] = spoil(lines[1501])
    path.write_text("\n".join(lines) + "\n")
    message = refused("score", "in.csv", "-o", "out.csv", "--as-of", AS_OF, "--threads", threads)
    assert message.startswith("error: in.csv: ")
    assert problem in message
    assert message.endswith("(row 1,501)")


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("hba1c", "SECRET", "a cell is not a number"),
        ("diabetes", "SECRET", "a cell is not true, false, 1 or 0"),
        ("date_of_birth", "31/01/1950", "a cell is not a date as YYYY-MM-DD"),
    ],
)
def test_csv_cells_that_cannot_be_read(
    refused: Refusal, people: pa.Table, column: str, value: str, problem: str
) -> None:
    values = [None if v is None else str(v).lower() for v in people.column(column).to_pylist()]
    values[3] = values[1500] = value
    write(changed(people, column, pa.array(values)), "in.csv")
    message = refused("score", "in.csv", "-o", "out.csv", "--as-of", AS_OF)
    assert f"in.csv: column '{column}': {problem}" in message
    assert "(rows 4, 1,501)" in message
    assert value not in message


def test_a_category_that_nobody_knows_does_not_stop_the_run(work: Path, people: pa.Table) -> None:
    write(changed(people, "smoking", pa.array(["pipe"] * ROWS)), "in.csv")
    assert run(["score", "in.csv", "-o", "out.csv", "--as-of", AS_OF, "--quiet"]) == 0


def test_the_wrong_encoding(refused: Refusal, people: pa.Table) -> None:
    path = Path(write(changed(people, "place", pa.array(["Zoë"] * ROWS)), "in.csv"))
    path.write_bytes(path.read_text().encode("cp1252"))
    assert "is not in utf-8; see --encoding (row 1)" in refused("score", "in.csv", "-o", "out.csv")
    assert "'klingon' is not known" in refused("score", "in.csv", "-o", "out.csv", "--encoding", "klingon")


def test_a_file_that_changes_while_it_is_read(
    work: Path, people: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(people, "in.parquet")
    real = source.hash_file

    def touching(path: Path, stopped: Callable[[], bool]) -> str:
        os.utime(path, ns=(1, 1))
        return real(path, stopped)

    monkeypatch.setattr(source, "hash_file", touching)
    assert run(list(SCORE)) == 2
    assert capsys.readouterr().err == "error: in.parquet: was changed while it was read\n"
    assert [p.name for p in work.iterdir()] == ["in.parquet"]


# -- the arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--pack", "londno-2026"], "there is no pack 'londno-2026' (did you mean 'london-2026'?)"),
        (["--pack", "missing.toml"], "cannot read the pack missing.toml"),
        (["--as-of", "30/06/2026"], "--as-of needs a date such as 2026-06-30"),
        (["--as-of", "2026-02-30"], "--as-of needs a date such as 2026-06-30"),
        (["--profile", "research"], "Invalid value for '--profile'"),
        (["--threads", "0"], "Invalid value for '--threads'"),
        (["--map", "missing.toml"], "missing.toml: there is no such mapping file"),
        (["--colour"], "No such option"),
        (["-o", "out.xlsx"], "out.xlsx: the output should end in .parquet, .arrow, .csv or .csv.gz"),
        (["-o", "missing/out.csv"], "missing/out.csv: cannot be written: there is no such folder"),
        (["-o", "in.parquet"], "in.parquet: is an input; choose another name"),
        (["-o", "folder.csv"], "folder.csv: cannot be written: something that is not a file has that name"),
        (["-o", "/proc/nothing.csv"], "cannot be written"),
    ],
)
def test_arguments(refused: Refusal, people: pa.Table, arguments: list[str], problem: str) -> None:
    write(people, "in.parquet")
    Path("folder.csv").mkdir()
    output = [] if "-o" in arguments else ["-o", "out.csv"]
    assert problem in refused("score", "in.parquet", *output, *arguments)


def test_a_mapping_at_fault(refused: Refusal, people: pa.Table) -> None:
    write(people, "in.parquet")
    Path("map.toml").write_text('[columns]\nsmokign = "smoking"\n')
    message = refused(*SCORE, "--map", "map.toml")
    assert "map.toml: [columns] smokign: popstrat has no such column (did you mean 'smoking'?)" in message


def test_a_mapped_column_is_named_in_both_ways(refused: Refusal, people: pa.Table) -> None:
    theirs = changed(people, "hba1c", pa.array(["high"] * ROWS))
    write(theirs.rename_columns(["HbA1c" if n == "hba1c" else n for n in theirs.column_names]), "in.parquet")
    Path("map.toml").write_text('[columns]\nhba1c = "HbA1c"\n')
    message = refused(*SCORE, "--map", "map.toml")
    assert (
        "in.parquet: column 'hba1c': a cell is not a number (empty means no record) (mapped from 'HbA1c') (rows 1, 2"
        in message
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(refused: Refusal, people: pa.Table) -> None:
    write(people, "in.parquet")
    Path("shut").mkdir(mode=0o555)
    assert "the folder may not be written to" in refused("score", "in.parquet", "-o", "shut/out.csv")


@pytest.mark.parametrize("arguments", [["-n", "-1"], ["-n", "10", "--practices", "0"], ["-n", "x"], []])
def test_synth_arguments(refused: Refusal, arguments: list[str]) -> None:
    refused("synth", *arguments, "-o", "out.parquet")


# -- the machine ------------------------------------------------------------------------------------------------


def start(work: Path, *arguments: str, **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "popstrat", *arguments],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("name", ["score", "synth"])
def test_a_full_disk(work: Path, people: pa.Table, suffix: str, name: str) -> None:
    write(people, "in.parquet")
    what = ["score", "in.parquet"] if name == "score" else ["synth", "-n", "20000"]
    # no bytecode: Python takes a module's that the limit cut short for whole, and so would every later process
    plain = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    process = start(work, *what, "-o", f"out{suffix}", "--as-of", AS_OF, preexec_fn=small_files, env=plain)
    shown, message = process.communicate(timeout=60)
    assert process.returncode == 1
    assert shown == ""
    assert message.startswith("error: ")
    assert "nothing was written" in message
    assert f"out{suffix}" in message
    assert len(message.splitlines()) == 1
    assert [p.name for p in work.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_stopped_halfway(work: Path, people: pa.Table, number: signal.Signals, suffix: str) -> None:
    write(people, "in.parquet")
    # One patient at a time takes long enough to be caught in the middle.
    slow = {**os.environ, "POPSTRAT_BATCH_ROWS": "1"}
    process = start(work, "score", "in.parquet", "-o", f"out{suffix}", "--as-of", AS_OF, env=slow)
    deadline = time.monotonic() + 30
    while not list(work.glob(".out*.partial")) and time.monotonic() < deadline:
        time.sleep(0.005)
    assert process.poll() is None
    process.send_signal(number)
    shown, message = process.communicate(timeout=60)
    assert (process.returncode, shown) == (1, "")
    assert message == "error: stopped; nothing was written\n"
    assert [p.name for p in work.iterdir()] == ["in.parquet"]


def test_a_reader_that_goes_away(work: Path, people: pa.Table) -> None:
    write(people, "in.parquet")
    code = "import os, sys; from popstrat.cli import run; os.close(1); sys.exit(run(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "score", "in.parquet", "-o", "out.csv", "--as-of", AS_OF, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=work,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "SECRET" not in done.stderr


def test_an_unforeseen_error_shows_no_data(refused: Refusal, people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    write(people, "in.parquet")

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("while looking at SECRET000001")

    monkeypatch.setattr("popstrat.runs.score.run_score", broken)
    assert "internal error (RuntimeError)" in refused(*SCORE, status=1)


def test_rows_that_do_not_reconcile_stop_the_run(
    refused: Refusal, people: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    from popstrat.scoring.bound import Started

    write(people, "in.parquet")
    real = Started.run

    def lossy(self: Started, threads: int) -> object:
        scored, tally = real(self, threads)
        return scored.slice(1), tally

    monkeypatch.setattr(Started, "run", lossy)
    assert "internal error: 2,000 rows read" in refused(*SCORE, status=1)
