"""The same keys and codes in many spellings, through every format and every command: the results are the same.

The keys that results are held to are plain; those given are written as programs, spreadsheets and people write them.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
import upload_reference as ref

import popstrat
from popstrat import synthetic
from popstrat.cli import run
from popstrat.validation.join import join
from popstrat.validation.spec import Spec

AS_OF = "2026-06-30"
PEOPLE = 60
KEY = "9f1c5e0b7a3d48e6a2b90c4f6d813e57d0c2a68b14f97e35b86a1d4c03f2e798"


def write_arrow(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_file(path, table.schema) as file:
        file.write_table(table)


def write_formulas(table: pa.Table, path: Path) -> None:
    """CSV as programs write it whose users open it in a spreadsheet: keys as ="…", and not quoted again."""
    text = io.BytesIO()
    pacsv.write_csv(table, text)
    path.write_bytes(re.sub(rb'(?<![^,\n])"=""([^",\n]*)"""(?![^,\n])', rb'="\1"', text.getvalue()))


WRITERS: dict[str, Callable[[pa.Table, Path], None]] = {
    "parquet": pq.write_table,
    "arrow": write_arrow,
    "csv": pacsv.write_csv,
    "txt": write_formulas,
}
BLANKS = ["", " ", "   ", "\u00a0", "\t", "\u200b", "\u2003"]


def written(text: str, dice: random.Random) -> str:
    """A text as somebody's program writes it."""
    found = dice.choice(["{}", '="{}"', "'{}", '"{}"', "{}"]).format(dice.choice(BLANKS) + text + dice.choice(BLANKS))
    return dice.choice(BLANKS) + found + dice.choice(BLANKS)


def key_as(text: str, dice: random.Random) -> str:
    """A key in another spelling; an NHS number perhaps in groups."""
    if len(text) == 10 and text.isdigit() and dice.random() < 0.7:
        between = dice.choice([" ", "-", "\u00a0", "\u2011", " - ", "  "])
        text = between.join([text[:3], text[3:6], text[6:]])
    return written(text, dice)


def code_as(text: str, dice: random.Random) -> str:
    """A practice code in another spelling."""
    return written(dice.choice([text, text.lower()]), dice)


@pytest.fixture(scope="module")
def people() -> pa.Table:
    """A list whose keys are NHS numbers that are never issued, and some that are case sensitive."""
    table = pa.Table.from_batches(synthetic.generate(PEOPLE, seed=5, as_of=dt.date.fromisoformat(AS_OF), practices=3))
    keys = [ref.number_of(i) for i in range(1, PEOPLE - 3)] + ["aB-01", "Ab-01", "00f3e9", "A 1"]
    return with_keys(table, keys, table["practice_code"].to_pylist())


def with_keys(table: pa.Table, keys: Sequence[str], codes: Sequence[str], kind: Any = None) -> pa.Table:
    for name, values in (("patient_id", keys), ("practice_code", codes)):
        column = pa.array(values, kind or pa.string())
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def spelt(table: pa.Table, seed: int, kind: Any = None) -> pa.Table:
    """The table with some of its keys and codes in other spellings."""
    dice = random.Random(seed)
    keys = [key_as(k, dice) if dice.random() < 0.7 else k for k in table["patient_id"].to_pylist()]
    codes = [code_as(c, dice) if dice.random() < 0.7 else c for c in table["practice_code"].to_pylist()]
    return with_keys(table, keys, codes, kind)


def rows(table: pa.Table) -> list[dict[str, Any]]:
    return table.to_pylist()  # type: ignore[no-any-return]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("POPSTRAT_AUDIT", "POPSTRAT_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def scored_rows(name: str) -> list[dict[str, Any]]:
    assert run(["score", name, "--as-of", AS_OF, "-o", "scored.parquet", "-q", "--force"]) == 0
    return rows(pq.read_table("scored.parquet"))


KINDS = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int16(), pa.string())]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_in_memory(people: pa.Table, kind: pa.DataType) -> None:
    expected = rows(popstrat.score(people, AS_OF))
    given = spelt(people, 11, pa.string())
    for name in ("patient_id", "practice_code"):
        column = given[name].combine_chunks()
        column = column.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else column.cast(kind)
        given = given.set_column(given.schema.get_field_index(name), name, column)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = popstrat.score(given, AS_OF)
    as_given = pa.large_string() if kind == pa.string_view() else kind  # views are what writers do not take
    assert found.schema.field("patient_id").type == as_given
    assert rows(found) == expected
    said = [str(w.message) for w in told]
    assert [s.split(":")[0] for s in said if "in another form" in s] == ["patient_id", "practice_code"]
    (batch,) = given.combine_chunks().to_batches()
    assert popstrat.Scorer(as_of=AS_OF).score_batch(batch).to_pylist() == expected


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("seed", range(2))
def test_score_check_and_explain(people: pa.Table, at: Path, form: str, seed: int, capsys: Any) -> None:
    WRITERS[form](people, Path(f"plain.{form}"))
    expected = scored_rows(f"plain.{form}")
    assert "respelt" not in json.loads(Path("scored.parquet.run.json").read_text())["ids"]
    given = spelt(people, seed)
    WRITERS[form](given, Path(f"list.{form}"))
    assert scored_rows(f"list.{form}") == expected
    record = json.loads(Path("scored.parquet.run.json").read_text())
    different = {
        name: sum(a != b for a, b in zip(people[name].to_pylist(), given[name].to_pylist(), strict=True))
        for name in ("patient_id", "practice_code")
    }
    assert record["ids"]["respelt"] == different
    assert [n.split(" rows")[0] for n in record["notices"] if "in another form" in n] == [
        f"{name}: {count}" for name, count in different.items()
    ]
    capsys.readouterr()
    assert run(["check", f"list.{form}", "--as-of", AS_OF, "--json"]) == 0
    out = capsys.readouterr().out
    assert sum("in another form" in n for n in json.loads(out)["notices"]) == 2
    for key in people["patient_id"].to_pylist():
        assert key not in out or len(key) < 10
    assert run(["explain", f"plain.{form}", "--patient", people["patient_id"][3].as_py(), "--as-of", AS_OF]) == 0
    told = capsys.readouterr().out
    for asked in (people["patient_id"][3].as_py(), key_as(people["patient_id"][3].as_py(), random.Random(seed))):
        assert run(["explain", f"list.{form}", "--patient", asked, "--as-of", AS_OF]) == 0
        assert capsys.readouterr().out == told.replace(f"plain.{form}", f"list.{form}")


@pytest.mark.parametrize("form", WRITERS)
def test_pseudonymise(people: pa.Table, at: Path, form: str) -> None:
    Path("key").write_text(KEY)
    Path("key").chmod(0o600)
    table = people.select(["patient_id", "practice_code"])
    found = []
    for name, given in (("plain", table), ("spelt", spelt(table, 4))):
        WRITERS[form](given, Path(f"{name}.{form}"))
        made = ["--column", "patient_id", "--column", "practice_code", "--key-file", "key", "-q"]
        assert run(["pseudonymise", f"{name}.{form}", "-o", f"{name}.out.parquet", *made]) == 0
        found.append(rows(pq.read_table(f"{name}.out.parquet")))
        columns = json.loads(Path(f"{name}.out.parquet.run.json").read_text())["columns"]
        assert [("respelt" in c) for c in columns] == [name == "spelt"] * 2
    assert found[0] == found[1]


def test_validate(people: pa.Table, at: Path) -> None:
    dice = random.Random(7)
    codes = people["practice_code"].to_pylist()
    scored = pa.table({
        "patient_id": people["patient_id"], "practice_code": codes, "risk": [dice.random() for _ in codes],
    })  # fmt: skip
    outcomes = pa.table({"patient_id": people["patient_id"], "event": [i % 3 == 0 for i in range(len(codes))]})
    many = [dice.random() for _ in codes]
    found = []
    for seed in (None, 9):
        table, ends = scored, outcomes
        if seed is not None:
            table = spelt(scored, seed)
            ends = outcomes.set_column(0, "patient_id", spelt(people, seed + 1)["patient_id"])
        ends = ends.take(pa.array(sorted(range(len(many)), key=many.__getitem__)))
        joined = join(table, ends, None, Spec(risk="risk", column="event"))
        assert joined.practices is not None
        assert joined.outcome is not None
        found.append([joined.risk.tolist(), joined.outcome.tolist(), joined.counts, joined.practices.labels])
        found[-1].append(joined.practices.codes.tolist())
        assert sum("spellings of one are one" in n for n in joined.notices) == (0 if seed is None else 2)
    assert found[0] == found[1]


@pytest.mark.parametrize("form", WRITERS)
def test_upload(at: Path, form: str) -> None:
    numbers = [ref.number_of(k) for k in range(1, 31)]
    text = pa.schema([f.with_type(pa.string()) if f.name == "patient_id" else f for f in ref.SCHEMA])
    now = [ref.patient(0, f"E8500{k % 3}", risk_group=ref.GROUPS[k % 3]) for k in range(30)]
    for row, number in zip(now, numbers, strict=True):
        row["patient_id"] = number
    ref.write_scored(at / "june.parquet", now, schema=text)
    then = [dict(r, risk_group="well") for r in now]
    Path("mini.toml").write_text(ref.TEMPLATE)
    who = pa.Table.from_pylist([ref.identity(0, n, f"E8500{k % 3}") for k, n in enumerate(numbers)])
    who = who.set_column(0, "patient_id", pa.array(numbers))
    results = []
    for folder, dice in (("plain", None), ("spelt", random.Random(form))):
        lookup, may = who, then
        if dice is not None:
            lookup = spelt(who, 21)
            lookup = lookup.set_column(1, "nhs_number", pa.array([key_as(n, dice) for n in numbers]))
            may = [
                dict(r, patient_id=key_as(r["patient_id"], dice), practice_code=code_as(r["practice_code"], dice))
                for r in then
            ]
        ref.write_scored(at / "may.parquet", may, as_of=ref.BEFORE, schema=text)
        WRITERS[form](lookup, Path(f"lookup.{form}"))
        options = [
            "--template",
            "mini.toml",
            "--lookup",
            f"lookup.{form}",
            "--audit",
            "log",
            "--previous",
            "may.parquet",
        ]
        options += ["--practices", "E85001,E85002" if dice is None else " e85001 , E85002\u00a0"]
        assert run(["upload", "june.parquet", "-o", folder, "-q", *options]) == 0
        manifest = json.loads((at / folder / "manifest.json").read_text())
        told = [w for w in manifest["warnings"] if "in another form" in w]
        assert len(told) == (0 if dice is None else 4)
        files = {p.name: p.read_bytes() for p in sorted((at / folder).iterdir()) if p.name != "manifest.json"}
        results.append((files, manifest["totals"]))
    assert results[0] == results[1]
    assert results[0][1]["written"] == 20


REPEATED = [("9990000018", "999 000 0018"), ("A1", "A1  "), ("A1", "\u00a0A1"), ("7", '="7"'), ("x\u200by", "xy")]


@pytest.mark.parametrize("form", [*WRITERS, "memory"])
@pytest.mark.parametrize("pair", REPEATED, ids=str)
def test_one_patient_twice_is_found(people: pa.Table, at: Path, pair: tuple[str, str], form: str, capsys: Any) -> None:
    keys = people["patient_id"].to_pylist()
    keys[4], keys[9] = pair
    told = refused(with_keys(people, keys, people["practice_code"].to_pylist()), form, capsys)
    assert "an id occurs more than once: row 10 repeats row 5" in told


NUMBERS = ["9990000018.0", "4E+09", "########"]


@pytest.mark.parametrize("form", [*WRITERS, "memory"])
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_are_refused(people: pa.Table, at: Path, number: str, form: str, capsys: Any) -> None:
    keys, codes = people["patient_id"].to_pylist(), people["practice_code"].to_pylist()
    told = refused(with_keys(people, [*keys[:4], number, *keys[5:]], codes), form, capsys)
    assert "column 'patient_id': has been through a spreadsheet" in told
    assert "(row 5)" in told
    told = refused(with_keys(people, keys, [*codes[:6], number, *codes[7:-1], number]), form, capsys)
    assert "column 'practice_code': has been through a spreadsheet" in told
    assert f"(rows 7, {PEOPLE})" in told


@pytest.mark.parametrize("word", ["  ", "NULL", '=""'])
@pytest.mark.parametrize("form", [*WRITERS, "memory"])
def test_no_key_is_refused(people: pa.Table, at: Path, word: str, form: str, capsys: Any) -> None:
    keys, codes = people["patient_id"].to_pylist(), people["practice_code"].to_pylist()
    for column, given in (("patient_id", (keys, codes)), ("practice_code", (keys, codes))):
        changed = [[*c[:4], word, *c[5:]] if c is given[column == "practice_code"] else c for c in given]
        told = refused(with_keys(people, *changed), form, capsys)
        assert f"column '{column}'" in told
        assert "null" in told
        assert "(row 5)" in told


def refused(table: pa.Table, form: str, capsys: Any) -> str:
    """What is said of a table that is refused, by score, check and the rest alike, and nothing is written."""
    if form == "memory":
        with pytest.raises(popstrat.errors.InputError) as told:
            popstrat.score(table, AS_OF)
        return str(told.value)
    WRITERS[form](table, Path(f"bad.{form}"))
    said = []
    for command in (["score", f"bad.{form}", "-o", "out.parquet"], ["check", f"bad.{form}"]):
        capsys.readouterr()
        assert run([*command, "--as-of", AS_OF, "-q"]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert f"bad.{form}" in said[0]
    assert not Path("out.parquet").exists()
    return said[0]


@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("number", NUMBERS[:2])
def test_numbers_are_refused_by_the_other_commands(at: Path, form: str, number: str, capsys: Any) -> None:
    Path("key").write_text(KEY)
    Path("key").chmod(0o600)
    table = pa.table({"patient_id": ["a", number, "b"], "event": ["1", "0", "1"]})
    WRITERS[form](table, Path(f"bad.{form}"))
    assert run(["pseudonymise", f"bad.{form}", "-o", "o.parquet", "--column", "patient_id", "--key-file", "key"]) == 2
    said = [capsys.readouterr().err]
    scored = pa.table({"patient_id": ["a", "c", "b"], "risk": [0.1, 0.2, 0.3]})
    pq.write_table(scored, "scored.parquet")
    options = ["--risk", "risk", "--column", "event", "-o", "report"]
    assert run(["validate", "scored.parquet", "--outcome", f"bad.{form}", *options]) == 2
    said.append(capsys.readouterr().err)
    ref.write_scored(at / "june.parquet", [ref.patient(k) for k in range(3)])
    Path("mini.toml").write_text(ref.TEMPLATE)
    for column, values in (("patient_id", ["0", number, "2"]), ("nhs_number", [None, number, None])):
        who = pa.Table.from_pylist([ref.identity(k, None) for k in range(3)])
        who = who.set_column(0, "patient_id", pa.array(["0", "1", "2"]))
        who = who.set_column(who.schema.get_field_index(column), column, pa.array(values, pa.string()))
        if form != "csv" and column == "nhs_number":
            who = who.set_column(0, "patient_id", pa.array([0, 1, 2]))
        elif form != "csv":
            continue  # text keys for whole numbers are refused before
        WRITERS[form](who, Path(f"bad.{form}"))
        made = ["--template", "mini.toml", "--lookup", f"bad.{form}", "--audit", "log"]
        assert run(["upload", "june.parquet", "-o", "out", *made]) == 2
        said.append(capsys.readouterr().err)
    for told in said:
        assert f"bad.{form}" in told
        assert "has been through a spreadsheet" in told
        assert "(row 2)" in told
        assert number not in told or number == "4E+09"  # which the message has as its example
    assert not Path("o.parquet").exists()
    assert not Path("out").exists()
