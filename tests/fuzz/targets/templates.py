"""Upload templates: what loads gives a layout, the rest is refused."""

from __future__ import annotations

import datetime as dt
import random
from functools import cache
from pathlib import Path

import mutate

from popstrat.upload.templates.layout import resolve_layout
from popstrat.upload.templates.settings import Settings
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.template import load_template
from targets.packs import ROOT, WORDS

SCORED = {
    c.name: c
    for c in (
        ScoredColumn("patient_id", "key"),
        ScoredColumn("practice_code", "practice"),
        ScoredColumn("neighbourhood", "text"),
        ScoredColumn("risk_group", "label", ("high", "low")),
        ScoredColumn("flag", "flag"),
        ScoredColumn("admission_risk", "number"),
    )
}
MORE = [
    '"{practice}_{as_of}.csv"',
    '"patient_id"',
    '"risk_group"',
    '"../{practice}.csv"',
    '"=1+1"',
    '"cp1252"',
    '"lookup:nhs_number"',
]
SMALLEST = """[template]
id = "x"
version = "1"
title = "t"
[file]
name = "{practice}-{part}.csv"
max_rows = 4
[[column]]
name = "key"
from = "patient_id"
[[column]]
name = "group"
from = "risk_group"
values = { high = "H", low = "L" }
null = "-"
"""
LARGER = """[template]
id = "y"
version = "2"
title = "t"
[file]
name = "{practice}_{as_of}.csv"
encoding = "cp1252"
delimiter = ";"
line_end = "crlf"
[movers]
column = "risk_group"
[[column]]
name = "key"
from = "patient_id"
[[column]]
name = "risk"
from = "admission_risk"
decimals = 2
[[column]]
name = "flagged"
from = "flag"
values = { true = "Y", false = "N" }
[[column]]
name = "when"
from = "run.as_of"
date_format = "DD/MM/YYYY"
[[column]]
name = "source"
constant = "popstrat"
[[ended]]
name = "key"
from = "patient_id"
"""


@cache
def sound() -> list[str]:
    files = sorted((ROOT / "python" / "popstrat" / "upload" / "templates").glob("*.toml"))
    return [SMALLEST, LARGER] * 4 + [f.read_text(encoding="utf-8") for f in files]


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = mutate.of_words(rng.choice(sound()), rng, sound(), [*WORDS, *MORE])
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.2 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "template.toml"
    path.write_bytes(content)
    template = load_template(path)
    resolve_layout(
        template, Settings({}, {}, {}), SCORED, as_of=dt.date(2026, 6, 30), pack={"id": "mini", "version": "1"},
        lookup=b"lookup" in content, previous=b"movers" in content,
    )  # fmt: skip
    return "read"
