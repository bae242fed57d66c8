"""Templates: what ships is sound, and what would go wrong in a file is refused before anything is written."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from popstrat.errors import InputError
from popstrat.packs.load import load_pack
from popstrat.packs.sentences import DRIVERS, GROUPS
from popstrat.packs.snomed import verhoeff
from popstrat.upload.templates.layout import Layout, resolve_layout
from popstrat.upload.templates.settings import Settings, load_settings
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.template import builtin_templates, load_template

AS_OF = dt.date(2026, 6, 30)
SCORED = {
    c.name: c
    for c in (
        ScoredColumn("patient_id", "key"),
        ScoredColumn("practice_code", "practice"),
        ScoredColumn("place", "text"),
        ScoredColumn("group", "label", ("high", "low")),
        ScoredColumn("flag", "flag", ("false", "true")),
        ScoredColumn("risk", "number"),
    )
}
HEAD = '[template]\nid = "x"\nversion = "1"\ntitle = "t"\n'
FILE = '[file]\nname = "{practice}.csv"\n'
KEY = '[[column]]\nname = "k"\nfrom = "patient_id"\n'


def layout(folder: Path, text: str, settings: Settings | None = None, **more: Any) -> Layout:
    path = folder / "x.toml"
    path.write_text(text, encoding="utf-8")
    given: dict[str, Any] = {"lookup": False, "previous": False, **more}
    pack = {"id": "mini", "version": "1"}
    return resolve_layout(
        load_template(path), settings or Settings({}, {}, {}), SCORED, as_of=AS_OF, pack=pack, **given
    )


def column(**more: str) -> str:
    return "[[column]]\n" + "".join(f"{k.rstrip('_')} = {v}\n" for k, v in {"name": '"c"', **more}.items())


REFUSED = [
    (HEAD + FILE + "labels = 'nice'\n" + KEY, "[file] labels: is 'codes', as the pack has them, or 'words'"),
    (HEAD + FILE + KEY + "[patients]\norder_by = 'group'\n", "[patients] order_by: is a list of columns"),
    (HEAD + FILE + KEY + "[patients]\norder_by = ['grup']\n", "did you mean 'group'"),
    (HEAD + FILE + KEY + "[patients]\norder_by = ['-place']\n", "order_by: place holds neither labels nor numbers"),
    (HEAD + FILE + KEY + "[[column]]\nname = 'w'\nfrom = 'why'\n", "`popstrat score --reasons` writes it"),
    ("", "[template]: needs id, as text"),
    (HEAD, "[file]: needs name"),
    (HEAD + FILE, "[[column]]: there is no column"),
    (HEAD + FILE + KEY + "[other]\n", "[[other]]: unknown table".replace("[[", "[").replace("]]", "]")),
    (HEAD + FILE + KEY + "[colums]\n", "did you mean 'column'?"),
    (HEAD + FILE + "encodin = 'utf-8'\n" + KEY, "unknown key (did you mean 'encoding'?)"),
    (HEAD + FILE + "encoding = 'latin-9'\n" + KEY, "[file] encoding: is one of 'utf-8', 'utf-8-sig', 'cp1252'"),
    (HEAD + FILE + "line_end = 'cr'\n" + KEY, "[file] line_end: is one of"),
    (HEAD + FILE + "delimiter = '.'\n" + KEY, "[file] delimiter: is one of"),
    (HEAD + FILE + "quoting = 'none'\n" + KEY, "[file] quoting: is one of"),
    (HEAD + FILE + "excel_text = true\n" + KEY, "[file] excel_text: is one of"),
    (HEAD + FILE + "max_rows = 10\n" + KEY, "[file] name: needs {part}"),
    (HEAD + FILE + "max_rows = -1\n" + KEY, "[file] max_rows: is a whole number"),
    (HEAD + '[file]\nname = "all.csv"\n' + KEY, "needs {practice}: one file holds one practice"),
    (HEAD + '[file]\nname = "../{practice}.csv"\n' + KEY, "is a file name of letters, digits"),
    (HEAD + '[file]\nname = "{practice}/x.csv"\n' + KEY, "is a file name of letters, digits"),
    (HEAD + '[file]\nname = "{practice}.exe"\n' + KEY, "ends in .csv or .txt"),
    (HEAD + '[file]\nname = "{practice!r}.csv"\n' + KEY, "is a file name of letters, digits"),
    (HEAD + '[file]\nname = "{practice}{patient}.csv"\n' + KEY, "takes {practice}, {template}, {as_of}, {part}"),
    (HEAD + FILE + column(from_='"group"'), "needs a column from lookup.nhs_number or patient_id: whose row is it?"),
    (HEAD + FILE + KEY + KEY.replace('"k"', '"k2"'), "has patient_id twice"),
    (HEAD + FILE + KEY + KEY, "[[column]] k: is there twice"),
    (HEAD + FILE + KEY + column(from_='"grup"'), "the scored table has no column 'grup' (did you mean 'group'?)"),
    (HEAD + FILE + KEY + column(from_='"lookup.nhs_numbr"'), "did you mean 'lookup.nhs_number'?"),
    (HEAD + FILE + KEY + column(from_='"lookup.nhs_number"'), "which needs --lookup"),
    (HEAD + FILE + KEY + column(from_='"lookup.date_of_birth"'), "which needs --lookup"),
    (HEAD + FILE + KEY + column(from_='"movers.change"'), "which needs --previous"),
    (HEAD + FILE + KEY + column(), "needs either from or constant"),
    (HEAD + FILE + KEY + column(from_='"group"', constant='"x"'), "needs either from or constant"),
    (HEAD + FILE + KEY + column(from_='"group"', valus="{}"), "unknown key 'valus' (did you mean 'values'?)"),
    (HEAD + FILE + KEY + column(from_='"group"', values='{ high = "H" }'), "values lacks low"),
    (HEAD + FILE + KEY + column(from_='"group"', values='{ high = "H", lw = "L" }'), "did you mean 'low'?"),
    (HEAD + FILE + KEY + column(from_='"flag"', values='{ true = "Y" }'), "values lacks false"),
    (HEAD + FILE + KEY + column(from_='"group"', decimals="2"), "decimals does nothing for group"),
    (HEAD + FILE + KEY + column(from_='"risk"', decimals="12"), "decimals is a whole number from 0 to 9"),
    (HEAD + FILE + KEY + column(from_='"risk"', snomed='"code"'), "snomed does nothing for risk"),
    (HEAD + FILE + KEY + column(from_='"group"', snomed='"codes"'), "snomed is 'code' or 'term'"),
    (HEAD + FILE + KEY + column(from_='"run.as_of"', date_format='"ddmmyy"'), "date_format is one of yyyy-mm-dd"),
    (HEAD + FILE + KEY + column(constant='"a\\nb"'), "a line end or another control character"),
    (HEAD + FILE + "formulas = 'refuse'\n" + KEY + column(constant='"=1"'), "would be a formula in a spreadsheet"),
    (HEAD + FILE + "encoding = 'cp1252'\n" + KEY + column(constant='"Ā"'), "'Ā' (U+0100) is not in cp1252"),
    (HEAD + FILE + "encoding = 'cp1252'\n" + KEY.replace('"k"', '"Ω"'), "'Ω' (U+03A9) is not in cp1252"),
    (HEAD + FILE + KEY + "[patients]\nwhich = 'some'\n", "[patients] which: is 'all' or 'changed'"),
    (HEAD + FILE + KEY + "[patients]\nwhich = 'changed'\n", "which needs --previous"),
    (HEAD + FILE + KEY + "[patients]\nwhere = 'flags'\n", "unknown word 'flags' (did you mean 'flag'?)"),
    (HEAD + FILE + KEY + "[patients]\nwhere = 'group == \"hgh\"'\n", "hgh"),
    (HEAD + FILE + KEY + "[patients]\nwhere = 'risk'\n", "a condition is needed here"),
    (HEAD + FILE + KEY + "[patients]\nwhere = 'risk + 1 > 2'\n", "'risk + 1' cannot be used here"),
    (HEAD + FILE + KEY + "[patients]\nwhere = 'patient_id > 2'\n", "unknown word 'patient_id'"),
    (HEAD + FILE + KEY + "[movers]\ncolumn = 'risk'\n", "[movers] column: risk has no labels"),
    (HEAD + FILE + KEY + "[movers]\ncolumn = 'group'\nmost_severe = 'top'\n", "most_severe: is 'first' or 'last'"),
    (HEAD + FILE + KEY + "[[ended]]\nname = 'k'\nfrom = 'patient_id'\n", "[[ended]]: needs [movers] column"),
    ("[template\n", "is not valid TOML"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        layout(tmp_path, text)
    assert message in str(error.value)
    assert "x.toml" in str(error.value)


def test_a_number_and_a_key_together_would_give_away_the_lookup(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="would give away the lookup"):
        layout(tmp_path, HEAD + FILE + KEY + column(from_='"lookup.nhs_number"'), lookup=True)


def test_ended_entries_need_a_name_of_their_own(tmp_path: Path) -> None:
    text = HEAD + FILE + "ended_name = '{practice}.csv'\n" + KEY + "[movers]\ncolumn = 'group'\n"
    text += "[[ended]]\nname = 'k'\nfrom = 'patient_id'\n"
    with pytest.raises(InputError, match="is the same as name"):
        layout(tmp_path, text, previous=True)


def test_ended_entries_have_the_same_kind_of_id(tmp_path: Path) -> None:
    text = HEAD + FILE + "ended_name = '{practice}-ended.csv'\n" + KEY + "[movers]\ncolumn = 'group'\n"
    text += "[[ended]]\nname = 'n'\nfrom = 'lookup.nhs_number'\n"
    with pytest.raises(InputError, match="has another id than"):
        layout(tmp_path, text, previous=True, lookup=True)


def test_what_a_template_becomes(tmp_path: Path) -> None:
    text = HEAD + FILE + KEY + column(name='"on"', from_='"run.as_of"', date_format='"dd-mmm-yyyy"')
    text += column(name='"sum"', constant='"=SUM(A1)"') + column(name='"m"', from_='"movers.change"', optional="true")
    found = layout(tmp_path, text)
    assert [(c.name, c.role, c.constant) for c in found.columns] == [
        ("k", "key", ""),
        ("on", "constant", "30-Jun-2026"),
        ("sum", "constant", "'=SUM(A1)"),  # no spreadsheet reckons it
    ]
    assert found.file_name("E85001", 1) == "E85001.csv"


def test_labels_in_words_and_the_order_of_rows(tmp_path: Path) -> None:
    text = HEAD + FILE + "labels = 'words'\n" + KEY + column(name='"f"', from_='"flag"')
    text += column(name='"g"', from_='"group"') + "[patients]\norder_by = ['group', '-risk', '-flag']\n"
    found = layout(tmp_path, text)
    assert [c.texts for c in found.columns[1:]] == [("no", "yes"), ("high", "low")]
    assert found.order == (("group", False), ("risk", True), ("flag", True))


def test_unknown_templates_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'emis-style'\\?\\); built in: emis-style, neutral-csv"):
        load_template("emis_style")
    with pytest.raises(InputError, match="there is no such template"):
        load_template(tmp_path / "none.toml")


def _columns_of_the_pack() -> dict[str, ScoredColumn]:
    resolved = load_pack("london-2026").at(AS_OF)
    found = {
        "patient_id": ScoredColumn("patient_id", "key"),
        "practice_code": ScoredColumn("practice_code", "practice"),
    }
    for definition in resolved.definitions.values():
        if definition.output is not None:
            labels = definition.node.type.labels if definition.dtype == "dictionary" else ()
            role: Any = "label" if labels else "flag" if definition.dtype == "bool" else "number"
            found[definition.output] = ScoredColumn(definition.output, role, labels)
    found |= {name: ScoredColumn(name, "text") for name in (*GROUPS, DRIVERS)}  # of `score --reasons`
    return found


def valid_code(stem: int) -> str:
    return next(f"{stem}{d}" for d in range(10) if not verhoeff(f"{stem}{d}"))


@pytest.mark.parametrize("name", builtin_templates())
def test_those_that_ship_fit_the_pack_that_ships(name: str) -> None:
    template = load_template(name)
    scored = _columns_of_the_pack()
    labels = scored["nwl_risk_group"].labels
    codes = {label: {"code": valid_code(1000000 + i), "term": label} for i, label in enumerate(labels)}
    settings = Settings({"nwl_risk_group": codes}, {}, {})
    pack = {"id": "london-2026", "version": "1"}
    for previous in (False, True):
        found = resolve_layout(
            template, settings, scored, as_of=AS_OF, pack=pack, lookup=template.identifies, previous=previous
        )
        assert found.group is not None
        assert found.group.labels[0] in ("specialist_end_of_life", "red")  # the pack has the most severe first
        assert found.dialect.excel_text == "none"
    needs_codes = name in ("emis-style", "systmone-style")
    assert bool(template.head.get("local_confirmation")) == needs_codes
    if needs_codes:  # and nothing is guessed
        with pytest.raises(InputError, match="needs SNOMED CT codes for the labels of nwl_risk_group"):
            resolve_layout(template, Settings({}, {}, {}), scored, as_of=AS_OF, pack=pack, lookup=True, previous=False)
    assert template.identifies == (name != "pseudonymous-csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[snomeds.x]\n", "did you mean 'snomed'?"),
        ("snomed = 1\n", "[snomed]: unknown table"),
        ("[snomed]\nx = 1\n", "is a table, written [snomed.x]"),
        ("[lookup]\nx = 1\n", "there are scored_births, [lookup.columns] and [lookup.status]"),
        ("[lookup.columns]\nnhs = 'a'\n", "a lookup has no such column"),
        ("[lookup.columns]\nnhs_number = 1\n", "needs the name of one column"),
        ("[lookup.status]\nX = 'gone'\n", "is one of registered, deducted, deceased"),
        ("[limits]\nexcluded = 5\n", "is a share from 0 to 1"),
        ("[limits]\nexclude = 0.5\n", "there are excluded and overlap"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        load_settings(path)
    assert message in str(error.value)
