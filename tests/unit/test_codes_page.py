"""docs/codes.md lists the codes that the patient table has, and its map can be read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from popstrat.packs.map_file import parse_map
from popstrat.packs.patient_table import patient_schema

PAGE = (Path(__file__).parents[2] / "docs" / "codes.md").read_text(encoding="utf-8")


def test_every_ethnic_category() -> None:
    listed = re.findall(r"^\| (\w{1,2}) \| .+ \|$", PAGE, re.MULTILINE)
    assert tuple(listed) == patient_schema()["ethnicity"].labels


def test_the_map_can_be_read() -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    found = parse_map(tomllib.loads(text), patient_schema().columns)
    assert found.values["ethnicity"]["Arab"] == "S"


def test_links_lead_somewhere() -> None:
    for name, anchor in re.findall(r"\]\(([\w-]+\.md)#([\w-]+)\)", PAGE):
        text = (Path(__file__).parents[2] / "docs" / name).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, anchor
