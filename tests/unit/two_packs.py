"""A small pack of every kind of definition, and the same pack changed."""

from __future__ import annotations

from pathlib import Path

from popstrat.packs.load import load_pack
from popstrat.packs.pack import Pack

BASE = """
[pack]
id = "base"
version = "1"

[windows.lately]
months = 12

[parameters.high]
value = 140
unit = "mmHg"
source = "a guideline"

[sets.some]
source = "a list"
members = ["diabetes", "ckd", "chd"]

[definition.raised]
kind = "expression"
title = "Raised"
source = "a guideline"
version = "1"
value = "lately(bp_date) and systolic_bp >= high and not pregnant"
output = true

[definition.number]
kind = "count"
title = "Number"
source = "a list"
version = "1"
of = "some"
output = true

[definition.group]
kind = "first_match"
title = "Group"
source = "us"
version = "1"
output = true
rules = [
    { label = "many", when = "number >= 2" },
    { label = "one", when = "number >= 1" },
]
otherwise = "neither"

[definition.dated]
kind = "expression"
title = "Dated"
source = "us"
output = true
versions = [
    { version = "1", effective_to = 2026-06-30, value = "smi" },
    { version = "2", effective_from = 2026-07-01, value = "smi or cancer" },
]

[definition.cost]
kind = "tree"
title = "Cost"
source = "us"
version = "1"
output = true
nodes = [
    { id = 1, split = "age < 65", yes = 2, no = 3 },
    { id = 2, value = 100.0 },
    { id = 3, value = 200.0 },
]

[definition.points]
kind = "model"
draft = true
title = "Points"
source = "us"
version = "1"
link = "identity"
output = true
inputs = { bmi = { default = 27, why = "usual" } }
terms = [
    { id = "bmi", value = "bmi", coefficient = 0.5, evidence = "assumption", why = "a guess" },
    { id = "copd", when = "copd or asthma", coefficient = 2, evidence = "assumption", why = "a guess" },
]
"""


def packs(tmp_path: Path, *changes: tuple[str, str]) -> tuple[Pack, Pack]:
    """The base pack, and the same with pieces of its text replaced."""
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    found = []
    for name, content in (("before", BASE), ("after", text)):
        file = tmp_path / f"{name}.toml"
        file.write_text(content)
        found.append(load_pack(file))
    return found[0], found[1]
