"""Packs with one fault, and what must be said of it: file, line, word.

In a text, «…» marks where the carets must point; a text without marks has no caret to check.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from popstrat.errors import PackError
from popstrat.scoring.scorer import Scorer

AS_OF = dt.date(2026, 6, 30)
HEAD = '[pack]\nid = "p"\nversion = "1"\n'
TWO = '[definition.y]\nkind = "expression"\ntitle = "Y"\nsource = "us"\nversion = "1"\n'


def definition(body: str, kind: str = "expression", more: str = "") -> str:
    """A pack of one definition, with what goes before and after."""
    return (
        f'{HEAD}\n[definition.x]\nkind = "{kind}"\ntitle = "X"\nsource = "us"\nversion = "1"\n{body}\n'
        f"{'' if 'output' in body else 'output = true'}\n{more}"
    )


def complaint(tmp_path: Path, text: str) -> str:
    file = tmp_path / "p.toml"
    file.write_bytes(re.sub("[«»]", "", text).encode())
    with pytest.raises(PackError) as caught:
        _ = Scorer(file, AS_OF).output_schema
    return str(caught.value)


def check(tmp_path: Path, text: str, *parts: str) -> str:
    """The message holds the parts, names the marked line, and points at the marked text."""
    message = complaint(tmp_path, text)
    for part in parts:
        assert part in message, message
    marked = re.search("«(.*?)»", text)
    if marked is None:
        assert message.startswith("p.toml"), message
        return message
    before = text[: marked.start()].replace("\r\n", "\n")
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1)
    assert message.startswith(f"p.toml:{line}: "), message
    shown, carets = message.split("\n")[-2:]
    start = carets.index("^")
    assert shown[start:].startswith(marked.group(1)), message
    assert carets.strip() == "^" * len(marked.group(1)), message
    assert start - 4 == column, message
    return message
