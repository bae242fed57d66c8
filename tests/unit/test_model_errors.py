"""What is wrong with a model is said with its file, line and word.

Each case is a sound model with one thing changed. «…» marks where the carets must point; where the same word stands in
several terms, at the one of the term that is at fault.
"""

# The tables read better with a case on a line.
# ruff: noqa: E501

from __future__ import annotations

import re
from pathlib import Path

import pytest
from complaints import AS_OF, HEAD, check, complaint

from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.seal import seal_of, sealed
from popstrat.scoring.scorer import Scorer

MODEL = """
[definition.x]
kind = "model"
title = "X"
source = "us"
evidence = "assumption"
version = "1"
intended_use = "none"
disclaimer = "none"
link = "survival"
intercept = { women = 0.1, men = 0.2 }
recalibration = { intercept = 0.0, slope = 1.0 }
eligible = [{ when = "age >= 18", reason = "under 18" }, { when = "not chd", reason = "has CHD" }]
horizons = [
    { id = "m12", title = "12 months", baseline_survival = 0.9 },
    { id = "m24", title = "24 months", baseline_survival = { women = 0.8, men = 0.7 }, output = true },
]
decimals = 6
output = true

[definition.x.strata]
women = 'sex == "female"'
men = 'sex != "female"'

[definition.x.inputs]
bmi = { default = 27, clip = [20, 40], why = "usual" }
smoking = { default = "never" }
ldl = { default = "3 if age < 50 else 4" }

[definition.x.derived]
ratio = "ldl / bmi"
heavy = { value = "bmi > 35" }

[[definition.x.terms]]
id = "body"
of = "bmi"
powers = [-2, 0]
shift = 1
scale = 10
center = [0.1, { women = 1.0, men = 1.1 }]
coefficients = [{ women = 0.5 }, 0.25]

[[definition.x.terms]]
id = "fat"
value = "ldl"
center = { women = 2.0, men = 2.5 }
coefficient = { women = 0.4, men = 0.3 }

[[definition.x.terms]]
id = "smoke"
of = "smoking"
reference = "never"
levels = { ex = 0.1, current = 0.2 }

[[definition.x.terms]]
id = "proportion"
value = "ratio"
center = 0.125
coefficient = 0.7

[[definition.x.terms]]
id = "kidney"
when = "ckd"
coefficient = 0.6

[[definition.x.terms]]
id = "both"
product = ["body.2", "kidney", "heavy"]
coefficient = { women = 0.1, men = 0.05 }

[[definition.x.reference_patients]]
title = "thin"
patient = { age = 40, sex = "female", bmi = 21.0 }
expected = 0.118764

[[definition.x.reference_patients]]
title = "heavy"
patient = { age = 60, sex = "male", bmi = 38.0, ckd = true }
expected = { x = 0.290889, "x.m24" = 0.68772 }

[[definition.x.reference_patients]]
title = "smoker"
patient = { age = 70, sex = "male", smoking = "current", ldl = 2.0 }
expected = { x = 0.5, "x.linear_predictor" = 1.0 }
"""


def right(text: str) -> str:
    """The model with the reference patients' results as they are: independent of what this file is about."""
    import math

    def lp(sex: str, bmi: float, ldl: float, smoking: float, ckd: bool) -> float:
        x = (min(max(bmi, 20), 40) + 1) / 10
        second = math.log(x) - (1.0 if sex == "female" else 1.1)
        heavy = bmi > 35 and ckd
        if sex == "female":
            total = 0.1 + 0.5 * (x**-2 - 0.1) + 0.4 * (ldl - 2.0) + 0.1 * second * heavy
        else:
            total = 0.2 + 0.3 * (ldl - 2.5) + 0.05 * second * heavy
        return total + 0.25 * second + smoking + 0.7 * (ldl / bmi - 0.125) + 0.6 * ckd

    found = {
        "0.118764": round(1 - 0.9 ** math.exp(lp("female", 21.0, 3, 0, False)), 6),
        "0.290889": round(1 - 0.9 ** math.exp(lp("male", 38.0, 4, 0, True)), 6),
        "0.68772": round(1 - 0.7 ** math.exp(lp("male", 38.0, 4, 0, True)), 6),
        "x = 0.5,": f"x = {round(1 - 0.9 ** math.exp(lp('male', 27.0, 2.0, 0.2, False)), 6)},",
        '" = 1.0 }': f'" = {lp("male", 27.0, 2.0, 0.2, False):.6f} }}',
    }
    for old, new in found.items():
        assert text.count(old) == 1, old
        text = text.replace(old, str(new))
    return text


SOUND = HEAD + right(MODEL)


def changed(*pairs: tuple[str, str]) -> str:
    text = SOUND
    for old, new in pairs:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        text = text.replace(old, new)
    return text


def test_the_model_is_sound(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(SOUND)
    assert "x_m24" in Scorer(tmp_path / "p.toml", AS_OF).output_schema.names


@pytest.mark.parametrize("output", ["true", '"x"'])
def test_the_first_horizon_may_say_the_output_that_the_definition_says(tmp_path: Path, output: str) -> None:
    text = changed(("decimals = 6\noutput = true", f"decimals = 6\noutput = {output}"))
    text = text.replace("baseline_survival = 0.9 }", "baseline_survival = 0.9, output = true }")
    names = Scorer(_written(tmp_path / "p.toml", text), AS_OF).output_schema.names
    assert [name for name in names if name.startswith("x")] == ["x", "x_m24"]


FAT = 'id = "fat"\nvalue = "ldl"\n'
KIDNEY = 'id = "kidney"\nwhen = "ckd"\n'
LEVELS = "levels = { ex = 0.1, current = 0.2 }"
POWERS = "powers = [-2, 0]"
PRODUCT = 'product = ["body.2", "kidney", "heavy"]'
FAT_CENTRE = "center = { women = 2.0, men = 2.5 }"
FAT_WEIGHT = "coefficient = { women = 0.4, men = 0.3 }"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # terms as written
        (KIDNEY, 'when = "ckd"\n', "term 5 needs an `id`"),
        (KIDNEY, 'id = "fat"\nwhen = "ckd"\n', "p.toml:47: definition.x: two terms are called 'fat'"),
        (KIDNEY, KIDNEY + '«wieght» = 3\n', "term 'kidney': unknown key 'wieght'"),
        (KIDNEY, KIDNEY + '«coeficient» = 3\n', "unknown key 'coeficient' (did you mean 'coefficient'?)"),
        (KIDNEY, 'id = "«kidney»"\n', "term 'kidney' has one of: a `when` (a condition), a `value` (a number), `of`"),
        (KIDNEY, 'id = "«kidney»"\nwhen = "ckd"\nvalue = "ldl"\n', "term 'kidney' has one of"),
        (KIDNEY, KIDNEY + "«center» = 3\n", "term 'kidney': `center` does not go with `when`"),
        (PRODUCT, PRODUCT + "\n«center» = 3", "term 'both': `center` does not go with `product`"),
        (LEVELS, LEVELS + "\n«scale» = 3", "term 'smoke': `scale` does not go with `levels`"),
        (FAT, FAT + '«of» = "ldl"\n', "term 'fat': `of` does not go with `value`"),
        (KIDNEY, 'id = "«kidney»"\nwhen = ["ckd"]\n', "term 'kidney': `when` is an expression in quotes"),
        (FAT, 'id = "«fat»"\nvalue = " "\n', "term 'fat': `value` is an expression in quotes"),
        (FAT, 'id = "fat"\nvalue = "«ldll» + 1"\n', "term fat: unknown word 'ldll' (did you mean 'ldl'?)"),
        (FAT, 'id = "fat"\nvalue = "«egfr» / 10"\n', "'egfr' may be null: declare it under `inputs`, with its default"),
        (FAT, 'id = "fat"\nvalue = "«frailty»"\n', "'frailty' may be null: declare it under `inputs`"),
        (FAT, 'id = "fat"\nvalue = "«ckd and heavy»"\n', "term 'fat': its `value` is a condition"),
        (KIDNEY, 'id = "kidney"\nwhen = "«ratio»"\n', "a condition is needed here, and this is a number"),
        (KIDNEY, 'id = "«kidney»"\nwhen = "true"\n', "term 'kidney' is the same for every patient"),
        (FAT, 'id = "«fat»"\nvalue = "3 * 4"\n', "term 'fat' is the same for every patient"),
        (FAT, 'id = "«fat»"\nvalue = "null"\n', "term 'fat' is the same for every patient"),
        ('evidence = "assumption"\nversion', "version", "term 'body' needs its `evidence` (published, derived, assumption) with a `source` or a `why`"),
        (KIDNEY, 'id = "kidney"\nwhen = "ckd"\nevidence = "«guess»"\n', "term 'kidney': `evidence` is one of published, derived, assumption, and not 'guess'"),
        # numbers
        ("coefficient = 0.7\n", "", "term 'proportion' needs a `coefficient`, a number"),
        ("coefficient = 0.7\n", 'coefficient = "0.7"\n', "term 'proportion' needs a `coefficient`"),
        ("coefficient = 0.7\n", "coefficient = nan\n", "term 'proportion' needs a `coefficient`"),
        ("coefficient = 0.7\n", "coefficient = true\n", "term 'proportion' needs a `coefficient`"),
        ("coefficient = 0.7\n", "coefficient = {}\n", "term 'proportion' needs a `coefficient`"),
        (FAT_WEIGHT, "coefficient = { women = 0.4, «man» = 0.3 }", "the coefficient of 'fat': there is no stratum 'man' (did you mean 'men'?)"),
        ("coefficient = 0.6", "coefficient = { «women_» = 0.6 }", "the coefficient of 'kidney': there is no stratum 'women_' (did you mean 'women'?)"),
        (FAT_CENTRE, "«center» = { women = 2.0 }", "`center` of 'fat' has no number for 'men'"),
        (FAT_CENTRE, "center = { women = 2.0, men = 2.5, «both» = 2 }", "`center` of 'fat': there is no stratum 'both'"),
        (FAT_CENTRE, '«center» = "2"', "term 'fat': `center` is a number (or one for each stratum)"),
        # powers
        ('of = "bmi"', 'of = "«bmj» + 1"', "term body: of: unknown word 'bmj' (did you mean 'bmi'?)"),
        ('of = "bmi"\n', "", "term 'body': `of` is an expression in quotes"),
        (POWERS, '«powers» = ["-2"]', "term 'body': `powers` is a list of numbers"),
        (POWERS, "«powers» = []", "term 'body': `powers` is a list of numbers"),
        (POWERS, "powers = [-2, 0, 1]", "term 'body': `coefficients` is a list with one for each of the 3 powers"),
        ("center = [0.1, {", "center = [{", "term 'body': `center` is a list with one for each of the 2 powers"),
        ("scale = 10", "«scale» = 0", "term 'body': `shift` and `scale` are numbers, `scale` not 0"),
        ("shift = 1", 'shift = "1"', "term 'body': `shift` and `scale` are numbers"),
        # levels
        (LEVELS, "levels = { ex = 0.1, «curent» = 0.2 }", "term 'smoke': 'curent' is not a label of smoking (did you mean 'current'?)"),
        (LEVELS, "levels = { ex = 0.1 }", "term 'smoke': no coefficient for 'current': name each label in `levels`, or in `reference`"),
        (LEVELS, "levels = { ex = 0.1, current = 0.2, never = 0 }", "p.toml:55: definition.x: term 'smoke': the label 'never' stands in it twice"),
        ('reference = "never"', "", "term 'smoke' needs its `reference`: the label (or labels) without a coefficient"),
        ('reference = "never"', "reference = [3]", "term 'smoke' needs its `reference`"),
        ('of = "smoking"', 'of = "ldl"', "`levels` are of a category, and 'ldl' is a number"),
        (LEVELS, "levels = 3", "term 'smoke': `levels` is a table of coefficients by label, or a list of tables"),
        (LEVELS, 'levels = [{ labels = ["ex"], coefficient = 1, «wieght» = 2 }, { labels = ["current"], coefficient = 1 }]', "unknown key 'wieght' in a level"),
        (LEVELS, "levels = [{ coefficient = 1 }]", "term 'smoke': each level lists its `labels`"),
        (LEVELS, 'levels = [{ labels = ["ex", "current"], coefficient = 1 }]', "term 'smoke': a level of several labels needs an `id`"),
        (LEVELS, 'levels = [{ labels = ["ex"] }, { labels = ["current"], coefficient = 1 }]', "term 'smoke.ex' needs a `coefficient`"),
        # products
        (PRODUCT, 'product = ["«body.3»", "kidney"]', "term 'both': there is no term, derived value or input 'body.3' before it (did you mean"),
        (PRODUCT, 'product = ["«kidny»", "heavy"]', "there is no term, derived value or input 'kidny' before it (did you mean 'kidney'?)"),
        (PRODUCT, 'product = ["kidney"]', "term 'both': `product` lists two or more terms, derived values or inputs"),
        (PRODUCT, 'product = ["kidney", "«smoking»"]', "term 'both': 'smoking' is a category, which has no product"),
        (PRODUCT, 'product = ["kidney", "«egfr»"]', "'egfr' may be null: declare it under `inputs`"),
        (PRODUCT, 'product = ["«body.1»", "kidney"]', "'body.1' is not a term of the stratum 'men', for which this one has a coefficient"),
        (FAT, 'id = "fat"\nproduct = ["kidney", "ldl"]\n', "`center` does not go with `product`"),
        # coefficients in a table of their own
        ("decimals = 6", "coefficients = { «kidny» = 1 }", "`coefficients` has 'kidny', and there is no such term (did you mean 'kidney'?)"),
        ("decimals = 6", "coefficients = { «smoke» = 1 }", "`coefficients` has 'smoke', and there is no such term: say of which part, smoke.ex or smoke.current"),
        ("decimals = 6", 'coefficients = { "«body.3»" = 1 }', "`coefficients` has 'body.3', and there is no such term (did you mean"),
        ("decimals = 6", "«coefficients» = [1]", "`coefficients` is a table of numbers by term"),
        ("decimals = 6", 'coefficients = { «kidney» = "1" }', "`coefficients`: 'kidney' is a number (or one for each stratum)"),
        ("decimals = 6", "coefficients = { «kidny» = [] }", "`coefficients`: 'kidny' is a number (or one for each stratum)"),
        ("decimals = 6", "coefficients = { «kidney» = { women = nan } }", "`coefficients`: 'kidney' is a number (or one for each stratum)"),
        ("decimals = 6", "coefficients = { «kidney» = { boys = 1 } }", "the term 'kidney' has a coefficient here and where it stands: say it once"),
        # links and horizons
        ('link = "survival"', 'link = "«survivl»"', "needs a `link`: one of logistic, survival, identity, and not 'survivl' (did you mean 'survival'?)"),
        ('link = "survival"', 'link = "logistic"', "`horizons` goes with the survival link only"),
        ("decimals = 6", "baseline_survival = 0.9", "p.toml:18: definition.x: `baseline_survival` stands in each of the `horizons`, or by itself"),
        ("decimals = 6", "«decimals» = 16", "`decimals` is a whole number from 0 to 15"),
        ("decimals = 6", "«decimals» = 2.5", "`decimals` is a whole number from 0 to 15"),
        ("decimals = 6", "«decimals» = true", "`decimals` is a whole number from 0 to 15"),
        ('{ id = "m24", ', "{ ", "each horizon needs an `id`, one word"),
        ('{ id = "m24", ', '{ id = "24 m", ', "each horizon needs an `id`, one word"),
        ('{ id = "m24", ', '{ id = "m12", ', "the horizon 'm12' cannot have that name, or stands twice"),
        ('{ id = "m24", ', '{ id = "«linear_predictor»", ', "the horizon 'linear_predictor' cannot have that name"),
        ('{ id = "m24", ', '{ «months» = 24, id = "m24", ', "unknown key 'months' in a horizon"),
        (", baseline_survival = 0.9 }", " }", "a survival link needs `baseline_survival`, between 0 and 1"),
        ("baseline_survival = 0.9 }", "baseline_survival = 0.9, output = false }", "the first horizon is the definition's own result"),
        ("baseline_survival = 0.9 }", 'baseline_survival = 0.9, output = "y" }', "the first horizon is the definition's own result"),
        ("baseline_survival = 0.9 }", "«baseline_survival» = 1.0 }", "needs `baseline_survival`, between 0 and 1"),
        ("baseline_survival = 0.9 }", "«baseline_survival» = 0 }", "needs `baseline_survival`, between 0 and 1"),
        ("baseline_survival = 0.9 }", '«baseline_survival» = "0.9" }', "`baseline_survival` is a number, or a table with one for each stratum"),
        ("{ women = 0.8, men = 0.7 }", "{ women = 0.8 }", "`baseline_survival` has no number for the stratum 'men'"),
        ("{ women = 0.8, men = 0.7 }", "{ women = 0.8, men = 0.7, «boys» = 0.9 }", "`baseline_survival`: there is no stratum 'boys'"),
        ("output = true },\n]", 'output = "x" },\n]', "p.toml:5: definition.x: writes the output column 'x', as 'x.m24' does"),
        # intercept, recalibration, strata
        ("intercept = { women = 0.1, men = 0.2 }", "«intercept» = { women = 0.1 }", "`intercept` has no number for the stratum 'men'"),
        ("intercept = { women = 0.1, men = 0.2 }", "intercept = { women = 0.1, men = 0.2, «other» = 0 }", "`intercept`: there is no stratum 'other'"),
        ("intercept = { women = 0.1, men = 0.2 }", '«intercept» = "0.1"', "`intercept` is a number, or a table with one for each stratum"),
        ("slope = 1.0 }", "slope = 0 }", "a `recalibration` with slope 0 would give everybody the same risk"),
        ("slope = 1.0 }", "slop = 1.0 }", "`recalibration` is a table with `intercept` and `slope`"),
        ("slope = 1.0 }", 'slope = 1.0, «of» = "rsk" }', '`of` in `recalibration` is "risk", and goes with the survival link'),
        ("slope = 1.0 }", "slope = { men = 0.9 } }", "the slope of `recalibration` has no number for the stratum 'women'"),
        ("men = 'sex != \"female\"'", "men = '«sexx» != \"female\"'", "stratum men: unknown word 'sexx' (did you mean 'sex'?)"),
        ("men = 'sex != \"female\"'", "men = 'sex != «\"femal\"»'", "stratum men: 'femal' is not a label of sex (did you mean 'female'?)"),
        ("men = 'sex != \"female\"'", 'men = "«bmi»"', "stratum men: a condition is needed here, and this is a number"),
        # eligibility
        ('reason = "has CHD"', 'reason = "under 18"', "two parts of `eligible` give the same reason"),
        (', reason = "has CHD"', "", "each part of `eligible` has a `when` and a `reason`"),
        ('reason = "has CHD"', 'reason = "has CHD", why = "x"', "each part of `eligible` has a `when` and a `reason`"),
        ('when = "not chd"', 'when = "not «chdd»"', "eligible: unknown word 'chdd' (did you mean 'chd'?)"),
        ('when = "not chd", ', "", "needs `eligible`, an expression in quotes"),
        # inputs and derived values
        ('smoking = { default = "never" }', 'smoking = { «default» = "nevr" }', "input 'smoking': 'nevr' is not one of its labels (did you mean 'never'?)"),
        ('smoking = { default = "never" }', 'smoking = { default = "never" }\n«hba1c» = { default = 40 }', "no term uses the input 'hba1c'"),
        ('smoking = { default = "never" }', 'smoking = { default = "never" }\n«ckd» = { default = 40 }', "input 'ckd': a number or a category, with its `default`"),
        ('smoking = { default = "never" }', 'smoking = { default = "never" }\n«hba1c» = 40', "input 'hba1c' is a table like { default = 0 }"),
        ("clip = [20, 40]", "«clp» = [20, 40]", "unknown key 'clp' (did you mean 'clip'?)"),
        ("bmi = { default = 27, clip = [20, 40]", "bmi = { default = 27, «clip» = [40, 20]", "input 'bmi': `clip` is [lowest, highest], for a number"),
        ("bmi = { default = 27, ", "«bmi» = { ", "input 'bmi': a number or a category, with its `default`"),
        ('"3 if age < 50 else 4"', '"3 if «agee» < 50 else 4"', "input ldl, default: unknown word 'agee' (did you mean 'age'?)"),
        ('ldl = { default = "3 if age < 50 else 4" }', 'ldl = { «default» = "ckd" }', "input 'ldl': its default is a number"),
        ('ldl = { default', 'ldl = { from = "«ldll»", default', "input ldl: unknown word 'ldll' (did you mean 'ldl'?)"),
        ("bmi = { default = 27, ", "«bmi» = { default = 27, required = true, ", "input 'bmi': a number or a category, with its `default`, or `required = true` in its place"),
        ("bmi = { default = 27, ", "«bmi» = { required = false, ", "with its `default`, or `required = true`"),
        ("bmi = { default = 27, ", 'bmi = { «required» = "yes", ', "`required` is true or false, not text"),
        ("bmi = { default = 27, ", "bmi = { «requird» = true, ", "unknown key 'requird' (did you mean 'required'?)"),
        ('smoking = { default = "never" }', 'smoking = { default = "never" }\n«hba1c» = { required = true }', "no term uses the input 'hba1c'"),
        ('smoking = { default = "never" }', 'smoking = { default = "never" }\n«ckd» = { required = true }', "input 'ckd': a number or a category"),
        ('ratio = "ldl / bmi"', 'ratio = "ldl / «bmii»"', "derived ratio: unknown word 'bmii' (did you mean 'bmi'?)"),
        ('ratio = "ldl / bmi"', 'ratio = "ldl / «hba1c»"', "'hba1c' may be null: declare it under `inputs`"),
        ('ratio = "ldl / bmi"', 'ratio = "ldl / bmi"\n«spare» = "bmi ** 2"', "no term uses the derived value 'spare'"),
        ('ratio = "ldl / bmi"', "«ratio» = 3", "derived value 'ratio' is an expression in quotes, or a table with a `value`"),
        ('ratio = "ldl / bmi"', 'ratio = { value = "ldl / bmi", «centre» = 3 }', "derived value 'ratio': unknown key 'centre'"),
        ('heavy = { value = "bmi > 35" }', 'heavy = { value = "bmi > 35", «center» = 0.5 }', "derived value 'heavy': `center` is a number, and goes with a number"),
        ('ratio = "ldl / bmi"', 'ratio = "ldl / bmi"\n«ldl» = "bmi + 1"', "definition.x: derived value 'ldl': this name is taken"),
        # texts
        ('disclaimer = "none"', "", "needs `disclaimer`, which is shown with the result (or `draft = true`)"),
        ('intended_use = "none"', 'intended_use = ""', "needs `intended_use`, which is shown with the result"),
        ('disclaimer = "none"', "«disclaimer» = 3", "`disclaimer` is text"),
        ("decimals = 6", '«draft» = "yes"', "`draft` is true or false"),
        ("decimals = 6", "«provenance» = 3", "`provenance` is a table"),
    ],
)  # fmt: skip
def test_models(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert "definition.x: " in check(tmp_path, changed((old, new)), told)


def test_what_only_some_models_have(tmp_path: Path) -> None:
    """A model without strata, one without terms, one that no stratum's coefficients are for."""
    bare = SOUND.split("[definition.x.strata]")[0].replace("{ women = 0.8, men = 0.7 }", "0.8")
    bare = bare.replace("intercept = { women = 0.1, men = 0.2 }\n", "")
    term = '[[definition.x.terms]]\nid = "kidney"\nwhen = "ckd"\n'
    check(tmp_path, bare, "definition.x: needs `terms`")
    check(tmp_path, f"{bare}terms = 3\n", "definition.x: `terms` is a list of tables")
    told = "the coefficient of 'kidney': there is no stratum 'women' (this model has no strata)"
    check(tmp_path, f"{bare}{term}coefficient = {{ «women» = 0.3 }}\n", told)
    strata = "[definition.x.strata]\nwomen = 'sex == \"female\"'\n«men» = 'sex != \"female\"'\n"
    told = "no term has a coefficient for the stratum 'men'"
    check(tmp_path, f"{bare}{strata}{term}coefficient = {{ women = 0.3 }}\n", told)
    for wrong in ("strata = {}", 'strata = ["women"]'):
        message = "`strata` is a table of conditions"
        check(tmp_path, f"{bare}{wrong}\n{term}coefficient = 0.3\n", message)
    for key in ("inputs", "derived"):
        check(
            tmp_path, f"{bare}«{key}» = 3\n{term}coefficient = 0.3\n", f"`{key}` is a table: bmi = {{ default = 27 }}"
        )
    for wrong in ("3", "[]", "[3]"):
        text = bare.replace(bare[bare.index("eligible = ") : bare.index("horizons")], f"eligible = {wrong}\n")
        check(tmp_path, f"{text}{term}coefficient = 0.3\n", "`eligible` is a condition, or a list of { when, reason }")
    for wrong in ("3", "[]", "[3]"):
        text = bare.replace(bare[bare.index("horizons = ") : bare.index("decimals")], f"«horizons» = {wrong}\n")
        check(
            tmp_path,
            f"{text}{term}coefficient = 0.3\n",
            "`horizons` is a list of tables with `id` and `baseline_survival`",
        )
    text = bare.replace(bare[bare.index("horizons = ") : bare.index("decimals")], "").replace(
        '"survival"', '"logistic"'
    )
    check(tmp_path, f"{text}«baseline_survival» = 0.9\n{term}coefficient = 0.3\n", "goes with the survival link only")


# -- reference patients ------------------------------------------------------------------------------------------------

DISCLAIMED = ("x: none",)  # what the model says of itself
THIN = 'title = "thin"\npatient = { age = 40, sex = "female", bmi = 21.0 }\n'
THIN_EXPECTED = re.search(r"expected = (0[.]\d+)\n", SOUND).group(1)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (THIN, THIN.replace("bmi = 21.0", "«bmii» = 21.0"), "reference patient 1: the patient table has no column 'bmii' to score (did you mean 'bmi'?)"),
        (THIN, THIN.replace("bmi = 21.0", '«practice_code» = "Y1"'), "reference patient 1: the patient table has no column 'practice_code' to score"),
        (THIN, THIN.replace("bmi = 21.0", "«bmi» = 9.0"), "reference patient 1: bmi: outside 10"),
        (THIN, THIN.replace("bmi = 21.0", "«smoking» = \"pipe\""), "reference patient 1: smoking: "),
        (THIN, THIN.replace("bmi = 21.0", '«bmi» = "21"'), "reference patient 1: bmi cannot be '21'"),
        (THIN, THIN.replace("age = 40", "«age» = 40.5"), "reference patient 1: age cannot be 40.5"),
        (THIN, THIN.replace("age = 40", "«ckd» = 1"), "reference patient 1: ckd cannot be 1"),
        (THIN, THIN.replace("age = 40", "«age» = true"), "reference patient 1: age cannot be True"),
        (THIN, THIN.replace("age = 40", "«bp_date» = 2026-06-01T00:00:00"), "reference patient 1: bp_date is a date"),
        (THIN, THIN.replace("age = 40", "«bp_date» = 2026-07-01"), "reference patient 1: bp_date is a date"),
        (THIN, THIN.replace("title", "«titel»"), "reference patient 1: unknown key 'titel' (did you mean 'title'?)"),
        (THIN, 'title = "thin"\n', "reference patient 1 needs a `patient`: { age = 70"),
        (THIN, "patient = {}\n", "reference patient 1 needs a `patient`"),
        (THIN, f"{THIN}«tolerance» = -1\n", "reference patient 1: `tolerance` is a number"),
        (THIN, f"{THIN}«tolerance» = inf\n", "reference patient 1: `tolerance` is a number"),
        (THIN, f"{THIN}«tolerance» = true\n", "reference patient 1: `tolerance` is a number"),
        (f"expected = {THIN_EXPECTED}\n", "", "reference patient 1 needs `expected`"),
        (f"expected = {THIN_EXPECTED}\n", "«expected» = {}\n", "reference patient 1 needs `expected`"),
        (f"expected = {THIN_EXPECTED}\n", 'expected = "«null»"\n', "reference patient 1 (thin): x should be null and is 0."),
        (f"expected = {THIN_EXPECTED}\n", "«expected» = nan\n", "reference patient 1: `expected` is a number"),
        (f"expected = {THIN_EXPECTED}\n", "expected = true\n", "reference patient 1 (thin): x should be True and is 0."),
        (f"expected = {THIN_EXPECTED}\n", f"expected = {{ «y» = {THIN_EXPECTED} }}\n", "reference patient 1: no definition 'y'"),
        ('"x.m24" = ', '"«x.m42»" = ', "reference patient 2: no definition 'x.m42' (did you mean 'x.m24'?)"),
        ('"x.linear_predictor" = ', '"x.linear_predictor" = 1', "reference patient 3 (smoker): x.linear_predictor should be 1"),
    ],
)  # fmt: skip
def test_reference_patients(tmp_path: Path, old: str, new: str, told: str) -> None:
    check(tmp_path, changed((old, new)), f"definition.x: {told}")


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("step", [1e-6, -1e-6])
def test_a_reference_patient_off_by_one_digit(tmp_path: Path, number: int, step: float) -> None:
    """In any of them the pack is refused; the message says which, what should be and what is."""
    stated = SOUND[SOUND.index("[[definition.x.reference_patients]]") :]
    found = list(re.finditer(r"(?:expected = |x = )(0[.]\d+)", stated))
    was = found[number - 1].group(1)
    wrong = round(float(was) + step, 6)
    message = check(
        tmp_path, changed((found[number - 1].group(0), found[number - 1].group(0).replace(was, f"«{wrong!r}»")))
    )
    assert f"reference patient {number} (" in message
    assert f"x should be {wrong!r} and is {float(was)!r}" in message


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("coefficient = 0.7\n", "coefficient = 0.71\n", 1),
        ("men = 1.1 }]", "men = 1.2 }]", 2),
        ("clip = [20, 40]", "clip = [22, 40]", 1),
        ("current = 0.2 }", "current = 0.3 }", 3),
        ("slope = 1.0", "slope = 1.01", 1),
        ("men = 0.05 }", "men = 0.06 }", 2),
        ("men = 0.7 }, output", "men = 0.71 }, output", 2),
        ('"3 if age < 50 else 4"', '"3 if age < 40 else 4"', 1),
    ],
)
def test_a_number_typed_wrongly_is_found_by_the_reference_patients(
    tmp_path: Path, old: str, new: str, found: int
) -> None:
    assert f"reference patient {found} (" in complaint(tmp_path, changed((old, new)))


def entries() -> list[str]:
    """The reference patients of the sound model, each as text."""
    head = "[[definition.x.reference_patients]]"
    return [head + part for part in SOUND.split(head)[1:]]


def test_too_few_reference_patients(tmp_path: Path) -> None:
    """Fewer than three, the same one again, or people without a result are not enough; a draft may do without."""
    bare, (one, two, three) = SOUND[: SOUND.index("[[definition.x.reference_patients]]")], entries()
    needs = "a model has at least 3 `reference_patients`"
    for text, count in (("", 0), (one, 1), (one + two, 2), (one + two + two, 2)):
        check(tmp_path, bare + text, needs, f"this has {count} (while you are still working on it, say `draft = true`)")
    child = '[[definition.x.reference_patients]]\npatient = { age = 17 }\nexpected = "null"\n'
    check(tmp_path, bare + one + two + child, needs, "this has 2 ")
    (tmp_path / "p.toml").write_text(bare + one + two + three + child)
    assert Scorer(tmp_path / "p.toml", AS_OF).notices == DISCLAIMED
    (tmp_path / "p.toml").write_text(bare.replace("decimals = 6", "decimals = 6\ndraft = true"))
    assert Scorer(tmp_path / "p.toml", AS_OF).notices == (
        "X is a draft: no reference patients check its coefficients",
        *DISCLAIMED,
    )
    check(
        tmp_path,
        f"{bare.split('[definition.x.strata]')[0]}«reference_patients» = 3\n[definition.x.strata]{bare.split('[definition.x.strata]')[1]}",
        "`reference_patients` is a list of tables",
    )


def test_a_draft_may_leave_texts_out_and_its_reference_patients_are_checked_all_the_same(tmp_path: Path) -> None:
    draft = changed(("decimals = 6", "decimals = 6\ndraft = true"), ('disclaimer = "none"\n', ""))
    (tmp_path / "p.toml").write_text(draft)
    assert Scorer(tmp_path / "p.toml", AS_OF).models["x"]["draft"] is True
    check(tmp_path, draft.replace(THIN_EXPECTED, "«0.5»"), "reference patient 1 (thin): x should be 0.5")


def test_a_pack_that_changes_a_model_states_its_reference_patients_again(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(SOUND)
    head = '[pack]\nid = "ours"\nversion = "1"\nextends = "base.toml"\n[definition.x]\n'
    ours = tmp_path / "ours.toml"
    ours.write_text(f"{head}recalibration = {{ slope = 0.9 }}\n")
    with pytest.raises(
        PackError,
        match=r"^base.toml:\d+: definition.x: reference patient 1 \(thin\): x should be .*; what changes a model states its `reference_patients` again",
    ):
        load_pack(ours).at(AS_OF)
    reference = Scorer(
        _written(
            tmp_path / "draft.toml", f"{head}recalibration = {{ slope = 0.9 }}\ndraft = true\nreference_patients = []\n"
        ),
        AS_OF,
    )
    from popstrat.packs.evaluator import Reference

    stated = ""
    for patient in ({"age": 40, "sex": "female"}, {"age": 60, "sex": "male", "ckd": True}, {"age": 70, "sex": "male"}):
        one = Reference(reference.resolved, set(patient))
        value = one.output(reference.resolved.definitions["x"], one.patient(patient))
        shown = ", ".join(
            f'{k} = "{v}"' if isinstance(v, str) else f"{k} = {str(v).lower()}" for k, v in patient.items()
        )
        stated += f"[[definition.x.reference_patients]]\npatient = {{ {shown} }}\nexpected = {value!r}\n"
    ours.write_text(f"{head}recalibration = {{ slope = 0.9 }}\n{stated}")
    assert Scorer(ours, AS_OF).notices == DISCLAIMED


def test_a_pack_that_changes_a_rule_is_told_once_that_the_reference_patients_no_longer_hold(tmp_path: Path) -> None:
    """A threshold may be changed in three lines: the rule's own reference patients then show it as it was."""
    rule = '[definition.tall]\nkind = "expression"\ntitle = "Heavy"\nsource = "us"\nversion = "1"\nvalue = "bmi > limit"\noutput = true\n'
    patients = "".join(
        f"[[definition.tall.reference_patients]]\npatient = {{ bmi = {bmi} }}\nexpected = {heavy}\n"
        for bmi, heavy in ((29.0, "false"), (31.0, "true"), (32.0, "true"))
    )
    base = f'{HEAD}[parameters.limit]\nvalue = 30\nsource = "us"\n{rule}{patients}'
    (tmp_path / "base.toml").write_text(base)
    head = '[pack]\nid = "ours"\nversion = "1"\nextends = "base.toml"\n'
    ours = _written(tmp_path / "ours.toml", f"{head}[parameters.limit]\nvalue = 35\n")
    told = "Heavy: the reference patients of the pack it comes from no longer hold"
    assert Scorer(ours, AS_OF).notices == (told,)
    check(
        tmp_path,
        base.replace("{ bmi = 31.0 }\nexpected = true", "{ bmi = 31.0 }\nexpected = «false»"),
        "reference patient 2: tall should be False and is True",
    )
    again = f"{head}[parameters.limit]\nvalue = 35\n[[definition.tall.reference_patients]]\npatient = {{ bmi = 35.0 }}\nexpected = true\n"
    with pytest.raises(
        PackError, match=r"^ours.toml:\d+: definition.tall: reference patient 1: tall should be True and is False"
    ):
        load_pack(_written(ours, again)).at(AS_OF)


def _written(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


# -- seals -------------------------------------------------------------------------------------------------------------


def test_a_sealed_pack_loads_and_one_that_was_edited_does_not(tmp_path: Path) -> None:
    text = sealed(SOUND)
    file = _written(tmp_path / "p.toml", text)
    assert load_pack(file).raw["pack"]["seal"] == seal_of(SOUND) == seal_of(text)
    assert sealed(text) == text
    for old, new in (
        ("coefficient = 0.7\n", "coefficient = 0.8\n"),
        ("decimals = 6", "decimals = 6 "),
        ('title = "X"', 'title = "Y"'),
    ):
        message = complaint(tmp_path, text.replace(old, new))
        assert message.startswith("p.toml:2: pack: the text is not what was sealed: it has been changed since"), message
        assert seal_of(SOUND) in message
        assert seal_of(text.replace(old, new)) in message
        assert message.endswith("^^^^")


def test_the_seal_may_not_be_what_hides_a_change(tmp_path: Path) -> None:
    """Only the seal of the [pack] table is left out of the hash: a line that looks like one elsewhere is text."""
    text = SOUND + '[definition.x.provenance]\nseal = "first"\n'
    signed = sealed(text)
    load_pack(_written(tmp_path / "p.toml", signed))
    assert "not what was sealed" in complaint(tmp_path, signed.replace('"first"', '"second"'))
    assert "not what was sealed" in complaint(tmp_path, signed.replace("sha256:", "sha512:"))
    assert "`seal` is text" in complaint(tmp_path, SOUND.replace("[pack]\n", "[pack]\nseal = 3\n"))


def test_line_endings_and_quotes_do_not_break_a_seal(tmp_path: Path) -> None:
    signed = sealed(SOUND)
    for text in (signed.replace("\n", "\r\n"), re.sub('^seal = "(.*)"$', r"seal = '\1'", signed, flags=re.M)):
        (tmp_path / "p.toml").write_bytes(text.encode())
        assert load_pack(tmp_path / "p.toml").id == "p"


def test_a_text_without_a_pack_table_cannot_be_sealed() -> None:
    with pytest.raises(ValueError, match=r"the text has no \[pack\] table"):
        sealed("[definition.x]\n")


def test_an_edited_pack_that_is_extended_is_refused_by_its_own_name(tmp_path: Path) -> None:
    _written(tmp_path / "base.toml", sealed(SOUND).replace("coefficient = 0.7\n", "coefficient = 0.8\n"))
    ours = _written(tmp_path / "ours.toml", '[pack]\nid = "o"\nversion = "1"\nextends = ["base.toml"]\n')
    with pytest.raises(PackError, match=r"^base.toml:2: pack: the text is not what was sealed"):
        load_pack(ours)


@pytest.mark.parametrize(("line", "told"), [("«extends» = []", "`extends` is a list of names"), ("«columns» = 3", "`columns` is a list of names"), ('«columns» = "x"', "`columns` is a list of names"), ("«extends» = [3]", "`extends` is a list of names")])  # fmt: skip
def test_lists_of_the_pack_table(tmp_path: Path, line: str, told: str) -> None:
    check(tmp_path, f"{HEAD}{line}\n", f"p.toml:4: pack: {told}")


def test_packs_that_are_extended_together_keep_their_columns_in_order(tmp_path: Path) -> None:
    for name in ("one", "two"):
        own = "".join(
            f'[definition.{x}]\nkind = "expression"\ntitle = "t"\nsource = "s"\nversion = "1"\nvalue = "ckd"\noutput = true\n'
            for x in ("x", name)
        )
        _written(tmp_path / f"{name}.toml", f'[pack]\nid = "{name}"\nversion = "1"\ncolumns = ["{name}", "x"]\n{own}')
    head = '[pack]\nid = "o"\nversion = "1"\nextends = ["one.toml", "two.toml"]\n'
    found = Scorer(_written(tmp_path / "o.toml", head), AS_OF).resolved
    assert [d.output for d in found.outputs] == ["one", "x", "two"]
    found = Scorer(
        _written(tmp_path / "o.toml", f'{head}columns = ["two"]\n[definition.x]\ntitle = "Own"\n'), AS_OF
    ).resolved
    assert found.definitions["x"].title == "Own"
    assert [d.output for d in found.outputs] == ["two", "one", "x"]


def test_horizons_stand_from_the_shortest_to_the_longest(tmp_path: Path) -> None:
    """A risk in ten years below that in five would be nonsense that nobody sees in a table."""
    text = changed(("{ women = 0.8, men = 0.7 }", "{ women = 0.8, men = 0.99 }"))
    message = complaint(tmp_path, text)
    assert "baseline survival does not rise from one to the next" in message
    assert "m24" in message


def test_a_product_says_which_part_of_a_term(tmp_path: Path) -> None:
    """The column age, uncentred, is not the term age, a fractional polynomial."""
    part = '{ id = "age", of = "age", powers = [-1, 1], scale = 10, coefficients = [0.1, 0.2] }'
    terms = f'terms = [\n  {part},\n  {{ id = "both", product = ["age", "ckd"], coefficient = 0.1 }},\n]\n'
    body = 'kind = "model"\ntitle = "X"\nversion = "1"\nsource = "us"\nevidence = "assumption"\ndraft = true\n'
    text = f'[pack]\nid = "p"\nversion = "1"\n\n[definition.x]\n{body}link = "logistic"\noutput = true\n{terms}'
    assert "'age' is a term of several parts: say which, age.1 or age.2" in complaint(tmp_path, text)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Windows editors put one there."""
    file = tmp_path / "p.toml"
    file.write_text(SOUND, encoding="utf-8-sig")
    assert load_pack(file).id == "p"


def test_provenance_without_a_seal_is_told(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(f"{SOUND}\n[definition.x.provenance]\npeople = 1000\n")
    assert "p.toml says how it was fitted, but its seal has been removed" in Scorer(file, AS_OF).notices
    file.write_text(sealed(f"{SOUND}\n[definition.x.provenance]\npeople = 1000\n"))
    assert not any("seal" in notice for notice in Scorer(file, AS_OF).notices)
