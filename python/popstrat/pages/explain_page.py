"""Why patients got what they got, as one HTML file that prints: nothing in it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from popstrat.core.files import Outputs, writing
from popstrat.errors import InputError
from popstrat.reasons import wording
from popstrat.reasons.findings import Explanation
from popstrat.reasons.short import grouped, short

_TEMPLATE = "explain.html.j2"


def render(explanations: Sequence[Explanation], *, brief: bool = False, costs: bool = False) -> str:
    """The page as text: of each patient the five lines, and unless it is to be ``brief`` what is behind them. Raises
    `InputError` if Jinja2 is not installed."""
    try:
        import jinja2
    except ImportError:
        raise InputError("--html needs Jinja2: pip install 'popstrat[validate]'") from None
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["day"] = wording.day
    template = environment.from_string(
        resources.files("popstrat.pages").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    )
    page: str = template.render(people=[(e, short(e), () if brief else grouped(e)) for e in explanations], costs=costs)
    return page


def write(explanations: Sequence[Explanation], path: Path, *, brief: bool = False, costs: bool = False) -> None:
    """Write the page, whole or not at all. Raises as `render`, and ``OSError`` if it cannot be written."""
    page = render(explanations, brief=brief, costs=costs)
    with writing(path), Outputs() as outputs:
        outputs.add(path).write_text(page, encoding="utf-8")
        outputs.commit()
