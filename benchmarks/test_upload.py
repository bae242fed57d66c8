"""The monthly upload against Polars splitting the scored table by practice and writing a CSV file for each.

The peer writes its files and is done. popstrat also checks the table's hash, forces every file to the disk, reads all
of them back, traces every row to the scored table, and writes a manifest; the ratio says what that costs.
"""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from measuring import CORES, Versus
from numpy.typing import NDArray

import popstrat
from popstrat.privacy import nhs_numbers
from popstrat.runs.score import run_score
from popstrat.synthetic import lookup, lookup_schema
from popstrat.upload.run import run_upload
from popstrat.upload.verify import verify

MakeList = Callable[[int, str], Path]
COLUMNS = {
    "patient_id": "patient_id", "practice_code": "practice_code", "as_of": "as_of", "risk_group": "nwl_risk_group",
    "cvrm_rag": "cvrm_rag", "long_term_conditions": "ltc_count", "frailty": "frailty_category",
    "admission_risk_band": "admission_risk_band",
}  # fmt: skip
NUMBERS = 909_090  # that are never issued, and so the longest list with a lookup


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    shutil.rmtree(tmp_path)


def _scored(source: Path, as_of: dt.date, folder: Path) -> Path:
    target = folder / "scored.parquet"
    run_score([source], target, popstrat.Scorer(as_of=as_of))
    return target


def _polars(scored: Path, target: Path, as_of: dt.date) -> None:
    target.mkdir()
    frame = pl.read_parquet(scored, columns=[c for c in COLUMNS.values() if c != "as_of"])
    frame = frame.with_columns(as_of=pl.lit(as_of.isoformat())).select(**{k: pl.col(v) for k, v in COLUMNS.items()})
    for (practice,), rows in frame.partition_by("practice_code", as_dict=True, maintain_order=True).items():
        rows.write_csv(target / f"{practice}_{as_of}.csv", quote_style="non_numeric", line_terminator="\r\n")


def test_upload(make_list: MakeList, patients: int, as_of: dt.date, versus: Versus, folder: Path) -> None:
    scored = _scored(make_list(patients, ".parquet"), as_of, folder)
    ours, theirs = folder / "ours", folder / "theirs"

    def upload() -> None:
        shutil.rmtree(ours, ignore_errors=True)
        run_upload(scored, ours, template="pseudonymous-csv")

    def polars() -> None:
        shutil.rmtree(theirs, ignore_errors=True)
        _polars(scored, theirs, as_of)

    upload()
    polars()
    assert {p.name for p in ours.glob("*.csv")} == {p.name for p in theirs.iterdir()}
    for path in theirs.iterdir():
        with (
            path.open(newline="", encoding="utf-8") as one,
            (ours / path.name).open(newline="", encoding="utf-8") as two,
        ):
            assert list(csv.reader(one)) == list(csv.reader(two))
    versus("upload, a file for each practice", upload, patients=patients, threads=CORES, peer=("Polars", polars))


@pytest.mark.parametrize("again", [False, True])
def test_upload_with_lookup(
    make_list: MakeList, patients: int, as_of: dt.date, again: bool, versus: Versus, folder: Path
) -> None:
    """Also NHS numbers joined, checked and traced, and last month compared; no peer."""
    patients = min(patients, NUMBERS)
    source = make_list(patients, ".parquet")
    scored = _scored(source, as_of, folder)
    (folder / "before").mkdir()
    before = _scored(source, as_of - dt.timedelta(30), folder / "before")
    ids = folder / "lookup.parquet"
    pq.write_table(pa.Table.from_batches(list(lookup(patients, seed=1, as_of=as_of)), lookup_schema()), ids)

    def upload() -> None:
        shutil.rmtree(folder / "out", ignore_errors=True)
        run_upload(
            scored, folder / "out", template="neutral-csv", lookup=ids, previous=before, audit=folder / "audit.log"
        )

    upload()
    assert verify(folder / "out").manifest["totals"]["written"] == patients
    if again:
        versus("verify an upload", lambda: verify(folder / "out"), patients=patients, threads=CORES)
    else:
        versus("upload with lookup and last month", upload, patients=patients, threads=CORES)


def _numpy_check(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Modulus 11, all numbers at once, a digit at a time."""
    left, check = np.divmod(numbers, 10)
    total = np.zeros(len(numbers), np.int64)
    for weight in range(2, 11):
        left, digit = np.divmod(left, 10)
        total += weight * digit
    found: NDArray[np.bool_] = ((11 - total % 11) % 11 == check) & (numbers >= 10**9) & (numbers < 10**10)
    return found


def test_check_digits(patients: int, versus: Versus) -> None:
    numbers = np.random.default_rng(1).integers(9_990_000_000, 10_000_000_000, patients)
    column = pa.array(numbers)
    passed = nhs_numbers.check(column)[1] != nhs_numbers.FAILED
    assert np.array_equal(passed, _numpy_check(numbers))
    assert 0.08 < passed.mean() < 0.1
    versus(
        "check digits of whole numbers",
        lambda: nhs_numbers.check(column),
        patients=patients,
        threads=1,
        peer=("NumPy", lambda: _numpy_check(numbers)),
        peer_threads=1,
    )


def test_check_digits_of_text(patients: int, versus: Versus) -> None:
    numbers = np.random.default_rng(1).integers(9_990_000_000, 10_000_000_000, patients)
    text = pa.array(numbers).cast(pa.string())
    assert np.array_equal(nhs_numbers.check(text)[0], numbers)
    versus("check digits of text", lambda: nhs_numbers.check(text), patients=patients, threads=1)
