"""What a page of an area says, as data: sections of tables, figures and sentences. Nothing here is HTML; a cell or word
that leads somewhere says where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from popstrat.pages.design.parts import Cell, Figure, KeyFigure, Table, Text


@dataclass(frozen=True)
class Linked(Cell):
    """A cell that leads somewhere."""

    href: str = ""

    def __html__(self) -> str:
        return f'<a href="{escape(self.href)}">{escape(str(self.text))}</a>' if self.href else escape(str(self.text))


@dataclass(frozen=True)
class Sentence:
    """A sentence with the numbers of it, and where on the page they stand. ``rag`` colours the verdict."""

    text: str
    section: str
    rag: str = ""
    means: str = ""


@dataclass(frozen=True)
class Note:
    """A paragraph in a section."""

    text: Text


@dataclass(frozen=True)
class Side:
    """Figures and tables that stand beside each other where there is room."""

    blocks: Sequence[Figure | Table]


@dataclass(frozen=True)
class Fold:
    """Blocks that are folded away until they are asked for."""

    summary: Text
    folded: Sequence[Table | Note]


Block = Figure | Table | Note | Side | Fold


@dataclass(frozen=True)
class Section:
    """A part of a page under its heading. ``board``: it is on the two pages that a board gets on paper. ``brief`` is
    what the list of sections says of it."""

    id: str
    heading: str
    blocks: Sequence[Block]
    lead: Sequence[Text] = ()
    board: bool = False
    brief: str = ""


@dataclass(frozen=True)
class Page:
    """A page of an area."""

    title: str
    under: Sequence[Text]
    crumbs: Sequence[Linked]
    sentences: Sequence[Sentence]
    keys: Sequence[KeyFigure]
    sections: Sequence[Section]
    provenance: Sequence[Text | Linked] = ()

    def tables(self) -> list[Table]:
        """All tables of the page in their order, those of figures too."""
        found: list[Table] = []
        for section in self.sections:
            for block in section.blocks:
                inside = {Side: "blocks", Fold: "folded"}.get(type(block))
                for one in getattr(block, inside) if inside else (block,):
                    if isinstance(one, Table):
                        found.append(one)
                    elif isinstance(one, Figure) and one.table is not None:
                        found.append(one.table)
        return found
