"""A change that is misspelt is refused wherever the pack is used; of a pack that is only extended it is a notice."""

# The tables read better with a case on a line.
# ruff: noqa: E501

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from complaints import AS_OF, HEAD, definition
from rich.console import Console

import popstrat
from popstrat.cli import run
from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.read import builtin_packs
from popstrat.pages import catalogue, pack_check
from popstrat.reasons.trace import trace
from popstrat.scoring import pack_diff
from popstrat.scoring.pack_check import examine
from popstrat.scoring.scorer import Scorer

ROOT = Path(__file__).parents[2]
TABLE = pa.table({"patient_id": [1], "practice_code": ["G85001"], "age": [60], "sex": ["male"]})
MISSPELT = '[parameters.«hba1c_targt»]\nvalue = 53\nsource = "us"\n'
RULE = '[definition.ours]\nkind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\n'


def ours(tmp_path: Path, text: str, extends: str = "london-2026", name: str = "ours") -> Path:
    file = tmp_path / f"{name}.toml"
    file.write_text(f'[pack]\nid = "{name}"\nversion = "1"\nextends = "{extends}"\n{re.sub("[«»]", "", text)}')
    return file


def points_at(message: str, file: Path, marked: str) -> None:
    """The message names the file and the line, and its carets stand under what is marked in the text."""
    word = re.findall("«(.*?)»", marked)[0]
    found = re.match(rf"{file.name}:(\d+): ", message)
    assert found, message
    line, shown, carets = file.read_text().splitlines()[int(found.group(1)) - 1], *message.split("\n")[-2:]
    assert shown.strip() == line.strip()
    assert shown[carets.index("^") :].startswith(word), message
    assert carets.strip() == "^" * len(word)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MISSPELT, "parameters.hba1c_targt: nothing uses the parameter hba1c_targt, and no pack that this one extends has a parameter of that name (did you mean 'hba1c_target'?)"),
        ('[parameters]\n«hba1c_targt».value = 53\n', "(did you mean 'hba1c_target'?)"),
        ('[parameters]\n«hba1c_targt» = { value = 53 }\n', "(did you mean 'hba1c_target'?)"),
        ('[parameters.«something_of_ours»]\nvalue = 53\n', "nothing uses the parameter something_of_ours"),
        ('[sets.«sel_72»]\nmembers = ["ckd", "chd"]\n', "nothing uses the set sel_72, and no pack that this one extends has a set of that name (did you mean 'sel_27'?)"),
        ("[windows.«recnt»]\nmonths = 15\n", "nothing uses the window recnt, and no pack that this one extends has a window of that name (did you mean 'recent'?)"),
        ('[[input]]\nname = "«lonelyness»"\ntype = "int"\n', "nothing uses the input column lonelyness"),
        ('[[input]]\nname = "«frailti»"\ntype = "float"\n', "(did you mean 'frailty'?)"),
        ('[[input]]\nname = "lonely_date"\ntype = "date"\ndates = ["«lonely»"]\n', "the input column 'lonely_date' belongs to 'lonely', and there is no such column"),
        (f'{RULE.replace("ours", "«frailty_int_segmet»")}value = "age >= 50"\n', "definition frailty_int_segmet writes no column, and nothing uses it, and no pack that this one extends has a definition of that name (did you mean 'frailty_int_segment'?)"),
        ('[definition.«ltc_cuont»]\nof = "qof_registers"\n', "there is no definition 'ltc_cuont' to change (did you mean 'ltc_count'?); a new one needs a `kind`"),
        ('columns = ["age", "«cvrm_rg»"]\n\n', "`columns` names cvrm_rg, which no definition writes (did you mean 'cvrm_rag'?)"),
        # below a definition
        ('[definition.admission_risk.inputs]\n«efii» = { from = "efi", default = 0.1 }\n', "no term uses the input 'efii'"),
        ('[definition.admission_risk.«recalibraton»]\nslope = 0.9\n', "unknown key 'recalibraton' (did you mean 'recalibration'?)"),
        ('[definition.frailty_int_segment]\nversions = [\n  { version = "1", effective_to = 2030-01-01, value = "age >= 65" },\n  { version = "2", effective_from = 2030-01-02, «valeu» = "ckd" },\n]\n', "unknown key 'valeu' (did you mean 'value'?)"),
        # in another table than what it means to change
        ("[parameters.«sel_27»]\nvalue = 1\n", "there is a set 'sel_27' already"),
        ("[parameters.«frail»]\nvalue = true\n", "there is a definition 'frail' already"),
        ('[sets.«systolic_target»]\nmembers = ["ckd"]\n', "there is a parameter 'systolic_target' already"),
    ],
)  # fmt: skip
def test_a_misspelt_change_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = ours(tmp_path, text)
    with pytest.raises(PackError) as caught:
        Scorer(file, AS_OF)
    message = str(caught.value)
    assert told in message
    points_at(message, file, text)


def silent() -> Console:
    return Console(width=300, file=io.StringIO(), highlight=False)


WAYS: dict[str, Callable[[Path], Any]] = {
    "the scorer": lambda file: Scorer(file, AS_OF),
    "the library": lambda file: popstrat.score(TABLE, pack=file, as_of=AS_OF),
    "a resolved pack": lambda file: load_pack(file).at(AS_OF),
    "explain": lambda file: trace(Scorer(file, AS_OF), TABLE),
    "packs check": lambda file: examine(file, AS_OF),
    "packs show": lambda file: catalogue.show(file, silent(), AS_OF),
    "packs diff": lambda file: pack_diff.diff(load_pack("london-2026"), load_pack(file), as_of=AS_OF),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_says_the_same(tmp_path: Path, way: str) -> None:
    file = ours(tmp_path, MISSPELT)
    with pytest.raises(PackError) as caught:
        WAYS[way](file)
    points_at(str(caught.value), file, MISSPELT)
    assert "nothing uses the parameter hba1c_targt" in str(caught.value)


@pytest.mark.parametrize("command", [["score", "list.parquet", "-o", "out.parquet", "--pack"], ["packs", "check"], ["packs", "show"], ["packs", "diff", "london-2026"], ["explain", "list.parquet", "--patient", "1", "--pack"]])  # fmt: skip
def test_the_commands_refuse_it(
    tmp_path: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.chdir(tmp_path)
    pq.write_table(TABLE, "list.parquet")
    ours(tmp_path, MISSPELT)
    assert run([*command, "ours.toml"]) == 2
    found = capsys.readouterr()
    assert "nothing uses the parameter hba1c_targt" in found.err
    assert "no fault" not in found.out
    assert not Path("out.parquet").exists()


def test_of_a_pack_that_is_only_extended_it_is_a_notice(tmp_path: Path) -> None:
    ours(tmp_path, MISSPELT, name="library")
    file = ours(tmp_path, '[parameters.systolic_target]\nvalue = 130\nsource = "us"\n', "library.toml")
    told = "library.toml: nothing uses the parameter hba1c_targt"
    assert f"{told} (did you mean 'hba1c_target'?)" in Scorer(file, AS_OF).notices
    report = examine(file, AS_OF)
    assert told in report.warnings
    console = silent()
    pack_check.show(report, console)
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue().splitlines()
    assert shown[-1] == "ours 1: 0 faults, 1 warning"
    assert not any("no fault" in line for line in shown)


def test_a_pack_that_extends_nothing_has_nothing_to_change(tmp_path: Path) -> None:
    """What it holds for nothing is told, but cannot be a change that went astray."""
    file = tmp_path / "alone.toml"
    file.write_text(definition('value = "ckd"', more='[parameters.idle]\nvalue = 1\nsource = "us"\n'))
    assert Scorer(file, AS_OF).notices == ("alone.toml: nothing uses the parameter idle",)
    assert examine(file, AS_OF).warnings[-1] == "nothing uses the parameter idle"


USED = """
[parameters.limit]
value = 5
"""


@pytest.mark.parametrize(
    "use",
    [
        f'{RULE}value = "bmi > limit"\noutput = true\n',
        f'{RULE}eligible = "bmi > limit"\nvalue = "ckd"\noutput = true\n',
        f'{RULE}versions = [\n  {{ version = "1", effective_to = 2030-01-01, value = "ckd" }},\n  {{ version = "2", effective_from = 2030-01-02, value = "bmi > limit" }},\n]\noutput = true\n',
        f'{RULE.replace("expression", "first_match")}rules = [ {{ label = "a", when = "bmi > limit" }} ]\noutput = true\n',
        f'{RULE.replace("expression", "count")}of = ["ckd", "bmi > limit"]\noutput = true\n',
        f'{RULE.replace("expression", "status")}diagnosed = "ckd"\noptimised = "bmi > limit"\nundiagnosed = "chd"\noutput = true\n',
        f'{RULE.replace("expression", "tree")}nodes = [ {{ id = 1, split = "bmi > limit", yes = 2, no = 3 }}, {{ id = 2, value = 1 }}, {{ id = 3, value = 2 }} ]\noutput = true\n',
        *(
            f'{RULE.replace("expression", "model")}draft = true\nevidence = "assumption"\nlink = "identity"\n{model}\noutput = true\n'
            for model in (
                'terms = [ { id = "t", when = "age > limit", coefficient = 1 } ]',
                'terms = [ { id = "t", value = "age + limit", coefficient = 1 } ]',
                'inputs = { bmi = { default = "limit" } }\nterms = [ { id = "t", value = "bmi", coefficient = 1 } ]',
                'inputs = { b = { from = "bmi + limit", default = 3 } }\nterms = [ { id = "t", value = "b", coefficient = 1 } ]',
                'derived = { d = "age + limit" }\nterms = [ { id = "t", value = "d", coefficient = 1 } ]',
                'strata = { s = "age > limit" }\nterms = [ { id = "t", value = "age", coefficient = 1 } ]',
                'terms = [ { id = "t", of = "age + limit", powers = [2], coefficients = [1] } ]',
            )
        ),
        '[definition.frailty_int_segment]\nvalue = "age > limit"\n',
    ],
)  # fmt: skip
def test_what_counts_as_use(tmp_path: Path, use: str) -> None:
    file = ours(tmp_path, USED + use)
    assert not load_pack(file).unused
    assert not [told for told in Scorer(file, AS_OF).notices if "nothing uses" in told]


def test_more_that_counts_as_use(tmp_path: Path) -> None:
    """A column of a reference patient; the members of a set in use; what a fit names; the birth date of an age; a
    definition that has the name of the column it shows; what a rule said before it was changed."""
    flag = '[[input]]\nname = "veteran"\ntype = "bool"\n'
    patient = "[[definition.frail.reference_patients]]\npatient = { cfs = 7, veteran = true }\nexpected = true\n"
    assert not load_pack(ours(tmp_path, flag + patient)).unused
    assert not load_pack(ours(tmp_path, f'{flag}[sets.sel_27]\nmembers = ["ckd", "veteran"]\n')).unused
    assert not load_pack(
        ours(tmp_path, f'{flag}{RULE.replace("ours", "veteran")}value = "veteran"\noutput = true\n')
    ).unused
    assert not load_pack(ours(tmp_path, f'{RULE}value = "ckd"\n[fit]\nmodel = "ours"\n')).unused
    born = '[[input]]\nname = "born"\ntype = "date"\n[[input]]\nname = "years"\ntype = "int"\ncompleted_years_since = "born"\n'
    assert not load_pack(ours(tmp_path, f'{born}{RULE}value = "years > 3"\noutput = true\n')).unused
    ours(tmp_path, f'{USED}{RULE}value = "bmi > limit"\noutput = true\n', name="library")
    file = ours(tmp_path, '[definition.ours]\nvalue = "ckd"\n', "library.toml", "top")
    assert not load_pack(file).unused


def test_what_is_offered_need_not_be_used(tmp_path: Path) -> None:
    text = f'{USED}offered = true\n[sets.spare]\nmembers = ["ckd"]\noffered = true\n[windows.longer]\nmonths = 30\noffered = true\n[[input]]\nname = "ward"\ntype = "bool"\noffered = true\n{RULE}value = "ckd"\noffered = true\n'
    assert not load_pack(ours(tmp_path, text)).unused
    assert Scorer(ours(tmp_path, text), AS_OF).notices == Scorer("london-2026", AS_OF).notices
    for section in (
        USED,
        '[sets.spare]\nmembers = ["ckd"]\n',
        "[windows.longer]\nmonths = 3\n",
        '[[input]]\nname = "ward"\ntype = "bool"\n',
    ):
        with pytest.raises(PackError, match="`offered` is true or false"):
            Scorer(ours(tmp_path, f'{section}offered = "yes"\n'), AS_OF)


@pytest.mark.parametrize("pack", [*builtin_packs(), *sorted((ROOT / "docs" / "examples").glob("*.toml"))], ids=str)
def test_what_comes_with_popstrat_holds_nothing_for_nothing(pack: str | Path) -> None:
    assert load_pack(pack).unused == ()


def test_a_specification_of_a_fit_is_held_to_the_same(tmp_path: Path) -> None:
    from popstrat.fitting.spec import read_spec

    term = '[[definition.mine.terms]]\nid = "t"\nvalue = "age"\n'
    model = f'[definition.mine]\nkind = "model"\ntitle = "t"\nversion = "1"\nlink = "logistic"\ndraft = true\noutput = true\n{term}'
    fit = '[fit]\nmodel = "mine"\ncolumn = "event"\n'
    spec = read_spec(ours(tmp_path, f"{model}{fit}"), {})
    assert not spec.unit_pack.unused
    spec = read_spec(ours(tmp_path, f"{model}{fit}{MISSPELT}"), {})
    with pytest.raises(PackError, match="nothing uses the parameter hba1c_targt"):
        spec.unit_pack.at(AS_OF)


def test_tables_that_are_written_wrongly_do_not_stop_the_search(tmp_path: Path) -> None:
    """They have a message of their own, at the date at which they hold."""
    for odd in (
        "rules = 3",
        "rules = [3]",
        "terms = [3]",
        "nodes = 3",
        "of = 3",
        "versions = [3]",
        "inputs = 3",
        "inputs = { a = 3 }",
        "strata = [1]",
        "derived = { a = 1 }",
        "reference_patients = 3",
        "reference_patients = [{ patient = 3 }]",
        "eligible = [3]",
        "horizons = 3",
        "terms = [{ product = 3, when = [1] }]",
    ):
        file = tmp_path / "odd.toml"
        file.write_text(f'{HEAD}extends = "cha2ds2-vasc"\n{RULE}{odd}\n')
        tomllib.loads(file.read_text())
        with pytest.raises(PackError):
            load_pack(file).at(AS_OF)
