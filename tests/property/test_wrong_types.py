"""Every key of four packs with a value of each other type that TOML has: valid, or an error of the pack."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
import math
import random
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import popstrat
from popstrat.pages import catalogue
from popstrat.scoring.pack_check import examine

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
EDITS = {
    "whole": 400,
    "kinds.toml": 300,
    "small-model.toml": 300,
    "sex-specific-survival.toml": 120,
    "score2.toml": 60,
    "lookup.toml": 200,
}  # drawn of all; fmt: skip
CHECKED = 6  # of so many that can be shown one is examined as well, which takes longer
WRONG = [
    "x", "", 7, -1.5, True, math.nan, math.inf, 1e300, 2**70, 10**400, dt.date(2026, 1, 1), dt.datetime(2026, 1, 1),
    dt.datetime(2026, 10, 1, tzinfo=dt.UTC), dt.time(1, 2), [], [1], ["x"], [{}], [[1]], {}, {"a": 1},
    {"a": "x"}, {"a": {"b": 1}}, None,
]  # fmt: skip
WHOLE = """
[pack]
id = "all"
version = "1"
title = "What a pack may hold, models aside"
description = "d"
licence = "l"
source = "s"
columns = ["b", "out_a"]
[windows.lately]
months = 12
title = "t"
means = "m"
source = "s"
[parameters]
how = { value = "x", one_of = [{ value = "x", means = "ex" }, { value = "y", means = "why" }], title = "t", unit = "u" }
cut = { value = 30, source = "s", means = "m", assumption = "a" }
day = { value = 2026-01-01, source = "s" }
yes = { value = true, source = "s" }
[sets.vessels]
members = ["chd", "pad"]
title = "t"
source = "s"
[readings.r]
title = "t"
means = "m"
of = ["b"]
parameters = ["how", "yes"]
[[input]]
name = "mood"
group = "local"
type = "category"
title = "Mood"
labels = ["good", "bad"]
aliases = { fine = "good" }
null_is = "good"
[[input]]
name = "steps"
type = "int"
dtype = "int32"
min = 0
max = 100000
unit = "a day"
mistaken_for = "a week"
[[input]]
name = "low_steps"
type = "int"
below = "steps"
[[input]]
name = "steps_date"
type = "date"
dates = ["steps"]
[[input]]
name = "hat"
type = "bool"
per_1000 = 3
[definition.a]
kind = "first_match"
title = "A"
means = "m"
source = "s"
assumption = "a"
version = "1"
caveat = "c"
licence = "l"
unit = "u"
labels = ["p", "q", "r"]
rules = [
    { label = "p", when = "mood == 'bad'", means = "m", source = "s", assumption = "a" },
    { label = "q", when = "steps > cut and hat and low_steps > 1" },
]
otherwise = "r"
eligible = "age >= 18"
output = "out_a"
reference_patients = [{ patient = { age = 50, mood = "bad" }, expected = "p", title = "t", tolerance = 1 }]
[definition.b]
kind = "expression"
title = "B"
source = "s"
version = "1"
output = true
offered = true
versions = [
    { version = "1", effective_to = 2026-09-30, value = "how == 'x' and recently and yes" },
    { version = "2", effective_from = 2026-10-01, value = "any(vessels) or how == 'y' and date_of_birth < day" },
]
[definition.recently]
kind = "expression"
title = "C"
source = "s"
version = "1"
value = "lately(steps_date)"
"""


def paths(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*above, key)
        yield from paths(value[key], (*above, key))


def edited(raw: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """With another value at a path; None takes the key away."""
    raw = copy.deepcopy(raw)
    at: Any = raw
    for key in path[:-1]:
        at = at[key]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return raw


def toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return str(value)
        case int() | float():
            return repr(value)
        case str():
            return json.dumps(value, ensure_ascii=False)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            return f"{{{', '.join(f'{json.dumps(k)} = {toml(v)}' for k, v in value.items())}}}"
        case _:
            return str(value.isoformat())


def written(raw: dict[str, Any]) -> str:
    """As a file: a definition, parameter and so on in a table with a head, the rest in braces."""
    lines = []
    for section, body in raw.items():
        if isinstance(body, dict) and body and all(isinstance(item, dict) for item in body.values()):
            for name, item in body.items():
                lines.append(f"[{json.dumps(section)}.{json.dumps(name)}]")
                lines += [f"{json.dumps(key)} = {toml(value)}" for key, value in item.items()]
        else:
            lines.insert(0, f"{json.dumps(section)} = {toml(body)}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("name", EDITS)
def test_wrong_types(tmp_path: Path, name: str) -> None:
    raw = tomllib.loads(WHOLE if name == "whole" else (EXAMPLES / name).read_text(encoding="utf-8"))
    assert tomllib.loads(written(raw)) == raw
    edits = [(path, value) for path in paths(raw) for value in WRONG]
    kept = random.Random(name).sample(edits, EDITS[name])
    file, accepted, told = tmp_path / "p.toml", 0, []
    for path, value in kept:
        file.write_text(written(edited(raw, path, value)), encoding="utf-8")
        try:
            catalogue.show(str(file), Console(file=io.StringIO()))
            accepted += 1
            if accepted % CHECKED == 1:
                examine(file, dt.date(2026, 6, 30))
        except popstrat.PackError as error:
            told.append(str(error))
    assert all(message.startswith("p.toml") for message in told)
    assert accepted < len(kept) / 4


@pytest.mark.parametrize("key", ["effective_from", "effective_to"])
@pytest.mark.parametrize("value", ["2026-10-01T00:00:00Z", "2026-10-01T00:00:00", '"2026-10-01"', "00:00:00", "2026"])
def test_dates_of_versions(tmp_path: Path, key: str, value: str) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        WHOLE.replace(f"{key} = 2026-09-30" if key == "effective_to" else f"{key} = 2026-10-01", f"{key} = {value}")
    )
    for run in (lambda: examine(file), lambda: catalogue.show(str(file), Console(file=io.StringIO()))):
        with pytest.raises(popstrat.PackError, match=rf"p.toml:\d+: definition.b: `{key}` is a date without a time"):
            run()
