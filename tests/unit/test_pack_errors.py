"""What is wrong with a pack is said with its file, line and word, and with the near miss.

In the tables, «…» marks where the carets must point; a case without marks has no caret to check.
"""

# The tables read better with a case on a line.
# ruff: noqa: E501

from __future__ import annotations

from pathlib import Path

import pytest
from complaints import AS_OF, HEAD, TWO, check, complaint, definition

from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.scoring.scorer import Scorer

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        # unknown words and near misses
        ('"«diabtes» or ckd"', "unknown word 'diabtes' (did you mean 'diabetes'?)"),
        ('"diabetes or «qwertyuiop»"', "unknown word 'qwertyuiop'"),
        ('"«practice_code» == 3"', "'practice_code' holds names or codes, which rules do not read"),
        ('"«recnt»(bp_date)"', "unknown function 'recnt' (did you mean 'recent'?)"),
        ('"«averag»(bmi) > 2"', "unknown function 'averag'"),
        ("\"«__import__»('os')\"", "unknown function"),
        ('"«some»"', "'some' is a set: use count(some), any(some) or all(some)"),
        # labels
        ("'frailty == «\"moderat\"»'", "'moderat' is not a label of frailty (did you mean 'moderate'?): it has fit, mild"),
        ("'frailty in {\"mild\", «\"sever\"»}'", "'sever' is not a label of frailty (did you mean 'severe'?)"),
        ('"frailty == «mild»"', 'a label is written in quotes: "mild"'),
        ("'«frailty» > \"mild\"'", "categories have no order"),
        ("\"«'é'» == sex or bmii > 30\"", "'é' is not a label of sex"),
        # types
        ('"bmi + «ckd»"', "a number is needed here, and 'ckd' is a condition"),
        ('"ckd and «bmi»"', "a condition is needed here, and 'bmi' is a number"),
        ('"bp_date > «5»"', "'bp_date' is a date, and '5' is a number"),
        ('"«ckd» == true"', "a condition needs no comparison"),
        ('"«ckd» is null"', "a flag or a named condition is true or false, never null"),
        ('"bmi is «5»"', "after `is` only null can stand"),
        ('"bmi is «None»"', "after `is` only null can stand"),
        ('"bmi if ckd else «frailty»"', "one branch is a number, the other a category"),
        ('"«coalesce(bmi, frailty)» > 1"', "coalesce() takes numbers, dates or categories of one kind"),
        ('"recent(«bmi»)"', "a date column is needed here, and 'bmi' is not one"),
        ('"bp_date > months_before(«bmi»)"', "a number of calendar months is needed here"),
        ('"«abs(bmi, 2)» > 1"', "abs() takes 1 argument, not 2"),
        ('"«round(bmi, digits=2)» > 1"', "a function is called by name, with its arguments in order"),
        ('"«count()» > 1"', "count() needs a set or conditions"),
        ('"any(«mixed»)"', "'number', a member of this set, is a number, not a condition"),
        # dates
        ("'bp_date > «date(\"30/06/2026\")»'", 'a date is written date("2026-06-30")'),
        ("'bp_date > «date(\"2026-02-30\")»'", 'a date is written date("2026-06-30")'),
        # spelling of operators
        ('"bmi «=» 30"', "to compare, write == (two equals signs)"),
        ('"ckd or bmi «=» 30"', "to compare, write == (two equals signs)"),
        ('"ckd «&&» chd"', "instead of && write and"),
        ('"ckd «||» chd"', "instead of || write or"),
        ('"ckd «AND» chd"', "instead of AND write and"),
        ('"«!»ckd"', "instead of ! write not"),
        ('"bmi «=>» 30"', "instead of => write >="),
        ('"bmi «<>» 30"', "instead of <> write !="),
        ('"bmi «≥» 30"', "instead of ≥ write >="),
        ('"frailty == «“»mild”"', 'instead of “ write "'),
        ('"«ckd & chd»"', "the operators are + - * / and **; conditions take `and`, `or`, `not`"),
        ('"«bmi % 2» == 1"', "the operators are + - * / and **"),
        ('"ckd «chd»"', "is a word, an operator, `and` or `or` missing?"),
        ('"«(»ckd or chd"', "this bracket is never closed"),
        ('"ckd or chd«)»"', "there is no bracket that this one closes"),
        ('"frailty == «\'»mild"', "this quote is never closed"),
        # other languages
        ('"«bmi.x» > 2"', "a dot in a name is not part of the rule language"),
        ('"«bmi[0]» > 2"', "an index in square brackets is not part of the rule language"),
        ('"«(lambda: 1)()» > 1"', "a function is called by name"),
        ("\"«f'{ckd}'»\"", "an f-string is not part of the rule language"),
        ('"«{ckd, chd}»"', "a list stands only after `in`"),
        # size
        ('"bmi > «1e400»"', "this number is too large"),
        ('"bmi > «123456789012345678901234567890»"', "this number is too large"),
    ],
)  # fmt: skip
def test_rules(tmp_path: Path, rule: str, told: str) -> None:
    more = (
        '[windows.recent]\nmonths = 12\n[sets.some]\nsource = "s"\nmembers = ["ckd"]\n'
        '[sets.mixed]\nsource = "s"\nmembers = ["ckd", "number"]\n'
        f'{TWO.replace("definition.y", "definition.number")}value = "bmi"\n'
    )
    text = definition(f"value = {rule}", more=more)
    if "«chd»" in rule:  # Python says where, not how long
        assert told in complaint(tmp_path, text)
    else:
        check(tmp_path, text, f"definition.x: value: {told}")


@pytest.mark.parametrize(
    "rule",
    [
        '"""\ndiabetes and\n    hba1c >= 48 and\n    «bmii» > 30\n"""',
        '"""diabetes and\n    «bmii» > 30"""',
        "'''\ndiabetes and\n\n  «bmii» > 30'''",
        '"""\r\ndiabetes and\r\n    «bmii» > 30\r\n"""',
        '"""diabetes and \\\n    «bmii» > 30"""',
        '"sex == \\"female\\" and «bmii» > 30"',
        '"sex == \\u0022female\\u0022 and «bmii» > 30"',
        '"""\n\'é\' != sex or\n  \t«bmii» > 30\n"""'.replace("'é'", "'male'"),
    ],
)
@pytest.mark.parametrize("before", ["", "# don't say bmii\n", 'means = "bmii > 30 is no rule"\n'])
def test_a_rule_of_several_lines_or_with_escapes(tmp_path: Path, before: str, rule: str) -> None:
    check(tmp_path, definition(f"{before}value = {rule}"), "unknown word 'bmii' (did you mean 'bmi'?)")


def test_a_fault_of_grammar_inside_several_lines(tmp_path: Path) -> None:
    check(
        tmp_path, definition('value = """\ndiabetes and\n    «(»ckd or\n    chd\n"""'), "this bracket is never closed"
    )
    check(tmp_path, definition('value = """\ndiabetes and\n    bmi «=» 30\n"""'), "two equals signs")


LOOKUP = """
[lookups.weight]
values = { never = 0, ex = 1, current = 2 }
[lookups.fewer]
values = { never = 0, ex = 1 }
[lookups.uses]
values = { never = 0 }
otherwise = 1
[definition.uses_them]
kind = "expression"
title = "u"
source = "s"
version = "1"
value = 'weight(smoking) + uses(smoking)'
"""


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("'«wieght»(smoking) > 1'", "unknown function 'wieght' (did you mean 'weight'?)"),
        ("'«weight» > 1'", "'weight' is a lookup: write weight(…) with a category"),
        ("'«weight(smoking, sex)» > 1'", "weight() takes 1 argument, not 2"),
        ("'weight(«bmi») > 1'", "weight() has a number for 'never', and 'bmi' is a number"),
        ("'weight(«ckd») > 1'", "weight() takes a category or a whole number, and 'ckd' is a condition"),
        (
            "'weight(«frailty») > 1'",
            "weight has a number for 'never', which is not a label of frailty (did you mean 'severe'?): it has fit",
        ),
        (
            "'fewer(«smoking») > 1'",
            "fewer has no number for 'current' of smoking: list every label in its `values`, or say",
        ),
        ("'weight(«\"nevr\"») > 1'", "weight has no number for 'nevr'"),
        ("'«weight(smoking)»'", "a condition is needed here, and this is a number"),
    ],
)
def test_lookups_in_rules(tmp_path: Path, rule: str, told: str) -> None:
    body = f'rules = [ {{ label = "a", when = {rule} }} ]'
    check(tmp_path, definition(body, "first_match", more=LOOKUP), told)


def test_the_second_rule_not_the_first(tmp_path: Path) -> None:
    body = 'rules = [\n  { label = "a", when = "ckd" },\n  { label = "b", when = "«chdd»" },\n]'
    check(tmp_path, definition(body, "first_match"), "rule 2, b: unknown word 'chdd' (did you mean 'chd'?)")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        # keys
        (definition('«valu» = "diabetes"'), "unknown key 'valu' (did you mean 'value'?)"),
        (definition('value = "ckd"\n«efective_from» = 2026-01-01'), "(did you mean 'effective_from'?)"),
        (f"{HEAD}[«parameter».x]\nvalue = 1\n", "unknown key 'parameter' (did you mean 'parameters'?)"),
        ('[pack]\nid = "p"\n«versoin» = "1"\n', "unknown key 'versoin' (did you mean 'version'?)"),
        (f'{HEAD}«extend» = "london-2026"\n', "unknown key 'extend' (did you mean 'extends'?)"),
        (definition('value = "ckd"', more="[parameters.a]\n«valu» = 3\n"), "unknown key 'valu' (did you mean 'value'?)"),
        (definition('value = "ckd"', more="[windows.w]\n«month» = 3\n"), "unknown key 'month' (did you mean 'months'?)"),
        (definition('value = "ckd"', more='[sets.s]\n«member» = ["ckd"]\n'), "(did you mean 'members'?)"),
        # what every definition needs
        (definition('value = "ckd"', "«expresion»"), "needs a `kind`: one of expression, count"),
        (definition('value = "ckd"', "«expresion»"), "(did you mean 'expression'?)"),
        (definition('value = "ckd"').replace('kind = "expression"', 'kind = ["expression"]'), "needs a `kind`: one of expression, count"),
        (definition("").replace('title = "X"\n', ""), "p.toml:5: definition.x: needs a `title`"),
        (definition("").replace('source = "us"\n', ""), "needs a `source`, or an `assumption` with its reason"),
        (definition("").replace('version = "1"\noutput', 'version = "1"\noutput'), "needs `value`, an expression"),
        (definition('«value» = ["ckd"]'), "needs `value`, an expression in quotes"),
        (definition('«value» = ""'), "needs `value`, an expression in quotes"),
        (definition('value = "ckd"\n«means» = ["x"]'), "`means` is text"),
        (definition('value = "null"'), "is always null"),
        # outputs
        (definition('value = "ckd"\noutput = "«patient_id»"'), "the scored table has a column 'patient_id' already"),
        (definition('value = "ckd"\noutput = "«my column»"'), "`output` is true, false or the name of a column"),
        (definition('value = "ckd"', more=f'{TWO}value = "chd"\noutput = "x"\n'), "writes the output column 'x', as 'x' does"),
        (definition('value = "bp_date"'), "a date cannot be an output column"),
        (definition('value = "bmi"\ntype = "«int8»"'), "`type` is for numbers: one of float64, int16, uint8, int32 (did"),
        (definition('value = "ckd"\ntype = "«int16»"'), "`type` is for numbers"),
        # effective dates
        (definition('value = "ckd"\n«effective_from» = "2026-01-01"'), "is a date without a time, like 2026-06-30, not text"),
        (definition('value = "ckd"\n«effective_from» = 2026-02-01\neffective_to = 2026-01-01'), "are dates, in that order"),
        (definition('value = "ckd"\neffective_from = «2»026-02-30'), "not valid TOML: Invalid date"),
        (definition('versions = [\n  { version = "1", effective_to = 2026-07-01, value = "ckd" },\n'
                    '  { version = "2", «effective_from = 2026-07-01», value = "chd" },\n]'),
         "two versions are in force on 2026-07-01"),
        (definition('versions = [\n  { version = "1", «efective_to» = 2026-07-01, value = "ckd" },\n]'), "'effective_to'?"),
        (definition("«versions» = { a = 1 }"), "`versions` is a list of tables"),
        # cycles
        (definition('value = "x or ckd"'), "definition.x: refers to itself, through x → x"),
        (definition('value = "y or ckd"', more=f'{TWO}value = "x"\n'), "refers to itself, through x → y → x"),
        # parameters, windows, sets, input columns
        (definition('value = "ckd"', more="[parameters.a]\ntitle = \"a\"\n"), "parameters.a: needs a `value`"),
        (definition('value = "ckd"', more="[parameters.a]\n«value» = inf\n"), "needs a `value`: a number"),
        (definition('value = "ckd"', more=f"[parameters.a]\n«value» = 1{'0' * 400}\n"), "needs a `value`: a number"),
        (definition('value = "ckd"', more="[parameters.bmi]\nvalue = 1\n"), "the patient table has a column 'bmi'"),
        (definition('value = "ckd"', more='[windows.w]\n«months» = "12"\n'), "needs `months`, a whole number"),
        (definition('value = "ckd"', more="[windows.w]\n«months» = true\n"), "needs `months`, a whole number"),
        (definition('value = "ckd"', more="[lookups.l]\ntitle = \"l\"\n"), "lookups.l: needs `values`, a table of numbers by label"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = {}\n"), "lookups.l: needs `values`"),
        (definition('value = "ckd"', more='[lookups.l]\nvalues = { «a» = "1" }\n'), "`values` are a table of numbers by label"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = { «a» = nan }\n"), "`values` are a table of numbers by label"),
        (definition('value = "ckd"', more="[lookups.l]\n«values» = 3\n"), "needs `values`, a table of numbers by label"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = { a = 1 }\n«otherwise» = true\n"), "`otherwise` and `null_is` are numbers"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = { a = 1 }\n«otherwise» = {}\n"), "`otherwise` and `null_is` are numbers"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = { a = 1 }\n«null_is» = { b = 1 }\n"), "`otherwise` and `null_is` are numbers"),
        (definition('value = "ckd"', more="[lookups.l]\nvalues = { a = 1 }\n«otherwize» = 2\n"), "(did you mean 'otherwise'?)"),
        (definition('value = "ckd"', more="[lookups.«round»]\nvalues = { a = 1 }\n"), "the name 'round' is a function of the rule language: choose another name"),
        (definition('value = "ckd"', more="[windows.w]\nmonths = 1\n[lookups.«w»]\nvalues = { a = 1 }\n"), "the name 'w' is a window already: choose another name"),
        (definition('value = "ckd"', more="[lookups.bmi]\nvalues = { a = 1 }\n"), "the patient table has a column 'bmi'"),
        (definition('value = "ckd"', more="[sets.s]\nmembers = [\"ckd\"]\n[lookups.«s»]\nvalues = { a = 1 }\n"), "there is a set 's' already"),
        (definition('value = "ckd"', more='[sets.s]\nmembers = ["ckd", "«diabets»"]\n'), "'diabets' (did you mean 'diabetes'?)"),
        (definition('value = "ckd"', more='[sets.s]\nmembers = ["ckd", "«bmi»"]\n'), "'bmi' is not a condition"),
        (definition('value = "ckd"', more='[sets.s]\nmembers = ["«ckd»", "ckd"]\n'), "'ckd' stands in it twice"),
        (definition('value = "ckd"', more="[sets.s]\nmembers = []\n"), "needs `members`, a list of names"),
        (definition('value = "ckd"', more='[[input]]\nname = "ward"\n«type» = "txt"\n'), "it must be one of id, string"),
        (definition('value = "ckd"', more='[[input]]\nname = "ward"\ntype = "bool"\n«titel» = "x"\n'), "'title'?)"),
        (definition('value = "ckd"', more='[[input]]\nname = "«ckd»"\ntype = "bool"\n'), "has a column 'ckd' already"),
        (definition('value = "ckd"', more='[[input]]\nname = "ward"\ntype = "int"\n«min» = "3"\n'), "`min` is a number"),
        (definition('value = "ckd"', more='[[input]]\nname = "ward"\ntype = "int"\n«min» = 5\nmax = 2\n'), "`min` is over `max`"),
        (definition('value = "ckd"', more='[input]\nname = "ward"\n'), "in double brackets"),
        (f"{HEAD}[«definition»]\nx = 3\n", "every entry is a table"),
        # first match, status, count
        (definition('rules = "ckd"', "first_match"), "needs `rules`, a list of { label, when }"),
        (definition('rules = [\n  { label = "a", when = "ckd" },\n  { «lable» = "b", when = "chd" },\n]', "first_match"),
         "unknown key 'lable' (did you mean 'label'?)"),
        (definition('rules = [\n  { label = "a" },\n]', "first_match"), "rule 1, a: needs an expression in quotes"),
        (definition('rules = [\n  { when = "ckd" },\n]', "first_match"), "rule 1 needs a `label`"),
        (definition('rules = [ { label = "a", when = "«bmi»" } ]', "first_match"), "a condition is needed here"),
        (definition('rules = [ { label = "a", when = "ckd" } ]\n«labels» = ["a", "b"]', "first_match"), "each label of the rules"),
        (definition('diagnosed = "ckd"\noptimised = "chd"', "status"), "needs `undiagnosed`"),
        (definition("", "count"), "needs `of`: the name of a set, or a list of conditions"),
        (definition('of = "«sell»"', "count", '[sets.sel]\nmembers = ["ckd"]\n'), "unknown word 'sell' (did you mean 'sel'?)"),
        (definition('of = ["ckd", "«bmi»"]', "count"), "a condition is needed here, and this is a number"),
    ],
)  # fmt: skip
def test_definitions(tmp_path: Path, text: str, told: str) -> None:
    check(tmp_path, text, told)


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ('{ id = 1, split = "ckd", yes = 2, «no = 3» }, { id = 2, value = 1 }', "there is no node 3"),
        ('{ id = 1, split = "ckd", yes = 2, «no = 2» }, { id = 2, value = 1 }', "node 2 is reached twice"),
        ('{ id = 1, split = "ckd", yes = 2, «no = 1» }, { id = 2, value = 1 }', "node 1 is reached twice"),
        ("{ id = 1, value = 1 }, { «id = 2», value = 1 }", "node 2 is never reached"),
        ("{ «id = 1», value = 1 }, { id = 1, value = 2 }", "node 1 stands twice"),
        ('{ «id = 1», split = "ckd", value = 1 }', "a leaf has a number as its `value` and no split"),
        ('{ «id = 1», value = "a" }', "a leaf has a number as its `value` and no split"),
        ("{ «id = 1», yes = 2, no = 3 }, { id = 2, value = 1 }", "node 1: needs a `value`, or a `split` with `yes` and `no`"),
        ('{ id = 1, «splt» = "ckd", yes = 2, no = 3 }', "unknown key 'splt' (did you mean 'split'?)"),
        ('{ id = 1, split = "«ckdd»", yes = 2, no = 3 }, { id = 2, value = 1 }', "node 1: unknown word 'ckdd' (did you"),
        ("{ value = 1 }", "every node has an `id`"),
    ],
)  # fmt: skip
def test_trees(tmp_path: Path, nodes: str, told: str) -> None:
    check(tmp_path, definition(f"nodes = [\n  {nodes}\n]", "tree"), told)


MODEL = """draft = true
link = "logistic"
inputs = { bmi = { default = 27 } }
terms = [
  { id = "t", value = "bmi", coefficient = 0.1, evidence = "assumption", why = "a guess" },
]"""


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('link = "logistic"', 'link = "«logit»"', "needs a `link`: one of logistic, survival, identity, and not 'logit' (did you mean 'logistic'?)"),
        ('link = "logistic"', 'link = "survival"', "a survival link needs `baseline_survival`, between 0 and 1"),
        ("inputs = {", "inputs = { «efi» = { default = 0.1 },", "no term uses the input 'efi'"),
        ('value = "bmi"', 'value = "bmi + «efi»"', "'efi' may be null: declare it under `inputs`, with its default"),
        ('value = "bmi"', 'value = "bmi * «ckdd»"', "term t: unknown word 'ckdd' (did you mean 'ckd'?)"),
        ('value = "bmi"', 'value = "«ckd»"', "term 't': its `value` is a condition"),
        ('value = "bmi"', 'when = "«bmi»"', "a condition is needed here"),
        ('"t", value', '"«t»", when = "ckd", value', "has one of: a `when` (a condition), a `value` (a number)"),
        ('id = "t"', 'idd = "t"', "term 1 needs an `id`"),
        ('"t", value = "bmi", coefficient = 0.1', '"«t»", value = "bmi", coefficient = "0.1"', "needs a `coefficient`, a number"),
        ('"t", value = "bmi", coefficient = 0.1', '"«t»", value = "bmi", coefficient = nan', "needs a `coefficient`, a number"),
        ('"t", value = "bmi", coefficient', '"t", value = "bmi", «coeficient»', "(did you mean 'coefficient'?)"),
        ('"t", value = "bmi", coefficient = 0.1, evidence = "assumption"',
         '"t", value = "bmi", coefficient = 0.1, evidence = "«guess»"', "`evidence` is one of published, derived, assumption"),
        ("\n]", '\n  { id = "«u»", value = "5", coefficient = 1, evidence = "assumption", why = "w" },\n]',
         "term 'u' is the same for every patient"),
        ("\n]", '\n  { id = "t", when = "ckd", coefficient = 1, evidence = "assumption", why = "w" },\n]',
         "two terms are called 't'"),
        ("default = 27", "«defalt» = 27", "unknown key 'defalt' (did you mean 'default'?)"),
        ("bmi = {", "«bmy» = {", "input bmy: unknown word 'bmy' (did you mean 'bmi'?)"),
        ("bmi = { default = 27", "bmi = { default = 27, «clip» = [5, 2]", "`clip` is [lowest, highest], for a number"),
        ("default = 27 }", 'default = 27 }, smoking = { «default» = "nevr" }', "'nevr' is not one of its labels (did you mean"),
        ("inputs = { bmi = { default = 27 } }", '«inputs» = ["bmi"]', "`inputs` is a table"),
        ('link = "logistic"', 'link = "logistic"\n«intercept» = "1"', "`intercept` is a number"),
        ('link = "logistic"', 'link = "logistic"\ndecimals = 40', "`decimals` is a whole number from 0 to 15"),
    ],
)  # fmt: skip
def test_models(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in MODEL
    check(tmp_path, definition(MODEL.replace(old, new, 1), "model"), told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HEAD}[definition.x\nkind = 1\n", "p.toml:4: not valid TOML: Expected ']'"),
        (f"{HEAD}[definition.x]\nvalue = 1\nvalue = 2\n", "p.toml:6: not valid TOML: Cannot overwrite a value"),
        (f'{HEAD}[definition.x]\nvalue = "ckd\n', "p.toml:5: not valid TOML: Illegal character '\\n'"),
        (f"{HEAD}x = {'[' * 5000}\n", "p.toml: not valid TOML"),
        ("[definition.x]\n", "p.toml: needs a [pack] table with id and version, as text"),
        ('[pack]\nid = 1\nversion = "1"\n', "p.toml: needs a [pack] table with id and version, as text"),
        ("pack = 3\n", "p.toml: needs a [pack] table with id and version, as text"),
        ("", "p.toml: needs a [pack] table with id and version, as text"),
        (f"{HEAD}title = 5\n", "p.toml:4: pack: `title` is text"),
    ],
)
def test_files(tmp_path: Path, text: str, told: str) -> None:
    assert complaint(tmp_path, text).startswith(told)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        PackError, match=r"there is no pack 'londn-2026' \(did you mean 'london-2026'\?\); built in: .*london"
    ):
        load_pack("londn-2026")
    with pytest.raises(PackError, match=r"cannot read the pack .*missing.toml: No such file"):
        load_pack(tmp_path / "missing.toml")
    with pytest.raises(PackError, match=r"cannot read the pack .*: Is a directory"):
        load_pack(tmp_path)
    (tmp_path / "latin.toml").write_bytes('title = "é"'.encode("latin-1"))
    with pytest.raises(PackError, match=r"latin.toml: it is not UTF-8 text"):
        load_pack(tmp_path / "latin.toml")


def extending(tmp_path: Path, name: str, base: str, body: str = "") -> Path:
    file = tmp_path / f"{name}.toml"
    file.write_text(f'[pack]\nid = "{name}"\nversion = "1"\nextends = "{base}"\n{body}')
    return file


def test_extends(tmp_path: Path) -> None:
    with pytest.raises(
        PackError, match=r"^ours.toml: extends: there is no pack 'londn-2026' \(did you mean 'london-2026'"
    ):
        load_pack(extending(tmp_path, "ours", "londn-2026"))
    with pytest.raises(PackError, match=r"^ours.toml: extends: cannot read the pack .*gone.toml"):
        load_pack(extending(tmp_path, "ours", "gone.toml"))
    extending(tmp_path, "a", "b.toml")
    extending(tmp_path, "b", "c.toml")
    extending(tmp_path, "c", "a.toml")
    with pytest.raises(PackError, match=r"extends itself, through a.toml → b.toml → c.toml → a.toml"):
        load_pack(tmp_path / "a.toml")


def test_a_fault_points_into_the_file_that_wrote_it(tmp_path: Path) -> None:
    # the base is at fault only once its set is overridden: the message points at what was written last
    ours = extending(tmp_path, "ours", "london-2026", '[sets.sel_27]\nmembers = ["ckd", "diabets"]\n')
    with pytest.raises(PackError, match=r"^ours.toml:6: sets.sel_27: unknown word 'diabets'"):
        load_pack(ours).at(AS_OF)
    ours = extending(tmp_path, "ours", "london-2026", '[parameters.hba1c_target]\nvalue = "high"\n')
    told = r"^ours.toml:6: parameters.hba1c_target: its `value` is text, and in london-2026.toml it is a number"
    with pytest.raises(PackError, match=told):
        load_pack(ours).at(AS_OF)
    ours = extending(tmp_path, "ours", "london-2026", '[definition.hypertension_status]\ndiagnosed = "hypertensoin"\n')
    with pytest.raises(PackError, match=r"^ours.toml:6: definition.hypertension_status: diagnosed: unknown word"):
        load_pack(ours).at(AS_OF)


@pytest.mark.parametrize(
    "rule",
    [
        f"{'(' * 300}ckd{')' * 300}",
        f"{'not ' * 3000}ckd",
        f"{'-' * 3000}bmi > 1",
        f"{'+'.join(['bmi'] * 3000)} > 1",
        f"{'abs(' * 150}bmi{')' * 150} + ckd",
    ],
)
def test_deep_nesting_is_refused_and_shown_in_part(tmp_path: Path, rule: str) -> None:
    message = complaint(tmp_path, definition(f'value = "{rule}"'))
    assert message.startswith("p.toml:10: definition.x: value: ")
    assert max(map(len, message.splitlines())) < 200


def test_a_long_rule_that_is_not_deep_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text(definition(f'value = "{" or ".join(["ckd", "chd"] * 800)}"'))
    assert Scorer(file, AS_OF).output_schema.names[-2:] == ["x", "quality_flags"]


def test_headers_inside_strings_are_not_headers(tmp_path: Path) -> None:
    body = 'means = """\n[definition.x]\n[other]\n"""\nvalue = "«diabtes»"'
    check(tmp_path, definition(body), "unknown word 'diabtes'")


def test_dated_versions_of_an_inherited_definition(tmp_path: Path) -> None:
    ours = extending(tmp_path, "ours", "london-2026", '[definition.mltc_int_segment]\nvalue = "smi"\n')
    with pytest.raises(PackError, match=r"^ours.toml:5: .*restate `versions`"):
        load_pack(ours)
