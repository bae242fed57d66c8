"""What is written about a version is true of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import popstrat

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_one_version_everywhere() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert PROJECT["version"] == cited[1] == popstrat.__version__


def test_changes_are_dated_and_begin_with_what_is_not_released() -> None:
    titles = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert all(re.fullmatch(r"\[?\d+\.\d+\.\d+\]?.*\d{4}-\d{2}-\d{2}\)?", title) for title in titles[1:])


def test_all_is_every_extra() -> None:
    extras = PROJECT["optional-dependencies"]
    (said,) = extras["all"]
    assert set(re.fullmatch(r"popstrat\[(.+)\]", said)[1].split(",")) == set(extras) - {"all"}  # type: ignore[index]
