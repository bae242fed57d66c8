"""The commands, from the outside: what they write, print and return."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import popstrat
from popstrat import synthetic
from popstrat.cli import run

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
ROWS = 3000


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=7, as_of=dt.date(2026, 6, 30))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, people: pa.Table) -> Path:
    """A folder of its own, holding ``list.parquet``."""
    monkeypatch.chdir(tmp_path)
    pq.write_table(people, "list.parquet", row_group_size=1000)
    return tmp_path


def plain(data: pa.Table) -> pa.Table:
    """Dictionaries as text, for writing CSV and for comparing."""
    columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in data.columns]
    return pa.table(columns, names=data.column_names)


def score(*arguments: str, as_of: str = AS_OF) -> None:
    assert run(["score", *arguments, "--as-of", as_of, "--quiet"]) == 0


def record_of(path: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(f"{path}.run.json").read_text())
    return found


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "popstrat", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=120,
    )


# -- score ------------------------------------------------------------------------------------------------------


def test_a_scored_file_is_what_the_library_gives(work: Path, people: pa.Table) -> None:
    score("list.parquet", "-o", "out.parquet")
    expected = popstrat.score(people, as_of=AS_OF)
    found = pq.read_table("out.parquet")
    assert found.column_names == expected.column_names
    assert plain(found).to_pylist() == plain(expected).to_pylist()
    assert sorted(p.name for p in work.iterdir()) == ["list.parquet", "out.parquet", "out.parquet.run.json"]


def test_the_run_record(work: Path, people: pa.Table) -> None:
    score("list.parquet", "-o", "out.parquet", "--imd-release", "2019", "--threads", "2")
    record = record_of("out.parquet")
    assert record["rows"] == {"in": ROWS, "out": ROWS, "excluded": 0, "excluded_by_reason": {}}
    assert record["imd_release"] == "2019"
    assert record["profile"] == "direct-care"
    assert record["as_of"] == AS_OF
    assert record["options"]["threads"] == 2
    assert record["inputs"] == [
        {
            "name": "list.parquet",
            "format": "parquet",
            "rows": ROWS,
            "bytes": (work / "list.parquet").stat().st_size,
            "sha256": hashlib.sha256((work / "list.parquet").read_bytes()).hexdigest(),
        }
    ]
    assert record["output"] == {
        "name": "out.parquet",
        "rows": ROWS,
        "bytes": (work / "out.parquet").stat().st_size,
        "sha256": hashlib.sha256((work / "out.parquet").read_bytes()).hexdigest(),
    }
    found = pq.read_table("out.parquet")
    for column, labels in record["groups"].items():
        values = [str(v).lower() if isinstance(v, bool) else v for v in found.column(column).to_pylist()]
        assert labels == {label: values.count(label) for label in labels}
    text = (work / "out.parquet.run.json").read_text()
    assert not any(str(i) in text for i in people.column("patient_id").to_pylist()[:200])


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_bytes_depend_on_the_input_alone(work: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out = work / f"out{suffix}"
    seen = set()
    for threads, batch_rows in [("1", "131072"), ("2", "131072"), ("2", "77"), ("1", "1000")]:
        monkeypatch.setenv("POPSTRAT_BATCH_ROWS", batch_rows)
        score("list.parquet", "-o", str(out), "--threads", threads)
        seen.add(hashlib.sha256(out.read_bytes()).hexdigest())
        assert record_of(str(out))["output"]["sha256"] in seen
    assert len(seen) == 1


def test_every_format_in_gives_the_same_scores(work: Path, people: pa.Table) -> None:
    score("list.parquet", "-o", "out.parquet")
    expected = plain(pq.read_table("out.parquet")).drop_columns("patient_id").to_pylist()
    pa_csv.write_csv(plain(people), "list.csv")
    with pa.ipc.new_file("list.arrow", people.schema) as out:
        out.write_table(people, 700)
    for name in ("list.csv", "list.arrow"):
        score(name, "-o", "out2.parquet")
        found = plain(pq.read_table("out2.parquet"))
        assert found.drop_columns("patient_id").to_pylist() == expected
        assert [int(i) for i in found.column("patient_id").to_pylist()] == people.column("patient_id").to_pylist()


@pytest.mark.parametrize("name", ["list.parquet", "list.arrow", "list.arrows", "list.csv"])
@pytest.mark.parametrize("kind", ["Categorical", "String"])
def test_files_that_polars_wrote(work: Path, name: str, kind: str) -> None:
    score("list.parquet", "-o", "expected.csv")
    data = pl.read_parquet("list.parquet")
    if kind == "String":
        data = data.with_columns(pl.col(pl.Categorical).cast(pl.String), pl.col("patient_id").cast(pl.String))
    how = {".parquet": "write_parquet", ".arrow": "write_ipc", ".arrows": "write_ipc_stream", ".csv": "write_csv"}
    getattr(data, how[Path(name).suffix])(f"their-{name}")
    for suffix in (".csv", ".parquet", ".arrow"):
        score(f"their-{name}", "-o", f"out{suffix}")
    assert Path("out.csv").read_bytes() == Path("expected.csv").read_bytes()


@pytest.mark.parametrize("name", ["list.parquet", "list.feather", "list.csv"])
def test_files_that_pandas_wrote(work: Path, name: str) -> None:
    score("list.parquet", "-o", "expected.csv")
    data = pd.read_parquet("list.parquet")  # whole numbers with gaps become floats, booleans "True" and "False"
    {".parquet": data.to_parquet, ".feather": data.to_feather, ".csv": data.to_csv}[Path(name).suffix](f"their-{name}")
    score(f"their-{name}", "-o", "out.csv")
    assert Path("out.csv").read_bytes() == Path("expected.csv").read_bytes()


def test_several_files_and_patterns_are_one_list(work: Path, people: pa.Table) -> None:
    (work / "parts").mkdir()
    for i, start in enumerate((2000, 0, 1000)):  # not in the order of the ids
        pq.write_table(people.slice(start, 1000), f"parts/{i}.parquet")
    score("parts/*.parquet", "-o", "out.parquet")
    ids = people.column("patient_id").to_pylist()
    assert pq.read_table("out.parquet").column("patient_id").to_pylist() == ids[2000:] + ids[:1000] + ids[1000:2000]
    record = record_of("out.parquet")
    assert [(f["name"], f["rows"]) for f in record["inputs"]] == [(f"{i}.parquet", 1000) for i in range(3)]
    assert record["ids"] == {"checked": ROWS, "ascending": False}


def test_secondary_use_leaves_out_who_opted_out(work: Path, people: pa.Table) -> None:
    score("list.parquet", "-o", "out.parquet", "--profile", "secondary-use")
    rows = record_of("out.parquet")["rows"]
    type1, national = (people.column(f"{n}_opt_out").to_pylist() for n in ("type1", "national_data"))
    out = [a or b for a, b in zip(type1, national, strict=True)]
    assert rows["in"] == ROWS
    assert rows["excluded"] == sum(out) > 0
    assert rows["out"] == ROWS - sum(out) == pq.read_metadata("out.parquet").num_rows
    assert sum(rows["excluded_by_reason"].values()) == rows["excluded"]


def test_an_empty_list_is_scored_too(work: Path, people: pa.Table) -> None:
    pq.write_table(people.slice(0, 0), "none.parquet")
    for suffix in (".parquet", ".arrow", ".csv"):
        score("none.parquet", "-o", f"out{suffix}")
        assert record_of(f"out{suffix}")["rows"]["in"] == 0
    assert pq.read_table("out.parquet").num_rows == 0
    assert Path("out.csv").read_text().startswith('"patient_id","practice_code"')


def test_output_csv_in_the_encoding_asked_for(work: Path) -> None:
    score("list.parquet", "-o", "out.csv")
    score("list.parquet", "-o", "bom.csv", "--encoding", "utf-8-sig")
    assert Path("bom.csv").read_bytes() == b"\xef\xbb\xbf" + Path("out.csv").read_bytes()
    header, first, *_ = Path("out.csv").read_text().splitlines()
    assert header.split(",")[:2] == ['"patient_id"', '"practice_code"']
    assert first.split(",")[0].strip('"').isdigit()


def test_a_mapped_extract(work: Path, people: pa.Table) -> None:
    score("list.parquet", "-o", "out.parquet")
    expected = pq.read_table("out.parquet")
    theirs = plain(people).rename_columns(
        [{"patient_id": "PatientKey", "sex": "Gender", "diabetes": "DM"}.get(n, n) for n in people.column_names]
    )
    sexes = {"female": "Woman", "male": "Man"}
    gender = pa.array([sexes.get(v, v) for v in theirs.column("Gender").to_pylist()])
    theirs = theirs.set_column(theirs.column_names.index("Gender"), "Gender", gender)
    flags = pa.array(["Y" if v else "N" for v in theirs.column("DM").to_pylist()])
    theirs = theirs.set_column(theirs.column_names.index("DM"), "DM", flags).append_column("extra", flags)
    text = (
        '[columns]\npatient_id = "PatientKey"\nsex = "Gender"\ndiabetes = "DM"\n'
        '[values.sex]\nWoman = "female"\nMan = "male"\n[values.diabetes]\nY = true\nN = false\n'
    )
    Path("map.toml").write_text(text)
    pq.write_table(theirs, "theirs.parquet")
    pa_csv.write_csv(theirs, "theirs.csv")
    for name in ("theirs.parquet", "theirs.csv"):
        score(name, "-o", "out2.parquet", "--map", "map.toml")
        found = plain(pq.read_table("out2.parquet"))
        assert found.drop_columns("patient_id").equals(plain(expected).drop_columns("patient_id"))
    record = record_of("out2.parquet")
    assert record["mapping"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert record["mapping"]["values"]["sex"] == {"Woman": "female", "Man": "male"}
    assert record["ignored_columns"] == ["extra"]


def test_notices_and_a_stale_extract(work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(people.drop_columns("bp_date").append_column("shoe_size", pa.array([1] * ROWS)), "odd.parquet")
    assert run(["score", "odd.parquet", "-o", "out.csv", "--as-of", "2026-12-31"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "days before the as-of date: is this extract stale?" in shown
    assert "no column bp_date" in shown
    assert "columns not read: shoe_size" in shown
    record = record_of("out.csv")
    assert len(record["warnings"]) == 1
    assert record["ignored_columns"] == ["shoe_size"]


def test_the_summary_for_people(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert f"{ROWS:,} patients in, {ROWS:,} out, 0 excluded" in shown
    for words in ("specialist end of life", "unoptimised", "red", "amber", "very high", "out.parquet.run.json"):
        assert words in shown
    assert max(map(len, shown.splitlines())) <= 100
    assert not any(line != line.rstrip() for line in shown.splitlines())


def test_the_summary_for_programs(work: Path) -> None:
    done = command("score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["rows"]["out"] == ROWS
    assert summary["output"] == "out.parquet"
    assert summary["groups"] == record_of("out.parquet")["groups"]


def test_names_with_brackets_are_shown_as_they_are(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("list.parquet").rename("[bold]list[1].parquet")
    assert run(["score", "[bold]list[1].parquet", "-o", "[red]out.csv", "--as-of", AS_OF]) == 0
    assert "[red]out.csv" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_an_age_in_the_input_does_not_change_the_one_in_the_output(work: Path, people: pa.Table, suffix: str) -> None:
    score("list.parquet", "-o", f"out{suffix}")
    pq.write_table(people.append_column("age", pa.array([50] * ROWS)), "aged.parquet")
    score("aged.parquet", "-o", f"again{suffix}")
    assert Path(f"again{suffix}").read_bytes() == Path(f"out{suffix}").read_bytes()


def test_an_output_is_replaced_by_a_re_run_or_by_force(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(*arguments: str) -> str:
        before = {p.name: p.read_bytes() for p in work.glob("out.csv*")}
        capsys.readouterr()
        assert run(["score", "list.parquet", "-o", "out.csv", *arguments]) == 2
        assert {p.name: p.read_bytes() for p in work.glob("out.csv*")} == before
        return capsys.readouterr().err

    Path("out.csv").write_text("old")
    assert "out.csv: exists, and no record says what made it; give --force to replace it" in refused("--as-of", AS_OF)
    score("list.parquet", "-o", "out.csv", "--force")
    assert Path("out.csv").stat().st_size > 100_000
    score("list.parquet", "-o", "out.csv")
    told = refused("--as-of", "2026-05-31")
    assert f"out.csv: exists and was made by score as of {AS_OF} with pack london-2026" in told
    assert "was made by score" in refused("--as-of", AS_OF, "--pack", "admission-12m")
    Path("out.csv").write_text("something else by now")
    assert "is not the file that its record describes" in refused("--as-of", AS_OF)
    Path("out.csv.run.json").write_text("{" * 100_000)
    assert "no record says what made it" in refused("--as-of", AS_OF)


# -- check, synth, explain, packs -------------------------------------------------------------------------------


def test_check_writes_nothing_and_counts_every_column(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["synth", "-n", "5000", "--seed", "3", "--as-of", AS_OF, "-o", "dirty.parquet", "--dirty"]) == 0
    before = sorted(p.name for p in work.iterdir())
    capsys.readouterr()
    assert run(["check", "dirty.parquet", "--as-of", AS_OF, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"]["in"] == 5000
    assert sum(n for reasons in found["quality"].values() for n in reasons.values()) > 10
    assert "groups" not in found
    assert sorted(p.name for p in work.iterdir()) == before
    assert run(["check", "list.parquet", "--as-of", AS_OF]) == 0
    assert "no implausible value" in capsys.readouterr().out


def test_synth_writes_the_same_list_again(work: Path, people: pa.Table) -> None:
    for name in ("a.parquet", "b.parquet", "c.csv", "d.arrow"):
        assert run(["synth", "--patients", str(ROWS), "--seed", "7", "--as-of", AS_OF, "-o", name, "--quiet"]) == 0
    assert Path("a.parquet").read_bytes() == Path("b.parquet").read_bytes()
    assert plain(pq.read_table("a.parquet")).equals(plain(people))
    assert pa.ipc.open_file("d.arrow").read_all().num_rows == ROWS
    score("c.csv", "-o", "out.csv")


def test_synth_writes_next_years_outcomes_beside_the_list(
    work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["synth", "-n", str(ROWS), "--seed", "7", "--as-of", AS_OF]
    assert run([*given, "-o", "a.parquet", "--outcomes", "o.parquet"]) == 0
    assert "a.parquet and o.parquet" in capsys.readouterr().out
    drawn = synthetic.outcomes(people, seed=7, as_of=dt.date(2026, 6, 30))
    assert plain(pq.read_table("o.parquet")).equals(plain(drawn))
    assert run([*given, "-o", "b.parquet", "--outcomes", "o.csv", "--dirty", "--threads", "1", "--quiet"]) == 0
    with Path("o.csv").open() as file:
        assert file.readline() == '"patient_id","admitted_12m","days","event","censoring"\n'
        events = sum(",true\n" in line or ",true," in line for line in file)
    assert events == sum(drawn["event"].to_pylist())  # of the people, not of what a dirty record says of them


def test_synth_writes_list_and_outcomes_or_neither(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, told in (("a.parquet", "choose another"), ("o.xlsx", "should end in"), ("nowhere/o.csv", "nowhere")):
        assert run(["synth", "-n", "50", "--as-of", AS_OF, "-o", "a.parquet", "--outcomes", name]) == 2
        assert told in capsys.readouterr().err
        assert not Path("a.parquet").exists()


def test_synth_dirty_comes_with_a_list_that_must_be_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["synth", "-n", "500", "--as-of", AS_OF, "-o", "d.parquet", "--dirty"]) == 0
    assert sorted(p.name for p in work.glob("d.*")) == ["d.duplicates.parquet", "d.parquet", "d.parquet.run.json"]
    score("d.parquet", "-o", "out.csv")
    assert run(["score", "d.duplicates.parquet", "-o", "out2.csv", "--as-of", AS_OF]) == 2
    assert "occur more than once" in capsys.readouterr().err


def test_explain_finds_the_patient(work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    ids = people.column("patient_id").to_pylist()
    assert run(["explain", "list.parquet", "--patient", str(ids[1500]), "--as-of", AS_OF]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 20
    pa_csv.write_csv(plain(people), "list.csv")
    assert run(["explain", "list.csv", "--patient", str(ids[1500]), "--as-of", AS_OF]) == 0
    capsys.readouterr()
    for unknown in ("31415926535", "not-there", "9" * 40):
        assert run(["explain", "list.parquet", "--patient", unknown, "--as-of", AS_OF]) == 2
        error = capsys.readouterr().err
        assert "no row has the id asked for" in error
        assert unknown not in error


def test_packs(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["packs", "list"]) == 0
    assert "london-2026" in capsys.readouterr().out
    assert run(["packs", "show", "london-2026"]) == 0
    assert "CHA" in capsys.readouterr().out
    assert run(["packs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_packs_diff(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ours.toml").write_text('[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\n')
    assert run(["packs", "diff", "london-2026", "ours.toml", "--data", "list.parquet", "--as-of", AS_OF]) == 0
    capsys.readouterr()
    assert run(["packs", "diff", "london-2026", "ours.toml", "--as-of", AS_OF, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) is not None


def test_packs_check(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("ours.toml").write_text('[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\n')
    assert run(["packs", "check", "ours.toml", "--as-of", AS_OF]) == 0
    assert "no fault found" in capsys.readouterr().out
    Path("ours.toml").write_text('[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\nx = 1\n')
    assert run(["packs", "check", "ours.toml"]) == 2
    assert capsys.readouterr().err.startswith("error: ours.toml:")


def test_version_and_help() -> None:
    version = command("--version")
    assert (version.returncode, version.stdout.split()[0]) == (0, "popstrat")
    shown = command("--help")
    assert shown.returncode == 0
    for name in ("fit", "recalibrate", "score", "check", "synth", "explain", "packs"):
        assert name in shown.stdout


def test_help_does_not_wait_for_arrow() -> None:
    code = "import sys; from popstrat.cli import run; run(['--help']); print([m for m in sys.modules if m in %r])"
    heavy = ["pyarrow", "numpy", "numba", "polars", "rich"]
    done = subprocess.run([sys.executable, "-c", code % heavy], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has loaded when it is done, as it is installed: a process of its own, `main`."""
    code = (
        "import atexit, sys; from popstrat.cli import main; "
        "atexit.register(lambda: print('\\nMODULES', *sys.modules, file=sys.stderr)); main()"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stderr.rpartition("MODULES ")[2].split())


SHARED = ("conversion", "environment", "log", "main", "options", "terminal")


PAIRS = pytest.mark.nightly("every command with every format; by day score with each, and each with Parquet")


@pytest.mark.parametrize(
    ("command", "suffix"),
    [
        pytest.param(command, suffix, marks=() if command == "score" or suffix == ".parquet" else PAIRS)
        for command in ("score", "score-secondary", "check")
        for suffix in (".parquet", ".arrow", ".csv")
    ],
)
def test_scoring_loads_nothing_that_it_does_not_need(work: Path, command: str, suffix: str) -> None:
    assert run(["synth", "-n", "300", "-o", f"short{suffix}", "--as-of", "2026-06-30", "--quiet"]) == 0
    arguments = [command.partition("-")[0], f"short{suffix}", "--as-of", "2026-06-30", "--quiet"]
    if command != "check":
        arguments += ["-o", f"out{suffix}"]
    if command == "score-secondary":
        arguments += ["--profile", "secondary-use"]
    modules = loaded(*arguments)
    assert f"popstrat.runs.{command.partition('-')[0]}" in modules
    heavy = {"duckdb", "glum", "jinja2", "llvmlite", "matplotlib", "numba", "pandas", "polars", "rich", "scipy",
             "sklearn", "statsmodels", "tomlkit"}  # fmt: skip
    assert not {name.partition(".")[0] for name in modules} & heavy
    unneeded = ("pyarrow.dataset", "popstrat.fitting", "popstrat.metrics", "popstrat.upload", "popstrat.validation",
                "popstrat.privacy.pseudonymise", "popstrat.privacy.audit_log", "popstrat.deriving")  # fmt: skip
    assert not [name for name in modules if name.startswith(unneeded)]
    commands = {name for name in modules if name.startswith("popstrat.cli.")}
    also = ("coded_record",) if arguments[0] == "score" else ()
    assert commands == {f"popstrat.cli.{name}" for name in (*SHARED, arguments[0], *also)}


def test_explaining_does_not_wait_for_pandas(work: Path, people: pa.Table) -> None:
    patient = str(people["patient_id"][5].as_py())
    modules = loaded("explain", "list.parquet", "--patient", patient, "--as-of", AS_OF)
    assert "popstrat.pages.explain" in modules
    assert not {"pandas", "numba", "scipy"} & modules


def test_figures_wait_for_no_compiler(work: Path, people: pa.Table) -> None:
    """numba is in none of the packages that a plain installation asks for."""
    modules = loaded("metrics", "list.parquet", "--as-of", AS_OF, "-o", "figures.parquet", "--quiet")
    assert "popstrat.engine.tables.walk" in modules
    assert not {"numba", "llvmlite"} & modules


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize(("closed", "status"), [(">/dev/full", 1), (">&-", 0), ("2>&-", 0), (">&- 2>&-", 0)])
def test_streams_that_take_nothing(work: Path, closed: str, status: int) -> None:
    """One message and an exit status of ours, whatever the interpreter finds in its buffers at the end."""
    line = f"{sys.executable} -m popstrat score list.parquet -o out.parquet --as-of 2026-06-30 {closed}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, env=environment)
    expected = "error: No space left on device; nothing was written\n" if status else ""
    assert (done.returncode, done.stderr) == (status, expected)
    assert Path("out.parquet").exists()


def test_no_formula_gets_into_a_scored_csv(work: Path, people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    """Text of strangers is neutral, an id that would have to be changed is refused, and Parquet holds all of it."""
    codes = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "E85001"]
    odd = people.slice(0, 5).set_column(people.schema.get_field_index("practice_code"), "practice_code", [codes])
    pq.write_table(odd, "odd.parquet")
    score("odd.parquet", "-o", "out.csv")
    score("odd.parquet", "-o", "out.parquet")
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["practice_code"] for r in rows] == [f"'{c}" for c in codes[:4]] + codes[4:]
    assert pq.read_table("out.parquet")["practice_code"].to_pylist() == codes
    ids = pa.array(["p1", "=cmd|x", "p3", "p4", "p5"])
    pq.write_table(odd.set_column(0, "patient_id", ids), "odd.parquet")
    capsys.readouterr()
    assert run(["score", "odd.parquet", "-o", "new.csv", "--as-of", AS_OF]) == 2
    told = capsys.readouterr().err
    assert "column 'patient_id': has ids that begin with" in told
    assert "(row 2)" in told
    assert "cmd" not in told
    assert not list(work.glob("new.csv*"))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--profile", "secondary"], "one of 'direct-care', 'secondary-use' (did you mean 'secondary-use'?)."),
        (["--profile", "nobody"], "'nobody' is not one of 'direct-care', 'secondary-use'."),
        (["--threads", "x"], "'--threads': not a whole number"),
        (["--imd-release", "2015"], "'2015' is not one of '2019', '2025'"),
    ],
)  # fmt: skip
def test_a_choice_that_there_is_not(given: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "list.parquet", "-o", "out.parquet", *given]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert "Value error" not in message
