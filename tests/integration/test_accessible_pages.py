"""Every kind of page in a browser: WCAG 2.2 AA by axe-core, on a phone and a desk, light and dark; keyboard, 200% zoom,
reduced motion, paper."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import browser, looking_at, violations

from popstrat import synthetic
from popstrat.cli import run

AS_OF = "2026-06-30"
ROWS = 5000


def _validation(to: Path) -> Path:
    scored = pq.read_table("scored.parquet")
    rng = np.random.default_rng(2)
    risk = np.nan_to_num(scored["admission_risk"].to_numpy(zero_copy_only=False))
    outcome = pa.table({"patient_id": scored["patient_id"], "admitted": rng.random(len(risk)) < risk})
    pq.write_table(outcome, "outcomes.parquet")
    asked = ["--column", "admitted", "--list", "list.parquet", "--capacity", "90", "--bootstrap", "5", "-q"]
    assert run(["validate", "scored.parquet", "--outcome", "outcomes.parquet", *asked, "-o", str(to / "v")]) == 0
    return to / "v" / "validation.html"


def _explained(to: Path, *more: str) -> Path:
    ids = pq.read_table("list.parquet", columns=["patient_id"])["patient_id"].slice(40, 1 + len(more)).to_pylist()
    page = to / f"explained{len(more)}.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO("\n".join(map(str, ids))))
        assert run(["explain", "list.parquet", "--as-of", AS_OF, "--patient", "-", "--html", str(page), *more]) == 0
    return page


def _short(to: Path) -> Path:
    return _explained(to, "--short")


def _work_list(to: Path) -> Path:
    asked = ["--cohort", "frailty_int_segment", "--capacity", "8", "-q"]
    assert run(["worklist", "list.parquet", "--as-of", AS_OF, *asked, "-o", str(to / "june.html")]) == 0
    return to / "june.html"


def _caseload_and_plan() -> list[str]:
    """With everything that the pages have for a board."""
    people = pq.read_table("list.parquet", columns=["patient_id", "place"]).to_pylist()
    starts = [dt.date(2025, 8, 1) + dt.timedelta(days=i % 300) for i in range(len(people))]
    rows = [f"{one['patient_id']},frailty_int,{day}" for one, day in zip(people[::50], starts[::50], strict=True)]
    Path("caseload.csv").write_text("patient_id,cohort,start\n" + "\n".join(rows) + "\n")
    places = sorted({one["place"] for one in people})
    planned = [
        f"int_floor,place,{name},{day},{n}" for name in places for day, n in (("2026-03-31", 20), ("2026-09-30", 90))
    ]
    Path("plan.csv").write_text("metric,level,area,date,value\n" + "\n".join(planned) + "\n")
    return ["--caseload", "caseload.csv", "--plan", "plan.csv"]


def _reported(to: Path, page: str) -> Path:
    """A page of a report, by what its name begins with."""
    if not (to / "report").exists():
        beside = _caseload_and_plan()
        assert run(["metrics", "list.parquet", "--as-of", AS_OF, "-o", "metrics.parquet", "-q", *beside]) == 0
        assert run(["report", "metrics.parquet", "-o", str(to / "report"), "-q"]) == 0
    return sorted((to / "report").glob(f"{page}*.html"))[0]


def _catalogue(to: Path) -> Path:
    assert run(["packs", "show", "ncl-segments", "--html", str(to / "catalogue.html")]) == 0
    return to / "catalogue.html"


def _quality(to: Path) -> Path:
    day = ["--as-of", AS_OF]
    assert run(["synth", "-n", "1500", "--seed", "9", *day, "--events", "record", "-q"]) == 0
    tables = ("patients", "registrations", "events", "medications", "activity")
    named = [word for table in tables for word in (f"--{table}", f"record/{table}.parquet")]
    given = [*named, "--codelists", "record/codelists", *day, "-o", "derived.parquet", "-q"]
    assert run(["derive", *given, "--html", str(to / "quality.html")]) == 0
    return to / "quality.html"


def _everything(to: Path) -> Path:
    """Every part and every kind of chart."""
    from test_design_pages import every_part

    (to / "parts.html").write_text(every_part(), encoding="utf-8")
    return to / "parts.html"


PAGES: dict[str, Callable[[Path], Path]] = {
    "validation": _validation,
    "explained": _explained,
    "explained-short": _short,
    "work-list": _work_list,
    "parts": _everything,
    "catalogue": _catalogue,
    "quality": _quality,
    "report": lambda to: _reported(to, "index"),
    "report-place": lambda to: _reported(to, "place"),
    "report-practice": lambda to: _reported(to, "practice"),
    "report-definitions": lambda to: _reported(to, "definitions"),
    "report-run": lambda to: _reported(to, "run"),
}
PRIVATE = {"explained", "explained-short", "work-list"}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Path]]:
    """A page by its kind, made once."""
    to = tmp_path_factory.mktemp("pages")
    before = Path.cwd()
    os.chdir(to)
    pq.write_table(synthetic.table(ROWS, seed=11, as_of=dt.date(2026, 6, 30)), "list.parquet")
    assert run(["score", "list.parquet", "-o", "scored.parquet", "--as-of", AS_OF, "-q"]) == 0
    pages: dict[str, Path] = {}

    def page(kind: str) -> Path:
        if kind not in pages:
            pages[kind] = PAGES[kind](to)
        return pages[kind]

    yield page
    os.chdir(before)


PAIRS = pytest.mark.nightly("every page in each theme and at each width; by day each theme has a width of its own")


@pytest.mark.parametrize("kind", PAGES)
@pytest.mark.parametrize(
    ("theme", "width"),
    [("light", 390), ("dark", 1400), pytest.param("light", 1400, marks=PAIRS), pytest.param("dark", 390, marks=PAIRS)],
)
def test_axe_finds_nothing(kind: str, theme: str, width: int, chromium: Any, made: Callable[[str], Path]) -> None:
    with looking_at(chromium, made(kind), width, color_scheme=theme) as shown:
        shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert violations(shown) == []


def test_axe_finds_what_is_wrong(chromium: Any, tmp_path: Path) -> None:
    """So that finding nothing says something."""
    page = '<!DOCTYPE html><title>x</title><p style="color:#aaa;background:#fff">pale<img src="data:,"><table>'
    (tmp_path / "bad.html").write_text(page, encoding="utf-8")
    context = chromium.new_context()
    try:
        shown = context.new_page()
        shown.goto((tmp_path / "bad.html").as_uri())
        rules = {told.split(":")[0] for told in violations(shown)}
    finally:
        context.close()
    assert {"color-contrast", "html-has-lang", "image-alt"} <= rules


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_is_lost_at_200_per_cent_and_on_a_narrow_phone(
    kind: str, chromium: Any, made: Callable[[str], Path]
) -> None:
    """320 CSS pixels are a window of 1,280 at 400%: only tables may be wider, in a region that scrolls."""
    for width in (320, 700):
        with looking_at(chromium, made(kind), width) as shown:
            shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            assert shown.evaluate("document.documentElement.scrollWidth") <= width
            wide = shown.evaluate(
                "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll,svg') && "
                "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 120))"
            )
            assert wide == []


@pytest.mark.parametrize("kind", PAGES)
def test_text_in_charts_is_read_on_a_phone(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    with looking_at(chromium, made(kind), 390) as shown:
        shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = shown.evaluate(
            "[...document.querySelectorAll('.chart text')].filter(t => t.getClientRects().length)"
            ".map(t => { const b = t.getBoundingClientRect(), "
            "c = t.closest('.chart').getBoundingClientRect(); return [parseFloat(getComputedStyle(t).fontSize), "
            "b.left - c.left, c.right - b.right, t.textContent] })"
        )
    for size, left, right, text in found:
        assert size >= 12, text
        assert left >= -4, text
        assert right >= -6, text
    assert bool(found) == (kind not in {*PRIVATE, "catalogue", "report-definitions", "report-run"})


@pytest.mark.parametrize("kind", PAGES)
def test_by_the_keyboard(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    """The first stop leads past the head; every region that scrolls and every control is reached, and is seen to be."""
    with looking_at(chromium, made(kind), 390) as shown:
        shown.keyboard.press("Tab")
        assert shown.evaluate("document.activeElement.className") == "skip"
        assert shown.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        wanted = shown.evaluate(
            "document.querySelectorAll('summary, main a, main button, main input, .scroll').length - "
            "document.querySelectorAll('details:not([open]) *:is(a, button, input, .scroll)').length"
        )
        reached = set()
        for _ in range(wanted + 20):
            shown.keyboard.press("Tab")
            told = shown.evaluate(
                "(() => { const e = document.activeElement; if (!e.closest('main')) return ''; "
                "const all = [...document.querySelectorAll('*')]; const s = getComputedStyle(e); "
                "return [all.indexOf(e), s.outlineStyle, parseFloat(s.outlineWidth)] })()"
            )
            if not told and reached:
                break
            if not told:
                continue  # still in the head
            at, style, width = told
            assert style == "solid"
            assert width >= 2
            reached.add(at)
        assert len(reached) == wanted


def test_tables_sort_and_filter_by_the_keyboard(chromium: Any, made: Callable[[str], Path]) -> None:
    with looking_at(chromium, made("parts"), 1400) as shown:
        table = shown.locator("table[data-sort]").first
        button = table.locator("thead button").nth(1)
        button.focus()
        shown.keyboard.press("Enter")
        column = "tbody tr td:nth-child(2)"
        first = [number(t) for t in table.locator(column).all_text_contents()]
        assert first == sorted(first)
        shown.keyboard.press("Enter")
        assert [number(t) for t in table.locator(column).all_text_contents()] == sorted(first, reverse=True)
        assert table.locator("thead th").nth(1).get_attribute("aria-sort") == "descending"
        shown.get_by_label("Show rows that contain").first.fill("row 3")
        assert table.locator("tbody tr:visible").count() == 1
        assert "1 of" in shown.locator("#said").text_content()


def number(text: str) -> float:
    return float(text.replace(",", ""))


@pytest.mark.parametrize("kind", PAGES)
def test_nothing_moves_for_who_asks_for_that(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    with looking_at(chromium, made(kind), 390, reduced_motion="reduce") as shown:
        moving = shown.evaluate(
            "[...document.querySelectorAll('*')].filter(e => parseFloat(getComputedStyle(e).transitionDuration) > 0 || "
            "getComputedStyle(e).animationName !== 'none').length"
        )
    assert moving == 0


@pytest.mark.parametrize("kind", PAGES)
def test_without_scripts_the_page_says_the_same(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    said = []
    for scripts in (True, False):
        with looking_at(chromium, made(kind), 1400, java_script_enabled=scripts) as shown:
            said.append(shown.locator("main").inner_text().replace("Show rows that contain\n", "").split())
    assert said[0] == said[1]


@pytest.mark.parametrize("kind", ["report", "report-place", "report-practice"])
def test_a_board_gets_two_pages(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    """What it gets stands first, and ends within two sheets of A4 (269 by 184 mm are written on)."""
    with looking_at(chromium, made(kind), round(184 / 25.4 * 96)) as shown:
        shown.emulate_media(media="print")
        order = shown.evaluate("[...document.querySelectorAll('main > section[id]')].map(s => s.className)")
        first = order.count("board")
        assert first >= 2
        assert order[:first] == ["board"] * first
        end = shown.evaluate("document.querySelector('.board-end').getBoundingClientRect().top")
        assert end < 2 * 269 / 25.4 * 96
        whole = shown.pdf(prefer_css_page_size=True, page_ranges="1")
        assert len(whole) > 10_000, "the first page has something on it"


def test_the_validation_prints_on_few_pages(chromium: Any, made: Callable[[str], Path]) -> None:
    with looking_at(chromium, made("validation"), 1400) as shown:
        assert len(re.findall(rb"/Type\s*/Page\b", shown.pdf(prefer_css_page_size=True))) <= 7


def test_the_heads_of_tables_are_painted_again_on_each_sheet(chromium: Any, made: Callable[[str], Path]) -> None:
    """Chromium leaves out a control in a head that it repeats, unless the control has no box of its own. And nothing
    that only a screen reader hears takes a sheet."""
    with looking_at(chromium, made("report"), 1400) as shown:
        shown.emulate_media(media="print")
        buttons = shown.evaluate("[...document.querySelectorAll('thead button')].map(e => getComputedStyle(e).display)")
        assert set(buttons) == {"contents"}
        assert shown.evaluate("getComputedStyle(document.querySelector('#said')).display") == "none"


def test_each_sheet_says_what_it_is_of(chromium: Any, made: Callable[[str], Path]) -> None:
    """The running title is a string of the style sheet, whatever the name has in it."""
    with looking_at(chromium, made("report"), 1400) as shown:
        rules = shown.evaluate(
            "[...document.styleSheets].flatMap(s => [...s.cssRules]).filter(r => r instanceof CSSPageRule)"
            ".map(r => r.cssText).join(' ')"
        )
        title = shown.title()
    assert title.endswith("30 June 2026")
    assert f'content: "{title}"' in rules


@pytest.mark.parametrize("kind", ["report", "report-place", "parts"])
def test_names_stay_beside_their_figures_on_a_phone(kind: str, chromium: Any, made: Callable[[str], Path]) -> None:
    """While a table is scrolled sideways; what is under a name is not seen through it, and the last column can be seen
    whole."""
    with looking_at(chromium, made(kind), 390) as shown:
        shown.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = shown.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 20).map(s => {"
            " s.scrollLeft = s.scrollWidth; const row = s.querySelector('tbody tr:has(td)');"
            " const name = row.cells[0], last = row.cells[row.cells.length - 1];"
            " return [name.getBoundingClientRect().left - s.getBoundingClientRect().left,"
            " getComputedStyle(name).backgroundColor, name.getBoundingClientRect().width,"
            " last.getBoundingClientRect().left - name.getBoundingClientRect().right, s.querySelector('table').id] })"
        )
    assert found or kind == "parts"
    for left, colour, width, room, table in found:
        assert abs(left) <= 1, table
        assert re.fullmatch(r"rgb\(.*\)", colour), (table, colour)
        assert width >= 120, table
        assert room >= -1, table
