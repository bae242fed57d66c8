"""Tables that are not what they say: each is refused by name, or what lies is an unknown label and counted."""

from __future__ import annotations

import datetime as dt
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from damaged_views import of_buffers

import popstrat
import popstrat.validation
from popstrat.core.soundness import cleared, exportable, refuse_astray, refuse_unsound
from popstrat.engine import astray, levels
from popstrat.errors import InputError
from popstrat.formats.registry import open_source
from popstrat.scoring.bound import BoundScorer
from popstrat.scoring.scorer import Scorer
from popstrat.scoring.unique_ids import IdBatch, UniqueIds, check_unique

AS_OF = dt.date(2026, 6, 30)
FRAILTY = ("fit", "mild", "moderate", "severe")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer("london-2026", AS_OF)


def people(rows: int, **columns: Any) -> pa.RecordBatch:
    """Adults with whatever is given besides."""
    table = {
        "patient_id": pa.array(np.arange(rows)),
        "practice_code": pa.array(["Y00001"] * rows),
        "date_of_birth": pa.array([dt.date(1950, 1, 1)] * rows),
        "sex": pa.array(["female"] * rows),
    }
    return pa.record_batch({**table, **columns})


def coded(indices: Any, entries: Sequence[str | None]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indices), pa.array(entries, pa.string()), safe=False)


def text(offsets: Sequence[int], letters: bytes, *, large: bool = False, valid: Any = None) -> pa.Array:
    held = np.array(offsets, np.int64 if large else np.int32)
    kind = pa.large_string() if large else pa.string()
    return pa.Array.from_buffers(kind, len(offsets) - 1, [valid, pa.py_buffer(held), pa.py_buffer(letters)])


def at_every_level(bound: BoundScorer, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    """The scored batch on each instruction set."""
    found = []
    for level in levels():
        frame, made = bound._frame(batch)
        counters = frame.run(0, batch.num_rows, level)
        found.append(bound.wrap(batch, made, counters.tolist()))
    return found


# -- what the engine reads in place ------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"])
@pytest.mark.parametrize("entries", [1, 4, 16, 17, 32, 40, 300])
def test_an_index_without_an_entry_is_an_unknown_label(scorer: Scorer, index: str, entries: int) -> None:
    """Whatever its place in a block of the instruction set, and however large the dictionary; -1 made people fit."""
    rows, info = 200, np.iinfo(index)
    words = [FRAILTY[i % 4] for i in range(entries)]
    wild = [x for x in (-1, -2, -128, entries, entries + 1, 16, 31, 32, 33, 64, 127, 128, 255, info.min, info.max)
            if info.min <= x <= info.max and not 0 <= x < entries]  # fmt: skip
    for bad in wild:
        indices = np.arange(rows) % min(entries, info.max)
        at = np.arange(rows) % 3 == 0
        indices[at] = bad
        batch = people(rows, frailty=coded(indices.astype(index), words))
        wanted = [None if there else words[i] for i, there in zip(indices.tolist(), at.tolist(), strict=True)]
        bound = scorer.bind(batch.schema)
        if index == "int64":
            with pytest.raises(InputError, match=r"frailty.*index that its dictionary does not have.*1, 4, 7, 10, 13"):
                bound.score(batch)
            continue
        _, tally = bound.score(batch)
        assert tally.quality == {"frailty": {"unknown label": int(at.sum())}}
        bit = scorer.quality_bits["frailty: unknown label"]
        for length in (rows, 1, 31, 32, 33, 63, 64, 65, 97):
            for scored in at_every_level(bound, batch.slice(0, length)):
                assert scored["frailty_category"].to_pylist() == wanted[:length], (bad, length)
                assert [f >> bit & 1 for f in scored["quality_flags"].to_pylist()] == at[:length].astype(int).tolist()


def test_whatever_lies_under_a_null_is_null(scorer: Scorer) -> None:
    """And not an unknown label."""
    valid = pa.py_buffer(np.packbits(np.arange(100) % 2, bitorder="little"))
    values = pa.py_buffer(np.where(np.arange(100) % 2, 3, -1).astype(np.int8))
    indices = pa.Array.from_buffers(pa.int8(), 100, [valid, values])
    batch = people(100, frailty=pa.DictionaryArray.from_arrays(indices, pa.array(FRAILTY), safe=False))
    scored, tally = scorer.bind(batch.schema).score(batch)
    assert tally.quality == {}
    assert scored["frailty_category"].to_pylist() == [None, "severe"] * 50


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("word", ["fit", "moderate", "x" * 20, "x" * 40])
def test_text_that_lies_outside_is_an_unknown_label(scorer: Scorer, word: str, large: bool) -> None:
    """Offsets that fall, are negative, or end beyond the text; short text, long text, and text near the end."""
    rows, size = 100, len(word)
    letters = word.encode() * rows
    for at in (1, 2, 32, 63, 64, 98, 99):
        for bad in (-1, -8, -(2**31), 2**30, 2**31 - 1, len(letters) + 1, *([2**62, -(2**63)] if large else [])):
            offsets = np.arange(rows + 1, dtype=np.int64) * size
            offsets[at] = bad
            lies = {at - 1, at}  # the one that ends there, and the one that begins there
            batch = people(rows, frailty=text(offsets.tolist(), letters, large=large))
            wanted = [None if i in lies or word not in FRAILTY else word for i in range(rows)]
            bound = scorer.bind(batch.schema)
            for scored in (bound.score(batch)[0], *at_every_level(bound, batch)):
                assert scored["frailty_category"].to_pylist() == wanted, (at, bad)


def test_a_count_of_nulls_that_is_wrong_changes_nothing(scorer: Scorer) -> None:
    """The bitmap is read, whatever is said of it."""
    for column in (pa.array([1.5, None] * 50), pa.array([True, None] * 50), pa.array([7, None] * 50, pa.int8())):
        right = people(100, bmi=column) if not pa.types.is_boolean(column.type) else people(100, diabetes=column)
        name = right.schema.names[-1]
        for count in (1, 49, 51, 100):
            lies = pa.Array.from_buffers(column.type, 100, column.buffers(), count)
            wrong = right.set_column(right.schema.names.index(name), name, lies)
            assert scorer.score_batch(wrong).equals(scorer.score_batch(right))


def test_outputs_say_how_many_of_them_are_null(scorer: Scorer) -> None:
    """As counting their bits gives, for children and adults, slices, and several pieces."""
    births = [dt.date(1950, 1, 1), dt.date(2015, 1, 1), None]
    rows = 20_001
    batch = people(rows, date_of_birth=pa.array([births[i % 3] for i in range(rows)]))
    for part in (batch, batch.slice(7), batch.slice(0, 1), batch.slice(0, 0)):
        scored = scorer.bind(batch.schema).score(part, threads=2)[0]
        scored.validate(full=True)
        for column in scored.columns:
            assert column.null_count == column.to_pylist().count(None)


# -- what is refused ---------------------------------------------------------------------------------------------------

OFFSETS = [0, 6, 12, 2**30, 24, 30]
KEYS: list[tuple[str, Callable[[], pa.Array], tuple[int, ...]]] = [
    ("practice_code", lambda: text(OFFSETS, b"Y00001" * 5), (2, 3)),
    ("practice_code", lambda: text([0, 6, -1, 18, 24, 30], b"Y00001" * 5, large=True), (1, 2)),
    ("practice_code", lambda: coded(np.array([0, 1, -1, 0, 9], np.int32), ["Y00001", "Y00002"]), (2, 4)),
    ("practice_code", lambda: coded(np.array([0, 1, 200, 0, 0], np.uint8), ["Y00001", "Y00002"]), (2,)),
    ("practice_code", lambda: pa.DictionaryArray.from_arrays(
        pa.array([0, 1, 0, 1, 0], pa.int8()), text([0, 100, 6], b"Y00001"), safe=False), ()),
    ("practice_code", lambda: view(2), (2,)),
    ("pcn_code", lambda: coded(np.array([0, 0, 7, 0, 0], np.int8), ["U1"]), (2,)),
    ("neighbourhood", lambda: text(OFFSETS, b"North " * 5), (2, 3)),
    ("patient_id", lambda: text(OFFSETS, b"123456" * 5), (2, 3)),
    ("patient_id", lambda: view(4), (4,)),
    ("patient_id", lambda: coded(np.array([0, 1, 2, 3, -7], np.int64), ["a", "b", "c", "d"]), (4,)),
]  # fmt: skip


def view(row: int) -> pa.Array:
    """Five texts as views, one of them of a buffer that is not there."""
    honest = pa.array([f"a key that is long {i}" for i in range(5)], pa.string_view())
    views = np.frombuffer(honest.buffers()[1], np.int32).copy().reshape(-1, 4)
    views[row, 2] = 9
    return of_buffers(pa.string_view(), 5, [None, pa.py_buffer(views), honest.buffers()[2]])


@pytest.mark.parametrize(("name", "make", "rows"), KEYS)
def test_keys_and_places_that_lead_outside_are_refused(
    scorer: Scorer, name: str, make: Callable[[], pa.Array], rows: tuple[int, ...]
) -> None:
    """By every way in, with the column and the rows."""
    batch = people(5)
    if name in batch.schema.names:
        batch = batch.set_column(batch.schema.names.index(name), name, make())
    else:
        batch = batch.append_column(name, make())
    opted = batch.append_column("type1_opt_out", pa.array([False, True, False, False, False]))
    opted = opted.append_column("national_data_opt_out", pa.array([False] * 5))
    ways: dict[str, Callable[[], object]] = {
        "score_batch": lambda: scorer.score_batch(batch),
        "score": lambda: popstrat.score(batch, AS_OF),
        "record": lambda: popstrat.score(pa.Table.from_batches([batch]), AS_OF, record=True),
        "score_batches": lambda: list(scorer.score_batches([batch])),
        "contributions": lambda: popstrat.contributions(batch, AS_OF),
        "secondary use": lambda: Scorer("london-2026", AS_OF, profile="secondary-use").score_batch(opted),
    }
    for way, call in ways.items():
        with pytest.raises(InputError, match=name) as caught:
            call()
        assert caught.value.column == name, way
        assert caught.value.rows == rows, way
    if name == "patient_id":
        for check in (check_unique, lambda ids: UniqueIds().add(IdBatch(ids))):
            with pytest.raises(InputError, match=name) as caught:
                check(make())
            assert caught.value.rows == rows


def test_labels_in_a_dictionary_that_lies_are_refused(scorer: Scorer) -> None:
    """Before its entries are compared with those of the batch before, or read."""
    sound = people(4, frailty=coded(np.array([0, 1, 0, 1], np.int8), ["fit", "mild"]))
    bound = scorer.bind(sound.schema)
    bound.score(sound)
    for entries in (text([0, 2**30, 7], b"fitmild"), text([0, 3, 7], b"fit\xff\xfe\xfd\xfc")):
        lies = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0, 1], pa.int8()), entries, safe=False)
        with pytest.raises(InputError, match="'frailty': its dictionary"):
            bound.score(people(4, frailty=lies))


@pytest.mark.parametrize("kind", ["flag", "number", "date", "view", "decimal"])
def test_columns_that_arrow_converts_are_looked_at_first(scorer: Scorer, kind: str) -> None:
    """Text that stands for something else, views, decimals."""
    name, array = {
        "flag": ("diabetes", text([0, 4, 2**30, 12, 16, 20], b"true" * 5)),
        "number": ("bmi", text([0, 2, -1, 6, 8, 10], b"25" * 5)),
        "date": ("bp_date", text([0, 10, 2**30, 30, 40, 50], b"2026-01-01" * 5, large=True)),
        "view": ("sex", view(3)),
        "decimal": ("bmi", pa.Array.from_buffers(
            pa.decimal128(5, 2), 5, [None, pa.py_buffer(b"\xff" * 15 + b"\x7f" + bytes(64))])),
    }[kind]  # fmt: skip
    batch = people(5)
    names = batch.schema.names
    batch = batch.set_column(names.index(name), name, array) if name in names else batch.append_column(name, array)
    with pytest.raises(InputError) as caught:
        scorer.score_batch(batch)
    assert caught.value.column == name


def test_views_under_nulls_may_be_anything() -> None:
    """Arrow's own cast would follow them."""
    honest = pa.array(["a text that is long", None, "another one, long too"], pa.string_view())
    views = np.frombuffer(honest.buffers()[1], np.int32).copy().reshape(-1, 4)
    views[1] = [2**31 - 1, 7, 2**31 - 1, -5]
    lies = of_buffers(pa.string_view(), 3, [honest.buffers()[0], pa.py_buffer(views), honest.buffers()[2]])
    refuse_unsound(lies, "x")
    assert cleared(lies).cast(pa.large_string()).to_pylist() == honest.to_pylist()
    assert cleared(lies.slice(1)).cast(pa.string()).to_pylist() == honest.to_pylist()[1:]
    assert cleared(honest) is honest


def test_rows_that_are_not_utf8_are_named() -> None:
    """In text, views and dictionaries; nulls are nothing."""
    words = [b"fine", b"\xff", None, b"also", b"\xed\xa0\x80"]
    for kind, raw in (
        (pa.string(), pa.binary()),
        (pa.large_string(), pa.large_binary()),
        (pa.string_view(), pa.binary_view()),
    ):
        with pytest.raises(InputError, match="not UTF-8") as caught:
            refuse_unsound(pa.array(words, raw).view(kind), "x")
        assert caught.value.rows == (1, 4)
    indices = pa.array([3, 1, 1, None, 0], pa.int8())
    lies = pa.DictionaryArray.from_arrays(indices, pa.array(words[:4], pa.binary()).view(pa.string()))
    with pytest.raises(InputError, match="not UTF-8") as caught:
        refuse_unsound(lies, "x")
    assert caught.value.rows == (1, 2)


def test_tables_given_to_validation_are_looked_at_first() -> None:
    """The scored table, the outcomes and the list."""
    scored = pa.table({"patient_id": ["a", "b", "c"], "practice_code": ["Y"] * 3, "admission_risk": [0.1, 0.2, 0.3]})
    outcomes = pa.table({"patient_id": ["a", "b", "c"], "admitted": [True, False, False]})
    lies = pa.chunked_array([text([0, 1], b"a"), text([0, 2**30, 2], b"bc")])
    for tables in (
        (scored.set_column(0, "patient_id", lies), outcomes, None),
        (scored, outcomes.set_column(0, "patient_id", lies), None),
        (scored, outcomes, outcomes.set_column(0, "patient_id", lies)),
    ):
        with pytest.raises(InputError, match="patient_id") as caught:
            popstrat.validation.validate(*tables[:2], patients=tables[2], column="admitted")
        assert caught.value.rows == (1, 2)


# -- files -------------------------------------------------------------------------------------------------------------


def written(path: Path, batch: pa.RecordBatch, *, stream: bool = False, many: int = 1) -> Path:
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(path, batch.schema) as out:
        for _ in range(many):
            out.write_batch(batch)
    return path


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_whose_text_leads_outside_is_refused(tmp_path: Path, stream: bool) -> None:
    """With the file, the column and the rows, counted over batches."""
    for name, array, rows in (
        ("practice_code", text(OFFSETS, b"Y00001" * 5), (2, 3)),
        ("practice_code", text([0, 6, 12, 18, 24, 30], b"Y00001Y0000\xffY00001Y00001Y00001"), (1,)),
        ("frailty", text(OFFSETS, b"severe" * 5), (2, 3)),
        ("frailty", coded(np.array([0, -1, 0, 0, 0], np.int8), ["fit"]), (1,)),
    ):
        batch = people(5)
        names = batch.schema.names
        batch = batch.set_column(names.index(name), name, array) if name in names else batch.append_column(name, array)
        path = written(tmp_path / "list.arrow", batch, stream=stream)
        source = open_source([path]).files[0]
        with pytest.raises(InputError) as caught:
            list(source.batches(source.schema.names))
        assert (caught.value.file, caught.value.column, caught.value.rows) == (str(path), name, rows)


@pytest.mark.parametrize("stream", [False, True])
def test_an_arrow_file_that_is_cut_short_while_it_is_read(tmp_path: Path, stream: bool) -> None:
    """Is refused; mapped into memory it would end the process, which is why another one tries."""
    path = written(tmp_path / "list.arrow", people(50_000), stream=stream, many=4)
    code = (
        "import os, sys; from popstrat.formats import open_source\n"
        "source = open_source([sys.argv[1]]).files[0]\n"
        "batches = source.batches(source.schema.names)\n"
        "next(batches)\n"
        "os.truncate(sys.argv[1], 4096)\n"
        "try:\n    print(sum(b.num_rows for b in batches))\n"
        "except ValueError as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("InputError"), done.stdout
    assert str(path) in done.stdout


def test_arrow_files_are_not_mapped(tmp_path: Path) -> None:
    """What was read stays as it was, whatever becomes of the file."""
    path = written(tmp_path / "list.arrow", people(50_000))
    batch = next(open_source([path]).files[0].batches(["patient_id"]))
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    assert batch.column(0).to_pylist() == list(range(50_000))


# -- a scorer bound to another schema ----------------------------------------------------------------------------------


def test_a_batch_of_another_schema_is_refused(scorer: Scorer) -> None:
    """Naming the first difference: a type, a column more or less, another order; after pickling too."""
    batch = people(10, bmi=pa.array([25.0] * 10), hba1c=pa.array([50.0] * 10))
    names = batch.schema.names
    others = {
        "'bmi': is of type int64, and the scorer is bound to double": batch.set_column(
            names.index("bmi"), "bmi", pa.array([25] * 10)
        ),
        "'hba1c': is missing, and the scorer is bound to tables that have it": batch.drop_columns(["hba1c"]),
        "'extra': the scorer is bound to tables without this column": batch.append_column("extra", pa.nulls(10)),
        "column 1 is 'patient_id', and here that is 'practice_code'": batch.select([names[1], names[0], *names[2:]]),
        "'sex': is of type dictionary": batch.set_column(
            names.index("sex"), "sex", coded(np.zeros(10, np.int8), ["female"])
        ),
    }
    bound = scorer.bind(batch.schema)
    checker = scorer.checker(batch.schema)
    made = [bound, pickle.loads(pickle.dumps(bound)), checker, pickle.loads(pickle.dumps(checker))]
    for one in made:
        one.score(batch)
        one.score(batch.replace_schema_metadata({"a": "b"}))
        for problem, other in others.items():
            with pytest.raises(InputError, match=problem):
                one.score(other)
            with pytest.raises(InputError, match=problem):
                one.start(other)
    assert not made[3].compiled.outputs, "a checker that was pickled is a checker"


def test_the_engine_compares_formats_with_what_it_reads() -> None:
    """Each kind of column, given every other type."""
    from popstrat.engine import Frame, Labels, Program

    types: dict[str, pa.Array] = {
        "bits": pa.array([True]), "i8": pa.array([1], pa.int8()), "u8": pa.array([1], pa.uint8()),
        "i16": pa.array([1], pa.int16()), "i32": pa.array([1], pa.int32()), "i64": pa.array([1]),
        "f32": pa.array([1.0], pa.float32()), "f64": pa.array([1.0]), "str32": pa.array(["a"]),
        "str64": pa.array(["a"], pa.large_string()), "dict8": coded(np.zeros(1, np.int8), ["a"]),
        "dict16": coded(np.zeros(1, np.int16), ["a"]), "dict32": coded(np.zeros(1, np.int32), ["a"]),
    }  # fmt: skip
    more = {
        "i32": [pa.array([dt.date(2020, 1, 1)])], "dict8": [coded(np.zeros(1, np.uint8), ["a"])],
        "dict16": [coded(np.zeros(1, np.uint16), ["a"])], "dict32": [coded(np.zeros(1, np.uint32), ["a"])],
    }  # fmt: skip
    wrong = [pa.array([1], pa.uint16()), pa.array([dt.datetime(2020, 1, 1)]), pa.array(["a"], pa.string_view()),
             pa.array([b"a"]), pa.array([[1]]), pa.array([dt.timedelta(1)]), pa.array([1], pa.time32("s"))]  # fmt: skip
    for kind, right in types.items():
        program = Program([], [], [], [], (kind,), (), 0, 0, 0, 0, 0)
        column = (
            0,
            np.zeros(256, np.uint8) if kind.startswith("dict") else None,
            Labels({}) if kind.startswith("str") else None,
        )
        for array in (right, *more.get(kind, [])):
            Frame(program, [column], [], 1, pa.record_batch({"x": array}).__arrow_c_array__())
        for array in (*(a for other, a in types.items() if other != kind), *wrong):
            with pytest.raises(ValueError, match=r"format|nothing"):
                Frame(program, [column], [], 1, pa.record_batch({"x": array}).__arrow_c_array__())


# -- where things lead, by the engine ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [0, 1, 5, 63, 64, 4095, 4096, 4097, 9000])
def test_astray_finds_what_numpy_finds(rows: int) -> None:
    rng = np.random.default_rng(rows)
    for offset in (0, 3):
        mask = rng.random(offset + rows) < 0.8
        valid = np.packbits(mask, bitorder="little")
        for kind in ("uint8", "int8", "uint16", "int32", "int64", "uint64"):
            indices = rng.integers(0, 100, offset + rows).astype(kind)
            for entries in (100, 99, 50, 0):
                bad = np.flatnonzero(((indices < 0) | (indices >= entries))[offset:] & mask[offset:])
                found = astray("indices", indices.itemsize, indices, valid, offset, rows, entries, 4)
                assert found == (len(bad), bad[:4].tolist())
        nulls = np.flatnonzero(~mask[offset:])
        assert astray("valid", 0, None, valid, offset, rows, 0, 3) == (len(nulls), nulls[:3].tolist())
        for width, kind in ((4, np.int32), (8, np.int64)):
            offsets = np.cumsum(rng.integers(0, 9, offset + rows + 1)).astype(kind)
            end = int(offsets[-1])
            assert astray("offsets", width, offsets, None, offset, rows, end) == (0, [])
            if rows > 1:
                at = offset + rows // 2
                offsets[at] = -1
                begin, stop = offsets[offset:-1], offsets[offset + 1 :]
                bad = np.flatnonzero((begin < 0) | (stop < begin) | (stop > end))
                assert astray("offsets", width, offsets, None, offset, rows, end) == (len(bad), bad[:6].tolist())


def test_astray_refuses_buffers_that_are_too_short() -> None:
    x = np.zeros(10, np.int32)
    for what, width, rows in (("indices", 4, 11), ("offsets", 4, 10), ("views", 16, 3), ("indices", 8, 6)):
        with pytest.raises(ValueError, match="needed"):
            astray(what, width, x, None, 0, rows, [] if what == "views" else 1)
    with pytest.raises(ValueError, match="bitmap"):
        astray("indices", 4, x, np.zeros(1, np.uint8), 0, 10, 1)
    for what, width in (("indices", 3), ("offsets", 2), ("views", 8), ("nothing", 4)):
        with pytest.raises(ValueError, match="bytes"):
            astray(what, width, x, None, 0, 1, 1)
    for offset, rows in ((-1, 1), (0, -1), (2**60, 1)):
        with pytest.raises(ValueError, match="rows"):
            astray("indices", 4, x, None, offset, rows, 1)


def test_columns_without_text_or_index_are_never_astray() -> None:
    for array in (pa.array([1, None]), pa.array([True]), pa.nulls(3), pa.array([], pa.string()), pa.array([1.5])):
        refuse_astray(array, "x")


@pytest.mark.smoke
@pytest.mark.parametrize("skip", [0, 1])
def test_short_views_can_be_handed_on(skip: int) -> None:
    """Arrow's cast to views left a buffer that is None, and then killed the process that exported it."""
    views = pa.array(["a", None, "bc"]).cast(pa.string_view()).slice(skip)
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["a", "b"]).cast(pa.string_view()))
    plain = pa.array(["a"])
    some = pa.concat_arrays([views, pa.array(["longer than twelve bytes"]).cast(pa.string_view())])
    for given in (views, coded, some, views.cast(pa.string()).cast(pa.binary()).cast(pa.binary_view()), plain):
        found = exportable(given)
        found.validate(full=True)
        assert found.to_pylist() == given.to_pylist()
        found.__arrow_c_array__()
    assert exportable(plain) is plain


WITHIN: dict[str, Callable[[pa.Array], pa.Array]] = {
    "run ends": lambda v: pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), v),
    "list": lambda v: pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), v),
    "structure": lambda v: pa.StructArray.from_arrays([v], ["a"]),
    "dictionary in a structure": lambda v: pa.StructArray.from_arrays(
        [pa.DictionaryArray.from_arrays(pa.array([0, 1]), v)], ["a"]
    ),
    "map": lambda v: pa.MapArray.from_arrays(pa.array([0, 1, 2], pa.int32()), v, v),
}


@pytest.mark.smoke
@pytest.mark.parametrize("within", WITHIN)
def test_columns_that_nobody_reads_may_hold_short_views(scorer: Scorer, within: str) -> None:
    """The whole process ended as they were exported, with pyarrow 18 to 23."""
    batch = people(2, shoes=WITHIN[within](pa.array(["a", "b"]).cast(pa.string_view())))
    assert scorer.score_batch(batch).equals(scorer.score_batch(people(2)))
    assert popstrat.score(batch, AS_OF).num_rows == 2


@pytest.mark.smoke
@pytest.mark.parametrize("profile", ["direct-care", "secondary-use"])
def test_a_list_with_short_views_is_scored(profile: str) -> None:
    short = pa.array(["Y90001", "y90002 "]).cast(pa.string_view())
    columns = {"patient_id": pa.array(["a", "b"]), "practice_code": short, "age": pa.array([70, 80]), "other": short,
               "sex": pa.array(["female", "male"]).cast(pa.string_view())}  # fmt: skip
    batch = pa.record_batch({**columns, "national_data_opt_out": pa.array([0, 0]), "type1_opt_out": pa.array([1, 0])})
    bound = Scorer(as_of=AS_OF, profile=profile).bind(batch.schema)
    scored, _ = bound.score(batch)
    assert scored.column("practice_code").to_pylist() == ["Y90001", "Y90002"][-scored.num_rows :]
