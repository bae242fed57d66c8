"""CSV files: what is read is what exact arithmetic and pyarrow make of the text, and what they refuse is refused."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path

import csv_reference
import mutate
import numpy as np
import pyarrow as pa
from csv_reference import KINDS, NAMES
from target import WrongError

from popstrat.errors import InputError
from popstrat.formats import open_source
from popstrat.formats.csv.reader import TYPES

HEADER = ",".join(NAMES).encode() + b"\n"
WORDS = ["", "a", "é", "a,b", 'say "x"', "London", " x", "999 000 0001", "x" * 70]
FLAGS = ["true", "FALSE", "1", "0", "", "true", "false"]
NUMBERS = ["", "0", "-0", "17", "+7", "1.", ".5", "120.0", "nan", "inf", "1e400", "1e-400", "3.4028235e38", "7e-46",
           "16777217", "0.1", "123456789012345678901234", "1.00000017881393432617187499"]  # fmt: skip
DAYS = ["", "2020-02-29", "1900-01-01", "2020-12-31 23:59", "2020-01-01T00:00:00.5"]
ENDS = ["\n", "\n", "\n", "\r\n", "\r", "\n\n"]
ODD = [b"\0", b"\xef\xbb\xbf", b'"', b",", b"\r", b"\n", b'""', b'"\n', b"\xff", b"\xc3", b"\xe2\x80\xa8", b"\x1a",
       b"2020-02-30", b"tru", b"1e", b"0x1", b"\xc2\x85", b"\x0c", b"\x1c"]  # fmt: skip
CHOICES = {"id": WORDS, "category": WORDS, "bool": FLAGS, "int": NUMBERS, "float32": NUMBERS, "date": DAYS,
           "text": WORDS}  # fmt: skip


def _text(rng: random.Random) -> bytes:
    rows = []
    for _ in range(rng.choice([1, 3, 20, 70, 150])):
        cells = [rng.choice(CHOICES[kind]) for kind in KINDS.values()]
        if rng.random() < 0.3:
            cells[4] = repr(rng.uniform(-1e3, 1e3))
        rows.append(
            ",".join('"' + c.replace('"', '""') + '"' if set(c) & set('",') or rng.random() < 0.1 else c for c in cells)
        )
        rows.append(rng.choice(ENDS))
    return "".join(rows).encode()


def make(number: int) -> bytes:
    rng = random.Random(number)
    content = HEADER + _text(rng)
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        if rng.random() < 0.6:
            at = rng.randrange(min(len(HEADER), len(content)), len(content) + 1)
            content = content[:at] + rng.choice(ODD) + content[at:]
        else:
            content = mutate.of_bytes(content, rng, [_text(rng)])
    if rng.random() < 0.03:  # two files joined
        content += rng.choice([b"", b"\xef\xbb\xbf"]) + HEADER + _text(rng)
    return content


def _read(path: Path, backend: str, block: int) -> pa.Table:
    source = open_source([path], kinds=KINDS.get, backend=backend).files[0]
    batches = list(source.batches(NAMES, block_bytes=block))  # type: ignore[call-arg]
    return pa.Table.from_batches(batches, pa.schema([source.schema.field(n) for n in NAMES]))


def _same(a: pa.Table, b: pa.Table) -> bool:
    return all(_bits(x) == _bits(y) for x, y in zip(a.columns, b.columns, strict=True))


def _bits(column: pa.ChunkedArray) -> list[object]:
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    if pa.types.is_floating(column.type):
        return [None if x is None else "nan" if x != x else float(x).hex() for x in column.to_pylist()]
    return list(column.to_pylist())


def judge(content: bytes, folder: Path) -> str:
    path = folder / "a.csv"
    path.write_bytes(content)
    block = random.Random(content).choice([7, 64, 1000, 1 << 20])
    if not content.startswith(HEADER):  # another table: rows or a refusal
        source = open_source([path]).files[0]
        return "read" if list(source.batches(source.schema.names)) else "refused"
    body = content[len(HEADER) :]
    try:
        body.decode()
        sound = b"\0" not in body and b"\xef\xbb\xbf" not in body
        expected = pa.Table.from_batches(
            [csv_reference.read(body, NAMES, {n: TYPES[k] for n, k in KINDS.items()}, NAMES)]
        )
    except (UnicodeDecodeError, csv_reference.MalformedError):
        sound = False
    outcomes = []
    for backend in ("native", "arrow"):
        try:
            outcomes.append(_read(path, backend, block))
        except InputError as error:
            if sound:
                raise WrongError(f"{backend} refuses what is sound: {error}") from None
            outcomes.append(error)
    if all(isinstance(o, InputError) for o in outcomes):
        return "refused"
    for found in outcomes:
        if isinstance(found, InputError) or not sound:
            raise WrongError("is read, and should be refused")
        if not _same(found, expected):
            raise WrongError("other values than pyarrow's")
    _exactly_rounded(body, outcomes[0])
    return "read"


def _exactly_rounded(body: bytes, found: pa.Table) -> None:
    """Numbers are the nearest there are, by exact arithmetic, where the text is simple enough to be split here."""
    if b'"' in body:
        return
    rows = [line.split(b",") for line in body.splitlines() if line]
    for row, wide, narrow in zip(rows, found["whole"].to_pylist(), found["number"].to_pylist(), strict=True):
        for cell, value, kind in ((row[3], wide, np.float64), (row[4], narrow, np.float32)):
            if len(cell.lower().partition(b"e")[2]) > 5:  # to write 10 ** 7881393432617187499 out would take for ever
                continue
            try:
                exact = Fraction(cell.decode().strip(" \t"))
            except ValueError:
                continue
            if not 1e-40 < abs(exact) < 1e38 or value is None:
                continue
            near = kind(value)
            for side in (kind(-np.inf), kind(np.inf)):
                other = Fraction(float(np.nextafter(near, side)))
                if abs(exact - other) < abs(exact - Fraction(float(near))):
                    raise WrongError("a number is not rounded to the nearest")
