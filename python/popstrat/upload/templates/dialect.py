"""How a file is written: encoding, separators, quotes, dates, and what a spreadsheet would make of it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from popstrat.core.spreadsheets import is_formula, neutral
from popstrat.errors import InputError
from popstrat.upload.templates.toml_file import Fault

ENCODINGS = {"utf-8": "utf-8", "utf-8-sig": "utf-8-sig", "cp1252": "cp1252"}
LINE_ENDS = {"crlf": "\r\n", "lf": "\n"}
DELIMITERS = (",", ";", "\t", "|")
QUOTING = ("minimal", "text", "all")
DATE_FORMATS = {
    "yyyy-mm-dd": "{0:%Y}-{0:%m}-{0:%d}", "dd/mm/yyyy": "{0:%d}/{0:%m}/{0:%Y}", "dd-mmm-yyyy": "{0:%d}-{month}-{0:%Y}",
    "yyyymmdd": "{0:%Y}{0:%m}{0:%d}", "dd.mm.yyyy": "{0:%d}.{0:%m}.{0:%Y}",
}  # fmt: skip
EXCEL = ("none", "apostrophe", "formula")
FORMULAS = ("neutralise", "refuse")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    encoding: str = "utf-8"
    line_end: str = "\r\n"
    delimiter: str = ","
    quoting: str = "minimal"
    excel_text: str = "none"
    formulas: str = "neutralise"


def read_dialect(file: Mapping[str, Any], fault: Fault) -> Dialect:
    """The dialect that a template's ``[file]`` asks for. Raises `InputError` naming the key at fault."""

    def choice(key: str, known: Collection[str], default: str) -> str:
        found = file.get(key, default)
        if not isinstance(found, str) or found not in known:
            shown = ", ".join(repr(k) for k in known)
            raise fault(f"[file] {key}", f"is one of {shown}")
        return found

    return Dialect(
        encoding=ENCODINGS[choice("encoding", ENCODINGS, "utf-8")],
        line_end=LINE_ENDS[choice("line_end", LINE_ENDS, "crlf")],
        delimiter=choice("delimiter", DELIMITERS, ","),
        quoting=choice("quoting", QUOTING, "minimal"),
        excel_text=choice("excel_text", EXCEL, "none"),
        formulas=choice("formulas", FORMULAS, "neutralise"),
    )


def safe_text(text: str, dialect: Dialect, fault: Callable[[str], InputError]) -> str:
    """A text of the template's own as it may stand in a cell: no control characters, nothing that runs as a formula."""
    if _CONTROL.search(text):
        raise fault("has a line end or another control character in a text")
    if is_formula(text):
        if dialect.formulas == "refuse":
            raise fault(f"{text!r} would be a formula in a spreadsheet")
        return neutral(text)
    return text


def refuse_unwritable(text: str, dialect: Dialect, fault: Callable[[str], InputError]) -> None:
    """Raise ``fault`` for a text that a file of this dialect cannot hold."""
    try:
        text.encode(dialect.encoding)
    except UnicodeEncodeError as error:
        letter = text[error.start]
        raise fault(f"{letter!r} (U+{ord(letter):04X}) is not in {dialect.encoding}") from None
    if _CONTROL.search(text):
        raise fault("has a line end or another control character")


def format_date(value: dt.date, form: str) -> str:
    """A date in one of `DATE_FORMATS`; months in English, whatever the machine's language."""
    text = DATE_FORMATS[form].format(value, month=_MONTHS[value.month - 1])
    return text if value.year >= 1000 else text.replace(f"{value:%Y}", f"{value.year:04}")
