"""What governance asks of scoring: opt-outs on every path, nothing identifiable but the key, the audit log."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.files import Outputs
from popstrat.privacy import audit_log as audit

pytestmark = pytest.mark.smoke

AS_OF = "2026-06-30"
ROWS = 3000
OPT_OUTS = ("type1_opt_out", "national_data_opt_out")
SECONDARY = ("--profile", "secondary-use")


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(ROWS, seed=9, as_of=dt.date(2026, 6, 30))


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (audit.KEY_VARIABLE, audit.KEY_FILE_VARIABLE, audit.LOG_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def score(*options: str) -> int:
    return run(["score", "list.parquet", "-o", "out.parquet", "--as-of", AS_OF, "--quiet", *options])


def record() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("out.parquet.run.json").read_text())
    return found


def staying(people: pa.Table) -> list[int]:
    """The ids of those who have not opted out, the long way round."""
    rows = people.select(["patient_id", *OPT_OUTS]).to_pylist()
    return [r["patient_id"] for r in rows if not any(r[o] for o in OPT_OUTS)]


# -- opt-outs: the same people are left out on every path -----------------------------------------------------------


def by_command(suffix: str) -> Callable[[pa.Table], list[int]]:
    def ids(people: pa.Table) -> list[int]:
        if suffix == ".csv":
            plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in people.columns]
            pa_csv.write_csv(pa.table(plain, names=people.column_names), "list.csv")
        elif suffix == ".arrow":
            with pa.ipc.new_file("list.arrow", people.schema) as out:
                out.write_table(people, 500)
        else:
            pq.write_table(people, "list.parquet", row_group_size=700)
        assert run(["score", f"list{suffix}", "-o", "out.parquet", "--as-of", AS_OF, "-q", *SECONDARY]) == 0
        return [int(i) for i in pq.read_table("out.parquet").column("patient_id").to_pylist()]

    return ids


def by_library(people: pa.Table) -> list[int]:
    return list(popstrat.score(people, AS_OF, profile="secondary-use").column("patient_id").to_pylist())


def by_batches(people: pa.Table) -> list[int]:
    scorer = popstrat.Scorer(as_of=AS_OF, profile="secondary-use")
    scored = scorer.score_batches(people.to_batches(max_chunksize=333))
    return [i for batch in scored for i in batch.column("patient_id").to_pylist()]


PATHS = {
    "parquet": by_command(".parquet"), "arrow": by_command(".arrow"), "csv": by_command(".csv"),
    "library": by_library, "batches": by_batches,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_who_opted_out_is_left_out_on_every_path(people: pa.Table, path: str) -> None:
    expected = staying(people)
    assert 0 < len(expected) < ROWS
    assert PATHS[path](people) == expected


def test_direct_care_leaves_nobody_out(people: pa.Table) -> None:
    pq.write_table(people, "list.parquet")
    assert score() == 0
    assert record()["rows"] == {"in": ROWS, "out": ROWS, "excluded": 0, "excluded_by_reason": {}}


FLAG = st.sampled_from([None, False, True])
FLAGS = {
    "bool": lambda v: pa.array(v, pa.bool_()),
    "int8": lambda v: pa.array([None if x is None else int(x) for x in v], pa.int8()),
    "float64": lambda v: pa.array([None if x is None else float(x) for x in v], pa.float64()),
    "text": lambda v: pa.array([None if x is None else str(x) for x in v]),
    "dictionary": lambda v: pa.array([{None: None, True: "YES", False: "no"}[x] for x in v], "str").dictionary_encode(),
}


@given(
    st.lists(st.tuples(FLAG, FLAG), min_size=1, max_size=40),
    st.sampled_from(sorted(FLAGS)),
    st.sampled_from(sorted(FLAGS)),
    st.integers(0, 3),
)  # fmt: skip
def test_opt_outs_in_every_type_and_combination(
    flags: list[tuple[bool | None, bool | None]], first: str, second: str, skip: int
) -> None:
    rows = len(flags)
    table = pa.table(
        {
            "patient_id": range(rows),
            "practice_code": ["Y00001"] * rows,
            "age": [50] * rows,
            "sex": ["female"] * rows,
            OPT_OUTS[0]: FLAGS[first]([a for a, _ in flags]),
            OPT_OUTS[1]: FLAGS[second]([b for _, b in flags]),
        }
    ).slice(skip)
    there = list(enumerate(flags))[skip:]
    untyped = any(pa.types.is_null(table.schema.field(name).type) for name in OPT_OUTS)
    if untyped or (there and any(all(both[i] is None for _, both in there) for i in (0, 1))):  # says nothing
        with pytest.raises(popstrat.InputError, match="needs this column filled"):
            popstrat.score(table, AS_OF, profile="secondary-use", record=True)
        return
    scored, found = popstrat.score(table, AS_OF, profile="secondary-use", record=True)
    assert scored.column("patient_id").to_pylist() == [i for i, (a, b) in there if not a and not b]
    assert found["rows"]["excluded_by_reason"] == {
        "type 1 opt-out": sum(bool(a) for _, (a, _) in there),
        "national data opt-out": sum(bool(b) and not a for _, (a, b) in there),
    }


def test_who_opted_out_is_in_no_count(people: pa.Table) -> None:
    """Groups, means and quality counts are of those who stay: as if the others had never been on the list."""
    pq.write_table(people, "list.parquet")
    assert score(*SECONDARY) == 0
    whole = record()
    kept = set(staying(people))
    pq.write_table(
        people.filter(pa.array([i in kept for i in people.column("patient_id").to_pylist()])), "list.parquet"
    )
    assert score() == 0
    for part in ("groups", "means", "quality", "newest_record_date"):
        assert whole[part] == record()[part]


def test_a_mapped_opt_out_counts_too(people: pa.Table) -> None:
    names = ["NDO" if n == OPT_OUTS[1] else n for n in people.column_names]
    pq.write_table(people.rename_columns(names), "list.parquet")
    Path("map.toml").write_text('[columns]\nnational_data_opt_out = "NDO"\n')
    assert score(*SECONDARY, "--map", "map.toml") == 0
    assert pq.read_table("out.parquet").column("patient_id").to_pylist() == staying(people)


# -- nothing identifiable but the key -------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["direct-care", "secondary-use"])
def test_the_scored_table_holds_no_identifier_but_the_key(people: pa.Table, profile: str) -> None:
    extra = {"nhs_number": "9990000018", "surname": "SECRETNAME", "postcode": "SECRETCODE"}
    for name, value in extra.items():
        people = people.append_column(name, pa.array([value] * ROWS))
    pq.write_table(people, "list.parquet")
    assert score("--profile", profile) == 0
    expected = popstrat.Scorer(as_of=AS_OF).output_schema.names
    assert pq.read_schema("out.parquet").names == expected
    assert not {*extra, "date_of_birth", "ethnicity", "imd_decile"} & set(expected)
    everything = Path("out.parquet").read_bytes() + Path("out.parquet.run.json").read_bytes()
    assert not any(value.encode() in everything for value in extra.values())


def test_the_run_record_holds_no_key(people: pa.Table) -> None:
    keys = [f"SECRETKEY{i:05}" for i in range(ROWS)]
    pq.write_table(people.set_column(0, "patient_id", pa.array(keys)), "list.parquet")
    assert score("--audit", "log") == 0
    assert "SECRETKEY" not in Path("out.parquet.run.json").read_text() + Path("log").read_text()


# -- the audit log --------------------------------------------------------------------------------------------------


def test_an_audited_run_leaves_a_line(people: pa.Table) -> None:
    pq.write_table(people, "list.parquet")
    assert score("--audit", "log", *SECONDARY) == 0
    assert audit.verify("log").events == {"score": 1}
    line, made = json.loads(Path("log").read_text()), record()
    assert (line["profile"], line["as_of"]) == ("secondary-use", AS_OF)
    assert line["pack"] == {k: made["pack"][k] for k in ("id", "version", "sha256")}
    assert line["inputs"] == [{"name": "list.parquet", "rows": ROWS, "sha256": made["inputs"][0]["sha256"]}]
    assert line["rows"] == {k: made["rows"][k] for k in ("in", "out", "excluded")}
    assert line["excluded"] == made["rows"]["excluded_by_reason"]
    content = Path("out.parquet").read_bytes()
    assert line["output"]["sha256"] == hashlib.sha256(content).hexdigest()


def test_the_environment_names_the_log(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(people, "list.parquet")
    monkeypatch.setenv(audit.LOG_VARIABLE, "log")
    assert score() == score() == 0
    assert audit.verify("log").lines == 2


def test_a_run_that_is_refused_leaves_no_line(people: pa.Table) -> None:
    pq.write_table(people.drop_columns(["sex"]), "list.parquet")
    assert score("--audit", "log") == 2
    assert not Path("log").exists()


def test_a_log_that_was_tampered_with_stops_the_run_before_it_starts(
    people: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(people, "list.parquet")
    audit.append("log", "score")
    audit.append("log", "score")
    Path("log").write_text(Path("log").read_text().splitlines()[0] + "\n")
    monkeypatch.setattr("popstrat.runs.score.score_files", lambda *_, **__: pytest.fail("the work began"))
    assert score("--audit", "log") == 2
    assert "does not end where its head file says" in capsys.readouterr().err
    assert not Path("out.parquet").exists()


def test_a_file_named_by_an_nhs_number_stops_an_audited_run(
    people: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(people, "9990000018.parquet")
    assert run(["score", "9990000018.parquet", "-o", "out.parquet", "--as-of", AS_OF, "--audit", "log"]) == 2
    assert "looks like an NHS number" in capsys.readouterr().err


def test_the_log_is_no_output(people: pa.Table, capsys: pytest.CaptureFixture[str]) -> None:
    pq.write_table(people, "list.parquet")
    for name in ("out.parquet", "./list.parquet"):
        assert score("--audit", name) == 2
        assert "neither an input nor an output" in capsys.readouterr().err
    assert {p.name for p in Path().iterdir()} == {"list.parquet"}


def test_without_its_line_no_output_appears(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(people, "list.parquet")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "append", fails)
    assert score("--audit", "log") == 1
    assert {p.name for p in Path().iterdir()} == {"list.parquet", "log"}


def test_outputs_that_fail_after_their_line_leave_another(people: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(people, "list.parquet")

    def fails(self: Outputs) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Outputs, "commit", fails)
    assert score("--audit", "log") == 1
    assert audit.verify("log").events == {"score": 1, "score-failed": 1}
    assert not Path("out.parquet").exists()
