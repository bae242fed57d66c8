"""Where a figure that a page does not have is shown: a link to the page that has it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from popstrat.core.numbers import NOTHING
from popstrat.metrics.rows import LEVELS
from popstrat.pages.report.model import CALLED, SEVERAL, Area, Figure, Place
from popstrat.pages.report.teller import Teller

_MOST = 3


def there(figure: Figure | None) -> bool:
    """Whether it has a value."""
    return figure is not None and figure.value is not None


def nearest(t: Teller, has: Callable[[Area], bool]) -> list[Area]:
    """The areas nearest to this one that have something: the next one above, or else all of the first level below."""
    above = [[t.report.areas[place]] for place in reversed(t.area.above)]
    below = [t.report.within(t.area, level) for level in LEVELS[LEVELS.index(t.area.level) + 1 :]]
    return next((found for some in [*above, *below] if (found := [area for area in some if has(area)])), [])


def linked(t: Teller, areas: Sequence[Area]) -> Markup:
    """The names of areas, which lead to their pages; of many the first, and how many more."""
    links = [
        Markup('<a href="{}">{}</a>').format(t.files[one.place], t.report.title(one.place)) for one in areas[:_MOST]
    ]
    more = len(areas) - _MOST
    joined = Markup(", ").join(links)
    return (
        joined
        if more <= 0
        else Markup("{} and {:,} more {}").format(joined, more, (CALLED if more == 1 else SEVERAL)[areas[0].level])
    )


def not_shown(
    t: Teller, missing: Sequence[tuple[str, str, str]], has: Callable[[Figure | None], bool] = there
) -> list[Markup]:
    """What stands below a chart whose bars leave something out: which page tells it, for each label, metric and reason
    ("withheld"); those that the same pages tell together."""
    together: dict[tuple[str, tuple[Place, ...]], list[str]] = {}
    at: dict[tuple[Place, ...], list[Area]] = {}
    for label, metric, why in missing:
        areas = nearest(t, lambda area, metric=metric: has(t.report.get(area, metric)))  # type: ignore[misc]
        places = tuple(area.place for area in areas)
        at[places] = areas
        together.setdefault((why, places), []).append(label)
    found = []
    for (why, places), labels in together.items():
        told = Markup("See {}.").format(linked(t, at[places])) if places else Markup("No other page has it.")
        reason = "" if why == NOTHING else f" ({why})"
        found.append(Markup("Not shown here: {}{}. {}").format("; ".join(labels), reason, told))
    return found
