"""The registry of formats: what a format must give, who is asked to read and write, and that nobody else is."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from popstrat.cli import run
from popstrat.errors import InputError
from popstrat.formats import BACKENDS, FORMATS, check_target, open_sink, open_source
from popstrat.formats.format import Format
from popstrat.formats.registry import backend_asked_for, by_suffix

pytestmark = pytest.mark.smoke

TABLE = pa.table({"patient_id": ["9990000018", "2"], "n": pa.array([1, None], pa.int16()), "b": [True, None]})


def write(path: Path, **options: Any) -> None:
    sink = open_sink(path, TABLE.schema, form=path.suffix, keys=["patient_id"], **options)
    for batch in TABLE.to_batches():
        sink.write(batch)
    sink.close()


def kinds(name: str) -> str | None:
    return {"patient_id": "id", "n": "int", "b": "bool"}.get(name)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("form", FORMATS, ids=lambda f: f.name)
def test_every_format_gives_back_what_it_was_given(tmp_path: Path, form: Format, backend: Any) -> None:
    path = tmp_path / f"a{form.output_suffix}"
    check_target(path)
    write(path, backend=backend)
    assert form.recognises(path.read_bytes()[:8])
    source = open_source([path], kinds=kinds, backend=backend).files[0]
    assert source.format == form.name
    assert [row for batch in source.batches(["n", "patient_id", "b"]) for row in batch.to_pylist()] == [
        {"n": 1, "patient_id": "9990000018", "b": True},
        {"n": None, "patient_id": "2", "b": None},
    ]


def test_a_format_with_a_part_missing_is_none() -> None:
    parts = {f.name: getattr(FORMATS[0], f.name) for f in dataclasses.fields(Format)}
    assert Format(**parts) == FORMATS[0]
    for name in parts:
        with pytest.raises(TypeError, match=name):
            Format(**{other: part for other, part in parts.items() if other != name})


def test_two_formats_of_one_ending_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\.x is an ending of Parquet and of CSV"):
        by_suffix([(".x", FORMATS[0]), (".y", FORMATS[1]), (".x", FORMATS[2])])


def test_the_environment_says_who_reads_and_an_argument_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    for said, asked, by_arrow in [
        (None, None, False), ("", None, False), ("native", None, False), ("arrow", None, True),
        ("arrow", "native", False), ("native", "arrow", True),
    ]:  # fmt: skip
        monkeypatch.delenv("POPSTRAT_FORMATS", raising=False)
        if said is not None:
            monkeypatch.setenv("POPSTRAT_FORMATS", said)
        write(path, backend=asked)
        assert pq.read_metadata(path).created_by.startswith("parquet-cpp-arrow" if by_arrow else "popstrat")
        source = open_source([path], backend=asked).files[0]
        assert type(source).__name__ == ("ParquetSource" if by_arrow else "NativeParquetSource")


def test_a_backend_that_is_not_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "in.parquet")
    monkeypatch.setenv("POPSTRAT_FORMATS", "Arrow")
    for ask in (backend_asked_for, lambda: open_source([tmp_path / "in.parquet"]), lambda: write(tmp_path / "b.csv")):
        with pytest.raises(
            InputError, match="POPSTRAT_FORMATS is 'Arrow'; it should be native or arrow, or not be set"
        ):
            ask()
    assert run(["score", str(tmp_path / "in.parquet"), "--as-of", "2026-06-30", "-o", str(tmp_path / "o.csv")]) == 2
    assert "POPSTRAT_FORMATS is 'Arrow'" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


PROGRAM = """
import sys
from pathlib import Path
from popstrat.formats import open_sink, open_source
source = open_source(["a.parquet"]).files[0]
batches = list(source.batches(source.schema.names))
for suffix in (".parquet", ".csv", ".arrow"):
    sink = open_sink(Path(f"out{suffix}"), source.schema, form=suffix)
    for batch in batches:
        sink.write(batch)
    sink.close()
    back = open_source([f"out{suffix}"]).files[0]
    assert sum(batch.num_rows for batch in back.batches(back.schema.names)) == 2
print(*(name for name in sys.modules if name.startswith("popstrat.engine.formats.")))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_arrow_nothing_of_the_engines_formats_is_loaded(tmp_path: Path, backend: str) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    environment = {**os.environ, "POPSTRAT_FORMATS": backend}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    loaded = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert loaded == (set() if backend == "arrow" else {"parquet_read", "parquet_write", "csv_read", "csv_write"})


def test_lists_are_refused_where_nobody_says_how_they_become_text(tmp_path: Path) -> None:
    data = pa.table({"n": [[1], None, [2, 3]]})
    with pytest.raises(InputError, match="column 'n': has lists, which a CSV cannot hold"):
        open_sink(tmp_path / "a.csv", data.schema, form=".csv")
    assert list(tmp_path.iterdir()) == []
    sink = open_sink(
        tmp_path / "a.csv",
        data.schema,
        form=".csv",
        lists_as_text=lambda column: pa.array(
            [None if x is None else "+".join(map(str, x)) for x in column.to_pylist()]
        ),
    )
    sink.write(data.to_batches()[0])
    sink.close()
    assert (tmp_path / "a.csv").read_text() == '"n"\n"1"\n\n"2+3"\n'
