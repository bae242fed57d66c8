"""The page: one HTML file without scripts or anything from elsewhere, made from the published figures."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from popstrat.validation import plots
from popstrat.validation.sentences import percent

_TEMPLATE = "page.html.j2"
_THRESHOLDS = (0.02, 0.05, 0.07, 0.10, 0.12, 0.15, 0.18, 0.20, 0.28, 0.30, 0.40, 0.50)
HIDDEN = "[c]"


def render(result: Mapping[str, Any]) -> str:
    """The page as text."""
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters.update(count=_count, percent=_percent, figure=_figure, span=_span, span_percent=_span_percent)
    template = environment.from_string(
        resources.files("popstrat.validation").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    )
    drawn = dict.fromkeys(plots.NAMES, "") | {name: _safe(svg) for name, svg in plots.all_plots(result).items()}
    outside = []
    if result["practices"]:
        outside = [r for r in result["practices"]["rows"] if "99.8" in r["position"]]
    page: str = template.render(
        r=result,
        plots=drawn,
        decision=[row for row in result["decision"] if row["threshold"] in _THRESHOLDS],
        outside=outside[:30],
        more_outside=max(0, len(outside) - 30),
        hidden=HIDDEN,
        measures=_measures(result),
    )
    return page


def _safe(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)  # made by us: numbers, or drawn by matplotlib, which escapes the labels in it


def _measures(result: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any] | None, int]]:
    """(name, what it says, estimate, digits) of every measure over all."""
    m = result["overall"]["measures"] or {}
    c = result["concordance"]
    rows = [
        ("AUROC", "chance that somebody with the outcome has the higher risk; 0.5 is a coin toss, 1 perfect",
         m.get("auroc"), 3),
        ("Harrell's C", "the same for who had the event first; depends on the censoring", c.get("harrell_c"), 3),
        ("Uno's C", "the same, corrected for censoring", c.get("uno_c"), 3),
        ("Average precision", "mean predictive value over all cuts; by lot it would be the observed rate",
         m.get("average_precision"), 3),
        ("Observed over expected", "events there were for each that was expected; 1 is right", m.get("oe"), 2),
        ("Calibration in the large", "what must be added to the log-odds; 0 is right", m.get("in_the_large"), 3),
        ("Calibration slope", "under 1: risks too far apart; over 1: too close together", m.get("slope"), 3),
        ("Calibration intercept", "the intercept that goes with that slope", m.get("intercept"), 3),
        ("Brier score", "mean squared error of the risks; 0 is perfect", m.get("brier"), 4),
        ("Scaled Brier score", "1 is perfect, 0 no better than giving all the same risk", m.get("scaled_brier"), 3),
    ]  # fmt: skip
    return [row for row in rows if row[2] is not None]


def _count(value: int | None) -> str:
    return HIDDEN if value is None else f"{value:,}"


def _percent(value: float | None) -> str:
    return HIDDEN if value is None else percent(value)


def _figure(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _span(estimate: Mapping[str, Any] | None, digits: int = 2) -> str:
    if estimate is None or estimate["value"] is None:
        return "–"
    if estimate["low"] is None:
        return _figure(estimate["value"], digits)
    return _with_ends(*(_figure(estimate[n], digits) for n in ("value", "low", "high")))


def _span_percent(estimate: Mapping[str, Any] | None) -> str:
    if estimate is None or estimate["value"] is None:
        return HIDDEN
    if estimate["low"] is None:
        return percent(estimate["value"])
    return _with_ends(*(percent(estimate[n]).removesuffix(" %") for n in ("value", "low", "high")))


def _with_ends(value: str, low: str, high: str) -> str:
    found: str = _safe(f'{value} <span class="ci">({low} to {high})</span>')
    return found
