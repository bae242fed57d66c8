"""Who is in a file of a work list, read from its bytes: CSV, a workbook, a page."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from html import unescape
from typing import IO, NamedTuple
from xml.parsers import expat

import pyarrow as pa
import pyarrow.csv as pa_csv

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.worklists.sheet import NHS_NUMBER

FORMATS = ("csv", "xlsx", "html")
_NO_LIST = "holds no work list, or is damaged"
_SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main "
_HEADINGS = {"Patient": ID, "NHS number": NHS_NUMBER}
_CELL = re.compile(r'<td class="id">([^<]*)</td>')
_MOST_BYTES = 1 << 28  # of a workbook, unpacked
_MOST_TEXTS = 1 << 22
_MOST_ROWS = 1 << 20  # as many as a spreadsheet has
_DEEPEST = 100
_DAMAGED = (zipfile.BadZipFile, zlib.error, expat.ExpatError, pa.ArrowException, csv.Error)
_LETTERS = re.compile(r"[A-Z]+")


class Ids(NamedTuple):
    """The ids of a file, as text, in its order; and what they are, ``patient_id`` or ``nhs_number``."""

    kind: str
    ids: pa.Array


def read_ids(raw: bytes, form: str, file: str) -> Ids:
    """The ids of a file's list. Raises `InputError` naming the file."""
    try:
        match form:
            case "csv":
                return _of_csv(raw)
            case "xlsx":
                return _of_workbook(raw)
            case "html":
                return _of_page(raw)
    except (ValueError, LookupError, OSError, EOFError, StopIteration, RuntimeError, *_DAMAGED):  # of an encrypted zip
        raise InputError(_NO_LIST, file=file) from None
    raise InputError(f"is not one of {', '.join(FORMATS)}", file=file)


def _of_csv(raw: bytes) -> Ids:
    text = raw.decode("utf-8-sig").encode()
    (names,) = csv.reader([text[: text.index(b"\n")].decode().rstrip("\r")])
    kind = next(name for name in (ID, NHS_NUMBER) if name in names)
    table = pa_csv.read_csv(
        io.BytesIO(text),
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=max(1 << 20, len(text) + 1)),
        parse_options=pa_csv.ParseOptions(ignore_empty_lines=False),
        convert_options=pa_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, include_columns=[kind]
        ),
    )
    return Ids(kind, table.column(0).combine_chunks() if table.num_rows else pa.array([], pa.string()))


def _of_workbook(raw: bytes) -> Ids:
    """The first sheet of a workbook, as this program or a spreadsheet's wrote it."""
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        if sum(entry.file_size for entry in book.infolist()) > _MOST_BYTES:
            raise ValueError
        sheet = _Sheet()
        if "xl/sharedStrings.xml" in book.namelist():
            with book.open("xl/sharedStrings.xml") as part:
                _walk(part, {"si": sheet.shared_text})
        with book.open("xl/worksheets/sheet1.xml") as part:
            _walk(part, {"c": sheet.cell, "row": sheet.row})
    found = sheet.found
    while found and not found[-1]:  # what a spreadsheet keeps of rows below the list
        found.pop()
    return Ids(sheet.kind, pa.array(found, pa.string()))


class _Sheet:
    """What is kept of a workbook: its shared texts, and of its first sheet the column of ids."""

    def __init__(self) -> None:
        self.kind = ""
        self.found: list[str] = []
        self._shared: list[str] = []
        self._column = ""
        self._id = ""
        self._headed = False

    def shared_text(self, _attributes: Mapping[str, str], _value: str, text: str) -> None:
        if len(self._shared) == _MOST_TEXTS:
            raise ValueError
        self._shared.append(text)

    def cell(self, attributes: Mapping[str, str], value: str, text: str) -> None:
        letters = _LETTERS.match(attributes.get("r", ""))
        column = letters.group() if letters else ""
        if self.kind and column != self._column:
            return
        match attributes.get("t"):
            case "s" if value:
                said = self._shared[int(value)]
            case "inlineStr":
                said = text
            case _:
                said = value
        if self.kind:
            self._id = self._id or said
        elif said in _HEADINGS:
            self.kind, self._column = _HEADINGS[said], column

    def row(self, _attributes: Mapping[str, str], _value: str, _text: str) -> None:
        if not self.kind:
            raise ValueError  # the first row is the head
        if self._headed:
            self.found.append(self._id)
        self._headed, self._id = True, ""
        if len(self.found) > _MOST_ROWS:
            raise ValueError


def _walk(part: IO[bytes], ends: Mapping[str, Callable[[Mapping[str, str], str, str], None]]) -> None:
    """Read XML and hand over, at the end of each element of these tags, its attributes and the text of the ``v`` and of
    the ``t`` in it. Nothing of the file is kept, so a part may be long; one that declares entities is refused."""
    attributes: dict[str, Mapping[str, str]] = {}
    texts: dict[str, list[str]] = {"v": [], "t": []}
    within: list[str] = []

    def start(name: str, given: Mapping[str, str]) -> None:
        tag = name.removeprefix(_SPACE)
        if tag in ends:
            attributes[tag] = given
            for kept in texts.values():
                kept.clear()
        within.append(tag)
        if len(within) > _DEEPEST:
            raise ValueError

    def characters(text: str) -> None:
        if within[-1] in texts:
            texts[within[-1]].append(text)

    def end(_name: str) -> None:
        tag = within.pop()
        if tag in ends:
            ends[tag](attributes[tag], "".join(texts["v"]), "".join(texts["t"]))

    def refuse(*_: object) -> None:
        raise ValueError

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, refuse
    parser.ParseFile(part)


def _of_page(raw: bytes) -> Ids:
    text = raw.decode()
    start = text.index('<table class="list">')
    table = text[start : text.index("</table>", start)]
    kind = next(kind for heading, kind in _HEADINGS.items() if f'<th scope="col">{heading}</th>' in table)
    return Ids(kind, pa.array([unescape(found) for found in _CELL.findall(table)], pa.string()))
