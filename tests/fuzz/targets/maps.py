"""Column maps: what loads says what its TOML says, and a table read through it has the columns it names."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import mutate
import pyarrow as pa
from target import WrongError

from popstrat.packs.map_file import load_map
from popstrat.packs.patient_table import patient_schema
from targets.packs import WORDS

MAP = """[columns]
patient_id = "Pseudo"
sex = "Gender"
smoking = "Smk"
age = "Years"

[values.sex]
"1" = "male"
"2" = "female"
"9" = ""

[values.smoking]
Y = "current"
N = "never"

[values.ckd]
"yes" = true
"no" = false

[const]
care_home = false
frailty = "mild"
"""
OTHER = """[columns]
patient_id = "id"
"practice_code" = "Practice"
[const]
date_of_birth = "1970-01-01"
[values.hypertension]
Ja = 1
"""
ROWS = 8
KNOWN = {c.name: c for c in patient_schema()}


def make(number: int) -> bytes:
    rng = random.Random(number)
    text = mutate.of_words(rng.choice([MAP, OTHER]), rng, [MAP, OTHER], [*WORDS, *rng.sample(sorted(KNOWN), 3)])
    return mutate.of_bytes(text.encode(), rng) if rng.random() < 0.2 else text.encode()


def judge(content: bytes, folder: Path) -> str:
    path = folder / "map.toml"
    path.write_bytes(content)
    found = load_map(path, KNOWN)
    said = tomllib.loads(content.decode("utf-8-sig"))
    if dict(found.columns) != said.get("columns", {}):
        raise WrongError("other columns than it says")
    names = list(dict.fromkeys([*found.columns.values(), *(n for n in found.values if n not in found.columns), "ckd"]))
    columns = []
    for name in names:
        ours = next((o for o, theirs in found.columns.items() if theirs == name), name)
        texts = [*found.values.get(ours, ()), None][:ROWS]
        columns.append(pa.array(texts + [None] * (ROWS - len(texts)), pa.string()))
    batch = pa.RecordBatch.from_arrays(columns, names=names)
    plan = found.plan(names, KNOWN)
    names = list(plan.schema(batch.schema).names)
    made = plan.apply(batch.select(plan.wanted(names)), names)
    made.validate(full=True)
    if made.schema.names != names or made.num_rows != ROWS:
        raise WrongError("another table than it says")
    return "read"
