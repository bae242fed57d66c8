"""The coded record of a synthetic list, derived again, is that list, cell by cell."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from round_trip import differing
from typer.testing import CliRunner

from popstrat import synthetic
from popstrat.cli.main import app
from popstrat.runs.derive import derive

TABLES = ("patients", "registrations", "events", "medications", "activity")


def _derived(folder: Path, as_of: dt.date, form: str = "parquet", tables: Sequence[str] = TABLES) -> pa.Table:
    files: dict[str, Any] = {name: sorted(folder.glob(f"{name}*.{form}")) for name in tables}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the columns that are not derived
        return derive(**files, codelists=folder / "codelists", as_of=as_of)


@pytest.mark.parametrize(
    ("seed", "as_of"),
    [
        (1, dt.date(2026, 6, 30)),
        (2, dt.date(2024, 2, 29)),  # windows that begin on the last of a shorter month; ages in a leap year
        (3, dt.date(2025, 2, 28)),
        (4, dt.date(2026, 7, 1)),  # a definition changes on that day
    ],
)
def test_a_list_is_what_its_record_means(tmp_path: Path, seed: int, as_of: dt.date) -> None:
    patients = 9_000 if seed == 1 else 3_000  # more than one slice, and less
    expected = synthetic.write_coded_record(tmp_path, patients, seed=seed, as_of=as_of, events_per_patient=40)
    assert differing(_derived(tmp_path, as_of), expected) == {}


def test_a_plain_record_means_the_list_too(tmp_path: Path) -> None:
    as_of = dt.date(2026, 6, 30)
    expected = synthetic.write_coded_record(tmp_path, 3_000, seed=5, as_of=as_of, plain=True)
    assert differing(_derived(tmp_path, as_of), expected) == {}


@pytest.mark.parametrize(("form", "files"), list(itertools.product(("csv", "arrow"), (1, 3))))
def test_the_files_make_no_difference(tmp_path: Path, form: str, files: int) -> None:
    """As text or as Arrow has it; in one file or several; in no order."""
    as_of = dt.date(2026, 6, 30)
    expected = synthetic.write_coded_record(tmp_path, 2_500, seed=6, as_of=as_of, form=form, files=files, shuffled=True)
    assert differing(_derived(tmp_path, as_of, form), expected) == {}


def test_from_command_to_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `synth` writes beside its list derives to that list, but for the cells that its record counts."""

    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    made = run(
        app, ["synth", "-n", "2000", "--seed", "7", "--as-of", "2026-06-30", "-o", "list.parquet", "--events", "record"]
    )
    assert made.exit_code == 0, made.output
    args = [arg for name in TABLES for arg in (f"--{name}", f"record/{name}.parquet")]
    found = run(app, ["derive", *args, "--codelists", "record/codelists", "--as-of", "2026-06-30", "-o", "d.parquet"])
    assert found.exit_code == 0, found.exception
    told: dict[str, int] = {}
    for cells in json.loads(Path("record/synth.run.json").read_text())["coded_record"]["adjusted"]:
        told[cells["column"]] = told.get(cells["column"], 0) + cells["cells"]
    assert differing(pq.read_table("d.parquet"), pq.read_table("list.parquet")) == told


def test_a_cell_that_differs_is_told() -> None:
    one = synthetic.table(500, seed=1, as_of=dt.date(2026, 6, 30))
    changed = pa.array([not v if i < 3 else v for i, v in enumerate(one.column("statin").to_pylist())])
    dates = one.column("bp_date").to_pylist()
    later = pa.array([None if i == 4 else d for i, d in enumerate(dates)], pa.date32())
    at = one.column_names.index
    other = one.set_column(at("statin"), "statin", changed).set_column(at("bp_date"), "bp_date", later)
    found = {"statin": 3} | ({"bp_date": 1} if dates[4] else {})
    assert differing(other, one) == found
    assert differing(other.drop_columns("ldl"), one) == found | {"ldl": 500 - one.column("ldl").null_count}
    assert differing(one.slice(1), one) == {"patient_id": 1}
    assert differing(one, one) == {}
