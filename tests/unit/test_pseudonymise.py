"""Pseudonyms: against RFC 4231 and a plain implementation; what stays, what is refused, and what the lookup holds."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.errors import InputError
from popstrat.packs.keys import as_read, key
from popstrat.privacy import audit_log as audit
from popstrat.privacy import pseudonymise as ps
from popstrat.privacy.keyed_hashes import Digester, hmac_sha256
from popstrat.privacy.pseudonymise import Collisions, Column, parse_columns, run_pseudonymise

KEY = bytes.fromhex("9f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a1d4c03f2e798")
NHS = ["9990000018", "9990000026", "9990000034", "9990000042", "9990000050"]
AS_OF = "2026-06-30"


def plain_pseudonym(value: object, purpose: str, key: bytes = KEY) -> str | None:
    """What a pseudonym is, written to be read: the independent implementation."""
    if value is None:
        return None
    text = str(value).strip()
    digits = re.sub(r"[\s-]", "", text)
    if re.fullmatch(r"[0-9]{3}[\s-]*[0-9]{3}[\s-]*[0-9]{4}", text):
        text = digits
    if not text:
        return None
    inner = hmac.new(key, b"popstrat pseudonym 1\0" + purpose.encode(), hashlib.sha256).digest()
    return hmac.new(inner, text.encode(), hashlib.sha256).hexdigest()[:32]


def as_number(pseudonym: str | None) -> int | None:
    """The int64 form of a pseudonym."""
    return None if pseudonym is None else int(pseudonym[:16], 16) >> 1


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("POPSTRAT_KEY", audit.KEY_VARIABLE, audit.KEY_FILE_VARIABLE, audit.LOG_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def pseudonyms(values: Any, purpose: str = "patient_id", **options: Any) -> list[Any]:
    """The pseudonyms of a column, by way of a file."""
    pq.write_table(pa.table({"patient_id": values}), "in.parquet")
    run_pseudonymise(["in.parquet"], "out.parquet", [Column("patient_id", purpose)], KEY, force=True, **options)
    return list(pq.read_table("out.parquet").column("patient_id").to_pylist())


# -- HMAC-SHA-256 -------------------------------------------------------------------------------------------------

# RFC 4231, section 4: key, data, HMAC-SHA-256 (case 5 is truncated to 128 bits there)
RFC_4231 = {
    1: (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    2: (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    3: (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    4: (bytes(range(1, 26)), b"\xcd" * 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
    5: (b"\x0c" * 20, b"Test With Truncation", "a3b6167473100ee06e0c796c2955552b"),
    6: (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
    7: (
        b"\xaa" * 131,
        (
            b"This is a test using a larger than block-size key and a larger than block-size data. "
            b"The key needs to be hashed before being used by the HMAC algorithm."
        ),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    ),
}


@pytest.mark.parametrize("case", RFC_4231)
def test_rfc_4231(case: int) -> None:
    key, data, expected = RFC_4231[case]
    assert hmac_sha256(key)([data]).hex().startswith(expected)


@given(st.binary(min_size=0, max_size=200), st.lists(st.binary(max_size=200), max_size=20))
def test_digests_are_those_of_the_standard_library(key: bytes, values: list[bytes]) -> None:
    assert hmac_sha256(key)(values) == b"".join(hmac.new(key, v, "sha256").digest() for v in values)


def test_digests_do_not_depend_on_the_number_of_processes() -> None:
    values = [b"%d" % i for i in range(5001)]
    keys = [b"one" * 11, b"two" * 11]
    with Digester(keys, 1) as one, Digester(keys, 3) as three:
        for which in (0, 1):
            assert one.digests(which, values) == three.digests(which, values)
        assert three.digests(0, values[:3]) == one.digests(0, values[:3])
        assert three.digests(0, []) == b""
        workers = [process for _, process in three._workers]
        assert len(workers) == 2
    assert [process.exitcode for process in workers] == [0, 0]


# -- values -------------------------------------------------------------------------------------------------------

spaces = st.sampled_from(["", " ", "  ", "\u00a0", "-", " - "])
numbers = st.integers(0, 2**63 - 1)


@st.composite
def spelt(draw: st.DrawFn) -> tuple[str, str]:
    """Ten digits, plain and as somebody might write them."""
    digits = f"{draw(st.integers(0, 10**10 - 1)):010d}"
    around = st.sampled_from(["", " ", "\u00a0", "\t"])
    text = digits[:3] + draw(spaces) + digits[3:6] + draw(spaces) + digits[6:]
    return digits, draw(around) + text + draw(around)


@given(st.lists(spelt(), min_size=1, max_size=20))
def test_an_nhs_number_is_the_same_however_it_is_written(found: list[tuple[str, str]]) -> None:
    assert as_read(pa.array([written for _, written in found]), "key", "x").column.to_pylist() == [d for d, _ in found]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
KINDS = ["string", "large_string", "string_view", "dictionary", "large dictionary"]


def as_kind(values: Sequence[str | None], kind: str) -> pa.Array:
    array = pa.array(values, pa.string())
    match kind:
        case "large_string":
            return array.cast(pa.large_string())
        case "string_view":
            return array.cast(pa.string_view())
        case "dictionary":
            return array.dictionary_encode()
        case "large dictionary":  # entries that no row uses
            codes = pa.array([None if v is None else i for i, v in enumerate(values)], pa.int16())
            return pa.DictionaryArray.from_arrays(
                codes, pa.array([v or "" for v in values] + [f"x{i}" for i in range(50)])
            )
    return array


@given(
    st.lists(st.none() | TEXT | spelt().map(lambda s: s[1]), max_size=30),
    st.sampled_from(KINDS),
    st.sampled_from(["text", "int64"]),
    st.integers(0, 5),
)
def test_columns_against_the_plain_implementation(values: list[str | None], kind: str, form: Any, skip: int) -> None:
    meant = [None if v is None else key(v) for v in values]  # how keys are read is tested in test_keys.py
    values = [v for v, m in zip(values, meant, strict=True) if m is None or isinstance(m, str)]
    column = as_kind(values, kind).slice(skip)
    plan = ps._Plan((Column("c", "p"),), form, (), None, ())
    done = ps._Done(plan)
    with Digester([ps.purpose_key(KEY, "p")]) as digester:
        made, _ = plan.apply(pa.RecordBatch.from_arrays([column], ["c"]), ["c"], digester, done, False)
    made.validate(full=True)
    expected = [plain_pseudonym(None if v is None else key(v), "p") for v in values[skip:]]
    assert made.column(0).to_pylist() == (expected if form == "text" else [as_number(e) for e in expected])
    assert done.nulls == {"c": expected.count(None)}


@pytest.mark.parametrize("kind", [pa.int64(), pa.int32(), pa.uint32(), pa.string(), pa.large_string()])
def test_numbers_and_text_of_one_value_have_one_pseudonym(kind: pa.DataType) -> None:
    values = pa.array([5, 999_000_001, None, 5]).cast(kind)
    assert pseudonyms(values) == [plain_pseudonym(v, "patient_id") for v in (5, 999_000_001, None, 5)]


def test_leading_zeros_and_capitals_are_told_apart() -> None:
    assert len({*pseudonyms(["12", "012", "a", "A"])}) == 4


def test_text_has_a_fixed_length_and_int64_is_positive() -> None:
    values = list(range(3000))
    assert all(re.fullmatch("[0-9a-f]{32}", p) for p in pseudonyms(values))
    assert all(0 <= p < 2**63 for p in pseudonyms(values, form="int64"))
    assert len(set(pseudonyms(values))) == 3000


def test_purposes_and_keys_give_pseudonyms_that_have_nothing_in_common() -> None:
    other = bytes.fromhex("1d4c03f2e7989f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a")
    found = {plain_pseudonym(NHS[0], p, k) for p in ("a", "b") for k in (KEY, other)}
    assert len(found) == 4
    assert pseudonyms(NHS, "a") == [plain_pseudonym(n, "a") for n in NHS]
    assert pseudonyms(NHS, "b") == [plain_pseudonym(n, "b") for n in NHS]


def test_the_pseudonym_of_a_known_key_does_not_change_with_the_version() -> None:
    assert plain_pseudonym("9990000018", "patient_id") == "2423af86167723670f0ae226fe447c89"
    assert pseudonyms(["999 000 0018"]) == ["2423af86167723670f0ae226fe447c89"]


def test_duplicates_keep_and_nulls_stay_null() -> None:
    values = ["a", None, "a", "", " ", "b"]
    found = pseudonyms(values)
    assert found[0] == found[2] != found[5]
    assert [found[i] for i in (1, 3, 4)] == [None] * 3


@pytest.mark.parametrize("value", ["9.99E+09", "9,99E+09", "9990000018.0", "1e5", "12.00"])
def test_numbers_that_a_spreadsheet_had_are_refused_with_their_row(value: str) -> None:
    with pytest.raises(
        InputError, match=r"in\.parquet: column 'patient_id': has been through a spreadsheet.*\(row 3\)"
    ) as e:
        pseudonyms(["a", "b", value])
    assert value not in str(e.value)
    assert not Path("out.parquet").exists()


def test_what_only_resembles_one_is_not_refused() -> None:
    values = ["E10", "1.5", "12E", "e+5", "1.0.0"]
    assert pseudonyms(values) == [plain_pseudonym(v, "patient_id") for v in values]


@pytest.mark.parametrize("values", [[1.0, 2.0], [True, False], [dt.date(2000, 1, 1)], [[1]]])
def test_columns_of_other_types_are_refused(values: list[Any]) -> None:
    with pytest.raises(InputError, match="only whole numbers and text have pseudonyms"):
        pseudonyms(values)


# -- collisions of the int64 form ---------------------------------------------------------------------------------


def digest(pseudonym: int, rest: int) -> bytes:
    return (pseudonym << 1).to_bytes(8, "big") + rest.to_bytes(8, "big") + bytes(16)


def test_a_collision_is_found_and_a_repeated_value_is_none() -> None:
    whole = Collisions("c")
    whole.add(digest(1, 5) + digest(2, 5) + digest(1, 5))
    whole.settle()
    whole.add(digest(2, 5))
    whole.settle()
    whole.add(digest(2, 6))
    with pytest.raises(InputError, match="column 'c': two different values would get one int64 pseudonym"):
        whole.settle()


def test_the_last_bit_is_not_part_of_the_pseudonym() -> None:
    found = Collisions("c")
    found.add(digest(7, 1))
    found.add(bytes([*digest(7, 2)[:7], digest(7, 2)[7] | 1]) + digest(7, 2)[8:])
    with pytest.raises(InputError, match="one int64 pseudonym"):
        found.settle()


def test_a_collision_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ps, "_words", lambda digests: _blunted(digests))
    with pytest.raises(InputError, match="one int64 pseudonym"):
        pseudonyms(list(range(1000)), form="int64")
    assert not Path("out.parquet").exists()


def _blunted(digests: bytes) -> np.ndarray[Any, Any]:
    words = np.frombuffer(bytearray(digests), ">u8").reshape(-1, 4).astype(np.uint64)
    words[:, 0] &= np.uint64(0x3FE)
    return words


# -- files --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return synthetic.table(4000, seed=3, as_of=dt.date(2026, 6, 30))


def write(table: pa.Table, name: str) -> None:
    match Path(name).suffix:
        case ".parquet":
            pq.write_table(table, name, row_group_size=1000)
        case ".arrow":
            feather.write_feather(table, name, compression="uncompressed")
        case _:
            plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
            pa_csv.write_csv(pa.table(plain, names=table.column_names), name)


def read(name: str) -> pa.Table:
    match Path(name).suffix:
        case ".parquet":
            return pq.read_table(name)
        case ".arrow":
            return feather.read_table(name)
        case _:
            return pa_csv.read_csv(name, convert_options=pa_csv.ConvertOptions(strings_can_be_null=True))


def rewritten(name: str) -> dict[str, Any]:
    return {"inputs": [name], "columns": [Column("patient_id", "patient_id")], "key": KEY, "force": True}


@pytest.mark.parametrize("source", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("target", [".parquet", ".arrow", ".csv"])
def test_scores_are_the_same_but_for_the_key(people: pa.Table, source: str, target: str) -> None:
    write(people, f"in{source}")
    run_pseudonymise(output=f"out{target}", **rewritten(f"in{source}"))
    found = read(f"out{target}")
    assert found.column_names == people.column_names
    assert found.column("patient_id").to_pylist() == [
        plain_pseudonym(i, "patient_id") for i in people.column("patient_id").to_pylist()
    ]
    assert run(["score", f"out{target}", "-o", "a.parquet", "--as-of", AS_OF, "-q"]) == 0
    assert run(["score", f"in{source}", "-o", "b.parquet", "--as-of", AS_OF, "-q"]) == 0
    a, b = (pq.read_table(n).drop_columns(["patient_id"]) for n in ("a.parquet", "b.parquet"))
    assert a.cast(b.schema).equals(b)  # a column of places may be a dictionary or not


def test_csv_cells_stay_as_they_are() -> None:
    Path("in.csv").write_text('patient_id,practice_code,systolic_bp,note\n007,Y00001,120.0,"a ""b"", c"\n8,Y00002,,\n')
    run_pseudonymise(output="out.csv", **rewritten("in.csv"))
    first, second = (plain_pseudonym(v, "patient_id") for v in ("007", "8"))
    assert Path("out.csv").read_text() == (
        '"patient_id","practice_code","systolic_bp","note"\n'
        f'"{first}","Y00001","120.0","a ""b"", c"\n"{second}","Y00002",,\n'
    )


def test_the_bytes_do_not_depend_on_threads(people: pa.Table) -> None:
    write(people, "in.parquet")
    for threads in (1, 2):
        run_pseudonymise(output=f"out{threads}.parquet", threads=threads, **rewritten("in.parquet"))
    assert Path("out1.parquet").read_bytes() == Path("out2.parquet").read_bytes()


def test_a_table_without_rows(people: pa.Table) -> None:
    write(people.slice(0, 0), "in.parquet")
    found = run_pseudonymise(output="out.parquet", lookup="l.parquet", audit_log="log", **rewritten("in.parquet"))
    assert (found["rows"], found["lookup"]["rows"]) == (0, 0)
    assert pq.read_table("out.parquet").column_names == people.column_names


def test_several_files_are_one_table_and_must_agree(people: pa.Table) -> None:
    write(people.slice(0, 1500), "a.parquet")
    write(people.slice(1500).select(people.column_names[::-1]), "b.parquet")
    columns = [Column("patient_id", "patient_id")]
    run_pseudonymise(["a.parquet", "b.parquet"], "out.parquet", columns, KEY)
    write(people, "whole.parquet")
    run_pseudonymise(["whole.parquet"], "expected.parquet", columns, KEY)
    assert pq.read_table("out.parquet").equals(pq.read_table("expected.parquet"))
    write(people.drop_columns(["bmi"]), "b.parquet")
    with pytest.raises(InputError, match=r"b\.parquet: column 'bmi': is absent, but a\.parquet has it"):
        run_pseudonymise(["a.parquet", "b.parquet"], "new.parquet", columns, KEY)


def test_columns_are_left_out_and_birth_dates_coarsened(people: pa.Table) -> None:
    write(people, "in.parquet")
    births = people.column("date_of_birth").to_pylist()
    for birth, expected in (
        ("year-month", [b.replace(day=1) for b in births]),
        ("year", [b.replace(day=1, month=1) for b in births]),
    ):
        run_pseudonymise(output="out.parquet", drop=["ethnicity", "bmi"], birth=birth, **rewritten("in.parquet"))
        found = pq.read_table("out.parquet")
        assert found.column_names == [n for n in people.column_names if n not in ("ethnicity", "bmi")]
        assert found.column("date_of_birth").to_pylist() == expected
        assert found.schema.field("date_of_birth").type == pa.date32()


def test_birth_dates_in_text_are_coarsened_and_bad_ones_refused() -> None:
    table = pa.table({"patient_id": [1, 2, 3], "date_of_birth": [" 2001-05-17", "", None]})
    write(table, "in.parquet")
    run_pseudonymise(output="out.parquet", birth="year-month", **rewritten("in.parquet"))
    assert pq.read_table("out.parquet").column(1).to_pylist() == [dt.date(2001, 5, 1), None, None]
    write(table.set_column(1, "date_of_birth", pa.array(["17/05/2001"] * 3)), "in.parquet")
    with pytest.raises(InputError, match="column 'date_of_birth': holds what is not a date") as caught:
        run_pseudonymise(output="new.parquet", birth="year-month", **rewritten("in.parquet"))
    assert "17/05" not in str(caught.value)


# -- what must not stay -------------------------------------------------------------------------------------------


def identifiable() -> pa.Table:
    return pa.table(
        {"patient_id": range(5), "nhs_number": NHS, "ref": [int(n) for n in NHS], "date_of_birth": [None] * 5}
    )


def test_a_column_named_like_an_identifier_does_not_stay() -> None:
    write(identifiable().drop_columns(["ref"]), "in.parquet")
    with pytest.raises(InputError, match="column 'nhs_number': is named like an identifier"):
        run_pseudonymise(output="out.parquet", **rewritten("in.parquet"))
    assert not Path("out.parquet").exists()
    run_pseudonymise(output="out.parquet", drop=["nhs_number"], **rewritten("in.parquet"))
    assert pq.read_table("out.parquet").column_names == ["patient_id", "date_of_birth"]
    with pytest.raises(InputError, match="column 'patient_id': is named like an identifier"):
        run_pseudonymise(["in.parquet"], "x.parquet", [Column("nhs_number", "n")], KEY)
    run_pseudonymise(["in.parquet"], "y.parquet", [Column("nhs_number", "n")], KEY, keep=["patient_id"])
    assert pq.read_table("y.parquet").column("patient_id").to_pylist() == list(range(5))


@pytest.mark.parametrize("values", [NHS, [int(n) for n in NHS], ["999 000 0018", *NHS[1:]]])
def test_a_column_that_holds_nhs_numbers_under_another_name_does_not_stay(values: list[Any]) -> None:
    write(pa.table({"patient_id": range(5), "ref": values}), "in.parquet")
    with pytest.raises(InputError, match=r"in\.parquet: column 'ref': looks like NHS numbers") as caught:
        run_pseudonymise(output="out.parquet", **rewritten("in.parquet"))
    assert "999" not in str(caught.value)
    run_pseudonymise(output="out.parquet", keep=["ref"], **rewritten("in.parquet"))


def test_both_columns_can_be_pseudonymised_for_one_purpose() -> None:
    write(pa.table({"patient_id": NHS, "ref": [int(n) for n in NHS]}), "in.parquet")
    run_pseudonymise(["in.parquet"], "out.parquet", parse_columns(["patient_id=person", "ref=person"]), KEY)
    found = pq.read_table("out.parquet")
    assert found.column(0).to_pylist() == found.column(1).to_pylist() == [plain_pseudonym(n, "person") for n in NHS]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [([], "at least one column"), (["a", "a"], "twice"), (["=x"], "NAME=PURPOSE"), (["a="], "NAME=PURPOSE")],
)
def test_columns_that_make_no_sense(texts: list[str], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        parse_columns(texts)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"columns": [Column("patientid", "x")]}, "column 'patientid': --column: there is no such column.*patient_id"),
        ({"drop": ["absent"]}, "column 'absent': --drop: there is no such column"),
        ({"keep": ["absent"]}, "column 'absent': --keep"),
        ({"birth": "year"}, "column 'date_of_birth': --birth"),
        ({"drop": ["patient_id"]}, "both to be pseudonymised and left out"),
        ({"output": "in.parquet"}, "is an input"),
        ({"output": "out.txt"}, "should end in"),
        ({"lookup": "l.parquet"}, "needs an audit log"),
        ({"lookup": "l.parquet", "audit_log": "log", "lookup_with": ["absent"]}, "column 'absent': --lookup-with"),
        ({"lookup": "out.parquet", "audit_log": "log"}, "two different files"),
        ({"lookup": "in.parquet", "audit_log": "log"}, "is an input"),
        ({"lookup": "old.parquet", "audit_log": "log", "force": False}, "exists, and no record says what made it"),
        ({"audit_log": "nowhere/log"}, "no such folder"),
        ({"audit_log": "out.parquet"}, "neither an input nor an output"),
        ({"audit_log": "l.parquet", "lookup": "./l.parquet"}, "neither an input nor an output"),
        ({"output": "9990000018.parquet", "audit_log": "log"}, "looks like an NHS number"),
    ],
)
def test_what_is_refused_before_anything_is_written(options: dict[str, Any], problem: str) -> None:
    write(pa.table({"patient_id": [1, 2]}), "in.parquet")
    Path("old.parquet").touch()
    before = {p.name for p in Path().iterdir()}
    with pytest.raises(InputError, match=problem):
        run_pseudonymise(**{"output": "out.parquet", **rewritten("in.parquet"), **options})
    assert {p.name for p in Path().iterdir()} - {"log"} == before


# -- the lookup and the audit log ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "int64"])
@pytest.mark.parametrize("target", [".parquet", ".csv"])
def test_the_lookup_undoes_the_pseudonyms(form: Any, target: str) -> None:
    values = [NHS[0], "999 000 0026", NHS[0], None, "x", *NHS]
    practices = ["Y1", "Y2", "Y1", "Y3", "Y4", *["Y5"] * 5]
    write(pa.table({"nhs_number": values, "practice_code": practices}), "in.parquet")
    done = run_pseudonymise(
        ["in.parquet"],
        "out.parquet",
        [Column("nhs_number", "person")],
        KEY,
        form=form,
        lookup=f"l{target}",
        audit_log="log",
    )
    assert stat.S_IMODE(Path(f"l{target}").stat().st_mode) == 0o600
    found = read(f"l{target}")
    assert found.column_names == ["nhs_number", "nhs_number_original"]
    expected = {plain_pseudonym(v, "person"): v for v in [*NHS, "x"]}
    if form == "int64":
        expected = {as_number(k): v for k, v in expected.items()}
    pairs = [(k, str(v)) for k, v in zip(*(c.to_pylist() for c in found.columns), strict=True)]
    assert pairs == sorted(expected.items())
    assert done["lookup"]["rows"] == 6


def test_the_lookup_carries_other_columns_and_every_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ps, "_MANY", 3)  # settle often
    values = ["b", "a", "b", "b", "a", None]
    table = pa.table({"patient_id": values, "practice_code": ["1", "2", "3", "1", None, "4"], "x": range(6)})
    pq.write_table(table, "in.parquet", row_group_size=2)
    run_pseudonymise(
        output="out.parquet",
        lookup="l.parquet",
        lookup_with=["practice_code"],
        drop=["practice_code"],
        audit_log="log",
        **rewritten("in.parquet"),
    )
    found = pq.read_table("l.parquet")
    rows = {tuple(r.values()) for r in found.to_pylist()}
    a, b = plain_pseudonym("a", "patient_id"), plain_pseudonym("b", "patient_id")
    assert rows == {(b, "b", "1"), (b, "b", "3"), (a, "a", "2"), (a, "a", None)}
    assert found.num_rows == 4
    assert found.column("patient_id").to_pylist() == sorted(found.column("patient_id").to_pylist())
    assert pq.read_table("out.parquet").column_names == ["patient_id", "x"]


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2)), max_size=40), st.sampled_from(["text", "int64"]))
def test_the_lookup_holds_each_row_once(rows: list[tuple[int, int]], form: str) -> None:
    kept = ps._Lookup()
    names = {
        i: (f"{i // 2 * 0x123456789ABCDEF:016x}{i:016x}" if form == "text" else i * 0x123456789ABCDEF % 2**63)
        for i in range(7)
    }
    for start in range(0, max(1, len(rows)), 7):
        part = rows[start : start + 7]
        kind = pa.string() if form == "text" else pa.int64()
        kept.add(
            pa.RecordBatch.from_arrays(
                [pa.array([names[i] for i, _ in part], kind), pa.array([x for _, x in part], pa.int64())], ["p", "x"]
            )
        )
    found = [tuple(r.values()) for r in kept.settled().to_pylist()]
    assert len(found) == len(set(found))
    assert set(found) == {(names[i], x) for i, x in rows}
    places = [p[:16] if isinstance(p, str) else p for p, _ in found]  # pseudonyms alike in 64 bits are kept apart
    assert places == sorted(places)


def test_the_audit_log_says_what_was_done_and_holds_no_identifier() -> None:
    write(identifiable().drop_columns(["ref"]), "in.parquet")
    done = run_pseudonymise(
        ["in.parquet"],
        "out.parquet",
        parse_columns(["nhs_number", "patient_id"]),
        KEY,
        lookup="l.parquet",
        audit_log="log",
    )
    assert audit.verify("log").events == {"pseudonymise": 1}
    line = json.loads(Path("log").read_text())
    for name in ("inputs", "output", "lookup"):
        for file in line[name] if name == "inputs" else [line[name]]:
            assert file["sha256"] == hashlib.sha256(Path(file["name"]).read_bytes()).hexdigest()
    assert line["columns"] == [
        {"column": "nhs_number", "purpose": "nhs_number", "nulls": 0},
        {"column": "patient_id", "purpose": "patient_id", "nulls": 0},
    ]
    assert (line["rows"], line["output"]["rows"], line["key_fingerprint"]) == (5, 5, ps.fingerprint(KEY))
    text = Path("log").read_text() + json.dumps(done)
    assert not any(n in text for n in NHS)
    assert KEY.hex() not in text


def test_without_its_audit_line_nothing_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    write(pa.table({"patient_id": [1, 2]}), "in.parquet")

    def fails(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(audit, "append", fails)
    with pytest.raises(OSError, match="No space"):
        run_pseudonymise(output="out.parquet", lookup="l.parquet", audit_log="log", **rewritten("in.parquet"))
    assert {p.name for p in Path().iterdir()} - {"log"} == {"in.parquet"}


def test_outputs_that_cannot_get_their_names_are_audited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    write(pa.table({"patient_id": [1, 2]}), "in.parquet")

    def fails(self: Path, target: Path) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(ps.Outputs, "commit", lambda self: fails(Path(), Path()))
        with pytest.raises(OSError, match="Input/output"):
            run_pseudonymise(output="out.parquet", audit_log="log", **rewritten("in.parquet"))
    assert audit.verify("log").events == {"pseudonymise": 1, "pseudonymise-failed": 1}
    assert not Path("out.parquet").exists()


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command(people: pa.Table, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    write(people, "in.parquet")
    assert run(["pseudonymise", "--new-key", "key"]) == 0
    assert stat.S_IMODE(Path("key").stat().st_mode) == 0o600
    capsys.readouterr()
    command = ["pseudonymise", "in.parquet", "-o", "out.parquet", "--column", "patient_id", "--threads", "1"]
    assert run([*command, "--key-file", "key"]) == 0
    text = capsys.readouterr().out
    assert "4,000 rows in out.parquet" in text
    assert "full dates of birth stay" in text
    first = Path("out.parquet").read_bytes()
    monkeypatch.setenv("POPSTRAT_KEY", Path("key").read_text())
    monkeypatch.setenv("POPSTRAT_AUDIT", "log")
    assert run([*command, "--json", "--birth", "year-month", "--drop", "bmi,ldl", "--lookup", "l.csv"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["dropped"], found["lookup"]["rows"]) == (4000, ["bmi", "ldl"], 4000)
    assert audit.verify("log").lines == 1
    assert Path("out.parquet").read_bytes() != first
    assert Path("key").read_text().strip() not in Path("log").read_text()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["in.parquet", "-o", "out.parquet", "-c", "patient_id"], "a key is needed"),
        (["-o", "out.parquet", "-c", "patient_id"], "name the input files"),
        (["in.parquet", "-c", "patient_id"], "name the input files"),
        (["in.parquet", "-o", "out.parquet", "--key-file", "weak", "-c", "patient_id"], "bytes; at least 32"),
        (["in.parquet", "-o", "out.parquet", "--key-file", "good"], "at least one column"),
        (["in.parquet", "--new-key", "k"], "does nothing else"),
        (["--new-key", "good"], "exists already"),
    ],
)
def test_the_command_refuses(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(pa.table({"patient_id": [1, 2]}), "in.parquet")
    for name, text in (("weak", "abcd"), ("good", KEY.hex())):
        Path(name).write_text(text)
        Path(name).chmod(0o600)
    assert run(["pseudonymise", *arguments]) == 2
    captured = capsys.readouterr()
    assert problem in captured.err
    assert KEY.hex() not in captured.err + captured.out
    assert not Path("out.parquet").exists()


def test_scoring_needs_none_of_this() -> None:
    import subprocess
    import sys

    script = (
        "import sys, popstrat.cli, popstrat.runs.score; "
        "print([m for m in ('audit', 'keys', 'digests', 'pseudonymise') if f'popstrat.{m}' in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert popstrat.__version__


def test_the_date_of_birth_under_another_name(tmp_path: Path) -> None:
    table = pa.table({"patient_id": [1, 2], "DOB": [dt.date(1950, 2, 3), None]})
    pq.write_table(table, tmp_path / "in.parquet")
    given: dict[str, Any] = {"columns": parse_columns(["patient_id"]), "key": KEY, "birth": "year-month"}
    with pytest.raises(InputError, match=r"--birth: there is no such column.*; --birth-column names another"):
        run_pseudonymise([tmp_path / "in.parquet"], tmp_path / "out.parquet", **given)
    found = run_pseudonymise([tmp_path / "in.parquet"], tmp_path / "out.parquet", birth_column="DOB", **given)
    assert pq.read_table(tmp_path / "out.parquet")["DOB"].to_pylist() == [dt.date(1950, 2, 1), None]
    assert (found["birth"], found["birth_column"]) == ("year-month", "DOB")
