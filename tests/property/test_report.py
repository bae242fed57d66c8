"""Pages from generated metrics files: whatever is null, missing or alone, every area has its page."""

from __future__ import annotations

import datetime as dt
import json
import random
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from nightly import seeds
from read_page import Page

from popstrat import synthetic
from popstrat.metrics.request import Request
from popstrat.metrics.rows import COLUMNS, SCHEMA, Level
from popstrat.metrics.run import run_metrics
from popstrat.pages.report.html import area_html, definitions_html, run_html
from popstrat.pages.report.layout import layout
from popstrat.pages.report.model import Place, Report
from popstrat.pages.report.names import page_names
from popstrat.pages.report.page import page_of
from popstrat.pages.report.read import Month
from popstrat.pages.report.sentences import MOST

DAY = dt.date(2026, 6, 30)
NULLABLE = [field.name for field in SCHEMA if field.nullable]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """The exact figures of a small list."""
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("figures")
    pq.write_table(synthetic.table(3_000, seed=9, as_of=DAY, practices=5), folder / "list.parquet")
    request = Request(controlled=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scorer = request.scorer("neighbourhood-2026", DAY, "direct-care")
    record = run_metrics([folder / "list.parquet"], folder / "june.parquet", scorer, request)
    record = json.loads(json.dumps(record, default=str))
    return Month(DAY, pq.read_table(folder / "june.parquet"), record, folder / "june.parquet", "0" * 64, "1" * 64)


def mangled(month: Month, rng: random.Random) -> Month:
    """Some levels, areas, metrics and rows less, and nulls in what may be null."""
    rows = month.rows.to_pylist()
    level = rng.choice([None, *Level])
    metrics = {row["metric"] for row in rows}
    kept = set(rng.sample(sorted(metrics), rng.randrange(1, len(metrics) + 1)))
    only = rng.choice([None, None, *{row["area"] for row in rows if row["level"] == "practice"}])
    share = rng.choice([0.0, 0.1, 0.6, 1.0])
    found = []
    for row in rows:
        if row["metric"] not in kept or row["level"] == level or rng.random() < 0.05:
            continue
        if only is not None and row["level"] == "practice" and row["area"] != only:
            continue
        row = dict(row)
        if rng.random() < share:
            for name in rng.sample(NULLABLE, rng.randrange(1, len(NULLABLE))):
                row[name] = None
        if rng.random() < 0.3:
            row["suppressed"] = True
            row.update(dict.fromkeys(("numerator", "value", "low", "high")))
            row["reason"] = "withheld: a small count"
        if rng.random() < 0.2:
            row["signal"] = rng.choice(["none", "beyond_3_sigma", "seven_on_one_side+beyond_3_sigma", "other"])
            row["trajectory"] = rng.choice(["on", "off", None])
            row["target"] = rng.choice([0.0, 0.5, 1.0, 300.0, None])
        if rng.random() < 0.05:
            row["value"] = rng.choice([0.0, 1.0, 1e9, -1.0, 1e-9])
        found.append(row)
    found = found or rows[:1]
    odd = {"practice": {"Y90001": "<b>&\"'", "Y90002": "   ", "Y90003": "y90003", "Y90004": "Ünïcode/..\\x"}}
    if rng.random() < 0.3:
        for row in found:
            row["area"] = odd.get(row["level"], {}).get(row["area"], row["area"])
    columns = [pa.array([row[name] for row in found], SCHEMA.field(name).type) for name in COLUMNS]
    record: dict[str, Any] = dict(month.record)
    if rng.random() < 0.3:
        record.pop("practices", None)
    if rng.random() < 0.3:
        record["metrics"] = [{"id": one["id"]} for one in record["metrics"]]
    if rng.random() < 0.5:
        record["disclosure_control"] = True
        record["disclosure"] = rng.choice([None, {"smallest": 8, "round_to": 5, "withheld_to_protect_others": []}])
    return replace(month, rows=pa.Table.from_arrays(columns, schema=SCHEMA), record=record)


def every_page(report: Report) -> dict[Place, str]:
    files = page_names(report.areas)
    assert len(set(files.values())) == len(files)
    found = {}
    for area in report.areas.values():
        page = page_of(report, area, files, layout())
        assert len(page.sentences) <= MOST
        found[area.place] = area_html(report, area, page, files)
    return found


@pytest.mark.parametrize("seed", seeds(5, 12))
def test_pages_of_whatever_figures(whole: Month, seed: int) -> None:
    rng = random.Random(seed)
    now = mangled(whole, rng)
    before: Sequence[Month] = []
    for back in range(rng.randrange(0, 4)):
        month = mangled(whole, rng)
        before = [replace(month, as_of=dt.date(2026, 5 - back, 28)), *before]
    report = Report([*before, now], rng.choice([None, "An <ICB>"]))
    pages = every_page(report)
    assert {place.name for place in pages} == set(now.rows["area"].to_pylist())
    for text in (*pages.values(), definitions_html(report), run_html(report)):
        page = Page(text)
        assert len(page.ids) == len(set(page.ids))
        assert all(len(row) == len(table.heads) for table in page.tables.values() for row in table.rows)
        assert "None" not in page.text
        assert " nan" not in page.text.lower()


def test_one_area_alone(whole: Month) -> None:
    """A file of practices alone, and one of one practice: the first page is the index."""
    some = whole.rows.filter(pa.compute.equal(whole.rows["level"], "practice"))
    report = Report([replace(whole, rows=some)])
    files = page_names(report.areas)
    assert sorted(files.values())[0] == "index.html"
    one = some.filter(pa.compute.equal(some["area"], "Y90003"))
    pages = every_page(Report([replace(whole, rows=one)]))
    assert list(pages) == [Place(Level.PRACTICE, "Y90003")]
