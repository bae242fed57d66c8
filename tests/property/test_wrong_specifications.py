"""Every key of a specification with a value of each other type that TOML has: valid, or an error of the specification
that names its file; so with names that nothing has, and keys that nobody knows."""

from __future__ import annotations

import datetime as dt
import io
import random
import tomllib

import pytest
from rich.console import Console
from test_wrong_types import WRONG, edited, paths, written

import popstrat
from popstrat.deriving import spec_check
from popstrat.deriving.kinds.registry import examples
from popstrat.deriving.spec import SPECS, load_spec
from popstrat.packs.read import read_file
from popstrat.pages import specification

AS_OF = dt.date(2026, 6, 30)
MORE = """
[windows.lately]
months = 3
title = "Lately"
source = "s"
[parameters.old]
value = 65
title = "Old"
source = "s"
[feature.more]
kind = "register"
title = "More"
version = "0"
assumption = "a"
codes = ["A_COD", "B_COD"]
without = ["C_COD"]
resolved = ["D_COD"]
minimum_age = "old"
within = "lately"
medication = { codes = ["M_COD"], within = "lately", at_least = 2 }
optional = ["C_COD"]
versions = [
    { version = "1", effective_to = 2026-05-31, source = "s" },
    { version = "2", effective_from = 2026-06-01, resolved = ["E_COD"] },
]
[feature.value]
kind = "latest_value"
title = "Value"
version = "1"
source = "s"
codes = "V_COD"
unit = "g"
units = { kg = 1000, t = { multiply = 1e6, add = 1, round = 2 } }
minimum = 0
maximum = "old"
decimals = 3
[feature.visits]
kind = "count"
title = "Visits"
version = "1"
source = "s"
table = "activity"
codes = ["gp_appointment"]
repeats = true
output = "visits"
[definition.both]
kind = "expression"
title = "Both"
version = "1"
source = "s"
value = "more and value > 3 and lately(value_date) and visits > 1 and sex == 'female'"
output = true
[not_derived.acr]
why = "not asked for"
"""
NAMES = [
    "hypertension",
    "age",
    "activity",
    "medications",
    "code",
    "DM_COD",
    "start_date",
    "patient_id",
    "quality_flags",
]
ODD = [*WRONG, *NAMES, "*", " ", ["*"], ["a", "a"], 121, -1]


@pytest.mark.parametrize(("name", "draws"), [("kinds", 250), ("more", 250), ("built-in", 30)])
def test_wrong_values(tmp_path_factory: pytest.TempPathFactory, name: str, draws: int) -> None:
    file = tmp_path_factory.mktemp("spec") / "p.toml"
    head = '[pack]\nid = "more"\nversion = "1"\ntitle = "t"\n'
    built_in = read_file("gp-record-2026", shelf=SPECS).source.text
    raw = tomllib.loads({"kinds": examples(), "more": head + MORE, "built-in": built_in}[name])
    rng = random.Random(name)
    edits = rng.sample([(path, value) for path in paths(raw) for value in ODD], draws)
    edits += [((*path, "oddd"), 1) for path in rng.sample(list(paths(raw)), 20) if isinstance(_at(raw, path), dict)]
    accepted, refused = 0, []
    file.write_text(written(raw), encoding="utf-8")
    load_spec(file).at(AS_OF)
    for number, (path, value) in enumerate(edits):
        file.write_text(written(edited(raw, path, value)), encoding="utf-8")
        try:
            features = load_spec(file).at(AS_OF)
            accepted += 1
            if number % 5 == 0:
                spec_check.examine(file, AS_OF)
                specification.show(file, Console(file=io.StringIO()))
            assert len({fold.name for fold in features.folds}) == len(features.folds)
        except popstrat.PackError as error:
            refused.append(str(error))
    assert all(told.startswith("p.toml") for told in refused)
    assert accepted < len(edits) / 3


def _at(raw: object, path: tuple[object, ...]) -> object:
    for key in path:
        raw = raw[key]  # type: ignore[index]
    return raw
