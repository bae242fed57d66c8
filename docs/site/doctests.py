"""Examples in docstrings as blocks of code: a run of lines from one that begins with ``>>>`` to the next blank one."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ONE = r"^[ \t]*>>> .*\n?(?:^[ \t]*\S.*\n?)*"
_EXAMPLE = re.compile(rf"{_ONE}(?:\n{_ONE})*", re.MULTILINE)


def fenced(text: str) -> str:
    """A docstring with a fence around each example."""
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```\n", text)


class FenceExamples(griffe.Extension):
    """Called by mkdocstrings for everything that it reads."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
