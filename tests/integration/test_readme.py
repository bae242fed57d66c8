"""The README: its Python runs, its pack loads, its pictures and links are there."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from popstrat import synthetic
from popstrat.packs.load import load_pack

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


def test_its_python_runs() -> None:
    table = synthetic.table(2_000, seed=1, as_of=dt.date(2026, 6, 30))
    (example,) = blocks("python")
    known: dict[str, object] = {"table": table, "batches": table.to_batches(500)}
    exec(compile(example, "README.md", "exec"), known)
    assert known["scored"].num_rows == 2_000  # type: ignore[attr-defined]


def test_its_pack_changes_a_threshold(tmp_path: Path) -> None:
    (example,) = blocks("toml")
    path = tmp_path / "our-icb.toml"
    path.write_text(example, encoding="utf-8")
    assert load_pack(path).raw["parameters"]["hba1c_target"]["value"] == 53


@pytest.mark.parametrize("to", sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", TEXT))))
def test_what_it_links_to_is_there(to: str) -> None:
    assert (ROOT / to).exists()


def test_its_pictures_have_words_for_who_does_not_see_them() -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", TEXT)
    assert len(pictures) == 3
    assert all(len(words) > 40 for words, _ in pictures)
