"""The page of the library: every public name, with its signature and what its docstring says."""

from __future__ import annotations

import popstrat

_HEAD = """# Library

These are the public names. They are imported on first use. Every error that popstrat raises is a `PopstratError`.
"""


def page() -> str:
    """The whole page, as Markdown that mkdocstrings fills in."""
    parts = [_HEAD]
    names = [name for name in popstrat.__all__ if name in popstrat._WHERE]
    names.sort(key=lambda name: (name.endswith(("Error", "Warning")), name.casefold()))
    for name in names:
        parts.append(f"::: popstrat.{popstrat._WHERE[name]}.{name}\n")
    return "\n".join(parts)
