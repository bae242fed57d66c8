"""The table of versions that `make compatibility` writes (tests/compatibility.py)."""

from __future__ import annotations

import datetime as dt
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = runpy.run_path(str(ROOT / "tests" / "compatibility.py"))


@pytest.mark.parametrize(
    "installed",
    [("popstrat/", "popstrat-0.1.0.dist-info/"), ("__editable__.popstrat-0.1.0.pth", "popstrat-0.1.0.dist-info/")],
    ids=["a copy", "from the sources"],
)
def test_an_environment_sees_the_installed_popstrat_and_nothing_else(
    tmp_path: Path, installed: tuple[str, ...]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    for name in (*installed, "polars/", "polars-2.0.dist-info/"):
        path = here / name
        path.mkdir() if name.endswith("/") else path.touch()
    TABLE["show"](here, there)
    assert {file.name for file in there.iterdir()} == {name.strip("/") for name in installed}
    assert all(file.exists() for file in there.iterdir())


def test_an_interpreter_without_popstrat_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="popstrat is not installed"):
        TABLE["show"](tmp_path, tmp_path)


def test_there_is_a_place_for_it_in_the_page() -> None:
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert 0 < page.find(TABLE["BEGIN"]) < page.find(TABLE["END"])


def test_what_was_not_run_is_named() -> None:
    day = dt.date(2026, 11, 30)
    every = list(TABLE["ENVIRONMENTS"])
    assert TABLE["as_run"](every, day) == "As run by `tests/compatibility.py` on 2026-11-30."
    assert TABLE["as_run"](every[:-2], day).endswith(f" Not run: {every[-2]}, {every[-1]}.")
