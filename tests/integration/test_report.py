"""``popstrat report``: every number of a page of each level worked out again from the metrics file, links, refusals."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from read_page import Page, Table, read_page

from popstrat import synthetic
from popstrat.cli import run

DAY = dt.date(2026, 6, 30)
AS_OF = DAY.isoformat()
MONTHS = [dt.date(2025, m, 28) for m in range(6, 13)] + [dt.date(2026, m, 28) for m in range(1, 6)]
WITHHELD, NOTHING = "withheld", "–"
Row = Mapping[str, Any]
LAYOUT = tomllib.loads((resources.files("popstrat.pages.report") / "layout.toml").read_text(encoding="utf-8"))
HEADLINE = LAYOUT["headline"]["metrics"]
RECORDS, COLOURS = (
    {m for k in LAYOUT["kind"] if k["id"] == kind for m in k["metrics"]} for kind in ("records", "colours")
)


def listed(people: int = 6_000) -> pa.Table:
    """A list of twelve practices in two places."""
    table = synthetic.table(people, seed=5, as_of=DAY, practices=12)
    near = sorted(set(table["neighbourhood"].to_pylist()))
    places = [
        "Elmford" if name in near[len(near) // 2 :] else "Ashmarsh & Lea" for name in table["neighbourhood"].to_pylist()
    ]
    return table.set_column(table.schema.get_field_index("place"), "place", pa.array(places))


def caseload(table: pa.Table) -> str:
    ids = table["patient_id"].to_pylist()
    rows = [
        f"{key},{'frailty_int' if i % 3 else 'mltc_int'},{dt.date(2025, 9, 1) + dt.timedelta(days=i % 300)},"
        f"{'2026-05-01' if i % 2 else ''}"
        for i, key in enumerate(ids[::60])
    ]
    return "patient_id,cohort,start,care_plan_date\n" + "\n".join(rows) + "\n"


PLAN = """metric,level,area,date,value
int_floor,place,Ashmarsh & Lea,2026-03-31,20
int_floor,place,Ashmarsh & Lea,2026-09-30,60
int_floor,place,Elmford,2026-03-31,40
int_floor,place,Elmford,2026-09-30,90
blood_pressure_at_target,icb,all,2026-03-31,0.70
blood_pressure_at_target,icb,all,2027-03-31,0.80
"""


def with_record(table: pa.Table, record: Mapping[str, Any], path: Path, day: dt.date) -> None:
    """A metrics file of another day, with its record."""
    dated = table.set_column(0, table.schema.field(0), pa.array([day] * len(table), pa.date32()))
    pq.write_table(dated, path)
    about = {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    told = {**record, "as_of": day.isoformat(), "output": about}
    path.with_name(path.name + ".run.json").write_text(json.dumps(told))


def another_month(table: pa.Table, seed: int) -> pa.Table:
    """The same figures, a little different."""
    rng = np.random.default_rng(seed)
    at = table.schema.get_field_index("value")
    value = np.array([np.nan if v is None else v for v in table["value"].to_pylist()])
    moved = value * (1 + rng.normal(0, 0.02, len(value)) + 0.01 * seed / 12)
    share = np.array([m in ("proportion", "coverage") for m in table["measure"].to_pylist()])
    moved = np.where(share & (value <= 1), np.minimum(moved, 1.0), moved)
    return table.set_column(at, table.schema.field(at), pa.array(moved, mask=~np.isfinite(moved)))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exact figures of June with twelve months before, a caseload, a plan and who moved; and June under control."""
    folder = tmp_path_factory.mktemp("report")
    table = listed()
    pq.write_table(table, folder / "list.parquet")
    (folder / "caseload.csv").write_text(caseload(table))
    (folder / "plan.csv").write_text(PLAN)
    quiet = ("--as-of", AS_OF, "-q")
    beside = ("--caseload", f"{folder}/caseload.csv", "--plan", f"{folder}/plan.csv")
    exact = ("--no-disclosure-control", *beside, *quiet)
    lists = f"{folder}/list.parquet"
    assert run(["metrics", lists, "-o", f"{folder}/first.parquet", *exact]) == 0
    (folder / "history").mkdir()
    first, record = pq.read_table(folder / "first.parquet"), json.loads((folder / "first.parquet.run.json").read_text())
    for number, day in enumerate(MONTHS):
        with_record(another_month(first, number), record, folder / f"history/{day:%Y-%m}.parquet", day)
    assert run(["score", lists, "--as-of", "2026-05-31", "-o", f"{folder}/may.parquet", "-q"]) == 0
    more = ("--history", f"{folder}/history", "--previous", f"{folder}/may.parquet")
    assert run(["metrics", lists, "-o", f"{folder}/exact.parquet", *exact, *more]) == 0
    assert run(["metrics", lists, "-o", f"{folder}/shown.parquet", *quiet, "--caseload", f"{folder}/caseload.csv"]) == 0
    history = sorted(str(p) for p in (folder / "history").glob("*.parquet"))
    assert (
        run(["report", f"{folder}/exact.parquet", *history, "-o", f"{folder}/exact", "--title", "Test ICB", "-q"]) == 0
    )
    assert run(["report", f"{folder}/shown.parquet", "-o", f"{folder}/shown", "-q"]) == 0
    return folder


# -- every number of three pages, worked out again ---------------------------------------------------------------------


def percent(share: float) -> str:
    value = 100 * share
    digits = 2 if 0 < abs(value) < 0.995 else 1
    least = 10.0**-digits
    if 0 < value < least / 2:
        return f"under {least}%"
    if 100 - least / 2 < value < 100:
        return "over 99.9%"
    return f"{value + 0.0:.{digits}f}%".replace("-", "−")


def points(difference: float) -> str:
    value = round(100 * difference, 1) + 0.0
    return f"{value:+.1f} points".replace("-", "−") if value else "0.0 points"


def people(number: float | None) -> str:
    return NOTHING if number is None else f"{round(number):,}".replace("-", "−")


def target(share: float) -> str:
    return f"{100 * share:.10g}%"


KEYS = ("level", "area", "metric", "measure", "cohort", "group_by", "group")
Index = Mapping[tuple[Any, ...], Row]


@cache
def indexed(path: Path) -> Index:
    """The rows of a metrics file, each by what it is of."""
    rows = pl.read_parquet(path).rows(named=True)
    found = {tuple(row[key] for key in KEYS): row for row in rows}
    assert len(found) == len(rows)
    return found


class Figures:
    """A metrics file, and the months before it, looked up a figure at a time."""

    def __init__(self, path: Path, record: Mapping[str, Any], before: Path | None = None) -> None:
        self.rows, self.index = pl.read_parquet(path), indexed(path)
        self.titles = {m["id"].partition("@")[0]: m for m in reversed(record["metrics"])}
        self.order = list(dict.fromkeys(m["id"].partition("@")[0] for m in record["metrics"]))
        self.before = None if before is None else indexed(before)
        self.within = record["practices"]

    def find(
        self,
        level: str,
        area: str,
        metric: str,
        *,
        measure: str | None = None,
        cohort: str | None = None,
        by: str = "none",
        group: str | None = None,
        rows: Index | None = None,
    ) -> Row | None:
        told = self.titles.get(metric, {})
        measure, cohort = measure or told.get("measure", "proportion"), cohort or told.get("cohort", "all")
        index = self.index if rows is None else rows
        return index.get((level, area, metric, measure, cohort, by, group))

    def then(self, level: str, area: str, metric: str, **of: Any) -> Row | None:
        return None if self.before is None else self.find(level, area, metric, rows=self.before, **of)

    def practices(self, level: str, area: str) -> list[str]:
        if level == "practice":
            return [area]
        return sorted(code for code, told in self.within.items() if level == "icb" or told[level] == area)


class Check:
    """Cells of one page against the figures; every cell of every table must be looked at."""

    def __init__(self, figures: Figures, level: str, area: str, page: Page) -> None:
        self.f, self.level, self.area, self.page = figures, level, area, page
        self.seen = 0

    def get(self, metric: str, **of: Any) -> Row | None:
        return self.f.find(self.level, self.area, metric, **of)

    def find_in(self, file: Path, metric: str) -> float | None:
        row = self.f.find(self.level, self.area, metric, rows=indexed(file))
        return None if row is None else row["value"]

    def number(self, row: Row | None, name: str) -> str:
        if row is None:
            return NOTHING
        if row[name] is None:
            return WITHHELD if row["suppressed"] or "withheld" in (row["reason"] or "") else NOTHING
        return people(row[name])

    def is_rate(self, metric: str) -> bool:
        return bool(self.f.titles[metric]["measure"] == "rate_per_1000")

    def write(self, metric: str, value: float | None) -> str:
        if value is None:
            return NOTHING
        return f"{round(value, 1) + 0.0:,.1f}".replace("-", "−") if self.is_rate(metric) else percent(value)

    def value(self, metric: str, row: Row | None) -> str:
        if row is not None and row["value"] is not None:
            return self.write(metric, row["value"])
        held = row is not None and (row["suppressed"] or "withheld" in (row["reason"] or ""))
        return WITHHELD if held else NOTHING

    def change(self, metric: str, row: Row | None) -> str:
        if row is None or row["value"] is None or row["previous"] is None:
            return NOTHING
        moved = row["value"] - row["previous"]
        if self.is_rate(metric):
            text = f"{round(moved, 1) + 0.0:,.1f}".replace("-", "−")
            return f"+{text}" if moved > 0 else text
        return points(moved)

    def span(self, metric: str, low: float | None, high: float | None) -> str:
        if low is None or high is None:
            return NOTHING
        a, b = self.write(metric, low), self.write(metric, high)
        if not (a[0].isdigit() and b[0].isdigit()):
            return f"{a} to {b}"
        return f"{a.removesuffix('%') if b.endswith('%') else a}–{b}"

    def same(self, table: Table, row: int, expected: list[str | None]) -> None:
        """A row's cells; None for a name, which its link is the proof of."""
        cells = table.rows[row]
        assert len(cells) == len(expected) == len(table.heads), (table.id, table.heads, expected)
        for cell, text, head in zip(cells, expected, table.heads, strict=True):
            if text is not None:
                assert cell.text == text, (table.id, cells[0].text, head, cell.text, text)
            self.seen += 1

    def table(self, ident: str, expected: Callable[[str, list[str]], list[str | None]]) -> None:
        """A table whose rows are each of one metric, which the first link tells."""
        if ident not in self.page.tables:
            return
        table = self.page.tables.pop(ident)
        for i, cells in enumerate(table.rows):
            linked = next(cell.href for cell in cells if "definitions.html#" in cell.href)
            self.same(table, i, expected(linked.partition("#")[2], [cell.text for cell in cells]))

    def position(self, row: Row) -> int:
        if row["limit_95_low"] is None or row["value"] is None:
            return 0
        up = (row["value"] > row["limit_95_high"]) + (row["value"] > row["limit_998_high"])
        down = (row["value"] < row["limit_95_low"]) + (row["value"] < row["limit_998_low"])
        return int(up) - int(down)


WHERE = {
    -2: "below the 99.8% limits",
    -1: "below the 95% limits",
    0: "within the limits",
    1: "above the 95% limits",
    2: "above the 99.8% limits",
}
SIGNALS = {
    "beyond_3_sigma": ("far above its average", "far below its average", "far from its average"),
    "seven_on_one_side": (
        "above its average for seven months",
        "below its average for seven months",
        "on one side of its average for seven months",
    ),
    "seven_rising_or_falling": (
        "rising for seven months",
        "falling for seven months",
        "moving one way for seven months",
    ),
    "two_of_three_beyond_2_sigma": (
        "well above its average in two of three months",
        "well below its average in two of three months",
        "well off its average in two of three months",
    ),
}


def signal_parts(c: Check, metric: str, row: Row) -> tuple[str, str] | None:
    """The words of a signal and what it means, from the files of all months; None for no more than chance."""
    if row["signal"] == "none":
        return None
    months = [c.find_in(file, metric) for file in sorted(HISTORY[0].glob("*.parquet"))]
    values = [v for v in (*months, row["value"]) if v is not None]
    if len({c.write(metric, v) for v in values}) == 1:
        return None
    off, moved = row["value"] - sum(values) / len(values), row["value"] - row["previous"]
    rules = row["signal"].split("+")
    ways = [moved if rule == "seven_rising_or_falling" else off for rule in rules]
    words = [SIGNALS[rule][0 if way > 0 else 1 if way < 0 else 2] for rule, way in zip(rules, ways, strict=True)]
    way, good = moved if rules == ["seven_rising_or_falling"] else off, c.f.titles[metric]["good"]
    means = "" if not way or good == "none" else "better" if (way > 0) == (good == "high") else "worse"
    return ", ".join(words), means


def signal(c: Check, metric: str, row: Row) -> str:
    if not row["signal"]:
        return NOTHING
    found = signal_parts(c, metric, row)
    if found is None:
        return "no more than chance"
    return f"more than chance: {found[1]}" if found[1] else "more than chance"


def check_page(c: Check, top: bool) -> None:
    """All tables of a page."""

    def all_of(metric: str) -> list[str]:
        return [] if top else [c.value(metric, c.f.find("icb", "all", metric))]

    def segments(published: Mapping[str, str]) -> Callable[[str, list[str]], list[str | None]]:
        def row(metric: str, cells: list[str]) -> list[str | None]:
            one = c.get(metric)
            assert one is not None
            found = [None, c.number(one, "numerator"), c.value(metric, one), c.span(metric, one["low"], one["high"])]
            if c.f.before is not None:
                found += [c.write(metric, one["previous"]), c.change(metric, one)]
            return [*found, *([published[metric]] if published else []), *all_of(metric)]

        return row

    nwl = {
        "nwl_specialist_end_of_life": "0.7%",
        "nwl_high": "2.9%",
        "nwl_rising": "0.6%",
        "nwl_stable": "19%",
        "nwl_well": "77%",
    }
    c.table("nwl-t", segments(nwl))
    c.table("bridges-t", segments({}))
    c.table("whole_systems-t", segments({}))

    def colour(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        return [
            None,
            c.number(one, "numerator"),
            c.value(metric, one),
            c.write(metric, one["previous"]),
            c.change(metric, one),
            *all_of(metric),
        ]

    c.table("need-t", colour)
    c.table("cvrm-t", colour)

    _drivers(c, top)

    def recorded(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        where = WHERE[c.position(one)] if one["limit_95_low"] is not None else NOTHING
        return [
            None,
            c.number(one, "numerator"),
            c.number(one, "denominator"),
            c.value(metric, one),
            c.write(metric, one["previous"]),
            *all_of(metric),
            *([] if top else [where]),
        ]

    c.table("recorded-t", recorded)
    _recorded_by_practice(c)

    def every(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        return [
            None,
            c.value(metric, one),
            c.span(metric, one["low"], one["high"]),
            c.number(one, "numerator"),
            c.number(one, "denominator"),
            c.write(metric, one["previous"]),
            *all_of(metric),
            signal(c, metric, one),
        ]

    figures = {cells[0].href.partition("#")[2] for cells in c.page.tables["figures-t"].rows}
    here = c.f.rows.filter(
        pl.col("level") == c.level,
        pl.col("area") == c.area,
        pl.col("group_by") == "none",
        pl.col("measure").is_in(["proportion", "rate_per_1000", "coverage"]),
    )
    computed = {m for m, told in c.f.titles.items() if told["reason"] is None}
    assert figures == set(here["metric"].to_list()) & computed - {"caseload_active"}
    c.table("figures-t", every)

    def limits(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        at, good = c.position(one), c.f.titles[metric]["good"]
        side = "" if not at else ": worse" if (at < 0) == (good == "high") else ": better"
        return [
            None,
            c.value(metric, one),
            c.value(metric, c.f.find("icb", "all", metric)),
            c.span(metric, one["limit_95_low"], one["limit_95_high"]),
            c.span(metric, one["limit_998_low"], one["limit_998_high"]),
            WHERE[at] + side,
        ]

    c.table("limits-t", limits)
    _funnels(c)
    _needs(c)
    _inequality(c)
    _groups(c)
    _changes(c)
    _prize(c)
    _coverage(c)
    _by_age(c)
    _moved(c)
    _kept(c)


def _recorded_by_practice(c: Check) -> None:
    """What is recorded in each practice, and which of them record least."""
    table = c.page.tables.pop("recorded-areas-t", None)
    assert (table is None) == (c.level == "practice")
    if table is None:
        return
    known = [m for m in LAYOUT["recorded"]["metrics"] if m in c.f.titles and c.f.titles[m]["reason"] is None]
    assert table.heads[1:] == [c.f.titles[m]["title"].replace(" recorded", "") for m in known]
    assert [cells[0].text for cells in table.rows] == c.f.practices(c.level, c.area)
    for i, cells in enumerate(table.rows):
        found: list[str | None] = [None]
        for metric in known:
            one = c.f.find("practice", cells[0].text, metric)
            low = one is not None and c.position(one) == (-2 if c.f.titles[metric]["good"] == "high" else 2)
            found.append(c.value(metric, one) + (" ▼" if low else ""))
        c.same(table, i, found)
    kept, points = points_of(c)
    records = [m for m in kept if m in RECORDS]
    poor: dict[str, int] = {}
    for row in points.filter(pl.col("metric").is_in(records)).iter_rows(named=True):
        if c.position(row) == (-2 if c.f.titles[row["metric"]]["good"] == "high" else 2):
            poor[row["area"]] = poor.get(row["area"], 0) + 1
    most = max(poor.values(), default=0)
    said = f"least: below the 99.8% limits in {most} of {len(records)} kinds of record"
    assert (said in c.page.text) == (most >= 2)


def inside(title: str) -> str:
    return title if title.split(" ")[0][1:2].isupper() else title[:1].lower() + title[1:]


def most_of(c: Check, at: tuple[str, str], driver: Mapping[str, Any]) -> list[tuple[str | None, list[str], bool]]:
    """What is most frequent in some people of an area, of their conditions and of the medicines they miss; what is not
    shown and might be larger; and whether something is withheld."""
    words = {"not optimised": "unoptimised", "undiagnosed": "undiagnosed"}
    conditions = {
        f"{inside(one['label'].partition(' (')[0])} {said}": one[status]
        for one in driver["conditions"]
        for said, status in words.items()
        if status in one
    }
    medicines = {inside(one["label"]): one["metric"] for one in driver["treatments"]}
    answers: list[tuple[str | None, list[str], bool]] = []
    for every in (conditions, medicines):
        found = {name: c.f.find(*at, metric) for name, metric in every.items() if metric in c.f.titles}
        shown = {name: one["numerator"] for name, one in found.items() if one and one["numerator"] is not None}
        name = max(shown, key=lambda name: shown[name], default="")
        larger = []
        for kept in found.keys() - shown.keys():
            # it is no more than all of them, less those who have the condition the other way; and no more than the
            # same in all adults
            row = found[kept]
            most = math.inf if row is None or row["denominator"] is None else row["denominator"] + 2
            if "of" in driver:
                other = kept.replace("undiagnosed", "not optimised")
                other = other if other != kept else kept.replace("not optimised", "undiagnosed")
                most -= max(shown.get(other, 0) - 2, 0)
                among = c.f.find(*at, every[kept].removeprefix("cvrm_red_"))
                if among and among["numerator"] is not None:
                    most = min(most, among["numerator"] + 2)
            if most > (shown[name] - 2 if name else 0):
                larger.append(kept)
        larger.sort(key=list(found).index)
        held = any(one and (one["suppressed"] or "withheld" in (one["reason"] or "")) for one in found.values())
        said = None
        if name:
            one = found[name]
            assert one is not None
            share = "" if one["value"] is None else f", {percent(one['value'])}"
            said = f"{name} ({people(one['numerator'])} people{share})"
        answers.append((said, larger, held))
    return answers


def _drivers(c: Check, top: bool) -> None:
    """What drives red, and the same of all adults: each cell, the sentences above them, and the areas within."""

    def share(metric: str) -> list[str]:
        if metric not in c.f.titles:
            return [NOTHING] * (2 if top else 3)
        one = c.get(metric)
        every = [] if top else [c.value(metric, c.f.find("icb", "all", metric))]
        return [c.number(one, "numerator"), c.value(metric, one), *every]

    for who in ("red", "adults"):
        of = [] if who == "red" else ["denominator"]

        def conditions(metric: str, cells: list[str], of: list[str] = of) -> list[str | None]:
            whole = [c.number(c.get(metric), name) for name in of]
            return [None, *whole, *share(metric), *share(metric.replace("_unoptimised", "_undiagnosed"))]

        def medicines(metric: str, cells: list[str], of: list[str] = of) -> list[str | None]:
            number, *rest = share(metric)
            return [None, number, *(c.number(c.get(metric), name) for name in of), *rest]

        assert {f"{who}-conditions-t", f"{who}-medicines-t"} <= c.page.tables.keys()
        c.table(f"{who}-conditions-t", conditions)
        c.table(f"{who}-medicines-t", medicines)
    for driver in LAYOUT["drivers"]:
        for (said, larger, _), known, unknown in zip(
            most_of(c, (c.level, c.area), driver),
            ("Most frequent", "Medicine missing most often"),
            ("Which is most frequent", "Which medicine is missing most often"),
            strict=True,
        ):
            if said is None:
                told = f"{unknown} cannot be said here: no count is shown."
            elif not larger:
                told = f"{known}: {said}."
            else:
                named = " and ".join([", ".join(larger[:-1]), larger[-1]]) if len(larger) > 1 else larger[0]
                verb = "are" if len(larger) > 1 else "is"
                told = (
                    f"{known} of those shown: {said}. {named[0].upper()}{named[1:]} {verb} withheld and may be larger."
                )
            assert told in c.page.text
    table = c.page.tables.pop("red-areas-t", None)
    assert (table is None) == (c.level == "practice")
    for i, cells in enumerate(table.rows if table else []):
        assert table is not None
        level = {"Places": "place", "Neighbourhoods": "neighbourhood", "Practices": "practice"}[table.heads[0]]
        at = (level, cells[0].text)
        red = c.f.find(*at, "cvrm_rag_red")
        most = [
            (WITHHELD if held else NOTHING) if said is None else said + (", of those shown" if larger else "")
            for said, larger, held in most_of(c, at, LAYOUT["drivers"][0])
        ]
        c.same(table, i, [None, c.number(red, "numerator"), c.value("cvrm_rag_red", red), *most])


def _funnels(c: Check) -> None:
    for ident in [one for one in c.page.tables if one.startswith("funnel-")]:
        metric, table = ident.removeprefix("funnel-").removesuffix("-t"), c.page.tables.pop(ident)
        assert [cells[0].text for cells in table.rows] == c.f.practices(c.level, c.area)
        for i, cells in enumerate(table.rows):
            one = c.f.find("practice", cells[0].text, metric)
            assert one is not None
            where = WHERE[c.position(one)] if one["value"] is not None else c.value(metric, one)
            c.same(
                table,
                i,
                [
                    None,
                    c.number(one, "denominator"),
                    c.value(metric, one),
                    c.span(metric, one["limit_95_low"], one["limit_95_high"]),
                    c.span(metric, one["limit_998_low"], one["limit_998_high"]),
                    where,
                ],
            )


Counts = Mapping[str, Mapping[str, tuple[int, int]]]


def counts_of(c: Check, limited: bool) -> tuple[pl.DataFrame, Counts]:
    """The figures of practices that have a good side (those with limits, which are looked at, or all), and of each its
    counts by practice."""
    kinds = ["proportion", "rate_per_1000", "coverage"]
    rows = c.f.rows.filter(
        pl.col("level") == "practice",
        pl.col("group_by") == "none",
        pl.col("limit_95_low").is_not_null() | (not limited),
        pl.col("measure").is_in(kinds),
    )
    told = {m: one for m, one in c.f.titles.items() if one["reason"] is None and one["good"] != "none"}
    rows = rows.filter(
        [
            told.get(m, {}).get("cohort") == cohort and told.get(m, {}).get("measure") == measure
            for m, cohort, measure in rows.select("metric", "cohort", "measure").iter_rows()
        ]
    )
    counts = {
        m: {
            area: (k, n)
            for area, k, n in part.select("area", "numerator", "denominator").iter_rows()
            if k is not None and n is not None
        }
        for (m,), part in rows.group_by("metric")
    }
    return rows, counts


def same_count(c: Check, counts: Counts, metric: str, other: str) -> bool:
    """Whether two figures count the same people in every practice, or one those whom the other leaves."""
    a, b = counts.get(metric, {}), counts.get(other, {})
    both = set(a) & set(b)
    if not a or 2 * len(both) < max(len(a), len(b)) or any(a[area][1] != b[area][1] for area in both):
        return False
    if c.f.titles[metric]["good"] == c.f.titles[other]["good"]:
        return all(a[area][0] == b[area][0] for area in both)
    return all(-5 <= a[area][0] + b[area][0] - a[area][1] <= 5 for area in both)


def points_of(c: Check, limited: bool = True) -> tuple[list[str], pl.DataFrame]:
    """The figures of practices, each count once, and their points in the practices of the area."""
    rows, counts = counts_of(c, limited)
    kept: list[str] = []
    for metric in [*(m for m in HEADLINE if m in counts), *(m for m in c.f.order if m in counts and m not in HEADLINE)]:
        if counts[metric] and not any(same_count(c, counts, metric, other) for other in kept):
            kept.append(metric)
    here = rows.filter(pl.col("metric").is_in(kept), pl.col("area").is_in(c.f.practices(c.level, c.area)))
    return kept, here.filter(pl.col("value").is_not_null())


def _needs(c: Check) -> None:
    """Every practice outside its limits on the wrong side, in whatever figure."""
    kept, points = points_of(c)
    good = {m: c.f.titles[m]["good"] for m in kept}
    wrong: dict[tuple[str, str], Row] = {}
    better = 0
    for row in points.iter_rows(named=True):
        at = c.position(row)
        if at and (at < 0) == (good[row["metric"]] == "high"):
            wrong[row["area"], row["metric"]] = row
        else:
            better += abs(at) == 2
    outer = {key for key, row in wrong.items() if abs(c.position(row)) == 2}
    single = c.level == "practice"
    listed: dict[str, list[tuple[str, str]]] = {}
    for ident in ("help-t", "help-records-t", "help-all-t"):
        table = c.page.tables.pop(ident, None)
        for i, cells in enumerate(table.rows if table else []):
            assert table is not None
            practice = c.area if single else cells[0].text
            metric = cells[0 if single else 1].href.partition("#")[2]
            listed.setdefault(ident, []).append((practice, metric))
            one, all_ = wrong[practice, metric], c.f.find("icb", "all", metric)
            assert all_ is not None
            off = None if all_["value"] is None else one["value"] - all_["value"]
            rate = c.is_rate(metric)
            told = NOTHING
            if off is not None:
                told = people(abs(off) * one["denominator"] / (1000 if rate else 1)) + (" events" if rate else "")
            by = NOTHING if off is None else c.change(metric, {"value": one["value"], "previous": all_["value"]})
            limits = "99.8%" if abs(c.position(one)) == 2 else "95%"
            side = f"too {'low' if c.position(one) < 0 else 'high'} ({limits} limits)"
            expected = [
                None,
                side,
                c.value(metric, one),
                c.value(metric, all_),
                by,
                told,
                c.span(metric, one["limit_998_low"], one["limit_998_high"]),
            ]
            c.same(table, i, expected if single else [None, *expected])
    care_, records = listed.get("help-t", []), listed.get("help-records-t", [])
    every = listed.get("help-all-t", [*care_, *records])
    assert set(every) == set(wrong)
    assert not {m for _, m in care_} & RECORDS, "a gap in the record is no help for people"
    assert {m for _, m in records} <= RECORDS
    for some, mine in (
        (care_, [k for k in every if k[1] not in RECORDS]),
        (records, [k for k in every if k[1] in RECORDS]),
    ):
        assert some == mine[: len(some)], "the worst stand first"
        assert some or not outer & set(mine)
    if "help-all-t" in listed:
        assert set(every[: len(outer)]) == outer, "those outside the outer limits stand first"
        last = [metric in RECORDS for _, metric in every[: len(outer)]]
        assert last == sorted(last), "records stand last"
    else:
        every = sorted(every, key=lambda key: (key not in outer, every.index(key)))
    care = [key for key in every[: len(outer)] if key[1] in HEADLINE and not c.is_rate(key[1])]
    gains = [abs(wrong[k]["value"] - c.f.find("icb", "all", k[1])["value"]) * wrong[k]["denominator"] for k in care]
    assert gains == sorted(gains, reverse=True)
    if "help-all-t" in listed:
        inner = people(len(wrong) - len(outer))
        told = f"{people(len(outer))} beyond the 99.8% limits, {inner} more" if outer else inner
        told = f"{people(len(outer))} beyond the 99.8% limits" if len(wrong) == len(outer) else told
        assert f"All {people(len(wrong))}: {told}" in c.page.text
    expected = 0.001 * len(points)
    fewer = sum(math.exp(-expected) * expected**k / math.factorial(k) for k in range(len(outer)))
    often = len(outer) > 0 and 1 - fewer >= 0.05
    assert (f"such point{'s' * (len(outer) > 1)} in {people(len(points))} " in c.page.text) == often
    assert ("what chance alone gives" in c.page.text) == often
    assert "help most with" not in c.page.text or not often
    table = c.page.tables.pop("chance-t")
    assert table.caption.startswith(
        f"{people(len(points))} points were looked at: {points['metric'].n_unique()} figure"
    )

    def chance(share: float) -> str:
        expected = share * len(points)
        return f"about {expected:,.{0 if expected >= 10 else 1 if expected >= 1 else 2}f}"

    for i, (found, share) in enumerate(((len(outer), 0.001), (len(wrong), 0.025), (better, 0.001))):
        c.same(table, i, [None, people(found), chance(share)])


def _groups(c: Check) -> None:
    """Every figure by sex, age and whatever else people are divided by."""
    for ident in [one for one in c.page.tables if one.startswith("by-")]:
        by, table = ident.removeprefix("by-").removesuffix("-t"), c.page.tables.pop(ident)
        heads = {head.replace("–", "-").lower(): i for i, head in enumerate(table.heads)}
        here = c.f.rows.filter(pl.col("level") == c.level, pl.col("area") == c.area, pl.col("group_by") == by)
        assert heads.keys() - {"figure", "everybody"} == {g.lower() for g in here["group"].drop_nulls()}
        for i, cells in enumerate(table.rows):
            metric = cells[0].href.partition("#")[2]
            groups = {g.lower(): g for g in here["group"].drop_nulls()}
            found = [c.value(metric, c.get(metric, by=by, group=groups[g])) for g in heads if g in groups]
            c.same(table, i, [None, *found, c.value(metric, c.get(metric))])


def _inequality(c: Check) -> None:
    def difference(metric: str, row: Row | None, ends: bool = False) -> str:
        if row is None or row["low" if ends else "value"] is None:
            return NOTHING if row is None or ends or "withheld" not in (row["reason"] or "") else WITHHELD

        def one(value: float) -> str:
            if c.is_rate(metric):
                return ("+" if value > 0 else "") + f"{round(value, 1) + 0.0:,.1f}".replace("-", "−")
            return points(value)

        if not ends:
            return one(row["value"])
        low, high = one(row["low"]).removesuffix(" points"), one(row["high"])
        return f"{low}–{high}" if low[0].isdigit() and high[0].isdigit() else f"{low} to {high}"

    def since(metric: str, gap: Row | None) -> list[str]:
        """The gap of a year ago, and whether it is wider or narrower now by more than chance."""
        if gap is None or gap["year_ago"] is None:
            return [NOTHING, NOTHING]
        then = difference(metric, {"value": gap["year_ago"], "low": None, "high": None})
        if gap["value"] is None or gap["low"] is None:
            return [then, NOTHING]
        if gap["low"] <= gap["year_ago"] <= gap["high"]:
            return [then, "no clear change"]
        return [then, "wider" if abs(gap["value"]) > abs(gap["year_ago"]) else "narrower"]

    def gaps(metric: str, cells: list[str]) -> list[str | None]:
        found = {
            m: c.get(metric, measure=m, by="imd_quintile") or c.get(metric, measure=m)
            for m in ("gap_absolute", "gap_relative", "slope_index")
        }
        gap, ratio, slope = found.values()
        held = ratio is not None and "withheld" in (ratio["reason"] or "")
        said = (
            f"{ratio['value']:.2f}"
            if ratio is not None and ratio["value"] is not None
            else WITHHELD
            if held
            else NOTHING
        )
        ends = NOTHING
        if ratio is not None and ratio["low"] is not None and ratio["high"] is not None:
            ends = f"{ratio['low']:,.2f}–{ratio['high']:,.2f}"
        return [
            None,
            c.value(metric, c.get(metric, by="imd_quintile", group="1")),
            c.value(metric, c.get(metric, by="imd_quintile", group="5")),
            difference(metric, gap),
            difference(metric, gap, True),
            *(since(metric, gap) if c.f.before is not None else []),
            said,
            ends,
            difference(metric, slope),
            difference(metric, slope, True),
        ]

    _told_of_gaps(c)
    c.table("gaps-t", gaps)
    for by, groups in (("imd_quintile", "12345"), ("ethnicity", ("white", "mixed", "asian", "black", "other"))):

        def values(metric: str, cells: list[str], by: str = by, groups: Any = groups) -> list[str | None]:
            found = [c.value(metric, c.get(metric, by=by, group=group)) for group in (*groups, "unknown")]
            return [None, *found, c.value(metric, c.get(metric))]

        c.table(f"by-{by}-t", values)


def _told_of_gaps(c: Check) -> None:
    """The sentence above the gaps: in how many figures the most deprived fifth is clearly worse off."""
    known, worse = 0, []
    for metric in LAYOUT["inequality"]["metrics"]:
        gap = c.get(metric, measure="gap_absolute", by="imd_quintile") or c.get(metric, measure="gap_absolute")
        ends = [c.get(metric, by="imd_quintile", group=group) for group in "15"]
        if metric not in c.f.titles or c.f.titles[metric]["reason"] is not None or gap is None:
            continue
        known += 1
        good = c.f.titles[metric]["good"]
        if gap["low"] is None or any(one is None or one["value"] is None for one in ends) or good == "none":
            continue
        if (gap["high"] < 0) if good == "high" else (gap["low"] > 0):
            worse.append(metric)
    if known and worse:
        said = f"worse off by more than chance in {len(worse)} of {known} figures"
        assert said in c.page.text
    elif known:
        assert f"In none of {known} figures is the most deprived fifth worse off by more than chance" in c.page.text


def _told_of_changes(c: Check) -> None:
    """The sentence above the changes: those of most people, and because of whom."""
    kept, _ = points_of(c)
    found = []
    for metric in (m for m in HEADLINE if m in kept and not c.is_rate(m)):
        one, then = c.get(metric), c.f.then(c.level, c.area, metric)
        numbers = [row and row[name] for row in (one, then) for name in ("value", "numerator", "denominator")]
        if one is None or then is None or None in numbers:
            continue
        moved = (one["value"] - then["value"]) * one["denominator"]
        if abs(moved) >= 1 and c.value(metric, one) != c.value(metric, then):
            way = "rose" if moved > 0 else "fell"
            title = c.f.titles[metric]["title"]
            found.append((-abs(moved), f"“{title}” {way} from {c.value(metric, then)} to {c.value(metric, one)} ("))
    found.sort(key=lambda pair: pair[0])
    for n, (_, said) in enumerate(found):
        assert (said in c.page.text) == (n < 3), (said, n)


def _changes(c: Check) -> None:
    _told_of_changes(c)

    def changes(metric: str, cells: list[str]) -> list[str | None]:
        one, then = c.get(metric), c.f.then(c.level, c.area, metric)
        assert one is not None
        parts: list[str] = []
        if c.f.before is not None:
            parts = [f"{people(then[n] if then else None)} to {c.number(one, n)}" for n in ("numerator", "denominator")]
        aim = NOTHING if one["target"] is None else target(one["target"])
        plan = {"on": "G on plan", "off": "R behind plan", None: NOTHING}[one["trajectory"]]
        return [
            None,
            c.write(metric, one["previous"]),
            c.value(metric, one),
            c.change(metric, one),
            *parts,
            c.write(metric, one["year_ago"]),
            signal(c, metric, one),
            aim,
            _shape(plan),
        ]

    c.table("changes-t", changes)

    def signals(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        found = signal_parts(c, metric, one)
        assert found is not None
        return [
            None,
            found[0],
            found[1] or NOTHING,
            c.write(metric, one["previous"]),
            c.value(metric, one),
        ]

    listed = c.page.tables.get("signals-t")
    told = [cells[0].href.partition("#")[2] for cells in listed.rows] if listed else []
    _, counts = counts_of(c, limited=False)
    for metric in (m for m, about in c.f.titles.items() if about["reason"] is None):
        one = c.get(metric)
        if one is not None and one["value"] is not None and signal(c, metric, one).startswith("more than chance"):
            assert metric in told or any(same_count(c, counts, metric, other) for other in told), metric
    assert not any(same_count(c, counts, a, b) for a in told for b in told if a != b), "once in each pair"
    means = [{"worse": 0, "better": 1, NOTHING: 2}[cells[2].text] for cells in listed.rows] if listed else []
    assert means == sorted(means)
    c.table("signals-t", signals)
    for ident in [one for one in c.page.tables if one.startswith("run-")]:
        metric, table = ident.removeprefix("run-").removesuffix("-t"), c.page.tables.pop(ident)
        told = c.f.titles[metric]
        months = []
        for file in sorted((HISTORY[0]).glob("*.parquet")):
            row = c.f.find(c.level, c.area, metric, rows=indexed(file))
            months.append(None if row is None else row["value"])
        one = c.get(metric)
        assert one is not None
        values = [*months, one["value"]]
        assert told["version"] == "1.0"
        assert len(table.rows) == len(values)
        for i, value in enumerate(values):
            c.same(table, i, [None, c.write(metric, value)])
        assert table.rows[-1][0].text == "June 2026"


def _shape(text: str) -> str:
    return text.replace("G on", "Gon").replace("R behind", "Rbehind")


def _prize(c: Check) -> None:
    practices = c.f.practices(c.level, c.area)
    measures = ("prize_median", "prize_upper_quartile", "prize_plan")
    gains = {
        m: c.f.rows.filter(pl.col("measure") == m, pl.col("area").is_in(practices), pl.col("level") == "practice")
        for m in measures
    }

    def total(metric: str, measure: str) -> str:
        found = gains[measure].filter(pl.col("metric") == metric)["value"]
        return people(found.sum()) if len(found) else NOTHING

    def prize(metric: str, cells: list[str]) -> list[str | None]:
        found: list[str | None] = [None]
        if c.level == "practice":
            aims = [c.get(metric, measure=m) for m in measures[:2]]
            found += [c.value(metric, c.get(metric)), *(c.write(metric, a["target"] if a else None) for a in aims)]
        return [*found, *(total(metric, m) for m in measures)]

    listed: dict[str, list[str]] = {}
    for kind in ("care", "use", "colours", "records"):
        table = c.page.tables.get(f"gain-{kind}-t")
        listed[kind] = [cells[0].href.partition("#")[2] for cells in table.rows] if table else []
        c.table(f"gain-{kind}-t", prize)
        gained = [
            max([gains[m].filter(pl.col("metric") == metric)["value"].sum() for m in measures[1:]])
            for metric in listed[kind]
        ]
        assert gained == sorted(gained, reverse=True), "most first, in each kind"
    assert set(listed["records"]) <= RECORDS
    assert set(listed["colours"]) <= COLOURS
    assert not set(listed["care"]) & (RECORDS | COLOURS)
    every = [metric for some in listed.values() for metric in some]
    assert len(every) == len(set(every))
    computed = set(gains["prize_median"]["metric"].to_list()) | set(gains["prize_plan"]["metric"].to_list())
    twins = computed - set(every)
    assert set(every) <= computed
    kept = set(points_of(c, limited=False)[0])
    assert computed & kept == set(every), "what is left out is another's count, or its other side"
    assert {"hypertension_optimised"} & computed <= twins
    for ident in [one for one in c.page.tables if one.startswith("prize-")]:
        metric, table = ident.removeprefix("prize-").removesuffix("-t"), c.page.tables.pop(ident)
        by = max(
            measures[1:], key=lambda m: (gains[m].filter(pl.col("metric") == metric)["value"].sum(), m == measures[1])
        )
        found = gains[by].filter(pl.col("metric") == metric, pl.col("value") >= 0.5)
        found = found.sort(["value", "area"], descending=[True, False]).head(10)
        assert [cells[0].text for cells in table.rows] == found["area"].to_list()
        for i, one in enumerate(found.iter_rows(named=True)):
            c.same(
                table,
                i,
                [
                    None,
                    people(one["denominator"]),
                    c.value(metric, c.f.find("practice", one["area"], metric)),
                    people(one["value"]),
                ],
            )


def _coverage(c: Check) -> None:
    def reached(level: str, area: str) -> tuple[Row | None, Row | None, Row | None]:
        f = c.f.find
        return (
            f(level, area, "int_floor", measure="floor", cohort="all"),
            f(level, area, "int_floor_gap", measure="coverage"),
            f(level, area, "caseload", measure="coverage", cohort="all"),
        )

    def floor_text(row: Row | None) -> str:
        if row is None or row["value"] is None:
            return c.number(row, "value")
        low, high = row["low"], row["high"]
        return people(row["value"]) if low is None else f"{people(low)}–{people(high)}"

    def planned(level: str, area: str) -> tuple[float | None, float | None, str]:
        """People planned by now and next, between the two dates in a straight line; those of places together."""
        if "int_floor_plan" not in set(c.f.rows["metric"]):
            return None, None, ""
        plans = {"Ashmarsh & Lea": (20, 60), "Elmford": (40, 90)}
        share = (DAY - dt.date(2026, 3, 31)) / (dt.date(2026, 9, 30) - dt.date(2026, 3, 31))
        if level == "icb":
            now = sum(a + (b - a) * share for a, b in plans.values())
            return math.ceil(now), sum(b for _, b in plans.values()), " (all places together)"
        if level != "place":
            return None, None, ""
        a, b = plans[area]
        return math.ceil(a + (b - a) * share), b, ""

    floor, gap, on = reached(c.level, c.area)
    assert floor is not None
    assert gap is not None
    assert on is not None
    rows: list[list[str | None]] = [["Registered people", people(floor["denominator"]), NOTHING]]
    for metric in ("int_eligible", "int_priority"):
        rows.append([None, c.number(c.get(metric), "numerator"), c.value(metric, c.get(metric))])
    rows.append([None, floor_text(floor), "1.5%"])
    held = on["numerator"] is None
    rows.append([None, c.number(on, "numerator"), WITHHELD if held else percent(on["value"])])
    short = gap["value"]
    label = "Above the floor by" if short is not None and short < 0 else "Short of the floor by"
    rows.append([label, WITHHELD if held else people(None if short is None else abs(short)), NOTHING])
    state = {"on": "on plan", "off": "behind plan", None: NOTHING}[gap["trajectory"]]
    now, then, of = planned(c.level, c.area)
    if now is not None:
        if of and on["numerator"] is not None:
            state = "on plan" if on["numerator"] >= now else "behind plan"
        rows.append([f"Planned by 30 June 2026{of}", people(now), state])
        if on["numerator"] is not None:
            side = "Behind" if on["numerator"] < now else "Ahead of"
            rows.append([f"{side} the plan by", people(abs(on["numerator"] - now)), NOTHING])
        rows.append([f"Planned by 30 September 2026{of}", people(then), NOTHING])
    stray = c.get("caseload_outside_cohort", measure="coverage", cohort="all")
    said = on["numerator"] is not None and stray is not None and (stray["value"] or 0) >= 0.5
    assert ("are in no cohort." in c.page.text) == said
    if said:
        assert stray is not None
        told = f"{people(on['numerator'])} people are on the caseload, but {people(stray['numerator'])} of them "
        assert f"{told}({percent(stray['value'])}) are in no cohort." in c.page.text
    table = c.page.tables.pop("coverage-t")
    assert len(table.rows) == len(rows)
    for i, expected in enumerate(rows):
        c.same(table, i, expected)
    areas = c.page.tables.pop("coverage-areas", None)
    if areas is not None:
        level = {"Places": "place", "Neighbourhoods": "neighbourhood", "Practices": "practice", "PCNs": "pcn"}[
            areas.heads[0]
        ]
        for i, cells in enumerate(areas.rows):
            floor, gap, on = reached(level, cells[0].text)
            assert gap is not None
            assert on is not None
            assert floor is not None
            short = gap["value"]
            told = NOTHING
            if short is not None:
                told = people(abs(short))
                told += "" if told == "0" else " above" if short < 0 else " short"
            expected = [
                None,
                people(floor["denominator"]),
                floor_text(floor),
                c.number(on, "numerator"),
                WITHHELD if short is None and on["numerator"] is None else told,
            ]
            if "Plan" in areas.heads:
                now, then, _ = planned(level, cells[0].text)
                assert gap["target"] == then
                expected += [
                    people(now),
                    people(then),
                    {"on": "Gon plan", "off": "Rbehind plan", None: NOTHING}[gap["trajectory"]],
                ]
            c.same(areas, i, expected)

    def cohorts(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        name = metric.removeprefix("in_")
        first = c.get(f"in_{name.replace('segment', 'priority')}")
        on = c.get("on_caseload", measure="coverage", cohort=name)
        return [
            None,
            c.number(one, "numerator"),
            c.value(metric, one),
            c.write(metric, one["previous"]),
            c.number(first, "numerator"),
            c.number(on, "numerator"),
        ]

    c.table("cohorts-t", cohorts)

    def care(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric, measure="coverage", cohort="all")
        assert one is not None
        share = percent(one["value"]) if one["value"] is not None else WITHHELD if one["suppressed"] else NOTHING
        return [
            None,
            c.number(one, "numerator"),
            c.number(one, "denominator"),
            share,
            NOTHING if one["target"] is None else target(one["target"]),
        ]

    c.table("care-t", care)
    months = c.page.tables.pop("caseload-months-t", None)
    if months is not None:
        found = c.f.rows.filter(
            pl.col("level") == c.level, pl.col("area") == c.area, pl.col("metric") == "caseload_active"
        )
        found = found.sort("group")
        assert len(found) == len(months.rows)
        for i, one in enumerate(found.iter_rows(named=True)):
            c.same(months, i, [None, c.number(one, "numerator")])


def _by_age(c: Check) -> None:
    table = c.page.tables.pop("ltc-t")
    metrics = ("ltc_0", "ltc_1", "ltc_2", "ltc_3", "ltc_4_or_more")
    for i, cells in enumerate(table.rows):
        band = cells[0].text.replace("–", "-")
        of = {} if band == "All ages" else {"by": "age_band", "group": band}
        found = [c.get(metric, **of) for metric in metrics]
        shown = next((one["denominator"] for one in found if one and one["denominator"] is not None), None)
        whole = people(shown) if shown is not None else c.number(found[0], "denominator")
        c.same(table, i, [None, whole, *(c.value(m, one) for m, one in zip(metrics, found, strict=True))])


def _moved(c: Check) -> None:
    columns = {
        "nwl": "nwl_risk_group",
        "bridges": "bridges_to_health_segment",
        "whole_systems": "whole_systems_segment",
    }
    for ident in [one for one in c.page.tables if one.startswith("moved-")]:
        column, table = columns[ident.removeprefix("moved-").removesuffix("-t")], c.page.tables.pop(ident)
        found = c.f.rows.filter(
            pl.col("level") == c.level,
            pl.col("area") == c.area,
            pl.col("measure") == "movers",
            pl.col("group_by") == column,
            pl.col("numerator") > 0,
        )
        moved = {tuple(one["group"].split(">")): one["numerator"] for one in found.iter_rows(named=True)}
        moved = {pair: number for pair, number in moved.items() if pair[0] != pair[1]}
        assert len(table.rows) == min(len(moved), 40)
        for i, cells in enumerate(table.rows):
            called = {
                one["metric"].removeprefix(f"{kind['id']}_"): one["label"]
                for kind in LAYOUT["segmentation"]
                if kind["column"] == column
                for one in kind["groups"]
            }
            told = {(group(a, called), group(b, called)): n for (a, b), n in moved.items()}
            number = told[cells[0].text, cells[1].text]
            c.same(table, i, [None, None, people(number)])


def group(name: str, called: Mapping[str, str]) -> str:
    special = {"new": "New on the list", "left": "Left the list", "no group": "No group"}
    return special[name] if name in special else called[name]


def _kept(c: Check) -> None:
    here = c.f.rows.filter(pl.col("level") == c.level, pl.col("area") == c.area)
    by = pl.when(pl.col("measure") == "movers").then(pl.lit("movers")).otherwise(pl.col("group_by"))
    told = {
        "none": "nothing: everybody, or a whole cohort",
        "imd_quintile": "fifth of deprivation",
        "age_band": "age",
        "movers": "movement",
    }
    table = c.page.tables.pop("withheld-t")
    counted = (
        here.with_columns(by=by)
        .group_by("by")
        .agg(pl.len(), kept=pl.col("suppressed").sum(), other=(~pl.col("suppressed") & pl.col("value").is_null()).sum())
    )
    expected = {told.get(one["by"], one["by"]): one for one in counted.iter_rows(named=True)}
    assert {cells[0].text for cells in table.rows} == set(expected)
    for i, cells in enumerate(table.rows):
        one = expected[cells[0].text]
        c.same(table, i, [None, people(one["len"]), people(one["kept"]), people(one["other"])])
    total, kept_all = sum(one["len"] for one in expected.values()), sum(one["kept"] for one in expected.values())
    controlled = "Nothing is withheld" not in c.page.text
    assert (f"{people(kept_all)} of {people(total)} figures here are withheld" in c.page.text) == (
        controlled and kept_all > 0
    )
    parts = {one["by"]: one["kept"] for one in expected.values() if one["by"] != "none"}
    largest = max(parts.values(), default=0)
    if controlled and largest:
        which = "Most are" if 2 * largest > kept_all else "The largest part is"
        assert any(
            f"{which} of people divided by {told.get(by, by)}: {people(largest)} of" in c.page.text
            for by, kept in parts.items()
            if kept == largest
        )
    reasons = c.page.tables.pop("reasons-t", None)
    why = here.filter(pl.col("value").is_null(), pl.col("reason").is_not_null()).group_by("reason").len()
    titles = {metric: told["title"] for metric, told in c.f.titles.items()}
    plain = {
        reason: re.sub(r"[a-z0-9]+(_[a-z0-9]+)+", lambda found: f"“{titles[found[0]]}”", reason)
        for reason in why["reason"]
    }
    numbers = {plain[one["reason"]]: one["len"] for one in why.iter_rows(named=True)}
    assert (reasons is None) == (not numbers)
    for i, cells in enumerate(reasons.rows if reasons else []):
        assert reasons is not None
        c.same(reasons, i, [None, people(numbers[cells[0].text])])
    kept = c.page.tables.pop("kept-t", None)
    rows = here.filter(pl.col("suppressed"), pl.col("group_by") == "none", pl.col("measure") != "movers")
    assert (len(kept.rows) if kept else 0) == len(rows)
    if kept and len(rows) > 3:
        assert f", {people(len(rows))} of them of everybody or of a whole cohort (listed below)" in c.page.text
    said = [[cell.text for cell in cells] for cells in kept.rows] if kept else []
    assert len({tuple(one) for one in said}) == len(said), "no two rows are alike"
    cohorts = {one["cohort"]: one["label"] for one in LAYOUT["coverage"]["cohorts"]}
    for i, row in enumerate(rows.iter_rows(named=True)):
        assert kept is not None
        name, _, part = row["cohort"].partition("_int")
        of = "everybody"
        if row["cohort"] != "all":
            of = f"{cohorts[name + '_int']} cohort" + (", priority" if part == "_priority" else "")
        c.same(kept, i, [None, None, of])


HISTORY: list[Path] = []


@pytest.mark.parametrize(("name", "months"), [("exact", True), ("shown", False)])
@pytest.mark.parametrize("level", ["icb", "place", "neighbourhood", "pcn", "practice"])
def test_every_number_of_a_page_worked_out_again(work: Path, name: str, months: bool, level: str) -> None:
    record = json.loads((work / f"{name}.parquet.run.json").read_text())
    HISTORY[:] = [work / "history"]
    figures = Figures(work / f"{name}.parquet", record, work / "history/2026-05.parquet" if months else None)
    areas = sorted(set(figures.rows.filter(pl.col("level") == level)["area"].to_list()))
    area = areas[-1]
    file = {"icb": "index.html"}.get(level, f"{level}-{re.sub('[^a-z0-9]+', '-', area.lower())}.html")
    page = read_page(work / name / file)
    cells = sum(len(row) for table in page.tables.values() for row in table.rows)
    check = Check(figures, level, area, page)
    check_page(check, level == "icb")
    assert not page.tables, "tables that nobody worked out again"
    assert check.seen == cells
    assert cells > 600


def test_records_that_nobody_could_hold_against_limits_are_not_called_well(tmp_path: Path) -> None:
    """Of few practices no figure has limits: then nothing is said to lie within them."""
    pq.write_table(synthetic.table(4_000, seed=9, as_of=DAY, practices=4), tmp_path / "list.parquet")
    made = ["metrics", f"{tmp_path}/list.parquet", "-o", f"{tmp_path}/m.parquet", "--as-of", AS_OF, "-q"]
    assert run(made) == 0
    assert pl.read_parquet(tmp_path / "m.parquet")["limit_95_low"].is_null().all()
    assert run(["report", f"{tmp_path}/m.parquet", "-o", f"{tmp_path}/pages", "-q"]) == 0
    for path in (tmp_path / "pages").glob("*.html"):
        assert "less often than the 99.8% limits" not in path.read_text(encoding="utf-8"), path.name
    text = (tmp_path / "pages/index.html").read_text(encoding="utf-8")
    assert "whether a practice records less than chance allows cannot be said" in text


# -- what areas are called ---------------------------------------------------------------------------------------------


def named(work: Path, text: str | bytes, to: Path) -> int:
    """Pages with a file of names."""
    file = to.with_suffix(".csv")
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return run(["report", f"{work}/shown.parquet", "-o", f"{to}", "--names", f"{file}", "-q"])


@pytest.fixture(scope="module")
def codes(work: Path) -> list[str]:
    rows = pl.read_parquet(work / "shown.parquet")
    return sorted(rows.filter(pl.col("level") == "practice")["area"].unique())


def test_areas_are_called_by_their_names_and_codes(work: Path, codes: list[str], tmp_path: Path) -> None:
    """As the national list has them: no heading, many columns, every practice of the country."""
    first, second, *_, last = codes
    text = f'"{first}","THE ELM  SURGERY","Y60"\r\n"{last}","A & B <Practice>","Y60"\r\n"X99999","ELSEWHERE","Y60"\r\n'
    assert named(work, "\ufeff" + text, tmp_path / "pages") == 0
    page = (tmp_path / f"pages/practice-{first.lower()}.html").read_text(encoding="utf-8")
    assert f"THE ELM SURGERY, practice {first}</h1>" in page
    overview = (tmp_path / "pages/index.html").read_text(encoding="utf-8")
    assert f">THE ELM SURGERY ({first})</a>" in overview
    assert f">A &amp; B &lt;Practice&gt; ({last})</a>" in overview
    assert f">{second}</a>" in overview
    assert "ELSEWHERE" not in overview
    record = json.loads((tmp_path / "pages/report.run.json").read_text())
    assert record["areas_named"] == 2
    assert [one["name"] for one in record["inputs"] if one["role"] == "names"] == ["pages.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("code,name\n{0},Elm\n{1},Oak\n{0},Ash\n", "gives one code two names (row 4)"),
        ("{0},Elm\n{1}\n", "a code and no name beside it"),
        ("code,name\nX1,Elm\n", "names none of the areas"),
        ("", "names none of the areas"),
        (b"\xff\xfe\x00", "is not text in UTF-8"),
        ('{0},"Elm\n', "is not CSV"),
    ],
)
def test_a_wrong_file_of_names_is_refused(
    work: Path, codes: list[str], tmp_path: Path, text: str | bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = text.format(*codes) if isinstance(text, str) else text
    assert named(work, text, tmp_path / "pages") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "pages").exists()


def test_no_file_of_names(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = ["-o", f"{tmp_path}/pages", "-q"]
    assert run(["report", f"{work}/shown.parquet", "--names", f"{tmp_path}/none.csv", *to]) == 2
    assert "none.csv: there is no such file" in capsys.readouterr().err


# -- what else holds of every page -------------------------------------------------------------------------------------

NUMBER = re.compile(r"[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")


@pytest.mark.parametrize("name", ["exact", "shown"])
def test_every_number_that_is_said_stands_in_a_table(work: Path, name: str) -> None:
    """The sentences at the top, and the charts' words: so nothing that the tables withhold is said elsewhere."""
    for path in (work / name).glob("*-*.html"):
        page, text = read_page(path), path.read_text(encoding="utf-8")
        there = {n for table in page.tables.values() for row in table.rows for c in row for n in NUMBER.findall(c.text)}
        there |= {n for table in page.tables.values() for n in NUMBER.findall(" ".join([table.caption, *table.heads]))}
        there |= {"95", "99.8", "1", "0", "2", "3", "4"}
        assert 1 <= len(page.sentences) <= 6, path.name
        for said in page.sentences:
            told = re.sub(r"“[^”]*”|[YU][0-9]{5}|by [0-9]+ [A-Z]\w+ [0-9]{4}|of [0-9]+,? ", "", said)
            assert set(NUMBER.findall(told)) <= there, (path.name, said)
        for words in re.findall(r'aria-label="((?:Bars|Values|Run chart)[^"]*)"', text):
            told = re.sub(r"[a-zA-Z-]+[0-9]+[a-zA-Z]*|[A-Z]\w+ 20[0-9]{2}|of [0-9]+ months|by [0-9]+ ", "", words)
            kept = {n for n in NUMBER.findall(told) if n not in there}
            titles = " ".join(cell.text for table in page.tables.values() for row in table.rows for cell in row[:2])
            assert {n for n in kept if n not in titles and n not in ("000",)} == set(), (path.name, words)


@pytest.mark.parametrize("name", ["exact", "shown"])
def test_links_lead_somewhere_and_ids_are_alone(work: Path, name: str) -> None:
    pages = {path.name: read_page(path) for path in (work / name).glob("*.html")}
    record = json.loads((work / name / "report.run.json").read_text())
    assert set(pages) == {one["name"] for one in record["outputs"]}
    assert sum(record["areas"].values()) + 2 == len(pages)
    reached = {"index.html"}
    for file, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), file
        for link in page.links:
            assert not re.match(r"[a-z]+:|/", link), link
            target, _, anchor = link.partition("#")
            assert (target or file) in pages, (file, link)
            assert not anchor or anchor in pages[target or file].ids, (file, link)
            reached.add(target or file)
    assert reached == set(pages)


def test_up_and_down(work: Path) -> None:
    """Each practice is reached from its PCN, neighbourhood and place, and leads to them."""
    record = json.loads((work / "exact.parquet.run.json").read_text())
    for practice, told in record["practices"].items():
        mine = read_page(work / f"exact/practice-{practice.lower()}.html")
        for level, name in told.items():
            file = f"{level}-{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.html"
            assert file in mine.links
            assert f"practice-{practice.lower()}.html" in read_page(work / "exact" / file).links


SNAKE = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")


@pytest.mark.parametrize("name", ["exact", "shown"])
def test_no_page_shows_a_name_that_programs_use(work: Path, name: str) -> None:
    """But where it is marked as code: the rules in the pack's own language, on the page of definitions."""
    for path in sorted((work / name).glob("*.html")):
        page, text = read_page(path), path.read_text(encoding="utf-8")
        said = [page.prose, *re.findall(r'(?:aria-label|title|alt)="([^"]*)"', text)]
        assert SNAKE.findall(" ".join(said)) == [], path.name
        assert "definitions" in path.name or not SNAKE.findall(page.text), path.name


def test_pages_stand_alone(work: Path) -> None:
    """Nothing is loaded from anywhere, and names are escaped."""
    for path in (work / "exact").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"<link|<img|<iframe|src=|@import|url\(|https?://", text), path.name
    assert "Place Ashmarsh &amp; Lea" in (work / "exact/place-ashmarsh-lea.html").read_text(encoding="utf-8")


def test_what_was_withheld_is_said(work: Path) -> None:
    shown, exact = read_page(work / "shown/index.html"), read_page(work / "exact/index.html")
    assert "Counts of 0 to 7 are withheld" in shown.text
    assert "rounded to the nearest 5" in shown.text
    assert "exact counts, for direct care alone" in exact.text
    assert "Do not publish or pass on" in read_page(work / "exact/practice-y90001.html").text
    kept = [cell for table in shown.tables.values() for row in table.rows for cell in row if cell.text == WITHHELD]
    assert kept
    assert "too few people to publish" in shown.text


def test_what_a_chart_does_not_show_is_named_with_the_page_that_tells(work: Path) -> None:
    """A withheld bar would read as nought: it is named below, and a link leads to the nearest page that has it."""
    record = json.loads((work / "shown.parquet.run.json").read_text())
    f = Figures(work / "shown.parquet", record)
    looked = drawn = 0
    for practice, told in record["practices"].items():
        path = work / f"shown/practice-{practice.lower()}.html"
        text, page = path.read_text(encoding="utf-8"), read_page(path)
        for cells in page.tables["adults-medicines-t"].rows:
            if cells[1].text != WITHHELD:
                continue
            label, metric = cells[0].text, cells[0].href.partition("#")[2]
            near = [(level, told[level]) for level in ("pcn", "neighbourhood", "place")]
            order = [*near, ("icb", "all")]
            at = next((a for a in order if (f.find(*a, metric) or {}).get("numerator") is not None), None)
            note = re.search(
                rf"Not shown here: [^<]*{label}[^<]*\(withheld\)\. (.*?)</p>", text[text.index('id="care-adults"') :]
            )
            assert note is not None
            if at is None:
                assert note[1] == "No other page has it."
            else:
                assert f">{'Whole list' if at[0] == 'icb' else at[1]}</a>" in re.sub(
                    r">(PCN|Place|Neighbourhood) ", ">", note[1]
                )
            looked += 1
            if all(other[1].text == WITHHELD for other in page.tables["adults-medicines-t"].rows):
                assert 'id="adults-medicines-f-t"' not in text, "a chart of nothing"
                continue
            chart = re.search(r'aria-label="(Bars, people: [^"]*)"', text[text.index('id="adults-medicines-f-t"') :])
            assert chart is not None
            assert f"{label} (withheld)" in chart[1].partition("Not shown: ")[2]
            drawn += 1
    assert looked > drawn > 0


def test_the_definition_and_the_run_of_a_figure(work: Path) -> None:
    page = read_page(work / "exact/definitions.html")
    for words in (
        "Blood pressure at target",
        'hypertension_status == "optimised"',
        "age >= 18 and hypertension",
        "QOF HYP008, HYP009",
        "an HbA1c counts for 24 months",
        "blood_pressure_at_target",
        "Systolic target, clinic reading, under 80: 140 mmHg (NICE NG136",
        "HbA1c target: 58 mmol/mol (QOF DM020)",
        "95%, from: 95% of people with complex needs to have a care plan by 2027",
        "by area and date, from the file plan.csv, which was given as the plan",
    ):
        assert words in page.text
    told = read_page(work / "exact/run.html").text
    digest = hashlib.sha256((work / "exact.parquet").read_bytes()).hexdigest()
    assert digest in told
    record = json.loads((work / "exact.parquet.run.json").read_text())
    assert record["inputs"][0]["sha256"] in told
    assert record["pack"]["sha256"] in told


# -- what is refused ---------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], to: Path, *given: Any) -> str:
    """The one message of a command that ends with status 2 and writes nothing."""
    before = {p for p in to.parent.rglob("*") if "pages" in str(p)}
    assert run(["report", *map(str, given), "-o", str(to), "-q"]) == 2
    assert {p for p in to.parent.rglob("*") if "pages" in str(p)} == before
    told = capsys.readouterr().err
    assert told.count("error:") == 1
    return told


def test_what_is_refused(work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to, june = tmp_path / "pages", work / "exact.parquet"
    assert "it is about people" in refused(capsys, to, work / "list.parquet")
    assert "it is about people" in refused(capsys, to, june, work / "may.parquet")
    record = json.loads((work / "exact.parquet.run.json").read_text())
    table = pq.read_table(june)

    def made(name: str, rows: pa.Table = table, day: dt.date = DAY, **other: Any) -> Path:
        with_record(rows, {**record, **other}, tmp_path / name, day)
        return tmp_path / name

    alone = made("alone.parquet")
    alone.with_name("alone.parquet.run.json").unlink()
    assert "has no alone.parquet.run.json beside it" in refused(capsys, to, alone)
    changed = made("changed.parquet")
    pq.write_table(table.slice(5), changed)
    assert "is not the file that changed.parquet.run.json tells of" in refused(capsys, to, changed)
    assert "holds no figures" in refused(capsys, to, made("empty.parquet", table.slice(0, 0)))
    assert "is of June 2026, and so is" in refused(capsys, to, june, made("again.parquet", day=dt.date(2026, 6, 1)))
    other = {**record["pack"], "version": "2.0.0"}
    assert "was made with neighbourhood-2026 2.0.0" in refused(
        capsys, to, june, made("other.parquet", day=dt.date(2026, 5, 1), pack=other)
    )
    edited = {**record["pack"], "sha256": "0" * 64}
    assert "another edition of" in refused(
        capsys, to, june, made("edited.parquet", day=dt.date(2026, 5, 1), pack=edited)
    )
    assert "was made without disclosure control" in refused(
        capsys, to, work / "shown.parquet", made("early.parquet", day=dt.date(2026, 5, 1))
    )
    lacking = made("lacking.parquet", table.drop_columns(["trajectory"]))
    assert "column 'trajectory': is missing: this is not a metrics file" in refused(capsys, to, lacking)
    two = pa.concat_tables(
        [table, table.set_column(0, table.schema.field(0), pa.array([dt.date(2026, 5, 1)] * len(table)))]
    )
    path = tmp_path / "two.parquet"
    pq.write_table(two, path)
    shutil.copy(work / "exact.parquet.run.json", tmp_path / "two.parquet.run.json")
    assert "has 2 dates" in refused(capsys, to, path)
    text = tmp_path / "text.parquet"
    text.write_text("nothing")
    assert refused(capsys, to, text)
    bad = tmp_path / "bad.json"
    bad.write_text('{"people": "many"}')
    assert "is not the quality file" in refused(capsys, to, june, "--quality", bad)
    damaged = made("damaged.parquet")
    damaged.with_name("damaged.parquet.run.json").write_text('{"command": "score"}')
    assert "is not the record of popstrat metrics" in refused(capsys, to, damaged)


def test_a_folder_of_something_else_is_never_emptied(
    work: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "pages"
    to.mkdir()
    (to / "precious.html").write_text("x")
    for force in ((), ("--force",)):
        assert "has no report" in refused(capsys, to, work / "exact.parquet", *force)
    shutil.rmtree(to)
    assert run(["report", str(work / "first.parquet"), "-o", str(to), "-q"]) == 0
    (to / "mine.txt").write_text("x")
    assert "has other files than its report" in refused(capsys, to, work / "first.parquet", "--force")


def test_the_same_figures_give_the_same_pages(work: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(["report", str(work / "shown.parquet"), "-o", str(tmp_path / name), "-q"]) == 0
    for path in (tmp_path / "one").glob("*.html"):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_the_quality_of_the_coded_record(work: Path, tmp_path: Path) -> None:
    """Small counts of the quality file are not shown beside figures whose disclosure is controlled."""
    quality = {
        "as_of": AS_OF,
        "people": 6000,
        "columns": [
            {
                "column": "bmi",
                "title": "Body mass index",
                "people": 4003,
                "per_1000": 667.2,
                "expected_per_1000": 700.0,
                "set_aside": {"outside 10 to 100": 3},
                "days_old": {"values": 4003, "median": 120, "nine_in_ten": 400},
            },
            {"column": "acr", "title": "ACR", "people": 4, "per_1000": 0.7, "set_aside": {}, "doubtful": True},
        ],
        "practices": [
            {"practice_code": "Y90002", "people": 300, "columns": [{"column": "acr", "people": 3, "expected": 41.2}]}
        ],
    }
    file = tmp_path / "quality.json"
    file.write_text(json.dumps(quality))
    for name in ("shown", "exact"):
        to = tmp_path / name
        assert run(["report", str(work / f"{name}.parquet"), "-o", str(to), "-q", "--quality", str(file)]) == 0
        rows = {r[0].text: [c.text for c in r[1:]] for r in read_page(to / "index.html").tables["quality-t"].rows}
        odd = [[c.text for c in r] for r in read_page(to / "practice-y90002.html").tables["quality-practices-t"].rows]
        if name == "shown":
            assert rows == {
                "Body mass index": ["667.5", "700.0", "120; 400", "0–7 people", NOTHING],
                "ACR": [WITHHELD, NOTHING, NOTHING, "0–7 people", "doubtful"],
            }
            assert odd == [["Y90002", "ACR", WITHHELD, "40"]]
        else:
            assert rows["Body mass index"] == ["667.2", "700.0", "120; 400", "0.07%", NOTHING]
            assert odd == [["Y90002", "ACR", "3", "41"]]
