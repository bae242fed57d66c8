"""Code lists: every published form is read, and what is no code is refused, never guessed. All codes are made up."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import numpy as np
import pytest

import popstrat
from popstrat.deriving.codelists import CodeLists
from popstrat.deriving.features import Features
from popstrat.deriving.spec import load_spec
from popstrat.packs.snomed import verhoeff, wrong_digit

NAMESPACE = "9999999"  # issued to nobody
HEADS = [
    "Cluster_ID",
    "Cluster_Description",
    "SNOMED_code",
    "SNOMED_code_description",
    "PCD_Refset_ID",
    "Service_and_Ruleset",
]
SPEC = """
[pack]
id = "own"
version = "1"
[feature.smoker]
kind = "latest_category"
title = "t"
source = "s"
version = "1"
labels = { never = "A_COD", current = "B_COD" }
output = "smoking"
[feature.copd]
kind = "register"
title = "t"
source = "s"
version = "1"
codes = "C_COD"
resolved = "D_COD"
optional = ["D_COD"]
output = true
"""


def code(number: int) -> int:
    """A made-up code with a right check digit."""
    stem = f"{number}{NAMESPACE}10"
    return int(next(f"{stem}{digit}" for digit in range(10) if not verhoeff(f"{stem}{digit}")))


CODES = {"A_COD": [code(n) for n in range(1, 5)], "B_COD": [code(7)], "C_COD": [code(n) for n in (8, 9)]}


@pytest.fixture
def features(tmp_path: Path) -> Features:
    file = tmp_path / "spec.toml"
    file.write_text(SPEC)
    return load_spec(file).at(dt.date(2026, 6, 30))


def lines(separator: str, quoted: bool) -> list[list[str]]:
    rows = [HEADS] + [
        [name, f"Codes{separator if quoted else ','} of {name}", str(c), f'Term "{c}"', str(code(99)), "Ruleset 50"]
        for name, some in CODES.items() for c in some
    ]  # fmt: skip
    rows.append(rows[-1])  # one row twice, as clusters of two services are
    return rows


def written(rows: list[list[str]], separator: str, quoted: bool, ending: str) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quoted else text

    return ending.join(separator.join(map(cell, row)) for row in rows) + ending


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("separator", "quoted", "suffix"), [("\t", False, "txt"), (",", True, "csv"), ("\t", True, "tsv")]
)
def test_six_columns(tmp_path: Path, separator: str, quoted: bool, suffix: str, ending: str, encoding: str) -> None:
    text = written(lines(separator, quoted), separator, quoted, ending).replace("Codes", "Codés")
    (tmp_path / f"clusters.{suffix}").write_bytes(text.encode(encoding))
    found = CodeLists.read(tmp_path)
    assert {name: some.tolist() for name, some in found.codes.items()} == CODES
    assert all(some.dtype == np.int64 for some in found.codes.values())
    assert found.term(CODES["B_COD"][0]) == f'Term "{CODES["B_COD"][0]}"'
    assert found.term(1) is None
    (record,) = found.record
    assert record["release"] == ["Ruleset 50"]
    assert (record["rows"], record["codes"], record["repeated_rows"], record["lists"]) == (8, 7, 1, 3)
    assert len(record["sha256"]) == 64
    assert found.problems == (f"clusters.{suffix}: 1 row says again what another one says",)


def test_two_columns_and_a_file_a_list_say_the_same(tmp_path: Path) -> None:
    plain, single, bare, folder = (tmp_path / name for name in ("plain.csv", "single", "bare.csv", "noheads"))
    plain.write_text("list,code\n" + "".join(f"{n},{c}\n" for n, some in CODES.items() for c in some))
    bare.write_text("".join(f"{n},{c}\r\n" for n, some in CODES.items() for c in some))
    for place, head in ((single, "code,term\n"), (folder, "")):
        place.mkdir()
        for name, some in CODES.items():
            (place / f"{name}.csv").write_text(head + "".join(f"{c}{',Term' if head else ''}\n" for c in some))
    for path in (plain, bare, single, folder):
        assert {name: some.tolist() for name, some in CodeLists.read(path).codes.items()} == CODES, path


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("9.99E+17", "has been through a spreadsheet"),
        ("1234567.0", "has been through a spreadsheet"),
        ("1,234,567", "has been through a spreadsheet"),
        ("########", "has been through a spreadsheet"),
        ("12345", "has 5 digits, not 6 to 18"),
        ("1" * 19, "has 19 digits, not 6 to 18"),
        ("0" + str(code(3))[1:], "begins with 0"),
        (str(code(3))[:-1] + str((code(3) + 1) % 10), "has a wrong check digit"),
        ("999999910000011000", "has zeros in the place of the digits beyond the fifteenth"),
        ("", "holds no code"),
        ("H33..", "is not digits only"),
        ("-" + str(code(3)), "is not digits only"),
        ("٣" * 8, "is not digits only"),
    ],
)
def test_what_is_no_code_is_refused_with_its_rows(tmp_path: Path, cell: str, told: str) -> None:
    cell = f'"{cell}"'
    (tmp_path / "A_COD.csv").write_text(f"code,term\n{code(1)},x\n{cell},y\n\n{cell},z\n", encoding="utf-8")
    with pytest.raises(popstrat.InputError, match=rf"A_COD.csv: column 'code': {told}") as caught:
        CodeLists.read(tmp_path)
    assert caught.value.rows == (1, 3)


def test_every_spelling_that_keeps_the_digits_is_read(tmp_path: Path) -> None:
    c = code(1)
    cells = [f" {c} ", f'"=""{c}"""', f"'{c}", f"\u00a0{c}", f'"{c}"']
    (tmp_path / "A_COD.csv").write_text("code\n" + "\n".join(cells) + "\n", encoding="utf-8")
    assert CodeLists.read(tmp_path).codes["A_COD"].tolist() == [c]


def test_several_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"list,code\nA,{code(1)}\n,{code(2)}\nB,12\nB,4E+17\nB\n")
    with pytest.raises(popstrat.InputError) as caught:
        CodeLists.read(tmp_path)
    told = str(caught.value)
    assert [t in told for t in ("names no code list", "has 2 digits", "a spreadsheet", "fewer than 2 columns")] == [
        True
    ] * 4


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.csv", b"", "is empty"),
        ("a.csv", b"\n\n", "is empty"),
        ("a.csv", b"one,two\n1,2\n", "has no column of codes"),
        ("a.csv", b'code,term\n"1,2\n', "is not a well-formed table"),
        ("a.csv", b"PAR1\0\0\0", "is not a text file"),
        ("a.csv", b"code\n\x81\x8d\n", "is not"),
        ("a.parquet", b"PAR1", "holds no code list"),
        (None, b"", "holds no code list"),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str | None, content: bytes, told: str) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(popstrat.InputError, match=told):
        CodeLists.read(tmp_path)
    with pytest.raises(popstrat.InputError, match="there is no such file or folder"):
        CodeLists.read(tmp_path / "none")


def test_one_list_in_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"list,code\nA,{code(1)}\n")
    (tmp_path / "b.csv").write_text(f"list,code\nA,{code(1)}\n")
    assert CodeLists.read(tmp_path).codes["A"].tolist() == [code(1)]
    (tmp_path / "b.csv").write_text(f"list,code\nA,{code(2)}\n")
    with pytest.raises(
        popstrat.InputError, match=r"b.csv: holds the code list 'A', and so does a.csv, with other codes"
    ):
        CodeLists.read(tmp_path)


def lists(tmp_path: Path, **some: list[int]) -> CodeLists:
    text = "list,code\n" + "".join(f"{name},{c}\n" for name, codes in some.items() for c in codes)
    (tmp_path / "l.csv").write_text(text)
    return CodeLists.read(tmp_path / "l.csv")


def test_against_a_specification(tmp_path: Path, features: Features) -> None:
    found, told = lists(tmp_path, **CODES, OTHER=[code(20)]).check(features)
    assert found is features
    assert told == ["1 code list is there that the specification does not use: OTHER"]
    missing = lists(tmp_path, A_COD=CODES["A_COD"], B_CODE=[code(7)])
    with pytest.raises(popstrat.InputError) as caught:
        missing.check(features)
    assert str(caught.value).splitlines() == [
        "2 code lists are missing:",
        "  B_COD, needed by smoker (did you mean 'B_CODE'?)",
        "  C_COD, needed by copd (did you mean 'B_CODE'?)",
    ]
    found, told = missing.check(features, allow_missing=True)
    assert told[0] == "B_COD, needed by smoker (did you mean 'B_CODE'?): null for everybody"
    assert found.lacking == {"smoker", "copd"}
    assert found.folds == ()


def test_codes_that_mean_two_things(tmp_path: Path, features: Features) -> None:
    both = CODES["B_COD"][0]
    with pytest.raises(popstrat.InputError, match=rf"codes of the label 'never' .* of the label 'current' .*: {both}"):
        lists(tmp_path, **{**CODES, "A_COD": [both, code(1)]}).check(features)
    _, told = lists(tmp_path, **CODES, D_COD=[CODES["C_COD"][0]]).check(features)
    assert told == ["copd: 1 code is in C_COD and in D_COD: nobody is on the register by one of them"]


def test_the_codes_of_every_name_that_folds_use(tmp_path: Path, features: Features) -> None:
    found = lists(tmp_path, **CODES).codes_for(features)
    assert found["D_COD"].tolist() == []
    assert found["gp_appointment"].tolist() == [2]
    assert {name for fold in features.folds for name in fold.codes} <= set(found)


def test_check_digits_of_many_numbers() -> None:
    rng = random.Random(1)
    numbers = [rng.randint(0, 10 ** rng.randint(1, 18)) for _ in range(2000)] + [code(n) for n in range(200)]
    assert wrong_digit(np.array(numbers, np.int64)).tolist() == [bool(verhoeff(str(n))) for n in numbers]
