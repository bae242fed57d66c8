"""Who is in a file of a work list, read from its bytes: CSV, a workbook, a page."""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.csv as pa_csv

from popstrat.errors import InputError
from popstrat.packs.patient_table import ID
from popstrat.worklists.sheet import NHS_NUMBER

FORMATS = ("csv", "xlsx", "html")
_NO_LIST = "holds no work list, or is damaged"
_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_HEADINGS = {"Patient": ID, "NHS number": NHS_NUMBER}
_CELL = re.compile(r'<td class="id">([^<]*)</td>')
_MOST = 1 << 30
_DAMAGED = (zipfile.BadZipFile, zlib.error, ElementTree.ParseError, pa.ArrowException, csv.Error)
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
        if sum(entry.file_size for entry in book.infolist()) > _MOST:
            raise ValueError
        shared: list[str] = []
        if "xl/sharedStrings.xml" in book.namelist():
            tree = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
            shared = ["".join(part.text or "" for part in entry.iter(f"{_SPACE}t")) for entry in tree]
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = (list(_cells(row, shared)) for row in sheet.iter(f"{_SPACE}row"))
    head = next(rows)
    at, kind = next((column, _HEADINGS[text]) for column, text in head if text in _HEADINGS)
    found = [next((text for column, text in row if column == at), "") for row in rows]
    while found and not found[-1]:  # what a spreadsheet keeps of rows below the list
        found.pop()
    return Ids(kind, pa.array(found, pa.string()))


def _cells(row: ElementTree.Element, shared: list[str]) -> Iterator[tuple[str, str]]:
    """The cells of a row: the letters of their column, and their text."""
    for cell in row.iter(f"{_SPACE}c"):
        letters = _LETTERS.match(cell.get("r", ""))
        value = cell.find(f"{_SPACE}v")
        if cell.get("t") == "s" and value is not None:
            text = shared[int(value.text or "")]
        elif cell.get("t") == "inlineStr":
            text = "".join(part.text or "" for part in cell.iter(f"{_SPACE}t"))
        else:
            text = "" if value is None else value.text or ""
        yield letters.group() if letters else "", text


def _of_page(raw: bytes) -> Ids:
    text = raw.decode()
    start = text.index('<table class="list">')
    table = text[start : text.index("</table>", start)]
    kind = next(kind for heading, kind in _HEADINGS.items() if f'<th scope="col">{heading}</th>' in table)
    return Ids(kind, pa.array([unescape(found) for found in _CELL.findall(table)], pa.string()))
