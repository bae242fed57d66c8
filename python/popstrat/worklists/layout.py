"""The columns of a work list as data: `layout.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

ROLES = (
    "position",
    "change",
    "tied",
    "key",
    "cohort",
    "rank",
    "measure",
    "caseload",
    "words",
    "output",
    "list",
    "recorded",
)


@dataclass(frozen=True)
class ListColumn:
    """A column of a work list; `layout.toml` says what each part is."""

    name: str
    label: str
    role: str
    source: str = ""
    label_beside: str = ""
    means: str = ""
    width: int = 12
    share: float = 0
    print: bool = True
    recorded_in: tuple[str, ...] = ()
    not_recorded: str = ""


@cache
def layout() -> tuple[ListColumn, ...]:
    """The columns, in order."""
    text = resources.files("popstrat.worklists").joinpath("layout.toml").read_text(encoding="utf-8")
    found = []
    for raw in tomllib.loads(text)["column"]:
        given = {("source" if key == "from" else key): value for key, value in raw.items()}
        given["recorded_in"] = tuple(given.get("recorded_in", ()))
        column = ListColumn(**given)
        assert column.role in ROLES, column.role
        found.append(column)
    return tuple(found)


def columns_of_list() -> tuple[str, ...]:
    """The columns of the patient table that the layout reads itself."""
    named = (n for c in layout() for n in ((c.source,) if c.role == "list" else c.recorded_in))
    return tuple(dict.fromkeys(named))
