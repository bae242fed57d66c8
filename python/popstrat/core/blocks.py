"""What pages are made of, whatever they are written as: sections of paragraphs, tables and outlines.

Text is inline Markdown: `code`, **bold**, and links to the anchors of other sections.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Table:
    """Headings and rows of inline Markdown; `numbers` are the columns to be set flush right."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Outline:
    """Lines with their depth."""

    lines: tuple[tuple[int, str], ...]


Block = str | Table | Outline


@dataclass
class Section:
    """A heading, what stands under it, and the name by which other sections point at it."""

    level: int
    title: str
    blocks: list[Block] = field(default_factory=list)
    anchor: str = ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> Table:
    """A table without the columns that are empty in every row."""
    rows = [tuple(r) for r in rows]
    kept = [i for i in range(len(headings)) if any(r[i] for r in rows)]
    right = frozenset(new for new, old in enumerate(kept) if old in set(numbers))
    return Table(tuple(headings[i] for i in kept), tuple(tuple(r[i] for i in kept) for r in rows), right)


def code(text: Any) -> str:
    """Text as code, on one line."""
    return f"`{' '.join(str(text).split())}`" if str(text).strip() else ""


def link(title: str, anchor: str) -> str:
    """A pointer to another section."""
    return f"[{title}](#{anchor})"


def anchored(text: str, anchor: str) -> str:
    """Text to which links can point, as a table has no anchors of its own."""
    return f'<a id="{anchor}"></a>{text}'
