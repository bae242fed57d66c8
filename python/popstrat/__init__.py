"""popstrat: population segmentation and risk stratification for NHS registered lists.

    >>> import datetime as dt
    >>> import popstrat
    >>> from popstrat import synthetic
    >>> people = synthetic.table(1_000, seed=1, as_of=dt.date(2026, 6, 30))  # or your own, from Polars, pandas, DuckDB
    >>> scored = popstrat.score(people, "2026-06-30")
    >>> scored.num_rows
    1000

`score`, `derive`, `sql`, `contributions`, `load_pack` and `Scorer` are the library; `popstrat.errors` holds what they
raise, all a `PopstratError`, and what they warn of, all a `PopstratWarning`. Everything is imported on first use, so
that a command which needs little starts fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from popstrat.core.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from popstrat.errors import AsOfWarning as AsOfWarning
    from popstrat.errors import DataWarning as DataWarning
    from popstrat.errors import DefinitionWarning as DefinitionWarning
    from popstrat.errors import InputError as InputError
    from popstrat.errors import PackError as PackError
    from popstrat.errors import PopstratError as PopstratError
    from popstrat.errors import PopstratWarning as PopstratWarning
    from popstrat.packs.load import load_pack as load_pack
    from popstrat.queries.call import sql as sql
    from popstrat.runs.derive import derive as derive
    from popstrat.runs.in_memory import score as score
    from popstrat.scoring.contributions import contributions as contributions
    from popstrat.scoring.scorer import Scorer as Scorer

_WHERE = {
    "AsOfWarning": "errors",
    "DataWarning": "errors",
    "DefinitionWarning": "errors",
    "InputError": "errors",
    "PackError": "errors",
    "PopstratError": "errors",
    "PopstratWarning": "errors",
    "Scorer": "scoring.scorer",
    "contributions": "scoring.contributions",
    "derive": "runs.derive",
    "load_pack": "packs.load",
    "score": "runs.in_memory",
    "sql": "queries.call",
}
_PLATFORMS = ("duckdb", "pandas", "polars", "spark")
"""Modules of their own, which import those libraries."""
__all__ = [
    "AsOfWarning", "DataWarning", "DefinitionWarning", "InputError", "PackError", "PopstratError", "PopstratWarning",
    "Scorer", "__version__", "contributions", "derive", "load_pack", "score", "sql",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PLATFORMS:
        return import_module(f"popstrat.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'popstrat' has no attribute {name!r}")
    return getattr(import_module(f"popstrat.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLATFORMS, *_WHERE])
