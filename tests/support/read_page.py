"""A page as a reader finds it: its tables cell by cell, its links, its ids and its text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path


@dataclass
class Cell:
    text: str = ""
    href: str = ""


@dataclass
class Table:
    id: str
    caption: str = ""
    heads: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)


class Page(HTMLParser):
    """Everything of a page that tests look at."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, Table] = {}
        self.links: list[str] = []
        self.ids: list[str] = []
        self.sentences: list[str] = []
        self.words: list[str] = []
        self._table: Table | None = None
        self._cell: Cell | None = None
        self._into = ""
        self._hidden = self._code = 0
        self._prose: list[str] = []
        self._verdict = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given.get("href", ""))
            if self._cell is not None:
                self._cell.href = given.get("href", "")
        if tag in ("style", "script"):
            self._hidden += 1
        if tag == "code":
            self._code += 1
        if tag == "section":
            self._verdict = "verdict" in given.get("class", "")
        if self._verdict and tag in ("li", "p"):
            self.sentences.append("")
        if tag == "table":
            self._table = self.tables[given["id"]] = Table(given["id"])
        elif self._table is None:
            return
        elif tag == "caption":
            self._into = "caption"
        elif tag == "thead":
            self._into = "head"
        elif tag in ("tbody", "tfoot"):
            self._into = "body"
        elif tag == "tr" and self._into == "body":
            self._table.rows.append([])
        elif tag in ("th", "td"):
            self._cell = Cell()
            if self._into == "body":
                self._table.rows[-1].append(self._cell)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._hidden -= 1
        if tag == "code":
            self._code -= 1
        if tag == "section":
            self._verdict = False
        if tag in ("th", "td") and self._cell is not None:
            self._cell.text = " ".join(self._cell.text.split())
            if self._into == "head" and self._table is not None:
                self._table.heads.append(self._cell.text)
            self._cell = None
        if tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        self.words.append(data)
        if not self._code:
            self._prose.append(data)
        if self._cell is not None:
            self._cell.text += data
        elif self._table is not None and self._into == "caption":
            self._table.caption += data
        if self._verdict and self.sentences:
            self.sentences[-1] += data

    @property
    def prose(self) -> str:
        """The text without what is marked as code."""
        return " ".join(" ".join(self._prose).split())

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read_page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))
