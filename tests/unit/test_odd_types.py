"""A column of a type that pyarrow has no class for is passed over where nobody reads it, else refused by name."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from odd_types import INTERVALS, with_intervals

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.core.arrow import has_class
from popstrat.errors import InputError
from popstrat.formats import open_source

AS_OF = dt.date(2026, 6, 30)
WITHIN = [
    lambda kind: kind, lambda kind: pa.list_(kind), lambda kind: pa.struct([("a", pa.int8()), ("b", kind)]),
    lambda kind: pa.map_(pa.string(), kind), lambda kind: pa.dictionary(pa.int8(), kind),
]  # fmt: skip

pytestmark = pytest.mark.parametrize("form", INTERVALS)


@pytest.fixture(scope="module")
def people() -> pa.RecordBatch:
    return synthetic.table(300, seed=1, as_of=AS_OF).combine_chunks().to_batches()[0]


def write(batch: pa.RecordBatch, path: Path, stream: bool) -> str:
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, batch.schema) as file:
        file.write_batch(batch)
    return str(path)


@pytest.mark.parametrize("within", WITHIN)
def test_types_without_a_class(form: str, within: object) -> None:
    batch = with_intervals(pa.record_batch({"a": [1]}), "x", form)
    assert not has_class(within(batch.schema.field("x").type))  # type: ignore[operator]
    assert has_class(within(batch.schema.field("a").type))  # type: ignore[operator]


@pytest.mark.parametrize("profile", ["direct-care", "secondary-use"])
def test_nobody_reads_it(people: pa.RecordBatch, form: str, profile: str) -> None:
    odd = with_intervals(people, "strange", form)
    expected = popstrat.score(pa.Table.from_batches([people]), AS_OF, profile=profile)
    assert popstrat.score(pa.Table.from_batches([odd]), AS_OF, profile=profile).equals(expected)
    one = popstrat.Scorer(as_of=AS_OF, profile=profile).score_batch(odd)
    assert pa.Table.from_batches([one]).equals(expected.combine_chunks())


@pytest.mark.parametrize("name", ["patient_id", "sex", "bmi", "ckd", "date_of_birth"])
def test_it_is_read(people: pa.RecordBatch, form: str, name: str) -> None:
    odd = with_intervals(people.drop_columns([name]), name, form)
    with pytest.raises(InputError, match=rf"column '{name}': .* the column is of type {INTERVALS[form][1]}"):
        popstrat.score(pa.Table.from_batches([odd]), AS_OF)


@pytest.mark.parametrize("stream", [False, True])
def test_in_files(people: pa.RecordBatch, form: str, stream: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str],
                  monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    write(with_intervals(people, "strange", form), Path("list.arrow"), stream)
    assert run(["score", "list.arrow", "-o", "out.csv", "--as-of", "2026-06-30", "-q"]) == 0
    assert run(["check", "list.arrow", "--as-of", "2026-06-30"]) == 0
    assert run(["map", "init", "list.arrow", "-o", "map.toml"]) == 0
    assert "strange" in Path("map.toml").read_text()
    capsys.readouterr()
    monkeypatch.setenv("POPSTRAT_KEY", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
    assert run(["pseudonymise", "list.arrow", "-o", "p.parquet", "-c", "patient_id"]) == 2
    assert f"a column of type {INTERVALS[form][1]} cannot be written" in capsys.readouterr().err
    source = open_source(["list.arrow"]).files[0]
    assert list(source.batches(["sex"]))
    with pytest.raises(
        InputError, match=f"list.arrow: column 'strange': is of type {INTERVALS[form][1]}, which cannot be read"
    ):
        list(source.batches(["sex", "strange"]))
