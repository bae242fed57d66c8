"""The design system: contrast worked out from its colours, and what every chart must have."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from markupsafe import Markup

from popstrat.core.numbers import WITHHELD, WITHHELD_MEANS, percent, stated
from popstrat.pages.charts.bars import Bar, bars
from popstrat.pages.charts.chart import ACROSS, Chart, round_up, ticks
from popstrat.pages.charts.curve import Line, Marks, curve
from popstrat.pages.charts.dots import Dot, dots
from popstrat.pages.charts.funnel import Limits, Place, funnel
from popstrat.pages.charts.run_chart import Month, run_chart
from popstrat.pages.charts.stacked import PartOf, Stack, stacked
from popstrat.pages.design import tokens
from popstrat.pages.design.parts import Cell, Figure, KeyFigure, Link, Part, Shell, Table, Verdict, number_cell, rag
from popstrat.pages.design.render import environment

THEMES = {"light": tokens.LIGHT, "dark": tokens.DARK}
RAG = [PartOf("red", "red", "red", "R"), PartOf("amber", "amber", "amber", "A"), PartOf("green", "green", "green", "G")]
HOSTILE = "<b>&\"'</b>"


# -- cells ------------------------------------------------------------------------------------------------------------


def test_numbers_sort_by_what_is_written() -> None:
    """As the script sorts them: by the number that a text begins with, or else by what the cell says."""
    shares = [0, 1e-7, 4e-5, 0.0001, 0.0099, 0.00996, 0.01, 0.0994, 0.5, 0.9994, 0.99951, 0.99999, 1]
    found = []
    for share in shares:
        cell = number_cell(percent(share), share)
        text = (cell.sort or cell.text) if isinstance(cell, Cell) else cell
        assert re.match(r"[-+]?[0-9.]", text), text
        found.append(float(text.rstrip("%")))
    assert found == sorted(found)
    assert len(set(found)) == 10
    assert number_cell("61.2%", 0.612) == "61.2%"
    assert number_cell("−1,234", -1234) == "−1,234"
    assert number_cell("below the limits", -2) == Cell("below the limits", "-2")
    assert number_cell("withheld", None) == "withheld"


# -- colours ----------------------------------------------------------------------------------------------------------


def test_contrast_is_that_of_the_guidelines() -> None:
    assert tokens.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert tokens.contrast("#ffffff", "#ffb81c") == pytest.approx(1.73, abs=0.01)
    assert tokens.contrast("#d5281b", "#007f3b") == pytest.approx(1.01, abs=0.02)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_text_is_read_on_every_ground(theme: Mapping[str, str]) -> None:
    for ground in tokens.READ_ON:
        for text in ("text", "muted", "heading", "link"):
            assert tokens.contrast(theme[text], theme[ground]) >= 4.5, (text, ground)
    for name in ("band", "red", "amber", "green", "focus"):
        assert tokens.contrast(theme[f"on-{name}"], theme[name]) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_marks_are_seen_and_text_on_them_is_read(theme: Mapping[str, str]) -> None:
    marks = [f"mark-{i}" for i in range(1, tokens.MARKS + 1)]
    for mark in [*marks, "mark-red", "mark-amber", "mark-green", "strong-line"]:
        assert tokens.contrast(theme[mark], theme["surface"]) >= 3, mark
    for mark in marks:  # shares are written on the parts of divided bars, in the colour of the ground
        assert tokens.contrast(theme[mark], theme["surface"]) >= 3.5, mark
    assert tokens.contrast(theme["text"], theme["band-fill"]) >= 4.5


def test_both_themes_have_the_same_names_and_the_style_sheet_no_others() -> None:
    assert tokens.LIGHT.keys() == tokens.DARK.keys() | set()
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", str(environment().globals["style"])))
    assert used <= tokens.LIGHT.keys() | tokens.SIZES.keys()


# -- charts -----------------------------------------------------------------------------------------------------------


def some_charts(seed: int, name: str = "Group") -> list[Chart]:
    r = random.Random(seed)
    some = r.randrange(1, 9)
    share = [r.random() for _ in range(some)]
    months = [
        Month(f"month {i}", f"M{i}", None if r.random() < 0.2 else r.random(), "rising" if r.random() < 0.2 else "")
        for i in range(r.randrange(0, 30))
    ]  # fmt: skip
    sizes = [r.randrange(1, 3000) for _ in range(some)]
    return [
        bars([Bar(f"{name} {i}", v, percent(v), v / 2, v * 1.1, v * 0.9) for i, v in enumerate(share)],
             unit="share of adults", beside="last month"),
        bars([Bar(name, None, WITHHELD)], unit="share of adults"),
        stacked([Stack(f"{name} {i}", [v, None, 1 - v], "12 people") for i, v in enumerate(share)], RAG, unit="adults"),
        stacked([Stack(name, [0.0, 0.0, 0.0])], RAG, unit="adults"),
        run_chart(months, unit="share", write=percent, write_tick=stated, baseline=0.3, target=0.5),
        run_chart(months, unit="share", write=percent),
        funnel([Place(f"{name} {i}", n, v, r.choice(["", "above", "below"]), i == 0)
                for i, (n, v) in enumerate(zip(sizes, share, strict=True))],
               [Limits(n, v * 0.5, v * 0.7, v * 1.2, v * 1.4) for n, v in zip(sizes, share, strict=True)],
               target=0.5, unit="share", sizes="people", write=percent, write_size=lambda v: f"{v:,.0f}"),
        dots([Dot(f"{name} {i}", v, percent(v), v * 0.9, v * 1.1, name if i == 0 else "", v > 0.7)
              for i, v in enumerate(share)], unit="share", write=percent, reference=0.5),
        dots([Dot(name, None, "too few people")], unit="ratio", write=percent, reference=1, log=True),
        curve([Line(name, [(0.1, 0.2), (0.5, 0.6)], "line", "mark-1", ([0.1, 0.5], [0.3, 0.7]))],
              [Marks(name, [(v, v) for v in share], ends=[(v * 0.9, v) for v in share], words=[name])],
              alternative="A curve.", x=(0.05, 1), y=(0.05, 1), write_x=stated, write_y=stated, x_called="given",
              y_called="seen", log=True),
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_every_chart_is_sound(seed: int) -> None:
    """Well formed, in words too, nothing that is no number, no mark outside its width, all colours of the tokens."""
    for chart in some_charts(seed):
        tree = ElementTree.fromstring(chart.svg)
        assert tree.get("role") == "img"
        assert tree.get("aria-label") == chart.alternative
        assert chart.alternative.endswith(".")
        assert "nan" not in chart.svg
        assert "inf" not in chart.svg.replace("information", "")
        for element in tree.iter():
            for name in ("x", "x1", "x2", "cx"):
                told = element.get(name)
                if told is not None and told.endswith("%"):
                    assert -0.01 <= float(told[:-1]) <= 100.01, ElementTree.tostring(element)
            if element.get("points"):
                across = [float(pair.split(",")[0]) for pair in element.get("points", "").split()]
                assert all(-1 <= x <= ACROSS + 1 for x in across)
        assert set(re.findall(r"var\(--([a-z0-9-]+)\)", chart.svg)) <= tokens.LIGHT.keys()


def test_text_of_charts_keeps_its_size_and_nothing_is_smaller_than_12_pixels() -> None:
    """A chart is stretched by its positions, never as a picture: an element with a view box holds lines alone."""
    for chart in some_charts(3):
        tree = ElementTree.fromstring(chart.svg)
        assert tree.get("viewBox") is None
        for inner in tree.iter("svg"):
            if inner.get("viewBox"):
                assert not list(inner.iter("text"))
    style = str(environment().globals["style"])
    sizes = re.findall(r"\.chart[^{}]*\{[^{}]*?(?:font:|font-size:)(\d+)px", style)
    assert sizes
    assert min(map(int, sizes)) >= 12


def test_what_charts_are_given_is_text() -> None:
    for chart in some_charts(5, HOSTILE):
        assert "<b>" not in chart.svg
        ElementTree.fromstring(chart.svg)


def test_ticks_are_round_and_within() -> None:
    r = random.Random(0)
    for _ in range(500):
        low = r.uniform(-1000, 1000)
        high = low + 10 ** r.uniform(-3, 4)
        found = ticks(low, high, 5)
        assert 2 <= len(found) <= 11
        assert all(low - 1e-6 <= t <= high + 1e-6 for t in found)
        assert round_up(abs(high)) >= abs(high) * (1 - 1e-9)


# -- parts of pages ---------------------------------------------------------------------------------------------------

PAGE = """{% extends "pages.design/base.html.j2" %}{% import "pages.design/parts.html.j2" as p %}{% block main %}
{{ p.verdict(verdict) }}{{ p.keys(keys) }}{{ p.notice("Mind", lines) }}
{{ p.table(table) }}{{ p.figure(figure) }}{{ p.facts([("a", "b")]) }}{% endblock %}"""


def some_page(text: str, withheld: bool = True) -> str:
    rows = [[text, "1,234", WITHHELD if withheld and i == 1 else "5"] for i in range(4)]
    table = Table(
        "t", text, ["a", "b", "c"], rows, frozenset({1, 2}), under=text, notes=[text], totals=[["all", "1", "2"]]
    )
    parted = Table("u", text, ["a", "b"], [], parts=[Part(text, [[text, Cell(rag("red", text), "1")]])])
    shell = Shell(text, [text], [Link(text, "a.html")], [Link(text, "b.html", True)], [text], private=text)
    return environment().from_string(PAGE).render(
        shell=shell, verdict=Verdict(text, [text], "amber", text), keys=[KeyFigure(text, text, text)], lines=[text],
        table=table, figure=Figure("f", text, some_charts(1)[0], parted, text),
    )  # fmt: skip


def every_part() -> str:
    """A page of every part and every kind of chart, for whoever looks at it in a browser."""
    rows = [[f"row {i} ", f"{7919 * i % 40:,}", WITHHELD if i == 2 else percent(i / 30)] for i in range(20)]
    figures = [
        Figure(f"f{i}", f"Title {i}", chart, Table(f"ft{i}", f"Figures {i}", ["a", "b"], [["x", "1"]]), "units")
        for i, chart in enumerate(some_charts(1))
    ]
    page = """{% extends "pages.design/base.html.j2" %}{% import "pages.design/parts.html.j2" as p %}{% block main %}
    <div class="grid lead">{{ p.verdict(verdict) }}{{ p.keys(keys) }}</div>{{ p.notice("Mind", ["A line."]) }}
    {{ p.table(table) }}<div class="grid two">{% for f in figures %}<section aria-labelledby="h{{ loop.index }}">
    <h2 id="h{{ loop.index }}">Part {{ loop.index }}</h2>{{ p.figure(f) }}</section>{% endfor %}</div>
    <p>{{ rag("red") }} {{ rag("amber") }} {{ rag("green", "on plan") }}</p>{{ p.facts([("Program", "popstrat")]) }}
    {% endblock %}"""
    shell = Shell("A place", ["As of 30 June 2026"], [Link("All", "#main")], [Link("Here", "#main", True)], ["A run."])
    return environment().from_string(page).render(
        shell=shell, verdict=Verdict("It is behind plan.", ["Because."], "amber", "Behind plan"), figures=figures,
        keys=[KeyFigure("12,345", "people", "more")] * 3,
        table=Table("t", "Rows", ["row", "people", "share"], rows, frozenset({1, 2})),
    )  # fmt: skip


def test_text_is_text_everywhere() -> None:
    page = some_page(HOSTILE)
    assert "<b>" not in page
    assert page.count("&lt;b&gt;") > 15


def test_what_is_withheld_is_marked_and_told_beside_the_table() -> None:
    assert some_page("x").count(WITHHELD_MEANS) == 1
    assert '<td class="kept">withheld</td>' in some_page("x")
    assert WITHHELD_MEANS not in some_page("x", withheld=False)


def test_tables_have_captions_scopes_and_a_focusable_region() -> None:
    page = some_page("x")
    assert page.count("<table") == page.count("<caption") == page.count('role="region"') == 2
    assert page.count('class="scroll" role="region" aria-labelledby="t-c" tabindex="0"') == 1
    assert '<th scope="row">x</th>' in page
    assert '<th scope="rowgroup" colspan="2">x</th>' in page


def test_rag_has_letter_shape_and_words() -> None:
    found = {colour: str(rag(colour)) for colour in ("red", "amber", "green")}
    shapes = {re.search(r"<(path|circle) class=\"shape\" ([^/]*)/>", text).group(0) for text in found.values()}  # type: ignore[union-attr]
    assert len(shapes) == 3
    for colour, text in found.items():
        assert f">{colour[0].upper()}</text>" in text
        assert text.endswith(f"{colour}</span>")
    assert rag(None) == Markup("–")


def test_pages_load_nothing() -> None:
    page = some_page("x")
    assert not re.search(r"""(?:src|href)=["'](?:https?:|//)""", page)
    assert "@import" not in page
    assert "url(" not in page
