"""What a fit or a recalibration found, on a terminal. Counts are rounded, as in the pack."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from popstrat.fitting.counts import in_words
from popstrat.fitting.fitted import Fitted
from popstrat.fitting.recalibrator import Recalibrated
from popstrat.pages.console import WARNING, dim_table

_FIGURES = {
    "auroc": "AUROC",
    "observed_over_expected": "observed / expected",
    "calibration_slope": "calibration slope",
    "calibration_in_the_large": "calibration in the large",
    "scaled_brier": "scaled Brier score",
}


def _number(value: float) -> str:
    """To three places; nothing is minus nought."""
    return f"{round(value, 3) + 0.0:.3f}"


def _around(figures: Mapping[str, float], name: str) -> str:
    low, high = figures.get(f"{name}_low"), figures.get(f"{name}_high")
    return "" if low is None or high is None else f"{_number(low)} to {_number(high)}"


def show_fit(found: Fitted, console: Console) -> None:
    """Coefficients with their intervals, figures, what was not as expected, and where the pack is."""
    console.print(Text(f"{found.pack.id} {found.pack.version} · {found.model} · {found.method}", "bold"))
    for stratum in found.strata:
        start = (
            "; ".join(f"baseline survival{f' {k}' if k else ''} {v:.6g}" for k, v in stratum.survival.items())
            or f"intercept {stratum.intercept:.6g}"
        )
        strength = f"; penalty's strength {stratum.strength:.3g}" if stratum.strength is not None else ""
        name = f"{stratum.name}: " if stratum.name else ""
        people = f"{in_words(stratum.people)} people, {in_words(stratum.events)} with the event"
        console.print(Text(f"{name}{people}; {start}{strength}"))
    console.print()
    several = len(found.strata) > 1
    heads = ["term", *(["stratum"] if several else []), "coefficient", "95% interval", "ratio", "events"]
    first = 2 if several else 1
    grid = dim_table(*heads, right={first, first + 2, first + 3})
    for term in found.terms:
        interval = f"{term.low:+.3f} to {term.high:+.3f}" if term.low is not None and term.high is not None else ""
        grid.add_row(
            term.id, *([term.stratum] if several else []), f"{term.coefficient:+.4f}",
            f"not fitted: {term.note}" if term.note else interval, f"{math.exp(term.coefficient):.3f}",
            in_words(term.events),
        )  # fmt: skip
    console.print(Padding(grid, (0, 0, 0, 2)))
    if any(not term.note and term.low is None for term in found.terms):
        told = "Coefficients with a penalty have no interval, because a penalty moves them towards 0."
        console.print(Padding(Text(told, "dim"), (0, 0, 0, 2)))
    if found.figures is not None:
        console.print()
        whom = (
            f"On {in_words(found.held_out)} people kept aside" if found.held_out else "On the people it was fitted to"
        )
        grid = dim_table(whom, "", "95% interval", right={1})
        for name, told in _FIGURES.items():
            if name in found.figures:
                grid.add_row(told, _number(found.figures[name]), _around(found.figures, name))
        console.print(Padding(grid, (0, 0, 0, 2)))
    _doubts(found.period, found.warnings, console)
    _close(found.counts, str(found.output), console)


def show_recalibration(found: Recalibrated, console: Console) -> None:
    """What was fitted, and the figures before and after."""
    console.print(Text(f"{found.pack.id} {found.pack.version} · {found.model} · recalibrated, {found.method}", "bold"))
    for stratum in found.strata:
        name = f"{stratum.name}: " if stratum.name else ""
        told = (
            "; ".join(f"baseline survival{f' {k}' if k else ''} {v:.6g}" for k, v in stratum.survival.items())
            or f"LP becomes {stratum.intercept:+.4f} {stratum.slope:+.4f} × LP"
        )
        console.print(
            Text(f"{name}{in_words(stratum.people)} people, {in_words(stratum.events)} with the event; {told}")
        )
    if found.before is not None and found.after is not None:
        console.print()
        grid = dim_table("on the same people", "before", "after", "95% interval", right={1, 2})
        for name, told in _FIGURES.items():
            if name in found.before and name in found.after:
                before, after = _number(found.before[name]), _number(found.after[name])
                grid.add_row(told, before, after, _around(found.after, name))
        console.print(Padding(grid, (0, 0, 0, 2)))
    _doubts(found.period, found.warnings, console)
    _close(found.counts, str(found.output), console)


def _doubts(period: str, warnings: Sequence[str], console: Console) -> None:
    """Over which period the outcome was seen, and what a reader should look into."""
    if period:
        console.print(Text(f"{period[0].upper()}{period[1:]}"))
    for warning in warnings:
        console.print(Text(f"! {warning}", WARNING))


def _close(counts: object, output: str, console: Console) -> None:
    assert isinstance(counts, dict)
    left = counts["without_outcome"]
    console.print()
    if left:
        console.print(Text(f"{in_words(left)} eligible people without an outcome were left out", WARNING))
    console.print(Text(f"Written: {output}"))
