"""Folders as input, and columns that only the names of folders hold."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from popstrat import synthetic
from popstrat.cli import run
from popstrat.errors import InputError
from popstrat.formats import expand, open_source
from popstrat.formats.folders import named_columns

AS_OF = dt.date(2026, 6, 30)


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(400, seed=3, as_of=AS_OF, practices=3)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def partitioned(people: pa.Table, by: dict[str, pa.DataType], form: str) -> None:
    table = people
    for name, kind in by.items():
        i = table.schema.get_field_index(name)
        table = table.set_column(i, name, table[name].cast(kind))
    if form == "csv":  # which has no dictionaries
        kept = [n for n in table.schema.names if not n.endswith("opt_out")]
        table = table.select(kept)
    parts = ds.partitioning(pa.schema([*by.items()]), flavor="hive")
    ds.write_dataset(table, "lists", format=form, partitioning=parts)


def scored(*inputs: str) -> pa.Table:
    assert run(["score", *inputs, "-o", "out.parquet", "--as-of", "2026-06-30", "-q", "--force"]) == 0
    return pq.read_table("out.parquet").sort_by("patient_id")


@pytest.mark.parametrize("backend", ["native", "arrow"])
@pytest.mark.parametrize("form", ["parquet", "ipc", "csv"])
@pytest.mark.parametrize(
    "by",
    [
        {"practice_code": pa.string()}, {"practice_code": pa.string(), "sex": pa.string()},
        {"imd_decile": pa.int32()}, {"date_of_birth": pa.date32()}, {"hypertension": pa.string()},
    ],
    ids=lambda by: "-".join(by),
)  # fmt: skip
def test_a_list_in_named_folders_is_the_list(
    people: pa.Table, by: dict[str, pa.DataType], form: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POPSTRAT_FORMATS", backend)
    if "date_of_birth" in by:
        people = people.slice(0, 60)
    partitioned(people, by, form)
    if form == "ipc":
        for file in [*Path("lists").rglob("*.ipc"), *Path("lists").rglob("*.feather")]:
            file.rename(file.with_suffix(".arrow"))
    pq.write_table(people, "list.parquet")
    expected = scored("list.parquet")
    for given in (["lists"], [str(p) for p in sorted(Path("lists").rglob("part-*"))], ["lists/**/part*"]):
        found = scored(*given)
        assert found.schema.names == expected.schema.names
        rows = [{**r, "patient_id": int(r["patient_id"])} for r in found.to_pylist()]
        assert sorted(rows, key=lambda r: r["patient_id"]) == expected.to_pylist()


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("lists/a=1/b=x%20y/part.parquet", {"a": "1", "b": "x y"}),
        ("lists/a=__HIVE_DEFAULT_PARTITION__/part.parquet", {"a": None}),
        ("lists/a=/b=c=d/part.parquet", {"a": "", "b": "c=d"}), ("lists/=1/part=2.parquet", {}),
        ("a%3D=1/part.parquet", {"a=": "1"}),
    ],
)  # fmt: skip
def test_what_folders_name(path: str, columns: dict[str, Any]) -> None:
    assert named_columns(Path(path)) == columns


def test_what_the_file_holds_itself_is_not_replaced() -> None:
    Path("age=3").mkdir()
    table = pa.table({"patient_id": [1, 2], "age": [50, 60], "x": ["a", "b"]})
    pq.write_table(table, "age=3/a.parquet")
    source = open_source(["age=3"]).files[0]
    assert pa.Table.from_batches(source.batches(["age", "x"])).to_pydict() == {"age": [50, 60], "x": ["a", "b"]}
    assert source.rows == 2


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".arrow"])
def test_only_columns_that_folders_name(suffix: str) -> None:
    Path("where=North%2FEast/what=__HIVE_DEFAULT_PARTITION__").mkdir(parents=True)
    name = f"where=North%2FEast/what=__HIVE_DEFAULT_PARTITION__/a{suffix}"
    table = pa.table({"patient_id": [1, 2, 3]})
    match suffix:
        case ".parquet":
            pq.write_table(table, name)
        case ".csv":
            pa_csv.write_csv(table, name)
        case _:
            with pa.ipc.new_file(name, table.schema) as file:
                file.write_table(table)
    source = open_source([name]).files[0]
    assert source.schema.names == ["patient_id", "where", "what"]
    found = pa.Table.from_batches(source.batches(["what", "where"], batch_rows=2))
    assert found.to_pydict() == {"what": [None] * 3, "where": ["North/East"] * 3}
    source.check_unchanged()


def test_which_files_of_a_folder() -> None:
    for name in ("lists/b.parquet", "lists/a/c.parquet", "lists/_SUCCESS", "lists/.hidden.parquet", "lists/notes.md",
                 "lists/_temporary/d.parquet", "lists/out.parquet.run.json"):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert [p.as_posix() for p in expand(["lists"])] == ["lists/a/c.parquet", "lists/b.parquet"]
    Path("lists/e.csv.gz").touch()
    with pytest.raises(InputError, match=r"lists: is a folder with .* several formats, 2 of Parquet and 1 of CSV; "):
        expand(["lists"])
    Path("none").mkdir()
    with pytest.raises(InputError, match=r"none: is a folder without a file to read \(\.parquet, "):
        expand(["none"])


@pytest.mark.parametrize("given", ["s3://bucket/list.parquet", "https://example.org/list.csv", "abfss://a@b/c.parquet"])
def test_addresses(given: str) -> None:
    with pytest.raises(InputError, match="is an address, and popstrat reads files") as raised:
        expand([given])
    assert raised.value.file == given
