"""What areas are called, from a file of codes and names: one's own, or the one of practices that NHS ODS publishes."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

from popstrat.core.small_files import MOST_RECORD_BYTES, read_small
from popstrat.errors import InputError


def read_names(path: Path, codes: Collection[str]) -> dict[str, str]:
    """The names of those of ``codes`` that a file has: CSV in UTF-8 whose first column is the code of an area and whose
    second is its name; further columns, other codes and a line of headings are passed over. A code without a name has
    none.

    Raises `InputError`, naming the file and its rows, for one that cannot be read, for rows without a second column,
    two names of one code, and a file that names none of the codes.
    """
    file = str(path)
    try:
        text = read_small(path, MOST_RECORD_BYTES).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except FileNotFoundError:
        raise InputError("there is no such file", file=file) from None
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=file) from None
    except UnicodeDecodeError:
        raise InputError("is not text in UTF-8; save it as CSV UTF-8", file=file) from None
    except csv.Error as error:
        raise InputError(f"is not CSV: {error}", file=file) from None
    short = [number for number, row in enumerate(rows) if len(row) == 1 and row[0].strip()]
    if short:
        raise InputError("has a code and no name beside it; it needs two columns", file=file, rows=short)
    found: dict[str, str] = {}
    known, twice = set(codes), []
    for number, row in enumerate(rows):
        if len(row) < 2 or row[0].strip() not in known:
            continue
        code, name = row[0].strip(), " ".join(row[1].split())
        if name and found.setdefault(code, name) != name:
            twice.append(number)
    if twice:
        raise InputError("gives one code two names", file=file, rows=twice)
    if not found:
        raise InputError("names none of the areas of these figures; its first column is to have their codes", file=file)
    return {code: name for code, name in found.items() if name != code}
