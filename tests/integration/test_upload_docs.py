"""docs/upload.md: its month can be walked through, and its examples are sound."""

from __future__ import annotations

import datetime as dt
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from popstrat.cli import run
from popstrat.packs.load import load_pack
from popstrat.upload.identify import REASONS
from popstrat.upload.templates.dialect import DATE_FORMATS
from popstrat.upload.templates.layout import resolve_layout
from popstrat.upload.templates.settings import load_settings
from popstrat.upload.templates.sources import ScoredColumn
from popstrat.upload.templates.template import builtin_templates, load_template

PAGE = (Path(__file__).parents[2] / "docs/upload.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_month_can_be_walked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (walk,) = blocks("sh")
    for line in walk.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            assert words[0] == "popstrat"
            words = ["3000" if word == "50000" else word for word in words[1:]]
            assert run([*words, "--quiet"]) == 0, line
    names = {path.name for path in (tmp_path / "june-upload").iterdir()}
    assert "manifest.json" in names
    assert any(name.endswith("_2026-06-30_exceptions.csv") for name in names)


def test_the_examples_are_sound(tmp_path: Path) -> None:
    settings, template = blocks("toml")
    (tmp_path / "settings.toml").write_text(settings, encoding="utf-8")
    found = load_settings(tmp_path / "settings.toml")
    assert (found.excluded, found.overlap) == (0.1, 0.5)  # what holds if nothing is given
    (tmp_path / "t.toml").write_text(template, encoding="utf-8")
    scored = {n: ScoredColumn(n, r) for n, r in (("patient_id", "key"), ("practice_code", "practice"))}  # type: ignore[arg-type]
    for d in load_pack("london-2026").at(dt.date(2026, 6, 30)).definitions.values():
        if d.output is not None:
            labels = d.node.type.labels if d.dtype == "dictionary" else ()
            role: Any = "label" if labels else "flag" if d.dtype == "bool" else "number"
            scored[d.output] = ScoredColumn(d.output, role, labels)
    layout = resolve_layout(
        load_template(tmp_path / "t.toml"),
        found,
        scored,
        as_of=dt.date(2026, 6, 30),
        pack={"id": "p", "version": "1"},
        lookup=True,
        previous=True,
    )
    assert layout.changed_only
    assert layout.cohort is not None
    assert set(tomllib.loads(template)) == {"template", "file", "patients", "movers", "column"}


def test_the_page_names_everything() -> None:
    for word in (*builtin_templates(), *DATE_FORMATS, *REASONS):
        assert word in PAGE, word
