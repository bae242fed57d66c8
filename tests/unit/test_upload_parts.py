"""Rows dealt out to partitions, repeats found, the cohort filter, ages, the file that is hashed while it grows."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from popstrat import synthetic
from popstrat.core.dates import completed_years as years_of_one
from popstrat.errors import InputError, RunError
from popstrat.formats.pipeline import HashBehind
from popstrat.privacy.nhs_numbers import passes
from popstrat.synthetic._lookup import numbers
from popstrat.upload.identify import completed_years
from popstrat.upload.manifest import FileEntry, PracticeEntry, add_up, list_practices
from popstrat.upload.movers import compare, merged
from popstrat.upload.partition import Partitions, Repeats, partition_of_keys, partition_of_numbers, partitions_for
from popstrat.upload.practices import ELSEWHERE, Numbering
from popstrat.upload.templates.cohort import read_cohort
from popstrat.upload.templates.layout import resolve_layout
from popstrat.upload.templates.settings import load_settings
from popstrat.upload.templates.sources import CHANGES, ScoredColumn
from popstrat.upload.templates.template import load_template
from popstrat.upload.templates.toml_file import Fault

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("partitions", [1, 2, 7])
def test_partitions_keep_rows_and_their_order(tmp_path: Path, partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("popstrat.upload.partition._WRITE_ROWS", 40)
    schema = pa.schema([("key", pa.string()), ("row", pa.int64())])
    rows = pa.table({"key": [f"k{i % 50}" for i in range(1000)], "row": range(1000)}, schema=schema)
    dealt = Partitions(tmp_path, "x", schema, partitions)
    for batch in rows.to_batches(max_chunksize=33):
        dealt.add(batch, partition_of_keys(batch.column(0), partitions))
    dealt.finish()
    found = [table.to_pylist() for table in dealt]
    assert sorted((r["row"], r["key"]) for part in found for r in part) == [(i, f"k{i % 50}") for i in range(1000)]
    whose = [{r["key"] for r in part} for part in found]
    assert sum(map(len, whose)) == 50  # a key is in one partition only
    assert all([r["row"] for r in part] == sorted(r["row"] for r in part) for part in found)
    dealt.close()
    assert not list(tmp_path.iterdir())


def test_how_many_partitions() -> None:
    assert [partitions_for(n, 100) for n in (0, 1, 100, 101, 1000, 10**9)] == [1, 1, 1, 2, 10, 128]
    assert partitions_for(None) == 128


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(0, 5), max_size=60), st.sampled_from([1, 4]))
def test_repeats(values: list[int], partitions: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        repeats = Repeats(Path(folder), "r", partitions)
        for at in range(0, len(values), 9):
            repeats.add(np.array(values[at : at + 9], np.int64))
        assert repeats.finish().tolist() == sorted(v for v, n in Counter(values).items() if n > 1)


def test_equal_numbers_go_to_the_same_partition() -> None:
    values = np.arange(-500, 500)
    first, second = partition_of_numbers(values, 16), partition_of_numbers(values[::-1].copy(), 16)
    assert first is not None
    assert second is not None
    assert first.tolist() == second.tolist()[::-1]
    assert len(set(first.tolist())) == 16


SCORED = {
    "group": ScoredColumn("group", "label", ("high", "mid", "low")),
    "flag": ScoredColumn("flag", "flag", ("false", "true")),
    "risk": ScoredColumn("risk", "number"),
    "count": ScoredColumn("count", "number"),
}
DATA = {
    "group": pa.array([0, 1, 2, None], pa.int16()),
    "flag": pa.array([True, False, None, True]),
    "risk": pa.array([0.5, 0.2, None, 0.1]),
    "count": pa.array([3, 1, 0, None], pa.uint8()),
}


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        ("flag", [0, 3]),
        ("not flag", [1, 2]),  # a flag without a record is false
        ("risk >= 0.2", [0, 1]),
        ("not (risk >= 0.2)", [3]),  # unknown is not true
        ("risk is null", [2]),
        ("risk is not null and group is null", [3]),
        ('group == "high"', [0]),
        ('group != "high"', [1, 2]),
        ('group in {"high", "low"}', [0, 2]),
        ('group not in {"high", "low"}', [1]),
        ("count in {1, 3}", [0, 1]),
        ("0.1 <= risk <= 0.2", [1, 3]),
        ('flag or risk > 0.15 or group == "low"', [0, 1, 2, 3]),
        ("flag and risk < 0.3", [3]),
        ("count > risk", [0, 1]),
        ("true", [0, 1, 2, 3]),
        ("false", []),
    ],
)
def test_conditions(rule: str, rows: list[int]) -> None:
    cohort = read_cohort(rule, SCORED, dt.date(2026, 6, 30), Fault("x.toml"))
    assert cohort is not None
    found = cohort.holds(DATA, 4)
    assert found.null_count == 0
    assert np.flatnonzero(np.asarray(found)).tolist() == rows


@given(
    st.lists(st.dates(dt.date(1890, 1, 1), dt.date(2030, 1, 1)), min_size=1, max_size=20),
    st.dates(dt.date(2020, 1, 1), dt.date(2030, 1, 1)),
)
def test_ages_of_many_are_those_of_each(births: list[dt.date], as_of: dt.date) -> None:
    days = np.array([(b - dt.date(1970, 1, 1)).days for b in births], np.int32)
    assert completed_years(days, as_of).tolist() == [years_of_one(b, as_of) for b in births]


@pytest.mark.parametrize("birth", [dt.date(2004, 2, 29), dt.date(2004, 2, 28), dt.date(2004, 3, 1)])
def test_ages_about_the_end_of_february(birth: dt.date) -> None:
    for as_of in (dt.date(2025, 2, 28), dt.date(2025, 3, 1), dt.date(2024, 2, 29), dt.date(2024, 2, 28)):
        days = np.array([(birth - dt.date(1970, 1, 1)).days], np.int32)
        assert completed_years(days, as_of).tolist() == [years_of_one(birth, as_of)]


def test_a_file_is_hashed_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    with HashBehind(path) as hashed, path.open("wb", buffering=0) as out:
        for i in range(5):
            out.write(bytes([i]) * 70_000)
            time.sleep(0.03)
        assert hashed.bytes > 0  # it did not wait for the end
        out.write(b"last")
        out.close()
        assert hashed.finish() == hashlib.sha256(path.read_bytes()).hexdigest()
    assert hashed.bytes == 350_004
    with pytest.raises(FileNotFoundError), HashBehind(tmp_path / "none") as hashed:
        hashed.finish()
    with HashBehind(path):
        pass  # given up: the thread ends


# -- the synthetic lookup ----------------------------------------------------------------------------------------------


def lookup(**more: Any) -> pa.Table:
    given: dict[str, Any] = {"seed": 3, "as_of": dt.date(2026, 6, 30), **more}
    return pa.Table.from_batches(list(synthetic.lookup(5000, **given)), synthetic.lookup_schema())


def test_numbers_are_of_the_range_that_is_never_issued() -> None:
    free = numbers()
    assert len(free) == len(set(free.tolist())) == 909_090
    assert all(passes(str(n)) and 9_990_000_000 <= n < 9_999_999_999 for n in free[::997].tolist())


def test_a_clean_lookup_fits_its_list() -> None:
    people = synthetic.table(5000, seed=3, as_of=dt.date(2026, 6, 30))
    found = lookup()
    for name in ("patient_id", "date_of_birth"):
        assert found.column(name).to_pylist() == people.column(name).to_pylist()
    assert found.column("practice_code").to_pylist() == people.column("practice_code").to_pylist()
    assert len(set(found.column("nhs_number").to_pylist())) == 5000
    assert all(passes(n) for n in found.column("nhs_number").to_pylist())
    assert set(found.column("registration_status").to_pylist()) == {"registered"}
    assert lookup().equals(found)
    assert not lookup(seed=4).column("nhs_number").equals(found.column("nhs_number"))


def test_a_dirty_lookup_has_its_faults() -> None:
    rows = lookup(dirty=True).to_pylist()
    by_number = Counter(r["nhs_number"] for r in rows if r["nhs_number"])
    by_key = Counter(r["patient_id"] for r in rows)
    assert max(by_key.values()) == 2
    assert len(by_key) < 5000
    assert any(n > 1 for n in by_number.values())
    assert any(r["nhs_number"] is None for r in rows)
    assert any(r["nhs_number"] and not passes(r["nhs_number"]) for r in rows)
    assert {r["registration_status"] for r in rows} == {"registered", "deducted", "deceased", None}


def test_a_lookup_longer_than_the_range_is_refused() -> None:
    with pytest.raises(InputError, match="at most 909,090 people"):
        next(iter(synthetic.lookup(909_091, as_of=dt.date(2026, 6, 30))))


# -- practices and counts ----------------------------------------------------------------------------------------------


def test_practices_are_numbered_as_they_are_met() -> None:
    numbering = Numbering()
    assert numbering.indices(pa.array(["B", "A", "B"])).tolist() == [0, 1, 0]
    assert numbering.indices(pa.array(["C", "A"]).dictionary_encode()).tolist() == [2, 1]
    practices = numbering.practices()
    assert practices.codes == ("B", "A", "C")
    assert practices.indices(pa.array(["A", None, "elsewhere", "C"])).tolist() == [1, ELSEWHERE, ELSEWHERE, 2]
    assert practices.coded(pa.array([2, 0], pa.int32())).to_pylist() == ["C", "B"]


LAYOUT = resolve_layout(
    load_template("pseudonymous-csv"),
    load_settings(None),
    {
        c.name: c
        for c in (
            ScoredColumn("patient_id", "key"),
            ScoredColumn("practice_code", "practice"),
            ScoredColumn("nwl_risk_group", "label", ("high", "low")),
            *(ScoredColumn(n, "label", ("a", "b")) for n in ("cvrm_rag", "frailty_category", "admission_risk_band")),
            ScoredColumn("ltc_count", "number"),
        )
    },
    as_of=dt.date(2026, 6, 30),
    pack={"id": "p", "version": "1"},
    lookup=False,
    previous=True,
)


def test_who_moved() -> None:
    """Keys 1 to 6: up, down, the same, new, at another practice last month, no group now; and 9 has left."""
    keys = pa.array([1, 2, 3, 4, 5, 6])
    practice = np.array([0, 0, 1, 1, 1, 0], np.int32)
    group = pa.array([0, 1, 1, 0, 0, None], pa.int16())
    previous = pa.table(
        {
            "key": [9, 1, 2, 3, 5, 6],
            "practice": pa.array([ELSEWHERE, 0, 0, 1, 0, 0], pa.int32()),
            "at": pa.array([2, 0, 0, 1, 0, 0], pa.int32()),
            "before": pa.array([1, 1, 0, 1, 0, 0], pa.int16()),
            "held": [True, True, False, True, True, True],
        }
    ).combine_chunks()
    found = compare(keys, practice, group, previous, np.array([True, True, True]), LAYOUT)
    assert [CHANGES[i] for i in found.change.to_pylist()] == ["up", "down", "unchanged", "new", "new", "down"]
    assert found.before.to_pylist() == [1, 0, 1, None, None, 0]
    assert found.held.to_pylist() == [True, False, True, False, False, True]
    assert found.left.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]  # 5 of practice 0, and 9 of one not scored
    assert found.matched == 5
    assert found.elsewhere == {(0, 1): 1}  # 5
    last = replace(LAYOUT, most_severe_first=False)
    found = compare(keys, practice, group, previous, np.array([True, False, False]), last)
    assert [CHANGES[i] for i in found.change.to_pylist()] == ["down", "up", "unchanged", "new", "new", "down"]
    assert found.matched == 4  # of the practice asked for


def test_a_practice_most_of_which_is_elsewhere_has_merged() -> None:
    elsewhere = {(0, 1): 325, (1, 1): 2, (2, 0): 50, (3, 0): 51}
    assert merged(elsewhere, np.array([325, 90, 100, 100])) == [(0, 1, 325), (3, 0, 51)]


def test_counts_that_do_not_add_up_are_no_upload() -> None:
    file = FileEntry("A.csv", "patients", 3, 10, "00")
    whole = PracticeEntry(0, "A", 5, {"deceased": 1}, {"in no group": 1}, (1, 1, 1), None, (file,))
    listed = list_practices([whole], None, LAYOUT)
    assert listed[0]["written"] == 3
    assert listed[0]["groups"] == {"high": 1, "low": 1, "": 1}
    assert add_up(listed, 7, np.array([2]))["not_selected"] == {"in no group": 1, "practice not asked for": 2}
    with pytest.raises(RunError, match="8 rows were scored, and 7 are accounted for"):
        add_up(listed, 8, np.array([2]))
    with pytest.raises(RunError, match="1 rows of A are unaccounted for"):
        list_practices([replace(whole, scored=6)], None, LAYOUT)
