"""Disclosure control: nothing exact about few people gets into what is published."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("statsmodels")

from popstrat.pages.validation_page import render
from popstrat.privacy.disclosure import rounded
from popstrat.validation import sentences
from popstrat.validation.assessment import assess
from popstrat.validation.files import tables
from popstrat.validation.publish import publish
from popstrat.validation.results import Grouping
from popstrat.validation.sentences import headlines

COUNTS = {"people", "events", "lost", "chosen", "found", "right"}
PROVENANCE = {
    "program": {"name": "popstrat", "version": "0", "sha256": "0"}, "pack": None, "as_of": None, "profile": None,
    "risk": "admission_risk", "sources": [], "notices": [], "made": "2026-11-22",
    "outcome": {"called": "the outcome", "column": "y", "time_column": None, "event_column": None, "competing": None},
}  # fmt: skip

ROUNDED = [
    (0, None),
    (1, None),
    (7, None),
    (7.9, None),
    (8, 10),
    (12, 10),
    (12.5, 15),
    (13, 15),
    (102, 100),
    (np.nan, None),
]


@pytest.mark.parametrize(("count", "shown"), ROUNDED)
def test_counts(count: float, shown: int | None) -> None:
    assert rounded(count) == shown


def published(n: int = 2500, seed: int = 0, *, survival: bool = False, bootstrap: int = 10) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    risk = np.round(1 / (1 + np.exp(-rng.normal(-2.6, 1.1, n))), 6)
    outcome = rng.random(n) < risk
    labels = ("most", "many", "some", "few", "hardly any", "one")
    codes = np.searchsorted([0.6, 0.9, 0.97, 0.99, 1 - 4 / n], np.arange(n) / n, side="right").astype(np.int32)
    groups = {"g": Grouping(codes, labels, "Group <b>"), "same": Grouping(np.zeros(n, np.int32), ("all",), "Same")}
    practices = Grouping((np.arange(n) % 9).astype(np.int32), tuple(f"E8500{i}" for i in range(9)))
    how: dict[str, Any] = {"outcome": outcome}
    if survival:
        lost = rng.random(n) < 0.1
        how = {"time": np.where(lost, 50, np.where(outcome, 100, 365)), "event": outcome & ~lost}
    found = assess(risk, **how, groups=groups, practices=practices, capacity=min(60, n // 3), bootstrap=bootstrap)
    result = publish(
        found, {"scored": n, "without_risk": 3, "without_outcome": 0, "unknown": 0, "assessed": n}, PROVENANCE
    )
    result["headlines"] = headlines(result)
    return result


def walk(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict within."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from walk(part)


@pytest.mark.parametrize("survival", [False, True])
@pytest.mark.parametrize("n", [60, 400, 2500])
def test_every_count_is_rounded_or_redacted(n: int, survival: bool) -> None:
    result = published(n, survival=survival)
    seen = 0
    for row in walk({k: v for k, v in result.items() if k != "found"}):
        for name in COUNTS & set(row):
            if row[name] is not None and not isinstance(row[name], dict):
                assert row[name] >= 10
                assert row[name] % 5 == 0, name
                seen += 1
        if row.get("events") is not None and row.get("people") is not None and "observed_rate" in row:
            assert row["observed_rate"] == round(min(row["events"] / row["people"], 1), 5)
    assert all(v is None or v % 5 == 0 for v in result["people"].values())
    assert result["people"]["without_risk"] is None
    assert seen


def test_few_people_are_not_shown() -> None:
    one = next(r for r in published()["groups"][0]["rows"] if r["label"] == "one")
    shown = {k: v for k, v in one.items() if v not in (None, False)}
    assert shown == {"label": "one", "reason": "too few people"}


def test_a_grouping_of_one_group_is_left_out() -> None:
    assert [g["name"] for g in published()["groups"]] == ["g"]


def test_one_event_more_changes_no_count_and_nothing_that_follows_from_one() -> None:
    """With 41 or 42 events among 1,000 both are 40: what is derived from counts must not tell them apart."""
    risk = np.linspace(0.01, 0.09, 1000).round(6)
    results = []
    for events in (41, 42):
        outcome = np.zeros(1000, bool)
        outcome[np.arange(events) * 23 % 1000] = True
        results.append(publish(assess(risk, outcome, bootstrap=0), {"assessed": 1000}, PROVENANCE))
    a, b = (r["overall"] for r in results)
    assert a["events"] == b["events"] == 40
    for name in ("observed_rate", "expected", "mean_risk"):
        assert a[name] == b[name]
    assert a["measures"]["oe"] == b["measures"]["oe"]
    assert a["measures"]["in_the_large"]["value"] == pytest.approx(b["measures"]["in_the_large"]["value"], abs=0.002)
    assert results[0]["decision"][0]["everybody"] == results[1]["decision"][0]["everybody"]


def test_events_are_redacted_where_few_are_free_of_them() -> None:
    """With the people shown, the events would give away the few others."""
    risk = np.full(400, 0.5)
    codes = np.zeros(400, np.int32)
    codes[:40] = 1
    outcome = np.arange(400) % 2 == 0
    outcome[:40] = True
    outcome[0] = False
    result = publish(assess(risk, outcome, groups={"g": Grouping(codes, ("a", "b"))}, bootstrap=0), {}, PROVENANCE)
    b = result["groups"][0]["rows"][1]
    assert (b["people"], b["events"], b["observed_rate"], b["sensitivity"]) == (40, None, None, None)


def test_hits_are_redacted_where_few_are_missed() -> None:
    """Of 100 people chosen 96 have the outcome: that 4 have not must not be shown either."""
    risk = np.concatenate([np.full(100, 0.9), np.full(900, 0.1)])
    outcome = np.concatenate([np.arange(100) >= 4, np.arange(900) % 10 == 0])
    result = publish(assess(risk, outcome, capacity=100, bootstrap=0), {}, PROVENANCE)
    row = next(r for r in result["capacity"] if r["capacity"])
    assert (row["people"], row["found"], row["sensitivity"], row["predictive_value"]) == (100, None, None, None)
    half = next(r for r in result["decision"] if r["threshold"] == 0.5)
    assert (half["chosen"], half["right"], half["model"]) == (100, None, None)
    last = result["calibration"][-1]
    assert (last["events"], last["observed_rate"], last["low"]) == (None, None, None)


@pytest.mark.parametrize("survival", [False, True])
@pytest.mark.parametrize("n", [30, 60, 400, 2500])
@pytest.mark.parametrize("bootstrap", [0, 5])
def test_the_page_and_the_tables_can_always_be_made(n: int, survival: bool, bootstrap: int) -> None:
    result = published(n, survival=survival, bootstrap=bootstrap)
    page = render(result)
    assert "nan" not in page.lower().replace("finance", "")
    assert "None" not in page.replace("None of", "")
    assert set(tables(result)) == {
        "measures", "calibration", "calibration-curve", "capacity", "decision-curve", "found-curve", "groups",
        "practices",
    }  # fmt: skip


def test_the_page_stands_alone_and_is_safe() -> None:
    import re

    page = render(published())
    assert page.count("<script>") == page.count("<script") == 1  # ours, which only enhances
    assert "<b>" not in page  # a label is text, in the tables and in the plots
    assert "Group &lt;b&gt;" in page
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "@import" not in page
    assert "url(" not in re.sub(r"url\(#[^)]*\)", "", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    used |= set(re.findall(r'aria-labelledby="([^"]+)"', page))
    assert used <= set(ids)
    charts = re.findall(r'<svg class="chart"[^>]* role="img" aria-label="([^"]+)"', page)
    assert len(charts) == page.count("<figcaption") == page.count('class="chart"') == 6
    assert all(len(told) > 40 for told in charts)
    assert page.count("<table") == page.count("<caption")


def test_the_page_is_the_same_every_time() -> None:
    assert render(published()) == render(published())


def test_headlines_say_which_way_it_is_off() -> None:
    rng = np.random.default_rng(0)
    truth = 1 / (1 + np.exp(-rng.normal(-2.3, 1.0, 20_000)))
    outcome = rng.random(20_000) < truth
    low, high = (
        headlines(publish(assess(np.round(np.minimum(truth * f, 1), 6), outcome, bootstrap=40), {}, PROVENANCE))
        for f in (0.5, 1.2)
    )
    right = headlines(publish(assess(np.round(truth, 6), outcome, bootstrap=40), {}, PROVENANCE))
    assert any("its risks are too low" in line for line in low)
    assert any("its risks are too high" in line for line in high)
    assert any("about as many as there were" in line for line in right)
    assert any("as far apart as they should be" in line for line in right)


def test_only_thresholds_with_the_whole_interval_above_are_claimed() -> None:
    def row(threshold: float, low: float | None, everybody: float) -> dict[str, Any]:
        return {"threshold": threshold, "everybody": everybody, "model": {"value": 9.0, "low": low, "high": 10.0}}

    rows = [row(0.01, 8, 8.5), row(0.02, 8, 7), row(0.03, 7, 2), row(0.04, -1, -2), row(0.05, 1, -5), row(0.1, 0, -9)]
    (said,) = sentences._decision(rows)
    assert said.endswith("at thresholds of 2–3% and 5%.")
    assert sentences._decision([row(0.01, 8, 8.5)])[0].startswith("At no threshold")
    assert sentences._decision([row(0.01, None, 2)]) == []


def test_who_was_left_out_is_told_only_where_somebody_was() -> None:
    assert "who were left out" not in render(published())
    told = " ".join(render({**published(), "left_out": True}).split())
    assert "with a risk but without an outcome, who were left out as asked for: withheld" in told


def test_nothing_is_said_to_be_withheld_of_what_cannot_be() -> None:
    """Outcomes of people not scored stop a run unless they are passed over: so many are told, or nothing is."""
    assert "people not in the scored table" not in render(published())
    some = published()
    assert "people not in the scored table were passed over: 40" in " ".join(
        render({**some, "people": {**some["people"], "unknown": 40}}).split()
    )


def test_the_verdict_comes_first() -> None:
    result = published(4000, bootstrap=40)
    page = render(result)
    told = sentences.verdict(result)
    assert told in page
    assert page.index(told) < page.index("<figure") < page.index("<table")
    assert "<h1>Admission risk: how well it did</h1>" in page
    assert "<h1>Admissions, a year: how well it did</h1>" in render({**result, "risk_title": "admissions, a year"})
    assert "admission_risk" in page  # where it comes from


def test_every_practice_of_the_funnel_is_in_its_table() -> None:
    result = published(2500)
    table = render(result).split('<table id="practices-table"')[1].split("</table>")[0]
    for row in result["practices"]["rows"]:
        assert f'<th scope="row">{row["label"]}</th>' in table


def mean_attack(rng: np.random.Generator) -> tuple[float, float]:
    """300 women, 301 men, one of whom moves from risk 0 to 1: what means and rounded sizes tell of the sums apart."""
    risk = np.round(rng.uniform(0.02, 0.3, 601), 6)
    outcome = rng.random(601) < 0.2
    sex = Grouping((np.arange(601) >= 300).astype(np.int32), ("f", "m"), "Sex")
    found = []
    for last in (0.0, 1.0):
        risk[-1] = last
        result = publish(assess(risk, outcome, groups={"sex": sex}, bootstrap=0), {"assessed": 601}, PROVENANCE)
        f, m = result["groups"][0]["rows"]
        found.append(601 * result["overall"]["mean_risk"] - 300 * f["mean_risk"] - 300 * m["mean_risk"])
    return found[0], found[1]


def test_one_persons_risk_cannot_be_worked_out_from_means() -> None:
    """Means times sizes once gave one person's risk to three digits: 601 of all less 300 and 300 of two groups."""
    rng = np.random.default_rng(0)
    apart = [abs(b - a) for a, b in (mean_attack(rng) for _ in range(40))]
    assert sum(x < 1e-6 for x in apart) >= 15  # mostly nothing is seen
    assert all(x < 1e-6 or x > 2 for x in apart)  # or a whole step of five is taken; never the person's own part


def test_all_figures_are_functions_of_rounded_counts_or_in_steps() -> None:
    """A risk moved by a little, and two people's outcomes exchanged, leave every figure of counts as it was."""
    from popstrat.privacy.disclosure import step

    for seed in range(4):
        result = published(2500, seed)
        for row in [result["overall"], *result["groups"][0]["rows"], *result["practices"]["rows"]]:
            if row.get("mean_risk") is not None:
                assert row["mean_risk"] == round(row["expected"] / row["people"], 5)
                assert row["expected"] % 5 == 0
            measures = row.get("measures")
            if measures:
                size = min(row["events"], row["people"] - row["events"])
                steps = {"auroc": step(size, people=1), "average_precision": step(size, people=1),
                         "slope": step(size), "intercept": step(size), "in_the_large": step(size),
                         "brier": step(row["people"])}  # fmt: skip
                for name, by in steps.items():
                    for value in measures[name].values():
                        assert value is None or abs(value / by - round(value / by)) < 1e-6, (name, value, by)
        by = step(result["overall"]["people"])
        for point in result["curve"]["points"]:
            for value in point.values():
                assert abs(value / by - round(value / by)) < 1e-6


@pytest.mark.parametrize("survival", [False, True])
def test_no_withheld_count_of_a_report_can_be_bounded_closely(survival: bool) -> None:
    from popstrat.privacy.disclosure import WIDTH
    from popstrat.privacy.disclosure.audit import widths
    from popstrat.validation.publish import counted

    rng = np.random.default_rng(2)
    n = 900
    risk = np.round(1 / (1 + np.exp(-rng.normal(-2.0, 1.1, n))), 6)
    outcome = rng.random(n) < risk
    practices = Grouping((np.arange(n) % 7).astype(np.int32), tuple(f"E8500{i}" for i in range(7)))
    few = Grouping((np.arange(n) < 6).astype(np.int32), ("most", "few"), "Few")
    how: dict[str, Any] = {"outcome": outcome}
    if survival:
        lost = rng.random(n) < 0.1
        how = {"time": np.where(lost, 50, np.where(outcome, 100, 365)), "event": outcome & ~lost}
    found = assess(risk, **how, groups={"few": few}, practices=practices, capacity=60, bootstrap=0)
    done = counted(found, {"assessed": n}).publish()
    assert done.exposed == ()
    assert done.why[("group", "few", "few", "people")] == "small"
    assert done.problem is not None
    assert min(widths(done.problem).values()) >= WIDTH - 1e-6
