"""The coded record of a synthetic list: its files, its codes, and that the same arguments give the same bytes."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from round_trip import differing
from typer.testing import CliRunner

from popstrat import synthetic
from popstrat.cli.main import app
from popstrat.errors import InputError
from popstrat.packs.snomed import problem
from popstrat.synthetic import _codes

AS_OF = dt.date(2026, 6, 30)
TABLES = ("patients", "registrations", "events", "medications", "activity")


def _run(*args: object) -> str:
    given = [str(a) for a in args]
    result = CliRunner().invoke(app, ["synth", "--as-of", "2026-06-30", "-n", "300", *given])
    if result.exit_code:
        assert isinstance(result.exception, InputError), result.exception
        return str(result.exception)
    return result.output


@pytest.fixture(scope="module")
def slices() -> list[synthetic.CodedSlice]:
    return list(synthetic.coded_record(10_000, seed=5, as_of=AS_OF, events_per_patient=50))


def _all(slices: list[synthetic.CodedSlice], name: str) -> pa.Table:
    return pa.Table.from_batches([s.tables[name] for s in slices])


def test_rows_ascend_by_person(slices: list[synthetic.CodedSlice]) -> None:
    for name in TABLES:
        ids = _all(slices, name).column("patient_id").to_numpy()
        assert (np.diff(ids) >= 0).all(), name


def test_threads_make_no_difference(slices: list[synthetic.CodedSlice]) -> None:
    for threads in (1, 3):
        again = list(synthetic.coded_record(10_000, seed=5, as_of=AS_OF, events_per_patient=50, threads=threads))
        assert len(again) == len(slices)
        for one, other in zip(slices, again, strict=True):
            assert one.table.equals(other.table)
            assert all(one.tables[name].equals(other.tables[name]) for name in TABLES)


def test_there_are_about_as_many_events_as_asked_for(slices: list[synthetic.CodedSlice]) -> None:
    assert 48 < _all(slices, "events").num_rows / 10_000 < 52


def test_only_cells_with_a_reason_differ_from_the_list(slices: list[synthetic.CodedSlice]) -> None:
    plain = synthetic.table(10_000, seed=5, as_of=AS_OF)
    found = differing(pa.Table.from_batches([s.table for s in slices]), plain)
    told: dict[str, int] = {}
    for one in slices:
        for (column, reason), cells in one.adjusted.items():
            assert reason
            told[column] = told.get(column, 0) + cells
    assert found == told


def test_a_plain_record_is_of_the_listed_alone_and_means_the_same(slices: list[synthetic.CodedSlice]) -> None:
    plain = list(synthetic.coded_record(10_000, seed=5, as_of=AS_OF, plain=True))
    ids = _all(plain, "patients").column("patient_id")
    assert ids.equals(pa.Table.from_batches([s.table for s in plain]).column("patient_id"))
    assert _all(plain, "registrations").num_rows == 10_000
    for name in ("medications", "activity"):
        table = _all(plain, name)
        assert table.column("date").null_count == 0
        assert pc.max(table.column("date")).as_py() <= AS_OF
    assert _all(plain, "events").num_rows < _all(slices, "events").num_rows


def test_codes_are_well_formed_and_of_a_namespace_that_is_never_issued() -> None:
    texts = synthetic.code_lists()
    codes: list[str] = []
    for name, text in texts.items():
        rows = list(csv.reader(io.StringIO(text), delimiter="\t" if name == "clusters.txt" else ","))
        codes += [row[rows[0].index("SNOMED_code" if name == "clusters.txt" else "code")] for row in rows[1:]]
    assert len(codes) > 200
    codes += [str(c) for c in _codes.unlisted(3_500)[::100]]
    for code in codes:
        assert not problem(code), code
        assert code[-10:-3] == _codes.NAMESPACE


def test_no_code_is_in_two_lists_but_in_a_part_and_its_whole(slices: list[synthetic.CodedSlice]) -> None:
    unlisted = set(_codes.unlisted(3_500).tolist())
    listed = {int(line.split("\t")[2]) for line in synthetic.code_lists()["clusters.txt"].splitlines()[1:]}
    assert not unlisted & listed
    used = set(_all(slices, "events").column("code").unique().to_pylist())
    assert used <= unlisted | listed


def test_the_list_is_the_same_with_and_without_its_record(tmp_path: Path) -> None:
    assert "300 synthetic patients" in _run("-o", tmp_path / "alone.parquet")
    _run("-o", tmp_path / "list.parquet", "--events", tmp_path / "record", "--outcomes", tmp_path / "next.parquet")
    _run("-o", tmp_path / "other.parquet", "--outcomes", tmp_path / "other-next.parquet")
    assert (tmp_path / "alone.parquet").read_bytes() == (tmp_path / "list.parquet").read_bytes()
    assert (tmp_path / "next.parquet").read_bytes() == (tmp_path / "other-next.parquet").read_bytes()
    record = json.loads((tmp_path / "record" / "synth.run.json").read_text())
    for name in TABLES:
        rows = pq.read_metadata(tmp_path / "record" / f"{name}.parquet").num_rows
        assert rows == record["coded_record"]["rows"][name]
    assert {o["name"] for o in record["outputs"]} == {
        *(f"{name}.parquet" for name in TABLES), *synthetic.code_lists(),
    }  # fmt: skip


def test_the_record_alone_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "record"
    for _ in range(2):
        _run("--events", folder, "--threads", 1)
    first = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    _run("--events", tmp_path / "other", "--threads", 3)
    assert first == {p.name: p.read_bytes() for p in (tmp_path / "other").rglob("*") if p.is_file()}
    assert "made by synth as of 2026-06-30" in _run("--events", folder, "--as-of", "2026-05-31")
    assert first == {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "nothing to write"),
        (["--dirty", "--events", "{}/record"], "--dirty puts faults into the list"),
        (["--events", "{}/none/record"], "there is no such folder"),
        (["--events", "{}/file"], "something that is not a folder has that name"),
        (["--events", "{}/record", "--events-per-patient", "-1"], "between 0 and 10,000 events a patient"),
        (["--events", "{}/record", "--events-per-patient", "nan"], "between 0 and 10,000 events a patient"),
        (["--events", "{}", "-o", "{}/events.parquet"], "two files of this run would have this name"),
        (["-o", "{}/list.parquet", "--plain"], "--plain is for the coded record"),
        (["-o", "{}/list.parquet", "--events-per-patient", "5"], "--events-per-patient is for the coded record"),
    ],
)
def test_bad_arguments_are_told_and_nothing_is_left(tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "file").write_text("")
    assert message in " ".join(_run(*(a.replace("{}", str(tmp_path)) for a in args)).split())
    assert [p.name for p in tmp_path.rglob("*")] == ["file"]


def test_several_files_in_no_order_hold_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one = synthetic.write_coded_record(tmp_path / "a", 8_500, seed=1, as_of=AS_OF)
    other = synthetic.write_coded_record(
        tmp_path / "b", 8_500, seed=1, as_of=AS_OF, files=3, shuffled=True, form="arrow"
    )
    assert differing(one, other) == {}
    parts = [pa.ipc.open_file(p).read_all() for p in sorted((tmp_path / "b").glob("medications-*.arrow"))]
    assert len(parts) == 3
    order = [("patient_id", "ascending"), ("date", "ascending"), ("code", "ascending")]
    rows = pq.read_table(tmp_path / "a" / "medications.parquet")
    assert pa.concat_tables(parts).sort_by(order).equals(rows.sort_by(order))


@pytest.mark.parametrize("events", [-1.0, 10_001.0])
def test_numbers_out_of_range(events: float) -> None:
    with pytest.raises(InputError):
        synthetic.coded_record(10, as_of=AS_OF, events_per_patient=events)
