"""Feature specifications: what the built-in one covers, how one is changed, and what is refused."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import popstrat
from popstrat.cli.main import run
from popstrat.core.dates import days
from popstrat.deriving.kinds.registry import KINDS
from popstrat.deriving.spec import DEFAULT_SPEC, builtin_specs, is_specification, load_spec
from popstrat.deriving.spec_check import examine
from popstrat.packs.load import load_pack
from popstrat.packs.patient_table import KEY_COLUMNS, patient_schema
from popstrat.packs.read import builtin_packs
from popstrat.packs.reading import boundaries
from popstrat.pages import specification

AS_OF = dt.date(2026, 6, 30)
HEAD = '[pack]\nid = "own"\nversion = "1"\ntitle = "Own"\n'
OWN = HEAD + 'extends = "gp-record-2026"\n'
EVER = 'kind = "recorded"\ntitle = "X"\nmeans = "x"\nsource = "s"\nversion = "1"\ncodes = ["X_COD"]\n'


def spec(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    return file


# -- the built-in specification ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", builtin_specs())
def test_every_column_is_derived_or_said_not_to_be(name: str) -> None:
    features = load_spec(name).at(AS_OF)
    columns = [c.name for c in patient_schema() if c.name not in KEY_COLUMNS]
    assert sorted([*features.outputs, *features.spec.not_derived]) == sorted(columns)
    assert all(features.not_derived.values())
    assert list(features.outputs) == [c for c in columns if c in features.outputs]


@pytest.mark.parametrize("name", builtin_specs())
def test_it_holds_on_every_date_and_says_where_it_comes_from(name: str) -> None:
    report = examine(name, AS_OF)
    assert report.warnings == ()
    loaded = load_spec(name)
    for date in boundaries(loaded):
        loaded.at(date)
    for f in report.features.features:
        assert f.told.means
        assert f.told.source


def test_no_name_stands_for_a_pack_and_a_specification() -> None:
    assert not set(builtin_specs()) & set(builtin_packs())
    assert DEFAULT_SPEC in builtin_specs()


def test_every_kind_but_one_is_used_by_it() -> None:
    """`extreme`, the highest or lowest value, has no column in the patient table."""
    used = {f.name for f in load_spec(DEFAULT_SPEC).at(AS_OF).features}
    assert set(KINDS) - used == {"extreme"}


def test_one_version_back_is_the_same(tmp_path: Path) -> None:
    loaded = load_spec(DEFAULT_SPEC)
    assert load_spec(f"{DEFAULT_SPEC}@{loaded.version}") is loaded
    with pytest.raises(popstrat.PackError, match=r"no version '9\.9' of the feature specification gp-record-2026"):
        load_spec(f"{DEFAULT_SPEC}@9.9")


# -- changed ----------------------------------------------------------------------------------------------------------


def test_a_file_changes_what_it_says_and_nothing_else(tmp_path: Path) -> None:
    text = OWN + '[windows.last_6_months]\nmonths = 3\n[feature.hba1c.units]\n"mmol/mole" = 1\n'
    before, after = load_spec(DEFAULT_SPEC).at(AS_OF), load_spec(spec(tmp_path, text)).at(AS_OF)
    folds = {fold.name: fold for fold in before.folds}
    changed = [fold.name for fold in after.folds if fold != folds[fold.name]]
    assert "statin" in changed
    assert "hba1c" in changed
    assert {f.id for f in after.features if f.told.raw.get("within") == "last_6_months"} == set(changed) - {"hba1c"}
    assert after.outputs == before.outputs


def test_what_another_file_says_is_not_derived_may_be(tmp_path: Path) -> None:
    text = OWN + (
        '[feature.non_hdl_baseline]\nkind = "latest_value"\ntitle = "t"\nmeans = "m"\nsource = "s"\nversion = "1"\n'
        'codes = ["BASE_COD"]\nunit = "mmol/L"\noutput = true\n'
    )
    features = load_spec(spec(tmp_path, text)).at(AS_OF)
    assert "non_hdl_baseline" in features.outputs
    assert set(features.not_derived) == {"age"}


def test_a_column_of_an_areas_own(tmp_path: Path) -> None:
    text = OWN + "[feature.frequent]\n" + EVER + "within = 3\noutput = true\n"
    features = load_spec(spec(tmp_path, text)).at(AS_OF)
    assert list(features.outputs)[-1] == "frequent"


def test_whatever_the_files_of_people_hold(tmp_path: Path) -> None:
    said = 'kind = "person"\ntitle = "t"\nmeans = "m"\nsource = "s"\nversion = "1"\noutput = true\n'
    text = OWN + f"[feature.start_date]\n{said}[feature.since]\n" + EVER.replace("recorded", "date") + "output = true\n"
    features = load_spec(spec(tmp_path, text)).at(AS_OF)
    people = pa.schema([("patient_id", pa.int64()), ("practice_code", pa.string()), ("start_date", pa.date32())])
    assert features.columns(people)[-2:] == ("start_date", "since")
    assert "imd_decile" not in features.columns(people)
    assert features.table_schema(people).field("start_date").type == pa.date32()


def test_dated_versions(tmp_path: Path) -> None:
    text = (
        HEAD
        + "[feature.x]\n"
        + EVER
        + (
            'output = true\nversions = [{ version = "1", effective_to = 2026-03-31, within = 6 },'
            ' { version = "2", effective_from = 2026-04-01, within = 12 }]\n'
        )
    )
    loaded = load_spec(spec(tmp_path, text))
    assert [loaded.at(dt.date(2026, m, 1)).folds[0].since for m in (3, 4)] == [20332, 20179]
    dated = text.replace("effective_to = 2026-03-31", "effective_to = 2026-03-01").replace("2026-04-01", "2026-05-01")
    assert "the nearest was used: x" in load_spec(spec(tmp_path, dated)).at(dt.date(2026, 4, 1)).notices[0]


def test_two_files_that_know_nothing_of_each_other(tmp_path: Path) -> None:
    for name, months in (("a", 3), ("b", 4)):
        text = HEAD + f'extends = "gp-record-2026"\n[feature.falls]\nwithin = {months}\n'
        (tmp_path / f"{name}.toml").write_text(text)
    both = HEAD + 'extends = ["a.toml", "b.toml"]\n'
    with pytest.raises(popstrat.PackError, match=r"own.toml:\d+: pack: a.toml:7 .* both set feature.falls"):
        load_spec(spec(tmp_path, both))
    features = load_spec(spec(tmp_path, both + "[feature.falls]\nwithin = 5\n")).at(AS_OF)
    assert features.by_id["falls"].folds[0].since == days(dt.date(2026, 1, 30))


def test_a_definition_shows_whom_it_gives_what(tmp_path: Path) -> None:
    text = OWN + (
        '[definition.gap]\nkind = "expression"\ntitle = "t"\nmeans = "m"\nsource = "s"\nversion = "1"\noutput = true\n'
        'value = "egfr_previous - egfr"\ntype = "int16"\n'
        "reference_patients = [{ patient = { egfr = 50, egfr_previous = 62, age = 60 }, expected = 12 }]\n"
    )
    assert "gap" in load_spec(spec(tmp_path, text)).at(AS_OF).outputs
    with pytest.raises(popstrat.PackError, match=r"definition.gap: .*reference patient 1"):
        load_spec(spec(tmp_path, text.replace("expected = 12", "expected = 13"))).at(AS_OF)


def test_every_link_of_the_page_leads_somewhere() -> None:
    text = specification.page()
    there = set(re.findall(r'<a id="([^"]+)"', text))
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= there


def test_lists_that_are_missing_make_null(tmp_path: Path) -> None:
    features = load_spec(DEFAULT_SPEC).at(AS_OF)
    less = features.without(["IRRPULSE_COD", "STAT_COD", "FIT_COD"])
    assert [name for name in less.outputs if less.is_null(name)] == ["af_suspected", "statin"]
    assert not any(features.is_null(name) for name in features.outputs)
    none = less.without_tables(["activity"])
    assert [name for name in none.outputs if none.is_null(name) and not less.is_null(name)] == [
        "last_admission_date", "emergency_admissions_12m", "ae_attendances_12m", "gp_appointments_12m",
        "outpatient_attendances_12m",
    ]  # fmt: skip
    assert none.is_null("statin")
    assert "STAT_COD" not in {code for fold in less.folds for code in fold.codes}


# -- refused ----------------------------------------------------------------------------------------------------------

X, ANY = "[feature.x]\n" + EVER, 'title = "t"\nsource = "s"\nversion = "1"\n'
DEFINITION = 'kind = "expression"\n' + ANY
VALUE = '[feature.x]\nkind = "latest_value"\ncodes = "A"\n' + ANY
LABEL = '[feature.x]\nkind = "latest_category"\noutput = "smoking"\n' + ANY
CIRCLE = f'{X}[definition.a]\n{DEFINITION}value = "b"\noutput = true\n[definition.b]\n{DEFINITION}value = "a and x"\n'
REFUSED = [
    (X.replace("recorded", "recordd"), r"own.toml:7: feature.x: needs a `kind`: .* \(did you mean 'recorded'\?\)"),
    (X + "withn = 3\n", r"own.toml:13: feature.x: unknown key 'withn' \(did you mean 'within'\?\)"),
    (X + 'within = "lastly"\n', r"own.toml:13: feature.x: there is no window 'lastly'"),
    (X + 'output = "y"\nat_least = "cut"\n', r"own.toml:14: feature.x: there is no parameter 'cut'"),
    (X + 'output = "bmi"\n', r"own.toml:13: feature.x: bmi of the patient table does not hold true or false"),
    (X + 'output = "patient_id"\n', r"own.toml:13: feature.x: patient_id is the table's own"),
    (X + 'output = "quality_flags"\n', r"own.toml:13: feature.x: quality_flags is the table's own"),
    (
        "[feature.practice_code]\n" + EVER,
        r"feature.practice_code: gives 'practice_code', which is the name of",
    ),
    (X + 'table = "activity"\n', r"own.toml:12: feature.x: there is no kind of activity 'X_COD'"),
    (
        f'{X}output = "chd"\n[feature.y]\n{EVER}output = "chd"\n',
        r":21: feature.y: writes .* 'chd', as the feature 'x' does",
    ),
    (X + "[definition.x]\n" + DEFINITION, r"feature.x: there is a definition 'x' already"),
    (CIRCLE, r"refers to itself, through a → b → a"),
    (f'{X}[definition.a]\n{DEFINITION}value = "xx"\noutput = "chd"\n', r"definition.a: value: unknown word 'xx'"),
    (
        f'{X}[definition.a]\n{DEFINITION}value = "x"\noutput = "bmi"\n',
        r"definition.a: is a condition, which bmi of the",
    ),
    (X + '[not_derived.agee]\nwhy = "w"\n', r"'agee' is no column that could be derived \(did you mean 'age'\?\)"),
    (X + "[not_derived.age]\n", r"not_derived.age: says `why` it is not derived"),
    (
        VALUE + 'output = "bmi"\nunit = "kg/m2"\nunits = { "KG / M²" = 2 }\n',
        r"'kg/m2' and 'KG / M²' are one in another spelling",
    ),
    (VALUE + "output = true\n", r"feature.x: needs `minimum`: what is plausible is known only of the columns of the"),
    (
        LABEL + 'labels = { nevr = "A" }\n',
        r"smoking of the patient table has no label 'nevr' \(did you mean 'never'\?\)",
    ),
    (LABEL + 'labels = { never = "A", ex = "A" }\n', r"the code list 'A' stands under two labels, 'never' and 'ex'"),
    (X + '[[input]]\nname = "y"\ntype = "int"\n', r"input: is for scoring packs"),
]


@pytest.mark.parametrize(("text", "told"), REFUSED)
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    file = spec(tmp_path, HEAD + "\n" + text)
    with pytest.raises(popstrat.PackError, match=told) as caught:
        load_spec(file).at(AS_OF)
    assert str(caught.value).startswith("own.toml")


def test_a_change_that_is_misspelt_is_refused(tmp_path: Path) -> None:
    for text, told in (
        ("[feature.statn]\nwithin = 3\n", "there is no feature 'statn' to change (did you mean 'statin'?)"),
        ("[windows.last_6_month]\nmonths = 3\n", "nothing uses the window last_6_month"),
        ("[feature.x]\n" + EVER, "feature x writes no column, and no definition uses it"),
    ):
        with pytest.raises(popstrat.PackError) as caught:
            load_spec(spec(tmp_path, OWN + text)).at(AS_OF)
        assert told in str(caught.value)


def test_a_pack_is_no_specification_and_a_specification_no_pack(tmp_path: Path) -> None:
    own = spec(tmp_path, OWN)
    with pytest.raises(
        popstrat.PackError,
        match=r"own.toml: extends: gp-record-2026 is a feature specification, and a pack is needed here",
    ):
        load_pack(own)
    alone = spec(tmp_path, HEAD + "[feature.x]\n" + EVER + "output = true\n")
    with pytest.raises(popstrat.PackError, match=r"own.toml: is a feature specification .* it cannot score one"):
        load_pack(alone)
    file = tmp_path / "pack.toml"
    file.write_text(HEAD)
    with pytest.raises(popstrat.PackError, match=r"pack.toml: is no feature specification"):
        load_spec(file)
    with pytest.raises(popstrat.PackError, match=r"london-2026 is a pack, and a feature specification is needed here"):
        load_spec("london-2026")
    assert is_specification(str(own))
    assert not is_specification(str(file))
    assert not is_specification("london-2026")


def test_the_commands_that_show_packs_show_specifications(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["packs", "check", DEFAULT_SPEC, "--as-of", "2026-06-30"]) == 0
    out = capsys.readouterr().out
    assert "96 features" in out
    assert "no fault found" in out
    assert run(["packs", "show", str(spec(tmp_path, OWN))]) == 0
    out = capsys.readouterr().out
    assert "Plausible: first: 50 to 300; second: 20 to 200." in out
    assert "non_hdl_baseline" in out


# -- kinds ------------------------------------------------------------------------------------------------------------


def test_a_kind_that_lacks_a_part_cannot_be_made() -> None:
    from popstrat.deriving.kinds.kind import Feature

    with pytest.raises(TypeError, match="the kind of feature Bare lacks name, called, rank, keys, explained, example"):
        type("Bare", (Feature,), {})


def test_a_module_without_a_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("from popstrat.deriving.kinds.count import CountOf\n")
    code = "import sys, popstrat.deriving.kinds as k; k.__path__.append(sys.argv[1]); "
    code += "import popstrat.deriving.kinds.registry"
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "ImportError: popstrat.deriving.kinds.helpers has 0 classes under Feature" in ran.stderr
