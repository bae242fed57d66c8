"""The check of a pack says what is odd about it, and tries every date."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path

import pytest
from rich.console import Console

from popstrat.errors import PackError
from popstrat.packs.load import load_pack
from popstrat.packs.read import builtin_packs
from popstrat.pages import pack_check
from popstrat.scoring.pack_check import examine

ODD = """
[pack]
id = "odd"
version = "1"

[parameters.idle]
value = 1

[sets.idle_set]
source = "a list"
members = ["ckd"]

[windows.never]
months = 3

[[input]]
name = "ward"
type = "category"
labels = ["a", "b"]

[definition.lost]
kind = "expression"
title = "Lost"
source = "us"
version = "1"
value = "ckd"

[definition.kept]
kind = "expression"
title = "Kept"
means = "Diabetes."
source = "us"
version = "1"
value = "diabetes"
output = true
"""


def test_check_says_what_is_odd(tmp_path: Path) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(ODD)
    found = examine(file, dt.date(2026, 6, 30))
    assert list(found.warnings) == [
        "definition lost does not say what it `means`",
        "definition lost writes no column, and nothing uses it",
        "nothing uses the parameter idle",
        "parameter idle gives neither a source nor an assumption",
        "nothing uses the set idle_set",
        "nothing uses the window never",
        "nothing uses the input column ward",
    ]
    to = Console(width=100, file=io.StringIO(), highlight=False)
    pack_check.show(found, to)
    assert isinstance(to.file, io.StringIO)
    printed = to.file.getvalue()
    assert printed.splitlines()[-1] == "odd 1: 0 faults, 7 warnings"
    assert "no fault" not in printed
    assert all(f"warning: {w}" in printed for w in found.warnings)


def test_check_tries_every_date_at_which_something_changes(tmp_path: Path) -> None:
    file = tmp_path / "dated.toml"
    later = """versions = [
        { version = "1", effective_to = 2026-06-30, value = "diabetes" },
        { version = "2", effective_from = 2026-07-01, value = "diabtes" },
    ]"""
    file.write_text(ODD.replace('value = "diabetes"', later))
    load_pack(file).at(dt.date(2026, 6, 30))
    with pytest.raises(
        PackError, match=r"dated\.toml:\d+: definition\.kept: .*'diabtes' \(did you mean 'diabetes'\?\)"
    ):
        examine(file, dt.date(2026, 6, 30))


@pytest.mark.parametrize("name", builtin_packs())
def test_built_in_packs_are_sound(name: str) -> None:
    report = examine(name, dt.date(2026, 6, 30))
    assert report.outputs
    assert not [w for w in report.warnings if "no column" in w or "neither" in w]


def test_check_of_an_extension_speaks_of_the_extension_only(tmp_path: Path) -> None:
    file = tmp_path / "ours.toml"
    file.write_text(
        '[pack]\nid = "ours"\nversion = "1"\nextends = "london-2026"\n[parameters.systolic_target]\nvalue = 130\n'
    )
    assert examine(file).warnings == ()
