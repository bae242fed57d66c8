"""What a pack says that can hardly be meant: refused, or warned of by the check, at the key."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from complaints import HEAD, check, definition

from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.possible import remarks
from popstrat.scoring.pack_check import examine

ROOT = Path(__file__).parents[2]
MODEL = (
    'link = "identity"\ndraft = true\nevidence = "assumption"\ninputs = { bmi = { default = 27 } }\n%s\n'
    'terms = [{ id = "b", value = "bmi", coefficient = 1 }]'
)
STRATA = MODEL % "strata = { %s }"


def rules(*conditions: str, otherwise: bool = True) -> str:
    listed = ", ".join(f"{{ label = \"l{i}\", when = '{when}' }}" for i, when in enumerate(conditions))
    return definition(f"rules = [{listed}]\n" + ('otherwise = "o"' if otherwise else ""), "first_match")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (definition('value = "ckd"\neligible = "false"'), "definition.x: is for nobody: `eligible` never holds"),
        (definition('value = "ckd"\neligible = "age > 200"'), "is for nobody: `eligible` never holds"),
        (definition('value = "ckd"\neligible = "age > 200 or bmi < 0"'), "is for nobody"),
        (definition('value = "ckd"\neligible = "ckd and null"'), "is for nobody"),
        (rules("bmi > 20", "true", "ckd"), "nobody reaches rule 3: rule 2 above it holds for all of them"),
        (rules("1 == 1", "ckd"), "nobody reaches rule 2"),
        (rules("bmi > 20", "false"), "nobody reaches rule 2: it never holds"),
        (rules("age >= 18", "age >= 65"), "nobody reaches rule 2: rule 1 above it holds for all of them"),
        (rules("age >= 18 or ckd", "chd and ckd"), "nobody reaches rule 2"),
        (rules('sex in {"male", "female"}', 'sex == "male" and ckd'), "nobody reaches rule 2"),
        (rules("bmi < 30", "bmi == 29"), "nobody reaches rule 2"),
        (definition('value = "hba1c > 7000"'), "`hba1c > 7000` never holds: hba1c lies between"),
        (definition('value = "ckd or not (efi > 36)"'), "`efi > 36` never holds: efi lies between"),
        (definition('value = "efi >= 0"'), "`efi >= 0` always holds where there is a value: efi lies between"),
        (definition('value = "bp_date > as_of"'), "`bp_date > as_of` never holds: bp_date lies between"),
        (definition('value = "efi > cut"', more="[parameters.cut]\nsource = 's'\nvalue = 12\n"), "never holds"),
        (definition(STRATA % 'all = "true", women = "ckd"', "model"), "nobody reaches the stratum women"),
        (definition(STRATA % 'a = "age > 20", b = "age > 30"', "model"), "nobody reaches the stratum b"),
        (definition(STRATA % 'a = "age > 200", b = "age > 30"', "model"), "nobody reaches the stratum a: it never"),
        (definition(MODEL % "recalibration = { intercept = 0.1, slope = -1 }", "model"), "a slope under 0"),
        (
            definition(
                'versions = [{ version = "1", effective_to = 2026-01-31, value = "ckd" }, '
                '{ version = "2", effective_from = 2026-02-02, value = "chd" }]'
            ),
            "definition x has no version in force on 2026-02-01: the nearest would be used",
        ),
    ],
)  # fmt: skip
def test_what_the_check_warns_of(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    found = [warning for warning in examine(tmp_path / "p.toml").warnings if told in warning]
    assert len(found) == 1
    assert "no version" in told or found[0].startswith("p.toml:")


@pytest.mark.parametrize(
    "pack", ["london-2026", "london-2026@1.0.0", "swl-pilots", *sorted((ROOT / "docs" / "examples").glob("*.toml"))]
)
def test_no_pack_of_ours_is_doubted(pack: str | Path) -> None:
    for date in (dt.date(2026, 6, 30), dt.date(2026, 12, 1)):
        assert not list(remarks(load_pack(pack).at(date)))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (definition('versions = [{ version = "1", effective_to = 2026-01-31, value = "ckd" }, { version = "1", '
                    'effective_from = 2026-02-01, value = "chd" }]'), "two of its versions are called '1'"),
        (definition('value = "ckd"', more='[[input]]\nname = "w"\ntype = "float"\n«min» = nan\n'), "`min` is a number"),
        (definition('value = "ckd"', more='[[input]]\nname = "w"\ntype = "float"\n«max» = inf\n'), "leave it out"),
        (definition('value = "ckd"', more='[[input]]\nname = "v"\ntype = "int"\nmin = 1\n[[input]]\nname = "w"\n'
                    'type = "int"\n«min» = "1"\n'), "column 'w': `min` is a number"),
        (definition('value = "ckd"', more='[[input]]\nname = "w"\ntype = "date"\ndates = ["«nosuch»"]\n'), "'nosuch'"),
        (definition('value = "bmi > p"', more='[parameters.p]\nvalue = "«3»"\n'), "without the quotes it is a number"),
        (definition('value = "bp_date > p"', more='[parameters.p]\nvalue = "«2026-01-01»"\n'), "it is a date"),
        (definition('value = "recent(bp_date)"'), "(recent is a window of london-2026"),
        (definition((MODEL % "").replace("default = 27", 'default = "bmi + 1"'), "model"), "its default rests on bmi"),
        (definition((MODEL % "").replace("coefficient = 1", "coefficient = 1e300"), "model"), "1e+300 is too large"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, text: str, told: str) -> None:
    check(tmp_path, text, told)


def test_a_parameter_of_another_type_is_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(f'{HEAD}extends = "london-2026"\n[parameters.hba1c_target]\nvalue = true\n')
    told = "parameters.hba1c_target: its `value` is true or false, and in london-2026.toml it is a number"
    with pytest.raises(PackError, match=rf"p.toml:\d+: {told}"):
        load_pack(tmp_path / "p.toml").at(dt.date(2026, 6, 30))


def test_what_is_never_null_needs_no_default(tmp_path: Path) -> None:
    """`coalesce(x, 0)` is a value for everybody; `x` is not."""
    for rule, fine in (("coalesce(bmi, 27)", True), ("bmi if ckd else 2", False), ("max(coalesce(bmi, 1), 2)", True)):
        one = f'[definition.p]\nkind = "expression"\ntitle = "P"\nsource = "s"\nversion = "1"\nvalue = "{rule}"\n'
        text = definition(
            (MODEL % "").replace("inputs = { bmi = { default = 27 } }", "").replace('"bmi"', '"p"'), "model", one
        )
        (tmp_path / "p.toml").write_text(text)
        if fine:
            load_pack(tmp_path / "p.toml").at(dt.date(2026, 6, 30))
        else:
            check(tmp_path, text, "'p' may be null: declare it under `inputs`")


FOR_WHOM = """
link = "identity"
draft = true
evidence = "assumption"
eligible = [{ when = "40 <= age <= 79", reason = "age" }, { when = "not chd", reason = "has CHD" }]
inputs = { systolic_bp = { required = true }, bmi = { default = 27 }, egfr = { default = 80 } }
derived = { ln_age = "ln(age)" }
terms = [
    { id = "sbp", value = "systolic_bp", coefficient = 1 },
    { id = "bmi", value = "bmi", coefficient = 1 },
    { id = "egfr", value = "egfr / 10", coefficient = 1 },
    { id = "age", value = "ln_age", coefficient = 1 },
    { id = "last", when = "ckd", coefficient = 1 },
    { id = "by_age", product = ["age", "last"], coefficient = 1 },
]
"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"ckd"', '"ckd and «age < 30»"', "term 'last' can be true for nobody whom the model is for"),
        ('"ckd"', '"«chd and bmi > 30»"', "term 'last' can be true for nobody whom the model is for"),
        ('"ckd"', '"«age >= 30»"', "term 'last' is the same for everybody whom the model is for"),
        ('"ckd"', '"«age >= 40»"', "term 'last' is the same for everybody whom the model is for"),
        ('"ckd"', '"«systolic_bp > 20»"', "term 'last' is the same for everybody whom the model is for"),
        ('"ckd"', '"«systolic_bp is not null»"', "term 'last' is the same for everybody whom the model is for"),
        ('"ckd"', '"ckd or «age > 90»"', "`age > 90` never holds: age lies between 40 and 79"),
        ('"ckd"', '"ckd and «bmi > 2»"', "`bmi > 2` always holds where there is a value: bmi lies between 10 and 100"),
        ('"not chd"', '"chd and age < 40"', "is for nobody: the parts of `eligible` exclude one another"),
        ("default = 27", "«default» = 270", "input 'bmi': its default is outside of what a record can say: bmi lies"),
        ("default = 80", "«default» = 400", "input 'egfr': its default is outside of what a record can say: egfr lies"),
        ("default = 80", "«default» = '400 if ckd else 500'", "its default is outside of what a record can say"),
        ("", "", ""),
        ('ln_age = "ln(age)" }', 'ln_age = "ln(age)", «ckd» = "bmi > 30" }', "'ckd' has the name of the column ckd"),
        ('ln_age = "ln(age)"', 'ln_age = "ln(bmi)"', "'age' is the term of that name, not the word age, which is"),
    ],
)  # fmt: skip
def test_of_whom_a_model_is_for(tmp_path: Path, old: str, new: str, told: str) -> None:
    """What `eligible` and required inputs say counts for terms, and every remark stands at its line."""
    text = definition(FOR_WHOM.replace(old, new, 1), "model")
    line = text[: text.find("«")].count("\n") + 1
    (tmp_path / "p.toml").write_text(text.replace("«", "").replace("»", ""))
    warnings = [w for w in examine(tmp_path / "p.toml").warnings if "means" not in w]
    if not told:
        assert not warnings
        return
    assert len(warnings) == 1, warnings
    assert told in warnings[0]
    assert "«" not in new or warnings[0].startswith(f"p.toml:{line}: "), warnings


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{ required = true }", "{ required = true, «clip» = [9, 20] }", "everybody at one number: systolic_bp"),
        ("default = 27", "default = 27, «clip» = [130, 320]", "everybody at one number: bmi lies between"),
        ("terms =", "coefficients = { «last» = 2 }\nterms =", "'last' has a coefficient here and where"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_mean(tmp_path: Path, old: str, new: str, told: str) -> None:
    check(tmp_path, definition(FOR_WHOM.replace(old, new, 1), "model"), told)


def test_a_coefficient_of_another_file_is_an_override(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(definition(FOR_WHOM, "model"))
    (tmp_path / "p.toml").write_text(f'{HEAD}extends = "base.toml"\n[definition.x.coefficients]\nlast = 3\n')
    resolved = load_pack(tmp_path / "p.toml").at(dt.date(2026, 6, 30))
    assert [term.parts[0][1] for term in resolved.models["x"].terms if term.id == "last" and term.parts[0]] == [3.0]


def test_a_title_that_names_the_first_of_several_horizons(tmp_path: Path) -> None:
    survival = FOR_WHOM.replace('"identity"', '"survival"').replace(
        "terms =",
        'horizons = [{ id = "a", title = "2 years", baseline_survival = 0.9 }, '
        '{ id = "b", title = "5 years", baseline_survival = 0.8 }]\nterms =',
    )
    for title, other in (
        ("Failure, 2 years (KFRE)", "Failure, 5 years (KFRE)"),
        ("Failure (KFRE)", "Failure (KFRE), 5 years"),
        ("Failure, 12 years", "Failure, 12 years, 5 years"),
    ):
        (tmp_path / "p.toml").write_text(definition(survival, "model").replace('title = "X"', f'title = "{title}"'))
        assert load_pack(tmp_path / "p.toml").at(dt.date(2026, 6, 30)).definitions["x.b"].title == other


def test_nobody_reaches_a_probability_beyond_one(tmp_path: Path) -> None:
    rule = 'kind = "first_match"\ntitle = "Y"\nsource = "us"\nversion = "1"\noutput = true\n'
    more = f'[definition.y]\n{rule}rules = [{{ label = "high", when = "x >= 7.5" }}]\notherwise = "low"\n'
    (tmp_path / "p.toml").write_text(definition(FOR_WHOM.replace('"identity"', '"logistic"'), "model", more))
    (told,) = [w for w in examine(tmp_path / "p.toml").warnings if "reaches" in w]
    assert told.endswith("nobody reaches rule 1: it never holds: x lies between 0 and 1")
