"""Sources and sinks: what goes in comes out, in bounded pieces, or one message says why not."""

from __future__ import annotations

import datetime as dt
import errno
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popstrat.core.files import Outputs
from popstrat.errors import InputError
from popstrat.formats import Rechunker, expand, open_sink, open_source
from popstrat.formats.sink import BatchSink
from popstrat.packs.patient_table import patient_schema

pytestmark = pytest.mark.smoke

ARROW = int(pa.__version__.split(".")[0])
KNOWN = patient_schema().columns


def kinds(name: str) -> str | None:
    return KNOWN[name].cells if name in KNOWN else None


def table(rows: int = 10) -> pa.Table:
    return pa.table(
        {
            "patient_id": pa.array([f"{1000 + i}" for i in range(rows)]),
            "practice_code": pa.array([f"E{85000 + i // 4}" for i in range(rows)]),
            "sex": pa.array(["female", "male"] * (rows // 2)).dictionary_encode(),
            "date_of_birth": pa.array([dt.date(1950, 1, 1) + dt.timedelta(i) for i in range(rows)]),
            "systolic_bp": pa.array([120 + i if i % 3 else None for i in range(rows)], pa.int16()),
            "hba1c": pa.array([41.5 + i if i % 2 else None for i in range(rows)], pa.float32()),
            "diabetes": pa.array([None if i % 5 == 0 else i % 2 == 0 for i in range(rows)]),
        }
    )


def write(data: pa.Table, path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(data, path, row_group_size=4)
    elif path.suffix == ".feather":
        feather.write_feather(data, str(path))
    elif path.suffix == ".arrows":
        with pa.ipc.new_stream(str(path), data.schema) as out:
            out.write_table(data, 4)
    elif path.suffix == ".arrow":
        with pa.ipc.new_file(str(path), data.schema) as out:
            out.write_table(data, 4)
    else:
        import pyarrow.csv as pa_csv

        columns = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in data.columns]
        plain = pa.table(columns, names=data.column_names)
        if path.suffix == ".gz":
            with gzip.open(path, "wb") as out:
                pa_csv.write_csv(plain, out)
        else:
            pa_csv.write_csv(plain, path)
    return path


def read(path: Path, columns: list[str] | None = None, **options: Any) -> list[dict[str, Any]]:
    source = open_source([path], kinds=kinds, **options).files[0]
    return [row for batch in source.batches(columns or source.schema.names) for row in batch.to_pylist()]


def csv_source(path: Path, threads: int) -> Any:
    """A CSV source, to be read with blocks of a chosen size."""
    return open_source([path], kinds=kinds, threads=threads).files[0]


def csv_file(path: Path, text: str | bytes) -> Path:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# -- sources ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".feather", ".csv", ".csv.gz"])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    path = write(table(), tmp_path / f"list{suffix}")
    assert read(path) == table().to_pylist()
    assert read(path, ["sex", "patient_id"]) == table().select(["sex", "patient_id"]).to_pylist()
    source = open_source([path], kinds=kinds).files[0]
    assert [b.num_rows for b in source.batches(["patient_id"], batch_rows=3)][-1] in (1, 2)
    assert all(b.num_rows <= 3 for b in source.batches(["patient_id"], batch_rows=3))
    assert source.rows == (None if suffix in (".csv", ".csv.gz", ".arrows") else 10)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".csv"])
def test_a_table_without_rows(tmp_path: Path, suffix: str) -> None:
    assert read(write(table().slice(0, 0), tmp_path / f"none{suffix}")) == []


def test_parquet_text_is_read_as_dictionaries_but_ids_are_not(tmp_path: Path) -> None:
    source = open_source([write(table(), tmp_path / "a.parquet")], kinds=kinds).files[0]
    assert source.schema.field("practice_code").type == pa.dictionary(pa.int32(), pa.string())
    assert source.schema.field("patient_id").type == pa.string()
    assert next(source.batches(["practice_code"])).schema.field(0).type == source.schema.field("practice_code").type


def test_globs_are_sorted_and_files_named_once(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.parquet", "c.csv"):
        write(table(), tmp_path / name)
    assert [p.name for p in expand([str(tmp_path / "*.parquet")])] == ["a.parquet", "b.parquet"]
    odd = write(table(), tmp_path / "list [1].parquet")
    assert expand([odd]) == [odd]
    with pytest.raises(InputError, match="is given twice"):
        expand([tmp_path / "a.parquet", str(tmp_path / "*.parquet")])
    with pytest.raises(InputError, match="no file matches"):
        expand([str(tmp_path / "*.arrow")])
    with pytest.raises(InputError, match=r"there is no such file \(did you mean 'a.parquet'"):
        expand([tmp_path / "aa.parquet"])
    with pytest.raises(InputError, match=r"several formats, 3 of Parquet and 1 of CSV; quote a pattern"):
        expand([tmp_path])


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.parquet", b"", "is empty"),
        ("a.csv", b"", "is empty"),
        ("a.parquet", b"patient_id,sex\n1,F\n", "is not a Parquet file; it looks like CSV"),
        ("a.arrow", b"PAR1xxxxxxxxPAR1", "is not an Arrow IPC file; it looks like Parquet"),
        ("a.csv", b"PAR1\0\0\0\0", "is not a CSV file; it looks like Parquet"),
        ("a.csv", b"\xff\xfei\0d\0\n", "cannot be read as CSV"),
        ("a.parquet", b"PAR1" + b"x" * 50, "cannot be read as Parquet"),
        ("a.arrow", b"ARROW1\0\0" + b"x" * 50, "cannot be read as Arrow IPC"),
        ("a.feather", b"FEA1" + b"x" * 50, "old version 1"),
        ("a.xlsx", b"PK\3\4", "is a workbook .*save the sheet as CSV"),
        ("a.csv", b"PK\3\4xl/workbook", "is a workbook .*save the sheet as CSV"),
        ("a.csv.gz", b"PK\3\4", "or a ZIP archive"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an old workbook"),
        ("a.parquet", b"PARE" + b"x" * 50, "is an encrypted Parquet file"),
        ("a.dat", b"x,y", "cannot tell the format"),
        ("a.csv.gz", b"not packed", "cannot be read as CSV"),
    ],
)
def test_files_that_are_not_what_they_seem(tmp_path: Path, name: str, content: bytes, problem: str) -> None:
    path = csv_file(tmp_path / name, content)
    with pytest.raises(InputError, match=problem) as caught:
        read(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".arrows", ".csv.gz"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_files(tmp_path: Path, suffix: str, share: float) -> None:
    path = write(table(1000), tmp_path / f"a{suffix}")
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match="cut short") as caught:
        read(path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_two_columns_of_one_name(tmp_path: Path, suffix: str) -> None:
    doubled = pa.table([pa.array(["1"]), pa.array(["2"]), pa.array(["3"])], names=["patient_id", "sex", "patient_id"])
    with pytest.raises(InputError, match="column 'patient_id' appears 2 times"):
        open_source([write(doubled, tmp_path / f"a{suffix}")], kinds=kinds)


# -- CSV --------------------------------------------------------------------------------------------------------

HEAD = "patient_id,practice_code,diabetes,systolic_bp,hba1c,bp_date,note\n"


def test_csv_cells(tmp_path: Path) -> None:
    text = HEAD + '007,E85001,TRUE,120.0,41.5,2026-01-31,"a, ""b"""\r\n\r\n8,,0,,nan,,\n"9",E1,fAlSe,1e99,,,\n'
    rows = read(csv_file(tmp_path / "a.csv", text))
    assert [r["patient_id"] for r in rows] == ["007", "8", "9"]
    assert [r["practice_code"] for r in rows] == ["E85001", None, "E1"]
    assert [r["diabetes"] for r in rows] == [True, False, False]
    assert [r["systolic_bp"] for r in rows] == [120.0, None, 1e99]
    assert [r["bp_date"] for r in rows] == [dt.date(2026, 1, 31), None, None]
    assert rows[0]["note"] == 'a, "b"'


def test_csv_dates_may_have_a_time_of_day(tmp_path: Path) -> None:
    cells = ["1931-02-28 23:59:59", "1931-02-28T00:00", "1931-02-28 13:00:00.123", "1931-02-28", "0001-01-01", ""]
    path = csv_file(tmp_path / "a.csv", "patient_id,bp_date\n" + "".join(f"1,{c}\n" for c in cells))
    assert open_source([path], kinds=kinds).files[0].schema.field("bp_date").type == pa.date32()
    assert [r["bp_date"] for r in read(path)] == [*[dt.date(1931, 2, 28)] * 4, dt.date(1, 1, 1), None]
    for wrong in ("1931-02-28 25:00:00", "28/02/1931", "1931-02-30 00:00:00", "19310228"):
        csv_file(path, f"patient_id,bp_date\n1,2020-01-01\n2,{wrong}\n")
        with pytest.raises(InputError, match=r"a cell is not a date as YYYY-MM-DD .*\(row 2\)"):
            read(path)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_csv_line_ends(tmp_path: Path, ending: str, last: bool) -> None:
    text = (HEAD + "1,E1,,,,,\n2,E1,,,,,\n").replace("\n", ending)
    assert len(read(csv_file(tmp_path / "a.csv", text if last else text.removesuffix(ending)))) == 2


def test_csv_encodings(tmp_path: Path) -> None:
    text = "patient_id,place\n1,Zoë’s\n2,b\n"
    for encoding, asked in [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("cp1252",) * 2]:
        rows = read(csv_file(tmp_path / "a.csv", text.encode(encoding)), encoding=asked)
        assert rows[0] == {"patient_id": "1", "place": "Zoë’s"}
    with pytest.raises(InputError, match=r"is not in utf-8; see --encoding \(row 1\)"):
        read(csv_file(tmp_path / "a.csv", text.encode("cp1252")))
    with pytest.raises(InputError, match="not in cp1252") as caught:
        read(csv_file(tmp_path / "a.csv", b"patient_id,place\n1,a\n2,\x81\n"), encoding="cp1252")
    assert caught.value.rows == (1,)
    for wrong in ("no-such", "utf-16", "shift-jis"):
        with pytest.raises(InputError, match="use utf-8, utf-8-sig or cp1252"):
            read(tmp_path / "a.csv", encoding=wrong)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("bad", "row", "problem"),
    [
        ('5000,"E85001,,,,,', 5000, "stray quote"),
        ('"5000,E85001,,,,,', 5000, "stray quote"),
        ('5000,E85"001,,,,,', 5000, "stray quote"),
        ('5000,"E85001"x,,,,,', 5000, "stray quote"),
        ('5000,E85001,,,,,5" scar', 5000, "stray quote"),
        ("5000,E85001,,,,", 5000, "6 cells where the first line names 7 columns"),
        ("5000,E85001,,,,,,", 5000, "8 cells where"),
        ("5000,E85001,maybe,,,,", 5000, "not true, false, 1 or 0"),
        ("5000,E85001,,SECRET,,,", 5000, "not a number"),
        ("5000,E85001,,,12O,,", 5000, "not a number"),
        ("5000,E85001,,,,31/01/2026,", 5000, "not a date as YYYY-MM-DD"),
        ("5000,E85001,,,,2026-02-30,", 5000, "not a date as YYYY-MM-DD"),
    ],
)
def test_csv_faults_name_the_row_and_never_the_cell(
    tmp_path: Path, bad: str, row: int, problem: str, threads: int
) -> None:
    lines = [f'{i},"E85001",1,120,41.5,2026-01-31,"x"' for i in range(1, 9000)]
    lines[row - 1] = bad
    path = csv_file(tmp_path / "a.csv", HEAD + "\n".join(lines))
    source = csv_source(path, threads)
    with pytest.raises(InputError, match=problem) as caught:
        list(source.batches(source.schema.names, block_bytes=1 << 14))
    message = str(caught.value)
    assert caught.value.rows[0] == row - 1
    assert caught.value.file == str(path)
    assert not any(cell in message for cell in ("5001", "SECRET", "E85", "maybe", "12O", "31/01"))


def test_a_quote_that_would_swallow_whole_rows(tmp_path: Path) -> None:
    lines = [f'{i},E85001,,,,,"x"' for i in range(1, 200)]
    lines[49] = '50,E85001,,,,,"x'  # closes at the next line's quote: Arrow alone would lose rows silently
    lines[50] = '51,E85001,,,,,x"'
    with pytest.raises(InputError, match="stray quote") as caught:
        read(csv_file(tmp_path / "a.csv", HEAD + "\n".join(lines)), ["patient_id"])
    assert caught.value.rows == (49,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "Extract of 30 June\npatient_id,sex\n1,F\n",
            "looks like a title, and line 2 names the columns: take out what",
        ),
        ("Extract of 30 June\r\n\r\npatient_id,sex\r\n1,F\r\n", "line 3 names the columns"),
        ("Extract,,\npatient_id,age,sex\n1,30,F\n", "line 2 names the columns"),
        ("Run by,A team,,\nOn,1 June,,\n,,,\npatient_id,practice_code,age,sex\n1,Y90001,30,F\n", "line 4 names"),
        ('Search: x; run 1 June\n"patient_id","practice_code","age"\n1,Y90001,4\n', "line 2 names the columns"),
        ("Extract of 30 June\n1,F\n2,M\n", "the first line names 1 column; is it a title"),
        ("patient_id;sex\n1,F\n", "1 cells where the first line names 2 columns"),
        ("\npatient_id,sex\n", "begins with an empty line"),
        ('patient_id,"sex\n1,F\n', "stray quote in its first line"),
        ("a,b,a\n1,2,3\n", "column 'a' appears 2 times"),
        (",b,\n1,2,3\n", "a column without a name appears 2 times"),
        ("patient_id,sex\n1,\0\n", "not a CSV file"),
    ],
)
def test_csv_first_lines(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        read(csv_file(tmp_path / "a.csv", text))


@pytest.mark.parametrize("backend", ["native", "arrow"])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('a,b,c\n="01",="x,y",3\n"=""q""",2,=""\n', [["01", "x,y", "3"], ['="q"', "2", None]]),
        ('a;b\r\n="0;1";"u=""v"""\r\n="";="2"', [["0;1", 'u="v"'], [None, "2"]]),
        ('a\n="say ""it"""\n', [['say "it"']]),
        ('a,b\n"x,=""1"",y",="2"\n', [['x,="1",y', "2"]]),
        ('a,b\n1,2\nx="1",2\n', 1),
        ('a,b\n="1"2,2\n', 0),
        ('a,b\n="1","x"y"\n', 0),
        ('a,b\n="1,2\n', 0),
        ('a,b\n="1",="2",3\n', 0),
    ],
)
def test_cells_as_spreadsheets_are_given_text(tmp_path: Path, backend: Any, text: str, rows: Any) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(text.encode())
    (source,) = open_source([path], backend=backend, kinds=lambda name: "text").files
    if isinstance(rows, int):
        with pytest.raises(InputError) as told:
            list(source.batches(source.schema.names))
        assert told.value.rows == (rows,)
        return
    found = [row for batch in source.batches(source.schema.names) for row in batch.to_pylist()]
    assert [list(row.values()) for row in found] == rows


@pytest.mark.parametrize("backend", ["native", "arrow"])
@pytest.mark.parametrize("between", [";", "\t", "|", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("said", ["", "sep={}\n", '"sep={}"\r\n'])
def test_csv_as_other_programs_write_it(tmp_path: Path, backend: Any, between: str, encoding: str, said: str) -> None:
    """What stands between cells is seen from the header, or said in a line before it; UTF-16 by its first bytes."""
    odd = next(c for c in ",;" if c != between)
    lines = [["patient_id", f"a {odd} b", "sex"], ["1", f'x{odd}"{between}é', "F"], ["2", "", "M"], ["3", "z", ""]]
    cells = [['"' + c.replace('"', '""') + '"' if between in c or '"' in c else c for c in line] for line in lines]
    text = said.format(between) + "\n".join(between.join(line) for line in cells) + "\n"
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    path = csv_file(tmp_path / "a.tsv", (mark + text).encode(encoding))
    source = open_source([path], backend=backend).files[0]
    assert source.schema.names == lines[0]
    found = [r for b in source.batches(source.schema.names, block_bytes=7) for r in b.to_pylist()]
    assert [list(r.values()) for r in found] == [[c or None for c in line] for line in lines[1:]]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=6)


@given(
    rows=st.lists(st.tuples(CELL, CELL), max_size=30),
    block=st.integers(1, 60),
    ending=st.sampled_from(["\n", "\r\n"]),
    threads=st.integers(1, 3),
)
@settings(max_examples=3 * settings.default.max_examples // 2)
def test_any_text_survives_a_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], block: int, ending: str, threads: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    csv_file(path, ending.join(["patient_id,place", *quoted, ""]))
    source = csv_source(path, threads)
    found = [
        (r["patient_id"], r["place"])
        for b in source.batches(["patient_id", "place"], block_bytes=block)
        for r in b.to_pylist()
    ]
    assert found == [(a or None, b or None) for a, b in rows]


# -- sinks ------------------------------------------------------------------------------------------------------


def scored(rows: int) -> pa.Table:
    rng = np.random.default_rng(5)
    practice = pa.array([f"E{85000 + i}" for i in rng.integers(0, 9, rows)]).dictionary_encode()
    labels = pa.DictionaryArray.from_arrays(
        pa.array(rng.integers(0, 3, rows).astype(np.int8), mask=rng.random(rows) < 0.2), ["red", "amber", "green"]
    )
    return pa.table(
        {
            "patient_id": np.arange(rows) + 10**9,
            "practice_code": practice,
            "age": rng.integers(0, 100, rows).astype(np.int16),
            "cvrm_rag": labels,
            "risk": pa.array(np.round(rng.random(rows), 6), mask=rng.random(rows) < 0.3),
            "flag": rng.random(rows) < 0.5,
            "bits": pa.array(np.zeros(rows, np.uint64)),
        }
    )


def cut(data: pa.Table, sizes: list[int]) -> list[pa.RecordBatch]:
    """The table in batches of these sizes, each with its own dictionary of practices, as a reader would give it."""
    batches: list[pa.RecordBatch] = []
    at = 0
    while at < data.num_rows:
        part = data.slice(at, sizes[len(batches) % len(sizes)]).combine_chunks()
        at += part.num_rows
        plain = part.column("practice_code").cast(pa.string()).combine_chunks()
        odd = pa.concat_arrays([pa.array(["unused"]), plain]).dictionary_encode().slice(1)
        batches.extend(part.set_column(1, "practice_code", odd).to_batches())
    return batches


def put(data: pa.Table, path: Path, batches: list[pa.RecordBatch], **options: Any) -> bytes:
    with Outputs() as outputs:
        sink = open_sink(
            outputs.add(path), data.schema, form=path.suffix, keys=["patient_id", "practice_code"], **options
        )
        for batch in batches:
            sink.write(batch)
        sink.close()
        assert sink.rows == data.num_rows
        assert len(list(path.parent.glob(f".{path.name}.partial"))) == 1
        outputs.commit()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    return path.read_bytes()


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_bytes_do_not_depend_on_how_rows_arrive(tmp_path: Path, suffix: str) -> None:
    data = scored(5000)
    path = tmp_path / f"out{suffix}"
    whole = put(data, path, data.combine_chunks().to_batches(), rows=1024)
    for sizes in ([1024], [1], [999, 3], [5000], [100, 2000]):
        assert put(data, path, cut(data, sizes), rows=1024) == whole
    if suffix != ".csv":
        source = open_source([path]).files[0]
        found = pa.Table.from_batches(source.batches(source.schema.names))
        assert found.to_pylist() == data.to_pylist()
        width = pa.int32() if suffix == ".parquet" and ARROW < 20 else pa.int8()  # pyarrow widened what it read
        assert found.schema.field("cvrm_rag").type == pa.dictionary(width, pa.string())


@pytest.mark.parametrize("rows", [1, 7, 999, 1000])
def test_arrow_files_hold_no_spare_bytes(tmp_path: Path, rows: int) -> None:
    data = scored(rows).combine_chunks()
    roomy = []
    for column in data.columns[2:]:
        # As an engine would make it: whole words, something beyond the end and something under the nulls.
        plain = column.chunk(0)
        codes = plain.indices if pa.types.is_dictionary(plain.type) else plain
        valid, values = codes.buffers()
        spare = pa.py_buffer(values.to_pybytes() + b"\x5a" * 16)
        bits = None if valid is None else pa.py_buffer(valid.to_pybytes() + b"\xa5" * 8)
        made = pa.Array.from_buffers(codes.type, rows, [bits, spare])
        dictionary = pa.types.is_dictionary(plain.type)
        roomy.append(pa.DictionaryArray.from_arrays(made, plain.dictionary) if dictionary else made)
    other = pa.table([*data.columns[:2], *roomy], schema=data.schema)
    assert put(other, tmp_path / "a.arrow", other.to_batches()) == put(data, tmp_path / "a.arrow", data.to_batches())


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
def test_no_rows_make_a_whole_file(tmp_path: Path, suffix: str) -> None:
    data = scored(10).slice(0, 0)
    put(data, tmp_path / f"out{suffix}", [])
    if suffix != ".csv":
        assert open_source([tmp_path / f"out{suffix}"]).files[0].schema.names == data.schema.names


def test_parquet_layout(tmp_path: Path) -> None:
    data = scored(5000)
    put(data, tmp_path / "out.parquet", cut(data, [700]), rows=2000)
    meta = pq.read_metadata(tmp_path / "out.parquet")
    assert [meta.row_group(i).num_rows for i in range(meta.num_row_groups)] == [2000, 2000, 1000]
    column = {meta.row_group(0).column(i).path_in_schema: meta.row_group(0).column(i) for i in range(7)}
    assert column["patient_id"].statistics.min == 10**9
    assert (column["bits"].statistics.min, column["bits"].statistics.max) == (0, 0)
    assert "RLE_DICTIONARY" in column["cvrm_rag"].encodings
    assert column["risk"].compression == "ZSTD"


@pytest.mark.native_formats("which encoding a column gets")
def test_parquet_encodings(tmp_path: Path) -> None:
    data = scored(5000)
    put(data, tmp_path / "out.parquet", data.to_batches())
    group = pq.read_metadata(tmp_path / "out.parquet").row_group(0)
    column = {group.column(i).path_in_schema: group.column(i) for i in range(7)}
    assert "RLE_DICTIONARY" in column["bits"].encodings
    assert "RLE_DICTIONARY" not in column["risk"].encodings


def test_csv_text(tmp_path: Path) -> None:
    data = pa.table(
        {
            "patient_id": [7, 8],
            "place": ["Zoë", None],
            "seen": pa.array([dt.date(2026, 1, 2), None]),
            "flag": [True, None],
            "risk": [0.25, None],
            "rag": pa.array(["red", None]).dictionary_encode(),
        }
    )
    path = tmp_path / "out.csv"
    text = '"patient_id","place","seen","flag","risk","rag"\n"7","Zoë",2026-01-02,true,0.25,"red"\n"8",,,,,\n'
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        assert put(data, path, data.to_batches(), encoding=encoding) == text.encode(encoding)
    with pytest.raises(InputError, match="a character that ascii lacks"):
        put(data, path, data.to_batches(), encoding="ascii")
    with pytest.raises(InputError, match="is not known"):
        put(data, path, data.to_batches(), encoding="nonsense")
    assert path.read_bytes() == text.encode("cp1252")
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]


@given(st.integers(1, 7), st.lists(st.integers(0, 20), max_size=8))
@settings(deadline=None)
def test_rechunking_keeps_rows_and_order(rows: int, sizes: list[int]) -> None:
    values = list(range(sum(sizes)))
    chunks, out, at = Rechunker(rows), [], 0
    for size in sizes:
        out += list(chunks.add(pa.record_batch({"x": pa.array(values[at : at + size], pa.int64())})))
        at += size
    assert all(b.num_rows == rows for b in out)
    last = chunks.rest()
    out += [last] if last else []
    assert [v for b in out for v in b.column(0).to_pylist()] == values


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, batch: pa.RecordBatch) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(BatchSink, "write", full)
    data = scored(10)
    with pytest.raises(OSError, match="No space left"):
        put(data, tmp_path / "a.parquet", data.to_batches())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        'note\n":,:"\n', 'note,other\n"a;b;c;d",x\n', "a,b,\nx,y,z\nu,v,w\n", "note\nonly\nwords\n", ",a,b\n0,x,y\n",
        'note,other\nx,"a,b,c"\ny;z;w,v\n',
    ],
)  # fmt: skip
def test_what_is_no_title(tmp_path: Path, text: str) -> None:
    """Rows of words below names; names without one for the last column, or the first."""
    if ",\n" in text or text.startswith(","):
        text = text.replace(",\n", ",c\n", 1) if ",\n" in text else f"i{text}"
    assert read(csv_file(tmp_path / "a.csv", text))


@pytest.mark.parametrize("backend", ["native", "arrow"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(tmp_path: Path, encoding: str, backend: Any) -> None:
    """Named for what it is, and read if it is said."""
    path = csv_file(tmp_path / "a.csv", "patient_id,place\r\n1,Zoë’s\r\n2,b\r\n".encode(encoding))
    with pytest.raises(
        InputError, match=f"is in UTF-16 without a byte-order mark: give --encoding {encoding}, or save"
    ):
        open_source([path])
    source = open_source([path], encoding=encoding, backend=backend).files[0]
    assert [r for b in source.batches(source.schema.names, block_bytes=9) for r in b.to_pylist()] == [
        {"patient_id": "1", "place": "Zoë’s"}, {"patient_id": "2", "place": "b"},
    ]  # fmt: skip
