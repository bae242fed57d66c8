"""From a template and what it shows to the text of a page."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from popstrat.core import numbers
from popstrat.pages.design import tokens
from popstrat.pages.design.parts import Shell, is_withheld, rag, row


def render(template: str, shell: Shell, **shown: Any) -> str:
    """The page of a template, named ``room/file`` (``pages/explain.html.j2``), which extends
    ``pages.design/base.html.j2``. What it is to show must all be given: a name that is missing raises."""
    page: str = environment().get_template(template).render(shell=shell, **shown)
    return page


@cache
def environment() -> jinja2.Environment:
    """The one environment: all text is escaped, numbers are written as `popstrat.core.numbers` writes them."""
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_read),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
    )
    for name in ("count", "plural", "decimal", "percent", "stated", "percentage_points", "pounds", "day", "month"):
        made.filters[name] = getattr(numbers, name)
    made.filters["css_text"] = css_text
    made.tests["withheld"] = is_withheld
    made.globals.update(
        rag=rag,
        row=row,
        withheld_means=numbers.WITHHELD_MEANS,
        style=Markup(tokens.style() + _own("style.css")),  # our own files
        script=Markup(_own("enhance.js")),
    )
    return made


def css_text(text: str) -> Markup:
    """A text as a string of a style sheet: what is not a plain letter or figure is written as its code, so that nothing
    ends the string or the sheet."""
    plain = (one if one.isascii() and (one.isalnum() or one in " ,.-") else f"\\{ord(one):x} " for one in text)
    return Markup(f'"{"".join(plain)}"')  # all of it escaped


def _own(name: str) -> str:
    return resources.files("popstrat.pages.design").joinpath(name).read_text(encoding="utf-8").strip()


def _read(name: str) -> str:
    room, _, file = name.rpartition("/")
    return resources.files(f"popstrat.{room}").joinpath(file).read_text(encoding="utf-8")
