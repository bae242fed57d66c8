"""The page of a validation, made from the published figures: the verdict first, then what carries it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popstrat.core.numbers import NOTHING, WITHHELD, count, day, decimal, percent, span, stated
from popstrat.pages import validation_charts as charts
from popstrat.pages.charts.chart import Chart
from popstrat.pages.design.parts import Figure, KeyFigure, Part, Shell, Table, Verdict
from popstrat.pages.design.render import render as render_page
from popstrat.pages.validation_charts import interval
from popstrat.validation.sentences import of_100, shown_capacity, titled, verdict

_TEMPLATE = "pages/validation.html.j2"
_FIRST = 3
"""So many findings stand with the verdict; the others below the figures."""
_THRESHOLDS = (0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.20, 0.28, 0.30, 0.40, 0.50)
Found = Mapping[str, Any]
Rows = list[list[str]]


def render(result: Found) -> str:
    """The page as text."""
    return render_page(
        _TEMPLATE,
        _shell(result),
        r=result,
        verdict=Verdict(verdict(result), result["headlines"][:_FIRST]),
        more=result["headlines"][_FIRST:],
        keys=_keys(result),
        calibration=_calibration(result),
        found=_found(result),
        decision=_decision(result),
        groups=_groups(result),
        practices=_practices(result),
        measures=_measures(result),
        source=_source(result),
    )


def _shell(r: Found) -> Shell:
    by = f", by day {r['settings']['horizon']:g}" if r["settings"]["horizon"] else ""
    pack = f"{r['pack']['id']} {r['pack']['version']}" if r["pack"] else "model not known (no run record)"
    scored = f" · scored as of {day(r['as_of'])}" if r["as_of"] else ""
    program = r["program"]
    return Shell(
        f"{titled(r)}: how well it did",
        under=(f"Set against what happened: {r['outcome']['called']}{by}", f"{pack}{scored}"),
        provenance=(f"Made by {program['name']} {program['version']} on {day(r['made'])}. {pack}{scored}.",),
    )


def _keys(r: Found) -> list[KeyFigure]:
    whole, measures = r["overall"], r["overall"]["measures"]
    found = [KeyFigure(count(whole["people"]), "people assessed", f"{count(whole['events'])} with the outcome")]
    if measures:
        auroc = measures["auroc"]
        order = f"{of_100(auroc['value'])} in 100" if auroc["value"] is not None else NOTHING
        found.append(KeyFigure(order, "pairs put in the right order", f"AUROC {interval(auroc)}"))
        found.append(KeyFigure(decimal(measures["oe"]["value"]), "observed for each one expected", "1 is right"))
    for row in shown_capacity(r):
        reached = f"{of_100(row['sensitivity']['value'])} in 100"
        found.append(KeyFigure(reached, "of all events reached", f"by seeing {row['people']:,} people"))
    return found


def _calibration(r: Found) -> tuple[Figure | None, Table]:
    table = Table(
        "calibration-table",
        "Predicted and observed risk by tenth of the list, from the lowest risks to the highest",
        ("part of the list", "people", "with the outcome", "mean risk given", "observed", "95% interval"),
        _bands(r["calibration"]),
        frozenset(range(1, 6)),
        parts=[Part("the highest tenth in parts", _bands(r["calibration_top"]))] if r["calibration_top"] else (),
    )
    under = "both scales are logarithmic; on the dashed line as many have the outcome as the score expected"
    return _figure("calibration", "Observed against predicted risk", charts.calibration(r), table, under), table


def _bands(rows: Sequence[Found]) -> Rows:
    return [
        [
            row["label"], count(row["people"]), count(row["events"]), percent(row["mean_risk"]),
            percent(row["observed_rate"]),
            WITHHELD if row["low"] is None else span(percent(row["low"]), percent(row["high"])),
        ]
        for row in rows
    ]  # fmt: skip


def _found(r: Found) -> tuple[Figure | None, Table]:
    table = Table(
        "capacity-table",
        "Seeing the people of highest risk",
        ("share of the list", "people", "of them with the outcome", "of all events found (sensitivity)",
         "of those seen with the outcome (predictive value)"),
        [
            [row["label"], count(row["people"]), count(row["found"]), _share(row["sensitivity"]),
             _share(row["predictive_value"])]
            for row in r["capacity"]
        ],
        frozenset(range(1, 5)),
        under="with 95% intervals",
    )  # fmt: skip
    under = f"up to a quarter of the list; the diamond is {r['settings']['group_cut']}"
    return _figure("found", "Share of all events found, by the share of the list seen", charts.found(r), table,
                   under), table  # fmt: skip


def _decision(r: Found) -> tuple[Figure | None, Table] | None:
    rows = [row for row in r["decision"] if row["threshold"] in _THRESHOLDS]
    if not rows:
        return None
    table = Table(
        "decision-table",
        "Net benefit per 1,000 people",
        ("threshold", "people at or above it", "of them with the outcome", "acting on the score", "seeing everybody",
         "nobody"),
        [
            [stated(row["threshold"]), count(row["chosen"]), count(row["right"]),
             interval(row["model"], 1) if row["model"] else WITHHELD, decimal(row["everybody"], 1), "0"]
            for row in rows
        ],
        frozenset(range(1, 6)),
        under="with 95% intervals",
    )  # fmt: skip
    return _figure("decision", "Net benefit per 1,000 people, by threshold", charts.decision(r), table), table


def _groups(r: Found) -> tuple[list[Figure], list[Figure], list[Table]] | None:
    """Observed over expected by group with the table of each division, AUROC by group, and the tables where nothing can
    be drawn."""
    if not r["groups"]:
        return None
    tables = [_group_table(group, i, r["settings"]["group_cut"]) for i, group in enumerate(r["groups"], 1)]
    oe, auroc = (charts.groups(r, measure, measure_called) for measure, measure_called in _BY_GROUP)
    drawn = [
        Figure(f"oe-{i}", f"{title}: observed over expected", chart, table)
        for i, ((title, chart), table) in enumerate(zip(oe, tables, strict=True), 1)
    ] if oe else []  # fmt: skip
    order = [Figure(f"auroc-{i}", f"{title}: AUROC", chart) for i, (title, chart) in enumerate(auroc, 1)]
    return drawn, order, [] if drawn else tables


_BY_GROUP = (("oe", "observed over expected"), ("auroc", "AUROC"))


def _group_table(group: Found, i: int, cut: str) -> Table:
    rows = []
    for row in group["rows"]:
        m, against = row["measures"], row["against"]
        told = [row["reason"] or NOTHING, NOTHING] if not m else [interval(m["oe"]), interval(m["auroc"])]
        told += [interval(against["oe"]), interval(against["auroc"])] if m and against else [NOTHING, NOTHING]
        label = f"{row['label']} *" if row["reference"] else row["label"]
        rows.append(
            [label, count(row["people"]), count(row["events"]), *told, percent(row["chosen_rate"]),
             percent(row["sensitivity"])]
        )  # fmt: skip
    return Table(
        f"group-{i}",
        group["title"],
        ("group", "people", "with the outcome", "observed over expected (O/E)", "AUROC", "O/E over that of *",
         "AUROC less that of *", f"chosen at {cut}", "of its events found"),
        rows,
        frozenset(range(1, 9)),
        under="with 95% intervals; * the largest group, which the others are compared with",
    )  # fmt: skip


def _practices(r: Found) -> Figure | None:
    chart = charts.practices(r)
    if chart is None:
        return None
    rows = [
        [row["label"], count(row["people"]), count(row["expected"]), count(row["events"]),
         decimal(row["oe"], 2, WITHHELD), row["position"] or NOTHING]
        for row in r["practices"]["rows"]
    ]  # fmt: skip
    table = Table(
        "practices-table",
        "Practices, by code",
        ("practice", "people", "expected", "observed", "observed over expected", "where it lies"),
        rows,
        frozenset(range(1, 5)),
    )
    under = f"about the whole list's {decimal(r['practices']['target'])}; exact binomial limits"
    return _figure("practices", "Observed over expected by practice", chart, table, under)


def _measures(r: Found) -> Table | None:
    m, c = r["overall"]["measures"], r["concordance"]
    if not m:
        return None
    rows = [
        (name, interval(estimate, digits), says)
        for name, estimate, digits, says in (
            ("AUROC", m.get("auroc"), 3,
             "chance that somebody with the outcome has the higher risk: 0.5 is a coin toss, 1 is perfect"),
            ("Harrell's C", c.get("harrell_c"), 3,
             "the same for who had the event first; it depends on how many were lost"),
            ("Uno's C", c.get("uno_c"), 3, "the same, corrected for people lost"),
            ("Average precision", m.get("average_precision"), 3,
             "mean predictive value over all cuts; at random it would be the observed rate"),
            ("Observed over expected", m.get("oe"), 2, "events there were for each that was expected: 1 is right"),
            ("Calibration in the large", m.get("in_the_large"), 3, "what must be added to the log-odds: 0 is right"),
            ("Calibration slope", m.get("slope"), 3, "under 1: risks too far apart; over 1: too close together"),
            ("Calibration intercept", m.get("intercept"), 3, "the intercept that goes with that slope"),
            ("Brier score", m.get("brier"), 4, "mean squared error of the risks: 0 is perfect"),
            ("Scaled Brier score", m.get("scaled_brier"), 3,
             "1 is perfect; 0 is no better than giving all people the same risk"),
        )
        if estimate is not None
    ]  # fmt: skip
    if r["curve"]:
        index = f"{decimal(100 * r['curve']['calibration_index'])} points"
        says = "how far a risk is from the smooth curve on average, in percentage points"
        rows.append(("Calibration index (ICI)", index, says))
    none = "" if r["settings"]["bootstrap"] else " (none: no resamples were asked for)"
    return Table("measures-table", "All people with a score", ("measure", "value", "what it says"), rows,
                 frozenset({1}), under=f"with 95% intervals{none}")  # fmt: skip


def _source(r: Found) -> list[tuple[str, str]]:
    program, pack, outcome = r["program"], r["pack"], r["outcome"]
    found = [("Program", f"{program['name']} {program['version']}, sha256 {program['sha256']}")]
    if pack:
        told = f"{pack['id']} {pack['version']}"
        found.append(("Definitions", f"{told}, sha256 {pack['sha256']}" if pack.get("sha256") else told))
    found.append(("Risk", f"column {r['risk']}"))
    if r["as_of"]:
        found.append(("As-of date", day(r["as_of"]) + (f", profile {r['profile']}" if r["profile"] else "")))
    timed = f"{outcome['event_column']} by {outcome['time_column']}"
    found.append(("Outcome", timed if outcome["time_column"] else outcome["column"]))
    if r.get("period"):
        found.append(("Period", r["period"]))
    for source in r["sources"]:
        told = f"{source['name']}, {count(source['rows'])} rows, sha256 {source['sha256']}"
        found.append((str(source["role"]).capitalize(), told))
    return found


def _figure(name: str, title: str, chart: Chart | None, table: Table, under: str = "") -> Figure | None:
    return None if chart is None else Figure(name, title, chart, table, under)


def _share(estimate: Found | None) -> str:
    """A share with its interval: 13.2% (11.9–14.5%)."""
    if estimate is None or estimate["value"] is None:
        return WITHHELD
    value = percent(estimate["value"])
    return value if estimate["low"] is None else f"{value} ({span(*(percent(estimate[e]) for e in ('low', 'high')))})"
