"""``popstrat report``: every number of three pages worked out again from the metrics file, links, and what is refused."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
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
    dated = table.set_column(0, table.schema.field(0), pa.array([day] * len(table)))
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


class Figures:
    """A metrics file, and the months before it, looked up a figure at a time."""

    def __init__(self, path: Path, record: Mapping[str, Any], before: Path | None = None) -> None:
        self.rows = pl.read_parquet(path)
        self.titles = {m["id"].partition("@")[0]: m for m in reversed(record["metrics"])}
        self.before = None if before is None else pl.read_parquet(before)
        self.within = record["practices"]

    def find(
        self, level: str, area: str, metric: str, *, measure: str | None = None, cohort: str | None = None,
        by: str = "none", group: str | None = None, rows: pl.DataFrame | None = None,
    ) -> Row | None:  # fmt: skip
        told = self.titles.get(metric, {})
        keys = {
            "level": level, "area": area, "metric": metric, "measure": measure or told.get("measure", "proportion"),
            "cohort": cohort or told.get("cohort", "all"), "group_by": by,
        }  # fmt: skip
        found = (self.rows if rows is None else rows).filter(*(pl.col(k) == v for k, v in keys.items()))
        found = found.filter(pl.col("group").is_null() if group is None else pl.col("group") == group)
        assert len(found) <= 1, keys
        return found.row(0, named=True) if len(found) else None

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

    def number(self, row: Row | None, name: str) -> str:
        if row is None:
            return NOTHING
        if row[name] is None:
            return WITHHELD if row["suppressed"] else NOTHING
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


WHERE = {-2: "below the 99.8% limits", -1: "below the 95% limits", 0: "within the limits", 1: "above the 95% limits",
         2: "above the 99.8% limits"}  # fmt: skip
SIGNALS = {"beyond_3_sigma": "far from average", "seven_on_one_side": "seven on one side",
           "seven_rising_or_falling": "seven in one direction", "two_of_three_beyond_2_sigma": "two of three far off",
           "none": "no more than chance"}  # fmt: skip


def signal(row: Row) -> str:
    return NOTHING if not row["signal"] else ", ".join(SIGNALS[rule] for rule in row["signal"].split("+"))


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

    nwl = {"nwl_specialist_end_of_life": "0.7%", "nwl_high": "2.9%", "nwl_rising": "0.6%", "nwl_stable": "19%",
           "nwl_well": "77%"}  # fmt: skip
    c.table("nwl-t", segments(nwl))
    c.table("bridges-t", segments({}))
    c.table("whole_systems-t", segments({}))

    def colour(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        return [None, c.number(one, "numerator"), c.value(metric, one), c.write(metric, one["previous"]),
                c.change(metric, one), *all_of(metric)]  # fmt: skip

    c.table("need-t", colour)
    c.table("cvrm-t", colour)

    def drivers(metric: str, cells: list[str]) -> list[str | None]:
        poorly = metric.replace("_optimised", "_unoptimised")
        unknown = metric.replace("_optimised", "_undiagnosed")
        known = unknown in c.f.titles
        return [None, c.number(c.get(metric), "denominator"), c.number(c.get(poorly), "numerator"),
                c.value(poorly, c.get(poorly)), *all_of(poorly),
                c.number(c.get(unknown), "numerator") if known else NOTHING]  # fmt: skip

    c.table("drivers-t", drivers)
    c.table("treatments-t", lambda metric, cells: [
        None, c.number(c.get(metric), "numerator"), c.number(c.get(metric), "denominator"), c.value(metric, c.get(metric)),
        *all_of(metric)])  # fmt: skip

    def recorded(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        where = WHERE[c.position(one)] if one["limit_95_low"] is not None else NOTHING
        return [None, c.number(one, "numerator"), c.number(one, "denominator"), c.value(metric, one),
                c.write(metric, one["previous"]), *all_of(metric), *([] if top else [where])]  # fmt: skip

    c.table("recorded-t", recorded)

    def every(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        return [None, c.value(metric, one), c.span(metric, one["low"], one["high"]), c.number(one, "numerator"),
                c.number(one, "denominator"), c.write(metric, one["previous"]), *all_of(metric), signal(one)]  # fmt: skip

    figures = {cells[0].href.partition("#")[2] for cells in c.page.tables["figures-t"].rows}
    here = c.f.rows.filter(pl.col("level") == c.level, pl.col("area") == c.area, pl.col("group_by") == "none",
                           pl.col("measure").is_in(["proportion", "rate_per_1000", "coverage"]))  # fmt: skip
    computed = {m for m, told in c.f.titles.items() if told["reason"] is None}
    assert figures == set(here["metric"].to_list()) & computed - {"caseload_active"}
    c.table("figures-t", every)

    def limits(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        at, good = c.position(one), c.f.titles[metric]["good"]
        side = "" if not at else ": worse" if (at < 0) == (good == "high") else ": better"
        return [None, c.value(metric, one), c.value(metric, c.f.find("icb", "all", metric)),
                c.span(metric, one["limit_95_low"], one["limit_95_high"]),
                c.span(metric, one["limit_998_low"], one["limit_998_high"]), WHERE[at] + side]  # fmt: skip

    c.table("limits-t", limits)
    _funnels(c)
    _inequality(c)
    _changes(c)
    _prize(c)
    _coverage(c)
    _by_age(c)
    _moved(c)
    _kept(c)


def _funnels(c: Check) -> None:
    for ident in [one for one in c.page.tables if one.startswith("funnel-")]:
        metric, table = ident.removeprefix("funnel-").removesuffix("-t"), c.page.tables.pop(ident)
        assert [cells[0].text for cells in table.rows] == c.f.practices(c.level, c.area)
        for i, cells in enumerate(table.rows):
            one = c.f.find("practice", cells[0].text, metric)
            assert one is not None
            where = WHERE[c.position(one)] if one["value"] is not None else c.value(metric, one)
            c.same(table, i, [None, c.number(one, "denominator"), c.value(metric, one),
                              c.span(metric, one["limit_95_low"], one["limit_95_high"]),
                              c.span(metric, one["limit_998_low"], one["limit_998_high"]), where])  # fmt: skip
    table = c.page.tables.pop("outside-t", None)
    for i, cells in enumerate(table.rows if table else []):
        assert table is not None
        metric = cells[1].href.partition("#")[2]
        one = c.f.find("practice", cells[0].text, metric)
        assert one is not None
        assert abs(c.position(one)) == 2
        c.same(table, i, [None, None, c.value(metric, one), c.span(metric, one["limit_998_low"], one["limit_998_high"]),
                          c.number(one, "denominator"), WHERE[c.position(one)]])  # fmt: skip


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

    def gaps(metric: str, cells: list[str]) -> list[str | None]:
        found = {m: c.get(metric, measure=m, by="imd_quintile") or c.get(metric, measure=m)
                 for m in ("gap_absolute", "gap_relative", "slope_index")}  # fmt: skip
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
        return [None, c.value(metric, c.get(metric, by="imd_quintile", group="1")),
                c.value(metric, c.get(metric, by="imd_quintile", group="5")), difference(metric, gap),
                difference(metric, gap, True), said, ends, difference(metric, slope), difference(metric, slope, True)]  # fmt: skip

    c.table("gaps-t", gaps)
    for by, groups in (("imd_quintile", "12345"), ("ethnicity", ("white", "mixed", "asian", "black", "other"))):

        def values(metric: str, cells: list[str], by: str = by, groups: Any = groups) -> list[str | None]:
            found = [c.value(metric, c.get(metric, by=by, group=group)) for group in (*groups, "unknown")]
            return [None, *found, c.value(metric, c.get(metric))]

        c.table(f"by-{by}-t", values)


def _changes(c: Check) -> None:
    def changes(metric: str, cells: list[str]) -> list[str | None]:
        one, then = c.get(metric), c.f.then(c.level, c.area, metric)
        assert one is not None
        parts: list[str] = []
        if c.f.before is not None:
            parts = [f"{people(then[n] if then else None)} to {c.number(one, n)}" for n in ("numerator", "denominator")]
        aim = NOTHING if one["target"] is None else target(one["target"])
        plan = {"on": "G on plan", "off": "R behind plan", None: NOTHING}[one["trajectory"]]
        return [None, c.write(metric, one["previous"]), c.value(metric, one), c.change(metric, one), *parts,
                c.write(metric, one["year_ago"]), signal(one), aim, _shape(plan)]  # fmt: skip

    c.table("changes-t", changes)
    for ident in [one for one in c.page.tables if one.startswith("run-")]:
        metric, table = ident.removeprefix("run-").removesuffix("-t"), c.page.tables.pop(ident)
        told = c.f.titles[metric]
        months = []
        for file in sorted((HISTORY[0]).glob("*.parquet")):
            row = c.f.find(c.level, c.area, metric, rows=pl.read_parquet(file))
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
    }  # fmt: skip

    def total(metric: str, measure: str) -> str:
        found = gains[measure].filter(pl.col("metric") == metric)["value"]
        return people(found.sum()) if len(found) else NOTHING

    def prize(metric: str, cells: list[str]) -> list[str | None]:
        found: list[str | None] = [None]
        if c.level == "practice":
            aims = [c.get(metric, measure=m) for m in measures[:2]]
            found += [c.value(metric, c.get(metric)), *(c.write(metric, a["target"] if a else None) for a in aims)]
        return [*found, *(total(metric, m) for m in measures)]

    order = [cells[0].href.partition("#")[2] for cells in c.page.tables["prize-t"].rows]
    assert set(order) == set(gains["prize_median"]["metric"].to_list()) | set(gains["prize_plan"]["metric"].to_list())
    c.table("prize-t", prize)
    for ident in [one for one in c.page.tables if one.startswith("prize-")]:
        metric, table = ident.removeprefix("prize-").removesuffix("-t"), c.page.tables.pop(ident)
        by = max(
            measures[1:], key=lambda m: (gains[m].filter(pl.col("metric") == metric)["value"].sum(), m == measures[1])
        )
        found = gains[by].filter(pl.col("metric") == metric, pl.col("value") >= 0.5)
        found = found.sort(["value", "area"], descending=[True, False]).head(10)
        assert [cells[0].text for cells in table.rows] == found["area"].to_list()
        for i, one in enumerate(found.iter_rows(named=True)):
            c.same(table, i, [None, people(one["denominator"]),
                              c.value(metric, c.f.find("practice", one["area"], metric)), people(one["value"])])  # fmt: skip


def _coverage(c: Check) -> None:
    def reached(level: str, area: str) -> tuple[Row | None, Row | None, Row | None]:
        f = c.f.find
        return (f(level, area, "int_floor", measure="floor", cohort="all"), f(level, area, "int_floor_gap", measure="coverage"),
                f(level, area, "caseload", measure="coverage", cohort="all"))  # fmt: skip

    def floor_text(row: Row | None) -> str:
        if row is None or row["value"] is None:
            return c.number(row, "value")
        low, high = row["low"], row["high"]
        return people(row["value"]) if low is None else f"{people(low)}–{people(high)}"

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
    if gap["target"] is not None:
        state = {"on": "on plan", "off": "behind plan", None: NOTHING}[gap["trajectory"]]
        rows.append(["Planned on the caseload by 30 September 2026", people(gap["target"]), state])
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
            told = NOTHING if short is None else f"+{people(-short)}" if short < 0 else people(short)
            expected = [None, people(floor["denominator"]), floor_text(floor), c.number(on, "numerator"),
                        WITHHELD if short is None and on["numerator"] is None else told]  # fmt: skip
            if "Plan" in areas.heads:
                expected += [people(gap["target"]),
                             {"on": "Gon plan", "off": "Rbehind plan", None: NOTHING}[gap["trajectory"]]]  # fmt: skip
            c.same(areas, i, expected)

    def cohorts(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric)
        assert one is not None
        name = metric.removeprefix("in_")
        first = c.get(f"in_{name.replace('segment', 'priority')}")
        on = c.get("on_caseload", measure="coverage", cohort=name)
        return [None, c.number(one, "numerator"), c.value(metric, one), c.write(metric, one["previous"]),
                c.number(first, "numerator"), c.number(on, "numerator")]  # fmt: skip

    c.table("cohorts-t", cohorts)

    def care(metric: str, cells: list[str]) -> list[str | None]:
        one = c.get(metric, measure="coverage", cohort="all")
        assert one is not None
        share = percent(one["value"]) if one["value"] is not None else WITHHELD if one["suppressed"] else NOTHING
        return [None, c.number(one, "numerator"), c.number(one, "denominator"), share,
                NOTHING if one["target"] is None else target(one["target"])]  # fmt: skip

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
        found = c.f.rows.filter(pl.col("level") == c.level, pl.col("area") == c.area, pl.col("measure") == "movers",
                                pl.col("group_by") == column, pl.col("numerator") > 0)  # fmt: skip
        moved = {tuple(one["group"].split(">")): one["numerator"] for one in found.iter_rows(named=True)}
        moved = {pair: number for pair, number in moved.items() if pair[0] != pair[1]}
        assert len(table.rows) == min(len(moved), 40)
        assert sorted((people(n) for n in moved.values()), key=len) == sorted(
            (r[2].text for r in table.rows), key=len
        ) or (len(moved) > 40 or sorted(map(people, moved.values())) == sorted(r[2].text for r in table.rows))
        for i in range(len(table.rows)):
            c.same(table, i, [None, None, None])


def _kept(c: Check) -> None:
    here = c.f.rows.filter(pl.col("level") == c.level, pl.col("area") == c.area)
    by = pl.when(pl.col("measure") == "movers").then(pl.lit("movers")).otherwise(pl.col("group_by"))
    told = {
        "none": "nothing: everybody",
        "imd_quintile": "fifth of deprivation",
        "age_band": "age",
        "movers": "movement",
    }
    table = c.page.tables.pop("withheld-t")
    counted = here.with_columns(by=by).group_by("by").agg(
        pl.len(), kept=pl.col("suppressed").sum(), other=(~pl.col("suppressed") & pl.col("value").is_null()).sum())  # fmt: skip
    expected = {told.get(one["by"], one["by"]): one for one in counted.iter_rows(named=True)}
    assert {cells[0].text for cells in table.rows} == set(expected)
    for i, cells in enumerate(table.rows):
        one = expected[cells[0].text]
        c.same(table, i, [None, people(one["len"]), people(one["kept"]), people(one["other"])])
    reasons = c.page.tables.pop("reasons-t", None)
    why = here.filter(pl.col("value").is_null(), pl.col("reason").is_not_null()).group_by("reason").len()
    numbers = {one["reason"]: one["len"] for one in why.iter_rows(named=True)}
    assert (reasons is None) == (not numbers)
    for i, cells in enumerate(reasons.rows if reasons else []):
        assert reasons is not None
        c.same(reasons, i, [None, people(numbers[cells[0].text])])
    kept = c.page.tables.pop("kept-t", None)
    for i in range(len(kept.rows) if kept else 0):
        assert kept is not None
        c.same(kept, i, [None])


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
