"""Which counts may be shown: the one way from exact figures to published ones."""

from __future__ import annotations

from popstrat.errors import InputError
from popstrat.metrics.estimates import Shown
from popstrat.metrics.figures import Figures


def shown(figures: Figures, controlled: bool) -> Shown:
    """The figures as they may be shown. Raises `InputError` where they cannot be protected."""
    if not controlled:
        return Shown.uncontrolled(figures)
    raise InputError("disclosure control of figures by area is not there yet: give --no-disclosure-control")
