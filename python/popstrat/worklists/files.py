"""The files of a run, made from its sheet: which rows each holds, under which name, in which format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from popstrat.core.numbers import day
from popstrat.upload import csv_text
from popstrat.upload.templates.columns import FileColumn
from popstrat.worklists import page, workbook
from popstrat.worklists.areas import Areas
from popstrat.worklists.cells import DIALECT, shown, texts_of
from popstrat.worklists.csv_file import CsvLines
from popstrat.worklists.lists import Reach
from popstrat.worklists.read_me import About, Section, sections, title_of
from popstrat.worklists.sheet import Sheet

_WHO, _WHY = "who", "why_gone"
_WHY_LABEL = "Why not any more"


@dataclass(frozen=True)
class Part:
    """What one file is about: its area, its lists, and where its rows begin and end in the sheet."""

    number: int
    area: str
    reach: Sequence[Reach]
    start: int
    stop: int

    @property
    def rows(self) -> int:
        return self.stop - self.start


def parts_of(areas: Areas, reach: Sequence[Reach], sheet: Sheet) -> list[Part]:
    """The files of a run, in the order of their areas' names; the rows of a file stand together."""
    names = areas.names()
    if areas.asked.split is None:
        return [Part(0, _asked(areas), reach, 0, sheet.rows)]
    found = []
    for number in sorted(range(len(names)), key=lambda i: names[i]):
        here = np.flatnonzero(sheet.at == number)
        start, stop = (int(here[0]), int(here[-1]) + 1) if len(here) else (0, 0)
        found.append(Part(number, names[number], [reach[number]], start, stop))
    return found


def _asked(areas: Areas) -> str:
    return ", ".join(areas.asked.names)


class Writer:
    """The content of files. What all of them share is made once, for all rows together."""

    def __init__(self, sheet: Sheet, about: About) -> None:
        """Raises `InputError` for a text that no file may hold."""
        self.sheet, self.about = sheet, about
        self._texts = texts_of(sheet)

    @cached_property
    def _csv(self) -> CsvLines:
        return CsvLines(self.sheet.columns, self._texts)

    @cached_property
    def _page(self) -> page.Rows:
        return page.Rows(self.sheet.columns, shown(self.sheet.columns, self._texts))

    def read_me(self, part: Part) -> list[Section]:
        """What goes with a file."""
        return sections(self.about, part.reach, self.sheet.columns, part.area)

    def content(self, part: Part, form: str, gone: Sequence[tuple[str, str]]) -> list[bytes | memoryview]:
        """A file in a format: csv, xlsx or html. In CSV those who are gone have a file of their own."""
        title, ids = title_of(self.about, part.area), self.sheet.ids.label
        if form == "csv":
            return list(self._csv.file(part.start, part.stop))
        table = [(ids, _WHY_LABEL), *gone] if gone else []
        if form == "xlsx":
            return [
                workbook.workbook(
                    title, self.about.as_of, self.sheet.columns, self._texts, part.start, part.stop, table,
                    self.read_me(part),
                )
            ]  # fmt: skip
        under = f"{part.rows:,} people · as of {day(self.about.as_of)} · pack {self.about.pack}"
        return [page.page(title, under, self.about.as_of, self._page, part.start, part.stop, table, self.read_me(part))]

    def gone_file(self, gone: Sequence[tuple[str, str]]) -> list[bytes]:
        """Who is gone, as CSV."""
        kind = "nhs_number" if self.sheet.ids.kind == "nhs_number" else "patient_id"
        columns = [FileColumn(kind, _WHO), FileColumn(_WHY, _WHY)]
        who, why = ([pair[i] for pair in gone] for i in (0, 1))
        data: Mapping[str, pa.Array] = {_WHO: pa.array(who, pa.string()), _WHY: pa.array(why, pa.string())}
        cells = [csv_text.cell_texts(column, data, len(gone), DIALECT) for column in columns]
        lines = csv_text.lines(cells, columns, DIALECT)
        body = csv_text.slices(lines, [0, len(gone)])[0]
        return [csv_text.header(columns, DIALECT), bytes(body)]


def joined(content: Sequence[bytes | memoryview]) -> bytes:
    """The content of a file in one piece."""
    return b"".join(content)


def names_of(stem: str, formats: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The file of each format: format and name."""
    for form in formats:
        yield form, f"{stem}.{form}"
