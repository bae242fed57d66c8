"""The page of a pack is complete and current."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from popstrat.packs.load import load_pack
from popstrat.packs.read import builtin_packs
from popstrat.packs.reading import latest
from popstrat.packs.uses import expressions
from popstrat.pages import catalogue

ROOT = Path(__file__).parents[2]
LONDON = load_pack("london-2026")


def console() -> Console:
    return Console(width=100, file=io.StringIO(), highlight=False)


def printed(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


@pytest.fixture(scope="module")
def page() -> str:
    return catalogue.page()


def test_the_committed_page_is_current(page: str) -> None:
    committed = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8")
    assert committed == page, f"out of date: {catalogue.COMMAND}"


@pytest.mark.parametrize("name", builtin_packs())
def test_every_definition_parameter_set_and_column_is_on_the_page(name: str) -> None:
    pack = load_pack(name)
    made = catalogue.markdown(pack)
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', made))
    for ident, body in pack.raw["definition"].items():
        assert ident in anchors
        assert body["title"] in made
        for text in (body.get("source"), body.get("assumption"), body.get("means")):
            assert text is None or text in made
        for text in expressions(body):
            assert text in pack.raw.get("sets", {}) or " ".join(text.split()).replace("|", "\\|") in made
    for kind in ("parameters", "sets", "windows"):
        assert {f"{kind[:-1]}-{n}" for n in pack.raw.get(kind, {})} <= anchors
    for column in pack.schema.names():
        assert f"| `{column}` |" in made
    for output in pack.at(latest(pack)).outputs:
        assert f"| `{output.output}` |" in made


def test_links_lead_somewhere(page: str) -> None:
    anchors = set(re.findall(r'<a id="([^"]+)"></a>', page))
    links = set(re.findall(r"\]\(#([^)]+)\)", page))
    assert links
    assert links <= anchors


def test_tables_are_whole(page: str) -> None:
    width = 0
    for line in page.splitlines():
        cells = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (cells and width and cells != width), line
        width = cells


def test_all_versions_are_shown_with_their_dates(page: str) -> None:
    part = page[page.index('<a id="mltc_int_segment">') : page.index('<a id="mltc_int_priority">')]
    assert part.index("to 2026-06-30") < part.index("not smi") < part.index("from 2026-07-01")


def test_the_model_shows_its_ratios(page: str) -> None:
    assert re.search(r"\| Dementia \| `dementia` \| 0\.\d{4} \| \d\.\d{3} \| derived \| CMAJ", page)


def test_the_tree_is_indented(page: str) -> None:
    part = page[page.index('<a id="expected_cost_2014">') :]
    assert "- `cost_conditions < 1.5` (n = 153,687)\n  - yes: `cost_conditions < 0.5`" in part
    assert "**17,062.27** (n = 195)" in part


def test_the_page_does_not_depend_on_the_day(page: str) -> None:
    assert dt.date.today().isoformat() not in page


def test_show_on_a_terminal() -> None:
    to = console()
    catalogue.show("london-2026", to)
    shown = printed(to)
    assert "Hypertension" in shown
    assert "](#" not in shown
    assert "<a id" not in shown
    assert max(map(len, shown.splitlines())) <= 100


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str], page: str) -> None:
    assert catalogue.main(["--write", str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == page
    assert catalogue.COMMAND in page
    assert catalogue.main([]) == 2
    assert catalogue.COMMAND in capsys.readouterr().err
