"""Which words a pack's rules use, read without building them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from popstrat.lang.compose import without_remarks
from popstrat.lang.names import normal
from popstrat.packs import shapes
from popstrat.packs.kinds.registry import KINDS

WORD = re.compile(r"[^\W\d]\w*")
SENTENCES = "sentences"
"""The key of a definition under which stands what is said of people."""
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
_RULES = tuple(dict.fromkeys(key for kind in KINDS.values() for key in kind.rules))


def expressions(body: Mapping[str, Any]) -> Iterator[str]:
    """Every piece of rule text in one definition's table, those of all its versions included. Of a table that is
    written wrongly, whatever is there; its kind need not be said, as where a file changes another's definition."""
    for version in every_version(body):
        for key in _RULES:
            if key in version:
                yield from shapes.texts(version[key], "when")
        for kind in KINDS.values():
            yield from kind.texts(version)


def used_words(body: Mapping[str, Any]) -> list[str]:
    """The words that a definition's rules use, in reading order, labels in quotes left out."""
    return list(dict.fromkeys(word for text in expressions(body) for word in _words(text)))


@lru_cache(maxsize=4096)  # a pack is looked through several times while it is loaded
def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(normal(_QUOTED.sub(" ", without_remarks(text)))))


def sentence_words(version: Mapping[str, Any]) -> list[str]:
    """The words that the sentences of a definition's table use in rules: under `when`, and in the braces of `say`."""
    found: list[str] = []
    for sentence in shapes.tables(version.get(SENTENCES)):
        rules = [*shapes.texts(sentence.get("when"))]
        rules += [text[start + 1 : end] for text in shapes.texts(sentence.get("say")) for start, end in braces(text)]
        for rule in rules:
            found += _words(rule)
    return found


def braces(text: str) -> Iterator[tuple[int, int]]:
    """Where braces open and close in a text; an expression in them may have braces itself. One that is not closed ends
    with the text."""
    at = 0
    while (start := text.find("{", at)) >= 0:
        depth = 0
        for end in range(start, len(text)):
            depth += (text[end] == "{") - (text[end] == "}")
            if depth == 0:
                break
        else:
            end = len(text)
        yield start, end
        at = end + 1


def every_version(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A definition's table as it is written, and those of its dated versions."""
    return [body, *shapes.tables(body.get("versions"))]


def versions(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A definition's table with each of its dated versions folded in, earliest first."""
    tables = [{k: v for k, v in body.items() if k != "versions"} | dict(v) for v in body.get("versions") or [{}]]
    return sorted(tables, key=lambda t: t.get("effective_from", dt.date.min))
