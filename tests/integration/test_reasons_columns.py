"""`score --reasons` and what an upload makes of it: the same words as `explain`, in order, for whom the template is."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from popstrat.cli import run
from popstrat.core.dates import parse_as_of
from popstrat.reasons.sentences import COLUMNS, Sentences
from popstrat.reasons.trace import trace
from popstrat.scoring.scorer import Scorer

AS_OF = "2026-06-30"


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reasons")
    synth = ["synth", "--patients", "3000", "--seed", "4", "--as-of", AS_OF, "--practices", "2", "-q"]
    assert run([*synth, "-o", str(folder / "list.parquet"), "--lookup", str(folder / "lookup.parquet")]) == 0
    for form in ("parquet", "arrow", "csv"):
        target = str(folder / f"scored.{form}")
        assert run(["score", str(folder / "list.parquet"), "--as-of", AS_OF, "--reasons", "-o", target, "-q"]) == 0
    return folder


def test_every_format_says_what_explain_says(work: Path) -> None:
    scored = pq.read_table(work / "scored.parquet")
    assert scored.schema.names[-len(COLUMNS) :] == list(COLUMNS)
    plain = work / "plain.parquet"
    assert run(["score", str(work / "list.parquet"), "--as-of", AS_OF, "-o", str(plain), "-q"]) == 0
    assert scored.drop_columns(list(COLUMNS)).equals(pq.read_table(plain))
    rows = scored.select(list(COLUMNS)).to_pylist()
    assert pa.ipc.open_file(work / "scored.arrow").read_all().select(list(COLUMNS)).to_pylist() == rows
    texts = pa_csv.ConvertOptions(column_types=dict.fromkeys(COLUMNS, pa.string()), strings_can_be_null=True)
    found = pa_csv.read_csv(work / "scored.csv", convert_options=texts)
    assert found.select(list(COLUMNS)).to_pylist() == rows
    scorer = Scorer(as_of=AS_OF)
    sentences, people = Sentences(scorer), pq.read_table(work / "list.parquet")
    for i in range(0, 3000, 150):
        told = trace(scorer, people.slice(i, 1), sentences).told
        assert rows[i] == {g: ". ".join(t.text for t in told if t.under == g) or None for g in COLUMNS}


def test_secondary_use_has_no_reasons(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--as-of", AS_OF, "--reasons", "--profile", "secondary-use", "-o", str(work / "no.parquet")]
    assert run(["score", str(work / "list.parquet"), *options]) == 2
    assert "secondary-use" in capsys.readouterr().err
    assert not (work / "no.parquet").exists()


def test_a_pack_with_such_a_column_is_refused(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = '[pack]\nid = "x"\nversion = "1"\n[definition.due]\nkind = "expression"\ntitle = "D"\nversion = "1"\n'
    (work / "x.toml").write_text(f'{head}source = "s"\nvalue = "age >= 18"\noutput = true\n', encoding="utf-8")
    options = ["--as-of", AS_OF, "--reasons", "--pack", str(work / "x.toml"), "-o", str(work / "no.parquet")]
    assert run(["score", str(work / "list.parquet"), *options]) == 2
    assert "column 'due': is a column of the pack" in capsys.readouterr().err


def test_the_work_list_of_a_practice(work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored = {row["patient_id"]: row for row in pq.read_table(work / "scored.parquet").to_pylist()}
    keys = {row["nhs_number"]: row["patient_id"] for row in pq.read_table(work / "lookup.parquet").to_pylist()}
    named = ["--lookup", str(work / "lookup.parquet"), "--audit", str(tmp_path / "log.jsonl"), "-q"]
    for form in ("parquet", "csv"):
        out = tmp_path / form
        assert run(["upload", str(work / f"scored.{form}"), "-o", str(out), "--template", "work-list", *named]) == 0
        assert run(["verify", str(out), "--audit", str(tmp_path / "log.jsonl"), "-q"]) == 0
        seen: set[int] = set()
        for path in sorted(out.glob("*.csv")):
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
            people = [scored[keys[row["NHS number"]]] for row in rows]
            seen |= {person["patient_id"] for person in people}
            colours = ["red", "amber", "green", None]
            order = [(colours.index(p["need_rag"]), -(p["admission_risk"] or -1.0)) for p in people]
            assert order == sorted(order)
            for row, person in zip(rows, people, strict=True):
                assert row["Not at target"] == (person["not_at_target"] or "")
                assert row["Why"] == person["why"]
                assert row["As of"] == f"{parse_as_of(AS_OF):%d/%m/%Y}"
        chosen = {
            key for key, p in scored.items()
            if p["need_rag"] == "red" or p["frailty_int_priority"] or p["mltc_int_priority"]
        }  # fmt: skip
        assert seen == chosen
        assert len(seen) > 50


def test_dates_are_those_of_the_list(work: Path) -> None:
    """Of whom a date is told, it is the date in the list."""
    people, rows = pq.read_table(work / "list.parquet").to_pylist(), pq.read_table(work / "scored.parquet").to_pylist()
    told = 0
    for person, row in zip(people, rows, strict=True):
        for part in (row["due"] or "").split(". "):
            if part.startswith("Urine ACR due, last on "):
                shown = part.removeprefix("Urine ACR due, last on ").split(":")[0]
                assert dt.datetime.strptime(shown, "%d %B %Y").date() == person["acr_date"]
                told += 1
    assert told > 20
