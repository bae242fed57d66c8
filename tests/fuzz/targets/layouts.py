"""Layouts of extracts: what loads reads a made-up extract into whole tables of the canonical columns, or refuses it."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import extracts
import mutate
from target import WrongError

from popstrat.deriving.layout import load_layout
from popstrat.deriving.rows import open_rows
from targets.packs import ROOT, WORDS

TABLES = ("events", "medications", "activity")
MORE = ['"PatientGuid"', '"CodeId"', '"*"', '"*_Observation_*"', '"emis"', '"canonical"', '"[a-"', '"\\\\"', '"rot13"',
        '"patient_id"', '"NumericValue"', '"yyyymmdd"', '"utf-16"', '"zlib"', '{ "" = "" }', "keep = true"]  # fmt: skip


@cache
def sound() -> list[str]:
    shipped = sorted((ROOT / "python" / "popstrat" / "deriving" / "layouts").glob("*.toml"))
    emis = next(file for file in shipped if file.stem == "emis").read_text(encoding="utf-8")
    return [emis] * 3 + [file.read_text(encoding="utf-8") for file in shipped]


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = mutate.of_words(rng.choice(sound()), rng, sound(), [*WORDS, *MORE])
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.15 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "layout.toml"
    path.write_bytes(content)
    layout = load_layout(path)
    extract = folder / "extract"
    if not extract.exists():
        extracts.emis(extract)
    for table in TABLES:
        found = open_rows(table, extract, layout)
        rows = 0
        for batch in found.batches():
            batch.validate(full=True)
            rows += batch.num_rows
        if rows > found.counts["rows"]:
            raise WrongError(f"{rows} rows of {table}, and {found.counts['rows']} were read")
    return "read"
