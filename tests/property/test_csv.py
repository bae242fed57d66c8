"""CSV readers and writers against pyarrow's, against each other, and against bytes that mean nothing."""

from __future__ import annotations

import datetime as dt
import gzip
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import csv_reference
import numpy as np
import pyarrow as pa
import pytest
from csv_reference import KINDS, NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from popstrat.engine.formats import csv_read, csv_write
from popstrat.errors import InputError
from popstrat.formats import BACKENDS, open_sink, open_source
from popstrat.formats.csv.native_reader import CELL_KINDS
from popstrat.formats.csv.reader import TYPES

flags = st.sampled_from(["true", "false", "TRUE", "fAlSe", "1", "0", ""])
digits = st.text("0123456789", min_size=1, max_size=22)


def middle(x: float) -> float:
    """Half-way between a 32-bit float and the next one."""
    return (x + float(np.nextafter(np.float32(x), np.float32(np.inf)))) / 2


middles = st.floats(-(2.0**90), 2.0**90, width=32).map(middle)
numbers = st.one_of(
    st.builds(lambda x, n: f"{x:.{n}e}", middles, st.integers(14, 30)),
    st.builds(lambda x, n: f"{x:.{n}f}", middles, st.integers(6, 20)),
    st.integers(-300, 100_000).map(str),
    st.decimals(-1000, 1000, places=2).map(str),
    st.floats(width=64).map(repr),
    st.floats(width=32).map(repr),
    st.builds(lambda a, b, e: f"{a}.{b}e{e}", digits, digits, st.integers(-60, 60)),
    st.builds(lambda a, b: f"-{a}.{b}", digits, digits),
    st.sampled_from(["", "0", "-0", "+7", "1.", ".5", " 12", "12\t", "nan", "NaN", "-nan", "inf", "-Infinity", "1e400",
                     "1e-400", "0e999999", "1e-99999999999999999999", "0e99999999999999999999",
                     "nan(1)", "3.4028235e38", "3.4028236e38", "7e-46", "8e-46", "1e00000007"]),
)  # fmt: skip
times = st.sampled_from(["", " 00:00:00", "T12", " 23:59", "T13:00:00.123456", " 00:00:00.0"])
days = st.one_of(st.just(""), st.builds(lambda d, t: d.isoformat() + t, st.dates(), times))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
labels = st.one_of(st.sampled_from(["male", "female", "intersexual", "", "a,b", 'say "x"', '"', '""', "é"]), texts)
CELLS = {
    "id": labels,
    "category": labels,
    "bool": flags,
    "int": numbers,
    "float32": numbers,
    "date": days,
    "text": labels,
}
wrong = st.sampled_from(
    ["tru", "truee", "2", " ", "01", " true", ".", "-", "1e", "1e+", "0x10", "1_0", "1 2", "--1", "1.5.2", "\xa01",
     "12O",
     "infinit", "nan(", "2020-02-30", "2020-13-01", "2020-1-1", "20200101", "2020-01-01 24:00", "2020-01-01 12:60",
     "2020-01-01 12:5", "2020-01-01 12:05:59.", "2020-01-01 12:05:59.1234567", "2020-01-01 12:05:59Z",
     "2020-01-01T12:00+01:00", "2020-01-01 ", " 2020-01-01", "2020-06-30T23:00:00Z", "2020-06-30 23:00:00",
     "2020-12-30 23:00", "2020-06-30 23:00:01", "2020-06-30T23", "Y", "no ", "1.0", "0e5", "nan",
     "\t2020-01-01\xa0", "2020-01-01t12:00", "+020-01-01", "1900-02-29"]
)  # fmt: skip


def quoted(cell: str, always: bool) -> str:
    return '"' + cell.replace('"', '""') + '"' if always or any(c in cell for c in ',"') else cell


@st.composite
def lines(draw: Any, faults: bool) -> bytes:
    """Text under a header: rows of all kinds, blank lines, any line ends; with ``faults`` also what is wrong."""
    out = []
    for _ in range(draw(st.integers(0, 14))):
        cells = []
        for kind in KINDS.values():
            cell = draw(CELLS[kind] if not faults or draw(st.integers(0, 40)) else wrong)
            cells.append(quoted(cell, draw(st.booleans())))
        row = ",".join(cells)
        if faults and not draw(st.integers(0, 15)):
            at = draw(st.integers(0, len(row)))
            row = row[:at] + draw(st.sampled_from(['"', ",", '""', "\n", '"\n', "\r"])) + row[at:]
        out.append(row)
        out.append(draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n", "\r\n\r\n"])))
    if out and draw(st.booleans()):
        out.pop()
    return "".join(out).encode()


def source_of(path: Path, kinds: Any = lambda name: None, **options: Any) -> Any:
    """A CSV source, to be read with blocks of a chosen size."""
    return open_source([path], kinds=kinds, **options).files[0]


def new(
    path: Path, body: bytes, columns: list[str], *, block: int = 1 << 20, threads: int = 1, backend: Any = None
) -> pa.Table:
    path.write_bytes(",".join(NAMES).encode() + b"\n" + body)
    source = source_of(path, KINDS.get, threads=threads, backend=backend)
    batches = list(source.batches(columns, block_bytes=block))
    for batch in batches:
        batch.validate(full=True)
    return pa.Table.from_batches(batches, pa.schema([source.schema.field(c) for c in columns]))


def old(body: bytes, columns: list[str]) -> pa.RecordBatch:
    return csv_reference.read(body, NAMES, {n: TYPES[k] for n, k in KINDS.items()}, columns)


def attempt(body: bytes, columns: list[str]) -> tuple[list[dict[str, Any]], csv_reference.MalformedError | None]:
    """The rows by way of pyarrow, or what is wrong with them."""
    try:
        return plain(old(body, columns)), None
    except csv_reference.MalformedError as fault:
        return [], fault


def plain(table: pa.Table | pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows that compare equal where the bits of the numbers are (but NaN is NaN), dates beyond `datetime` as days."""
    out = []
    for name, column in zip(table.schema.names, table.columns, strict=True):
        if pa.types.is_date(column.type):
            column = column.cast(pa.int32())
        cells = column.to_pylist()
        if pa.types.is_floating(column.type):
            cells = [None if c is None else "nan" if math.isnan(c) else c.hex() for c in cells]
        out.append([(name, c) for c in cells])
    return [dict(row) for row in zip(*out, strict=True)]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("csv") / "a.csv"


@given(lines(faults=False), st.permutations(NAMES), st.integers(1, len(NAMES)), st.integers(1, 80), st.integers(1, 3))
@settings(max_examples=3 * settings.default.max_examples)
def test_reader_gives_what_pyarrow_gives(
    path: Path, body: bytes, order: list[str], wanted: int, block: int, threads: int
) -> None:
    """Whatever the block size, so that every cell lies across a block's border in some example."""
    columns = order[:wanted]
    expected = plain(old(body, columns))
    assert plain(new(path, body, columns)) == expected
    assert plain(new(path, body, columns, block=block, threads=threads)) == expected


@given(lines(faults=True), st.permutations(NAMES), st.integers(1, len(NAMES)), st.integers(1, 80))
@settings(max_examples=6 * settings.default.max_examples)
@example(b'1,"a\rb",,,,,\n', NAMES, 2, 9)
@example(b'"1,,,,,,\n,\xef\xbb\xbf,,,,,\n', NAMES, 1, 9)
def test_reader_refuses_what_pyarrow_refuses(
    path: Path, body: bytes, order: list[str], wanted: int, block: int
) -> None:
    columns = order[:wanted]
    expected, fault = attempt(body, columns)
    if fault is None:
        assert plain(new(path, body, columns)) == expected
        assert plain(new(path, body, columns, block=block)) == expected
        return
    with pytest.raises(InputError) as caught:
        new(path, body + b"\n", columns)  # a last line without its end would be a block of its own
    assert caught.value.column == fault.column or "byte-order mark" in caught.value.problem
    assert caught.value.rows
    if fault.row is not None and "byte-order mark" not in caught.value.problem:  # which comes before lines at fault
        assert caught.value.rows[0] == fault.row
    with pytest.raises(InputError):
        new(path, body, columns, block=block)
    for cell in body.decode().replace("\n", ",").split(","):
        assert len(cell) < 7 or cell.isdigit() or cell not in caught.value.problem


@given(
    lines(faults=True) | st.binary(max_size=200), st.permutations(NAMES), st.integers(1, len(NAMES)), st.integers(1, 80)
)
@settings(max_examples=4 * settings.default.max_examples)
def test_both_backends_say_the_same(path: Path, body: bytes, order: list[str], wanted: int, block: int) -> None:
    """The same rows of the same types, or the same message to the letter."""

    def outcome(backend: str) -> tuple[Any, ...]:
        try:
            table = new(path, body, order[:wanted], block=block, backend=backend)
        except InputError as error:
            return str(error), error.rows, error.column
        return table.schema, plain(table)

    assert outcome("native") == outcome("arrow")


@given(st.lists(numbers, min_size=1, max_size=30))
@settings(max_examples=4 * settings.default.max_examples)
@example(["1.00000005960464477539062500000000000000000000000001", "1.000000059604644775390625", "1.1754943e-38"])
@example(["1.000000178813934326", "1.000000178813934327", "1.237940002391892e+27", "1.2379400023918922e27"])
@example(
    [
        "3.40282356779733661637539395458142568447e38",
        "3.40282356779733661637539395458142568448e38",
        "-3.4028235677973366e38",
    ]
)
@example(["7.0064923216240853546186479164495806564013e-46", "7.0064923216240853546186479164495806564014e-46"])
def test_numbers_are_rounded_once(path: Path, cells: list[str]) -> None:
    """To the nearest double, or 32-bit float, and to even in the middle: worked out here with fractions."""
    body = "".join(f",,,{quoted(c, False)},{c},,\n" for c in cells).encode()
    found = new(path, body, ["whole", "number"])
    for cell, wide, narrow in zip(cells, *(c.to_pylist() for c in found.columns), strict=True):
        text = cell.strip(" \t")
        if not text or "n" in text.lower():
            continue
        assert wide == float(text)
        assert math.copysign(1, wide) == math.copysign(1, float(text))
        if not 1e-50 < abs(wide) < 1e50:
            assert math.isinf(narrow) if abs(wide) > 1 else narrow == 0
            continue
        exact, value = Fraction(text), np.float32(narrow)
        with np.errstate(all="ignore"):
            for side in (np.float32(-np.inf), np.float32(np.inf)):
                if value == side:
                    continue
                other = np.nextafter(value, side)
                middle = (Fraction(_finite(value)) + Fraction(_finite(other))) / 2
                beyond = (exact - middle) * (1 if side > 0 else -1)
                assert beyond <= 0
                if beyond == 0:
                    assert int(value.view(np.uint32)) % 2 == 0


def _finite(x: np.float32) -> float:
    """Infinity as the power of two that rounding takes it for."""
    return math.copysign(2.0**128, x) if np.isinf(x) else float(x)


@given(st.binary(max_size=200), st.integers(1, 70), st.lists(st.sampled_from(list(b'",\r\n1')), max_size=150))
@settings(max_examples=4 * settings.default.max_examples)
def test_any_bytes_give_rows_or_one_error(path: Path, noise: bytes, block: int, marks: list[int]) -> None:
    for body in (noise, bytes(marks), noise[:20] + bytes(marks) + noise[20:]):
        try:
            whole = plain(new(path, body, NAMES))
        except InputError as error:
            assert error.file == str(path)  # noqa: PT017
            with pytest.raises(InputError):
                new(path, body, NAMES, block=block)
        else:
            assert plain(new(path, body, NAMES, block=block, threads=2)) == whole


@given(lines(faults=True) | st.binary(max_size=300))
@settings(max_examples=3 * settings.default.max_examples)
def test_with_and_without_vector_instructions(body: bytes) -> None:
    def read(fast: bool) -> Any:
        wanted = [(i, CELL_KINDS[TYPES[k]]) for i, k in enumerate(KINDS.values())]
        rows = csv_read.most_rows(len(body), len(NAMES))
        layout, size = csv_read.layout([k for _, k in wanted], rows)
        out = bytearray(size)
        found = csv_read.read(
            bytearray(body) + bytes(csv_read.PAD), len(body), len(NAMES), wanted, out, rows, plain=not fast
        )
        return found, found and [bytes(out[v : v + found[0] // 8]) for _, _, v in layout]

    assert read(True) == read(False)


def test_every_place_in_a_word_can_hold_every_mark(path: Path) -> None:
    """Quotes, doubled quotes, separators and line ends on and around the borders of 64 bytes."""
    for long in range(70):
        for cell in ("", '""', '"a"', '""""', '"a""b"', '","', '"a","'):
            for first in (f"{'x' * long},{cell},,,,,", f"{'x' * long}{cell},,,,,,", f"{'x' * long},{cell}x,,,,,"):
                body = f"{first}\n1,,,,,,{cell}\r\n".encode()
                expected, fault = attempt(body, NAMES)
                if fault is None:
                    assert plain(new(path, body, NAMES)) == expected
                    continue
                with pytest.raises(InputError) as caught:
                    new(path, body, NAMES)
                assert caught.value.rows[0] == fault.row


@pytest.mark.parametrize("rows", [1, 63, 64, 65, 127, 128, 129, 1000, 5000])
def test_many_rows(path: Path, rows: int) -> None:
    rng = np.random.default_rng(rows)
    kinds = rng.integers(0, 5, rows)
    cells = [("", "true", "false", "1", "0")[k] for k in kinds]
    lines = []
    for i, (k, c) in enumerate(zip(kinds, cells, strict=True)):
        label, day = f"l{k}{'' if i % 3 else i}", dt.date(1900, 1, 1) + dt.timedelta(i)
        lines.append(f'{i},"{label}",{c},{i * 1.5 if k else ""},{k / 7},{day},"{"é" * (i % 40)}"\n')
    body = "".join(lines).encode()
    expected = plain(old(body, NAMES))
    for block, threads in ((1 << 20, 1), (4000, 2), (777, 3)):
        assert plain(new(path, body, NAMES, block=block, threads=threads)) == expected


def test_every_day_and_no_other(path: Path) -> None:
    first, last = dt.date(1896, 1, 1), dt.date(2105, 1, 1)
    days = [first + dt.timedelta(i) for i in range((last - first).days)] + [dt.date.min, dt.date.max]
    body = "".join(f",,,,,{day},\n" for day in days).encode()
    assert new(path, body, ["day"]).column(0).to_pylist() == days
    real = {day.isoformat() for day in days}
    for year in (1900, 1996, 1999, 2000, 2100):
        for month in range(14):
            for day in (0, 28, 29, 30, 31, 32):
                text = f"{year}-{month:02}-{day:02}"
                if text not in real:
                    with pytest.raises(InputError):
                        new(path, f",,,,,{text},\n".encode(), ["day"])


def test_the_rows_of_a_bad_cell_and_the_first_column_asked_for(path: Path) -> None:
    rows = [",,true,1,1.5,2020-01-01,"] * 300
    for row in (3, 70, 71, 200, 201, 299):
        rows[row] = ",,maybe,12O,x,2020-02-30,"
    body = "\n".join(rows).encode()
    for name in ("flag", "whole", "number", "day"):
        with pytest.raises(InputError) as caught:
            new(path, body, ["id", name, "day"])
        assert caught.value.column == name
        assert caught.value.rows == (3, 70, 71, 200, 201)
    assert new(path, body, ["id", "note"]).num_rows == 300


def test_a_cell_of_spaces_is_no_record(path: Path) -> None:
    found = new(path, b",,,1,,,\n,,  ,  ,\t,\xc2\xa0,\n", ["flag", "whole", "number", "day"])
    assert found.slice(1).to_pylist() == [dict.fromkeys(found.schema.names)]


def test_line_ends_of_one_carriage_return(path: Path) -> None:
    path.write_bytes(b"a,b\r1,x\r2,y")
    source = source_of(path)
    assert [r for b in source.batches(["b"]) for r in b.to_pylist()] == [{"b": "x"}, {"b": "y"}]


def test_every_character_of_an_encoding(tmp_path: Path) -> None:
    text = "".join(c for c in bytes(range(32, 256)).decode("cp1252", errors="ignore") if c not in '",')
    (tmp_path / "a.csv").write_bytes(f"a,b\n1,{text}\n".encode("cp1252"))
    source = source_of(tmp_path / "a.csv", encoding="cp1252")
    assert [r["b"] for b in source.batches(["b"]) for r in b.to_pylist()] == [text]


def test_packed_files_and_long_lines(tmp_path: Path) -> None:
    long = "x" * 300_000
    body = b"a,b\n" + b"".join(b'%d,"%s"\n' % (i, long.encode()) for i in range(8))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(body))
    source = source_of(tmp_path / "a.csv.gz")
    batches = list(source.batches(["a", "b"], block_bytes=1 << 16))
    assert [r["b"] for b in batches for r in b.to_pylist()] == [long] * 8


def test_many_columns_and_many_labels(path: Path) -> None:
    width = 5000
    path.write_bytes(b",".join(b"c%d" % i for i in range(width)) + b"\n" + (b"1," * (width - 1) + b"2\n") * 130)
    source = source_of(path)
    table = pa.Table.from_batches(source.batches(["c0", f"c{width - 1}"]))
    assert table.to_pylist() == [{"c0": "1", f"c{width - 1}": "2"}] * 130
    values = [f"label-{i * 7919 % 20_000}" for i in range(20_000)]
    path.write_text("a\n" + "\n".join(values))
    assert [r["a"] for b in source_of(path).batches(["a"]) for r in b.to_pylist()] == values


# -- writing ----------------------------------------------------------------------------------------------------

millionths = st.integers(-(10**16), 10**18).map(lambda m: m / 10**6)
doubles = st.one_of(
    millionths, st.floats(), st.integers(0, 10**6).map(lambda m: m / 10**6), st.sampled_from([-0.0, 0.0])
)


def columns(rows: int) -> st.SearchStrategy[dict[str, pa.Array]]:
    def of(values: st.SearchStrategy[Any], kind: pa.DataType) -> st.SearchStrategy[pa.Array]:
        return st.lists(st.none() | values, min_size=rows, max_size=rows).map(lambda v: pa.array(v, kind))

    whole = {k: of(st.integers(-(2 ** (w - 1)), 2 ** (w - 1) - 1), k)
             for w, k in ((8, pa.int8()), (16, pa.int16()), (32, pa.int32()), (64, pa.int64()))}  # fmt: skip
    positive = {k: of(st.integers(0, 2**w - 1), k)
                for w, k in ((8, pa.uint8()), (16, pa.uint16()), (32, pa.uint32()), (64, pa.uint64()))}  # fmt: skip
    text = st.one_of(labels, st.text(st.characters(codec="utf-8"), max_size=50))
    ids = text.filter(lambda value: value[:1] not in [*csv_reference.SIGNS])  # such an id is refused
    indices = st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.uint8(), pa.int64()])

    def coded(values: pa.Array, index: pa.DataType) -> pa.Array:
        return values.dictionary_encode().cast(pa.dictionary(index, pa.string()))

    return st.fixed_dictionaries(
        {
            "patient_id": st.one_of(of(ids, pa.string()), *whole.values(), *positive.values()),
            "text": of(text, pa.string()),
            "large": of(text, pa.large_string()),
            "view": of(text, pa.string_view()),
            "label": st.builds(coded, of(text, pa.string()), indices),
            "flag": of(st.booleans(), pa.bool_()),
            "risk": of(st.integers(0, 10**6).map(lambda m: m / 10**6), pa.float64()),
            "number": of(doubles, pa.float64()),
            "narrow": of(st.floats(width=32), pa.float32()),
            "day": of(st.dates(), pa.date32()),
            "moment": of(st.datetimes(), pa.timestamp("us")),
            "paid": of(st.decimals(-999, 999, places=2), pa.decimal128(9, 2)),
            "nothing": st.just(pa.nulls(rows)),
            'a "name"': st.one_of(*whole.values()),
            "whole": st.one_of(*positive.values()),
        }
    )  # fmt: skip


@given(st.data(), st.integers(0, 12), st.integers(1, 3))
@settings(max_examples=2 * settings.default.max_examples)
def test_writer_gives_what_pyarrow_gives(
    tmp_path_factory: pytest.TempPathFactory, data: Any, rows: int, threads: int
) -> None:
    path = tmp_path_factory.mktemp("csv") / "out.csv"
    table = pa.table(data.draw(columns(rows)))
    before = data.draw(st.integers(0, rows))
    sizes = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    for backend in BACKENDS:
        sink = open_sink(path, table.schema, form=".csv", threads=threads, backend=backend)
        at = before
        while at < rows:
            part = table.slice(at, sizes[at % len(sizes)]).to_batches()
            at += sum(b.num_rows for b in part)
            for batch in part:
                sink.write(batch)
        sink.close()
        assert path.read_bytes() == csv_reference.write(table.slice(before))
        assert sink.rows == rows - before


@given(st.lists(doubles, min_size=1, max_size=50))
@settings(max_examples=4 * settings.default.max_examples)
@example([0.000001, 123456789.123456, -0.1, 1e9 - 1e-6, 0.5, 100.0])
def test_quick_decimals_are_the_shortest(values: list[float]) -> None:
    """Only what six decimals and 15 digits can say is written the quick way, and then as `repr` would."""
    for value in values:
        numbers = pa.array([value])
        if not csv_write.decimals(numbers.buffers()[1], None, 0, 1):
            continue
        lines = csv_write.Lines()
        lines.fill(csv_write.Columns([("decimal", numbers.buffers()[1], None, 0, None, None, False)], 1), 0, 1)
        text = bytes(lines).decode().rstrip("\n")
        assert float(text) == value
        assert text == np.format_float_positional(value, trim="-")


def test_pieces_and_threads_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = 1000
    table = pa.table(
        {
            "patient_id": np.arange(rows),
            "risk": np.arange(rows) / 7,
            "l": pa.array(["a", None] * 500).dictionary_encode(),
        }
    )
    expected = csv_reference.write(table)
    for piece in (1, 7, 999, 5000):
        monkeypatch.setattr("popstrat.formats.csv.native_writer.PIECE_ROWS", piece)
        for threads in (1, 2, 4):
            sink = open_sink(tmp_path / "o.csv", table.schema, form=".csv", threads=threads)
            for batch in table.to_batches(max_chunksize=300):
                sink.write(batch)
            sink.close()
            assert (tmp_path / "o.csv").read_bytes() == expected


def test_codes_and_offsets_out_of_range_are_refused() -> None:
    ends, characters = pa.array(["a", "b"]).buffers()[1:]
    lines = csv_write.Lines()
    for kind, values, more in (
        ("label8", b"\x02", (characters, ends)),
        ("label8", b"\xff", (characters, ends)),
        ("text32", np.array([0, 99], np.int32).tobytes(), (b"abc", None)),
        ("text32", np.array([2, 1], np.int32).tobytes(), (b"abc", None)),
        ("text64", np.array([-1, 1], np.int64).tobytes(), (b"abc", None)),
    ):
        with pytest.raises(ValueError, match="outside its column"):
            lines.fill(csv_write.Columns([(kind, values, None, 0, *more, True)], 1), 0, 1)
    for kind, values in (("i64", b"1234567"), ("text32", b"1234"), ("bool", b"")):
        with pytest.raises(ValueError, match="a buffer of"):
            csv_write.Columns([(kind, values, None, 0, None, None, False)], 1)
    with pytest.raises(ValueError, match="outside its column"):
        csv_write.Columns([("label8", b"\0", None, 0, b"ab", np.array([0, 3], np.int32).tobytes(), True)], 1)
    with pytest.raises(ValueError, match="rows out of range"):
        lines.fill(csv_write.Columns([("u8", b"1", None, 0, None, None, False)], 1), 0, 2)


def test_lines_in_use_are_not_filled_again() -> None:
    one = csv_write.Columns([("u8", b"\1", None, 0, None, None, False)], 1)
    lines = csv_write.Lines()
    lines.fill(one, 0, 1)
    with memoryview(lines) as seen, pytest.raises(BufferError):
        lines.fill(one, 0, 1)
    assert bytes(lines) == b"1\n"
    assert seen is not None


def test_reader_refuses_buffers_that_are_too_short() -> None:
    layout, size = csv_read.layout(["f64"], 4)
    text = bytearray(b"1\n2\n") + bytes(csv_read.PAD)
    for wrong_call in (
        (text[:-1], 4, 1, [(0, "f64")], bytearray(size), 4),
        (text, 4, 1, [(0, "f64")], bytearray(size - 1), 4),
        (text, -1, 1, [(0, "f64")], bytearray(size), 4),
        (text, 4, 0, [(0, "f64")], bytearray(size), 4),
        (text, 4, 1, [(1, "f64")], bytearray(size), 4),
        (text, 4, 1, [(-1, "f64")], bytearray(size), 4),
    ):
        with pytest.raises(ValueError):
            csv_read.read(*wrong_call)
    out = bytearray(size)
    found = csv_read.read(text, 4, 1, [(0, "f64")], out, 4)
    assert found is not None
    assert found[0] == 2
    assert np.frombuffer(out, np.float64, 2, layout[0][0]).tolist() == [1.0, 2.0]
    assert csv_read.read(text, 4, 1, [(0, "f64")], bytearray(csv_read.layout(["f64"], 1)[1]), 1) is None


# -- bytes that no CSV file holds --------------------------------------------------------------------------------

ROWS_BEFORE = [b"1,a\n", b"2,b\r\n", b"3,c\r", b"\n", b"\r\n", b'4,"d"\n', b"5,\xc3\xa9\n", b"6," + b"x" * 3000 + b"\n"]
STRANGE = {b"\0": "zero bytes", b"\xef\xbb\xbf": "byte-order mark"}


@given(
    st.lists(st.sampled_from(ROWS_BEFORE), max_size=30),
    st.sampled_from(list(STRANGE)),
    st.sampled_from([b"%s7,z\n", b"7,%s\n", b'7,"%s"\n', b"7,z%s", b"7,z%s\n8,y\n"]),
    st.integers(1, 5000),
    st.sampled_from(BACKENDS),
)
@settings(max_examples=3 * settings.default.max_examples // 2)
def test_zero_bytes_and_byte_order_marks_are_refused_wherever_they_stand(
    path: Path, before: list[bytes], strange: bytes, row: bytes, block: int, backend: Any
) -> None:
    """The same words and the right row, in the first megabyte or later, in whichever block."""
    path.write_bytes(b"patient_id,t\n" + b"".join(before) + row % strange)
    with pytest.raises(InputError, match=STRANGE[strange]) as caught:
        list(source_of(path, backend=backend).batches(["patient_id", "t"], block_bytes=block))
    assert caught.value.rows == (sum(1 for line in before if line.strip()),)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("backend", BACKENDS)
def test_they_are_refused_beyond_the_first_megabyte_and_in_the_first_line(
    path: Path, strange: bytes, backend: Any
) -> None:
    rows = 200_000
    path.write_bytes(b"patient_id,t\n" + b"12345,ab\r\n" * rows + b"1%s,b\n" % strange)
    with pytest.raises(InputError, match=STRANGE[strange]) as caught:
        list(source_of(path, backend=backend).batches(["patient_id"]))
    assert caught.value.rows == (rows,)
    path.write_bytes(b"patient_id,t%s\n1,2\n" % strange)
    with pytest.raises(InputError, match=STRANGE[strange]) as caught:
        list(source_of(path, backend=backend).batches(["patient_id"]))
    assert caught.value.rows == ()
