"""Files of work lists (CSV, workbook, page): the ids that are read stand in the file, and of CSV in its column."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from functools import cache
from html import escape
from pathlib import Path

import mutate
import xlsxwriter
from target import WrongError

from popstrat.worklists.read_ids import FORMATS, read_ids
from targets.packs import WORDS

_HEAD = 8  # bytes of an input before the content: its form
_DEEP = ["<row>" * 3000, "<c r='A1'><v>" + "9" * 500 + "</v></c>", "&amp;", "&#x110000;", "&lol;", "<!DOCTYPE a [",
         "<!ENTITY a 'aaaa'>", 't="s"', "<v>99999</v>", "</row>", "<row>", '<td class="id">', "</table>"]  # fmt: skip


@cache
def sound() -> dict[str, bytes]:
    ids = [f"p{number:05}" for number in range(30)]
    rows = "".join(f"{number + 1},{one},a reason; another\r\n" for number, one in enumerate(ids))
    cells = "".join(f'<tr><td>{n}</td><td class="id">{escape(one)}</td></tr>' for n, one in enumerate(ids))
    page = f'<!doctype html><table class="list"><tr><th scope="col">Patient</th></tr>{cells}</table>'
    book = io.BytesIO()
    with xlsxwriter.Workbook(book, {"in_memory": True}) as made:
        sheet = made.add_worksheet("List")
        sheet.write_row(0, 0, ["Rank", "Patient", "Why"])
        for number, one in enumerate(ids):
            sheet.write_row(number + 1, 0, [number + 1, one, "a reason"])
    return {"csv": f"rank,patient_id,why\r\n{rows}".encode(), "html": page.encode(), "xlsx": book.getvalue()}


def make(number: int) -> bytes:
    rng = random.Random(number)
    form = rng.choice(FORMATS)
    content = sound()[form]
    if form == "xlsx" and rng.random() < 0.7:
        content = _packed_anew(content, rng)
    elif form != "xlsx" and rng.random() < 0.6:
        text = content.decode().replace("><", ">\n<")
        content = mutate.of_words(text, rng, [text], [*WORDS, *_DEEP]).encode()
    else:
        content = mutate.of_bytes(content, rng, list(sound().values()))
    return form.encode().ljust(_HEAD) + content


def _packed_anew(content: bytes, rng: random.Random) -> bytes:
    """A workbook with one of its parts changed, or made very long."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as book, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        part = rng.choice(["xl/sharedStrings.xml", "xl/worksheets/sheet1.xml"])
        for name in book.namelist():
            text = book.read(name).decode()
            if name == part:
                text = mutate.of_words(text.replace("><", ">\n<"), rng, [text], [*WORDS, *_DEEP])
                if rng.random() < 0.02:
                    text = text.replace("<row", '<row r="1"/>' * rng.choice([100_000, 3_000_000]) + "<row", 1)
            if name != part or rng.random() < 0.95:
                new.writestr(name, text)
    return made.getvalue()


def judge(content: bytes, folder: Path) -> str:
    form, content = content[:_HEAD].decode().strip(), content[_HEAD:]
    found = read_ids(content, form, "list")
    found.ids.validate(full=True)
    ids = found.ids.to_pylist()
    if form == "csv":
        text = content.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        lone = "\r" in text.replace("\r\n", "")  # ends a line to one reader and not to the other
        if (
            not lone
            and '"' not in text
            and [one for one in ids if one] != [row[found.kind] for row in rows if row[found.kind]]
        ):
            raise WrongError("other ids than the column holds")
    elif form == "html" and "&" not in content.decode():
        text = content.decode()
        if any(f">{one}<" not in text for one in ids):
            raise WrongError("an id that the page does not have")
    return "read"
