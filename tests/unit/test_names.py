"""What a pack may call its things: no word of the rule language, and in the one form in which rules are read."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from complaints import AS_OF, HEAD, complaint, definition
from pyarrow import csv

import popstrat
from popstrat.errors import InputError
from popstrat.lang.names import name_fault
from popstrat.packs.load import load_pack
from popstrat.runs.input_files import known_tables

MODEL = (
    'link = "identity"\ndraft = true\nevidence = "assumption"\ninputs = { bmi = { default = 27 }%s }\n%s\n'
    'terms = [{ id = "b", value = "bmi", coefficient = 1 }]'
)
DECLARED = {
    "parameter": f"{HEAD}[parameters.'%s']\nvalue = 1\n",
    "set": f"{HEAD}[sets.'%s']\nmembers = ['ckd']\nsource = 's'\n",
    "window": f"{HEAD}[windows.'%s']\nmonths = 3\n",
    "definition": definition('value = "ckd"').replace("definition.x", "definition.'%s'"),
    "input column": f"{HEAD}[[input]]\nname = '%s'\ntype = 'int'\n",
    "output": definition('value = "ckd"\noutput = "%s"'),
    "input": definition(MODEL % (", '%s' = { from = 'efi', default = 0 }", ""), "model"),
    "derived value": definition(MODEL % ("", "derived = { '%s' = 'bmi + 1' }"), "model"),
}
MICRO, MU = "creatinine_\u00b5mol", "creatinine_\u03bcmol"


@pytest.mark.parametrize("what", DECLARED)
@pytest.mark.parametrize(
    "name", ["null", "true", "false", "as_of", "not", "in", "is", "if", "else", "and", "or", "True", "lambda"]
)
def test_words_of_the_language(tmp_path: Path, what: str, name: str) -> None:
    assert "is a word of the rule language" in complaint(tmp_path, DECLARED[what].replace("%s", name))


@pytest.mark.parametrize("what", DECLARED)
@pytest.mark.parametrize(
    "name", [MICRO, "\ufb01x", "caf\u0065\u0301", "\uff41ge", "x\u00b2" if "x\u00b2".isidentifier() else "\u2115x"]
)
def test_another_spelling_of_the_same(tmp_path: Path, what: str, name: str) -> None:
    """Of one word there is one spelling; the message gives it, and the character that is another."""
    message = complaint(tmp_path, DECLARED[what].replace("%s", name))
    assert f"write {unicodedata.normalize('NFKC', name)!r}" in message
    assert "has the character U+" in message


@pytest.mark.parametrize("what", DECLARED)
@pytest.mark.parametrize("name", ["two words", "1st", "a-b", "a.b", "\u00b9"])
def test_no_word(tmp_path: Path, what: str, name: str) -> None:
    complaint(tmp_path, DECLARED[what].replace("%s", name))


@pytest.mark.parametrize("name", ["min", "count", "within", "coalesce"])
def test_a_window_is_no_function(tmp_path: Path, name: str) -> None:
    assert "is a function of the rule language" in complaint(tmp_path, DECLARED["window"].replace("%s", name))


@pytest.mark.parametrize("written", [MICRO, MU])
def test_rules_may_spell_it_either_way(tmp_path: Path, written: str) -> None:
    """An extension too, though its own names must be in the one form."""
    base = definition(f'value = "{written} > 70 or {MU} < 2"', more=f'[[input]]\nname = "{MU}"\ntype = "float"\n')
    (tmp_path / "base.toml").write_text(base, encoding="utf-8")
    assert load_pack(tmp_path / "base.toml").at(AS_OF).outputs
    over = f'{HEAD}extends = "base.toml"\n[definition.x]\nvalue = "{written} > 80"\n'
    (tmp_path / "p.toml").write_text(over, encoding="utf-8")
    assert load_pack(tmp_path / "p.toml").at(AS_OF).outputs


def test_names_that_are_fine() -> None:
    for name in ("bmi", "größe", MU, "matched", "nulls", "type", "match", "年齢", "x1", "_x"):
        assert not name_fault(name)


def test_a_column_in_another_spelling_is_not_passed_over(tmp_path: Path) -> None:
    text = definition(f'value = "{MU} > 70"', more=f'[[input]]\nname = "{MU}"\ntype = "float"\n')
    (tmp_path / "p.toml").write_text(text, encoding="utf-8")
    row = {"patient_id": [1], "practice_code": ["G85001"], "age": [50], "sex": ["male"]}
    table = pa.table({**row, MICRO: [80.0]})
    with pytest.raises(InputError, match=f"is '{MU}' in other characters: it has the character U\\+00B5"):
        popstrat.score(table, pack=tmp_path / "p.toml", as_of=AS_OF)
    csv.write_csv(table, tmp_path / "list.csv")
    with pytest.raises(InputError, match="in other characters"):
        next(known_tables([tmp_path / "list.csv"], load_pack(tmp_path / "p.toml").schema.columns))
    fine = popstrat.score(pa.table({**row, MU: [80.0]}), pack=tmp_path / "p.toml", as_of=AS_OF)
    assert fine["x"].to_pylist() == [True]
